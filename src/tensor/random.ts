/**
 * Random tensors, drawn as PyTorch's CPU generator draws them. The fillers with a trailing underscore write into a
 * tensor without a look at autograd; the methods of the same names (`src/ops/random.ts`) check and record.
 * Draws follow one another, so no filler is split among threads.
 */

import { type CreateOptions, withGrad } from "./create.js";
import { BOOL, codeOf, type DTypeCode, defaultFloatCode, INT64, isFloat, nameOf } from "./dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "./errors.js";
import { defaultGenerator, type Generator } from "./generator.js";
import { nextOp } from "./heap.js";
import { type KernelTable, kernelFor, kernelTable } from "./launch.js";
import { seedHalves } from "./mt19937.js";
import { checkNames, checkOptions, type OptionNames } from "./options.js";
import { castTo, copyInto, empty, ptr, toTyped, viewOf } from "./raw.js";
import { checkSizes, contiguousStrides, type Shape } from "./shape.js";
import type { Tensor } from "./tensor.js";

export * from "./generator.js";

const UNIFORM = kernelTable("uniform");
const NORMAL = kernelTable("normal");
const NORMAL_SERIAL = kernelTable("normalSerial");
const RANDINT = kernelTable("randint");
const RANDOM = kernelTable("random", ["b8", "u8", "i32", "i64", "f32", "f64"]);
const EXPONENTIAL = kernelTable("exponential");
const CAUCHY = kernelTable("cauchy");
const LOG_NORMAL = kernelTable("logNormal");
const GEOMETRIC = kernelTable("geometric", ["none", "u8", "i32", "i64", "f32", "f64"]);
const BERNOULLI = kernelTable("bernoulli");
const RANDPERM = kernelTable("randperm");

/** Where the draws come from; the default generator when left out. */
export type Source = Generator | null | undefined;

/** Options of random creation functions. */
export interface RandomOptions extends CreateOptions {
  /** Where the draws come from (default: the default generator). */
  generator?: Generator | null;
}

/** @internal */
export const RANDOM_OPTIONS: OptionNames<RandomOptions> = { generator: 1, dtype: 1, requiresGrad: 1 };

/** @internal The state that kernels draw from. */
export function statePtr(generator: Source): number {
  return (generator ?? defaultGenerator).ptr;
}

/** @internal Dimensions in the order in which PyTorch walks a tensor's memory: largest stride first. */
export function memoryOrder(strides: readonly number[]): number[] {
  const order = strides.map((_, d) => d);
  return order.sort((a, b) => (strides[b] as number) - (strides[a] as number) || a - b);
}

/** @internal The same elements with the dimensions in another order. */
export function permuted(t: Tensor, order: readonly number[]): Tensor {
  const pick = (of: readonly number[]) => order.map((d) => of[d] as number);
  return viewOf(t, pick(t.shape), pick(t.strides), t.storageOffset);
}

/** Fills `t` by `kernel(state, out, n, a, b, c, d)`, element by element in the order of its memory. */
function fill(table: KernelTable, t: Tensor, from: Source, a = 0, b = 0, c = 0, d = 0): Tensor {
  const fn = kernelFor(table, t.code);
  if (t.numel === 0) return t;
  if (t.contig) {
    fn(statePtr(from), ptr(t), t.numel, a, b, c, d);
    return t;
  }
  const walked = permuted(t, memoryOrder(t.strides));
  checkOverlap(table.op, walked);
  if (walked.contig) fn(statePtr(from), ptr(walked), t.numel, a, b, c, d);
  else {
    const drawn = empty(walked.shape, t.code);
    fn(statePtr(from), ptr(drawn), t.numel, a, b, c, d);
    copyInto(walked, drawn);
  }
  return t;
}

function checkOverlap(op: string, { shape, strides }: Tensor): void {
  if (strides.some((s, d) => s === 0 && (shape[d] as number) > 1)) {
    throw new ShapeError(
      `[${op}_] the elements of an expanded tensor share their places: got strides ${show(strides)}; try clone() first`,
    );
  }
}

function expectThat(ok: boolean, message: string): void {
  if (!ok) throw new ValueError(message);
}

/** @internal Throws unless `ok` holds for every element (NaN fails). */
export function checkAll(op: string, x: Tensor, expected: string, ok: (v: number) => boolean): void {
  const values = toTyped(x) as Float32Array;
  const bad = values.findIndex((v) => !ok(v));
  if (bad >= 0)
    throw new ValueError(
      `[${op}] expected ${expected} everywhere, got ${values[bad]} at element ${bad} of shape ${show(x.shape)}`,
    );
}

// ---- fillers ----

/** Uniform draws from [from, to). */
export function uniform_(t: Tensor, from = 0, to = 1, generator?: Source): Tensor {
  expectThat(
    from <= to && Number.isFinite(to - from),
    `[uniform_] expected from <= to and a finite range, got from ${from} and to ${to}`,
  );
  return fill(UNIFORM, t, generator, from, to);
}

