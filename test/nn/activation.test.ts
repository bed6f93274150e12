/** Activations, linear maps and dropout: derivatives of every order, fused against composed, edges, errors. */
import { describe, expect, test } from "vitest";
import { grad, manualSeed, nn, ones, randn, type Tensor, tensor } from "../../src/index.js";
import { composed as activations } from "../../src/ops/activation.js";
import { composed as maps } from "../../src/ops/linear.js";
import { gradcheck, gradgradcheck } from "../../src/testing/index.js";
import { make } from "../registry/make.js";

const F = nn.functional;
type Fn = (x: Tensor) => Tensor;

const functions: Record<string, Fn> = {
  celu: (x) => F.celu(x, 1.3),
  elu: (x) => F.elu(x, 0.7),
  gelu: F.gelu,
  "gelu by tanh": (x) => F.gelu(x, { approximate: "tanh" }),
  glu: (x) => F.glu(x, 0),
  hardshrink: (x) => F.hardshrink(x, 0.6),
  hardsigmoid: (x) => F.hardsigmoid(x.mul(2)),
  hardswish: (x) => F.hardswish(x.mul(2)),
  hardtanh: (x) => F.hardtanh(x, { minVal: -0.7, maxVal: 1.2 }),
  leakyRelu: (x) => F.leakyRelu(x, 0.1),
  logsigmoid: F.logsigmoid,
  logSoftmax: (x) => F.logSoftmax(x, 0),
  mish: F.mish,
  relu: F.relu,
  relu6: (x) => F.relu6(x.mul(4)),
  rrelu: (x) => F.rrelu(x),
  selu: F.selu,
  sigmoid: F.sigmoid,
  silu: F.silu,
  softmax: (x) => F.softmax(x, 0),
  softmin: (x) => F.softmin(x, 0),
  softplus: (x) => F.softplus(x, { beta: 2, threshold: 3 }),
  softshrink: (x) => F.softshrink(x, 0.3),
  softsign: F.softsign,
  tanh: F.tanh,
  tanhshrink: F.tanhshrink,
  threshold: (x) => F.threshold(x, 0.4, -1.5),
};

/** The derivative of the given order of sum f(x) v, entry by entry. */
function derivative(f: Fn, x: Tensor, order: number): number[] {
  let y = f(x)
    .mul(make([...x.shape], { seed: 9, requiresGrad: false }))
    .sum();
  for (let k = 1; k <= order; k++) {
    // What is linear has no graph left.
    if (!y.requiresGrad) return new Array<number>(x.numel).fill(0);
    const [g] = grad(y, x, { createGraph: true, materializeGrads: true }) as [Tensor];
    if (k === order) return Array.from(g.toTypedArray() as Float64Array);
    y = g.mul(1.5).sum();
  }
  return [];
}

function closeTo(got: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(got.length).toBe(expected.length);
  got.forEach((v, i) => {
    const e = expected[i] as number;
    if (!(Math.abs(v - e) <= tolerance * Math.max(1, Math.abs(e)))) expect(`${i}: ${v}`).toBe(`${i}: ${e}`);
  });
}

describe.each(Object.entries(functions))("%s", (name, f) => {
  test.each([[[2, 3]], [[4]], [[0, 3]]])("passes gradcheck and gradgradcheck at %j", (shape) => {
    if (shape[0] === 0 && /softm|glu/i.test(name)) return;
    gradcheck(f, [make(shape)], { name });
    gradgradcheck(f, [make(shape)], undefined, { name });
  });

  test("gives float32 what float64 gives, to rounding", () => {
    const x = make([64], { low: -6, high: 6, requiresGrad: false }).to("float32");
    const [single, double] = [f(x), f(x.to("float64"))];
    expect(single.dtype).toBe("float32");
    closeTo(
      Array.from(single.toTypedArray() as Float32Array),
      Array.from(double.toTypedArray() as Float64Array),
      1e-6,
    );
  });
});

