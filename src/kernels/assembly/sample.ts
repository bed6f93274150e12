// Weighted sums of elements at given places of each plane: sampling on a grid. The map is linear in the planes and in
// the weights, and its two transposes are here as well. x is [N, C, S], g and y are [N, C, P], w and gw are
// [N, T, P], index is [N, T, P] of i32, where a negative one stands for a tap that reads nothing.
type Q = usize;
type I = i32;

/** y[n, c, p] = sum over t of w[n, t, p] x[n, c, index[n, t, p]] (BACK false), or x = 0, then += w y (BACK true). */
// @ts-ignore: decorator
@inline
function sample<T>(BACK: bool, x: Q, w: Q, index: Q, y: Q, channels: I, size: I, taps: I, points: I, p0: I, p1: I): void {
  const S = sizeof<T>();
  for (let plane = p0; plane < p1; plane++) {
    const image = x + <usize>plane * <usize>size * S;
    const out = y + <usize>plane * <usize>points * S;
    const from = <usize>(plane / channels) * <usize>(taps * points);
    const w0 = w + from * S;
    const i0 = index + (from << 2);
    if (BACK) memory.fill(image, 0, <usize>size * S);
    for (let p: I = 0; p < points; p++) {
      let sum: T = 0;
      const v = BACK ? load<T>(out + <usize>p * S) : <T>0;
      for (let t: I = 0, k = p; t < taps; t++, k += points) {
        const at = load<i32>(i0 + (<usize>k << 2));
        if (at < 0) continue;
        const weight = load<T>(w0 + <usize>k * S);
        const place = image + <usize>at * S;
        if (BACK) store<T>(place, <T>(load<T>(place) + <T>(weight * v)));
        else sum = <T>(sum + <T>(weight * load<T>(place)));
      }
      if (!BACK) store<T>(out + <usize>p * S, sum);
    }
  }
}

/** gw[n, t, p] = sum over c of g[n, c, p] x[n, c, index[n, t, p]], for rows u0..u1-1 of n T + t. */
// @ts-ignore: decorator
@inline
function weightOf<T>(x: Q, g: Q, index: Q, gw: Q, channels: I, size: I, taps: I, points: I, u0: I, u1: I): void {
  const S = sizeof<T>();
  for (let u = u0; u < u1; u++) {
    const n = u / taps;
    const row = gw + <usize>u * <usize>points * S;
    const i0 = index + ((<usize>u * <usize>points) << 2);
    memory.fill(row, 0, <usize>points * S);
    for (let c: I = 0; c < channels; c++) {
      const plane = <usize>(n * channels + c);
      const image = x + plane * <usize>size * S;
      const from = g + plane * <usize>points * S;
      for (let p: I = 0; p < points; p++) {
        const at = load<i32>(i0 + (<usize>p << 2));
        if (at < 0) continue;
        const to = row + <usize>p * S;
        store<T>(to, <T>(load<T>(to) + <T>(load<T>(from + <usize>p * S) * load<T>(image + <usize>at * S))));
      }
    }
  }
}

/** Planes p0..p1-1 of y. */
export function sample_f32(x: Q, w: Q, index: Q, y: Q, channels: I, size: I, taps: I, points: I, p0: I, p1: I): void {
  sample<f32>(false, x, w, index, y, channels, size, taps, points, p0, p1);
}

export function sample_f64(x: Q, w: Q, index: Q, y: Q, channels: I, size: I, taps: I, points: I, p0: I, p1: I): void {
  sample<f64>(false, x, w, index, y, channels, size, taps, points, p0, p1);
}

/** Planes p0..p1-1 of x. */
export function samplePut_f32(g: Q, w: Q, index: Q, x: Q, channels: I, size: I, taps: I, points: I, p0: I, p1: I): void {
  sample<f32>(true, x, w, index, g, channels, size, taps, points, p0, p1);
}

export function samplePut_f64(g: Q, w: Q, index: Q, x: Q, channels: I, size: I, taps: I, points: I, p0: I, p1: I): void {
  sample<f64>(true, x, w, index, g, channels, size, taps, points, p0, p1);
}

/** Rows u0..u1-1 of gw. */
export function sampleWeight_f32(x: Q, g: Q, index: Q, gw: Q, channels: I, size: I, taps: I, points: I, u0: I, u1: I): void {
  weightOf<f32>(x, g, index, gw, channels, size, taps, points, u0, u1);
}

export function sampleWeight_f64(x: Q, g: Q, index: Q, gw: Q, channels: I, size: I, taps: I, points: I, u0: I, u1: I): void {
  weightOf<f64>(x, g, index, gw, channels, size, taps, points, u0, u1);
}
