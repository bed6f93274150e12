/** Samples of linear layers, embeddings and layers that only change the shape. */
import { nn, tensor } from "../../../src/index.js";
import { indices, make } from "../make.js";
import { type LayerRegistry, sample } from "./types.js";

const byFrequency = "the gradient is weighted on purpose; embedding.test.ts compares it with PyTorch's";

export const linear = {
  Linear: {
    samples: {
      bias: sample(
        () => new nn.Linear(3, 2),
        () => [make([4, 3])],
      ),
      "no bias": sample(
        () => new nn.Linear(3, 2, { bias: false }),
        () => [make([4, 3])],
      ),
      unbatched: sample(
        () => new nn.Linear(3, 2),
        () => [make([3])],
      ),
      "two batch dimensions": sample(
        () => new nn.Linear(3, 2),
        () => [make([2, 2, 3])],
      ),
      "empty batch": sample(
        () => new nn.Linear(3, 2),
        () => [make([0, 3])],
      ),
    },
    prints: {
      "Linear(inFeatures=3, outFeatures=2, bias=true)": () => new nn.Linear(3, 2),
      "Linear(inFeatures=3, outFeatures=2, bias=false)": () => new nn.Linear(3, 2, { bias: false }),
    },
    errors: {
      "another number of features": [
        () => new nn.Linear(3, 2)(make([4, 2], { dtype: "float32" })),
        /\[linear\].*\[4, 2\].*\[2, 3\]/s,
      ],
      "another dtype": [() => new nn.Linear(3, 2)(make([4, 3])), /\[linear\].*float64.*float32/s],
      "sizes that are no sizes": [() => new nn.Linear(3.5, 2), "[Linear] inFeatures must be a whole number"],
    },
  },
  Bilinear: {
    samples: {
      bias: sample(
        () => new nn.Bilinear(2, 3, 2),
        () => [make([2, 2]), make([2, 3], { seed: 2 })],
      ),
      "no bias": sample(
        () => new nn.Bilinear(2, 3, 2, { bias: false }),
        () => [make([2, 2]), make([2, 3], { seed: 2 })],
      ),
      "two batch dimensions": sample(
        () => new nn.Bilinear(2, 2, 1),
        () => [make([2, 2, 2]), make([2, 2, 2], { seed: 2 })],
      ),
      unbatched: sample(
        () => new nn.Bilinear(2, 3, 2),
        () => [make([2]), make([3], { seed: 2 })],
      ),
      "empty batch": sample(
        () => new nn.Bilinear(2, 3, 2),
        () => [make([0, 2]), make([0, 3])],
      ),
    },
    prints: {
      "Bilinear(in1Features=2, in2Features=3, outFeatures=4, bias=true)": () => new nn.Bilinear(2, 3, 4),
      "Bilinear(in1Features=2, in2Features=3, outFeatures=4, bias=false)": () =>
        new nn.Bilinear(2, 3, 4, { bias: false }),
    },
    errors: {
      "batches of different size": [
        () => new nn.Bilinear(2, 3, 2).double()(make([2, 2]), make([3, 3])),
        "[bilinear]",
      ],
      "another number of features": [
        () => new nn.Bilinear(2, 3, 2).double()(make([2, 2]), make([2, 2])),
        "[bilinear]",
      ],
    },
  },
  Identity: {
    samples: {
      "any arguments": sample(
        () => new nn.Identity(54, { unused: true }),
        () => [make([2, 3])],
      ),
      "empty batch": sample(
        () => new nn.Identity(),
        () => [make([0, 3])],
      ),
    },
    prints: { "Identity()": () => new nn.Identity() },
  },
  LazyLinear: {
    samples: {
      bias: sample(
        () => new nn.LazyLinear(2),
        () => [make([4, 3])],
      ),
      "no bias": sample(
        () => new nn.LazyLinear(2, { bias: false }),
        () => [make([4, 3])],
      ),
      unbatched: sample(
        () => new nn.LazyLinear(2),
        () => [make([3])],
      ),
    },
    prints: { "LazyLinear(inFeatures=0, outFeatures=2, bias=true)": () => new nn.LazyLinear(2) },
    errors: {
      "an input without dimensions": [
        () => new nn.LazyLinear(2)(tensor(1, { dtype: "float32" })),
        "[LazyLinear] expected an input with dimensions, got []",
      ],
      "looking at the weight too early": [
        () => new nn.LazyLinear(2).weight.shape,
        "[UninitializedParameter] it has no shape and no values yet",
      ],
    },
  },
  Embedding: {
    samples: {
      rows: sample(
        () => new nn.Embedding(4, 3),
        () => [indices([2, 3], 4)],
      ),
      "one index": sample(
        () => new nn.Embedding(4, 3),
        () => [tensor(2)],
      ),
      "padding row": sample(
        () => new nn.Embedding(4, 2, { paddingIdx: 1 }),
        () => [tensor([1, 0, 1, 3])],
        { gradcheck: "no gradient reaches the padding row, on purpose" },
      ),
      "padding row not looked up": sample(
        () => new nn.Embedding(4, 2, { paddingIdx: 1 }),
        () => [tensor([2, 0, 2, 3])],
      ),
      "gradients by frequency": sample(
        () => new nn.Embedding(4, 2, { scaleGradByFreq: true }),
        () => [tensor([2, 2, 0])],
        { gradcheck: byFrequency, gradgradcheck: byFrequency, thirdOrder: byFrequency },
      ),
      empty: sample(
        () => new nn.Embedding(4, 2),
        () => [indices([0], 4)],
      ),
    },
    prints: {
      "Embedding(10, 3)": () => new nn.Embedding(10, 3),
      "Embedding(10, 3, paddingIdx=2, maxNorm=1, normType=3, scaleGradByFreq=true, sparse=true)": () =>
        new nn.Embedding(10, 3, {
          paddingIdx: 2,
          maxNorm: 1,
          normType: 3,
          scaleGradByFreq: true,
          sparse: true,
        }),
    },
    errors: {
      "an index out of range": [() => new nn.Embedding(4, 3)(tensor([4])), /\[embedding\].*4/],
      "indices that are not whole": [
        () => new nn.Embedding(4, 3)(tensor([0.5], { dtype: "float32" })),
        /\[embedding\].*int64/,
      ],
      "a padding row that is not there": [
        () => new nn.Embedding(4, 3, { paddingIdx: 4 }),
        "[Embedding] paddingIdx",
      ],
    },
  },
  EmbeddingBag: {
    samples: {
      "mean of rows": sample(
        () => new nn.EmbeddingBag(4, 2),
        () => [indices([2, 3], 4)],
      ),
      "sums, with offsets": sample(
        () => new nn.EmbeddingBag(4, 2, { mode: "sum" }),
        () => [tensor([0, 3, 1, 1, 2]), tensor([0, 2, 2])],
      ),
      "weighted sums": sample(
        () => new nn.EmbeddingBag(4, 2, { mode: "sum" }),
        () => [tensor([0, 3, 1, 1]), tensor([0, 3]), make([4])],
      ),
      maxima: sample(
        () => new nn.EmbeddingBag(4, 2, { mode: "max" }),
        () => [indices([2, 3], 4)],
      ),
      "last offset, padding": sample(
        () => new nn.EmbeddingBag(4, 2, { includeLastOffset: true, paddingIdx: 0 }),
        () => [tensor([0, 3, 1]), tensor([0, 2, 3])],
      ),
      "no bags": sample(
        () => new nn.EmbeddingBag(4, 2),
        () => [indices([0, 3], 4)],
      ),
    },
    prints: {
      "EmbeddingBag(10, 3, mode=mean)": () => new nn.EmbeddingBag(10, 3, { sparse: true }),
      "EmbeddingBag(10, 3, maxNorm=1, normType=3, scaleGradByFreq=true, mode=sum, paddingIdx=2)": () =>
        new nn.EmbeddingBag(10, 3, {
          maxNorm: 1,
          normType: 3,
          scaleGradByFreq: true,
          mode: "sum",
          paddingIdx: 2,
        }),
    },
    errors: {
      "offsets for rows": [
        () => new nn.EmbeddingBag(4, 2)(tensor([[0, 1]]), tensor([0])),
        /\[embeddingBag\].*offsets/,
      ],
      "no offsets for a list": [() => new nn.EmbeddingBag(4, 2)(tensor([0, 1])), /\[embeddingBag\].*offsets/],
      "weights without sums": [
        () => new nn.EmbeddingBag(4, 2)(tensor([0]), tensor([0]), make([1], { dtype: "float32" })),
        /\[embeddingBag\].*sum/,
      ],
    },
  },
  Flatten: {
    samples: {
      default: sample(
        () => new nn.Flatten(),
        () => [make([2, 2, 3])],
      ),
      "some dimensions": sample(
        () => new nn.Flatten({ startDim: 0, endDim: 1 }),
        () => [make([2, 2, 3])],
      ),
      "empty batch": sample(
        () => new nn.Flatten(),
        () => [make([0, 2, 3])],
      ),
    },
    prints: {
      "Flatten(startDim=1, endDim=-1)": () => new nn.Flatten(),
      "Flatten(startDim=0, endDim=2)": () => new nn.Flatten({ startDim: 0, endDim: 2 }),
    },
    errors: {
      "an end before the start": [() => new nn.Flatten(2)(make([2, 2])), /\[flatten\]/],
      "a dimension that a 0-d tensor has not": [() => new nn.Flatten()(make([])), /\[flatten\].*1/],
    },
  },
  Unflatten: {
    samples: {
      default: sample(
        () => new nn.Unflatten(1, [2, 3]),
        () => [make([2, 6])],
      ),
      "a size left open": sample(
        () => new nn.Unflatten(-1, [2, -1]),
        () => [make([2, 6])],
      ),
      "empty batch": sample(
        () => new nn.Unflatten(1, [2, 3]),
        () => [make([0, 6])],
      ),
    },
    prints: { "Unflatten(dim=1, unflattenedSize=(2, 3))": () => new nn.Unflatten(1, [2, 3]) },
    errors: {
      "sizes that do not fit": [() => new nn.Unflatten(1, [2, 2])(make([2, 6])), "[unflatten]"],
      "sizes that are no list": [
        () => new nn.Unflatten(1, 3 as never),
        "[Unflatten] unflattenedSize must be a list of whole numbers, got 3",
      ],
    },
  },
} satisfies Partial<LayerRegistry>;
