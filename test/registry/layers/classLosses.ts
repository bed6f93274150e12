/** Samples of the losses whose targets are classes or labels. */
import { nn, type Tensor, tensor } from "../../../src/index.js";
import { indices, make } from "../make.js";
import { another, type Reduced, unit, zeroOne } from "./losses.js";
import { type LayerErrors, type LayerRegistry, type LayerSample, sample } from "./types.js";

const classWeights = () => tensor([0.5, 2, 1], { dtype: "float64" });

/** A loss of logits (or log-probabilities) and class indices. */
function classes(
  build: (o?: Reduced & { weight?: Tensor | null; ignoreIndex?: number }) => nn.Module<[Tensor, Tensor]>,
): Record<string, LayerSample> {
  const target = () => tensor([2, 0]);
  return {
    mean: sample(
      () => build(),
      () => [make([2, 3]), target()],
    ),
    "weighted mean": sample(
      () => build({ weight: classWeights() }),
      () => [make([2, 3]), target()],
    ),
    "weighted, none": sample(
      () => build({ weight: classWeights(), reduction: "none" }),
      () => [make([2, 3]), target()],
    ),
    "sum, one ignored": sample(
      () => build({ reduction: "sum", ignoreIndex: 0 }),
      () => [make([2, 3]), target()],
    ),
    images: sample(
      () => build(),
      () => [make([2, 3, 1, 2]), indices([2, 1, 2], 3)],
    ),
    unbatched: sample(
      () => build(),
      () => [make([3]), tensor(1)],
    ),
    "empty batch, sum": sample(
      () => build({ reduction: "sum" }),
      () => [make([0, 3]), indices([0], 3)],
    ),
  };
}

const classErrors = (build: () => nn.Module<[Tensor, Tensor]>): LayerErrors => ({
  "a class out of range": [
    () => build()(make([2, 3]), tensor([0, 3])),
    /\[\w+\] target 3.*out of (range|bounds)/,
  ],
  "another batch size": [() => build()(make([2, 3]), tensor([0])), /\[\w+\]/],
  "a target of another dtype": [() => build()(make([2, 3]), tensor([0, 1]).to("bool")), /\[\w+\]/],
});

