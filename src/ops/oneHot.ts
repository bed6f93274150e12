/** Indices as unit vectors. */

import { INT64, nameOf } from "../tensor/dtype.js";
import { DTypeError, IndexError, ValueError } from "../tensor/errors.js";
import { checkNames, type OptionNames } from "../tensor/options.js";
import { full } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { needTensor } from "./core.js";
import { scatter } from "./gather.js";
import { extremesOf } from "./histogram.js";
import { unsqueeze } from "./view.js";

/** Options of {@link oneHot}. */
export interface OneHotOptions {
  /** Length of the vectors; -1 (default) for the largest index + 1. */
  numClasses?: number;
}

const ONE_HOT_OPTIONS: OptionNames<OneHotOptions> = { numClasses: 1 };

/**
 * int64 vectors with a 1 at the index and 0 elsewhere: shape [..., numClasses].
 * Source: `torch.nn.functional.one_hot`.
 * @example
 * oneHot(tensor([2, 0])).toArray(); // [[0, 0, 1], [1, 0, 0]]
 * @throws IndexError for an index that is negative or not below numClasses.
 */
export function oneHot(x: Tensor, options: number | OneHotOptions = {}): Tensor {
  needTensor("oneHot", x);
  checkNames("oneHot", options, ONE_HOT_OPTIONS);
  const numClasses = (typeof options === "number" ? options : options.numClasses) ?? -1;
  if (x.code !== INT64)
    throw new DTypeError(
      `[oneHot] expected indices of dtype int64, got ${nameOf(x.code)}; try x.to("int64")`,
    );
  if (x.numel === 0 && numClasses <= 0) {
    throw new ValueError("[oneHot] no indices to infer the number of classes from; try { numClasses }");
  }
  if (numClasses !== -1 && !(Number.isInteger(numClasses) && numClasses > 0)) {
    throw new ValueError(`[oneHot] numClasses ${numClasses}: expected a whole number above 0, or -1`);
  }
  const [low, high] = extremesOf(x);
  const classes = numClasses === -1 ? high + 1 : numClasses;
  if (low < 0 || high >= classes)
    throw new IndexError(
      `[oneHot] index ${low < 0 ? low : high} is out of range: expected ${numClasses === -1 ? "0 or above" : `0 to ${classes - 1}; try a larger numClasses`}`,
    );
  const zeros = full([...x.shape, classes], 0, INT64);
  return x.numel === 0 ? zeros : scatter(zeros, x.shape.length, unsqueeze(x, x.shape.length), 1);
}
