/** Running sums, products, extremes and log-sum-exps along one dimension, and prod, whose gradient is made of them. */

import { defineMultiOp, defineOp, type Op, run, runMulti } from "../autograd/op.js";
import {
  BOOL,
  codeOf,
  type DType,
  type DTypeCode,
  INT64,
  isFloat,
  nameOf,
  SIZES,
  UINT8,
} from "../tensor/dtype.js";
import { DTypeError, ValueError } from "../tensor/errors.js";
import { enqueue, GRAIN, inPieces, type KernelTable, kernelFor, kernelTable } from "../tensor/launch.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { contiguous, empty, full, ptr } from "../tensor/raw.js";
import { wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { div, mul, sub } from "./arithmetic.js";
import { flip } from "./arrange.js";
import { cast } from "./cast.js";
import { eq, ne } from "./compare.js";
import { exp } from "./exponential.js";
import { scatterAlong, split3 } from "./gather.js";
import { cat } from "./join.js";
import { all, type ValuesAndIndices } from "./reduce.js";
import { type ReduceOptions, reduceBlocks, unreduce } from "./sum.js";
import { narrow, reshape } from "./view.js";
import { where } from "./where.js";

const CUMSUM = kernelTable("cumsum");
const CUMPROD = kernelTable("cumprod");
const CUMMAX = kernelTable("cummax");
const CUMMIN = kernelTable("cummin");
const LOGCUMSUMEXP = kernelTable("logcumsumexp");
const RECURRENCE = kernelTable("recurrence");
const PROD = kernelTable("prod");

/**
 * Calls `kernel(pointers..., outer, dim, inner, stride, ...extra)` on contiguous tensors of one shape, shared among
 * threads by rows, or by columns when there is one row.
 */
function along(
  table: KernelTable,
  code: number,
  tensors: readonly Tensor[],
  dim: number,
  cost: number,
  ...extra: number[]
): void {
  const first = tensors[0] as Tensor;
  if (first.numel === 0) {
    kernelFor(table, code);
    return;
  }
  const { outer, size, inner } = split3(first.shape, dim);
  const at = tensors.map(ptr);
  const bytes = tensors.map((t) => SIZES[t.code] as number);
  if (first.numel * cost < 2 * GRAIN) kernelFor(table, code)(...at, outer, size, inner, 0, ...extra);
  else if (outer > 1) {
    inPieces(outer, Math.ceil(GRAIN / (size * inner * cost)), (start, count) => {
      const from = at.map((p, k) => p + start * size * inner * (bytes[k] as number));
      enqueue(table, code, ...from, count, size, inner, 0, ...extra);
    });
  } else {
    inPieces(inner, Math.max(16, Math.ceil(GRAIN / (size * cost))), (start, count) => {
      const from = at.map((p, k) => p + start * (bytes[k] as number));
      enqueue(table, code, ...from, 1, size, count, inner, ...extra);
    });
  }
}

function scanned(table: KernelTable, x: Tensor, dim: number, cost: number): Tensor {
  const src = contiguous(x);
  const out = empty(src.shape, src.code);
  along(table, src.code, [src, out], dim, cost);
  return out;
}

/** x moved by one place along a dimension, towards the end (`by` 1) or the front (-1); `value` fills the gap. */
function shifted(x: Tensor, dim: number, by: 1 | -1, value: number): Tensor {
  const size = x.shape[dim] as number;
  const gap = full(
    x.shape.map((n, d) => (d === dim ? Math.min(1, n) : n)),
    value,
    x.code,
  );
  if (size < 2) return gap;
  return by === 1
    ? cat([gap, narrow(x, dim, 0, size - 1)], dim)
    : cat([narrow(x, dim, 1, size - 1), gap], dim);
}

interface Direction {
  readonly dim: number;
  readonly reverse: boolean;
}

const recurrenceOp: Op<Direction> = defineOp<Direction>({
  name: "LinearRecurrence",
  saves: [0],
  savesOutput: true,
  forward: ([x, y], { dim, reverse }) => {
    const [a, b] = [contiguous(x as Tensor), contiguous(y as Tensor)];
    const out = empty(a.shape, a.code);
    along(RECURRENCE, a.code, [a, b, out], dim, 4, reverse ? 1 : 0);
    return out;
  },
  // With y_i = a_i y_(i-1) + b_i: db = u, u_i = g_i + a_(i+1) u_(i+1), and da_i = u_i y_(i-1)
  backward: (g, n) => {
    const { dim, reverse } = n.attrs;
    const [before, after] = reverse ? ([-1, 1] as const) : ([1, -1] as const);
    const u = recurrence(shifted(n.input(0), dim, after, 0), g, { dim, reverse: !reverse });
    return [n.needs(0) ? mul(u, shifted(n.output(), dim, before, 0)) : null, n.needs(1) ? u : null];
  },
});

/** y_i = a_i y_(i-1) + b_i along a dimension, from its front or its back; y before the first is 0. */
function recurrence(a: Tensor, b: Tensor, direction: Direction): Tensor {
  return run(recurrenceOp, [a, b], direction);
}

const cumsumOp: Op<number> = defineOp<number>({
  name: "Cumsum",
  forward: ([x], dim) => scanned(CUMSUM, x as Tensor, dim, 2),
  // dx_i = sum over k >= i of g_k
  backward: (g, n) => [g.shape.length === 0 ? g : flip(run(cumsumOp, [flip(g, n.attrs)], n.attrs), n.attrs)],
});

const cumprodOp = defineOp<number>({
  name: "Cumprod",
  saves: true,
  savesOutput: true,
  forward: ([x], dim) => scanned(CUMPROD, x as Tensor, dim, 2),
  // dx_i = y_(i-1) S_i with S_i = g_i + x_(i+1) S_(i+1): no division, so zeros are no exception
  backward: (g, n) => {
    const dim = n.attrs;
    if (g.shape.length === 0) return [g];
    const rest = recurrence(shifted(n.input(0), dim, -1, 0), g, { dim, reverse: true });
    return [mul(shifted(n.output(), dim, 1, 1), rest)];
  },
});

const logcumsumexpOp = defineOp<number>({
  name: "Logcumsumexp",
  saves: true,
  savesOutput: true,
  forward: ([x], dim) => scanned(LOGCUMSUMEXP, x as Tensor, dim, 32),
  // dx_i = exp(x_i - y_i) S_i with S_i = g_i + exp(y_i - y_(i+1)) S_(i+1): no exponent is positive
  backward: (g, n) => {
    const dim = n.attrs;
    if (g.shape.length === 0) return [g];
    const [x, y] = [n.input(0), n.output()];
    const decay = exp(difference(y, shifted(y, dim, -1, Number.POSITIVE_INFINITY)));
    return [mul(exp(difference(x, y)), recurrence(decay, g, { dim, reverse: true }))];
  },
});

/** a - b, and 0 for equal infinities. */
function difference(a: Tensor, b: Tensor): Tensor {
  return where(eq(a, b), 0, sub(a, b));
}

/** Options of running sums and products. */
export interface ScanOptions {
  /** The dimension along which elements are joined. */
  dim?: number;
  /** Cast to this first; integers and bool are cast to int64 by default. */
  dtype?: DType;
}

const SCAN_OPTIONS: OptionNames<ScanOptions> = { dim: 1, dtype: 1 };

function scanArgs(
  op: string,
  x: Tensor,
  dim: number | ScanOptions,
  options: ScanOptions | undefined,
): [Tensor, number, DTypeCode] {
  checkNames(op, dim, SCAN_OPTIONS);
  checkOptions(op, options, SCAN_OPTIONS);
  const o = typeof dim === "number" ? { ...options, dim } : dim;
  if (o?.dim === undefined) throw new ValueError(`[${op}] the dimension is missing; try ${op}(x, 0)`);
  const code = o.dtype !== undefined ? codeOf(o.dtype) : isFloat(x.code) ? x.code : INT64;
  const input = cast(x, code === BOOL ? INT64 : code);
  // uint8 has no kernel: as int64 it gives the same, cut to its low bits at the end
  const work = code === UINT8 ? cast(input, INT64) : input;
  return [work, wrapDim(op, o.dim, x.shape.length), input.code];
}

/**
 * Sums of the elements up to each, along a dimension. float32 is accumulated in float64. Source: `torch.cumsum`.
 * @example
 * cumsum(tensor([1, 2, 3]), 0).toArray(); // [1, 3, 6]
 */
export function cumsum(x: Tensor, dim: number | ScanOptions, options?: ScanOptions): Tensor {
  const [input, d, code] = scanArgs("cumsum", x, dim, options);
  return cast(run(cumsumOp, [input], d), code);
}

/**
 * Products of the elements up to each, along a dimension; the gradient is exact at zeros, at every order.
 * Source: `torch.cumprod`.
 */
export function cumprod(x: Tensor, dim: number | ScanOptions, options?: ScanOptions): Tensor {
  const [input, d, code] = scanArgs("cumprod", x, dim, options);
  return cast(run(cumprodOp, [input], d), code);
}

/** log of the sums of exp(x) up to each element, along a dimension; floats only. Source: `torch.logcumsumexp`. */
export function logcumsumexp(x: Tensor, dim: number): Tensor {
  if (!isFloat(x.code)) {
    throw new DTypeError(
      `[logcumsumexp] expected a floating dtype, got ${nameOf(x.code)}; try x.to("float32")`,
    );
  }
  return run(logcumsumexpOp, [x], wrapDim("logcumsumexp", dim, x.shape.length));
}

function extremeOp(name: string, table: KernelTable) {
  return defineMultiOp<number>({
    name,
    nonDifferentiable: [1],
    savesOutput: true,
    forward: ([x], dim) => {
      const src = contiguous(x as Tensor);
      const values = empty(src.shape, src.code);
      const indices = empty(src.shape, INT64);
      along(table, src.code, [src, values, indices], dim, 2);
      return [values, indices];
    },
    // each gradient goes to the element that held the extreme
    backward: ([g], n) => [g ? scatterAlong(n.shape(0), n.attrs, n.output(1), g) : null],
  });
}

const cummaxOp = extremeOp("Cummax", CUMMAX);
const cumminOp = extremeOp("Cummin", CUMMIN);

function runningExtreme(op: typeof cummaxOp, name: string, x: Tensor, dim: number): ValuesAndIndices {
  const [values, indices] = runMulti(op, [x], wrapDim(name, dim, x.shape.length));
  return { values: values as Tensor, indices: indices as Tensor };
}

/** The largest element up to each, and its (last) position, along a dimension. NaN stays. Source: `torch.cummax`. */
export function cummax(x: Tensor, dim: number): ValuesAndIndices {
  return runningExtreme(cummaxOp, "cummax", x, dim);
}

/** The smallest element up to each, and its (last) position, along a dimension. NaN stays. Source: `torch.cummin`. */
export function cummin(x: Tensor, dim: number): ValuesAndIndices {
  return runningExtreme(cumminOp, "cummin", x, dim);
}

const prodOp = defineOp<{ dim: number; keepdim: boolean }>({
  name: "Prod",
  saves: true,
  savesOutput: true,
  forward: ([x], { dim, keepdim }) => {
    const t = x as Tensor;
    return reduceBlocks(PROD, t, t.shape.length === 0 ? [] : [dim], keepdim, t.code);
  },
  backward: (g, n) => {
    const x = n.input(0);
    const { dim } = n.attrs;
    if (x.shape.length === 0) return [g];
    const spread = unreduce(g, x.shape, [dim]);
    // dx_i = g times the product of the others, by division where there are no zeros
    if (all(ne(x.detach(), 0)).item()) return [div(mul(spread, unreduce(n.output(), x.shape, [dim])), x)];
    const left = cumprod(shifted(x, dim, 1, 1), dim);
    const right = flip(cumprod(flip(shifted(x, dim, -1, 1), dim), dim), dim);
    return [mul(spread, mul(left, right))];
  },
});

/** Options of {@link prod}. */
export interface ProdOptions extends ReduceOptions {
  /** Dimension to reduce; all when left out. */
  dim?: number | null;
  /** Cast to this first; integers and bool are cast to int64 by default. */
  dtype?: DType;
}

const PROD_OPTIONS: OptionNames<ProdOptions> = { dim: 1, dtype: 1, keepdim: 1 };

/**
 * Product of all elements, or along a dimension; the gradient is exact at zeros, at every order. Source: `torch.prod`.
 * @example
 * prod(tensor([2, 3, 4])).item(); // 24
 */
export function prod(x: Tensor, dim?: number | ProdOptions | null, options?: ProdOptions): Tensor {
  checkNames("prod", dim, PROD_OPTIONS);
  checkOptions("prod", options, PROD_OPTIONS);
  const o = typeof dim === "number" ? { ...options, dim } : (dim ?? options ?? {});
  const code: DTypeCode = o.dtype !== undefined ? codeOf(o.dtype) : isFloat(x.code) ? x.code : INT64;
  const work = isFloat(code) ? code : INT64;
  const input = cast(cast(x, code), work);
  const result =
    o.dim === undefined || o.dim === null
      ? run(prodOp, [reshape(input, [-1])], { dim: 0, keepdim: false })
      : run(prodOp, [input], { dim: wrapDim("prod", o.dim, x.shape.length), keepdim: o.keepdim ?? false });
  return cast(result, code);
}
