/** Moments and norms over dimensions: var, std, logsumexp, nansum, nanmean, norm, dist. */

import { defineMultiOp, defineOp, run, runMulti } from "../autograd/op.js";
import { codeOf, type DType, FLOAT64, isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, ValueError } from "../tensor/errors.js";
import { release } from "../tensor/heap.js";
import { enqueue, GRAIN, inPieces, kernelTable } from "../tensor/launch.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { copyOf, empty, ptr } from "../tensor/raw.js";
import { broadcastShapes, reducedShape, wrapDims } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul, sub } from "./arithmetic.js";
import { cast } from "./cast.js";
import { eq, isnan, ne } from "./compare.js";
import { exp } from "./exponential.js";
import { logicalNot } from "./logical.js";
import { pow, sqrt } from "./powers.js";
import { amax, amin, any } from "./reduce.js";
import { abs } from "./sign.js";
import {
  asBlocks,
  type DimArg,
  type ReduceOptions,
  reduceArgs,
  reduceBlocks,
  SUM_OPTIONS,
  type SumOptions,
  sum,
} from "./sum.js";
import { expand, reshape } from "./view.js";
import { where } from "./where.js";

/** Options of {@link var_} and its kin. */
export interface VarOptions extends ReduceOptions {
  /** Subtracted from the count in the divisor (default 1: the unbiased estimate). */
  correction?: number;
  /** false is `correction: 0`. */
  unbiased?: boolean;
}

const VAR_OPTIONS: OptionNames<VarOptions> = { correction: 1, unbiased: 1, dim: 1, keepdim: 1 };

interface Moments {
  readonly dims: readonly number[];
  readonly correction: number;
  readonly count: number;
  readonly keepdim: boolean;
}

function moments(
  op: string,
  x: Tensor,
  dim: DimArg<VarOptions> | boolean,
  options: VarOptions | undefined,
): Moments {
  const o =
    typeof dim === "boolean" ? { ...options, unbiased: dim } : reduceArgs(op, dim, options, VAR_OPTIONS);
  if (!isFloat(x.code))
    throw new DTypeError(`[${op}] expected a floating dtype, got ${nameOf(x.code)}; try x.to("float32")`);
  const dims = wrapDims(op, o.dim, x.shape.length);
  const correction = o.correction ?? (o.unbiased === false ? 0 : 1);
  const count = dims.reduce((n, d) => n * (x.shape[d] as number), 1);
  return { dims, correction, count, keepdim: o.keepdim ?? false };
}

const VAR_MEAN = kernelTable("varMean");

const varMeanOp = defineMultiOp<Moments>({
  name: "VarMean",
  saves: true,
  savesOutput: true,
  forward: ([input], { dims, correction, keepdim }) => {
    const x = input as Tensor;
    const { data, outer, red, inner } = asBlocks(x, dims);
    const shape = reducedShape(x.shape, dims, keepdim);
    const [variance, mu] = [empty(shape, x.code), empty(shape, x.code)];
    if (variance.numel === 0) return [variance, mu];
    const size = data.itemsize;
    const lanes = inner === 1 ? outer : inner;
    const scratch = empty([2 * lanes], FLOAT64);
    const [from, v, m, own] = [ptr(data), ptr(variance), ptr(mu), ptr(scratch)];
    // Threads share the rows, or the columns.
    inPieces(lanes, Math.ceil(GRAIN / (data.numel / lanes + 1)), (first, count) => {
      const [at, to] = [from + first * red * size, first * size];
      const call =
        inner === 1
          ? [at, v + to, m + to, own + 16 * first, count, red, 1, correction, 0, count]
          : [from, v, m, own, outer, red, inner, correction, first, first + count];
      enqueue(VAR_MEAN, x.code, ...call);
    });
    release(scratch.storage);
    return [variance, mu];
  },
  // d var = 2 (x - mean) dx / (count - correction), d mean = dx / count
  backward: ([gv, gm], n) => {
    const { dims, correction, count } = n.attrs;
    const x = n.input(0);
    const kept = x.shape.map((size, d) => (dims.includes(d) ? 1 : size));
    const share = gm === null || gm === undefined ? null : expand(div(reshape(gm, kept), count), x.shape);
    if (gv === null || gv === undefined) return [share];
    const d = sub(x, reshape(n.output(1), kept));
    const gx = mul(d, mul(reshape(gv, kept), 2 / Math.max(0, count - correction)));
    return [share === null ? gx : add(gx, share)];
  },
});

