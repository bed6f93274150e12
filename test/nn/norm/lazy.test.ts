/** Lazy normalization layers, and how normalization layers print. */
import { describe, expect, test } from "vitest";
import { nn, randn } from "../../../src/index.js";
import { noiseOf, numbers, stateOf } from "./reference.js";

const f64 = { dtype: "float64" } as const;
const batch = (seed: number, shape: readonly number[] = [6, 3]) => noiseOf(shape, seed);

describe("lazy layers", () => {
  const cases = [
    ["LazyBatchNorm1d", "BatchNorm1d", [4, 3]],
    ["LazyBatchNorm2d", "BatchNorm2d", [4, 3, 2, 2]],
    ["LazyBatchNorm3d", "BatchNorm3d", [4, 3, 2, 2, 2]],
    ["LazyInstanceNorm1d", "InstanceNorm1d", [4, 3, 5]],
    ["LazyInstanceNorm2d", "InstanceNorm2d", [4, 3, 2, 5]],
    ["LazyInstanceNorm3d", "InstanceNorm3d", [4, 3, 2, 2, 2]],
  ] as const;

  test.each(cases)("%s becomes %s", (lazy, plain, shape) => {
    const layer = new nn[lazy]();
    expect(layer.hasUninitializedParams()).toBe(true);
    expect(() => layer.weight?.shape).toThrow("try a forward pass");
    const y = layer(randn(shape));
    expect(y.shape).toEqual(shape);
    expect(layer.constructor).toBe(nn[plain]);
    expect(layer).toBeInstanceOf(nn[plain]);
    expect(layer.numFeatures).toBe(3);
    expect(Object.keys(layer.stateDict())).toEqual([
      "weight",
      "bias",
      "running_mean",
      "running_var",
      "num_batches_tracked",
    ]);
    expect(String(layer)).toMatch(
      new RegExp(`^${plain}\\(3, eps=1e-5, momentum=0\\.1, affine=true, trackRunningStats=true\\)`),
    );
  });

  test("the first call trains as a plain layer does", () => {
    const [lazy, plain] = [new nn.LazyBatchNorm1d(f64), new nn.BatchNorm1d(3, f64)];
    expect(numbers(lazy(batch(1)))).toEqual(numbers(plain(batch(1))));
    expect(stateOf(lazy)).toEqual(stateOf(plain));
  });

  test("a failed first call leaves it uninitialised", () => {
    const layer = new nn.LazyBatchNorm2d();
    expect(() => layer(randn([4, 3]))).toThrow("[LazyBatchNorm2d] expected 4D input (got 2D input)");
    expect(() => layer(randn([1, 3, 1, 1]))).toThrow("Expected more than 1 value per channel");
    expect(layer.hasUninitializedParams()).toBe(true);
    expect(layer.numFeatures).toBe(0);
    expect(layer(randn([2, 3, 2, 2])).shape).toEqual([2, 3, 2, 2]);
  });

  test("without parameters or statistics there is nothing to wait for", () => {
    const layer = new nn.LazyBatchNorm1d({ affine: false, trackRunningStats: false });
    expect(layer.hasUninitializedParams()).toBe(false);
    expect(layer(randn([4, 3])).shape).toEqual([4, 3]);
    expect(layer.constructor).toBe(nn.BatchNorm1d);
  });

  test("an instance norm without a batch dimension takes its channels from the first one", () => {
    const layer = new nn.LazyInstanceNorm1d();
    expect(layer(randn([3, 7])).shape).toEqual([3, 7]);
    expect(layer.numFeatures).toBe(3);
  });
});

describe("printing", () => {
  test.each([
    [new nn.BatchNorm2d(32), "BatchNorm2d(32, eps=1e-5, momentum=0.1, affine=true, trackRunningStats=true)"],
    [
      new nn.BatchNorm1d(4, { momentum: null, affine: false }),
      "BatchNorm1d(4, eps=1e-5, momentum=null, affine=false, trackRunningStats=true)",
    ],
    [
      new nn.InstanceNorm1d(4),
      "InstanceNorm1d(4, eps=1e-5, momentum=0.1, affine=false, trackRunningStats=false)",
    ],
    [new nn.GroupNorm(2, 4), "GroupNorm(2, 4, eps=1e-5, affine=true)"],
    [new nn.LayerNorm([3, 4]), "LayerNorm((3, 4), eps=1e-5, elementwiseAffine=true)"],
    [new nn.RMSNorm(4), "RMSNorm((4), eps=null, elementwiseAffine=true)"],
    [new nn.LocalResponseNorm(5), "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1)"],
  ] as const)("%s", (layer, text) => {
    expect(String(layer)).toBe(text);
  });
});
