// Max pooling over windows of 2 x 2 that lie side by side, by far the most common. Where a maximum is in its window is
// kept as a byte, 2 row + column; since no input belongs to two windows, the gradient is written in one pass.

/** The maximum of a window at p and, one row below, q: the first of the largest, or the last NaN. */
// @ts-ignore: decorator
@inline
function window<T>(p: usize, q: usize, y: usize, code: usize): void {
  let best: T = <T>-Infinity;
  let at: i32 = 0;
  let v = load<T>(p);
  let better = v > best || v != v;
  best = select<T>(v, best, better);
  v = load<T>(p + sizeof<T>());
  better = v > best || v != v;
  best = select<T>(v, best, better);
  at = select<i32>(1, at, better);
  v = load<T>(q);
  better = v > best || v != v;
  best = select<T>(v, best, better);
  at = select<i32>(2, at, better);
  v = load<T>(q + sizeof<T>());
  better = v > best || v != v;
  best = select<T>(v, best, better);
  at = select<i32>(3, at, better);
  store<T>(y, best);
  if (code) store<u8>(code, <u8>at);
}

// @ts-ignore: decorator
@inline
function row<T>(p: usize, q: usize, y: usize, code: usize, outs: i32): void {
  for (let k: i32 = 0; k < outs; k++) {
    window<T>(p, q, y, code);
    p += 2 * sizeof<T>();
    q += 2 * sizeof<T>();
    y += sizeof<T>();
    if (code) code++;
  }
}

/** A row of at least four outputs, the last four of which may be made twice; false where a NaN may have been seen. */
// @ts-ignore: decorator
@inline
function row4(p: usize, q: usize, y: usize, code: usize, outs: i32): bool {
  let unequal = i32x4.splat(0);
  const one = i32x4.splat(1), two = i32x4.splat(2);
  for (let k: i32 = 0; ; k = min(k + 4, outs - 4)) {
    const at = <usize>k << 3;
    const a = v128.load(p + at), b = v128.load(p + at, 16);
    const c = v128.load(q + at), d = v128.load(q + at, 16);
    const e0 = v128.shuffle<f32>(a, b, 0, 2, 4, 6), o0 = v128.shuffle<f32>(a, b, 1, 3, 5, 7);
    const e1 = v128.shuffle<f32>(c, d, 0, 2, 4, 6), o1 = v128.shuffle<f32>(c, d, 1, 3, 5, 7);
    // pmax(x, y) is y where x < y, else x: the first of equals.
    const high = f32x4.pmax(e0, o0), low = f32x4.pmax(e1, o1);
    v128.store(y + (<usize>k << 2), f32x4.pmax(high, low));
    const sum = f32x4.add(f32x4.add(e0, o0), f32x4.add(e1, o1));
    unequal = v128.or(unequal, f32x4.ne(sum, sum));
    if (code) {
      const upper = v128.and(f32x4.lt(e0, o0), one);
      const lower = v128.or(v128.and(f32x4.lt(e1, o1), one), two);
      const where = v128.bitselect(lower, upper, f32x4.lt(high, low));
      v128.store32_lane(code + k, i8x16.shuffle(where, where, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12), 0);
    }
    if (k >= outs - 4) break;
  }
  return !v128.any_true(unequal);
}

// @ts-ignore: decorator
@inline
function forward<T>(x: usize, y: usize, code: usize, H: i32, W: i32, p0: i32, p1: i32): void {
  const S = sizeof<T>();
  const rows = H >> 1, cols = W >> 1;
  const step = <usize>W * S;
  x += <usize>p0 * <usize>H * step;
  y += <usize>(p0 * rows * cols) * S;
  if (code) code += <usize>(p0 * rows * cols);
  for (let n = p0; n < p1; n++) {
    let p = x;
    for (let i: i32 = 0; i < rows; i++) {
      if (S == 8 || cols < 4 || !row4(p, p + step, y, code, cols)) row<T>(p, p + step, y, code, cols);
      p += 2 * step;
      y += <usize>cols * S;
      if (code) code += cols;
    }
    x += <usize>H * step;
  }
}

// @ts-ignore: decorator
@inline
function put<T>(g: usize, code: usize, p: usize, q: usize): void {
  const v = load<T>(g);
  const at = load<u8>(code);
  store<T>(p, at == 0 ? v : 0);
  store<T>(p + sizeof<T>(), at == 1 ? v : 0);
  store<T>(q, at == 2 ? v : 0);
  store<T>(q + sizeof<T>(), at == 3 ? v : 0);
}

