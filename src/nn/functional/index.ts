/** Layers as functions (`torch.nn.functional`). */
export * from "./conv.js";
export * from "./embedding.js";
export * from "./linear.js";
export * from "./loss.js";
export * from "./pooling.js";
