/** Adagrad. */
import type { Tensor } from "../tensor/tensor.js";
import { decayed } from "./adam.js";
import { FusedKernel } from "./fused.js";
import { type CommonOptions, checkRange, type OptionsInput, type ParamsInput, rateOf } from "./groups.js";
import { Optimizer, type StateValue, zerosFor } from "./optimizer.js";

/** Options of {@link Adagrad}. */
export interface AdagradOptions extends CommonOptions {
  /** Learning rate (default 1e-2). */
  lr: number;
  /** Decay of the rate with the steps (default 0). */
  lrDecay: number;
  /** L2 penalty (default 0). */
  weightDecay: number;
  /** Start of the sum of squares (default 0). */
  initialAccumulatorValue: number;
  /** Added to the denominator (default 1e-10). */
  eps: number;
}

/** What Adagrad keeps of a parameter. */
export interface AdagradState {
  [key: string]: StateValue;
  /** Updates so far. */
  step: number;
  /** Sum of squared gradients. */
  sum: Tensor;
}

const DEFAULTS: AdagradOptions = {
  lr: 1e-2,
  lrDecay: 0,
  weightDecay: 0,
  initialAccumulatorValue: 0,
  eps: 1e-10,
  maximize: false,
  differentiable: false,
};

const KERNEL = new FusedKernel<AdagradOptions, AdagradState>("adagrad", {
  names: ["sum"],
  arrays(state, arrays) {
    arrays.first = state.sum;
  },
  advance(state, o, scalars) {
    const t = ++state.step;
    if (!scalars.depend(t)) return;
    scalars.set(o.lr / (1 + (t - 1) * o.lrDecay), o.eps, o.weightDecay, o.maximize ? 1 : 0);
  },
});

/**
 * Adagrad: s = s + g^2, p = p - lr / (1 + (t - 1) lrDecay) g / (sqrt(s) + eps).
 * Source: Duchi, Hazan and Singer 2011; `torch.optim.Adagrad`.
 * @throws ValueError for options out of range.
 */
export class Adagrad extends Optimizer<AdagradOptions, AdagradState> {
  protected override readonly fused = this.update === Adagrad.prototype.update ? KERNEL : undefined;

  constructor(params: ParamsInput<AdagradOptions>, options?: OptionsInput<AdagradOptions> | number) {
    super(params, DEFAULTS, options);
  }

  protected override checkOptions(o: AdagradOptions): void {
    for (const name of ["lr", "lrDecay", "weightDecay", "initialAccumulatorValue", "eps"] as const) {
      checkRange("Adagrad", name, o[name], 0);
    }
  }

  protected init(param: Tensor, o: AdagradOptions): AdagradState {
    return { step: 0, sum: zerosFor(param, o.initialAccumulatorValue) };
  }

  protected update(grad: Tensor, param: Tensor, state: AdagradState, o: AdagradOptions): void {
    const t = ++state.step;
    const g = decayed(grad, param, o);
    state.sum = state.sum.addcmul(g, g);
    const step = g.div(state.sum.sqrt().add(o.eps));
    param.sub_(step.mul(rateOf(o)).div(1 + (t - 1) * o.lrDecay));
  }
}
