/**
 * Losses between two tensors, elementwise: squared, absolute, Huber, smooth absolute, binary cross entropy on logits.
 * Each is one pass forward and one backward, right at every order; `composed` holds the same in plain ops.
 */

import { kernels } from "../kernels/index.js";
import { isFloat } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { contiguous, ptr, readAt } from "../tensor/raw.js";
import { broadcastShapes, sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { warnOnce } from "../tensor/warn.js";
import { add, div, mul, neg, sub } from "./arithmetic.js";
import { cast } from "./cast.js";
import { clamp, clampMin } from "./clamp.js";
import { lt } from "./compare.js";
import { needTensor, promote } from "./core.js";
import { exp, log, log1p, sigmoid } from "./exponential.js";
import {
  checkFloat,
  checkHolds,
  checkSameSize,
  LOSS_OPTIONS,
  type LossOptions,
  reduceLoss,
  reductionOf,
} from "./lossCore.js";
import { fused, pairLoss } from "./lossPairs.js";
import { square } from "./powers.js";
import { abs, sign } from "./sign.js";
import { where } from "./where.js";

const within = (a: Tensor, b: Tensor, p: number) => cast(lt(abs(sub(a, b)), p), a.code);

const mseOp = pairLoss({
  name: "MseLoss",
  kernel: "mse",
  cost: 1,
  slope: (a, b) => mul(sub(a, b), 2), // d (a - b)^2 = 2 (a - b)
  curvature: () => 2,
});

const l1Op = pairLoss({
  name: "L1Loss",
  kernel: "l1",
  cost: 1,
  slope: (a, b) => sign(sub(a, b)),
  curvature: () => null,
});

const huberOp = pairLoss({
  name: "HuberLoss",
  kernel: "huber",
  cost: 1,
  slope: (a, b, delta) => clamp(sub(a, b), -delta, delta),
  curvature: within,
});

const smoothL1Op = pairLoss({
  name: "SmoothL1Loss",
  kernel: "smoothL1",
  cost: 1,
  slope: (a, b, beta) => div(clamp(sub(a, b), -beta, beta), beta),
  curvature: (a, b, beta) => div(within(a, b, beta), beta),
});

const bceWithLogitsOp = pairLoss({
  name: "BinaryCrossEntropyWithLogits",
  kernel: "bceWithLogits",
  cost: 16,
  slope: (a, b) => sub(sigmoid(a), b),
  curvature: (a) => mul(sigmoid(a), sub(1, sigmoid(a))),
  target: { slope: (a) => neg(a), cross: () => -1 },
});

/** Warns, as PyTorch does, of shapes that differ: broadcasting (N, 1) and (N) gives N x N differences. */
function warnOfBroadcast(op: string, input: Tensor, target: Tensor): void {
  if (sameShape(input.shape, target.shape)) return;
  broadcastShapes(op, input.shape, target.shape); // throws where they do not fit at all
  warnOnce(
    op,
    `the target has shape ${show(target.shape)}, the input ${show(input.shape)}; they are broadcast, which is rarely meant; ` +
      "try reshape",
  );
}

/**
 * (input - target)^2, averaged. The two are broadcast, with a warning. Source: `torch.nn.functional.mse_loss`.
 * @example
 * mseLoss(tensor([1.5, 2]), tensor([1.5, 4])).item(); // 2
 * @throws ShapeError when the shapes do not broadcast, DTypeError for integers.
 */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  needTensor("mseLoss", input);
  needTensor("mseLoss", target, "target");
  checkOptions("mseLoss", options, LOSS_OPTIONS);
  warnOfBroadcast("mseLoss", input, target);
  return fused(mseOp, "mseLoss", input, target, { reduction: reductionOf("mseLoss", options), params: [] });
}

/** |input - target|, averaged. The two are broadcast. Source: `torch.nn.functional.l1_loss`. */
export function l1Loss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  needTensor("l1Loss", input);
  needTensor("l1Loss", target, "target");
  checkOptions("l1Loss", options, LOSS_OPTIONS);
  warnOfBroadcast("l1Loss", input, target);
  const reduction = reductionOf("l1Loss", options);
  if (!isFloat(promote(input, target))) return reduceLoss(abs(sub(input, target)), reduction);
  return fused(l1Op, "l1Loss", input, target, { reduction, params: [] });
}

/** Options of {@link huberLoss}. */
export interface HuberOptions extends LossOptions {
  /** Distance up to which the loss is quadratic, above 0 (default 1). */
  delta?: number;
}

/** @internal */
export const HUBER_OPTIONS: OptionNames<HuberOptions> = { delta: 1, reduction: 1 };

/**
 * d^2 / 2 for |d| < delta, else delta (|d| - delta / 2), with d = input - target, averaged.
 * Source: `torch.nn.functional.huber_loss`.
 * @throws ValueError for a delta that is not above 0.
 */
