/** Batch normalization layers, and what they share with instance normalization (`torch.nn.modules.batchnorm`). */
import { batchNorm, checkCount } from "../ops/batchNorm.js";
import { empty } from "../tensor/create.js";
import type { DType } from "../tensor/dtype.js";
import { INT64 } from "../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { fillWith, full, readAt } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { ones_, zeros_ } from "./init.js";
import { LazyModuleMixin } from "./lazy.js";
import { checkSize } from "./linear.js";
import { Module } from "./module.js";
import { Parameter } from "./parameter.js";
import { showOptions } from "./print.js";
import type { StateLoad } from "./stateDict.js";
import { isLazy, UninitializedBuffer, UninitializedParameter } from "./uninitialized.js";

/** Options of batch and instance normalization layers. */
export interface NormLayerOptions {
  /** Added to the variance under the root (default 1e-5). */
  eps?: number;
  /** Share of the new observation in the running statistics (default 0.1); null: the mean of all observations. */
  momentum?: number | null;
  /** Whether weight and bias are learned (default true; instance normalization: false). */
  affine?: boolean;
  /** Whether running statistics are kept (default true; instance normalization: false). */
  trackRunningStats?: boolean;
  /** Element type of parameters and buffers (default: the default float). */
  dtype?: DType;
}

/** @internal */
export const NORM_LAYER_OPTIONS: OptionNames<NormLayerOptions> = {
  eps: 1,
  momentum: 1,
  affine: 1,
  trackRunningStats: 1,
  dtype: 1,
};

/**
 * Parameters and buffers of a normalization with one weight, bias, mean and variance per channel.
 * Source: `torch.nn.modules.batchnorm._NormBase`.
 */
export abstract class NormBase extends Module {
  /** Version 2 saves numBatchesTracked. */
  static override readonly version: number = 2;
  /** Number of channels. */
  numFeatures: number;
  /** Added to the variance under the root (default 1e-5). */
  eps: number;
  /**
   * Share of the new observation in the running statistics (default 0.1); null: the mean of all observations.
   */
  momentum: number | null;
  /** Whether weight and bias are learned. */
  affine: boolean;
  /** Whether running statistics are kept, which eval mode normalises with. */
  trackRunningStats: boolean;
  /** The learned factors, one for each channel, 1 at first; null with `affine: false`. */
  weight: Parameter | null;
  /** The learned summands, one for each channel, 0 at first; null with `affine: false`. */
  bias: Parameter | null;
  /** Running mean of each channel (a buffer), 0 at first; null without running statistics. */
  runningMean: Tensor | null;
  /** Running variance (unbiased) of each channel (a buffer), 1 at first; null without running statistics. */
  runningVar: Tensor | null;
  /** How many batches were observed, a 0-d int64 buffer; null without running statistics. */
  numBatchesTracked: Tensor | null;

  constructor(numFeatures: number, options: NormLayerOptions = {}) {
    super();
    checkOptions(this._getName(), options, NORM_LAYER_OPTIONS);
    const { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true, dtype } = options;
    const name = this._getName();
    checkSize(name, "numFeatures", numFeatures);
    if (typeof eps !== "number") throw new ValueError(`[${name}] eps must be a number, got ${String(eps)}`);
    const create = dtype === undefined ? {} : { dtype };
    this.numFeatures = numFeatures;
    this.eps = eps;
    this.momentum = momentum;
    this.affine = affine;
    this.trackRunningStats = trackRunningStats;
    const parameter = () => (affine ? new Parameter(empty([numFeatures], create)) : null);
    const buffer = () => (trackRunningStats ? empty([numFeatures], create) : null);
    this.weight = parameter();
    this.bias = parameter();
    this.runningMean = this.registerBuffer("running_mean", buffer());
    this.runningVar = this.registerBuffer("running_var", buffer());
    this.numBatchesTracked = this.registerBuffer("num_batches_tracked", trackRunningStats ? counter() : null);
    this.resetParameters();
  }

  /** Forgets what was observed: mean 0, variance 1, no batches. */
  resetRunningStats(): void {
    if (!this.trackRunningStats) return;
    if (this.runningMean !== null) zeros_(this.runningMean);
    if (this.runningVar !== null) ones_(this.runningVar);
    if (this.numBatchesTracked !== null) setCount(this.numBatchesTracked, 0);
  }

  /** Weight 1, bias 0, and {@link resetRunningStats}. */
  resetParameters(): void {
    this.resetRunningStats();
    if (this.weight !== null) ones_(this.weight);
    if (this.bias !== null) zeros_(this.bias);
  }

