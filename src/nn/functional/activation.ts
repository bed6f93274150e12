/** The activation functions of `torch.nn.functional`, with their options and in-place forms. */

import { assign } from "../../autograd/inplace.js";
import * as ops from "../../ops/activation.js";
import { add, div, mul, neg, sub } from "../../ops/arithmetic.js";
import { detach } from "../../ops/cast.js";
import { needTensor } from "../../ops/core.js";
import { log } from "../../ops/exponential.js";
import { scatter } from "../../ops/gather.js";
import { max } from "../../ops/reduce.js";
import { logSoftmax as logSoftmaxOp, softmax as softmaxOp, softmin as softminOp } from "../../ops/softmax.js";
import { zerosLike } from "../../tensor/create.js";
import { type DType, FLOAT64 } from "../../tensor/dtype.js";
import { ValueError } from "../../tensor/errors.js";
import { nextOp } from "../../tensor/heap.js";
import { checkNames, checkOptions, type OptionNames } from "../../tensor/options.js";
import { exponential_, type Source, uniform_ } from "../../tensor/random.js";
import { empty, fromTyped, toTyped } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import { named } from "./positional.js";

export { hardshrink, logsigmoid, prelu, softsign, tanhshrink } from "../../ops/activation.js";
export { sigmoid, tanh } from "../../ops/exponential.js";

/** Options of functions that can write into their input. */
export interface InplaceOptions {
  /** Write the result into the input, and return it (default false). */
  inplace?: boolean;
}

const INPLACE_OPTIONS: OptionNames<InplaceOptions> = { inplace: 1 };

/** The result, or the input holding it. */
function finish(op: string, x: Tensor, result: Tensor, options: InplaceOptions | undefined): Tensor {
  return options?.inplace === true ? assign(op, x, result) : result;
}

/** max(x, 0). Source: `torch.nn.functional.relu`. */
export function relu(input: Tensor, options?: InplaceOptions): Tensor {
  needTensor("relu", input);
  checkOptions("relu", options, INPLACE_OPTIONS);
  return finish("relu_", input, ops.relu(input), options);
}

/** In-place {@link relu}. */
export function relu_(input: Tensor): Tensor {
  return relu(input, { inplace: true });
}

/** min(max(x, 0), 6). Source: `torch.nn.functional.relu6`. */
export function relu6(input: Tensor, options?: InplaceOptions): Tensor {
  needTensor("relu6", input);
  checkOptions("relu6", options, INPLACE_OPTIONS);
  return finish("relu6_", input, ops.relu6(input), options);
}

/** Options of {@link leakyRelu}. */
export interface LeakyReluOptions extends InplaceOptions {
  /** Slope below 0 (default 0.01). */
  negativeSlope?: number;
}

const LEAKY_RELU_OPTIONS: OptionNames<LeakyReluOptions> = { negativeSlope: 1, inplace: 1 };

/** x > 0 ? x : negativeSlope x. Source: `torch.nn.functional.leaky_relu`. */
export function leakyRelu(
  input: Tensor,
  negativeSlope?: number | LeakyReluOptions,
  options?: InplaceOptions,
): Tensor {
  needTensor("leakyRelu", input);
  const o = named("leakyRelu", "negativeSlope", negativeSlope, options, LEAKY_RELU_OPTIONS);
  return finish("leakyRelu_", input, ops.leakyRelu(input, o?.negativeSlope), o);
}

/** In-place {@link leakyRelu}. */
export function leakyRelu_(input: Tensor, negativeSlope?: number | LeakyReluOptions): Tensor {
  return leakyRelu(input, {
    ...named("leakyRelu_", "negativeSlope", negativeSlope, undefined, LEAKY_RELU_OPTIONS),
    inplace: true,
  });
}

/** Options of {@link elu} and {@link celu}. */
export interface AlphaOptions extends InplaceOptions {
  /** Default 1. */
  alpha?: number;
}

const ALPHA_OPTIONS: OptionNames<AlphaOptions> = { alpha: 1, inplace: 1 };

