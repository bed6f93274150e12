import { beforeEach, describe, expect, test } from "vitest";
import { manualSeed, nn, ones, tensor } from "../../src/index.js";

const { Linear, Sequential } = nn;

beforeEach(() => {
  manualSeed(0);
});

describe("lazy modules", () => {
  test("become the plain class at the first call", () => {
    const layer = new nn.LazyLinear(3);
    expect(layer.hasUninitializedParams()).toBe(true);
    expect(() => layer.weight.shape).toThrow(
      "[UninitializedParameter] it has no shape and no values yet; try a forward pass",
    );
    expect(() => layer.weight.sum()).toThrow("try a forward pass");
    expect(String(layer)).toBe("LazyLinear(inFeatures=0, outFeatures=3, bias=true)");
    manualSeed(1);
    expect(layer(ones([2, 5])).shape).toEqual([2, 3]);
    expect(Object.getPrototypeOf(layer)).toBe(Linear.prototype);
    manualSeed(1);
    expect(layer.weight.toArray()).toEqual(new Linear(5, 3).weight.toArray());
    expect(nn.isLazy(layer.weight)).toBe(false);
  });

  test("resetting before the first call does nothing, as model.apply(reset) expects", () => {
    const linear = new nn.LazyLinear(3);
    const layers = [
      linear,
      new nn.LazyConv2d(2, 3),
      new nn.LazyConvTranspose1d(2, 3),
      new nn.LazyBatchNorm2d(),
    ];
    for (const layer of layers) {
      layer.resetParameters();
      expect(layer.hasUninitializedParams()).toBe(true);
    }
    linear(ones([2, 4]));
    const before = linear.weight.toArray();
    linear.resetParameters();
    expect(linear.weight.toArray()).not.toEqual(before);
  });

  test("stay as they are when the first call fails", () => {
    const model = new Sequential(new nn.LazyLinear(3));
    expect(() => model(tensor([1, 2], { dtype: "int64" }))).toThrow("[linear]");
    const layer = model.get<nn.LazyLinear>(0);
    expect(layer).toBeInstanceOf(nn.LazyLinear);
    expect([layer.hasUninitializedParams(), layer.inFeatures]).toEqual([true, 0]);
    expect(model(ones([1, 2])).shape).toEqual([1, 3]);
  });

  test("convert, copy, save and load before and after", () => {
    const layer = new nn.LazyLinear(3).double();
    const early = new nn.LazyLinear(3).stateDict();
    const copy = nn.deepCopy(layer);
    const full = new Linear(4, 3, { dtype: "float64" });
    layer.loadStateDict(full.stateDict());
    expect(layer.weight.toArray()).toEqual(full.weight.toArray());
    expect(layer(ones([1, 4], { dtype: "float64" })).dtype).toBe("float64");
    expect(layer.inFeatures).toBe(4);
    expect(copy(ones([1, 6], { dtype: "float64" })).shape).toEqual([1, 3]);
    expect(() => full.loadStateDict(early)).toThrow("the value was saved before it was initialised");
  });
});
