/** Matrices of any shape and rank: pinv, lstsq, matrixRank. */

import { defineMultiOp, defineOp, run, runMulti } from "../../autograd/op.js";
import { mem } from "../../kernels/index.js";
import { type DTypeCode, FLOAT32, FLOAT64, INT64 } from "../../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../../tensor/errors.js";
import { release } from "../../tensor/heap.js";
import { checkNames, type OptionNames } from "../../tensor/options.js";
import { castTo, copyOf, empty, fromTyped, full, ptr, toNumbers } from "../../tensor/raw.js";
import { broadcastShapes, type Shape, sameShape } from "../../tensor/shape.js";
import { Tensor } from "../../tensor/tensor.js";
import { add, mul, neg, sub } from "../arithmetic.js";
import { gt } from "../compare.js";
import { maximum } from "../extrema.js";
import { bmmInto } from "../gemm.js";
import { matmul } from "../matmul.js";
import { square } from "../powers.js";
import { amax } from "../reduce.js";
import { abs } from "../sign.js";
import { sum } from "../sum.js";
import { expand, squeeze, transpose, unsqueeze } from "../view.js";
import {
  batched,
  batchShape,
  batchSize,
  checkMatrices,
  checkSameDtype,
  checkSquare,
  eachMatrix,
  expandBatches,
  flipped,
  identity,
  matrixSize,
  multiply,
  read,
  rounded,
  working,
  write,
} from "./core.js";
import { eigvalsh, symmetricEigen } from "./eigh.js";
import { pivotedQR } from "./qr.js";
import { type SingularValues, singularValues } from "./singular.js";
import { isVector } from "./solve.js";
import { svdvals } from "./svd.js";
import { solveInto } from "./triangular.js";

/** A tolerance: one number, or one for each matrix. */
export type Tolerance = number | Tensor | null;

/** Options of {@link pinv} and {@link matrixRank}: singular values up to max(atol, rtol * the largest) count as 0. */
export interface RankOptions {
  /** Absolute bound (default 0). */
  atol?: Tolerance;
  /** Tolerance relative to the largest (default: the spacing of floats at 1 times max(m, n); 0 with an `atol` above 0). */
  rtol?: Tolerance;
  /** Take the matrices as symmetric, reading one triangle (default false). */
  hermitian?: boolean;
}

/** Spacing of floats at 1. */
function epsilon(code: DTypeCode): number {
  return code === FLOAT32 ? 2 ** -23 : Number.EPSILON;
}

interface Bounds {
  /** One value for all matrices, or one for each. */
  readonly atol: readonly number[];
  readonly rtol: readonly number[];
}

function bounds(op: string, A: Tensor, options: RankOptions): Bounds {
  const batch = batchShape(A);
  const count = batchSize(A);
  const each = (bound: Tolerance | undefined): number[] | null => {
    if (bound === undefined || bound === null) return null;
    if (!(bound instanceof Tensor)) return new Array<number>(count).fill(bound);
    return toNumbers(expand(bound, broadcastShapes(op, bound.shape, batch)));
  };
  const atol = each(options.atol) ?? new Array<number>(count).fill(0);
  const usual = epsilon(A.code) * Math.max(...matrixSize(A));
  const rtol = each(options.rtol) ?? atol.map((a) => (a > 0 ? 0 : usual));
  if (atol.length !== count || rtol.length !== count) {
    throw new ShapeError(`[${op}] tolerances must broadcast to the batch ${show(batch)} of the matrices`);
  }
  return { atol, rtol };
}

interface Pinv extends Bounds {
  readonly hermitian: boolean;
}

const pinvOp = defineOp<Pinv>({
  name: "Pinv",
  saves: true,
  savesOutput: true,
  forward: ([x], { atol, rtol, hermitian }) => {
    const t = x as Tensor;
    return rounded(invert(castTo(t, FLOAT64), atol, rtol, hermitian).inverse, t.code);
  },
  backward: (g, n) => [slope(n.input(0), n.output(), g)],
});

