/** A scheduler that waits for the loss to stop falling. */

import { itemOf } from "../../ops/read.js";
import { ValueError } from "../../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../../tensor/options.js";
import { Tensor } from "../../tensor/tensor.js";
import { checkRange } from "../groups.js";
import type { Optimizer } from "../optimizer.js";
import { LRScheduler, type SchedulerStateDict } from "./scheduler.js";

/** Options of {@link ReduceLROnPlateau}. */
export interface PlateauOptions {
  /** Whether the metric should fall or rise (default "min"). */
  mode?: "min" | "max";
  /** Factor of the rate (default 0.1). */
  factor?: number;
  /** Epochs without improvement that are let pass (default 10). */
  patience?: number;
  /** Least change that is an improvement (default 1e-4). */
  threshold?: number;
  /** Whether the threshold is a part of the best value or a difference (default "rel"). */
  thresholdMode?: "rel" | "abs";
  /** Epochs of rest after the rate was reduced (default 0). */
  cooldown?: number;
  /** Least rate (default 0). */
  minLr?: number | readonly number[];
  /** Least change of the rate (default 1e-8). */
  eps?: number;
}

const PLATEAU_OPTIONS: OptionNames<PlateauOptions> = {
  mode: 1,
  factor: 1,
  patience: 1,
  threshold: 1,
  thresholdMode: 1,
  cooldown: 1,
  minLr: 1,
  eps: 1,
};

/**
 * Reduces the rate when a metric has not improved for more than `patience` epochs.
 * Source: `torch.optim.lr_scheduler.ReduceLROnPlateau`.
 * @example
 * const optimizer = new optim.SGD([zeros([1], { requiresGrad: true })], { lr: 0.5 });
 * const scheduler = new optim.lrScheduler.ReduceLROnPlateau(optimizer, "min", { patience: 0, factor: 0.5 });
 * scheduler.step(1);
 * scheduler.step(1);
 * scheduler.getLastLr(); // [0.25]
 */
export class ReduceLROnPlateau extends LRScheduler {
  /** Whether the metric should fall or rise (default "min"). */
  declare readonly mode: "min" | "max";
  /** Factor of the rate (default 0.1). */
  declare readonly factor: number;
  /** Epochs without improvement that are let pass (default 10). */
  declare readonly patience: number;
  /** Least change that is an improvement (default 1e-4). */
  declare readonly threshold: number;
  /** Whether the threshold is a part of the best value or a difference (default "rel"). */
  declare readonly thresholdMode: "rel" | "abs";
  /** Epochs of rest after the rate was reduced (default 0). */
  declare readonly cooldown: number;
  /** Least change of the rate (default 1e-8). */
  declare readonly eps: number;
  /** Least rate of each group. */
  declare minLrs: number[];
  /** The best value so far. */
  declare best: number;
  /** Epochs without improvement so far. */
  declare numBadEpochs: number;
  /** Epochs of rest that are left. */
  declare cooldownCounter: number;

  constructor(optimizer: Optimizer, mode: "min" | "max" | PlateauOptions = {}, options: PlateauOptions = {}) {
    checkNames(new.target.name, mode, PLATEAU_OPTIONS);
    checkOptions(new.target.name, options, PLATEAU_OPTIONS);
    const given: PlateauOptions = typeof mode === "string" ? { ...options, mode } : mode;
    const {
      factor = 0.1,
      patience = 10,
      threshold = 1e-4,
      thresholdMode = "rel",
      cooldown = 0,
      eps = 1e-8,
    } = given;
    const label = new.target.name;
    const direction = given.mode ?? "min";
    checkRange(label, "factor", factor, 0, 1);
    if (direction !== "min" && direction !== "max") {
      throw new ValueError(`[${label}] invalid mode: got ${String(direction)}, expected "min" or "max"`);
    }
    if (thresholdMode !== "rel" && thresholdMode !== "abs") {
      throw new ValueError(
        `[${label}] invalid thresholdMode: got ${String(thresholdMode)}, expected "rel" or "abs"`,
      );
    }
    const best = direction === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    const counters = { best, numBadEpochs: 0, cooldownCounter: 0 };
    super(
      optimizer,
      { mode: direction, factor, patience, threshold, thresholdMode, cooldown, eps, ...counters },
      null,
    );
    this.minLrs = this.forGroups("minLr", given.minLr ?? 0);
    this.lastEpoch = 0;
    this._lastLr = this.groups.map((group) => group.lr);
  }

  getLr(): number[] {
    return this.groups.map((group) => group.lr);
  }

  private isBetter(value: number): boolean {
    const { best, threshold } = this;
    const relative = this.thresholdMode === "rel";
    if (this.mode === "min") return value < (relative ? best * (1 - threshold) : best - threshold);
    return value > (relative ? best * (threshold + 1) : best + threshold);
  }

  /**
   * Takes the metric of an epoch, and reduces the rates when it is time.
   * @throws ValueError without a metric.
   */
  override step(metrics?: number | Tensor, epoch?: number): void {
    const value = metrics instanceof Tensor ? itemOf(metrics) : metrics;
    if (typeof value !== "number") {
      throw new ValueError(`[${this.label}] step: got ${typeof value}, expected the metric; try step(loss)`);
    }
    this.lastEpoch = epoch ?? this.lastEpoch + 1;
    if (this.isBetter(value)) {
      this.best = value;
      this.numBadEpochs = 0;
    } else this.numBadEpochs++;
    if (this.cooldownCounter > 0) {
      this.cooldownCounter--;
      this.numBadEpochs = 0;
    }
    if (this.numBadEpochs > this.patience) {
      this.reduce();
      this.cooldownCounter = this.cooldown;
      this.numBadEpochs = 0;
    }
    this._lastLr = this.groups.map((group) => group.lr);
  }

  private reduce(): void {
    this.groups.forEach((group, i) => {
      const lower = Math.max(group.lr * this.factor, this.minLrs[i] as number);
      if (group.lr - lower > this.eps) group.lr = lower;
    });
  }

  override stateDict(): SchedulerStateDict {
    const { base_lrs: _base, _step_count: _count, ...own } = super.stateDict();
    return own;
  }

  override _checkState(state: Readonly<SchedulerStateDict>): (() => void)[] {
    const { baseLrs: base_lrs, _stepCount: _step_count } = this;
    return super._checkState({ base_lrs, _step_count, ...state });
  }
}
