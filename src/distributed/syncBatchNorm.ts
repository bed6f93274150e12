/** Batch normalization with the statistics of all ranks (`torch.nn.SyncBatchNorm`), and models converted to it and back. */
import type { AnyModule } from "../nn/base.js";
import {
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  BatchNormBase,
  type NormLayerOptions,
} from "../nn/batchnorm.js";
import { checkInput, checkPerChannel } from "../ops/batchNorm.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { DistBackendError, showRanks } from "./errors.js";
import type { ProcessGroup } from "./processGroup.js";
import { replaceModules } from "./replaceModules.js";
import { syncBatchNorm } from "./syncBatchNormOps.js";
import { groupOr, isInitialized } from "./world.js";

/** Options of {@link SyncBatchNorm}. */
export interface SyncBatchNormOptions extends NormLayerOptions {
  /** The ranks whose batches are normalised together (default: all). */
  processGroup?: ProcessGroup | null;
}

/** Options of {@link SyncBatchNorm.revertSyncBatchnorm}. */
export interface RevertSyncBatchnormOptions {
  /** Dimensions of the batch norms that take the place of layers which were never another: 1, 2 or 3. */
  dims?: 1 | 2 | 3;
}

const CLASSES = [BatchNorm1d, BatchNorm2d, BatchNorm3d] as const;

/**
 * Batch normalization of (N, C, ...) with the statistics of all ranks of a process group while training: the outputs and
 * gradients are those of batch norm on the concatenated batch. Batches may differ in size from rank to rank and may be
 * empty; every rank has to call the layer. Weight and bias get the gradients of this rank's own outputs, which
 * DistributedDataParallel averages. Gradients of every order exist, and in backward every rank joins again.
 *
 * In eval mode, without an initialised process group, and with one rank this is plain batch norm, without a collective.
 * Source: `torch.nn.SyncBatchNorm`.
 * @throws ShapeError unless the input has 2 dimensions or more and numFeatures channels; ValueError on every rank when all
 * ranks together have one value per channel; DistError when a rank is missing.
 * @example
 * const layer = new SyncBatchNorm(3);
 * layer(randn([8, 3])).shape; // [8, 3]
 */
export class SyncBatchNorm extends BatchNormBase {
  /** @internal */ static readonly pure = true;
  /** The ranks whose batches are normalised together; null: all. */
  processGroup: ProcessGroup | null;
  /** @internal The class that this layer took the place of. */
  _replaced: (typeof CLASSES)[number] | null = null;
  /** @internal Dimensions of the last input. */
  _ndim: number | null = null;

  constructor(numFeatures: number, { processGroup = null, ...options }: SyncBatchNormOptions = {}) {
    super(numFeatures, options);
    this.processGroup = processGroup;
  }

  /** @internal */
  protected _checkInputDim(x: Tensor): void {
    const name = this._getName();
    if (x.shape.length < 2) {
      throw new ShapeError(
        `[${name}] expected at least 2D input (got ${x.shape.length}D input): shape ${show(x.shape)}, expected (N, C, ...)`,
      );
    }
    if (x.shape[1] === 0) {
      throw new ShapeError(
        `[${name}] number of input channels should be non-zero: got shape ${show(x.shape)}, expected (N, C, ...)`,
      );
    }
  }

  /** The group to join; null where batch norm needs no other rank. */
  private groupInUse(): ProcessGroup | null {
    if (!this.training || !isInitialized()) return null;
    const group = groupOr(this._getName(), this.processGroup);
    if (group.size() === 1) return null;
    if (group.rank() >= 0) return group;
    throw new DistBackendError(
      `[${this._getName()}] this rank is not in the layer's process group of ${showRanks(group.ranks)}; ` +
        "try a group per rank, such as that of newSubgroups, or eval()",
    );
  }

  override forward(x: Tensor): Tensor {
    const group = this.groupInUse();
    const y = group === null ? super.forward(x) : this.forwardOn(x, group);
    this._ndim = x.shape.length;
    return y;
  }

  private forwardOn(x: Tensor, group: ProcessGroup): Tensor {
    const layer = this._getName();
    this._checkInputDim(x);
    this._checkChannels(x);
    checkInput(layer, x, 2);
    const { weight, bias, eps } = this;
    return this._observe((mean, variance, factor) => {
      for (const [name, t] of Object.entries({ running_mean: mean, running_var: variance, weight, bias })) {
        if (t !== null) checkPerChannel(layer, name, t, x, x.shape[1] as number);
      }
      const running = mean === null && variance === null ? null : { mean, variance, factor };
      return syncBatchNorm(x, { weight, bias, running, eps, group, layer });
    });
  }

