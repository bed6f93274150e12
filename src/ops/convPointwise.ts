/**
 * Convolution with kernels of one element: for each image the matrix product of the weight and the channels. Strides
 * only choose pixels, so those are copied out first; the product packs its operands, which large planes need.
 */
import { kernels, putInts, runAll, splitStart } from "../kernels/index.js";
import { FLOAT32, SIZES } from "../tensor/dtype.js";
import { release } from "../tensor/heap.js";
import { enqueue, kernelTable } from "../tensor/launch.js";
import { copyInto, empty, fillWith, ptr, viewOf } from "../tensor/raw.js";
import { freeSlots, takeSlots } from "../tensor/scratch.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ConvGeometry } from "./convPlanes.js";

const PART = kernelTable("gemmPart");
const BATCHED = kernelTable("gemmBatched");

/** Fewest pixels of an image: those of smaller ones fill no vectors, and go side by side (convColumns.ts). */
const MIN_PIXELS = 64;
/** Multiply-adds of an image that make up for a call: about 4 us. */
const MIN_WORK = 131072;
/** Multiply-adds that are worth a call of their own: about 40 us. */
const GRAIN = 1048576;
const MAX_PIECES = 16;
/** Images whose products run together: their descriptors lie in one ring of integers. */
const TOGETHER = 256;
/** Fewest rows of a weight's gradient in a piece: each piece packs the input anew. */
const MIN_ROWS = 16;
/** Columns of pieces are whole cache lines. */
const COLUMNS = 16;

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

/** Whether a convolution is computed this way, in any number of dimensions. */
export function prefersPointwise(g: ConvGeometry): boolean {
  return (
    g.groups === 1 &&
    g.kernel.every((k) => k === 1) &&
    g.padding.every((p) => p === 0) &&
    g.output.every((n, d) => (n - 1) * (g.stride[d] as number) < (g.input[d] as number)) &&
    product(g.output) >= MIN_PIXELS &&
    g.channels * g.outChannels * product(g.output) >= MIN_WORK
  );
}

/** Whether the kernel meets every pixel alone: then an image is its own patches. */
export function isPlain(g: ConvGeometry): boolean {
  return product(g.kernel) === 1 && g.padding.every((p) => p === 0) && isDense(g);
}

/** The pixels of x that the kernel meets. */
function met(x: Tensor, images: number, g: ConvGeometry): Tensor {
  const shape = [images, g.channels, ...g.output];
  const plane = product(g.input);
  const strides = [g.channels * plane, plane];
  g.stride.forEach((s, d) => {
    strides.push(s * product(g.input.slice(d + 1)));
  });
  return viewOf(x, shape, strides, x.storageOffset);
}

/** Whether the kernel meets every pixel. */
function isDense(g: ConvGeometry): boolean {
  return g.output.every((n, d) => n === g.input[d] && (n === 1 || g.stride[d] === 1));
}

/** The pixels that the kernel meets, side by side. */
function gathered(x: Tensor, images: number, g: ConvGeometry): Tensor {
  if (isDense(g)) return x;
  const out = empty([images, g.channels, ...g.output], x.code);
  copyInto(out, met(x, images, g));
  return out;
}

function scratchBytes(code: number, m: number, n: number, k: number): number {
  return (code === FLOAT32 ? kernels.gemmScratch_f32(m, n, k) : kernels.gemmScratch_f64(m, n, k)) >>> 0;
}

/** out[i] = a x[i] (+ bias by row) for images of [k, pixels] and [m, pixels]; a[m, k] with strides. */
function eachImage(
  out: Tensor,
  a: Tensor,
  [rsA, csA]: readonly [number, number],
  x: Tensor,
  bias: Tensor | null,
  images: number,
  m: number,
  k: number,
): void {
  const { code } = out;
  const pixels = out.numel / (images * m);
  const work = images * m * k * pixels;
  const pieces = Math.max(1, Math.min(MAX_PIECES, Math.floor(work / GRAIN)));
  const wide = Math.ceil(pixels / COLUMNS);
  const columns = Math.max(1, Math.min(wide, Math.ceil(pieces / images)));
  const slots = takeSlots(scratchBytes(code, m, pixels, k), images * columns);
  const size = SIZES[code] as number;
  const [pa, px, po, pb] = [ptr(a), ptr(x), ptr(out), bias === null ? 0 : ptr(bias)];
  for (let first = 0; first < images; first += TOGETHER) {
    for (let n = first; n < Math.min(images, first + TOGETHER); n++) {
      const from = px + n * k * pixels * size;
      const to = po + n * m * pixels * size;
      const b = [from, pixels, 1, to, pixels, 0, pb, pb === 0 ? 0 : 2];
      const desc = putInts([k, pa, rsA, csA, ...b, slots.count, slots.bytes]);
      for (let j = 0; j < columns; j++) {
        const left = splitStart(j, columns, wide) * COLUMNS;
        const right = Math.min(pixels, splitStart(j + 1, columns, wide) * COLUMNS);
        enqueue(PART, code, desc, slots.at, 0, m, left, right);
      }
    }
    runAll(work >= 2 * GRAIN);
  }
  freeSlots(slots);
}

/** y = w x + bias. */
export function pointwise(
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  y: Tensor,
  images: number,
  g: ConvGeometry,
): void {
  const source = gathered(x, images, g);
  eachImage(y, w, [g.channels, 1], source, bias, images, g.outChannels, g.channels);
  if (source !== x) release(source.storage);
}

/** x = w^T grad + bias, zero (or the bias) where the kernel meets nothing. */
export function pointwiseBack(
  grad: Tensor,
  w: Tensor,
  bias: Tensor | null,
  x: Tensor,
  images: number,
  g: ConvGeometry,
): void {
  const dense = isDense(g);
  const into = dense ? x : empty([images, g.channels, ...g.output], x.code);
  eachImage(into, w, [1, g.channels], grad, bias, images, g.channels, g.outChannels);
  if (dense) return;
  if (bias === null) fillWith(x, 0);
  else copyInto(x, viewOf(bias, [g.channels, ...g.input.map(() => 1)], null, bias.storageOffset));
  copyInto(met(x, images, g), into);
  release(into.storage);
}

/** gw = sum over images of grad x^T: each piece takes all images for some rows. */
export function pointwiseWeight(x: Tensor, grad: Tensor, gw: Tensor, images: number, g: ConvGeometry): void {
  const { code } = gw;
  const [m, n] = [g.outChannels, g.channels];
  const source = gathered(x, images, g);
  const pixels = product(g.output);
  const wanted = Math.max(1, Math.floor((images * m * n * pixels) / GRAIN));
  const pieces = Math.min(8, wanted, Math.ceil(m / MIN_ROWS));
  fillWith(gw, 0);
  const slots = takeSlots(scratchBytes(code, m, n, pixels), pieces);
  const size = SIZES[code] as number;
  const [px, pg, pw] = [ptr(source), ptr(grad), ptr(gw)];
  const steps = [m * pixels, 0, n * pixels, 0, 0, 0];
  for (let i = 0; i < pieces; i++) {
    const top = splitStart(i, pieces, m);
    const rows = splitStart(i + 1, pieces, m) - top;
    const desc = putInts([
      ...[rows, n, pixels, pixels, 1, 1, pixels, n, 1, 1],
      ...[...steps, slots.count, slots.bytes],
    ]);
    const from = pg + top * pixels * size;
    enqueue(BATCHED, code, desc, from, px, pw + top * n * size, 1, 1, slots.at, 0, images);
  }
  runAll(wanted > 1);
  freeSlots(slots);
  if (source !== x) release(source.storage);
}
