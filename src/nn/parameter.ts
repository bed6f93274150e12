/** Parameter and Buffer: tensors that a module owns; changing their data and clearing their gradients. */

import { checkInference } from "../autograd/inplace.js";
import { empty } from "../tensor/create.js";
import { isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError } from "../tensor/errors.js";
import { KEPT, nextOp } from "../tensor/heap.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { detached, fillWith } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";

/** Options of {@link Parameter}. */
export interface ParameterOptions {
  /** Whether gradients are computed (default true). */
  requiresGrad?: boolean;
}

const PARAMETER_OPTIONS: OptionNames<ParameterOptions> = { requiresGrad: 1 };

/**
 * A leaf tensor that a module learns: a field that holds one is part of `parameters()` and of the state dict.
 * It shares the data of the tensor it is made from. Source: `torch.nn.Parameter`.
 * @example
 * const p = new Parameter(tensor([1.5, 2.5]));
 * p.requiresGrad; // true
 * @throws DTypeError when a gradient is wanted of a tensor that is not floating.
 * @throws AutogradError when one is wanted of a tensor that `inferenceMode` made, outside of it.
 */
export class Parameter extends Tensor {
  /** Sets the type apart: in the place of a parameter a plain tensor would not be learned. */
  declare protected readonly learned: true;

  constructor(data: Tensor = empty([0]), options: ParameterOptions | boolean = true) {
    super(data.storage, data.code, data.shape, data.contig ? null : data.strides, data.storageOffset);
    checkNames(new.target.name, options, PARAMETER_OPTIONS);
    const requiresGrad = typeof options === "boolean" ? options : (options.requiresGrad ?? true);
    if (requiresGrad && !isFloat(data.code)) {
      throw new DTypeError(
        `[Parameter] only floating tensors can require gradients: got ${nameOf(data.code)}; ` +
          "try { requiresGrad: false }, or a Buffer",
      );
    }
    if (requiresGrad) checkInference("Parameter", data, "require a gradient");
    this.leafRequiresGrad = requiresGrad;
    data.storage.flags |= KEPT;
  }
}

/** Options of {@link Buffer} and `registerBuffer`. */
export interface BufferOptions {
  /** Whether the buffer is part of the state dict (default true). */
  persistent?: boolean;
}

/** @internal */
export const BUFFER_OPTIONS: OptionNames<BufferOptions> = { persistent: 1 };

/**
 * A tensor that is part of a module's state but is not learned, such as running statistics.
 * It shares the data of the tensor it is made from. Source: `torch.nn.Buffer`.
 */
export class Buffer extends Tensor {
  /** Whether the buffer is part of the state dict. */
  readonly persistent: boolean;

  constructor(data: Tensor = empty([0]), options: BufferOptions = {}) {
    super(data.storage, data.code, data.shape, data.contig ? null : data.strides, data.storageOffset);
    checkOptions(new.target.name, options, BUFFER_OPTIONS);
    this.persistent = options.persistent ?? true;
    data.storage.flags |= KEPT;
  }
}

/** Makes `t` hold the data of `source` (shape and dtype may differ), as `t.data = source` in PyTorch. @internal */
export function setData(t: Tensor, source: Tensor): void {
  const { storage, code, shape, storageOffset, numel, contig } = source;
  storage.flags |= t.storage.flags & KEPT;
  // Null: the getter works them out when they are needed.
  const stridesOrNull = contig ? null : source.strides;
  Object.assign(t, { storage, code, shape, storageOffset, numel, contig, stridesOrNull });
}

/** Sets a gradient to null or to zeros. @internal */
export function clearGrad(p: Tensor, setToNone: boolean): void {
  const g = p.ownGrad;
  if (g === null) return;
  if (setToNone) {
    p.clearGrad();
    return;
  }
  if (g.node !== null) p.grad = detached(g);
  nextOp();
  fillWith(p.ownGrad as Tensor, 0);
  g.storage.version++;
}
