// Average pooling over up to three spatial dimensions, fixed and adaptive, forward and backward.
import { lanes } from "./simd";
import {
  D, DIVISOR, H, IN, INCLUDE_PAD, KERNEL, OUT, PAD, W,
  adaptiveEnd, adaptiveStart, field, isTwoByTwo, volume, windowStart,
} from "./poolWindow";

/** Rows at least this long are summed in vector lanes; shorter ones one by one. */
const WIDE: i32 = 8;

/** The sum of a window, rows in order. */
// @ts-ignore: decorator
@inline
function sumOf<T>(x: usize, d0: i32, d1: i32, h0: i32, h1: i32, w0: i32, w1: i32, height: i32, width: i32): T {
  const S = sizeof<T>();
  let sum: T = 0;
  let wide = i32x4.splat(0);
  for (let d = d0; d < d1; d++) {
    for (let h = h0; h < h1; h++) {
      const row = x + <usize>((d * height + h) * width) * S;
      let p = row + <usize>w0 * S;
      const end = row + <usize>w1 * S;
      if (w1 - w0 >= WIDE) {
        for (; p + 16 <= end; p += 16) wide = v128.add<T>(wide, v128.load(p));
      }
      for (; p < end; p += S) sum = <T>(sum + load<T>(p));
    }
  }
  if (w1 - w0 >= WIDE) {
    for (let l: i32 = 0; l < lanes<T>(); l++) {
      sum = <T>(sum + v128.extract_lane<T>(wide, 0));
      wide = S == 4 ? v128.shuffle<f32>(wide, wide, 1, 2, 3, 0) : v128.shuffle<f64>(wide, wide, 1, 0);
    }
  }
  return sum;
}

/** The sum over the count; adaptive pooling divides by one side after the other, for PyTorch's bits. */
// @ts-ignore: decorator
@inline
function mean<T>(ADAPTIVE: bool, sum: T, count: i32, d: i32, h: i32, w: i32): T {
  return ADAPTIVE ? <T>(<T>(<T>(sum / <T>d) / <T>h) / <T>w) : <T>(sum / <T>count);
}

/** Adds v to every element of a window. */
// @ts-ignore: decorator
@inline
function addTo<T>(x: usize, d0: i32, d1: i32, h0: i32, h1: i32, w0: i32, w1: i32, height: i32, width: i32, v: T): void {
  const S = sizeof<T>();
  for (let d = d0; d < d1; d++) {
    for (let h = h0; h < h1; h++) {
      const row = x + <usize>((d * height + h) * width) * S;
      let p = row + <usize>w0 * S;
      const end = row + <usize>w1 * S;
      for (; p + 16 <= end; p += 16) v128.store(p, v128.add<T>(v128.load(p), v128.splat<T>(v)));
      for (; p < end; p += S) store<T>(p, <T>(load<T>(p) + v));
    }
  }
}

/** gx of one row of 2 x 2 windows, which share no inputs: every input gets its window's g / divisor. */
// @ts-ignore: decorator
@inline
function twoByTwoBack<T>(gx: usize, g: usize, width: i32, n: i32, divisor: T): i32 {
  const S = sizeof<T>();
  const L = lanes<T>();
  const below = <usize>width * S;
  const by = v128.splat<T>(divisor);
  let i: i32 = 0;
  for (; i + L <= n; i += L) {
    const share = v128.div<T>(v128.load(g), by);
    const low = S == 4 ? v128.shuffle<f32>(share, share, 0, 0, 1, 1) : v128.shuffle<f64>(share, share, 0, 0);
    const high = S == 4 ? v128.shuffle<f32>(share, share, 2, 2, 3, 3) : v128.shuffle<f64>(share, share, 1, 1);
    v128.store(gx, low);
    v128.store(gx, high, 16);
    v128.store(gx + below, low);
    v128.store(gx + below, high, 16);
    gx += 32;
    g += 16;
  }
  return i;
}

/** One row of 2 x 2 windows, L outputs at a time, added in the order of sumOf. Returns how many are done. */
// @ts-ignore: decorator
@inline
function twoByTwo<T>(x: usize, y: usize, width: i32, n: i32, divisor: T): i32 {
  const S = sizeof<T>();
  const L = lanes<T>();
  const below = <usize>width * S;
  const by = v128.splat<T>(divisor);
  let i: i32 = 0;
  for (; i + L <= n; i += L) {
    const u0 = v128.load(x), u1 = v128.load(x, 16), l0 = v128.load(x + below), l1 = v128.load(x + below, 16);
    const a = S == 4 ? v128.shuffle<f32>(u0, u1, 0, 2, 4, 6) : v128.shuffle<f64>(u0, u1, 0, 2);
    const b = S == 4 ? v128.shuffle<f32>(u0, u1, 1, 3, 5, 7) : v128.shuffle<f64>(u0, u1, 1, 3);
    const c = S == 4 ? v128.shuffle<f32>(l0, l1, 0, 2, 4, 6) : v128.shuffle<f64>(l0, l1, 0, 2);
    const d = S == 4 ? v128.shuffle<f32>(l0, l1, 1, 3, 5, 7) : v128.shuffle<f64>(l0, l1, 1, 3);
    v128.store(y, v128.div<T>(v128.add<T>(v128.add<T>(v128.add<T>(a, b), c), d), by));
    x += 32;
    y += 16;
  }
  return i;
}

