/** Inputs of batch normalization: strides, shapes and dtypes that do not fit, any number of threads. */
import { describe, expect, test } from "vitest";
import {
  autograd,
  getNumThreads,
  nn,
  ones,
  randn,
  setNumThreads,
  type Tensor,
  tensor,
  zeros,
} from "../../../src/index.js";
import { from, noise, numbers } from "./reference.js";

const F = nn.functional;
const training = { training: true } as const;

describe("memory that is not contiguous", () => {
  const shape = [4, 3, 5, 6];
  const base = from({ shape, data: noise(360, 5) }, "float32");
  const layouts: Record<string, (t: Tensor) => Tensor> = {
    "channels last": (t) => t.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]),
    permuted: (t) => t.permute([3, 2, 1, 0]).contiguous().permute([3, 2, 1, 0]),
    "every second element": (t) =>
      t
        .reshape([...shape, 1])
        .expand([...shape, 2])
        .contiguous()
        .select(-1, 0),
  };
  const run = (x: Tensor, g: Tensor) => {
    const bn = new nn.BatchNorm2d(3);
    const leaf = x.detach().requiresGrad_();
    const y = bn(leaf);
    const gradients = autograd.grad(y, [leaf, bn.weight as Tensor, bn.bias as Tensor], { gradOutputs: g });
    return [y, ...gradients, bn.runningMean as Tensor, bn.runningVar as Tensor].map(numbers);
  };
  const g = from({ shape, data: noise(360, 6) }, "float32");

  test.each(Object.entries(layouts))("%s: the same bits for input, gradient, or both", (_, lay) => {
    const plain = run(base, g);
    expect(run(lay(base), g)).toEqual(plain);
    expect(run(base, lay(g))).toEqual(plain);
    expect(run(lay(base), lay(g))).toEqual(plain);
  });

  test("an expanded input", () => {
    const row = from({ shape: [4, 3, 1, 1], data: noise(12, 7) }, "float32");
    expect(run(row.expand(shape), g)).toEqual(run(row.expand(shape).clone(), g));
  });

  test("the gradient of a sum, one number for all elements", () => {
    const one = tensor(0.5).expand(shape);
    expect(run(base, one)).toEqual(run(base, one.clone()));
  });

  test("weights and statistics that are views", () => {
    const wide = from({ shape: [6], data: noise(6, 8) }, "float32")
      .square()
      .add(0.5);
    const every = wide.reshape([3, 2]).select(1, 1);
    const x = base.detach();
    const expected = F.batchNorm(x, every.clone(), every.clone(), {
      weight: every.clone(),
      bias: every.clone(),
    });
    expect(numbers(F.batchNorm(x, every, every, { weight: every, bias: every }))).toEqual(numbers(expected));
    const moved = every.clone();
    F.batchNorm(x, moved, null, training);
    F.batchNorm(x, every, null, training);
    expect(numbers(every)).toEqual(numbers(moved));
  });
});

