/** Adafactor's update as passes of kernels over parameter, gradient and state. */
import { split } from "../kernels/index.js";
import { FLOAT64 } from "../tensor/dtype.js";
import { release } from "../tensor/heap.js";
import { enqueue, GRAIN, inPieces, kernelTable } from "../tensor/launch.js";
import { empty, ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";

const FLOATS = ["none", "none", "none", "none", "f32", "f64"];
const MATRICES = kernelTable("adafactorMatrices", FLOATS);
const ROWS = kernelTable("adafactorRows", FLOATS);
const FINISH = kernelTable("adafactorFinish", FLOATS);
const SIZE = kernelTable("adafactorSize", FLOATS);
const MATRIX_STEP = kernelTable("adafactorMatrixStep", FLOATS);
const VECTOR = kernelTable("adafactorVector", FLOATS);
const VECTOR_STEP = kernelTable("adafactorVectorStep", FLOATS);

/** Elements of a piece: a pass costs about four additions. */
const PIECE = GRAIN / 4;
const DOUBLE = 8;

/** The scalars of a step. */
export interface AdafactorStep {
  /** Rate of the second moments, t^beta2Decay. */
  readonly decay: number;
  /** Least root of a second moment. */
  readonly eps1: number;
  /** Least root mean square of the parameter that scales the step. */
  readonly eps2: number;
  /** min(lr, 1 / sqrt(t)). */
  readonly rate: number;
  /** Root mean square at which updates are clipped. */
  readonly d: number;
  /** 1 - lr weightDecay. */
  readonly keep: number;
}

/** The step of a vector or scalar, whose second moments are `variance`; all are contiguous, here and below. */
export function stepVector(param: Tensor, grad: Tensor, variance: Tensor, s: AdafactorStep): void {
  const { code, numel: n, itemsize: size } = param;
  const pieces = split(n, PIECE);
  const scratch = empty([2 * pieces], FLOAT64);
  const [p, g, v, sizes] = [ptr(param), ptr(grad), ptr(variance), ptr(scratch)];
  let slot = sizes;
  inPieces(n, PIECE, (first, count) => {
    const o = first * size;
    const updates = slot + pieces * DOUBLE;
    enqueue(VECTOR, code, p + o, g + o, v + o, slot, updates, count, s.decay, s.eps1);
    slot += DOUBLE;
  });
  inPieces(n, PIECE, (first, count) => {
    const o = first * size;
    const { eps1, eps2, rate, d, keep } = s;
    enqueue(VECTOR_STEP, code, p + o, g + o, v + o, sizes, pieces, n, count, eps1, eps2, rate, d, keep);
  });
  release(scratch.storage);
}

/** The step of matrices over the last two dims, with the moments of their rows and columns. */
export function stepMatrices(
  param: Tensor,
  grad: Tensor,
  rowVar: Tensor,
  colVar: Tensor,
  s: AdafactorStep,
): void {
  const { code, numel: n, itemsize: size, shape } = param;
  const [rows, columns] = shape.slice(-2) as [number, number];
  const count = n / (rows * columns);
  // Work is cut between matrices, or, where they are large, within each of them.
  const within = rows * columns >= 2 * PIECE;
  const grain = Math.max(1, Math.ceil(PIECE / (within ? columns : rows * columns)));
  const perMatrix = split(within ? rows : count, grain);
  const pieces = within ? perMatrix * count : perMatrix;
  const scratch = empty([count + 2 * pieces + perMatrix * columns], FLOAT64);
  const [p, g, r, c, means] = [ptr(param), ptr(grad), ptr(rowVar), ptr(colVar), ptr(scratch)];
  const sizes = means + count * DOUBLE;
  const sums = sizes + 2 * pieces * DOUBLE;
  const { decay, eps1, eps2, rate, d, keep } = s;

  /** Calls `queue` for every piece with its addresses: matrices, rows of one, first piece of its matrix or not. */
  const each = (
    queue: (piece: number, at: number, row: number, matrix: number, matrices: number, height: number) => void,
    after?: (matrix: number) => void,
  ): void => {
    let piece = 0;
    if (!within) {
      inPieces(count, grain, (first, some) =>
        queue(piece++, first * rows * columns, first * rows, first, some, rows),
      );
      return;
    }
    for (let m = 0; m < count; m++) {
      inPieces(rows, grain, (first, some) => {
        const row = m * rows + first;
        queue(piece++, row * columns, row, m, 1, some);
      });
      after?.(m);
    }
  };

  each(
    (piece, at, row, matrix, matrices, height) => {
      const [pa, ga, ra] = [p + at * size, g + at * size, r + row * size];
      const sum = sums + (piece % perMatrix) * columns * DOUBLE;
      const slot = sizes + piece * DOUBLE;
      if (within) enqueue(ROWS, code, pa, ga, ra, sum, slot, height, columns, decay);
      else {
        const ca = c + matrix * columns * size;
        const mean = means + matrix * DOUBLE;
        enqueue(MATRICES, code, pa, ga, ra, ca, sum, mean, slot, matrices, rows, columns, decay, eps1);
      }
    },
    (m) => {
      const [ra, ca] = [r + m * rows * size, c + m * columns * size];
      inPieces(1, 1, () =>
        enqueue(FINISH, code, ra, ca, sums, means + m * DOUBLE, perMatrix, rows, columns, decay, eps1),
      );
    },
  );
  each((piece, at, row, matrix, matrices, height) => {
    const slot = sizes + (pieces + piece) * DOUBLE;
    const [ga, ra, ca] = [g + at * size, r + row * size, c + matrix * columns * size];
    enqueue(SIZE, code, ga, ra, ca, means + matrix * DOUBLE, slot, matrices, height, columns, eps1);
  });
  each((_piece, at, row, matrix, matrices, height) => {
    const [pa, ga, ra, ca] = [p + at * size, g + at * size, r + row * size, c + matrix * columns * size];
    const mean = means + matrix * DOUBLE;
    enqueue(
      MATRIX_STEP,
      code,
      pa,
      ga,
      ra,
      ca,
      mean,
      sizes,
      pieces,
      n,
      matrices,
      height,
      columns,
      eps1,
      eps2,
      rate,
      d,
      keep,
    );
  });
  release(scratch.storage);
}
