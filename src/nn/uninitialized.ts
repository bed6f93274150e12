/** Parameters and buffers whose shape is not known yet; any use of their values raises until they materialize. */
import { codeOf, type DType } from "../tensor/dtype.js";
import { AutogradError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { empty } from "../tensor/raw.js";
import type { Shape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { Buffer, Parameter, setData } from "./parameter.js";

/** Tensors that wait for a shape. */
const waiting = new WeakSet<Tensor>();

/** Makes every look at the shape or the data raise. */
function seal(t: Tensor): void {
  const raise = (): never => {
    throw new AutogradError(
      `[${t instanceof Parameter ? "UninitializedParameter" : "UninitializedBuffer"}] it has no shape and no values yet; ` +
        "try a forward pass with an input of the final shape first, or materialize(shape)",
    );
  };
  for (const field of ["shape", "storage"]) {
    Object.defineProperty(t, field, { get: raise, set: raise, enumerable: true, configurable: true });
  }
  waiting.add(t);
}

/** Gives the tensor memory, and the class that it has from now on. */
function open(t: Tensor, shape: Shape, dtype: DType, type: { prototype: object }): void {
  nextOp();
  const data = empty(shape, codeOf(dtype));
  for (const field of ["shape", "storage"] as const) {
    Object.defineProperty(t, field, {
      value: data[field],
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  waiting.delete(t);
  setData(t, data);
  Object.setPrototypeOf(t, type.prototype);
}

/** Whether a parameter or buffer still waits for its shape. Source: `torch.nn.parameter.is_lazy`. */
export function isLazy(t: unknown): t is UninitializedParameter | UninitializedBuffer {
  return t instanceof Tensor && waiting.has(t);
}

/** Options of uninitialised parameters and buffers. */
export interface UninitializedOptions {
  /** Whether the parameter is learned (default true). */
  requiresGrad?: boolean;
  /** Element type (default: the default float). */
  dtype?: DType;
}

/**
 * A parameter whose shape is inferred at the first forward pass; then it becomes an ordinary {@link Parameter}.
 * Source: `torch.nn.UninitializedParameter`.
 * @throws AutogradError on any use before that.
 */
export class UninitializedParameter extends Parameter {
  constructor(options: UninitializedOptions = {}) {
    nextOp();
    super(empty([0], codeOf(options.dtype ?? "float32")), { requiresGrad: options.requiresGrad ?? true });
    seal(this);
  }

  /** Allocates the values (uninitialised memory) and becomes a Parameter. */
  materialize(shape: Shape, options: { dtype?: DType } = {}): void {
    open(this, shape, options.dtype ?? this.dtype, Parameter);
  }
}

/** A buffer whose shape is inferred at the first forward pass. Source: `torch.nn.UninitializedBuffer`. */
export class UninitializedBuffer extends Buffer {
  constructor(options: { dtype?: DType; persistent?: boolean } = {}) {
    nextOp();
    super(empty([0], codeOf(options.dtype ?? "float32")), { persistent: options.persistent ?? true });
    seal(this);
  }

  /** Allocates the values (uninitialised memory) and becomes a Buffer. */
  materialize(shape: Shape, options: { dtype?: DType } = {}): void {
    open(this, shape, options.dtype ?? this.dtype, Buffer);
  }
}

/** Turns a tensor back into one that waits for its shape, after a failed first call. @internal */
export function dematerialize(t: Tensor): void {
  const parameter = t instanceof Parameter;
  t.grad = null;
  Object.setPrototypeOf(t, parameter ? UninitializedParameter.prototype : UninitializedBuffer.prototype);
  seal(t);
}
