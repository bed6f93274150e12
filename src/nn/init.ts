/** Initial values of parameters (`torch.nn.init`): drawn as PyTorch draws them, written outside of any graph. */

import { checkInference } from "../autograd/inplace.js";
import { mapUnary } from "../ops/core.js";
import { FLOAT64 } from "../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { kernelTable } from "../tensor/launch.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { normal_ as drawNormal, uniform_ as drawUniform, randperm, type Source } from "../tensor/random.js";
import { copyInto, empty, fillWith, fromTyped, full, readAt, toTyped, writeNumbers } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { toKey } from "./naming.js";

const ERF = kernelTable("erf");
const ERFINV = kernelTable("erfinv");

/** Where random initialisers draw from. */
export interface InitOptions {
  /** Default: the default generator. */
  generator?: Source;
}

const INIT_OPTIONS: OptionNames<InitOptions> = { generator: 1 };

/** The source of random numbers alone. */
const sourceOf = ({ generator }: InitOptions): InitOptions => (generator === undefined ? {} : { generator });

let skipping = false;

/** Runs `fn` while the initialisers do nothing. @internal */
export function withoutInit<T>(fn: () => T): T {
  const before = skipping;
  skipping = true;
  try {
    return fn();
  } finally {
    skipping = before;
  }
}

/** Writes into a tensor from outside of the graph. */
function write<T extends Tensor>(t: T, fill: (t: T) => void): T {
  if (skipping) return t;
  checkInference("init", t);
  nextOp();
  fill(t);
  t.storage.version++;
  return t;
}

const UNIFORM_OPTIONS: OptionNames<InitOptions & { a?: number; b?: number }> = {
  generator: 1,
  a: 1,
  b: 1,
};

/** Draws uniformly from [a, b), default [0, 1). Source: `torch.nn.init.uniform_`. */
export function uniform_<T extends Tensor>(
  tensor: T,
  a: number | (InitOptions & { a?: number; b?: number }) = 0,
  b = 1,
  options: InitOptions = {},
): T {
  checkNames("uniform_", a, UNIFORM_OPTIONS);
  checkOptions("uniform_", options, INIT_OPTIONS);
  const given = typeof a === "number" ? { a, b, generator: options.generator } : { a: 0, b: 1, ...a };
  return write(tensor, (t) => drawUniform(t, given.a, given.b, given.generator));
}

const NORMAL_OPTIONS: OptionNames<InitOptions & { mean?: number; std?: number }> = {
  generator: 1,
  mean: 1,
  std: 1,
};

/** Draws from the normal distribution. Source: `torch.nn.init.normal_`. */
export function normal_<T extends Tensor>(
  tensor: T,
  mean: number | (InitOptions & { mean?: number; std?: number }) = 0,
  std = 1,
  options: InitOptions = {},
): T {
  checkNames("normal_", mean, NORMAL_OPTIONS);
  checkOptions("normal_", options, INIT_OPTIONS);
  const given =
    typeof mean === "number" ? { mean, std, generator: options.generator } : { mean: 0, std: 1, ...mean };
  return write(tensor, (t) => drawNormal(t, given.mean, given.std, given.generator));
}

/** Options of {@link truncNormal_}. */
export interface TruncNormalOptions extends InitOptions {
  /** Default 0. */
  mean?: number;
  /** Default 1. */
  std?: number;
  /** Smallest value (default -2). */
  a?: number;
  /** Largest value (default 2). */
  b?: number;
}

const TRUNC_NORMAL_OPTIONS: OptionNames<TruncNormalOptions> = { mean: 1, std: 1, a: 1, b: 1, generator: 1 };

function normalCdf(x: number): number {
  const at = full([], x / Math.SQRT2, FLOAT64);
  return (1 + readAt(mapUnary(ERF, at), 0)) / 2;
}

/** Draws from the normal distribution cut off outside [a, b]. Source: `torch.nn.init.trunc_normal_`. */
export function truncNormal_<T extends Tensor>(
  tensor: T,
  mean: number | TruncNormalOptions = 0,
  std = 1,
  a = -2,
  b = 2,
  options: InitOptions = {},
): T {
  checkNames("truncNormal_", mean, TRUNC_NORMAL_OPTIONS);
  checkOptions("truncNormal_", options, INIT_OPTIONS);
  const o =
    typeof mean === "number"
      ? { mean, std, a, b, generator: options.generator }
      : { mean: 0, std: 1, a: -2, b: 2, ...mean };
  return write(tensor, (t) => {
    const low = normalCdf((o.a - o.mean) / o.std);
    const high = normalCdf((o.b - o.mean) / o.std);
    drawUniform(t, 2 * low - 1, 2 * high - 1, o.generator);
    const values = toTyped(mapUnary(ERFINV, t)) as Float32Array | Float64Array;
    const round = values instanceof Float32Array ? Math.fround : (v: number) => v;
    const scale = round(o.std * Math.SQRT2);
    for (let i = 0; i < values.length; i++) {
      const v = round(round((values[i] as number) * scale) + round(o.mean));
      values[i] = Math.min(Math.max(v, o.a), o.b);
    }
    copyInto(t, fromTyped(values, t.shape, t.code));
  });
}

