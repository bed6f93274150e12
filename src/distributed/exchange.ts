/** One collective from its announcement to its results: what all of them have in common. */

import { mem } from "../kernels/index.js";
import { INT32 } from "../tensor/dtype.js";
import { nextOp } from "../tensor/heap.js";
import { ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { type Communicator, HEADER_WORDS, type Task } from "./communicator.js";
import { DistMismatchError } from "./errors.js";
import {
  type Announcement,
  describeHeader,
  disagreement,
  isUneven,
  type Marks,
  marksOf,
  writeHeader,
} from "./header.js";
import { Entry, type Queue } from "./progress.js";
import { pinned, Staging, unpin } from "./staging.js";
import { Work } from "./work.js";

/** Options of every collective. */
export interface CollectiveOptions {
  /** Return a {@link Work} instead of waiting (default false). */
  asyncOp?: boolean;
  /** Milliseconds to wait for the other ranks; the group's own when left out. */
  timeout?: number;
  /** @internal What this rank tells the others along with the collective; what they tell is filled in. */
  marks?: Marks;
}

/** Options of a call that waits, as those do that say nothing of `asyncOp`. */
export interface Blocking {
  /** Wait until the collective is over. */
  asyncOp?: false;
}

/** Options of a call that does not wait. */
export interface Background {
  /** Return a {@link Work} at once. */
  asyncOp: true;
}

/** A {@link Work} when `asyncOp` is true, else nothing: the collective is over when the call returns. */
export type Outcome<O> = O extends Background
  ? Work
  : O extends Blocking | string
    ? undefined
    : Work | undefined;

/** The counts that all ranks know, by rank: what each gave. */
export type Table = readonly (readonly number[])[];

/** One collective, as `ProcessGroup` describes it. */
export interface Call extends Announcement {
  /** What this rank gives to the mover, for backends that send it along with the header. */
  readonly input: Tensor | null;
  /** Counts of this rank, exchanged when any rank announces them as uneven; as many on every rank. */
  readonly counts?: readonly number[];
  /** What is wrong with the counts of all ranks, the same on every rank; null when they fit. */
  readonly verdict?: (table: Table) => string | null;
  /** Moves the data. `table` is null when all counts are even. */
  readonly move: (comm: Communicator, table: Table | null) => Task<void>;
}

/** Everybody's counts; agrees again on the call itself afterwards. */
function* exchangeCounts(
  comm: Communicator,
  header: Int32Array,
  counts: readonly number[],
  input: Tensor | null,
): Task<Table> {
  const k = counts.length;
  const own = pinned([k], INT32);
  const all = pinned([k * comm.size], INT32);
  mem.i32.set(counts, ptr(own) / 4);
  yield* comm.agree(header, own);
  yield* comm.allGather(own, all, new Array<number>(comm.size).fill(k));
  const at = ptr(all) / 4;
  const words = Array.from(mem.i32.subarray(at, at + k * comm.size), (n) => n >>> 0);
  unpin(own);
  unpin(all);
  yield* comm.agree(header, input);
  return Array.from({ length: comm.size }, (_, r) => words.slice(r * k, (r + 1) * k));
}

function mismatch(call: Call, queue: Queue, sequence: number | null, text: string, ranks: readonly number[]) {
  return new DistMismatchError(
    `[${call.op}] the ranks disagree in call ${sequence} of ${queue.name}: ${text}; ` +
      "every rank must call the same collectives in the same order, with tensors that fit",
    { op: call.op, sequenceNumber: sequence, ranks },
  );
}

function* steps(call: Call, queue: Queue, entry: Entry, marks?: Marks): Task<void> {
  const { comm, ranks, header } = queue;
  writeHeader(header, entry.sequence as number, call);
  const headers = yield* comm.agree(header, call.input);
  if (marks !== undefined) marks.all = marksOf(headers);
  const odd = disagreement(headers, ranks);
  if (odd !== null) throw mismatch(call, queue, entry.sequence, odd.text, odd.ranks);
  let table: Table | null = null;
  if (isUneven(headers) && call.counts !== undefined) {
    table = yield* exchangeCounts(comm, header, call.counts, call.input);
    const text = call.verdict?.(table) ?? null;
    if (text !== null) throw mismatch(call, queue, entry.sequence, text, ranks);
  }
  yield* call.move(comm, table);
}

/** Runs a collective, or starts it when `asyncOp` is set. */
export function runCollective(
  queue: Queue,
  timeout: number,
  options: CollectiveOptions,
  describe: (staging: Staging) => Call,
): Work | undefined {
  const async = options.asyncOp === true;
  nextOp();
  const staging = new Staging(async);
  const { marks } = options;
  const call: Call = marks === undefined ? describe(staging) : { ...describe(staging), mark: marks.own };
  const what = () => {
    const header = new Int32Array(HEADER_WORDS);
    writeHeader(header, 0, call);
    return describeHeader(header);
  };
  const entry = new Entry(call.op, what, (self) => steps(call, queue, self, marks));
  const limit = options.timeout ?? timeout;
  const wait = (ms: number) => {
    try {
      queue.wait(entry, ms);
    } catch (error) {
      staging.free();
      throw error;
    }
  };
  queue.add(entry);
  if (async) {
    return new Work({
      poll: () => {
        queue.step();
        if (entry.state === "failed") {
          staging.free();
          throw entry.error;
        }
        return entry.state === "done";
      },
      wait: (ms) => wait(ms ?? limit),
      finish: () => staging.finish(),
    });
  }
  wait(limit);
  staging.finish();
  return undefined;
}
