/** Weight normalisation: a weight as a length and a direction (Salimans, Kingma 2016). */

import { noGrad } from "../../autograd/mode.js";
import { mul } from "../../ops/arithmetic.js";
import { div } from "../../ops/division.js";
import { vectorNorm } from "../../ops/statistics.js";
import { ValueError } from "../../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../../tensor/options.js";
import { wrapDim } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { AnyModule } from "../base.js";
import { Parameter } from "../parameter.js";
import { forget, ownerOf, partOf, put, recompute, stopRecompute, tensorOf } from "./recompute.js";

/** Options of weight normalisation. */
export interface WeightNormOptions {
  /** Name of the tensor (default "weight"). */
  name?: string;
  /** The dimension whose slices each have a length of their own (default 0); null or -1: one length for all. */
  dim?: number | null;
}

/** @internal */
export const WEIGHT_NORM_OPTIONS: OptionNames<WeightNormOptions> = { name: 1, dim: 1 };

/** The norm over all dimensions but one, which stays; -1 is the norm of everything. Source: `torch.norm_except_dim`. @internal */
export function normExceptDim(v: Tensor, dim: number): Tensor {
  if (dim === -1) return vectorNorm(v, 2);
  const kept = wrapDim("weightNorm", dim, v.shape.length);
  const over = v.shape.map((_, d) => d).filter((d) => d !== kept);
  return over.length === 0 ? v.abs() : vectorNorm(v, 2, { dim: over, keepdim: true });
}

/** v g / |v|. Source: `torch._weight_norm`. @internal */
export function normalized(v: Tensor, g: Tensor, dim: number): Tensor {
  return mul(v, div(g, normExceptDim(v, dim)));
}

/** The name and the options of a call that may leave out the name. @internal */
export function named<O extends { name?: string }>(
  fn: string,
  name: string | O,
  options: O,
  names: OptionNames<O>,
): [string, O] {
  checkNames(fn, name, names);
  checkOptions(fn, options, names);
  return typeof name === "string" ? [name, options] : [name.name ?? "weight", name];
}

/** The hook that makes the weight. */
class WeightNorm {
  readonly dim: number;
  readonly g: string;
  readonly v: string;

  constructor(module: AnyModule, field: string, dim: number) {
    this.dim = dim;
    this.g = partOf(module, field, "g");
    this.v = partOf(module, field, "v");
  }

  compute(module: AnyModule): Tensor {
    return normalized(module._get(this.v) as Tensor, module._get(this.g) as Tensor, this.dim);
  }
}

/**
 * Replaces a weight by two parameters, its length `weight_g` and its direction `weight_v`; before each forward
 * weight = g v / |v|, with one length for each slice along `dim`. Returns the module.
 * Source: `torch.nn.utils.weight_norm`.
 * @throws ValueError when there is no such weight, or it is normalised already.
 * @example
 * const m = nn.utils.weightNorm(new nn.Linear(20, 40));
 * Object.keys(m.stateDict()); // ["bias", "weight_g", "weight_v"]
 */
export function weightNorm<M extends AnyModule>(
  module: M,
  name: string | WeightNormOptions = "weight",
  options: WeightNormOptions | number | null = {},
): M {
  const given: WeightNormOptions =
    typeof options === "number" || options === null ? { dim: options } : options;
  const [which, o] = named("weightNorm", name, given, WEIGHT_NORM_OPTIONS);
  const [field, weight] = tensorOf("weightNorm", module, which);
  if (ownerOf(module, WeightNorm, field) !== null)
    throw new ValueError(
      `[weightNorm] "${which}" of ${module._getName()} is normalised already; try removeWeightNorm first`,
    );
  const dim = o.dim === undefined ? 0 : (o.dim ?? -1);
  const norm = new WeightNorm(module, field, dim);
  const g = noGrad(() => normExceptDim(weight, dim));
  forget(module, field);
  module.registerParameter(norm.g, new Parameter(g));
  module.registerParameter(norm.v, new Parameter(weight.detach()));
  put(module, field, norm.compute(module));
  recompute(module, field, norm, (m) => norm.compute(m));
  return module;
}

/**
 * Makes the present weight a parameter again and removes the weight normalisation. Returns the module.
 * Source: `torch.nn.utils.remove_weight_norm`.
 * @throws ValueError when the weight is not normalised.
 */
export function removeWeightNorm<M extends AnyModule>(module: M, name = "weight"): M {
  const field = module._fieldOf(name);
  const norm = ownerOf(module, WeightNorm, field);
  if (norm === null)
    throw new ValueError(`[removeWeightNorm] "${name}" of ${module._getName()} has no weight normalisation`);
  const weight = noGrad(() => norm.compute(module));
  forget(module, field, norm.g, norm.v);
  stopRecompute(module, norm);
  module.registerParameter(field, new Parameter(weight));
  return module;
}
