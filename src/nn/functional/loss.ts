/** Losses as functions. */

export {
  type CrossEntropyOptions,
  crossEntropy,
  type NllLossOptions,
  nllLoss,
} from "../../ops/crossEntropy.js";
export {
  type BceWithLogitsOptions,
  binaryCrossEntropyWithLogits,
  type HuberOptions,
  huberLoss,
  l1Loss,
  mseLoss,
  type SmoothL1Options,
  smoothL1Loss,
} from "../../ops/loss.js";
export type { LossOptions, Reduction } from "../../ops/lossCore.js";
