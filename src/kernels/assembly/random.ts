/** Random fills that draw as PyTorch's CPU generator does, in its order and with its arithmetic (sequential). */

import { nextNormal, random32, random64, randomWords, uniform32, uniform64 } from "./mersenne";
import { cos, exp, log, productError, sin, tan } from "./real";

/** a b + c rounded once, which is what PyTorch's compiler makes of it on x86-64 with FMA. */
// @ts-ignore: decorator
@inline
function fma64(a: f64, b: f64, c: f64): f64 {
  const p = a * b;
  const s = p + c;
  const t = s - p;
  return s + (p - (s - t) + (c - t) + productError(a, b, p));
}

// ---- uniform ----

/** from + (to - from) u, u with 24 random bits; the sum is rounded once, through float64. */
export function uniform_f32(state: usize, out: usize, n: i32, from: f64, to: f64): void {
  randomWords(state, out, n);
  const low = <f64>(<f32>from);
  const width = <f64>(<f32>(<f32>to - <f32>from));
  const unit = low == 0 && width == 1;
  const end = out + ((<usize>n) << 2);
  for (; out + 16 <= end; out += 16) {
    const bits = v128.and(v128.load(out), i32x4.splat(0xffffff));
    let u = f32x4.mul(f32x4.convert_i32x4_s(bits), f32x4.splat(5.9604644775390625e-8));
    if (!unit) {
      const a = f64x2.mul(f64x2.promote_low_f32x4(u), f64x2.splat(width));
      const b = f64x2.mul(f64x2.promote_low_f32x4(i64x2.shuffle(u, u, 1, 1)), f64x2.splat(width));
      const c = f32x4.demote_f64x2_zero(f64x2.add(a, f64x2.splat(low)));
      const d = f32x4.demote_f64x2_zero(f64x2.add(b, f64x2.splat(low)));
      u = i64x2.shuffle(c, d, 0, 2);
    }
    v128.store(out, u);
  }
  for (; out < end; out += 4) {
    const u = <f32>(load<u32>(out) & 0xffffff) * 5.9604644775390625e-8;
    store<f32>(out, <f32>(<f64>u * width + low));
  }
}

/** from + (to - from) u, u with 53 random bits. */
export function uniform_f64(state: usize, out: usize, n: i32, from: f64, to: f64): void {
  const width = to - from;
  const end = out + ((<usize>n) << 3);
  randomWords(state, out, n << 1);
  for (; out < end; out += 8) {
    const u =
      <f64>(((<u64>(load<u32>(out) & 0x1fffff)) << 32) | <u64>load<u32>(out, 4)) * 1.1102230246251565e-16;
    store<f64>(out, from == 0 && width == 1 ? u : fma64(u, width, from));
  }
}

// ---- normal ----

// @ts-ignore: decorator
@inline
function normalSerial<T extends number>(state: usize, out: usize, n: i32, mean: f64, std: f64): void {
  for (let i = 0; i < n; i++) store<T>(out + <usize>i * sizeof<T>(), <T>fma64(nextNormal(state), std, mean));
}

/** What PyTorch draws for fewer than 16 elements, and for tensors that are not contiguous. */
export function normalSerial_f32(state: usize, out: usize, n: i32, mean: f64, std: f64): void {
  normalSerial<f32>(state, out, n, mean, std);
}
export function normalSerial_f64(state: usize, out: usize, n: i32, mean: f64, std: f64): void {
  normalSerial<f64>(state, out, n, mean, std);
}

/** Rounds both doubles to float32: one rounding after a double op on floats is the float op, an FMA included. */
// @ts-ignore: decorator
@inline
function round(x: v128): v128 {
  return f64x2.promote_low_f32x4(f32x4.demote_f64x2_zero(x));
}
// @ts-ignore: decorator
@inline
function madd(a: v128, b: v128, c: f32): v128 {
  return round(f64x2.add(f64x2.mul(a, b), f64x2.splat(<f64>c)));
}
// @ts-ignore: decorator
@inline
function maddv(a: v128, b: v128, c: v128): v128 {
  return round(f64x2.add(f64x2.mul(a, b), c));
}
// @ts-ignore: decorator
@inline
function times(a: v128, b: v128): v128 {
  return round(f64x2.mul(a, b));
}
// @ts-ignore: decorator
@inline
function plus(a: v128, b: v128): v128 {
  return round(f64x2.add(a, b));
}

