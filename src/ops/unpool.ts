/** Max unpooling: values back at the places that a max pooling took them from, zeros elsewhere. */

import { defineOp, run } from "../autograd/op.js";
import { SIZES } from "../tensor/dtype.js";
import { ShapeError, show } from "../tensor/errors.js";
import { enqueue, GRAIN, inPieces, kernelTable } from "../tensor/launch.js";
import type { OptionNames } from "../tensor/options.js";
import { contiguous, full, ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { pickChosen } from "./chosen.js";
import { needTensor } from "./core.js";
import { checkedIndex } from "./gather.js";
import { strideAndOptions } from "./maxPool.js";
import { planesOf, volume, withSizes } from "./poolRaw.js";
import { checkRank, type Sizes, sizesOf } from "./spatial.js";

const SCATTER = kernelTable("scatter", ["1", "1", "4", "8", "4", "8"]);

const unpoolOp = defineOp<readonly number[]>({
  name: "MaxUnpool",
  saves: [1],
  forward: ([x, index], sizes) => {
    const src = contiguous(x as Tensor);
    const at = index as Tensor;
    const out = full(withSizes(src.shape, sizes), 0, src.code);
    if (src.numel === 0) return out;
    const rank = sizes.length;
    const [ins, outs] = [volume(src.shape.slice(-rank)), volume(sizes)];
    const size = SIZES[src.code] as number;
    const [from, where, to] = [ptr(src), ptr(at), ptr(out)];
    inPieces(planesOf(src.shape, rank), Math.ceil(GRAIN / (4 * ins)), (first, count) => {
      enqueue(
        SCATTER,
        src.code,
        to + first * outs * size,
        where + first * ins * 8,
        from + first * ins * size,
        count,
        outs,
        ins,
        1,
      );
    });
    return out;
  },
  backward: (g, n) => [pickChosen(g, n.input(1), n.attrs)], // y[i[o]] = x[o]
});

/** Options of max unpooling. */
export interface MaxUnpoolOptions {
  /** Stride of the pooling (default: the kernel size). */
  stride?: Sizes | null;
  /** Padding of the pooling (default 0). */
  padding?: Sizes;
  /** Sizes of the output, with or without batch and channels, where the stride leaves a choice. */
  outputSize?: readonly number[] | null;
}

const MAX_UNPOOL_OPTIONS: OptionNames<MaxUnpoolOptions> = { stride: 1, padding: 1, outputSize: 1 };

function unpooled(
  op: string,
  x: Tensor,
  rank: number,
  kernelSize: Sizes,
  o: MaxUnpoolOptions,
): readonly number[] {
  const kernel = sizesOf(op, "kernelSize", kernelSize, rank, 1);
  const stride = sizesOf(op, "stride", o.stride ?? kernel, rank, 1);
  const padding = sizesOf(op, "padding", o.padding ?? 0, rank, 0);
  const input = x.shape.slice(-rank);
  const usual = input.map(
    (n, d) => (n - 1) * (stride[d] as number) + (kernel[d] as number) - 2 * (padding[d] as number),
  );
  const given = o.outputSize;
  if (given === undefined || given === null) return usual;
  const sizes = given.length > rank ? given.slice(given.length - rank) : given;
  const fits = (n: number, d: number) => Math.abs(n - (usual[d] as number)) < (stride[d] as number);
  if (
    (given.length !== rank && given.length !== x.shape.length && given.length !== rank + 2) ||
    !sizes.every(fits)
  ) {
    throw new ShapeError(
      `[${op}] outputSize ${show(given)} does not fit: expected ${show(usual)}, give or take less than the stride ${show(stride)}`,
    );
  }
  return sizes;
}

function unpool(
  op: string,
  rank: number,
  x: Tensor,
  indices: Tensor,
  kernelSize: Sizes,
  o: MaxUnpoolOptions,
): Tensor {
  checkRank(op, x, rank);
  if (indices.shape.length !== x.shape.length || indices.shape.some((n, d) => n !== x.shape[d])) {
    throw new ShapeError(
      `[${op}] expected indices of the input's shape ${show(x.shape)}, got ${show(indices.shape)}`,
    );
  }
  const sizes = unpooled(op, x, rank, kernelSize, o);
  if (sizes.some((n) => n < 1))
    throw new ShapeError(`[${op}] the output would be empty, got size ${show(sizes)}`);
  return run(unpoolOp, [x, checkedIndex(op, indices, volume(sizes))], sizes);
}

/**
 * Puts each element of (N, C, L) or (C, L) at its index in zeros: a partial inverse of {@link maxPool1d}, from its
 * output and its indices. The stride may be given positionally. Source: `torch.nn.functional.max_unpool1d`.
 * @example
 * const [y, at] = maxPool1d(tensor([[1.5, 3, 2, 4]]), 2, { returnIndices: true });
 * maxUnpool1d(y, at, 2).toArray(); // [[0, 3, 0, 4]]
 * @throws IndexError for an index outside the output.
 */
export function maxUnpool1d(
  input: Tensor,
  indices: Tensor,
  kernelSize: Sizes,
  stride?: Sizes | null | MaxUnpoolOptions,
  options?: MaxUnpoolOptions,
): Tensor {
  needTensor("maxUnpool1d", input);
  needTensor("maxUnpool1d", indices, "indices");
  return unpool(
    "maxUnpool1d",
    1,
    input,
    indices,
    kernelSize,
    strideAndOptions("maxUnpool1d", stride, options, MAX_UNPOOL_OPTIONS),
  );
}

/** As {@link maxUnpool1d} for a image (N, C, H, W) or (C, H, W). Source: `torch.nn.functional.max_unpool2d`. */
export function maxUnpool2d(
  input: Tensor,
  indices: Tensor,
  kernelSize: Sizes,
  stride?: Sizes | null | MaxUnpoolOptions,
  options?: MaxUnpoolOptions,
): Tensor {
  needTensor("maxUnpool2d", input);
  needTensor("maxUnpool2d", indices, "indices");
  return unpool(
    "maxUnpool2d",
    2,
    input,
    indices,
    kernelSize,
    strideAndOptions("maxUnpool2d", stride, options, MAX_UNPOOL_OPTIONS),
  );
}

/** As {@link maxUnpool1d} for a volume (N, C, D, H, W) or (C, D, H, W). Source: `torch.nn.functional.max_unpool3d`. */
export function maxUnpool3d(
  input: Tensor,
  indices: Tensor,
  kernelSize: Sizes,
  stride?: Sizes | null | MaxUnpoolOptions,
  options?: MaxUnpoolOptions,
): Tensor {
  needTensor("maxUnpool3d", input);
  needTensor("maxUnpool3d", indices, "indices");
  return unpool(
    "maxUnpool3d",
    3,
    input,
    indices,
    kernelSize,
    strideAndOptions("maxUnpool3d", stride, options, MAX_UNPOOL_OPTIONS),
  );
}
