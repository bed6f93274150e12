/** Samples of the losses and distances. */
import { nn, type Tensor, tensor } from "../../../src/index.js";
import { indices, type MakeOptions, make } from "../make.js";
import { type LayerErrors, type LayerRegistry, type LayerSample, sample } from "./types.js";

type Reduced = { reduction?: "mean" | "sum" | "none" };
type Pair = (o?: Reduced) => nn.Module<[Tensor, Tensor]>;

const positive: MakeOptions = { low: 0.2, high: 2 };
const unit: MakeOptions = { low: 0.1, high: 0.9 };
/** 1 and -1. */
const signs = (shape: readonly number[]) => make(shape, { seed: 4, requiresGrad: false }).sign();
const zeroOne = (shape: readonly number[]) => signs(shape).clamp({ min: 0 });

/** A loss of an input and a target of its shape, by every reduction. */
function pairs(
  build: Pair,
  target: (shape: readonly number[]) => Tensor,
  input: MakeOptions = {},
  more: Readonly<Record<string, LayerSample>> = {},
): Record<string, LayerSample> {
  const on = (shape: readonly number[], o?: Reduced) =>
    sample(
      () => build(o),
      () => [make(shape, input), target(shape)],
    );
  return {
    mean: on([2, 3]),
    sum: on([2, 3], { reduction: "sum" }),
    none: on([2, 3], { reduction: "none" }),
    "0-d": on([]),
    "empty batch, sum": on([0, 3], { reduction: "sum" }),
    ...more,
  };
}

const another = (shape: readonly number[], o: MakeOptions = {}) => make(shape, { seed: 2, ...o });

const pairErrors = (build: Pair, target: (shape: readonly number[]) => Tensor): LayerErrors => ({
  "an unknown reduction": [
    () => build({ reduction: "average" as "mean" }),
    /reduction "average": expected "mean", "sum" or "none"/,
  ],
  "shapes that do not fit": [() => build()(make([2, 3], unit), target([2, 4])), /\[\w+\]/],
});

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

/** A loss of three tensors. */
const anchor = (n: number[]) => [make(n), make(n, { seed: 2 }), make(n, { seed: 3 })] as const;

