/** Early stopping: the end of training once a metric no longer improves. */

import type { ModuleBase } from "../nn/base.js";
import type { StateDict } from "../nn/stateDict.js";
import { itemOf } from "../ops/read.js";
import { ValueError } from "../tensor/errors.js";
import { KEPT, nextOp } from "../tensor/heap.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { copyOf } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import { checkRange } from "./groups.js";

/** Options of {@link EarlyStopping}. */
export interface EarlyStoppingOptions {
  /** Epochs without improvement that are let pass (default 10). */
  patience?: number;
  /** Least change that is an improvement (default 0). */
  minDelta?: number;
  /** Whether the metric should fall or rise (default "min"). */
  mode?: "min" | "max";
  /** A model whose weights are kept at their best, for {@link EarlyStopping.restore}. */
  model?: ModuleBase | null;
}

const EARLY_STOPPING_OPTIONS: OptionNames<EarlyStoppingOptions> = {
  patience: 1,
  minDelta: 1,
  mode: 1,
  model: 1,
};

/** The saved form of {@link EarlyStopping}. */
export interface EarlyStoppingState {
  /** The best metric. */
  best: number | null;
  /** Its epoch. */
  best_epoch: number;
  /** The last epoch seen. */
  last_epoch: number;
  /** Epochs since the best one. */
  num_bad_epochs: number;
  /** The weights of the best epoch, if they are kept. */
  weights: StateDict | null;
}

/**
 * Tells when to stop: after `patience` epochs in a row in which the metric did not improve.
 * @example
 * const stopping = new optim.EarlyStopping({ patience: 1 });
 * [1, 0.5, 0.6, 0.7].map((loss) => stopping.step(loss)); // [false, false, false, true]
 * stopping.best; // 0.5
 */
export class EarlyStopping {
  /** Epochs without improvement that are let pass. */
  readonly patience: number;
  /** Least change that is an improvement. */
  readonly minDelta: number;
  /** Whether the metric should fall or rise. */
  readonly mode: "min" | "max";
  /** The best metric so far; null before the first. */
  best: number | null = null;
  /** The epoch of the best metric, from 0; -1 before the first. */
  bestEpoch = -1;
  private lastEpoch = -1;
  private numBadEpochs = 0;
  private readonly model: ModuleBase | null;
  private weights: StateDict | null = null;

  constructor(options: EarlyStoppingOptions = {}) {
    checkOptions(new.target.name, options, EARLY_STOPPING_OPTIONS);
    const { patience = 10, minDelta = 0, mode = "min", model = null } = options;
    checkRange("EarlyStopping", "patience", patience, 0);
    checkRange("EarlyStopping", "minDelta", minDelta, 0);
    if (mode !== "min" && mode !== "max") {
      throw new ValueError(`[EarlyStopping] invalid mode: got ${String(mode)}, expected "min" or "max"`);
    }
    this.patience = patience;
    this.minDelta = minDelta;
    this.mode = mode;
    this.model = model;
  }

  /** Whether it is time to stop. */
  get stopped(): boolean {
    return this.numBadEpochs > this.patience;
  }

  /** Takes the metric of an epoch; true when it is time to stop. A NaN is no improvement. */
  step(metric: number | Tensor): boolean {
    const value = metric instanceof Tensor ? itemOf(metric) : metric;
    if (typeof value !== "number")
      throw new ValueError(`[EarlyStopping] step: got ${typeof value}, expected the metric`);
    this.lastEpoch++;
    const { best, minDelta } = this;
    const better =
      this.mode === "min" ? value < (best ?? Infinity) - minDelta : value > (best ?? -Infinity) + minDelta;
    if (better || (best === null && !Number.isNaN(value))) {
      this.best = value;
      this.bestEpoch = this.lastEpoch;
      this.numBadEpochs = 0;
      if (this.model !== null) this.weights = copied(this.model.stateDict());
    } else this.numBadEpochs++;
    return this.stopped;
  }

  /**
   * Puts the weights of the best epoch back into the model.
   * @throws ValueError without a model, or before the first step.
   */
  restore(): void {
    if (this.model === null || this.weights === null) {
      const why = this.model === null ? "no model was given" : "no epoch was seen yet";
      throw new ValueError(
        `[EarlyStopping] restore: ${why}; try { model }, and step(metric) after each epoch`,
      );
    }
    this.model.loadStateDict(this.weights);
  }

  /** What was seen so far, for checkpoints. */
  stateDict(): EarlyStoppingState {
    const {
      best,
      bestEpoch: best_epoch,
      lastEpoch: last_epoch,
      numBadEpochs: num_bad_epochs,
      weights,
    } = this;
    return { best, best_epoch, last_epoch, num_bad_epochs, weights };
  }

  /** Goes on from a saved state. */
  loadStateDict(state: Readonly<EarlyStoppingState>): void {
    this.best = state.best;
    this.bestEpoch = state.best_epoch;
    this.lastEpoch = state.last_epoch;
    this.numBadEpochs = state.num_bad_epochs;
    this.weights = state.weights === null ? null : copied(state.weights);
  }
}

function copied(state: StateDict): StateDict {
  nextOp();
  const copies = Object.entries(state).map(([key, t]) => {
    const copy = copyOf(t);
    copy.storage.flags |= KEPT;
    return [key, copy] as const;
  });
  return Object.fromEntries(copies);
}