  /** @internal Throws unless the input has a number of dimensions that fits. */
  protected abstract _checkInputDim(x: Tensor): void;

  /** @internal The dimension of the channels. */
  protected _channelDim(_x: Tensor): number {
    return 1;
  }

  /** @internal Throws unless the input has as many channels as the layer's own tensors. */
  protected _checkChannels(x: Tensor): void {
    const own = [this.runningMean, this.runningVar, this.weight, this.bias].find((t) => t !== null);
    const dim = this._channelDim(x);
    const C = x.shape[dim];
    if (own === undefined || own === null || own.shape[0] === C) return;
    throw new ShapeError(
      `[${this._getName()}] expected ${own.shape[0]} channels in dimension ${dim} (numFeatures), got ${C}: input of shape ` +
        `${show(x.shape)}, weight and statistics of shape ${show(own.shape)}; try new ${this._getName()}(${C})`,
    );
  }

  /** @internal */
  override _loadFromStateDict(load: StateLoad, prefix: string): void {
    const key = `${prefix}num_batches_tracked`;
    if ((load.version(prefix) ?? 1) < 2 && this.trackRunningStats && !load.state.has(key)) {
      load.state.set(key, this.numBatchesTracked ?? counter()); // older versions had none: ours stays
    }
    super._loadFromStateDict(load, prefix);
  }

  override extraRepr(): string {
    const { numFeatures, eps, momentum, affine, trackRunningStats } = this;
    return `${numFeatures}, ${showOptions({ eps, momentum, affine, trackRunningStats })}`;
  }
}

/** A count of 0. */
function counter(): Tensor {
  nextOp();
  return full([], 0, INT64);
}

function setCount(t: Tensor, value: number): void {
  nextOp();
  fillWith(t, value);
  t.storage.version++;
}

function readCount(t: Tensor): number {
  nextOp();
  return readAt(t, t.storageOffset);
}

/** Throws unless the number of dimensions is one of `allowed`. @internal */
export function checkRank(layer: string, x: Tensor, allowed: readonly number[], names: string): void {
  if (allowed.includes(x.shape.length)) return;
  throw new ShapeError(
    `[${layer}] expected ${allowed.map((n) => `${n}D`).join(" or ")} input (got ${x.shape.length}D input): ` +
      `shape ${show(x.shape)}, expected ${names}`,
  );
}

/**
 * What batch normalization layers do, whatever their number of dimensions:
 * y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, statistics per channel over all other dimensions. In training
 * mode they are those of the batch, and the running ones move towards them; in eval mode the running ones are used,
 * or those of the batch where there are none. Source: `torch.nn.modules.batchnorm._BatchNorm`.
 */
export abstract class BatchNormBase extends NormBase {
  forward(x: Tensor): Tensor {
    this._checkInputDim(x);
    this._checkChannels(x);
    const { weight, bias, eps, training: moving } = this;
    const training = moving || (this.runningMean === null && this.runningVar === null);
    if (training) checkCount(this._getName(), x.shape, moving ? "" : BATCH_STATISTICS);
    return this._observe((runningMean, runningVar, momentum) =>
      batchNorm(x, runningMean, runningVar, { weight, bias, training, momentum, eps }),
    );
  }

  /**
   * @internal Calls `normalize` with the running statistics that it uses (eval mode) or moves by the factor (training
   * mode), and counts the batch once that has succeeded.
   */
  protected _observe(
    normalize: (runningMean: Tensor | null, runningVar: Tensor | null, momentum: number) => Tensor,
  ): Tensor {
    const moves = this.training && this.trackRunningStats;
    const counted = moves ? this.numBatchesTracked : null;
    const seen = counted === null ? 0 : readCount(counted) + 1;
    // Without a momentum every batch has the same weight: the mean of k observations moves by 1 / k.
    const momentum = this.momentum ?? (counted === null ? 0 : 1 / seen);
    const used = !this.training || moves;
    const y = normalize(used ? this.runningMean : null, used ? this.runningVar : null, momentum);
    if (counted !== null) setCount(counted, seen);
    return y;
  }
}

const BATCH_STATISTICS =
  " (in eval mode too: the statistics of the batch are in use, because this layer has no running statistics)";

/**
 * Batch normalization of (N, C) or (N, C, L). The running statistics start at mean 0 and variance 1, and move by
 * running = (1 - momentum) * running + momentum * observed. Source: `torch.nn.BatchNorm1d`.
 * @throws ShapeError unless the input has 2 or 3 dimensions and numFeatures channels; ValueError when training with
 * one value per channel.
 * @example
 * const layer = new BatchNorm1d(3);
 * layer(randn([8, 3])).shape; // [8, 3]
 */
