/** Adam and AdamW. */
import { kernelTable } from "../tensor/launch.js";
import type { Tensor } from "../tensor/tensor.js";
import { updateInPlace } from "./launch.js";
import { checkRange, Optimizer, type ParamsInput, zerosFor } from "./optimizer.js";

const ADAM_STEP = kernelTable("adam");

/** Options of {@link Adam} and {@link AdamW}. */
export interface AdamOptions {
  /** Learning rate (default 1e-3). */
  lr: number;
  /** Decay rates of the two moments (default [0.9, 0.999]). */
  betas: readonly [number, number];
  /** Added to the denominator (default 1e-8). */
  eps: number;
  /** L2 penalty of Adam (default 0); decoupled decay of AdamW (default 1e-2). */
  weightDecay: number;
  /** Use the largest second moment so far (default false). */
  amsgrad: boolean;
  /** Ascend in place of descending (default false). */
  maximize: boolean;
}

interface AdamState {
  [key: string]: Tensor | number | null;
  step: number;
  expAvg: Tensor;
  expAvgSq: Tensor;
}

/**
 * Adam: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2,
 * p = p - lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps). Source: Kingma and Ba 2014; `torch.optim.Adam`.
 * @example
 * const opt = new Adam(model.parameters(), { lr: 1e-3 });
 */
export class Adam extends Optimizer<AdamOptions, AdamState> {
  /** Whether the decay is applied to the weights and not to the gradient. */
  protected readonly decoupled: boolean = false;

  constructor(params: ParamsInput<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(params, {
      lr: 1e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
      amsgrad: false,
      maximize: false,
      ...options,
    });
  }

  protected checkOptions(o: AdamOptions): void {
    const label = this.constructor.name;
    checkRange(label, "lr", o.lr, 0);
    checkRange(label, "eps", o.eps, 0);
    checkRange(label, "betas[0]", o.betas[0], 0, 1);
    checkRange(label, "betas[1]", o.betas[1], 0, 1);
    checkRange(label, "weightDecay", o.weightDecay, 0);
  }

  protected init(param: Tensor, group: AdamOptions): AdamState {
    const state: AdamState = { step: 0, expAvg: zerosFor(param), expAvgSq: zerosFor(param) };
    if (group.amsgrad) state.maxExpAvgSq = zerosFor(param);
    return state;
  }

  protected update(grad: Tensor, param: Tensor, state: AdamState, o: AdamOptions): void {
    const t = ++state.step;
    const [b1, b2] = o.betas;
    const stepSize = o.lr / (1 - b1 ** t);
    const root2 = Math.sqrt(1 - b2 ** t);
    const flags = (o.maximize ? 1 : 0) | (this.decoupled ? 2 : 0);
    const top = o.amsgrad ? ((state.maxExpAvgSq ??= zerosFor(param)) as Tensor) : null;
    updateInPlace(ADAM_STEP, param, grad, [state.expAvg, state.expAvgSq, top], [o.lr, b1, b2, o.eps, o.weightDecay, stepSize, root2, flags]);
  }
}

/**
 * Adam with decoupled weight decay: p = p (1 - lr decay) before the step. Source: Loshchilov and Hutter 2017;
 * `torch.optim.AdamW`.
 */
export class AdamW extends Adam {
  protected override readonly decoupled: boolean = true;

  constructor(params: ParamsInput<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(params, { weightDecay: 1e-2, ...options });
  }
}
