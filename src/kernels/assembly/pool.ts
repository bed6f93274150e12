// Max pooling over up to three spatial dimensions, with PyTorch's indices: flat in the channel's input plane.
// The maximum starts at -inf on the window's first element and moves to what is greater, or NaN.
import { lanes } from "./simd";
import {
  D, DILATION, H, IN, OUT, W,
  adaptiveEnd, adaptiveStart, clipStart, dilatedEnd, field, isTwoByTwo, volume, windowStart,
} from "./poolWindow";

/** The maximum of one window: value to y, index to idx (0: not wanted); -inf and -1 where it holds no input. */
// @ts-ignore: decorator
@inline
function maxOf<T>(
  x: usize, y: usize, idx: usize, d0: i32, d1: i32, dd: i32, h0: i32, h1: i32, dh: i32, w0: i32, w1: i32, dw: i32,
  height: i32, width: i32,
): void {
  let best: T = <T>-Infinity;
  let index: i32 = d0 < d1 && h0 < h1 && w0 < w1 ? (d0 * height + h0) * width + w0 : -1;
  for (let d = d0; d < d1; d += dd) {
    for (let h = h0; h < h1; h += dh) {
      const row = (d * height + h) * width;
      for (let w = w0; w < w1; w += dw) {
        const v = load<T>(x + <usize>(row + w) * sizeof<T>());
        if (v > best || v != v) {
          best = v;
          index = row + w;
        }
      }
    }
  }
  store<T>(y, best);
  if (idx) store<i64>(idx, <i64>index);
}

/** One row of 2 x 2 windows: L outputs at a time. Returns how many outputs are done. */
// @ts-ignore: decorator
@inline
function twoByTwo<T>(x: usize, y: usize, idx: usize, first: i32, width: i32, n: i32): i32 {
  const S = sizeof<T>();
  const L = lanes<T>();
  const below = <usize>width * S;
  let i: i32 = 0;
  for (; i + L <= n; i += L) {
    const p = x + (<usize>(first + 2 * i)) * S;
    const u0 = v128.load(p), u1 = v128.load(p, 16), l0 = v128.load(p + below), l1 = v128.load(p + below, 16);
    let best = S == 4 ? v128.shuffle<f32>(u0, u1, 0, 2, 4, 6) : v128.shuffle<f64>(u0, u1, 0, 2);
    const b = S == 4 ? v128.shuffle<f32>(u0, u1, 1, 3, 5, 7) : v128.shuffle<f64>(u0, u1, 1, 3);
    const c = S == 4 ? v128.shuffle<f32>(l0, l1, 0, 2, 4, 6) : v128.shuffle<f64>(l0, l1, 0, 2);
    const d = S == 4 ? v128.shuffle<f32>(l0, l1, 1, 3, 5, 7) : v128.shuffle<f64>(l0, l1, 1, 3);
    const mb = v128.or(v128.gt<T>(b, best), v128.ne<T>(b, b));
    best = v128.bitselect(b, best, mb);
    const mc = v128.or(v128.gt<T>(c, best), v128.ne<T>(c, c));
    best = v128.bitselect(c, best, mc);
    const md = v128.or(v128.gt<T>(d, best), v128.ne<T>(d, d));
    v128.store(y + <usize>i * S, v128.bitselect(d, best, md));
    if (idx) {
      const at = first + 2 * i;
      const q = idx + (<usize>i << 3);
      if (S == 4) {
        let k = i32x4.splat(0);
        k = v128.bitselect(i32x4.splat(1), k, mb);
        k = v128.bitselect(i32x4.splat(width), k, mc);
        k = v128.bitselect(i32x4.splat(width + 1), k, md);
        k = i32x4.add(k, i32x4.add(i32x4.splat(at), i32x4(0, 2, 4, 6)));
        v128.store(q, i64x2.extend_low_i32x4_s(k));
        v128.store(q, i64x2.extend_high_i32x4_s(k), 16);
      } else {
        let k = i64x2.splat(0);
        k = v128.bitselect(i64x2.splat(1), k, mb);
        k = v128.bitselect(i64x2.splat(<i64>width), k, mc);
        k = v128.bitselect(i64x2.splat(<i64>(width + 1)), k, md);
        v128.store(q, i64x2.add(k, i64x2.add(i64x2.splat(<i64>at), i64x2(0, 2))));
      }
    }
  }
  return i;
}

