// Max pooling over up to three spatial dimensions, with PyTorch's indices: flat in the channel's input plane.
// The maximum starts at -inf on the window's first element and moves to what is greater, or NaN.
// Indices are int64 where they are handed out, and int32 (the kernels named Compact) where a gradient waits for them.
import { lanes } from "./simd";
import {
  D, DILATION, H, IN, KERNEL, OUT, PAD, STRIDE, W,
  adaptiveEnd, adaptiveStart, clipStart, dilatedEnd, field, volume, windowStart,
} from "./poolWindow";

/** The maximum of one window: value to y, index to idx (0: not wanted); -inf and -1 where it holds no input. */
// @ts-ignore: decorator
@inline
function maxOf<T, I>(
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
  if (idx) store<I>(idx, <I>index);
}

/** L inputs from p on, one or two apart; reads no further than the last of them. */
// @ts-ignore: decorator
@inline
function strided<T>(p: usize, stride: i32): v128 {
  if (stride == 1) return v128.load(p);
  const low = v128.load(p);
  const high = v128.load(p + 16 - sizeof<T>());
  return sizeof<T>() == 4 ? v128.shuffle<f32>(low, high, 0, 2, 5, 7) : v128.shuffle<f64>(low, high, 0, 3);
}

/**
 * Outputs k0..k1-1 of a row, L at a time (at least L of them; the last step goes over finished ones again), for
 * windows that lie inside the image along w and start at input k stride + first. The row is at y and idx.
 */
// @ts-ignore: decorator
@inline
function maxRow<T, I>(
  x: usize, y: usize, idx: usize, d0: i32, d1: i32, dd: i32, h0: i32, h1: i32, dh: i32, first: i32, kw: i32, dw: i32,
  stride: i32, k0: i32, k1: i32, height: i32, width: i32,
): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  for (let k = k0; ; k = min(k + L, k1 - L)) {
    const column = k * stride + first;
    let best = v128.splat<T>(<T>-Infinity);
    // Indices against the first window's first column, as wide as the values.
    let index = S == 4 ? i32x4.splat((d0 * height + h0) * width) : i64x2.splat(<i64>((d0 * height + h0) * width));
    for (let d = d0; d < d1; d += dd) {
      for (let h = h0; h < h1; h += dh) {
        const row = (d * height + h) * width;
        let p = x + <usize>(row + column) * S;
        for (let j: i32 = 0; j < kw; j++) {
          const v = strided<T>(p, stride);
          const better = v128.or(v128.gt<T>(v, best), v128.ne<T>(v, v));
          best = v128.bitselect(v, best, better);
          if (idx) {
            const at = row + j * dw;
            index = v128.bitselect(S == 4 ? i32x4.splat(at) : i64x2.splat(<i64>at), index, better);
          }
          p += <usize>dw * S;
        }
      }
    }
    v128.store(y + <usize>k * S, best);
    if (idx) {
      const q = idx + <usize>k * sizeof<I>();
      if (S == 4) {
        index = i32x4.add(index, i32x4(column, column + stride, column + 2 * stride, column + 3 * stride));
        if (sizeof<I>() == 4) {
          v128.store(q, index);
        } else {
          v128.store(q, i64x2.extend_low_i32x4_s(index));
          v128.store(q, i64x2.extend_high_i32x4_s(index), 16);
        }
      } else {
        index = i64x2.add(index, i64x2(column, column + stride));
        if (sizeof<I>() == 4) v128.store64_lane(q, v128.shuffle<i32>(index, index, 0, 2, 0, 2), 0);
        else v128.store(q, index);
      }
    }
    if (k >= k1 - L) break;
  }
}

