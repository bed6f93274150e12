/**
 * Sampling at the points of a grid. An output is a weighted sum of taps, linear in the image and in the weights, so
 * the three ops below are each other's derivatives; the weights are ordinary differentiable functions of the grid.
 */

import { defineOp, type Op, run } from "../autograd/op.js";
import { FLOAT32, FLOAT64, INT32, isFloat } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { contiguous, empty, fromTyped, ptr, toTyped } from "../tensor/raw.js";
import { numelOf } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, mul, sub } from "./arithmetic.js";
import { detach } from "./cast.js";
import { needTensor } from "./core.js";
import { stack } from "./join.js";
import { matmul } from "./matmul.js";
import { overPlanes } from "./poolRaw.js";
import { floor } from "./rounding.js";
import { reshape, select, transpose, unsqueeze } from "./view.js";

const SAMPLE = kernelTable("sample");
const PUT = kernelTable("samplePut");
const WEIGHT = kernelTable("sampleWeight");

interface Taps {
  /** Elements of a plane of the image. */
  readonly size: number;
  readonly channels: number;
}

/** [N, C, P] from planes [N, C, S], weights [N, T, P] and places [N, T, P] in the planes, -1 for none. */
const sampleOp: Op<Taps> = defineOp<Taps>({
  name: "GridSample",
  saves: true,
  forward: ([x, w, index], { size, channels }) => {
    const [image, weight, at] = [contiguous(x as Tensor), contiguous(w as Tensor), index as Tensor];
    const [n, taps, points] = at.shape as [number, number, number];
    const out = empty([n, channels, points], image.code);
    if (out.numel === 0) return out;
    const sizes = [channels, size, taps, points];
    overPlanes(
      SAMPLE,
      out.code,
      [ptr(image), ptr(weight), ptr(at), ptr(out)],
      sizes,
      n * channels,
      4 * taps * points,
    );
    return out;
  },
  backward: (g, n) => [
    n.needs(0) ? run(putOp, [g, n.input(1), n.input(2)], n.attrs) : null,
    n.needs(1) ? run(weightOp, [n.input(0), g, n.input(2)], n.attrs) : null,
  ],
});

const putOp: Op<Taps> = defineOp<Taps>({
  name: "GridSampleImage",
  saves: true,
  forward: ([g, w, index], { size, channels }) => {
    const [grad, weight, at] = [contiguous(g as Tensor), contiguous(w as Tensor), index as Tensor];
    const [n, taps, points] = at.shape as [number, number, number];
    const out = empty([n, channels, size], grad.code);
    if (out.numel === 0) return out;
    const sizes = [channels, size, taps, points];
    const work = 4 * taps * points + size;
    overPlanes(PUT, out.code, [ptr(grad), ptr(weight), ptr(at), ptr(out)], sizes, n * channels, work);
    return out;
  },
  backward: (gx, n) => [
    n.needs(0) ? run(sampleOp, [gx, n.input(1), n.input(2)], n.attrs) : null,
    n.needs(1) ? run(weightOp, [gx, n.input(0), n.input(2)], n.attrs) : null,
  ],
});

const weightOp: Op<Taps> = defineOp<Taps>({
  name: "GridSampleWeight",
  saves: true,
  forward: ([x, g, index], { size, channels }) => {
    const [image, grad, at] = [contiguous(x as Tensor), contiguous(g as Tensor), index as Tensor];
    const [n, taps, points] = at.shape as [number, number, number];
    const out = empty([n, taps, points], image.code);
    if (out.numel === 0) return out;
    const sizes = [channels, size, taps, points];
    overPlanes(
      WEIGHT,
      out.code,
      [ptr(image), ptr(grad), ptr(at), ptr(out)],
      sizes,
      n * taps,
      4 * channels * points,
    );
    return out;
  },
  backward: (gw, n) => [
    n.needs(0) ? run(putOp, [n.input(1), gw, n.input(2)], n.attrs) : null,
    n.needs(1) ? run(sampleOp, [n.input(0), gw, n.input(2)], n.attrs) : null,
  ],
});

/** What lies outside the image: zeros, its border, or its mirror image. */
export type GridPaddingMode = "zeros" | "border" | "reflection";

/** Options of {@link gridSample}. */
export interface GridSampleOptions {
  /** How values between pixels are found (default "bilinear", which is trilinear for volumes). */
  mode?: "bilinear" | "nearest" | "bicubic";
  /** What lies outside the image (default "zeros"). */
  paddingMode?: GridPaddingMode;
  /** Whether -1 and 1 are the middles of the outermost pixels, or their outer edges (default). */
  alignCorners?: boolean | null;
}

