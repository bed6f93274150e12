/** Every collective on every dtype and reduction, against what arithmetic on the ranks' inputs gives. */
import assert from "node:assert/strict";
import { arange, type DType, empty, full, manualSeed, randn, type Tensor, tensor, zeros } from "kindling";
import {
  allGather,
  allGatherIntoTensor,
  allReduce,
  allReduceCoalesced,
  allToAll,
  allToAllSingle,
  barrier,
  broadcast,
  gather,
  getRank,
  getWorldSize,
  ReduceOp,
  reduce,
  reduceScatter,
  reduceScatterTensor,
  scatter,
} from "kindling/distributed";
import type { Case } from "../harness.js";

const DTYPES: readonly DType[] = ["bool", "uint8", "int32", "int64", "float32", "float64"];

/** Numbers of elements around the limits of the ways in which backends move data: small, in one block, in many. */
const SIZES = [0, 1, 7, 1000, 5000, 40_000, 150_001];

const FLOATS = ["float32"] as const;

/** Small whole numbers that depend on rank and place; exact in every dtype, and so are their sums and products. */
function values(rank: number, n: number, dtype: DType): number[] {
  const range = dtype === "bool" ? 2 : 3;
  return Array.from({ length: n }, (_, i) => (i * 7 + rank * 5 + (i >> 3) * rank) % range);
}

function make(rank: number, n: number, dtype: DType): Tensor {
  return tensor(values(rank, n, dtype), { dtype });
}

function numbers(t: Tensor): number[] {
  return Array.from(t.flatten().toTypedArray() as ArrayLike<number | bigint>, Number);
}

/** Two elements as one, by the definition of the reduction. */
const FOLDS: Readonly<Record<ReduceOp, (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  avg: (a, b) => a + b,
  product: (a, b) => a * b,
  min: Math.min,
  max: Math.max,
  band: (a, b) => a & b,
  bor: (a, b) => a | b,
  bxor: (a, b) => a ^ b,
};
const BOOL_FOLDS: Readonly<Record<ReduceOp, (a: number, b: number) => number>> = {
  ...FOLDS,
  sum: FOLDS.bor,
  product: FOLDS.band,
};

/** What a reduction is by its definition. */
function reduced(rows: readonly (readonly number[])[], op: ReduceOp, dtype: DType): number[] {
  const size = rows.length;
  const fold = (dtype === "bool" ? BOOL_FOLDS : FOLDS)[op];
  const out = [...(rows[0] as readonly number[])];
  for (const row of rows.slice(1))
    for (let i = 0; i < out.length; i++) out[i] = fold(out[i] as number, row[i] as number);
  if (op !== "avg") return out;
  if (dtype === "float64") return out.map((n) => n / size);
  return out.map((n) => (dtype === "float32" ? Math.fround(n / size) : Math.trunc(n / size)));
}

/** Fails unless the tensor has these elements; quick for many. */
function same(t: Tensor, expected: readonly number[], what = ""): void {
  const got = numbers(t);
  const bad = got.length === expected.length ? got.findIndex((n, i) => n !== expected[i]) : 0;
  if (bad >= 0)
    assert.deepEqual(got.slice(bad, bad + 20), expected.slice(bad, bad + 20), `${what} from ${bad}`);
}

function isDefined(op: ReduceOp, dtype: DType): boolean {
  if (dtype === "bool") return op !== "avg";
  return !(dtype.startsWith("float") && ["band", "bor", "bxor"].includes(op));
}

const FLOAT = { dtype: "float32" } as const;

const every = (size: number, n: number, dtype: DType) =>
  Array.from({ length: size }, (_, r) => values(r, n, dtype));

