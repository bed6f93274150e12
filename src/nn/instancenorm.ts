/** Instance normalization layers (`torch.nn.modules.instancenorm`). */
import { instanceNorm } from "../ops/groupNorm.js";
import { squeeze, unsqueeze } from "../ops/view.js";
import { checkOptions } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import {
  bare,
  checkRank,
  initializeNorm,
  makeLazy,
  NORM_LAYER_OPTIONS,
  NormBase,
  type NormLayerOptions,
} from "./batchnorm.js";
import { LazyModuleMixin } from "./lazy.js";
import type { StateLoad } from "./stateDict.js";

/**
 * What instance normalization layers do: each channel of each sample is normalised by its own statistics, in training
 * and in eval mode, unless running statistics are tracked: then eval mode uses those. A sample without a batch
 * dimension is taken as it is. Source: `torch.nn.modules.instancenorm._InstanceNorm`.
 */
export abstract class InstanceNormBase extends NormBase {
  constructor(numFeatures: number, options: NormLayerOptions = {}) {
    super(numFeatures, {
      ...options,
      affine: options.affine ?? false,
      trackRunningStats: options.trackRunningStats ?? false,
    });
    checkOptions(this._getName(), options, NORM_LAYER_OPTIONS);
  }

  /** @internal Dimensions of an input without a batch dimension. */
  protected abstract readonly _unbatched: number;

  protected override _channelDim(x: Tensor): number {
    return x.shape.length === this._unbatched ? 0 : 1;
  }

  protected _checkInputDim(x: Tensor): void {
    const n = this._unbatched;
    const sizes = ["L", "H, W", "D, H, W"][n - 2] as string;
    checkRank(this._getName(), x, [n, n + 1], `(C, ${sizes}) or (N, C, ${sizes})`);
  }

  forward(x: Tensor): Tensor {
    this._checkInputDim(x);
    this._checkChannels(x);
    const { runningMean, runningVar, weight, bias, momentum, eps } = this;
    const useInputStats = this.training || !this.trackRunningStats;
    const options = { runningMean, runningVar, weight, bias, useInputStats, momentum: momentum ?? 0, eps };
    if (x.shape.length > this._unbatched) return instanceNorm(x, options);
    return squeeze(instanceNorm(unsqueeze(x, 0), options), 0);
  }

  /** @internal */
  override _loadFromStateDict(load: StateLoad, prefix: string): void {
    if (load.version(prefix) === undefined && !this.trackRunningStats) {
      const found = ["running_mean", "running_var"].filter((name) => load.state.has(prefix + name));
      if (found.length > 0) {
        load.mismatch(
          `${found.map((name) => prefix + name).join(", ")}: running statistics for ${this._getName()} with trackRunningStats=false; ` +
            "try trackRunningStats: true, or remove them from the state dict if they are not needed",
        );
      }
    }
    super._loadFromStateDict(load, prefix);
  }
}

/**
 * Instance normalization of (N, C, L) or (C, L): y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias for each channel
 * of each sample. Weight and bias only with `affine: true`. Source: `torch.nn.InstanceNorm1d`.
 * @throws ShapeError unless the input has 2 or 3 dimensions; ValueError where a channel has one element.
 * @example
 * new InstanceNorm1d(3)(randn([2, 3, 10])).shape; // [2, 3, 10]
 */
export class InstanceNorm1d extends InstanceNormBase {
  /** @internal */ static readonly pure = true;

  protected get _unbatched(): number {
    return 2;
  }
}

/** Instance normalization of (N, C, H, W) or (C, H, W): see {@link InstanceNorm1d}. Source: `torch.nn.InstanceNorm2d`. */
export class InstanceNorm2d extends InstanceNormBase {
  /** @internal */ static readonly pure = true;

  protected get _unbatched(): number {
    return 3;
  }
}

/** Instance normalization of (N, C, D, H, W) or (C, D, H, W): see {@link InstanceNorm1d}. Source: `torch.nn.InstanceNorm3d`. */
export class InstanceNorm3d extends InstanceNormBase {
  /** @internal */ static readonly pure = true;

  protected get _unbatched(): number {
    return 4;
  }
}

/** An {@link InstanceNorm1d} whose numFeatures come from the first input. Source: `torch.nn.LazyInstanceNorm1d`. */
export class LazyInstanceNorm1d extends LazyModuleMixin(InstanceNorm1d) {
  constructor(options: NormLayerOptions = {}) {
    super(0, bare(options));
    checkOptions(this._getName(), options, NORM_LAYER_OPTIONS);
    makeLazy(this, options);
  }

  override initializeParameters(x: Tensor): void {
    this._checkInputDim(x);
    initializeNorm(this, x.shape[this._channelDim(x)] as number);
  }
}

/** An {@link InstanceNorm2d} whose numFeatures come from the first input. Source: `torch.nn.LazyInstanceNorm2d`. */
export class LazyInstanceNorm2d extends LazyModuleMixin(InstanceNorm2d) {
  constructor(options: NormLayerOptions = {}) {
    super(0, bare(options));
    checkOptions(this._getName(), options, NORM_LAYER_OPTIONS);
    makeLazy(this, options);
  }

  override initializeParameters(x: Tensor): void {
    this._checkInputDim(x);
    initializeNorm(this, x.shape[this._channelDim(x)] as number);
  }
}

/** An {@link InstanceNorm3d} whose numFeatures come from the first input. Source: `torch.nn.LazyInstanceNorm3d`. */
export class LazyInstanceNorm3d extends LazyModuleMixin(InstanceNorm3d) {
  constructor(options: NormLayerOptions = {}) {
    super(0, bare(options));
    checkOptions(this._getName(), options, NORM_LAYER_OPTIONS);
    makeLazy(this, options);
  }

  override initializeParameters(x: Tensor): void {
    this._checkInputDim(x);
    initializeNorm(this, x.shape[this._channelDim(x)] as number);
  }
}
