/** Integer operators: bits, shifts, powers, common divisors; layout as in binary.ts. */

import { at } from "./lanes";

type P = usize;
type I = i32;

const AND = 0;
const OR = 1;
const XOR = 2;
const LEFT_SHIFT = 3;
const RIGHT_SHIFT = 4;
const POW = 5;
const GCD = 6;
const LCM = 7;

// @ts-ignore: decorator
@inline
function vector(op: i32, a: v128, b: v128): v128 {
  if (op == AND) return v128.and(a, b);
  if (op == OR) return v128.or(a, b);
  return v128.xor(a, b);
}

// Wrapping power; a negative exponent truncates the true value to an integer.
// @ts-ignore: decorator
@inline
function power<T>(a: T, b: T): T {
  if (isSigned<T>() && b < <T>0) {
    if (a == <T>1) return a;
    if (a == <T>-1) return (<i32>b & 1) != 0 ? a : <T>1;
    return <T>0;
  }
  let base = a;
  let e = b;
  let r = <T>1;
  while (e > <T>0) {
    if ((<i32>e & 1) != 0) r = <T>(r * base);
    base = <T>(base * base);
    e = <T>(e >> <T>1);
  }
  return r;
}

// @ts-ignore: decorator
@inline
function magnitude<T>(a: T): T {
  return isSigned<T>() && a < <T>0 ? <T>(<T>0 - a) : a;
}

// @ts-ignore: decorator
@inline
function gcd<T>(a: T, b: T): T {
  let x = a;
  let y = b;
  while (y != <T>0) {
    // the sign is dropped at the end; MIN % -1 does not trap
    const r = <T>(x % y);
    x = y;
    y = r;
  }
  return magnitude<T>(x);
}

// Shifts by the width or more, or by a negative count, push every bit out.
// @ts-ignore: decorator
@inline
function scalar<T>(op: i32, a: T, b: T): T {
  const width = <T>(8 * sizeof<T>());
  if (op == AND) return <T>(a & b);
  if (op == OR) return <T>(a | b);
  if (op == XOR) return <T>(a ^ b);
  if (op == LEFT_SHIFT) return b < <T>0 || b >= width ? <T>0 : <T>(a << b);
  if (op == RIGHT_SHIFT) {
    const out = b < <T>0 || b >= width;
    if (isSigned<T>()) return <T>(a >> (out ? <T>(width - <T>1) : b));
    return out ? <T>0 : <T>(a >> b);
  }
  if (op == POW) return power<T>(a, b);
  const divisor = gcd<T>(a, b);
  if (op == GCD) return divisor;
  return divisor == <T>0 ? <T>0 : magnitude<T>(<T>(<T>(a / divisor) * b));
}

// @ts-ignore: decorator
@inline
function loop<T>(op: i32, a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  const sa = at<T>(ai);
  const sb = at<T>(bi);
  for (let i = 0; i < outer; ++i) {
    let pa = a + <usize>i * at<T>(ao);
    let pb = b + <usize>i * at<T>(bo);
    let n = inner;
    if (op <= XOR && ai == 1 && bi == 1) {
      for (; n >= 16 / sizeof<T>(); n -= 16 / sizeof<T>()) {
        v128.store(out, vector(op, v128.load(pa), v128.load(pb)));
        pa += 16;
        pb += 16;
        out += 16;
      }
    }
    for (; n > 0; --n) {
      store<T>(out, scalar<T>(op, load<T>(pa), load<T>(pb)));
      pa += sa;
      pb += sb;
      out += sizeof<T>();
    }
  }
}

export function bitwiseAnd_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(AND, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function bitwiseAnd_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(AND, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function bitwiseAnd_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(AND, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function bitwiseOr_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(OR, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function bitwiseOr_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(OR, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function bitwiseOr_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(OR, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function bitwiseXor_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(XOR, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function bitwiseXor_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(XOR, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function bitwiseXor_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(XOR, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function leftShift_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(LEFT_SHIFT, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function leftShift_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(LEFT_SHIFT, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function leftShift_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(LEFT_SHIFT, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function rightShift_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(RIGHT_SHIFT, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function rightShift_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(RIGHT_SHIFT, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function rightShift_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(RIGHT_SHIFT, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function pow_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(POW, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function pow_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(POW, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function pow_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(POW, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function gcd_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(GCD, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function gcd_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(GCD, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function gcd_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(GCD, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function lcm_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(LCM, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function lcm_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(LCM, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function lcm_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(LCM, a, b, out, outer, inner, ao, ai, bo, bi);
}
