/** Sorting along one dimension and what rests on it: topk, order statistics, median, mode. NaN is the largest value. */

import { defineMultiOp, type MultiOp, runMulti } from "../autograd/op.js";
import { INT64, isFloat } from "../tensor/dtype.js";
import { IndexError, ShapeError, show } from "../tensor/errors.js";
import { release } from "../tensor/heap.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { contiguous, fromTyped, full, toTyped, viewOf } from "../tensor/raw.js";
import { reducedShape, wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { div, mul } from "./arithmetic.js";
import { cast } from "./cast.js";
import { eq, isnan } from "./compare.js";
import { scatterAlong } from "./gather.js";
import { logicalAnd, logicalOr } from "./logical.js";
import { freeCopy } from "./lossCore.js";
import { asRows, fromRows, kthRows, sortedRows, topRows } from "./orderedRows.js";
import { DIM_OPTIONS, type DimOptions, type ValuesAndIndices } from "./reduce.js";
import { sum } from "./sum.js";
import { reshape } from "./view.js";

interface Ordered {
  readonly dim: number;
  /** The places of the sorted rows that are taken: [first, first + k). */
  readonly first: number;
  readonly k: number;
  readonly descending: boolean;
  /** "top": only the k first, without sorting all; "kth": only the first of them. */
  readonly kind: "all" | "top" | "kth";
}

const orderOp: MultiOp<Ordered> = defineMultiOp<Ordered>({
  name: "Sort",
  nonDifferentiable: [1],
  savesOutput: true,
  forward: ([x], { dim, first, k, descending, kind }) => {
    const t = x as Tensor;
    const { data, rows, n } = asRows(t, dim);
    const found =
      kind === "top"
        ? topRows(data, rows, n, k, descending)
        : kind === "kth"
          ? kthRows(data, rows, n, first)
          : sortedRows(data, rows, n, first, k, descending);
    freeCopy(data, t);
    const shape = t.shape.map((size, d) => (d === dim ? k : size));
    return found.map((f) => fromRows(f, dim, shape));
  },
  backward: ([g], n) => {
    if (g === null || g === undefined) return [null]; // back to where the values came from
    return [g.shape.length === 0 ? g : scatterAlong(n.shape(0), n.attrs.dim, n.output(1), g)];
  },
});

function ordered(x: Tensor, attrs: Ordered): ValuesAndIndices {
  const [values, indices] = runMulti(orderOp, [x], attrs);
  return { values: values as Tensor, indices: indices as Tensor };
}

const sizeAt = (x: Tensor, dim: number): number => (x.shape.length === 0 ? 1 : (x.shape[dim] as number));

/** Options of {@link sort} and {@link argsort}. */
export interface SortOptions {
  /** Dimension to sort along (default the last). */
  dim?: number;
  /** Largest first (default false). */
  descending?: boolean;
  /** Equal elements always keep their order here; taken for compatibility. */
  stable?: boolean;
}

const SORT_OPTIONS: OptionNames<SortOptions> = { dim: 1, descending: 1, stable: 1 };

/** A dimension, or options that may name it. */
export type DimOr<O> = number | O | undefined;

function withDim<O extends object>(
  op: string,
  dim: DimOr<O>,
  options: O | undefined,
  names: OptionNames<O>,
): O & { dim?: number } {
  checkNames(op, dim, names);
  checkOptions(op, options, names);
  return (typeof dim === "number" ? { ...options, dim } : { ...dim, ...options }) as O & { dim?: number };
}

/**
 * The elements in order along a dimension, and the positions they had. Stable. Source: `torch.sort`.
 * @example
 * sort(tensor([3, 1, 2])).indices.toArray(); // [1, 2, 0]
 */
export function sort(x: Tensor, dim?: DimOr<SortOptions>, options?: SortOptions): ValuesAndIndices {
  const o = withDim("sort", dim, options, SORT_OPTIONS);
  const d = wrapDim("sort", o.dim ?? -1, x.shape.length);
  return ordered(x, { dim: d, first: 0, k: sizeAt(x, d), descending: o.descending ?? false, kind: "all" });
}

/** The positions that sort along a dimension; see {@link sort}. Source: `torch.argsort`. */
export function argsort(x: Tensor, dim?: DimOr<SortOptions>, options?: SortOptions): Tensor {
  return sort(x.detach(), dim, options).indices;
}

/** The elements in order along the first dimension. Source: `torch.msort`. */
export function msort(x: Tensor): Tensor {
  return sort(x, 0).values;
}

/** Options of {@link topk}. */
export interface TopkOptions {
  /** Dimension (default the last). */
  dim?: number;
  /** The largest (default), or the smallest. */
  largest?: boolean;
  /** They come in order in any case; taken for compatibility. */
  sorted?: boolean;
}

const TOPK_OPTIONS: OptionNames<TopkOptions> = { dim: 1, largest: 1, sorted: 1 };

/**
 * The k largest elements along a dimension, largest first, and their positions. Source: `torch.topk`.
 * @throws IndexError when there are fewer than k.
 */
export function topk(
  x: Tensor,
  k: number,
  dim?: DimOr<TopkOptions>,
  options?: TopkOptions,
): ValuesAndIndices {
  const o = withDim("topk", dim, options, TOPK_OPTIONS);
  const d = wrapDim("topk", o.dim ?? -1, x.shape.length);
  checkK("topk", k, 0, x, d);
  return ordered(x, {
    dim: d,
    first: 0,
    k: x.shape.length === 0 ? 1 : k,
    descending: o.largest ?? true,
    kind: "top",
  });
}

function checkK(op: string, k: number, low: number, x: Tensor, dim: number): void {
  const n = sizeAt(x, dim);
  if (Number.isInteger(k) && k >= low && k <= n) return;
  throw new IndexError(
    `[${op}] k = ${k} is out of range: expected ${low} to ${n} for dimension ${dim} of shape ${show(x.shape)}`,
  );
}

/**
 * The k-th smallest element (from 1 on) along a dimension, and its position. Source: `torch.kthvalue`.
 * @throws IndexError when k is not from 1 to the size.
 */
export function kthvalue(
  x: Tensor,
  k: number,
  dim?: DimOr<DimOptions>,
  options?: DimOptions,
): ValuesAndIndices {
  const o = withDim("kthvalue", dim as DimOr<DimOptions>, options, DIM_OPTIONS);
  const d = wrapDim("kthvalue", o.dim ?? -1, x.shape.length);
  checkK("kthvalue", k, 1, x, d);
  const found = ordered(x, { dim: d, first: k - 1, k: 1, descending: false, kind: "kth" });
  return o.keepdim === true || x.shape.length === 0 ? found : squeezed(found, d);
}

function squeezed({ values, indices }: ValuesAndIndices, dim: number): ValuesAndIndices {
  const shape = reducedShape(values.shape, [dim], false);
  return { values: reshape(values, shape), indices: reshape(indices, shape) };
}

/** Which place of a sorted row is taken: `at(i)` reads the row. */
type Choice = (row: ArrayLike<number | bigint>, from: number, n: number) => number;

interface Chosen {
  readonly dim: number;
  readonly choose: Choice;
}

const chosenOp = defineMultiOp<Chosen>({
  name: "OrderStatistic",
  nonDifferentiable: [1],
  savesOutput: true,
  forward: ([x], { dim, choose }) => {
    const t = x as Tensor;
    const { data, rows, n } = asRows(t, dim);
    const [values, indices] = sortedRows(data, rows, n, 0, n, false);
    freeCopy(data, t);
    const [v, p] = [toTyped(values), toTyped(indices) as BigInt64Array];
    release(values.storage);
    release(indices.storage);
    const Typed = v.constructor as new (n: number) => Float64Array;
    const [picked, places] = [new Typed(rows), new BigInt64Array(rows)];
    for (let r = 0; r < rows; r++) {
      const at = r * n + choose(v, r * n, n);
      picked[r] = v[at] as number;
      places[r] = p[at] as bigint;
    }
    const shape = t.shape.map((size, d) => (d === dim ? 1 : size));
    return [fromTyped(picked, shape, t.code), fromTyped(places, shape, INT64)];
  },
  backward: ([g], n) => {
    if (g === null || g === undefined) return [null];
    return [g.shape.length === 0 ? g : scatterAlong(n.shape(0), n.attrs.dim, n.output(1), g)];
  },
});

function chosen(op: string, x: Tensor, o: DimOptions, choose: Choice): ValuesAndIndices {
  const dim = wrapDim(op, o.dim ?? -1, x.shape.length);
  if (sizeAt(x, dim) === 0) {
    throw new ShapeError(
      `[${op}] cannot reduce shape ${show(x.shape)} over dimension ${dim}, which is empty`,
    );
  }
  const [values, indices] = runMulti(chosenOp, [x], { dim, choose });
  const found = { values: values as Tensor, indices: indices as Tensor };
  return o.keepdim === true || x.shape.length === 0 ? found : squeezed(found, dim);
}

const notANumber = (v: number | bigint | undefined): boolean => typeof v === "number" && Number.isNaN(v);

/** How many elements of a sorted row are no NaN. */
function counted(row: ArrayLike<number | bigint>, from: number, n: number): number {
  let count = n;
  while (count > 0 && notANumber(row[from + count - 1])) count--;
  return count;
}

/** The lower of the two middle elements; a NaN, the first, where there is one. */
const middle: Choice = (row, from, n) => {
  const count = counted(row, from, n);
  return count < n ? count : (n - 1) >> 1;
};

const middleOfNumbers: Choice = (row, from, n) => Math.max(0, counted(row, from, n) - 1) >> 1;

/** The last of the longest run of equals; the smallest value among runs of one length. */
const mostFrequent: Choice = (row, from, n) => {
  let [best, longest, length] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    length = i > 0 && row[from + i] === row[from + i - 1] ? length + 1 : 1;
    if (length > longest) [best, longest] = [i, length];
  }
  return best;
};

