/** The tree that modules form: modes, conversions, state dicts. */

import type { HookHandle } from "../autograd/methods.js";
import { noGrad } from "../autograd/mode.js";
import { codeOf, type DType, isFloat } from "../tensor/dtype.js";
import { DTypeError, ValueError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { castTo, empty } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import type { AnyModule } from "./base.js";
import { HookList, type Nothing } from "./hooks.js";
import { ModuleMembers } from "./members.js";
import { clearGrad, Parameter, setData } from "./parameter.js";
import {
  type IncompatibleKeys,
  LOAD_STATE_DICT_OPTIONS,
  type LoadStateDictOptions,
  loadTensor,
  loadTree,
  metadataOf,
  STATE_DICT_OPTIONS,
  type StateDict,
  type StateDictOptions,
  StateLoad,
  saveTensor,
} from "./stateDict.js";
import { isLazy } from "./uninitialized.js";

/** What a module may be converted to. */
export interface ModuleToOptions {
  /** Element type of floating parameters and buffers. */
  dtype?: DType;
  /** Where parameters and buffers live: always `"cpu"`. */
  device?: "cpu";
}

const MODULE_TO_OPTIONS: OptionNames<ModuleToOptions> = { dtype: 1, device: 1 };

/** Hooks on saving and loading. */
class StateHooks {
  readonly savePre = new HookList();
  readonly savePost = new HookList();
  readonly loadPre = new HookList();
  readonly loadPost = new HookList();
}

const ZERO_GRAD_OPTIONS: OptionNames<{ setToNone?: boolean }> = { setToNone: 1 };

/** The part of Module that changes the whole tree, saves it and loads it. */
export abstract class ModuleTree extends ModuleMembers {
  /** Version of what this class writes into state dicts; raised when the layout changes. */
  static readonly version: number = 1;
  /** Whether the module is in training mode; set it with `train()` and `eval()`. */
  training = true;
  #states: StateHooks | null = null;

  // ---- changes to the whole tree ----

  /** Calls `fn` with every module below, children first, and then with this one. Source: `torch.nn.Module.apply`. */
  apply(fn: (module: AnyModule) => void): this {
    for (const child of this.children()) child.apply(fn);
    fn(this.self);
    return this;
  }

  /** Sets training mode here and below. Source: `torch.nn.Module.train`. */
  train(mode = true): this {
    if (typeof mode !== "boolean")
      throw new ValueError(`[train] got ${String(mode)}: expected true or false`);
    this.training = mode;
    for (const child of this.children()) child.train(mode);
    return this;
  }

  /** Sets evaluation mode here and below. Source: `torch.nn.Module.eval`. */
  eval(): this {
    return this.train(false);
  }

  /** Turns gradients of all parameters on or off. Source: `torch.nn.Module.requires_grad_`. */
  requiresGrad_(requiresGrad = true): this {
    for (const p of this.parameters()) p.requiresGrad_(requiresGrad);
    return this;
  }

  /** Clears the gradients of all parameters. Source: `torch.nn.Module.zero_grad`. */
  zeroGrad(options: { setToNone?: boolean } = {}): void {
    checkOptions("zeroGrad", options, ZERO_GRAD_OPTIONS);
    for (const p of this.parameters()) clearGrad(p, options.setToNone ?? true);
  }

  /** @internal Replaces the data of every parameter, gradient and buffer; the tensor objects stay the same. */
  _apply(fn: (t: Tensor) => Tensor, seen: Set<Tensor> = new Set()): this {
    for (const child of this.children()) child._apply(fn, seen);
    const convert = (t: Tensor) => {
      nextOp();
      if (isLazy(t)) {
        Object.assign(t, { code: fn(empty([0], t.code)).code });
        return;
      }
      const made = fn(t);
      if (made !== t) setData(t, made);
    };
    for (const field of this._fields()) {
      const value = this._get(field);
      if (!(value instanceof Parameter) && this._bufferKind(field, value) === null) continue;
      const t = value as Tensor;
      if (seen.has(t)) continue;
      seen.add(t);
      noGrad(() => {
        convert(t);
        if (t.grad !== null) convert(t.grad);
      });
    }
    return this;
  }

  /**
   * Converts floating parameters and buffers to a dtype, in place. Source: `torch.nn.Module.to`.
   * @throws DTypeError for a dtype that is not floating.
   */
  to(dtype: DType | Tensor | ModuleToOptions | "cpu"): this {
    checkNames("to", dtype, MODULE_TO_OPTIONS);
    if (dtype === "cpu") return this;
    const name = typeof dtype === "string" ? dtype : dtype.dtype;
    if (name === undefined) return this;
    const code = codeOf(name);
    if (!isFloat(code)) {
      throw new DTypeError(
        `[to] a module can only be converted to a floating dtype: got ${name}; try "float32" or "float64"`,
      );
    }
    return this._apply((t) => (isFloat(t.code) ? castTo(t, code) : t));
  }

  /** Converts all parameters and buffers to a dtype, integers too. Source: `torch.nn.Module.type`. */
  type(dtype: DType): this {
    const code = codeOf(dtype);
    return this._apply((t) => castTo(t, code));
  }

  /** Converts floating parameters and buffers to float64. Source: `torch.nn.Module.double`. */
  double(): this {
    return this.to("float64");
  }

  /** Converts floating parameters and buffers to float32. Source: `torch.nn.Module.float`. */
  float(): this {
    return this.to("float32");
  }

  /** Returns the module: every tensor is on the CPU. Source: `torch.nn.Module.cpu`. */
  cpu(): this {
    return this;
  }

  /** Returns the module: the heap is shared by all threads. Source: `torch.nn.Module.share_memory`. */
  shareMemory(): this {
    return this;
  }

  /** Gives every parameter and buffer new, uninitialised memory. Source: `torch.nn.Module.to_empty`. */
  toEmpty(_options?: { device?: string; recurse?: boolean }): this {
    return this._apply((t) => empty(t.shape, t.code));
  }

  // ---- state dict ----

  /** @internal Writes this module's own tensors. */
  _saveToStateDict(into: StateDict, prefix: string, keepVars: boolean): void {
    for (const kind of ["parameter", "saved"]) {
      for (const field of this._fields()) {
        const value = this._get(field);
        const own = value instanceof Parameter ? "parameter" : this._bufferKind(field, value);
        if (own === kind) saveTensor(into, prefix + this._keyOf(field), value as Tensor, keepVars);
      }
    }
    const extra = this.getExtraState();
    if (extra !== undefined) into[`${prefix}_extra_state`] = extra as Tensor;
  }

  /** @internal Checks this module's own tensors and plans their loading; layers with older layouts override it. */
  _loadFromStateDict(load: StateLoad, prefix: string): void {
    for (const entry of this.#states?.loadPre.entries ?? []) {
      (entry.fn as (...args: unknown[]) => unknown)(this, load, prefix);
    }
    for (const field of this._fields()) {
      const value = this._get(field);
      if (!(value instanceof Parameter) && this._bufferKind(field, value) !== "saved") continue;
      loadTensor(load, prefix + this._keyOf(field), value as Tensor, (t) => this._set(field, t));
    }
    if (this.setExtraState !== ModuleTree.prototype.setExtraState) {
      const extra = load.take(`${prefix}_extra_state`);
      if (extra !== undefined) load.plan(() => this.setExtraState(extra));
    }
  }

  /**
   * The tensors of this module and below by PyTorch's keys: parameters, then buffers, then submodules. They share
   * their data with the module. Source: `torch.nn.Module.state_dict`.
   */
  stateDict(options: StateDictOptions = {}): StateDict {
    checkOptions("stateDict", options, STATE_DICT_OPTIONS);
    const { destination = {}, prefix = "", keepVars = false } = options;
    const metadata = metadataOf(destination);
    const hooks = this.#states;
    for (const entry of hooks?.savePre.entries ?? []) {
      (entry.fn as (...args: unknown[]) => unknown)(this, prefix, keepVars);
    }
    const local = { version: (this.constructor as typeof ModuleTree).version };
    metadata[prefix.replace(/\.$/, "")] = local;
    this._saveToStateDict(destination, prefix, keepVars);
    for (const [name, child] of this._namedChildren()) {
      child.stateDict({ destination, prefix: `${prefix}${name}.`, keepVars });
    }
    let result = destination;
    for (const entry of hooks?.savePost.entries ?? []) {
      result =
        ((entry.fn as (...args: unknown[]) => unknown)(this, result, prefix, local) as
          | StateDict
          | undefined) ?? result;
    }
    return result;
  }

  /**
   * Copies values into the module's parameters and buffers by key. Everything is checked first: when something does
   * not fit, the error names all of it and nothing was loaded. Source: `torch.nn.Module.load_state_dict`.
   * @throws StateDictError on shapes that differ and, unless `strict: false`, on missing or unexpected keys.
   */
  loadStateDict(
    state: Readonly<Record<string, unknown>>,
    options: LoadStateDictOptions = {},
  ): IncompatibleKeys {
    checkOptions("loadStateDict", options, LOAD_STATE_DICT_OPTIONS);
    const load = new StateLoad(state, options);
    loadTree(this.self, "", load);
    return load.finish(this._getName(), this.afterLoading(new Set()));
  }

  /** What is called after loading: the hooks of all modules below, children first. */
  private afterLoading(seen: Set<AnyModule>): ((keys: IncompatibleKeys) => void)[] {
    seen.add(this.self);
    const below = [...this.children()].flatMap((child) => (seen.has(child) ? [] : child.afterLoading(seen)));
    const own = (this.#states?.loadPost.entries ?? []).map(({ fn }) => (keys: IncompatibleKeys) => {
      (fn as (...args: unknown[]) => unknown)(this, keys);
    });
    return [...below, ...own];
  }

  /** State besides tensors that belongs into the state dict; undefined (the default) for none. */
  getExtraState(): unknown {
    return undefined;
  }

  /** Takes back what {@link getExtraState} gave. */
  setExtraState(_state: unknown): void {
    throw new ValueError(
      `[setExtraState] ${this._getName()} has getExtraState but no setExtraState; try to override it too`,
    );
  }

  // ---- hooks on saving and loading ----

  private addStateHook(kind: keyof StateHooks, fn: (...args: never[]) => unknown): HookHandle {
    this.#states ??= new StateHooks();
    return this.#states[kind].add(fn, undefined);
  }

  /** Calls `hook(module, prefix, keepVars)` before the module is saved. Source: `register_state_dict_pre_hook`. */
  registerStateDictPreHook(hook: (module: this, prefix: string, keepVars: boolean) => void): HookHandle {
    return this.addStateHook("savePre", hook);
  }

  /**
   * Calls `hook(module, stateDict, prefix, metadata)` after the module was saved; it may change the state dict.
   * Source: `register_state_dict_post_hook`.
   */
  registerStateDictPostHook(
    hook: (
      module: this,
      stateDict: StateDict,
      prefix: string,
      metadata: { version?: number },
    ) => StateDict | Nothing,
  ): HookHandle {
    return this.addStateHook("savePost", hook);
  }

  /**
   * Calls `hook(module, load, prefix)` before the module is loaded; it may change `load.state`, the entries by key.
   * Source: `register_load_state_dict_pre_hook`.
   */
  registerLoadStateDictPreHook(hook: (module: this, load: StateLoad, prefix: string) => void): HookHandle {
    return this.addStateHook("loadPre", hook);
  }

  /**
   * Calls `hook(module, incompatibleKeys)` after the module was loaded, those of submodules first. It may change the two
   * lists: what it leaves in them is what does not fit, so a hook that empties them makes a strict loading pass.
   * Source: `register_load_state_dict_post_hook`.
   */
  registerLoadStateDictPostHook(
    hook: (module: this, incompatibleKeys: IncompatibleKeys) => void,
  ): HookHandle {
    return this.addStateHook("loadPost", hook);
  }

  /** @internal Takes over the fields of the module that this one is a copy of. */
  _copyFields(from: AnyModule, copy: <T>(value: T) => T): void {
    for (const [field, value] of Object.entries(from)) this._set(field, copy(value as unknown));
  }

  /** @internal Takes over the hooks and buffer names of the module that this one is a copy of. */
  override _copyInternals(from: AnyModule): void {
    super._copyInternals(from);
    if (from.#states === null) return;
    this.#states = new StateHooks();
    for (const kind of ["savePre", "savePost", "loadPre", "loadPost"] as const) {
      this.#states[kind].entries = from.#states[kind].entries;
    }
  }
}
