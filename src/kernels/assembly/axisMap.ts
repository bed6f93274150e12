// Linear maps along axes: picking positions along up to three axes at once (padding, nearest neighbours), and sums of
// weighted positions along one axis (interpolation). Each plane or row is computed for itself.
import { lanes } from "./simd";

type P = usize;
type I = i32;

// The descriptor of picking holds i32s: in D, H, W; out D, H, W; the first and the end of a range of outputs along W
// whose inputs follow one another. `maps` holds the input position of each output along D, then H, then W.

// @ts-ignore: decorator
@inline
function field(desc: P, at: i32): I {
  return load<i32>(desc + (<usize>at << 2));
}

// @ts-ignore: decorator
@inline
function addTo<T>(BACK: bool, x: P, y: P): void {
  if (BACK) store<T>(x, <T>(load<T>(x) + load<T>(y)));
  else store<T>(y, load<T>(x));
}

/** y[p, i, j, k] = x[p, md[i], mh[j], mw[k]] (BACK false), or x = 0 and then += y at those places (BACK true). */
// @ts-ignore: decorator
@inline
function pick<T>(BACK: bool, x: P, y: P, desc: P, maps: P, p0: I, p1: I): void {
  const S = sizeof<T>();
  const height = field(desc, 1), width = field(desc, 2);
  const od = field(desc, 3), oh = field(desc, 4), ow = field(desc, 5);
  const r0 = field(desc, 6), r1 = field(desc, 7);
  const mh = maps + (<usize>od << 2);
  const mw = mh + (<usize>oh << 2);
  const plane = <usize>(field(desc, 0) * height * width) * S;
  const line = <usize>ow * S;
  x += <usize>p0 * plane;
  y += <usize>p0 * <usize>(od * oh) * line;
  for (let p = p0; p < p1; p++) {
    if (BACK) memory.fill(x, 0, plane);
    for (let i: I = 0; i < od; i++) {
      const slice = load<i32>(maps + (<usize>i << 2)) * height;
      for (let j: I = 0; j < oh; j++) {
        const row = x + <usize>((slice + load<i32>(mh + (<usize>j << 2))) * width) * S;
        for (let k: I = 0; k < r0; k++) addTo<T>(BACK, row + <usize>load<i32>(mw + (<usize>k << 2)) * S, y + <usize>k * S);
        let q = y + <usize>r0 * S;
        const end = y + <usize>r1 * S;
        if (r0 < r1) {
          let s = row + <usize>load<i32>(mw + (<usize>r0 << 2)) * S;
          for (; q + 16 <= end; q += 16) {
            if (BACK) v128.store(s, S == 8 ? f64x2.add(v128.load(s), v128.load(q)) : f32x4.add(v128.load(s), v128.load(q)));
            else v128.store(q, v128.load(s));
            s += 16;
          }
          for (; q < end; q += S) {
            addTo<T>(BACK, s, q);
            s += S;
          }
        }
        for (let k = r1; k < ow; k++) addTo<T>(BACK, row + <usize>load<i32>(mw + (<usize>k << 2)) * S, y + <usize>k * S);
        y += line;
      }
    }
    x += plane;
  }
}

export function pickAxes_1(x: P, y: P, desc: P, maps: P, p0: I, p1: I): void {
  pick<u8>(false, x, y, desc, maps, p0, p1);
}

export function pickAxes_4(x: P, y: P, desc: P, maps: P, p0: I, p1: I): void {
  pick<f32>(false, x, y, desc, maps, p0, p1);
}

export function pickAxes_8(x: P, y: P, desc: P, maps: P, p0: I, p1: I): void {
  pick<f64>(false, x, y, desc, maps, p0, p1);
}

/** The sums of y over the outputs that picked each element of x. */
export function pickAxesBackward_f32(y: P, x: P, desc: P, maps: P, p0: I, p1: I): void {
  pick<f32>(true, x, y, desc, maps, p0, p1);
}

export function pickAxesBackward_f64(y: P, x: P, desc: P, maps: P, p0: I, p1: I): void {
  pick<f64>(true, x, y, desc, maps, p0, p1);
}

/**
 * y[o, j, i] = sum over e from rows[j] to rows[j + 1] of weights[e] x[o, cols[e], i], for o0 <= o < o1; x is
 * [outer, n, inner] and y is [outer, m, inner]; rows and cols are i32.
 */
// @ts-ignore: decorator
@inline
function axisSum<T>(x: P, y: P, rows: P, cols: P, weights: P, n: I, m: I, inner: I, o0: I, o1: I): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const step = <usize>inner * S;
  x += <usize>o0 * <usize>n * step;
  y += <usize>o0 * <usize>m * step;
  for (let o = o0; o < o1; o++) {
    for (let j: I = 0; j < m; j++) {
      const first = load<i32>(rows + (<usize>j << 2));
      const end = load<i32>(rows + (<usize>j << 2), 4);
      let i: I = 0;
      for (; i + L <= inner; i += L) {
        let sum = i32x4.splat(0);
        for (let e = first; e < end; e++) {
          const w = v128.load_splat<T>(weights + <usize>e * S);
          const v = v128.load(x + <usize>load<i32>(cols + (<usize>e << 2)) * step + <usize>i * S);
          sum = v128.add<T>(sum, v128.mul<T>(w, v));
        }
        v128.store(y + <usize>i * S, sum);
      }
      for (; i < inner; i++) {
        let sum: T = 0;
        for (let e = first; e < end; e++) {
          const v = load<T>(x + <usize>load<i32>(cols + (<usize>e << 2)) * step + <usize>i * S);
          sum = <T>(sum + <T>(load<T>(weights + <usize>e * S) * v));
        }
        store<T>(y + <usize>i * S, sum);
      }
      y += step;
    }
    x += <usize>n * step;
  }
}

export function axisSum_f32(x: P, y: P, rows: P, cols: P, weights: P, n: I, m: I, inner: I, o0: I, o1: I): void {
  axisSum<f32>(x, y, rows, cols, weights, n, m, inner, o0, o1);
}

export function axisSum_f64(x: P, y: P, rows: P, cols: P, weights: P, n: I, m: I, inner: I, o0: I, o1: I): void {
  axisSum<f64>(x, y, rows, cols, weights, n, m, inner, o0, o1);
}
