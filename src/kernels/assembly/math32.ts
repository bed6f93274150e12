/**
 * Functions on four float32 lanes. The common ones run in float32; those marked "wide" evaluate on float64
 * lanes with polynomials cut to float32 accuracy, which leaves little more than the final rounding.
 */

import { biased, exponent, k, logSpecial, mad, mantissa } from "./math64";

// @ts-ignore: decorator
@inline
export function c(x: f32): v128 {
  return f32x4.splat(x);
}

// @ts-ignore: decorator
@inline
export function mad32(a: v128, x: v128, b: f32): v128 {
  return f32x4.add(f32x4.mul(a, x), c(b));
}

// x * 2^n in two factors, so that gradual underflow rounds once.
// @ts-ignore: decorator
@inline
export function scale32(x: v128, n: v128): v128 {
  const half = i32x4.shr_s(n, 1);
  const bias = i32x4.splat(127);
  const s = i32x4.shl(i32x4.add(half, bias), 23);
  const t = i32x4.shl(i32x4.add(i32x4.sub(n, half), bias), 23);
  return f32x4.mul(f32x4.mul(x, s), t);
}

// exp(r) = 1 + (r + r² q(r)); the nearest integer n is read off the mantissa of x log2(e) + 3*2^22.
// @ts-ignore: decorator
@inline
export function exp32(x: v128): v128 {
  const y = f32x4.pmax(f32x4.pmin(x, c(90.0)), c(-106.0));
  const shifted = f32x4.add(f32x4.mul(y, c(1.44269504)), c(12582912.0));
  const n = f32x4.sub(shifted, c(12582912.0));
  const hi = f32x4.sub(y, f32x4.mul(n, c(0.693359375)));
  const lo = f32x4.mul(n, c(-2.12194440e-4));
  const r = f32x4.sub(hi, lo);
  let q = mad32(c(1.39262504e-3), r, 8.36323295e-3);
  q = mad32(q, r, 4.16665524e-2);
  q = mad32(q, r, 1.66665763e-1);
  q = mad32(q, r, 0.5);
  const p = f32x4.add(hi, f32x4.sub(f32x4.mul(f32x4.mul(r, r), q), lo));
  return scale32(f32x4.add(c(1.0), p), i32x4.sub(shifted, i32x4.splat(0x4b400000)));
}

// exp(x) for results that are normal numbers: x is cut to [-87, 88]. The product keeps a NaN, whatever its bits.
// @ts-ignore: decorator
@inline
export function expNormal32(x: v128): v128 {
  const y = f32x4.pmax(f32x4.pmin(x, c(88.0)), c(-87.0));
  const shifted = f32x4.add(f32x4.mul(y, c(1.44269504)), c(12582912.0 + 127.0));
  const n = f32x4.sub(shifted, c(12582912.0 + 127.0));
  const hi = f32x4.sub(y, f32x4.mul(n, c(0.693359375)));
  const lo = f32x4.mul(n, c(-2.12194440e-4));
  const r = f32x4.sub(hi, lo);
  const z = f32x4.mul(r, r);
  const top = f32x4.mul(mad32(c(1.39262504e-3), r, 8.36323295e-3), z);
  const q = mad32(f32x4.add(top, mad32(c(4.16665524e-2), r, 1.66665763e-1)), r, 0.5);
  const p = f32x4.add(hi, f32x4.sub(f32x4.mul(z, q), lo));
  return f32x4.mul(f32x4.add(c(1.0), p), i32x4.shl(shifted, 23));
}

// n log(2) + log(1 + f) after musl's logf: s = f/(2+f), log(1+f) = f - f²/2 + s*(f²/2 + R(s²))
// @ts-ignore: decorator
@inline
export function logOf32(f: v128, n: v128): v128 {
  const s = f32x4.div(f, f32x4.add(c(2.0), f));
  const z = f32x4.mul(s, s);
  const w = f32x4.mul(z, z);
  const even = f32x4.mul(w, mad32(c(0.24279079), w, 0.40000972));
  const odd = f32x4.mul(z, mad32(c(0.28498787), w, 0.66666663));
  const half = f32x4.mul(f32x4.mul(c(0.5), f), f);
  const tail = f32x4.add(
    f32x4.mul(s, f32x4.add(half, f32x4.add(even, odd))),
    f32x4.mul(n, c(9.0580006145e-6)),
  );
  return f32x4.add(f32x4.add(f32x4.sub(tail, half), f), f32x4.mul(n, c(0.69313812256)));
}

