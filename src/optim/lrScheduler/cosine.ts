/** Schedulers along half cosines. */

import { ValueError } from "../../tensor/errors.js";
import { checkOptions, type OptionNames } from "../../tensor/options.js";
import { checkRange } from "../groups.js";
import type { Optimizer } from "../optimizer.js";
import { LRScheduler, type SchedulerOptions } from "./scheduler.js";

/** Options of {@link CosineAnnealingLR}. */
export interface CosineOptions extends SchedulerOptions {
  /** Least rate (default 0). */
  etaMin?: number;
}

const COSINE_OPTIONS: OptionNames<CosineOptions> = { etaMin: 1, lastEpoch: 1 };

/**
 * lr = etaMin + (base - etaMin) (1 + cos(pi epoch / T_max)) / 2, computed from the rate of before.
 * Source: Loshchilov and Hutter 2016; `torch.optim.lr_scheduler.CosineAnnealingLR`.
 */
export class CosineAnnealingLR extends LRScheduler {
  /** Steps of half a cosine. */
  declare readonly T_max: number;
  /** Least rate (default 0). */
  declare readonly etaMin: number;

  constructor(optimizer: Optimizer, T_max: number, options: CosineOptions = {}) {
    checkOptions(new.target.name, options, COSINE_OPTIONS);
    checkRange(new.target.name, "T_max", T_max, 1);
    super(optimizer, { T_max, etaMin: options.etaMin ?? 0 }, options.lastEpoch);
  }

  getLr(): number[] {
    const { lastEpoch: t, T_max, etaMin } = this;
    if (t === 0) return this.groups.map((g) => g.lr);
    if (this._stepCount === 1 && t > 0) return this.closedFormLr();
    if ((t - 1 - T_max) % (2 * T_max) === 0) {
      const rise = (1 - Math.cos(Math.PI / T_max)) / 2;
      return this.groups.map((g, i) => g.lr + ((this.baseLrs[i] as number) - etaMin) * rise);
    }
    const ratio = (1 + Math.cos((Math.PI * t) / T_max)) / (1 + Math.cos((Math.PI * (t - 1)) / T_max));
    return this.groups.map((g) => ratio * (g.lr - etaMin) + etaMin);
  }

  protected override closedFormLr(): number[] {
    const part = (1 + Math.cos((Math.PI * this.lastEpoch) / this.T_max)) / 2;
    return this.baseLrs.map((lr) => this.etaMin + (lr - this.etaMin) * part);
  }
}

/** Options of {@link CosineAnnealingWarmRestarts}. */
export interface WarmRestartsOptions extends CosineOptions {
  /** Factor by which each run is longer than the one before (default 1). */
  T_mult?: number;
}

const WARM_RESTARTS_OPTIONS: OptionNames<WarmRestartsOptions> = { T_mult: 1, etaMin: 1, lastEpoch: 1 };

/**
 * lr = etaMin + (base - etaMin) (1 + cos(pi T_cur / T_i)) / 2, with T_cur the epochs since the last restart and T_i
 * the length of the run, which starts at T_0. `step(epoch)` takes fractions too.
 * Source: Loshchilov and Hutter 2016; `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`.
 */
export class CosineAnnealingWarmRestarts extends LRScheduler {
  /** Steps up to the first restart. */
  declare readonly T_0: number;
  /** How many times longer each round is than the one before (default 1). */
  declare readonly T_mult: number;
  /** Least rate (default 0). */
  declare readonly etaMin: number;
  /** Length of this run. */
  declare T_i: number;
  /** Epochs since the last restart. */
  declare T_cur: number;

  constructor(optimizer: Optimizer, T_0: number, options: WarmRestartsOptions = {}) {
    checkOptions(new.target.name, options, WARM_RESTARTS_OPTIONS);
    const { T_mult = 1, etaMin = 0, lastEpoch = -1 } = options;
    for (const [name, value] of Object.entries({ T_0, T_mult })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new ValueError(
          `[${new.target.name}] invalid ${name}: got ${value}, expected a whole number >= 1`,
        );
      }
    }
    super(optimizer, { T_0, T_i: T_0, T_mult, etaMin, T_cur: lastEpoch }, lastEpoch);
  }

  getLr(): number[] {
    const part = (1 + Math.cos((Math.PI * this.T_cur) / this.T_i)) / 2;
    return this.baseLrs.map((lr) => this.etaMin + (lr - this.etaMin) * part);
  }

  override step(epoch?: number): void {
    const { T_0, T_mult } = this;
    const to = epoch ?? (this.lastEpoch < 0 ? 0 : undefined);
    if (to === undefined) {
      this.T_cur++;
      if (this.T_cur >= this.T_i) {
        this.T_cur -= this.T_i;
        this.T_i *= T_mult;
      }
    } else {
      if (!(to >= 0)) throw new ValueError(`[${this.label}] step: got epoch ${to}, expected >= 0`);
      if (to < T_0) {
        this.T_i = T_0;
        this.T_cur = to;
      } else if (T_mult === 1) this.T_cur = to % T_0;
      else {
        const n = Math.trunc(Math.log((to / T_0) * (T_mult - 1) + 1) / Math.log(T_mult));
        this.T_cur = to - (T_0 * (T_mult ** n - 1)) / (T_mult - 1);
        this.T_i = T_0 * T_mult ** n;
      }
    }
    this.lastEpoch = Math.floor(to ?? this.lastEpoch + 1);
    this.setRates(this.getLr());
  }
}
