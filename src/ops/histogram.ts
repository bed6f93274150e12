/** Counts by bin: histc, histogram, histogramdd, bincount. None is differentiable. */

import { kernels } from "../kernels/index.js";
import { BOOL, FLOAT32, FLOAT64, INT64, isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { nextOp, release } from "../tensor/heap.js";
import { kernelFor, kernelTable } from "../tensor/launch.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { castTo, contiguous, copyOf, fromTyped, full, ptr, readAt, toNumbers } from "../tensor/raw.js";
import { numelOf, sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { reduceBlocks } from "./sum.js";

const MIN = kernelTable("min");
const MAX = kernelTable("max");
const HISTC = kernelTable("histc");
const BINCOUNT_WEIGHTED = kernelTable("bincountWeighted");

function checkFloat(op: string, x: Tensor): void {
  if (!isFloat(x.code))
    throw new DTypeError(`[${op}] expected a floating dtype, got ${nameOf(x.code)}; try x.to("float32")`);
}

function checkBins(op: string, bins: number): void {
  if (!Number.isInteger(bins) || bins < 1)
    throw new ValueError(`[${op}] bins ${bins}: expected a whole number above 0`);
}

/** Smallest and largest element; [0, 0] of nothing, NaN of what holds NaN. @internal */
export function extremesOf(x: Tensor): [low: number, high: number] {
  if (x.numel === 0) return [0, 0];
  const dims = x.shape.map((_, d) => d);
  const [low, high] = [MIN, MAX].map((table) => {
    const out = reduceBlocks(table, x, dims, false, x.code);
    const value = readAt(out, 0);
    release(out.storage);
    return value;
  });
  return [low as number, high as number];
}

/** Smallest and largest; [0, 0] of nothing. */
function extent(values: readonly number[]): [number, number] {
  if (values.length === 0) return [0, 0];
  let [low, high] = [values[0] as number, values[0] as number];
  for (const v of values) {
    if (v < low || Number.isNaN(v)) low = v;
    if (v > high || Number.isNaN(v)) high = v;
  }
  return [low, high];
}

function checkRange(op: string, low: number, high: number): void {
  if (!Number.isFinite(low) || !Number.isFinite(high) || low > high) {
    throw new ValueError(`[${op}] range ${low} to ${high}: expected finite bounds, the lower first`);
  }
}

/** Options of {@link histc}. */
export interface HistcOptions {
  /** Number of bins (default 100). */
  bins?: number;
  /** Lower bound (default 0). */
  min?: number;
  /** Upper bound, included (default 0); with both equal, the range of the data. */
  max?: number;
}

const HISTC_OPTIONS: OptionNames<HistcOptions> = { bins: 1, min: 1, max: 1 };

/**
 * How many elements fall into each of `bins` bins of equal width from `min` to `max`; what lies outside is left out.
 * Source: `torch.histc`.
 * @example
 * histc(tensor([1, 2, 1.5]), { bins: 4, min: 0, max: 4 }).toArray(); // [0, 2, 1, 0]
 */
export function histc(x: Tensor, bins?: number | HistcOptions, options?: HistcOptions): Tensor {
  checkNames("histc", bins, HISTC_OPTIONS);
  checkOptions("histc", options, HISTC_OPTIONS);
  const o = typeof bins === "object" ? bins : { ...options, ...(bins === undefined ? {} : { bins }) };
  const { bins: count = 100, min = 0, max = 0 } = o;
  nextOp();
  checkFloat("histc", x);
  checkBins("histc", count);
  let [low, high] = min === max ? extremesOf(x) : [min, max];
  if (low === high) [low, high] = [low - 1, high + 1];
  checkRange("histc", low, high);
  const data = contiguous(x);
  const out = full([count], 0, x.code);
  if (x.numel > 0) kernelFor(HISTC, x.code)(ptr(data), ptr(out), x.numel, count, low, high);
  return out;
}

/** Options of {@link histogram} and {@link histogramdd}. */
export interface HistogramOptions {
  /** Bounds of the bins where only their number is given; for histogramdd a pair for each dimension, in one list. */
  range?: readonly number[] | null;
  /** Weight of each element. */
  weight?: Tensor | null;
  /** Give a density, whose integral is 1, in place of counts (default false). */
  density?: boolean;
}

const HISTOGRAM_OPTIONS: OptionNames<HistogramOptions> = { range: 1, weight: 1, density: 1 };

/** Values, and the edges of their bins: one more than bins. */
export interface Histogram {
  /** Counts, or sums of weights, of the bins; densities with `density: true`. */
  hist: Tensor;
  /** Where the bins begin and the last one ends. */
  binEdges: Tensor;
}

/** A histogram over several dimensions. */
export interface HistogramDd {
  /** Counts, or sums of weights, of the bins; densities with `density: true`. */
  hist: Tensor;
  /** The edges for each dimension. */
  binEdges: Tensor[];
}

/** The edges of one dimension: given, or evenly spaced over a range. */
function edgesOf(
  op: string,
  bins: number | Tensor,
  range: readonly [number, number] | null,
  values: () => number[],
  like: Tensor,
): Tensor {
  if (bins instanceof Tensor) {
    if (bins.shape.length !== 1 || bins.numel === 0)
      throw new ShapeError(`[${op}] edges must be a vector, got shape ${show(bins.shape)}`);
    if (bins.code !== like.code)
      throw new DTypeError(
        `[${op}] edges of dtype ${nameOf(bins.code)}: expected ${nameOf(like.code)}, as the input`,
      );
    return bins.detach();
  }
  checkBins(op, bins);
  const of = range === null ? values() : [];
  let [low, high] = range ?? (of.length === 0 ? [0, 1] : extent(of));
  checkRange(op, low, high);
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const step = (high - low) / bins;
  const edges = Float64Array.from({ length: bins + 1 }, (_, i) =>
    i < (bins + 1) / 2 ? low + i * step : high - (bins - i) * step,
  );
  return castTo(fromTyped(edges, [bins + 1], FLOAT64), like.code);
}

/** The bin of v among ascending edges, the last one closed; -1 outside. */
function binOf(edges: readonly number[], v: number): number {
  const last = edges.length - 1;
  if (!(v >= (edges[0] as number) && v <= (edges[last] as number))) return -1;
  let [low, high] = [0, last + 1];
  while (low < high) {
    const mid = (low + high) >> 1;
    if ((edges[mid] as number) > v) high = mid;
    else low = mid + 1;
  }
  return Math.min(low - 1, last - 1);
}

/** Counts of points [n, D] (row-major), by the edges of each dimension. */
function countPoints(
  op: string,
  points: readonly number[],
  edges: readonly Tensor[],
  x: Tensor,
  o: HistogramOptions,
): Tensor {
  const D = edges.length;
  const n = D === 0 ? 0 : points.length / D;
  const lists = edges.map(toNumbers);
  const sizes = lists.map((e) => Math.max(0, e.length - 1));
  const bins = new Float64Array(numelOf(sizes));
  const weights = o.weight === undefined || o.weight === null ? null : toNumbers(o.weight);
  if (weights !== null && weights.length !== n)
    throw new ShapeError(`[${op}] ${weights.length} weights for ${n} points: expected as many`);
  let total = 0;
  for (let i = 0; i < n; i++) {
    let at = 0;
    for (let d = 0; d < D && at >= 0; d++) {
      const bin = binOf(lists[d] as number[], points[i * D + d] as number);
      at = bin < 0 ? -1 : at * (sizes[d] as number) + bin;
    }
    if (at < 0) continue;
    const w = weights?.[i] ?? 1;
    bins[at] = (bins[at] as number) + w;
    total += w;
  }
  if (o.density === true) {
    for (let i = 0; i < bins.length; i++) {
      let [rest, volume] = [i, 1];
      for (let d = D - 1; d >= 0; d--) {
        const e = lists[d] as number[];
        const bin = rest % (sizes[d] as number);
        volume *= (e[bin + 1] as number) - (e[bin] as number);
        rest = Math.floor(rest / (sizes[d] as number));
      }
      bins[i] = (bins[i] as number) / total / volume;
    }
  }
  return castTo(fromTyped(bins, sizes, FLOAT64), x.code);
}

/**
 * Counts (or weights, or a density) by bins: a number of equal ones, or their edges. The last bin includes its upper
 * edge. Source: `torch.histogram`.
 */
export function histogram(x: Tensor, bins: number | Tensor, options: HistogramOptions = {}): Histogram {
  checkOptions("histogram", options, HISTOGRAM_OPTIONS);
  const op = "histogram";
  nextOp();
  checkFloat(op, x);
  const { weight = null, range = null } = options;
  if (weight !== null && !sameShape(weight.shape, x.shape)) {
    throw new ShapeError(
      `[${op}] weight of shape ${show(weight.shape)}: expected ${show(x.shape)}, the input's`,
    );
  }
  const values = toNumbers(x);
  const binEdges = edgesOf(
    op,
    bins,
    range === null ? null : [range[0] as number, range[1] as number],
    () => values,
    x,
  );
  const hist = countPoints(op, values, [binEdges], x, options);
  return { hist, binEdges: binEdges.storage === (bins as Tensor).storage ? copyOf(binEdges) : binEdges };
}

/**
 * {@link histogram} of points [..., D] in D dimensions; `bins` has a number or the edges for each, or one number for all.
 * Source: `torch.histogramdd`.
 */
export function histogramdd(
  x: Tensor,
  bins: number | readonly (number | Tensor)[],
  options: HistogramOptions = {},
): HistogramDd {
  checkOptions("histogramdd", options, HISTOGRAM_OPTIONS);
  const op = "histogramdd";
  nextOp();
  checkFloat(op, x);
  if (x.shape.length < 2)
    throw new ShapeError(`[${op}] expected points of shape [..., D], got ${show(x.shape)}`);
  const D = x.shape[x.shape.length - 1] as number;
  const each = typeof bins === "number" ? new Array<number>(D).fill(bins) : bins;
  if (each.length !== D)
    throw new ValueError(`[${op}] bins for ${each.length} dimensions, but points have ${D}`);
  const { range = null } = options;
  if (range !== null && range.length !== 2 * D)
    throw new ValueError(`[${op}] range of ${range.length} numbers: expected ${2 * D}, a pair per dimension`);
  const points = toNumbers(x);
  const binEdges = each.map((b, d) => {
    const bounds = range === null ? null : ([range[2 * d] as number, range[2 * d + 1] as number] as const);
    return edgesOf(op, b, bounds, () => points.filter((_, i) => i % D === d), x);
  });
  return { hist: countPoints(op, points, binEdges, x, options), binEdges };
}

/** Options of {@link bincount}. */
export interface BincountOptions {
  /** Count each element as much as this. */
  weights?: Tensor | null;
  /** Least number of bins (default 0). */
  minlength?: number;
}

const BINCOUNT_OPTIONS: OptionNames<BincountOptions> = { weights: 1, minlength: 1 };

/**
 * How often each whole number from 0 on occurs in a vector: int64, or with weights their sums (float32 for float32
 * weights, else float64). Source: `torch.bincount`.
 * @example
 * bincount(tensor([0, 2, 2])).toArray(); // [1, 0, 2]
 * @throws ValueError for negative numbers.
 */
export function bincount(x: Tensor, options: BincountOptions = {}): Tensor {
  checkOptions("bincount", options, BINCOUNT_OPTIONS);
  const op = "bincount";
  const { weights = null, minlength = 0 } = options;
  nextOp();
  if (isFloat(x.code) || x.code === BOOL)
    throw new DTypeError(`[${op}] expected integers, got ${nameOf(x.code)}; try x.to("int64")`);
  if (x.shape.length !== 1) throw new ShapeError(`[${op}] expected a vector, got shape ${show(x.shape)}`);
  if (!Number.isInteger(minlength) || minlength < 0)
    throw new ValueError(`[${op}] minlength ${minlength}: expected a whole number, 0 or above`);
  if (weights !== null && !sameShape(weights.shape, x.shape)) {
    throw new ShapeError(
      `[${op}] weights of shape ${show(weights.shape)}: expected ${show(x.shape)}, the input's`,
    );
  }
  const values = contiguous(castTo(x, INT64));
  const [low, high] = extremesOf(values);
  if (low < 0) throw new ValueError(`[${op}] got ${low}: expected whole numbers, 0 or above`);
  const size = Math.max(minlength, x.numel === 0 ? 0 : high + 1);
  if (weights === null) {
    const out = full([size], 0, INT64);
    if (x.numel > 0) kernels.bincount_i64(ptr(values), ptr(out), x.numel);
    return out;
  }
  const w = contiguous(castTo(weights, weights.code === FLOAT32 ? FLOAT32 : FLOAT64));
  const out = full([size], 0, FLOAT64);
  if (x.numel > 0) kernelFor(BINCOUNT_WEIGHTED, w.code)(ptr(values), ptr(w), ptr(out), x.numel);
  return castTo(out, w.code);
}
