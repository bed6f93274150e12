/** What all modules share, whatever they take and give: parameters, buffers and submodules are plain fields. */
import type { HookHandle } from "../autograd/methods.js";
import { noGrad } from "../autograd/mode.js";
import { codeOf, type DType, isFloat } from "../tensor/dtype.js";
import { DTypeError, ValueError } from "../tensor/errors.js";
import { KEPT, nextOp } from "../tensor/heap.js";
import { castTo, empty, fillWith } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import { Callable } from "./callable.js";
import { HookList, type Nothing, runRegistrationHooks } from "./hooks.js";
import { toField, toKey } from "./naming.js";
import { Buffer, type BufferOptions, Parameter, setData } from "./parameter.js";
import { formatModule } from "./print.js";
import {
  type IncompatibleKeys,
  type LoadStateDictOptions,
  loadTensor,
  loadTree,
  metadataOf,
  type StateDict,
  type StateDictOptions,
  StateLoad,
  saveTensor,
} from "./stateDict.js";
import { isLazy } from "./uninitialized.js";

const INSPECT: unique symbol = Symbol.for("nodejs.util.inspect.custom") as never;

/** A module whatever it takes and gives. */
export type AnyModule = ModuleBase;

/** Options of the named walks. */
export interface WalkOptions {
  /** Put before every name (default none). */
  prefix?: string;
  /** Walk into submodules (default true). */
  recurse?: boolean;
  /** Give what is reached by several names once, by its first name (default true). */
  removeDuplicate?: boolean;
}

/** What a module may be converted to. */
export interface ModuleToOptions {
  dtype?: DType;
}

/** Hooks on saving and loading. */
class StateHooks {
  readonly savePre = new HookList();
  readonly savePost = new HookList();
  readonly loadPre = new HookList();
  readonly loadPost = new HookList();
}

/**
 * The tree that modules form, whatever their forward takes and gives: fields, walks, changes to all of it, state
 * dicts, printing.
 */
export abstract class ModuleBase extends Callable {
  /** Version of what this class writes into state dicts; raised when the layout changes. */
  static readonly version: number = 1;
  /** Whether the module is in training mode; set it with `train()` and `eval()`. */
  training = true;
  #states: StateHooks | null = null;
  /** Fields registered as buffers, and whether they are saved. */
  #buffers: Map<string, boolean> | null = null;

  /** Computes the output; called through the module itself, which runs the hooks as well. */
  abstract forward(...args: never[]): unknown;

  /** @internal Computes the output with the hooks run. */
  abstract _invoke(args: unknown[]): unknown;

  /** @internal Whether a call keeps no handle to its input and output: layers of the library, without hooks. */
  get _pure(): boolean {
    return false;
  }

  // ---- members ----

  /** @internal The fields that may hold parameters, buffers and submodules, in order. */
  *_members(): Iterable<readonly [field: string, value: unknown]> {
    for (const field of Object.keys(this)) yield [field, (this as Record<string, unknown>)[field]];
  }

  /** @internal The state-dict key of a field; containers keep names as they are. */
  _keyOf(field: string): string {
    return toKey(field);
  }

  /** @internal The field of a key or field name. */
  _fieldOf(key: string): string {
    if (Object.hasOwn(this, key)) return key;
    return toField(key);
  }

  /** @internal */
  _get(field: string): unknown {
    return (this as Record<string, unknown>)[field];
  }

  /** @internal */
  _set(field: string, value: unknown): void {
    (this as Record<string, unknown>)[field] = value;
  }

  /** @internal Whether the tensor in a field is a buffer, and whether it is saved. */
  _bufferKind(field: string, value: unknown): "saved" | "unsaved" | null {
    if (!(value instanceof Tensor) || value instanceof Parameter) return null;
    const saved = this.#buffers?.get(field) ?? (value instanceof Buffer ? value.persistent : undefined);
    return saved === undefined ? null : saved ? "saved" : "unsaved";
  }

  /** @internal Direct submodules by key; the same module may come twice. */
  *_namedChildren(): Iterable<[string, AnyModule]> {
    for (const [field, value] of this._members())
      if (value instanceof ModuleBase) yield [this._keyOf(field), value];
  }

