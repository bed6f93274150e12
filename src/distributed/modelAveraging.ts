/** Averaging parameters in place of gradients, now and then. Source: `torch.distributed.algorithms.model_averaging`. */
import { noGrad } from "../autograd/mode.js";
import type { Optimizer, OptimizerStateDict } from "../optim/optimizer.js";
import { ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { OptimizerWrapper } from "./optimizerWrapper.js";
import type { ProcessGroup } from "./processGroup.js";
import { groupOr } from "./world.js";

/** Averages parameters over ranks when it is time to. */
export interface ModelAverager {
  /** Calls of {@link averageParameters} so far. */
  step: number;
  /** Called after each optimizer step. */
  averageParameters(params: Iterable<Tensor>): void;
}

/** Options of {@link PeriodicModelAverager}. */
export interface PeriodicModelAveragerOptions {
  /** Calls from one average to the next. */
  period: number;
  /** Calls before the first average (default 0). */
  warmupSteps?: number;
  /** The ranks over which parameters are averaged (default: all). */
  processGroup?: ProcessGroup | null;
}

/**
 * Averages the parameters that have a gradient over all ranks in every `period`-th call after the first `warmupSteps`.
 * Source: `torch.distributed.algorithms.model_averaging.averagers.PeriodicModelAverager`.
 * @example
 * const model = new nn.Linear(4, 2);
 * const averager = new PeriodicModelAverager({ period: 4, warmupSteps: 100 });
 * averager.averageParameters(model.parameters());
 * @throws ValueError when the period is less than 1, or the number of warm-up steps negative.
 */
export class PeriodicModelAverager implements ModelAverager {
  /** Steps between two averages. */
  readonly period: number;
  /** Steps before the first (default 0). */
  readonly warmupSteps: number;
  /** The group that is averaged over (default: the default group). */
  readonly processGroup: ProcessGroup;
  step = 0;

  constructor(options: PeriodicModelAveragerOptions) {
    const { period, warmupSteps = 0 } = options;
    if (!Number.isInteger(period) || period < 1) {
      throw new ValueError(`[PeriodicModelAverager] period is ${period}, expected a whole number > 0`);
    }
    if (!Number.isInteger(warmupSteps) || warmupSteps < 0) {
      throw new ValueError(
        `[PeriodicModelAverager] warmupSteps is ${warmupSteps}, expected a whole number >= 0`,
      );
    }
    this.period = period;
    this.warmupSteps = warmupSteps;
    this.processGroup = groupOr("PeriodicModelAverager", options.processGroup);
  }

  averageParameters(params: Iterable<Tensor>): void {
    const since = this.step - this.warmupSteps;
    this.step++;
    if (since < 0 || since % this.period !== 0) return;
    const trained = [...params].filter((p) => p.ownGrad !== null);
    const byCode = new Map<number, Tensor[]>();
    for (const p of trained) byCode.set(p.code, [...(byCode.get(p.code) ?? []), p]);
    noGrad(() => {
      for (const tensors of byCode.values()) this.processGroup.allReduceCoalesced(tensors, "avg");
    });
  }
}

/**
 * An optimizer that averages the parameters over ranks after its steps, by an averager: with {@link postLocalSGDHook} it
 * makes up post-local SGD. The averager's count is saved with the state.
 * Source: `torch.distributed.optim.PostLocalSGDOptimizer`.
 * @example
 * const model = new DistributedDataParallel(new nn.Linear(4, 2));
 * const optimizer = new PostLocalSGDOptimizer(
 *   new optim.SGD(model.parameters(), { lr: 0.1 }),
 *   new PeriodicModelAverager({ period: 4, warmupSteps: 100 }),
 * );
 */
export class PostLocalSGDOptimizer extends OptimizerWrapper {
  /** What averages the parameters after each step. */
  readonly averager: ModelAverager;

  constructor(optim: Optimizer, averager: ModelAverager) {
    super(optim);
    this.averager = averager;
  }

  protected override perform<T>(closure: (() => T) | undefined): T | undefined {
    const loss = closure === undefined ? void this.optim.step() : this.optim.step(closure);
    this.averager.averageParameters(this.paramGroups.flatMap((group) => group.params));
    return loss as T | undefined;
  }

  /** The state of the optimizer inside, and the averager's count as `step`. */
  override stateDict(): OptimizerStateDict & {
    /** Steps that the averager has counted. */
    step: number;
  } {
    return { ...super.stateDict(), step: this.averager.step };
  }

  /** Takes both back; without a `step` the averager starts over. */
  override loadStateDict(stateDict: OptimizerStateDict & { step?: number }): void {
    const { step, ...own } = stateDict;
    super.loadStateDict(own);
    this.averager.step = step ?? 0;
  }
}
