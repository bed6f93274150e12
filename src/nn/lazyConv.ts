/** Convolution layers that take their number of input channels from the first input. */
import { checkRank, type Sizes } from "../ops/spatial.js";
import { ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import {
  CONV_LAYER_OPTIONS,
  Conv1d,
  Conv2d,
  Conv3d,
  type ConvLayerOptions,
  type ConvNd,
  strideOrOptions,
} from "./conv.js";
import {
  CONV_TRANSPOSE_LAYER_OPTIONS,
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  type ConvTransposeLayerOptions,
  type ConvTransposeNd,
} from "./convTranspose.js";
import { LazyModuleMixin } from "./lazy.js";
import { checkSize } from "./linear.js";
import { isLazy, UninitializedParameter } from "./uninitialized.js";

type AnyConv = ConvNd | ConvTransposeNd;

/** Takes the channels back from a layer made without any, until the first input is seen. */
function defer(
  layer: AnyConv,
  outChannels: number,
  { bias = true }: ConvLayerOptions | ConvTransposeLayerOptions,
): void {
  checkSize(layer._getName(), "outChannels", outChannels);
  if (outChannels % layer.groups !== 0) {
    throw new ValueError(
      `[${layer._getName()}] outChannels must be divisible by groups: got ${outChannels} and groups ${layer.groups}`,
    );
  }
  const { dtype } = layer.weight;
  layer.outChannels = outChannels;
  layer.weight = new UninitializedParameter({ dtype });
  layer.bias = bias ? new UninitializedParameter({ dtype }) : null;
}

/** Gives the parameters their shapes and first values. */
function initialize(layer: AnyConv, input: Tensor): void {
  if (!isLazy(layer.weight)) return;
  const rank = layer.kernelSize.length;
  checkRank(layer._getName(), input, rank);
  layer.inChannels = input.shape[input.shape.length - rank - 1] as number;
  if (layer.inChannels % layer.groups !== 0) {
    throw new ValueError(
      `[${layer._getName()}] the input's channels must be divisible by groups: got ${layer.inChannels} and groups ${layer.groups}`,
    );
  }
  layer.weight.materialize(layer._weightShape());
  if (isLazy(layer.bias)) layer.bias.materialize([layer.outChannels]);
  if (layer.inChannels !== 0) layer.resetParameters();
}

/**
 * A {@link Conv1d} whose inChannels are taken from the first input. Source: `torch.nn.LazyConv1d`.
 */
export class LazyConv1d extends LazyModuleMixin(Conv1d) {
  constructor(
    outChannels: number,
    kernelSize: Sizes,
    stride: Sizes | ConvLayerOptions = {},
    options?: ConvLayerOptions,
  ) {
    const o = strideOrOptions(new.target.name, stride, options, CONV_LAYER_OPTIONS);
    super(0, 0, kernelSize, { ...o, bias: false });
    defer(this, outChannels, o);
  }

  override initializeParameters(input: Tensor): void {
    initialize(this, input);
  }
}

/**
 * A {@link Conv2d} whose inChannels are taken from the first input. Source: `torch.nn.LazyConv2d`.
 * @example
 * const layer = new LazyConv2d(8, 3);
 * layer(ones([1, 5, 6, 6])).shape; // [1, 8, 4, 4]
 * layer.inChannels; // 5
 */
export class LazyConv2d extends LazyModuleMixin(Conv2d) {
  constructor(
    outChannels: number,
    kernelSize: Sizes,
    stride: Sizes | ConvLayerOptions = {},
    options?: ConvLayerOptions,
  ) {
    const o = strideOrOptions(new.target.name, stride, options, CONV_LAYER_OPTIONS);
    super(0, 0, kernelSize, { ...o, bias: false });
    defer(this, outChannels, o);
  }

  override initializeParameters(input: Tensor): void {
    initialize(this, input);
  }
}

/**
 * A {@link Conv3d} whose inChannels are taken from the first input. Source: `torch.nn.LazyConv3d`.
 */
export class LazyConv3d extends LazyModuleMixin(Conv3d) {
  constructor(
    outChannels: number,
    kernelSize: Sizes,
    stride: Sizes | ConvLayerOptions = {},
    options?: ConvLayerOptions,
  ) {
    const o = strideOrOptions(new.target.name, stride, options, CONV_LAYER_OPTIONS);
    super(0, 0, kernelSize, { ...o, bias: false });
    defer(this, outChannels, o);
  }

  override initializeParameters(input: Tensor): void {
    initialize(this, input);
  }
}

/**
 * A {@link ConvTranspose1d} whose inChannels are taken from the first input. Source: `torch.nn.LazyConvTranspose1d`.
 */
export class LazyConvTranspose1d extends LazyModuleMixin(ConvTranspose1d) {
  constructor(
    outChannels: number,
    kernelSize: Sizes,
    stride: Sizes | ConvTransposeLayerOptions = {},
    options?: ConvTransposeLayerOptions,
  ) {
    const o = strideOrOptions(new.target.name, stride, options, CONV_TRANSPOSE_LAYER_OPTIONS);
    super(0, 0, kernelSize, { ...o, bias: false });
    defer(this, outChannels, o);
  }

  override initializeParameters(input: Tensor): void {
    initialize(this, input);
  }
}

/**
 * A {@link ConvTranspose2d} whose inChannels are taken from the first input. Source: `torch.nn.LazyConvTranspose2d`.
 */
export class LazyConvTranspose2d extends LazyModuleMixin(ConvTranspose2d) {
  constructor(
    outChannels: number,
    kernelSize: Sizes,
    stride: Sizes | ConvTransposeLayerOptions = {},
    options?: ConvTransposeLayerOptions,
  ) {
    const o = strideOrOptions(new.target.name, stride, options, CONV_TRANSPOSE_LAYER_OPTIONS);
    super(0, 0, kernelSize, { ...o, bias: false });
    defer(this, outChannels, o);
  }

  override initializeParameters(input: Tensor): void {
    initialize(this, input);
  }
}

/**
 * A {@link ConvTranspose3d} whose inChannels are taken from the first input. Source: `torch.nn.LazyConvTranspose3d`.
 */
export class LazyConvTranspose3d extends LazyModuleMixin(ConvTranspose3d) {
  constructor(
    outChannels: number,
    kernelSize: Sizes,
    stride: Sizes | ConvTransposeLayerOptions = {},
    options?: ConvTransposeLayerOptions,
  ) {
    const o = strideOrOptions(new.target.name, stride, options, CONV_TRANSPOSE_LAYER_OPTIONS);
    super(0, 0, kernelSize, { ...o, bias: false });
    defer(this, outChannels, o);
  }

  override initializeParameters(input: Tensor): void {
    initialize(this, input);
  }
}
