/** How matrix products are cut for the threads and handed to the packed kernel. Nothing here is recorded. */
import { getNumThreads, kernels, putInts, runAll, splitStart } from "../kernels/index.js";
import { FLOAT32, SIZES } from "../tensor/dtype.js";
import { address, allocate, release } from "../tensor/heap.js";
import { enqueue, GRAIN, inPieces, kernelTable } from "../tensor/launch.js";
import { ptr } from "../tensor/raw.js";
import { freeSlots, takeSlots } from "../tensor/scratch.js";
import type { Tensor } from "../tensor/tensor.js";

const PART = kernelTable("gemmPart");
const BATCHED = kernelTable("gemmBatched");
const PANELS = kernelTable("gemmPanels");
const BLOCK = kernelTable("gemmBlock");

/** Multiply-adds that are worth a thread of their own. */
const GRAIN_PRODUCT = 262144;
/** Most pieces of one product. */
const MAX_PIECES = 16;
/** Rows and columns of the smallest pieces. */
const ROWS = 8;
const COLUMNS = 16;

/** Scratch bytes of one call, as gemm.ts lays it out: a tile, 80 packed rows of A, up to 256 packed columns of B. */
function scratchBytes(code: number, m: number, n: number, k: number): number {
  const blocks = Math.ceil(k / 384);
  const kb = blocks > 1 ? Math.ceil(k / blocks) : k;
  const panels = (Math.min(Math.max(m, n), 256) + 7) & ~7;
  return 256 + kb * (80 + panels) * (SIZES[code] as number);
}

/** Row and column strides of a matrix in the last two dimensions. */
function matrixStrides(t: Tensor): [number, number] {
  const r = t.shape.length;
  return [t.strides[r - 2] as number, t.strides[r - 1] as number];
}

/**
 * Into how many rows and columns of pieces an m x n product is cut. A piece packs its part of either operand anew
 * (one that is contiguous along the sum hardly costs anything), so the pieces are as square as that makes worth while.
 */
function gridOf(m: number, n: number, pieces: number, packsA: number, packsB: number): [number, number] {
  const most = Math.ceil(m / ROWS);
  const across = Math.ceil(n / COLUMNS);
  let best: [number, number] = [1, 1];
  let least = Number.POSITIVE_INFINITY;
  for (let rows = 1; rows <= Math.min(most, pieces); rows++) {
    const columns = Math.min(across, Math.floor(pieces / rows));
    if (rows * columns < Math.min(pieces, most * across) * 0.75) continue;
    const cost = rows * n * packsB + columns * m * packsA;
    if (cost >= least) continue;
    least = cost;
    best = [rows, columns];
  }
  return best;
}

/** Rows of a register tile. */
const TILE = 5;
/** Fewest columns of a thread's share of a product, where its rows need packing and where they do not. */
const SHARE_PACKED = 256;
const SHARE = 32;
/** The part of the rows left to a thread that its next piece takes: the last ones are small, so that nobody waits long. */
const PIECE_SHARE = 1 / 8;
const PIECE_SHARE_PACKED = 1 / 2;
/** Most register tiles in a piece. */
const MOST_TILES = 9;
/** Rows that have to be packed are read so many tiles at a time, so that whole cache lines are. */
const MOST_TILES_PACKED = 16;
const PACKED_STEP = 4;
/** Most elements of b that are packed at a time. */
const PANEL_ELEMENTS = 1 << 20;

/** Longest sum that the kernel keeps in registers, as blockOf in gemm.ts has it. */
function blockOf(k: number): number {
  const blocks = Math.ceil(k / 384);
  return blocks > 1 ? Math.ceil(k / blocks) : k;
}

/** Whether packing all of b once pays: many rows of a read it. Where these need packing too, it pays for threads only. */
function readsPanels(m: number, n: number, k: number, a: Tensor): boolean {
  const dense = a.strides[1] === 1 || (a.strides[0] === 1 && getNumThreads() > 1);
  return m >= 64 && n >= 16 && k >= 8 && m * n * k >= 2 * GRAIN_PRODUCT && dense;
}

/** A piece of a product: rows `i0` up to `i1`, columns `j0` up to `j1`. */
type Piece = readonly [i0: number, i1: number, j0: number, j1: number];

