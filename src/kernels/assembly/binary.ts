/** Broadcasting arithmetic of two operands: out[i*inner+j] = a[i*ao+j*ai] op b[i*bo+j*bi]. */

import { at, lanes } from "./lanes";

type P = usize;
type I = i32;

const ADD = 0;
const SUB = 1;
const MUL = 2;
const DIV = 3;
const MAXIMUM = 4;
const MINIMUM = 5;
const FMAX = 6;
const FMIN = 7;
const COPYSIGN = 8;
const HEAVISIDE = 9;
const TRUNC_DIVIDE = 10;

// @ts-ignore: decorator
@inline
function extremum<T>(a: v128, b: v128, takeA: v128): v128 {
  return v128.bitselect(a, b, takeA);
}

// @ts-ignore: decorator
@inline
function apply<T>(op: i32, a: v128, b: v128): v128 {
  if (op == ADD) return v128.add<T>(a, b);
  if (op == SUB) return v128.sub<T>(a, b);
  if (op == MUL) {
    if (sizeof<T>() == 1) return mulBytes(a, b);
    else return v128.mul<T>(a, b);
  }
  if (isFloat<T>()) {
    if (op == DIV) return v128.div<T>(a, b);
    // wasm's max and min propagate NaN, as PyTorch's maximum and minimum do
    if (op == MAXIMUM) return v128.max<T>(a, b);
    if (op == MINIMUM) return v128.min<T>(a, b);
    if (op == TRUNC_DIVIDE) return v128.trunc<T>(v128.div<T>(a, b));
    if (op == FMAX || op == FMIN) {
      const r = op == FMAX ? v128.max<T>(a, b) : v128.min<T>(a, b);
      return v128.bitselect(v128.bitselect(r, a, v128.eq<T>(b, b)), b, v128.eq<T>(a, a));
    }
    if (op == COPYSIGN) return v128.bitselect(b, a, v128.splat<T>(<T>-0.0));
    if (op == HEAVISIDE) {
      const zero = v128.splat<T>(<T>0);
      const step = v128.and(v128.splat<T>(<T>1), v128.gt<T>(a, zero));
      return v128.bitselect(b, step, v128.eq<T>(a, zero));
    }
  } else {
    if (op == MAXIMUM) {
      if (sizeof<T>() == 8) return extremum<T>(a, b, v128.gt<T>(a, b));
      else return v128.max<T>(a, b);
    }
    if (op == MINIMUM) {
      if (sizeof<T>() == 8) return extremum<T>(a, b, v128.lt<T>(a, b));
      else return v128.min<T>(a, b);
    }
    if (op == HEAVISIDE) {
      const zero = v128.splat<T>(<T>0);
      const one = v128.splat<T>(<T>1);
      return v128.bitselect(b, v128.and(one, v128.gt<T>(a, zero)), v128.eq<T>(a, zero));
    }
  }
  return a;
}

// There is no 8-bit multiply: even and odd bytes as 16-bit products, low halves merged.
// @ts-ignore: decorator
@inline
function mulBytes(a: v128, b: v128): v128 {
  const even = v128.and(i16x8.mul(a, b), i16x8.splat(0xff));
  const odd = i16x8.shl(i16x8.mul(i16x8.shr_u(a, 8), i16x8.shr_u(b, 8)), 8);
  return v128.or(even, odd);
}

// @ts-ignore: decorator
@inline
function loop<T>(
  op: i32,
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
): void {
  const sa = at<T>(ai);
  const sb = at<T>(bi);
  let po = out;
  for (let i = 0; i < outer; ++i) {
    let pa = a + <usize>i * at<T>(ao);
    let pb = b + <usize>i * at<T>(bo);
    let n = inner;
    if (ai == 1 && bi == 1) {
      for (; n >= 4 * lanes<T>(); n -= 4 * lanes<T>()) {
        v128.store(po, apply<T>(op, v128.load(pa), v128.load(pb)));
        v128.store(po, apply<T>(op, v128.load(pa, 16), v128.load(pb, 16)), 16);
        v128.store(po, apply<T>(op, v128.load(pa, 32), v128.load(pb, 32)), 32);
        v128.store(po, apply<T>(op, v128.load(pa, 48), v128.load(pb, 48)), 48);
        pa += 64;
        pb += 64;
        po += 64;
      }
      for (; n >= lanes<T>(); n -= lanes<T>()) {
        v128.store(po, apply<T>(op, v128.load(pa), v128.load(pb)));
        pa += 16;
        pb += 16;
        po += 16;
      }
    } else if (ai == 1 && bi == 0) {
      const vb = v128.load_splat<T>(pb);
      for (; n >= 2 * lanes<T>(); n -= 2 * lanes<T>()) {
        v128.store(po, apply<T>(op, v128.load(pa), vb));
        v128.store(po, apply<T>(op, v128.load(pa, 16), vb), 16);
        pa += 32;
        po += 32;
      }
    } else if (ai == 0 && bi == 1) {
      const va = v128.load_splat<T>(pa);
      for (; n >= 2 * lanes<T>(); n -= 2 * lanes<T>()) {
        v128.store(po, apply<T>(op, va, v128.load(pb)));
        v128.store(po, apply<T>(op, va, v128.load(pb, 16)), 16);
        pb += 32;
        po += 32;
      }
    }
    for (; n > 0; --n) {
      v128.store_lane<T>(po, apply<T>(op, v128.load_splat<T>(pa), v128.load_splat<T>(pb)), 0);
      pa += sa;
      pb += sb;
      po += sizeof<T>();
    }
  }
}

