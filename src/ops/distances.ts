/** Distances between rows, and rows of bounded length: cdist, pdist, renorm. */

import { INT64, isFloat } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkNames, type OptionNames } from "../tensor/options.js";
import { fromTyped } from "../tensor/raw.js";
import { broadcastShapes, wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul, sub } from "./arithmetic.js";
import { clampMin } from "./clamp.js";
import { eq, gt, ne } from "./compare.js";
import { needTensor } from "./core.js";
import { indexSelect } from "./gather.js";
import { matmul } from "./matmul.js";
import { pow, sqrt } from "./powers.js";
import { amax } from "./reduce.js";
import { abs } from "./sign.js";
import { vectorNorm } from "./statistics.js";
import { sum } from "./sum.js";
import { expand, transpose, unsqueeze } from "./view.js";
import { maskedFill, where } from "./where.js";

/** fn(x), with 0 and the gradient 0 where x is 0: roots and powers have no slope there. */
function zeroAtZero(x: Tensor, fn: (x: Tensor) => Tensor): Tensor {
  const zero = eq(x, 0);
  return maskedFill(fn(maskedFill(x, zero, 1)), zero, 0);
}

/** (sum |d|^p)^(1/p) over the last dimension, with the gradient 0 at 0. */
function lengths(d: Tensor, p: number): Tensor {
  if (p === 0) return sum(maskedFill(mul(d, 0), ne(d, 0), 1), -1);
  if (p === 1) return sum(abs(d), -1);
  if (p === 2) return zeroAtZero(sum(mul(d, d), -1), sqrt);
  if (p === Number.POSITIVE_INFINITY) return amax(abs(d), -1);
  const total = sum(
    zeroAtZero(abs(d), (x) => pow(x, p)),
    -1,
  );
  return zeroAtZero(total, (x) => pow(x, 1 / p));
}

function checkOrder(op: string, p: number, ...tensors: readonly Tensor[]): void {
  if (!(p >= 0)) throw new ValueError(`[${op}] p must be >= 0, got ${p}`);
  for (const x of tensors) {
    if (!isFloat(x.code))
      throw new DTypeError(`[${op}] expected a floating dtype, got ${x.dtype}; try x.to("float32")`);
  }
}

/** How {@link cdist} finds Euclidean distances. */
export type ComputeMode =
  | "use_mm_for_euclid_dist_if_necessary"
  | "use_mm_for_euclid_dist"
  | "donot_use_mm_for_euclid_dist";

/** Options of {@link cdist}. */
export interface CdistOptions {
  /** Order of the norm (default 2); Infinity and 0 (which counts) are allowed. */
  p?: number;
  /** Whether p = 2 goes through a matrix product: by default beyond 25 rows. Faster, and less exact near 0. */
  computeMode?: ComputeMode;
}

const CDIST_OPTIONS: OptionNames<CdistOptions> = { p: 1, computeMode: 1 };

/** Rows beyond which Euclidean distances go through a matrix product, as in PyTorch. */
const FEW_ROWS = 25;

/**
 * p-norm distances between all rows of (B, P, M) and (B, R, M), as (B, P, R); batches are broadcast. At distance 0
 * the gradient is 0. Source: `torch.cdist`.
 * @example
 * cdist(tensor([[0, 0]], { dtype: "float32" }), tensor([[3, 4]], { dtype: "float32" })).toArray(); // [[5]]
 */
