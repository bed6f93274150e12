/** Embedding tables, bags and the adaptive softmax: PyTorch's initial weights, gradients, options. */
import { describe, expect, test } from "vitest";
import { grad, logSoftmax, manualSeed, nn, randn, type Tensor, tensor } from "../../src/index.js";
import { gradcheck, gradgradcheck } from "../../src/testing/index.js";

const F = nn.functional;
const float64 = { dtype: "float64" } as const;
const numbers = (t: Tensor): number[] => Array.from(t.toTypedArray() as ArrayLike<number | bigint>, Number);

function table(seed = 0): Tensor {
  manualSeed(seed);
  return randn([6, 3], { ...float64, requiresGrad: true });
}

describe("Embedding", () => {
  test("starts from PyTorch's numbers, with zeros in the padding row", () => {
    manualSeed(0);
    const m = new nn.Embedding(3, 2);
    expect(numbers(m.weight).slice(0, 3)).toEqual([
      1.5409960746765137, -0.293428897857666, -2.1787893772125244,
    ]);
    manualSeed(0);
    const padded = new nn.Embedding(5, 4, { paddingIdx: -3 });
    expect(padded.weight.select(0, 2).toArray()).toEqual([0, 0, 0, 0]);
    expect(padded.weight.select(0, 3).select(0, 0).item()).toBe(1.3893661499023438);
    expect(String(padded)).toBe("Embedding(5, 4, paddingIdx=2)");
  });
  test("gradients add up by row, to second order", () => {
    const index = tensor([
      [1, 2],
      [1, 5],
    ]);
    const options = [
      {},
      { paddingIdx: 2 },
      { scaleGradByFreq: true },
      { paddingIdx: -1, scaleGradByFreq: true },
    ];
    expect(gradcheck((w) => F.embedding(index, w), [table()])).toBe(true);
    for (const o of options)
      expect(gradgradcheck((w) => F.embedding(index, w.mul(w), o), [table()])).toBe(true);
  });
  test("the padding row gets no gradient; frequent rows are divided by their count", () => {
    const index = tensor([1, 2, 1, 2, 2]);
    const rows = (o: object) => {
      const w = table();
      return grad(F.embedding(index, w, o).sum(), w)[0]
        ?.select(1, 0)
        .toArray();
    };
    expect(rows({})).toEqual([0, 2, 3, 0, 0, 0]);
    expect(rows({ paddingIdx: 2 })).toEqual([0, 2, 0, 0, 0, 0]);
    expect(rows({ scaleGradByFreq: true })).toEqual([0, 1, 1, 0, 0, 0]);
  });
  test("maxNorm scales the rows looked up in place, others not", () => {
    const w = table().detach();
    const before = numbers(w);
    F.embedding(tensor([1, 4]), w, { maxNorm: 0.5 });
    const norms = w.square().sum(1).sqrt();
    expect(norms.select(0, 1).item()).toBeCloseTo(0.5, 6);
    expect(norms.select(0, 4).item()).toBeCloseTo(0.5, 6);
    expect(numbers(w.select(0, 2))).toEqual(before.slice(6, 9));
  });
  test("a given table is frozen unless asked otherwise", () => {
    const given = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      float64,
    );
    expect(nn.Embedding.fromPretrained(given).weight.requiresGrad).toBe(false);
    expect(nn.Embedding.fromPretrained(given, { freeze: false }).weight.requiresGrad).toBe(true);
    expect(nn.Embedding.fromPretrained(given)(tensor(1)).toArray()).toEqual([3, 4]);
  });
  test("large tables, over many threads or one", () => {
    const w = randn([100, 2000], { ...float64, requiresGrad: true });
    const index = tensor(Array.from({ length: 300 }, (_, i) => (i * 7) % 100));
    const out = F.embedding(index, w);
    expect(numbers(out.select(0, 5))).toEqual(numbers(w.select(0, 35)));
    expect(new Set(numbers(grad(out.sum(), w)[0] as Tensor))).toEqual(new Set([3]));
  });
  test("errors name the index and the rows", () => {
    expect(() => F.embedding(tensor([6]), table())).toThrow(/index 6.*0 to 5/);
    expect(() => F.embedding(tensor([0.5]), table())).toThrow(/int64, got float32/);
    expect(() => new nn.Embedding(3, 2, { paddingIdx: 3 })).toThrow(/paddingIdx 3.*-3 to 2/);
  });
});

