// Batch norm maps over contiguous [N, C, S]: forward and backward, one pass each. A small kernel first turns
// float64 channel statistics into a table of factors [4, C] in the element type; the maps are elementwise in it,
// so threads may split [n0, n1) and [c0, c1) anywhere.
//
// mean = high + low with high = T(mean): x - high is exact near the mean, and what low adds is constant in a
// channel, so it goes into the offset. Nothing is lost at mean 1e6, spread 1e-2.

const HIGH: usize = 0;
const SCALE: usize = 1;
const OFFSET: usize = 2;
const SLOPE: usize = 3;
const FACTOR: usize = 4;

const FORWARD = 0;
const BACKWARD = 1;
const BACKWARD_EVAL = 2;
const COMBINE = 3;

/** Row `r` of a table [rows, C]. */
// @ts-ignore: decorator
@inline
function cell<T>(table: usize, r: usize, C: i32, c: i32): usize {
  return table + (r * C + c) * sizeof<T>();
}

// @ts-ignore: decorator
@inline
function put<T>(table: usize, r: usize, C: i32, c: i32, value: f64): void {
  store<T>(cell<T>(table, r, C, c), <T>value);
}

// @ts-ignore: decorator
@inline
function at<T>(p: usize, i: i32): f64 {
  return <f64>load<T>(p + <usize>i * sizeof<T>());
}

// @ts-ignore: decorator
@inline
function scaleOf<T>(invstd: f64, weight: usize, c: i32): f64 {
  return weight == 0 ? invstd : invstd * at<T>(weight, c);
}

/** y = (x - mean) * scale + bias = (x - high) * scale + offset. */
// @ts-ignore: decorator
@inline
function forwardFactors<T>(
  mean: usize, invstd: usize, weight: usize, bias: usize, table: usize, C: i32,
): void {
  for (let c = 0; c < C; c++) {
    const m = at<f64>(mean, c);
    const high = <f64>(<T>m);
    const scale = scaleOf<T>(at<f64>(invstd, c), weight, c);
    const shift = m == high ? 0 : (m - high) * scale;
    put<T>(table, HIGH, C, c, high);
    put<T>(table, SCALE, C, c, scale);
    put<T>(table, OFFSET, C, c, (bias == 0 ? 0 : at<T>(bias, c)) - shift);
  }
}

/** gx = (g - mean(g) - (x - mean) * slope) * scale with slope = invstd^2 mean(g (x - mean)). */
// @ts-ignore: decorator
@inline
function backwardFactors<T>(
  mean: usize, invstd: usize, weight: usize, sumG: usize, sumGU: usize, count: f64, table: usize, C: i32,
): void {
  for (let c = 0; c < C; c++) {
    const m = at<f64>(mean, c);
    const high = <f64>(<T>m);
    const r = at<f64>(invstd, c);
    const slope = (at<f64>(sumGU, c) / count) * r * r;
    put<T>(table, HIGH, C, c, high);
    put<T>(table, SCALE, C, c, scaleOf<T>(r, weight, c));
    put<T>(table, OFFSET, C, c, at<f64>(sumG, c) / count - (m == high ? 0 : (m - high) * slope));
    put<T>(table, SLOPE, C, c, slope);
  }
}

// @ts-ignore: decorator
@inline
function mapLanes<T>(op: i32, x: usize, g: usize, hi: v128, k: v128, b: v128, q: v128, f: v128): v128 {
  if (op == BACKWARD_EVAL) return v128.mul<T>(v128.load(g), k);
  const d = v128.sub<T>(v128.load(x), hi);
  if (op == FORWARD) return v128.add<T>(v128.mul<T>(d, k), b);
  if (op == COMBINE) return v128.mul<T>(v128.sub<T>(v128.sub<T>(v128.mul<T>(v128.load(g), k), b), v128.mul<T>(d, q)), f);
  return v128.mul<T>(v128.sub<T>(v128.sub<T>(v128.load(g), b), v128.mul<T>(d, q)), k);
}

// @ts-ignore: decorator
@inline
function mapOne<T>(op: i32, x: usize, g: usize, hi: T, k: T, b: T, q: T, f: T): T {
  if (op == BACKWARD_EVAL) return <T>(load<T>(g) * k);
  const d = <T>(load<T>(x) - hi);
  if (op == FORWARD) return <T>(d * k + b);
  if (op == COMBINE) return <T>((load<T>(g) * k - b - d * q) * f);
  return <T>((load<T>(g) - b - d * q) * k);
}