/** Sets every element to `val`. Source: `torch.nn.init.constant_`. */
export function constant_<T extends Tensor>(tensor: T, val: number): T {
  return write(tensor, (t) => fillWith(t, val));
}

/** Sets every element to 1. Source: `torch.nn.init.ones_`. */
export function ones_<T extends Tensor>(tensor: T): T {
  return constant_(tensor, 1);
}

/** Sets every element to 0. Source: `torch.nn.init.zeros_`. */
export function zeros_<T extends Tensor>(tensor: T): T {
  return constant_(tensor, 0);
}

function writeValues(t: Tensor, values: Float64Array): void {
  const made = empty(t.shape, t.code);
  writeNumbers(made, values);
  copyInto(t, made);
}

/** The identity matrix. Source: `torch.nn.init.eye_`. @throws ShapeError unless the tensor is a matrix. */
export function eye_<T extends Tensor>(tensor: T): T {
  if (tensor.shape.length !== 2)
    throw new ShapeError(`[eye_] expected 2 dimensions, got ${show(tensor.shape)}`);
  const [rows, cols] = tensor.shape as [number, number];
  const values = new Float64Array(rows * cols);
  for (let i = 0; i < Math.min(rows, cols); i++) values[i * cols + i] = 1;
  return write(tensor, (t) => writeValues(t, values));
}

const DIRAC_OPTIONS: OptionNames<{ groups?: number }> = { groups: 1 };

/**
 * Convolution weights that pass their input channels on, as many as fit in each group.
 * Source: `torch.nn.init.dirac_`.
 * @throws ShapeError unless there are 3, 4 or 5 dimensions and `groups` divides the first.
 */
export function dirac_<T extends Tensor>(tensor: T, groups: number | { groups?: number } = 1): T {
  checkNames("dirac_", groups, DIRAC_OPTIONS);
  const g = typeof groups === "number" ? groups : (groups.groups ?? 1);
  const { shape } = tensor;
  if (shape.length < 3 || shape.length > 5) {
    throw new ShapeError(`[dirac_] expected 3, 4 or 5 dimensions, got ${show(shape)}`);
  }
  const [out, channels, ...kernel] = shape as [number, number, ...number[]];
  if (out % g !== 0) throw new ShapeError(`[dirac_] ${g} groups do not divide dimension 0 of ${show(shape)}`);
  const size = kernel.reduce((a, b) => a * b, 1);
  const middle = kernel.reduce((at, k) => at * k + Math.floor(k / 2), 0);
  const perGroup = out / g;
  const values = new Float64Array(out * channels * size);
  for (let i = 0; i < g; i++) {
    for (let d = 0; d < Math.min(perGroup, channels); d++) {
      values[((i * perGroup + d) * channels + d) * size + middle] = 1;
    }
  }
  return write(tensor, (t) => writeValues(t, values));
}

/** Inputs and outputs of one element of a weight's output, by its shape. Source: `_calculate_fan_in_and_fan_out`. */
export function calculateFanInAndFanOut(tensor: Tensor): [fanIn: number, fanOut: number] {
  const { shape } = tensor;
  if (shape.length < 2) {
    throw new ShapeError(`[init] fan in and fan out need at least 2 dimensions, got ${show(shape)}`);
  }
  const field = shape.slice(2).reduce((a, b) => a * b, 1);
  return [(shape[1] as number) * field, (shape[0] as number) * field];
}

/** Which fan keeps its variance. */
export type FanMode = "fanIn" | "fanOut" | "fan_in" | "fan_out";

/** Functions with a known gain, in camelCase or PyTorch's spelling. */
export type Nonlinearity =
  | "linear"
  | "conv1d"
  | "conv2d"
  | "conv3d"
  | "convTranspose1d"
  | "convTranspose2d"
  | "convTranspose3d"
  | "conv_transpose1d"
  | "conv_transpose2d"
  | "conv_transpose3d"
  | "sigmoid"
  | "tanh"
  | "relu"
  | "leakyRelu"
  | "leaky_relu"
  | "selu";

const CALCULATE_GAIN_OPTIONS: OptionNames<{ param?: number }> = { param: 1 };

