/** LDL^T factorization of symmetric matrices that need not be definite (Bunch-Kaufman), and systems with it. */

import { defineMultiOp, defineOp, run, runMulti } from "../../autograd/op.js";
import { INT32 } from "../../tensor/dtype.js";
import { AutogradError, DTypeError, ShapeError, show } from "../../tensor/errors.js";
import { checkOptions, type OptionNames } from "../../tensor/options.js";
import { fromTyped, toTyped } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import { expand } from "../view.js";
import {
  batchShape,
  batchSize,
  checkMatrices,
  checkSameDtype,
  checkSquare,
  eachMatrix,
  expandBatches,
  matrixSize,
  read,
  write,
} from "./core.js";
import { checkInfo, singular } from "./lu.js";

/** Bound of growth below which a pivot of one element is taken. */
const ALPHA = (1 + Math.sqrt(17)) / 8;

/**
 * Factors the lower triangle of a[n, n] in place as LAPACK's sytf2 does: D's blocks of 1 or 2 on the diagonal, L below.
 * pivots[k] is the row, from 1, that was swapped with row k; a block of 2 has the negative of it in both places.
 */
function factor(a: Float64Array, n: number, pivots: Int32Array): number {
  const at = (i: number, j: number): number => a[i * n + j] as number;
  const swap = (i: number, j: number, p: number, q: number): void => {
    const t = at(i, j);
    a[i * n + j] = at(p, q);
    a[p * n + q] = t;
  };
  let info = 0;
  for (let k = 0; k < n; ) {
    let [step, pivot] = [1, k];
    const own = Math.abs(at(k, k));
    let imax = k;
    for (let i = k + 1; i < n; i++) if (imax === k || Math.abs(at(i, k)) > Math.abs(at(imax, k))) imax = i;
    const colmax = imax === k ? 0 : Math.abs(at(imax, k));
    if (Math.max(own, colmax) === 0 || Number.isNaN(own)) {
      if (info === 0) info = k + 1;
    } else {
      if (own < ALPHA * colmax) {
        let rowmax = 0;
        for (let j = k; j < imax; j++) rowmax = Math.max(rowmax, Math.abs(at(imax, j)));
        for (let i = imax + 1; i < n; i++) rowmax = Math.max(rowmax, Math.abs(at(i, imax)));
        if (own < ALPHA * colmax * (colmax / rowmax)) {
          pivot = imax;
          if (Math.abs(at(imax, imax)) < ALPHA * rowmax) step = 2;
        }
      }
      const row = k + step - 1;
      if (pivot !== row) {
        for (let i = pivot + 1; i < n; i++) swap(i, row, i, pivot);
        for (let j = row + 1; j < pivot; j++) swap(j, row, pivot, j);
        swap(row, row, pivot, pivot);
        if (step === 2) swap(k + 1, k, pivot, k);
      }
      if (step === 1) eliminate(a, n, k);
      else eliminatePair(a, n, k);
    }
    if (step === 1) pivots[k] = pivot + 1;
    else pivots.fill(-(pivot + 1), k, k + 2);
    k += step;
  }
  return info;
}

function eliminate(a: Float64Array, n: number, k: number): void {
  const d = a[k * n + k] as number;
  for (let j = k + 1; j < n; j++) {
    const l = (a[j * n + k] as number) / d;
    for (let i = j; i < n; i++) a[i * n + j] = (a[i * n + j] as number) - (a[i * n + k] as number) * l;
  }
  for (let i = k + 1; i < n; i++) a[i * n + k] = (a[i * n + k] as number) / d;
}

