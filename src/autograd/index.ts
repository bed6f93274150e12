/** The `autograd` namespace: the engine, grad modes, custom functions, graph pictures. */
export { type BackwardOptions, backward, type GradOptions, grad } from "./engine.js";
export { Function, FunctionContext, type FunctionDefinition } from "./function.js";
export { graphText, toDot } from "./graph.js";
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
