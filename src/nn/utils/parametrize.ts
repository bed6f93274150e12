/** Parametrizations: tensors of a module computed from others by modules (`torch.nn.utils.parametrize`). */

import { during, type ModeScope, noGrad } from "../../autograd/mode.js";
import { DTypeError, ShapeError, show, ValueError } from "../../tensor/errors.js";
import { KEPT } from "../../tensor/heap.js";
import { checkNames, checkOptions, type OptionNames } from "../../tensor/options.js";
import { contiguous, detached } from "../../tensor/raw.js";
import { sameShape } from "../../tensor/shape.js";
import { Tensor } from "../../tensor/tensor.js";
import type { AnyModule } from "../base.js";
import { ModuleDict } from "../containers.js";
import { ListContainer } from "../listContainer.js";
import { Parameter, setData } from "../parameter.js";
import { tensorOf } from "./recompute.js";

/**
 * A module that computes a tensor from an unconstrained one, or (the first of a list) from several. `rightInverse` finds
 * what it must be given for a wanted value: it gives the first original, and makes assigning possible.
 */
export type Parametrization = AnyModule & {
  /** What `forward` must be given for `value`: the original tensor, or the originals. */
  rightInverse?(value: Tensor): Tensor | readonly Tensor[];
};

/** Options of {@link registerParametrization} and {@link ParametrizationList}. */
export interface ParametrizationOptions {
  /** Let it change dtype and shape, and call nothing to check it (default false). */
  unsafe?: boolean;
}

const PARAMETRIZATION_OPTIONS: OptionNames<ParametrizationOptions> = { unsafe: 1 };

/** Throws unless a computed value is a tensor like the one that it takes the place of. */
function checkLike(what: string, value: unknown, dtype: Tensor["dtype"], shape: Tensor["shape"]): void {
  const op = "registerParametrization";
  if (!(value instanceof Tensor))
    throw new ValueError(`[${op}] ${what} must give a tensor: got ${value === null ? "null" : typeof value}`);
  if (value.dtype !== dtype)
    throw new DTypeError(
      `[${op}] ${what} may not change the dtype: got ${value.dtype}, expected ${dtype}; try { unsafe: true }`,
    );
  if (!sameShape(value.shape, shape))
    throw new ShapeError(
      `[${op}] ${what} may not change the shape: got ${show(value.shape)}, expected ${show(shape)}; try { unsafe: true }`,
    );
}

const ORIGINAL = /^original\d*$/;

/**
 * The parametrizations of one tensor in the order in which they apply, and the tensors that they start from:
 * `original`, or `original0`, `original1`, ... when the first one takes several. Made by
 * {@link registerParametrization}. Source: `torch.nn.utils.parametrize.ParametrizationList`.
 */
export class ParametrizationList extends ListContainer<Parametrization, Parametrization, [], Tensor> {
  /** The unconstrained tensor, where there is one. */
  declare original: Tensor;
  /** Whether dtype and shape may change. */
  unsafe: boolean;
  /** Whether there is one original. */
  isTensor: boolean;
  /** How many originals there are. */
  ntensors: number;

  constructor(modules: Iterable<Parametrization>, original: Tensor, options: ParametrizationOptions = {}) {
    super();
    this.extend(modules);
    this.unsafe = options.unsafe ?? false;
    if (this.length === 0)
      throw new ValueError("[ParametrizationList] expected one or more modules, got none");
    const { dtype, shape } = original;
    const before = detached(original);
    const found = noGrad(() => this.invert(original, false));
    this.isTensor = found instanceof Tensor;
    this.ntensors = found instanceof Tensor ? 1 : found.length;
    if (found instanceof Tensor) {
      if (found.dtype !== dtype)
        throw new DTypeError(
          `[ParametrizationList] rightInverse may not change the dtype: got ${found.dtype}, expected ${dtype}`,
        );
      if (found !== original) setData(original, contiguous(found));
      this.hold("original", original);
    } else
      found.forEach((t, i) => {
        const own = original instanceof Parameter ? new Parameter(t, original.requiresGrad) : t;
        this.hold(`original${i}`, own);
      });
    if (this.unsafe) return;
    try {
      checkLike("a parametrization", this._invoke([]), dtype, shape);
    } catch (error) {
      setData(original, before);
      throw error;
    }
  }

