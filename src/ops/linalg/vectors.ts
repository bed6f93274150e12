/** The vector functions of `torch.linalg`: cross, vecdot, diagonal, vander. */

import { BOOL } from "../../tensor/dtype.js";
import { DTypeError, ValueError } from "../../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../../tensor/options.js";
import type { Tensor } from "../../tensor/tensor.js";
import { mul } from "../arithmetic.js";
import { DIAGONAL_OPTIONS, type DiagonalOptions, diagonal as diagonalOf } from "../diagonal.js";
import { atleast1d } from "../dims.js";
import { crossAlong, powersOf } from "../products.js";
import { sum } from "../sum.js";
import { checkFloat, checkSameDtype } from "./core.js";

/** A dimension, bare or in options. */
export type DimOption =
  | number
  | {
      /** The dimension (default -1). */
      dim?: number;
    };

const dimOf = (dim: DimOption): number => (typeof dim === "number" ? dim : (dim.dim ?? -1));

const CROSS_OPTIONS: OptionNames<{ /** The dimension (default -1). */ dim?: number }> = { dim: 1 };

/** Cross products of vectors of 3 along a dimension (default the last). Source: `torch.linalg.cross`. */
export function cross(x: Tensor, other: Tensor, dim: DimOption = -1): Tensor {
  checkNames("linalg.cross", dim, CROSS_OPTIONS);
  return crossAlong("linalg.cross", x, other, dimOf(dim));
}

/** Sums of products along a dimension (default the last), with broadcasting. Source: `torch.linalg.vecdot`. */
export function vecdot(x: Tensor, y: Tensor, dim: DimOption = -1): Tensor {
  checkNames("linalg.vecdot", dim, CROSS_OPTIONS);
  checkFloat("linalg.vecdot", x);
  checkSameDtype("linalg.vecdot", x, y);
  const product = mul(x, y);
  return sum(product, { dim: dimOf(dim), dtype: product.dtype });
}

/** A diagonal of the matrices in two dimensions, by default the last two. Source: `torch.linalg.diagonal`. */
export function diagonal(A: Tensor, options: DiagonalOptions = {}): Tensor {
  checkOptions("linalg.diagonal", options, DIAGONAL_OPTIONS);
  return diagonalOf(A, { dim1: -2, dim2: -1, ...options });
}

const VANDER_OPTIONS: OptionNames<{ N?: number | null }> = { N: 1 };

/**
 * The powers 0 to N - 1 of the elements of vectors, as rows of matrices; N is their length by default.
 * Source: `torch.linalg.vander`.
 */
export function vander(x: Tensor, options: number | { N?: number | null } = {}): Tensor {
  checkNames("linalg.vander", options, VANDER_OPTIONS);
  const vectors = atleast1d(x);
  const N = typeof options === "number" ? options : (options.N ?? (vectors.shape.at(-1) as number));
  if (x.code === BOOL) throw new DTypeError('[linalg.vander] not defined for bool; try x.to("int64")');
  if (!(N > 1)) throw new ValueError(`[linalg.vander] N must be greater than 1: got ${N}`);
  return powersOf("linalg.vander", vectors, N);
}