/** Cephes' float32 logarithm for 0 < x <= 1, in the order in which PyTorch's AVX2 code evaluates it. */
// @ts-ignore: decorator
@inline
function log32(x: v128): v128 {
  const biased = v128.or(i64x2.shr_u(x, 52), i64x2.splat(0x4330000000000000)); // 2^52 + exponent
  let e = f64x2.sub(biased, f64x2.splat(4503599627371518)); // 2^52 + 1022
  x = v128.or(v128.and(x, i64x2.splat(0xfffffffffffff)), i64x2.splat(0x3fe0000000000000)); // in [1/2, 1)
  const small = f64x2.lt(x, f64x2.splat(<f64>(<f32>0.707106781186547524)));
  const tmp = v128.and(x, small);
  e = f64x2.sub(e, v128.and(f64x2.splat(1), small));
  x = f64x2.add(f64x2.sub(x, f64x2.splat(1)), tmp);
  const z = times(x, x);
  let y = madd(f64x2.splat(<f64>(<f32>7.0376836292e-2)), x, -1.151461031e-1);
  y = madd(y, x, 1.167699874e-1);
  y = madd(y, x, -1.2420140846e-1);
  y = madd(y, x, 1.4249322787e-1);
  y = madd(y, x, -1.6668057665e-1);
  y = madd(y, x, 2.0000714765e-1);
  y = madd(y, x, -2.4999993993e-1);
  y = madd(y, x, 3.3333331174e-1);
  y = maddv(times(y, x), z, times(e, f64x2.splat(<f64>(<f32>-2.1219444e-4))));
  y = maddv(z, f64x2.splat(-0.5), y);
  return maddv(e, f64x2.splat(0.693359375), plus(x, y));
}

/** Two Box-Muller pairs in float32: (r cos t, r sin t) std + mean, r = sqrt(-2 log(1 - u1)), t = 2 pi u2. */
// @ts-ignore: decorator
@inline
function normalPairs(data: usize, mean: v128, std: v128): void {
  const u1 = f64x2.promote_low_f32x4(v128.load64_zero(data));
  const u2 = f64x2.promote_low_f32x4(v128.load64_zero(data, 32));
  const radius = round(f64x2.sqrt(times(f64x2.splat(-2), log32(f64x2.sub(f64x2.splat(1), u1)))));
  let x = times(f64x2.splat(<f64>(<f32>6.283185307179586)), u2);
  // j = the even multiple of pi/4 nearest to x; x is reduced by it in three steps.
  let j = f64x2.trunc(times(x, f64x2.splat(<f64>(<f32>1.27323954473516))));
  j = f64x2.mul(f64x2.floor(f64x2.mul(f64x2.add(j, f64x2.splat(1)), f64x2.splat(0.5))), f64x2.splat(2));
  x = maddv(j, f64x2.splat(-0.78515625), x);
  x = maddv(j, f64x2.splat(-2.4187564849853515625e-4), x);
  x = maddv(j, f64x2.splat(<f64>(<f32>-3.77489497744594108e-8)), x);
  const z = times(x, x);
  let c = madd(f64x2.splat(<f64>(<f32>2.443315711809948e-5)), z, -1.388731625493765e-3);
  c = times(madd(c, z, 4.166664568298827e-2), z);
  c = plus(maddv(c, z, f64x2.mul(z, f64x2.splat(-0.5))), f64x2.splat(1));
  let s = madd(f64x2.splat(<f64>(<f32>-1.9515295891e-4)), z, 8.3321608736e-3);
  s = madd(s, z, -1.6666654611e-1);
  s = maddv(times(s, z), x, x);
  const j2 = f64x2.eq(j, f64x2.splat(2));
  const j4 = f64x2.eq(j, f64x2.splat(4));
  const j6 = f64x2.eq(j, f64x2.splat(6));
  const swap = v128.or(j2, j6);
  const minus = f64x2.splat(-0.0);
  const sine = v128.xor(v128.bitselect(c, s, swap), v128.and(v128.or(j4, j6), minus));
  const cosine = v128.xor(v128.bitselect(s, c, swap), v128.and(v128.or(j2, j4), minus));
  const n1 = f32x4.demote_f64x2_zero(f64x2.add(f64x2.mul(times(radius, cosine), std), mean));
  const n2 = f32x4.demote_f64x2_zero(f64x2.add(f64x2.mul(times(radius, sine), std), mean));
  v128.store64_lane(data, n1, 0);
  v128.store64_lane(data, n2, 0, 32);
}

