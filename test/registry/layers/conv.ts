/** Samples of convolutions, plain, transposed and lazy, and of Unfold and Fold. */
import { nn, type Tensor } from "../../../src/index.js";
import { make } from "../make.js";
import { type LayerEntry, type LayerErrors, type LayerRegistry, type LayerSample, sample } from "./types.js";

type Sizes = number | number[];
type Options = nn.ConvLayerOptions;
type Conv = nn.Module<[Tensor]>;

/** As many ones as there are spatial dimensions, the last ones replaced: shapes that stay small in 3 dimensions. */
const sizes = (rank: number, ...last: number[]) => [...new Array<number>(rank).fill(1), ...last].slice(-rank);

/** Samples of a convolution of `rank` dimensions. */
function convolution(
  rank: number,
  build: (inChannels: number, outChannels: number, kernel: Sizes, o?: Options) => Conv,
  { batchless = true } = {},
): Record<string, LayerSample> {
  const image = (n: number | null, channels: number, ...last: number[]) =>
    make([...(n === null ? [] : [n]), channels, ...sizes(rank, ...last)]);
  const kernel = sizes(rank, 2, 2);
  const samples: Record<string, LayerSample> = {
    default: sample(
      () => build(2, 3, kernel),
      () => [image(2, 2, 3, 4)],
    ),
    "no bias, stride 2, padding 1": sample(
      () => build(1, 2, 2, { bias: false, stride: 2, padding: 1 }),
      () => [make([1, 1, ...sizes(rank, 2, 3)])],
    ),
    "dilation, groups": sample(
      () => build(2, 4, sizes(rank, 1, 2), { dilation: 2, groups: 2 }),
      () => [image(1, 2, 2, 4)],
    ),
    depthwise: sample(
      () =>
        build(2, 2, sizes(rank, 3), {
          groups: 2,
          padding: sizes(rank, 0, 1).map((p, d) => (d === rank - 1 ? p : 0)),
        }),
      () => [image(1, 2, 2, 3)],
    ),
    "kernel of one": sample(
      () => build(2, 3, 1),
      () => [image(2, 2, 2, 2)],
    ),
    "empty batch": sample(
      () => build(2, 3, kernel),
      () => [image(0, 2, 3, 4)],
    ),
  };
  if (batchless)
    samples.unbatched = sample(
      () => build(2, 1, kernel),
      () => [image(null, 2, 2, 3)],
    );
  for (const paddingMode of ["reflect", "replicate", "circular"] as const) {
    samples[`padding of mode ${paddingMode}`] = sample(
      () => build(1, 1, sizes(rank, 2), { paddingMode, padding: 1 }),
      () => [make([1, 1, ...new Array<number>(rank).fill(2)])],
    );
  }
  samples['padding "same"'] = sample(
    () => build(1, 2, sizes(rank, 2, 3), { padding: "same", dilation: sizes(rank, 1, 2) }),
    () => [image(1, 1, 3, 4)],
  );
  return samples;
}

/** What all three plain convolutions refuse. */
function convErrors(
  build: (inChannels: number, outChannels: number, kernel: Sizes, o?: Options) => Conv,
  rank: number,
): LayerErrors {
  const ones = new Array<number>(rank).fill(2);
  return {
    "another number of channels": [() => build(2, 3, 1).double()(make([1, 3, ...ones])), /channels/],
    "too many dimensions": [() => build(2, 3, 1).double()(make([1, 1, 2, ...ones])), /dimensions/],
    "a kernel larger than the input": [() => build(1, 1, 3).double()(make([1, 1, ...ones])), /kernel/],
    "another dtype": [() => build(1, 1, 1)(make([1, 1, ...ones])), /float64/],
    "groups that do not divide": [() => build(3, 4, 1, { groups: 2 }), /must be divisible by groups/],
    'padding "same" with a stride': [
      () => build(1, 1, 1, { padding: "same", stride: 2 }),
      /"same" is not defined/,
    ],
    "an unknown padding mode": [
      () => build(1, 1, 1, { paddingMode: "mirror" as "reflect" }),
      /paddingMode must be one of/,
    ],
  };
}

type TransposedOptions = nn.ConvTransposeLayerOptions;
type Transposed = nn.Module<[Tensor, (nn.OutputSizeOptions | readonly number[])?]>;

