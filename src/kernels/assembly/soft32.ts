/**
 * Exponentials of float32 lanes and what is made of them: sigmoid, silu, softplus, expm1, log1p and slopes. All stay in
 * float32: functions are at most 2 ulp off, silu 2.4 as PyTorch's is; silu's slope, which crosses zero, about 2 ulp of 1.
 */

import { c, logOf32, mad32 } from "./math32";

// n, the nearest integer to y / ln 2, is read off the mantissa of y log2(e) + magic; where the low bits of the
// magic number add 127 to it, these are the exponent field of 2^n.
// @ts-ignore: decorator
@inline
function nearest(y: v128, magic: f32): v128 {
  return f32x4.add(f32x4.mul(y, c(1.44269504)), c(magic));
}

// exp(r) - 1 = r + r² q(r) for r = y - n ln 2, ln 2 in two parts
// @ts-ignore: decorator
@inline
function expm1Rest(y: v128, n: v128): v128 {
  const hi = f32x4.sub(y, f32x4.mul(n, c(0.693359375)));
  const lo = f32x4.mul(n, c(-2.12194440e-4));
  const r = f32x4.sub(hi, lo);
  const z = f32x4.mul(r, r);
  const top = f32x4.mul(mad32(c(1.39262504e-3), r, 8.36323295e-3), z);
  const q = mad32(f32x4.add(top, mad32(c(4.16665524e-2), r, 1.66665763e-1)), r, 0.5);
  return f32x4.add(hi, f32x4.sub(f32x4.mul(z, q), lo));
}

// 2^-shift (one + exp(y)), where 2^(n - shift) must be a normal number
// @ts-ignore: decorator
@inline
function expPlus(one: f32, y: v128, shift: f32): v128 {
  const magic: f32 = 12582912.0 + 127.0 - shift;
  const shifted = nearest(y, magic);
  const s = i32x4.shl(shifted, 23);
  const p = expm1Rest(y, f32x4.sub(shifted, c(magic)));
  return f32x4.add(one == 0.0 ? s : f32x4.add(c(one), s), f32x4.mul(s, p));
}

const TWO_M24: f32 = 5.9604644775390625e-8;

// exp(-|x|), by way of 2^24 times it, which is a normal number
// @ts-ignore: decorator
@inline
function expDown32(x: v128): v128 {
  return f32x4.mul(expPlus(0.0, f32x4.pmax(f32x4.neg(f32x4.abs(x)), c(-104.0)), -24.0), c(TWO_M24));
}

// one / (one + one exp(-x)) = one / (d + lost) = q - q (lost q / one), q = one / d, where `lost` is what rounding took from
// the divisor d = one + s + s p; one is 2^-24, so that d stays finite
// @ts-ignore: decorator
@inline
export function sigmoid32(x: v128): v128 {
  const one = c(TWO_M24);
  const y = f32x4.pmin(f32x4.pmax(f32x4.neg(x), c(-20.0)), c(104.0));
  const magic: f32 = 12582912.0 + 127.0 - 24.0;
  const shifted = nearest(y, magic);
  const s = i32x4.shl(shifted, 23);
  const rest = f32x4.mul(s, expm1Rest(y, f32x4.sub(shifted, c(magic))));
  const sum = f32x4.add(one, s);
  const d = f32x4.add(sum, rest);
  const lost = f32x4.add(f32x4.add(f32x4.sub(s, sum), one), f32x4.add(f32x4.sub(sum, d), rest));
  const q = f32x4.div(one, d);
  return f32x4.sub(q, f32x4.mul(q, f32x4.mul(f32x4.mul(lost, c(16777216.0)), q)));
}

// (x / 2) / (1/2 + exp(-x) / 2); 0 x below -89, as in PyTorch, which makes -infinity NaN
// @ts-ignore: decorator
@inline
export function silu32(x: v128): v128 {
  const y = f32x4.pmin(f32x4.pmax(f32x4.neg(x), c(-20.0)), c(89.0));
  const half = v128.and(c(0.5), f32x4.gt(x, c(-89.0)));
  return f32x4.div(f32x4.mul(x, half), expPlus(0.5, y, 1.0));
}

// s + x s (1 - s), where s is 1 / (1 + e) or e / (1 + e)
// @ts-ignore: decorator
@inline
export function siluSlope32(x: v128): v128 {
  const e = expDown32(x);
  const r = f32x4.div(c(1.0), f32x4.add(c(1.0), e));
  const t = f32x4.mul(e, r);
  return f32x4.add(v128.bitselect(t, r, f32x4.lt(x, c(0.0))), f32x4.mul(x, f32x4.mul(t, r)));
}

// exp(x) - 1 = 2 (2^(n-1) p + (2^(n-1) - 1/2)), p = exp(r) - 1
// @ts-ignore: decorator
@inline
export function expm1_32(x: v128): v128 {
  const y = f32x4.pmax(f32x4.pmin(x, c(89.0)), c(-20.0));
  const shifted = nearest(y, 12582912.0 + 126.0);
  const s = i32x4.shl(shifted, 23);
  const p = expm1Rest(y, f32x4.sub(shifted, c(12582912.0 + 126.0)));
  const h = f32x4.add(f32x4.mul(s, p), f32x4.sub(s, c(0.5)));
  return v128.or(f32x4.add(h, h), v128.and(x, c(-0.0)));
}

// log(1 + exp(-|x|))
// @ts-ignore: decorator
@inline
function softTail32(x: v128): v128 {
  const e = expDown32(x);
  const above = f32x4.gt(e, c(0.41421357));
  const f = v128.bitselect(f32x4.mul(f32x4.sub(e, c(1.0)), c(0.5)), e, above);
  return logOf32(f, v128.and(above, c(1.0)));
}

// log(1 + exp(x))
// @ts-ignore: decorator
@inline
export function softplus32(x: v128): v128 {
  return f32x4.add(f32x4.pmax(x, c(0.0)), softTail32(x));
}

// @ts-ignore: decorator
@inline
export function logSigmoid32(x: v128): v128 {
  return f32x4.sub(f32x4.pmin(x, c(0.0)), softTail32(x));
}

// 1 + x = 2^n (1 + f), where 2^-n times the rounding error of 1 + x belongs to f
// @ts-ignore: decorator
@inline
export function log1p32(x: v128): v128 {
  const u = f32x4.add(c(1.0), x);
  const b = i32x4.add(u, i32x4.splat(0x3f800000 - 0x3f3504f3));
  const n = i32x4.sub(i32x4.shr_u(b, 23), i32x4.splat(127));
  const m = i32x4.add(v128.and(b, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3));
  const big = f32x4.gt(x, c(1.0));
  const lost = f32x4.sub(v128.bitselect(c(1.0), x, big), f32x4.sub(u, v128.bitselect(x, c(1.0), big)));
  const power = i32x4.max_s(i32x4.sub(c(1.0), i32x4.shl(n, 23)), i32x4.splat(0)); // 2^-n
  const f = f32x4.add(f32x4.sub(m, c(1.0)), f32x4.mul(lost, power));
  const y = logOf32(f, f32x4.convert_i32x4_s(n));
  let r = v128.bitselect(y, c(NaN), f32x4.ge(u, c(0.0)));
  r = v128.bitselect(c(-Infinity), r, f32x4.eq(u, c(0.0)));
  return v128.bitselect(x, r, v128.or(f32x4.eq(x, c(0.0)), f32x4.eq(x, c(Infinity))));
}