function normal16_f32(data: usize, mean: v128, std: v128): void {
  for (let i: usize = 0; i < 32; i += 8) normalPairs(data + i, mean, std);
}

/** PyTorch's normal_: n >= 16 fills with uniforms and transforms 16 at a time, the last 16 drawn anew. */
export function normal_f32(state: usize, out: usize, n: i32, mean: f64, std: f64): void {
  if (n < 16) {
    normalSerial<f32>(state, out, n, mean, std);
    return;
  }
  uniform_f32(state, out, n, 0, 1);
  const m = f64x2.splat(<f64>(<f32>mean));
  const s = f64x2.splat(<f64>(<f32>std));
  for (let i = 0; i + 16 <= n; i += 16) normal16_f32(out + ((<usize>i) << 2), m, s);
  if (n & 15) {
    const last = out + ((<usize>(n - 16)) << 2);
    uniform_f32(state, last, 16, 0, 1);
    normal16_f32(last, m, s);
  }
}

function normal16_f64(data: usize, mean: f64, std: f64): void {
  for (let j: usize = 0; j < 64; j += 8) {
    const radius = sqrt(-2 * log(1 - load<f64>(data + j)));
    const theta = 6.283185307179586 * load<f64>(data + j, 64);
    store<f64>(data + j, fma64(radius * cos(theta), std, mean));
    store<f64>(data + j, fma64(radius * sin(theta), std, mean), 64);
  }
}

export function normal_f64(state: usize, out: usize, n: i32, mean: f64, std: f64): void {
  if (n < 16) {
    normalSerial<f64>(state, out, n, mean, std);
    return;
  }
  uniform_f64(state, out, n, 0, 1);
  for (let i = 0; i + 16 <= n; i += 16) normal16_f64(out + ((<usize>i) << 3), mean, std);
  if (n & 15) {
    const last = out + ((<usize>(n - 16)) << 3);
    uniform_f64(state, last, 16, 0, 1);
    normal16_f64(last, mean, std);
  }
}

// ---- integers ----

/** base + draw mod range; 64-bit draws from 2^32 values on, for the types that hold them. */
// @ts-ignore: decorator
@inline
function randint<T extends number>(state: usize, out: usize, n: i32, range: u64, base: i64): void {
  for (let i = 0; i < n; i++) {
    const draw =
      sizeof<T>() == 8 || isFloat<T>()
        ? range >> 32
          ? random64(state)
          : <u64>random32(state)
        : <u64>random32(state);
    store<T>(out + <usize>i * sizeof<T>(), <T>(<i64>(draw % range) + base));
  }
}

