/** The `autograd` namespace: the engine, grad modes, custom functions, derivatives of functions, graph pictures. */
export {
  type BackwardOptions,
  backward,
  type GradOptions,
  type GradsOf,
  type GradTarget,
  grad,
} from "./engine.js";
export { Function, FunctionContext, type FunctionDefinition } from "./function.js";
export * as functional from "./functional.js";
export { graphText, toDot } from "./graph.js";
export * as graph from "./hooks.js";
export type { AutogradMethods, HookHandle } from "./methods.js";
export {
  detectAnomaly,
  enableGrad,
  inferenceMode,
  isGradEnabled,
  isInferenceModeEnabled,
  type ModeScope,
  noGrad,
  setDetectAnomaly,
  setGradEnabled,
} from "./mode.js";
