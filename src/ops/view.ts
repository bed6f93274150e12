/** The basic views: reshape, expand, transpose, permute, select, slice, squeeze and their kin. No data moves. */

import { engineOps } from "../autograd/engineOps.js";
import { defineOp, runView } from "../autograd/op.js";
import { IndexError, ShapeError, show } from "../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { viewOf } from "../tensor/raw.js";
import {
  broadcastStrides,
  checkList,
  checkWhole,
  inferShape,
  numelOf,
  type Shape,
  sameShape,
  viewStrides,
  wrapDim,
  wrapDims,
} from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { clone } from "./cast.js";
import { defineView } from "./geometry.js";
import { itemOf } from "./read.js";

const expandOp = defineOp<Shape>({
  name: "Expand",
  forward: ([x], shape) => {
    const t = x as Tensor;
    return viewOf(t, shape, broadcastStrides(t.shape, t.strides, shape), t.storageOffset);
  },
  backward: (g, n) => [engineOps.sumTo(g, n.shape(0))],
});

/**
 * The tensor repeated along dimensions of size 1, without copying; -1 keeps a size. Source: `torch.Tensor.expand`.
 * @throws ShapeError when a dimension other than 1 would change.
 */
export function expand(x: Tensor, size: Shape): Tensor {
  checkList("expand", size);
  const lead = size.length - x.shape.length;
  const fits = lead >= 0 && x.shape.every((n, d) => n === 1 || size[d + lead] === -1 || size[d + lead] === n);
  if (!fits || size.some((n, d) => !Number.isInteger(n) || (n < 0 && (n !== -1 || d < lead)))) {
    throw new ShapeError(
      `[expand] cannot expand shape ${show(x.shape)} to ${show(size)}: expected the same sizes, or larger ones where the ` +
        "tensor has 1, and as many dimensions or more; try unsqueeze for new dimensions, or repeat",
    );
  }
  const target = size.map((n, d) => (n === -1 ? (x.shape[d - lead] as number) : n));
  return sameShape(target, x.shape) ? runView(aliasOp, x, null) : runView(expandOp, x, target);
}

const aliasOp = defineOp({
  name: "Alias",
  forward: ([x]) =>
    viewOf(x as Tensor, (x as Tensor).shape, (x as Tensor).strides, (x as Tensor).storageOffset),
  backward: (g) => [g],
});

const viewOp = defineOp<{ shape: Shape; strides: readonly number[] }>({
  name: "View",
  forward: ([x], { shape, strides }) => viewOf(x as Tensor, shape, strides, (x as Tensor).storageOffset),
  backward: (g, n) => [reshape(g, n.shape(0))],
});

/**
 * The same elements with another shape: a view where possible, else a copy. One size may be -1. Source: `torch.reshape`.
 * @example
 * reshape(arange(6), [2, -1]).shape; // [2, 3]
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const target = inferShape("reshape", shape, x.numel, x.shape);
  const strides = viewStrides(x.shape, x.strides, target);
  return strides === null ? reshape(clone(x), target) : runView(viewOp, x, { shape: target, strides });
}

/** As {@link reshape}, but never a copy. Source: `torch.Tensor.view`. */
export function view(x: Tensor, shape: Shape): Tensor {
  const target = inferShape("view", shape, x.numel, x.shape);
  const strides = viewStrides(x.shape, x.strides, target);
  if (strides === null) {
    throw new ShapeError(
      `[view] shape ${show(target)} does not fit the strides ${show(x.strides)} of shape ${show(x.shape)}; try reshape, or contiguous() first`,
    );
  }
  return runView(viewOp, x, { shape: target, strides });
}

/** Options of {@link flatten}. */
export interface FlattenOptions {
  /** First dimension to merge (default 0). */
  startDim?: number;
  /** Last dimension to merge (default -1). */
  endDim?: number;
}

const FLATTEN_OPTIONS: OptionNames<FlattenOptions> = { startDim: 1, endDim: 1 };

