/** Averages of weights: equally weighted or exponential, and the rate that goes with them (`torch.optim.swa_utils`). */

import { noGrad } from "../autograd/mode.js";
import type { ModuleBase } from "../nn/base.js";
import { deepCopy } from "../nn/copy.js";
import { Module } from "../nn/module.js";
import { fill_ } from "../ops/inPlace.js";
import { itemOf } from "../ops/read.js";
import { tensor } from "../tensor/create.js";
import { isFloat } from "../tensor/dtype.js";
import { ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { checkRange } from "./groups.js";
import { LRScheduler, type SchedulerOptions } from "./lrScheduler/scheduler.js";
import type { Optimizer } from "./optimizer.js";

export { updateBn } from "../nn/utils/updateBn.js";

/** The new average of one tensor, from the old one, the model's tensor and how many were averaged so far. */
export type AvgFn = (averaged: Tensor, current: Tensor, numAveraged: number) => Tensor;
/** Moves all averages, in place. */
export type MultiAvgFn = (
  averaged: readonly Tensor[],
  current: readonly Tensor[],
  numAveraged: number,
) => void;

/** Options of {@link AveragedModel}. */
export interface AveragedModelOptions {
  /** How one tensor is averaged (default: all models alike). */
  avgFn?: AvgFn | null;
  /** How all tensors are averaged at once; goes before `avgFn`. */
  multiAvgFn?: MultiAvgFn | null;
  /** Average the buffers too, in place of copying them (default false). */
  useBuffers?: boolean;
  /** Where the copy lives: there is one place. */
  device?: "cpu" | null;
}

const AVERAGED_MODEL_OPTIONS: OptionNames<AveragedModelOptions> = {
  avgFn: 1,
  multiAvgFn: 1,
  useBuffers: 1,
  device: 1,
};

/** a + (x - a) / (n + 1), the equally weighted average. Source: `torch.optim.swa_utils.get_swa_avg_fn`. */
export function getSwaAvgFn(): AvgFn {
  return (averaged, current, n) => averaged.add(current.sub(averaged).div(n + 1));
}

/** decay a + (1 - decay) x. Source: `torch.optim.swa_utils.get_ema_avg_fn`. */
export function getEmaAvgFn(decay = 0.999): AvgFn {
  checkRange("getEmaAvgFn", "decay", decay, 0, 1, true);
  return (averaged, current) => averaged.mul(decay).add(current.mul(1 - decay));
}

/** Moves tensors by a weight towards others; integers take the nearest whole number below. */
function moveTowards(averaged: readonly Tensor[], current: readonly Tensor[], weight: number): void {
  averaged.forEach((a, i) => {
    const x = current[i] as Tensor;
    if (isFloat(a.code)) a.lerp_(x, weight);
    else a.copy_(a.add(x.sub(a).mul(weight)));
  });
}

/** As {@link getSwaAvgFn}, for all tensors at once. Source: `torch.optim.swa_utils.get_swa_multi_avg_fn`. */
export function getSwaMultiAvgFn(): MultiAvgFn {
  return (averaged, current, n) => moveTowards(averaged, current, 1 / (n + 1));
}

/** As {@link getEmaAvgFn}, for all tensors at once. Source: `torch.optim.swa_utils.get_ema_multi_avg_fn`. */
export function getEmaMultiAvgFn(decay = 0.999): MultiAvgFn {
  checkRange("getEmaMultiAvgFn", "decay", decay, 0, 1, true);
  return (averaged, current) => moveTowards(averaged, current, 1 - decay);
}

/**
 * A copy of a model whose parameters are the average of the model's at each call of `updateParameters`. It is called
 * like the model. Source: Izmailov et al. 2018; `torch.optim.swa_utils.AveragedModel`.
 * @example
 * const model = new nn.Linear(2, 1);
 * const averaged = new optim.swaUtils.AveragedModel(model, { multiAvgFn: optim.swaUtils.getEmaMultiAvgFn(0.9) });
 * averaged.updateParameters(model);
 * averaged.nAveraged.item(); // 1
 */
export class AveragedModel<
  Args extends unknown[],
  Out,
  M extends Module<Args, Out> = Module<Args, Out>,
> extends Module<Args, Out> {
  /** The copy that holds the averages. */
  readonly module: M;
  /** How many models were averaged. */
  readonly nAveraged: Tensor;
  private readonly average: MultiAvgFn;
  private readonly useBuffers: boolean;

  constructor(model: M & Module<Args, Out>, options: AveragedModelOptions = {}) {
    checkOptions(new.target.name, options, AVERAGED_MODEL_OPTIONS);
    super();
    this.module = deepCopy<M>(model);
    this.nAveraged = this.registerBuffer("n_averaged", tensor(0, { dtype: "int64" }));
    this.useBuffers = options.useBuffers ?? false;
    const { avgFn, multiAvgFn } = options;
    this.average =
      multiAvgFn ??
      ((averaged, current, n) => {
        const fn = avgFn ?? getSwaAvgFn();
        averaged.forEach((a, i) => {
          a.copy_(fn(a, current[i] as Tensor, n));
        });
      });
  }

  override forward(...args: Args): Out {
    return this.module(...args);
  }

  /**
   * Takes the model's parameters into the average; the first time they are copied. Buffers are copied, or averaged with
   * `useBuffers`.
   * @throws ValueError when the model has other parameters than the one that was copied.
   */
  updateParameters(model: ModuleBase): void {
    const n = itemOf(this.nAveraged);
    const tensorsOf = (m: ModuleBase) => [...m.parameters(), ...(this.useBuffers ? m.buffers() : [])];
    const [averaged, current] = [tensorsOf(this.module), tensorsOf(model)].map((list) =>
      list.map((t) => t.detach()),
    ) as [Tensor[], Tensor[]];
    if (averaged.length !== current.length) {
      throw new ValueError(
        `[AveragedModel] updateParameters: got a model of ${current.length} tensors, expected ${averaged.length}`,
      );
    }
    noGrad(() => {
      const copyAll = (to: readonly Tensor[], from: readonly Tensor[]) => {
        to.forEach((t, i) => {
          t.copy_(from[i] as Tensor);
        });
      };
      if (n === 0) copyAll(averaged, current);
      else this.average(averaged, current, n);
      if (!this.useBuffers) copyAll([...this.module.buffers()], [...model.buffers()]);
      fill_(this.nAveraged, n + 1);
    });
  }
}

/** Options of {@link SWALR}. */
export interface SWALROptions extends SchedulerOptions {
  /** Epochs of the way to the rate (default 10). */
  annealEpochs?: number;
  /** Along half a cosine or a line (default "cos"). */
  annealStrategy?: "cos" | "linear";
}

const SWALR_OPTIONS: OptionNames<SWALROptions> = { annealEpochs: 1, annealStrategy: 1, lastEpoch: 1 };

/**
 * Brings the rate of each group to `swaLr` within `annealEpochs`, and keeps it there.
 * Source: `torch.optim.swa_utils.SWALR`.
 */
export class SWALR extends LRScheduler {
  /** Epochs until the rate is reached (default 10). */
  declare readonly annealEpochs: number;
  /** Along half a cosine (default) or a line. */
  declare readonly annealStrategy: "cos" | "linear";

  constructor(optimizer: Optimizer, swaLr: number | readonly number[], options: SWALROptions = {}) {
    checkOptions(new.target.name, options, SWALR_OPTIONS);
    const { annealEpochs = 10, annealStrategy = "cos", lastEpoch = -1 } = options;
    const label = new.target.name;
    if (annealStrategy !== "cos" && annealStrategy !== "linear") {
      throw new ValueError(
        `[${label}] invalid annealStrategy: got ${String(annealStrategy)}, expected "cos" or "linear"`,
      );
    }
    if (!Number.isInteger(annealEpochs) || annealEpochs < 0) {
      throw new ValueError(
        `[${label}] invalid annealEpochs: got ${annealEpochs}, expected a whole number >= 0`,
      );
    }
    super(optimizer, { annealEpochs }, null);
    this.hide({ annealStrategy });
    const rates = this.forGroups("swaLr", swaLr);
    this.groups.forEach((group, i) => {
      group.swaLr = rates[i] as number;
    });
    this.begin(lastEpoch);
  }

  /** The part of the way that is gone at a time from 0 to 1. */
  private part(step: number): number {
    const t = Math.max(0, Math.min(1, step / Math.max(1, this.annealEpochs)));
    return this.annealStrategy === "cos" ? (1 - Math.cos(Math.PI * t)) / 2 : t;
  }

  getLr(): number[] {
    const step = this.annealEpochs === 0 ? Math.max(1, this._stepCount - 1) : this._stepCount - 1;
    const [before, now] = [this.part(step - 1), this.part(step)];
    return this.groups.map((group) => {
      const target = group.swaLr as number;
      // Where the way started, if this is where it is at `before`.
      const start = before === 1 ? target : (group.lr - before * target) / (1 - before);
      return target * now + start * (1 - now);
    });
  }
}
