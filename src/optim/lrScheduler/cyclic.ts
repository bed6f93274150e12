/** Schedulers that move rate and momentum together: cycles, and the one cycle. */

import { toField } from "../../nn/naming.js";
import { ValueError } from "../../tensor/errors.js";
import { checkOptions, type OptionNames } from "../../tensor/options.js";
import { checkRange } from "../groups.js";
import type { Optimizer } from "../optimizer.js";
import { LRScheduler, type ScheduledGroup, type SchedulerOptions } from "./scheduler.js";

/** A value for all groups, or a list with one for each. */
export type PerGroup = number | readonly number[];

/** Base of both: the momentum, or the first beta, of a group. */
abstract class WithMomentum extends LRScheduler {
  /** Whether the momentum moves against the rate (default true). */
  declare readonly cycleMomentum: boolean;
  /** Whether the momentum is the first of the betas. */
  declare readonly useBeta1: boolean;

  /** Whether the momentum is the first beta. @throws ValueError for an optimizer that has neither. */
  protected static momentumOf(label: string, optimizer: Optimizer, cycled: boolean): boolean {
    const { defaults } = optimizer as { defaults: object };
    const beta = "betas" in defaults;
    if (cycled && !beta && !("momentum" in defaults)) {
      throw new ValueError(
        `[${label}] ${optimizer.constructor.name} has neither momentum nor betas; try { cycleMomentum: false }`,
      );
    }
    return beta;
  }

  /** @internal */
  protected setMomentum(group: ScheduledGroup, value: number): void {
    if (!this.useBeta1) group.momentum = value;
    else group.betas = [value, (group.betas as readonly number[])[1] as number];
  }
}

/** Options of {@link CyclicLR}. */
export interface CyclicOptions extends SchedulerOptions {
  /** Steps of the way up (default 2000). */
  stepSizeUp?: number;
  /** Steps of the way down (default: as up). */
  stepSizeDown?: number | null;
  /** Shape: the height of a cycle stays, halves, or falls by gamma^step (default "triangular"). */
  mode?: "triangular" | "triangular2" | "exp_range";
  /** Factor of "exp_range" (default 1). */
  gamma?: number;
  /** Height by cycle or step, in place of a mode. */
  scaleFn?: ((x: number) => number) | null;
  /** What `scaleFn` gets (default "cycle"). */
  scaleMode?: "cycle" | "iterations";
  /** Move the momentum against the rate (default true). */
  cycleMomentum?: boolean;
  /** Least momentum (default 0.8). */
  baseMomentum?: PerGroup;
  /** Largest momentum (default 0.9). */
  maxMomentum?: PerGroup;
}

const CYCLIC_OPTIONS: OptionNames<CyclicOptions> = {
  stepSizeUp: 1,
  stepSizeDown: 1,
  mode: 1,
  gamma: 1,
  scaleFn: 1,
  scaleMode: 1,
  cycleMomentum: 1,
  baseMomentum: 1,
  maxMomentum: 1,
  lastEpoch: 1,
};

/**
 * lr goes up from baseLr to maxLr and down again, over and over; the momentum moves the other way.
 * Source: Smith 2015; `torch.optim.lr_scheduler.CyclicLR`.
 */
export class CyclicLR extends WithMomentum {
  /** Largest rate of each group. */
  declare readonly maxLrs: number[];
  /** Steps of a cycle. */
  declare readonly totalSize: number;
  /** Share of a cycle in which the rate goes up. */
  declare readonly stepRatio: number;
  /** Shape of the cycles: "triangular" (default), "triangular2" or "exp_range". */
  declare readonly mode: string;
  /** Factor of "exp_range" (default 1). */
  declare readonly gamma: number;
  /** What `scaleFn` gets: the number of the cycle or of the step. */
  declare readonly scaleMode: "cycle" | "iterations";
  declare readonly scaleFn: (x: number) => number;
  /** Least momentum of each group. */
  declare baseMomentums: number[];
  /** Largest momentum of each group. */
  declare maxMomentums: number[];