/** x > 0 ? x : alpha (e^x - 1). Source: `torch.nn.functional.elu`. */
export function elu(input: Tensor, alpha?: number | AlphaOptions, options?: InplaceOptions): Tensor {
  needTensor("elu", input);
  const o = named("elu", "alpha", alpha, options, ALPHA_OPTIONS);
  return finish("elu_", input, ops.elu(input, o?.alpha), o);
}

/** In-place {@link elu}. */
export function elu_(input: Tensor, alpha?: number | AlphaOptions): Tensor {
  return elu(input, { ...named("elu_", "alpha", alpha, undefined, ALPHA_OPTIONS), inplace: true });
}

/** x > 0 ? x : alpha (e^(x / alpha) - 1). Source: `torch.nn.functional.celu`. */
export function celu(input: Tensor, alpha?: number | AlphaOptions, options?: InplaceOptions): Tensor {
  needTensor("celu", input);
  const o = named("celu", "alpha", alpha, options, ALPHA_OPTIONS);
  return finish("celu_", input, ops.celu(input, o?.alpha), o);
}

/** In-place {@link celu}. */
export function celu_(input: Tensor, alpha?: number | AlphaOptions): Tensor {
  return celu(input, { ...named("celu_", "alpha", alpha, undefined, ALPHA_OPTIONS), inplace: true });
}

/** The scaled elu of self-normalising networks. Source: `torch.nn.functional.selu`. */
export function selu(input: Tensor, options?: InplaceOptions): Tensor {
  needTensor("selu", input);
  checkOptions("selu", options, INPLACE_OPTIONS);
  return finish("selu_", input, ops.selu(input), options);
}

/** In-place {@link selu}. */
export function selu_(input: Tensor): Tensor {
  return selu(input, { inplace: true });
}

/** Options of {@link hardtanh}. */
export interface HardtanhOptions extends InplaceOptions {
  /** Default -1. */
  minVal?: number;
  /** Default 1. */
  maxVal?: number;
}

const HARDTANH_OPTIONS: OptionNames<HardtanhOptions> = { minVal: 1, maxVal: 1, inplace: 1 };

/** x cut to [minVal, maxVal]. Source: `torch.nn.functional.hardtanh`. */
export function hardtanh(input: Tensor, options?: HardtanhOptions): Tensor {
  needTensor("hardtanh", input);
  checkOptions("hardtanh", options, HARDTANH_OPTIONS);
  return finish("hardtanh_", input, ops.hardtanh(input, options?.minVal, options?.maxVal), options);
}

/** In-place {@link hardtanh}. */
export function hardtanh_(input: Tensor, options?: HardtanhOptions): Tensor {
  return hardtanh(input, { ...options, inplace: true });
}

/** min(max(x + 3, 0), 6) / 6. Source: `torch.nn.functional.hardsigmoid`. */
export function hardsigmoid(input: Tensor, options?: InplaceOptions): Tensor {
  needTensor("hardsigmoid", input);
  checkOptions("hardsigmoid", options, INPLACE_OPTIONS);
  return finish("hardsigmoid_", input, ops.hardsigmoid(input), options);
}

/** x min(max(x + 3, 0), 6) / 6. Source: `torch.nn.functional.hardswish`. */
export function hardswish(input: Tensor, options?: InplaceOptions): Tensor {
  needTensor("hardswish", input);
  checkOptions("hardswish", options, INPLACE_OPTIONS);
  return finish("hardswish_", input, ops.hardswish(input), options);
}

/** x > threshold ? x : value. Source: `torch.nn.functional.threshold`. */
export function threshold(input: Tensor, threshold: number, value: number, options?: InplaceOptions): Tensor {
  needTensor("threshold", input);
  checkOptions("threshold", options, INPLACE_OPTIONS);
  return finish("threshold_", input, ops.threshold(input, threshold, value), options);
}

/** In-place `threshold`. */
export function threshold_(input: Tensor, threshold: number, value: number): Tensor {
  needTensor("threshold", input);
  return finish("threshold_", input, ops.threshold(input, threshold, value), { inplace: true });
}

const SOFTSHRINK_OPTIONS: OptionNames<{ lambd?: number }> = { lambd: 1 };

