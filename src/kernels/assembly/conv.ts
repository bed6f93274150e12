// 2-d convolution forward and its input gradient (which is the transposed convolution's forward).
// Both are products of a weight matrix with shifted copies of an image: the register tiles of the matrix
// product read the padded image through a table of taps, so no column matrix is ever built.
import { lanes } from "./simd";
import { blockOf } from "./gemm";
import { TILE_ROW, rowsOf } from "./gemmTile";
import { writeTile } from "./gemmWrite";
import { packWeights, sumRowWide, sumRows, sumTaps, sumTapsWide } from "./convTile";
import {
  C, DH, DW, GROUPS, H, KH, KW, OC, OH, OW, PH, PW, SH, SW, W,
  ceilDiv, field, isInside, isPointwise, padImage, padSource, phasesOf, rowStep, sourceBytes, sourceCols, sourceRows, sourceTaps,
} from "./convSource";

const TILE_BYTES: usize = 256;
const PACKED_BYTES: usize = 131072; // of weights, beside which the image still fits the cache
const PACKED_PIXELS: i32 = 128; // fewest outputs that make up for putting the weights in order

/** Whether M x K weights are put in the order in which rows of outputs read them. */
// @ts-ignore: decorator
@inline
function packs<T>(M: i32, K: i32): bool {
  return <usize>(M * (K + 1)) * sizeof<T>() <= PACKED_BYTES;
}

// @ts-ignore: decorator
@inline
function align(bytes: usize): usize {
  return (bytes + 15) & ~15;
}

/**
 * y[m, i, j] = sum over k of a[m, k] * (input at source + i step + j, tap k) + bias[m], for M channels and a
 * rows x cols image. Steps of y in bytes. `exact`: do not read past the last column of a row. `packed`: room for few
 * enough weights, with the biases, in another order (see packs).
 */
function sweep<T>(
  a: usize, M: i32, K: i32, taps: usize, source: usize, step: usize, rows: i32, cols: i32,
  y: usize, channelY: usize, rowY: usize, colY: usize, bias: usize, tile: usize, exact: bool,
  packed: usize,
): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const kb = blockOf(K);
  if (K > kb || colY != S || rows * cols < PACKED_PIXELS || !packs<T>(M, K)) packed = 0;
  if (packed) packWeights<T>(a, bias, M, K, packed);
  const ra = <usize>K * S;
  let k0: i32 = 0;
  do {
    const kc = min(kb, K - k0);
    const beta: T = k0 == 0 ? 0 : 1;
    const biasNow: usize = k0 + kc >= K ? bias : 0;
    const ak = a + <usize>k0 * S;
    const tk = taps + (<usize>k0 << 2);
    for (let i: i32 = 0; i < rows; i++) {
      const from = source + <usize>i * step;
      const to = y + <usize>i * rowY;
      for (let m: i32 = 0; m < M; ) {
        const r = rowsOf(M - m);
        const am = ak + <usize>m * ra;
        const ym = to + <usize>m * channelY;
        const bm = biasNow ? biasNow + <usize>m * S : 0;
        let j: i32 = 0;
        if (packed && cols >= 2 * L) {
          const am = packed + <usize>m * (ra + S);
          const width = r == 1 && cols >= 4 * L ? 4 * L : 2 * L;
          const whole = cols / width;
          const back = <usize>(cols - width) * S; // the last columns, some of them again
          const rest = whole * width < cols;
          if (width == 2 * L) {
            sumRows<T>(r, am, from, tk, K, ym, channelY, whole);
            if (rest) sumRows<T>(r, am, from + back, tk, K, ym + back, channelY, 1);
          } else {
            sumRowWide<T>(am, from, tk, K, ym, whole);
            if (rest) sumRowWide<T>(am, from + back, tk, K, ym + back, 1);
          }
          j = cols;
        }
        for (; j < cols; ) {
          const left = cols - j;
          const v = r == 1 && left >= 4 * L ? 4 : left > L ? 2 : 1;
          const n = min(left, v * L);
          const skip = exact ? v * L - n : 0;
          const at = from + <usize>(j - skip) * S;
          if (v == 4) sumTapsWide<T>(am, at, tk, kc, tile);
          else sumTaps<T>(r, v, am, ra, at, tk, kc, tile);
          writeTile<T>(tile, TILE_ROW, r, skip, n, ym + <usize>j * colY, channelY, colY, 1, beta, bm, S, 0);
          j += n;
        }
        m += r;
      }
    }
    k0 += kb;
  } while (k0 < K);
}

