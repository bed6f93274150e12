// Matrix product C = alpha A B + beta C (+ bias), blocked over K at a fixed size and tiled in registers.
// Every element is the same chain of operations (k in order, blocks in order) whatever the path, the strides
// or the part of C that a call covers, so splitting M or N among threads changes no bit.
import { lanes } from "./simd";
import { MR, TILE_ROW, rowsOf, sumInto, sumTile } from "./gemmTile";
import { packColumns, packRows } from "./gemmPack";
import { sumDots, sumStrip } from "./gemmVector";
import { writeTile, writeWhole } from "./gemmWrite";
import { giveSlot, slotScratch, takeSlot } from "./slots";

const KC: i32 = 384; // longest sum kept in registers
const NC: i32 = 256; // columns of B packed at a time
const MC: i32 = 80; // rows of A packed at a time

const TILE_BYTES: usize = 256; // one stored tile or strip

/** No bias, bias[j] of length N, bias[i] of length M. */
const BIAS_NONE: i32 = 0;
const BIAS_N: i32 = 1;
const BIAS_M: i32 = 2;

/** Length of the K blocks: as few as KC allows, of nearly equal length. */
// @ts-ignore: decorator
@inline
export function blockOf(K: i32): i32 {
  const blocks = (K + KC - 1) / KC;
  return blocks > 1 ? (K + blocks - 1) / blocks : K;
}

/** The product with any strides on all three matrices; the vector runs along N. */
function product<T>(
  M: i32, N: i32, K: i32, alpha: T, A: usize, rsA: usize, csA: usize, B: usize, rsB: usize, csB: usize,
  beta: T, C: usize, rsC: usize, csC: usize, scratch: usize, bias: usize, biasM: usize, biasN: usize,
): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const tile = scratch;
  const packedA = tile + TILE_BYTES;
  const kb = blockOf(K);
  const packedB = packedA + <usize>(MC * kb) * S;
  let k0: i32 = 0;
  do {
    const kc = min(kb, K - k0);
    const b0: T = k0 == 0 ? beta : 1;
    const bias0: usize = k0 + kc >= K ? bias : 0;
    const plain = csC == S && alpha == 1 && (b0 == 0 || b0 == 1);
    const aBlock = A + <usize>k0 * csA;
    const bBlock = B + <usize>k0 * rsB;
    if (M == 1 && rsB == S && csB != S) {
      for (let j: i32 = 0; j < N; j += 2 * L) {
        const cols = min(2 * L, N - j);
        sumDots<T>(cols, aBlock, csA, bBlock + <usize>j * csB, csB, kc, tile);
        const at = bias0 ? bias0 + <usize>j * biasN : 0;
        writeTile<T>(tile, 0, 1, 0, cols, C + <usize>j * csC, 0, csC, alpha, b0, at, 0, biasN);
      }
      k0 += kb;
      continue;
    }
    for (let j0: i32 = 0; j0 < N; j0 += NC) {
      const nc = min(NC, N - j0);
      const cBlock = C + <usize>j0 * csC;
      const biasBlock = bias0 ? bias0 + <usize>j0 * biasN : 0;
      // Packing B pays once a panel is read by several row tiles and does not sit in the L1 cache anyway.
      const direct = csB == S && nc >= L && (M <= 2 * MR || <usize>(kc * nc) * S <= 16384);
      const bFrom = bBlock + <usize>j0 * csB;
      if (!direct) packColumns<T>(bFrom, rsB, csB, kc, nc, packedB);
      for (let i0: i32 = 0; i0 < M; i0 += MC) {
        const mc = min(MC, M - i0);
        let a = aBlock + <usize>i0 * rsA;
        let ra = rsA;
        let as = csA;
        if (csA != S && nc > 8 * L && kc > 8) {
          packRows<T>(a, rsA, csA, mc, kc, packedA);
          a = packedA;
          ra = <usize>kc * S;
          as = S;
        }
        for (let i: i32 = 0; i < mc; ) {
          const r = rowsOf(mc - i);
          const c = cBlock + <usize>(i0 + i) * rsC;
          const biasRow = biasBlock ? biasBlock + <usize>(i0 + i) * biasM : 0;
          let p = packedB;
          for (let j: i32 = 0; j < nc; ) {
            const left = nc - j;
            let v = left > L ? 2 : 1;
            let skip: i32 = 0;
            let cols = min(left, v * L);
            let bs = <usize>v * 16;
            if (direct) {
              bs = rsB;
              if (r == 1 && left >= 8 * L) {
                cols = 8 * L;
                sumStrip<T>(a, as, bFrom + <usize>j * S, bs, kc, tile);
                v = 0;
              } else if (left < v * L) {
                // Too few columns left: step back over finished ones, or take one vector.
                if (nc >= v * L) skip = v * L - left;
                else {
                  v = 1;
                  cols = L;
                }
              }
              p = bFrom + <usize>(j - skip) * S;
            }
            const at = biasRow ? biasRow + <usize>j * biasN : 0;
            const to = c + <usize>j * csC;
            const full = plain && r == MR && cols == 2 * L && !at;
            if (full && b0 == 0) sumInto<T>(a, ra, as, p, bs, kc, tile, to, rsC);
            else {
              if (v) sumTile<T>(r, v, a, ra, as, p, bs, kc, tile);
              if (full) writeWhole<T>(tile, to, rsC, true, 0);
              else writeTile<T>(tile, TILE_ROW, r, skip, cols, to, rsC, csC, alpha, b0, at, biasM, biasN);
            }
            j += cols;
            p += <usize>kc * bs;
          }
          a += <usize>r * ra;
          i += r;
        }
      }
    }
    k0 += kb;
  } while (k0 < K);
}

