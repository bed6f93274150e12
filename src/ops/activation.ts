/** Activation functions: fused where a kernel exists, each derivative beside it; the others made of those. */

import { BOOL, isFloat, nameOf, UINT8 } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkNames, type OptionNames } from "../tensor/options.js";
import { wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul, neg, sub } from "./arithmetic.js";
import { cast, clone } from "./cast.js";
import { clamp, clampMax } from "./clamp.js";
import { gt, lt } from "./compare.js";
import { needTensor } from "./core.js";
import { exp, sigmoid, tanh } from "./exponential.js";
import { geluTable } from "./geluTable.js";
import { abs } from "./sign.js";
import { type Params, sloped } from "./slope.js";
import { narrow, reshape } from "./view.js";
import { where } from "./where.js";

const NONE: Params = [];

/** Throws unless the dtype is floating. @internal */
export function needFloat(op: string, x: Tensor): Tensor {
  if (!isFloat(x.code)) {
    throw new DTypeError(`[${op}] expected a floating dtype, got ${nameOf(x.code)}; try x.to("float32")`);
  }
  return x;
}

// s'(y) is 0 for piecewise linear functions, so these have no curve.
const reluOp = sloped({ kernel: "relu", slope: "reluBackward", at: "output" });
const leakyReluOp = sloped({ kernel: "leakyRelu", slope: "leakyReluBackward", at: "input" });
const hardtanhOp = sloped({ kernel: "hardtanh", slope: "hardtanhBackward", at: "input" });
const hardsigmoidOp = sloped({ kernel: "hardsigmoid", slope: "hardsigmoidBackward", at: "input" });
const thresholdOp = sloped({ kernel: "threshold", slope: "thresholdBackward", at: "input" });
const softshrinkOp = sloped({ kernel: "softshrink", slope: "shrinkBackward", at: "input" });
const hardshrinkOp = sloped({ kernel: "hardshrink", slope: "shrinkBackward", at: "input" });

const hardswishOp = sloped({
  kernel: "hardswish",
  slope: "hardswishBackward",
  at: "input",
  curve: (x) => mul(cast(lt(abs(x), 3), x.code), 1 / 3), // slope x/3 + 1/2 between -3 and 3
});

const eluOp = sloped({
  kernel: "elu",
  slope: "eluBackward",
  at: "input",
  cost: 8,
  // slope scale c alpha e^(cx) for x <= 0: times c once more
  curve: (x, [alpha = 1, scale = 1, c = 1]) =>
    where(gt(x, 0), 0, mul(exp(mul(clampMax(x, 0), c)), alpha * scale * c * c)),
});

const geluOp = sloped({
  kernel: "gelu",
  slope: "geluBackward",
  at: "input",
  cost: 3,
  lookup: geluTable,
  // (Phi + x phi)' = phi (2 - x^2), phi = e^(-x^2/2) / sqrt(2 pi)
  curve: (x) => {
    const x2 = mul(x, x);
    return mul(mul(exp(mul(x2, -0.5)), 1 / Math.sqrt(2 * Math.PI)), sub(2, x2));
  },
});

const geluTanhOp = sloped({
  kernel: "geluTanh",
  slope: "geluTanhBackward",
  at: "input",
  cost: 10,
  // y = x s(u), u = k (x + a x^3): y'' = 2 s' u' + x (s'' u'^2 + s' u''), s' = s (1 - s), s'' = s' (1 - 2 s)
  curve: (x) => {
    const [k, a] = [2 * Math.sqrt(2 / Math.PI), 0.044715];
    const x2 = mul(x, x);
    const s = sigmoid(mul(mul(x, add(mul(x2, a), 1)), k));
    const s1 = mul(s, sub(1, s));
    const u1 = mul(add(mul(x2, 3 * a), 1), k);
    const bend = add(mul(mul(u1, u1), sub(1, mul(s, 2))), mul(x, 6 * a * k));
    return mul(s1, add(mul(u1, 2), mul(x, bend)));
  },
});

const siluOp = sloped({
  kernel: "silu",
  slope: "siluBackward",
  at: "input",
  cost: 8,
  // (s (1 + x (1 - s)))' = s (1 - s) (2 + x (1 - 2 s))
  curve: (x) => {
    const s = sigmoid(x);
    return mul(mul(s, sub(1, s)), add(mul(x, sub(1, mul(s, 2))), 2));
  },
});

const mishOp = sloped({
  kernel: "mish",
  slope: "mishBackward",
  at: "input",
  cost: 10,
  // (t + x t')' = 2 t' + x t'', t = tanh(softplus(x)), t' = (1 - t^2) s, t'' = t' (1 - s - 2 t s)
  curve: (x) => {
    const s = sigmoid(x);
    const t = tanh(softplus(x));
    const t1 = mul(sub(1, mul(t, t)), s);
    return mul(t1, add(mul(x, sub(sub(1, s), mul(mul(t, s), 2))), 2));
  },
});

