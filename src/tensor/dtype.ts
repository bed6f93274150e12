/** Data types: codes ordered by PyTorch's promotion, so that promoting two types is taking the larger code. */
import { DTypeError } from "./errors.js";

/** Element types of a tensor. `float32` is the default for numbers with fractions, `int64` for whole numbers. */
export type DType = "bool" | "uint8" | "int32" | "int64" | "float32" | "float64";

/** Internal code of a {@link DType}; larger codes win a promotion. */
export type DTypeCode = 0 | 1 | 2 | 3 | 4 | 5;

/** Code of bool. */
export const BOOL = 0;
/** Code of uint8. */
export const UINT8 = 1;
/** Code of int32. */
export const INT32 = 2;
/** Code of int64. */
export const INT64 = 3;
/** Code of float32. */
export const FLOAT32 = 4;
/** Code of float64. */
export const FLOAT64 = 5;

/** Names by code. */
export const DTYPES: readonly DType[] = ["bool", "uint8", "int32", "int64", "float32", "float64"];
/** Bytes per element by code. */
export const SIZES: readonly number[] = [1, 1, 4, 8, 4, 8];
/** log2 of the bytes per element by code. */
export const SHIFTS: readonly number[] = [0, 0, 2, 3, 2, 3];
/** Kernel suffix by code; bool shares uint8's storage. */
export const SUFFIXES = ["u8", "u8", "i32", "i64", "f32", "f64"] as const;

/** A typed array that can hold a tensor's elements. */
export type TypedArray = Uint8Array | Int32Array | BigInt64Array | Float32Array | Float64Array;

const CODES: Readonly<Record<DType, DTypeCode>> = {
  bool: 0,
  uint8: 1,
  int32: 2,
  int64: 3,
  float32: 4,
  float64: 5,
};

/** Code of a dtype name; throws on a name that is no dtype. */
export function codeOf(dtype: DType): DTypeCode {
  const code = CODES[dtype] as DTypeCode | undefined;
  if (code === undefined) {
    throw new DTypeError(`[dtype] unknown dtype: got ${String(dtype)}, expected one of ${DTYPES.join(", ")}`);
  }
  return code;
}

/** Name of a code. */
export function nameOf(code: number): DType {
  return DTYPES[code] as DType;
}

/** Bytes per element. */
export function sizeOf(code: number): number {
  return SIZES[code] as number;
}

/** Whether a code is float32 or float64. */
export function isFloat(code: number): boolean {
  return code >= FLOAT32;
}

/** Smallest and largest number that may become an element, by code; a negative one of uint8 wraps, as in PyTorch. */
const LIMITS: readonly (readonly [number, number])[] = [
  [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  [-255, 255],
  [-(2 ** 31), 2 ** 31 - 1],
  [-(2 ** 63), 2 ** 63 - 1024], // the largest float64 below 2^63
  [-3.4028234663852886e38, 3.4028234663852886e38],
  [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
];

/** Whether a bare number stands for an integer: whole, and in the range of int64. */
export function isWhole(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) < 2 ** 63;
}

/** Throws unless a number can become an element of dtype `code`. A fraction is cut for integers, as in PyTorch. */
export function checkFits(op: string, value: number | bigint | boolean, code: DTypeCode): void {
  if (typeof value === "boolean" || code === BOOL || code === FLOAT64) return;
  const [low, high] = LIMITS[code] as readonly [number, number];
  if (typeof value === "bigint" && code === INT64 && BigInt.asIntN(64, value) === value) return;
  const v = Number(value);
  if ((v >= low && v <= high) || (isFloat(code) && !Number.isFinite(v))) return;
  throw new DTypeError(
    `[${op}] ${value} does not fit ${nameOf(code)}: expected ${low} to ${high}; try another dtype`,
  );
}

let defaultFloat: DTypeCode = FLOAT32;

/** Code given to numbers with fractions, and to the result of a division of integers. */
export function defaultFloatCode(): DTypeCode {
  return defaultFloat;
}

/**
 * Sets the dtype of tensors made from numbers with fractions (`float32` at start, or `float64`).
 * Source: `torch.set_default_dtype`.
 * @throws DTypeError when the dtype is not a floating one.
 */
export function setDefaultDtype(dtype: DType): void {
  const code = codeOf(dtype);
  if (!isFloat(code)) {
    throw new DTypeError(`[setDefaultDtype] got ${dtype}, expected a floating dtype: "float32" or "float64"`);
  }
  defaultFloat = code;
}

/** The current default floating dtype. Source: `torch.get_default_dtype`. */
export function getDefaultDtype(): DType {
  return nameOf(defaultFloat);
}

/** 0 bool, 1 integer, 2 floating: a higher category wins over a larger type of a lower one. */
export function category(code: number): number {
  return code === BOOL ? 0 : code < FLOAT32 ? 1 : 2;
}

/** Smallest dtype to which both can be cast without loss of category (`torch.promote_types`). */
export function promoteTypes(a: DType, b: DType): DType {
  return nameOf(Math.max(codeOf(a), codeOf(b)));
}

/** Whether a value of dtype `from` may be cast to `to` in an in-place op (`torch.can_cast`). */
export function canCast(from: DType, to: DType): boolean {
  return category(codeOf(from)) <= category(codeOf(to));
}
