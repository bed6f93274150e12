/** Average pooling over windows in one to three dimensions. */

import { defineOp, type Op, run } from "../autograd/op.js";
import { FLOAT64, isFloat } from "../tensor/dtype.js";
import { ShapeError, show } from "../tensor/errors.js";
import { type KernelTable, kernelTable } from "../tensor/launch.js";
import type { OptionNames } from "../tensor/options.js";
import { contiguous, empty, ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { cast } from "./cast.js";
import { needTensor } from "./core.js";
import { strideAndOptions } from "./maxPool.js";
import {
  overPlanes,
  type PoolGeometry,
  planesOf,
  poolDescriptor,
  poolGeometry,
  volume,
  type WindowOptions,
  withSizes,
} from "./poolRaw.js";
import { checkChannels, checkRank, type Sizes } from "./spatial.js";

interface AvgAttrs {
  /** Forward and backward kernels. */
  readonly kernels: readonly [KernelTable, KernelTable];
  readonly geometry: PoolGeometry;
}

const WINDOWS: AvgAttrs["kernels"] = [kernelTable("avgPool"), kernelTable("avgPoolBackward")];
const ADAPTIVE: AvgAttrs["kernels"] = [
  kernelTable("adaptiveAvgPool"),
  kernelTable("adaptiveAvgPoolBackward"),
];

/** Averages (`which` 0) or spreads (1) over windows. */
function pool(x: Tensor, { kernels, geometry: g }: AvgAttrs, which: 0 | 1): Tensor {
  const src = contiguous(x);
  const out = empty(withSizes(x.shape, which === 0 ? g.output : g.input), x.code);
  if (out.numel === 0) return out;
  const work = volume(g.output) * volume(g.kernel) + volume(g.input);
  const planes = planesOf(x.shape, g.input.length);
  overPlanes(kernels[which], x.code, [ptr(src), ptr(out)], [poolDescriptor(g)], planes, work);
  return out;
}

const avgPoolOp: Op<AvgAttrs> = defineOp<AvgAttrs>({
  name: "AvgPool",
  forward: ([x], attrs) => pool(x as Tensor, attrs, 0),
  backward: (g, n) => [run(avgPoolBackwardOp, [g], n.attrs)], // linear: the transposed map
});

const avgPoolBackwardOp: Op<AvgAttrs> = defineOp<AvgAttrs>({
  name: "AvgPoolBackward",
  forward: ([g], attrs) => pool(g as Tensor, attrs, 1),
  backward: (g, n) => [run(avgPoolOp, [g], n.attrs)],
});

function average(x: Tensor, attrs: AvgAttrs): Tensor {
  return isFloat(x.code)
    ? run(avgPoolOp, [x], attrs)
    : cast(run(avgPoolOp, [cast(x, FLOAT64)], attrs), x.code);
}

/** Averages over windows as given. @internal */
function averageWindows(x: Tensor, geometry: PoolGeometry): Tensor {
  return average(x, { kernels: WINDOWS, geometry });
}

/** Averages over adaptive windows. @internal */
export function averageAdaptive(x: Tensor, geometry: PoolGeometry): Tensor {
  return average(x, { kernels: ADAPTIVE, geometry });
}

/** Options of average pooling of signals. */
export interface AvgPool1dOptions extends WindowOptions {
  /** Count the border in the size of a window (default true). */
  countIncludePad?: boolean;
}

/** @internal */
export const AVG_POOL1D_OPTIONS: OptionNames<AvgPool1dOptions> = {
  countIncludePad: 1,
  stride: 1,
  padding: 1,
  ceilMode: 1,
};

/** Options of average pooling. */
export interface AvgPoolOptions extends AvgPool1dOptions {
  /** Divide by this in place of the size of the window. */
  divisorOverride?: number | null;
}

/** @internal */
export const AVG_POOL_OPTIONS: OptionNames<AvgPoolOptions> = {
  divisorOverride: 1,
  countIncludePad: 1,
  stride: 1,
  padding: 1,
  ceilMode: 1,
};

function avgPoolNd(op: string, rank: number, x: Tensor, kernelSize: Sizes, o: AvgPoolOptions): Tensor {
  checkRank(op, x, rank);
  checkChannels(op, x, rank);
  const geometry = poolGeometry(op, x.shape, rank, kernelSize, o);
  // PyTorch lets padding make up for it in one and two dimensions, not in three.
  if (rank === 3 && geometry.input.some((n, d) => n < (geometry.kernel[d] as number))) {
    throw new ShapeError(
      `[${op}] the kernel ${show(geometry.kernel)} does not fit into an image of ${show(geometry.input)}; try pad first`,
    );
  }
  return averageWindows(x, geometry);
}

/**
 * The mean of each window of a signal (N, C, L) or (C, L). The stride (default: the kernel size) may be given
 * positionally. Source: `torch.nn.functional.avg_pool1d`.
 * @throws ValueError when the padding exceeds half of the kernel size.
 */
export function avgPool1d(
  input: Tensor,
  kernelSize: Sizes,
  stride?: Sizes | null | AvgPool1dOptions,
  options?: AvgPool1dOptions,
): Tensor {
  needTensor("avgPool1d", input);
  return avgPoolNd(
    "avgPool1d",
    1,
    input,
    kernelSize,
    strideAndOptions("avgPool1d", stride, options, AVG_POOL1D_OPTIONS),
  );
}

/**
 * The mean of each window of an image (N, C, H, W) or (C, H, W), as {@link avgPool1d}.
 * Source: `torch.nn.functional.avg_pool2d`.
 * @example
 * avgPool2d(tensor([[[1, 2], [3, 6.5]]]), 2).toArray(); // [[[3.125]]]
 */
export function avgPool2d(
  input: Tensor,
  kernelSize: Sizes,
  stride?: Sizes | null | AvgPoolOptions,
  options?: AvgPoolOptions,
): Tensor {
  needTensor("avgPool2d", input);
  return avgPoolNd(
    "avgPool2d",
    2,
    input,
    kernelSize,
    strideAndOptions("avgPool2d", stride, options, AVG_POOL_OPTIONS),
  );
}

/**
 * The mean of each window of a volume (N, C, D, H, W) or (C, D, H, W), as {@link avgPool1d}.
 * Source: `torch.nn.functional.avg_pool3d`.
 */
export function avgPool3d(
  input: Tensor,
  kernelSize: Sizes,
  stride?: Sizes | null | AvgPoolOptions,
  options?: AvgPoolOptions,
): Tensor {
  needTensor("avgPool3d", input);
  return avgPoolNd(
    "avgPool3d",
    3,
    input,
    kernelSize,
    strideAndOptions("avgPool3d", stride, options, AVG_POOL_OPTIONS),
  );
}
