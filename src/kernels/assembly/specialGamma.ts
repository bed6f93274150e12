/** Scalar gamma family in float64: lgamma, digamma, zeta, polygamma, incomplete gamma (algorithms after Cephes). */

import { cosPi, exp, expSum, expm1, log, log1p, pow, sinPi } from "./real";
import { erfc } from "./specialErf";
import {
  lgammaNear1,
  lgammaNear2,
  temme0,
  temme1,
  temme2,
  temme3,
  temme4,
  temme5,
  temme6,
  temme7,
} from "./specialFits";

const PI: f64 = 3.141592653589793;

/** log|Gamma(x)|: a fit between the zeros at 1 and 2, recurrence up to 10, Stirling beyond, reflection below 0. */
export function lgamma(x: f64): f64 {
  if (x != x) return x;
  if (x <= 0) {
    if (x == floor(x)) return Infinity;
    if (x < -1e-17) return log(PI / abs(x * sinPi(x))) - lgamma(-x);
    return -log(-x);
  }
  if (x < 0.5) return x * (x - 1) * lgammaNear1(2 * x) - log(x);
  if (x < 1.5) return (x - 1) * (x - 2) * lgammaNear1(2 * (x - 1)) + 0.0; // 0 at 1, not -0
  if (x <= 3) return (x - 1) * (x - 2) * lgammaNear2((x - 2.25) / 0.75) + 0.0;
  if (x < 10) {
    let p: f64 = 1;
    while (x > 3) {
      x -= 1;
      p *= x;
    }
    return log(p) + (x - 1) * (x - 2) * lgammaNear2((x - 2.25) / 0.75);
  }
  if (x >= 1e17) return x < Infinity ? x * (log(x) - 1) : x;
  return (x - 0.5) * (log(x) - 1) + (0.4189385332046728 + stirling(x)); // log(2 pi)/2 - 1/2
}

/** log Gamma(x) - ((x - 1/2) log x - x + log(2 pi)/2) for x >= 10. */
function stirling(x: f64): f64 {
  const z = 1 / (x * x);
  let p: f64 = 0.0064102564102564103; // B_2k / (2k (2k - 1))
  p = p * z - 0.0019175269175269175;
  p = p * z + 8.4175084175084175e-4;
  p = p * z - 5.952380952380953e-4;
  p = p * z + 7.936507936507937e-4;
  p = p * z - 2.7777777777777779e-3;
  p = p * z + 8.3333333333333329e-2;
  return p / x;
}

/** d/dx log Gamma(x): recurrence up to 10, then the asymptotic series. */
export function digamma(x: f64): f64 {
  if (x == 0) return reinterpret<u64>(x) >> 63 ? Infinity : -Infinity;
  let result: f64 = 0;
  if (x < 0) {
    const r = x - trunc(x);
    if (r == 0) return NaN;
    result = (-PI * cosPi(r)) / sinPi(r);
    x = 1 - x;
  }
  while (x < 10) {
    result -= 1 / x;
    x += 1;
  }
  if (x == 10) return result + 2.25175258906672110764;
  let y: f64 = 0;
  if (x < 1e17) {
    const z = 1 / (x * x);
    y = 8.33333333333333333333e-2;
    y = y * z - 2.10927960927960927961e-2;
    y = y * z + 7.57575757575757575758e-3;
    y = y * z - 4.16666666666666666667e-3;
    y = y * z + 3.96825396825396825397e-3;
    y = y * z - 8.33333333333333333333e-3;
    y = (y * z + 8.33333333333333333333e-2) * z;
  }
  return result + log(x) - 0.5 / x - y;
}

/** q^-x for any q that zeta meets: negative bases only with whole x. */
function powNeg(q: f64, x: f64): f64 {
  if (q > 0) return pow(q, -x);
  const p = pow(-q, -x);
  return x - 2 * floor(x * 0.5) == 1 ? -p : p;
}

