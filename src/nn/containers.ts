/** Containers: Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict. */

import { IndexError, ValueError } from "../tensor/errors.js";
import { drop } from "../tensor/heap.js";
import { Tensor } from "../tensor/tensor.js";
import { type AnyModule, ModuleBase } from "./base.js";
import { Module } from "./module.js";
import { Parameter } from "./parameter.js";
import { foldRepeats } from "./print.js";

type Member = AnyModule | Parameter;

function describeParameter(key: string, p: Parameter): string {
  return `  (${key}): Parameter containing: [${p.dtype} of size ${p.shape.join("x")}]`;
}

function asParameter(value: Tensor): Parameter {
  return value instanceof Parameter ? value : new Parameter(value);
}

function checkModule(op: string, value: unknown): void {
  if (!(value instanceof ModuleBase)) {
    const got = value === null ? "null" : typeof value;
    throw new ValueError(`[${op}] expected modules, got ${got}; try a layer such as new ReLU()`);
  }
}

/** What the list containers share: members by number, each found as `list[i]` and by name. */
export abstract class ListContainer<
  T extends Member,
  V,
  Args extends unknown[] = never[],
  Out = never,
> extends Module<Args, Out> {
  [index: number]: T;
  /** @internal */
  protected _list: T[] = [];
  /** @internal Keys of the members: their numbers, unless they were given names. */
  protected _names: string[] = [];

  /** Throws unless the value may be a member; returns what is stored. */
  protected abstract admit(value: V): T;

  /** Number of members. */
  override get length(): number {
    return this._list.length;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this._list.values();
  }

  private position(index: number, end: number): number {
    const n = this._list.length;
    const at = index < 0 ? index + n : index;
    if (!Number.isInteger(index) || at < 0 || at >= n + end) {
      throw new IndexError(`[${this._getName()}] index ${index} is out of range: it has ${n} members`);
    }
    return at;
  }

  /** Makes a member visible as a field of its name. */
  private show(at: number): void {
    const name = this._names[at] as string;
    if (name in this && !Object.hasOwn(this, name)) {
      throw new ValueError(
        `[${this._getName()}] a member cannot be called "${name}", which is a method; try another name`,
      );
    }
    Object.defineProperty(this, name, {
      get: () => this._list[at],
      set: (value: V) => {
        this._list[at] = this.admit(value);
      },
      enumerable: true,
      configurable: true,
    });
  }

  /** Numbers the members anew. */
  private renumber(list: T[]): void {
    for (const name of this._names) Reflect.deleteProperty(this, name);
    this._list = list;
    this._names = list.map((_, i) => String(i));
    for (let i = 0; i < list.length; i++) this.show(i);
  }

  /** @internal Adds a member under a name. */
  protected put(name: string, value: V): void {
    if (name === "" || name.includes(".")) {
      throw new ValueError(
        `[${this._getName()}] "${name}" is no name for a member: expected one without dots that is not empty`,
      );
    }
    const member = this.admit(value);
    const at = this._names.indexOf(name);
    if (at >= 0) {
      this._list[at] = member;
      return;
    }
    this._list.push(member);
    this._names.push(name);
    this.show(this._list.length - 1);
  }

  /** The member at an index; negative ones count from the end. */
  get(index: number): T {
    return this._list[this.position(index, 0)] as T;
  }

  /** Replaces the member at an index. */
  set(index: number, value: V): void {
    this._list[this.position(index, 0)] = this.admit(value);
  }

  /** Adds a member at the end. */
  append(value: V): this {
    this.put(String(this._list.length), value);
    return this;
  }

  /** Adds all members of a list at the end. */
  extend(values: Iterable<V>): this {
    for (const value of [...values]) this.append(value);
    return this;
  }

  /** Adds a member before the one at an index. */
  insert(index: number, value: V): this {
    const at = this.position(index, 1);
    this.renumber([...this._list.slice(0, at), this.admit(value), ...this._list.slice(at)]);
    return this;
  }

  /** Removes the member at an index; those after it move up. */
  delete(index: number): void {
    const at = this.position(index, 0);
    this.renumber(this._list.filter((_, i) => i !== at));
  }

  /** Removes and returns the member at an index (default: the last). */
  pop(index = -1): T {
    const value = this.get(index);
    this.delete(index);
    return value;
  }

  /** @internal */
  override _keyOf(field: string): string {
    return this._names.includes(field) ? field : super._keyOf(field);
  }

  /** @internal */
  override _fieldOf(key: string): string {
    return this._names.includes(key) || /^\d+$/.test(key) ? key : super._fieldOf(key);
  }

  /** @internal Registered members join the list; other fields of a subclass are only fields. */
  override _set(field: string, value: unknown): void {
    if (this._names.includes(field) || !Object.hasOwn(this, field)) this.put(field, value as V);
    else super._set(field, value);
  }

  /** @internal */
  override _swap(field: string, value: Tensor): void {
    const at = this._names.indexOf(field);
    if (at >= 0) (this._list as unknown[])[at] = value;
    else super._swap(field, value);
  }

  /** @internal */
  override _copyFields(from: AnyModule, copy: <V>(value: V) => V): void {
    const source = from as ListContainer<T, V>;
    this._list = [];
    this._names = [];
    source._names.forEach((name, i) => {
      this.put(name, copy(source._list[i] as T) as unknown as V);
    });
    for (const [field, value] of Object.entries(source)) {
      if (field !== "_list" && field !== "_names" && !source._names.includes(field))
        super._set(field, copy(value));
    }
  }
}