  private place(op: string, name: string): string {
    if (name === "" || name.includes(".")) {
      throw new ValueError(
        `[${op}] "${name}" is no name for a member: expected one without dots that is not empty`,
      );
    }
    return this._fieldOf(name);
  }

  private checkFree(op: string, name: string, field: string, fits: (value: unknown) => boolean): void {
    const value = this._get(field);
    if (value === undefined || value === null || fits(value)) return;
    throw new ValueError(
      `[${op}] ${this._getName()} already has an attribute "${name}", and it is of another kind; try another name`,
    );
  }

  /**
   * Makes a tensor (or null, for one that is absent) a buffer: a field that is saved and converted with the module
   * but not learned. Returns it, so that a field can be declared by `runningMean = this.registerBuffer(...)`.
   * Source: `torch.nn.Module.register_buffer`.
   * @throws ValueError when the name has a dot, is empty, or belongs to something else.
   */
  registerBuffer<T extends Tensor | null>(name: string, tensor: T, options: BufferOptions = {}): T {
    const field = this.place("registerBuffer", name);
    this.checkFree("registerBuffer", name, field, (v) => this._bufferKind(field, v) !== null);
    const value = runRegistrationHooks<Tensor | null>("buffer", this, name, tensor) as T;
    this.#buffers ??= new Map();
    this.#buffers.set(field, options.persistent ?? true);
    if (value !== null) value.storage.flags |= KEPT;
    this._set(field, value);
    return value;
  }

  /**
   * Makes a parameter (or null, for one that is absent) a field. Assigning the field does the same.
   * Source: `torch.nn.Module.register_parameter`.
   * @throws ValueError when the name has a dot, is empty, or belongs to something else.
   */
  registerParameter<T extends Parameter | null>(name: string, param: T): T {
    const field = this.place("registerParameter", name);
    this.checkFree("registerParameter", name, field, (v) => v instanceof Parameter);
    if (param !== null && !(param instanceof Parameter)) {
      throw new ValueError(
        `[registerParameter] "${name}" is no Parameter; try new Parameter(tensor), or registerBuffer`,
      );
    }
    const value = runRegistrationHooks<Tensor | null>("parameter", this, name, param) as T;
    this._set(field, value);
    return value;
  }

  /** Makes a module (or null) a submodule. Assigning a field does the same. Source: `torch.nn.Module.register_module`. */
  registerModule<M extends AnyModule | null>(name: string, module: M): M {
    const field = this.place("registerModule", name);
    this.checkFree("registerModule", name, field, (v) => v instanceof ModuleBase);
    if (module !== null && !((module as unknown) instanceof ModuleBase)) {
      throw new ValueError(`[registerModule] "${name}" is no Module: got ${typeof module}`);
    }
    const value = runRegistrationHooks<AnyModule | null>("module", this, name, module) as M;
    this._set(field, value);
    return value;
  }

  /** Same as {@link registerModule}. Source: `torch.nn.Module.add_module`. */
  addModule<M extends AnyModule | null>(name: string, module: M): M {
    return this.registerModule(name, module);
  }

  // ---- walks ----

  /** This module and all below it, each once. Source: `torch.nn.Module.modules`. */
  *modules(): Generator<AnyModule> {
    for (const [, module] of this.namedModules()) yield module;
  }

  /** This module (by the prefix itself) and all below it, with their paths. Source: `torch.nn.Module.named_modules`. */
  *namedModules(
    options: { prefix?: string; removeDuplicate?: boolean } = {},
  ): Generator<[string, AnyModule]> {
    yield* walk(this, options.prefix ?? "", options.removeDuplicate === false ? null : new Set());
  }

  /** Direct submodules. Source: `torch.nn.Module.children`. */
  *children(): Generator<AnyModule> {
    for (const [, child] of this.namedChildren()) yield child;
  }

  /** Direct submodules with their names, each once. Source: `torch.nn.Module.named_children`. */
  *namedChildren(): Generator<[string, AnyModule]> {
    const seen = new Set<AnyModule>();
    for (const [key, child] of this._namedChildren()) {
      if (seen.has(child)) continue;
      seen.add(child);
      yield [key, child];
    }
  }

