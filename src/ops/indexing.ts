/**
 * Indexing as in Python: `x.at(...)` for `x[...]` and `x.setAt_([...], value)` for `x[...] = value`; beneath them
 * picking and putting by index tensors, which come down to rows at one linear index.
 */

import { assign, checkInPlace } from "../autograd/inplace.js";
import { mode } from "../autograd/mode.js";
import { run } from "../autograd/op.js";
import { kernels, putInts } from "../kernels/index.js";
import { type TensorData, tensor } from "../tensor/create.js";
import { INT64 } from "../tensor/dtype.js";
import { DTypeError, IndexError, ShapeError, show } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { kernelFor, kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { castTo, contiguous, copyInto, copyOf, empty, expandTo, ptr, readAt, viewOf } from "../tensor/raw.js";
import { broadcastShapes, numelOf, type Shape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { cast } from "./cast.js";
import { mapBinary, operand } from "./core.js";
import { defineView } from "./geometry.js";
import {
  type Index,
  isMask,
  type Picker,
  parseIndices,
  picksOf,
  type Step,
  stepsGeometry,
} from "./indexingParse.js";
import { ADD, COPY, pickOp, putOp, type Rows, writeRows } from "./indexRows.js";
import { copy_, fill_ } from "./inPlace.js";
import { maskedSelect } from "./masked.js";
import { expand, permute, reshape } from "./view.js";
import { maskedFill } from "./where.js";

export type { Index, IndexList } from "./indexingParse.js";

const SUM = kernelTable("add");
const PRODUCT = kernelTable("mul");
const COUNT = kernelTable("countNonzero");
const NONZERO = kernelTable("nonzero");

// ---- from index tensors to rows ----

/** An index tensor and the dimensions that it indexes, taken as one. */
interface Group {
  readonly first: number;
  readonly count: number;
  /** int64 and contiguous; may count from the end unless it comes from a mask. */
  readonly index: Tensor;
  readonly fromMask: boolean;
  readonly size: number;
}

/** The index of a group, checked and counted from the start. */
function positions(op: string, { index: flat, fromMask, first, size }: Group): Tensor {
  if (fromMask) return flat;
  const bad = kernels.checkIndex(ptr(flat), flat.numel, -size, size);
  if (bad >= 0) {
    const got = readAt(flat, flat.storageOffset + bad);
    throw new IndexError(
      `[${op}] index ${got} is out of range for dimension ${first} of size ${size}: expected ${-size} to ${size - 1}`,
    );
  }
  const wrapped = empty(flat.shape, INT64);
  kernels.wrapIndex(ptr(flat), ptr(wrapped), flat.numel, size);
  return wrapped;
}

/** Row-major positions of the true elements of a mask. */
function truePositions(mask: Tensor): Tensor {
  const flat = contiguous(mask);
  const n = flat.numel;
  const total = empty([], INT64);
  if (n === 0) return empty([0], INT64);
  kernelFor(COUNT, flat.code)(ptr(flat), ptr(total), 1, n, 1, 1);
  const out = empty([readAt(total, 0)], INT64);
  if (out.numel > 0) kernelFor(NONZERO, flat.code)(ptr(flat), ptr(out), n, putInts([1, n]));
  return out;
}

function groupOf({ dim, index }: Picker, shape: Shape): Group {
  if (isMask(index)) {
    return {
      first: dim,
      count: index.shape.length,
      index: truePositions(index),
      fromMask: true,
      size: numelOf(index.shape),
    };
  }
  return {
    first: dim,
    count: 1,
    index: contiguous(castTo(index, INT64)),
    fromMask: false,
    size: shape[dim] as number,
  };
}

/** One position for each place of `shape`, to which the indices broadcast: ((i0 n1) + i1) n2 + i2 and so on. */
function linearIndex(op: string, groups: readonly Group[], shape: Shape): Tensor {
  if (numelOf(shape) === 0) return empty(shape, INT64);
  const at = groups.map((g) => positions(op, g));
  const joined = at.reduce((sum, next, i) => {
    const scaled = mapBinary(PRODUCT, op, sum, operand((groups[i] as Group).size, INT64), INT64);
    return mapBinary(SUM, op, scaled, next, INT64);
  });
  return contiguous(expandTo(joined, shape));
}

/** How index tensors pick from a shape. */
interface Plan {
  readonly rows: Rows;
  /** The linear index. */
  readonly at: Tensor;
  /** The order of dimensions that brings those indexed to the front, when they are not neighbours. */
  readonly order: readonly number[] | null;
}

/** Index tensors broadcast together; their shape replaces the indexed dimensions, in front when those are apart. */
function planOf(op: string, shape: Shape, picks: readonly Picker[]): Plan {
  nextOp();
  const groups = picks.map((picker) => groupOf(picker, shape));
  const head = groups[0] as Group;
  const all = groups.reduce((s: Shape, g) => fitTogether(op, s, g.index.shape, groups), head.index.shape);
  const at = linearIndex(op, groups, all);
  const last = groups[groups.length - 1] as Group;
  const dim = groups.reduce((product, g) => product * g.size, 1);
  if (
    groups.every(
      (g, i) => i === 0 || g.first === (groups[i - 1] as Group).first + (groups[i - 1] as Group).count,
    )
  ) {
    const before = shape.slice(0, head.first);
    const after = shape.slice(last.first + last.count);
    const rows = { outer: numelOf(before), dim, inner: numelOf(after), shape: [...before, ...all, ...after] };
    return { rows, at, order: null };
  }
  const indexed = groups.flatMap((g) => Array.from({ length: g.count }, (_, i) => g.first + i));
  const rest = shape.map((_, d) => d).filter((d) => !indexed.includes(d));
  const sizes = rest.map((d) => shape[d] as number);
  const rows = { outer: 1, dim, inner: numelOf(sizes), shape: [...all, ...sizes] };
  return { rows, at, order: [...indexed, ...rest] };
}

function fitTogether(op: string, a: Shape, b: Shape, groups: readonly Group[]): Shape {
  try {
    return broadcastShapes(op, a, b);
  } catch {
    const shapes = groups.map((g) => show(g.index.shape)).join(", ");
    throw new ShapeError(
      `[${op}] index tensors of shapes ${shapes} cannot be broadcast together; a mask counts by its true elements`,
    );
  }
}

function inverse(order: readonly number[]): number[] {
  const out = new Array<number>(order.length);
  order.forEach((d, i) => {
    out[d] = i;
  });
  return out;
}

function pick(x: Tensor, { rows, at, order }: Plan): Tensor {
  return run(pickOp, [order === null ? x : permute(x, order), at], rows);
}

function put(x: Tensor, values: Tensor, { rows, at, order }: Plan, accumulate: boolean): Tensor {
  const source = expand(values, rows.shape);
  const out = run(putOp, [order === null ? x : permute(x, order), source, at], { ...rows, accumulate });
  return order === null ? out : permute(out, inverse(order));
}

/** Options of {@link indexPut}. */
export interface IndexPutOptions {
  /** Adds to what is there instead of replacing it, repeated positions included (default false). */
  accumulate?: boolean;
}

const INDEX_PUT_OPTIONS: OptionNames<IndexPutOptions> = { accumulate: 1 };

function checkValues(op: string, x: Tensor, values: Tensor, plan: Plan): void {
  if (values.code !== x.code) {
    throw new DTypeError(
      `[${op}] expected values of dtype ${x.dtype}, as the tensor's, got ${values.dtype}; try values.to("${x.dtype}")`,
    );
  }
  checkFits(op, values.shape, plan.rows.shape);
}

function checkFits(op: string, values: Shape, target: Shape): void {
  const lead = target.length - values.length;
  if (lead < 0 || values.some((n, d) => n !== 1 && n !== target[d + lead])) {
    throw new ShapeError(
      `[${op}] values of shape ${show(values)} cannot be broadcast to ${show(target)}, the shape of what is indexed`,
    );
  }
}

/**
 * A copy of `x` with `values` written (or added, with `accumulate`) where the index tensors point; null keeps a
 * dimension. Source: `torch.index_put`.
 * @example
 * indexPut(zeros([3]), [tensor([0, 0, 2])], ones([3]), { accumulate: true }).toArray(); // [2, 0, 1]
 * @throws IndexError for positions out of range, DTypeError when `values` has another dtype.
 */
export function indexPut(
  x: Tensor,
  indices: readonly (Tensor | null)[],
  values: Tensor,
  options: IndexPutOptions = {},
): Tensor {
  checkOptions("indexPut", options, INDEX_PUT_OPTIONS);
  const plan = planOf("indexPut", x.shape, picksOf("indexPut", indices, x.shape));
  checkValues("indexPut", x, values, plan);
  return put(x, values, plan, options.accumulate ?? false);
}

/** {@link indexPut} into `x` itself. Source: `torch.Tensor.index_put_`. */
export function indexPut_(
  x: Tensor,
  indices: readonly (Tensor | null)[],
  values: Tensor,
  options: IndexPutOptions = {},
): Tensor {
  checkOptions("indexPut_", options, INDEX_PUT_OPTIONS);
  const plan = planOf("indexPut_", x.shape, picksOf("indexPut_", indices, x.shape));
  checkValues("indexPut_", x, values, plan);
  return write("indexPut_", x, values, plan, options.accumulate ?? false);
}

function recorded(x: Tensor, values: Tensor): boolean {
  return mode.grad && (x.requiresGrad || x.base?.requiresGrad === true || values.requiresGrad);
}

function write(op: string, x: Tensor, values: Tensor, plan: Plan, accumulate: boolean): Tensor {
  checkInPlace(op, x);
  if (recorded(x, values)) return assign(op, x, put(x, values, plan, accumulate));
  const { rows, at, order } = plan;
  const target = order === null ? x : permuted(x, order);
  const expanded = expandTo(values, rows.shape);
  const source = values.storage === x.storage ? copyOf(expanded) : expanded;
  const out = writeRows(accumulate ? ADD : COPY, contiguous(target), source, at, rows);
  if (out !== target) copyInto(target, out);
  x.storage.version++;
  return x;
}

function permuted(x: Tensor, order: readonly number[]): Tensor {
  const by = (list: readonly number[]) => order.map((d) => list[d] as number);
  return viewOf(x, by(x.shape), by(x.strides), x.storageOffset);
}

// ---- the index expression ----

const stepsView = defineView<readonly Step[]>("Slice", stepsGeometry);

/**
 * Indexes as Python's `x[...]` does: positions, ranges, `"..."`, null and booleans, index tensors and masks, mixed.
 * Without index tensors the result is a view; with them a copy, where their broadcast shape takes the place of the
 * indexed dimensions (in front of all others when those are not neighbours). Source: `torch.Tensor.__getitem__`.
 * @example
 * const x = arange(12).view([3, 4]);
 * x.at(1).toArray(); // [4, 5, 6, 7]
 * x.at(-1, "1:3").toArray(); // [9, 10]
 * x.at("...", "::2").toArray(); // [[0, 2], [4, 6], [8, 10]]
 * x.at([0, 2], [1, -1]).toArray(); // [1, 11]
 * x.at(x.gt(9)).toArray(); // [10, 11]
 * x.at(":", null).shape; // [3, 1, 4]
 * @throws IndexError for positions out of range and too many indices.
 */
export function at(x: Tensor, ...indices: Index[]): Tensor {
  const { steps, whole, picks } = parseIndices("at", indices, x.shape);
  if (picks.length === 0) return stepsView(x, steps);
  const viewed = whole ? x : stepsView(x, steps);
  const mask = onlyMask(picks);
  if (mask !== null && mask.shape.length === viewed.shape.length) return maskedSelect(viewed, mask);
  return pick(viewed, planOf("at", viewed.shape, picks));
}

/** The index when it is a mask and nothing else. */
function onlyMask(picks: readonly Picker[]): Tensor | null {
  const index = picks.length === 1 ? (picks[0] as Picker).index : null;
  return index !== null && isMask(index) ? index : null;
}

/** A mask that stands at a dimension of `x`, made to broadcast to it. */
function spreadMask(x: Tensor, { dim, index: mask }: Picker): Tensor {
  const after = x.shape.length - dim - mask.shape.length;
  return after === 0 ? mask : reshape(mask, [...mask.shape, ...new Array<number>(after).fill(1)]);
}

/** What can be assigned to indexed elements. */
export type IndexValue = number | boolean | bigint | Tensor | TensorData;

/**
 * Assigns to indexed elements, as Python's `x[...] = value` does: the indices are those of {@link at}, as a list, and
 * the value (a number, a tensor or nested numbers) is broadcast and cast. Returns `x`; gradients flow to `value`.
 * Source: `torch.Tensor.__setitem__`.
 * @example
 * const x = zeros([2, 3]);
 * x.setAt_([0, "1:"], 5).toArray(); // [[0, 5, 5], [0, 0, 0]]
 * x.setAt_([x.eq(0)], -1).toArray(); // [[-1, 5, 5], [-1, -1, -1]]
 * @throws IndexError for positions out of range, ShapeError when the value does not fit.
 */
export function setAt_(x: Tensor, indices: readonly Index[], value: IndexValue): Tensor {
  if (!Array.isArray(indices))
    throw new IndexError("[setAt_] expected a list of indices; try x.setAt_([i], value)");
  const { steps, whole, picks } = parseIndices("setAt_", indices, x.shape);
  checkInPlace("setAt_", x);
  const target = whole && picks.length > 0 ? x : stepsView(x, steps);
  if (picks.length === 0) {
    if (typeof value !== "object") fill_(target, value);
    else copy_(target, fitted(tensorOf(value, x), target.shape));
    return x;
  }
  if (onlyMask(picks) !== null && typeof value !== "object") {
    assign("setAt_", target, maskedFill(target, spreadMask(target, picks[0] as Picker), value));
    return x;
  }
  const plan = planOf("setAt_", target.shape, picks);
  write("setAt_", target, fitted(cast(tensorOf(value, x), x.code), plan.rows.shape), plan, false);
  return x;
}

function tensorOf(value: IndexValue, x: Tensor): Tensor {
  return value instanceof Tensor ? value : tensor(value, { dtype: x.dtype });
}

/** The value without leading dimensions of size 1 that the target lacks. */
function fitted(value: Tensor, target: Shape): Tensor {
  let extra = 0;
  while (value.shape.length - extra > target.length && value.shape[extra] === 1) extra++;
  const slim = extra === 0 ? value : reshape(value, value.shape.slice(extra));
  checkFits("setAt_", slim.shape, target);
  return slim;
}
