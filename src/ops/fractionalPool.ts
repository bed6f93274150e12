/** Fractional max pooling: windows at pseudo-random places, with any ratio of sizes (Graham, arXiv 1412.6071). */

import { defineMultiOp, runMulti } from "../autograd/op.js";
import { putInts } from "../kernels/index.js";
import { FLOAT32, INT32, INT64, isFloat } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { release } from "../tensor/heap.js";
import { kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { rand } from "../tensor/random.js";
import { contiguous, empty, fromTyped, ptr, toNumbers } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { putChosen } from "./chosen.js";
import { needTensor } from "./core.js";
import type { WithIndices } from "./maxPool.js";
import { overPlanes, planesOf, volume, withSizes } from "./poolRaw.js";
import { checkRank, type Sizes, sizesOf } from "./spatial.js";

const FRACTIONAL = kernelTable("fractionalMaxPool");

interface Fractional {
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly kernel: readonly number[];
  /** For each plane the first inputs of the windows, all of a dimension after those of the one before. */
  readonly starts: Int32Array;
}

const fractionalOp = defineMultiOp<Fractional>({
  name: "FractionalMaxPool",
  savesOutput: true,
  nonDifferentiable: [1],
  forward: ([x], { input, output, kernel, starts }) => {
    const src = contiguous(x as Tensor);
    const shape = withSizes(src.shape, output);
    const out = empty(shape, src.code);
    const index = empty(shape, INT64);
    if (out.numel === 0) return [out, index];
    const table = fromTyped(starts, [starts.length], INT32);
    const three = (list: readonly number[]) => [...new Array<number>(3 - list.length).fill(1), ...list];
    const desc = putInts([...three(input), ...three(output), ...three(kernel)]);
    const work = volume(output) * volume(kernel);
    const pointers = [ptr(src), ptr(out), ptr(index), desc, ptr(table)];
    overPlanes(FRACTIONAL, src.code, pointers, [], planesOf(shape, input.length), work);
    release(table.storage);
    return [out, index];
  },
  backward: ([g], n) => [g ? putChosen(g, n.output(1), n.attrs.input) : null],
});

/** Options of fractional max pooling. */
export interface FractionalMaxPoolOptions<R extends boolean = boolean> {
  /** Size of the output; either this or a ratio. */
  outputSize?: Sizes | null;
  /** Size of the output as a fraction of the input's. */
  outputRatio?: number | readonly number[] | null;
  /** Also give the index of each maximum, flat in its plane of the input: `[output, indices]` (default false). */
  returnIndices?: R;
  /** Draws from [0, 1) that place the windows, shape (N, C, spatial dimensions); new ones by default. */
  _randomSamples?: Tensor | null;
}

/** @internal */
export const FRACTIONAL_MAX_POOL_OPTIONS: OptionNames<FractionalMaxPoolOptions> = {
  outputSize: 1,
  outputRatio: 1,
  returnIndices: 1,
  _randomSamples: 1,
};

/** First inputs of the windows along a dimension, computed in the precision of the samples. */
function intervals(
  sample: number,
  n: number,
  out: number,
  kernel: number,
  into: Int32Array,
  at: number,
  round: (v: number) => number,
): void {
  const alpha = round((n - kernel) / (out - 1));
  for (let i = 0; i < out - 1; i++) {
    into[at + i] = Math.trunc(round(round(i + sample) * alpha)) - Math.trunc(round(sample * alpha));
  }
  into[at + out - 1] = n - kernel;
}

function outputOf(op: string, input: readonly number[], o: FractionalMaxPoolOptions): readonly number[] {
  const rank = input.length;
  if (o.outputSize !== undefined && o.outputSize !== null)
    return sizesOf(op, "outputSize", o.outputSize, rank, 1);
  const ratio = o.outputRatio;
  if (ratio === undefined || ratio === null)
    throw new ValueError(`[${op}] neither outputSize nor outputRatio was given; try one of them`);
  const list = typeof ratio === "number" ? [ratio] : ratio;
  if (list.length !== 1 && list.length !== rank)
    throw new ValueError(`[${op}] outputRatio must be 1 or ${rank} numbers, got ${show(list)}`);
  return input.map((n, d) => Math.trunc(n * (list[list.length === 1 ? 0 : d] as number)));
}

function fractional(
  op: string,
  rank: number,
  x: Tensor,
  kernelSize: Sizes,
  o: FractionalMaxPoolOptions,
): Tensor | [Tensor, Tensor] {
  checkRank(op, x, rank);
  if (!isFloat(x.code))
    throw new DTypeError(`[${op}] expected a floating dtype, got ${x.dtype}; try x.to("float32")`);
  const kernel = sizesOf(op, "kernelSize", kernelSize, rank, 1);
  const input = x.shape.slice(-rank);
  const output = outputOf(op, input, o);
  if (output.some((n, d) => n < 1 || n + (kernel[d] as number) - 1 > (input[d] as number))) {
    throw new ShapeError(
      `[${op}] windows of size ${show(kernel)} do not fit: got input ${show(x.shape)} and output size ${show(output)}, ` +
        "expected output size + kernel size - 1 <= input size",
    );
  }
  const batch = x.shape.length === rank + 2 ? (x.shape[0] as number) : 1;
  const channels = x.shape[x.shape.length - rank - 1] as number;
  const samples = o._randomSamples ?? rand([batch, channels, rank], { dtype: x.dtype });
  const [first, second, third] = samples.shape;
  const enough =
    samples.shape.length === 3 && (first as number) >= batch && second === channels && third === rank;
  if (samples.code !== x.code || !enough) {
    throw new ShapeError(
      `[${op}] expected _randomSamples of dtype ${x.dtype} and shape ${show([batch, channels, rank])}, ` +
        `got ${samples.dtype}${show(samples.shape)}`,
    );
  }
  const values = toNumbers(samples);
  const planes = batch * channels;
  const lengths = [...new Array<number>(3 - rank).fill(1), ...output];
  const starts = new Int32Array(planes * lengths.reduce((a, b) => a + b, 0));
  const round = x.code === FLOAT32 ? Math.fround : (v: number) => v;
  let at = 0;
  for (let p = 0; p < planes; p++) {
    at += 3 - rank;
    for (let d = 0; d < rank; d++) {
      // Images take their first sample for the width, volumes for the depth.
      const sample = values[p * rank + (rank === 2 ? 1 - d : d)] as number;
      intervals(sample, input[d] as number, output[d] as number, kernel[d] as number, starts, at, round);
      at += output[d] as number;
    }
  }
  const [out, index] = runMulti(fractionalOp, [x], { input, output, kernel, starts }) as [Tensor, Tensor];
  return o.returnIndices === true ? [out, index] : out;
}

/**
 * Maxima over windows at pseudo-random places of an image (N, C, H, W) or (C, H, W): `outputSize` of them, or
 * `outputRatio` times the size of the input. Source: `torch.nn.functional.fractional_max_pool2d`.
 * @example
 * fractionalMaxPool2d(randn([1, 3, 9, 9]), 2, { outputSize: 5 }).shape; // [1, 3, 5, 5]
 * @throws ValueError when neither size nor ratio is given.
 */
export function fractionalMaxPool2d<R extends boolean = false>(
  input: Tensor,
  kernelSize: Sizes,
  options: FractionalMaxPoolOptions<R> = {},
): WithIndices<R> {
  needTensor("fractionalMaxPool2d", input);
  checkOptions("fractionalMaxPool2d", options, FRACTIONAL_MAX_POOL_OPTIONS);
  return fractional("fractionalMaxPool2d", 2, input, kernelSize, options) as WithIndices<R>;
}

/**
 * As {@link fractionalMaxPool2d} for a volume (N, C, D, H, W) or (C, D, H, W).
 * Source: `torch.nn.functional.fractional_max_pool3d`.
 */
export function fractionalMaxPool3d<R extends boolean = false>(
  input: Tensor,
  kernelSize: Sizes,
  options: FractionalMaxPoolOptions<R> = {},
): WithIndices<R> {
  needTensor("fractionalMaxPool3d", input);
  checkOptions("fractionalMaxPool3d", options, FRACTIONAL_MAX_POOL_OPTIONS);
  return fractional("fractionalMaxPool3d", 3, input, kernelSize, options) as WithIndices<R>;
}
