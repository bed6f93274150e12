/** RAdam: Adam with a rectified variance. */
import type { Tensor } from "../tensor/tensor.js";
import { type AdamOptions, decayed } from "./adam.js";
import { FusedKernel } from "./fused.js";
import { checkBetas, checkRange, type OptionsInput, type ParamsInput, rateOf } from "./groups.js";
import { Optimizer, type StateValue, zerosFor } from "./optimizer.js";

/** Options of {@link RAdam}: those of Adam without amsgrad. */
export type RAdamOptions = Omit<AdamOptions, "amsgrad">;

/** What RAdam keeps of a parameter. */
export interface RAdamState {
  [key: string]: StateValue;
  /** Updates so far. */
  step: number;
  /** Mean of the gradients. */
  expAvg: Tensor;
  /** Mean of their squares. */
  expAvgSq: Tensor;
}

const DEFAULTS: RAdamOptions = {
  lr: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0,
  decoupledWeightDecay: false,
  maximize: false,
  differentiable: false,
};

const KERNEL = new FusedKernel<RAdamOptions, RAdamState>("radam", {
  names: ["expAvg", "expAvgSq"],
  arrays(state, arrays) {
    arrays.first = state.expAvg;
    arrays.second = state.expAvgSq;
  },
  advance(state, o, scalars) {
    const t = ++state.step;
    if (!scalars.depend(t)) return;
    const { lr, eps, weightDecay } = o;
    const [b1, b2] = o.betas;
    const root2 = Math.sqrt(1 - b2 ** t);
    const rect = rectification(b2, t);
    const flags = (o.maximize ? 1 : 0) | (o.decoupledWeightDecay ? 2 : 0);
    scalars.set(lr, b1, b2, eps, weightDecay, 1 - b1 ** t, root2, rect, flags);
  },
});

/** The rectification at step t, 0 while the variance cannot be trusted (rho <= 5). */
function rectification(b2: number, t: number): number {
  const limit = 2 / (1 - b2) - 1;
  const rho = limit - (2 * t * b2 ** t) / (1 - b2 ** t);
  return rho > 5 ? Math.sqrt(((rho - 4) * (rho - 2) * limit) / ((limit - 4) * (limit - 2) * rho)) : 0;
}

/**
 * RAdam: m and v as in {@link Adam}; while rho_t = rho - 2 t b2^t / (1 - b2^t) with rho = 2 / (1 - b2) - 1 is at most
 * 5, p = p - lr m / (1 - b1^t); then p = p - lr r_t m / (1 - b1^t) sqrt(1 - b2^t) / (sqrt(v) + eps) with
 * r_t^2 = (rho_t - 4)(rho_t - 2) rho / ((rho - 4)(rho - 2) rho_t). Source: Liu et al. 2019; `torch.optim.RAdam`.
 * @throws ValueError for options out of range.
 */
export class RAdam extends Optimizer<RAdamOptions, RAdamState> {
  protected override readonly fused = this.update === RAdam.prototype.update ? KERNEL : undefined;

  constructor(params: ParamsInput<RAdamOptions>, options?: OptionsInput<RAdamOptions> | number) {
    super(params, DEFAULTS, options);
  }

  protected override checkOptions(o: RAdamOptions): void {
    checkRange("RAdam", "lr", o.lr, 0);
    checkRange("RAdam", "eps", o.eps, 0);
    checkBetas("RAdam", o.betas);
    checkRange("RAdam", "weightDecay", o.weightDecay, 0);
  }

  protected init(param: Tensor): RAdamState {
    return { step: 0, expAvg: zerosFor(param), expAvgSq: zerosFor(param) };
  }

  protected update(grad: Tensor, param: Tensor, state: RAdamState, o: RAdamOptions): void {
    const t = ++state.step;
    const [b1, b2] = o.betas;
    const g = decayed(grad, param, o);
    state.expAvg = state.expAvg.mul(b1).add(g, { alpha: 1 - b1 });
    state.expAvgSq = state.expAvgSq.mul(b2).addcmul(g, g, { value: 1 - b2 });
    const rect = rectification(b2, t);
    let step = state.expAvg.div(1 - b1 ** t).mul(rateOf(o));
    if (rect !== 0) step = step.mul(rect * Math.sqrt(1 - b2 ** t)).div(state.expAvgSq.sqrt().add(o.eps));
    param.sub_(step);
  }
}
