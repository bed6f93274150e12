/** What the dictionary containers share: members by key. */
import { ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import type { AnyModule } from "./base.js";
import { Module } from "./module.js";
import type { Parameter } from "./parameter.js";

/** Refuses calls of containers that have no forward. @internal */
export function notCallable(name: string): never {
  throw new ValueError(
    `[${name}] it has no forward: it only holds members; try calling those, or Sequential`,
  );
}

/** What the dictionaries share: members by key, in order of insertion, used as a Map is. */
export abstract class DictContainer<T extends AnyModule | Parameter, V> extends Module<never[], never> {
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

  /** The pairs of key and entry, in the order of insertion. */
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