const softplusOp = sloped({
  kernel: "softplus",
  slope: "softplusBackward",
  at: "input",
  cost: 16,
  // s(bx)' = b s (1 - s), 0 beyond the threshold
  curve: (x, [beta = 1, threshold = 20]) => {
    const z = mul(x, beta);
    const s = sigmoid(z);
    return where(gt(z, threshold), 0, mul(mul(s, sub(1, s)), beta));
  },
});

const logSigmoidOp = sloped({
  kernel: "logSigmoid",
  slope: "logSigmoidBackward",
  at: "input",
  cost: 16,
  curve: (x) => {
    const s = sigmoid(x);
    return mul(s, sub(s, 1)); // s(-x)' = -s (1 - s)
  },
});

/**
 * Elementwise max(x, 0). Source: `torch.relu`.
 * @throws DTypeError for bool.
 * @example
 * relu(tensor([-1, 0, 2])).toArray(); // [0, 0, 2]
 */
export function relu(x: Tensor): Tensor {
  if (x.code === BOOL) throw new DTypeError('[relu] not defined for bool; try x.to("uint8")');
  return x.code === UINT8 ? clone(x) : reluOp(x, NONE);
}

/** Elementwise x > 0 ? x : negativeSlope x. Source: `torch.nn.functional.leaky_relu`. */
export function leakyRelu(x: Tensor, negativeSlope = 0.01): Tensor {
  return leakyReluOp(needFloat("leakyRelu", x), [negativeSlope]);
}

/** Elementwise x cut to [minVal, maxVal]. Source: `torch.nn.functional.hardtanh`. */
export function hardtanh(x: Tensor, minVal = -1, maxVal = 1): Tensor {
  if (x.code === BOOL) throw new DTypeError('[hardtanh] not defined for bool; try x.to("float32")');
  if (x.code === UINT8 && (minVal < 0 || maxVal < 0)) {
    throw new DTypeError(
      `[hardtanh] uint8 has no negative numbers: got limits ${minVal} and ${maxVal}; try x.to("int64")`,
    );
  }
  if (!isFloat(x.code)) return clamp(x, Math.trunc(minVal), Math.trunc(maxVal));
  return hardtanhOp(x, [minVal, maxVal]);
}

/** Elementwise min(max(x, 0), 6). Source: `torch.nn.functional.relu6`. */
export function relu6(x: Tensor): Tensor {
  return hardtanh(x, 0, 6);
}

/** Elementwise min(max(x + 3, 0), 6) / 6. Source: `torch.nn.functional.hardsigmoid`. */
export function hardsigmoid(x: Tensor): Tensor {
  return hardsigmoidOp(needFloat("hardsigmoid", x), NONE);
}

/** Elementwise x min(max(x + 3, 0), 6) / 6. Source: `torch.nn.functional.hardswish`. */
export function hardswish(x: Tensor): Tensor {
  return hardswishOp(needFloat("hardswish", x), NONE);
}

/** Elementwise x > threshold ? x : value. Source: `torch.nn.functional.threshold`. */
export function threshold(x: Tensor, threshold: number, value: number): Tensor {
  if (x.code === BOOL) throw new DTypeError('[threshold] not defined for bool; try x.to("float32")');
  if (!isFloat(x.code)) return where(gt(x, Math.trunc(threshold)), x, Math.trunc(value));
  return thresholdOp(x, [threshold, value]);
}

/**
 * Elementwise x moved by `lambd` towards 0, 0 within. Source: `torch.nn.functional.softshrink`.
 * @throws ValueError when lambd < 0.
 */
export function softshrink(x: Tensor, lambd = 0.5): Tensor {
  if (!(lambd >= 0)) throw new ValueError(`[softshrink] lambd must be >= 0, got ${lambd}`);
  return softshrinkOp(needFloat("softshrink", x), [lambd]);
}

const HARDSHRINK_OPTIONS: OptionNames<{ lambd?: number }> = { lambd: 1 };

/** Elementwise x, and 0 within [-lambd, lambd]. Source: `torch.nn.functional.hardshrink`. */
export function hardshrink(x: Tensor, options: number | { lambd?: number } = {}): Tensor {
  needTensor("hardshrink", x);
  checkNames("hardshrink", options, HARDSHRINK_OPTIONS);
  const lambd = typeof options === "number" ? options : (options.lambd ?? 0.5);
  return hardshrinkOp(needFloat("hardshrink", x), [lambd]);
}

/** Elementwise x > 0 ? x : alpha (e^x - 1). Source: `torch.nn.functional.elu`. */
export function elu(x: Tensor, alpha = 1): Tensor {
  return eluOp(needFloat("elu", x), [alpha, 1, 1]);
}

/** Elementwise x > 0 ? x : alpha (e^(x / alpha) - 1). Source: `torch.celu`. @throws ValueError when alpha is 0. */
export function celu(x: Tensor, alpha = 1): Tensor {
  if (alpha === 0) throw new ValueError("[celu] alpha must not be 0");
  return eluOp(needFloat("celu", x), [alpha, 1, 1 / alpha]);
}

const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** Elementwise scale (x > 0 ? x : alpha (e^x - 1)), with the constants of self-normalising networks. Source: `torch.selu`. */
export function selu(x: Tensor): Tensor {
  return eluOp(needFloat("selu", x), [SELU_ALPHA, SELU_SCALE, 1]);
}