export const losses = {
  BCELoss: {
    samples: pairs(
      (o) => new nn.BCELoss(o),
      (s) => another(s, { ...unit, requiresGrad: false }),
      unit,
      {
        weighted: sample(
          () => new nn.BCELoss({ weight: tensor([1, 2, 0.5], { dtype: "float64" }) }),
          () => [make([2, 3], unit), zeroOne([2, 3])],
        ),
        "targets with a gradient": sample(
          () => new nn.BCELoss(),
          () => [make([2, 2], unit), another([2, 2], unit)],
        ),
      },
    ),
    prints: { "BCELoss()": () => new nn.BCELoss() },
    errors: {
      ...pairErrors((o) => new nn.BCELoss(o), zeroOne),
      "no probability": [
        () => new nn.BCELoss()(make([3], positive), zeroOne([3])),
        /\[binaryCrossEntropy\].*0 to 1|between 0 and 1/,
      ],
    },
  },
  BCEWithLogitsLoss: {
    samples: pairs(
      (o) => new nn.BCEWithLogitsLoss(o),
      (s) => another(s, { ...unit, requiresGrad: false }),
      {},
      {
        "weights, weights of positives": sample(
          () =>
            new nn.BCEWithLogitsLoss({
              weight: tensor([1, 2, 0.5], { dtype: "float64" }),
              posWeight: tensor([3, 1, 2], { dtype: "float64" }),
            }),
          () => [make([2, 3]), zeroOne([2, 3])],
        ),
        "targets with a gradient": sample(
          () => new nn.BCEWithLogitsLoss(),
          () => [make([2, 2]), another([2, 2], unit)],
        ),
      },
    ),
    prints: { "BCEWithLogitsLoss()": () => new nn.BCEWithLogitsLoss() },
    errors: pairErrors((o) => new nn.BCEWithLogitsLoss(o), zeroOne),
  },
  CosineEmbeddingLoss: {
    samples: {
      mean: sample(
        () => new nn.CosineEmbeddingLoss(),
        () => [make([3, 2]), another([3, 2]), signs([3])],
      ),
      "margin, none": sample(
        () => new nn.CosineEmbeddingLoss({ margin: 0.3, reduction: "none" }),
        () => [make([3, 2]), another([3, 2]), signs([3])],
      ),
      unbatched: sample(
        () => new nn.CosineEmbeddingLoss(),
        () => [make([3]), another([3]), signs([])],
      ),
      "empty batch, sum": sample(
        () => new nn.CosineEmbeddingLoss({ reduction: "sum" }),
        () => [make([0, 3]), make([0, 3]), signs([0])],
      ),
    },
    prints: { "CosineEmbeddingLoss()": () => new nn.CosineEmbeddingLoss() },
    errors: {
      "targets of another shape": [
        () => new nn.CosineEmbeddingLoss()(make([3, 2]), another([3, 2]), signs([3, 2])),
        /\[cosineEmbeddingLoss\]/,
      ],
    },
  },
  CosineSimilarity: {
    samples: {
      rows: sample(
        () => new nn.CosineSimilarity(),
        () => [make([2, 3]), another([2, 3])],
      ),
      "another dimension, eps": sample(
        () => new nn.CosineSimilarity({ dim: 0, eps: 0.1 }),
        () => [make([2, 3]), another([2, 3])],
      ),
      broadcast: sample(
        () => new nn.CosineSimilarity({ dim: -1 }),
        () => [make([2, 3]), another([3])],
      ),
      "empty batch": sample(
        () => new nn.CosineSimilarity(),
        () => [make([0, 3]), make([0, 3])],
      ),
    },
    prints: { "CosineSimilarity()": () => new nn.CosineSimilarity() },
    errors: {
      "shapes that do not broadcast": [
        () => new nn.CosineSimilarity()(make([2, 3]), make([2, 4])),
        /\[\w+\]/,
      ],
    },
  },
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
  GaussianNLLLoss: {
    samples: {
      mean: sample(
        () => new nn.GaussianNLLLoss(),
        () => [make([2, 3]), another([2, 3]), make([2, 3], { ...positive, seed: 3 })],
      ),
      "full, a variance for each row": sample(
        () => new nn.GaussianNLLLoss({ full: true, reduction: "none" }),
        () => [make([2, 3]), another([2, 3]), make([2, 1], { ...positive, seed: 3 })],
      ),
      "empty batch, sum": sample(
        () => new nn.GaussianNLLLoss({ reduction: "sum" }),
        () => [make([0, 3]), make([0, 3]), make([0, 3], positive)],
      ),
    },
    prints: { "GaussianNLLLoss()": () => new nn.GaussianNLLLoss() },
    errors: {
      "a negative variance": [
        () => new nn.GaussianNLLLoss()(make([2]), make([2]), make([2])),
        /\[gaussianNllLoss\] the variance has a negative entry/i,
      ],
      "a variance of another shape": [
        () => new nn.GaussianNLLLoss()(make([2, 3]), make([2, 3]), make([2, 2], positive)),
        /\[gaussianNllLoss\]/i,
      ],
    },
  },
  HingeEmbeddingLoss: {
    samples: pairs(
      (o) => new nn.HingeEmbeddingLoss(o),
      signs,
      {},
      {
        margin: sample(
          () => new nn.HingeEmbeddingLoss({ margin: 0.3 }),
          () => [make([2, 3]), signs([2, 3])],
        ),
      },
    ),
    prints: { "HingeEmbeddingLoss()": () => new nn.HingeEmbeddingLoss() },
    errors: pairErrors((o) => new nn.HingeEmbeddingLoss(o), signs),
  },
  HuberLoss: {
    samples: pairs(
      (o) => new nn.HuberLoss(o),
      (s) => another(s),
      {},
      {
        delta: sample(
          () => new nn.HuberLoss({ delta: 0.6 }),
          () => [make([2, 3]), another([2, 3])],
        ),
      },
    ),
    prints: { "HuberLoss()": () => new nn.HuberLoss() },
    errors: {
      ...pairErrors((o) => new nn.HuberLoss(o), another),
      "delta 0": [
        () => new nn.HuberLoss({ delta: 0 })(make([2]), another([2])),
        "[huberLoss] delta 0: expected a number above 0",
      ],
    },
  },
  KLDivLoss: {
    samples: pairs(
      (o) => new nn.KLDivLoss(o),
      (s) => another(s, positive),
      {},
      {
        "logarithms as targets, mean over the batch": sample(
          () => new nn.KLDivLoss({ logTarget: true, reduction: "batchmean" }),
          () => [make([2, 3]), another([2, 3])],
        ),
      },
    ),
    prints: { "KLDivLoss()": () => new nn.KLDivLoss() },
    errors: pairErrors((o) => new nn.KLDivLoss(o), another),
  },
  L1Loss: {
    samples: pairs(
      (o) => new nn.L1Loss(o),
      (s) => another(s),
    ),
    prints: { "L1Loss()": () => new nn.L1Loss() },
    errors: pairErrors((o) => new nn.L1Loss(o), another),
  },
  MarginRankingLoss: {
    samples: {
      mean: sample(
        () => new nn.MarginRankingLoss(),
        () => [make([3]), another([3]), signs([3])],
      ),
      "margin, none": sample(
        () => new nn.MarginRankingLoss({ margin: 0.4, reduction: "none" }),
        () => [make([2, 3]), another([2, 3]), signs([2, 3])],
      ),
      "empty batch, sum": sample(
        () => new nn.MarginRankingLoss({ reduction: "sum" }),
        () => [make([0]), make([0]), signs([0])],
      ),
    },
    prints: { "MarginRankingLoss()": () => new nn.MarginRankingLoss() },
    errors: {
      "targets with another number of dimensions": [
        () => new nn.MarginRankingLoss()(make([2]), another([2]), signs([1, 2])),
        /\[marginRankingLoss\]/,
      ],
    },
  },
  MSELoss: {
    samples: pairs(
      (o) => new nn.MSELoss(o),
      (s) => another(s),
    ),
    prints: { "MSELoss()": () => new nn.MSELoss() },
    errors: pairErrors((o) => new nn.MSELoss(o), another),
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
  PairwiseDistance: {
    samples: {
      default: sample(
        () => new nn.PairwiseDistance(),
        () => [make([2, 3]), another([2, 3])],
      ),
      "p 3, kept": sample(
        () => new nn.PairwiseDistance({ p: 3, keepdim: true }),
        () => [make([2, 3]), another([2, 3])],
      ),
      unbatched: sample(
        () => new nn.PairwiseDistance({ p: 1, eps: 0.01 }),
        () => [make([3]), another([3])],
      ),
      broadcast: sample(
        () => new nn.PairwiseDistance(),
        () => [make([2, 3]), another([1, 3])],
      ),
      "empty batch": sample(
        () => new nn.PairwiseDistance(),
        () => [make([0, 3]), make([0, 3])],
      ),
    },
    prints: { "PairwiseDistance()": () => new nn.PairwiseDistance() },
  },
  PoissonNLLLoss: {
    samples: pairs(
      (o) => new nn.PoissonNLLLoss(o),
      (s) => another(s, { low: 1.2, high: 4 }),
      {},
      {
        "rates, full": sample(
          () => new nn.PoissonNLLLoss({ logInput: false, full: true, eps: 0.1 }),
          () => [make([2, 3], positive), another([2, 3], { low: 1.2, high: 4 })],
        ),
      },
    ),
    prints: { "PoissonNLLLoss()": () => new nn.PoissonNLLLoss() },
  },
  SmoothL1Loss: {
    samples: pairs(
      (o) => new nn.SmoothL1Loss(o),
      (s) => another(s),
      {},
      {
        beta: sample(
          () => new nn.SmoothL1Loss({ beta: 0.4 }),
          () => [make([2, 3]), another([2, 3])],
        ),
        "beta 0": sample(
          () => new nn.SmoothL1Loss({ beta: 0 }),
          () => [make([2, 3]), another([2, 3])],
        ),
      },
    ),
    prints: { "SmoothL1Loss()": () => new nn.SmoothL1Loss() },
    errors: {
      ...pairErrors((o) => new nn.SmoothL1Loss(o), another),
      "a negative beta": [
        () => new nn.SmoothL1Loss({ beta: -1 })(make([2]), another([2])),
        "[smoothL1Loss] beta -1: expected a number at least 0",
      ],
    },
  },
  SoftMarginLoss: {
    samples: pairs((o) => new nn.SoftMarginLoss(o), signs),
    prints: { "SoftMarginLoss()": () => new nn.SoftMarginLoss() },
    errors: pairErrors((o) => new nn.SoftMarginLoss(o), signs),
  },
  TripletMarginLoss: {
    samples: {
      mean: sample(
        () => new nn.TripletMarginLoss(),
        () => [...anchor([2, 3])],
      ),
      "p, margin, swap, none": sample(
        () => new nn.TripletMarginLoss({ p: 3, margin: 2, swap: true, reduction: "none" }),
        () => [...anchor([2, 3])],
      ),
      unbatched: sample(
        () => new nn.TripletMarginLoss(),
        () => [...anchor([3])],
      ),
      "empty batch, sum": sample(
        () => new nn.TripletMarginLoss({ reduction: "sum" }),
        () => [...anchor([0, 3])],
      ),
    },
    prints: { "TripletMarginLoss()": () => new nn.TripletMarginLoss() },
    errors: {
      "different numbers of dimensions": [
        () => new nn.TripletMarginLoss()(make([2, 3]), make([3]), make([3])),
        /\[tripletMarginLoss\]/,
      ],
    },
  },
  TripletMarginWithDistanceLoss: {
    samples: {
      default: sample(
        () => new nn.TripletMarginWithDistanceLoss(),
        () => [...anchor([2, 3])],
      ),
      "a distance of one's own, swap": sample(
        () =>
          new nn.TripletMarginWithDistanceLoss({
            distanceFunction: (a, b) => a.sub(b).square().sum(-1),
            swap: true,
            margin: 3,
          }),
        () => [...anchor([2, 3])],
      ),
      "a module as distance, sum": sample(
        () =>
          new nn.TripletMarginWithDistanceLoss({
            distanceFunction: new nn.PairwiseDistance({ p: 3 }),
            reduction: "sum",
          }),
        () => [...anchor([2, 3])],
      ),
    },
    prints: {
      "TripletMarginWithDistanceLoss(\n  (distanceFunction): PairwiseDistance()\n)": () =>
        new nn.TripletMarginWithDistanceLoss(),
    },
  },
} satisfies Partial<LayerRegistry>;
