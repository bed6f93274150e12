/** Losses: the fused ones against plain ops to third order, gradient checks, errors, edge cases. */
import { describe, expect, test } from "vitest";
import {
  grad,
  logSoftmax,
  manualSeed,
  nn,
  randn,
  sigmoid,
  type Tensor,
  tensor,
  zeros,
} from "../../src/index.js";
import { crossEntropyComposed } from "../../src/ops/crossEntropy.js";
import { ctcLossComposed } from "../../src/ops/ctc.js";
import { composed } from "../../src/ops/loss.js";
import { gradcheck, gradgradcheck } from "../../src/testing/index.js";

const F = nn.functional;
const REDUCTIONS = ["mean", "sum", "none"] as const;
const float64 = { dtype: "float64" } as const;

function leaf(shape: number[], seed = 0): Tensor {
  manualSeed(seed);
  return randn(shape, { ...float64, requiresGrad: true });
}

function close(a: Tensor, b: Tensor, tolerance = 1e-10): void {
  expect(a.shape).toEqual(b.shape);
  const [x, y] = [a.toTypedArray() as Float64Array, b.toTypedArray() as Float64Array];
  x.forEach((v, i) => {
    expect(Math.abs(v - (y[i] as number))).toBeLessThanOrEqual(tolerance * (1 + Math.abs(v)));
  });
}

/** Value and the derivatives up to the third along fixed directions, of fused and plain ops. */
function sameToThirdOrder(
  f: (...x: Tensor[]) => Tensor,
  g: (...x: Tensor[]) => Tensor,
  inputs: Tensor[],
): void {
  const orders = (h: (...x: Tensor[]) => Tensor) => {
    const out: Tensor[] = [];
    let y = h(...inputs);
    for (let order = 0; order < 4; order++) {
      out.push(y.detach());
      if (order === 3 || !y.requiresGrad) break;
      manualSeed(order + 1);
      const weighted = y.mul(randn(y.shape, float64)).sum();
      const grads = grad(weighted, inputs, { createGraph: true, allowUnused: true });
      y = grads.reduce<Tensor>(
        (sum, d, i) =>
          d === null
            ? sum
            : sum.add(
                d
                  .mul(d)
                  .mul(i + 1)
                  .sum(),
              ),
        zeros([], float64),
      );
    }
    return out;
  };
  const [a, b] = [orders(f), orders(g)];
  expect(a.length).toBe(b.length);
  a.forEach((v, i) => {
    close(v, b[i] as Tensor);
  });
}

describe("fused losses of pairs are their plain forms, to third order", () => {
  for (const reduction of REDUCTIONS) {
    const o = { reduction };
    test(`mseLoss, ${reduction}`, () => {
      sameToThirdOrder(
        (a, b) => F.mseLoss(a, b, o),
        (a, b) => composed.mseLoss(a, b, o),
        [leaf([3, 4]), leaf([3, 4], 1)],
      );
    });
    test(`huberLoss, ${reduction}`, () => {
      const h = { reduction, delta: 0.7 };
      sameToThirdOrder(
        (a, b) => F.huberLoss(a, b, h),
        (a, b) => composed.huberLoss(a, b, h),
        [leaf([3, 4]), leaf([3, 4], 1)],
      );
    });
    test(`smoothL1Loss, ${reduction}`, () => {
      const h = { reduction, beta: 0.7 };
      sameToThirdOrder(
        (a, b) => F.smoothL1Loss(a, b, h),
        (a, b) => composed.smoothL1Loss(a, b, h),
        [leaf([3, 4]), leaf([3, 4], 1)],
      );
    });
    test(`binaryCrossEntropyWithLogits, ${reduction}`, () => {
      sameToThirdOrder(
        (a, b) => F.binaryCrossEntropyWithLogits(a, b, o),
        (a, b) => composed.binaryCrossEntropyWithLogits(a, b, o),
        [leaf([3, 4]), leaf([3, 4], 1)],
      );
    });
    test(`l1Loss, ${reduction}`, () => {
      close(F.l1Loss(leaf([3, 4]), leaf([3, 4], 1), o), composed.l1Loss(leaf([3, 4]), leaf([3, 4], 1), o));
      expect(gradcheck((a, b) => F.l1Loss(a, b, o), [leaf([3, 4]), leaf([3, 4], 1)])).toBe(true);
    });
    test(`binaryCrossEntropy, ${reduction}`, () => {
      const f = (a: Tensor, b: Tensor) => F.binaryCrossEntropy(sigmoid(a), sigmoid(b), o);
      const g = (a: Tensor, b: Tensor) => composed.binaryCrossEntropyWithLogits(a, sigmoid(b), o);
      close(f(leaf([3, 4]), leaf([3, 4], 1)), g(leaf([3, 4]), leaf([3, 4], 1)));
      expect(gradcheck(f, [leaf([3, 4]), leaf([3, 4], 1)])).toBe(true);
      expect(gradgradcheck(f, [leaf([3, 4]), leaf([3, 4], 1)])).toBe(true);
    });
  }
  test("operands broadcast, and their gradients are summed", () => {
    expect(gradcheck((a, b) => F.mseLoss(a, b), [leaf([3, 4]), leaf([4], 1)])).toBe(true);
    expect(
      gradgradcheck((a, b) => F.huberLoss(a, b, { reduction: "none" }), [leaf([3, 1]), leaf([4], 1)]),
    ).toBe(true);
  });
});

