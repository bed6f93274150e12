/** Ready-made families of samples: what every elementwise op, reduction or view must go through. */
import { type MakeOptions, make } from "./make.js";
import type { OpEntry, Sample } from "./types.js";

/** Shapes that every elementwise op is tried on: a matrix, a 0-d tensor, an empty one, one with odd sizes. */
export const SHAPES: readonly (readonly number[])[] = [[2, 3], [], [0, 3], [3, 1, 5]];

/** An elementwise op of one tensor; `f` is its formula. Domain by `low` and `high`. */
export function unary(
  f: ((x: number) => number) | null,
  domain: MakeOptions = {},
  entry: Partial<OpEntry> = {},
): OpEntry {
  return {
    ...entry,
    samples: SHAPES.map((shape): Sample => {
      const args = () => [make(shape, domain)];
      if (f === null) return { name: `[${shape.join(", ")}]`, args };
      const expected = () =>
        Array.from(
          make(shape, { ...domain, requiresGrad: false })
            .to("float64")
            .toTypedArray() as Float64Array,
          f,
        );
      return { name: `[${shape.join(", ")}]`, args, expected };
    }),
  };
}

/** Shapes of two operands: equal, broadcast either way or both, scalar, empty. */
const PAIRS: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], [3]],
  [[3], [2, 3]],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [[], [2]],
  [[2], []],
  [[], []],
  [
    [0, 3],
    [1, 3],
  ],
];

/** An elementwise op of two tensors with broadcasting; `f` is its formula, tried on equal shapes. */
export function binary(
  f: ((a: number, b: number) => number) | null,
  left: MakeOptions = {},
  right: MakeOptions = left,
  entry: Partial<OpEntry> = {},
): OpEntry {
  const numbers = (shape: readonly number[], o: MakeOptions) =>
    Array.from(
      make(shape, { ...o, requiresGrad: false })
        .to("float64")
        .toTypedArray() as Float64Array,
    );
  return {
    ...entry,
    samples: PAIRS.map(([a, b], i): Sample => {
      const args = () => [make(a, { seed: 1, ...left }), make(b, { seed: 2, ...right })];
      const name = `[${a.join(", ")}] and [${b.join(", ")}]`;
      if (f === null || i > 0) return { name, args };
      const expected = () => {
        const y = numbers(b, { seed: 2, ...right });
        return numbers(a, { seed: 1, ...left }).map((x, k) => f(x, y[k] as number));
      };
      return { name, args, expected };
    }),
  };
}

/** Calls of any shape, by argument lists. */
export function calls(
  list: Readonly<Record<string, () => unknown[]>>,
  entry: Partial<OpEntry> = {},
): OpEntry {
  return { ...entry, samples: Object.entries(list).map(([name, args]) => ({ name, args })) };
}

/** A reduction with the options dim and keepdim. */
export function reduction(domain: MakeOptions = {}, entry: Partial<OpEntry> = {}): OpEntry {
  return calls(
    {
      all: () => [make([2, 3], domain)],
      "0-d": () => [make([], domain)],
      "one dimension": () => [make([2, 3, 4], domain), { dim: 1 }],
      "last, kept": () => [make([2, 3], domain), { dim: -1, keepdim: true }],
      "two that do not adjoin": () => [make([2, 3, 4], domain), { dim: [0, 2] }],
      "empty but not reduced": () => [make([0, 3], domain), { dim: 1 }],
    },
    entry,
  );
}
