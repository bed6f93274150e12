/** What a group of ranks is, whatever its ranks exchange. */
import { ValueError } from "../tensor/errors.js";
import type { Backend, Communicator } from "./communicator.js";
import { DistBackendError } from "./errors.js";
import { type Blocking, type Call, type CollectiveOptions, type Outcome, runCollective } from "./exchange.js";
import { Queue } from "./progress.js";
import type { Staging } from "./staging.js";
import { doneWork } from "./work.js";

/** Milliseconds that collectives wait for other ranks, unless told otherwise. */
export const DEFAULT_TIMEOUT = 300_000;

/** The facts of a group; `ProcessGroup` adds what its ranks do together. */
export class Group {
  /** What messages call the group. */
  readonly name: string;
  /** The ranks in the world of the group's ranks, in order. */
  readonly ranks: readonly number[];
  /** Milliseconds that a collective waits for other ranks. */
  timeout: number;
  /** @internal */
  readonly queue: Queue | null;
  #closed = false;

  /** @internal */
  constructor(
    comm: Communicator | null,
    ranks: readonly number[],
    name: string,
    timeout: number = DEFAULT_TIMEOUT,
  ) {
    this.name = name;
    this.ranks = ranks;
    this.timeout = timeout;
    this.queue = comm === null ? null : new Queue(comm, ranks, name);
  }

  /** @internal */
  get comm(): Communicator {
    if (this.queue === null)
      throw new DistBackendError(
        `[ProcessGroup] this rank is not in ${this.name}: expected one of ${this.ranks.join(", ")}`,
      );
    return this.queue.comm;
  }

  /** This rank's number in the group; -1 when it is not in it. */
  rank(): number {
    return this.queue === null ? -1 : this.queue.comm.rank;
  }

  /** How many ranks the group has. */
  size(): number {
    return this.ranks.length;
  }

  /** The number in the world of a rank of the group. */
  globalRank(rank: number): number {
    const found = this.ranks[rank];
    if (found !== undefined) return found;
    throw new ValueError(`[globalRank] got rank ${rank} of ${this.name}, expected 0 to ${this.size() - 1}`);
  }

  /** The backend; null when this rank is not in the group. */
  get backend(): Backend | null {
    return this.queue === null ? null : this.queue.comm.backend;
  }

  /** @internal Runs what `describe` says; nothing where this rank is not in the group. */
  collective<O extends CollectiveOptions = Blocking>(
    options: O | undefined,
    describe: (staging: Staging) => Call,
  ): Outcome<O> {
    if (this.queue === null) return (options?.asyncOp === true ? doneWork() : undefined) as Outcome<O>;
    if (this.#closed)
      throw new DistBackendError(`[ProcessGroup] ${this.name} was destroyed; try newGroup() for another`);
    return runCollective(this.queue, this.timeout, options ?? {}, describe) as Outcome<O>;
  }

  /** @internal Ends what is under way and gives the group's memory back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.queue?.close();
    this.queue?.comm.close();
  }

  /** The name, the ranks, and which of them this one is. */
  toString(): string {
    return `ProcessGroup(${this.name}, rank ${this.rank()} of ${this.size()})`;
  }
}
