/** The generated suite of layers: every layer of the registry, every sample, every check. */
import { describe, expect, test } from "vitest";
import { type DType, grad, manualSeed, nn, select, stack, type Tensor } from "../src/index.js";
import type { AnyModule } from "../src/nn/index.js";
import { assertClose, gradcheck, gradgradcheck } from "../src/testing/index.js";
import { layers } from "./registry/layers/index.js";
import type { LayerCheck, LayerEntry, LayerSample } from "./registry/layers/types.js";
import { isFloating, mapTensors, tensorsIn } from "./registry/trees.js";

type Call = (...args: unknown[]) => unknown;

/** Leaves with more elements than this have their Jacobian checked along one direction, not element by element. */
const WHOLE = 80;

const bits = (t: Tensor) => Array.from(t.toTypedArray() as ArrayLike<number | bigint>, Number);

/** The layer of a sample, its random draws and initial values always the same ones. */
function build(sample: LayerSample, seed = 1): AnyModule {
  manualSeed(seed);
  return sample.make();
}

/** Calls a layer with the generator at the same place each time. */
function call(layer: AnyModule, args: readonly unknown[]): Tensor[] {
  manualSeed(7);
  return tensorsIn((layer as unknown as Call)(...args));
}

function cast(args: readonly unknown[], dtype: DType): unknown[] {
  return mapTensors(args, (t) => (isFloating(t) ? t.detach().to(dtype) : t)) as unknown[];
}

function same(got: readonly Tensor[], expected: readonly Tensor[]): void {
  expect(got.map((t) => [t.dtype, t.shape])).toEqual(expected.map((t) => [t.dtype, t.shape]));
  got.forEach((t, i) => {
    expect(bits(t)).toEqual(bits(expected[i] as Tensor));
  });
}

/** Something to differentiate: leaves, and a function of them. */
interface UnderTest {
  readonly leaves: Tensor[];
  readonly f: (...leaves: Tensor[]) => Tensor[];
}

/** The layer in float64 in each mode that matters, by its floating arguments and its parameters; none without them. */
function underTest(entry: LayerEntry, sample: LayerSample): UnderTest[] {
  return (entry.trainEvalDiffer === true ? [true, false] : [true]).flatMap((mode) => {
    const layer = build(sample).double();
    const args = sample.inputs();
    // One call in training first: lazy layers get their weights, norms their statistics.
    call(layer, args);
    layer.train(mode);
    const leaves = [...tensorsIn(args).filter((t) => t.requiresGrad), ...layer.parameters()];
    // The check shifts the leaves where they are, so the function need not take them from its arguments.
    return leaves.length === 0 ? [] : [{ leaves, f: () => call(layer, args).filter(isFloating) }];
  });
}

const sizeOf = (leaves: readonly Tensor[]) => leaves.reduce((n, t) => n + t.numel, 0);

/** The same values in memory with gaps: every other element of a larger storage. */
function spread(t: Tensor): Tensor {
  return t.ndim === 0 ? t : select(stack([t.detach(), t.detach()], -1), -1, 0);
}

