/** Layers as functions (`torch.nn.functional`). */
export * from "./embedding.js";
export * from "./loss.js";
