/** Norms of matrices and condition numbers: matrixNorm, norm, cond. */

import { ShapeError, show, ValueError } from "../../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../../tensor/options.js";
import { full } from "../../tensor/raw.js";
import { wrapDim } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import { div, mul } from "../arithmetic.js";
import { gt } from "../compare.js";
import { movedim } from "../dims.js";
import { amax, amin } from "../reduce.js";
import { abs } from "../sign.js";
import {
  type NormOptions as EveryNormOptions,
  NORM_OPTIONS,
  norm as normOfElements,
  vectorNorm as normOfVectors,
} from "../statistics.js";
import { type DimArg, reduceArgs, type SumOptions, sum } from "../sum.js";
import { select, unsqueeze } from "../view.js";
import { maskedFill } from "../where.js";
import { checkFloat, checkMatrices, checkSquare } from "./core.js";
import { invEx } from "./solve.js";
import { svdvals } from "./svd.js";

/** Orders of a norm of matrices: "fro", "nuc" (the sum of singular values), 2, -2 (the largest, the smallest), 1, -1 and ±Infinity (of the sums of columns, of rows). */
export type MatrixOrder = number | "fro" | "nuc";

/** Options of {@link vectorNorm}. */
export interface VectorNormOptions extends SumOptions {
  /** Order: any number, Infinity or -Infinity (default 2). */
  ord?: number;
}

const VECTOR_NORM_OPTIONS: OptionNames<VectorNormOptions> = { ord: 1, dtype: 1, dim: 1, keepdim: 1 };

/** (sum |x|^ord)^(1/ord) over dimensions, all by default. Source: `torch.linalg.vector_norm`. */
export function vectorNorm(
  x: Tensor,
  ord: number | VectorNormOptions = {},
  options: VectorNormOptions = {},
): Tensor {
  checkNames("linalg.vectorNorm", ord, VECTOR_NORM_OPTIONS);
  checkOptions("linalg.vectorNorm", options, VECTOR_NORM_OPTIONS);
  const o = typeof ord === "number" ? { ...options, ord } : ord;
  return normOfVectors(x, o.ord ?? 2, o);
}

/** Options of {@link matrixNorm}. */
export interface MatrixNormOptions {
  /** Order (default "fro"). */
  ord?: MatrixOrder;
  /** The two dimensions of the matrices (default the last two). */
  dim?: readonly number[];
  /** Keep them with size 1 (default false). */
  keepdim?: boolean;
  /** Cast to this first. */
  dtype?: SumOptions["dtype"];
}

const MATRIX_NORM_OPTIONS: OptionNames<MatrixNormOptions> = { ord: 1, dim: 1, keepdim: 1, dtype: 1 };

/** Norms of matrices. Source: `torch.linalg.matrix_norm`. */
export function matrixNorm(
  A: Tensor,
  ord: MatrixOrder | MatrixNormOptions = {},
  options: MatrixNormOptions = {},
): Tensor {
  checkNames("linalg.matrixNorm", ord, MATRIX_NORM_OPTIONS);
  checkOptions("linalg.matrixNorm", options, MATRIX_NORM_OPTIONS);
  const op = "linalg.matrixNorm";
  const o = typeof ord === "object" ? ord : { ...options, ord };
  const x = o.dtype === undefined ? A : A.to(o.dtype);
  checkMatrices(op, x);
  const dims = (o.dim ?? [-2, -1]).map((d) => wrapDim(op, d, x.shape.length));
  const [rows, cols] = dims as [number, number];
  if (dims.length !== 2 || rows === cols)
    throw new ShapeError(`[${op}] expected two different dims, got ${show(o.dim ?? [])}`);
  const { ord: order = "fro", keepdim = false } = o;
  if (order === "fro") return normOfVectors(x, 2, { dim: dims, keepdim });
  if (order === "nuc" || Math.abs(order) === 2) {
    const S = svdvals(movedim(x, dims, [-2, -1]));
    const value = order === "nuc" ? sum(S, -1) : order > 0 ? amax(S, -1) : amin(S, -1);
    if (!keepdim) return value;
    return [...dims].sort((a, b) => a - b).reduce((t, d) => unsqueeze(t, d), value);
  }
  const overRows = Math.abs(order) === 1;
  if (!overRows && Math.abs(order) !== Number.POSITIVE_INFINITY) {
    throw new ValueError(
      `[${op}] unknown order ${order}: expected "fro", "nuc", 1, -1, 2, -2, Infinity or -Infinity`,
    );
  }
  const sums = sum(abs(x), { dim: overRows ? rows : cols, keepdim: true });
  const value = (order > 0 ? amax : amin)(sums, { dim: overRows ? cols : rows, keepdim: true });
  return keepdim ? value : [...dims].sort((a, b) => b - a).reduce((t, d) => select(t, d, 0), value);
}

