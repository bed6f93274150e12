/**
 * Elements from rank to rank, for inputs that did not fit along with the headers. Every rank exchanges with every other
 * one directly: all movers carry the least possible bytes, and reductions go in the order of ranks, so that results have
 * the same bits as on any other backend. Outputs are written last, from temporaries.
 */
import { mem } from "../../kernels/index.js";
import { type DTypeCode, sizeOf } from "../../tensor/dtype.js";
import { trade } from "../../tensor/heap.js";
import { copyInto, ptr, viewOf } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Reduction, Task } from "../communicator.js";
import { reduceInto } from "../reduction.js";
import { pinned } from "../staging.js";
import { Requests } from "./requests.js";
import type { MpiRuntime } from "./runtime.js";

/** Bytes that go in one step of a reduction: so much stays in the caches until it is sent on. */
const PIECE_BYTES = 1024 * 1024;
/** Parts of a tensor start at multiples of so many elements. */
const ALIGNMENT = 16;

/** Where a mover runs: one group, seen from one rank. */
export interface Port {
  readonly runtime: MpiRuntime;
  /** Ranks in the world. */
  readonly ranks: readonly number[];
  readonly rank: number;
  readonly size: number;
  /** Tags of elements on their way, and of elements that are passed on. */
  readonly firstTag: number;
  readonly secondTag: number;
  /** All ranks of the group but this one, the next one first. */
  readonly peers: readonly number[];
}

/** A range of elements. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Equal parts of `n` elements, by rank. */
function cut(n: number, parts: number): Range[] {
  const each = Math.ceil(n / parts / ALIGNMENT) * ALIGNMENT;
  return Array.from({ length: parts }, (_, r) => ({
    start: Math.min(n, r * each),
    end: Math.min(n, (r + 1) * each),
  }));
}

/** Parts of as many elements as `counts` says, one after another. */
export function cutBy(counts: readonly number[]): Range[] {
  let end = 0;
  return counts.map((count) => {
    const start = end;
    end += count;
    return { start, end };
  });
}

/** Piece number `k` of a part. */
function pieceOf({ start, end }: Range, k: number, piece: number): Range {
  const first = Math.min(end, start + k * piece);
  return { start: first, end: Math.min(end, first + piece) };
}

/** Gives `output` the elements of a temporary of the same size, by a trade of memory where both are whole storages. */
export function commit(output: Tensor, temporary: Tensor): void {
  const whole = output.storageOffset === 0 && output.nbytes === output.storage.nbytes;
  if (whole && trade(output.storage, temporary.storage)) return;
  copyInto(output, viewOf(temporary, output.shape, null, temporary.storageOffset));
}

/** One mover at work. */
class Move {
  private readonly batches: Requests[] = [];
  private readonly temporaries: Tensor[] = [];
  private readonly size: number;

  constructor(
    readonly port: Port,
    private readonly code: DTypeCode,
  ) {
    this.size = sizeOf(code);
  }

  batch(): Requests {
    const requests = new Requests(this.port.runtime);
    this.batches.push(requests);
    return requests;
  }

  temporary(numel: number): Tensor {
    const t = pinned([numel], this.code);
    this.temporaries.push(t);
    return t;
  }

  /** Sends elements of `t` to a rank of the group. */
  send(batch: Requests, t: Tensor, { start, end }: Range, to: number, tag: number): void {
    const { runtime, ranks } = this.port;
    const from = runtime.base + ptr(t) + start * this.size;
    batch.send(from, (end - start) * this.size, ranks[to] as number, tag, runtime.bulk);
  }

  /** Receives elements of `t` from a rank of the group. */
  receive(batch: Requests, t: Tensor, { start, end }: Range, from: number, tag: number): void {
    const { runtime, ranks } = this.port;
    const to = runtime.base + ptr(t) + start * this.size;
    batch.receive(to, (end - start) * this.size, ranks[from] as number, tag, runtime.bulk);
  }

