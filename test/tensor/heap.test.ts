/** The heap: nobody disposes, eviction changes nothing, scopes free early, memory stays flat. */
import { afterEach, describe, expect, test } from "vitest";
import {
  keep,
  memory,
  noGrad,
  ones,
  randn,
  scope,
  setMemoryLimit,
  type Tensor,
  tensor,
} from "../../src/index.js";

const MIB = 1024 * 1024;

afterEach(() => setMemoryLimit(256 * MIB));

describe("eviction", () => {
  test("under a limit of nothing, where everything is evicted all the time, results are the same", () => {
    const compute = () => {
      const x = tensor(
        [
          [1, 2, 3],
          [4, 5, 6.5],
        ],
        { dtype: "float64", requiresGrad: true },
      );
      const w = tensor(
        [
          [0.5, -1],
          [2, 0.25],
          [1, 1],
        ],
        { dtype: "float64", requiresGrad: true },
      );
      const big = ones([300, 200], { dtype: "float64" });
      let y = x
        .matmul(w)
        .exp()
        .log()
        .add(x.sum(1, { keepdim: true }));
      for (let i = 0; i < 5; i++) y = y.mul(big.mean()).sub(big.select(0, i).sum().div(1000));
      y.mul(y).sum().backward();
      return [y.toArray(), x.grad?.toArray(), w.grad?.toArray()];
    };
    const expected = compute();
    setMemoryLimit(0);
    const before = memory().evictions;
    expect(compute()).toEqual(expected);
    expect(memory().evictions).toBeGreaterThan(before);
  });

  test("kept tensors survive any amount of garbage", () => {
    setMemoryLimit(8 * MIB);
    const kept = Array.from({ length: 200 }, (_, i) => ones([100]).mul(i));
    for (let i = 0; i < 200; i++) ones([MIB / 4]).add(1);
    kept.forEach((t, i) => {
      expect(t.sum().item()).toBe(100 * i);
    });
    expect(memory().resident).toBeLessThanOrEqual(10 * MIB);
  });

  test("the heap's size is bounded in a loop that never yields", () => {
    setMemoryLimit(16 * MIB);
    for (let i = 0; i < 500; i++)
      randn([MIB / 8])
        .add(1)
        .mul(2);
    expect(memory().resident).toBeLessThanOrEqual(18 * MIB);
  });

  test("what was used least recently goes first", () => {
    setMemoryLimit(0); // everything leaves
    setMemoryLimit(8 * MIB);
    const tensors = Array.from({ length: 6 }, () => ones([MIB / 4])); // 6 MiB
    tensors[0]?.add_(1);
    tensors[1]?.add_(1);
    const others = [ones([MIB / 4]), ones([MIB / 4]), ones([MIB / 4])];
    const inHeap = (t: Tensor | undefined): boolean => t?.storage.region?.ptr !== 0;
    expect([tensors[0], tensors[1], ...others].every(inHeap)).toBe(true);
    expect(inHeap(tensors[2])).toBe(false);
    expect(tensors[2]?.at(0).item()).toBe(1);
    expect(inHeap(tensors[2])).toBe(true);
  });
});

describe("scope", () => {
  test("frees what is made inside, not what is returned, kept or a gradient", () => {
    const x = ones([1000], { requiresGrad: true });
    let kept: Tensor | undefined;
    let lost: Tensor | undefined;
    const out = scope(() => {
      lost = x.mul(2);
      kept = keep(x.mul(3));
      const y = x.mul(4);
      y.sum().backward();
      return { y: y.detach() };
    });
    expect(out.y.select(0, 0).item()).toBe(4);
    expect(kept?.select(0, 0).item()).toBe(3);
    expect(x.grad?.select(0, 0).item()).toBe(4);
    expect(() => lost?.add(1)).toThrow(/\[scope\] this tensor was freed when its scope ended: return it/);
  });

  test("gives its memory back at once", () => {
    noGrad(() => {
      const before = memory().resident;
      scope(() => {
        for (let i = 0; i < 10; i++) ones([MIB]).add(1);
      });
      expect(memory().resident).toBeLessThanOrEqual(before + MIB);
    });
  });

  test("gives slabs of small tensors back, too", () => {
    noGrad(() => {
      const before = memory().resident;
      scope(() => {
        for (let i = 0; i < 10_000; i++) ones([64]);
      });
      expect(memory().resident).toBeLessThanOrEqual(before + MIB / 2);
    });
  });

  test("what an inner scope returned is freed by the outer one", () => {
    let inner: Tensor | undefined;
    scope(() => {
      inner = scope(() => ones([10]));
      inner.add(1);
    });
    expect(() => inner?.add(1)).toThrow("[scope] this tensor was freed");
  });

  test("nested scopes hand on what they return", () => {
    const out = scope(() => {
      const inner = scope(() => ones([10]).add(1));
      return inner.mul(2);
    });
    expect(out.sum().item()).toBe(40);
  });

  test("an error inside closes the scope", () => {
    expect(() =>
      scope(() => {
        ones([4]);
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(ones([3]).sum().item()).toBe(3);
  });
});

test("large garbage that was evicted is collected in a loop that never yields", () => {
  setMemoryLimit(8 * MIB);
  let held = ones([MIB / 4]);
  const rss = () => process.memoryUsage().rss / MIB;
  for (let i = 0; i < 200; i++) held = held.mul(1);
  const before = rss();
  for (let i = 0; i < 2000; i++) held = held.mul(1);
  // 2,000 results of 1 MiB: kept by anything, they would show.
  expect(rss() - before).toBeLessThan(500);
  expect(held.at(0).item()).toBe(1);
});
