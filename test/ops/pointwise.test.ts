/** Pointwise functions against values recorded from PyTorch (test/fixtures/pointwise.py): promotion, NaN, infinities. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as kindling from "../../src/index.js";
import {
  add,
  type DType,
  div,
  floorDivide,
  fmod,
  frexp,
  full,
  grad,
  isin,
  KindlingError,
  ones,
  pow,
  remainder,
  scope,
  setDefaultDtype,
  sub,
  Tensor,
  tensor,
  where,
  ZeroDivisionError,
} from "../../src/index.js";

type Value = number | boolean | string;
interface Result {
  readonly dtype: DType;
  readonly data: readonly Value[];
}
interface Recorded {
  readonly unary: Readonly<Record<string, Readonly<Record<string, Result | null>>>>;
  readonly binary: Readonly<Record<string, Readonly<Record<string, Result | null>>>>;
  readonly pairs: Readonly<Record<string, readonly (readonly (DType | null)[])[]>>;
  readonly numbers: Readonly<Record<string, readonly (readonly (DType | null)[])[]>>;
}

const recorded = JSON.parse(
  readFileSync(new URL("../fixtures/pointwise.json", import.meta.url), "utf8"),
) as Recorded;

const DTYPES: readonly DType[] = ["bool", "uint8", "int32", "int64", "float32", "float64"];
const INF = Number.POSITIVE_INFINITY;
const FLOATS = [-INF, -2.5, -1, -0.5, -0, 0, 0.3, 1, 1.5, 2.5, 40, INF, Number.NaN];

/** The inputs of pointwise.py. */
function values(dtype: string): readonly number[] {
  if (dtype.startsWith("float")) return FLOATS;
  if (dtype === "uint8") return [0, 1, 2, 3, 8, 255];
  return dtype === "bool" ? [0, 1] : [-7, -2, -1, 0, 1, 2, 3, 8];
}

/** Every pair, but for the divisors and shifts that pointwise.py leaves out. */
function pairs(name: string, dtype: string): readonly (readonly [number, number])[] {
  const whole = !dtype.startsWith("float");
  const right = values(dtype).filter((v) => {
    if (whole && ["floor_divide", "remainder", "fmod"].includes(name)) return v !== 0;
    return !(dtype === "int64" && name.includes("shift")) || v >= 0;
  });
  return values(dtype).flatMap((a) => right.map((b) => [a, b] as const));
}

type Fn = (...args: unknown[]) => unknown;

function find(name: string): Fn {
  const camel = name.replace(/^special\./, "").replace(/_(\w)/g, (_, c: string) => c.toUpperCase());
  const home = (name.startsWith("special.") ? kindling.special : kindling) as Readonly<
    Record<string, unknown>
  >;
  return home[camel] as Fn;
}

/** float32 results of PyTorch's Bessel functions are themselves off by 1e-7. */
const ABSOLUTE: Readonly<Record<string, number>> = { float32: 3e-7, float64: 1e-12 };
const RELATIVE: Readonly<Record<string, number>> = { float32: 2e-6, float64: 1e-9 };

function differences(got: unknown, want: Result): string[] {
  if (!(got instanceof Tensor)) return ["no tensor"];
  if (got.dtype !== want.dtype) return [`dtype ${got.dtype}, expected ${want.dtype}`];
  const data = Array.from(got.toTypedArray() as ArrayLike<number | bigint>, Number);
  return want.data.flatMap((v, i) => {
    const [a, b] = [data[i] as number, Number(v)];
    const bound = (ABSOLUTE[want.dtype] ?? 0) + (RELATIVE[want.dtype] ?? 0) * Math.abs(b);
    return a === b || Object.is(a, b) || Math.abs(a - b) <= bound
      ? []
      : [`element ${i}: ${a}, expected ${b}`];
  });
}

/** What the call gives, or null where Kindling refuses it. */
function attempt(call: () => unknown): Tensor | null {
  try {
    return call() as Tensor;
  } catch (error) {
    expect(error).toBeInstanceOf(KindlingError);
    return null;
  }
}

