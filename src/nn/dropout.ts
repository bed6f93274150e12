/** Dropout layers (`torch.nn.modules.dropout`). */

import { ValueError } from "../tensor/errors.js";
import type { OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import type { InplaceOptions } from "./functional/activation.js";
import * as F from "./functional/dropout.js";
import { named } from "./functional/positional.js";
import { Module } from "./module.js";
import { showOptions } from "./print.js";

/** Options of dropout layers. */
export interface DropoutLayerOptions {
  /** Probability of an element (or channel) to be dropped (default 0.5). */
  p?: number;
  /** Write the result into the input (default false). */
  inplace?: boolean;
}

const DROPOUT_LAYER_OPTIONS: OptionNames<DropoutLayerOptions> = { p: 1, inplace: 1 };

/** What the dropout layers share. */
abstract class DropoutBase extends Module {
  /** Probability of an element (or channel) to be dropped (default 0.5). */
  p: number;
  /** Whether the result is written into the input (default false). */
  inplace: boolean;

  constructor(p: number | DropoutLayerOptions = {}, options: InplaceOptions = {}) {
    super();
    const { p: probability = 0.5, inplace = false } =
      named(this._getName(), "p", p, options, DROPOUT_LAYER_OPTIONS) ?? {};
    if (!(probability >= 0 && probability <= 1))
      throw new ValueError(`[${this._getName()}] p must be a probability, from 0 to 1: got ${probability}`);
    this.p = probability;
    this.inplace = inplace;
  }

  /** @internal */
  protected settings(): F.DropoutOptions {
    const { p, training, inplace } = this;
    return { p, training, inplace };
  }

  /** What stands between the parentheses when the module is printed. */
  override extraRepr(): string {
    return showOptions({ p: this.p, inplace: this.inplace });
  }
}

/**
 * While training, sets elements to zero with probability p and divides the others by 1 - p. Source: `torch.nn.Dropout`.
 * @throws ValueError when p is no probability.
 */
export class Dropout extends DropoutBase {
  /** @internal */ static readonly pure = true;

  forward(x: Tensor): Tensor {
    return F.dropout(x, this.settings());
  }
}

/** While training, drops whole channels of (N, C, L) or (C, L). Source: `torch.nn.Dropout1d`. */
export class Dropout1d extends DropoutBase {
  /** @internal */ static readonly pure = true;

  forward(x: Tensor): Tensor {
    return F.dropout1d(x, this.settings());
  }
}

/** While training, drops whole channels of (N, C, H, W). Source: `torch.nn.Dropout2d`. */
export class Dropout2d extends DropoutBase {
  /** @internal */ static readonly pure = true;

  forward(x: Tensor): Tensor {
    return F.dropout2d(x, this.settings());
  }
}

/** While training, drops whole channels of (N, C, D, H, W) or (C, D, H, W). Source: `torch.nn.Dropout3d`. */
export class Dropout3d extends DropoutBase {
  /** @internal */ static readonly pure = true;

  forward(x: Tensor): Tensor {
    return F.dropout3d(x, this.settings());
  }
}

/** While training, dropout that keeps mean and variance of what SELU gives. Source: `torch.nn.AlphaDropout`. */
export class AlphaDropout extends DropoutBase {
  /** @internal */ static readonly pure = true;

  forward(x: Tensor): Tensor {
    return F.alphaDropout(x, this.settings());
  }
}

/** {@link AlphaDropout} of whole channels. Source: `torch.nn.FeatureAlphaDropout`. */
export class FeatureAlphaDropout extends DropoutBase {
  /** @internal */ static readonly pure = true;

  forward(x: Tensor): Tensor {
    return F.featureAlphaDropout(x, this.settings());
  }
}
