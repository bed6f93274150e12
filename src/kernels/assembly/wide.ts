// Pairs of float32 or float64 elements as two doubles: the accumulators of every reduction and norm.
import { lanes, loadPart, storePart } from "./lanes";

/** Elements p[0], p[1] as f64x2. */
// @ts-ignore: decorator
@inline
export function load2<T>(p: usize): v128 {
  if (sizeof<T>() == 4) return f64x2.promote_low_f32x4(v128.load64_zero(p));
  return v128.load(p);
}

/** One vector of T as doubles: the sum of its first two lanes and its last two (f32), or the vector (f64). */
// @ts-ignore: decorator
@inline
export function foldWide<T>(v: v128): v128 {
  if (sizeof<T>() == 8) return v;
  return f64x2.add(f64x2.promote_low_f32x4(v), f64x2.promote_low_f32x4(upper(v)));
}

/** Lanes 2 and 3 of a float32 vector, moved to 0 and 1. */
// @ts-ignore: decorator
@inline
export function upper(v: v128): v128 {
  return v128.shuffle<i64>(v, v, 1, 1);
}

/** Stores f64x2 as two elements, rounded to T. */
// @ts-ignore: decorator
@inline
export function store2<T>(p: usize, v: v128): void {
  if (sizeof<T>() == 4) v128.store64_lane(p, f32x4.demote_f64x2_zero(v), 0);
  else v128.store(p, v);
}

/** Sum of the two lanes, low first. */
// @ts-ignore: decorator
@inline
export function lanes2(v: v128): f64 {
  return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1);
}

/** The rounding error of t = s + x, lane by lane (Knuth's TwoSum). */
// @ts-ignore: decorator
@inline
export function twoSumError2(s: v128, x: v128, t: v128): v128 {
  const z = f64x2.sub(t, s);
  return f64x2.add(f64x2.sub(s, f64x2.sub(t, z)), f64x2.sub(x, z));
}

/** The rounding error of t = s + x. */
// @ts-ignore: decorator
@inline
export function twoSumError(s: f64, x: f64, t: f64): f64 {
  const z = t - s;
  return s - (t - z) + (x - z);
}

/** s + c, or s alone where an infinity made the error term meaningless. */
// @ts-ignore: decorator
@inline
export function settle(s: f64, c: f64): f64 {
  return c - c == 0 ? s + c : s;
}

/** A whole vector (k = lanes) or its first k lanes, so that tails run the vector code. */
// @ts-ignore: decorator
@inline
export function loadSome<T>(p: usize, k: i32): v128 {
  return k == lanes<T>() ? v128.load(p) : loadPart<T>(p, k);
}

// @ts-ignore: decorator
@inline
export function storeSome<T>(p: usize, v: v128, k: i32): void {
  if (k == lanes<T>()) v128.store(p, v);
  else storePart<T>(p, v, k);
}
