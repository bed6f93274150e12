/**
 * The base of all optimizers: groups, state, hooks, closures and state dicts.
 * A subclass writes `init(param)` and `update(grad, param, state, group)` only. Source: `torch.optim.Optimizer`.
 */
import { enableGrad, noGrad } from "../autograd/mode.js";
import { type HookHandle, hookHandle } from "../autograd/methods.js";
import { toField, toKey } from "../nn/naming.js";
import { tensor } from "../tensor/create.js";
import { KindlingError, ValueError } from "../tensor/errors.js";
import { KEPT, nextOp } from "../tensor/heap.js";
import { copyInto, copyOf, full, readAt } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";

/** What an optimizer remembers of one parameter: tensors and numbers. */
export type ParamState = Record<string, Tensor | number | null>;

/** Options of one group with the parameters that they hold for. */
export type ParamGroup<O> = O & { params: Tensor[] };

/** A group as given: parameters, and the options that differ from the optimizer's. */
export type ParamGroupInput<O> = { params: Tensor | Iterable<Tensor> } & Partial<O>;

/** What an optimizer is made from: parameters, or groups of them. */
export type ParamsInput<O> = Iterable<Tensor> | Iterable<ParamGroupInput<O>>;

/** The saved form of an optimizer, with PyTorch's names and layout. */
export interface OptimizerStateDict {
  /** Per parameter, by its position over all groups. */
  state: Record<number, Record<string, Tensor | number | null>>;
  param_groups: ({ params: number[] } & Record<string, unknown>)[];
}

type StepHook = () => void;

function isGroup(x: unknown): x is { params: Tensor | Iterable<Tensor> } {
  return !(x instanceof Tensor) && typeof x === "object" && x !== null && "params" in x;
}

/** Base of the optimizers. `O` are the options of a group. */
export abstract class Optimizer<O extends object, S extends ParamState = ParamState> {
  /** Groups of parameters with their options; change `group.lr` at any time. */
  readonly paramGroups: ParamGroup<O>[] = [];
  /** State by parameter object: never by position. */
  readonly state = new Map<Tensor, S>();
  /** Options that groups take unless they say otherwise. */
  readonly defaults: O;
  private readonly preHooks = new Set<StepHook>();
  private readonly postHooks = new Set<StepHook>();

  constructor(params: ParamsInput<O>, defaults: O) {
    this.defaults = defaults;
    this.checkOptions(defaults);
    if (params instanceof Tensor) {
      throw new ValueError(`[${this.constructor.name}] expected a list of parameters, got one tensor; try [parameter]`);
    }
    const list = [...(params as Iterable<Tensor | ParamGroupInput<O>>)];
    if (list.length === 0) {
      throw new ValueError(`[${this.constructor.name}] got no parameters; try model.parameters() of a model that has some`);
    }
    if (isGroup(list[0])) for (const group of list) this.addParamGroup(group as ParamGroupInput<O>);
    else this.addParamGroup(Object.assign({ params: list as Tensor[] }, {} as Partial<O>));
  }

  /** Throws a ValueError for an option out of range. */
  protected abstract checkOptions(options: O): void;
  /** The state of a parameter before its first update. */
  protected abstract init(param: Tensor, group: O): S;
  /** One update of `param` (raw, in place) by its gradient. */
  protected abstract update(grad: Tensor, param: Tensor, state: S, group: O): void;

  /** Adds parameters with options of their own. */
  addParamGroup(group: ParamGroupInput<O>): void {
    const params = group.params instanceof Tensor ? [group.params] : [...group.params];
    const label = this.constructor.name;
    const seen = new Set(this.paramGroups.flatMap((g) => g.params));
    for (const p of params) {
      if (!(p instanceof Tensor)) throw new ValueError(`[${label}] parameters must be tensors, got ${typeof p}`);
      if (p.constructor.name === "UninitializedParameter") {
        throw new ValueError(`[${label}] a parameter is not initialised yet; try a forward pass of the lazy module first`);
      }
      if (!p.isLeaf) throw new ValueError(`[${label}] cannot optimize a tensor that is no leaf; try detach()`);
      if (seen.has(p)) throw new ValueError(`[${label}] a parameter appears in more than one group, or twice`);
      seen.add(p);
    }
    const full = { ...this.defaults, ...group, params } as ParamGroup<O>;
    this.checkOptions(full);
    this.paramGroups.push(full);
  }

  /**
   * One update of every parameter that has a gradient.
   * @param closure evaluates the model again and returns the loss; called once with gradients enabled.
   */
  step(): void;
  step<T>(closure: () => T): T;
  step<T>(closure?: () => T): T | undefined {
    for (const hook of this.preHooks) hook();
    const loss = closure === undefined ? undefined : enableGrad(closure);
    noGrad(() => {
      for (const group of this.paramGroups) this.stepGroup(group);
    });
    for (const hook of this.postHooks) hook();
    return loss;
  }

  /** Updates the parameters of one group. */
  protected stepGroup(group: ParamGroup<O>): void {
    for (const param of group.params) {
      const { grad } = param;
      if (grad === null) continue;
      let state = this.state.get(param);
      if (state === undefined) {
        state = this.init(param, group);
        this.keepState(state);
        this.state.set(param, state);
      }
      nextOp();
      this.update(grad, param, state, group);
      param.storage.version++;
    }
  }

  /** Marks state tensors so that no scope frees them. */
  protected keepState(state: ParamState): void {
    for (const value of Object.values(state)) if (value instanceof Tensor) value.storage.flags |= KEPT;
  }