/** dP = -P dA P + P P^T dA^T (I - A P) + (I - P A) dA^T P^T P */
function slope(A: Tensor, P: Tensor, g: Tensor): Tensor {
  const [Pt, gt_] = [mT(P), mT(g)];
  const first = matmul(matmul(Pt, g), Pt);
  const left = matmul(matmul(gt_, P), Pt);
  const right = matmul(matmul(Pt, P), gt_);
  const second = sub(left, matmul(A, matmul(P, left)));
  const third = sub(right, matmul(matmul(right, P), A));
  return add(neg(first), add(second, third));
}

/** V S^+ U^T of the float64 matrices x = U S V^T, and how many singular values of each are above the bound. */
function invert(
  x: Tensor,
  atol: readonly number[],
  rtol: readonly number[],
  hermitian: boolean,
): { inverse: Tensor; ranks: number[] } {
  const [[m, n], count] = [matrixSize(x), batchSize(x)];
  const inverse = full([...batchShape(x), n, m], 0, FLOAT64);
  if (x.numel === 0) return { inverse, ranks: new Array<number>(count).fill(0) };
  const { U, S, Vh } = hermitian ? symmetricValues(x) : singularValues("linalg.pinv", x, "thin");
  const ranks = divideRows(Vh, S, atol, rtol);
  const product = batched(inverse);
  bmmInto(product, flipped(batched(Vh)), flipped(batched(U)), count, n, m, Math.min(m, n));
  for (const t of [U, S, Vh]) release(t.storage);
  return { inverse, ranks };
}

/** Row i of each matrix of Vh divided by S[i], or 0 where that does not count; returns how many do. */
function divideRows(Vh: Tensor, S: Tensor, atol: readonly number[], rtol: readonly number[]): number[] {
  const [k, n] = matrixSize(Vh);
  const [rows, values] = [ptr(Vh) / 8, ptr(S) / 8];
  const { f64 } = mem;
  return atol.map((bound, b) => {
    const s = f64.slice(values + b * k, values + (b + 1) * k);
    const largest = s.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
    const most = Math.max(bound, (rtol[b] as number) * largest);
    let rank = 0;
    s.forEach((v, i) => {
      const counts = Math.abs(v) > most;
      if (counts) rank++;
      const from = rows + (b * k + i) * n;
      for (let j = from; j < from + n; j++) f64[j] = counts ? (f64[j] as number) / v : 0;
    });
    return rank;
  });
}

/** Eigenvalues in the place of singular values. */
function symmetricValues(x: Tensor): SingularValues {
  const { values, vectors } = symmetricEigen("linalg.pinv", x, false, true);
  return { U: vectors as Tensor, S: values, Vh: copyOf(flipped(vectors as Tensor)) };
}

const mT = (x: Tensor): Tensor => transpose(x, -2, -1);

const PINV_OPTIONS: OptionNames<RankOptions & { rcond?: Tolerance }> = {
  atol: 1,
  rtol: 1,
  hermitian: 1,
  rcond: 1,
};

/**
 * The Moore-Penrose inverse of matrices of any shape. The gradient holds where the rank does not change.
 * Source: `torch.linalg.pinv`.
 */
export function pinv(A: Tensor, options: number | (RankOptions & { rcond?: Tolerance }) = {}): Tensor {
  checkNames("linalg.pinv", options, PINV_OPTIONS);
  const op = "linalg.pinv";
  const { rcond, ...o } = typeof options === "number" ? { rcond: options } : options;
  const given: RankOptions = rcond === undefined || rcond === null ? o : { ...o, rtol: rcond };
  (given.hermitian === true ? checkSquare : checkMatrices)(op, A);
  return run(pinvOp, [A], { ...bounds(op, A, given), hermitian: given.hermitian ?? false });
}

const PINVERSE_OPTIONS: OptionNames<{ rcond?: number }> = { rcond: 1 };

