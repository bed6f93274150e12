/** Samples of pooling and unpooling. */
import { nn, type Tensor, tensor } from "../../../src/index.js";
import { make } from "../make.js";
import { type LayerEntry, type LayerErrors, type LayerRegistry, type LayerSample, sample } from "./types.js";

/** The last `rank` of these sizes. */
const last = (rank: number, ...sizes: number[]) => sizes.slice(-rank);

/** The same window over images with a batch, without one, and over none. */
function images(
  rank: number,
  makers: Readonly<Record<string, () => nn.Module<[Tensor], unknown>>>,
  size: readonly number[] = [2, 3, 5],
): Record<string, LayerSample> {
  const [plain] = Object.values(makers) as [() => nn.Module<[Tensor], unknown>];
  const shape = last(rank, ...size);
  return {
    unbatched: sample(plain, () => [make([2, ...shape])]),
    "empty batch": sample(plain, () => [make([0, 2, ...shape])]),
    ...Object.fromEntries(
      Object.entries(makers).map(([name, maker]) => [name, sample(maker, () => [make([2, 1, ...shape])])]),
    ),
  };
}

function shapeErrors(rank: number, maker: () => nn.Module<[Tensor], unknown>): LayerErrors {
  return {
    "too few dimensions": [() => maker()(make(new Array<number>(rank).fill(4))), /dimensions/],
    "a window larger than the image": [
      () => maker()(make([1, 1, ...new Array<number>(rank).fill(1)])),
      /\[\w+\]/,
    ],
  };
}

/** Unpooling: values and the places that pooling found for them. */
function unpool(
  rank: number,
  build: (o?: {
    stride?: number;
    padding?: number;
  }) => nn.Module<[Tensor, Tensor, (nn.OutputSizeOptions | readonly number[])?]>,
  prints: LayerEntry["prints"],
): LayerEntry {
  const shape = new Array<number>(rank).fill(2);
  const n = 2 ** rank;
  // Places in an output of 4 in each dimension: the first element of each window.
  const place = (k: number) =>
    Array.from({ length: rank }, (_, d) => 2 * ((k >> d) & 1) * 4 ** d).reduce((a, b) => a + b, 0);
  const places = tensor(Array.from({ length: n }, (_, k) => place(k))).reshape([1, 1, ...shape]);
  return {
    samples: {
      default: sample(
        () => build(),
        () => [make([1, 1, ...shape]), places],
      ),
      "output size": sample(
        () => build(),
        () => [make([1, 1, ...shape]), places, { outputSize: shape.map(() => (rank === 1 ? 5 : 4)) }],
      ),
      unbatched: sample(
        () => build(),
        () => [make([1, ...shape]), places.squeeze(0)],
      ),
      "empty batch": sample(
        () => build(),
        () => [make([0, 1, ...shape]), places.narrow(0, 0, 0)],
      ),
    },
    prints,
    errors: {
      "indices of another shape": [() => build()(make([1, 1, ...shape]), places.squeeze(0)), /indices/],
      "an index out of range": [() => build()(make([1, 1, ...shape]), places.add(1000)), /1000/],
    },
  };
}

const random = "draws its windows anew at every call";

