/**
 * Convolution of volumes. y[n, :, od] = sum over kd of conv(x[n, :, od sd + kd dd - pd], w[:, :, kd]): for each volume
 * a convolution of OD images of C KD channels, with the weight as it lies in memory.
 */
import { putInts, runAll } from "../kernels/index.js";
import { SIZES } from "../tensor/dtype.js";
import { release } from "../tensor/heap.js";
import { enqueue, kernelTable } from "../tensor/launch.js";
import { copyInto, empty, fillWith, ptr, viewOf } from "../tensor/raw.js";
import { contiguousStrides } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { convImages, convImagesBack, convImagesWeight } from "./convImages.js";
import { type ConvGeometry, planes, planesBack, planesWeight } from "./convPlanes.js";

const COL2IM = kernelTable("col2im");

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

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
  return {
    input: g.input[0] as number,
    output: g.output[0] as number,
    kernel: g.kernel[0] as number,
    stride: g.stride[0] as number,
    padding: g.padding[0] as number,
    dilation: g.dilation[0] as number,
    plane: product(g.input.slice(1)),
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

/** y = conv(x, w) + bias. */
export function volumes(
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  y: Tensor,
  images: number,
  g: ConvGeometry,
): void {
  if (isPointwise(g)) {
    planes(x, w, bias, y, images, mergeDepth(g));
    return;
  }
  eachImage(x, images, g, (n, s) => {
    stack(x, n, s.images, g);
    convImages(s.images, w, bias, s.outputs, g.output[0] as number, s.geometry);
    copyInto(byDepth(y, n, g), s.outputs);
  });
}

/** x = transposed conv(grad, w). */
export function volumesBack(grad: Tensor, w: Tensor, x: Tensor, images: number, g: ConvGeometry): void {
  if (isPointwise(g)) {
    planesBack(grad, w, null, x, images, mergeDepth(g));
    return;
  }
  eachImage(grad, images, g, (n, s) => {
    copyInto(s.outputs, byDepth(grad, n, g));
    convImagesBack(s.outputs, w, null, s.images, g.output[0] as number, s.geometry);
    unstack(s.images, x, n, g);
  });
}

/** gw = the gradient of the weight, image after image. */
export function volumesWeight(x: Tensor, grad: Tensor, gw: Tensor, images: number, g: ConvGeometry): void {
  if (isPointwise(g)) {
    planesWeight(x, grad, gw, images, mergeDepth(g), false);
    return;
  }
  eachImage(x, images, g, (n, s) => {
    stack(x, n, s.images, g);
    copyInto(s.outputs, byDepth(grad, n, g));
    convImagesWeight(s.images, s.outputs, gw, g.output[0] as number, s.geometry, n > 0);
  });
}
