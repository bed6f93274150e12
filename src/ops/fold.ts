/** Patches of images as columns (unfold) and the sum of columns back into images (fold): each other's transposes. */

import { defineOp, type Op, run } from "../autograd/op.js";
import { putInts } from "../kernels/index.js";
import { isFloat, SIZES } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show } from "../tensor/errors.js";
import { enqueue, GRAIN, inPieces, kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { contiguous, empty, ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { needTensor } from "./core.js";
import { type Sizes, sizesOf } from "./spatial.js";
import { squeeze, unsqueeze } from "./view.js";

const IM2COL = kernelTable("im2col");
const COL2IM = kernelTable("col2im");

interface Patches {
  readonly channels: number;
  readonly image: readonly number[];
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  /** Number of patches along each dimension. */
  readonly blocks: readonly number[];
}

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

function descriptor(p: Patches): number {
  return putInts([
    p.channels,
    2,
    ...p.image,
    ...p.kernel,
    ...p.stride,
    ...p.padding,
    ...p.dilation,
    ...p.blocks,
  ]);
}

const unfoldOp: Op<Patches> = defineOp<Patches>({
  name: "Unfold",
  forward: ([x], p) => {
    const src = contiguous(x as Tensor);
    const images = src.shape[0] as number;
    const [rows, length] = [p.channels * product(p.kernel), product(p.blocks)];
    const out = empty([images, rows, length], src.code);
    if (out.numel === 0) return out;
    const bytes = SIZES[src.code] as number;
    const [from, to, desc] = [ptr(src), ptr(out), descriptor(p)];
    const image = p.channels * product(p.image) * bytes;
    inPieces(images * rows, Math.ceil(GRAIN / length), (first, count) => {
      for (let r = first; r < first + count; ) {
        const n = Math.floor(r / rows);
        const end = Math.min(first + count, (n + 1) * rows);
        enqueue(
          IM2COL,
          src.code,
          from + n * image,
          to + n * rows * length * bytes,
          desc,
          r - n * rows,
          end - n * rows,
        );
        r = end;
      }
    });
    return out;
  },
  backward: (g, n) => [run(foldOp, [g], n.attrs)],
});

const foldOp: Op<Patches> = defineOp<Patches>({
  name: "Fold",
  forward: ([x], p) => {
    const src = contiguous(x as Tensor);
    const images = src.shape[0] as number;
    const out = empty([images, p.channels, ...p.image], src.code);
    if (out.numel === 0) return out;
    const bytes = SIZES[src.code] as number;
    const [from, to, desc] = [ptr(src), ptr(out), descriptor(p)];
    const [columns, plane] = [product(p.kernel) * product(p.blocks), product(p.image)];
    inPieces(images * p.channels, Math.ceil(GRAIN / (columns + plane)), (first, count) => {
      for (let c = first; c < first + count; ) {
        const n = Math.floor(c / p.channels);
        const start = n * p.channels;
        const end = Math.min(first + count, start + p.channels);
        enqueue(
          COL2IM,
          src.code,
          from + start * columns * bytes,
          to + start * plane * bytes,
          desc,
          c - start,
          end - start,
        );
        c = end;
      }
    });
    return out;
  },
  backward: (g, n) => [run(unfoldOp, [g], n.attrs)],
});

/** Options of {@link unfold} and {@link fold}. */
export interface FoldOptions {
  /** Distance between the elements of a patch (default 1). */
  dilation?: Sizes;
  /** Zeros around the image on both sides (default 0). */
  padding?: Sizes;
  /** Distance between neighbouring patches (default 1). */
  stride?: Sizes;
}

/** @internal */
export const FOLD_OPTIONS: OptionNames<FoldOptions> = { dilation: 1, padding: 1, stride: 1 };

function patches(
  op: string,
  channels: number,
  image: readonly number[],
  kernelSize: Sizes,
  o: FoldOptions,
): Patches {
  const kernel = sizesOf(op, "kernelSize", kernelSize, 2, 1);
  const stride = sizesOf(op, "stride", o.stride ?? 1, 2, 1);
  const padding = sizesOf(op, "padding", o.padding ?? 0, 2, 0);
  const dilation = sizesOf(op, "dilation", o.dilation ?? 1, 2, 1);
  const blocks = image.map((n, d) => {
    const [k, s, p, r] = [kernel[d], stride[d], padding[d], dilation[d]] as [number, number, number, number];
    return Math.floor((n + 2 * p - r * (k - 1) - 1) / s) + 1;
  });
  if (blocks.some((n) => n < 1)) {
    throw new ShapeError(
      `[${op}] an image of size ${show(image)} has no place for a patch: got kernel ${show(kernel)}, ` +
        `dilation ${show(dilation)}, padding ${show(padding)}, stride ${show(stride)}`,
    );
  }
  return { channels, image, kernel, stride, padding, dilation, blocks };
}

function checkFloat(op: string, x: Tensor): void {
  if (!isFloat(x.code))
    throw new DTypeError(`[${op}] expected a floating dtype, got ${x.dtype}; try x.to("float32")`);
}

/**
 * The patches of images (N, C, H, W) or (C, H, W) as columns (N, C * kernel size, patches): what a convolution
 * multiplies with its weight. Source: `torch.nn.functional.unfold`.
 * @example
 * unfold(ones([1, 3, 10, 12]), [4, 5]).shape; // [1, 60, 56]
 * @throws ShapeError when no patch fits.
 */
export function unfold(input: Tensor, kernelSize: Sizes, options: FoldOptions = {}): Tensor {
  needTensor("unfold", input);
  checkOptions("unfold", options, FOLD_OPTIONS);
  checkFloat("unfold", input);
  if (input.shape.length === 3) return squeeze(unfold(unsqueeze(input, 0), kernelSize, options), 0);
  if (input.shape.length !== 4) {
    throw new ShapeError(`[unfold] expected (N, C, H, W) or (C, H, W), got shape ${show(input.shape)}`);
  }
  if (input.shape.slice(1).some((n) => n === 0)) {
    throw new ShapeError(`[unfold] only the batch may be empty, got shape ${show(input.shape)}`);
  }
  const p = patches("unfold", input.shape[1] as number, input.shape.slice(2), kernelSize, options);
  return run(unfoldOp, [input], p);
}

/**
 * The sum of columns (N, C * kernel size, patches) at the places of their patches in images (N, C, H, W) of size
 * `outputSize`: the transpose of {@link unfold}. Source: `torch.nn.functional.fold`.
 * @example
 * fold(ones([1, 12, 12]), [4, 5], 2).shape; // [1, 3, 4, 5]
 * @throws ShapeError when the columns do not fit.
 */
export function fold(input: Tensor, outputSize: Sizes, kernelSize: Sizes, options: FoldOptions = {}): Tensor {
  needTensor("fold", input);
  checkOptions("fold", options, FOLD_OPTIONS);
  checkFloat("fold", input);
  if (input.shape.length === 2) return squeeze(fold(unsqueeze(input, 0), outputSize, kernelSize, options), 0);
  if (input.shape.length !== 3) {
    throw new ShapeError(
      `[fold] expected (N, C * kernel size, patches) or (C * kernel size, patches), got shape ${show(input.shape)}`,
    );
  }
  const image = sizesOf("fold", "outputSize", outputSize, 2, 1);
  const taps = product(sizesOf("fold", "kernelSize", kernelSize, 2, 1));
  const rows = input.shape[1] as number;
  if (rows === 0 || rows % taps !== 0) {
    throw new ShapeError(
      `[fold] expected columns of a multiple of ${taps} elements, the kernel's size, got shape ${show(input.shape)}`,
    );
  }
  const p = patches("fold", rows / taps, image, kernelSize, options);
  if (input.shape[2] !== product(p.blocks)) {
    throw new ShapeError(
      `[fold] an image of size ${show(image)} has ${product(p.blocks)} patches of size ${show(p.kernel)}, got ${input.shape[2]} columns`,
    );
  }
  return run(foldOp, [input], p);
}