describe("EmbeddingBag", () => {
  const index = tensor([0, 2, 1, 3, 3]);
  const offsets = tensor([0, 2, 2]);
  const weights = tensor([1, 2, 3, 4, 5], { ...float64, requiresGrad: true });
  for (const mode of ["sum", "mean", "max"] as const) {
    test(`${mode}: gradients of two orders`, () => {
      const f = (w: Tensor) => F.embeddingBag(index, w.mul(w), { offsets, mode, paddingIdx: 1 });
      expect(gradcheck(f, [table()])).toBe(true);
      expect(gradgradcheck(f, [table()])).toBe(true);
    });
  }
  test("bags by rows, by offsets, and with a last offset", () => {
    const w = table();
    const rows = F.embeddingBag(
      tensor([
        [0, 2],
        [1, 3],
      ]),
      w,
      { mode: "sum" },
    );
    const cut = F.embeddingBag(tensor([0, 2, 1, 3]), w, { mode: "sum", offsets: tensor([0, 2]) });
    const closed = F.embeddingBag(tensor([0, 2, 1, 3]), w, {
      mode: "sum",
      offsets: tensor([0, 2, 4]),
      includeLastOffset: true,
    });
    expect(cut.toArray()).toEqual(rows.toArray());
    expect(closed.toArray()).toEqual(rows.toArray());
    expect(rows.select(0, 0).toArray()).toEqual(w.select(0, 0).add(w.select(0, 2)).toArray());
  });
  test("per-sample weights have gradients; empty bags give zeros", () => {
    const f = (w: Tensor, p: Tensor) =>
      F.embeddingBag(index, w, { offsets, mode: "sum", perSampleWeights: p });
    expect(gradcheck(f, [table(), weights])).toBe(true);
    expect(gradgradcheck(f, [table(), weights])).toBe(true);
    expect(f(table(), weights).select(0, 1).toArray()).toEqual([0, 0, 0]);
  });
  test("prints like PyTorch; refuses what does not go together", () => {
    const m = new nn.EmbeddingBag(5, 4, { maxNorm: 1, mode: "sum", paddingIdx: 0 });
    expect(String(m)).toBe("EmbeddingBag(5, 4, maxNorm=1, mode=sum, paddingIdx=0)");
    expect(() => F.embeddingBag(index, table())).toThrow(/needs offsets/);
    expect(() => F.embeddingBag(index, table(), { offsets, perSampleWeights: weights })).toThrow(
      /mode "sum"/,
    );
    expect(() => F.embeddingBag(index, table(), { offsets: tensor([1, 2]) })).toThrow(/ascending from 0/);
  });
});

describe("AdaptiveLogSoftmaxWithLoss", () => {
  test("the output is logProb at the target, and probabilities add up to 1", () => {
    manualSeed(0);
    const m = new nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], { divValue: 2 }).double();
    const x = randn([6, 8], float64);
    const target = tensor([0, 3, 5, 9, 12, 19]);
    const all = m.logProb(x);
    const { output, loss } = m(x, target);
    const picked = numbers(all.gather(1, target.unsqueeze(1)).squeeze(1));
    numbers(output).forEach((v, i) => {
      expect(v).toBeCloseTo(picked[i] as number, 12);
    });
    expect(loss.item()).toBeCloseTo(-output.mean().item(), 12);
    for (const p of numbers(all.exp().sum(1))) expect(p).toBeCloseTo(1, 12);
    expect(m.predict(x).toArray()).toEqual(all.argmax(1).toArray());
    expect(m(x.select(0, 4), tensor(12)).output.item()).toBeCloseTo(picked[4] as number, 12);
  });
  test("starts from PyTorch's numbers", () => {
    manualSeed(0);
    const m = new nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], { divValue: 2 });
    expect(numbers(m.head.weight).slice(0, 2)).toEqual([-0.0026469905860722065, 0.18966144323349]);
    expect(Object.keys(m.stateDict())).toEqual([
      "head.weight",
      "tail.0.0.weight",
      "tail.0.1.weight",
      "tail.1.0.weight",
      "tail.1.1.weight",
    ]);
  });
  test("errors name what is wrong", () => {
    expect(() => new nn.AdaptiveLogSoftmaxWithLoss(8, 20, [10, 4])).toThrow(/ascending, from 1 to 19/);
    const m = new nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4]);
    expect(() => m(randn([2, 8]), tensor([0, 20]))).toThrow(/target 20 at index \[1\].*0 to 19/);
    expect(() => m(randn([2, 7]), tensor([0, 1]))).toThrow(/\[2, 7\]/);
  });
});

describe("oneHot", () => {
  test("units at the indices", () => {
    expect(F.oneHot(tensor([[0, 2]])).toArray()).toEqual([
      [
        [1, 0, 0],
        [0, 0, 1],
      ],
    ]);
    expect(F.oneHot(tensor(1), 4).dtype).toBe("int64");
    expect(() => F.oneHot(tensor([3]), 3)).toThrow(/index 3.*0 to 2/);
    expect(logSoftmax(F.oneHot(tensor([0])).to("float64"), 1).toArray()).toEqual([[0]]);
  });
});
