/** Sequences of statements in which views, in-place ops, hooks and repeated passes meet: the numbers are PyTorch's. */
import { describe, expect, test } from "vitest";
import {
  autograd,
  einsum,
  grad,
  inferenceMode,
  noGrad,
  ones,
  type Tensor,
  tensor,
  zeros,
} from "../../src/index.js";

const leaf = (values: number | number[] | number[][]) =>
  tensor(values, { dtype: "float64", requiresGrad: true });
const numbers = (t: Tensor | null | undefined) => t?.toArray() ?? null;

describe("each grad is its own", () => {
  test("of leaves that got the same gradient under createGraph", () => {
    const [a, b] = [leaf([1, 1]), leaf([1, 1])];
    a.add(b).sum().backward({ createGraph: true });
    a.mul(2).sum().backward();
    expect([a, b].map((t) => numbers(t.grad))).toEqual([
      [3, 3],
      [1, 1],
    ]);
    noGrad(() => b.grad?.zero_());
    expect(numbers(a.grad)).toEqual([3, 3]);
  });

  test("of the inputs of backward, and of the gradient that was given", () => {
    const [a, b, given] = [leaf([1, 1]), leaf([1, 1]), ones([2], { dtype: "float64" })];
    a.add(b).backward(given, { inputs: [a, b] });
    a.mul(2).sum().backward();
    expect([a.grad, b.grad, given].map(numbers)).toEqual([
      [3, 3],
      [1, 1],
      [1, 1],
    ]);
  });

  test("not the leaf, where that is its own gradient", () => {
    const x = leaf([2, 3]);
    x.backward(x, { inputs: [x] });
    x.mul(1).sum().backward();
    expect([numbers(x), numbers(x.grad), x.grad?.requiresGrad]).toEqual([[2, 3], [3, 4], false]);
  });

  test("of two tensors in the middle", () => {
    const y = leaf([1, 1]).mul(1);
    const z = y.add(1);
    y.retainGrad();
    z.retainGrad();
    z.sum().backward();
    y.grad?.zero_();
    expect(numbers(z.grad)).toEqual([1, 1]);
  });
});

test("a later pass adds to the gradient in place, and leaves its graph", () => {
  const x = leaf([1, 2]);
  x.pow(3).sum().backward({ createGraph: true });
  const { grad: first } = x;
  x.mul(2).sum().backward();
  expect(x.grad).toBe(first);
  expect(numbers(first)).toEqual([5, 14]);
  expect(numbers(grad((first as Tensor).sum(), x)[0])).toEqual([6, 12]); // 6 x
});

test("a leaf that stopped requiring a gradient after it was used gets none", () => {
  const [x, w] = [leaf([1, 2]), leaf([3, 4])];
  const y = x.mul(w);
  x.requiresGrad = false;
  y.sum().backward();
  expect([x.grad, w.grad].map(numbers)).toEqual([null, [1, 2]]);
});

describe("retainGrad", () => {
  test("adds up over passes", () => {
    const y = leaf([1, 1]).mul(1);
    y.retainGrad();
    y.retainGrad();
    y.sum().backward({ retainGraph: true });
    y.sum().backward();
    expect(numbers(y.grad)).toEqual([2, 2]);
  });

  test("of a tensor that changes in place afterwards is by its last values", () => {
    const y = leaf([1, 1]).mul(1);
    y.retainGrad();
    y.mul_(3);
    y.sum().backward();
    expect([y.retainsGrad, numbers(y.grad)]).toEqual([true, [1, 1]]);
    expect(y.detach_().retainsGrad).toBe(false);
  });

  test("of a view whose base changes", () => {
    const y = leaf([1, 1]).mul(1);
    const view = y.at("1:");
    view.retainGrad();
    y.mul_(2);
    y.mul(view).sum().backward();
    expect(numbers(view.grad)).toEqual([4]); // 2 + 2, the sum of y
  });
});

