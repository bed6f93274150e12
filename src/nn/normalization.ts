/** Normalization within a sample: by layer, by group of channels, by neighbours (`torch.nn.modules.normalization`). */
import { groupNorm } from "../ops/groupNorm.js";
import { layerNorm, rmsNorm } from "../ops/layerNorm.js";
import { crossMapLRN2d, localResponseNorm } from "../ops/localResponseNorm.js";
import { empty } from "../tensor/create.js";
import type { DType } from "../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { ones_, zeros_ } from "./init.js";
import { checkSize } from "./linear.js";
import { Module } from "./module.js";
import { Parameter } from "./parameter.js";
import { showOptions, showValue } from "./print.js";

/** Options of {@link LayerNorm}. */
export interface LayerNormLayerOptions {
  /** Added to the variance under the root (default 1e-5). */
  eps?: number;
  /** Whether weight and bias are learned, one of each for every normalised element (default true). */
  elementwiseAffine?: boolean;
  /** With `elementwiseAffine`: whether there is a bias (default true). */
  bias?: boolean;
  /** Element type of the parameters (default: the default float). */
  dtype?: DType;
}

const LAYER_NORM_LAYER_OPTIONS: OptionNames<LayerNormLayerOptions> = {
  eps: 1,
  elementwiseAffine: 1,
  bias: 1,
  dtype: 1,
};

/** The sizes of the normalised dimensions. */
function checkedShape(layer: string, normalizedShape: Shape | number): Shape {
  const shape = typeof normalizedShape === "number" ? [normalizedShape] : [...normalizedShape];
  if (shape.length === 0)
    throw new ShapeError(`[${layer}] normalizedShape must have at least one dimension, got []`);
  for (const size of shape) checkSize(layer, `normalizedShape ${show(shape)}`, size);
  return shape;
}

/**
 * y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias over the last dimensions, each place before them by itself, in
 * training as in eval mode. Input and output (*, normalizedShape). Weight starts at 1, bias at 0.
 * Source: `torch.nn.LayerNorm`.
 * `normalizedShape` holds the sizes of the last dimensions, or is the size of the last one.
 * @throws ShapeError when the input does not end in `normalizedShape`.
 * @example
 * new LayerNorm(10)(randn([20, 5, 10])).shape; // [20, 5, 10]
 */
export class LayerNorm extends Module {
  /** @internal */ static readonly pure = true;
  /** The last dimensions, over which is normalised. */
  normalizedShape: Shape;
  /** Added to the variance under the root (default 1e-5). */
  eps: number;
  /** Whether weight and bias are learned (default true). */
  elementwiseAffine: boolean;
  /** The learned factors, of the normalized shape, 1 at first; null without `elementwiseAffine`. */
  weight: Parameter | null;
  /**
   * The learned summands, of the normalized shape, 0 at first; null without `elementwiseAffine` or with
   * `bias: false`.
   */
  bias: Parameter | null;

  constructor(normalizedShape: Shape | number, options: LayerNormLayerOptions = {}) {
    super();
    checkOptions(this._getName(), options, LAYER_NORM_LAYER_OPTIONS);
    const { eps = 1e-5, elementwiseAffine = true, bias = true, dtype } = options;
    const shape = checkedShape("LayerNorm", normalizedShape);
    const create = dtype === undefined ? {} : { dtype };
    this.normalizedShape = shape;
    this.eps = eps;
    this.elementwiseAffine = elementwiseAffine;
    this.weight = elementwiseAffine ? new Parameter(empty(shape, create)) : null;
    this.bias = elementwiseAffine && bias ? new Parameter(empty(shape, create)) : null;
    this.resetParameters();
  }

  /** Weight 1, bias 0. */
  resetParameters(): void {
    if (this.weight !== null) ones_(this.weight);
    if (this.bias !== null) zeros_(this.bias);
  }

