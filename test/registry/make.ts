/** Deterministic inputs for samples. */
import { type DType, type Tensor, tensor } from "../../src/index.js";

/** How the values of {@link make} are chosen. */
export interface MakeOptions {
  /** Smallest value (default -2). */
  low?: number;
  /** Largest value (default 2). */
  high?: number;
  dtype?: DType;
  requiresGrad?: boolean;
  /** Changes the values; give the operands of one call different seeds. */
  seed?: number;
  /** Whole values. */
  whole?: boolean;
}

function sequence(seed: number): () => number {
  let s = (seed * 0x9e3779b1 + 12345) >>> 0;
  return () => {
    s = (Math.imul(s ^ (s >>> 15), 0x2c1b3c6d) + 0x297a2d39) >>> 0;
    s = (s ^ (s >>> 12)) >>> 0;
    return s / 2 ** 32;
  };
}

function nest(values: readonly number[], shape: readonly number[]): number | (number | object)[] {
  if (shape.length === 0) return values[0] as number;
  const [first, ...rest] = shape as [number, ...number[]];
  const step = values.length / (first || 1);
  return Array.from({ length: first }, (_, i) =>
    nest(values.slice(i * step, (i + 1) * step), rest),
  ) as object[];
}

/**
 * A tensor of distinct values spread over [low, high], in scrambled order: no ties, so that maxima, sorts and kinks
 * are away from the points where derivatives jump (values are also never whole unless asked for).
 */
export function make(shape: readonly number[], options: MakeOptions = {}): Tensor {
  const { low = -2, high = 2, seed = 1, whole = false } = options;
  const dtype = options.dtype ?? (whole ? "int64" : "float64");
  const n = shape.reduce((a, b) => a * b, 1);
  const next = sequence(seed);
  const order = Array.from({ length: n }, (_, i) => [next(), i] as const).sort((a, b) => a[0] - b[0]);
  const values = new Array<number>(n);
  order.forEach(([, i], rank) => {
    const spread = low + ((high - low) * (rank + 0.3 + 0.4 * next())) / n;
    values[i] = whole ? Math.floor(spread) : spread;
  });
  const floating = dtype === "float32" || dtype === "float64";
  const requiresGrad = options.requiresGrad ?? floating;
  if (n === 0)
    return tensor(new Float64Array(0)).to(dtype).reshape(shape).clone().requiresGrad_(requiresGrad);
  return tensor(nest(values, shape) as number[], { dtype, requiresGrad });
}

/** Indices from 0 to size - 1. */
export function indices(shape: readonly number[], size: number, seed = 5): Tensor {
  return make(shape, { low: 0, high: size - 1e-9, whole: true, seed });
}

/** A bool tensor with about as many true as false. */
export function mask(shape: readonly number[], seed = 3): Tensor {
  return make(shape, { seed, requiresGrad: false }).gt(0);
}
