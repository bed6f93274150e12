/** Scalar float64 elementary functions for the random and special kernels: fdlibm's algorithms, no tables. */

const LN2_HI: f64 = 6.9314718036912381649e-1;
const LN2_LO: f64 = 1.90821492927058770002e-10;

/** (log(1+f) - f + f²/2) of fdlibm: s(f²/2 + R(s²)) with s = f/(2+f); good for 1+f in [sqrt(1/2), sqrt(2)]. */
// @ts-ignore: decorator
@inline
function logTail(f: f64): f64 {
  const hfsq: f64 = 0.5 * f * f;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const t1 = w * (3.999999999940941908e-1 + w * (2.222219843214978396e-1 + w * 1.531383769920937332e-1));
  const t2 =
    z *
    (6.66666666666673513e-1 +
      w * (2.857142874366239149e-1 + w * (1.818357216161805012e-1 + w * 1.479819860511658591e-1)));
  return s * (hfsq + t1 + t2);
}

export function log(x: f64): f64 {
  if (!(x > 0)) return x == 0 ? -Infinity : NaN;
  if (x == Infinity || x == 1) return x == 1 ? 0 : x;
  let k = 0;
  if (x < 2.2250738585072014e-308) {
    k = -54;
    x *= 18014398509481984; // 2^54
  }
  let u = reinterpret<u64>(x);
  let hx = <i32>(u >> 32) + (0x3ff00000 - 0x3fe6a09e); // move [sqrt(1/2), sqrt(2)) onto one exponent
  k += (hx >> 20) - 0x3ff;
  hx = (hx & 0xfffff) + 0x3fe6a09e;
  u = ((<u64>hx) << 32) | (u & 0xffffffff);
  const f = reinterpret<f64>(u) - 1;
  const dk = <f64>k;
  return logTail(f) + dk * LN2_LO - 0.5 * f * f + f + dk * LN2_HI;
}

/** log(1 + x): the rounding error of 1 + x comes back as the correction c. */
export function log1p(x: f64): f64 {
  if (!(x > -1)) return x == -1 ? -Infinity : NaN;
  if (x == Infinity || abs(x) < 1e-16) return x;
  let k = 0;
  let f = x;
  let c: f64 = 0;
  if (x < -0.2928932188134524 || x > 0.41421356237309503) {
    const u = 1 + x;
    c = (u > x ? 1 - (u - x) : x - (u - 1)) / u;
    if (x > 9007199254740992) c = 0;
    let bits = reinterpret<u64>(u);
    let hu = <i32>(bits >> 32) + (0x3ff00000 - 0x3fe6a09e);
    k = (hu >> 20) - 0x3ff;
    hu = (hu & 0xfffff) + 0x3fe6a09e;
    bits = ((<u64>hu) << 32) | (bits & 0xffffffff);
    f = reinterpret<f64>(bits) - 1;
  }
  const dk = <f64>k;
  return logTail(f) + (dk * LN2_LO + c) - 0.5 * f * f + f + dk * LN2_HI;
}

/** 2^k y without overflow or double rounding in between. */
export function scale(y: f64, k: i32): f64 {
  if (k > 1023) {
    y *= 8.98846567431158e307; // 2^1023
    k -= 1023;
    if (k > 1023) return y * Infinity;
  } else if (k < -1022) {
    y *= 2.004168360008973e-292; // 2^-969
    k += 969;
    if (k < -1022) {
      y *= 2.004168360008973e-292;
      k = max(k + 969, -1022);
    }
  }
  return y * reinterpret<f64>((<u64>(k + 1023)) << 52);
}

/** exp(hi - lo) 2^k for |hi - lo| < 0.35, by fdlibm's rational r c(r)/(2 - c(r)). */
// @ts-ignore: decorator
@inline
function expTail(hi: f64, lo: f64): f64 {
  const r = hi - lo;
  const z = r * r;
  const c =
    r -
    z *
      (1.66666666666666019037e-1 +
        z *
          (-2.7777777777015593384e-3 +
            z *
              (6.61375632143793436117e-5 + z * (-1.6533902205465251539e-6 + z * 4.13813679705723846039e-8))));
  return 1 + ((r * c) / (2 - c) - lo + hi);
}

/** exp(x + tail) for a small tail: what pow and the incomplete gamma need to keep the last digits. */
export function expSum(x: f64, tail: f64): f64 {
  if (x != x) return x;
  if (x > 709.782712893383973096) return Infinity;
  if (x < -745.13321910194110842) return 0;
  const k = nearest(x * 1.442695040888963387);
  return scale(expTail(x - k * LN2_HI, k * LN2_LO - tail), <i32>k);
}

export function exp(x: f64): f64 {
  return expSum(x, 0);
}

