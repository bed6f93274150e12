/** Layers that change the shape: Flatten and Unflatten. */

import { unflatten } from "../ops/dims.js";
import { flatten } from "../ops/view.js";
import { ValueError } from "../tensor/errors.js";
import { checkNames, type OptionNames } from "../tensor/options.js";
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import { showOptions } from "./print.js";

/** Options of {@link Flatten}. */
export interface FlattenLayerOptions {
  /** First dimension to join (default 1, so that the batch stays). */
  startDim?: number;
  /** Last dimension to join (default -1). */
  endDim?: number;
}

const FLATTEN_LAYER_OPTIONS: OptionNames<FlattenLayerOptions> = { startDim: 1, endDim: 1 };

/**
 * Joins dimensions into one. Source: `torch.nn.Flatten`.
 * @example
 * new Flatten()(ones([32, 1, 5, 5])).shape; // [32, 25]
 */
export class Flatten extends Module {
  /** @internal */ static readonly pure = true;
  /** First dimension that is joined (default 1). */
  startDim: number;
  /** Last dimension that is joined (default -1). */
  endDim: number;

  constructor(options: number | FlattenLayerOptions = {}) {
    super();
    checkNames(this._getName(), options, FLATTEN_LAYER_OPTIONS);
    const { startDim = 1, endDim = -1 } = typeof options === "number" ? { startDim: options } : options;
    this.startDim = startDim;
    this.endDim = endDim;
  }

  forward(x: Tensor): Tensor {
    return flatten(x, this.startDim, this.endDim);
  }

  override extraRepr(): string {
    return showOptions({ startDim: this.startDim, endDim: this.endDim });
  }
}

/**
 * Splits one dimension into several, of which one size may be -1. Source: `torch.nn.Unflatten`.
 * @example
 * new Unflatten(1, [2, 5, 5])(ones([3, 50])).shape; // [3, 2, 5, 5]
 * @throws ValueError for sizes that are no whole numbers.
 */
export class Unflatten extends Module {
  /** @internal */ static readonly pure = true;
  /** Dimension that is split. */
  dim: number;
  /** What it is split into; one size may be -1. */
  unflattenedSize: Shape;

  constructor(dim: number, unflattenedSize: Shape) {
    super();
    if (!Array.isArray(unflattenedSize) || !unflattenedSize.every(Number.isInteger)) {
      throw new ValueError(
        `[Unflatten] unflattenedSize must be a list of whole numbers, got ${String(unflattenedSize)}`,
      );
    }
    this.dim = dim;
    this.unflattenedSize = unflattenedSize;
  }

  forward(x: Tensor): Tensor {
    return unflatten(x, this.dim, this.unflattenedSize);
  }

  override extraRepr(): string {
    return showOptions({ dim: this.dim, unflattenedSize: this.unflattenedSize });
  }
}
