/** Singular values and vectors: svd, svdvals. By one-sided Jacobi rotations, which are accurate for small values too. */
import { defineMultiOp, runMulti } from "../../autograd/node.js";
import { LinAlgError } from "../../tensor/errors.js";
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
import { completeBasis, factorQR, formQ } from "./qr.js";

/** A = u diag(s) vt with k = min(m, n): u[m, k], s[k] from large to small, vt[k, n]. */
export interface Decomposition {
  readonly u: Float64Array;
  readonly s: Float64Array;
  readonly vt: Float64Array;
}

const MAX_SWEEPS = 60;
/** Beside a largest element of 1, columns shorter than this count as 0. */
const NOTHING = 1e-140;

/**
 * Rotates the rows of w[k, n] until they are orthogonal, and the rows of v[k, k] alike. Returns whether it came to an
 * end.
 */
function orthogonalize(w: Float64Array, v: Float64Array, k: number, n: number): boolean {
  const squares = new Float64Array(k);
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    for (let p = 0; p < k; p++) squares[p] = dot(w, p * n, p * n, n);
    let rotated = false;
    for (let p = 0; p < k - 1; p++) {
      for (let q = p + 1; q < k; q++) {
        const alpha = squares[p] as number;
        const beta = squares[q] as number;
        if (Math.min(alpha, beta) < NOTHING * NOTHING) continue;
        const gamma = dot(w, p * n, q * n, n);
        if (Math.abs(gamma) <= Number.EPSILON * Math.sqrt(alpha) * Math.sqrt(beta)) continue;
        rotated = true;
        const zeta = (beta - alpha) / (2 * gamma);
        const t = (zeta >= 0 ? 1 : -1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
        const c = 1 / Math.sqrt(1 + t * t);
        rotate(w, p * n, q * n, n, c, c * t);
        rotate(v, p * k, q * k, k, c, c * t);
        squares[p] = Math.max(0, alpha - t * gamma);
        squares[q] = beta + t * gamma;
      }
    }
    if (!rotated) return true;
  }
  return false;
}

function dot(a: Float64Array, p: number, q: number, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += (a[p + i] as number) * (a[q + i] as number);
  return sum;
}

function rotate(a: Float64Array, p: number, q: number, n: number, c: number, s: number): void {
  for (let i = 0; i < n; i++) {
    const x = a[p + i] as number;
    const y = a[q + i] as number;
    a[p + i] = c * x - s * y;
    a[q + i] = s * x + c * y;
  }
}

/** A = u diag(s) vt, of a[m, n]. Throws when it holds NaN or infinities. */
export function decompose(a: Float64Array, m: number, n: number): Decomposition {
  if (m < n) {
    const { u, s, vt } = decompose(transposed(a, m, n), n, m);
    return { u: transposed(vt, m, m), s, vt: transposed(u, n, m) };
  }
  let scale = 0;
  for (const x of a) scale = Math.abs(x) > scale || Number.isNaN(x) ? Math.abs(x) : scale;
  if (!Number.isFinite(scale)) throw new LinAlgError("[linalg.svd] the matrix holds NaN or infinities");
  // A P = Q R with a falling diagonal; R = J D with orthogonal rows in D, for which few rotations are left to do.
  const columns = transposed(scale === 0 ? a : a.map((x) => x / scale), m, n);
  const order = Int32Array.from({ length: n }, (_, i) => i);
  const taus = factorQR(columns, m, n, order);
  const w = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = i; j < n; j++) w[i * n + (order[j] as number)] = columns[j * m + i] as number;
  const rotations = new Float64Array(n * n);
  for (let i = 0; i < n; i++) rotations[i * n + i] = 1;
  if (!orthogonalize(w, rotations, n, n))
    throw new LinAlgError("[linalg.svd] the rotations did not converge");
  const norms = Array.from({ length: n }, (_, i) => Math.sqrt(dot(w, i * n, i * n, n)));
  const falling = norms.map((_, i) => i).sort((i, j) => (norms[j] as number) - (norms[i] as number));
  const [s, vt, jt] = [new Float64Array(n), new Float64Array(n * n), new Float64Array(n * n)];
  let rank = 0;
  falling.forEach((from, i) => {
    const norm = norms[from] as number;
    s[i] = norm * scale;
    jt.set(rotations.subarray(from * n, (from + 1) * n), i * n);
    if (norm < NOTHING) return;
    rank++;
    for (let j = 0; j < n; j++) vt[i * n + j] = (w[from * n + j] as number) / norm;
  });
  if (rank < n) completeBasis(vt, n, n, rank);
  return { u: multiply(transposed(formQ(columns, taus, m, n), n, m), transposed(jt, n, n), m, n, n), s, vt };
}

const svdOp = defineMultiOp<boolean>({
  name: "Svd",
  savesOutput: true,
  forward: ([x], full) => {
    const t = x as Tensor;
    const [m, n] = matrixSize(t);
    const k = Math.min(m, n);
    const count = batchSize(t);
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
  const [U, S, Vh] = runMulti(svdOp, [A], full);
  return { U: U as Tensor, S: S as Tensor, Vh: Vh as Tensor };
}

/** Singular values, from large to small. Source: `torch.linalg.svdvals`. */
export function svdvals(A: Tensor, _options: { driver?: string | null } = {}): Tensor {
  checkMatrices("linalg.svdvals", A);
  return svd(A, false).S;
}
