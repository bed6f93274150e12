/** Other arrangements of the dimensions, all views: movedim, swapaxes, atleast1d, unflatten, broadcastTo and their kin. */
import { INT64, isFloat } from "../tensor/dtype.js";
import { ShapeError, show } from "../tensor/errors.js";
import { broadcastShapes, inferShape, numelOf, type Shape, sameShape, wrapDim } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { cast, contiguous } from "./cast.js";
import { sum, sumTo } from "./sum.js";
import { expand, flatten, permute, reshape, transpose, unsqueeze, view } from "./view.js";

/** A number as a list of one. @internal */
export const listOf = (x: number | readonly number[]): readonly number[] => (typeof x === "number" ? [x] : x);

/**
 * Moves dimensions to other places; the rest keeps its order. Source: `torch.movedim`.
 * @example
 * movedim(ones([2, 3, 4]), 0, 2).shape; // [3, 4, 2]
 */
export function movedim(
  x: Tensor,
  source: number | readonly number[],
  destination: number | readonly number[],
): Tensor {
  const rank = x.shape.length;
  const from = listOf(source).map((d) => wrapDim("movedim", d, rank));
  const to = listOf(destination).map((d) => wrapDim("movedim", d, rank));
  if (from.length !== to.length || new Set(from).size !== from.length || new Set(to).size !== to.length) {
    throw new ShapeError(
      `[movedim] source ${show(listOf(source))} and destination ${show(listOf(destination))} must be as many dimensions, without repeats`,
    );
  }
  if (rank === 0) return permute(x, []);
  const rest = x.shape.map((_, d) => d).filter((d) => !from.includes(d));
  const order = x.shape.map((_, d) =>
    to.includes(d) ? (from[to.indexOf(d)] as number) : (rest.shift() as number),
  );
  return permute(x, order);
}

/** Same as {@link movedim}. Source: `torch.moveaxis`. */
export const moveaxis: typeof movedim = movedim;
/** Same as {@link transpose}. Source: `torch.swapaxes`. */
export const swapaxes: typeof transpose = transpose;
/** Same as {@link transpose}. Source: `torch.swapdims`. */
export const swapdims: typeof transpose = transpose;

/** All dimensions in reverse order. Source: `torch.Tensor.T`. */
export function reverseDims(x: Tensor): Tensor {
  return permute(
    x,
    x.shape.map((_, d) => x.shape.length - 1 - d),
  );
}

/** The matrices in the last two dimensions transposed. Source: `torch.Tensor.mT`. */
export function matrixTranspose(x: Tensor): Tensor {
  if (x.shape.length === 1)
    throw new ShapeError(`[mT] expected at least 2 dimensions, got shape ${show(x.shape)}`);
  return x.shape.length === 0 ? permute(x, []) : transpose(x, -2, -1);
}

/** The transpose of a matrix (real dtypes have no conjugate). Source: `torch.Tensor.H`. */
export function hermitianTranspose(x: Tensor): Tensor {
  if (x.shape.length !== 2 && x.shape.length !== 0) {
    throw new ShapeError(`[H] expected a matrix, got shape ${show(x.shape)}; try x.mH`);
  }
  return reverseDims(x);
}

/** The matrices in the last two dimensions transposed (real dtypes have no conjugate). Source: `torch.adjoint`. */
export const adjoint: typeof matrixTranspose = matrixTranspose;

/** A tensor for a tensor, a list for a list. */
export type OneOrMore<T> = T extends Tensor ? Tensor : Tensor[];

function each<T extends Tensor | readonly Tensor[]>(x: T, fn: (t: Tensor) => Tensor): OneOrMore<T> {
  return (x instanceof Tensor ? fn(x) : (x as readonly Tensor[]).map(fn)) as OneOrMore<T>;
}

/** The tensor itself, or of shape [1] when it is 0-d; a list gives a list. Source: `torch.atleast_1d`. */
export function atleast1d<T extends Tensor | readonly Tensor[]>(x: T): OneOrMore<T> {
  return each(x, (t) => (t.shape.length === 0 ? reshape(t, [1]) : t));
}

