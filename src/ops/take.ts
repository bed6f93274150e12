/** Elements by flat index and along dimensions: take, takeAlongDim, put. */

import { nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show } from "../tensor/errors.js";
import { checkNames, type OptionNames } from "../tensor/options.js";
import { broadcastShapes, type Shape, wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { checkedIndex, gather, indexAdd, indexCopy, indexSelect } from "./gather.js";
import { expand, flatten, reshape } from "./view.js";

function flatIndex(op: string, index: Tensor, size: number): Tensor {
  return checkedIndex(op, reshape(index, [index.numel]), size, true);
}

/**
 * The elements at the given indices of the flattened tensor, in the shape of `index`; negative ones count from the
 * end. Source: `torch.take`.
 * @example
 * take(tensor([[1, 2], [3, 4]]), tensor([0, -1])).toArray(); // [1, 4]
 * @throws IndexError for an index out of range.
 */
export function take(x: Tensor, index: Tensor): Tensor {
  return reshape(indexSelect(flatten(x), 0, flatIndex("take", index, x.numel)), index.shape);
}

const PUT_OPTIONS: OptionNames<{ accumulate?: boolean }> = { accumulate: 1 };

/**
 * A copy of `x` with elements of `source` written, or added with `accumulate`, at the given indices of the flattened
 * tensor. Source: `torch.put`.
 * @throws ShapeError when `source` and `index` differ in their number of elements.
 */
export function put(
  x: Tensor,
  index: Tensor,
  source: Tensor,
  options: boolean | { accumulate?: boolean } = {},
): Tensor {
  checkNames("put", options, PUT_OPTIONS);
  if (index.numel !== source.numel) {
    throw new ShapeError(
      `[put] expected as many elements as indices, got shapes ${show(source.shape)} and ${show(index.shape)}`,
    );
  }
  if (source.code !== x.code) {
    throw new DTypeError(
      `[put] expected source of dtype ${nameOf(x.code)}, as the tensor's, got ${nameOf(source.code)}`,
    );
  }
  const at = flatIndex("put", index, x.numel);
  const accumulate = typeof options === "boolean" ? options : (options.accumulate ?? false);
  const write = accumulate ? indexAdd : indexCopy;
  return reshape(write(flatten(x), 0, at, reshape(source, [source.numel])), x.shape);
}

const TAKE_ALONG_DIM_OPTIONS: OptionNames<{ dim?: number | null }> = { dim: 1 };

/**
 * As `gather`, with `x` and `indices` broadcast in the other dimensions; without a dimension both are flattened.
 * Source: `torch.take_along_dim`.
 */
export function takeAlongDim(
  x: Tensor,
  indices: Tensor,
  dim?: number | null | { dim?: number | null },
): Tensor {
  checkNames("takeAlongDim", dim, TAKE_ALONG_DIM_OPTIONS);
  const given = typeof dim === "object" && dim !== null ? dim.dim : dim;
  if (given === undefined || given === null) return gather(flatten(x), 0, flatten(indices));
  if (x.shape.length !== indices.shape.length) {
    throw new ShapeError(
      `[takeAlongDim] expected as many dimensions, got shapes ${show(x.shape)} and ${show(indices.shape)}; try unsqueeze`,
    );
  }
  const d = wrapDim("takeAlongDim", given, x.shape.length);
  const but = (shape: Shape, size: number) => shape.map((n, k) => (k === d ? size : n));
  const common = broadcastShapes("takeAlongDim", but(x.shape, 1), but(indices.shape, 1));
  const wide = (t: Tensor) => expand(t, but(common, t.shape[d] as number));
  return gather(wide(x), d, wide(indices));
}
