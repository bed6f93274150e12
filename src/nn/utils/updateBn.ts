/** Running statistics computed anew, for weights that no forward pass has seen. */
import { noGrad } from "../../autograd/mode.js";
import type { Tensor } from "../../tensor/tensor.js";
import { BatchNormBase } from "../batchnorm.js";
import type { Module } from "../module.js";

/** A batch: the input, or a list that starts with it. */
export type InputBatch = Tensor | readonly [Tensor, ...unknown[]];

/**
 * Makes the running statistics of every batch norm the mean over all batches of `loader`, by one pass in training mode
 * without gradients: for averaged weights, whose activations no training step has seen. Modes and momenta are as before
 * afterwards. Source: `torch.optim.swa_utils.update_bn`.
 * @example
 * const model = new Sequential(new BatchNorm1d(1));
 * updateBn([tensor([[1], [2]]).float(), tensor([[3], [6]]).float()], model);
 * model.get<BatchNorm1d>(0).runningMean?.item(); // 3
 */
export function updateBn(loader: Iterable<InputBatch>, model: Module<[Tensor], unknown>): void {
  const momenta = new Map<BatchNormBase, number | null>();
  for (const module of model.modules())
    if (module instanceof BatchNormBase) momenta.set(module, module.momentum);
  if (momenta.size === 0) return;
  const modes = [...model.modules()].map((module) => [module, module.training] as const);
  try {
    for (const norm of momenta.keys()) {
      norm.resetRunningStats();
      norm.momentum = null;
    }
    model.train();
    noGrad(() => {
      for (const batch of loader) model("storage" in batch ? batch : batch[0]);
    });
  } finally {
    for (const [norm, momentum] of momenta) norm.momentum = momentum;
    for (const [module, training] of modes) module.training = training;
  }
}
