// Softmax, log-softmax and log-sum-exp over the middle of a contiguous [outer, dim, inner] block, shifted by
// the maximum; sums run in float64. `stride` (elements between rows, 0 for inner) lets threads share columns.
// A row of -inf gives NaN, as in PyTorch; log-sum-exp shifts an infinite maximum by 0 instead.
import { expLanes } from "./expLanes";
import { lanes, loadPart, storePart } from "./lanes";
import { log64 } from "./math64";
import { foldWide, lanes2, loadSome, storeSome, upper } from "./wide";

type P = usize;
type I = i32;

const SOFTMAX = 0;
const LOG_SOFTMAX = 1;
const LOG_SUM_EXP = 2;

/** A NaN may get lost here: it comes back through the sum of exponentials. */
// @ts-ignore: decorator
@inline
function rowMax<T>(x: P, n: I): T {
  let m = v128.splat<T>(<T>-Infinity);
  let m2 = m;
  let i = 0;
  for (; i + 2 * lanes<T>() <= n; i += 2 * lanes<T>(), x += 32) {
    m = v128.pmax<T>(m, v128.load(x));
    m2 = v128.pmax<T>(m2, v128.load(x, 16));
  }
  m = v128.pmax<T>(m, m2);
  for (; i + lanes<T>() <= n; i += lanes<T>(), x += 16) m = v128.pmax<T>(m, v128.load(x));
  if (i < n) m = v128.pmax<T>(m, loadPart<T>(x, n - i));
  const r = max<T>(v128.extract_lane<T>(m, 0), v128.extract_lane<T>(m, 1));
  if (sizeof<T>() == 8) return r;
  return max<T>(r, max<T>(v128.extract_lane<T>(m, 2), v128.extract_lane<T>(m, 3)));
}

/** The first k lanes as a double sum. */
// @ts-ignore: decorator
@inline
function sumPart<T>(v: v128, k: I): f64 {
  let s = <f64>v128.extract_lane<T>(v, 0);
  if (k > 1) s += <f64>v128.extract_lane<T>(v, 1);
  if (sizeof<T>() == 4 && k > 2) s += <f64>v128.extract_lane<T>(v, 2);
  return s;
}

// @ts-ignore: decorator
@inline
function logOf(x: f64): f64 {
  return f64x2.extract_lane(log64(f64x2.splat(x)), 0);
}

// @ts-ignore: decorator
@inline
function forwardRow<T>(op: i32, x: P, out: P, n: I): void {
  let top = rowMax<T>(x, n);
  if (op == LOG_SUM_EXP && abs<T>(top) == <T>Infinity) top = 0;
  const m = v128.splat<T>(top);
  let wide = f64x2.splat(0);
  let sum: f64 = 0;
  let i = 0;
  let o: P = 0;
  // Two vectors at a time: the steps of one fill the waiting times of the other.
  for (; i + 2 * lanes<T>() <= n; i += 2 * lanes<T>(), o += 32) {
    const e = expLanes<T>(v128.sub<T>(v128.load(x + o), m));
    const f = expLanes<T>(v128.sub<T>(v128.load(x + o, 16), m));
    if (op == SOFTMAX) {
      v128.store(out + o, e);
      v128.store(out + o, f, 16);
    }
    wide = f64x2.add(wide, f64x2.add(foldWide<T>(e), foldWide<T>(f)));
  }
  for (; i + lanes<T>() <= n; i += lanes<T>(), o += 16) {
    const e = expLanes<T>(v128.sub<T>(v128.load(x + o), m));
    if (op == SOFTMAX) v128.store(out + o, e);
    wide = f64x2.add(wide, foldWide<T>(e));
  }
  if (i < n) {
    const e = expLanes<T>(v128.sub<T>(loadPart<T>(x + o, n - i), m));
    if (op == SOFTMAX) storePart<T>(out + o, e, n - i);
    sum = sumPart<T>(e, n - i);
  }
  sum += lanes2(wide);
  if (op == LOG_SUM_EXP) {
    store<T>(out, <T>(<f64>top + logOf(sum)));
    return;
  }
  const k = op == SOFTMAX ? <T>sum : <T>logOf(sum);
  const ks = v128.splat<T>(k);
  for (i = 0, o = 0; i + lanes<T>() <= n; i += lanes<T>(), o += 16) {
    if (op == SOFTMAX) v128.store(out + o, v128.div<T>(v128.load(out + o), ks));
    else v128.store(out + o, v128.sub<T>(v128.sub<T>(v128.load(x + o), m), ks));
  }
  for (; i < n; i++, o += sizeof<T>()) {
    if (op == SOFTMAX) store<T>(out + o, <T>(load<T>(out + o) / k));
    else store<T>(out + o, <T>(load<T>(x + o) - top - k));
  }
}

