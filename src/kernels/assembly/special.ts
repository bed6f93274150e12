/** Kernels of the special functions; float32 computes in float64 and rounds once. */

import { log, sin } from "./real";
import { airyAi, i0, i0e, i1, i1e, j0, j1, k0, k0e, k1, k1e, sphericalJ0, y0, y1 } from "./specialBessel";
import { erfcx, erfinv, logNdtr, ndtri } from "./specialErf";
import { digamma, igamma, igammac, lgamma, polygamma, zeta } from "./specialGamma";

const LGAMMA: i32 = 0;
const DIGAMMA: i32 = 1;
const ERFINV: i32 = 2;
const ERFCX: i32 = 3;
const LOG_NDTR: i32 = 4;
const NDTRI: i32 = 5;
const I0: i32 = 6;
const I0E: i32 = 7;
const I1: i32 = 8;
const I1E: i32 = 9;
const J0: i32 = 10;
const J1: i32 = 11;
const Y0: i32 = 12;
const Y1: i32 = 13;
const K0: i32 = 14;
const K1: i32 = 15;
const K0E: i32 = 16;
const K1E: i32 = 17;
const SPHERICAL_J0: i32 = 18;
const AIRY: i32 = 19;
const ENTR: i32 = 20;
const SINC: i32 = 21;

/** -x log x. */
function entr(x: f64): f64 {
  if (x > 0) return -x * log(x);
  return x == 0 ? 0 : x < 0 ? -Infinity : x;
}

/** sin(pi x)/(pi x). */
function sinc(x: f64): f64 {
  if (x == 0) return 1;
  const t = 3.141592653589793 * x;
  return sin(t) / t;
}

// @ts-ignore: decorator
@inline
function value(op: i32, x: f64): f64 {
  if (op == LGAMMA) return lgamma(x);
  if (op == DIGAMMA) return digamma(x);
  if (op == ERFINV) return erfinv(x);
  if (op == ERFCX) return erfcx(x);
  if (op == LOG_NDTR) return logNdtr(x);
  if (op == NDTRI) return ndtri(x);
  if (op == I0) return i0(x);
  if (op == I0E) return i0e(x);
  if (op == I1) return i1(x);
  if (op == I1E) return i1e(x);
  if (op == J0) return j0(x);
  if (op == J1) return j1(x);
  if (op == Y0) return y0(x);
  if (op == Y1) return y1(x);
  if (op == K0) return k0(x);
  if (op == K1) return k1(x);
  if (op == K0E) return k0e(x);
  if (op == K1E) return k1e(x);
  if (op == SPHERICAL_J0) return sphericalJ0(x);
  if (op == AIRY) return airyAi(x);
  if (op == ENTR) return entr(x);
  return sinc(x);
}

// @ts-ignore: decorator
@inline
function unary<T extends number>(op: i32, x: usize, out: usize, n: i32): void {
  const end = out + <usize>n * sizeof<T>();
  for (; out < end; out += sizeof<T>()) {
    store<T>(out, <T>value(op, <f64>load<T>(x)));
    x += sizeof<T>();
  }
}