function centred(x: Tensor, m: Moments): { mean: Tensor; variance: Tensor } {
  const [variance, mean] = runMulti(varMeanOp, [x], m);
  return { mean: mean as Tensor, variance: variance as Tensor };
}

/** Variance over dimensions. A divisor of 0 gives NaN or Infinity, as in PyTorch. Source: `torch.var`. */
export function var_(x: Tensor, dim?: DimArg<VarOptions> | boolean, options?: VarOptions): Tensor {
  return centred(x, moments("var", x, dim ?? {}, options)).variance;
}

/** sqrt with the gradient 0 at 0, as PyTorch has it for deviations. */
function root(variance: Tensor): Tensor {
  if (!variance.requiresGrad) return sqrt(variance);
  return zeroWhere(eq(variance, 0), variance, sqrt);
}

/** Standard deviation over dimensions; where it is 0, so is its gradient. Source: `torch.std`. */
export function std(x: Tensor, dim?: DimArg<VarOptions> | boolean, options?: VarOptions): Tensor {
  return root(centred(x, moments("std", x, dim ?? {}, options)).variance);
}

/** [variance, mean]. Source: `torch.var_mean`. */
export function varMean(
  x: Tensor,
  dim?: DimArg<VarOptions> | boolean,
  options?: VarOptions,
): [Tensor, Tensor] {
  const { mean: mu, variance } = centred(x, moments("varMean", x, dim ?? {}, options));
  return [variance, mu];
}

/** [standard deviation, mean]. Source: `torch.std_mean`. */
export function stdMean(
  x: Tensor,
  dim?: DimArg<VarOptions> | boolean,
  options?: VarOptions,
): [Tensor, Tensor] {
  const { mean: mu, variance } = centred(x, moments("stdMean", x, dim ?? {}, options));
  return [root(variance), mu];
}

const LOG_SUM_EXP = kernelTable("logsumexp");

const logsumexpOp = defineOp<Pick<Moments, "dims" | "keepdim">>({
  name: "Logsumexp",
  saves: true,
  savesOutput: true,
  forward: ([x], { dims, keepdim }) =>
    reduceBlocks(LOG_SUM_EXP, x as Tensor, dims, keepdim, (x as Tensor).code),
  // d log sum e^x = e^(x - log sum e^x) dx
  backward: (g, n) => {
    const x = n.input(0);
    const kept = x.shape.map((size, d) => (n.attrs.dims.includes(d) ? 1 : size));
    return [mul(reshape(g, kept), exp(sub(x, reshape(n.output(), kept))))];
  },
});

const LOGSUMEXP_OPTIONS: OptionNames<{ keepdim?: boolean }> = { keepdim: 1 };

/** log sum exp(x) over dimensions, shifted by the maximum so that it does not overflow. Source: `torch.logsumexp`. */
export function logsumexp(
  x: Tensor,
  dim: number | readonly number[],
  options: { keepdim?: boolean } = {},
): Tensor {
  checkOptions("logsumexp", options, LOGSUMEXP_OPTIONS);
  const input = isFloat(x.code) ? x : cast(x, codeOf("float32"));
  const dims = wrapDims("logsumexp", dim, x.shape.length);
  return run(logsumexpOp, [input], { dims, keepdim: options.keepdim ?? false });
}

/** Sum with NaN taken as 0. Source: `torch.nansum`. */
export function nansum(x: Tensor, dim?: DimArg<SumOptions>, options?: SumOptions): Tensor {
  return sum(isFloat(x.code) ? where(isnan(x), 0, x) : x, reduceArgs("nansum", dim, options, SUM_OPTIONS));
}

/** Mean of the elements that are not NaN. Source: `torch.nanmean`. */
export function nanmean(x: Tensor, dim?: DimArg<SumOptions>, options?: SumOptions): Tensor {
  const o = reduceArgs("nanmean", dim, options, SUM_OPTIONS);
  if (!isFloat(x.code))
    throw new DTypeError(`[nanmean] expected a floating dtype, got ${nameOf(x.code)}; try x.to("float32")`);
  const over = {
    ...(o.dim === undefined ? {} : { dim: o.dim }),
    ...(o.keepdim === undefined ? {} : { keepdim: o.keepdim }),
  };
  return div(nansum(x, o), sum(logicalNot(isnan(x)), over));
}

/** A count of the elements of `x` as a part of the graph: nothing flows back. */
const countOp = defineOp({
  name: "Norm",
  forward: ([, count]) => copyOf(count as Tensor),
  backward: () => [null],
});

