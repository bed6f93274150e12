/** In-place ops: what they may change, what autograd sees of it, and that the direct ways give the ordinary results. */
import { describe, expect, test } from "vitest";
import { grad, noGrad, ones, type Tensor, tensor, zeros } from "../../src/index.js";
import { inPlaceForms } from "../../src/ops/inPlaceForms.js";

const leaf = (v: number[] | number[][]) => tensor(v, { dtype: "float64", requiresGrad: true });
const f64 = (v: number[] | number[][]) => tensor(v, { dtype: "float64" });

/** In-place forms of ops that are no pointwise functions. */
const OTHERS = /^(add(bmm|mm|mv|r)|baddbmm|cum|index|put|scatter|maskedScatter|renorm|tri[lu])/;

const pointwise = Object.keys(inPlaceForms).map((name) => name.slice(0, -1));

describe("every in-place form of a pointwise function equals the ordinary one", () => {
  const second: Readonly<Record<string, unknown[]>> = {
    addcdiv: [f64([2, 3]), f64([4, 5])],
    addcmul: [f64([2, 3]), f64([4, 5])],
    lerp: [f64([2, 3]), 0.25],
    maskedFill: [tensor([true, false]), 7],
    mvlgamma: [1],
    clamp: [0.4, 0.5],
  };
  const oneOperand =
    /^(a?r?c?(cos|sin|tan)h?|abs.*|ceil|deg2rad|digamma|erf.*|exp.*|fix|floor|frac|i0|l?gamma|lgamma|log\d*p?|logit|logicalNot|nanToNum|neg.*|rad2deg|reciprocal|round|r?sqrt|sgn|sigmoid|sign|sinc|square|tanh|trunc)$/;
  test.each(pointwise.filter((n) => !OTHERS.test(n)))("%s_", (name) => {
    const whole = /^(bitwise|gcd|lcm)/.test(name);
    const make = () =>
      whole ? tensor([6, 4]) : /acosh|arccosh/.test(name) ? f64([1.5, 2]) : f64([0.25, 0.75]);
    const args =
      second[name] ??
      (name === "bitwiseNot" || oneOperand.test(name) ? [] : [whole ? tensor([2, 3]) : f64([0.5, 0.75])]);
    type Methods = Readonly<Record<string, (...args: unknown[]) => Tensor>>;
    const x = make();
    const expected = (make() as unknown as Methods)[name]?.(...args) as Tensor;
    const result = (x as unknown as Methods)[`${name}_`]?.(...args);
    expect(result).toBe(x);
    expect(x.dtype).toBe(make().dtype);
    expect(x.toArray()).toEqual(expected.to(x.dtype).toArray());
    expect(x.version).toBe(1);
  });
});