export function lgamma_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(LGAMMA, x, out, n);
}
export function lgamma_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(LGAMMA, x, out, n);
}
export function digamma_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(DIGAMMA, x, out, n);
}
export function digamma_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(DIGAMMA, x, out, n);
}
export function erfinv_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(ERFINV, x, out, n);
}
export function erfinv_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(ERFINV, x, out, n);
}
export function erfcx_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(ERFCX, x, out, n);
}
export function erfcx_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(ERFCX, x, out, n);
}
export function logNdtr_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(LOG_NDTR, x, out, n);
}
export function logNdtr_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(LOG_NDTR, x, out, n);
}
export function ndtri_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(NDTRI, x, out, n);
}
export function ndtri_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(NDTRI, x, out, n);
}
export function i0_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(I0, x, out, n);
}
export function i0_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(I0, x, out, n);
}
export function i0e_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(I0E, x, out, n);
}
export function i0e_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(I0E, x, out, n);
}
export function i1_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(I1, x, out, n);
}
export function i1_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(I1, x, out, n);
}
export function i1e_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(I1E, x, out, n);
}
export function i1e_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(I1E, x, out, n);
}
export function besselJ0_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(J0, x, out, n);
}
export function besselJ0_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(J0, x, out, n);
}
export function besselJ1_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(J1, x, out, n);
}
export function besselJ1_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(J1, x, out, n);
}
export function besselY0_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(Y0, x, out, n);
}
export function besselY0_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(Y0, x, out, n);
}
export function besselY1_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(Y1, x, out, n);
}
export function besselY1_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(Y1, x, out, n);
}
export function modifiedBesselI0_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(I0, x, out, n);
}
export function modifiedBesselI0_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(I0, x, out, n);
}
export function modifiedBesselI1_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(I1, x, out, n);
}
export function modifiedBesselI1_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(I1, x, out, n);
}
export function modifiedBesselK0_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(K0, x, out, n);
}
export function modifiedBesselK0_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(K0, x, out, n);
}
export function modifiedBesselK1_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(K1, x, out, n);
}
export function modifiedBesselK1_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(K1, x, out, n);
}
export function scaledModifiedBesselK0_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(K0E, x, out, n);
}
export function scaledModifiedBesselK0_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(K0E, x, out, n);
}
export function scaledModifiedBesselK1_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(K1E, x, out, n);
}
export function scaledModifiedBesselK1_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(K1E, x, out, n);
}
export function sphericalBesselJ0_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(SPHERICAL_J0, x, out, n);
}
export function sphericalBesselJ0_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(SPHERICAL_J0, x, out, n);
}
export function airyAi_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(AIRY, x, out, n);
}
export function airyAi_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(AIRY, x, out, n);
}
export function entr_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(ENTR, x, out, n);
}
export function entr_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(ENTR, x, out, n);
}
export function sinc_f32(x: usize, out: usize, n: i32): void {
  unary<f32>(SINC, x, out, n);
}
export function sinc_f64(x: usize, out: usize, n: i32): void {
  unary<f64>(SINC, x, out, n);
}

/** Derivative of digamma of the given order. */
export function polygamma_f32(x: usize, out: usize, n: i32, order: i32): void {
  for (let i: usize = 0; i < (<usize>n) << 2; i += 4)
    store<f32>(out + i, <f32>polygamma(order, <f64>load<f32>(x + i)));
}
export function polygamma_f64(x: usize, out: usize, n: i32, order: i32): void {
  for (let i: usize = 0; i < (<usize>n) << 3; i += 8) store<f64>(out + i, polygamma(order, load<f64>(x + i)));
}

// ---- two operands: out[i, j] = f(a[i ao + j ai], b[i bo + j bi]) ----

const ZETA: i32 = 0;
const IGAMMA: i32 = 1;
const IGAMMAC: i32 = 2;

// @ts-ignore: decorator
@inline
function value2(op: i32, a: f64, b: f64): f64 {
  if (op == ZETA) return zeta(a, b);
  return op == IGAMMA ? igamma(a, b) : igammac(a, b);
}

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
      store<T>(out, <T>value2(op, <f64>load<T>(p), <f64>load<T>(q)));
      out += sizeof<T>();
      p += <usize>ai * sizeof<T>();
      q += <usize>bi * sizeof<T>();
    }
  }
}

export function zeta_f32(
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
  binary<f32>(ZETA, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function zeta_f64(
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
  binary<f64>(ZETA, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function igamma_f32(
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
  binary<f32>(IGAMMA, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function igamma_f64(
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
  binary<f64>(IGAMMA, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function igammac_f32(
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
  binary<f32>(IGAMMAC, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function igammac_f64(
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
  binary<f64>(IGAMMAC, a, b, out, outer, inner, ao, ai, bo, bi);
}
