/**
 * gelu(x) = x Phi(x) and its slope Phi(x) + x phi(x) of float32, gelu within 2 units in the last place down to the
 * smallest values: Phi(-a) = exp(-a²/2) M(a), the bell on float32 lanes, and in doubles (a + 4) M(a) as a polynomial in
 * t = (a - 4)/(a + 4).
 */
import { loadPart, storePart } from "./lanes";
import { c, mad32, scale32 } from "./math32";
import { k, mad } from "./math64";
import { upper } from "./wide";

type P = usize;
type I = i32;

/** exp(-a²/2): with h the leading 12 bits of a, h² is exact, and the rest -(a-h)(a+h)/2 joins the reduced argument. */
// @ts-ignore: decorator
@inline
function bell(a: v128): v128 {
  const h = v128.and(a, i32x4.splat(0xfffff000));
  const y = f32x4.mul(c(-0.5), f32x4.mul(h, h));
  const rest = f32x4.mul(c(0.5), f32x4.mul(f32x4.sub(a, h), f32x4.add(a, h)));
  // The steps of exp32; its polynomial holds for the slightly longer range.
  const shifted = f32x4.add(f32x4.mul(y, c(1.44269504)), c(12582912.0));
  const n = f32x4.sub(shifted, c(12582912.0));
  const hi = f32x4.sub(y, f32x4.mul(n, c(0.693359375)));
  const lo = f32x4.add(f32x4.mul(n, c(-2.12194440e-4)), rest);
  const r = f32x4.sub(hi, lo);
  // Even and odd powers apart here and below: half as long a chain of dependent steps.
  const r2 = f32x4.mul(r, r);
  const top = f32x4.mul(mad32(c(1.39262504e-3), r, 8.36323295e-3), r2);
  const q = mad32(f32x4.add(top, mad32(c(4.16665524e-2), r, 1.66665763e-1)), r, 0.5);
  const p = f32x4.add(hi, f32x4.sub(f32x4.mul(r2, q), lo));
  return scale32(f32x4.add(c(1.0), p), i32x4.sub(shifted, i32x4.splat(0x4b400000)));
}

/** Phi(x) on two doubles, given exp(-x²/2) and a = |x| cut to 14.5, above which both are 0; relative error 9e-9. */
// @ts-ignore: decorator
@inline
function normal(x: v128, a: v128, e: v128): v128 {
  const q = f64x2.div(k(1.0), f64x2.add(a, k(4.0)));
  const t = f64x2.mul(f64x2.sub(a, k(4.0)), q);
  const z = f64x2.mul(t, t);
  let odd = mad(k(-0.0001319718478245558), z, 0.0015699234750295443);
  let even = mad(k(0.00017935413537606415), z, -0.0035125538869915096);
  odd = mad(odd, z, -0.0075252713158991125);
  even = mad(even, z, 0.060403831066252245);
  odd = mad(odd, z, -0.18652344147041472);
  even = mad(even, z, 0.3871369011114404);
  odd = mad(odd, z, -0.6078965882692448);
  even = mad(even, z, 0.75528513538403);
  const y = f64x2.mul(f64x2.mul(e, q), f64x2.add(even, f64x2.mul(odd, t)));
  return v128.bitselect(y, f64x2.sub(k(1.0), y), f64x2.lt(x, k(0.0)));
}

/** |x| cut to 14.5, where exp(-a²/2) underflows to 0: so -Infinity gives NaN, as in PyTorch. NaN stays. */
// @ts-ignore: decorator
@inline
function size(x: v128): v128 {
  return f32x4.pmin(f32x4.abs(x), c(14.5));
}

// @ts-ignore: decorator
@inline
function geluHalf(x: v128, a: v128, e: v128): v128 {
  return f64x2.mul(x, normal(x, a, e));
}

// @ts-ignore: decorator
@inline
function slopeHalf(x: v128, a: v128, e: v128): v128 {
  return f64x2.add(normal(x, a, e), f64x2.mul(x, f64x2.mul(e, k(0.39894228040143267794))));
}

// @ts-ignore: decorator
@inline
function low(v: v128): v128 {
  return f64x2.promote_low_f32x4(v);
}

// @ts-ignore: decorator
@inline
function high(v: v128): v128 {
  return f64x2.promote_low_f32x4(upper(v));
}

// @ts-ignore: decorator
@inline
function joined(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(f32x4.demote_f64x2_zero(a), f32x4.demote_f64x2_zero(b), 0, 2);
}

// @ts-ignore: decorator
@inline
function gelu(x: v128): v128 {
  const a = size(x);
  const e = bell(a);
  return joined(geluHalf(low(x), low(a), low(e)), geluHalf(high(x), high(a), high(e)));
}

// @ts-ignore: decorator
@inline
function slope(x: v128): v128 {
  const a = size(x);
  const e = bell(a);
  return joined(slopeHalf(low(x), low(a), low(e)), slopeHalf(high(x), high(a), high(e)));
}

/** out = x Phi(x), elementwise. */
export function gelu_f32(x: P, out: P, n: I): void {
  // Several vectors side by side, loads first and stores last: one alone is a long chain of dependent steps.
  for (; n >= 16; n -= 16) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const x2 = v128.load(x, 32);
    const x3 = v128.load(x, 48);
    const y0 = gelu(x0);
    const y1 = gelu(x1);
    const y2 = gelu(x2);
    const y3 = gelu(x3);
    v128.store(out, y0);
    v128.store(out, y1, 16);
    v128.store(out, y2, 32);
    v128.store(out, y3, 48);
    x += 64;
    out += 64;
  }
  for (; n >= 4; n -= 4) {
    v128.store(out, gelu(v128.load(x)));
    x += 16;
    out += 16;
  }
  if (n > 0) storePart<f32>(out, gelu(loadPart<f32>(x, n)), n);
}

/** out = g (Phi(x) + x phi(x)), elementwise. */
export function geluBackward_f32(g: P, x: P, out: P, n: I): void {
  for (; n >= 16; n -= 16) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const x2 = v128.load(x, 32);
    const x3 = v128.load(x, 48);
    const g0 = v128.load(g);
    const g1 = v128.load(g, 16);
    const g2 = v128.load(g, 32);
    const g3 = v128.load(g, 48);
    const y0 = f32x4.mul(g0, slope(x0));
    const y1 = f32x4.mul(g1, slope(x1));
    const y2 = f32x4.mul(g2, slope(x2));
    const y3 = f32x4.mul(g3, slope(x3));
    v128.store(out, y0);
    v128.store(out, y1, 16);
    v128.store(out, y2, 32);
    v128.store(out, y3, 48);
    g += 64;
    x += 64;
    out += 64;
  }
  for (; n >= 4; n -= 4) {
    v128.store(out, f32x4.mul(v128.load(g), slope(v128.load(x))));
    g += 16;
    x += 16;
    out += 16;
  }
  if (n > 0) storePart<f32>(out, f32x4.mul(loadPart<f32>(g, n), slope(loadPart<f32>(x, n))), n);
}
