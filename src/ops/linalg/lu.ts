/** LU factorization with partial pivoting, and systems solved with it. */

import { defineMultiOp, runMulti } from "../../autograd/op.js";
import { type DTypeCode, FLOAT64, INT32 } from "../../tensor/dtype.js";
import { DTypeError, ShapeError, show } from "../../tensor/errors.js";
import { enqueue, kernelTable } from "../../tensor/launch.js";
import { checkOptions, type OptionNames } from "../../tensor/options.js";
import { castTo, contiguous, empty, full, ptr, toTyped } from "../../tensor/raw.js";
import type { Shape } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import { add, sub } from "../arithmetic.js";
import { tril, triu } from "../diagonal.js";
import { cat } from "../join.js";
import { matmul } from "../matmul.js";
import { expand, narrow, transpose } from "../view.js";
import {
  batchShape,
  batchSize,
  checkMatrices,
  checkSameDtype,
  checkSquare,
  eachMatrix,
  expandBatches,
  failure,
  identity,
  matrixSize,
  overBatch,
  rounded,
  working,
  write,
} from "./core.js";
import { solveLeft, solveRight } from "./triangular.js";

const FACTOR = kernelTable("luFactor");
const SOLVE = kernelTable("luSolve");

/**
 * Factors the working tensor a[*, m, n] in place: L below the diagonal (ones on it), U above. pivots[*, i] is the row,
 * from 1, that was swapped with row i; info[*] is 0, or the position from 1 of the first zero on the diagonal of U.
 */
export function factorInto(a: Tensor, pivot = true): [pivots: Tensor, info: Tensor] {
  const [m, n] = matrixSize(a);
  const k = Math.min(m, n);
  const lead = batchShape(a);
  const [pivots, info] = [empty([...lead, k], INT32), full(lead, 0, INT32)];
  if (a.numel === 0) return [pivots, info];
  overBatch(batchSize(a), m * n * k, k, (first, count, slots) => {
    const [swaps, infos] = [ptr(pivots) + 4 * first * k, ptr(info) + 4 * first];
    enqueue(FACTOR, FLOAT64, ptr(a) + 8 * first * m * n, swaps, infos, count, m, n, Number(pivot), ...slots);
  });
  return [pivots, info];
}

/** The working tensor b[*, n, k] becomes A^-1 b (A^-T b with `adjoint`), from the packed factors of A and its swaps. */
export function solveInto(b: Tensor, lu: Tensor, pivots: Tensor, adjoint: boolean): void {
  const [n, k] = matrixSize(b);
  if (b.numel === 0) return;
  const [factors, swaps] = [contiguous(castTo(lu, FLOAT64)), contiguous(pivots)];
  overBatch(batchSize(b), 2 * n * n * k, n, (first, count, slots) => {
    const [from, rows] = [ptr(factors) + 8 * first * n * n, ptr(swaps) + 4 * first * n];
    const to = ptr(b) + 8 * first * n * k;
    enqueue(SOLVE, FLOAT64, from, rows, to, count, n, k, Number(adjoint), ...slots);
  });
}

const luOp = defineMultiOp<boolean>({
  name: "LuFactor",
  savesOutput: true,
  nonDifferentiable: [1, 2],
  forward: ([x], pivot) => {
    const t = x as Tensor;
    const a = working(t);
    const [pivots, info] = factorInto(a, pivot);
    return [rounded(a, t.code), pivots, info];
  },
  backward: ([g], n) => {
    if (g === null || g === undefined) return [null];
    const [lu, pivots] = [n.output(0), n.output(1)];
    const k = pivots.shape.at(-1) as number;
    return [luBackward(narrow(g, -1, 0, k), narrow(g, -2, 0, k), lu, pivots)];
  },
});

const mT = (x: Tensor): Tensor => transpose(x, -2, -1);

/**
 * With P^T A = L U square: gA = P L^-T [tril(L^T gL, -1) + triu(gU U^T)] U^-T. What is left of a tall or wide matrix
 * depends on the square part: L2 = A2 U1^-1 below, U2 = L1^-1 A2 to the right.
 */
