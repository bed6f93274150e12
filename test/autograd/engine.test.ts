/** The tape and its engine: order, accumulation, hooks, versions, views, errors. */
import { describe, expect, test } from "vitest";
import {
  autograd,
  grad,
  nn,
  noGrad,
  ones,
  setGradEnabled,
  type Tensor,
  tensor,
  zeros,
} from "../../src/index.js";
import { gradcheck, gradgradcheck } from "../../src/testing/index.js";

const leaf = (values: number | number[] | number[][]) =>
  tensor(values, { dtype: "float64", requiresGrad: true });
const gradOf = (x: Tensor) => x.grad?.toArray();

describe("backward", () => {
  test("a tensor used twice gets the sum of both gradients", () => {
    const x = leaf([1, 2, 3]);
    x.mul(x).add(x).sum().backward();
    expect(gradOf(x)).toEqual([3, 5, 7]);
  });

  test("gradients accumulate over passes", () => {
    const x = leaf([1, 2]);
    x.mul(3).sum().backward();
    x.mul(3).sum().backward();
    expect(gradOf(x)).toEqual([6, 6]);
  });

  test("two leaves that receive the same gradient do not share it", () => {
    const [x, y] = [leaf([1]), leaf([2])];
    x.add(y).sum().backward();
    x.grad?.mul_(10);
    expect(gradOf(y)).toEqual([1]);
  });

  test("gradients have a graph of their own with createGraph alone", () => {
    const x = leaf([1, 2]);
    x.mul(x).exp().sum().backward();
    expect([x.grad?.requiresGrad, x.grad?.gradFn]).toEqual([false, null]);
    const cube = () => x.mul(x).mul(x).sum();
    expect(grad(cube(), x)[0].requiresGrad).toBe(false);
    expect(grad(cube(), x, { createGraph: true })[0].requiresGrad).toBe(true);
  });

  test("a pass that ended in an error leaves nothing behind", () => {
    const x = leaf([3]);
    const shared = x.mul(2);
    const first = shared.mul(5);
    const hook = first.registerHook(() => {
      throw new Error("in the middle");
    });
    // The second summand, made last, has handed its part to `shared` when the hook throws.
    const y = first.add(shared.mul(7)).sum();
    expect(() => y.backward(null, { retainGraph: true })).toThrow("in the middle");
    expect(gradOf(x)).toBeUndefined();
    hook.remove();
    y.backward();
    expect(gradOf(x)).toEqual([24]);
  });

  test("one operand three times", () => {
    const x = leaf([2]);
    const y = x.mul(1);
    y.add(y).add(y).sum().backward();
    expect(gradOf(x)).toEqual([3]);
  });

  test("a graph of 100,000 nodes does not overflow the stack", () => {
    const x = leaf([1]);
    let y: Tensor = x;
    for (let i = 0; i < 100_000; i++) y = y.add(1);
    y.sum().backward();
    expect(gradOf(x)).toEqual([1]);
  });

  test("a diamond of depth 60 is walked once per node", () => {
    const x = leaf([1]);
    let y: Tensor = x;
    for (let i = 0; i < 60; i++) y = y.add(y);
    y.sum().backward();
    expect(gradOf(x)).toEqual([2 ** 60]);
  });

  test("the graph is freed after one walk, and kept on request", () => {
    const x = leaf([1, 2]);
    const y = x.mul(x).sum();
    y.backward({ retainGraph: true });
    y.backward();
    expect(gradOf(x)).toEqual([4, 8]);
    expect(() => y.backward()).toThrow(/\[backward\] the graph of Mul was already freed/);
  });

  test("only scalars get an implicit gradient", () => {
    expect(() => leaf([1, 2]).mul(2).backward()).toThrow(/one element: got shape \[2\]; try loss\.mean/);
    expect(() => tensor(1.5).backward()).toThrow(/does not require a gradient/);
    expect(() =>
      leaf([1, 2])
        .mul(2)
        .backward(ones([3], { dtype: "float64" })),
    ).toThrow(/shape \[3\], expected \[2\]/);
  });

  test("inputs option: only those get a gradient", () => {
    const [x, y] = [leaf([1]), leaf([2])];
    x.mul(y)
      .sum()
      .backward({ inputs: [x] });
    expect(gradOf(x)).toEqual([2]);
    expect(y.grad).toBe(null);
  });
});

