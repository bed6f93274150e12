/** Systems with triangular matrices: solveTriangular, on which the other solvers and derivatives rest. */

import { defineOp, run } from "../../autograd/op.js";
import { FLOAT64 } from "../../tensor/dtype.js";
import { ShapeError, show } from "../../tensor/errors.js";
import { enqueue, kernelTable } from "../../tensor/launch.js";
import { checkOptions, type OptionNames } from "../../tensor/options.js";
import { castTo, contiguous, ptr } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import { neg } from "../arithmetic.js";
import { tril, triu } from "../diagonal.js";
import { matmul } from "../matmul.js";
import { transpose } from "../view.js";
import {
  batchSize,
  checkMatrices,
  checkSameDtype,
  checkSquare,
  expandBatches,
  matrixSize,
  overBatch,
  rounded,
  working,
} from "./core.js";

interface Triangular {
  readonly upper: boolean;
  /** The diagonal counts as ones and is not read. */
  readonly unit: boolean;
}

const SOLVE = kernelTable("solveTriangular");

/** b[*, n, k], a working tensor, becomes t^-1 b (t^-T b with `transposed`), for the triangles of t[*, n, n]. */
export function solveInto(b: Tensor, t: Tensor, { upper, unit }: Triangular, transposed = false): void {
  const [n, k] = matrixSize(b);
  if (b.numel === 0) return;
  const triangles = contiguous(castTo(t, FLOAT64));
  const flags = [Number(transposed), Number(upper), Number(unit)];
  overBatch(batchSize(b), n * n * k, n, (first, count, slots) => {
    const [from, to] = [ptr(triangles) + 8 * first * n * n, ptr(b) + 8 * first * n * k];
    enqueue(SOLVE, FLOAT64, from, to, count, n, k, ...flags, ...slots);
  });
}

const triangularOp = defineOp<Triangular>({
  name: "SolveTriangular",
  saves: [0],
  savesOutput: true,
  forward: ([a, b], triangle) => {
    const x = working(b as Tensor);
    solveInto(x, a as Tensor, triangle);
    return rounded(x, (b as Tensor).code);
  },
  // T X = B: gB = T^-T g, gT = the triangle of -gB X^T
  backward: (g, n) => {
    const { upper, unit } = n.attrs;
    const gb = solveLeft(transpose(n.input(0), -2, -1), g, !upper, unit);
    if (!n.needs(0)) return [null, gb];
    const ga = neg(matmul(gb, transpose(n.output(), -2, -1)));
    return [upper ? triu(ga, unit ? 1 : 0) : tril(ga, unit ? -1 : 0), gb];
  },
});

/** X with T X = B, where both have the same batch. @internal */
export function solveLeft(t: Tensor, b: Tensor, upper: boolean, unit = false): Tensor {
  return run(triangularOp, [t, b], { upper, unit });
}

/** X with X T = B, where both have the same batch. @internal */
export function solveRight(t: Tensor, b: Tensor, upper: boolean, unit = false): Tensor {
  return transpose(solveLeft(transpose(t, -2, -1), transpose(b, -2, -1), !upper, unit), -2, -1);
}

/** Options of {@link solveTriangular}. */
export interface SolveTriangularOptions {
  /** Solve A X = B (default), or X A = B. */
  left?: boolean;
  /** Take the diagonal as ones, unread (default false). */
  unitriangular?: boolean;
}

const SOLVE_TRIANGULAR_OPTIONS: OptionNames<SolveTriangularOptions> = { left: 1, unitriangular: 1 };

/**
 * X with A X = B (or X A = B), where only the upper or the lower triangle of A is read. Batches are broadcast. A zero on
 * the diagonal gives infinities. Source: `torch.linalg.solve_triangular`.
 */
export function solveTriangular(
  A: Tensor,
  B: Tensor,
  upper: boolean | { upper: boolean },
  options: SolveTriangularOptions = {},
): Tensor {
  checkOptions("linalg.solveTriangular", options, SOLVE_TRIANGULAR_OPTIONS);
  const op = "linalg.solveTriangular";
  checkSquare(op, A);
  checkMatrices(op, B);
  checkSameDtype(op, A, B);
  const { left = true, unitriangular = false } = options;
  if (A.shape.at(-1) !== (left ? B.shape.at(-2) : B.shape.at(-1))) {
    throw new ShapeError(
      `[${op}] A of shape ${show(A.shape)} does not fit B of shape ${show(B.shape)}: expected as many rows`,
    );
  }
  const [a, b] = expandBatches(op, A, B);
  return (left ? solveLeft : solveRight)(
    a,
    b,
    typeof upper === "boolean" ? upper : upper.upper,
    unitriangular,
  );
}
