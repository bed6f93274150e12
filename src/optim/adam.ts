/** Adam and AdamW. */
import type { Tensor } from "../tensor/tensor.js";
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

/** Options of {@link Adam} and {@link AdamW}. */
export interface AdamOptions extends CommonOptions {
  /** Learning rate (default 1e-3). */
  lr: number;
  /** Decay rates of the two moments (default [0.9, 0.999]). */
  betas: readonly [number, number];
  /** Added to the denominator (default 1e-8). */
  eps: number;
  /** Weight decay (default 0; 1e-2 for AdamW). */
  weightDecay: number;
  /** Divide by the largest second moment so far (default false). */
  amsgrad: boolean;
  /** Shrink the weights themselves, as AdamW does, in place of adding to the gradient (default false). */
  decoupledWeightDecay: boolean;
}

/** What Adam keeps of a parameter: its step count, both moments, and with amsgrad the largest second one. */
export interface AdamState {
  [key: string]: StateValue;
  /** Updates so far. */
  step: number;
  /** Mean of the gradients. */
  expAvg: Tensor;
  /** Mean of their squares. */
  expAvgSq: Tensor;
  /** With amsgrad only. */
  maxExpAvgSq: Tensor | null;
}

const DEFAULTS: AdamOptions = {
  lr: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0,
  amsgrad: false,
  decoupledWeightDecay: false,
  maximize: false,
  differentiable: false,
};

const KERNEL = new FusedKernel<AdamOptions, AdamState>("adam", {
  names: ["expAvg", "expAvgSq", "maxExpAvgSq"],
  arrays(state, arrays, o, param) {
    arrays.first = state.expAvg;
    arrays.second = state.expAvgSq;
    if (o.amsgrad) state.maxExpAvgSq ??= zerosFor(param);
    arrays.third = o.amsgrad ? state.maxExpAvgSq : null;
  },
  advance(state, o, scalars) {
    const t = ++state.step;
    if (!scalars.depend(t)) return;
    const { lr, eps, weightDecay } = o;
    const [b1, b2] = o.betas;
    const root2 = Math.sqrt(1 - b2 ** t);
    const flags = (o.maximize ? 1 : 0) | (o.decoupledWeightDecay ? 2 : 0);
    scalars.set(lr, b1, b2, eps, weightDecay, lr / (1 - b1 ** t), root2, flags);
  },
});

/**
 * Adam: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2,
 * p = p - lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps). Source: Kingma and Ba 2014; `torch.optim.Adam`.
 * @example
 * const w = tensor([1, -2], { dtype: "float64", requiresGrad: true });
 * const optimizer = new optim.Adam([w], { lr: 0.5 });
 * w.mul(w).sum().backward();
 * optimizer.step();
 * w.round({ decimals: 6 }).toArray(); // [0.5, -1.5]
 * @throws ValueError for options out of range.
 */
export class Adam extends Optimizer<AdamOptions, AdamState> {
  protected override readonly fused = this.update === Adam.prototype.update ? KERNEL : undefined;

  constructor(params: ParamsInput<AdamOptions>, options?: OptionsInput<AdamOptions> | number) {
    super(params, DEFAULTS, options);
  }

  protected override checkOptions(o: AdamOptions): void {
    const label = this.constructor.name;
    checkRange(label, "lr", o.lr, 0);
    checkRange(label, "eps", o.eps, 0);
    checkBetas(label, o.betas);
    checkRange(label, "weightDecay", o.weightDecay, 0);
  }

  protected init(param: Tensor, o: AdamOptions): AdamState {
    const maxExpAvgSq = o.amsgrad ? zerosFor(param) : null;
    return { step: 0, expAvg: zerosFor(param), expAvgSq: zerosFor(param), maxExpAvgSq };
  }

  protected update(grad: Tensor, param: Tensor, state: AdamState, o: AdamOptions): void {
    const t = ++state.step;
    const [b1, b2] = o.betas;
    const lr = rateOf(o);
    const g = decayed(grad, param, o);
    state.expAvg = state.expAvg.mul(b1).add(g, { alpha: 1 - b1 });
    state.expAvgSq = state.expAvgSq.mul(b2).addcmul(g, g, { value: 1 - b2 });
    let v = state.expAvgSq;
    if (o.amsgrad) {
      v = (state.maxExpAvgSq ?? zerosFor(param)).maximum(v);
      state.maxExpAvgSq = v;
    }
    const below = v
      .sqrt()
      .div(Math.sqrt(1 - b2 ** t))
      .add(o.eps);
    param.sub_(
      state.expAvg
        .div(below)
        .mul(lr)
        .div(1 - b1 ** t),
    );
  }
}

/**
 * Adam with decoupled weight decay: p = p (1 - lr decay) before the step. Source: Loshchilov and Hutter 2017;
 * `torch.optim.AdamW`.
 */
export class AdamW extends Adam {
  constructor(params: ParamsInput<AdamOptions>, options?: OptionsInput<AdamOptions> | number) {
    const given = typeof options === "number" ? { lr: options } : options;
    super(params, { weightDecay: 1e-2, decoupledWeightDecay: true, ...given });
  }
}

/** The gradient with the L2 penalty added; a decoupled decay shrinks the parameter in its place. */
export function decayed(
  grad: Tensor,
  param: Tensor,
  o: { lr: number; weightDecay: number; decoupledWeightDecay?: boolean },
): Tensor {
  if (o.weightDecay === 0) return grad;
  if (o.decoupledWeightDecay !== true) return grad.add(param, { alpha: o.weightDecay });
  const lr = rateOf(o);
  // A rate that is a tensor gets a gradient, which needs a result of its own.
  param.mul_(typeof lr === "number" ? 1 - lr * o.weightDecay : lr.mul(-o.weightDecay).add(1));
  return grad;
}
