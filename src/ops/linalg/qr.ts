/** QR decomposition by Householder reflections, as LAPACK does it, and products of reflections. */
import { defineMultiOp, defineOp, run, runMulti } from "../../autograd/node.js";
import { AutogradError, ShapeError, show, ValueError } from "../../tensor/errors.js";
import { copyOf, empty, expandTo, viewOf } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import { add, mul, neg, sub } from "../arithmetic.js";
import { tril, triu } from "../diagonal.js";
import { cat } from "../join.js";
import { matmul } from "../matmul.js";
import { expand, narrow, transpose, unsqueeze } from "../view.js";
import {
  batchShape,
  batchSize,
  checkMatrices,
  checkSameDtype,
  eachMatrix,
  identity,
  matrixSize,
  read,
  transposed,
  write,
} from "./core.js";
import { solveRight } from "./triangular.js";

// The loops run over columns, so matrices are held column by column: element (i, j) of an [m, n] one at j * m + i.

/** Columns `first` to n of b[m, n] become (I - tau v v^T) b, with v from column j of a: 1 in row j, a below it. */
function reflect(
  b: Float64Array,
  first: number,
  n: number,
  a: Float64Array,
  j: number,
  m: number,
  tau: number,
): void {
  if (tau === 0) return;
  const v = j * m;
  for (let c = first; c < n; c++) {
    const at = c * m;
    let dot = b[at + j] as number;
    for (let i = j + 1; i < m; i++) dot += (a[v + i] as number) * (b[at + i] as number);
    dot *= tau;
    b[at + j] = (b[at + j] as number) - dot;
    for (let i = j + 1; i < m; i++) b[at + i] = (b[at + i] as number) - dot * (a[v + i] as number);
  }
}

/** Length of x[from, to), by a slower way where squares would leave the range. */
function lengthOf(x: Float64Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += (x[i] as number) * (x[i] as number);
  if (sum > 1e-280 && sum < 1e280) return Math.sqrt(sum);
  let norm = 0;
  for (let i = from; i < to; i++) norm = Math.hypot(norm, x[i] as number);
  return norm;
}

/** Brings the column of a[m, n] that is longest from row j on to place j; `order` follows. */
function bringLongest(a: Float64Array, m: number, n: number, j: number, order: Int32Array): void {
  let [longest, best] = [-1, j];
  for (let c = j; c < n; c++) {
    const norm = lengthOf(a, c * m + j, (c + 1) * m);
    if (norm > longest) {
      longest = norm;
      best = c;
    }
  }
  if (best === j) return;
  const column = a.slice(j * m, (j + 1) * m);
  a.copyWithin(j * m, best * m, (best + 1) * m);
  a.set(column, best * m);
  [order[j], order[best]] = [order[best] as number, order[j] as number];
}

/**
 * Factors a[m, n] (column by column) in place: R on and above the diagonal, reflections below it; returns their factors
 * tau. With `order` columns are swapped so that the diagonal falls, and it becomes the order in which they stand.
 */
export function factorQR(
  a: Float64Array,
  m: number,
  n: number,
  order: Int32Array | null = null,
): Float64Array {
  const k = Math.min(m, n);
  const taus = new Float64Array(k);
  for (let j = 0; j < k; j++) {
    if (order !== null) bringLongest(a, m, n, j, order);
    const v = j * m;
    const norm = lengthOf(a, v + j + 1, v + m);
    if (norm === 0) continue;
    const alpha = a[v + j] as number;
    const beta = alpha >= 0 ? -Math.hypot(alpha, norm) : Math.hypot(alpha, norm);
    taus[j] = (beta - alpha) / beta;
    for (let i = j + 1; i < m; i++) a[v + i] = (a[v + i] as number) / (alpha - beta);
    a[v + j] = beta;
    reflect(a, j + 1, n, a, j, m, taus[j] as number);
  }
  return taus;
}

/** The first `cols` columns of Q, column by column, from what {@link factorQR} left of a matrix of m rows. */
export function formQ(a: Float64Array, taus: Float64Array, m: number, cols: number): Float64Array {
  const q = new Float64Array(m * cols);
  for (let i = 0; i < Math.min(m, cols); i++) q[i * m + i] = 1;
  for (let j = taus.length - 1; j >= 0; j--) reflect(q, 0, cols, a, j, m, taus[j] as number);
  return q;
}

/** Fills the vectors of q[cols, m] from `from` on so that all are orthonormal, given that those before are. */
export function completeBasis(q: Float64Array, m: number, cols: number, from: number): void {
  const a = q.slice(0, from * m);
  q.set(formQ(a, factorQR(a, m, from), m, cols).subarray(from * m), from * m);
}

/** Which part of Q: its first min(m, n) columns, all m, or none. */
export type QrMode = "reduced" | "complete" | "r";

const mT = (x: Tensor): Tensor => transpose(x, -2, -1);

