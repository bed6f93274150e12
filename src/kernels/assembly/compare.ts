/** Broadcasting comparisons and logical operators; the results are bytes 0 and 1. */

import { at } from "./lanes";

type P = usize;
type I = i32;

const EQ = 0;
const NE = 1;
const LT = 2;
const LE = 3;
const GT = 4;
const GE = 5;
const LOGICAL_AND = 6;
const LOGICAL_OR = 7;
const LOGICAL_XOR = 8;

// All bits of a lane set where the relation holds.
// @ts-ignore: decorator
@inline
function relation<T>(op: i32, a: v128, b: v128): v128 {
  if (op == EQ) return v128.eq<T>(a, b);
  if (op == NE) return v128.ne<T>(a, b);
  if (op == LT) return v128.lt<T>(a, b);
  if (op == LE) return v128.le<T>(a, b);
  if (op == GT) return v128.gt<T>(a, b);
  if (op == GE) return v128.ge<T>(a, b);
  const zero = v128.splat<T>(<T>0);
  const x = v128.ne<T>(a, zero);
  const y = v128.ne<T>(b, zero);
  if (op == LOGICAL_AND) return v128.and(x, y);
  if (op == LOGICAL_OR) return v128.or(x, y);
  return v128.xor(x, y);
}

// Operand vector k: the k-th 16 bytes at p, or the splatted scalar v.
// @ts-ignore: decorator
@inline
function operand(scalar: bool, v: v128, p: usize, k: usize): v128 {
  return scalar ? v : v128.load(p + 16 * k);
}

// @ts-ignore: decorator
@inline
function related<T>(op: i32, sa: bool, va: v128, pa: usize, sb: bool, vb: v128, pb: usize, k: usize): v128 {
  return relation<T>(op, operand(sa, va, pa, k), operand(sb, vb, pb, k));
}

// Four i32 masks: relation k for 4-byte elements, relations 2k and 2k+1 for 8-byte elements.
// @ts-ignore: decorator
@inline
function quad<T>(op: i32, sa: bool, va: v128, pa: usize, sb: bool, vb: v128, pb: usize, k: usize): v128 {
  if (sizeof<T>() == 4) return related<T>(op, sa, va, pa, sb, vb, pb, k);
  const low = related<T>(op, sa, va, pa, sb, vb, pb, 2 * k);
  const high = related<T>(op, sa, va, pa, sb, vb, pb, 2 * k + 1);
  return v128.shuffle<i32>(low, high, 0, 2, 4, 6);
}

// The results for the sixteen elements at pa and pb; sa, sb say which operand is a scalar.
// @ts-ignore: decorator
@inline
function sixteen<T>(op: i32, sa: bool, va: v128, pa: usize, sb: bool, vb: v128, pb: usize): v128 {
  const one = i8x16.splat(1);
  if (sizeof<T>() == 1) return v128.and(one, related<T>(op, sa, va, pa, sb, vb, pb, 0));
  const low = i16x8.narrow_i32x4_s(
    quad<T>(op, sa, va, pa, sb, vb, pb, 0),
    quad<T>(op, sa, va, pa, sb, vb, pb, 1),
  );
  const high = i16x8.narrow_i32x4_s(
    quad<T>(op, sa, va, pa, sb, vb, pb, 2),
    quad<T>(op, sa, va, pa, sb, vb, pb, 3),
  );
  return v128.and(one, i8x16.narrow_i16x8_s(low, high));
}

// @ts-ignore: decorator
@inline
function loop<T>(op: i32, a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  let po = out;
  for (let i = 0; i < outer; ++i) {
    let pa = a + <usize>i * at<T>(ao);
    let pb = b + <usize>i * at<T>(bo);
    const va = v128.load_splat<T>(pa);
    const vb = v128.load_splat<T>(pb);
    let n = inner;
    if (ai == 1 && bi == 1) {
      for (; n >= 16; n -= 16) {
        v128.store(po, sixteen<T>(op, false, va, pa, false, vb, pb));
        pa += at<T>(16);
        pb += at<T>(16);
        po += 16;
      }
    } else if (ai == 1 && bi == 0) {
      for (; n >= 16; n -= 16) {
        v128.store(po, sixteen<T>(op, false, va, pa, true, vb, pb));
        pa += at<T>(16);
        po += 16;
      }
    } else if (ai == 0 && bi == 1) {
      for (; n >= 16; n -= 16) {
        v128.store(po, sixteen<T>(op, true, va, pa, false, vb, pb));
        pb += at<T>(16);
        po += 16;
      }
    }
    for (; n > 0; --n) {
      const mask = relation<T>(op, v128.load_splat<T>(pa), v128.load_splat<T>(pb));
      store<u8>(po++, i8x16.extract_lane_u(mask, 0) & 1);
      pa += at<T>(ai);
      pb += at<T>(bi);
    }
  }
}

export function eq_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(EQ, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function eq_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(EQ, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function eq_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(EQ, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function eq_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(EQ, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function eq_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(EQ, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function ne_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(NE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function ne_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(NE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function ne_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(NE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function ne_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(NE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function ne_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(NE, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function lt_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(LT, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function lt_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(LT, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function lt_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(LT, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function lt_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(LT, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function lt_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(LT, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function le_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(LE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function le_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(LE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function le_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(LE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function le_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(LE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function le_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(LE, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function gt_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(GT, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function gt_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(GT, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function gt_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(GT, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function gt_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(GT, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function gt_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(GT, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function ge_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(GE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function ge_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(GE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function ge_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(GE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function ge_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(GE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function ge_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(GE, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function logicalAnd_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(LOGICAL_AND, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function logicalAnd_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(LOGICAL_AND, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function logicalAnd_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(LOGICAL_AND, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function logicalAnd_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(LOGICAL_AND, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function logicalAnd_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(LOGICAL_AND, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function logicalOr_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(LOGICAL_OR, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function logicalOr_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(LOGICAL_OR, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function logicalOr_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(LOGICAL_OR, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function logicalOr_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(LOGICAL_OR, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function logicalOr_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(LOGICAL_OR, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function logicalXor_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(LOGICAL_XOR, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function logicalXor_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(LOGICAL_XOR, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function logicalXor_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(LOGICAL_XOR, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function logicalXor_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(LOGICAL_XOR, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function logicalXor_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(LOGICAL_XOR, a, b, out, outer, inner, ao, ai, bo, bi);
}
