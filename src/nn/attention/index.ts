/** Tools for attention (`torch.nn.attention`). */
export { SDPBackend, type SdpaKernelOptions, sdpaKernel } from "./backends.js";
export {
  andMasks,
  BlockMask,
  type BlockMaskOptions,
  createBlockMask,
  createMask,
  type MaskMod,
  noopMask,
  orMasks,
} from "./blockMask.js";
export { CausalBias, CausalVariant, causalLowerRight, causalUpperLeft } from "./causalBias.js";
export { type FlexAttentionOptions, flexAttention, type ScoreMod } from "./flexAttention.js";
