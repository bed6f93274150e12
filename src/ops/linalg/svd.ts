/** Singular values and vectors: svd, svdvals. By one-sided Jacobi rotations, which are accurate for small values too. */
import { defineMultiOp, runMulti } from "../../autograd/op.js";
import { kernels } from "../../kernels/index.js";
import { FLOAT64 } from "../../tensor/dtype.js";
import { LinAlgError } from "../../tensor/errors.js";
import { release } from "../../tensor/heap.js";
import { empty, ptr } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import { add, div, mul, sub } from "../arithmetic.js";
import { diagEmbed } from "../diagonal.js";
import { matmul } from "../matmul.js";
import { square } from "../powers.js";
import { narrow, transpose, unsqueeze } from "../view.js";
import {
  batchShape,
  batchSize,
  checkMatrices,
  eachMatrix,
  identity,
  matrixSize,
  multiply,
  read,
  transposed,
  write,
} from "./core.js";
import { completeBasis, pivotedQR } from "./qr.js";

/** A = u diag(s) vt with k = min(m, n): u[m, k], s[k] from large to small, vt[k, n]. */
export interface Decomposition {
  readonly u: Float64Array;
  readonly s: Float64Array;
  readonly vt: Float64Array;
}

/** Beside a largest element of 1, columns shorter than this count as 0. */
const NOTHING = 1e-140;

/** Rotates the rows of w[k, n + more] until their first n elements are orthogonal. */
function orthogonalize(w: Float64Array, k: number, n: number, more: number): void {
  const rows = write(w, [k, n + more], FLOAT64);
  const squares = empty([k], FLOAT64);
  const done = k === 0 || kernels.orthogonalize_f64(ptr(rows), ptr(squares), k, n, more) === 1;
  w.set(read(rows));
  for (const t of [rows, squares]) release(t.storage);
  if (!done) throw new LinAlgError("[linalg.svd] the rotations did not converge");
}

function lengthOf(a: Float64Array, from: number, n: number): number {
  let sum = 0;
  for (let i = from; i < from + n; i++) sum += (a[i] as number) ** 2;
  return Math.sqrt(sum);
}

/** A = u diag(s) vt, of a[m, n]; without `vectors` u and vt mean nothing. Throws when it holds NaN or infinities. */
export function decompose(a: Float64Array, m: number, n: number, vectors = true): Decomposition {
  if (m < n) {
    const { u, s, vt } = decompose(transposed(a, m, n), n, m, vectors);
    return vectors ? { u: transposed(vt, m, m), s, vt: transposed(u, n, m) } : { u, s, vt };
  }
  let scale = 0;
  for (const x of a) scale = Math.abs(x) > scale || Number.isNaN(x) ? Math.abs(x) : scale;
  if (!Number.isFinite(scale)) throw new LinAlgError("[linalg.svd] the matrix holds NaN or infinities");
  // A P = Q R with a falling diagonal; R = J D with orthogonal rows in D, for which few rotations are left to do.
  const { q, r, order } = pivotedQR(scale === 0 ? a : a.map((x) => x / scale), m, n);
  // Each row of R P^T has a row of the rotations behind it, which begin as the identity.
  const more = vectors ? n : 0;
  const width = n + more;
  const w = new Float64Array(n * width);
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++) w[i * width + (order[j] as number)] = r[i * n + j] as number;
    if (vectors) w[i * width + n + i] = 1;
  }
  orthogonalize(w, n, n, more);
  const norms = Array.from({ length: n }, (_, i) => lengthOf(w, i * width, n));
  const falling = norms.map((_, i) => i).sort((i, j) => (norms[j] as number) - (norms[i] as number));
  const s = Float64Array.from(falling, (i) => (norms[i] as number) * scale);
  if (!vectors) return { u: w, s, vt: w };
  const [vt, jt] = [new Float64Array(n * n), new Float64Array(n * n)];
  let rank = 0;
  falling.forEach((from, i) => {
    const norm = norms[from] as number;
    const row = from * width;
    jt.set(w.subarray(row + n, row + width), i * n);
    if (norm < NOTHING) return;
    rank++;
    for (let j = 0; j < n; j++) vt[i * n + j] = (w[row + j] as number) / norm;
  });
  if (rank < n) completeBasis(vt, n, n, rank);
  return { u: multiply(transposed(q, n, m), transposed(jt, n, n), m, n, n), s, vt };
}

interface Svd {
  readonly full: boolean;
  /** Whether the vectors are asked for; the gradient needs them in any case. */
  readonly vectors: boolean;
}

