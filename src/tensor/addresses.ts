/** The addresses of the heap: which ranges are free, and growth of the memory at its end. */
import { growTo, HEAP_BASE, maxBytes } from "../kernels/index.js";

/** Highest address that a region may end at. */
export const MAX_ADDRESS = maxBytes - 65536;
/** Bytes by which the memory grows at least. */
const GROWTH = 8 * 1024 * 1024;

/** Free address ranges, ordered by address, coalesced. */
const extents: { ptr: number; size: number }[] = [];
let top = HEAP_BASE;

/** Takes the best fitting free extent, or -1. */
function takeExtent(size: number): number {
  let best = -1;
  let bestSize = Number.POSITIVE_INFINITY;
  for (let i = 0; i < extents.length; i++) {
    const s = (extents[i] as { size: number }).size;
    if (s >= size && s < bestSize) {
      best = i;
      bestSize = s;
      if (s === size) break;
    }
  }
  if (best < 0) return -1;
  const extent = extents[best] as { ptr: number; size: number };
  const ptr = extent.ptr;
  if (extent.size === size) extents.splice(best, 1);
  else {
    extent.ptr += size;
    extent.size -= size;
  }
  return ptr;
}

/** Gives a range back. */
export function giveAddresses(ptr: number, size: number): void {
  let lo = 0;
  let hi = extents.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((extents[mid] as { ptr: number }).ptr < ptr) lo = mid + 1;
    else hi = mid;
  }
  const before = extents[lo - 1];
  const after = extents[lo];
  const joinsBefore = before !== undefined && before.ptr + before.size === ptr;
  const joinsAfter = after !== undefined && ptr + size === after.ptr;
  if (joinsBefore && joinsAfter) {
    before.size += size + after.size;
    extents.splice(lo, 1);
  } else if (joinsBefore) before.size += size;
  else if (joinsAfter) {
    after.ptr = ptr;
    after.size += size;
  } else extents.splice(lo, 0, { ptr, size });
  const last = extents[extents.length - 1];
  if (last !== undefined && last.ptr + last.size === top) {
    top = last.ptr;
    extents.pop();
  }
}

/** A free range of `size` bytes, or -1 when there is none and the memory cannot grow. */
export function takeAddresses(size: number): number {
  const found = takeExtent(size);
  if (found >= 0) return found;
  if (top + size > MAX_ADDRESS) return -1;
  // Growth remakes the views of the memory, so it goes in steps.
  if (!growTo(Math.min(maxBytes, Math.ceil((top + size) / GROWTH) * GROWTH)) && !growTo(top + size))
    return -1;
  const ptr = top;
  top += size;
  return ptr;
}
