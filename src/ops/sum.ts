/** sum and mean over any dimensions, and the sum that undoes a broadcast. */

import { engineOps } from "../autograd/engineOps.js";
import { defineOp, run } from "../autograd/op.js";
import {
  codeOf,
  type DType,
  type DTypeCode,
  FLOAT64,
  INT64,
  isFloat,
  nameOf,
  SIZES,
} from "../tensor/dtype.js";
import { DTypeError } from "../tensor/errors.js";
import { release } from "../tensor/heap.js";
import { enqueue, GRAIN, inPieces, type KernelTable, kernelFor, kernelTable } from "../tensor/launch.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { contiguous, empty, ptr, viewOf } from "../tensor/raw.js";
import { numelOf, reducedShape, type Shape, wrapDims } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { div } from "./arithmetic.js";
import { cast } from "./cast.js";
import { expand, reshape } from "./view.js";

const SUM = kernelTable("sum", ["u8_i64", "u8_i64", "i32_i64", "i64", "f32", "f64"]);
const SUM_CHUNKS = kernelTable("sumChunks");
const COMBINE = kernelTable("combine");

/** A tensor seen as [outer, red, inner], where `red` runs over the reduced dimensions; copied when they do not adjoin. @internal */
export function asBlocks(
  x: Tensor,
  dims: readonly number[],
): { data: Tensor; outer: number; red: number; inner: number } {
  const rank = x.shape.length;
  const red = dims.reduce((n, d) => n * (x.shape[d] as number), 1);
  const adjoin = dims.every((d, i) => i === 0 || d === (dims[i - 1] as number) + 1);
  if (dims.length === 0) return { data: contiguous(x), outer: x.numel, red: 1, inner: 1 };
  if (adjoin) {
    const first = dims[0] as number;
    const outer = numelOf(x.shape.slice(0, first));
    return { data: contiguous(x), outer, red, inner: numelOf(x.shape.slice(first + dims.length)) };
  }
  const kept = Array.from({ length: rank }, (_, d) => d).filter((d) => !dims.includes(d));
  const order = [...kept, ...dims];
  const shape = order.map((d) => x.shape[d] as number);
  const strides = order.map((d) => x.strides[d] as number);
  const data = contiguous(viewOf(x, shape, strides, x.storageOffset));
  return {
    data,
    outer: x.numel === 0 ? numelOf(kept.map((d) => x.shape[d] as number)) : x.numel / red,
    red,
    inner: 1,
  };
}

/** Elements per partial sum when a long reduction is shared among threads: fixed, so that bits do not depend on it. */
const CHUNK = 65536;

/**
 * out[outer, inner] = kernel over red of x[outer, red, inner]. Threads share rows, or columns when there is one row;
 * a full sum is cut into chunks of fixed length (`chunks`) and combined.
 */
export function reduceBlocks(
  table: KernelTable,
  x: Tensor,
  dims: readonly number[],
  keepdim: boolean,
  outCode: DTypeCode,
  chunks?: KernelTable,
): Tensor {
  const { data, outer, red, inner } = asBlocks(x, dims);
  const out = empty(reducedShape(x.shape, dims, keepdim), outCode);
  if (out.numel === 0) return out;
  const fn = kernelFor(table, data.code);
  const size = SIZES[data.code] as number;
  const outSize = SIZES[outCode] as number;
  if (outer * red * inner < 2 * GRAIN) fn(ptr(data), ptr(out), outer, red, inner, 0);
  else if (outer > 1) {
    const [from, to] = [ptr(data), ptr(out)];
    inPieces(outer, Math.ceil(GRAIN / (red * inner)), (first, count) => {
      enqueue(
        table,
        data.code,
        from + first * red * inner * size,
        to + first * inner * outSize,
        count,
        red,
        inner,
        0,
      );
    });
  } else if (inner > 1) {
    const [from, to] = [ptr(data), ptr(out)];
    inPieces(inner, Math.max(16, Math.ceil(GRAIN / red)), (first, count) => {
      enqueue(table, data.code, from + first * size, to + first * outSize, 1, red, count, inner);
    });
  } else if (chunks?.fns[data.code] !== undefined) {
    // integers have no such kernels: any order of sums is exact
    const parts = Math.ceil(red / CHUNK);
    const partials = empty([parts], FLOAT64);
    const [from, to] = [ptr(data), ptr(partials)];
    inPieces(parts, 1, (first, count) => enqueue(chunks, data.code, from, to, red, 1, CHUNK, first, count));
    kernelFor(COMBINE, data.code)(to, ptr(out), parts, 1, 1);
    release(partials.storage);
  } else fn(ptr(data), ptr(out), 1, red, 1, 0);
  if (data !== x && data.storage !== x.storage) release(data.storage);
  return out;
}

