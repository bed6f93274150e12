/** Scalar Bessel and Airy functions in float64, from the fits in specialFits.ts. */

import { cos, exp, log, sin } from "./real";
import {
  airyFFar,
  airyFMid,
  airyFar,
  airyGFar,
  airyGMid,
  airyMid,
  airyNear,
  i0Far,
  i0Near,
  i1Far,
  i1Near,
  j0Near,
  j1Near,
  k0Far,
  k0Mid,
  k0Near,
  k1Far,
  k1Mid,
  k1Near,
  p0Far,
  p0Mid,
  p1Far,
  p1Mid,
  q0Far,
  q0Mid,
  q1Far,
  q1Mid,
  y0Near,
  y1Near,
} from "./specialFits";

const TWO_OVER_PI: f64 = 0.6366197723675814;
const SQRT_PI: f64 = 1.772453850905516;

// ---- modified, first kind ----

/** exp(-|x|) I0(x). */
export function i0e(x: f64): f64 {
  const a = abs(x);
  return a <= 8 ? i0Near(a * 0.25 - 1) : i0Far(16 / a - 1) / sqrt(a);
}

/** exp(-|x|) I1(x). */
export function i1e(x: f64): f64 {
  const a = abs(x);
  if (a <= 8) return x * i1Near(a * 0.25 - 1);
  const v = i1Far(16 / a - 1) / sqrt(a);
  return x < 0 ? -v : v;
}

export function i0(x: f64): f64 {
  return exp(abs(x)) * i0e(x);
}

export function i1(x: f64): f64 {
  return exp(abs(x)) * i1e(x);
}

// ---- modified, second kind ----

/** exp(x) K0(x); below 2 it is -log(x/2) I0(x) + a power series. */
export function k0e(x: f64): f64 {
  if (x <= 2) {
    if (x <= 0) return x == 0 ? Infinity : NaN;
    return exp(x) * (k0Near(0.5 * x * x - 1) - log(0.5 * x) * i0(x));
  }
  return (x < 8 ? k0Mid((16 / x - 5) / 3) : k0Far(16 / x - 1)) / sqrt(x);
}

export function k0(x: f64): f64 {
  if (x > 0 && x <= 2) return k0Near(0.5 * x * x - 1) - log(0.5 * x) * i0(x);
  return x > 2 ? exp(-x) * k0e(x) : k0e(x);
}

/** exp(x) K1(x). */
export function k1e(x: f64): f64 {
  if (x <= 2) {
    if (x <= 0) return x == 0 ? Infinity : NaN;
    return exp(x) * k1(x);
  }
  return (x < 8 ? k1Mid((16 / x - 5) / 3) : k1Far(16 / x - 1)) / sqrt(x);
}

export function k1(x: f64): f64 {
  if (x > 0 && x <= 2) return log(0.5 * x) * i1(x) + k1Near(0.5 * x * x - 1) / x;
  return x > 2 ? exp(-x) * k1e(x) : k1e(x);
}

// ---- J and Y: power fits up to 5, Hankel's modulus and phase beyond ----
//
// PyTorch evaluates Cephes's quotients of polynomials without the leading 1 of their denominators, as if D(z) were
// D(z) - z^k: near 5 its values are off by up to 5e-7. These are its numbers: the right ones times D / (D - z^k).

/** D / (D - z^8) with D = z^8 + a z^7 + ... + h. */
// @ts-ignore: decorator
@inline
function without8(z: f64, a: f64, b: f64, c: f64, d: f64, e: f64, f: f64, g: f64, h: f64): f64 {
  const rest = ((((((a * z + b) * z + c) * z + d) * z + e) * z + f) * z + g) * z + h;
  const z4 = z * z * z * z;
  return (rest + z4 * z4) / rest;
}

/** D / (D - z^7) with D = z^7 + a z^6 + ... + g. */
// @ts-ignore: decorator
@inline
function without7(z: f64, a: f64, b: f64, c: f64, d: f64, e: f64, f: f64, g: f64): f64 {
  const rest = (((((a * z + b) * z + c) * z + d) * z + e) * z + f) * z + g;
  return (rest + z * z * z * (z * z * z * z)) / rest;
}