describe("grad", () => {
  test("third derivative of x^4", () => {
    const x = leaf(2);
    let y = x.mul(x).mul(x).mul(x);
    for (let order = 0; order < 3; order++) y = grad(y, x, { createGraph: true })[0] as Tensor;
    expect(y.item()).toBe(48);
  });

  test("unused inputs are an error, null, or zeros", () => {
    const [x, y] = [leaf([1]), leaf([2])];
    expect(() => grad(x.mul(2).sum(), [x, y])).toThrow(/input 1 was not used .*allowUnused/);
    expect(grad(x.mul(2).sum(), [x, y], { allowUnused: true })[1]).toBe(null);
    expect(grad(x.mul(2).sum(), [x, y], { materializeGrads: true })[1]?.toArray()).toEqual([0]);
  });

  test("gradient of a tensor in the middle", () => {
    const x = leaf([1, 2]);
    const y = x.mul(3);
    expect(grad(y.mul(y).sum(), y)[0]?.toArray()).toEqual([6, 12]);
    expect(x.grad).toBe(null);
  });

  test("float32 operand of a float64 product gets a float32 gradient of its shape", () => {
    const x = tensor([1, 2], { dtype: "float32", requiresGrad: true });
    x.mul(tensor([[1], [2]], { dtype: "float64" }))
      .sum()
      .backward();
    expect([x.grad?.dtype, x.grad?.shape, gradOf(x)]).toEqual(["float32", [2], [3, 3]]);
  });
});

describe("modes", () => {
  test("noGrad records nothing; as a scope it ends", () => {
    const x = leaf([1]);
    expect(noGrad(() => x.mul(2)).requiresGrad).toBe(false);
    const restore = setGradEnabled(false);
    expect(x.mul(2).requiresGrad).toBe(false);
    restore();
    expect(x.mul(2).requiresGrad).toBe(true);
  });

  test("what inference mode makes cannot be saved for backward; views of other tensors and clones can", () => {
    const w = leaf([2, 3]);
    const known = tensor([4, 5], { dtype: "float64" });
    const [made, view] = autograd.inferenceMode(() => [known.mul(2), known.narrow(0, 0, 2)] as const);
    expect([made.isInference(), view.isInference(), known.isInference()]).toEqual([true, false, false]);
    expect(() => w.mul(made)).toThrow(
      "[Mul] a tensor of shape [2] was made in inferenceMode and cannot be saved for backward; try clone() of it, or " +
        "noGrad in place of inferenceMode",
    );
    expect(w.add(made).requiresGrad).toBe(true); // saves nothing
    expect(grad(w.mul(made.clone()).mul(view).sum(), [w])[0]?.toArray()).toEqual([32, 50]);
  });

  test("what inference mode makes cannot be changed in place or require a gradient after it; a clone can", () => {
    const [made, view, learned] = autograd.inferenceMode(() => {
      const made = tensor([4, 5], { dtype: "float64" });
      made.add_(1); // inside it may
      return [made, made.narrow(0, 0, 1), tensor([1, 2], { dtype: "float64" }).requiresGrad_()] as const;
    });
    const message =
      /^\[\w+\] a tensor of shape \[[12]\] that inferenceMode made cannot be changed in place outside of it/;
    for (const change of [
      () => made.add_(1),
      () => view.mul_(2),
      () => made.setAt_([0], 7),
      () => made.copy_(zeros([2])),
      () => made.zero_(),
      () => made.normal_(),
      () => made.unsqueeze_(0),
      () => noGrad(() => made.add_(1)),
      () => nn.init.ones_(made),
    ]) {
      expect(change).toThrow(message);
    }
    expect(() => made.requiresGrad_()).toThrow(
      "[requiresGrad_] a tensor of shape [2] that inferenceMode made cannot",
    );
    expect(() => new nn.Parameter(made)).toThrow(
      "[Parameter] a tensor of shape [2] that inferenceMode made cannot",
    );
    expect(made.requiresGrad_(false).toArray()).toEqual([5, 6]);
    expect(made.clone().add_(1).requiresGrad_().toArray()).toEqual([6, 7]);
    expect(autograd.inferenceMode(() => made.add_(1)).toArray()).toEqual([6, 7]);
    expect(learned.requiresGrad).toBe(true);
  });

  test("anomaly detection shows where the forward was called", () => {
    const x = leaf([0]);
    expect(() => autograd.detectAnomaly(() => x.div(x).sum().backward())).toThrow(
      /Div returned NaN[\s\S]*engine\.test/,
    );
  });
});

