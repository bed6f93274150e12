/**
 * Error function family on two float64 lanes, from one fit: g(a) = (1 + 2a) * exp(a²) * erfc(a) lies between
 * 1 and 1.26 for a >= 0 and is a polynomial in t = (a - c)/(d*a + c), which maps the range of a to [-1, 1].
 * The polynomials are Chebyshev interpolants, rewritten in powers of t.
 */

import { expTail, head, k, mad } from "./math64";

// a in [0, 28], relative error 1e-17
// @ts-ignore: decorator
@inline
function g(a: v128): v128 {
  const t = f64x2.div(f64x2.sub(a, k(3.0)), f64x2.add(f64x2.mul(a, k(1.0 - 6.0 / 28.0)), k(3.0)));
  const z = f64x2.mul(t, t);
  let even = mad(k(-1.9875509293558587e-10), z, 2.823266631482884e-09);
  even = mad(even, z, -2.724457901291909e-08);
  even = mad(even, z, 2.428371008437059e-07);
  even = mad(even, z, -1.989913775249668e-06);
  even = mad(even, z, 9.570923083883683e-06);
  even = mad(even, z, 0.00015524822372834962);
  even = mad(even, z, -0.00504442226229456);
  even = mad(even, z, -0.04266692531778336);
  even = mad(even, z, -0.10661849015507018);
  even = mad(even, z, -0.024942412004545028);
  even = mad(even, z, 1.2530080582697296);
  let odd = mad(k(1.2661248609925688e-10), z, -1.8654275153012394e-09);
  odd = mad(odd, z, 2.525923494928534e-08);
  odd = mad(odd, z, -4.089890353310402e-07);
  odd = mad(odd, z, 6.8054432698494904e-06);
  odd = mad(odd, z, -9.724319008657807e-05);
  odd = mad(odd, z, 0.0006836366790195164);
  odd = mad(odd, z, 0.017610289072778805);
  odd = mad(odd, z, 0.07777229409440913);
  odd = mad(odd, z, 0.09901373267485063);
  odd = mad(odd, z, -0.12109027332551905);
  return f64x2.add(even, f64x2.mul(odd, t));
}

// erfc(a) for a >= 0. With h the head of a, exp(-a²) = exp(-h² + (h-a)(h+a)), and h² is exact.
// @ts-ignore: decorator
@inline
function erfcPositive(a: v128): v128 {
  const b = f64x2.pmin(a, k(28.0));
  const h = head(b);
  const tail = f64x2.mul(f64x2.sub(h, b), f64x2.add(h, b));
  const e = expTail(f64x2.neg(f64x2.mul(h, h)), tail, 0.0);
  return f64x2.div(f64x2.mul(e, g(b)), f64x2.add(k(1.0), f64x2.add(b, b)));
}

// erf(x) for |x| < 3/4
// @ts-ignore: decorator
@inline
function erfSmall(x: v128): v128 {
  const z = f64x2.mul(x, x);
  let p = mad(k(5.957176147748911e-11), z, -1.1372848856791674e-09);
  p = mad(p, z, 1.4659775274047436e-08);
  p = mad(p, z, -1.6350312701054695e-07);
  p = mad(p, z, 1.6461000484121368e-06);
  p = mad(p, z, -1.4925595266831182e-05);
  p = mad(p, z, 0.0001205533111164271);
  p = mad(p, z, -0.000854832698083379);
  p = mad(p, z, 0.0052239776248180145);
  p = mad(p, z, -0.026866170645076792);
  p = mad(p, z, 0.11283791670954879);
  p = mad(p, z, -0.3761263890318375);
  p = mad(p, z, 1.1283791670955126);
  return f64x2.mul(p, x);
}

// Near 0 from erf, which makes erfc(0) exactly 1.
// @ts-ignore: decorator
@inline
export function erfc64(x: v128): v128 {
  const a = f64x2.abs(x);
  const y = erfcPositive(a);
  const r = v128.bitselect(f64x2.sub(k(2.0), y), y, f64x2.lt(x, k(0.0)));
  return v128.bitselect(f64x2.sub(k(1.0), erfSmall(x)), r, f64x2.lt(a, k(0.5)));
}

// A polynomial below 3/4, 1 - erfc above.
// @ts-ignore: decorator
@inline
export function erf64(x: v128): v128 {
  const a = f64x2.abs(x);
  const far = v128.bitselect(f64x2.sub(k(1.0), erfcPositive(a)), a, f64x2.eq(a, a));
  const y = v128.bitselect(erfSmall(a), far, f64x2.lt(a, k(0.75)));
  return v128.bitselect(x, y, k(-0.0));
}

// Phi(-a) = erfc(a / sqrt(2)) / 2 for a >= 0; the exponent a²/2 is split as above.
// @ts-ignore: decorator
@inline
function normalTail(a: v128, e: v128): v128 {
  const b = f64x2.mul(a, k(0.70710678118654752440));
  const top = f64x2.mul(f64x2.mul(k(0.5), e), g(f64x2.pmin(b, k(28.0))));
  return f64x2.div(top, f64x2.add(k(1.0), f64x2.add(b, b)));
}

// exp(-a²/2)
// @ts-ignore: decorator
@inline
function bell(x: v128): v128 {
  const a = f64x2.pmin(f64x2.abs(x), k(40.0));
  const h = head(a);
  const tail = f64x2.mul(f64x2.mul(k(0.5), f64x2.sub(h, a)), f64x2.add(h, a));
  return expTail(f64x2.mul(k(-0.5), f64x2.mul(h, h)), tail, 0.0);
}

// The normal distribution function, accurate in the left tail too, and exactly 1/2 at 0.
// @ts-ignore: decorator
@inline
function normal(x: v128, e: v128): v128 {
  const y = normalTail(f64x2.abs(x), e);
  const r = v128.bitselect(y, f64x2.sub(k(1.0), y), f64x2.lt(x, k(0.0)));
  const b = f64x2.mul(x, k(0.70710678118654752440));
  const center = f64x2.add(k(0.5), f64x2.mul(k(0.5), erfSmall(b)));
  return v128.bitselect(center, r, f64x2.lt(f64x2.abs(b), k(0.5)));
}

// @ts-ignore: decorator
@inline
export function gelu64(x: v128): v128 {
  return f64x2.mul(x, normal(x, bell(x)));
}

// d/dx x*Phi(x) = Phi(x) + x*phi(x)
// @ts-ignore: decorator
@inline
export function geluSlope64(x: v128): v128 {
  const e = bell(x);
  const density = f64x2.mul(e, k(0.39894228040143267794));
  return f64x2.add(normal(x, e), f64x2.mul(x, density));
}

