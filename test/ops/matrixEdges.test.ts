/** Products of matrices and linear algebra at their edges, as PyTorch has them: integers, a factor 0, singular matrices. */
import { describe, expect, test } from "vitest";
import {
  addbmm,
  addmm,
  addr,
  arange,
  baddbmm,
  type DType,
  DTypeError,
  einsum,
  grad,
  linalg,
  linspace,
  logdet,
  logspace,
  matrixPower,
  range,
  ShapeError,
  type Tensor,
  tensor,
  ValueError,
  zeros,
} from "../../src/index.js";

const of = (dtype: DType, data: number[] | number[][]) => tensor(data, { dtype });
const f64 = (data: number[] | number[][]) => of("float64", data);

describe("integers", () => {
  const A = of("int32", [
    [1, 2],
    [3, 4],
  ]);
  test("the add-forms stay in their dtype, with factors cut to whole numbers", () => {
    const got = addmm(A, A, A, { alpha: 1.5, beta: 2.5 });
    expect(got.dtype).toBe("int32");
    expect(got.tolist()).toEqual([
      [9, 14],
      [21, 30],
    ]);
    const batch = A.unsqueeze(0).expand([3, 2, 2]);
    expect(addbmm(A, batch, batch).dtype).toBe("int32");
    expect(addbmm(A, batch, batch, { beta: 0 }).tolist()).toEqual([
      [21, 30],
      [45, 66],
    ]);
  });

  test("addr of booleans asks whether a factor is 0", () => {
    const [x, v] = [of("bool", [[0, 0]]), of("bool", [1])];
    const w = of("bool", [1, 0]);
    expect(addr(x, v, w, { alpha: 2 }).tolist()).toEqual([[true, false]]);
    expect(addr(x, v, w, { alpha: 0 }).tolist()).toEqual([[false, false]]);
  });

  test("have powers from 0 on", () => {
    expect(matrixPower(A, 3).tolist()).toEqual([
      [37, 54],
      [81, 118],
    ]);
    expect(matrixPower(A, 0).tolist()).toEqual([
      [1, 0],
      [0, 1],
    ]);
    expect(() => matrixPower(A, -1)).toThrow(DTypeError);
  });

  test("a sum by einsum is int64, a product keeps the dtype", () => {
    expect(einsum("ij->i", [A]).dtype).toBe("int64");
    expect(einsum("ij->i", [A]).tolist()).toEqual([3, 7]);
    expect(einsum("ij,jk->ik", [A, A]).dtype).toBe("int32");
  });

  test("functions that need floats of one dtype say so", () => {
    expect(() => linalg.vecdot(A, A)).toThrow(/vecdot.*floating/);
    expect(() => linalg.vecdot(f64([1]), of("float32", [1]))).toThrow(/vecdot.*one dtype/);
    expect(() => linalg.vander(of("bool", [1, 0]))).toThrow(/vander.*bool/);
  });
});

test("with beta = 0 the input is not read, and has the gradient 0", () => {
  const input = f64([[Number.NaN, 1]]).requiresGrad_(true);
  const [a, b] = [f64([[2]]), f64([[3, 4]])];
  for (const out of [
    addmm(input, a, b, { beta: 0 }),
    baddbmm(input.unsqueeze(0), a.unsqueeze(0), b.unsqueeze(0), { beta: 0 }),
  ]) {
    expect(out.flatten().tolist()).toEqual([6, 8]);
    expect((grad([out.sum()], [input])[0] as Tensor).tolist()).toEqual([[0, 0]]);
  }
});

describe("singular and indefinite matrices", () => {
  const Z = zeros([2, 2], { dtype: "float64" });
  test("the condition number of one is infinite in every norm", () => {
    for (const p of [1, -1, Number.POSITIVE_INFINITY, "fro"] as const)
      expect(linalg.cond(Z, { p }).item()).toBe(Number.POSITIVE_INFINITY);
  });

  test("cond checks the order and the shape before it looks for elements", () => {
    const none = zeros([2, 0, 3]);
    expect(() => linalg.cond(none, { p: 3 })).toThrow(ValueError);
    expect(() => linalg.cond(none, { p: "fro" })).toThrow(ShapeError);
    for (const p of [2, 1, Number.POSITIVE_INFINITY])
      expect(linalg.cond(none, { p }).tolist()).toEqual([0, 0]);
  });

  test("luFactor refuses one, luFactorEx tells", () => {
    expect(() => linalg.luFactor(Z)).toThrow(/singular/);
    expect(linalg.luFactorEx(Z).info.item()).toBe(1);
  });

  test("the gradient of its logarithm of a determinant is not finite", () => {
    // torch.autograd.grad(torch.linalg.slogdet(a)[1], a), and torch.logdet(a)
    const a = f64([
      [1, 2],
      [2, 4],
    ]).requiresGrad_(true);
    for (const out of [linalg.slogdet(a).logabsdet, logdet(a)]) {
      expect((grad([out], [a])[0] as Tensor).tolist()).toEqual([
        [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
        [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
      ]);
    }
  });

  test("a negative determinant has no logarithm, and the gradient 0", () => {
    const A = f64([
      [0, 1],
      [1, 0],
    ]).requiresGrad_(true);
    const out = logdet(A);
    expect(out.item()).toBe(Number.NaN);
    expect((grad([out], [A])[0] as Tensor).tolist()).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });
});

test('lstsq by "gelsy", the default, gives no residuals', () => {
  const [A, B] = [f64([[1, 0], [1, 1], [1, 2]]), f64([[1], [3], [6]])]; // biome-ignore format: a matrix
  expect(linalg.lstsq(A, B).residuals.shape).toEqual([0]);
  expect(linalg.lstsq(A, B, { driver: "gelsd" }).residuals.shape).toEqual([1]);
  // Of a vector, too, one for each column.
  expect(linalg.lstsq(A, B.squeeze(1), { driver: "gels" }).residuals.shape).toEqual([1]);
});

describe("sequences of integers", () => {
  test("the step is a whole number", () => {
    // torch.arange(-3, 3, 1.5, dtype=...): int64 counts by whole numbers, int32 by the numbers as given
    expect(arange(-3, 3, 1.5, { dtype: "int64" }).tolist()).toEqual([-3, -2, -1, 0, 1, 2]);
    expect(arange(-3, 3, 1.5, { dtype: "int32" }).tolist()).toEqual([-3, -2, -1, 0]);
    expect(arange(2.5, { dtype: "int64" }).tolist()).toEqual([0, 1]);
    expect(range(-3, 3, { step: 1.5, dtype: "int32" }).tolist()).toEqual([-3, -2, -1, 0, 1, 2, 3]);
    expect(() => arange(0, 3, 0.5, { dtype: "int32" })).toThrow(ValueError);
    expect(() => range(0, 3, { step: 0.5, dtype: "int64" })).toThrow(ValueError);
  });

  test("bounds that do not fit the dtype are refused", () => {
    expect(() => linspace(0, 1000, 3, { dtype: "uint8" })).toThrow(/linspace.*does not fit uint8/);
    expect(() => logspace(0, 1000, 3, { dtype: "int64" })).toThrow(/logspace.*does not fit int64/);
  });
});
