/** Losses: labels out of range, targets of another shape or dtype. */

import { expect, test, vi } from "vitest";
import { nn, ones, rand, randn, tensor } from "../../src/index.js";
import { errorOf, index } from "./errorOf.js";

const { functional: F } = nn;

test("cross entropy: a label out of range", () => {
  expect(errorOf(() => F.crossEntropy(randn([2, 3]), index([0, 3])))).toMatchInlineSnapshot(
    `"IndexError: [crossEntropy] target 3 at index [1] is out of range: the input has 3 classes, expected 0 to 2, or ignoreIndex (-100)"`,
  );
});

test("cross entropy: a negative label", () => {
  expect(errorOf(() => F.crossEntropy(randn([2, 3]), index([0, -1])))).toMatchInlineSnapshot(
    `"IndexError: [crossEntropy] target -1 at index [1] is out of range: the input has 3 classes, expected 0 to 2, or ignoreIndex (-100)"`,
  );
});

test("cross entropy: floating labels", () => {
  expect(errorOf(() => F.crossEntropy(randn([2, 3]), tensor([0.5, 1.5])))).toMatchInlineSnapshot(
    `"DTypeError: [crossEntropy] targets are class indices of dtype int64, got float32; try target.to("int64")"`,
  );
});

test("cross entropy: another batch size", () => {
  expect(errorOf(() => F.crossEntropy(randn([2, 3]), index([0, 1, 2])))).toMatchInlineSnapshot(
    `"ShapeError: [crossEntropy] target of shape [3] does not fit an input of shape [2, 3]: expected [2], a class for each sample (classes are dimension 1 of the input)"`,
  );
});

test("cross entropy: one-hot integers", () => {
  expect(
    errorOf(() =>
      F.crossEntropy(
        randn([2, 3]),
        index([
          [0, 1, 0],
          [1, 0, 0],
        ]),
      ),
    ),
  ).toMatchInlineSnapshot(
    `"DTypeError: [crossEntropy] a target in the shape of the input holds probabilities: expected a floating dtype, got int64; try class indices of shape [2]"`,
  );
});

test("cross entropy: probabilities of other classes", () => {
  expect(errorOf(() => F.crossEntropy(randn([2, 3]), rand([2, 4])))).toMatchInlineSnapshot(
    `"ShapeError: [crossEntropy] target of shape [2, 4] does not fit an input of shape [2, 3]: expected [2], a class for each sample (classes are dimension 1 of the input)"`,
  );
});

test("cross entropy: label smoothing", () => {
  expect(
    errorOf(() => F.crossEntropy(randn([2, 3]), index([0, 1]), { labelSmoothing: 2 })),
  ).toMatchInlineSnapshot(`"ValueError: [crossEntropy] labelSmoothing 2: expected a number in [0, 1]"`);
});

test("cross entropy: weights of other classes", () => {
  expect(
    errorOf(() => F.crossEntropy(randn([2, 3]), index([0, 1]), { weight: ones([2]) })),
  ).toMatchInlineSnapshot(
    `"ShapeError: [crossEntropy] weight of shape [2]: expected [3], a value for each class"`,
  );
});

test("an unknown reduction", () => {
  expect(errorOf(() => new nn.MSELoss({ reduction: "avg" as never }))).toMatchInlineSnapshot(
    `"ValueError: [MSELoss] reduction "avg": expected "mean", "sum" or "none""`,
  );
});

test("nll: a label out of range", () => {
  expect(errorOf(() => F.nllLoss(randn([2, 3]), index([0, 5])))).toMatchInlineSnapshot(
    `"IndexError: [nllLoss] target 5 at index [1] is out of range: the input has 3 classes, expected 0 to 2, or ignoreIndex (-100)"`,
  );
});

test("binary cross entropy: logits in place of probabilities", () => {
  expect(errorOf(() => F.binaryCrossEntropy(tensor([1.5]), tensor([0.5])))).toMatchInlineSnapshot(
    `"ValueError: [binaryCrossEntropy] input element 0 is 1.5: expected probabilities from 0 to 1; try sigmoid(input), or binaryCrossEntropyWithLogits"`,
  );
});

