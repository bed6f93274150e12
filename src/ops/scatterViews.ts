/** Copies of a tensor with another one written where a view looks: selectScatter, sliceScatter and their kin. */

import { engineOps } from "../autograd/engineOps.js";
import { run } from "../autograd/op.js";
import { IndexError, ShapeError, show } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { checkWhole, contiguousStrides, numelOf, type Shape, sameShape, wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { cast, clone } from "./cast.js";
import { DIAGONAL_OPTIONS, type DiagonalOptions, diagonalArgs, diagonalOf } from "./diagonal.js";
import type { Geometry } from "./geometry.js";
import { narrow } from "./view.js";

function whole(x: Tensor): Geometry {
  return { shape: x.shape, strides: contiguousStrides(x.shape), offset: 0 };
}

function scatterAt(op: string, x: Tensor, src: Tensor, where: Geometry): Tensor {
  if (!sameShape(src.shape, where.shape)) {
    throw new ShapeError(
      `[${op}] expected src of shape ${show(where.shape)}, the shape of what it replaces, got ${show(src.shape)}`,
    );
  }
  return run(engineOps.asStridedScatter, [x, cast(src, x.code)], where);
}

/**
 * A copy of `x` with a diagonal replaced by `src`; options as for `diagonal`. Source: `torch.diagonal_scatter`.
 * @throws ShapeError when `src` has not the shape of the diagonal.
 */
export function diagonalScatter(x: Tensor, src: Tensor, options: DiagonalOptions = {}): Tensor {
  checkOptions("diagonalScatter", options, DIAGONAL_OPTIONS);
  const at = diagonalArgs("diagonalScatter", x.shape.length, options, [0, 1]);
  return scatterAt("diagonalScatter", x, src, diagonalOf(whole(x), at));
}

/**
 * A copy of `x` with the part at one index of a dimension replaced by `src`. Source: `torch.select_scatter`.
 * @example
 * selectScatter(zeros([2, 2]), ones([2]), 0, 1).toArray(); // [[0, 0], [1, 1]]
 */
export function selectScatter(x: Tensor, src: Tensor, dim: number, index: number): Tensor {
  const d = wrapDim("selectScatter", dim, x.shape.length);
  const size = x.shape[d] ?? 0;
  if (!Number.isInteger(index) || index < -size || index >= size) {
    throw new IndexError(
      `[selectScatter] index ${index} is out of range for dimension ${d} of shape ${show(x.shape)}: expected ${-size} to ${size - 1}`,
    );
  }
  const { shape, strides } = whole(x);
  const rest = (list: readonly number[]) => list.filter((_, k) => k !== d);
  const offset = (index < 0 ? index + size : index) * (strides[d] as number);
  return scatterAt("selectScatter", x, src, { shape: rest(shape), strides: rest(strides), offset });
}

/** Options of {@link sliceScatter}. */
export interface SliceScatterOptions {
  /** The dimension (default 0). */
  dim?: number;
  /** First index (default 0); negative counts from the end. */
  start?: number | null;
  /** Index after the last (default the size). */
  end?: number | null;
  /** Distance between elements, at least 1 (default 1). */
  step?: number;
}

const SLICE_SCATTER_OPTIONS: OptionNames<SliceScatterOptions> = { dim: 1, start: 1, end: 1, step: 1 };

/** A copy of `x` with the part `start:end:step` of a dimension replaced by `src`. Source: `torch.slice_scatter`. */
export function sliceScatter(x: Tensor, src: Tensor, options: SliceScatterOptions = {}): Tensor {
  checkOptions("sliceScatter", options, SLICE_SCATTER_OPTIONS);
  const d = wrapDim("sliceScatter", options.dim ?? 0, x.shape.length);
  const step = options.step ?? 1;
  if (!Number.isInteger(step) || step < 1)
    throw new IndexError(`[sliceScatter] step must be a whole number >= 1, got ${step}`);
  const { shape, strides } = whole(x);
  const size = shape[d] ?? 0;
  for (const bound of [options.start ?? 0, options.end ?? size]) checkWhole("sliceScatter", "a bound", bound);
  const clampTo = (v: number) => Math.min(size, Math.max(0, v < 0 ? v + size : v));
  const start = clampTo(options.start ?? 0);
  const length = Math.max(0, Math.ceil((clampTo(options.end ?? size) - start) / step));
  return scatterAt("sliceScatter", x, src, {
    shape: shape.map((n, k) => (k === d ? length : n)),
    strides: strides.map((s, k) => (k === d ? s * step : s)),
    offset: length === 0 ? 0 : start * (strides[d] as number),
  });
}

const AS_STRIDED_SCATTER_OPTIONS: OptionNames<{ storageOffset?: number }> = { storageOffset: 1 };

/**
 * A copy of `x` with the elements that `asStrided` would show replaced by `src`; strides and offset count in the copy,
 * which is contiguous. Source: `torch.as_strided_scatter`.
 */
export function asStridedScatter(
  x: Tensor,
  src: Tensor,
  size: Shape,
  stride: readonly number[],
  options: { storageOffset?: number } = {},
): Tensor {
  checkOptions("asStridedScatter", options, AS_STRIDED_SCATTER_OPTIONS);
  const offset = options.storageOffset ?? 0;
  if (size.length !== stride.length || stride.some((s) => s < 0) || offset < 0) {
    throw new ShapeError(
      `[asStridedScatter] size ${show(size)} and stride ${show(stride)} must have the same length and strides >= 0`,
    );
  }
  const last = size.reduce((at, n, d) => at + (n - 1) * (stride[d] as number), offset);
  if (numelOf(size) > 0 && last >= x.numel) {
    throw new ShapeError(
      `[asStridedScatter] size ${show(size)}, stride ${show(stride)} reach element ${last} of a tensor of ${x.numel}`,
    );
  }
  return scatterAt("asStridedScatter", x, src, { shape: size, strides: stride, offset });
}

/** As `narrow`, as a copy. Source: `torch.narrow_copy`. */
export function narrowCopy(x: Tensor, dim: number, start: number, length: number): Tensor {
  return clone(narrow(x, dim, start, length));
}
