// The pieces that PyTorch's optimizer formulas share, a vector at a time, in its order of operations.
import { loadSome } from "./wide";

/** Flag of all optimizers: ascend. */
export const MAXIMIZE = 1;

// @ts-ignore: decorator
@inline
export function splat<T>(x: f64): v128 {
  return v128.splat<T>(<T>x);
}

/** The gradient, negated to maximize, plus decay * p. */
// @ts-ignore: decorator
@inline
export function gradient<T>(g: usize, w: v128, k: i32, decay: f64, flags: i32): v128 {
  let d = loadSome<T>(g, k);
  if (flags & MAXIMIZE) d = v128.neg<T>(d);
  return decay != 0 ? v128.add<T>(d, v128.mul<T>(splat<T>(decay), w)) : d;
}

/** a x + b y. */
// @ts-ignore: decorator
@inline
export function mix<T>(a: f64, x: v128, b: f64, y: v128): v128 {
  return v128.add<T>(v128.mul<T>(x, splat<T>(a)), v128.mul<T>(splat<T>(b), y));
}

/** a x + (b y) y, the running second moment. */
// @ts-ignore: decorator
@inline
export function mixSquare<T>(a: f64, x: v128, b: f64, y: v128): v128 {
  return v128.add<T>(v128.mul<T>(x, splat<T>(a)), v128.mul<T>(v128.mul<T>(splat<T>(b), y), y));
}

/** w + (c x) / y. */
// @ts-ignore: decorator
@inline
export function addDiv<T>(w: v128, c: f64, x: v128, y: v128): v128 {
  return v128.add<T>(w, v128.div<T>(v128.mul<T>(splat<T>(c), x), y));
}
