/** Smooth activation layers and the softmax layers (`torch.nn.modules.activation`). */
import type { GeluApproximate } from "../ops/activation.js";
import { ShapeError, show } from "../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import * as F from "./functional/activation.js";
import { Module } from "./module.js";
import { showOptions } from "./print.js";
import { type InplaceOptions, inplaceOf, inplaceRepr } from "./rectifier.js";

const GELU_OPTIONS: OptionNames<{ approximate?: GeluApproximate }> = { approximate: 1 };

/** x Phi(x), Phi the normal distribution function; `approximate: "tanh"` takes the approximation. Source: `torch.nn.GELU`. */
export class GELU extends Module {
  /** @internal */ static readonly pure = true;
  /** "none" (default): exact, by erf; "tanh": an approximation. */
  approximate: GeluApproximate;

  constructor(options: GeluApproximate | { approximate?: GeluApproximate } = {}) {
    super();
    checkNames(this._getName(), options, GELU_OPTIONS);
    this.approximate = typeof options === "string" ? options : (options.approximate ?? "none");
  }

  forward(x: Tensor): Tensor {
    return F.gelu(x, { approximate: this.approximate });
  }

  override extraRepr(): string {
    return showOptions({ approximate: this.approximate });
  }
}

/** x sigmoid(x), also called swish. Source: `torch.nn.SiLU`. */
export class SiLU extends Module {
  /** @internal */ static readonly pure = true;
  /** Whether the result is written into the input (default false). */
  inplace: boolean;

  constructor(options: InplaceOptions | boolean = {}) {
    super();
    this.inplace = inplaceOf(this._getName(), options);
  }

  forward(x: Tensor): Tensor {
    return F.silu(x, { inplace: this.inplace });
  }

  override extraRepr(): string {
    return inplaceRepr({}, this.inplace);
  }
}

/** x tanh(softplus(x)). Source: `torch.nn.Mish`. */
export class Mish extends Module {
  /** @internal */ static readonly pure = true;
  /** Whether the result is written into the input (default false). */
  inplace: boolean;

  constructor(options: InplaceOptions | boolean = {}) {
    super();
    this.inplace = inplaceOf(this._getName(), options);
  }

  forward(x: Tensor): Tensor {
    return F.mish(x, { inplace: this.inplace });
  }

  override extraRepr(): string {
    return inplaceRepr({}, this.inplace);
  }
}

/** 1 / (1 + e^-x). Source: `torch.nn.Sigmoid`. */
export class Sigmoid extends Module {
  /** @internal */ static readonly pure = true;

  forward(x: Tensor): Tensor {
    return F.sigmoid(x);
  }
}

/** The hyperbolic tangent. Source: `torch.nn.Tanh`. */
export class Tanh extends Module {
  /** @internal */ static readonly pure = true;

  forward(x: Tensor): Tensor {
    return F.tanh(x);
  }
}

/** ln(sigmoid(x)). Source: `torch.nn.LogSigmoid`. */
export class LogSigmoid extends Module {
  /** @internal */ static readonly pure = true;

  forward(x: Tensor): Tensor {
    return F.logsigmoid(x);
  }
}

/** x / (1 + |x|). Source: `torch.nn.Softsign`. */
export class Softsign extends Module {
  /** @internal */ static readonly pure = true;

  forward(x: Tensor): Tensor {
    return F.softsign(x);
  }
}

/** x - tanh(x). Source: `torch.nn.Tanhshrink`. */
export class Tanhshrink extends Module {
  /** @internal */ static readonly pure = true;

  forward(x: Tensor): Tensor {
    return F.tanhshrink(x);
  }
}

const SOFTPLUS_OPTIONS: OptionNames<F.SoftplusOptions> = { beta: 1, threshold: 1 };

/** ln(1 + e^(beta x)) / beta, and x where beta x > threshold. Source: `torch.nn.Softplus`. */
export class Softplus extends Module {
  /** @internal */ static readonly pure = true;
  /** Steepness of the bend (default 1). */
  beta: number;
  /** Where x beta is above this, the result is x itself (default 20). */
  threshold: number;

