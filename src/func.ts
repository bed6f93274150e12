/** The `func` namespace: transforms of functions (`torch.func`). */
export * from "./autograd/func.js";
export * from "./autograd/jacobians.js";
export type { Argnums, Chosen, TransformOptions } from "./autograd/level.js";
export { type InDims, type VmapOptions, vmap } from "./autograd/vmap.js";
export { replaceAllBatchNormModules_ } from "./nn/utils/replaceBatchNorm.js";
export { stackModuleState } from "./nn/utils/stackModuleState.js";
export { type FunctionalCallOptions, functionalCall } from "./nn/utils/stateless.js";