const qrOp = defineMultiOp<QrMode>({
  name: "Qr",
  savesOutput: true,
  forward: ([x], mode) => {
    const t = x as Tensor;
    const [m, n] = matrixSize(t);
    const count = batchSize(t);
    const k = mode === "complete" ? m : Math.min(m, n);
    const q = new Float64Array(mode === "r" ? 0 : count * m * k);
    const r = new Float64Array(count * k * n);
    eachMatrix(read(t), m * n, count, (a, b) => {
      const columns = transposed(a, m, n);
      const taus = factorQR(columns, m, n);
      if (mode !== "r") q.set(transposed(formQ(columns, taus, m, k), k, m), b * m * k);
      for (let i = 0; i < Math.min(k, n); i++) {
        for (let j = i; j < n; j++) r[(b * k + i) * n + j] = columns[j * m + i] as number;
      }
    });
    const lead = batchShape(t);
    const Q = mode === "r" ? empty([0], t.code) : write(q, [...lead, m, k], t.code);
    return [Q, write(r, [...lead, k, n], t.code)];
  },
  backward: ([gq, gr], n) => {
    const [rows, cols] = matrixSize(n.output(1));
    const m = n.shape(0).at(-2) as number;
    if (n.attrs === "r") {
      throw new AutogradError(
        '[linalg.qr] mode "r" has no gradient, for it computes no Q: expected "reduced" or "complete"',
      );
    }
    if (n.attrs === "complete" && m > cols) {
      throw new AutogradError(
        `[linalg.qr] mode "complete" has no gradient for more rows than columns: got ${m} and ${cols}; try "reduced"`,
      );
    }
    const [Q, R] = [n.output(0), n.output(1)];
    if (cols <= rows) return [squareBackward(gq ?? null, gr ?? null, Q, R)];
    // A = [X | Y] = Q [U | V] with X = Q U: V = Q^T Y, so gY = Q gV, and gQ gets Y gV^T
    const U = narrow(R, -1, 0, rows);
    if (gr === null || gr === undefined) {
      const gx = squareBackward(gq ?? null, null, Q, U);
      return [cat([gx, mul(matmul(Q, narrow(R, -1, rows, cols - rows)), 0)], -1)];
    }
    const gv = narrow(gr, -1, rows, cols - rows);
    const fromV = matmul(matmul(Q, narrow(R, -1, rows, cols - rows)), mT(gv));
    const gQ = gq === null || gq === undefined ? fromV : add(gq, fromV);
    return [cat([squareBackward(gQ, narrow(gr, -1, 0, rows), Q, U), matmul(Q, gv)], -1)];
  },
});

/** gA = [gQ + Q M] R^-T with M the symmetric matrix that has the upper triangle of gR R^T - Q^T gQ. */
function squareBackward(gq: Tensor | null, gr: Tensor | null, Q: Tensor, R: Tensor): Tensor {
  const fromR = gr === null ? null : matmul(gr, mT(R));
  const fromQ = gq === null ? null : matmul(mT(Q), gq);
  const both = fromR === null ? neg(fromQ as Tensor) : fromQ === null ? fromR : sub(fromR, fromQ);
  const symmetric = add(triu(both), mT(triu(both, 1)));
  const inner = matmul(Q, symmetric);
  return solveRight(mT(R), gq === null ? inner : add(gq, inner), false);
}

/**
 * A = Q R with orthonormal columns in Q and an upper triangle R. "reduced" gives min(m, n) columns of Q, "complete" all
 * m, "r" only R. Source: `torch.linalg.qr`.
 */
export function qr(
  A: Tensor,
  mode: QrMode | { mode?: QrMode } = "reduced",
): {
  /** Orthonormal columns; empty in mode "r". */
  Q: Tensor;
  /** The upper triangular factor. */
  R: Tensor;
} {
  checkMatrices("linalg.qr", A);
  const which = typeof mode === "string" ? mode : (mode.mode ?? "reduced");
  if (!["reduced", "complete", "r"].includes(which)) {
    throw new ValueError(`[linalg.qr] unknown mode "${which}": expected "reduced", "complete" or "r"`);
  }
  const [Q, R] = runMulti(qrOp, [A], which);
  return { Q: Q as Tensor, R: R as Tensor };
}

/** No reflections: the identity, in the graph of inputs that it does not depend on. */
const noReflectionsOp = defineOp({
  name: "HouseholderProduct",
  forward: ([a]) => {
    const [m, n] = matrixSize(a as Tensor);
    return copyOf(expandTo(viewOf(identity(m, (a as Tensor).code), [m, n], [m, 1], 0), (a as Tensor).shape));
  },
  backward: () => [null, null],
});

/**
 * The first n columns of the product of the reflections I - tau[i] v v^T, where v has 0 above row i, 1 in it, and
 * column i of A below. Source: `torch.linalg.householder_product`.
 */
export function householderProduct(A: Tensor, tau: Tensor): Tensor {
  const op = "linalg.householderProduct";
  checkMatrices(op, A);
  checkSameDtype(op, A, tau);
  const [m, n] = matrixSize(A);
  const k = tau.shape.at(-1) as number;
  if (m < n || n < k || tau.shape.length !== A.shape.length - 1) {
    throw new ShapeError(
      `[${op}] expected A (..., m, n) and tau (..., k) with m >= n >= k, got ${show(A.shape)} and ${show(tau.shape)}`,
    );
  }
  const eye = narrow(identity(m, A.code), 1, 0, n);
  if (k === 0) return run(noReflectionsOp, [A, tau], null);
  const V = add(tril(A, -1), eye);
  let Q = expand(eye, [...batchShape(A), m, n]);
  for (let i = k - 1; i >= 0; i--) {
    const v = narrow(V, -1, i, 1);
    const t = unsqueeze(narrow(tau, -1, i, 1), -1);
    Q = sub(Q, mul(t, matmul(v, matmul(mT(v), Q))));
  }
  return Q;
}
