/**
 * Convolution of small images with many channels as one matrix product: the patches of all images side by side are
 * the columns of a matrix. Worth it where rows are shorter than the vectors of the direct kernels.
 */
import { putInts, runAll } from "../kernels/index.js";
import { release } from "../tensor/heap.js";
import { enqueue, kernelTable } from "../tensor/launch.js";
import { copyInto, empty, ptr, viewOf } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ConvGeometry } from "./convPlanes.js";
import { isPlain } from "./convPointwise.js";
import { gemmInto } from "./gemm.js";

const IM2COL = kernelTable("im2col");
const COL2IM = kernelTable("col2im");

/** Elements of a weight from which the product is faster, for rows of at most 8 and of at most 16 outputs. */
const WEIGHTS_8 = 16384;
const WEIGHTS_16 = 262144;
/** Elements of the columns that are made at a time. */
const TOGETHER = 2 * 1024 * 1024;

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

/** Whether the kernel covers the whole image, so that an image is its only patch. */
function isWhole(g: ConvGeometry): boolean {
  return g.input.every(
    (n, d) => n === g.kernel[d] && g.padding[d] === 0 && g.dilation[d] === 1 && g.output[d] === 1,
  );
}

/** Whether the product pays. */
export function prefersColumns(g: ConvGeometry): boolean {
  if (g.groups !== 1) return false;
  if (isWhole(g)) return true;
  const width = g.output.at(-1) as number;
  const weights = g.channels * product(g.kernel) * g.outChannels;
  return g.input.length < 3 && width <= 16 && weights >= (width <= 8 ? WEIGHTS_8 : WEIGHTS_16);
}

/** Calls `fn` for parts of the batch: how many images together depends on the sizes of one. */
function inParts(
  tensors: readonly Tensor[],
  images: number,
  g: ConvGeometry,
  fn: (parts: Tensor[], count: number, first: boolean) => void,
): void {
  const rows = g.channels * product(g.kernel);
  const step = Math.max(1, Math.floor(TOGETHER / (rows * product(g.output))));
  for (let n = 0; n < images; n += step) {
    const count = Math.min(step, images - n);
    const parts = tensors.map((t) => {
      const each = t.numel / images;
      return viewOf(t, [count, each], null, t.storageOffset + n * each);
    });
    fn(parts, count, n === 0);
  }
}

/** The descriptor of the patches of a batch: images are a dimension in front, over which the kernel does not reach. */
function descriptor(images: number, g: ConvGeometry): number {
  const lists = [
    [images, ...g.input],
    [1, ...g.kernel],
    [1, ...g.stride],
    [0, ...g.padding],
    [1, ...g.dilation],
    [images, ...g.output],
  ];
  return putInts([g.channels, 1 + g.input.length, ...lists.flat()]);
}

/** into[i, j, :] = from[j, i, :] for [a, b, plane] elements. */
function swapInto(into: Tensor, from: Tensor, a: number, b: number, plane: number): void {
  const target = viewOf(into, [a, b, plane], null, into.storageOffset);
  copyInto(target, viewOf(from, [a, b, plane], [plane, a * plane, 1], from.storageOffset));
}

/** The matrix [rows, cols] in a contiguous tensor. */
function matrix(t: Tensor, rows: number, cols: number): Tensor {
  return viewOf(t, [rows, cols], null, t.storageOffset);
}

function transposed(t: Tensor, rows: number, cols: number): Tensor {
  return viewOf(t, [cols, rows], [1, cols], t.storageOffset);
}

function inRows(rows: number, work: number, queue: (first: number, end: number) => void): void {
  const pieces = Math.max(1, Math.min(16, rows, Math.floor(work / 65536)));
  for (let i = 0; i < pieces; i++)
    queue(Math.floor((i * rows) / pieces), Math.floor(((i + 1) * rows) / pieces));
  runAll();
}

/** The patches of all images, [channels kernel, images output]. */
function patches(x: Tensor, images: number, g: ConvGeometry): Tensor {
  const plane = product(g.input);
  const source = empty([g.channels, images * plane], x.code);
  swapInto(source, x, g.channels, images, plane);
  if (isPlain(g)) return source;
  const rows = g.channels * product(g.kernel);
  const col = empty([rows, images * product(g.output)], x.code);
  const [from, to, desc] = [ptr(source), ptr(col), descriptor(images, g)];
  inRows(rows, col.numel, (r0, r1) => enqueue(IM2COL, x.code, from, to, desc, r0, r1));
  release(source.storage);
  return col;
}

/** [images, channels, output] as a matrix [channels, images output]. */
function byChannel(y: Tensor, images: number, g: ConvGeometry): Tensor {
  const plane = product(g.output);
  const out = empty([g.outChannels, images * plane], y.code);
  swapInto(out, y, g.outChannels, images, plane);
  return out;
}

/** y = w patches(x) + bias. */
export function columnsForward(
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  y: Tensor,
  images: number,
  g: ConvGeometry,
): void {
  const rows = g.channels * product(g.kernel);
  if (isWhole(g)) {
    gemmInto(
      matrix(y, images, g.outChannels),
      matrix(x, images, rows),
      transposed(w, g.outChannels, rows),
      false,
      bias,
      1,
    );
    return;
  }
  inParts([x, y], images, g, ([image, part], count) => {
    const col = patches(image as Tensor, count, g);
    const out = empty([g.outChannels, col.shape[1] as number], x.code);
    gemmInto(out, matrix(w, g.outChannels, rows), col, false, bias, 2);
    release(col.storage);
    swapInto(part as Tensor, out, count, g.outChannels, product(g.output));
    release(out.storage);
  });
}

/** The columns w^T grad, each added where its patch was in x. */
export function columnsBackInput(grad: Tensor, w: Tensor, x: Tensor, images: number, g: ConvGeometry): void {
  const rows = g.channels * product(g.kernel);
  if (isWhole(g)) {
    gemmInto(matrix(x, images, rows), matrix(grad, images, g.outChannels), matrix(w, g.outChannels, rows));
    return;
  }
  const plane = product(g.input);
  inParts([grad, x], images, g, ([image, part], count) => {
    const source = byChannel(image as Tensor, count, g);
    const col = empty([rows, source.shape[1] as number], x.code);
    gemmInto(col, transposed(w, g.outChannels, rows), source);
    release(source.storage);
    if (isPlain(g)) {
      swapInto(part as Tensor, col, count, g.channels, plane);
      release(col.storage);
      return;
    }
    const out = empty([g.channels, count, plane], x.code);
    const [from, to, desc] = [ptr(col), ptr(out), descriptor(count, g)];
    inRows(g.channels, col.numel, (c0, c1) => enqueue(COL2IM, x.code, from, to, desc, c0, c1));
    release(col.storage);
    swapInto(part as Tensor, out, count, g.channels, plane);
    release(out.storage);
  });
}

/** gw = grad patches(x)^T. */
export function columnsBackWeight(
  x: Tensor,
  grad: Tensor,
  gw: Tensor,
  images: number,
  g: ConvGeometry,
): void {
  const rows = g.channels * product(g.kernel);
  const out = matrix(gw, g.outChannels, rows);
  if (isWhole(g)) {
    gemmInto(out, transposed(grad, images, g.outChannels), matrix(x, images, rows));
    return;
  }
  inParts([x, grad], images, g, ([image, part], count, first) => {
    const col = patches(image as Tensor, count, g);
    const source = byChannel(part as Tensor, count, g);
    gemmInto(out, source, transposed(col, rows, col.shape[1] as number), !first);
    release(col.storage);
    release(source.storage);
  });
}
