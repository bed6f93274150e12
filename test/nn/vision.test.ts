/** Padding, resampling, sampling on grids, folds and shuffles: derivatives of every order, values, errors. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arange, manualSeed, nn, ones, randn, type Tensor, tensor } from "../../src/index.js";
import { make } from "../registry/make.js";
import { type Call, checkCalls, expectClose, numbers, sameForAllThreads } from "./checks.js";

const F = nn.functional;
const one = (shape: number[], fn: (x: Tensor) => Tensor, float32?: number): Call => ({
  args: () => [make(shape)],
  fn: (x) => fn(x),
  ...(float32 === undefined ? {} : { float32 }),
});

type InterpolateOptions = NonNullable<Parameters<typeof F.interpolate>[1]>;
const resized = (shape: number[], options: InterpolateOptions) =>
  one(shape, (x) => F.interpolate(x, options));

type GridOptions = NonNullable<Parameters<typeof F.gridSample>[2]>;
/** Points away from the kinks of the weights, inside and outside of the image. */
const sampled = (shape: number[], grid: number[], options: GridOptions): Call => ({
  args: () => [make(shape), make(grid, { low: -1.43, high: 1.47, seed: 2 })],
  fn: (x, g) => F.gridSample(x, g, options),
  float32: 1e-4,
});

checkCalls({
  "pad, constant": one([2, 3, 4], (x) => F.pad(x, [1, 2, 0, 1], { value: 1.5 })),
  "pad, cut": one([2, 5, 4], (x) => F.pad(x, [-1, 2, 1, -2])),
  "pad, reflect": one([2, 1, 4, 5], (x) => F.pad(x, [2, 1, 3, 0], { mode: "reflect" })),
  "pad, reflect, cut": one([2, 1, 5], (x) => F.pad(x, [-1, 3], { mode: "reflect" })),
  "pad, replicate": one([2, 2, 3, 2], (x) => F.pad(x, [4, 1, 0, 2, 1, 1], { mode: "replicate" })),
  "pad, circular": one([2, 3, 4], (x) => F.pad(x, [2, 4, 3, 1], { mode: "circular" })),
  nearest: resized([1, 2, 3, 4], { size: [5, 3] }),
  "nearest-exact": resized([2, 2, 5], { scaleFactor: 1.7, mode: "nearest-exact" }),
  linear: resized([2, 2, 5], { size: 8, mode: "linear" }),
  bilinear: resized([2, 2, 3, 4], { size: [7, 3], mode: "bilinear" }),
  "bilinear, corners": resized([1, 2, 3, 4], { scaleFactor: 2, mode: "bilinear", alignCorners: true }),
  "bilinear, antialias": resized([1, 1, 7, 9], { size: [3, 4], mode: "bilinear", antialias: true }),
  bicubic: resized([1, 2, 4, 5], { size: [6, 3], mode: "bicubic" }),
  "bicubic, antialias": resized([1, 1, 8, 7], { scaleFactor: 0.5, mode: "bicubic", antialias: true }),
  trilinear: resized([1, 1, 2, 3, 4], { size: [3, 2, 5], mode: "trilinear" }),
  area: resized([1, 2, 5, 6], { size: [2, 4], mode: "area" }),
  "gridSample, bilinear": sampled([2, 3, 4, 5], [2, 2, 3, 2], {}),
  "gridSample, border": sampled([2, 2, 4, 5], [2, 3, 3, 2], { paddingMode: "border", alignCorners: true }),
  "gridSample, reflection": sampled([1, 2, 3, 4], [1, 4, 3, 2], { paddingMode: "reflection" }),
  "gridSample, bicubic": sampled([1, 2, 5, 4], [1, 2, 4, 2], { mode: "bicubic" }),
  "gridSample, bicubic, reflection": sampled([1, 1, 5, 4], [1, 2, 3, 2], {
    mode: "bicubic",
    paddingMode: "reflection",
    alignCorners: true,
  }),
  "gridSample, nearest": sampled([2, 2, 4, 5], [2, 2, 3, 2], { mode: "nearest" }),
  "gridSample of volumes": sampled([1, 2, 3, 4, 3], [1, 2, 2, 2, 3], {}),
  "gridSample of volumes, border": sampled([1, 1, 3, 4, 3], [1, 2, 2, 2, 3], { paddingMode: "border" }),
  affineGrid: one([2, 2, 3], (x) => F.affineGrid(x, [2, 1, 3, 4])),
  "affineGrid of volumes": one([1, 3, 4], (x) => F.affineGrid(x, [1, 1, 2, 3, 2], { alignCorners: true })),
  unfold: one([2, 2, 4, 5], (x) => F.unfold(x, [2, 3], { padding: [1, 0], stride: [2, 1] })),
  fold: one([2, 8, 9], (x) => F.fold(x, 4, 2)),
  "fold, dilation": one([12, 4], (x) =>
    F.fold(x, [4, 3], 2, { dilation: 2, padding: [0, 1], stride: [1, 2] }),
  ),
  pixelShuffle: one([2, 8, 2, 3], (x) => F.pixelShuffle(x, 2)),
  pixelUnshuffle: one([2, 4, 6], (x) => F.pixelUnshuffle(x, 2)),
  channelShuffle: one([2, 6, 3], (x) => F.channelShuffle(x, 3)),
});

