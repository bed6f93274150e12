/** Quantiles: order statistics between which one interpolates. */

import { isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { toNumbers } from "../tensor/raw.js";
import { wrapDim } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { lerp, mul, sub } from "./arithmetic.js";
import { cast } from "./cast.js";
import { clampMin } from "./clamp.js";
import { isnan } from "./compare.js";
import { constant } from "./core.js";
import { movedim } from "./dims.js";
import { gather } from "./gather.js";
import { logicalNot } from "./logical.js";
import { ceil, floor, round } from "./rounding.js";
import { sort } from "./sort.js";
import { sum } from "./sum.js";
import { expand, narrow, reshape } from "./view.js";
import { where } from "./where.js";

/** How to take a value between two elements. */
export type Interpolation = "linear" | "lower" | "higher" | "midpoint" | "nearest";

/** Options of {@link quantile}. */
export interface QuantileOptions {
  /** Dimension to reduce; all when left out. */
  dim?: number | null;
  /** Keep the reduced dimension with size 1 (default false). */
  keepdim?: boolean;
  /** What to take between two elements (default "linear"). */
  interpolation?: Interpolation;
}

const QUANTILE_OPTIONS: OptionNames<QuantileOptions> = { dim: 1, keepdim: 1, interpolation: 1 };

const INTERPOLATIONS: readonly string[] = ["linear", "lower", "higher", "midpoint", "nearest"];
const INT64_CODE = 3;

/** The quantiles `q` [Q] of the rows of sorted values [..., n]: [..., Q]. */
function quantilesOf(sorted: Tensor, q: Tensor, ignoreNaN: boolean, interpolation: Interpolation): Tensor {
  const rank = sorted.shape.length - 1;
  const n = sorted.shape[rank] as number;
  const shape = [...sorted.shape.slice(0, -1), q.numel];
  const last = { dim: rank, keepdim: true };
  let ranks: Tensor;
  if (ignoreNaN) {
    const count = cast(sum(logicalNot(isnan(sorted.detach())), last), sorted.code);
    ranks = expand(clampMin(mul(q, sub(count, 1)), 0), shape);
  } else {
    const broken = isnan(narrow(sorted.detach(), rank, n - 1, 1)); // NaN is sorted to the end
    ranks = where(broken, n - 1, expand(mul(q, n - 1), shape));
  }
  if (interpolation === "lower") ranks = floor(ranks);
  else if (interpolation === "higher") ranks = ceil(ranks);
  else if (interpolation === "nearest") ranks = round(ranks);
  const below = floor(ranks);
  const at = (r: Tensor) => gather(sorted, rank, cast(r.detach(), INT64_CODE));
  if (interpolation !== "linear" && interpolation !== "midpoint") return at(below);
  const weight =
    interpolation === "midpoint" ? expand(constant(0.5, sorted.code), shape) : sub(ranks, below.detach());
  return lerp(at(below), at(ceil(ranks)), weight);
}

function quantiles(
  op: string,
  x: Tensor,
  q: number | Tensor,
  o: QuantileOptions,
  ignoreNaN: boolean,
): Tensor {
  const { keepdim = false, interpolation = "linear" } = o;
  if (!INTERPOLATIONS.includes(interpolation)) {
    throw new ValueError(
      `[${op}] interpolation ${JSON.stringify(interpolation)}: expected one of ${INTERPOLATIONS.join(", ")}`,
    );
  }
  if (!isFloat(x.code))
    throw new DTypeError(`[${op}] expected a floating dtype, got ${nameOf(x.code)}; try x.to("float32")`);
  if (x.numel === 0) throw new ShapeError(`[${op}] the input is empty: got shape ${show(x.shape)}`);
  if (q instanceof Tensor && q.code !== x.code) {
    throw new DTypeError(`[${op}] q of dtype ${nameOf(q.code)}: expected ${nameOf(x.code)}, as the input`);
  }
  if (q instanceof Tensor && q.shape.length > 1)
    throw new ShapeError(`[${op}] q must be a number or a vector, got shape ${show(q.shape)}`);
  const bad = (q instanceof Tensor ? toNumbers(q) : [q]).find((v) => !(v >= 0 && v <= 1));
  if (bad !== undefined) throw new ValueError(`[${op}] q ${bad}: expected values from 0 to 1`);
  const points = q instanceof Tensor ? reshape(q, [q.numel]) : reshape(constant(q, x.code), [1]);
  const all = o.dim === undefined || o.dim === null;
  const dim = all ? 0 : wrapDim(op, o.dim as number, x.shape.length);
  const rows = all || x.shape.length === 0 ? reshape(x, [x.numel]) : movedim(x, dim, -1);
  const found = quantilesOf(sort(rows, -1).values, points, ignoreNaN, interpolation); // [..., Q]
  const many = q instanceof Tensor && q.shape.length === 1;
  const first = many ? movedim(found, -1, 0) : reshape(found, found.shape.slice(0, -1)); // [Q, ...] or [...]
  if (!keepdim) return first;
  const kept = x.shape.map((n, d) => (all || d === dim ? 1 : n));
  return reshape(first, many ? [points.numel, ...kept] : kept);
}

/**
 * The values below which a part `q` (a number or a vector of them, in [0, 1]) of the elements lies, over all elements
 * or along a dimension. With a vector the results are along a new first dimension. NaN where there is one.
 * Source: `torch.quantile`.
 * @example
 * quantile(tensor([1, 2, 3, 4.5]), 0.5).item(); // 2.5
 * @throws ValueError for a q outside [0, 1], DTypeError, ShapeError for an empty input.
 */
export function quantile(x: Tensor, q: number | Tensor, options: QuantileOptions = {}): Tensor {
  checkOptions("quantile", options, QUANTILE_OPTIONS);
  return quantiles("quantile", x, q, options, false);
}

/** {@link quantile} of the elements that are no NaN. Source: `torch.nanquantile`. */
export function nanquantile(x: Tensor, q: number | Tensor, options: QuantileOptions = {}): Tensor {
  checkOptions("nanquantile", options, QUANTILE_OPTIONS);
  return quantiles("nanquantile", x, q, options, true);
}
