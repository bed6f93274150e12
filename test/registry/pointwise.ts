/** Samples of the pointwise ops, with their formulas in plain TypeScript. */
import { make } from "./make.js";
import { binary, calls, unary } from "./samples.js";
import type { OpEntry, Registry } from "./types.js";

const positive = { low: 0.2, high: 3 };
const unit = { low: -0.9, high: 0.9 };
const ints = { whole: true, low: -6, high: 7 } as const;
const naturals = { whole: true, low: 0, high: 9 } as const;
const flat: Partial<OpEntry> = { differentiable: false };
const step = "derivatives of a step are zero: nothing to compare beyond that";

const remainder = (a: number, b: number) => a - Math.floor(a / b) * b;
const half = (x: number) => {
  const low = Math.floor(x);
  const rest = x - low;
  return rest < 0.5 ? low : rest > 0.5 ? low + 1 : low % 2 === 0 ? low : low + 1;
};

const add = binary((a, b) => a + b);
const sub = binary((a, b) => a - b);
const mul = binary((a, b) => a * b);
const div = binary((a, b) => a / b, {}, positive);
const abs = unary(Math.abs);
const neg = unary((x) => -x);
const acos = unary(Math.acos, unit, { float32: 1e-5 });
const acosh = unary(Math.acosh, { low: 1.2, high: 4 });
const asin = unary(Math.asin, unit, { float32: 1e-5 });
const asinh = unary(Math.asinh);
const atan = unary(Math.atan);
const atanh = unary(Math.atanh, unit, { float32: 1e-5 });
const atan2 = binary(Math.atan2, {}, positive);
const eq = binary((a, b) => Number(a === b), {}, {}, flat);
const ne = binary((a, b) => Number(a !== b), {}, {}, flat);
const lt = binary((a, b) => Number(a < b), {}, {}, flat);
const le = binary((a, b) => Number(a <= b), {}, {}, flat);
const gt = binary((a, b) => Number(a > b), {}, {}, flat);
const ge = binary((a, b) => Number(a >= b), {}, {}, flat);
const maximum = binary(Math.max);
const minimum = binary(Math.min);
const clamp = calls({
  "both bounds": () => [make([2, 3]), { min: -1, max: 1 }],
  "one bound": () => [make([3]), { min: 0.1 }],
  "bounds by tensors": () => [
    make([2, 3]),
    { min: make([3], { low: -1.4, high: -0.6, seed: 2 }), max: make([], { low: 1, high: 1.2, seed: 3 }) },
  ],
  "0-d": () => [make([]), { max: 1 }],
  empty: () => [make([0, 2]), { min: 0 }],
});
const sign = unary(Math.sign);
const trunc = unary(Math.trunc);
const masked = unary(null, {}, flat);

const noDerivative = "backward refuses: PyTorch defines no derivative";

