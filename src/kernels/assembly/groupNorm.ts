// Group norm over contiguous [N, C, S]: its factors, in the tables of norm.ts. Each of the N * G groups is a
// channel of normSums.ts with S' = C / G * S; the maps then see N * C channels of S (bnForward, bnCombine).

type P = usize;
type I = i32;

// @ts-ignore: decorator
@inline
function at<T>(p: P, i: P): f64 {
  return p == 0 ? 1 : <f64>load<T>(p + i * sizeof<T>());
}

// @ts-ignore: decorator
@inline
function put<T>(table: P, row: P, channels: P, i: P, value: f64): void {
  store<T>(table + (row * channels + i) * sizeof<T>(), <T>value);
}

/** Rows high, scale, offset: y = (x - high) * scale + offset, mean = high + low as in norm.ts. */
// @ts-ignore: decorator
@inline
function forwardFactors<T>(mean: P, rstd: P, weight: P, bias: P, table: P, N: I, C: I, G: I): void {
  const channels = <P>N * <P>C;
  const share = <P>(C / G);
  for (let i: P = 0; i < channels; i++) {
    const c = i % <P>C;
    const m = at<f64>(mean, i / share);
    const high = <f64>(<T>m);
    const scale = at<f64>(rstd, i / share) * at<T>(weight, c);
    put<T>(table, 0, channels, i, high);
    put<T>(table, 1, channels, i, scale);
    put<T>(table, 2, channels, i, (bias == 0 ? 0 : at<T>(bias, c)) - (m == high ? 0 : (m - high) * scale));
  }
}

/**
 * d = x - mean, r = rstd, E over a group: gx = r (w g - E[w g] - d r^2 E[w g d]), from the channel sums of g
 * and g d. Rows high, scale (w), offset, slope, factor (r).
 */
// @ts-ignore: decorator
@inline
function backwardFactors<T>(
  mean: P, rstd: P, weight: P, sumG: P, sumGU: P, table: P, N: I, C: I, S: I, G: I,
): void {
  const channels = <P>N * <P>C;
  const share = <P>(C / G);
  const count = <f64>share * <f64>S;
  for (let from: P = 0; from < channels; from += share) {
    let a: f64 = 0;
    let b: f64 = 0;
    for (let i = from; i < from + share; i++) {
      const w = at<T>(weight, i % <P>C);
      a += w * at<f64>(sumG, i);
      b += w * at<f64>(sumGU, i);
    }
    const m = at<f64>(mean, from / share);
    const high = <f64>(<T>m);
    const r = at<f64>(rstd, from / share);
    const slope = (b / count) * r * r;
    const offset = a / count - (m == high ? 0 : (m - high) * slope);
    for (let i = from; i < from + share; i++) {
      put<T>(table, 0, channels, i, high);
      put<T>(table, 1, channels, i, at<T>(weight, i % <P>C));
      put<T>(table, 2, channels, i, offset);
      put<T>(table, 3, channels, i, slope);
      put<T>(table, 4, channels, i, r);
    }
  }
}

/** gw[c] = sum over n of rstd sum g d, gb[c] = sum g; either may be null. */
// @ts-ignore: decorator
@inline
function paramGrads<T>(rstd: P, sumG: P, sumGU: P, gw: P, gb: P, N: I, C: I, G: I): void {
  const share = <P>(C / G);
  for (let c: P = 0; c < <P>C; c++) {
    let w: f64 = 0;
    let b: f64 = 0;
    for (let i = c; i < <P>N * <P>C; i += <P>C) {
      w += at<f64>(rstd, i / share) * at<f64>(sumGU, i);
      b += at<f64>(sumG, i);
    }
    if (gw != 0) store<T>(gw + c * sizeof<T>(), <T>w);
    if (gb != 0) store<T>(gb + c * sizeof<T>(), <T>b);
  }
}

/** out[n, c] = groups[n, g(c)]: the means that bnBackwardSums wants, float64. */
export function gnSpread(groups: P, out: P, N: I, C: I, G: I): void {
  const share = <P>(C / G);
  for (let i: P = 0; i < <P>N * <P>C; i++) store<f64>(out + (i << 3), at<f64>(groups, i / share));
}

/** table[4, N * C] for bnForward; mean, rstd float64 [N * G]; weight and bias may be null. */
export function gnForwardFactors_f32(
  mean: P, rstd: P, weight: P, bias: P, table: P, N: I, C: I, G: I,
): void {
  forwardFactors<f32>(mean, rstd, weight, bias, table, N, C, G);
}
/** table[5, N * C] for bnCombine; sums of bnBackwardSums over N * C channels. */
export function gnBackwardFactors_f32(
  mean: P, rstd: P, weight: P, sumG: P, sumGU: P, table: P, N: I, C: I, S: I, G: I,
): void {
  backwardFactors<f32>(mean, rstd, weight, sumG, sumGU, table, N, C, S, G);
}
export function gnParamGrads_f32(
  rstd: P, sumG: P, sumGU: P, gw: P, gb: P, N: I, C: I, G: I,
): void {
  paramGrads<f32>(rstd, sumG, sumGU, gw, gb, N, C, G);
}

/** table[4, N * C] for bnForward; mean, rstd float64 [N * G]; weight and bias may be null. */
export function gnForwardFactors_f64(
  mean: P, rstd: P, weight: P, bias: P, table: P, N: I, C: I, G: I,
): void {
  forwardFactors<f64>(mean, rstd, weight, bias, table, N, C, G);
}
/** table[5, N * C] for bnCombine; sums of bnBackwardSums over N * C channels. */
export function gnBackwardFactors_f64(
  mean: P, rstd: P, weight: P, sumG: P, sumGU: P, table: P, N: I, C: I, S: I, G: I,
): void {
  backwardFactors<f64>(mean, rstd, weight, sumG, sumGU, table, N, C, S, G);
}
export function gnParamGrads_f64(
  rstd: P, sumG: P, sumGU: P, gw: P, gb: P, N: I, C: I, G: I,
): void {
  paramGrads<f64>(rstd, sumG, sumGU, gw, gb, N, C, G);
}
