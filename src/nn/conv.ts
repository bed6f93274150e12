/** Convolution layers: Conv1d, Conv2d, Conv3d. */
import { conv1d, conv2d, conv3d } from "../ops/conv.js";
import { pad } from "../ops/pad.js";
import { type Sizes, sizesOf } from "../ops/spatial.js";
import { empty } from "../tensor/create.js";
import type { DType } from "../tensor/dtype.js";
import { ValueError } from "../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { calculateFanInAndFanOut, kaimingUniform_, uniform_ } from "./init.js";
import { Module } from "./module.js";
import { Parameter } from "./parameter.js";
import { showValue } from "./print.js";

/** What surrounds the input: zeros, its mirror image, its border repeated, or itself repeated. */
export type PaddingMode = "zeros" | "reflect" | "replicate" | "circular";

const PADDING_MODES: readonly PaddingMode[] = ["zeros", "reflect", "replicate", "circular"];

/** Options of convolution layers. */
export interface ConvLayerOptions {
  /** Distance between neighbouring windows (default 1). */
  stride?: Sizes;
  /** Border on both sides (default 0), "same" for outputs as large as the input, or "valid" for none. */
  padding?: Sizes | "same" | "valid";
  /** Distance between the taps of the kernel (default 1). */
  dilation?: Sizes;
  /** Number of blocks that input and output channels are split into (default 1). */
  groups?: number;
  /** Whether to add a learned bias (default true). */
  bias?: boolean;
  /** What the border holds (default "zeros"). */
  paddingMode?: PaddingMode;
  /** Element type of the parameters (default: the default float). */
  dtype?: DType;
}

/** @internal */
export const CONV_LAYER_OPTIONS: OptionNames<ConvLayerOptions> = {
  stride: 1,
  padding: 1,
  dilation: 1,
  groups: 1,
  bias: 1,
  paddingMode: 1,
  dtype: 1,
};

/** What a layer of either kind is made with, besides channels and kernel. */
export interface ConvSettings extends ConvLayerOptions {
  /** Whether the layer is a transposed convolution. */
  readonly transposed: boolean;
  /** Rows added at one side of the output of a transposed convolution (default 0). */
  outputPadding?: Sizes;
}

/** The stride positional or among the options. @internal */
export function strideOrOptions<O extends { stride?: Sizes }>(
  layer: string,
  stride: Sizes | O,
  options: O | undefined,
  names: OptionNames<O>,
): O {
  checkNames(layer, stride, names);
  checkOptions(layer, options, names);
  if (typeof stride === "number" || Array.isArray(stride)) return { ...options, stride } as O;
  return { ...(stride as O), ...options };
}

/** What all convolution layers share: sizes, checks, the weight and the bias. */
export abstract class ConvNd<Args extends [Tensor, ...unknown[]] = [Tensor]> extends Module<Args> {
  /** Channels of the input. */
  inChannels: number;
  /** Channels of the output: the number of kernels. */
  outChannels: number;
  /** Size of the kernel in each spatial dimension. */
  kernelSize: readonly number[];
  /** Steps of the kernel in each spatial dimension (default 1). */
  stride: readonly number[];
  /** Rows added at both sides of each spatial dimension (default 0), "same" or "valid". */
  padding: readonly number[] | "same" | "valid";
  /** Distance between the elements of the kernel in each spatial dimension (default 1). */
  dilation: readonly number[];
  /** Whether the layer is a transposed convolution. */
  transposed: boolean;
  /** Rows added at one side of the output of a transposed convolution; 0 in the others. */
  outputPadding: readonly number[];
  /** Blocks into which the channels are divided, each convolved by itself (default 1). */
  groups: number;
  /** What the border holds: "zeros" (default), "reflect", "replicate" or "circular". */
  paddingMode: PaddingMode;
  /**
   * The kernels, (outChannels, inChannels / groups, ...kernelSize); transposed: (inChannels, outChannels /
   * groups, ...kernelSize).
   */
  weight: Parameter;
  /** The learned bias, (outChannels), or null with `bias: false`. */
  bias: Parameter | null;

  constructor(rank: number, inChannels: number, outChannels: number, kernelSize: Sizes, o: ConvSettings) {
    super();
    const name = this._getName();
    const { groups = 1, padding = 0, paddingMode = "zeros", transposed } = o;
    for (const [what, value, low] of [
      ["inChannels", inChannels, 0],
      ["outChannels", outChannels, 0],
      ["groups", groups, 1],
    ] as const) {
      if (!Number.isInteger(value) || value < low) {
        throw new ValueError(`[${name}] ${what} must be a whole number >= ${low}, got ${value}`);
      }
    }
    for (const [what, value] of [
      ["inChannels", inChannels],
      ["outChannels", outChannels],
    ] as const) {
      if (value % groups !== 0)
        throw new ValueError(
          `[${name}] ${what} must be divisible by groups: got ${value} and groups ${groups}`,
        );
    }
    if (!PADDING_MODES.includes(paddingMode)) {
      throw new ValueError(
        `[${name}] paddingMode must be one of ${PADDING_MODES.join(", ")}, got "${paddingMode}"`,
      );
    }
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = sizesOf(name, "kernelSize", kernelSize, rank, 1);
    this.stride = sizesOf(name, "stride", o.stride ?? 1, rank, 1);
    this.dilation = sizesOf(name, "dilation", o.dilation ?? 1, rank, 1);
    if (typeof padding === "string") {
      if (padding !== "same" && padding !== "valid") {
        throw new ValueError(
          `[${name}] padding must be a number, "same" or "valid", got "${padding as string}"`,
        );
      }
      if (padding === "same" && this.stride.some((s) => s !== 1)) {
        throw new ValueError(
          `[${name}] padding "same" is not defined for strides, got stride (${this.stride.join(", ")})`,
        );
      }
      this.padding = padding;
    } else this.padding = sizesOf(name, "padding", padding, rank, 0);
    this.transposed = transposed;
    this.outputPadding = sizesOf(name, "outputPadding", o.outputPadding ?? 0, rank, 0);
    this.groups = groups;
    this.paddingMode = paddingMode;
    const create = o.dtype === undefined ? {} : { dtype: o.dtype };
    this.weight = new Parameter(empty(this._weightShape(), create));
    this.bias = (o.bias ?? true) ? new Parameter(empty([outChannels], create)) : null;
    this.resetParameters();
  }