// @ts-ignore: decorator
@inline
function loopAlpha<T>(
  a: usize,
  b: usize,
  out: usize,
  outer: i32,
  inner: i32,
  ao: i32,
  ai: i32,
  bo: i32,
  bi: i32,
  alpha: f64,
): void {
  const k = <T>alpha;
  const sa = at<T>(ai);
  const sb = at<T>(bi);
  let po = out;
  for (let i = 0; i < outer; ++i) {
    let pa = a + <usize>i * at<T>(ao);
    let pb = b + <usize>i * at<T>(bo);
    let n = inner;
    if (sizeof<T>() != 1) {
      const vk = v128.splat<T>(k);
      if (ai == 1 && bi == 1) {
        for (; n >= lanes<T>(); n -= lanes<T>()) {
          v128.store(po, v128.add<T>(v128.load(pa), v128.mul<T>(v128.load(pb), vk)));
          pa += 16;
          pb += 16;
          po += 16;
        }
      }
    }
    for (; n > 0; --n) {
      store<T>(po, <T>(load<T>(pa) + <T>(load<T>(pb) * k)));
      pa += sa;
      pb += sb;
      po += sizeof<T>();
    }
  }
}

export function add_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(ADD, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function add_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(ADD, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function add_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(ADD, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function add_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(ADD, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function add_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(ADD, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function sub_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(SUB, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function sub_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(SUB, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function sub_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(SUB, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function sub_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(SUB, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function sub_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(SUB, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function mul_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(MUL, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function mul_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(MUL, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function mul_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(MUL, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function mul_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(MUL, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function mul_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(MUL, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function div_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(DIV, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function div_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(DIV, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function maximum_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(MAXIMUM, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function maximum_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(MAXIMUM, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function maximum_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(MAXIMUM, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function maximum_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(MAXIMUM, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function maximum_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(MAXIMUM, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function minimum_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(MINIMUM, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function minimum_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(MINIMUM, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function minimum_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(MINIMUM, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function minimum_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(MINIMUM, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function minimum_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(MINIMUM, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function fmax_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(FMAX, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function fmax_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(FMAX, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function fmin_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(FMIN, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function fmin_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(FMIN, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function copysign_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(COPYSIGN, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function copysign_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(COPYSIGN, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function heaviside_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(HEAVISIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function heaviside_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(HEAVISIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function heaviside_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(HEAVISIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function heaviside_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(HEAVISIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function heaviside_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(HEAVISIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function truncDivide_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(TRUNC_DIVIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function truncDivide_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(TRUNC_DIVIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}

// a + alpha*b
export function addAlpha_f32(
  a: P,
  b: P,
  out: P,
  outer: I,
  inner: I,
  ao: I,
  ai: I,
  bo: I,
  bi: I,
  alpha: f64,
): void {
  loopAlpha<f32>(a, b, out, outer, inner, ao, ai, bo, bi, alpha);
}
export function addAlpha_f64(
  a: P,
  b: P,
  out: P,
  outer: I,
  inner: I,
  ao: I,
  ai: I,
  bo: I,
  bi: I,
  alpha: f64,
): void {
  loopAlpha<f64>(a, b, out, outer, inner, ao, ai, bo, bi, alpha);
}
export function addAlpha_i32(
  a: P,
  b: P,
  out: P,
  outer: I,
  inner: I,
  ao: I,
  ai: I,
  bo: I,
  bi: I,
  alpha: f64,
): void {
  loopAlpha<i32>(a, b, out, outer, inner, ao, ai, bo, bi, alpha);
}
export function addAlpha_i64(
  a: P,
  b: P,
  out: P,
  outer: I,
  inner: I,
  ao: I,
  ai: I,
  bo: I,
  bi: I,
  alpha: f64,
): void {
  loopAlpha<i64>(a, b, out, outer, inner, ao, ai, bo, bi, alpha);
}
export function addAlpha_u8(
  a: P,
  b: P,
  out: P,
  outer: I,
  inner: I,
  ao: I,
  ai: I,
  bo: I,
  bi: I,
  alpha: f64,
): void {
  loopAlpha<u8>(a, b, out, outer, inner, ao, ai, bo, bi, alpha);
}
