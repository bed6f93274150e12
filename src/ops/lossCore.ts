/** What losses share: the reduction, and full sums of raw data in chunks of fixed length. */

import { mem } from "../kernels/index.js";
import { category, FLOAT64, isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { release } from "../tensor/heap.js";
import { enqueue, inPieces, type KernelTable, kernelFor } from "../tensor/launch.js";
import type { OptionNames } from "../tensor/options.js";
import { empty, ptr, scalarPtr } from "../tensor/raw.js";
import { sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { promote } from "./core.js";
import { mean, sum } from "./sum.js";

/** What becomes of the losses of single elements: their mean, their sum, or all of them as they are. */
export type Reduction = "mean" | "sum" | "none";

/** Options of losses. */
export interface LossOptions {
  /** "mean" (default), "sum", or "none" for a loss per element. */
  reduction?: Reduction;
}

/** @internal */
export const LOSS_OPTIONS: OptionNames<LossOptions> = { reduction: 1 };

/** The reduction of some options, "mean" by default; throws on any other word. @internal */
export function reductionOf(op: string, options: LossOptions): Reduction {
  const r: unknown = options.reduction ?? "mean";
  if (r === "mean" || r === "sum" || r === "none") return r;
  throw new ValueError(`[${op}] reduction ${JSON.stringify(r)}: expected "mean", "sum" or "none"`);
}

/** Applies a reduction to losses per element. @internal */
export function reduceLoss(losses: Tensor, reduction: Reduction): Tensor {
  return reduction === "none" ? losses : reduction === "sum" ? sum(losses) : mean(losses);
}

/** Throws unless the dtype is a floating one. @internal */
export function checkFloat(op: string, what: string, x: Tensor): void {
  if (!isFloat(x.code)) {
    throw new DTypeError(
      `[${op}] expected a floating ${what}, got ${nameOf(x.code)}; try ${what}.to("float32")`,
    );
  }
}

/** Throws unless the dtype of the input, which is the loss's, can hold numbers of the target's. @internal */
export function checkHolds(op: string, input: Tensor, target: Tensor): void {
  const code = promote(input, target);
  if (category(code) > category(input.code)) {
    throw new DTypeError(
      `[${op}] the loss has the dtype of the input, ${nameOf(input.code)}, which does not hold ${nameOf(code)}; try input.to("${nameOf(code)}")`,
    );
  }
}

/** Throws unless the target has the shape of the input. @internal */
export function checkSameSize(op: string, input: Tensor, target: Tensor): void {
  if (sameShape(input.shape, target.shape)) return;
  throw new ShapeError(
    `[${op}] the target has shape ${show(target.shape)}, expected ${show(input.shape)}, the shape of the input`,
  );
}

/** Elements per partial sum: fixed, so that the bits do not depend on the threads. */
const CHUNK = 65536;

/** Sum in float64 that `kernel(inputs..., partials, ...between, chunk, first, count, ...params)` takes of raw data. @internal */
export function chunkedSum(
  table: KernelTable,
  inputs: readonly Tensor[],
  between: readonly number[],
  params: readonly number[] = [],
): number {
  const { numel: n, code } = inputs[0] as Tensor;
  if (n === 0) return 0;
  const parts = Math.ceil(n / CHUNK);
  if (parts === 1) {
    const at = scalarPtr(0, FLOAT64);
    kernelFor(table, code)(...inputs.map(ptr), at, ...between, CHUNK, 0, 1, ...params);
    return mem.f64[at / 8] as number;
  }
  const partials = empty([parts], FLOAT64);
  const to = ptr(partials);
  const from = inputs.map(ptr);
  inPieces(parts, 1, (first, count) =>
    enqueue(table, code, ...from, to, ...between, CHUNK, first, count, ...params),
  );
  let total = 0;
  for (let i = 0; i < parts; i++) total += mem.f64[to / 8 + i] as number;
  release(partials.storage);
  return total;
}

/** Frees a contiguous copy that was made of `x` for one kernel call. @internal */
export function freeCopy(copy: Tensor, x: Tensor): void {
  if (copy.storage !== x.storage) release(copy.storage);
}
