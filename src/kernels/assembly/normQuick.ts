// Sums u and u d of float32 slices, d = x - shift, at three times the speed of pure float64: differences and
// products are float32, eight neighbours are summed in float32 lanes, and only these short sums go into float64.
// About a shift within three deviations of the mean that costs the mean at most 2^-20 deviations, and much less on
// average. What does not fit (overflow, underflow, a shift far away) shows in the sums: the caller takes them again.
import { upper } from "./wide";

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
function away(shifted: bool, x: v128, shift: v128): v128 {
  return shifted ? f32x4.sub(x, shift) : x;
}

/** Adds the sums of n elements to the pairs of doubles at s and q; u is g, or d where `own`. */
// @ts-ignore: decorator
@inline
export function quickSlice(own: bool, shifted: bool, x: usize, g: usize, shift: f32, n: i32, s: usize, q: usize): void {
  const m = f32x4.splat(shift);
  let sums = v128.load(s);
  let products = v128.load(q);
  let i = 0;
  for (; i + 16 <= n; i += 16, x += 64, g += 64) {
    const d0 = away(shifted, v128.load(x), m);
    const d1 = away(shifted, v128.load(x, 16), m);
    const d2 = away(shifted, v128.load(x, 32), m);
    const d3 = away(shifted, v128.load(x, 48), m);
    const u0 = own ? d0 : v128.load(g);
    const u1 = own ? d1 : v128.load(g, 16);
    const u2 = own ? d2 : v128.load(g, 32);
    const u3 = own ? d3 : v128.load(g, 48);
    const both = pair(sum4(u0, u1, u2, u3), dot4(u0, d0, u1, d1, u2, d2, u3, d3));
    sums = f64x2.add(sums, f64x2.promote_low_f32x4(both));
    products = f64x2.add(products, f64x2.promote_low_f32x4(upper(both)));
  }
  for (; i + 4 <= n; i += 4, x += 16, g += 16) {
    const d = away(shifted, v128.load(x), m);
    const u = own ? d : v128.load(g);
    const both = pair(u, f32x4.mul(u, d));
    sums = f64x2.add(sums, f64x2.promote_low_f32x4(both));
    products = f64x2.add(products, f64x2.promote_low_f32x4(upper(both)));
  }
  const m1 = f32x4.replace_lane(f32x4.splat(0), 0, shift);
  for (; i < n; i++, x += 4, g += 4) {
    const d = away(shifted, v128.load32_zero(x), m1);
    const u = own ? d : v128.load32_zero(g);
    sums = f64x2.add(sums, f64x2.promote_low_f32x4(u));
    products = f64x2.add(products, f64x2.promote_low_f32x4(f32x4.mul(u, d)));
  }
  v128.store(s, sums);
  v128.store(q, products);
}

/** Adds the four lanes to four doubles. */
// @ts-ignore: decorator
@inline
function addTo(sums: usize, v: v128): void {
  v128.store(sums, f64x2.add(v128.load(sums), f64x2.promote_low_f32x4(v)));
  v128.store(sums, f64x2.add(v128.load(sums, 16), f64x2.promote_low_f32x4(upper(v))), 16);
}

/** Four doubles as float32. */
// @ts-ignore: decorator
@inline
function narrow4(p: usize): v128 {
  const low = f32x4.demote_f64x2_zero(v128.load(p));
  return v128.shuffle<i64>(low, f32x4.demote_f64x2_zero(v128.load(p, 16)), 0, 2);
}

/** Rows that {@link quickRows} takes at a time. */
export const ROWS: i32 = 8;

/** Adds the sums of channels [c0, c1), side by side, over eight rows: s and q are doubles [C], as the shifts. */
// @ts-ignore: decorator
@inline
export function quickRows(
  own: bool, shifted: bool, x: usize, g: usize, shifts: usize, C: i32, s: usize, q: usize, c0: i32, c1: i32,
): void {
  const row = <usize>C * 4;
  let o = <usize>c0 << 2;
  let b = <usize>c0 << 3;
  let c = c0;
  for (; c + 4 <= c1; c += 4, o += 16, b += 32) {
    const p = x + o;
    const w = g + o;
    const m = shifted ? narrow4(shifts + b) : f32x4.splat(0);
    const d0 = away(shifted, v128.load(p), m);
    const d1 = away(shifted, v128.load(p + row), m);
    const d2 = away(shifted, v128.load(p + 2 * row), m);
    const d3 = away(shifted, v128.load(p + 3 * row), m);
    const u0 = own ? d0 : v128.load(w);
    const u1 = own ? d1 : v128.load(w + row);
    const u2 = own ? d2 : v128.load(w + 2 * row);
    const u3 = own ? d3 : v128.load(w + 3 * row);
    const e0 = away(shifted, v128.load(p + 4 * row), m);
    const e1 = away(shifted, v128.load(p + 5 * row), m);
    const e2 = away(shifted, v128.load(p + 6 * row), m);
    const e3 = away(shifted, v128.load(p + 7 * row), m);
    const v0 = own ? e0 : v128.load(w + 4 * row);
    const v1 = own ? e1 : v128.load(w + 5 * row);
    const v2 = own ? e2 : v128.load(w + 6 * row);
    const v3 = own ? e3 : v128.load(w + 7 * row);
    addTo(s + b, f32x4.add(sum4(u0, u1, u2, u3), sum4(v0, v1, v2, v3)));
    addTo(q + b, f32x4.add(dot4(u0, d0, u1, d1, u2, d2, u3, d3), dot4(v0, e0, v1, e1, v2, e2, v3, e3)));
  }
  if (c < c1) for (let r: usize = 0; r < <usize>ROWS; r++) quickRow(own, x + r * row, g + r * row, shifts, s, q, c, c1);
}

/** The same over one row. */
// @ts-ignore: decorator
@inline
export function quickRow(own: bool, x: usize, g: usize, shifts: usize, s: usize, q: usize, c0: i32, c1: i32): void {
  for (let c = c0; c < c1; c++) {
    const b = <usize>c << 3;
    const d = load<f32>(x + (<usize>c << 2)) - <f32>load<f64>(shifts + b);
    const u = own ? d : load<f32>(g + (<usize>c << 2));
    store<f64>(s + b, load<f64>(s + b) + <f64>u);
    store<f64>(q + b, load<f64>(q + b) + <f64>u * <f64>d);
  }
}

/** Whether a float32 sum of products neither overflowed nor lost its terms below the range of float32. */
// @ts-ignore: decorator
@inline
export function fits(sum: f64, product: f64): bool {
  const size = Math.abs(product);
  return (size > 1e-30 && size < Infinity && sum - sum == 0) || (product == 0 && sum == 0);
}
