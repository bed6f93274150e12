/** The random fillers as methods: `x.uniform_()` and its kin, checked and recorded like every in-place op. */

import { assign, checkInPlace } from "../autograd/inplace.js";
import { mode } from "../autograd/mode.js";
import { defineOp, run } from "../autograd/op.js";
import { zeros } from "../tensor/create.js";
import { isFloat } from "../tensor/dtype.js";
import { DTypeError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { kernelFor, kernelTable } from "../tensor/launch.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import * as raw from "../tensor/random.js";
import { castTo, contiguous, copyInto, empty, expandTo, ptr } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import { GENERATOR_OPTIONS, type GeneratorOptions } from "./random.js";

type Draw = (t: Tensor) => Tensor;

/** Turns a filler into a method body: writes into `x`, whose gradient from before ends there. */
function filler(name: string): (x: Tensor, draw: Draw) => Tensor {
  const op = defineOp<Draw>({
    name: name.charAt(0).toUpperCase() + name.slice(1, -1),
    forward: ([x], draw) => draw(raw.like(x as Tensor, (x as Tensor).code)),
    backward: (g, n) => [zeros(n.shape(0), { dtype: g.dtype })],
  });
  return (x, draw) => {
    checkInPlace(name, x);
    if (mode.grad && (x.requiresGrad || x.base?.requiresGrad === true))
      return assign(name, x, run(op, [x], draw));
    nextOp();
    draw(x);
    x.storage.version++;
    return x;
  };
}

const fillUniform = filler("uniform_");
const fillNormal = filler("normal_");
const fillBernoulli = filler("bernoulli_");
const fillExponential = filler("exponential_");
const fillGeometric = filler("geometric_");
const fillCauchy = filler("cauchy_");
const fillLogNormal = filler("logNormal_");
const fillRandom = filler("random_");

/** Options of `uniform_`. */
export interface UniformOptions extends GeneratorOptions {
  /** Lower end, included (default 0). */
  from?: number;
  /** Upper end, excluded (default 1). */
  to?: number;
}

const UNIFORM_OPTIONS: OptionNames<UniformOptions> = { from: 1, to: 1, generator: 1 };

/**
 * Fills with uniform draws from [from, to): `x.uniform_()`, `x.uniform_(-1, 1)` or `x.uniform_({ from, to })`.
 * Source: `torch.Tensor.uniform_`.
 */
export function uniform_(
  x: Tensor,
  from?: number | UniformOptions,
  to?: number,
  options?: GeneratorOptions,
): Tensor {
  checkNames("uniform_", from, UNIFORM_OPTIONS);
  checkOptions("uniform_", options, GENERATOR_OPTIONS);
  const o: UniformOptions = typeof from === "object" ? from : { from: from ?? 0, to: to ?? 1, ...options };
  return fillUniform(x, (t) => raw.uniform_(t, o.from, o.to, o.generator));
}

/** Options of `normal_` and `logNormal_`. */
export interface NormalOptions extends GeneratorOptions {
  /** Mean of the normal distribution (default 0; `logNormal_`: 1). */
  mean?: number;
  /** Its standard deviation (default 1; `logNormal_`: 2). */
  std?: number;
}

const NORMAL_OPTIONS: OptionNames<NormalOptions> = { mean: 1, std: 1, generator: 1 };

/**
 * Fills with normal draws, of mean 0 and standard deviation 1 by default: `x.normal_(0, 0.02)` or
 * `x.normal_({ std: 0.02 })`. Source: `torch.Tensor.normal_`.
 */
export function normal_(
  x: Tensor,
  mean?: number | NormalOptions,
  std?: number,
  options?: GeneratorOptions,
): Tensor {
  checkNames("normal_", mean, NORMAL_OPTIONS);
  checkOptions("normal_", options, GENERATOR_OPTIONS);
  const o: NormalOptions = typeof mean === "object" ? mean : { mean: mean ?? 0, std: std ?? 1, ...options };
  return fillNormal(x, (t) => raw.normal_(t, o.mean, o.std, o.generator));
}

/** Options of `bernoulli_`. */
export interface BernoulliOptions extends GeneratorOptions {
  /** Probability of a one (default 0.5), or a floating tensor of them that broadcasts to `x`. */
  p?: number | Tensor;
}

const BERNOULLI_OPTIONS: OptionNames<BernoulliOptions> = { p: 1, generator: 1 };

/** Fills with ones of probability `p` (default 0.5) and zeros. Source: `torch.Tensor.bernoulli_`. */
export function bernoulli_(
  x: Tensor,
  p?: number | Tensor | BernoulliOptions,
  options?: GeneratorOptions,
): Tensor {
  checkNames("bernoulli_", p, BERNOULLI_OPTIONS);
  checkOptions("bernoulli_", options, GENERATOR_OPTIONS);
  const given = p === undefined || typeof p === "number" || p instanceof Tensor;
  const o: BernoulliOptions = given ? { ...(p === undefined ? {} : { p }), ...options } : p;
  const probability = o.p ?? 0.5;
  if (typeof probability === "number")
    return fillBernoulli(x, (t) => raw.bernoulli_(t, probability, o.generator));
  checkProbabilities(probability);
  return fillBernoulli(x, (t) => fromTensor(t, probability, o.generator));
}

const BERNOULLI = kernelTable("bernoulliTensor", ["none", "none", "none", "none", "f32", "f64"]);

function checkProbabilities(p: Tensor): void {
  if (!isFloat(p.code))
    throw new DTypeError(`[bernoulli_] expected floating probabilities, got ${p.dtype}; try p.to("float32")`);
  raw.checkAll("bernoulli_", p, "probabilities from 0 to 1", (v) => v >= 0 && v <= 1);
}

/** A draw for each element of `t`, in the order of its memory, at the precision of `p`. */
function fromTensor(t: Tensor, p: Tensor, generator: raw.Source): Tensor {
  if (t.numel === 0) return t;
  const order = raw.memoryOrder(t.strides);
  const walked = raw.permuted(t, order);
  const source = contiguous(raw.permuted(expandTo(p, t.shape), order));
  const drawn = empty(walked.shape, p.code);
  kernelFor(BERNOULLI, p.code)(raw.statePtr(generator), ptr(source), ptr(drawn), t.numel);
  copyInto(walked, castTo(drawn, t.code));
  return t;
}

const EXPONENTIAL_IN_PLACE_OPTIONS: OptionNames<GeneratorOptions & { lambd?: number }> = {
  generator: 1,
  lambd: 1,
};

/** Fills with draws of density lambd exp(-lambd x), lambd 1 by default. Source: `torch.Tensor.exponential_`. */
export function exponential_(
  x: Tensor,
  lambd?: number | (GeneratorOptions & { lambd?: number }),
  options?: GeneratorOptions,
): Tensor {
  checkNames("exponential_", lambd, EXPONENTIAL_IN_PLACE_OPTIONS);
  checkOptions("exponential_", options, GENERATOR_OPTIONS);
  const o = typeof lambd === "object" ? lambd : { lambd: lambd ?? 1, ...options };
  return fillExponential(x, (t) => raw.exponential_(t, o.lambd, o.generator));
}

/** Fills with numbers of trials up to the first success, each of probability `p`. Source: `torch.Tensor.geometric_`. */
export function geometric_(x: Tensor, p: number, options: GeneratorOptions = {}): Tensor {
  checkOptions("geometric_", options, GENERATOR_OPTIONS);
  return fillGeometric(x, (t) => raw.geometric_(t, p, options.generator));
}

/** Options of `cauchy_`. */
export interface CauchyOptions extends GeneratorOptions {
  /** Middle of the distribution (default 0). */
  median?: number;
  /** Half its width at half height (default 1). */
  sigma?: number;
}

const CAUCHY_OPTIONS: OptionNames<CauchyOptions> = { median: 1, sigma: 1, generator: 1 };

/** Fills with draws of density sigma / (pi ((x - median)^2 + sigma^2)). Source: `torch.Tensor.cauchy_`. */
export function cauchy_(
  x: Tensor,
  median?: number | CauchyOptions,
  sigma?: number,
  options?: GeneratorOptions,
): Tensor {
  checkNames("cauchy_", median, CAUCHY_OPTIONS);
  checkOptions("cauchy_", options, GENERATOR_OPTIONS);
  const o: CauchyOptions =
    typeof median === "object" ? median : { median: median ?? 0, sigma: sigma ?? 1, ...options };
  return fillCauchy(x, (t) => raw.cauchy_(t, o.median, o.sigma, o.generator));
}

/** Fills with exp of normal draws, of mean 1 and standard deviation 2 by default. Source: `torch.Tensor.log_normal_`. */
export function logNormal_(
  x: Tensor,
  mean?: number | NormalOptions,
  std?: number,
  options?: GeneratorOptions,
): Tensor {
  checkNames("logNormal_", mean, NORMAL_OPTIONS);
  checkOptions("logNormal_", options, GENERATOR_OPTIONS);
  const o: NormalOptions = typeof mean === "object" ? mean : { mean: mean ?? 1, std: std ?? 2, ...options };
  return fillLogNormal(x, (t) => raw.logNormal_(t, o.mean, o.std, o.generator));
}

/** Options of `random_`. */
export interface RandomFillOptions extends GeneratorOptions {
  /** Smallest number (default 0). */
  from?: number | bigint;
  /** The number after the largest (default: all that the dtype holds without gaps). */
  to?: number | bigint | null;
}

const RANDOM_FILL_OPTIONS: OptionNames<RandomFillOptions> = { from: 1, to: 1, generator: 1 };

/**
 * Fills with whole numbers in [from, to): `x.random_()`, `x.random_(to)`, `x.random_(from, to)` or
 * `x.random_({ from, to })`. Source: `torch.Tensor.random_`.
 */
export function random_(
  x: Tensor,
  from?: number | bigint | RandomFillOptions,
  to?: number | bigint | null | GeneratorOptions,
  options?: GeneratorOptions,
): Tensor {
  checkNames("random_", from, RANDOM_FILL_OPTIONS);
  checkNames("random_", to, GENERATOR_OPTIONS);
  checkOptions("random_", options, GENERATOR_OPTIONS);
  if (typeof from === "object")
    return fillRandom(x, (t) => raw.random_(t, from.from, from.to, from.generator));
  const alone = to === undefined || (typeof to === "object" && to !== null);
  const generator = (alone ? (to as GeneratorOptions | undefined) : options)?.generator;
  if (from !== undefined && alone) return fillRandom(x, (t) => raw.random_(t, 0, from, generator));
  return fillRandom(x, (t) => raw.random_(t, from, alone ? null : (to as number | bigint | null), generator));
}
