/** Orthogonal polynomials of a degree given per element, by PyTorch's recurrences and closed forms. */

import { acos, cos, sin } from "./real";

/** +1 for even n, -1 for odd. */
// @ts-ignore: decorator
@inline
function sign(n: i32): f64 {
  return n & 1 ? -1 : 1;
}

/** The three-term recurrence of all Chebyshev kinds, r = 2 x q - p, from p_0 = 1 and the given p_1. */
function chebyshev(x: f64, first: f64, n: i32): f64 {
  if (n == 0) return 1;
  let p: f64 = 1;
  let q = first;
  const twice = x + x;
  for (let k = 1; k < n; k++) {
    const r = twice * q - p;
    p = q;
    q = r;
    if (q != q) break; // beyond the largest number: it stays NaN
  }
  return q;
}

/** cos(n t), t = acos x. */
function chebyshevT(x: f64, n: i32, direct: i32): f64 {
  if (n < 0) return 0;
  if (abs(x) == 1) return x > 0 ? 1 : sign(n);
  if (n > direct && abs(x) < 1) return cos(<f64>n * acos(x));
  return chebyshev(x, x, n);
}

/** sin((n + 1) t) / sin(t). */
function chebyshevU(x: f64, n: i32, direct: i32): f64 {
  if (n < 0) return 0;
  const m = <f64>n + 1;
  if (abs(x) == 1) return x > 0 ? m : sign(n) * m;
  if (n > direct && abs(x) < 1) {
    const t = acos(x);
    const s = sin(t);
    return s != 0 ? sin(m * t) / s : (m * cos(m * t)) / x;
  }
  return chebyshev(x, x + x, n);
}

/** cos((n + 1/2) t) / cos(t/2). */
function chebyshevV(x: f64, n: i32, direct: i32): f64 {
  if (n < 0) return 0;
  const m = 2 * <f64>n + 1;
  if (abs(x) == 1) return x > 0 ? 1 : sign(n) * m;
  if (n > direct && abs(x) < 1) {
    const t = acos(x);
    return sin(t / 2) != 1 ? cos((<f64>n + 0.5) * t) / cos(t / 2) : sign(n) * m;
  }
  return chebyshev(x, x + x - 1, n);
}

/** sin((n + 1/2) t) / sin(t/2). */
function chebyshevW(x: f64, n: i32, direct: i32): f64 {
  if (n < 0) return 0;
  const m = 2 * <f64>n + 1;
  if (abs(x) == 1) return x > 0 ? m : sign(n);
  if (n > direct && abs(x) < 1) {
    const t = acos(x);
    if (cos(t / 2) != 1) return sin((<f64>n + 0.5) * t) / sin(t / 2);
    return x > 0 ? m : sign(n);
  }
  return chebyshev(x, x + x + 1, n);
}

/** Physicists' Hermite polynomial: H_{k+1} = 2 x H_k - 2 k H_{k-1}. */
function hermiteH(x: f64, n: i32): f64 {
  if (n <= 0) return n == 0 ? 1 : 0;
  let p: f64 = 1;
  let q = x + x;
  for (let k = 1; k < n; k++) {
    const r = (x + x) * q - <f64>(2 * k) * p;
    p = q;
    q = r;
    if (q != q) break; // beyond the largest number: it stays NaN
  }
  return q;
}

/** Probabilists' Hermite polynomial: He_{k+1} = x He_k - k He_{k-1}. */
function hermiteHe(x: f64, n: i32): f64 {
  if (n <= 0) return n == 0 ? 1 : 0;
  let p: f64 = 1;
  let q = x;
  for (let k = 1; k < n; k++) {
    const r = x * q - <f64>k * p;
    p = q;
    q = r;
    if (q != q) break; // beyond the largest number: it stays NaN
  }
  return q;
}

/** (k + 1) L_{k+1} = (2 k + 1 - x) L_k - k L_{k-1}. */
function laguerreL(x: f64, n: i32): f64 {
  if (n < 0) return 0;
  if (n == 0 || x == 0) return 1;
  let p: f64 = 1;
  let q = 1 - x;
  for (let k = 1; k < n; k++) {
    const r = ((<f64>(k + k) + (1 - x)) * q - <f64>k * p) / <f64>(k + 1);
    p = q;
    q = r;
    if (q != q) break; // beyond the largest number: it stays NaN
  }
  return q;
}

/** (k + 1) P_{k+1} = (2 k + 1) x P_k - k P_{k-1}. */
function legendreP(x: f64, n: i32): f64 {
  if (n < 0) return 0;
  if (abs(x) == 1) return x > 0 ? 1 : sign(n);
  if (n == 0) return 1;
  let p: f64 = 1;
  let q = x;
  for (let k = 1; k < n; k++) {
    const r = (<f64>(k + k + 1) * x * q - <f64>k * p) / <f64>(k + 1);
    p = q;
    q = r;
    if (q != q) break; // beyond the largest number: it stays NaN
  }
  return q;
}