const GRID_SAMPLE_OPTIONS: OptionNames<GridSampleOptions> = { mode: 1, paddingMode: 1, alignCorners: 1 };

/** One axis of the image, and how coordinates fall on it. */
interface GridAxis {
  readonly n: number;
  readonly align: boolean;
  readonly padding: GridPaddingMode;
  readonly volume: boolean;
  readonly round: (v: number) => number;
}

/** The mirror image of v between low and high (given doubled), and the sign of its slope. */
function reflect(v: number, low2: number, high2: number, round: (v: number) => number): [number, number] {
  if (low2 === high2) return [0, 0];
  const low = low2 / 2;
  const span = (high2 - low2) / 2;
  const from = round(v - low);
  const distance = Math.abs(from);
  const rest = round(distance % span);
  const slope = from < 0 ? -1 : 1;
  return Math.floor(distance / span) % 2 === 0
    ? [round(rest + low), slope]
    : [round(round(span - rest) + low), -slope];
}

/** A pixel position moved into the image as the padding mode says, and the slope of that. */
function inside(v: number, { n, align, padding, round }: GridAxis): [number, number] {
  if (padding === "zeros") return [v, 1];
  const [at, slope] =
    padding === "border"
      ? [v, 1]
      : align
        ? reflect(v, 0, 2 * (n - 1), round)
        : reflect(v, -1, 2 * n - 1, round);
  if (at <= 0) return [0, 0];
  return at < n - 1 ? [at, slope] : [n - 1, 0];
}

/** The pixel position that a coordinate of -1 to 1 stands for. */
function unnormalize(v: number, { n, align, volume, round }: GridAxis): number {
  const up = round(v + 1);
  if (align) return volume ? round(round(up / 2) * (n - 1)) : round(up * round((n - 1) / 2));
  return volume ? round(round(round(up * n) - 1) / 2) : round(round(up * (n / 2)) - 0.5);
}

interface Coordinates {
  readonly axis: GridAxis;
  /** Whether positions outside are moved inside. */
  readonly move: boolean;
}

/** Piecewise linear; the slopes are constants. */
const positionOp = defineOp<Coordinates>({
  name: "GridPosition",
  forward: ([x], { axis, move }, ctx) => {
    const values = toTyped(x as Tensor) as Float64Array;
    const positions = values.slice();
    const slopes = ctx.recording ? values.slice() : null;
    const scale = (axis.align ? axis.n - 1 : axis.n) / 2;
    for (let i = 0; i < values.length; i++) {
      const v = unnormalize(values[i] as number, axis);
      const [at, slope] = move ? inside(v, axis) : [v, 1];
      positions[i] = at;
      if (slopes !== null) slopes[i] = slope * scale;
    }
    const { shape, code } = x as Tensor;
    if (slopes !== null) ctx.keep(fromTyped(slopes, shape, code));
    return fromTyped(positions, shape, code);
  },
  backward: (g, n) => [mul(g, n.extra[0] as Tensor)],
});

/** Weights [N, taps, P] and the taps' positions along one axis. */
interface AxisTaps {
  readonly weights: Tensor;
  /** Position of each tap, [N, taps, P], -1 where it lies outside. */
  readonly places: Int32Array;
  readonly count: number;
}

/** Positions of taps from `first` on, next to the floor of each point; -1 outside. */
function placesFrom(low: Tensor, first: number, count: number, axis: GridAxis, bounce: boolean): Int32Array {
  const values = toTyped(low) as Float64Array;
  const [n, points] = low.shape as [number, number];
  const places = new Int32Array(n * count * points);
  for (let b = 0; b < n; b++) {
    for (let t = 0; t < count; t++) {
      for (let p = 0; p < points; p++) {
        const raw = (values[b * points + p] as number) + first + t;
        const at = bounce ? Math.trunc(inside(raw, axis)[0]) : raw;
        places[(b * count + t) * points + p] = at >= 0 && at < axis.n ? at : -1;
      }
    }
  }
  return places;
}

function linearTaps(position: Tensor, axis: GridAxis): AxisTaps {
  const low = floor(detach(position));
  const t = sub(position, low);
  return { weights: stack([sub(1, t), t], { dim: 1 }), places: placesFrom(low, 0, 2, axis, false), count: 2 };
}

function nearestTaps(position: Tensor, axis: GridAxis): AxisTaps {
  const values = toTyped(position) as Float64Array;
  const places = Int32Array.from(values, (v) => {
    const low = Math.floor(v);
    const up = v - low > 0.5 || (v - low === 0.5 && low % 2 !== 0); // half to even
    const at = up ? low + 1 : low;
    return at >= 0 && at < axis.n ? at : -1;
  });
  // The weight is 1; the grid has a gradient, which is 0.
  return { weights: unsqueeze(add(mul(position, 0), 1), 1), places, count: 1 };
}

