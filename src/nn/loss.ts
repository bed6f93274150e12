/** Losses as modules, by PyTorch's names; each calls the function of the same name. */
import { CROSS_ENTROPY_OPTIONS, NLL_LOSS_OPTIONS } from "../ops/crossEntropy.js";
import { CTC_LOSS_OPTIONS } from "../ops/ctc.js";
import { GAUSSIAN_NLL_OPTIONS, KL_DIV_OPTIONS, POISSON_NLL_OPTIONS } from "../ops/likelihood.js";
import { BCE_OPTIONS, BCE_WITH_LOGITS_OPTIONS, HUBER_OPTIONS, SMOOTH_L1_OPTIONS } from "../ops/loss.js";
import { LOSS_OPTIONS, reductionOf } from "../ops/lossCore.js";
import { checkOptions, type Names } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import * as F from "./functional/loss.js";
import { Module } from "./module.js";

/** The reduction of some options; throws on any other word. @internal */
export function checkReduction(layer: string, options: F.LossOptions): F.Reduction {
  return reductionOf(layer, options);
}

/** A loss of an input and a target. */
export abstract class Loss extends Module<[input: Tensor, target: Tensor]> {
  /** "mean", "sum" or "none". */
  readonly reduction: F.Reduction;
  /** @internal */ static readonly optionNames: Names = LOSS_OPTIONS;

  constructor(options: F.LossOptions = {}) {
    super();
    checkOptions(this._getName(), options, new.target.optionNames);
    this.reduction = checkReduction(this._getName(), options);
  }
}

/** A loss with a weight, which is a buffer. */
export abstract class WeightedLoss extends Loss {
  /** @internal */ static override readonly optionNames: Names = BCE_OPTIONS;
  /** Factors of the classes or elements (a buffer), or null. */
  weight: Tensor | null;

  constructor(options: F.LossOptions & { weight?: Tensor | null } = {}) {
    super(options);
    this.weight = this.registerBuffer("weight", options.weight ?? null);
  }
}

/** Mean squared error; see `nn.functional.mseLoss`. Source: `torch.nn.MSELoss`. */
export class MSELoss extends Loss {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.mseLoss(input, target, { reduction: this.reduction });
  }
}

/** Mean absolute error; see `nn.functional.l1Loss`. Source: `torch.nn.L1Loss`. */
export class L1Loss extends Loss {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.l1Loss(input, target, { reduction: this.reduction });
  }
}

/** Quadratic near 0 and linear beyond `delta`; see `nn.functional.huberLoss`. Source: `torch.nn.HuberLoss`. */
export class HuberLoss extends Loss {
  /** @internal */ static override readonly optionNames: Names = HUBER_OPTIONS;
  /** Where the loss turns from quadratic to linear (default 1). */
  readonly delta: number;

  constructor(options: F.HuberOptions = {}) {
    super(options);
    this.delta = options.delta ?? 1;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return F.huberLoss(input, target, { reduction: this.reduction, delta: this.delta });
  }
}

/** Huber loss over `beta`; see `nn.functional.smoothL1Loss`. Source: `torch.nn.SmoothL1Loss`. */
export class SmoothL1Loss extends Loss {
  /** @internal */ static override readonly optionNames: Names = SMOOTH_L1_OPTIONS;
  /** Where the loss turns from quadratic to linear (default 1). */
  readonly beta: number;

  constructor(options: F.SmoothL1Options = {}) {
    super(options);
    this.beta = options.beta ?? 1;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return F.smoothL1Loss(input, target, { reduction: this.reduction, beta: this.beta });
  }
}

/**
 * Cross entropy of logits and classes or class probabilities; see `nn.functional.crossEntropy`.
 * Source: `torch.nn.CrossEntropyLoss`.
 * @example
 * const loss = new nn.CrossEntropyLoss({ labelSmoothing: 0.1 });
 * loss(zeros([2, 4]), tensor([1, 3])).item(); // 1.3862943649291992
 */
export class CrossEntropyLoss extends WeightedLoss {
  /** @internal */ static override readonly optionNames: Names = CROSS_ENTROPY_OPTIONS;
  /** Label that counts for nothing (default -100). */
  readonly ignoreIndex: number;
  /** Share of the target that is spread over all classes, from 0 to 1 (default 0). */
  readonly labelSmoothing: number;

  constructor(options: F.CrossEntropyOptions = {}) {
    super(options);
    this.ignoreIndex = options.ignoreIndex ?? -100;
    this.labelSmoothing = options.labelSmoothing ?? 0;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { weight, ignoreIndex, reduction, labelSmoothing } = this;
    return F.crossEntropy(input, target, { weight, ignoreIndex, reduction, labelSmoothing });
  }
}

/** Negative log likelihood of log-probabilities; see `nn.functional.nllLoss`. Source: `torch.nn.NLLLoss`. */
export class NLLLoss extends WeightedLoss {
  /** @internal */ static override readonly optionNames: Names = NLL_LOSS_OPTIONS;
  /** Label that counts for nothing (default -100). */
  readonly ignoreIndex: number;

  constructor(options: F.NllLossOptions = {}) {
    super(options);
    this.ignoreIndex = options.ignoreIndex ?? -100;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { weight, ignoreIndex, reduction } = this;
    return F.nllLoss(input, target, { weight, ignoreIndex, reduction });
  }
}

