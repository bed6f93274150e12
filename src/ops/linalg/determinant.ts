/** Determinants: det, slogdet, logdet. */
import { defineMultiOp, defineOp, run, runMulti } from "../../autograd/op.js";
import { mem } from "../../kernels/index.js";
import { FLOAT64 } from "../../tensor/dtype.js";
import { LinAlgError } from "../../tensor/errors.js";
import { release } from "../../tensor/heap.js";
import { fillWith, full, ptr, toTyped, viewOf } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import { mul, sub } from "../arithmetic.js";
import { eq } from "../compare.js";
import { matmul } from "../matmul.js";
import { sum } from "../sum.js";
import { transpose, unsqueeze } from "../view.js";
import { where } from "../where.js";
import {
  batchShape,
  batchSize,
  checkSquare,
  eachMatrix,
  multiply,
  read,
  transposed,
  working,
  write,
} from "./core.js";
import { factorInto, solveInto } from "./lu.js";
import { decomposition } from "./singular.js";
import { inv, invEx } from "./solve.js";

/** Sign of n row swaps from `first` on. */
function parity(pivots: Int32Array, first: number, n: number): number {
  let sign = 1;
  for (let i = 0; i < n; i++) if (pivots[first + i] !== i + 1) sign = -sign;
  return sign;
}

/** Calls visit(diagonal of U, sign of the row swaps, i) for each matrix i of a batch; the diagonal is one array for all. */
function eachFactored(x: Tensor, visit: (diagonal: Float64Array, sign: number, i: number) => void): void {
  const [n, count] = matrices(x);
  const lu = working(x);
  const [pivots, info] = factorInto(lu);
  const swaps = toTyped(pivots) as Int32Array;
  const diagonal = new Float64Array(n);
  for (let i = 0; i < count; i++) {
    const first = ptr(lu) / 8 + i * n * n;
    for (let k = 0; k < n; k++) diagonal[k] = mem.f64[first + k * (n + 1)] as number;
    visit(diagonal, parity(swaps, i * n, n), i);
  }
  for (const t of [lu, pivots, info]) release(t.storage);
}

const matrices = (x: Tensor): [n: number, count: number] => [x.shape.at(-1) as number, batchSize(x)];

const detOp = defineOp({
  name: "Det",
  saves: true,
  forward: ([x]) => {
    const [, count] = matrices(x as Tensor);
    const out = new Float64Array(count);
    eachFactored(x as Tensor, (diagonal, sign, i) => {
      out[i] = diagonal.reduce((product, d) => product * d, sign);
    });
    return write(out, batchShape(x as Tensor), (x as Tensor).code);
  },
  // d det(A) = sum(cof(A) dA)
  backward: (g, n) => [n.input(0).numel === 0 ? null : mul(spread(g), cofactors(n.input(0)))],
});

const spread = (x: Tensor): Tensor => unsqueeze(unsqueeze(x, -1), -1);

/** Below this ratio of pivots the cofactors come from singular values, which stay right for singular matrices. */
const SAFE_PIVOTS = 1e-6;

/** The product of all but element i (and j). */
function productBut(s: Float64Array, i: number, j = i): number {
  let p = 1;
  for (let k = 0; k < s.length; k++) if (k !== i && k !== j) p *= s[k] as number;
  return p;
}

/** det(Q) of an orthogonal matrix. */
function signOf(q: Float64Array, n: number): number {
  let found = 1;
  eachFactored(write(q, [n, n], FLOAT64), (diagonal, sign) => {
    found = diagonal.reduce((product, d) => product * Math.sign(d), sign);
  });
  return found;
}

/** Whether factors tell the inverse well; then `a` becomes det(A) A^-T. */
function cofactorsByLU(a: Float64Array, n: number): Float64Array | null {
  const lu = write(a, [n, n], FLOAT64);
  const [pivots] = factorInto(lu);
  const factors = toTyped(lu) as Float64Array;
  let [low, high, det] = [Number.POSITIVE_INFINITY, 0, parity(toTyped(pivots) as Int32Array, 0, n)];
  for (let k = 0; k < n; k++) {
    const d = factors[k * n + k] as number;
    det *= d;
    low = Math.min(low, Math.abs(d));
    high = Math.max(high, Math.abs(d));
  }
  if (!(low > SAFE_PIVOTS * high) || !Number.isFinite(1 / det)) return null;
  const x = full([n, n], 0, FLOAT64);
  fillWith(viewOf(x, [n], [n + 1], 0), det);
  solveInto(x, lu, pivots, true);
  return toTyped(x) as Float64Array;
}

/** cof(A) = det(U) det(V) U diag(products of the other singular values) V^T, for A = U S V^T. */
function cofactorsBySVD(a: Float64Array, n: number): Float64Array {
  const { u, s, vt } = decomposition("linalg.det", a, n, n);
  const sign = signOf(u, n) * signOf(vt, n);
  for (let i = 0; i < n; i++) {
    const p = sign * productBut(s, i);
    for (let j = 0; j < n; j++) vt[i * n + j] = (vt[i * n + j] as number) * p;
  }
  return multiply(u, vt, n, n, n);
}

