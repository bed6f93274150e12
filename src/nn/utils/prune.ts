/** Pruning: setting elements or slices of parameters to zero for good (`torch.nn.utils.prune`). */

import { noGrad } from "../../autograd/mode.js";
import { mul } from "../../ops/arithmetic.js";
import { cast, clone } from "../../ops/cast.js";
import { gt } from "../../ops/compare.js";
import { indexFill } from "../../ops/gather.js";
import { normOf } from "../../ops/linalg/norms.js";
import { abs } from "../../ops/sign.js";
import { kthvalue, topk } from "../../ops/sort.js";
import { expand, narrow, reshape } from "../../ops/view.js";
import { onesLike, zeros } from "../../tensor/create.js";
import { IndexError, ShapeError, show, ValueError } from "../../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../../tensor/options.js";
import { rand } from "../../tensor/random.js";
import { sameShape } from "../../tensor/shape.js";
import { Tensor } from "../../tensor/tensor.js";
import type { AnyModule } from "../base.js";
import {
  BasePruningMethod,
  IMPORTANCE_OPTIONS,
  type ImportanceOptions,
  PruningContainer,
} from "./pruningMethod.js";
import { ownerOf, partOf, tensorOf } from "./recompute.js";
import { parametersToVector } from "./vector.js";

export {
  BasePruningMethod,
  type ImportanceOptions,
  PruningContainer,
  type PruningType,
} from "./pruningMethod.js";

/** Throws unless `amount` is a share or a count. */
function checkAmount(method: string, amount: number): number {
  if (typeof amount === "number" && amount >= 0 && (Number.isInteger(amount) || amount < 1)) return amount;
  throw new ValueError(
    `[${method}] amount must be a whole number >= 0 (a count) or between 0 and 1 (a share), got ${String(amount)}`,
  );
}

/** Half to even, as Python rounds. */
function roundEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
}

/** How many of `size` to prune. */
function countOf(method: string, amount: number, size: number): number {
  const n = Number.isInteger(amount) ? amount : roundEven(amount * size);
  if (n > size) throw new ValueError(`[${method}] amount = ${n} is more than the ${size} there are to prune`);
  return n;
}

/** The mask with zeros at places of its flat form. */
function without(mask: Tensor, places: Tensor): Tensor {
  return reshape(indexFill(reshape(mask, [-1]), 0, places, 0), mask.shape);
}

/** Checks that slices along `dim` exist; returns the dimension. */
function sliceDim(method: string, t: Tensor, dim: number): number {
  const rank = t.shape.length;
  if (rank <= 1)
    throw new ShapeError(`[${method}] slices need 2 dimensions or more, got shape ${show(t.shape)}`);
  const d = dim < 0 ? dim + rank : dim;
  if (d >= 0 && d < rank) return d;
  throw new IndexError(`[${method}] dim = ${dim} is out of range for shape ${show(t.shape)}`);
}

/** One number for each slice along `dim`, for all elements of a shape. */
function along(values: Tensor, shape: readonly number[], dim: number): Tensor {
  return expand(
    reshape(
      values,
      shape.map((n, d) => (d === dim ? n : 1)),
    ),
    shape,
  );
}

/** Prunes nothing, but makes the mask. Source: `torch.nn.utils.prune.Identity`. */
export class Identity extends BasePruningMethod {
  readonly pruningType = "unstructured";

  computeMask(_t: Tensor, defaultMask: Tensor): Tensor {
    return defaultMask;
  }
}

/**
 * Prunes elements drawn at random. `amount` is a count when it is a whole number, else a share.
 * Source: `torch.nn.utils.prune.RandomUnstructured`.
 * @throws ValueError unless amount is a count or a share, or when there are fewer elements.
 */
export class RandomUnstructured extends BasePruningMethod {
  readonly pruningType = "unstructured";
  /** How many elements to prune when a whole number, else which share of them. */
  readonly amount: number;

  constructor(amount: number) {
    super();
    this.amount = checkAmount("RandomUnstructured", amount);
  }

  computeMask(t: Tensor, defaultMask: Tensor): Tensor {
    const n = countOf("RandomUnstructured", this.amount, t.numel);
    if (n === 0) return clone(defaultMask);
    const draws = rand(t.shape, { dtype: t.dtype });
    return without(defaultMask, topk(reshape(draws, [-1]), n).indices);
  }
}

/**
 * Prunes the elements of the smallest magnitude. `amount` is a count when it is a whole number, else a share.
 * Source: `torch.nn.utils.prune.L1Unstructured`.
 * @throws ValueError unless amount is a count or a share, or when there are fewer elements.
 */
export class L1Unstructured extends BasePruningMethod {
  readonly pruningType = "unstructured";
  /** How many elements to prune when a whole number, else which share of them. */
  readonly amount: number;

  constructor(amount: number) {
    super();
    this.amount = checkAmount("L1Unstructured", amount);
  }

  computeMask(t: Tensor, defaultMask: Tensor): Tensor {
    const n = countOf("L1Unstructured", this.amount, t.numel);
    if (n === 0) return clone(defaultMask);
    return without(defaultMask, topk(reshape(abs(t), [-1]), n, { largest: false }).indices);
  }
}

