/** Extremes, positions, counts and truth over dimensions: amax, amin, max, min, argmax, argmin, all, any, countNonzero. */

import { defineMultiOp, defineOp, run, runMulti } from "../autograd/op.js";
import { BOOL, type DTypeCode, INT64, SIZES } from "../tensor/dtype.js";
import { ShapeError, show } from "../tensor/errors.js";
import { enqueue, GRAIN, inPieces, type KernelTable, kernelFor, kernelTable } from "../tensor/launch.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { castTo, contiguous, empty, ptr } from "../tensor/raw.js";
import { reducedShape, type Shape, wrapDim, wrapDims } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { div, mul } from "./arithmetic.js";
import { cast } from "./cast.js";
import { eq, isnan } from "./compare.js";
import { needTensor } from "./core.js";
import { maximum, minimum } from "./extrema.js";
import { scatterAlong, split3 } from "./gather.js";
import { type DimArg, REDUCE_OPTIONS, type ReduceOptions, reduceArgs, reduceBlocks, sum } from "./sum.js";
import { flatten, reshape } from "./view.js";

const MAX = kernelTable("max");
const MIN = kernelTable("min");
const ARGMAX = kernelTable("argmax");
const ARGMIN = kernelTable("argmin");
const MAX_INDEX = kernelTable("maxIndex");
const MIN_INDEX = kernelTable("minIndex");
const ALL = kernelTable("all");
const ANY = kernelTable("any");
const COUNT = kernelTable("countNonzero");

interface Over {
  readonly dims: readonly number[];
  readonly keepdim: boolean;
}

/** Extremes of nothing do not exist: throws when a reduced dimension is empty. */
function notEmpty(op: string, x: Tensor, dims: readonly number[]): void {
  if (dims.some((d) => x.shape[d] === 0) || (x.shape.length === 0 && x.numel === 0)) {
    throw new ShapeError(
      `[${op}] cannot reduce shape ${show(x.shape)} over an empty dimension: there is no element to take; try another dim`,
    );
  }
}

function keptShape(shape: Shape, dims: readonly number[]): Shape {
  return shape.map((n, d) => (dims.includes(d) ? 1 : n));
}

/** `ofAll`: over all elements, where NaN as the result shares the gradient among all that are NaN. */
function extremeOp(name: string, table: KernelTable, ofAll = false) {
  return defineOp<Over>({
    name,
    saves: true,
    savesOutput: true,
    forward: ([x], { dims, keepdim }) => reduceBlocks(table, x as Tensor, dims, keepdim, (x as Tensor).code),
    backward: (g, n) => {
      const x = n.input(0); // shared evenly among ties
      const kept = keptShape(x.shape, n.attrs.dims);
      const out = n.output().detach();
      const shares = ofAll && Number.isNaN(out.item()) ? isnan(x) : eq(x, reshape(out, kept));
      const ties = cast(shares, g.code);
      return [mul(reshape(g, kept), div(ties, sum(ties, { dim: n.attrs.dims, keepdim: true })))];
    },
  });
}

const amaxOp = extremeOp("Amax", MAX);
const aminOp = extremeOp("Amin", MIN);
const maxAllOp = extremeOp("Max", MAX, true);
const minAllOp = extremeOp("Min", MIN, true);

function extreme(op: typeof amaxOp, name: string, x: Tensor, o: ReduceOptions): Tensor {
  const dims = wrapDims(name, o.dim, x.shape.length);
  notEmpty(name, x, dims);
  return run(op, [x], { dims, keepdim: o.keepdim ?? false });
}

/** Largest elements over dimensions; the gradient is shared among ties. NaN wins. Source: `torch.amax`. */
export function amax(x: Tensor, dim?: DimArg<ReduceOptions>, options?: ReduceOptions): Tensor {
  return extreme(amaxOp, "amax", x, reduceArgs("amax", dim, options, REDUCE_OPTIONS));
}

/** Smallest elements over dimensions; the gradient is shared among ties. NaN wins. Source: `torch.amin`. */
export function amin(x: Tensor, dim?: DimArg<ReduceOptions>, options?: ReduceOptions): Tensor {
  return extreme(aminOp, "amin", x, reduceArgs("amin", dim, options, REDUCE_OPTIONS));
}

/** Both extremes. Source: `torch.aminmax`. */
export function aminmax(
  x: Tensor,
  options: ReduceOptions = {},
): {
  /** The smallest elements. */
  min: Tensor;
  /** The largest elements. */
  max: Tensor;
} {
  checkOptions("aminmax", options, REDUCE_OPTIONS);
  // PyTorch keeps the dimension even of a tensor that has none.
  if (x.shape.length === 0 && typeof options.dim === "number" && options.keepdim === true)
    return aminmax(reshape(x, [1]), options);
  return { min: amin(x, options), max: amax(x, options) };
}