  private *namedTensors<T extends Tensor>(
    options: WalkOptions,
    take: (m: AnyModule, f: string, v: unknown) => v is T,
  ) {
    const { prefix = "", recurse = true, removeDuplicate = true } = options;
    const seen = removeDuplicate ? new Set<Tensor>() : null;
    const modules: Iterable<readonly [string, AnyModule]> = recurse
      ? walk(this, prefix, removeDuplicate ? new Set() : null)
      : [[prefix, this]];
    for (const [path, module] of modules) {
      for (const [field, value] of module._members()) {
        if (!take(module, field, value) || seen?.has(value) === true) continue;
        seen?.add(value);
        yield [(path === "" ? "" : `${path}.`) + module._keyOf(field), value] as [string, T];
      }
    }
  }

  /** Parameters of this module and below. Source: `torch.nn.Module.parameters`. */
  *parameters(options: { recurse?: boolean } = {}): Generator<Parameter> {
    for (const [, p] of this.namedParameters(options)) yield p;
  }

  /** Parameters with their state-dict keys. Source: `torch.nn.Module.named_parameters`. */
  *namedParameters(options: WalkOptions = {}): Generator<[string, Parameter]> {
    yield* this.namedTensors(options, (_m, _f, v): v is Parameter => v instanceof Parameter);
  }

  /** Buffers of this module and below. Source: `torch.nn.Module.buffers`. */
  *buffers(options: { recurse?: boolean } = {}): Generator<Tensor> {
    for (const [, b] of this.namedBuffers(options)) yield b;
  }

  /** Buffers with their state-dict keys. Source: `torch.nn.Module.named_buffers`. */
  *namedBuffers(options: WalkOptions = {}): Generator<[string, Tensor]> {
    yield* this.namedTensors(options, (m, f, v): v is Tensor => m._bufferKind(f, v) !== null);
  }

  private descend(op: string, path: string): AnyModule {
    let at: AnyModule = this;
    if (path === "") return at;
    for (const part of path.split(".")) {
      const next = at._get(at._fieldOf(part));
      if (!(next instanceof ModuleBase)) {
        const known = [...at.namedChildren()].map(([name]) => name).join(", ");
        throw new ValueError(
          `[${op}] ${at._getName()} has no submodule "${part}" (of "${path}"): expected one of ${known === "" ? "none" : known}`,
        );
      }
      at = next;
    }
    return at;
  }

  /** The submodule at a path such as `layer1.0.conv`. Source: `torch.nn.Module.get_submodule`. */
  getSubmodule(target: string): AnyModule {
    return this.descend("getSubmodule", target);
  }

  /**
   * Puts a module at a path; with `strict` only where there is one already. Source: `torch.nn.Module.set_submodule`.
   * @throws ValueError when the path is empty or leads nowhere.
   */
  setSubmodule(target: string, module: AnyModule, options: { strict?: boolean } = {}): void {
    const cut = target.lastIndexOf(".");
    const name = target.slice(cut + 1);
    if (name === "")
      throw new ValueError("[setSubmodule] the path is empty: expected the path of a submodule");
    const parent = this.descend("setSubmodule", target.slice(0, Math.max(0, cut)));
    const before = parent._get(parent._fieldOf(name));
    if (options.strict === true && before === undefined) {
      throw new ValueError(
        `[setSubmodule] ${parent._getName()} has no submodule "${name}"; try { strict: false }`,
      );
    }
    if (before !== undefined && before !== null && !(before instanceof ModuleBase)) {
      throw new ValueError(`[setSubmodule] "${name}" of ${parent._getName()} is no module`);
    }
    parent._set(parent._fieldOf(name), module);
  }

  private member(op: string, target: string): [AnyModule, string, unknown] {
    const cut = target.lastIndexOf(".");
    const owner = this.descend(op, target.slice(0, Math.max(0, cut)));
    const field = owner._fieldOf(target.slice(cut + 1));
    return [owner, field, owner._get(field)];
  }

  /** The parameter at a path. Source: `torch.nn.Module.get_parameter`. */
  getParameter(target: string): Parameter {
    const [owner, , value] = this.member("getParameter", target);
    if (value instanceof Parameter) return value;
    throw new ValueError(`[getParameter] "${target}" is no parameter of ${owner._getName()}`);
  }