/** Keys' cubic weights with a = -0.75 at distances t + 1, t, 1 - t and 2 - t. */
function cubicTaps(position: Tensor, axis: GridAxis): AxisTaps {
  const a = -0.75;
  const low = floor(detach(position));
  const t = sub(position, low);
  const near = (x: Tensor) => add(mul(mul(sub(mul(x, a + 2), a + 3), x), x), 1);
  const far = (x: Tensor) => sub(mul(add(mul(sub(mul(x, a), 5 * a), x), 8 * a), x), 4 * a);
  const weights = stack([far(add(t, 1)), near(t), near(sub(1, t)), far(sub(2, t))], { dim: 1 });
  return { weights, places: placesFrom(low, -1, 4, axis, true), count: 4 };
}

/** All combinations of the axes' taps: product weights and places in the plane. */
function combine(
  axes: readonly AxisTaps[],
  sizes: readonly number[],
  n: number,
  points: number,
): { weights: Tensor; index: Int32Array; count: number } {
  const [first, ...rest] = axes as [AxisTaps, ...AxisTaps[]];
  let { weights, places: index, count } = first;
  rest.forEach((next, d) => {
    const size = sizes[d + 1] as number;
    const joined = new Int32Array(n * count * next.count * points);
    for (let b = 0, k = 0; b < n; b++) {
      for (let s = 0; s < count; s++) {
        for (let t = 0; t < next.count; t++) {
          for (let p = 0; p < points; p++, k++) {
            const high = index[(b * count + s) * points + p] as number;
            const low = next.places[(b * next.count + t) * points + p] as number;
            joined[k] = high < 0 || low < 0 ? -1 : high * size + low;
          }
        }
      }
    }
    weights = reshape(mul(unsqueeze(weights, 2), unsqueeze(next.weights, 1)), [
      n,
      count * next.count,
      points,
    ]);
    index = joined;
    count *= next.count;
  });
  return { weights, index, count };
}

const TAPS = { bilinear: linearTaps, nearest: nearestTaps, bicubic: cubicTaps };

function check(x: Tensor, grid: Tensor, mode: string, padding: string): void {
  const rank = x.shape.length - 2;
  if (rank !== 2 && rank !== 3) {
    throw new ShapeError(`[gridSample] expected an input of 4 or 5 dimensions, got shape ${show(x.shape)}`);
  }
  if (grid.shape.length !== rank + 2 || grid.shape[0] !== x.shape[0] || grid.shape[rank + 1] !== rank) {
    const size = Array.from({ length: rank }, (_, d) => ["D", "H", "W"][d + 3 - rank]).join(", ");
    throw new ShapeError(
      `[gridSample] expected a grid (${x.shape[0]}, ${size}, ${rank}) for input ${show(x.shape)}, got ${show(grid.shape)}`,
    );
  }
  if (x.shape.slice(2).some((n) => n === 0))
    throw new ShapeError(`[gridSample] the image is empty, got shape ${show(x.shape)}`);
  if (!isFloat(x.code) || x.code !== grid.code) {
    throw new DTypeError(
      `[gridSample] expected input and grid of one floating dtype, got ${x.dtype} and ${grid.dtype}`,
    );
  }
  if (!(mode in TAPS))
    throw new ValueError(`[gridSample] unknown mode "${mode}": expected bilinear, nearest or bicubic`);
  if (mode === "bicubic" && rank === 3)
    throw new ValueError(`[gridSample] bicubic is for images, got a volume ${show(x.shape)}; try bilinear`);
  if (padding !== "zeros" && padding !== "border" && padding !== "reflection") {
    throw new ValueError(
      `[gridSample] unknown paddingMode "${padding}": expected zeros, border or reflection`,
    );
  }
}

/**
 * The values of images (N, C, H, W) at the points of a grid (N, H', W', 2), or of volumes (N, C, D, H, W) at
 * (N, D', H', W', 3). The last dimension of the grid holds x, y and z, from -1 to 1 over the image.
 * Source: `torch.nn.functional.grid_sample`.
 * @example
 * const image = tensor([[[[1, 2], [3, 4.5]]]]);
 * gridSample(image, zeros([1, 1, 1, 2])).toArray(); // [[[[2.625]]]]
 * @throws ShapeError when the grid does not fit the input.
 */
