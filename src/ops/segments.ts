/** Reductions of consecutive parts of a dimension. */

import { INT64 } from "../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { fromTyped, full, toNumbers } from "../tensor/raw.js";
import { numelOf, sameShape, wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul } from "./arithmetic.js";
import { cast } from "./cast.js";
import { ge, le } from "./compare.js";
import { constant } from "./core.js";
import { indexSelect } from "./gather.js";
import { checkFloat } from "./lossCore.js";
import { amax, amin } from "./reduce.js";
import { prod } from "./scan.js";
import { sum } from "./sum.js";
import { reshape } from "./view.js";
import { where } from "./where.js";

/** How a segment is reduced. */
export type SegmentReduction = "sum" | "mean" | "max" | "min" | "prod";

/** Options of {@link segmentReduce}; one of lengths and offsets is needed. */
export interface SegmentReduceOptions {
  /** Lengths of the segments [..., S]. */
  lengths?: Tensor | null;
  /** Not supported, as in PyTorch. */
  indices?: Tensor | null;
  /** Starts of the segments, and the end of the last [..., S + 1]. */
  offsets?: Tensor | null;
  /** The dimension that is cut into segments (default 0). */
  axis?: number;
  /** Skip the check that the lengths add up (default false). */
  unsafe?: boolean;
  /** Taken into each reduction; the value of an empty segment. */
  initial?: number | null;
}

const SEGMENT_REDUCE_OPTIONS: OptionNames<SegmentReduceOptions> = {
  lengths: 1,
  indices: 1,
  offsets: 1,
  axis: 1,
  unsafe: 1,
  initial: 1,
};

const IDENTITY: Readonly<Record<SegmentReduction, number>> = {
  sum: 0,
  mean: 0,
  prod: 1,
  max: Number.NEGATIVE_INFINITY,
  min: Number.POSITIVE_INFINITY,
};

/** Starts and lengths of the segments of every row of the leading dimensions. */
function segmentsOf(
  op: string,
  data: Tensor,
  axis: number,
  o: SegmentReduceOptions,
): { starts: number[]; lengths: number[]; count: number } {
  const given = o.lengths ?? o.offsets ?? null;
  if (given === null || (o.indices ?? null) !== null)
    throw new ValueError(`[${op}] expected lengths or offsets; indices are not supported`);
  const lead = data.shape.slice(0, axis);
  if (given.shape.length !== axis + 1 || !sameShape(given.shape.slice(0, axis), lead)) {
    throw new ShapeError(
      `[${op}] lengths or offsets of shape ${show(given.shape)} for axis ${axis} of ${show(data.shape)}: expected ${show([...lead, -1])}`,
    );
  }
  const width = given.shape[axis] as number;
  const values = toNumbers(given);
  const rows = numelOf(lead);
  const n = data.shape[axis] as number;
  const byOffset = (o.lengths ?? null) === null;
  const count = byOffset ? width - 1 : width;
  const starts: number[] = [];
  const lengths: number[] = [];
  for (let r = 0; r < rows; r++) {
    let next = 0;
    for (let s = 0; s < count; s++) {
      const at = r * width + s;
      const start = byOffset ? (values[at] as number) : next;
      const length = byOffset ? (values[at + 1] as number) - start : (values[at] as number);
      if (length < 0 || start < 0 || start + length > n) {
        throw new ValueError(
          `[${op}] segment ${s} from ${start}, ${length} long, does not fit a dimension of size ${n}`,
        );
      }
      starts.push(r * n + start);
      lengths.push(length);
      next = start + length;
    }
    if (!byOffset && o.unsafe !== true && next !== n)
      throw new ValueError(`[${op}] the lengths add up to ${next}: expected ${n}, the size of axis ${axis}`);
  }
  return { starts, lengths, count };
}

/**
 * Reduces consecutive segments of a dimension, given by lengths or offsets, each on its own.
 * Source: `torch.segment_reduce`.
 * @example
 * const data = tensor([1, 2, 3, 4], { dtype: "float32" });
 * segmentReduce(data, "sum", { lengths: tensor([1, 3]) }).toArray(); // [1, 9]
 */
export function segmentReduce(
  data: Tensor,
  reduce: SegmentReduction,
  options: SegmentReduceOptions = {},
): Tensor {
  checkOptions("segmentReduce", options, SEGMENT_REDUCE_OPTIONS);
  const op = "segmentReduce";
  const identity = IDENTITY[reduce] as number | undefined;
  if (identity === undefined)
    throw new ValueError(
      `[${op}] reduction ${JSON.stringify(reduce)}: expected "sum", "mean", "max", "min" or "prod"`,
    );
  checkFloat(op, "data", data);
  const axis = wrapDim(op, options.axis ?? 0, data.shape.length);
  const { starts, lengths, count } = segmentsOf(op, data, axis, options);
  const inner = data.shape.slice(axis + 1);
  const shape = [...data.shape.slice(0, axis), count, ...inner];
  const initial = options.initial ?? null;
  const first = initial ?? identity;
  if (lengths.length === 0 || data.numel === 0)
    return full(shape, reduce === "mean" && initial === null ? Number.NaN : first, data.code);
  // Each segment as a row of the longest one's length, filled up with what changes nothing.
  const longest = Math.max(1, ...lengths);
  const cells = lengths.length * longest;
  const places = BigInt64Array.from({ length: cells }, (_, i) => {
    const s = Math.floor(i / longest);
    return BigInt(i % longest < (lengths[s] as number) ? (starts[s] as number) + (i % longest) : 0);
  });
  const valid = Uint8Array.from({ length: cells }, (_, i) =>
    i % longest < (lengths[Math.floor(i / longest)] as number) ? 1 : 0,
  );
  const flat = reshape(data, [-1, ...inner]);
  const rows = reshape(indexSelect(flat, 0, fromTyped(places, [cells], INT64)), [
    lengths.length,
    longest,
    ...inner,
  ]);
  const ones = inner.map(() => 1);
  const filled = where(
    fromTyped(valid, [lengths.length, longest, ...ones], 0),
    rows,
    constant(identity, data.code),
  );
  return reshape(joined(reduce, filled, first, initial, lengths), shape);
}

/** Reduces dimension 1 of rows [S, longest, ...]. */
function joined(
  reduce: SegmentReduction,
  rows: Tensor,
  first: number,
  initial: number | null,
  lengths: readonly number[],
): Tensor {
  if (reduce === "prod") return mul(prod(rows, 1), first);
  if (reduce === "sum") return add(sum(rows, 1), first);
  if (reduce === "mean") {
    const empty = initial === null ? 0 : 1; // 0 / 0 is NaN
    const counts = Float64Array.from(lengths, (n) => (n === 0 ? empty : n));
    const divisor = cast(
      fromTyped(counts, [lengths.length, ...rows.shape.slice(2).map(() => 1)], 5),
      rows.code,
    );
    return div(add(sum(rows, 1), first), divisor);
  }
  const found = reduce === "max" ? amax(rows, 1) : amin(rows, 1);
  const wins = reduce === "max" ? ge(found, first) : le(found, first);
  return initial === null ? found : where(wins, found, constant(first, rows.code));
}