/** Same as {@link pinv}. Source: `torch.pinverse`. */
export function pinverse(A: Tensor, options: number | { rcond?: number } = {}): Tensor {
  checkNames("pinverse", options, PINVERSE_OPTIONS);
  return pinv(A, typeof options === "number" ? options : { rcond: options.rcond ?? 1e-15 });
}

const MATRIX_RANK_OPTIONS: OptionNames<RankOptions & { tol?: Tolerance }> = {
  atol: 1,
  rtol: 1,
  hermitian: 1,
  tol: 1,
};

/** int64 number of singular values that do not count as 0; see `RankOptions`. Source: `torch.linalg.matrix_rank`. */
export function matrixRank(A: Tensor, options: number | (RankOptions & { tol?: Tolerance }) = {}): Tensor {
  checkNames("linalg.matrixRank", options, MATRIX_RANK_OPTIONS);
  const op = "linalg.matrixRank";
  const { tol, ...o } = typeof options === "number" ? { tol: options } : options;
  const given: RankOptions = tol === undefined || tol === null ? o : { ...o, atol: tol, rtol: 0 };
  (given.hermitian === true ? checkSquare : checkMatrices)(op, A);
  const batch = batchShape(A);
  if (matrixSize(A).includes(0)) return full(batch, 0, INT64);
  const x = A.detach();
  const S = given.hermitian === true ? abs(eigvalsh(x)) : svdvals(x);
  const values = amax(S, { dim: -1, keepdim: true });
  const asTensor = (bound: Tolerance | undefined, otherwise: Tensor): Tensor => {
    if (bound === undefined || bound === null) return otherwise;
    return unsqueeze(bound instanceof Tensor ? bound.to(A.dtype) : full([], bound, A.code), -1);
  };
  const zero = full([1], 0, A.code);
  const atol = asTensor(given.atol, zero);
  const usual = mul(
    full([1], epsilon(A.code) * Math.max(...matrixSize(A)), A.code),
    gt(atol, 0).logicalNot().to(A.dtype),
  );
  const bound = maximum(atol, mul(asTensor(given.rtol, usual), values));
  return sum(gt(S, bound), -1);
}

const length = (x: Float64Array): number => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));

/** X[n, k] of least |a X - b| by a pivoted QR decomposition; null where columns of a[m, n] may depend on each other. */
function solveByQR(
  a: Float64Array,
  b: Float64Array,
  m: number,
  n: number,
  k: number,
  rtol: number,
): Float64Array | null {
  if (m < n || n === 0) return null;
  const { q, r, order } = pivotedQR(a, m, n);
  const [triangle, upper] = [write(r, [n, n], FLOAT64), { upper: true, unit: false }];
  // |R|_F is at least the largest singular value, 1 / |R^-1|_F at most the smallest.
  const inverse = working(identity(n, FLOAT64));
  solveInto(inverse, triangle, upper);
  if (!(length(r) * length(read(inverse)) * rtol < 1)) return null;
  const y = write(multiply(q, b, n, m, k), [n, k], FLOAT64);
  solveInto(y, triangle, upper);
  const rows = read(y);
  const x = new Float64Array(n * k);
  order.forEach((to, i) => {
    x.set(rows.subarray(i * k, (i + 1) * k), to * k);
  });
  return x;
}

/** Inputs A and B of one batch; outputs X and the rank of A. The attribute: rtol. */
const lstsqOp = defineMultiOp<number>({
  name: "Lstsq",
  saves: true,
  nonDifferentiable: [1],
  forward: ([x, y], rtol) => {
    const [A, B] = [x as Tensor, y as Tensor];
    const [[m, n], [, k]] = [matrixSize(A), matrixSize(B)];
    const count = batchSize(A);
    const right = read(B);
    const out = new Float64Array(count * n * k);
    const ranks = new BigInt64Array(count);
    eachMatrix(read(A), m * n, count, (a, i) => {
      const b = right.subarray(i * m * k, (i + 1) * m * k);
      const direct = solveByQR(a, b, m, n, k, rtol);
      if (direct !== null) {
        ranks[i] = BigInt(n);
        out.set(direct, i * n * k);
        return;
      }
      const { inverse, ranks: found } = invert(write(a, [m, n], FLOAT64), [0], [rtol], false);
      ranks[i] = BigInt(found[0] as number);
      out.set(multiply(read(inverse), b, n, m, k), i * n * k);
    });
    const lead = batchShape(A);
    return [write(out, [...lead, n, k], A.code), fromTyped(ranks, lead, INT64)];
  },
  // X = pinv(A) B
  backward: ([g], n) => {
    if (g === null || g === undefined) return [null, null];
    const P = pinv(n.input(0), { atol: 0, rtol: n.attrs });
    return [n.needs(0) ? slope(n.input(0), P, matmul(g, mT(n.input(1)))) : null, matmul(mT(P), g)];
  },
});