/** Lane sums over the rows, kept in float64: `low` holds lanes 0 and 1, `high` 2 and 3. */
// @ts-ignore: decorator
@inline
function narrow<T>(low: v128, high: v128): v128 {
  if (sizeof<T>() == 8) return low;
  return v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
}

// @ts-ignore: decorator
@inline
function widenLow<T>(v: v128): v128 {
  return sizeof<T>() == 8 ? v : f64x2.promote_low_f32x4(v);
}

/** k columns side by side, k a whole vector or the tail. */
// @ts-ignore: decorator
@inline
function forwardColumns<T>(op: i32, x: P, out: P, n: I, step: P, k: I): void {
  let m = v128.splat<T>(<T>-Infinity);
  let p = x;
  for (let i = 0; i < n; i++, p += step) m = v128.pmax<T>(m, loadSome<T>(p, k));
  const top = m;
  if (op == LOG_SUM_EXP) m = v128.andnot(m, v128.eq<T>(v128.abs<T>(m), v128.splat<T>(<T>Infinity)));
  let low = f64x2.splat(0);
  let high = low;
  p = x;
  let q = out;
  for (let i = 0; i < n; i++, p += step, q += step) {
    const e = expLanes<T>(v128.sub<T>(loadSome<T>(p, k), m));
    if (op == SOFTMAX) storeSome<T>(q, e, k);
    low = f64x2.add(low, widenLow<T>(e));
    if (sizeof<T>() == 4) high = f64x2.add(high, f64x2.promote_low_f32x4(upper(e)));
  }
  if (op == SOFTMAX) {
    const s = narrow<T>(low, high);
    q = out;
    for (let i = 0; i < n; i++, q += step) storeSome<T>(q, v128.div<T>(loadSome<T>(q, k), s), k);
    return;
  }
  low = log64(low);
  if (sizeof<T>() == 4) high = log64(high);
  if (op == LOG_SUM_EXP) {
    low = f64x2.add(low, widenLow<T>(m));
    if (sizeof<T>() == 4) high = f64x2.add(high, f64x2.promote_low_f32x4(upper(m)));
    storeSome<T>(out, narrow<T>(low, high), k);
    return;
  }
  const s = narrow<T>(low, high);
  p = x;
  q = out;
  for (let i = 0; i < n; i++, p += step, q += step) {
    storeSome<T>(q, v128.sub<T>(v128.sub<T>(loadSome<T>(p, k), top), s), k);
  }
}

// @ts-ignore: decorator
@inline
function topOf<T>(m: v128, p: P): v128 {
  return v128.pmax<T>(m, v128.load(p));
}

/** exp(x - m), kept in `out` for the quotient. */
// @ts-ignore: decorator
@inline
function expOf<T>(op: i32, x: P, out: P, m: v128): v128 {
  const e = expLanes<T>(v128.sub<T>(v128.load(x), m));
  if (op == SOFTMAX) v128.store(out, e);
  return e;
}

/** Adds the lanes 2, 3 of e (float32 only). */
// @ts-ignore: decorator
@inline
function addUpper<T>(sum: v128, e: v128): v128 {
  return sizeof<T>() == 4 ? f64x2.add(sum, f64x2.promote_low_f32x4(upper(e))) : sum;
}

// @ts-ignore: decorator
@inline
function finish<T>(op: i32, x: P, out: P, m: v128, s: v128): void {
  if (op == SOFTMAX) v128.store(out, v128.div<T>(v128.load(out), s));
  else v128.store(out, v128.sub<T>(v128.sub<T>(v128.load(x), m), s));
}

// @ts-ignore: decorator
@inline
function settleSum<T>(op: i32, low: v128, high: v128): v128 {
  if (op == SOFTMAX) return narrow<T>(low, high);
  return narrow<T>(log64(low), sizeof<T>() == 4 ? log64(high) : high);
}