/** Normal draws. */
export function normal_(t: Tensor, mean = 0, std = 1, generator?: Source): Tensor {
  expectThat(std >= 0, `[normal_] expected std >= 0, got ${std}`);
  return fill(t.contig ? NORMAL : NORMAL_SERIAL, t, generator, mean, std);
}

/** One with probability `p`, else zero. */
export function bernoulli_(t: Tensor, p = 0.5, generator?: Source): Tensor {
  expectThat(p >= 0 && p <= 1, `[bernoulli_] expected 0 <= p <= 1, got ${p}`);
  return fill(BERNOULLI, t, generator, p);
}

/** Draws with density lambd exp(-lambd x). */
export function exponential_(t: Tensor, lambd = 1, generator?: Source): Tensor {
  expectThat(lambd >= 0, `[exponential_] expected lambd >= 0, got ${lambd}`);
  return fill(EXPONENTIAL, t, generator, lambd);
}

/** The number of trials up to the first success, each of probability `p`. */
export function geometric_(t: Tensor, p: number, generator?: Source): Tensor {
  expectThat(p > 0 && p < 1, `[geometric_] expected 0 < p < 1, got ${p}`);
  return fill(GEOMETRIC, t, generator, p);
}

/** Draws with density sigma / (pi ((x - median)^2 + sigma^2)). */
export function cauchy_(t: Tensor, median = 0, sigma = 1, generator?: Source): Tensor {
  expectThat(sigma > 0, `[cauchy_] expected sigma > 0, got ${sigma}`);
  return fill(CAUCHY, t, generator, median, sigma);
}

/** exp of normal draws with this mean and standard deviation. */
export function logNormal_(t: Tensor, mean = 1, std = 2, generator?: Source): Tensor {
  expectThat(std > 0, `[logNormal_] expected std > 0, got ${std}`);
  return fill(LOG_NORMAL, t, generator, mean, std);
}

/** Smallest and largest whole number that a dtype holds without gaps. */
function integerRange(code: DTypeCode): readonly [bigint, bigint] {
  switch (code) {
    case BOOL:
      return [0n, 1n];
    case 1:
      return [0n, 255n];
    case 2:
      return [-(2n ** 31n), 2n ** 31n - 1n];
    case INT64:
      return [-(2n ** 63n), 2n ** 63n - 1n];
    case 4:
      return [-(2n ** 24n), 2n ** 24n];
    default:
      return [-(2n ** 53n), 2n ** 53n];
  }
}

function whole(op: string, name: string, value: number | bigint): bigint {
  if (typeof value === "bigint") return value;
  expectThat(Number.isInteger(value), `[${op}] expected a whole number as ${name}, got ${value}`);
  return BigInt(value);
}

/** Whole numbers in [low, high). */
function integers(op: string, t: Tensor, low: bigint, high: bigint, generator: Source): Tensor {
  const [min, max] = integerRange(t.code);
  expectThat(low < high, `[${op}] expected low < high, got low ${low} and high ${high}`);
  expectThat(
    low >= min && high - 1n <= max,
    `[${op}] expected bounds that ${nameOf(t.code)} holds, ${min} to ${max}: got low ${low} and high ${high}; try a wider dtype`,
  );
  const range = seedHalves(high - low);
  const base = seedHalves(low);
  return fill(RANDINT, t, generator, range.low, range.high, base.low, base.high);
}

/**
 * Whole numbers in [from, to); without `to`, all that the dtype holds from `from` on (all from 0 on by default).
 */
export function random_(
  t: Tensor,
  from: number | bigint = 0,
  to: number | bigint | null = null,
  generator?: Source,
): Tensor {
  const low = whole("random_", "from", from);
  if (to === null) {
    if (low === 0n) return fill(RANDOM, t, generator);
    return integers("random_", t, low, integerRange(t.code)[1] + 1n, generator);
  }
  return integers("random_", t, low, whole("random_", "to", to), generator);
}

// ---- creation ----

function floatCode(op: string, options: RandomOptions | undefined): DTypeCode {
  const code = options?.dtype === undefined ? defaultFloatCode() : codeOf(options.dtype);
  if (!isFloat(code))
    throw new DTypeError(
      `[${op}] expected a floating dtype, got ${nameOf(code)}; try randint for whole numbers`,
    );
  return code;
}

function made(op: string, size: Shape, options: RandomOptions | undefined): Tensor {
  nextOp();
  return empty(checkSizes(op, size), floatCode(op, options));
}

/**
 * Uniform draws from [0, 1). Source: `torch.rand`.
 * @example
 * manualSeed(0);
 * rand([2]).toArray(); // [0.4962565898895264, 0.7682217955589294]
 */
