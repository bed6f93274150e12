/** Stochastic gradient descent with momentum. */
import { ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { FusedKernel } from "./fused.js";
import { type CommonOptions, checkRange, type OptionsInput, type ParamsInput, rateOf } from "./groups.js";
import { Optimizer, type StateValue, zerosFor } from "./optimizer.js";

/** Options of {@link SGD}. */
export interface SGDOptions extends CommonOptions {
  /** Learning rate (default 1e-3). */
  lr: number;
  /** Momentum factor (default 0). */
  momentum: number;
  /** Dampening of the momentum (default 0). */
  dampening: number;
  /** L2 penalty (default 0). */
  weightDecay: number;
  /** Nesterov's momentum (default false); needs momentum and no dampening. */
  nesterov: boolean;
}

/** What SGD keeps of a parameter: the momentum. */
export interface SGDState {
  [key: string]: StateValue;
  /** Null before the first step, and without momentum. */
  momentumBuffer: Tensor | null;
}

const DEFAULTS: SGDOptions = {
  lr: 1e-3,
  momentum: 0,
  dampening: 0,
  weightDecay: 0,
  nesterov: false,
  maximize: false,
  differentiable: false,
};

/** States whose momentum starts with the step that runs. */
const STARTING = new Set<SGDState>();

const KERNEL = new FusedKernel<SGDOptions, SGDState>("sgd", {
  names: ["momentumBuffer"],
  arrays(state, arrays, o, param) {
    if (o.momentum !== 0 && state.momentumBuffer === null) {
      state.momentumBuffer = zerosFor(param);
      STARTING.add(state);
    }
    arrays.first = o.momentum === 0 ? null : state.momentumBuffer;
  },
  advance(state, o, scalars) {
    const first = STARTING.size > 0 && STARTING.delete(state) ? 4 : 0;
    if (!scalars.depend(first)) return;
    const flags = (o.maximize ? 1 : 0) | (o.nesterov ? 2 : 0) | first;
    scalars.set(o.lr, o.momentum, o.dampening, o.weightDecay, flags);
  },
});

/**
 * Stochastic gradient descent: b = momentum b + (1 - dampening) g (the first b is g), p = p - lr b;
 * Nesterov: p = p - lr (g + momentum b). Source: `torch.optim.SGD`.
 * @example
 * const w = tensor([1, 2], { dtype: "float32", requiresGrad: true });
 * const optimizer = new optim.SGD([w], { lr: 0.5, momentum: 0.9 });
 * w.mul(w).sum().backward();
 * optimizer.step();
 * w.toArray(); // [0, 0]
 * @throws ValueError for options out of range, or Nesterov without momentum or with dampening; under Nesterov for all, a
 * group may have momentum 0.
 */
export class SGD extends Optimizer<SGDOptions, SGDState> {
  protected override readonly fused = this.update === SGD.prototype.update ? KERNEL : undefined;

  constructor(params: ParamsInput<SGDOptions>, options?: OptionsInput<SGDOptions> | number) {
    super(params, DEFAULTS, options);
  }

  protected override checkOptions(o: SGDOptions): void {
    checkRange("SGD", "lr", o.lr, 0);
    checkRange("SGD", "momentum", o.momentum, 0);
    checkRange("SGD", "weightDecay", o.weightDecay, 0);
    // Under Nesterov's momentum for all, a group may do without.
    if (o.momentum === 0 && this.defaults.nesterov && this.defaults.momentum > 0) return;
    if (o.nesterov && (o.momentum <= 0 || o.dampening !== 0)) {
      throw new ValueError(
        `[SGD] nesterov: got momentum ${o.momentum} and dampening ${o.dampening}, expected momentum > 0 and dampening 0`,
      );
    }
  }

  protected init(): SGDState {
    return { momentumBuffer: null };
  }

  protected update(grad: Tensor, param: Tensor, state: SGDState, o: SGDOptions): void {
    let d = o.weightDecay === 0 ? grad : grad.add(param, { alpha: o.weightDecay });
    if (o.momentum !== 0) {
      const before = state.momentumBuffer;
      const b = before === null ? d.clone() : before.mul(o.momentum).add(d, { alpha: 1 - o.dampening });
      state.momentumBuffer = b;
      d = o.nesterov ? d.add(b, { alpha: o.momentum }) : b;
    }
    param.sub_(d.mul(rateOf(o)));
  }
}
