/** func: transforms of functions, nested, on trees, with captured tensors, under noGrad; vmap; ensembles. */
import { describe, expect, test } from "vitest";
import {
  func,
  grad,
  manualSeed,
  nn,
  noGrad,
  ones,
  rand,
  type Tensor,
  tensor,
  zeros,
} from "../../src/index.js";
import { gradcheck } from "../../src/testing/index.js";

const of = (values: number | number[] | number[][]) => tensor(values, { dtype: "float64" });
const leaf = (values: number | number[] | number[][]) =>
  tensor(values, { dtype: "float64", requiresGrad: true });

describe("grad", () => {
  test("is the derivative, again and again", () => {
    const f = (x: Tensor) => x.pow(4);
    const third = func.grad(func.grad(func.grad(f)));
    expect(func.grad(f)(of(2)).item()).toBe(32);
    expect(third(of(2)).item()).toBe(48);
    expect(third(of(2)).requiresGrad).toBe(false);
  });

  test("of a gradient by another argument is no part of a graph", () => {
    const inner = func.grad((x: Tensor, y: Tensor) => x.square().mul(y).sum()); // 2 x y
    const outer = func.grad((x: Tensor, y: Tensor) => inner(x, y).square().sum(), { argnums: 1 }); // 8 x^2 y
    const g = outer(of([1, 2]), of([3, 4]));
    expect([g.toArray(), g.requiresGrad]).toEqual([[24, 128], false]);
    const y = of([3, 4]).requiresGrad_();
    const [second] = grad(outer(of([1, 2]), y).sum(), y);
    expect(second.toArray()).toEqual([8, 32]);
  });

  test("argnums chooses, counting from either end", () => {
    const f = (x: Tensor, y: Tensor) => x.mul(y.square()).sum();
    expect(
      func
        .grad(f, { argnums: 1 })(of([3]), of([2]))
        .toArray(),
    ).toEqual([12]);
    expect(
      func
        .grad(f, { argnums: -1 })(of([3]), of([2]))
        .toArray(),
    ).toEqual([12]);
    const [gx, gy] = func.grad(f, { argnums: [0, 1] })(of([3]), of([2]));
    expect([gx.toArray(), gy.toArray()]).toEqual([[4], [12]]);
    expect(() => func.grad(f, { argnums: 2 })(of([3]), of([2]))).toThrow(
      "[func.grad] argnums 2 is out of range: the function was called with 2 arguments",
    );
  });

  test("arguments may be trees, and aux passes through", () => {
    const f = (p: { w: Tensor; b: Tensor[] }) => {
      const y = p.w
        .mul(3)
        .add((p.b[0] as Tensor).square())
        .sum();
      return [y, { y, note: "kept" }] as const;
    };
    const [g, aux] = func.grad(f, { hasAux: true })({ w: of([1, 2]), b: [of([5, 6])] });
    expect(g.w.toArray()).toEqual([3, 3]);
    expect((g.b[0] as Tensor).toArray()).toEqual([10, 12]);
    expect(aux.note).toBe("kept");
    expect(aux.y.requiresGrad).toBe(false);
    const [, [value, again]] = func.gradAndValue(f, { hasAux: true })({ w: of([1]), b: [of([2])] });
    expect([value.item(), again.y.item()]).toEqual([7, 7]);
  });

  test("what does not matter gets zeros", () => {
    const g = func.grad((x: Tensor, _: Tensor) => x.sum(), { argnums: 1 })(of([1, 2]), of([3]));
    expect(g.toArray()).toEqual([0]);
    expect(
      func
        .grad((_: Tensor) => of(1))(of([1, 2]))
        .toArray(),
    ).toEqual([0, 0]);
  });

  test("refuses outputs that are not 0-d", () => {
    expect(() => func.grad((x: Tensor) => x)(of([1, 2]))).toThrow(
      "[func.grad] the function must return one tensor without dimensions: got [2]; try sum()",
    );
    expect(() => func.grad((x: Tensor) => x.sum())(tensor([1, 2]))).toThrow(
      "[func.grad] derivatives exist for floating tensors only: got int64",
    );
    expect(() => func.grad((x: Tensor) => x.sum() as never, { hasAux: true })(of([1]))).toThrow(
      "[func.grad] with hasAux the function must return [output, aux]",
    );
  });

  test("ordinary autograd sees through it: inputs and captured tensors", () => {
    const [x, w] = [leaf([1, 2]), leaf([3, 4])];
    const g = func.grad((t: Tensor) => t.pow(3).mul(w).sum())(x);
    g.sum().backward();
    expect(x.grad?.toArray()).toEqual([18, 48]);
    expect(w.grad?.toArray()).toEqual([3, 12]);
    gradcheck((a, b) => func.grad((t: Tensor) => t.pow(3).mul(b).sum())(a), [leaf([1, 2]), leaf([3, 4])]);
  });

  test("under noGrad it computes, and its result has no graph", () => {
    const x = leaf([1, 2]);
    const g = noGrad(() => func.grad((t: Tensor) => t.square().sum())(x));
    expect(g.toArray()).toEqual([2, 4]);
    expect(g.requiresGrad).toBe(false);
    expect(x.grad).toBe(null);
  });
});

