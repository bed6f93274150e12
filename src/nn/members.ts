/** The members of a module: which of its fields are state, registering them, walking them, finding them by path. */

import { ValueError } from "../tensor/errors.js";
import { KEPT } from "../tensor/heap.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { Tensor } from "../tensor/tensor.js";
import type { AnyModule } from "./base.js";
import { Callable } from "./callable.js";
import { runRegistrationHooks } from "./hooks.js";
import type { Module } from "./module.js";
import { toField, toKey } from "./naming.js";
import { BUFFER_OPTIONS, Buffer, type BufferOptions, Parameter } from "./parameter.js";

/** Options of the named walks. */
export interface WalkOptions {
  /** Put before every name (default none). */
  prefix?: string;
  /** Walk into submodules (default true). */
  recurse?: boolean;
  /** Give what is reached by several names once, by its first name (default true). */
  removeDuplicate?: boolean;
}

const WALK_OPTIONS: OptionNames<WalkOptions> = { prefix: 1, recurse: 1, removeDuplicate: 1 };

/** A module and all below it, in order of registration. */
function walk(root: AnyModule, prefix: string, once: boolean): [string, AnyModule][] {
  const found: [string, AnyModule][] = [];
  const seen = once ? new Set<AnyModule>() : null;
  const visit = (module: AnyModule, path: string) => {
    if (seen?.has(module) === true) return;
    seen?.add(module);
    found.push([path, module]);
    for (const [name, child] of module._namedChildren()) visit(child, path === "" ? name : `${path}.${name}`);
  };
  visit(root, prefix);
  return found;
}

/** The parameters of a module, then those of its submodules, each once, without their names. */
function collectParameters(
  module: AnyModule,
  into: Set<Parameter>,
  seen: Set<AnyModule> | null,
): Set<Parameter> {
  const children: AnyModule[] = [];
  seen?.add(module);
  for (const field of module._fields()) {
    const value = module._get(field);
    if (value instanceof Parameter) into.add(value);
    else if (seen !== null && value instanceof ModuleMembers) children.push(value as AnyModule);
  }
  for (const child of children) if (seen?.has(child) === false) collectParameters(child, into, seen);
  return into;
}

const SET_SUBMODULE_OPTIONS: OptionNames<{ strict?: boolean }> = { strict: 1 };

const PARAMETERS_OPTIONS: OptionNames<{ recurse?: boolean }> = { recurse: 1 };

const NAMED_MODULES_OPTIONS: OptionNames<{ prefix?: string; removeDuplicate?: boolean }> = {
  prefix: 1,
  removeDuplicate: 1,
};

/** The part of Module that knows its members. */
export abstract class ModuleMembers extends Callable {
  /** Fields registered as buffers, and whether they are saved. */
  #buffers: Map<string, boolean> | null = null;

  /** @internal This module, by the type of all modules. */
  protected get self(): AnyModule {
    return this as unknown as AnyModule;
  }

  /** @internal The name in printed text and errors. */
  _getName(): string {
    return this.constructor.name;
  }

  /** @internal Takes over the buffer names of the module that this one is a copy of. */
  _copyInternals(from: AnyModule): void {
    this.#buffers = from.#buffers === null ? null : new Map(from.#buffers);
  }

