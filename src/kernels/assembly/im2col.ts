// Patches of an image with any number of spatial dimensions as columns (unfold), and their sum back (fold).
// The descriptor holds i32s: C, ndim, then in, kernel, stride, padding, dilation and out, ndim of each.
// x is [C, in...], col is [C * prod(kernel), prod(out)].

// @ts-ignore: decorator
@inline
function at(desc: usize, ndim: i32, which: i32, d: i32): i32 {
  return load<i32>(desc + (<usize>(2 + which * ndim + d) << 2));
}

const IN: i32 = 0;
const KERNEL: i32 = 1;
const STRIDE: i32 = 2;
const PAD: i32 = 3;
const DILATION: i32 = 4;
const OUT: i32 = 5;

/** Product of the sizes from..to-1 of one of the six lists. */
function product(desc: usize, ndim: i32, which: i32, from: i32, to: i32): i32 {
  let n: i32 = 1;
  for (let d = from; d < to; d++) n *= at(desc, ndim, which, d);
  return n;
}

/** Row of the image (all dimensions but the last) that line `line` of outputs meets through tap k, or -1. */
function sourceLine(desc: usize, ndim: i32, k: i32, line: i32): i32 {
  k /= at(desc, ndim, KERNEL, ndim - 1);
  let row: i32 = 0;
  let step: i32 = 1;
  for (let d = ndim - 2; d >= 0; d--) {
    const kernel = at(desc, ndim, KERNEL, d);
    const out = at(desc, ndim, OUT, d);
    const size = at(desc, ndim, IN, d);
    const i = (line % out) * at(desc, ndim, STRIDE, d) - at(desc, ndim, PAD, d) + (k % kernel) * at(desc, ndim, DILATION, d);
    if (i < 0 || i >= size) return -1;
    row += i * step;
    step *= size;
    k /= kernel;
    line /= out;
  }
  return row;
}

/** First output whose input first + o stride is at least `low`, within 0..n. */
// @ts-ignore: decorator
@inline
function reach(first: i32, stride: i32, low: i32, n: i32): i32 {
  return first >= low ? 0 : min((low - first + stride - 1) / stride, n);
}

/** Rows r0..r1-1 of col (BACK false), or the sums over all taps into channels r0..r1-1 of x (BACK true). */
// @ts-ignore: decorator
@inline
function move<T>(BACK: bool, x: usize, col: usize, desc: usize, r0: i32, r1: i32): void {
  const S = sizeof<T>();
  const ndim = load<i32>(desc, 4);
  const last = ndim - 1;
  const kernels = product(desc, ndim, KERNEL, 0, ndim);
  const plane = product(desc, ndim, IN, 0, ndim);
  const lines = product(desc, ndim, OUT, 0, last);
  const width = at(desc, ndim, IN, last);
  const out = at(desc, ndim, OUT, last);
  const stride = at(desc, ndim, STRIDE, last);
  const kw = at(desc, ndim, KERNEL, last);
  if (BACK) {
    for (let p = x + <usize>(r0 * plane) * S, end = x + <usize>(r1 * plane) * S; p < end; p += S) store<T>(p, 0);
    r0 *= kernels;
    r1 *= kernels;
  }
  for (let r = r0; r < r1; r++) {
    const k = r % kernels;
    const first = (k % kw) * at(desc, ndim, DILATION, last) - at(desc, ndim, PAD, last);
    const o0 = reach(first, stride, 0, out);
    const o1 = max(reach(first, stride, width, out), o0);
    const channel = x + <usize>(r / kernels) * <usize>plane * S;
    let c = col + <usize>r * <usize>(lines * out) * S;
    for (let line: i32 = 0; line < lines; line++) {
      const row = sourceLine(desc, ndim, k, line);
      const next = c + <usize>out * S;
      if (row >= 0) {
        const start = c + <usize>o0 * S;
        const end = c + <usize>o1 * S;
        const step = <usize>stride * S;
        let p = channel + <usize>(row * width + first + o0 * stride) * S;
        if (BACK) {
          c = start;
          if (stride == 1) {
            for (; c + 16 <= end; c += 16) {
              v128.store(p, v128.add<T>(v128.load(p), v128.load(c)));
              p += 16;
            }
          }
          for (; c < end; c += S) {
            store<T>(p, <T>(load<T>(p) + load<T>(c)));
            p += step;
          }
        } else {
          for (; c < start; c += S) store<T>(c, 0);
          if (stride == 1) {
            for (; c + 16 <= end; c += 16) {
              v128.store(c, v128.load(p));
              p += 16;
            }
          }
          for (; c < end; c += S) {
            store<T>(c, load<T>(p));
            p += step;
          }
        }
      }
      if (!BACK) for (; c < next; c += S) store<T>(c, 0);
      c = next;
    }
  }
}

/** Rows r0..r1-1 of the columns of one image. */
export function im2col_f32(x: usize, col: usize, desc: usize, r0: i32, r1: i32): void {
  move<f32>(false, x, col, desc, r0, r1);
}

export function im2col_f64(x: usize, col: usize, desc: usize, r0: i32, r1: i32): void {
  move<f64>(false, x, col, desc, r0, r1);
}

/** Channels c0..c1-1 of one image: each element is the sum of its places in the columns, taps in order. */
export function col2im_f32(col: usize, x: usize, desc: usize, c0: i32, c1: i32): void {
  move<f32>(true, x, col, desc, c0, c1);
}

export function col2im_f64(col: usize, x: usize, desc: usize, c0: i32, c1: i32): void {
  move<f64>(true, x, col, desc, c0, c1);
}