  forward(x: Tensor): Tensor {
    const { weight, bias, eps } = this;
    return layerNorm(x, this.normalizedShape, { weight, bias, eps });
  }

  override extraRepr(): string {
    const { normalizedShape, eps, elementwiseAffine } = this;
    return `${showValue(normalizedShape)}, ${showOptions({ eps, elementwiseAffine })}`;
  }
}

/** Options of {@link RMSNorm}. */
export interface RMSNormLayerOptions {
  /** Added to the mean square under the root (default null: the spacing of the dtype's numbers at 1). */
  eps?: number | null;
  /** Whether a weight is learned for every normalised element (default true). */
  elementwiseAffine?: boolean;
  /** Element type of the parameters (default: the default float). */
  dtype?: DType;
}

const RMS_NORM_LAYER_OPTIONS: OptionNames<RMSNormLayerOptions> = { eps: 1, elementwiseAffine: 1, dtype: 1 };

/**
 * y = x / sqrt(E[x^2] + eps) * weight over the last dimensions. Source: `torch.nn.RMSNorm`.
 * @throws ShapeError when the input does not end in `normalizedShape`.
 * @example
 * new RMSNorm([10])(randn([20, 5, 10])).shape; // [20, 5, 10]
 */
export class RMSNorm extends Module {
  /** @internal */ static readonly pure = true;
  /** The last dimensions, over which is normalised. */
  normalizedShape: Shape;
  /** Added to the mean square under the root; null: the eps of the dtype. */
  eps: number | null;
  /** Whether the weight is learned (default true). */
  elementwiseAffine: boolean;
  /** The learned factors, of the normalized shape, 1 at first; null without `elementwiseAffine`. */
  weight: Parameter | null;

  constructor(normalizedShape: Shape | number, options: RMSNormLayerOptions = {}) {
    super();
    checkOptions(this._getName(), options, RMS_NORM_LAYER_OPTIONS);
    const { eps = null, elementwiseAffine = true, dtype } = options;
    const shape = checkedShape("RMSNorm", normalizedShape);
    this.normalizedShape = shape;
    this.eps = eps;
    this.elementwiseAffine = elementwiseAffine;
    this.weight = elementwiseAffine
      ? new Parameter(empty(shape, dtype === undefined ? {} : { dtype }))
      : null;
    this.resetParameters();
  }

  /** Weight 1. */
  resetParameters(): void {
    if (this.weight !== null) ones_(this.weight);
  }

  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.normalizedShape, { weight: this.weight, eps: this.eps });
  }

  override extraRepr(): string {
    const { normalizedShape, eps, elementwiseAffine } = this;
    return `${showValue(normalizedShape)}, ${showOptions({ eps, elementwiseAffine })}`;
  }
}

/** Options of {@link GroupNorm}. */
export interface GroupNormLayerOptions {
  /** Added to the variance under the root (default 1e-5). */
  eps?: number;
  /** Whether weight and bias are learned, one of each per channel (default true). */
  affine?: boolean;
  /** Element type of the parameters (default: the default float). */
  dtype?: DType;
}

const GROUP_NORM_LAYER_OPTIONS: OptionNames<GroupNormLayerOptions> = { eps: 1, affine: 1, dtype: 1 };

/**
 * Normalises `numGroups` groups of neighbouring channels, each sample by itself. Input and output (N, C, *).
 * Source: `torch.nn.GroupNorm`.
 * @throws ValueError when `numChannels` is no multiple of `numGroups`.
 * @example
 * new GroupNorm(3, 6)(randn([20, 6, 10, 10])).shape; // [20, 6, 10, 10]
 */
export class GroupNorm extends Module {
  /** @internal */ static readonly pure = true;
  /** Blocks of channels that are normalised together. */
  numGroups: number;
  /** Number of channels; numGroups divides it. */
  numChannels: number;
  /** Added to the variance under the root (default 1e-5). */
  eps: number;
  /** Whether weight and bias are learned (default true). */
  affine: boolean;
  /** The learned factors, (numChannels), 1 at first; null with `affine: false`. */
  weight: Parameter | null;
  /** The learned summands, (numChannels), 0 at first; null with `affine: false`. */
  bias: Parameter | null;

