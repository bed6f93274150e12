/** Power-average pooling: the p-norm over windows. */

import { ValueError } from "../tensor/errors.js";
import type { OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { relu } from "./activation.js";
import { mul } from "./arithmetic.js";
import { avgPool1d, avgPool2d, avgPool3d } from "./avgPool.js";
import { floating, needTensor } from "./core.js";
import { strideAndOptions } from "./maxPool.js";
import { pow } from "./powers.js";
import { abs, sign } from "./sign.js";
import { type Sizes, sizesOf } from "./spatial.js";

/** Options of power-average pooling. */
export interface LpPoolOptions {
  /** Distance between neighbouring windows (default: the kernel size). */
  stride?: Sizes | null;
  /** Also use windows that end beyond the input (default false). */
  ceilMode?: boolean;
}

/** @internal */
export const LP_POOL_OPTIONS: OptionNames<LpPoolOptions> = { stride: 1, ceilMode: 1 };

/** (k mean x^p)^(1/p), which is (sum x^p)^(1/p), for windows of k elements. */
function lpPool(
  average: typeof avgPool2d,
  rank: number,
  x: Tensor,
  normType: number,
  kernelSize: Sizes,
  o: LpPoolOptions,
): Tensor {
  if (normType === 0)
    throw new ValueError(`[lpPool${rank}d] normType must not be 0, got 0; try 1, 2 or Infinity`);
  const size = sizesOf(`lpPool${rank}d`, "kernelSize", kernelSize, rank, 1).reduce((a, b) => a * b, 1);
  const mean = average(pow(floating(x), normType), kernelSize, {
    stride: o.stride ?? null,
    ceilMode: o.ceilMode ?? false,
  });
  // relu has the slope 0 at 0, where the root's is infinite.
  return pow(mul(mul(sign(mean), relu(abs(mean))), size), 1 / normType);
}

/**
 * (sum x^normType)^(1 / normType) over windows of a signal (N, C, L) or (C, L). The stride (default: the kernel size) may be given
 * positionally.
 * Source: `torch.nn.functional.lp_pool1d`.
 */
export function lpPool1d(
  input: Tensor,
  normType: number,
  kernelSize: Sizes,
  stride?: Sizes | null | LpPoolOptions,
  options?: LpPoolOptions,
): Tensor {
  needTensor("lpPool1d", input);
  return lpPool(
    avgPool1d,
    1,
    input,
    normType,
    kernelSize,
    strideAndOptions("lpPool1d", stride, options, LP_POOL_OPTIONS),
  );
}

/**
 * (sum x^normType)^(1 / normType) over windows of a image (N, C, H, W) or (C, H, W), as {@link lpPool1d}.
 * Source: `torch.nn.functional.lp_pool2d`.
 */
export function lpPool2d(
  input: Tensor,
  normType: number,
  kernelSize: Sizes,
  stride?: Sizes | null | LpPoolOptions,
  options?: LpPoolOptions,
): Tensor {
  needTensor("lpPool2d", input);
  return lpPool(
    avgPool2d,
    2,
    input,
    normType,
    kernelSize,
    strideAndOptions("lpPool2d", stride, options, LP_POOL_OPTIONS),
  );
}

/**
 * (sum x^normType)^(1 / normType) over windows of a volume (N, C, D, H, W) or (C, D, H, W), as {@link lpPool1d}.
 * Source: `torch.nn.functional.lp_pool3d`.
 */
export function lpPool3d(
  input: Tensor,
  normType: number,
  kernelSize: Sizes,
  stride?: Sizes | null | LpPoolOptions,
  options?: LpPoolOptions,
): Tensor {
  needTensor("lpPool3d", input);
  return lpPool(
    avgPool3d,
    3,
    input,
    normType,
    kernelSize,
    strideAndOptions("lpPool3d", stride, options, LP_POOL_OPTIONS),
  );
}
