/** Adafactor: second moments of matrices as the product of a row and a column. */

import { itemOf } from "../ops/read.js";
import { norm } from "../ops/statistics.js";
import { zeros } from "../tensor/create.js";
import { ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { AdafactorUpdate, leastRoot } from "./adafactorTable.js";
import { checkRange, type OptionsInput, type ParamsInput, type RateOptions } from "./groups.js";
import { Optimizer, type StateValue, zerosFor } from "./optimizer.js";

/** Options of {@link Adafactor}. */
export interface AdafactorOptions extends RateOptions {
  /** Largest relative step, and factor of the decay (default 1e-2). */
  lr: number;
  /** Power of t in the decay rate of the second moments (default -0.8). */
  beta2Decay: number;
  /** Least root of a second moment (null: the dtype's epsilon), and least size of a parameter (default [null, 1e-3]). */
  eps: readonly [number | null, number];
  /** Root mean square at which updates are clipped (default 1). */
  d: number;
  /** Decoupled weight decay (default 0). */
  weightDecay: number;
  /** Ascend in place of descending (default false). */
  maximize: boolean;
}

/** What Adafactor keeps of a parameter. */
export interface AdafactorState {
  [key: string]: StateValue;
  /** Updates so far. */
  step: number;
  /** Of matrices: mean squares of the rows. */
  rowVar: Tensor | null;
  /** Of matrices: mean squares of the columns. */
  colVar: Tensor | null;
  /** Of vectors and scalars: mean squares. */
  variance: Tensor | null;
}

const DEFAULTS: AdafactorOptions = {
  lr: 1e-2,
  beta2Decay: -0.8,
  eps: [null, 1e-3],
  d: 1,
  weightDecay: 0,
  maximize: false,
};

const UPDATE = new AdafactorUpdate();

/** Root mean square. */
function rms(x: Tensor): number {
  return itemOf(norm(x)) / Math.sqrt(x.numel);
}

/**
 * Adafactor: with b_t = t^beta2Decay, rows R = R + b_t (mean over columns of g^2 - R), columns C alike,
 * V = R C / max(mean R, eps1) (vectors keep V itself), U = g / max(sqrt(V), eps1), then
 * p = p (1 - lr decay) - max(eps2, RMS(p)) min(lr, 1 / sqrt(t)) U / max(1, RMS(U) / d).
 * Source: Shazeer and Stern 2018; `torch.optim.Adafactor`.
 * @throws ValueError for options out of range.
 */
export class Adafactor extends Optimizer<AdafactorOptions, AdafactorState> {
  protected override readonly fused = this.update === Adafactor.prototype.update ? UPDATE : undefined;

  constructor(params: ParamsInput<AdafactorOptions>, options?: OptionsInput<AdafactorOptions> | number) {
    super(params, DEFAULTS, options);
  }

  protected override checkOptions(o: AdafactorOptions): void {
    checkRange("Adafactor", "lr", o.lr, 0);
    if (!(o.beta2Decay <= 0)) {
      throw new ValueError(`[Adafactor] invalid beta2Decay: got ${o.beta2Decay}, expected <= 0`);
    }
    if (o.eps[0] !== null) checkRange("Adafactor", "eps[0]", o.eps[0], 0);
    checkRange("Adafactor", "eps[1]", o.eps[1], 0);
    checkRange("Adafactor", "d", o.d, 1);
    checkRange("Adafactor", "weightDecay", o.weightDecay, 0);
  }

  protected init(param: Tensor): AdafactorState {
    const { shape, dtype } = param;
    if (shape.length < 2) return { step: 0, rowVar: null, colVar: null, variance: zerosFor(param) };
    const [rows, columns] = shape.slice(-2) as [number, number];
    const outer = shape.slice(0, -2);
    const rowVar = zeros([...outer, rows, 1], { dtype });
    const colVar = zeros([...outer, 1, columns], { dtype });
    return { step: 0, rowVar, colVar, variance: null };
  }

  protected update(grad: Tensor, param: Tensor, state: AdafactorState, o: AdafactorOptions): void {
    const t = ++state.step;
    if (param.numel === 0) return;
    const eps = leastRoot(param, o);
    const rate = t ** o.beta2Decay;
    const alpha = Math.max(o.eps[1], rms(param)) * Math.min(o.lr, 1 / Math.sqrt(t));
    if (o.weightDecay !== 0) param.mul_(1 - o.lr * o.weightDecay);
    const square = grad.square();
    let v: Tensor;
    if (state.rowVar !== null && state.colVar !== null) {
      state.rowVar.lerp_(square.mean(-1, { keepdim: true }), rate);
      state.colVar.lerp_(square.mean(-2, { keepdim: true }), rate);
      const mean = state.rowVar.mean(-2, { keepdim: true }).clamp({ min: eps });
      v = state.rowVar.div(mean).mul(state.colVar);
    } else {
      v = (state.variance as Tensor).lerp_(square, rate);
    }
    // Clipped under the root, so that eps1 bounds the root.
    const u = v
      .clamp({ min: eps * eps })
      .rsqrt()
      .mul(grad);
    param.sub_(u.mul(alpha / Math.max(1, rms(u) / o.d)));
  }
}
