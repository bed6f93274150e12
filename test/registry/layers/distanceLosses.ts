/** Samples of distances, and of the losses of pairs and triplets. */
import { nn } from "../../../src/index.js";
import { make } from "../make.js";
import { another, signs } from "./losses.js";
import { type LayerRegistry, sample } from "./types.js";

/** A loss of three tensors. */
const anchor = (n: number[]) => [make(n), make(n, { seed: 2 }), make(n, { seed: 3 })] as const;

export const distanceLosses = {
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