/** y = sum / divisor (BACK false), or gx += g / divisor over each window (BACK true, y is g). Planes p0..p1-1. */
// @ts-ignore: decorator
@inline
function avgPool<T>(ADAPTIVE: bool, BACK: bool, x: usize, y: usize, desc: usize, p0: i32, p1: i32): void {
  const S = sizeof<T>();
  const planeX = <usize>volume(desc, IN) * S;
  const depth = field(desc, IN + D), height = field(desc, IN + H), width = field(desc, IN + W);
  const od = field(desc, OUT + D), oh = field(desc, OUT + H), ow = field(desc, OUT + W);
  const include = ADAPTIVE ? false : field(desc, INCLUDE_PAD) != 0;
  const divisor: i32 = ADAPTIVE ? 0 : field(desc, DIVISOR);
  const fast = ADAPTIVE ? false : isTwoByTwo(desc);
  x += <usize>p0 * planeX;
  y += <usize>p0 * <usize>volume(desc, OUT) * S;
  for (let p = p0; p < p1; p++) {
    if (BACK) memory.fill(x, 0, planeX);
    for (let i: i32 = 0; i < od; i++) {
      const sd = ADAPTIVE ? adaptiveStart(desc, D, i) : windowStart(desc, D, i);
      const ed = ADAPTIVE ? adaptiveEnd(desc, D, i) : min(sd + field(desc, KERNEL + D), depth + field(desc, PAD + D));
      const d0 = max(sd, 0), d1 = min(ed, depth);
      for (let j: i32 = 0; j < oh; j++) {
        const sh = ADAPTIVE ? adaptiveStart(desc, H, j) : windowStart(desc, H, j);
        const eh = ADAPTIVE ? adaptiveEnd(desc, H, j) : min(sh + field(desc, KERNEL + H), height + field(desc, PAD + H));
        const h0 = max(sh, 0), h1 = min(eh, height);
        let k: i32 = 0;
        if (fast) {
          const row = x + <usize>((i * height + sh) * width) * S;
          const by = divisor ? <T>divisor : <T>4;
          k = BACK ? twoByTwoBack<T>(row, y, width, ow, by) : twoByTwo<T>(row, y, width, ow, by);
          y += <usize>k * S;
        }
        for (; k < ow; k++) {
          const sw = ADAPTIVE ? adaptiveStart(desc, W, k) : windowStart(desc, W, k);
          const ew = ADAPTIVE ? adaptiveEnd(desc, W, k) : min(sw + field(desc, KERNEL + W), width + field(desc, PAD + W));
          const w0 = max(sw, 0), w1 = min(ew, width);
          const empty = d0 >= d1 || h0 >= h1 || w0 >= w1;
          const flat = !empty && w1 - w0 == width && (h1 - h0 == height || d1 - d0 == 1); // one run of memory
          const run = x + <usize>((d0 * height + h0) * width) * S;
          const length = (d1 - d0) * (h1 - h0) * width;
          let count = divisor;
          if (count == 0) count = include ? (ed - sd) * (eh - sh) * (ew - sw) : (d1 - d0) * (h1 - h0) * (w1 - w0);
          if (BACK) {
            if (!empty) {
              const share = mean<T>(ADAPTIVE, load<T>(y), count, d1 - d0, h1 - h0, w1 - w0);
              if (flat) addTo<T>(run, 0, 1, 0, 1, 0, length, 1, length, share);
              else addTo<T>(x, d0, d1, h0, h1, w0, w1, height, width, share);
            }
          } else if (empty) {
            store<T>(y, 0);
          } else {
            const sum = flat
              ? sumOf<T>(run, 0, 1, 0, 1, 0, length, 1, length)
              : sumOf<T>(x, d0, d1, h0, h1, w0, w1, height, width);
            store<T>(y, mean<T>(ADAPTIVE, sum, count, d1 - d0, h1 - h0, w1 - w0));
          }
          y += S;
        }
      }
    }
    x += planeX;
  }
}

export function avgPool_f32(x: usize, y: usize, desc: usize, p0: i32, p1: i32): void {
  avgPool<f32>(false, false, x, y, desc, p0, p1);
}

export function avgPool_f64(x: usize, y: usize, desc: usize, p0: i32, p1: i32): void {
  avgPool<f64>(false, false, x, y, desc, p0, p1);
}

export function avgPoolBackward_f32(g: usize, gx: usize, desc: usize, p0: i32, p1: i32): void {
  avgPool<f32>(false, true, gx, g, desc, p0, p1);
}

export function avgPoolBackward_f64(g: usize, gx: usize, desc: usize, p0: i32, p1: i32): void {
  avgPool<f64>(false, true, gx, g, desc, p0, p1);
}

export function adaptiveAvgPool_f32(x: usize, y: usize, desc: usize, p0: i32, p1: i32): void {
  avgPool<f32>(true, false, x, y, desc, p0, p1);
}

export function adaptiveAvgPool_f64(x: usize, y: usize, desc: usize, p0: i32, p1: i32): void {
  avgPool<f64>(true, false, x, y, desc, p0, p1);
}

export function adaptiveAvgPoolBackward_f32(g: usize, gx: usize, desc: usize, p0: i32, p1: i32): void {
  avgPool<f32>(true, true, gx, g, desc, p0, p1);
}

export function adaptiveAvgPoolBackward_f64(g: usize, gx: usize, desc: usize, p0: i32, p1: i32): void {
  avgPool<f64>(true, true, gx, g, desc, p0, p1);
}
