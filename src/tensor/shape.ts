/** Shape arithmetic: sizes, strides, broadcasting, dimension wrapping. Pure functions, no data. */
import { IndexError, ShapeError, show, ValueError } from "./errors.js";

/** Sizes of dimensions. */
export type Shape = readonly number[];

/** Throws unless `value` is a whole number: an offset, a shift, a length. */
export function checkWhole(op: string, what: string, value: number): void {
  if (!Number.isSafeInteger(value))
    throw new ValueError(`[${op}] ${what} must be a whole number, got ${value}`);
}

/** Number of elements. */
export function numelOf(shape: Shape): number {
  let n = 1;
  for (let i = 0; i < shape.length; i++) n *= shape[i] as number;
  return n;
}

/** Strides (in elements) of a contiguous tensor. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= Math.max(1, shape[i] as number);
  }
  return strides;
}

/** Whether the elements lie in row-major order without gaps. */
export function isContiguous(shape: Shape, strides: Shape): boolean {
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i] as number;
    if (size === 0) return true;
    if (size !== 1) {
      if (strides[i] !== step) return false;
      step *= size;
    }
  }
  return true;
}

/** Whether two shapes are equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Shape of two broadcast operands (NumPy's rule); throws naming `op` when they do not fit. */
export function broadcastShapes(op: string, a: Shape, b: Shape): Shape {
  if (sameShape(a, b)) return a;
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new ShapeError(
        `[${op}] shapes ${show(a)} and ${show(b)} cannot be broadcast: dimension ${i - rank} is ${x} and ${y}, ` +
          "expected equal sizes or 1; try reshape or unsqueeze",
      );
    }
    out[i] = x === 1 ? y : x;
  }
  return out;
}

/** Strides of a tensor seen with a larger, broadcast shape: 0 where a dimension is repeated. */
export function broadcastStrides(shape: Shape, strides: Shape, to: Shape): number[] {
  const lead = to.length - shape.length;
  const out = new Array<number>(to.length);
  for (let i = 0; i < to.length; i++) {
    out[i] = i < lead || (shape[i - lead] === 1 && to[i] !== 1) ? 0 : (strides[i - lead] as number);
  }
  return out;
}

/** Wraps a possibly negative dimension; throws when it is out of range. */
export function wrapDim(op: string, dim: number, rank: number): number {
  const n = rank === 0 ? 1 : rank;
  if (!Number.isInteger(dim) || dim < -n || dim >= n) {
    throw new IndexError(
      `[${op}] dimension out of range: got ${dim}, expected a whole number from ${-n} to ${n - 1}`,
    );
  }
  return dim < 0 ? dim + n : dim;
}

/** Wraps a list of dimensions; undefined, null or an empty list mean all. Sorted, without repeats. */
export function wrapDims(
  op: string,
  dim: number | readonly number[] | null | undefined,
  rank: number,
): number[] {
  if (dim === undefined || dim === null || (typeof dim !== "number" && dim.length === 0)) {
    return Array.from({ length: rank }, (_, i) => i);
  }
  if (typeof dim === "number") {
    const wrapped = wrapDim(op, dim, rank);
    return rank === 0 ? [] : [wrapped];
  }
  if (!Array.isArray(dim)) {
    throw new IndexError(
      `[${op}] dim must be a number or a list of numbers, got ${typeof dim}; try the dimension itself in its place`,
    );
  }
  const dims = dim.map((d: number) => wrapDim(op, d, rank)).sort((a, b) => a - b);
  for (let i = 1; i < dims.length; i++) {
    if (dims[i] === dims[i - 1])
      throw new IndexError(
        `[${op}] dimension ${dims[i]} appears twice in [${dim.join(", ")}]: expected each once`,
      );
  }
  return rank === 0 ? [] : dims;
}

/** Shape after reducing `dims` (sorted). */
export function reducedShape(shape: Shape, dims: readonly number[], keepdim: boolean): number[] {
  const out: number[] = [];
  for (let i = 0; i < shape.length; i++) {
    if (!dims.includes(i)) out.push(shape[i] as number);
    else if (keepdim) out.push(1);
  }
  return out;
}

