// Reductions of a contiguous [outer, red, inner] block to [outer, inner]; `stride` (elements between reduced
// rows, 0 for inner) lets threads share the columns of one outer block. Float sums run in float64.
import { lanes2, load2, settle, twoSumError, twoSumError2 } from "./wide";

const SUM = 0;
const SQUARES = 1;
const ABSOLUTE = 2;
const PRODUCT = 3;

// @ts-ignore: decorator
@inline
function term2(op: i32, v: v128): v128 {
  if (op == SQUARES) return f64x2.mul(v, v);
  if (op == ABSOLUTE) return f64x2.abs(v);
  return v;
}

// @ts-ignore: decorator
@inline
function term1(op: i32, v: f64): f64 {
  if (op == SQUARES) return v * v;
  if (op == ABSOLUTE) return Math.abs(v);
  return v;
}

// @ts-ignore: decorator
@inline
function join2(op: i32, a: v128, b: v128): v128 {
  return op == PRODUCT ? f64x2.mul(a, b) : f64x2.add(a, b);
}

// @ts-ignore: decorator
@inline
function join1(op: i32, a: f64, b: f64): f64 {
  return op == PRODUCT ? a * b : a + b;
}

/** One run of contiguous elements, eight lanes. */
// @ts-ignore: decorator
@inline
function runOf<T>(op: i32, p: usize, n: i32): f64 {
  const size = sizeof<T>();
  const unit: f64 = op == PRODUCT ? 1 : 0;
  let a = f64x2.splat(unit);
  let b = a;
  let c = a;
  let d = a;
  let i = 0;
  for (; i + 8 <= n; i += 8, p += 8 * size) {
    a = join2(op, a, term2(op, load2<T>(p)));
    b = join2(op, b, term2(op, load2<T>(p + 2 * size)));
    c = join2(op, c, term2(op, load2<T>(p + 4 * size)));
    d = join2(op, d, term2(op, load2<T>(p + 6 * size)));
  }
  for (; i + 2 <= n; i += 2, p += 2 * size) a = join2(op, a, term2(op, load2<T>(p)));
  const v = join2(op, join2(op, a, b), join2(op, c, d));
  let r = join1(op, f64x2.extract_lane(v, 0), f64x2.extract_lane(v, 1));
  if (i < n) r = join1(op, r, term1(op, <f64>load<T>(p)));
  return r;
}

/** float64: runs of 256 joined with their rounding errors; float32 has digits to spare and runs straight. */
// @ts-ignore: decorator
@inline
function row<T>(op: i32, p: usize, n: i32): f64 {
  if (sizeof<T>() == 4 || op == PRODUCT) return runOf<T>(op, p, n);
  let s: f64 = 0;
  let c: f64 = 0;
  for (let i = 0; i < n; i += 256) {
    const x = runOf<T>(op, p + (<usize>i << 3), min(256, n - i));
    const t = s + x;
    c += twoSumError(s, x, t);
    s = t;
  }
  return settle(s, c);
}

/** Columns j..j+1 over n rows. */
// @ts-ignore: decorator
@inline
function column2<T>(op: i32, p: usize, n: i32, step: usize): v128 {
  let s = f64x2.splat(op == PRODUCT ? 1 : 0);
  if (sizeof<T>() == 4 || op == PRODUCT) {
    for (let i = 0; i < n; i++, p += step) s = join2(op, s, term2(op, load2<T>(p)));
    return s;
  }
  let c = f64x2.splat(0);
  for (let i = 0; i < n; i++, p += step) {
    const x = term2(op, load2<T>(p));
    const t = f64x2.add(s, x);
    c = f64x2.add(c, twoSumError2(s, x, t));
    s = t;
  }
  return f64x2.replace_lane(
    f64x2.splat(settle(f64x2.extract_lane(s, 0), f64x2.extract_lane(c, 0))),
    1,
    settle(f64x2.extract_lane(s, 1), f64x2.extract_lane(c, 1)),
  );
}

// @ts-ignore: decorator
@inline
function column1<T>(op: i32, p: usize, n: i32, step: usize): f64 {
  let s: f64 = op == PRODUCT ? 1 : 0;
  let c: f64 = 0;
  for (let i = 0; i < n; i++, p += step) {
    const x = term1(op, <f64>load<T>(p));
    const t = join1(op, s, x);
    if (sizeof<T>() == 8 && op != PRODUCT) c += twoSumError(s, x, t);
    s = t;
  }
  return settle(s, c);
}

/** Sixteen float32 columns at once: whole cache lines, one double accumulator per column. */
// @ts-ignore: decorator
@inline
function columns16<O>(op: i32, p: usize, out: usize, n: i32, step: usize, scale: f64): void {
  let a0 = f64x2.splat(op == PRODUCT ? 1 : 0);
  let a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
  for (let i = 0; i < n; i++, p += step) {
    a0 = join2(op, a0, term2(op, load2<f32>(p)));
    a1 = join2(op, a1, term2(op, load2<f32>(p + 8)));
    a2 = join2(op, a2, term2(op, load2<f32>(p + 16)));
    a3 = join2(op, a3, term2(op, load2<f32>(p + 24)));
    a4 = join2(op, a4, term2(op, load2<f32>(p + 32)));
    a5 = join2(op, a5, term2(op, load2<f32>(p + 40)));
    a6 = join2(op, a6, term2(op, load2<f32>(p + 48)));
    a7 = join2(op, a7, term2(op, load2<f32>(p + 56)));
  }
  const size = 2 * sizeof<O>();
  put2<O>(out, a0, scale);
  put2<O>(out + size, a1, scale);
  put2<O>(out + 2 * size, a2, scale);
  put2<O>(out + 3 * size, a3, scale);
  put2<O>(out + 4 * size, a4, scale);
  put2<O>(out + 5 * size, a5, scale);
  put2<O>(out + 6 * size, a6, scale);
  put2<O>(out + 7 * size, a7, scale);
}