  constructor(optimizer: Optimizer, baseLr: PerGroup, maxLr: PerGroup, options: CyclicOptions = {}) {
    checkOptions(new.target.name, options, CYCLIC_OPTIONS);
    const {
      stepSizeUp = 2000,
      stepSizeDown,
      mode = "triangular",
      gamma = 1,
      scaleFn,
      cycleMomentum = true,
    } = options;
    const label = new.target.name;
    checkRange(label, "stepSizeUp", stepSizeUp, 1);
    const heights = {
      triangular: () => 1,
      triangular2: (x: number) => 1 / 2 ** (x - 1),
      exp_range: (x: number) => gamma ** x,
    };
    const height = scaleFn ?? heights[mode];
    if (height === undefined) {
      throw new ValueError(
        `[${label}] invalid mode: got ${String(mode)}, expected triangular, triangular2 or exp_range`,
      );
    }
    const own = mode === "exp_range" ? "iterations" : "cycle";
    const totalSize = stepSizeUp + (stepSizeDown ?? stepSizeUp);
    const useBeta1 = WithMomentum.momentumOf(label, optimizer, cycleMomentum);
    const scaleMode = scaleFn === undefined || scaleFn === null ? own : (options.scaleMode ?? "cycle");
    const fields = { totalSize, stepRatio: stepSizeUp / totalSize, mode, gamma, scaleMode, cycleMomentum };
    super(optimizer, fields, null);
    this.hide({ scaleFn: height, useBeta1 });
    const { lastEpoch = -1 } = options;
    const baseLrs = this.forGroups("baseLr", baseLr);
    this.maxLrs = this.forGroups("maxLr", maxLr);
    if (cycleMomentum) {
      this.baseMomentums = this.forGroups("baseMomentum", options.baseMomentum ?? 0.8);
      this.maxMomentums = this.forGroups("maxMomentum", options.maxMomentum ?? 0.9);
    }
    this.groups.forEach((group, i) => {
      if (lastEpoch !== -1) return;
      group.lr = baseLrs[i] as number;
      if (cycleMomentum) this.setMomentum(group, this.baseMomentums[i] as number);
    });
    this.begin(lastEpoch);
    this.baseLrs = baseLrs;
  }

  getLr(): number[] {
    const { lastEpoch: t, totalSize, stepRatio } = this;
    const cycle = Math.floor(1 + t / totalSize);
    const x = 1 + t / totalSize - cycle;
    const part = x <= stepRatio ? x / stepRatio : (x - 1) / (stepRatio - 1);
    const scale = this.scaleFn(this.scaleMode === "cycle" ? cycle : t);
    if (this.cycleMomentum) {
      this.groups.forEach((group, i) => {
        const [base, max] = [this.baseMomentums[i] as number, this.maxMomentums[i] as number];
        this.setMomentum(group, max - (max - base) * part * scale);
      });
    }
    return this.baseLrs.map((lr, i) => lr + ((this.maxLrs[i] as number) - lr) * part * scale);
  }
}

/** Options of {@link OneCycleLR}; the length is `totalSteps`, or `epochs` times `stepsPerEpoch`. */
export interface OneCycleOptions extends SchedulerOptions {
  /** Steps in all. */
  totalSteps?: number | null;
  /** Epochs, with `stepsPerEpoch`. */
  epochs?: number | null;
  /** Batches in an epoch. */
  stepsPerEpoch?: number | null;
  /** Part of the steps in which the rate goes up (default 0.3). */
  pctStart?: number;
  /** Along half a cosine or a line (default "cos"). */
  annealStrategy?: "cos" | "linear";
  /** Move the momentum, or the first beta, against the rate (default true). */
  cycleMomentum?: boolean;
  /** Least momentum (default 0.85). */
  baseMomentum?: PerGroup;
  /** Largest momentum (default 0.95). */
  maxMomentum?: PerGroup;
  /** The first rate is maxLr / divFactor (default 25). */
  divFactor?: number;
  /** The last rate is the first one / finalDivFactor (default 1e4). */
  finalDivFactor?: number;
  /** Come down as long as up, then go on to the last rate (default false: straight to the last rate). */
  threePhase?: boolean;
}

const ONE_CYCLE_OPTIONS: OptionNames<OneCycleOptions> = {
  totalSteps: 1,
  epochs: 1,
  stepsPerEpoch: 1,
  pctStart: 1,
  annealStrategy: 1,
  cycleMomentum: 1,
  baseMomentum: 1,
  maxMomentum: 1,
  divFactor: 1,
  finalDivFactor: 1,
  threePhase: 1,
  lastEpoch: 1,
};

type Rate = "initial_lr" | "max_lr" | "min_lr";
type Momentum = "max_momentum" | "base_momentum";

/** From where to where rate and momentum go; the names are keys of groups, as PyTorch spells them. */
interface Phase {
  endStep: number;
  startLr: Rate;
  endLr: Rate;
  startMomentum: Momentum;
  endMomentum: Momentum;
}

function phase(
  endStep: number,
  startLr: Rate,
  endLr: Rate,
  startMomentum: Momentum,
  endMomentum: Momentum,
): Phase {
  return { endStep, startLr, endLr, startMomentum, endMomentum };
}

