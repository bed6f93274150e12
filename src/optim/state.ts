/** State dicts of optimizers in PyTorch's layout: packing, and reading with every check before any change. */
import { toField, toKey } from "../nn/naming.js";
import { StateDictError } from "../nn/stateDict.js";
import { tensor } from "../tensor/create.js";
import { KindlingError, show } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { castTo, copyOf, readAt } from "../tensor/raw.js";
import { sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import type { ParamGroup, RateOptions } from "./groups.js";
import type { ParamState, StateValue } from "./optimizer.js";

/** One parameter's state as it is saved, by PyTorch's names. */
export type SavedState = Record<string, StateValue>;

/** The saved form of an optimizer, with PyTorch's names and layout. */
export interface OptimizerStateDict {
  /** Per parameter, by its position over all groups. */
  state: Record<number, SavedState>;
  /** Options by PyTorch's names, and the positions of the parameters. */
  param_groups: ({
    /** Positions of the group's parameters. */
    params: number[];
  } & Record<string, unknown>)[];
}

/** Keys of groups that are no options. */
const NOT_OPTIONS = new Set(["params", "paramNames"]);

/** Builds a state dict from groups and the saved form of each parameter's state. */
export function packState<O extends RateOptions>(
  groups: readonly ParamGroup<O>[],
  stateOf: (param: Tensor) => SavedState | undefined,
): OptimizerStateDict {
  const state: OptimizerStateDict["state"] = {};
  let position = 0;
  const param_groups = groups.map((group) => {
    const packed: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(group)) {
      if (!NOT_OPTIONS.has(key)) packed[toKey(key)] = Array.isArray(value) ? [...value] : value;
    }
    if (group.paramNames !== undefined) packed.param_names = [...group.paramNames];
    const params = group.params.map((param) => {
      const saved = stateOf(param);
      if (saved !== undefined && Object.keys(saved).length > 0) state[position] = saved;
      return position++;
    });
    return { ...packed, params };
  });
  return { state, param_groups };
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "list" : typeof value;
}

/** A number as PyTorch saves counters: a 0-d float32 tensor; float64 where float32 would lose digits. */
function savedNumber(value: number): Tensor {
  return tensor(value, { dtype: Math.fround(value) === value ? "float32" : "float64" });
}

/** A copy in the parameter's dtype. */
function copyFor(param: Tensor, value: Tensor): Tensor {
  nextOp();
  return value.code === param.code ? copyOf(value) : castTo(value, param.code);
}

/** A number that is saved as such or as a tensor of one element; null for anything else. */
export function asNumber(value: unknown): number | null {
  if (typeof value === "number") return value;
  if (value instanceof Tensor && value.numel === 1) return readAt(value, value.storageOffset);
  return null;
}

/** Reads a state dict for given groups; collects all that does not fit, and changes nothing. */
export class StateReader<O extends RateOptions> {
  private readonly problems: string[] = [];
  private readonly label: string;
  private readonly groups: readonly ParamGroup<O>[];
  private readonly dict: OptimizerStateDict;
  private readonly options: ParamGroup<O>[] = [];
  private readonly states = new Map<Tensor, ParamState>();

  constructor(label: string, groups: readonly ParamGroup<O>[], dict: OptimizerStateDict) {
    this.label = label;
    this.groups = groups;
    this.dict = dict;
    const saved: unknown = dict?.param_groups;
    if (!Array.isArray(saved) || typeof dict.state !== "object" || dict.state === null) {
      throw this.refusal(["got no state dict: expected { state, param_groups }"]);
    }
    const sizes = dict.param_groups.map((g) => g.params?.length);
    const own = groups.map((g) => g.params.length);
    if (sizes.length !== own.length || sizes.some((n, i) => n !== own[i])) {
      throw this.refusal([`got groups of ${show(sizes)} parameters, expected ${show(own)}`]);
    }
  }

  /** Notes something that does not fit. */
  problem(text: string): void {
    this.problems.push(text);
  }

  private refusal(problems: readonly string[]): StateDictError {
    return new StateDictError(this.label, [], [], problems);
  }

