/** Max and average pooling over windows. */
import {
  AVG_POOL_OPTIONS,
  AVG_POOL1D_OPTIONS,
  type AvgPool1dOptions,
  type AvgPoolOptions,
  avgPool1d,
  avgPool2d,
  avgPool3d,
} from "../ops/avgPool.js";
import {
  MAX_POOL_OPTIONS,
  type MaxPoolOptions,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  strideAndOptions,
  type WithIndices,
} from "../ops/maxPool.js";
import type { WindowOptions } from "../ops/poolRaw.js";
import type { Sizes } from "../ops/spatial.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import { showOptions } from "./print.js";

/** What max pooling layers share. */
export abstract class MaxPoolNd<R extends boolean = false> extends Module<[Tensor], WithIndices<R>> {
  /** Size of the window in the spatial dimensions. */
  kernelSize: Sizes;
  /** Steps of the window (default kernelSize). */
  stride: Sizes;
  /** Negative infinities added at both sides (default 0; at most half the window). */
  padding: Sizes;
  /** Distance between the elements of a window (default 1). */
  dilation: Sizes;
  /** Whether the call gives the positions of the maxima too (default false). */
  returnIndices: R;
  /** Whether a last window may reach beyond the end (default false). */
  ceilMode: boolean;

  constructor(kernelSize: Sizes, stride?: Sizes | null | MaxPoolOptions<R>, options?: MaxPoolOptions<R>) {
    super();
    const o = strideAndOptions(this._getName(), stride, options, MAX_POOL_OPTIONS);
    this.kernelSize = kernelSize;
    this.stride = o.stride ?? kernelSize;
    this.padding = o.padding ?? 0;
    this.dilation = o.dilation ?? 1;
    this.returnIndices = (o.returnIndices ?? false) as R;
    this.ceilMode = o.ceilMode ?? false;
  }

  override extraRepr(): string {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return showOptions({ kernelSize, stride, padding, dilation, ceilMode });
  }
}

/** Maxima over windows of (N, C, L) or (C, L). Source: `torch.nn.MaxPool1d`. */
export class MaxPool1d<R extends boolean = false> extends MaxPoolNd<R> {
  /** @internal */ static readonly pure = true;

  forward(input: Tensor): WithIndices<R> {
    return maxPool1d<R>(input, this.kernelSize, this);
  }
}

/**
 * Maxima over windows of (N, C, H, W) or (C, H, W). The stride (default: the kernel size) may be given positionally;
 * with `returnIndices` the result is `[output, indices]`. Source: `torch.nn.MaxPool2d`.
 * @example
 * new MaxPool2d(3, { stride: 2 })(ones([20, 16, 50, 32])).shape; // [20, 16, 24, 15]
 */
export class MaxPool2d<R extends boolean = false> extends MaxPoolNd<R> {
  /** @internal */ static readonly pure = true;

  forward(input: Tensor): WithIndices<R> {
    return maxPool2d<R>(input, this.kernelSize, this);
  }
}

/** Maxima over windows of (N, C, D, H, W) or (C, D, H, W). Source: `torch.nn.MaxPool3d`. */
export class MaxPool3d<R extends boolean = false> extends MaxPoolNd<R> {
  /** @internal */ static readonly pure = true;

  forward(input: Tensor): WithIndices<R> {
    return maxPool3d<R>(input, this.kernelSize, this);
  }
}

/** What average pooling layers share. */
export abstract class AvgPoolNd extends Module {
  /** Size of the window in the spatial dimensions. */
  kernelSize: Sizes;
  /** Steps of the window (default kernelSize). */
  stride: Sizes;
  /** Zeros added at both sides (default 0; at most half the window). */
  padding: Sizes;
  /** Whether a last window may reach beyond the end (default false). */
  ceilMode: boolean;
  /** Whether the zeros of the padding count in the divisor (default true). */
  countIncludePad: boolean;

  constructor(kernelSize: Sizes, o: AvgPool1dOptions & WindowOptions) {
    super();
    const { stride } = o;
    const missing =
      stride === undefined || stride === null || (typeof stride !== "number" && stride.length === 0);
    this.kernelSize = kernelSize;
    this.stride = missing ? kernelSize : stride;
    this.padding = o.padding ?? 0;
    this.ceilMode = o.ceilMode ?? false;
    this.countIncludePad = o.countIncludePad ?? true;
  }

  override extraRepr(): string {
    const { kernelSize, stride, padding } = this;
    return showOptions({ kernelSize, stride, padding });
  }
}

/** Means over windows of (N, C, L) or (C, L). Source: `torch.nn.AvgPool1d`. */
export class AvgPool1d extends AvgPoolNd {
  /** @internal */ static readonly pure = true;

  constructor(kernelSize: Sizes, stride?: Sizes | null | AvgPool1dOptions, options?: AvgPool1dOptions) {
    const o = strideAndOptions(new.target.name, stride, options, AVG_POOL1D_OPTIONS);
    const list = (size: Sizes) => (typeof size === "number" ? [size] : size);
    super(list(kernelSize), { ...o, stride: list(o.stride ?? kernelSize), padding: list(o.padding ?? 0) });
  }

  forward(input: Tensor): Tensor {
    return avgPool1d(input, this.kernelSize, this);
  }
}

/** Means over windows of (N, C, H, W) or (C, H, W). Source: `torch.nn.AvgPool2d`. */
export class AvgPool2d extends AvgPoolNd {
  /** @internal */ static readonly pure = true;
  /** Divisor in place of the size of the window, or null. */
  divisorOverride: number | null;

  constructor(kernelSize: Sizes, stride?: Sizes | null | AvgPoolOptions, options?: AvgPoolOptions) {
    const o = strideAndOptions(new.target.name, stride, options, AVG_POOL_OPTIONS);
    super(kernelSize, o);
    this.divisorOverride = o.divisorOverride ?? null;
  }

  forward(input: Tensor): Tensor {
    return avgPool2d(input, this.kernelSize, this);
  }
}

/** Means over windows of (N, C, D, H, W) or (C, D, H, W). Source: `torch.nn.AvgPool3d`. */
export class AvgPool3d extends AvgPoolNd {
  /** @internal */ static readonly pure = true;
  /** Divisor in place of the size of the window, or null. */
  divisorOverride: number | null;

  constructor(kernelSize: Sizes, stride?: Sizes | null | AvgPoolOptions, options?: AvgPoolOptions) {
    const o = strideAndOptions(new.target.name, stride, options, AVG_POOL_OPTIONS);
    super(kernelSize, o);
    this.divisorOverride = o.divisorOverride ?? null;
  }

  forward(input: Tensor): Tensor {
    return avgPool3d(input, this.kernelSize, this);
  }
}
