// 2-d convolution's weight and bias gradients: sums over images and pixels.
// gw[o, k] = sum over n, pixels of g[n, o, pixel] * (input of the pixel through tap k). The vector runs along the
// pixels of a row, 4 taps by 2 output channels at a time (5 by 2 would spill), so neither the gradient nor the
// image is rearranged.
import { fma, lanes } from "./simd";
import {
  C, GROUPS, H, KH, KW, OC, OH, OW, SH, SW, W,
  field, isInside, isPointwise, padSource, phasesOf, rowStep, sourceBytes, sourceCols, sourceRows, sourceTaps,
} from "./convSource";

const HEAD: usize = 16; // the tail mask
const CHUNK: i32 = 2048; // pixels summed in registers before they are added to gw
const CACHED: i32 = 262144; // bytes of padded images worked on together

// @ts-ignore: decorator
@inline
function laneSum<T>(a: v128): T {
  if (sizeof<T>() == 4) {
    const s = f32x4.extract_lane(a, 0) + f32x4.extract_lane(a, 1);
    return (s + (f32x4.extract_lane(a, 2) + f32x4.extract_lane(a, 3))) as T;
  }
  return (f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1)) as T;
}

/** Adds the lanes of a vector of sums to gw[0]. */
// @ts-ignore: decorator
@inline
function flush<T>(gw: usize, sums: v128): void {
  store<T>(gw, <T>(load<T>(gw) + laneSum<T>(sums)));
}

/**
 * gw[o, r] += sum over images, rows, columns of g[o, ...] x[taps[r], ...]; steps in bytes. Each row is `steps`
 * vectors and, where its length is no multiple, a last vector `back` bytes earlier, masked.
 */
// @ts-ignore: decorator
@inline
function tile<T>(
  R: i32, O: i32, x: usize, taps: usize, stepX: usize, imageX: usize, g: usize, stepO: usize, stepG: usize, imageG: usize,
  images: i32, rows: i32, steps: i32, tail: usize, mask: usize, gw: usize, stepW: usize,
): void {
  let c00 = i32x4.splat(0), c01 = i32x4.splat(0);
  let c10 = i32x4.splat(0), c11 = i32x4.splat(0);
  let c20 = i32x4.splat(0), c21 = i32x4.splat(0);
  let c30 = i32x4.splat(0), c31 = i32x4.splat(0);
  let x0 = x + load<u32>(taps);
  let x1 = R > 1 ? x + load<u32>(taps, 4) : x0;
  let x2 = R > 2 ? x + load<u32>(taps, 8) : x0;
  let x3 = R > 3 ? x + load<u32>(taps, 12) : x0;
  const whole = <usize>steps << 4;
  const rest = stepX - whole + (mask ? tail : 0); // from the end of one row to the next, in x and in g
  const restG = stepG - whole + (mask ? tail : 0);
  const restX = imageX - <usize>rows * stepX;
  const restImage = imageG - <usize>rows * stepG;
  let h = g + stepO;
  for (; images > 0; images--) {
    for (let i = rows; i > 0; i--) {
      for (const end = g + whole; g != end; g += 16) {
        const g0 = v128.load(g);
        const g1 = O > 1 ? v128.load(h) : g0;
        const u = v128.load(x0);
        c00 = fma<T>(u, g0, c00);
        if (O > 1) c01 = fma<T>(u, g1, c01);
        x0 += 16;
        if (R > 1) {
          const v = v128.load(x1);
          c10 = fma<T>(v, g0, c10);
          if (O > 1) c11 = fma<T>(v, g1, c11);
          x1 += 16;
        }
        if (R > 2) {
          const v = v128.load(x2);
          c20 = fma<T>(v, g0, c20);
          if (O > 1) c21 = fma<T>(v, g1, c21);
          x2 += 16;
        }
        if (R > 3) {
          const v = v128.load(x3);
          c30 = fma<T>(v, g0, c30);
          if (O > 1) c31 = fma<T>(v, g1, c31);
          x3 += 16;
        }
        if (O > 1) h += 16;
      }
      if (mask) {
        const keep = v128.load(mask);
        g -= tail;
        h -= tail;
        x0 -= tail;
        if (R > 1) x1 -= tail;
        if (R > 2) x2 -= tail;
        if (R > 3) x3 -= tail;
        const g0 = v128.and(v128.load(g), keep);
        const g1 = O > 1 ? v128.and(v128.load(h), keep) : g0;
        const u = v128.and(v128.load(x0), keep);
        c00 = fma<T>(u, g0, c00);
        if (O > 1) c01 = fma<T>(u, g1, c01);
        if (R > 1) {
          const v = v128.and(v128.load(x1), keep);
          c10 = fma<T>(v, g0, c10);
          if (O > 1) c11 = fma<T>(v, g1, c11);
        }
        if (R > 2) {
          const v = v128.and(v128.load(x2), keep);
          c20 = fma<T>(v, g0, c20);
          if (O > 1) c21 = fma<T>(v, g1, c21);
        }
        if (R > 3) {
          const v = v128.and(v128.load(x3), keep);
          c30 = fma<T>(v, g0, c30);
          if (O > 1) c31 = fma<T>(v, g1, c31);
        }
      }
      g += restG;
      h += restG;
      x0 += rest;
      if (R > 1) x1 += rest;
      if (R > 2) x2 += rest;
      if (R > 3) x3 += rest;
    }
    g += restImage;
    h += restImage;
    x0 += restX;
    if (R > 1) x1 += restX;
    if (R > 2) x2 += restX;
    if (R > 3) x3 += restX;
  }
  flush<T>(gw, c00);
  if (O > 1) flush<T>(gw + stepW, c01);
  if (R > 1) flush<T>(gw + 1 * sizeof<T>(), c10);
  if (R > 1 && O > 1) flush<T>(gw + stepW + 1 * sizeof<T>(), c11);
  if (R > 2) flush<T>(gw + 2 * sizeof<T>(), c20);
  if (R > 2 && O > 1) flush<T>(gw + stepW + 2 * sizeof<T>(), c21);
  if (R > 3) flush<T>(gw + 3 * sizeof<T>(), c30);
  if (R > 3 && O > 1) flush<T>(gw + stepW + 3 * sizeof<T>(), c31);
}

