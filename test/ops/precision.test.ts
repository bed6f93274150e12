/** How far float32 functions with kernels of their own are from the exact values, in units in the last place. */
import { describe, expect, test } from "vitest";
import { expm1, log1p, nn, sigmoid, type Tensor, tanh, tensor } from "../../src/index.js";

const { elu, logsigmoid, selu, silu, softplus } = nn.functional;

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

const softTail = (v: number) => Math.log1p(Math.exp(-Math.abs(v)));
const logistic = (v: number) => 1 / (1 + Math.exp(-v));
const SELU = [1.0507009873554805, 1.6732632423543772] as const;

describe("float32 functions", () => {
  const everywhere = () => true;
  // silu: an exponential, a sum and a division, each rounded, as PyTorch's, which is 2.4 ulp off as well; selu: a product more.
  test.each<[string, (x: Tensor) => Tensor, (v: number) => number, number, ((v: number) => boolean)?]>([
    ["sigmoid", sigmoid, logistic, 2],
    ["silu", silu, (v) => v * logistic(v), 2.5, (v) => v > -87],
    ["tanh", tanh, Math.tanh, 1.5],
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
