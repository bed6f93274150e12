/** Convolution of images: by Winograd's tiles where these fit, else by direct sums. */
import { release } from "../tensor/heap.js";
import { addInto, empty } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { type ConvGeometry, planes, planesBack, planesWeight } from "./convPlanes.js";
import {
  prefersWinograd,
  prefersWinogradWeight,
  winograd,
  winogradBack,
  winogradGradWeight,
} from "./convWinograd.js";

/** y = conv(x, w) + bias for one or two spatial dimensions, contiguous tensors. */
export function convImages(
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  y: Tensor,
  images: number,
  g: ConvGeometry,
): void {
  const way = prefersWinograd(g, x.code) ? winograd : planes;
  way(x, w, bias, y, images, g);
}

/** x = transposed conv(grad, w) + bias, likewise. */
export function convImagesBack(
  grad: Tensor,
  w: Tensor,
  bias: Tensor | null,
  x: Tensor,
  images: number,
  g: ConvGeometry,
): void {
  const way = prefersWinograd(g, grad.code) ? winogradBack : planesBack;
  way(grad, w, bias, x, images, g);
}

/** gw (+)= gradient of the weight. */
export function convImagesWeight(
  x: Tensor,
  grad: Tensor,
  gw: Tensor,
  images: number,
  g: ConvGeometry,
  accumulate: boolean,
): void {
  if (!prefersWinogradWeight(g, x.code)) {
    planesWeight(x, grad, gw, images, g, accumulate);
    return;
  }
  const into = accumulate ? empty(gw.shape, gw.code) : gw;
  winogradGradWeight(x, grad, into, images, g);
  if (!accumulate) return;
  addInto(gw, into);
  release(into.storage);
}