describe("the fused functions equal the composed ones to the third derivative", () => {
  const pairs: Record<string, [Fn, Fn]> = {
    relu: [F.relu, activations.relu],
    leakyRelu: [(x) => F.leakyRelu(x, 0.2), (x) => activations.leakyRelu(x, 0.2)],
    elu: [(x) => F.elu(x, 0.7), (x) => activations.elu(x, 0.7)],
    celu: [(x) => F.celu(x, 1.3), (x) => activations.elu(x, 1.3, 1, 1 / 1.3)],
    "gelu by tanh": [(x) => F.gelu(x, { approximate: "tanh" }), activations.geluTanh],
    gelu: [F.gelu, (x) => x.mul(x.mul(Math.SQRT1_2).erf().add(1)).mul(0.5)],
    silu: [F.silu, activations.silu],
    mish: [F.mish, activations.mish],
    softplus: [(x) => F.softplus(x, { beta: 1.5 }), (x) => activations.softplus(x, 1.5)],
    logsigmoid: [F.logsigmoid, (x) => F.softplus(x.neg()).neg()],
  };
  test.each(Object.entries(pairs))("%s", (_, [fused, plain]) => {
    for (const order of [0, 1, 2, 3]) {
      const [a, b] = [make([7]), make([7])];
      if (order === 0)
        closeTo(
          Array.from(fused(a).toTypedArray() as Float64Array),
          Array.from(plain(b).toTypedArray() as Float64Array),
          1e-14,
        );
      else closeTo(derivative(fused, a, order), derivative(plain, b, order), 1e-11);
    }
  });

  test("linear, with all combinations of inputs", () => {
    for (const shape of [[3], [2, 3], [2, 4, 3], [0, 3]]) {
      for (const withBias of [true, false]) {
        const inputs = () => [
          make(shape, { seed: 1 }),
          make([5, 3], { seed: 2 }),
          ...(withBias ? [make([5], { seed: 3 })] : []),
        ];
        const [x, w, b] = inputs() as [Tensor, Tensor, Tensor?];
        const [fused, plain] = [F.linear(x, w, b ?? null), maps.linear(x, w, b ?? null)];
        closeTo(
          Array.from(fused.toTypedArray() as Float64Array),
          Array.from(plain.toTypedArray() as Float64Array),
          1e-14,
        );
        gradcheck((...given) => F.linear(...(given as [Tensor, Tensor, Tensor?])), inputs(), {
          name: "linear",
        });
        gradgradcheck((...given) => F.linear(...(given as [Tensor, Tensor, Tensor?])), inputs(), undefined, {
          name: "linear",
        });
      }
    }
    const strided = make([3, 4]).transpose(0, 1);
    expect(F.linear(strided, make([5, 3])).toArray()).toEqual(
      F.linear(strided.contiguous(), make([5, 3])).toArray(),
    );
    expect(F.linear(ones([2, 0]), ones([3, 0]), ones([3])).toArray()).toEqual([
      [1, 1, 1],
      [1, 1, 1],
    ]);
  });

  test("bilinear and prelu pass gradcheck", () => {
    const args = [
      make([2, 3], { seed: 1 }),
      make([2, 4], { seed: 2 }),
      make([5, 3, 4], { seed: 3 }),
      make([5], { seed: 4 }),
    ] as const;
    gradcheck((a, b, w, c) => F.bilinear(a as Tensor, b as Tensor, w as Tensor, c), [...args], {
      name: "bilinear",
    });
    gradcheck((x, w) => F.prelu(x as Tensor, w as Tensor), [make([2, 3, 2]), make([3])], { name: "prelu" });
    gradgradcheck((x, w) => F.prelu(x as Tensor, w as Tensor), [make([2, 3, 2]), make([3])], undefined, {
      name: "prelu",
    });
  });

  test("dropout with a fixed mask passes gradcheck", () => {
    const f = (x: Tensor) => {
      manualSeed(4);
      return F.dropout(x, 0.4);
    };
    gradcheck(f, [make([4, 5])], { name: "dropout" });
    gradgradcheck(f, [make([4, 5])], undefined, { name: "dropout" });
  });
});

