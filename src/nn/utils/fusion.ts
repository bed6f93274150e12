/** Batch norm in eval mode is an affine map per channel: here it is folded into the layer before it. */

import { noGrad } from "../../autograd/mode.js";
import { add, mul, sub } from "../../ops/arithmetic.js";
import { rsqrt } from "../../ops/powers.js";
import { reshape } from "../../ops/view.js";
import { nameOf } from "../../tensor/dtype.js";
import { DTypeError, ShapeError, ValueError } from "../../tensor/errors.js";
import { checkOptions, type OptionNames } from "../../tensor/options.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { AnyModule } from "../base.js";
import type { BatchNormBase } from "../batchnorm.js";
import { deepCopy } from "../copy.js";
import type { Linear } from "../linear.js";
import { Parameter } from "../parameter.js";

/** Options of {@link fuseConvBnEval} and {@link fuseConvBnWeights}. */
export interface FuseOptions {
  /** Whether the convolution is transposed, with weights (in, out / groups, ...) (default: false, or as the layer is). */
  transpose?: boolean;
}

const FUSE_OPTIONS: OptionNames<FuseOptions> = { transpose: 1 };

/** A convolution layer, of either kind. */
export interface Convolution extends AnyModule {
  /** Whether it is a transposed convolution. */
  readonly transposed: boolean;
  /** The kernels. */
  weight: Parameter;
  /** The bias, or null. */
  bias: Parameter | null;
}

/** Factor and summand of batch norm in eval mode: y = x * scale + shift. */
function affineOf(mean: Tensor, variance: Tensor, eps: number, weight: Tensor | null, bias: Tensor | null) {
  const invstd = rsqrt(add(variance, eps));
  const scale = weight === null ? invstd : mul(invstd, weight);
  const moved = mul(mean, scale);
  return { scale, shift: sub(bias ?? 0, moved) };
}

function checkLength(op: string, channels: number, mean: Tensor): void {
  if (mean.numel === channels || mean.numel === 1) return;
  throw new ShapeError(
    `[${op}] the layer has ${channels} outputs, and the batch norm ${mean.numel} features: expected the same number; ` +
      "try to fuse layers that follow each other",
  );
}

function checkDtype(op: string, weight: Tensor, mean: Tensor): void {
  if (weight.code === mean.code) return;
  throw new DTypeError(
    `[${op}] the layer is ${nameOf(weight.code)}, and the batch norm ${nameOf(mean.code)}; try model.double() or model.float() first`,
  );
}

/** The new weight and bias, learned as the old ones were. */
function fused(
  op: string,
  weight: Tensor,
  bias: Tensor | null,
  channels: number,
  row: (scale: Tensor) => Tensor,
  bn: readonly [mean: Tensor, variance: Tensor, eps: number, weight: Tensor | null, bias: Tensor | null],
): [Parameter, Parameter] {
  checkLength(op, channels, bn[0]);
  checkDtype(op, weight, bn[0]);
  return noGrad(() => {
    const { scale, shift } = affineOf(...bn);
    const w = mul(weight, row(scale));
    const b = bias === null ? shift : add(mul(bias, scale), shift);
    return [
      new Parameter(w, weight.requiresGrad),
      new Parameter(b, bias?.requiresGrad ?? weight.requiresGrad),
    ];
  });
}

/**
 * Weight and bias of a convolution that does what a convolution and a batch norm in eval mode do together.
 * Source: `torch.nn.utils.fuse_conv_bn_weights`.
 * @param convB bias of the convolution, or null.
 * @param bnW weight of the batch norm, or null for 1.
 * @param bnB bias of the batch norm, or null for 0.
 */
