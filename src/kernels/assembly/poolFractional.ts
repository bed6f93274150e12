// Max pooling over windows whose places are given for each plane: fractional max pooling.
import { D, H, IN, KERNEL, OUT, W, field, volume } from "./poolWindow";

/** Planes p0..p1-1. `starts` holds, for each plane, the first inputs of the windows along D, then H, then W. */
// @ts-ignore: decorator
@inline
function fractional<T>(x: usize, y: usize, idx: usize, desc: usize, starts: usize, p0: i32, p1: i32): void {
  const S = sizeof<T>();
  const height = field(desc, IN + H), width = field(desc, IN + W);
  const od = field(desc, OUT + D), oh = field(desc, OUT + H), ow = field(desc, OUT + W);
  const kd = field(desc, KERNEL + D), kh = field(desc, KERNEL + H), kw = field(desc, KERNEL + W);
  const planeX = <usize>volume(desc, IN) * S;
  const outs = <usize>volume(desc, OUT);
  y += <usize>p0 * outs * S;
  idx += (<usize>p0 * outs) << 3;
  for (let p = p0; p < p1; p++) {
    const image = x + <usize>p * planeX;
    const sd = starts + (<usize>(p * (od + oh + ow)) << 2);
    const sh = sd + (<usize>od << 2);
    const sw = sh + (<usize>oh << 2);
    for (let i: i32 = 0; i < od; i++) {
      const d0 = load<i32>(sd + (<usize>i << 2));
      for (let j: i32 = 0; j < oh; j++) {
        const h0 = load<i32>(sh + (<usize>j << 2));
        for (let k: i32 = 0; k < ow; k++) {
          const w0 = load<i32>(sw + (<usize>k << 2));
          let best: T = <T>-Infinity;
          let index = (d0 * height + h0) * width + w0;
          for (let d = d0; d < d0 + kd; d++) {
            for (let h = h0; h < h0 + kh; h++) {
              for (let w = w0; w < w0 + kw; w++) {
                const at = (d * height + h) * width + w;
                const v = load<T>(image + <usize>at * S);
                if (v > best || v != v) {
                  best = v;
                  index = at;
                }
              }
            }
          }
          store<T>(y, best);
          store<i64>(idx, <i64>index);
          y += S;
          idx += 8;
        }
      }
    }
  }
}

export function fractionalMaxPool_f32(x: usize, y: usize, idx: usize, desc: usize, starts: usize, p0: i32, p1: i32): void {
  fractional<f32>(x, y, idx, desc, starts, p0, p1);
}

export function fractionalMaxPool_f64(x: usize, y: usize, idx: usize, desc: usize, starts: usize, p0: i32, p1: i32): void {
  fractional<f64>(x, y, idx, desc, starts, p0, p1);
}
