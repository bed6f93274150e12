/** RMSprop. */
import type { Tensor } from "../tensor/tensor.js";
import { decayed } from "./adam.js";
import { FusedKernel } from "./fused.js";
import { type CommonOptions, checkRange, type OptionsInput, type ParamsInput, rateOf } from "./groups.js";
import { Optimizer, type StateValue, zerosFor } from "./optimizer.js";

/** Options of {@link RMSprop}. */
export interface RMSpropOptions extends CommonOptions {
  /** Learning rate (default 1e-2). */
  lr: number;
  /** Decay rate of the mean square (default 0.99). */
  alpha: number;
  /** Added to the denominator (default 1e-8). */
  eps: number;
  /** L2 penalty (default 0). */
  weightDecay: number;
  /** Momentum factor (default 0). */
  momentum: number;
  /** Divide by the standard deviation, in place of the root mean square (default false). */
  centered: boolean;
}

/** What RMSprop keeps of a parameter. */
export interface RMSpropState {
  [key: string]: StateValue;
  /** Updates so far. */
  step: number;
  /** Mean of squared gradients. */
  squareAvg: Tensor;
  /** With momentum only. */
  momentumBuffer: Tensor | null;
  /** With `centered` only. */
  gradAvg: Tensor | null;
}

const DEFAULTS: RMSpropOptions = {
  lr: 1e-2,
  alpha: 0.99,
  eps: 1e-8,
  weightDecay: 0,
  momentum: 0,
  centered: false,
  maximize: false,
  differentiable: false,
};

const KERNEL = new FusedKernel<RMSpropOptions, RMSpropState>("rmsprop", {
  names: ["squareAvg", "gradAvg", "momentumBuffer"],
  arrays(state, arrays, o, param) {
    if (o.centered) state.gradAvg ??= zerosFor(param);
    if (o.momentum > 0) state.momentumBuffer ??= zerosFor(param);
    arrays.first = state.squareAvg;
    arrays.second = o.centered ? state.gradAvg : null;
    arrays.third = o.momentum > 0 ? state.momentumBuffer : null;
  },
  advance(state, o, scalars) {
    state.step++;
    if (!scalars.depend(0)) return;
    scalars.set(o.lr, o.alpha, o.eps, o.weightDecay, o.momentum, o.maximize ? 1 : 0);
  },
});

/**
 * RMSprop: v = alpha v + (1 - alpha) g^2; centered: a = alpha a + (1 - alpha) g and v - a^2 takes the place of v below;
 * p = p - lr g / (sqrt(v) + eps); with momentum b = momentum b + g / (sqrt(v) + eps), p = p - lr b.
 * Source: Hinton's lecture 6e; Graves 2013; `torch.optim.RMSprop`.
 * @throws ValueError for options out of range.
 */
export class RMSprop extends Optimizer<RMSpropOptions, RMSpropState> {
  protected override readonly fused = this.update === RMSprop.prototype.update ? KERNEL : undefined;

  constructor(params: ParamsInput<RMSpropOptions>, options?: OptionsInput<RMSpropOptions> | number) {
    super(params, DEFAULTS, options);
  }

  protected override checkOptions(o: RMSpropOptions): void {
    for (const name of ["lr", "alpha", "eps", "weightDecay", "momentum"] as const) {
      checkRange("RMSprop", name, o[name], 0);
    }
  }

  protected init(param: Tensor, o: RMSpropOptions): RMSpropState {
    const momentumBuffer = o.momentum > 0 ? zerosFor(param) : null;
    const gradAvg = o.centered ? zerosFor(param) : null;
    return { step: 0, squareAvg: zerosFor(param), momentumBuffer, gradAvg };
  }

  protected update(grad: Tensor, param: Tensor, state: RMSpropState, o: RMSpropOptions): void {
    state.step++;
    const { alpha, momentum } = o;
    const g = decayed(grad, param, o);
    state.squareAvg = state.squareAvg.mul(alpha).addcmul(g, g, { value: 1 - alpha });
    let v = state.squareAvg;
    if (o.centered) {
      const a = (state.gradAvg ?? zerosFor(param)).mul(alpha).add(g, { alpha: 1 - alpha });
      state.gradAvg = a;
      v = v.addcmul(a, a, { value: -1 });
    }
    let step = g.div(v.sqrt().add(o.eps));
    if (momentum > 0) {
      step = (state.momentumBuffer ?? zerosFor(param)).mul(momentum).add(step);
      state.momentumBuffer = step;
    }
    param.sub_(step.mul(rateOf(o)));
  }
}