  /** Frees the temporaries; what is still under way is given up. */
  end(): void {
    const [first, ...others] = this.batches;
    for (const batch of others) batch.abandon([]);
    first?.abandon(this.temporaries);
  }
}

function* settle(batch: Requests): Task<void> {
  while (!batch.done()) yield;
}

/** Copies elements within the heap. */
function copyRange(to: Tensor, { start }: Range, from: Tensor, range: Range): void {
  const shape = [range.end - range.start];
  copyInto(
    viewOf(to, shape, null, to.storageOffset + start),
    viewOf(from, shape, null, from.storageOffset + range.start),
  );
}

/**
 * Reduces `parts[r]` on rank r, then passes it on to the ranks that `keepers` names. On these the result has all parts,
 * on others only the rank's own. Pieces go one after another: one is reduced while the next is under way.
 */
function* reduceParts(
  move: Move,
  input: Tensor,
  parts: readonly Range[],
  reduction: Reduction,
  keepers: readonly number[],
): Task<Tensor> {
  const { rank, size, peers, firstTag, secondTag } = move.port;
  const longest = Math.max(...parts.map(({ start, end }) => end - start));
  const bytes = sizeOf(input.code);
  const piece = Math.min(longest, PIECE_BYTES / bytes);
  const result = move.temporary(input.numel);
  const steps = Math.ceil(longest / piece);
  const slots = move.temporary(Math.min(2, steps) * size * piece);
  const own = parts[rank] as Range;
  const slotOf = (peer: number, k: number) => ((k & 1) * size + peer) * piece;
  const turns = [move.batch(), move.batch()] as const;
  const passed = move.batch();
  const start = (k: number): void => {
    const batch = turns[(k & 1) as 0 | 1];
    const mine = pieceOf(own, k, piece);
    for (const p of peers) {
      const at = slotOf(p, k);
      move.receive(batch, slots, { start: at, end: at + mine.end - mine.start }, p, firstTag);
    }
    for (const p of peers) move.send(batch, input, pieceOf(parts[p] as Range, k, piece), p, firstTag);
  };
  const keeps = keepers.includes(rank);
  start(0);
  for (let k = 0; k < steps; k++) {
    if (k + 1 < steps) start(k + 1);
    yield* settle(turns[(k & 1) as 0 | 1]);
    const mine = pieceOf(own, k, piece);
    const sources = Array.from({ length: size }, (_, r) =>
      r === rank ? ptr(input) + mine.start * bytes : ptr(slots) + slotOf(r, k) * bytes,
    );
    reduceInto(input.code, reduction, ptr(result) + mine.start * bytes, sources, mine.end - mine.start);
    for (const p of peers) {
      if (keeps) move.receive(passed, result, pieceOf(parts[p] as Range, k, piece), p, secondTag);
    }
    for (const p of peers) if (keepers.includes(p)) move.send(passed, result, mine, p, secondTag);
  }
  yield* settle(passed);
  return result;
}

/** See {@link Communicator.allReduce}. */
export function* allReduce(port: Port, input: Tensor, output: Tensor, reduction: Reduction): Task<void> {
  const move = new Move(port, input.code);
  try {
    const everybody = port.ranks.map((_, r) => r);
    const result = yield* reduceParts(move, input, cut(input.numel, port.size), reduction, everybody);
    commit(output, result);
  } finally {
    move.end();
  }
}

/** See {@link Communicator.reduce}. */
export function* reduce(
  port: Port,
  input: Tensor,
  output: Tensor | null,
  reduction: Reduction,
  root: number,
): Task<void> {
  const move = new Move(port, input.code);
  try {
    const result = yield* reduceParts(move, input, cut(input.numel, port.size), reduction, [root]);
    if (output !== null) commit(output, result);
  } finally {
    move.end();
  }
}

