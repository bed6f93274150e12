/**
 * Resampling to another size. Nearest neighbours pick positions; every other mode is separable, one sparse matrix of
 * weights for each axis. Positions and weights are computed in the input's precision, as PyTorch does.
 */

import { FLOAT32, isFloat } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d } from "./adaptivePool.js";
import { axisSum, type Banded, banded, pickAxes } from "./axisMap.js";
import { clone } from "./cast.js";
import { needTensor } from "./core.js";

/** How values between the input's positions are found. */
export type InterpolateMode =
  | "nearest"
  | "nearest-exact"
  | "linear"
  | "bilinear"
  | "bicubic"
  | "trilinear"
  | "area";

/** Options of {@link interpolate}. */
export interface InterpolateOptions {
  /** Size of the output; either this or a scale factor. */
  size?: number | readonly number[] | null;
  /** Size of the output as a multiple of the input's. */
  scaleFactor?: number | readonly number[] | null;
  /** How values in between are found (default "nearest"). */
  mode?: InterpolateMode;
  /** Let the first and last positions of input and output coincide, in place of their outer edges (default false). */
  alignCorners?: boolean | null;
  /** Compute positions from the sizes, in place of the given scale factor (default false). */
  recomputeScaleFactor?: boolean | null;
  /** Average over what an output covers when making images smaller, for bilinear and bicubic (default false). */
  antialias?: boolean;
}

const INTERPOLATE_OPTIONS: OptionNames<InterpolateOptions> = {
  size: 1,
  scaleFactor: 1,
  mode: 1,
  alignCorners: 1,
  recomputeScaleFactor: 1,
  antialias: 1,
};

/** Spatial dimensions that each mode is for; 0 for any. */
const RANKS: Readonly<Record<InterpolateMode, number>> = {
  nearest: 0,
  "nearest-exact": 0,
  area: 0,
  linear: 1,
  bilinear: 2,
  bicubic: 2,
  trilinear: 3,
};

/** One axis of a resampling. */
interface Axis {
  readonly n: number;
  readonly out: number;
  /** The given scale factor, if positions are computed from it. */
  readonly scale: number | null;
  readonly align: boolean;
  /** Rounds to the input's precision. */
  readonly round: (v: number) => number;
}

/** Distance of neighbouring outputs in input positions. */
function stepOf({ n, out, scale, align, round }: Axis): number {
  if (align) return out > 1 ? round((n - 1) / (out - 1)) : 0;
  return scale !== null && scale > 0 ? round(1 / scale) : round(n / out);
}

/** Input position of the middle of output `i`. */
function centre({ align, round }: Axis, step: number, i: number): number {
  return align ? round(step * i) : round(round(step * (i + 0.5)) - 0.5);
}

function nearestMap(axis: Axis, exact: boolean): Int32Array {
  const step = stepOf(axis);
  return Int32Array.from({ length: axis.out }, (_, i) => {
    const at = exact ? axis.round(Math.max(0, centre(axis, step, i)) + 0.5) : axis.round(step * i);
    return Math.min(Math.floor(Math.fround(at)), axis.n - 1);
  });
}

type Row = (readonly [col: number, weight: number])[];

function linearRows(axis: Axis): Row[] {
  const step = stepOf(axis);
  return Array.from({ length: axis.out }, (_, i) => {
    if (axis.n === axis.out) return [[i, 1]];
    const at = Math.max(0, centre(axis, step, i));
    const low = Math.min(Math.floor(at), axis.n - 1);
    const t = Math.min(Math.max(axis.round(at - low), 0), 1);
    return low === axis.n - 1
      ? [[low, 1]]
      : [
          [low, axis.round(1 - t)],
          [low + 1, t],
        ];
  });
}

/** Keys' cubic kernel with parameter a, for |x| <= 1 and for 1 <= |x| <= 2. @internal */
const cubicNear = (a: number, x: number): number => ((a + 2) * x - (a + 3)) * x * x + 1;
/** @internal */
const cubicFar = (a: number, x: number): number => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;

function cubicRows(axis: Axis): Row[] {
  const step = stepOf(axis);
  const a = -0.75;
  return Array.from({ length: axis.out }, (_, i) => {
    const at = centre(axis, step, i);
    const low = Math.floor(at);
    const t = axis.round(at - low);
    const weights = [cubicFar(a, t + 1), cubicNear(a, t), cubicNear(a, 1 - t), cubicFar(a, 2 - t)];
    return weights.map((w, k) => [Math.min(axis.n - 1, Math.max(0, low - 1 + k)), w] as const);
  });
}

