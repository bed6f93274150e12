/** Memory that grows between two batches of the pool: a worker's bulk copies must see the new size. */
import { expect, test } from "vitest";
import { ones, setMemoryLimit, setNumThreads, type Tensor } from "../../src/index.js";

test("copies right after each growth", () => {
  setNumThreads(2);
  setMemoryLimit(2 ** 31);
  const kept: Tensor[] = [];
  for (let i = 0; i < 60; i++) kept.push(ones([1_000_000 + 4096 * i]).clone());
  expect(kept.every((t) => t.sum().item() === t.numel)).toBe(true);
});