describe("pad", () => {
  test("modes give the values of their definitions", () => {
    const x = tensor([[1, 2, 3, 4]]);
    expect(F.pad(x, [1, 2]).toArray()).toEqual([[0, 1, 2, 3, 4, 0, 0]]);
    expect(F.pad(x, [1, 2], { value: 9 }).toArray()).toEqual([[9, 1, 2, 3, 4, 9, 9]]);
    expect(F.pad(x, [-1, -1]).toArray()).toEqual([[2, 3]]);
    expect(F.pad(x, [3, 3], { mode: "reflect" }).toArray()).toEqual([[4, 3, 2, 1, 2, 3, 4, 3, 2, 1]]);
    expect(F.pad(x, [2, 1], { mode: "replicate" }).toArray()).toEqual([[1, 1, 1, 2, 3, 4, 4]]);
    expect(F.pad(x, [1, 4], { mode: "circular" }).toArray()).toEqual([[4, 1, 2, 3, 4, 1, 2, 3, 4]]);
    expect(F.pad(x, [-1, 1], { mode: "circular" }).toArray()).toEqual([[2, 3, 4, 2]]);
  });

  test("bool, and a value for any number of dimensions", () => {
    expect(F.pad(tensor([true]), [1, 1]).toArray()).toEqual([false, true, false]);
    expect(F.pad(ones([1, 1]), [0, 0, 1, 0], { value: -1 }).toArray()).toEqual([[-1], [1]]);
  });

  test("is the identity followed by cutting the same borders off", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("constant" as const, "reflect" as const, "replicate" as const, "circular" as const),
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 4, maxLength: 4 }),
        (mode, pads) => {
          const x = make([2, 3, 4, 5], { requiresGrad: false });
          const cut = F.pad(
            F.pad(x, pads, { mode }),
            pads.map((n) => -n),
          );
          expect(numbers(cut)).toEqual(numbers(x));
        },
      ),
    );
  });
});