const checks: Record<LayerCheck, (name: string, entry: LayerEntry, sample: LayerSample) => void> = {
  gradcheck: (name, entry, sample) => {
    for (const { leaves, f } of underTest(entry, sample)) {
      expect(f().some((t) => t.requiresGrad)).toBe(true);
      gradcheck(f, leaves, { name, fastMode: sizeOf(leaves) > WHOLE });
    }
  },
  gradgradcheck: (name, entry, sample) => {
    for (const { leaves, f } of underTest(entry, sample)) {
      gradgradcheck(f, leaves, undefined, { name, fastMode: true });
    }
  },
  thirdOrder: (name, entry, sample) => {
    for (const { leaves, f } of underTest(entry, sample)) {
      const outs = f();
      manualSeed(3);
      const v = outs.map((t) => t.detach().clone().uniform_(-1, 1).requiresGrad_());
      // The gradient as a function of the leaves and of the cotangents, which are leaves too.
      const gradient = () => {
        const found = grad(f(), leaves, { gradOutputs: v, createGraph: true, allowUnused: true });
        return found.filter((g) => g !== null);
      };
      gradgradcheck(gradient, [...leaves, ...v], undefined, { name: `gradient of ${name}`, fastMode: true });
    }
  },
  stateDict: (_, __, sample) => {
    const layer = build(sample).double();
    call(layer, sample.inputs());
    const state = layer.stateDict();
    for (const key of Object.keys(state)) expect(key).toMatch(/^[a-z0-9_.]+$/);
    const other = build(sample, 2).double();
    expect(other.loadStateDict(state)).toEqual({ missingKeys: [], unexpectedKeys: [] });
    for (const mode of [true, false]) {
      same(call(other.train(mode), sample.inputs()), call(layer.train(mode), sample.inputs()));
    }
    same(Object.values(other.stateDict()), Object.values(layer.stateDict()));
    expect(Object.keys(other.stateDict())).toEqual(Object.keys(state));
  },
  dtype: (_, entry, sample) => {
    const layer = build(sample).eval();
    const args = cast(sample.inputs(), "float32");
    layer.float();
    const single = call(layer, args);
    const parameters = [...layer.parameters()];
    const before = [...layer.parameters(), ...layer.buffers()].map((t) => [t.dtype, bits(t)]);
    layer.double();
    for (const t of [...layer.parameters(), ...layer.buffers()]) expect(t.dtype).not.toBe("float32");
    const double = call(layer, cast(args, "float64"));
    layer.to({ dtype: "float32" });
    expect([...layer.parameters(), ...layer.buffers()].map((t) => [t.dtype, bits(t)])).toEqual(before);
    [...layer.parameters()].forEach((p, i) => {
      expect(p).toBe(parameters[i]);
    });
    const tolerance = entry.float32 ?? 1e-5;
    single.forEach((t, i) => {
      const wide = double[i] as Tensor;
      if (isFloating(t)) expect([t.dtype, wide.dtype]).toEqual(["float32", "float64"]);
      assertClose(t.detach(), wide.detach(), {
        rtol: tolerance,
        atol: tolerance,
        checkDtype: false,
        equalNan: true,
      });
    });
  },
  nonContiguous: (_, __, sample) => {
    const layer = build(sample).double();
    // Running statistics change with each call: from the same start both times.
    const state = nn.deepCopy(layer);
    same(call(state, mapTensors(sample.inputs(), spread) as unknown[]), call(layer, sample.inputs()));
  },
};

/** Whether training and evaluation give different outputs for some sample. */
function modesDiffer(entry: LayerEntry): boolean {
  return Object.values(entry.samples).some((sample) => {
    const outputs = [true, false].map((mode) => {
      const layer = build(sample).double();
      // One call in training first, so that running statistics are there.
      call(layer, sample.inputs());
      return call(layer.train(mode), sample.inputs()).map(bits);
    });
    return JSON.stringify(outputs[0]) !== JSON.stringify(outputs[1]);
  });
}

for (const [name, entry] of Object.entries(layers)) {
  describe(name, () => {
    for (const [label, sample] of Object.entries(entry.samples)) {
      for (const [check, run] of Object.entries(checks) as [LayerCheck, (typeof checks)[LayerCheck]][]) {
        if (entry.skips?.[check] !== undefined || sample.skips?.[check] !== undefined) continue;
        test(`${label} passes ${check}`, () => {
          run(name, entry, sample);
        });
      }
    }
    test("training changes what a call gives exactly where the entry says so", () => {
      expect(modesDiffer(entry)).toBe(entry.trainEvalDiffer ?? false);
    });
    for (const [text, make] of Object.entries(entry.prints)) {
      test(`prints ${text.split("\n")[0]}`, () => {
        expect(String(make())).toBe(text);
      });
    }
    for (const [label, [run, message]] of Object.entries(entry.errors ?? {})) {
      test(`refuses ${label}`, () => {
        expect(run).toThrow(message);
      });
    }
  });
}
