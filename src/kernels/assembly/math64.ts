/**
 * Exponentials, logarithms and their relatives on two float64 lanes. Free of branches on values, so a lane
 * never depends on its neighbour; the reductions and rational approximations are those of Sun's fdlibm.
 */

// @ts-ignore: decorator
@inline
export function k(x: f64): v128 {
  return f64x2.splat(x);
}

// @ts-ignore: decorator
@inline
export function mad(a: v128, x: v128, b: f64): v128 {
  return f64x2.add(f64x2.mul(a, x), k(b));
}

/** x with the low 32 bits cleared: products of two such numbers are exact. */
// @ts-ignore: decorator
@inline
export function head(x: v128): v128 {
  return v128.and(x, i64x2.splat(0xffffffff00000000));
}

/** The sign bit of s on the magnitude x. */
// @ts-ignore: decorator
@inline
export function withSign(x: v128, s: v128): v128 {
  return v128.bitselect(s, x, k(-0.0));
}

// x * 2^n in two factors, so that gradual underflow rounds once; n an integer in [-2100, 2046].
// @ts-ignore: decorator
@inline
export function scale(x: v128, n: v128): v128 {
  const half = f64x2.floor(f64x2.mul(n, k(0.5)));
  return f64x2.mul(f64x2.mul(x, power2(half)), power2(f64x2.sub(n, half)));
}

// 2^n for integers n in [-1022, 1023]: n + 1023 lands in the low bits of a float of magnitude 2^52.
// @ts-ignore: decorator
@inline
function power2(n: v128): v128 {
  return i64x2.shl(f64x2.add(n, k(4503599627370496.0 + 1023.0)), 52);
}

// exp(hi - lo) for |hi - lo| <= ln(2)/2
// @ts-ignore: decorator
@inline
function expKernel(hi: v128, lo: v128): v128 {
  const r = f64x2.sub(hi, lo);
  const t = f64x2.mul(r, r);
  let p = mad(k(4.13813679705723846039e-8), t, -1.6533902205465251539e-6);
  p = mad(p, t, 6.61375632143793436117e-5);
  p = mad(p, t, -2.7777777777015593384e-3);
  p = mad(p, t, 1.66666666666666019037e-1);
  const c = f64x2.sub(r, f64x2.mul(t, p));
  const q = f64x2.div(f64x2.mul(r, c), f64x2.sub(k(2.0), c));
  return f64x2.sub(k(1.0), f64x2.sub(f64x2.sub(lo, q), hi));
}

// Clamps keep NaN: pmin(x, y) is y < x ? y : x.
// @ts-ignore: decorator
@inline
export function clamp(x: v128, low: f64, high: f64): v128 {
  return f64x2.pmax(f64x2.pmin(x, k(high)), k(low));
}

/** exp(x + tail) * 2^shift, |tail| much smaller than 1. */
// @ts-ignore: decorator
@inline
export function expTail(x: v128, tail: v128, shift: f64): v128 {
  const y = clamp(x, -800.0, 800.0);
  const n = f64x2.nearest(f64x2.mul(y, k(1.44269504088896338700)));
  const hi = f64x2.sub(y, f64x2.mul(n, k(6.93147180369123816490e-1)));
  const lo = f64x2.sub(f64x2.mul(n, k(1.90821492927058770002e-10)), tail);
  return scale(expKernel(hi, lo), f64x2.add(n, k(shift)));
}

// @ts-ignore: decorator
@inline
export function exp64(x: v128): v128 {
  return expTail(x, k(0.0), 0.0);
}

// @ts-ignore: decorator
@inline
export function exp2_64(x: v128): v128 {
  const y = clamp(x, -1200.0, 1200.0);
  const n = f64x2.nearest(y);
  const hi = f64x2.mul(f64x2.sub(y, n), k(0.69314718055994530942));
  return scale(expKernel(hi, k(0.0)), n);
}

