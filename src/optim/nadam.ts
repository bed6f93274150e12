/** NAdam: Adam with Nesterov's momentum. */
import { defaultFloatCode, FLOAT32 } from "../tensor/dtype.js";
import type { Tensor } from "../tensor/tensor.js";
import { type AdamOptions, decayed } from "./adam.js";
import { FusedKernel } from "./fused.js";
import { checkBetas, checkRange, type OptionsInput, type ParamsInput, rateOf } from "./groups.js";
import { Optimizer, type StateValue, zerosFor } from "./optimizer.js";

/** Options of {@link NAdam}. */
export interface NAdamOptions extends Omit<AdamOptions, "amsgrad"> {
  /** Learning rate (default 2e-3). */
  lr: number;
  /** Decay of the momentum's schedule (default 4e-3). */
  momentumDecay: number;
}

/** What NAdam keeps of a parameter. */
export interface NAdamState {
  [key: string]: StateValue;
  /** Updates so far. */
  step: number;
  /** Product of the momenta so far. */
  muProduct: number;
  /** Mean of the gradients. */
  expAvg: Tensor;
  /** Mean of their squares. */
  expAvgSq: Tensor;
}

const DEFAULTS: NAdamOptions = {
  lr: 2e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0,
  momentumDecay: 4e-3,
  decoupledWeightDecay: false,
  maximize: false,
  differentiable: false,
};

/** mu_t. */
function momentum(t: number, o: NAdamOptions): number {
  return o.betas[0] * (1 - 0.5 * 0.96 ** (t * o.momentumDecay));
}

/** Rounds as PyTorch's counters do, which are 0-d tensors of the default dtype whatever the parameter's is. */
export function rounded(value: number): number {
  return defaultFloatCode() === FLOAT32 ? Math.fround(value) : value;
}

/** The product of the momenta up to step t, from that up to the step before. */
function productAt(t: number, before: number, o: NAdamOptions): number {
  return rounded(before * rounded(momentum(t, o)));
}

/** The factors of g and m, without the rate. */
function weights({ step: t, muProduct }: NAdamState, o: NAdamOptions): readonly [number, number] {
  const mu = momentum(t, o);
  const next = momentum(t + 1, o);
  return [(1 - mu) / (1 - muProduct), next / (1 - muProduct * next)];
}

/** The product of parameters that are at the same step. */
let shared = 1;

const KERNEL = new FusedKernel<NAdamOptions, NAdamState>("nadam", {
  names: ["expAvg", "expAvgSq"],
  arrays(state, arrays) {
    arrays.first = state.expAvg;
    arrays.second = state.expAvgSq;
  },
  advance(state, o, scalars) {
    const t = ++state.step;
    const changed = scalars.depend(t, state.muProduct);
    if (changed) shared = productAt(t, state.muProduct, o);
    state.muProduct = shared;
    if (!changed) return;
    const [ofGrad, ofAvg] = weights(state, o);
    const { lr, eps, weightDecay } = o;
    const [b1, b2] = o.betas;
    const correction2 = 1 - b2 ** t;
    const flags = (o.maximize ? 1 : 0) | (o.decoupledWeightDecay ? 2 : 0);
    scalars.set(lr, b1, b2, eps, weightDecay, correction2, -lr * ofGrad, -lr * ofAvg, flags);
  },
});

/**
 * NAdam: with mu_t = b1 (1 - 0.96^(t decay) / 2) and M_t their product up to t, m and v as in {@link Adam},
 * p = p - lr ((1 - mu_t) / (1 - M_t) g + mu_(t+1) / (1 - M_(t+1)) m) / (sqrt(v / (1 - b2^t)) + eps).
 * Source: Dozat 2016; `torch.optim.NAdam`.
 * @throws ValueError for options out of range.
 */
export class NAdam extends Optimizer<NAdamOptions, NAdamState> {
  protected override readonly fused = this.update === NAdam.prototype.update ? KERNEL : undefined;

  constructor(params: ParamsInput<NAdamOptions>, options?: OptionsInput<NAdamOptions> | number) {
    super(params, DEFAULTS, options);
  }

  protected override checkOptions(o: NAdamOptions): void {
    checkRange("NAdam", "lr", o.lr, 0);
    checkRange("NAdam", "eps", o.eps, 0);
    checkBetas("NAdam", o.betas);
    checkRange("NAdam", "weightDecay", o.weightDecay, 0);
    checkRange("NAdam", "momentumDecay", o.momentumDecay, 0);
  }

  protected init(param: Tensor): NAdamState {
    return { step: 0, muProduct: 1, expAvg: zerosFor(param), expAvgSq: zerosFor(param) };
  }

  protected update(grad: Tensor, param: Tensor, state: NAdamState, o: NAdamOptions): void {
    state.step++;
    state.muProduct = productAt(state.step, state.muProduct, o);
    const [ofGrad, ofAvg] = weights(state, o);
    const [b1, b2] = o.betas;
    const g = decayed(grad, param, o);
    state.expAvg = state.expAvg.mul(b1).add(g, { alpha: 1 - b1 });
    state.expAvgSq = state.expAvgSq.mul(b2).addcmul(g, g, { value: 1 - b2 });
    const below = state.expAvgSq
      .div(1 - b2 ** state.step)
      .sqrt()
      .add(o.eps);
    param.sub_(g.mul(ofGrad).add(state.expAvg.mul(ofAvg)).div(below).mul(rateOf(o)));
  }
}
