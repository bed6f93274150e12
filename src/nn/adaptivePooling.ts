/** Adaptive pooling layers: the output has a given size, whatever the input's. */
import {
  ADAPTIVE_MAX_OPTIONS,
  type AdaptiveMaxOptions,
  type AdaptiveSize,
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
} from "../ops/adaptivePool.js";
import type { WithIndices } from "../ops/maxPool.js";
import { checkOptions } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import { showOptions } from "./print.js";

/** What adaptive average pooling layers share. */
export abstract class AdaptiveAvgPoolNd extends Module {
  /** Sizes of the output in the spatial dimensions; null keeps the size of the input. */
  outputSize: AdaptiveSize;

  constructor(outputSize: AdaptiveSize) {
    super();
    this.outputSize = outputSize;
  }

  override extraRepr(): string {
    return showOptions({ outputSize: this.outputSize });
  }
}

/** What adaptive max pooling layers share. */
export abstract class AdaptiveMaxPoolNd<R extends boolean = false> extends Module<[Tensor], WithIndices<R>> {
  /** Sizes of the output in the spatial dimensions; null keeps the size of the input. */
  outputSize: AdaptiveSize;
  /** Whether the call gives the positions of the maxima too (default false). */
  returnIndices: R;

  constructor(outputSize: AdaptiveSize, options: AdaptiveMaxOptions<R> = {}) {
    super();
    checkOptions(this._getName(), options, ADAPTIVE_MAX_OPTIONS);
    this.outputSize = outputSize;
    this.returnIndices = (options.returnIndices ?? false) as R;
  }

  override extraRepr(): string {
    return showOptions({ outputSize: this.outputSize });
  }
}

/**
 * Means over windows that divide (N, C, L) or (C, L) evenly into `outputSize`; null keeps a
 * size. Source: `torch.nn.AdaptiveAvgPool1d`.
 */
export class AdaptiveAvgPool1d extends AdaptiveAvgPoolNd {
  /** @internal */ static readonly pure = true;

  forward(input: Tensor): Tensor {
    return adaptiveAvgPool1d(input, this.outputSize);
  }
}

/**
 * Means over windows that divide (N, C, H, W) or (C, H, W) evenly into `outputSize`; null keeps a
 * size. Source: `torch.nn.AdaptiveAvgPool2d`.
 * @example
 * new AdaptiveAvgPool2d([5, null])(ones([1, 64, 8, 9])).shape; // [1, 64, 5, 9]
 */
export class AdaptiveAvgPool2d extends AdaptiveAvgPoolNd {
  /** @internal */ static readonly pure = true;

  forward(input: Tensor): Tensor {
    return adaptiveAvgPool2d(input, this.outputSize);
  }
}

/**
 * Means over windows that divide (N, C, D, H, W) or (C, D, H, W) evenly into `outputSize`; null keeps a
 * size. Source: `torch.nn.AdaptiveAvgPool3d`.
 */
export class AdaptiveAvgPool3d extends AdaptiveAvgPoolNd {
  /** @internal */ static readonly pure = true;

  forward(input: Tensor): Tensor {
    return adaptiveAvgPool3d(input, this.outputSize);
  }
}

/**
 * Maxima over windows that divide (N, C, L) or (C, L) evenly into `outputSize`; null keeps a
 * size; with `returnIndices` also their indices. Source: `torch.nn.AdaptiveMaxPool1d`.
 */
export class AdaptiveMaxPool1d<R extends boolean = false> extends AdaptiveMaxPoolNd<R> {
  /** @internal */ static readonly pure = true;

  forward(input: Tensor): WithIndices<R> {
    return adaptiveMaxPool1d<R>(input, this.outputSize, { returnIndices: this.returnIndices });
  }
}

/**
 * Maxima over windows that divide (N, C, H, W) or (C, H, W) evenly into `outputSize`; null keeps a
 * size; with `returnIndices` also their indices. Source: `torch.nn.AdaptiveMaxPool2d`.
 */
export class AdaptiveMaxPool2d<R extends boolean = false> extends AdaptiveMaxPoolNd<R> {
  /** @internal */ static readonly pure = true;

  forward(input: Tensor): WithIndices<R> {
    return adaptiveMaxPool2d<R>(input, this.outputSize, { returnIndices: this.returnIndices });
  }
}

/**
 * Maxima over windows that divide (N, C, D, H, W) or (C, D, H, W) evenly into `outputSize`; null keeps a
 * size; with `returnIndices` also their indices. Source: `torch.nn.AdaptiveMaxPool3d`.
 */
export class AdaptiveMaxPool3d<R extends boolean = false> extends AdaptiveMaxPoolNd<R> {
  /** @internal */ static readonly pure = true;

  forward(input: Tensor): WithIndices<R> {
    return adaptiveMaxPool3d<R>(input, this.outputSize, { returnIndices: this.returnIndices });
  }
}