const RANDOM_STRUCTURED_OPTIONS: OptionNames<{ dim?: number }> = { dim: 1 };

/**
 * Prunes slices along `dim` (default -1) drawn at random. Source: `torch.nn.utils.prune.RandomStructured`.
 * @throws ValueError unless amount is a count or a share, ShapeError for fewer than 2 dimensions.
 */
export class RandomStructured extends BasePruningMethod {
  readonly pruningType = "structured";
  /** How many slices to prune when a whole number, else which share of them. */
  readonly amount: number;
  override readonly dim: number;

  constructor(amount: number, dim: number | { dim?: number } = -1) {
    super();
    checkNames(new.target.name, dim, RANDOM_STRUCTURED_OPTIONS);
    this.amount = checkAmount("RandomStructured", amount);
    this.dim = typeof dim === "number" ? dim : (dim.dim ?? -1);
  }

  computeMask(t: Tensor, defaultMask: Tensor): Tensor {
    const dim = sliceDim("RandomStructured", t, this.dim);
    const size = t.shape[dim] as number;
    const n = countOf("RandomStructured", this.amount, size);
    if (n === 0) return defaultMask;
    const draws = rand([size]);
    const kept = gt(draws, kthvalue(draws, n).values);
    return mul(cast(along(kept, t.shape, dim), t.code), cast(defaultMask, t.code));
  }
}

/**
 * Prunes the slices along `dim` (default -1) of the smallest n-norm; n is a number, Infinity, -Infinity, "fro" or "nuc".
 * Source: `torch.nn.utils.prune.LnStructured`.
 * @throws ValueError unless amount is a count or a share, ShapeError for fewer than 2 dimensions.
 */
export class LnStructured extends BasePruningMethod {
  readonly pruningType = "structured";
  /** How many slices to prune when a whole number, else which share of them. */
  readonly amount: number;
  /** Order of the norm by which slices are compared. */
  readonly n: number | "fro" | "nuc";
  override readonly dim: number;

  constructor(amount: number, n: number | "fro" | "nuc", dim: number | { dim?: number } = -1) {
    super();
    checkNames(new.target.name, dim, RANDOM_STRUCTURED_OPTIONS);
    this.amount = checkAmount("LnStructured", amount);
    this.n = n;
    this.dim = typeof dim === "number" ? dim : (dim.dim ?? -1);
  }

  computeMask(t: Tensor, defaultMask: Tensor): Tensor {
    const dim = sliceDim("LnStructured", t, this.dim);
    const size = t.shape[dim] as number;
    const n = countOf("LnStructured", this.amount, size);
    if (n === 0) return defaultMask;
    const others = t.shape.map((_, d) => d).filter((d) => d !== dim);
    const kept = topk(normOf(t, this.n, others), size - n).indices;
    const slices = indexFill(zeros([size], { dtype: t.dtype }), 0, kept, 1);
    return mul(along(slices, t.shape, dim), cast(defaultMask, t.code));
  }
}

/** Prunes by a given mask of zeros and ones. Source: `torch.nn.utils.prune.CustomFromMask`. */
export class CustomFromMask extends BasePruningMethod {
  readonly pruningType = "global";
  /** 0 where the tensor is pruned, 1 elsewhere. */
  readonly mask: Tensor;

  constructor(mask: Tensor) {
    super();
    this.mask = mask;
  }

  computeMask(_t: Tensor, defaultMask: Tensor): Tensor {
    if (!sameShape(defaultMask.shape, this.mask.shape))
      throw new ShapeError(
        `[CustomFromMask] expected a mask of shape ${show(defaultMask.shape)}, got ${show(this.mask.shape)}`,
      );
    return mul(defaultMask, cast(this.mask, defaultMask.code));
  }
}

/**
 * Gives a parameter a mask of ones: prunes nothing. Returns the module. Source: `torch.nn.utils.prune.identity`.
 * @example
 * const m = nn.utils.prune.identity(new nn.Linear(2, 3), "bias");
 * m.getBuffer("bias_mask").toArray(); // [1, 1, 1]
 */
export function identity<M extends AnyModule>(module: M, name: string): M {
  new Identity().applyTo(module, name);
  return module;
}

/**
 * Prunes elements of a parameter at random, among those not pruned yet: a count or a share of them. Returns the module.
 * Source: `torch.nn.utils.prune.random_unstructured`.
 */
export function randomUnstructured<M extends AnyModule>(module: M, name: string, amount: number): M {
  new RandomUnstructured(amount).applyTo(module, name);
  return module;
}

/**
 * Prunes the elements of a parameter with the smallest magnitude, or score, among those not pruned yet: a count or a
 * share of them. Returns the module. Source: `torch.nn.utils.prune.l1_unstructured`.
 * @example
 * const m = nn.utils.prune.l1Unstructured(new nn.Linear(2, 3), "weight", 2);
 * Object.keys(m.stateDict()); // ["bias", "weight_orig", "weight_mask"]
 */
