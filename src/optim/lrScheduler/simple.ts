/** Schedulers by functions, steps, powers and straight lines. */

import { ValueError } from "../../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../../tensor/options.js";
import { checkRange } from "../groups.js";
import type { Optimizer } from "../optimizer.js";
import {
  LRScheduler,
  SCHEDULER_OPTIONS,
  type SchedulerOptions,
  type SchedulerStateDict,
} from "./scheduler.js";

/** A factor by epoch. */
export type LrLambda = (epoch: number) => number;

/** Base of the schedulers that take functions, which are not saved. */
abstract class ByFunctions extends LRScheduler {
  /** The functions of the step, one for each group. */
  declare readonly lrLambdas: readonly LrLambda[];

  constructor(
    optimizer: Optimizer,
    lrLambda: LrLambda | readonly LrLambda[],
    options: SchedulerOptions = {},
  ) {
    checkOptions(new.target.name, options, SCHEDULER_OPTIONS);
    const n = optimizer.paramGroups.length;
    const list = typeof lrLambda === "function" ? new Array<LrLambda>(n).fill(lrLambda) : [...lrLambda];
    if (list.length !== n) {
      throw new ValueError(
        `[${new.target.name}] lrLambda: got ${list.length} functions, expected ${n}, one for each group`,
      );
    }
    super(optimizer, { lrLambdas: list }, options.lastEpoch);
  }

  /** The factors at this epoch. */
  protected factors(): number[] {
    return this.lrLambdas.map((f) => f(this.lastEpoch));
  }

  override stateDict(): SchedulerStateDict {
    return { ...super.stateDict(), lr_lambdas: this.lrLambdas.map(() => null) };
  }

  override _checkState(state: Readonly<SchedulerStateDict>): (() => void)[] {
    const { lr_lambdas: _functions, ...rest } = state;
    return super._checkState({ ...rest, lr_lambdas: this.lrLambdas });
  }
}

/**
 * lr = base * f(epoch). Source: `torch.optim.lr_scheduler.LambdaLR`.
 * @param lrLambda one function for all groups, or a list with one for each.
 * @example
 * const optimizer = new optim.SGD([zeros([1], { requiresGrad: true })], { lr: 0.5 });
 * const scheduler = new optim.lrScheduler.LambdaLR(optimizer, (epoch) => 0.5 ** epoch);
 * optimizer.step();
 * scheduler.step();
 * scheduler.getLastLr(); // [0.25]
 */
export class LambdaLR extends ByFunctions {
  getLr(): number[] {
    const factors = this.factors();
    return this.baseLrs.map((lr, i) => lr * (factors[i] as number));
  }
}

/** lr = lr * f(epoch), from epoch 1 on. Source: `torch.optim.lr_scheduler.MultiplicativeLR`. */
export class MultiplicativeLR extends ByFunctions {
  getLr(): number[] {
    if (this.lastEpoch <= 0) return this.groups.map((g) => g.lr);
    const factors = this.factors();
    return this.groups.map((g, i) => g.lr * (factors[i] as number));
  }
}

/** Options of {@link StepLR} and {@link MultiStepLR}. */
export interface StepOptions extends SchedulerOptions {
  /** Factor of each step down (default 0.1). */
  gamma?: number;
}

const STEP_OPTIONS: OptionNames<StepOptions> = { gamma: 1, lastEpoch: 1 };

function stepOptions(
  label: string,
  options: StepOptions | number,
): { gamma: number; lastEpoch: number | undefined } {
  checkNames(label, options, STEP_OPTIONS);
  if (typeof options === "number") return { gamma: options, lastEpoch: undefined };
  return { gamma: options.gamma ?? 0.1, lastEpoch: options.lastEpoch };
}

/** lr falls by gamma every `stepSize` epochs. Source: `torch.optim.lr_scheduler.StepLR`. */
export class StepLR extends LRScheduler {
  /** Steps between two changes. */
  declare readonly stepSize: number;
  /** Factor of each change (default 0.1). */
  declare readonly gamma: number;

  /** @param options a bare number is gamma. */
  constructor(optimizer: Optimizer, stepSize: number, options: StepOptions | number = {}) {
    checkRange(new.target.name, "stepSize", stepSize, 1);
    const { gamma, lastEpoch } = stepOptions(new.target.name, options);
    super(optimizer, { stepSize, gamma }, lastEpoch);
  }

