/** How many threads share large operations. */
import { setNumThreads as apply } from "../kernels/index.js";
import { ValueError } from "./errors.js";

export { getNumThreads } from "../kernels/index.js";

/**
 * Sets the number of threads that share a large operation (default: one for each core, at most 8). It changes speed
 * only: results have the same bits for every number. Without SharedArrayBuffer (a page that is not cross-origin
 * isolated) it stays at 1. Source: `torch.set_num_threads`.
 * @throws ValueError unless it is a whole number of at least 1.
 */
export function setNumThreads(n: number): void {
  if (!Number.isInteger(n) || n < 1)
    throw new ValueError(`[setNumThreads] got ${String(n)}, expected a whole number of at least 1`);
  apply(n);
}