// @ts-ignore: decorator
@inline
function map<T>(
  op: i32, x: usize, g: usize, y: usize, table: usize,
  C: i32, S: i32, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  if (S == 1) {
    const half = (n1 - n0) >> 1;
    for (let n = n0; n < n0 + half; n++) mapRows<T>(2, op, x, g, y, half, table, C, n, c0, c1);
    if ((n1 - n0) & 1) mapRows<T>(1, op, x, g, y, 0, table, C, n1 - 1, c0, c1);
    return;
  }
  const lanes: i32 = 16 / sizeof<T>();
  for (let n = n0; n < n1; n++) {
    for (let c = c0; c < c1; c++) {
      const hi = load<T>(cell<T>(table, HIGH, C, c));
      const k = load<T>(cell<T>(table, SCALE, C, c));
      const b = load<T>(cell<T>(table, OFFSET, C, c));
      const q = op == BACKWARD || op == COMBINE ? load<T>(cell<T>(table, SLOPE, C, c)) : <T>0;
      const f = op == COMBINE ? load<T>(cell<T>(table, FACTOR, C, c)) : <T>0;
      const his = v128.splat<T>(hi);
      const ks = v128.splat<T>(k);
      const bs = v128.splat<T>(b);
      const qs = v128.splat<T>(q);
      const fs = v128.splat<T>(f);
      let o = (<usize>n * C + c) * <usize>S * sizeof<T>();
      let i = 0;
      for (; i + 2 * lanes <= S; i += 2 * lanes, o += 32) {
        const u = mapLanes<T>(op, x + o, g + o, his, ks, bs, qs, fs);
        const v = mapLanes<T>(op, x + o + 16, g + o + 16, his, ks, bs, qs, fs);
        v128.store(y + o, u);
        v128.store(y + o, v, 16);
      }
      for (; i < S; i++, o += sizeof<T>()) store<T>(y + o, mapOne<T>(op, x + o, g + o, hi, k, b, q, f));
    }
  }
}

/** S = 1: channels side by side, their factors used for one row, or for two that are `half` rows apart. */
// @ts-ignore: decorator
@inline
function mapRows<T>(
  rows: i32, op: i32, x: usize, g: usize, y: usize, half: i32, table: usize, C: i32, n: i32, c0: i32, c1: i32,
): void {
  const lanes: i32 = 16 / sizeof<T>();
  const row = <usize>C * sizeof<T>();
  const apart = <usize>half * row;
  const slope = op == BACKWARD || op == COMBINE ? SLOPE * row : 0;
  const factor = op == COMBINE ? FACTOR * row : 0;
  let o = (<usize>n * C + c0) * sizeof<T>();
  let t = table + <usize>c0 * sizeof<T>();
  let c = c0;
  for (; c + lanes <= c1; c += lanes, o += 16, t += 16) {
    const hi = v128.load(t);
    const k = v128.load(t + SCALE * row);
    const b = v128.load(t + OFFSET * row);
    const q = v128.load(t + slope);
    const f = v128.load(t + factor);
    const y0 = mapLanes<T>(op, x + o, g + o, hi, k, b, q, f);
    if (rows == 2) v128.store(y + o + apart, mapLanes<T>(op, x + o + apart, g + o + apart, hi, k, b, q, f));
    v128.store(y + o, y0);
  }
  for (; c < c1; c++, o += sizeof<T>(), t += sizeof<T>()) {
    for (let r: usize = 0; r < <usize>rows; r++) {
      const p = o + r * apart;
      store<T>(y + p, mapOne<T>(
        op, x + p, g + p, load<T>(t), load<T>(t + SCALE * row), load<T>(t + OFFSET * row), load<T>(t + slope),
        load<T>(t + factor),
      ));
    }
  }
}

// @ts-ignore: decorator
@inline
function paramGrads<T>(invstd: usize, sumG: usize, sumGU: usize, gw: usize, gb: usize, C: i32): void {
  for (let c = 0; c < C; c++) {
    if (gw != 0) put<T>(gw, 0, C, c, at<f64>(sumGU, c) * at<f64>(invstd, c));
    if (gb != 0) put<T>(gb, 0, C, c, at<f64>(sumG, c));
  }
}

/** running = (1 - factor) running + factor E_n[mean, unbiased variance] for mean and m2 [N, C] of `count` values. */
// @ts-ignore: decorator
@inline
function running<T>(mean: usize, m2: usize, count: f64, factor: f64, rm: usize, rv: usize, N: i32, C: i32): void {
  for (let c = 0; c < C; c++) {
    let m: f64 = 0;
    let v: f64 = 0;
    for (let i = c; i < N * C; i += C) {
      m += at<f64>(mean, i);
      v += at<f64>(m2, i);
    }
    put<T>(rm, 0, C, c, (1 - factor) * at<T>(rm, c) + (factor * m) / N);
    put<T>(rv, 0, C, c, (1 - factor) * at<T>(rv, c) + (factor * v) / (N * (count - 1)));
  }
}

