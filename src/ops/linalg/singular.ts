/**
 * Singular value decompositions of raw tensors: a QR decomposition first where there are far more rows than columns, then
 * Householder bidiagonalization and implicit QR iteration. Up to 25 columns, steps and signs are those of LAPACK's gesdd.
 */
import { FLOAT64, INT32 } from "../../tensor/dtype.js";
import { release } from "../../tensor/heap.js";
import { enqueue, kernelTable } from "../../tensor/launch.js";
import { copyInto, copyOf, empty, fillWith, ptr, viewOf } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import {
  batched,
  batchShape,
  failure,
  flipped,
  matrixSize,
  overBatch,
  read,
  rounded,
  working,
  write,
} from "./core.js";
import { type Failure, iterate, orthogonalInto } from "./orthogonal.js";
import { applyQ, factorInto, upperFrom } from "./qr.js";

const REDUCE = kernelTable("bidiagonalize");
const ITERATE = kernelTable("bidiagonalQR");

/** Which singular vectors are wanted: none, min(m, n) on each side, or all m and n. */
export type Wanted = "none" | "thin" | "full";

/** x = U diag(S) Vh, in x's dtype; vectors that are not wanted are empty. */
export interface SingularValues {
  readonly U: Tensor;
  readonly S: Tensor;
  readonly Vh: Tensor;
}

/** Singular vectors to be filled in, as columns: at least min(m, n) of U[count, m, *] and V[count, n, *]. */
interface Vectors {
  readonly U: Tensor;
  readonly V: Tensor;
}

/** Singular values, from large to small, and vectors of matrices; `op` names them in errors. */
export function singularValues(op: string, x: Tensor, wanted: Wanted): SingularValues {
  const [[m, n], lead] = [matrixSize(x), batchShape(x)];
  const k = Math.min(m, n);
  const fail: Failure = (i, what) => failure(op, x, i, what);
  const S = empty([...lead, k], FLOAT64);
  if (wanted === "none") {
    if (x.numel > 0) decompose(fail, x, S, null);
    return { U: empty([0], x.code), S: rounded(S, x.code), Vh: empty([0], x.code) };
  }
  const [rows, cols] = wanted === "full" ? [m, n] : [k, k];
  const [U, Vh] = [empty([...lead, m, rows], x.code), empty([...lead, cols, n], x.code)];
  if (x.numel > 0) decompose(fail, x, S, { U: batched(U), V: flipped(batched(Vh)) });
  else for (const t of [U, Vh]) identityInto(batched(t), 0);
  return { U, S: rounded(S, x.code), Vh };
}

/** Zeros, with ones on the diagonal from element `from` on. */
function identityInto(t: Tensor, from: number): void {
  const [count, rows, cols] = t.shape as [number, number, number];
  if (t.numel === 0) return;
  fillWith(t, 0);
  const ones = Math.min(rows, cols) - from;
  if (ones > 0) fillWith(viewOf(t, [count, ones], [rows * cols, cols + 1], from * (cols + 1)), 1);
}

/** Matrices with so many times more rows than columns, or columns than rows, are taken to triangles first. */
const FAR_MORE = 11 / 6;

function decompose(fail: Failure, x: Tensor, S: Tensor, vectors: Vectors | null): void {
  const [m, n] = matrixSize(x);
  const wide = m < n;
  const [k, long] = [Math.min(m, n), Math.max(m, n)];
  // The columns of x, or of its transpose where that is the tall one.
  const columns = batched(working(wide ? x : flipped(x)));
  if (long < Math.trunc(k * FAR_MORE)) {
    solve(fail, columns, wide, S, vectors);
    release(columns.storage);
    return;
  }
  // x = Q R, of which R = U' S V^T: U = Q U'. Or x^T = Q R, of which R^T = U S V'^T: V = Q V'.
  const factored = factorInto(columns);
  const R = upperFrom(factored, k);
  const square = wide ? R : copyOf(flipped(R));
  if (vectors === null) solve(fail, square, false, S, null);
  else {
    const { U, V } = vectors;
    const [outer, inner] = wide ? [V, U] : [U, V];
    const rows = empty([columns.shape[0] as number, outer.shape[2] as number, long], FLOAT64);
    identityInto(rows, k);
    const part = viewOf(rows, [rows.shape[0] as number, k, k], [rows.strides[0] as number, 1, long], 0);
    solve(fail, square, false, S, wide ? { U: inner, V: part } : { U: part, V: inner });
    applyQ(factored, rows);
    copyInto(outer, flipped(rows));
    release(rows.storage);
  }
  for (const t of new Set([columns, factored.taus, R, square])) release(t.storage);
}

/**
 * Singular values and vectors of matrices A[long, k] that are given by columns[count, k, long]; of their transposes with
 * `wide`. Those are lower bidiagonal then, which rotations from the left make upper.
 */
function solve(fail: Failure, columns: Tensor, wide: boolean, S: Tensor, vectors: Vectors | null): void {
  const [count, k, long] = columns.shape as [number, number, number];
  const [d, e, lefts, rights] = Array.from({ length: 4 }, () => empty([count, k], FLOAT64)) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const [right, sizes] = [empty([count, k, k], FLOAT64), empty([count], FLOAT64)];
  const orders = empty([count, 2, k], INT32);
  const row = (t: Tensor, i: number): number => ptr(t) + 8 * i * k;
  overBatch(
    count,
    (4 * long * k * k) / 3,
    0,
    (first, some, slots) => {
      const matrix = ptr(columns) + 8 * first * k * long;
      const other = row(right, first * k);
      const [dAt, eAt] = [row(d, first), row(e, first)];
      const [l, r, size] = [row(lefts, first), row(rights, first), ptr(sizes) + 8 * first];
      enqueue(REDUCE, FLOAT64, matrix, other, l, r, dAt, eAt, size, some, long, k, ...slots);
    },
    8 * (long + k),
  );
  const own = { vectors: columns, taus: lefts, count: k, offset: 0 };
  const others = { vectors: right, taus: rights, count: k - 1, offset: 1 };
  const [ofU, ofV] = wide ? [others, own] : [own, others];
  iterate(
    fail,
    ITERATE,
    [count, k, vectors === null ? 0 : 2, k * (k + 8)],
    (first) => [
      [row(d, first), row(e, first), ptr(sizes) + 8 * first, row(S, first)],
      ptr(orders) + 8 * first * k,
      Number(wide),
    ],
    (rotations) => {
      if (vectors === null) return;
      const places = { at: orders, stride: 2 * k };
      orthogonalInto(vectors.V, ofV, rotations, [0, 2], { ...places, first: 0 }, k);
      orthogonalInto(vectors.U, ofU, rotations, [1, 2], { ...places, first: k }, k);
    },
  );
  for (const t of [d, e, lefts, rights, right, sizes, orders]) release(t.storage);
}

/** a = u diag(s) vt with k = min(m, n): u[m, k], s[k] from large to small, vt[k, n]. */
export interface Decomposition {
  readonly u: Float64Array;
  readonly s: Float64Array;
  readonly vt: Float64Array;
}

/** The thin decomposition of a[m, n] on plain numbers. */
export function decomposition(op: string, a: Float64Array, m: number, n: number): Decomposition {
  const x = write(a, [m, n], FLOAT64);
  const { U, S, Vh } = singularValues(op, x, "thin");
  const found = { u: read(U), s: read(S), vt: read(Vh) };
  for (const t of [x, U, S, Vh]) release(t.storage);
  return found;
}