/** Integers in [base, base + range), both given as (low, high) halves of 64 bits; range 0 means 2^64. */
export function randint_i64(
  state: usize,
  out: usize,
  n: i32,
  rangeLow: u32,
  rangeHigh: u32,
  baseLow: u32,
  baseHigh: u32,
): void {
  const range = ((<u64>rangeHigh) << 32) | <u64>rangeLow;
  if (range) randint<i64>(state, out, n, range, <i64>(((<u64>baseHigh) << 32) | <u64>baseLow));
  else for (let i = 0; i < n; i++) store<u64>(out + ((<usize>i) << 3), random64(state));
}
export function randint_i32(
  state: usize,
  out: usize,
  n: i32,
  rangeLow: u32,
  rangeHigh: u32,
  baseLow: u32,
  baseHigh: u32,
): void {
  randint<i32>(
    state,
    out,
    n,
    ((<u64>rangeHigh) << 32) | <u64>rangeLow,
    <i64>(((<u64>baseHigh) << 32) | <u64>baseLow),
  );
}
export function randint_u8(
  state: usize,
  out: usize,
  n: i32,
  rangeLow: u32,
  rangeHigh: u32,
  baseLow: u32,
  baseHigh: u32,
): void {
  randint<u8>(
    state,
    out,
    n,
    ((<u64>rangeHigh) << 32) | <u64>rangeLow,
    <i64>(((<u64>baseHigh) << 32) | <u64>baseLow),
  );
}
export function randint_f32(
  state: usize,
  out: usize,
  n: i32,
  rangeLow: u32,
  rangeHigh: u32,
  baseLow: u32,
  baseHigh: u32,
): void {
  randint<f32>(
    state,
    out,
    n,
    ((<u64>rangeHigh) << 32) | <u64>rangeLow,
    <i64>(((<u64>baseHigh) << 32) | <u64>baseLow),
  );
}
export function randint_f64(
  state: usize,
  out: usize,
  n: i32,
  rangeLow: u32,
  rangeHigh: u32,
  baseLow: u32,
  baseHigh: u32,
): void {
  randint<f64>(
    state,
    out,
    n,
    ((<u64>rangeHigh) << 32) | <u64>rangeLow,
    <i64>(((<u64>baseHigh) << 32) | <u64>baseLow),
  );
}

/** random_() without bounds: [0, max] for integers, [0, 2^mantissa] for floats, one bit for bool. */
export function random_i64(state: usize, out: usize, n: i32): void {
  for (let i = 0; i < n; i++) store<u64>(out + ((<usize>i) << 3), random64(state) & 0x7fffffffffffffff);
}
export function random_i32(state: usize, out: usize, n: i32): void {
  for (let i = 0; i < n; i++) store<u32>(out + ((<usize>i) << 2), random32(state) & 0x7fffffff);
}
export function random_u8(state: usize, out: usize, n: i32): void {
  for (let i = 0; i < n; i++) store<u8>(out + <usize>i, <u8>random32(state));
}
export function random_b8(state: usize, out: usize, n: i32): void {
  for (let i = 0; i < n; i++) store<u8>(out + <usize>i, <u8>(random32(state) & 1));
}
export function random_f32(state: usize, out: usize, n: i32): void {
  for (let i = 0; i < n; i++) store<f32>(out + ((<usize>i) << 2), <f32>(random32(state) % 16777217));
}
export function random_f64(state: usize, out: usize, n: i32): void {
  for (let i = 0; i < n; i++) store<f64>(out + ((<usize>i) << 3), <f64>(random64(state) % 9007199254740993));
}

/** A permutation of 0..n-1 by Fisher and Yates. */
export function randperm_i64(state: usize, out: usize, n: i32): void {
  for (let i = 0; i < n; i++) store<i64>(out + ((<usize>i) << 3), <i64>i);
  for (let i = 0; i < n - 1; i++) {
    const p = out + ((<usize>i) << 3);
    const q = p + ((<usize>(random32(state) % <u32>(n - i))) << 3);
    const t = load<i64>(q);
    store<i64>(q, load<i64>(p));
    store<i64>(p, t);
  }
}

// ---- continuous distributions: float64 draws, rounded to the output type ----

const EXPONENTIAL: i32 = 0;
const CAUCHY: i32 = 1;
const LOG_NORMAL: i32 = 2;
const GEOMETRIC: i32 = 3;
const BERNOULLI: i32 = 4;

// @ts-ignore: decorator
@inline
function draw(op: i32, state: usize, a: f64, b: f64): f64 {
  if (op == EXPONENTIAL) return (-1 / a) * log(1 - uniform64(state));
  if (op == CAUCHY) return fma64(b, tan(3.141592653589793 * (uniform64(state) - 0.5)), a);
  if (op == LOG_NORMAL) return exp(fma64(nextNormal(state), b, a));
  if (op == GEOMETRIC) return ceil(log(uniform64(state)) / log(1 - a));
  return uniform64(state) < a ? 1 : 0;
}