/** Output channels o0..o1-1 of images n0..n1-1 of y = conv(x, w) + bias. */
// @ts-ignore: decorator
@inline
function forward<T>(
  x: usize, w: usize, bias: usize, y: usize, desc: usize, scratch: usize, n0: i32, n1: i32, o0: i32, o1: i32,
): void {
  const S = sizeof<T>();
  const groups = field(desc, GROUPS);
  const channels = field(desc, C) / groups;
  const perGroup = field(desc, OC) / groups;
  const K = channels * field(desc, KH) * field(desc, KW);
  const pixels = field(desc, OH) * field(desc, OW);
  const planeX = field(desc, H) * field(desc, W);
  const flat = isPointwise(desc) && pixels >= 2 * lanes<T>();
  const outRows = flat ? 1 : field(desc, OH);
  const outCols = flat ? pixels : field(desc, OW);
  const plain = flat || (isInside(desc) && field(desc, SW) == 1 && outCols >= 2 * lanes<T>());
  const rows = plain ? field(desc, H) : sourceRows(desc);
  const cols = plain ? field(desc, W) : sourceCols(desc, outCols);
  const step = <usize>((plain ? field(desc, SH) : rowStep(desc)) * cols) * S;
  const taps = scratch + TILE_BYTES;
  const packed = taps + align(<usize>K << 2);
  const padded = packed + PACKED_BYTES;
  sourceTaps<T>(desc, rows, cols, plain ? 1 : phasesOf(desc), taps);
  const channelY = <usize>pixels * S;
  for (let n = n0; n < n1; n++) {
    const xn = x + <usize>n * <usize>(field(desc, C) * planeX) * S;
    const yn = y + <usize>n * <usize>(field(desc, OC) * pixels) * S;
    for (let o = o0; o < o1; ) {
      const g = o / perGroup;
      const end = min(o1, (g + 1) * perGroup);
      const image = xn + <usize>g * <usize>(channels * planeX) * S;
      if (!plain) padSource<T>(desc, image, outCols, padded);
      sweep<T>(
        w + <usize>o * <usize>K * S, end - o, K, taps, plain ? image : padded, step, outRows, outCols,
        yn + <usize>o * channelY, channelY, <usize>outCols * S, S, bias ? bias + <usize>o * S : 0, scratch, plain,
        packed,
      );
      o = end;
    }
  }
}

// Input gradient. With h' = h + padH = hq strideH + p (0 <= p < strideH), input row h meets output row oh
// through tap kh when oh strideH + kh dilationH = h', so for each p only taps with kh dilationH = p (mod strideH)
// matter, and oh = hq - (kh dilationH - p) / strideH: a convolution of stride 1 over the gradient, for each p.

/** Largest shift of a gradient row (or column) against hq. */
// @ts-ignore: decorator
@inline
function maxShift(kernel: i32, dilation: i32, stride: i32): i32 {
  return ((kernel - 1) * dilation) / stride;
}

