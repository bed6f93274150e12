/** Samples of the activations. */
import { nn } from "../../../src/index.js";
import { make } from "../make.js";
import { type LayerEntry, type LayerRegistry, sample } from "./types.js";

type Maker = () => nn.Module;

/** An elementwise layer: shapes of all kinds, and one sample for each set of options. */
function elementwise(
  makers: Readonly<Record<string, Maker>>,
  prints: LayerEntry["prints"],
  entry: Partial<LayerEntry> = {},
): LayerEntry {
  const [plain] = Object.values(makers) as [Maker];
  return {
    ...entry,
    prints,
    samples: {
      "0-d": sample(plain, () => [make([])]),
      "empty batch": sample(plain, () => [make([0, 3])]),
      ...Object.fromEntries(
        Object.entries(makers).map(([name, maker]) => [name, sample(maker, () => [make([2, 3])])]),
      ),
    },
  };
}

/** An activation along a dimension. */
function along(
  makers: Readonly<Record<string, Maker>>,
  prints: LayerEntry["prints"],
  entry: Partial<LayerEntry> = {},
): LayerEntry {
  const [plain] = Object.values(makers) as [Maker];
  return {
    ...entry,
    prints,
    samples: {
      "empty batch": sample(plain, () => [make([0, 4])]),
      unbatched: sample(plain, () => [make([4])]),
      ...Object.fromEntries(
        Object.entries(makers).map(([name, maker]) => [name, sample(maker, () => [make([2, 4])])]),
      ),
    },
  };
}

