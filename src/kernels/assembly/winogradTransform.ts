// Winograd's minimal filtering F(2x2, 3x3): the maps into and out of the 16 products of a tile, four tiles to a vector.
// In one dimension, on the points 0, 1, -1 and infinity (Lavin and Gray 2015, with halves moved to where they are exact):
//   data    d[4] -> d0 - d2, d1 + d2, d2 - d1, d1 - d3
//   kernel  g[3] -> g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2
//   output  m[4] -> m0 + m1 + m2, m1 - m2 - m3
// The gradient of the kernel is F(3x3, 2x2) on the same points: data as above, and
//   gradient  g[2] -> g0, g0 + g1, g0 - g1, g1
//   kernel    m[4] -> m0 + (m1 + m2) / 2, (m1 - m2) / 2, (m1 + m2) / 2 - m3
// In two dimensions the rows are mapped first, then the columns; product f = 4 row + column.

/** The columns of one mapped row: a, b, c are its elements 0-3, 4-7, 8-11, of which four tiles take pairs. */
// @ts-ignore: decorator
@inline
function storeData(a: v128, b: v128, c: v128, v: usize, stepF: usize): void {
  const d0 = v128.shuffle<f32>(a, b, 0, 2, 4, 6);
  const d1 = v128.shuffle<f32>(a, b, 1, 3, 5, 7);
  const d2 = v128.shuffle<f32>(d0, c, 1, 2, 3, 4);
  const d3 = v128.shuffle<f32>(d1, v128.shuffle<f32>(c, c, 1, 1, 3, 3), 1, 2, 3, 4);
  v128.store(v, f32x4.sub(d0, d2));
  v128.store(v + stepF, f32x4.add(d1, d2));
  v128.store(v + 2 * stepF, f32x4.sub(d2, d1));
  v128.store(v + 3 * stepF, f32x4.sub(d1, d3));
}

/**
 * v[f, tile] of `rows` x `cols` tiles of the padded image at p (rows `pitch` bytes apart, room for 4 ceil(cols / 4)
 * tiles in each); stepF in bytes. Up to 3 tiles are written beyond the last.
 */
export function dataTiles(p: usize, pitch: usize, rows: i32, cols: i32, v: usize, stepF: usize): void {
  for (let i: i32 = 0; i < rows; i++) {
    let q = p;
    for (let j: i32 = 0; j < cols; j += 4) {
      const r1 = q + pitch, r2 = r1 + pitch, r3 = r2 + pitch;
      const at = v + (<usize>j << 2);
      const a1 = v128.load(r1), b1 = v128.load(r1, 16), c1 = v128.load(r1, 32);
      const a2 = v128.load(r2), b2 = v128.load(r2, 16), c2 = v128.load(r2, 32);
      storeData(
        f32x4.sub(v128.load(q), a2), f32x4.sub(v128.load(q, 16), b2), f32x4.sub(v128.load(q, 32), c2), at, stepF,
      );
      storeData(f32x4.add(a1, a2), f32x4.add(b1, b2), f32x4.add(c1, c2), at + 4 * stepF, stepF);
      storeData(f32x4.sub(a2, a1), f32x4.sub(b2, b1), f32x4.sub(c2, c1), at + 8 * stepF, stepF);
      storeData(
        f32x4.sub(a1, v128.load(r3)), f32x4.sub(b1, v128.load(r3, 16)), f32x4.sub(c1, v128.load(r3, 32)),
        at + 12 * stepF, stepF,
      );
      q += 32;
    }
    v += <usize>cols << 2;
    p += 2 * pitch;
  }
}

// @ts-ignore: decorator
@inline
function storeGradient(d0: v128, d1: v128, v: usize, stepF: usize): void {
  v128.store(v, d0);
  v128.store(v + stepF, f32x4.add(d0, d1));
  v128.store(v + 2 * stepF, f32x4.sub(d0, d1));
  v128.store(v + 3 * stepF, d1);
}

