/** Joining tensors: cat, stack and their kin. One strided copy for each piece; along dimension 0 a plain one. */

import { engineOps } from "../autograd/engineOps.js";
import { defineOp, run } from "../autograd/op.js";
import type { DTypeCode } from "../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkNames, type OptionNames } from "../tensor/options.js";
import { copyInto, empty, full, viewOf } from "../tensor/raw.js";
import { type Shape, sameShape, wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { needTensors } from "./core.js";
import { atleast1d, atleast2d, atleast3d } from "./dims.js";
import { narrow, reshape, select } from "./view.js";

/** Where to join: a dimension, bare or in options. */
export type JoinDim =
  | number
  | {
      /** The dimension (default 0). */
      readonly dim?: number;
    };

interface Join {
  readonly dim: number;
  readonly shape: Shape;
  readonly code: DTypeCode;
}

function sizeAlong(shape: Shape, dim: number): number {
  return shape[dim] as number;
}

/** The shape [0], which fits every list. */
const isNothing = (shape: Shape): boolean => shape.length === 1 && shape[0] === 0;

const catOp = defineOp<Join>({
  name: "Cat",
  forward: (pieces, { dim, shape, code }) => {
    const out = empty(shape, code);
    const step = out.strides[dim] as number;
    let at = 0;
    for (const piece of pieces) {
      if (isNothing(piece.shape)) continue;
      copyInto(viewOf(out, piece.shape, out.strides, at * step), piece);
      at += sizeAlong(piece.shape, dim);
    }
    return out;
  },
  backward: (g, n) => {
    const { dim } = n.attrs;
    let at = 0;
    return n.shapes.map((shape, i) => {
      if (isNothing(shape)) return n.needs(i) ? full(shape, 0, g.code) : null;
      const length = sizeAlong(shape, dim);
      at += length;
      return n.needs(i) ? narrow(g, dim, at - length, length) : null;
    });
  },
});

const stackOp = defineOp<Join>({
  name: "Stack",
  forward: (pieces, { dim, shape, code }) => {
    const out = empty(shape, code);
    const step = out.strides[dim] as number;
    const strides = out.strides.filter((_, d) => d !== dim);
    pieces.forEach((piece, i) => {
      copyInto(viewOf(out, piece.shape, strides, i * step), piece);
    });
    return out;
  },
  backward: (g, n) => n.shapes.map((_, i) => (n.needs(i) ? select(g, n.attrs.dim, i) : null)),
});

function commonCode(tensors: readonly Tensor[]): DTypeCode {
  return tensors.reduce<number>((code, t) => Math.max(code, t.code), 0) as DTypeCode;
}

function checkSome(op: string, tensors: readonly Tensor[]): void {
  needTensors(op, tensors);
  if (tensors.length === 0) throw new ValueError(`[${op}] got an empty list, expected at least one tensor`);
}

function dimOf(dim: JoinDim | undefined): number {
  return typeof dim === "number" ? dim : (dim?.dim ?? 0);
}

/** @internal */
const JOIN_OPTIONS: OptionNames<{ dim?: number }> = { dim: 1 };

/**
 * The tensors one after the other along a dimension (default 0); their shapes agree in the others. Tensors of shape
 * [0] are passed over, as in PyTorch. Source: `torch.cat`.
 * @example
 * cat([tensor([[1, 2]]), tensor([[3, 4]])]).toArray(); // [[1, 2], [3, 4]]
 * cat([tensor([[1, 2]]), tensor([[3, 4]])], { dim: 1 }).toArray(); // [[1, 2, 3, 4]]
 * @throws ShapeError when the shapes differ in another dimension.
 */
export function cat(tensors: readonly Tensor[], dim?: JoinDim): Tensor {
  checkNames("cat", dim, JOIN_OPTIONS);
  checkSome("cat", tensors);
  const scalar = tensors.findIndex((t) => t.shape.length === 0);
  if (scalar >= 0) throw new ShapeError(`[cat] tensor ${scalar} has no dimension to join along; try stack`);
  const some = tensors.filter((t) => !isNothing(t.shape));
  const pieces = some.length > 0 ? some : tensors;
  const first = (pieces[0] as Tensor).shape;
  const d = wrapDim("cat", dimOf(dim), first.length);
  let total = 0;
  for (const { shape } of pieces) {
    if (shape.length !== first.length || shape.some((n, k) => k !== d && n !== first[k])) {
      throw new ShapeError(
        `[cat] shapes ${show(first)} and ${show(shape)} cannot be joined along dimension ${d}: expected the same sizes in the other dimensions; try stack for a new one`,
      );
    }
    total += sizeAlong(shape, d);
  }
  const shape = first.map((n, k) => (k === d ? total : n));
  return run(catOp, tensors, { dim: d, shape, code: commonCode(tensors) });
}

/** Same as {@link cat}. Source: `torch.concat`. */
export const concat: typeof cat = cat;

const CONCATENATE_OPTIONS: OptionNames<{ axis?: number; dim?: number }> = { axis: 1, dim: 1 };

/** Same as {@link cat}; the dimension may be called `axis`. Source: `torch.concatenate`. */
export function concatenate(tensors: readonly Tensor[], axis?: JoinDim | { readonly axis?: number }): Tensor {
  checkNames("concatenate", axis, CONCATENATE_OPTIONS);
  return cat(
    tensors,
    typeof axis === "object" && "axis" in axis ? (axis.axis ?? 0) : (axis as JoinDim | undefined),
  );
}

/**
 * Tensors of one shape along a new dimension (default 0). Source: `torch.stack`.
 * @example
 * stack([tensor([1, 2]), tensor([3, 4])]).toArray(); // [[1, 2], [3, 4]]
 * @throws ShapeError when the shapes differ.
 */
export function stack(tensors: readonly Tensor[], dim?: JoinDim): Tensor {
  checkNames("stack", dim, JOIN_OPTIONS);
  checkSome("stack", tensors);
  const { shape } = tensors[0] as Tensor;
  const d = wrapDim("stack", dimOf(dim), shape.length + 1);
  const odd = tensors.find((t) => !sameShape(t.shape, shape));
  if (odd !== undefined) {
    throw new ShapeError(
      `[stack] expected tensors of one shape, got ${show(shape)} and ${show(odd.shape)}; try cat`,
    );
  }
  const joined = [...shape.slice(0, d), tensors.length, ...shape.slice(d)];
  return run(stackOp, tensors, { dim: d, shape: joined, code: commonCode(tensors) });
}

/** Joins along dimension 1, vectors along 0. Source: `torch.hstack`. */
export function hstack(tensors: readonly Tensor[]): Tensor {
  checkSome("hstack", tensors);
  const pieces = tensors.map((t) => atleast1d(t));
  return cat(pieces, (pieces[0] as Tensor).shape.length === 1 ? 0 : 1);
}

/** Joins along dimension 0, vectors as rows. Source: `torch.vstack`. */
export function vstack(tensors: readonly Tensor[]): Tensor {
  checkSome("vstack", tensors);
  return cat(tensors.map((t) => atleast2d(t)));
}

/** Same as {@link vstack}. Source: `torch.row_stack`. */
export const rowStack: typeof vstack = vstack;

/** Joins along dimension 2; see {@link atleast3d} for smaller ones. Source: `torch.dstack`. */
export function dstack(tensors: readonly Tensor[]): Tensor {
  checkSome("dstack", tensors);
  return cat(
    tensors.map((t) => atleast3d(t)),
    2,
  );
}

/** Joins along dimension 1, vectors as columns. Source: `torch.column_stack`. */
export function columnStack(tensors: readonly Tensor[]): Tensor {
  checkSome("columnStack", tensors);
  return hstack(tensors.map((t) => (t.shape.length <= 1 ? reshape(t, [t.numel, 1]) : t)));
}

const blockDiagOp = defineOp<DTypeCode>({
  name: "BlockDiag",
  forward: (blocks, code) => {
    const size = (d: number) => blocks.reduce((n, b) => n + sizeAlong(b.shape, d), 0);
    const out = full([size(0), size(1)], 0, code);
    const [rowStep, colStep] = out.strides as [number, number];
    let [row, col] = [0, 0];
    for (const block of blocks) {
      copyInto(viewOf(out, block.shape, out.strides, row * rowStep + col * colStep), block);
      row += sizeAlong(block.shape, 0);
      col += sizeAlong(block.shape, 1);
    }
    return out;
  },
  backward: (g, n) => {
    let [row, col] = [0, 0];
    return n.shapes.map((shape, i) => {
      const [rows, cols] = shape as [number, number];
      row += rows;
      col += cols;
      return n.needs(i) ? narrow(narrow(g, 0, row - rows, rows), 1, col - cols, cols) : null;
    });
  },
});

/** A matrix with the given matrices (vectors as rows) along its diagonal, zeros elsewhere. Source: `torch.block_diag`. */
export function blockDiag(tensors: readonly Tensor[]): Tensor {
  const odd = tensors.find((t) => t.shape.length > 2);
  if (odd !== undefined)
    throw new ShapeError(`[blockDiag] expected at most 2 dimensions, got shape ${show(odd.shape)}`);
  if (tensors.length === 0) return full([1, 0], 0, 4);
  return run(
    blockDiagOp,
    tensors.map((t) => atleast2d(t)),
    commonCode(tensors),
  );
}

engineOps.stack = stack;
