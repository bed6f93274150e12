/** Initial values, dropout masks and the init functions: those of PyTorch for the same seed (fixtures/initial.py). */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { arange, empty, manualSeed, nn, rand, Tensor, tensor, zeros } from "../../src/index.js";
import { toField } from "../../src/nn/naming.js";
import { layers } from "../registry/layers/index.js";
import type { LayerName } from "../registry/layers/types.js";

interface Digest {
  shape: number[];
  head: number[];
  sum: number;
}
interface Call {
  name: string;
  options: Record<string, unknown>;
}
interface LayerCall extends Call {
  args: unknown[];
  /** Shape of the input that gives a lazy layer its weights. */
  input?: number[];
  state: Record<string, Digest>;
}
interface Fixture {
  layers: LayerCall[];
  lazy: LayerCall[];
  inits: (Call & { shape: number[]; args: number[]; values: number[] })[];
  random: (Call & { shape: number[]; values: number[] })[];
  gains: Record<nn.init.Nonlinearity, number>;
}

const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/initial.json", import.meta.url), "utf8"),
) as Fixture;

/** Options with their names in camelCase; none where there are none. */
function optionsOf(call: Call): unknown[] {
  const entries = Object.entries(call.options).map(([key, value]) => [toField(key), value]);
  return entries.length === 0 ? [] : [Object.fromEntries(entries)];
}

function numbers(t: Tensor): number[] {
  return Array.from(t.toTypedArray() as ArrayLike<number | bigint>, Number);
}

/** Both were rounded at most once more: a few units of the last float32 digit. */
function close(got: readonly number[], expected: readonly number[], tolerance = 3e-7): void {
  expect(got.length).toBe(expected.length);
  got.forEach((v, i) => {
    const e = expected[i] as number;
    if (!(Math.abs(v - e) <= tolerance * Math.max(1, Math.abs(e)))) expect(`${i}: ${v}`).toBe(`${i}: ${e}`);
  });
}

type Build = new (...args: unknown[]) => nn.Module;
type Fn = (...args: unknown[]) => Tensor;

describe("a new layer has PyTorch's weights", () => {
  for (const call of [...fixture.layers, ...fixture.lazy]) {
    test(`${call.name}(${JSON.stringify(call.args).slice(1, -1)}) ${JSON.stringify(call.options)}`, () => {
      manualSeed(3);
      const Layer = (nn as unknown as Record<string, Build>)[call.name] as Build;
      const layer = new Layer(...call.args, ...optionsOf(call));
      if (call.input !== undefined) layer.eval()(zeros(call.input));
      const state = layer.stateDict();
      expect(Object.keys(state)).toEqual(Object.keys(call.state));
      for (const [key, { shape, head, sum }] of Object.entries(call.state)) {
        const values = numbers(state[key] as Tensor);
        expect([key, (state[key] as Tensor).shape]).toEqual([key, shape]);
        close(values.slice(0, 4), head);
        close([values.reduce((a, b) => a + b, 0)], [sum], 1e-5);
      }
    });
  }

  /** Layers with parameters that the fixture does not hold, each with the reason. */
  const elsewhere: Partial<Record<LayerName, string>> = {
    RMSNorm: "newer than the PyTorch that recorded the fixture; its weights are ones",
    Sequential: "has the weights of its layers",
    TransformerDecoder: "has copies of its layer; Transformer is recorded",
    TransformerEncoder: "has copies of its layer; Transformer is recorded",
  };

  test("no layer with parameters is left out", () => {
    const recorded = new Set([...fixture.layers, ...fixture.lazy].map((call) => call.name));
    for (const [name, { samples }] of Object.entries(layers)) {
      const learns = Object.values(samples).some(({ make }) => [...make().parameters()].length > 0);
      if (learns) expect([name, recorded.has(name)]).toEqual([name, !(name in elsewhere)]);
    }
  });
});

