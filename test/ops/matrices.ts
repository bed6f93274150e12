/** What the tests of matrices share. */
import { expect } from "vitest";
import { eye as identity, type Tensor, tensor } from "../../src/index.js";

/** A float64 tensor. */
export const f64 = (data: number[] | number[][]) => tensor(data, { dtype: "float64" });
export const numbers = (t: Tensor) => Array.from(t.toTypedArray() as ArrayLike<number>, Number);

/** Largest distance between elements. */
export function distance(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  return a.numel === 0 ? 0 : a.sub(b).abs().max().item();
}

/** Close relative to the largest element of b, or to 1. */
export function expectClose(a: Tensor, b: Tensor, bound = 1e-10): void {
  const scale = b.numel === 0 ? 1 : Math.max(1, b.abs().max().item());
  expect(distance(a, b)).toBeLessThan(bound * scale);
}

export const eye = (n: number, batch: readonly number[] = []) =>
  identity(n, { dtype: "float64" }).expand([...batch, n, n]);

/** The columns are orthonormal. */
export const orthonormal = (q: Tensor, bound = 1e-10) =>
  expectClose(q.mT.matmul(q), eye(q.shape.at(-1) as number, q.shape.slice(0, -2)), bound);