/** x moved by lambd (default 0.5) towards 0, 0 within. Source: `torch.nn.functional.softshrink`. */
export function softshrink(input: Tensor, options?: number | { lambd?: number }): Tensor {
  needTensor("softshrink", input);
  checkNames("softshrink", options, SOFTSHRINK_OPTIONS);
  return ops.softshrink(input, typeof options === "number" ? options : options?.lambd);
}

const GELU_OPTIONS: OptionNames<{ approximate?: ops.GeluApproximate }> = { approximate: 1 };

/** x Phi(x); with approximate: "tanh" the well-known approximation. Source: `torch.nn.functional.gelu`. */
export function gelu(
  input: Tensor,
  options?: ops.GeluApproximate | { approximate?: ops.GeluApproximate },
): Tensor {
  needTensor("gelu", input);
  checkNames("gelu", options, GELU_OPTIONS);
  return ops.gelu(input, typeof options === "string" ? options : options?.approximate);
}

/** x sigmoid(x). Source: `torch.nn.functional.silu`. */
export function silu(input: Tensor, options?: InplaceOptions): Tensor {
  needTensor("silu", input);
  checkOptions("silu", options, INPLACE_OPTIONS);
  return finish("silu_", input, ops.silu(input), options);
}

/** x tanh(softplus(x)). Source: `torch.nn.functional.mish`. */
export function mish(input: Tensor, options?: InplaceOptions): Tensor {
  needTensor("mish", input);
  checkOptions("mish", options, INPLACE_OPTIONS);
  return finish("mish_", input, ops.mish(input), options);
}

/** Options of {@link softplus}. */
export interface SoftplusOptions {
  /** Default 1. */
  beta?: number;
  /** Above this value of beta x the function is x itself (default 20). */
  threshold?: number;
}

const SOFTPLUS_OPTIONS: OptionNames<SoftplusOptions> = { beta: 1, threshold: 1 };

/** ln(1 + e^(beta x)) / beta. Source: `torch.nn.functional.softplus`. */
export function softplus(input: Tensor, options?: SoftplusOptions): Tensor {
  needTensor("softplus", input);
  checkOptions("softplus", options, SOFTPLUS_OPTIONS);
  return ops.softplus(input, options?.beta, options?.threshold);
}

const GLU_OPTIONS: OptionNames<{ dim?: number }> = { dim: 1 };

/** a sigmoid(b), a and b the halves along `dim` (default -1). Source: `torch.nn.functional.glu`. */
export function glu(input: Tensor, options?: number | { dim?: number }): Tensor {
  needTensor("glu", input);
  checkNames("glu", options, GLU_OPTIONS);
  return ops.glu(input, typeof options === "number" ? options : options?.dim);
}

/** Options of {@link rrelu}. */
export interface RreluOptions extends InplaceOptions {
  /** Smallest slope (default 1/8). */
  lower?: number;
  /** Largest slope (default 1/3). */
  upper?: number;
  /** Whether slopes are drawn at random; else their mean is taken (default false). */
  training?: boolean;
  /** Generator of the slopes (default: the default generator). */
  generator?: Source;
}

const RRELU_OPTIONS: OptionNames<RreluOptions> = {
  lower: 1,
  upper: 1,
  training: 1,
  generator: 1,
  inplace: 1,
};

/** Slopes drawn for the elements that are not positive, 1 for the others. */
function drawSlopes(x: Tensor, lower: number, upper: number, generator: Source): Tensor {
  nextOp();
  const values = toTyped(x) as Float32Array | Float64Array;
  let count = 0;
  for (const v of values) if (v <= 0) count++;
  const drawn = toTyped(uniform_(empty([count], FLOAT64), lower, upper, generator)) as Float64Array;
  let next = 0;
  for (let i = 0; i < values.length; i++)
    values[i] = (values[i] as number) <= 0 ? (drawn[next++] as number) : 1;
  return fromTyped(values, x.shape, x.code);
}

/**
 * x > 0 ? x : slope x, with slopes drawn from [lower, upper) while training and their mean otherwise.
 * Source: `torch.nn.functional.rrelu`.
 * @throws ValueError when lower > upper.
 */
