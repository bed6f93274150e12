/** Cholesky factors of symmetric positive-definite matrices, and systems and inverses with them. */

import { defineMultiOp, defineOp, run, runMulti } from "../../autograd/op.js";
import { FLOAT64, INT32 } from "../../tensor/dtype.js";
import { ShapeError, show } from "../../tensor/errors.js";
import { enqueue, kernelTable } from "../../tensor/launch.js";
import { checkNames, checkOptions, type OptionNames } from "../../tensor/options.js";
import { contiguous, full, ptr } from "../../tensor/raw.js";
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
  expandBatches,
  flipped,
  identity,
  overBatch,
  rounded,
  working,
} from "./core.js";
import { checkInfo } from "./lu.js";
import { solveInto, solveLeft, solveRight } from "./triangular.js";

const mT = (x: Tensor): Tensor => transpose(x, -2, -1);

const FACTOR = kernelTable("cholesky");

const choleskyOp = defineMultiOp<boolean>({
  name: "Cholesky",
  savesOutput: true,
  nonDifferentiable: [1],
  forward: ([x], upper) => {
    const t = x as Tensor;
    const n = t.shape.at(-1) as number;
    const a = working(upper ? flipped(t) : t);
    const info = full(batchShape(t), 0, INT32);
    if (t.numel > 0) {
      overBatch(batchSize(t), n ** 3 / 3, n, (first, count, slots) => {
        const [from, infos] = [ptr(a) + 8 * first * n * n, ptr(info) + 4 * first];
        enqueue(FACTOR, FLOAT64, from, infos, count, n, ...slots);
      });
    }
    const L = rounded(a, t.code);
    return [upper ? contiguous(flipped(L)) : L, info];
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

const CHOLESKY_OPTIONS: OptionNames<CholeskyOptions> = { upper: 1 };

/**
 * L, a lower triangle with A = L L^T, of symmetric positive-definite matrices; only the lower triangle of A is read, and
 * the gradient is symmetric. Source: `torch.linalg.cholesky`.
 * @throws LinAlgError when a matrix is not positive-definite.
 */
export function cholesky(A: Tensor, options: boolean | CholeskyOptions = {}): Tensor {
  checkNames("linalg.cholesky", options, CHOLESKY_OPTIONS);
  const upper = typeof options === "boolean" ? options : (options.upper ?? false);
  return choleskyEx(A, { upper, checkErrors: true }).L;
}

const CHOLESKY_EX_OPTIONS: OptionNames<CholeskyOptions & { checkErrors?: boolean }> = {
  upper: 1,
  checkErrors: 1,
};

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
  checkOptions("linalg.choleskyEx", options, CHOLESKY_EX_OPTIONS);
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
    const x = working(b as Tensor);
    const triangle = { upper, unit: false };
    solveInto(x, l as Tensor, triangle, upper);
    solveInto(x, l as Tensor, triangle, !upper);
    return rounded(x, (b as Tensor).code);
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
  checkNames("choleskySolve", options, CHOLESKY_OPTIONS);
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
  checkNames("choleskyInverse", options, CHOLESKY_OPTIONS);
  checkSquare("choleskyInverse", L);
  return choleskySolve(identity(L.shape.at(-1) as number, L.code, batchShape(L)), L, options);
}
