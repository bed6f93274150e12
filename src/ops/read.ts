/** Reading tensors out: item, toArray, toTypedArray, printing. */
import { BOOL, INT64, type TypedArray } from "../tensor/dtype.js";
import { ShapeError, show } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { readAt, toTyped } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";

/** Nested arrays of numbers (booleans for bool tensors), a bare value for a 0-d tensor. */
export type NestedArray = number | boolean | NestedArray[];

/** The value of a tensor of one element as a number. @internal */
export function itemOf(x: Tensor): number {
  if (x.numel !== 1) {
    throw new ShapeError(
      `[item] only a tensor of one element can be read as a number: got shape ${show(x.shape)}; try toArray()`,
    );
  }
  nextOp();
  return readAt(x, x.storageOffset);
}

/** The value of a tensor of one element; booleans as `true` and `false`. Source: `torch.Tensor.item`. */
export function item(x: Tensor): number {
  return itemOf(x);
}

/**
 * The elements in row-major order, in a typed array of their own: Float32Array, Float64Array, Int32Array,
 * BigInt64Array (int64) or Uint8Array (uint8, bool).
 */
export function toTypedArray(x: Tensor): TypedArray {
  nextOp();
  return toTyped(x);
}

/** Nested arrays; int64 as numbers, bool as booleans. Source: `torch.Tensor.tolist`. */
export function toArray(x: Tensor): NestedArray {
  nextOp();
  const flat = toTyped(x);
  const read = (i: number): number | boolean => {
    const v = flat[i] as number | bigint;
    return x.code === BOOL ? v !== 0 : x.code === INT64 ? Number(v) : (v as number);
  };
  let next = 0;
  const build = (dim: number): NestedArray => {
    if (dim === x.shape.length) return read(next++);
    return Array.from({ length: x.shape[dim] as number }, () => build(dim + 1));
  };
  return build(0);
}
