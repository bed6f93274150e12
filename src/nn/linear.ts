/** Affine layers: Identity, Linear, Bilinear, LazyLinear. */
import { bilinear, linear } from "../ops/linear.js";
import { empty } from "../tensor/create.js";
import type { DType } from "../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { calculateFanInAndFanOut, kaimingUniform_, uniform_ } from "./init.js";
import { LazyModuleMixin } from "./lazy.js";
import { Module } from "./module.js";
import { Parameter } from "./parameter.js";
import { showOptions } from "./print.js";
import { isLazy, UninitializedParameter } from "./uninitialized.js";

/** Returns its input; any arguments of the constructor are ignored. Source: `torch.nn.Identity`. */
export class Identity extends Module {
  /** @internal */ static readonly pure = true;

  constructor(..._ignored: unknown[]) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x;
  }
}

/** Options of layers with a weight and a bias. */
export interface AffineOptions {
  /** Whether to add a learned bias (default true). */
  bias?: boolean;
  /** Element type of the parameters (default: the default float). */
  dtype?: DType;
}

const AFFINE_OPTIONS: OptionNames<AffineOptions> = { bias: 1, dtype: 1 };

/** The options, or the flag for the bias alone. */
function affineOf(layer: string, options: AffineOptions | boolean): AffineOptions {
  if (typeof options === "boolean") return { bias: options };
  checkOptions(layer, options, AFFINE_OPTIONS);
  return options;
}

/** Throws unless a size of a layer is a whole number from 0 on. @internal */
export function checkSize(layer: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value < 0)
    throw new ValueError(`[${layer}] ${name} must be a whole number >= 0, got ${value}`);
}

/**
 * y = x W^T + b. Input (*, inFeatures), output (*, outFeatures). The weight, (outFeatures, inFeatures), and the bias
 * start uniform in ±1/sqrt(inFeatures). Source: `torch.nn.Linear`.
 * @example
 * new Linear(20, 30)(ones([128, 20])).shape; // [128, 30]
 */
export class Linear extends Module {
  /** @internal */ static readonly pure = true;
  /** Size of the last dimension of the input. */
  inFeatures: number;
  /** Size of the last dimension of the output. */
  outFeatures: number;
  /** The learned matrix, (outFeatures, inFeatures). */
  weight: Parameter;
  /** The learned bias, (outFeatures), or null with `bias: false`. */
  bias: Parameter | null;

  constructor(inFeatures: number, outFeatures: number, options: AffineOptions | boolean = {}) {
    super();
    const { bias = true, dtype } = affineOf(this._getName(), options);
    checkSize("Linear", "inFeatures", inFeatures);
    checkSize("Linear", "outFeatures", outFeatures);
    const create = dtype === undefined ? {} : { dtype };
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = new Parameter(empty([outFeatures, inFeatures], create));
    this.bias = bias ? new Parameter(empty([outFeatures], create)) : null;
    this.resetParameters();
  }

  /** Draws new initial values. */
  resetParameters(): void {
    kaimingUniform_(this.weight, { a: Math.sqrt(5) });
    if (this.bias === null) return;
    const [fanIn] = calculateFanInAndFanOut(this.weight);
    const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
    uniform_(this.bias, -bound, bound);
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }

  override extraRepr(): string {
    const { inFeatures, outFeatures } = this;
    return showOptions({ inFeatures, outFeatures, bias: this.bias !== null });
  }
}

/**
 * y_k = x1^T W_k x2 + b_k. Inputs (*, in1Features) and (*, in2Features), output (*, outFeatures); the weight is
 * (outFeatures, in1Features, in2Features). Source: `torch.nn.Bilinear`.
 */
export class Bilinear extends Module<[input1: Tensor, input2: Tensor]> {
  /** Size of the last dimension of the first input. */
  in1Features: number;
  /** Size of the last dimension of the second input. */
  in2Features: number;
  /** Size of the last dimension of the output. */
  outFeatures: number;
  /** The learned weight, (outFeatures, in1Features, in2Features). */
  weight: Parameter;
  /** The learned bias, (outFeatures), or null with `bias: false`. */
  bias: Parameter | null;

  constructor(
    in1Features: number,
    in2Features: number,
    outFeatures: number,
    options: AffineOptions | boolean = {},
  ) {
    super();
    const { bias = true, dtype } = affineOf(this._getName(), options);
    checkSize("Bilinear", "in1Features", in1Features);
    checkSize("Bilinear", "in2Features", in2Features);
    checkSize("Bilinear", "outFeatures", outFeatures);
    const create = dtype === undefined ? {} : { dtype };
    this.in1Features = in1Features;
    this.in2Features = in2Features;
    this.outFeatures = outFeatures;
    this.weight = new Parameter(empty([outFeatures, in1Features, in2Features], create));
    this.bias = bias ? new Parameter(empty([outFeatures], create)) : null;
    this.resetParameters();
  }

  /** Draws new initial values: uniform in ±1/sqrt(in1Features). */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.weight.shape[1] as number);
    uniform_(this.weight, -bound, bound);
    if (this.bias !== null) uniform_(this.bias, -bound, bound);
  }

  forward(input1: Tensor, input2: Tensor): Tensor {
    return bilinear(input1, input2, this.weight, this.bias);
  }

  override extraRepr(): string {
    const { in1Features, in2Features, outFeatures } = this;
    return showOptions({ in1Features, in2Features, outFeatures, bias: this.bias !== null });
  }
}

/**
 * A {@link Linear} whose inFeatures are taken from the last dimension of the first input. Source: `torch.nn.LazyLinear`.
 * @example
 * const layer = new LazyLinear(3);
 * layer(ones([2, 5])).shape; // [2, 3]
 * layer.inFeatures; // 5
 */
export class LazyLinear extends LazyModuleMixin(Linear) {
  constructor(outFeatures: number, options: AffineOptions | boolean = {}) {
    const { bias = true, dtype } = affineOf(new.target.name, options);
    // Sizes of 0 first, so that no random numbers are drawn.
    super(0, 0, { bias: false, ...(dtype === undefined ? {} : { dtype }) });
    const own = dtype === undefined ? { dtype: this.weight.dtype } : { dtype };
    checkSize("LazyLinear", "outFeatures", outFeatures);
    this.outFeatures = outFeatures;
    this.weight = new UninitializedParameter(own);
    this.bias = bias ? new UninitializedParameter(own) : null;
  }

  override initializeParameters(x: Tensor): void {
    if (x.shape.length === 0)
      throw new ShapeError(`[LazyLinear] expected an input with dimensions, got ${show(x.shape)}`);
    this.inFeatures = x.shape.at(-1) as number;
    if (!this.hasUninitializedParams()) return;
    if (isLazy(this.weight)) this.weight.materialize([this.outFeatures, this.inFeatures]);
    if (isLazy(this.bias)) this.bias.materialize([this.outFeatures]);
    this.resetParameters();
  }
}
