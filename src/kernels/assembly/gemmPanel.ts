// Large matrix products in two steps: B is packed once into panels two vectors wide, by all threads together; then
// pieces of C run over the panels, each panel in the L1 cache while the rows of the piece pass by it. Where A is
// dense down its columns, a piece packs its rows first. The sums are those of gemm.ts, element for element.
import { packedBytes } from "./gemm";
import { packColumns, packRows } from "./gemmPack";
import { MR, TILE_ROW, rowsOf, sumInto, sumTile } from "./gemmTile";
import { writeTile, writeWhole } from "./gemmWrite";
import { lanes } from "./simd";
import { giveSlot, slotScratch, takeSlot } from "./slots";

/** Bytes of a stored tile. */
const TILE_BYTES: usize = 256;
/** Columns that a tile of packed rows passes over before the next one does. */
const BROAD: i32 = 256;

/**
 * One word of a descriptor, i32s: M, N, K, A, rsA, B, rsB, csB, C, ldc, accumulate, bias of C's columns (or 0), packed B,
 * length of the blocks of the sum, count and bytes of the slots, csA. One of rsA and csA is 1. A slot holds a tile, and
 * where csA is not 1 a block of the piece's rows.
 */
// @ts-ignore: decorator
@inline
function word(desc: usize, i: i32): i32 {
  return load<i32>(desc + (<usize>i << 2));
}

/** Panels p0..p1-1 of B, of two vectors each; one block of the sum after the other. */
// @ts-ignore: decorator
@inline
function packPanels<T>(desc: usize, p0: i32, p1: i32): void {
  const S = sizeof<T>();
  const N = word(desc, 1);
  const K = word(desc, 2);
  const rs = <usize>word(desc, 6) * S;
  const cs = <usize>word(desc, 7) * S;
  const kb = word(desc, 13);
  const first = 2 * lanes<T>() * p0;
  const cols = min(N, 2 * lanes<T>() * p1) - first;
  let b = <usize>word(desc, 5) + <usize>first * cs;
  let dst = <usize>word(desc, 12);
  for (let k0: i32 = 0; k0 < K; k0 += kb) {
    const kc = min(kb, K - k0);
    packColumns<T>(b, rs, cs, kc, cols, dst + ((<usize>p0 * <usize>kc) << 5));
    b += <usize>kb * rs;
    dst += packedBytes<T>(kb, N);
  }
}

/** One tile, of r rows and up to two vectors of the columns left; returns how many columns it has. */
// @ts-ignore: decorator
@inline
function oneTile<T>(
  r: i32, left: i32, a: usize, ra: usize, b: usize, kc: i32, tile: usize, c: usize, rc: usize, add: bool, at: usize,
): i32 {
  const S = sizeof<T>();
  const L = lanes<T>();
  const v = left > L ? 2 : 1;
  const cols = min(left, v * L);
  if (cols == 2 * L && r == MR) {
    if (add || at) {
      sumTile<T>(MR, 2, a, ra, S, b, 32, kc, tile);
      writeWhole<T>(tile, c, rc, add, at);
    } else sumInto<T>(a, ra, S, b, 32, kc, tile, c, rc);
    return cols;
  }
  sumTile<T>(r, v, a, ra, S, b, <usize>v << 4, kc, tile);
  writeTile<T>(tile, TILE_ROW, r, 0, cols, c, rc, S, 1, add ? 1 : 0, at, 0, S);
  return cols;
}

/** Rows i0..i1-1 and columns j0..j1-1, whole panels, of C = A B (+ C) (+ bias). */
// @ts-ignore: decorator
@inline
function block<T>(desc: usize, slots: usize, i0: i32, i1: i32, j0: i32, j1: i32): void {
  if (i0 >= i1) return;
  const S = sizeof<T>();
  const L = lanes<T>();
  const N = word(desc, 1);
  const K = word(desc, 2);
  const rs = <usize>word(desc, 4) * S;
  const cs = <usize>word(desc, 16) * S;
  const rc = <usize>word(desc, 9) * S;
  const bias = <usize>word(desc, 11);
  const count = word(desc, 14);
  const kb = word(desc, 13);
  const slot = takeSlot(slots, count);
  const tile = slotScratch(slots, count, <usize>word(desc, 15), slot);
  const packed = tile + TILE_BYTES;
  const from = <usize>word(desc, 3) + <usize>i0 * rs;
  const to = <usize>word(desc, 8) + <usize>i0 * rc;
  let p = <usize>word(desc, 12);
  for (let k0: i32 = 0; k0 < K; k0 += kb) {
    const kc = min(kb, K - k0);
    const add = k0 > 0 || word(desc, 10) != 0;
    const bias0: usize = k0 + kc >= K ? bias : 0;
    const top = from + <usize>k0 * cs;
    if (cs == S) {
      let b = p + <usize>(j0 * kc) * S;
      for (let j = j0; j < j1; ) {
        const at = bias0 ? bias0 + <usize>j * S : 0;
        let a = top;
        let c = to + <usize>j * S;
        let cols: i32 = 0;
        for (let i = i0; i < i1; ) {
          const r = rowsOf(i1 - i);
          cols = oneTile<T>(r, j1 - j, a, rs, b, kc, tile, c, rc, add, at);
          a += <usize>r * rs;
          c += <usize>r * rc;
          i += r;
        }
        b += <usize>(kc * cols) * S;
        j += cols;
      }
    } else {
      const ra = <usize>kc * S;
      packRows<T>(top, rs, cs, i1 - i0, kc, packed);
      for (let left = j0; left < j1; left += BROAD) {
        let a = packed;
        let to0 = to + <usize>left * S;
        for (let i = i0; i < i1; ) {
          const r = rowsOf(i1 - i);
          let c = to0;
          let b = p + <usize>(left * kc) * S;
          for (let j = left; j < min(j1, left + BROAD); ) {
            const cols = oneTile<T>(r, j1 - j, a, ra, b, kc, tile, c, rc, add, bias0 ? bias0 + <usize>j * S : 0);
            b += <usize>(kc * cols) * S;
            c += <usize>cols * S;
            j += cols;
          }
          a += <usize>r * ra;
          to0 += <usize>r * rc;
          i += r;
        }
      }
    }
    p += packedBytes<T>(kb, N);
  }
  giveSlot(slots, slot);
}

/** Packs panels p0..p1-1 of B for gemmBlock_f32. */
export function gemmPanels_f32(desc: usize, p0: i32, p1: i32): void {
  packPanels<f32>(desc, p0, p1);
}

export function gemmPanels_f64(desc: usize, p0: i32, p1: i32): void {
  packPanels<f64>(desc, p0, p1);
}

/** Rows i0..i1-1 and columns j0..j1-1 of C from packed panels. */
export function gemmBlock_f32(desc: usize, slots: usize, i0: i32, i1: i32, j0: i32, j1: i32): void {
  block<f32>(desc, slots, i0, i1, j0, j1);
}

export function gemmBlock_f64(desc: usize, slots: usize, i0: i32, i1: i32, j0: i32, j1: i32): void {
  block<f64>(desc, slots, i0, i1, j0, j1);
}
