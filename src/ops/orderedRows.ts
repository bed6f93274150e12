/** Rows put in order, raw: a dimension moved to the end, sorted in kernels, with PyTorch's choice among equal elements. */
import { runAll, split, splitStart } from "../kernels/index.js";
import { INT64, SIZES, type TypedArray, UINT8 } from "../tensor/dtype.js";
import { release } from "../tensor/heap.js";
import { enqueue, GRAIN, type KernelTable, kernelFor, kernelTable } from "../tensor/launch.js";
import { contiguous, copyOf, empty, fromTyped, ptr, toTyped, viewOf } from "../tensor/raw.js";
import { contiguousStrides, type Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { hasTies, kthPosition, topOrder } from "./selection.js";

const SORT = kernelTable("sort");
const TOPK = kernelTable("topk");
/** Bytes of a sort's counters. */
const COUNTERS = 8192;

/** A tensor with one dimension moved to the end, contiguous: rows of n elements. @internal */
export function asRows(x: Tensor, dim: number): { data: Tensor; rows: number; n: number } {
  if (x.shape.length === 0) return { data: viewOf(x, [1], null, x.storageOffset), rows: 1, n: 1 };
  const n = x.shape[dim] as number;
  const toEnd = <T>(list: readonly T[]): T[] => [...list.filter((_, d) => d !== dim), list[dim] as T];
  const moved = dim === x.shape.length - 1 ? x : viewOf(x, toEnd(x.shape), toEnd(x.strides), x.storageOffset);
  return { data: contiguous(moved), rows: n === 0 ? 0 : x.numel / n, n };
}

/** The reverse of {@link asRows}: rows [..., k] as a contiguous tensor with that dimension at `dim`. @internal */
export function fromRows(t: Tensor, dim: number, shape: Shape): Tensor {
  if (shape.length < 2 || dim === shape.length - 1) return viewOf(t, shape, null, t.storageOffset);
  const strides = contiguousStrides(t.shape);
  const last = strides.pop() as number;
  strides.splice(dim, 0, last);
  const out = copyOf(viewOf(t, shape, strides, t.storageOffset));
  release(t.storage);
  return out;
}

/** Calls `queue(first, count, scratch)` for parts of the rows, each with scratch of its own, and runs them. */
function overRows(
  table: KernelTable,
  code: number,
  rows: number,
  rowCost: number,
  bytes: number,
  args: (first: number, count: number, scratch: number) => number[],
): void {
  const pieces = split(rows, Math.max(1, Math.ceil(GRAIN / rowCost)));
  const scratch = empty([pieces * bytes], UINT8);
  const at = ptr(scratch);
  if (pieces === 1) kernelFor(table, code)(...args(0, rows, at));
  else {
    for (let i = 0; i < pieces; i++) {
      const first = splitStart(i, pieces, rows);
      enqueue(table, code, ...args(first, splitStart(i + 1, pieces, rows) - first, at + i * bytes));
    }
    runAll();
  }
  release(scratch.storage);
}

/** What a kernel picks of each row, k values and their positions. `work` and `bytes` are a row's share of both. */
function picked(
  table: KernelTable,
  data: Tensor,
  [rows, n, k]: readonly [number, number, number],
  work: number,
  bytes: number,
  ...rest: number[]
): [Tensor, Tensor] {
  const shape = [...data.shape.slice(0, -1), k];
  const values = empty(shape, data.code);
  const indices = empty(shape, INT64);
  if (values.numel === 0) return [values, indices];
  const size = SIZES[data.code] as number;
  const [from, v, i] = [ptr(data), ptr(values), ptr(indices)];
  overRows(table, data.code, rows, work, bytes, (start, count, scratch) => [
    from + start * n * size,
    v + start * k * size,
    i + start * k * 8,
    scratch,
    count,
    n,
    ...rest,
  ]);
  return [values, indices];
}

/** Bytes that a radix sort of a row of n elements needs. */
function sortScratch(data: Tensor, n: number): number {
  return COUNTERS + n * (2 * (SIZES[data.code] as number) + 8);
}

/** Places [first, first + k) of each sorted row, with the positions they came from. @internal */
export function sortedRows(
  data: Tensor,
  rows: number,
  n: number,
  first: number,
  k: number,
  descending: boolean,
): [Tensor, Tensor] {
  const work = 8 * (SIZES[data.code] as number) * n;
  return picked(SORT, data, [rows, n, k], work, sortScratch(data, n), first, k, descending ? 1 : 0);
}

/**
 * Places [first, first + count) of ordered rows that are `width` long, with the positions that PyTorch gives: where
 * elements are equal, `order` tells them from the row itself.
 */
function settled(
  found: [Tensor, Tensor],
  data: Tensor,
  n: number,
  [first, count, width]: readonly [number, number, number],
  order: (row: TypedArray, from: number) => ArrayLike<number>,
): [Tensor, Tensor] {
  const [values, indices] = found;
  const v = toTyped(values);
  const rows = width === 0 ? 0 : v.length / width;
  const tied: number[] = [];
  for (let r = 0; r < rows; r++) if (hasTies(v, r * width, width)) tied.push(r);
  if (tied.length === 0 && count === width) return found;
  const taken = columns(v, rows, width, first, count);
  const places = columns(toTyped(indices) as BigInt64Array, rows, width, first, count);
  const shape = [...values.shape.slice(0, -1), count];
  for (const t of found) release(t.storage);
  const all = tied.length === 0 ? v : toTyped(data);
  for (const r of tied) {
    const at = order(all, r * n);
    for (let i = 0; i < count; i++) {
      taken[r * count + i] = all[r * n + (at[i] as number)] as never; // 0 and -0 are equal, but not the same
      places[r * count + i] = BigInt(at[i] as number);
    }
  }
  return [fromTyped(taken, shape, data.code), fromTyped(places, shape, INT64)];
}

/** Columns [first, first + count) of rows of `width` elements. */
function columns<T extends TypedArray>(
  from: T,
  rows: number,
  width: number,
  first: number,
  count: number,
): T {
  const out = from.slice(0, rows * count) as T;
  // int64 is copied by halves: a bigint for each element would take longer than all the rest
  const halves = from.BYTES_PER_ELEMENT === 8 ? 2 : 1;
  const [to, src] = halves === 2 ? [new Int32Array(out.buffer), new Int32Array(from.buffer)] : [out, from];
  const [run, step, skip] = [count * halves, width * halves, first * halves];
  for (let r = 0, o = 0; r < rows; r++) {
    const at = r * step + skip;
    for (let i = 0; i < run; i++, o++) to[o] = src[at + i] as never;
  }
  return out;
}

/** The k largest or smallest of each row, in order. @internal */
export function topRows(
  data: Tensor,
  rows: number,
  n: number,
  k: number,
  largest: boolean,
): [Tensor, Tensor] {
  const width = k === 0 ? 0 : Math.min(n, k + 1); // one more tells whether the last is tied
  const found = orderedTop(data, rows, n, width, largest);
  return settled(found, data, n, [0, k, width], (row, from) => topOrder(row, from, n, k, largest));
}

/** Place `k` (from 0) of each sorted row. @internal */
export function kthRows(data: Tensor, rows: number, n: number, k: number): [Tensor, Tensor] {
  const low = Math.max(0, k - 1);
  const width = Math.min(n, k + 2) - low;
  const found = sortedRows(data, rows, n, low, width, false);
  return settled(found, data, n, [k - low, 1, width], (row, from) => [kthPosition(row, from, n, k)]);
}

function orderedTop(data: Tensor, rows: number, n: number, k: number, largest: boolean): [Tensor, Tensor] {
  const bytes = k > 64 ? sortScratch(data, n) : 16 * k;
  return picked(TOPK, data, [rows, n, k], 4 * n, bytes, k, largest ? 1 : 0);
}
