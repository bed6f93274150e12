/** The edge cases of layer, group, instance and RMS norm. */
import { describe, expect, test } from "vitest";
import { autograd, nn, ones, randn, type Tensor, tensor, zeros } from "../../../src/index.js";
import { errorOf, from, noise, numbers, values } from "./reference.js";

const F = nn.functional;

describe("layer, group, instance and RMS norm", () => {
  test.each([
    [
      "layerNorm",
      () => F.layerNorm(randn([2, 6, 3]), [6]),
      "Given normalizedShape=[6], expected input with shape [*, 6], but got input of size [2, 6, 3]",
    ],
    [
      "layerNorm",
      () => F.layerNorm(randn([2, 6]), []),
      "Expected normalizedShape to be at least 1-dimensional",
    ],
    [
      "layerNorm",
      () => F.layerNorm(randn([2, 6]), [6], { weight: ones([5]) }),
      "Expected weight to be of same shape as normalizedShape, got [5], expected [6]",
    ],
    [
      "layerNorm",
      () => F.layerNorm(randn([2, 6]), [6], { bias: ones([6], { dtype: "float64" }) }),
      "bias is float64, expected float32",
    ],
    ["layerNorm", () => F.layerNorm(ones([2, 6], { dtype: "int64" }), [6]), "not defined for int64"],
    ["rmsNorm", () => F.rmsNorm(randn([2, 6]), [3, 6]), "Given normalizedShape=[3, 6]"],
    [
      "groupNorm",
      () => F.groupNorm(randn([2, 6, 3]), 4),
      "Expected number of channels in input to be divisible by numGroups, but got input of shape [2, 6, 3] and numGroups=4",
    ],
    [
      "groupNorm",
      () => F.groupNorm(randn([2, 6, 3]), 0),
      "Expected number of channels in input to be divisible by numGroups",
    ],
    [
      "groupNorm",
      () => F.groupNorm(randn([1, 2]), 2),
      "Expected more than 1 value per channel when training, got input size [1, 2]",
    ],
    ["groupNorm", () => F.groupNorm(randn([6]), 2), "expected at least 2 dimensions, got [6]"],
    [
      "instanceNorm",
      () => F.instanceNorm(randn([2, 3, 1])),
      "Expected more than 1 spatial element when training, got input size [2, 3, 1]",
    ],
    [
      "instanceNorm",
      () => F.instanceNorm(randn([2, 3, 4]), { useInputStats: false }),
      "Expected running_mean and running_var to be defined when useInputStats is false",
    ],
    [
      "localResponseNorm",
      () => F.localResponseNorm(randn([2, 3]), 2),
      "Expected 3D or higher dimensionality input (got 2 dimensions)",
    ],
    [
      "localResponseNorm",
      () => F.localResponseNorm(randn([2, 3, 4]), 0),
      "size must be a whole number >= 1, got 0",
    ],
  ] as const)("%s refuses what does not fit", (op, call, message) => {
    expect(call).toThrow(`[${op}] ${message}`);
  });

  test("constructors refuse what cannot work", () => {
    expect(() => new nn.GroupNorm(4, 6)).toThrow(
      "[GroupNorm] num_channels must be divisible by num_groups: got numChannels 6, numGroups 4",
    );
    expect(() => new nn.BatchNorm1d(-1)).toThrow(
      "[BatchNorm1d] numFeatures must be a whole number >= 0, got -1",
    );
    expect(() => new nn.LayerNorm([])).toThrow(
      "[LayerNorm] normalizedShape must have at least one dimension",
    );
    expect(() => new nn.InstanceNorm2d(3, { affine: true })(randn([2, 4, 3, 3]))).toThrow(
      "[InstanceNorm2d] expected 3 channels in dimension 1 (numFeatures), got 4",
    );
    expect(() => new nn.InstanceNorm1d(3)(randn([1, 2, 3, 4]))).toThrow(
      "[InstanceNorm1d] expected 2D or 3D input (got 4D input)",
    );
  });

  test("nothing to normalise", () => {
    expect(F.layerNorm(zeros([0, 3]), [3]).shape).toEqual([0, 3]);
    expect(F.layerNorm(zeros([2, 0]), [0]).shape).toEqual([2, 0]);
    expect(F.groupNorm(zeros([0, 6, 3]), 2).shape).toEqual([0, 6, 3]);
    expect(F.localResponseNorm(zeros([0, 3, 4]), 2).shape).toEqual([0, 3, 4]);
    const w = ones([6], { requiresGrad: true });
    F.groupNorm(zeros([0, 6, 3]), 2, { weight: w })
      .sum()
      .backward();
    expect(numbers(w.grad as Tensor)).toEqual(new Float64Array(6));
  });

  test("a constant row or group gives exactly the bias", () => {
    const bias = tensor([0.1, 0.2, 0.3, 0.4]);
    const x = ones([3, 4]).mul(1e10);
    expect(numbers(F.layerNorm(x, [4], { bias }))).toEqual(numbers(bias.expand([3, 4])));
    expect(numbers(F.groupNorm(x, 2, { bias }))).toEqual(numbers(bias.expand([3, 4])));
    const long = ones([2, 300]).mul(0.1);
    expect(numbers(F.layerNorm(long, [300]))).toEqual(new Float64Array(600));
  });

  test.each([
    ["mean 1e6", (z: number) => 1e6 + z],
    ["near 1e30", (z: number) => z * 1e30],
    ["near 1e-20", (z: number) => z * 1e-20],
  ] as const)("%s: as in float64, to 2e-6 of the largest", (_, value) => {
    const shape = [12, 8, 40];
    const x = values(shape, value);
    const g = from({ shape, data: noise(3840, 2) }, "float64");
    const calls: ((x: Tensor) => Tensor)[] = [
      (t) => F.layerNorm(t, [40]),
      (t) => F.layerNorm(t, [8, 40]),
      (t) => F.rmsNorm(t, [8, 40], { eps: 1e-6 }),
      (t) => F.groupNorm(t, 4),
      (t) => F.instanceNorm(t),
    ];
    for (const call of calls) {
      const run = (dtype: "float32" | "float64") => {
        const leaf = from(x, dtype, true);
        const y = call(leaf);
        return [y, ...autograd.grad(y, [leaf], { gradOutputs: g.to(dtype) })];
      };
      const wide = run("float64");
      run("float32").forEach((t, i) => {
        expect(errorOf(t, numbers(wide[i] as Tensor))).toBeLessThan(2e-6);
      });
    }
  });
});