  /** The buffer at a path. Source: `torch.nn.Module.get_buffer`. */
  getBuffer(target: string): Tensor {
    const [owner, field, value] = this.member("getBuffer", target);
    if (owner._bufferKind(field, value) !== null) return value as Tensor;
    throw new ValueError(`[getBuffer] "${target}" is no buffer of ${owner._getName()}`);
  }

  // ---- changes to the whole tree ----

  /** Calls `fn` with every module below, children first, and then with this one. Source: `torch.nn.Module.apply`. */
  apply(fn: (module: AnyModule) => void): this {
    for (const child of this.children()) child.apply(fn);
    fn(this);
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
    for (const [field, value] of this._members()) {
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
      for (const [field, value] of this._members()) {
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
    for (const [field, value] of this._members()) {
      if (!(value instanceof Parameter) && this._bufferKind(field, value) !== "saved") continue;
      loadTensor(load, prefix + this._keyOf(field), value as Tensor, (t) => this._set(field, t));
    }
    if (this.setExtraState !== ModuleBase.prototype.setExtraState) {
      const extra = load.take(`${prefix}_extra_state`);
      if (extra !== undefined) load.plan(() => this.setExtraState(extra));
    }
  }

  /**
   * The tensors of this module and below by PyTorch's keys: parameters, then buffers, then submodules. They share
   * their data with the module. Source: `torch.nn.Module.state_dict`.
   */
  stateDict(options: StateDictOptions = {}): StateDict {
    const { destination = {}, prefix = "", keepVars = false } = options;
    const metadata = metadataOf(destination);
    const hooks = this.#states;
    for (const entry of hooks?.savePre.entries ?? []) {
      (entry.fn as (...args: unknown[]) => unknown)(this, prefix, keepVars);
    }
    const local = { version: (this.constructor as typeof ModuleBase).version };
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
    const load = new StateLoad(state, options);
    loadTree(this, "", load);
    const result = load.finish(this._getName());
    for (const module of this.modules()) {
      for (const entry of module.#states?.loadPost.entries ?? []) {
        (entry.fn as (...args: unknown[]) => unknown)(module, result);
      }
    }
    return result;
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
   * Calls `hook(module, incompatibleKeys)` after the module was loaded. Source: `register_load_state_dict_post_hook`.
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
  _copyInternals(from: AnyModule): void {
    this.#buffers = from.#buffers === null ? null : new Map(from.#buffers);
    if (from.#states === null) return;
    this.#states = new StateHooks();
    for (const kind of ["savePre", "savePost", "loadPre", "loadPost"] as const) {
      this.#states[kind].entries = from.#states[kind].entries;
    }
  }

  // ---- printing ----

  /** @internal The name in printed text and errors. */
  _getName(): string {
    return this.constructor.name;
  }

  /** What stands between the parentheses when the module is printed. Source: `torch.nn.Module.extra_repr`. */
  extraRepr(): string {
    return "";
  }

  /** @internal The printed children, with the names under which they are found. */
  _childLines(): (readonly [string, string])[] {
    const lines: [string, string][] = [];
    for (const [field, value] of this._members())
      if (value instanceof ModuleBase) lines.push([field, value.toString()]);
    return lines;
  }

  /** The text of the module and what it is made of, as PyTorch prints it. */
  override toString(): string {
    return formatModule(this._getName(), this.extraRepr(), this._childLines());
  }

  /** @internal What `console.log` shows in Node. */
  [INSPECT](): string {
    return this.toString();
  }
}

/** Sets a gradient to null or to zeros. @internal */
export function clearGrad(p: Tensor, setToNone: boolean): void {
  const g = p.grad;
  if (g === null) return;
  if (setToNone) {
    p.grad = null;
    return;
  }
  if (g.node !== null) p.grad = g.detach();
  nextOp();
  fillWith(p.grad as Tensor, 0);
  g.storage.version++;
}

function* walk(module: AnyModule, path: string, seen: Set<AnyModule> | null): Generator<[string, AnyModule]> {
  if (seen?.has(module) === true) return;
  seen?.add(module);
  yield [path, module];
  for (const [name, child] of module._namedChildren())
    yield* walk(child, path === "" ? name : `${path}.${name}`, seen);
}
