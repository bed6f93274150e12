/** Batches that lie on several ranks, and what the cases of SyncBatchNorm share. */
import { type nn, noGrad, type Tensor, tensor, zeros } from "kindling";
import { allReduce, type ProcessGroup } from "kindling/distributed";

export type Float = "float32" | "float64";

/** A tensor of numbers in [-2, 2] that look random, the same on every rank. */
export function make(shape: readonly number[], seed: number, dtype: Float = "float64"): Tensor {
  let s = (seed * 2654435761 + 1) >>> 0;
  const values = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    s = (Math.imul(s ^ (s >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return Math.fround(((s ^ (s >>> 13)) >>> 0) / 2 ** 30 - 2);
  });
  return tensor(values, { dtype: "float64" }).to(dtype).reshape(shape).detach();
}

/** Samples of each rank: the first of the whole batch on rank 0. */
export type Split = readonly number[];

/** This rank's samples of a tensor of all. */
export function part(t: Tensor, split: Split, rank: number): Tensor {
  const start = split.slice(0, rank).reduce((a, b) => a + b, 0);
  return t
    .narrow(0, start, split[rank] as number)
    .clone()
    .detach();
}

/** A layer with weight and bias that are not 1 and 0. */
export function prepared<L extends nn.BatchNormBase>(layer: L, dtype: Float): L {
  noGrad(() => {
    layer.weight?.copy_(make([layer.numFeatures], 91, dtype));
    layer.bias?.copy_(make([layer.numFeatures], 92, dtype));
  });
  return layer;
}

/** The sum of all ranks' tensors. */
export function sumOf(t: Tensor, group?: ProcessGroup): Tensor {
  const sum = t.clone();
  allReduce(sum, group === undefined ? {} : { group });
  return sum;
}

/** The sum of all ranks' gradients. */
export function summed(t: Tensor | null, group?: ProcessGroup): Tensor {
  return sumOf(t?.grad ?? zeros([]), group);
}

/** Errors in relation to what they are of: float32 results carry rounding of 2^-24, sums in float64 carry none. */
export const TOLERANCE = {
  float32: { rtol: 2e-5, atol: 2e-5 },
  float64: { rtol: 1e-10, atol: 1e-10 },
} as const;

export function expectEqual(got: unknown, expected: unknown): void {
  if (got !== expected) throw new Error(`got ${String(got)}, expected ${String(expected)}`);
}

/** The message of what `fn` throws. */
export function messageOf(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("expected an error");
}

export function expectMatch(text: string, pattern: RegExp): void {
  if (!pattern.test(text)) throw new Error(`got "${text}", expected ${String(pattern)}`);
}

/** Splits of a batch over so many ranks: even, uneven, one value each, empty ranks. */
export const SPLITS: Readonly<Record<number, readonly Split[]>> = {
  1: [[4], [5]],
  2: [
    [4, 4],
    [5, 3],
    [1, 1],
    [0, 6],
    [3, 0],
  ],
  3: [
    [2, 2, 2],
    [1, 5, 2],
    [1, 1, 1],
    [0, 4, 0],
  ],
  4: [
    [2, 2, 2, 2],
    [5, 1, 0, 3],
    [1, 1, 1, 1],
    [0, 0, 2, 0],
  ],
};

export const ALL = [1, 2, 3, 4];
