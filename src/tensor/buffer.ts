/** Tensors from typed arrays and from raw bytes. */

import { mem } from "../kernels/index.js";
import { type CreateOptions, tensor, withGrad } from "./create.js";
import { codeOf, type DType, getDefaultDtype, sizeOf, type TypedArray } from "./dtype.js";
import { ShapeError, show, ValueError } from "./errors.js";
import { nextOp } from "./heap.js";
import { checkOptions, type OptionNames } from "./options.js";
import { empty, ptr, viewOf } from "./raw.js";
import { contiguousStrides, inferShape, type Shape } from "./shape.js";
import type { Tensor } from "./tensor.js";

const CREATE_OPTIONS: OptionNames<CreateOptions> = { dtype: 1, requiresGrad: 1 };

/**
 * A tensor with the elements of a typed array (copied: tensors live in WebAssembly's memory), in row-major order.
 * The dtype is the array's own; one size may be -1. Source: `torch.from_numpy`.
 * @example
 * fromTypedArray(new Float64Array([1, 2, 3, 4]), [2, -1]).toArray(); // [[1, 2], [3, 4]]
 * @throws ShapeError when the shape has another number of elements.
 */
export function fromTypedArray(
  values: TypedArray,
  shape: Shape = [values.length],
  options?: CreateOptions,
): Tensor {
  checkOptions("fromTypedArray", options, CREATE_OPTIONS);
  const target = inferShape("fromTypedArray", shape, values.length, [values.length]);
  const t = tensor(values, options?.dtype === undefined ? {} : { dtype: options.dtype });
  return withGrad(viewOf(t, target, contiguousStrides(target), 0), options);
}

/** Options of {@link frombuffer}. */
export interface FrombufferOptions {
  /** Number of elements; -1, the default, takes all that fit. */
  count?: number;
  /** Bytes to skip at the start (default 0). */
  offset?: number;
  /** Whether operations on it are recorded (default false). */
  requiresGrad?: boolean;
}

const FROMBUFFER_OPTIONS: OptionNames<FrombufferOptions> = { count: 1, offset: 1, requiresGrad: 1 };

/**
 * A vector with the bytes of a buffer (copied), read as elements of `dtype` in little-endian order.
 * Source: `torch.frombuffer`.
 * @throws ValueError when the bytes do not fit.
 */
export function frombuffer(
  buffer: ArrayBufferLike | ArrayBufferView,
  dtype: DType,
  options: FrombufferOptions = {},
): Tensor {
  checkOptions("frombuffer", options, FROMBUFFER_OPTIONS);
  const bytes = ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
  const code = codeOf(dtype);
  const size = sizeOf(code);
  const { count = -1, offset = 0 } = options;
  const left = bytes.length - offset;
  const n = count === -1 ? left / size : count;
  if (!(offset >= 0 && Number.isInteger(n) && n > 0 && n * size <= left)) {
    throw new ValueError(
      `[frombuffer] got ${bytes.length} bytes, offset ${offset} and count ${count} for elements of ${size} bytes: ` +
        "expected at least one element, and whole ones; try another count or offset",
    );
  }
  nextOp();
  const t = empty([n], code);
  mem.u8.set(bytes.subarray(offset, offset + n * size), ptr(t));
  return withGrad(t, options);
}

/**
 * Uninitialised elements with the given strides. Source: `torch.empty_strided`.
 * @throws ShapeError when the lists differ in length or a stride is negative.
 */
export function emptyStrided(size: Shape, stride: readonly number[], options?: CreateOptions): Tensor {
  checkOptions("emptyStrided", options, CREATE_OPTIONS);
  const bad = (n: number) => !Number.isInteger(n) || n < 0;
  if (size.length !== stride.length || size.some(bad) || stride.some(bad)) {
    throw new ShapeError(
      `[emptyStrided] got size ${show(size)} and stride ${show(stride)}: expected lists of one length with whole numbers >= 0`,
    );
  }
  nextOp();
  const reach = size.includes(0) ? 0 : size.reduce((sum, n, d) => sum + (n - 1) * (stride[d] as number), 1);
  const t = empty([reach], codeOf(options?.dtype ?? getDefaultDtype()));
  return withGrad(viewOf(t, [...size], [...stride], 0), options);
}
