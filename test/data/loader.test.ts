/** DataLoader: what the batches of an epoch are, whatever the dataset. */
import { describe, expect, expectTypeOf, test } from "vitest";
import {
  BatchSampler,
  DataLoader,
  Dataset,
  IterableDataset,
  randomSplit,
  SequentialSampler,
  TensorDataset,
  WeightedRandomSampler,
} from "../../src/data/index.js";
import { arange, Generator, manualSeed, rand, type Tensor } from "../../src/index.js";

const ten = () => new TensorDataset(arange(10), arange(10).mul(2));
const first = (batches: Iterable<Tensor[]>) => [...batches].map(([x]) => x?.toArray());

class Squares extends Dataset<{ x: number; square: number }> {
  get length(): number {
    return 5;
  }
  get(index: number): { x: number; square: number } {
    return { x: index, square: index * index };
  }
}

class Countdown extends IterableDataset<number> {
  *[Symbol.iterator](): Iterator<number> {
    yield* [3, 2, 1];
  }
}

describe("batches", () => {
  test("in order, the last one shorter or left out", () => {
    expect(first(new DataLoader(ten(), { batchSize: 4 }))).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
    expect(first(new DataLoader(ten(), { batchSize: 4, dropLast: true }))).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
    expect(new DataLoader(ten(), { batchSize: 4 }).length).toBe(3);
    expect(new DataLoader(ten(), { batchSize: 4, dropLast: true }).length).toBe(2);
  });

  test("inputs and targets stay together when shuffled; each sample comes once, in a new order each epoch", () => {
    manualSeed(0);
    const loader = new DataLoader(ten(), { batchSize: 3, shuffle: true });
    const epochs = [0, 1].map(() => {
      const seen: number[] = [];
      for (const [x, y] of loader) {
        expect(y.toArray()).toEqual(x.mul(2).toArray());
        seen.push(...(x.toArray() as number[]));
      }
      return seen;
    });
    for (const seen of epochs) expect(seen.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  test("the same seed gives PyTorch's order, and leaves the generator where PyTorch's is", () => {
    // torch.manual_seed(0); [b[0] for b in DataLoader(TensorDataset(torch.arange(10)), 4, shuffle=True)]; torch.rand(1)
    manualSeed(0);
    expect(first(new DataLoader(ten(), { batchSize: 4, shuffle: true }))).toEqual([
      [6, 7, 1, 4],
      [2, 0, 9, 8],
      [3, 5],
    ]);
    expect(rand([1]).item()).toBeCloseTo(0.3074, 4);
    manualSeed(0);
    first(new DataLoader(ten())); // a walk in order takes a draw, too
    expect(rand([1]).item()).toBeCloseTo(0.0885, 4);
  });

  test("a generator of its own makes the order repeatable", () => {
    const order = () =>
      first(new DataLoader(ten(), { shuffle: true, generator: new Generator().manualSeed(7) }));
    expect(order()).toEqual(order());
  });

  test("a batch sampler decides alone; batchSize null gives samples", () => {
    const batchSampler = new BatchSampler(new SequentialSampler(ten()), 6, true);
    expect(first(new DataLoader(ten(), { batchSampler }))).toEqual([[0, 1, 2, 3, 4, 5]]);
    expect(new DataLoader(ten(), { batchSampler, batchSize: 1, dropLast: false }).length).toBe(1); // the defaults
    const sampler = new WeightedRandomSampler(new Array<number>(10).fill(1), 6);
    expect(new DataLoader(ten(), { batchSize: null, sampler }).length).toBe(6);
    const single = [...(new DataLoader(ten(), { batchSize: null }) as Iterable<Tensor[]>)];
    expect(single).toHaveLength(10);
    expect(single[3]?.[1]?.shape).toEqual([]);
  });
});

test("single samples make no batch to drop: PyTorch's words are mutually exclusive", () => {
  const message = "[DataLoader] got dropLast without a batchSize";
  expect(() => new DataLoader([1, 2], { batchSize: null, dropLast: true })).toThrow(message);
});

describe("randomSplit", () => {
  const split = (n: number, lengths: number[]) =>
    randomSplit(new TensorDataset(arange(n)), lengths).map((part) => part.length);

  test("fractions are cut to whole numbers, and what remains goes to the first parts", () => {
    expect(split(10, [0.25, 0.25, 0.5])).toEqual([3, 2, 5]);
    expect(split(1, [0.5, 0.5])).toEqual([1, 0]);
    expect(split(1, [1, 0])).toEqual([1, 0]);
  });

  test.each([[[2.5, 1.5]], [[5, -1]], [[2, 1]]])("refuses %j for four samples", (lengths) => {
    expect(() => split(4, lengths)).toThrow(/\[randomSplit\] .*the lengths .*expected .*4/);
  });
});

describe("datasets", () => {
  test("objects are joined entry by entry", () => {
    const [batch] = new DataLoader(new Squares(), { batchSize: 5 });
    expect(batch?.square?.toArray()).toEqual([0, 1, 4, 9, 16]);
    expect(batch?.x?.dtype).toBe("int64");
  });

  test("whatever has length and get is one", () => {
    const plain = { length: 3, get: (index: number) => index + 0.5 };
    const batches = [...new DataLoader<number>(plain as never, { batchSize: 2 })];
    expect(batches.map((x) => x.toArray())).toEqual([[0.5, 1.5], [2.5]]);
  });

  test("arrays of samples and tensors are datasets, too", () => {
    const pairs: [Tensor, number][] = [0, 1, 2].map((i) => [arange(2).add(i), i]);
    const joined = new DataLoader(pairs, { batchSize: 2 });
    expect([...joined].map(([x, i]) => [x.toArray(), i.toArray()])).toEqual([
      [
        [
          [0, 1],
          [1, 2],
        ],
        [0, 1],
      ],
      [[[2, 3]], [2]],
    ]);
    expect(joined.dataset).toBe(pairs);
    const rows = new DataLoader(arange(6).reshape([3, 2]), { batchSize: 2, dropLast: true });
    expect([...rows].map((x) => x.shape)).toEqual([[2, 2]]);
    expect(new DataLoader(arange(6).reshape([3, 2])).length).toBe(3);
    const alone = new DataLoader<Tensor, Tensor>(arange(6).reshape([3, 2]), { batchSize: null });
    expect([...alone].map((x) => x.toArray())).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
  });

  test("the type of a batch follows from that of a sample, that of dataset is what was given", () => {
    const squares = new DataLoader(new Squares());
    expectTypeOf([...squares]).toEqualTypeOf<{ x: Tensor; square: Tensor }[]>();
    expectTypeOf(squares.dataset).toEqualTypeOf<Squares>();
    expect(squares.dataset.length).toBe(5);
    expectTypeOf([...new DataLoader(ten())]).toEqualTypeOf<[Tensor, Tensor][]>();
    expectTypeOf([...new DataLoader(arange(3))]).toEqualTypeOf<Tensor[]>();
    expectTypeOf([...new DataLoader(["a", "b"])]).toEqualTypeOf<string[][]>();
    const pairs: [Tensor, number][] = [];
    expectTypeOf([...new DataLoader(pairs)]).toEqualTypeOf<[Tensor, Tensor][]>();
    const collateFn = (samples: [Tensor, number][]) => samples.map(([x]) => x.numel);
    expectTypeOf([...new DataLoader(pairs, { collateFn })]).toEqualTypeOf<number[][]>();
    expectTypeOf([...new DataLoader(pairs, { collateFn: (samples) => samples.length })]).toEqualTypeOf<
      number[]
    >();
  });

  test("an iterable dataset keeps its order", () => {
    const batches = [...new DataLoader(new Countdown(), { batchSize: 2 })];
    expect(batches.map((x) => x.toArray())).toEqual([[3, 2], [1]]);
    const whole = [...new DataLoader(new Countdown(), { batchSize: 2, dropLast: true })];
    expect(whole.map((x) => x.toArray())).toEqual([[3, 2]]);
  });

  test("a collate function of one's own gets the samples", () => {
    const collateFn = (samples: readonly number[]) => samples.length;
    expect([...new DataLoader(new Countdown(), { batchSize: 2, collateFn })]).toEqual([2, 1]);
  });

  test("for await gives the same batches", async () => {
    const seen: unknown[] = [];
    for await (const [x] of new DataLoader(ten(), { batchSize: 5 })) seen.push(x.toArray());
    expect(seen).toEqual(first(new DataLoader(ten(), { batchSize: 5 })));
  });
});