/** A row of at least four gradients, the last four of which may be put twice. */
// @ts-ignore: decorator
@inline
function put4(g: usize, code: usize, p: usize, q: usize, outs: i32): void {
  for (let k: i32 = 0; ; k = min(k + 4, outs - 4)) {
    const at = <usize>k << 3;
    const v = v128.load(g + (<usize>k << 2));
    const zero = i32x4.splat(0);
    const where = i16x8.extend_low_i8x16_u(v128.load32_zero(code + k));
    const c = i32x4.extend_low_i16x8_u(where);
    const e0 = v128.and(v, i32x4.eq(c, zero)), o0 = v128.and(v, i32x4.eq(c, i32x4.splat(1)));
    const e1 = v128.and(v, i32x4.eq(c, i32x4.splat(2))), o1 = v128.and(v, i32x4.eq(c, i32x4.splat(3)));
    v128.store(p + at, v128.shuffle<f32>(e0, o0, 0, 4, 1, 5));
    v128.store(p + at, v128.shuffle<f32>(e0, o0, 2, 6, 3, 7), 16);
    v128.store(q + at, v128.shuffle<f32>(e1, o1, 0, 4, 1, 5));
    v128.store(q + at, v128.shuffle<f32>(e1, o1, 2, 6, 3, 7), 16);
    if (k >= outs - 4) break;
  }
}

// @ts-ignore: decorator
@inline
function backward<T>(g: usize, code: usize, gx: usize, H: i32, W: i32, p0: i32, p1: i32): void {
  const S = sizeof<T>();
  const rows = H >> 1, cols = W >> 1;
  const step = <usize>W * S;
  gx += <usize>p0 * <usize>H * step;
  g += <usize>(p0 * rows * cols) * S;
  code += <usize>(p0 * rows * cols);
  for (let n = p0; n < p1; n++) {
    let p = gx;
    for (let i: i32 = 0; i < rows; i++) {
      if (S == 4 && cols >= 4) put4(g, code, p, p + step, cols);
      else {
        for (let k: i32 = 0; k < cols; k++) {
          const at = p + <usize>(2 * k) * S;
          put<T>(g + <usize>k * S, code + k, at, at + step);
        }
      }
      if (W & 1) {
        store<T>(p + step - S, 0);
        store<T>(p + 2 * step - S, 0);
      }
      p += 2 * step;
      g += <usize>cols * S;
      code += cols;
    }
    if (H & 1) memory.fill(p, 0, step);
    gx += <usize>H * step;
  }
}

// @ts-ignore: decorator
@inline
function pick<T>(x: usize, code: usize, y: usize, H: i32, W: i32, p0: i32, p1: i32): void {
  const S = sizeof<T>();
  const rows = H >> 1, cols = W >> 1;
  x += <usize>p0 * <usize>(H * W) * S;
  y += <usize>(p0 * rows * cols) * S;
  code += <usize>(p0 * rows * cols);
  for (let n = p0; n < p1; n++) {
    for (let i: i32 = 0; i < rows; i++) {
      for (let k: i32 = 0; k < cols; k++) {
        const at = <i32>load<u8>(code);
        store<T>(y, load<T>(x + <usize>((2 * i + (at >> 1)) * W + 2 * k + (at & 1)) * S));
        y += S;
        code++;
      }
    }
    x += <usize>(H * W) * S;
  }
}

/** Planes p0..p1-1 of H x W; code (uint8, H / 2 x W / 2) may be 0. */
export function maxPool2x2_f32(x: usize, y: usize, code: usize, H: i32, W: i32, p0: i32, p1: i32): void {
  forward<f32>(x, y, code, H, W, p0, p1);
}

export function maxPool2x2_f64(x: usize, y: usize, code: usize, H: i32, W: i32, p0: i32, p1: i32): void {
  forward<f64>(x, y, code, H, W, p0, p1);
}

/** gx = g where the codes say, and 0 elsewhere. */
export function maxPool2x2Backward_f32(g: usize, code: usize, gx: usize, H: i32, W: i32, p0: i32, p1: i32): void {
  backward<f32>(g, code, gx, H, W, p0, p1);
}

export function maxPool2x2Backward_f64(g: usize, code: usize, gx: usize, H: i32, W: i32, p0: i32, p1: i32): void {
  backward<f64>(g, code, gx, H, W, p0, p1);
}

/** y = the elements of x where the codes say. */
export function poolPick2x2_f32(x: usize, code: usize, y: usize, H: i32, W: i32, p0: i32, p1: i32): void {
  pick<f32>(x, code, y, H, W, p0, p1);
}

export function poolPick2x2_f64(x: usize, code: usize, y: usize, H: i32, W: i32, p0: i32, p1: i32): void {
  pick<f64>(x, code, y, H, W, p0, p1);
}
