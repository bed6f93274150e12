/** Moves along one dimension by index: gather, scatter and its reductions, indexSelect, indexAdd, indexCopy, indexFill. */

import { defineOp, run } from "../autograd/op.js";
import { kernels } from "../kernels/index.js";
import { BOOL, checkFits, INT32, INT64, nameOf, SIZES, UINT8 } from "../tensor/dtype.js";
import { DTypeError, IndexError, ShapeError, show } from "../tensor/errors.js";
import { enqueue, GRAIN, inPieces, type KernelTable, kernelFor, kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import {
  castTo,
  contiguous,
  copyInto,
  copyOf,
  empty,
  expandTo,
  full,
  ptr,
  readAt,
  viewOf,
} from "../tensor/raw.js";
import { contiguousStrides, numelOf, type Shape, wrapDim } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { checkAlpha, mul } from "./arithmetic.js";
import { cast } from "./cast.js";
import type { Scalar } from "./core.js";
import { scatterView } from "./geometry.js";
import { reshape } from "./view.js";
import { maskedFill } from "./where.js";

const BY_SIZE = ["1", "1", "4", "8", "4", "8"];
const GATHER = kernelTable("gather", BY_SIZE);
const SCATTER = kernelTable("scatter", BY_SIZE);
const INDEX_SELECT = kernelTable("indexSelect", BY_SIZE);
const INDEX_COPY = kernelTable("indexCopy", BY_SIZE);
const SCATTER_ADD = kernelTable("scatterAdd");
const INDEX_ADD = kernelTable("indexAdd");

/** The part of a shape before, at and after a dimension; a 0-d tensor counts as one element. */
export function split3(shape: Shape, dim: number): { outer: number; size: number; inner: number } {
  if (shape.length === 0) return { outer: 1, size: 1, inner: 1 };
  return {
    outer: numelOf(shape.slice(0, dim)),
    size: shape[dim] as number,
    inner: numelOf(shape.slice(dim + 1)),
  };
}

/** Indices as contiguous int64 within [0, size); throws naming the op, the index and the range. */
export function checkedIndex(op: string, index: Tensor, size: number, negative = false): Tensor {
  if (index.numel === 0) return castTo(index, INT64); // of any dtype, as in PyTorch
  if (index.code !== INT64 && index.code !== INT32) {
    throw new DTypeError(`[${op}] indices must be int64, got ${nameOf(index.code)}; try .to("int64")`);
  }
  const flat = contiguous(castTo(index, INT64));
  const low = negative ? -size : 0;
  const bad = kernels.checkIndex(ptr(flat), flat.numel, low, size);
  if (bad >= 0) {
    const got = readAt(flat, flat.storageOffset + bad);
    throw new IndexError(
      `[${op}] index ${got} is out of range: expected ${low} to ${size - 1} for a dimension of size ${size}`,
    );
  }
  if (!negative) return flat;
  const wrapped = empty(flat.shape, INT64);
  kernels.wrapIndex(ptr(flat), ptr(wrapped), flat.numel, size);
  return wrapped;
}

/** The first `shape` of a tensor, as scatter reads its source. */
function corner(t: Tensor, shape: Shape): Tensor {
  return contiguous(viewOf(t, shape, t.strides, t.storageOffset));
}

function checkIndexShape(op: string, x: Shape, index: Shape, dim: number, allButDim: boolean): void {
  const fits =
    x.length === index.length && index.every((n, d) => (allButDim && d === dim) || n <= (x[d] as number));
  if (!fits && !(x.length === 0 && index.length <= 1) && !(index.length === 0 && x.length <= 1)) {
    throw new ShapeError(
      `[${op}] index of shape ${show(index)} does not fit ${show(x)} along dimension ${dim}: expected as many dimensions, none larger`,
    );
  }
}

/** Runs gather(x, index, out) or scatter(out, index, src), in pieces of `outer`. */
function along(
  table: KernelTable,
  x: Tensor,
  index: Tensor,
  other: Tensor,
  outer: number,
  dim: number,
  size: number,
  inner: number,
): void {
  const [px, pi, po, bytes] = [ptr(x), ptr(index), ptr(other), x.itemsize];
  const [row, block] = [dim * inner * bytes, size * inner];
  inPieces(outer, Math.ceil(GRAIN / Math.max(1, block)), (o, count) => {
    const at = o * block;
    enqueue(table, x.code, px + o * row, pi + at * 8, po + at * bytes, count, dim, size, inner);
  });
}

const gatherOp = defineOp<{ dim: number }>({
  name: "Gather",
  saves: [1],
  forward: ([x, index], { dim }) => {
    const i = index as Tensor;
    const lead = i.shape.map((n, d) => (d === dim ? ((x as Tensor).shape[d] as number) : n));
    const src = (x as Tensor).shape.length === 0 ? contiguous(x as Tensor) : corner(x as Tensor, lead);
    const out = empty(i.shape, src.code);
    if (out.numel === 0) return out;
    const { outer, size, inner } = split3(i.shape, dim);
    along(GATHER, src, i, out, outer, src.shape[dim] ?? 1, size, inner);
    return out;
  },
  backward: (g, n) => [scatterAlong(n.shape(0), n.attrs.dim, n.input(1), g)],
});

/** Zeros of `shape` with `src` added at the indices: the derivative of gather. @internal */
export function scatterAlong(shape: Shape, dim: number, index: Tensor, src: Tensor): Tensor {
  return run(scatterSumOp, [src, index], { shape, dim });
}

const scatterSumOp = defineOp<{ shape: Shape; dim: number }>({
  name: "GatherBackward",
  saves: [1],
  forward: ([src, index], { shape, dim }) =>
    scatterInto(SCATTER_ADD, full(shape, 0, (src as Tensor).code), dim, index as Tensor, src as Tensor),
  backward: (g, n) => [run(gatherOp, [g, n.input(1)], { dim: n.attrs.dim })],
});

/** Joins `src` into `out` in place at the indices; raw. @internal */
export function scatterInto(
  table: KernelTable,
  out: Tensor,
  dim: number,
  index: Tensor,
  src: Tensor,
): Tensor {
  if (index.numel === 0) return out;
  const s = src.shape.length === 0 ? contiguous(expandTo(src, index.shape)) : corner(src, index.shape);
  const same = index.shape.every((n, d) => d === dim || n === out.shape[d]);
  if (same || out.shape.length === 0) {
    const { outer, size, inner } = split3(index.shape, dim);
    along(table, out, index, s, outer, out.shape[dim] ?? 1, size, inner);
    return out;
  }
  // The index covers a corner of the output only: work on a copy of that corner.
  const shape = index.shape.map((n, d) => (d === dim ? (out.shape[d] as number) : n));
  const part = viewOf(out, shape, out.strides, out.storageOffset);
  const copy = copyOf(part);
  const { outer, size, inner } = split3(index.shape, dim);
  along(table, copy, index, s, outer, out.shape[dim] as number, size, inner);
  copyInto(part, copy);
  return out;
}

/**
 * out[i, j, k] = x[index[i, j, k], j, k] for dim 0, and so on. Source: `torch.gather`.
 * @throws IndexError for an index out of range.
 */
export function gather(x: Tensor, dim: number, index: Tensor): Tensor {
  const d = wrapDim("gather", dim, x.shape.length);
  if (index.numel > 0) checkIndexShape("gather", x.shape, index.shape, d, true);
  return run(gatherOp, [x, checkedIndex("gather", index, x.shape[d] ?? 1)], { dim: d });
}

const scatterOp = defineOp<{ dim: number }>({
  name: "Scatter",
  saves: [2],
  forward: ([x, src, index], { dim }) =>
    scatterInto(SCATTER, copyOf(x as Tensor), dim, index as Tensor, src as Tensor),
  backward: (g, n) => {
    const index = n.input(2);
    const zero = full([], 0, g.code);
    return [
      n.needs(0) ? scatterRun(g, zero, index, n.attrs.dim) : null,
      n.needs(1) ? padTo(run(gatherOp, [g, index], n.attrs), n.shape(1)) : null,
    ];
  },
});

function scatterRun(x: Tensor, src: Tensor, index: Tensor, dim: number): Tensor {
  return run(scatterOp, [x, src, index], { dim });
}

/** A gradient for a source of which only a corner was read. */
function padTo(g: Tensor, shape: Shape): Tensor {
  if (shape.length === 0 || numelOf(shape) === g.numel) return g;
  return scatterView(g, shape, { shape: g.shape, strides: contiguousStrides(shape), offset: 0 });
}

const scatterAddOp = defineOp<{ dim: number }>({
  name: "ScatterAdd",
  saves: [2],
  forward: ([x, src, index], { dim }) =>
    scatterInto(SCATTER_ADD, copyOf(x as Tensor), dim, index as Tensor, src as Tensor),
  backward: (g, n) => [g, n.needs(1) ? padTo(run(gatherOp, [g, n.input(2)], n.attrs), n.shape(1)) : null],
});

function source(op: string, x: Tensor, src: Tensor | Scalar, index: Tensor, dim: number): Tensor {
  if (!(src instanceof Tensor)) {
    checkFits(op, src, x.code);
    return full([], src, x.code);
  }
  if (src.code !== x.code)
    throw new DTypeError(
      `[${op}] expected src of dtype ${nameOf(x.code)}, as the tensor's, got ${nameOf(src.code)}`,
    );
  if (index.numel > 0) checkIndexShape(op, src.shape, index.shape, dim, false);
  return src;
}

/** Options of {@link scatter}. */
export interface ScatterOptions {
  /** How to join with what is there; replaces when left out. */
  reduce?: "add" | "multiply";
}

const SCATTER_OPTIONS: OptionNames<ScatterOptions> = { reduce: 1 };

/** A copy of `x` with `src` (tensor or number) written at the indices along `dim`. Source: `torch.scatter`. */
export function scatter(
  x: Tensor,
  dim: number,
  index: Tensor,
  src: Tensor | Scalar,
  options: ScatterOptions = {},
): Tensor {
  checkOptions("scatter", options, SCATTER_OPTIONS);
  const d = wrapDim("scatter", dim, x.shape.length);
  const s = source("scatter", x, src, index, d);
  if (index.numel > 0) checkIndexShape("scatter", x.shape, index.shape, d, true);
  if (x.code === BOOL && options.reduce === "add") {
    const whole = typeof src === "object" ? cast(src, INT64) : Number(src) === 0 ? 0 : 1;
    return cast(scatter(cast(x, INT64), dim, index, whole, options), BOOL); // "or"
  }
  const i = checkedIndex("scatter", index, x.shape[d] ?? 1);
  if (options.reduce === "add") return run(scatterAddOp, [x, s, i], { dim: d });
  if (options.reduce === "multiply") {
    const ones = run(scatterMulOp, [full(x.shape, 1, x.code), s, i], { dim: d });
    return mul(x, ones);
  }
  return run(scatterOp, [x, s, i], { dim: d });
}

const SCATTER_MUL = kernelTable("scatterMul");

/** Only for the data: PyTorch defines no gradient for `reduce="multiply"` of the source. */
const scatterMulOp = defineOp<{ dim: number }>({
  name: "ScatterMultiply",
  forward: ([x, src, index], { dim }) =>
    scatterInto(SCATTER_MUL, copyOf(x as Tensor), dim, index as Tensor, src as Tensor),
  backward: () => [null, null],
});

/** A copy of `x` with `src` added at the indices along `dim`. Source: `torch.scatter_add`. */
export function scatterAdd(x: Tensor, dim: number, index: Tensor, src: Tensor): Tensor {
  return scatter(x, dim, index, src, { reduce: "add" });
}

const indexSelectOp = defineOp<{ dim: number }>({
  name: "IndexSelect",
  saves: [1],
  forward: ([x, index], { dim }) => {
    const src = contiguous(x as Tensor);
    const i = index as Tensor;
    const { outer, size, inner } = split3(src.shape, dim);
    const out = empty(
      src.shape.length === 0 ? [] : src.shape.map((n, d) => (d === dim ? i.numel : n)),
      src.code,
    );
    if (out.numel === 0) return out;
    const bytes = SIZES[src.code] as number;
    const [px, pi, po] = [ptr(src), ptr(i), ptr(out)];
    if (outer === 1) {
      inPieces(i.numel, Math.ceil(GRAIN / inner), (first, count) => {
        enqueue(
          INDEX_SELECT,
          src.code,
          px,
          pi + first * 8,
          po + first * inner * bytes,
          1,
          size,
          count,
          inner,
        );
      });
    } else kernelFor(INDEX_SELECT, src.code)(px, pi, po, outer, size, i.numel, inner);
    return out;
  },
  backward: (g, n) => [indexAdd(full(n.shape(0), 0, g.code), n.attrs.dim, n.input(1), g)],
});

function vectorIndex(op: string, index: Tensor, size: number, negative = false): Tensor {
  if (index.shape.length > 1)
    throw new ShapeError(`[${op}] expected a vector of indices, got shape ${show(index.shape)}`);
  return checkedIndex(op, index, size, negative);
}

/** The slices of `x` at the indices of a vector, along `dim`. Source: `torch.index_select`. */
export function indexSelect(x: Tensor, dim: number, index: Tensor): Tensor {
  const d = wrapDim("indexSelect", dim, x.shape.length);
  return run(indexSelectOp, [x, vectorIndex("indexSelect", index, x.shape[d] ?? 1)], { dim: d });
}

const indexAddOp = defineOp<{ dim: number; alpha: number }>({
  name: "IndexAdd",
  saves: [2],
  forward: ([x, src, index], { dim, alpha }) => {
    const out = copyOf(x as Tensor);
    const s = contiguous(src as Tensor);
    const { outer, size, inner } = split3(out.shape, dim);
    const i = index as Tensor;
    if (s.numel > 0)
      kernelFor(INDEX_ADD, out.code)(ptr(out), ptr(i), ptr(s), outer, size, i.numel, inner, alpha);
    return out;
  },
  backward: (g, n) => {
    const picked = n.needs(1) ? run(indexSelectOp, [g, n.input(2)], { dim: n.attrs.dim }) : null;
    return [g, picked === null || n.attrs.alpha === 1 ? picked : mul(picked, n.attrs.alpha)];
  },
});

/** The slices of a source, one for each index; a vector (or no dimension at all) takes one element of either rank. */
function slicesFor(op: string, x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  const single = source.numel === 1 && index.numel === 1 && x.shape.length <= 1 && source.shape.length <= 1;
  const src = single ? reshape(source, x.shape.length === 0 ? [] : [1]) : source;
  const fits =
    src.shape.length === x.shape.length &&
    (x.shape.length > 0 || index.numel === 1) &&
    x.shape.every((n, d) => (src.shape[d] as number) === (d === dim ? index.numel : n));
  if (!fits) {
    throw new ShapeError(
      `[${op}] source of shape ${show(src.shape)} does not fit ${show(x.shape)} with ${index.numel} indices along dimension ${dim}`,
    );
  }
  if (src.code !== x.code)
    throw new DTypeError(`[${op}] expected a source of dtype ${nameOf(x.code)}, got ${nameOf(src.code)}`);
  return src;
}

const INDEX_ADD_OPTIONS: OptionNames<{ alpha?: Scalar }> = { alpha: 1 };

/** A copy of `x` with `alpha * source` slices added at the indices, along `dim`. Source: `torch.index_add`. */
export function indexAdd(
  x: Tensor,
  dim: number,
  index: Tensor,
  source: Tensor,
  options: { alpha?: Scalar } = {},
): Tensor {
  checkOptions("indexAdd", options, INDEX_ADD_OPTIONS);
  const d = wrapDim("indexAdd", dim, x.shape.length);
  const src = slicesFor("indexAdd", x, d, index, source);
  const { alpha = 1 } = options;
  const whole = { alpha: Number(alpha) === 0 ? 0 : 1 };
  if (x.code === BOOL) return cast(indexAdd(cast(x, INT64), dim, index, cast(src, INT64), whole), BOOL); // "or"
  const i = vectorIndex("indexAdd", index, x.shape[d] ?? 1);
  checkAlpha("indexAdd", alpha, x.code);
  const factor = x.code === UINT8 ? Number(BigInt.asUintN(8, BigInt(alpha))) : Number(alpha); // -1 is 255 there
  return run(indexAddOp, [x, src, i], { dim: d, alpha: factor });
}

const indexCopyOp = defineOp<{ dim: number }>({
  name: "IndexCopy",
  saves: [2],
  forward: ([x, src, index], { dim }) => {
    const out = copyOf(x as Tensor);
    const s = contiguous(src as Tensor);
    const { outer, size, inner } = split3(out.shape, dim);
    const i = index as Tensor;
    if (s.numel > 0) kernelFor(INDEX_COPY, out.code)(ptr(out), ptr(i), ptr(s), outer, size, i.numel, inner);
    return out;
  },
  backward: (g, n) => {
    const index = n.input(2);
    const rest = n.needs(0) ? indexCopyRun(g, full(n.shape(1), 0, g.code), index, n.attrs.dim) : null;
    return [rest, n.needs(1) ? run(indexSelectOp, [g, index], n.attrs) : null];
  },
});

function indexCopyRun(x: Tensor, src: Tensor, index: Tensor, dim: number): Tensor {
  return run(indexCopyOp, [x, src, index], { dim });
}

/** A copy of `x` with slices of `source` written at the indices, along `dim`. Source: `torch.index_copy`. */
export function indexCopy(x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  const d = wrapDim("indexCopy", dim, x.shape.length);
  const src = slicesFor("indexCopy", x, d, index, source);
  return run(indexCopyOp, [x, src, vectorIndex("indexCopy", index, x.shape[d] ?? 1)], { dim: d });
}

/**
 * A copy of `x` with one value in the slices at the indices, along `dim`; negative indices count from the end.
 * Source: `torch.index_fill`.
 */
export function indexFill(x: Tensor, dim: number, index: Tensor, value: Scalar | Tensor): Tensor {
  const d = wrapDim("indexFill", dim, x.shape.length);
  const size = x.shape[d] ?? 1;
  const i = vectorIndex("indexFill", index, size, true);
  if (value instanceof Tensor && value.shape.length > 0)
    throw new ShapeError(`[indexFill] expected a number or a 0-d tensor, got shape ${show(value.shape)}`);
  // By a mask, so that a place that is named twice counts once in the gradient of the value.
  const chosen = run(indexCopyOp, [full([size], 0, BOOL), full([i.numel], 1, BOOL), i], { dim: 0 });
  const mask = reshape(
    chosen,
    x.shape.map((_, k) => (k === d ? size : 1)),
  );
  return maskedFill(x, mask, value);
}
