// Variance and mean of [outer, red, inner] over red, accumulated in float64.
import { lanes2, load2 } from "./wide";

/** (sum d, sum d^2) of one channel's slices, d = x - shift: to s[0] and q[0]. */
// @ts-ignore: decorator
@inline
function sumSlices<T>(
  x: usize, shift: f64, N: i32, C: i32, S: i32, s: usize, q: usize,
): void {
  const size = sizeof<T>();
  const jump = (<usize>C - 1) * <usize>S * size;
  const m = f64x2.splat(shift);
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  let q0 = s0, q1 = s0, q2 = s0, q3 = s0;
  let sum: f64 = 0;
  let product: f64 = 0;
  for (let n = 0; n < N; n++, x += jump) {
    let i = 0;
    for (; i + 8 <= S; i += 8, x += 8 * size) {
      const d0 = f64x2.sub(load2<T>(x), m);
      const d1 = f64x2.sub(load2<T>(x + 2 * size), m);
      const d2 = f64x2.sub(load2<T>(x + 4 * size), m);
      const d3 = f64x2.sub(load2<T>(x + 6 * size), m);
      s0 = f64x2.add(s0, d0);
      s1 = f64x2.add(s1, d1);
      s2 = f64x2.add(s2, d2);
      s3 = f64x2.add(s3, d3);
      q0 = f64x2.add(q0, f64x2.mul(d0, d0));
      q1 = f64x2.add(q1, f64x2.mul(d1, d1));
      q2 = f64x2.add(q2, f64x2.mul(d2, d2));
      q3 = f64x2.add(q3, f64x2.mul(d3, d3));
    }
    for (; i + 2 <= S; i += 2, x += 2 * size) {
      const d = f64x2.sub(load2<T>(x), m);
      s0 = f64x2.add(s0, d);
      q0 = f64x2.add(q0, f64x2.mul(d, d));
    }
    if (i < S) {
      const d = <f64>load<T>(x) - shift;
      sum += d;
      product += d * d;
      x += size;
    }
  }
  store<f64>(s, sum + lanes2(f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3))));
  store<f64>(q, product + lanes2(f64x2.add(f64x2.add(q0, q1), f64x2.add(q2, q3))));
}

/** The same sums where S = 1: two channels (side by side in memory) down the rows. */
// @ts-ignore: decorator
@inline
function sumColumns2<T>(x: usize, m: v128, N: i32, C: i32, s: usize, q: usize): void {
  const step = <usize>C * sizeof<T>();
  let sum = f64x2.splat(0);
  let product = sum;
  for (let n = 0; n < N; n++, x += step) {
    const d = f64x2.sub(load2<T>(x), m);
    sum = f64x2.add(sum, d);
    product = f64x2.add(product, f64x2.mul(d, d));
  }
  v128.store(s, sum);
  v128.store(q, product);
}

/** Eight channels down the rows. */
// @ts-ignore: decorator
@inline
function sumColumns8<T>(x: usize, m: usize, N: i32, C: i32, s: usize, q: usize): void {
  const size = sizeof<T>();
  const step = <usize>C * size;
  const m0 = v128.load(m), m1 = v128.load(m, 16), m2 = v128.load(m, 32), m3 = v128.load(m, 48);
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  let q0 = s0, q1 = s0, q2 = s0, q3 = s0;
  for (let n = 0; n < N; n++, x += step) {
    const d0 = f64x2.sub(load2<T>(x), m0);
    const d1 = f64x2.sub(load2<T>(x + 2 * size), m1);
    const d2 = f64x2.sub(load2<T>(x + 4 * size), m2);
    const d3 = f64x2.sub(load2<T>(x + 6 * size), m3);
    s0 = f64x2.add(s0, d0);
    s1 = f64x2.add(s1, d1);
    s2 = f64x2.add(s2, d2);
    s3 = f64x2.add(s3, d3);
    q0 = f64x2.add(q0, f64x2.mul(d0, d0));
    q1 = f64x2.add(q1, f64x2.mul(d1, d1));
    q2 = f64x2.add(q2, f64x2.mul(d2, d2));
    q3 = f64x2.add(q3, f64x2.mul(d3, d3));
  }
  v128.store(s, s0);
  v128.store(s, s1, 16);
  v128.store(s, s2, 32);
  v128.store(s, s3, 48);
  v128.store(q, q0);
  v128.store(q, q1, 16);
  v128.store(q, q2, 32);
  v128.store(q, q3, 48);
}

