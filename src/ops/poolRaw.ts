/** Pooling windows on raw tensors: geometry, the kernels' descriptor, and planes shared by threads. */
import { putInts } from "../kernels/index.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { enqueue, GRAIN, inPieces, type KernelTable } from "../tensor/launch.js";
import type { Shape } from "../tensor/shape.js";
import { type Sizes, sizesOf } from "./spatial.js";

/** Windows over the last dimensions of a tensor; all before them are planes of their own. */
export interface PoolGeometry {
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly countIncludePad: boolean;
  /** 0 for none. */
  readonly divisor: number;
}

/** Options that all pooling over windows shares. */
export interface WindowOptions {
  /** Distance between neighbouring windows (default: the kernel size). */
  stride?: Sizes | null;
  /** Implicit border on both sides, at most half the kernel size (default 0). */
  padding?: Sizes;
  /** Also use windows that start inside the input, or its left border, and end beyond (default false). */
  ceilMode?: boolean;
}

interface Windows extends WindowOptions {
  dilation?: Sizes;
  countIncludePad?: boolean;
  divisorOverride?: number | null;
}

/** Number of windows along a dimension. */
function windows(n: number, k: number, s: number, p: number, d: number, ceil: boolean): number {
  const span = n + 2 * p - d * (k - 1) - 1;
  if (!ceil) return Math.floor(span / s) + 1;
  const count = Math.ceil(span / s) + 1;
  return (count - 1) * s >= n + p ? count - 1 : count; // the last window must start inside
}

/** The windows of a pooling over the last `rank` dimensions of `shape`. Throws where they do not fit. */
export function poolGeometry(
  op: string,
  shape: Shape,
  rank: number,
  kernelSize: Sizes,
  o: Windows,
): PoolGeometry {
  const kernel = sizesOf(op, "kernelSize", kernelSize, rank, 1);
  const given =
    o.stride === undefined || o.stride === null || (typeof o.stride !== "number" && o.stride.length === 0)
      ? kernel
      : o.stride;
  const stride = sizesOf(op, "stride", given, rank, 1);
  const padding = sizesOf(op, "padding", o.padding ?? 0, rank, 0);
  const dilation = sizesOf(op, "dilation", o.dilation ?? 1, rank, 1);
  if (padding.some((p, d) => p > (kernel[d] as number) / 2)) {
    throw new ValueError(
      `[${op}] padding must be at most half of the kernel size: got padding ${show(padding)}, kernel size ${show(kernel)}`,
    );
  }
  const input = shape.slice(-rank);
  const output = input.map((n, d) => {
    const [k, s, p, r] = [kernel[d], stride[d], padding[d], dilation[d]] as [number, number, number, number];
    return windows(n, k, s, p, r, o.ceilMode === true);
  });
  if (output.some((n) => n < 1) || input.some((n) => n < 1)) {
    throw new ShapeError(
      `[${op}] the input is too small: got ${show(shape)}, which has no place for kernel size ${show(kernel)} ` +
        `with padding ${show(padding)} and dilation ${show(dilation)}`,
    );
  }
  const divisor = o.divisorOverride ?? null;
  if (divisor !== null && (!Number.isInteger(divisor) || divisor === 0)) {
    throw new ValueError(`[${op}] divisorOverride must be a whole number other than 0, got ${divisor}`);
  }
  return {
    input,
    output,
    kernel,
    stride,
    padding,
    dilation,
    countIncludePad: o.countIncludePad ?? true,
    divisor: divisor ?? 0,
  };
}

/** A geometry as the kernels read it: three dimensions, leading ones of size 1. */
export function poolDescriptor(g: PoolGeometry): number {
  const three = (list: readonly number[], lead: number) => [
    ...new Array<number>(3 - list.length).fill(lead),
    ...list,
  ];
  return putInts([
    ...three(g.input, 1),
    ...three(g.output, 1),
    ...three(g.kernel, 1),
    ...three(g.stride, 1),
    ...three(g.padding, 0),
    ...three(g.dilation, 1),
    g.countIncludePad ? 1 : 0,
    g.divisor,
  ]);
}

/** Elements of a box of the given sizes. */
export const volume = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** A shape with its last dimensions replaced by `sizes`. */
export function withSizes(shape: Shape, sizes: readonly number[]): number[] {
  return [...shape.slice(0, shape.length - sizes.length), ...sizes];
}

/** Calls `kernel(pointers..., extra..., first plane, end)` in pieces; `work` is the cost of a plane in additions. */
export function overPlanes(
  table: KernelTable,
  code: number,
  pointers: readonly number[],
  extra: readonly number[],
  planes: number,
  work: number,
): void {
  inPieces(planes, Math.ceil(GRAIN / Math.max(1, work)), (first, count) => {
    enqueue(table, code, ...pointers, ...extra, first, first + count);
  });
}

/** Number of planes of a tensor whose last `rank` dimensions are pooled. */
export function planesOf(shape: Shape, rank: number): number {
  return volume(shape.slice(0, shape.length - rank));
}