export function huberLoss(input: Tensor, target: Tensor, options: HuberOptions = {}): Tensor {
  needTensor("huberLoss", input);
  needTensor("huberLoss", target, "target");
  checkOptions("huberLoss", options, HUBER_OPTIONS);
  warnOfBroadcast("huberLoss", input, target);
  const delta = options.delta ?? 1;
  if (!(delta > 0)) throw new ValueError(`[huberLoss] delta ${delta}: expected a number above 0`);
  const reduction = reductionOf("huberLoss", options);
  checkHolds("huberLoss", input, target);
  return cast(fused(huberOp, "huberLoss", input, target, { reduction, params: [delta] }), input.code);
}

/** Options of {@link smoothL1Loss}. */
export interface SmoothL1Options extends LossOptions {
  /** Distance up to which the loss is quadratic, at least 0 (default 1); 0 is {@link l1Loss}. */
  beta?: number;
}

/** @internal */
export const SMOOTH_L1_OPTIONS: OptionNames<SmoothL1Options> = { beta: 1, reduction: 1 };

/**
 * d^2 / (2 beta) for |d| < beta, else |d| - beta / 2, with d = input - target, averaged.
 * Source: `torch.nn.functional.smooth_l1_loss`.
 * @throws ValueError for a negative beta.
 */
export function smoothL1Loss(input: Tensor, target: Tensor, options: SmoothL1Options = {}): Tensor {
  needTensor("smoothL1Loss", input);
  needTensor("smoothL1Loss", target, "target");
  checkOptions("smoothL1Loss", options, SMOOTH_L1_OPTIONS);
  warnOfBroadcast("smoothL1Loss", input, target);
  const beta = options.beta ?? 1;
  if (!(beta >= 0)) throw new ValueError(`[smoothL1Loss] beta ${beta}: expected a number at least 0`);
  const reduction = reductionOf("smoothL1Loss", options);
  if (beta === 0) return fused(l1Op, "smoothL1Loss", input, target, { reduction, params: [] });
  return fused(smoothL1Op, "smoothL1Loss", input, target, { reduction, params: [beta] });
}

/** Options of {@link binaryCrossEntropyWithLogits}. */
export interface BceWithLogitsOptions extends LossOptions {
  /** Factor of each loss; broadcast to the input. */
  weight?: Tensor | null;
  /** Factor of the positive part, per class; broadcast to the input. */
  posWeight?: Tensor | null;
}

/** @internal */
export const BCE_WITH_LOGITS_OPTIONS: OptionNames<BceWithLogitsOptions> = {
  weight: 1,
  posWeight: 1,
  reduction: 1,
};

/**
 * Cross entropy between targets in [0, 1] and sigmoid(input), computed without overflow:
 * max(x, 0) - x y + log(1 + exp(-|x|)), averaged. Source: `torch.nn.functional.binary_cross_entropy_with_logits`.
 * @throws ShapeError when the target has another shape than the input, DTypeError for integers.
 */
export function binaryCrossEntropyWithLogits(
  input: Tensor,
  target: Tensor,
  options: BceWithLogitsOptions = {},
): Tensor {
  needTensor("binaryCrossEntropyWithLogits", input);
  needTensor("binaryCrossEntropyWithLogits", target, "target");
  checkOptions("binaryCrossEntropyWithLogits", options, BCE_WITH_LOGITS_OPTIONS);
  const op = "binaryCrossEntropyWithLogits";
  checkSameSize(op, input, target);
  checkFloat(op, "input", input);
  checkFloat(op, "target", target);
  const reduction = reductionOf(op, options);
  const { weight = null, posWeight = null } = options;
  if (weight === null && posWeight === null) {
    return fused(bceWithLogitsOp, op, input, target, { reduction, params: [] });
  }
  if (posWeight === null) {
    const losses = fused(bceWithLogitsOp, op, input, target, { reduction: "none", params: [] });
    return reduceLoss(weigh(op, losses, weight), reduction);
  }
  fits(op, "posWeight", posWeight, input);
  // (1 - y) x + (1 + (posWeight - 1) y) log(1 + exp(-x))
  const factor = add(mul(sub(posWeight, 1), target), 1);
  const losses = add(mul(sub(1, target), input), mul(factor, softplusOfMinus(input)));
  return reduceLoss(weigh(op, losses, weight), reduction);
}

const EPS = 1e-12;

const bceOp = pairLoss({
  name: "BinaryCrossEntropy",
  kernel: "bce",
  cost: 32,
  slope: (a, b) => div(sub(a, b), clampMin(mul(sub(1, a), a), EPS)),
  // the derivative of (a - b) / (a (1 - a)), with PyTorch's eps
  curvature: (a, b) =>
    div(add(sub(square(a), mul(mul(a, b), 2)), b), square(mul(add(a, EPS), sub(1 + EPS, a)))),
  target: {
    slope: (a) => sub(clampMin(log1p(neg(a)), -100), clampMin(log(a), -100)),
    cross: (a) => div(-1, clampMin(mul(sub(1, a), a), EPS)),
  },
});