export const pooling = {
  AdaptiveAvgPool1d: {
    samples: images(1, { two: () => new nn.AdaptiveAvgPool1d(2), one: () => new nn.AdaptiveAvgPool1d(1) }),
    prints: { "AdaptiveAvgPool1d(outputSize=5)": () => new nn.AdaptiveAvgPool1d(5) },
    errors: { "too few dimensions": [() => new nn.AdaptiveAvgPool1d(2)(make([3])), /dimensions/] },
  },
  AdaptiveAvgPool2d: {
    samples: images(2, {
      "2 by 3": () => new nn.AdaptiveAvgPool2d([2, 3]),
      square: () => new nn.AdaptiveAvgPool2d(2),
      "one size kept": () => new nn.AdaptiveAvgPool2d([null, 2]),
    }),
    prints: {
      "AdaptiveAvgPool2d(outputSize=(5, 7))": () => new nn.AdaptiveAvgPool2d([5, 7]),
      "AdaptiveAvgPool2d(outputSize=(null, 7))": () => new nn.AdaptiveAvgPool2d([null, 7]),
    },
    errors: { "too few dimensions": [() => new nn.AdaptiveAvgPool2d(2)(make([3, 3])), /dimensions/] },
  },
  AdaptiveAvgPool3d: {
    samples: images(3, {
      cube: () => new nn.AdaptiveAvgPool3d(2),
      "one size kept": () => new nn.AdaptiveAvgPool3d([1, null, 2]),
    }),
    prints: { "AdaptiveAvgPool3d(outputSize=(5, 7, 9))": () => new nn.AdaptiveAvgPool3d([5, 7, 9]) },
  },
  AdaptiveMaxPool1d: {
    samples: images(1, {
      two: () => new nn.AdaptiveMaxPool1d(2),
      indices: () => new nn.AdaptiveMaxPool1d(3, { returnIndices: true }),
    }),
    prints: { "AdaptiveMaxPool1d(outputSize=5)": () => new nn.AdaptiveMaxPool1d(5) },
  },
  AdaptiveMaxPool2d: {
    samples: images(2, {
      "2 by 3": () => new nn.AdaptiveMaxPool2d([2, 3]),
      "one size kept, indices": () => new nn.AdaptiveMaxPool2d([null, 2], { returnIndices: true }),
    }),
    prints: { "AdaptiveMaxPool2d(outputSize=(5, 7))": () => new nn.AdaptiveMaxPool2d([5, 7]) },
    errors: { "too few dimensions": [() => new nn.AdaptiveMaxPool2d(2)(make([3, 3])), /dimensions/] },
  },
  AdaptiveMaxPool3d: {
    samples: images(3, { cube: () => new nn.AdaptiveMaxPool3d(2) }),
    prints: { "AdaptiveMaxPool3d(outputSize=(5, 7, 9))": () => new nn.AdaptiveMaxPool3d([5, 7, 9]) },
  },
  AvgPool1d: {
    samples: images(1, {
      default: () => new nn.AvgPool1d(2),
      "stride, padding, ceil": () => new nn.AvgPool1d(3, { stride: 2, padding: 1, ceilMode: true }),
      "padding does not count": () => new nn.AvgPool1d(3, { padding: 1, countIncludePad: false }),
    }),
    prints: {
      "AvgPool1d(kernelSize=(3), stride=(3), padding=(0))": () => new nn.AvgPool1d(3),
      "AvgPool1d(kernelSize=(3), stride=(2), padding=(1))": () =>
        new nn.AvgPool1d(3, { stride: 2, padding: 1 }),
    },
    errors: {
      ...shapeErrors(1, () => new nn.AvgPool1d(2)),
      "too much padding": [() => new nn.AvgPool1d(2, { padding: 2 })(make([1, 1, 4])), /padding.*half/],
    },
  },
  AvgPool2d: {
    samples: images(2, {
      default: () => new nn.AvgPool2d(2),
      "stride, padding, ceil": () => new nn.AvgPool2d([3, 2], { stride: 2, padding: 1, ceilMode: true }),
      "padding does not count": () => new nn.AvgPool2d(3, { padding: 1, countIncludePad: false }),
      "another divisor": () => new nn.AvgPool2d(2, { divisorOverride: 3 }),
    }),
    prints: {
      "AvgPool2d(kernelSize=3, stride=3, padding=0)": () => new nn.AvgPool2d(3),
      "AvgPool2d(kernelSize=(3, 2), stride=(2, 1), padding=(1, 0))": () =>
        new nn.AvgPool2d([3, 2], { stride: [2, 1], padding: [1, 0] }),
    },
    errors: shapeErrors(2, () => new nn.AvgPool2d(2)),
  },
  AvgPool3d: {
    samples: images(3, {
      default: () => new nn.AvgPool3d(2),
      "stride, padding": () =>
        new nn.AvgPool3d(2, { stride: 1, padding: 1, countIncludePad: false, divisorOverride: 2 }),
    }),
    prints: { "AvgPool3d(kernelSize=3, stride=3, padding=0)": () => new nn.AvgPool3d(3) },
    errors: shapeErrors(3, () => new nn.AvgPool3d(2)),
  },
  FractionalMaxPool2d: {
    samples: {
      "output size": sample(
        () => new nn.FractionalMaxPool2d(2, { outputSize: [2, 2] }),
        () => [make([1, 2, 4, 5])],
      ),
      "output ratio, indices": sample(
        () => new nn.FractionalMaxPool2d(2, { outputRatio: [0.5, 0.6], returnIndices: true }),
        () => [make([1, 1, 4, 5])],
      ),
      "given draws": sample(
        () =>
          new nn.FractionalMaxPool2d(2, {
            outputSize: 2,
            _randomSamples: make([1, 1, 2], { low: 0, high: 1, requiresGrad: false }),
          }),
        () => [make([1, 1, 4, 5])],
      ),
      unbatched: sample(
        () => new nn.FractionalMaxPool2d(2, { outputSize: 2 }),
        () => [make([2, 4, 4])],
      ),
      "empty batch": sample(
        () => new nn.FractionalMaxPool2d(2, { outputSize: 2 }),
        () => [make([0, 2, 4, 4])],
      ),
    },
    prints: { "FractionalMaxPool2d()": () => new nn.FractionalMaxPool2d(3, { outputSize: [13, 12] }) },
    errors: {
      "neither size nor ratio": [
        () => new nn.FractionalMaxPool2d(2),
        "[FractionalMaxPool2d] expected either outputSize or outputRatio, got neither",
      ],
      "a ratio above 1": [
        () => new nn.FractionalMaxPool2d(2, { outputRatio: 1.5 }),
        "[FractionalMaxPool2d] outputRatio must be 1 or 2 numbers between 0 and 1, got [1.5, 1.5]",
      ],
      "an output larger than the image": [
        () => new nn.FractionalMaxPool2d(2, { outputSize: 4 })(make([1, 1, 4, 4])),
        /\[fractionalMaxPool2d\]/,
      ],
    },
    skips: { dtype: random },
  },
  FractionalMaxPool3d: {
    samples: {
      "output size": sample(
        () => new nn.FractionalMaxPool3d(2, { outputSize: 2 }),
        () => [make([1, 1, 3, 3, 3])],
      ),
      "output ratio": sample(
        () => new nn.FractionalMaxPool3d(2, { outputRatio: 0.6 }),
        () => [make([1, 1, 4, 3, 4])],
      ),
      unbatched: sample(
        () => new nn.FractionalMaxPool3d(2, { outputSize: 2 }),
        () => [make([1, 3, 3, 3])],
      ),
      "empty batch": sample(
        () => new nn.FractionalMaxPool3d(2, { outputSize: 2 }),
        () => [make([0, 1, 3, 3, 3])],
      ),
    },
    prints: { "FractionalMaxPool3d()": () => new nn.FractionalMaxPool3d(3, { outputRatio: 0.5 }) },
    skips: { dtype: random },
  },
  LPPool1d: {
    samples: images(1, {
      default: () => new nn.LPPool1d(2, 2),
      "stride, ceil": () => new nn.LPPool1d(4, 3, { stride: 2, ceilMode: true }),
    }),
    prints: {
      "LPPool1d(normType=2, kernelSize=3, stride=null, ceilMode=false)": () => new nn.LPPool1d(2, 3),
      "LPPool1d(normType=2, kernelSize=3, stride=2, ceilMode=true)": () =>
        new nn.LPPool1d(2, 3, { stride: 2, ceilMode: true }),
    },
  },
  LPPool2d: {
    samples: images(2, {
      default: () => new nn.LPPool2d(2, 2),
      stride: () => new nn.LPPool2d(4, [2, 3], { stride: [1, 2] }),
    }),
    prints: {
      "LPPool2d(normType=2, kernelSize=(3, 2), stride=null, ceilMode=false)": () =>
        new nn.LPPool2d(2, [3, 2]),
    },
  },
  LPPool3d: {
    samples: {
      ...images(3, { default: () => new nn.LPPool3d(2, 2) }),
      "odd norm of positive values": sample(
        () => new nn.LPPool3d(3, 2),
        () => [make([1, 1, 2, 2, 3], { low: 0.2 })],
      ),
    },
    prints: {
      "LPPool3d(normType=2, kernelSize=3, stride=null, ceilMode=false)": () => new nn.LPPool3d(2, 3),
    },
  },
  MaxPool1d: {
    samples: images(1, {
      default: () => new nn.MaxPool1d(2),
      "stride, padding, ceil, indices": () =>
        new nn.MaxPool1d(3, { stride: 2, padding: 1, ceilMode: true, returnIndices: true }),
      dilation: () => new nn.MaxPool1d(2, { dilation: 2, stride: 1 }),
    }),
    prints: {
      "MaxPool1d(kernelSize=3, stride=3, padding=0, dilation=1, ceilMode=false)": () => new nn.MaxPool1d(3),
      "MaxPool1d(kernelSize=3, stride=2, padding=1, dilation=2, ceilMode=true)": () =>
        new nn.MaxPool1d(3, { stride: 2, padding: 1, dilation: 2, ceilMode: true }),
    },
    errors: {
      ...shapeErrors(1, () => new nn.MaxPool1d(2)),
      "too much padding": [() => new nn.MaxPool1d(2, { padding: 2 })(make([1, 1, 4])), /padding.*half/],
      "stride 0": [() => new nn.MaxPool1d(2, { stride: 0 })(make([1, 1, 4])), /stride/],
    },
  },
  MaxPool2d: {
    samples: images(2, {
      default: () => new nn.MaxPool2d(2),
      "stride, padding, ceil, indices": () =>
        new nn.MaxPool2d([3, 2], { stride: 2, padding: 1, ceilMode: true, returnIndices: true }),
      dilation: () => new nn.MaxPool2d(2, { dilation: [1, 2], stride: 1 }),
    }),
    prints: {
      "MaxPool2d(kernelSize=3, stride=3, padding=0, dilation=1, ceilMode=false)": () => new nn.MaxPool2d(3),
      "MaxPool2d(kernelSize=(3, 2), stride=(2, 1), padding=0, dilation=1, ceilMode=false)": () =>
        new nn.MaxPool2d([3, 2], { stride: [2, 1] }),
    },
    errors: shapeErrors(2, () => new nn.MaxPool2d(2)),
  },
  MaxPool3d: {
    samples: images(3, {
      default: () => new nn.MaxPool3d(2),
      "stride, padding, indices": () => new nn.MaxPool3d(2, { stride: 1, padding: 1, returnIndices: true }),
    }),
    prints: {
      "MaxPool3d(kernelSize=3, stride=3, padding=0, dilation=1, ceilMode=false)": () => new nn.MaxPool3d(3),
    },
    errors: shapeErrors(3, () => new nn.MaxPool3d(2)),
  },
  MaxUnpool1d: unpool(1, (o) => new nn.MaxUnpool1d(2, o), {
    "MaxUnpool1d(kernelSize=(3), stride=(2), padding=(1))": () =>
      new nn.MaxUnpool1d(3, { stride: 2, padding: 1 }),
  }),
  MaxUnpool2d: unpool(2, (o) => new nn.MaxUnpool2d(2, o), {
    "MaxUnpool2d(kernelSize=(3, 3), stride=(3, 3), padding=(0, 0))": () => new nn.MaxUnpool2d(3),
  }),
  MaxUnpool3d: unpool(3, (o) => new nn.MaxUnpool3d(2, o), {
    "MaxUnpool3d(kernelSize=(3, 3, 3), stride=(3, 3, 3), padding=(0, 0, 0))": () => new nn.MaxUnpool3d(3),
  }),
} satisfies Partial<LayerRegistry>;
