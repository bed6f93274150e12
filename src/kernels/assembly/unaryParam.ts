/** Flat unary operators with parameters; in place (x == out) works. */

import { lanes, loadPart, storePart } from "./lanes";
import { c } from "./math32";
import { expm1_64, k, softplus64 } from "./math64";
import { pow64, powWide } from "./pow64";
import { expm1_32, softplus32 } from "./soft32";

type P = usize;
type I = i32;

const LEAKY_RELU = 0;
const CLAMP = 1;
const HARDSWISH = 2;
const HARDSIGMOID = 3;
const SOFTSHRINK = 4;
const HARDSHRINK = 5;
const THRESHOLD = 6;
const MUL_SCALAR = 7;
const ADD_SCALAR = 8;
const NAN_TO_NUM = 9;
const ROUND_SCALED = 10;
const ROUND_DIVIDED = 11;
const ELU = 12;
const SOFTPLUS = 13;
const POW_SCALAR = 14;

// pmax(x, a) is x < a ? a : x, which passes on a NaN of x.
// @ts-ignore: decorator
@inline
function apply<T>(op: i32, x: v128, a: v128, b: v128, c: v128): v128 {
  const zero = v128.splat<T>(<T>0);
  if (op == LEAKY_RELU) return v128.bitselect(x, v128.mul<T>(x, a), v128.gt<T>(x, zero));
  if (op == CLAMP) return v128.pmin<T>(v128.pmax<T>(x, a), b);
  if (op == HARDSWISH || op == HARDSIGMOID) {
    const six = v128.splat<T>(<T>6);
    const t = v128.pmin<T>(v128.pmax<T>(v128.add<T>(x, v128.splat<T>(<T>3)), zero), six);
    return v128.div<T>(op == HARDSWISH ? v128.mul<T>(x, t) : t, six);
  }
  if (op == SOFTSHRINK) {
    const negative = v128.neg<T>(a);
    const above = v128.and(v128.sub<T>(x, a), v128.gt<T>(x, a));
    const below = v128.and(v128.add<T>(x, a), v128.lt<T>(x, negative));
    return v128.bitselect(v128.or(above, below), x, v128.eq<T>(x, x));
  }
  if (op == HARDSHRINK) {
    return v128.andnot(x, v128.and(v128.ge<T>(x, v128.neg<T>(a)), v128.le<T>(x, a)));
  }
  if (op == THRESHOLD) return v128.bitselect(b, x, v128.le<T>(x, a));
  if (op == MUL_SCALAR) return v128.mul<T>(x, a);
  if (op == ADD_SCALAR) return v128.add<T>(x, a);
  if (op == NAN_TO_NUM) {
    const infinity = v128.splat<T>(<T>Infinity);
    let r = v128.bitselect(x, a, v128.eq<T>(x, x));
    r = v128.bitselect(b, r, v128.eq<T>(x, infinity));
    return v128.bitselect(c, r, v128.eq<T>(x, v128.neg<T>(infinity)));
  }
  if (op == ROUND_SCALED) return v128.div<T>(v128.nearest<T>(v128.mul<T>(x, a)), a);
  return v128.mul<T>(v128.nearest<T>(v128.div<T>(x, a)), a);
}

// @ts-ignore: decorator
@inline
function loop<T>(op: i32, x: usize, out: usize, n: i32, p0: f64, p1: f64, p2: f64): void {
  const a = v128.splat<T>(<T>p0);
  const b = v128.splat<T>(<T>p1);
  const c = v128.splat<T>(<T>p2);
  for (; n >= 2 * lanes<T>(); n -= 2 * lanes<T>()) {
    v128.store(out, apply<T>(op, v128.load(x), a, b, c));
    v128.store(out, apply<T>(op, v128.load(x, 16), a, b, c), 16);
    x += 32;
    out += 32;
  }
  for (; n > 0; --n) {
    v128.store_lane<T>(out, apply<T>(op, v128.load_splat<T>(x), a, b, c), 0);
    x += sizeof<T>();
    out += sizeof<T>();
  }
}

