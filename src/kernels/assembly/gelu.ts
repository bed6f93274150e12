/**
 * gelu(x) = x Phi(x) and its slope Phi(x) + x phi(x) of float32, gelu within 2 units in the last place down to the
 * smallest values. From -6 on by Taylor's series about the nearest node of a table; below, where little is left of
 * either, Phi(-a) = exp(-a²/2) M(a), the bell on float32 lanes, and in doubles (a + 4) M(a) as a polynomial in
 * t = (a - 4)/(a + 4).
 */
import { c, mad32, scale32 } from "./math32";
import { k, mad } from "./math64";
import { loadSome, storeSome, upper } from "./wide";

type P = usize;
type I = i32;

/** Nodes of the table: multiples of 1/64 from -6 to 6. Each has Phi and phi, and after all of these the slope and phi. */
const STEPS: f32 = 64;
const REACH: f32 = 6;
const MIDDLE: I = 384;
const NODES: P = 769;

/** Adding this leaves the nearest whole number in the lowest bits of a float32. */
const ROUNDER: f32 = 12582912;

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

/** |x| cut to 14.5, where exp(-a²/2) underflows to 0: so -Infinity gives NaN, as in PyTorch. NaN stays. */
// @ts-ignore: decorator
@inline
function size(x: v128): v128 {
  return f32x4.pmin(f32x4.abs(x), c(14.5));
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

/** x Phi(x), or with `slope` Phi(x) + x phi(x), from Phi and the bell. */
// @ts-ignore: decorator
@inline
function finish(slope: bool, x: v128, e: v128, p: v128): v128 {
  if (!slope) return f64x2.mul(x, p);
  return f64x2.add(p, f64x2.mul(x, f64x2.mul(e, k(0.39894228040143267794))));
}

/** The value or slope of two elements as doubles, from a = |x| and the bell. Phi has relative error 9e-9. */
function two(slope: bool, x: v128, a: v128, e: v128): v128 {
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
  return finish(slope, x, e, v128.bitselect(y, f64x2.sub(k(1.0), y), f64x2.lt(x, k(0.0))));
}

/** The value or slope of four elements by doubles: what the table does not reach, far below 0. */
function four(slope: bool, x: v128): v128 {
  const a = size(x);
  const e = bell(a);
  return joined(two(slope, low(x), low(a), low(e)), two(slope, high(x), high(a), high(e)));
}

/** The value or slope at x, clamped to the table: exact to 3 roundings of its parts. */
// @ts-ignore: decorator
@inline
function near(slope: bool, x: v128, table: P): v128 {
  const inside = f32x4.pmax(f32x4.pmin(c(REACH), x), c(-REACH)); // NaN too
  const shifted = f32x4.add(f32x4.mul(inside, c(STEPS)), c(ROUNDER));
  const node = f32x4.mul(f32x4.sub(shifted, c(ROUNDER)), c(1.0 / STEPS));
  const at = i32x4.shl(i32x4.sub(shifted, i32x4.splat(0x4b400000 - MIDDLE)), 3);
  let a = v128.load64_zero(table + <P>i32x4.extract_lane(at, 0));
  let b = v128.load64_zero(table + <P>i32x4.extract_lane(at, 2));
  a = v128.load64_lane(table + <P>i32x4.extract_lane(at, 1), a, 1);
  b = v128.load64_lane(table + <P>i32x4.extract_lane(at, 3), b, 1);
  const value = v128.shuffle<f32>(a, b, 0, 2, 4, 6);
  const density = v128.shuffle<f32>(a, b, 1, 3, 5, 7);
  const d = f32x4.sub(inside, node);
  const z = f32x4.mul(node, node);
  // Derivatives of Phi, in phi: 1, -x, x² - 1, 3x - x³; of the slope: 2 - x², x³ - 4x, -x⁴ + 7x² - 4.
  let p: v128;
  if (slope) {
    p = f32x4.sub(f32x4.mul(z, f32x4.sub(c(7.0 / 6.0), f32x4.mul(z, c(1.0 / 6.0)))), c(2.0 / 3.0));
    p = f32x4.add(f32x4.mul(p, d), f32x4.mul(node, f32x4.sub(f32x4.mul(z, c(0.5)), c(2))));
    p = f32x4.add(f32x4.mul(p, d), f32x4.sub(c(2), z));
  } else {
    p = f32x4.mul(node, f32x4.sub(c(0.125), f32x4.mul(z, c(1.0 / 24.0))));
    p = f32x4.add(f32x4.mul(p, d), f32x4.sub(f32x4.mul(z, c(1.0 / 6.0)), c(1.0 / 6.0)));
    p = f32x4.sub(f32x4.mul(p, d), f32x4.mul(node, c(0.5)));
    p = mad32(p, d, 1);
  }
  const y = f32x4.add(value, f32x4.mul(density, f32x4.mul(p, d)));
  return slope ? y : f32x4.mul(x, y);
}

/** Lanes below the table, and those of NaN. */
// @ts-ignore: decorator
@inline
function below(x: v128): v128 {
  return v128.not(f32x4.ge(x, c(-REACH)));
}

/** The value or slope of four elements, each alike whatever its neighbours. */
// @ts-ignore: decorator
@inline
function some(slope: bool, x: v128, table: P): v128 {
  const y = near(slope, x, table);
  const far = below(x);
  return v128.any_true(far) ? v128.bitselect(four(slope, x), y, far) : y;
}

/** Up to eight elements: two vectors side by side, since each is a long chain of dependent steps. */
// @ts-ignore: decorator
@inline
function eight(slope: bool, g: P, x: P, out: P, n: I, table: P): void {
  const first = min(n, 4);
  const x0 = loadSome<f32>(x, first);
  const x1 = n > 4 ? loadSome<f32>(x + 16, n - 4) : x0;
  const y0 = some(slope, x0, table);
  const y1 = some(slope, x1, table);
  storeSome<f32>(out, slope ? f32x4.mul(loadSome<f32>(g, first), y0) : y0, first);
  if (n > 4) storeSome<f32>(out + 16, slope ? f32x4.mul(loadSome<f32>(g + 16, n - 4), y1) : y1, n - 4);
}

/** out = x Phi(x), elementwise. */
export function gelu_f32(x: P, out: P, n: I, table: P): void {
  for (; n >= 8; n -= 8, x += 32, out += 32) eight(false, x, x, out, 8, table);
  if (n > 0) eight(false, x, x, out, n, table);
}

/** out = g (Phi(x) + x phi(x)), elementwise. */
export function geluBackward_f32(g: P, x: P, out: P, n: I, table: P): void {
  table += NODES << 3;
  for (; n >= 8; n -= 8, g += 32, x += 32, out += 32) eight(true, g, x, out, 8, table);
  if (n > 0) eight(true, g, x, out, n, table);
}