// Out of line for the same reason as the matrix product's tiles.
function t11<T>(
  x: usize, p: usize, sx: usize, ix: usize, g: usize, so: usize, sg: usize, ig: usize, n: i32, h: i32, s: i32,
  t: usize, m: usize, gw: usize, sw: usize,
): void {
  if (n < 0) t11<T>(x, p, sx, ix, g, so, sg, ig, 0, h, s, t, m, gw, sw);
  tile<T>(1, 1, x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
}
function t12<T>(
  x: usize, p: usize, sx: usize, ix: usize, g: usize, so: usize, sg: usize, ig: usize, n: i32, h: i32, s: i32,
  t: usize, m: usize, gw: usize, sw: usize,
): void {
  if (n < 0) t12<T>(x, p, sx, ix, g, so, sg, ig, 0, h, s, t, m, gw, sw);
  tile<T>(1, 2, x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
}
function t21<T>(
  x: usize, p: usize, sx: usize, ix: usize, g: usize, so: usize, sg: usize, ig: usize, n: i32, h: i32, s: i32,
  t: usize, m: usize, gw: usize, sw: usize,
): void {
  if (n < 0) t21<T>(x, p, sx, ix, g, so, sg, ig, 0, h, s, t, m, gw, sw);
  tile<T>(2, 1, x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
}
function t22<T>(
  x: usize, p: usize, sx: usize, ix: usize, g: usize, so: usize, sg: usize, ig: usize, n: i32, h: i32, s: i32,
  t: usize, m: usize, gw: usize, sw: usize,
): void {
  if (n < 0) t22<T>(x, p, sx, ix, g, so, sg, ig, 0, h, s, t, m, gw, sw);
  tile<T>(2, 2, x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
}
function t31<T>(
  x: usize, p: usize, sx: usize, ix: usize, g: usize, so: usize, sg: usize, ig: usize, n: i32, h: i32, s: i32,
  t: usize, m: usize, gw: usize, sw: usize,
): void {
  if (n < 0) t31<T>(x, p, sx, ix, g, so, sg, ig, 0, h, s, t, m, gw, sw);
  tile<T>(3, 1, x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
}
function t32<T>(
  x: usize, p: usize, sx: usize, ix: usize, g: usize, so: usize, sg: usize, ig: usize, n: i32, h: i32, s: i32,
  t: usize, m: usize, gw: usize, sw: usize,
): void {
  if (n < 0) t32<T>(x, p, sx, ix, g, so, sg, ig, 0, h, s, t, m, gw, sw);
  tile<T>(3, 2, x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
}
function t41<T>(
  x: usize, p: usize, sx: usize, ix: usize, g: usize, so: usize, sg: usize, ig: usize, n: i32, h: i32, s: i32,
  t: usize, m: usize, gw: usize, sw: usize,
): void {
  if (n < 0) t41<T>(x, p, sx, ix, g, so, sg, ig, 0, h, s, t, m, gw, sw);
  tile<T>(4, 1, x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
}
function t42<T>(
  x: usize, p: usize, sx: usize, ix: usize, g: usize, so: usize, sg: usize, ig: usize, n: i32, h: i32, s: i32,
  t: usize, m: usize, gw: usize, sw: usize,
): void {
  if (n < 0) t42<T>(x, p, sx, ix, g, so, sg, ig, 0, h, s, t, m, gw, sw);
  tile<T>(4, 2, x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
}

function sumTaps<T>(
  r: i32, o: i32, x: usize, p: usize, sx: usize, ix: usize, g: usize, so: usize, sg: usize, ig: usize, n: i32, h: i32, s: i32,
  t: usize, m: usize, gw: usize, sw: usize,
): void {
  if (o == 2) {
    if (r == 4) t42<T>(x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
    else if (r == 3) t32<T>(x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
    else if (r == 2) t22<T>(x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
    else t12<T>(x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
  } else {
    if (r == 4) t41<T>(x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
    else if (r == 3) t31<T>(x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
    else if (r == 2) t21<T>(x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
    else t11<T>(x, p, sx, ix, g, so, sg, ig, n, h, s, t, m, gw, sw);
  }
}

// @ts-ignore: decorator
@inline
function isFlat<T>(desc: usize): bool {
  return isPointwise(desc) && field(desc, OH) * field(desc, OW) >= lanes<T>();
}

// @ts-ignore: decorator
@inline
function isPlain<T>(desc: usize): bool {
  return isFlat<T>(desc) || (isInside(desc) && field(desc, SW) == 1);
}

/** Outputs of one row, as the kernel sees rows. */
// @ts-ignore: decorator
@inline
function rowLength<T>(desc: usize): i32 {
  return isFlat<T>(desc) ? field(desc, OH) * field(desc, OW) : field(desc, OW);
}

/** How many images are padded and summed together: a fixed number for a problem, so that its bits are. */
// @ts-ignore: decorator
@inline
function imagesTogether<T>(desc: usize): i32 {
  const pixels = field(desc, OH) * field(desc, OW);
  const bytes = <i32>min<usize>(sourceBytes<T>(desc, max(rowLength<T>(desc), lanes<T>())), CACHED);
  return max(1, min(CACHED / bytes, CHUNK / pixels));
}

// @ts-ignore: decorator
@inline
function tapBytes(desc: usize): usize {
  return (<usize>(field(desc, C) / field(desc, GROUPS) * field(desc, KH) * field(desc, KW)) * 4 + 15) & ~15;
}

/** Rows o0..o1-1 of gw from images n0..n1-1, added to what is there when `accumulate`. */
function gradWeight<T>(
  x: usize, g: usize, gw: usize, desc: usize, scratch: usize, n0: i32, n1: i32, o0: i32, o1: i32, accumulate: i32,
): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const groups = field(desc, GROUPS);
  const channels = field(desc, C) / groups;
  const perGroup = field(desc, OC) / groups;
  const K = channels * field(desc, KH) * field(desc, KW);
  const rowW = <usize>K * S;
  const pixels = field(desc, OH) * field(desc, OW);
  const flat = isFlat<T>(desc);
  const length = rowLength<T>(desc);
  const short = length < L; // rows of less than a vector are widened, with zeros in the gradient
  const wide = max(length, L);
  const outRows = flat ? 1 : field(desc, OH);
  const plain = isPlain<T>(desc) && !short;
  const planeX = field(desc, H) * field(desc, W);
  const rows = plain ? field(desc, H) : flat ? 1 : sourceRows(desc);
  const cols = plain ? field(desc, W) : sourceCols(desc, wide);
  const phases = plain ? 1 : phasesOf(desc);
  const stepX = <usize>((plain ? field(desc, SH) : rowStep(desc)) * cols) * S;
  const together = imagesTogether<T>(desc);
  const imageX = <usize>(plain ? field(desc, C) * planeX : channels * phases * rows * cols) * S;
  const taps = scratch + HEAD;
  const padded = taps + tapBytes(desc);
  const widened = padded + <usize>together * sourceBytes<T>(desc, wide);
  sourceTaps<T>(desc, rows, cols, phases, taps);
  // Lanes of a row's last vector that no earlier vector has covered.
  const over = short ? length : wide % L;
  const mask: usize = over ? scratch : 0;
  for (let l: i32 = 0; l < L; l++) {
    const keep = short ? l < length : l >= L - over;
    if (S == 4) store<i32>(scratch + (<usize>l << 2), keep ? -1 : 0);
    else store<i64>(scratch + (<usize>l << 3), keep ? -1 : 0);
  }
  const steps = short ? 0 : length / L;
  const tail: usize = short ? 0 : <usize>(L - over) * S;
  const planeG = <usize>pixels * S;
  const stepO = short ? <usize>(outRows * L) * S : planeG;
  const stepG = <usize>wide * S;
  const chunk = max(1, CHUNK / length);
  if (!accumulate) {
    for (let p = gw + <usize>o0 * rowW, end = gw + <usize>o1 * rowW; p < end; p += S) store<T>(p, 0);
  }
  for (let n = n0; n < n1; n += together) {
    const images = min(together, n1 - n);
    for (let o = o0; o < o1; ) {
      const group = o / perGroup;
      const end = min(o1, (group + 1) * perGroup);
      let source = x + (<usize>n * <usize>field(desc, C) + <usize>(group * channels)) * <usize>planeX * S;
      if (!plain) {
        for (let i: i32 = 0; i < images; i++) {
          const image = source + <usize>i * <usize>(field(desc, C) * planeX) * S;
          padSource<T>(desc, image, wide, padded + <usize>i * imageX);
        }
        source = padded;
      }
      for (; o < end; ) {
        const pair = min(2, end - o);
        let from = g + (<usize>n * <usize>field(desc, OC) + <usize>o) * planeG;
        let imageG = <usize>field(desc, OC) * planeG;
        if (short) {
          let d = widened;
          for (let i: i32 = 0; i < images; i++) {
            for (let r: i32 = 0; r < pair * outRows; r++) {
              const s = from + <usize>i * imageG + <usize>(r * length) * S;
              for (let l: i32 = 0; l < L; l++) {
                store<T>(d, l < length ? load<T>(s + <usize>l * S) : <T>0);
                d += S;
              }
            }
          }
          from = widened;
          imageG = <usize>(pair * outRows * L) * S;
        }
        for (let i: i32 = 0; i < outRows; i += chunk) {
          const h = min(chunk, outRows - i);
          for (let k: i32 = 0; k < K; ) {
            const left = K - k;
            const r = left > 6 || left == 4 ? 4 : min(3, left); // a lone tap only where K is 1
            sumTaps<T>(
              r, pair, source + <usize>i * stepX, taps + (<usize>k << 2), stepX, imageX,
              from + <usize>i * stepG, stepO, stepG, imageG, images, h, steps, tail, mask,
              gw + <usize>o * rowW + <usize>k * S, rowW,
            );
            k += r;
          }
        }
        o += pair;
      }
    }
  }
}

/** gb[c] = sum over images and pixels of g[n, c, pixel], for channels c0..c1-1: in float64, of float32 by sums of four. */
function gradBias<T>(g: usize, gb: usize, N: i32, channels: i32, pixels: i32, c0: i32, c1: i32): void {
  const S = sizeof<T>();
  for (let c = c0; c < c1; c++) {
    let s0 = f64x2.splat(0), s1 = f64x2.splat(0);
    let rest: f64 = 0;
    for (let n: i32 = 0; n < N; n++) {
      let p = g + (<usize>n * <usize>channels + <usize>c) * <usize>pixels * S;
      let i: i32 = 0;
      if (S == 4) {
        for (; i + 16 <= pixels; i += 16) {
          const v = f32x4.add(
            f32x4.add(v128.load(p), v128.load(p, 16)), f32x4.add(v128.load(p, 32), v128.load(p, 48)),
          );
          s0 = f64x2.add(s0, f64x2.promote_low_f32x4(v));
          s1 = f64x2.add(s1, f64x2.promote_low_f32x4(v128.shuffle<f64>(v, v, 1, 0)));
          p += 64;
        }
      }
      for (; i + 4 <= pixels; i += 4) {
        if (S == 4) {
          const v = v128.load(p);
          s0 = f64x2.add(s0, f64x2.promote_low_f32x4(v));
          s1 = f64x2.add(s1, f64x2.promote_low_f32x4(v128.shuffle<f64>(v, v, 1, 0)));
        } else {
          s0 = f64x2.add(s0, v128.load(p));
          s1 = f64x2.add(s1, v128.load(p, 16));
        }
        p += 4 * S;
      }
      for (; i < pixels; i++) {
        rest += <f64>load<T>(p);
        p += S;
      }
    }
    const s = f64x2.add(s0, s1);
    store<T>(gb + <usize>c * S, <T>(f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1) + rest));
  }
}

function scratchBytes<T>(desc: usize): i32 {
  const images = <usize>imagesTogether<T>(desc);
  const wide = max(rowLength<T>(desc), lanes<T>());
  const widened = rowLength<T>(desc) < lanes<T>() ? images * <usize>(2 * field(desc, OH)) * 16 : 0;
  return <i32>(HEAD + tapBytes(desc) + images * sourceBytes<T>(desc, wide) + widened);
}

/** Bytes of scratch for convGradWeight_f32, any range of images and channels. */
export function convGradWeightScratch_f32(desc: usize): i32 {
  return scratchBytes<f32>(desc);
}

export function convGradWeightScratch_f64(desc: usize): i32 {
  return scratchBytes<f64>(desc);
}

/** gw[o0..o1) = (accumulate ? gw : 0) + the sum over images n0..n1-1. The sum's bits depend on n0 and n1. */
export function convGradWeight_f32(
  x: usize, g: usize, gw: usize, desc: usize, scratch: usize, n0: i32, n1: i32, o0: i32, o1: i32, accumulate: i32,
): void {
  gradWeight<f32>(x, g, gw, desc, scratch, n0, n1, o0, o1, accumulate);
}

export function convGradWeight_f64(
  x: usize, g: usize, gw: usize, desc: usize, scratch: usize, n0: i32, n1: i32, o0: i32, o1: i32, accumulate: i32,
): void {
  gradWeight<f64>(x, g, gw, desc, scratch, n0, n1, o0, o1, accumulate);
}

export function convGradBias_f32(g: usize, gb: usize, N: i32, channels: i32, pixels: i32, c0: i32, c1: i32): void {
  gradBias<f32>(g, gb, N, channels, pixels, c0, c1);
}

export function convGradBias_f64(g: usize, gb: usize, N: i32, channels: i32, pixels: i32, c0: i32, c1: i32): void {
  gradBias<f64>(g, gb, N, channels, pixels, c0, c1);
}
