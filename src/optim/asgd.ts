/** ASGD: averaged stochastic gradient descent. */
import type { Tensor } from "../tensor/tensor.js";
import { decayed } from "./adam.js";
import { FusedKernel } from "./fused.js";
import { type CommonOptions, checkRange, type OptionsInput, type ParamsInput } from "./groups.js";
import { rounded } from "./nadam.js";
import { Optimizer, type StateValue, zerosFor } from "./optimizer.js";

/** Options of {@link ASGD}. */
export interface ASGDOptions extends CommonOptions {
  /** Learning rate (default 1e-2). */
  lr: number;
  /** Decay of the weights (default 1e-4). */
  lambd: number;
  /** Power of the rate's decay (default 0.75). */
  alpha: number;
  /** Step at which averaging starts (default 1e6). */
  t0: number;
  /** L2 penalty (default 0). */
  weightDecay: number;
}

/** What ASGD keeps of a parameter. */
export interface ASGDState {
  [key: string]: StateValue;
  /** Updates so far. */
  step: number;
  /** Rate of the next step. */
  eta: number;
  /** Weight of the parameter in the average. */
  mu: number;
  /** The average. */
  ax: Tensor;
}

const DEFAULTS: ASGDOptions = {
  lr: 1e-2,
  lambd: 1e-4,
  alpha: 0.75,
  t0: 1e6,
  weightDecay: 0,
  maximize: false,
  differentiable: false,
};

/** Rate and weight for the step after step t. */
function next(t: number, o: ASGDOptions): Pick<ASGDState, "eta" | "mu"> {
  const eta = rounded(o.lr / (1 + o.lambd * o.lr * t) ** o.alpha);
  return { eta, mu: rounded(1 / Math.max(1, t - o.t0)) };
}

/** What parameters that are at the same step share. */
let shared = next(1, DEFAULTS);

const KERNEL = new FusedKernel<ASGDOptions, ASGDState>("asgd", {
  names: ["ax"],
  arrays(state, arrays) {
    arrays.first = state.ax;
  },
  advance(state, o, scalars) {
    const t = ++state.step;
    if (scalars.depend(t, state.eta, state.mu)) {
      scalars.set(o.lambd, state.eta, state.mu, o.weightDecay, o.maximize ? 1 : 0);
      shared = next(t, o);
    }
    state.eta = shared.eta;
    state.mu = shared.mu;
  },
});

/**
 * ASGD: p = p (1 - lambd eta) - eta g, average a = a + mu (p - a), then eta = lr / (1 + lambd lr t)^alpha and
 * mu = 1 / max(1, t - t0). The average is `state.get(p).ax`. Source: Polyak and Juditsky 1992; `torch.optim.ASGD`.
 * @throws ValueError for options out of range.
 */
export class ASGD extends Optimizer<ASGDOptions, ASGDState> {
  protected override readonly fused = this.update === ASGD.prototype.update ? KERNEL : undefined;

  constructor(params: ParamsInput<ASGDOptions>, options?: OptionsInput<ASGDOptions> | number) {
    super(params, DEFAULTS, options);
  }

  protected override checkOptions(o: ASGDOptions): void {
    checkRange("ASGD", "lr", o.lr, 0);
    checkRange("ASGD", "weightDecay", o.weightDecay, 0);
  }

  protected init(param: Tensor, o: ASGDOptions): ASGDState {
    return { step: 0, eta: rounded(o.lr), mu: 1, ax: zerosFor(param) };
  }

  protected update(grad: Tensor, param: Tensor, state: ASGDState, o: ASGDOptions): void {
    const { eta, mu } = state;
    const g = decayed(grad, param, o);
    param.mul_(1 - o.lambd * eta).sub_(g.mul(eta));
    state.ax = mu === 1 ? param.clone() : state.ax.add(param.sub(state.ax).mul(mu));
    Object.assign(state, next(++state.step, o));
  }
}
