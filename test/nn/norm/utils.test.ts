/** Folding batch norm into the layer before it, computing statistics anew, layers without state. */
import { describe, expect, test } from "vitest";
import { nn, noGrad, randn, type Tensor, tensor } from "../../../src/index.js";
import { errorOf, noiseOf, numbers } from "./reference.js";

const { fuseConvBnEval, fuseConvBnWeights, fuseLinearBnEval, replaceAllBatchNormModules_, updateBn } =
  nn.utils;
const f64 = { dtype: "float64" } as const;
/** A layer whose parameters and statistics are all away from their start. */
function used<M extends nn.Module<[Tensor], Tensor>>(layer: M): M {
  let seed = 50;
  noGrad(() => {
    for (const [key, t] of Object.entries(layer.stateDict())) {
      if (t.dtype !== "float64") continue;
      const v = noiseOf(t.shape, seed++);
      t.mul_(0).add_(key.endsWith("running_var") ? v.square().add(0.5) : v);
    }
  });
  return layer.eval();
}

describe("fuseConvBnEval", () => {
  const transposed = (from: number, to: number, groups = 1) =>
    new nn.ConvTranspose2d(from, to, 3, { groups, ...f64 }) as unknown as nn.Conv2d;
  const cases: Record<string, [() => nn.Module<[Tensor], Tensor>, () => nn.BatchNormBase, number[]]> = {
    Conv1d: [() => new nn.Conv1d(2, 4, 3, f64), () => new nn.BatchNorm1d(4, f64), [3, 2, 9]],
    "Conv2d in groups, without bias": [
      () => new nn.Conv2d(4, 6, 3, { groups: 2, bias: false, padding: 1, ...f64 }),
      () => new nn.BatchNorm2d(6, f64),
      [2, 4, 5, 5],
    ],
    "Conv3d, batch norm without weight": [
      () => new nn.Conv3d(2, 3, 2, f64),
      () => new nn.BatchNorm3d(3, { affine: false, eps: 0.1, ...f64 }),
      [1, 2, 3, 4, 3],
    ],
    ConvTranspose2d: [() => transposed(3, 4), () => new nn.BatchNorm2d(4, f64), [2, 3, 4, 4]],
    "ConvTranspose2d in groups": [() => transposed(4, 6, 2), () => new nn.BatchNorm2d(6, f64), [2, 4, 4, 4]],
  };
  test.each(Object.entries(cases))("%s: one layer that does what the two did", (_, [conv, bn, shape]) => {
    const [first, second] = [used(conv() as unknown as nn.Conv2d), used(bn())];
    const x = noiseOf(shape, 3);
    const both = fuseConvBnEval(first, second);
    expect(errorOf(both(x), numbers(second(first(x))))).toBeLessThan(1e-13);
    expect(both.constructor).toBe(first.constructor);
    expect(both.weight === first.weight).toBe(false);
    expect([both.weight.requiresGrad, both.bias?.requiresGrad]).toEqual([true, true]);
  });

  test("a frozen convolution stays frozen", () => {
    const conv = used(new nn.Conv2d(2, 3, 1, f64)).requiresGrad_(false);
    const both = fuseConvBnEval(conv, used(new nn.BatchNorm2d(3, f64)));
    expect([both.weight.requiresGrad, both.bias?.requiresGrad]).toEqual([false, false]);
  });

  test("refuses what it cannot do right", () => {
    const conv = new nn.Conv2d(2, 3, 1);
    expect(() => fuseConvBnEval(conv, new nn.BatchNorm2d(3))).toThrow("fusion only for eval");
    conv.eval();
    expect(() => fuseConvBnEval(conv, new nn.BatchNorm2d(3, { trackRunningStats: false }).eval())).toThrow(
      "has no running statistics",
    );
    expect(() => fuseConvBnEval(conv, new nn.BatchNorm2d(4).eval())).toThrow(
      "the layer has 3 outputs, and the batch norm 4 features",
    );
    expect(() => fuseConvBnEval(conv, new nn.BatchNorm2d(3).double().eval())).toThrow(
      "the layer is float32, and the batch norm float64",
    );
  });

  test("the weight form", () => {
    const [w, b] = fuseConvBnWeights(
      tensor([[[2]], [[3]]]),
      null,
      tensor([1, 0]),
      tensor([3, 0]),
      1,
      tensor([4, 5]),
      null,
    );
    expect(w.toArray()).toEqual([[[4]], [[15]]]);
    expect(b.toArray()).toEqual([-2, 0]);
  });
});