test("what a derivative does not read may change: of addcdiv and lerp, inputs without a gradient", () => {
  const [x, v, w] = [
    leaf([1, 2]),
    tensor([1, 1], { dtype: "float64" }),
    tensor([4, 5], { dtype: "float64" }),
  ];
  const [numerator, constant] = [x.mul(1), w.clone()];
  const y = v.addcdiv(numerator, w).add(x.addcdiv(v, constant)).add(numerator.lerp(v, w));
  numerator.add_(1);
  constant.add_(1);
  y.sum().backward();
  expect(numbers(x.grad)).toEqual([1 / 4 + 1 - 3, 1 / 5 + 1 - 4]); // 1 / w + 1 + (1 - w)
});

test("hooks of what lies outside of the way to the asked inputs are not called", () => {
  const [x, z] = [leaf([1]), leaf([1])];
  const y = x.mul(2);
  let calls = 0;
  y.registerHook(() => void calls++);
  grad(y.mul(z), z, { retainGraph: true });
  grad(y, z, { allowUnused: true, retainGraph: true });
  expect(calls).toBe(0);
  grad(y.mul(z), x);
  expect(calls).toBe(1);
});

test("what inference mode made cannot be saved by a custom function", () => {
  class Product extends autograd.Function {
    static forward(ctx: autograd.FunctionContext, a: Tensor, b: Tensor) {
      ctx.saveForBackward(a, b);
      return a.mul(b);
    }
    static backward(): null[] {
      return [null, null];
    }
  }
  const [x, made] = [leaf([1]), inferenceMode(() => leaf([2]).mul(1))];
  expect(() => Product.apply(x, made)).toThrow(
    "[Product] a tensor of shape [1] that inferenceMode made cannot be saved",
  );
  expect(noGrad(() => Product.apply(x, made)).toArray()).toEqual([2]);
});

describe("views and their base", () => {
  test("a view that was changed in place is a part of its base: gradients flow through the base", () => {
    const x = leaf([1, 2]);
    const y = x.mul(1);
    const view = y.at(0);
    view.mul_(3);
    expect(numbers(grad(view.mul(2), y, { retainGraph: true })[0])).toEqual([2, 0]);
    const seen: unknown[] = [];
    y.registerHook((g) => void seen.push(g.toArray()));
    view.mul(2).backward();
    expect([numbers(x.grad), seen]).toEqual([[6, 0], [[2, 0]]]);
  });

  test("hooks on a view whose base has changed are called", () => {
    const x = leaf([1, 1, 1]);
    const [y, plain] = [x.mul(1), zeros([3], { dtype: "float64" })];
    const [view, other] = [y.at(0), plain.at("1:")];
    y.mul_(2);
    plain.copy_(x); // from here on plain, and with it its view, is no leaf
    for (const t of [view, other]) t.registerHook((g) => g.mul(10));
    expect(other.isLeaf).toBe(false);
    view.add(other.sum()).backward();
    expect(numbers(x.grad)).toEqual([20, 10, 10]);
  });

  test("einsum that changes nothing gives a view, not its operand", () => {
    const x = leaf([[1, 2]]);
    expect(einsum("ij->ij", x).isLeaf).toBe(false);
    const plain = tensor([1, 2]);
    einsum("i->i", plain).add_(1);
    expect(numbers(plain)).toEqual([2, 3]);
  });
});

describe("the graph of before", () => {
  test("ends, with zeros, where a comparison is written into a tensor", () => {
    const x = leaf([1, -1]);
    const y = x.mul(1);
    y.gt_(0);
    expect([y.requiresGrad, numbers(y)]).toEqual([true, [1, 0]]);
    y.sum().backward();
    expect(numbers(x.grad)).toEqual([0, 0]);
  });

  // PyTorch keeps the graph too, but not the change of sizes: there the backward of the transpose fails.
  test("stays where dimensions change in place without recording", () => {
    const x = leaf([[1, 2, 3]]);
    const y = x.mul(2);
    noGrad(() => y.t_().unsqueeze_(0));
    expect([y.shape, y.requiresGrad]).toEqual([[1, 3, 1], true]);
    y.mul(tensor([[1], [2], [3]]))
      .sum()
      .backward();
    expect(numbers(x.grad)).toEqual([[2, 4, 6]]);
  });
});
