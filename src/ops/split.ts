/** Cutting tensors along a dimension: split, chunk, tensorSplit, unbind. Views of the input, recorded as one op. */

import { mode } from "../autograd/mode.js";
import { defineMultiOp, type MultiOp, runMulti } from "../autograd/op.js";
import { OWNED } from "../autograd/ownership.js";
import { INT64, nameOf, sizeOf } from "../tensor/dtype.js";
import { DTypeError, IndexError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkNames, type OptionNames } from "../tensor/options.js";
import { toNumbers, viewOf } from "../tensor/raw.js";
import { checkWhole, contiguousStrides, numelOf, type Shape, sameShape, wrapDim } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { constant } from "./core.js";
import { cat, type JoinDim, stack } from "./join.js";
import { expand, slice } from "./view.js";

/** Outputs share the storage of the input, as those of `runView` do. */
function runViews<A>(op: MultiOp<A>, x: Tensor, attrs: A): Tensor[] {
  const outs = runMulti(op, [x], attrs);
  const base = x.base ?? x;
  for (const out of outs) {
    out.base = base;
    out.graphEpoch = base.graphEpoch;
  }
  return outs;
}

/** Gradients of all pieces, zeros (not stored) for pieces without one. */
function withZeros(grads: readonly (Tensor | null)[], shapes: readonly Shape[]): Tensor[] {
  const { code } = grads.find((g) => g !== null) as Tensor;
  return grads.map((g, i) => g ?? expand(constant(0, code), shapes[i] as Shape));
}

interface Split {
  readonly dim: number;
  readonly lengths: readonly number[];
}

const splitOp = defineMultiOp<Split>({
  name: "Split",
  forward: ([x], { dim, lengths }) => {
    const t = x as Tensor;
    const step = t.strides[dim] as number;
    let at = t.storageOffset;
    return lengths.map((length) => {
      const shape = t.shape.map((n, d) => (d === dim ? length : n));
      at += length * step;
      return viewOf(t, shape, t.strides, at - length * step);
    });
  },
  backward: (grads, n) => [
    sideBySide(grads, n.attrs.dim, n.shape(0)) ?? cat(withZeros(grads, n.outShapes), n.attrs.dim),
  ],
});

/** The whole whose parts the gradients of a pass are, if they lie side by side in a storage of the pass's own. */
function sideBySide(grads: readonly (Tensor | null)[], dim: number, shape: Shape): Tensor | null {
  const first = grads[0] ?? null;
  if (mode.grad || first === null) return null;
  const { storage, code } = first;
  if ((storage.flags & OWNED) === 0 || storage.nbytes !== numelOf(shape) * sizeOf(code)) return null;
  const strides = contiguousStrides(shape);
  let at = 0;
  for (const g of grads) {
    if (g === null || g.storage !== storage || g.code !== code || g.storageOffset !== at) return null;
    if (!sameShape(g.strides, strides)) return null;
    at += (g.shape[dim] as number) * (strides[dim] as number);
  }
  return viewOf(first, shape, null, 0);
}

const unbindOp = defineMultiOp<number>({
  name: "Unbind",
  forward: ([x], dim) => {
    const t = x as Tensor;
    const shape = t.shape.filter((_, d) => d !== dim);
    const strides = t.strides.filter((_, d) => d !== dim);
    const step = t.strides[dim] as number;
    return Array.from({ length: t.shape[dim] as number }, (_, i) =>
      viewOf(t, shape, strides, t.storageOffset + i * step),
    );
  },
  backward: (grads, n) => [stack(withZeros(grads, n.outShapes), n.attrs)],
});

function dimOf(op: string, x: Tensor, dim: JoinDim | undefined): number {
  if (x.shape.length === 0)
    throw new ShapeError(`[${op}] a 0-d tensor has no dimension to cut; try reshape(x, [1])`);
  return wrapDim(op, typeof dim === "number" ? dim : (dim?.dim ?? 0), x.shape.length);
}

