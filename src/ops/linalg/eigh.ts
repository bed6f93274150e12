/** Eigenvalues and vectors of symmetric matrices: eigh, eigvalsh. Householder tridiagonalization, then implicit QL. */
import { defineMultiOp, runMulti } from "../../autograd/op.js";
import { FLOAT64, INT32 } from "../../tensor/dtype.js";
import { LinAlgError, ValueError } from "../../tensor/errors.js";
import { release } from "../../tensor/heap.js";
import { enqueue, kernelTable } from "../../tensor/launch.js";
import { copyOf, empty, ptr, toTyped } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import { add, div, mul, sub } from "../arithmetic.js";
import { diagEmbed } from "../diagonal.js";
import { matmul } from "../matmul.js";
import { transpose, unsqueeze } from "../view.js";
import {
  batchShape,
  batchSize,
  checkSquare,
  flipped,
  identity,
  overBatch,
  rounded,
  working,
} from "./core.js";

const EIGEN = kernelTable("eigh");

/**
 * Eigenvalues [*, n] from small to large and, unless only those are asked for, the vectors in the rows of [*, n, n], of
 * symmetric matrices of which one triangle is read; both float64.
 */
export function symmetricEigen(
  x: Tensor,
  upper: boolean,
  vectors = true,
): { values: Tensor; vectors: Tensor } {
  const [n, count, lead] = [x.shape.at(-1) as number, batchSize(x), batchShape(x)];
  const v = working(upper ? x : flipped(x));
  const values = empty([...lead, n], FLOAT64);
  if (v.numel === 0) return { values, vectors: v };
  const info = empty([count], INT32);
  const queue = (first: number, some: number, slots: readonly number[]) => {
    const [from, d, infos] = [ptr(v) + 8 * first * n * n, ptr(values) + 8 * first * n, ptr(info) + 4 * first];
    enqueue(EIGEN, FLOAT64, from, d, infos, some, n, Number(vectors), ...slots);
  };
  overBatch(count, (vectors ? 9 : 2) * n ** 3, 0, queue, 8 * n);
  const failed = (toTyped(info) as Int32Array).find((code) => code !== 0);
  release(info.storage);
  if (failed !== undefined) {
    throw new LinAlgError(
      `[linalg.eigh] ${failed === 2 ? "the matrix holds NaN or infinities" : "the iteration did not converge"}`,
    );
  }
  return { values, vectors: v };
}

interface Eigh {
  readonly upper: boolean;
  /** Whether the vectors are asked for; the gradient needs them in any case. */
  readonly vectors: boolean;
}

const eighOp = defineMultiOp<Eigh>({
  name: "Eigh",
  savesOutput: true,
  forward: ([x], attrs, ctx) => {
    const t = x as Tensor;
    const wanted = attrs.vectors || ctx.recording;
    const { values, vectors } = symmetricEigen(t, attrs.upper, wanted);
    const columns = wanted ? rounded(copyOf(flipped(vectors)), t.code) : empty([0], t.code);
    release(vectors.storage);
    return [rounded(values, t.code), columns];
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
  const upper = upperOf("linalg.eigh", options);
  const [eigenvalues, eigenvectors] = runMulti(eighOp, [A], { upper, vectors: true });
  return { eigenvalues: eigenvalues as Tensor, eigenvectors: eigenvectors as Tensor };
}

/** Eigenvalues of symmetric matrices, from small to large. Source: `torch.linalg.eigvalsh`. */
export function eigvalsh(A: Tensor, options: "L" | "U" | EighOptions = {}): Tensor {
  checkSquare("linalg.eigvalsh", A);
  const upper = upperOf("linalg.eigvalsh", options);
  return runMulti(eighOp, [A], { upper, vectors: false })[0] as Tensor;
}