describe("vjp, jvp, linearize", () => {
  const f = (x: Tensor, y: Tensor) => ({ product: x.mul(y), sum: x.sum() });

  test("vjp pulls trees back, as often as one likes", () => {
    const [out, pull] = func.vjp(f, [of([1, 2]), of([3, 4])]);
    expect(out.product.toArray()).toEqual([3, 8]);
    const [gx, gy] = pull({ product: of([1, 10]), sum: of(100) });
    expect([gx.toArray(), gy.toArray()]).toEqual([
      [103, 140],
      [1, 20],
    ]);
    expect(pull({ product: of([1, 0]), sum: of(0) })[0].toArray()).toEqual([3, 0]);
    expect(() => pull({ product: of([1]), sum: of(0) })).toThrow(
      "[func.vjp] cotangents 0 has shape [1], expected [2]",
    );
  });

  test("vjp takes a single primal bare", () => {
    const [y, pull] = func.vjp((x: Tensor) => x.square(), of([1, 2]));
    expect(y.toArray()).toEqual([1, 4]);
    expect(pull(of([1, 10]))[0].toArray()).toEqual([2, 40]);
  });

  test("jvp and linearize push tangents forward", () => {
    const [out, tangent] = func.jvp(f, [of([1, 2]), of([3, 4])], [of([1, 0]), of([0, 1])]);
    expect(out.sum.item()).toBe(3);
    expect(tangent.product.toArray()).toEqual([3, 2]);
    expect(tangent.sum.item()).toBe(1);
    const [, push] = func.linearize(f, [of([1, 2]), of([3, 4])]);
    expect(push(of([1, 0]), of([0, 1])).product.toArray()).toEqual([3, 2]);
    expect(push(of([0, 1]), of([0, 0])).product.toArray()).toEqual([0, 4]);
    const constant = func.jvp(() => of([5]), [of([1])] as never, [of([1])] as never);
    expect(constant[1].toArray()).toEqual([0]);
    expect(() => func.jvp(() => of([5]), [of([1])] as never, [of([1])] as never, { strict: true })).toThrow(
      "[func.jvp] output 0 does not depend on the primals",
    );
  });

  test("aux comes third", () => {
    const [y, pull, aux] = func.vjp((x: Tensor) => [x.square(), "aux"] as const, [of([3])], { hasAux: true });
    expect([y.item(), pull(of([1]))[0].item(), aux]).toEqual([9, 6, "aux"]);
    const result = func.jvp((x: Tensor) => [x.square(), "aux"] as const, [of([3])], [of([2])], {
      hasAux: true,
    });
    expect([result[0].item(), result[1].item(), result[2]]).toEqual([9, 12, "aux"]);
  });

  test("forward over reverse, reverse over forward", () => {
    const g = func.grad((x: Tensor) => x.pow(3).sum());
    expect(func.jvp(g, [of([1, 2])], [of([1, 1])])[1].toArray()).toEqual([6, 12]);
    const d = func.grad((x: Tensor) => func.jvp((t: Tensor) => t.pow(3).sum(), [x], [of([1, 1])])[1]);
    expect(d(of([1, 2])).toArray()).toEqual([6, 12]);
    gradcheck((x, v) => func.jvp((t: Tensor) => t.pow(3), [x], [v])[1], [leaf([1, 2]), leaf([3, 4])]);
  });
});

