/** Distinct elements or slices. */

import { kernels } from "../kernels/index.js";
import { FLOAT64, INT32, INT64, isFloat, type TypedArray } from "../tensor/dtype.js";
import { ShapeError, show } from "../tensor/errors.js";
import { nextOp, release } from "../tensor/heap.js";
import { kernelFor, kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { castTo, copyOf, empty, fromTyped, full, ptr, toTyped, viewOf } from "../tensor/raw.js";
import { numelOf, type Shape, wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { contiguous } from "./cast.js";
import { extremesOf } from "./histogram.js";
import { sort } from "./sort.js";
import { reshape, transpose } from "./view.js";

const RUNS = kernelTable("runs");

/** Options of {@link uniqueConsecutive}. */
export interface UniqueConsecutiveOptions {
  /** Also give, for each element, the position of its value in the result (default false). */
  returnInverse?: boolean;
  /** Also give how often each value occurs (default false). */
  returnCounts?: boolean;
  /** Compare slices along this dimension; without it, single elements. */
  dim?: number | null;
}

const UNIQUE_CONSECUTIVE_OPTIONS: OptionNames<UniqueConsecutiveOptions> = {
  returnInverse: 1,
  returnCounts: 1,
  dim: 1,
};

/** Options of {@link unique}. */
export interface UniqueOptions extends UniqueConsecutiveOptions {
  /** The result is sorted in any case; taken for compatibility. */
  sorted?: boolean;
}

const UNIQUE_OPTIONS: OptionNames<UniqueOptions> = { sorted: 1, returnInverse: 1, returnCounts: 1, dim: 1 };

/** Options that ask for more than the values. */
export type WithParts =
  | {
      /** Where each element of the input is among the distinct ones. */
      returnInverse: true;
    }
  | {
      /** How often each of the distinct ones occurs. */
      returnCounts: true;
    };

/** Runs of equal items among n, in a given order. */
interface Runs {
  /** The first item of each run. */
  readonly firsts: number[];
  readonly counts: number[];
  /** The run of each item. */
  readonly inverse: BigInt64Array;
}

function runsOf(order: ArrayLike<number | bigint>, equal: (a: number, b: number) => boolean): Runs {
  const n = order.length;
  const firsts: number[] = [];
  const counts: number[] = [];
  const inverse = new BigInt64Array(n);
  for (let i = 0; i < n; i++) {
    const item = Number(order[i]);
    if (i === 0 || !equal(item, Number(order[i - 1]))) {
      firsts.push(item);
      counts.push(0);
    }
    counts[counts.length - 1] = (counts[counts.length - 1] as number) + 1;
    inverse[item] = BigInt(counts.length - 1);
  }
  return { firsts, counts, inverse };
}

function results(
  values: Tensor,
  runs: Runs,
  inverseShape: Shape,
  o: UniqueConsecutiveOptions,
): Tensor | Tensor[] {
  const out = [values];
  if (o.returnInverse === true) out.push(fromTyped(runs.inverse, inverseShape, INT64));
  if (o.returnCounts === true) {
    out.push(
      fromTyped(
        BigInt64Array.from(runs.counts, (c) => BigInt(c)),
        [runs.counts.length],
        INT64,
      ),
    );
  }
  return out.length === 1 ? values : out;
}

const sequence = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Picks blocks of `size` elements. */
function pick(data: TypedArray, blocks: readonly number[], size: number): TypedArray {
  const out = new (data.constructor as new (n: number) => Float64Array)(blocks.length * size);
  blocks.forEach((b, i) => {
    out.set(data.subarray(b * size, (b + 1) * size) as Float64Array, i * size);
  });
  return out;
}

/** Distinct integers, counted in one bin each; null where the bins would be more than half as many as the elements. */
function countedElements(t: Tensor, o: UniqueConsecutiveOptions): Tensor | Tensor[] | null {
  const x = contiguous(castTo(t, INT64));
  const [low, high] = extremesOf(x);
  const bins = high - low + 1;
  if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || bins > x.numel / 2) return null;
  const all = full([bins], 0, INT64);
  kernels.bincount_i64(ptr(x), ptr(all) - 8 * low, x.numel);
  const halves = new Int32Array(toTyped(all).buffer); // counts are below 2^31
  release(all.storage);
  const values: number[] = [];
  for (let bin = 0; bin < bins; bin++) if (halves[2 * bin] !== 0) values.push(bin);
  const whole = (numbers: number[]) => fromTyped(Float64Array.from(numbers), [numbers.length], FLOAT64);
  const out = castTo(whole(values.map((bin) => low + bin)), t.code);
  if (o.returnCounts !== true) return out;
  return [out, castTo(whole(values.map((bin) => halves[2 * bin] as number)), INT64)];
}

/** Distinct elements of a tensor: runs of the sorted ones (or of them as they are) in kernels. */
function distinctElements(t: Tensor, o: UniqueConsecutiveOptions, sorted: boolean): Tensor | Tensor[] {
  if (sorted && o.returnInverse !== true && !isFloat(t.code)) {
    const counted = countedElements(t, o);
    if (counted !== null) return counted;
  }
  const n = t.numel;
  const flat = contiguous(reshape(t, [-1]));
  const inOrder = sorted ? sort(flat, 0) : null;
  const data = inOrder?.values ?? flat;
  const starts = empty([n], INT32);
  const all = empty([n], t.code);
  const count = kernelFor(RUNS, t.code)(ptr(data), ptr(starts), ptr(all), n);
  const out = [copyOf(viewOf(all, [count], null, 0))];
  if (o.returnInverse === true) {
    const inverse = empty(t.shape, INT64);
    kernels.runInverse(ptr(starts), inOrder === null ? 0 : ptr(inOrder.indices), ptr(inverse), count, n);
    out.push(inverse);
  }
  if (o.returnCounts === true) {
    const counts = empty([count], INT64);
    kernels.runLengths(ptr(starts), ptr(counts), count, n);
    out.push(counts);
  }
  for (const scratch of [starts, all, ...(inOrder === null ? [] : [inOrder.values, inOrder.indices])]) {
    release(scratch.storage);
  }
  return out.length === 1 ? (out[0] as Tensor) : out;
}

function distinct(op: string, x: Tensor, o: UniqueConsecutiveOptions, sorted: boolean): Tensor | Tensor[] {
  nextOp();
  const t = x.detach();
  if (o.dim === undefined || o.dim === null) return distinctElements(t, o, sorted);
  if (t.shape.length === 0)
    throw new ShapeError(`[${op}] dim ${o.dim} of a tensor without dimensions; try it without dim`);
  const dim = wrapDim(op, o.dim, t.shape.length);
  if (t.shape.some((size, d) => size === 0 && d !== dim)) {
    throw new ShapeError(
      `[${op}] the slices along dimension ${dim} of shape ${show(t.shape)} have no elements to compare; try another dim`,
    );
  }
  // Swapped, not moved: PyTorch's order of slices compares their elements in this order.
  const moved = transpose(t, 0, dim);
  const n = moved.shape[0] as number;
  const rest = moved.shape.slice(1);
  const size = numelOf(rest);
  const data = toTyped(moved);
  const compare = (a: number, b: number): number => {
    for (let i = 0; i < size; i++) {
      const [p, q] = [data[a * size + i] as number, data[b * size + i] as number];
      if (p !== q) return p < q ? -1 : 1;
    }
    return 0;
  };
  const order = sorted ? sequence(n).sort(compare) : sequence(n);
  const runs = runsOf(order, (a, b) => compare(a, b) === 0);
  const kept = fromTyped(pick(data, runs.firsts, size), [runs.firsts.length, ...rest], t.code);
  const values = t.shape.length < 2 ? kept : contiguous(transpose(kept, 0, dim));
  return results(values, runs, [n], o);
}

/**
 * The distinct elements in order, or the distinct slices along `dim` in lexicographic order; with `returnInverse` or
 * `returnCounts` a list `[values, inverse, counts]` of what was asked. Source: `torch.unique`.
 * @example
 * unique(tensor([3, 1, 3, 2])).toArray(); // [1, 2, 3]
 */
export function unique(x: Tensor, options: UniqueOptions & WithParts): Tensor[];
export function unique(
  x: Tensor,
  options?: UniqueOptions & { returnInverse?: false; returnCounts?: false },
): Tensor;
export function unique(x: Tensor, options?: UniqueOptions): Tensor | Tensor[];
export function unique(x: Tensor, options: UniqueOptions = {}): Tensor | Tensor[] {
  checkOptions("unique", options, UNIQUE_OPTIONS);
  return distinct("unique", x, options, true);
}

/**
 * The elements (or slices along `dim`) without those equal to the one before; otherwise as {@link unique}.
 * Source: `torch.unique_consecutive`.
 */
export function uniqueConsecutive(x: Tensor, options: UniqueConsecutiveOptions & WithParts): Tensor[];
export function uniqueConsecutive(
  x: Tensor,
  options?: UniqueConsecutiveOptions & { returnInverse?: false; returnCounts?: false },
): Tensor;
export function uniqueConsecutive(x: Tensor, options?: UniqueConsecutiveOptions): Tensor | Tensor[];
export function uniqueConsecutive(x: Tensor, options: UniqueConsecutiveOptions = {}): Tensor | Tensor[] {
  checkOptions("uniqueConsecutive", options, UNIQUE_CONSECUTIVE_OPTIONS);
  return distinct("uniqueConsecutive", x, options, false);
}
