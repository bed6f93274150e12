/** Activation layers made of straight pieces, and the ELU family (`torch.nn.modules.activation`). */
import { full } from "../tensor/create.js";
import { type DType, getDefaultDtype } from "../tensor/dtype.js";
import { ValueError } from "../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import * as F from "./functional/activation.js";
import { named } from "./functional/positional.js";
import { constant_ } from "./init.js";
import { Module } from "./module.js";
import { Parameter } from "./parameter.js";
import { showOptions } from "./print.js";

/** Options of layers that can write into their input. */
export type InplaceOptions = F.InplaceOptions;

/** @internal */
export const INPLACE_OPTIONS: OptionNames<InplaceOptions> = { inplace: 1 };

/** Whether a layer works in place. @internal */
export function inplaceOf(layer: string, options: InplaceOptions | boolean): boolean {
  checkNames(layer, options, INPLACE_OPTIONS);
  return typeof options === "boolean" ? options : (options.inplace ?? false);
}

/** What is printed of a layer that can work in place. @internal */
export function inplaceRepr(options: Readonly<Record<string, unknown>>, inplace: boolean): string {
  return showOptions(inplace ? { ...options, inplace } : options);
}

/** max(x, 0). Source: `torch.nn.ReLU`. */
export class ReLU extends Module {
  /** @internal */ static readonly pure = true;
  /** Whether the result is written into the input (default false). */
  inplace: boolean;

  constructor(options: InplaceOptions | boolean = {}) {
    super();
    this.inplace = inplaceOf(this._getName(), options);
  }

  forward(x: Tensor): Tensor {
    return F.relu(x, { inplace: this.inplace });
  }

  override extraRepr(): string {
    return inplaceRepr({}, this.inplace);
  }
}

const HARDTANH_OPTIONS: OptionNames<
  F.HardtanhOptions & { minValue?: number | null; maxValue?: number | null }
> = { minVal: 1, maxVal: 1, inplace: 1, minValue: 1, maxValue: 1 };

/** x cut to [minVal, maxVal], by default [-1, 1]. Source: `torch.nn.Hardtanh`. @throws ValueError unless minVal < maxVal. */
export class Hardtanh extends Module {
  /** @internal */ static readonly pure = true;
  /** Smallest result (default -1). */
  minVal: number;
  /** Largest result (default 1). */
  maxVal: number;
  /** Whether the result is written into the input (default false). */
  inplace: boolean;

  /** `minValue` and `maxValue` are older names of `minVal` and `maxVal`. */
  constructor(options?: F.HardtanhOptions & { minValue?: number | null; maxValue?: number | null });
  /** Both ends by position, as `new Hardtanh(0, 20)`. */
  constructor(minVal: number, maxVal?: number, options?: InplaceOptions);
  constructor(
    first: number | (F.HardtanhOptions & { minValue?: number | null; maxValue?: number | null }) = {},
    maxVal?: number,
    more?: InplaceOptions,
  ) {
    super();
    checkNames(this._getName(), first, HARDTANH_OPTIONS);
    checkOptions(this._getName(), more, INPLACE_OPTIONS);
    const options: F.HardtanhOptions & { minValue?: number | null; maxValue?: number | null } =
      typeof first === "number" ? { ...more, minValue: first, maxValue: maxVal ?? null } : first;
    this.minVal = options.minValue ?? options.minVal ?? -1;
    this.maxVal = options.maxValue ?? options.maxVal ?? 1;
    this.inplace = options.inplace ?? false;
    if (!(this.maxVal > this.minVal)) {
      throw new ValueError(`[Hardtanh] minVal must be < maxVal, got ${this.minVal} and ${this.maxVal}`);
    }
  }

  forward(x: Tensor): Tensor {
    const { minVal, maxVal, inplace } = this;
    return F.hardtanh(x, { minVal, maxVal, inplace });
  }

  override extraRepr(): string {
    return inplaceRepr({ minVal: this.minVal, maxVal: this.maxVal }, this.inplace);
  }
}

/** min(max(x, 0), 6). Source: `torch.nn.ReLU6`. */
export class ReLU6 extends Hardtanh {
  /** @internal */ static override readonly pure = true;

  constructor(options: InplaceOptions | boolean = {}) {
    super({ minVal: 0, maxVal: 6, inplace: inplaceOf(new.target.name, options) });
  }

  override extraRepr(): string {
    return inplaceRepr({}, this.inplace);
  }
}

const LEAKY_RELU_OPTIONS: OptionNames<F.LeakyReluOptions> = { negativeSlope: 1, inplace: 1 };

/** x > 0 ? x : negativeSlope x. Source: `torch.nn.LeakyReLU`. */
export class LeakyReLU extends Module {
  /** @internal */ static readonly pure = true;
  /** Slope below 0 (default 0.01). */
  negativeSlope: number;
  /** Whether the result is written into the input (default false). */
  inplace: boolean;