/** Rows of a filter of the given radius, widened by the step when that is above 1, each of sum 1. */
function antialiasRows(axis: Axis, radius: number, filter: (x: number) => number): Row[] {
  const { n, round } = axis;
  const step = stepOf(axis);
  const support = step >= 1 ? round(radius * step) : radius;
  const squeeze = step >= 1 ? round(1 / step) : 1;
  return Array.from({ length: axis.out }, (_, i) => {
    const middle = round(step * (i + 0.5));
    const from = Math.max(0, Math.trunc(round(round(middle - support) + 0.5)));
    const to = Math.min(n, Math.trunc(round(round(middle + support) + 0.5)));
    const weights = Array.from({ length: to - from }, (_, j) => filter((j + from - middle + 0.5) * squeeze));
    const total = weights.reduce((p, q) => p + q, 0);
    return weights.map((w, j) => [from + j, total === 0 ? w : w / total] as const);
  });
}

const tent = (x: number) => Math.max(0, 1 - Math.abs(x));
const cubic = (x: number) => {
  const d = Math.abs(x);
  return d < 1 ? cubicNear(-0.5, d) : d < 2 ? cubicFar(-0.5, d) : 0;
};

function matrixOf(axis: Axis, isCubic: boolean, antialias: boolean): Banded {
  if (antialias)
    return banded(axis.n, isCubic ? antialiasRows(axis, 2, cubic) : antialiasRows(axis, 1, tent));
  return banded(axis.n, isCubic ? cubicRows(axis) : linearRows(axis));
}

/** A list of `rank` numbers from an option. */
function listOf(name: string, value: number | readonly number[], x: Tensor, rank: number): readonly number[] {
  if (typeof value === "number") return new Array<number>(rank).fill(value);
  if (value.length !== rank) {
    throw new ShapeError(
      `[interpolate] expected a ${name} for each of the ${rank} spatial dimensions of ${show(x.shape)}, got ${show(value)}`,
    );
  }
  return value;
}

function targets(
  x: Tensor,
  rank: number,
  o: InterpolateOptions,
): { sizes: readonly number[]; scales: readonly number[] | null } {
  const { size = null, scaleFactor = null } = o;
  if ((size === null) === (scaleFactor === null)) {
    throw new ValueError(
      `[interpolate] expected either size or scaleFactor, got ${size === null ? "neither" : "both"}`,
    );
  }
  if (size !== null) {
    if (o.recomputeScaleFactor === true)
      throw new ValueError(
        "[interpolate] recomputeScaleFactor means nothing with a size; try leaving it out",
      );
    return { sizes: listOf("size", size, x, rank), scales: null };
  }
  const scales = listOf("scaleFactor", scaleFactor as number | readonly number[], x, rank);
  const sizes = scales.map((s, d) => Math.floor((x.shape[d + 2] as number) * s));
  return { sizes, scales: o.recomputeScaleFactor === true || o.mode === "area" ? null : scales };
}

const AREA = [adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d] as const;

/**
 * Resamples (N, C, ...) with one to three spatial dimensions to `size`, or to `scaleFactor` times its size.
 * Modes: "nearest", "nearest-exact" and "area" for any number of dimensions, "linear" for one, "bilinear" and
 * "bicubic" for two, "trilinear" for three. Source: `torch.nn.functional.interpolate`.
 * @example
 * interpolate(tensor([[[1, 2]]]), { scaleFactor: 2 }).toArray(); // [[[1, 1, 2, 2]]]
 * interpolate(ones([1, 3, 4, 4]), { size: [8, 6], mode: "bilinear" }).shape; // [1, 3, 8, 6]
 * @throws ValueError unless either size or scaleFactor is given.
 */
