// Classification losses over contiguous [N, C, S] with int64 class targets [N, S]: negative log likelihood
// and cross entropy with class weights, ignored targets, label smoothing. Threads split [n0, n1) anywhere.
import { expLanes } from "./expLanes";
import { lanes } from "./lanes";
import { loadSome, storeSome } from "./wide";

type P = usize;
type I = i32;

// @ts-ignore: decorator
@inline
function at<T>(p: P, i: P): T {
  return load<T>(p + i * sizeof<T>());
}

// @ts-ignore: decorator
@inline
function weightOf<T>(weight: P, c: P): f64 {
  return weight == 0 ? 1 : <f64>at<T>(weight, c);
}

/**
 * out[n, s] = -(1 - smoothing) w_t logp_t - smoothing / C sum_c w_c logp_c, 0 where t is ignored;
 * used[n, s] = w_t (0 where ignored), whose sum divides a mean.
 */
// @ts-ignore: decorator
@inline
function forward<T>(
  logp: P, target: P, weight: P, out: P, used: P, C: I, S: I, n0: I, n1: I, ignoreIndex: I, smoothing: f64,
): void {
  const plane = <P>S;
  for (let n = <P>n0; n < <P>n1; n++) {
    const rows = logp + n * C * plane * sizeof<T>();
    for (let s: P = 0; s < plane; s++) {
      const i = n * plane + s;
      const t = at<i64>(target, i);
      let loss: f64 = 0;
      let w: f64 = 0;
      if (t != <i64>ignoreIndex) {
        w = weightOf<T>(weight, <P>t);
        loss = -w * <f64>at<T>(rows, <P>t * plane + s);
        if (smoothing != 0) {
          let all: f64 = 0;
          for (let c: P = 0; c < <P>C; c++) all -= weightOf<T>(weight, c) * <f64>at<T>(rows, c * plane + s);
          loss = (1 - smoothing) * loss + (smoothing / C) * all;
        }
      }
      store<T>(out + i * sizeof<T>(), <T>loss);
      if (used != 0) store<T>(used + i * sizeof<T>(), <T>w);
    }
  }
}

/** The gradient of sample i times `scale`; gStride 0 shares one gradient. */
// @ts-ignore: decorator
@inline
function incoming<T>(g: P, gStride: I, i: P, scale: f64): f64 {
  return <f64>at<T>(g, i * <P>gStride) * scale;
}

/** gx[n, t, s] = -w_t g, elsewhere 0. */
// @ts-ignore: decorator
@inline
function nllBackward<T>(
  g: P, gStride: I, scale: f64, target: P, weight: P, gx: P, C: I, S: I, n0: I, n1: I, ignoreIndex: I,
): void {
  const plane = <P>S;
  const block = <P>C * plane;
  memory.fill(gx + <P>n0 * block * sizeof<T>(), 0, <P>(n1 - n0) * block * sizeof<T>());
  for (let n = <P>n0; n < <P>n1; n++) {
    for (let s: P = 0; s < plane; s++) {
      const i = n * plane + s;
      const t = at<i64>(target, i);
      if (t == <i64>ignoreIndex) continue;
      const d = -weightOf<T>(weight, <P>t) * incoming<T>(g, gStride, i, scale);
      store<T>(gx + (n * block + <P>t * plane + s) * sizeof<T>(), <T>d);
    }
  }
}

/** Sum of the class weights. */
// @ts-ignore: decorator
@inline
function totalWeight<T>(weight: P, C: I): f64 {
  let sum: f64 = 0;
  for (let c: P = 0; c < <P>C; c++) sum += weightOf<T>(weight, c);
  return sum;
}

/** g_i sum q of sample i, 0 where it is ignored: what multiplies the softmax in its gradient. */
// @ts-ignore: decorator
@inline
function pull<T>(
  g: P, gStride: I, scale: f64, target: P, weight: P, i: P, ignoreIndex: I, smoothing: f64, total: f64,
): T {
  const t = at<i64>(target, i);
  if (t == <i64>ignoreIndex) return <T>0;
  return <T>(((1 - smoothing) * weightOf<T>(weight, <P>t) + total) * incoming<T>(g, gStride, i, scale));
}

/** Takes g q_c from the gradient of one sample (classes `step` elements apart). */
// @ts-ignore: decorator
@inline
function lessTarget<T>(gx: P, weight: P, t: i64, d: f64, C: I, step: P, smoothing: f64): void {
  if (smoothing != 0) {
    for (let c: P = 0; c < <P>C; c++) {
      const p = gx + c * step * sizeof<T>();
      store<T>(p, <T>(load<T>(p) - <T>((smoothing / C) * weightOf<T>(weight, c) * d)));
    }
  }
  const p = gx + <P>t * step * sizeof<T>();
  store<T>(p, <T>(load<T>(p) - <T>((1 - smoothing) * weightOf<T>(weight, <P>t) * d)));
}

/**
 * With q_c = (1 - smoothing) w_t [c = t] + smoothing / C w_c the loss is -sum q_c logp_c, hence
 * gx_c = g (exp(logp_c) sum q - q_c).
 */
