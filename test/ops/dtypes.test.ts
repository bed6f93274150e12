/** What dtypes ops take and give where that is easily missed: numbers that do not fit, booleans that add up, small integers. */
import { describe, expect, test } from "vitest";
import {
  addcmul,
  cumprod,
  cumsum,
  type DType,
  DTypeError,
  full,
  gradient,
  indexAdd,
  maskedFill,
  mvlgamma,
  nansum,
  prod,
  put,
  rsub,
  scatter,
  scatterAdd,
  scatterReduce,
  sub,
  sum,
  tensor,
  trapezoid,
  zeros,
} from "../../src/index.js";

const of = (dtype: DType, data: number[] | number[][]) => tensor(data, { dtype });
const bools = of("bool", [1, 0]);
const both = tensor([0, 0]);

describe("sums and products in the dtype that was asked for", () => {
  // torch.tensor([1.7, 2.6]).sum(dtype=...): each element is cast first
  test.each([
    ["bool", 1],
    ["uint8", 3],
    ["int32", 3],
    ["int64", 3],
    ["float64", 4.3],
  ] as const)("sum in %s", (dtype, expected) => {
    const got = sum(of("float64", [1.7, 2.6]), { dtype });
    expect(got.dtype).toBe(dtype);
    expect(Number(got.item())).toBeCloseTo(expected, 12);
  });

  test("wrap as the dtype does", () => {
    expect(sum(of("int64", [200, 100]), { dtype: "uint8" }).item()).toBe(44);
    expect(sum(of("int64", [2 ** 31 - 1, 1]), { dtype: "int32" }).item()).toBe(-(2 ** 31));
    expect(nansum(of("int32", [3, 4]), { dtype: "int32" }).dtype).toBe("int32");
    expect(cumsum(of("int64", [200, 100]), 0, { dtype: "uint8" }).tolist()).toEqual([200, 44]);
    expect(cumprod(of("uint8", [20, 20]), 0, { dtype: "uint8" }).tolist()).toEqual([20, 144]);
  });

  test("a product in bool asks whether all are set, fractions too", () => {
    expect(prod(of("float64", [0.5, 0.25]), { dtype: "bool" }).tolist()).toBe(true);
  });

  test("sumToSize of small integers gives int64, as sum", () => {
    const x = of("int32", [
      [1, 2],
      [3, 4],
    ]);
    expect(x.sumToSize([1, 2]).dtype).toBe("int64");
    expect(x.sumToSize([1, 2]).tolist()).toEqual([[4, 6]]);
    expect(x.sumToSize([2, 2]).dtype).toBe("int32");
  });
});

describe("booleans that meet at one place stay booleans", () => {
  const or = [true, false];
  test.each([
    ["indexAdd", () => indexAdd(bools, 0, both, of("bool", [1, 1]))],
    ["scatterAdd", () => scatterAdd(bools, 0, both, of("bool", [1, 1]))],
    ["scatter", () => scatter(bools, 0, both, 2, { reduce: "add" })],
    ["scatterReduce", () => scatterReduce(bools, 0, both, of("bool", [1, 1]), "sum")],
    ["put", () => put(bools, both, of("bool", [1, 1]), { accumulate: true })],
  ])("%s", (_, call) => {
    const got = call();
    expect(got.tolist()).toEqual(or);
    expect(got.to("int64").tolist()).toEqual([1, 0]);
  });
});

describe("factors of uint8 wrap: -1 is 255", () => {
  const [x, y] = [of("uint8", [1, 4]), of("uint8", [4, 2])];
  test("add, sub, rsub", () => {
    expect(x.add(y, { alpha: -1 }).tolist()).toEqual([253, 2]);
    expect(sub(x, y, { alpha: 2 }).tolist()).toEqual([249, 0]);
    expect(rsub(x, y, { alpha: 2 }).tolist()).toEqual([2, 250]);
    expect(x.clone().add_(y, { alpha: -1 }).tolist()).toEqual([253, 2]);
    expect(x.clone().sub_(y, { alpha: 2 }).tolist()).toEqual([249, 0]);
  });

  test("indexAdd", () => {
    expect(indexAdd(x, 0, tensor([0]), of("uint8", [4]), { alpha: -1 }).tolist()).toEqual([253, 4]);
    expect(() => indexAdd(x, 0, tensor([0]), y.narrow(0, 0, 1), { alpha: 0.5 })).toThrow(/indexAdd.*alpha/);
  });
});

