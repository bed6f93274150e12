/** Losses with margins as modules. */
import {
  checkPower,
  MARGIN_OPTIONS,
  MULTI_MARGIN_OPTIONS,
  TRIPLET_MARGIN_OPTIONS,
  TRIPLET_MARGIN_WITH_DISTANCE_OPTIONS,
} from "../ops/margins.js";
import { checkOptions, type Names } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { PairwiseDistance } from "./distance.js";
import * as F from "./functional/loss.js";
import { checkReduction, Loss, WeightedLoss } from "./loss.js";
import { Module } from "./module.js";

/** What losses of two inputs and a target, or of triplets, share. */
abstract class LossOfThree<Args extends [Tensor, Tensor, Tensor]> extends Module<Args> {
  /** "mean", "sum" or "none". */
  readonly reduction: F.Reduction;
  /** How far apart the two sides should be. */
  readonly margin: number;

  /** @internal */ static readonly optionNames: Names = MARGIN_OPTIONS;

  constructor(options: F.MarginOptions, margin: number) {
    super();
    checkOptions(this._getName(), options, new.target.optionNames);
    this.reduction = checkReduction(this._getName(), options);
    this.margin = options.margin ?? margin;
  }
}

/** See `nn.functional.marginRankingLoss`. Source: `torch.nn.MarginRankingLoss`. */
export class MarginRankingLoss extends LossOfThree<[input1: Tensor, input2: Tensor, target: Tensor]> {
  constructor(options: F.MarginOptions = {}) {
    super(options, 0);
  }

  forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    const { margin, reduction } = this;
    return F.marginRankingLoss(input1, input2, target, { margin, reduction });
  }
}

/** See `nn.functional.cosineEmbeddingLoss`. Source: `torch.nn.CosineEmbeddingLoss`. */
export class CosineEmbeddingLoss extends LossOfThree<[input1: Tensor, input2: Tensor, target: Tensor]> {
  constructor(options: F.MarginOptions = {}) {
    super(options, 0);
  }

  forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    const { margin, reduction } = this;
    return F.cosineEmbeddingLoss(input1, input2, target, { margin, reduction });
  }
}

/** See `nn.functional.hingeEmbeddingLoss`. Source: `torch.nn.HingeEmbeddingLoss`. */
export class HingeEmbeddingLoss extends Loss {
  /** @internal */ static override readonly optionNames: Names = MARGIN_OPTIONS;
  /** Least value of the input for targets of -1 (default 1). */
  readonly margin: number;

  constructor(options: F.MarginOptions = {}) {
    super(options);
    this.margin = options.margin ?? 1;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { margin, reduction } = this;
    return F.hingeEmbeddingLoss(input, target, { margin, reduction });
  }
}

/** See `nn.functional.softMarginLoss`. Source: `torch.nn.SoftMarginLoss`. */
export class SoftMarginLoss extends Loss {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.softMarginLoss(input, target, { reduction: this.reduction });
  }
}

/** See `nn.functional.multilabelMarginLoss`. Source: `torch.nn.MultiLabelMarginLoss`. */
export class MultiLabelMarginLoss extends Loss {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.multilabelMarginLoss(input, target, { reduction: this.reduction });
  }
}

/** See `nn.functional.multilabelSoftMarginLoss`. Source: `torch.nn.MultiLabelSoftMarginLoss`. */
export class MultiLabelSoftMarginLoss extends WeightedLoss {
  forward(input: Tensor, target: Tensor): Tensor {
    const { weight, reduction } = this;
    return F.multilabelSoftMarginLoss(input, target, { weight, reduction });
  }
}

/**
 * See `nn.functional.multiMarginLoss`. Source: `torch.nn.MultiMarginLoss`.
 * @throws ValueError for another p than 1 or 2.
 */
export class MultiMarginLoss extends WeightedLoss {
  /** @internal */ static override readonly optionNames: Names = MULTI_MARGIN_OPTIONS;
  /** Power of each hinge: 1 (default) or 2. */
  readonly p: number;
  /** How far the score of the target should be above the others (default 1). */
  readonly margin: number;

  constructor(options: F.MultiMarginOptions = {}) {
    super(options);
    this.p = checkPower("MultiMarginLoss", options.p ?? 1);
    this.margin = options.margin ?? 1;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { p, margin, weight, reduction } = this;
    return F.multiMarginLoss(input, target, { p, margin, weight, reduction });
  }
}

/** See `nn.functional.tripletMarginLoss`. Source: `torch.nn.TripletMarginLoss`. */
export class TripletMarginLoss extends LossOfThree<[anchor: Tensor, positive: Tensor, negative: Tensor]> {
  /** @internal */ static override readonly optionNames: Names = TRIPLET_MARGIN_OPTIONS;
  /** Order of the norm (default 2). */
  readonly p: number;
  /** Added to every difference (default 1e-6). */
  readonly eps: number;
  /** Whether the positive example is the anchor where it lies nearer to the negative one (default false). */
  readonly swap: boolean;

  constructor(options: F.TripletMarginOptions = {}) {
    super(options, 1);
    this.p = options.p ?? 2;
    this.eps = options.eps ?? 1e-6;
    this.swap = options.swap ?? false;
  }

  forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    const { margin, p, eps, swap, reduction } = this;
    return F.tripletMarginLoss(anchor, positive, negative, { margin, p, eps, swap, reduction });
  }
}

/**
 * A triplet loss with any distance, a function or a module; see `nn.functional.tripletMarginWithDistanceLoss`.
 * Source: `torch.nn.TripletMarginWithDistanceLoss`.
 */
export class TripletMarginWithDistanceLoss extends LossOfThree<
  [anchor: Tensor, positive: Tensor, negative: Tensor]
> {
  /** @internal */ static override readonly optionNames: Names = TRIPLET_MARGIN_WITH_DISTANCE_OPTIONS;
  /** The distance of two tensors, one number for each row (default {@link PairwiseDistance}). */
  distanceFunction: F.DistanceFunction;
  /** Whether the positive example is the anchor where it lies nearer to the negative one (default false). */
  readonly swap: boolean;

  constructor(options: F.TripletMarginWithDistanceOptions = {}) {
    super(options, 1);
    this.distanceFunction = options.distanceFunction ?? new PairwiseDistance();
    this.swap = options.swap ?? false;
  }

  forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    const { margin, swap, reduction, distanceFunction } = this;
    return F.tripletMarginWithDistanceLoss(anchor, positive, negative, {
      margin,
      swap,
      reduction,
      distanceFunction,
    });
  }
}
