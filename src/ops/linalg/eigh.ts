/** Eigenvalues and vectors of symmetric matrices: eigh, eigvalsh. Householder tridiagonalization, then implicit QL. */
import { defineMultiOp, runMulti } from "../../autograd/node.js";
import { LinAlgError, ValueError } from "../../tensor/errors.js";
import type { Tensor } from "../../tensor/tensor.js";
import { add, div, mul, sub } from "../arithmetic.js";
import { diagEmbed } from "../diagonal.js";
import { matmul } from "../matmul.js";
import { transpose, unsqueeze } from "../view.js";
import { batchShape, batchSize, checkSquare, eachMatrix, identity, read, transposed, write } from "./core.js";

/**
 * Reduces the symmetric v[n, n] to a tridiagonal matrix with diagonal d and subdiagonal e[1...]; v becomes the
 * transformation, column by column (EISPACK's tred2).
 */
function tridiagonalize(v: Float64Array, d: Float64Array, e: Float64Array, n: number): void {
  const at = (i: number, j: number): number => v[j * n + i] as number;
  for (let j = 0; j < n; j++) d[j] = at(n - 1, j);
  for (let i = n - 1; i > 0; i--) {
    let [scale, h] = [0, 0];
    for (let k = 0; k < i; k++) scale += Math.abs(d[k] as number);
    if (scale === 0) {
      e[i] = d[i - 1] as number;
      for (let j = 0; j < i; j++) {
        d[j] = at(i - 1, j);
        v[j * n + i] = 0;
        v[i * n + j] = 0;
      }
    } else {
      for (let k = 0; k < i; k++) {
        d[k] = (d[k] as number) / scale;
        h += (d[k] as number) ** 2;
      }
      const f = d[i - 1] as number;
      const g = f > 0 ? -Math.sqrt(h) : Math.sqrt(h);
      e[i] = scale * g;
      h -= f * g;
      d[i - 1] = f - g;
      e.fill(0, 0, i);
      for (let j = 0; j < i; j++) {
        const x = d[j] as number;
        v[i * n + j] = x;
        let sum = (e[j] as number) + at(j, j) * x;
        for (let k = j + 1; k < i; k++) {
          sum += at(k, j) * (d[k] as number);
          e[k] = (e[k] as number) + at(k, j) * x;
        }
        e[j] = sum;
      }
      let dot = 0;
      for (let j = 0; j < i; j++) {
        e[j] = (e[j] as number) / h;
        dot += (e[j] as number) * (d[j] as number);
      }
      const half = dot / (h + h);
      for (let j = 0; j < i; j++) e[j] = (e[j] as number) - half * (d[j] as number);
      for (let j = 0; j < i; j++) {
        const x = d[j] as number;
        const y = e[j] as number;
        for (let k = j; k < i; k++) v[j * n + k] = at(k, j) - (x * (e[k] as number) + y * (d[k] as number));
        d[j] = at(i - 1, j);
        v[j * n + i] = 0;
      }
    }
    d[i] = h;
  }
  for (let i = 0; i < n - 1; i++) {
    v[i * n + n - 1] = at(i, i);
    v[i * n + i] = 1;
    const h = d[i + 1] as number;
    if (h !== 0) {
      for (let k = 0; k <= i; k++) d[k] = at(k, i + 1) / h;
      for (let j = 0; j <= i; j++) {
        let g = 0;
        for (let k = 0; k <= i; k++) g += at(k, i + 1) * at(k, j);
        for (let k = 0; k <= i; k++) v[j * n + k] = at(k, j) - g * (d[k] as number);
      }
    }
    for (let k = 0; k <= i; k++) v[(i + 1) * n + k] = 0;
  }
  for (let j = 0; j < n; j++) {
    d[j] = at(n - 1, j);
    v[j * n + n - 1] = 0;
  }
  v[n * n - 1] = 1;
}

const MAX_STEPS = 60;

/** Turns d (diagonal), e (subdiagonal) into eigenvalues in d; vt holds the vectors in rows (EISPACK's tql2). */
function diagonalize(vt: Float64Array, d: Float64Array, e: Float64Array, n: number): boolean {
  e.copyWithin(0, 1);
  e[n - 1] = 0;
  let [shift, size] = [0, 0];
  for (let l = 0; l < n; l++) {
    size = Math.max(size, Math.abs(d[l] as number) + Math.abs(e[l] as number));
    let m = l;
    while (m < n - 1 && Math.abs(e[m] as number) > Number.EPSILON * size) m++;
    for (let step = 0; m > l && Math.abs(e[l] as number) > Number.EPSILON * size; step++) {
      if (step > MAX_STEPS) return false;
      const g = d[l] as number;
      let p = ((d[l + 1] as number) - g) / (2 * (e[l] as number));
      let r = p < 0 ? -Math.hypot(p, 1) : Math.hypot(p, 1);
      d[l] = (e[l] as number) / (p + r);
      d[l + 1] = (e[l] as number) * (p + r);
      const next = d[l + 1] as number;
      const h = g - (d[l] as number);
      for (let i = l + 2; i < n; i++) d[i] = (d[i] as number) - h;
      shift += h;
      p = d[m] as number;
      let [c, c2, c3, s, s2] = [1, 1, 1, 0, 0];
      const el1 = e[l + 1] as number;
      for (let i = m - 1; i >= l; i--) {
        c3 = c2;
        c2 = c;
        s2 = s;
        const ce = c * (e[i] as number);
        const cp = c * p;
        r = Math.hypot(p, e[i] as number);
        e[i + 1] = s * r;
        s = (e[i] as number) / r;
        c = p / r;
        p = c * (d[i] as number) - s * ce;
        d[i + 1] = cp + s * (c * ce + s * (d[i] as number));
        for (let k = 0; k < n; k++) {
          const x = vt[i * n + k] as number;
          const y = vt[(i + 1) * n + k] as number;
          vt[(i + 1) * n + k] = s * x + c * y;
          vt[i * n + k] = c * x - s * y;
        }
      }
      p = (-s * s2 * c3 * el1 * (e[l] as number)) / next;
      e[l] = s * p;
      d[l] = c * p;
    }
    d[l] = (d[l] as number) + shift;
    e[l] = 0;
  }
  return true;
}

