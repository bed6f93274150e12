/** Max pooling over windows in one to three dimensions. */
import { defineMultiOp, defineOp, run, runMulti } from "../autograd/op.js";
import { INT32, INT64, isFloat, UINT8 } from "../tensor/dtype.js";
import { DTypeError } from "../tensor/errors.js";
import { type KernelTable, kernelTable } from "../tensor/launch.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { contiguous, empty, ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { putChosen } from "./chosen.js";
import { needTensor } from "./core.js";
import {
  overPlanes,
  type PoolGeometry,
  planesOf,
  poolDescriptor,
  poolGeometry,
  volume,
  type WindowOptions,
  withSizes,
} from "./poolRaw.js";
import { checkChannels, checkRank, type Sizes } from "./spatial.js";

/** The kernels of a max pooling: without gradient or with int64 indices, and with int32 indices. */
export interface MaxKernels {
  readonly plain: KernelTable;
  readonly compact: KernelTable;
}

/** @internal */
export interface MaxAttrs {
  readonly kernels: MaxKernels;
  readonly geometry: PoolGeometry;
}

const WINDOWS: MaxKernels = { plain: kernelTable("maxPool"), compact: kernelTable("maxPoolCompact") };

const SQUARE = kernelTable("maxPool2x2");

/** Whether the windows are of 2 x 2 and lie side by side inside the input. */
function isSquare({ kernels, geometry: g }: MaxAttrs): boolean {
  return (
    kernels === WINDOWS &&
    g.input.length === 2 &&
    g.kernel.every((k) => k === 2) &&
    g.stride.every((s) => s === 2) &&
    g.padding.every((p) => p === 0) &&
    g.dilation.every((d) => d === 1) &&
    g.output.every((n, d) => n === (g.input[d] as number) >> 1)
  );
}

/** As {@link forward} for such windows; the second result says which of the four it was (uint8). */
function forwardSquare(x: Tensor, g: PoolGeometry, recording: boolean): [Tensor, Tensor | null] {
  const src = contiguous(x);
  const shape = withSizes(x.shape, g.output);
  const out = empty(shape, x.code);
  const which = recording ? empty(shape, UINT8) : null;
  if (out.numel === 0) return [out, which];
  const pointers = [ptr(src), ptr(out), which === null ? 0 : ptr(which)];
  overPlanes(SQUARE, x.code, pointers, g.input, planesOf(x.shape, 2), volume(g.input));
  return [out, which];
}

function forward(
  x: Tensor,
  { kernels, geometry: g }: MaxAttrs,
  indices: "none" | "int32" | "int64",
): [Tensor, Tensor | null] {
  const src = contiguous(x);
  const shape = withSizes(x.shape, g.output);
  const out = empty(shape, x.code);
  const index = indices === "none" ? null : empty(shape, indices === "int32" ? INT32 : INT64);
  if (out.numel === 0) return [out, index];
  const pointers = [ptr(src), ptr(out), index === null ? 0 : ptr(index)];
  const table = indices === "int32" ? kernels.compact : kernels.plain;
  const work = volume(g.output) * Math.max(2, volume(g.kernel));
  overPlanes(table, x.code, pointers, [poolDescriptor(g)], planesOf(x.shape, g.input.length), work);
  return [out, index];
}

const maxPoolOp = defineOp<MaxAttrs>({
  name: "MaxPool",
  forward: ([x], attrs, ctx) => {
    const [out, index] = isSquare(attrs)
      ? forwardSquare(x as Tensor, attrs.geometry, ctx.recording)
      : forward(x as Tensor, attrs, ctx.recording ? "int32" : "none");
    if (index !== null) ctx.keep(index);
    return out;
  },
  // y[o] = x[i[o]], where i is constant between kinks
  backward: (g, n) => [putChosen(g, n.extra[0] as Tensor, n.attrs.geometry.input)],
});

const maxPoolIndicesOp = defineMultiOp<MaxAttrs>({
  name: "MaxPoolWithIndices",
  savesOutput: true,
  nonDifferentiable: [1],
  forward: ([x], attrs) => forward(x as Tensor, attrs, "int64") as Tensor[],
  backward: ([g], n) => [g ? putChosen(g, n.output(1), n.attrs.geometry.input) : null],
});

/** Options of max pooling. */
export interface MaxPoolOptions<R extends boolean = boolean> extends WindowOptions {
  /** Distance between the elements of a window (default 1). */
  dilation?: Sizes;
  /** Also give the index of each maximum, flat in its plane of the input: `[output, indices]` (default false). */
  returnIndices?: R;
}

