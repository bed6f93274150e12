/** Coordinates of the triangles of a matrix. */

import { type CreateOptions, withGrad } from "./create.js";
import { codeOf, INT64, isFloat } from "./dtype.js";
import { DTypeError } from "./errors.js";
import { nextOp } from "./heap.js";
import { checkNames, type OptionNames } from "./options.js";
import { castTo, fromTyped } from "./raw.js";
import { checkSizes, checkWhole } from "./shape.js";
import type { Tensor } from "./tensor.js";

/** Options of {@link trilIndices} and {@link triuIndices}. */
export interface TriangleOptions extends CreateOptions {
  /** The diagonal that ends the triangle: 0, the default, is the main one, positive ones lie above it. */
  offset?: number;
}

const TRIANGLE_OPTIONS: OptionNames<TriangleOptions> = { offset: 1, dtype: 1, requiresGrad: 1 };

/** Coordinates [2, n] of the elements at columns [first(row), last(row)) of each row, in row-major order. */
function coordinates(
  op: string,
  row: number,
  col: number,
  options: number | TriangleOptions,
  columns: (row: number, offset: number) => readonly [number, number],
): Tensor {
  const { offset = 0, ...rest }: TriangleOptions =
    typeof options === "number" ? { offset: options } : options;
  checkSizes(op, [row, col]);
  checkWhole(op, "offset", offset);
  const code = rest.dtype === undefined ? INT64 : codeOf(rest.dtype);
  if (isFloat(code)) throw new DTypeError(`[${op}] expected an integer dtype, got ${rest.dtype}`);
  const rows: bigint[] = [];
  const cols: bigint[] = [];
  for (let i = 0; i < row; i++) {
    const [first, last] = columns(i, offset);
    for (let j = Math.max(0, first); j < Math.min(col, last); j++) {
      rows.push(BigInt(i));
      cols.push(BigInt(j));
    }
  }
  nextOp();
  return withGrad(
    castTo(fromTyped(BigInt64Array.from([...rows, ...cols]), [2, rows.length], INT64), code),
    rest,
  );
}

/**
 * Coordinates, row indices over column indices, of the lower triangle of a matrix. Source: `torch.tril_indices`.
 * @example
 * trilIndices(2, 2).toArray(); // [[0, 1, 1], [0, 0, 1]]
 */
export function trilIndices(row: number, col: number, options: number | TriangleOptions = {}): Tensor {
  checkNames("trilIndices", options, TRIANGLE_OPTIONS);
  return coordinates("trilIndices", row, col, options, (i, offset) => [0, i + offset + 1]);
}

/**
 * Coordinates, row indices over column indices, of the upper triangle of a matrix. Source: `torch.triu_indices`.
 * @example
 * triuIndices(2, 2).toArray(); // [[0, 0, 1], [0, 1, 1]]
 */
export function triuIndices(row: number, col: number, options: number | TriangleOptions = {}): Tensor {
  checkNames("triuIndices", options, TRIANGLE_OPTIONS);
  return coordinates("triuIndices", row, col, options, (i, offset) => [i + offset, col]);
}
