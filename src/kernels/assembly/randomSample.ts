/** Samplers whose number of draws depends on the data: gamma, Poisson, binomial, multinomial, as PyTorch's CPU. */

import { nextNormal, uniform64 } from "./mersenne";
import { exp, log, log1p, pow } from "./real";
import { lgamma } from "./specialGamma";

// ---- gamma ----

/** Marsaglia and Tsang (2000); below one, Gamma(a) = Gamma(a + 1) U^(1/a). T is the precision PyTorch computes in. */
// @ts-ignore: decorator
@inline
function gamma<T extends number>(state: usize, alpha: T): f64 {
  let factor: f64 = 1;
  if (alpha < 1) {
    if (alpha == 0) return 0;
    factor = pow(1 - uniform64(state), <f64>(<T>1 / alpha));
    alpha = <T>(alpha + 1);
  }
  const d =
    sizeof<T>() == 4
      ? <f64>(<f32>alpha - <f32>0.3333333432674408)
      : <f64>alpha - <f64>(<f32>0.3333333432674408);
  const c = 1 / sqrt(9 * d);
  while (true) {
    let x: f64 = 0;
    let y: f64 = 0;
    do {
      x = nextNormal(state);
      y = 1 + c * x;
    } while (y <= 0);
    const v = y * y * y;
    const u = 1 - uniform64(state);
    const xx = x * x;
    if (u < 1 - <f64>(<f32>0.0331) * xx * xx || log(u) < 0.5 * xx + d * (1 - v + log(v)))
      return factor * d * v;
  }
}

/** Gamma(alpha, 1), at least the smallest normal number of the type. */
export function standardGamma_f32(state: usize, alpha: usize, out: usize, n: i32): void {
  for (let i: usize = 0; i < (<usize>n) << 2; i += 4) {
    const g = <f32>gamma<f32>(state, load<f32>(alpha + i));
    store<f32>(out + i, max<f32>(1.1754943508222875e-38, g));
  }
}
export function standardGamma_f64(state: usize, alpha: usize, out: usize, n: i32): void {
  for (let i: usize = 0; i < (<usize>n) << 3; i += 8) {
    store<f64>(out + i, max<f64>(2.2250738585072014e-308, gamma<f64>(state, load<f64>(alpha + i))));
  }
}

// ---- Poisson ----

/** Hoermann's transformed rejection (1993) from rate 10 on, a product of uniforms below. */
function poisson(state: usize, rate: f64): f64 {
  if (rate == 0) return 0;
  if (rate < 10) {
    const bound = exp(-rate);
    let k: f64 = 0;
    let product = uniform64(state);
    while (product > bound) {
      k += 1;
      product *= uniform64(state);
    }
    return k;
  }
  const logRate = log(rate);
  const b = 0.931 + 2.53 * sqrt(rate);
  const a = -0.059 + 0.02483 * b;
  const invAlpha = 1.1239 + 1.1328 / (b - 3.4);
  const vr = 0.9277 - 3.6224 / (b - 2);
  while (true) {
    const u = uniform64(state) - 0.5;
    const v = uniform64(state);
    const us = 0.5 - abs(u);
    const k = floor(((2 * a) / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= vr) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (log(v) + log(invAlpha) - log(a / (us * us) + b) <= -rate + k * logRate - lgamma(k + 1)) return k;
  }
}

export function poisson_f32(state: usize, rate: usize, out: usize, n: i32): void {
  for (let i: usize = 0; i < (<usize>n) << 2; i += 4)
    store<f32>(out + i, <f32>poisson(state, <f64>load<f32>(rate + i)));
}
export function poisson_f64(state: usize, rate: usize, out: usize, n: i32): void {
  for (let i: usize = 0; i < (<usize>n) << 3; i += 8)
    store<f64>(out + i, poisson(state, load<f64>(rate + i)));
}

// ---- binomial ----

/** log(k!) less Stirling's main part, for the acceptance test below. */
function stirlingTail(k: f64): f64 {
  if (k <= 9) {
    if (k == 0) return 0.0810614667953272;
    if (k == 1) return 0.0413406959554092;
    if (k == 2) return 0.0276779256849983;
    if (k == 3) return 0.02079067210376509;
    if (k == 4) return 0.0166446911898211;
    if (k == 5) return 0.0138761288230707;
    if (k == 6) return 0.0118967099458917;
    if (k == 7) return 0.010411265261972;
    if (k == 8) return 0.00925546218271273;
    return 0.00833056343336287;
  }
  const z = (k + 1) * (k + 1);
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / z) / z) / (k + 1);
}