// The denominators of Cephes (j0.c, j1.c): of J up to 5, of the far Q, of the regular part of Y up to 5.
// @ts-ignore: decorator
@inline
function nearJ0(z: f64): f64 {
  return without8(
    z, 499.56314715265102, 173785.40167637468, 48440965.833996205, 11185553704.535683, 2112775201154.8922,
    310518229857422.58, 31812195594320496, 1710862940810431360,
  );
}
// @ts-ignore: decorator
@inline
function nearJ1(z: f64): f64 {
  return without8(
    z, 620.83647811805434, 256987.25675774883, 83514679.143194925, 22151159547.97925, 4749141220799.9141,
    784369607876235.85, 89522233618462736, 5322786203326800850,
  );
}
// @ts-ignore: decorator
@inline
function nearY0(z: f64): f64 {
  return without7(
    z, 1041.2835366425985, 626107.33013713497, 268919633.39381412, 86400248710.393501, 20297961275010.555,
    3171577528429750.3, 250596256172653059,
  );
}
// @ts-ignore: decorator
@inline
function nearY1(z: f64): f64 {
  return without8(
    z, 594.3015923461282, 235564.09294306857, 73481194.44597217, 18760131610.870616, 3882312774962.3857,
    620557727146953.69, 68714108735530049, 3972706081165606550,
  );
}
// @ts-ignore: decorator
@inline
function farQ0(z: f64): f64 {
  return without7(
    z, 64.317825611817802, 856.43002597698059, 3882.401834016054, 7240.4677419565248, 5930.7270118731698,
    2062.0933166032785, 242.0057402402914,
  );
}
// @ts-ignore: decorator
@inline
function farQ1(z: f64): f64 {
  return without7(
    z, 74.237327703567515, 1056.4488603826282, 4986.4105833765361, 9562.3189240475617, 7997.0416044735068,
    2826.1927851763908, 336.0936078106983,
  );
}

/** sqrt(2/(pi x)) (P cos(x - pi/4) - Q sin(x - pi/4)), or with (cos, sin) -> (sin, -cos) for turn 1. */
// @ts-ignore: decorator
@inline
function hankel(x: f64, p: f64, q: f64, turn: bool): f64 {
  const s = sin(x);
  const c = cos(x);
  // cos(x - pi/4) = (c + s)/sqrt 2 and sin(x - pi/4) = (s - c)/sqrt 2 keep the last bits of x.
  const v = turn ? p * (s - c) + q * (c + s) : p * (c + s) - q * (s - c);
  return v / (SQRT_PI * sqrt(x));
}

// @ts-ignore: decorator
@inline
function order0(x: f64, turn: bool): f64 {
  const r = 1 / x;
  const u = r * r;
  const f = r * farQ0(25 * u);
  if (x < 10) return hankel(x, p0Mid((200 * u - 5) / 3), q0Mid((200 * u - 5) / 3) * f, turn);
  return hankel(x, p0Far(200 * u - 1), q0Far(200 * u - 1) * f, turn);
}

// With chi = x - 3 pi/4: cos(chi) = sin(x - pi/4), sin(chi) = -cos(x - pi/4).
// @ts-ignore: decorator
@inline
function order1(x: f64, turn: bool): f64 {
  const r = 1 / x;
  const u = r * r;
  const f = r * farQ1(25 * u);
  let v: f64 = 0;
  if (x < 10) v = hankel(x, p1Mid((200 * u - 5) / 3), q1Mid((200 * u - 5) / 3) * f, !turn);
  else v = hankel(x, p1Far(200 * u - 1), q1Far(200 * u - 1) * f, !turn);
  return turn ? -v : v;
}

export function j0(x: f64): f64 {
  const a = abs(x);
  if (a > 5) return order0(a, false);
  const z = a * a;
  return (z - 5.783185962946785) * (z - 30.471262343662087) * j0Near(z / 12.5 - 1) * nearJ0(z);
}

