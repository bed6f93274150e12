/** Flat fused operators of three operands. */

import { lanes } from "./lanes";

type P = usize;
type I = i32;

const ADDCMUL = 0;
const ADDCDIV = 1;
const LERP = 2;

// x + v*a*b, x + v*a/b; lerp from x to a by weight b, formed from the nearer end
// @ts-ignore: decorator
@inline
function apply<T>(op: i32, x: v128, a: v128, b: v128, v: v128): v128 {
  if (op == ADDCMUL) return v128.add<T>(x, v128.mul<T>(v128.mul<T>(v, a), b));
  if (op == ADDCDIV) return v128.add<T>(x, v128.div<T>(v128.mul<T>(v, a), b));
  const d = v128.sub<T>(a, x);
  const near = v128.add<T>(x, v128.mul<T>(b, d));
  const far = v128.sub<T>(a, v128.mul<T>(d, v128.sub<T>(v128.splat<T>(<T>1), b)));
  return v128.bitselect(near, far, v128.lt<T>(v128.abs<T>(b), v128.splat<T>(<T>0.5)));
}

// @ts-ignore: decorator
@inline
function loop<T>(op: i32, x: usize, a: usize, b: usize, out: usize, n: i32, value: f64, scalar: bool): void {
  const v = v128.splat<T>(<T>value);
  for (; n >= lanes<T>(); n -= lanes<T>()) {
    v128.store(out, apply<T>(op, v128.load(x), v128.load(a), scalar ? v : v128.load(b), v));
    x += 16;
    a += 16;
    b += 16;
    out += 16;
  }
  for (; n > 0; --n) {
    const third = scalar ? v : v128.load_splat<T>(b);
    v128.store_lane<T>(out, apply<T>(op, v128.load_splat<T>(x), v128.load_splat<T>(a), third, v), 0);
    x += sizeof<T>();
    a += sizeof<T>();
    b += sizeof<T>();
    out += sizeof<T>();
  }
}

export function addcmul_f32(x: P, a: P, b: P, out: P, n: I, value: f64): void {
  loop<f32>(ADDCMUL, x, a, b, out, n, value, false);
}
export function addcmul_f64(x: P, a: P, b: P, out: P, n: I, value: f64): void {
  loop<f64>(ADDCMUL, x, a, b, out, n, value, false);
}
export function addcdiv_f32(x: P, a: P, b: P, out: P, n: I, value: f64): void {
  loop<f32>(ADDCDIV, x, a, b, out, n, value, false);
}
export function addcdiv_f64(x: P, a: P, b: P, out: P, n: I, value: f64): void {
  loop<f64>(ADDCDIV, x, a, b, out, n, value, false);
}
export function lerp_f32(x: P, end: P, out: P, n: I, weight: f64): void {
  loop<f32>(LERP, x, end, end, out, n, weight, true);
}
export function lerp_f64(x: P, end: P, out: P, n: I, weight: f64): void {
  loop<f64>(LERP, x, end, end, out, n, weight, true);
}
export function lerpTensor_f32(x: P, end: P, weight: P, out: P, n: I): void {
  loop<f32>(LERP, x, end, weight, out, n, 0.0, false);
}
export function lerpTensor_f64(x: P, end: P, weight: P, out: P, n: I): void {
  loop<f64>(LERP, x, end, weight, out, n, 0.0, false);
}