/** Planes p0..p1-1 (a plane is one channel of one image). */
// @ts-ignore: decorator
@inline
function maxPool<T, I>(ADAPTIVE: bool, x: usize, y: usize, idx: usize, desc: usize, p0: i32, p1: i32): void {
  const S = sizeof<T>();
  const planeX = <usize>volume(desc, IN) * S;
  const outs = volume(desc, OUT);
  const height = field(desc, IN + H), width = field(desc, IN + W);
  const od = field(desc, OUT + D), oh = field(desc, OUT + H), ow = field(desc, OUT + W);
  const dd = ADAPTIVE ? 1 : field(desc, DILATION + D);
  const dh = ADAPTIVE ? 1 : field(desc, DILATION + H);
  const dw = ADAPTIVE ? 1 : field(desc, DILATION + W);
  // Outputs k0..k1-1 have their windows inside the image along w.
  const sw = ADAPTIVE ? 0 : field(desc, STRIDE + W);
  const k0 = ADAPTIVE ? 0 : (field(desc, PAD + W) + sw - 1) / sw;
  const reach = ADAPTIVE ? 0 : width - 1 - (field(desc, KERNEL + W) - 1) * dw + field(desc, PAD + W);
  const k1 = ADAPTIVE || reach < 0 ? 0 : min(reach / sw + 1, ow);
  const fast = !ADAPTIVE && sw <= 2 && k1 - k0 >= lanes<T>();
  x += <usize>p0 * planeX;
  y += <usize>p0 * <usize>outs * S;
  if (idx) idx += <usize>p0 * <usize>outs * sizeof<I>();
  for (let p = p0; p < p1; p++) {
    for (let i: i32 = 0; i < od; i++) {
      const sd = ADAPTIVE ? adaptiveStart(desc, D, i) : windowStart(desc, D, i);
      const d1 = ADAPTIVE ? adaptiveEnd(desc, D, i) : dilatedEnd(desc, D, sd);
      const d0 = ADAPTIVE ? sd : clipStart(sd, dd);
      for (let j: i32 = 0; j < oh; j++) {
        const sh = ADAPTIVE ? adaptiveStart(desc, H, j) : windowStart(desc, H, j);
        const h1 = ADAPTIVE ? adaptiveEnd(desc, H, j) : dilatedEnd(desc, H, sh);
        const h0 = ADAPTIVE ? sh : clipStart(sh, dh);
        const inside = fast && d0 < d1 && h0 < h1;
        if (inside) {
          const pw = field(desc, PAD + W);
          maxRow<T, I>(x, y, idx, d0, d1, dd, h0, h1, dh, -pw, field(desc, KERNEL + W), dw, sw, k0, k1, height, width);
        }
        for (let k: i32 = 0; k < ow; k++) {
          if (inside && k == k0) k = k1;
          if (k == ow) break;
          const s = ADAPTIVE ? adaptiveStart(desc, W, k) : windowStart(desc, W, k);
          const w1 = ADAPTIVE ? adaptiveEnd(desc, W, k) : dilatedEnd(desc, W, s);
          const w0 = ADAPTIVE ? s : clipStart(s, dw);
          const at = idx ? idx + <usize>k * sizeof<I>() : 0;
          maxOf<T, I>(x, y + <usize>k * S, at, d0, d1, dd, h0, h1, dh, w0, w1, dw, height, width);
        }
        y += <usize>ow * S;
        if (idx) idx += <usize>ow * sizeof<I>();
      }
    }
    x += planeX;
  }
}

/** gx[idx[o]] += g[o] for planes p0..p1-1 of `ins` inputs and `outs` outputs; gx starts at 0, an idx outside is skipped. */
// @ts-ignore: decorator
@inline
function maxPoolBackward<T, I>(g: usize, idx: usize, gx: usize, ins: i32, outs: i32, p0: i32, p1: i32): void {
  const S = sizeof<T>();
  const plane = <usize>ins * S;
  gx += <usize>p0 * plane;
  g += <usize>p0 * <usize>outs * S;
  idx += <usize>p0 * <usize>outs * sizeof<I>();
  for (let p = p0; p < p1; p++) {
    memory.fill(gx, 0, plane);
    for (const end = g + <usize>outs * S; g < end; g += S) {
      const i = <u64>load<I>(idx);
      if (i < <u64>ins) {
        const at = gx + <usize>i * S;
        store<T>(at, <T>(load<T>(at) + load<T>(g)));
      }
      idx += sizeof<I>();
    }
    gx += plane;
  }
}