// A NaN bound makes every result NaN.
// @ts-ignore: decorator
@inline
function clamp<T>(x: usize, out: usize, n: i32, low: f64, high: f64): void {
  if (low == low && high == high) {
    loop<T>(CLAMP, x, out, n, low, high, 0.0);
    return;
  }
  // No second call of the loop: two share their code, and choose the operation anew for each vector.
  for (; n > 0; --n, out += sizeof<T>()) store<T>(out, <T>NaN);
}

// Elu: x > 0 ? scale*x : scale*alpha*expm1(inputScale*x). Softplus: log(1 + exp(beta*x)) / beta, x beyond
// the threshold.
// @ts-ignore: decorator
@inline
function smooth64(op: i32, x: v128, p0: f64, p1: f64, p2: f64): v128 {
  if (op == ELU) {
    const below = f64x2.mul(expm1_64(f64x2.mul(x, k(p2))), k(p0 * p1));
    return v128.bitselect(below, f64x2.mul(x, k(p1)), f64x2.le(x, k(0.0)));
  }
  if (op == SOFTPLUS) {
    const z = f64x2.mul(x, k(p0));
    return v128.bitselect(x, f64x2.div(softplus64(z), k(p0)), f64x2.gt(z, k(p1)));
  }
  return pow64(x, k(p0));
}

// The same in float32, parameters rounded first, as PyTorch does.
// @ts-ignore: decorator
@inline
function smooth32(op: i32, x: v128, p0: f64, p1: f64, p2: f64): v128 {
  if (op == ELU) {
    const below = f32x4.mul(expm1_32(f32x4.mul(x, c(<f32>p2))), c(<f32>(p0 * p1)));
    return v128.bitselect(below, f32x4.mul(x, c(<f32>p1)), f32x4.le(x, c(0.0)));
  }
  if (op == SOFTPLUS) {
    const z = f32x4.mul(x, c(<f32>p0));
    return v128.bitselect(x, f32x4.div(softplus32(z), c(<f32>p0)), f32x4.gt(z, c(<f32>p1)));
  }
  const e = k(<f64>(<f32>p0));
  const low = powWide(f64x2.promote_low_f32x4(x), e);
  const high = powWide(f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 1)), e);
  return v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
}

// The body runs before the loop is asked whether it ends: engines take constants out of such loops only.
// @ts-ignore: decorator
@inline
function loopSmooth<T>(op: i32, x: usize, out: usize, n: i32, p0: f64, p1: f64, p2: f64): void {
  if (n <= 0) return;
  do {
    const v = n >= lanes<T>() ? v128.load(x) : loadPart<T>(x, n);
    const y = sizeof<T>() == 4 ? smooth32(op, v, p0, p1, p2) : smooth64(op, v, p0, p1, p2);
    if (n >= lanes<T>()) v128.store(out, y);
    else storePart<T>(out, y, n);
    x += 16;
    out += 16;
    n -= lanes<T>();
  } while (n > 0);
}

const SQUARE = 0;
const CUBE = 1;
const SQRT = 2;
const RSQRT = 3;
const RECIPROCAL = 4;
const RECIPROCAL_SQUARE = 5;

// The exponents that PyTorch evaluates without pow.
// @ts-ignore: decorator
@inline
function simplePower<T>(op: i32, x: v128): v128 {
  const one = v128.splat<T>(<T>1);
  if (op == SQUARE) return v128.mul<T>(x, x);
  if (op == CUBE) return v128.mul<T>(v128.mul<T>(x, x), x);
  if (op == SQRT) return v128.sqrt<T>(x);
  if (op == RSQRT) return v128.div<T>(one, v128.sqrt<T>(x));
  if (op == RECIPROCAL) return v128.div<T>(one, x);
  return v128.div<T>(one, v128.mul<T>(x, x));
}

