/** The generated suite: every op of the registry, every sample, every check. */
import { describe, expect, test } from "vitest";
import * as kindling from "../src/index.js";
import { noGrad, Tensor } from "../src/index.js";
import { gradcheck, gradgradcheck } from "../src/testing/index.js";
import { registry } from "./registry/index.js";
import { isFloating, mapTensors, tensorsIn } from "./registry/trees.js";
import type { Check, OpEntry, Sample } from "./registry/types.js";

type AnyFn = (...args: unknown[]) => unknown;
const library = kindling as unknown as Record<string, AnyFn>;

/** Leaves of a sample, and the op as a function of them that gives the floating outputs. */
function asFunction(fn: AnyFn, sample: Sample): { leaves: Tensor[]; f: (...leaves: Tensor[]) => Tensor[] } {
  const args = sample.args();
  const leaves = tensorsIn(args).filter((t) => t.requiresGrad);
  const f = (...given: Tensor[]) => {
    let next = 0;
    const call = mapTensors(args, (t) =>
      t.requiresGrad && leaves.includes(t) ? (given[next++] as Tensor) : t,
    );
    return tensorsIn(fn(...(call as unknown[]))).filter(isFloating);
  };
  return { leaves, f };
}

/** The same values in memory with gaps: every other element of a larger storage. */
function spread(t: Tensor): Tensor {
  if (t.ndim === 0) return t;
  const wide = kindling.stack([t.detach(), t.detach()], -1);
  const view = wide.select(-1, 0);
  return t.requiresGrad ? view.requiresGrad_() : view;
}

function bits(t: Tensor): number[] {
  return Array.from(t.toTypedArray() as ArrayLike<number | bigint>, Number);
}

function same(got: readonly Tensor[], expected: readonly Tensor[]): void {
  expect(got.map((t) => [t.dtype, t.shape])).toEqual(expected.map((t) => [t.dtype, t.shape]));
  got.forEach((t, i) => {
    expect(bits(t)).toEqual(bits(expected[i] as Tensor));
  });
}

function close(got: readonly number[], expected: readonly number[], rtol: number, atol: number): void {
  expect(got.length).toBe(expected.length);
  got.forEach((v, i) => {
    const e = expected[i] as number;
    const ok =
      Object.is(v, e) ||
      v === e ||
      (Number.isNaN(v) && Number.isNaN(e)) ||
      Math.abs(v - e) <= atol + rtol * Math.abs(e);
    if (!ok) expect(`element ${i}: ${v}`).toBe(`element ${i}: ${e}`);
  });
}

const checks: Record<Check, (name: string, fn: AnyFn, entry: OpEntry, sample: Sample) => void> = {
  gradcheck: (name, fn, entry, sample) => {
    const { leaves, f } = asFunction(fn, sample);
    if (leaves.length === 0) return;
    const outs = f(...leaves);
    if (entry.differentiable === false) {
      expect(outs.some((t) => t.requiresGrad)).toBe(false);
      return;
    }
    expect(outs.length > 0 && outs.some((t) => t.requiresGrad)).toBe(true);
    gradcheck(f, leaves, { name });
  },
  gradgradcheck: (name, fn, entry, sample) => {
    const { leaves, f } = asFunction(fn, sample);
    if (leaves.length === 0 || entry.differentiable === false) return;
    gradgradcheck(f, leaves, undefined, { name, fastMode: true });
  },
  nonContiguous: (_, fn, __, sample) => {
    const args = sample.args();
    const spreadArgs = mapTensors(sample.args(), spread) as unknown[];
    same(tensorsIn(fn(...spreadArgs)), tensorsIn(fn(...args)));
  },
  float32: (_, fn, entry, sample) => {
    const to32 = (t: Tensor) => (t.dtype === "float64" ? t.detach().to("float32") : t);
    const to64 = (t: Tensor) => (t.dtype === "float64" ? t.detach().to("float32").to("float64") : t);
    const single = tensorsIn(fn(...(mapTensors(sample.args(), to32) as unknown[])));
    const double = tensorsIn(fn(...(mapTensors(sample.args(), to64) as unknown[])));
    single.forEach((t, i) => {
      const wide = double[i] as Tensor;
      expect(t.shape).toEqual(wide.shape);
      const rtol = entry.float32 ?? 2e-6;
      if (isFloating(t)) close(bits(t), bits(wide), rtol, rtol);
      else expect(bits(t)).toEqual(bits(wide));
    });
  },
  noGrad: (_, fn, __, sample) => {
    const recorded = tensorsIn(fn(...sample.args()));
    const plain = noGrad(() => tensorsIn(fn(...sample.args())));
    expect(plain.some((t) => t.requiresGrad && !t.isLeaf)).toBe(false);
    same(plain, recorded);
  },
  method: (name, fn, __, sample) => {
    const [self, ...rest] = sample.args();
    if (!(self instanceof Tensor)) return;
    const method = (self as unknown as Record<string, AnyFn>)[name];
    if (method === undefined) return;
    same(tensorsIn(method.call(self, ...rest)), tensorsIn(fn(...sample.args())));
  },
};

for (const [name, entry] of Object.entries(registry) as [string, OpEntry][]) {
  describe(name, () => {
    const fn = library[name] as AnyFn;
    for (const sample of entry.samples) {
      const { expected } = sample;
      if (expected !== undefined) {
        test(`${sample.name} gives the formula's values`, () => {
          const out = tensorsIn(fn(...sample.args()))[0] as Tensor;
          // Formulas in plain TypeScript reach the C library's accuracy, kernels 1e-15 or so.
          close(bits(out), expected(), 1e-13, 1e-15);
        });
      }
      for (const [check, run] of Object.entries(checks) as [Check, (typeof checks)[Check]][]) {
        if (entry.skips?.[check] !== undefined) continue;
        test(`${sample.name} passes ${check}`, () => {
          run(name, fn, entry, sample);
        });
      }
    }
    for (const error of entry.errors ?? []) {
      test(`refuses ${error.name}`, () => {
        expect(() => fn(...error.args())).toThrow(error.message);
      });
    }
  });
}
