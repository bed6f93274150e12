// biome-ignore-all lint/suspicious/noTsIgnore: an error where fast-check is missing, none where it is installed
/**
 * Arbitraries for property-based tests with fast-check: shapes, broadcastable shapes, values away from kinks, distinct
 * values, tensors of any layout. fast-check is handed in, so that this door loads where it is not installed.
 */
import { stack } from "../ops/join.js";
import { permute, select } from "../ops/view.js";
import { type TensorData, tensor } from "../tensor/create.js";
import type { DType } from "../tensor/dtype.js";
import { ValueError } from "../tensor/errors.js";
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * The fast-check module, `import fc from "fast-check"`.
 * @ts-ignore: without fast-check installed it is `any`, and no error. */
export type FastCheck = typeof import("fast-check").default;

/**
 * fast-check's generator of values.
 * @ts-ignore: without fast-check installed it is `any`, and no error. */
export type Arbitrary<T> = import("fast-check").Arbitrary<T>;

/** Which shapes. */
export interface ShapeOptions {
  /** Fewest dimensions (default 0). */
  minDims?: number;
  /** Most dimensions (default 4). */
  maxDims?: number;
  /** Smallest size of a dimension (default 1; 0 for empty tensors as well). */
  minSize?: number;
  /** Largest size of a dimension (default 5). */
  maxSize?: number;
}

/** Which numbers. */
export interface ValueOptions {
  /** Smallest value (default -2). */
  min?: number;
  /** Largest value (default 2). */
  max?: number;
  /** Points to stay away from, such as where a derivative jumps (default none). */
  kinks?: readonly number[];
  /** How far to stay away from them (default 0.05). */
  distance?: number;
}

/** Which tensors. */
export interface TensorOptions extends ValueOptions, ShapeOptions {
  /** The shape, or where it comes from (default: {@link Arbitraries.shape} with these options). */
  shape?: Shape | Arbitrary<number[]>;
  /** Element type (default float64). Values of other dtypes are whole. */
  dtype?: DType;
  /** Whether gradients are computed (default false). */
  requiresGrad?: boolean;
  /** All elements differ, by more than rounding (default false). */
  distinct?: boolean;
  /** "contiguous" (default), or "any": transposed storages and storages with gaps too. */
  layout?: "contiguous" | "any";
}

/** What {@link arbitraries} gives. */
export interface Arbitraries {
  /** Shapes. */
  shape(options?: ShapeOptions): Arbitrary<number[]>;
  /** Several shapes (default two) that broadcast with one another. */
  broadcastableShapes(options?: ShapeOptions & { count?: number }): Arbitrary<number[][]>;
  /** Numbers away from kinks; they shrink towards `min`. */
  value(options?: ValueOptions): Arbitrary<number>;
  /** Tensors. */
  tensor(options?: TensorOptions): Arbitrary<Tensor>;
  /** Two tensors whose shapes broadcast with one another. */
  broadcastableTensors(options?: Omit<TensorOptions, "shape"> & { count?: 2 }): Arbitrary<[Tensor, Tensor]>;
  /** Several tensors whose shapes broadcast with one another. */
  broadcastableTensors(options?: Omit<TensorOptions, "shape"> & { count?: number }): Arbitrary<Tensor[]>;
  /** Dimensions of a tensor with `ndim` of them, in any order: each once, counted from either end. */
  permutation(ndim: number): Arbitrary<number[]>;
}

/** Steps from the smallest to the largest value. */
const STEPS = 10_000;

/** Moves a value off the kinks, to the nearer side that is inside the range. */
function awayFrom(v: number, { min = -2, max = 2, kinks = [], distance = 0.05 }: ValueOptions): number {
  let at = v;
  for (const kink of kinks) {
    if (Math.abs(at - kink) >= distance) continue;
    const up = at >= kink;
    const side = up ? kink + distance : kink - distance;
    at = side >= min && side <= max ? side : up ? kink - distance : kink + distance;
  }
  return at;
}

function wholeNumbers(min: number, max: number): number[] {
  const first = Math.ceil(min);
  return Array.from({ length: Math.max(0, Math.floor(max) - first + 1) }, (_, i) => first + i);
}

/** At least `n` different numbers, evenly spread over the range, none near a kink. */
function gridOf(n: number, { min = -2, max = 2, kinks = [], distance = 0.05 }: ValueOptions): number[] {
  let points: number[] = [];
  for (let m = 4 * n + 2; points.length < n && m < 1e6; m *= 2) {
    points = Array.from({ length: m }, (_, i) => min + ((max - min) * i) / (m - 1)).filter((v) =>
      kinks.every((kink) => Math.abs(v - kink) >= distance),
    );
  }
  return points;
}

function nested(values: readonly number[], shape: Shape): TensorData {
  if (shape.length === 0) return values[0] as number;
  const [first, ...rest] = shape as [number, ...number[]];
  const size = values.length / (first || 1);
  return Array.from({ length: first }, (_, i) => nested(values.slice(i * size, (i + 1) * size), rest));
}

/** How a tensor lies in memory: the order of its dimensions there, and whether there are gaps. */
interface Layout {
  readonly order: readonly number[];
  readonly gaps: boolean;
}

