/** Which parameters a step updates, and their states: kept between steps, as looking up a state costs a small update. */
import type { Tensor } from "../tensor/tensor.js";

/** States by parameter, as `optimizer.state` shows them to the user, who may change it. */
export class States<S> extends Map<Tensor, S> {
  /** Counts entries that were set or removed. */
  changes = 0;

  override set(param: Tensor, state: S): this {
    this.changes++;
    return super.set(param, state);
  }

  override delete(param: Tensor): boolean {
    this.changes++;
    return super.delete(param);
  }

  override clear(): void {
    this.changes++;
    super.clear();
  }
}

/** The parameters of a group that have gradients, and their states. */
export class Stepped<S> {
  readonly params: Tensor[] = [];
  readonly states: S[] = [];
  /** The changes of the states at the last step. */
  private changes = 0;

  /** Brings both lists up to date; `stateOf` finds or makes the state of a parameter. */
  update(group: readonly Tensor[], all: States<S>, stateOf: (param: Tensor) => S): void {
    const { params, states } = this;
    if (this.changes !== all.changes) params.length = 0;
    let count = 0;
    for (let i = 0; i < group.length; i++) {
      const param = group[i] as Tensor;
      if (param.ownGrad === null) continue;
      if (params[count] !== param) {
        states[count] = stateOf(param);
        params[count] = param;
      }
      count++;
    }
    if (params.length > count) params.length = count;
    if (states.length > count) states.length = count;
    this.changes = all.changes;
  }
}