/** Merges the dimensions from `startDim` (default 0) to `endDim` (default -1) into one. Source: `torch.flatten`. */
export function flatten(x: Tensor, startDim: number | FlattenOptions = 0, endDim = -1): Tensor {
  checkNames("flatten", startDim, FLATTEN_OPTIONS);
  const o = typeof startDim === "number" ? { startDim, endDim } : { startDim: 0, endDim, ...startDim };
  const start = wrapDim("flatten", o.startDim, x.shape.length);
  const end = wrapDim("flatten", o.endDim, x.shape.length);
  if (x.shape.length === 0) return reshape(x, [1]);
  if (start > end)
    throw new IndexError(
      `[flatten] got startDim ${o.startDim} and endDim ${o.endDim}, expected startDim not after endDim`,
    );
  if (start === end) return x;
  const merged = numelOf(x.shape.slice(start, end + 1));
  return reshape(x, [...x.shape.slice(0, start), merged, ...x.shape.slice(end + 1)]);
}

const permuteOp = defineOp<readonly number[]>({
  name: "Permute",
  forward: ([x], order) => {
    const t = x as Tensor;
    const pick = (list: readonly number[]) => order.map((d) => list[d] as number);
    return viewOf(t, pick(t.shape), pick(t.strides), t.storageOffset);
  },
  backward: (g, n) => {
    const inverse = new Array<number>(n.attrs.length);
    n.attrs.forEach((d, i) => {
      inverse[d] = i;
    });
    return [permute(g, inverse)];
  },
});

/** The dimensions in another order. Source: `torch.permute`. */
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  if (!Array.isArray(dims))
    throw new IndexError(
      `[permute] expected a list of dims, got ${String(dims)}; try permute([${String(dims)}, …])`,
    );
  const rank = x.shape.length;
  const order = dims.map((d) => wrapDim("permute", d, rank));
  if (order.length !== rank || new Set(order).size !== rank) {
    throw new IndexError(
      `[permute] got dims ${show(dims)} for shape ${show(x.shape)}: expected each of its ${rank} dimensions once`,
    );
  }
  return runView(permuteOp, x, order);
}

/** Swaps two dimensions. Source: `torch.transpose`. */
export function transpose(x: Tensor, dim0: number, dim1: number): Tensor {
  const rank = x.shape.length;
  const a = wrapDim("transpose", dim0, rank);
  const b = wrapDim("transpose", dim1, rank);
  const order = Array.from({ length: rank }, (_, d) => (d === a ? b : d === b ? a : d));
  return runView(permuteOp, x, order);
}

/** The transpose of a matrix; vectors and scalars as they are. Source: `torch.t`. */
export function t(x: Tensor): Tensor {
  if (x.shape.length > 2)
    throw new ShapeError(`[t] expected at most 2 dimensions, got ${show(x.shape)}; try transpose(d0, d1)`);
  return x.shape.length < 2 ? runView(aliasOp, x, null) : transpose(x, 0, 1);
}

/** Adds a dimension of size 1 at `dim`. Source: `torch.unsqueeze`. */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  const at = wrapDim("unsqueeze", dim, x.shape.length + 1);
  const shape = [...x.shape.slice(0, at), 1, ...x.shape.slice(at)];
  const next = at < x.shape.length ? (x.shape[at] as number) * (x.strides[at] as number) : 1;
  const strides = [...x.strides.slice(0, at), next, ...x.strides.slice(at)];
  return runView(viewOp, x, { shape, strides });
}

const SQUEEZE_OPTIONS: OptionNames<{ dim?: number | readonly number[] }> = { dim: 1 };

/** Removes dimensions of size 1: all, or those of `dim` that have it. Source: `torch.squeeze`. */
export function squeeze(
  x: Tensor,
  dim?: number | readonly number[] | { dim?: number | readonly number[] },
): Tensor {
  checkNames("squeeze", dim, SQUEEZE_OPTIONS);
  const asked =
    typeof dim === "object" && !Array.isArray(dim) ? (dim as { dim?: number | readonly number[] }).dim : dim;
  const dims =
    Array.isArray(asked) && asked.length === 0 ? [] : wrapDims("squeeze", asked as number, x.shape.length);
  const keep = x.shape.map((n, d) => !(n === 1 && dims.includes(d)));
  const shape = x.shape.filter((_, d) => keep[d]);
  const strides = x.strides.filter((_, d) => keep[d]);
  return runView(viewOp, x, { shape, strides });
}

