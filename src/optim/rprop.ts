/** Rprop: resilient backpropagation. */
import { ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { FusedKernel } from "./fused.js";
import { type CommonOptions, checkPair, checkRange, type OptionsInput, type ParamsInput } from "./groups.js";
import { Optimizer, type StateValue, zerosFor } from "./optimizer.js";

/** Options of {@link Rprop}. */
export interface RpropOptions extends CommonOptions {
  /** First step of every weight (default 1e-2). */
  lr: number;
  /** Factors of a step when the sign of the gradient turned and when it did not (default [0.5, 1.2]). */
  etas: readonly [number, number];
  /** Smallest and largest step (default [1e-6, 50]). */
  stepSizes: readonly [number, number];
}

/** What Rprop keeps of a parameter. */
export interface RpropState {
  [key: string]: StateValue;
  /** Updates so far. */
  step: number;
  /** The last gradient. */
  prev: Tensor;
  /** The step of each weight. */
  stepSize: Tensor;
}

const DEFAULTS: RpropOptions = {
  lr: 1e-2,
  etas: [0.5, 1.2],
  stepSizes: [1e-6, 50],
  maximize: false,
  differentiable: false,
};

const KERNEL = new FusedKernel<RpropOptions, RpropState>("rprop", {
  names: ["prev", "stepSize"],
  arrays(state, arrays) {
    arrays.first = state.prev;
    arrays.second = state.stepSize;
  },
  advance(state, o, scalars) {
    state.step++;
    if (scalars.depend(0)) scalars.set(...o.etas, ...o.stepSizes, o.maximize ? 1 : 0);
  },
});

/**
 * Rprop: the step of each weight grows by etas[1] while its gradient keeps its sign and shrinks by etas[0] when it
 * turns, within stepSizes; p = p - sign(g) step, and a weight whose gradient turned rests once. For full batches.
 * Source: Riedmiller and Braun 1993; `torch.optim.Rprop`.
 * @throws ValueError for options out of range.
 */
export class Rprop extends Optimizer<RpropOptions, RpropState> {
  protected override readonly fused = this.update === Rprop.prototype.update ? KERNEL : undefined;

  constructor(params: ParamsInput<RpropOptions>, options?: OptionsInput<RpropOptions> | number) {
    super(params, DEFAULTS, options);
  }

  protected override checkOptions(o: RpropOptions): void {
    checkRange("Rprop", "lr", o.lr, 0);
    checkPair("Rprop", "etas", o.etas);
    checkPair("Rprop", "stepSizes", o.stepSizes);
    const [minus, plus] = o.etas;
    if (!(minus > 0 && minus < 1 && plus > 1)) {
      throw new ValueError(
        `[Rprop] invalid etas: got ${minus} and ${plus}, expected 0 < etas[0] < 1 < etas[1]`,
      );
    }
    const [low, high] = o.stepSizes;
    if (!(low <= high)) {
      throw new ValueError(
        `[Rprop] invalid stepSizes: got ${low} and ${high}, expected the smaller one first`,
      );
    }
  }

  protected init(param: Tensor, o: RpropOptions): RpropState {
    return { step: 0, prev: zerosFor(param), stepSize: zerosFor(param, o.lr) };
  }

  protected update(grad: Tensor, param: Tensor, state: RpropState, o: RpropOptions): void {
    state.step++;
    const [minus, plus] = o.etas;
    const agree = grad.mul(state.prev).detach();
    const turned = agree.lt(0);
    const ones = agree.mul(0).add(1);
    const factor = ones.maskedFill(turned, minus).maskedFill(agree.gt(0), plus);
    state.stepSize = state.stepSize.mul(factor).clamp({ min: o.stepSizes[0], max: o.stepSizes[1] });
    state.prev = grad.maskedFill(turned, 0);
    param.sub_(state.prev.sign().mul(state.stepSize));
  }
}