describe("fuseLinearBnEval", () => {
  test.each([
    [4, true],
    [1, true],
    [4, false],
  ] as const)("%i features, bias %s", (features, bias) => {
    const linear = used(new nn.Linear(3, 4, { bias, ...f64 }));
    const bn = used(new nn.BatchNorm1d(features, f64));
    const x = noiseOf([5, 3], 2);
    const z = linear(x);
    const expected = features === 4 ? bn(z) : bn(z.reshape([-1, 1])).reshape([5, 4]);
    expect(errorOf(fuseLinearBnEval(linear, bn)(x), numbers(expected))).toBeLessThan(1e-13);
  });

  test("refuses what it cannot do right", () => {
    expect(() => fuseLinearBnEval(new nn.Linear(3, 4).eval(), new nn.BatchNorm1d(3).eval())).toThrow(
      "the layer has 4 outputs",
    );
    expect(() => fuseLinearBnEval(new nn.Linear(3, 4), new nn.BatchNorm1d(4).eval())).toThrow(
      "fusion only for eval",
    );
  });
});

describe("updateBn", () => {
  const batches = [1, 2, 3].map((seed) => noiseOf([6, 2], seed));

  test("gives the mean over the batches, and leaves modes and momenta as they were", () => {
    const frozen = new nn.BatchNorm1d(2, f64).eval();
    const bn = new nn.BatchNorm1d(2, { momentum: 0.3, ...f64 });
    const model = new nn.Sequential(bn, frozen);
    bn(noiseOf([6, 2], 9));
    updateBn(
      batches.map((x) => [x, "label"] as const),
      model,
    );
    const mean = batches
      .map((x) => x.mean(0))
      .reduce((a, b) => a.add(b))
      .div(3);
    expect(errorOf(bn.runningMean as Tensor, numbers(mean))).toBeLessThan(1e-14);
    expect([bn.momentum, bn.training, frozen.training, model.training]).toEqual([0.3, true, false, true]);
    expect(bn.numBatchesTracked?.item()).toBe(3);
    expect(bn.runningMean?.requiresGrad).toBe(false);
  });

  test("an error in a batch restores everything too", () => {
    const bn = new nn.BatchNorm1d(2, f64);
    const model = new nn.Sequential(bn).eval();
    expect(() => updateBn([batches[0] as Tensor, noiseOf([6, 3], 1)], model)).toThrow("expected 2 channels");
    expect([bn.momentum, model.training, bn.training]).toEqual([0.1, false, false]);
  });

  test("a model without batch norm is not even called", () => {
    updateBn(
      {
        [Symbol.iterator]: () => {
          throw new Error("read");
        },
      },
      new nn.Sequential(new nn.ReLU()),
    );
  });
});

test("replaceAllBatchNormModules_ leaves layers that change nothing", () => {
  const model = new nn.Sequential(
    new nn.BatchNorm1d(3),
    new nn.Sequential(new nn.BatchNorm1d(3, { trackRunningStats: false })),
  );
  expect(replaceAllBatchNormModules_(model)).toBe(model);
  const bn = model[0] as nn.BatchNorm1d;
  expect([bn.runningMean, bn.numBatchesTracked, bn.trackRunningStats]).toEqual([null, null, false]);
  const x = randn([4, 3]);
  const trained = numbers(model(x));
  expect(numbers(model.eval()(x))).toEqual(trained);
  expect(Object.keys(model.stateDict())).toEqual(["0.weight", "0.bias", "1.0.weight", "1.0.bias"]);
});