/** Sums of channels [c0, c1) about shift[C]. */
// @ts-ignore: decorator
@inline
function sums<T>(
  x: usize, shift: usize, s: usize, q: usize, N: i32, C: i32, S: i32, c0: i32, c1: i32,
): void {
  let c = c0;
  const plane = <usize>S * sizeof<T>();
  if (S == 1) {
    for (; c + 8 <= c1; c += 8) {
      const o = <usize>c * plane;
      const b = <usize>c << 3;
      sumColumns8<T>(x + o, shift + b, N, C, s + b, q + b);
    }
    for (; c + 2 <= c1; c += 2) {
      const o = <usize>c * plane;
      const b = <usize>c << 3;
      sumColumns2<T>(x + o, v128.load(shift + b), N, C, s + b, q + b);
    }
  }
  for (; c < c1; c++) {
    const o = <usize>c * plane;
    const b = <usize>c << 3;
    sumSlices<T>(x + o, load<f64>(shift + b), N, C, S, s + b, q + b);
  }
}

/**
 * mean[c] and m2[c] = sum (x - mean)^2. The sums are taken about the channel's first element: a member of the
 * sample is never further from the mean than sqrt(m2), so float32 data keeps 53 - log2(count) bits in one
 * pass, and a constant channel gives exactly (x, 0). float64 takes a second pass about that mean.
 */
function statistics<T>(x: usize, mean: usize, m2: usize, N: i32, C: i32, S: i32, c0: i32, c1: i32): void {
  const count = <f64>N * <f64>S;
  const plane = <usize>S * sizeof<T>();
  if (count == 0) {
    const bytes = <usize>(c1 - c0) << 3;
    memory.fill(mean + (<usize>c0 << 3), 0, bytes);
    memory.fill(m2 + (<usize>c0 << 3), 0, bytes);
    return;
  }
  for (let c = c0; c < c1; c++) store<f64>(mean + (<usize>c << 3), <f64>load<T>(x + <usize>c * plane));
  sums<T>(x, mean, mean, m2, N, C, S, c0, c1);
  for (let c = c0; c < c1; c++) {
    const m = mean + (<usize>c << 3);
    const q = m2 + (<usize>c << 3);
    const s = load<f64>(m);
    store<f64>(m, <f64>load<T>(x + <usize>c * plane) + s / count);
    store<f64>(q, max<f64>(0, load<f64>(q) - (s * s) / count));
  }
  if (sizeof<T>() == 8) sums<T>(x, mean, m2, m2, N, C, S, c0, c1);
}

/** Variance m2 / max(0, red - correction) and mean of [outer, red, inner]; columns [c0, c1) of inner. */
// @ts-ignore: decorator
@inline
function varMean<T>(
  x: usize, variance: usize, mean: usize, scratch: usize, outer: i32, red: i32, inner: i32, correction: f64,
  c0: i32, c1: i32,
): void {
  const rows = inner == 1;
  const C = rows ? outer : inner;
  const blocks = rows ? 1 : outer;
  const from = rows ? 0 : c0;
  const to = rows ? outer : c1;
  const m2 = scratch + (<usize>C << 3);
  const divisor = max<f64>(0, <f64>red - correction);
  for (let o: usize = 0; o < <usize>blocks; o++) {
    const p = x + o * <usize>red * <usize>inner * sizeof<T>();
    if (rows) statistics<T>(p, scratch, m2, 1, C, red, from, to);
    else statistics<T>(p, scratch, m2, red, C, 1, from, to);
    for (let c = from; c < to; c++) {
      const i = (o * C + c) * sizeof<T>();
      const b = <usize>c << 3;
      if (variance != 0) store<T>(variance + i, <T>(load<f64>(m2 + b) / divisor));
      if (mean != 0) store<T>(mean + i, red == 0 ? <T>NaN : <T>load<f64>(scratch + b));
    }
  }
}

/** variance or mean may be null; scratch holds 2 * max(outer, inner) doubles; inner = 1 ignores [c0, c1). */
export function varMean_f32(
  x: usize, variance: usize, mean: usize, scratch: usize, outer: i32, red: i32, inner: i32, correction: f64,
  c0: i32, c1: i32,
): void {
  varMean<f32>(x, variance, mean, scratch, outer, red, inner, correction, c0, c1);
}

/** variance or mean may be null; scratch holds 2 * max(outer, inner) doubles; inner = 1 ignores [c0, c1). */
export function varMean_f64(
  x: usize, variance: usize, mean: usize, scratch: usize, outer: i32, red: i32, inner: i32, correction: f64,
  c0: i32, c1: i32,
): void {
  varMean<f64>(x, variance, mean, scratch, outer, red, inner, correction, c0, c1);
}