export const activations = {
  CELU: elementwise(
    { default: () => new nn.CELU(), alpha: () => new nn.CELU({ alpha: 0.6 }) },
    {
      "CELU(alpha=1)": () => new nn.CELU(),
      "CELU(alpha=2, inplace=true)": () => new nn.CELU({ alpha: 2, inplace: true }),
    },
    { errors: { "alpha 0": [() => new nn.CELU({ alpha: 0 })(make([2])), "[celu] alpha"] } },
  ),
  ELU: elementwise(
    { default: () => new nn.ELU(), alpha: () => new nn.ELU({ alpha: 2 }) },
    {
      "ELU(alpha=1)": () => new nn.ELU(),
      "ELU(alpha=0.5, inplace=true)": () => new nn.ELU({ alpha: 0.5, inplace: true }),
    },
  ),
  GELU: elementwise(
    { exact: () => new nn.GELU(), tanh: () => new nn.GELU({ approximate: "tanh" }) },
    {
      "GELU(approximate='none')": () => new nn.GELU(),
      "GELU(approximate='tanh')": () => new nn.GELU({ approximate: "tanh" }),
    },
    { errors: { "another approximation": [() => new nn.GELU("erf" as "tanh")(make([2])), "approximate"] } },
  ),
  GLU: along(
    { "last dimension": () => new nn.GLU(), "first of two": () => new nn.GLU({ dim: 0 }) },
    { "GLU(dim=-1)": () => new nn.GLU(), "GLU(dim=1)": () => new nn.GLU({ dim: 1 }) },
    { errors: { "an odd size": [() => new nn.GLU()(make([2, 3])), /\[glu\].*even/] } },
  ),
  Hardshrink: elementwise(
    { default: () => new nn.Hardshrink(), lambd: () => new nn.Hardshrink({ lambd: 1.2 }) },
    {
      "Hardshrink(0.5)": () => new nn.Hardshrink(),
      "Hardshrink(0.25)": () => new nn.Hardshrink({ lambd: 0.25 }),
    },
  ),
  Hardsigmoid: elementwise(
    { default: () => new nn.Hardsigmoid() },
    {
      "Hardsigmoid()": () => new nn.Hardsigmoid({ inplace: true }),
    },
  ),
  Hardswish: elementwise(
    { default: () => new nn.Hardswish() },
    { "Hardswish()": () => new nn.Hardswish({ inplace: true }) },
  ),
  Hardtanh: elementwise(
    { default: () => new nn.Hardtanh(), bounds: () => new nn.Hardtanh({ minVal: -0.7, maxVal: 1.4 }) },
    {
      "Hardtanh(minVal=-1, maxVal=1)": () => new nn.Hardtanh(),
      "Hardtanh(minVal=-2, maxVal=0.5, inplace=true)": () =>
        new nn.Hardtanh({ minVal: -2, maxVal: 0.5, inplace: true }),
    },
    {
      errors: {
        "bounds the wrong way round": [
          () => new nn.Hardtanh({ minVal: 1, maxVal: -1 }),
          "[Hardtanh] minVal must be < maxVal, got 1 and -1",
        ],
      },
    },
  ),
  LeakyReLU: elementwise(
    { default: () => new nn.LeakyReLU(), slope: () => new nn.LeakyReLU({ negativeSlope: 0.3 }) },
    {
      "LeakyReLU(negativeSlope=0.01)": () => new nn.LeakyReLU(),
      "LeakyReLU(negativeSlope=0.2, inplace=true)": () =>
        new nn.LeakyReLU({ negativeSlope: 0.2, inplace: true }),
    },
  ),
  LogSigmoid: elementwise(
    { default: () => new nn.LogSigmoid() },
    { "LogSigmoid()": () => new nn.LogSigmoid() },
  ),
  LogSoftmax: along(
    { "last dimension": () => new nn.LogSoftmax(-1), "first of two": () => new nn.LogSoftmax({ dim: 0 }) },
    {
      "LogSoftmax(dim=1)": () => new nn.LogSoftmax({ dim: 1 }),
      "LogSoftmax(dim=null)": () => new nn.LogSoftmax(),
    },
  ),
  Mish: elementwise(
    { default: () => new nn.Mish() },
    { "Mish()": () => new nn.Mish(), "Mish(inplace=true)": () => new nn.Mish({ inplace: true }) },
  ),
  PReLU: {
    samples: {
      "one slope": sample(
        () => new nn.PReLU(),
        () => [make([2, 3])],
      ),
      "a slope for each channel": sample(
        () => new nn.PReLU({ numParameters: 3, init: 0.4 }),
        () => [make([2, 3, 2])],
      ),
      "0-d": sample(
        () => new nn.PReLU(),
        () => [make([])],
      ),
      "empty batch": sample(
        () => new nn.PReLU(3),
        () => [make([0, 3])],
      ),
    },
    prints: {
      "PReLU(numParameters=1)": () => new nn.PReLU(),
      "PReLU(numParameters=3)": () => new nn.PReLU({ numParameters: 3 }),
    },
    errors: {
      "slopes that do not fit the channels": [() => new nn.PReLU(3)(make([2, 4])), "[prelu]"],
    },
  },
  ReLU: elementwise(
    { default: () => new nn.ReLU() },
    { "ReLU()": () => new nn.ReLU(), "ReLU(inplace=true)": () => new nn.ReLU({ inplace: true }) },
  ),
  ReLU6: elementwise(
    { default: () => new nn.ReLU6() },
    { "ReLU6()": () => new nn.ReLU6(), "ReLU6(inplace=true)": () => new nn.ReLU6({ inplace: true }) },
  ),
  RReLU: elementwise(
    { default: () => new nn.RReLU(), range: () => new nn.RReLU({ lower: 0.3, upper: 0.5 }) },
    {
      "RReLU(lower=0.125, upper=0.3333333333333333)": () => new nn.RReLU(),
      "RReLU(lower=0.1, upper=0.3, inplace=true)": () =>
        new nn.RReLU({ lower: 0.1, upper: 0.3, inplace: true }),
    },
    { trainEvalDiffer: true },
  ),
  SELU: elementwise(
    { default: () => new nn.SELU() },
    { "SELU()": () => new nn.SELU(), "SELU(inplace=true)": () => new nn.SELU({ inplace: true }) },
  ),
  Sigmoid: elementwise({ default: () => new nn.Sigmoid() }, { "Sigmoid()": () => new nn.Sigmoid() }),
  SiLU: elementwise(
    { default: () => new nn.SiLU() },
    { "SiLU()": () => new nn.SiLU(), "SiLU(inplace=true)": () => new nn.SiLU({ inplace: true }) },
  ),
  Softmax: along(
    { "last dimension": () => new nn.Softmax(-1), "first of two": () => new nn.Softmax({ dim: 0 }) },
    { "Softmax(dim=1)": () => new nn.Softmax({ dim: 1 }), "Softmax(dim=null)": () => new nn.Softmax() },
    {
      errors: { "a dimension that is not there": [() => new nn.Softmax(3)(make([2, 3])), /\[softmax\].*3/] },
    },
  ),
  Softmax2d: {
    samples: {
      images: sample(
        () => new nn.Softmax2d(),
        () => [make([2, 3, 1, 2])],
      ),
      unbatched: sample(
        () => new nn.Softmax2d(),
        () => [make([3, 2, 2])],
      ),
      "empty batch": sample(
        () => new nn.Softmax2d(),
        () => [make([0, 3, 2, 2])],
      ),
    },
    prints: { "Softmax2d()": () => new nn.Softmax2d() },
    errors: {
      "two dimensions": [
        () => new nn.Softmax2d()(make([2, 3])),
        "[Softmax2d] expected (N, C, H, W) or (C, H, W), got [2, 3]",
      ],
    },
  },
  Softmin: along(
    { "last dimension": () => new nn.Softmin(-1), "first of two": () => new nn.Softmin({ dim: 0 }) },
    { "Softmin(dim=1)": () => new nn.Softmin({ dim: 1 }), "Softmin(dim=null)": () => new nn.Softmin() },
  ),
  Softplus: elementwise(
    {
      default: () => new nn.Softplus(),
      beta: () => new nn.Softplus({ beta: 2 }),
      "linear above the threshold": () => new nn.Softplus({ beta: 3, threshold: 2 }),
    },
    {
      "Softplus(beta=1, threshold=20)": () => new nn.Softplus(),
      "Softplus(beta=2, threshold=10)": () => new nn.Softplus({ beta: 2, threshold: 10 }),
    },
  ),
  Softshrink: elementwise(
    { default: () => new nn.Softshrink(), lambd: () => new nn.Softshrink({ lambd: 1.2 }) },
    {
      "Softshrink(0.5)": () => new nn.Softshrink(),
      "Softshrink(0.25)": () => new nn.Softshrink({ lambd: 0.25 }),
    },
    { errors: { "a negative lambd": [() => new nn.Softshrink(-1)(make([2])), "[softshrink] lambd"] } },
  ),
  Softsign: elementwise({ default: () => new nn.Softsign() }, { "Softsign()": () => new nn.Softsign() }),
  Tanh: elementwise({ default: () => new nn.Tanh() }, { "Tanh()": () => new nn.Tanh() }),
  Tanhshrink: elementwise(
    { default: () => new nn.Tanhshrink() },
    { "Tanhshrink()": () => new nn.Tanhshrink() },
  ),
  Threshold: elementwise(
    { default: () => new nn.Threshold(0.3, -1) },
    {
      "Threshold(threshold=0.1, value=20)": () => new nn.Threshold(0.1, 20),
      "Threshold(threshold=0.1, value=20, inplace=true)": () => new nn.Threshold(0.1, 20, { inplace: true }),
    },
  ),
} satisfies Partial<LayerRegistry>;