/** Counts geometric waiting times; for count p < 10. */
function binomialInversion(state: usize, count: f64, p: f64): f64 {
  const logq = log1p(-p);
  let sum: f64 = 0;
  let k: f64 = 0;
  while (true) {
    sum += ceil(log(uniform64(state)) / logq);
    if (sum > count) return k;
    k += 1;
  }
}

/** Hoermann's BTRS (1993), transformed rejection with squeeze; for p <= 1/2 and count p >= 10. */
function binomialRejection(state: usize, count: f64, p: f64): f64 {
  const std = sqrt(count * p * (1 - p));
  const b = 1.15 + 2.53 * std;
  const a = -0.0873 + 0.0248 * b + 0.01 * p;
  const c = count * p + 0.5;
  const vr = 0.92 - 4.2 / b;
  const r = p / (1 - p);
  const alpha = (2.83 + 5.1 / b) * std;
  const m = floor((count + 1) * p);
  while (true) {
    const u = uniform64(state) - 0.5;
    const v = uniform64(state);
    const us = 0.5 - abs(u);
    const k = floor(((2 * a) / us + b) * u + c);
    if (k < 0 || k > count) continue;
    if (us >= 0.07 && v <= vr) return k;
    const bound =
      (m + 0.5) * log((m + 1) / (r * (count - m + 1))) +
      (count + 1) * log((count - m + 1) / (count - k + 1)) +
      (k + 0.5) * log((r * (count - k + 1)) / (k + 1)) +
      stirlingTail(m) +
      stirlingTail(count - m) -
      stirlingTail(k) -
      stirlingTail(count - k);
    if (log((v * alpha) / (a / (us * us) + b)) <= bound) return k;
  }
}

// @ts-ignore: decorator
@inline
function binomial<T extends number>(state: usize, count: T, p: T): f64 {
  if (count <= 0 || p <= 0) return 0;
  if (p >= 1) return <f64>count;
  if (!(p > 0.5)) {
    if (p != p) return NaN;
    return count * p >= 10
      ? binomialRejection(state, <f64>count, <f64>p)
      : binomialInversion(state, <f64>count, <f64>p);
  }
  const q = <T>(1 - p);
  return count * q >= 10
    ? <f64>count - binomialRejection(state, <f64>count, <f64>q)
    : <f64>count - binomialInversion(state, <f64>count, <f64>q);
}

export function binomial_f32(state: usize, count: usize, p: usize, out: usize, n: i32): void {
  for (let i: usize = 0; i < (<usize>n) << 2; i += 4) {
    store<f32>(out + i, <f32>binomial<f32>(state, load<f32>(count + i), load<f32>(p + i)));
  }
}
export function binomial_f64(state: usize, count: usize, p: usize, out: usize, n: i32): void {
  for (let i: usize = 0; i < (<usize>n) << 3; i += 8) {
    store<f64>(out + i, binomial<f64>(state, load<f64>(count + i), load<f64>(p + i)));
  }
}

// ---- multinomial ----

/**
 * Draws with replacement from each row of weights [rows, categories], by bisection in the cumulative sums.
 * cum is scratch for one row; indices go to out as int64 [rows, samples].
 * Returns 0, or 1 (negative weight), 2 (infinite or NaN weight), 3 (sum not positive).
 */