/** See {@link Communicator.reduceScatter}. */
export function* reduceScatter(
  port: Port,
  input: Tensor,
  output: Tensor,
  counts: readonly number[],
  reduction: Reduction,
): Task<void> {
  const move = new Move(port, input.code);
  try {
    const parts = cutBy(counts);
    const result = yield* reduceParts(move, input, parts, reduction, []);
    const own = parts[port.rank] as Range;
    copyInto(output, viewOf(result, output.shape, null, result.storageOffset + own.start));
  } finally {
    move.end();
  }
}

/**
 * See {@link Communicator.broadcast}. The root sends each other rank a part, and these pass their parts on to one
 * another, piece by piece: nobody sends much more than the tensor.
 */
export function* broadcast(port: Port, tensor: Tensor, root: number): Task<void> {
  const { rank, ranks, size, peers, firstTag, secondTag } = port;
  const move = new Move(port, tensor.code);
  const others = ranks.map((_, r) => r).filter((r) => r !== root);
  const parts = cut(tensor.numel, size - 1);
  const partOf = (r: number) => parts[others.indexOf(r)] as Range;
  const longest = (parts[0] as Range).end;
  const piece = Math.min(longest, PIECE_BYTES / sizeOf(tensor.code));
  const steps = Math.ceil(longest / piece);
  try {
    if (rank === root) {
      const batch = move.batch();
      for (let k = 0; k < steps; k++) {
        for (const p of peers) move.send(batch, tensor, pieceOf(partOf(p), k, piece), p, firstTag);
      }
      yield* settle(batch);
      return;
    }
    const result = move.temporary(tensor.numel);
    const passed = move.batch();
    const arrivals = Array.from({ length: steps }, () => move.batch());
    arrivals.forEach((batch, k) => {
      move.receive(batch, result, pieceOf(partOf(rank), k, piece), root, firstTag);
    });
    const fellows = peers.filter((p) => p !== root);
    for (let k = 0; k < steps; k++) {
      for (const p of fellows) move.receive(passed, result, pieceOf(partOf(p), k, piece), p, secondTag);
      yield* settle(arrivals[k] as Requests);
      for (const p of fellows) move.send(passed, result, pieceOf(partOf(rank), k, piece), p, secondTag);
    }
    yield* settle(passed);
    commit(tensor, result);
  } finally {
    move.end();
  }
}

/** What a rank sends to and gets from each rank, itself included, as ranges of its input and its output. */
export interface Routes {
  readonly sends: (to: number) => Range | null;
  readonly receives: (from: number) => Range | null;
  /** Address of what is to be received from a rank when it is in this heap already, else 0. */
  readonly here?: (from: number) => number;
}

/** Moves ranges of `input` into ranges of `output`, with one message for each pair of ranks at most. */
export function* route(port: Port, input: Tensor | null, output: Tensor | null, routes: Routes): Task<void> {
  const { rank, peers, firstTag } = port;
  const { sends, receives, here = () => 0 } = routes;
  const code = (input ?? (output as Tensor)).code;
  const move = new Move(port, code);
  try {
    const batch = move.batch();
    const result = output === null ? null : move.temporary(output.numel);
    for (const p of peers) {
      const range = receives(p);
      if (range === null || result === null) continue;
      if (here(p) === 0) move.receive(batch, result, range, p, firstTag);
      else copyBytes(here(p), ptr(result), range, sizeOf(code));
    }
    for (const p of peers) {
      const range = sends(p);
      if (range !== null && input !== null) move.send(batch, input, range, p, firstTag);
    }
    const to = receives(rank);
    const from = sends(rank);
    if (to !== null && result !== null) {
      if (here(rank) !== 0) copyBytes(here(rank), ptr(result), to, sizeOf(code));
      else if (from !== null && input !== null) copyRange(result, to, input, from);
    }
    yield* settle(batch);
    if (output !== null && result !== null) commit(output, result);
  } finally {
    move.end();
  }
}

function copyBytes(from: number, to: number, { start, end }: Range, size: number): void {
  mem.u8.copyWithin(to + start * size, from, from + (end - start) * size);
}
