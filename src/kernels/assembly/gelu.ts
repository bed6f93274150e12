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

/**
 * Up to eight elements: gelu of those at x, or with `slope` its slope times those at g. The four pairs of doubles A, B, C, D go
 * side by side: one alone is a long chain of dependent steps, and each constant serves all. Phi has relative error 9e-9;
 * a = |x| is cut where the bell underflows.
 */
// @ts-ignore: decorator
@inline
function eight(slope: bool, g: P, x: P, out: P, n: I): void {
  const first = min(n, 4);
  const x0 = loadSome<f32>(x, first);
  const x1 = n > 4 ? loadSome<f32>(x + 16, n - 4) : x0;
  const a0 = size(x0);
  const a1 = size(x1);
  const e0 = bell(a0);
  const e1 = bell(a1);
  const xA = low(x0), xB = high(x0), xC = low(x1), xD = high(x1);
  const aA = low(a0), aB = high(a0), aC = low(a1), aD = high(a1);
  const eA = low(e0), eB = high(e0), eC = low(e1), eD = high(e1);
  const qA = f64x2.div(k(1.0), f64x2.add(aA, k(4.0)));
  const qB = f64x2.div(k(1.0), f64x2.add(aB, k(4.0)));
  const qC = f64x2.div(k(1.0), f64x2.add(aC, k(4.0)));
  const qD = f64x2.div(k(1.0), f64x2.add(aD, k(4.0)));
  const tA = f64x2.mul(f64x2.sub(aA, k(4.0)), qA);
  const tB = f64x2.mul(f64x2.sub(aB, k(4.0)), qB);
  const tC = f64x2.mul(f64x2.sub(aC, k(4.0)), qC);
  const tD = f64x2.mul(f64x2.sub(aD, k(4.0)), qD);
  const zA = f64x2.mul(tA, tA);
  const zB = f64x2.mul(tB, tB);
  const zC = f64x2.mul(tC, tC);
  const zD = f64x2.mul(tD, tD);
  let oddA = mad(k(-0.0001319718478245558), zA, 0.0015699234750295443);
  let oddB = mad(k(-0.0001319718478245558), zB, 0.0015699234750295443);
  let oddC = mad(k(-0.0001319718478245558), zC, 0.0015699234750295443);
  let oddD = mad(k(-0.0001319718478245558), zD, 0.0015699234750295443);
  let evenA = mad(k(0.00017935413537606415), zA, -0.0035125538869915096);
  let evenB = mad(k(0.00017935413537606415), zB, -0.0035125538869915096);
  let evenC = mad(k(0.00017935413537606415), zC, -0.0035125538869915096);
  let evenD = mad(k(0.00017935413537606415), zD, -0.0035125538869915096);
  oddA = mad(oddA, zA, -0.0075252713158991125);
  oddB = mad(oddB, zB, -0.0075252713158991125);
  oddC = mad(oddC, zC, -0.0075252713158991125);
  oddD = mad(oddD, zD, -0.0075252713158991125);
  evenA = mad(evenA, zA, 0.060403831066252245);
  evenB = mad(evenB, zB, 0.060403831066252245);
  evenC = mad(evenC, zC, 0.060403831066252245);
  evenD = mad(evenD, zD, 0.060403831066252245);
  oddA = mad(oddA, zA, -0.18652344147041472);
  oddB = mad(oddB, zB, -0.18652344147041472);
  oddC = mad(oddC, zC, -0.18652344147041472);
  oddD = mad(oddD, zD, -0.18652344147041472);
  evenA = mad(evenA, zA, 0.3871369011114404);
  evenB = mad(evenB, zB, 0.3871369011114404);
  evenC = mad(evenC, zC, 0.3871369011114404);
  evenD = mad(evenD, zD, 0.3871369011114404);
  oddA = mad(oddA, zA, -0.6078965882692448);
  oddB = mad(oddB, zB, -0.6078965882692448);
  oddC = mad(oddC, zC, -0.6078965882692448);
  oddD = mad(oddD, zD, -0.6078965882692448);
  evenA = mad(evenA, zA, 0.75528513538403);
  evenB = mad(evenB, zB, 0.75528513538403);
  evenC = mad(evenC, zC, 0.75528513538403);
  evenD = mad(evenD, zD, 0.75528513538403);
  const yA = f64x2.mul(f64x2.mul(eA, qA), f64x2.add(evenA, f64x2.mul(oddA, tA)));
  const yB = f64x2.mul(f64x2.mul(eB, qB), f64x2.add(evenB, f64x2.mul(oddB, tB)));
  const yC = f64x2.mul(f64x2.mul(eC, qC), f64x2.add(evenC, f64x2.mul(oddC, tC)));
  const yD = f64x2.mul(f64x2.mul(eD, qD), f64x2.add(evenD, f64x2.mul(oddD, tD)));
  const pA = v128.bitselect(yA, f64x2.sub(k(1.0), yA), f64x2.lt(xA, k(0.0)));
  const pB = v128.bitselect(yB, f64x2.sub(k(1.0), yB), f64x2.lt(xB, k(0.0)));
  const pC = v128.bitselect(yC, f64x2.sub(k(1.0), yC), f64x2.lt(xC, k(0.0)));
  const pD = v128.bitselect(yD, f64x2.sub(k(1.0), yD), f64x2.lt(xD, k(0.0)));
  const y0 = joined(finish(slope, xA, eA, pA), finish(slope, xB, eB, pB));
  const y1 = joined(finish(slope, xC, eC, pC), finish(slope, xD, eD, pD));
  storeSome<f32>(out, slope ? f32x4.mul(loadSome<f32>(g, first), y0) : y0, first);
  if (n > 4) storeSome<f32>(out + 16, slope ? f32x4.mul(loadSome<f32>(g + 16, n - 4), y1) : y1, n - 4);
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

// Functions of their own, called rarely.
function eightValues(x: P, out: P, n: I): void {
  if (n < 0) eightValues(x, out, 0);
  eight(false, x, x, out, n);
}
function eightSlopes(g: P, x: P, out: P, n: I): void {
  if (n < 0) eightSlopes(g, x, out, 0);
  eight(true, g, x, out, n);
}

/** Up to eight elements, each alike whatever its neighbours. */
// @ts-ignore: decorator
@inline
function some(slope: bool, g: P, x: P, out: P, n: I, table: P): void {
  const first = min(n, 4);
  const x0 = loadSome<f32>(x, first);
  const x1 = n > 4 ? loadSome<f32>(x + 16, n - 4) : x0;
  let y0 = near(slope, x0, table);
  let y1 = near(slope, x1, table);
  if (slope) {
    y0 = f32x4.mul(loadSome<f32>(g, first), y0);
    if (n > 4) y1 = f32x4.mul(loadSome<f32>(g + 16, n - 4), y1);
  }
  const far0 = below(x0);
  const far1 = below(x1);
  if (v128.any_true(v128.or(far0, far1))) {
    if (slope) eightSlopes(g, x, out, n);
    else eightValues(x, out, n);
    y0 = v128.bitselect(loadSome<f32>(out, first), y0, far0);
    if (n > 4) y1 = v128.bitselect(loadSome<f32>(out + 16, n - 4), y1, far1);
  }
  storeSome<f32>(out, y0, first);
  if (n > 4) storeSome<f32>(out + 16, y1, n - 4);
}

/** out = x Phi(x), elementwise. */
export function gelu_f32(x: P, out: P, n: I, table: P): void {
  for (; n >= 8; n -= 8, x += 32, out += 32) some(false, x, x, out, 8, table);
  if (n > 0) some(false, x, x, out, n, table);
}

/** out = g (Phi(x) + x phi(x)), elementwise. */
export function geluBackward_f32(g: P, x: P, out: P, n: I, table: P): void {
  table += NODES << 3;
  for (; n >= 8; n -= 8, g += 32, x += 32, out += 32) some(true, g, x, out, 8, table);
  if (n > 0) some(true, g, x, out, n, table);
}