/** exp(x) - 1; the Taylor series below 0.3 (17 terms reach 1e-18), the plain difference elsewhere. */
export function expm1(x: f64): f64 {
  if (abs(x) > 0.3) return exp(x) - 1;
  let s: f64 = 0;
  for (let i = 15; i > 1; i--) s = (s + 1) * (x / <f64>i);
  return x * s + x;
}

/** The rounding error of p = a b, by Veltkamp splitting. */
export function productError(a: f64, b: f64, p: f64): f64 {
  const ta = a * 134217729;
  const ah = ta - (ta - a);
  const al = a - ah;
  const tb = b * 134217729;
  const bh = tb - (tb - b);
  const bl = b - bh;
  return ah * bh - p + ah * bl + al * bh + al * bl;
}

/** x^y for x > 0: exp(y log x) with the rounding of the product put back; error about |y log x| 1e-16. */
export function pow(x: f64, y: f64): f64 {
  if (y == 0 || x == 1) return 1;
  if (x == 0) return y > 0 ? 0 : Infinity;
  const l = log(x);
  const p = y * l;
  if (!(abs(p) < 800)) return exp(p);
  return expSum(p, productError(y, l, p));
}

/** sin(x + y) for |x| < pi/4 and its tail y. */
// @ts-ignore: decorator
@inline
function sinKernel(x: f64, y: f64): f64 {
  const z = x * x;
  const v = z * x;
  const r =
    8.33333333332248946124e-3 +
    z *
      (-1.98412698298579493134e-4 +
        z * (2.75573137070700676789e-6 + z * (-2.50507602534068634195e-8 + z * 1.58969099521155010221e-10)));
  return x - (z * (0.5 * y - v * r) - y + v * 1.66666666666666324348e-1);
}

/** cos(x + y) for |x| < pi/4 and its tail y. */
// @ts-ignore: decorator
@inline
function cosKernel(x: f64, y: f64): f64 {
  const z = x * x;
  const r =
    z *
    (4.16666666666666019037e-2 +
      z *
        (-1.38888888888741095749e-3 +
          z *
            (2.48015872894767294178e-5 +
              z *
                (-2.75573143513906633035e-7 +
                  z * (2.0875723212981748279e-9 - z * 1.13596475577881948265e-11)))));
  const half = 0.5 * z;
  const w = 1 - half;
  return w + (1 - w - half + (z * r - x * y));
}

/** 64 bits of 2/pi starting at bit 64 i, i in 0..18 (1,216 bits cover every exponent). */
function twoOverPi(i: i32): u64 {
  if (i < 5) {
    if (i == 0) return 0xa2f9836e4e441529;
    if (i == 1) return 0xfc2757d1f534ddc0;
    if (i == 2) return 0xdb6295993c439041;
    if (i == 3) return 0xfe5163abdebbc561;
    return 0xb7246e3a424dd2e0;
  }
  if (i < 10) {
    if (i == 5) return 0x06492eea09d1921c;
    if (i == 6) return 0xfe1deb1cb129a73e;
    if (i == 7) return 0xe88235f52ebb4484;
    if (i == 8) return 0xe99c7026b45f7e41;
    return 0x3991d639835339f4;
  }
  if (i < 15) {
    if (i == 10) return 0x9c845f8bbdf9283b;
    if (i == 11) return 0x1ff897ffde05980f;
    if (i == 12) return 0xef2f118b5a0a6d1f;
    if (i == 13) return 0x6d367ecf27cb09b7;
    return 0x4f463f669e5fea2d;
  }
  if (i == 15) return 0x7527bac7ebe5f17b;
  if (i == 16) return 0x3d0739f78a5292ea;
  if (i == 17) return 0x6bfb5fb11f8d5d08;
  return 0x56033046fc7b6bab;
}

/** High 64 bits of a b. */
function mulHigh(a: u64, b: u64): u64 {
  const al = a & 0xffffffff;
  const ah = a >> 32;
  const bl = b & 0xffffffff;
  const bh = b >> 32;
  const mid = ah * bl + ((al * bl) >> 32);
  const mid2 = al * bh + (mid & 0xffffffff);
  return ah * bh + (mid >> 32) + (mid2 >> 32);
}

/** Word i (0, 1, 2) of 2/pi as a bit string with 64 zeros before it, from bit s on. */
function twoOverPiFrom(s: i32, i: i32): u64 {
  const w = (s >> 6) + i - 1;
  const shift = s & 63;
  const a = w < 0 ? 0 : twoOverPi(w);
  return shift == 0 ? a : (a << shift) | (twoOverPi(w + 1) >> (64 - shift));
}

