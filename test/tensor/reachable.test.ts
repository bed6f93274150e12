/** Garbage is recognised in synchronous code, and nothing that is reachable ever is. */
import v8 from "node:v8";
import { afterEach, describe, expect, test, vi } from "vitest";
import { full, memory, noGrad, ones, setMemoryLimit, type Tensor } from "../../src/index.js";
import { canSurvey, type Lease, type Leased, lease, surveyAfter } from "../../src/tensor/reachable.js";

const MIB = 1024 * 1024;

afterEach(() => setMemoryLimit(256 * MIB));

const drop = (_: Lease) => null;
const region = (): Leased => ({ seen: 0, data: null });

describe("survey", () => {
  test("Node has the means", () => {
    expect(canSurvey).toBe(true);
  });

  for (const kind of ["minor", "major"] as const) {
    test(`after a ${kind} collection it finds the leases that are held, and no others`, () => {
      const regions = Array.from({ length: 100 }, region);
      const held = regions.map((r, i) => ({ lease: i % 3 === 0 ? lease(r) : drop(lease(r)) }));
      const found = surveyAfter(kind);
      expect(found).not.toBeNull();
      regions.forEach((r, i) => {
        expect(r.seen === found?.mark).toBe(held[i]?.lease !== null);
      });
    });
  }

  test("a region is reachable as long as one of its leases is held", () => {
    const both = region();
    const [first, second] = [lease(both), lease(both)];
    const holders: (Lease | null)[] = [first, second];
    holders[0] = null;
    expect(surveyAfter("major")?.mark).toBe(both.seen);
    expect(holders[1]).toBe(second);
  });

  test("close to the end of the stack it says nothing, or the whole truth", () => {
    const regions = Array.from({ length: 50 }, region);
    const held = regions.map(lease);
    const answers: (boolean | null)[] = [];
    const ask = () => {
      const found = surveyAfter("minor");
      answers.push(found === null ? null : regions.every((r) => r.seen === found.mark));
    };
    const dive = (): void => {
      try {
        dive();
      } catch (full) {
        // On the way back there is a little more room at each call.
        try {
          if (answers.length < 300) ask();
        } catch {
          // None for the question itself.
        }
        throw full;
      }
    };
    expect(dive).toThrow(RangeError);
    expect(answers).toContain(true);
    expect(answers).not.toContain(false);
    expect(held.length).toBe(50);
  });
});

describe("the heap", () => {
  test("large garbage is collected beside the kernels, far below the limit; what is held stays", () => {
    setMemoryLimit(256 * MIB);
    const held = Array.from({ length: 3 }, (_, i) => ones([MIB / 4]).mul(i));
    const b = ones([MIB]);
    let sum = b;
    let most = 0;
    for (let i = 0; i < 300; i++) {
      sum = sum.add(b); // 1,200 MiB in all
      most = Math.max(most, memory().resident);
    }
    expect(most).toBeLessThan(240 * MIB);
    expect(sum.toTypedArray().every((v) => v === 301)).toBe(true);
    held.forEach((t, i) => {
      expect(t.toTypedArray().every((v) => v === i)).toBe(true);
    });
  });

  test("between steps garbage is collected before V8's young generation is full", () => {
    const used = () =>
      v8.getHeapSpaceStatistics().find((space) => space.space_name === "new_space")?.space_used_size ?? 0;
    const x = ones([8, 8]);
    const w = ones([8, 8], { requiresGrad: true });
    surveyAfter("minor");
    let most = 0;
    for (let i = 0; i < 5000; i++) {
      x.matmul(w).relu().sum().backward();
      w.grad = null;
      if (i % 100 === 0) most = Math.max(most, used());
    }
    expect(most).toBeLessThan(13 * MIB); // V8 would collect at 16 MiB by itself
  });

  test("garbage in a loop that never yields is freed where it is", () => {
    setMemoryLimit(16 * MIB);
    const x = ones([MIB / 4]);
    for (let i = 0; i < 100; i++) x.add(i);
    const before = memory().evictions;
    for (let i = 0; i < 1000; i++) x.add(i);
    expect(memory().resident).toBeLessThanOrEqual(16 * MIB);
    // Without collections all 1,000 would move; how many do depends on how busy the machine is.
    expect(memory().evictions - before).toBeLessThan(700);
  });

  test("garbage of small tensors too", () => {
    setMemoryLimit(4 * MIB);
    const x = ones([16]);
    for (let i = 0; i < 10_000; i++) x.add(i);
    const before = memory().evictions;
    for (let i = 0; i < 500_000; i++) x.add(i);
    // They fill 488 slabs.
    expect(memory().evictions - before).toBeLessThan(350);
  });

  test("whatever is reachable, by a view, a closure or a graph, keeps its elements", () => {
    setMemoryLimit(6 * MIB);
    const sizes = [1, 7, 300, 5000, 20_000, 100_000];
    const kept: { value: number; read: () => Tensor }[] = [];
    const ways: ((t: Tensor) => () => Tensor)[] = [
      (t) => () => t,
      (t) => {
        const view = t.narrow(0, t.numel - 1, 1);
        return () => view;
      },
      (t) => {
        const map = new Map([["key", { t: t.unsqueeze(0) }]]);
        return () => (map.get("key") as { t: Tensor }).t;
      },
      (t) => {
        // The graph alone holds t: the gradient of the leaf is t.
        const leaf = ones([t.numel], { requiresGrad: true });
        const product = leaf.mul(t).sum();
        return () => {
          leaf.grad = null;
          product.backward({ retainGraph: true });
          return leaf.grad as Tensor | null as Tensor;
        };
      },
    ];
    for (let i = 0; i < 1500; i++) {
      const size = sizes[i % sizes.length] as number;
      const t = full([size], i);
      if (i % 5 === 0)
        kept.push({ value: i, read: (ways[(i / 5) % ways.length] as (t: Tensor) => () => Tensor)(t) });
      noGrad(() => t.add(0.5).mul(-1));
      if (kept.length > 40) kept.splice((i * 7) % kept.length, 1);
      if (i % 50 === 0)
        for (const { value, read } of kept) {
          const t = read();
          expect([t.min().item(), t.max().item()]).toEqual([value, value]);
        }
    }
  });

  test("an engine that shows neither evicts instead, with the same results", async () => {
    const { getBuiltinModule } = process;
    vi.resetModules();
    process.getBuiltinModule = (() => undefined) as unknown as typeof getBuiltinModule;
    try {
      const reachable = await import("../../src/tensor/reachable.js");
      const bare = await import("../../src/index.js");
      expect(reachable.canSurvey).toBe(false);
      bare.setMemoryLimit(4 * MIB);
      let held = bare.ones([MIB / 4]);
      for (let i = 0; i < 50; i++) held = held.add(1);
      expect(held.min().item()).toBe(51);
      expect(held.max().item()).toBe(51);
      expect(bare.memory().evictions).toBeGreaterThan(40);
      expect(bare.memory().resident).toBeLessThanOrEqual(4 * MIB);
    } finally {
      process.getBuiltinModule = getBuiltinModule;
      vi.resetModules();
    }
  });
});