/**
 * The factor by which a nonlinearity shrinks the spread of its input. `param` is the slope of a leaky relu (0.01 by
 * default). Source: `torch.nn.init.calculate_gain`.
 * @throws ValueError for an unknown name.
 */
export function calculateGain(
  nonlinearity: Nonlinearity,
  param?: number | { param?: number } | null,
): number {
  checkNames("calculateGain", param, CALCULATE_GAIN_OPTIONS);
  const slope = typeof param === "object" ? param?.param : param;
  const name = toKey(nonlinearity);
  if (/^(linear|conv(_transpose)?[123]d|sigmoid)$/.test(name)) return 1;
  if (name === "tanh") return 5 / 3;
  if (name === "relu") return Math.SQRT2;
  if (name === "leaky_relu") return Math.sqrt(2 / (1 + (slope ?? 0.01) ** 2));
  if (name === "selu") return 3 / 4;
  throw new ValueError(
    `[calculateGain] unknown nonlinearity "${nonlinearity}": expected linear, sigmoid, tanh, relu, leakyRelu, selu or a convolution`,
  );
}

const GAIN_OPTIONS: OptionNames<InitOptions & { gain?: number }> = { ...INIT_OPTIONS, gain: 1 };

function gainOf(
  fn: string,
  gain: number | (InitOptions & { gain?: number }),
): InitOptions & { gain: number } {
  checkNames(fn, gain, GAIN_OPTIONS);
  return typeof gain === "number" ? { gain } : { gain: 1, ...gain };
}

