/** Convolution on raw tensors of any strides, one to three spatial dimensions: chooses how each is computed. */
import { runAll } from "../kernels/index.js";
import { release } from "../tensor/heap.js";
import { enqueue, kernelTable } from "../tensor/launch.js";
import { contiguous, copyInto, empty, fillWith, full, ptr, viewOf } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { columnsBackInput, columnsBackWeight, columnsForward, prefersColumns } from "./convColumns.js";
import { convImages, convImagesBack, convImagesWeight } from "./convImages.js";
import type { ConvGeometry } from "./convPlanes.js";
import { pointwise, pointwiseBack, pointwiseWeight, prefersPointwise } from "./convPointwise.js";
import { volumes, volumesBack, volumesWeight } from "./convVolumes.js";
import { prefersWinograd } from "./convWinograd.js";

export type { ConvGeometry } from "./convPlanes.js";

const GRAD_BIAS = kernelTable("convGradBias");

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

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
  if (prefersPointwise(g)) pointwise(src, weight, b, y, images, g);
  else if (usesColumns(g, x.code)) columnsForward(src, weight, b, y, images, g);
  else if (g.input.length < 3) convImages(src, weight, b, y, images, g);
  else volumes(src, weight, b, y, images, g);
  if (src !== x) release(src.storage);
  return y;
}

/** Whether the product with the matrix of patches pays; the tiles of 3 x 3 kernels pay more. */
function usesColumns(g: ConvGeometry, code: number): boolean {
  return prefersColumns(g) && !prefersWinograd(g, code);
}

/** Whether {@link convBackInput} takes a bias. */
export function takesBias(g: ConvGeometry, code: number): boolean {
  return prefersPointwise(g) || (g.input.length < 3 && !usesColumns(g, code));
}

/** x = transposed conv(grad, w) + bias (`bias` has `channels` elements; where {@link takesBias} says so). */
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
  if (prefersPointwise(g)) pointwiseBack(src, weight, b, x, images, g);
  else if (usesColumns(g, grad.code)) columnsBackInput(src, weight, x, images, g);
  else if (g.input.length < 3) convImagesBack(src, weight, b, x, images, g);
  else volumesBack(src, weight, x, images, g);
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
  if (prefersPointwise(g)) pointwiseWeight(src, out, gw, images, g);
  else if (usesColumns(g, x.code)) columnsBackWeight(src, out, gw, images, g);
  else if (g.input.length < 3) convImagesWeight(src, out, gw, images, g, false);
  else volumesWeight(src, out, gw, images, g);
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
  const pieces = Math.max(1, Math.min(8, channels, Math.floor(src.numel / 32768)));
  const [from, to] = [ptr(src), ptr(out)];
  for (let i = 0; i < pieces; i++) {
    const c0 = Math.floor((i * channels) / pieces);
    const c1 = Math.floor(((i + 1) * channels) / pieces);
    enqueue(GRAD_BIAS, out.code, from, to, images, channels, pixels, c0, c1);
  }
  runAll();
  if (src !== grad) release(src.storage);
  return out;
}
