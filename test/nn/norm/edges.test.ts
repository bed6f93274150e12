/** The edge cases of batch normalization, each as a test; and those of its kin. */
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
import { errorOf, from, noise, numbers, referenceBatchNorm } from "./reference.js";

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

/** Channels of [N, C, S] filled by `value(noise, channel)`. */
function values(
  shape: readonly number[],
  value: (z: number, c: number) => number,
): { shape: readonly number[]; data: Float64Array } {
  const [N, C, ...rest] = shape as [number, number, ...number[]];
  const S = rest.reduce((a, b) => a * b, 1);
  const data = noise(N * C * S, 3).map((z, i) => value(z, Math.floor(i / S) % C));
  return { shape, data: Float64Array.from(Float32Array.from(data)) };
}

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
