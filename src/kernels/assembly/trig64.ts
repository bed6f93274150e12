/** Trigonometric functions and their inverses on two float64 lanes. */

import { head, k, mad, withSign } from "./math64";
import { reduceLarge } from "./reduction";

// Angles up to 2^20 * pi/2 are reduced by pi/2 in parts of 33 bits, whose products with n are exact.
const CODY_WAITE_LIMIT: f64 = 1647099.0;

// @ts-ignore: decorator
@inline
function huge(x: v128): v128 {
  return v128.and(f64x2.gt(f64x2.abs(x), k(CODY_WAITE_LIMIT)), f64x2.lt(f64x2.abs(x), k(Infinity)));
}

// Replaces, in the lanes of `mask`, y by reduceLarge(x).
// @ts-ignore: decorator
@inline
function patch(x: v128, y: v128, mask: v128, quadrant: bool): v128 {
  let r = y;
  if (i64x2.extract_lane(mask, 0) != 0) {
    r = f64x2.replace_lane(r, 0, reduceLarge(f64x2.extract_lane(x, 0), quadrant));
  }
  if (i64x2.extract_lane(mask, 1) != 0) {
    r = f64x2.replace_lane(r, 1, reduceLarge(f64x2.extract_lane(x, 1), quadrant));
  }
  return r;
}

// @ts-ignore: decorator
@inline
function quadrants(x: v128): v128 {
  return f64x2.nearest(f64x2.mul(x, k(6.36619772367581382433e-1)));
}

// x - n*pi/2 to about 150 bits, as a sum of two doubles: the head, or the tail.
// @ts-ignore: decorator
@inline
function reduced(x: v128, n: v128, tail: bool): v128 {
  const r0 = f64x2.sub(x, f64x2.mul(n, k(1.57079632673412561417)));
  const w1 = f64x2.mul(n, k(6.0771005063039659766e-11));
  const r1 = f64x2.sub(r0, w1);
  const w2 = f64x2.mul(n, k(2.02226624871116645580e-21));
  const r2 = f64x2.sub(r1, w2);
  const e1 = f64x2.sub(f64x2.sub(r0, r1), w1);
  const e2 = f64x2.sub(f64x2.sub(r1, r2), w2);
  const e = f64x2.sub(f64x2.add(e1, e2), f64x2.mul(n, k(8.47842766036889956997e-32)));
  const y = f64x2.add(r2, e);
  return tail ? f64x2.add(f64x2.sub(r2, y), e) : y;
}

// @ts-ignore: decorator
@inline
function sinKernel(x: v128, y: v128): v128 {
  const z = f64x2.mul(x, x);
  let r = mad(k(1.58969099521155010221e-10), z, -2.50507602534068634195e-8);
  r = mad(r, z, 2.75573137070700676789e-6);
  r = mad(r, z, -1.98412698298579493134e-4);
  r = mad(r, z, 8.33333333332248946124e-3);
  const v = f64x2.mul(z, x);
  const t = f64x2.sub(f64x2.mul(z, f64x2.sub(f64x2.mul(k(0.5), y), f64x2.mul(v, r))), y);
  return f64x2.sub(x, f64x2.add(t, f64x2.mul(v, k(1.66666666666666324348e-1))));
}

// @ts-ignore: decorator
@inline
function cosKernel(x: v128, y: v128): v128 {
  const z = f64x2.mul(x, x);
  let r = mad(k(-1.13596475577881948265e-11), z, 2.0875723212981748279e-9);
  r = mad(r, z, -2.75573143513906633035e-7);
  r = mad(r, z, 2.48015872894767294178e-5);
  r = mad(r, z, -1.38888888888741095749e-3);
  r = mad(r, z, 4.16666666666666019037e-2);
  const half = f64x2.mul(k(0.5), z);
  const w = f64x2.sub(k(1.0), half);
  const rest = f64x2.sub(f64x2.mul(f64x2.mul(z, z), r), f64x2.mul(x, y));
  return f64x2.add(w, f64x2.add(f64x2.sub(f64x2.sub(k(1.0), w), half), rest));
}

// Taylor-like kernels cut to float32 accuracy, after musl.
// @ts-ignore: decorator
@inline
function sinShort(x: v128): v128 {
  const z = f64x2.mul(x, x);
  let r = mad(k(0.0000027183114939898219064), z, -0.000198393348360966317347);
  r = mad(r, z, 0.0083333293858894631756);
  r = mad(r, z, -0.166666666416265235595);
  return f64x2.add(x, f64x2.mul(f64x2.mul(x, z), r));
}

// @ts-ignore: decorator
@inline
function cosShort(x: v128): v128 {
  const z = f64x2.mul(x, x);
  let r = mad(k(0.0000243904487962774090654), z, -0.00138867637746099294692);
  r = mad(r, z, 0.0416666233237390631894);
  r = mad(r, z, -0.499999997251031003120);
  return mad(r, z, 1.0);
}

