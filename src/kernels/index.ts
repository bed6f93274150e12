// The door of the kernel layer: the kernels, the memory they work on, and the pool that shares the work.

export type { KernelName, Kernels } from "./generated/kernels.js";
export { kernelNames } from "./generated/kernels.js";
export { HEAP_BASE, MAX_ARGS } from "./layout.js";
export type { ElementType, KernelVariant, MemoryViews } from "./load.js";
export { growTo, kernels, maxBytes, mem, memory, putInts, putScalar, shared, variant } from "./load.js";
export { env, nodeProcess } from "./platform.js";
export {
  besideNextBatch,
  GRAIN_CHEAP,
  GRAIN_MATH,
  GRAIN_MULTIPLY_ADDS,
  getNumThreads,
  MAX_CHUNKS,
  push,
  readyWorkers,
  runAll,
  runSeries,
  setNumThreads,
  split,
  splitStart,
  WAKE_CALLS,
} from "./pool.js";