function transposed(
  rank: number,
  build: (inChannels: number, outChannels: number, kernel: Sizes, o?: TransposedOptions) => Transposed,
): Record<string, LayerSample> {
  const image = (n: number | null, channels: number, ...last: number[]) =>
    make([...(n === null ? [] : [n]), channels, ...sizes(rank, ...last)]);
  const kernel = sizes(rank, 2, 2);
  return {
    default: sample(
      () => build(2, 3, kernel),
      () => [image(2, 2, 2, 2)],
    ),
    "no bias, stride, padding, output padding": sample(
      () =>
        build(2, 1, sizes(rank, 3), {
          bias: false,
          stride: 2,
          padding: sizes(rank, 0, 1).map((p, d) => (d === rank - 1 ? p : 0)),
          outputPadding: sizes(rank, 0, 1).map((p, d) => (d === rank - 1 ? p : 0)),
        }),
      () => [image(1, 2, 2, 2)],
    ),
    "dilation, groups": sample(
      () => build(2, 4, sizes(rank, 1, 2), { dilation: 2, groups: 2 }),
      () => [image(1, 2, 2, 2)],
    ),
    "output size": sample(
      () => build(1, 1, sizes(rank, 2), { stride: 2 }),
      () => [image(1, 1, 2), { outputSize: sizes(rank, 5).map((n, d) => (d === rank - 1 ? n : 1)) }],
    ),
    unbatched: sample(
      () => build(2, 1, kernel),
      () => [image(null, 2, 2, 2)],
    ),
    "empty batch": sample(
      () => build(2, 3, kernel),
      () => [image(0, 2, 2, 2)],
    ),
  };
}

function transposedErrors(
  build: (inChannels: number, outChannels: number, kernel: Sizes, o?: TransposedOptions) => Transposed,
  rank: number,
): LayerErrors {
  const twos = new Array<number>(rank).fill(2);
  return {
    "another number of channels": [() => build(2, 3, 1).double()(make([1, 3, ...twos])), /channels/],
    "an output size out of reach": [
      () => build(1, 1, 2, { stride: 2 }).double()(make([1, 1, ...twos]), { outputSize: twos.map(() => 9) }),
      /cannot give the size 9/,
    ],
    "padding that is not zeros": [
      () => build(1, 1, 2, { paddingMode: "reflect" as "zeros" }),
      /only zeros can pad a transposed convolution/,
    ],
  };
}

const plain1: Parameters<typeof convolution>[1] = (i, o, k, options) => new nn.Conv1d(i, o, k, options);
const plain2: Parameters<typeof convolution>[1] = (i, o, k, options) => new nn.Conv2d(i, o, k, options);
const plain3: Parameters<typeof convolution>[1] = (i, o, k, options) => new nn.Conv3d(i, o, k, options);
const back1: Parameters<typeof transposed>[1] = (i, o, k, options) =>
  new nn.ConvTranspose1d(i, o, k, options);
const back2: Parameters<typeof transposed>[1] = (i, o, k, options) =>
  new nn.ConvTranspose2d(i, o, k, options);
const back3: Parameters<typeof transposed>[1] = (i, o, k, options) =>
  new nn.ConvTranspose3d(i, o, k, options);

/** A lazy layer: the same as its plain class after the first call. */
function lazy(
  build: (o?: { bias?: boolean; stride?: number }) => nn.Module<[Tensor, ...never[]]>,
  shape: readonly number[],
  prints: LayerEntry["prints"],
): LayerEntry {
  return {
    samples: {
      default: { make: () => build(), inputs: () => [make(shape)] },
      "no bias, stride 2": { make: () => build({ bias: false, stride: 2 }), inputs: () => [make(shape)] },
      unbatched: { make: () => build(), inputs: () => [make(shape.slice(1))] },
    },
    prints,
    errors: {
      "too many dimensions": [() => build()(make([1, 1, ...shape])), /dimensions/],
      "a state dict before the shapes are known": [() => build().double()(make([0])), /dimensions/],
    },
  };
}

