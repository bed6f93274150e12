/** Draws whose parameters are tensors: bernoulli, poisson, binomial, normal, multinomial. */

import type { Node } from "../autograd/node.js";
import { defineOp, run } from "../autograd/op.js";
import { withGrad } from "../tensor/create.js";
import { codeOf, type DTypeCode, defaultFloatCode, INT32, INT64, isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { type KernelTable, kernelFor, kernelTable } from "../tensor/launch.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import * as raw from "../tensor/random.js";
import { RANDOM_OPTIONS } from "../tensor/random.js";
import { contiguous, empty, expandTo, full, ptr, toTyped } from "../tensor/raw.js";
import { broadcastShapes, checkSizes, type Shape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { mapBinary, operand } from "./core.js";

const ADD = kernelTable("add");
const MUL = kernelTable("mul");
const floats = (name: string) => kernelTable(name, ["none", "none", "none", "none", "f32", "f64"]);
const BERNOULLI = floats("bernoulliTensor");
const POISSON = floats("poisson");
const BINOMIAL = floats("binomial");
const GAMMA = floats("standardGamma");
const MULTINOMIAL = floats("multinomial");
const DISTINCT = floats("multinomialDistinct");

/** Options of random ops. */
export interface GeneratorOptions {
  /** Where the draws come from (default: the default generator). */
  generator?: raw.Generator | null;
}

/** @internal */
export const GENERATOR_OPTIONS: OptionNames<GeneratorOptions> = { generator: 1 };

function expectFloat(op: string, x: Tensor): void {
  if (!isFloat(x.code))
    throw new DTypeError(`[${op}] expected a floating dtype, got ${nameOf(x.code)}; try x.to("float32")`);
}

/** A draw is constant almost everywhere: zeros for each input that asks. */
function noSlope(n: Node<unknown>): (Tensor | null)[] {
  return n.shapes.map((shape, i) => (n.needs(i) ? full(shape, 0, n.codes[i] as DTypeCode) : null));
}

/** One draw for each element of the inputs, which are of one dtype and shape. */
function elementwise(name: string, table: KernelTable) {
  const op = defineOp<raw.Source>({
    name,
    forward: (inputs, generator) => {
      const sources = inputs.map(contiguous);
      const { shape, code, numel } = sources[0] as Tensor;
      const out = empty(shape, code);
      if (numel > 0) kernelFor(table, code)(raw.statePtr(generator), ...sources.map(ptr), ptr(out), numel);
      return out;
    },
    backward: (_, n) => noSlope(n),
  });
  return (inputs: readonly Tensor[], generator: raw.Source) => run(op, inputs, generator);
}

const drawBernoulli = elementwise("Bernoulli", BERNOULLI);
const drawPoisson = elementwise("Poisson", POISSON);
const drawBinomial = elementwise("Binomial", BINOMIAL);
const drawGamma = elementwise("StandardGamma", GAMMA);

const BERNOULLI_OPTIONS: OptionNames<GeneratorOptions & { p?: number }> = { generator: 1, p: 1 };

/**
 * One with the probability that `input` holds, else zero; with `p`, that probability for the shape and dtype of
 * `input`. Source: `torch.bernoulli`.
 * @throws ValueError when a probability is not in [0, 1].
 */
export function bernoulli(input: Tensor, options: (GeneratorOptions & { p?: number }) | number = {}): Tensor {
  checkNames("bernoulli", options, BERNOULLI_OPTIONS);
  const { p, generator }: GeneratorOptions & { p?: number } =
    typeof options === "number" ? { p: options } : options;
  if (p !== undefined) {
    nextOp();
    return raw.bernoulli_(empty(input.shape, input.code), p, generator);
  }
  expectFloat("bernoulli", input);
  raw.checkAll("bernoulli", input, "probabilities from 0 to 1", (v) => v >= 0 && v <= 1);
  return drawBernoulli([input], generator);
}

/**
 * Poisson draws with the rates of `input`. Source: `torch.poisson`.
 * @throws ValueError when a rate is negative.
 */
export function poisson(input: Tensor, options: GeneratorOptions = {}): Tensor {
  checkOptions("poisson", options, GENERATOR_OPTIONS);
  expectFloat("poisson", input);
  raw.checkAll("poisson", input, "rates >= 0", (v) => v >= 0);
  return drawPoisson([input], options.generator);
}

/** The number of successes in `count` trials of probability `prob`, elementwise. Source: `torch.binomial`. */
export function binomial(count: Tensor, prob: Tensor, options: GeneratorOptions = {}): Tensor {
  checkOptions("binomial", options, GENERATOR_OPTIONS);
  expectFloat("binomial", count);
  if (prob.code !== count.code) {
    throw new DTypeError(
      `[binomial] expected count and prob of one dtype, got ${count.dtype} and ${prob.dtype}; try prob.to("${count.dtype}")`,
    );
  }
  const shape = broadcastShapes("binomial", count.shape, prob.shape);
  return drawBinomial([expandTo(count, shape), expandTo(prob, shape)], options.generator);
}

/** Draws from Gamma(alpha, 1), elementwise, without a gradient. Source: `torch._standard_gamma`. @internal */
export function standardGamma(alpha: Tensor, options: GeneratorOptions = {}): Tensor {
  expectFloat("standardGamma", alpha);
  return drawGamma([alpha], options.generator);
}

/** Options of {@link multinomial}. */
export interface MultinomialOptions extends GeneratorOptions {
  /** Whether an index may be drawn more than once (default false). */
  replacement?: boolean;
}

const MULTINOMIAL_OPTIONS: OptionNames<MultinomialOptions> = { replacement: 1, generator: 1 };

const WEIGHTS = "weights that are finite and >= 0";

/**
 * Indices (int64) drawn by the weights in `input`, a vector or rows of a matrix, which need not sum to one.
 * Source: `torch.multinomial`.
 * @example
 * multinomial(tensor([0, 0.5, 0]), 3, { replacement: true }).toArray(); // [1, 1, 1]
 * @throws ValueError when a weight is negative or not finite, a row has no positive sum, or (without replacement)
 * more indices are asked for than there are.
 */
export function multinomial(
  input: Tensor,
  numSamples: number,
  options: boolean | MultinomialOptions = {},
): Tensor {
  checkNames("multinomial", options, MULTINOMIAL_OPTIONS);
  const { replacement = false, generator } =
    typeof options === "boolean" ? { replacement: options } : options;
  const rank = input.shape.length;
  if (rank !== 1 && rank !== 2)
    throw new ShapeError(`[multinomial] expected 1 or 2 dimensions, got ${show(input.shape)}`);
  expectFloat("multinomial", input);
  const categories = input.shape[rank - 1] as number;
  const rows = rank === 1 ? 1 : (input.shape[0] as number);
  if (!Number.isInteger(numSamples) || numSamples < 1) {
    throw new ValueError(`[multinomial] expected a whole number of samples >= 1, got ${numSamples}`);
  }
  if (!replacement && numSamples > categories) {
    throw new ValueError(
      `[multinomial] cannot draw ${numSamples} of ${categories} categories without replacement; try { replacement: true }`,
    );
  }
  if (categories > 2 ** 24)
    throw new ValueError(`[multinomial] expected at most 2^24 categories, got ${categories}`);
  raw.checkAll("multinomial", input, WEIGHTS, (v) => v >= 0 && v < Infinity);
  checkSums(toTyped(input) as Float64Array, rows, categories);
  nextOp();
  return drawIndices(contiguous(input), rows, categories, numSamples, replacement, generator);
}

function checkSums(weights: ArrayLike<number>, rows: number, categories: number): void {
  for (let r = 0; r < rows; r++) {
    let any = false;
    for (let j = 0; j < categories; j++) if ((weights[r * categories + j] as number) > 0) any = true;
    if (!any)
      throw new ValueError(`[multinomial] expected weights with a positive sum, got zeros only in row ${r}`);
  }
}

function drawIndices(
  w: Tensor,
  rows: number,
  categories: number,
  samples: number,
  replacement: boolean,
  generator: raw.Source,
): Tensor {
  const out = empty(w.shape.length === 1 ? [samples] : [rows, samples], INT64);
  if (out.numel === 0) return out;
  if (replacement) {
    const sums = empty([categories], w.code);
    kernelFor(MULTINOMIAL, w.code)(
      raw.statePtr(generator),
      ptr(w),
      ptr(sums),
      ptr(out),
      rows,
      categories,
      samples,
    );
    return out;
  }
  const keys = empty([rows, categories], w.code);
  const heap = empty([categories], INT32);
  kernelFor(DISTINCT, w.code)(
    raw.statePtr(generator),
    ptr(w),
    ptr(keys),
    ptr(heap),
    ptr(out),
    rows,
    categories,
    samples,
  );
  return out;
}

const normalOp = defineOp<{ shape: Shape; generator: raw.Source }>({
  name: "Normal",
  forward: ([mean, std], { shape, generator }) => {
    const [m, s] = [mean as Tensor, std as Tensor];
    const scaled = mapBinary(MUL, "normal", raw.normal_(empty(shape, m.code), 0, 1, generator), s, m.code);
    return mapBinary(ADD, "normal", scaled, m, m.code);
  },
  backward: (_, n) => noSlope(n),
});

/**
 * Normal draws with the given means and standard deviations, numbers or tensors (broadcast); with two numbers, `size`
 * is the shape. Source: `torch.normal`.
 * @example
 * normal(0, 1, [2, 3]).shape; // [2, 3]
 * normal(zeros([2, 3]), 0.1).shape; // [2, 3]
 * @throws ValueError when a standard deviation is negative.
 */
export function normal(mean: number, std: number, size: Shape, options?: raw.RandomOptions): Tensor;
export function normal(mean: Tensor | number, std?: Tensor | number, options?: GeneratorOptions): Tensor;
export function normal(
  mean: Tensor | number,
  std: Tensor | number = 1,
  size?: Shape | GeneratorOptions,
  options?: raw.RandomOptions,
): Tensor {
  checkNames("normal", size, GENERATOR_OPTIONS);
  checkOptions("normal", options, RANDOM_OPTIONS);
  if (typeof mean === "number" && typeof std === "number") {
    if (!Array.isArray(size))
      throw new ShapeError("[normal] two numbers need a shape: try normal(mean, std, [n])");
    const t = empty(
      checkSizes("normal", size),
      options?.dtype === undefined ? defaultFloatCode() : codeOf(options.dtype),
    );
    nextOp();
    return withGrad(raw.normal_(t, mean, std, options?.generator), options);
  }
  const { generator } = (size ?? {}) as GeneratorOptions;
  const { code } = (mean instanceof Tensor ? mean : std) as Tensor;
  const [m, s] = [operand(mean, code), operand(std, code)];
  expectFloat("normal", m);
  raw.checkAll("normal", s, "std >= 0", (v) => v >= 0);
  return run(normalOp, [m, s], { shape: broadcastShapes("normal", m.shape, s.shape), generator });
}
