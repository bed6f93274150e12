/** Sums, means and maxima of rows of a table over bags of indices. */

import { INT32, INT64, nameOf } from "../tensor/dtype.js";
import { DTypeError, IndexError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { castTo, contiguous, fromTyped, full, toNumbers, toTyped } from "../tensor/raw.js";
import { sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { div, mul } from "./arithmetic.js";
import { cast } from "./cast.js";
import { needTensor } from "./core.js";
import { type EmbeddingOptions, embedding, paddingRow, renormRows } from "./embedding.js";
import { checkedIndex, gather, indexAdd, indexSelect } from "./gather.js";
import { narrow, reshape, unsqueeze } from "./view.js";

/** What becomes of the rows of a bag. */
export type BagMode = "sum" | "mean" | "max";

/** Options of {@link embeddingBag}. */
export interface EmbeddingBagOptions extends EmbeddingOptions {
  /** Where each bag starts in a vector of indices; not for a matrix, whose rows are the bags. */
  offsets?: Tensor | null;
  /** "mean" (default), "sum" or "max"; an empty bag gives zeros. */
  mode?: BagMode;
  /** Factor of each index, in the shape of the input; for "sum" only. */
  perSampleWeights?: Tensor | null;
  /** Whether the last offset only says where the last bag ends (default false). */
  includeLastOffset?: boolean;
}

const EMBEDDING_BAG_OPTIONS: OptionNames<EmbeddingBagOptions> = {
  offsets: 1,
  mode: 1,
  perSampleWeights: 1,
  includeLastOffset: 1,
  paddingIdx: 1,
  maxNorm: 1,
  normType: 1,
  scaleGradByFreq: 1,
  sparse: 1,
};

const OP = "embeddingBag";

/** The bag of each index, and the number of bags. */
function bagsOf(
  input: Tensor,
  offsets: Tensor | null,
  includeLast: boolean,
): { bags: Int32Array; count: number } {
  if (input.shape.length === 2) {
    if (offsets !== null)
      throw new ShapeError(
        `[${OP}] offsets are for a vector of indices: got a matrix, whose rows are the bags`,
      );
    const [count, size] = [input.shape[0] as number, input.shape[1] as number];
    return { bags: Int32Array.from({ length: input.numel }, (_, i) => Math.floor(i / size)), count };
  }
  if (input.shape.length !== 1)
    throw new ShapeError(`[${OP}] expected a vector or a matrix of indices, got shape ${show(input.shape)}`);
  if (offsets === null)
    throw new ValueError(`[${OP}] a vector of indices needs offsets, the start of each bag; try { offsets }`);
  if (offsets.shape.length !== 1)
    throw new ShapeError(`[${OP}] offsets must be a vector, got shape ${show(offsets.shape)}`);
  if (offsets.code !== INT64 && offsets.code !== INT32) {
    throw new DTypeError(
      `[${OP}] offsets must be int64, got ${nameOf(offsets.code)}; try offsets.to("int64")`,
    );
  }
  const starts = toNumbers(offsets);
  const ends = includeLast ? starts.slice(1) : [...starts.slice(1), input.numel];
  const count = includeLast ? starts.length - 1 : starts.length;
  if (count < 0) throw new ValueError(`[${OP}] includeLastOffset needs at least one offset`);
  const sorted = starts.every((s, b) => s <= (starts[b + 1] ?? input.numel));
  if ((starts[0] ?? 0) !== 0 || !sorted) {
    throw new IndexError(
      `[${OP}] offsets ${show(starts)}: expected ascending from 0 to at most ${input.numel}, the number of indices`,
    );
  }
  const bags = new Int32Array(input.numel);
  for (let b = 0; b < count; b++) bags.fill(b, starts[b] as number, ends[b] as number);
  return { bags: bags.subarray(0, ends[count - 1] ?? 0), count };
}

/** Whole numbers as an int64 vector. */
const vector = (values: Int32Array): Tensor => castTo(fromTyped(values, [values.length], INT32), INT64);

/** The row that holds the maximum of each column of each bag (the first of equals), and which bags have any. */
function largestRows(
  weight: Tensor,
  rows: Int32Array,
  bags: Int32Array,
  count: number,
): { rows: Tensor; filled: number[] } {
  const D = weight.shape[1] as number;
  const values = toTyped(contiguous(weight)) as Float64Array;
  const best = new BigInt64Array(count * D);
  const filled = new Array<number>(count).fill(0);
  rows.forEach((r, i) => {
    const b = bags[i] as number;
    for (let d = 0; d < D; d++) {
      const held = values[Number(best[b * D + d]) * D + d] as number;
      if (filled[b] === 0 || (values[r * D + d] as number) > held) best[b * D + d] = BigInt(r);
    }
    filled[b] = 1;
  });
  return { rows: fromTyped(best, [count, D], INT64), filled };
}

/** The bags of the indices that are not the padding, and their places; null for all places. */
function withoutPadding(
  index: Tensor,
  bags: Int32Array,
  padding: number,
): { bags: Int32Array; places: Int32Array | null } {
  if (padding < 0) return { bags, places: null };
  const indices = toNumbers(index);
  const places = Int32Array.from(bags.keys()).filter((i) => indices[i] !== padding);
  return { bags: places.map((i) => bags[i] as number), places };
}

/** A constant column of numbers, of the dtype of `like`. */
function column(values: readonly number[], like: Tensor): Tensor {
  return cast(fromTyped(Float64Array.from(values), [values.length, 1], 5), like.code);
}

/**
 * Joins the rows of `weight` [V, D] over bags of indices: a matrix of indices has a bag per row, a vector is cut by
 * `offsets`. Indices equal to `paddingIdx` are left out. Result [bags, D].
 * Source: `torch.nn.functional.embedding_bag`.
 * @example
 * const weight = tensor([[1, 2], [3, 4], [5, 6]], { dtype: "float32" });
 * embeddingBag(tensor([0, 2, 1]), weight, { offsets: tensor([0, 2]), mode: "sum" }).toArray(); // [[6, 8], [3, 4]]
 * @throws IndexError for an index or offset out of range, ShapeError, ValueError.
 */
export function embeddingBag(input: Tensor, weight: Tensor, options: EmbeddingBagOptions = {}): Tensor {
  needTensor("embeddingBag", input);
  needTensor("embeddingBag", weight, "weight");
  checkOptions("embeddingBag", options, EMBEDDING_BAG_OPTIONS);
  const { mode = "mean", perSampleWeights = null, scaleGradByFreq = false } = options;
  if (mode !== "sum" && mode !== "mean" && mode !== "max") {
    throw new ValueError(`[${OP}] mode ${JSON.stringify(mode)}: expected "sum", "mean" or "max"`);
  }
  if (weight.shape.length !== 2)
    throw new ShapeError(`[${OP}] weight must be a matrix of rows, got shape ${show(weight.shape)}`);
  if (perSampleWeights !== null && mode !== "sum") {
    throw new ValueError(`[${OP}] perSampleWeights are for mode "sum", got mode "${mode}"`);
  }
  if (perSampleWeights !== null && !sameShape(perSampleWeights.shape, input.shape)) {
    throw new ShapeError(
      `[${OP}] perSampleWeights of shape ${show(perSampleWeights.shape)}: expected ${show(input.shape)}, the input's`,
    );
  }
  if (mode === "max" && scaleGradByFreq)
    throw new ValueError(`[${OP}] scaleGradByFreq is not for mode "max"`);
  const V = weight.shape[0] as number;
  const padding = paddingRow(OP, options.paddingIdx, V);
  const index = checkedIndex(OP, input, V);
  const all = bagsOf(input, options.offsets ?? null, options.includeLastOffset ?? false);
  if (options.maxNorm !== undefined && options.maxNorm !== null) {
    renormRows(weight, index, options.maxNorm, options.normType ?? 2);
  }
  const { bags, places } = withoutPadding(index, all.bags, padding);
  const flat = reshape(index, [index.numel]);
  const rows = places === null ? narrow(flat, 0, 0, bags.length) : indexSelect(flat, 0, vector(places));
  const empty = full([all.count, weight.shape[1] as number], 0, weight.code);
  if (mode === "max") {
    const largest = largestRows(weight, Int32Array.from(toNumbers(rows)), bags, all.count);
    return mul(gather(weight, 0, largest.rows), column(largest.filled, weight));
  }
  let vectors = embedding(rows, weight, { scaleGradByFreq });
  if (perSampleWeights !== null) {
    const given = reshape(perSampleWeights, [perSampleWeights.numel]);
    const factors =
      places === null ? narrow(given, 0, 0, bags.length) : indexSelect(given, 0, vector(places));
    vectors = mul(vectors, unsqueeze(factors, 1));
  }
  const sums = indexAdd(empty, 0, vector(bags), vectors);
  if (mode === "sum") return sums;
  const counts = new Array<number>(all.count).fill(0);
  for (const b of bags) counts[b] = (counts[b] as number) + 1;
  const divisors = counts.map((n) => Math.max(1, n));
  return div(sums, column(divisors, weight));
}
