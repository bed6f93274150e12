/** Samples of the normalization layers. */
import { nn } from "../../../src/index.js";
import { make } from "../make.js";
import { type LayerEntry, type LayerErrors, type LayerRegistry, type LayerSample, sample } from "./types.js";

type Options = nn.NormLayerOptions;
type Maker = (features: number, o?: Options) => nn.Module;

/** A layer with running statistics, on shapes of (N, C, ...). */
function running(
  maker: Maker,
  shapes: Readonly<Record<string, readonly number[]>>,
): Record<string, LayerSample> {
  const [first] = Object.values(shapes) as [readonly number[]];
  const features = (shape: readonly number[]) => shape[1] as number;
  const options: Readonly<Record<string, Options>> = {
    "without learned scale": { affine: false },
    "without running statistics": { affine: true, trackRunningStats: false },
    "mean of all batches, larger eps": { affine: true, trackRunningStats: true, momentum: null, eps: 0.3 },
  };
  return {
    ...Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [
        name,
        sample(
          () => maker(features(shape)),
          () => [make(shape)],
        ),
      ]),
    ),
    ...Object.fromEntries(
      Object.entries(options).map(([name, o]) => [
        name,
        sample(
          () => maker(features(first), o),
          () => [make(first)],
        ),
      ]),
    ),
  };
}

const batchErrors = (maker: Maker, shape: readonly number[]): LayerErrors => ({
  "one value per channel": [
    () => maker(2)(make([1, 2, ...shape.slice(2).map(() => 1)], { dtype: "float32" })),
    /more than 1 value per channel/,
  ],
  "too few dimensions": [() => maker(2)(make([2], { dtype: "float32" })), /expected .*D input/],
  "another number of channels": [
    () =>
      maker(2)(
        make(
          shape.map((n, d) => (d === 1 ? 3 : n)),
          { dtype: "float32" },
        ),
      ),
    /2.*3|3.*2/,
  ],
});

const batch1: Maker = (n, o) => new nn.BatchNorm1d(n, o);
const batch2: Maker = (n, o) => new nn.BatchNorm2d(n, o);
const batch3: Maker = (n, o) => new nn.BatchNorm3d(n, o);
const instance1: Maker = (n, o) => new nn.InstanceNorm1d(n, o);
const instance2: Maker = (n, o) => new nn.InstanceNorm2d(n, o);
const instance3: Maker = (n, o) => new nn.InstanceNorm3d(n, o);

function lazy(
  maker: (o?: Options) => nn.Module,
  shape: readonly number[],
  prints: LayerEntry["prints"],
  differ = true,
): LayerEntry {
  return {
    samples: {
      default: sample(
        () => maker(),
        () => [make(shape)],
      ),
      "without running statistics": sample(
        () => maker({ affine: true, trackRunningStats: false }),
        () => [make(shape)],
      ),
    },
    prints,
    trainEvalDiffer: differ,
    errors: { "too few dimensions": [() => maker()(make([2], { dtype: "float32" })), /expected .*D/] },
  };
}

const instanceErrors = (maker: Maker, shape: readonly number[]): LayerErrors => ({
  "one value per instance": [
    () => maker(2)(make([1, 2, ...shape.slice(2).map(() => 1)])),
    /more than 1 spatial element/,
  ],
  "too few dimensions": [() => maker(2)(make([2])), /expected .*D/],
});

