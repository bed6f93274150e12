/** Facts about dtypes and shapes: finfo, iinfo, the dtype names as constants, broadcastShapes, isTensor. */
import { BOOL, codeOf, type DType, getDefaultDtype, isFloat, sizeOf } from "./dtype.js";
import { DTypeError } from "./errors.js";
import type { Shape } from "./shape.js";
import * as shapes from "./shape.js";
import { Tensor } from "./tensor.js";

/** The dtypes by PyTorch's names, for scripts that write `torch.float32`. */
export const float32 = "float32";
/** Same as `"float64"`. */
export const float64 = "float64";
/** Same as `"int32"`. */
export const int32 = "int32";
/** Same as `"int64"`. */
export const int64 = "int64";
/** Same as `"uint8"`. */
export const uint8 = "uint8";
/** Same as `"bool"`. */
export const bool = "bool";
/** Same as `"float32"`. */
export const float = "float32";
/** Same as `"float64"`. */
export const double = "float64";
/** Same as `"int32"`. */
export const int = "int32";
/** Same as `"int64"`. */
export const long = "int64";

/** Numbers about a floating dtype. */
export interface FloatInfo {
  /** The dtype. */
  readonly dtype: DType;
  /** Bits of an element. */
  readonly bits: number;
  /** Distance from 1 to the next number. */
  readonly eps: number;
  /** The largest finite number. */
  readonly max: number;
  /** The smallest finite number, -max. */
  readonly min: number;
  /** The smallest positive number of full precision. */
  readonly tiny: number;
  /** Same as `tiny`. */
  readonly smallestNormal: number;
  /** A power of ten that is about `eps`. */
  readonly resolution: number;
}

/**
 * Numbers about a floating dtype (by default the default one). Source: `torch.finfo`.
 * @example
 * finfo("float32").eps; // 1.1920928955078125e-7
 */
export function finfo(dtype: DType = getDefaultDtype()): FloatInfo {
  if (!isFloat(codeOf(dtype)))
    throw new DTypeError(`[finfo] expected a floating dtype, got ${dtype}; try iinfo`);
  const single = dtype === "float32";
  const max = single ? 3.4028234663852886e38 : Number.MAX_VALUE;
  const tiny = single ? 2 ** -126 : 2 ** -1022;
  return {
    dtype,
    bits: single ? 32 : 64,
    eps: single ? 2 ** -23 : 2 ** -52,
    max,
    min: -max,
    tiny,
    smallestNormal: tiny,
    resolution: single ? 1e-6 : 1e-15,
  };
}

/** Numbers about an integer dtype. */
export interface IntegerInfo {
  /** The dtype. */
  readonly dtype: DType;
  /** Bits of an element. */
  readonly bits: number;
  /** The largest value; a bigint for int64. */
  readonly max: number | bigint;
  /** The smallest value; a bigint for int64. */
  readonly min: number | bigint;
}

/**
 * Numbers about an integer dtype. Source: `torch.iinfo`.
 * @example
 * iinfo("int32").max; // 2147483647
 */
export function iinfo(dtype: DType): IntegerInfo {
  const code = codeOf(dtype);
  if (isFloat(code) || code === BOOL)
    throw new DTypeError(`[iinfo] expected an integer dtype, got ${dtype}; try finfo`);
  const bits = 8 * sizeOf(code);
  if (dtype === "uint8") return { dtype, bits, max: 255, min: 0 };
  if (dtype === "int32") return { dtype, bits, max: 2 ** 31 - 1, min: -(2 ** 31) };
  return { dtype, bits, max: 2n ** 63n - 1n, min: -(2n ** 63n) };
}

/** Whether a value is a Tensor. Source: `torch.is_tensor`. */
export function isTensor(value: unknown): value is Tensor {
  return value instanceof Tensor;
}

/** Number of elements of a tensor; same as `x.numel`. Source: `torch.numel`. */
export function numel(x: Tensor): number {
  return x.numel;
}

/**
 * The shape that tensors of the given shapes broadcast to. Source: `torch.broadcast_shapes`.
 * @example
 * broadcastShapes([[2, 1], [1, 3]]); // [2, 3]
 * @throws ShapeError when they do not fit.
 */
export function broadcastShapes(all: readonly Shape[]): Shape {
  return all.reduce((a, b) => shapes.broadcastShapes("broadcastShapes", a, b), [] as Shape);
}