/** Values and their positions along a dimension. */
export interface ValuesAndIndices {
  /** The elements that were found. */
  values: Tensor;
  /** int64 positions along the reduced dimension. */
  indices: Tensor;
}

/** Options of reductions over one dimension. */
export interface DimOptions {
  /** The dimension that is reduced; null or nothing: all elements. */
  dim?: number | null;
  /** Keep the reduced dimension with size 1 (default false). */
  keepdim?: boolean;
}

/** @internal */
export const DIM_OPTIONS: OptionNames<DimOptions> = { dim: 1, keepdim: 1 };

/** Kernel calls over [outer, dim, inner] shared among threads by rows: pointers advance by their own row sizes. */
function alongRows(
  table: KernelTable,
  code: number,
  outer: number,
  size: number,
  inner: number,
  ptrs: readonly (readonly [at: number, rowBytes: number])[],
): void {
  const call = ptrs.map(([p]) => p);
  if (outer * size * inner < 2 * GRAIN || outer === 1) {
    kernelFor(table, code)(...call, outer, size, inner, 0);
    return;
  }
  inPieces(outer, Math.ceil(GRAIN / (size * inner)), (first, count) => {
    enqueue(table, code, ...ptrs.map(([p, row]) => p + first * row), count, size, inner, 0);
  });
}

interface Along {
  readonly dim: number;
  readonly keepdim: boolean;
}

function withIndexOp(name: string, table: KernelTable) {
  return defineMultiOp<Along>({
    name,
    nonDifferentiable: [1],
    savesOutput: true,
    forward: ([x], { dim, keepdim }) => {
      const src = contiguous(x as Tensor);
      const shape = src.shape.length === 0 ? [] : reducedShape(src.shape, [dim], keepdim);
      const values = empty(shape, src.code);
      const indices = empty(shape, INT64);
      const { outer, size, inner } = split3(src.shape, dim);
      const bytes = SIZES[src.code] as number;
      if (values.numel > 0) {
        alongRows(table, src.code, outer, size, inner, [
          [ptr(src), size * inner * bytes],
          [ptr(values), inner * bytes],
          [ptr(indices), inner * 8],
        ]);
      }
      return [values, indices];
    },
    backward: ([g], n) => {
      if (g === null || g === undefined) return [null];
      const shape = n.shape(0);
      if (shape.length === 0) return [g];
      const index = n.output(1); // the gradient goes where the extreme was
      const kept = keptShape(shape, [n.attrs.dim]);
      return [scatterAlong(shape, n.attrs.dim, reshape(index, kept), reshape(g, kept))];
    },
  });
}

const maxDimOp = withIndexOp("Max", MAX_INDEX);
const minDimOp = withIndexOp("Min", MIN_INDEX);

function withIndex(op: typeof maxDimOp, name: string, x: Tensor, o: DimOptions): ValuesAndIndices {
  const dim = wrapDim(name, o.dim as number, x.shape.length);
  notEmpty(name, x, x.shape.length === 0 ? [] : [dim]);
  const [values, indices] = runMulti(op, [x], { dim, keepdim: o.keepdim ?? false });
  return { values: values as Tensor, indices: indices as Tensor };
}

type MaxArg = number | Tensor | DimOptions;

function asDim(op: string, arg: MaxArg | undefined, options: DimOptions | undefined): DimOptions {
  checkNames(op, arg, DIM_OPTIONS);
  checkOptions(op, options, DIM_OPTIONS);
  return typeof arg === "number"
    ? { ...options, dim: arg }
    : { ...(arg as DimOptions | undefined), ...options };
}

/**
 * The largest element; with a dimension, the largest along it with positions; with a tensor, the elementwise maximum.
 * Source: `torch.max`.
 * @example
 * max(tensor([[1, 5], [7, 2]]), 1).indices.toArray(); // [1, 0]
 */
export function max(x: Tensor): Tensor;
export function max(x: Tensor, other: Tensor): Tensor;
export function max(x: Tensor, dim: number | DimOptions, options?: DimOptions): ValuesAndIndices;
export function max(x: Tensor, arg?: MaxArg, options?: DimOptions): Tensor | ValuesAndIndices {
  needTensor("max", x);
  if (arg instanceof Tensor) return maximum(x, arg);
  const o = asDim("max", arg, options);
  return o.dim === undefined || o.dim === null
    ? extreme(maxAllOp, "max", flatten(x), {})
    : withIndex(maxDimOp, "max", x, o);
}

