/** Which dtypes the functions of nn.functional take: PyTorch's rules. */
import { describe, expect, test } from "vitest";
import { nn, type Tensor, tensor } from "../../src/index.js";

const F = nn.functional;
const floats = tensor([[0.2, 0.7]], { dtype: "float64" });
const ints = tensor([[0, 1]], { dtype: "int64" });
const bools = tensor([[false, true]]);

describe("integers are refused, by name and with a remedy", () => {
  const calls: Record<string, () => Tensor> = {
    softmax: () => F.softmax(ints, 1),
    logSoftmax: () => F.logSoftmax(ints, 1),
    softmin: () => F.softmin(ints, 1),
    glu: () => F.glu(ints),
    rrelu: () => F.rrelu(ints, { training: true }),
    klDiv: () => F.klDiv(floats, ints),
    binaryCrossEntropy: () => F.binaryCrossEntropy(floats, ints),
    binaryCrossEntropyWithLogits: () => F.binaryCrossEntropyWithLogits(floats, ints),
    cosineSimilarity: () => F.cosineSimilarity(ints, ints),
    adaptiveAvgPool1d: () => F.adaptiveAvgPool1d(ints, 1),
  };
  for (const [name, call] of Object.entries(calls)) {
    test(name, () => {
      expect(call).toThrow(new RegExp(`\\[${name}\\].* int64.*; try .*float(32|64)`));
    });
  }
});

describe("bool is refused", () => {
  const calls: Record<string, () => Tensor> = {
    hardtanh: () => F.hardtanh(bools),
    threshold: () => F.threshold(bools, 0, 1),
    multilabelSoftMarginLoss: () => F.multilabelSoftMarginLoss(floats, bools),
  };
  for (const [name, call] of Object.entries(calls)) {
    test(name, () => {
      expect(call).toThrow(new RegExp(`\\[${name}\\] not defined for bool`));
    });
  }
});

test("a dtype casts before softmax", () => {
  expect(F.softmax(ints, { dim: 1, dtype: "float64" }).dtype).toBe("float64");
});

test("binaryCrossEntropy refuses a target of another floating dtype", () => {
  expect(() => F.binaryCrossEntropy(floats, floats.float())).toThrow(
    '[binaryCrossEntropy] the target is float32, expected float64, the dtype of the input; try target.to("float64")',
  );
});

test("cosineSimilarity casts integers beside floats", () => {
  const y = F.cosineSimilarity(ints, floats);
  expect(y.dtype).toBe("float64");
  expect(y.item()).toBeCloseTo(0.7 / Math.hypot(0.2, 0.7), 14);
});

test("threshold keeps integers, with the numbers cut to whole ones", () => {
  const y = F.threshold(tensor([0, 1, 2, 3], { dtype: "int64" }), 1.5, -2.5);
  expect([y.dtype, y.toArray()]).toEqual(["int64", [-2, -2, 2, 3]]);
});

test("multilabelSoftMarginLoss promotes, and takes whole targets", () => {
  expect(F.multilabelSoftMarginLoss(floats.float(), floats).dtype).toBe("float64");
  const want = F.multilabelSoftMarginLoss(floats, ints.double());
  expect(F.multilabelSoftMarginLoss(floats, ints).item()).toBe(want.item());
});

test("hardtanh keeps integers, with its limits cut to whole numbers", () => {
  const y = F.hardtanh(tensor([-3, 0, 5], { dtype: "int64" }), { minVal: -1.5, maxVal: 2.5 });
  expect([y.dtype, y.toArray()]).toEqual(["int64", [-1, 0, 2]]);
  expect(() => F.hardtanh(tensor([1], { dtype: "uint8" }))).toThrow(
    "[hardtanh] uint8 has no negative numbers: got limits -1 and 1",
  );
});

test("lpPool of integers is a root, not cut to a whole number", () => {
  const y = F.lpPool1d(tensor([[1, 1, 2, 2]], { dtype: "int64" }), 2, 2);
  expect(y.dtype).toBe("float32");
  expect(y.square().round().toArray()).toEqual([[2, 8]]);
});

test("targets and lengths are whole numbers", () => {
  const adaptive = new nn.AdaptiveLogSoftmaxWithLoss(2, 6, [2, 4]);
  expect(() =>
    adaptive(tensor([[0.5, 0.5]], { dtype: "float32" }), tensor([1], { dtype: "float32" })),
  ).toThrow("[AdaptiveLogSoftmaxWithLoss] targets are class indices of dtype int64, got float32");
  const logits = F.logSoftmax(tensor([[[0.1, 0.2]]], { dtype: "float32" }), 2);
  expect(() => F.ctcLoss(logits, tensor([[1]]), [1], tensor([1], { dtype: "float32" }))).toThrow(
    "[ctcLoss] targetLengths must be whole numbers, got float32",
  );
});
