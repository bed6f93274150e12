// Pairwise losses: squared, absolute, Huber, smooth absolute and binary cross entropy on logits. `Chunks`
// kernels sum chunk k of `chunk` elements to partials[k] (float64), so that bits do not depend on threads;
// `Backward` kernels give d(loss)/da times `scale`. b is the target.
import { expLanes, log1pLanes } from "./expLanes";
import { lanes } from "./lanes";
import { foldWide, lanes2, loadSome, storeSome } from "./wide";

type P = usize;
type I = i32;

const SQUARED = 0;
const ABSOLUTE = 1;
const HUBER = 2;
const SMOOTH = 3;
const LOGITS = 4;

/**
 * d = a - b: SQUARED d^2; ABSOLUTE |d|; HUBER d^2/2 or delta (|d| - delta/2) beyond delta;
 * SMOOTH the same over delta; LOGITS max(a, 0) - a b + log(1 + exp(-|a|)).
 */
// @ts-ignore: decorator
@inline
function lossLanes<T>(op: i32, a: v128, b: v128, delta: f64): v128 {
  if (op == LOGITS) {
    const rest = log1pLanes<T>(expLanes<T>(v128.neg<T>(v128.abs<T>(a))));
    return v128.add<T>(v128.sub<T>(v128.max<T>(a, v128.splat<T>(<T>0)), v128.mul<T>(a, b)), rest);
  }
  const d = v128.sub<T>(a, b);
  if (op == SQUARED) return v128.mul<T>(d, d);
  const size = v128.abs<T>(d);
  if (op == ABSOLUTE) return size;
  const inside = v128.mul<T>(v128.mul<T>(v128.splat<T>(<T>(op == HUBER ? 0.5 : 0.5 / delta)), size), size);
  const beyond = v128.sub<T>(size, v128.splat<T>(<T>(0.5 * delta)));
  const outside = op == HUBER ? v128.mul<T>(beyond, v128.splat<T>(<T>delta)) : beyond;
  return v128.bitselect(inside, outside, v128.lt<T>(size, v128.splat<T>(<T>delta)));
}

/** SQUARED 2 d; ABSOLUTE sign(d); HUBER d clamped to delta; SMOOTH that over delta; LOGITS sigmoid(a) - b. */
// @ts-ignore: decorator
@inline
function slopeLanes<T>(op: i32, a: v128, b: v128, delta: f64): v128 {
  const one = v128.splat<T>(<T>1);
  if (op == LOGITS) {
    const e = expLanes<T>(v128.neg<T>(v128.abs<T>(a)));
    const top = v128.bitselect(e, one, v128.lt<T>(a, v128.splat<T>(<T>0)));
    return v128.sub<T>(v128.div<T>(top, v128.add<T>(one, e)), b);
  }
  const d = v128.sub<T>(a, b);
  if (op == SQUARED) return v128.add<T>(d, d);
  if (op == ABSOLUTE) return signLanes<T>(d);
  const limit = v128.splat<T>(<T>delta);
  const inside = op == HUBER ? d : v128.div<T>(d, limit);
  const outside = op == HUBER ? v128.mul<T>(signLanes<T>(d), limit) : signLanes<T>(d);
  return v128.bitselect(inside, outside, v128.lt<T>(v128.abs<T>(d), limit));
}

/** -1, 0 or 1; NaN stays. */
// @ts-ignore: decorator
@inline
function signLanes<T>(d: v128): v128 {
  const zero = v128.splat<T>(<T>0);
  const one = v128.splat<T>(<T>1);
  const s = v128.sub<T>(v128.and(v128.gt<T>(d, zero), one), v128.and(v128.lt<T>(d, zero), one));
  return v128.bitselect(s, d, v128.eq<T>(d, d));
}

// @ts-ignore: decorator
@inline
function chunks<T>(op: i32, a: P, b: P, partials: P, n: I, chunk: I, first: I, count: I, delta: f64): void {
  for (let k = first; k < first + count; k++) {
    const from = k * chunk;
    const to = min(n, from + chunk);
    let wide = f64x2.splat(0);
    let rest: f64 = 0;
    let i = from;
    let o = <P>from * sizeof<T>();
    for (; i + lanes<T>() <= to; i += lanes<T>(), o += 16) {
      wide = f64x2.add(wide, foldWide<T>(lossLanes<T>(op, v128.load(a + o), v128.load(b + o), delta)));
    }
    for (; i < to; i++, o += sizeof<T>()) {
      const v = lossLanes<T>(op, loadSome<T>(a + o, 1), loadSome<T>(b + o, 1), delta);
      rest += <f64>v128.extract_lane<T>(v, 0);
    }
    store<f64>(partials + (<P>k << 3), lanes2(wide) + rest);
  }
}

// @ts-ignore: decorator
@inline
function elements<T>(op: i32, slope: bool, a: P, b: P, out: P, n: I, delta: f64, scale: f64): void {
  const k = v128.splat<T>(<T>scale);
  let i = 0;
  let o: P = 0;
  for (; i + lanes<T>() <= n; i += lanes<T>(), o += 16) {
    v128.store(out + o, element<T>(op, slope, v128.load(a + o), v128.load(b + o), delta, k));
  }
  if (i < n) {
    const w = n - i;
    const v = element<T>(op, slope, loadSome<T>(a + o, w), loadSome<T>(b + o, w), delta, k);
    storeSome<T>(out + o, v, w);
  }
}

// @ts-ignore: decorator
@inline
function element<T>(op: i32, slope: bool, a: v128, b: v128, delta: f64, k: v128): v128 {
  if (slope) return v128.mul<T>(slopeLanes<T>(op, a, b, delta), k);
  return lossLanes<T>(op, a, b, delta);
}

