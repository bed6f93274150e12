/** Flat predicates (isnan, isinf, logicalNot, ...); the results are bytes 0 and 1. */

import { at } from "./lanes";

type P = usize;
type I = i32;

const LOGICAL_NOT = 0;
const ISNAN = 1;
const ISINF = 2;
const ISFINITE = 3;
const ISPOSINF = 4;
const ISNEGINF = 5;
const SIGNBIT = 6;

// All bits of a lane set where the predicate holds.
// @ts-ignore: decorator
@inline
function holds<T>(op: i32, x: v128): v128 {
  const zero = v128.splat<T>(<T>0);
  if (op == LOGICAL_NOT) return v128.eq<T>(x, zero);
  if (op == SIGNBIT) {
    if (sizeof<T>() == 4) return i32x4.shr_s(x, 31);
    else return i64x2.shr_s(x, 63);
  }
  if (isFloat<T>()) {
    if (op == ISNAN) return v128.ne<T>(x, x);
    const inf = v128.splat<T>(<T>Infinity);
    if (op == ISINF) return v128.eq<T>(v128.abs<T>(x), inf);
    if (op == ISFINITE) return v128.lt<T>(v128.abs<T>(x), inf);
    if (op == ISPOSINF) return v128.eq<T>(x, inf);
    if (op == ISNEGINF) return v128.eq<T>(x, v128.neg<T>(inf));
  }
  return zero;
}

// Four i32 masks: vector k of 4-byte elements, vectors 2k and 2k+1 of 8-byte elements.
// @ts-ignore: decorator
@inline
function quad<T>(op: i32, x: usize, k: usize): v128 {
  if (sizeof<T>() == 4) return holds<T>(op, v128.load(x + 16 * k));
  const low = holds<T>(op, v128.load(x + 32 * k));
  const high = holds<T>(op, v128.load(x + 32 * k + 16));
  return v128.shuffle<i32>(low, high, 0, 2, 4, 6);
}

// @ts-ignore: decorator
@inline
function sixteen<T>(op: i32, x: usize): v128 {
  const one = i8x16.splat(1);
  if (sizeof<T>() == 1) return v128.and(one, holds<T>(op, v128.load(x)));
  const low = i16x8.narrow_i32x4_s(quad<T>(op, x, 0), quad<T>(op, x, 1));
  const high = i16x8.narrow_i32x4_s(quad<T>(op, x, 2), quad<T>(op, x, 3));
  return v128.and(one, i8x16.narrow_i16x8_s(low, high));
}

// @ts-ignore: decorator
@inline
function loop<T>(op: i32, x: P, out: P, n: I): void {
  for (; n >= 16; n -= 16) {
    v128.store(out, sixteen<T>(op, x));
    x += at<T>(16);
    out += 16;
  }
  for (; n > 0; --n) {
    store<u8>(out++, i8x16.extract_lane_u(holds<T>(op, v128.load_splat<T>(x)), 0) & 1);
    x += sizeof<T>();
  }
}

export function logicalNot_f32(x: P, out: P, n: I): void {
  loop<f32>(LOGICAL_NOT, x, out, n);
}
export function logicalNot_f64(x: P, out: P, n: I): void {
  loop<f64>(LOGICAL_NOT, x, out, n);
}
export function logicalNot_i32(x: P, out: P, n: I): void {
  loop<i32>(LOGICAL_NOT, x, out, n);
}
export function logicalNot_i64(x: P, out: P, n: I): void {
  loop<i64>(LOGICAL_NOT, x, out, n);
}
export function logicalNot_u8(x: P, out: P, n: I): void {
  loop<u8>(LOGICAL_NOT, x, out, n);
}

export function isnan_f32(x: P, out: P, n: I): void {
  loop<f32>(ISNAN, x, out, n);
}
export function isnan_f64(x: P, out: P, n: I): void {
  loop<f64>(ISNAN, x, out, n);
}

export function isinf_f32(x: P, out: P, n: I): void {
  loop<f32>(ISINF, x, out, n);
}
export function isinf_f64(x: P, out: P, n: I): void {
  loop<f64>(ISINF, x, out, n);
}

export function isfinite_f32(x: P, out: P, n: I): void {
  loop<f32>(ISFINITE, x, out, n);
}
export function isfinite_f64(x: P, out: P, n: I): void {
  loop<f64>(ISFINITE, x, out, n);
}

export function isposinf_f32(x: P, out: P, n: I): void {
  loop<f32>(ISPOSINF, x, out, n);
}
export function isposinf_f64(x: P, out: P, n: I): void {
  loop<f64>(ISPOSINF, x, out, n);
}

export function isneginf_f32(x: P, out: P, n: I): void {
  loop<f32>(ISNEGINF, x, out, n);
}
export function isneginf_f64(x: P, out: P, n: I): void {
  loop<f64>(ISNEGINF, x, out, n);
}

export function signbit_f32(x: P, out: P, n: I): void {
  loop<f32>(SIGNBIT, x, out, n);
}
export function signbit_f64(x: P, out: P, n: I): void {
  loop<f64>(SIGNBIT, x, out, n);
}
export function signbit_i32(x: P, out: P, n: I): void {
  loop<i32>(SIGNBIT, x, out, n);
}
export function signbit_i64(x: P, out: P, n: I): void {
  loop<i64>(SIGNBIT, x, out, n);
}
