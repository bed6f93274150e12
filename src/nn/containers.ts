/** Containers: Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict. */

import { ValueError } from "../tensor/errors.js";
import { drop } from "../tensor/heap.js";
import { Tensor } from "../tensor/tensor.js";
import { type AnyModule, ModuleBase } from "./base.js";
import { DictContainer, type Members, notCallable } from "./dictContainer.js";
import { ListContainer } from "./listContainer.js";
import type { Module } from "./module.js";
import { Parameter } from "./parameter.js";
import { foldRepeats } from "./print.js";

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

/** A list from its last to its first member. */
type Reversed<L extends readonly unknown[], R extends readonly unknown[] = []> = L extends readonly [
  infer First,
  ...infer Rest,
]
  ? Reversed<Rest, [First, ...R]>
  : R;

/** The members of a list of known length by their positions. */
type FromFront<L extends readonly unknown[]> = {
  [K in keyof L as K extends `${infer N extends number}` ? N : never]: L[K];
};

/** The same with positions counted from the end, for a reversed list that starts with a place for 0. */
type FromBack<L extends readonly unknown[]> = {
  [K in keyof L as K extends "0"
    ? never
    : `-${K & string}` extends `${infer N extends number}`
      ? N
      : never]: L[K];
};

/** The members of a list of known length by their positions, negative ones from the end. */
export type Positions<L extends readonly unknown[]> = FromFront<L> & FromBack<[unknown, ...Reversed<L>]>;

/**
 * Calls modules one after the other, each with the output of the one before. Takes the modules, or one object whose
 * keys are their names. Source: `torch.nn.Sequential`.
 * @example
 * const model = new Sequential(new Linear(2, 8), new ReLU(), new Linear(8, 1));
 * model(ones([5, 2])).shape; // [5, 1]
 * model.get(0).weight.shape; // [8, 2]
 */
export class Sequential<
  Args extends unknown[] = [Tensor],
  Out = Tensor,
  Layers extends readonly AnyModule[] = readonly AnyModule[],
> extends ListContainer<Module, AnyModule, Args, Out> {
  constructor(...layers: Layers);
  constructor(layers: Readonly<Record<string, AnyModule>> | ReadonlyMap<string, AnyModule>);
  constructor(...layers: readonly unknown[]) {
    super();
    const first = layers[0];
    if (layers.length === 1 && typeof first === "object" && first !== null) {
      const entries = first instanceof Map ? first : Object.entries(first as Record<string, AnyModule>);
      for (const [name, layer] of entries) this.put(name, layer as AnyModule);
    } else for (const layer of layers) this.append(layer as AnyModule);
  }

  protected admit(value: AnyModule): Module {
    checkModule("Sequential", value);
    return value as Module;
  }

  /** The member at an index, of the class that the constructor got; negative indices count from the end. */
  override get<I extends number & keyof Positions<Layers>>(index: I): Positions<Layers>[I];
  /** The member at an index that is not known beforehand. Its class may be given: `get<Linear>(i)`. */
  override get<M extends AnyModule = Module>(index: number): M;
  override get(index: number): unknown {
    return super.get(index);
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

/** A record of known keys; of one with any keys, nothing. */
type Literal<T> = string extends keyof T ? unknown : T;

/**
 * Modules by key that are part of the model; used as a Map is. Source: `torch.nn.ModuleDict`.
 * @example
 * const heads = new ModuleDict({ a: new Linear(4, 2), b: new Linear(4, 3) });
 * [...heads.keys()]; // ["a", "b"]
 * heads.get("b").outFeatures; // 3
 */
export class ModuleDict<
  M extends AnyModule = Module,
  Known extends Readonly<Record<string, M>> = Readonly<Record<string, M>>,
> extends DictContainer<M, M> {
  constructor(modules: Iterable<readonly [string, M]>);
  constructor(modules?: Known & Readonly<Record<string, M>>);
  constructor(modules: Members<M> = {}) {
    super();
    this.update(modules);
  }

  /** The member of a key that the constructor got. */
  override get<K extends keyof Literal<Known>>(key: K): Literal<Known>[K];
  /** The member of that key, or undefined. */
  override get(key: string): M | undefined;
  override get(key: string): M | undefined {
    return super.get(key);
  }

  protected admit(value: M): M {
    checkModule("ModuleDict", value);
    return value;
  }
}

/** Parameters by key; plain tensors become parameters. Used as a Map is. Source: `torch.nn.ParameterDict`. */
export class ParameterDict<Known extends string = never> extends DictContainer<Parameter, Tensor> {
  constructor(parameters: Iterable<readonly [string, Tensor]>);
  constructor(parameters?: Readonly<Record<Known, Tensor>>);
  constructor(parameters: Members<Tensor> = {}) {
    super();
    this.update(parameters);
  }

  /** The parameter of a key that the constructor got. */
  override get(key: string extends Known ? never : Known): Parameter;
  /** The parameter of that key, or undefined. */
  override get(key: string): Parameter | undefined;
  override get(key: string): Parameter | undefined {
    return super.get(key);
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
