/** Layers as functions (`torch.nn.functional`). */
export * from "./embedding.js";
export * from "./linear.js";
export * from "./loss.js";