  getLr(): number[] {
    const stays = this.lastEpoch === 0 || this.lastEpoch % this.stepSize !== 0;
    return this.groups.map((g) => (stays ? g.lr : g.lr * this.gamma));
  }

  protected override closedFormLr(): number[] {
    return this.baseLrs.map((lr) => lr * this.gamma ** Math.floor(this.lastEpoch / this.stepSize));
  }
}

/** lr falls by gamma at each milestone. Source: `torch.optim.lr_scheduler.MultiStepLR`. */
export class MultiStepLR extends LRScheduler {
  /** How often each epoch was given. */
  declare readonly milestones: Readonly<Record<string, number>>;
  /** Factor of each change (default 0.1). */
  declare readonly gamma: number;

  /** @param options a bare number is gamma. */
  constructor(optimizer: Optimizer, milestones: readonly number[], options: StepOptions | number = {}) {
    const { gamma, lastEpoch } = stepOptions(new.target.name, options);
    const counts: Record<string, number> = {};
    for (const m of milestones) counts[m] = (counts[m] ?? 0) + 1;
    super(optimizer, { milestones: counts, gamma }, lastEpoch);
  }

  getLr(): number[] {
    const count = this.milestones[this.lastEpoch];
    return this.groups.map((g) => (count === undefined ? g.lr : g.lr * this.gamma ** count));
  }

  protected override closedFormLr(): number[] {
    let passed = 0;
    for (const [m, n] of Object.entries(this.milestones)) if (Number(m) <= this.lastEpoch) passed += n;
    return this.baseLrs.map((lr) => lr * this.gamma ** passed);
  }
}

/** Throws where a schedule of no steps is asked for the rate at an epoch, which is relative to its length. */
function checkIters(label: string, totalIters: number): void {
  if (totalIters === 0)
    throw new ValueError(`[${label}] step: totalIters is 0, expected >= 1 for a step to a given epoch`);
}

/** Options of {@link ConstantLR}. */
export interface ConstantOptions extends SchedulerOptions {
  /** Factor until `totalIters` (default 1/3). */
  factor?: number;
  /** Epochs for which the factor holds (default 5). */
  totalIters?: number;
}

const CONSTANT_OPTIONS: OptionNames<ConstantOptions> = { factor: 1, totalIters: 1, lastEpoch: 1 };

/**
 * lr = factor * base until `totalIters`, then base. Source: `torch.optim.lr_scheduler.ConstantLR`.
 * @throws ValueError at `totalIters` where the factor is 0, since it is divided out again.
 */
export class ConstantLR extends LRScheduler {
  /** Factor of the first steps (default 1/3). */
  declare readonly factor: number;
  /** Steps with that factor (default 5). */
  declare readonly totalIters: number;

  constructor(optimizer: Optimizer, options: ConstantOptions = {}) {
    checkOptions(new.target.name, options, CONSTANT_OPTIONS);
    const { factor = 1 / 3, totalIters = 5, lastEpoch } = options;
    checkRange(new.target.name, "factor", factor, 0, 1, true);
    super(optimizer, { factor, totalIters }, lastEpoch);
  }

  getLr(): number[] {
    const { lastEpoch, factor, totalIters } = this;
    if (lastEpoch === 0) return this.groups.map((g) => g.lr * factor);
    if (lastEpoch === totalIters && factor === 0) {
      throw new ValueError(
        `[${this.label}] step: a factor of 0 cannot be divided out after ${totalIters} steps; try a small factor above 0`,
      );
    }
    return this.groups.map((g) => (lastEpoch === totalIters ? g.lr * (1 / factor) : g.lr));
  }

  protected override closedFormLr(): number[] {
    const { factor } = this;
    return this.baseLrs.map(
      (lr) => lr * (factor + (this.lastEpoch >= this.totalIters ? 1 : 0) * (1 - factor)),
    );
  }
}

/** Options of {@link LinearLR}. */
export interface LinearOptions extends SchedulerOptions {
  /** Factor at the start (default 1/3). */
  startFactor?: number;
  /** Factor from `totalIters` on (default 1). */
  endFactor?: number;
  /** Epochs between both (default 5). */
  totalIters?: number;
}

const LINEAR_OPTIONS: OptionNames<LinearOptions> = {
  startFactor: 1,
  endFactor: 1,
  totalIters: 1,
  lastEpoch: 1,
};