describe("jacrev, jacfwd, hessian", () => {
  test("both ways give the same, on trees and several arguments", () => {
    const f = (x: Tensor, y: Tensor) => ({ outer: x.square().unsqueeze(1).mul(y), sum: y.sum() });
    for (const jac of [func.jacrev, func.jacfwd]) {
      const j = jac(f, { argnums: [0, 1] })(of([1, 2]), of([3]));
      expect(j.outer[0].toArray()).toEqual([[[6, 0]], [[0, 12]]]);
      expect(j.outer[1].toArray()).toEqual([[[1]], [[4]]]);
      expect(j.sum[0].toArray()).toEqual([0, 0]);
      expect(j.sum[1].toArray()).toEqual([1]);
      const [lone, aux] = jac((x: Tensor) => [x.square(), "aux"] as const, { hasAux: true })(of([1, 2]));
      expect([lone.toArray(), aux]).toEqual([
        [
          [2, 0],
          [0, 4],
        ],
        "aux",
      ]);
      expect(jac((x: Tensor) => x.mul(2))(zeros([0])).shape).toEqual([0, 0]);
    }
  });

  test("hessian, and Jacobians of Jacobians", () => {
    const f = (x: Tensor) => x.prod();
    const expected = [
      [0, 3, 2],
      [3, 0, 1],
      [2, 1, 0],
    ];
    expect(
      func
        .hessian(f)(of([1, 2, 3]))
        .toArray(),
    ).toEqual(expected);
    expect(
      func
        .jacrev(func.jacrev(f))(of([1, 2, 3]))
        .toArray(),
    ).toEqual(expected);
    expect(
      func
        .jacrev(func.jacfwd(f))(of([1, 2, 3]))
        .toArray(),
    ).toEqual(expected);
    expect(
      func
        .jacfwd(func.jacfwd(f))(of([1, 2, 3]))
        .toArray(),
    ).toEqual(expected);
    const blocks = func.hessian((x: Tensor, y: Tensor) => x.mul(y.square()).sum(), { argnums: [0, 1] });
    const [[xx, xy], [, yy]] = blocks(of([3]), of([2]));
    expect([xx.toArray(), xy.toArray(), yy.toArray()]).toEqual([[[0]], [[4]], [[6]]]);
  });
});

