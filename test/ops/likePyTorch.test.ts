/** What ops accept, refuse and share with their inputs, as PyTorch does. */
import { describe, expect, test } from "vitest";
import {
  AutogradError,
  arange,
  cat,
  clampMax,
  clampMin,
  DTypeError,
  diagEmbed,
  diagflat,
  grad,
  gradient,
  histogram,
  hsplit,
  indexAdd,
  isclose,
  ldexp,
  maskedScatter,
  max,
  min,
  nn,
  noGrad,
  ones,
  ravel,
  roll,
  rot90,
  ShapeError,
  selectScatter,
  setDefaultDtype,
  sliceScatter,
  type Tensor,
  tensor,
  tensorSplit,
  triuIndices,
  zeros,
} from "../../src/index.js";

const F = nn.functional;
const shares = (a: Tensor, b: Tensor) => {
  const before = a.clone();
  b.add_(1);
  return !a.equal(before);
};

describe("what shares memory with the input", () => {
  test("ravel copies what is not contiguous, though it could be viewed", () => {
    const x = arange(6, { dtype: "float32" });
    expect(shares(x, ravel(x.at("::2")))).toBe(false);
    expect(shares(x, ravel(x.reshape([2, 3])))).toBe(true);
  });

  test("pixelShuffle and pixelUnshuffle never, with a factor of 1 neither", () => {
    const x = ones([1, 4, 2, 2]);
    expect(shares(x, F.pixelShuffle(x, 1))).toBe(false);
    expect(shares(x, F.pixelUnshuffle(x, 1))).toBe(false);
    const tiny = ones([1, 4, 1, 1]);
    expect(shares(tiny, F.pixelShuffle(tiny, 2))).toBe(false);
  });

  test("histogram gives a copy of its edges", () => {
    const edges = tensor([0, 0.5, 2]);
    expect(shares(edges, histogram(tensor([0.5, 1.5, 2]), edges).binEdges)).toBe(false);
  });
});

describe("dtypes", () => {
  test("a margin, or an eps, is a float beside integers", () => {
    const [a, b, y] = [tensor([1, 5]), tensor([2, 3]), tensor([1, -1])];
    expect(F.marginRankingLoss(a, b, y, { margin: 1 }).dtype).toBe("float32");
    expect(F.marginRankingLoss(a, b, y, { margin: 1 }).item()).toBe(2.5);
    expect(F.pairwiseDistance(a, b, { eps: 1 }).item()).toBe(3);
  });

  test("softmin negates uint8 before it casts", () => {
    const x = tensor([0, 1, 255], { dtype: "uint8" });
    const expected = F.softmax(tensor([0, 255, 1], { dtype: "float64" }), 0);
    expect(F.softmin(x, { dim: 0, dtype: "float64" }).equal(expected)).toBe(true);
  });

  test("indexAdd of booleans takes a boolean alpha", () => {
    const x = tensor([false, false]);
    const index = tensor([1]);
    expect(indexAdd(x, 0, index, tensor([true]), { alpha: true }).toArray()).toEqual([false, true]);
    expect(indexAdd(x, 0, index, tensor([true]), { alpha: false }).toArray()).toEqual([false, false]);
  });

  test("the power of ldexp has the dtype of its exponent, made floating", () => {
    const exponents = tensor([1, 2], { dtype: "int32" });
    expect(ldexp(tensor(1.5, { dtype: "float64" }), exponents).dtype).toBe("float32");
    setDefaultDtype("float64");
    try {
      expect(ldexp(tensor([1.5, 3], { dtype: "float32" }), exponents).dtype).toBe("float64");
    } finally {
      setDefaultDtype("float32");
    }
  });

  test("sumToSize to no dimensions is a sum, int64 for integers", () => {
    expect(tensor(3, { dtype: "int32" }).sumToSize([]).dtype).toBe("int64");
    const x = tensor(3);
    expect(shares(x, x.sumToSize([]))).toBe(false);
  });
});

