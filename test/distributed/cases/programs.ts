/** Random programs of collectives, the same on every rank, against a model that knows every rank's numbers. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type DType, empty, type Tensor, tensor } from "kindling";
import {
  allGather,
  allReduce,
  allToAllSingle,
  broadcast,
  destroyProcessGroup,
  gather,
  initProcessGroup,
  isInitialized,
  newGroup,
  type ProcessGroup,
  reduce,
  reduceScatter,
  scatter,
  type Work,
} from "kindling/distributed";
import type { Case } from "../harness.js";

const KINDS = [
  "allReduce",
  "reduce",
  "broadcast",
  "allGather",
  "gather",
  "scatter",
  "reduceScatter",
  "allToAll",
] as const;

interface Step {
  readonly kind: (typeof KINDS)[number];
  readonly n: number;
  readonly op: "sum" | "max" | "min";
  readonly dtype: DType;
  /** Taken modulo the size of the group. */
  readonly root: number;
  readonly async: boolean;
  /** Number of the group, modulo how many there are. */
  readonly group: number;
  /** Whether tensors are every second element of larger ones. */
  readonly strided: boolean;
}

const steps: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...KINDS),
  n: fc.oneof({ weight: 5, arbitrary: fc.nat({ max: 40 }) }, fc.constantFrom(2048, 4097, 30_000)),
  op: fc.constantFrom("sum", "max", "min"),
  dtype: fc.constantFrom<DType>("float32", "float64", "int64", "int32"),
  root: fc.nat({ max: 3 }),
  async: fc.boolean(),
  group: fc.nat({ max: 2 }),
  strided: fc.boolean(),
});

const FOLDS: Readonly<Record<Step["op"], (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  max: (a, b) => Math.max(a, b),
  min: (a, b) => Math.min(a, b),
};

/** Small whole numbers that depend on the rank, the step and the place. */
const value = (rank: number, step: number, i: number) => ((i + 3 * step) * (rank + 2)) % 11;
const row = (rank: number, step: number, n: number) =>
  Array.from({ length: n }, (_, i) => value(rank, step, i));

function make(values: readonly number[], { dtype, strided }: Step): Tensor {
  if (!strided) return tensor(values, { dtype });
  return tensor(
    values.flatMap((v) => [v, -1]),
    { dtype },
  )
    .reshape([values.length, 2])
    .select(1, 0);
}

const blank = (n: number, step: Step) => make(new Array<number>(n).fill(-7), step);

/** Elements of a rank's own part where parts differ. */
const part = (rank: number, n: number) => (n >> 1) + rank;