export function interpolate(input: Tensor, options: InterpolateOptions = {}): Tensor {
  needTensor("interpolate", input);
  checkOptions("interpolate", options, INTERPOLATE_OPTIONS);
  const mode = options.mode ?? "nearest";
  const rank = input.shape.length - 2;
  const needed = RANKS[mode] as number | undefined;
  if (needed === undefined) {
    throw new ValueError(
      `[interpolate] unknown mode "${mode}": expected one of ${Object.keys(RANKS).join(", ")}`,
    );
  }
  if (rank < 1 || rank > 3 || (needed !== 0 && needed !== rank)) {
    const dims = needed === 0 ? "3, 4 or 5" : `${needed + 2}`;
    throw new ShapeError(
      `[interpolate] mode "${mode}" expects an input of ${dims} dimensions, got shape ${show(input.shape)}`,
    );
  }
  if (needed === 0 && options.alignCorners !== undefined && options.alignCorners !== null) {
    throw new ValueError(
      `[interpolate] alignCorners is for linear, bilinear, bicubic and trilinear, got mode "${mode}"; try leaving it out`,
    );
  }
  const antialias = options.antialias === true;
  if (antialias && mode !== "bilinear" && mode !== "bicubic") {
    throw new ValueError(`[interpolate] antialias is for bilinear and bicubic, got mode "${mode}"`);
  }
  const { sizes, scales } = targets(input, rank, { ...options, mode });
  if (sizes.some((n) => !Number.isInteger(n) || n < 1) || input.shape.slice(1).some((n) => n < 1)) {
    throw new ShapeError(
      `[interpolate] input and output must have elements: got ${show(input.shape)} and output size ${show(sizes)}`,
    );
  }
  if (mode === "area") return (AREA[rank - 1] as typeof adaptiveAvgPool2d)(input, sizes);
  const axes: Axis[] = sizes.map((out, d) => ({
    n: input.shape[d + 2] as number,
    out,
    scale: scales?.[d] ?? null,
    align: needed !== 0 && options.alignCorners === true,
    round: input.code === FLOAT32 ? Math.fround : (v: number) => v,
  }));
  if (needed === 0) {
    return pickAxes(
      input,
      axes.map((axis) => nearestMap(axis, mode === "nearest-exact")),
    );
  }
  if (!isFloat(input.code))
    throw new DTypeError(
      `[interpolate] mode "${mode}" expects a floating dtype, got ${input.dtype}; try input.to("float32")`,
    );
  // What shrinks goes first, and the contiguous axis, which is the slowest, while there is least of the rest.
  const order = axes.map((_, d) => d);
  const grows = (d: number) => (axes[d] as Axis).out >= (axes[d] as Axis).n;
  order.sort((a, b) => Number(grows(a)) - Number(grows(b)) || (grows(a) ? b - a : a - b));
  return order.reduce(
    (x, d) => {
      const axis = axes[d] as Axis;
      if (mode !== "bicubic" && axis.n === axis.out && !antialias) return x;
      return axisSum(x, d + 2, matrixOf(axis, mode === "bicubic", antialias));
    },
    identity(input, axes),
  );
}

/** A result that is a tensor of its own even when nothing changes. */
function identity(x: Tensor, axes: readonly Axis[]): Tensor {
  return axes.every(({ n, out }) => n === out) ? clone(x) : x;
}

/** Options of {@link upsampleNearest} and {@link upsampleBilinear}. */
export type UpsampleOptions = Pick<InterpolateOptions, "size" | "scaleFactor">;

/** @internal */
export const UPSAMPLE_OPTIONS: OptionNames<UpsampleOptions> = { size: 1, scaleFactor: 1 };

/** Same as {@link interpolate}. Source: `torch.nn.functional.upsample`. */
export function upsample(input: Tensor, options: InterpolateOptions = {}): Tensor {
  needTensor("upsample", input);
  checkOptions("upsample", options, INTERPOLATE_OPTIONS);
  return interpolate(input, options);
}

/** {@link interpolate} in mode "nearest". Source: `torch.nn.functional.upsample_nearest`. */
export function upsampleNearest(input: Tensor, options: UpsampleOptions = {}): Tensor {
  needTensor("upsampleNearest", input);
  checkOptions("upsampleNearest", options, UPSAMPLE_OPTIONS);
  return interpolate(input, { ...options, mode: "nearest" });
}

/** {@link interpolate} in mode "bilinear" with aligned corners. Source: `torch.nn.functional.upsample_bilinear`. */
export function upsampleBilinear(input: Tensor, options: UpsampleOptions = {}): Tensor {
  needTensor("upsampleBilinear", input);
  checkOptions("upsampleBilinear", options, UPSAMPLE_OPTIONS);
  return interpolate(input, { ...options, mode: "bilinear", alignCorners: true });
}