/** Four vectors of columns, one cache line: with a power of two as stride, single vectors would evict it. */
function forwardLine<T>(op: i32, x: P, out: P, n: I, step: P): void {
  let m0 = v128.splat<T>(<T>-Infinity), m1 = m0, m2 = m0, m3 = m0;
  let p = x;
  for (let i = 0; i < n; i++, p += step) {
    m0 = topOf<T>(m0, p);
    m1 = topOf<T>(m1, p + 16);
    m2 = topOf<T>(m2, p + 32);
    m3 = topOf<T>(m3, p + 48);
  }
  let l0 = f64x2.splat(0), l1 = l0, l2 = l0, l3 = l0;
  let h0 = l0, h1 = l0, h2 = l0, h3 = l0;
  let q = out;
  p = x;
  for (let i = 0; i < n; i++, p += step, q += step) {
    let e = expOf<T>(op, p, q, m0);
    l0 = f64x2.add(l0, widenLow<T>(e));
    h0 = addUpper<T>(h0, e);
    e = expOf<T>(op, p + 16, q + 16, m1);
    l1 = f64x2.add(l1, widenLow<T>(e));
    h1 = addUpper<T>(h1, e);
    e = expOf<T>(op, p + 32, q + 32, m2);
    l2 = f64x2.add(l2, widenLow<T>(e));
    h2 = addUpper<T>(h2, e);
    e = expOf<T>(op, p + 48, q + 48, m3);
    l3 = f64x2.add(l3, widenLow<T>(e));
    h3 = addUpper<T>(h3, e);
  }
  const s0 = settleSum<T>(op, l0, h0), s1 = settleSum<T>(op, l1, h1);
  const s2 = settleSum<T>(op, l2, h2), s3 = settleSum<T>(op, l3, h3);
  p = x;
  q = out;
  for (let i = 0; i < n; i++, p += step, q += step) {
    finish<T>(op, p, q, m0, s0);
    finish<T>(op, p + 16, q + 16, m1, s1);
    finish<T>(op, p + 32, q + 32, m2, s2);
    finish<T>(op, p + 48, q + 48, m3, s3);
  }
}

// @ts-ignore: decorator
@inline
function forward<T>(op: i32, x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  const row = <P>(stride == 0 ? inner : stride);
  const step = row * sizeof<T>();
  const outStep = op == LOG_SUM_EXP ? <P>inner * sizeof<T>() : <P>dim * step;
  for (let o = 0; o < outer; o++, x += <P>dim * step, out += outStep) {
    if (row == 1) {
      forwardRow<T>(op, x, out, dim);
      continue;
    }
    let j = 0;
    let b: P = 0;
    if (op != LOG_SUM_EXP) {
      for (; j + 4 * lanes<T>() <= inner; j += 4 * lanes<T>(), b += 64) {
        forwardLine<T>(op, x + b, out + b, dim, step);
      }
    }
    for (; j + lanes<T>() <= inner; j += lanes<T>(), b += 16) {
      forwardColumns<T>(op, x + b, out + b, dim, step, lanes<T>());
    }
    if (j < inner) forwardColumns<T>(op, x + b, out + b, dim, step, inner - j);
  }
}

/** softmax: gx = y (g - sum g y); log-softmax: gx = g - exp(y) sum g. */
// @ts-ignore: decorator
@inline
function backLanes<T>(op: i32, y: v128, g: v128, s: v128): v128 {
  if (op == SOFTMAX) return v128.mul<T>(y, v128.sub<T>(g, s));
  return v128.sub<T>(g, v128.mul<T>(expLanes<T>(y), s));
}

