/**
 * x^y on two float64 lanes after fdlibm: log2|x| as a sum of two doubles (70 bits), times y, then 2^z.
 */

import { exp2Wide, log2Wide } from "./math32";
import { head, k, mad, scale } from "./math64";

// log2(a) for normal a > 0 as hi + lo: a = 2^n * m, m near 1 or 3/2, u = (m - b)/(m + b) in two parts.
// @ts-ignore: decorator
@inline
function power(a: v128, y: v128): v128 {
  const tiny = f64x2.lt(a, k(2.2250738585072014e-308));
  const b = f64x2.mul(a, v128.bitselect(k(18014398509481984.0), k(1.0), tiny));
  const fraction = v128.and(b, i64x2.splat(0x000fffffffffffff));
  let m = v128.or(fraction, k(1.0));
  const upper = f64x2.ge(m, k(1.7320508075688772));
  const middle = v128.andnot(f64x2.gt(m, k(1.2247448713915890)), upper);
  m = v128.bitselect(f64x2.mul(m, k(0.5)), m, upper);
  let n = f64x2.sub(v128.or(i64x2.shr_u(b, 52), k(4503599627370496.0)), k(4503599627370496.0 + 1023.0));
  n = f64x2.add(f64x2.sub(n, v128.and(tiny, k(54.0))), v128.and(upper, k(1.0)));
  const base = v128.bitselect(k(1.5), k(1.0), middle);

  const u = f64x2.sub(m, base);
  const sum = f64x2.add(m, base);
  const v = f64x2.div(k(1.0), sum);
  const s = f64x2.mul(u, v);
  const sh = head(s);
  const th = head(sum);
  const tl = f64x2.sub(m, f64x2.sub(th, base));
  const sl = f64x2.mul(v, f64x2.sub(f64x2.sub(u, f64x2.mul(sh, th)), f64x2.mul(sh, tl)));
  const z = f64x2.mul(s, s);
  let r = mad(k(2.06975017800338417784e-1), z, 2.30660745775561754067e-1);
  r = mad(r, z, 2.72728123808534006489e-1);
  r = mad(r, z, 3.33333329818377432918e-1);
  r = mad(r, z, 4.28571428578550184252e-1);
  r = mad(r, z, 5.99999999999994648725e-1);
  r = f64x2.add(f64x2.mul(f64x2.mul(z, z), r), f64x2.mul(sl, f64x2.add(sh, s)));
  const square = f64x2.mul(sh, sh);
  const ch = head(f64x2.add(f64x2.add(k(3.0), square), r));
  const cl = f64x2.sub(r, f64x2.sub(f64x2.sub(ch, k(3.0)), square));
  const product = f64x2.mul(sh, ch);
  const rest = f64x2.add(f64x2.mul(sl, ch), f64x2.mul(cl, s));
  const ph = head(f64x2.add(product, rest));
  const pl = f64x2.sub(rest, f64x2.sub(ph, product));
  const zh = f64x2.mul(k(9.61796700954437255859e-1), ph);
  let zl = f64x2.mul(k(-7.02846165095275826516e-9), ph);
  zl = f64x2.add(zl, f64x2.mul(pl, k(9.61796693925975554329e-1)));
  zl = f64x2.add(zl, v128.and(middle, k(1.35003920212974897128e-8)));
  const dh = v128.and(middle, k(5.84962487220764160156e-1));
  const hi = head(f64x2.add(f64x2.add(f64x2.add(zh, zl), dh), n));
  const lo = f64x2.sub(zl, f64x2.sub(f64x2.sub(f64x2.sub(hi, n), dh), zh));

  const yh = head(y);
  const low = f64x2.add(f64x2.mul(f64x2.sub(y, yh), hi), f64x2.mul(y, lo));
  const high = f64x2.mul(yh, hi);
  const exponent = f64x2.add(low, high);
  const e = f64x2.nearest(f64x2.pmax(f64x2.pmin(exponent, k(1100.0)), k(-1200.0)));
  const left = f64x2.sub(high, e);
  const t = head(f64x2.add(low, left));
  const p = f64x2.mul(t, k(6.93147182464599609375e-1));
  const q = f64x2.add(
    f64x2.mul(f64x2.sub(low, f64x2.sub(t, left)), k(6.93147180559945286227e-1)),
    f64x2.mul(t, k(-1.90465429995776804525e-9)),
  );
  const x = f64x2.add(p, q);
  const w = f64x2.sub(q, f64x2.sub(x, p));
  const xx = f64x2.mul(x, x);
  let c = mad(k(4.13813679705723846039e-8), xx, -1.65339022054652515390e-6);
  c = mad(c, xx, 6.61375632143793436117e-5);
  c = mad(c, xx, -2.77777777770155933842e-3);
  c = mad(c, xx, 1.66666666666666019037e-1);
  c = f64x2.sub(x, f64x2.mul(xx, c));
  const d = f64x2.sub(
    f64x2.div(f64x2.mul(x, c), f64x2.sub(c, k(2.0))),
    f64x2.add(w, f64x2.mul(x, w)),
  );
  const result = scale(f64x2.sub(k(1.0), f64x2.sub(d, x)), e);
  const over = v128.bitselect(k(Infinity), result, f64x2.gt(exponent, k(1080.0)));
  return v128.andnot(over, f64x2.lt(exponent, k(-1180.0)));
}

/** C's exceptions around r = |x|^y: x^0 = 1^y = 1 even for NaN; a negative x takes integers only. */
// @ts-ignore: decorator
@inline
function powSpecial(x: v128, y: v128, r: v128): v128 {
  const zero = k(0.0);
  const one = k(1.0);
  const infinity = k(Infinity);
  const a = f64x2.abs(x);
  const b = f64x2.abs(y);
  const integer = f64x2.eq(f64x2.nearest(y), y);
  // odd: y is an integer, y/2 is not
  const halved = f64x2.mul(y, k(0.5));
  const odd = v128.and(v128.and(integer, f64x2.ne(f64x2.nearest(halved), halved)), f64x2.lt(b, infinity));
  // |x| in {0, infinity} or |y| = infinity: the result is 0 or infinity
  const grows = v128.xor(f64x2.gt(a, one), f64x2.lt(y, zero));
  const extreme = v128.or(v128.or(f64x2.eq(a, zero), f64x2.eq(a, infinity)), f64x2.eq(b, infinity));
  r = v128.bitselect(v128.and(grows, infinity), r, extreme);
  r = v128.bitselect(one, r, v128.and(f64x2.eq(a, one), f64x2.eq(b, infinity)));
  r = v128.xor(r, v128.and(v128.and(x, odd), k(-0.0)));
  const negative = v128.and(f64x2.lt(x, zero), f64x2.lt(a, infinity));
  r = v128.bitselect(k(NaN), r, v128.and(negative, v128.andnot(f64x2.lt(b, infinity), integer)));
  r = v128.bitselect(k(NaN), r, v128.or(f64x2.ne(x, x), f64x2.ne(y, y)));
  return v128.bitselect(one, r, v128.or(f64x2.eq(x, one), f64x2.eq(y, zero)));
}

// @ts-ignore: decorator
@inline
export function pow64(x: v128, y: v128): v128 {
  return powSpecial(x, y, power(f64x2.abs(x), y));
}

/** For float32 operands: the plain exponential of y log2|x| has bits to spare. */
// @ts-ignore: decorator
@inline
export function powWide(x: v128, y: v128): v128 {
  return powSpecial(x, y, exp2Wide(f64x2.mul(y, log2Wide(f64x2.abs(x)))));
}
