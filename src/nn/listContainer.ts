/** What the list containers share: members by number. */
import { IndexError, ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import type { AnyModule } from "./base.js";
import { Module } from "./module.js";
import type { Parameter } from "./parameter.js";

/** What the list containers share: members by number, each found as `list[i]` and by name. */
export abstract class ListContainer<
  T extends AnyModule | Parameter,
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

  /** The entries, one after the other. */
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
