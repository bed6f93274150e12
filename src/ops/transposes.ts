/** The transposes that are read as properties: `x.T`, `x.mT`, `x.H`, `x.mH`; and adjoint. */
import { ShapeError, show } from "../tensor/errors.js";
import { Tensor } from "../tensor/tensor.js";
import { permute, transpose } from "./view.js";

function reversed(x: Tensor): Tensor {
  return permute(
    x,
    x.shape.map((_, d) => x.shape.length - 1 - d),
  );
}

function ofMatrices(name: string, x: Tensor): Tensor {
  if (x.shape.length === 0) return permute(x, []);
  if (x.shape.length === 1) {
    throw new ShapeError(
      `[${name}] expected matrices in the last two dimensions, got shape ${show(x.shape)}`,
    );
  }
  return transpose(x, -2, -1);
}

/** The matrices in the last two dimensions transposed (real dtypes have no conjugate). Source: `torch.adjoint`. */
export function adjoint(x: Tensor): Tensor {
  return ofMatrices("adjoint", x);
}

/** Transposes as properties of a tensor; all are views. */
export interface Transposes {
  /** All dimensions in reverse order. */
  readonly T: Tensor;
  /** The matrices in the last two dimensions transposed. */
  readonly mT: Tensor;
  /** The transpose of a matrix (real dtypes have no conjugate). */
  readonly H: Tensor;
  /** Same as `mT` (real dtypes have no conjugate). */
  readonly mH: Tensor;
}

declare module "../tensor/tensor.js" {
  interface Tensor extends Transposes {}
}

const getters: Readonly<Record<keyof Transposes, (x: Tensor) => Tensor>> = {
  T: reversed,
  mT: (x) => ofMatrices("mT", x),
  H(x) {
    if (x.shape.length !== 2 && x.shape.length !== 0) {
      throw new ShapeError(`[H] expected a matrix, got shape ${show(x.shape)}; try x.mH`);
    }
    return reversed(x);
  },
  mH: (x) => ofMatrices("mH", x),
};

for (const [name, get] of Object.entries(getters)) {
  Object.defineProperty(Tensor.prototype, name, {
    get(this: Tensor) {
      return get(this);
    },
    configurable: true,
  });
}