interface Reduce {
  readonly dims: readonly number[];
  readonly keepdim: boolean;
}

const sumOp = defineOp<Reduce>({
  name: "Sum",
  forward: ([input], { dims, keepdim }) => {
    const x = input as Tensor;
    return reduceBlocks(SUM, x, dims, keepdim, isFloat(x.code) ? x.code : INT64, SUM_CHUNKS);
  },
  backward: (g, n) => [unreduce(g, n.shape(0), n.attrs.dims)], // d sum(x) = sum(dx)
});

/** A reduced gradient, repeated over the dimensions that were reduced. @internal */
export function unreduce(g: Tensor, shape: Shape, dims: readonly number[]): Tensor {
  const kept = shape.map((size, d) => (dims.includes(d) ? 1 : size));
  return expand(g.shape.length === shape.length ? g : reshape(g, kept), shape);
}

/** Options of reductions over dimensions. */
export interface ReduceOptions {
  /** Dimension(s) to reduce; all when left out. */
  dim?: number | readonly number[] | null;
  /** Keep reduced dimensions with size 1 (default false). */
  keepdim?: boolean;
}

/** @internal */
export const REDUCE_OPTIONS: OptionNames<ReduceOptions> = { dim: 1, keepdim: 1 };

/** {@link ReduceOptions} with a result dtype. */
export interface SumOptions extends ReduceOptions {
  /** Cast to this before summing; integers and bool sum to int64 by default. */
  dtype?: DType;
}

/** @internal */
export const SUM_OPTIONS: OptionNames<SumOptions> = { dtype: 1, dim: 1, keepdim: 1 };

/** What reductions take for dimensions: positional or in the options. */
export type DimArg<O> = number | readonly number[] | O | null | undefined;

/** Splits `sum(x, 1)`, `sum(x, [0, 1], { keepdim })` and `sum(x, { dim, keepdim })` into one form. @internal */
export function reduceArgs<O extends ReduceOptions>(
  op: string,
  dim: DimArg<O>,
  options: O | undefined,
  names: OptionNames<O>,
): O {
  checkOptions(op, options, names);
  if (dim === undefined || dim === null) return (options ?? {}) as O;
  if (typeof dim === "number" || Array.isArray(dim)) return { ...options, dim } as O;
  checkNames(op, dim, names);
  checkNames(op, dim, names);
  return dim as O;
}

/**
 * Sum over dimensions. float32 sums are accumulated in float64. Source: `torch.sum`.
 * @example
 * sum(tensor([[1, 2], [3, 4]]), 0).toArray(); // [4, 6]
 */
export function sum(x: Tensor, dim?: DimArg<SumOptions>, options?: SumOptions): Tensor {
  const o = reduceArgs("sum", dim, options, SUM_OPTIONS);
  const code = o.dtype !== undefined ? codeOf(o.dtype) : isFloat(x.code) ? x.code : INT64;
  // integers are summed to int64 and wrap only at the end, which gives the same; booleans are joined by "or"
  const total = run(sumOp, [o.dtype === undefined ? x : cast(x, code)], {
    dims: wrapDims("sum", o.dim, x.shape.length),
    keepdim: o.keepdim ?? false,
  });
  return cast(total, code);
}

/**
 * Mean over dimensions; floating dtypes only. Source: `torch.mean`.
 * @throws DTypeError for integers and bool, as PyTorch.
 */
export function mean(x: Tensor, dim?: DimArg<SumOptions>, options?: SumOptions): Tensor {
  const o = reduceArgs("mean", dim, options, SUM_OPTIONS);
  const code = o.dtype !== undefined ? codeOf(o.dtype) : x.code;
  if (!isFloat(code)) {
    throw new DTypeError(
      `[mean] expected a floating dtype, got ${nameOf(code)}; try x.to("float32"), or { dtype: "float32" }`,
    );
  }
  const dims = wrapDims("mean", o.dim, x.shape.length);
  const count = dims.reduce((n, d) => n * (x.shape[d] as number), 1);
  return div(run(sumOp, [cast(x, code)], { dims, keepdim: o.keepdim ?? false }), count);
}

/** Sums the dimensions that a broadcast from `shape` repeated. @internal */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const lead = x.shape.length - shape.length;
  const dims: number[] = [];
  for (let d = 0; d < x.shape.length; d++) {
    if (d < lead || (shape[d - lead] === 1 && x.shape[d] !== 1)) dims.push(d);
  }
  const summed = dims.length === 0 ? x : run(sumOp, [x], { dims, keepdim: true });
  return lead === 0 ? summed : reshape(summed, shape);
}

engineOps.sumTo = sumTo;