/** How gelu is computed. */
export type GeluApproximate = "none" | "tanh";

/**
 * Elementwise x Phi(x), Phi the normal distribution function; "tanh" takes the well-known approximation.
 * Source: `torch.nn.functional.gelu`.
 * @throws ValueError for another name.
 */
export function gelu(x: Tensor, approximate: GeluApproximate = "none"): Tensor {
  needFloat("gelu", x);
  if (approximate === "none") return geluOp(x, NONE);
  if (approximate === "tanh") return geluTanhOp(x, NONE);
  throw new ValueError(`[gelu] approximate must be "none" or "tanh", got "${String(approximate)}"`);
}

/** Elementwise x sigmoid(x). Source: `torch.nn.functional.silu`. */
export function silu(x: Tensor): Tensor {
  return siluOp(needFloat("silu", x), NONE);
}

/** Elementwise x tanh(softplus(x)). Source: `torch.nn.functional.mish`. */
export function mish(x: Tensor): Tensor {
  return mishOp(needFloat("mish", x), NONE);
}

/** Elementwise ln(1 + e^(beta x)) / beta, and x where beta x > threshold. Source: `torch.nn.functional.softplus`. */
export function softplus(x: Tensor, beta = 1, threshold = 20): Tensor {
  return softplusOp(needFloat("softplus", x), [beta, threshold]);
}

/** Elementwise ln(sigmoid(x)), without underflow. Source: `torch.nn.functional.logsigmoid`. */
export function logsigmoid(x: Tensor): Tensor {
  needTensor("logsigmoid", x);
  return logSigmoidOp(needFloat("logsigmoid", x), NONE);
}

/** Elementwise x / (1 + |x|). Source: `torch.nn.functional.softsign`. */
export function softsign(x: Tensor): Tensor {
  needTensor("softsign", x);
  return div(x, add(abs(x), 1));
}

/** Elementwise x - tanh(x). Source: `torch.nn.functional.tanhshrink`. */
export function tanhshrink(x: Tensor): Tensor {
  needTensor("tanhshrink", x);
  return sub(x, tanh(x));
}

/**
 * a sigmoid(b), where a and b are the halves of x along `dim`. Source: `torch.nn.functional.glu`.
 * @throws ShapeError when that dimension is odd.
 */
export function glu(x: Tensor, dim = -1): Tensor {
  needFloat("glu", x);
  if (x.shape.length === 0) throw new ShapeError("[glu] expected at least 1 dimension, got a 0-d tensor");
  const d = wrapDim("glu", dim, x.shape.length);
  const size = x.shape[d] as number;
  if (size % 2 !== 0)
    throw new ShapeError(`[glu] dimension ${dim} of ${show(x.shape)} must be even: it is halved`);
  return mul(narrow(x, d, 0, size / 2), sigmoid(narrow(x, d, size / 2, size / 2)));
}

/**
 * Elementwise x > 0 ? x : w x, with one weight or one for each channel (dimension 1). Source: `torch.prelu`.
 * @throws ShapeError when the number of weights fits neither.
 */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  needTensor("prelu", x);
  needTensor("prelu", weight, "weight");
  const channels = x.shape.length > 1 ? (x.shape[1] as number) : 1;
  if (
    weight.shape.length > 1 ||
    (weight.numel !== 1 && (weight.numel !== channels || x.shape.length === 0))
  ) {
    throw new ShapeError(
      `[prelu] got weight ${show(weight.shape)} for input ${show(x.shape)}: expected 1 weight or ${channels}, one a channel`,
    );
  }
  if (weight.code !== x.code) {
    throw new DTypeError(
      `[prelu] expected input and weight of one dtype, got ${nameOf(x.code)} and ${nameOf(weight.code)}`,
    );
  }
  const w =
    x.shape.length > 1 ? reshape(weight, [-1, ...new Array<number>(x.shape.length - 2).fill(1)]) : weight;
  return where(gt(x, 0), x, mul(x, x.shape.length === 0 ? reshape(w, []) : w));
}

/** The same functions made of plain ops: the oracles of the fused ones. @internal */
export const composed = {
  relu: (x: Tensor) => where(gt(x, 0), x, 0),
  leakyRelu: (x: Tensor, slope = 0.01) => where(gt(x, 0), x, mul(x, slope)),
  elu: (x: Tensor, alpha = 1, scale = 1, c = 1) =>
    where(gt(x, 0), mul(x, scale), mul(sub(exp(mul(clampMax(x, 0), c)), 1), alpha * scale)),
  geluTanh: (x: Tensor) =>
    mul(mul(x, 0.5), add(tanh(mul(add(x, mul(mul(x, mul(x, x)), 0.044715)), Math.sqrt(2 / Math.PI))), 1)),
  silu: (x: Tensor) => mul(x, sigmoid(x)),
  mish: (x: Tensor) => mul(x, tanh(softplus(x))),
  softplus: (x: Tensor, beta = 1) => div(neg(logsigmoid(neg(mul(x, beta)))), beta),
};