function eliminatePair(a: Float64Array, n: number, k: number): void {
  const d21 = a[(k + 1) * n + k] as number;
  const d11 = (a[(k + 1) * n + k + 1] as number) / d21;
  const d22 = (a[k * n + k] as number) / d21;
  const t = 1 / (d11 * d22 - 1) / d21;
  for (let j = k + 2; j < n; j++) {
    const [x, y] = [a[j * n + k] as number, a[j * n + k + 1] as number];
    const [wk, wk1] = [t * (d11 * x - y), t * (d22 * y - x)];
    for (let i = j; i < n; i++) {
      a[i * n + j] =
        (a[i * n + j] as number) - (a[i * n + k] as number) * wk - (a[i * n + k + 1] as number) * wk1;
    }
    a[j * n + k] = wk;
    a[j * n + k + 1] = wk1;
  }
}

const ldlOp = defineMultiOp({
  name: "LdlFactor",
  nonDifferentiable: [1, 2],
  forward: ([x]) => {
    const t = x as Tensor;
    const [n, count] = [t.shape.at(-1) as number, batchSize(t)];
    const a = read(t);
    const [pivots, info] = [new Int32Array(count * n), new Int32Array(count)];
    eachMatrix(a, n * n, count, (m, i) => {
      for (let r = 0; r < n; r++) m.fill(0, r * n + r + 1, (r + 1) * n);
      info[i] = factor(m, n, pivots.subarray(i * n, (i + 1) * n));
    });
    const lead = batchShape(t);
    return [write(a, t.shape, t.code), fromTyped(pivots, [...lead, n], INT32), fromTyped(info, lead, INT32)];
  },
  backward: () => {
    throw new AutogradError(
      "[linalg.ldlFactor] has no gradient, as in PyTorch; try linalg.solve or linalg.cholesky",
    );
  },
});

/** Options of {@link ldlFactor} and {@link ldlSolve}. */
export interface LdlOptions {
  /** For real dtypes the same either way (default false). */
  hermitian?: boolean;
}

const LDL_OPTIONS: OptionNames<LdlOptions> = { hermitian: 1 };

/**
 * A = L D L^T with swaps, packed as LAPACK's sytrf does; only the lower triangle of A is read. No gradient.
 * Source: `torch.linalg.ldl_factor`.
 */
export function ldlFactor(
  A: Tensor,
  options: LdlOptions = {},
): {
  /** The unit lower factor below the diagonal, and the blocks of D on it and beside it. */
  LD: Tensor;
  /** int32: which rows were exchanged, from 1; negative for blocks of two. */
  pivots: Tensor;
} {
  checkOptions("linalg.ldlFactor", options, LDL_OPTIONS);
  const { LD, pivots } = ldlFactorEx(A, { ...options, checkErrors: true });
  return { LD, pivots };
}

const LDL_FACTOR_EX_OPTIONS: OptionNames<LdlOptions & { checkErrors?: boolean }> = {
  hermitian: 1,
  checkErrors: 1,
};

/** As {@link ldlFactor}, with the position of the first zero in D (0: none). Source: `torch.linalg.ldl_factor_ex`. */
export function ldlFactorEx(
  A: Tensor,
  options: LdlOptions & { checkErrors?: boolean } = {},
): {
  /** The unit lower factor below the diagonal, and the blocks of D on it and beside it. */
  LD: Tensor;
  /** int32: which rows were exchanged, from 1; negative for blocks of two. */
  pivots: Tensor;
  /** int32: 0, or the position (from 1) of the first zero on the diagonal of D. */
  info: Tensor;
} {
  checkOptions("linalg.ldlFactorEx", options, LDL_FACTOR_EX_OPTIONS);
  checkSquare("linalg.ldlFactor", A);
  const [LD, pivots, info] = runMulti(ldlOp, [A], null) as [Tensor, Tensor, Tensor];
  if (options.checkErrors === true) checkInfo("linalg.ldlFactor", A, info, singular);
  return { LD, pivots, info };
}

