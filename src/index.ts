/// <reference lib="esnext.disposable" preserve="true" />
/** The main door: tensors, their functions and autograd. */

export { type CheckpointOptions, checkpoint, checkpointSequential } from "./autograd/checkpoint.js";
export { backward, grad } from "./autograd/engine.js";
export * as autograd from "./autograd/index.js";
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
} from "./autograd/mode.js";
export { vmap } from "./autograd/vmap.js";
export * as func from "./func.js";
export * as nn from "./nn/index.js";
export * from "./ops/families.js";
export * from "./ops/functions.js";
export * as linalg from "./ops/linalg/index.js";
export * as special from "./ops/special.js";
export type * from "./ops/types.js";
export * as optim from "./optim/index.js";
export { emptyStrided, type FrombufferOptions, frombuffer, fromTypedArray } from "./tensor/buffer.js";
export * from "./tensor/create.js";
export {
  canCast,
  type DType,
  getDefaultDtype,
  promoteTypes,
  setDefaultDtype,
  type TypedArray,
} from "./tensor/dtype.js";
export {
  AutogradError,
  DTypeError,
  HeapError,
  IndexError,
  KindlingError,
  ShapeError,
  ValueError,
  ZeroDivisionError,
} from "./tensor/errors.js";
export {
  getPrintOptions,
  type PrintOptions,
  type SetPrintOptions,
  setPrintOptions,
} from "./tensor/format.js";
export { type MemoryStats, memory, setMemoryLimit } from "./tensor/heap.js";
export * from "./tensor/info.js";
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
  type Source as RandomSource,
  seed,
  setRngState,
} from "./tensor/random.js";
export { keep, type Scope, scope } from "./tensor/scope.js";
export type { Shape } from "./tensor/shape.js";
export { Tensor, type TensorHook } from "./tensor/tensor.js";
export { getNumThreads, setNumThreads } from "./tensor/threads.js";
export * from "./tensor/triangle.js";
export * from "./tensor/windows.js";

import "./autograd/methods.js";
import "./ops/attributes.js";
import "./ops/methods.js";
