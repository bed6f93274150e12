/** Flat unary operators that are a few instructions each; in place (x == out) works. */

import { lanes } from "./lanes";

type P = usize;
type I = i32;

const NEG = 0;
const ABS = 1;
const SIGN = 2;
const CEIL = 3;
const FLOOR = 4;
const ROUND = 5;
const TRUNC = 6;
const FRAC = 7;
const SQRT = 8;
const RSQRT = 9;
const RECIPROCAL = 10;
const SQUARE = 11;
const RELU = 12;
const BITWISE_NOT = 13;

// @ts-ignore: decorator
@inline
function apply<T>(op: i32, x: v128): v128 {
  if (op == BITWISE_NOT) return v128.not(x);
  if (op == NEG) return v128.neg<T>(x);
  const zero = v128.splat<T>(<T>0);
  if (op == SIGN) {
    const one = v128.splat<T>(<T>1);
    if (!isFloat<T>() && !isSigned<T>()) return v128.and(one, v128.ne<T>(x, zero));
    return v128.sub<T>(v128.and(one, v128.gt<T>(x, zero)), v128.and(one, v128.lt<T>(x, zero)));
  }
  if (sizeof<T>() == 1) return x;
  if (op == SQUARE) return v128.mul<T>(x, x);
  if (isFloat<T>()) {
    const one = v128.splat<T>(<T>1);
    if (op == ABS) return v128.abs<T>(x);
    if (op == CEIL) return v128.ceil<T>(x);
    if (op == FLOOR) return v128.floor<T>(x);
    if (op == ROUND) return v128.nearest<T>(x);
    if (op == TRUNC) return v128.trunc<T>(x);
    if (op == FRAC) return v128.sub<T>(x, v128.trunc<T>(x));
    if (op == SQRT) return v128.sqrt<T>(x);
    if (op == RSQRT) return v128.div<T>(one, v128.sqrt<T>(x));
    if (op == RECIPROCAL) return v128.div<T>(one, x);
    // pmax(x, 0) is x < 0 ? 0 : x, which keeps NaN and -0
    if (op == RELU) return v128.pmax<T>(x, zero);
  } else {
    if (op == ABS) return v128.abs<T>(x);
    if (op == RELU) return v128.andnot(x, v128.lt<T>(x, zero));
  }
  return x;
}

// @ts-ignore: decorator
@inline
function loop<T>(op: i32, x: usize, out: usize, n: i32): void {
  for (; n >= 4 * lanes<T>(); n -= 4 * lanes<T>()) {
    v128.store(out, apply<T>(op, v128.load(x)));
    v128.store(out, apply<T>(op, v128.load(x, 16)), 16);
    v128.store(out, apply<T>(op, v128.load(x, 32)), 32);
    v128.store(out, apply<T>(op, v128.load(x, 48)), 48);
    x += 64;
    out += 64;
  }
  for (; n >= lanes<T>(); n -= lanes<T>()) {
    v128.store(out, apply<T>(op, v128.load(x)));
    x += 16;
    out += 16;
  }
  for (; n > 0; --n) {
    v128.store_lane<T>(out, apply<T>(op, v128.load_splat<T>(x)), 0);
    x += sizeof<T>();
    out += sizeof<T>();
  }
}

export function neg_f32(x: P, out: P, n: I): void {
  loop<f32>(NEG, x, out, n);
}
export function neg_f64(x: P, out: P, n: I): void {
  loop<f64>(NEG, x, out, n);
}
export function neg_i32(x: P, out: P, n: I): void {
  loop<i32>(NEG, x, out, n);
}
export function neg_i64(x: P, out: P, n: I): void {
  loop<i64>(NEG, x, out, n);
}
export function neg_u8(x: P, out: P, n: I): void {
  loop<u8>(NEG, x, out, n);
}