function xavierStd(tensor: Tensor, gain: number): number {
  const [fanIn, fanOut] = calculateFanInAndFanOut(tensor);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

/** Uniform in ±gain sqrt(6 / (fanIn + fanOut)). Source: `torch.nn.init.xavier_uniform_`. */
export function xavierUniform_<T extends Tensor>(
  tensor: T,
  gain: number | (InitOptions & { gain?: number }) = 1,
): T {
  const o = gainOf("xavierUniform_", gain);
  const bound = Math.sqrt(3) * xavierStd(tensor, o.gain);
  return uniform_(tensor, -bound, bound, sourceOf(o));
}

/** Normal with std gain sqrt(2 / (fanIn + fanOut)). Source: `torch.nn.init.xavier_normal_`. */
export function xavierNormal_<T extends Tensor>(
  tensor: T,
  gain: number | (InitOptions & { gain?: number }) = 1,
): T {
  const o = gainOf("xavierNormal_", gain);
  return normal_(tensor, 0, xavierStd(tensor, o.gain), sourceOf(o));
}

/** Options of the Kaiming initialisers. */
export interface KaimingOptions extends InitOptions {
  /** Slope of the leaky relu that follows (default 0). */
  a?: number;
  /** Which fan keeps its variance (default "fanIn"). */
  mode?: FanMode;
  /** The function that follows (default "leakyRelu"). */
  nonlinearity?: Nonlinearity;
}

const KAIMING_OPTIONS: OptionNames<KaimingOptions> = { a: 1, mode: 1, nonlinearity: 1, generator: 1 };

function kaimingStd(
  tensor: Tensor,
  { a = 0, mode = "fanIn", nonlinearity = "leakyRelu" }: KaimingOptions,
): number {
  const [fanIn, fanOut] = calculateFanInAndFanOut(tensor);
  const key = toKey(mode).toLowerCase();
  if (key !== "fan_in" && key !== "fan_out") {
    throw new ValueError(`[kaiming] unknown mode "${mode}": expected "fanIn" or "fanOut"`);
  }
  return calculateGain(nonlinearity, a) / Math.sqrt(key === "fan_in" ? fanIn : fanOut);
}

/** Uniform in ±gain sqrt(3 / fan). Source: `torch.nn.init.kaiming_uniform_`. */
export function kaimingUniform_<T extends Tensor>(tensor: T, options: KaimingOptions | number = {}): T {
  checkNames("kaimingUniform_", options, KAIMING_OPTIONS);
  const o = typeof options === "number" ? { a: options } : options;
  if (tensor.numel === 0) return tensor;
  const bound = Math.sqrt(3) * kaimingStd(tensor, o);
  return uniform_(tensor, -bound, bound, sourceOf(o));
}

/** Normal with std gain / sqrt(fan). Source: `torch.nn.init.kaiming_normal_`. */
export function kaimingNormal_<T extends Tensor>(tensor: T, options: KaimingOptions | number = {}): T {
  checkNames("kaimingNormal_", options, KAIMING_OPTIONS);
  const o = typeof options === "number" ? { a: options } : options;
  if (tensor.numel === 0) return tensor;
  return normal_(tensor, 0, kaimingStd(tensor, o), sourceOf(o));
}

/**
 * The orthonormal columns Q of A = QR with R's diagonal positive, for A of n rows and m <= n columns, row-major:
 * Householder reflections in float64.
 */
function orthonormal(a: Float64Array, n: number, m: number): Float64Array {
  const r = a.slice();
  const diagonal = new Float64Array(m);
  for (let k = 0; k < m; k++) {
    let squares = 0;
    for (let i = k; i < n; i++) squares += (r[i * m + k] as number) ** 2;
    const norm = Math.sqrt(squares);
    const head = r[k * m + k] as number;
    const alpha = head > 0 ? -norm : norm;
    diagonal[k] = alpha;
    if (norm === 0) continue;
    r[k * m + k] = head - alpha;
    reflect(r, r, n, m, k, k + 1);
  }
  const q = new Float64Array(n * m);
  for (let j = 0; j < m; j++) q[j * m + j] = 1;
  for (let k = m - 1; k >= 0; k--) reflect(r, q, n, m, k, k);
  for (let j = 0; j < m; j++) {
    const sign = Math.sign(diagonal[j] as number);
    for (let i = 0; i < n; i++) q[i * m + j] = (q[i * m + j] as number) * sign;
  }
  return q;
}

/** x -= 2 v (v·x) / (v·v) for the columns of x from `from` on; v is column k of `r` below the diagonal. */
function reflect(r: Float64Array, x: Float64Array, n: number, m: number, k: number, from: number): void {
  let vv = 0;
  for (let i = k; i < n; i++) vv += (r[i * m + k] as number) ** 2;
  if (vv === 0) return;
  const dots = new Float64Array(m);
  for (let i = k; i < n; i++) {
    const v = r[i * m + k] as number;
    for (let j = from; j < m; j++) dots[j] = (dots[j] as number) + v * (x[i * m + j] as number);
  }
  for (let i = k; i < n; i++) {
    const v = (2 * (r[i * m + k] as number)) / vv;
    for (let j = from; j < m; j++) x[i * m + j] = (x[i * m + j] as number) - v * (dots[j] as number);
  }
}

/**
 * A (semi-)orthogonal matrix times `gain`; dimensions after the first count as one. Source: `torch.nn.init.orthogonal_`.
 * @throws ShapeError for fewer than 2 dimensions.
 */
export function orthogonal_<T extends Tensor>(
  tensor: T,
  gain: number | (InitOptions & { gain?: number }) = 1,
): T {
  if (tensor.shape.length < 2)
    throw new ShapeError(`[orthogonal_] expected at least 2 dimensions, got ${show(tensor.shape)}`);
  if (tensor.numel === 0) return tensor;
  const o = gainOf("orthogonal_", gain);
  const rows = tensor.shape[0] as number;
  const cols = tensor.numel / rows;
  const wide = rows < cols;
  const [n, m] = wide ? [cols, rows] : [rows, cols];
  const at = (i: number, j: number) => (wide ? j * cols + i : i * cols + j);
  return write(tensor, (t) => {
    const drawn = toTyped(drawNormal(empty([rows, cols], t.code), 0, 1, o.generator)) as Float64Array;
    const a = new Float64Array(n * m);
    for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) a[i * m + j] = drawn[at(i, j)] as number;
    const q = orthonormal(a, n, m);
    const values = new Float64Array(n * m);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < m; j++) values[at(i, j)] = (q[i * m + j] as number) * o.gain;
    writeValues(t, values);
  });
}

const SPARSE_OPTIONS: OptionNames<InitOptions & { std?: number }> = { generator: 1, std: 1 };

/**
 * Normal values of which a fraction `sparsity` of each column is set to zero. Source: `torch.nn.init.sparse_`.
 * @throws ShapeError unless the tensor is a matrix.
 */
export function sparse_<T extends Tensor>(
  tensor: T,
  sparsity: number,
  std: number | (InitOptions & { std?: number }) = 0.01,
): T {
  checkNames("sparse_", std, SPARSE_OPTIONS);
  if (tensor.shape.length !== 2)
    throw new ShapeError(`[sparse_] expected 2 dimensions, got ${show(tensor.shape)}`);
  const o = typeof std === "number" ? { std } : { std: 0.01, ...std };
  const generator = "generator" in o ? o.generator : undefined;
  const [rows, cols] = tensor.shape as [number, number];
  const zeros = Math.ceil(sparsity * rows);
  return write(tensor, (t) => {
    const values = Float64Array.from(toTyped(drawNormal(t, 0, o.std, generator)) as Float64Array);
    for (let j = 0; j < cols; j++) {
      const order = toTyped(randperm(rows, { generator: generator ?? null })) as BigInt64Array;
      for (let i = 0; i < zeros; i++) values[Number(order[i]) * cols + j] = 0;
    }
    writeValues(t, values);
  });
}