/** Options of {@link norm}. */
export interface LinalgNormOptions {
  /** Order; without one the 2-norm of all elements. */
  ord?: MatrixOrder | null;
  /** One dimension for norms of vectors, two for norms of matrices; without one the tensor is a vector or a matrix. */
  dim?: number | readonly number[] | null;
  /** Keep the dimensions with size 1 (default false). */
  keepdim?: boolean;
  /** Cast to this first. */
  dtype?: SumOptions["dtype"];
}

const LINALG_NORM_OPTIONS: OptionNames<LinalgNormOptions> = { ord: 1, dim: 1, keepdim: 1, dtype: 1 };

/** The norm of vectors or of matrices, as the number of dimensions says. Source: `torch.linalg.norm`. */
export function norm(
  A: Tensor,
  ord?: MatrixOrder | LinalgNormOptions | null,
  options: LinalgNormOptions = {},
): Tensor {
  checkNames("linalg.norm", ord, LINALG_NORM_OPTIONS);
  checkOptions("linalg.norm", options, LINALG_NORM_OPTIONS);
  const o =
    typeof ord === "object" && ord !== null ? ord : { ...options, ...(ord === undefined ? {} : { ord }) };
  const order = o.ord ?? null;
  const dims = o.dim === undefined || o.dim === null ? null : typeof o.dim === "number" ? [o.dim] : o.dim;
  const over = { keepdim: o.keepdim ?? false, ...(o.dtype === undefined ? {} : { dtype: o.dtype }) };
  if (order === null) return normOfVectors(A, 2, { ...over, dim: dims });
  if (dims === null && A.shape.length !== 1 && A.shape.length !== 2) {
    throw new ShapeError(
      `[linalg.norm] with an order but no dim the tensor must be a vector or a matrix, got shape ${show(A.shape)}`,
    );
  }
  const rank = dims === null ? A.shape.length : dims.length;
  if (rank === 2) return matrixNorm(A, { ...over, ord: order, ...(dims === null ? {} : { dim: dims }) });
  if (typeof order === "string")
    throw new ValueError(`[linalg.norm] order "${order}" is for matrices: got ${rank} dimension(s)`);
  return normOfVectors(A, order, { ...over, dim: dims });
}

/** Norm over dimensions (all by default): p a number, "fro", or "nuc" for matrices. Source: `torch.norm`. */
export function normOf(
  x: Tensor,
  p?: number | "fro" | "nuc" | EveryNormOptions | null,
  dim?: DimArg<EveryNormOptions>,
  options?: EveryNormOptions,
): Tensor {
  checkNames("norm", p, NORM_OPTIONS);
  const o =
    typeof p === "object" && p !== null
      ? p
      : {
          ...reduceArgs("norm", dim, options, NORM_OPTIONS),
          ...(p === undefined || p === null ? {} : { p }),
        };
  if (o.p !== "nuc") return normOfElements(x, p, dim, options);
  const dims = o.dim === undefined || o.dim === null || typeof o.dim === "number" ? undefined : o.dim;
  if (dims === undefined && x.shape.length !== 2) {
    throw new ShapeError(`[norm] p = "nuc" needs a matrix or two dims, got shape ${show(x.shape)}`);
  }
  return matrixNorm(x, {
    ord: "nuc",
    keepdim: o.keepdim ?? false,
    ...(dims === undefined ? {} : { dim: dims }),
    ...(o.dtype === undefined ? {} : { dtype: o.dtype }),
  });
}

const COND_OPTIONS: OptionNames<{ p?: MatrixOrder | null }> = { p: 1 };

/**
 * Condition numbers: the norm of the matrix times the norm of its inverse, Infinity when singular; by default the
 * largest singular value over the smallest. Source: `torch.linalg.cond`.
 */
export function cond(A: Tensor, options: MatrixOrder | null | { p?: MatrixOrder | null } = {}): Tensor {
  checkNames("linalg.cond", options, COND_OPTIONS);
  const op = "linalg.cond";
  const p = (typeof options === "object" && options !== null ? options.p : options) ?? 2;
  checkFloat(op, A);
  checkMatrices(op, A);
  if (typeof p === "number" && ![1, 2, Number.POSITIVE_INFINITY].includes(Math.abs(p)))
    throw new ValueError(
      `[${op}] unknown order ${p}: expected "fro", "nuc", 1, -1, 2, -2, Infinity or -Infinity`,
    );
  if (typeof p === "string") checkSquare(op, A);
  if (A.numel === 0) return full(A.shape.slice(0, -2), 0, A.code);
  if (Math.abs(Number(p)) !== 2) checkSquare(op, A);
  if (p === 2 || p === -2) {
    const S = svdvals(A);
    const [largest, smallest] = [select(S, -1, 0), select(S, -1, -1)];
    return p === 2 ? div(largest, smallest) : div(smallest, largest);
  }
  if (p === "nuc") {
    const S = svdvals(A);
    return mul(sum(S, -1), sum(S.reciprocal(), -1));
  }
  const { inverse, info } = invEx(A);
  const product = mul(matrixNorm(A, { ord: p }), matrixNorm(inverse, { ord: p }));
  return maskedFill(product, gt(info, 0), Number.POSITIVE_INFINITY);
}