// @ts-ignore: decorator
@inline
function fill<T extends number>(op: i32, state: usize, out: usize, n: i32, a: f64, b: f64): void {
  for (let i = 0; i < n; i++) store<T>(out + <usize>i * sizeof<T>(), <T>draw(op, state, a, b));
}

export function exponential_f32(state: usize, out: usize, n: i32, lambda: f64): void {
  fill<f32>(EXPONENTIAL, state, out, n, lambda, 0);
}
export function exponential_f64(state: usize, out: usize, n: i32, lambda: f64): void {
  fill<f64>(EXPONENTIAL, state, out, n, lambda, 0);
}
export function cauchy_f32(state: usize, out: usize, n: i32, median: f64, sigma: f64): void {
  fill<f32>(CAUCHY, state, out, n, median, sigma);
}
export function cauchy_f64(state: usize, out: usize, n: i32, median: f64, sigma: f64): void {
  fill<f64>(CAUCHY, state, out, n, median, sigma);
}
export function logNormal_f32(state: usize, out: usize, n: i32, mean: f64, std: f64): void {
  fill<f32>(LOG_NORMAL, state, out, n, mean, std);
}
export function logNormal_f64(state: usize, out: usize, n: i32, mean: f64, std: f64): void {
  fill<f64>(LOG_NORMAL, state, out, n, mean, std);
}
export function geometric_f32(state: usize, out: usize, n: i32, p: f64): void {
  fill<f32>(GEOMETRIC, state, out, n, p, 0);
}
export function geometric_f64(state: usize, out: usize, n: i32, p: f64): void {
  fill<f64>(GEOMETRIC, state, out, n, p, 0);
}
export function geometric_i32(state: usize, out: usize, n: i32, p: f64): void {
  fill<i32>(GEOMETRIC, state, out, n, p, 0);
}
export function geometric_i64(state: usize, out: usize, n: i32, p: f64): void {
  fill<i64>(GEOMETRIC, state, out, n, p, 0);
}
export function geometric_u8(state: usize, out: usize, n: i32, p: f64): void {
  fill<u8>(GEOMETRIC, state, out, n, p, 0);
}

/**
 * One with probability p, one float64 draw each: bernoulli_(p) and dropout in PyTorch builds without MKL.
 * (Builds with MKL seed MKL's generator from one draw and give other values.)
 */
export function bernoulli_f32(state: usize, out: usize, n: i32, p: f64): void {
  fill<f32>(BERNOULLI, state, out, n, p, 0);
}
export function bernoulli_f64(state: usize, out: usize, n: i32, p: f64): void {
  fill<f64>(BERNOULLI, state, out, n, p, 0);
}
export function bernoulli_i32(state: usize, out: usize, n: i32, p: f64): void {
  fill<i32>(BERNOULLI, state, out, n, p, 0);
}
export function bernoulli_i64(state: usize, out: usize, n: i32, p: f64): void {
  fill<i64>(BERNOULLI, state, out, n, p, 0);
}
export function bernoulli_u8(state: usize, out: usize, n: i32, p: f64): void {
  fill<u8>(BERNOULLI, state, out, n, p, 0);
}

/** One with the probability found in p: bernoulli(p), one draw of p's own precision each. */
export function bernoulliTensor_f32(state: usize, p: usize, out: usize, n: i32): void {
  for (let i: usize = 0; i < (<usize>n) << 2; i += 4)
    store<f32>(out + i, uniform32(state) < load<f32>(p + i) ? 1 : 0);
}
export function bernoulliTensor_f64(state: usize, p: usize, out: usize, n: i32): void {
  for (let i: usize = 0; i < (<usize>n) << 3; i += 8)
    store<f64>(out + i, uniform64(state) < load<f64>(p + i) ? 1 : 0);
}
