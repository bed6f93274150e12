/** Tensors as plain functions of coordinates: what shape ops must agree with, on views of any strides. */
import fc from "fast-check";
import { expect } from "vitest";
import { arange, type Tensor } from "../../src/index.js";

/** A tensor as a plain function of coordinates. */
export interface Plain {
  readonly shape: readonly number[];
  at(index: readonly number[]): number;
}

/** All coordinates of a shape, in row-major order. */
export function coordinates(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (all, n) => all.flatMap((c) => Array.from({ length: n }, (_, i) => [...c, i])),
    [[]],
  );
}

export const values = (p: Plain): number[] => coordinates(p.shape).map((c) => p.at(c));
export const numbers = (t: Tensor): number[] =>
  Array.from(t.toTypedArray() as ArrayLike<number | bigint>, Number);

export function expectSame(got: Tensor, expected: Plain): void {
  expect(got.shape).toEqual(expected.shape);
  expect(numbers(got)).toEqual(values(expected));
}

const wrap = (d: number, rank: number) => (d < 0 ? d + rank : d);
export const put = (c: readonly number[], d: number, v: number) => c.map((x, k) => (k === d ? v : x));
export const without = <T>(c: readonly T[], d: number) => c.filter((_, k) => k !== d);
export const insert = (c: readonly number[], d: number, v: number) => [...c.slice(0, d), v, ...c.slice(d)];

function plainArange(shape: readonly number[]): Plain {
  return { shape, at: (c) => c.reduce((n, x, d) => n * (shape[d] as number) + x, 0) };
}

/** A view: what it does to a tensor, and to its plain twin. */
type Step = { name: string; view(t: Tensor): Tensor; plain(p: Plain): Plain };

export const permuted = (order: readonly number[]): Step => ({
  name: `permute ${order}`,
  view: (t) => t.permute(order),
  plain: (p) => ({
    shape: order.map((d) => p.shape[d] as number),
    at: (c) => p.at(p.shape.map((_, d) => c[order.indexOf(d)] as number)),
  }),
});

const sliced = (d: number, start: number, step: number): Step => ({
  name: `slice ${d} from ${start} by ${step}`,
  view: (t) => t.slice(d, { start, step }),
  plain: (p) => ({
    shape: put(p.shape, d, Math.max(0, Math.ceil(((p.shape[d] as number) - start) / step))),
    at: (c) => p.at(put(c, d, start + (c[d] as number) * step)),
  }),
});

const selected = (d: number, i: number): Step => ({
  name: `select ${d}, ${i}`,
  view: (t) => t.select(d, i),
  plain: (p) => ({
    shape: without(p.shape, d),
    at: (c) => p.at(insert(c, d, wrap(i, p.shape[d] as number))),
  }),
});

const widened = (d: number, n: number): Step => ({
  name: `repeat ${d} ${n} times`,
  view: (t) => {
    const wide = t.unsqueeze(d);
    return wide.expand(put(wide.shape, d, n));
  },
  plain: (p) => ({ shape: insert(p.shape, d, n), at: (c) => p.at(without(c, d)) }),
});

export const shuffled = (rank: number, seed: number) =>
  Array.from({ length: rank }, (_, d) => d).sort(
    (a, b) => Math.sin(seed * (a + 1)) - Math.sin(seed * (b + 1)),
  );

/** Tensors of up to 5 dimensions, seen through up to three views, with their plain twins. */
const viewed = fc
  .record({
    shape: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
    steps: fc.array(
      fc.tuple(fc.constantFrom("permute", "slice", "select", "widen"), fc.nat(60), fc.nat(60)),
      { maxLength: 3 },
    ),
  })
  .map(({ shape, steps }) => {
    let t = arange(shape.reduce((a, b) => a * b, 1)).reshape(shape);
    let p = plainArange(shape);
    for (const [kind, a, b] of steps) {
      const rank = p.shape.length;
      const d = a % rank;
      const size = p.shape[d] as number;
      if (kind === "select" && rank < 2) continue;
      const step =
        kind === "permute"
          ? permuted(shuffled(rank, a + 1))
          : kind === "slice"
            ? sliced(d, b % size, 1 + (a % 2))
            : kind === "select"
              ? selected(d, (b % (2 * size)) - size)
              : widened(a % (rank + 1), 1 + (b % 3));
      t = step.view(t);
      p = step.plain(p);
    }
    return { t, p };
  });

export const property = (check: (t: Tensor, p: Plain, a: number, b: number) => void) =>
  fc.assert(
    fc.property(viewed, fc.nat(100), fc.nat(100), ({ t, p }, a, b) => check(t, p, a, b)),
    { numRuns: 60 },
  );