/** The sizes of pieces that `tiles` are cut into, a tile being `work` multiply-adds: from large to small. */
function pieceSizes(tiles: number, work: number, packs: boolean): number[] {
  const most = packs ? MOST_TILES_PACKED : Math.max(MOST_TILES, Math.ceil(tiles / 12));
  const least = Math.ceil(GRAIN_PRODUCT / work);
  const share = packs ? PIECE_SHARE_PACKED : PIECE_SHARE;
  const sizes: number[] = [];
  for (let left = tiles; left > 0; ) {
    const next = Math.min(left, Math.max(least, Math.min(most, Math.ceil(left * share))));
    sizes.push(packs && next > PACKED_STEP ? next & -PACKED_STEP : next);
    left -= sizes.at(-1) as number;
  }
  return sizes;
}

/**
 * The pieces of an m x n product with sums of k: equal shares for the threads, of columns where there are enough, else of
 * rows, and each cut alike: as many pieces each, of which the last may be empty.
 */
function piecesOf(m: number, n: number, k: number, width: number, packs: boolean): Piece[] {
  const threads = getNumThreads();
  const bands = n >= threads * (packs ? SHARE_PACKED : SHARE) ? threads : 1;
  const shares = threads / bands;
  const tiles = Math.ceil(m / TILE);
  const panels = Math.ceil(n / width);
  const sizes = pieceSizes(Math.ceil(tiles / shares), (TILE * n * k) / bands, packs);
  const pieces: Piece[] = [];
  for (let band = 0; band < bands; band++) {
    const j0 = splitStart(band, bands, panels) * width;
    const j1 = Math.min(n, splitStart(band + 1, bands, panels) * width);
    for (let share = 0; share < shares; share++) {
      const end = splitStart(share + 1, shares, tiles);
      let from = splitStart(share, shares, tiles);
      for (const size of sizes) {
        const to = Math.min(end, from + size);
        pieces.push([from * TILE, Math.min(m, to * TILE), j0, j1]);
        from = to;
      }
    }
  }
  return pieces;
}

/** gemmInto for such products: all threads pack b, then they share the rows. */
function panelsInto(out: Tensor, a: Tensor, b: Tensor, accumulate: boolean, bias: Tensor | null): void {
  const [m, k] = a.shape as [number, number];
  const n = b.shape[1] as number;
  const size = SIZES[out.code] as number;
  const width = 32 / size;
  const [rsa, csa] = matrixStrides(a);
  const [rsb, csb] = matrixStrides(b);
  const kb = blockOf(k);
  // Parts of the sum, of whole blocks, and of the columns, so that what is packed stays small.
  const deep = Math.min(k, kb * Math.max(1, Math.floor(PANEL_ELEMENTS / (64 * kb))));
  const broad = Math.min(n, Math.max(64, Math.floor(PANEL_ELEMENTS / deep) & -16));
  const pieces = piecesOf(m, broad, deep, width, csa !== 1);
  const packed = allocate(deep * Math.ceil(broad / (width / 2)) * 16 + 64);
  // A slot has room for a tile and, where a needs packing, for the rows of the largest piece.
  const rows = csa === 1 ? 0 : Math.max(...pieces.map(([i0, i1]) => i1 - i0));
  const slots = takeSlots(256 + rows * kb * size, pieces.length);
  const at = ((address(packed) + 63) & -64) >>> 0;
  const [pa, pb, po] = [ptr(a), ptr(b), ptr(out)];
  const pbias = bias === null ? 0 : ptr(bias);
  for (let j = 0; j < n; j += broad) {
    const nc = Math.min(broad, n - j);
    for (let k0 = 0; k0 < k; k0 += deep) {
      const kc = Math.min(deep, k - k0);
      const desc = putInts([
        ...[
          m,
          nc,
          kc,
          pa + k0 * csa * size,
          rsa,
          pb + (k0 * rsb + j * csb) * size,
          rsb,
          csb,
          po + j * size,
          n,
        ],
        ...[Number(accumulate || k0 > 0), k0 + kc < k || pbias === 0 ? 0 : pbias + j * size],
        ...[at, kb, slots.count, slots.bytes, csa],
      ]);
      inPieces(Math.ceil(nc / width), Math.ceil(GRAIN / (kc * width)), (first, count) => {
        enqueue(PANELS, out.code, desc, first, first + count);
      });
      for (const [i0, i1, j0, j1] of pieces) {
        if (j0 < nc) enqueue(BLOCK, out.code, desc, slots.at, i0, i1, j0, Math.min(nc, j1));
      }
      runAll(true, false);
    }
  }
  freeSlots(slots);
  release(packed);
}

