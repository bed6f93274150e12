/** The base of the learning rate schedulers. Source: `torch.optim.lr_scheduler.LRScheduler`. */

import { toField, toKey } from "../../nn/naming.js";
import { StateDictError } from "../../nn/stateDict.js";
import { ValueError } from "../../tensor/errors.js";
import type { OptionNames } from "../../tensor/options.js";
import type { ParamGroup, RateOptions } from "../groups.js";
import { Optimizer } from "../optimizer.js";

/** Options of all schedulers. */
export interface SchedulerOptions {
  /** The last epoch of the run that is resumed (default -1: a new run). */
  lastEpoch?: number;
}

/** @internal */
export const SCHEDULER_OPTIONS: OptionNames<SchedulerOptions> = { lastEpoch: 1 };

/** The saved form of a scheduler, with PyTorch's names. */
export type SchedulerStateDict = Record<string, unknown>;

/** A group with what schedulers read and write in it. */
export type ScheduledGroup = ParamGroup<RateOptions> & {
  /** Momentum, of SGD and RMSprop. */
  momentum?: number;
  /** Betas, of Adam and its kin; the first plays the momentum. */
  betas?: readonly [number, number];
  /** Largest rate of a cycle. */
  maxLr?: number;
  /** Last rate of the one cycle. */
  minLr?: number;
  /** Largest momentum of a cycle. */
  maxMomentum?: number;
  /** Least momentum of a cycle. */
  baseMomentum?: number;
  /** Rate that SWALR goes to. */
  swaLr?: number;
};

/** Names in PyTorch's state dicts that have no field here. */
const WITHOUT_FIELD = new Set([
  "verbose",
  "_get_lr_called_within_step",
  "_is_initial",
  "mode_worse",
  "use_beta1",
  "anneal_func",
  "_anneal_func_type",
  "_scale_fn_ref",
  "_scale_fn_custom",
]);

function kindOf(value: unknown): string {
  return Array.isArray(value) ? "list" : value === null ? "null" : typeof value;
}

/** Renames the keys of plain objects at every depth. */
function renamed(value: unknown, rename: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((v) => renamed(v, rename));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, v]) => [rename(key), renamed(v, rename)]));
}

/**
 * A scheduler sets `lr` of the optimizer's groups: once when it is made, then at each `step()`. A subclass writes
 * `getLr()`; fields that it reads are given to `super` and declared, since the first rate is computed in there.
 * @example
 * class InverseRoot extends optim.lrScheduler.LRScheduler {
 *   declare readonly warmup: number;
 *   constructor(optimizer: optim.Optimizer, warmup: number) {
 *     super(optimizer, { warmup });
 *   }
 *   getLr(): number[] {
 *     const t = this.lastEpoch + 1;
 *     return this.baseLrs.map((lr) => lr * Math.min(t / this.warmup, Math.sqrt(this.warmup / t)));
 *   }
 * }
 */
export abstract class LRScheduler {
  /** The optimizer whose rates are set. */
  readonly optimizer!: Optimizer;
  /** Rates of the groups before any scheduler changed them. */
  baseLrs: number[] = [];
  /** Number of steps, from 0. */
  lastEpoch = -1;
  /** @internal */
  _stepCount = 0;
  /** @internal */
  _lastLr: number[] = [];

  /**
   * @param fields what `getLr` reads; becomes part of the scheduler and of its state dict.
   * @param lastEpoch the last epoch of the run that is resumed; null leaves the rates alone for now.
   */
  constructor(optimizer: Optimizer, fields: object = {}, lastEpoch: number | null = -1) {
    if (!(optimizer instanceof Optimizer)) {
      throw new ValueError(`[${this.label}] expected an optimizer, got ${typeof optimizer}`);
    }
    this.hide({ optimizer });
    Object.assign(this, fields);
    if (lastEpoch !== null) this.begin(lastEpoch);
  }

  /** Takes the groups' rates as those to start from, and sets the first ones. */
  protected begin(lastEpoch: number): void {
    if (lastEpoch === -1) for (const group of this.groups) group.initialLr ??= group.lr;
    this.baseLrs = this.groups.map((group, i) => {
      if (group.initialLr !== undefined) return group.initialLr;
      throw new ValueError(
        `[${this.label}] lastEpoch is ${lastEpoch} but group ${i} has no initialLr; try to load the optimizer's state first`,
      );
    });
    this.lastEpoch = lastEpoch;
    this._initialStep();
  }

  /** The rates of the groups at `lastEpoch`, from those of before. */
  abstract getLr(): number[];