export function l1Unstructured<M extends AnyModule>(
  module: M,
  name: string,
  amount: number,
  options: ImportanceOptions = {},
): M {
  checkOptions("l1Unstructured", options, IMPORTANCE_OPTIONS);
  new L1Unstructured(amount).applyTo(module, name, options);
  return module;
}

/**
 * Prunes slices of a parameter along `dim` at random, among those not pruned yet. Returns the module.
 * Source: `torch.nn.utils.prune.random_structured`.
 */
export function randomStructured<M extends AnyModule>(
  module: M,
  name: string,
  amount: number,
  dim: number,
): M {
  new RandomStructured(amount, dim).applyTo(module, name);
  return module;
}

/**
 * Prunes the slices of a parameter along `dim` with the smallest n-norm of values, or scores, among those not pruned
 * yet. Returns the module. Source: `torch.nn.utils.prune.ln_structured`.
 */
export function lnStructured<M extends AnyModule>(
  module: M,
  name: string,
  amount: number,
  n: number | "fro" | "nuc",
  dim: number,
  options: ImportanceOptions = {},
): M {
  checkOptions("lnStructured", options, IMPORTANCE_OPTIONS);
  new LnStructured(amount, n, dim).applyTo(module, name, options);
  return module;
}

/** Prunes a parameter by a mask of zeros and ones. Returns the module. Source: `torch.nn.utils.prune.custom_from_mask`. */
export function customFromMask<M extends AnyModule>(module: M, name: string, mask: Tensor): M {
  new CustomFromMask(mask).applyTo(module, name);
  return module;
}

/** Options of {@link globalUnstructured}. */
export interface GlobalOptions {
  /** A count or a share of all elements; given to the method's constructor. */
  amount?: number;
  /** Scores in place of the parameters, in their order; null for a parameter's own values. */
  importanceScores?: readonly (Tensor | null)[] | null;
}

const GLOBAL_OPTIONS: OptionNames<GlobalOptions> = { amount: 1, importanceScores: 1 };

/**
 * Prunes several parameters together, as if they were one: those with the smallest values of all go.
 * Source: `torch.nn.utils.prune.global_unstructured`.
 * @param parameters pairs of a module and the name of a parameter.
 * @param pruningMethod an unstructured method: its class, made with the amount, or an object.
 * @throws ValueError when the method is not unstructured.
 * @example
 * const [a, b] = [new nn.Linear(10, 4), new nn.Linear(4, 1)];
 * const { prune } = nn.utils;
 * prune.globalUnstructured([[a, "weight"], [b, "weight"]], prune.L1Unstructured, { amount: 10 });
 * 44 - a.getBuffer("weight_mask").sum().item() - b.getBuffer("weight_mask").sum().item(); // 10
 */
export function globalUnstructured(
  parameters: Iterable<readonly [AnyModule, string]>,
  pruningMethod: BasePruningMethod | (new (amount: number) => BasePruningMethod),
  options: GlobalOptions = {},
): void {
  checkOptions("globalUnstructured", options, GLOBAL_OPTIONS);
  const method =
    pruningMethod instanceof BasePruningMethod ? pruningMethod : new pruningMethod(options.amount as number);
  if (method.pruningType !== "unstructured")
    throw new ValueError(
      `[globalUnstructured] the method must be unstructured, got ${method.constructor.name}, which is ${method.pruningType}`,
    );
  const places = [...parameters].map(([module, name], i) => {
    const [field, value] = tensorOf("globalUnstructured", module, name);
    const scores = options.importanceScores?.[i] ?? value;
    if (!sameShape(scores.shape, value.shape))
      throw new ShapeError(
        `[globalUnstructured] importanceScores[${i}] has shape ${show(scores.shape)}, expected ${show(value.shape)}`,
      );
    const mask = module._get(partOf(module, field, "mask"));
    return { module, name, value, scores, mask: mask instanceof Tensor ? mask : onesLike(value) };
  });
  const mask = noGrad(() => {
    method.tensorName = null;
    const scores = parametersToVector(places.map((p) => p.scores));
    const before = parametersToVector(places.map((p) => p.mask));
    return new PruningContainer(method).computeMask(scores, before);
  });
  let at = 0;
  for (const { module, name, value } of places) {
    customFromMask(module, name, reshape(narrow(mask, 0, at, value.numel), value.shape));
    at += value.numel;
  }
}

/**
 * Makes the pruned tensor the parameter again and removes mask and hook; what was pruned stays zero. Returns the
 * module. Source: `torch.nn.utils.prune.remove`.
 * @throws ValueError when the parameter is not pruned.
 */
export function remove<M extends AnyModule>(module: M, name: string): M {
  const method = ownerOf(module, BasePruningMethod, module._fieldOf(name));
  if (method === null) throw new ValueError(`[prune.remove] "${name}" of ${module._getName()} is not pruned`);
  method.remove(module);
  return module;
}

/** Whether a parameter of the module or below it is pruned. Source: `torch.nn.utils.prune.is_pruned`. */
export function isPruned(module: AnyModule): boolean {
  return [...module.modules()].some((m) => ownerOf(m, BasePruningMethod) !== null);
}