// expm1(x) = 2^n * (expm1(r) + (1 - 2^-n)); the bracket is exact to well past n = 53.
// @ts-ignore: decorator
@inline
export function expm1_64(x: v128): v128 {
  const y = clamp(x, -60.0, 800.0);
  const n = f64x2.nearest(f64x2.mul(y, k(1.44269504088896338700)));
  const hi = f64x2.sub(y, f64x2.mul(n, k(6.93147180369123816490e-1)));
  const lo = f64x2.mul(n, k(1.90821492927058770002e-10));
  const r = f64x2.sub(hi, lo);
  const c = f64x2.sub(f64x2.sub(hi, r), lo);
  const h = f64x2.mul(k(0.5), r);
  const z = f64x2.mul(r, h);
  let p = mad(k(-2.01099218183624371326e-7), z, 4.00821782732936239552e-6);
  p = mad(p, z, -7.93650757867487942473e-5);
  p = mad(p, z, 1.58730158725481460165e-3);
  p = mad(p, z, -3.33333333333331316428e-2);
  p = mad(p, z, 1.0);
  const t = f64x2.sub(k(3.0), f64x2.mul(p, h));
  const e = f64x2.mul(z, f64x2.div(f64x2.sub(p, t), f64x2.sub(k(6.0), f64x2.mul(r, t))));
  // r*(e - c) - c vanishes to r*e where n = 0, since then c = 0
  const f = f64x2.sub(f64x2.sub(f64x2.mul(r, f64x2.sub(e, c)), c), z);
  const bracket = f64x2.sub(k(1.0), scale(k(1.0), f64x2.neg(n)));
  const result = scale(f64x2.add(f64x2.sub(r, f), bracket), n);
  // keeps -0
  return v128.bitselect(x, result, f64x2.eq(x, k(0.0)));
}

// The exponent of x > 0 such that x = 2^n * m with m in [sqrt(1/2), sqrt(2)): subtracting the bits of
// sqrt(1/2) makes the exponent field carry at the right mantissa.
// @ts-ignore: decorator
@inline
export function biased(x: v128): v128 {
  return i64x2.add(x, i64x2.splat(0x3ff0000000000000 - 0x3fe6a09e00000000));
}

// @ts-ignore: decorator
@inline
export function exponent(b: v128): v128 {
  return f64x2.sub(v128.or(i64x2.shr_u(b, 52), k(4503599627370496.0)), k(4503599627370496.0 + 1023.0));
}

// @ts-ignore: decorator
@inline
export function mantissa(b: v128): v128 {
  return i64x2.add(v128.and(b, i64x2.splat(0x000fffffffffffff)), i64x2.splat(0x3fe6a09e00000000));
}

// R in log(1+f) = f - f²/2 + s*(f²/2 + R), s = f/(2+f)
// @ts-ignore: decorator
@inline
function logSeries(s: v128): v128 {
  const z = f64x2.mul(s, s);
  const w = f64x2.mul(z, z);
  let p = mad(k(1.479819860511658591e-1), w, 1.818357216161805012e-1);
  p = mad(p, w, 2.857142874366239149e-1);
  p = mad(p, w, 6.66666666666673513e-1);
  let q = mad(k(1.531383769920937332e-1), w, 2.222219843214978396e-1);
  q = mad(q, w, 3.999999999940941908e-1);
  return f64x2.add(f64x2.mul(p, z), f64x2.mul(q, w));
}

// log at 0, negatives, infinity and NaN
// @ts-ignore: decorator
@inline
export function logSpecial(x: v128, y: v128): v128 {
  const infinite = k(Infinity);
  let r = v128.bitselect(y, k(NaN), f64x2.ge(x, k(0.0)));
  r = v128.bitselect(f64x2.neg(infinite), r, f64x2.eq(x, k(0.0)));
  return v128.bitselect(x, r, f64x2.eq(x, infinite));
}

// x scaled out of the denormals
// @ts-ignore: decorator
@inline
function lift(x: v128, tiny: v128): v128 {
  return f64x2.mul(x, v128.bitselect(k(18014398509481984.0), k(1.0), tiny));
}

// @ts-ignore: decorator
@inline
export function log64(x: v128): v128 {
  const tiny = f64x2.lt(x, k(2.2250738585072014e-308));
  const b = biased(lift(x, tiny));
  const n = f64x2.sub(exponent(b), v128.and(tiny, k(54.0)));
  const f = f64x2.sub(mantissa(b), k(1.0));
  const half = f64x2.mul(f64x2.mul(k(0.5), f), f);
  const s = f64x2.div(f, f64x2.add(k(2.0), f));
  const low = f64x2.mul(n, k(1.90821492927058770002e-10));
  const t = f64x2.add(f64x2.mul(s, f64x2.add(half, logSeries(s))), low);
  const y = f64x2.add(f64x2.add(f64x2.sub(t, half), f), f64x2.mul(n, k(6.93147180369123816490e-1)));
  return logSpecial(x, y);
}