export function abs_f32(x: P, out: P, n: I): void {
  loop<f32>(ABS, x, out, n);
}
export function abs_f64(x: P, out: P, n: I): void {
  loop<f64>(ABS, x, out, n);
}
export function abs_i32(x: P, out: P, n: I): void {
  loop<i32>(ABS, x, out, n);
}
export function abs_i64(x: P, out: P, n: I): void {
  loop<i64>(ABS, x, out, n);
}

export function sign_f32(x: P, out: P, n: I): void {
  loop<f32>(SIGN, x, out, n);
}
export function sign_f64(x: P, out: P, n: I): void {
  loop<f64>(SIGN, x, out, n);
}
export function sign_i32(x: P, out: P, n: I): void {
  loop<i32>(SIGN, x, out, n);
}
export function sign_i64(x: P, out: P, n: I): void {
  loop<i64>(SIGN, x, out, n);
}
export function sign_u8(x: P, out: P, n: I): void {
  loop<u8>(SIGN, x, out, n);
}

export function ceil_f32(x: P, out: P, n: I): void {
  loop<f32>(CEIL, x, out, n);
}
export function ceil_f64(x: P, out: P, n: I): void {
  loop<f64>(CEIL, x, out, n);
}

export function floor_f32(x: P, out: P, n: I): void {
  loop<f32>(FLOOR, x, out, n);
}
export function floor_f64(x: P, out: P, n: I): void {
  loop<f64>(FLOOR, x, out, n);
}

export function round_f32(x: P, out: P, n: I): void {
  loop<f32>(ROUND, x, out, n);
}
export function round_f64(x: P, out: P, n: I): void {
  loop<f64>(ROUND, x, out, n);
}

export function trunc_f32(x: P, out: P, n: I): void {
  loop<f32>(TRUNC, x, out, n);
}
export function trunc_f64(x: P, out: P, n: I): void {
  loop<f64>(TRUNC, x, out, n);
}

export function frac_f32(x: P, out: P, n: I): void {
  loop<f32>(FRAC, x, out, n);
}
export function frac_f64(x: P, out: P, n: I): void {
  loop<f64>(FRAC, x, out, n);
}

export function sqrt_f32(x: P, out: P, n: I): void {
  loop<f32>(SQRT, x, out, n);
}
export function sqrt_f64(x: P, out: P, n: I): void {
  loop<f64>(SQRT, x, out, n);
}

export function rsqrt_f32(x: P, out: P, n: I): void {
  loop<f32>(RSQRT, x, out, n);
}
export function rsqrt_f64(x: P, out: P, n: I): void {
  loop<f64>(RSQRT, x, out, n);
}

export function reciprocal_f32(x: P, out: P, n: I): void {
  loop<f32>(RECIPROCAL, x, out, n);
}
export function reciprocal_f64(x: P, out: P, n: I): void {
  loop<f64>(RECIPROCAL, x, out, n);
}

export function square_f32(x: P, out: P, n: I): void {
  loop<f32>(SQUARE, x, out, n);
}
export function square_f64(x: P, out: P, n: I): void {
  loop<f64>(SQUARE, x, out, n);
}
export function square_i32(x: P, out: P, n: I): void {
  loop<i32>(SQUARE, x, out, n);
}
export function square_i64(x: P, out: P, n: I): void {
  loop<i64>(SQUARE, x, out, n);
}

export function relu_f32(x: P, out: P, n: I): void {
  loop<f32>(RELU, x, out, n);
}
export function relu_f64(x: P, out: P, n: I): void {
  loop<f64>(RELU, x, out, n);
}
export function relu_i32(x: P, out: P, n: I): void {
  loop<i32>(RELU, x, out, n);
}
export function relu_i64(x: P, out: P, n: I): void {
  loop<i64>(RELU, x, out, n);
}

export function bitwiseNot_i32(x: P, out: P, n: I): void {
  loop<i32>(BITWISE_NOT, x, out, n);
}
export function bitwiseNot_i64(x: P, out: P, n: I): void {
  loop<i64>(BITWISE_NOT, x, out, n);
}
export function bitwiseNot_u8(x: P, out: P, n: I): void {
  loop<u8>(BITWISE_NOT, x, out, n);
}
