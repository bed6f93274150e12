// Runs kernel calls from the command buffer.

import { COMMAND_WORDS, SERIES } from "./layout.js";

/** A kernel seen as a function of numbers. */
export type Kernel = (...args: number[]) => number | undefined;

/** Runs call number `call` of the `count` of the current batch; `words` is the command buffer. */
export function runCall(
  kernels: readonly Kernel[],
  control: Int32Array,
  words: Float64Array,
  call: number,
  count: number,
): void {
  if (Atomics.load(control, SERIES) === 0) callKernel(kernels, words, call * COMMAND_WORDS);
  else if (call === count - 1) callKernel(kernels, words, 2 * COMMAND_WORDS);
  else callStepped(kernels, words, call);
}

/**
 * Calls the kernel of the entry at word `c` with its MAX_ARGS arguments, of which WebAssembly ignores those above the
 * kernel's own count. Spelled out: spreading a typed array costs three times as much.
 */
export function callKernel(kernels: readonly Kernel[], words: Float64Array, c: number): void {
  (kernels[words[c] as number] as Kernel)(
    words[c + 1] as number,
    words[c + 2] as number,
    words[c + 3] as number,
    words[c + 4] as number,
    words[c + 5] as number,
    words[c + 6] as number,
    words[c + 7] as number,
    words[c + 8] as number,
    words[c + 9] as number,
    words[c + 10] as number,
    words[c + 11] as number,
    words[c + 12] as number,
    words[c + 13] as number,
    words[c + 14] as number,
    words[c + 15] as number,
    words[c + 16] as number,
  );
}

/** Calls the kernel of a series with the arguments of its first call and `call` times the steps between calls. */
function callStepped(kernels: readonly Kernel[], words: Float64Array, call: number): void {
  const at = (k: number) => (words[k] as number) + call * (words[COMMAND_WORDS + k] as number);
  (kernels[words[0] as number] as Kernel)(
    at(1),
    at(2),
    at(3),
    at(4),
    at(5),
    at(6),
    at(7),
    at(8),
    at(9),
    at(10),
    at(11),
    at(12),
    at(13),
    at(14),
    at(15),
    at(16),
  );
}