/** fn(x), but 0 with the gradient 0 where the mask is true: roots and powers have an infinite slope at 0. */
function zeroWhere(mask: Tensor, x: Tensor, fn: (x: Tensor) => Tensor): Tensor {
  if (any(mask).item() === 0) return fn(x);
  return where(mask, mul(where(mask, 1, x), 0), fn(where(mask, 1, x)));
}

/** Options of {@link norm}. */
export interface NormOptions extends SumOptions {
  /** Order: a number, Infinity, -Infinity, "fro" (default) or "nuc". */
  p?: number | "fro" | "nuc";
}

/** @internal */
export const NORM_OPTIONS: OptionNames<NormOptions> = { p: 1, dtype: 1, dim: 1, keepdim: 1 };

/**
 * (sum |x|^p)^(1/p) over dimensions, with PyTorch's subgradient 0 at 0. p = Infinity and -Infinity give the largest and
 * smallest magnitude, p = 0 counts. Source: `torch.linalg.vector_norm`.
 */
export function vectorNorm(x: Tensor, ord = 2, options: SumOptions = {}): Tensor {
  const code = options.dtype === undefined ? x.code : codeOf(options.dtype as DType);
  if (!isFloat(code))
    throw new DTypeError(`[vectorNorm] expected a floating dtype, got ${nameOf(code)}; try x.to("float32")`);
  const input = cast(x, code);
  const dims = wrapDims("vectorNorm", options.dim, x.shape.length);
  const over = { dim: dims, keepdim: options.keepdim ?? false };
  const emptyReduction = dims.some((d) => x.shape[d] === 0);
  if (ord === 0) return run(countOp, [input, sum(cast(ne(input, 0), code), over)], null);
  if (ord === Number.POSITIVE_INFINITY || ord === Number.NEGATIVE_INFINITY) {
    if (emptyReduction)
      throw new ShapeError("[vectorNorm] an infinite order has no value for an empty dimension");
    return ord > 0 ? amax(abs(input), over) : amin(abs(input), over);
  }
  if (ord === 1) return sum(abs(input), over);
  if (emptyReduction && ord < 0)
    throw new ShapeError("[vectorNorm] a negative order has no value for an empty dimension");
  if (ord === 2) {
    const total = sum(mul(input, input), over);
    return total.requiresGrad ? zeroWhere(eq(total, 0), total, sqrt) : sqrt(total);
  }
  // An element 0 has no slope; with a negative order its power is infinite, and the norm 0.
  const none = eq(input, 0);
  const powers = zeroWhere(none, abs(input), (x) => pow(x, ord));
  const total = sum(ord > 0 ? powers : where(none, Number.POSITIVE_INFINITY, powers), over);
  return zeroWhere(ord > 0 ? eq(total, 0) : eq(total, Number.POSITIVE_INFINITY), total, (x) =>
    pow(x, 1 / ord),
  );
}

/** Norm of a tensor over dimensions; matrices by "fro" (default) too. Source: `torch.norm`. */
export function norm(
  x: Tensor,
  p?: number | "fro" | "nuc" | NormOptions | null,
  dim?: DimArg<NormOptions>,
  options?: NormOptions,
): Tensor {
  checkNames("norm", p, NORM_OPTIONS);
  const o: NormOptions =
    typeof p === "object" && p !== null
      ? p
      : {
          ...reduceArgs("norm", dim, options, NORM_OPTIONS),
          ...(p === undefined || p === null ? {} : { p }),
        };
  if (o.p === "nuc")
    throw new ValueError('[norm] p = "nuc" is linalg.matrixNorm(x, { ord: "nuc" }); try that');
  const order = o.p === undefined || o.p === "fro" ? 2 : o.p;
  const nothing = wrapDims("norm", o.dim, x.shape.length).some((d) => x.shape[d] === 0);
  // Unlike vectorNorm, this gives 0 for nothing, whatever the order.
  return vectorNorm(x, nothing && (order < 0 || order === Number.POSITIVE_INFINITY) ? 1 : order, o);
}

const DIST_OPTIONS: OptionNames<{ p?: number }> = { p: 1 };

/** The p-norm of `x - other`. Source: `torch.dist`. */
export function dist(x: Tensor, other: Tensor, p: number | { p?: number } = 2): Tensor {
  checkNames("dist", p, DIST_OPTIONS);
  broadcastShapes("dist", x.shape, other.shape);
  return vectorNorm(sub(x, other), typeof p === "number" ? p : (p.p ?? 2));
}