// @ts-ignore: decorator
@inline
function backwardRow<T>(op: i32, y: P, g: P, gx: P, n: I): void {
  let wide = f64x2.splat(0);
  let sum: f64 = 0;
  let i = 0;
  let o: P = 0;
  for (; i + lanes<T>() <= n; i += lanes<T>(), o += 16) {
    const u = v128.load(g + o);
    wide = f64x2.add(wide, foldWide<T>(op == SOFTMAX ? v128.mul<T>(u, v128.load(y + o)) : u));
  }
  if (i < n) {
    const u = loadPart<T>(g + o, n - i);
    sum = sumPart<T>(op == SOFTMAX ? v128.mul<T>(u, loadPart<T>(y + o, n - i)) : u, n - i);
  }
  const s = v128.splat<T>(<T>(sum + lanes2(wide)));
  for (i = 0, o = 0; i + lanes<T>() <= n; i += lanes<T>(), o += 16) {
    v128.store(gx + o, backLanes<T>(op, v128.load(y + o), v128.load(g + o), s));
  }
  if (i < n) {
    const k = n - i;
    storePart<T>(gx + o, backLanes<T>(op, loadPart<T>(y + o, k), loadPart<T>(g + o, k), s), k);
  }
}

// @ts-ignore: decorator
@inline
function backwardColumns<T>(op: i32, y: P, g: P, gx: P, n: I, step: P, k: I): void {
  let low = f64x2.splat(0);
  let high = low;
  let o: P = 0;
  for (let i = 0; i < n; i++, o += step) {
    let u = loadSome<T>(g + o, k);
    if (op == SOFTMAX) u = v128.mul<T>(u, loadSome<T>(y + o, k));
    low = f64x2.add(low, widenLow<T>(u));
    if (sizeof<T>() == 4) high = f64x2.add(high, f64x2.promote_low_f32x4(upper(u)));
  }
  const s = narrow<T>(low, high);
  o = 0;
  for (let i = 0; i < n; i++, o += step) {
    storeSome<T>(gx + o, backLanes<T>(op, loadSome<T>(y + o, k), loadSome<T>(g + o, k), s), k);
  }
}

// @ts-ignore: decorator
@inline
function backward<T>(op: i32, y: P, g: P, gx: P, outer: I, dim: I, inner: I, stride: I): void {
  const row = <P>(stride == 0 ? inner : stride);
  const step = row * sizeof<T>();
  const block = <P>dim * step;
  for (let o = 0; o < outer; o++, y += block, g += block, gx += block) {
    if (row == 1) {
      backwardRow<T>(op, y, g, gx, dim);
      continue;
    }
    let j = 0;
    let b: P = 0;
    for (; j + lanes<T>() <= inner; j += lanes<T>(), b += 16) {
      backwardColumns<T>(op, y + b, g + b, gx + b, dim, step, lanes<T>());
    }
    if (j < inner) backwardColumns<T>(op, y + b, g + b, gx + b, dim, step, inner - j);
  }
}

export function softmax_f32(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  forward<f32>(SOFTMAX, x, out, outer, dim, inner, stride);
}
export function softmax_f64(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  forward<f64>(SOFTMAX, x, out, outer, dim, inner, stride);
}
export function logSoftmax_f32(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  forward<f32>(LOG_SOFTMAX, x, out, outer, dim, inner, stride);
}
export function logSoftmax_f64(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  forward<f64>(LOG_SOFTMAX, x, out, outer, dim, inner, stride);
}
/** [outer, dim, inner] -> [outer, inner]. */
export function logsumexp_f32(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  forward<f32>(LOG_SUM_EXP, x, out, outer, dim, inner, stride);
}
export function logsumexp_f64(x: P, out: P, outer: I, dim: I, inner: I, stride: I): void {
  forward<f64>(LOG_SUM_EXP, x, out, outer, dim, inner, stride);
}
export function softmaxBackward_f32(y: P, g: P, gx: P, outer: I, dim: I, inner: I, stride: I): void {
  backward<f32>(SOFTMAX, y, g, gx, outer, dim, inner, stride);
}
export function softmaxBackward_f64(y: P, g: P, gx: P, outer: I, dim: I, inner: I, stride: I): void {
  backward<f64>(SOFTMAX, y, g, gx, outer, dim, inner, stride);
}
export function logSoftmaxBackward_f32(y: P, g: P, gx: P, outer: I, dim: I, inner: I, stride: I): void {
  backward<f32>(LOG_SOFTMAX, y, g, gx, outer, dim, inner, stride);
}
export function logSoftmaxBackward_f64(y: P, g: P, gx: P, outer: I, dim: I, inner: I, stride: I): void {
  backward<f64>(LOG_SOFTMAX, y, g, gx, outer, dim, inner, stride);
}
