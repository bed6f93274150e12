/** Max unpooling layers. */

import { strideAndOptions } from "../ops/maxPool.js";
import { type Sizes, sizesOf } from "../ops/spatial.js";
import { maxUnpool1d, maxUnpool2d, maxUnpool3d } from "../ops/unpool.js";
import type { OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import type { OutputSizeOptions } from "./convTranspose.js";
import { Module } from "./module.js";
import { showOptions } from "./print.js";

/** Options of max unpooling layers. */
export interface MaxUnpoolLayerOptions {
  /** Stride of the pooling (default: the kernel size). */
  stride?: Sizes | null;
  /** Padding of the pooling (default 0). */
  padding?: Sizes;
}

const MAX_UNPOOL_LAYER_OPTIONS: OptionNames<MaxUnpoolLayerOptions> = { stride: 1, padding: 1 };

/** What max unpooling layers share. */
export abstract class MaxUnpoolNd extends Module<
  [input: Tensor, indices: Tensor, options?: OutputSizeOptions | readonly number[]]
> {
  /** Size of the window of the max pooling. */
  kernelSize: readonly number[];
  /** Steps of its window (default kernelSize). */
  stride: readonly number[];
  /** Its padding (default 0). */
  padding: readonly number[];

  constructor(
    rank: number,
    kernelSize: Sizes,
    stride?: Sizes | null | MaxUnpoolLayerOptions,
    options?: MaxUnpoolLayerOptions,
  ) {
    super();
    const name = this._getName();
    const o = strideAndOptions(name, stride, options, MAX_UNPOOL_LAYER_OPTIONS);
    this.kernelSize = sizesOf(name, "kernelSize", kernelSize, rank, 1);
    this.stride = sizesOf(name, "stride", o.stride ?? kernelSize, rank, 1);
    this.padding = sizesOf(name, "padding", o.padding ?? 0, rank, 0);
  }

  /** @internal */
  _unpool(
    fn: typeof maxUnpool2d,
    input: Tensor,
    indices: Tensor,
    options: OutputSizeOptions | readonly number[] = {},
  ): Tensor {
    const { kernelSize, stride, padding } = this;
    const outputSize = Array.isArray(options)
      ? (options as readonly number[])
      : ((options as OutputSizeOptions).outputSize ?? null);
    return fn(input, indices, kernelSize, { stride, padding, outputSize });
  }

  override extraRepr(): string {
    const { kernelSize, stride, padding } = this;
    return showOptions({ kernelSize, stride, padding });
  }
}

/**
 * Puts the output of a {@link MaxPool1d} back at its indices, into zeros. Input (N, C, L) or (C, L).
 * Source: `torch.nn.MaxUnpool1d`.
 */
export class MaxUnpool1d extends MaxUnpoolNd {
  /** @internal */ static readonly pure = true;

  constructor(
    kernelSize: Sizes,
    stride?: Sizes | null | MaxUnpoolLayerOptions,
    options?: MaxUnpoolLayerOptions,
  ) {
    super(1, kernelSize, stride, options);
  }

  forward(input: Tensor, indices: Tensor, options?: OutputSizeOptions | readonly number[]): Tensor {
    return this._unpool(maxUnpool1d, input, indices, options);
  }
}

/**
 * Puts the output of a {@link MaxPool2d} back at its indices, into zeros. Input (N, C, H, W) or (C, H, W).
 * Source: `torch.nn.MaxUnpool2d`.
 * @example
 * const [y, at] = new MaxPool2d(2, { returnIndices: true })(ones([1, 1, 4, 4]));
 * new MaxUnpool2d(2)(y, at).shape; // [1, 1, 4, 4]
 */
export class MaxUnpool2d extends MaxUnpoolNd {
  /** @internal */ static readonly pure = true;

  constructor(
    kernelSize: Sizes,
    stride?: Sizes | null | MaxUnpoolLayerOptions,
    options?: MaxUnpoolLayerOptions,
  ) {
    super(2, kernelSize, stride, options);
  }

  forward(input: Tensor, indices: Tensor, options?: OutputSizeOptions | readonly number[]): Tensor {
    return this._unpool(maxUnpool2d, input, indices, options);
  }
}

/**
 * Puts the output of a {@link MaxPool3d} back at its indices, into zeros. Input (N, C, D, H, W) or (C, D, H, W).
 * Source: `torch.nn.MaxUnpool3d`.
 */
export class MaxUnpool3d extends MaxUnpoolNd {
  /** @internal */ static readonly pure = true;

  constructor(
    kernelSize: Sizes,
    stride?: Sizes | null | MaxUnpoolLayerOptions,
    options?: MaxUnpoolLayerOptions,
  ) {
    super(3, kernelSize, stride, options);
  }

  forward(input: Tensor, indices: Tensor, options?: OutputSizeOptions | readonly number[]): Tensor {
    return this._unpool(maxUnpool3d, input, indices, options);
  }
}
