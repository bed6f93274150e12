/** Unfold and Fold: images as columns of patches, and back. */
import { FOLD_OPTIONS, type FoldOptions, fold, unfold } from "../ops/fold.js";
import type { Sizes } from "../ops/spatial.js";
import { checkOptions } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import { showOptions } from "./print.js";

/**
 * The patches of images (N, C, H, W) as columns (N, C * kernel size, patches). Source: `torch.nn.Unfold`.
 * @example
 * new Unfold([2, 3])(ones([2, 5, 3, 4])).shape; // [2, 30, 4]
 */
export class Unfold extends Module {
  /** @internal */ static readonly pure = true;
  /** Size of the blocks. */
  kernelSize: Sizes;
  /** Distance between the elements of a block (default 1). */
  dilation: Sizes;
  /** Zeros added at both sides of the spatial dimensions (default 0). */
  padding: Sizes;
  /** Steps from block to block (default 1). */
  stride: Sizes;

  constructor(kernelSize: Sizes, options: FoldOptions = {}) {
    super();
    checkOptions(this._getName(), options, FOLD_OPTIONS);
    this.kernelSize = kernelSize;
    this.dilation = options.dilation ?? 1;
    this.padding = options.padding ?? 0;
    this.stride = options.stride ?? 1;
  }

  forward(input: Tensor): Tensor {
    const { dilation, padding, stride } = this;
    return unfold(input, this.kernelSize, { dilation, padding, stride });
  }

  override extraRepr(): string {
    const { kernelSize, dilation, padding, stride } = this;
    return showOptions({ kernelSize, dilation, padding, stride });
  }
}

/**
 * The sum of columns (N, C * kernel size, patches) in images (N, C, H, W) of size `outputSize`.
 * Source: `torch.nn.Fold`.
 * @example
 * new Fold([4, 5], [2, 2])(ones([1, 12, 12])).shape; // [1, 3, 4, 5]
 */
export class Fold extends Module {
  /** @internal */ static readonly pure = true;
  /** Spatial sizes of the output. */
  outputSize: Sizes;
  /** Size of the blocks. */
  kernelSize: Sizes;
  /** Distance between the elements of a block (default 1). */
  dilation: Sizes;
  /** Rows cut off at both sides of the spatial dimensions (default 0). */
  padding: Sizes;
  /** Steps from block to block (default 1). */
  stride: Sizes;

  constructor(outputSize: Sizes, kernelSize: Sizes, options: FoldOptions = {}) {
    super();
    checkOptions(this._getName(), options, FOLD_OPTIONS);
    this.outputSize = outputSize;
    this.kernelSize = kernelSize;
    this.dilation = options.dilation ?? 1;
    this.padding = options.padding ?? 0;
    this.stride = options.stride ?? 1;
  }

  forward(input: Tensor): Tensor {
    const { dilation, padding, stride } = this;
    return fold(input, this.outputSize, this.kernelSize, { dilation, padding, stride });
  }

  override extraRepr(): string {
    const { outputSize, kernelSize, dilation, padding, stride } = this;
    return showOptions({ outputSize, kernelSize, dilation, padding, stride });
  }
}