interface Overall {
  readonly ignoreNaN: boolean;
}

const medianOp = defineMultiOp<Overall>({
  name: "Median",
  saves: true,
  savesOutput: true,
  forward: ([x], { ignoreNaN }) => {
    const t = x as Tensor;
    const flat = contiguous(t);
    const data = viewOf(flat, [t.numel], null, flat.storageOffset);
    const [values, indices] = sortedRows(data, 1, t.numel, 0, t.numel, false);
    freeCopy(flat, t);
    const v = toTyped(values);
    release(values.storage);
    release(indices.storage);
    const at = (ignoreNaN ? middleOfNumbers : middle)(v, 0, t.numel);
    return [full([], v[at] as number, t.code)];
  },
  backward: ([g], n) => {
    if (g === null || g === undefined) return [null]; // shared evenly among all that equal it
    const [x, y] = [n.input(0), n.output().detach()];
    const same = logicalOr(eq(x, y), logicalAnd(isnan(x), isnan(y)));
    const share = cast(same, g.code);
    return [mul(share, div(g, sum(share)))];
  },
});

function overallMedian(x: Tensor, ignoreNaN: boolean): Tensor {
  if (x.numel === 0) return isFloat(x.code) ? mul(sum(x), Number.NaN) : full([], 0, x.code);
  return runMulti(medianOp, [x], { ignoreNaN })[0] as Tensor;
}

