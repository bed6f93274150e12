/** Layers as functions (`torch.nn.functional`). */
export * from "./activation.js";
export { type AttentionOptions, scaledDotProductAttention } from "./attention.js";
export * from "./conv.js";
export * from "./distance.js";
export * from "./dropout.js";
export * from "./embedding.js";
export * from "./linear.js";
export * from "./loss.js";
export { type MultiHeadOptions, multiHeadAttentionForward } from "./multiHeadAttention.js";
export * from "./normalization.js";
export * from "./padding.js";
export * from "./pooling.js";
export * from "./vision.js";
