/** Attributes of Tensor that need ops or autograd: transposes, data, gradFn, iteration, printing. */

import { retainsGrad } from "../autograd/methods.js";
import type { Node } from "../autograd/node.js";
import { relink } from "../autograd/views.js";
import { getDefaultDtype } from "../tensor/dtype.js";
import { IndexError, ShapeError, show } from "../tensor/errors.js";
import { formatTensor, INSPECT } from "../tensor/format.js";
import { KEPT } from "../tensor/heap.js";
import { copyOf, describe, detached } from "../tensor/raw.js";
import { sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { hermitianTranspose, matrixTranspose, reverseDims } from "./dims.js";
import { toTypedArray } from "./read.js";
import { select } from "./view.js";

/** Attributes of Tensor beside its plain fields. */
export interface TensorAttributes {
  /** The tensor with its dimensions reversed, a view. Source: `torch.Tensor.T`. */
  readonly T: Tensor;
  /** The tensor with its last two dimensions exchanged, a view. Source: `torch.Tensor.mT`. */
  readonly mT: Tensor;
  /** The transpose of a matrix. Source: `torch.Tensor.H`. */
  readonly H: Tensor;
  /** Same as `mT` for real numbers. Source: `torch.Tensor.mH`. */
  readonly mH: Tensor;
  /**
   * The same elements outside the graph. Changes are seen by both and count as changes of this tensor: a backward
   * that needs the values of before throws, where PyTorch's goes on with those of after. Setting it gives
   * this tensor the elements of another one of the same shape and dtype. Source: `torch.Tensor.data`.
   */
  get data(): Tensor;
  /** Gives this tensor the elements of `value`, of the same shape and dtype. */
  set data(value: Tensor);
  /** The recorded op that made this tensor, null for leaves. Source: `torch.Tensor.grad_fn`. */
  readonly gradFn: Node | null;
  /** Whether this tensor is no leaf and keeps its gradient (see `retainGrad`). Source: `torch.Tensor.retains_grad`. */
  readonly retainsGrad: boolean;
  /** Always `"strided"`. Source: `torch.Tensor.layout`. */
  readonly layout: "strided";
  /** The parts along the first dimension, one after the other. */
  [Symbol.iterator](): IterableIterator<Tensor>;
  /** The tensor as PyTorch prints it. */
  toString(): string;
}

declare module "../tensor/tensor.js" {
  interface Tensor extends TensorAttributes {}
}

function gradFnOf(x: Tensor): Node | null {
  relink(x);
  return x.node as Node | null;
}

function print(x: Tensor): string {
  const node = gradFnOf(x);
  return formatTensor(toTypedArray(x), x.shape, x.dtype, {
    requiresGrad: x.requiresGrad,
    defaultDtype: getDefaultDtype(),
    ...(node === null ? {} : { gradFn: node.name }),
  });
}

function setData(x: Tensor, value: Tensor): void {
  if (!sameShape(x.shape, value.shape) || x.code !== value.code) {
    throw new ShapeError(
      `[data] got ${describe(value)}, expected ${describe(x)} as the tensor has; try a new tensor`,
    );
  }
  const kept = x.storage.flags & KEPT;
  const fits = x.contig && value.contig && x.storageOffset === value.storageOffset;
  if (fits) x.storage = value.storage;
  else if (x.contig && x.storageOffset === 0) x.storage = copyOf(value).storage;
  else throw new ShapeError(`[data] a view of shape ${show(x.shape)} cannot take other data; try copy_`);
  x.storage.flags |= kept;
}

function* parts(x: Tensor): IterableIterator<Tensor> {
  for (let i = 0; i < (x.shape[0] as number); i++) yield select(x, 0, i);
}

const getters: { readonly [name: string]: (x: Tensor) => unknown } = {
  T: reverseDims,
  mT: matrixTranspose,
  H: hermitianTranspose,
  mH: matrixTranspose,
  gradFn: gradFnOf,
  layout: () => "strided",
  retainsGrad,
};

for (const [name, read] of Object.entries(getters)) {
  Object.defineProperty(Tensor.prototype, name, {
    get(this: Tensor) {
      return read(this);
    },
    configurable: true,
  });
}

Object.defineProperties(Tensor.prototype, {
  data: {
    get(this: Tensor) {
      return detached(this);
    },
    set(this: Tensor, value: Tensor) {
      setData(this, value);
    },
    configurable: true,
  },
  [Symbol.iterator]: {
    value(this: Tensor) {
      if (this.shape.length === 0)
        throw new IndexError("[iterator] a 0-d tensor has no parts to iterate over; try item()");
      return parts(this);
    },
    configurable: true,
    writable: true,
  },
  toString: {
    value(this: Tensor) {
      return print(this);
    },
    configurable: true,
    writable: true,
  },
  [INSPECT]: {
    value(this: Tensor) {
      return print(this);
    },
    configurable: true,
    writable: true,
  },
});
