/**
 * Convolution of images on the direct kernels: output, gradient of the input and gradient of the weight. A signal is
 * an image of height 1. Threads share images and channels in ways that never change a bit.
 */
import { kernels, putInts, runAll } from "../kernels/index.js";
import { FLOAT32 } from "../tensor/dtype.js";
import { address, allocate, release } from "../tensor/heap.js";
import { enqueue, kernelTable } from "../tensor/launch.js";
import { addInto, copyInto, empty, ptr, viewOf } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * The sizes of a convolution from images [channels, input...] to [outChannels, output...]. Padding is that before
 * the first element; how much follows the last one is implied by `output`.
 */
export interface ConvGeometry {
  readonly channels: number;
  readonly outChannels: number;
  readonly groups: number;
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
}

const CONV = kernelTable("conv");
const GRAD_INPUT = kernelTable("convGradInput");
const GRAD_WEIGHT = kernelTable("convGradWeight");

/** Multiply-adds that are worth a call of their own: about 40 us. */
const GRAIN = 524288;
const MAX_PIECES = 16;
/** Fewest channels in a call, where images are shared by calls. */
const MIN_CHANNELS = 10;
/** Bytes that the scratch of all calls together should not exceed. */
const SCRATCH_LIMIT = 64 * 1024 * 1024;

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

/** Multiply-adds for one image. */
function multiplyAdds(g: ConvGeometry): number {
  return (g.channels / g.groups) * g.outChannels * product(g.kernel) * product(g.output);
}

/** A geometry of one or two spatial dimensions as the kernels read it. */
function descriptor(g: ConvGeometry): number {
  const two = (list: readonly number[], lead: number) => (list.length === 1 ? [lead, ...list] : list);
  return putInts([
    g.channels,
    ...two(g.input, 1),
    g.outChannels,
    ...two(g.output, 1),
    ...two(g.kernel, 1),
    ...two(g.stride, 1),
    ...two(g.padding, 0),
    ...two(g.dilation, 1),
    g.groups,
  ]);
}

/** Images [from, to) of a batch. */
export type ImageRange = readonly [from: number, to: number];

/** Calls `queue(scratch, first image, end, first channel, end)` for pieces of images x channels and runs them. */
function share(
  [first, end]: ImageRange,
  channels: number,
  work: number,
  scratchBytes: number,
  queue: (scratch: number, n0: number, n1: number, c0: number, c1: number) => void,
): void {
  const images = end - first;
  const one = (scratchBytes + 79) & ~63;
  const most = Math.max(2, Math.min(MAX_PIECES, Math.floor(SCRATCH_LIMIT / one)));
  const pieces = Math.max(1, Math.min(most, Math.floor(work / GRAIN)));
  const byImage = Math.min(images, pieces);
  const byChannel = Math.max(1, Math.min(Math.floor(pieces / byImage), Math.floor(channels / MIN_CHANNELS)));
  const scratch = allocate(one * byImage * byChannel + 64);
  let at = (address(scratch) + 63) & -64;
  for (let i = 0; i < byImage; i++) {
    const n0 = first + Math.floor((i * images) / byImage);
    const n1 = first + Math.floor(((i + 1) * images) / byImage);
    for (let j = 0; j < byChannel; j++) {
      const c0 = Math.floor((j * channels) / byChannel);
      const c1 = Math.floor(((j + 1) * channels) / byChannel);
      queue(at >>> 0, n0, n1, c0, c1);
      at += one;
    }
  }
  runAll(work >= 4 * GRAIN);
  release(scratch);
}

function planeScratch(code: number, desc: number): number {
  return code === FLOAT32 ? kernels.convScratch_f32(desc) : kernels.convScratch_f64(desc);
}

/** y = conv(x, w) + bias for one or two spatial dimensions, contiguous tensors; of some images only with `range`. */
export function planes(
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  y: Tensor,
  images: number,
  g: ConvGeometry,
  range: ImageRange = [0, images],
): void {
  const desc = descriptor(g);
  const [px, pw, pb, py] = [ptr(x), ptr(w), bias === null ? 0 : ptr(bias), ptr(y)];
  share(
    range,
    g.outChannels,
    (range[1] - range[0]) * multiplyAdds(g),
    planeScratch(y.code, desc),
    (scratch, n0, n1, c0, c1) => enqueue(CONV, y.code, px, pw, pb, py, desc, scratch, n0, n1, c0, c1),
  );
}

/** x = transposed conv(grad, w) + bias, likewise. */
export function planesBack(
  grad: Tensor,
  w: Tensor,
  bias: Tensor | null,
  x: Tensor,
  images: number,
  g: ConvGeometry,
  range: ImageRange = [0, images],
): void {
  const desc = descriptor(g);
  const work = (range[1] - range[0]) * multiplyAdds(g);
  const [pg, pw, pb, px] = [ptr(grad), ptr(w), bias === null ? 0 : ptr(bias), ptr(x)];
  share(range, g.channels, work, planeScratch(x.code, desc), (scratch, n0, n1, c0, c1) =>
    enqueue(GRAD_INPUT, x.code, pg, pw, pb, px, desc, scratch, n0, n1, c0, c1),
  );
}

/**
 * gw (+)= gradient of the weight. Threads share output channels, and where these are few, images: in groups whose
 * number depends on sizes alone, with sums of their own that are added in order.
 */
export function planesWeight(
  x: Tensor,
  grad: Tensor,
  gw: Tensor,
  images: number,
  g: ConvGeometry,
  accumulate: boolean,
): void {
  const desc = descriptor(g);
  const bytes =
    gw.code === FLOAT32 ? kernels.convGradWeightScratch_f32(desc) : kernels.convGradWeightScratch_f64(desc);
  // Every call pads all its images, so few calls with many channels each.
  const pieces = Math.max(1, Math.min(8, Math.floor((images * multiplyAdds(g)) / GRAIN)));
  const byChannel = Math.max(1, Math.min(pieces, Math.floor(g.outChannels / 4)));
  const byImage = byChannel > 1 || accumulate ? 1 : Math.min(pieces, images);
  const one = (bytes + 79) & ~63;
  const scratch = allocate(one * byChannel * byImage + 64);
  let at = (address(scratch) + 63) & -64;
  const parts = byImage === 1 ? gw : empty([byImage, ...gw.shape], gw.code);
  const [px, pg, pw] = [ptr(x), ptr(grad), ptr(parts)];
  for (let j = 0; j < byImage; j++) {
    const n0 = Math.floor((j * images) / byImage);
    const n1 = Math.floor(((j + 1) * images) / byImage);
    for (let i = 0; i < byChannel; i++) {
      const from = Math.floor((i * g.outChannels) / byChannel);
      const to = Math.floor(((i + 1) * g.outChannels) / byChannel);
      const into = pw + j * gw.nbytes;
      enqueue(GRAD_WEIGHT, gw.code, px, pg, into, desc, at >>> 0, n0, n1, from, to, accumulate ? 1 : 0);
      at += one;
    }
  }
  runAll(true);
  release(scratch);
  if (byImage === 1) return;
  const part = (j: number) => viewOf(parts, gw.shape, null, j * gw.numel);
  copyInto(gw, part(0));
  for (let j = 1; j < byImage; j++) addInto(gw, part(j));
  release(parts.storage);
}
