/** Samples of the layers that rearrange and resample images, and of Sequential. */
import { nn } from "../../../src/index.js";
import { make } from "../make.js";
import { type LayerRegistry, type LayerSample, sample } from "./types.js";

const upsample = (o: nn.UpsampleLayerOptions, ...shape: number[]) =>
  sample(
    () => new nn.Upsample(o),
    () => [make(shape)],
  );

/** The types of what a Sequential takes come from its layers. */
const chain = (build: () => nn.AnyModule, shape: readonly number[]): LayerSample => ({
  make: build,
  inputs: () => [make(shape)],
});

export const vision = {
  ChannelShuffle: {
    samples: {
      default: sample(
        () => new nn.ChannelShuffle(2),
        () => [make([1, 4, 2, 2])],
      ),
      "empty batch": sample(
        () => new nn.ChannelShuffle(2),
        () => [make([0, 4, 2, 2])],
      ),
    },
    prints: { "ChannelShuffle(groups=2)": () => new nn.ChannelShuffle(2) },
    errors: {
      "groups that do not divide": [
        () => new nn.ChannelShuffle(3)(make([1, 4, 2, 2])),
        /\[channelShuffle\].*groups/,
      ],
    },
  },
  PixelShuffle: {
    samples: {
      default: sample(
        () => new nn.PixelShuffle(2),
        () => [make([2, 4, 1, 2])],
      ),
      unbatched: sample(
        () => new nn.PixelShuffle(2),
        () => [make([8, 1, 1])],
      ),
      "empty batch": sample(
        () => new nn.PixelShuffle(2),
        () => [make([0, 4, 1, 2])],
      ),
    },
    prints: { "PixelShuffle(upscaleFactor=3)": () => new nn.PixelShuffle(3) },
    errors: {
      "channels that are no multiple": [() => new nn.PixelShuffle(2)(make([1, 3, 1, 1])), /\[pixelShuffle\]/],
      "two dimensions": [() => new nn.PixelShuffle(2)(make([4, 1])), /\[pixelShuffle\]/],
    },
  },
  PixelUnshuffle: {
    samples: {
      default: sample(
        () => new nn.PixelUnshuffle(2),
        () => [make([2, 1, 2, 4])],
      ),
      unbatched: sample(
        () => new nn.PixelUnshuffle(2),
        () => [make([2, 2, 2])],
      ),
      "empty batch": sample(
        () => new nn.PixelUnshuffle(2),
        () => [make([0, 1, 2, 4])],
      ),
    },
    prints: { "PixelUnshuffle(downscaleFactor=3)": () => new nn.PixelUnshuffle(3) },
    errors: {
      "sizes that are no multiple": [
        () => new nn.PixelUnshuffle(2)(make([1, 1, 3, 2])),
        /\[pixelUnshuffle\]/,
      ],
    },
  },
  Upsample: {
    samples: {
      nearest: upsample({ scaleFactor: 2 }, 1, 2, 3),
      "nearest, size": upsample({ size: [3, 5] }, 1, 2, 2, 3),
      "nearest exact, volumes": upsample({ scaleFactor: [1, 2, 2], mode: "nearest-exact" }, 1, 1, 1, 2, 2),
      linear: upsample({ scaleFactor: 1.7, mode: "linear" }, 1, 2, 4),
      "linear, aligned": upsample({ size: 6, mode: "linear", alignCorners: true }, 1, 2, 4),
      bilinear: upsample({ scaleFactor: 2, mode: "bilinear", alignCorners: false }, 1, 1, 2, 3),
      "bilinear, the factor computed anew": upsample(
        { scaleFactor: 1.6, mode: "bilinear", recomputeScaleFactor: true },
        1,
        1,
        3,
        3,
      ),
      bicubic: upsample({ size: [3, 4], mode: "bicubic", alignCorners: true }, 1, 1, 2, 3),
      trilinear: upsample({ scaleFactor: 2, mode: "trilinear" }, 1, 1, 1, 2, 2),
      "empty batch": upsample({ scaleFactor: 2 }, 0, 2, 3),
    },
    prints: {
      "Upsample(scaleFactor=2, mode='bilinear')": () => new nn.Upsample({ scaleFactor: 2, mode: "bilinear" }),
      "Upsample(size=(4, 5), mode='nearest')": () => new nn.Upsample({ size: [4, 5] }),
    },
    errors: {
      "neither size nor factor": [() => new nn.Upsample()(make([1, 1, 2])), /\[interpolate\].*size/],
      "both size and factor": [
        () => new nn.Upsample({ size: 2, scaleFactor: 2 })(make([1, 1, 2])),
        /\[interpolate\].*(size|scaleFactor)/,
      ],
      "corners of a nearest neighbour": [
        () => new nn.Upsample({ scaleFactor: 2, alignCorners: true })(make([1, 1, 2])),
        /\[interpolate\].*alignCorners/,
      ],
      "a mode for other dimensions": [
        () => new nn.Upsample({ scaleFactor: 2, mode: "bilinear" })(make([1, 1, 2])),
        /\[interpolate\].*bilinear/,
      ],
    },
  },
  UpsamplingBilinear2d: {
    samples: {
      factor: sample(
        () => new nn.UpsamplingBilinear2d({ scaleFactor: 2 }),
        () => [make([1, 2, 2, 2])],
      ),
      size: sample(
        () => new nn.UpsamplingBilinear2d({ size: [3, 2] }),
        () => [make([2, 1, 2, 3])],
      ),
      "empty batch": sample(
        () => new nn.UpsamplingBilinear2d({ scaleFactor: 2 }),
        () => [make([0, 2, 2, 2])],
      ),
    },
    prints: {
      "UpsamplingBilinear2d(scaleFactor=2, mode='bilinear')": () =>
        new nn.UpsamplingBilinear2d({ scaleFactor: 2 }),
    },
  },
  UpsamplingNearest2d: {
    samples: {
      factor: sample(
        () => new nn.UpsamplingNearest2d({ scaleFactor: 2 }),
        () => [make([1, 2, 2, 2])],
      ),
      size: sample(
        () => new nn.UpsamplingNearest2d({ size: [3, 2] }),
        () => [make([2, 1, 2, 3])],
      ),
      "empty batch": sample(
        () => new nn.UpsamplingNearest2d({ scaleFactor: 2 }),
        () => [make([0, 2, 2, 2])],
      ),
    },
    prints: {
      "UpsamplingNearest2d(size=(4, 5), mode='nearest')": () => new nn.UpsamplingNearest2d({ size: [4, 5] }),
    },
  },
  Sequential: {
    samples: {
      "layers one after the other": chain(
        () => new nn.Sequential(new nn.Linear(3, 4), new nn.Tanh(), new nn.Linear(4, 2)),
        [2, 3],
      ),
      "batch norm and dropout": chain(
        () =>
          new nn.Sequential(new nn.Linear(3, 2), new nn.BatchNorm1d(2), new nn.GELU(), new nn.Dropout(0.5)),
        [3, 3],
      ),
      nested: chain(
        () => new nn.Sequential(new nn.Sequential(new nn.Linear(2, 2), new nn.Sigmoid()), new nn.Softmax(1)),
        [2, 2],
      ),
      "no layers": chain(() => new nn.Sequential(), [2, 3]),
    },
    prints: {
      "Sequential(\n  (0): Linear(inFeatures=3, outFeatures=4, bias=true)\n  (1): ReLU()\n)": () =>
        new nn.Sequential(new nn.Linear(3, 4), new nn.ReLU()),
    },
    trainEvalDiffer: true,
    errors: { "what is no layer": [() => new nn.Sequential(3 as never), /expected modules/] },
  },
} satisfies Partial<LayerRegistry>;