  /**
   * Replaces every batch norm of a model (1d, 2d, 3d, and SyncBatchNorm itself) by a SyncBatchNorm with the same
   * parameters and buffers, the very same tensors, so that optimizers go on as they are. Returns the model, or the new
   * layer where the model is itself a batch norm. Source: `torch.nn.SyncBatchNorm.convert_sync_batchnorm`.
   * @param processGroup the ranks whose batches are normalised together (default: all).
   * @throws ValueError when a lazy batch norm has not seen its first input; then nothing is converted.
   * @example
   * const model = SyncBatchNorm.convertSyncBatchnorm(new nn.Sequential(new nn.Linear(4, 3), new nn.BatchNorm1d(3)));
   * model.getSubmodule("1") instanceof SyncBatchNorm; // true
   */
  static convertSyncBatchnorm<M extends AnyModule>(
    module: M,
    processGroup: ProcessGroup | null = null,
  ): M extends BatchNormBase ? SyncBatchNorm : M {
    return replaceModules(module, (old, path) => {
      if (!(old instanceof BatchNormBase)) return null;
      if ("hasUninitializedParams" in old) {
        throw new ValueError(
          `[convertSyncBatchnorm] ${path === "" ? "the module" : path} is a ${old._getName()} that does not know its ` +
            "channels yet: nothing was converted; try a forward pass first, model(x), and then convert",
        );
      }
      const made = new SyncBatchNorm(old.numFeatures, { ...settings(old), processGroup });
      if (old instanceof SyncBatchNorm) {
        made._replaced = old._replaced;
        made._ndim = old._ndim;
      } else made._replaced = CLASSES.find((c) => old instanceof c) ?? null;
      return adopt(made, old);
    }) as M extends BatchNormBase ? SyncBatchNorm : M;
  }

  /**
   * The inverse of {@link SyncBatchNorm.convertSyncBatchnorm}: replaces every SyncBatchNorm by the batch norm that it was,
   * with the same parameters and buffers. One that was made as a SyncBatchNorm becomes what fits the last input that it
   * saw (2 or 3 dimensions: BatchNorm1d, 4: 2d, 5: 3d), or what `dims` says.
   * @throws ValueError when neither is known; then nothing is converted.
   * @example
   * const model = SyncBatchNorm.convertSyncBatchnorm(new nn.Sequential(new nn.Linear(4, 3), new nn.BatchNorm1d(3)));
   * SyncBatchNorm.revertSyncBatchnorm(model).getSubmodule("1") instanceof nn.BatchNorm1d; // true
   */
  static revertSyncBatchnorm<M extends AnyModule>(
    module: M,
    options: RevertSyncBatchnormOptions = {},
  ): M extends SyncBatchNorm ? BatchNormBase : M {
    return replaceModules(module, (old, path) => {
      if (!(old instanceof SyncBatchNorm)) return null;
      const seen = old._ndim === null ? undefined : Math.max(1, old._ndim - 2);
      const Class = old._replaced ?? CLASSES[(options.dims ?? seen ?? 0) - 1];
      if (Class === undefined) {
        throw new ValueError(
          `[revertSyncBatchnorm] ${path === "" ? "the module" : path} was made as a SyncBatchNorm and ` +
            `${seen === undefined ? "has seen no input" : `saw inputs of ${old._ndim} dimensions`}, so its plain class ` +
            "is not known: nothing was converted; try { dims: 2 } for BatchNorm2d",
        );
      }
      return adopt(new Class(old.numFeatures, settings(old)), old);
    }) as M extends SyncBatchNorm ? BatchNormBase : M;
  }
}

/** Options of a layer that is to take over another's tensors. */
function settings({ eps, momentum }: BatchNormBase): NormLayerOptions {
  return { eps, momentum, affine: false, trackRunningStats: false };
}

/** Gives a layer the tensors and modes of another. */
function adopt<L extends BatchNormBase>(to: L, from: BatchNormBase): L {
  const { affine, trackRunningStats, weight, bias, runningMean, runningVar, numBatchesTracked, training } =
    from;
  return Object.assign(to, {
    affine,
    trackRunningStats,
    weight,
    bias,
    runningMean,
    runningVar,
    numBatchesTracked,
    training,
  });
}