  protected admit(value: Parametrization): Parametrization {
    return value;
  }

  private hold(name: string, t: Tensor): void {
    if (t instanceof Parameter) this.registerParameter(name, t);
    else this.registerBuffer(name, t);
  }

  /** @internal Originals are fields, not members of the list. */
  override _set(field: string, value: unknown): void {
    if (ORIGINAL.test(field)) (this as Record<string, unknown>)[field] = value;
    else super._set(field, value);
  }

  /** The originals, in order. */
  originals(): Tensor[] {
    if (this.isTensor) return [this.original];
    return Array.from({ length: this.ntensors }, (_, i) => this._get(`original${i}`) as Tensor);
  }

  /** What the originals must be for a value, by the right inverses from the last to the first. */
  private invert(value: Tensor, strict: boolean): Tensor | readonly Tensor[] {
    let now: Tensor | readonly Tensor[] = value;
    for (const module of [...this._list].reverse()) {
      if (module.rightInverse === undefined) {
        if (!strict) continue;
        throw new ValueError(
          `[parametrize] the tensor cannot be assigned: parametrization ${module._getName()} has no rightInverse`,
        );
      }
      now = module.rightInverse(now as Tensor);
    }
    const list: unknown = now;
    if (list instanceof Tensor) return list;
    if (Array.isArray(list) && list.every((t) => t instanceof Tensor)) return list;
    throw new ValueError("[parametrize] rightInverse must return a tensor or an array of tensors");
  }

  /**
   * Sets the originals so that the parametrized tensor becomes `value`. Assigning the tensor does the same.
   * @throws ValueError when a parametrization has no `rightInverse`, or it gives another number of tensors.
   */
  rightInverse(value: Tensor): void {
    noGrad(() => {
      const found = this.invert(value, true);
      const list = found instanceof Tensor ? [found] : found;
      const originals = this.originals();
      if (found instanceof Tensor !== this.isTensor || list.length !== originals.length)
        throw new ValueError(
          `[parametrize] rightInverse gave ${list.length} tensors, expected ${originals.length}`,
        );
      list.forEach((t, i) => {
        const { dtype } = originals[i] as Tensor;
        if (t.dtype !== dtype)
          throw new DTypeError(`[parametrize] rightInverse gave dtype ${t.dtype}, expected ${dtype}`);
      });
      originals.forEach((t, i) => {
        setData(t, contiguous(list[i] as Tensor));
      });
    });
  }

  forward(): Tensor {
    const [first, ...others] = this._list as [Parametrization, ...Parametrization[]];
    let x = first._invoke(this.originals()) as Tensor;
    for (const next of others) x = next._invoke([x]) as Tensor;
    return x;
  }
}

let cacheDepth = 0;
let cache = new Map<ParametrizationList, Tensor>();

function startCache(): () => void {
  cacheDepth++;
  return () => {
    cacheDepth--;
    if (cacheDepth === 0) cache = new Map();
  };
}

/**
 * Runs `fn` with parametrized tensors computed once each, at their first use; without an argument, for a `using`
 * block. Source: `torch.nn.utils.parametrize.cached`.
 */
export function cached(): ModeScope;
export function cached<T>(fn: () => T): T;
export function cached<T>(fn?: () => T): T | ModeScope {
  return during(startCache, fn);
}

function currentOf(list: ParametrizationList): Tensor {
  if (cacheDepth === 0) return list._invoke([]) as Tensor;
  let value = cache.get(list);
  if (value === undefined) {
    value = list._invoke([]) as Tensor;
    value.storage.flags |= KEPT;
    cache.set(list, value);
  }
  return value;
}

/** A module with parametrizations. */
export type Parametrized<M extends AnyModule> = M & {
  /** The parametrizations by the key of their tensor. */
  parametrizations: ModuleDict<ParametrizationList>;
};

/** The classes made for parametrized modules. */
const injected = new WeakSet<object>();

function listsOf(module: AnyModule): ModuleDict<ParametrizationList> | null {
  const own = Object.hasOwn(module, "parametrizations") ? module._get("parametrizations") : null;
  return own instanceof ModuleDict ? (own as ModuleDict<ParametrizationList>) : null;
}