// @ts-ignore: decorator
@inline
function loopPower<T>(op: i32, x: usize, out: usize, n: i32): void {
  for (; n >= lanes<T>(); n -= lanes<T>()) {
    v128.store(out, simplePower<T>(op, v128.load(x)));
    x += 16;
    out += 16;
  }
  for (; n > 0; --n) {
    v128.store_lane<T>(out, simplePower<T>(op, v128.load_splat<T>(x)), 0);
    x += sizeof<T>();
    out += sizeof<T>();
  }
}

// @ts-ignore: decorator
@inline
function powScalar<T>(x: usize, out: usize, n: i32, e: f64): void {
  if (e == 2.0) loopPower<T>(SQUARE, x, out, n);
  else if (e == 3.0) loopPower<T>(CUBE, x, out, n);
  else if (e == 0.5) loopPower<T>(SQRT, x, out, n);
  else if (e == -0.5) loopPower<T>(RSQRT, x, out, n);
  else if (e == -1.0) loopPower<T>(RECIPROCAL, x, out, n);
  else if (e == -2.0) loopPower<T>(RECIPROCAL_SQUARE, x, out, n);
  else loopSmooth<T>(POW_SCALAR, x, out, n, e, 0.0, 0.0);
}

// Rounds half to even at the given number of decimals, which may be negative.
// @ts-ignore: decorator
@inline
function roundDecimals<T>(x: usize, out: usize, n: i32, decimals: f64): void {
  let ten = 1.0;
  for (let i = 0.0; i < abs<f64>(decimals); ++i) ten *= 10.0;
  if (decimals < 0.0) loop<T>(ROUND_DIVIDED, x, out, n, ten, 0.0, 0.0);
  else loop<T>(ROUND_SCALED, x, out, n, ten, 0.0, 0.0);
}

export function leakyRelu_f32(x: P, out: P, n: I, slope: f64): void {
  loop<f32>(LEAKY_RELU, x, out, n, slope, 0.0, 0.0);
}
export function leakyRelu_f64(x: P, out: P, n: I, slope: f64): void {
  loop<f64>(LEAKY_RELU, x, out, n, slope, 0.0, 0.0);
}

export function clamp_f32(x: P, out: P, n: I, min: f64, max: f64): void {
  clamp<f32>(x, out, n, min, max);
}
export function clamp_f64(x: P, out: P, n: I, min: f64, max: f64): void {
  clamp<f64>(x, out, n, min, max);
}

export function hardtanh_f32(x: P, out: P, n: I, min: f64, max: f64): void {
  clamp<f32>(x, out, n, min, max);
}
export function hardtanh_f64(x: P, out: P, n: I, min: f64, max: f64): void {
  clamp<f64>(x, out, n, min, max);
}

export function relu6_f32(x: P, out: P, n: I): void {
  clamp<f32>(x, out, n, 0.0, 6.0);
}
export function relu6_f64(x: P, out: P, n: I): void {
  clamp<f64>(x, out, n, 0.0, 6.0);
}

export function hardswish_f32(x: P, out: P, n: I): void {
  loop<f32>(HARDSWISH, x, out, n, 0.0, 0.0, 0.0);
}
export function hardswish_f64(x: P, out: P, n: I): void {
  loop<f64>(HARDSWISH, x, out, n, 0.0, 0.0, 0.0);
}

export function hardsigmoid_f32(x: P, out: P, n: I): void {
  loop<f32>(HARDSIGMOID, x, out, n, 0.0, 0.0, 0.0);
}
export function hardsigmoid_f64(x: P, out: P, n: I): void {
  loop<f64>(HARDSIGMOID, x, out, n, 0.0, 0.0, 0.0);
}