describe("values recorded from PyTorch: infinities, NaN, zeros, every dtype", () => {
  test.each(Object.entries(recorded.unary))("%s", (name, byDtype) => {
    for (const [dtype, want] of Object.entries(byDtype)) {
      const got = attempt(() => find(name)(tensor(values(dtype), { dtype: dtype as DType })));
      if (want === null) expect(got, `${name} of ${dtype}`).toBeNull();
      else expect(differences(got, want), `${name} of ${dtype}`).toEqual([]);
    }
  });

  test.each(Object.entries(recorded.binary))("%s", (name, byDtype) => {
    for (const [dtype, want] of Object.entries(byDtype)) {
      const operands = pairs(name, dtype);
      const side = (k: 0 | 1) =>
        tensor(
          operands.map((p) => p[k]),
          { dtype: dtype as DType },
        );
      const got = attempt(() => find(name)(side(0), side(1)));
      if (want === null) expect(got, `${name} of ${dtype}`).toBeNull();
      else expect(differences(got, want), `${name} of ${dtype}`).toEqual([]);
    }
  });
});

describe("promotion as PyTorch's", () => {
  test.each(Object.entries(recorded.pairs))("%s of two tensors", (name, table) => {
    const got = DTYPES.map((a) =>
      DTYPES.map(
        (b) => attempt(() => find(name)(ones([2], { dtype: a }), ones([2], { dtype: b })))?.dtype ?? null,
      ),
    );
    expect(got).toEqual(table);
  });

  // Functions that take no numbers in PyTorch take them here.
  const withNumbers = Object.entries(recorded.numbers).filter(([, table]) =>
    table.flat().some((d) => d !== null),
  );
  test.each(withNumbers)("%s of a tensor and a number", (name, table) => {
    const got = DTYPES.map((a) =>
      [2, 2.5, true].map((n) => attempt(() => find(name)(ones([2], { dtype: a }), n))?.dtype ?? null),
    );
    expect(got).toEqual(table);
  });

  test("0-d tensors count only by their category", () => {
    const f32 = ones([2], { dtype: "float32" });
    const i32 = ones([2], { dtype: "int32" });
    expect(add(f32, tensor(1, { dtype: "float64" })).dtype).toBe("float32");
    expect(add(i32, tensor(1, { dtype: "int64" })).dtype).toBe("int32");
    expect(add(i32, tensor(1, { dtype: "float64" })).dtype).toBe("float64");
    expect(add(tensor(1, { dtype: "int32" }), tensor(1, { dtype: "int64" })).dtype).toBe("int64");
    expect(where(tensor([true]), i32, 2.5).dtype).toBe("float32");
  });

  test("numbers with fractions follow the default dtype", () => {
    setDefaultDtype("float64");
    try {
      expect(add(tensor([1]), 0.5).dtype).toBe("float64");
      expect(kindling.exp(tensor([1])).dtype).toBe("float64");
    } finally {
      setDefaultDtype("float32");
    }
  });

  test("alpha must fit the result", () => {
    expect(add(tensor([1, 2]), tensor([3, 4]), { alpha: -2 }).toArray()).toEqual([-5, -6]);
    expect(() => add(tensor([1]), 1, { alpha: 1.5 })).toThrow(
      /\[add\] alpha 1.5 does not fit a int64 result/,
    );
    expect(() => add(tensor([1.5]), 1, { alpha: true })).toThrow(/boolean alpha/);
    expect(() => sub(tensor([true]), 1)).toThrow(/\[sub\] not defined for bool; try logicalXor/);
  });
});

