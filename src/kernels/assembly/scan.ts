// Running sums, products, extremes, log-sum-exp along the middle of a contiguous [outer, dim, inner] block;
// float sums and products run in float64. `stride` as in reduce.ts. In place works.
import { exp, log1p } from "./real";
import { load2, store2 } from "./wide";

type P = usize;
type I = i32;

const SUM = 0;
const PRODUCT = 1;
const LOG_SUM_EXP = 2;
const LARGEST = 0;
const SMALLEST = 1;

/** log(exp a + exp b). */
// @ts-ignore: decorator
@inline
function logAddExp(a: f64, b: f64): f64 {
  if (a == b && abs(a) == Infinity) return a;
  const top = max<f64>(a, b);
  return top + log1p(exp(min<f64>(a, b) - top));
}

// @ts-ignore: decorator
@inline
function join<A>(op: i32, a: A, x: A): A {
  if (op == PRODUCT) return <A>(a * x);
  if (op == LOG_SUM_EXP) return <A>logAddExp(<f64>a, <f64>x);
  return <A>(a + x);
}

/** One column, A the accumulator. */
// @ts-ignore: decorator
@inline
function column<T, A>(op: i32, x: P, out: P, n: I, step: P): void {
  let a: A = op == PRODUCT ? <A>1 : <A>0;
  if (isFloat<A>() && op == LOG_SUM_EXP) a = <A>-Infinity;
  for (let i = 0; i < n; i++, x += step, out += step) {
    a = join<A>(op, a, <A>load<T>(x));
    store<T>(out, <T>a);
  }
}

// @ts-ignore: decorator
@inline
function columns2<T>(op: i32, x: P, out: P, n: I, step: P): void {
  let a = f64x2.splat(op == PRODUCT ? 1 : 0);
  for (let i = 0; i < n; i++, x += step, out += step) {
    const v = load2<T>(x);
    a = op == PRODUCT ? f64x2.mul(a, v) : f64x2.add(a, v);
    store2<T>(out, a);
  }
}

// @ts-ignore: decorator
@inline
function scan<T, A>(op: i32, x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  const step = <P>(stride == 0 ? inner : stride) * sizeof<T>();
  for (let o = 0; o < outer; o++, x += <P>dim * step, out += <P>dim * step) {
    let j = 0;
    if (isFloat<T>() && op != LOG_SUM_EXP) {
      for (; j + 2 <= inner; j += 2) {
        columns2<T>(op, x + <P>j * sizeof<T>(), out + <P>j * sizeof<T>(), dim, step);
      }
    }
    for (; j < inner; j++) {
      column<T, A>(op, x + <P>j * sizeof<T>(), out + <P>j * sizeof<T>(), dim, step);
    }
  }
}

/** The latest of equals holds the running extreme, and the latest NaN after the first, as in PyTorch. */
// @ts-ignore: decorator
@inline
function extremes<T>(
  op: i32, x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  const row = <P>(stride == 0 ? inner : stride);
  const step = row * sizeof<T>();
  for (let o = 0; o < outer; o++) {
    for (let j: P = 0; j < <P>inner; j++) {
      let p = j * sizeof<T>();
      let q = j << 3;
      if (dim == 0) continue;
      let best = load<T>(x + p);
      let k: i64 = 0;
      for (let i = 0; i < dim; i++, p += step, q += row << 3) {
        const v = load<T>(x + p);
        if ((isFloat<T>() && v != v) || (op == LARGEST ? v >= best : v <= best)) {
          best = v;
          k = <i64>i;
        }
        store<T>(values + p, best);
        store<i64>(index + q, k);
      }
    }
    x += <P>dim * step;
    values += <P>dim * step;
    index += (<P>dim * row) << 3;
  }
}

export function cumsum_f32(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  scan<f32, f64>(SUM, x, out, outer, dim, inner, stride);
}
export function cumsum_f64(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  scan<f64, f64>(SUM, x, out, outer, dim, inner, stride);
}
export function cumsum_i32(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  scan<i32, i32>(SUM, x, out, outer, dim, inner, stride);
}
export function cumsum_i64(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  scan<i64, i64>(SUM, x, out, outer, dim, inner, stride);
}

export function cumprod_f32(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  scan<f32, f64>(PRODUCT, x, out, outer, dim, inner, stride);
}
export function cumprod_f64(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  scan<f64, f64>(PRODUCT, x, out, outer, dim, inner, stride);
}
export function cumprod_i32(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  scan<i32, i32>(PRODUCT, x, out, outer, dim, inner, stride);
}
export function cumprod_i64(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  scan<i64, i64>(PRODUCT, x, out, outer, dim, inner, stride);
}

export function logcumsumexp_f32(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  scan<f32, f64>(LOG_SUM_EXP, x, out, outer, dim, inner, stride);
}
export function logcumsumexp_f64(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  scan<f64, f64>(LOG_SUM_EXP, x, out, outer, dim, inner, stride);
}

export function cummax_f32(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  extremes<f32>(LARGEST, x, values, index, outer, dim, inner, stride);
}
export function cummax_f64(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  extremes<f64>(LARGEST, x, values, index, outer, dim, inner, stride);
}
export function cummax_i32(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  extremes<i32>(LARGEST, x, values, index, outer, dim, inner, stride);
}
export function cummax_i64(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  extremes<i64>(LARGEST, x, values, index, outer, dim, inner, stride);
}
export function cummax_u8(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  extremes<u8>(LARGEST, x, values, index, outer, dim, inner, stride);
}

export function cummin_f32(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  extremes<f32>(SMALLEST, x, values, index, outer, dim, inner, stride);
}
export function cummin_f64(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  extremes<f64>(SMALLEST, x, values, index, outer, dim, inner, stride);
}
export function cummin_i32(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  extremes<i32>(SMALLEST, x, values, index, outer, dim, inner, stride);
}
export function cummin_i64(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  extremes<i64>(SMALLEST, x, values, index, outer, dim, inner, stride);
}
export function cummin_u8(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  extremes<u8>(SMALLEST, x, values, index, outer, dim, inner, stride);
}