export function rand(size: Shape, options?: RandomOptions): Tensor {
  checkOptions("rand", options, RANDOM_OPTIONS);
  return withGrad(uniform_(made("rand", size, options), 0, 1, options?.generator), options);
}

/** Normal draws with mean 0 and standard deviation 1. Source: `torch.randn`. */
export function randn(size: Shape, options?: RandomOptions): Tensor {
  checkOptions("randn", options, RANDOM_OPTIONS);
  return withGrad(normal_(made("randn", size, options), 0, 1, options?.generator), options);
}

/** @internal An uninitialised tensor like `x`, with its order of dimensions in memory: the order of the draws. */
export function like(x: Tensor, code: DTypeCode): Tensor {
  const t = empty(x.shape, code);
  if (x.contig) return t;
  const order = memoryOrder(x.strides);
  const steps = contiguousStrides(order.map((d) => x.shape[d] as number));
  const strides = new Array<number>(order.length);
  order.forEach((d, i) => {
    strides[d] = steps[i] as number;
  });
  return viewOf(t, x.shape, strides, 0);
}

/** Uniform draws from [0, 1) in the shape and dtype of `x`. Source: `torch.rand_like`. */
export function randLike(x: Tensor, options?: RandomOptions): Tensor {
  checkOptions("randLike", options, RANDOM_OPTIONS);
  const code = floatCode("randLike", options?.dtype === undefined ? { dtype: x.dtype } : options);
  nextOp();
  return withGrad(uniform_(like(x, code), 0, 1, options?.generator), options);
}

/** Standard normal draws in the shape and dtype of `x`. Source: `torch.randn_like`. */
export function randnLike(x: Tensor, options?: RandomOptions): Tensor {
  checkOptions("randnLike", options, RANDOM_OPTIONS);
  const code = floatCode("randnLike", options?.dtype === undefined ? { dtype: x.dtype } : options);
  nextOp();
  return withGrad(normal_(like(x, code), 0, 1, options?.generator), options);
}

/**
 * Whole numbers in [low, high), int64 unless a dtype is given. Source: `torch.randint`.
 * @example
 * manualSeed(0);
 * randint(10, [4]).toArray(); // [4, 9, 3, 0]
 * randint(5, 10, [4]).shape; // [4]
 * @throws ValueError when low >= high, or the dtype does not hold them.
 */
export function randint(high: number | bigint, size: Shape, options?: RandomOptions): Tensor;
export function randint(
  low: number | bigint,
  high: number | bigint,
  size: Shape,
  options?: RandomOptions,
): Tensor;
export function randint(
  a: number | bigint,
  b: number | bigint | Shape,
  c?: Shape | RandomOptions,
  d?: RandomOptions,
): Tensor {
  checkNames("randint", c, RANDOM_OPTIONS);
  checkOptions("randint", d, RANDOM_OPTIONS);
  const short = typeof b === "object";
  const size = (short ? b : c) as Shape;
  const options = (short ? c : d) as RandomOptions | undefined;
  const low = whole("randint", "low", short ? 0 : a);
  const high = whole("randint", "high", short ? a : b);
  nextOp();
  const t = empty(checkSizes("randint", size), options?.dtype === undefined ? INT64 : codeOf(options.dtype));
  return withGrad(integers("randint", t, low, high, options?.generator), options);
}

/** Whole numbers in [low, high) in the shape and dtype of `x`. Source: `torch.randint_like`. */
export function randintLike(x: Tensor, high: number | bigint, options?: RandomOptions): Tensor;
export function randintLike(
  x: Tensor,
  low: number | bigint,
  high: number | bigint,
  options?: RandomOptions,
): Tensor;
export function randintLike(
  x: Tensor,
  a: number | bigint,
  b?: number | bigint | RandomOptions,
  c?: RandomOptions,
): Tensor {
  checkNames("randintLike", b, RANDOM_OPTIONS);
  checkOptions("randintLike", c, RANDOM_OPTIONS);
  const short = typeof b === "object" || b === undefined;
  const options = short ? (b as RandomOptions | undefined) : c;
  const low = whole("randintLike", "low", short ? 0 : a);
  const high = whole("randintLike", "high", short ? a : (b as number | bigint));
  nextOp();
  const t = like(x, options?.dtype === undefined ? x.code : codeOf(options.dtype));
  return withGrad(integers("randintLike", t, low, high, options?.generator), options);
}

/** A random order of 0, ..., n - 1, int64 unless a dtype is given. Source: `torch.randperm`. */
export function randperm(n: number, options?: RandomOptions): Tensor {
  checkOptions("randperm", options, RANDOM_OPTIONS);
  nextOp();
  const t = empty(checkSizes("randperm", [n]), INT64);
  fill(RANDPERM, t, options?.generator);
  return withGrad(options?.dtype === undefined ? t : castTo(t, codeOf(options.dtype)), options);
}
