/** Systems and inverses of square matrices, by LU factorization: solve, inv, tensorsolve, tensorinv. */

import { defineOp, run } from "../../autograd/op.js";
import { ShapeError, show, ValueError } from "../../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../../tensor/options.js";
import { numelOf, type Shape, sameShape } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import { neg } from "../arithmetic.js";
import { movedim } from "../dims.js";
import { matmul } from "../matmul.js";
import { expand, reshape, squeeze, transpose, unsqueeze } from "../view.js";
import {
  batchShape,
  checkMatrices,
  checkSameDtype,
  checkSquare,
  expandBatches,
  identity,
  rounded,
  working,
} from "./core.js";
import { checkInfo, factored, singular, solveInto } from "./lu.js";

/** Inputs A, B, packed factors of A, row swaps; the factors are only for computing. The attribute: solve with A^T. */
const solveOp = defineOp<boolean>({
  name: "Solve",
  saves: [0, 2, 3],
  savesOutput: true,
  forward: ([, b, lu, pivots], adjoint) => {
    const x = working(b as Tensor);
    solveInto(x, lu as Tensor, pivots as Tensor, adjoint);
    return rounded(x, (b as Tensor).code);
  },
  // A X = B: gB = A^-T g, gA = -gB X^T; A^T X = B: gB = A^-1 g, gA = -X gB^T
  backward: (g, n) => {
    const gb = solveWith(n.input(0), g, n.input(2), n.input(3), !n.attrs);
    if (!n.needs(0)) return [null, gb];
    const x = n.output();
    return [neg(n.attrs ? matmul(x, transpose(gb, -2, -1)) : matmul(gb, transpose(x, -2, -1))), gb];
  },
});

function solveWith(a: Tensor, b: Tensor, lu: Tensor, pivots: Tensor, adjoint: boolean): Tensor {
  return run(solveOp, [a, b, lu, pivots], adjoint);
}

/** Whether B is taken as (a batch of) vectors: PyTorch's rule. @internal */
export function isVector(A: Tensor, B: Tensor): boolean {
  return (
    B.shape.length === 1 ||
    (A.shape.length - 1 === B.shape.length && sameShape(B.shape, A.shape.slice(0, -1)))
  );
}

function solveAndInfo(op: string, A: Tensor, B: Tensor, left: boolean, check: boolean): [Tensor, Tensor] {
  checkSquare(op, A);
  if (B.shape.length === 0) throw new ShapeError(`[${op}] B must have at least one dimension`);
  checkSameDtype(op, A, B);
  const vector = isVector(A, B);
  if (vector && !left)
    throw new ValueError(`[${op}] X A = B (left: false) needs matrices, got B of shape ${show(B.shape)}`);
  const matrix = vector ? unsqueeze(B, -1) : B;
  checkMatrices(op, matrix);
  if (A.shape.at(-1) !== (left ? matrix.shape.at(-2) : matrix.shape.at(-1))) {
    throw new ShapeError(
      `[${op}] A of shape ${show(A.shape)} does not fit B of shape ${show(B.shape)}: expected as many rows`,
    );
  }
  const [lu, pivots, info] = factored(op, A.detach());
  if (check) checkInfo(op, A, info, singular);
  const [a, b] = expandBatches(op, A, left ? matrix : transpose(matrix, -2, -1));
  const lead = batchShape(a);
  const n = A.shape.at(-1) as number;
  const x = solveWith(a, b, expand(lu, a.shape), expand(pivots, [...lead, n]), !left);
  if (!left) return [transpose(x, -2, -1), info];
  return [vector ? squeeze(x, -1) : x, info];
}

/** Options of {@link solve}. */
export interface SolveOptions {
  /** Solve A X = B (default), or X A = B. */
  left?: boolean;
}

const SOLVE_OPTIONS: OptionNames<SolveOptions> = { left: 1 };

/**
 * X with A X = B, for square matrices; B may be vectors. Batches are broadcast. Source: `torch.linalg.solve`.
 * @example
 * linalg.solve(tensor([[2, 0], [0, 4]], { dtype: "float32" }), tensor([2, 4], { dtype: "float32" })).toArray(); // [1, 1]
 * @throws LinAlgError when a matrix is singular.
 */
export function solve(A: Tensor, B: Tensor, options: SolveOptions = {}): Tensor {
  checkOptions("linalg.solve", options, SOLVE_OPTIONS);
  return solveAndInfo("linalg.solve", A, B, options.left ?? true, true)[0];
}