/**
 * The median (of an even number of elements the lower middle one); along a dimension with its position. NaN where there
 * is one. Source: `torch.median`.
 * @example
 * median(tensor([3, 1, 2, 4])).item(); // 2
 */
export function median(x: Tensor): Tensor;
export function median(x: Tensor, dim: number | DimOptions, options?: DimOptions): ValuesAndIndices;
export function median(
  x: Tensor,
  dim?: number | DimOptions,
  options?: DimOptions,
): Tensor | ValuesAndIndices {
  const o = withDim("median", dim, options, DIM_OPTIONS);
  return o.dim === undefined || o.dim === null ? overallMedian(x, false) : chosen("median", x, o, middle);
}

/** {@link median} of the elements that are no NaN. Source: `torch.nanmedian`. */
export function nanmedian(x: Tensor): Tensor;
export function nanmedian(x: Tensor, dim: number | DimOptions, options?: DimOptions): ValuesAndIndices;
export function nanmedian(
  x: Tensor,
  dim?: number | DimOptions,
  options?: DimOptions,
): Tensor | ValuesAndIndices {
  const o = withDim("nanmedian", dim, options, DIM_OPTIONS);
  return o.dim === undefined || o.dim === null
    ? overallMedian(x, true)
    : chosen("nanmedian", x, o, middleOfNumbers);
}

/**
 * The most frequent element along a dimension (the smallest of several), and its last position. Source: `torch.mode`.
 */
export function mode(x: Tensor, dim?: DimOr<DimOptions>, options?: DimOptions): ValuesAndIndices {
  return chosen("mode", x, withDim("mode", dim as DimOr<DimOptions>, options, DIM_OPTIONS), mostFrequent);
}
