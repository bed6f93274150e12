/** The main door: tensors, their functions and autograd. */
export * from "./tensor/create.js";
export { Tensor } from "./tensor/tensor.js";
export { keep, type Scope, scope } from "./tensor/scope.js";
export { memory, type MemoryStats, setMemoryLimit } from "./tensor/heap.js";
export * from "./ops/families.js";
export { backward, grad } from "./autograd/engine.js";
export * from "./autograd/mode.js";
import "./autograd/methods.js";
import "./ops/methods.js";
