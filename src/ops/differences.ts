/** Differences between neighbours, numerical gradients, integrals by the trapezoidal rule. */

import { BOOL, UINT8 } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { full } from "../tensor/raw.js";
import { wrapDim, wrapDims } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { add, div, mul, neg, sub } from "./arithmetic.js";
import { cast, clone } from "./cast.js";
import { ne } from "./compare.js";
import { floating, promote } from "./core.js";
import { cat } from "./join.js";
import { cumsum } from "./scan.js";
import { sum } from "./sum.js";
import { narrow, reshape } from "./view.js";

/** Options of {@link diff}. */
export interface DiffOptions {
  /** How often to take differences (default 1). */
  n?: number;
  /** Dimension (default the last). */
  dim?: number;
  /** Put before x first. */
  prepend?: Tensor | null;
  /** Put after x first. */
  append?: Tensor | null;
}

const DIFF_OPTIONS: OptionNames<DiffOptions> = { n: 1, dim: 1, prepend: 1, append: 1 };

/**
 * Differences x[i + 1] - x[i] along a dimension, `n` times. Source: `torch.diff`.
 * @example
 * diff(tensor([1, 4, 9, 16])).toArray(); // [3, 5, 7]
 */
export function diff(x: Tensor, n?: number | DiffOptions, options?: DiffOptions): Tensor {
  checkNames("diff", n, DIFF_OPTIONS);
  checkOptions("diff", options, DIFF_OPTIONS);
  const o = typeof n === "object" ? n : { ...options, ...(n === undefined ? {} : { n }) };
  const times = o.n ?? 1;
  if (x.shape.length === 0) throw new ShapeError("[diff] expected at least one dimension, got a 0-d tensor");
  if (!Number.isInteger(times) || times < 0)
    throw new ValueError(`[diff] n ${times}: expected a whole number, 0 or above`);
  const dim = wrapDim("diff", o.dim ?? -1, x.shape.length);
  if (times === 0) return clone(x); // as in PyTorch, with nothing put before or after
  const parts = [o.prepend ?? null, x, o.append ?? null].filter((t) => t !== null);
  let out = parts.length === 1 ? x : cat(parts, dim);
  for (let i = 0; i < times && (out.shape[dim] as number) > 0; i++) {
    const left = (out.shape[dim] as number) - 1;
    const [a, b] = [narrow(out, dim, 1, left), narrow(out, dim, 0, left)];
    out = out.code === BOOL ? ne(a, b) : sub(a, b);
  }
  return out;
}

/** Options of {@link trapezoid} and {@link cumulativeTrapezoid}. */
export interface TrapezoidOptions {
  /** Positions: one for each element along the dimension, or a tensor that broadcasts to y. */
  x?: Tensor | null;
  /** Distance of neighbours where there are no positions (default 1). */
  dx?: number;
  /** Dimension to integrate over (default the last). */
  dim?: number;
}

const TRAPEZOID_OPTIONS: OptionNames<TrapezoidOptions> = { x: 1, dx: 1, dim: 1 };

/** The areas between neighbours, twice: widths times sums of heights. */
function areas(
  op: string,
  y: Tensor,
  x: Tensor | TrapezoidOptions | null | undefined,
  options: TrapezoidOptions | undefined,
): [Tensor, number] {
  if (!(x instanceof Tensor)) checkNames(op, x, TRAPEZOID_OPTIONS);
  checkOptions(op, options, TRAPEZOID_OPTIONS);
  const o = x instanceof Tensor ? { ...options, x } : (x ?? options ?? {});
  if (y.shape.length === 0) throw new ShapeError(`[${op}] expected at least one dimension, got a 0-d tensor`);
  const dim = wrapDim(op, o.dim ?? -1, y.shape.length);
  for (const t of [y, o.x ?? y]) {
    if (t.code === BOOL) throw new DTypeError(`[${op}] not defined for bool; try .to("float32")`);
  }
  const size = y.shape[dim] as number;
  if (size < 2) return [cast(narrow(y, dim, 0, 0), promote(y, o.x ?? y)), dim];
  const heights = add(narrow(y, dim, 0, size - 1), narrow(y, dim, 1, size - 1));
  const at = o.x ?? null;
  if (at === null) return [(o.dx ?? 1) === 1 ? heights : mul(heights, o.dx ?? 1), dim];
  if (at.shape.length === 1 && at.shape[0] !== size) {
    throw new ShapeError(
      `[${op}] ${at.shape[0]} positions for ${size} values along dimension ${dim}: expected as many`,
    );
  }
  const lead = y.shape.length - at.shape.length;
  const shape =
    at.shape.length === 1
      ? y.shape.map((_, d) => (d === dim ? size : 1))
      : [...new Array<number>(Math.max(0, lead)).fill(1), ...at.shape];
  const positions = reshape(at, shape);
  const own = positions.shape[dim] as number;
  const widths = sub(narrow(positions, dim, 1, own - 1), narrow(positions, dim, 0, own - 1));
  return [mul(widths, heights), dim];
}

/** Integral of y over a dimension by the trapezoidal rule. Source: `torch.trapezoid`. */
export function trapezoid(
  y: Tensor,
  x?: Tensor | TrapezoidOptions | null,
  options?: TrapezoidOptions,
): Tensor {
  const [doubled, dim] = areas("trapezoid", y, x, options);
  return div(sum(doubled, dim), 2);
}

/** Same as {@link trapezoid}. Source: `torch.trapz`. */
export const trapz: typeof trapezoid = trapezoid;