export const pointwise = {
  abs,
  absolute: abs,
  acos,
  acosh,
  add,
  addcdiv: calls({
    "broadcast operands": () => [
      make([2, 3]),
      make([3], { seed: 2 }),
      make([2, 1], { ...positive, seed: 3 }),
    ],
    "with a factor": () => [
      make([2, 3]),
      make([2, 3], { seed: 2 }),
      make([2, 3], { ...positive, seed: 3 }),
      { value: 0.5 },
    ],
  }),
  addcmul: calls({
    "broadcast operands": () => [make([2, 3]), make([3], { seed: 2 }), make([2, 1], { seed: 3 })],
    "with a factor": () => [
      make([2, 3]),
      make([2, 3], { seed: 2 }),
      make([2, 3], { seed: 3 }),
      { value: -2 },
    ],
  }),
  angle: unary((x) => (x < 0 ? Math.PI : 0), {}, { skips: { gradgradcheck: step } }),
  arccos: acos,
  arccosh: acosh,
  arcsin: asin,
  arcsinh: asinh,
  arctan: atan,
  arctan2: atan2,
  arctanh: atanh,
  asin,
  asinh,
  atan,
  atan2,
  atanh,
  bitwiseAnd: binary((a, b) => a & b, ints, ints),
  bitwiseLeftShift: binary((a, b) => a * 2 ** b, ints, { ...naturals, high: 4 }),
  bitwiseNot: unary((x) => ~x, ints),
  bitwiseOr: binary((a, b) => a | b, ints, ints),
  bitwiseRightShift: binary((a, b) => a >> b, ints, { ...naturals, high: 4 }),
  bitwiseXor: binary((a, b) => a ^ b, ints, ints),
  ceil: unary(Math.ceil),
  clamp,
  clampMax: calls({
    number: () => [make([2, 3]), 0.5],
    tensor: () => [make([2, 3]), make([3], { low: 0, high: 1, seed: 2 })],
  }),
  clampMin: calls({
    number: () => [make([2, 3]), -0.5],
    tensor: () => [make([2, 3]), make([3], { low: -1, high: 0, seed: 2 })],
  }),
  clip: clamp,
  clone: unary((x) => x),
  contiguous: unary((x) => x),
  copysign: binary((a, b) => Math.abs(a) * Math.sign(b)),
  cos: unary(Math.cos),
  cosh: unary(Math.cosh),
  deg2rad: unary((x) => (x * Math.PI) / 180),
  detach: masked,
  digamma: unary(null, positive, { float32: 2e-5 }),
  div,
  divide: div,
  eq,
  erf: unary(null),
  erfc: unary(null),
  erfinv: unary(null, unit, { float32: 1e-5 }),
  exp: unary(Math.exp),
  exp2: unary((x) => 2 ** x),
  expm1: unary(Math.expm1),
  fix: trunc,
  floatPower: binary(
    (a, b) => a ** b,
    positive,
    {},
    { skips: { float32: "the result is float64 for every input" } },
  ),
  floor: unary(Math.floor),
  floorDivide: binary((a, b) => Math.floor(a / b), {}, positive),
  fmax: maximum,
  fmin: minimum,
  fmod: binary((a, b) => a % b, { low: 2.1, high: 2.9 }, { low: 1.1, high: 1.9 }, { float32: 1e-5 }),
  frac: unary((x) => x - Math.trunc(x), {}, { float32: 1e-5 }),
  frexp: unary(null, {}, { skips: { gradgradcheck: "the exponent is a step" } }),
  gcd: binary(
    (a, b) => {
      let [x, y] = [Math.abs(a), Math.abs(b)];
      while (y !== 0) [x, y] = [y, x % y];
      return x;
    },
    ints,
    ints,
  ),
  ge,
  greater: gt,
  greaterEqual: ge,
  gt,
  hardshrink: unary((x) => (Math.abs(x) > 0.5 ? x : 0)),
  heaviside: binary(
    (a, b) => (a < 0 ? 0 : a > 0 ? 1 : b),
    {},
    {},
    {
      skips: { gradcheck: noDerivative, gradgradcheck: noDerivative },
    },
  ),
  hypot: binary(Math.hypot),
  i0: unary(null, {}, { float32: 1e-5 }),
  igamma: binary(null, { ...positive, requiresGrad: false }, positive, { float32: 1e-4 }),
  igammac: binary(null, { ...positive, requiresGrad: false }, positive, { float32: 1e-4 }),
  isclose: binary((a, b) => Number(Math.abs(a - b) <= 1e-8 + 1e-5 * Math.abs(b)), {}, {}, flat),
  isfinite: unary((x) => Number(Number.isFinite(x)), {}, flat),
  isinf: unary(() => 0, {}, flat),
  isnan: unary((x) => Number(Number.isNaN(x)), {}, flat),
  isneginf: unary(() => 0, {}, flat),
  isposinf: unary(() => 0, {}, flat),
  isreal: unary(() => 1, {}, flat),
  isin: calls({ numbers: () => [make([2, 3], { ...ints }), make([4], { ...ints, seed: 2 })] }, flat),
  lcm: binary(
    (a, b) => {
      let [x, y] = [Math.abs(a), Math.abs(b)];
      while (y !== 0) [x, y] = [y, x % y];
      return x === 0 ? 0 : Math.abs(a * b) / x;
    },
    ints,
    ints,
  ),
  ldexp: binary((a, b) => a * 2 ** b, {}, { whole: true, low: -3, high: 4, dtype: "float64" }),
  le,
  lerp: calls(
    {
      "by a number": () => [make([2, 3]), make([2, 3], { seed: 2 }), 0.3],
      "by a tensor": () => [
        make([2, 3]),
        make([3], { seed: 2 }),
        make([2, 1], { low: 0.1, high: 0.9, seed: 3 }),
      ],
    },
    { float32: 1e-5 },
  ),
  less: lt,
  lessEqual: le,
  lgamma: unary(null, { low: 0.3, high: 4 }, { float32: 1e-5 }),
  log: unary(Math.log, positive, { float32: 1e-5 }),
  log10: unary(Math.log10, positive, { float32: 1e-5 }),
  log1p: unary(Math.log1p, { low: -0.7, high: 3 }, { float32: 1e-5 }),
  log2: unary(Math.log2, positive, { float32: 1e-5 }),
  logaddexp: binary((a, b) => Math.log(Math.exp(a) + Math.exp(b)), {}, {}, { float32: 1e-5 }),
  logaddexp2: binary((a, b) => Math.log2(2 ** a + 2 ** b), {}, {}, { float32: 1e-5 }),
  logicalAnd: binary((a, b) => Number(a !== 0 && b !== 0), {}, {}, flat),
  logicalNot: unary((x) => Number(x === 0), {}, flat),
  logicalOr: binary((a, b) => Number(a !== 0 || b !== 0), {}, {}, flat),
  logicalXor: binary((a, b) => Number((a !== 0) !== (b !== 0)), {}, {}, flat),
  logit: unary((x) => Math.log(x / (1 - x)), { low: 0.1, high: 0.9 }, { float32: 1e-5 }),
  lt,
  maximum,
  minimum,
  mul,
  multiply: mul,
  mvlgamma: calls(
    {
      "two dimensions": () => [make([2, 3], { low: 1.2, high: 4 }), 2],
      one: () => [make([3], { low: 0.7, high: 4 }), 1],
    },
    { float32: 1e-5 },
  ),
  nanToNum: unary((x) => x),
  ne,
  neg,
  negative: neg,
  nextafter: binary(
    null,
    {},
    {},
    {
      skips: {
        gradcheck: noDerivative,
        gradgradcheck: noDerivative,
        float32: "the next number depends on the type",
      },
    },
  ),
  notEqual: ne,
  positive: unary((x) => x),
  pow: {
    ...binary((a, b) => a ** b, positive, {}, { float32: 1e-5 }),
    samples: [
      ...binary((a, b) => a ** b, positive, {}).samples,
      { name: "a whole exponent, negative base", args: () => [make([2, 3], { low: -2, high: -0.5 }), 3] },
      { name: "a number to a tensor", args: () => [2.5, make([2, 3])] },
    ],
  },
  prelu: calls({
    "one slope": () => [make([2, 3]), make([1], { low: 0.1, high: 0.4, seed: 2 })],
    "a slope each": () => [make([2, 3, 2]), make([3], { low: 0.1, high: 0.4, seed: 2 })],
  }),
  rad2deg: unary((x) => (x * 180) / Math.PI),
  real: unary((x) => x),
  reciprocal: unary((x) => 1 / x, positive),
  relu: unary((x) => Math.max(0, x)),
  remainder: binary(remainder, { low: 2.1, high: 2.9 }, { low: 1.1, high: 1.9 }, { float32: 1e-5 }),
  round: unary(half),
  rsqrt: unary((x) => 1 / Math.sqrt(x), positive),
  rsub: binary((a, b) => b - a),
  sgn: sign,
  sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  sign,
  signbit: unary((x) => Number(x < 0), {}, flat),
  sin: unary(Math.sin),
  sinc: unary((x) => Math.sin(Math.PI * x) / (Math.PI * x), { low: 0.2, high: 1.7 }, { float32: 1e-5 }),
  sinh: unary(Math.sinh),
  sqrt: unary(Math.sqrt, positive),
  square: unary((x) => x * x),
  sub,
  subtract: sub,
  tan: unary(Math.tan, { low: -1.2, high: 1.2 }, { float32: 1e-5 }),
  tanh: unary(Math.tanh),
  to: calls(
    { "another dtype": () => [make([2, 3]), "int64"], "a copy": () => [make([2, 3]), { copy: true }] },
    {
      skips: {
        gradcheck: "a cast to integers has no gradient; the copy is clone",
        gradgradcheck: "as above",
      },
    },
  ),
  trueDivide: div,
  trunc,
  where: calls(
    {
      tensors: () => [make([2, 3], { requiresGrad: false }).gt(0), make([2, 3]), make([3], { seed: 2 })],
      "a number": () => [make([2, 3], { requiresGrad: false }).gt(0), make([2, 3]), 1.5],
    },
    { skips: { method: "x.where(condition, other) takes the values first" } },
  ),
  xlogy: binary((a, b) => a * Math.log(b), {}, positive, { float32: 1e-5 }),
} satisfies Partial<Registry>;
