/** Sorting, scans and searches against plain TypeScript, on values with ties, NaN and infinities. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  cummax,
  cummin,
  cumprod,
  cumsum,
  type DType,
  grad,
  kthvalue,
  logcumsumexp,
  manualSeed,
  median,
  mode,
  prod,
  quantile,
  randn,
  searchsorted,
  sort,
  type Tensor,
  tensor,
  topk,
  unique,
} from "../../src/index.js";
import { gradcheck, gradgradcheck } from "../../src/testing/index.js";

const float64 = { dtype: "float64" } as const;
const numbers = (t: Tensor): number[] => Array.from(t.toTypedArray() as ArrayLike<number | bigint>, Number);

/** Values with many ties, NaN and infinities. */
const odd = fc.array(
  fc.oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  ),
  { minLength: 1, maxLength: 40 },
);
const plain = fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 40 });

/** Ascending with NaN last, as PyTorch orders. */
const order = (a: number, b: number): number =>
  Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : Number.isNaN(b) ? -1 : a - b || 0;
const ascending = (a: number, b: number): number => (a === b ? 0 : order(a, b));

/** Positions in the order of a stable sort. */
const stableOrder = (values: readonly number[], descending: boolean): number[] =>
  values
    .map((_, i) => i)
    .sort((i, j) => {
      const c = ascending(values[i] as number, values[j] as number);
      return (descending ? -c : c) || i - j;
    });

