/** Diagonals and triangles of matrices: diagonal, diag, diagEmbed, diagflat, tril, triu. */

import { defineOp, run } from "../autograd/op.js";
import { push } from "../kernels/index.js";
import { SIZES } from "../tensor/dtype.js";
import { IndexError, ShapeError, show } from "../tensor/errors.js";
import { GRAIN, inPieces } from "../tensor/launch.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { contiguous, empty, ptr } from "../tensor/raw.js";
import { checkWhole, contiguousStrides, wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { clone } from "./cast.js";
import { defineView, type Geometry, scatterView } from "./geometry.js";
import { reshape } from "./view.js";

/** Options of {@link diagonal} and its kin. */
export interface DiagonalOptions {
  /** 0 for the main diagonal (default), above it for positive values, below it for negative ones. */
  offset?: number;
  /** First dimension of the matrices. */
  dim1?: number;
  /** Second dimension of the matrices. */
  dim2?: number;
}

/** @internal */
export const DIAGONAL_OPTIONS: OptionNames<DiagonalOptions> = { offset: 1, dim1: 1, dim2: 1 };

/** A diagonal of the matrices in dimensions `dim1` and `dim2`. @internal */
export interface Diagonal {
  readonly offset: number;
  readonly dim1: number;
  readonly dim2: number;
}

/** Where a diagonal's elements are: the other dimensions, then the diagonal. @internal */
export function diagonalOf({ shape, strides, offset }: Geometry, at: Diagonal): Geometry {
  const [n1, n2] = [shape[at.dim1] as number, shape[at.dim2] as number];
  const [s1, s2] = [strides[at.dim1] as number, strides[at.dim2] as number];
  const length = Math.max(0, at.offset >= 0 ? Math.min(n1, n2 - at.offset) : Math.min(n1 + at.offset, n2));
  const rest = (list: readonly number[]) => list.filter((_, d) => d !== at.dim1 && d !== at.dim2);
  const start = length === 0 ? 0 : at.offset >= 0 ? at.offset * s2 : -at.offset * s1;
  return { shape: [...rest(shape), length], strides: [...rest(strides), s1 + s2], offset: offset + start };
}

/** Checks and fills in the options for a tensor of `rank` dimensions. @internal */
export function diagonalArgs(
  op: string,
  rank: number,
  options: DiagonalOptions,
  dims: readonly [number, number],
): Diagonal {
  if (rank < 2) throw new ShapeError(`[${op}] expected at least 2 dimensions, got ${rank}`);
  const { offset = 0 } = options;
  checkWhole(op, "offset", offset);
  const dim1 = wrapDim(op, options.dim1 ?? dims[0], rank);
  const dim2 = wrapDim(op, options.dim2 ?? dims[1], rank);
  if (dim1 === dim2)
    throw new IndexError(`[${op}] dim1 and dim2 must differ, got ${options.dim1} and ${options.dim2}`);
  return { offset, dim1, dim2 };
}

const diagonalView = defineView<Diagonal>("Diagonal", diagonalOf);

/**
 * A diagonal of the matrices in two dimensions (default 0 and 1), as the last dimension of a view.
 * Source: `torch.diagonal`.
 * @example
 * diagonal(tensor([[1, 2], [3, 4]])).toArray(); // [1, 4]
 */
export function diagonal(x: Tensor, options: number | DiagonalOptions = {}): Tensor {
  checkNames("diagonal", options, DIAGONAL_OPTIONS);
  const o = typeof options === "number" ? { offset: options } : options;
  return diagonalView(x, diagonalArgs("diagonal", x.shape.length, o, [0, 1]));
}

/**
 * Matrices, in two new dimensions (default the last two), with the last dimension of `x` on a diagonal and zeros
 * elsewhere. Source: `torch.diag_embed`.
 * @example
 * diagEmbed(tensor([1, 2])).toArray(); // [[1, 0], [0, 2]]
 */
export function diagEmbed(x: Tensor, options: DiagonalOptions = {}): Tensor {
  checkOptions("diagEmbed", options, DIAGONAL_OPTIONS);
  if (x.shape.length === 0)
    throw new ShapeError("[diagEmbed] a 0-d tensor has no dimension to put on a diagonal; try diagflat");
  const at = diagonalArgs("diagEmbed", x.shape.length + 1, options, [-2, -1]);
  const size = (x.shape.at(-1) as number) + Math.abs(at.offset);
  const lead = x.shape.slice(0, -1);
  const shape = Array.from({ length: x.shape.length + 1 }, (_, d) =>
    d === at.dim1 || d === at.dim2 ? size : (lead.shift() as number),
  );
  return scatterView(x, shape, diagonalOf({ shape, strides: contiguousStrides(shape), offset: 0 }, at));
}

/** Options of {@link diag}, {@link tril} and {@link triu}. */
export interface WhichDiagonal {
  /** 0 for the main diagonal (default), above it for positive values, below it for negative ones. */
  diagonal?: number;
}

const WHICH_DIAGONAL_NAMES: OptionNames<WhichDiagonal> = { diagonal: 1 };

function which(options: number | WhichDiagonal | undefined): number {
  return typeof options === "number" ? options : (options?.diagonal ?? 0);
}

/** A matrix with the vector on a diagonal, or the diagonal of a matrix (a copy). Source: `torch.diag`. */
export function diag(x: Tensor, options?: number | WhichDiagonal): Tensor {
  checkNames("diag", options, WHICH_DIAGONAL_NAMES);
  if (x.shape.length === 1) return diagEmbed(x, { offset: which(options) });
  if (x.shape.length === 2) return clone(diagonal(x, { offset: which(options) }));
  throw new ShapeError(
    `[diag] expected a vector or a matrix, got shape ${show(x.shape)}; try diagonal or diagEmbed`,
  );
}

/** A matrix with all elements on a diagonal. Source: `torch.diagflat`. */
export function diagflat(x: Tensor, options: number | DiagonalOptions = {}): Tensor {
  checkNames("diagflat", options, DIAGONAL_OPTIONS);
  const offset = typeof options === "number" ? options : (options.offset ?? 0);
  return diagEmbed(reshape(x, [x.numel]), { offset });
}

interface Triangle {
  readonly diagonal: number;
  readonly upper: 0 | 1;
}

const triangleOp = defineOp<Triangle>({
  name: "Triangle",
  forward: ([x], { diagonal, upper }) => {
    const src = contiguous(x as Tensor);
    const out = empty(src.shape, src.code);
    if (out.numel === 0) return out;
    const [rows, cols] = src.shape.slice(-2) as [number, number];
    const [from, to, size] = [ptr(src), ptr(out), SIZES[src.code] as number];
    inPieces(src.numel / cols, Math.ceil(GRAIN / cols), (first, count) => {
      push("triangle", from, to, first, count, rows, cols, size, diagonal, upper);
    });
    return out;
  },
  backward: (g, n) => [keepTriangle(g, n.attrs)],
});

function keepTriangle(x: Tensor, attrs: Triangle): Tensor {
  return run(triangleOp, [x], attrs);
}

function triangle(op: string, x: Tensor, diagonal: number, upper: 0 | 1): Tensor {
  if (x.shape.length < 2)
    throw new ShapeError(`[${op}] expected at least 2 dimensions, got shape ${show(x.shape)}`);
  checkWhole(op, "diagonal", diagonal);
  const reach = Math.max(...x.shape);
  return keepTriangle(x, { diagonal: Math.max(-reach - 1, Math.min(reach + 1, diagonal)), upper });
}

/**
 * The lower triangles of matrices: zeros above the diagonal. Source: `torch.tril`.
 * @example
 * tril(ones([2, 2])).toArray(); // [[1, 0], [1, 1]]
 */
export function tril(x: Tensor, options?: number | WhichDiagonal): Tensor {
  checkNames("tril", options, WHICH_DIAGONAL_NAMES);
  return triangle("tril", x, which(options), 0);
}

/** The upper triangles of matrices: zeros below the diagonal. Source: `torch.triu`. */
export function triu(x: Tensor, options?: number | WhichDiagonal): Tensor {
  checkNames("triu", options, WHICH_DIAGONAL_NAMES);
  return triangle("triu", x, which(options), 1);
}