describe("requiresGrad", () => {
  test("set on a leaf, it freezes and thaws it", () => {
    const [w, x] = [leaf([2]), leaf([3])];
    w.requiresGrad = false;
    w.mul(x).sum().backward();
    expect([w.grad, gradOf(x)]).toEqual([null, [2]]);
    w.requiresGrad = true;
    w.mul(x).sum().backward();
    expect(gradOf(w)).toEqual([3]);
  });

  test("it cannot be set to false on a result, nor to true on integers", () => {
    const y = leaf([2]).mul(2);
    expect(() => {
      y.requiresGrad = false;
    }).toThrow("only leaves can stop requiring a gradient; try detach()");
    expect(() => {
      tensor([1]).requiresGrad = true;
    }).toThrow("only floating tensors can require gradients: got int64");
  });
});

describe("hooks", () => {
  test("a hook sees and replaces the gradient of leaves and of tensors in the middle", () => {
    const x = leaf([1]);
    const y = x.mul(3);
    const seen: unknown[] = [];
    y.registerHook((g) => g.mul(10));
    const handle = x.registerHook((g) => void seen.push(g.toArray()));
    y.sum().backward({ retainGraph: true });
    handle.remove();
    y.sum().backward();
    expect(seen).toEqual([[30]]);
    expect(gradOf(x)).toEqual([60]);
  });

  test("retainGrad keeps the gradient of a tensor in the middle", () => {
    const x = leaf([2]);
    const y = x.mul(3);
    y.retainGrad();
    y.mul(y).sum().backward();
    expect(gradOf(y)).toEqual([12]);
    expect(gradOf(x)).toEqual([36]);
  });

  test("post-accumulate hooks run with the finished gradient", () => {
    const x = leaf([2]);
    const seen: unknown[] = [];
    x.registerPostAccumulateGradHook((t) => seen.push(gradOf(t)));
    x.mul(3).sum().backward();
    expect(seen).toEqual([[3]]);
  });
});

describe("in place", () => {
  test("a saved tensor that changes makes backward throw and name the op", () => {
    const x = leaf([1, 2]);
    const y = x.mul(1);
    const z = y.mul(y);
    y.add_(1);
    expect(() => z.sum().backward()).toThrow(
      /input 1 of Mul.*changed in place.*version 1, expected version 0/,
    );
  });

  test("a leaf that requires a gradient refuses", () => {
    expect(() => leaf([1]).add_(1)).toThrow(/\[add_\] a leaf that requires a gradient/);
    expect(() =>
      leaf([[1]])
        .select(0, 0)
        .add_(1),
    ).toThrow(/a view of a leaf/);
    const x = leaf([1]);
    noGrad(() => x.add_(1));
    expect(x.toArray()).toEqual([2]);
  });

  test("an op that saves its input can run in place on it", () => {
    const x = leaf([2, 3]);
    const y = x.mul(1);
    y.mul_(y);
    y.sum().backward();
    expect(gradOf(x)).toEqual([4, 6]);
  });

  test("writing to a view rewrites the base and its other views", () => {
    const f = (x: Tensor) => {
      const y = x.mul(2);
      const row = y.select(0, 0);
      const column = y.select(1, 1);
      row.mul_(x.select(0, 1));
      column.add_(x.select(1, 0));
      return y.mul(row.unsqueeze(0)).add(column.unsqueeze(1));
    };
    const x = leaf([
      [1, 2],
      [3, 4.5],
    ]);
    gradcheck(f, [x]);
    gradgradcheck(f, [x]);
  });

  test("writing into zeros collects pieces", () => {
    const x = leaf([1, 2, 3]);
    const out = zeros([2, 3], { dtype: "float64" });
    out.select(0, 1).add_(x.mul(x));
    expect(out.requiresGrad).toBe(true);
    out.mul(2).sum().backward();
    expect(gradOf(x)).toEqual([4, 8, 12]);
  });
});