// log(x) * c, with c = cHi + cLo, n * log(2) * c = n * nHi + n * nLo
// @ts-ignore: decorator
@inline
function logBase(x: v128, cHi: f64, cLo: f64, nHi: f64, nLo: f64): v128 {
  const tiny = f64x2.lt(x, k(2.2250738585072014e-308));
  const b = biased(lift(x, tiny));
  const n = f64x2.sub(exponent(b), v128.and(tiny, k(54.0)));
  const f = f64x2.sub(mantissa(b), k(1.0));
  const half = f64x2.mul(f64x2.mul(k(0.5), f), f);
  const s = f64x2.div(f, f64x2.add(k(2.0), f));
  const hi = head(f64x2.sub(f, half));
  const lo = f64x2.add(f64x2.sub(f64x2.sub(f, hi), half), f64x2.mul(s, f64x2.add(half, logSeries(s))));
  const big = f64x2.mul(hi, k(cHi));
  const y = f64x2.mul(n, k(nHi));
  const w = f64x2.add(y, big);
  let small = f64x2.add(f64x2.mul(f64x2.add(lo, hi), k(cLo)), f64x2.mul(lo, k(cHi)));
  small = f64x2.add(f64x2.add(small, f64x2.mul(n, k(nLo))), f64x2.add(f64x2.sub(y, w), big));
  return logSpecial(x, f64x2.add(small, w));
}

// @ts-ignore: decorator
@inline
export function log2_64(x: v128): v128 {
  return logBase(x, 1.44269504072144627571, 1.67517131648865118353e-10, 1.0, 0.0);
}

// @ts-ignore: decorator
@inline
export function log10_64(x: v128): v128 {
  return logBase(
    x,
    4.34294481878168880939e-1,
    2.50829467116452752298e-11,
    3.01029995663611771306e-1,
    3.69423907715893078616e-13,
  );
}

// log(u) of the rounded u = 1 + x, plus the part of x that rounding lost
// @ts-ignore: decorator
@inline
export function log1p64(x: v128): v128 {
  const one = k(1.0);
  const u = f64x2.add(one, x);
  const b = biased(u);
  const direct = v128.and(f64x2.gt(x, k(-0.2928)), f64x2.lt(x, k(0.4142)));
  const n = v128.andnot(exponent(b), direct);
  const f = v128.bitselect(x, f64x2.sub(mantissa(b), one), direct);
  const lost = v128.bitselect(
    f64x2.sub(one, f64x2.sub(u, x)),
    f64x2.sub(x, f64x2.sub(u, one)),
    f64x2.gt(x, one),
  );
  const c = v128.andnot(f64x2.div(lost, u), direct);
  const half = f64x2.mul(f64x2.mul(k(0.5), f), f);
  const s = f64x2.div(f, f64x2.add(k(2.0), f));
  let t = f64x2.add(f64x2.mul(n, k(1.90821492927058770002e-10)), c);
  t = f64x2.add(f64x2.mul(s, f64x2.add(half, logSeries(s))), t);
  const y = f64x2.add(f64x2.add(f64x2.sub(t, half), f), f64x2.mul(n, k(6.93147180369123816490e-1)));
  const r = logSpecial(u, y);
  return v128.bitselect(x, r, f64x2.eq(x, k(0.0)));
}

// 1 / (1 + exp(-|x|)), times exp(-|x|) for negative x
// @ts-ignore: decorator
@inline
export function sigmoid64(x: v128): v128 {
  const e = exp64(f64x2.neg(f64x2.abs(x)));
  const top = v128.bitselect(e, k(1.0), f64x2.lt(x, k(0.0)));
  return f64x2.div(top, f64x2.add(k(1.0), e));
}

// @ts-ignore: decorator
@inline
export function silu64(x: v128): v128 {
  return f64x2.mul(x, sigmoid64(x));
}

// min(x, 0) - log1p(exp(-|x|))
// @ts-ignore: decorator
@inline
export function logSigmoid64(x: v128): v128 {
  const e = exp64(f64x2.neg(f64x2.abs(x)));
  return f64x2.sub(f64x2.pmin(x, k(0.0)), log1p64(e));
}

// max(x, 0) + log1p(exp(-|x|))
// @ts-ignore: decorator
@inline
export function softplus64(x: v128): v128 {
  const e = exp64(f64x2.neg(f64x2.abs(x)));
  return f64x2.add(f64x2.pmax(x, k(0.0)), log1p64(e));
}