describe("crossEntropy is -sum q logSoftmax, to third order", () => {
  const weight = tensor([0.5, 2, 1, 0.25], float64);
  const cases: [string, number[], Tensor][] = [
    ["[5, 4]", [5, 4], tensor([1, 3, -100, 0, 2])],
    [
      "[2, 4, 3]",
      [2, 4, 3],
      tensor([
        [1, 3, 0],
        [2, -100, 1],
      ]),
    ],
    ["[4]", [4], tensor(2)],
  ];
  for (const reduction of REDUCTIONS) {
    for (const [name, shape, target] of cases) {
      for (const options of [{}, { weight }, { labelSmoothing: 0.3 }, { weight, labelSmoothing: 0.3 }]) {
        test(`${name}, ${reduction}, ${Object.keys(options).join(" and ") || "plain"}`, () => {
          const o = { ...options, reduction };
          const [f, g] = [
            (x: Tensor) => F.crossEntropy(x, target, o),
            (x: Tensor) => crossEntropyComposed(x, target, o),
          ];
          sameToThirdOrder(f, g, [leaf(shape)]);
          expect(gradcheck(f, [leaf(shape)])).toBe(true);
          expect(gradgradcheck(f, [leaf(shape)])).toBe(true);
        });
      }
    }
    test(`nllLoss, ${reduction}`, () => {
      const f = (x: Tensor) => F.nllLoss(x, tensor([1, 3, -100, 0, 2]), { weight, reduction });
      expect(gradcheck(f, [leaf([5, 4])])).toBe(true);
      const square = (x: Tensor) => f(x.mul(x));
      expect(gradgradcheck(square, [leaf([5, 4])])).toBe(true);
    });
  }
  test("probabilities as targets: gradients of both", () => {
    const f = (x: Tensor, y: Tensor) => F.crossEntropy(x, y, { weight, labelSmoothing: 0.1 });
    expect(gradcheck(f, [leaf([5, 4]), leaf([5, 4], 1)])).toBe(true);
    expect(gradgradcheck(f, [leaf([5, 4]), leaf([5, 4], 1)])).toBe(true);
  });
  test("large batches, over many threads or one, are sums of their rows", () => {
    const x = randn([3000, 50], float64);
    const target = tensor(Array.from({ length: 3000 }, (_, i) => (i * 7) % 50));
    const rows = F.crossEntropy(x, target, { reduction: "none" });
    close(F.crossEntropy(x, target, { reduction: "sum" }), rows.sum());
    close(rows, logSoftmax(x, 1).gather(1, target.unsqueeze(1)).squeeze(1).neg());
  });
});