function listOf(module: AnyModule, field: string): ParametrizationList | null {
  return listsOf(module)?.get(module._keyOf(field)) ?? null;
}

/** Gives the module a class of its own, on which the parametrized tensors are accessors. */
function inject(module: AnyModule): object {
  const Base = module.constructor as abstract new () => AnyModule;
  if (injected.has(Base)) return Base.prototype;
  abstract class Made extends Base {}
  Object.defineProperty(Made, "name", { value: `Parametrized${Base.name}`, configurable: true });
  injected.add(Made);
  Object.setPrototypeOf(module, Made.prototype);
  return Made.prototype;
}

function defineAccessor(prototype: object, field: string): void {
  Object.defineProperty(prototype, field, {
    configurable: true,
    get(this: AnyModule) {
      const list = listOf(this, field);
      return list === null ? undefined : currentOf(list);
    },
    set(this: AnyModule, value: unknown) {
      const list = listOf(this, field);
      if (list !== null) {
        if (!(value instanceof Tensor))
          throw new ValueError(
            `[parametrize] "${field}" is parametrized: only a tensor can be assigned to it`,
          );
        list.rightInverse(value);
        return;
      }
      const descriptor = { value, writable: true, enumerable: true, configurable: true };
      Object.defineProperty(this, field, descriptor);
    },
  });
}

/** Whether the module, or one tensor of it, is parametrized. Source: `torch.nn.utils.parametrize.is_parametrized`. */
export function isParametrized<M extends AnyModule>(
  module: M,
  tensorName: string | null = null,
): module is Parametrized<M> {
  if (tensorName === null) return (listsOf(module)?.size ?? 0) > 0;
  return listOf(module, module._fieldOf(tensorName)) !== null;
}

/** Checks one more parametrization of a tensor that has some. */
function checkNext(module: AnyModule, field: string, parametrization: Parametrization): void {
  const y = module._get(field) as Tensor;
  const x = parametrization._invoke([y]) as Tensor;
  checkLike("a parametrization", x, y.dtype, y.shape);
  if (parametrization.rightInverse === undefined) return;
  checkLike("rightInverse", parametrization.rightInverse(x), y.dtype, y.shape);
}

/**
 * Computes a parameter or buffer of a module from another tensor, `parametrizations.weight.original`, by a module: each
 * use of `module.weight` calls it. Several apply one after the other. Assigning `module.weight` goes through their
 * `rightInverse`, which also gives the first original. Returns the module, whose class is now
 * `Parametrized` and its name. Source: `torch.nn.utils.parametrize.register_parametrization`.
 * @throws ValueError when there is no such tensor; DTypeError and ShapeError when dtype or shape would change and
 * `unsafe` is not set.
 * @example
 * class Symmetric extends nn.Module {
 *   forward(x: Tensor): Tensor {
 *     return x.triu().add(x.triu(1).t());
 *   }
 * }
 * const m = nn.utils.parametrize.registerParametrization(new nn.Linear(3, 3), "weight", new Symmetric());
 * m.weight.equal(m.weight.t()); // true
 */
export function registerParametrization<M extends AnyModule>(
  module: M,
  tensorName: string,
  parametrization: Parametrization,
  options: ParametrizationOptions = {},
): Parametrized<M> {
  checkOptions("registerParametrization", options, PARAMETRIZATION_OPTIONS);
  const unsafe = options.unsafe ?? false;
  const field = module._fieldOf(tensorName);
  parametrization.train(module.training);
  const list = listOf(module, field);
  if (list !== null) {
    if (!unsafe) checkNext(module, field, parametrization);
    list.append(parametrization);
    list.unsafe ||= unsafe;
    return module as Parametrized<M>;
  }
  const [, original] = tensorOf("registerParametrization", module, tensorName);
  if (!(original instanceof Parameter) && module._bufferKind(field, original) === null)
    throw new ValueError(
      `[registerParametrization] "${tensorName}" of ${module._getName()} is neither a parameter nor a buffer`,
    );
  const made = new ParametrizationList([parametrization], original, { unsafe });
  Reflect.deleteProperty(module, field);
  const prototype = inject(module);
  if (listsOf(module) === null) module._set("parametrizations", new ModuleDict<ParametrizationList>());
  defineAccessor(prototype, field);
  (listsOf(module) as ModuleDict<ParametrizationList>).set(module._keyOf(field), made);
  return module as Parametrized<M>;
}

