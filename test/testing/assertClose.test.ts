/** assertClose and makeTensor, against what PyTorch's do. */
import { describe, expect, test } from "vitest";
import { manualSeed, ones, type Tensor, tensor, zeros } from "../../src/index.js";
import { AssertionError, assertClose, makeTensor } from "../../src/testing/index.js";

const f32 = (values: number[]) => tensor(values, { dtype: "float32" });
const f64 = (values: number[]) => tensor(values, { dtype: "float64" });

describe("assertClose", () => {
  test("default tolerances go by the dtype", () => {
    assertClose(f32([1 + 1e-6]), f32([1]));
    assertClose(f64([1 + 1e-7]), f64([1]));
    assertClose(1 + 1e-8, 1);
    assertClose(tensor([1, 2]), tensor([1, 2]));
    expect(() => assertClose(f32([1.1]), f32([1]))).toThrow(AssertionError);
    expect(() => assertClose(f64([1 + 1e-6]), f64([1]))).toThrow("(up to 1e-7 allowed)");
    expect(() => assertClose(1.1, 1)).toThrow(
      "[assertClose] the values are not close: got 1.1, expected 1\n",
    );
    assertClose(f32([1.5]), f32([1]), { rtol: 0, atol: 0.5 });
  });

  test("the error has the greatest differences and their places", () => {
    const actual = tensor(
      [
        [1, 2.5],
        [3, 5],
      ],
      { dtype: "float64" },
    );
    const expected = tensor(
      [
        [1, 2],
        [0.5, 4],
      ],
      { dtype: "float64" },
    );
    expect(() => assertClose(actual, expected)).toThrow(
      `[assertClose] the tensors are not close: got 3, expected 0.5 at [1, 0]
Mismatched elements: 3 of 4 (75.0 %)
Greatest absolute difference: 2.5 at [1, 0] (up to 1e-7 allowed)
Greatest relative difference: 5 at [1, 0] (up to 1e-7 allowed)`,
    );
    const big = (v: bigint) => tensor([v], { dtype: "int64" });
    expect(() => assertClose(big(2n ** 60n), big(2n ** 60n + 1n))).toThrow("the tensors are not equal");
    expect(() => assertClose(tensor([true]), tensor([false]))).toThrow("got 1, expected 0 at [0]");
  });

  test("NaN and infinities", () => {
    assertClose(f64([Infinity, -Infinity]), f64([Infinity, -Infinity]));
    assertClose(f64([NaN]), f64([NaN]), { equalNan: true });
    expect(() => assertClose(f64([NaN]), f64([NaN]))).toThrow("got NaN, expected NaN at [0]");
    expect(() => assertClose(f64([1e300]), f64([Infinity]))).toThrow(AssertionError);
    expect(() => assertClose(f64([Infinity]), f64([1]))).toThrow(AssertionError);
    expect(() => assertClose(f64([NaN]), f64([1]), { equalNan: true })).toThrow(AssertionError);
  });

  test("shapes, dtypes and strides", () => {
    expect(() => assertClose(zeros([2, 3]), zeros([3, 2]))).toThrow(
      "[assertClose] got shape [2, 3], expected [3, 2]",
    );
    expect(() => assertClose(f32([1]), f64([1]))).toThrow(
      "[assertClose] got dtype float32, expected float64",
    );
    assertClose(f32([1]), f64([1]), { checkDtype: false });
    const [a, b] = [ones([2, 2]), ones([2, 2]).t()];
    assertClose(a, b);
    expect(() => assertClose(a, b, { checkStride: true })).toThrow(
      "[assertClose] got strides [2, 1], expected [1, 2]",
    );
    assertClose(zeros([0, 3]), zeros([0, 3]));
  });

  test("arrays and objects, part by part", () => {
    assertClose([1, { a: f64([1]), b: "text" }], [1, { a: f64([1]), b: "text" }]);
    expect(() => assertClose({ a: [1, 2] }, { a: [1, 3] })).toThrow(
      /the values are not close.*at \.a\[1\]\./s,
    );
    expect(() => assertClose([1], [1, 2])).toThrow("[assertClose] got an array of 1, expected one of 2");
    expect(() => assertClose({ a: 1 }, { b: 1 })).toThrow("[assertClose] got the keys a, expected b");
    expect(() => assertClose(f64([1]), [1])).toThrow(
      "[assertClose] got a tensor float64[1], expected an array",
    );
    expect(() => assertClose("a", "b")).toThrow("[assertClose] got a, expected b");
  });

  test("tolerances come in pairs; the message may be replaced", () => {
    expect(() => assertClose(1, 1, { rtol: 0.1 })).not.toThrow("close");
    expect(() => assertClose(1, 1, { rtol: 0.1 })).toThrow(
      "[assertClose] got rtol without atol: expected both or none",
    );
    expect(() => assertClose(1, 2, { msg: "mine" })).toThrow(/^mine$/);
    expect(() => assertClose(1, 2, { msg: (m) => `case 7: ${m}` })).toThrow(
      "case 7: [assertClose] the values",
    );
  });
});

describe("makeTensor", () => {
  const seeded = (...args: Parameters<typeof makeTensor>): Tensor => {
    manualSeed(3);
    return makeTensor(...args);
  };

  test("PyTorch's values for the same seed", () => {
    // torch.manual_seed(3); make_tensor((4,), device="cpu", **options)
    assertClose(
      seeded([4]),
      f32([-8.923255920410156, -7.099750995635986, -3.8548355102539062, -8.514812469482422]),
    );
    assertClose(
      seeded([4], { dtype: "float64", low: 0.5, high: 2 }),
      f64([0.5511622934757807, 0.9301103400819604, 1.6593724164928765, 0.762390543921942]),
      { rtol: 1e-15, atol: 0 },
    );
    expect(seeded([4], { dtype: "int64" }).toArray()).toEqual([4, 2, 7, 3]);
    expect(seeded([4], { dtype: "uint8" }).toArray()).toEqual([6, 8, 7, 7]);
    expect(seeded([4], { dtype: "bool" }).toArray()).toEqual([false, false, true, true]);
    expect(seeded([4], { dtype: "int32", low: -2.5, high: 3 }).toArray()).toEqual([1, -1, -2, 0]);
  });

  test("layout, gradient, zeros", () => {
    const t = makeTensor([2, 3], { noncontiguous: true, requiresGrad: true });
    expect([t.strides, t.isContiguous(), t.requiresGrad, t.isLeaf]).toEqual([[6, 2], false, true, true]);
    const whole = makeTensor([100], { dtype: "int32", low: 0, high: 2, excludeZero: true });
    expect(whole.toArray()).toEqual(new Array(100).fill(1));
    expect(() => makeTensor([1], { low: 2, high: 1 })).toThrow(
      "[makeTensor] expected low <= high, got low 2 and high 1",
    );
    expect(() => makeTensor([1], { dtype: "int64", requiresGrad: true })).toThrow(
      "[makeTensor] only floating",
    );
    expect(makeTensor([0, 3]).shape).toEqual([0, 3]);
    expect(makeTensor([], { noncontiguous: true }).shape).toEqual([]);
  });
});
