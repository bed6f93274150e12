/** Rows that occur again and again: which are the same, and sums over them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { full, manualSeed, randint, randn, type Tensor, tensor } from "../../src/index.js";
import { type RepeatedRows, repeatedRows, rowsAt, sumsOfRows } from "../../src/ops/repeatedRows.js";

const ENOUGH = 4096;

/** The numbers of rows, and where each number is first, by a map of their bits. */
function byMap(x: Tensor): { ids: bigint[]; first: bigint[] } {
  const [rows, width] = x.shape as [number, number];
  const values = x.toTypedArray() as Float32Array | Float64Array;
  const numbers = new Map<string, number>();
  const first: bigint[] = [];
  const ids = Array.from({ length: rows }, (_, i) => {
    const key = String(
      new BigUint64Array(Float64Array.from(values.slice(i * width, (i + 1) * width)).buffer),
    );
    const known = numbers.get(key) ?? numbers.size;
    if (known === numbers.size) {
      numbers.set(key, known);
      first.push(BigInt(i));
    }
    return BigInt(known);
  });
  return { ids, first };
}

test("numbers the distinct rows as a map of their bits does", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 64, max: 200 }),
      fc.integer({ min: 1, max: 21 }),
      fc.integer({ min: 1, max: 32 }),
      fc.constantFrom("float32" as const, "float64" as const),
      fc.constantFrom("few values", "one hot", "zeros but the last"),
      fc.nat(1000),
      (rows, width, distinct, dtype, kind, seed) => {
        manualSeed(seed);
        const table =
          kind === "one hot"
            ? tensor(
                Array.from({ length: distinct }, (_, i) =>
                  Array.from({ length: width }, (_, j) => +(i === j)),
                ),
                { dtype },
              )
            : kind === "few values"
              ? randint(2, [distinct, width]).to(dtype).sub(0.5)
              : tensor(
                  Array.from({ length: distinct }, (_, i) =>
                    Array.from({ length: width }, (_, j) => (j === width - 1 ? i : 0)),
                  ),
                  { dtype },
                );
        const x = table.indexSelect(0, randint(distinct, [rows]));
        const expected = byMap(x);
        const { ids, first } = repeatedRows(x, ENOUGH) as RepeatedRows;
        expect([...(ids.toTypedArray() as BigInt64Array)]).toEqual(expected.ids);
        expect([...(first.toTypedArray() as BigInt64Array)]).toEqual(expected.first);
      },
    ),
    { numRuns: 200 },
  );
});

test("zeros of either sign are different rows, NaN is the same as itself", () => {
  const signs = [...new Array<number[]>(32).fill([0, 1]), ...new Array<number[]>(32).fill([-0, 1])];
  const x = tensor(signs, { dtype: "float32" });
  expect(repeatedRows(x, ENOUGH)?.first.toArray()).toEqual([0, 32]);
  expect(repeatedRows(full([64, 3], Number.NaN), ENOUGH)?.first.toArray()).toEqual([0]);
});

test("half of the rows may be distinct, one more may not; little work is not looked at", () => {
  const rows = (distinct: number) => tensor(Array.from({ length: 80 }, (_, i) => [i % distinct, 1, 2]));
  expect(repeatedRows(rows(40), ENOUGH)?.first.numel).toBe(40);
  expect(repeatedRows(rows(41), ENOUGH)).toBeNull();
  expect(repeatedRows(rows(1), ENOUGH - 1)).toBeNull();
  expect(repeatedRows(rows(1).narrow(0, 0, 63), ENOUGH)).toBeNull();
});

// Whole numbers, whose sums are exact in any order.
test("sums of rows by number are those of a loop", () => {
  manualSeed(1);
  for (const dtype of ["float32", "float64"] as const) {
    for (const [rows, width, distinct] of [
      [70, 3, 7],
      [300, 513, 7],
      [1000, 300, 1],
      [700, 260, 300],
    ] as const) {
      const x = randn([distinct, 4]).indexSelect(0, randint(distinct, [rows]));
      const { ids, first } = repeatedRows(x, ENOUGH) as RepeatedRows;
      const g = randint(1000, [rows, width]).to(dtype);
      const sums = full([first.numel, width], 0, { dtype }).indexAdd(0, ids, g);
      expect(sumsOfRows(g, ids, first.numel).equal(sums)).toBe(true);
      expect(rowsAt(x, first).indexSelect(0, ids).equal(x)).toBe(true);
    }
  }
});