/** y[o] = x[idx[o]] for planes p0..p1-1 of `ins` inputs and `outs` outputs; 0 for an idx outside. */
// @ts-ignore: decorator
@inline
function pick<T, I>(x: usize, idx: usize, y: usize, ins: i32, outs: i32, p0: i32, p1: i32): void {
  const S = sizeof<T>();
  const plane = <usize>ins * S;
  x += <usize>p0 * plane;
  y += <usize>p0 * <usize>outs * S;
  idx += <usize>p0 * <usize>outs * sizeof<I>();
  for (let p = p0; p < p1; p++) {
    for (const end = y + <usize>outs * S; y < end; y += S) {
      const i = <u64>load<I>(idx);
      store<T>(y, i < <u64>ins ? load<T>(x + <usize>i * S) : <T>0);
      idx += sizeof<I>();
    }
    x += plane;
  }
}

export function maxPool_f32(x: usize, y: usize, idx: usize, desc: usize, p0: i32, p1: i32): void {
  maxPool<f32, i64>(false, x, y, idx, desc, p0, p1);
}

export function maxPoolCompact_f32(x: usize, y: usize, idx: usize, desc: usize, p0: i32, p1: i32): void {
  maxPool<f32, i32>(false, x, y, idx, desc, p0, p1);
}

export function adaptiveMaxPool_f32(x: usize, y: usize, idx: usize, desc: usize, p0: i32, p1: i32): void {
  maxPool<f32, i64>(true, x, y, idx, desc, p0, p1);
}

export function adaptiveMaxPoolCompact_f32(x: usize, y: usize, idx: usize, desc: usize, p0: i32, p1: i32): void {
  maxPool<f32, i32>(true, x, y, idx, desc, p0, p1);
}

export function maxPool_f64(x: usize, y: usize, idx: usize, desc: usize, p0: i32, p1: i32): void {
  maxPool<f64, i64>(false, x, y, idx, desc, p0, p1);
}

export function maxPoolCompact_f64(x: usize, y: usize, idx: usize, desc: usize, p0: i32, p1: i32): void {
  maxPool<f64, i32>(false, x, y, idx, desc, p0, p1);
}

export function adaptiveMaxPool_f64(x: usize, y: usize, idx: usize, desc: usize, p0: i32, p1: i32): void {
  maxPool<f64, i64>(true, x, y, idx, desc, p0, p1);
}

export function adaptiveMaxPoolCompact_f64(x: usize, y: usize, idx: usize, desc: usize, p0: i32, p1: i32): void {
  maxPool<f64, i32>(true, x, y, idx, desc, p0, p1);
}

/** Gradient of any max pooling, from its indices. */
export function maxPoolBackward_f32(g: usize, idx: usize, gx: usize, ins: i32, outs: i32, p0: i32, p1: i32): void {
  maxPoolBackward<f32, i64>(g, idx, gx, ins, outs, p0, p1);
}

export function maxPoolBackward_f64(g: usize, idx: usize, gx: usize, ins: i32, outs: i32, p0: i32, p1: i32): void {
  maxPoolBackward<f64, i64>(g, idx, gx, ins, outs, p0, p1);
}

export function maxPoolBackwardCompact_f32(g: usize, idx: usize, gx: usize, ins: i32, outs: i32, p0: i32, p1: i32): void {
  maxPoolBackward<f32, i32>(g, idx, gx, ins, outs, p0, p1);
}

export function maxPoolBackwardCompact_f64(g: usize, idx: usize, gx: usize, ins: i32, outs: i32, p0: i32, p1: i32): void {
  maxPoolBackward<f64, i32>(g, idx, gx, ins, outs, p0, p1);
}

/** The elements that max pooling chose, from another tensor of the input's shape. */
export function poolPick_f32(x: usize, idx: usize, y: usize, ins: i32, outs: i32, p0: i32, p1: i32): void {
  pick<f32, i64>(x, idx, y, ins, outs, p0, p1);
}

export function poolPick_f64(x: usize, idx: usize, y: usize, ins: i32, outs: i32, p0: i32, p1: i32): void {
  pick<f64, i64>(x, idx, y, ins, outs, p0, p1);
}

export function poolPickCompact_f32(x: usize, idx: usize, y: usize, ins: i32, outs: i32, p0: i32, p1: i32): void {
  pick<f32, i32>(x, idx, y, ins, outs, p0, p1);
}

export function poolPickCompact_f64(x: usize, idx: usize, y: usize, ins: i32, outs: i32, p0: i32, p1: i32): void {
  pick<f64, i32>(x, idx, y, ins, outs, p0, p1);
}