// @ts-ignore: decorator
@inline
export function log32(x: v128): v128 {
  const tiny = f32x4.lt(x, c(1.17549435e-38));
  const a = f32x4.mul(x, v128.bitselect(c(33554432.0), c(1.0), tiny));
  const b = i32x4.add(a, i32x4.splat(0x3f800000 - 0x3f3504f3));
  const e = i32x4.sub(i32x4.shr_u(b, 23), i32x4.add(i32x4.splat(127), v128.and(tiny, i32x4.splat(25))));
  const n = f32x4.convert_i32x4_s(e);
  const m = i32x4.add(v128.and(b, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3));
  const y = logOf32(f32x4.sub(m, c(1.0)), n);
  let r = v128.bitselect(y, c(NaN), f32x4.ge(x, c(0.0)));
  r = v128.bitselect(c(-Infinity), r, f32x4.eq(x, c(0.0)));
  return v128.bitselect(x, r, f32x4.eq(x, c(Infinity)));
}

// A polynomial below 5/8, 1 - 2/(exp(2a) + 1) above.
// @ts-ignore: decorator
@inline
export function tanh32(x: v128): v128 {
  const a = f32x4.abs(x);
  const e = expNormal32(f32x4.add(a, a));
  const large = f32x4.sub(c(1.0), f32x4.div(c(2.0), f32x4.add(e, c(1.0))));
  const z = f32x4.mul(x, x);
  let p = mad32(c(-6.04516501e-3), z, 2.09613293e-2);
  p = mad32(p, z, -5.38432635e-2);
  p = mad32(p, z, 0.133327186);
  p = mad32(p, z, -0.333333284);
  const small = f32x4.add(a, f32x4.mul(f32x4.mul(a, z), p));
  const r = v128.bitselect(small, large, f32x4.lt(a, c(0.625)));
  return v128.bitselect(x, r, c(-0.0));
}

// Wide: exp(r) - 1 for r = y - n ln 2, where `shifted` holds n in its low bits.
// @ts-ignore: decorator
@inline
function expm1Rest(y: v128, shifted: v128): v128 {
  const r = f64x2.sub(y, f64x2.mul(f64x2.sub(shifted, k(6755399441055744.0)), k(0.69314718055994530942)));
  let q = mad(k(1.392617611993558e-3), r, 8.363173074513711e-3);
  q = mad(q, r, 4.1666554662050534e-2);
  q = mad(q, r, 1.666657702559799e-1);
  q = mad(q, r, 0.5);
  return f64x2.add(r, f64x2.mul(f64x2.mul(r, r), q));
}

// Wide: exp(x) on float64 lanes, relative error 2e-9.
// @ts-ignore: decorator
@inline
export function expWide(x: v128): v128 {
  const y = f64x2.pmax(f64x2.pmin(x, k(700.0)), k(-700.0));
  const shifted = f64x2.add(f64x2.mul(y, k(1.44269504088896338700)), k(6755399441055744.0));
  return i64x2.add(f64x2.add(k(1.0), expm1Rest(y, shifted)), i64x2.shl(shifted, 52));
}

// Wide: exp(x) - 1 = 2^n p + (2^n - 1), p = exp(r) - 1; relative error 4e-9.
// @ts-ignore: decorator
@inline
export function expm1Wide(x: v128): v128 {
  const y = f64x2.pmax(f64x2.pmin(x, k(700.0)), k(-700.0));
  const shifted = f64x2.add(f64x2.mul(y, k(1.44269504088896338700)), k(6755399441055744.0));
  const p = expm1Rest(y, shifted);
  const s = i64x2.add(k(1.0), i64x2.shl(shifted, 52));
  return v128.bitselect(x, f64x2.add(f64x2.mul(s, p), f64x2.sub(s, k(1.0))), f64x2.eq(x, k(0.0)));
}

// With t = expm1|x|: sinh|x| = (t + t / (t + 1)) / 2
// @ts-ignore: decorator
@inline
export function sinhWide(x: v128): v128 {
  const t = expm1Wide(f64x2.abs(x));
  const y = f64x2.mul(k(0.5), f64x2.add(t, f64x2.div(t, f64x2.add(t, k(1.0)))));
  return v128.bitselect(x, y, k(-0.0));
}

// @ts-ignore: decorator
@inline
export function coshWide(x: v128): v128 {
  const e = expWide(x);
  return f64x2.mul(k(0.5), f64x2.add(e, f64x2.div(k(1.0), e)));
}

// @ts-ignore: decorator
@inline
export function sigmoidWide(x: v128): v128 {
  return f64x2.div(k(1.0), f64x2.add(k(1.0), expWide(f64x2.neg(x))));
}

