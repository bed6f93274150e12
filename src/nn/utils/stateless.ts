/** Calls of a module with other parameters and buffers in the places of its own (`torch.func.functional_call`). */

import { ValueError } from "../../tensor/errors.js";
import { checkOptions, type OptionNames } from "../../tensor/options.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { AnyModule } from "../base.js";
import type { Module } from "../module.js";

/** Options of {@link functionalCall}. */
export interface FunctionalCallOptions {
  /** The trailing options object of the call. */
  kwargs?: Record<string, unknown>;
  /** Replace a tensor that the module has under several names under all of them (default true). */
  tieWeights?: boolean;
  /** Throw unless exactly the module's parameters and buffers are given (default false). */
  strict?: boolean;
}

const FUNCTIONAL_CALL_OPTIONS: OptionNames<FunctionalCallOptions> = { kwargs: 1, tieWeights: 1, strict: 1 };

interface Place {
  readonly owner: AnyModule;
  readonly field: string;
  readonly tensor: Tensor;
}

/** Where each parameter and buffer is, by its key. */
function placesOf(module: AnyModule): Map<string, Place> {
  const places = new Map<string, Place>();
  const walk = { removeDuplicate: false };
  for (const [name, tensor] of [...module.namedParameters(walk), ...module.namedBuffers(walk)]) {
    const cut = name.lastIndexOf(".");
    const owner: AnyModule = module.getSubmodule(name.slice(0, Math.max(0, cut)));
    places.set(name, { owner, field: owner._fieldOf(name.slice(cut + 1)), tensor });
  }
  return places;
}

function check(
  module: AnyModule,
  places: Map<string, Place>,
  given: Map<string, Tensor>,
  strict: boolean,
): void {
  const unknown = [...given.keys()].filter((name) => !places.has(name));
  const missing = strict ? [...places.keys()].filter((name) => !given.has(name)) : [];
  if (unknown.length + missing.length === 0) return;
  const part = (what: string, names: string[]) =>
    names.length === 0 ? "" : `; ${what}: ${names.join(", ")}`;
  throw new ValueError(
    `[functionalCall] the names do not fit ${module._getName()}, expected those of namedParameters() and ` +
      `namedBuffers()${part("unexpected", unknown)}${part("missing", missing)}`,
  );
}

/**
 * Calls a module with the given tensors in the places of its parameters and buffers, by their state-dict keys; the
 * module is as before afterwards. Gradients flow to the given tensors. Source: `torch.func.functional_call`.
 * @param tensors one object of tensors by key, or several.
 * @param args the arguments of the call, or the only one.
 * @throws ValueError for names that the module does not have, and with `strict` for missing ones.
 */
export function functionalCall<Args extends unknown[], Out>(
  module: Module<Args, Out>,
  tensors: Readonly<Record<string, Tensor>> | readonly Readonly<Record<string, Tensor>>[],
  args: Args | Args[0],
  options: FunctionalCallOptions = {},
): Out {
  checkOptions("functionalCall", options, FUNCTIONAL_CALL_OPTIONS);
  const { kwargs, tieWeights = true, strict = false } = options;
  const given = new Map(
    (Array.isArray(tensors) ? tensors : [tensors]).flatMap((t) => Object.entries<Tensor>(t)),
  );
  const places = placesOf(module);
  check(module, places, given, strict && !tieWeights);
  const swaps = new Map<Place, Tensor>();
  for (const [name, tensor] of given) {
    const place = places.get(name) as Place;
    for (const other of tieWeights ? places.values() : [place]) {
      if (other === place || (other.tensor === place.tensor && !swaps.has(other))) swaps.set(other, tensor);
    }
  }
  if (strict && swaps.size !== places.size) check(module, places, given, true);
  try {
    for (const [{ owner, field }, tensor] of swaps) owner._swap(field, tensor);
    const list = (Array.isArray(args) ? args : [args]) as unknown[];
    return module._invoke(kwargs === undefined ? list : [...list, kwargs]) as Out;
  } finally {
    for (const { owner, field, tensor } of swaps.keys()) owner._swap(field, tensor);
  }
}