export function j1(x: f64): f64 {
  const a = abs(x);
  if (a > 5) return x < 0 ? -order1(a, false) : order1(a, false);
  const z = a * a;
  return x * (z - 14.681970642123893) * j1Near(z / 12.5 - 1) * nearJ1(z);
}

export function y0(x: f64): f64 {
  if (x <= 0) return x == 0 ? -Infinity : NaN;
  if (x > 5) return order0(x, true);
  return y0Near((x * x) / 12.5 - 1) * nearY0(x * x) + TWO_OVER_PI * log(x) * j0(x);
}

export function y1(x: f64): f64 {
  if (x <= 0) return x == 0 ? -Infinity : NaN;
  if (x > 5) return order1(x, true);
  return x * y1Near((x * x) / 12.5 - 1) * nearY1(x * x) + TWO_OVER_PI * (log(x) * j1(x) - 1 / x);
}

/** sin(x)/x, by its series near 0. */
export function sphericalJ0(x: f64): f64 {
  if (abs(x) == Infinity) return 0;
  if (abs(x) < 0.5) {
    const z = x * x;
    let p: f64 = 1;
    for (let k = 16; k > 0; k -= 2) p = 1 - (p * z) / <f64>(k * (k + 1));
    return p;
  }
  return sin(x) / x;
}

// ---- Airy ----

const INV_SQRT_PI: f64 = 0.5641895835477563;

// Of airy.c the denominators of f - 1, of degree 9, and of g, of degree 10: the same without their leading 1.
// @ts-ignore: decorator
@inline
function farAiryF(u: f64): f64 {
  let d: f64 = 13.356042070655325;
  d = d * u + 32.682503279522464;
  d = d * u + 26.736704094149954;
  d = d * u + 9.187074029072596;
  d = d * u + 1.4752914677166642;
  d = d * u + 0.11568717379518804;
  d = d * u + 0.0044029164161521123;
  d = d * u + 7.547203482874143e-5;
  d = d * u + 4.518500929705804e-7;
  const u3 = u * u * u;
  return (d + u3 * u3 * u3) / d;
}
// @ts-ignore: decorator
@inline
function farAiryG(u: f64): f64 {
  let d: f64 = 9.30892908077442;
  d = d * u + 19.835292871831214;
  d = d * u + 15.564662893286461;
  d = d * u + 5.476860694229755;
  d = d * u + 0.954293611618962;
  d = d * u + 0.08645808263523922;
  d = d * u + 0.004126565238242226;
  d = d * u + 1.0125908511650914e-4;
  d = d * u + 1.1716673321441352e-6;
  d = d * u + 4.9183457006293e-9;
  const u5 = u * u * u * u * u;
  return (d + u5 * u5) / d;
}

/** Ai(x), with z = 2/3 |x|^(3/2) outside [-2.09, 2.125]. */
export function airyAi(x: f64): f64 {
  const a = abs(x);
  if (x >= -2.09 && x <= 2.125) return airyNear(x / 2.125);
  const z = (2 * a * sqrt(a)) / 3;
  const r = 1 / z;
  const root = sqrt(sqrt(a));
  if (x > 0) {
    if (x > 103.892) return x < Infinity ? 0 : NaN; // PyTorch's value at infinity
    return (exp(-z) * (z < 6 ? airyMid(6 * r - 2) : airyFar(12 * r - 1))) / root;
  }
  const u = r * r;
  const t = z < 6 ? 9 * u - 1.25 : 72 * u - 1;
  // Both carry 1/sqrt(pi), which is what f has for u = 0.
  const f = INV_SQRT_PI + ((z < 6 ? airyFMid(t) : airyFFar(t)) - INV_SQRT_PI) * farAiryF(u);
  const g = (z < 6 ? airyGMid(t) : airyGFar(t)) * r * farAiryG(u);
  const s = sin(z);
  const c = cos(z);
  return ((f * (s + c) - g * (c - s)) * 0.7071067811865476) / root;
}
