/** Transposed convolution layers: ConvTranspose1d, ConvTranspose2d, ConvTranspose3d. */

import { convTranspose1d, convTranspose2d, convTranspose3d } from "../ops/convTranspose.js";
import type { Sizes } from "../ops/spatial.js";
import type { DType } from "../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import type { OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { ConvNd, strideOrOptions } from "./conv.js";

/** Options of transposed convolution layers. */
export interface ConvTransposeLayerOptions {
  /** Distance between the outputs of neighbouring inputs (default 1). */
  stride?: Sizes;
  /** What is cut from the output on both sides (default 0). */
  padding?: Sizes;
  /** Added to the output's size on one side, less than stride or dilation (default 0). */
  outputPadding?: Sizes;
  /** Number of blocks that input and output channels are split into (default 1). */
  groups?: number;
  /** Whether to add a learned bias (default true). */
  bias?: boolean;
  /** Distance between the taps of the kernel (default 1). */
  dilation?: Sizes;
  /** Only "zeros". */
  paddingMode?: "zeros";
  /** Element type of the parameters (default: the default float). */
  dtype?: DType;
}

/** @internal */
export const CONV_TRANSPOSE_LAYER_OPTIONS: OptionNames<ConvTransposeLayerOptions> = {
  stride: 1,
  padding: 1,
  outputPadding: 1,
  groups: 1,
  bias: 1,
  dilation: 1,
  paddingMode: 1,
  dtype: 1,
};

/** Options of a call. */
export interface OutputSizeOptions {
  /** Sizes of the output, with or without batch and channels, where stride leaves a choice. */
  outputSize?: readonly number[] | null;
}

/** What transposed convolution layers share. */
export abstract class ConvTransposeNd extends ConvNd<
  [input: Tensor, options?: OutputSizeOptions | readonly number[]]
> {
  constructor(
    rank: number,
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    stride: Sizes | ConvTransposeLayerOptions = {},
    options?: ConvTransposeLayerOptions,
  ) {
    super(rank, inChannels, outChannels, kernelSize, {
      ...strideOrOptions(new.target.name, stride, options, CONV_TRANSPOSE_LAYER_OPTIONS),
      transposed: true,
    });
    if (this.paddingMode !== "zeros" || typeof this.padding === "string") {
      throw new ValueError(
        `[${this._getName()}] only zeros can pad a transposed convolution: got paddingMode "${this.paddingMode}" and ` +
          `padding ${String(this.padding)}; try a number as padding`,
      );
    }
  }

  /** The output padding that gives the wanted size. */
  private paddingFor(input: Tensor, outputSize: readonly number[]): number[] {
    const rank = this.kernelSize.length;
    const wanted = outputSize.length > rank ? outputSize.slice(outputSize.length - rank) : outputSize;
    const extra = input.shape.length - rank;
    if (outputSize.length !== rank && outputSize.length !== rank + extra) {
      throw new ShapeError(
        `[${this._getName()}] outputSize must have ${rank} or ${rank + extra} elements, got ${show(outputSize)}`,
      );
    }
    return wanted.map((size, d) => {
      const [n, k] = [input.shape[d + extra] as number, this.kernelSize[d] as number];
      const stride = this.stride[d] as number;
      const least =
        (n - 1) * stride - 2 * (this.padding[d] as number) + (this.dilation[d] as number) * (k - 1) + 1;
      if (size < least || size > least + stride - 1) {
        throw new ShapeError(
          `[${this._getName()}] cannot give the size ${size} along dimension ${d + extra}: for the input ` +
            `${show(input.shape)} it can be ${least} to ${least + stride - 1}, got outputSize ${show(outputSize)}`,
        );
      }
      return size - least;
    });
  }

  /** @internal */
  _convolve(
    fn: typeof convTranspose2d,
    input: Tensor,
    options: OutputSizeOptions | readonly number[] = {},
  ): Tensor {
    const outputSize = Array.isArray(options)
      ? (options as readonly number[])
      : (options as OutputSizeOptions).outputSize;
    const { weight, bias, stride, dilation, groups } = this;
    const padding = this.padding as readonly number[];
    const outputPadding =
      outputSize === undefined || outputSize === null
        ? this.outputPadding
        : this.paddingFor(input, outputSize);
    return fn(input, weight, bias, { stride, padding, outputPadding, groups, dilation });
  }
}

/**
 * Transposed convolution of (N, C, L) or (C, L): what {@link Conv1d}'s gradient does with its input. Weight
 * (inChannels, outChannels / groups, kernelSize); output length (L - 1) stride - 2 padding +
 * dilation (kernelSize - 1) + outputPadding + 1, or `outputSize` of the call. Source: `torch.nn.ConvTranspose1d`.
 */
export class ConvTranspose1d extends ConvTransposeNd {
  /** @internal */ static readonly pure = true;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    stride: Sizes | ConvTransposeLayerOptions = {},
    options?: ConvTransposeLayerOptions,
  ) {
    super(1, inChannels, outChannels, kernelSize, stride, options);
  }

  forward(input: Tensor, options?: OutputSizeOptions | readonly number[]): Tensor {
    return this._convolve(convTranspose1d, input, options);
  }
}

/**
 * Transposed convolution of (N, C, H, W) or (C, H, W), as {@link ConvTranspose1d}.
 * Source: `torch.nn.ConvTranspose2d`.
 * @example
 * const up = new ConvTranspose2d(16, 16, 3, { stride: 2, padding: 1 });
 * up(ones([1, 16, 6, 6]), { outputSize: [12, 12] }).shape; // [1, 16, 12, 12]
 */
export class ConvTranspose2d extends ConvTransposeNd {
  /** @internal */ static readonly pure = true;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    stride: Sizes | ConvTransposeLayerOptions = {},
    options?: ConvTransposeLayerOptions,
  ) {
    super(2, inChannels, outChannels, kernelSize, stride, options);
  }

  forward(input: Tensor, options?: OutputSizeOptions | readonly number[]): Tensor {
    return this._convolve(convTranspose2d, input, options);
  }
}

/**
 * Transposed convolution of (N, C, D, H, W) or (C, D, H, W), as {@link ConvTranspose1d}.
 * Source: `torch.nn.ConvTranspose3d`.
 */
export class ConvTranspose3d extends ConvTransposeNd {
  /** @internal */ static readonly pure = true;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    stride: Sizes | ConvTransposeLayerOptions = {},
    options?: ConvTransposeLayerOptions,
  ) {
    super(3, inChannels, outChannels, kernelSize, stride, options);
  }

  forward(input: Tensor, options?: OutputSizeOptions | readonly number[]): Tensor {
    return this._convolve(convTranspose3d, input, options);
  }
}