  /** The rates at any epoch from the start alone, for schedulers that have such a form. */
  protected closedFormLr?(): number[];

  /** @internal The class in messages. */
  protected get label(): string {
    return this.constructor.name;
  }

  /** @internal */
  protected get groups(): ScheduledGroup[] {
    return this.optimizer.paramGroups as ScheduledGroup[];
  }

  /** Sets fields that are not saved. */
  protected hide(fields: object): void {
    for (const [name, value] of Object.entries(fields))
      Object.defineProperty(this, name, { value, enumerable: false });
  }

  /** @internal */
  _initialStep(): void {
    this.optimizer._stepCount = 0;
    this._stepCount = 0;
    this.step();
  }

  /** @internal Takes back the first step, for a scheduler that starts later. */
  _undo(): void {
    this.lastEpoch--;
  }

  /**
   * Goes on by one epoch (or to a given one) and sets the rates of the groups; to be called after `optimizer.step()`.
   */
  step(epoch?: number): void {
    if (this._stepCount === 1 && this.optimizer._stepCount < 1) {
      console.warn(
        `[kindling] ${this.label}: step() was called before optimizer.step(), so the first rate of the schedule is skipped`,
      );
    }
    this._stepCount++;
    this.lastEpoch = epoch ?? this.lastEpoch + 1;
    const values = epoch === undefined ? this.getLr() : (this.closedFormLr?.() ?? this.getLr());
    this.setRates(values);
  }

  /** Writes rates into the groups. */
  protected setRates(values: readonly number[]): void {
    this.groups.forEach((group, i) => {
      group.lr = values[i] as number;
    });
    this._lastLr = this.groups.map((group) => group.lr);
  }

  /** The rates that the last step set, one for each group. Source: `get_last_lr`. */
  getLastLr(): [number, ...number[]] {
    return [...this._lastLr] as [number, ...number[]];
  }

  /** One value for each group, from one for all or a list. */
  protected forGroups(name: string, value: number | readonly number[]): number[] {
    if (typeof value === "number") return this.groups.map(() => value);
    if (value.length === this.groups.length) return [...value];
    throw new ValueError(
      `[${this.label}] ${name}: got ${value.length} values, expected ${this.groups.length}, one for each group`,
    );
  }

  /** Fields by PyTorch's names; functions are not saved. Source: `state_dict`. */
  stateDict(): SchedulerStateDict {
    const out: SchedulerStateDict = {};
    for (const [field, value] of Object.entries(this)) {
      if (typeof value === "function") continue;
      out[toKey(field)] = renamed(value, toKey);
    }
    return out;
  }

  /**
   * Takes fields from `stateDict`, of this library or PyTorch's. Everything is checked first. The rates
   * themselves are part of the optimizer's state. Source: `load_state_dict`.
   * @throws StateDictError naming what does not fit; nothing was loaded then.
   */
  loadStateDict(state: Readonly<SchedulerStateDict>): void {
    for (const apply of this._checkState(state)) apply();
  }

  /** @internal What to do to load a state, once all of it was found to fit. */
  _checkState(state: Readonly<SchedulerStateDict>): (() => void)[] {
    const problems: string[] = [];
    const read: Record<string, unknown> = {};
    const own = this as unknown as Record<string, unknown>;
    for (const [key, value] of Object.entries(state)) {
      const field = toField(key);
      if (WITHOUT_FIELD.has(key)) continue;
      const had = own[field];
      if (!Object.hasOwn(this, field)) problems.push(`unexpected ${key}`);
      else if (typeof had === "function") continue;
      else if (had !== null && value !== null && kindOf(had) !== kindOf(value)) {
        problems.push(`${key} is a ${kindOf(value)}, expected a ${kindOf(had)}`);
      } else read[field] = renamed(value, toField);
    }
    for (const [field, value] of Object.entries(this)) {
      if (typeof value === "function" || value === null || Object.hasOwn(read, field)) continue;
      if (!problems.some((p) => p.startsWith(`${toKey(field)} `)))
        problems.push(`${toKey(field)} is missing`);
    }
    const rates = (read.baseLrs as number[] | undefined)?.length ?? this.baseLrs.length;
    if (rates !== this.baseLrs.length) {
      problems.push(`base_lrs has ${rates} values, expected ${this.baseLrs.length}, one for each group`);
    }
    if (problems.length > 0) throw new StateDictError(this.label, [], [], problems);
    return [() => Object.assign(this, read)];
  }
}