describe("properties", () => {
  test("sort is the stable sort with NaN as the largest", () => {
    fc.assert(
      fc.property(odd, fc.boolean(), (values, descending) => {
        const { values: v, indices } = sort(tensor(values, float64), 0, { descending });
        const expected = stableOrder(values, descending);
        expect(numbers(indices)).toEqual(expected);
        expect(numbers(v)).toEqual(expected.map((i) => values[i]));
      }),
    );
  });
  // Rows longer than 32 go through the radix: all dtypes, both signs of zero and NaN, numbers near the ends.
  const extremes: Record<string, number[]> = {
    float64: [
      0,
      -0,
      Number.NaN,
      5e-324,
      -5e-324,
      Number.MAX_VALUE,
      -Number.MAX_VALUE,
      Number.POSITIVE_INFINITY,
      -1,
    ],
    float32: [0, -0, Number.NaN, 1e-45, -1e-45, 3e38, -3e38, Number.NEGATIVE_INFINITY, 1.5],
    int64: [0, -1, 2 ** 53 - 1, -(2 ** 53) + 1, 255, 256, -256],
    int32: [0, -1, 2 ** 31 - 1, -(2 ** 31), 255, 256, -256],
    uint8: [0, 1, 127, 128, 255],
    bool: [0, 1],
  };
  for (const [dtype, special] of Object.entries(extremes) as [DType, number[]][]) {
    test(`long rows of ${dtype} sort stably, and their distinct values and counts are those of a Map`, () => {
      const value = fc.oneof(fc.constantFrom(...special), dtype === "bool" ? fc.nat(1) : fc.nat(200));
      fc.assert(
        fc.property(fc.array(value, { minLength: 33, maxLength: 700 }), fc.boolean(), (list, descending) => {
          const x = tensor(list, { dtype });
          const values = numbers(x);
          const { values: v, indices } = sort(x, 0, { descending });
          const expected = stableOrder(values, descending);
          expect(numbers(indices)).toEqual(expected);
          expect(numbers(v)).toEqual(expected.map((i) => values[i]));

          const [distinct, inverse, counts] = unique(x, {
            returnInverse: true,
            returnCounts: true,
          }) as Tensor[];
          const found = new Map<number, number>();
          for (const n of values) if (!Number.isNaN(n)) found.set(n + 0, (found.get(n + 0) ?? 0) + 1);
          const keys = numbers(distinct as Tensor).filter((n) => !Number.isNaN(n));
          expect(keys.map((n) => n + 0)).toEqual([...found.keys()].sort((a, b) => a - b));
          expect(numbers(counts as Tensor).slice(0, keys.length)).toEqual(keys.map((n) => found.get(n + 0)));
          const all = numbers(distinct as Tensor);
          expect(numbers(inverse as Tensor).map((i) => (all[i] as number) + 0)).toEqual(
            values.map((n) => n + 0),
          );
        }),
        { numRuns: 40 },
      );
    });
  }
  test("topk and kthvalue are parts of the sorted values", () => {
    fc.assert(
      fc.property(odd, fc.nat(), fc.boolean(), (values, n, largest) => {
        const x = tensor(values, float64);
        const k = 1 + (n % values.length);
        const sorted = numbers(sort(x, 0, { descending: largest }).values);
        expect(numbers(topk(x, k, { largest }).values)).toEqual(sorted.slice(0, k));
        if (!largest) expect(kthvalue(x, k).values.item()).toEqual(sorted[k - 1]);
      }),
    );
  });
  test("columns sort like the rows of the transpose", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer(),
        (rows, cols, seed) => {
          manualSeed(seed >>> 0);
          const x = randn([rows, cols]);
          const a = sort(x, 0);
          const b = sort(x.t(), 1);
          expect(a.values.toArray()).toEqual(b.values.t().toArray());
          expect(a.indices.toArray()).toEqual(b.indices.t().toArray());
        },
      ),
    );
  });
  test("median, quantile(0.5, lower) and mode agree with counting", () => {
    fc.assert(
      fc.property(plain, (values) => {
        const x = tensor(values, float64);
        const sorted = [...values].sort((a, b) => a - b);
        const middle = sorted[(values.length - 1) >> 1] as number;
        expect(median(x).item()).toBe(middle);
        expect(quantile(x, 0.5, { interpolation: "lower" }).item()).toBe(middle);
        const count = (v: number) => values.filter((w) => w === v).length;
        const most = Math.max(...values.map(count));
        expect(mode(x).values.item()).toBe(Math.min(...values.filter((v) => count(v) === most)));
      }),
    );
  });
  test("unique counts integers of few values and sorts others, with the same result", () => {
    const few: readonly [DType, number[]][] = [
      ["int64", [-7, 3, 3, -7, 5, 3, 3, 3, -7, 4, 4, 3, 5, 5, -7, -7, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4]],
      ["int32", [2, 2, 2, 1, 0, -1, 2, 2, 2, 2]],
      ["uint8", [255, 254, 255, 255, 255, 254]],
      ["bool", [1, 1, 0, 1, 1]],
      ["int64", [9007199254740991, -3, -3, 9007199254740991]],
      ["int64", []],
    ];
    for (const [dtype, data] of few) {
      const x = tensor(data, { dtype });
      const [values, counts] = unique(x, { returnCounts: true }) as [Tensor, Tensor];
      const want = [...new Set(data)].sort((a, b) => a - b);
      expect([values.dtype, counts.dtype]).toEqual([dtype, "int64"]);
      expect(values.tolist()).toEqual(dtype === "bool" ? [false, true] : want);
      expect(counts.tolist()).toEqual(want.map((v) => data.filter((d) => d === v).length));
      expect(unique(x).equal(values)).toBe(true);
    }
  });

  test("unique gives each value once, and its inverse rebuilds the input", () => {
    fc.assert(
      fc.property(plain, (values) => {
        const [u, inverse, counts] = unique(tensor(values), { returnInverse: true, returnCounts: true }) as [
          Tensor,
          Tensor,
          Tensor,
        ];
        expect(numbers(u)).toEqual([...new Set(values)].sort((a, b) => a - b));
        expect(numbers(inverse).map((i) => numbers(u)[i])).toEqual(values);
        expect(numbers(counts)).toEqual(numbers(u).map((v) => values.filter((w) => w === v).length));
      }),
    );
  });
  test("running sums, products and extremes are loops", () => {
    fc.assert(
      fc.property(plain, (values) => {
        const x = tensor(values, float64);
        let [s, p, high, low] = [0, 1, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
        const expected = values.map((v) => {
          [s, p, high, low] = [s + v, p * v, Math.max(high, v), Math.min(low, v)];
          return [s, p, high, low] as const;
        });
        expect(numbers(cumsum(x, 0))).toEqual(expected.map((e) => e[0]));
        expect(numbers(cumprod(x, 0)).map((v) => v + 0)).toEqual(expected.map((e) => e[1] + 0));
        expect(numbers(cummax(x, 0).values)).toEqual(expected.map((e) => e[2]));
        expect(numbers(cummin(x, 0).values)).toEqual(expected.map((e) => e[3]));
      }),
    );
  });
  test("searchsorted counts what is smaller, or not larger", () => {
    fc.assert(
      fc.property(plain, plain, (sequence, values) => {
        const sorted = [...sequence].sort((a, b) => a - b);
        for (const right of [false, true]) {
          const expected = values.map((v) => sorted.filter((s) => (right ? s <= v : s < v)).length);
          expect(numbers(searchsorted(tensor(sorted), tensor(values), { right }))).toEqual(expected);
        }
      }),
    );
  });
});