/** As {@link dataTiles} for the 2 x 2 tiles of a gradient. */
export function gradientTiles(p: usize, pitch: usize, rows: i32, cols: i32, v: usize, stepF: usize): void {
  for (let i: i32 = 0; i < rows; i++) {
    let q = p;
    for (let j: i32 = 0; j < cols; j += 4) {
      const at = v + (<usize>j << 2);
      const a0 = v128.load(q), b0 = v128.load(q, 16);
      const a1 = v128.load(q + pitch), b1 = v128.load(q + pitch, 16);
      const e0 = v128.shuffle<f32>(a0, b0, 0, 2, 4, 6), o0 = v128.shuffle<f32>(a0, b0, 1, 3, 5, 7);
      const e1 = v128.shuffle<f32>(a1, b1, 0, 2, 4, 6), o1 = v128.shuffle<f32>(a1, b1, 1, 3, 5, 7);
      storeGradient(e0, o0, at, stepF);
      storeGradient(f32x4.add(e0, e1), f32x4.add(o0, o1), at + 4 * stepF, stepF);
      storeGradient(f32x4.sub(e0, e1), f32x4.sub(o0, o1), at + 8 * stepF, stepF);
      storeGradient(e1, o1, at + 12 * stepF, stepF);
      q += 32;
    }
    v += <usize>cols << 2;
    p += 2 * pitch;
  }
}

/** Stores the first n of eight floats. */
// @ts-ignore: decorator
@inline
function storeFirst(y: usize, low: v128, high: v128, n: i32): void {
  if (n >= 4) {
    v128.store(y, low);
    if (n >= 8) {
      v128.store(y, high, 16);
      return;
    }
    low = high;
    y += 16;
    n -= 4;
  }
  if (n & 2) {
    v128.store64_lane(y, low, 0);
    low = v128.shuffle<f64>(low, low, 1, 1);
    y += 8;
  }
  if (n & 1) v128.store32_lane(y, low, 0);
}

/**
 * The outputs of `rows` x `cols` tiles from their products m[f, tile], plus `bias`: y is height x width, of which the
 * first may be cut off at the bottom and on the right. Returns whether all are finite.
 */
export function outputTiles(
  m: usize, stepF: usize, rows: i32, cols: i32, y: usize, height: i32, width: i32, bias: f32,
): bool {
  const b = f32x4.splat(bias);
  const row = <usize>width << 2;
  let odd = f32x4.splat(0);
  for (let i: i32 = 0; i < rows; i++) {
    for (let j: i32 = 0; j < cols; j += 4) {
      let p = m + (<usize>j << 2);
      // Products by column: their sums down the rows.
      let u = v128.load(p + 4 * stepF), w = v128.load(p + 8 * stepF);
      const s0 = f32x4.add(f32x4.add(v128.load(p), u), w);
      const t0 = f32x4.sub(f32x4.sub(u, w), v128.load(p + 12 * stepF));
      p += stepF;
      u = v128.load(p + 4 * stepF);
      w = v128.load(p + 8 * stepF);
      const s1 = f32x4.add(f32x4.add(v128.load(p), u), w);
      const t1 = f32x4.sub(f32x4.sub(u, w), v128.load(p + 12 * stepF));
      p += stepF;
      u = v128.load(p + 4 * stepF);
      w = v128.load(p + 8 * stepF);
      const s2 = f32x4.add(f32x4.add(v128.load(p), u), w);
      const t2 = f32x4.sub(f32x4.sub(u, w), v128.load(p + 12 * stepF));
      p += stepF;
      u = v128.load(p + 4 * stepF);
      w = v128.load(p + 8 * stepF);
      const s3 = f32x4.add(f32x4.add(v128.load(p), u), w);
      const t3 = f32x4.sub(f32x4.sub(u, w), v128.load(p + 12 * stepF));
      const y00 = f32x4.add(f32x4.add(f32x4.add(s0, s1), s2), b);
      const y01 = f32x4.add(f32x4.sub(f32x4.sub(s1, s2), s3), b);
      const y10 = f32x4.add(f32x4.add(f32x4.add(t0, t1), t2), b);
      const y11 = f32x4.add(f32x4.sub(f32x4.sub(t1, t2), t3), b);
      // y - y is 0, or NaN where y is infinite or NaN.
      odd = f32x4.add(odd, f32x4.add(f32x4.sub(y00, y00), f32x4.sub(y01, y01)));
      odd = f32x4.add(odd, f32x4.add(f32x4.sub(y10, y10), f32x4.sub(y11, y11)));
      const n = min(width - 2 * j, 8);
      const at = y + (<usize>j << 3);
      storeFirst(at, v128.shuffle<f32>(y00, y01, 0, 4, 1, 5), v128.shuffle<f32>(y00, y01, 2, 6, 3, 7), n);
      if (2 * i + 1 < height) {
        storeFirst(at + row, v128.shuffle<f32>(y10, y11, 0, 4, 1, 5), v128.shuffle<f32>(y10, y11, 2, 6, 3, 7), n);
      }
    }
    m += <usize>cols << 2;
    y += 2 * row;
  }
  return !v128.any_true(f32x4.ne(odd, odd));
}

