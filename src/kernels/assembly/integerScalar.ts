/** Flat integer operators with scalar parameters; parameters arrive as f64 and are truncated. */

type P = usize;
type I = i32;

const CLAMP = 0;
const MUL_SCALAR = 1;
const ADD_SCALAR = 2;

// @ts-ignore: decorator
@inline
function apply<T>(op: i32, x: T, a: T, b: T): T {
  if (op == MUL_SCALAR) return <T>(x * a);
  if (op == ADD_SCALAR) return <T>(x + a);
  const low = x < a ? a : x;
  return low > b ? b : low;
}

// @ts-ignore: decorator
@inline
function loop<T>(op: i32, x: usize, out: usize, n: i32, a: T, b: T): void {
  for (; n > 0; --n) {
    store<T>(out, apply<T>(op, load<T>(x), a, b));
    x += sizeof<T>();
    out += sizeof<T>();
  }
}

// Bounds outside the type's range, infinities included, become its ends.
// @ts-ignore: decorator
@inline
function bound<T>(p: f64): T {
  if (sizeof<T>() == 1) return <T>(<i32>max<f64>(0.0, min<f64>(255.0, p)));
  return <T>p;
}

export function clamp_i32(x: P, out: P, n: I, min: f64, max: f64): void {
  loop<i32>(CLAMP, x, out, n, bound<i32>(min), bound<i32>(max));
}
export function clamp_i64(x: P, out: P, n: I, min: f64, max: f64): void {
  loop<i64>(CLAMP, x, out, n, bound<i64>(min), bound<i64>(max));
}
export function clamp_u8(x: P, out: P, n: I, min: f64, max: f64): void {
  loop<u8>(CLAMP, x, out, n, bound<u8>(min), bound<u8>(max));
}

export function mulScalar_i32(x: P, out: P, n: I, value: f64): void {
  loop<i32>(MUL_SCALAR, x, out, n, <i32>(<i64>value), 0);
}
export function mulScalar_i64(x: P, out: P, n: I, value: f64): void {
  loop<i64>(MUL_SCALAR, x, out, n, <i64>(<i64>value), 0);
}
export function mulScalar_u8(x: P, out: P, n: I, value: f64): void {
  loop<u8>(MUL_SCALAR, x, out, n, <u8>(<i64>value), 0);
}

export function addScalar_i32(x: P, out: P, n: I, value: f64): void {
  loop<i32>(ADD_SCALAR, x, out, n, <i32>(<i64>value), 0);
}
export function addScalar_i64(x: P, out: P, n: I, value: f64): void {
  loop<i64>(ADD_SCALAR, x, out, n, <i64>(<i64>value), 0);
}
export function addScalar_u8(x: P, out: P, n: I, value: f64): void {
  loop<u8>(ADD_SCALAR, x, out, n, <u8>(<i64>value), 0);
}
