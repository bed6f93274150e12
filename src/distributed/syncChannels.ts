/** Sums per channel over all ranks, and what the derivatives of a synchronised batch norm share. */
import { mem } from "../kernels/index.js";
import { FLOAT32 } from "../tensor/dtype.js";
import { ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ProcessGroup } from "./processGroup.js";

/** What every derivative of a synchronised batch norm knows. */
export interface SyncNormalization {
  readonly group: ProcessGroup;
  readonly eps: number;
  /** Rows mean, m2 = sum (x - mean)^2, invstd over all ranks: float64 [3, C]. */
  readonly stats: Tensor;
  /** Values per channel on all ranks together. */
  readonly total: number;
}

/** Numbers in the heap, valid until something is allocated. */
export type Numbers = Float32Array | Float64Array;

type NumbersOf<T> = { -readonly [K in keyof T]: T[K] extends Tensor ? Numbers : Numbers | null };

/** Elements of contiguous floating tensors, in the heap; null for null. */
export function elements<const T extends readonly (Tensor | null)[]>(...tensors: T): NumbersOf<T> {
  // All addresses first: finding one may need more memory, which is another buffer then.
  const at = tensors.map((t) => (t === null ? 0 : ptr(t)));
  return tensors.map((t, i) => {
    if (t === null) return null;
    const start = at[i] as number;
    return t.code === FLOAT32
      ? mem.f32.subarray(start / 4, start / 4 + t.numel)
      : mem.f64.subarray(start / 8, start / 8 + t.numel);
  }) as NumbersOf<T>;
}