/** Pieces of `size` elements, the last one shorter; an empty dimension gives one empty piece. */
function lengthsOf(total: number, size: number): number[] {
  if (total === 0) return [0];
  return Array.from({ length: Math.ceil(total / size) }, (_, i) => Math.min(size, total - i * size));
}

const SPLIT_OPTIONS: OptionNames<{ dim?: number }> = { dim: 1 };

/**
 * Cuts a dimension (default 0) into pieces of the given length, the last one possibly shorter, or of the given
 * lengths. The pieces are views. Source: `torch.split`.
 * @example
 * split(arange(5), 2).map((p) => p.toArray()); // [[0, 1], [2, 3], [4]]
 * @throws ValueError when lengths do not add up to the size.
 */
export function split(x: Tensor, splitSizeOrSections: number | readonly number[], dim?: JoinDim): Tensor[] {
  checkNames("split", dim, SPLIT_OPTIONS);
  if (typeof splitSizeOrSections !== "number") return splitWithSizes(x, splitSizeOrSections, dim);
  const d = dimOf("split", x, dim);
  const total = x.shape[d] as number;
  if (
    !Number.isInteger(splitSizeOrSections) ||
    splitSizeOrSections < 0 ||
    (splitSizeOrSections === 0 && total > 0)
  ) {
    throw new ValueError(
      `[split] the length of pieces must be a whole number > 0, got ${splitSizeOrSections}`,
    );
  }
  return runViews(splitOp, x, { dim: d, lengths: lengthsOf(total, splitSizeOrSections) });
}

/** As {@link split} with a list of lengths. Source: `torch.split_with_sizes`. */
export function splitWithSizes(x: Tensor, splitSizes: readonly number[], dim?: JoinDim): Tensor[] {
  checkNames("splitWithSizes", dim, SPLIT_OPTIONS);
  const d = dimOf("splitWithSizes", x, dim);
  const total = splitSizes.reduce((n, s) => n + s, 0);
  if (total !== x.shape[d] || splitSizes.some((s) => !Number.isInteger(s) || s < 0)) {
    throw new ValueError(
      `[splitWithSizes] lengths ${show(splitSizes)} must be whole numbers >= 0 that add up to ${x.shape[d]}, the size of dimension ${d}; got ${total}`,
    );
  }
  return runViews(splitOp, x, { dim: d, lengths: splitSizes });
}

/** Cuts a dimension into (at most) `chunks` pieces of one length, the last one possibly shorter. Source: `torch.chunk`. */
export function chunk(x: Tensor, chunks: number, dim?: JoinDim): Tensor[] {
  checkNames("chunk", dim, SPLIT_OPTIONS);
  const d = dimOf("chunk", x, dim);
  if (!Number.isInteger(chunks) || chunks < 1)
    throw new ValueError(`[chunk] expected a whole number of pieces > 0, got ${chunks}`);
  const total = x.shape[d] as number;
  const lengths =
    total === 0 ? new Array<number>(chunks).fill(0) : lengthsOf(total, Math.ceil(total / chunks));
  return runViews(splitOp, x, { dim: d, lengths });
}

/**
 * Cuts a dimension (default 0) into a number of pieces whose lengths differ by at most one, or at the given indices.
 * Source: `torch.tensor_split`.
 * @param indicesOrSections a number, a list of indices, or an int64 tensor of either.
 * @example
 * tensorSplit(arange(5), 2).map((p) => p.toArray()); // [[0, 1, 2], [3, 4]]
 * tensorSplit(arange(5), [1, 3]).map((p) => p.toArray()); // [[0], [1, 2], [3, 4]]
 */
