/**
 * The elements that a pooling chose, by their flat indices in each plane: picking them, and putting gradients back.
 * Each of the two is the derivative of the other, so every max pooling has gradients of all orders.
 */
import { defineOp, run } from "../autograd/node.js";
import { INT32 } from "../tensor/dtype.js";
import { kernelTable } from "../tensor/launch.js";
import { contiguous, empty, ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { overPlanes, planesOf, volume, withSizes } from "./poolRaw.js";

const PICK = kernelTable("poolPick");
const PICK_COMPACT = kernelTable("poolPickCompact");
const PUT = kernelTable("maxPoolBackward");
const PUT_COMPACT = kernelTable("maxPoolBackwardCompact");

interface Plane {
  /** The last dimensions of the tensor that the indices point into. */
  readonly sizes: readonly number[];
}

const pickOp = defineOp<Plane>({
  name: "Pick",
  saves: [1],
  forward: ([x, index], { sizes }) => {
    const [src, at] = [contiguous(x as Tensor), index as Tensor];
    const out = empty(at.shape, src.code);
    if (out.numel === 0) return out;
    const outs = volume(at.shape.slice(-sizes.length));
    const table = at.code === INT32 ? PICK_COMPACT : PICK;
    const planes = planesOf(at.shape, sizes.length);
    overPlanes(table, src.code, [ptr(src), ptr(at), ptr(out)], [volume(sizes), outs], planes, 4 * outs);
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
    const [ins, outs] = [volume(sizes), volume(at.shape.slice(-sizes.length))];
    const table = at.code === INT32 ? PUT_COMPACT : PUT;
    const planes = planesOf(at.shape, sizes.length);
    overPlanes(table, src.code, [ptr(src), ptr(at), ptr(out)], [ins, outs], planes, ins + 4 * outs);
    return out;
  },
  backward: (g, n) => [pickChosen(g, n.input(1), n.attrs.sizes)],
});

/** y[plane, o] = x[plane, index[plane, o]]: `index` (contiguous, int32 or int64) counts in planes of `sizes`. @internal */
export function pickChosen(x: Tensor, index: Tensor, sizes: readonly number[]): Tensor {
  return run(pickOp, [x, index], { sizes });
}

/** x[plane, index[plane, o]] += g[plane, o], into zeros of `sizes`. @internal */
export function putChosen(g: Tensor, index: Tensor, sizes: readonly number[]): Tensor {
  return run(putOp, [g, index], { sizes });
}