describe("nn.init gives PyTorch's values", () => {
  for (const call of fixture.inits) {
    test(`${call.name} of [${call.shape.join(", ")}]`, () => {
      manualSeed(3);
      const fn = (nn.init as unknown as Record<string, Fn>)[`${toField(call.name.slice(0, -1))}_`] as Fn;
      const t = empty(call.shape, { requiresGrad: true });
      expect(fn(t, ...call.args, ...optionsOf(call))).toBe(t);
      close(numbers(t), call.values);
    });
  }

  test("calculateGain", () => {
    for (const [name, gain] of Object.entries(fixture.gains)) {
      expect(nn.init.calculateGain(name as nn.init.Nonlinearity)).toBeCloseTo(gain, 14);
      expect(nn.init.calculateGain(toField(name) as nn.init.Nonlinearity)).toBeCloseTo(gain, 14);
    }
    expect(() => nn.init.calculateGain("swish" as never)).toThrow(
      '[calculateGain] unknown nonlinearity "swish"',
    );
  });

  test("refuses shapes that have no fans", () => {
    expect(() => nn.init.xavierUniform_(empty([3]))).toThrow(
      "[init] fan in and fan out need at least 2 dimensions, got [3]",
    );
    expect(() => nn.init.eye_(empty([3]))).toThrow("[eye_] expected 2 dimensions");
    expect(() => nn.init.dirac_(empty([3, 3, 1]), 2)).toThrow("[dirac_] 2 groups do not divide");
    expect(() => nn.init.kaimingNormal_(empty([3, 3]), { mode: "fan" as never })).toThrow(
      '[kaiming] unknown mode "fan"',
    );
  });
});

describe("random functions draw as PyTorch does", () => {
  for (const call of fixture.random) {
    test(`${call.name} of [${call.shape.join(", ")}] ${JSON.stringify(call.options)}`, () => {
      const n = call.shape.reduce((a, b) => a * b, 1);
      const ramp = Array.from({ length: n }, (_, i) => ((i * 0.37) % 2) - 0.9);
      const x = tensor(ramp, { dtype: "float64" }).reshape(call.shape);
      manualSeed(3);
      const fn = (nn.functional as unknown as Record<string, Fn>)[toField(call.name)] as Fn;
      close(numbers(fn(x, ...optionsOf(call))), call.values, 1e-14);
    });
  }

  test("dropout scales what it keeps, and does nothing in evaluation", () => {
    const x = tensor([1, 2, 3, 4], { dtype: "float32", requiresGrad: true });
    const layer = new nn.Dropout(0.5);
    const y = layer(x);
    y.sum().backward();
    expect(numbers(y)).toEqual(numbers(x.grad as Tensor).map((g, i) => g * (i + 1)));
    expect(layer.eval()(x)).toBe(x);
    expect(() => new nn.Dropout(1.5)).toThrow("[Dropout] p must be a probability, from 0 to 1: got 1.5");
    expect(numbers(nn.functional.dropout(x, 1))).toEqual([0, 0, 0, 0]);
    const inplace = tensor([1, 2]).to("float32");
    expect(nn.functional.dropout(inplace, { p: 1, inplace: true })).toBe(inplace);
  });
});

interface SeededCall extends Call {
  args: unknown[];
  inputs: number[][];
  outputs: Digest[];
  /** The draw that follows. */
  next: number;
}

describe("layers that draw while training give PyTorch's outputs for the same seed (fixtures/seeded.py)", () => {
  const path = new URL("../fixtures/seeded.json", import.meta.url);
  const calls = JSON.parse(readFileSync(path, "utf8")) as SeededCall[];
  const ramp = (shape: number[], step: number) =>
    arange(
      shape.reduce((a, b) => a * b, 1),
      { dtype: "float64" },
    )
      .mul(step)
      .remainder(2)
      .sub(0.9)
      .reshape(shape);

  test.each(calls)("$name $options on $inputs", (call) => {
    manualSeed(3);
    const Layer = (nn as unknown as Record<string, Build>)[call.name] as Build;
    const layer = new Layer(...call.args, ...optionsOf(call)).double();
    manualSeed(5);
    const inputs = call.inputs.map((shape, i) => ramp(shape, 0.37 + 0.1 * i));
    const out: unknown = (layer as unknown as (...args: unknown[]) => unknown)(...inputs);
    const outs = [out].flat(2).filter((t): t is Tensor => t instanceof Tensor);
    expect(outs.map((t) => t.shape)).toEqual(call.outputs.map(({ shape }) => shape));
    call.outputs.forEach(({ head, sum }, i) => {
      const values = numbers(outs[i] as Tensor);
      close(values.slice(0, 6), head, 1e-12);
      close([values.reduce((a, b) => a + b, 0)], [sum], 1e-11);
    });
    expect(rand([1]).item()).toBe(call.next);
  });
});
