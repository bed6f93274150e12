/** Losses with margins as modules. */
import type { Tensor } from "../tensor/tensor.js";
import { PairwiseDistance } from "./distance.js";
import * as F from "./functional/loss.js";
import { checkReduction, Loss, WeightedLoss } from "./loss.js";
import { Module } from "./module.js";

/** What losses of two inputs and a target, or of triplets, share. */
abstract class LossOfThree<Args extends [Tensor, Tensor, Tensor]> extends Module<Args> {
  readonly reduction: F.Reduction;
  readonly margin: number;

  constructor(options: F.MarginOptions, margin: number) {
    super();
    this.reduction = checkReduction(options);
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

/** See `nn.functional.multiMarginLoss`. Source: `torch.nn.MultiMarginLoss`. */
export class MultiMarginLoss extends WeightedLoss {
  readonly p: number;
  readonly margin: number;

  constructor(options: F.MultiMarginOptions = {}) {
    super(options);
    this.p = options.p ?? 1;
    this.margin = options.margin ?? 1;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { p, margin, weight, reduction } = this;
    return F.multiMarginLoss(input, target, { p, margin, weight, reduction });
  }
}

/** See `nn.functional.tripletMarginLoss`. Source: `torch.nn.TripletMarginLoss`. */
export class TripletMarginLoss extends LossOfThree<[anchor: Tensor, positive: Tensor, negative: Tensor]> {
  readonly p: number;
  readonly eps: number;
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
  distanceFunction: F.DistanceFunction;
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