describe("interpolate", () => {
  test("keeps constants in every mode", () => {
    for (const mode of ["nearest", "nearest-exact", "bilinear", "bicubic", "area"] as const) {
      for (const size of [
        [3, 9],
        [5, 7],
        [11, 2],
      ] as const) {
        expectClose(
          F.interpolate(ones([1, 2, 5, 7]), { size, mode }),
          new Array(2 * size[0] * size[1]).fill(1),
          1e-6,
        );
      }
    }
  });

  test("alignCorners keeps the corners, and linear modes are exact on ramps", () => {
    const x = arange(4).to("float64").reshape([1, 1, 4]);
    const y = F.interpolate(x, { size: 7, mode: "linear", alignCorners: true });
    expectClose(y, [0, 0.5, 1, 1.5, 2, 2.5, 3], 1e-15);
  });

  test("takes integers in mode nearest", () => {
    expect(F.interpolate(tensor([[[1, 2]]]), { scaleFactor: 2 }).toArray()).toEqual([[[1, 1, 2, 2]]]);
  });

  test("computes positions from the scale factor unless told otherwise", () => {
    const x = arange(5).to("float64").reshape([1, 1, 5]);
    const given = F.interpolate(x, { scaleFactor: 1.5, mode: "linear" });
    const recomputed = F.interpolate(x, { scaleFactor: 1.5, mode: "linear", recomputeScaleFactor: true });
    expect(given.shape).toEqual(recomputed.shape);
    expect(numbers(recomputed)).toEqual(numbers(F.interpolate(x, { size: 7, mode: "linear" })));
    expect(numbers(recomputed)).not.toEqual(numbers(given));
  });

  test("has the same bits for every number of threads", () => {
    manualSeed(0);
    const x = randn([1, 3, 120, 130], { requiresGrad: true });
    sameForAllThreads(() => {
      const y = F.interpolate(x, { size: [200, 90], mode: "bilinear" });
      const z = F.pad(x, [3, 3, 3, 3], { mode: "reflect" });
      x.grad = null;
      y.sum().add(z.sum()).backward();
      return [y, z, x.grad as unknown as Tensor];
    });
  });
});

describe("gridSample", () => {
  test("with the identity's grid is the image", () => {
    const x = make([2, 3, 4, 5], { requiresGrad: false });
    const theta = tensor(
      [
        [
          [1, 0, 0],
          [0, 1, 0],
        ],
      ],
      { dtype: "float64" },
    ).expand([2, 2, 3]);
    for (const alignCorners of [true, false]) {
      const grid = F.affineGrid(theta, [2, 3, 4, 5], { alignCorners });
      for (const mode of ["bilinear", "nearest", "bicubic"] as const) {
        for (const paddingMode of ["border", "reflection"] as const) {
          expectClose(F.gridSample(x, grid, { mode, paddingMode, alignCorners }), numbers(x), 1e-12);
        }
      }
    }
  });

  test("ignores points that are not numbers", () => {
    const grid = tensor([[[[Number.NaN, 0]]]], { dtype: "float32" });
    expect(F.gridSample(ones([1, 1, 2, 2]), grid).toArray()).toEqual([[[[0]]]]);
  });

  test("of an empty batch is empty", () => {
    expect(F.gridSample(ones([0, 2, 3, 3]), ones([0, 4, 5, 2])).shape).toEqual([0, 2, 4, 5]);
  });
});

describe("rearrangements", () => {
  test("fold of unfold counts how many patches hold a pixel", () => {
    const x = ones([1, 1, 3, 3]);
    expect(F.fold(F.unfold(x, 2), 3, 2).toArray()).toEqual([
      [
        [
          [1, 2, 1],
          [2, 4, 2],
          [1, 2, 1],
        ],
      ],
    ]);
  });

  test("pixelUnshuffle undoes pixelShuffle", () => {
    const x = make([2, 9, 2, 3], { requiresGrad: false });
    expect(numbers(F.pixelUnshuffle(F.pixelShuffle(x, 3), 3))).toEqual(numbers(x));
    expect(F.pixelShuffle(arange(4).reshape([4, 1, 1]), 2).toArray()).toEqual([
      [
        [0, 1],
        [2, 3],
      ],
    ]);
  });

  test("channelShuffle deals the groups out", () => {
    expect(
      F.channelShuffle(arange(6).reshape([1, 6, 1]), 2)
        .flatten()
        .toArray(),
    ).toEqual([0, 3, 1, 4, 2, 5]);
  });
});