describe("integers", () => {
  test.each([
    ["remainder", () => remainder(tensor([3, 2]), 0)],
    ["fmod", () => fmod(tensor([3, 2]), tensor([1, 0]))],
    ["floorDivide", () => floorDivide(tensor([3]), tensor([0]))],
    ["div", () => div(tensor([3]), 0, { roundingMode: "trunc" })],
  ])("%s by zero throws", (_, call) => {
    expect(call).toThrow(ZeroDivisionError);
    expect(call).toThrow(/integers cannot be divided by zero; try x.to/);
  });

  test("division rounds down, towards zero, or not at all", () => {
    const [a, b] = [tensor([7, -7, 7, -7]), tensor([2, 2, -2, -2])];
    expect(div(a, b).toArray()).toEqual([3.5, -3.5, -3.5, 3.5]);
    expect(div(a, b, { roundingMode: "floor" }).toArray()).toEqual([3, -4, -4, 3]);
    expect(div(a, b, { roundingMode: "trunc" }).toArray()).toEqual([3, -3, -3, 3]);
    expect(() => div(a, b, { roundingMode: "up" as "floor" })).toThrow(/unknown roundingMode up/);
  });

  test("int64 keeps all its digits", () => {
    const big = tensor([2n ** 62n, -(2n ** 53n) - 1n]);
    expect(Array.from(add(big, 1).toTypedArray() as BigInt64Array)).toEqual([2n ** 62n + 1n, -(2n ** 53n)]);
    expect(Array.from(add(big, 2n ** 53n + 1n).toTypedArray() as BigInt64Array)).toEqual([
      2n ** 62n + 2n ** 53n + 1n,
      0n,
    ]);
    const tripled = full([1], 2n ** 60n).mul(3);
    expect(Array.from(tripled.toTypedArray() as BigInt64Array)).toEqual([3n * 2n ** 60n]);
  });

  test("negative powers", () => {
    expect(() => pow(tensor([2]), -1)).toThrow(/integers to negative integer powers/);
    expect(pow(tensor([2, 1, -1]), tensor([-1, -1, -3])).toArray()).toEqual([0, 1, -1]);
  });
});

test("numbers as operands outlive the scope or backward pass that first used them", () => {
  const x = tensor([1, 2], { dtype: "float64", requiresGrad: true });
  const use = (n: number) => where(x.gt(n), x, n);
  scope(() => use(1.0625));
  expect(use(1.0625).toArray()).toEqual([1.0625, 2]);
  // the backward of a quotient divides by the number, that of where compares with it
  div(x, 1.1875).sum().backward();
  expect(div(x, 1.1875).toArray()).toEqual([1 / 1.1875, 2 / 1.1875]);
  expect(x.grad?.toArray()).toEqual([1 / 1.1875, 1 / 1.1875]);
});

test("signs of zero are kept", () => {
  const signs = (t: Tensor) => Array.from(t.toTypedArray() as Float32Array, (v) => Object.is(v, -0));
  expect(signs(tensor([-0.5, 0.5]).ceil())).toEqual([true, false]);
  expect(signs(tensor([0.5, 0]).sub(0).neg().trunc())).toEqual([true, true]);
  expect(signs(kindling.copysign(tensor([0, 0]), tensor([-1, 1])))).toEqual([true, false]);
  expect(signs(kindling.copysign(ones([2]), -0).mul(0))).toEqual([true, true]);
  expect(signs(ones([2]).mul(-0))).toEqual([true, true]);
});

test("frexp takes apart subnormal numbers and leaves what has no exponent", () => {
  const { mantissa, exponent } = frexp(tensor([8, -0.3, 5e-324, 2 ** -1050, 0, INF], { dtype: "float64" }));
  expect(mantissa.toArray()).toEqual([0.5, -0.6, 0.5, 0.5, 0, INF]);
  expect(exponent.toArray()).toEqual([4, -1, -1073, -1049, 0, 0]);
  expect(exponent.dtype).toBe("int32");
});

test("isin", () => {
  const x = tensor(
    [
      [1, 2],
      [3, Number.NaN],
    ],
    { dtype: "float64" },
  );
  expect(isin(x, tensor([1, 3, Number.NaN], { dtype: "float64" })).toArray()).toEqual([
    [true, false],
    [true, false],
  ]);
  expect(isin(tensor([1, 2]), 2, { invert: true }).toArray()).toEqual([true, false]);
  expect(isin(2, tensor([1, 2])).toArray()).toBe(true);
});