// x * s, with s < 1e-50 flushed to zero: so -infinity gives NaN, as it does in PyTorch.
// @ts-ignore: decorator
@inline
function weighted(x: v128, s: v128): v128 {
  return f64x2.mul(x, v128.andnot(s, f64x2.lt(s, k(1.0e-50))));
}

// 2 sqrt(2/pi) (x + 0.044715 x³), so that gelu_tanh(x) = x * sigmoid(u)
// @ts-ignore: decorator
@inline
export function geluTanhArgument(x: v128): v128 {
  const z = f64x2.mul(x, x);
  return f64x2.mul(x, mad(k(0.07135481627260025), z, 1.59576912160573071176));
}

// @ts-ignore: decorator
@inline
export function geluTanhWide(x: v128): v128 {
  return weighted(x, sigmoidWide(geluTanhArgument(x)));
}

// g of erf64.ts for a in [0, 11], relative error 6e-9
// @ts-ignore: decorator
@inline
function g(a: v128): v128 {
  const t = f64x2.div(f64x2.sub(a, k(2.0)), f64x2.add(f64x2.mul(a, k(1.0 - 4.0 / 11.0)), k(2.0)));
  const z = f64x2.mul(t, t);
  let even = mad(k(-1.532138979972646e-05), z, 0.0004121778729667446);
  even = mad(even, z, -0.00872941383517797);
  even = mad(even, z, -0.08387425620465155);
  even = mad(even, z, -0.0973447290438836);
  even = mad(even, z, 1.2769783815525286);
  let odd = mad(k(-7.876621173912672e-05), z, 0.0005006012550901125);
  odd = mad(odd, z, 0.03514471098876029);
  odd = mad(odd, z, 0.12775788955122594);
  odd = mad(odd, z, -0.07589760209997082);
  return f64x2.add(even, f64x2.mul(odd, t));
}

// @ts-ignore: decorator
@inline
function erfcPositive(a: v128): v128 {
  const b = f64x2.pmin(a, k(11.0));
  return f64x2.div(f64x2.mul(expWide(f64x2.neg(f64x2.mul(b, b))), g(b)), f64x2.add(k(1.0), f64x2.add(b, b)));
}

// @ts-ignore: decorator
@inline
export function erfcWide(x: v128): v128 {
  const y = erfcPositive(f64x2.abs(x));
  return v128.bitselect(f64x2.sub(k(2.0), y), y, f64x2.lt(x, k(0.0)));
}

// @ts-ignore: decorator
@inline
export function erfWide(x: v128): v128 {
  const a = f64x2.abs(x);
  const z = f64x2.mul(x, x);
  let p = mad(k(7.875875062685488e-05), z, -0.000801686428716587);
  p = mad(p, z, 0.005189087423433974);
  p = mad(p, z, -0.026854212010626412);
  p = mad(p, z, 0.11283594715160218);
  p = mad(p, z, -0.37612626666720334);
  p = mad(p, z, 1.1283791658483509);
  const y = v128.bitselect(f64x2.mul(p, a), f64x2.sub(k(1.0), erfcPositive(a)), f64x2.lt(a, k(0.75)));
  return v128.bitselect(x, y, k(-0.0));
}

// log(x) * c where log(2) * c = c2, relative error 3e-11; x a float32 value, so never denormal here.
// @ts-ignore: decorator
@inline
function logScaled(x: v128, scale: f64, c2: f64): v128 {
  const b = biased(x);
  const f = f64x2.sub(mantissa(b), k(1.0));
  const s = f64x2.div(f, f64x2.add(k(2.0), f));
  const z = f64x2.mul(s, s);
  let p = mad(k(0.24279078841), z, 0.28498786688);
  p = mad(p, z, 0.40000972152);
  p = mad(p, z, 0.66666662693);
  const half = f64x2.mul(f64x2.mul(k(0.5), f), f);
  const r = f64x2.sub(f, f64x2.sub(half, f64x2.mul(s, f64x2.add(half, f64x2.mul(z, p)))));
  return f64x2.add(f64x2.mul(exponent(b), k(c2)), scale == 1.0 ? r : f64x2.mul(r, k(scale)));
}

// @ts-ignore: decorator
@inline
export function log2Wide(x: v128): v128 {
  return logSpecial(x, logScaled(x, 1.44269504088896338700, 1.0));
}

// @ts-ignore: decorator
@inline
export function log10Wide(x: v128): v128 {
  return logSpecial(x, logScaled(x, 0.43429448190325182765, 0.30102999566398119521));
}

// 2^x by the polynomial of expWide; x in [-1000, 1000]
// @ts-ignore: decorator
@inline
export function exp2Wide(x: v128): v128 {
  return expWide(f64x2.mul(x, k(0.69314718055994530942)));
}
