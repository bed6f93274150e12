/** Who owns a gradient: the pass that made it sums into it and frees it, until a user may hold it. */
import { release, type Storage } from "../tensor/heap.js";
import type { Tensor } from "../tensor/tensor.js";

/** Storage flag: made by a formula of the running pass, no handle of a user to it. @internal */
export const OWNED = 4;

/** Counts one more place where a gradient waits. @internal */
export function hold(g: Tensor): Tensor {
  g.storage.pending++;
  return g;
}

/** Frees a gradient of the pass that waits nowhere any more. @internal */
export function letGo(storage: Storage): void {
  if (storage.pending === 0 && (storage.flags & OWNED) !== 0) release(storage);
}

/** A gradient leaves the engine: a user may hold it from now on. @internal */
export function publish(g: Tensor): Tensor {
  g.storage.flags &= ~OWNED;
  return g;
}
