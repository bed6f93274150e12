/**
 * Work over contiguous [N, C, S], channel by channel: how it is cut into pieces, and the float64 sums of all channels
 * that every norm stands on.
 */
import { kernels } from "../kernels/index.js";
import { type DTypeCode, FLOAT64, SIZES } from "../tensor/dtype.js";
import { release } from "../tensor/heap.js";
import { enqueue, GRAIN, inPieces, type KernelTable, kernelFor, kernelTable } from "../tensor/launch.js";
import { empty, ptr } from "../tensor/raw.js";
import { numelOf } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";

const BEGIN = kernelTable("bnBegin");
const BEGIN_GRADIENTS = kernelTable("bnBeginGradients");
const SUMS = kernelTable("bnSums");
const SETTLE = kernelTable("bnSettle");

/** A tensor as samples, channels and the elements of one channel in one sample. */
export interface Channels {
  readonly N: number;
  readonly C: number;
  readonly S: number;
  /** Values per channel, N * S. */
  readonly count: number;
}

/** Dimension 1 is the channel. */
export function channelsOf(shape: readonly number[]): Channels {
  return channels(shape[0] as number, shape[1] as number, numelOf(shape.slice(2)));
}

/** @internal */
export function channels(N: number, C: number, S: number): Channels {
  return { N, C, S, count: N * S };
}

/** Most pieces of the batch: enough for eight threads to share, few enough for their sums to be added in no time. */
const MAX_PIECES = 16;

/**
 * Calls `queue` for pieces [n0, n1) x [c0, c1) and runs what was queued. Memory is walked in its order where the batch
 * is large enough: by samples. The cut depends on the sizes alone.
 */
function overPieces(
  { N, C, S }: Channels,
  queue: (n0: number, n1: number, c0: number, c1: number, piece: number) => void,
): void {
  const wanted = Math.min(MAX_PIECES, Math.floor((N * C * S) / GRAIN));
  if (wanted < 2) {
    inPieces(1, 1, () => queue(0, N, 0, C, 0));
    return;
  }
  const rows = Math.min(N, wanted);
  const columns = Math.min(C, Math.ceil(wanted / rows));
  inPieces(rows * columns, 1, (first, count) => {
    for (let i = first; i < first + count; i++) {
      const n = Math.floor(i / columns);
      const c = i % columns;
      const part = (k: number, parts: number, total: number) => Math.floor((k * total) / parts);
      queue(part(n, rows, N), part(n + 1, rows, N), part(c, columns, C), part(c + 1, columns, C), n);
    }
  });
}

/** How many pieces of the batch {@link overPieces} makes. */
function batchPieces({ N, C, S }: Channels): number {
  return Math.max(1, Math.min(N, MAX_PIECES, Math.floor((N * C * S) / GRAIN)));
}

/** Scratch of one run of sums: shift and way of each channel, and the sums of all pieces. */
function withScratch(
  of: Channels,
  run: (shift: number, how: number, parts: number, pieces: number) => void,
): void {
  const pieces = batchPieces(of);
  const scratch = empty([2 + 4 * pieces, of.C], FLOAT64);
  const at = ptr(scratch);
  run(at, at + of.C * 8, at + of.C * 16, pieces);
  release(scratch.storage);
}

function sumPieces(
  x: number,
  g: number,
  code: DTypeCode,
  of: Channels,
  shift: number,
  how: number,
  parts: number,
): void {
  const row = of.C * of.S * (SIZES[code] as number);
  overPieces(of, (n0, n1, c0, c1, piece) => {
    const gradient = g === 0 ? 0 : g + n0 * row;
    const out = parts + piece * of.C * 32;
    enqueue(SUMS, code, x + n0 * row, gradient, shift, how, out, n1 - n0, of.C, of.S, c0, c1);
  });
}

/**
 * Writes mean and m2 = sum (x - mean)^2 of each channel, float64 [C], to two addresses. Accumulated in float64 about a
 * value near the mean: no cancellation at mean 1e6 and spread 1e-2, no overflow at 1e30; a constant channel gives
 * exactly (its value, 0).
 */
export function channelStatistics(x: Tensor, of: Channels, mean: number, m2: number): void {
  const { C, S, count } = of;
  withScratch(of, (shift, how, parts, pieces) => {
    kernelFor(BEGIN, x.code)(ptr(x), shift, how, count, C, S);
    const settle = kernelFor(SETTLE, x.code);
    let left = C;
    for (let round = 0; left > 0; round++) {
      sumPieces(ptr(x), 0, x.code, of, shift, how, parts);
      left = settle(round, ptr(x), parts, pieces, shift, how, mean, m2, count, C, S);
    }
  });
}

/**
 * Writes sum g and sum g (x - mean) of each channel, float64 [C], to two addresses. `m2` belongs to `mean`; 0 where
 * the mean is not that of x.
 */
export function channelGradientSums(
  x: Tensor,
  g: Tensor,
  of: Channels,
  mean: number,
  m2: number,
  sumG: number,
  sumGU: number,
): void {
  withScratch(of, (shift, how, parts, pieces) => {
    kernelFor(BEGIN_GRADIENTS, x.code)(mean, m2, shift, how, of.count, of.C);
    let left = of.C;
    while (left > 0) {
      sumPieces(ptr(x), ptr(g), x.code, of, shift, how, parts);
      left = kernels.bnSettleGradients(parts, pieces, shift, how, mean, sumG, sumGU, of.C, of.S);
    }
  });
}

/** out = map(inputs..., out, factors) over all pieces; the kernel takes (inputs, out, table, N, C, S, n0, n1, c0, c1). */
export function mapChannels(
  table: KernelTable,
  code: DTypeCode,
  pointers: readonly number[],
  of: Channels,
): void {
  const { N, C, S } = of;
  overPieces(of, (n0, n1, c0, c1) => enqueue(table, code, ...pointers, N, C, S, n0, n1, c0, c1));
}