export const cases: readonly Case[] = [
  {
    name: "getRank and getWorldSize",
    run(rank, size) {
      assert.equal(getRank(), rank);
      assert.equal(getWorldSize(), size);
    },
  },
  {
    name: "allReduce: every dtype and reduction",
    run(rank, size) {
      for (const dtype of DTYPES) {
        for (const op of Object.values(ReduceOp)) {
          const x = make(rank, 37, dtype);
          if (!isDefined(op, dtype)) {
            assert.throws(() => allReduce(x, op), /\[allReduce\] .* not defined/);
            continue;
          }
          allReduce(x, { op });
          assert.equal(x.dtype, dtype);
          same(x, reduced(every(size, 37, dtype), op, dtype), `${dtype} ${op}`);
        }
      }
    },
  },
  {
    name: "allReduce: every size",
    run(rank, size) {
      for (const n of SIZES) {
        for (const dtype of n > 100_000 ? FLOATS : (["uint8", "float32", "int64"] as const)) {
          const x = make(rank, n, dtype);
          allReduce(x);
          same(x, reduced(every(size, n, dtype), "sum", dtype), `${n} ${dtype}`);
        }
      }
    },
  },
  {
    name: "allReduce: the same bits on every rank, in the order of ranks",
    run(rank, size) {
      for (const n of [100, 50_000]) {
        const inputs = Array.from({ length: size }, (_, r) => {
          manualSeed(r);
          return randn([n]).mul(10 ** r);
        });
        const x = (inputs[rank] as Tensor).clone();
        allReduce(x);
        let sum = inputs[0] as Tensor;
        for (const t of inputs.slice(1)) sum = sum.add(t);
        assert.deepEqual(x.toTypedArray(), sum.toTypedArray());
        const all = Array.from({ length: size }, () => empty([n]));
        allGather(all, x);
        for (const t of all) assert.deepEqual(t.toTypedArray(), sum.toTypedArray());
      }
    },
  },
  {
    name: "allReduce: NaN and infinity go through",
    run(rank) {
      const x = tensor([rank === 0 ? Number.NaN : 1, Number.POSITIVE_INFINITY, 1]);
      allReduce(x, "max");
      assert.deepEqual(x.toArray(), [Number.NaN, Number.POSITIVE_INFINITY, 1]);
    },
  },
  {
    name: "allReduce: any strides, only the view changes",
    run(rank, size) {
      const whole = arange(24).to("float32").reshape([4, 6]).add(rank);
      const part = whole.t().narrow(0, 1, 3); // columns 1 to 3
      const version = whole.version;
      allReduce(part);
      assert.ok(whole.version > version);
      const ranks = (size * (size - 1)) / 2;
      for (let i = 0; i < 24; i++) {
        const inside = i % 6 >= 1 && i % 6 <= 3;
        assert.equal(numbers(whole)[i], inside ? i * size + ranks : i + rank);
      }
    },
  },
  {
    name: "allReduce: 0-d, and an expanded tensor is refused",
    run(rank, size) {
      const x = tensor(rank + 1);
      allReduce(x);
      assert.equal(x.item(), (size * (size + 1)) / 2);
      assert.throws(() => allReduce(tensor([1]).expand([3])), /expanded/);
    },
  },
  {
    name: "allReduceCoalesced",
    run(rank, size) {
      const list = [
        make(rank, 3, "float32"),
        make(rank, 6, "float32").reshape([2, 3]),
        make(rank, 0, "float32"),
      ];
      allReduceCoalesced(list, "max");
      assert.deepEqual(
        list.map((t) => t.shape),
        [[3], [2, 3], [0]],
      );
      for (const [t, n] of [
        [list[0], 3],
        [list[1], 6],
      ] as const)
        same(t as Tensor, reduced(every(size, n, "float32"), "max", "float32"));
    },
  },
  {
    name: "reduce: to every root",
    run(rank, size) {
      for (const n of [5, 30_000]) {
        for (let dst = 0; dst < size; dst++) {
          const x = make(rank, n, "int32");
          reduce(x, dst, "product");
          const expected =
            rank === dst ? reduced(every(size, n, "int32"), "product", "int32") : values(rank, n, "int32");
          same(x, expected);
        }
      }
    },
  },
  {
    name: "broadcast: from every root, every dtype and size",
    run(rank, size) {
      for (const dtype of DTYPES) {
        for (const n of SIZES.slice(0, dtype === "float32" ? undefined : 5)) {
          for (let src = 0; src < size; src++) {
            const x = make(rank, n, dtype);
            broadcast(x, src);
            same(x, values(src, n, dtype));
          }
        }
      }
    },
  },
  {
    name: "broadcast: from and into strided tensors",
    run(rank, size) {
      const whole = make(rank, 12, "float32").reshape([3, 4]);
      const x = rank % 2 === 0 ? whole.t() : make(rank, 12, "float32").reshape([4, 3]);
      broadcast(x, size - 1);
      const last = tensor(values(size - 1, 12, "float32"));
      const expected = (size - 1) % 2 === 0 ? last.reshape([3, 4]).t() : last.reshape([4, 3]);
      assert.deepEqual(x.toArray(), expected.toArray());
    },
  },
  {
    name: "allGather: equal and different sizes",
    run(rank, size) {
      for (const dtype of DTYPES) {
        const equal = Array.from({ length: size }, () => zeros([4, 2], { dtype }));
        allGather(equal, make(rank, 8, dtype).reshape([4, 2]));
        for (const [r, t] of equal.entries()) same(t, values(r, 8, dtype));
      }
      for (const scale of [3, 20_000]) {
        const lengths = Array.from({ length: size }, (_, r) => ((r + 2) % 3) * scale); // one of them is empty
        const list = lengths.map((n) => empty([n]));
        allGather(list, make(rank, lengths[rank] as number, "float32"));
        for (const [r, t] of list.entries()) same(t, values(r, lengths[r] as number, "float32"));
      }
    },
  },
  {
    name: "allGatherIntoTensor",
    run(rank, size) {
      for (const n of [6, 30_000]) {
        const out = empty([size * n, 2]);
        allGatherIntoTensor(out, make(rank, 2 * n, "float32").reshape([n, 2]));
        same(out, every(size, 2 * n, "float32").flat());
        // The input may be this rank's part of the output.
        const whole = zeros([size, n]);
        whole.select(0, rank).copy_(make(rank, n, "float32"));
        allGatherIntoTensor(whole, whole.select(0, rank));
        same(whole, every(size, n, "float32").flat());
      }
    },
  },
  {
    name: "gather and scatter: every root, equal and different sizes",
    run(rank, size) {
      for (const scale of [1, 9000]) {
        for (let root = 0; root < size; root++) {
          for (const lengths of [
            Array.from({ length: size }, () => 2 * scale),
            Array.from({ length: size }, (_, r) => (r + root) * scale),
          ]) {
            const own = make(rank, lengths[rank] as number, "int64");
            const list = rank === root ? lengths.map((n) => empty([n], { dtype: "int64" })) : null;
            gather(own, list, { dst: root });
            for (const [r, t] of (list ?? []).entries()) same(t, values(r, lengths[r] as number, "int64"));
            const back = zeros([lengths[rank] as number], { dtype: "int64" });
            scatter(back, list, { src: root });
            same(back, numbers(own));
          }
        }
      }
    },
  },
  {
    name: "reduceScatter: equal and different sizes",
    run(rank, size) {
      for (const scale of [2, 12_000]) {
        const lengths = Array.from({ length: size }, (_, r) => (r + 1) * scale);
        const total = lengths.reduce((a, b) => a + b, 0);
        const start = lengths.slice(0, rank).reduce((a, b) => a + b, 0);
        const parts = make(rank, total, "float64").split(lengths);
        const out = empty([lengths[rank] as number], { dtype: "float64" });
        reduceScatter(out, parts);
        const sum = reduced(every(size, total, "float64"), "sum", "float64");
        same(out, sum.slice(start, start + (lengths[rank] as number)));
        const even = empty([scale], { dtype: "float64" });
        reduceScatterTensor(even, make(rank, scale * size, "float64"), { op: "avg" });
        const mean = reduced(every(size, scale * size, "float64"), "avg", "float64");
        same(even, mean.slice(rank * scale, (rank + 1) * scale));
      }
    },
  },
  {
    name: "allToAll: lists of different shapes",
    run(rank, size) {
      for (const scale of [1, 10_000]) {
        // Rank i sends to rank j a tensor of (i + 1) * (j + 2) * scale elements, all 10 i + j.
        const shape = (i: number, j: number) => [i + 1, (j + 2) * scale];
        const inputs = Array.from({ length: size }, (_, j) => full(shape(rank, j), 10 * rank + j, FLOAT));
        const outputs = Array.from({ length: size }, (_, i) => empty(shape(i, rank)));
        allToAll(outputs, inputs);
        outputs.forEach((t, i) => {
          assert.equal(t.min().item(), 10 * i + rank);
          assert.equal(t.max().item(), 10 * i + rank);
        });
      }
    },
  },
  {
    name: "allToAllSingle: equal and unequal parts",
    run(rank, size) {
      const x = arange(size * 2)
        .add(100 * rank)
        .reshape([size, 2]);
      const out = x.clone().fill_(-1);
      allToAllSingle(out, x);
      const expected = Array.from({ length: size }, (_, i) => [100 * i + 2 * rank, 100 * i + 2 * rank + 1]);
      assert.deepEqual(out.toArray(), expected);
      // Rank i sends i + j rows to rank j.
      const inputSplitSizes = Array.from({ length: size }, (_, j) => rank + j);
      const rows = inputSplitSizes.reduce((a, b) => a + b, 0);
      const received = empty([rows, 3]);
      const sent = full([rows, 3], rank, FLOAT);
      allToAllSingle(received, sent, { inputSplitSizes, outputSplitSizes: inputSplitSizes });
      const from = Array.from({ length: size }, (_, i) => new Array<number>((rank + i) * 3).fill(i)).flat();
      same(received, from);
    },
  },
  {
    name: "barrier",
    run() {
      for (let i = 0; i < 100; i++) barrier();
    },
  },
  {
    name: "many small collectives in a row",
    run(rank, size) {
      let total = 0;
      for (let i = 0; i < 300; i++) {
        const x = tensor([i, rank], { dtype: "int64" });
        allReduce(x);
        const b = tensor([i * rank]);
        broadcast(b, i % size);
        total += (numbers(x)[0] as number) + b.item();
      }
      const expected = Array.from({ length: 300 }, (_, i) => i * size + i * (i % size)).reduce(
        (a, b) => a + b,
        0,
      );
      assert.equal(total, expected);
    },
  },
];