test("addcmul takes its dtype from all three, 0-d ones last", () => {
  const [three, two] = [of("int32", [1, 2, 3]), tensor(2, { dtype: "uint8" })];
  expect(addcmul(three, bools.narrow(0, 0, 1), bools.narrow(0, 0, 1)).dtype).toBe("int32");
  expect(addcmul(tensor(-3, { dtype: "int32" }), two, bools).dtype).toBe("int32");
  expect(() => addcmul(three, three, three, { value: Number.NaN })).toThrow(DTypeError);
});

describe("numbers that do not fit a dtype are refused, as PyTorch does", () => {
  test.each([
    ["uint8", 300],
    ["uint8", -256],
    ["int32", 2 ** 31],
    ["int32", Number.NaN],
    ["int64", Number.POSITIVE_INFINITY],
    ["int64", 2 ** 63],
    ["float32", 1e39],
  ] as const)("%s and %d", (dtype, value) => {
    const x = zeros([2], { dtype });
    const refused = /does not fit/;
    expect(() => full([2], value, { dtype })).toThrow(refused);
    expect(() => x.fill_(value)).toThrow(refused);
    expect(() => maskedFill(x, bools, value)).toThrow(refused);
    expect(() => x.indexFill(0, both, value)).toThrow(DTypeError);
    expect(x.tolist()).toEqual([0, 0]);
  });

  test("what fits is taken: fractions are cut, uint8 wraps, NaN is true", () => {
    expect(full([1], 2.9, { dtype: "int32" }).tolist()).toEqual([2]);
    expect(full([1], -1, { dtype: "uint8" }).tolist()).toEqual([255]);
    expect(full([1], Number.NaN, { dtype: "bool" }).tolist()).toEqual([true]);
    expect(full([1], Number.POSITIVE_INFINITY, { dtype: "float32" }).tolist()).toEqual([
      Number.POSITIVE_INFINITY,
    ]);
  });
});

describe("numbers past the range of int64 are floats", () => {
  test("as data, as a value, as an operand", () => {
    expect(tensor([1e20, 2]).dtype).toBe("float32");
    expect(full([1], 1e20).dtype).toBe("float32");
    expect(tensor([1, 2]).add(1e20).dtype).toBe("float32");
    expect(tensor([1e18]).dtype).toBe("int64");
  });

  test("data that does not fit an integer dtype is refused, bigints too", () => {
    for (const [dtype, value] of [
      ["int32", 3e9],
      ["uint8", 256],
      ["int64", Number.NaN],
      ["int32", 1e39],
    ] as const)
      expect(() => tensor([value], { dtype })).toThrow(/\[tensor\].*does not fit/);
    expect(() => tensor([2n ** 63n])).toThrow(/does not fit int64/);
    expect(tensor([-(2n ** 63n), 2n ** 63n - 1n]).toTypedArray()).toEqual(
      BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n),
    );
    expect(tensor([1e39], { dtype: "float32" }).tolist()).toEqual([Number.POSITIVE_INFINITY]);
  });

  test("typed arrays within arrays keep their dtype", () => {
    expect(tensor([Float32Array.of(1, 2), Float32Array.of(3, 4)]).dtype).toBe("float32");
    expect(tensor([Int32Array.of(1, 2)]).dtype).toBe("int32");
  });
});

describe("dtypes that a function has no meaning for", () => {
  test("gradient, trapezoid, mvlgamma", () => {
    expect(() => gradient(of("uint8", [3, 1, 2]))).toThrow(/gradient.*uint8/);
    expect(() => gradient(bools)).toThrow(/gradient.*bool/);
    expect(() => trapezoid(bools)).toThrow(/trapezoid.*bool/);
    expect(() => mvlgamma(bools, 1)).toThrow(/mvlgamma.*bool/);
  });

  test("trapezoid over one point has the dtype of y and x together", () => {
    expect(trapezoid(of("float32", [2]), of("float64", [1])).dtype).toBe("float64");
  });
});

describe("integers and booleans end a graph", () => {
  test("a cast to a whole number and back carries no gradient", () => {
    const x = tensor([1.5, 2.5], { requiresGrad: true });
    expect(x.int().requiresGrad).toBe(false);
    expect(x.to("bool").requiresGrad).toBe(false);
    expect(x.long().to("float32").requiresGrad).toBe(false);
    expect(x.double().requiresGrad).toBe(true);
  });
});
