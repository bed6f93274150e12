/** Products of many matrices, powers and the exponential: matrixPower, matrixExp, multiDot, chainMatmul. */
import { defineOp, run } from "../../autograd/op.js";
import { BOOL } from "../../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../../tensor/errors.js";
import { full } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import { add } from "../arithmetic.js";
import { clone } from "../cast.js";
import { cat } from "../join.js";
import { matmul } from "../matmul.js";
import { narrow, squeeze, transpose, unsqueeze } from "../view.js";
import { maskedFill } from "../where.js";
import { batchSize, checkSquare, eachMatrix, identity, multiply, read, write } from "./core.js";
import { inv } from "./solve.js";

/**
 * The n-th power of square matrices, by repeated squaring; negative n takes the inverse, which
 * integers do not have. Source: `torch.linalg.matrix_power`.
 * @example
 * linalg.matrixPower(tensor([[1, 1], [0, 1]], { dtype: "float32" }), 3).toArray(); // [[1, 3], [0, 1]]
 * @throws LinAlgError for negative n when a matrix is singular.
 */
export function matrixPower(A: Tensor, n: number): Tensor {
  checkSquare("linalg.matrixPower", A, n >= 0 && A.code !== BOOL);
  if (!Number.isInteger(n)) throw new ValueError(`[linalg.matrixPower] n must be a whole number, got ${n}`);
  // A stays in the graph, with the gradient 0.
  if (n === 0) return add(maskedFill(A, full([], true, BOOL), 0), identity(A.shape.at(-1) as number, A.code));
  let square = n < 0 ? inv(A) : A;
  let result: Tensor | null = null;
  for (let left = Math.abs(n); left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = result === null ? square : matmul(result, square);
    if (left > 1) square = matmul(square, square);
  }
  return n === 1 ? clone(A) : (result as Tensor);
}

/** Terms of the series, enough for a matrix of norm 1/2 in float64. */
const TERMS = 20;

/** exp(a) by its series for a / 2^s, squared s times. */
function exponential(a: Float64Array, n: number): Float64Array {
  let norm = 0;
  for (let j = 0; j < n; j++) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += Math.abs(a[i * n + j] as number);
    norm = Math.max(norm, sum);
  }
  if (!Number.isFinite(norm)) return new Float64Array(n * n).fill(Number.NaN);
  const squarings = norm > 0.5 ? Math.ceil(Math.log2(norm / 0.5)) : 0;
  const x = a.map((v) => v / 2 ** squarings);
  // Horner in x^4, with cubics as coefficients (Paterson and Stockmeyer): 7 products for 20 terms.
  const x2 = multiply(x, x, n, n, n);
  const powers = [x, x2, multiply(x2, x, n, n, n)];
  const x4 = multiply(x2, x2, n, n, n);
  let out: Float64Array = new Float64Array(n * n);
  for (let k = TERMS - 4; k >= 0; k -= 4) {
    if (k < TERMS - 4) out = multiply(x4, out, n, n, n);
    let term = 1;
    for (let i = 2; i <= k; i++) term /= i;
    for (let i = 0; i < n; i++) out[i * n + i] = (out[i * n + i] as number) + term;
    powers.forEach((power, p) => {
      term /= k + p + 1;
      for (let i = 0; i < n * n; i++) out[i] = (out[i] as number) + term * (power[i] as number);
    });
  }
  for (let s = 0; s < squarings; s++) out = multiply(out, out, n, n, n);
  return out;
}

const expOp = defineOp({
  name: "MatrixExp",
  saves: true,
  forward: ([x]) => {
    const t = x as Tensor;
    const n = t.shape.at(-1) as number;
    const a = read(t);
    eachMatrix(a, n * n, batchSize(t), (m) => m.set(exponential(m, n)));
    return write(a, t.shape, t.code);
  },
  // exp of [[A^T, g], [0, A^T]] has the derivative's transpose in direction g in its upper right corner
  backward: (g, node) => {
    const at = transpose(node.input(0), -2, -1);
    const n = g.shape.at(-1) as number;
    const block = cat([cat([at, g], -1), cat([full(g.shape, 0, g.code), at], -1)], -2);
    return [narrow(narrow(matrixExp(block), -2, 0, n), -1, n, n)];
  },
});

/** The exponential of square matrices: I + A + A^2 / 2 + ... Source: `torch.linalg.matrix_exp`. */
export function matrixExp(A: Tensor): Tensor {
  checkSquare("linalg.matrixExp", A);
  return run(expOp, [A], null);
}

/** Where to cut a chain of matrices of the given sizes so that the number of multiplications is smallest. */
function cuts(sizes: readonly number[]): number[][] {
  const n = sizes.length - 1;
  const cost = Array.from({ length: n }, () => new Array<number>(n).fill(0));
  const cut = Array.from({ length: n }, () => new Array<number>(n).fill(0));
  for (let span = 1; span < n; span++) {
    for (let i = 0; i + span < n; i++) {
      const j = i + span;
      let best = Number.POSITIVE_INFINITY;
      for (let k = i; k < j; k++) {
        const price =
          ((cost[i] as number[])[k] as number) +
          ((cost[k + 1] as number[])[j] as number) +
          (sizes[i] as number) * (sizes[k + 1] as number) * (sizes[j + 1] as number);
        if (price < best) {
          best = price;
          (cut[i] as number[])[j] = k;
        }
      }
      (cost[i] as number[])[j] = best;
    }
  }
  return cut;
}

/**
 * The product of two or more matrices in the cheapest order; the first may be a row vector, the last a column vector.
 * Source: `torch.linalg.multi_dot`.
 */
export function multiDot(tensors: readonly Tensor[]): Tensor {
  const op = "linalg.multiDot";
  if (tensors.length < 2) throw new ValueError(`[${op}] expected at least 2 matrices, got ${tensors.length}`);
  const last = tensors.length - 1;
  const [row, column] = [tensors[0]?.shape.length === 1, tensors[last]?.shape.length === 1];
  const chain = tensors.map((t, i) => {
    if (i === 0 && row) return unsqueeze(t, 0);
    if (i === last && column) return unsqueeze(t, 1);
    if (t.shape.length !== 2)
      throw new ShapeError(`[${op}] expected matrices, got shape ${show(t.shape)} at position ${i}`);
    return t;
  });
  const sizes = [...chain.map((t) => t.shape[0] as number), (chain[last] as Tensor).shape[1] as number];
  const cut = cuts(sizes);
  const product = (i: number, j: number): Tensor => {
    if (i === j) return chain[i] as Tensor;
    const k = (cut[i] as number[])[j] as number;
    return matmul(product(i, k), product(k + 1, j));
  };
  let out = product(0, last);
  if (column) out = squeeze(out, 1);
  return row ? squeeze(out, 0) : out;
}

/** The product of matrices in the cheapest order; one is returned as it is. Source: `torch.chain_matmul`. */
export function chainMatmul(matrices: readonly Tensor[]): Tensor {
  const odd = matrices.find((t) => t.shape.length !== 2);
  if (odd !== undefined)
    throw new ShapeError(`[chainMatmul] expected matrices, got shape ${show(odd.shape)}`);
  return matrices.length === 1 ? (matrices[0] as Tensor) : multiDot(matrices);
}