/** Integral up to each element but the first. Source: `torch.cumulative_trapezoid`. */
export function cumulativeTrapezoid(
  y: Tensor,
  x?: Tensor | TrapezoidOptions | null,
  options?: TrapezoidOptions,
): Tensor {
  const [doubled, dim] = areas("cumulativeTrapezoid", y, x, options);
  return div(cumsum(doubled, dim), 2);
}

/** Options of {@link gradient}. */
export interface GradientOptions {
  /** Distance of neighbours: one for all dimensions, one for each, or positions (a vector for each); default 1. */
  spacing?: number | readonly (number | Tensor)[] | Tensor | null;
  /** Dimension(s) to derive along (default all). */
  dim?: number | readonly number[] | null;
  /** Order of the formula at the two ends: 1 (default) or 2. */
  edgeOrder?: number;
}

const GRADIENT_OPTIONS: OptionNames<GradientOptions> = { spacing: 1, dim: 1, edgeOrder: 1 };

/** x[i] for i in [from, from + count) along a dimension. */
type Part = (from: number, count: number) => Tensor;

/** Estimates of the derivative along one dimension from steps h[i] = x[i + 1] - x[i] (a tensor) or one step. */
function derivative(x: Tensor, dim: number, step: number | Tensor, edgeOrder: number): Tensor {
  const size = x.shape[dim] as number;
  const f: Part = (from, count) => narrow(x, dim, from, count);
  const along = x.shape.map((_, d) => (d === dim ? -1 : 1));
  const steps =
    step instanceof Tensor ? sub(narrow(step, 0, 1, size - 1), narrow(step, 0, 0, size - 1)) : null;
  const h = (from: number, count: number) =>
    steps === null ? full([], step as number, x.code) : reshape(narrow(steps, 0, from, count), along);
  const inner = size - 2;
  const [h1, h2] = [h(0, inner), h(1, inner)];
  const both = add(h1, h2);
  const middle = add(
    add(mul(f(0, inner), div(neg(h2), mul(h1, both))), mul(f(1, inner), div(sub(h2, h1), mul(h1, h2)))),
    mul(f(2, inner), div(h1, mul(h2, both))),
  );
  if (edgeOrder === 1) {
    const first = div(sub(f(1, 1), f(0, 1)), h(0, 1));
    const last = div(sub(f(size - 1, 1), f(size - 2, 1)), h(size - 2, 1));
    return cat([first, middle, last], dim);
  }
  /** Derivative at the end of three points that are p and q apart, counted from that end. */
  const edge = (a: Tensor, b: Tensor, c: Tensor, p: Tensor, q: Tensor) => {
    const pq = add(p, q);
    const outerTerm = mul(a, div(neg(add(pq, p)), mul(p, pq)));
    return sub(add(outerTerm, mul(b, div(pq, mul(p, q)))), mul(c, div(p, mul(q, pq))));
  };
  const first = edge(f(0, 1), f(1, 1), f(2, 1), h(0, 1), h(1, 1));
  const last = neg(edge(f(size - 1, 1), f(size - 2, 1), f(size - 3, 1), h(size - 2, 1), h(size - 3, 1)));
  return cat([first, middle, last], dim);
}

/**
 * Estimates the derivatives of values on a grid along each dimension, by central differences, one-sided at the ends:
 * a tensor for each dimension. Source: `torch.gradient`.
 * @example
 * gradient(tensor([1, 4, 9, 16], { dtype: "float32" }))[0].toArray(); // [3, 4, 6, 7]
 * @throws ShapeError when a dimension has fewer than edgeOrder + 1 values.
 * @throws DTypeError for uint8 and bool, as PyTorch.
 */
export function gradient(x: Tensor, options: GradientOptions = {}): Tensor[] {
  checkOptions("gradient", options, GRADIENT_OPTIONS);
  const { spacing = 1, dim = null, edgeOrder = 1 } = options;
  if (x.code === UINT8 || x.code === BOOL)
    throw new DTypeError(`[gradient] not defined for ${x.dtype}; try x.to("float32")`);
  if (edgeOrder !== 1 && edgeOrder !== 2)
    throw new ValueError(`[gradient] edgeOrder ${edgeOrder}: expected 1 or 2`);
  const dims =
    dim === null
      ? wrapDims("gradient", null, x.shape.length)
      : [dim].flat().map((d) => wrapDim("gradient", d, x.shape.length));
  const twice = dims.find((d, i) => dims.indexOf(d) !== i);
  if (twice !== undefined) throw new ShapeError(`[gradient] dimension ${twice} is there more than once`);
  const steps: readonly (number | Tensor)[] = Array.isArray(spacing)
    ? (spacing as readonly (number | Tensor)[])
    : dims.map(() => (spacing as number | Tensor | null) ?? 1);
  if (steps.length !== dims.length) {
    throw new ValueError(
      `[gradient] ${steps.length} spacings for ${dims.length} dimensions: expected as many`,
    );
  }
  const values = floating(x);
  return dims.map((d, i) => {
    if ((x.shape[d] as number) < edgeOrder + 1) {
      throw new ShapeError(
        `[gradient] dimension ${d} of shape ${show(x.shape)} is too short: expected at least ${edgeOrder + 1}`,
      );
    }
    const step = steps[i] as number | Tensor;
    if (step instanceof Tensor && (step.shape.length !== 1 || step.shape[0] !== x.shape[d])) {
      throw new ShapeError(
        `[gradient] positions of shape ${show(step.shape)}: expected [${x.shape[d]}] for dimension ${d}`,
      );
    }
    return derivative(values, d, step, edgeOrder);
  });
}