/** (2k)!/B_2k for k = 1..12, the Euler-Maclaurin denominators. */
function zetaDenominator(i: i32): f64 {
  if (i == 0) return 12.0;
  if (i == 1) return -720.0;
  if (i == 2) return 30240.0;
  if (i == 3) return -1209600.0;
  if (i == 4) return 47900160.0;
  if (i == 5) return -1.8924375803183791606e9;
  if (i == 6) return 7.47242496e10;
  if (i == 7) return -2.950130727918164224e12;
  if (i == 8) return 1.1646782814350067249e14;
  if (i == 9) return -4.5979787224074726105e15;
  if (i == 10) return 1.8152105401943546773e17;
  return -7.1661652561756670113e18;
}

const EPS: f64 = 1.1102230246251565e-16;

/** Hurwitz' zeta function, sum (k + q)^-x, by Euler and Maclaurin. */
export function zeta(x: f64, q: f64): f64 {
  if (x == 1) return Infinity;
  if (x < 1) return NaN;
  if (q <= 0) {
    if (q == floor(q)) return Infinity;
    if (x != floor(x)) return NaN;
  }
  let s = powNeg(q, x);
  let a = q;
  let b: f64 = 0;
  let i = 0;
  while (i < 9 || a <= 9) {
    i++;
    a += 1;
    b = powNeg(a, x);
    s += b;
    if (-EPS * s < b && b < EPS * s) return s;
  }
  const w = a;
  s += (b * w) / (x - 1) - 0.5 * b;
  a = 1;
  let k: f64 = 0;
  for (i = 0; i < 12; i++) {
    a *= x + k;
    b /= w;
    const t = (a * b) / zetaDenominator(i);
    s += t;
    if (abs(t / s) < EPS) return s;
    k += 1;
    a *= x + k;
    b /= w;
    k += 1;
  }
  return s;
}

/** psi''(x) of order 1: reflection below 1/2, six steps up, then four terms (PyTorch's own short series). */
export function trigamma(x: f64): f64 {
  let sign: f64 = 1;
  let result: f64 = 0;
  if (x < 0.5) {
    sign = -1;
    const s = sinPi(x);
    result -= (PI * PI) / (s * s);
    x = 1 - x;
  }
  for (let i = 0; i < 6; i++) {
    result += 1 / (x * x);
    x += 1;
  }
  const z = 1 / (x * x);
  result += (1 + 1 / (2 * x) + z * (1.0 / 6 - z * (1.0 / 30 - z * (1.0 / 42)))) / x;
  return sign * result;
}

/** The n-th derivative of digamma: (-1)^(n+1) n! zeta(n + 1, x). */
export function polygamma(n: i32, x: f64): f64 {
  if (n == 0) return digamma(x);
  if (n == 1) return trigamma(x);
  let factorial: f64 = 1;
  for (let i = 2; i <= n && i < 172; i++) factorial *= <f64>i;
  const value = (n > 170 ? Infinity : factorial) * zeta(<f64>(n + 1), x);
  return n & 1 ? value : -value;
}

// ---- incomplete gamma ----

/** log(1 + u) - u without cancellation. */
function log1pmx(u: f64): f64 {
  if (abs(u) > 0.5) return log1p(u) - u;
  // With s = u/(2 + u): log(1 + u) = 2 (s + s³/3 + ...) and u - 2 s = u s.
  const s = u / (2 + u);
  const z = s * s;
  let p: f64 = 0;
  for (let k = 35; k >= 3; k -= 2) p = p * z + 2.0 / <f64>k;
  return s * (z * p - u);
}

/** x^a exp(-x) / Gamma(a + 1), near the peak from a log1pmx and Stirling's remainder. */
function gammaFactor(a: f64, x: f64): f64 {
  if (a >= 10 && abs(a - x) <= 0.4 * a) {
    return expSum(a * log1pmx((x - a) / a), -stirling(a)) / sqrt(2 * PI * a);
  }
  if (a < 10 && x < 200) return pow(x, a) * exp(-x - lgamma(a + 1));
  return exp(a * log(x) - x - lgamma(a + 1));
}

/** P(a, x) = x^a e^-x / Gamma(a + 1) (1 + x/(a+1) + x²/((a+1)(a+2)) + ...). */
function lowerSeries(a: f64, x: f64): f64 {
  const factor = gammaFactor(a, x);
  if (factor == 0) return 0;
  let r = a;
  let c: f64 = 1;
  let sum: f64 = 1;
  for (let i = 0; i < 20000; i++) {
    r += 1;
    c *= x / r;
    sum += c;
    if (c <= EPS * sum) break;
  }
  return sum * factor;
}