/**
 * Calls modules one after the other, each with the output of the one before. Takes the modules, or one object whose
 * keys are their names. Source: `torch.nn.Sequential`.
 * @example
 * const model = new Sequential(new Linear(2, 8), new ReLU(), new Linear(8, 1));
 * model(ones([5, 2])).shape; // [5, 1]
 */
export class Sequential<Args extends unknown[] = [Tensor], Out = Tensor> extends ListContainer<
  Module,
  AnyModule,
  Args,
  Out
> {
  constructor(...layers: AnyModule[] | [Readonly<Record<string, AnyModule>>]) {
    super();
    const first = layers[0];
    if (layers.length === 1 && typeof first === "object" && first !== null) {
      const entries =
        first instanceof Map ? first : Object.entries(first as Readonly<Record<string, AnyModule>>);
      for (const [name, layer] of entries) this.put(name, layer);
    } else for (const layer of layers) this.append(layer as AnyModule);
  }

  protected admit(value: AnyModule): Module {
    checkModule("Sequential", value);
    return value as Module;
  }

  /** The member at an index; negative ones count from the end. Its type may be given: `get<Linear>(0)`. */
  override get<M extends AnyModule = Module>(index: number): M {
    return super.get(index) as AnyModule as M;
  }

  forward(...args: Args): Out {
    const list = this._list;
    let x: unknown = args[0];
    // Whether only pure layers have seen the storage of x: then nobody holds it once the next layer has read it.
    let clean = false;
    for (let i = 0; i < list.length; i++) {
      const layer = list[i] as AnyModule;
      const y = layer._invoke((i === 0 ? args : [x]) as never);
      if (x instanceof Tensor && y instanceof Tensor) {
        const pure = layer._pure;
        if (y.storage === x.storage) clean = clean && pure;
        else {
          if (clean && pure) drop(x.storage);
          clean = pure;
        }
      } else clean = false;
      x = y;
    }
    return x as Out;
  }

  /** @internal */
  override get _pure(): boolean {
    return this.constructor === Sequential && !this._hooked && this._list.every((layer) => layer._pure);
  }

  /** The members from `start` to before `end` as a Sequential of the same modules. */
  slice(start?: number, end?: number): Sequential {
    return new Sequential(...this._list.slice(start, end));
  }

  /** A Sequential of the members of both. */
  add(other: Iterable<AnyModule>): Sequential {
    return new Sequential(...this._list, ...other);
  }

  /** A Sequential that repeats the same modules `times` times. */
  mul(times: number): Sequential {
    if (!Number.isInteger(times) || times < 1)
      throw new ValueError(`[Sequential] expected a positive number of repeats, got ${times}`);
    return new Sequential(...Array.from({ length: times }, () => this._list).flat());
  }
}

/** Refuses calls of containers that have no forward. */
function notCallable(name: string): never {
  throw new ValueError(
    `[${name}] it has no forward: it only holds members; try calling those, or Sequential`,
  );
}

