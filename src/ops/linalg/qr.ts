/** QR decomposition by Householder reflections, as LAPACK does it, and products of reflections. */

import { defineMultiOp, defineOp, run, runMulti } from "../../autograd/op.js";
import { FLOAT64, INT32 } from "../../tensor/dtype.js";
import { AutogradError, ShapeError, show, ValueError } from "../../tensor/errors.js";
import { release } from "../../tensor/heap.js";
import { enqueue, inPieces, kernelFor, kernelTable } from "../../tensor/launch.js";
import { checkNames, type OptionNames } from "../../tensor/options.js";
import { copyOf, empty, expandTo, fromTyped, ptr, toTyped, viewOf } from "../../tensor/raw.js";
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
  flipped,
  identity,
  matrixSize,
  read,
  rounded,
  transposed,
  working,
  write,
} from "./core.js";
import { solveRight } from "./triangular.js";

// The kernels hold matrices column by column: element (i, j) of an [m, n] one at j * m + i.

const FACTOR = kernelTable("qrFactor");
const FORM = kernelTable("qrForm");
const APPLY = kernelTable("qrApply");
const UPPER = kernelTable("qrUpper");

/** What {@link factorInto} leaves. */
interface Factored {
  /** [*, n, m]: R on and above the diagonal of columns, reflections below it. */
  readonly columns: Tensor;
  /** [*, min(m, n)]: the factors of the reflections. */
  readonly taus: Tensor;
}

/** Factors of the working tensor columns[*, n, m], which they replace. @internal */
export function factorInto(columns: Tensor, order: Tensor | null = null): Factored {
  const [n, m] = matrixSize(columns);
  const k = Math.min(m, n);
  const taus = empty([...batchShape(columns), k], FLOAT64);
  inPieces(batchSize(columns), Math.ceil(GRAIN_QR / (m * n * k + 1)), (first, count) => {
    const places = order === null ? 0 : ptr(order) + 4 * first * n;
    enqueue(
      FACTOR,
      FLOAT64,
      ptr(columns) + 8 * first * m * n,
      ptr(taus) + 8 * first * k,
      places,
      count,
      m,
      n,
    );
  });
  return { columns, taus };
}

/** Multiply-adds that are worth a piece of their own. */
const GRAIN_QR = 65536;

/** The first columns of Q, in the rows of [*, cols, m]. */
function formFrom({ columns, taus }: Factored, cols: number): Tensor {
  const [n, m] = matrixSize(columns);
  const k = taus.shape.at(-1) as number;
  const q = empty([...batchShape(columns), cols, m], FLOAT64);
  inPieces(batchSize(columns), Math.ceil(GRAIN_QR / (m * cols * k + 1)), (first, count) => {
    const [from, factors] = [ptr(columns) + 8 * first * m * n, ptr(taus) + 8 * first * k];
    enqueue(FORM, FLOAT64, from, factors, ptr(q) + 8 * first * m * cols, count, m, n, k, cols);
  });
  return q;
}

/** Q times the columns that are the rows of q[*, cols, m], in place. @internal */
export function applyQ({ columns, taus }: Factored, q: Tensor): void {
  const [n, m] = matrixSize(columns);
  const [k, cols] = [taus.shape.at(-1) as number, q.shape.at(-2) as number];
  inPieces(batchSize(q) * cols, Math.ceil(GRAIN_QR / (2 * m * k + 1)), (first, count) => {
    enqueue(APPLY, FLOAT64, ptr(columns), ptr(taus), ptr(q), first, count, m, n, k, cols);
  });
}

/** The first k rows of R, row by row. @internal */
export function upperFrom({ columns }: Factored, k: number): Tensor {
  const [n, m] = matrixSize(columns);
  const r = empty([...batchShape(columns), k, n], FLOAT64);
  if (r.numel > 0) kernelFor(UPPER, FLOAT64)(ptr(columns), ptr(r), batchSize(columns), m, n, k);
  return r;
}

/**
 * Q (in the rows of q[n, m]) and r[n, n] of a[m, n], m >= n, whose columns are taken in the order that makes the diagonal
 * of r fall. @internal
 */
export function pivotedQR(
  a: Float64Array,
  m: number,
  n: number,
): { q: Float64Array; r: Float64Array; order: Int32Array } {
  const order = fromTyped(
    Int32Array.from({ length: n }, (_, i) => i),
    [n],
    INT32,
  );
  const columns = write(transposed(a, m, n), [n, m], FLOAT64);
  const factored = factorInto(columns, order);
  const [q, r] = [formFrom(factored, n), upperFrom(factored, n)];
  const found = { q: read(q), r: read(r), order: toTyped(order) as Int32Array };
  for (const t of [columns, factored.taus, order, q, r]) release(t.storage);
  return found;
}

/**
 * Factors a[m, n] (column by column) in place: R on and above the diagonal, reflections below it; returns their factors
 * tau.
 */
export function factorQR(a: Float64Array, m: number, n: number): Float64Array {
  const { columns, taus } = factorInto(write(a, [n, m], FLOAT64));
  a.set(read(columns));
  return read(taus);
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
    const k = mode === "complete" ? m : Math.min(m, n);
    const factored = factorInto(working(flipped(t)));
    const R = rounded(upperFrom(factored, k), t.code);
    const Q = mode === "r" ? empty([0], t.code) : rounded(copyOf(flipped(formFrom(factored, k))), t.code);
    return [Q, R];
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

const QR_OPTIONS: OptionNames<{ mode?: QrMode }> = { mode: 1 };

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
  checkNames("linalg.qr", mode, QR_OPTIONS);
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