const SIN = 0;
const COS = 1;
const TAN = 2;

// @ts-ignore: decorator
@inline
function trig(f: i32, x: v128, wide: bool): v128 {
  let n = quadrants(x);
  let y: v128;
  let tail = k(0.0);
  if (wide) {
    const r = f64x2.sub(x, f64x2.mul(n, k(1.57079632673412561417)));
    y = f64x2.sub(r, f64x2.mul(n, k(6.07710050650619224932e-11)));
  } else {
    y = reduced(x, n, false);
    tail = reduced(x, n, true);
  }
  const far = huge(x);
  if (v128.any_true(far)) {
    n = patch(x, n, far, true);
    y = patch(x, y, far, false);
    tail = v128.andnot(tail, far);
  }
  // the low bits of n, read off the mantissa of n + 3*2^51
  const q = f64x2.add(n, k(6755399441055744.0));
  const odd = i64x2.ne(v128.and(q, i64x2.splat(1)), i64x2.splat(0));
  const s = wide ? sinShort(y) : sinKernel(y, tail);
  const c = wide ? cosShort(y) : cosKernel(y, tail);
  let r: v128;
  if (f == TAN) {
    r = f64x2.div(v128.bitselect(f64x2.neg(c), s, odd), v128.bitselect(s, c, odd));
  } else if (f == SIN) {
    r = v128.xor(v128.bitselect(c, s, odd), i64x2.shl(i64x2.shr_u(q, 1), 63));
  } else {
    const p = i64x2.add(q, i64x2.splat(1));
    r = v128.xor(v128.bitselect(s, c, odd), i64x2.shl(i64x2.shr_u(p, 1), 63));
  }
  if (f != COS) r = v128.bitselect(x, r, f64x2.eq(x, k(0.0)));
  return r;
}

// @ts-ignore: decorator
@inline
export function sin64(x: v128): v128 {
  return trig(SIN, x, false);
}

// @ts-ignore: decorator
@inline
export function cos64(x: v128): v128 {
  return trig(COS, x, false);
}

// @ts-ignore: decorator
@inline
export function tan64(x: v128): v128 {
  return trig(TAN, x, false);
}

// The three for float32 operands.
// @ts-ignore: decorator
@inline
export function sinWide(x: v128): v128 {
  return trig(SIN, x, true);
}

// @ts-ignore: decorator
@inline
export function cosWide(x: v128): v128 {
  return trig(COS, x, true);
}

// @ts-ignore: decorator
@inline
export function tanWide(x: v128): v128 {
  return trig(TAN, x, true);
}

// (asin(sqrt z) / sqrt z - 1) for z in [0, 1/4]
// @ts-ignore: decorator
@inline
function asinSeries(z: v128): v128 {
  let p = mad(k(3.47933107596021167570e-5), z, 7.91534994289814532176e-4);
  p = mad(p, z, -4.00555345006794114027e-2);
  p = mad(p, z, 2.01212532134862925881e-1);
  p = mad(p, z, -3.25565818622400915405e-1);
  p = mad(p, z, 1.66666666666666657415e-1);
  let q = mad(k(7.70381505559019352791e-2), z, -6.88283971605453293030e-1);
  q = mad(q, z, 2.02094576023350569471);
  q = mad(q, z, -2.40339491173441421878);
  q = mad(q, z, 1.0);
  return f64x2.div(f64x2.mul(p, z), q);
}

// Above 1/2 with z = (1-a)/2, s = sqrt z: asin a = pi/2 - 2 asin s, acos a = 2 asin s; h + c = s to twice
// the precision.
// @ts-ignore: decorator
@inline
function arc(x: v128, cosine: bool): v128 {
  const a = f64x2.abs(x);
  const near = f64x2.lt(a, k(0.5));
  const z = v128.bitselect(f64x2.mul(x, x), f64x2.mul(k(0.5), f64x2.sub(k(1.0), a)), near);
  const r = asinSeries(z);
  const s = f64x2.sqrt(z);
  const h = head(s);
  const sum = f64x2.add(s, h);
  const safe = v128.bitselect(k(1.0), sum, f64x2.eq(sum, k(0.0)));
  const c = f64x2.div(f64x2.sub(z, f64x2.mul(h, h)), safe);
  const low = k(6.12323399573676603587e-17);
  const negative = f64x2.lt(x, k(0.0));
  if (cosine) {
    const small = f64x2.sub(k(1.57079632679489655800), f64x2.sub(x, f64x2.sub(low, f64x2.mul(x, r))));
    const positive = f64x2.mul(k(2.0), f64x2.add(h, f64x2.add(f64x2.mul(r, s), c)));
    const w = f64x2.sub(f64x2.mul(r, s), low);
    const other = f64x2.mul(k(2.0), f64x2.sub(k(1.57079632679489655800), f64x2.add(s, w)));
    return v128.bitselect(small, v128.bitselect(other, positive, negative), near);
  }
  const small = f64x2.add(x, f64x2.mul(x, r));
  const quarter = k(0.785398163397448279);
  const inner = f64x2.sub(
    f64x2.sub(f64x2.mul(f64x2.mul(k(2.0), s), r), f64x2.sub(low, f64x2.mul(k(2.0), c))),
    f64x2.sub(quarter, f64x2.mul(k(2.0), h)),
  );
  return v128.bitselect(small, withSign(f64x2.sub(quarter, inner), x), near);
}

