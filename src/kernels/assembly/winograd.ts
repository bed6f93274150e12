// Convolution with 3 x 3 kernels and stride 1 by Winograd's F(2x2, 3x3): 16 matrix products over the channels, one for
// each product of a tile, in place of 36 multiplications an output tile. The input gradient is the same with turned
// kernels. Tiles are worked on in blocks of tile rows that fit the cache; every tile is computed alike in any block.
import { field, padImage } from "./convSource";
import { fma } from "./simd";
import { giveSlot } from "./slots";
import { dataTiles, kernelStep, outputTiles } from "./winogradTransform";
import { rowsOf } from "./gemmTile";
import { C, H, OC, OH, OW, PH, PW, W, pitchOf, planeCols } from "./winogradBlock";
import { rowsTogether, scratchBytes, scratchOf, takeScratch } from "./winogradBlock";

/** m[o, t] = sum over c of u[o, c] v[c, t] for R rows and `strips` times 8 tiles; steps in bytes. */
// @ts-ignore: decorator
@inline
function strip(R: i32, u: usize, ru: usize, v: usize, step: usize, k: i32, m: usize, strips: i32): void {
  for (; strips > 0; strips--) {
    let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
    let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
    let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
    let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
    let c40 = f32x4.splat(0), c41 = f32x4.splat(0);
    let a0 = u, a1 = u + ru, a2 = a1 + ru, a3 = a2 + ru, a4 = a3 + ru;
    let b = v;
    for (let i = k; i > 0; i--) {
      const b0 = v128.load(b), b1 = v128.load(b, 16);
      const x0 = v128.load_splat<f32>(a0);
      c00 = fma<f32>(x0, b0, c00);
      c01 = fma<f32>(x0, b1, c01);
      a0 += 4;
      if (R > 1) {
        const x = v128.load_splat<f32>(a1);
        c10 = fma<f32>(x, b0, c10);
        c11 = fma<f32>(x, b1, c11);
        a1 += 4;
      }
      if (R > 2) {
        const x = v128.load_splat<f32>(a2);
        c20 = fma<f32>(x, b0, c20);
        c21 = fma<f32>(x, b1, c21);
        a2 += 4;
      }
      if (R > 3) {
        const x = v128.load_splat<f32>(a3);
        c30 = fma<f32>(x, b0, c30);
        c31 = fma<f32>(x, b1, c31);
        a3 += 4;
      }
      if (R > 4) {
        const x = v128.load_splat<f32>(a4);
        c40 = fma<f32>(x, b0, c40);
        c41 = fma<f32>(x, b1, c41);
        a4 += 4;
      }
      b += step;
    }
    v128.store(m, c00);
    v128.store(m, c01, 16);
    if (R > 1) {
      v128.store(m + step, c10);
      v128.store(m + step, c11, 16);
    }
    if (R > 2) {
      v128.store(m + 2 * step, c20);
      v128.store(m + 2 * step, c21, 16);
    }
    if (R > 3) {
      v128.store(m + 3 * step, c30);
      v128.store(m + 3 * step, c31, 16);
    }
    if (R > 4) {
      v128.store(m + 4 * step, c40);
      v128.store(m + 4 * step, c41, 16);
    }
    v += 32;
    m += 32;
  }
}

// Out of line for the same reason as the matrix product's tiles.
function s1(u: usize, ru: usize, v: usize, step: usize, k: i32, m: usize, n: i32): void {
  if (k < 0) s1(u, ru, v, step, 0, m, n);
  strip(1, u, ru, v, step, k, m, n);
}
function s2(u: usize, ru: usize, v: usize, step: usize, k: i32, m: usize, n: i32): void {
  if (k < 0) s2(u, ru, v, step, 0, m, n);
  strip(2, u, ru, v, step, k, m, n);
}
function s3(u: usize, ru: usize, v: usize, step: usize, k: i32, m: usize, n: i32): void {
  if (k < 0) s3(u, ru, v, step, 0, m, n);
  strip(3, u, ru, v, step, k, m, n);
}
function s4(u: usize, ru: usize, v: usize, step: usize, k: i32, m: usize, n: i32): void {
  if (k < 0) s4(u, ru, v, step, 0, m, n);
  strip(4, u, ru, v, step, k, m, n);
}
function s5(u: usize, ru: usize, v: usize, step: usize, k: i32, m: usize, n: i32): void {
  if (k < 0) s5(u, ru, v, step, 0, m, n);
  strip(5, u, ru, v, step, k, m, n);
}