export function cdist(x1: Tensor, x2: Tensor, options: number | CdistOptions = {}): Tensor {
  checkNames("cdist", options, CDIST_OPTIONS);
  const { p = 2, computeMode = "use_mm_for_euclid_dist_if_necessary" } =
    typeof options === "number" ? { p: options } : options;
  checkOrder("cdist", p, x1, x2);
  if (x1.shape.length < 2 || x2.shape.length < 2 || x1.shape.at(-1) !== x2.shape.at(-1)) {
    throw new ShapeError(
      `[cdist] expected (..., P, M) and (..., R, M), got shapes ${show(x1.shape)} and ${show(x2.shape)}`,
    );
  }
  const [rows, cols] = [x1.shape.at(-2) as number, x2.shape.at(-2) as number];
  if (x1.shape.at(-1) === 0) {
    const batch = broadcastShapes("cdist", x1.shape.slice(0, -2), x2.shape.slice(0, -2));
    const none = add(sum(unsqueeze(x1, -2), -1), sum(unsqueeze(x2, -3), -1));
    return expand(none, [...batch, rows, cols]);
  }
  const many = computeMode === "use_mm_for_euclid_dist" || rows > FEW_ROWS || cols > FEW_ROWS;
  if (p === 2 && many && computeMode !== "donot_use_mm_for_euclid_dist") {
    // |a - b|^2 = |a|^2 + |b|^2 - 2 a·b
    const [n1, n2] = [sum(mul(x1, x1), -1), sum(mul(x2, x2), -1)];
    const cross = matmul(x1, transpose(x2, -2, -1));
    return zeroAtZero(clampMin(sub(add(unsqueeze(n1, -1), unsqueeze(n2, -2)), mul(cross, 2)), 0), sqrt);
  }
  return lengths(sub(unsqueeze(x1, -2), unsqueeze(x2, -3)), p);
}

const PDIST_OPTIONS: OptionNames<{ p?: number }> = { p: 1 };

/**
 * p-norm distances between all pairs of rows i < j of a matrix, in order. Source: `torch.nn.functional.pdist`.
 * @example
 * pdist(tensor([[0, 0], [3, 4], [0, 1]], { dtype: "float32" })).shape; // [3]
 */
export function pdist(x: Tensor, options: number | { p?: number } = {}): Tensor {
  needTensor("pdist", x);
  checkNames("pdist", options, PDIST_OPTIONS);
  const { p = 2 } = typeof options === "number" ? { p: options } : options;
  checkOrder("pdist", p, x);
  if (x.shape.length !== 2)
    throw new ShapeError(`[pdist] expected a matrix, got shape ${show(x.shape)}; try cdist`);
  const n = x.shape[0] as number;
  const [first, second] = [new BigInt64Array((n * (n - 1)) / 2), new BigInt64Array((n * (n - 1)) / 2)];
  let k = 0;
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      first[k] = BigInt(i);
      second[k++] = BigInt(j);
    }
  }
  const pick = (at: BigInt64Array<ArrayBuffer>) => indexSelect(x, 0, fromTyped(at, [at.length], INT64));
  const d = sub(pick(first), pick(second));
  return x.shape[1] === 0 ? sum(d, -1) : lengths(d, p);
}

/**
 * The slices along `dim` with a p-norm above `maxnorm` scaled down to it; the others as they are.
 * Source: `torch.renorm`.
 * @example
 * renorm(tensor([[3, 4], [0, 1]], { dtype: "float64" }), 2, 0, 5).toArray(); // [[3, 4], [0, 1]]
 */
export function renorm(x: Tensor, p: number, dim: number, maxnorm: number): Tensor {
  if (!isFloat(x.code))
    throw new DTypeError(`[renorm] expected a floating dtype, got ${x.dtype}; try x.to("float32")`);
  if (!(p > 0)) throw new ValueError(`[renorm] p must be > 0, got ${p}`);
  if (!(maxnorm >= 0)) throw new ValueError(`[renorm] maxnorm must be >= 0, got ${maxnorm}`);
  if (x.shape.length < 2)
    throw new ShapeError(`[renorm] expected at least 2 dimensions, got shape ${show(x.shape)}`);
  const along = wrapDim("renorm", dim, x.shape.length);
  const rest = x.shape.map((_, d) => d).filter((d) => d !== along);
  const norms = vectorNorm(x, p, { dim: rest, keepdim: true });
  // PyTorch's small number against a division by 0 shows in the result.
  const factor = where(gt(norms, maxnorm), div(maxnorm, add(norms, 1e-7)), 1);
  return mul(x, factor);
}
