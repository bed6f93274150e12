/** Losses of distributions: Kullback-Leibler divergence, Poisson and Gaussian negative log likelihood. */

import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { broadcastShapes, sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul, sub } from "./arithmetic.js";
import { clamp } from "./clamp.js";
import { gt, lt } from "./compare.js";
import { needTensor } from "./core.js";
import { exp, log } from "./exponential.js";
import { checkFloat, type LossOptions, type Reduction, reduceLoss, reductionOf } from "./lossCore.js";
import { square } from "./powers.js";
import { any } from "./reduce.js";
import { xlogy } from "./special.js";
import { sum } from "./sum.js";
import { unsqueeze } from "./view.js";
import { where } from "./where.js";

/** Options of {@link klDiv}. */
export interface KlDivOptions {
  /** As elsewhere, or "batchmean": the sum over the size of the first dimension, which is the divergence. */
  reduction?: Reduction | "batchmean";
  /** Whether the target holds logarithms too (default false). */
  logTarget?: boolean;
}

/** @internal */
export const KL_DIV_OPTIONS: OptionNames<KlDivOptions> = { reduction: 1, logTarget: 1 };

/**
 * target (log target - input), where the input holds log-probabilities: the divergence of the input from the target
 * when summed ("batchmean" or "sum"); the default "mean" divides by the number of elements.
 * Source: `torch.nn.functional.kl_div`.
 * @throws DTypeError for integers.
 */
export function klDiv(input: Tensor, target: Tensor, options: KlDivOptions = {}): Tensor {
  needTensor("klDiv", input);
  needTensor("klDiv", target, "target");
  checkOptions("klDiv", options, KL_DIV_OPTIONS);
  broadcastShapes("klDiv", input.shape, target.shape);
  checkFloat("klDiv", "input", input);
  checkFloat("klDiv", "target", target);
  const batch = options.reduction === "batchmean";
  const reduction = batch ? "sum" : reductionOf("klDiv", options as LossOptions);
  const terms =
    options.logTarget === true
      ? mul(exp(target), sub(target, input))
      : sub(xlogy(target, target), mul(target, input));
  const loss = reduceLoss(terms, reduction);
  return batch && input.shape.length > 0 ? div(loss, input.shape[0] as number) : loss;
}

/** Options of {@link poissonNllLoss}. */
export interface PoissonNllOptions extends LossOptions {
  /** Whether the input is the logarithm of the rate (default true). */
  logInput?: boolean;
  /** Whether to add Stirling's approximation of log(target!) (default false). */
  full?: boolean;
  /** Added to the rate before its logarithm is taken (default 1e-8). */
  eps?: number;
}

/** @internal */
export const POISSON_NLL_OPTIONS: OptionNames<PoissonNllOptions> = {
  logInput: 1,
  full: 1,
  eps: 1,
  reduction: 1,
};

/**
 * exp(x) - y x for a logarithmic input x, or x - y log(x + eps), averaged; `full` adds y log y - y + log(2 pi y) / 2
 * where y > 1. Source: `torch.nn.functional.poisson_nll_loss`.
 */
export function poissonNllLoss(input: Tensor, target: Tensor, options: PoissonNllOptions = {}): Tensor {
  needTensor("poissonNllLoss", input);
  needTensor("poissonNllLoss", target, "target");
  checkOptions("poissonNllLoss", options, POISSON_NLL_OPTIONS);
  broadcastShapes("poissonNllLoss", input.shape, target.shape);
  const reduction = reductionOf("poissonNllLoss", options);
  const { logInput = true, full = false, eps = 1e-8 } = options;
  let loss = logInput ? sub(exp(input), mul(target, input)) : sub(input, mul(target, log(add(input, eps))));
  if (full) {
    const stirling = add(sub(mul(target, log(target)), target), mul(log(mul(target, 2 * Math.PI)), 0.5));
    loss = add(loss, where(gt(target, 1), stirling, 0));
  }
  return reduceLoss(loss, reduction);
}

/** Options of {@link gaussianNllLoss}. */
export interface GaussianNllOptions extends LossOptions {
  /** Whether to add the constant log(2 pi) / 2 (default false). */
  full?: boolean;
  /** Least variance; variances below count as this, with the gradient of themselves (default 1e-6). */
  eps?: number;
}

/** @internal */
export const GAUSSIAN_NLL_OPTIONS: OptionNames<GaussianNllOptions> = { full: 1, eps: 1, reduction: 1 };

/**
 * (log v + (x - y)^2 / v) / 2, averaged. The variance v has the shape of the input, or one without its last dimension,
 * or with a last dimension of 1. Source: `torch.nn.functional.gaussian_nll_loss`.
 * @throws ShapeError for other variances, ValueError for negative ones.
 */
export function gaussianNllLoss(
  input: Tensor,
  target: Tensor,
  variance: Tensor,
  options: GaussianNllOptions = {},
): Tensor {
  needTensor("gaussianNllLoss", input);
  needTensor("gaussianNllLoss", target, "target");
  needTensor("gaussianNllLoss", variance, "variance");
  checkOptions("gaussianNllLoss", options, GAUSSIAN_NLL_OPTIONS);
  const op = "gaussianNllLoss";
  const reduction = reductionOf(op, options);
  const { full = false, eps = 1e-6 } = options;
  checkFloat(op, "input", input);
  const lead = input.shape.slice(0, -1);
  const { shape } = variance;
  const spread =
    !sameShape(shape, input.shape) && input.shape.length > 0 && sameShape(shape, lead)
      ? unsqueeze(variance, -1)
      : variance;
  const fits = sameShape(spread.shape, input.shape) || sameShape(spread.shape, [...lead, 1]);
  if (!fits) {
    throw new ShapeError(
      `[${op}] variance of shape ${show(shape)}: expected ${show(input.shape)}, ${show(lead)} or ${show([...lead, 1])}`,
    );
  }
  if (any(lt(spread.detach(), 0)).item())
    throw new ValueError(`[${op}] the variance has a negative entry: expected all >= 0`);
  const raised = sub(clamp(spread.detach(), { min: eps }), spread.detach()); // constant: the gradient passes the limit
  const v = add(spread, raised);
  const loss = mul(add(log(v), div(square(sub(input, target)), v)), 0.5);
  return reduceLoss(full ? add(loss, 0.5 * Math.log(2 * Math.PI)) : loss, reduction);
}

/** The sum over the last dimension over its size. @internal */
export function meanOfClasses(x: Tensor): Tensor {
  return div(sum(x, -1), x.shape[x.shape.length - 1] as number);
}