describe("edges, as in PyTorch", () => {
  test("all targets ignored: NaN for the mean, 0 for the sum, no gradient", () => {
    const x = leaf([2, 3]);
    const target = tensor([-100, -100]);
    expect(F.crossEntropy(x, target).item()).toBeNaN();
    expect(F.nllLoss(x, target).item()).toBeNaN();
    expect(F.crossEntropy(x, target, { reduction: "sum" }).item()).toBe(0);
    expect(grad(F.crossEntropy(x, target), x)[0]?.toArray()).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
  });
  test("nothing to average is NaN, to sum 0", () => {
    const none = zeros([0, 3]);
    expect(F.mseLoss(none, none).item()).toBeNaN();
    expect(F.mseLoss(none, none, { reduction: "sum" }).item()).toBe(0);
  });
  test("logits of 1000 do not overflow", () => {
    const x = tensor([1000, -1000], { dtype: "float32" });
    expect(F.binaryCrossEntropyWithLogits(x, tensor([1, 0], { dtype: "float32" })).item()).toBe(0);
    expect(F.crossEntropy(tensor([[1000, 0]], { dtype: "float32" }), tensor([1])).item()).toBe(1000);
  });
  test("binaryCrossEntropy at 0 and 1 is at most 100", () => {
    const x = tensor([0, 1], { ...float64, requiresGrad: true });
    const loss = F.binaryCrossEntropy(x, tensor([1, 0], float64), { reduction: "none" });
    expect(loss.toArray()).toEqual([100, 100]);
    expect(grad(loss.sum(), x)[0]?.toArray()).toEqual([-1e12, 1e12]);
  });
});

describe("errors name what is wrong", () => {
  const x = zeros([2, 3]);
  const cases: [string, () => unknown, RegExp][] = [
    [
      "a target out of range",
      () => F.crossEntropy(x, tensor([0, 3])),
      /target 3 at index \[1\].*3 classes.*0 to 2/,
    ],
    [
      "one in a plane",
      () => F.nllLoss(zeros([1, 2, 2]), tensor([[0, -1]])),
      /target -1 at index \[0, 1\].*2 classes/,
    ],
    ["a batch that differs", () => F.crossEntropy(x, tensor([0, 1, 2])), /\[3\].*\[2, 3\].*expected \[2\]/],
    ["a target of floats", () => F.crossEntropy(x, zeros([2])), /int64, got float32/],
    [
      "weights for other classes",
      () => F.crossEntropy(x, tensor([0, 1]), { weight: zeros([2]) }),
      /weight of shape \[2\].*\[3\]/,
    ],
    ["shapes that do not broadcast", () => F.mseLoss(x, zeros([2, 4])), /\[2, 3\] and \[2, 4\]/],
    [
      "logits and targets that differ",
      () => F.binaryCrossEntropyWithLogits(x, zeros([2])),
      /\[2\], expected \[2, 3\]/,
    ],
    [
      "another reduction",
      () => F.mseLoss(x, x, { reduction: "avg" as "mean" }),
      /"avg".*"mean", "sum" or "none"/,
    ],
    ["no probabilities", () => F.binaryCrossEntropy(x.sub(0.5), x), /element 0 is -0.5.*from 0 to 1/],
    ["integers", () => F.mseLoss(tensor([1]), tensor([2])), /floating.*int64/],
  ];
  for (const [name, f, message] of cases) test(name, () => expect(f).toThrow(message));
});

describe("ctcLoss", () => {
  const targets = tensor([
    [1, 2, 2],
    [3, 1, 0],
  ]);
  const f = (x: Tensor) => F.ctcLoss(logSoftmax(x, 2), targets, [6, 5], [3, 2], { reduction: "none" });
  test("is its plain form", () => {
    const x = leaf([6, 2, 4]);
    close(f(x), ctcLossComposed(logSoftmax(x, 2), targets, [6, 5], [3, 2]));
  });
  test("gradients of logits, first and second order", () => {
    expect(gradcheck(f, [leaf([6, 2, 4])])).toBe(true);
    expect(gradgradcheck(f, [leaf([6, 2, 4])])).toBe(true);
  });
  test("the recorded gradient is the kernel's", () => {
    const x = leaf([6, 2, 4]);
    const [plain] = grad(f(x).sum(), x);
    const [recorded] = grad(f(x).sum(), x, { createGraph: true });
    close(plain as Tensor, recorded as Tensor);
  });
  test("a target longer than the input: Infinity, or 0 where asked", () => {
    const x = leaf([2, 1, 4]);
    const short = (zeroInfinity: boolean) =>
      F.ctcLoss(logSoftmax(x, 2), tensor([[1, 2, 3]]), [2], [3], { zeroInfinity });
    expect(short(false).item()).toBe(Number.POSITIVE_INFINITY);
    expect(short(true).item()).toBe(0);
    expect(grad(short(true), x)[0]?.toArray()).toEqual(zeros([2, 1, 4]).toArray());
  });
});
