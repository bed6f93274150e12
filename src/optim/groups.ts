/** Parameters and options as optimizers are given them, and the groups made of both. */

import { ModuleBase } from "../nn/base.js";
import { isLazy } from "../nn/uninitialized.js";
import { isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { unknownOption } from "../tensor/options.js";
import { fillWith, readAt } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";

/** What all options have. */
export interface RateOptions {
  /** Learning rate. */
  lr: number;
}

/** Options of nearly every optimizer. */
export interface CommonOptions extends RateOptions {
  /** Ascend in place of descending (default false). */
  maximize: boolean;
  /** Record the step itself, so that gradients flow through it (default false). */
  differentiable: boolean;
}

/** Options that choose between PyTorch's implementations: taken for the sake of ported scripts, without effect. */
export interface ImplementationOptions {
  /** Lists of tensors at once: always, here. */
  foreach?: boolean | null;
  /** One kernel for an update: always, here. */
  fused?: boolean | null;
  /** For CUDA graphs. */
  capturable?: boolean;
}

/** Options as given: each may be left out, and the rate may be a tensor of one element. */
export type OptionsInput<O> = { [K in Exclude<keyof O, "lr">]?: O[K] } & {
  /** Learning rate: a number, or a tensor of one element that may be changed later. */
  lr?: number | Tensor;
} & ImplementationOptions;

/** Parameters, with names or without. */
export type Params = Iterable<Tensor> | Iterable<readonly [string, Tensor]>;

/** A group as given: parameters, and the options that differ from the optimizer's. */
export type ParamGroupInput<O> = {
  /** The parameters of the group: one, several, or pairs of name and parameter. */
  params: Tensor | Params;
} & OptionsInput<O>;

/** What an optimizer is made from: parameters, named parameters, or groups of them. */
export type ParamsInput<O> = Params | Iterable<ParamGroupInput<O>>;

/** Options of one group with the parameters that they hold for. */
export type ParamGroup<O> = O & {
  /** The parameters, in the order in which they were given. */
  params: Tensor[];
  /** Names of the parameters, when they were given with names. */
  paramNames?: string[];
  /** The rate before any scheduler changed it. */
  initialLr?: number;
};

/** A rate given as a tensor, which `group.lr` reads and writes. */
const RATE = Symbol("lr as a tensor");

interface WithRate {
  lr: number;
  [RATE]?: Tensor;
}

/** The rate as formulas take it: the tensor itself where one was given, so that gradients reach it. */
export function rateOf(group: RateOptions): number | Tensor {
  return (group as WithRate)[RATE] ?? group.lr;
}

/** Makes `options.lr` read and write a tensor. */
function bindRate(label: string, options: RateOptions, rate: Tensor): void {
  if (rate.numel !== 1) {
    throw new ShapeError(`[${label}] lr as a tensor must have one element: got shape ${show(rate.shape)}`);
  }
  Object.defineProperty(options, RATE, { value: rate });
  Object.defineProperty(options, "lr", {
    get: () => readAt(rate, rate.storageOffset),
    set: (value: number) => {
      fillWith(rate, value);
      rate.storage.version++;
    },
    enumerable: true,
    configurable: true,
  });
}

const INFINITY = Number.POSITIVE_INFINITY;

const PORTED = ["foreach", "fused", "capturable"];

function defined(options: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Defaults with the given options over them. @throws ValueError for a name that the optimizer does not know. */
export function mergeOptions<O extends RateOptions>(
  label: string,
  defaults: O,
  given: OptionsInput<O> | number | undefined,
): O {
  const options = defined(typeof given === "number" ? { lr: given } : (given ?? {}));
  for (const key of Object.keys(options)) {
    if (Object.hasOwn(defaults, key) || PORTED.includes(key)) continue;
    throw unknownOption(label, options, key, Object.keys(defaults));
  }
  const { lr, ...rest } = options;
  const merged = { ...defaults, ...rest };
  if (lr instanceof Tensor) bindRate(label, merged, lr);
  else if (lr !== undefined) merged.lr = lr as number;
  return merged;
}

function isGroup(x: unknown): x is { params: Tensor | Params } {
  return typeof x === "object" && x !== null && !(x instanceof Tensor) && !Array.isArray(x) && "params" in x;
}

/** Splits what a constructor was given into groups. */
export function groupsOf<O>(label: string, params: ParamsInput<O>): ParamGroupInput<O>[] {
  if (params instanceof Tensor) {
    throw new ValueError(`[${label}] expected a list of parameters, got one tensor; try [parameter]`);
  }
  if (params instanceof ModuleBase) {
    throw new ValueError(`[${label}] expected parameters, got a module; try module.parameters()`);
  }
  if (isGroup(params)) {
    throw new ValueError(`[${label}] expected a list of groups, got one group; try [{ params, ... }]`);
  }
  if (typeof (params as Partial<Iterable<unknown>> | null)?.[Symbol.iterator] !== "function") {
    throw new ValueError(
      `[${label}] expected a list of parameters, got ${String(params)}; try model.parameters()`,
    );
  }
  const list = [...(params as Iterable<unknown>)];
  if (list.length === 0) {
    throw new ValueError(`[${label}] got no parameters; try model.parameters() of a model that has some`);
  }
  if (isGroup(list[0])) return list as ParamGroupInput<O>[];
  return [Object.assign({ params: list as Tensor[] }, {} as OptionsInput<O>)];
}

/** Parameters of a group, and their names if they have some. */
function paramsOf(label: string, given: Tensor | Params): { params: Tensor[]; names: string[] | null } {
  const list: unknown[] = given instanceof Tensor ? [given] : [...given];
  const named = Array.isArray(list[0]);
  const params: Tensor[] = [];
  const names: string[] = [];
  for (const entry of list) {
    if (Array.isArray(entry) !== named) {
      throw new ValueError(`[${label}] either all parameters have names or none; try namedParameters()`);
    }
    const [name, p] = (named ? entry : ["", entry]) as [string, unknown];
    if (!(p instanceof Tensor))
      throw new ValueError(`[${label}] parameters must be tensors, got ${typeof p}`);
    names.push(name);
    params.push(p);
  }
  return { params, names: named ? names : null };
}

function checkParam(label: string, p: Tensor, differentiable: boolean): void {
  if (isLazy(p)) {
    throw new ValueError(
      `[${label}] a parameter is not initialised yet; try a forward pass of the lazy module first`,
    );
  }
  if (!p.isLeaf && !differentiable) {
    throw new ValueError(
      `[${label}] cannot optimize a tensor that is no leaf; try detach(), or { differentiable: true }`,
    );
  }
  if (!isFloat(p.code)) {
    throw new DTypeError(
      `[${label}] cannot optimize a tensor of ${nameOf(p.code)}: expected float32 or float64`,
    );
  }
}

/** One group, checked: its parameters, and the optimizer's options with its own over them. */
export function makeGroup<O extends RateOptions>(
  label: string,
  defaults: O,
  given: ParamGroupInput<O>,
  others: readonly ParamGroup<O>[],
): ParamGroup<O> {
  const { params, names } = paramsOf(label, given.params);
  const { lr, params: _params, ...own } = defined(given);
  const differentiable = { ...defaults, ...own } as { differentiable?: boolean };
  const seen = new Set(others.flatMap((g) => g.params));
  for (const p of params) {
    checkParam(label, p, differentiable.differentiable === true);
    if (seen.has(p))
      throw new ValueError(
        `[${label}] a parameter appears in more than one group, or twice: expected each once`,
      );
    seen.add(p);
  }
  const first = others[0];
  if (first !== undefined && (first.paramNames === undefined) !== (names === null)) {
    throw new ValueError(`[${label}] either the parameters of all groups have names or those of none`);
  }
  const group = { ...defaults, ...own, params } as ParamGroup<O>;
  if (names !== null) group.paramNames = names;
  const rate = lr ?? rateOf(defaults);
  if (rate instanceof Tensor) bindRate(label, group, rate);
  else group.lr = rate as number;
  return group;
}

/** Throws unless `low <= value` (and `value < high`, or `value <= high` with `closed`). */
export function checkRange(
  label: string,
  name: string,
  value: number,
  low: number,
  high: number = INFINITY,
  closed = false,
): void {
  if (
    typeof value === "number" &&
    value >= low &&
    (value < high || ((closed || high === INFINITY) && value === high))
  ) {
    return;
  }
  const range =
    high === INFINITY ? `>= ${low}` : closed ? `from ${low} to ${high}` : `from ${low} up to but not ${high}`;
  if (typeof value === "number")
    throw new ValueError(`[${label}] invalid ${name}: got ${value}, expected ${range}`);
  const got = typeof value === "string" ? `"${value}"` : String(value);
  throw new ValueError(`[${label}] invalid ${name}: got ${got}, expected a number ${range}`);
}

/** Throws unless an option is a pair of numbers. */
export function checkPair(label: string, name: string, pair: readonly number[]): void {
  if (!Array.isArray(pair) || pair.length !== 2)
    throw new ValueError(`[${label}] invalid ${name}: got ${String(pair)}, expected two numbers`);
}

/** Throws unless both decay rates of moments are in [0, 1). */
export function checkBetas(label: string, betas: readonly number[]): void {
  checkPair(label, "betas", betas);
  betas.forEach((beta, i) => {
    checkRange(label, `betas[${i}]`, beta, 0, 1);
  });
}
