/** Base of optimizers that add communication to the steps of another one: same groups, same state. */
import type { ParamGroup, ParamGroupInput, RateOptions } from "../optim/groups.js";
import { Optimizer, type OptimizerStateDict, type ParamState } from "../optim/optimizer.js";
import { ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";

/** The members that both optimizers share. */
interface Shared {
  paramGroups: ParamGroup<RateOptions>[];
  state: Map<Tensor, ParamState>;
}

/**
 * An optimizer around another one. Groups and state are those of the one inside, so that schedulers, `zeroGrad` and
 * changes of options reach it. A subclass writes `perform`.
 */
export abstract class OptimizerWrapper extends Optimizer<RateOptions> {
  /** The optimizer inside. */
  readonly optim: Optimizer;

  constructor(optim: Optimizer) {
    super(
      optim.paramGroups.map(({ params }) => ({ params })) as ParamGroupInput<RateOptions>[],
      optim.defaults,
    );
    this.optim = optim;
    const shared: Shared = { paramGroups: optim.paramGroups, state: optim.state };
    Object.assign(this, shared);
  }

  /** The step between the hooks: that of the optimizer inside, and what ranks exchange. */
  protected abstract override perform<T>(closure: (() => T) | undefined): T | undefined;

  /** Adds parameters to the optimizer inside. */
  override addParamGroup(group: ParamGroupInput<RateOptions>): void {
    // The base class adds the first groups before there is an optimizer inside.
    const inside = this.optim as Optimizer | undefined;
    if (inside === undefined) super.addParamGroup(group);
    else inside.addParamGroup(group);
  }

  override stateDict(): OptimizerStateDict {
    return this.optim.stateDict();
  }

  override loadStateDict(stateDict: OptimizerStateDict): void {
    this.optim.loadStateDict(stateDict);
  }

  protected init(): ParamState {
    return {};
  }

  protected update(): void {
    throw new ValueError(
      `[${this.constructor.name}] parameters are updated by the optimizer inside, all at once`,
    );
  }
}
