/** Cholesky factors of symmetric positive-definite matrices, and systems and inverses with them. */
import { defineMultiOp, defineOp, run, runMulti } from "../../autograd/node.js";
import { INT32 } from "../../tensor/dtype.js";
import { ShapeError, show } from "../../tensor/errors.js";
import { fromTyped } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import { add, mul, neg } from "../arithmetic.js";
import { tril, triu } from "../diagonal.js";
import { matmul } from "../matmul.js";
import { transpose } from "../view.js";
import {
  batchShape,
  batchSize,
  checkMatrices,
  checkSameDtype,
  checkSquare,
  eachMatrix,
  expandBatches,
  identity,
  read,
  transposed,
  write,
} from "./core.js";
import { checkInfo } from "./lu.js";
import { solveLeft, solveRight, substitute } from "./triangular.js";

const mT = (x: Tensor): Tensor => transpose(x, -2, -1);

/**
 * The lower triangle of a[n, n] becomes L with A = L L^T, the upper one 0; only the lower one is read. Returns 0, or the
 * order of the first leading minor that is not positive.
 */
function factor(a: Float64Array, n: number): number {
  let info = 0;
  for (let j = 0; j < n; j++) {
    a.fill(0, j * n + j + 1, (j + 1) * n);
    if (info > 0) continue;
    let d = a[j * n + j] as number;
    for (let k = 0; k < j; k++) d -= (a[j * n + k] as number) ** 2;
    if (!(d > 0)) {
      info = j + 1;
      continue;
    }
    const root = Math.sqrt(d);
    a[j * n + j] = root;
    for (let i = j + 1; i < n; i++) {
      let sum = a[i * n + j] as number;
      for (let k = 0; k < j; k++) sum -= (a[i * n + k] as number) * (a[j * n + k] as number);
      a[i * n + j] = sum / root;
    }
  }
  return info;
}

const choleskyOp = defineMultiOp<boolean>({
  name: "Cholesky",
  savesOutput: true,
  nonDifferentiable: [1],
  forward: ([x], upper) => {
    const t = x as Tensor;
    const [n, count] = [t.shape.at(-1) as number, batchSize(t)];
    const a = read(t);
    const info = new Int32Array(count);
    eachMatrix(a, n * n, count, (m, i) => {
      if (upper) m.set(transposed(m, n, n));
      info[i] = factor(m, n);
      if (upper) m.set(transposed(m, n, n));
    });
    return [write(a, t.shape, t.code), fromTyped(info, batchShape(t), INT32)];
  },
  // gA = L^-T S L^-1 with S symmetric: half of tril(L^T gL) and its mirror image
  backward: ([g], n) => {
    if (g === null || g === undefined) return [null];
    const [L, gL] = n.attrs ? [mT(n.output(0)), mT(g)] : [n.output(0), g];
    const lower = tril(matmul(mT(L), gL));
    const S = mul(add(lower, mT(tril(lower, -1))), 0.5);
    return [solveRight(L, solveLeft(mT(L), S, true), false)];
  },
});

const notPositive = (order: number): string =>
  `the matrix is not positive-definite: its leading minor of order ${order} is not positive`;

/** Options of {@link cholesky}. */
export interface CholeskyOptions {
  /** Give the upper factor U with A = U^T U; then the upper triangle of A is read (default false). */
  upper?: boolean;
}

/**
 * L, a lower triangle with A = L L^T, of symmetric positive-definite matrices; only the lower triangle of A is read, and
 * the gradient is symmetric. Source: `torch.linalg.cholesky`.
 * @throws LinAlgError when a matrix is not positive-definite.
 */
export function cholesky(A: Tensor, options: boolean | CholeskyOptions = {}): Tensor {
  const upper = typeof options === "boolean" ? options : (options.upper ?? false);
  return choleskyEx(A, { upper, checkErrors: true }).L;
}

/**
 * As {@link cholesky}; `info` is 0, or the order of the first leading minor that is not positive: then L holds a part of
 * the factor, unless `checkErrors`. Source: `torch.linalg.cholesky_ex`.
 */
export function choleskyEx(
  A: Tensor,
  options: CholeskyOptions & { checkErrors?: boolean } = {},
): {
  /** The factor, lower triangular (upper with `upper: true`). */
  L: Tensor;
  /** int32: 0 where the matrix is positive-definite, else the order of the first minor that is not. */
  info: Tensor;
} {
  checkSquare("linalg.cholesky", A);
  const [L, info] = runMulti(choleskyOp, [A], options.upper ?? false) as [Tensor, Tensor];
  if (options.checkErrors === true) checkInfo("linalg.cholesky", A, info, notPositive);
  return { L, info };
}

function upperOf(options: boolean | CholeskyOptions): boolean {
  return typeof options === "boolean" ? options : (options.upper ?? false);
}

/** Inputs B and the factor: X with (L L^T) X = B, or (U^T U) X = B. */
const choleskySolveOp = defineOp<boolean>({
  name: "CholeskySolve",
  saves: [1],
  savesOutput: true,
  forward: ([b, l], upper) => {
    const [n, k] = (b as Tensor).shape.slice(-2) as [number, number];
    const [x, factors] = [read(b as Tensor), read(l as Tensor)];
    eachMatrix(x, n * k, batchSize(b as Tensor), (m, i) => {
      const f = factors.subarray(i * n * n, (i + 1) * n * n);
      const t = transposed(f, n, n);
      substitute(upper ? t : f, m, n, k, false, false);
      substitute(upper ? f : t, m, n, k, true, false);
    });
    return write(x, (b as Tensor).shape, (b as Tensor).code);
  },
  // gB = A^-1 g, gA = -gB X^T; gL = (gA + gA^T) L, of which PyTorch keeps the triangle that is not read, too
  backward: (g, n) => {
    const [L, upper] = [n.input(1), n.attrs];
    const gb = solveFactored(g, L, upper);
    if (!n.needs(1)) return [gb];
    const half = matmul(gb, mT(n.output()));
    const both = add(half, mT(half));
    return [gb, neg(upper ? matmul(triu(L), both) : matmul(both, tril(L)))];
  },
});

function solveFactored(b: Tensor, factors: Tensor, upper: boolean): Tensor {
  return run(choleskySolveOp, [b, factors], upper);
}

/** X with A X = B, from the Cholesky factor L of A. Source: `torch.cholesky_solve`. */
export function choleskySolve(B: Tensor, L: Tensor, options: boolean | CholeskyOptions = {}): Tensor {
  checkSquare("choleskySolve", L);
  checkMatrices("choleskySolve", B);
  checkSameDtype("choleskySolve", L, B);
  if (L.shape.at(-1) !== B.shape.at(-2)) {
    throw new ShapeError(
      `[choleskySolve] the factor of shape ${show(L.shape)} does not fit B of shape ${show(B.shape)}`,
    );
  }
  const [b, l] = expandBatches("choleskySolve", B, L);
  return solveFactored(b, l, upperOf(options));
}

/** The inverse of A, from its Cholesky factor L. Source: `torch.cholesky_inverse`. */
export function choleskyInverse(L: Tensor, options: boolean | CholeskyOptions = {}): Tensor {
  checkSquare("choleskyInverse", L);
  return choleskySolve(identity(L.shape.at(-1) as number, L.code, batchShape(L)), L, options);
}
