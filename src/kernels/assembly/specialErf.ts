/** Scalar error-function family in float64: erfcx, erfc, ndtri, erfinv, logNdtr. */

import { exp, expSum, log, log1p, productError } from "./real";
import { erfcxFar, erfcxNear, ndtriCentre, ndtriTail0, ndtriTail1, ndtriTail2 } from "./specialFits";

/** exp(-x²), the rounding of the square put back. */
// @ts-ignore: decorator
@inline
function gauss(x: f64): f64 {
  const s = x * x;
  return s > 750 ? 0 : expSum(-s, -productError(x, x, s));
}

/** exp(x²) erfc(x) for x >= 0. */
function erfcxPositive(x: f64): f64 {
  if (x > 1e10) return 0.5641895835477563 / x;
  const u = (x - 3.75) / (x + 3.75);
  return (u <= 0 ? erfcxNear(2 * u + 1) : erfcxFar(2 * u - 1)) / (1 + 2 * x);
}

/** exp(x²) erfc(x). */
export function erfcx(x: f64): f64 {
  if (x >= 0) return erfcxPositive(x);
  if (x < -26.7) return Infinity;
  const s = x * x;
  return 2 * expSum(s, productError(x, x, s)) - erfcxPositive(-x);
}

/** erfc(x): no cancellation for x >= 0; for x < 0 it is 2 - erfc(-x). */
export function erfc(x: f64): f64 {
  if (x != x) return x;
  if (x < 0) return 2 - gauss(x) * erfcxPositive(-x);
  return x > 28 ? 0 : gauss(x) * erfcxPositive(x);
}

/** ndtri(y) for 0 < y <= 0.13: minus (z - log(z)/z - c/z), z = sqrt(-2 log y). */
function lowerQuantile(logy: f64): f64 {
  const z = sqrt(-2 * logy);
  const u = 1 / z;
  let c: f64 = 0;
  if (z < 3) c = ndtriTail0(12 * u - 5);
  else if (z < 6) c = ndtriTail1(12 * u - 3);
  else c = ndtriTail2((u - 0.02564102564102564) * (2 / (0.16666666666666666 - 0.02564102564102564)) - 1);
  return (log(z) + c) * u - z;
}

/** Inverse of the normal distribution function. */
export function ndtri(y: f64): f64 {
  if (y <= 0) return y == 0 ? -Infinity : NaN;
  if (!(y < 1)) return y == 1 ? Infinity : NaN;
  if (y < 0.1353352832366127) return lowerQuantile(log(y));
  if (y > 0.8646647167633873) return -lowerQuantile(log(1 - y));
  const p = y - 0.5;
  return p * ndtriCentre((p * p) / 0.07 - 1);
}

/** Inverse of erf: ndtri((1 + y)/2)/sqrt(2), from y itself in the centre and 1 - |y| in the tails. */
export function erfinv(y: f64): f64 {
  const a = abs(y);
  if (!(a < 1)) return a == 1 ? y * Infinity : NaN;
  const p = 0.5 * y;
  if (a < 0.7293294335267746) return p * ndtriCentre((p * p) / 0.07 - 1) * 0.7071067811865476;
  const x = -lowerQuantile(log(0.5 * (1 - a))) * 0.7071067811865476;
  return y < 0 ? -x : x;
}

/** log of the normal distribution function. */
export function logNdtr(x: f64): f64 {
  const t = x * 0.7071067811865476;
  if (x < -1) return log(0.5 * erfcx(-t)) - t * t;
  return log1p(-0.5 * erfc(t));
}
