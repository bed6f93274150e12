/** Adadelta. */
import type { Tensor } from "../tensor/tensor.js";
import { decayed } from "./adam.js";
import { FusedKernel } from "./fused.js";
import { type CommonOptions, checkRange, type OptionsInput, type ParamsInput, rateOf } from "./groups.js";
import { Optimizer, type StateValue, zerosFor } from "./optimizer.js";

/** Options of {@link Adadelta}. */
export interface AdadeltaOptions extends CommonOptions {
  /** Factor of the step (default 1). */
  lr: number;
  /** Decay rate of both means (default 0.9). */
  rho: number;
  /** Added below the roots (default 1e-6). */
  eps: number;
  /** L2 penalty (default 0). */
  weightDecay: number;
}

/** What Adadelta keeps of a parameter. */
export interface AdadeltaState {
  [key: string]: StateValue;
  /** Updates so far. */
  step: number;
  /** Mean of squared gradients. */
  squareAvg: Tensor;
  /** Mean of squared steps. */
  accDelta: Tensor;
}

const DEFAULTS: AdadeltaOptions = {
  lr: 1,
  rho: 0.9,
  eps: 1e-6,
  weightDecay: 0,
  maximize: false,
  differentiable: false,
};

const KERNEL = new FusedKernel<AdadeltaOptions, AdadeltaState>("adadelta", {
  names: ["squareAvg", "accDelta"],
  arrays(state, arrays) {
    arrays.first = state.squareAvg;
    arrays.second = state.accDelta;
  },
  advance(state, o, scalars) {
    state.step++;
    if (scalars.depend(0)) scalars.set(o.lr, o.rho, o.eps, o.weightDecay, o.maximize ? 1 : 0);
  },
});

/**
 * Adadelta: v = rho v + (1 - rho) g^2, d = sqrt(u + eps) / sqrt(v + eps) g, u = rho u + (1 - rho) d^2, p = p - lr d.
 * Source: Zeiler 2012; `torch.optim.Adadelta`.
 * @throws ValueError for options out of range.
 */
export class Adadelta extends Optimizer<AdadeltaOptions, AdadeltaState> {
  protected override readonly fused = this.update === Adadelta.prototype.update ? KERNEL : undefined;

  constructor(params: ParamsInput<AdadeltaOptions>, options?: OptionsInput<AdadeltaOptions> | number) {
    super(params, DEFAULTS, options);
  }

  protected override checkOptions(o: AdadeltaOptions): void {
    checkRange("Adadelta", "lr", o.lr, 0);
    checkRange("Adadelta", "rho", o.rho, 0, 1, true);
    checkRange("Adadelta", "eps", o.eps, 0);
    checkRange("Adadelta", "weightDecay", o.weightDecay, 0);
  }

  protected init(param: Tensor): AdadeltaState {
    return { step: 0, squareAvg: zerosFor(param), accDelta: zerosFor(param) };
  }

  protected update(grad: Tensor, param: Tensor, state: AdadeltaState, o: AdadeltaOptions): void {
    state.step++;
    const { rho, eps } = o;
    const g = decayed(grad, param, o);
    state.squareAvg = state.squareAvg.mul(rho).addcmul(g, g, { value: 1 - rho });
    const delta = state.accDelta.add(eps).sqrt().div(state.squareAvg.add(eps).sqrt()).mul(g);
    state.accDelta = state.accDelta.mul(rho).addcmul(delta, delta, { value: 1 - rho });
    param.sub_(delta.mul(rateOf(o)));
  }
}
