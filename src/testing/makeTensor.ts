/** makeTensor: random tensors for tests, of any dtype, range and layout. */

import { add, mul, rsub } from "../ops/arithmetic.js";
import { eq } from "../ops/compare.js";
import { stack } from "../ops/join.js";
import { select } from "../ops/view.js";
import { where } from "../ops/where.js";
import { full } from "../tensor/create.js";
import { codeOf, type DType, isFloat } from "../tensor/dtype.js";
import { ValueError } from "../tensor/errors.js";
import { finfo, iinfo } from "../tensor/info.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { type Generator, rand, randint } from "../tensor/random.js";
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";

/** Options of {@link makeTensor}. */
export interface MakeTensorOptions {
  /** Element type (default float32). */
  dtype?: DType;
  /** Smallest value (default -9; 0 for uint8). */
  low?: number | null;
  /** Largest value for floating dtypes, one more than the largest for integers (default 9; 10 for integers). */
  high?: number | null;
  /** Whether gradients are computed (default false). */
  requiresGrad?: boolean;
  /** Every other element of a larger storage (default false). */
  noncontiguous?: boolean;
  /** Put the smallest positive number (one for integers) in the place of zeros (default false). */
  excludeZero?: boolean;
  /** Where the draws come from (default: the default generator). */
  generator?: Generator | null;
}

const MAKE_TENSOR_OPTIONS: OptionNames<MakeTensorOptions> = {
  dtype: 1,
  low: 1,
  high: 1,
  requiresGrad: 1,
  noncontiguous: 1,
  excludeZero: 1,
  generator: 1,
};

function draw(shape: Shape, dtype: DType, options: MakeTensorOptions): Tensor {
  const { low, high, generator = null } = options;
  if (dtype === "bool") return randint(0, 2, shape, { dtype, generator });
  const floating = isFloat(codeOf(dtype));
  const [lowest, highest, a, b] = floating
    ? [finfo(dtype).min, finfo(dtype).max, -9, 9]
    : [Number(iinfo(dtype).min), Number(iinfo(dtype).max), dtype === "uint8" ? 0 : -9, 10];
  const from = Math.min(Math.max(low ?? a, lowest), highest);
  const to = Math.min(Math.max(high ?? b, lowest), highest);
  if (!(from <= to))
    throw new ValueError(`[makeTensor] expected low <= high, got low ${low} and high ${high}`);
  if (!floating) return randint(Math.floor(from), Math.ceil(to), shape, { dtype, generator });
  const r = rand(shape, { dtype, generator });
  return add(mul(r, to), mul(rsub(r, 1), from));
}

/**
 * A tensor of random values from `low` to `high`: PyTorch's for the same seed. Source: `torch.testing.make_tensor`.
 * @example
 * const x = makeTensor([2, 3], { dtype: "float64", low: 0.5, high: 2, requiresGrad: true });
 * x.shape; // [2, 3]
 * makeTensor([4], { noncontiguous: true }).isContiguous(); // false
 * @throws ValueError when `low` exceeds `high` or is NaN, or a gradient is wanted of a dtype that is not floating.
 */
export function makeTensor(shape: Shape, options: MakeTensorOptions = {}): Tensor {
  checkOptions("makeTensor", options, MAKE_TENSOR_OPTIONS);
  const { dtype = "float32", requiresGrad = false, noncontiguous = false, excludeZero = false } = options;
  const floating = isFloat(codeOf(dtype));
  if (requiresGrad && !floating) {
    throw new ValueError(`[makeTensor] only floating tensors can require gradients: got ${dtype}`);
  }
  let t = draw(shape, dtype, options);
  if (excludeZero) t = where(eq(t, 0), full([], floating ? finfo(dtype).tiny : 1, { dtype }), t);
  if (noncontiguous && t.numel > 1) t = select(stack([t, t], -1), -1, 0);
  return t.requiresGrad_(requiresGrad);
}
