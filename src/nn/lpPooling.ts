/** Power-average pooling layers. */
import { LP_POOL_OPTIONS, type LpPoolOptions, lpPool1d, lpPool2d, lpPool3d } from "../ops/lpPool.js";
import { strideAndOptions } from "../ops/maxPool.js";
import type { Sizes } from "../ops/spatial.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import { showOptions } from "./print.js";

/** What power-average pooling layers share. */
export abstract class LPPoolNd extends Module {
  /** Order of the norm over each window. */
  normType: number;
  /** Size of the window in the spatial dimensions. */
  kernelSize: Sizes;
  /** Steps of the window; null: kernelSize. */
  stride: Sizes | null;
  /** Whether windows may begin in and reach beyond the end (default false). */
  ceilMode: boolean;

  constructor(
    normType: number,
    kernelSize: Sizes,
    stride?: Sizes | null | LpPoolOptions,
    options?: LpPoolOptions,
  ) {
    super();
    const o = strideAndOptions(this._getName(), stride, options, LP_POOL_OPTIONS);
    this.normType = normType;
    this.kernelSize = kernelSize;
    this.stride = o.stride ?? null;
    this.ceilMode = o.ceilMode ?? false;
  }

  override extraRepr(): string {
    const { normType, kernelSize, stride, ceilMode } = this;
    return showOptions({ normType, kernelSize, stride, ceilMode });
  }
}

/** (sum x^normType)^(1 / normType) over windows of (N, C, L) or (C, L). Source: `torch.nn.LPPool1d`. */
export class LPPool1d extends LPPoolNd {
  /** @internal */ static readonly pure = true;

  forward(input: Tensor): Tensor {
    return lpPool1d(input, this.normType, this.kernelSize, this);
  }
}

/** (sum x^normType)^(1 / normType) over windows of (N, C, H, W) or (C, H, W). Source: `torch.nn.LPPool2d`. */
export class LPPool2d extends LPPoolNd {
  /** @internal */ static readonly pure = true;

  forward(input: Tensor): Tensor {
    return lpPool2d(input, this.normType, this.kernelSize, this);
  }
}

/** (sum x^normType)^(1 / normType) over windows of (N, C, D, H, W) or (C, D, H, W). Source: `torch.nn.LPPool3d`. */
export class LPPool3d extends LPPoolNd {
  /** @internal */ static readonly pure = true;

  forward(input: Tensor): Tensor {
    return lpPool3d(input, this.normType, this.kernelSize, this);
  }
}