/** Taps of the phases (p, q): their number, and with `a` also the weights a[c, (o, kh, kw)] and the offsets. */
function phaseTaps<T>(
  desc: usize, p: i32, q: i32, rows: i32, cols: i32, w: usize, c0: i32, c1: i32, a: usize, taps: usize,
): i32 {
  const kh = field(desc, KH), kw = field(desc, KW);
  const sh = field(desc, SH), sw = field(desc, SW), dh = field(desc, DH), dw = field(desc, DW);
  const channels = field(desc, C) / field(desc, GROUPS);
  const perGroup = field(desc, OC) / field(desc, GROUPS);
  const top = maxShift(kh, dh, sh), left = maxShift(kw, dw, sw);
  let count: i32 = 0;
  for (let i: i32 = 0; i < kh; i++) {
    if ((i * dh) % sh != p) continue;
    for (let j: i32 = 0; j < kw; j++) if ((j * dw) % sw == q) count++;
  }
  const K = perGroup * count;
  let k: i32 = 0;
  for (let o: i32 = 0; o < perGroup; o++) {
    for (let i: i32 = 0; i < kh; i++) {
      if ((i * dh) % sh != p) continue;
      for (let j: i32 = 0; j < kw; j++) {
        if ((j * dw) % sw != q) continue;
        const at = (o * rows + top - (i * dh - p) / sh) * cols + left - (j * dw - q) / sw;
        store<u32>(taps + (<usize>k << 2), <u32>at * <u32>sizeof<T>());
        let from = w + <usize>(((o * channels + c0) * kh + i) * kw + j) * sizeof<T>();
        let to = a + <usize>k * sizeof<T>();
        for (let c = c0; c < c1; c++) {
          store<T>(to, load<T>(from));
          from += <usize>(kh * kw) * sizeof<T>();
          to += <usize>K * sizeof<T>();
        }
        k++;
      }
    }
  }
  return K;
}

/** Bytes for the padded gradient of one group. */
// @ts-ignore: decorator
@inline
function gradRows(desc: usize): i32 {
  const sh = field(desc, SH), ph = field(desc, PH);
  return (field(desc, H) - 1 + ph) / sh - ph / sh + 1 + maxShift(field(desc, KH), field(desc, DH), sh);
}

// @ts-ignore: decorator
@inline
function gradCols(desc: usize): i32 {
  const sw = field(desc, SW), pw = field(desc, PW);
  return (field(desc, W) - 1 + pw) / sw - pw / sw + 1 + maxShift(field(desc, KW), field(desc, DW), sw);
}

/** Input channels c0..c1-1 of images n0..n1-1 of x = transposed conv(g, w) + bias. */
// @ts-ignore: decorator
@inline
function gradInput<T>(
  g: usize, w: usize, bias: usize, x: usize, desc: usize, scratch: usize, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  const S = sizeof<T>();
  const groups = field(desc, GROUPS);
  const channels = field(desc, C) / groups;
  const perGroup = field(desc, OC) / groups;
  const sh = field(desc, SH), sw = field(desc, SW), ph = field(desc, PH), pw = field(desc, PW);
  const height = field(desc, H), width = field(desc, W);
  const kernel = field(desc, KH) * field(desc, KW);
  const pixels = field(desc, OH) * field(desc, OW);
  const plain = isPointwise(desc) && pixels >= 2 * lanes<T>();
  const rows = plain ? 1 : gradRows(desc);
  const cols = plain ? pixels : gradCols(desc);
  const low = ph / sh, lowCol = pw / sw;
  const taps = scratch + TILE_BYTES;
  const weights = taps + align(<usize>(perGroup * kernel) << 2) + 16;
  const packed = weights + align(<usize>(channels * perGroup * kernel) * S) + 16;
  const padded = packed + PACKED_BYTES;
  const planeX = <usize>(height * width) * S;
  for (let c = c0; c < c1; ) {
    const group = c / channels;
    const end = min(c1, (group + 1) * channels);
    const wg = w + <usize>group * <usize>(perGroup * channels * kernel) * S;
    // The phases' weights and taps lie one after another; together they are the group's weights once.
    let a = weights;
    let t = taps;
    for (let p: i32 = 0; p < sh; p++) {
      for (let q: i32 = 0; q < sw; q++) {
        const K = phaseTaps<T>(desc, p, q, rows, cols, wg, c - group * channels, end - group * channels, a, t);
        a += <usize>(K * (end - c)) * S;
        t += <usize>K << 2;
      }
    }
    for (let n = n0; n < n1; n++) {
      const gn = g + (<usize>n * <usize>field(desc, OC) + <usize>(group * perGroup)) * <usize>pixels * S;
      const xn = x + (<usize>n * <usize>field(desc, C) + <usize>c) * planeX;
      if (!plain) {
        const top = maxShift(field(desc, KH), field(desc, DH), sh) - low;
        const left = maxShift(field(desc, KW), field(desc, DW), sw) - lowCol;
        padImage<T>(gn, perGroup, field(desc, OH), field(desc, OW), top, left, rows, cols, 1, 1, 1, padded);
      }
      a = weights;
      t = taps;
      for (let p: i32 = 0; p < sh; p++) {
        let countH: i32 = 0;
        for (let i: i32 = 0; i < field(desc, KH); i++) if ((i * field(desc, DH)) % sh == p) countH++;
        const hq = ceilDiv(ph - p, sh);
        const nh = max((height - 1 + ph - p + sh) / sh - hq, 0);
        for (let q: i32 = 0; q < sw; q++) {
          let countW: i32 = 0;
          for (let j: i32 = 0; j < field(desc, KW); j++) if ((j * field(desc, DW)) % sw == q) countW++;
          const K = perGroup * countH * countW;
          const wq = ceilDiv(pw - q, sw);
          const nw = max((width - 1 + pw - q + sw) / sw - wq, 0);
          const first = <usize>((hq * sh + p - ph) * width + wq * sw + q - pw) * S;
          const source = plain ? gn : padded + <usize>((hq - low) * cols + wq - lowCol) * S;
          sweep<T>(
            a, end - c, K, t, source, <usize>cols * S, plain ? 1 : nh, plain ? pixels : nw, xn + first, planeX,
            <usize>(sh * width) * S, <usize>sw * S, bias ? bias + <usize>c * S : 0, scratch, plain,
            packed,
          );
          a += <usize>(K * (end - c)) * S;
          t += <usize>K << 2;
        }
      }
    }
    c = end;
  }
}

