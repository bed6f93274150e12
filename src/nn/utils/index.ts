/** Utilities around modules (`torch.nn.utils`). */
export {
  clipGradNorm_,
  clipGradsWithNorm_,
  clipGradValue_,
  getTotalNorm,
  type NormOptions,
  type ParametersInput,
} from "./clip.js";
export {
  type Convolution,
  type FuseOptions,
  fuseConvBnEval,
  fuseConvBnWeights,
  fuseLinearBnEval,
  fuseLinearBnWeights,
} from "./fusion.js";
export * as parametrizations from "./parametrizations.js";
export * as parametrize from "./parametrize.js";
export * as prune from "./prune.js";
export { replaceAllBatchNormModules_ } from "./replaceBatchNorm.js";
export * as rnn from "./rnn.js";
export { skipInit } from "./skipInit.js";
export { removeSpectralNorm, type SpectralNormOptions, spectralNorm } from "./spectralNorm.js";
export * as stateless from "./stateless.js";
export { type InputBatch, updateBn } from "./updateBn.js";
export { parametersToVector, vectorToParameters } from "./vector.js";
export { removeWeightNorm, type WeightNormOptions, weightNorm } from "./weightNorm.js";