/** b[n, m] becomes A^-1 b (LAPACK's sytrs, lower). */
function solvePacked(a: Float64Array, pivots: Int32Array, b: Float64Array, n: number, m: number): void {
  const l = (i: number, j: number): number => a[i * n + j] as number;
  const swap = (i: number, j: number): void => {
    if (i === j) return;
    for (let c = 0; c < m; c++) {
      const t = b[i * m + c] as number;
      b[i * m + c] = b[j * m + c] as number;
      b[j * m + c] = t;
    }
  };
  /** Row `to` -= factor * row `from`. */
  const subtract = (to: number, from: number, factor: number): void => {
    for (let c = 0; c < m; c++)
      b[to * m + c] = (b[to * m + c] as number) - factor * (b[from * m + c] as number);
  };
  for (let k = 0; k < n; ) {
    const p = pivots[k] as number;
    if (p > 0) {
      swap(k, p - 1);
      for (let i = k + 1; i < n; i++) subtract(i, k, l(i, k));
      for (let c = 0; c < m; c++) b[k * m + c] = (b[k * m + c] as number) / l(k, k);
      k++;
      continue;
    }
    swap(k + 1, -p - 1);
    for (let i = k + 2; i < n; i++) {
      subtract(i, k, l(i, k));
      subtract(i, k + 1, l(i, k + 1));
    }
    const e = l(k + 1, k);
    const [d1, d2] = [l(k, k) / e, l(k + 1, k + 1) / e];
    const det = d1 * d2 - 1;
    for (let c = 0; c < m; c++) {
      const [x, y] = [(b[k * m + c] as number) / e, (b[(k + 1) * m + c] as number) / e];
      b[k * m + c] = (d2 * x - y) / det;
      b[(k + 1) * m + c] = (d1 * y - x) / det;
    }
    k += 2;
  }
  for (let k = n - 1; k >= 0; ) {
    const p = pivots[k] as number;
    for (let i = k + 1; i < n; i++) subtract(k, i, l(i, k));
    if (p > 0) {
      swap(k, p - 1);
      k--;
      continue;
    }
    for (let i = k + 1; i < n; i++) subtract(k - 1, i, l(i, k - 1));
    swap(k, -p - 1);
    k -= 2;
  }
}

const ldlSolveOp = defineOp({
  name: "LdlSolve",
  saves: [1, 2],
  forward: ([b, ld, pivots]) => {
    const [n, m] = matrixSize(b as Tensor);
    const [x, factors] = [read(b as Tensor), read(ld as Tensor)];
    const swaps = toTyped(pivots as Tensor) as Int32Array;
    eachMatrix(x, n * m, batchSize(b as Tensor), (matrix, i) => {
      solvePacked(
        factors.subarray(i * n * n, (i + 1) * n * n),
        swaps.subarray(i * n, (i + 1) * n),
        matrix,
        n,
        m,
      );
    });
    return write(x, (b as Tensor).shape, (b as Tensor).code);
  },
  backward: (g, n) => [solveWith(n.input(1), n.input(2), g)], // A is symmetric
});

function solveWith(ld: Tensor, pivots: Tensor, b: Tensor): Tensor {
  return run(ldlSolveOp, [b, ld, pivots], null);
}

/** X with A X = B, from the result of {@link ldlFactor}; the gradient is that of B. Source: `torch.linalg.ldl_solve`. */
export function ldlSolve(LD: Tensor, pivots: Tensor, B: Tensor, _options: LdlOptions = {}): Tensor {
  checkOptions("linalg.ldlSolve", _options, LDL_OPTIONS);
  const op = "linalg.ldlSolve";
  checkSquare(op, LD);
  checkMatrices(op, B);
  checkSameDtype(op, LD, B);
  const n = LD.shape.at(-1) as number;
  if (pivots.code !== INT32)
    throw new DTypeError(`[${op}] pivots must be int32, as ldlFactor returns them, got ${pivots.dtype}`);
  if (n !== B.shape.at(-2))
    throw new ShapeError(
      `[${op}] LD of shape ${show(LD.shape)} does not fit B of shape ${show(B.shape)}: expected as many rows`,
    );
  const [ld, b] = expandBatches(op, LD.detach(), B);
  return solveWith(ld, expand(pivots, [...batchShape(ld), n]), b);
}