/** The element at `at` of four kernels, `stride` bytes apart; those beyond the first n are the n-th. */
// @ts-ignore: decorator
@inline
function gather(at: usize, stride: usize, n: i32): v128 {
  let p = at;
  let x = v128.load32_zero(p);
  if (n > 1) p += stride;
  x = v128.load32_lane(p, x, 1);
  if (n > 2) p += stride;
  x = v128.load32_lane(p, x, 2);
  if (n > 3) p += stride;
  return v128.load32_lane(p, x, 3);
}

// @ts-ignore: decorator
@inline
function put(u: usize, x: v128, n: i32): void {
  if (n >= 4) v128.store(u, x);
  else storeFirst(u, x, x, n);
}

/** One column of mapped kernels, a, b and c down its rows. */
// @ts-ignore: decorator
@inline
function storeKernel(a: v128, b: v128, c: v128, u: usize, stepF: usize, n: i32): void {
  const half = f32x4.splat(0.5);
  const ends = f32x4.add(a, c);
  put(u, a, n);
  put(u + 4 * stepF, f32x4.mul(half, f32x4.add(ends, b)), n);
  put(u + 8 * stepF, f32x4.mul(half, f32x4.sub(ends, b)), n);
  put(u + 12 * stepF, c, n);
}

/** u[f] of n <= 4 kernels `stride` bytes apart; elements of a kernel are `step` bytes apart, 4 or -4. */
// @ts-ignore: decorator
@inline
function kernelTiles(g: usize, stride: usize, step: usize, u: usize, stepF: usize, n: i32): void {
  const half = f32x4.splat(0.5);
  const a0 = gather(g, stride, n), a1 = gather(g + step, stride, n), a2 = gather(g + 2 * step, stride, n);
  const b0 = gather(g + 3 * step, stride, n), b1 = gather(g + 4 * step, stride, n), b2 = gather(g + 5 * step, stride, n);
  const c0 = gather(g + 6 * step, stride, n), c1 = gather(g + 7 * step, stride, n), c2 = gather(g + 8 * step, stride, n);
  storeKernel(a0, b0, c0, u, stepF, n);
  storeKernel(a2, b2, c2, u + 3 * stepF, stepF, n);
  const a = f32x4.add(a0, a2), b = f32x4.add(b0, b2), c = f32x4.add(c0, c2);
  storeKernel(
    f32x4.mul(half, f32x4.add(a, a1)), f32x4.mul(half, f32x4.add(b, b1)), f32x4.mul(half, f32x4.add(c, c1)),
    u + stepF, stepF, n,
  );
  storeKernel(
    f32x4.mul(half, f32x4.sub(a, a1)), f32x4.mul(half, f32x4.sub(b, b1)), f32x4.mul(half, f32x4.sub(c, c1)),
    u + 2 * stepF, stepF, n,
  );
}

/** Bytes from one f to the next in u: not a multiple of the cache's. */
// @ts-ignore: decorator
@inline
export function kernelStep(OC: i32, C: i32): usize {
  return (((<usize>OC * <usize>C) << 2) + 127) & ~63;
}

/** Bytes of u. */
export function winogradKernelBytes(OC: i32, C: i32): usize {
  return 16 * kernelStep(OC, C);
}

/**
 * u[f, o, c], rows o0..o1-1, of the kernels w[OC, C, 3, 3]. `back`: of those of the gradient of the input, w[C, OC, 3, 3]
 * turned by half a circle.
 */
export function winogradKernel_f32(w: usize, u: usize, OC: i32, C: i32, o0: i32, o1: i32, back: i32): void {
  const stepF = kernelStep(OC, C);
  for (let o = o0; o < o1; o++) {
    let at = u + (<usize>(o * C) << 2);
    for (let c: i32 = 0; c < C; c += 4) {
      const n = min(C - c, 4);
      if (back) kernelTiles(w + <usize>(c * OC + o) * 36 + 32, <usize>OC * 36, <usize>-4, at, stepF, n);
      else kernelTiles(w + <usize>(o * C + c) * 36, 36, 4, at, stepF, n);
      at += 16;
    }
  }
}