  /** @internal Names of the fields that may hold parameters, buffers and submodules, in order. */
  _fields(): readonly string[] {
    return Object.keys(this);
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

  /** @internal Puts a tensor into a field as it is, for a while. */
  _swap(field: string, value: Tensor): void {
    (this as Record<string, unknown>)[field] = value;
  }

  /** @internal Whether the tensor in a field is a buffer, and whether it is saved. */
  _bufferKind(field: string, value: unknown): "saved" | "unsaved" | null {
    if (!(value instanceof Tensor) || value instanceof Parameter) return null;
    const saved = this.#buffers?.get(field) ?? (value instanceof Buffer ? value.persistent : undefined);
    return saved === undefined ? null : saved ? "saved" : "unsaved";
  }

  /** @internal Direct submodules by key; the same module may come twice. */
  _namedChildren(): [string, AnyModule][] {
    const found: [string, AnyModule][] = [];
    for (const field of this._fields()) {
      const value = this._get(field);
      if (value instanceof ModuleMembers) found.push([this._keyOf(field), value as AnyModule]);
    }
    return found;
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
    checkOptions("registerBuffer", options, BUFFER_OPTIONS);
    const field = this.place("registerBuffer", name);
    this.checkFree("registerBuffer", name, field, (v) => this._bufferKind(field, v) !== null);
    const value = runRegistrationHooks<Tensor | null>("buffer", this.self, name, tensor) as T;
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
    const value = runRegistrationHooks<Tensor | null>("parameter", this.self, name, param) as T;
    this._set(field, value);
    return value;
  }

  /** Makes a module (or null) a submodule. Assigning a field does the same. Source: `torch.nn.Module.register_module`. */
  registerModule<M extends AnyModule | null>(name: string, module: M): M {
    const field = this.place("registerModule", name);
    this.checkFree("registerModule", name, field, (v) => v instanceof ModuleMembers);
    if (module !== null && !((module as unknown) instanceof ModuleMembers)) {
      throw new ValueError(`[registerModule] "${name}" is no Module: got ${typeof module}`);
    }
    const value = runRegistrationHooks<AnyModule | null>("module", this.self, name, module) as M;
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
    checkOptions("namedModules", options, NAMED_MODULES_OPTIONS);
    yield* walk(this.self, options.prefix ?? "", options.removeDuplicate ?? true);
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

  private namedTensors(options: WalkOptions, take: (m: AnyModule, f: string, v: unknown) => boolean) {
    const { prefix = "", recurse = true, removeDuplicate = true } = options;
    const seen = removeDuplicate ? new Set<unknown>() : null;
    const found: [string, Tensor][] = [];
    const modules = recurse ? walk(this.self, prefix, removeDuplicate) : [[prefix, this.self] as const];
    for (const [path, module] of modules) {
      for (const field of module._fields()) {
        const value = module._get(field);
        if (!take(module, field, value) || seen?.has(value) === true) continue;
        seen?.add(value);
        found.push([(path === "" ? "" : `${path}.`) + module._keyOf(field), value as Tensor]);
      }
    }
    return found;
  }

  /** Parameters of this module and below. Source: `torch.nn.Module.parameters`. */
  *parameters(options: { recurse?: boolean } = {}): Generator<Parameter> {
    checkOptions("parameters", options, PARAMETERS_OPTIONS);
    yield* collectParameters(this.self, new Set(), options.recurse === false ? null : new Set());
  }

  /** Parameters with their state-dict keys. Source: `torch.nn.Module.named_parameters`. */
  *namedParameters(options: WalkOptions = {}): Generator<[string, Parameter]> {
    checkOptions("namedParameters", options, WALK_OPTIONS);
    yield* this.namedTensors(options, (_m, _f, v) => v instanceof Parameter) as [string, Parameter][];
  }

  /** Buffers of this module and below. Source: `torch.nn.Module.buffers`. */
  *buffers(options: { recurse?: boolean } = {}): Generator<Tensor> {
    checkOptions("buffers", options, PARAMETERS_OPTIONS);
    for (const [, b] of this.namedBuffers(options)) yield b;
  }

  /** Buffers with their state-dict keys. Source: `torch.nn.Module.named_buffers`. */
  *namedBuffers(options: WalkOptions = {}): Generator<[string, Tensor]> {
    checkOptions("namedBuffers", options, WALK_OPTIONS);
    yield* this.namedTensors(options, (m, f, v) => m._bufferKind(f, v) !== null);
  }

  private descend(op: string, path: string): AnyModule {
    let at = this.self;
    if (path === "") return at;
    for (const part of path.split(".")) {
      const next = at._get(at._fieldOf(part));
      if (!(next instanceof ModuleMembers)) {
        const known = [...at.namedChildren()].map(([name]) => name).join(", ");
        throw new ValueError(
          `[${op}] ${at._getName()} has no submodule "${part}" (of "${path}"): expected one of ${known === "" ? "none" : known}`,
        );
      }
      at = next as AnyModule;
    }
    return at;
  }

  /** The submodule at a path such as `layer1.0.conv`. Source: `torch.nn.Module.get_submodule`. */
  getSubmodule<M extends AnyModule = Module>(target: string): M {
    return this.descend("getSubmodule", target) as M;
  }

  /**
   * Puts a module at a path; with `strict` only where there is one already. Source: `torch.nn.Module.set_submodule`.
   * @throws ValueError when the path is empty or leads nowhere.
   */
  setSubmodule(target: string, module: AnyModule, options: { strict?: boolean } = {}): void {
    checkOptions("setSubmodule", options, SET_SUBMODULE_OPTIONS);
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
    if (before !== undefined && before !== null && !(before instanceof ModuleMembers)) {
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
    const known = [...owner.namedParameters({ recurse: false })].map(([name]) => name).join(", ");
    throw new ValueError(
      `[getParameter] "${target}" is no parameter of ${owner._getName()}: expected one of ${known === "" ? "none" : known}`,
    );
  }

  /** The buffer at a path. Source: `torch.nn.Module.get_buffer`. */
  getBuffer(target: string): Tensor {
    const [owner, field, value] = this.member("getBuffer", target);
    if (owner._bufferKind(field, value) !== null) return value as Tensor;
    throw new ValueError(`[getBuffer] "${target}" is no buffer of ${owner._getName()}`);
  }
}
