/** Distances as modules. */

import { COSINE_SIMILARITY_OPTIONS, PAIRWISE_DISTANCE_OPTIONS } from "../ops/distance.js";
import { checkOptions } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import * as F from "./functional/distance.js";
import { Module } from "./module.js";

/** Cosine of the angle between vectors; see `nn.functional.cosineSimilarity`. Source: `torch.nn.CosineSimilarity`. */
export class CosineSimilarity extends Module<[x1: Tensor, x2: Tensor]> {
  /** Dimension along which vectors lie (default 1). */
  readonly dim: number;
  /** Least product of the norms, against division by zero (default 1e-8). */
  readonly eps: number;

  constructor(options: F.CosineSimilarityOptions = {}) {
    super();
    checkOptions(this._getName(), options, COSINE_SIMILARITY_OPTIONS);
    this.dim = options.dim ?? 1;
    this.eps = options.eps ?? 1e-8;
  }

  forward(x1: Tensor, x2: Tensor): Tensor {
    return F.cosineSimilarity(x1, x2, { dim: this.dim, eps: this.eps });
  }
}

/** p-norm of differences; see `nn.functional.pairwiseDistance`. Source: `torch.nn.PairwiseDistance`. */
export class PairwiseDistance extends Module<[x1: Tensor, x2: Tensor]> {
  /** Order of the norm (default 2). */
  readonly norm: number;
  /** Added to every difference (default 1e-6). */
  readonly eps: number;
  /** Whether the last dimension stays, with size 1 (default false). */
  readonly keepdim: boolean;

  constructor(options: F.PairwiseDistanceOptions = {}) {
    super();
    checkOptions(this._getName(), options, PAIRWISE_DISTANCE_OPTIONS);
    this.norm = options.p ?? 2;
    this.eps = options.eps ?? 1e-6;
    this.keepdim = options.keepdim ?? false;
  }

  forward(x1: Tensor, x2: Tensor): Tensor {
    return F.pairwiseDistance(x1, x2, { p: this.norm, eps: this.eps, keepdim: this.keepdim });
  }
}
