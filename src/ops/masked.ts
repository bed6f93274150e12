/** Elements under a mask and positions of non-zero elements: maskedSelect, maskedScatter, nonzero, argwhere. */

import { defineOp, run } from "../autograd/op.js";
import { putInts } from "../kernels/index.js";
import { INT64, nameOf, UINT8 } from "../tensor/dtype.js";
import { DTypeError, show, ValueError } from "../tensor/errors.js";
import { kernelFor, kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { contiguous, copyInto, copyOf, empty, expandTo, full, ptr, readAt, viewOf } from "../tensor/raw.js";
import { broadcastShapes, type Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { constant, type Operand } from "./core.js";
import { unbind } from "./split.js";
import { reduceBlocks } from "./sum.js";
import { expand, reshape } from "./view.js";
import { maskedFill, where } from "./where.js";

const BY_SIZE = ["1", "1", "4", "8", "4", "8"];
const SELECT = kernelTable("maskedSelect", BY_SIZE);
const SCATTER = kernelTable("maskedScatter", BY_SIZE);
const COUNT = kernelTable("countNonzero");
const NONZERO = kernelTable("nonzero");

/** Number of elements that are not zero; raw. */
function count(x: Tensor): number {
  if (x.numel === 0) return 0;
  const dims = x.shape.map((_, d) => d);
  return readAt(reduceBlocks(COUNT, x, dims, false, INT64), 0);
}

function checkMask(op: string, mask: Tensor): void {
  if (mask.code > UINT8)
    throw new DTypeError(`[${op}] the mask must be bool: got ${nameOf(mask.code)}; try mask.ne(0)`);
}

const maskedSelectOp = defineOp<Shape>({
  name: "MaskedSelect",
  saves: [1],
  forward: ([x, mask], shape) => {
    const m = contiguous(expandTo(mask as Tensor, shape));
    const src = contiguous(expandTo(x as Tensor, shape));
    const out = empty([count(m)], src.code);
    if (src.numel > 0) kernelFor(SELECT, src.code)(ptr(src), ptr(m), ptr(out), src.numel);
    return out;
  },
  backward: (g, n) => [scatterUnder(expand(constant(0, g.code), n.attrs), expand(n.input(1), n.attrs), g)],
});

function selectUnder(x: Tensor, mask: Tensor, shape: Shape): Tensor {
  return run(maskedSelectOp, [x, mask], shape);
}

/**
 * The elements of `x` where `mask` is true, in one dimension; both are broadcast. Source: `torch.masked_select`.
 * @example
 * maskedSelect(tensor([1, 2, 3]), tensor([true, false, true])).toArray(); // [1, 3]
 */
export function maskedSelect(x: Tensor, mask: Tensor): Tensor {
  checkMask("maskedSelect", mask);
  return selectUnder(x, mask, broadcastShapes("maskedSelect", x.shape, mask.shape));
}

/** Values of a mask's true elements, zeros behind them up to the shape of the source they came from. */
const padOp = defineOp<Shape>({
  name: "Pad",
  forward: ([x], shape) => {
    const src = x as Tensor;
    const out = full(shape, 0, src.code);
    copyInto(viewOf(out, src.shape, [1], 0), src);
    return out;
  },
  backward: (g, n) => [fromFront(g, n.shape(0)[0] as number)],
});

const frontOp = defineOp<number>({
  name: "Front",
  forward: ([x], length) => {
    const src = contiguous(x as Tensor); // perhaps a view that begins further on
    return copyOf(viewOf(src, [length], [1], src.storageOffset));
  },
  backward: (g, n) => [run(padOp, [g], n.shape(0))],
});

function fromFront(x: Tensor, length: number): Tensor {
  return run(frontOp, [x], length);
}

const maskedScatterOp = defineOp({
  name: "MaskedScatter",
  saves: [1],
  forward: ([x, mask, src]) => {
    const m = contiguous(mask as Tensor);
    const out = copyOf(x as Tensor);
    const s = contiguous(src as Tensor);
    if (out.numel > 0) kernelFor(SCATTER, out.code)(ptr(out), ptr(m), ptr(s), out.numel);
    return out;
  },
  backward: (g, n) => {
    const mask = n.input(1);
    return [
      n.needs(0) ? maskedFill(g, mask, 0) : null,
      null,
      n.needs(2) ? run(padOp, [selectUnder(g, mask, g.shape)], n.shape(2)) : null,
    ];
  },
});

function scatterUnder(x: Tensor, mask: Tensor, src: Tensor): Tensor {
  return run(maskedScatterOp, [x, mask, src], null);
}

/**
 * A copy of `x` with its elements under a true mask replaced by those of `source`, in order.
 * Source: `torch.masked_scatter`.
 * @throws ValueError when `source` has fewer elements than the mask true ones.
 */
export function maskedScatter(x: Tensor, mask: Tensor, source: Tensor): Tensor {
  checkMask("maskedScatter", mask);
  if (source.code !== x.code) {
    throw new DTypeError(
      `[maskedScatter] expected source of dtype ${nameOf(x.code)}, as the tensor's, got ${nameOf(source.code)}`,
    );
  }
  const shape = broadcastShapes("maskedScatter", x.shape, mask.shape);
  const m = expand(mask, shape);
  const wanted = count(m);
  if (source.numel < wanted) {
    throw new ValueError(
      `[maskedScatter] the mask has ${wanted} true elements, but source of shape ${show(source.shape)} only ${source.numel}`,
    );
  }
  return scatterUnder(expand(x, shape), m, source);
}

const nonzeroOp = defineOp({
  name: "Nonzero",
  forward: ([x]) => {
    const src = contiguous(x as Tensor);
    const { shape } = src;
    const out = empty([count(src), shape.length], INT64);
    if (out.numel > 0)
      kernelFor(NONZERO, src.code)(ptr(src), ptr(out), src.numel, putInts([shape.length, ...shape]));
    return out;
  },
  backward: () => [null],
});

const NONZERO_OPTIONS: OptionNames<{ asTuple?: boolean }> = { asTuple: 1 };

/**
 * int64 coordinates of the elements that are not zero, one row each; with `asTuple`, one vector for each dimension.
 * Source: `torch.nonzero`.
 * @example
 * nonzero(tensor([[1, 0], [0, 2]])).toArray(); // [[0, 0], [1, 1]]
 */
export function nonzero(x: Tensor, options?: { asTuple?: false }): Tensor;
export function nonzero(x: Tensor, options: { asTuple: true }): Tensor[];
export function nonzero(x: Tensor, options?: { asTuple?: boolean }): Tensor | Tensor[];
export function nonzero(x: Tensor, options: { asTuple?: boolean } = {}): Tensor | Tensor[] {
  checkOptions("nonzero", options, NONZERO_OPTIONS);
  if (options.asTuple !== true) return run(nonzeroOp, [x.detach()], null);
  const source = x.shape.length === 0 ? reshape(x, [1]) : x;
  return unbind(run(nonzeroOp, [source.detach()], null), 1);
}

/** Same as {@link nonzero} without options. Source: `torch.argwhere`. */
export function argwhere(x: Tensor): Tensor {
  return nonzero(x);
}

/** Elementwise choice, or the positions of true elements. Source: `torch.where`. */
export function whereOrNonzero(condition: Tensor): Tensor[];
export function whereOrNonzero(condition: Tensor, x: Operand, y: Operand): Tensor;
export function whereOrNonzero(condition: Tensor, x?: Operand, y?: Operand): Tensor | Tensor[] {
  if (x === undefined && y === undefined) return nonzero(condition, { asTuple: true });
  if (x === undefined || y === undefined)
    throw new ValueError("[where] expected either a condition alone, or both x and y");
  return where(condition, x, y);
}
