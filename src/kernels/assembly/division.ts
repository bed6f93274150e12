/** Division with a remainder, and nextafter: Python's and C's sign rules; layout as in binary.ts. */

import { at } from "./lanes";

type P = usize;
type I = i32;

const FMOD = 0;
const REMAINDER = 1;
const FLOOR_DIVIDE = 2;
const TRUNC_DIVIDE = 3;
const NEXTAFTER = 4;

// For float32 the quotient in float64 is exact enough: a - q*b has no rounding while |q| < 2^28.
// @ts-ignore: decorator
@inline
function fmod<T>(a: T, b: T): T {
  if (sizeof<T>() == 8) return abs<T>(a) < abs<T>(b) ? a : <T>(a % b);
  const x = <f64>a;
  const y = <f64>b;
  const q = trunc<f64>(x / y);
  if (!(abs<f64>(q) < 268435456.0) || abs<f64>(y) == Infinity) return abs<T>(a) < abs<T>(b) ? a : <T>(a % b);
  let r = x - q * y;
  // the quotient may have been rounded up to the next integer
  r = select<f64>(r + copysign<f64>(y, x), r, r * x < 0.0);
  return <T>copysign<f64>(r, x);
}

// @ts-ignore: decorator
@inline
function nextafter<T>(a: T, b: T): T {
  if (a != a || b != b) return <T>NaN;
  if (a == b) return b;
  if (sizeof<T>() == 4) {
    if (a == <T>0) return <T>copysign<f32>(reinterpret<f32>(1), <f32>b);
    const up = a < b == a > <T>0;
    return <T>reinterpret<f32>(reinterpret<i32>(<f32>a) + (up ? 1 : -1));
  }
  if (a == <T>0) return <T>copysign<f64>(reinterpret<f64>(<i64>1), <f64>b);
  const up = a < b == a > <T>0;
  return <T>reinterpret<f64>(reinterpret<i64>(<f64>a) + (up ? 1 : -1));
}

// condition ? a : b by masks: V8 compiles select on floats to a branch, and signs cannot be predicted.
// @ts-ignore: decorator
@inline
function choose<T>(condition: bool, a: T, b: T): T {
  if (sizeof<T>() == 4) {
    const mask = -<i32>condition;
    const x = reinterpret<i32>(<f32>a);
    const y = reinterpret<i32>(<f32>b);
    return <T>reinterpret<f32>(y ^ ((x ^ y) & mask));
  }
  const mask = -<i64>condition;
  const x = reinterpret<i64>(<f64>a);
  const y = reinterpret<i64>(<f64>b);
  return <T>reinterpret<f64>(y ^ ((x ^ y) & mask));
}

// @ts-ignore: decorator
@inline
function applyFloat<T>(op: i32, a: T, b: T): T {
  const mod = fmod<T>(a, b);
  if (op == FMOD) return mod;
  const crossed = <bool>(<i32>(mod != <T>0) & (<i32>(b < <T>0) ^ <i32>(mod < <T>0)));
  if (op == REMAINDER) return choose<T>(crossed, mod + b, mod);
  // Python's floor division: (a - mod)/b is nearly an integer, settle it
  if (b == <T>0) return a / b;
  const exact = (a - mod) / b;
  const quotient = choose<T>(crossed, exact - <T>1, exact);
  const low = floor<T>(quotient);
  const settled = choose<T>(quotient - low > <T>0.5, low + <T>1, low);
  return choose<T>(quotient == <T>0, copysign<T>(<T>0, a / b), settled);
}

// Division by zero gives 0; the caller has raised before. MIN / -1 wraps to MIN.
// @ts-ignore: decorator
@inline
function applyInteger<T>(op: i32, a: T, b: T): T {
  if (b == <T>0) return <T>0;
  if (isSigned<T>()) {
    if (b == <T>-1) return op == FMOD || op == REMAINDER ? <T>0 : <T>(<T>0 - a);
  }
  const quotient = <T>(a / b);
  const mod = <T>(a - quotient * b);
  if (op == TRUNC_DIVIDE) return quotient;
  if (op == FMOD) return mod;
  const crossed = isSigned<T>() && mod != <T>0 && mod < <T>0 != b < <T>0;
  if (op == REMAINDER) return crossed ? <T>(mod + b) : mod;
  return crossed ? <T>(quotient - <T>1) : quotient;
}

// @ts-ignore: decorator
@inline
function loop<T>(op: i32, a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  const sa = at<T>(ai);
  const sb = at<T>(bi);
  for (let i = 0; i < outer; ++i) {
    let pa = a + <usize>i * at<T>(ao);
    let pb = b + <usize>i * at<T>(bo);
    for (let j = 0; j < inner; ++j) {
      const x = load<T>(pa);
      const y = load<T>(pb);
      if (isFloat<T>()) {
        if (op == NEXTAFTER) store<T>(out, nextafter<T>(x, y));
        else store<T>(out, applyFloat<T>(op, x, y));
      } else {
        store<T>(out, applyInteger<T>(op, x, y));
      }
      pa += sa;
      pb += sb;
      out += sizeof<T>();
    }
  }
}

export function fmod_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(FMOD, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function fmod_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(FMOD, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function fmod_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(FMOD, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function fmod_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(FMOD, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function fmod_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(FMOD, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function remainder_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(REMAINDER, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function remainder_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(REMAINDER, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function remainder_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(REMAINDER, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function remainder_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(REMAINDER, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function remainder_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(REMAINDER, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function floorDivide_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(FLOOR_DIVIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function floorDivide_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(FLOOR_DIVIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function floorDivide_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(FLOOR_DIVIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function floorDivide_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(FLOOR_DIVIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function floorDivide_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(FLOOR_DIVIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function truncDivide_i32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i32>(TRUNC_DIVIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function truncDivide_i64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<i64>(TRUNC_DIVIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function truncDivide_u8(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<u8>(TRUNC_DIVIDE, a, b, out, outer, inner, ao, ai, bo, bi);
}

export function nextafter_f32(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f32>(NEXTAFTER, a, b, out, outer, inner, ao, ai, bo, bi);
}
export function nextafter_f64(a: P, b: P, out: P, outer: I, inner: I, ao: I, ai: I, bo: I, bi: I): void {
  loop<f64>(NEXTAFTER, a, b, out, outer, inner, ao, ai, bo, bi);
}