const selectView = defineView<{ dim: number; index: number }>("Select", (from, { dim, index }) => ({
  shape: from.shape.filter((_, d) => d !== dim),
  strides: from.strides.filter((_, d) => d !== dim),
  offset: from.offset + index * (from.strides[dim] as number),
}));

/** The part at one index of a dimension, which disappears. Source: `torch.select`. */
export function select(x: Tensor, dim: number, index: number): Tensor {
  if (x.shape.length === 0)
    throw new IndexError("[select] a 0-d tensor has no dimension to select from; try item()");
  const d = wrapDim("select", dim, x.shape.length);
  const size = x.shape[d] as number;
  if (!Number.isInteger(index) || index < -size || index >= size) {
    throw new IndexError(
      `[select] index ${index} is out of range for dimension ${d} of shape ${show(x.shape)}: expected ${-size} to ${size - 1}`,
    );
  }
  return selectView(x, { dim: d, index: index < 0 ? index + size : index });
}

const sliceView = defineView<{ dim: number; start: number; length: number; step: number }>(
  "Slice",
  (from, a) => ({
    shape: from.shape.map((n, d) => (d === a.dim ? a.length : n)),
    strides: from.strides.map((s, d) => (d === a.dim ? s * a.step : s)),
    offset: from.offset + a.start * (from.strides[a.dim] as number),
  }),
);

/** Options of {@link slice}. */
export interface SliceOptions {
  /** First index (default 0); negative counts from the end. */
  start?: number | null;
  /** Index after the last (default the size). */
  end?: number | null;
  /** Distance between elements taken, at least 1 (default 1). */
  step?: number;
}

const SLICE_OPTIONS: OptionNames<SliceOptions> = { start: 1, end: 1, step: 1 };

/** The part `start:end:step` of a dimension; bounds are clamped as in Python. */
export function slice(x: Tensor, dim = 0, options: SliceOptions = {}): Tensor {
  checkOptions("slice", options, SLICE_OPTIONS);
  const d = wrapDim("slice", dim, x.shape.length);
  if (x.shape.length === 0) throw new IndexError("[slice] a 0-d tensor has no dimension to slice");
  const size = x.shape[d] as number;
  const step = options.step ?? 1;
  if (!Number.isInteger(step) || step < 1)
    throw new IndexError(
      `[slice] step must be a whole number >= 1, got ${step}; try flip for reversed order`,
    );
  const clampTo = (v: number) => Math.min(size, Math.max(0, v < 0 ? v + size : v));
  const start = clampTo(options.start ?? 0);
  const end = clampTo(options.end ?? size);
  const length = Math.max(0, Math.ceil((end - start) / step));
  return sliceView(x, { dim: d, start: length === 0 ? 0 : start, length, step });
}

/** `length` elements of a dimension from `start` on. Source: `torch.narrow`. */
export function narrow(x: Tensor, dim: number, start: number | Tensor, length: number): Tensor {
  if (x.shape.length === 0)
    throw new ShapeError("[narrow] a tensor without dimensions has no part; try unsqueeze(0) first");
  const d = wrapDim("narrow", dim, x.shape.length);
  const size = x.shape[d] as number;
  const given = typeof start === "number" ? start : itemOf(start);
  checkWhole("narrow", "start", given);
  checkWhole("narrow", "length", length);
  const from = given < 0 ? given + size : given;
  if (from < 0 || length < 0 || from + length > size) {
    throw new IndexError(
      `[narrow] got start ${given} and length ${length}, expected a part of dimension ${d} of size ${size}`,
    );
  }
  return sliceView(x, { dim: d, start: length === 0 ? 0 : from, length, step: 1 });
}

engineOps.alias = (x) => runView(aliasOp, x, null);
engineOps.reshape = reshape;
engineOps.select = select;
