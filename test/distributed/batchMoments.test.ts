/** Merging counts, means and sums of squares of several ranks, against the same sums over all values at once. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mergeMoments, momentsLength } from "../../src/distributed/batchMoments.js";

/** Count, mean and m2 of values, straight from the definition. */
function moments(values: readonly number[]): [number, number, number] {
  const n = values.length;
  if (n === 0) return [0, 0, 0];
  const mean = values.reduce((a, b) => a + b, 0) / n;
  return [n, mean, values.reduce((a, v) => a + (v - mean) ** 2, 0)];
}

/** What ranks with these values of each channel send; values[rank][channel]. */
function partsOf(values: readonly (readonly (readonly number[])[])[]): Float64Array {
  const C = values[0]?.length ?? 0;
  const parts = new Float64Array(values.length * momentsLength(C));
  values.forEach((channels, rank) => {
    const at = rank * momentsLength(C);
    channels.forEach((of, c) => {
      const [n, mean, m2] = moments(of);
      parts[at] = n;
      parts[at + 1 + c] = mean;
      parts[at + 1 + C + c] = m2;
    });
  });
  return parts;
}

function merge(values: readonly (readonly (readonly number[])[])[]) {
  const C = values[0]?.length ?? 0;
  const mean = new Float64Array(C).fill(Number.NaN);
  const m2 = new Float64Array(C).fill(Number.NaN);
  const total = mergeMoments(partsOf(values), values.length, mean, m2);
  return { total, mean: [...mean], m2: [...m2] };
}

/** Values of 1 to 4 ranks and 1 to 3 channels, of 0 to 5 samples each. */
const split = fc
  .record({
    C: fc.integer({ min: 1, max: 3 }),
    sizes: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }),
  })
  .chain(({ C, sizes }) =>
    fc.tuple(
      ...sizes.map((n) =>
        fc.array(fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: n, maxLength: n }), {
          minLength: C,
          maxLength: C,
        }),
      ),
    ),
  );

describe("mergeMoments", () => {
  test("is the mean and spread of all values, to 1e-13 of their size", () => {
    fc.assert(
      fc.property(split, (values) => {
        const got = merge(values);
        values[0]?.forEach((_, c) => {
          const all = values.flatMap((rank) => rank[c] as number[]);
          const [n, mean, m2] = moments(all);
          const scale = Math.max(1, ...all.map(Math.abs));
          expect(got.total).toBe(n);
          expect(Math.abs((got.mean[c] as number) - mean) / scale).toBeLessThan(1e-13);
          expect(Math.abs((got.m2[c] as number) - m2) / (scale * scale * Math.max(1, n))).toBeLessThan(1e-13);
        });
      }),
    );
  });

  test("one rank with values: its own mean and m2, bit for bit, wherever it stands", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1e200, max: 1e200, noNaN: true }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 0, max: 3 }),
        (values, at) => {
          const ranks = Array.from({ length: 4 }, (_, r) => [r === at ? values : []]);
          const [n, mean, m2] = moments(values);
          expect(merge(ranks)).toEqual({ total: n, mean: [mean + 0], m2: [m2] });
        },
      ),
    );
  });

  test.each([1e10, 1e30, 1e300, -0.1, 1 / 3])(
    "a channel of %d on all ranks: exactly that, and no spread",
    (x) => {
      expect(merge([[[x, x]], [[]], [[x]], [[x, x, x, x]]])).toEqual({ total: 7, mean: [x], m2: [0] });
    },
  );

  test("mean 1e6, deviation 1e-2: no cancellation", () => {
    const low = [1e6 - 0.01, 1e6 + 0.01];
    const high = [1e6 + 0.03, 1e6 + 0.05];
    const { mean, m2 } = merge([[low], [high]]);
    expect(mean[0]).toBeCloseTo(1e6 + 0.02, 9);
    // Deviations -0.03, -0.01, 0.01, 0.03: rounding 1e6 to double costs about 1e-10 of each.
    expect(m2[0]).toBeCloseTo(0.002, 10);
  });

  test("no values at all: 0 of everything", () => {
    expect(
      merge([
        [[], []],
        [[], []],
      ]),
    ).toEqual({ total: 0, mean: [0, 0], m2: [0, 0] });
  });

  test("a channel with NaN or infinity spoils itself alone", () => {
    const { mean, m2 } = merge([
      [
        [1, 2],
        [1, Number.NaN],
        [1, 2],
      ],
      [[3], [1], [Number.POSITIVE_INFINITY]],
    ]);
    expect(mean[0]).toBe(2);
    expect(m2[0]).toBe(2);
    expect(mean[1]).toBeNaN();
    expect(mean[2]).not.toBe(0);
    expect(m2[2]).toBeNaN();
  });
});