export const normalization = {
  BatchNorm1d: {
    samples: {
      "empty batch": sample(
        () => batch1(2),
        () => [make([0, 2, 2])],
      ),
      rows: sample(
        () => batch1(2),
        () => [make([4, 2])],
      ),
      "one feature": sample(
        () => batch1(1),
        () => [make([3, 1])],
      ),
      ...running(batch1, { sequences: [3, 2, 2] }),
    },
    prints: {
      "BatchNorm1d(3, eps=1e-5, momentum=0.1, affine=true, trackRunningStats=true)": () =>
        new nn.BatchNorm1d(3),
      "BatchNorm1d(3, eps=0.001, momentum=null, affine=false, trackRunningStats=true)": () =>
        new nn.BatchNorm1d(3, { eps: 0.001, momentum: null, affine: false }),
    },
    trainEvalDiffer: true,
    errors: batchErrors(batch1, [2, 2, 2]),
  },
  BatchNorm2d: {
    samples: {
      "empty batch": sample(
        () => batch2(2),
        () => [make([0, 2, 1, 2])],
      ),
      ...running(batch2, { images: [2, 2, 1, 2], "one image": [1, 2, 2, 2] }),
    },
    prints: {
      "BatchNorm2d(3, eps=1e-5, momentum=0.1, affine=true, trackRunningStats=true)": () =>
        new nn.BatchNorm2d(3),
      "BatchNorm2d(3, eps=1e-5, momentum=0.01, affine=true, trackRunningStats=false)": () =>
        new nn.BatchNorm2d(3, { momentum: 0.01, trackRunningStats: false }),
    },
    trainEvalDiffer: true,
    errors: batchErrors(batch2, [2, 2, 2, 2]),
  },
  BatchNorm3d: {
    samples: {
      "empty batch": sample(
        () => batch3(2),
        () => [make([0, 2, 1, 1, 2])],
      ),
      ...running(batch3, { volumes: [2, 2, 1, 1, 2] }),
    },
    prints: {
      "BatchNorm3d(3, eps=1e-5, momentum=0.1, affine=true, trackRunningStats=true)": () =>
        new nn.BatchNorm3d(3),
    },
    trainEvalDiffer: true,
    errors: batchErrors(batch3, [2, 2, 1, 2, 2]),
  },
  CrossMapLRN2d: {
    samples: {
      default: sample(
        () => new nn.CrossMapLRN2d(3),
        () => [make([1, 4, 1, 2])],
      ),
      options: sample(
        () => new nn.CrossMapLRN2d(2, { alpha: 0.5, beta: 1, k: 2 }),
        () => [make([2, 3, 1, 1])],
      ),
      "empty batch": sample(
        () => new nn.CrossMapLRN2d(3),
        () => [make([0, 4, 1, 2])],
      ),
    },
    skips: {
      gradcheck: "the backward is PyTorch's, which is not the derivative",
      gradgradcheck: "the backward is PyTorch's, which is not the derivative",
    },
    prints: { "CrossMapLRN2d(3, alpha=0.0001, beta=0.75, k=1)": () => new nn.CrossMapLRN2d(3) },
  },
  GroupNorm: {
    samples: {
      default: sample(
        () => new nn.GroupNorm(2, 4),
        () => [make([2, 4, 2])],
      ),
      "one group": sample(
        () => new nn.GroupNorm(1, 3),
        () => [make([2, 3, 2])],
      ),
      "a group for each channel, no learned scale": sample(
        () => new nn.GroupNorm(3, 3, { affine: false, eps: 0.1 }),
        () => [make([2, 3, 1, 2])],
      ),
      rows: sample(
        () => new nn.GroupNorm(2, 4),
        () => [make([2, 4])],
      ),
      "empty batch": sample(
        () => new nn.GroupNorm(2, 4),
        () => [make([0, 4, 2])],
      ),
    },
    prints: {
      "GroupNorm(3, 6, eps=1e-5, affine=true)": () => new nn.GroupNorm(3, 6),
      "GroupNorm(3, 6, eps=0.01, affine=false)": () => new nn.GroupNorm(3, 6, { eps: 0.01, affine: false }),
    },
    errors: {
      "groups that do not divide": [
        () => new nn.GroupNorm(3, 4),
        "[GroupNorm] num_channels must be divisible by num_groups: got numChannels 4, numGroups 3",
      ],
      "another number of channels": [() => new nn.GroupNorm(2, 4).double()(make([2, 6, 2])), /\[groupNorm\]/],
    },
  },
  InstanceNorm1d: {
    samples: {
      ...running(instance1, { sequences: [2, 2, 3] }),
      "learned scale, running statistics": sample(
        () => new nn.InstanceNorm1d(2, { affine: true, trackRunningStats: true }),
        () => [make([2, 2, 3])],
      ),
      unbatched: sample(
        () => new nn.InstanceNorm1d(2),
        () => [make([2, 3])],
      ),
      "empty batch": sample(
        () => new nn.InstanceNorm1d(2),
        () => [make([0, 2, 3])],
      ),
    },
    prints: {
      "InstanceNorm1d(3, eps=1e-5, momentum=0.1, affine=false, trackRunningStats=false)": () =>
        new nn.InstanceNorm1d(3),
      "InstanceNorm1d(3, eps=1e-5, momentum=0.1, affine=true, trackRunningStats=true)": () =>
        new nn.InstanceNorm1d(3, { affine: true, trackRunningStats: true }),
    },
    trainEvalDiffer: true,
    errors: instanceErrors(instance1, [2, 2, 3]),
  },
  InstanceNorm2d: {
    samples: {
      ...running(instance2, { images: [2, 2, 1, 3] }),
      unbatched: sample(
        () => new nn.InstanceNorm2d(2),
        () => [make([2, 1, 3])],
      ),
      "empty batch": sample(
        () => new nn.InstanceNorm2d(2),
        () => [make([0, 2, 1, 3])],
      ),
    },
    prints: {
      "InstanceNorm2d(3, eps=1e-5, momentum=0.1, affine=false, trackRunningStats=false)": () =>
        new nn.InstanceNorm2d(3),
    },
    trainEvalDiffer: true,
    errors: instanceErrors(instance2, [2, 2, 2, 2]),
  },
  InstanceNorm3d: {
    samples: {
      ...running(instance3, { volumes: [1, 2, 1, 2, 2] }),
      unbatched: sample(
        () => new nn.InstanceNorm3d(2),
        () => [make([2, 1, 1, 3])],
      ),
      "empty batch": sample(
        () => new nn.InstanceNorm3d(2),
        () => [make([0, 2, 1, 1, 3])],
      ),
    },
    prints: {
      "InstanceNorm3d(3, eps=1e-5, momentum=0.1, affine=false, trackRunningStats=false)": () =>
        new nn.InstanceNorm3d(3),
    },
    trainEvalDiffer: true,
    errors: instanceErrors(instance3, [2, 2, 2, 2, 2]),
  },
  LayerNorm: {
    samples: {
      "last dimension": sample(
        () => new nn.LayerNorm(3),
        () => [make([2, 3])],
      ),
      "two dimensions": sample(
        () => new nn.LayerNorm([2, 3]),
        () => [make([2, 2, 3])],
      ),
      "no learned scale": sample(
        () => new nn.LayerNorm(3, { elementwiseAffine: false, eps: 0.1 }),
        () => [make([2, 3])],
      ),
      "no bias": sample(
        () => new nn.LayerNorm(3, { bias: false }),
        () => [make([2, 3])],
      ),
      unbatched: sample(
        () => new nn.LayerNorm([4]),
        () => [make([4])],
      ),
      "empty batch": sample(
        () => new nn.LayerNorm(3),
        () => [make([0, 3])],
      ),
    },
    prints: {
      "LayerNorm((3, 4), eps=1e-5, elementwiseAffine=true)": () => new nn.LayerNorm([3, 4]),
      "LayerNorm((5), eps=0.01, elementwiseAffine=false)": () =>
        new nn.LayerNorm(5, { eps: 0.01, elementwiseAffine: false }),
    },
    errors: {
      "an input of other sizes": [
        () => new nn.LayerNorm([2, 3]).double()(make([3, 2])),
        /\[layerNorm\].*\[2, 3\]/s,
      ],
      "no sizes": [
        () => new nn.LayerNorm([]),
        "[LayerNorm] normalizedShape must have at least one dimension, got []",
      ],
    },
  },
  LazyBatchNorm1d: lazy((o) => new nn.LazyBatchNorm1d(o), [3, 2, 2], {
    "LazyBatchNorm1d(0, eps=1e-5, momentum=0.1, affine=true, trackRunningStats=true)": () =>
      new nn.LazyBatchNorm1d(),
  }),
  LazyBatchNorm2d: lazy((o) => new nn.LazyBatchNorm2d(o), [2, 2, 1, 2], {
    "LazyBatchNorm2d(0, eps=1e-5, momentum=0.1, affine=true, trackRunningStats=true)": () =>
      new nn.LazyBatchNorm2d(),
  }),
  LazyBatchNorm3d: lazy((o) => new nn.LazyBatchNorm3d(o), [2, 2, 1, 1, 2], {
    "LazyBatchNorm3d(0, eps=1e-5, momentum=0.1, affine=true, trackRunningStats=true)": () =>
      new nn.LazyBatchNorm3d(),
  }),
  LazyInstanceNorm1d: lazy(
    (o) => new nn.LazyInstanceNorm1d({ affine: true, trackRunningStats: true, ...o }),
    [2, 2, 3],
    {
      "LazyInstanceNorm1d(0, eps=1e-5, momentum=0.1, affine=true, trackRunningStats=true)": () =>
        new nn.LazyInstanceNorm1d(),
    },
  ),
  LazyInstanceNorm2d: lazy(
    (o) => new nn.LazyInstanceNorm2d({ affine: true, trackRunningStats: true, ...o }),
    [2, 2, 1, 3],
    {
      "LazyInstanceNorm2d(0, eps=1e-5, momentum=0.1, affine=true, trackRunningStats=true)": () =>
        new nn.LazyInstanceNorm2d(),
    },
  ),
  LazyInstanceNorm3d: lazy(
    (o) => new nn.LazyInstanceNorm3d({ affine: true, trackRunningStats: true, ...o }),
    [1, 2, 1, 1, 3],
    {
      "LazyInstanceNorm3d(0, eps=1e-5, momentum=0.1, affine=true, trackRunningStats=true)": () =>
        new nn.LazyInstanceNorm3d(),
    },
  ),
  LocalResponseNorm: {
    samples: {
      default: sample(
        () => new nn.LocalResponseNorm(2),
        () => [make([1, 4, 2])],
      ),
      options: sample(
        () => new nn.LocalResponseNorm(3, { alpha: 0.5, beta: 1, k: 2 }),
        () => [make([1, 3, 1, 2])],
      ),
      volumes: sample(
        () => new nn.LocalResponseNorm(2, { alpha: 1 }),
        () => [make([1, 3, 1, 1, 2])],
      ),
      "empty batch": sample(
        () => new nn.LocalResponseNorm(2),
        () => [make([0, 4, 2])],
      ),
    },
    prints: { "LocalResponseNorm(2, alpha=0.0001, beta=0.75, k=1)": () => new nn.LocalResponseNorm(2) },
    errors: {
      "two dimensions": [() => new nn.LocalResponseNorm(2)(make([2, 3])), /\[localResponseNorm\].*3/],
    },
  },
  RMSNorm: {
    samples: {
      "last dimension": sample(
        () => new nn.RMSNorm(3),
        () => [make([2, 3])],
      ),
      "two dimensions, eps": sample(
        () => new nn.RMSNorm([2, 3], { eps: 0.1 }),
        () => [make([2, 2, 3])],
      ),
      "no learned scale": sample(
        () => new nn.RMSNorm(3, { elementwiseAffine: false }),
        () => [make([2, 3])],
      ),
      "empty batch": sample(
        () => new nn.RMSNorm(3),
        () => [make([0, 3])],
      ),
    },
    prints: {
      "RMSNorm((3, 4), eps=null, elementwiseAffine=true)": () => new nn.RMSNorm([3, 4]),
      "RMSNorm((5), eps=0.01, elementwiseAffine=false)": () =>
        new nn.RMSNorm(5, { eps: 0.01, elementwiseAffine: false }),
    },
    errors: {
      "an input of other sizes": [
        () => new nn.RMSNorm([2, 3]).double()(make([3, 2])),
        /\[rmsNorm\].*\[2, 3\]/s,
      ],
    },
  },
} satisfies Partial<LayerRegistry>;