/** Planes p0..p1-1 (a plane is one channel of one image). */
// @ts-ignore: decorator
@inline
function maxPool<T>(ADAPTIVE: bool, x: usize, y: usize, idx: usize, desc: usize, p0: i32, p1: i32): void {
  const S = sizeof<T>();
  const planeX = <usize>volume(desc, IN) * S;
  const outs = volume(desc, OUT);
  const height = field(desc, IN + H), width = field(desc, IN + W);
  const od = field(desc, OUT + D), oh = field(desc, OUT + H), ow = field(desc, OUT + W);
  const dd = ADAPTIVE ? 1 : field(desc, DILATION + D);
  const dh = ADAPTIVE ? 1 : field(desc, DILATION + H);
  const dw = ADAPTIVE ? 1 : field(desc, DILATION + W);
  const fast = ADAPTIVE ? false : isTwoByTwo(desc);
  x += <usize>p0 * planeX;
  y += <usize>p0 * <usize>outs * S;
  if (idx) idx += (<usize>p0 * <usize>outs) << 3;
  for (let p = p0; p < p1; p++) {
    for (let i: i32 = 0; i < od; i++) {
      const sd = ADAPTIVE ? adaptiveStart(desc, D, i) : windowStart(desc, D, i);
      const d1 = ADAPTIVE ? adaptiveEnd(desc, D, i) : dilatedEnd(desc, D, sd);
      const d0 = ADAPTIVE ? sd : clipStart(sd, dd);
      for (let j: i32 = 0; j < oh; j++) {
        const sh = ADAPTIVE ? adaptiveStart(desc, H, j) : windowStart(desc, H, j);
        const h1 = ADAPTIVE ? adaptiveEnd(desc, H, j) : dilatedEnd(desc, H, sh);
        const h0 = ADAPTIVE ? sh : clipStart(sh, dh);
        let k: i32 = fast ? twoByTwo<T>(x, y, idx, (i * height + sh) * width, width, ow) : 0;
        y += <usize>k * S;
        if (idx) idx += <usize>k << 3;
        for (; k < ow; k++) {
          const sw = ADAPTIVE ? adaptiveStart(desc, W, k) : windowStart(desc, W, k);
          const w1 = ADAPTIVE ? adaptiveEnd(desc, W, k) : dilatedEnd(desc, W, sw);
          const w0 = ADAPTIVE ? sw : clipStart(sw, dw);
          maxOf<T>(x, y, idx, d0, d1, dd, h0, h1, dh, w0, w1, dw, height, width);
          y += S;
          if (idx) idx += 8;
        }
      }
    }
    x += planeX;
  }
}

/** gx[idx[o]] += g[o] for planes p0..p1-1 of `ins` inputs and `outs` outputs; gx starts at 0, an idx outside is skipped. */
// @ts-ignore: decorator
@inline
function maxPoolBackward<T>(g: usize, idx: usize, gx: usize, ins: i32, outs: i32, p0: i32, p1: i32): void {
  const S = sizeof<T>();
  const plane = <usize>ins * S;
  gx += <usize>p0 * plane;
  g += <usize>p0 * <usize>outs * S;
  idx += (<usize>p0 * <usize>outs) << 3;
  for (let p = p0; p < p1; p++) {
    memory.fill(gx, 0, plane);
    for (const end = g + <usize>outs * S; g < end; g += S) {
      const i = load<u64>(idx);
      if (i < <u64>ins) {
        const at = gx + <usize>i * S;
        store<T>(at, <T>(load<T>(at) + load<T>(g)));
      }
      idx += 8;
    }
    gx += plane;
  }
}

export function maxPool_f32(x: usize, y: usize, idx: usize, desc: usize, p0: i32, p1: i32): void {
  maxPool<f32>(false, x, y, idx, desc, p0, p1);
}

export function maxPool_f64(x: usize, y: usize, idx: usize, desc: usize, p0: i32, p1: i32): void {
  maxPool<f64>(false, x, y, idx, desc, p0, p1);
}

export function adaptiveMaxPool_f32(x: usize, y: usize, idx: usize, desc: usize, p0: i32, p1: i32): void {
  maxPool<f32>(true, x, y, idx, desc, p0, p1);
}

export function adaptiveMaxPool_f64(x: usize, y: usize, idx: usize, desc: usize, p0: i32, p1: i32): void {
  maxPool<f64>(true, x, y, idx, desc, p0, p1);
}

/** Gradient of any max pooling, from its indices. */
export function maxPoolBackward_f32(g: usize, idx: usize, gx: usize, ins: i32, outs: i32, p0: i32, p1: i32): void {
  maxPoolBackward<f32>(g, idx, gx, ins, outs, p0, p1);
}

export function maxPoolBackward_f64(g: usize, idx: usize, gx: usize, ins: i32, outs: i32, p0: i32, p1: i32): void {
  maxPoolBackward<f64>(g, idx, gx, ins, outs, p0, p1);
}