describe("edges", () => {
  const values = (t: Tensor) => Array.from(t.toTypedArray() as Float32Array, Number);
  const odd = () => tensor([Number.NaN, Infinity, -Infinity, 0, -0], { dtype: "float32" });

  test("NaN and infinities pass as in PyTorch", () => {
    expect(values(F.relu(odd()))).toEqual([Number.NaN, Infinity, 0, 0, -0]);
    expect(values(F.silu(odd()))).toEqual([Number.NaN, Infinity, Number.NaN, 0, -0]);
    expect(values(F.mish(odd()))).toEqual([Number.NaN, Infinity, Number.NaN, 0, -0]);
    expect(values(F.softplus(odd())).slice(0, 3)).toEqual([Number.NaN, Infinity, 0]);
    expect(values(F.elu(odd()))).toEqual([Number.NaN, Infinity, -1, 0, -0]);
    expect(values(F.logsigmoid(tensor([-1000, 1000], { dtype: "float32" })))).toEqual([-1000, 0]);
  });

  test("integers are taken where PyTorch takes them", () => {
    expect(F.relu(tensor([-2, 3])).dtype).toBe("int64");
    expect(F.hardtanh(tensor([-5, 0, 5])).toArray()).toEqual([-1, 0, 1]);
    expect(F.threshold(tensor([-5, 5]), 0, 9).toArray()).toEqual([9, 5]);
    expect(() => F.gelu(tensor([1, 2]))).toThrow(
      '[gelu] expected a floating dtype, got int64; try x.to("float32")',
    );
    expect(() => F.relu(tensor([true]))).toThrow("[relu] not defined for bool");
  });

  test("in place forms write into the input and keep its gradient right", () => {
    for (const [inplace, plain] of [
      [(x: Tensor) => F.relu(x, { inplace: true }), F.relu],
      [(x: Tensor) => F.leakyRelu_(x, 0.3), (x: Tensor) => F.leakyRelu(x, 0.3)],
      [(x: Tensor) => F.elu(x, { inplace: true }), F.elu],
      [(x: Tensor) => F.leakyRelu(x, 0.3, { inplace: true }), (x: Tensor) => F.leakyRelu(x, 0.3)],
      [(x: Tensor) => F.celu(x, 2, { inplace: true }), (x: Tensor) => F.celu(x, 2)],
      [(x: Tensor) => F.elu(x, 2, { inplace: true }), (x: Tensor) => F.elu(x, 2)],
      [(x: Tensor) => F.silu(x, { inplace: true }), F.silu],
    ] as const) {
      const [a, b] = [make([5]), make([5])];
      const y = a.mul(1);
      expect(inplace(y) === y).toBe(true);
      y.sum().backward();
      plain(b.mul(1)).sum().backward();
      expect(y.toArray()).toEqual(plain(b).toArray());
      expect(a.grad?.toArray()).toEqual(b.grad?.toArray());
    }
    const leaf = ones([2], { requiresGrad: true });
    expect(() => F.relu_(leaf)).toThrow("[relu_] a leaf that requires a gradient cannot be changed in place");
  });

  test("dropout: the probability by position, other options after it", () => {
    const x = ones([6]);
    const { dropout, dropout1d, dropout2d, dropout3d, alphaDropout, featureAlphaDropout } = F;
    for (const [f, input] of [
      [dropout, ones([6])],
      [dropout1d, ones([2, 3, 4])],
      [dropout2d, ones([2, 3, 4, 4])],
      [dropout3d, ones([2, 3, 4, 4, 4])],
      [alphaDropout, ones([6])],
      [featureAlphaDropout, ones([2, 3, 4])],
    ] as const) {
      expect(f(input, 1, { training: false }).equal(input)).toBe(true);
      expect(f(input, 1, { training: true }).equal(input)).toBe(false);
    }
    expect(F.dropout(x, 1, { inplace: true })).toBe(x);
    expect(x.sum().item()).toBe(0);
  });

  test("a residual may be added in place to what leaky relu gave", () => {
    const x = randn([3], { requiresGrad: true });
    const y = F.leakyRelu(x, 0.1);
    y.add_(1);
    y.sum().backward();
    expect(x.grad?.shape).toEqual([3]);
  });

  test("softmax without a dimension takes PyTorch's", () => {
    for (const [shape, dim] of [
      [[3], 0],
      [[2, 3], 1],
      [[2, 3, 4], 0],
      [[2, 3, 1, 2], 1],
    ] as const) {
      const x = make(shape);
      expect(new nn.Softmax()(x).toArray()).toEqual(F.softmax(x, dim).toArray());
    }
    expect(F.softmax(tensor([1, 2]), { dim: 0, dtype: "float64" }).dtype).toBe("float64");
  });

  test("errors say what was given and expected", () => {
    expect(() => F.linear(ones([2, 3]), ones([4, 5]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: [linear] got input [2, 3] and weight [4, 5]: expected an input whose last dimension is 5, the weight's last; try input.reshape([-1, 5]), or a layer of other sizes]`,
    );
    expect(() =>
      F.linear(ones([2, 3]), ones([4, 3], { dtype: "float64" })),
    ).toThrowErrorMatchingInlineSnapshot(
      `[DTypeError: [linear] expected input, weight and bias of one dtype, got float32, float64; try input.to("float64"), or module.to("float32")]`,
    );
    expect(() => F.linear(ones([2, 3]), ones([4, 3]), ones([5]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: [linear] got bias [5] with weight [4, 3]: expected [4]]`,
    );
    expect(() => F.bilinear(ones([2, 3]), ones([3, 3]), ones([4, 3, 3]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: [bilinear] got inputs [2, 3] and [3, 3], weight [4, 3, 3]: expected (*, in1), (*, in2), (out, in1, in2), (out)]`,
    );
    expect(() => F.glu(ones([3]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: [glu] dimension -1 of [3] must be even: it is halved]`,
    );
    expect(() => F.prelu(ones([2, 3]), ones([2]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: [prelu] got weight [2] for input [2, 3]: expected 1 weight or 3, one a channel]`,
    );
    expect(() => F.softshrink(ones([2]), -1)).toThrowErrorMatchingInlineSnapshot(
      `[ValueError: [softshrink] lambd must be >= 0, got -1]`,
    );
    expect(() => F.dropout1d(ones([2]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: [dropout1d] expected (N, C, L) or (C, L), got [2]]`,
    );
    expect(() => F.featureAlphaDropout(ones([2]), { training: true })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: [featureAlphaDropout] expected at least 2 dimensions, of which the second has the channels: got [2]]`,
    );
    expect(() => new nn.Hardtanh({ minVal: 2 })).toThrowErrorMatchingInlineSnapshot(
      `[ValueError: [Hardtanh] minVal must be < maxVal, got 2 and 1]`,
    );
    expect(() => new nn.Linear(-1, 2)).toThrowErrorMatchingInlineSnapshot(
      `[ValueError: [Linear] inFeatures must be a whole number >= 0, got -1]`,
    );
    expect(() => new nn.Softmax2d()(ones([2, 2]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: [Softmax2d] expected (N, C, H, W) or (C, H, W), got [2, 2]]`,
    );
    expect(() => F.rrelu(ones([2]), { lower: 1, upper: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ValueError: [rrelu] lower must be <= upper, got 1 and 0]`,
    );
  });
});

describe("printed layers", () => {
  test.each([
    [new nn.ReLU(), "ReLU()"],
    [new nn.ReLU(true), "ReLU(inplace=true)"],
    [new nn.LeakyReLU(0.2), "LeakyReLU(negativeSlope=0.2)"],
    [new nn.LeakyReLU(0.2, { inplace: true }), "LeakyReLU(negativeSlope=0.2, inplace=true)"],
    [new nn.CELU(2, { inplace: true }), "CELU(alpha=2, inplace=true)"],
    [new nn.Dropout2d(0.2, { inplace: true }), "Dropout2d(p=0.2, inplace=true)"],
    [new nn.ELU(2, { inplace: true }), "ELU(alpha=2, inplace=true)"],
    [new nn.ELU({ inplace: true }), "ELU(alpha=1, inplace=true)"],
    [new nn.Hardtanh(), "Hardtanh(minVal=-1, maxVal=1)"],
    [new nn.ReLU6(), "ReLU6()"],
    [new nn.GELU("tanh"), "GELU(approximate='tanh')"],
    [new nn.Softplus(), "Softplus(beta=1, threshold=20)"],
    [new nn.Hardshrink(), "Hardshrink(0.5)"],
    [new nn.Threshold(0.1, 20), "Threshold(threshold=0.1, value=20)"],
    [new nn.PReLU(3), "PReLU(numParameters=3)"],
    [new nn.Softmax(1), "Softmax(dim=1)"],
    [new nn.Softmax(), "Softmax(dim=null)"],
    [new nn.Bilinear(2, 3, 4), "Bilinear(in1Features=2, in2Features=3, outFeatures=4, bias=true)"],
    [new nn.Flatten(), "Flatten(startDim=1, endDim=-1)"],
    [new nn.Unflatten(1, [2, 3]), "Unflatten(dim=1, unflattenedSize=(2, 3))"],
    [new nn.Identity(54, { unused: true }), "Identity()"],
  ])("%s", (layer, text) => {
    expect(String(layer)).toBe(text);
  });
});

test("gelu takes the approximation bare too", () => {
  const x = tensor([-1.5, 0.25, 2], { dtype: "float64" });
  expect(F.gelu(x, "tanh").toArray()).toEqual(F.gelu(x, { approximate: "tanh" }).toArray());
});

describe("gelu in float32", () => {
  const x = Float32Array.from({ length: 26001 }, (_, i) => (i - 13000) / 1000);
  const values = (dtype: "float32" | "float64") => {
    const t = tensor(Array.from(x), { dtype, requiresGrad: true });
    const y = F.gelu(t);
    return [y.detach(), grad(y.sum(), [t])[0] as Tensor].map((r) => Array.from(r.toTypedArray(), Number));
  };
  const [y, slope] = values("float32") as [number[], number[]];
  const [exactY, exactSlope] = values("float64") as [number[], number[]];

  test("is right relative to its value, however small", () => {
    // Two units in the last place. About a node: its value, the sum and the product are rounded, half a unit each, and the
    // step off the node is at most 5 % of the value. Below -6 the bell is rounded, and the result; the rest is in doubles.
    const worst = exactY.map((e, i) =>
      e === 0 ? (y[i] as number) : Math.abs(y[i] as number) / Math.abs(e) - 1,
    );
    expect(Math.max(...worst.map(Math.abs))).toBeLessThan(2 ** -22);
  });

  test("has a slope right to the rounding of 1", () => {
    const worst = exactSlope.map((e, i) => Math.abs((slope[i] as number) - e));
    expect(Math.max(...worst)).toBeLessThan(2.4e-7);
  });

  test("is exact at its nodes' edges, far out and for what is no number", () => {
    const far = tensor([
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      1e30,
      -1e30,
      6.5,
      0,
      -0,
    ]);
    const [a, b, c, ...rest] = F.gelu(far).toArray() as number[];
    expect([a, b, c]).toEqual([Number.NaN, Number.POSITIVE_INFINITY, Number.NaN]);
    expect(rest).toEqual([Math.fround(1e30), -0, 6.5, 0, -0]);
  });

  test("has the same bits at every place in a vector", () => {
    for (const start of [1, 2, 3, 7]) {
      const part = F.gelu(tensor(Array.from(x.subarray(start, start + 37)))).toTypedArray();
      expect(Array.from(part, Number)).toEqual(y.slice(start, start + 37));
    }
  });
});