/** As {@link max}, with the smallest. Source: `torch.min`. */
export function min(x: Tensor): Tensor;
export function min(x: Tensor, other: Tensor): Tensor;
export function min(x: Tensor, dim: number | DimOptions, options?: DimOptions): ValuesAndIndices;
export function min(x: Tensor, arg?: MaxArg, options?: DimOptions): Tensor | ValuesAndIndices {
  needTensor("min", x);
  if (arg instanceof Tensor) return minimum(x, arg);
  const o = asDim("min", arg, options);
  return o.dim === undefined || o.dim === null
    ? extreme(minAllOp, "min", flatten(x), {})
    : withIndex(minDimOp, "min", x, o);
}

function position(table: KernelTable, name: string, x: Tensor, o: DimOptions): Tensor {
  if (o.dim === undefined || o.dim === null) {
    notEmpty(
      name,
      x,
      x.shape.map((_, d) => d),
    );
    const flat = positionAlong(table, contiguous(x).shape.length === 1 ? x : flatten(x).detach(), 0, false);
    return o.keepdim === true
      ? reshape(
          flat,
          x.shape.map(() => 1),
        )
      : flat;
  }
  const dim = wrapDim(name, o.dim, x.shape.length);
  notEmpty(name, x, x.shape.length === 0 ? [] : [dim]);
  return positionAlong(table, x, dim, o.keepdim ?? false);
}

const positionOp = defineOp<Along & { table: KernelTable }>({
  name: "Position",
  forward: ([x], { dim, keepdim, table }) => {
    const src = contiguous(x as Tensor);
    const out = empty(src.shape.length === 0 ? [] : reducedShape(src.shape, [dim], keepdim), INT64);
    const { outer, size, inner } = split3(src.shape, dim);
    if (out.numel === 0) return out;
    alongRows(table, src.code, outer, size, inner, [
      [ptr(src), size * inner * (SIZES[src.code] as number)],
      [ptr(out), inner * 8],
    ]);
    return out;
  },
  backward: () => [null],
});

function positionAlong(table: KernelTable, x: Tensor, dim: number, keepdim: boolean): Tensor {
  return run(positionOp, [x.detach()], { dim, keepdim, table });
}

/** int64 position of the (first) largest element, over all elements or along a dimension. Source: `torch.argmax`. */
export function argmax(x: Tensor, dim?: number | DimOptions | null, options?: DimOptions): Tensor {
  return position(ARGMAX, "argmax", x, asDim("argmax", dim ?? undefined, options));
}

/** int64 position of the (first) smallest element. Source: `torch.argmin`. */
export function argmin(x: Tensor, dim?: number | DimOptions | null, options?: DimOptions): Tensor {
  return position(ARGMIN, "argmin", x, asDim("argmin", dim ?? undefined, options));
}

const truthOp = defineOp<Over & { table: KernelTable; out: DTypeCode }>({
  name: "Truth",
  forward: ([x], { dims, keepdim, table, out }) => {
    const bits = out === INT64 ? (x as Tensor) : castTo(x as Tensor, BOOL);
    return reduceBlocks(table, bits, dims, keepdim, out);
  },
  backward: () => [null],
});

function truth(table: KernelTable, name: string, x: Tensor, o: ReduceOptions, out: DTypeCode): Tensor {
  const dims = wrapDims(name, o.dim, x.shape.length);
  return run(truthOp, [x.detach()], { dims, keepdim: o.keepdim ?? false, table, out });
}

/** Whether all elements are true (or not zero), over dimensions. bool, but uint8 for uint8. Source: `torch.all`. */
export function all(x: Tensor, dim?: DimArg<ReduceOptions>, options?: ReduceOptions): Tensor {
  return sameByte(x, truth(ALL, "all", x, reduceArgs("all", dim, options, REDUCE_OPTIONS), BOOL));
}

/** Whether any element is true (or not zero), over dimensions. bool, but uint8 for uint8. Source: `torch.any`. */
export function any(x: Tensor, dim?: DimArg<ReduceOptions>, options?: ReduceOptions): Tensor {
  return sameByte(x, truth(ANY, "any", x, reduceArgs("any", dim, options, REDUCE_OPTIONS), BOOL));
}

function sameByte(x: Tensor, result: Tensor): Tensor {
  return x.code === 1 ? cast(result, 1) : result;
}

/** int64 number of elements that are not zero. Source: `torch.count_nonzero`. */
export function countNonzero(x: Tensor, dim?: DimArg<ReduceOptions>, options?: ReduceOptions): Tensor {
  const o = reduceArgs("countNonzero", dim, options, REDUCE_OPTIONS);
  return truth(COUNT, "countNonzero", x, { ...(o.dim === undefined ? {} : { dim: o.dim }) }, INT64);
}
