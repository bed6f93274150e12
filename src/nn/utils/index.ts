/** Utilities around modules (`torch.nn.utils`). */
export {
  clipGradNorm_,
  clipGradsWithNorm_,
  clipGradValue_,
  getTotalNorm,
  type NormOptions,
} from "./clip.js";
export * as rnn from "./rnn.js";
export { skipInit } from "./skipInit.js";
export * as stateless from "./stateless.js";
export { parametersToVector, vectorToParameters } from "./vector.js";