export function fuseConvBnWeights(
  convW: Tensor,
  convB: Tensor | null,
  bnRm: Tensor,
  bnRv: Tensor,
  bnEps: number,
  bnW: Tensor | null,
  bnB: Tensor | null,
  options: FuseOptions = {},
): [weight: Parameter, bias: Parameter] {
  checkOptions("fuseConvBnWeights", options, FUSE_OPTIONS);
  const op = "fuseConvBnWeights";
  const taps = convW.shape.slice(2).map(() => 1);
  const [first, second] = convW.shape as [number, number];
  const bn = [bnRm, bnRv, bnEps, bnW, bnB] as const;
  if (options.transpose !== true)
    return fused(op, convW, convB, first, (s) => reshape(s, [-1, 1, ...taps]), bn);
  // (in, out / groups, ...): each group of inputs has its own outputs.
  const C = bnRm.numel;
  const groups = C / second;
  if (!Number.isInteger(groups) || first % groups !== 0) checkLength(op, second, bnRm);
  const [w, b] = fused(
    op,
    reshape(convW, [groups, first / groups, second, ...convW.shape.slice(2)]),
    convB,
    C,
    (s) => reshape(s, [groups, 1, second, ...taps]),
    bn,
  );
  return [
    new Parameter(
      noGrad(() => reshape(w, convW.shape)),
      convW.requiresGrad,
    ),
    b,
  ];
}

/**
 * Weight and bias of a linear layer that does what it and a batch norm in eval mode do together.
 * Source: `torch.nn.utils.fuse_linear_bn_weights`.
 */
export function fuseLinearBnWeights(
  linearW: Tensor,
  linearB: Tensor | null,
  bnRm: Tensor,
  bnRv: Tensor,
  bnEps: number,
  bnW: Tensor | null,
  bnB: Tensor | null,
): [weight: Parameter, bias: Parameter] {
  const out = linearW.shape[0] as number;
  return fused("fuseLinearBnWeights", linearW, linearB, out, (s) => reshape(s, [-1, 1]), [
    bnRm,
    bnRv,
    bnEps,
    bnW,
    bnB,
  ]);
}

/** Mean and variance that a batch norm uses in eval mode, or an error that says why it has none. */
function runningOf(op: string, layer: { training: boolean }, bn: BatchNormBase): [Tensor, Tensor] {
  if (layer.training || bn.training) {
    throw new ValueError(`[${op}] fusion only for eval: got layers in training mode; try model.eval() first`);
  }
  if (bn.runningMean === null || bn.runningVar === null) {
    throw new ValueError(
      `[${op}] the batch norm has no running statistics, so that its eval mode depends on the batch: ` +
        "expected trackRunningStats: true",
    );
  }
  return [bn.runningMean, bn.runningVar];
}

/**
 * A copy of a convolution that also does what the batch norm after it does. Both must be in eval mode.
 * Source: `torch.nn.utils.fuse_conv_bn_eval`.
 * @throws ValueError in training mode, or without running statistics.
 * @example
 * const conv = new Conv2d(3, 8, 3).eval();
 * const bn = new BatchNorm2d(8).eval();
 * const both = fuseConvBnEval(conv, bn);
 * const x = randn([2, 3, 8, 8]);
 * allclose(both(x), bn(conv(x)), { atol: 1e-5 }); // true
 */
export function fuseConvBnEval<M extends Convolution>(
  conv: M,
  bn: BatchNormBase,
  options: FuseOptions = {},
): M {
  checkOptions("fuseConvBnEval", options, FUSE_OPTIONS);
  const [mean, variance] = runningOf("fuseConvBnEval", conv, bn);
  const copy = deepCopy(conv);
  const transpose = options.transpose ?? conv.transposed;
  const { weight, bias } = conv;
  const [w, b] = fuseConvBnWeights(weight, bias, mean, variance, bn.eps, bn.weight, bn.bias, { transpose });
  copy.weight = w;
  copy.bias = b;
  return copy;
}

/**
 * A copy of a linear layer that also does what the batch norm after it does. Both must be in eval mode. A batch norm
 * with one feature goes with any layer. Source: `torch.nn.utils.fuse_linear_bn_eval`.
 * @throws ValueError in training mode, or without running statistics; ShapeError when the sizes differ.
 */
export function fuseLinearBnEval<M extends Linear>(linear: M, bn: BatchNormBase): M {
  const [mean, variance] = runningOf("fuseLinearBnEval", linear, bn);
  const copy = deepCopy(linear);
  const [w, b] = fuseLinearBnWeights(linear.weight, linear.bias, mean, variance, bn.eps, bn.weight, bn.bias);
  copy.weight = w;
  copy.bias = b;
  return copy;
}
