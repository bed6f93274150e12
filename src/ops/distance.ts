/** Distances and similarities of vectors. */

import { isFloat } from "../tensor/dtype.js";
import { DTypeError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { broadcastShapes, sameShape, wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul, sub } from "./arithmetic.js";
import { cast } from "./cast.js";
import { clampMin } from "./clamp.js";
import { lt } from "./compare.js";
import { floating, needTensor, promote } from "./core.js";
import { sqrt, square } from "./powers.js";
import { any } from "./reduce.js";
import { vectorNorm } from "./statistics.js";
import { sum } from "./sum.js";
import { expand } from "./view.js";
import { where } from "./where.js";

/** Options of {@link pairwiseDistance}. */
export interface PairwiseDistanceOptions {
  /** Order of the norm (default 2). */
  p?: number;
  /** Added to differences, so that the gradient exists where vectors are equal (default 1e-6). */
  eps?: number;
  /** Keep the last dimension with size 1 (default false). */
  keepdim?: boolean;
}

/** @internal */
export const PAIRWISE_DISTANCE_OPTIONS: OptionNames<PairwiseDistanceOptions> = { p: 1, eps: 1, keepdim: 1 };

/** The p-norm of x1 - x2 + eps over the last dimension. Source: `torch.nn.functional.pairwise_distance`. */
export function pairwiseDistance(x1: Tensor, x2: Tensor, options: PairwiseDistanceOptions = {}): Tensor {
  needTensor("pairwiseDistance", x1, "x1");
  needTensor("pairwiseDistance", x2, "x2");
  checkOptions("pairwiseDistance", options, PAIRWISE_DISTANCE_OPTIONS);
  const { p = 2, eps = 1e-6, keepdim = false } = options;
  return vectorNorm(add(floating(sub(x1, x2)), eps), p, { dim: -1, keepdim });
}

/** Options of {@link cosineSimilarity}. */
export interface CosineSimilarityOptions {
  /** Dimension of the vectors (default 1). */
  dim?: number;
  /** Least norm to divide by (default 1e-8). */
  eps?: number;
}

/** @internal */
export const COSINE_SIMILARITY_OPTIONS: OptionNames<CosineSimilarityOptions> = { dim: 1, eps: 1 };

/**
 * x1 x2 / (max(|x1|, eps) max(|x2|, eps)) over a dimension, of tensors that broadcast.
 * Source: `torch.nn.functional.cosine_similarity`.
 */
export function cosineSimilarity(x1: Tensor, x2: Tensor, options: CosineSimilarityOptions = {}): Tensor {
  needTensor("cosineSimilarity", x1, "x1");
  needTensor("cosineSimilarity", x2, "x2");
  checkOptions("cosineSimilarity", options, COSINE_SIMILARITY_OPTIONS);
  const { dim = 1, eps = 1e-8 } = options;
  const shape = broadcastShapes("cosineSimilarity", x1.shape, x2.shape);
  const d = wrapDim("cosineSimilarity", dim, shape.length);
  const code = promote(x1, x2);
  if (!isFloat(code)) {
    throw new DTypeError(
      `[cosineSimilarity] expected a floating dtype, got ${x1.dtype} and ${x2.dtype}; try x.to("float32")`,
    );
  }
  const unit = (x: Tensor) => div(x, limitedNorm(x, d, eps));
  const wide = (x: Tensor) => (sameShape(x.shape, shape) ? cast(x, code) : expand(cast(x, code), shape));
  return sum(mul(unit(wide(x1)), unit(wide(x2))), d);
}

/** max(|x|, eps) over a dimension; where eps is larger it has the derivatives of sqrt(x^2) at eps^2, as in PyTorch. */
function limitedNorm(x: Tensor, dim: number, eps: number): Tensor {
  const over = { dim, keepdim: true };
  const norm = vectorNorm(x, 2, over);
  const small = lt(norm.detach(), eps);
  if (!any(small).item()) return norm;
  const squares = sum(square(x), over);
  const raised = add(squares, clampMin(sub(eps * eps, squares.detach()), 0));
  return where(small, sqrt(raised), norm);
}
