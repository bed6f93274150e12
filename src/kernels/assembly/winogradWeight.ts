// The weight gradient of a 3 x 3 convolution by Winograd's F(3x3, 2x2): the tiles of input and gradient are mapped, and
// for each of the 16 products the sums over tiles of input times gradient are one matrix product. Vectors run along the
// tiles, 4 input by 2 output channels at a time, so that nothing is rearranged.
import { field, padImage } from "./convSource";
import { fma } from "./simd";
import { giveSlot } from "./slots";
import { C, H, OC, OH, OW, PH, PW, W, pitchOf, planeCols, rowsTogether, scratchOf, takeScratch } from "./winogradBlock";
import { dataTiles, gradientTiles } from "./winogradTransform";

/** The sums of the lanes of four vectors. */
// @ts-ignore: decorator
@inline
function laneSums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  return f32x4.add(v128.shuffle<f64>(ab, cd, 0, 2), v128.shuffle<f64>(ab, cd, 1, 3));
}

/**
 * to[0, c] += sum over tiles of v[c, t] g0[t], to[1, c] likewise of g1, for c < channels; a last vector of channels is
 * filled up with sums of no meaning. `bytes` of tiles, `step` bytes between channels.
 */
function products(v: usize, step: usize, g0: usize, g1: usize, bytes: usize, channels: i32, to: usize, row: usize): void {
  for (; channels > 0; channels -= 4) {
    let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
    let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
    let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
    let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
    let v0 = v;
    let v1 = channels > 1 ? v0 + step : v0;
    let v2 = channels > 2 ? v1 + step : v1;
    let v3 = channels > 3 ? v2 + step : v2;
    let h0 = g0, h1 = g1;
    for (const end = g0 + bytes; h0 != end; h0 += 16) {
      const y0 = v128.load(h0), y1 = v128.load(h1);
      let x = v128.load(v0);
      c00 = fma<f32>(x, y0, c00);
      c01 = fma<f32>(x, y1, c01);
      v0 += 16;
      x = v128.load(v1);
      c10 = fma<f32>(x, y0, c10);
      c11 = fma<f32>(x, y1, c11);
      v1 += 16;
      x = v128.load(v2);
      c20 = fma<f32>(x, y0, c20);
      c21 = fma<f32>(x, y1, c21);
      v2 += 16;
      x = v128.load(v3);
      c30 = fma<f32>(x, y0, c30);
      c31 = fma<f32>(x, y1, c31);
      v3 += 16;
      h1 += 16;
    }
    v128.store(to, f32x4.add(v128.load(to), laneSums(c00, c10, c20, c30)));
    v128.store(to + row, f32x4.add(v128.load(to + row), laneSums(c01, c11, c21, c31)));
    v += 4 * step;
    to += 16;
  }
}

/** Floats in a row of the sums, and its rows: channels in whole vectors and pairs. */
// @ts-ignore: decorator
@inline
function sumCols(c: i32): i32 {
  return (c + 3) & ~3;
}

// @ts-ignore: decorator
@inline
function sumRows(oc: i32): i32 {
  return (oc + 1) & ~1;
}

// @ts-ignore: decorator
@inline
function clear(from: usize, to: usize): void {
  for (; from < to; from += 4) store<f32>(from, 0);
}

/** Bytes of the sums of one call. */
export function winogradWeightSums_f32(desc: usize): usize {
  return <usize>sumRows(field(desc, OC)) * <usize>sumCols(field(desc, C)) << 6;
}

/**
 * sums[f, o, c] over the rows of tiles q0..q1-1, counted through all images, for output channels o0..o1-1 (o0 even, and
 * o1 too or the number of channels). The bits depend on q0 and q1.
 */
export function winogradWeight_f32(
  x: usize, g: usize, sums: usize, desc: usize, slots: usize, q0: i32, q1: i32, o0: i32, o1: i32,
): void {
  const c = field(desc, C), h = field(desc, H), w = field(desc, W);
  const oc = field(desc, OC), oh = field(desc, OH), ow = field(desc, OW);
  const rows = (oh + 1) >> 1, cols = (ow + 1) >> 1;
  const whole = ((oh | ow) & 1) == 0;
  const together = rowsTogether(q1 - q0, cols, c + oc);
  const widthP = planeCols(cols);
  const pitchP = <usize>widthP << 2;
  const slot = takeScratch(desc, slots);
  const plane = scratchOf(desc, slots, slot);
  const v = (plane + <usize>(2 * together + 2) * pitchP + 63) & ~63;
  const rowS = <usize>sumCols(c) << 2;
  const stepS = <usize>sumRows(oc) * rowS;
  for (let f: usize = 0; f < 16; f++) {
    clear(sums + f * stepS + <usize>o0 * rowS, sums + f * stepS + <usize>((o1 + 1) & ~1) * rowS);
  }
  for (let q = q0; q < q1; q += together) {
    const count = min(together, q1 - q);
    const tiles = count * cols;
    const step = <usize>pitchOf(tiles) << 2;
    const stepV = <usize>c * step + 64;
    const stepM = <usize>(o1 - o0) * step + 64;
    const m = v + 16 * stepV;
    const bytes = (<usize>tiles * 4 + 15) & ~15;
    for (let k: i32 = 0; k < c + o1 - o0; k++) {
      const data = k < c;
      const row = data ? v + <usize>k * step : m + <usize>(k - c) * step;
      const stepF = data ? stepV : stepM;
      for (let i: i32 = 0; i < count; ) {
        const n = (q + i) / rows;
        const r = (q + i) % rows;
        const some = min(count - i, rows - r);
        const to = row + (<usize>(i * cols) << 2);
        if (data) {
          const image = x + ((<usize>(n * c + k) * <usize>(h * w)) << 2);
          padImage<f32>(image, 1, h, w, field(desc, PH) - 2 * r, field(desc, PW), 2 * some + 2, widthP, 1, 1, 1, plane);
          dataTiles(plane, pitchP, some, cols, to, stepV);
        } else {
          const image = g + ((<usize>(n * oc + o0 + k - c) * <usize>(oh * ow)) << 2);
          // Of whole tiles nothing is cut off, and what the last vector reads beyond a row is never used; beyond the last
          // channel there may be no memory.
          if (whole && o0 + k - c + 1 < oc) {
            gradientTiles(image + (<usize>(2 * r * ow) << 2), <usize>ow << 2, some, cols, to, stepM);
          } else {
            padImage<f32>(image, 1, oh, ow, -2 * r, 0, 2 * some, widthP, 1, 1, 1, plane);
            gradientTiles(plane, pitchP, some, cols, to, stepM);
          }
        }
        i += some;
      }
      for (let f: usize = 0; f < 16; f++) clear(row + f * stepF + (<usize>tiles << 2), row + f * stepF + bytes);
    }
    for (let f: usize = 0; f < 16; f++) {
      let to = sums + f * stepS + <usize>o0 * rowS;
      for (let o: i32 = 0; o < o1 - o0; o += 2) {
        const g0 = m + f * stepM + <usize>o * step;
        products(v + f * stepV, step, g0, o + 1 < o1 - o0 ? g0 + step : g0, bytes, c, to, rowS);
        to += 2 * rowS;
      }
    }
  }
  giveSlot(slots, slot);
}