const SOLVE_EX_OPTIONS: OptionNames<SolveOptions & { checkErrors?: boolean }> = { left: 1, checkErrors: 1 };

/**
 * As {@link solve}, but a singular matrix is reported in `info` (the position of the zero pivot) unless `checkErrors`.
 * Source: `torch.linalg.solve_ex`.
 */
export function solveEx(
  A: Tensor,
  B: Tensor,
  options: SolveOptions & { checkErrors?: boolean } = {},
): {
  /** The solution. */
  result: Tensor;
  /** int32: 0 where A can be inverted, else the position (from 1) of a zero pivot. */
  info: Tensor;
} {
  checkOptions("linalg.solveEx", options, SOLVE_EX_OPTIONS);
  const [result, info] = solveAndInfo(
    "linalg.solveEx",
    A,
    B,
    options.left ?? true,
    options.checkErrors ?? false,
  );
  return { result, info };
}

/**
 * The inverses of square matrices. Source: `torch.linalg.inv`.
 * @throws LinAlgError when a matrix is singular.
 */
export function inv(A: Tensor): Tensor {
  return inverseAndInfo("linalg.inv", A, true)[0];
}

function inverseAndInfo(op: string, A: Tensor, check: boolean): [Tensor, Tensor] {
  checkSquare(op, A);
  return solveAndInfo(op, A, identity(A.shape.at(-1) as number, A.code, batchShape(A)), true, check);
}

/** Same as {@link inv}. Source: `torch.inverse`. */
export const inverse: typeof inv = inv;

const INV_EX_OPTIONS: OptionNames<{ checkErrors?: boolean }> = { checkErrors: 1 };

/** As {@link inv}, but a singular matrix is reported in `info` unless `checkErrors`. Source: `torch.linalg.inv_ex`. */
export function invEx(
  A: Tensor,
  options: { checkErrors?: boolean } = {},
): {
  /** The inverse. */
  inverse: Tensor;
  /** int32: 0 where A can be inverted, else the position (from 1) of a zero pivot. */
  info: Tensor;
} {
  checkOptions("linalg.invEx", options, INV_EX_OPTIONS);
  const [result, info] = inverseAndInfo("linalg.invEx", A, options.checkErrors ?? false);
  return { inverse: result, info };
}

const TENSORSOLVE_OPTIONS: OptionNames<{ dims?: readonly number[] | null }> = { dims: 1 };

/**
 * X with tensordot(A, X, X.ndim) = B: A seen as a square matrix from the shape of X to that of B.
 * Source: `torch.linalg.tensorsolve`.
 * @param options.dims dimensions of A to move to its end first.
 */
export function tensorsolve(A: Tensor, B: Tensor, options: { dims?: readonly number[] | null } = {}): Tensor {
  checkOptions("linalg.tensorsolve", options, TENSORSOLVE_OPTIONS);
  const dims = options.dims ?? [];
  const rank = A.shape.length;
  const moved =
    dims.length === 0
      ? A
      : movedim(
          A,
          dims,
          dims.map((_, i) => rank - dims.length + i),
        );
  const rest: Shape = moved.shape.slice(B.shape.length);
  if (numelOf(rest) !== B.numel) {
    throw new ShapeError(
      `[linalg.tensorsolve] A of shape ${show(A.shape)} is not square for B of shape ${show(B.shape)}`,
    );
  }
  return reshape(solve(reshape(moved, [B.numel, B.numel]), reshape(B, [B.numel])), rest);
}

const TENSORINV_OPTIONS: OptionNames<{ ind?: number }> = { ind: 1 };

/**
 * The inverse with respect to `tensordot(A, B, ind)`: of A seen as a matrix from its dimensions after `ind` to those
 * before. Source: `torch.linalg.tensorinv`.
 */
export function tensorinv(A: Tensor, options: number | { ind?: number } = {}): Tensor {
  checkNames("linalg.tensorinv", options, TENSORINV_OPTIONS);
  const ind = typeof options === "number" ? options : (options.ind ?? 2);
  if (!Number.isInteger(ind) || ind < 1)
    throw new ValueError(`[linalg.tensorinv] ind must be a whole number > 0, got ${ind}`);
  const [front, back] = [A.shape.slice(0, ind), A.shape.slice(ind)];
  const n = numelOf(front);
  if (n !== numelOf(back))
    throw new ShapeError(`[linalg.tensorinv] shape ${show(A.shape)} is not square around dimension ${ind}`);
  return reshape(inv(reshape(A, [n, n])), [...back, ...front]);
}