  /** Forgets all gradients; with `setToNone: false` they become zeros. */
  zeroGrad(options: { setToNone?: boolean } = {}): void {
    for (const group of this.paramGroups) {
      for (const param of group.params) {
        if (param.grad === null) continue;
        if (options.setToNone === false) {
          nextOp();
          param.grad = full(param.shape, 0, param.code);
          param.grad.storage.flags |= KEPT;
        } else param.grad = null;
      }
    }
  }

  /** Calls `hook()` before each step. */
  registerStepPreHook(hook: StepHook): HookHandle {
    this.preHooks.add(hook);
    return hookHandle(() => this.preHooks.delete(hook));
  }

  /** Calls `hook()` after each step. */
  registerStepPostHook(hook: StepHook): HookHandle {
    this.postHooks.add(hook);
    return hookHandle(() => this.postHooks.delete(hook));
  }

  private positions(): Map<Tensor, number> {
    return new Map(this.paramGroups.flatMap((g) => g.params).map((p, i) => [p, i]));
  }

  /** State and options in PyTorch's layout and names; tensors are the live ones. */
  stateDict(): OptimizerStateDict {
    const at = this.positions();
    const state: OptimizerStateDict["state"] = {};
    for (const [param, s] of this.state) {
      const position = at.get(param);
      if (position === undefined) continue;
      const entry: Record<string, Tensor | number | null> = {};
      for (const [key, value] of Object.entries(s)) {
        entry[toKey(key)] = key === "step" && typeof value === "number" ? tensor(value, { dtype: "float32" }) : value;
      }
      state[position] = entry;
    }
    const param_groups = this.paramGroups.map((group) => {
      const { params, ...options } = group as ParamGroup<O> & Record<string, unknown>;
      const out: Record<string, unknown> = {};
      for (const [key, value] of Object.entries(options)) out[toKey(key)] = value;
      return { ...out, params: (params as Tensor[]).map((p) => at.get(p) as number) };
    });
    return { state, param_groups };
  }

  /**
   * Takes state and options from {@link stateDict}, of this library or PyTorch's; everything is checked first.
   * @throws KindlingError when groups or shapes do not match.
   */
  loadStateDict(dict: OptimizerStateDict): void {
    const label = this.constructor.name;
    const sizes = dict.param_groups.map((g) => g.params.length);
    const own = this.paramGroups.map((g) => g.params.length);
    if (sizes.length !== own.length || sizes.some((n, i) => n !== own[i])) {
      throw new KindlingError(
        `[${label}] the state dict has groups of [${sizes.join(", ")}] parameters, expected [${own.join(", ")}]`,
      );
    }
    const params = this.paramGroups.flatMap((g) => g.params);
    const saved = dict.param_groups.flatMap((g) => g.params);
    const loaded = new Map<Tensor, S>();
    saved.forEach((key, i) => {
      const entry = dict.state[key];
      const param = params[i] as Tensor;
      if (entry !== undefined) loaded.set(param, this.readState(entry, param));
    });
    dict.param_groups.forEach((saved, i) => {
      const { params: _positions, ...options } = saved;
      for (const [key, value] of Object.entries(options)) {
        (this.paramGroups[i] as Record<string, unknown>)[toField(key)] = value;
      }
    });
    this.state.clear();
    for (const [param, s] of loaded) this.state.set(param, s);
  }

  private readState(entry: Record<string, Tensor | number | null>, param: Tensor): S {
    const state: ParamState = {};
    for (const [key, value] of Object.entries(entry)) {
      const name = toField(key);
      if (!(value instanceof Tensor)) state[name] = value;
      else if (name === "step") state[name] = readAt(value, value.storageOffset);
      else if (value.numel === param.numel && value.code !== param.code) {
        const cast = full(value.shape, 0, param.code);
        copyInto(cast, value);
        state[name] = cast;
      } else state[name] = copyOf(value);
      if (value instanceof Tensor && value.numel !== param.numel && value.numel > 1 && name !== "step") {
        throw new KindlingError(
          `[${this.constructor.name}] state ${key} has shape [${value.shape.join(", ")}], expected [${param.shape.join(", ")}]`,
        );
      }
    }
    this.keepState(state);
    return state as S;
  }

  /** PyTorch's form: one block per group with its options. */
  toString(): string {
    const groups = this.paramGroups.map((group, i) => {
      const { params: _params, ...options } = group as ParamGroup<O> & Record<string, unknown>;
      const lines = Object.keys(options)
        .sort()
        .map((key) => `    ${key}: ${JSON.stringify(options[key as keyof typeof options])}`);
      return `Parameter Group ${i}\n${lines.join("\n")}`;
    });
    return `${this.constructor.name} (\n${groups.join("\n\n")}\n)`;
  }
}

/** Zeros shaped as a parameter, for state. */
export function zerosFor(param: Tensor): Tensor {
  return full(param.shape, 0, param.code);
}

/** Throws unless `low <= value` (and `value < high`). */
export function checkRange(label: string, name: string, value: number, low: number, high = Number.POSITIVE_INFINITY): void {
  if (!(value >= low) || !(value < high)) {
    const range = high === Number.POSITIVE_INFINITY ? `>= ${low}` : `from ${low} up to but not ${high}`;
    throw new ValueError(`[${label}] invalid ${name}: got ${value}, expected ${range}`);
  }
}
