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
  if (x < 10) return hankel(x, p0Mid((200 * u - 5) / 3), q0Mid((200 * u - 5) / 3) * r, turn);
  return hankel(x, p0Far(200 * u - 1), q0Far(200 * u - 1) * r, turn);
}

// With chi = x - 3 pi/4: cos(chi) = sin(x - pi/4), sin(chi) = -cos(x - pi/4).
// @ts-ignore: decorator
@inline
function order1(x: f64, turn: bool): f64 {
  const r = 1 / x;
  const u = r * r;
  let v: f64 = 0;
  if (x < 10) v = hankel(x, p1Mid((200 * u - 5) / 3), q1Mid((200 * u - 5) / 3) * r, !turn);
  else v = hankel(x, p1Far(200 * u - 1), q1Far(200 * u - 1) * r, !turn);
  return turn ? -v : v;
}

export function j0(x: f64): f64 {
  const a = abs(x);
  if (a > 5) return order0(a, false);
  const z = a * a;
  return (z - 5.783185962946785) * (z - 30.471262343662087) * j0Near(z / 12.5 - 1);
}

export function j1(x: f64): f64 {
  const a = abs(x);
  if (a > 5) return x < 0 ? -order1(a, false) : order1(a, false);
  const z = a * a;
  return x * (z - 14.681970642123893) * j1Near(z / 12.5 - 1);
}

export function y0(x: f64): f64 {
  if (x <= 0) return x == 0 ? -Infinity : NaN;
  if (x > 5) return order0(x, true);
  return y0Near((x * x) / 12.5 - 1) + TWO_OVER_PI * log(x) * j0(x);
}

export function y1(x: f64): f64 {
  if (x <= 0) return x == 0 ? -Infinity : NaN;
  if (x > 5) return order1(x, true);
  return x * y1Near((x * x) / 12.5 - 1) + TWO_OVER_PI * (log(x) * j1(x) - 1 / x);
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

/** Ai(x), with z = 2/3 |x|^(3/2) outside [-2.125, 2.125]. */
export function airyAi(x: f64): f64 {
  const a = abs(x);
  if (a <= 2.125) return airyNear(x / 2.125);
  const z = (2 * a * sqrt(a)) / 3;
  const r = 1 / z;
  const root = sqrt(sqrt(a));
  if (x > 0) {
    if (x > 103.892) return x < Infinity ? 0 : NaN; // PyTorch's value at infinity
    return (exp(-z) * (z < 6 ? airyMid(6 * r - 2) : airyFar(12 * r - 1))) / root;
  }
  const u = r * r;
  const t = z < 6 ? 9 * u - 1.25 : 72 * u - 1;
  const f = z < 6 ? airyFMid(t) : airyFFar(t);
  const g = (z < 6 ? airyGMid(t) : airyGFar(t)) * r;
  const s = sin(z);
  const c = cos(z);
  return ((f * (s + c) - g * (c - s)) * 0.7071067811865476) / root;
}
