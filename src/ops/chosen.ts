/**
 * The elements that a pooling chose, by their flat indices in each plane: picking them, and putting gradients back.
 * Each of the two is the derivative of the other, so every max pooling has gradients of all orders. Of windows of 2 x 2
 * side by side a byte says which of the four it was, in place of an index.
 */
import { defineOp, run } from "../autograd/op.js";
import { INT32, UINT8 } from "../tensor/dtype.js";
import { type KernelTable, kernelTable } from "../tensor/launch.js";
import { contiguous, empty, ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { overPlanes, planesOf, volume, withSizes } from "./poolRaw.js";

const PICK = kernelTable("poolPick");
const PICK_COMPACT = kernelTable("poolPickCompact");
const PUT = kernelTable("maxPoolBackward");
const PUT_COMPACT = kernelTable("maxPoolBackwardCompact");
const PICK_2X2 = kernelTable("poolPick2x2");
const PUT_2X2 = kernelTable("maxPool2x2Backward");

interface Plane {
  /** The last dimensions of the tensor that the indices point into. */
  readonly sizes: readonly number[];
}

/** The kernel for what `index` holds, and its arguments after the pointers. */
function chooser(
  index: Tensor,
  sizes: readonly number[],
  [wide, compact, square]: readonly [KernelTable, KernelTable, KernelTable],
): [table: KernelTable, extra: readonly number[]] {
  if (index.code === UINT8) return [square, sizes];
  return [index.code === INT32 ? compact : wide, [volume(sizes), volume(index.shape.slice(-sizes.length))]];
}

const pickOp = defineOp<Plane>({
  name: "Pick",
  saves: [1],
  forward: ([x, index], { sizes }) => {
    const [src, at] = [contiguous(x as Tensor), index as Tensor];
    const out = empty(at.shape, src.code);
    if (out.numel === 0) return out;
    const outs = volume(at.shape.slice(-sizes.length));
    const [table, extra] = chooser(at, sizes, [PICK, PICK_COMPACT, PICK_2X2]);
    const planes = planesOf(at.shape, sizes.length);
    overPlanes(table, src.code, [ptr(src), ptr(at), ptr(out)], extra, planes, 4 * outs);
    return out;
  },
  backward: (g, n) => [putChosen(g, n.input(1), n.attrs.sizes)], // y[o] = x[i[o]]
});

const putOp = defineOp<Plane>({
  name: "MaxPoolBackward",
  saves: [1],
  forward: ([g, index], { sizes }) => {
    const [src, at] = [contiguous(g as Tensor), index as Tensor];
    const out = empty(withSizes(at.shape, sizes), src.code);
    if (out.numel === 0) return out;
    const [table, extra] = chooser(at, sizes, [PUT, PUT_COMPACT, PUT_2X2]);
    const planes = planesOf(at.shape, sizes.length);
    const work = volume(sizes) + (table === PUT_2X2 ? 0 : 4 * volume(at.shape.slice(-sizes.length)));
    overPlanes(table, src.code, [ptr(src), ptr(at), ptr(out)], extra, planes, work);
    return out;
  },
  backward: (g, n) => [pickChosen(g, n.input(1), n.attrs.sizes)],
});

/**
 * y[plane, o] = x[plane, index[plane, o]]: `index` (contiguous, int32 or int64) counts in planes of `sizes`, or says
 * (uint8) which of a window of 2 x 2. @internal
 */
export function pickChosen(x: Tensor, index: Tensor, sizes: readonly number[]): Tensor {
  return run(pickOp, [x, index], { sizes });
}

/** x[plane, index[plane, o]] += g[plane, o], into zeros of `sizes`. @internal */
export function putChosen(g: Tensor, index: Tensor, sizes: readonly number[]): Tensor {
  return run(putOp, [g, index], { sizes });
}
