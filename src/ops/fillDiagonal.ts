/** fillDiagonal_: one value along the diagonal of a matrix or a cube, through a view of it. */

import { checkInPlace } from "../autograd/inplace.js";
import { ShapeError, show } from "../tensor/errors.js";
import { checkNames, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Operand } from "./core.js";
import { asStrided } from "./geometry.js";
import { fill_ } from "./inPlace.js";

/** Options of `fillDiagonal_`. */
export interface FillDiagonalOptions {
  /** In a matrix with more rows than columns, starts anew below each block (default false). */
  wrap?: boolean;
}

const FILL_DIAGONAL_OPTIONS: OptionNames<FillDiagonalOptions> = { wrap: 1 };

/**
 * Writes one value along the main diagonal: x[i, i, ..., i] = fillValue. Source: `torch.Tensor.fill_diagonal_`.
 * @example
 * zeros([2, 3]).fillDiagonal_(1).toArray(); // [[1, 0, 0], [0, 1, 0]]
 * @throws ShapeError for fewer than 2 dimensions, or more of unequal sizes.
 */
export function fillDiagonal_(
  x: Tensor,
  fillValue: Operand,
  options: FillDiagonalOptions | boolean = {},
): Tensor {
  checkNames("fillDiagonal_", options, FILL_DIAGONAL_OPTIONS);
  const { shape, strides, storageOffset } = x;
  const cube = shape.every((n) => n === shape[0]);
  if (shape.length < 2 || (shape.length > 2 && !cube)) {
    throw new ShapeError(
      `[fillDiagonal_] expected a matrix, or more dimensions of one size: got shape ${show(shape)}`,
    );
  }
  checkInPlace("fillDiagonal_", x);
  const step = strides.reduce((sum, s) => sum + s, 0);
  const length = Math.min(...shape);
  fill_(asStrided(x, [length], [step], { storageOffset }), fillValue);
  const [rows, cols] = shape as [number, number];
  const wrap = typeof options === "boolean" ? options : (options.wrap ?? false);
  if (wrap && shape.length === 2 && rows > cols + 1) {
    const rest = Math.ceil(x.numel / (cols + 1)) - length;
    fill_(
      asStrided(x, [rest], [step], { storageOffset: storageOffset + (strides[0] as number) * (cols + 1) }),
      fillValue,
    );
  }
  return x;
}
