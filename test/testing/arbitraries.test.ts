/** Arbitraries: what they promise holds, and ops hold for whatever they give. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { broadcastShapes, cat, type Tensor } from "../../src/index.js";
import { arbitraries, assertClose, gradcheck } from "../../src/testing/index.js";

const any = arbitraries(fc);
const few = { numRuns: 25 };
const numbers = (t: Tensor) => Array.from(t.toTypedArray() as ArrayLike<number | bigint>, Number);

describe("what they give", () => {
  test("shapes within bounds", () => {
    fc.assert(
      fc.property(any.shape({ minDims: 1, maxDims: 3, minSize: 0, maxSize: 4 }), (s) => {
        expect(s.length >= 1 && s.length <= 3 && s.every((n) => n >= 0 && n <= 4)).toBe(true);
      }),
    );
  });

  test("broadcastable shapes broadcast", () => {
    fc.assert(
      fc.property(any.broadcastableShapes({ count: 3 }), (shapes) => broadcastShapes(shapes).length >= 0),
    );
  });

  test("values and elements stay away from kinks and inside the range", () => {
    const options = { min: -1, max: 1, kinks: [0, 1, -1], distance: 0.1 };
    const ok = (v: number) => v >= -0.9 - 1e-12 && v <= 0.9 + 1e-12 && Math.abs(v) >= 0.1 - 1e-12;
    fc.assert(fc.property(any.value(options), ok));
    fc.assert(fc.property(any.tensor(options), (t) => numbers(t).every(ok)));
    fc.assert(fc.property(any.tensor({ ...options, distinct: true }), (t) => numbers(t).every(ok)));
  });

  test("distinct elements differ, of every dtype", () => {
    const distinct = (t: Tensor) => new Set(numbers(t)).size === t.numel;
    fc.assert(fc.property(any.tensor({ distinct: true }), distinct), few);
    fc.assert(fc.property(any.tensor({ distinct: true, dtype: "float32" }), distinct), few);
    const whole = { distinct: true, dtype: "int64", min: -500, max: 500, maxDims: 3 } as const;
    fc.assert(fc.property(any.tensor(whole), distinct), few);
    expect(() => fc.sample(any.tensor({ shape: [9], distinct: true, dtype: "int32" }), 1)).toThrow(
      "[arbitraries] 9 distinct int32 values do not fit from -2 to 2",
    );
    expect(() => any.value({ min: 1, max: 0 })).toThrow("[arbitraries] expected min <= max, got 1 and 0");
  });

  test("layouts: the same values in any order of memory, as leaves", () => {
    const strides = new Set<string>();
    fc.assert(
      fc.property(any.tensor({ shape: [2, 3, 4], layout: "any", requiresGrad: true }), (t) => {
        strides.add(t.strides.join());
        expect([t.shape, t.isLeaf, t.requiresGrad]).toEqual([[2, 3, 4], true, true]);
        expect(numbers(t.contiguous())).toEqual(numbers(t));
      }),
    );
    expect(strides.size).toBeGreaterThan(6);
    expect(strides.has("24,8,2")).toBe(true);
  });

  test("permutations of dimensions", () => {
    fc.assert(
      fc.property(any.permutation(4), (dims) => {
        expect(dims.map((d) => (d + 4) % 4).sort()).toEqual([0, 1, 2, 3]);
      }),
    );
  });
});

describe("ops hold for whatever they give", () => {
  const pairs = any.broadcastableTensors({ layout: "any", minSize: 0, maxSize: 4 });

  test("addition commutes, multiplication distributes, comparisons are each other's opposite", () => {
    fc.assert(
      fc.property(any.broadcastableTensors({ count: 3, layout: "any", maxSize: 4 }), (list) => {
        const [a, b, c] = list as [Tensor, Tensor, Tensor];
        assertClose(a.add(b), b.add(a), { rtol: 0, atol: 0 });
        assertClose(a.mul(b.add(c)), a.mul(b).add(a.mul(c)), { rtol: 1e-14, atol: 1e-14 });
      }),
      { numRuns: 100 },
    );
    fc.assert(
      fc.property(pairs, (list) => {
        const [a, b] = list as [Tensor, Tensor];
        assertClose(a.lt(b).logicalNot(), a.ge(b));
      }),
    );
  });

  test("permuting and permuting back, flipping twice, cutting and joining", () => {
    const cube = any.tensor({ minDims: 3, maxDims: 3, minSize: 0, layout: "any" });
    fc.assert(
      fc.property(cube, any.permutation(3), fc.integer({ min: 0, max: 2 }), fc.nat(5), (x, dims, d, at) => {
        const inverse = dims.map((_, k) => dims.findIndex((e) => (e + 3) % 3 === k));
        assertClose(x.permute(dims).permute(inverse), x);
        assertClose(x.flip([d]).flip([d]), x);
        const n = x.shape[d] as number;
        const k = Math.min(at, n);
        assertClose(cat([x.narrow(d, 0, k), x.narrow(d, k, n - k)], d), x);
      }),
    );
  });

  test("gradients of ops with kinks, away from them, of any layout", () => {
    const small = { maxDims: 2, maxSize: 3, layout: "any", requiresGrad: true } as const;
    fc.assert(
      fc.property(any.tensor({ ...small, kinks: [0, -1, 1] }), (x) => {
        gradcheck(
          (t) =>
            t
              .abs()
              .add(t.relu())
              .add(t.clamp({ min: -1, max: 1 })),
          [x],
        );
      }),
      few,
    );
    fc.assert(
      fc.property(any.tensor({ ...small, distinct: true, minDims: 1 }), (x) => {
        gradcheck((t) => [t.amax({ dim: 0 }), t.sort(-1).values, t.cummax(0).values], [x]);
      }),
      few,
    );
    fc.assert(
      fc.property(any.broadcastableTensors(small), (list) => {
        gradcheck((a, b) => (a as Tensor).mul(b as Tensor).sin(), list);
      }),
      few,
    );
  });
});
