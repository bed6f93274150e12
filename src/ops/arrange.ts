/** Copies in another order or number: flip, roll, rot90, repeat, tile, repeatInterleave; and the view unfold. */

import { defineOp, run } from "../autograd/op.js";
import { INT64, isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, IndexError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { copyInto, copyOf, empty, fromTyped, toNumbers, viewOf } from "../tensor/raw.js";
import { checkWhole, type Shape, wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { clone } from "./cast.js";
import { listOf } from "./dims.js";
import { indexSelect } from "./gather.js";
import { defineView } from "./geometry.js";
import { expand, flatten, reshape, transpose, unsqueeze, view } from "./view.js";

const flipOp = defineOp<readonly number[]>({
  name: "Flip",
  forward: ([x], dims) => {
    const { shape, strides, storageOffset, numel } = x as Tensor;
    if (numel === 0) return empty(shape, (x as Tensor).code);
    const last = dims.reduce(
      (at, d) => at + ((shape[d] as number) - 1) * (strides[d] as number),
      storageOffset,
    );
    const back = strides.map((s, d) => (dims.includes(d) ? -s : s));
    return copyOf(viewOf(x as Tensor, shape, back, last));
  },
  backward: (g, n) => [flip(g, n.attrs)],
});

/**
 * A copy with the order reversed along dimensions. Source: `torch.flip`.
 * @example
 * flip(tensor([1, 2, 3]), 0).toArray(); // [3, 2, 1]
 */
export function flip(x: Tensor, dims: number | readonly number[]): Tensor {
  const wrapped = (typeof dims === "number" ? [dims] : dims).map((d) => wrapDim("flip", d, x.shape.length));
  if (new Set(wrapped).size !== wrapped.length)
    throw new IndexError(`[flip] dims ${show(wrapped)} name a dimension twice`);
  return x.shape.length === 0 ? clone(x) : run(flipOp, [x], wrapped);
}

/** Reverses dimension 1. Source: `torch.fliplr`. */
export function fliplr(x: Tensor): Tensor {
  if (x.shape.length < 2)
    throw new ShapeError(`[fliplr] expected at least 2 dimensions, got shape ${show(x.shape)}`);
  return flip(x, 1);
}

/** Reverses dimension 0. Source: `torch.flipud`. */
export function flipud(x: Tensor): Tensor {
  if (x.shape.length < 1) throw new ShapeError("[flipud] expected at least 1 dimension, got a 0-d tensor");
  return flip(x, 0);
}

interface Roll {
  readonly dim: number;
  /** From 0 to the size of the dimension. */
  readonly shift: number;
}

const rollOp = defineOp<Roll>({
  name: "Roll",
  forward: ([x], { dim, shift }) => {
    const { shape, strides, storageOffset, code } = x as Tensor;
    const out = empty(shape, code);
    const [from, to] = [strides[dim] as number, out.strides[dim] as number];
    const rest = (shape[dim] as number) - shift;
    const part = (n: number) => shape.map((size, d) => (d === dim ? n : size));
    copyInto(
      viewOf(out, part(rest), out.strides, shift * to),
      viewOf(x as Tensor, part(rest), strides, storageOffset),
    );
    copyInto(
      viewOf(out, part(shift), out.strides, 0),
      viewOf(x as Tensor, part(shift), strides, storageOffset + rest * from),
    );
    return out;
  },
  backward: (g, n) => [rollOne(g, n.attrs.dim, -n.attrs.shift)],
});

function rollOne(x: Tensor, dim: number, shift: number): Tensor {
  const size = x.shape[dim] as number;
  return size === 0 ? clone(x) : run(rollOp, [x], { dim, shift: ((shift % size) + size) % size });
}

/** Dimensions, bare or in options. */
export type Dims =
  | number
  | readonly number[]
  | {
      /** The dimensions. */
      readonly dims?: number | readonly number[];
    };

const ROLL_OPTIONS: OptionNames<{ /** The dimensions. */ readonly dims?: number | readonly number[] }> = {
  dims: 1,
};

/**
 * Shifts elements along dimensions; what leaves at one end comes in at the other. Without dims the tensor is rolled
 * as if flat. Source: `torch.roll`.
 * @example
 * roll(tensor([1, 2, 3]), 1).toArray(); // [3, 1, 2]
 */
export function roll(x: Tensor, shifts: number | readonly number[], dims?: Dims): Tensor {
  checkNames("roll", dims, ROLL_OPTIONS);
  const given =
    typeof dims === "object" && "dims" in dims ? dims.dims : (dims as number | readonly number[] | undefined);
  const along = listOf(given ?? []).map((d) => wrapDim("roll", d, x.shape.length));
  if (along.length > 0 && x.shape.length === 0)
    throw new ShapeError(
      "[roll] a tensor without dimensions cannot be rolled along one; try roll(x, shifts)",
    );
  const by = listOf(shifts);
  for (const shift of by) checkWhole("roll", "a shift", shift);
  if (along.length === 0 && by.length === 1) return reshape(rollOne(flatten(x), 0, by[0] as number), x.shape);
  if (by.length === 0 || by.length !== along.length) {
    throw new ShapeError(`[roll] expected as many shifts as dims, got ${by.length} and ${along.length}`);
  }
  return along.reduce((t, d, i) => rollOne(t, d, by[i] as number), x);
}

/** Options of {@link rot90}. */
export interface Rot90Options {
  /** Number of quarter turns (default 1), from the first of the dims towards the second. */
  k?: number;
  /** The plane (default [0, 1]). */
  dims?: readonly number[];
}

const ROT90_OPTIONS: OptionNames<Rot90Options> = { k: 1, dims: 1 };

/** Turns by 90 degrees in the plane of two dimensions. Source: `torch.rot90`. */
export function rot90(x: Tensor, k: number | Rot90Options = 1, dims: readonly number[] = [0, 1]): Tensor {
  checkNames("rot90", k, ROT90_OPTIONS);
  const o = typeof k === "number" ? { k, dims } : { k: k.k ?? 1, dims: k.dims ?? dims };
  const rank = x.shape.length;
  checkWhole("rot90", "k", o.k);
  if (o.dims.length !== 2) throw new ShapeError(`[rot90] expected two dims, got ${show(o.dims)}`);
  if (rank < 2) throw new ShapeError(`[rot90] expected at least 2 dimensions, got shape ${show(x.shape)}`);
  const [a, b] = o.dims.map((d) => wrapDim("rot90", d, rank)) as [number, number];
  if (a === b) throw new IndexError(`[rot90] the two dims must differ, got ${show(o.dims)}`);
  switch (((o.k % 4) + 4) % 4) {
    case 1:
      return transpose(flip(x, b), a, b);
    case 2:
      return flip(x, [a, b]);
    case 3:
      return transpose(flip(x, a), a, b);
    default:
      return clone(x);
  }
}

/**
 * A copy repeated along every dimension; extra counts in front make new dimensions. Source: `torch.Tensor.repeat`.
 * @example
 * repeat(tensor([1, 2]), [2, 2]).toArray(); // [[1, 2, 1, 2], [1, 2, 1, 2]]
 */
export function repeat(x: Tensor, sizes: number | Shape): Tensor {
  const counts = listOf(sizes);
  const lead = counts.length - x.shape.length;
  if (lead < 0) {
    throw new ShapeError(
      `[repeat] expected at least ${x.shape.length} counts for shape ${show(x.shape)}, got ${show(counts)}; try tile`,
    );
  }
  if (counts.some((n) => !Number.isInteger(n) || n < 0)) {
    throw new ValueError(`[repeat] counts must be whole numbers >= 0, got ${show(counts)}`);
  }
  const shape = [...new Array<number>(lead).fill(1), ...x.shape];
  const single = view(
    x,
    shape.flatMap((n) => [1, n]),
  );
  const copies = clone(
    expand(
      single,
      shape.flatMap((n, d) => [counts[d] as number, n]),
    ),
  );
  return view(
    copies,
    shape.map((n, d) => n * (counts[d] as number)),
  );
}

/** As {@link repeat}; fewer counts than dimensions leave the first ones as they are. Source: `torch.tile`. */
export function tile(x: Tensor, dims: number | Shape): Tensor {
  const counts = listOf(dims);
  return repeat(x, [...new Array<number>(Math.max(0, x.shape.length - counts.length)).fill(1), ...counts]);
}

/** Options of {@link repeatInterleave}. */
export interface RepeatInterleaveOptions {
  /** The dimension; the flattened tensor when left out. */
  dim?: number | null;
  /** Size of the result along the dimension; checked. */
  outputSize?: number;
}

const REPEAT_INTERLEAVE_OPTIONS: OptionNames<RepeatInterleaveOptions> = { dim: 1, outputSize: 1 };

function readCounts(repeats: Tensor): number[] {
  if (isFloat(repeats.code) || repeats.code < 2) {
    throw new DTypeError(`[repeatInterleave] repeats must be int64 or int32, got ${nameOf(repeats.code)}`);
  }
  if (repeats.shape.length > 1)
    throw new ShapeError(`[repeatInterleave] repeats must be a vector, got shape ${show(repeats.shape)}`);
  return toNumbers(repeats);
}

/** Position i, `counts[i]` times, in order. */
function positions(counts: readonly number[]): Tensor {
  if (counts.some((n) => n < 0))
    throw new ValueError(`[repeatInterleave] repeats must be >= 0, got ${show(counts)}`);
  const out = new BigInt64Array(counts.reduce((a, b) => a + b, 0));
  let at = 0;
  counts.forEach((n, i) => {
    out.fill(BigInt(i), at, at + n);
    at += n;
  });
  return fromTyped(out, [out.length], INT64);
}

/**
 * Each element (slice, with a dim) repeated, next to itself: `repeats` times, or a number of times of its own. With
 * one argument, position i `repeats[i]` times. Source: `torch.repeat_interleave`.
 * @example
 * repeatInterleave(tensor([5, 6]), 2).toArray(); // [5, 5, 6, 6]
 * repeatInterleave(tensor([5, 6]), tensor([1, 2])).toArray(); // [5, 6, 6]
 */
export function repeatInterleave(
  x: Tensor,
  repeats?: number | Tensor,
  dim?: number | null | RepeatInterleaveOptions,
  options: RepeatInterleaveOptions = {},
): Tensor {
  checkNames("repeatInterleave", dim, REPEAT_INTERLEAVE_OPTIONS);
  checkOptions("repeatInterleave", options, REPEAT_INTERLEAVE_OPTIONS);
  if (repeats === undefined) return positions(readCounts(x));
  const o: RepeatInterleaveOptions =
    typeof dim === "object" && dim !== null ? dim : { ...options, ...(dim === undefined ? {} : { dim }) };
  const source = o.dim === undefined || o.dim === null ? flatten(x) : x.shape.length === 0 ? flatten(x) : x;
  const d = wrapDim("repeatInterleave", o.dim ?? 0, source.shape.length);
  const size = source.shape[d] as number;
  let counts = typeof repeats === "number" ? [repeats] : readCounts(repeats);
  if (counts.length !== size && counts.length !== 1) {
    throw new ShapeError(
      `[repeatInterleave] expected 1 or ${size} repeats, for dimension ${d}, got ${counts.length}`,
    );
  }
  const total = counts.length === 1 ? size * (counts[0] as number) : counts.reduce((a, b) => a + b, 0);
  if (o.outputSize !== undefined && o.outputSize !== total) {
    throw new ValueError(
      `[repeatInterleave] outputSize ${o.outputSize} differs from the sum of the repeats, ${total}`,
    );
  }
  if (counts.length === 1 && size !== 1) {
    const n = counts[0] as number;
    if (!Number.isInteger(n) || n < 0)
      throw new ValueError(`[repeatInterleave] repeats must be a whole number >= 0, got ${n}`);
    const wide = unsqueeze(source, d + 1);
    const copies = clone(
      expand(
        wide,
        wide.shape.map((s, k) => (k === d + 1 ? n : s)),
      ),
    );
    return reshape(
      copies,
      source.shape.map((s, k) => (k === d ? total : s)),
    );
  }
  if (counts.length === 1) counts = new Array<number>(size).fill(counts[0] as number);
  return indexSelect(source, d, positions(counts));
}

const unfoldView = defineView<{ dim: number; size: number; step: number; count: number }>(
  "Unfold",
  (from, { dim, size, step, count }) => {
    if (from.shape.length === 0) return { shape: [size], strides: [1], offset: from.offset };
    const stride = from.strides[dim] as number;
    return {
      shape: [...from.shape.map((n, d) => (d === dim ? count : n)), size],
      strides: [...from.strides.map((s, d) => (d === dim ? s * step : s)), stride],
      offset: from.offset,
    };
  },
);

/**
 * All windows of `size` elements of a dimension, `step` apart, as a view with the window as last dimension.
 * Source: `torch.Tensor.unfold`.
 * @example
 * unfold(arange(5), 0, 3, 2).toArray(); // [[0, 1, 2], [2, 3, 4]]
 */
export function unfold(x: Tensor, dimension: number, size: number, step: number): Tensor {
  const dim = wrapDim("unfold", dimension, x.shape.length);
  const total = x.shape.length === 0 ? 1 : (x.shape[dim] as number);
  if (!Number.isInteger(size) || size < 0 || size > total) {
    throw new ShapeError(
      `[unfold] size ${size} must be a whole number from 0 to ${total}, the size of dimension ${dim}`,
    );
  }
  if (!Number.isInteger(step) || step < 1)
    throw new ValueError(`[unfold] step must be a whole number > 0, got ${step}`);
  return unfoldView(x, { dim, size, step, count: Math.floor((total - size) / step) + 1 });
}
