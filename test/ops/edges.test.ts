/** Values, gradients and errors of ops at their edges, as PyTorch has them: ties and NaN, kinks, no dimensions, the ends of ranges. */
import { describe, expect, test } from "vitest";
import {
  angle,
  grad,
  IndexError,
  indexAdd,
  indexCopy,
  indexFill,
  linalg,
  logit,
  max,
  min,
  narrow,
  ones,
  roll,
  ShapeError,
  std,
  stdMean,
  type Tensor,
  tensor,
  unique,
  uniqueConsecutive,
  ValueError,
  where,
  zeros,
} from "../../src/index.js";

const NAN = Number.NaN;
const f64 = (data: number | number[] | number[][]) => tensor(data, { dtype: "float64" });
const leaf = (data: number | number[] | number[][]) => f64(data).requiresGrad_(true);
const gradOf = (out: Tensor, x: Tensor) => (grad([out.sum()], [x])[0] as Tensor).tolist();

describe("gradients at kinks", () => {
  test("the largest and smallest of all share among NaN, as among ties", () => {
    const x = leaf([NAN, 1, NAN]);
    expect(gradOf(max(x), x)).toEqual([0.5, 0, 0.5]);
    expect(gradOf(min(x), x)).toEqual([0.5, 0, 0.5]);
    const y = leaf([2, 1, 2]);
    expect(gradOf(max(y), y)).toEqual([0.5, 0, 0.5]);
  });

  test("a deviation of 0 has the gradient 0", () => {
    const x = leaf([
      [2, 2, 2],
      [1, 2, 3],
    ]);
    expect(gradOf(std(x, 1), x)).toEqual([
      [0, 0, 0],
      [-0.5, 0, 0.5],
    ]);
    expect(gradOf(stdMean(x, 1)[0], x)).toEqual([
      [0, 0, 0],
      [-0.5, 0, 0.5],
    ]);
  });

  test("where: a gradient that is not finite stays on the side that was taken", () => {
    const [x, y] = [leaf([1, 2]), leaf([3, 4])];
    where(tensor([true, false]), x, y).backward(f64([NAN, Number.POSITIVE_INFINITY]));
    expect(x.grad?.tolist()).toEqual([NAN, 0]);
    expect(y.grad?.tolist()).toEqual([0, Number.POSITIVE_INFINITY]);
  });

  test("the angle of NaN is NaN, its gradient 0", () => {
    const x = leaf([NAN, -1]);
    expect(angle(x).tolist()).toEqual([NAN, Math.PI]);
    expect(gradOf(angle(x), x)).toEqual([0, 0]);
  });

  test("logit asks the lower limit first when the limits cross", () => {
    const x = f64([0.46875, 0.75, NAN]);
    // torch.logit(torch.tensor([0.46875, 0.75, nan], dtype=torch.float64), 0.7)
    const got = logit(x, 0.7);
    expect(got.tolist()).toEqual([
      expect.closeTo(0.8472978603872034, 14),
      expect.closeTo(-0.8472978603872034, 14),
      NAN,
    ]);
    const y = leaf([0.46875, 0.75]);
    expect(gradOf(logit(y, 0.7), y)).toEqual([0, 0]);
    expect(logit(f64([0.25]), NAN).item()).toBeCloseTo(-Math.log(3), 14);
  });
});

describe("indexFill", () => {
  const x = f64([
    [1, 2, 3],
    [4, 5, 6],
  ]);

  test("negative indices count from the end; a tensor without dimensions has one place", () => {
    expect(indexFill(x, 1, tensor([-1, 0]), 9).tolist()).toEqual([
      [9, 2, 9],
      [9, 5, 9],
    ]);
    expect(indexFill(f64(3), 0, tensor([0, 0]), 7).item()).toBe(7);
    expect(indexFill(f64(3), 0, zeros([0], { dtype: "int64" }), 7).item()).toBe(3);
    expect(() => indexFill(x, 1, tensor([3]), 9)).toThrow(IndexError);
    expect(() => indexFill(x, 1, tensor([-4]), 9)).toThrow(IndexError);
  });

  test("a place named twice counts once in the gradient of the value", () => {
    const [y, value] = [leaf([[1, 2, 3]]), leaf(5)];
    const [gy, gv] = grad([indexFill(y, 1, tensor([0, 0, 2]), value).sum()], [y, value]);
    expect((gy as Tensor).tolist()).toEqual([[0, 1, 0]]);
    expect((gv as Tensor).item()).toBe(2);
  });
});