/** Options of {@link lstsq}. */
export interface LstsqOptions {
  /** Singular values up to this times the largest count as 0 (default: the spacing of floats at 1 times max(m, n)). */
  rcond?: number | null;
  /** LAPACK's name of a method; it decides which of the other results are filled (default "gelsy"). */
  driver?: "gels" | "gelsy" | "gelsd" | "gelss" | null;
}

const LSTSQ_OPTIONS: OptionNames<LstsqOptions> = { rcond: 1, driver: 1 };

/** What {@link lstsq} gives; what a driver does not find is empty. */
export interface LstsqResult {
  /** X of least |A X - B|. */
  solution: Tensor;
  /** Squared lengths of the columns of A X - B, for more rows than columns and full rank; not for "gelsy". */
  residuals: Tensor;
  /** int64, not for "gels". */
  rank: Tensor;
  /** Singular values of A, for "gelsd" and "gelss". */
  singularValues: Tensor;
}

/**
 * X that makes the length of A X - B smallest, and of several the shortest. Source: `torch.linalg.lstsq`.
 * @example
 * const A = tensor([[1, 0], [1, 1], [1, 2]], { dtype: "float64" });
 * linalg.lstsq(A, tensor([[1], [3], [5]], { dtype: "float64" })).solution.shape; // [2, 1]
 */
export function lstsq(A: Tensor, B: Tensor, options: number | LstsqOptions = {}): LstsqResult {
  checkNames("linalg.lstsq", options, LSTSQ_OPTIONS);
  const op = "linalg.lstsq";
  checkMatrices(op, A);
  checkSameDtype(op, A, B);
  const o = typeof options === "number" ? { rcond: options } : options;
  const driver = o.driver ?? "gelsy";
  if (!["gels", "gelsy", "gelsd", "gelss"].includes(driver)) {
    throw new ValueError(`[${op}] unknown driver "${driver}": expected "gels", "gelsy", "gelsd" or "gelss"`);
  }
  const [m, n] = matrixSize(A);
  const vector = isVector(A, B);
  const b = vector ? unsqueeze(B, -1) : B;
  if (b.shape.at(-2) !== m)
    throw new ShapeError(
      `[${op}] A of shape ${show(A.shape)} does not fit B of shape ${show(B.shape)}: expected as many rows`,
    );
  const rtol = o.rcond ?? epsilon(A.code) * Math.max(m, n);
  const [x, ranks] = runMulti(lstsqOp, expandBatches(op, A, b), rtol) as [Tensor, Tensor];
  const none: Shape = [0];
  const rank = sameShape(ranks.shape, batchShape(A)) ? ranks : matrixRank(A, { atol: 0, rtol });
  const fits = driver === "gels" || (driver !== "gelsy" && toNumbers(rank).every((r) => r === n));
  const whole = m > n && fits;
  return {
    solution: vector ? squeeze(x, -1) : x,
    residuals: whole ? sum(square(sub(matmul(A, x), b)), -2) : empty(none, A.code),
    rank: driver === "gels" ? empty(none, INT64) : rank,
    singularValues: driver === "gelsd" || driver === "gelss" ? svdvals(A.detach()) : empty(none, A.code),
  };
}
