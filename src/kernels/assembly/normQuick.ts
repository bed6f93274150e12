// Sums u and u d of float32 slices, d = x - shift, at three times the speed of pure float64: differences and
// products are float32, eight elements of each of sixteen lanes are summed in float32, and only these short sums go
// into float64. About a shift within three deviations of the mean that costs the mean at most 2^-19 deviations (ten
// roundings of 2^-24, of elements that are three deviations large), and much less on average. What does not fit
// (overflow, underflow, a shift far away) shows in the sums: the caller takes them again.
import { fma } from "./simd";
import { upper } from "./wide";

/** Switches, as type arguments: passed as values they survive to run time in code of this size. */
export type On = i32;
export type Off = i64;

// @ts-ignore: decorator
@inline
function on<F>(): bool {
  return sizeof<F>() == 4;
}

/** [a0+a2, a1+a3, b0+b2, b1+b3]: both sums in one vector. */
// @ts-ignore: decorator
@inline
export function pair(a: v128, b: v128): v128 {
  return f32x4.add(v128.shuffle<f32>(a, b, 0, 1, 4, 5), v128.shuffle<f32>(a, b, 2, 3, 6, 7));
}

// @ts-ignore: decorator
@inline
export function sum4(a: v128, b: v128, c: v128, d: v128): v128 {
  return f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
}

// @ts-ignore: decorator
@inline
export function dot4(u: v128, d: v128, v: v128, e: v128, w: v128, f: v128, z: v128, h: v128): v128 {
  return sum4(f32x4.mul(u, d), f32x4.mul(v, e), f32x4.mul(w, f), f32x4.mul(z, h));
}

/** x - shift, or x itself where there is no shift. */
// @ts-ignore: decorator
@inline
function away<Shifted>(x: v128, shift: v128): v128 {
  return on<Shifted>() ? f32x4.sub(x, shift) : x;
}

/** Elements that are summed in float32, sixteen side by side, before they go into float64. */
const BLOCK: i32 = 128;

/** Adds the sums of n elements to the pairs of doubles at s and q; u is g, or d with Own. */
// @ts-ignore: decorator
@inline
export function quickSlice<Own, Shifted>(x: usize, g: usize, shift: f32, n: i32, s: usize, q: usize): void {
  const m = f32x4.splat(shift);
  let sums = v128.load(s);
  let products = v128.load(q);
  let i = 0;
  while (i + 16 <= n) {
    const end = min(i + BLOCK, n & -16);
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
    let q0 = s0, q1 = s0, q2 = s0, q3 = s0;
    for (; i < end; i += 16, x += 64, g += 64) {
      const d0 = away<Shifted>(v128.load(x), m);
      const d1 = away<Shifted>(v128.load(x, 16), m);
      const d2 = away<Shifted>(v128.load(x, 32), m);
      const d3 = away<Shifted>(v128.load(x, 48), m);
      const u0 = on<Own>() ? d0 : v128.load(g);
      const u1 = on<Own>() ? d1 : v128.load(g, 16);
      const u2 = on<Own>() ? d2 : v128.load(g, 32);
      const u3 = on<Own>() ? d3 : v128.load(g, 48);
      s0 = f32x4.add(s0, u0);
      s1 = f32x4.add(s1, u1);
      s2 = f32x4.add(s2, u2);
      s3 = f32x4.add(s3, u3);
      q0 = fma<f32>(u0, d0, q0);
      q1 = fma<f32>(u1, d1, q1);
      q2 = fma<f32>(u2, d2, q2);
      q3 = fma<f32>(u3, d3, q3);
    }
    const both = pair(sum4(s0, s1, s2, s3), sum4(q0, q1, q2, q3));
    sums = f64x2.add(sums, f64x2.promote_low_f32x4(both));
    products = f64x2.add(products, f64x2.promote_low_f32x4(upper(both)));
  }
  for (; i + 4 <= n; i += 4, x += 16, g += 16) {
    const d = away<Shifted>(v128.load(x), m);
    const u = on<Own>() ? d : v128.load(g);
    const both = pair(u, f32x4.mul(u, d));
    sums = f64x2.add(sums, f64x2.promote_low_f32x4(both));
    products = f64x2.add(products, f64x2.promote_low_f32x4(upper(both)));
  }
  const m1 = f32x4.replace_lane(f32x4.splat(0), 0, shift);
  for (; i < n; i++, x += 4, g += 4) {
    const d = away<Shifted>(v128.load32_zero(x), m1);
    const u = on<Own>() ? d : v128.load32_zero(g);
    sums = f64x2.add(sums, f64x2.promote_low_f32x4(u));
    products = f64x2.add(products, f64x2.promote_low_f32x4(f32x4.mul(u, d)));
  }
  v128.store(s, sums);
  v128.store(q, products);
}

/** Rows that are added at a time, from as many parts of the batch: each a stream of its own in memory. */
const STREAMS: i32 = 4;
/** Groups of such rows whose sums are float32 before they go into float64. */
const GROUPS: i32 = 4;

/** Channels [c0, c1) as float32, from doubles. */
// @ts-ignore: decorator
@inline
function narrow(from: usize, to: usize, c0: i32, c1: i32): void {
  for (let c = c0; c < c1; c++) store<f32>(to + (<usize>c << 2), <f32>load<f64>(from + (<usize>c << 3)));
}