// @ts-ignore: decorator
@inline
function put2<O>(out: usize, v: v128, scale: f64): void {
  store<O>(out, <O>(f64x2.extract_lane(v, 0) / scale));
  store<O>(out + sizeof<O>(), <O>(f64x2.extract_lane(v, 1) / scale));
}

/** One outer block: [red, inner] with `step` bytes between rows, results divided by `scale`. */
// @ts-ignore: decorator
@inline
function block<T, O>(op: i32, x: usize, out: usize, red: i32, inner: i32, step: usize, scale: f64): void {
  const size = sizeof<T>();
  let j = 0;
  if (inner == 1 && step == size) {
    store<O>(out, <O>(row<T>(op, x, red) / scale));
    return;
  }
  if (sizeof<T>() == 4) {
    for (; j + 16 <= inner; j += 16, x += 16 * size, out += 16 * sizeof<O>()) {
      columns16<O>(op, x, out, red, step, scale);
    }
  }
  for (; j + 2 <= inner; j += 2, x += 2 * size, out += 2 * sizeof<O>()) {
    put2<O>(out, column2<T>(op, x, red, step), scale);
  }
  if (j < inner) store<O>(out, <O>(column1<T>(op, x, red, step) / scale));
}

// @ts-ignore: decorator
@inline
function reduce<T>(
  op: i32, x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32, scale: f64,
): void {
  const step = <usize>(stride == 0 ? inner : stride) * sizeof<T>();
  for (let o = 0; o < outer; o++) {
    block<T, T>(op, x, out, red, inner, step, scale);
    x += <usize>red * step;
    out += <usize>inner * sizeof<T>();
  }
}

/** partials[k, inner] for chunks k of `chunk` rows: the chunk size, not the thread count, fixes the bits. */
// @ts-ignore: decorator
@inline
function chunks<T>(
  op: i32, x: usize, partials: usize, red: i32, inner: i32, chunk: i32, first: i32, count: i32,
): void {
  const step = <usize>inner * sizeof<T>();
  for (let k = first; k < first + count; k++) {
    const from = k * chunk;
    const p = x + <usize>from * step;
    block<T, f64>(op, p, partials + ((<usize>k * inner) << 3), min(chunk, red - from), inner, step, 1);
  }
}

export function sum_f32(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<f32>(SUM, x, out, outer, red, inner, stride, 1);
}
export function sum_f64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<f64>(SUM, x, out, outer, red, inner, stride, 1);
}
export function mean_f32(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<f32>(SUM, x, out, outer, red, inner, stride, red);
}
export function mean_f64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<f64>(SUM, x, out, outer, red, inner, stride, red);
}
export function sumsq_f32(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<f32>(SQUARES, x, out, outer, red, inner, stride, 1);
}
export function sumsq_f64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<f64>(SQUARES, x, out, outer, red, inner, stride, 1);
}
export function sumabs_f32(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<f32>(ABSOLUTE, x, out, outer, red, inner, stride, 1);
}
export function sumabs_f64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<f64>(ABSOLUTE, x, out, outer, red, inner, stride, 1);
}
export function prod_f32(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<f32>(PRODUCT, x, out, outer, red, inner, stride, 1);
}
export function prod_f64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<f64>(PRODUCT, x, out, outer, red, inner, stride, 1);
}

export function sumChunks_f32(
  x: usize, partials: usize, red: i32, inner: i32, chunk: i32, first: i32, count: i32,
): void {
  chunks<f32>(SUM, x, partials, red, inner, chunk, first, count);
}
export function sumChunks_f64(
  x: usize, partials: usize, red: i32, inner: i32, chunk: i32, first: i32, count: i32,
): void {
  chunks<f64>(SUM, x, partials, red, inner, chunk, first, count);
}
export function sumsqChunks_f32(
  x: usize, partials: usize, red: i32, inner: i32, chunk: i32, first: i32, count: i32,
): void {
  chunks<f32>(SQUARES, x, partials, red, inner, chunk, first, count);
}
export function sumsqChunks_f64(
  x: usize, partials: usize, red: i32, inner: i32, chunk: i32, first: i32, count: i32,
): void {
  chunks<f64>(SQUARES, x, partials, red, inner, chunk, first, count);
}
/** out[j] = sum over chunks of partials[k, j], divided by `divisor`. */
export function combine_f32(partials: usize, out: usize, count: i32, inner: i32, divisor: f64): void {
  block<f64, f32>(SUM, partials, out, count, inner, <usize>inner << 3, divisor);
}
export function combine_f64(partials: usize, out: usize, count: i32, inner: i32, divisor: f64): void {
  block<f64, f64>(SUM, partials, out, count, inner, <usize>inner << 3, divisor);
}
