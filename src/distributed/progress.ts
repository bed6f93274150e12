/**
 * Drives collectives: those of one group run in the order in which they were called, those of different groups side by
 * side. Whoever waits moves all of them on, so that no rank holds up others while it waits for something else.
 */
import { type Communicator, type Failure, HEADER_WORDS, type Task } from "./communicator.js";
import { DistError, DistTimeoutError, RankFailedError, showRanks } from "./errors.js";

/** One collective in a queue. */
export class Entry {
  state: "waiting" | "running" | "done" | "failed" = "waiting";
  error: unknown = null;
  task: Task<void> | null = null;
  /** Its number in its group, once it began. */
  sequence: number | null = null;

  /** Whether it has ended, well or not. */
  get over(): boolean {
    return this.state === "done" || this.state === "failed";
  }

  constructor(
    readonly op: string,
    /** What was called, for messages: `allReduce(sum) of float32[2]`. */
    readonly what: () => string,
    readonly start: (entry: Entry) => Task<void>,
  ) {}
}

/** Queues with entries, of all groups of this rank. */
const busy = new Set<Queue>();

/** Messages under way and the like: called whenever this rank waits, until they return true. */
const pollers = new Set<() => boolean>();

/** Calls `poll` while this rank waits, until it returns true. */
export function pollWhileWaiting(poll: () => boolean): void {
  pollers.add(poll);
}

/** Moves on all that is under way, but for one queue. Returns whether anything came to its end. */
function moveOthersOn(but: Queue | null): boolean {
  let ended = false;
  for (const queue of busy) if (queue !== but) ended = queue.step() || ended;
  for (const poll of pollers) {
    if (!poll()) continue;
    pollers.delete(poll);
    ended = true;
  }
  return ended;
}

/** Waits until `done`, for `timeout` milliseconds at most, or until `peers` (ranks of the group) are gone. */
export function waitFor(
  comm: Communicator,
  done: () => boolean,
  peers: readonly number[],
  timeout: number,
): "done" | "timeout" | Failure {
  const until = performance.now() + timeout;
  for (let turn = 1; ; ) {
    if (done()) return "done";
    const failure = comm.failure(peers);
    if (failure !== null) return done() ? "done" : failure;
    if (performance.now() > until) return "timeout";
    turn = moveOthersOn(null) ? 1 : turn + 1;
    comm.pause(turn, until);
  }
}

/** The collectives of one group, in order. */
export class Queue {
  private readonly entries: Entry[] = [];
  private sequence = 0;
  /** The header of the collective that runs. */
  readonly header: Int32Array = new Int32Array(HEADER_WORDS);
  /** The first error after which the ranks may be out of step. */
  broken: Error | null = null;

  constructor(
    readonly comm: Communicator,
    readonly ranks: readonly number[],
    readonly name: string,
  ) {}

  /** How many collectives have begun. */
  get begun(): number {
    return this.sequence;
  }

  /** The number of the next collective; called as it begins. */
  private next(): number {
    this.sequence = (this.sequence + 1) | 0;
    return this.sequence;
  }

  /** Puts a collective at the end of the queue and moves it on as far as it goes. */
  add(entry: Entry): void {
    this.entries.push(entry);
    busy.add(this);
    this.step();
  }

  /** Moves the first entries on without waiting. Returns whether one came to its end. */
  step(): boolean {
    let ended = false;
    for (;;) {
      const entry = this.entries[0];
      if (entry === undefined) break;
      if (!this.advance(entry)) break;
      this.entries.shift();
      ended = true;
    }
    if (this.entries.length === 0) busy.delete(this);
    return ended;
  }

  /** Moves one entry on; true once it is over. */
  private advance(entry: Entry): boolean {
    if (entry.over) return true;
    try {
      if (entry.task === null) {
        this.check(entry);
        entry.sequence = this.next();
        entry.state = "running";
        entry.task = entry.start(entry);
      }
      if (entry.task.next().done !== true) {
        const failure = this.comm.failure();
        if (failure === null) return false;
        entry.task.return();
        throw this.rankFailed(entry, failure.rank, failure.reason);
      }
      entry.state = "done";
    } catch (error) {
      entry.state = "failed";
      entry.error = error;
    }
    return true;
  }

  private check(entry: Entry): void {
    if (this.broken === null) return;
    throw new DistError(
      `[${entry.op}] ${this.name} is out of use since an earlier collective failed: ${this.broken.message}`,
      {
        op: entry.op,
        sequenceNumber: this.sequence,
        ranks: this.broken instanceof DistError ? this.broken.ranks : [],
      },
    );
  }

  /** Runs an entry, and those before it, to its end. Throws what went wrong with it. */
  wait(entry: Entry, timeout: number): void {
    let turn = 0;
    let until = 0;
    for (;;) {
      if (!entry.over) this.step();
      if (entry.over) break;
      if (turn === 0) until = performance.now() + timeout;
      else if (turn > 64 && performance.now() > until) {
        this.giveUp(entry, timeout);
        break;
      }
      turn = moveOthersOn(this) ? 1 : turn + 1;
      this.comm.pause(turn, until);
    }
    if (entry.state === "failed") throw entry.error;
  }

  /** Ends the entry that everybody waits for, and all after it: the ranks are out of step from here on. */
  private giveUp(entry: Entry, timeout: number): void {
    const head = this.entries[0] as Entry;
    const missing = this.comm.missing().map((r) => this.ranks[r] as number);
    const waiting = this.ranks.filter((r) => !missing.includes(r));
    const who =
      missing.length === 0
        ? "all ranks joined, but the exchange did not end"
        : `${showRanks(missing)} did not join; ${showRanks(waiting)} waited with ${head.what()}`;
    const error = new DistTimeoutError(
      `[${head.op}] timed out after ${timeout} ms in call ${head.sequence} of ${this.name}: ${who}; ` +
        "every rank must call the same collectives in the same order; try a longer timeout if a rank is slow",
      { op: head.op, sequenceNumber: head.sequence, ranks: missing },
    );
    this.broken = error;
    this.comm.abort(error.message);
    head.task?.return();
    for (const other of this.entries.splice(0)) {
      other.state = "failed";
      other.error = error;
    }
    busy.delete(this);
    if (entry.state !== "failed") throw error;
  }

  private rankFailed(entry: Entry, rank: number, reason: string): RankFailedError {
    const error = new RankFailedError(
      `[${entry.op}] rank ${rank} ${reason}; ${entry.what()} (call ${entry.sequence} of ${this.name}) needs ` +
        `${showRanks(this.ranks)}`,
      { op: entry.op, sequenceNumber: entry.sequence, ranks: [rank] },
    );
    this.broken = error;
    return error;
  }

  /** Forgets what is under way. */
  close(): void {
    for (const entry of this.entries.splice(0)) {
      entry.task?.return();
      entry.state = "failed";
      entry.error = new DistError(`[${entry.op}] ${this.name} was destroyed before the call was over`, {
        op: entry.op,
        sequenceNumber: entry.sequence,
        ranks: [],
      });
    }
    busy.delete(this);
  }
}