/** Stores the lanes of x 36 bytes apart, the first n of them. */
// @ts-ignore: decorator
@inline
function scatter(p: usize, x: v128, n: i32): void {
  v128.store32_lane(p, x, 0);
  if (n > 1) v128.store32_lane(p + 36, x, 1);
  if (n > 2) v128.store32_lane(p + 72, x, 2);
  if (n > 3) v128.store32_lane(p + 108, x, 3);
}

/** One row of the kernels from its four mapped columns, along which it is mapped. */
// @ts-ignore: decorator
@inline
function kernelRow(m0: v128, m1: v128, m2: v128, m3: v128, to: usize, n: i32): v128 {
  const half = f32x4.splat(0.5);
  const mean = f32x4.mul(half, f32x4.add(m1, m2));
  const a = f32x4.add(m0, mean);
  const b = f32x4.mul(half, f32x4.sub(m1, m2));
  const c = f32x4.sub(mean, m3);
  scatter(to, a, n);
  scatter(to + 4, b, n);
  scatter(to + 8, c, n);
  // x - x is 0, or NaN where x is infinite or NaN.
  return f32x4.add(f32x4.add(f32x4.sub(a, a), f32x4.sub(b, b)), f32x4.sub(c, c));
}

/** A column of the products, mapped to row i of the kernel. */
// @ts-ignore: decorator
@inline
function column(i: i32, p: usize, stepS: usize): v128 {
  const half = f32x4.splat(0.5);
  const m1 = v128.load(p + 4 * stepS), m2 = v128.load(p + 8 * stepS);
  if (i == 0) return f32x4.add(v128.load(p), f32x4.mul(half, f32x4.add(m1, m2)));
  if (i == 1) return f32x4.mul(half, f32x4.sub(m1, m2));
  return f32x4.sub(f32x4.mul(half, f32x4.add(m1, m2)), v128.load(p + 12 * stepS));
}

/**
 * gw[o, c, 3, 3] for output channels o0..o1-1 from `parts` sums, added in their order, to the first. flags[0] is set
 * where one is not finite (see winograd.ts).
 */
export function winogradWeightEnd_f32(sums: usize, parts: i32, gw: usize, desc: usize, flags: usize, o0: i32, o1: i32): void {
  const c = field(desc, C);
  const rowS = <usize>sumCols(c) << 2;
  const stepS = <usize>sumRows(field(desc, OC)) * rowS;
  const part: usize = stepS << 4;
  let odd = f32x4.splat(0);
  for (let o = o0; o < o1; o++) {
    for (let f: usize = 0; f < 16; f++) {
      const first = sums + f * stepS + <usize>o * rowS;
      for (let p = first, end = first + rowS; p < end; p += 16) {
        let s = v128.load(p);
        let q = p;
        for (let i: i32 = 1; i < parts; i++) {
          q += part;
          s = f32x4.add(s, v128.load(q));
        }
        v128.store(p, s);
      }
    }
    for (let k: i32 = 0; k < c; k += 4) {
      const p0 = sums + <usize>o * rowS + (<usize>k << 2);
      const p1 = p0 + stepS, p2 = p1 + stepS, p3 = p2 + stepS;
      const to = gw + <usize>(o * c + k) * 36;
      const n = c - k;
      let bad = kernelRow(column(0, p0, stepS), column(0, p1, stepS), column(0, p2, stepS), column(0, p3, stepS), to, n);
      bad = f32x4.add(
        bad,
        kernelRow(column(1, p0, stepS), column(1, p1, stepS), column(1, p2, stepS), column(1, p3, stepS), to + 12, n),
      );
      bad = f32x4.add(
        bad,
        kernelRow(column(2, p0, stepS), column(2, p1, stepS), column(2, p2, stepS), column(2, p3, stepS), to + 24, n),
      );
      odd = f32x4.add(odd, bad);
    }
  }
  if (v128.any_true(f32x4.ne(odd, odd))) store<i32>(flags, 1);
}