describe("errors name the op, what it got and what it expected", () => {
  const x = ones([1, 2, 4, 4]);
  test.each([
    ["pairs", () => F.pad(x, [1, 1, 1]), /\[pad\] expected pairs of whole numbers/],
    [
      "negative",
      () => F.pad(x, [-3, -2]),
      /\[pad\] dimension 3 of size 4 would get a negative size with -3 and -2/,
    ],
    [
      "reflect",
      () => F.pad(x, [4, 0, 0, 0], { mode: "reflect" }),
      /mode "reflect" can add at most 3 elements/,
    ],
    [
      "circular",
      () => F.pad(x, [5, 0, 0, 0], { mode: "circular" }),
      /mode "circular" can add at most 4 elements/,
    ],
    ["rank", () => F.pad(x, [1, 1], { mode: "reflect" }), /pads the last 1, 2 or 3 dimensions/],
    [
      "value",
      () => F.pad(x, [1, 1, 1, 1], { mode: "reflect", value: 2 }),
      /a value is only for mode "constant"/,
    ],
    [
      "layer",
      () => new nn.ReflectionPad2d([1, 2]),
      /\[ReflectionPad2d\] padding must be 1 or 4 numbers, got \[1, 2\]/,
    ],
    [
      "neither size",
      () => F.interpolate(x),
      /\[interpolate\] expected either size or scaleFactor, got neither/,
    ],
    [
      "both sizes",
      () => F.interpolate(x, { size: 2, scaleFactor: 2 }),
      /expected either size or scaleFactor, got both/,
    ],
    [
      "mode",
      () => F.interpolate(x, { size: 2, mode: "linear" }),
      /mode "linear" expects an input of 3 dimensions/,
    ],
    ["corners", () => F.interpolate(x, { size: 2, alignCorners: true }), /alignCorners is for linear/],
    [
      "antialias",
      () => F.interpolate(x, { size: 2, antialias: true }),
      /antialias is for bilinear and bicubic/,
    ],
    [
      "sizes",
      () => F.interpolate(x, { size: [1, 2, 3] }),
      /expected a size for each of the 2 spatial dimensions/,
    ],
    ["grid", () => F.gridSample(x, ones([1, 3, 3, 3])), /\[gridSample\] expected a grid \(1, H, W, 2\)/],
    ["theta", () => F.affineGrid(ones([1, 3, 3]), [1, 1, 2, 2]), /\[affineGrid\] expected theta/],
    ["columns", () => F.fold(ones([1, 8, 7]), 4, 2), /\[fold\] an image of size \[4, 4\] has 9 patches/],
    ["rows", () => F.fold(ones([1, 7, 9]), 4, 2), /expected columns of a multiple of 4 elements/],
    ["patch", () => F.unfold(x, 5), /\[unfold\] an image of size \[4, 4\] has no place for a patch/],
    ["shuffle", () => F.pixelShuffle(x, 2), /\[pixelShuffle\] the channels must be divisible by 4/],
    ["unshuffle", () => F.pixelUnshuffle(x, 3), /\[pixelUnshuffle\] height and width must be divisible/],
    [
      "border",
      () => F.pad(x, [-2, -2, -2, -2], { mode: "reflect" }),
      "[pad] [-2, -2, -2, -2] leaves nothing of shape [1, 2, 4, 4]: got sizes [0, 0]",
    ],
    ["groups", () => F.channelShuffle(x, 3), /\[channelShuffle\] groups 3 must divide the channels/],
  ])("%s", (_, call, message) => {
    expect(call).toThrow(message);
  });
});

test.each([
  [new nn.ZeroPad2d(1), "ZeroPad2d((1, 1, 1, 1))"],
  [new nn.ConstantPad1d([1, 2], 3.5), "ConstantPad1d(padding=(1, 2), value=3.5)"],
  [new nn.ReflectionPad2d([1, 2, 3, 4]), "ReflectionPad2d((1, 2, 3, 4))"],
  [new nn.PixelShuffle(2), "PixelShuffle(upscaleFactor=2)"],
  [new nn.Upsample({ scaleFactor: 2, mode: "bilinear" }), "Upsample(scaleFactor=2, mode='bilinear')"],
  [new nn.UpsamplingNearest2d({ size: [3, 4] }), "UpsamplingNearest2d(size=(3, 4), mode='nearest')"],
  [new nn.Unfold([2, 3]), "Unfold(kernelSize=(2, 3), dilation=1, padding=0, stride=1)"],
])("layers print as PyTorch's: %s", (layer, text) => {
  expect(String(layer)).toBe(text);
});