describe("vmap", () => {
  test("maps over the chosen dimensions and stacks where asked", () => {
    const dot = (a: Tensor, b: Tensor) => a.mul(b).sum();
    const [a, b] = [
      of([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
      of([
        [1, 0],
        [0, 1],
        [1, 1],
      ]),
    ];
    expect(func.vmap(dot)(a, b).toArray()).toEqual([1, 4, 11]);
    expect(func.vmap(dot, { inDims: 1 })(a, b).toArray()).toEqual([6, 10]);
    expect(
      func
        .vmap(dot, { inDims: [0, null] })(a, of([1, 1]))
        .toArray(),
    ).toEqual([3, 7, 11]);
    expect(func.vmap((x: Tensor) => x.mul(2), { outDims: 1 })(a).shape).toEqual([2, 3]);
    expect(
      func
        .vmap((x: Tensor) => x.mul(2), { inDims: -1, outDims: -1 })(a)
        .toArray(),
    ).toEqual(a.mul(2).toArray());
    const pair = func.vmap((x: Tensor) => ({ x, s: x.sum() }), { outDims: [1, 0] })(a);
    expect([pair.x.shape, pair.s.shape]).toEqual([[2, 3], [3]]);
    const tree = func.vmap((p: { w: Tensor; k: number }) => p.w.mul(p.k));
    expect(tree({ w: a, k: 10 }).toArray()).toEqual(a.mul(10).toArray());
  });

  test("nests, and composes with derivatives both ways", () => {
    const product = func.vmap(
      func.vmap((x: Tensor, y: Tensor) => x.mul(y), { inDims: [null, 0] }),
      {
        inDims: [0, null],
      },
    );
    expect(product(of([1, 2]), of([3, 4, 5])).toArray()).toEqual([
      [3, 4, 5],
      [6, 8, 10],
    ]);
    const perSample = func.vmap(
      func.grad((w: Tensor, x: Tensor) => w.mul(x).sum().square()),
      {
        inDims: [null, 0],
      },
    );
    expect(
      perSample(
        of([1, 2]),
        of([
          [1, 0],
          [1, 1],
        ]),
      ).toArray(),
    ).toEqual([
      [2, 0],
      [6, 6],
    ]);
    const summed = func.grad((x: Tensor) =>
      func
        .vmap((r: Tensor) => r.square().sum())(x)
        .sum(),
    );
    expect(
      summed(
        of([
          [1, 2],
          [3, 4],
        ]),
      ).toArray(),
    ).toEqual([
      [2, 4],
      [6, 8],
    ]);
    gradcheck(
      (x) => func.vmap((r: Tensor) => r.exp().sum())(x),
      [
        leaf([
          [1, 2],
          [3, 4],
        ]),
      ],
    );
  });

  test("random draws: refused, the same, or different", () => {
    const noisy = (x: Tensor) => x.add(rand([]));
    expect(() => func.vmap(noisy)(zeros([3]))).toThrow("[vmap] the function drew random numbers");
    manualSeed(1);
    const same = func
      .vmap(noisy, { randomness: "same" })(zeros([3]))
      .toArray() as number[];
    expect(new Set(same).size).toBe(1);
    manualSeed(1);
    const draws = [rand([]).item(), rand([]).item(), rand([]).item()];
    manualSeed(1);
    expect(
      func
        .vmap(noisy, { randomness: "different" })(zeros([3]))
        .toArray(),
    ).toEqual(draws);
  });

  test("says what does not fit", () => {
    const f = (x: Tensor, y: Tensor) => x.add(y);
    expect(() => func.vmap(f)(zeros([2]), zeros([3]))).toThrow("[vmap] the batch dimensions differ in size");
    expect(() => func.vmap(f, { inDims: [0] })(zeros([2]), zeros([2]))).toThrow(
      "[vmap] inDims has 1 entries, expected 2",
    );
    expect(() => func.vmap(f, { inDims: [null, null] })(zeros([2]), zeros([2]))).toThrow(
      "[vmap] no argument has a batch",
    );
    expect(() => func.vmap((x: Tensor) => x)(zeros([0, 2]))).toThrow("[vmap] the batch is empty");
    expect(() => func.vmap((_: Tensor) => 3)(zeros([2]))).toThrow("[vmap] the function returned no tensor");
  });
});

describe("modules", () => {
  test("functionalCall under grad", () => {
    const model = new nn.Sequential(new nn.Linear(3, 4), new nn.Tanh(), new nn.Linear(4, 1)).double();
    const params = Object.fromEntries(model.namedParameters()) as Record<string, Tensor>;
    const x = of([
      [1, 2, 3],
      [0, 1, 0],
    ]);
    const loss = (p: Record<string, Tensor>) => func.functionalCall(model, p, [x]).square().mean();
    const g = func.grad(loss)(params);
    loss(params).backward();
    for (const [name, p] of model.namedParameters()) {
      expect(g[name]?.detach().allclose(p.grad as Tensor)).toBe(true);
    }
  });

  test("an ensemble by stackModuleState and vmap", () => {
    const models = [1, 2, 3].map(() => new nn.Linear(3, 2));
    const [params, buffers] = func.stackModuleState(models);
    expect([params.weight?.shape, params.weight?.requiresGrad, buffers]).toEqual([[3, 2, 3], true, {}]);
    const run = (p: Record<string, Tensor>, x: Tensor) => func.functionalCall(models[0] as nn.Linear, p, [x]);
    const y = func.vmap(run, { inDims: [0, null] })(params, ones([5, 3]));
    models.forEach((model, i) => {
      expect((y.toArray() as unknown[])[i]).toEqual(model(ones([5, 3])).toArray());
    });
    y.sum().backward();
    expect(params.bias?.grad?.toArray()).toEqual([
      [5, 5],
      [5, 5],
      [5, 5],
    ]);
    expect(() => func.stackModuleState([])).toThrow("[stackModuleState] got no models");
    expect(() => func.stackModuleState([new nn.Linear(1, 1), new nn.ReLU()])).toThrow(
      "[stackModuleState] expected models of one class: got Linear, ReLU",
    );
    expect(() => func.stackModuleState([new nn.Linear(1, 1), new nn.Linear(1, 1).eval()])).toThrow(
      "training mode",
    );
    expect(() => func.stackModuleState([new nn.Linear(1, 1), new nn.Linear(1, 1, { bias: false })])).toThrow(
      '[stackModuleState] model 1 has no "bias"',
    );
  });
});