  /** Takes the options of all groups; `check` throws for one out of range. */
  readGroups(check: (options: O) => void, defaults: O): void {
    this.dict.param_groups.forEach((saved, i) => {
      const own = this.groups[i] as ParamGroup<O> & Record<string, unknown>;
      const read: Record<string, unknown> = {};
      for (const [key, value] of Object.entries(saved)) {
        const field = toField(key);
        if (NOT_OPTIONS.has(field)) continue;
        // A rate saved as a tensor is its number here.
        const taken = value instanceof Tensor ? asNumber(value) : Array.isArray(value) ? [...value] : value;
        const had = own[field];
        if (had !== undefined && had !== null && taken !== null && kindOf(had) !== kindOf(taken)) {
          this.problem(`group ${i}: ${key} is a ${kindOf(taken)}, expected a ${kindOf(had)}`);
        } else read[field] = taken;
      }
      // What a scheduler noted in a group since, such as the rate before it, goes with what is replaced.
      const merged = { ...own, ...read } as ParamGroup<O>;
      for (const key of Object.keys(own)) {
        if (!(key in defaults || key in read || NOT_OPTIONS.has(key))) Reflect.deleteProperty(merged, key);
      }
      try {
        // A schedule that ends at 0 may leave a rate a rounding error below.
        if (this.problems.length === 0) check({ ...merged, lr: Math.max(0, merged.lr) });
      } catch (error) {
        if (!(error instanceof KindlingError)) throw error;
        this.problem(`group ${i}: ${error.message}`);
      }
      this.options.push(merged);
    });
  }

  /** Takes the states of all parameters, each read by `read`. */
  readStates(read: (param: Tensor, group: O, saved: SavedState) => ParamState): void {
    const known = new Set<string>();
    this.dict.param_groups.forEach((saved, i) => {
      const group = this.groups[i] as ParamGroup<O>;
      saved.params.forEach((position, k) => {
        known.add(String(position));
        const entry = this.dict.state[position];
        if (entry === undefined || Object.keys(entry).length === 0) return;
        const param = group.params[k] as Tensor;
        this.states.set(param, read(param, this.options[i] as O, entry));
      });
    });
    for (const position of Object.keys(this.dict.state)) {
      if (!known.has(position)) this.problem(`state of parameter ${position}: no group has such a parameter`);
    }
  }

  /** What a parameter is called in messages. */
  private nameOf(param: Tensor): string {
    let position = 0;
    for (const group of this.groups) {
      const at = group.params.indexOf(param);
      if (at >= 0) {
        const name = group.paramNames?.[at];
        return `parameter ${position + at}${name === undefined ? "" : ` (${name})`}`;
      }
      position += group.params.length;
    }
    return "a parameter";
  }

  /** A state with the fields of `like`: numbers, tensors of the same shapes, null for what may be absent. */
  readLike(like: ParamState, param: Tensor, saved: SavedState): ParamState {
    const state: ParamState = { ...like };
    const where = `state of ${this.nameOf(param)}`;
    const seen = new Set<string>();
    for (const [key, value] of Object.entries(saved)) {
      const field = toField(key);
      seen.add(field);
      if (!Object.hasOwn(like, field)) {
        const expected = Object.keys(like).map(toKey).join(", ");
        this.problem(`${where}: unexpected ${key}, expected ${expected === "" ? "none" : expected}`);
        continue;
      }
      const model = like[field] as StateValue;
      if (typeof model === "number") {
        const number = asNumber(value);
        if (number === null) this.problem(`${where}: ${key} is no number`);
        else state[field] = number;
      } else if (value instanceof Tensor) {
        const { shape } = model instanceof Tensor ? model : param;
        if (sameShape(value.shape, shape)) state[field] = copyFor(param, value);
        else this.problem(`${where}: ${key} has shape ${show(value.shape)}, expected ${show(shape)}`);
      } else if (value !== null || model !== null) {
        this.problem(`${where}: ${key} is ${kindOf(value)}, expected a tensor`);
      }
    }
    for (const [field, model] of Object.entries(like)) {
      if (model !== null && !seen.has(field)) this.problem(`${where}: ${toKey(field)} is missing`);
    }
    return state;
  }

  /** What was read. @throws StateDictError when anything did not fit. */
  finish(): { groups: ParamGroup<O>[]; states: Map<Tensor, ParamState> } {
    if (this.problems.length > 0) throw this.refusal(this.problems);
    return { groups: this.options, states: this.states };
  }

  /** A state by PyTorch's names; numbers become tensors, and what is absent is left out. */
  static save(state: ParamState): SavedState {
    const saved: SavedState = {};
    for (const [field, value] of Object.entries(state)) {
      if (value !== null) saved[toKey(field)] = typeof value === "number" ? savedNumber(value) : value;
    }
    return saved;
  }
}