export function softshrink_f32(x: P, out: P, n: I, lambda: f64): void {
  loop<f32>(SOFTSHRINK, x, out, n, lambda, 0.0, 0.0);
}
export function softshrink_f64(x: P, out: P, n: I, lambda: f64): void {
  loop<f64>(SOFTSHRINK, x, out, n, lambda, 0.0, 0.0);
}

export function hardshrink_f32(x: P, out: P, n: I, lambda: f64): void {
  loop<f32>(HARDSHRINK, x, out, n, lambda, 0.0, 0.0);
}
export function hardshrink_f64(x: P, out: P, n: I, lambda: f64): void {
  loop<f64>(HARDSHRINK, x, out, n, lambda, 0.0, 0.0);
}

export function threshold_f32(x: P, out: P, n: I, threshold: f64, value: f64): void {
  loop<f32>(THRESHOLD, x, out, n, threshold, value, 0.0);
}
export function threshold_f64(x: P, out: P, n: I, threshold: f64, value: f64): void {
  loop<f64>(THRESHOLD, x, out, n, threshold, value, 0.0);
}

export function mulScalar_f32(x: P, out: P, n: I, value: f64): void {
  loop<f32>(MUL_SCALAR, x, out, n, value, 0.0, 0.0);
}
export function mulScalar_f64(x: P, out: P, n: I, value: f64): void {
  loop<f64>(MUL_SCALAR, x, out, n, value, 0.0, 0.0);
}

export function addScalar_f32(x: P, out: P, n: I, value: f64): void {
  loop<f32>(ADD_SCALAR, x, out, n, value, 0.0, 0.0);
}
export function addScalar_f64(x: P, out: P, n: I, value: f64): void {
  loop<f64>(ADD_SCALAR, x, out, n, value, 0.0, 0.0);
}

export function nanToNum_f32(x: P, out: P, n: I, nan: f64, posinf: f64, neginf: f64): void {
  loop<f32>(NAN_TO_NUM, x, out, n, nan, posinf, neginf);
}
export function nanToNum_f64(x: P, out: P, n: I, nan: f64, posinf: f64, neginf: f64): void {
  loop<f64>(NAN_TO_NUM, x, out, n, nan, posinf, neginf);
}

export function roundDecimals_f32(x: P, out: P, n: I, decimals: f64): void {
  roundDecimals<f32>(x, out, n, decimals);
}
export function roundDecimals_f64(x: P, out: P, n: I, decimals: f64): void {
  roundDecimals<f64>(x, out, n, decimals);
}

export function elu_f32(x: P, out: P, n: I, alpha: f64, scale: f64, inputScale: f64): void {
  loopSmooth<f32>(ELU, x, out, n, alpha, scale, inputScale);
}
export function elu_f64(x: P, out: P, n: I, alpha: f64, scale: f64, inputScale: f64): void {
  loopSmooth<f64>(ELU, x, out, n, alpha, scale, inputScale);
}

export function celu_f32(x: P, out: P, n: I, alpha: f64): void {
  loopSmooth<f32>(ELU, x, out, n, alpha, 1.0, 1.0 / alpha);
}
export function celu_f64(x: P, out: P, n: I, alpha: f64): void {
  loopSmooth<f64>(ELU, x, out, n, alpha, 1.0, 1.0 / alpha);
}

export function softplus_f32(x: P, out: P, n: I, beta: f64, threshold: f64): void {
  loopSmooth<f32>(SOFTPLUS, x, out, n, beta, threshold, 0.0);
}
export function softplus_f64(x: P, out: P, n: I, beta: f64, threshold: f64): void {
  loopSmooth<f64>(SOFTPLUS, x, out, n, beta, threshold, 0.0);
}

export function powScalar_f32(x: P, out: P, n: I, exponent: f64): void {
  powScalar<f32>(x, out, n, exponent);
}
export function powScalar_f64(x: P, out: P, n: I, exponent: f64): void {
  powScalar<f64>(x, out, n, exponent);
}