export function rrelu(input: Tensor, options: RreluOptions = {}): Tensor {
  needTensor("rrelu", input);
  checkOptions("rrelu", options, RRELU_OPTIONS);
  const { lower = 1 / 8, upper = 1 / 3, training = false, generator } = options;
  ops.needFloat("rrelu", input);
  if (!(lower <= upper)) throw new ValueError(`[rrelu] lower must be <= upper, got ${lower} and ${upper}`);
  const y = training
    ? mul(input, drawSlopes(input, lower, upper, generator))
    : ops.leakyRelu(input, (lower + upper) / 2);
  return finish("rrelu_", input, y, options);
}

/** In-place {@link rrelu}. */
export function rrelu_(input: Tensor, options?: RreluOptions): Tensor {
  return rrelu(input, { ...options, inplace: true });
}

/** Options of the softmax functions. */
export interface SoftmaxOptions {
  /** The dimension that sums to 1 (default: 0 for 0, 1 and 3 dimensions, else 1). */
  dim?: number | null;
  /** Cast to this dtype first. */
  dtype?: DType | null;
}

const SOFTMAX_OPTIONS: OptionNames<SoftmaxOptions> = { dim: 1, dtype: 1 };

/** The dimension taken when none is given, as PyTorch has it. */
function softmaxArgs(
  x: Tensor,
  options: number | SoftmaxOptions | undefined,
): [dim: number, rest: { dtype?: DType }] {
  const o = typeof options === "number" ? { dim: options } : (options ?? {});
  const rank = x.shape.length;
  const dim = o.dim ?? (rank === 0 || rank === 1 || rank === 3 ? 0 : 1);
  return [dim, "dtype" in o && o.dtype ? { dtype: o.dtype } : {}];
}

/** e^x / sum e^x along a dimension. Source: `torch.nn.functional.softmax`. */
export function softmax(input: Tensor, options?: number | SoftmaxOptions): Tensor {
  needTensor("softmax", input);
  checkNames("softmax", options, SOFTMAX_OPTIONS);
  return softmaxOp(input, ...softmaxArgs(input, options));
}

/** ln softmax(x). Source: `torch.nn.functional.log_softmax`. */
export function logSoftmax(input: Tensor, options?: number | SoftmaxOptions): Tensor {
  needTensor("logSoftmax", input);
  checkNames("logSoftmax", options, SOFTMAX_OPTIONS);
  return logSoftmaxOp(input, ...softmaxArgs(input, options));
}

/** softmax(-x). Source: `torch.nn.functional.softmin`. */
export function softmin(input: Tensor, options?: number | SoftmaxOptions): Tensor {
  needTensor("softmin", input);
  checkNames("softmin", options, SOFTMAX_OPTIONS);
  return softminOp(input, ...softmaxArgs(input, options));
}

/** Options of {@link gumbelSoftmax}. */
export interface GumbelSoftmaxOptions {
  /** Temperature (default 1). */
  tau?: number;
  /** Give one-hot samples, differentiated as if they were soft (default false). */
  hard?: boolean;
  /** Not used any more. */
  eps?: number;
  /** The dimension of the categories (default -1). */
  dim?: number;
  /** Generator of the noise (default: the default generator). */
  generator?: Source;
}

const GUMBEL_SOFTMAX_OPTIONS: OptionNames<GumbelSoftmaxOptions> = {
  tau: 1,
  hard: 1,
  eps: 1,
  dim: 1,
  generator: 1,
};

/** Samples from the Gumbel-softmax distribution of the logits. Source: `torch.nn.functional.gumbel_softmax`. */
export function gumbelSoftmax(logits: Tensor, options: GumbelSoftmaxOptions = {}): Tensor {
  needTensor("gumbelSoftmax", logits, "logits");
  checkOptions("gumbelSoftmax", options, GUMBEL_SOFTMAX_OPTIONS);
  const { tau = 1, hard = false, dim = -1, generator } = options;
  nextOp();
  const gumbels = neg(log(exponential_(empty(logits.shape, logits.code), 1, generator)));
  const soft = softmaxOp(div(add(logits, gumbels), tau), dim);
  if (!hard) return soft;
  const { indices } = max(detach(soft), { dim, keepdim: true }) as { indices: Tensor };
  const oneHot = scatter(zerosLike(detach(logits)), dim, indices, 1);
  return add(sub(oneHot, detach(soft)), soft);
}