export function mse_f32(a: P, b: P, out: P, n: I): void {
  elements<f32>(SQUARED, false, a, b, out, n, 1, 1);
}
export function mseChunks_f32(a: P, b: P, partials: P, n: I, chunk: I, first: I, count: I): void {
  chunks<f32>(SQUARED, a, b, partials, n, chunk, first, count, 1);
}
export function mseBackward_f32(a: P, b: P, ga: P, n: I, scale: f64): void {
  elements<f32>(SQUARED, true, a, b, ga, n, 1, scale);
}
export function mse_f64(a: P, b: P, out: P, n: I): void {
  elements<f64>(SQUARED, false, a, b, out, n, 1, 1);
}
export function mseChunks_f64(a: P, b: P, partials: P, n: I, chunk: I, first: I, count: I): void {
  chunks<f64>(SQUARED, a, b, partials, n, chunk, first, count, 1);
}
export function mseBackward_f64(a: P, b: P, ga: P, n: I, scale: f64): void {
  elements<f64>(SQUARED, true, a, b, ga, n, 1, scale);
}

export function l1_f32(a: P, b: P, out: P, n: I): void {
  elements<f32>(ABSOLUTE, false, a, b, out, n, 1, 1);
}
export function l1Chunks_f32(a: P, b: P, partials: P, n: I, chunk: I, first: I, count: I): void {
  chunks<f32>(ABSOLUTE, a, b, partials, n, chunk, first, count, 1);
}
export function l1Backward_f32(a: P, b: P, ga: P, n: I, scale: f64): void {
  elements<f32>(ABSOLUTE, true, a, b, ga, n, 1, scale);
}
export function l1_f64(a: P, b: P, out: P, n: I): void {
  elements<f64>(ABSOLUTE, false, a, b, out, n, 1, 1);
}
export function l1Chunks_f64(a: P, b: P, partials: P, n: I, chunk: I, first: I, count: I): void {
  chunks<f64>(ABSOLUTE, a, b, partials, n, chunk, first, count, 1);
}
export function l1Backward_f64(a: P, b: P, ga: P, n: I, scale: f64): void {
  elements<f64>(ABSOLUTE, true, a, b, ga, n, 1, scale);
}

export function huber_f32(a: P, b: P, out: P, n: I, delta: f64): void {
  elements<f32>(HUBER, false, a, b, out, n, delta, 1);
}
export function huberChunks_f32(
  a: P, b: P, partials: P, n: I, chunk: I, first: I, count: I, delta: f64,
): void {
  chunks<f32>(HUBER, a, b, partials, n, chunk, first, count, delta);
}
export function huberBackward_f32(a: P, b: P, ga: P, n: I, delta: f64, scale: f64): void {
  elements<f32>(HUBER, true, a, b, ga, n, delta, scale);
}
export function huber_f64(a: P, b: P, out: P, n: I, delta: f64): void {
  elements<f64>(HUBER, false, a, b, out, n, delta, 1);
}
export function huberChunks_f64(
  a: P, b: P, partials: P, n: I, chunk: I, first: I, count: I, delta: f64,
): void {
  chunks<f64>(HUBER, a, b, partials, n, chunk, first, count, delta);
}
export function huberBackward_f64(a: P, b: P, ga: P, n: I, delta: f64, scale: f64): void {
  elements<f64>(HUBER, true, a, b, ga, n, delta, scale);
}

export function smoothL1_f32(a: P, b: P, out: P, n: I, delta: f64): void {
  elements<f32>(SMOOTH, false, a, b, out, n, delta, 1);
}
export function smoothL1Chunks_f32(
  a: P, b: P, partials: P, n: I, chunk: I, first: I, count: I, delta: f64,
): void {
  chunks<f32>(SMOOTH, a, b, partials, n, chunk, first, count, delta);
}
export function smoothL1Backward_f32(a: P, b: P, ga: P, n: I, delta: f64, scale: f64): void {
  elements<f32>(SMOOTH, true, a, b, ga, n, delta, scale);
}
export function smoothL1_f64(a: P, b: P, out: P, n: I, delta: f64): void {
  elements<f64>(SMOOTH, false, a, b, out, n, delta, 1);
}
export function smoothL1Chunks_f64(
  a: P, b: P, partials: P, n: I, chunk: I, first: I, count: I, delta: f64,
): void {
  chunks<f64>(SMOOTH, a, b, partials, n, chunk, first, count, delta);
}
export function smoothL1Backward_f64(a: P, b: P, ga: P, n: I, delta: f64, scale: f64): void {
  elements<f64>(SMOOTH, true, a, b, ga, n, delta, scale);
}

export function bceWithLogits_f32(a: P, b: P, out: P, n: I): void {
  elements<f32>(LOGITS, false, a, b, out, n, 1, 1);
}
export function bceWithLogitsChunks_f32(a: P, b: P, partials: P, n: I, chunk: I, first: I, count: I): void {
  chunks<f32>(LOGITS, a, b, partials, n, chunk, first, count, 1);
}
export function bceWithLogitsBackward_f32(a: P, b: P, ga: P, n: I, scale: f64): void {
  elements<f32>(LOGITS, true, a, b, ga, n, 1, scale);
}
export function bceWithLogits_f64(a: P, b: P, out: P, n: I): void {
  elements<f64>(LOGITS, false, a, b, out, n, 1, 1);
}
export function bceWithLogitsChunks_f64(a: P, b: P, partials: P, n: I, chunk: I, first: I, count: I): void {
  chunks<f64>(LOGITS, a, b, partials, n, chunk, first, count, 1);
}
export function bceWithLogitsBackward_f64(a: P, b: P, ga: P, n: I, scale: f64): void {
  elements<f64>(LOGITS, true, a, b, ga, n, 1, scale);
}