function luBackward(gl: Tensor, gu: Tensor, lu: Tensor, pivots: Tensor): Tensor {
  const [m, n] = matrixSize(lu);
  const k = Math.min(m, n);
  const [L, U] = triangles(lu);
  const [L1, U1] = [narrow(L, -2, 0, k), narrow(U, -1, 0, k)];
  let [gL, gU] = [narrow(gl, -2, 0, k), narrow(gu, -1, 0, k)];
  let rest: Tensor | null = null;
  if (m > k) {
    rest = solveRight(mT(U1), narrow(gl, -2, k, m - k), false);
    gU = sub(gU, matmul(mT(narrow(L, -2, k, m - k)), rest));
  } else if (n > k) {
    rest = solveLeft(mT(L1), narrow(gu, -1, k, n - k), true, true);
    gL = sub(gL, matmul(rest, mT(narrow(U, -1, k, n - k))));
  }
  const inner = add(tril(matmul(mT(L1), gL), -1), triu(matmul(gU, mT(U1))));
  const square = solveLeft(mT(L1), solveRight(mT(U1), inner, false), true, true);
  const whole = rest === null ? square : cat([square, rest], m > k ? -2 : -1);
  return matmul(permutation(pivots, m, lu.code), whole);
}

/** [L, U] of the packed form. */
function triangles(lu: Tensor): [Tensor, Tensor] {
  const [m, n] = matrixSize(lu);
  const k = Math.min(m, n);
  const lower = tril(narrow(lu, -1, 0, k), -1);
  return [add(lower, unitDiagonal(m, k, lu)), triu(narrow(lu, -2, 0, k))];
}

function unitDiagonal(m: number, k: number, like: Tensor): Tensor {
  return narrow(identity(m, like.code), 1, 0, k);
}

/** P with A = P L U, from the row swaps. @internal */
export function permutation(pivots: Tensor, m: number, code: DTypeCode): Tensor {
  const k = pivots.shape.at(-1) as number;
  const swaps = toTyped(pivots) as Int32Array;
  const batch = pivots.shape.slice(0, -1);
  const count = k === 0 ? batch.reduce((a, b) => a * b, 1) : swaps.length / k;
  const out = new Float64Array(count * m * m);
  eachMatrix(out, m * m, count, (p, b) => {
    const order = Array.from({ length: m }, (_, i) => i);
    for (let i = 0; i < k; i++) {
      const j = (swaps[b * k + i] as number) - 1;
      const t = order[i] as number;
      order[i] = order[j] as number;
      order[j] = t;
    }
    order.forEach((row, i) => {
      p[row * m + i] = 1;
    });
  });
  return write(out, [...batch, m, m], code);
}

/** Options of the LU factorizations. */
export interface LuOptions {
  /** Swap rows so that the factors stay small (default true). */
  pivot?: boolean;
}

const LU_OPTIONS: OptionNames<LuOptions> = { pivot: 1 };

/** Packed factors, pivots and, for each matrix, the position of the first zero pivot (0: none). @internal */
export function factored(op: string, A: Tensor, pivot = true): [LU: Tensor, pivots: Tensor, info: Tensor] {
  checkMatrices(op, A);
  return runMulti(luOp, [A], pivot) as [Tensor, Tensor, Tensor];
}

/** Throws for the first matrix with an info other than 0. @internal */
export function checkInfo(op: string, A: Tensor, info: Tensor, what: (position: number) => string): void {
  const values = toTyped(info) as Int32Array;
  const bad = values.findIndex((v) => v !== 0);
  if (bad >= 0) throw failure(op, A, bad, what(values[bad] as number));
}

/** The message for a zero pivot. @internal */
export const singular = (position: number): string =>
  `the matrix is singular: element ${position} of the diagonal of U is 0`;

/**
 * A = P L U packed in one matrix (L below the diagonal, U on and above it), with the row swaps as int32 counted from 1.
 * Source: `torch.linalg.lu_factor`.
 * @throws LinAlgError when a matrix is singular; {@link luFactorEx} factors those too.
 */