describe("tensors without dimensions", () => {
  const x = f64(2);
  test("have no part, no direction and no slices", () => {
    expect(() => narrow(x, 0, 0, 1)).toThrow(/narrow.*without dimensions/);
    expect(() => roll(x, 1, 0)).toThrow(/roll.*without dimensions/);
    expect(roll(x, 1).item()).toBe(2);
    expect(() => unique(x, { dim: 0 })).toThrow(/unique.*without dimensions/);
    expect(() => uniqueConsecutive(x, { dim: -1 })).toThrow(/uniqueConsecutive.*without dimensions/);
  });

  test("and vectors take a source of one element with or without a dimension", () => {
    for (const target of [f64([1, 2]), f64(3)]) {
      for (const source of [leaf(5), leaf([5])]) {
        const out = indexAdd(target, 0, tensor([0]), source);
        expect(out.shape).toEqual(target.shape);
        expect((grad([out.sum()], [source])[0] as Tensor).shape).toEqual(source.shape);
        expect(
          indexCopy(target, 0, tensor([0]), source)
            .flatten()
            .at(0)
            .item(),
        ).toBe(5);
      }
    }
  });

  test("take exactly one index", () => {
    expect(indexAdd(x, 0, tensor([0]), f64(1)).item()).toBe(3);
    expect(() => indexAdd(x, 0, tensor([0, 0]), f64(1))).toThrow(ShapeError);
    expect(() => indexCopy(x, 0, zeros([0], { dtype: "int64" }), f64(1))).toThrow(ShapeError);
  });
});

test("unique along a dimension needs slices with elements", () => {
  expect(() => unique(zeros([2, 0]), { dim: 0 })).toThrow(/no elements to compare/);
  expect(unique(zeros([2, 0]), { dim: 1 }).shape).toEqual([2, 0]);
});

test("linalg.vander of fewer than two powers is refused", () => {
  expect(() => linalg.vander(f64([1, 2]), { N: 1 })).toThrow(ValueError);
});

describe("in place", () => {
  test("an op made of several keeps the values of before for its derivative", () => {
    const x = leaf([3, 4]);
    const expected = gradOf(x.clone().mvlgamma(2), x);
    expect(gradOf(x.clone().mvlgamma_(2), x)).toEqual(expected);
    const rows = leaf([
      [3, 4],
      [0.1, 0.2],
    ]);
    expect(gradOf(rows.clone().renorm_(2, 0, 1), rows)).toEqual(gradOf(rows.renorm(2, 0, 1), rows));
    // float32 divided by float64: the op works on a cast of x
    const divisor = leaf([2, 4]);
    const y = tensor([1, 3]).to("float32").div_(divisor);
    expect(y.dtype).toBe("float32");
    expect(gradOf(y, divisor)).toEqual([-0.25, -0.1875]);
  });

  test("what another op had saved before still counts as changed", () => {
    const x = leaf([3, 4]);
    const y = x.clone();
    const square = y.mul(y);
    y.mul_(square);
    expect(() => grad([y.sum()], [x])).toThrow(/changed in place/);
  });

  test("copy_ gives what it overwrites the gradient 0", () => {
    const [x, src] = [leaf([1, 2]), leaf(3)];
    const [gx, gs] = grad([x.clone().copy_(src).sum()], [x, src]);
    expect((gx as Tensor).tolist()).toEqual([0, 0]);
    expect((gs as Tensor).item()).toBe(2);
    expect(x.clone().copy_(f64([5, 6])).requiresGrad).toBe(true);
  });

  test("a view knows that its base came to require a gradient", () => {
    const base = zeros([2]);
    const view = base.view([-1]);
    expect([view.requiresGrad, view.isLeaf]).toEqual([false, true]);
    base.add_(tensor([1, 2], { dtype: "float32", requiresGrad: true }));
    expect([view.requiresGrad, view.isLeaf]).toEqual([true, false]);
  });

  test("views of expanded tensors may change their dimensions", () => {
    const x = () => ones([1, 3]).expand([2, 3]);
    expect(x().transpose_(0, 1).shape).toEqual([3, 2]);
    expect(x().unsqueeze_(0).shape).toEqual([1, 2, 3]);
    expect(x().squeeze_(0).shape).toEqual([2, 3]);
    expect(() => x().add_(1)).toThrow(/expanded/);
  });
});