/**
 * A list of modules that are part of the model. Source: `torch.nn.ModuleList`.
 * @example
 * const layers = new ModuleList([new Linear(2, 2), new Linear(2, 2)]);
 * layers.length; // 2
 */
export class ModuleList<M extends AnyModule = Module> extends ListContainer<M, M> {
  constructor(modules: Iterable<M> = []) {
    super();
    this.extend(modules);
  }

  protected admit(value: M): M {
    checkModule("ModuleList", value);
    return value;
  }

  forward(): never {
    return notCallable(this._getName());
  }

  /** The members from `start` to before `end` as a list of the same modules. */
  slice(start?: number, end?: number): ModuleList<M> {
    return new ModuleList(this._list.slice(start, end));
  }

  /** A list of the members of both. */
  add(other: Iterable<M>): ModuleList<M> {
    return new ModuleList([...this._list, ...other]);
  }

  /** @internal Equal neighbours are printed once. */
  override _childLines(): (readonly [string, string])[] {
    return foldRepeats(super._childLines());
  }
}

/** A list of parameters; plain tensors become parameters. Source: `torch.nn.ParameterList`. */
export class ParameterList extends ListContainer<Parameter, Tensor> {
  constructor(values: Iterable<Tensor> = []) {
    super();
    this.extend(values);
  }

  protected admit(value: Tensor): Parameter {
    if (!(value instanceof Tensor))
      throw new ValueError(`[ParameterList] expected tensors, got ${typeof value}`);
    return asParameter(value);
  }

  override extend(values: Iterable<Tensor>): this {
    if (values instanceof Tensor) {
      throw new ValueError("[ParameterList] expected a list of tensors, got one tensor; try append");
    }
    return super.extend(values);
  }

  forward(): never {
    return notCallable(this._getName());
  }

  /** The members from `start` to before `end` as a list of the same parameters. */
  slice(start?: number, end?: number): ParameterList {
    return new ParameterList(this._list.slice(start, end));
  }

  override extraRepr(): string {
    return this._list.map((p, i) => describeParameter(String(i), p)).join("\n");
  }
}

/** What the dictionaries share: members by key, in order of insertion, used as a Map is. */
export abstract class DictContainer<T extends Member, V> extends Module<never[], never> {
  /** @internal */
  protected _map = new Map<string, T>();

  /** Throws unless the value may be a member; returns what is stored. */
  protected abstract admit(value: V): T;

  forward(): never {
    return notCallable(this._getName());
  }

  /** Number of members. */
  override get length(): number {
    return this._map.size;
  }

  /** Number of members. */
  get size(): number {
    return this._map.size;
  }

  [Symbol.iterator](): IterableIterator<[string, T]> {
    return this._map.entries();
  }

  /** Whether there is a member of that key. */
  has(key: string): boolean {
    return this._map.has(key);
  }

  /** The member of that key, or undefined. */
  get(key: string): T | undefined {
    return this._map.get(key);
  }

  /** Adds or replaces a member. */
  set(key: string, value: V): this {
    if (typeof key !== "string" || key === "" || key.includes(".")) {
      throw new ValueError(
        `[${this._getName()}] "${key}" is no key: expected a string without dots that is not empty`,
      );
    }
    this._map.set(key, this.admit(value));
    return this;
  }

  /** Removes a member; whether it was there. */
  delete(key: string): boolean {
    return this._map.delete(key);
  }

  /** Removes all members. */
  clear(): void {
    this._map.clear();
  }

  /** Removes and returns a member. */
  pop(key: string): T {
    const value = this._map.get(key);
    if (value === undefined) throw new ValueError(`[${this._getName()}] there is no member "${key}"`);
    this._map.delete(key);
    return value;
  }

  /** Keys, in order of insertion. */
  keys(): IterableIterator<string> {
    return this._map.keys();
  }

  /** Members, in order of insertion. */
  values(): IterableIterator<T> {
    return this._map.values();
  }

  /** Keys with members, in order of insertion. */
  entries(): IterableIterator<[string, T]> {
    return this._map.entries();
  }

  /** Same as {@link entries}. */
  items(): IterableIterator<[string, T]> {
    return this._map.entries();
  }

