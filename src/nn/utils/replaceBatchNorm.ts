/** Batch norm for functional use: layers that keep no state. */
import type { AnyModule } from "../base.js";
import { BatchNormBase } from "../batchnorm.js";

/**
 * Takes the running statistics off every batch norm below (and at) `root`, in place, so that a call changes nothing:
 * the statistics of the batch are used, in eval mode too. Returns `root`.
 * Source: `torch.func.replace_all_batch_norm_modules_`.
 */
export function replaceAllBatchNormModules_<M extends AnyModule>(root: M): M {
  for (const module of root.modules()) {
    if (!(module instanceof BatchNormBase) || !module.trackRunningStats) continue;
    module.runningMean = null;
    module.runningVar = null;
    module.numBatchesTracked = null;
    module.trackRunningStats = false;
  }
  return root;
}
