/** Tensors of a module that are recomputed from others before each forward: what weightNorm, spectralNorm and prune share. */
import { ValueError } from "../../tensor/errors.js";
import { KEPT } from "../../tensor/heap.js";
import { Tensor } from "../../tensor/tensor.js";
import type { AnyModule } from "../base.js";
import { isLazy } from "../uninitialized.js";

interface Owned {
  readonly owner: object;
  readonly field: string;
}

/** Who recomputes what, by the hook that does it; copies of a module share their hooks. */
const hooks = new WeakMap<object, Owned>();

/** The field of a tensor that `op` is to act on, and the tensor. */
export function tensorOf(op: string, module: AnyModule, name: string): [field: string, value: Tensor] {
  const field = module._fieldOf(name);
  const value = module._get(field);
  if (!(value instanceof Tensor)) {
    throw new ValueError(
      `[${op}] ${module._getName()} has no parameter or buffer "${name}"; try the name of one of its tensors`,
    );
  }
  if (isLazy(value)) {
    throw new ValueError(
      `[${op}] "${name}" of ${module._getName()} has no shape yet; try a forward pass first`,
    );
  }
  return [field, value];
}

/** The field beside `field` whose key has `_suffix` at its end: `weight` and `orig` give `weightOrig`. */
export function partOf(module: AnyModule, field: string, suffix: string): string {
  return module._fieldOf(`${module._keyOf(field)}_${suffix}`);
}

/** Puts a computed tensor, which is no state, into a field. */
export function put(module: AnyModule, field: string, value: Tensor): void {
  value.storage.flags |= KEPT;
  module._set(field, value);
}

/** Removes fields. */
export function forget(module: AnyModule, ...fields: string[]): void {
  for (const field of fields) Reflect.deleteProperty(module, field);
}

/** Computes the field now and before every forward. */
export function recompute(
  module: AnyModule,
  field: string,
  owner: object,
  compute: (module: AnyModule) => Tensor,
): void {
  const hook = (m: AnyModule): void => put(m, field, compute(m));
  hooks.set(hook, { owner, field });
  module.registerForwardPreHook(hook as never);
}

/** The owner of the given class that recomputes a field, or any field, of the module; null where there is none. */
export function ownerOf<T>(
  module: AnyModule,
  type: abstract new (...args: never[]) => T,
  field?: string,
): T | null {
  for (const hook of module._preHooks) {
    const owned = hooks.get(hook as object);
    if (owned?.owner instanceof type && (field === undefined || owned.field === field))
      return owned.owner as T;
  }
  return null;
}

/** Stops the recomputing that belongs to an owner. */
export function stopRecompute(module: AnyModule, owner: object): void {
  for (const hook of module._preHooks) {
    if (hooks.get(hook as object)?.owner === owner) module._removePreHook(hook);
  }
}