function laidOut(values: readonly number[], shape: Shape, options: TensorOptions, layout: Layout): Tensor {
  const { dtype = "float64", requiresGrad = false } = options;
  const plain = tensor(nested(values, shape), { dtype }).reshape([...shape]);
  const turned = permute(plain, layout.order);
  const stored = layout.gaps ? select(stack([turned, turned], -1), -1, 1) : turned.contiguous();
  const inverse = layout.order.map((_, d) => layout.order.indexOf(d));
  return permute(stored, inverse).detach().requiresGrad_(requiresGrad);
}

/**
 * Arbitraries of tensors and what they are made of, for the user's own fast-check.
 * @param fc the fast-check module.
 * @example
 * import fc from "fast-check";
 * const any = arbitraries(fc);
 * fc.assert(
 *   fc.property(any.broadcastableTensors(), ([a, b]) => {
 *     assertClose(a.add(b), b.add(a));
 *   }),
 * );
 * fc.assert(
 *   fc.property(any.tensor({ kinks: [0], requiresGrad: true, maxSize: 3, maxDims: 2 }), (x) => {
 *     gradcheck((t) => t.relu(), [x]);
 *   }),
 *   { numRuns: 10 },
 * );
 */
export function arbitraries(fc: FastCheck): Arbitraries {
  const shape = ({ minDims = 0, maxDims = 4, minSize = 1, maxSize = 5 }: ShapeOptions = {}) =>
    fc.array(fc.integer({ min: minSize, max: maxSize }), { minLength: minDims, maxLength: maxDims });

  const value = (options: ValueOptions = {}) => {
    const { min = -2, max = 2 } = options;
    if (!(min <= max)) throw new ValueError(`[arbitraries] expected min <= max, got ${min} and ${max}`);
    return fc
      .integer({ min: 0, max: STEPS })
      .map((k: number) => awayFrom(min + ((max - min) * k) / STEPS, options));
  };

  const values = (n: number, options: TensorOptions): Arbitrary<number[]> => {
    const { min = -2, max = 2, dtype = "float64", distinct = false } = options;
    const whole = dtype !== "float64" && dtype !== "float32";
    if (!distinct) {
      const one = whole ? fc.integer({ min: Math.ceil(min), max: Math.floor(max) }) : value(options);
      return fc.array(one, { minLength: n, maxLength: n });
    }
    const places = whole ? wholeNumbers(min, max) : gridOf(n, options);
    if (places.length < n) {
      throw new ValueError(`[arbitraries] ${n} distinct ${dtype} values do not fit from ${min} to ${max}`);
    }
    return fc
      .uniqueArray(fc.integer({ min: 0, max: places.length - 1 }), { minLength: n, maxLength: n })
      .map((ks: number[]) => ks.map((k) => places[k] as number));
  };

  const permutation = (ndim: number) =>
    fc
      .tuple(
        fc.shuffledSubarray(
          Array.from({ length: ndim }, (_, d) => d),
          { minLength: ndim, maxLength: ndim },
        ),
        fc.array(fc.boolean(), { minLength: ndim, maxLength: ndim }),
      )
      .map(([order, back]: [number[], boolean[]]) => order.map((d, i) => (back[i] === true ? d - ndim : d)));

  const layout = (ndim: number, options: TensorOptions): Arbitrary<Layout> => {
    const order = Array.from({ length: ndim }, (_, d) => d);
    if (options.layout !== "any" || ndim === 0) return fc.constant({ order, gaps: false });
    return fc.record({
      order: fc.shuffledSubarray(order, { minLength: ndim, maxLength: ndim }),
      gaps: fc.boolean(),
    });
  };

  const ofShape = (size: number[], options: TensorOptions): Arbitrary<Tensor> => {
    const n = size.reduce((a, b) => a * b, 1);
    return fc
      .tuple(values(n, options), layout(size.length, options))
      .map(([v, l]: [number[], Layout]) => laidOut(v, size, options, l));
  };

  const tensorOf = (options: TensorOptions = {}): Arbitrary<Tensor> => {
    const size = options.shape ?? shape(options);
    return Array.isArray(size)
      ? ofShape([...(size as readonly number[])], options)
      : (size as Arbitrary<number[]>).chain((s: number[]) => ofShape(s, options));
  };

  const broadcastableShapes = (options: ShapeOptions & { count?: number } = {}): Arbitrary<number[][]> => {
    const { count = 2, minDims = 0 } = options;
    return shape(options).chain((whole: number[]) => {
      const part = fc
        .tuple(
          fc.integer({ min: Math.min(minDims, whole.length), max: whole.length }),
          fc.array(fc.boolean(), { minLength: whole.length, maxLength: whole.length }),
        )
        .map(([ndim, ones]: [number, boolean[]]) =>
          whole.map((n, d) => (ones[d] === true ? 1 : n)).slice(whole.length - ndim),
        );
      return fc.array(part, { minLength: count, maxLength: count });
    });
  };

  const broadcastableTensors = (options: Omit<TensorOptions, "shape"> & { count?: number } = {}) =>
    broadcastableShapes(options).chain((shapes: number[][]) =>
      fc.tuple(...shapes.map((s) => ofShape(s, options))).map((list: Tensor[]) => list as [Tensor, Tensor]),
    );

  return { shape, broadcastableShapes, value, tensor: tensorOf, broadcastableTensors, permutation };
}
