/** Places in sorted sequences: searchsorted and bucketize. */

import { type DTypeCode, INT32, INT64, nameOf, SIZES } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { enqueue, GRAIN, inPieces, kernelFor, kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { castTo, contiguous, empty, full, ptr } from "../tensor/raw.js";
import { numelOf, sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { promote } from "./core.js";
import { gather } from "./gather.js";

const SEARCH = kernelTable("searchsorted");

/** Options of {@link bucketize}. */
export interface BucketizeOptions {
  /** Give int32 in place of int64 (default false). */
  outInt32?: boolean;
  /** Count a value equal to a boundary into the bucket after it (default false). */
  right?: boolean;
}

const BUCKETIZE_OPTIONS: OptionNames<BucketizeOptions> = { outInt32: 1, right: 1 };

/** Options of {@link searchsorted}. */
export interface SearchsortedOptions extends BucketizeOptions {
  /** "right" is `right: true`. */
  side?: "left" | "right" | null;
  /** Positions that sort the sequence along its last dimension. */
  sorter?: Tensor | null;
}

const SEARCHSORTED_OPTIONS: OptionNames<SearchsortedOptions> = { side: 1, sorter: 1, outInt32: 1, right: 1 };

/** A bare number, in the dtype of the sequence where that can hold it. */
function number(value: number, sequence: Tensor): Tensor {
  return full([], value, promote(sequence, value));
}

function search(sorted: Tensor, values: Tensor, right: boolean, outInt32: boolean): Tensor {
  nextOp();
  const n = sorted.shape[sorted.shape.length - 1] as number;
  const shared = sorted.shape.length === 1;
  const rows = shared ? 1 : numelOf(sorted.shape.slice(0, -1));
  const code = Math.max(sorted.code, values.code) as DTypeCode;
  const [s, v] = [contiguous(castTo(sorted, code)), contiguous(castTo(values, code))];
  const out = empty(v.shape, INT64);
  if (out.numel > 0) {
    const count = out.numel / rows;
    const [from, at, to] = [ptr(s), ptr(v), ptr(out)];
    const cost = 4 * Math.ceil(Math.log2(n + 2));
    const size = SIZES[v.code] as number;
    const flag = right ? 1 : 0;
    if (out.numel * cost < 2 * GRAIN)
      kernelFor(SEARCH, s.code)(from, at, to, rows, n, count, shared ? 1 : 0, flag);
    else if (shared) {
      inPieces(count, Math.ceil(GRAIN / cost), (first, part) =>
        enqueue(SEARCH, s.code, from, at + first * size, to + first * 8, 1, n, part, 1, flag),
      );
    } else {
      inPieces(rows, Math.ceil(GRAIN / (cost * count)), (first, part) => {
        const start = first * count;
        enqueue(
          SEARCH,
          s.code,
          from + first * n * size,
          at + start * size,
          to + start * 8,
          part,
          n,
          count,
          0,
          flag,
        );
      });
    }
  }
  return outInt32 ? castTo(out, INT32) : out;
}

/**
 * Where each value would be inserted into a sorted sequence to keep it sorted: before equals, or after them with
 * `right`. A sequence [n] serves all values; one of shape [..., n] has a row for each row of values [..., m].
 * Source: `torch.searchsorted`.
 * @example
 * searchsorted(tensor([1, 3, 5]), tensor([3, 6])).toArray(); // [1, 3]
 */
export function searchsorted(
  sortedSequence: Tensor,
  values: Tensor | number,
  options: SearchsortedOptions = {},
): Tensor {
  checkOptions("searchsorted", options, SEARCHSORTED_OPTIONS);
  const op = "searchsorted";
  const { outInt32 = false, side = null, sorter = null } = options;
  if (side !== null && side !== "left" && side !== "right")
    throw new ValueError(`[${op}] side ${JSON.stringify(side)}: expected "left" or "right"`);
  if (options.right === true && side === "left")
    throw new ValueError(`[${op}] right: true and side: "left" contradict each other`);
  const sequence = sortedSequence.shape;
  if (sequence.length === 0)
    throw new ShapeError(`[${op}] the sorted sequence must have at least one dimension`);
  const input = values instanceof Tensor ? values : number(values, sortedSequence);
  const rowsFit =
    input.shape.length === sequence.length && sameShape(input.shape.slice(0, -1), sequence.slice(0, -1));
  if (sequence.length > 1 && !rowsFit) {
    throw new ShapeError(
      `[${op}] values of shape ${show(input.shape)} do not fit the sequence ${show(sequence)}: expected equal leading dimensions`,
    );
  }
  let sorted = sortedSequence;
  if (sorter !== null) {
    if (sorter.code !== INT64)
      throw new DTypeError(`[${op}] sorter must be int64, got ${nameOf(sorter.code)}; try argsort`);
    if (!sameShape(sorter.shape, sequence))
      throw new ShapeError(`[${op}] sorter of shape ${show(sorter.shape)}: expected ${show(sequence)}`);
    sorted = gather(sorted.detach(), sequence.length - 1, sorter);
  }
  return search(sorted, input, options.right === true || side === "right", outInt32);
}

/**
 * The bucket of each value between sorted boundaries: i with boundaries[i - 1] < value <= boundaries[i], or with
 * `right` boundaries[i - 1] <= value < boundaries[i]. Source: `torch.bucketize`.
 * @example
 * bucketize(tensor([0, 3, 9]), tensor([1, 3, 5])).toArray(); // [0, 1, 3]
 */
export function bucketize(
  input: Tensor | number,
  boundaries: Tensor,
  options: BucketizeOptions = {},
): Tensor {
  checkOptions("bucketize", options, BUCKETIZE_OPTIONS);
  const op = "bucketize";
  if (boundaries.shape.length !== 1)
    throw new ShapeError(`[${op}] boundaries must be a vector, got shape ${show(boundaries.shape)}`);
  const values = input instanceof Tensor ? input : number(input, boundaries);
  return search(boundaries, values, options.right ?? false, options.outInt32 ?? false);
}
