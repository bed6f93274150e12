/** How far functions with kernels of their own are from the exact values: float32 in units in the last place. */
import { describe, expect, test } from "vitest";
import {
  cos,
  erf,
  exp,
  expm1,
  log,
  log1p,
  nn,
  sigmoid,
  sin,
  type Tensor,
  tanh,
  tensor,
} from "../../src/index.js";

const { elu, gelu, logsigmoid, selu, silu, softplus } = nn.functional;

/** 20,001 numbers from -30 to 30 and as many near 0, and powers of two down to where results underflow. */
const INPUTS = Float32Array.from([
  ...Array.from({ length: 20_001 }, (_, i) => (i - 10_000) * 0.003 + Math.sin(i) * 0.001),
  ...Array.from({ length: 20_001 }, (_, i) => (i - 10_000) * 1.3e-4),
  ...Array.from({ length: 120 }, (_, i) => 2 ** -i),
  ...Array.from({ length: 120 }, (_, i) => -(2 ** -i)),
  ...Array.from({ length: 400 }, (_, i) => -25 - 0.15 * i),
  ...Array.from({ length: 400 }, (_, i) => 25 + 0.15 * i),
]);

/** The distance between float32 numbers at v, those below the normal ones included. */
function ulp(v: number): number {
  return 2 ** (Math.max(Math.floor(Math.log2(Math.abs(v))), -126) - 23);
}

function worst(
  f: (x: Tensor) => Tensor,
  exact: (v: number) => number,
  domain: (v: number) => boolean,
): number {
  const inputs = INPUTS.filter(domain);
  const got = f(tensor(inputs)).toTypedArray() as Float32Array;
  let most = 0;
  inputs.forEach((v, i) => {
    const want = exact(v);
    if (!Object.is(Math.fround(want), got[i])) {
      most = Math.max(most, Math.abs((got[i] as number) - want) / ulp(want));
    }
  });
  return most;
}

/**
 * erfc by its series about 0 where that keeps its digits, else by Legendre's continued fraction
 * exp(-x²) / sqrt(pi) / (x + (1/2) / (x + 1 / (x + (3/2) / (x + ...)))).
 */
function exactErfc(x: number): number {
  if (x < 0.4) return 1 - exactErf(x);
  let below = x;
  for (let k = 3000; k > 0; k--) below = x + k / 2 / below;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / below;
}

/** erf(x) = 2 / sqrt(pi) exp(-x²) (x + 2 x³ / 3 + 4 x⁵ / (3 5) + ...), whose terms have one sign. */
function exactErf(x: number): number {
  if (x < 0) return -exactErf(-x);
  if (x >= 1) return 1 - exactErfc(x);
  let sum = 0;
  for (let term = x, k = 1; sum + term !== sum; k++) {
    sum += term;
    term *= (2 * x * x) / (2 * k + 1);
  }
  return ((2 * Math.exp(-x * x)) / Math.sqrt(Math.PI)) * sum;
}

const exactGelu = (v: number) => (v / 2) * exactErfc(-v / Math.SQRT2);

const softTail = (v: number) => Math.log1p(Math.exp(-Math.abs(v)));
const logistic = (v: number) => 1 / (1 + Math.exp(-v));
const SELU = [1.0507009873554805, 1.6732632423543772] as const;

describe("float32 functions", () => {
  const everywhere = () => true;
  // silu: an exponential, a sum and a division, each rounded, as PyTorch's, which is 2.4 ulp off as well; selu: a product more.
  test.each<[string, (x: Tensor) => Tensor, (v: number) => number, number, ((v: number) => boolean)?]>([
    ["sigmoid", sigmoid, logistic, 2],
    ["silu", silu, (v) => v * logistic(v), 2.5, (v) => v > -87],
    ["exp", exp, Math.exp, 2, (v) => v < 88],
    ["log", log, Math.log, 2, (v) => v > 0],
    ["tanh", tanh, Math.tanh, 1.5],
    ["sin", sin, Math.sin, 2],
    ["cos", cos, Math.cos, 2],
    ["erf", erf, exactErf, 2],
    ["gelu", gelu, exactGelu, 2, (v) => v > -13],
    ["expm1", expm1, Math.expm1, 2, (v) => v < 88],
    ["log1p", log1p, Math.log1p, 1.5, (v) => v > -1],
    ["softplus", softplus, (v) => Math.max(v, 0) + softTail(v), 2],
    ["logsigmoid", logsigmoid, (v) => Math.min(v, 0) - softTail(v), 2],
    ["elu", elu, (v) => (v > 0 ? v : Math.expm1(v)), 2],
    ["selu", selu, (v) => SELU[0] * (v > 0 ? v : SELU[1] * Math.expm1(v)), 3],
  ])("%s", (_, f, exact, bound, domain = everywhere) => {
    expect(worst(f, exact, domain)).toBeLessThan(bound);
  });

  test("a NaN stays one, whatever its bits", () => {
    const bits = Float32Array.from(new Array<number>(5).fill(0));
    new Uint32Array(bits.buffer).set([0x7fc00000, 0x7fc00001, 0xffc01234, 0x7fffffff, 0x7f800003]);
    for (const f of [sigmoid, silu, tanh, expm1, log1p, softplus, logsigmoid, elu, selu]) {
      expect(f(tensor(bits)).toArray()).toEqual(new Array(5).fill(Number.NaN));
    }
  });
});

describe("float64 functions", () => {
  // 1e-15 is 4.5 ulp of 1; Math's own functions are 1 ulp off.
  const xs = Array.from({ length: 20_001 }, (_, i) => (i - 10_000) * 0.0007 + Math.sin(i) * 1e-4);
  test.each<[string, (x: Tensor) => Tensor, (v: number) => number, ((v: number) => boolean)?]>([
    ["exp", exp, Math.exp],
    ["log", log, Math.log, (v) => v > 0],
    ["tanh", tanh, Math.tanh],
    ["sigmoid", sigmoid, logistic],
    ["sin", sin, Math.sin],
    ["cos", cos, Math.cos],
    ["erf", erf, exactErf],
    // Beyond, the exponential of the exact value has lost more than that itself.
    ["gelu", gelu, exactGelu, (v) => v > -1],
  ])("%s", (_, f, exact, domain = () => true) => {
    const inputs = xs.filter(domain);
    const got = f(tensor(inputs, { dtype: "float64" })).toTypedArray() as Float64Array;
    const errors = inputs.map((v, i) => Math.abs(((got[i] as number) - exact(v)) / exact(v)) || 0);
    expect(Math.max(...errors)).toBeLessThan(1e-15);
  });
});