const CHEBYSHEV_T: i32 = 0;
const CHEBYSHEV_U: i32 = 1;
const CHEBYSHEV_V: i32 = 2;
const CHEBYSHEV_W: i32 = 3;
const SHIFTED_CHEBYSHEV_T: i32 = 4;
const SHIFTED_CHEBYSHEV_U: i32 = 5;
const SHIFTED_CHEBYSHEV_V: i32 = 6;
const SHIFTED_CHEBYSHEV_W: i32 = 7;
const HERMITE_H: i32 = 8;
const HERMITE_HE: i32 = 9;
const LAGUERRE_L: i32 = 10;
const LEGENDRE_P: i32 = 11;

// @ts-ignore: decorator
@inline
function value(op: i32, x: f64, degree: f64): f64 {
  // Beyond 64 bits degrees count as negative, as they do once PyTorch has made them integers; so does NaN.
  const n = degree > -1 && degree < 9223372036854775808.0 ? <i32>min(degree, 2147483647.0) : -1;
  if (op == CHEBYSHEV_T) return chebyshevT(x, n, 6);
  if (op == CHEBYSHEV_U) return chebyshevU(x, n, 8);
  if (op == CHEBYSHEV_V) return chebyshevV(x, n, 8);
  if (op == CHEBYSHEV_W) return chebyshevW(x, n, 8);
  if (op == SHIFTED_CHEBYSHEV_T) return chebyshevT(x + x - 1, n, 6);
  if (op == SHIFTED_CHEBYSHEV_U) return chebyshevU(x + x - 1, n, 6);
  if (op == SHIFTED_CHEBYSHEV_V) return chebyshevV(x + x - 1, n, 6);
  if (op == SHIFTED_CHEBYSHEV_W) return chebyshevW(x + x - 1, n, 4);
  if (op == HERMITE_H) return hermiteH(x, n);
  if (op == HERMITE_HE) return hermiteHe(x, n);
  if (op == LAGUERRE_L) return laguerreL(x, n);
  return legendreP(x, n);
}

/** out[i, j] = f(a[i ao + j ai], degree b[i bo + j bi]). */
// @ts-ignore: decorator
@inline
function binary<T extends number>(
  op: i32,
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  for (let i = 0; i < outer; i++) {
    let p = a + <usize>(i * ao) * sizeof<T>();
    let q = b + <usize>(i * bo) * sizeof<T>();
    for (let j = 0; j < inner; j++) {
      store<T>(out, <T>value(op, <f64>load<T>(p), <f64>load<T>(q)));
      out += sizeof<T>();
      p += <usize>ai * sizeof<T>();
      q += <usize>bi * sizeof<T>();
    }
  }
}

export function chebyshevPolynomialT_f32(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f32>(CHEBYSHEV_T, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function chebyshevPolynomialT_f64(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f64>(CHEBYSHEV_T, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function chebyshevPolynomialU_f32(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f32>(CHEBYSHEV_U, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function chebyshevPolynomialU_f64(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f64>(CHEBYSHEV_U, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function chebyshevPolynomialV_f32(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f32>(CHEBYSHEV_V, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function chebyshevPolynomialV_f64(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f64>(CHEBYSHEV_V, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function chebyshevPolynomialW_f32(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f32>(CHEBYSHEV_W, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function chebyshevPolynomialW_f64(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f64>(CHEBYSHEV_W, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function shiftedChebyshevPolynomialT_f32(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f32>(SHIFTED_CHEBYSHEV_T, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function shiftedChebyshevPolynomialT_f64(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f64>(SHIFTED_CHEBYSHEV_T, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function shiftedChebyshevPolynomialU_f32(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f32>(SHIFTED_CHEBYSHEV_U, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function shiftedChebyshevPolynomialU_f64(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f64>(SHIFTED_CHEBYSHEV_U, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function shiftedChebyshevPolynomialV_f32(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f32>(SHIFTED_CHEBYSHEV_V, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function shiftedChebyshevPolynomialV_f64(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f64>(SHIFTED_CHEBYSHEV_V, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function shiftedChebyshevPolynomialW_f32(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f32>(SHIFTED_CHEBYSHEV_W, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function shiftedChebyshevPolynomialW_f64(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f64>(SHIFTED_CHEBYSHEV_W, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function hermitePolynomialH_f32(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f32>(HERMITE_H, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function hermitePolynomialH_f64(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f64>(HERMITE_H, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function hermitePolynomialHe_f32(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f32>(HERMITE_HE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function hermitePolynomialHe_f64(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f64>(HERMITE_HE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function laguerrePolynomialL_f32(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f32>(LAGUERRE_L, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function laguerrePolynomialL_f64(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f64>(LAGUERRE_L, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function legendrePolynomialP_f32(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f32>(LEGENDRE_P, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function legendrePolynomialP_f64(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  binary<f64>(LEGENDRE_P, a, b, out, outer, inner, ao, ai, bo, bi);
}
