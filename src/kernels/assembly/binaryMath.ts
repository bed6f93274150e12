/** Broadcasting transcendental functions of two operands; layout as in binary.ts. */

import { at, gather, lanes, storePart } from "./lanes";
import { log32 } from "./math32";
import { exp2_64, k, log1p64, log64, logaddexp2_64, logaddexp64 } from "./math64";
import { pow64, powWide } from "./pow64";
import { atan2_64 } from "./trig64";

type P = usize;
type I = i32;

const POW = 0;
const ATAN2 = 1;
const HYPOT = 2;
const XLOGY = 3;
const XLOG1PY = 4;
const LOGADDEXP = 5;
const LOGADDEXP2 = 6;
const LDEXP = 7;

// sqrt(a² + b²) with the larger operand scaled away from overflow and underflow; infinity beats NaN.
// @ts-ignore: decorator
@inline
function hypot64(a: v128, b: v128): v128 {
  const x = f64x2.abs(a);
  const y = f64x2.abs(b);
  const m = f64x2.max(x, y);
  const large = f64x2.gt(m, k(1.0e150));
  const small = f64x2.lt(m, k(1.0e-130));
  // 2^-600 and 2^600
  const low = k(2.409919865102884e-181);
  const high = k(4.149515568880993e180);
  const down = v128.bitselect(low, v128.bitselect(high, k(1.0), small), large);
  const back = v128.bitselect(high, v128.bitselect(low, k(1.0), small), large);
  const s = f64x2.mul(x, down);
  const t = f64x2.mul(y, down);
  const r = f64x2.mul(f64x2.sqrt(f64x2.add(f64x2.mul(s, s), f64x2.mul(t, t))), back);
  const infinity = k(Infinity);
  return v128.bitselect(infinity, r, v128.or(f64x2.eq(x, infinity), f64x2.eq(y, infinity)));
}

// a * log with 0 * log(b) = 0 unless b is NaN
// @ts-ignore: decorator
@inline
function xlog(a: v128, b: v128, log: v128): v128 {
  const zero = v128.and(f64x2.eq(a, k(0.0)), f64x2.eq(b, b));
  return v128.andnot(f64x2.mul(a, log), zero);
}

// @ts-ignore: decorator
@inline
function apply64(op: i32, a: v128, b: v128): v128 {
  if (op == POW) return pow64(a, b);
  if (op == ATAN2) return atan2_64(a, b);
  if (op == HYPOT) return hypot64(a, b);
  if (op == XLOGY) return xlog(a, b, log64(b));
  if (op == XLOG1PY) return xlog(a, b, log1p64(b));
  if (op == LOGADDEXP) return logaddexp64(a, b);
  if (op == LOGADDEXP2) return logaddexp2_64(a, b);
  return f64x2.mul(a, exp2_64(b));
}

// @ts-ignore: decorator
@inline
function applyWide(op: i32, a: v128, b: v128): v128 {
  if (op == POW) return powWide(a, b);
  if (op == HYPOT) {
    const r = f64x2.sqrt(f64x2.add(f64x2.mul(a, a), f64x2.mul(b, b)));
    const infinity = k(Infinity);
    const infinite = v128.or(f64x2.eq(f64x2.abs(a), infinity), f64x2.eq(f64x2.abs(b), infinity));
    return v128.bitselect(infinity, r, infinite);
  }
  if (op == LDEXP) return exp2_64(b);
  return apply64(op, a, b);
}

// @ts-ignore: decorator
@inline
function upper(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 1));
}

// @ts-ignore: decorator
@inline
function apply32(op: i32, a: v128, b: v128): v128 {
  if (op == XLOGY) {
    const zero = v128.and(f32x4.eq(a, f32x4.splat(0.0)), f32x4.eq(b, b));
    return v128.andnot(f32x4.mul(a, log32(b)), zero);
  }
  const low = applyWide(op, f64x2.promote_low_f32x4(a), f64x2.promote_low_f32x4(b));
  const high = applyWide(op, upper(a), upper(b));
  const r = v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
  // PyTorch rounds the power of two first
  return op == LDEXP ? f32x4.mul(a, r) : r;
}

// @ts-ignore: decorator
@inline
function loop<T>(op: i32, a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  const sa = at<T>(ai);
  const sb = at<T>(bi);
  const width = lanes<T>();
  let po = out;
  for (let i = 0; i < outer; ++i) {
    let pa = a + <usize>i * at<T>(ao);
    let pb = b + <usize>i * at<T>(bo);
    for (let n = inner; n > 0; n -= width) {
      const x = gather<T>(pa, sa, n);
      const y = gather<T>(pb, sb, n);
      const r = sizeof<T>() == 4 ? apply32(op, x, y) : apply64(op, x, y);
      if (n >= width) {
        v128.store(po, r);
        po += 16;
      } else {
        storePart<T>(po, r, n);
        po += at<T>(n);
      }
      pa += <usize>width * sa;
      pb += <usize>width * sb;
    }
  }
}

export function pow_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(POW, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function pow_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(POW, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function atan2_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(ATAN2, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function atan2_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(ATAN2, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function hypot_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(HYPOT, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function hypot_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(HYPOT, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function xlogy_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(XLOGY, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function xlogy_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(XLOGY, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function xlog1py_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(XLOG1PY, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function xlog1py_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(XLOG1PY, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function logaddexp_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(LOGADDEXP, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function logaddexp_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(LOGADDEXP, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function logaddexp2_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(LOGADDEXP2, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function logaddexp2_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(LOGADDEXP2, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function ldexp_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(LDEXP, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function ldexp_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(LDEXP, a, b, out, outer, inner, ao, ai, bo, bi);
}
