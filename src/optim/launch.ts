/** Runs a fused optimizer kernel over a parameter, shared among threads when it is large. */
import { contiguous, ptr } from "../tensor/raw.js";
import { copyInto } from "../tensor/raw.js";
import { enqueue, GRAIN, inPieces, type KernelTable, kernelFor } from "../tensor/launch.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * Calls `kernel(param, grad, ...state, n, ...scalars)`, all arrays of the parameter's dtype and size; null state
 * passes a null pointer. A parameter that is not contiguous is updated through a copy.
 */
export function updateInPlace(
  table: KernelTable,
  param: Tensor,
  grad: Tensor,
  state: readonly (Tensor | null)[],
  scalars: readonly number[],
): void {
  const target = contiguous(param);
  const g = contiguous(grad);
  const n = target.numel;
  if (n === 0) return;
  const ptrs = [target, g, ...state].map((t) => (t === null ? 0 : ptr(t)));
  if (n < 2 * GRAIN) kernelFor(table, param.code)(...ptrs, n, ...scalars);
  else {
    const size = param.itemsize;
    inPieces(n, GRAIN / 2, (first, count) => {
      enqueue(table, param.code, ...ptrs.map((p) => (p === 0 ? 0 : p + first * size)), count, ...scalars);
    });
  }
  if (target !== param) copyInto(param, target);
}