/** Fills in a single -1 of a reshape target and checks the number of elements. */
export function inferShape(op: string, target: Shape, numel: number, from: Shape): Shape {
  checkList(op, target);
  let hole = -1;
  let known = 1;
  for (let i = 0; i < target.length; i++) {
    const size = target[i] as number;
    if (size === -1) {
      if (hole >= 0)
        throw new ShapeError(
          `[${op}] only one dimension can be inferred: got shape ${show(target)}, expected one -1 at most`,
        );
      hole = i;
    } else if (!(size >= 0) || !Number.isInteger(size)) {
      throw new ShapeError(
        `[${op}] invalid shape: got ${show(target)}, expected whole numbers >= 0, or one -1`,
      );
    } else known *= size;
  }
  if (hole < 0) {
    if (known !== numel) throw misfit(op, target, numel, from);
    return target;
  }
  if (known === 0) {
    throw new ShapeError(
      `[${op}] cannot infer the size of dimension ${hole} of ${show(target)} for an empty tensor`,
    );
  }
  if (numel % known !== 0) throw misfit(op, target, numel, from);
  const out = [...target];
  out[hole] = numel / known;
  return out;
}

function misfit(op: string, target: Shape, numel: number, from: Shape): ShapeError {
  const has = `a tensor of shape ${show(from)} with ${numel} elements`;
  const hole = target.indexOf(-1);
  return new ShapeError(
    hole < 0
      ? `[${op}] shape ${show(target)} is invalid for ${has}; try -1 for one dimension to be inferred`
      : `[${op}] shape ${show(target)} is invalid for ${has}: dimension ${hole} cannot be inferred, as ${numel} is no ` +
          `multiple of ${-numelOf(target)}; try other sizes`,
  );
}

/** Strides that show the same elements with another shape, or null when that needs a copy. */
export function viewStrides(shape: Shape, strides: Shape, to: Shape): number[] | null {
  if (numelOf(shape) === 0) return contiguousStrides(to);
  const out = new Array<number>(to.length);
  let viewDim = to.length - 1;
  let chunkStep = strides.length > 0 ? (strides[strides.length - 1] as number) : 1;
  let chunk = 1;
  let viewed = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    chunk *= shape[d] as number;
    const ends = d === 0 || (shape[d - 1] !== 1 && strides[d - 1] !== chunk * chunkStep);
    if (!ends) continue;
    while (viewDim >= 0 && (viewed < chunk || to[viewDim] === 1)) {
      out[viewDim] = viewed * chunkStep;
      viewed *= to[viewDim] as number;
      viewDim--;
    }
    if (viewed !== chunk) return null;
    if (d > 0) {
      chunkStep = strides[d - 1] as number;
      chunk = 1;
      viewed = 1;
    }
  }
  while (viewDim >= 0) {
    out[viewDim] = 1;
    viewDim--;
  }
  return out;
}

/** Throws unless sizes come as one list. */
export function checkList(op: string, sizes: Shape): void {
  if (Array.isArray(sizes)) return;
  throw new ShapeError(
    `[${op}] expected a list of sizes, got ${String(sizes)}; try ${op}([${String(sizes)}]), all sizes in one list`,
  );
}

/** Checks a list of sizes for a creation function. */
export function checkSizes(op: string, shape: Shape): Shape {
  checkList(op, shape);
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 0) {
      throw new ShapeError(`[${op}] invalid size: got ${show(shape)}, expected whole numbers >= 0`);
    }
  }
  return shape;
}

/** Merges neighbouring dimensions that all operands step through alike; drops dimensions of size 1. */
export function collapse(
  shape: Shape,
  strides: readonly (readonly number[])[],
): { shape: number[]; strides: number[][] } {
  const sizes: number[] = [];
  const steps: number[][] = strides.map(() => []);
  for (let d = 0; d < shape.length; d++) {
    const size = shape[d] as number;
    if (size === 1) continue;
    const last = sizes.length - 1;
    const joins =
      last >= 0 &&
      strides.every((s, k) => ((steps[k] as number[])[last] as number) === (s[d] as number) * size);
    if (joins) {
      sizes[last] = (sizes[last] as number) * size;
      for (let k = 0; k < strides.length; k++) {
        (steps[k] as number[])[last] = (strides[k] as readonly number[])[d] as number;
      }
    } else {
      sizes.push(size);
      for (let k = 0; k < strides.length; k++) {
        (steps[k] as number[]).push((strides[k] as readonly number[])[d] as number);
      }
    }
  }
  return { shape: sizes, strides: steps };
}