  constructor(negativeSlope: number | F.LeakyReluOptions = {}, options: InplaceOptions = {}) {
    super();
    const o = named(this._getName(), "negativeSlope", negativeSlope, options, LEAKY_RELU_OPTIONS);
    this.negativeSlope = o?.negativeSlope ?? 0.01;
    this.inplace = o?.inplace ?? false;
  }

  forward(x: Tensor): Tensor {
    return F.leakyRelu(x, { negativeSlope: this.negativeSlope, inplace: this.inplace });
  }

  override extraRepr(): string {
    return inplaceRepr({ negativeSlope: this.negativeSlope }, this.inplace);
  }
}

const RRELU_OPTIONS: OptionNames<Omit<F.RreluOptions, "training" | "generator">> = {
  lower: 1,
  upper: 1,
  inplace: 1,
};

/**
 * x > 0 ? x : slope x, with a slope drawn from [lower, upper) for each element while training, else their mean.
 * Source: `torch.nn.RReLU`.
 */
export class RReLU extends Module {
  /** @internal */ static readonly pure = true;
  /** Smallest slope below 0 (default 1/8). */
  lower: number;
  /** Largest slope below 0 (default 1/3). */
  upper: number;
  /** Whether the result is written into the input (default false). */
  inplace: boolean;

  constructor(options?: Omit<F.RreluOptions, "training" | "generator">);
  /** Both slopes by position, as `new RReLU(0.1, 0.3)`. */
  constructor(lower: number, upper?: number, options?: InplaceOptions);
  constructor(
    first: number | Omit<F.RreluOptions, "training" | "generator"> = {},
    upper?: number,
    more?: InplaceOptions,
  ) {
    super();
    checkNames(this._getName(), first, RRELU_OPTIONS);
    checkOptions(this._getName(), more, INPLACE_OPTIONS);
    const options = typeof first === "number" ? { ...more, lower: first, upper: upper ?? 1 / 3 } : first;
    this.lower = options.lower ?? 1 / 8;
    this.upper = options.upper ?? 1 / 3;
    this.inplace = options.inplace ?? false;
  }

  forward(x: Tensor): Tensor {
    const { lower, upper, training, inplace } = this;
    return F.rrelu(x, { lower, upper, training, inplace });
  }

  override extraRepr(): string {
    return inplaceRepr({ lower: this.lower, upper: this.upper }, this.inplace);
  }
}

/** Options of {@link PReLU}. */
export interface PReLUOptions {
  /** 1, or the number of channels (default 1). */
  numParameters?: number;
  /** First value (default 0.25). */
  init?: number;
  /** Element type of the weight (default: the default float). */
  dtype?: DType;
}

const PRELU_OPTIONS: OptionNames<PReLUOptions> = { numParameters: 1, init: 1, dtype: 1 };

/** x > 0 ? x : w x with a learned slope, one for all or one for each channel (dimension 1). Source: `torch.nn.PReLU`. */
export class PReLU extends Module {
  /** @internal */ static readonly pure = true;
  /** Number of slopes: 1, or one for each channel (default 1). */
  numParameters: number;
  /** Slope to start with (default 0.25). */
  init: number;
  /** The learned slopes below 0, (numParameters). */
  weight: Parameter;

  constructor(options: number | PReLUOptions = {}) {
    super();
    checkNames(this._getName(), options, PRELU_OPTIONS);
    const o: PReLUOptions = typeof options === "number" ? { numParameters: options } : options;
    this.numParameters = o.numParameters ?? 1;
    this.init = o.init ?? 0.25;
    this.weight = new Parameter(
      full([this.numParameters], this.init, { dtype: o.dtype ?? getDefaultDtype() }),
    );
  }

  /** Sets the slopes to their first value. */
  resetParameters(): void {
    constant_(this.weight, this.init);
  }

  forward(x: Tensor): Tensor {
    return F.prelu(x, this.weight);
  }

  override extraRepr(): string {
    return showOptions({ numParameters: this.numParameters });
  }
}

/** x > threshold ? x : value. Source: `torch.nn.Threshold`. */
export class Threshold extends Module {
  /** @internal */ static readonly pure = true;
  /** Values up to this one are replaced. */
  threshold: number;
  /** What they are replaced by. */
  value: number;
  /** Whether the result is written into the input (default false). */
  inplace: boolean;

  constructor(threshold: number, value: number, options: InplaceOptions | boolean = {}) {
    super();
    this.threshold = threshold;
    this.value = value;
    this.inplace = inplaceOf(this._getName(), options);
  }

  forward(x: Tensor): Tensor {
    return F.threshold(x, this.threshold, this.value, { inplace: this.inplace });
  }

  override extraRepr(): string {
    return inplaceRepr({ threshold: this.threshold, value: this.value }, this.inplace);
  }
}