function scratchBytes<T>(desc: usize): i32 {
  const groups = field(desc, GROUPS);
  const channels = field(desc, C) / groups, perGroup = field(desc, OC) / groups;
  const kernel = field(desc, KH) * field(desc, KW);
  const cols = isPointwise(desc) ? field(desc, OH) * field(desc, OW) : field(desc, OW);
  const ahead = TILE_BYTES + align(<usize>(channels * kernel) << 2) + sourceBytes<T>(desc, cols);
  const back = TILE_BYTES + align(<usize>(perGroup * kernel) << 2) + 64 +
    align(<usize>(channels * perGroup * kernel) * sizeof<T>()) +
    <usize>(perGroup * gradRows(desc) * gradCols(desc) + 4 * lanes<T>()) * sizeof<T>();
  return <i32>(max(ahead, back) + PACKED_BYTES);
}

/** Bytes of scratch for conv_f32 and convGradInput_f32, any range of images and channels. */
export function convScratch_f32(desc: usize): i32 {
  return scratchBytes<f32>(desc);
}

export function convScratch_f64(desc: usize): i32 {
  return scratchBytes<f64>(desc);
}

export function conv_f32(
  x: usize, w: usize, bias: usize, y: usize, desc: usize, scratch: usize, n0: i32, n1: i32, o0: i32, o1: i32,
): void {
  forward<f32>(x, w, bias, y, desc, scratch, n0, n1, o0, o1);
}

export function conv_f64(
  x: usize, w: usize, bias: usize, y: usize, desc: usize, scratch: usize, n0: i32, n1: i32, o0: i32, o1: i32,
): void {
  forward<f64>(x, w, bias, y, desc, scratch, n0, n1, o0, o1);
}

export function convGradInput_f32(
  g: usize, w: usize, bias: usize, x: usize, desc: usize, scratch: usize, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  gradInput<f32>(g, w, bias, x, desc, scratch, n0, n1, c0, c1);
}

export function convGradInput_f64(
  g: usize, w: usize, bias: usize, x: usize, desc: usize, scratch: usize, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  gradInput<f64>(g, w, bias, x, desc, scratch, n0, n1, c0, c1);
}
