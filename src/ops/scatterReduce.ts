/** Reductions at indices along one dimension: scatterReduce, indexReduce. */

import { defineOp, run } from "../autograd/op.js";
import { BOOL, type DTypeCode, INT32, isFloat, nameOf, UINT8 } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { copyOf, full } from "../tensor/raw.js";
import { wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { mul } from "./arithmetic.js";
import { cast } from "./cast.js";
import { eq, gt } from "./compare.js";
import { div } from "./division.js";
import { checkedIndex, gather, scatter, scatterAdd, scatterAlong, scatterInto } from "./gather.js";
import { logicalAnd } from "./logical.js";
import { any } from "./reduce.js";
import { expand, narrow, reshape } from "./view.js";
import { maskedFill, where } from "./where.js";

/** How values that meet at one place are joined. */
export type ScatterReduction = "sum" | "prod" | "mean" | "amax" | "amin";

/** Options of {@link scatterReduce} and {@link indexReduce}. */
export interface IncludeSelf {
  /** Whether the tensor's own element takes part where values arrive (default true). */
  includeSelf?: boolean;
}

const INCLUDE_SELF_NAMES: OptionNames<IncludeSelf> = { includeSelf: 1 };

interface Along {
  readonly dim: number;
}

const MUL = kernelTable("scatterMul");
const MAX = kernelTable("scatterMax");
const MIN = kernelTable("scatterMin");

const prodOp = defineOp<Along>({
  name: "ScatterProd",
  saves: true,
  savesOutput: true,
  forward: ([x, src, index], { dim }) =>
    scatterInto(MUL, copyOf(x as Tensor), dim, index as Tensor, src as Tensor),
  backward: (g, n) => {
    const [x, src, index, { dim }] = [n.input(0), n.input(1), n.input(2), n.attrs];
    const gx = n.needs(0) ? mul(g, prod(full(x.shape, 1, x.code), src, index, dim)) : null; // d(x Π s) = Π s dx + ...
    if (!n.needs(1)) return [gx];
    // The product of the others is result / s, and where s is the only 0, the result with 1 in its place.
    const zero = eq(src, 0);
    const lone = logicalAnd(zero, eq(gather(zeroCounts(zero, x, index, dim), dim, index), 1));
    const others = div(gather(mul(g, n.output()), dim, index), maskedFill(src, zero, 1));
    if (any(lone).item() === 0) return [gx, others];
    const without = prod(x, maskedFill(src, lone, 1), index, dim);
    return [gx, where(lone, gather(mul(g, without), dim, index), others)];
  },
});

function prod(x: Tensor, src: Tensor, index: Tensor, dim: number): Tensor {
  return run(prodOp, [x, src, index], { dim });
}

function zeroCounts(zero: Tensor, x: Tensor, index: Tensor, dim: number): Tensor {
  return scatterAlong(x.shape, dim, index, cast(zero, x.code));
}

/**
 * The product as one multiplication for each value that may meet others, which is right to any order of derivative
 * where several zeros meet: there result / s says nothing.
 */
function prodByRounds(x: Tensor, src: Tensor, index: Tensor, dim: number): Tensor {
  const ones = full(x.shape, 1, x.code);
  let out = x;
  for (let i = 0; i < (index.shape[dim] ?? 1); i++) {
    const at = index.shape.length === 0 ? index : narrow(index, dim, i, 1);
    const part = index.shape.length === 0 ? src : narrow(src, dim, i, 1);
    out = mul(out, scatter(ones, dim, at, part));
  }
  return out;
}

function extremeOp(name: string, table: typeof MAX) {
  return defineOp<Along>({
    name,
    saves: true,
    savesOutput: true,
    forward: ([x, src, index], { dim }) =>
      scatterInto(table, copyOf(x as Tensor), dim, index as Tensor, src as Tensor),
    backward: (g, n) => {
      const [x, src, index, { dim }] = [n.input(0), n.input(1), n.input(2), n.attrs];
      const result = n.output().detach(); // shared evenly among all that reach the extreme
      const own = cast(eq(x, result), g.code);
      const theirs = cast(eq(src, gather(result, dim, index)), g.code);
      const share = div(g, scatterAdd(own, dim, index, theirs));
      return [mul(own, share), n.needs(1) ? mul(theirs, gather(share, dim, index)) : null];
    },
  });
}

const amaxOp = extremeOp("ScatterAmax", MAX);
const aminOp = extremeOp("ScatterAmin", MIN);

/** The value that a reduction leaves as it is. */
function identity(reduce: ScatterReduction, code: DTypeCode): number | bigint {
  if (reduce === "sum" || reduce === "mean") return 0;
  if (reduce === "prod") return 1;
  const low = reduce === "amax";
  if (isFloat(code)) return low ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (code === BOOL) return low ? 0 : 1;
  if (code === UINT8) return low ? 0 : 255;
  if (code === INT32) return low ? -(2 ** 31) : 2 ** 31 - 1;
  return low ? -(2n ** 63n) : 2n ** 63n - 1n;
}

function reduceAt(
  op: string,
  x: Tensor,
  dim: number,
  index: Tensor,
  src: Tensor,
  reduce: ScatterReduction,
  self: boolean,
): Tensor {
  const start = self ? x : scatter(x, dim, index, identity(reduce, x.code));
  if (reduce === "sum") return scatterAdd(start, dim, index, src);
  if (reduce === "prod") {
    const several = src.requiresGrad && any(gt(zeroCounts(eq(src, 0), x, index, dim), 1)).item() !== 0;
    return (several ? prodByRounds : prod)(start, src, index, dim);
  }
  if (reduce === "mean") {
    const ones = full(index.shape, 1, x.code);
    const count = scatterAdd(full(x.shape, self ? 1 : 0, x.code), dim, index, ones);
    const divisor = maskedFill(count, eq(count, 0), 1);
    return div(scatterAdd(start, dim, index, src), divisor, {
      roundingMode: isFloat(x.code) ? null : "floor",
    });
  }
  if (reduce === "amax" || reduce === "amin")
    return run(reduce === "amax" ? amaxOp : aminOp, [start, src, index], { dim });
  throw new ValueError(
    `[${op}] unknown reduction ${String(reduce)}: expected "sum", "prod", "mean", "amax" or "amin"`,
  );
}

function checkDtype(op: string, x: Tensor, src: Tensor): void {
  if (src.code !== x.code) {
    throw new DTypeError(
      `[${op}] expected src of dtype ${nameOf(x.code)}, as the tensor's, got ${nameOf(src.code)}`,
    );
  }
}

/**
 * A copy of `x` whose elements at the indices along `dim` are joined with those of `src`, and with their own value
 * unless `includeSelf` is false. Gradients of extremes are shared among ties. Source: `torch.scatter_reduce`.
 * @example
 * scatterReduce(zeros([2]), 0, tensor([0, 0, 1]), tensor([1, 2, 3], { dtype: "float32" }), "sum").toArray(); // [3, 3]
 */
export function scatterReduce(
  x: Tensor,
  dim: number,
  index: Tensor,
  src: Tensor,
  reduce: ScatterReduction,
  options: IncludeSelf = {},
): Tensor {
  checkOptions("scatterReduce", options, INCLUDE_SELF_NAMES);
  const d = wrapDim("scatterReduce", dim, x.shape.length);
  checkDtype("scatterReduce", x, src);
  const fits = (t: Tensor, all: boolean) =>
    t.shape.length === index.shape.length &&
    index.shape.every((n, k) => (!all && k === d) || n <= (t.shape[k] as number));
  const small = x.shape.length <= 1 && index.shape.length <= 1 && src.shape.length <= 1;
  if (index.numel > 0 && !small && !(fits(x, false) && fits(src, true))) {
    throw new ShapeError(
      `[scatterReduce] index of shape ${show(index.shape)} does not fit ${show(x.shape)} and src ${show(src.shape)} along dimension ${d}`,
    );
  }
  const flat = small && src.shape.length !== index.shape.length ? reshape(src, index.shape) : src;
  // Only the corner of src that the index covers is read.
  const corner = index.shape.reduce((t, n, k) => (t.shape[k] === n ? t : narrow(t, k, 0, n)), flat);
  const at = checkedIndex("scatterReduce", index, x.shape[d] ?? 1);
  return reduceAt("scatterReduce", x, d, at, corner, reduce, options.includeSelf ?? true);
}

/**
 * A copy of `x` whose slices at the indices along `dim` are joined with those of `source`, and with their own values
 * unless `includeSelf` is false. Source: `torch.index_reduce`.
 */
export function indexReduce(
  x: Tensor,
  dim: number,
  index: Tensor,
  source: Tensor,
  reduce: "prod" | "mean" | "amax" | "amin",
  options: IncludeSelf = {},
): Tensor {
  checkOptions("indexReduce", options, INCLUDE_SELF_NAMES);
  const d = wrapDim("indexReduce", dim, x.shape.length);
  checkDtype("indexReduce", x, source);
  const wanted = x.shape.map((n, k) => (k === d ? index.numel : n));
  if (
    index.shape.length > 1 ||
    source.shape.length !== wanted.length ||
    wanted.some((n, k) => n !== source.shape[k])
  ) {
    throw new ShapeError(
      `[indexReduce] source of shape ${show(source.shape)} and index ${show(index.shape)} do not fit ${show(x.shape)} along dimension ${d}`,
    );
  }
  const at = checkedIndex("indexReduce", index, x.shape[d] ?? 1);
  const wide = expand(
    reshape(
      at,
      wanted.map((_, k) => (k === d ? index.numel : 1)),
    ),
    wanted,
  );
  return reduceAt("indexReduce", x, d, wide.contiguous(), source, reduce, options.includeSelf ?? true);
}
