/** Storages that trade their memory: values change places, and lifetimes stay with the storages. */
import { afterEach, expect, test } from "vitest";
import { full, memory, setMemoryLimit } from "../../src/index.js";
import { address, trade } from "../../src/tensor/heap.js";

const MIB = 1024 * 1024;
afterEach(() => setMemoryLimit(256 * MIB));

test.each([16 * 1024, MIB])("two tensors of %i floats trade places, and survive eviction", (n) => {
  const a = full([n], 1, { dtype: "float32" });
  const b = full([n], 2, { dtype: "float32" });
  expect(trade(a.storage, b.storage)).toBe(true);
  expect([a.mean().item(), b.mean().item()]).toEqual([2, 1]);
  setMemoryLimit(0);
  expect([a.mean().item(), b.mean().item()]).toEqual([2, 1]);
});

test("garbage is freed after its memory was traded", () => {
  const n = MIB;
  const kept = full([n], -1, { dtype: "float32" });
  const { live } = memory();
  setMemoryLimit(32 * MIB);
  let most = 0;
  for (let i = 0; i < 100; i++) {
    const other = full([n], i, { dtype: "float32" });
    address(kept.storage); // back in the heap if it was moved out
    expect(trade(kept.storage, other.storage)).toBe(true);
    most = Math.max(most, memory().live - live);
  }
  expect(kept.mean().item()).toBe(99);
  // 100 tensors of 4 MiB: garbage beyond the limit and as much again is freed, whoever it was allocated for.
  expect(most).toBeLessThan(64 * MIB);
});

test("small storages, views of slabs and different sizes do not trade", () => {
  const small = [full([8], 1), full([8], 2)] as const;
  expect(trade(small[0].storage, small[1].storage)).toBe(false);
  const large = full([MIB], 1, { dtype: "float32" });
  expect(trade(large.storage, full([2 * MIB], 1, { dtype: "float32" }).storage)).toBe(false);
  expect(large.mean().item()).toBe(1);
});