const svdOp = defineMultiOp<Svd>({
  name: "Svd",
  savesOutput: true,
  forward: ([x], { full, vectors }, ctx) => {
    const t = x as Tensor;
    const [m, n] = matrixSize(t);
    const k = Math.min(m, n);
    const count = batchSize(t);
    if (!vectors && !ctx.recording) {
      const values = new Float64Array(count * k);
      eachMatrix(read(t), m * n, count, (a, b) => values.set(decompose(a, m, n, false).s, b * k));
      const none = empty([0], t.code);
      return [none, write(values, [...batchShape(t), k], t.code), none];
    }
    const [mu, nv] = full ? [m, n] : [k, k];
    const [us, ss, vs] = [
      new Float64Array(count * m * mu),
      new Float64Array(count * k),
      new Float64Array(count * nv * n),
    ];
    eachMatrix(read(t), m * n, count, (a, b) => {
      const { u, s, vt } = decompose(a, m, n);
      ss.set(s, b * k);
      us.set(mu === k ? u : transposed(widened(transposed(u, m, k), m, k), m, m), b * m * mu);
      vs.set(nv === k ? vt : widened(vt, n, k), b * nv * n);
    });
    const lead = batchShape(t);
    return [
      write(us, [...lead, m, mu], t.code),
      write(ss, [...lead, k], t.code),
      write(vs, [...lead, nv, n], t.code),
    ];
  },
  backward: ([gu, gs, gvh], n) => {
    const k = n.output(1).shape.at(-1) as number;
    const first = (g: Tensor | null | undefined, dim: number) =>
      g === null || g === undefined ? null : narrow(g, dim, 0, k);
    // Of full matrices only the first k vectors carry a gradient.
    const [U, Vh] = [narrow(n.output(0), -1, 0, k), narrow(n.output(2), -2, 0, k)];
    return [svdBackward(first(gu, -1), gs ?? null, first(gvh, -2), U, n.output(1), Vh)];
  },
});

/** The k vectors of q[k, m] and others, so that all m are orthonormal. */
function widened(q: Float64Array, m: number, k: number): Float64Array {
  const all = new Float64Array(m * m);
  all.set(q);
  completeBasis(all, m, m, k);
  return all;
}

const mT = (x: Tensor): Tensor => transpose(x, -2, -1);
const skew = (x: Tensor): Tensor => sub(x, mT(x));

/**
 * gA = U [(skew(U^T gU) / E) S + S (skew(V^T gV) / E) + diag(gS)] V^T + (I - U U^T) gU S^-1 V^T
 *    + U S^-1 gV^T (I - V V^T), with skew(X) = X - X^T and E[i, j] = S[j]^2 - S[i]^2, 1 on the diagonal.
 */
function svdBackward(
  gU: Tensor | null,
  gS: Tensor | null,
  gVh: Tensor | null,
  U: Tensor,
  S: Tensor,
  Vh: Tensor,
): Tensor {
  const [m, n] = [U.shape.at(-2) as number, Vh.shape.at(-1) as number];
  const k = S.shape.at(-1) as number;
  const [row, column] = [unsqueeze(S, -2), unsqueeze(S, -1)];
  let inner: Tensor | null = gS === null ? null : diagEmbed(gS);
  const plus = (x: Tensor | null, y: Tensor) => (x === null ? y : add(x, y));
  if (gU !== null || gVh !== null) {
    const E = add(sub(square(row), square(column)), identity(k, S.code));
    if (gU !== null) inner = plus(inner, mul(div(skew(matmul(mT(U), gU)), E), row));
    if (gVh !== null) inner = plus(inner, mul(column, div(skew(matmul(Vh, mT(gVh))), E)));
  }
  let out = matmul(matmul(U, inner as Tensor), Vh);
  if (gU !== null && m > k) {
    const scaled = div(gU, row);
    out = add(out, matmul(sub(scaled, matmul(U, matmul(mT(U), scaled))), Vh));
  }
  if (gVh !== null && n > k) {
    const scaled = div(gVh, column);
    out = add(out, matmul(U, sub(scaled, matmul(matmul(scaled, mT(Vh)), Vh))));
  }
  return out;
}

/** Options of {@link svd}. */
export interface SvdOptions {
  /** All m columns of U and n rows of Vh (default), or the first min(m, n) of each. */
  fullMatrices?: boolean;
  /** Ignored: there is one algorithm. */
  driver?: string | null;
}

/**
 * A = U diag(S) Vh, with S from large to small. Singular vectors are unique up to their sign, so gradients through them
 * mean something only where the sign does not matter; they need distinct singular values. Source: `torch.linalg.svd`.
 */
export function svd(
  A: Tensor,
  options: boolean | SvdOptions = {},
): {
  /** Left singular vectors, in the columns. */
  U: Tensor;
  /** Singular values, in falling order. */
  S: Tensor;
  /** Right singular vectors, in the rows. */
  Vh: Tensor;
} {
  checkMatrices("linalg.svd", A);
  const full = typeof options === "boolean" ? options : (options.fullMatrices ?? true);
  const [U, S, Vh] = runMulti(svdOp, [A], { full, vectors: true });
  return { U: U as Tensor, S: S as Tensor, Vh: Vh as Tensor };
}

/** Singular values, from large to small. Source: `torch.linalg.svdvals`. */
export function svdvals(A: Tensor, _options: { driver?: string | null } = {}): Tensor {
  checkMatrices("linalg.svdvals", A);
  return runMulti(svdOp, [A], { full: false, vectors: false })[1] as Tensor;
}
