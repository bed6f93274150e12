/** Facts about tensors: sizes, strides, dtype questions, and what the dtypes of operands promote to. */
import { type DType, isFloat, nameOf, sizeOf, UINT8 } from "../tensor/dtype.js";
import { ShapeError, show } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { ptr } from "../tensor/raw.js";
import { type Shape, wrapDim } from "../tensor/shape.js";
import { INFERENCE } from "../tensor/storage.js";
import type { Tensor } from "../tensor/tensor.js";
import { type Operand, promote } from "./core.js";
import { itemOf, type NestedArray, toArray } from "./read.js";

/** The shape, or the size of one dimension. Source: `torch.Tensor.size`. */
export function size(x: Tensor): Shape;
export function size(x: Tensor, dim: number): number;
export function size(x: Tensor, dim?: number): Shape | number {
  return dim === undefined ? x.shape : (x.shape[own("size", x, dim)] as number);
}

/** The strides, or the stride of one dimension. Source: `torch.Tensor.stride`. */
export function stride(x: Tensor): readonly number[];
export function stride(x: Tensor, dim: number): number;
export function stride(x: Tensor, dim?: number): readonly number[] | number {
  return dim === undefined ? x.strides : (x.strides[own("stride", x, dim)] as number);
}

function own(op: string, x: Tensor, dim: number): number {
  if (x.shape.length === 0) throw new ShapeError(`[${op}] a 0-d tensor has no dimension ${dim}`);
  return wrapDim(op, dim, x.shape.length);
}

/** Number of dimensions; same as `x.ndim`. Source: `torch.Tensor.dim`. */
export function dim(x: Tensor): number {
  return x.shape.length;
}

/** Bytes of an element; same as `x.itemsize`. Source: `torch.Tensor.element_size`. */
export function elementSize(x: Tensor): number {
  return sizeOf(x.code);
}

/** Whether the tensor was made in `inferenceMode`: no graph saves it. Source: `torch.is_inference`. */
export function isInference(x: Tensor): boolean {
  return (x.storage.flags & INFERENCE) !== 0;
}

/** Whether the elements lie in row-major order without gaps. Source: `torch.Tensor.is_contiguous`. */
export function isContiguous(x: Tensor): boolean {
  return x.contig;
}

/**
 * Address of the first element now. Tensors may move between ops, so it only serves to ask whether two tensors share
 * memory. Source: `torch.Tensor.data_ptr`.
 */
export function dataPtr(x: Tensor): number {
  nextOp();
  return ptr(x);
}

/** Nested arrays; same as `x.toArray()`. Source: `torch.Tensor.tolist`. */
export function tolist(x: Tensor): NestedArray {
  return toArray(x);
}

/** Whether the dtype is float32 or float64. Source: `torch.is_floating_point`. */
export function isFloatingPoint(x: Tensor): boolean {
  return isFloat(x.code);
}

/** Whether the dtype holds negative numbers. Source: `torch.is_signed`. */
export function isSigned(x: Tensor): boolean {
  return x.code > UINT8;
}

/**
 * Whether the one element of a tensor is not 0. Source: `torch.is_nonzero`.
 * @throws ShapeError when it has none or several.
 */
export function isNonzero(x: Tensor): boolean {
  if (x.numel !== 1) {
    throw new ShapeError(
      `[isNonzero] the truth of a tensor of shape ${show(x.shape)} is ambiguous: expected one element; try any() or all()`,
    );
  }
  return itemOf(x) !== 0;
}

/**
 * The dtype of an elementwise op on two operands: numbers and 0-d tensors count only when their category (bool,
 * integer, floating) is higher. Source: `torch.result_type`.
 * @example
 * resultType(tensor([1, 2], { dtype: "int32" }), 1.5); // "float32"
 */
export function resultType(a: Operand, b: Operand): DType {
  return nameOf(promote(a, b));
}
