/** Samples of the losses that compare an input with a target of its shape. */
import { nn, type Tensor, tensor } from "../../../src/index.js";
import { type MakeOptions, make } from "../make.js";
import { type LayerErrors, type LayerRegistry, type LayerSample, sample } from "./types.js";

export type Reduced = { reduction?: "mean" | "sum" | "none" };
type Pair = (o?: Reduced) => nn.Module<[Tensor, Tensor]>;

const positive: MakeOptions = { low: 0.2, high: 2 };
export const unit: MakeOptions = { low: 0.1, high: 0.9 };
/** 1 and -1. */
export const signs = (shape: readonly number[]) => make(shape, { seed: 4, requiresGrad: false }).sign();
export const zeroOne = (shape: readonly number[]) => signs(shape).clamp({ min: 0 });

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

export const another = (shape: readonly number[], o: MakeOptions = {}) => make(shape, { seed: 2, ...o });

const pairErrors = (build: Pair, target: (shape: readonly number[]) => Tensor): LayerErrors => ({
  "an unknown reduction": [
    () => build({ reduction: "average" as "mean" }),
    /reduction "average": expected "mean", "sum" or "none"/,
  ],
  "shapes that do not fit": [() => build()(make([2, 3], unit), target([2, 4])), /\[\w+\]/],
});

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
  MSELoss: {
    samples: pairs(
      (o) => new nn.MSELoss(o),
      (s) => another(s),
    ),
    prints: { "MSELoss()": () => new nn.MSELoss() },
    errors: pairErrors((o) => new nn.MSELoss(o), another),
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
} satisfies Partial<LayerRegistry>;
