/** The normalization functions of `torch.nn.functional`. */
export { type BatchNormOptions, batchNorm } from "../../ops/batchNorm.js";
export {
  type GroupNormOptions,
  groupNorm,
  type InstanceNormOptions,
  instanceNorm,
} from "../../ops/groupNorm.js";
export { type LayerNormOptions, layerNorm, type RMSNormOptions, rmsNorm } from "../../ops/layerNorm.js";
export {
  crossMapLRN2d,
  type LocalResponseNormOptions,
  localResponseNorm,
  type NormalizeOptions,
  normalize,
} from "../../ops/localResponseNorm.js";