/** Payne and Hanek's reduction of x >= 2^20: part 0 is the quadrant, 1 the remainder, 2 its tail. */
function reduceLarge(x: f64, part: i32): f64 {
  const bits = reinterpret<u64>(x);
  const m = (bits & 0xfffffffffffff) | 0x10000000000000;
  const s = <i32>(bits >> 52) - 1075 - 2 + 64; // bits of weight 4 and more do not count
  const w1 = twoOverPiFrom(s, 1);
  const low = m * w1;
  const mid = low + mulHigh(m, twoOverPiFrom(s, 2));
  const top = m * twoOverPiFrom(s, 0) + mulHigh(m, w1) + <u64>(mid < low);
  const fraction = (top << 2) | (mid >> 62);
  if (part == 0) return <f64>((<i32>(top >> 62) + <i32>(fraction >> 63)) & 3);
  const f = <f64>(<i64>fraction & ~0x7ff) * 5.421010862427522e-20; // 2^-64
  const g = (<f64>(fraction & 0x7ff) + <f64>(mid << 2) * 5.421010862427522e-20) * 5.421010862427522e-20;
  const p = f * 1.5707963267948966;
  const tail = productError(f, 1.5707963267948966, p) + f * 6.123233995736766e-17 + g * 1.5707963267948966;
  const y = p + tail;
  return part == 1 ? y : p - y + tail;
}

/** sin(x + turn pi/2). */
function sinTurned(x: f64, turn: i32): f64 {
  const ax = abs(x);
  if (!(ax < Infinity)) return NaN;
  let q = 0;
  let y = x;
  let tail: f64 = 0;
  if (ax >= 1048576) {
    q = <i32>reduceLarge(ax, 0);
    y = reduceLarge(ax, 1);
    tail = reduceLarge(ax, 2);
    if (x < 0) {
      q = -q;
      y = -y;
      tail = -tail;
    }
  } else if (ax > 0.7853981633974483) {
    // Cody and Waite with pi/2 in three parts of 33 bits.
    const n = nearest(x * 0.6366197723675814);
    const t = x - n * 1.57079632673412561417;
    let w = n * 6.0771005063039659766e-11;
    const r = t - w;
    w = n * 2.02226624879595063154e-21 - (t - r - w);
    y = r - w;
    tail = r - y - w;
    q = <i32>n;
  }
  q = (q + turn) & 3;
  const v = (q & 1) == 0 ? sinKernel(y, tail) : cosKernel(y, tail);
  return q < 2 ? v : -v;
}

export function sin(x: f64): f64 {
  return x == 0 ? x : sinTurned(x, 0);
}

export function cos(x: f64): f64 {
  return sinTurned(x, 1);
}

export function tan(x: f64): f64 {
  return sin(x) / cos(x);
}

/** sin(pi x), exact reduction first. */
export function sinPi(x: f64): f64 {
  if (!(abs(x) < Infinity)) return NaN;
  const n = nearest(x);
  const r = x - n;
  const v = sin(3.141592653589793 * r);
  return (<i64>n & 1) == 0 ? v : -v;
}

/** cos(pi x). */
export function cosPi(x: f64): f64 {
  if (!(abs(x) < Infinity)) return NaN;
  const n = nearest(x);
  const v = cos(3.141592653589793 * (x - n));
  return (<i64>n & 1) == 0 ? v : -v;
}

/** acos(x) for |x| <= 1, fdlibm's rational for asin in three ranges. */
export function acos(x: f64): f64 {
  const a = abs(x);
  if (a < 0.5) return 1.5707963267948966 - (x - (6.123233995736766e-17 - x * asinTail(x * x)));
  const z = (1 - a) * 0.5;
  const s = sqrt(z);
  if (x < 0) return 2 * (1.5707963267948966 - (s + (asinTail(z) * s - 6.123233995736766e-17)));
  const df = reinterpret<f64>(reinterpret<u64>(s) & 0xffffffff00000000);
  const c = s > 0 ? (z - df * df) / (s + df) : 0;
  return 2 * (df + (asinTail(z) * s + c));
}

/** (asin(x) - x)/x as a function of z = x² <= 1/4. */
function asinTail(z: f64): f64 {
  const p =
    1.66666666666666657415e-1 +
    z *
      (-3.25565818622400915405e-1 +
        z *
          (2.01212532134862925881e-1 +
            z *
              (-4.00555345006794114027e-2 + z * (7.91534994289814532176e-4 + z * 3.4793310759602116757e-5))));
  const q =
    1 +
    z *
      (-2.40339491173441421878 +
        z * (2.02094576023350569471 + z * (-6.8828397160545329303e-1 + z * 7.70381505559019352791e-2)));
  return (z * p) / q;
}
