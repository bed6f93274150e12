/** Schedulers made of schedulers: one after the other, or all at once. */

import { StateDictError } from "../../nn/stateDict.js";
import { ValueError } from "../../tensor/errors.js";
import { checkOptions, type OptionNames } from "../../tensor/options.js";
import type { Optimizer } from "../optimizer.js";
import { ReduceLROnPlateau } from "./plateau.js";
import {
  LRScheduler,
  SCHEDULER_OPTIONS,
  type SchedulerOptions,
  type SchedulerStateDict,
} from "./scheduler.js";

/** Base of both: a list of schedulers of one optimizer. */
abstract class Composite extends LRScheduler {
  /** @internal */
  declare readonly _schedulers: readonly LRScheduler[];

  constructor(optimizer: Optimizer, schedulers: readonly LRScheduler[], fields: object) {
    const label = new.target.name;
    schedulers.forEach((s, i) => {
      if (s instanceof ReduceLROnPlateau) {
        throw new ValueError(
          `[${label}] scheduler ${i} is a ReduceLROnPlateau, which needs a metric at each step; try to step it apart`,
        );
      }
      if (s.optimizer !== optimizer)
        throw new ValueError(`[${label}] scheduler ${i} belongs to another optimizer`);
    });
    super(optimizer, fields, null);
    this.hide({ _schedulers: [...schedulers] });
  }

  getLr(): number[] {
    return this.groups.map((group) => group.lr);
  }

  override _undo(): void {
    for (const s of this._schedulers) s._undo();
  }

  override stateDict(): SchedulerStateDict {
    const { base_lrs: _base, _step_count: _count, ...own } = super.stateDict();
    return { ...own, _schedulers: this._schedulers.map((s) => s.stateDict()) };
  }

  override _checkState(state: Readonly<SchedulerStateDict>): (() => void)[] {
    const { _schedulers: parts, ...own } = state;
    const { baseLrs: base_lrs, _stepCount: _step_count, lastEpoch: last_epoch } = this;
    const plans = super._checkState({ base_lrs, _step_count, last_epoch, ...own });
    if (!Array.isArray(parts) || parts.length !== this._schedulers.length) {
      const got = Array.isArray(parts) ? parts.length : 0;
      throw new StateDictError(
        this.label,
        [],
        [],
        [`_schedulers has ${got} states, expected ${this._schedulers.length}`],
      );
    }
    return [...plans, ...this._schedulers.flatMap((s, i) => s._checkState(parts[i] as SchedulerStateDict))];
  }
}

/**
 * Schedulers one after the other: each starts at its milestone. Source: `torch.optim.lr_scheduler.SequentialLR`.
 * @param milestones the epochs at which the second and later schedulers start.
 */
export class SequentialLR extends Composite {
  /** @internal */
  declare readonly _milestones: readonly number[];

  constructor(
    optimizer: Optimizer,
    schedulers: readonly LRScheduler[],
    milestones: readonly number[],
    options: SchedulerOptions = {},
  ) {
    checkOptions(new.target.name, options, SCHEDULER_OPTIONS);
    const label = new.target.name;
    if (schedulers.length < 1) throw new ValueError(`[${label}] got no schedulers, expected at least one`);
    if (milestones.length !== schedulers.length - 1) {
      throw new ValueError(
        `[${label}] got ${milestones.length} milestones for ${schedulers.length} schedulers, expected ${schedulers.length - 1}`,
      );
    }
    super(optimizer, schedulers, { _milestones: [...milestones] });
    this.lastEpoch = (options.lastEpoch ?? -1) + 1;
    for (const group of this.groups) group.lr = group.initialLr as number;
    this._undo();
    const first = this._schedulers[0] as LRScheduler;
    first._initialStep();
    this._lastLr = first.getLastLr();
  }

  override step(): void {
    this.lastEpoch++;
    let at = 0;
    while (at < this._milestones.length && (this._milestones[at] as number) <= this.lastEpoch) at++;
    const scheduler = this._schedulers[at] as LRScheduler;
    if (at > 0 && this._milestones[at - 1] === this.lastEpoch) scheduler.step(0);
    else scheduler.step();
    this._lastLr = scheduler.getLastLr();
  }
}

const CHAINED_SCHEDULER_OPTIONS: OptionNames<{ optimizer?: Optimizer | null }> = { optimizer: 1 };

/** Schedulers all at once: each step steps every one in turn. Source: `torch.optim.lr_scheduler.ChainedScheduler`. */
export class ChainedScheduler extends Composite {
  constructor(schedulers: readonly LRScheduler[], options: { optimizer?: Optimizer | null } = {}) {
    checkOptions(new.target.name, options, CHAINED_SCHEDULER_OPTIONS);
    const [first] = schedulers;
    if (first === undefined)
      throw new ValueError(`[${new.target.name}] got no schedulers, expected at least one`);
    super(options.optimizer ?? first.optimizer, schedulers, {});
    this._lastLr = this.groups.map((group) => group.lr);
  }

  override step(): void {
    for (const scheduler of this._schedulers) scheduler.step();
    this._lastLr = this.groups.map((group) => group.lr);
  }

  /** The state of the schedulers, with the last rates of the optimizer. */
  override stateDict(): SchedulerStateDict {
    const { last_epoch: _epoch, ...own } = super.stateDict();
    return own;
  }
}