export const convolutions = {
  Conv1d: {
    samples: convolution(1, plain1),
    prints: {
      "Conv1d(3, 8, kernelSize=(3), stride=(1))": () => new nn.Conv1d(3, 8, 3),
      "Conv1d(4, 8, kernelSize=(3), stride=(2), padding=(1), dilation=(2), groups=2, bias=false)": () =>
        new nn.Conv1d(4, 8, 3, { stride: 2, padding: 1, dilation: 2, groups: 2, bias: false }),
    },
    errors: convErrors(plain1, 1),
  },
  Conv2d: {
    samples: convolution(2, plain2),
    prints: {
      "Conv2d(3, 8, kernelSize=(3, 3), stride=(1, 1))": () => new nn.Conv2d(3, 8, 3),
      "Conv2d(3, 8, kernelSize=(3, 5), stride=(1, 1), padding=(1, 2), paddingMode=circular)": () =>
        new nn.Conv2d(3, 8, [3, 5], { padding: [1, 2], paddingMode: "circular" }),
      "Conv2d(3, 8, kernelSize=(3, 3), stride=(1, 1), padding=same)": () =>
        new nn.Conv2d(3, 8, 3, { padding: "same" }),
    },
    errors: convErrors(plain2, 2),
  },
  Conv3d: {
    samples: convolution(3, plain3),
    prints: { "Conv3d(3, 8, kernelSize=(1, 2, 3), stride=(1, 1, 1))": () => new nn.Conv3d(3, 8, [1, 2, 3]) },
    errors: convErrors(plain3, 3),
  },
  ConvTranspose1d: {
    samples: transposed(1, back1),
    prints: { "ConvTranspose1d(3, 8, kernelSize=(3), stride=(1))": () => new nn.ConvTranspose1d(3, 8, 3) },
    errors: transposedErrors(back1, 1),
  },
  ConvTranspose2d: {
    samples: transposed(2, back2),
    prints: {
      "ConvTranspose2d(3, 8, kernelSize=(3, 3), stride=(1, 1))": () => new nn.ConvTranspose2d(3, 8, 3),
      "ConvTranspose2d(4, 8, kernelSize=(3, 3), stride=(2, 2), padding=(1, 1), outputPadding=(1, 1), groups=2, bias=false)":
        () =>
          new nn.ConvTranspose2d(4, 8, 3, {
            stride: 2,
            padding: 1,
            outputPadding: 1,
            groups: 2,
            bias: false,
          }),
    },
    errors: transposedErrors(back2, 2),
  },
  ConvTranspose3d: {
    samples: transposed(3, back3),
    prints: {
      "ConvTranspose3d(3, 8, kernelSize=(1, 2, 3), stride=(1, 1, 1), dilation=(2, 2, 2))": () =>
        new nn.ConvTranspose3d(3, 8, [1, 2, 3], { dilation: 2 }),
    },
    errors: transposedErrors(back3, 3),
  },
  LazyConv1d: lazy((o) => new nn.LazyConv1d(2, 2, o), [1, 2, 4], {
    "LazyConv1d(0, 8, kernelSize=(3), stride=(1))": () => new nn.LazyConv1d(8, 3),
  }),
  LazyConv2d: lazy((o) => new nn.LazyConv2d(2, 2, o), [1, 2, 2, 3], {
    "LazyConv2d(0, 8, kernelSize=(3, 3), stride=(1, 1), padding=(1, 1))": () =>
      new nn.LazyConv2d(8, 3, { padding: 1 }),
  }),
  LazyConv3d: lazy((o) => new nn.LazyConv3d(1, 2, o), [1, 1, 2, 2, 2], {
    "LazyConv3d(0, 8, kernelSize=(3, 3, 3), stride=(1, 1, 1))": () => new nn.LazyConv3d(8, 3),
  }),
  LazyConvTranspose1d: lazy((o) => new nn.LazyConvTranspose1d(2, 2, o), [1, 2, 3], {
    "LazyConvTranspose1d(0, 8, kernelSize=(3), stride=(1))": () => new nn.LazyConvTranspose1d(8, 3),
  }),
  LazyConvTranspose2d: lazy((o) => new nn.LazyConvTranspose2d(2, 2, o), [1, 2, 2, 2], {
    "LazyConvTranspose2d(0, 8, kernelSize=(3, 3), stride=(1, 1))": () => new nn.LazyConvTranspose2d(8, 3),
  }),
  LazyConvTranspose3d: lazy((o) => new nn.LazyConvTranspose3d(1, 2, o), [1, 1, 1, 2, 2], {
    "LazyConvTranspose3d(0, 8, kernelSize=(3, 3, 3), stride=(1, 1, 1))": () =>
      new nn.LazyConvTranspose3d(8, 3),
  }),
  Unfold: {
    samples: {
      default: sample(
        () => new nn.Unfold(2),
        () => [make([1, 2, 3, 3])],
      ),
      "dilation, padding, stride": sample(
        () => new nn.Unfold([2, 1], { dilation: 2, padding: 1, stride: [1, 2] }),
        () => [make([2, 1, 3, 3])],
      ),
      unbatched: sample(
        () => new nn.Unfold(2),
        () => [make([2, 2, 3])],
      ),
      "empty batch": sample(
        () => new nn.Unfold(2),
        () => [make([0, 2, 3, 3])],
      ),
    },
    prints: {
      "Unfold(kernelSize=2, dilation=1, padding=0, stride=1)": () => new nn.Unfold(2),
      "Unfold(kernelSize=(2, 3), dilation=2, padding=1, stride=(1, 2))": () =>
        new nn.Unfold([2, 3], { dilation: 2, padding: 1, stride: [1, 2] }),
    },
    errors: { "a kernel larger than the image": [() => new nn.Unfold(4)(make([1, 1, 3, 3])), "[unfold]"] },
  },
  Fold: {
    samples: {
      default: sample(
        () => new nn.Fold([3, 3], 2),
        () => [make([1, 4, 4])],
      ),
      "dilation, padding, stride": sample(
        () => new nn.Fold([3, 3], [2, 1], { dilation: 2, padding: 1, stride: [1, 2] }),
        () => [make([2, 2, 9])],
      ),
      unbatched: sample(
        () => new nn.Fold([2, 3], 2),
        () => [make([8, 2])],
      ),
      "empty batch": sample(
        () => new nn.Fold([3, 3], 2),
        () => [make([0, 4, 4])],
      ),
    },
    prints: {
      "Fold(outputSize=(4, 5), kernelSize=(2, 2), dilation=1, padding=0, stride=1)": () =>
        new nn.Fold([4, 5], [2, 2]),
    },
    errors: {
      "another number of patches": [() => new nn.Fold([3, 3], 2)(make([1, 4, 5])), "[fold]"],
      "channels that are no multiple of the kernel": [
        () => new nn.Fold([3, 3], 2)(make([1, 5, 4])),
        "[fold]",
      ],
    },
  },
} satisfies Partial<LayerRegistry>;
