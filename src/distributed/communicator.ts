/**
 * What a backend does for one group of ranks: it carries headers and contiguous elements between heaps, and says who is
 * missing or gone. What the collectives mean (checks, errors, timeouts, dtypes, strides, averages, lists) is above it,
 * in `processGroup.ts`, once for all backends.
 */
import type { Tensor } from "../tensor/tensor.js";
import type { ReduceOp } from "./reduceOp.js";

/** The backends: worker threads of one process, or processes under MPI. */
export type Backend = "threads" | "mpi";

/**
 * Work that waits for other ranks: it yields whenever it can go no further, and is resumed until it is done. Who
 * resumes it watches the deadline; a task that is given up is ended by `return()`, so what it holds it frees in `finally`.
 * A task never sleeps itself.
 */
export type Task<T> = Generator<undefined, T, undefined>;

/** Words of a header. */
export const HEADER_WORDS = 32;

/** The reductions that backends know; averages are sums with a divisor, bool goes as uint8 with a fitting op. */
export type BasicOp = Exclude<ReduceOp, "avg">;

/** How to reduce: `op` in the order of ranks 0, 1, 2, ..., then divided by `divisor` (1: not at all; floats, or integers towards zero). */
export interface Reduction {
  readonly op: BasicOp;
  readonly divisor: number;
}

/** A rank that is gone. */
export interface Failure {
  /** Rank in the world. */
  readonly rank: number;
  /** What it did, as the end of a sentence: `threw Error: ...`, `exited with code 3`, `gave up: ...`. */
  readonly reason: string;
}

/** A message that is on its way out. */
export interface Sending {
  /**
   * Whether the receiver has taken the message.
   * @throws DistError when it refused it.
   */
  poll(): boolean;
  /** Gives the message up, if it has not been taken yet. */
  cancel(): void;
}

/** A message that has arrived and waits to be taken or refused. */
export interface Envelope {
  /** Rank in the group that sent it. */
  readonly source: number;
  readonly header: Int32Array;
}

/**
 * One group of ranks, seen from one of them. Ranks are those of the group, 0 to size - 1.
 *
 * Tensors given to the data movers are contiguous, and their addresses (`ptr(t)`) stay as they are until the task ends.
 * An output is written only when its whole content is known: a task that throws or is given up leaves the old values.
 * Input and output may be the same tensor where their sizes agree. All ranks call the same movers in the same order,
 * each after an `agree` that passed the same input.
 */
export interface Communicator {
  readonly backend: Backend;
  readonly rank: number;
  readonly size: number;

  /**
   * Gives this rank's header (HEADER_WORDS words) to all and returns everybody's, by rank; valid until the next call.
   * `input` is what this rank will pass to the mover that follows (null when nothing), so that a backend may send a
   * small one along with the header.
   */
  agree(header: Int32Array, input: Tensor | null): Task<readonly Int32Array[]>;
  /** Ranks whose header has not come yet in the `agree` that is under way. */
  missing(): number[];

  /** output = reduction of all inputs, the same bits on every rank and in every run. */
  allReduce(input: Tensor, output: Tensor, reduction: Reduction): Task<void>;
  /** As allReduce, with the output on `root` alone (null elsewhere). */
  reduce(input: Tensor, output: Tensor | null, reduction: Reduction, root: number): Task<void>;
  /** Elements of `root` to all; on root the tensor is the input, elsewhere the output. */
  broadcast(tensor: Tensor, root: number): Task<void>;
  /** output = the inputs one after another; `counts` are elements by rank. */
  allGather(input: Tensor, output: Tensor, counts: readonly number[]): Task<void>;
  /** As allGather, with the output on `root` alone (null elsewhere). */
  gather(input: Tensor, output: Tensor | null, counts: readonly number[], root: number): Task<void>;
  /** output = this rank's part of root's input, which is cut by `counts` (null elsewhere). */
  scatter(input: Tensor | null, output: Tensor, counts: readonly number[], root: number): Task<void>;
  /** output = this rank's part, cut by `counts`, of the reduction of all inputs. */
  reduceScatter(input: Tensor, output: Tensor, counts: readonly number[], reduction: Reduction): Task<void>;
  /** Part j of the input, cut by `inputCounts`, goes to rank j; part i of the output, cut by `outputCounts`, comes from rank i. */
  allToAll(
    input: Tensor,
    output: Tensor,
    inputCounts: readonly number[],
    outputCounts: readonly number[],
  ): Task<void>;

  /**
   * Starts sending a message (never waits). `stable` says that the tensor's elements and address will not change until
   * the message was taken; otherwise they are copied now.
   */
  send(header: Int32Array, tensor: Tensor, destination: number, tag: number, stable: boolean): Sending;
  /** The next message with that tag from `source` (null: from any rank), if one is there. Looks, never waits. */
  probe(source: number | null, tag: number): Envelope | null;
  /** Takes a message: its elements come into `output`, which fits. */
  take(envelope: Envelope, output: Tensor): Task<void>;
  /** Refuses a message; its sender gets an error with this reason. */
  refuse(envelope: Envelope, reason: string): void;

  /** A communicator of some ranks of this one, in the order of the list; called by these ranks only, with a name that all of them know. */
  split(ranks: readonly number[], name: string): Task<Communicator>;

  /**
   * Called between two steps of a task that cannot go on: spins for small `turn`s (0, 1, 2, ... since the last
   * progress), gives the core away for large ones, but returns soon after something arrived and by `until`
   * (milliseconds of `performance.now()`) at the latest.
   */
  pause(turn: number, until: number): void;
  /**
   * A rank that is gone, so that what is under way cannot succeed any more; null while all is well. A rank that has
   * returned counts only when it is waited for: in the collective under way, or, when `peers` are given, when all of
   * them have returned.
   */
  failure(peers?: readonly number[]): Failure | null;
  /** Tells the other ranks of the group, as far as that is possible, that it is out of use, and why. */
  abort(reason: string): void;
  /** Gives the communicator's resources back; collective where the backend needs that. */
  close(): void;
}