describe("gradients where formulas have no value, as PyTorch's", () => {
  const leaf = (v: number[]) => tensor(v, { dtype: "float64", requiresGrad: true });
  const slope = (f: (x: Tensor) => Tensor, at: number[]) => {
    const x = leaf(at);
    return Array.from((grad(f(x).sum(), x)[0] as Tensor).toTypedArray() as Float64Array, (v) => v + 0); // no -0
  };

  test.each<[string, (x: Tensor) => Tensor, number[], number[]]>([
    ["abs at 0", (x) => x.abs(), [0, -2, 3], [0, -1, 1]],
    ["sqrt at 0", (x) => x.sqrt(), [0, 4], [INF, 0.25]],
    ["pow(x, 0) at 0", (x) => x.pow(0), [0, 2], [0, 0]],
    ["pow(x, 1) at 0", (x) => x.pow(1), [0, 2], [1, 1]],
    ["pow(x, 2) at 0", (x) => x.pow(2), [0, 2], [0, 4]],
    ["pow(x, tensor 0) at 0", (x) => x.pow(tensor([0, 0])), [0, 2], [0, 0]],
    ["pow(0, x)", (x) => pow(0, x), [0, 2], [0, 0]],
    ["maximum ties share", (x) => x.maximum(tensor([1, 1, 1])), [0, 1, 2], [0, 0.5, 1]],
    ["minimum ties share", (x) => x.minimum(tensor([1, 1, 1])), [0, 1, 2], [1, 0.5, 0]],
    ["fmax beside NaN", (x) => x.fmax(Number.NaN), [0, Number.NaN], [1, 1]],
    ["clamp includes its bounds", (x) => x.clamp(0, 1), [-1, 0, 0.5, 1, 2], [0, 1, 1, 1, 0]],
    ["clampMin", (x) => x.clampMin(0), [-1, 0, 1], [0, 1, 1]],
    ["sign and rounding", (x) => x.sign().add(x.floor()).add(x.round()), [0, 1.5], [0, 0]],
    ["copysign at 0", (x) => x.copysign(-1), [0, 2, -2], [0, -1, 1]],
    ["sinc at 0", (x) => x.sinc(), [0], [0]],
    ["nanToNum", (x) => x.nanToNum(), [Number.NaN, INF, 1], [0, 0, 1]],
    ["xlogy(0, 0)", (x) => x.xlogy(0), [0], [0]],
    ["logit with eps", (x) => x.logit(0.2), [0, 0.5, 1], [0, 4, 0]],
  ])("%s", (_, f, at, expected) => {
    expect(slope(f, at)).toEqual(expected);
  });

  test("bounds of clamp get the gradient where they are the result", () => {
    const [x, lo, hi] = [leaf([-1, 0.5, 2]), leaf([0, 0, 0]), leaf([1, 1, 1])];
    const grads = grad(x.clamp(lo, hi).sum(), [x, lo, hi]).map((g) => g.toArray());
    expect(grads).toEqual([
      [0, 1, 0],
      [1, 0, 0],
      [0, 0, 1],
    ]);
  });

  test("where keeps NaN and infinity of the other side out, in second derivatives too", () => {
    const x = leaf([0, 4]);
    const y = where(x.gt(0), x.sqrt(), x.mul(3));
    expect((grad(y.sum(), x)[0] as Tensor).toArray()).toEqual([Number.NaN, 0.25]); // sqrt'(0) is infinite: 0 * inf
    const safe = where(x.gt(0), where(x.gt(0), x, 1).sqrt(), x.mul(3));
    const [first] = grad(safe.sum(), x, { createGraph: true });
    expect((first as Tensor).toArray()).toEqual([3, 0.25]);
    expect((grad((first as Tensor).sum(), x)[0] as Tensor).toArray()).toEqual([0, -1 / 32]);
    const nan = leaf([Number.NaN, 1]);
    expect((grad(where(nan.isnan(), 0, nan).sum(), nan)[0] as Tensor).toArray()).toEqual([0, 1]);
  });

  test("what PyTorch cannot differentiate throws in backward", () => {
    const x = leaf([1, 2]);
    expect(() =>
      x
        .nextafter(tensor([3, 3], { dtype: "float64" }))
        .sum()
        .backward(),
    ).toThrow(/\[nextafter\] has no derivative/);
    expect(() => kindling.igamma(x, x.detach()).sum().backward()).toThrow(
      /no derivative by its first argument/,
    );
  });
});
