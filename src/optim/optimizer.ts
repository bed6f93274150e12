/**
 * The base of all optimizers: groups, the loop over parameters, state, hooks, closures, state dicts.
 * A subclass writes `init(param)` and `update(grad, param, state)` only. Source: `torch.optim.Optimizer`.
 */

import type { HookHandle } from "../autograd/methods.js";
import { enableGrad, mode, noGrad } from "../autograd/mode.js";
import { clearGrad } from "../nn/parameter.js";
import { INSPECT } from "../tensor/format.js";
import { KEPT } from "../tensor/heap.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { full } from "../tensor/raw.js";
import { scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import type { FusedUpdate } from "./fused.js";
import {
  groupsOf,
  makeGroup,
  mergeOptions,
  type OptionsInput,
  type ParamGroup,
  type ParamGroupInput,
  type ParamsInput,
  type RateOptions,
} from "./groups.js";
import {
  globalPost,
  globalPre,
  Hooks,
  type LoadStateDictPostHook,
  type LoadStateDictPreHook,
  STATE_HOOK_OPTIONS,
  type StateDictPostHook,
  type StateDictPreHook,
  type StateHookOptions,
  type StepArgs,
  type StepPostHook,
  type StepPreHook,
} from "./hooks.js";
import { type OptimizerStateDict, packState, type SavedState, StateReader } from "./state.js";
import { States, Stepped } from "./stepped.js";

export type { OptimizerStateDict, SavedState } from "./state.js";

/** What an optimizer remembers of one parameter: tensors, numbers, and lists of both. */
export type ParamState = Record<string, StateValue>;
/** One entry of a {@link ParamState}; null where there is nothing yet. */
export type StateValue = Tensor | number | null | (Tensor | number | null)[];

const ZERO_GRAD_OPTIONS: OptionNames<{ setToNone?: boolean }> = { setToNone: 1 };

/**
 * Base of the optimizers; `O` are the options of a group, `S` is the state of a parameter. `Optimizer` alone stands for
 * any of them.
 * @example
 * class SignSGD extends Optimizer<{ lr: number }, {}> {
 *   constructor(params: ParamsInput<{ lr: number }>, options?: OptionsInput<{ lr: number }>) {
 *     super(params, { lr: 0.01 }, options);
 *   }
 *   protected init() {
 *     return {};
 *   }
 *   protected update(grad: Tensor, param: Tensor, _state: {}, group: { lr: number }) {
 *     param.sub_(grad.sign().mul(group.lr));
 *   }
 * }
 */
export abstract class Optimizer<O extends RateOptions = RateOptions, S extends ParamState = ParamState> {
  /** Groups of parameters with their options, at least one; change `group.lr` at any time. */
  readonly paramGroups: [ParamGroup<O>, ...ParamGroup<O>[]] = [] as unknown as [ParamGroup<O>];
  private readonly states = new States<S>();
  /** State by parameter object: never by position. */
  readonly state: Map<Tensor, S> = this.states;
  /** Of groups that a kernel updates. */
  private readonly stepped = new WeakMap<ParamGroup<O>, Stepped<S>>();
  /** Options that groups take unless they say otherwise. */
  readonly defaults: O;
  /** @internal Steps since a scheduler was attached. */
  _stepCount = 0;
  private readonly pre = new Hooks<StepPreHook>();
  private readonly post = new Hooks<StepPostHook>();
  private readonly savePre = new Hooks<StateDictPreHook>();
  private readonly savePost = new Hooks<StateDictPostHook>();
  private readonly loadPre = new Hooks<LoadStateDictPreHook>();
  private readonly loadPost = new Hooks<LoadStateDictPostHook>();

  /**
   * @param defaults every option with its default value.
   * @param options what the user gave; a bare number is the rate.
   * @throws ValueError for options that are unknown or out of range, and for parameters that cannot be optimized.
   */
  constructor(params: ParamsInput<O>, defaults: O, options?: OptionsInput<O> | number) {
    const label = this.constructor.name;
    this.defaults = mergeOptions(label, defaults, options);
    this.checkOptions(this.defaults);
    for (const group of groupsOf(label, params)) this.addParamGroup(group);
  }

  /** Throws a ValueError for an option out of range. */
  protected checkOptions(_options: O): void {}

  /** Throws for a parameter that the optimizer does not take. */
  protected checkParam(_param: Tensor): void {}

  /** The state of a parameter before its first update; null marks what comes later, or may be absent. */
  protected abstract init(param: Tensor, group: O): S;

  /**
   * One update of `param`, in place, written in ordinary ops. `grad` is negated already where the group maximizes.
   * State tensors are replaced rather than written to where the step itself is to be differentiated. Tensors that are
   * neither state nor passed to `keep` are freed when it returns.
   */
  protected abstract update(grad: Tensor, param: Tensor, state: S, group: O): void;

  /**
   * @internal The same update of all parameters of a group by kernels. Used unless the step is differentiated; a
   * subclass with another `update` has none.
   */
  protected readonly fused?: FusedUpdate<O, S> | undefined;

  /**
   * Adds parameters with options of their own. Source: `torch.optim.Optimizer.add_param_group`.
   * @throws ValueError as the constructor does; nothing was added then.
   */
  addParamGroup(group: ParamGroupInput<O>): void {
    const made = makeGroup(this.constructor.name, this.defaults, group, this.paramGroups);
    this.checkOptions(made);
    for (const param of made.params) this.checkParam(param);
    this.paramGroups.push(made);
  }

  /**
   * One update of every parameter that has a gradient. A closure evaluates the model again and returns the loss; it is
   * called once, with gradients enabled. Source: `torch.optim.Optimizer.step`.
   */
  step(): undefined;
  step<T>(closure: () => T): T;
  step<T>(closure?: () => T): T | undefined {
    this._stepCount++;
    if (this.pre.list.length + this.post.list.length + globalPre.list.length + globalPost.list.length === 0) {
      return this.perform(closure);
    }
    let args = (closure === undefined ? [] : [closure]) as StepArgs;
    for (const hook of globalPre.list) args = hook(this, args) ?? args;
    for (const hook of this.pre.list) args = hook(this, args) ?? args;
    const loss = this.perform(args[0] as (() => T) | undefined);
    for (const hook of this.post.list) hook(this, args);
    for (const hook of globalPost.list) hook(this, args);
    return loss;
  }

  /** The step between the hooks. */
  protected perform<T>(closure: (() => T) | undefined): T | undefined {
    const loss = closure === undefined ? undefined : enableGrad(closure);
    const { differentiable = false } = this.defaults as { differentiable?: boolean };
    for (const group of this.paramGroups) {
      if (differentiable) enableGrad(() => this.stepGroup(group));
      else if (this.fused !== undefined) this.stepFused(group, this.fused);
      else noGrad(() => this.stepGroup(group));
    }
    return loss;
  }

  private stepGroup(group: ParamGroup<O>): void {
    const { maximize = false } = group as { maximize?: boolean };
    for (const param of group.params) {
      const { grad } = param;
      if (grad === null) continue;
      const state = this.stateOf(param, group);
      const update = () => {
        this.update(maximize ? grad.neg() : grad, param, state, group);
        keepState(state);
      };
      // A step that is not recorded leaves nothing behind but parameters and state.
      if (mode.grad) update();
      else scope(update);
    }
  }

  private stepFused(group: ParamGroup<O>, kernel: FusedUpdate<O, S>): void {
    let stepped = this.stepped.get(group);
    if (stepped === undefined) {
      stepped = new Stepped();
      this.stepped.set(group, stepped);
    }
    stepped.update(group.params, this.states, (param) => this.stateOf(param, group));
    kernel.step(stepped.params, stepped.states, group);
  }

  private stateOf(param: Tensor, group: ParamGroup<O>): S {
    let state = this.state.get(param);
    if (state === undefined) {
      state = this.init(param, group);
      keepState(state);
      this.state.set(param, state);
    }
    return state;
  }

  /** Forgets all gradients; with `setToNone: false` they become zeros. Source: `torch.optim.Optimizer.zero_grad`. */
  zeroGrad(options: { setToNone?: boolean } = {}): void {
    checkOptions("zeroGrad", options, ZERO_GRAD_OPTIONS);
    const setToNone = options.setToNone ?? true;
    for (const group of this.paramGroups) for (const param of group.params) clearGrad(param, setToNone);
  }

  /** Calls `hook(optimizer, args)` before each step; what it returns replaces the arguments of the step. */
  registerStepPreHook(hook: StepPreHook<this>): HookHandle {
    return this.pre.add(hook as StepPreHook);
  }

  /** Calls `hook(optimizer, args)` after each step. */
  registerStepPostHook(hook: StepPostHook<this>): HookHandle {
    return this.post.add(hook as StepPostHook);
  }

  /** Calls `hook(optimizer)` before `stateDict`. */
  registerStateDictPreHook(hook: StateDictPreHook<this>, options?: StateHookOptions): HookHandle {
    checkOptions("registerStateDictPreHook", options, STATE_HOOK_OPTIONS);
    return this.savePre.add(hook as StateDictPreHook, options);
  }

  /** Calls `hook(optimizer, stateDict)` after `stateDict`; what it returns replaces the state dict. */
  registerStateDictPostHook(hook: StateDictPostHook<this>, options?: StateHookOptions): HookHandle {
    checkOptions("registerStateDictPostHook", options, STATE_HOOK_OPTIONS);
    return this.savePost.add(hook as StateDictPostHook, options);
  }

  /** Calls `hook(optimizer, stateDict)` before {@link loadStateDict}; what it returns is loaded in its place. */
  registerLoadStateDictPreHook(hook: LoadStateDictPreHook<this>, options?: StateHookOptions): HookHandle {
    checkOptions("registerLoadStateDictPreHook", options, STATE_HOOK_OPTIONS);
    return this.loadPre.add(hook as LoadStateDictPreHook, options);
  }

  /** Calls `hook(optimizer)` after {@link loadStateDict}. */
  registerLoadStateDictPostHook(hook: LoadStateDictPostHook<this>, options?: StateHookOptions): HookHandle {
    checkOptions("registerLoadStateDictPostHook", options, STATE_HOOK_OPTIONS);
    return this.loadPost.add(hook as LoadStateDictPostHook, options);
  }

  /**
   * State and options in PyTorch's layout and names: `state` by the position of the parameter over all groups,
   * `param_groups` with positions for parameters. Tensors are the live ones.
   * Source: `torch.optim.Optimizer.state_dict`.
   */
  stateDict(): OptimizerStateDict {
    for (const hook of this.savePre.list) hook(this);
    let dict = packState(this.paramGroups, (param) => {
      const state = this.state.get(param);
      return state === undefined ? undefined : this.saveState(state);
    });
    for (const hook of this.savePost.list) dict = hook(this, dict) ?? dict;
    return dict;
  }

  /**
   * Takes state and options from `stateDict`, of this library or PyTorch's. Everything is checked first: when
   * something does not fit, the error names all of it and nothing was loaded.
   * Source: `torch.optim.Optimizer.load_state_dict`.
   * @throws StateDictError when groups, names, shapes or options do not fit.
   */
  loadStateDict(stateDict: OptimizerStateDict): void {
    let dict = stateDict;
    for (const hook of this.loadPre.list) dict = hook(this, dict) ?? dict;
    const reader = new StateReader(this.constructor.name, this.paramGroups, dict);
    reader.readGroups((options) => this.checkOptions(options), this.defaults);
    reader.readStates((param, group, saved) => this.readState(param, group, saved, reader));
    const { groups, states } = reader.finish();
    groups.forEach((options, i) => {
      const own = this.paramGroups[i] as object;
      for (const key of Object.keys(own)) if (!(key in options)) Reflect.deleteProperty(own, key);
      Object.assign(own, options);
    });
    this.state.clear();
    for (const [param, state] of states) {
      keepState(state);
      this.state.set(param, state as S);
    }
    for (const hook of this.loadPost.list) hook(this);
  }

  /** @internal One parameter's state as it is saved. */
  protected saveState(state: S): SavedState {
    return StateReader.save(state);
  }

  /** @internal One parameter's state from its saved form, checked against what `init` makes. */
  protected readState(param: Tensor, group: O, saved: SavedState, reader: StateReader<O>): ParamState {
    return reader.readLike(this.init(param, group), param, saved);
  }

  /** PyTorch's form: one block per group with its options. */
  toString(): string {
    const groups = this.paramGroups.map((group, i) => {
      const { params: _params, ...options } = group;
      const lines = Object.entries(options)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => `    ${key}: ${JSON.stringify(value)}`);
      return `Parameter Group ${i}\n${lines.join("\n")}`;
    });
    return `${this.constructor.name} (\n${groups.join("\n\n")}\n)`;
  }

  /** @internal What `console.log` shows in Node. */
  [INSPECT](): string {
    return this.toString();
  }
}

/** Marks state tensors so that no scope frees them. */
function keepState(state: ParamState): void {
  for (const value of Object.values(state)) {
    for (const t of Array.isArray(value) ? value : [value]) if (t instanceof Tensor) t.storage.flags |= KEPT;
  }
}

/** Zeros (or another value) shaped as a parameter, for state: no scope frees them. */
export function zerosFor(param: Tensor, value = 0): Tensor {
  const t = full(param.shape, value, param.code);
  t.storage.flags |= KEPT;
  return t;
}