const ALPHA_OPTIONS: OptionNames<F.AlphaOptions> = { alpha: 1, inplace: 1 };

/** x > 0 ? x : alpha (e^x - 1). Source: `torch.nn.ELU`. */
export class ELU extends Module {
  /** @internal */ static readonly pure = true;
  /** The result tends to -alpha for small x (default 1). */
  alpha: number;
  /** Whether the result is written into the input (default false). */
  inplace: boolean;

  constructor(alpha: number | F.AlphaOptions = {}, options: InplaceOptions = {}) {
    super();
    const o = named(this._getName(), "alpha", alpha, options, ALPHA_OPTIONS);
    this.alpha = o?.alpha ?? 1;
    this.inplace = o?.inplace ?? false;
  }

  forward(x: Tensor): Tensor {
    return F.elu(x, { alpha: this.alpha, inplace: this.inplace });
  }

  override extraRepr(): string {
    return inplaceRepr({ alpha: this.alpha }, this.inplace);
  }
}

/** x > 0 ? x : alpha (e^(x / alpha) - 1). Source: `torch.nn.CELU`. */
export class CELU extends Module {
  /** @internal */ static readonly pure = true;
  /** The result tends to -alpha for small x (default 1). */
  alpha: number;
  /** Whether the result is written into the input (default false). */
  inplace: boolean;

  constructor(alpha: number | F.AlphaOptions = {}, options: InplaceOptions = {}) {
    super();
    const o = named(this._getName(), "alpha", alpha, options, ALPHA_OPTIONS);
    this.alpha = o?.alpha ?? 1;
    this.inplace = o?.inplace ?? false;
  }

  forward(x: Tensor): Tensor {
    return F.celu(x, { alpha: this.alpha, inplace: this.inplace });
  }

  override extraRepr(): string {
    return inplaceRepr({ alpha: this.alpha }, this.inplace);
  }
}

/** The scaled ELU of self-normalising networks. Source: `torch.nn.SELU`. */
export class SELU extends Module {
  /** @internal */ static readonly pure = true;
  /** Whether the result is written into the input (default false). */
  inplace: boolean;

  constructor(options: InplaceOptions | boolean = {}) {
    super();
    this.inplace = inplaceOf(this._getName(), options);
  }

  forward(x: Tensor): Tensor {
    return F.selu(x, { inplace: this.inplace });
  }

  override extraRepr(): string {
    return inplaceRepr({}, this.inplace);
  }
}

/** x min(max(x + 3, 0), 6) / 6. Source: `torch.nn.Hardswish`. */
export class Hardswish extends Module {
  /** @internal */ static readonly pure = true;
  /** Whether the result is written into the input (default false). */
  inplace: boolean;

  constructor(options: InplaceOptions | boolean = {}) {
    super();
    this.inplace = inplaceOf(this._getName(), options);
  }

  forward(x: Tensor): Tensor {
    return F.hardswish(x, { inplace: this.inplace });
  }
}

/** min(max(x + 3, 0), 6) / 6. Source: `torch.nn.Hardsigmoid`. */
export class Hardsigmoid extends Module {
  /** @internal */ static readonly pure = true;
  /** Whether the result is written into the input (default false). */
  inplace: boolean;

  constructor(options: InplaceOptions | boolean = {}) {
    super();
    this.inplace = inplaceOf(this._getName(), options);
  }

  forward(x: Tensor): Tensor {
    return F.hardsigmoid(x, { inplace: this.inplace });
  }
}

const SOFTSHRINK_OPTIONS: OptionNames<{ lambd?: number }> = { lambd: 1 };

/** x moved by lambd towards 0, 0 within. Source: `torch.nn.Softshrink`. */
export class Softshrink extends Module {
  /** @internal */ static readonly pure = true;
  /** How far values are moved towards 0 (default 0.5). */
  lambd: number;

  constructor(options: number | { lambd?: number } = {}) {
    super();
    checkNames(this._getName(), options, SOFTSHRINK_OPTIONS);
    this.lambd = typeof options === "number" ? options : (options.lambd ?? 0.5);
  }

  forward(x: Tensor): Tensor {
    return F.softshrink(x, this.lambd);
  }

  override extraRepr(): string {
    return String(this.lambd);
  }
}

/** x, and 0 within [-lambd, lambd]. Source: `torch.nn.Hardshrink`. */
export class Hardshrink extends Module {
  /** @internal */ static readonly pure = true;
  /** Values from -lambd to lambd become 0 (default 0.5). */
  lambd: number;

  constructor(options: number | { lambd?: number } = {}) {
    super();
    checkNames(this._getName(), options, SOFTSHRINK_OPTIONS);
    this.lambd = typeof options === "number" ? options : (options.lambd ?? 0.5);
  }

  forward(x: Tensor): Tensor {
    return F.hardshrink(x, this.lambd);
  }

  override extraRepr(): string {
    return String(this.lambd);
  }
}
