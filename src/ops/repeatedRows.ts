/**
 * Rows of a matrix that occur again and again, as those of looked-up or one-hot characters do: what is linear in each
 * row is computed once for each distinct one, with the same bits. Nothing here is recorded.
 */
import { kernels, runAll, split, splitStart } from "../kernels/index.js";
import { INT64, SIZES } from "../tensor/dtype.js";
import { address, allocate, release } from "../tensor/heap.js";
import { enqueue, GRAIN, inPieces, kernelTable } from "../tensor/launch.js";
import { empty, ptr, viewOf } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";

const SELECT = kernelTable("indexSelect", ["1", "1", "4", "8", "4", "8"]);
const SUMS = kernelTable("sumsOfRows");

/** Multiply-adds for each row from which looking for it is worth its time, a hundredth of theirs. */
const LEAST_WORK = 4096;
/** Rows from which it is. */
const LEAST_ROWS = 64;
/** Columns that one thread adds up at least: less than this reads memory in pieces too small. */
const COLUMNS = 128;
/** Pieces that the sums are cut into. */
const PIECES = 8;

/** Where the rows of a matrix occur first. */
export interface RepeatedRows {
  /** The number of each row among the distinct ones, int64. */
  readonly ids: Tensor;
  /** The first row of each number, int64. */
  readonly first: Tensor;
}

/** The distinct rows of a contiguous matrix if at most half of them are, `work` multiply-adds each; else null. */
export function repeatedRows(x: Tensor, work: number): RepeatedRows | null {
  const [rows, width] = x.shape as [number, number];
  if (work < LEAST_WORK || rows < LEAST_ROWS) return null;
  const most = rows >> 1;
  const size = 2 ** Math.ceil(Math.log2(2 * most + 1));
  const ids = empty([rows], INT64);
  const first = empty([most], INT64);
  const table = allocate(4 * size);
  const bytes = width * (SIZES[x.code] as number);
  const count = kernels.distinctRows(ptr(x), rows, bytes, most, ptr(ids), ptr(first), address(table), size);
  release(table);
  if (count >= 0) return { ids, first: viewOf(first, [count], null, 0) };
  release(ids.storage);
  release(first.storage);
  return null;
}

/** The rows of a contiguous matrix at the indices. */
export function rowsAt(x: Tensor, index: Tensor): Tensor {
  const [rows, width] = x.shape as [number, number];
  const out = empty([index.numel, width], x.code);
  const [from, at, to] = [ptr(x), ptr(index), ptr(out)];
  const step = width * (SIZES[x.code] as number);
  inPieces(index.numel, Math.ceil(GRAIN / width), (start, count) => {
    enqueue(SELECT, x.code, from, at + start * 8, to + start * step, 1, rows, count, width);
  });
  return out;
}

/** out[k, :] = the sum of the rows i of a contiguous matrix with ids[i] = k, for k below `count`. */
export function sumsOfRows(x: Tensor, ids: Tensor, count: number): Tensor {
  const [rows, width] = x.shape as [number, number];
  const out = empty([count, width], x.code);
  const starts = allocate(4 * (count + 1));
  const order = allocate(4 * rows);
  const [first, places] = [address(starts), address(order)];
  const [from, to] = [ptr(x), ptr(out)];
  kernels.rowsInOrder(ptr(ids), rows, count, first, places);
  // Numbers occur unequally often: more pieces than threads, and few numbers share their columns.
  const across = Math.max(1, Math.min(Math.floor(width / COLUMNS), Math.ceil(PIECES / count)));
  const pieces = Math.min(split(rows * width, GRAIN * across), PIECES, count);
  for (let j = 0; j < across; j++) {
    const [left, right] = [splitStart(j, across, width), splitStart(j + 1, across, width)];
    for (let i = 0; i < pieces; i++) {
      const [k0, k1] = [splitStart(i, pieces, count), splitStart(i + 1, pieces, count)];
      enqueue(SUMS, x.code, from, first, places, to, width, k0, k1, left, right);
    }
  }
  runAll();
  release(starts);
  release(order);
  return out;
}