describe("shared among threads", () => {
  test("long rows, many rows, columns", () => {
    manualSeed(3);
    const x = randn([700, 300], float64);
    const flat = numbers(x);
    const { values } = sort(x, 1);
    const rows = numbers(values);
    for (const r of [0, 350, 699]) {
      expect(rows.slice(r * 300, (r + 1) * 300)).toEqual(
        flat.slice(r * 300, (r + 1) * 300).sort((a, b) => a - b),
      );
    }
    expect(numbers(sort(x.t(), 0).values.t())).toEqual(rows);
    const totals = numbers(cumsum(x, 0).select(0, 699));
    const sums = numbers(x.sum(0));
    totals.forEach((t, i) => {
      expect(t).toBeCloseTo(sums[i] as number, 10);
    });
    expect(numbers(topk(x, 5, 1).values).slice(0, 5)).toEqual(
      flat
        .slice(0, 300)
        .sort((a, b) => b - a)
        .slice(0, 5),
    );
  });
});

describe("products at zeros, at every order", () => {
  const cases = [
    [2, 3, 4],
    [2, 0, 4],
    [0, 0, 4],
    [0, 0, 0],
  ];
  for (const values of cases) {
    test(`prod and cumprod of ${values.join(", ")}`, () => {
      const x = tensor(values, { ...float64, requiresGrad: true });
      const [a, b, c] = values as [number, number, number];
      const [first] = grad(prod(x), x, { createGraph: true });
      expect(numbers(first as Tensor).map((v) => v + 0)).toEqual([b * c, a * c, a * b]);
      const [second] = grad((first as Tensor).select(0, 0), x, { createGraph: true }); // d(bc)
      expect(numbers(second as Tensor).map((v) => v + 0)).toEqual([0, c, b]);
      const [third] = grad((second as Tensor).select(0, 1), x);
      expect(numbers(third as Tensor).map((v) => v + 0)).toEqual([0, 0, 1]);
      const scan = (t: Tensor) => cumprod(t, 0);
      expect(gradcheck(scan, [x])).toBe(true);
      expect(gradgradcheck(scan, [x])).toBe(true);
      const [g] = grad(cumprod(x, 0).sum(), x, { createGraph: true }); // 1 + b + bc, a + ac, ab
      expect(numbers(g as Tensor).map((v) => v + 0)).toEqual([1 + b + b * c, a + a * c, a * b]);
      const [h] = grad((g as Tensor).select(0, 0), x, { createGraph: true });
      expect(numbers(h as Tensor).map((v) => v + 0)).toEqual([0, 1 + c, b]);
      const [k] = grad((h as Tensor).select(0, 2), x);
      expect(numbers(k as Tensor).map((v) => v + 0)).toEqual([0, 1, 0]);
    });
  }
});

describe("edges", () => {
  test("positions stay readable after the backward freed the graph", () => {
    const x = tensor([3, 1, 2], { ...float64, requiresGrad: true });
    for (const f of [sort, cummax, (t: Tensor) => topk(t, 2), (t: Tensor) => median(t, 0)]) {
      const { values, indices } = f(x, 0) as { values: Tensor; indices: Tensor };
      values.sum().backward();
      expect(numbers(indices).length).toBe(indices.numel);
    }
  });
  test("logcumsumexp does not overflow, in value or gradient", () => {
    const x = tensor([1000, -1000, 1000, Number.NEGATIVE_INFINITY], { ...float64, requiresGrad: true });
    const y = logcumsumexp(x, 0);
    expect(numbers(y)).toEqual([1000, 1000, 1000 + Math.log(2), 1000 + Math.log(2)]);
    numbers(grad(y.select(0, 3), x)[0] as Tensor).forEach((v, i) => {
      expect(v).toBeCloseTo([0.5, 0, 0.5, 0][i] as number, 12);
    });
    expect(
      gradgradcheck((t) => logcumsumexp(t, 1), [randn([2, 4], { ...float64, requiresGrad: true })]),
    ).toBe(true);
  });
  test("errors name the range", () => {
    expect(() => topk(tensor([1, 2]), 3)).toThrow(/k = 3.*0 to 2/);
    expect(() => kthvalue(tensor([1, 2]), 0)).toThrow(/k = 0.*1 to 2/);
    expect(() => median(tensor([]), 0)).toThrow(/empty/);
    expect(() => sort(tensor([1]), 1)).toThrow(/dimension out of range: got 1/);
  });
});