export function tensorSplit(
  x: Tensor,
  indicesOrSections: number | readonly number[] | Tensor,
  dim?: JoinDim,
): Tensor[] {
  checkNames("tensorSplit", dim, SPLIT_OPTIONS);
  const d = dimOf("tensorSplit", x, dim);
  const total = x.shape[d] as number;
  const given = indicesOrSections instanceof Tensor ? readIndices(indicesOrSections) : indicesOrSections;
  if (typeof given === "number") {
    if (!Number.isInteger(given) || given < 1)
      throw new ValueError(`[tensorSplit] expected a whole number of pieces > 0, got ${given}`);
    const lengths = Array.from(
      { length: given },
      (_, i) => Math.floor(total / given) + (i < total % given ? 1 : 0),
    );
    return runViews(splitOp, x, { dim: d, lengths });
  }
  if (!Array.isArray(given)) {
    throw new DTypeError(
      `[tensorSplit] expected a number of pieces, a list of indices or a tensor, got ${typeof given}`,
    );
  }
  for (const i of given) checkWhole("tensorSplit", "an index", i);
  const bounds = given.map((i) => Math.min(total, Math.max(0, i < 0 ? i + total : i)));
  const edges = [0, ...bounds, total];
  const lengths = edges.slice(1).map((end, i) => end - (edges[i] as number));
  if (lengths.every((n) => n >= 0)) return runViews(splitOp, x, { dim: d, lengths });
  // Indices that go back make pieces that overlap.
  return lengths.map((n, i) =>
    slice(x, d, { start: edges[i] as number, end: (edges[i] as number) + Math.max(0, n) }),
  );
}

function readIndices(t: Tensor): number | number[] {
  if (t.code !== INT64)
    throw new DTypeError(`[tensorSplit] indices must be int64, got ${nameOf(t.code)}; try .to("int64")`);
  if (t.shape.length > 1)
    throw new ShapeError(`[tensorSplit] expected a 0-d tensor or a vector of indices, got ${show(t.shape)}`);
  const values = toNumbers(t);
  return t.shape.length === 0 ? (values[0] as number) : values;
}

function splitAlong(
  op: string,
  x: Tensor,
  indicesOrSections: number | readonly number[],
  dim: number,
  minDims: number,
): Tensor[] {
  if (x.shape.length < minDims) {
    throw new ShapeError(
      `[${op}] expected at least ${minDims} dimension${minDims > 1 ? "s" : ""}, got shape ${show(x.shape)}`,
    );
  }
  const size = x.shape[dim] as number;
  if (typeof indicesOrSections === "number" && (indicesOrSections < 1 || size % indicesOrSections !== 0)) {
    throw new ValueError(
      `[${op}] dimension ${dim} of size ${size} cannot be cut into ${indicesOrSections} equal pieces; try tensorSplit`,
    );
  }
  return tensorSplit(x, indicesOrSections, dim);
}

/** Cuts dimension 1 (0 of a vector) into equal pieces or at indices. Source: `torch.hsplit`. */
export function hsplit(x: Tensor, indicesOrSections: number | readonly number[]): Tensor[] {
  return splitAlong("hsplit", x, indicesOrSections, x.shape.length === 1 ? 0 : 1, 1);
}

/** Cuts dimension 0 into equal pieces or at indices. Source: `torch.vsplit`. */
export function vsplit(x: Tensor, indicesOrSections: number | readonly number[]): Tensor[] {
  return splitAlong("vsplit", x, indicesOrSections, 0, 2);
}

/** Cuts dimension 2 into equal pieces or at indices. Source: `torch.dsplit`. */
export function dsplit(x: Tensor, indicesOrSections: number | readonly number[]): Tensor[] {
  return splitAlong("dsplit", x, indicesOrSections, 2, 3);
}

/**
 * The slices along a dimension (default 0), which disappears; views. Source: `torch.unbind`.
 * @example
 * unbind(tensor([[1, 2], [3, 4]])).map((row) => row.toArray()); // [[1, 2], [3, 4]]
 */
export function unbind(x: Tensor, dim?: JoinDim): Tensor[] {
  checkNames("unbind", dim, SPLIT_OPTIONS);
  if (x.shape.length === 0) throw new IndexError("[unbind] a 0-d tensor has no dimension to unbind");
  return runViews(unbindOp, x, dimOf("unbind", x, dim));
}
