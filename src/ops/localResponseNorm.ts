/** Normalisation by neighbouring channels, and by a norm. */

import { noGrad } from "../autograd/mode.js";
import { defineOp, run } from "../autograd/op.js";
import { FLOAT64 } from "../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { castTo, copyOf, fromTyped } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul, sub } from "./arithmetic.js";
import { avgPool3d } from "./avgPool.js";
import { checkInput } from "./batchNorm.js";
import { clampMin } from "./clamp.js";
import { needTensor } from "./core.js";
import { pad } from "./pad.js";
import { pow, square } from "./powers.js";
import { vectorNorm } from "./statistics.js";
import { narrow, reshape } from "./view.js";

/** Options of {@link localResponseNorm}. */
export interface LocalResponseNormOptions {
  /** Factor of the mean of squares (default 1e-4). */
  alpha?: number;
  /** Exponent (default 0.75). */
  beta?: number;
  /** Summand (default 1). */
  k?: number;
}

const LOCAL_RESPONSE_NORM_OPTIONS: OptionNames<LocalResponseNormOptions> = { alpha: 1, beta: 1, k: 1 };

/** Sums of t over channels [c - before, c + after], divided by `size`. */
function sumsAround(t: Tensor, before: number, after: number, size: number): Tensor {
  const [N, C, ...rest] = t.shape as [number, number, ...number[]];
  const S = rest.reduce((a, b) => a * b, 1);
  const width = before + after + 1;
  const padded = pad(reshape(t, [N, 1, C, 1, S]), [0, 0, 0, 0, before, after]);
  const means = avgPool3d(padded, [width, 1, 1], { stride: 1 });
  return reshape(width === size ? means : mul(means, width / size), t.shape);
}

/**
 * y_c = x_c / (k + alpha / size * sum of x^2 over `size` channels around c)^beta. Input (N, C, *), at least 3-D.
 * Source: `torch.nn.functional.local_response_norm`.
 * @throws ShapeError for fewer than 3 dimensions.
 */
export function localResponseNorm(x: Tensor, size: number, options: LocalResponseNormOptions = {}): Tensor {
  needTensor("localResponseNorm", x);
  checkOptions("localResponseNorm", options, LOCAL_RESPONSE_NORM_OPTIONS);
  const { alpha = 1e-4, beta = 0.75, k = 1 } = options;
  checkInput("localResponseNorm", x, 0);
  if (x.shape.length < 3) {
    throw new ShapeError(
      `[localResponseNorm] Expected 3D or higher dimensionality input (got ${x.shape.length} dimensions): ${show(x.shape)}; try unsqueeze`,
    );
  }
  checkSize("localResponseNorm", size);
  if (x.numel === 0) return x;
  const squares = sumsAround(square(x), size >> 1, (size - 1) >> 1, size);
  return div(x, pow(add(mul(squares, alpha), k), beta));
}

interface CrossMap {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
}

/** k + alpha / size * sum of x^2 over channels c - r to c + r, r = (size - 1) // 2, and over channel 0 for all c > r. */
function crossMapScale(x: Tensor, { size, alpha, k }: CrossMap): Tensor {
  const reach = (size - 1) >> 1;
  const channels = x.shape[1] as number;
  const squares = square(x);
  const kept = Float64Array.from({ length: channels }, (_, c) => (c > reach ? 1 / size : 0));
  const first = mul(narrow(squares, 1, 0, 1), castTo(fromTyped(kept, [1, channels, 1, 1], FLOAT64), x.code));
  return add(mul(add(sumsAround(squares, reach, reach, size), first), alpha), k);
}

/** Carries the backward of PyTorch, which is not the derivative of its forward; the second input is the output. */
const crossMapOp = defineOp<CrossMap>({
  name: "CrossMapLRN2d",
  saves: [0],
  forward: ([, y]) => copyOf(y as Tensor),
  // g s^-beta - 2 alpha beta / size x sum of g y / s over channels c - (size + 1) // 2 to c + (size - 3) // 2
  backward: (g, n) => {
    const { size, alpha, beta } = n.attrs;
    const x = n.input(0);
    const s = crossMapScale(x, n.attrs);
    const factor = pow(s, -beta);
    const before = (size + 1) >> 1;
    const ratios = sumsAround(div(mul(g, mul(x, factor)), s), before, size - 1 - before, size);
    return [sub(mul(g, factor), mul(mul(x, ratios), 2 * alpha * beta))];
  },
});

/**
 * The form of Caffe and Torch7 as PyTorch ported it: y_c = x_c / s_c^beta, where s_c = k + alpha / size * the sum of
 * x^2 over the channels c - r to c + r, r = (size - 1) // 2, and, for c > r, over channel 0 once more, which the
 * running sum of the port never gives up. Its backward looks at channels c - (size + 1) // 2 to c + (size - 3) // 2
 * and so is not the derivative; both are kept, so that models trained there go on here. {@link localResponseNorm} is
 * the norm as published. Input (N, C, H, W). Source: `torch.nn.CrossMapLRN2d`.
 * @throws ShapeError unless the input has 4 dimensions.
 */
export function crossMapLRN2d(x: Tensor, size: number, options: LocalResponseNormOptions = {}): Tensor {
  needTensor("crossMapLRN2d", x);
  checkOptions("crossMapLRN2d", options, LOCAL_RESPONSE_NORM_OPTIONS);
  const { alpha = 1e-4, beta = 0.75, k = 1 } = options;
  checkInput("crossMapLRN2d", x, 0);
  if (x.shape.length !== 4) {
    throw new ShapeError(
      `[crossMapLRN2d] expected 4D input (got ${x.shape.length}D input): ${show(x.shape)}`,
    );
  }
  checkSize("crossMapLRN2d", size);
  if (x.numel === 0) return x;
  const attrs = { size, alpha, beta, k };
  const y = noGrad(() => mul(x, pow(crossMapScale(x, attrs), -beta)));
  return run(crossMapOp, [x, y], attrs);
}

function checkSize(op: string, size: number): void {
  if (!Number.isInteger(size) || size < 1)
    throw new ValueError(`[${op}] size must be a whole number >= 1, got ${size}`);
}

/** Options of {@link normalize}. */
export interface NormalizeOptions {
  /** Order of the norm (default 2). */
  p?: number;
  /** Dimension(s) over which the norm is taken (default 1). */
  dim?: number | readonly number[];
  /** Least value of the norm (default 1e-12). */
  eps?: number;
}

const NORMALIZE_OPTIONS: OptionNames<NormalizeOptions> = { p: 1, dim: 1, eps: 1 };

/**
 * x / max(||x||_p, eps) along a dimension. Source: `torch.nn.functional.normalize`.
 * @example
 * normalize(tensor([[3, 4]], { dtype: "float64" })).toArray(); // [[0.6, 0.8]]
 */
export function normalize(x: Tensor, options: NormalizeOptions = {}): Tensor {
  needTensor("normalize", x);
  checkOptions("normalize", options, NORMALIZE_OPTIONS);
  const { p = 2, dim = 1, eps = 1e-12 } = options;
  return div(x, clampMin(vectorNorm(x, p, { dim, keepdim: true }), eps));
}