export const classLosses = {
  CrossEntropyLoss: {
    samples: {
      ...classes((o) => new nn.CrossEntropyLoss(o)),
      "label smoothing": sample(
        () => new nn.CrossEntropyLoss({ labelSmoothing: 0.2, weight: classWeights() }),
        () => [make([2, 3]), tensor([2, 0])],
      ),
      "probabilities as targets": sample(
        () => new nn.CrossEntropyLoss({ weight: classWeights(), labelSmoothing: 0.1 }),
        () => [make([2, 3]), another([2, 3], unit)],
      ),
    },
    prints: { "CrossEntropyLoss()": () => new nn.CrossEntropyLoss() },
    errors: {
      ...classErrors(() => new nn.CrossEntropyLoss()),
      "too much smoothing": [
        () => new nn.CrossEntropyLoss({ labelSmoothing: 2 })(make([2, 3]), tensor([0, 1])),
        /labelSmoothing 2: expected a number in \[0, 1\]/,
      ],
    },
  },
  CTCLoss: {
    samples: {
      "padded targets": sample(
        () => new nn.CTCLoss(),
        () => [
          make([5, 2, 3]),
          tensor([
            [1, 2],
            [2, 1],
          ]),
          tensor([5, 4]),
          tensor([2, 1]),
        ],
      ),
      "targets in one list, none": sample(
        () => new nn.CTCLoss({ reduction: "none", blank: 2 }),
        () => [make([4, 2, 3]), tensor([0, 1, 1]), [4, 4], [2, 1]],
      ),
      "infinite losses as zeros, sum": sample(
        () => new nn.CTCLoss({ reduction: "sum", zeroInfinity: true }),
        () => [
          make([2, 2, 3]),
          tensor([
            [1, 1],
            [1, 2],
          ]),
          [2, 2],
          [2, 1],
        ],
      ),
      unbatched: sample(
        () => new nn.CTCLoss(),
        () => [make([4, 3]), tensor([1, 2]), tensor(4), tensor(2)],
      ),
    },
    prints: { "CTCLoss()": () => new nn.CTCLoss() },
    errors: {
      "more steps than there are": [
        () => new nn.CTCLoss()(make([2, 1, 3]), tensor([[1]]), [3], [1]),
        /\[ctcLoss\]/,
      ],
      "a blank that is no class": [
        () => new nn.CTCLoss({ blank: 3 })(make([2, 1, 3]), tensor([[1]]), [2], [1]),
        /\[ctcLoss\] blank 3/,
      ],
    },
    skips: {
      gradcheck:
        "its gradient is right for logarithms of probabilities that sum to one: loss.test.ts checks it there",
      thirdOrder:
        "its second derivative is taken of a composition: three levels are compared in loss.test.ts",
    },
  },
  MultiLabelMarginLoss: {
    samples: {
      mean: sample(
        () => new nn.MultiLabelMarginLoss(),
        () => [
          make([2, 3]),
          tensor([
            [2, -1, 0],
            [0, 1, -1],
          ]),
        ],
      ),
      none: sample(
        () => new nn.MultiLabelMarginLoss({ reduction: "none" }),
        () => [
          make([2, 3]),
          tensor([
            [2, -1, 0],
            [0, 1, -1],
          ]),
        ],
      ),
      unbatched: sample(
        () => new nn.MultiLabelMarginLoss(),
        () => [make([3]), tensor([1, -1, 0])],
      ),
      "empty batch, sum": sample(
        () => new nn.MultiLabelMarginLoss({ reduction: "sum" }),
        () => [make([0, 3]), indices([0, 3], 3)],
      ),
    },
    prints: { "MultiLabelMarginLoss()": () => new nn.MultiLabelMarginLoss() },
    errors: {
      "a class out of range": [
        () => new nn.MultiLabelMarginLoss()(make([1, 3]), tensor([[3, 0, 0]])),
        /\[multilabelMarginLoss\]/i,
      ],
      "targets of another shape": [
        () => new nn.MultiLabelMarginLoss()(make([1, 3]), tensor([[0, 1]])),
        /\[multilabelMarginLoss\]/i,
      ],
    },
  },
  MultiLabelSoftMarginLoss: {
    samples: {
      mean: sample(
        () => new nn.MultiLabelSoftMarginLoss(),
        () => [make([2, 3]), zeroOne([2, 3])],
      ),
      "weighted, none": sample(
        () => new nn.MultiLabelSoftMarginLoss({ weight: classWeights(), reduction: "none" }),
        () => [make([2, 3]), zeroOne([2, 3])],
      ),
      unbatched: sample(
        () => new nn.MultiLabelSoftMarginLoss(),
        () => [make([3]), zeroOne([3])],
      ),
      "empty batch, sum": sample(
        () => new nn.MultiLabelSoftMarginLoss({ reduction: "sum" }),
        () => [make([0, 3]), zeroOne([0, 3])],
      ),
    },
    prints: { "MultiLabelSoftMarginLoss()": () => new nn.MultiLabelSoftMarginLoss() },
  },
  MultiMarginLoss: {
    samples: {
      mean: sample(
        () => new nn.MultiMarginLoss(),
        () => [make([2, 3]), tensor([2, 0])],
      ),
      "p 2, margin, weights, none": sample(
        () => new nn.MultiMarginLoss({ p: 2, margin: 0.7, weight: classWeights(), reduction: "none" }),
        () => [make([2, 3]), tensor([2, 0])],
      ),
      unbatched: sample(
        () => new nn.MultiMarginLoss(),
        () => [make([3]), tensor(1)],
      ),
      "empty batch, sum": sample(
        () => new nn.MultiMarginLoss({ reduction: "sum" }),
        () => [make([0, 3]), indices([0], 3)],
      ),
    },
    prints: { "MultiMarginLoss()": () => new nn.MultiMarginLoss() },
    errors: {
      "another p": [() => new nn.MultiMarginLoss({ p: 3 }), "[MultiMarginLoss] p 3: expected 1 or 2"],
      "a class out of range": [
        () => new nn.MultiMarginLoss()(make([1, 3]), tensor([3])),
        "[multiMarginLoss] target 3 at index [0] is out of range",
      ],
    },
  },
  NLLLoss: {
    samples: classes((o) => new nn.NLLLoss(o)),
    prints: { "NLLLoss()": () => new nn.NLLLoss() },
    errors: classErrors(() => new nn.NLLLoss()),
  },
  NLLLoss2d: {
    samples: {
      mean: sample(
        () => new nn.NLLLoss2d(),
        () => [make([2, 3, 2, 2]), indices([2, 2, 2], 3)],
      ),
    },
    prints: { "NLLLoss2d()": () => new nn.NLLLoss2d() },
    errors: classErrors(() => new nn.NLLLoss2d()),
  },
} satisfies Partial<LayerRegistry>;
