/** Stochastic gradient descent with momentum. */
import { kernelTable } from "../tensor/launch.js";
import { ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { updateInPlace } from "./launch.js";
import { checkRange, Optimizer, type ParamsInput, zerosFor } from "./optimizer.js";

const SGD_STEP = kernelTable("sgd");

/** Options of {@link SGD}. */
export interface SGDOptions {
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
  /** Ascend in place of descending (default false). */
  maximize: boolean;
}

interface SGDState {
  [key: string]: Tensor | number | null;
  momentumBuffer: Tensor | null;
}

/**
 * Stochastic gradient descent: b = momentum b + (1 - dampening) g (the first b is g), p = p - lr b;
 * Nesterov: p = p - lr (g + momentum b). Source: `torch.optim.SGD`.
 * @example
 * const opt = new SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
 */
export class SGD extends Optimizer<SGDOptions, SGDState> {
  private readonly fresh = new WeakSet<Tensor>();

  constructor(params: ParamsInput<SGDOptions>, options: Partial<SGDOptions> = {}) {
    super(params, { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false, ...options });
  }

  protected checkOptions(o: SGDOptions): void {
    checkRange("SGD", "lr", o.lr, 0);
    checkRange("SGD", "momentum", o.momentum, 0);
    checkRange("SGD", "weightDecay", o.weightDecay, 0);
    if (o.nesterov && (o.momentum <= 0 || o.dampening !== 0)) {
      throw new ValueError(`[SGD] nesterov needs momentum > 0 and dampening 0: got momentum ${o.momentum}, dampening ${o.dampening}`);
    }
  }

  protected init(param: Tensor, group: SGDOptions): SGDState {
    if (group.momentum === 0) return { momentumBuffer: null };
    const momentumBuffer = zerosFor(param);
    this.fresh.add(momentumBuffer);
    return { momentumBuffer };
  }

  protected update(grad: Tensor, param: Tensor, state: SGDState, o: SGDOptions): void {
    if (o.momentum !== 0 && state.momentumBuffer === null) Object.assign(state, this.init(param, o));
    const buffer = o.momentum === 0 ? null : state.momentumBuffer;
    const first = buffer !== null && this.fresh.delete(buffer);
    const flags = (o.maximize ? 1 : 0) | (o.nesterov ? 2 : 0) | (first ? 4 : 0);
    updateInPlace(SGD_STEP, param, grad, [buffer], [o.lr, o.momentum, o.dampening, o.weightDecay, flags]);
  }
}