/** Options of {@link binaryCrossEntropy}. */
export interface BceOptions extends LossOptions {
  /** Factor of each loss; broadcast to the input. */
  weight?: Tensor | null;
}

/** @internal */
export const BCE_OPTIONS: OptionNames<BceOptions> = { weight: 1, reduction: 1 };

/**
 * -(y log x + (1 - y) log(1 - x)) of probabilities x and targets y in [0, 1], averaged; logarithms are at least -100.
 * {@link binaryCrossEntropyWithLogits} is more exact. Source: `torch.nn.functional.binary_cross_entropy`.
 * @throws ShapeError when the shapes differ, DTypeError when the dtypes do, ValueError for an input outside [0, 1].
 */
export function binaryCrossEntropy(input: Tensor, target: Tensor, options: BceOptions = {}): Tensor {
  needTensor("binaryCrossEntropy", input);
  needTensor("binaryCrossEntropy", target, "target");
  checkOptions("binaryCrossEntropy", options, BCE_OPTIONS);
  const op = "binaryCrossEntropy";
  checkSameSize(op, input, target);
  checkFloat(op, "input", input);
  if (target.code !== input.code) {
    throw new DTypeError(
      `[${op}] the target is ${target.dtype}, expected ${input.dtype}, the dtype of the input; try target.to("${input.dtype}")`,
    );
  }
  const reduction = reductionOf(op, options);
  const flat = contiguous(input);
  const check = input.dtype === "float32" ? kernels.outsideUnit_f32 : kernels.outsideUnit_f64;
  const bad = flat.numel === 0 ? -1 : check(ptr(flat), flat.numel);
  if (bad >= 0) {
    throw new ValueError(
      `[${op}] input element ${bad} is ${readAt(flat, flat.storageOffset + bad)}: expected probabilities from 0 to 1; ` +
        "try sigmoid(input), or binaryCrossEntropyWithLogits",
    );
  }
  const { weight = null } = options;
  if (weight === null) return fused(bceOp, op, input, target, { reduction, params: [] });
  const losses = fused(bceOp, op, input, target, { reduction: "none", params: [] });
  return reduceLoss(weigh(op, losses, weight), reduction);
}

/** log(1 + exp(-x)) */
export function softplusOfMinus(x: Tensor): Tensor {
  const positive = where(lt(x, 0), neg(x), 0);
  return add(positive, log1p(exp(where(lt(x, 0), x, neg(x)))));
}

/** Throws unless `t` broadcasts to the shape of the input. @internal */
function fits(op: string, what: string, t: Tensor, input: Tensor): void {
  const shape = broadcastShapes(op, t.shape, input.shape);
  if (sameShape(shape, input.shape)) return;
  throw new ShapeError(
    `[${op}] ${what} of shape [${t.shape.join(", ")}] does not broadcast to the input's [${input.shape.join(", ")}]`,
  );
}

/** Losses times a weight that broadcasts to them, if there is one. @internal */
export function weigh(op: string, losses: Tensor, weight: Tensor | null): Tensor {
  if (weight === null) return losses;
  fits(op, "weight", weight, losses);
  return mul(losses, weight);
}

/** The fused losses in plain ops, as the reference in tests. */
export const composed = {
  mseLoss: (a: Tensor, b: Tensor, options: LossOptions = {}): Tensor =>
    reduceLoss(mul(sub(a, b), sub(a, b)), reductionOf("mseLoss", options)),
  l1Loss: (a: Tensor, b: Tensor, options: LossOptions = {}): Tensor =>
    reduceLoss(abs(sub(a, b)), reductionOf("l1Loss", options)),
  huberLoss: (a: Tensor, b: Tensor, options: HuberOptions = {}): Tensor => {
    const delta = options.delta ?? 1;
    const d = abs(sub(a, b));
    const losses = where(lt(d, delta), mul(mul(d, d), 0.5), mul(sub(d, delta / 2), delta));
    return reduceLoss(losses, reductionOf("huberLoss", options));
  },
  smoothL1Loss: (a: Tensor, b: Tensor, options: SmoothL1Options = {}): Tensor => {
    const beta = options.beta ?? 1;
    const d = abs(sub(a, b));
    const losses = where(lt(d, beta), mul(mul(d, d), 0.5 / beta), sub(d, beta / 2));
    return reduceLoss(losses, reductionOf("smoothL1Loss", options));
  },
  binaryCrossEntropyWithLogits: (a: Tensor, b: Tensor, options: LossOptions = {}): Tensor => {
    const losses = add(mul(sub(1, b), a), softplusOfMinus(a));
    return reduceLoss(losses, reductionOf("binaryCrossEntropyWithLogits", options));
  },
};