/** Options of {@link removeParametrizations}. */
export interface RemoveOptions {
  /** Leave the computed tensor (default), or with false the original one. */
  leaveParametrized?: boolean;
}

const REMOVE_OPTIONS: OptionNames<RemoveOptions> = { leaveParametrized: 1 };

/**
 * Removes the parametrizations of a tensor, which becomes a parameter or buffer again. Returns the module.
 * Source: `torch.nn.utils.parametrize.remove_parametrizations`.
 * @throws ValueError when it has none, or when the original is wanted and there are several.
 */
export function removeParametrizations<M extends AnyModule>(
  module: M,
  tensorName: string,
  options: RemoveOptions | boolean = {},
): M {
  checkNames("removeParametrizations", options, REMOVE_OPTIONS);
  const leave = typeof options === "boolean" ? options : (options.leaveParametrized ?? true);
  const field = module._fieldOf(tensorName);
  const list = listOf(module, field);
  if (list === null)
    throw new ValueError(
      `[removeParametrizations] ${module._getName()} has no parametrization on "${tensorName}"`,
    );
  let tensor: Tensor;
  if (list.isTensor) {
    tensor = list.original;
    if (leave) {
      const value = noGrad(() => list._invoke([]) as Tensor);
      setData(tensor, value);
    }
  } else {
    if (!leave)
      throw new ValueError(
        `[removeParametrizations] "${tensorName}" comes from ${list.ntensors} tensors, none of which can take its place; try { leaveParametrized: true }`,
      );
    const value = list._invoke([]) as Tensor;
    tensor = value.requiresGrad ? new Parameter(value) : value;
  }
  const lists = listsOf(module) as ModuleDict<ParametrizationList>;
  lists.delete(module._keyOf(field));
  if (lists.size === 0) {
    Reflect.deleteProperty(module, "parametrizations");
    Object.setPrototypeOf(module, typeBeforeParametrizations(module).prototype);
  }
  if (tensor instanceof Parameter) module.registerParameter(field, tensor);
  else module.registerBuffer(field, tensor);
  return module;
}

/** The class of the module before it was parametrized. Source: `torch.nn.utils.parametrize.type_before_parametrizations`. */
export function typeBeforeParametrizations<M extends AnyModule>(
  module: M,
): {
  /** Makes a module of that class. */
  new (...args: never[]): M;
  /** What its modules inherit from. */
  readonly prototype: M;
} {
  const type = module.constructor;
  return (injected.has(type) ? Object.getPrototypeOf(type) : type) as ReturnType<
    typeof typeBeforeParametrizations<M>
  >;
}

/**
 * Gives `toModule` the parametrizations of `fromModule`, of one tensor or of all, and the tensors they start from: both
 * share them afterwards. Tensors that it does not have are made. Returns `toModule`.
 * Source: `torch.nn.utils.parametrize.transfer_parametrizations_and_params`.
 */
export function transferParametrizationsAndParams<M extends AnyModule>(
  fromModule: AnyModule,
  toModule: M,
  tensorName: string | null = null,
): M {
  const lists = listsOf(fromModule);
  if (lists === null) return toModule;
  const names =
    tensorName === null ? [...lists.keys()] : [fromModule._keyOf(fromModule._fieldOf(tensorName))];
  for (const name of names) {
    const from = lists.get(name);
    if (from === undefined)
      throw new ValueError(
        `[transferParametrizationsAndParams] ${fromModule._getName()} has no parametrization on "${name}"`,
      );
    const field = toModule._fieldOf(name);
    const there = toModule._get(field);
    if (there === undefined || there === null)
      toModule.registerParameter(field, new Parameter(noGrad(() => from._invoke([]) as Tensor)));
    for (const parametrization of from) registerParametrization(toModule, name, parametrization);
    const to = listOf(toModule, field) as ParametrizationList;
    const targets = from.isTensor ? ["original"] : from.originals().map((_, i) => `original${i}`);
    for (const target of targets) to._set(target, from._get(target));
  }
  return toModule;
}
