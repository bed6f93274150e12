/** Layers that rearrange or resample images: PixelShuffle, PixelUnshuffle, ChannelShuffle, Upsample and its kin. */
import {
  type InterpolateMode,
  type InterpolateOptions,
  interpolate,
  UPSAMPLE_OPTIONS,
  type UpsampleOptions,
} from "../ops/interpolate.js";
import { channelShuffle, pixelShuffle, pixelUnshuffle } from "../ops/pixelShuffle.js";
import type { Sizes } from "../ops/spatial.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import { showOptions } from "./print.js";

/**
 * Rearranges (*, C r^2, H, W) to (*, C, H r, W r). Source: `torch.nn.PixelShuffle`.
 * @example
 * new PixelShuffle(3)(ones([1, 9, 4, 4])).shape; // [1, 1, 12, 12]
 */
export class PixelShuffle extends Module {
  /** @internal */ static readonly pure = true;
  /** Factor of height and width. */
  upscaleFactor: number;

  constructor(upscaleFactor: number) {
    super();
    this.upscaleFactor = upscaleFactor;
  }

  forward(input: Tensor): Tensor {
    return pixelShuffle(input, this.upscaleFactor);
  }

  override extraRepr(): string {
    return showOptions({ upscaleFactor: this.upscaleFactor });
  }
}

/** Rearranges (*, C, H r, W r) to (*, C r^2, H, W). Source: `torch.nn.PixelUnshuffle`. */
export class PixelUnshuffle extends Module {
  /** @internal */ static readonly pure = true;
  /** Divisor of height and width. */
  downscaleFactor: number;

  constructor(downscaleFactor: number) {
    super();
    this.downscaleFactor = downscaleFactor;
  }

  forward(input: Tensor): Tensor {
    return pixelUnshuffle(input, this.downscaleFactor);
  }

  override extraRepr(): string {
    return showOptions({ downscaleFactor: this.downscaleFactor });
  }
}

/** Splits the channels of (N, C, *) into groups and interleaves them. Source: `torch.nn.ChannelShuffle`. */
export class ChannelShuffle extends Module {
  /** @internal */ static readonly pure = true;
  /** Groups of channels among which is shuffled; divides the channels. */
  groups: number;

  constructor(groups: number) {
    super();
    this.groups = groups;
  }

  forward(input: Tensor): Tensor {
    return channelShuffle(input, this.groups);
  }

  override extraRepr(): string {
    return showOptions({ groups: this.groups });
  }
}

/** Options of {@link Upsample}. */
export type UpsampleLayerOptions = Omit<InterpolateOptions, "antialias">;

const UPSAMPLE_LAYER_OPTIONS: OptionNames<UpsampleLayerOptions> = {
  size: 1,
  mode: 1,
  scaleFactor: 1,
  alignCorners: 1,
  recomputeScaleFactor: 1,
};

/**
 * Resamples (N, C, ...) with one to three spatial dimensions to `size`, or to `scaleFactor` times its size, by
 * `mode`: "nearest", "linear", "bilinear", "bicubic", "trilinear" and others. Source: `torch.nn.Upsample`.
 * @example
 * new Upsample({ scaleFactor: 2, mode: "bilinear" })(ones([1, 3, 4, 4])).shape; // [1, 3, 8, 8]
 */
export class Upsample extends Module {
  /** @internal */ static readonly pure: boolean = true;
  /** Spatial sizes of the output, or null where `scaleFactor` says them. */
  size: Sizes | null;
  /** Factors of the spatial sizes, or null. */
  scaleFactor: number | readonly number[] | null;
  /** How values between the elements are found (default "nearest"). */
  mode: InterpolateMode;
  /**
   * Whether the centres of the corner elements stay in place (default false; for the linear and cubic modes).
   */
  alignCorners: boolean | null;
  /** Whether the factor used is that of the whole sizes, not `scaleFactor` itself (default false). */
  recomputeScaleFactor: boolean | null;

  constructor(options: UpsampleLayerOptions = {}) {
    super();
    checkOptions(this._getName(), options, UPSAMPLE_LAYER_OPTIONS);
    this.size = options.size ?? null;
    this.scaleFactor = options.scaleFactor ?? null;
    this.mode = options.mode ?? "nearest";
    this.alignCorners = options.alignCorners ?? null;
    this.recomputeScaleFactor = options.recomputeScaleFactor ?? null;
  }

  forward(input: Tensor): Tensor {
    const { size, scaleFactor, mode, alignCorners, recomputeScaleFactor } = this;
    return interpolate(input, { size, scaleFactor, mode, alignCorners, recomputeScaleFactor });
  }

  override extraRepr(): string {
    const { size, scaleFactor, mode } = this;
    return showOptions(scaleFactor === null ? { size, mode } : { scaleFactor, mode });
  }
}

/** {@link Upsample} of images in mode "nearest". Source: `torch.nn.UpsamplingNearest2d`. */
export class UpsamplingNearest2d extends Upsample {
  /** @internal */ static override readonly pure = true;

  constructor(options: UpsampleOptions = {}) {
    super({ ...options, mode: "nearest" });
    checkOptions(this._getName(), options, UPSAMPLE_OPTIONS);
  }
}

/** {@link Upsample} of images in mode "bilinear", with aligned corners. Source: `torch.nn.UpsamplingBilinear2d`. */
export class UpsamplingBilinear2d extends Upsample {
  /** @internal */ static override readonly pure = true;

  constructor(options: UpsampleOptions = {}) {
    super({ ...options, mode: "bilinear", alignCorners: true });
    checkOptions(this._getName(), options, UPSAMPLE_OPTIONS);
  }
}