export class BatchNorm1d extends BatchNormBase {
  /** @internal */ static readonly pure = true;

  protected _checkInputDim(x: Tensor): void {
    checkRank(this._getName(), x, [2, 3], "(N, C) or (N, C, L)");
  }
}

/**
 * Batch normalization of (N, C, H, W): see {@link BatchNorm1d}. Source: `torch.nn.BatchNorm2d`.
 * @example
 * new BatchNorm2d(3)(randn([2, 3, 4, 4])).shape; // [2, 3, 4, 4]
 */
export class BatchNorm2d extends BatchNormBase {
  /** @internal */ static readonly pure = true;

  protected _checkInputDim(x: Tensor): void {
    checkRank(this._getName(), x, [4], "(N, C, H, W)");
  }
}

/** Batch normalization of (N, C, D, H, W): see {@link BatchNorm1d}. Source: `torch.nn.BatchNorm3d`. */
export class BatchNorm3d extends BatchNormBase {
  /** @internal */ static readonly pure = true;

  protected _checkInputDim(x: Tensor): void {
    checkRank(this._getName(), x, [5], "(N, C, D, H, W)");
  }
}

/** Leaves every parameter and buffer of a new layer without a shape. @internal */
export function makeLazy(
  layer: NormBase,
  { affine = true, trackRunningStats = true, dtype }: NormLayerOptions,
): void {
  const own = dtype === undefined ? { dtype: empty([0]).dtype } : { dtype };
  layer.affine = affine;
  layer.trackRunningStats = trackRunningStats;
  if (affine) {
    layer.weight = new UninitializedParameter(own);
    layer.bias = new UninitializedParameter(own);
  }
  if (!trackRunningStats) return;
  layer.runningMean = new UninitializedBuffer(own);
  layer.runningVar = new UninitializedBuffer(own);
  layer.numBatchesTracked = layer.registerBuffer("num_batches_tracked", counter());
}

/** Gives a lazy layer its number of features. @internal */
export function initializeNorm(
  layer: NormBase & { hasUninitializedParams(): boolean },
  numFeatures: number,
): void {
  if (layer.numFeatures === 0) layer.numFeatures = numFeatures;
  if (!layer.hasUninitializedParams()) return;
  for (const t of [layer.weight, layer.bias, layer.runningMean, layer.runningVar]) {
    if (isLazy(t)) t.materialize([numFeatures]);
  }
  layer.resetParameters();
}

/** The options of a lazy layer for its plain class before it has features. @internal */
export function bare({ eps, momentum }: NormLayerOptions): NormLayerOptions {
  return {
    ...(eps === undefined ? {} : { eps }),
    ...(momentum === undefined ? {} : { momentum }),
    affine: false,
    trackRunningStats: false,
  };
}

/** A {@link BatchNorm1d} whose numFeatures is dimension 1 of the first input. Source: `torch.nn.LazyBatchNorm1d`. */
export class LazyBatchNorm1d extends LazyModuleMixin(BatchNorm1d) {
  constructor(options: NormLayerOptions = {}) {
    super(0, bare(options));
    checkOptions(this._getName(), options, NORM_LAYER_OPTIONS);
    makeLazy(this, options);
  }

  override initializeParameters(x: Tensor): void {
    this._checkInputDim(x);
    initializeNorm(this, x.shape[1] as number);
  }
}

/** A {@link BatchNorm2d} whose numFeatures is dimension 1 of the first input. Source: `torch.nn.LazyBatchNorm2d`. */
export class LazyBatchNorm2d extends LazyModuleMixin(BatchNorm2d) {
  constructor(options: NormLayerOptions = {}) {
    super(0, bare(options));
    checkOptions(this._getName(), options, NORM_LAYER_OPTIONS);
    makeLazy(this, options);
  }

  override initializeParameters(x: Tensor): void {
    this._checkInputDim(x);
    initializeNorm(this, x.shape[1] as number);
  }
}

/** A {@link BatchNorm3d} whose numFeatures is dimension 1 of the first input. Source: `torch.nn.LazyBatchNorm3d`. */
export class LazyBatchNorm3d extends LazyModuleMixin(BatchNorm3d) {
  constructor(options: NormLayerOptions = {}) {
    super(0, bare(options));
    checkOptions(this._getName(), options, NORM_LAYER_OPTIONS);
    makeLazy(this, options);
  }

  override initializeParameters(x: Tensor): void {
    this._checkInputDim(x);
    initializeNorm(this, x.shape[1] as number);
  }
}