function phases(total: number, pctStart: number, threePhase: boolean): Phase[] {
  const up = phase(pctStart * total - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum");
  if (!threePhase) return [up, phase(total - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")];
  return [
    up,
    phase(2 * pctStart * total - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
    phase(total - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
  ];
}

function lengthOf(label: string, options: OneCycleOptions): number {
  const { totalSteps = null, epochs = null, stepsPerEpoch = null } = options;
  const given = totalSteps === null ? { epochs, stepsPerEpoch } : { totalSteps };
  for (const [name, value] of Object.entries(given)) {
    if (value === null && totalSteps === null) {
      throw new ValueError(`[${label}] expected totalSteps, or epochs and stepsPerEpoch: ${name} is missing`);
    }
    if (!Number.isInteger(value) || (value as number) < 1) {
      throw new ValueError(`[${label}] invalid ${name}: got ${String(value)}, expected a whole number >= 1`);
    }
  }
  return totalSteps ?? (epochs as number) * (stepsPerEpoch as number);
}

/**
 * lr goes up from maxLr / divFactor to maxLr and down to that / finalDivFactor, once; the momentum the other way. To be
 * stepped after every batch. Source: Smith and Topin 2017; `torch.optim.lr_scheduler.OneCycleLR`.
 * @throws ValueError for options out of range, for a step beyond the last, and for phases of no length.
 */
export class OneCycleLR extends WithMomentum {
  /** Steps of the cycle; one more raises. */
  declare readonly totalSteps: number;
  /** @internal */
  declare readonly _schedulePhases: readonly Phase[];
  /** Along half a cosine (default) or a line. */
  declare readonly annealStrategy: "cos" | "linear";

  constructor(optimizer: Optimizer, maxLr: PerGroup, options: OneCycleOptions = {}) {
    checkOptions(new.target.name, options, ONE_CYCLE_OPTIONS);
    const label = new.target.name;
    const { pctStart = 0.3, annealStrategy = "cos", cycleMomentum = true, divFactor = 25 } = options;
    const { finalDivFactor = 1e4, threePhase = false, lastEpoch = -1 } = options;
    const totalSteps = lengthOf(label, options);
    checkRange(label, "pctStart", pctStart, 0, 1, true);
    if (annealStrategy !== "cos" && annealStrategy !== "linear") {
      throw new ValueError(
        `[${label}] invalid annealStrategy: got ${String(annealStrategy)}, expected "cos" or "linear"`,
      );
    }
    const useBeta1 = WithMomentum.momentumOf(label, optimizer, cycleMomentum);
    const _schedulePhases = phases(totalSteps, pctStart, threePhase);
    super(optimizer, { totalSteps, _schedulePhases, cycleMomentum }, null);
    this.hide({ annealStrategy, useBeta1 });
    const maxLrs = this.forGroups("maxLr", maxLr);
    const base = this.forGroups("baseMomentum", options.baseMomentum ?? 0.85);
    const max = this.forGroups("maxMomentum", options.maxMomentum ?? 0.95);
    this.groups.forEach((group, i) => {
      if (lastEpoch !== -1) return;
      group.maxLr = maxLrs[i] as number;
      group.initialLr = group.maxLr / divFactor;
      group.minLr = group.initialLr / finalDivFactor;
      if (!cycleMomentum) return;
      group.maxMomentum = max[i] as number;
      group.baseMomentum = base[i] as number;
      this.setMomentum(group, group.maxMomentum);
    });
    this.begin(lastEpoch);
  }

  private anneal(start: number, end: number, part: number): number {
    if (this.annealStrategy === "linear") return (end - start) * part + start;
    return end + ((start - end) / 2) * (Math.cos(Math.PI * part) + 1);
  }

  getLr(): number[] {
    const { lastEpoch: t, totalSteps, _schedulePhases: list } = this;
    if (t > totalSteps) {
      throw new ValueError(
        `[${this.label}] step ${t + 1} of ${totalSteps}: the schedule is over; try more totalSteps`,
      );
    }
    let at = list.findIndex((p) => t <= p.endStep);
    if (at < 0) at = list.length - 1;
    const now = list[at] as Phase;
    const start = at === 0 ? 0 : (list[at - 1] as Phase).endStep;
    if (now.endStep === start) {
      throw new ValueError(
        `[${this.label}] step ${t + 1} of ${totalSteps} falls into a phase of no length; try more steps, or another pctStart`,
      );
    }
    const part = (t - start) / (now.endStep - start);
    return this.groups.map((group) => {
      const between = (from: Rate | Momentum, to: Rate | Momentum) => {
        const ends = group as unknown as Readonly<Record<string, number>>;
        return this.anneal(ends[toField(from)] as number, ends[toField(to)] as number, part);
      };
      if (this.cycleMomentum) this.setMomentum(group, between(now.startMomentum, now.endMomentum));
      return between(now.startLr, now.endLr);
    });
  }
}
