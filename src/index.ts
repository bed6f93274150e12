/** The main door: tensors, their functions and autograd. */

export { backward, grad } from "./autograd/engine.js";
export * as autograd from "./autograd/index.js";
export * from "./autograd/mode.js";
export * as nn from "./nn/index.js";
export * from "./ops/families.js";
export * from "./ops/functions.js";
export * as special from "./ops/special.js";
export * as optim from "./optim/index.js";
export * from "./tensor/create.js";
export { type MemoryStats, memory, setMemoryLimit } from "./tensor/heap.js";
export {
  defaultGenerator,
  forkRng,
  Generator,
  getRngState,
  initialSeed,
  manualSeed,
  type RandomOptions,
  rand,
  randint,
  randintLike,
  randLike,
  randn,
  randnLike,
  randperm,
  type Seed,
  seed,
  setRngState,
} from "./tensor/random.js";
export { keep, type Scope, scope } from "./tensor/scope.js";
export { Tensor } from "./tensor/tensor.js";

import "./autograd/methods.js";
import "./ops/methods.js";