describe("arithmetic written straight into the tensor", () => {
  test("numbers, rows, views of itself, alpha", () => {
    expect(tensor([1, 2]).add_(2).sub_(1).mul_(3).toArray()).toEqual([6, 9]);
    expect(
      f64([
        [1, 2],
        [3, 4],
      ])
        .mul_(f64([3, 4]))
        .toArray(),
    ).toEqual([
      [3, 8],
      [9, 16],
    ]);
    const x = f64([
      [1, 2],
      [3, 4],
    ]);
    expect(x.add_(x.t()).toArray()).toEqual([
      [2, 5],
      [5, 8],
    ]);
    expect(x.copy_(x.t()).toArray()).toEqual([
      [2, 5],
      [5, 8],
    ]);
    expect(
      f64([1, 2])
        .add_(f64([1, 2]), { alpha: 3 })
        .sub_(1, { alpha: 2 })
        .toArray(),
    ).toEqual([2, 6]);
    expect(
      zeros([2, 2])
        .t()
        .add_(tensor([1, 2]))
        .toArray(),
    ).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  test("a float64 operand is computed in float64 and stored as float32", () => {
    const x = tensor([1], { dtype: "float32" });
    expect(x.add_(f64([1e-9])).dtype).toBe("float32");
    expect(x.toArray()).toEqual([1]);
  });

  test("rejects results that do not fit", () => {
    expect(() => tensor([1, 2]).div_(2)).toThrow(
      /\[div_\] the result is float32, which cannot be cast to int64 in place/,
    );
    expect(() => tensor([1]).add_(2.5)).toThrow(/cannot be cast to int64/);
    expect(() =>
      tensor([1, 2]).mul_(
        tensor([
          [1, 2],
          [3, 4],
        ]),
      ),
    ).toThrow(/does not fit in place into \[2\]/);
    expect(() => tensor([1.5]).floatPower_(2)).toThrow(/\[floatPower_\] the result is float64/);
    expect(() => zeros([2]).copy_(zeros([3]))).toThrow(/\[copy_\] shapes/);
    expect(() => zeros([2]).copy_(zeros([3, 2]))).toThrow(/cannot be broadcast to \[2\]/);
    expect(() => zeros([2]).fill_(zeros([2]))).toThrow(/value must be a number or a 0-d tensor/);
  });

  test("comparisons keep the dtype", () => {
    expect(tensor([1.5, 2]).eq_(2).toArray()).toEqual([0, 1]);
    expect(tensor([3, 0]).logicalNot_().toArray()).toEqual([0, 1]);
  });
});

describe("autograd", () => {
  test("a leaf that requires a gradient is protected", () => {
    const x = leaf([1, 2]);
    for (const change of [
      () => x.add_(1),
      () => x.zero_(),
      () => x.exp_(),
      () => x.copy_(f64([3, 4])),
      () => x.select(0, 0).fill_(0),
    ]) {
      expect(change).toThrow(/leaf that requires a gradient cannot be changed in place; try noGrad/);
    }
    expect(x.toArray()).toEqual([1, 2]);
    noGrad(() => x.add_(1));
    expect(x.toArray()).toEqual([2, 3]);
    expect(x.version).toBe(1);
  });

  test("changing what was saved makes backward throw and name the op", () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    const z = y.mul(y);
    y.add_(1);
    expect(() => z.sum().backward()).toThrow(/input 0|input 1.* of Mul.*version 1, expected version 0/);
    const e = x.exp();
    const out = e.mul(3);
    noGrad(() => e.zero_());
    expect(() => out.sum().backward()).toThrow(/output of Exp/);
  });

  test("gradients flow through in-place ops", () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    y.mul_(y).add_(x, { alpha: 3 }).div_(2);
    expect((grad(y.sum(), x)[0] as Tensor).toArray()).toEqual([5.5, 9.5]); // (4 x^2 + 3 x) / 2
    const s = x.mul(1).sigmoid_();
    const expected = grad(x.sigmoid().sum(), x)[0] as Tensor;
    expect((grad(s.sum(), x)[0] as Tensor).toArray()).toEqual(expected.toArray());
  });

  test("fill_, zero_ and copy_ cut what was there and pass on what comes", () => {
    const [x, v] = [leaf([1, 2]), tensor(5, { dtype: "float64", requiresGrad: true })];
    const y = x.mul(2).fill_(v);
    expect(grad(y.sum(), [x, v]).map((g) => g.toArray())).toEqual([[0, 0], 2]);
    const z = x.mul(2);
    z.zero_();
    expect((grad(z.sum(), x)[0] as Tensor).toArray()).toEqual([0, 0]);
    const w = zeros([2, 2], { dtype: "float64" }).copy_(x);
    expect((grad(w.sum(), x)[0] as Tensor).toArray()).toEqual([2, 2]);
  });

  test("a view passes changes on to its base, and sees those of the base", () => {
    const x = leaf([1, 2]);
    const base = zeros([2, 2], { dtype: "float64" });
    base.select(0, 1).copy_(x);
    base.select(0, 0).fill_(7);
    base.mul_(3);
    expect(base.toArray()).toEqual([
      [21, 21],
      [3, 6],
    ]);
    expect((grad(base.sum(), x)[0] as Tensor).toArray()).toEqual([3, 3]);
    const whole = ones([2, 2], { dtype: "float64" });
    const row = whole.select(0, 0);
    whole.mul_(leaf([2, 2]).mul(x));
    row.zero_();
    expect((grad(whole.sum(), x)[0] as Tensor).toArray()).toEqual([2, 2]);
  });
});