/** At least 2 dimensions: vectors become rows. A list gives a list. Source: `torch.atleast_2d`. */
export function atleast2d<T extends Tensor | readonly Tensor[]>(x: T): OneOrMore<T> {
  return each(x, (t) =>
    t.shape.length >= 2 ? t : t.shape.length === 1 ? unsqueeze(t, 0) : reshape(t, [1, 1]),
  );
}

/** At least 3 dimensions: [n] gives [1, n, 1], [m, n] gives [m, n, 1]. A list gives a list. Source: `torch.atleast_3d`. */
export function atleast3d<T extends Tensor | readonly Tensor[]>(x: T): OneOrMore<T> {
  return each(x, (t) => {
    if (t.shape.length >= 3) return t;
    return t.shape.length === 2 ? unsqueeze(t, 2) : reshape(t, [1, t.numel, 1]);
  });
}

/** All elements in one dimension: a view of a contiguous tensor, a copy of any other. Source: `torch.ravel`. */
export function ravel(x: Tensor): Tensor {
  return flatten(contiguous(x));
}

/**
 * Splits one dimension into several, of which one size may be -1. Source: `torch.unflatten`.
 * @example
 * unflatten(ones([2, 12]), 1, [3, -1]).shape; // [2, 3, 4]
 */
export function unflatten(x: Tensor, dim: number, sizes: Shape): Tensor {
  if (x.shape.length === 0)
    throw new ShapeError("[unflatten] a 0-d tensor has no dimension to split; try reshape");
  if (sizes.length === 0) throw new ShapeError("[unflatten] got no sizes, expected at least one");
  const d = wrapDim("unflatten", dim, x.shape.length);
  const size = x.shape[d] as number;
  const known = numelOf(sizes.filter((n) => n !== -1));
  if (sizes.includes(-1) ? size % known !== 0 : known !== size) {
    throw new ShapeError(
      `[unflatten] sizes ${show(sizes)} do not multiply to ${size}, the size of dimension ${d} of ${show(x.shape)}; try -1 ` +
        "for one of them to be inferred",
    );
  }
  const parts = inferShape("unflatten", sizes, size, [size]);
  return view(x, [...x.shape.slice(0, d), ...parts, ...x.shape.slice(d + 1)]);
}

/** Expands to the shape of another tensor. Source: `torch.Tensor.expand_as`. */
export function expandAs(x: Tensor, other: Tensor): Tensor {
  return expand(x, other.shape);
}

/** Views with the shape of another tensor. Source: `torch.Tensor.view_as`. */
export function viewAs(x: Tensor, other: Tensor): Tensor {
  return view(x, other.shape);
}

/** Reshapes to the shape of another tensor. Source: `torch.Tensor.reshape_as`. */
export function reshapeAs(x: Tensor, other: Tensor): Tensor {
  return reshape(x, other.shape);
}

/** Expands to a shape, without copying. Source: `torch.broadcast_to`. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  return expand(x, shape);
}

/** The tensors expanded to the shape that they broadcast to. Source: `torch.broadcast_tensors`. */
export function broadcastTensors(tensors: readonly Tensor[]): Tensor[] {
  const shape = tensors.reduce<Shape>((s, t) => broadcastShapes("broadcastTensors", s, t.shape), []);
  return tensors.map((t) => expand(t, shape));
}

/**
 * Sums the dimensions along which a tensor of shape `size` would be repeated to the tensor's shape.
 * Source: `torch.Tensor.sum_to_size`.
 * @throws ShapeError when `size` does not broadcast to the tensor's shape.
 */
export function sumToSize(x: Tensor, size: Shape): Tensor {
  const lead = x.shape.length - size.length;
  if (lead < 0 || size.some((n, d) => n !== 1 && n !== x.shape[d + lead])) {
    throw new ShapeError(
      `[sumToSize] size ${show(size)} does not broadcast to the tensor's shape ${show(x.shape)}`,
    );
  }
  if (size.length === 0) return sum(x);
  if (sameShape(size, x.shape)) return x;
  return sumTo(isFloat(x.code) ? x : cast(x, INT64), size); // whole numbers add up in int64, as in sum
}