/** Chooses which of C and its transpose to compute: the one with a vector dimension to fill, or less to pack. */
// @ts-ignore: decorator
@inline
function gemm<T>(
  M: i32, N: i32, K: i32, alpha: T, A: usize, rsA: i32, csA: i32, B: usize, rsB: i32, csB: i32,
  beta: T, C: usize, rsC: i32, csC: i32, scratch: usize, bias: usize, biasKind: i32,
): void {
  const S = sizeof<T>();
  if (M <= 0 || N <= 0) return;
  if (biasKind == BIAS_NONE) bias = 0;
  const biasM: usize = biasKind == BIAS_M ? S : 0;
  const biasN: usize = biasKind == BIAS_N ? S : 0;
  const rowsA = <usize>rsA * S, colsA = <usize>csA * S, rowsB = <usize>rsB * S, colsB = <usize>csB * S;
  const rowsC = <usize>rsC * S, colsC = <usize>csC * S;
  const narrow = N < 2 * lanes<T>() && M > N;
  const cheaper = csB != 1 && N >= 4 * lanes<T>() && M >= 2 * lanes<T>() && (rsA == 1 || M * 3 < N);
  if (narrow || cheaper) {
    product<T>(N, M, K, alpha, B, colsB, rowsB, A, colsA, rowsA, beta, C, colsC, rowsC, scratch, bias, biasN, biasM);
  } else {
    product<T>(M, N, K, alpha, A, rowsA, colsA, B, rowsB, colsB, beta, C, rowsC, colsC, scratch, bias, biasM, biasN);
  }
}

function scratchBytes<T>(M: i32, N: i32, K: i32): usize {
  const kb = blockOf(K);
  const panels = (min(max(M, N), NC) + 7) & ~7;
  return TILE_BYTES + <usize>(kb * (MC + panels)) * sizeof<T>();
}

/** Bytes of scratch that gemm_f32 needs for an M x N x K product or any part of it. */
export function gemmScratch_f32(M: i32, N: i32, K: i32): usize {
  return scratchBytes<f32>(M, N, K);
}

export function gemmScratch_f64(M: i32, N: i32, K: i32): usize {
  return scratchBytes<f64>(M, N, K);
}

/** C[i, j] = alpha sum_k A[i rsA + k csA] B[k rsB + j csB] + beta C[i ldc + j] + bias (biasKind 1: [j], 2: [i]). */
export function gemm_f32(
  M: i32, N: i32, K: i32, alpha: f32, A: usize, rsA: i32, csA: i32, B: usize, rsB: i32, csB: i32,
  beta: f32, C: usize, ldc: i32, scratch: usize, bias: usize, biasKind: i32,
): void {
  gemm<f32>(M, N, K, alpha, A, rsA, csA, B, rsB, csB, beta, C, ldc, 1, scratch, bias, biasKind);
}

export function gemm_f64(
  M: i32, N: i32, K: i32, alpha: f64, A: usize, rsA: i32, csA: i32, B: usize, rsB: i32, csB: i32,
  beta: f64, C: usize, ldc: i32, scratch: usize, bias: usize, biasKind: i32,
): void {
  gemm<f64>(M, N, K, alpha, A, rsA, csA, B, rsB, csB, beta, C, ldc, 1, scratch, bias, biasKind);
}

/** Bytes of a packed K x N matrix. */
// @ts-ignore: decorator
@inline
export function packedBytes<T>(K: i32, N: i32): usize {
  return (<usize>((N + lanes<T>() - 1) / lanes<T>()) * <usize>K) << 4;
}

/** B[K, N] (element strides) for multiplyPacked: its columns in panels, one block of the sum after the other. */
export function packWeights<T>(B: usize, rsB: i32, csB: i32, K: i32, N: i32, dst: usize): void {
  const S = sizeof<T>();
  const kb = blockOf(K);
  for (let k0: i32 = 0; k0 < K; k0 += kb) {
    packColumns<T>(B + <usize>(k0 * rsB) * S, <usize>rsB * S, <usize>csB * S, min(kb, K - k0), N, dst);
    dst += packedBytes<T>(kb, N);
  }
}