describe("inputs that do not fit", () => {
  test.each([
    ["BatchNorm1d", [2, 3, 4, 5], "expected 2D or 3D input (got 4D input)"],
    ["BatchNorm1d", [3], "expected 2D or 3D input (got 1D input)"],
    ["BatchNorm2d", [2, 3, 4], "expected 4D input (got 3D input)"],
    ["BatchNorm3d", [2, 3, 4, 5], "expected 5D input (got 4D input)"],
  ] as const)("%s of rank %j", (name, shape, message) => {
    expect(() => new nn[name](3)(randn(shape))).toThrow(`[${name}] ${message}: shape [${shape.join(", ")}]`);
  });

  test("a wrong number of channels, with both shapes and the layer's path", () => {
    const model = new nn.Sequential(new nn.Identity(), new nn.BatchNorm2d(3));
    expect(() => model(randn([2, 5, 4, 4]))).toThrow(
      /\[BatchNorm2d\] expected 3 channels in dimension 1 \(numFeatures\), got 5: input of shape \[2, 5, 4, 4\].*shape \[3\].*\n {2}in 1: BatchNorm2d/s,
    );
  });

  test("a layer without tensors of its own takes any number of channels", () => {
    const bn = new nn.BatchNorm1d(3, { affine: false, trackRunningStats: false });
    expect(bn(randn([4, 5])).shape).toEqual([4, 5]);
  });

  const x = randn([4, 3]);
  test.each([
    ["running_mean", () => F.batchNorm(x, zeros([4]), ones([3]))],
    ["running_var", () => F.batchNorm(x, zeros([3]), ones([4]))],
    ["weight", () => F.batchNorm(x, null, null, { weight: ones([4]), ...training })],
    ["bias", () => F.batchNorm(x, null, null, { bias: ones([4]), ...training })],
  ] as const)("%s of another length", (name, call) => {
    expect(call).toThrow(
      `[batchNorm] ${name} should contain 3 elements not 4: got shape [4], expected [3] for input [4, 3]`,
    );
  });

  test("evaluation without running statistics", () => {
    expect(() => F.batchNorm(x, null, null)).toThrow("running_mean must be defined in evaluation mode");
    expect(() => F.batchNorm(x, zeros([3]), null)).toThrow("running_var must be defined in evaluation mode");
  });

  test("float32 input with float64 parameters, and the other way", () => {
    expect(() => new nn.BatchNorm1d(3).double()(x)).toThrow(
      /\[batchNorm\] running_mean is float64, expected float32, the dtype of the input \[4, 3\]; try x\.to\("float64"\), or model\.float\(\)/,
    );
    expect(() => new nn.BatchNorm1d(3)(x.to("float64"))).toThrow(
      /running_mean is float32, expected float64.*model\.double\(\)/,
    );
    expect(() =>
      F.batchNorm(x, null, null, { weight: ones([3], { dtype: "float64" }), ...training }),
    ).toThrow("weight is float64, expected float32");
  });

  test("integers", () => {
    expect(() => F.batchNorm(ones([4, 3], { dtype: "int64" }), null, null, training)).toThrow(
      "[batchNorm] not defined for int64: expected float32 or float64",
    );
  });

  test("a failed call changes neither statistics nor counter", () => {
    const bn = new nn.BatchNorm1d(3);
    expect(() => bn(x.to("float64"))).toThrow();
    expect(bn.numBatchesTracked?.item()).toBe(0);
    expect(numbers(bn.runningMean as Tensor)).toEqual(new Float64Array(3));
  });

  test("NaN stays in its channel", () => {
    const data = noise(200, 9);
    data[3] = Number.NaN;
    const y = F.batchNorm(from({ shape: [100, 2], data }, "float32"), null, null, training);
    expect(numbers(y.select(1, 0)).some(Number.isNaN)).toBe(false);
    expect(numbers(y.select(1, 1)).every(Number.isNaN)).toBe(true);
  });
});

test("results have the same bits for every number of threads", () => {
  const before = getNumThreads();
  const shapes = [
    [64, 32, 20, 20],
    [2, 3, 300, 300],
    [4096, 40],
    [1, 5, 50000],
  ];
  const all = () =>
    shapes.map((shape) => {
      const n = shape.reduce((a, b) => a * b, 1);
      const x = from({ shape, data: noise(n, 1) }, "float32", true);
      const w = ones([shape[1] as number], { requiresGrad: true });
      const y = F.batchNorm(x, null, null, { weight: w, training: true });
      return [
        y,
        ...autograd.grad(y, [x, w], { gradOutputs: from({ shape, data: noise(n, 2) }, "float32") }),
      ].map(numbers);
    });
  try {
    setNumThreads(1);
    const one = all();
    setNumThreads(3);
    all().forEach((tensors, i) => {
      tensors.forEach((t, k) => {
        const first = (one[i] as Float64Array[])[k] as Float64Array;
        expect(
          t.length === first.length && t.every((v, at) => Object.is(v, first[at])),
          `${shapes[i]}, tensor ${k}`,
        ).toBe(true);
      });
    });
  } finally {
    setNumThreads(before);
  }
});
