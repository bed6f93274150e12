/** Checks that functions of image-like tensors go through: derivatives, layouts, precisions, batches, threads. */
import { describe, expect, test } from "vitest";
import { getNumThreads, noGrad, setNumThreads, stack, Tensor } from "../../src/index.js";
import { gradcheck, gradgradcheck } from "../../src/testing/index.js";

/** A call under test; `args` makes fresh tensors, the same values every time. */
export interface Call {
  readonly args: () => Tensor[];
  readonly fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[];
  /** Relative tolerance of float32 against float64 (default 1e-5). */
  readonly float32?: number;
}

export const listOf = (out: Tensor | readonly Tensor[]): readonly Tensor[] =>
  out instanceof Tensor ? [out] : out;

export function numbers(t: Tensor): number[] {
  return Array.from(t.toTypedArray() as ArrayLike<number | bigint>, Number);
}

/** The same values with gaps in memory. */
export function spread(t: Tensor): Tensor {
  const view = stack([t.detach(), t.detach()], -1).select(-1, 0);
  return t.requiresGrad ? view.requiresGrad_() : view;
}

function expectSame(got: readonly Tensor[], expected: readonly Tensor[]): void {
  expect(got.map((t) => [t.dtype, t.shape])).toEqual(expected.map((t) => [t.dtype, t.shape]));
  got.forEach((t, i) => {
    expect(numbers(t)).toEqual(numbers(expected[i] as Tensor));
  });
}

export function expectClose(got: Tensor, expected: readonly number[], rtol: number, atol = rtol): void {
  numbers(got).forEach((v, i) => {
    const e = expected[i] as number;
    if (!Object.is(v, e) && !(Math.abs(v - e) <= atol + rtol * Math.abs(e))) {
      expect(`element ${i}: ${v}`).toBe(`element ${i}: ${e}`);
    }
  });
  expect(got.numel).toBe(expected.length);
}

/** Registers the tests of each call. */
export function checkCalls(calls: Readonly<Record<string, Call>>): void {
  for (const [name, { args, fn, float32 = 1e-5 }] of Object.entries(calls)) {
    describe(name, () => {
      test("first derivatives", () => {
        gradcheck(fn, args(), { name });
      });

      test("second derivatives", () => {
        gradgradcheck(fn, args(), undefined, { name, fastMode: true });
      });

      test("memory with gaps gives the same bits", () => {
        expectSame(listOf(fn(...args().map(spread))), listOf(fn(...args())));
      });

      test("unrecorded gives the same bits", () => {
        expectSame(
          noGrad(() => listOf(fn(...args()))),
          listOf(fn(...args())),
        );
      });

      test("float32 agrees with float64", () => {
        const cast = (from: Tensor, code: "float32" | "float64") =>
          from.dtype === "float64" ? from.detach().to("float32").to(code) : from;
        const wide = listOf(fn(...args().map((t) => cast(t, "float64"))));
        listOf(fn(...args().map((t) => cast(t, "float32")))).forEach((t, i) => {
          expectClose(t, numbers(wide[i] as Tensor), float32);
        });
      });
    });
  }
}

/** Runs `fn` with one thread and with three, and expects the same bits. */
export function sameForAllThreads(fn: () => readonly Tensor[]): void {
  const before = getNumThreads();
  try {
    setNumThreads(1);
    const one = fn();
    setNumThreads(3);
    expectSame(fn(), one);
  } finally {
    setNumThreads(before);
  }
}