describe("losses and dropout beside integers", () => {
  const ints = tensor([1, 5]);
  test("l1Loss and hingeEmbeddingLoss stay integers, so that they have no mean", () => {
    const l1 = F.l1Loss(ints, tensor([3, 3]), { reduction: "sum" });
    expect([l1.dtype, l1.item()]).toEqual(["int64", 4]);
    expect(() => F.l1Loss(ints, tensor([3, 3]))).toThrow(DTypeError);
    const hinge = F.hingeEmbeddingLoss(ints, tensor([1, -1]), { margin: 7.5, reduction: "none" });
    expect([hinge.dtype, hinge.toArray()]).toEqual(["int64", [1, 2]]);
  });

  test("huberLoss and softMarginLoss have the dtype of the input, which must hold the target", () => {
    const [f32, f64] = [tensor([0.5, -0.5]), tensor([1, -1], { dtype: "float64" })];
    for (const loss of [F.huberLoss, F.softMarginLoss]) {
      expect(loss(f32, f64).dtype).toBe("float32");
      expect(loss(f64, f32).dtype).toBe("float64");
      expect(() => loss(ints, f64)).toThrow(DTypeError);
    }
  });

  test("dropout with p 1 gives zeros of every dtype", () => {
    expect(F.dropout(ints, { p: 1 }).equal(tensor([0, 0]))).toBe(true);
    expect(F.dropout(tensor([true]), { p: 1 }).dtype).toBe("bool");
    expect(() => F.dropout(ints, { p: 0.5 })).toThrow(DTypeError);
    expect(F.featureAlphaDropout(ones([3]), { p: 1, training: true }).toArray()).toEqual([0, 0, 0]);
  });
});

describe("refusals", () => {
  const x = () =>
    tensor(
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      { dtype: "float64" },
    );
  const fractions: Record<string, (n: number) => unknown> = {
    roll: (n) => roll(x(), n),
    "roll along a dimension": (n) => roll(x(), [n], [0]),
    diagonal: (n) => x().diagonal({ offset: n }),
    diagEmbed: (n) => diagEmbed(x(), { offset: n }),
    diagflat: (n) => diagflat(x(), n),
    tril: (n) => x().tril(n),
    triuIndices: (n) => triuIndices(3, 3, { offset: n }),
    rot90: (n) => rot90(x(), n),
    "narrow from": (n) => x().narrow(0, n, 1),
    "narrow of length": (n) => x().narrow(0, 0, n),
    expand: (n) => x().expand([n, 2, 3]),
    asStrided: (n) => x().asStrided([2], [n]),
    "asStrided from": (n) => x().asStrided([2], [1], { storageOffset: n }),
    tensorSplit: (n) => tensorSplit(x(), [n]),
    sliceScatter: (n) => sliceScatter(x(), x(), { start: n }),
    "round to decimals": (n) => x().round({ decimals: n }),
    "arange by NaN": (n) => arange(0, 5, n * Number.NaN),
  };
  test.each(Object.entries(fractions))("fractions and NaN where whole numbers belong: %s", (_, call) => {
    for (const n of [0.5, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) expect(() => call(n)).toThrow(/^\[/);
  });

  test("numbers that an integer tensor does not hold, as padding and as what is scattered", () => {
    const [ints, index] = [tensor([1, 2], { dtype: "int32" }), tensor([0])];
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1e10]) {
      expect(() => F.pad(ints, [1, 1], { value })).toThrow(DTypeError);
      expect(() => ints.scatter(0, index, value)).toThrow(DTypeError);
    }
    expect(F.pad(ints, [1, 0], { value: -1.5 }).toArray()).toEqual([-1, 1, 2]);
    expect(ints.scatter(0, index, 1.5).toArray()).toEqual([1, 2]);
  });

  test("kernels of avgPool3d larger than the image, whatever the padding", () => {
    expect(() => F.avgPool3d(ones([1, 1, 2, 4, 4]), 3, { padding: 1 })).toThrow(ShapeError);
    expect(F.avgPool2d(ones([1, 1, 2, 4]), 3, { padding: 1 }).shape).toEqual([1, 1, 1, 2]);
  });

  test("pooling of images without channels", () => {
    for (const shape of [
      [0, 4, 4],
      [2, 0, 4, 4],
    ]) {
      const x = zeros(shape);
      expect(() => F.maxPool2d(x, 2)).toThrow(ShapeError);
      expect(() => F.avgPool2d(x, 2)).toThrow(ShapeError);
      expect(() => F.lpPool2d(x, 2, 2)).toThrow(ShapeError);
      expect(F.adaptiveAvgPool2d(x, 2).shape).toEqual([...shape.slice(0, -2), 2, 2]);
    }
    expect(F.adaptiveMaxPool2d(zeros([0, 4, 4]), 2).shape).toEqual([0, 2, 2]);
    expect(() => F.adaptiveMaxPool2d(zeros([2, 0, 4, 4]), 2)).toThrow(ShapeError);
    expect(() => F.adaptiveAvgPool3d(zeros([2, 0, 4, 4, 4]), 2)).toThrow(ShapeError);
    expect(F.maxPool2d(zeros([0, 2, 4, 4]), 2).shape).toEqual([0, 2, 2, 2]);
  });

  test("gradients of class weights and of running statistics", () => {
    const leaf = () => ones([2], { requiresGrad: true });
    const [x, t] = [ones([3, 2]), tensor([0, 1, 0])];
    expect(() => F.nllLoss(x, t, { weight: leaf() })).toThrow(AutogradError);
    expect(() => F.crossEntropy(x, t, { weight: leaf() })).toThrow(AutogradError);
    expect(() => F.batchNorm(x, leaf(), ones([2]))).toThrow(AutogradError);
    expect(() => F.batchNorm(x, zeros([2]), leaf(), { training: true })).toThrow(AutogradError);
    const signals = ones([1, 2, 3]);
    const o = { runningMean: leaf(), runningVar: ones([2]), useInputStats: false };
    expect(() => F.instanceNorm(signals, o)).toThrow(AutogradError);
    expect(noGrad(() => F.crossEntropy(x, t, { weight: leaf() })).item()).toBeCloseTo(Math.log(2), 6);
    const weight = leaf(); // beside probabilities it has one
    F.crossEntropy(x, ones([3, 2]), { weight }).backward();
    expect(weight.grad?.shape).toEqual([2]);
  });

  test("gradient along one dimension twice", () => {
    expect(() => gradient(ones([3, 3]), { dim: [1, 1] })).toThrow(ShapeError);
  });

  test("what is no tensor, by name", () => {
    const two = 2 as unknown as Tensor;
    for (const call of [
      () => clampMin(two, 3),
      () => clampMax(two, 3),
      () => max(two),
      () => min(two),
      () => isclose(two, two),
      () => cat([ones([2]), null as unknown as Tensor]),
      () => hsplit(ones([2, 2]), "abc" as unknown as number),
    ]) {
      expect(call).toThrow(DTypeError);
    }
  });
});