export function luFactor(
  A: Tensor,
  options: LuOptions = {},
): {
  /** The unit lower factor below the diagonal, the upper one on and above it. */
  LU: Tensor;
  /** int32: the row, from 1, that each row was exchanged with. */
  pivots: Tensor;
} {
  checkOptions("linalg.luFactor", options, LU_OPTIONS);
  const [LU, pivots, info] = factored("linalg.luFactor", A, options.pivot ?? true);
  checkInfo("linalg.luFactor", A, info, singular);
  return { LU, pivots };
}

const LU_FACTOR_EX_OPTIONS: OptionNames<LuOptions & { checkErrors?: boolean }> = { pivot: 1, checkErrors: 1 };

/** {@link luFactor} with, for each matrix, the position of the first zero pivot (0: none). Source: `torch.linalg.lu_factor_ex`. */
export function luFactorEx(
  A: Tensor,
  options: LuOptions & { checkErrors?: boolean } = {},
): {
  /** The unit lower factor below the diagonal, the upper one on and above it. */
  LU: Tensor;
  /** int32: the row, from 1, that each row was exchanged with. */
  pivots: Tensor;
  /** int32: 0, or the position (from 1) of the first zero on the diagonal of U. */
  info: Tensor;
} {
  checkOptions("linalg.luFactorEx", options, LU_FACTOR_EX_OPTIONS);
  const [LU, pivots, info] = factored("linalg.luFactor", A, options.pivot ?? true);
  if (options.checkErrors === true) checkInfo("linalg.luFactorEx", A, info, singular);
  return { LU, pivots, info };
}

/**
 * A = P L U: a permutation, a lower triangle with ones on the diagonal, an upper triangle. Without pivoting P is empty.
 * Source: `torch.linalg.lu`.
 */
export function lu(
  A: Tensor,
  options: LuOptions = {},
): {
  /** The permutation of the rows, (*, m, m). */
  P: Tensor;
  /** The unit lower factor, (*, m, min(m, n)). */
  L: Tensor;
  /** The upper factor, (*, min(m, n), n). */
  U: Tensor;
} {
  checkOptions("linalg.lu", options, LU_OPTIONS);
  const pivot = options.pivot ?? true;
  const [LU, pivots] = factored("linalg.lu", A, pivot);
  const [L, U] = triangles(LU);
  const P = pivot ? permutation(pivots, matrixSize(A)[0], A.code) : empty([0], A.code);
  return { P, L, U };
}

/** Options of {@link luSolve}. */
export interface LuSolveOptions {
  /** Solve A X = B (default), or X A = B. */
  left?: boolean;
  /** Solve with the transpose of A (default false). */
  adjoint?: boolean;
}

const LU_SOLVE_OPTIONS: OptionNames<LuSolveOptions> = { left: 1, adjoint: 1 };

/** X with A X = B, from the result of {@link luFactor}. Source: `torch.linalg.lu_solve`. */
export function luSolve(LU: Tensor, pivots: Tensor, B: Tensor, options: LuSolveOptions = {}): Tensor {
  checkOptions("linalg.luSolve", options, LU_SOLVE_OPTIONS);
  const op = "linalg.luSolve";
  checkSquare(op, LU);
  checkMatrices(op, B);
  checkSameDtype(op, LU, B);
  const { left = true, adjoint = false } = options;
  if (!left) return mT(luSolve(LU, pivots, mT(B), { adjoint: !adjoint }));
  const n = LU.shape.at(-1) as number;
  if (pivots.code !== INT32)
    throw new DTypeError(`[${op}] pivots must be int32, as luFactor returns them, got ${pivots.dtype}`);
  if (n !== B.shape.at(-2))
    throw new ShapeError(
      `[${op}] LU of shape ${show(LU.shape)} does not fit B of shape ${show(B.shape)}: expected as many rows`,
    );
  const [lus, b] = expandBatches(op, LU, B);
  const shape: Shape = [...batchShape(lus), n];
  const P = permutation(expand(pivots, shape), n, LU.code);
  const L = lus; // unit diagonal: the upper part is not read
  if (!adjoint) return solveLeft(lus, solveLeft(L, matmul(mT(P), b), false, true), true);
  return matmul(P, solveLeft(mT(L), solveLeft(mT(lus), b, false), true, true));
}