/** Runs a step on this rank; what it began, and what each tensor is to hold in the end. */
function perform(
  step: Step,
  number: number,
  group: ProcessGroup,
): { work: Work | undefined; results: [Tensor, readonly number[]][] } {
  const { ranks } = group;
  const [me, size] = [group.rank(), group.size()];
  const mine = ranks[me] as number;
  const root = ranks[step.root % size] as number;
  const { n, op, kind } = step;
  const options = { group, asyncOp: step.async };
  const others = ranks.map((r) => row(r, number, n));
  const reduced = (rows: readonly (readonly number[])[]) =>
    (rows[0] as readonly number[]).map((_, i) =>
      rows.map((r) => r[i] as number).reduce((a, b) => FOLDS[op](a, b)),
    );
  const done = (work: unknown, ...results: [Tensor, readonly number[]][]) => ({
    work: work as Work | undefined,
    results,
  });
  switch (kind) {
    case "allReduce": {
      const x = make(row(mine, number, n), step);
      return done(allReduce(x, { ...options, op }), [x, reduced(others)]);
    }
    case "reduce": {
      const x = make(row(mine, number, n), step);
      return done(reduce(x, root, { ...options, op }), [
        x,
        mine === root ? reduced(others) : row(mine, number, n),
      ]);
    }
    case "broadcast": {
      const x = make(row(mine, number, n), step);
      return done(broadcast(x, root, options), [x, row(root, number, n)]);
    }
    case "allGather": {
      const list = ranks.map((r) => blank(part(r, n), step));
      const x = make(row(mine, number, part(mine, n)), step);
      return done(
        allGather(list, x, options),
        ...ranks.map((r, i): [Tensor, number[]] => [list[i] as Tensor, row(r, number, part(r, n))]),
      );
    }
    case "gather": {
      const list = mine === root ? ranks.map((r) => blank(part(r, n), step)) : null;
      const x = make(row(mine, number, part(mine, n)), step);
      const work = gather(x, list, { ...options, dst: root });
      return done(
        work,
        ...(list ?? []).map((t, i): [Tensor, number[]] => {
          const r = ranks[i] as number;
          return [t, row(r, number, part(r, n))];
        }),
      );
    }
    case "scatter": {
      const list = mine === root ? ranks.map((r) => make(row(r, number, part(r, n)), step)) : null;
      const x = blank(part(mine, n), step);
      return done(scatter(x, list, { ...options, src: root }), [x, row(mine, number, part(mine, n))]);
    }
    case "reduceScatter": {
      const list = ranks.map((r) => make(row(mine + r, number, part(r, n)), step));
      const x = blank(part(mine, n), step);
      const rows = ranks.map((r) => row(r + mine, number, part(mine, n)));
      return done(reduceScatter(x, list, { ...options, op }), [x, reduced(rows)]);
    }
    case "allToAll": {
      const sizes = (r: number) => ranks.map((other) => part(Math.abs(r - other), n % 5000));
      const given = sizes(mine).flatMap((count, j) => row(mine + 5 * (ranks[j] as number), number, count));
      const got = sizes(mine).flatMap((count, i) => row((ranks[i] as number) + 5 * mine, number, count));
      const x = blank(got.length, step);
      const splits = { inputSplitSizes: sizes(mine), outputSplitSizes: sizes(mine) };
      return done(allToAllSingle(x, make(given, step), { ...options, ...splits }), [x, got]);
    }
  }
}

function same(t: Tensor, expected: readonly number[], what: string): void {
  const got = Array.from(t.contiguous().toTypedArray() as ArrayLike<number | bigint>, Number);
  const bad = got.length === expected.length ? got.findIndex((v, i) => v !== expected[i]) : 0;
  if (bad >= 0)
    assert.deepEqual(got.slice(bad, bad + 10), expected.slice(bad, bad + 10), `${what}, from ${bad}`);
}

export const cases: readonly Case[] = [
  {
    name: "random programs: blocking and not, in several groups, waited for in any order",
    async run(_, size) {
      const all = Array.from({ length: size }, (_, r) => r);
      const groups = [
        newGroup(),
        newGroup(all.filter((r) => r !== 1 || size < 2)),
        newGroup([size - 1, 0].slice(0, size)),
      ];
      const program = fc.tuple(fc.array(steps, { minLength: 1, maxLength: 12 }), fc.boolean());
      fc.assert(
        fc.property(program, ([list, backwards]) => {
          const open: [Work, () => void][] = [];
          for (const [number, step] of list.entries()) {
            const group = groups[step.group] as ProcessGroup;
            if (group.rank() < 0) continue;
            const { work, results } = perform(step, number, group);
            const check = () => {
              for (const [t, expected] of results) same(t, expected, `${number}: ${JSON.stringify(step)}`);
            };
            if (work === undefined) check();
            else open.push([work, check]);
          }
          for (const [work, check] of backwards ? open.reverse() : open) {
            work.wait();
            check();
          }
        }),
        { numRuns: 40, seed: 20, endOnFailure: true }, // the same programs on every rank
      );
    },
  },
  {
    name: "the world can be left and joined again",
    run(rank, size) {
      destroyProcessGroup();
      assert.equal(isInitialized(), false);
      const x = tensor([rank]);
      assert.throws(() => allReduce(x), /\[allReduce\] there is no process group yet; try initProcessGroup/);
      const world = initProcessGroup(undefined, { timeout: 20_000, worldSize: size, rank });
      assert.equal(isInitialized(), true);
      assert.throws(() => initProcessGroup(), /has joined a world already/);
      world.allReduce(x);
      assert.equal(x.item(), (size * (size - 1)) / 2);
      world.broadcast(empty([3]), 0);
    },
  },
];
