/** Fractional max pooling layers. */
import {
  FRACTIONAL_MAX_POOL_OPTIONS,
  type FractionalMaxPoolOptions,
  fractionalMaxPool2d,
  fractionalMaxPool3d,
} from "../ops/fractionalPool.js";
import type { WithIndices } from "../ops/maxPool.js";
import { type Sizes, sizesOf } from "../ops/spatial.js";
import { show, ValueError } from "../tensor/errors.js";
import { checkOptions } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";

/** What fractional max pooling layers share. */
export abstract class FractionalMaxPoolNd<R extends boolean = false> extends Module<
  [Tensor],
  WithIndices<R>
> {
  /** Size of the window in the spatial dimensions. */
  kernelSize: readonly number[];
  /** Spatial sizes of the output, or null where `outputRatio` says them. */
  outputSize: readonly number[] | null;
  /** Spatial sizes of the output as parts of those of the input, between 0 and 1, or null. */
  outputRatio: readonly number[] | null;
  /** Whether the call gives the positions of the maxima too (default false). */
  returnIndices: R;
  /** The draws that place the windows, or null for new ones at every call. */
  _randomSamples: Tensor | null;

  constructor(rank: number, kernelSize: Sizes, options: FractionalMaxPoolOptions<R>) {
    super();
    checkOptions(this._getName(), options, FRACTIONAL_MAX_POOL_OPTIONS);
    const name = this._getName();
    const { outputSize = null, outputRatio = null } = options;
    this.kernelSize = sizesOf(name, "kernelSize", kernelSize, rank, 1);
    if ((outputSize === null) === (outputRatio === null)) {
      const got = outputSize === null ? "neither" : "both";
      throw new ValueError(`[${name}] expected either outputSize or outputRatio, got ${got}`);
    }
    this.outputSize = outputSize === null ? null : sizesOf(name, "outputSize", outputSize, rank, 1);
    const ratio = typeof outputRatio === "number" ? new Array<number>(rank).fill(outputRatio) : outputRatio;
    if (ratio !== null && (ratio.length !== rank || !ratio.every((r) => r > 0 && r < 1))) {
      throw new ValueError(
        `[${name}] outputRatio must be 1 or ${rank} numbers between 0 and 1, got ${show(ratio)}`,
      );
    }
    this.outputRatio = ratio;
    this.returnIndices = (options.returnIndices ?? false) as R;
    this._randomSamples = this.registerBuffer("_randomSamples", options._randomSamples ?? null);
  }

  /** @internal */
  protected settings(): FractionalMaxPoolOptions<R> {
    const { outputSize, outputRatio, returnIndices, _randomSamples } = this;
    return { outputSize, outputRatio, returnIndices, _randomSamples };
  }
}

/**
 * Maxima over windows at pseudo-random places of (N, C, H, W) or (C, H, W), new ones at every call.
 * Source: `torch.nn.FractionalMaxPool2d`.
 * @example
 * new FractionalMaxPool2d(3, { outputRatio: 0.5 })(randn([1, 4, 20, 16])).shape; // [1, 4, 10, 8]
 * @throws ValueError unless either outputSize or outputRatio is given.
 */
export class FractionalMaxPool2d<R extends boolean = false> extends FractionalMaxPoolNd<R> {
  /** @internal */ static readonly pure = true;

  constructor(kernelSize: Sizes, options: FractionalMaxPoolOptions<R> = {}) {
    super(2, kernelSize, options);
  }

  forward(input: Tensor): WithIndices<R> {
    return fractionalMaxPool2d<R>(input, this.kernelSize, this.settings());
  }
}

/**
 * Maxima over windows at pseudo-random places of (N, C, D, H, W) or (C, D, H, W), new ones at every call.
 * Source: `torch.nn.FractionalMaxPool3d`.
 */
export class FractionalMaxPool3d<R extends boolean = false> extends FractionalMaxPoolNd<R> {
  /** @internal */ static readonly pure = true;

  constructor(kernelSize: Sizes, options: FractionalMaxPoolOptions<R> = {}) {
    super(3, kernelSize, options);
  }

  forward(input: Tensor): WithIndices<R> {
    return fractionalMaxPool3d<R>(input, this.kernelSize, this.settings());
  }
}
