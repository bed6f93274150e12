/** Reads an index expression, as Python writes it between brackets, into a view and the tensors that pick from it. */
import { tensor } from "../tensor/create.js";
import { BOOL, INT32, INT64, UINT8 } from "../tensor/dtype.js";
import { DTypeError, IndexError, show } from "../tensor/errors.js";
import { numelOf, type Shape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import type { Geometry } from "./geometry.js";
import { itemOf } from "./read.js";

/** A list of positions, or of truths, nested to any depth. */
export type IndexList = readonly (number | boolean | IndexList)[];

/**
 * One index of `at`: a position (negative counts from the end), a range `"start:end:step"` with any part left
 * out, `"..."` for all dimensions in between, null for a new dimension, an int64 or int32 tensor or list of positions,
 * a bool tensor or list that selects where it is true, or a boolean.
 */
export type Index = number | string | null | boolean | Tensor | IndexList;

/** What an index does to the dimensions of a tensor, in their order. */
export type Step =
  | { readonly kind: "select"; readonly at: number }
  | { readonly kind: "slice"; readonly start: number; readonly length: number; readonly step: number }
  | { readonly kind: "new" }
  | { readonly kind: "keep"; readonly count: number };

/** An index tensor and the first of the dimensions that it indexes. */
export interface Picker {
  readonly dim: number;
  readonly index: Tensor;
}

/** An index expression: a view, and tensors that index dimensions of that view. */
export interface Parsed {
  readonly steps: readonly Step[];
  /** Whether the view is the tensor itself. */
  readonly whole: boolean;
  /** Index tensors by dimension of the view. */
  readonly picks: readonly Picker[];
}

/** Whether a tensor used as an index selects by truth. */
export function isMask(t: Tensor): boolean {
  return t.code === BOOL || t.code === UINT8;
}

interface Range {
  readonly start: number | null;
  readonly end: number | null;
  readonly step: number;
}

const RANGE = /^\s*(-?\d+)?\s*:\s*(-?\d+)?\s*(?::\s*(-?\d+)?\s*)?$/;
const ranges = new Map<string, Range>();

function rangeOf(op: string, text: string): Range {
  const known = ranges.get(text);
  if (known !== undefined) return known;
  const match = RANGE.exec(text);
  if (match === null) {
    throw new IndexError(
      `[${op}] cannot read the index "${text}": expected a range such as "1:3", "::2" or "-2:", or "..."`,
    );
  }
  const bound = (s: string | undefined) => (s === undefined ? null : Number(s));
  const range = { start: bound(match[1]), end: bound(match[2]), step: bound(match[3]) ?? 1 };
  if (range.step < 1)
    throw new IndexError(`[${op}] the step of "${text}" must be >= 1; try flip for the reversed order`);
  if (ranges.size > 1000) ranges.clear();
  ranges.set(text, range);
  return range;
}

function sliced({ start, end, step }: Range, size: number): Step {
  const clamped = (v: number) => Math.min(size, Math.max(0, v < 0 ? v + size : v));
  const first = clamped(start ?? 0);
  const length = Math.max(0, Math.ceil((clamped(end ?? size) - first) / step));
  return { kind: "slice", start: length === 0 ? 0 : first, length, step };
}

function checkDtype(op: string, index: Tensor): void {
  if (isMask(index) || index.code === INT64 || index.code === INT32) return;
  throw new DTypeError(
    `[${op}] tensors used as indices must be int64, int32 or bool, got ${index.dtype}; try .to("int64")`,
  );
}

function isTruths(list: IndexList): boolean {
  const first = list[0];
  return Array.isArray(first) ? isTruths(first) : typeof first === "boolean";
}

/** Positions and masks given as lists become tensors; tensors of no dimensions become numbers and booleans. */
function normal(op: string, index: Index): number | string | null | boolean | Tensor {
  if (Array.isArray(index)) {
    return tensor(index as readonly number[], { dtype: isTruths(index) ? "bool" : "int64" });
  }
  if (!(index instanceof Tensor)) {
    const known = index === null || typeof index === "boolean" || typeof index === "string";
    if (!known && !Number.isInteger(index)) {
      throw new IndexError(
        `[${op}] got ${String(index)} as an index: expected a whole number, a range "1:3", "...", null, a boolean, a tensor or a list`,
      );
    }
    return index as number | string | null | boolean;
  }
  checkDtype(op, index);
  if (index.shape.length > 0) return index;
  return isMask(index) ? itemOf(index) !== 0 : itemOf(index);
}

function consumed(index: number | string | null | boolean | Tensor): number {
  if (index instanceof Tensor) return isMask(index) ? index.shape.length : 1;
  return index === null || index === "..." || typeof index === "boolean" ? 0 : 1;
}

/** Index tensors by dimension: null keeps one, a mask of k dimensions takes up k of them. */
export function picksOf(op: string, indices: readonly (Tensor | null)[], shape: Shape): Picker[] {
  const picks: Picker[] = [];
  let dim = 0;
  for (const index of indices) {
    const count = index === null ? 1 : consumed(index);
    if (dim + count > shape.length) {
      throw new IndexError(`[${op}] too many indices for shape ${show(shape)} of ${shape.length} dimensions`);
    }
    if (index !== null) {
      checkDtype(op, index);
      if (isMask(index)) checkMask(op, index.shape, shape, dim);
      picks.push({ dim, index });
    }
    dim += count;
  }
  if (picks.length === 0) throw new IndexError(`[${op}] expected at least one index tensor, got none`);
  return picks;
}

/** Reads the indices of a tensor of the given shape. */
export function parseIndices(op: string, indices: readonly Index[], shape: Shape): Parsed {
  const items = indices.map((index) => normal(op, index));
  const used = items.reduce((sum: number, index) => sum + consumed(index), 0);
  const rank = shape.length;
  if (used > rank)
    throw new IndexError(
      `[${op}] too many indices: got ${used} for shape ${show(shape)} of ${rank} dimensions`,
    );
  if (items.filter((index) => index === "...").length > 1)
    throw new IndexError(`[${op}] "..." can stand only once in an index`);
  const steps: Step[] = [];
  const picks: Picker[] = [];
  let from = 0; // next dimension of the tensor
  let to = 0; // next dimension of the view
  let whole = true;
  const add = (step: Step, source: number, result: number) => {
    steps.push(step);
    from += source;
    to += result;
    if (step.kind !== "keep") whole = false;
  };
  for (const index of items) {
    const size = shape[from] as number;
    if (index instanceof Tensor) {
      const count = consumed(index);
      if (isMask(index)) checkMask(op, index.shape, shape, from);
      picks.push({ dim: to, index });
      add({ kind: "keep", count }, count, count);
    } else if (index === null) add({ kind: "new" }, 0, 1);
    else if (index === "...") add({ kind: "keep", count: rank - used }, rank - used, rank - used);
    else if (typeof index === "boolean") {
      picks.push({ dim: to, index: tensor([index]) });
      add({ kind: "new" }, 0, 1);
    } else if (typeof index === "string") add(sliced(rangeOf(op, index), size), 1, 1);
    else {
      if (index < -size || index >= size) {
        throw new IndexError(
          `[${op}] index ${index} is out of range for dimension ${from} of shape ${show(shape)}: expected ${-size} to ${size - 1}`,
        );
      }
      add({ kind: "select", at: index < 0 ? index + size : index }, 1, 0);
    }
  }
  return { steps, whole, picks };
}

function checkMask(op: string, mask: Shape, shape: Shape, dim: number): void {
  const wrong = mask.findIndex((n, d) => n !== shape[dim + d]);
  if (wrong >= 0) {
    throw new IndexError(
      `[${op}] a mask of shape ${show(mask)} does not fit shape ${show(shape)}: dimension ${dim + wrong} has size ` +
        `${shape[dim + wrong]}, the mask ${mask[wrong]}; expected a mask of the same sizes`,
    );
  }
}

/** Where the elements of the view are. */
export function stepsGeometry(from: Geometry, steps: readonly Step[]): Geometry {
  const shape: number[] = [];
  const strides: number[] = [];
  let { offset } = from;
  let d = 0;
  const keep = (count: number) => {
    for (let i = 0; i < count; i++, d++) {
      shape.push(from.shape[d] as number);
      strides.push(from.strides[d] as number);
    }
  };
  for (const step of steps) {
    const stride = from.strides[d] as number;
    if (step.kind === "keep") keep(step.count);
    else if (step.kind === "new") {
      shape.push(1);
      strides.push(1);
    } else if (step.kind === "select") {
      offset += step.at * stride;
      d++;
    } else {
      offset += step.start * stride;
      shape.push(step.length);
      strides.push(step.step * stride);
      d++;
    }
  }
  keep(from.shape.length - d);
  // A view without elements may start anywhere; keep it inside the storage.
  return { shape, strides, offset: numelOf(shape) === 0 ? from.offset : offset };
}