/** C = A B + beta C (+ bias[j]) for contiguous A[M, K] and C[M, N] and packed B: the bits of gemm. */
export function multiplyPacked<T>(
  M: i32, N: i32, K: i32, A: usize, B: usize, beta: T, C: usize, tile: usize, bias: usize,
): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const kb = blockOf(K);
  const ra = <usize>K * S;
  const rc = <usize>N * S;
  for (let k0: i32 = 0; k0 < K; k0 += kb) {
    const kc = min(kb, K - k0);
    const b0: T = k0 == 0 ? beta : 1;
    const bias0: usize = k0 + kc >= K ? bias : 0;
    let p = B;
    for (let j: i32 = 0; j < N; ) {
      const v = N - j > L ? 2 : 1;
      const cols = min(N - j, v * L);
      const bs = <usize>v * 16;
      const at = bias0 ? bias0 + <usize>j * S : 0;
      let a = A + <usize>k0 * S;
      let c = C + <usize>j * S;
      for (let i: i32 = 0; i < M; ) {
        const r = rowsOf(M - i);
        sumTile<T>(r, v, a, ra, S, p, bs, kc, tile);
        writeTile<T>(tile, TILE_ROW, r, 0, cols, c, rc, S, 1, b0, at, 0, S);
        a += <usize>r * ra;
        c += <usize>r * rc;
        i += r;
      }
      p += <usize>kc * bs;
      j += cols;
    }
    B += packedBytes<T>(kb, N);
  }
}

/** One word of a descriptor. */
// @ts-ignore: decorator
@inline
function word(desc: usize, i: i32): i32 {
  return load<i32>(desc + (<usize>i << 2));
}

/**
 * Rows i0..i1-1 and columns j0..j1-1 of a product. desc holds i32s: K, A, rsA, csA, B, rsB, csB, C, ldc, accumulate,
 * bias, biasKind, then the count and the bytes of the scratch slots.
 */
// @ts-ignore: decorator
@inline
function part<T>(desc: usize, slots: usize, i0: i32, i1: i32, j0: i32, j1: i32): void {
  const S = sizeof<T>();
  const rsA = word(desc, 2);
  const csB = word(desc, 6);
  const ldc = word(desc, 8);
  const kind = word(desc, 11);
  const from = kind == BIAS_N ? j0 : i0;
  const count = word(desc, 12);
  const slot = takeSlot(slots, count);
  gemm<T>(
    i1 - i0, j1 - j0, word(desc, 0), 1,
    <usize>word(desc, 1) + <usize>(i0 * rsA) * S, rsA, word(desc, 3),
    <usize>word(desc, 4) + <usize>(j0 * csB) * S, word(desc, 5), csB,
    <T>word(desc, 9), <usize>word(desc, 7) + <usize>(i0 * ldc + j0) * S, ldc, 1,
    slotScratch(slots, count, <usize>word(desc, 13), slot), <usize>word(desc, 10) + <usize>from * S, kind,
  );
  giveSlot(slots, slot);
}

export function gemmPart_f32(desc: usize, slots: usize, i0: i32, i1: i32, j0: i32, j1: i32): void {
  part<f32>(desc, slots, i0, i1, j0, j1);
}

export function gemmPart_f64(desc: usize, slots: usize, i0: i32, i1: i32, j0: i32, j1: i32): void {
  part<f64>(desc, slots, i0, i1, j0, j1);
}

/**
 * Products from..to-1 of a batch of n0 x n1. desc holds i32s: M, N, K, rsA, csA, rsB, csB, rsC, csC, n1, then
 * the batch strides of A, B and C along the outer and the inner batch dimension: a0, a1, b0, b1, c0, c1, and the
 * count and the bytes of the scratch slots.
 */
// @ts-ignore: decorator
@inline
function batched<T>(desc: usize, A: usize, B: usize, C: usize, alpha: T, beta: T, slots: usize, from: i32, to: i32): void {
  const S = sizeof<T>();
  const n1 = word(desc, 9);
  const count = word(desc, 16);
  const slot = takeSlot(slots, count);
  const scratch = slotScratch(slots, count, <usize>word(desc, 17), slot);
  for (let n = from; n < to; n++) {
    const o = <usize>(n / n1);
    const i = <usize>(n % n1);
    gemm<T>(
      word(desc, 0), word(desc, 1), word(desc, 2), alpha,
      A + (o * load<u32>(desc, 40) + i * load<u32>(desc, 44)) * S, word(desc, 3), word(desc, 4),
      B + (o * load<u32>(desc, 48) + i * load<u32>(desc, 52)) * S, word(desc, 5), word(desc, 6),
      beta, C + (o * load<u32>(desc, 56) + i * load<u32>(desc, 60)) * S, word(desc, 7), word(desc, 8),
      scratch, 0, BIAS_NONE,
    );
  }
  giveSlot(slots, slot);
}

export function gemmBatched_f32(
  desc: usize, A: usize, B: usize, C: usize, alpha: f32, beta: f32, slots: usize, from: i32, to: i32,
): void {
  batched<f32>(desc, A, B, C, alpha, beta, slots, from, to);
}

export function gemmBatched_f64(
  desc: usize, A: usize, B: usize, C: usize, alpha: f64, beta: f64, slots: usize, from: i32, to: i32,
): void {
  batched<f64>(desc, A, B, C, alpha, beta, slots, from, to);
}