export function gridSample(input: Tensor, grid: Tensor, options: GridSampleOptions = {}): Tensor {
  needTensor("gridSample", input);
  needTensor("gridSample", grid, "grid");
  checkOptions("gridSample", options, GRID_SAMPLE_OPTIONS);
  const { mode = "bilinear", paddingMode = "zeros" } = options;
  check(input, grid, mode, paddingMode);
  const rank = input.shape.length - 2;
  const [n, channels, ...sizes] = input.shape as [number, number, ...number[]];
  const target = grid.shape.slice(1, -1);
  const points = numelOf(target);
  const flat = reshape(grid, [n, points, rank]);
  const axes = sizes.map((size, d) => {
    const axis: GridAxis = {
      n: size,
      align: options.alignCorners === true,
      padding: paddingMode,
      volume: rank === 3,
      round: input.code === FLOAT32 ? Math.fround : (v) => v,
    };
    const along = select(flat, 2, rank - 1 - d); // the grid counts x, y, z
    return TAPS[mode](run(positionOp, [along], { axis, move: mode !== "bicubic" }), axis);
  });
  const { weights, index, count } = combine(axes, sizes, n, points);
  const size = numelOf(sizes);
  const at = fromTyped(index, [n, count, points], INT32);
  const out = run(sampleOp, [reshape(input, [n, channels, size]), weights, at], { size, channels });
  return reshape(out, [n, channels, ...target]);
}

/** Options of {@link affineGrid}. */
export interface AffineGridOptions {
  /** Whether -1 and 1 are the middles of the outermost pixels, or their outer edges (default). */
  alignCorners?: boolean | null;
}

const AFFINE_GRID_OPTIONS: OptionNames<AffineGridOptions> = { alignCorners: 1 };

/** Coordinates of the pixels along one axis. */
function steps(n: number, align: boolean, round: (v: number) => number): number[] {
  if (n <= 1) return new Array<number>(n).fill(0);
  const step = round(2 / (n - 1));
  const line = (i: number) => (i < n / 2 ? round(-1 + step * i) : round(1 - step * (n - 1 - i)));
  return Array.from({ length: n }, (_, i) => (align ? line(i) : round(round(line(i) * (n - 1)) / n)));
}

/**
 * The grid for {@link gridSample} that applies affine maps theta, (N, 2, 3) for images of `size` (N, C, H, W) or
 * (N, 3, 4) for volumes of `size` (N, C, D, H, W). Source: `torch.nn.functional.affine_grid`.
 * @example
 * affineGrid(tensor([[[1, 0, 0], [0, 1, 0.5]]]), [1, 1, 2, 2], { alignCorners: true }).shape; // [1, 2, 2, 2]
 * @throws ShapeError when theta does not fit the size.
 */
export function affineGrid(theta: Tensor, size: readonly number[], options: AffineGridOptions = {}): Tensor {
  needTensor("affineGrid", theta, "theta");
  checkOptions("affineGrid", options, AFFINE_GRID_OPTIONS);
  const rank = size.length - 2;
  if (!isFloat(theta.code))
    throw new DTypeError(`[affineGrid] expected theta of a floating dtype, got ${theta.dtype}`);
  const fits =
    theta.shape.length === 3 &&
    theta.shape[0] === size[0] &&
    theta.shape[1] === rank &&
    theta.shape[2] === rank + 1;
  if ((rank !== 2 && rank !== 3) || !fits) {
    throw new ShapeError(
      `[affineGrid] expected theta (N, 2, 3) for a size (N, C, H, W) or (N, 3, 4) for (N, C, D, H, W): ` +
        `got theta ${show(theta.shape)} and size ${show(size)}`,
    );
  }
  if (size.some((n) => !Number.isInteger(n) || n < 1))
    throw new ShapeError(`[affineGrid] expected a size of whole numbers >= 1, got ${show(size)}`);
  const sizes = size.slice(2);
  const round = theta.code === FLOAT32 ? Math.fround : (v: number) => v;
  const lines = sizes.map((n) => steps(n, options.alignCorners === true, round));
  const points = numelOf(sizes);
  const base = new Float64Array(points * (rank + 1)).fill(1);
  for (let p = 0; p < points; p++) {
    for (let d = rank - 1, rest = p; d >= 0; d--) {
      const n = sizes[d] as number;
      base[p * (rank + 1) + (rank - 1 - d)] = (lines[d] as number[])[rest % n] as number;
      rest = Math.floor(rest / n);
    }
  }
  const made = fromTyped(
    theta.code === FLOAT64 ? base : Float32Array.from(base),
    [points, rank + 1],
    theta.code,
  );
  return reshape(matmul(made, transpose(theta, 1, 2)), [size[0] as number, ...sizes, rank]);
}