test("binary cross entropy: another shape", () => {
  expect(errorOf(() => F.binaryCrossEntropy(rand([2]), rand([2, 1])))).toMatchInlineSnapshot(
    `"ShapeError: [binaryCrossEntropy] the target has shape [2, 1], expected [2], the shape of the input"`,
  );
});

test("mse: shapes", () => {
  expect(errorOf(() => F.mseLoss(randn([2, 3]), randn([3, 3])))).toMatchInlineSnapshot(
    `"ShapeError: [mseLoss] shapes [2, 3] and [3, 3] cannot be broadcast: dimension -2 is 2 and 3, expected equal sizes or 1; try reshape or unsqueeze"`,
  );
});

test("mse: integers", () => {
  expect(errorOf(() => F.mseLoss(index([1]), index([2])))).toMatchInlineSnapshot(
    `"DTypeError: [mseLoss] expected a floating input, got int64; try input.to("float32")"`,
  );
});

test("huber: delta", () => {
  expect(errorOf(() => F.huberLoss(randn([2]), randn([2]), { delta: 0 }))).toMatchInlineSnapshot(
    `"ValueError: [huberLoss] delta 0: expected a number above 0"`,
  );
});

test("Kullback-Leibler: shapes", () => {
  expect(errorOf(() => F.klDiv(randn([2, 3]), rand([3, 3])))).toMatchInlineSnapshot(
    `"ShapeError: [klDiv] shapes [2, 3] and [3, 3] cannot be broadcast: dimension -2 is 2 and 3, expected equal sizes or 1; try reshape or unsqueeze"`,
  );
});

test("Gaussian: a negative variance", () => {
  expect(errorOf(() => F.gaussianNllLoss(randn([2]), randn([2]), tensor([-1, 1.5])))).toMatchInlineSnapshot(
    `"ValueError: [gaussianNllLoss] the variance has a negative entry: expected all >= 0"`,
  );
});

test("CTC: a label out of range", () => {
  expect(
    errorOf(() => F.ctcLoss(randn([5, 1, 3]).logSoftmax(2), index([[1, 3]]), [5], [2])),
  ).toMatchInlineSnapshot(
    `"IndexError: [ctcLoss] target 3 at index [0, 1] is out of range: expected a class from 0 to 2"`,
  );
});

test("CTC: a length beyond the input", () => {
  expect(
    errorOf(() => F.ctcLoss(randn([5, 1, 3]).logSoftmax(2), index([[1, 2]]), [9], [2])),
  ).toMatchInlineSnapshot(
    `"ValueError: [ctcLoss] inputLengths[0] is 9: expected a whole number from 0 to 5"`,
  );
});

test("triplets of different widths", () => {
  expect(
    errorOf(() => F.tripletMarginLoss(randn([2, 3]), randn([2, 3]), randn([2, 4]))),
  ).toMatchInlineSnapshot(
    `"ShapeError: [tripletMarginLoss] shapes [2, 3] and [2, 4] cannot be broadcast: dimension -1 is 3 and 4, expected equal sizes or 1; try reshape or unsqueeze"`,
  );
});

test("margins: a label out of range", () => {
  expect(errorOf(() => F.multiMarginLoss(randn([2, 3]), index([0, 3])))).toMatchInlineSnapshot(
    `"IndexError: [multiMarginLoss] target 3 at index [1] is out of range: expected 0 to 2"`,
  );
});

test("a column against a row is allowed, with one warning", () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  try {
    const column = randn([3, 1]);
    const row = randn([3]);
    const square = F.mseLoss(column, row, { reduction: "none" });
    expect(square.shape).toEqual([3, 3]);
    F.mseLoss(column, row);
    F.mseLoss(row, row);
    expect(warn.mock.calls.flat()).toMatchInlineSnapshot(`
      [
        "[kindling] mseLoss: the target has shape [3], the input [3, 1]; they are broadcast, which is rarely meant; try reshape",
      ]
    `);
  } finally {
    warn.mockRestore();
  }
});