  constructor(options: F.SoftplusOptions = {}) {
    super();
    checkOptions(this._getName(), options, SOFTPLUS_OPTIONS);
    this.beta = options.beta ?? 1;
    this.threshold = options.threshold ?? 20;
  }

  forward(x: Tensor): Tensor {
    return F.softplus(x, { beta: this.beta, threshold: this.threshold });
  }

  override extraRepr(): string {
    return showOptions({ beta: this.beta, threshold: this.threshold });
  }
}

const GLU_OPTIONS: OptionNames<{ dim?: number }> = { dim: 1 };

/** a sigmoid(b), a and b the halves of the input along `dim` (default -1). Source: `torch.nn.GLU`. */
export class GLU extends Module {
  /** @internal */ static readonly pure = true;
  /** Dimension that is split in half (default -1). */
  dim: number;

  constructor(options: number | { dim?: number } = {}) {
    super();
    checkNames(this._getName(), options, GLU_OPTIONS);
    this.dim = typeof options === "number" ? options : (options.dim ?? -1);
  }

  forward(x: Tensor): Tensor {
    return F.glu(x, this.dim);
  }

  override extraRepr(): string {
    return showOptions({ dim: this.dim });
  }
}

const SOFTMAX_OPTIONS: OptionNames<{ dim?: number | null }> = { dim: 1 };

/** e^x / sum e^x along `dim`. Source: `torch.nn.Softmax`. */
export class Softmax extends Module {
  /** @internal */ static readonly pure = true;
  /** Dimension along which the results sum to 1; null: by the number of dimensions, as old PyTorch did. */
  dim: number | null;

  constructor(options: number | { dim?: number | null } | null = null) {
    super();
    checkNames(this._getName(), options, SOFTMAX_OPTIONS);
    this.dim = typeof options === "number" ? options : (options?.dim ?? null);
  }

  forward(x: Tensor): Tensor {
    return F.softmax(x, { dim: this.dim });
  }

  override extraRepr(): string {
    return showOptions({ dim: this.dim });
  }
}

/** ln(softmax(x)) along `dim`. Source: `torch.nn.LogSoftmax`. */
export class LogSoftmax extends Module {
  /** @internal */ static readonly pure = true;
  /** Dimension along which the exponentials of the results sum to 1; null: by the number of dimensions. */
  dim: number | null;

  constructor(options: number | { dim?: number | null } | null = null) {
    super();
    checkNames(this._getName(), options, SOFTMAX_OPTIONS);
    this.dim = typeof options === "number" ? options : (options?.dim ?? null);
  }

  forward(x: Tensor): Tensor {
    return F.logSoftmax(x, { dim: this.dim });
  }

  override extraRepr(): string {
    return showOptions({ dim: this.dim });
  }
}

/** softmax(-x) along `dim`. Source: `torch.nn.Softmin`. */
export class Softmin extends Module {
  /** @internal */ static readonly pure = true;
  /** Dimension along which the results sum to 1; null: by the number of dimensions. */
  dim: number | null;

  constructor(options: number | { dim?: number | null } | null = null) {
    super();
    checkNames(this._getName(), options, SOFTMAX_OPTIONS);
    this.dim = typeof options === "number" ? options : (options?.dim ?? null);
  }

  forward(x: Tensor): Tensor {
    return F.softmin(x, { dim: this.dim });
  }

  override extraRepr(): string {
    return showOptions({ dim: this.dim });
  }
}

/** Softmax over the channels of (N, C, H, W) or (C, H, W). Source: `torch.nn.Softmax2d`. @throws ShapeError for another rank. */
export class Softmax2d extends Module {
  /** @internal */ static readonly pure = true;

  forward(x: Tensor): Tensor {
    if (x.shape.length !== 3 && x.shape.length !== 4) {
      throw new ShapeError(`[Softmax2d] expected (N, C, H, W) or (C, H, W), got ${show(x.shape)}`);
    }
    return F.softmax(x, -3);
  }
}
