// Calls a kernel with the arguments of a command buffer entry.

/** A kernel seen as a function of numbers. */
export type Kernel = (...args: number[]) => number | undefined;

/**
 * Calls `kernel` with the MAX_ARGS words after index `c`, of which WebAssembly ignores those above the
 * kernel's own count. Spelled out: spreading a typed array costs three times as much.
 */
export function callKernel(kernel: Kernel, words: Float64Array, c: number): void {
  kernel(
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
