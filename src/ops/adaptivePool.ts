/** Adaptive pooling: windows that divide the input evenly into an output of a given size. */

import { isFloat } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { averageAdaptive } from "./avgPool.js";
import { needTensor } from "./core.js";
import { type MaxKernels, runMaxPool, type WithIndices } from "./maxPool.js";
import type { PoolGeometry } from "./poolRaw.js";
import { checkChannels, checkRank } from "./spatial.js";

/** A size for all spatial dimensions or one for each; null keeps that of the input. */
export type AdaptiveSize = number | null | readonly (number | null)[];

const MAX: MaxKernels = {
  plain: kernelTable("adaptiveMaxPool"),
  compact: kernelTable("adaptiveMaxPoolCompact"),
};

/** Output o looks at inputs floor(o in / out) to ceil((o + 1) in / out). */
function geometry(op: string, x: Tensor, rank: number, outputSize: AdaptiveSize): PoolGeometry {
  checkRank(op, x, rank);
  if (!isFloat(x.code))
    throw new DTypeError(`[${op}] expected a floating dtype, got ${x.dtype}; try x.to("float32")`);
  const input = x.shape.slice(-rank);
  const asked = Array.isArray(outputSize)
    ? (outputSize as readonly (number | null)[])
    : [outputSize as number | null];
  if (asked.length !== 1 && asked.length !== rank) {
    throw new ValueError(`[${op}] outputSize must be 1 or ${rank} numbers, got [${asked.join(", ")}]`);
  }
  const output = input.map((n, d) => asked[asked.length === 1 ? 0 : d] ?? n);
  if (output.some((n) => !Number.isInteger(n) || n < 0)) {
    throw new ValueError(`[${op}] outputSize must be whole numbers >= 0 or null, got [${asked.join(", ")}]`);
  }
  // An image without channels stays one; where PyTorch refuses a batch of such images, so do we.
  if (x.shape.length > rank + 1 && !(op.startsWith("adaptiveAvg") && rank < 3)) checkChannels(op, x, rank);
  if (input.some((n) => n === 0))
    throw new ShapeError(`[${op}] expected an image that is not empty, got shape ${show(x.shape)}`);
  const ones = input.map(() => 1);
  const kernel = input.map((n, d) => Math.ceil(n / Math.max(1, output[d] as number)));
  return {
    input,
    output,
    kernel,
    stride: ones,
    padding: input.map(() => 0),
    dilation: ones,
    countIncludePad: false,
    divisor: 0,
  };
}

function max(
  op: string,
  rank: number,
  x: Tensor,
  size: AdaptiveSize,
  indices: boolean | undefined,
): Tensor | [Tensor, Tensor] {
  return runMaxPool(op, x, { kernels: MAX, geometry: geometry(op, x, rank, size) }, indices);
}

/** Options of adaptive max pooling. */
export interface AdaptiveMaxOptions<R extends boolean = boolean> {
  /** Also give the index of each maximum, flat in its plane of the input: `[output, indices]` (default false). */
  returnIndices?: R;
}

/** @internal */
export const ADAPTIVE_MAX_OPTIONS: OptionNames<AdaptiveMaxOptions> = { returnIndices: 1 };

/**
 * Means over windows that divide a signal (N, C, L) or (C, L) evenly into `outputSize`; null keeps a size.
 * Source: `torch.nn.functional.adaptive_avg_pool1d`.
 */
export function adaptiveAvgPool1d(input: Tensor, outputSize: AdaptiveSize): Tensor {
  needTensor("adaptiveAvgPool1d", input);
  return averageAdaptive(input, geometry("adaptiveAvgPool1d", input, 1, outputSize));
}

/**
 * Means over windows that divide an image (N, C, H, W) or (C, H, W) evenly into `outputSize`; null keeps a size.
 * Source: `torch.nn.functional.adaptive_avg_pool2d`.
 * @example
 * adaptiveAvgPool2d(ones([1, 3, 8, 9]), [5, null]).shape; // [1, 3, 5, 9]
 */
export function adaptiveAvgPool2d(input: Tensor, outputSize: AdaptiveSize): Tensor {
  needTensor("adaptiveAvgPool2d", input);
  return averageAdaptive(input, geometry("adaptiveAvgPool2d", input, 2, outputSize));
}

/**
 * Means over windows that divide a volume (N, C, D, H, W) or (C, D, H, W) evenly into `outputSize`; null keeps a size.
 * Source: `torch.nn.functional.adaptive_avg_pool3d`.
 */
export function adaptiveAvgPool3d(input: Tensor, outputSize: AdaptiveSize): Tensor {
  needTensor("adaptiveAvgPool3d", input);
  return averageAdaptive(input, geometry("adaptiveAvgPool3d", input, 3, outputSize));
}

/**
 * Maxima over windows that divide a signal (N, C, L) or (C, L) evenly into `outputSize`; null keeps a size.
 * Source: `torch.nn.functional.adaptive_max_pool1d`.
 */
export function adaptiveMaxPool1d<R extends boolean = false>(
  input: Tensor,
  outputSize: AdaptiveSize,
  options: AdaptiveMaxOptions<R> = {},
): WithIndices<R> {
  needTensor("adaptiveMaxPool1d", input);
  checkOptions("adaptiveMaxPool1d", options, ADAPTIVE_MAX_OPTIONS);
  return max("adaptiveMaxPool1d", 1, input, outputSize, options.returnIndices) as WithIndices<R>;
}

/**
 * Maxima over windows that divide an image (N, C, H, W) or (C, H, W) evenly into `outputSize`; null keeps a size.
 * Source: `torch.nn.functional.adaptive_max_pool2d`.
 */
export function adaptiveMaxPool2d<R extends boolean = false>(
  input: Tensor,
  outputSize: AdaptiveSize,
  options: AdaptiveMaxOptions<R> = {},
): WithIndices<R> {
  needTensor("adaptiveMaxPool2d", input);
  checkOptions("adaptiveMaxPool2d", options, ADAPTIVE_MAX_OPTIONS);
  return max("adaptiveMaxPool2d", 2, input, outputSize, options.returnIndices) as WithIndices<R>;
}

/**
 * Maxima over windows that divide a volume (N, C, D, H, W) or (C, D, H, W) evenly into `outputSize`; null keeps a size.
 * Source: `torch.nn.functional.adaptive_max_pool3d`.
 */
export function adaptiveMaxPool3d<R extends boolean = false>(
  input: Tensor,
  outputSize: AdaptiveSize,
  options: AdaptiveMaxOptions<R> = {},
): WithIndices<R> {
  needTensor("adaptiveMaxPool3d", input);
  checkOptions("adaptiveMaxPool3d", options, ADAPTIVE_MAX_OPTIONS);
  return max("adaptiveMaxPool3d", 3, input, outputSize, options.returnIndices) as WithIndices<R>;
}
