/** The edge cases of batch normalization, each as a test. */
import { describe, expect, test } from "vitest";
import { autograd, nn, ones, randn, type Tensor, tensor, zeros } from "../../../src/index.js";
import { errorOf, from, noise, numbers, referenceBatchNorm, values } from "./reference.js";

const F = nn.functional;
const training = { training: true } as const;

describe("one value per channel", () => {
  const message = (layer: string, size: string) =>
    `[${layer}] Expected more than 1 value per channel when training, got input size ${size}`;

  test.each([
    ["BatchNorm1d", [1, 3], "[1, 3]"],
    ["BatchNorm1d", [1, 3, 1], "[1, 3, 1]"],
    ["BatchNorm2d", [1, 3, 1, 1], "[1, 3, 1, 1]"],
    ["BatchNorm3d", [1, 3, 1, 1, 1], "[1, 3, 1, 1, 1]"],
  ] as const)("%s of %j refuses, names the way out and changes nothing", (name, shape, size) => {
    const layer = new nn[name](3);
    expect(() => layer(randn(shape))).toThrow(message(name, size));
    expect(() => layer(randn(shape))).toThrow(
      "try a larger batch, dropLast: true in the DataLoader, or eval() on the layer",
    );
    expect(layer.numBatchesTracked?.item()).toBe(0);
    expect(numbers(layer.runningMean as Tensor)).toEqual(new Float64Array(3));
  });

  test("eval mode without running statistics says why it needs more values", () => {
    const layer = new nn.BatchNorm1d(3, { trackRunningStats: false }).eval();
    expect(() => layer(randn([1, 3]))).toThrow(message("BatchNorm1d", "[1, 3]"));
    expect(() => layer(randn([1, 3]))).toThrow(
      "in eval mode too: the statistics of the batch are in use, because this layer has no running statistics",
    );
  });

  test("eval mode with running statistics takes it", () => {
    expect(new nn.BatchNorm1d(3).eval()(ones([1, 3])).shape).toEqual([1, 3]);
  });

  test("the function refuses as the layer does", () => {
    expect(() => F.batchNorm(randn([1, 3]), null, null, training)).toThrow(message("batchNorm", "[1, 3]"));
  });

  test("inside a model the error names the layer's path", () => {
    const model = new nn.Sequential(new nn.Linear(2, 3), new nn.Sequential(new nn.BatchNorm1d(3)));
    expect(() => model(randn([1, 2]))).toThrow(/in 1\.0: BatchNorm1d\(3, eps=1e-5, momentum=0\.1/);
  });
});

test("one sample with several positions is allowed", () => {
  const y = new nn.BatchNorm2d(2, { dtype: "float64" })(
    from({ shape: [1, 2, 2, 3], data: noise(12, 1) }, "float64"),
  );
  expect(y.mean([0, 2, 3]).abs().max().item()).toBeLessThan(1e-15);
});

describe.each(["float32", "float64"] as const)("an empty batch of %s", (dtype) => {
  const layer = () => new nn.BatchNorm2d(3, { dtype });

  test("gives an empty output and zero gradients, not none", () => {
    const bn = layer();
    const x = zeros([0, 3, 4, 4], { dtype, requiresGrad: true });
    const y = bn(x);
    expect(y.shape).toEqual([0, 3, 4, 4]);
    y.sum().backward();
    expect(x.grad?.shape).toEqual([0, 3, 4, 4]);
    expect(numbers(bn.weight?.grad as Tensor)).toEqual(new Float64Array(3));
    expect(numbers(bn.bias?.grad as Tensor)).toEqual(new Float64Array(3));
  });

  test("leaves the running statistics and moves the counter", () => {
    const bn = layer();
    bn(zeros([0, 3, 4, 4], { dtype }));
    expect(numbers(bn.runningMean as Tensor)).toEqual(new Float64Array(3));
    expect(numbers(bn.runningVar as Tensor)).toEqual(new Float64Array(3).fill(1));
    expect(bn.numBatchesTracked?.item()).toBe(1);
  });

  test("has derivatives of the second order, zero too", () => {
    const bn = layer();
    const x = zeros([0, 3, 2, 2], { dtype, requiresGrad: true });
    const [gw] = autograd.grad(bn(x).sum(), [bn.weight as Tensor], { createGraph: true }) as [Tensor];
    const [again] = autograd.grad(gw.sum(), [x]) as [Tensor];
    expect(again.shape).toEqual([0, 3, 2, 2]);
  });

  test("goes through eval mode", () => {
    expect(layer().eval()(zeros([0, 3, 4, 4], { dtype })).shape).toEqual([0, 3, 4, 4]);
  });
});

test("no positions, and no channels", () => {
  expect(new nn.BatchNorm1d(3)(zeros([2, 3, 0])).shape).toEqual([2, 3, 0]);
  expect(new nn.BatchNorm1d(0)(zeros([2, 0, 4])).shape).toEqual([2, 0, 4]);
  expect(F.batchNorm(zeros([0]), zeros([0]), ones([0]), training).shape).toEqual([0]);
});

const setting = {
  weight: null,
  bias: null,
  runningMean: null,
  runningVar: null,
  training: true,
  momentum: 0.1,
  eps: 1e-5,
};

describe("numbers that float32 can hardly carry", () => {
  const kinds: Record<string, (z: number, c: number) => number> = {
    "mean 1e6, spread 1e-2": (z) => 1e6 + z * 1e-2,
    "mean 1e6, spread 1": (z) => 1e6 + z,
    "mean -1e3": (z) => z - 1e3,
    "values near 1e30": (z) => z * 1e30,
    "values near 1e-30": (z) => z * 1e-30,
    "one large channel among small ones": (z, c) => (c === 1 ? z * 1e8 : z),
    "an outlier in first place": (z) => z * 1e-3,
  };
  for (const shape of [
    [40, 3],
    [16, 3, 49],
    [8, 3, 10, 10],
    [3, 2],
  ]) {
    for (const [name, value] of Object.entries(kinds)) {
      test(`${name}, [${shape}]: output and gradients as in float64, to 1e-6 of the largest`, () => {
        const x = values(shape, value);
        if (name.includes("outlier"))
          for (let c = 0; c < (shape[1] as number); c++)
            x.data[c * (x.data.length / (shape[0] as number) / (shape[1] as number))] = 1e6;
        const g = noise(x.data.length, 4);
        const expected = referenceBatchNorm(x, g, setting);
        const leaf = from(x, "float32", true);
        const weight = ones([shape[1] as number], { requiresGrad: true });
        const y = F.batchNorm(leaf, null, null, { weight, training: true });
        const [gx, gw] = autograd.grad(y, [leaf, weight], {
          gradOutputs: from({ shape, data: g }, "float32"),
        }) as [Tensor, Tensor];
        expect(errorOf(y, expected.y)).toBeLessThan(1e-6);
        // Two or three values leave almost nothing of a gradient: cancellation in the formula itself.
        expect(errorOf(gx, expected.gx)).toBeLessThan((shape[0] as number) > 3 ? 2e-6 : 1e-4);
        expect(errorOf(gw, expected.gw)).toBeLessThan(1e-6);
      });
    }
  }
});

test("with eps 0, too, a constant channel gives the bias and no gradient, as in PyTorch", () => {
  const x = tensor([[3], [3]], { dtype: "float64", requiresGrad: true });
  const bias = tensor([0.5], { dtype: "float64" });
  for (const y of [
    F.batchNorm(x, null, null, { bias, training: true, eps: 0 }),
    F.instanceNorm(x.reshape([1, 1, 2]), { bias, eps: 0 }),
    F.groupNorm(x.reshape([1, 1, 2]), 1, { bias, eps: 0 }),
  ]) {
    expect([...numbers(y)]).toEqual([0.5, 0.5]);
    const [gx] = autograd.grad(y.square().sum(), [x]) as [Tensor];
    expect([...numbers(gx)].map(Math.abs)).toEqual([0, 0]);
  }
});

describe.each(["float32", "float64"] as const)("a constant channel of %s gives exactly the bias", (dtype) => {
  for (const value of [0, 1, 0.1, -3, 1e10, 1e30, 1.7e-20]) {
    for (const shape of [
      [7, 2],
      [300, 2],
      [5, 2, 9],
      [16, 2, 12, 12],
    ]) {
      test(`${value}, [${shape}]`, () => {
        const x = tensor(value, { dtype }).expand(shape).clone().requiresGrad_();
        const bias = tensor([0.3, -0.7], { dtype });
        const weight = tensor([2, 3], { dtype, requiresGrad: true });
        const y = F.batchNorm(x, null, null, { weight, bias, training: true });
        const expected = bias.reshape([1, 2, ...shape.slice(2).map(() => 1)]).expand(shape);
        expect(numbers(y)).toEqual(numbers(expected));
        const [gw] = autograd.grad(y.sum(), [weight]) as [Tensor];
        expect(numbers(gw)).toEqual(new Float64Array(2));
      });
    }
  }
});
