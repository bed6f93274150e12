/** Singular and eigenvectors: products of reflections, turned by the rotations that an iteration has listed. */
import { putInts } from "../../kernels/index.js";
import { FLOAT64, INT32, SIZES } from "../../tensor/dtype.js";
import { release } from "../../tensor/heap.js";
import { enqueue, inPieces, type KernelTable, kernelTable } from "../../tensor/launch.js";
import { empty, ptr, toTyped } from "../../tensor/raw.js";
import { freeSlots, takeSlots } from "../../tensor/scratch.js";
import type { Tensor } from "../../tensor/tensor.js";
import { overBatch } from "./core.js";

/** Reflections of a batch of matrices, float64: vector i is row i of a matrix of `vectors`, from element i + offset on. */
export interface Reflections {
  /** [*, k or more, length] */
  readonly vectors: Tensor;
  /** [*, k or more]: the factors. */
  readonly taus: Tensor;
  readonly count: number;
  readonly offset: number;
  /** Whether the elements count from the last one (default false). */
  readonly turned?: boolean;
}

/** Where the vectors end after the rotations, int32: -1 - place where they turn round. */
export interface Places {
  readonly at: Tensor;
  /** Elements from one matrix to the next, and to the first of these places. */
  readonly stride: number;
  readonly first: number;
}

/** Lists of rotations (assembly/givens.ts) of the matrices `first` to `first + count`. */
export interface Rotations {
  readonly first: number;
  readonly count: number;
  readonly lists: Tensor;
  /** Bytes of each. */
  readonly room: number;
}

/** The error for matrix i of the batch. */
export type Failure = (i: number, what: string) => Error;

/** Bytes of a pair c, s. */
const PAIR = 16;
const NOT_CONVERGED = 1;
const NOT_FINITE = 2;
const NO_ROOM = 3;
/** Bytes of the lists that are held at a time, if one matrix takes no more. */
const LISTED = 2 ** 25;

/**
 * Iterates over a batch of `batch` matrices [n, n] of two diagonals; `args` are the kernel's arguments before and after
 * the lists' address and room, for the matrices from `first` on, and `visit` sees the lists, of `pairs` pairs a rotation,
 * of some matrices at a time. More than `turns` rotations are rare. With 0 pairs only the values are wanted.
 */
export function iterate(
  fail: Failure,
  kernel: KernelTable,
  [batch, n, pairs, turns]: readonly [batch: number, n: number, pairs: number, turns: number],
  args: (first: number) => readonly [before: readonly number[], orders: number, after: number],
  visit: (rotations: Rotations) => void,
): void {
  let room = PAIR * pairs * Math.ceil(turns) + (pairs === 0 ? 0 : 256);
  for (let first = 0, count = 0; first < batch; ) {
    count = Math.min(batch - first, room === 0 ? batch : Math.max(1, Math.floor(LISTED / room)));
    const [lists, infos] = [empty([(count * room) / 8], FLOAT64), empty([count], INT32)];
    const queue = (from: number, some: number, slots: readonly number[]) => {
      const [before, orders, after] = args(first + from);
      const list = room === 0 ? 0 : ptr(lists) + from * room;
      enqueue(
        kernel,
        FLOAT64,
        ...before,
        list,
        room,
        orders,
        ptr(infos) + 4 * from,
        some,
        n,
        after,
        ...slots,
      );
    };
    overBatch(count, 30 * n * n, 0, queue, 16 * n + 64);
    const found = toTyped(infos) as Int32Array;
    release(infos.storage);
    const bad = found.findIndex((info) => info === NOT_FINITE || info === NOT_CONVERGED);
    if (bad >= 0) {
      const finite = found[bad] === NOT_CONVERGED;
      throw fail(
        first + bad,
        finite ? "the iteration did not converge" : "the matrix holds NaN or infinities",
      );
    }
    if (!found.includes(NO_ROOM)) {
      visit({ first, count, lists, room });
      first += count;
    } else room *= 2;
    release(lists.storage);
  }
}

const STRIPS = kernelTable("orthogonalStrips");

/** Rows of a strip. */
const ROWS = 8;
/** Multiply-adds that are worth a piece of their own. */
const GRAIN_STRIPS = 65536;

/**
 * The products of the reflections, turned by pair `side` of `pairs` of each rotation, into `out` [batch, n, columns] of any
 * strides; columns that have no place stay where they are.
 */
export function orthogonalInto(
  out: Tensor,
  { vectors, taus, count, offset, turned = false }: Reflections,
  { first, count: matrices, lists, room }: Rotations,
  [side, pairs]: readonly [side: number, pairs: number],
  { at, stride, first: place }: Places,
  placed: number,
): void {
  const [n, columns] = out.shape.slice(-2) as [number, number];
  const [matrix, rs, cs] = out.strides as [number, number, number];
  const [rows, length] = vectors.shape.slice(-2) as [number, number];
  const factors = taus.shape.at(-1) as number;
  const size = SIZES[out.code] as number;
  const work = ROWS * n * (2 * count + 4 * placed);
  const units = matrices * Math.ceil(n / ROWS);
  const slots = takeSlots(64 * n + 64, Math.ceil(units / Math.ceil(GRAIN_STRIPS / work)));
  const desc = putInts([
    ...[n, columns, rs, cs, matrix, ptr(out) + first * matrix * size],
    ...[count, ptr(vectors) + 8 * first * rows * length, length, rows * length, offset],
    ...[ptr(taus) + 8 * first * factors, Number(turned), ptr(lists), room, PAIR * pairs],
    ...[ptr(at) + 4 * (first * stride + place), placed, factors, stride, PAIR * side],
  ]);
  inPieces(units, Math.ceil(GRAIN_STRIPS / work), (from, some) => {
    enqueue(STRIPS, out.code, desc, from, some, slots.at, slots.count, slots.bytes);
  });
  freeSlots(slots);
}
