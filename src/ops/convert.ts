/** Conversions: anything to a tensor, the named casts, and new tensors of an existing one's dtype. */

import { emptyStrided } from "../tensor/buffer.js";
import {
  type CreateOptions,
  empty,
  full,
  ones,
  type TensorData,
  tensor,
  withGrad,
  zeros,
} from "../tensor/create.js";
import type { DType } from "../tensor/dtype.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Shape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { clone, detach, to } from "./cast.js";

const AS_TENSOR_OPTIONS: OptionNames<{ dtype?: DType }> = { dtype: 1 };

/**
 * A tensor of the data: a tensor that fits already is returned as it is (cast, inside the graph, when `dtype` differs),
 * anything else is copied. Source: `torch.as_tensor`.
 */
export function asTensor(data: TensorData | Tensor, options: { dtype?: DType } = {}): Tensor {
  checkOptions("asTensor", options, AS_TENSOR_OPTIONS);
  if (data instanceof Tensor) return options.dtype === undefined ? data : to(data, options.dtype);
  return tensor(data, options);
}

/** Options of {@link asarray}. */
export interface AsarrayOptions extends CreateOptions {
  /** `true` copies a tensor in any case; `null`, the default, only when the dtype differs. */
  copy?: boolean | null;
}

const ASARRAY_OPTIONS: OptionNames<AsarrayOptions> = { copy: 1, dtype: 1, requiresGrad: 1 };

/**
 * A tensor of the data; unlike {@link asTensor} the result is outside the graph unless `requiresGrad` is set.
 * Source: `torch.asarray`.
 */
export function asarray(data: TensorData | Tensor, options: AsarrayOptions = {}): Tensor {
  checkOptions("asarray", options, ASARRAY_OPTIONS);
  const { copy = null, requiresGrad = false, ...rest } = options;
  if (!(data instanceof Tensor)) return tensor(data, options);
  const cast = to(data, { dtype: rest.dtype ?? data.dtype, copy: copy === true });
  if (requiresGrad)
    return cast === data || cast.node !== null ? cast.requiresGrad_(true) : withGrad(cast, options);
  return cast.requiresGrad ? detach(cast) : cast;
}

/** The tensor as float64. Source: `torch.Tensor.double`. */
export function double(x: Tensor): Tensor {
  return to(x, "float64");
}

/** The tensor as float32. Source: `torch.Tensor.float`. */
export function float(x: Tensor): Tensor {
  return to(x, "float32");
}

/** The tensor as int64; fractions are cut off. Source: `torch.Tensor.long`. */
export function long(x: Tensor): Tensor {
  return to(x, "int64");
}

/** The tensor as int32; fractions are cut off. Source: `torch.Tensor.int`. */
export function int(x: Tensor): Tensor {
  return to(x, "int32");
}

/** The tensor as uint8. Source: `torch.Tensor.byte`. */
export function byte(x: Tensor): Tensor {
  return to(x, "uint8");
}

/** The tensor as bool: whether each element differs from 0. Source: `torch.Tensor.bool`. */
export function bool(x: Tensor): Tensor {
  return to(x, "bool");
}

/** The tensor in the dtype of `other`. Source: `torch.Tensor.type_as`. */
export function typeAs(x: Tensor, other: Tensor): Tensor {
  return to(x, other.dtype);
}

/** The name of the dtype; with a dtype, the tensor as that. Source: `torch.Tensor.type`. */
export function type(x: Tensor, dtype?: DType): DType | Tensor {
  return dtype === undefined ? x.dtype : to(x, dtype);
}

/** The tensor itself: every tensor lives on the CPU. Source: `torch.Tensor.cpu`. */
export function cpu(x: Tensor): Tensor {
  return x;
}

function like(x: Tensor, options: CreateOptions | undefined): CreateOptions {
  return { dtype: x.dtype, ...options };
}

const CREATE_OPTIONS: OptionNames<CreateOptions> = { dtype: 1, requiresGrad: 1 };

/** A tensor of the data (copied), in the dtype of `x` unless one is given. Source: `torch.Tensor.new_tensor`. */
export function newTensor(x: Tensor, data: TensorData | Tensor, options?: CreateOptions): Tensor {
  checkOptions("newTensor", options, CREATE_OPTIONS);
  if (!(data instanceof Tensor)) return tensor(data, like(x, options));
  return withGrad(detach(clone(to(detach(data), like(x, options).dtype as DType))), options);
}

/** Zeros in the dtype of `x`. Source: `torch.Tensor.new_zeros`. */
export function newZeros(x: Tensor, size: Shape, options?: CreateOptions): Tensor {
  checkOptions("newZeros", options, CREATE_OPTIONS);
  return zeros(size, like(x, options));
}

/** Ones in the dtype of `x`. Source: `torch.Tensor.new_ones`. */
export function newOnes(x: Tensor, size: Shape, options?: CreateOptions): Tensor {
  checkOptions("newOnes", options, CREATE_OPTIONS);
  return ones(size, like(x, options));
}

/** One value everywhere, in the dtype of `x`. Source: `torch.Tensor.new_full`. */
export function newFull(
  x: Tensor,
  size: Shape,
  fillValue: number | boolean | bigint,
  options?: CreateOptions,
): Tensor {
  checkOptions("newFull", options, CREATE_OPTIONS);
  return full(size, fillValue, like(x, options));
}

/** Uninitialised elements in the dtype of `x`. Source: `torch.Tensor.new_empty`. */
export function newEmpty(x: Tensor, size: Shape, options?: CreateOptions): Tensor {
  checkOptions("newEmpty", options, CREATE_OPTIONS);
  return empty(size, like(x, options));
}

/** Uninitialised elements with the given strides, in the dtype of `x`. Source: `torch.Tensor.new_empty_strided`. */
export function newEmptyStrided(
  x: Tensor,
  size: Shape,
  stride: readonly number[],
  options?: CreateOptions,
): Tensor {
  checkOptions("newEmptyStrided", options, CREATE_OPTIONS);
  return emptyStrided(size, stride, like(x, options));
}