// @ts-ignore: decorator
@inline
function multinomial<T extends number>(
  state: usize,
  weights: usize,
  cum: usize,
  out: usize,
  rows: i32,
  categories: i32,
  samples: i32,
): i32 {
  for (let r = 0; r < rows; r++) {
    let sum: T = 0;
    for (let j = 0; j < categories; j++) {
      const w = load<T>(weights + <usize>j * sizeof<T>());
      if (w < 0) return 1;
      if (!(w < <T>Infinity)) return 2;
      sum = <T>(sum + w);
      store<T>(cum + <usize>j * sizeof<T>(), sum);
    }
    if (!(sum > 0)) return 3;
    for (let j = 0; j < categories; j++) {
      const p = cum + <usize>j * sizeof<T>();
      store<T>(p, <T>(load<T>(p) / sum));
    }
    store<T>(cum + <usize>(categories - 1) * sizeof<T>(), <T>1);
    for (let s = 0; s < samples; s++) {
      const u = uniform64(state);
      let low = 0;
      let high = categories;
      while (low < high) {
        const mid = low + ((high - low) >> 1);
        if (<f64>load<T>(cum + <usize>mid * sizeof<T>()) < u) low = mid + 1;
        else high = mid;
      }
      store<i64>(out, <i64>low);
      out += 8;
    }
    weights += <usize>categories * sizeof<T>();
  }
  return 0;
}

export function multinomial_f32(
  state: usize,
  weights: usize,
  cum: usize,
  out: usize,
  rows: i32,
  categories: i32,
  samples: i32,
): i32 {
  return multinomial<f32>(state, weights, cum, out, rows, categories, samples);
}
export function multinomial_f64(
  state: usize,
  weights: usize,
  cum: usize,
  out: usize,
  rows: i32,
  categories: i32,
  samples: i32,
): i32 {
  return multinomial<f64>(state, weights, cum, out, rows, categories, samples);
}

/** Whether entry i of the keys comes before entry j: larger first, then the smaller index. */
// @ts-ignore: decorator
@inline
function before<T extends number>(keys: usize, i: i32, j: i32): bool {
  const a = load<T>(keys + <usize>i * sizeof<T>());
  const b = load<T>(keys + <usize>j * sizeof<T>());
  return a > b || (a == b && i < j);
}

// @ts-ignore: decorator
@inline
function sink<T extends number>(keys: usize, heap: usize, at: i32, size: i32): void {
  const moving = load<i32>(heap + ((<usize>at) << 2));
  while (true) {
    let child = 2 * at + 1;
    if (child >= size) break;
    let c = load<i32>(heap + ((<usize>child) << 2));
    if (child + 1 < size) {
      const d = load<i32>(heap + ((<usize>child) << 2), 4);
      if (before<T>(keys, d, c)) {
        c = d;
        child++;
      }
    }
    if (!before<T>(keys, c, moving)) break;
    store<i32>(heap + ((<usize>at) << 2), c);
    at = child;
  }
  store<i32>(heap + ((<usize>at) << 2), moving);
}

/**
 * Draws without replacement: the largest of weight/Exp(1) (Gumbel's trick), found with a heap.
 * keys is scratch for rows x categories values, heap for categories int32. The caller checks the weights.
 */
// @ts-ignore: decorator
@inline
function withoutReplacement<T extends number>(
  state: usize,
  weights: usize,
  keys: usize,
  heap: usize,
  out: usize,
  rows: i32,
  categories: i32,
  samples: i32,
): void {
  const total = <usize>rows * <usize>categories * sizeof<T>();
  for (let i: usize = 0; i < total; i += sizeof<T>()) {
    store<T>(keys + i, <T>(load<T>(weights + i) / <T>-log(1 - uniform64(state))));
  }
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < categories; j++) store<i32>(heap + ((<usize>j) << 2), j);
    for (let j = (categories >> 1) - 1; j >= 0; j--) sink<T>(keys, heap, j, categories);
    for (let s = 0; s < samples; s++) {
      store<i64>(out, <i64>load<i32>(heap));
      out += 8;
      const size = categories - 1 - s;
      store<i32>(heap, load<i32>(heap + ((<usize>size) << 2)));
      sink<T>(keys, heap, 0, size);
    }
    keys += <usize>categories * sizeof<T>();
  }
}

export function multinomialDistinct_f32(
  state: usize,
  weights: usize,
  keys: usize,
  heap: usize,
  out: usize,
  rows: i32,
  categories: i32,
  samples: i32,
): void {
  withoutReplacement<f32>(state, weights, keys, heap, out, rows, categories, samples);
}
export function multinomialDistinct_f64(
  state: usize,
  weights: usize,
  keys: usize,
  heap: usize,
  out: usize,
  rows: i32,
  categories: i32,
  samples: i32,
): void {
  withoutReplacement<f64>(state, weights, keys, heap, out, rows, categories, samples);
}