const cofactorsOp = defineOp({
  name: "Cofactors",
  saves: true,
  savesOutput: true,
  forward: ([x]) => {
    const [n, count] = matrices(x as Tensor);
    const a = read(x as Tensor);
    eachMatrix(a, n * n, count, (m) => m.set(cofactorsByLU(m, n) ?? cofactorsBySVD(m, n)));
    return write(a, (x as Tensor).shape, (x as Tensor).code);
  },
  backward: (g, n) => {
    const [a, c] = [n.input(0), n.output()];
    if (isSingular(a)) return [run(cofactorsSlopeOp, [a, g], null)];
    // C = det(A) X with X = A^-T: gA = sum(g C) X - X g^T C
    const x = transpose(inv(a), -2, -1);
    const along = sum(mul(g, c), { dim: [-2, -1], keepdim: true });
    return [sub(mul(along, x), matmul(matmul(x, transpose(g, -2, -1)), c))];
  },
});

function cofactors(a: Tensor): Tensor {
  return run(cofactorsOp, [a], null);
}

function isSingular(x: Tensor): boolean {
  const [n, count] = matrices(x);
  let found = false;
  eachMatrix(read(x), n * n, count, (m) => {
    found ||= cofactorsByLU(m, n) === null;
  });
  return found;
}

/**
 * The derivative of the cofactors in a direction g, which is its own transpose. For A = S diagonal it is, with P the
 * product of the other singular values: (i, i): sum over j of g[j, j] P(i, j); (i, j): -g[j, i] P(i, j).
 */
const cofactorsSlopeOp = defineOp({
  name: "CofactorsBackward",
  forward: ([x, g]) => {
    const [n, count] = matrices(x as Tensor);
    const gs = read(g as Tensor);
    eachMatrix(read(x as Tensor), n * n, count, (a, b) => {
      const { u, s, vt } = decomposition("linalg.det", a, n, n);
      const sign = signOf(u, n) * signOf(vt, n);
      const direction = gs.subarray(b * n * n, (b + 1) * n * n);
      const e = multiply(multiply(u, direction, n, n, n, true), transposed(vt, n, n), n, n, n);
      const out = new Float64Array(n * n);
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          if (i === j) continue;
          const p = sign * productBut(s, i, j);
          out[i * n + i] = (out[i * n + i] as number) + p * (e[j * n + j] as number);
          out[i * n + j] = -p * (e[j * n + i] as number);
        }
      }
      direction.set(multiply(multiply(u, out, n, n, n), vt, n, n, n));
    });
    return write(gs, (g as Tensor).shape, (g as Tensor).code);
  },
  backward: () => {
    throw new LinAlgError(
      "[linalg.det] the third derivative is not defined here for a singular matrix: expected an invertible one",
    );
  },
});

/**
 * Determinants of square matrices; the gradient exists for singular ones too. Source: `torch.linalg.det`.
 * @example
 * linalg.det(tensor([[1, 2], [3, 4]], { dtype: "float64" })).toArray(); // -2
 */
export function det(A: Tensor): Tensor {
  checkSquare("linalg.det", A);
  return run(detOp, [A], null);
}

const slogdetOp = defineMultiOp({
  name: "Slogdet",
  saves: true,
  forward: ([x]) => {
    const t = x as Tensor;
    const [, count] = matrices(t);
    const [signs, logs] = [new Float64Array(count), new Float64Array(count)];
    eachFactored(t, (diagonal, parity, i) => {
      let [sign, log] = [parity, 0];
      for (const d of diagonal) {
        sign *= Math.sign(d);
        log += Math.log(Math.abs(d));
      }
      signs[i] = sign;
      logs[i] = log;
    });
    return [write(signs, batchShape(t), t.code), write(logs, batchShape(t), t.code)];
  },
  backward: ([, g], n) => [
    g === null || g === undefined ? null : mul(spread(g), transpose(invEx(n.input(0)).inverse, -2, -1)),
  ], // A^-T, which is not finite for singular matrices
});

/** Sign and logarithm of the absolute value of determinants; 0 and -Infinity when singular. Source: `torch.linalg.slogdet`. */
export function slogdet(A: Tensor): {
  /** -1, 0 or 1. */
  sign: Tensor;
  /** ln |det A|, -Infinity for singular matrices. */
  logabsdet: Tensor;
} {
  checkSquare("linalg.slogdet", A);
  const [sign, logabsdet] = runMulti(slogdetOp, [A], null);
  return { sign: sign as Tensor, logabsdet: logabsdet as Tensor };
}

/** Logarithm of determinants: NaN (with the gradient 0) for negative ones, -Infinity for 0. Source: `torch.logdet`. */
export function logdet(A: Tensor): Tensor {
  checkSquare("logdet", A);
  const { sign, logabsdet } = slogdet(A);
  return where(eq(sign, -1), Number.NaN, logabsdet);
}