  constructor(numGroups: number, numChannels: number, options: GroupNormLayerOptions = {}) {
    super();
    checkOptions(this._getName(), options, GROUP_NORM_LAYER_OPTIONS);
    const { eps = 1e-5, affine = true, dtype } = options;
    checkSize("GroupNorm", "numGroups", numGroups);
    checkSize("GroupNorm", "numChannels", numChannels);
    if (numGroups === 0 || numChannels % numGroups !== 0) {
      throw new ValueError(
        `[GroupNorm] num_channels must be divisible by num_groups: got numChannels ${numChannels}, numGroups ${numGroups}`,
      );
    }
    const create = dtype === undefined ? {} : { dtype };
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
    this.affine = affine;
    this.weight = affine ? new Parameter(empty([numChannels], create)) : null;
    this.bias = affine ? new Parameter(empty([numChannels], create)) : null;
    this.resetParameters();
  }

  /** Weight 1, bias 0. */
  resetParameters(): void {
    if (this.weight !== null) ones_(this.weight);
    if (this.bias !== null) zeros_(this.bias);
  }

  forward(x: Tensor): Tensor {
    const { weight, bias, eps } = this;
    return groupNorm(x, this.numGroups, { weight, bias, eps });
  }

  override extraRepr(): string {
    const { numGroups, numChannels, eps, affine } = this;
    return `${numGroups}, ${numChannels}, ${showOptions({ eps, affine })}`;
  }
}

/** Options of {@link LocalResponseNorm} and {@link CrossMapLRN2d}. */
export interface LocalResponseNormLayerOptions {
  /** Factor of the mean of squares (default 1e-4). */
  alpha?: number;
  /** Exponent (default 0.75). */
  beta?: number;
  /** Summand (default 1). */
  k?: number;
}

const LOCAL_RESPONSE_NORM_LAYER_OPTIONS: OptionNames<LocalResponseNormLayerOptions> = {
  alpha: 1,
  beta: 1,
  k: 1,
};

/**
 * y_c = x_c / (k + alpha / size * sum of x^2 over `size` channels around c)^beta. Input (N, C, *).
 * Source: `torch.nn.LocalResponseNorm`.
 * @throws ShapeError for inputs of fewer than 3 dimensions.
 */
export class LocalResponseNorm extends Module {
  /** @internal */ static readonly pure = true;
  /** Number of neighbouring channels. */
  size: number;
  /** Factor of the mean square (default 1e-4). */
  alpha: number;
  /** Exponent of the divisor (default 0.75). */
  beta: number;
  /** Summand of the divisor (default 1). */
  k: number;

  constructor(size: number, options: LocalResponseNormLayerOptions = {}) {
    super();
    checkOptions(this._getName(), options, LOCAL_RESPONSE_NORM_LAYER_OPTIONS);
    const { alpha = 1e-4, beta = 0.75, k = 1 } = options;
    this.size = size;
    this.alpha = alpha;
    this.beta = beta;
    this.k = k;
  }

  forward(x: Tensor): Tensor {
    const { alpha, beta, k } = this;
    return localResponseNorm(x, this.size, { alpha, beta, k });
  }

  override extraRepr(): string {
    const { alpha, beta, k } = this;
    return `${this.size}, ${showOptions({ alpha, beta, k })}`;
  }
}

/** {@link LocalResponseNorm} as in Caffe and Torch7, for (N, C, H, W). Source: `torch.nn.CrossMapLRN2d`. */
export class CrossMapLRN2d extends LocalResponseNorm {
  override forward(x: Tensor): Tensor {
    const { alpha, beta, k } = this;
    return crossMapLRN2d(x, this.size, { alpha, beta, k });
  }
}