test("an expanded tensor may be filled", () => {
  const base = zeros([1, 3]);
  base.expand([2, 3]).fill_(4);
  expect(base.toArray()).toEqual([[4, 4, 4]]);
  base.expand([2, 3]).zero_();
  expect(base.toArray()).toEqual([[0, 0, 0]]);
});

describe("gradients that arrive as views which begin further on", () => {
  const leaf = (data: number[]) => tensor(data, { dtype: "float64", requiresGrad: true });
  const rows = tensor(
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
    { dtype: "float64" },
  );

  test("of a part that was written in place", () => {
    const x = leaf([1, 2, 3]);
    const y = x.clone();
    y.at(0).mul_(10);
    // the gradient of y is the second half of this one
    const [g] = grad([cat([zeros([3], { dtype: "float64" }), y])], [x], { gradOutputs: [rows.flatten()] });
    expect((g as Tensor).toArray()).toEqual([40, 5, 6]);
  });

  test("of what was written into a copy", () => {
    const src = leaf([7, 8, 9]);
    const out = selectScatter(zeros([1, 3], { dtype: "float64" }), src, 0, 0);
    const [g] = grad([out], [src], { gradOutputs: [rows.narrow(0, 1, 1)] });
    expect((g as Tensor).toArray()).toEqual([4, 5, 6]);
  });

  test("of a diagonal, and of what a mask scattered", () => {
    const cotangent = arange(8, { dtype: "float64" }).reshape([2, 2, 2]).at(1);
    const v = leaf([1, 2]);
    const [g] = grad([diagEmbed(v)], [v], { gradOutputs: [cotangent] });
    expect((g as Tensor).toArray()).toEqual([4, 7]);
    const source = leaf([1, 2, 3]);
    const scattered = maskedScatter(zeros([3], { dtype: "float64" }), tensor([true, false, true]), source);
    const [s] = grad([scattered], [source], { gradOutputs: [rows.at(1)] });
    expect((s as Tensor).toArray()).toEqual([4, 6, 0]);
  });
});

test("cat gives an empty piece of another rank an empty gradient", () => {
  const [empty, x] = [
    zeros([0], { dtype: "float64", requiresGrad: true }),
    ones([2, 1], { dtype: "float64", requiresGrad: true }),
  ];
  const out = cat([empty, x, x], 1);
  expect(out.shape).toEqual([2, 2]);
  const [ge, gx] = grad([out.sum()], [empty, x]);
  expect((ge as Tensor).shape).toEqual([0]);
  expect((gx as Tensor).toArray()).toEqual([[2], [2]]);
});