// With t = expm1(-2|x|): tanh|x| = -t / (t + 2)
// @ts-ignore: decorator
@inline
export function tanh64(x: v128): v128 {
  const t = expm1_64(f64x2.mul(f64x2.abs(x), k(-2.0)));
  return withSign(f64x2.div(f64x2.neg(t), f64x2.add(t, k(2.0))), x);
}

// Below 1 by expm1, above by E - 1/(4E) with E = exp|x| / 2, which overflows where sinh does.
// @ts-ignore: decorator
@inline
export function sinh64(x: v128): v128 {
  const a = f64x2.abs(x);
  const t = expm1_64(f64x2.pmin(a, k(1.0)));
  const small = f64x2.mul(k(0.5), f64x2.add(t, f64x2.div(t, f64x2.add(t, k(1.0)))));
  const e = expTail(a, k(0.0), -1.0);
  const large = f64x2.sub(e, f64x2.div(k(0.25), e));
  return withSign(v128.bitselect(small, large, f64x2.lt(a, k(1.0))), x);
}

// @ts-ignore: decorator
@inline
export function cosh64(x: v128): v128 {
  const e = expTail(f64x2.abs(x), k(0.0), -1.0);
  return f64x2.add(e, f64x2.div(k(0.25), e));
}

// log1p(a + a²/(1 + sqrt(a² + 1))); from 2^26 on log(a) + ln 2
// @ts-ignore: decorator
@inline
export function asinh64(x: v128): v128 {
  const a = f64x2.abs(x);
  const big = f64x2.gt(a, k(67108864.0));
  const z = f64x2.mul(a, a);
  const root = f64x2.sqrt(f64x2.add(z, k(1.0)));
  const near = f64x2.add(a, f64x2.div(z, f64x2.add(k(1.0), root)));
  const y = log1p64(v128.bitselect(f64x2.sub(a, k(1.0)), near, big));
  return withSign(f64x2.add(y, v128.and(big, k(0.69314718055994530942))), x);
}

// With t = x - 1: log1p(t + sqrt(2t + t²)); from 2^26 on log(x) + ln 2
// @ts-ignore: decorator
@inline
export function acosh64(x: v128): v128 {
  const big = f64x2.gt(x, k(67108864.0));
  const t = f64x2.sub(x, k(1.0));
  const root = f64x2.sqrt(f64x2.add(f64x2.mul(k(2.0), t), f64x2.mul(t, t)));
  const y = log1p64(v128.bitselect(t, f64x2.add(t, root), big));
  const r = f64x2.add(y, v128.and(big, k(0.69314718055994530942)));
  return v128.bitselect(k(NaN), r, f64x2.lt(x, k(1.0)));
}

// log1p(2a/(1-a)) / 2, below one half with the quotient expanded to 2a + 2a²/(1-a)
// @ts-ignore: decorator
@inline
export function atanh64(x: v128): v128 {
  const a = f64x2.abs(x);
  const two = f64x2.add(a, a);
  const rest = f64x2.sub(k(1.0), a);
  const small = f64x2.add(two, f64x2.div(f64x2.mul(two, a), rest));
  const arg = v128.bitselect(small, f64x2.div(two, rest), f64x2.lt(a, k(0.5)));
  return withSign(f64x2.mul(k(0.5), log1p64(arg)), x);
}

// log(exp(a) + exp(b)) = max + log1p(exp(-|a - b|)); equal infinities give themselves
// @ts-ignore: decorator
@inline
export function logaddexp64(a: v128, b: v128): v128 {
  const m = f64x2.max(a, b);
  const y = f64x2.add(m, log1p64(exp64(f64x2.neg(f64x2.abs(f64x2.sub(a, b))))));
  return v128.bitselect(a, y, v128.and(f64x2.eq(a, b), f64x2.eq(f64x2.abs(a), k(Infinity))));
}

// @ts-ignore: decorator
@inline
export function logaddexp2_64(a: v128, b: v128): v128 {
  const m = f64x2.max(a, b);
  const t = log1p64(exp2_64(f64x2.neg(f64x2.abs(f64x2.sub(a, b)))));
  const y = f64x2.add(m, f64x2.mul(t, k(1.44269504088896338700)));
  return v128.bitselect(a, y, v128.and(f64x2.eq(a, b), f64x2.eq(f64x2.abs(a), k(Infinity))));
}
