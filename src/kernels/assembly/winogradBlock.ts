// What the Winograd kernels share: the descriptor, and blocks of tiles that fit the cache.
import { field } from "./convSource";
import { slotScratch, takeSlot } from "./slots";

/**
 * Bytes of tiles before and after the products, of one block. Each of the 16 products reads and writes its sixteenth;
 * larger blocks lose less to the last vector of tiles (rows of 28: 12 % at half of this).
 */
const CACHED: i32 = 786432;

// The descriptor is 10 i32s: C, H, W, OC, OH, OW, padH, padW of the convolution that is computed, and the count and the
// bytes of the scratch slots.
export const C: usize = 0;
export const H: usize = 4;
export const W: usize = 8;
export const OC: usize = 12;
export const OH: usize = 16;
export const OW: usize = 20;
export const PH: usize = 24;
export const PW: usize = 28;
const SLOTS: usize = 32;
const SLOT_BYTES: usize = 36;

/** Floats from one row of tiles' values to the next: an odd number of half cache lines, so that rows spread in it. */
// @ts-ignore: decorator
@inline
export function pitchOf(tiles: i32): i32 {
  return (((tiles + 7) >> 3) | 1) << 3;
}

/** The most rows of tiles that are worked on together. */
// @ts-ignore: decorator
@inline
export function rowsAtMost(cols: i32, channels: i32): i32 {
  return max(CACHED / (64 * channels * cols), max(1, 16 / cols));
}

/** Rows of tiles that are worked on together: blocks of nearly equal size. */
// @ts-ignore: decorator
@inline
export function rowsTogether(rows: i32, cols: i32, channels: i32): i32 {
  const most = rowsAtMost(cols, channels);
  const blocks = (rows + most - 1) / most;
  return (rows + blocks - 1) / blocks;
}

/** Columns of a padded plane: whole vectors of tiles, and what the last reads beyond. */
// @ts-ignore: decorator
@inline
export function planeCols(cols: i32): i32 {
  return ((cols + 3) >> 2) * 8 + 4;
}

/** Bytes of scratch for up to `rows` rows of tiles: a padded plane and the tiles of all channels. */
// @ts-ignore: decorator
@inline
export function scratchBytes(desc: usize, rows: i32): usize {
  const cols = (field(desc, OW) + 1) >> 1;
  const channels = field(desc, C) + field(desc, OC);
  const n = min(rows, rowsAtMost(cols, channels));
  return 4096 + <usize>(4 * (2 * n + 2) * planeCols(cols)) + <usize>(64 * channels) * <usize>pitchOf(n * cols);
}

/** Takes a scratch slot of the op. */
// @ts-ignore: decorator
@inline
export function takeScratch(desc: usize, slots: usize): i32 {
  return takeSlot(slots, field(desc, SLOTS));
}

/** The scratch of a slot. */
// @ts-ignore: decorator
@inline
export function scratchOf(desc: usize, slots: usize, slot: i32): usize {
  return slotScratch(slots, field(desc, SLOTS), <usize>field(desc, SLOT_BYTES), slot);
}