/**
 * out[m, n] = a[m, k] b[k, n] (+ bias by row of b's columns, biasKind 1, or by row of a, biasKind 2) on raw 2-d
 * tensors of any strides. Threads share pieces of the result; every element is summed alike, so bits do not change.
 */
export function gemmInto(
  out: Tensor,
  a: Tensor,
  b: Tensor,
  accumulate = false,
  bias: Tensor | null = null,
  biasKind = 0,
): void {
  const [m, k] = a.shape as [number, number];
  const n = b.shape[1] as number;
  if (m === 0 || n === 0) return;
  if (readsPanels(m, n, k, a) && (bias === null || biasKind === 1)) {
    panelsInto(out, a, b, accumulate, bias);
    return;
  }
  const [rsa, csa] = matrixStrides(a);
  const [rsb, csb] = matrixStrides(b);
  const work = m * n * k;
  const beta = accumulate ? 1 : 0;
  const pieces =
    work < 2 * GRAIN_PRODUCT || getNumThreads() === 1
      ? 1
      : Math.min(MAX_PIECES, Math.floor(work / GRAIN_PRODUCT));
  const [rows, columns] =
    pieces === 1 ? [1, 1] : gridOf(m, n, pieces, csa === 1 ? 0.2 : 1, csb === 1 ? 0.6 : 1);
  if (rows * columns === 1) {
    const scratch = allocate(scratchBytes(out.code, m, n, k) + 64);
    const at = ((address(scratch) + 63) & -64) >>> 0;
    const [pa, pb, po] = [ptr(a), ptr(b), ptr(out)];
    const pbias = bias === null ? 0 : ptr(bias);
    const fn = out.code === FLOAT32 ? kernels.gemm_f32 : kernels.gemm_f64;
    fn(m, n, k, 1, pa, rsa, csa, pb, rsb, csb, beta, po, n, at, pbias, biasKind);
    release(scratch);
    return;
  }
  const [high, wide] = [Math.ceil(m / ROWS), Math.ceil(n / COLUMNS)];
  const tall = Math.min(m, Math.ceil(high / rows) * ROWS);
  const broad = Math.min(n, Math.ceil(wide / columns) * COLUMNS);
  const slots = takeSlots(scratchBytes(out.code, tall, broad, k), rows * columns);
  const pbias = bias === null ? 0 : ptr(bias);
  const desc = putInts([
    ...[k, ptr(a), rsa, csa, ptr(b), rsb, csb, ptr(out), n, beta],
    ...[pbias, pbias === 0 ? 0 : biasKind, slots.count, slots.bytes],
  ]);
  for (let i = 0; i < rows; i++) {
    const top = splitStart(i, rows, high) * ROWS;
    const bottom = Math.min(m, splitStart(i + 1, rows, high) * ROWS);
    for (let j = 0; j < columns; j++) {
      const left = splitStart(j, columns, wide) * COLUMNS;
      const right = Math.min(n, splitStart(j + 1, columns, wide) * COLUMNS);
      enqueue(PART, out.code, desc, slots.at, top, bottom, left, right);
    }
  }
  runAll();
  freeSlots(slots);
}

/** out[b] = x[b] y[b] for (batch, m, k) by (batch, k, n) of any strides. */
export function bmmInto(
  out: Tensor,
  x: Tensor,
  y: Tensor,
  batch: number,
  m: number,
  n: number,
  k: number,
): void {
  const pieces = Math.max(1, Math.min(MAX_PIECES, batch, Math.floor((batch * m * n * k) / GRAIN_PRODUCT)));
  const slots = takeSlots(scratchBytes(out.code, m, n, k), pieces);
  const desc = putInts([
    ...[m, n, k, ...matrixStrides(x), ...matrixStrides(y), n, 1, 1],
    ...[x.strides[0] as number, 0, y.strides[0] as number, 0, m * n, 0],
    ...[slots.count, slots.bytes],
  ]);
  const [pa, pb, po] = [ptr(x), ptr(y), ptr(out)];
  inPieces(batch, Math.ceil(batch / pieces), (first, count) => {
    enqueue(BATCHED, out.code, desc, pa, pb, po, 1, 0, slots.at, first, first + count);
  });
  freeSlots(slots);
}