// @ts-ignore: decorator
@inline
function crossEntropyBackward<T>(
  logp: P, g: P, gStride: I, scale: f64, target: P, weight: P, gx: P,
  C: I, S: I, n0: I, n1: I, ignoreIndex: I, smoothing: f64,
): void {
  const plane = <P>S;
  const block = <P>C * plane * sizeof<T>();
  const total = smoothing == 0 ? 0 : (totalWeight<T>(weight, C) * smoothing) / C;
  for (let n = <P>n0; n < <P>n1; n++) {
    const from = logp + n * block;
    const to = gx + n * block;
    if (S == 1) {
      const k = v128.splat<T>(pull<T>(g, gStride, scale, target, weight, n, ignoreIndex, smoothing, total));
      let c = 0;
      let o: P = 0;
      for (; c + lanes<T>() <= C; c += lanes<T>(), o += 16) {
        v128.store(to + o, v128.mul<T>(expLanes<T>(v128.load(from + o)), k));
      }
      if (c < C) storeSome<T>(to + o, v128.mul<T>(expLanes<T>(loadSome<T>(from + o, C - c)), k), C - c);
    } else {
      for (let s = 0; s < S; s += lanes<T>()) {
        const width = min(lanes<T>(), S - s);
        const i = n * plane + s;
        let k = v128.splat<T>(pull<T>(g, gStride, scale, target, weight, i, ignoreIndex, smoothing, total));
        if (width > 1) {
          const second = pull<T>(g, gStride, scale, target, weight, i + 1, ignoreIndex, smoothing, total);
          k = v128.replace_lane<T>(k, 1, second);
        }
        if (sizeof<T>() == 4 && width > 2) {
          const third = pull<T>(g, gStride, scale, target, weight, i + 2, ignoreIndex, smoothing, total);
          k = v128.replace_lane<T>(k, 2 % <u8>lanes<T>(), third);
        }
        if (sizeof<T>() == 4 && width > 3) {
          const last = pull<T>(g, gStride, scale, target, weight, i + 3, ignoreIndex, smoothing, total);
          k = v128.replace_lane<T>(k, 3 % <u8>lanes<T>(), last);
        }
        let o = <P>s * sizeof<T>();
        for (let c = 0; c < C; c++, o += plane * sizeof<T>()) {
          storeSome<T>(to + o, v128.mul<T>(expLanes<T>(loadSome<T>(from + o, width)), k), width);
        }
      }
    }
    for (let s: P = 0; s < plane; s++) {
      const t = at<i64>(target, n * plane + s);
      if (t == <i64>ignoreIndex) continue;
      const d = incoming<T>(g, gStride, n * plane + s, scale);
      lessTarget<T>(to + s * sizeof<T>(), weight, t, d, C, plane, smoothing);
    }
  }
}

/** Position of the first target that is neither `ignoreIndex` nor in [0, C), or -1. */
export function checkTarget(target: P, n: I, C: I, ignoreIndex: I): I {
  for (let i = 0; i < n; i++) {
    const t = at<i64>(target, <P>i);
    if (t != <i64>ignoreIndex && (t < 0 || t >= <i64>C)) return i;
  }
  return -1;
}

/** Losses from log-probabilities (cross entropy: after logSoftmax); weight and used may be null. */
export function nllForward_f32(
  logp: P, target: P, weight: P, out: P, used: P, C: I, S: I, n0: I, n1: I, ignoreIndex: I, smoothing: f64,
): void {
  forward<f32>(logp, target, weight, out, used, C, S, n0, n1, ignoreIndex, smoothing);
}
export function nllBackward_f32(
  g: P, gStride: I, scale: f64, target: P, weight: P, gx: P, C: I, S: I, n0: I, n1: I, ignoreIndex: I,
): void {
  nllBackward<f32>(g, gStride, scale, target, weight, gx, C, S, n0, n1, ignoreIndex);
}
/** Gradient with respect to the logits. */
export function crossEntropyBackward_f32(
  logp: P, g: P, gStride: I, scale: f64, target: P, weight: P, gx: P,
  C: I, S: I, n0: I, n1: I, ignoreIndex: I, smoothing: f64,
): void {
  crossEntropyBackward<f32>(
    logp, g, gStride, scale, target, weight, gx, C, S, n0, n1, ignoreIndex, smoothing,
  );
}

/** Losses from log-probabilities (cross entropy: after logSoftmax); weight and used may be null. */
export function nllForward_f64(
  logp: P, target: P, weight: P, out: P, used: P, C: I, S: I, n0: I, n1: I, ignoreIndex: I, smoothing: f64,
): void {
  forward<f64>(logp, target, weight, out, used, C, S, n0, n1, ignoreIndex, smoothing);
}
export function nllBackward_f64(
  g: P, gStride: I, scale: f64, target: P, weight: P, gx: P, C: I, S: I, n0: I, n1: I, ignoreIndex: I,
): void {
  nllBackward<f64>(g, gStride, scale, target, weight, gx, C, S, n0, n1, ignoreIndex);
}
/** Gradient with respect to the logits. */
export function crossEntropyBackward_f64(
  logp: P, g: P, gStride: I, scale: f64, target: P, weight: P, gx: P,
  C: I, S: I, n0: I, n1: I, ignoreIndex: I, smoothing: f64,
): void {
  crossEntropyBackward<f64>(
    logp, g, gStride, scale, target, weight, gx, C, S, n0, n1, ignoreIndex, smoothing,
  );
}
