/** Products beyond the matrix product: tensordot, inner, kron, cross, trace, ger, vander; and covariances. */

import { isFloat } from "../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { full } from "../tensor/raw.js";
import { broadcastShapes, numelOf, wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { div, mul, sub } from "./arithmetic.js";
import { flip, roll } from "./arrange.js";
import { clamp } from "./clamp.js";
import { floating } from "./core.js";
import { diagonal } from "./diagonal.js";
import { cat } from "./join.js";
import { mm, outer } from "./matmul.js";
import { sqrt } from "./powers.js";
import { sum } from "./sum.js";
import { expand, permute, reshape, squeeze, t, unsqueeze } from "./view.js";

/** Which dimensions {@link tensordot} contracts: the last n of one with the first n of the other, or pairs by name. */
export type ContractDims = number | readonly [readonly number[], readonly number[]];

function pairs(a: Tensor, b: Tensor, dims: ContractDims): [number[], number[]] {
  if (typeof dims !== "number") {
    const [da, db] = dims;
    return [
      da.map((d) => wrapDim("tensordot", d, a.shape.length)),
      db.map((d) => wrapDim("tensordot", d, b.shape.length)),
    ];
  }
  if (!Number.isInteger(dims) || dims < 0 || dims > Math.min(a.shape.length, b.shape.length)) {
    throw new ValueError(
      `[tensordot] cannot contract ${dims} dimensions of shapes ${show(a.shape)} and ${show(b.shape)}`,
    );
  }
  return [
    Array.from({ length: dims }, (_, i) => a.shape.length - dims + i),
    Array.from({ length: dims }, (_, i) => i),
  ];
}

const TENSORDOT_OPTIONS: OptionNames<{ dims?: ContractDims }> = { dims: 1 };

/**
 * Contracts dimensions of two tensors: the last `dims` (default 2) of `a` with the first of `b`, or the listed pairs.
 * Source: `torch.tensordot`.
 * @example
 * tensordot(ones([2, 3]), ones([3, 4]), { dims: 1 }).shape; // [2, 4]
 */
export function tensordot(a: Tensor, b: Tensor, dims: ContractDims | { dims?: ContractDims } = 2): Tensor {
  checkNames("tensordot", dims, TENSORDOT_OPTIONS);
  const given: ContractDims =
    typeof dims === "object" && "dims" in dims ? (dims.dims ?? 2) : (dims as ContractDims);
  const [da, db] = pairs(a, b, given);
  if (da.length !== db.length)
    throw new ShapeError(`[tensordot] expected as many dims of both, got ${show(da)} and ${show(db)}`);
  let [x, y] = [a, b];
  da.forEach((d, i) => {
    const e = db[i] as number;
    const [m, n] = [a.shape[d] as number, b.shape[e] as number];
    // A dimension of size 1 is broadcast, so the other one is summed.
    if (n === 1 && m !== 1) x = sum(x, { dim: d, keepdim: true, dtype: x.dtype });
    else if (m === 1 && n !== 1) y = sum(y, { dim: e, keepdim: true, dtype: y.dtype });
    else if (m !== n) {
      throw new ShapeError(
        `[tensordot] dimension ${d} of ${show(a.shape)} and ${e} of ${show(b.shape)} differ: ${m} and ${n}`,
      );
    }
  });
  const freeA = x.shape.map((_, d) => d).filter((d) => !da.includes(d));
  const freeB = y.shape.map((_, d) => d).filter((d) => !db.includes(d));
  const shape = [...freeA.map((d) => x.shape[d] as number), ...freeB.map((d) => y.shape[d] as number)];
  const k = numelOf(da.map((d) => x.shape[d] as number));
  const rows = numelOf(freeA.map((d) => x.shape[d] as number));
  const left = reshape(permute(x, [...freeA, ...da]), [rows, k]);
  const right = reshape(permute(y, [...db, ...freeB]), [
    k,
    numelOf(shape) === 0 ? numelOf(shape.slice(freeA.length)) : numelOf(shape) / rows,
  ]);
  return reshape(mm(left, right), shape);
}

/** Sums of products over the last dimensions; a 0-d tensor scales the other. Source: `torch.inner`. */
export function inner(x: Tensor, other: Tensor): Tensor {
  if (x.shape.length === 0 || other.shape.length === 0) return mul(x, other);
  if (x.shape.at(-1) !== other.shape.at(-1)) {
    throw new ShapeError(
      `[inner] the last dimensions of ${show(x.shape)} and ${show(other.shape)} must agree`,
    );
  }
  return tensordot(x, other, [[-1], [-1]]);
}

/** Same as `outer`. Source: `torch.ger`. */
export const ger: typeof outer = outer;

/**
 * The Kronecker product: every element of `x` times the whole of `other`, laid out as blocks. Source: `torch.kron`.
 * @example
 * kron(tensor([[1, 2]]), ones([1, 2])).toArray(); // [[1, 1, 2, 2]]
 */
export function kron(x: Tensor, other: Tensor): Tensor {
  const rank = Math.max(x.shape.length, other.shape.length);
  const padded = (s: readonly number[]) => [...new Array<number>(rank - s.length).fill(1), ...s];
  const [a, b] = [padded(x.shape), padded(other.shape)];
  const product = mul(
    reshape(
      x,
      a.flatMap((n) => [n, 1]),
    ),
    reshape(
      other,
      b.flatMap((n) => [1, n]),
    ),
  );
  return reshape(
    product,
    a.map((n, d) => n * (b[d] as number)),
  );
}

/** The cross product along a dimension of size 3. @internal */
export function crossAlong(op: string, x: Tensor, other: Tensor, dim: number): Tensor {
  const shape = broadcastShapes(op, x.shape, other.shape);
  const d = wrapDim(op, dim, shape.length);
  if (x.shape.length !== other.shape.length || x.shape[d] !== 3 || other.shape[d] !== 3) {
    throw new ShapeError(
      `[${op}] expected size 3 in dimension ${d} of both, got shapes ${show(x.shape)} and ${show(other.shape)}`,
    );
  }
  const [a, b] = [expand(x, shape), expand(other, shape)];
  // c[i] = a[i+1] b[i+2] - a[i+2] b[i+1], indices modulo 3
  return sub(mul(roll(a, -1, d), roll(b, -2, d)), mul(roll(a, -2, d), roll(b, -1, d)));
}

const CROSS_OPTIONS: OptionNames<{ dim?: number | null }> = { dim: 1 };

/** The cross product of vectors of 3 along `dim`, by default the first dimension of size 3. Source: `torch.cross`. */
export function cross(x: Tensor, other: Tensor, dim?: number | null | { dim?: number | null }): Tensor {
  checkNames("cross", dim, CROSS_OPTIONS);
  const given = typeof dim === "object" && dim !== null ? dim.dim : dim;
  if (given !== undefined && given !== null) return crossAlong("cross", x, other, given);
  const first = broadcastShapes("cross", x.shape, other.shape).indexOf(3);
  if (first < 0)
    throw new ShapeError(
      `[cross] no dimension of size 3 in shapes ${show(x.shape)} and ${show(other.shape)}`,
    );
  return crossAlong("cross", x, other, first);
}

/** The sum of the main diagonal of a matrix. Source: `torch.trace`. */
export function trace(x: Tensor): Tensor {
  if (x.shape.length !== 2)
    throw new ShapeError(`[trace] expected a matrix, got shape ${show(x.shape)}; try diagonal`);
  return sum(diagonal(x), 0);
}

/** Options of {@link vander}. */
export interface VanderOptions {
  /** Number of columns (default the length of the vector). */
  N?: number | null;
  /** Powers from 0 upwards; from N - 1 downwards when false (default). */
  increasing?: boolean;
}

const VANDER_OPTIONS: OptionNames<VanderOptions> = { N: 1, increasing: 1 };

/** The powers of the elements in the last dimension, from 0 to N - 1, as a new last dimension. @internal */
export function powersOf(op: string, x: Tensor, N: number): Tensor {
  if (!Number.isInteger(N) || N < 0)
    throw new ValueError(`[${op}] the number of columns must be a whole number >= 0, got ${N}`);
  const base = x.code < 3 ? x.to("int64") : x;
  const ones = full([...base.shape, 1], 1, base.code);
  const columns = [ones];
  for (let i = 1; i < N; i++) columns.push(mul(columns[i - 1] as Tensor, unsqueeze(base, -1)));
  return N === 0 ? full([...base.shape, 0], 0, base.code) : cat(columns, -1);
}

/**
 * The matrix of powers of the elements of a vector, highest first unless `increasing`. Source: `torch.vander`.
 * @example
 * vander(tensor([2, 3]), { N: 3 }).toArray(); // [[4, 2, 1], [9, 3, 1]]
 */
export function vander(x: Tensor, options: VanderOptions = {}): Tensor {
  checkOptions("vander", options, VANDER_OPTIONS);
  if (x.shape.length !== 1)
    throw new ShapeError(`[vander] expected a vector, got shape ${show(x.shape)}; try linalg.vander`);
  const powers = powersOf("vander", x, options.N ?? x.numel);
  return options.increasing === true ? powers : flip(powers, -1);
}

/** Options of {@link cov}. */
export interface CovOptions {
  /** Subtracted from the number of observations in the divisor (default 1). */
  correction?: number;
  /** How often each observation counts: int64. */
  fweights?: Tensor | null;
  /** How much each observation counts: floating. */
  aweights?: Tensor | null;
}

const COV_OPTIONS: OptionNames<CovOptions> = { correction: 1, fweights: 1, aweights: 1 };

function checkWeights(name: string, w: Tensor, observations: number, whole: boolean): void {
  if (w.shape.length > 1 || w.numel !== observations) {
    throw new ShapeError(
      `[cov] ${name} must be a vector of ${observations}, one for each observation, got shape ${show(w.shape)}`,
    );
  }
  if (isFloat(w.code) === whole)
    throw new ValueError(`[cov] ${name} must be ${whole ? "integers" : "floating"}, got ${w.dtype}`);
  if (w.numel > 0 && w.lt(0).any().item() !== 0) throw new ValueError(`[cov] ${name} must not be negative`);
}

/**
 * Covariances of the variables in the rows, with one observation in each column; a vector is one variable.
 * Source: `torch.cov`.
 * @example
 * cov(tensor([[0, 1, 2], [2, 1, 0]])).toArray(); // [[1, -1], [-1, 1]]
 */
export function cov(x: Tensor, options: CovOptions = {}): Tensor {
  checkOptions("cov", options, COV_OPTIONS);
  if (x.shape.length > 2)
    throw new ShapeError(`[cov] expected at most 2 dimensions, got shape ${show(x.shape)}`);
  const rows = floating(x.shape.length < 2 ? reshape(x, [1, x.numel]) : x);
  const n = rows.shape[1] as number;
  const { correction = 1 } = options;
  const [f, a] = [options.fweights ?? null, options.aweights ?? null];
  if (f !== null) checkWeights("fweights", f, n, true);
  if (a !== null) checkWeights("aweights", a, n, false);
  const w = f !== null && a !== null ? mul(f, a) : (f ?? a);
  const total = w === null ? null : sum(w);
  if (total !== null && total.item() === 0) throw new ValueError("[cov] the weights sum to 0");
  const weighted = (v: Tensor) => (w === null ? v : mul(v, w));
  const centred = sub(rows, unsqueeze(div(sum(weighted(rows), 1), total ?? n), 1));
  let divisor: Tensor | number = total === null ? n - correction : sub(total, correction);
  if (total !== null && w !== null && a !== null && correction !== 0)
    divisor = sub(total, div(mul(sum(mul(w, a)), correction), total));
  const size = typeof divisor === "number" ? divisor : divisor.item();
  return squeeze(div(mm(centred, t(weighted(centred))), size <= 0 ? 0 : divisor));
}

/** Correlations of the variables in the rows, clamped to [-1, 1]. Source: `torch.corrcoef`. */
export function corrcoef(x: Tensor): Tensor {
  if (x.shape.length > 2)
    throw new ShapeError(`[corrcoef] expected at most 2 dimensions, got shape ${show(x.shape)}`);
  const c = cov(x);
  if (c.shape.length === 0) return div(c, c);
  const deviation = sqrt(diagonal(c));
  return clamp(div(div(c, unsqueeze(deviation, 1)), unsqueeze(deviation, 0)), { min: -1, max: 1 });
}