/** table[4, C] for bnForward and bnBackwardEval; weight and bias have the element type and may be null. */
export function bnForwardFactors_f32(
  mean: usize, invstd: usize, weight: usize, bias: usize, table: usize, C: i32,
): void {
  forwardFactors<f32>(mean, invstd, weight, bias, table, C);
}
export function bnForward_f32(
  x: usize, y: usize, table: usize, N: i32, C: i32, S: i32, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  map<f32>(FORWARD, x, x, y, table, C, S, n0, n1, c0, c1);
}
/** table[4, C] for bnBackward. */
export function bnBackwardFactors_f32(
  mean: usize, invstd: usize, weight: usize, sumG: usize, sumGU: usize, count: f64, table: usize, C: i32,
): void {
  backwardFactors<f32>(mean, invstd, weight, sumG, sumGU, count, table, C);
}
export function bnBackward_f32(
  x: usize, g: usize, gx: usize, table: usize, N: i32, C: i32, S: i32, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  map<f32>(BACKWARD, x, g, gx, table, C, S, n0, n1, c0, c1);
}
/** gx = (g * scale - offset - (x - high) * slope) * factor, table[5, C]: group norm, whose weights vary in a group. */
export function bnCombine_f32(
  x: usize, g: usize, gx: usize, table: usize, N: i32, C: i32, S: i32, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  map<f32>(COMBINE, x, g, gx, table, C, S, n0, n1, c0, c1);
}
/** gx = g * scale, with the table of bnForwardFactors. */
export function bnBackwardEval_f32(
  g: usize, gx: usize, table: usize, N: i32, C: i32, S: i32, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  map<f32>(BACKWARD_EVAL, g, g, gx, table, C, S, n0, n1, c0, c1);
}
/** gw = invstd * sumGU, gb = sumG; either may be null. */
export function bnParamGrads_f32(
  invstd: usize, sumG: usize, sumGU: usize, gw: usize, gb: usize, C: i32,
): void {
  paramGrads<f32>(invstd, sumG, sumGU, gw, gb, C);
}
/** Moves running statistics; N = 1 for batch norm. */
export function bnRunning_f32(
  mean: usize, m2: usize, count: f64, factor: f64, rm: usize, rv: usize, N: i32, C: i32,
): void {
  running<f32>(mean, m2, count, factor, rm, rv, N, C);
}

/** table[4, C] for bnForward and bnBackwardEval; weight and bias have the element type and may be null. */
export function bnForwardFactors_f64(
  mean: usize, invstd: usize, weight: usize, bias: usize, table: usize, C: i32,
): void {
  forwardFactors<f64>(mean, invstd, weight, bias, table, C);
}
export function bnForward_f64(
  x: usize, y: usize, table: usize, N: i32, C: i32, S: i32, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  map<f64>(FORWARD, x, x, y, table, C, S, n0, n1, c0, c1);
}
/** table[4, C] for bnBackward. */
export function bnBackwardFactors_f64(
  mean: usize, invstd: usize, weight: usize, sumG: usize, sumGU: usize, count: f64, table: usize, C: i32,
): void {
  backwardFactors<f64>(mean, invstd, weight, sumG, sumGU, count, table, C);
}
export function bnBackward_f64(
  x: usize, g: usize, gx: usize, table: usize, N: i32, C: i32, S: i32, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  map<f64>(BACKWARD, x, g, gx, table, C, S, n0, n1, c0, c1);
}
/** gx = (g * scale - offset - (x - high) * slope) * factor, table[5, C]: group norm, whose weights vary in a group. */
export function bnCombine_f64(
  x: usize, g: usize, gx: usize, table: usize, N: i32, C: i32, S: i32, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  map<f64>(COMBINE, x, g, gx, table, C, S, n0, n1, c0, c1);
}
/** gx = g * scale, with the table of bnForwardFactors. */
export function bnBackwardEval_f64(
  g: usize, gx: usize, table: usize, N: i32, C: i32, S: i32, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  map<f64>(BACKWARD_EVAL, g, g, gx, table, C, S, n0, n1, c0, c1);
}
/** gw = invstd * sumGU, gb = sumG; either may be null. */
export function bnParamGrads_f64(
  invstd: usize, sumG: usize, sumGU: usize, gw: usize, gb: usize, C: i32,
): void {
  paramGrads<f64>(invstd, sumG, sumGU, gw, gb, C);
}
/** Moves running statistics; N = 1 for batch norm. */
export function bnRunning_f64(
  mean: usize, m2: usize, count: f64, factor: f64, rm: usize, rv: usize, N: i32, C: i32,
): void {
  running<f64>(mean, m2, count, factor, rm, rv, N, C);
}
