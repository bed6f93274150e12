/** What ops over spatial dimensions share: sizes given once or for each dimension, batches of one. */
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { squeeze, unsqueeze } from "./view.js";

/** One whole number for all spatial dimensions, or one for each. */
export type Sizes = number | readonly number[];

/** A size for each of `rank` dimensions. Throws unless all are whole numbers of at least `low`. @internal */
export function sizesOf(
  op: string,
  name: string,
  value: Sizes,
  rank: number,
  low: number,
): readonly number[] {
  const list = typeof value === "number" ? [value] : value;
  if (!Array.isArray(list))
    throw new ValueError(`[${op}] ${name} must be a number or a list of numbers, got ${typeof value}`);
  if (list.length !== 1 && list.length !== rank) {
    const one = rank === 1 ? "1 number" : `1 or ${rank} numbers`;
    throw new ValueError(`[${op}] ${name} must be ${one}, got ${show(list)}`);
  }
  for (const n of list) {
    if (!Number.isInteger(n) || n < low) {
      throw new ValueError(
        `[${op}] ${name} must be whole numbers >= ${low}, got ${typeof value === "number" ? value : show(list)}`,
      );
    }
  }
  return list.length === rank ? list : new Array<number>(rank).fill(list[0] as number);
}

/**
 * Applies `fn` to a batch: an input of `rank` + 1 dimensions (channels first) counts as a batch of one.
 * Throws a ShapeError for any other number of dimensions. @internal
 */
export function batched(op: string, x: Tensor, rank: number, fn: (x: Tensor) => Tensor): Tensor {
  checkRank(op, x, rank);
  return x.shape.length === rank + 2 ? fn(x) : squeeze(fn(unsqueeze(x, 0)), 0);
}

/** Throws for an input without channels; a batch may be empty. @internal */
export function checkChannels(op: string, x: Tensor, rank: number): void {
  if (x.shape[x.shape.length - rank - 1] === 0)
    throw new ShapeError(`[${op}] only the batch may be empty, got shape ${show(x.shape)}`);
}

/** Throws unless the input has `rank` spatial dimensions, channels and perhaps a batch. @internal */
export function checkRank(op: string, x: Tensor, rank: number): void {
  const dims = x.shape.length;
  if (dims !== rank + 1 && dims !== rank + 2) {
    throw new ShapeError(
      `[${op}] expected an input of ${rank + 1} (one image) or ${rank + 2} dimensions (a batch), got shape ${show(x.shape)}`,
    );
  }
}