  /** Adds or replaces members from an object, a map or pairs. */
  update(members: Members<V>): this {
    for (const [key, value] of pairs(members)) this.set(key, value);
    return this;
  }

  /** @internal */
  override _fields(): readonly string[] {
    const own = super._fields();
    return [...this._map.keys(), ...own.filter((field) => !this._map.has(field))];
  }

  /** @internal */
  override _keyOf(field: string): string {
    return this._map.has(field) ? field : super._keyOf(field);
  }

  /** @internal */
  override _fieldOf(key: string): string {
    return this._map.has(key) ? key : super._fieldOf(key);
  }

  /** @internal */
  override _get(field: string): unknown {
    return this._map.get(field) ?? (Object.hasOwn(this, field) ? super._get(field) : undefined);
  }

  /** @internal */
  override _set(field: string, value: unknown): void {
    if (this._map.has(field) || !Object.hasOwn(this, field)) this.set(field, value as V);
    else super._set(field, value);
  }

  /** @internal */
  override _swap(field: string, value: Tensor): void {
    if (this._map.has(field)) (this._map as Map<string, unknown>).set(field, value);
    else super._swap(field, value);
  }

  /** @internal */
  override _copyFields(from: AnyModule, copy: <X>(value: X) => X): void {
    const source = from as DictContainer<T, V>;
    this._map = new Map();
    for (const [key, value] of source._map) this._map.set(key, copy(value));
    for (const [field, value] of Object.entries(source)) if (field !== "_map") super._set(field, copy(value));
  }
}

/** What dictionaries are made from: an object, a map, another dictionary, or pairs. */
export type Members<V> = Readonly<Record<string, V>> | Iterable<readonly [string, V]>;

function pairs<V>(members: Members<V>): Iterable<readonly [string, V]> {
  return Symbol.iterator in members
    ? (members as Iterable<readonly [string, V]>)
    : Object.entries(members as Readonly<Record<string, V>>);
}

/**
 * Modules by key that are part of the model; used as a Map is. Source: `torch.nn.ModuleDict`.
 * @example
 * const heads = new ModuleDict({ a: new Linear(4, 2), b: new Linear(4, 3) });
 * [...heads.keys()]; // ["a", "b"]
 */
export class ModuleDict<M extends AnyModule = Module> extends DictContainer<M, M> {
  constructor(modules: Members<M> = {}) {
    super();
    this.update(modules);
  }

  protected admit(value: M): M {
    checkModule("ModuleDict", value);
    return value;
  }
}

/** Parameters by key; plain tensors become parameters. Used as a Map is. Source: `torch.nn.ParameterDict`. */
export class ParameterDict extends DictContainer<Parameter, Tensor> {
  constructor(parameters: Members<Tensor> = {}) {
    super();
    this.update(parameters);
  }

  protected admit(value: Tensor): Parameter {
    if (!(value instanceof Tensor))
      throw new ValueError(`[ParameterDict] expected tensors, got ${typeof value}`);
    return asParameter(value);
  }

  /** The parameter of that key; added first when there is none. */
  setdefault(key: string, value: Tensor): Parameter {
    if (!this.has(key)) this.set(key, value);
    return this.get(key) as Parameter;
  }

  /** Removes and returns the last pair. */
  popitem(): [string, Parameter] {
    const last = [...this._map].at(-1);
    if (last === undefined) throw new ValueError("[ParameterDict] popitem of an empty dictionary");
    this._map.delete(last[0]);
    return last;
  }

  /** A dictionary of the same parameters. */
  copy(): ParameterDict {
    return new ParameterDict(this);
  }

  /** Keys from the last to the first. */
  reversed(): IterableIterator<string> {
    return [...this._map.keys()].reverse().values();
  }

  /** A dictionary with the given keys and, for each, the same value. */
  fromkeys(keys: Iterable<string>, value: Tensor): ParameterDict {
    return new ParameterDict([...keys].map((key) => [key, value] as const));
  }

  /** A dictionary of the parameters of both; the other's win. */
  or(other: Members<Tensor>): ParameterDict {
    return this.copy().update(other);
  }

  override extraRepr(): string {
    return [...this._map].map(([key, p]) => describeParameter(key, p)).join("\n");
  }
}