/** Adds float32 sums of channels [c0, c1) to the doubles. */
// @ts-ignore: decorator
@inline
function flush(from: usize, to: usize, c0: i32, c1: i32): void {
  let c = c0;
  for (; c + 4 <= c1; c += 4) {
    const v = v128.load(from + (<usize>c << 2));
    const p = to + (<usize>c << 3);
    v128.store(p, f64x2.add(v128.load(p), f64x2.promote_low_f32x4(v)));
    v128.store(p, f64x2.add(v128.load(p, 16), f64x2.promote_low_f32x4(upper(v))), 16);
  }
  for (; c < c1; c++) {
    const p = to + (<usize>c << 3);
    store<f64>(p, load<f64>(p) + <f64>load<f32>(from + (<usize>c << 2)));
  }
}

/** x - shift of one vector of channels. */
// @ts-ignore: decorator
@inline
function rowLanes<Shifted>(x: usize, m: usize): v128 {
  return on<Shifted>() ? f32x4.sub(v128.load(x), v128.load(m)) : v128.load(x);
}

/** Adds one vector of channels of four rows, `apart` bytes from each other, or starts with it (First). */
// @ts-ignore: decorator
@inline
function addLanes<Own, Shifted, First>(x: usize, g: usize, apart: usize, m: usize, s: usize, q: usize): void {
  const x1 = x + apart;
  const x2 = x1 + apart;
  const g1 = g + apart;
  const g2 = g1 + apart;
  const d0 = rowLanes<Shifted>(x, m);
  const d1 = rowLanes<Shifted>(x1, m);
  const d2 = rowLanes<Shifted>(x2, m);
  const d3 = rowLanes<Shifted>(x2 + apart, m);
  const u0 = on<Own>() ? d0 : v128.load(g);
  const u1 = on<Own>() ? d1 : v128.load(g1);
  const u2 = on<Own>() ? d2 : v128.load(g2);
  const u3 = on<Own>() ? d3 : v128.load(g2 + apart);
  const sum = sum4(u0, u1, u2, u3);
  const product = dot4(u0, d0, u1, d1, u2, d2, u3, d3);
  v128.store(s, on<First>() ? sum : f32x4.add(v128.load(s), sum));
  v128.store(q, on<First>() ? product : f32x4.add(v128.load(q), product));
}

/** Adds the channels [c, c1) of one row to the float32 sums, or starts with them. */
// @ts-ignore: decorator
@inline
function addOnes<Own, Shifted, First>(x: usize, g: usize, m: usize, s: usize, q: usize, c: i32, c1: i32): void {
  for (let o = <usize>c << 2; c < c1; c++, o += 4) {
    const d = on<Shifted>() ? load<f32>(x + o) - load<f32>(m + o) : load<f32>(x + o);
    const u = on<Own>() ? d : load<f32>(g + o);
    const product = u * d;
    store<f32>(s + o, on<First>() ? u : load<f32>(s + o) + u);
    store<f32>(q + o, on<First>() ? product : load<f32>(q + o) + product);
  }
}

/** Adds four rows to the float32 sums, or starts with them. */
// @ts-ignore: decorator
@inline
function addRows<Own, Shifted, First>(
  x: usize, g: usize, apart: usize, m: usize, s: usize, q: usize, c0: i32, c1: i32,
): void {
  let o = <usize>c0 << 2;
  let c = c0;
  for (; c + 4 <= c1; c += 4, o += 16) addLanes<Own, Shifted, First>(x + o, g + o, apart, m + o, s + o, q + o);
  addOnes<Own, Shifted, First>(x, g, m, s, q, c, c1);
  for (let r: usize = 1; r < <usize>STREAMS; r++) {
    addOnes<Own, Shifted, Off>(x + r * apart, g + r * apart, m, s, q, c, c1);
  }
}

/**
 * Adds the sums of channels [c0, c1), side by side in N rows, to the doubles [C] at s and q. `scratch` holds 3 C
 * floats.
 */
// @ts-ignore: decorator
@inline
export function quickRows<Own, Shifted>(
  x: usize, g: usize, shifts: usize, scratch: usize, N: i32, C: i32, s: usize, q: usize, c0: i32, c1: i32,
): void {
  const row = <usize>C << 2;
  const m = scratch;
  const s4 = scratch + row;
  const q4 = s4 + row;
  if (on<Shifted>()) narrow(shifts, m, c0, c1);
  const part = N / STREAMS;
  const apart = <usize>part * row;
  for (let n = 0; n < part; n += GROUPS) {
    const end = min(n + GROUPS, part);
    addRows<Own, Shifted, On>(x + <usize>n * row, g + <usize>n * row, apart, m, s4, q4, c0, c1);
    for (let i = n + 1; i < end; i++) {
      addRows<Own, Shifted, Off>(x + <usize>i * row, g + <usize>i * row, apart, m, s4, q4, c0, c1);
    }
    flush(s4, s, c0, c1);
    flush(q4, q, c0, c1);
  }
  for (let n = STREAMS * part; n < N; n++) {
    addOnes<Own, Shifted, On>(x + <usize>n * row, g + <usize>n * row, m, s4, q4, c0, c1);
    flush(s4, s, c0, c1);
    flush(q4, q, c0, c1);
  }
}

/** Whether a float32 sum of products neither overflowed nor lost its terms below the range of float32. */
// @ts-ignore: decorator
@inline
export function fits(sum: f64, product: f64): bool {
  const size = Math.abs(product);
  return (size > 1e-30 && size < Infinity && sum - sum == 0) || (product == 0 && sum == 0);
}