  /** @internal */
  _weightShape(): number[] {
    const [first, second] = this.transposed
      ? [this.inChannels, this.outChannels]
      : [this.outChannels, this.inChannels];
    return [first, second / this.groups, ...this.kernelSize];
  }

  /** Draws new initial values: uniform in ±1/sqrt(fan in), fan in = channels / groups times kernel size. */
  resetParameters(): void {
    kaimingUniform_(this.weight, { a: Math.sqrt(5) });
    if (this.bias === null) return;
    const [fanIn] = calculateFanInAndFanOut(this.weight);
    if (fanIn === 0) return;
    const bound = 1 / Math.sqrt(fanIn);
    uniform_(this.bias, -bound, bound);
  }

  override extraRepr(): string {
    const parts = [`${this.inChannels}, ${this.outChannels}`];
    const add = (name: string, value: unknown) =>
      parts.push(`${name}=${typeof value === "string" ? value : showValue(value)}`);
    const differs = (list: readonly number[] | string, from: number) =>
      typeof list === "string" || list.some((n) => n !== from);
    add("kernelSize", this.kernelSize);
    add("stride", this.stride);
    if (differs(this.padding, 0)) add("padding", this.padding);
    if (differs(this.dilation, 1)) add("dilation", this.dilation);
    if (differs(this.outputPadding, 0)) add("outputPadding", this.outputPadding);
    if (this.groups !== 1) add("groups", this.groups);
    if (this.bias === null) add("bias", false);
    if (this.paddingMode !== "zeros") add("paddingMode", this.paddingMode);
    return parts.join(", ");
  }
}

/** The borders that a layer adds itself when they hold no zeros: last dimension first, as `pad` takes them. */
function borders({ kernelSize, padding, dilation }: ConvNd): number[] {
  const pairs = kernelSize.map((k, d) => {
    if (padding === "valid") return [0, 0];
    if (padding !== "same") return [padding[d] as number, padding[d] as number];
    const total = (dilation[d] as number) * (k - 1);
    return [total >> 1, total - (total >> 1)];
  });
  return pairs.reverse().flat();
}

/** The functional form of a layer, with its own options. @internal */
export function convolve(fn: typeof conv2d, layer: ConvNd, input: Tensor): Tensor {
  const { weight, bias, stride, padding, dilation, groups, paddingMode } = layer;
  if (paddingMode === "zeros") return fn(input, weight, bias, { stride, padding, dilation, groups });
  return fn(pad(input, borders(layer), { mode: paddingMode }), weight, bias, { stride, dilation, groups });
}

/**
 * 1-d convolution of (N, C, L) or (C, L). Weight (outChannels, inChannels / groups, kernelSize); output length
 * floor((L + 2 padding - dilation (kernelSize - 1) - 1) / stride) + 1. Source: `torch.nn.Conv1d`.
 * @example
 * new Conv1d(16, 33, 3, { stride: 2 })(ones([20, 16, 50])).shape; // [20, 33, 24]
 * @throws ValueError when groups does not divide the channels.
 */
export class Conv1d extends ConvNd {
  /** @internal */ static readonly pure = true;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    stride: Sizes | ConvLayerOptions = {},
    options?: ConvLayerOptions,
  ) {
    super(1, inChannels, outChannels, kernelSize, {
      ...strideOrOptions(new.target.name, stride, options, CONV_LAYER_OPTIONS),
      transposed: false,
    });
  }

  forward(input: Tensor): Tensor {
    return convolve(conv1d, this, input);
  }
}

/**
 * 2-d convolution of (N, C, H, W) or (C, H, W), as {@link Conv1d}. The stride may be given positionally.
 * Source: `torch.nn.Conv2d`.
 * @example
 * new Conv2d(1, 6, 5, { padding: 2 })(ones([4, 1, 28, 28])).shape; // [4, 6, 28, 28]
 */
export class Conv2d extends ConvNd {
  /** @internal */ static readonly pure = true;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    stride: Sizes | ConvLayerOptions = {},
    options?: ConvLayerOptions,
  ) {
    super(2, inChannels, outChannels, kernelSize, {
      ...strideOrOptions(new.target.name, stride, options, CONV_LAYER_OPTIONS),
      transposed: false,
    });
  }

  forward(input: Tensor): Tensor {
    return convolve(conv2d, this, input);
  }
}

/** 3-d convolution of (N, C, D, H, W) or (C, D, H, W), as {@link Conv1d}. Source: `torch.nn.Conv3d`. */
export class Conv3d extends ConvNd {
  /** @internal */ static readonly pure = true;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    stride: Sizes | ConvLayerOptions = {},
    options?: ConvLayerOptions,
  ) {
    super(3, inChannels, outChannels, kernelSize, {
      ...strideOrOptions(new.target.name, stride, options, CONV_LAYER_OPTIONS),
      transposed: false,
    });
  }

  forward(input: Tensor): Tensor {
    return convolve(conv3d, this, input);
  }
}
