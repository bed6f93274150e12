/**
 * Views as pure geometry: a view op is a function from (shape, strides, offset) to (shape, strides, offset).
 * Its derivative puts the gradient where the view looked, into zeros, and that one's derivative is the view again.
 */

import { engineOps } from "../autograd/engineOps.js";
import { defineOp, run, runView } from "../autograd/op.js";
import { mem } from "../kernels/index.js";
import { FLOAT64, SIZES } from "../tensor/dtype.js";
import { ShapeError, show } from "../tensor/errors.js";
import { address } from "../tensor/heap.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { castTo, contiguous, copyInto, copyOf, fillWith, full, toTyped, viewOf } from "../tensor/raw.js";
import { contiguousStrides, numelOf, type Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";

/** Where the elements of a view are. */
export interface Geometry {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
}

/** Whether no two elements of a geometry share a place (sufficient test: sorted strides exceed the reach below). */
function isDisjoint({ shape, strides }: Geometry): boolean {
  const dims = shape.map((size, i) => [strides[i] as number, size] as const).filter(([, size]) => size > 1);
  dims.sort((a, b) => a[0] - b[0]);
  let reach = 0;
  for (const [stride, size] of dims) {
    if (stride <= reach) return false;
    reach += stride * (size - 1);
  }
  return true;
}

/** Calls `visit(storage index)` for each element in row-major order. */
function walk({ shape, strides, offset }: Geometry, visit: (index: number) => void): void {
  const n = numelOf(shape);
  const at = new Array<number>(shape.length).fill(0);
  let index = offset;
  for (let k = 0; k < n; k++) {
    visit(index);
    for (let d = shape.length - 1; d >= 0; d--) {
      at[d] = (at[d] as number) + 1;
      index += strides[d] as number;
      if ((at[d] as number) < (shape[d] as number)) break;
      index -= (strides[d] as number) * (shape[d] as number);
      at[d] = 0;
    }
  }
}

interface Scatter {
  /** Shape of the result. */
  readonly into: Shape;
  /** Where the gradient goes, in a contiguous tensor of that shape. */
  readonly where: Geometry;
}

const scatterOp = defineOp<Scatter>({
  name: "ViewBackward",
  forward: ([g], { into, where }) => {
    const src = g as Tensor;
    const out = full(into, 0, src.code);
    if (isDisjoint(where)) {
      copyInto(viewOf(out, where.shape, where.strides, where.offset), src);
      return out;
    }
    const values = toTyped(src) as Float64Array;
    const base = address(out.storage) / (SIZES[out.code] as number);
    const target = src.code === FLOAT64 ? mem.f64 : mem.f32;
    let k = 0;
    walk(where, (index) => {
      target[base + index] = (target[base + index] as number) + (values[k++] as number);
    });
    return out;
  },
  backward: (g, { attrs }) => [gather(g, attrs.where)],
});

/** Sums `g` into zeros of shape `into`, at the places of `where`. */
export function scatterView(g: Tensor, into: Shape, where: Geometry): Tensor {
  return run(scatterOp, [g], { into, where });
}

const gatherOp = defineOp<Geometry>({
  name: "AsStrided",
  forward: ([x], { shape, strides, offset }) => {
    const src = contiguous(x as Tensor); // perhaps a view that begins further on
    return copyOf(viewOf(src, shape, strides, src.storageOffset + offset));
  },
  backward: (g, n) => [scatterView(g, n.shape(0), n.attrs)],
});

/** A copy of the elements of `x`, taken as contiguous, at the places of `where`. */
export function gather(x: Tensor, where: Geometry): Tensor {
  return run(gatherOp, [x], where);
}

/** Makes a view op out of a geometry function; the gradient needs nothing else. */
export function defineView<A>(
  name: string,
  geometry: (from: Geometry, attrs: A) => Geometry,
): (x: Tensor, attrs: A) => Tensor {
  const op = defineOp<A>({
    name,
    forward: ([x], attrs) => {
      const t = x as Tensor;
      const to = geometry({ shape: t.shape, strides: t.strides, offset: t.storageOffset }, attrs);
      return viewOf(t, to.shape, to.strides, to.offset);
    },
    backward: (g, n) => {
      const shape = n.shape(0);
      return [
        scatterView(g, shape, geometry({ shape, strides: contiguousStrides(shape), offset: 0 }, n.attrs)),
      ];
    },
  });
  return (x, attrs) => runView(op, x, attrs);
}

/** Row-major positions, in a tensor of geometry `of`, of the storage places of `where`; -1 for places it lacks. */
function positions(of: Geometry, where: Geometry): Geometry | BigInt64Array {
  const plain = contiguousStrides(of.shape);
  if (of.strides.every((s, i) => s === plain[i] || of.shape[i] === 1))
    return { ...where, offset: where.offset - of.offset };
  const place = new Map<number, number>();
  let k = 0;
  walk(of, (index) => {
    if (!place.has(index)) place.set(index, k);
    k++;
  });
  const out = new BigInt64Array(numelOf(where.shape));
  let i = 0;
  walk(where, (index) => {
    out[i++] = BigInt(place.get(index) ?? -1);
  });
  return out;
}

interface Placed extends Geometry {
  /** The geometry of the tensor that is viewed. */
  readonly of?: Geometry;
}

const asStridedOp = defineOp<Placed>({
  name: "AsStrided",
  forward: ([x], { shape, strides, offset }) => viewOf(x as Tensor, shape, strides, offset),
  backward: (g, n) => {
    const into = n.shape(0);
    const of = n.attrs.of ?? { shape: into, strides: contiguousStrides(into), offset: 0 };
    return [place(g, into, positions(of, n.attrs))];
  },
});

const placeOp = defineOp<{ into: Shape; at: BigInt64Array }>({
  name: "AsStridedBackward",
  forward: ([g], { into, at }) => {
    const values = toTyped(g as Tensor) as Float64Array;
    const sums = new Float64Array(numelOf(into));
    for (let i = 0; i < at.length; i++) {
      const to = Number(at[i]);
      if (to >= 0) sums[to] = (sums[to] as number) + (values[i] as number);
    }
    const out = full(into, 0, FLOAT64);
    mem.f64.set(sums, address(out.storage) / 8);
    return castTo(out, (g as Tensor).code);
  },
  backward: (g, n) => [take(g, n.attrs.at, n.shape(0))],
});

const takeOp = defineOp<{ at: BigInt64Array; shape: Shape }>({
  name: "AsStridedTake",
  forward: ([x], { at, shape }) => {
    const values = toTyped(x as Tensor) as Float64Array;
    const out = full(shape, 0, FLOAT64);
    const base = address(out.storage) / 8;
    for (let i = 0; i < at.length; i++) mem.f64[base + i] = values[Number(at[i])] ?? 0;
    return castTo(out, (x as Tensor).code);
  },
  backward: (g, n) => [run(placeOp, [g], { into: n.shape(0), at: n.attrs.at })],
});

function place(g: Tensor, into: Shape, where: Geometry | BigInt64Array): Tensor {
  return where instanceof BigInt64Array
    ? run(placeOp, [g], { into, at: where })
    : scatterView(g, into, where);
}

function take(x: Tensor, at: BigInt64Array, shape: Shape): Tensor {
  return run(takeOp, [x], { at, shape });
}

const AS_STRIDED_OPTIONS: OptionNames<{ storageOffset?: number }> = { storageOffset: 1 };

/**
 * A view with the given size, strides and offset (in elements of the storage). Source: `torch.as_strided`.
 * @throws ShapeError when it would reach outside the storage.
 */
export function asStrided(
  x: Tensor,
  size: Shape,
  stride: readonly number[],
  options: { storageOffset?: number } = {},
): Tensor {
  checkOptions("asStrided", options, AS_STRIDED_OPTIONS);
  const offset = options.storageOffset ?? x.storageOffset;
  checkReach(x, size, stride, offset);
  const of = { shape: x.shape, strides: x.strides, offset: x.storageOffset };
  return runView(asStridedOp, x, { shape: size, strides: stride, offset, of });
}

function checkReach(x: Tensor, size: Shape, stride: readonly number[], offset: number): void {
  const whole = [...size, ...stride, offset].every((n) => Number.isInteger(n) && n >= 0);
  if (size.length !== stride.length || !whole) {
    throw new ShapeError(
      `[asStrided] size ${show(size)} and stride ${show(stride)} must have the same length and be whole numbers >= 0, as the offset ${offset}`,
    );
  }
  const last = offset + size.reduce((sum, n, i) => sum + (n - 1) * (stride[i] as number), 0);
  const capacity = x.storage.nbytes / (SIZES[x.code] as number);
  if (numelOf(size) > 0 && last >= capacity) {
    throw new ShapeError(
      `[asStrided] size ${show(size)}, stride ${show(stride)}, offset ${offset} reach element ${last} of a storage of ${capacity}`,
    );
  }
}

const asStridedScatterOp = defineOp<Placed>({
  name: "CopySlices",
  forward: ([x, value], { shape, strides, offset }) => {
    const out = copyOf(x as Tensor);
    copyInto(viewOf(out, shape, strides, offset), value as Tensor);
    return out;
  },
  backward: (g, n) => {
    const into = n.shape(0);
    const of = n.attrs.of ?? { shape: into, strides: contiguousStrides(into), offset: 0 };
    const where = positions(of, n.attrs);
    const seen = where instanceof BigInt64Array ? take(g, where, n.attrs.shape) : gather(g, where);
    const rest = n.needs(0) ? zeroAt(g, where) : null; // what the view overwrote gets no gradient
    return [rest, n.needs(1) ? seen : null];
  },
});

const zeroOp = defineOp<Geometry | BigInt64Array>({
  name: "ZeroAt",
  forward: ([g], where) => {
    const out = copyOf(g as Tensor);
    if (!(where instanceof BigInt64Array)) {
      fillWith(viewOf(out, where.shape, where.strides, where.offset), 0);
      return out;
    }
    const base = address(out.storage) / (SIZES[out.code] as number);
    const target = out.code === FLOAT64 ? mem.f64 : mem.f32;
    for (const at of where) if (at >= 0n) target[base + Number(at)] = 0;
    return out;
  },
  backward: (g, n) => [zeroAt(g, n.attrs)],
});

function zeroAt(g: Tensor, where: Geometry | BigInt64Array): Tensor {
  return run(zeroOp, [g], where);
}

engineOps.asStrided = asStridedOp;
engineOps.asStridedScatter = asStridedScatterOp;