/** Eigenvalues from small to large and the vectors, in columns, of the symmetric a[n, n], of which one triangle is read. */
export function symmetricEigen(
  a: Float64Array,
  n: number,
  upper: boolean,
): { values: Float64Array; vectors: Float64Array } {
  const v = upper ? transposed(a, n, n) : a.slice();
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) v[i * n + j] = v[j * n + i] as number;
  if (!v.every(Number.isFinite)) throw new LinAlgError("[linalg.eigh] the matrix holds NaN or infinities");
  const [d, e] = [new Float64Array(n), new Float64Array(n)];
  if (n === 0) return { values: d, vectors: v };
  tridiagonalize(v, d, e, n);
  if (!diagonalize(v, d, e, n)) throw new LinAlgError("[linalg.eigh] the iteration did not converge");
  const order = Array.from(d.keys()).sort((i, j) => (d[i] as number) - (d[j] as number));
  const vectors = new Float64Array(n * n);
  order.forEach((from, j) => {
    for (let k = 0; k < n; k++) vectors[k * n + j] = v[from * n + k] as number;
  });
  return { values: Float64Array.from(order, (i) => d[i] as number), vectors };
}

const eighOp = defineMultiOp<boolean>({
  name: "Eigh",
  savesOutput: true,
  forward: ([x], upper) => {
    const t = x as Tensor;
    const [n, count] = [t.shape.at(-1) as number, batchSize(t)];
    const [all, vs] = [new Float64Array(count * n), new Float64Array(count * n * n)];
    eachMatrix(read(t), n * n, count, (a, b) => {
      const { values, vectors } = symmetricEigen(a, n, upper);
      all.set(values, b * n);
      vs.set(vectors, b * n * n);
    });
    return [write(all, [...batchShape(t), n], t.code), write(vs, t.shape, t.code)];
  },
  // gA = V (diag(gL) + skew(V^T gV) / E) V^T with skew(X) = (X - X^T) / 2 and E[i, j] = L[j] - L[i], 1 on the diagonal
  backward: ([gl, gv], n) => {
    const [L, V] = [n.output(0), n.output(1)];
    const Vt = transpose(V, -2, -1);
    let inner = gl === null || gl === undefined ? null : diagEmbed(gl);
    if (gv !== null && gv !== undefined) {
      const E = add(sub(unsqueeze(L, -2), unsqueeze(L, -1)), identity(L.shape.at(-1) as number, L.code));
      const product = matmul(Vt, gv);
      const between = div(mul(sub(product, transpose(product, -2, -1)), 0.5), E);
      inner = inner === null ? between : add(inner, between);
    }
    return [matmul(matmul(V, inner as Tensor), Vt)];
  },
});

/** Options of {@link eigh}: which triangle is read. */
export interface EighOptions {
  /** "L" (default) reads the lower triangle, "U" the upper one. */
  UPLO?: "L" | "U" | "l" | "u";
}

function upperOf(op: string, options: string | EighOptions): boolean {
  const uplo = (typeof options === "string" ? options : (options.UPLO ?? "L")).toUpperCase();
  if (uplo !== "L" && uplo !== "U") throw new ValueError(`[${op}] UPLO must be "L" or "U", got "${uplo}"`);
  return uplo === "U";
}

/**
 * Eigenvalues, from small to large, and eigenvectors, in columns, of symmetric matrices. Vectors are unique up to their
 * sign, so gradients through them mean something only where the sign does not matter; they need distinct eigenvalues.
 * Source: `torch.linalg.eigh`.
 */
export function eigh(
  A: Tensor,
  options: "L" | "U" | EighOptions = {},
): {
  /** In ascending order, (*, n). */
  eigenvalues: Tensor;
  /** One in each column, of norm 1, (*, n, n). */
  eigenvectors: Tensor;
} {
  checkSquare("linalg.eigh", A);
  const [eigenvalues, eigenvectors] = runMulti(eighOp, [A], upperOf("linalg.eigh", options));
  return { eigenvalues: eigenvalues as Tensor, eigenvectors: eigenvectors as Tensor };
}

/** Eigenvalues of symmetric matrices, from small to large. Source: `torch.linalg.eigvalsh`. */
export function eigvalsh(A: Tensor, options: "L" | "U" | EighOptions = {}): Tensor {
  checkSquare("linalg.eigvalsh", A);
  return eigh(A, options).eigenvalues;
}