describe("custom functions", () => {
  class Cube extends autograd.Function {
    static forward(ctx: autograd.FunctionContext, x: Tensor): Tensor {
      ctx.saveForBackward(x);
      return x.mul(x).mul(x);
    }
    static backward(ctx: autograd.FunctionContext, g: Tensor): Tensor {
      const [x] = ctx.savedTensors as [Tensor];
      return g.mul(x).mul(x).mul(3);
    }
  }

  test("first and second derivative pass the checks", () => {
    const x = leaf([1, -2, 0.5]);
    expect(Cube.apply(x).toArray()).toEqual([1, -8, 0.125]);
    gradcheck((t) => Cube.apply(t as Tensor), [x]);
    gradgradcheck((t) => Cube.apply(t as Tensor), [x]);
  });

  test("apply without its class says what to write", () => {
    const { apply } = Cube as { apply: (x: Tensor) => Tensor };
    expect(() => apply(leaf([1]))).toThrow(
      "[Function] apply was called without its class, expected Cube.apply(x)",
    );
  });

  test("several outputs, one without a gradient, arguments that are no tensors", () => {
    class Split extends autograd.Function {
      static forward(ctx: autograd.FunctionContext, x: Tensor, scale: number): Tensor[] {
        ctx.scale = scale;
        const count = ones([1], { dtype: "float64" });
        ctx.markNonDifferentiable(count);
        return [x.mul(scale), count];
      }
      static backward(ctx: autograd.FunctionContext, g: Tensor): (Tensor | null)[] {
        return [g.mul(ctx.scale as number), null];
      }
    }
    const x = leaf([1, 2]);
    const [y, count] = Split.apply(x, 3) as [Tensor, Tensor];
    expect(count.requiresGrad).toBe(false);
    y.sum().backward();
    expect(gradOf(x)).toEqual([3, 3]);
  });

  test("a wrong number of gradients is an error that names the function", () => {
    class Wrong extends autograd.Function {
      static forward(_: autograd.FunctionContext, x: Tensor, y: Tensor): Tensor {
        return x.mul(y);
      }
      static backward(_: autograd.FunctionContext, g: Tensor): Tensor[] {
        return [g, g, g];
      }
    }
    expect(() =>
      Wrong.apply(leaf([1]), leaf([2]))
        .sum()
        .backward(),
    ).toThrow(/\[Wrong\] backward returned 3 gradients, expected 2/);
  });
});

test("pictures of a graph", () => {
  const y = leaf([1, 2]).mul(3).sum();
  expect(autograd.graphText(y)).toBe("n0: Sum [] -> n1\nn1: Mul [2] -> leaf2\nleaf2: leaf float64 [2]");
  expect(autograd.toDot(y)).toContain('n0 [label="Sum []", shape=box];');
});

test("grad computes only what was asked for", () => {
  const [x, w] = [leaf([1, 2]), leaf([3, 4])];
  const asked: boolean[][] = [];
  class Watched extends autograd.Function {
    static forward(ctx: autograd.FunctionContext, a: Tensor, b: Tensor): Tensor {
      ctx.saveForBackward(a, b);
      return a.mul(b);
    }
    static backward(ctx: autograd.FunctionContext, g: Tensor): (Tensor | null)[] {
      const [a, b] = ctx.savedTensors as [Tensor, Tensor];
      asked.push(ctx.needsInputGrad);
      return [g.mul(b), g.mul(a)];
    }
  }
  expect(grad(Watched.apply(x, w).sum(), x)[0]?.toArray()).toEqual([3, 4]);
  expect(grad(x.mul(w).sum(), w)[0]?.toArray()).toEqual([1, 2]);
  expect(asked).toEqual([[true, false]]);
});
