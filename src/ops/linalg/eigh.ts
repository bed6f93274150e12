/** Eigenvalues and vectors of symmetric matrices: eigh, eigvalsh. Householder tridiagonalization, then implicit QL. */

import { defineMultiOp, runMulti } from "../../autograd/op.js";
import { FLOAT64, INT32 } from "../../tensor/dtype.js";
import { ValueError } from "../../tensor/errors.js";
import { release } from "../../tensor/heap.js";
import { enqueue, kernelTable } from "../../tensor/launch.js";
import { checkNames, type OptionNames } from "../../tensor/options.js";
import { empty, ptr, viewOf } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import { add, div, mul, sub } from "../arithmetic.js";
import { diagEmbed } from "../diagonal.js";
import { matmul } from "../matmul.js";
import { transpose, unsqueeze } from "../view.js";
import {
  batchShape,
  batchSize,
  checkSquare,
  failure,
  flipped,
  identity,
  overBatch,
  rounded,
  working,
} from "./core.js";
import { iterate, orthogonalInto } from "./orthogonal.js";

const REDUCE = kernelTable("tridiagonalize");
const ITERATE = kernelTable("tridiagonalQL");

/** Eigenvalues [*, n] from small to large and the vectors in the columns of [*, n, n], or null. */
interface Eigen {
  readonly values: Tensor;
  readonly vectors: Tensor | null;
}

/**
 * Eigenvalues and, if wanted, vectors of symmetric matrices of which one triangle is read, in x's dtype. Up to 25 rows,
 * steps and signs are those of LAPACK's syevd, which takes the upper triangle from its last row to the first.
 */
export function symmetricEigen(op: string, x: Tensor, upper: boolean, wanted: boolean): Eigen {
  const [n, count, lead] = [x.shape.at(-1) as number, batchSize(x), batchShape(x)];
  const values = empty([...lead, n], FLOAT64);
  const vectors = wanted ? empty(x.shape, x.code) : null;
  if (x.numel === 0) return { values: rounded(values, x.code), vectors };
  const a = working(flipped(x));
  const turned = Number(upper);
  const columns = viewOf(a, [count, n, n], null, 0);
  const [taus, d, e] = [empty([count, n], FLOAT64), empty([count, n], FLOAT64), empty([count, n], FLOAT64)];
  const [sizes, order] = [empty([count], FLOAT64), empty([count, n], INT32)];
  const row = (t: Tensor, i: number): number => ptr(t) + 8 * i * n;
  const queue = (first: number, some: number, slots: readonly number[]) => {
    const [matrix, size] = [row(a, first * n), ptr(sizes) + 8 * first];
    const [t, dAt, eAt] = [row(taus, first), row(d, first), row(e, first)];
    enqueue(REDUCE, FLOAT64, matrix, t, dAt, eAt, size, some, n, turned, ...slots);
  };
  overBatch(count, (2 / 3) * n ** 3, 0, queue, 16 * n);
  iterate(
    (i, what) => failure(op, x, i, what),
    ITERATE,
    [count, n, wanted ? 1 : 0, n * (1.25 * n + 12)],
    (first) => [
      [row(d, first), row(e, first), ptr(sizes) + 8 * first, row(values, first)],
      ptr(order) + 4 * first * n,
      turned,
    ],
    (rotations) => {
      if (vectors === null) return;
      const reflections = { vectors: columns, taus, count: n - 1, offset: 1, turned: upper };
      const out = viewOf(vectors, [count, n, n], null, 0);
      orthogonalInto(out, reflections, rotations, [0, 1], { at: order, stride: n, first: 0 }, n);
    },
  );
  for (const t of [a, taus, d, e, sizes, order]) release(t.storage);
  return { values: rounded(values, x.code), vectors };
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
    const { values, vectors } = symmetricEigen("linalg.eigh", t, attrs.upper, attrs.vectors || ctx.recording);
    return [values, vectors ?? empty([0], t.code)];
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

const EIGH_OPTIONS: OptionNames<EighOptions> = { UPLO: 1 };

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
  checkNames("linalg.eigh", options, EIGH_OPTIONS);
  checkSquare("linalg.eigh", A);
  const upper = upperOf("linalg.eigh", options);
  const [eigenvalues, eigenvectors] = runMulti(eighOp, [A], { upper, vectors: true });
  return { eigenvalues: eigenvalues as Tensor, eigenvectors: eigenvectors as Tensor };
}

/** Eigenvalues of symmetric matrices, from small to large. Source: `torch.linalg.eigvalsh`. */
export function eigvalsh(A: Tensor, options: "L" | "U" | EighOptions = {}): Tensor {
  checkNames("linalg.eigvalsh", options, EIGH_OPTIONS);
  checkSquare("linalg.eigvalsh", A);
  const upper = upperOf("linalg.eigvalsh", options);
  return runMulti(eighOp, [A], { upper, vectors: false })[0] as Tensor;
}
