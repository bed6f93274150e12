/** Losses as functions. */
export {
  type CrossEntropyOptions,
  crossEntropy,
  type NllLossOptions,
  nllLoss,
} from "../../ops/crossEntropy.js";
export { type CtcLossOptions, ctcLoss, type Lengths } from "../../ops/ctc.js";
export {
  type GaussianNllOptions,
  gaussianNllLoss,
  type KlDivOptions,
  klDiv,
  type PoissonNllOptions,
  poissonNllLoss,
} from "../../ops/likelihood.js";
export {
  type BceOptions,
  type BceWithLogitsOptions,
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  type HuberOptions,
  huberLoss,
  l1Loss,
  mseLoss,
  type SmoothL1Options,
  smoothL1Loss,
} from "../../ops/loss.js";
export type { LossOptions, Reduction } from "../../ops/lossCore.js";
export {
  cosineEmbeddingLoss,
  type DistanceFunction,
  hingeEmbeddingLoss,
  type MarginOptions,
  type MultiMarginOptions,
  marginRankingLoss,
  multilabelMarginLoss,
  multilabelSoftMarginLoss,
  multiMarginLoss,
  softMarginLoss,
  type TripletMarginOptions,
  type TripletMarginWithDistanceOptions,
  tripletMarginLoss,
  tripletMarginWithDistanceLoss,
} from "../../ops/margins.js";