/** All 16 products. */
function multiply(u: usize, rows: i32, k: i32, v: usize, stepV: usize, m: usize, stepM: usize, step: usize, strips: i32): void {
  const ru = <usize>k << 2;
  const stepU = kernelStep(rows, k) - <usize>rows * ru;
  for (let f: i32 = 0; f < 16; f++) {
    let to = m;
    for (let o: i32 = 0; o < rows; ) {
      const r = rowsOf(rows - o);
      if (r == 5) s5(u, ru, v, step, k, to, strips);
      else if (r == 4) s4(u, ru, v, step, k, to, strips);
      else if (r == 3) s3(u, ru, v, step, k, to, strips);
      else if (r == 2) s2(u, ru, v, step, k, to, strips);
      else s1(u, ru, v, step, k, to, strips);
      u += <usize>r * ru;
      to += <usize>r * step;
      o += r;
    }
    u += stepU;
    v += stepV;
    m += stepM;
  }
}

/** Bytes of scratch of a call of up to `rows` rows of tiles, for winogradWeight_f32 too. */
export function winogradScratch_f32(desc: usize, rows: i32): usize {
  return scratchBytes(desc, rows);
}

/**
 * y = conv(x, w) + bias by rows of tiles q0..q1-1, counted through all images: image q / ceil(OH / 2). u is what
 * winogradKernel made of w. flags[n + 1] and flags[0] are set where an output of image n is not finite: a map of
 * finite numbers may then have overflowed, or spread an infinity, so that the image wants another way.
 */
export function winograd_f32(
  x: usize, u: usize, bias: usize, y: usize, desc: usize, slots: usize, flags: usize, q0: i32, q1: i32,
): void {
  const c = field(desc, C), h = field(desc, H), w = field(desc, W);
  const oc = field(desc, OC), oh = field(desc, OH), ow = field(desc, OW);
  const rows = (oh + 1) >> 1, cols = (ow + 1) >> 1;
  const together = rowsTogether(q1 - q0, cols, c + oc);
  const widthP = planeCols(cols);
  const pitchP = <usize>widthP << 2;
  const slot = takeScratch(desc, slots);
  const plane = scratchOf(desc, slots, slot);
  const v = (plane + <usize>(2 * together + 2) * pitchP + 63) & ~63;
  for (let q = q0; q < q1; q += together) {
    const count = min(together, q1 - q);
    const tiles = count * cols;
    const pitch = pitchOf(tiles);
    const step = <usize>pitch << 2;
    const stepV = <usize>c * step + 64;
    const stepM = <usize>oc * step + 64;
    const m = v + 16 * stepV;
    for (let k: i32 = 0; k < c; k++) {
      const row = v + <usize>k * step;
      for (let i: i32 = 0; i < count; ) {
        const n = (q + i) / rows;
        const r = (q + i) % rows;
        const some = min(count - i, rows - r);
        const image = x + ((<usize>(n * c + k) * <usize>(h * w)) << 2);
        padImage<f32>(image, 1, h, w, field(desc, PH) - 2 * r, field(desc, PW), 2 * some + 2, widthP, 1, 1, 1, plane);
        dataTiles(plane, pitchP, some, cols, row + (<usize>(i * cols) << 2), stepV);
        i += some;
      }
      for (let f: usize = 0; f < 16; f++) {
        for (let p = row + f * stepV + (<usize>tiles << 2), end = row + f * stepV + step; p < end; p += 4) store<f32>(p, 0);
      }
    }
    // What the last tiles read beyond the last channel must be finite.
    for (let f: usize = 0; f < 16; f++) {
      const products = m + f * stepM;
      v128.store(products + stepM - 64, i32x4.splat(0));
      if ((tiles & 7) == 0 && tiles < pitch) {
        for (let k: i32 = 0; k < oc; k++) v128.store(products + <usize>k * step + (<usize>tiles << 2), i32x4.splat(0));
      }
    }
    multiply(u, oc, c, v, stepV, m, stepM, step, (tiles + 7) >> 3);
    for (let i: i32 = 0; i < count; ) {
      const n = (q + i) / rows;
      const r = (q + i) % rows;
      const some = min(count - i, rows - r);
      let fine: bool = true;
      for (let k: i32 = 0; k < oc; k++) {
        const out = y + ((<usize>(n * oc + k) * <usize>(oh * ow) + <usize>(2 * r * ow)) << 2);
        const b = bias ? load<f32>(bias + (<usize>k << 2)) : <f32>0;
        const from = m + <usize>k * step + (<usize>(i * cols) << 2);
        if (!outputTiles(from, stepM, some, cols, out, oh - 2 * r, ow, b)) fine = false;
      }
      if (!fine) {
        store<i32>(flags, 1);
        store<i32>(flags + (<usize>(n + 1) << 2), 1);
      }
      i += some;
    }
  }
  giveSlot(slots, slot);
}