/** {@link NLLLoss} under its old name for images (N, C, H, W). Source: `torch.nn.NLLLoss2d`. */
export class NLLLoss2d extends NLLLoss {}

/**
 * Binary cross entropy of logits; see `nn.functional.binaryCrossEntropyWithLogits`.
 * Source: `torch.nn.BCEWithLogitsLoss`.
 */
export class BCEWithLogitsLoss extends WeightedLoss {
  /** @internal */ static override readonly optionNames: Names = BCE_WITH_LOGITS_OPTIONS;
  /** Factors of the positive part, one for each class (a buffer), or null. */
  posWeight: Tensor | null;

  constructor(options: F.BceWithLogitsOptions = {}) {
    super(options);
    this.posWeight = this.registerBuffer("pos_weight", options.posWeight ?? null);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { weight, reduction, posWeight } = this;
    return F.binaryCrossEntropyWithLogits(input, target, { weight, reduction, posWeight });
  }
}

/** Binary cross entropy of probabilities; see `nn.functional.binaryCrossEntropy`. Source: `torch.nn.BCELoss`. */
export class BCELoss extends WeightedLoss {
  forward(input: Tensor, target: Tensor): Tensor {
    const { weight, reduction } = this;
    return F.binaryCrossEntropy(input, target, { weight, reduction });
  }
}

/** Poisson negative log likelihood; see `nn.functional.poissonNllLoss`. Source: `torch.nn.PoissonNLLLoss`. */
export class PoissonNLLLoss extends Loss {
  /** @internal */ static override readonly optionNames: Names = POISSON_NLL_OPTIONS;
  /** Whether the input is the logarithm of the rate (default true). */
  readonly logInput: boolean;
  /** Whether Stirling's term is added (default false). */
  readonly full: boolean;
  /** Added to the rate under the logarithm (default 1e-8). */
  readonly eps: number;

  constructor(options: F.PoissonNllOptions = {}) {
    super(options);
    this.logInput = options.logInput ?? true;
    this.full = options.full ?? false;
    this.eps = options.eps ?? 1e-8;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { logInput, full, eps, reduction } = this;
    return F.poissonNllLoss(input, target, { logInput, full, eps, reduction });
  }
}

/** Gaussian negative log likelihood; see `nn.functional.gaussianNllLoss`. Source: `torch.nn.GaussianNLLLoss`. */
export class GaussianNLLLoss extends Module<[input: Tensor, target: Tensor, variance: Tensor]> {
  /** Whether the constant term, ln(2 pi) / 2, is added (default false). */
  readonly full: boolean;
  /** Least variance (default 1e-6). */
  readonly eps: number;
  /** "mean", "sum" or "none". */
  readonly reduction: F.Reduction;

  constructor(options: F.GaussianNllOptions = {}) {
    super();
    checkOptions(this._getName(), options, GAUSSIAN_NLL_OPTIONS);
    this.reduction = checkReduction(this._getName(), options);
    this.full = options.full ?? false;
    this.eps = options.eps ?? 1e-6;
  }

  forward(input: Tensor, target: Tensor, variance: Tensor): Tensor {
    const { full, eps, reduction } = this;
    return F.gaussianNllLoss(input, target, variance, { full, eps, reduction });
  }
}

/** Kullback-Leibler divergence; see `nn.functional.klDiv`. Source: `torch.nn.KLDivLoss`. */
export class KLDivLoss extends Module<[input: Tensor, target: Tensor]> {
  /** Whether the target is given as logarithms too (default false). */
  readonly logTarget: boolean;
  /** "mean", "batchmean", "sum" or "none". */
  readonly reduction: F.Reduction | "batchmean";

  constructor(options: F.KlDivOptions = {}) {
    super();
    checkOptions(this._getName(), options, KL_DIV_OPTIONS);
    this.reduction =
      options.reduction === "batchmean"
        ? "batchmean"
        : checkReduction(this._getName(), options as F.LossOptions);
    this.logTarget = options.logTarget ?? false;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { logTarget, reduction } = this;
    return F.klDiv(input, target, { logTarget, reduction });
  }
}

/**
 * Connectionist temporal classification; see `nn.functional.ctcLoss`. Source: `torch.nn.CTCLoss`.
 */
export class CTCLoss extends Module<
  [logProbs: Tensor, targets: Tensor, inputLengths: F.Lengths, targetLengths: F.Lengths]
> {
  /** Label of the blank (default 0). */
  readonly blank: number;
  /** "mean", "sum" or "none". */
  readonly reduction: F.Reduction;
  /** Whether infinite losses, of targets that do not fit into the input, count as 0 (default false). */
  readonly zeroInfinity: boolean;

  constructor(options: F.CtcLossOptions = {}) {
    super();
    checkOptions(this._getName(), options, CTC_LOSS_OPTIONS);
    this.blank = options.blank ?? 0;
    this.reduction = checkReduction(this._getName(), options);
    this.zeroInfinity = options.zeroInfinity ?? false;
  }

  forward(logProbs: Tensor, targets: Tensor, inputLengths: F.Lengths, targetLengths: F.Lengths): Tensor {
    const { blank, reduction, zeroInfinity } = this;
    return F.ctcLoss(logProbs, targets, inputLengths, targetLengths, { blank, reduction, zeroInfinity });
  }
}