/** lr goes from startFactor * base to endFactor * base on a line. Source: `torch.optim.lr_scheduler.LinearLR`. */
export class LinearLR extends LRScheduler {
  /** Factor of the first step (default 1/3). */
  declare readonly startFactor: number;
  /** Factor after the last (default 1). */
  declare readonly endFactor: number;
  /** Steps from one to the other (default 5). */
  declare readonly totalIters: number;

  constructor(optimizer: Optimizer, options: LinearOptions = {}) {
    checkOptions(new.target.name, options, LINEAR_OPTIONS);
    const { startFactor = 1 / 3, endFactor = 1, totalIters = 5, lastEpoch } = options;
    if (!(startFactor > 0 && startFactor <= 1)) {
      throw new ValueError(
        `[${new.target.name}] invalid startFactor: got ${startFactor}, expected above 0 and up to 1`,
      );
    }
    checkRange(new.target.name, "endFactor", endFactor, 0, 1, true);
    super(optimizer, { startFactor, endFactor, totalIters }, lastEpoch);
  }

  getLr(): number[] {
    const { lastEpoch, startFactor, endFactor, totalIters } = this;
    if (lastEpoch === 0) return this.groups.map((g) => g.lr * startFactor);
    if (lastEpoch > totalIters) return this.groups.map((g) => g.lr);
    const climb = endFactor - startFactor;
    return this.groups.map((g) => g.lr * (1 + climb / (totalIters * startFactor + (lastEpoch - 1) * climb)));
  }

  protected override closedFormLr(): number[] {
    const { startFactor, endFactor, totalIters } = this;
    checkIters(this.label, totalIters);
    const part = Math.min(totalIters, this.lastEpoch) / totalIters;
    return this.baseLrs.map((lr) => lr * (startFactor + (endFactor - startFactor) * part));
  }
}

/** lr falls by gamma each epoch. Source: `torch.optim.lr_scheduler.ExponentialLR`. */
export class ExponentialLR extends LRScheduler {
  /** Factor of each step. */
  declare readonly gamma: number;

  constructor(optimizer: Optimizer, gamma: number, options: SchedulerOptions = {}) {
    checkOptions(new.target.name, options, SCHEDULER_OPTIONS);
    super(optimizer, { gamma }, options.lastEpoch);
  }

  getLr(): number[] {
    return this.groups.map((g) => (this.lastEpoch === 0 ? g.lr : g.lr * this.gamma));
  }

  protected override closedFormLr(): number[] {
    return this.baseLrs.map((lr) => lr * this.gamma ** this.lastEpoch);
  }
}

/** Options of {@link PolynomialLR}. */
export interface PolynomialOptions extends SchedulerOptions {
  /** Epochs until the rate is 0 (default 5). */
  totalIters?: number;
  /** Power of the polynomial (default 1). */
  power?: number;
}

const POLYNOMIAL_OPTIONS: OptionNames<PolynomialOptions> = { totalIters: 1, power: 1, lastEpoch: 1 };

/** lr = base (1 - epoch / totalIters)^power, then 0. Source: `torch.optim.lr_scheduler.PolynomialLR`. */
export class PolynomialLR extends LRScheduler {
  /** Steps until the rate is 0 (default 5). */
  declare readonly totalIters: number;
  /** Exponent (default 1). */
  declare readonly power: number;

  constructor(optimizer: Optimizer, options: PolynomialOptions = {}) {
    checkOptions(new.target.name, options, POLYNOMIAL_OPTIONS);
    const { totalIters = 5, power = 1, lastEpoch } = options;
    super(optimizer, { totalIters, power }, lastEpoch);
  }

  getLr(): number[] {
    const { lastEpoch, totalIters, power } = this;
    if (lastEpoch === 0 || lastEpoch > totalIters) return this.groups.map((g) => g.lr);
    const decay = ((1 - lastEpoch / totalIters) / (1 - (lastEpoch - 1) / totalIters)) ** power;
    return this.groups.map((g) => g.lr * decay);
  }

  protected override closedFormLr(): number[] {
    const { lastEpoch, totalIters, power } = this;
    checkIters(this.label, totalIters);
    return this.baseLrs.map((lr) => lr * (1 - Math.min(totalIters, lastEpoch) / totalIters) ** power);
  }
}
