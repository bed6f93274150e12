/** Normalisation by neighbouring channels, and by a norm. */
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul } from "./arithmetic.js";
import { avgPool3d } from "./avgPool.js";
import { checkInput } from "./batchNorm.js";
import { clampMin } from "./clamp.js";
import { needTensor } from "./core.js";
import { pad } from "./pad.js";
import { pow, square } from "./powers.js";
import { vectorNorm } from "./statistics.js";
import { reshape } from "./view.js";

/** Options of {@link localResponseNorm}. */
export interface LocalResponseNormOptions {
  /** Factor of the mean of squares (default 1e-4). */
  alpha?: number;
  /** Exponent (default 0.75). */
  beta?: number;
  /** Summand (default 1). */
  k?: number;
}

/** Sums of x^2 over channels [c - before, c + after], divided by `size`. */
function squaresAround(x: Tensor, before: number, after: number, size: number): Tensor {
  const [N, C, ...rest] = x.shape as [number, number, ...number[]];
  const S = rest.reduce((a, b) => a * b, 1);
  const width = before + after + 1;
  const squares = pad(reshape(square(x), [N, 1, C, 1, S]), [0, 0, 0, 0, before, after]);
  const means = avgPool3d(squares, [width, 1, 1], { stride: 1 });
  return reshape(width === size ? means : mul(means, width / size), x.shape);
}

/**
 * y_c = x_c / (k + alpha / size * sum of x^2 over `size` channels around c)^beta. Input (N, C, *), at least 3-D.
 * Source: `torch.nn.functional.local_response_norm`.
 * @throws ShapeError for fewer than 3 dimensions.
 */
export function localResponseNorm(x: Tensor, size: number, options: LocalResponseNormOptions = {}): Tensor {
  needTensor("localResponseNorm", x);
  const { alpha = 1e-4, beta = 0.75, k = 1 } = options;
  checkInput("localResponseNorm", x, 0);
  if (x.shape.length < 3) {
    throw new ShapeError(
      `[localResponseNorm] Expected 3D or higher dimensionality input (got ${x.shape.length} dimensions): ${show(x.shape)}; try unsqueeze`,
    );
  }
  checkSize("localResponseNorm", size);
  if (x.numel === 0) return x;
  const squares = squaresAround(x, size >> 1, (size - 1) >> 1, size);
  return div(x, pow(add(mul(squares, alpha), k), beta));
}

/**
 * The form of Caffe and Torch7: the same as {@link localResponseNorm} for odd sizes; for even ones the window is
 * narrower by one and symmetric. Input (N, C, H, W). PyTorch's port of it never takes the square of channel 0 out of
 * the running sum, and its backward sums over channels c - size // 2 - 1 to c + size // 2 - 1: with more channels than
 * half a window its outputs differ, and its gradients are not the derivative. Source: `torch.nn.CrossMapLRN2d`.
 * @throws ShapeError unless the input has 4 dimensions.
 */
export function crossMapLRN2d(x: Tensor, size: number, options: LocalResponseNormOptions = {}): Tensor {
  needTensor("crossMapLRN2d", x);
  const { alpha = 1e-4, beta = 0.75, k = 1 } = options;
  checkInput("crossMapLRN2d", x, 0);
  if (x.shape.length !== 4) {
    throw new ShapeError(
      `[crossMapLRN2d] expected 4D input (got ${x.shape.length}D input): ${show(x.shape)}`,
    );
  }
  checkSize("crossMapLRN2d", size);
  if (x.numel === 0) return x;
  const reach = (size - 1) >> 1;
  return mul(x, pow(add(mul(squaresAround(x, reach, reach, size), alpha), k), -beta));
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

/**
 * x / max(||x||_p, eps) along a dimension. Source: `torch.nn.functional.normalize`.
 * @example
 * normalize(tensor([[3, 4]], { dtype: "float64" })).toArray(); // [[0.6, 0.8]]
 */
export function normalize(x: Tensor, options: NormalizeOptions = {}): Tensor {
  needTensor("normalize", x);
  const { p = 2, dim = 1, eps = 1e-12 } = options;
  return div(x, clampMin(vectorNorm(x, p, { dim, keepdim: true }), eps));
}