/** @internal */
export const MAX_POOL_OPTIONS: OptionNames<MaxPoolOptions> = {
  dilation: 1,
  returnIndices: 1,
  stride: 1,
  padding: 1,
  ceilMode: 1,
};

/** What a pooling gives that may also give indices. */
export type WithIndices<R extends boolean> = R extends true ? [output: Tensor, indices: Tensor] : Tensor;

/** Runs a max pooling with or without indices. @internal */
export function runMaxPool(
  op: string,
  x: Tensor,
  attrs: MaxAttrs,
  returnIndices: boolean | undefined,
): Tensor | [Tensor, Tensor] {
  if (!isFloat(x.code))
    throw new DTypeError(`[${op}] expected a floating dtype, got ${x.dtype}; try x.to("float32")`);
  if (returnIndices === true) return runMulti(maxPoolIndicesOp, [x], attrs) as [Tensor, Tensor];
  return run(maxPoolOp, [x], attrs);
}

/** The stride positional or among the options. @internal */
export function strideAndOptions<O extends WindowOptions>(
  op: string,
  stride: Sizes | null | O | undefined,
  options: O | undefined,
  names: OptionNames<O>,
): O {
  checkNames(op, stride, names);
  checkOptions(op, options, names);
  if (typeof stride === "number" || Array.isArray(stride)) return { ...options, stride } as O;
  if (options === undefined) return (stride ?? {}) as O;
  return { ...(stride as O | null | undefined), ...options };
}

function maxPoolNd(
  op: string,
  rank: number,
  x: Tensor,
  kernelSize: Sizes,
  o: MaxPoolOptions,
): Tensor | [Tensor, Tensor] {
  checkRank(op, x, rank);
  checkChannels(op, x, rank);
  const geometry = poolGeometry(op, x.shape, rank, kernelSize, o);
  return runMaxPool(op, x, { kernels: WINDOWS, geometry }, o.returnIndices);
}

/**
 * The maximum of each window of a signal (N, C, L) or (C, L). NaN counts as largest. The stride (default: the kernel
 * size) may be given positionally. Source: `torch.nn.functional.max_pool1d`.
 * @throws ValueError when the padding exceeds half of the kernel size.
 */
export function maxPool1d<R extends boolean = false>(
  input: Tensor,
  kernelSize: Sizes,
  stride?: Sizes | null | MaxPoolOptions<R>,
  options?: MaxPoolOptions<R>,
): WithIndices<R> {
  needTensor("maxPool1d", input);
  return maxPoolNd(
    "maxPool1d",
    1,
    input,
    kernelSize,
    strideAndOptions("maxPool1d", stride, options, MAX_POOL_OPTIONS),
  ) as WithIndices<R>;
}

/**
 * The maximum of each window of an image (N, C, H, W) or (C, H, W), as {@link maxPool1d}.
 * Source: `torch.nn.functional.max_pool2d`.
 * @example
 * maxPool2d(arange(16).to("float32").reshape([1, 4, 4]), 2).toArray(); // [[[5, 7], [13, 15]]]
 */
export function maxPool2d<R extends boolean = false>(
  input: Tensor,
  kernelSize: Sizes,
  stride?: Sizes | null | MaxPoolOptions<R>,
  options?: MaxPoolOptions<R>,
): WithIndices<R> {
  needTensor("maxPool2d", input);
  return maxPoolNd(
    "maxPool2d",
    2,
    input,
    kernelSize,
    strideAndOptions("maxPool2d", stride, options, MAX_POOL_OPTIONS),
  ) as WithIndices<R>;
}

/**
 * The maximum of each window of a volume (N, C, D, H, W) or (C, D, H, W), as {@link maxPool1d}.
 * Source: `torch.nn.functional.max_pool3d`.
 */
export function maxPool3d<R extends boolean = false>(
  input: Tensor,
  kernelSize: Sizes,
  stride?: Sizes | null | MaxPoolOptions<R>,
  options?: MaxPoolOptions<R>,
): WithIndices<R> {
  needTensor("maxPool3d", input);
  return maxPoolNd(
    "maxPool3d",
    3,
    input,
    kernelSize,
    strideAndOptions("maxPool3d", stride, options, MAX_POOL_OPTIONS),
  ) as WithIndices<R>;
}
