/** Adamax: Adam with the infinity norm. */
import type { Tensor } from "../tensor/tensor.js";
import { decayed } from "./adam.js";
import { FusedKernel } from "./fused.js";
import {
  type CommonOptions,
  checkBetas,
  checkRange,
  type OptionsInput,
  type ParamsInput,
  rateOf,
} from "./groups.js";
import { Optimizer, type StateValue, zerosFor } from "./optimizer.js";

/** Options of {@link Adamax}. */
export interface AdamaxOptions extends CommonOptions {
  /** Learning rate (default 2e-3). */
  lr: number;
  /** Decay rates of the moment and of the norm (default [0.9, 0.999]). */
  betas: readonly [number, number];
  /** Added to |g| (default 1e-8). */
  eps: number;
  /** L2 penalty (default 0). */
  weightDecay: number;
}

/** What Adamax keeps of a parameter. */
export interface AdamaxState {
  [key: string]: StateValue;
  /** Updates so far. */
  step: number;
  /** Mean of the gradients. */
  expAvg: Tensor;
  /** Weighted largest absolute gradient. */
  expInf: Tensor;
}

const DEFAULTS: AdamaxOptions = {
  lr: 2e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0,
  maximize: false,
  differentiable: false,
};

const KERNEL = new FusedKernel<AdamaxOptions, AdamaxState>("adamax", {
  names: ["expAvg", "expInf"],
  arrays(state, arrays) {
    arrays.first = state.expAvg;
    arrays.second = state.expInf;
  },
  advance(state, o, scalars) {
    const t = ++state.step;
    if (!scalars.depend(t)) return;
    const [b1, b2] = o.betas;
    scalars.set(b1, b2, o.eps, o.weightDecay, o.lr / (1 - b1 ** t), o.maximize ? 1 : 0);
  },
});

/**
 * Adamax: m = b1 m + (1 - b1) g, u = max(b2 u, |g| + eps), p = p - lr / (1 - b1^t) m / u.
 * Source: Kingma and Ba 2014; `torch.optim.Adamax`.
 * @throws ValueError for options out of range.
 */
export class Adamax extends Optimizer<AdamaxOptions, AdamaxState> {
  protected override readonly fused = this.update === Adamax.prototype.update ? KERNEL : undefined;

  constructor(params: ParamsInput<AdamaxOptions>, options?: OptionsInput<AdamaxOptions> | number) {
    super(params, DEFAULTS, options);
  }

  protected override checkOptions(o: AdamaxOptions): void {
    checkRange("Adamax", "lr", o.lr, 0);
    checkRange("Adamax", "eps", o.eps, 0);
    checkBetas("Adamax", o.betas);
    checkRange("Adamax", "weightDecay", o.weightDecay, 0);
  }

  protected init(param: Tensor): AdamaxState {
    return { step: 0, expAvg: zerosFor(param), expInf: zerosFor(param) };
  }

  protected update(grad: Tensor, param: Tensor, state: AdamaxState, o: AdamaxOptions): void {
    const t = ++state.step;
    const [b1, b2] = o.betas;
    const g = decayed(grad, param, o);
    state.expAvg = state.expAvg.mul(b1).add(g, { alpha: 1 - b1 });
    state.expInf = state.expInf.mul(b2).maximum(g.abs().add(o.eps));
    param.sub_(
      state.expAvg
        .div(state.expInf)
        .mul(rateOf(o))
        .div(1 - b1 ** t),
    );
  }
}
