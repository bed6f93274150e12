/**
 * Convolution on raw tensors: output, gradient of the input and gradient of the weight, for one to three spatial
 * dimensions. One dimension is an image of height 1; three dimensions are images whose channels are the channels of
 * the depth slices that a tap of depth meets. Threads share images and channels in ways that never change a bit.
 */
import { kernels, putInts, runAll } from "../kernels/index.js";
import { FLOAT32, SIZES } from "../tensor/dtype.js";
import { address, allocate, release } from "../tensor/heap.js";
import { enqueue, type KernelTable, kernelTable } from "../tensor/launch.js";
import { contiguous, copyInto, empty, fillWith, full, ptr, viewOf } from "../tensor/raw.js";
import { contiguousStrides } from "../tensor/shape.js";
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
const GRAD_BIAS = kernelTable("convGradBias");
const COL2IM = kernelTable("col2im");

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

/** Calls `queue(scratch, first image, end, first channel, end)` for pieces of images x channels and runs them. */
function share(
  images: number,
  channels: number,
  work: number,
  scratchBytes: number,
  queue: (scratch: number, n0: number, n1: number, c0: number, c1: number) => void,
): void {
  const one = (scratchBytes + 79) & ~63;
  const most = Math.max(2, Math.min(MAX_PIECES, Math.floor(SCRATCH_LIMIT / one)));
  const pieces = Math.max(1, Math.min(most, Math.floor(work / GRAIN)));
  const byImage = Math.min(images, pieces);
  const byChannel = Math.max(1, Math.min(Math.floor(pieces / byImage), Math.floor(channels / MIN_CHANNELS)));
  const scratch = allocate(one * byImage * byChannel + 64);
  let at = (address(scratch) + 63) & -64;
  for (let i = 0; i < byImage; i++) {
    const n0 = Math.floor((i * images) / byImage);
    const n1 = Math.floor(((i + 1) * images) / byImage);
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

/** y = conv(x, w) + bias for one or two spatial dimensions, contiguous tensors. */
function planes(x: Tensor, w: Tensor, bias: Tensor | null, y: Tensor, images: number, g: ConvGeometry): void {
  const desc = descriptor(g);
  const [px, pw, pb, py] = [ptr(x), ptr(w), bias === null ? 0 : ptr(bias), ptr(y)];
  share(
    images,
    g.outChannels,
    images * multiplyAdds(g),
    planeScratch(y.code, desc),
    (scratch, n0, n1, c0, c1) => enqueue(CONV, y.code, px, pw, pb, py, desc, scratch, n0, n1, c0, c1),
  );
}

/** x = transposed conv(grad, w) + bias, likewise. */
function planesBack(
  grad: Tensor,
  w: Tensor,
  bias: Tensor | null,
  x: Tensor,
  images: number,
  g: ConvGeometry,
): void {
  const desc = descriptor(g);
  const [pg, pw, pb, px] = [ptr(grad), ptr(w), bias === null ? 0 : ptr(bias), ptr(x)];
  share(images, g.channels, images * multiplyAdds(g), planeScratch(x.code, desc), (scratch, n0, n1, c0, c1) =>
    enqueue(GRAD_INPUT, x.code, pg, pw, pb, px, desc, scratch, n0, n1, c0, c1),
  );
}

/** gw (+)= gradient of the weight, summed over the images in one order; threads share output channels. */
function planesWeight(
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
  const [px, pg, pw] = [ptr(x), ptr(grad), ptr(gw)];
  const add = accumulate ? 1 : 0;
  // Every call pads all images, so few calls with many channels each.
  const pieces = Math.max(
    1,
    Math.min(8, Math.floor((images * multiplyAdds(g)) / GRAIN), Math.floor(g.outChannels / 4)),
  );
  const one = (bytes + 79) & ~63;
  const scratch = allocate(one * pieces + 64);
  const at = (address(scratch) + 63) & -64;
  for (let i = 0; i < pieces; i++) {
    const from = Math.floor((i * g.outChannels) / pieces);
    const to = Math.floor(((i + 1) * g.outChannels) / pieces);
    enqueue(GRAD_WEIGHT, gw.code, px, pg, pw, desc, (at + i * one) >>> 0, 0, images, from, to, add);
  }
  runAll(true);
  release(scratch);
}

// Three spatial dimensions. y[n, :, od] = sum over kd of conv(x[n, :, od sd + kd dd - pd], w[:, :, kd]): a
// convolution of OD images of C KD channels each, with the weight as it lies in memory.

/** Whether depth is one more row of pixels: a 1 x 1 x 1 kernel. */
function isPointwise(g: ConvGeometry): boolean {
  const all = (list: readonly number[], value: number) => list.every((v) => v === value);
  return (
    all(g.kernel, 1) && all(g.stride, 1) && all(g.padding, 0) && g.input.every((n, d) => n === g.output[d])
  );
}

function mergeDepth(g: ConvGeometry): ConvGeometry {
  const merge = ([d, h, w]: readonly number[]) => [(d as number) * (h as number), w as number];
  const rest = (list: readonly number[]) => list.slice(1);
  return {
    ...g,
    input: merge(g.input),
    output: merge(g.output),
    kernel: rest(g.kernel),
    stride: rest(g.stride),
    padding: rest(g.padding),
    dilation: rest(g.dilation),
  };
}

/** The geometry of one image's stack of depth slices. */
function stacked(g: ConvGeometry): ConvGeometry {
  const rest = (list: readonly number[]) => list.slice(1);
  const depth = g.kernel[0] as number;
  return {
    groups: g.groups,
    channels: g.channels * depth,
    outChannels: g.outChannels,
    input: rest(g.input),
    output: rest(g.output),
    kernel: rest(g.kernel),
    stride: rest(g.stride),
    padding: rest(g.padding),
    dilation: rest(g.dilation),
  };
}

/** Sizes that the walks along depth need. */
function depthOf(g: ConvGeometry) {
  const [first] = [0];
  const plane = product(g.input.slice(1));
  return {
    input: g.input[first] as number,
    output: g.output[first] as number,
    kernel: g.kernel[first] as number,
    stride: g.stride[first] as number,
    padding: g.padding[first] as number,
    dilation: g.dilation[first] as number,
    plane,
  };
}

/** stack[od, c, kd, :] = x[n, c, od sd + kd dd - pd, :], 0 outside. */
function stack(x: Tensor, n: number, into: Tensor, g: ConvGeometry): void {
  const d = depthOf(g);
  const image = x.storageOffset + n * g.channels * d.input * d.plane;
  const strides = contiguousStrides([d.output, g.channels, d.kernel, d.plane]) as [
    number,
    number,
    number,
    number,
  ];
  if (d.padding > 0 || (d.output - 1) * d.stride + (d.kernel - 1) * d.dilation >= d.input) fillWith(into, 0);
  for (let k = 0; k < d.kernel; k++) {
    const shift = k * d.dilation - d.padding;
    const from = Math.max(0, Math.ceil(-shift / d.stride));
    const to = Math.min(d.output, Math.floor((d.input - 1 - shift) / d.stride) + 1);
    if (to <= from) continue;
    const shape = [to - from, g.channels, d.plane];
    const at = image + (from * d.stride + shift) * d.plane;
    const src = viewOf(x, shape, [d.stride * d.plane, d.input * d.plane, 1], at);
    copyInto(viewOf(into, shape, [strides[0], strides[1], 1], from * strides[0] + k * strides[2]), src);
  }
}

/** x[n] = the sums of the stack's slices at the places that {@link stack} took them from. */
function unstack(from: Tensor, x: Tensor, n: number, g: ConvGeometry): void {
  const d = depthOf(g);
  const columns = empty([g.channels, d.kernel, d.output, d.plane], x.code);
  const strides = contiguousStrides([d.output, g.channels, d.kernel, d.plane]) as [
    number,
    number,
    number,
    number,
  ];
  copyInto(columns, viewOf(from, columns.shape, [strides[1], strides[2], strides[0], 1], 0));
  const lists = [d.input, d.plane, d.kernel, 1, d.stride, 1, d.padding, 0, d.dilation, 1, d.output, d.plane];
  const desc = putInts([g.channels, 2, ...lists]);
  const to = ptr(x) + n * g.channels * d.input * d.plane * (SIZES[x.code] as number);
  const pieces = Math.max(1, Math.min(g.channels, 8, Math.floor(columns.numel / 65536)));
  for (let i = 0; i < pieces; i++) {
    const c0 = Math.floor((i * g.channels) / pieces);
    enqueue(COL2IM, x.code, ptr(columns), to, desc, c0, Math.floor(((i + 1) * g.channels) / pieces));
  }
  runAll();
  release(columns.storage);
}

/** Image n of y, [OC, OD, OH, OW], seen as [OD, OC, OH OW]. */
function byDepth(y: Tensor, n: number, g: ConvGeometry): Tensor {
  const depth = g.output[0] as number;
  const plane = product(g.output.slice(1));
  const image = g.outChannels * depth * plane;
  return viewOf(y, [depth, g.outChannels, plane], [plane, depth * plane, 1], y.storageOffset + n * image);
}

interface Stacks {
  readonly images: Tensor;
  readonly outputs: Tensor;
  readonly geometry: ConvGeometry;
}

/** Calls `fn` for each image with workspaces for its stack and for its outputs by depth. */
function eachImage(like: Tensor, images: number, g: ConvGeometry, fn: (n: number, s: Stacks) => void): void {
  const geometry = stacked(g);
  const depth = g.output[0] as number;
  const work: Stacks = {
    geometry,
    images: empty([depth, geometry.channels, product(geometry.input)], like.code),
    outputs: empty([depth, g.outChannels, product(geometry.output)], like.code),
  };
  for (let n = 0; n < images; n++) fn(n, work);
  release(work.images.storage);
  release(work.outputs.storage);
}

/** y = conv(x, w) + bias. Contiguous results of floating tensors of one dtype. */
export function convForward(x: Tensor, w: Tensor, bias: Tensor | null, g: ConvGeometry): Tensor {
  const [src, weight] = [contiguous(x), contiguous(w)];
  const b = bias === null ? null : contiguous(bias);
  const images = x.shape[0] as number;
  const y = empty([images, g.outChannels, ...g.output], x.code);
  if (y.numel === 0) return y;
  if (g.channels === 0) {
    if (b === null) fillWith(y, 0);
    else copyInto(y, viewOf(b, [g.outChannels, ...g.output.map(() => 1)], null, b.storageOffset));
    return y;
  }
  if (g.input.length < 3) planes(src, weight, b, y, images, g);
  else if (isPointwise(g)) planes(src, weight, b, y, images, mergeDepth(g));
  else {
    eachImage(x, images, g, (n, s) => {
      stack(src, n, s.images, g);
      planes(s.images, weight, b, s.outputs, g.output[0] as number, s.geometry);
      copyInto(byDepth(y, n, g), s.outputs);
    });
  }
  if (src !== x) release(src.storage);
  return y;
}

/** x = transposed conv(grad, w) + bias (`bias` has `channels` elements; only below three spatial dimensions). */
export function convBackInput(grad: Tensor, w: Tensor, bias: Tensor | null, g: ConvGeometry): Tensor {
  const [src, weight] = [contiguous(grad), contiguous(w)];
  const b = bias === null ? null : contiguous(bias);
  const images = grad.shape[0] as number;
  const x = empty([images, g.channels, ...g.input], grad.code);
  if (x.numel === 0) return x;
  if (g.outChannels === 0 || src.numel === 0) {
    if (b === null) fillWith(x, 0);
    else copyInto(x, viewOf(b, [g.channels, ...g.input.map(() => 1)], null, b.storageOffset));
    return x;
  }
  if (g.input.length < 3) planesBack(src, weight, b, x, images, g);
  else if (isPointwise(g)) planesBack(src, weight, b, x, images, mergeDepth(g));
  else {
    eachImage(grad, images, g, (n, s) => {
      copyInto(s.outputs, byDepth(src, n, g));
      planesBack(s.outputs, weight, null, s.images, g.output[0] as number, s.geometry);
      unstack(s.images, x, n, g);
    });
  }
  if (src !== grad) release(src.storage);
  return x;
}

/** The gradient of the weight, [outChannels, channels / groups, kernel...]. */
export function convBackWeight(x: Tensor, grad: Tensor, g: ConvGeometry): Tensor {
  const [src, out] = [contiguous(x), contiguous(grad)];
  const images = x.shape[0] as number;
  const shape = [g.outChannels, g.channels / g.groups, ...g.kernel];
  if (src.numel === 0 || out.numel === 0) return full(shape, 0, x.code);
  const gw = empty(shape, x.code);
  if (gw.numel === 0) return gw;
  if (g.input.length < 3) planesWeight(src, out, gw, images, g, false);
  else if (isPointwise(g)) planesWeight(src, out, gw, images, mergeDepth(g), false);
  else {
    eachImage(x, images, g, (n, s) => {
      stack(src, n, s.images, g);
      copyInto(s.outputs, byDepth(out, n, g));
      planesWeight(s.images, s.outputs, gw, g.output[0] as number, s.geometry, n > 0);
    });
  }
  if (src !== x) release(src.storage);
  if (out !== grad) release(out.storage);
  return gw;
}

/** The sums over images and pixels by channel, in float64: the gradient of a bias. */
export function channelSums(grad: Tensor): Tensor {
  const src = contiguous(grad);
  const [images, channels] = grad.shape as [number, number];
  const pixels = product(grad.shape.slice(2));
  const out = empty([channels], grad.code);
  if (channels === 0) return out;
  if (src.numel === 0) {
    fillWith(out, 0);
    return out;
  }
  const table: KernelTable = GRAD_BIAS;
  const pieces = Math.max(1, Math.min(8, channels, Math.floor(src.numel / 32768)));
  const [from, to] = [ptr(src), ptr(out)];
  for (let i = 0; i < pieces; i++) {
    const c0 = Math.floor((i * channels) / pieces);
    const c1 = Math.floor(((i + 1) * channels) / pieces);
    enqueue(table, out.code, from, to, images, channels, pixels, c0, c1);
  }
  runAll();
  if (src !== grad) release(src.storage);
  return out;
}