// @ts-ignore: decorator
@inline
export function asin64(x: v128): v128 {
  return arc(x, false);
}

// @ts-ignore: decorator
@inline
export function acos64(x: v128): v128 {
  return arc(x, true);
}

// atan t for |t| <= 0.66, after Cephes
// @ts-ignore: decorator
@inline
function atanKernel(t: v128): v128 {
  const z = f64x2.mul(t, t);
  let p = mad(k(-8.750608600031904122785e-1), z, -1.615753718733365076637e1);
  p = mad(p, z, -7.500855792314704667340e1);
  p = mad(p, z, -1.228866684490136173410e2);
  p = mad(p, z, -6.485021904942025371773e1);
  let q = f64x2.add(z, k(2.485846490142306297962e1));
  q = mad(q, z, 1.650270098316988542046e2);
  q = mad(q, z, 4.328810604912902668951e2);
  q = mad(q, z, 4.853903996359136964868e2);
  q = mad(q, z, 1.945506571482613964425e2);
  return f64x2.add(f64x2.mul(t, f64x2.div(f64x2.mul(z, p), q)), t);
}

// atan of top/bottom for 0 <= top, bottom: pi/2 less the inverse above 1 + sqrt 2, pi/4 shifted above 0.66
// @ts-ignore: decorator
@inline
function atanQuotient(top: v128, bottom: v128): v128 {
  const steep = f64x2.gt(top, f64x2.mul(bottom, k(2.41421356237309504880)));
  const middle = v128.andnot(f64x2.gt(top, f64x2.mul(bottom, k(0.66))), steep);
  const up = v128.bitselect(f64x2.neg(bottom), v128.bitselect(f64x2.sub(top, bottom), top, middle), steep);
  const down = v128.bitselect(top, v128.bitselect(f64x2.add(top, bottom), bottom, middle), steep);
  const t = atanKernel(f64x2.div(up, down));
  const quarters = v128.or(v128.and(steep, k(2.0)), v128.and(middle, k(1.0)));
  const base = f64x2.mul(quarters, k(0.78539816339744830962));
  return f64x2.add(base, f64x2.add(t, f64x2.mul(quarters, k(3.061616997868382943e-17))));
}

// @ts-ignore: decorator
@inline
export function atan64(x: v128): v128 {
  const a = f64x2.pmin(f64x2.abs(x), k(1.0e300));
  return withSign(atanQuotient(a, k(1.0)), x);
}

// Magnitudes are scaled to 1 by the larger one, which also settles 0/0 and infinity/infinity.
// @ts-ignore: decorator
@inline
export function atan2_64(y: v128, x: v128): v128 {
  const limit = k(1.0e300);
  const ay = f64x2.abs(y);
  const ax = f64x2.abs(x);
  const invalid = v128.or(f64x2.ne(x, x), f64x2.ne(y, y));
  const infinite = f64x2.eq(f64x2.max(ay, ax), k(Infinity));
  const top = v128.bitselect(v128.and(f64x2.eq(ay, k(Infinity)), k(1.0)), ay, infinite);
  const bottom = v128.bitselect(v128.and(f64x2.eq(ax, k(Infinity)), k(1.0)), ax, infinite);
  const large = f64x2.gt(f64x2.max(top, bottom), limit);
  const tiny = f64x2.lt(f64x2.max(top, bottom), k(1.0e-290));
  const up = v128.bitselect(k(1.0715086071862673e301), k(1.0), tiny);
  const factor = v128.bitselect(k(5.960464477539063e-8), up, large);
  const s = f64x2.mul(top, factor);
  const c = f64x2.mul(bottom, factor);
  const both = f64x2.eq(f64x2.max(s, c), k(0.0));
  const r = atanQuotient(s, v128.bitselect(k(1.0), c, both));
  const left = f64x2.add(f64x2.sub(k(3.14159265358979311600), r), k(1.2246467991473532072e-16));
  // the sign bit of x, so that -0 counts as negative
  const angle = v128.bitselect(left, r, i64x2.shr_s(x, 63));
  return v128.bitselect(k(NaN), withSign(angle, y), invalid);
}