/** Q(a, x) for small x: 1 - x^a/Gamma(a + 1) (1 + a sum (-x)^n/(n! (a + n))), the parts kept apart. */
function upperSeries(a: f64, x: f64): f64 {
  let factor: f64 = 1;
  let sum: f64 = 0;
  for (let n = 1; n < 2000; n++) {
    factor *= -x / <f64>n;
    const term = factor / (a + <f64>n);
    sum += term;
    if (abs(term) <= EPS * abs(sum)) break;
  }
  const logx = log(x);
  return -expm1(a * logx - lgamma(1 + a)) - exp(a * logx - lgamma(a)) * sum;
}

/** Q(a, x) by its continued fraction, rescaled against overflow. */
function upperFraction(a: f64, x: f64): f64 {
  const factor = gammaFactor(a, x) * a;
  if (factor == 0) return 0;
  let y = 1 - a;
  let z = x + y + 1;
  let c: f64 = 0;
  let p2: f64 = 1;
  let q2 = x;
  let p1 = x + 1;
  let q1 = z * x;
  let ans = p1 / q1;
  for (let i = 0; i < 20000; i++) {
    c += 1;
    y += 1;
    z += 2;
    const yc = y * c;
    const p = p1 * z - p2 * yc;
    const q = q1 * z - q2 * yc;
    let t: f64 = 1;
    if (q != 0) {
      const r = p / q;
      t = abs((ans - r) / r);
      ans = r;
    }
    p2 = p1;
    p1 = p;
    q2 = q1;
    q1 = q;
    if (abs(p) > 4503599627370496) {
      p2 *= 2.220446049250313e-16;
      p1 *= 2.220446049250313e-16;
      q2 *= 2.220446049250313e-16;
      q1 *= 2.220446049250313e-16;
    }
    if (t <= EPS) break;
  }
  return ans * factor;
}

/** Temme's uniform expansion (DLMF 8.12) for a > 200 and x near a; sign -1 gives P, +1 gives Q. */
function uniform(a: f64, x: f64, sign: f64): f64 {
  const mu = (x - a) / a;
  const half = -log1pmx(mu); // eta²/2
  const eta = mu < 0 ? -sqrt(2 * half) : sqrt(2 * half);
  const r = 1 / a;
  let s = temme7(eta) * r;
  s = (s + temme6(eta)) * r;
  s = (s + temme5(eta)) * r;
  s = (s + temme4(eta)) * r;
  s = (s + temme3(eta)) * r;
  s = (s + temme2(eta)) * r;
  s = (s + temme1(eta)) * r;
  s += temme0(eta);
  return 0.5 * erfc(sign * eta * sqrt(0.5 * a)) + (sign * exp(-a * half) * s) / sqrt(2 * PI * a);
}

/** Regularised lower incomplete gamma function P(a, x). */
export function igamma(a: f64, x: f64): f64 {
  if (x < 0 || a < 0) return NaN;
  if (a == 0) return x > 0 ? 1 : NaN;
  if (x == 0) return 0;
  if (a == Infinity) return x == Infinity ? NaN : 0;
  if (x == Infinity) return 1;
  if (a > 200 && abs(x - a) < 4.5 * sqrt(a)) return uniform(a, x, -1);
  if (x > 1 && x > a) return 1 - igammac(a, x);
  return lowerSeries(a, x);
}

/** Regularised upper incomplete gamma function Q(a, x). */
export function igammac(a: f64, x: f64): f64 {
  if (x < 0 || a < 0) return NaN;
  if (a == 0) return x > 0 ? 0 : NaN;
  if (x == 0) return 1;
  if (a == Infinity) return x == Infinity ? NaN : 1;
  if (x == Infinity) return 0;
  if (a > 200 && abs(x - a) < 4.5 * sqrt(a)) return uniform(a, x, 1);
  if (x > 1.1) return x < a ? 1 - lowerSeries(a, x) : upperFraction(a, x);
  if (x <= 0.5) return -0.4 / log(x) < a ? 1 - lowerSeries(a, x) : upperSeries(a, x);
  return x * 1.1 < a ? 1 - lowerSeries(a, x) : upperSeries(a, x);
}
