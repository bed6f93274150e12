/** Deep copies of modules, as `copy.deepcopy` makes them. */

import { AutogradError, ValueError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { copyOf } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import { type AnyModule, ModuleBase } from "./base.js";
import { Module } from "./module.js";
import { Buffer, Parameter } from "./parameter.js";
import { isLazy, UninitializedBuffer, UninitializedParameter } from "./uninitialized.js";

function copyTensor(t: Tensor): Tensor {
  if (isLazy(t)) {
    const options = { dtype: t.dtype, requiresGrad: t.leafRequiresGrad };
    return t instanceof Parameter ? new UninitializedParameter(options) : new UninitializedBuffer(options);
  }
  if (t.node !== null) {
    throw new AutogradError(
      "[deepCopy] a tensor that an op made is part of a graph and cannot be copied; try detach() first",
    );
  }
  nextOp();
  const data = copyOf(t);
  const made =
    t instanceof Parameter
      ? new Parameter(data, t.leafRequiresGrad)
      : t instanceof Buffer
        ? new Buffer(data, { persistent: t.persistent })
        : data;
  made.leafRequiresGrad = t.leafRequiresGrad;
  made.storage.flags |= t.storage.flags & 1;
  if (t.grad !== null) made.grad = copyTensor(t.grad);
  return made;
}

function isPlain(value: object): boolean {
  const proto: unknown = Object.getPrototypeOf(value);
  return proto === Object.prototype || proto === null;
}

/** One deep copy: what occurs twice is copied once. */
class Copier {
  private readonly done = new Map<unknown, unknown>();

  copy<T>(value: T): T {
    const known = this.done.get(value);
    return (known === undefined ? this.make(value) : known) as T;
  }

  private make(value: unknown): unknown {
    if (value instanceof Tensor) return this.keep(value, copyTensor(value));
    if (value instanceof ModuleBase) return this.module(value);
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) {
      const out: unknown[] = this.keep(value, []);
      for (const v of value) out.push(this.copy(v));
      return out;
    }
    if (value instanceof Map) {
      const out = this.keep(value, new Map<unknown, unknown>());
      for (const [k, v] of value) out.set(this.copy(k), this.copy(v));
      return out;
    }
    if (value instanceof Set) {
      const out = this.keep(value, new Set<unknown>());
      for (const v of value) out.add(this.copy(v));
      return out;
    }
    if (!isPlain(value)) return value;
    const out = this.keep(value, {} as Record<string, unknown>);
    for (const [k, v] of Object.entries(value)) out[k] = this.copy(v);
    return out;
  }

  private keep<T>(from: unknown, made: T): T {
    this.done.set(from, made);
    return made;
  }

  private module(from: AnyModule): AnyModule {
    // Only Module's own constructor runs: those of subclasses would make new parameters.
    const made = Reflect.construct(Module, [], from.constructor) as AnyModule;
    this.keep(from, made);
    made._copyInternals(from);
    made._copyFields(from, (value) => this.copy(value));
    return made;
  }
}

/**
 * A copy of a module with its own parameters, buffers and submodules; what is shared inside stays shared. Functions
 * and objects of other classes in its fields are not copied, and hooks are taken over. State dicts, tensors that no op
 * made, and arrays, maps, sets and plain objects of them are copied alike. Source: `copy.deepcopy`.
 * @example
 * const model = new nn.Linear(2, 1);
 * const best = nn.deepCopy(model.stateDict());
 * noGrad(() => model.weight.add_(1));
 * model.loadStateDict(best);
 * @throws ValueError for an object of another class, such as an optimizer.
 */
export function deepCopy<T>(value: T): T {
  const copied = new Copier().copy(value);
  if (copied === value && typeof value === "object" && value !== null) {
    const name = value.constructor.name;
    throw new ValueError(
      `[deepCopy] expected a module, a tensor, or a list or plain object of them, got ${name}; ` +
        `try a new ${name} and, where it has them, its stateDict() and loadStateDict()`,
    );
  }
  return copied;
}
