/** autograd.functional: Jacobians, Hessians and their products, against formulas and against one another. */
import { describe, expect, test } from "vitest";
import { autograd, noGrad, type Tensor, tensor, zeros } from "../../src/index.js";
import { gradcheck } from "../../src/testing/index.js";

const { hessian, hvp, jacobian, jvp, vhp, vjp } = autograd.functional;
const of = (values: number | number[] | number[][]) => tensor(values, { dtype: "float64" });
const leaf = (values: number | number[] | number[][]) =>
  tensor(values, { dtype: "float64", requiresGrad: true });

/** x_i^2 y_j and the sum of all: two inputs, two outputs. */
const outer = (x: Tensor, y: Tensor): [Tensor, Tensor] => {
  const product = x.square().unsqueeze(1).mul(y);
  return [product, product.sum()];
};

describe("jacobian", () => {
  test("one input, one output: shape output + input", () => {
    const j = jacobian(
      (x) => x.exp().sum(1),
      of([
        [0, 1],
        [2, 0],
      ]),
    );
    expect(j.shape).toEqual([2, 2, 2]);
    const e = Math.exp(1);
    expect(
      j.allclose(
        tensor(
          [
            [
              [1, e],
              [0, 0],
            ],
            [
              [0, 0],
              [e * e, 1],
            ],
          ],
          { dtype: "float64" },
        ),
      ),
    ).toBe(true);
    expect(j.requiresGrad).toBe(false);
  });

  test("several inputs and outputs: [output][input]", () => {
    const [x, y] = [of([1, 2]), of([3, 4, 5])];
    const [[dpdx, dpdy], [dsdx, dsdy]] = jacobian(outer, [x, y]);
    expect(dpdx.shape).toEqual([2, 3, 2]);
    expect(dpdy.shape).toEqual([2, 3, 3]);
    expect(dpdx.toArray()).toEqual([
      [
        [6, 0],
        [8, 0],
        [10, 0],
      ],
      [
        [0, 12],
        [0, 16],
        [0, 20],
      ],
    ]);
    expect(dsdx.toArray()).toEqual([24, 48]);
    expect(dsdy.toArray()).toEqual([5, 5, 5]);
  });

  test("column by column gives the same", () => {
    const inputs = [of([1, 2]), of([3, 4, 5])] as const;
    const forward = jacobian(outer, inputs, { strategy: "forward-mode" });
    expect(forward.flat().map((t) => t.toArray())).toEqual(
      jacobian(outer, inputs)
        .flat()
        .map((t) => t.toArray()),
    );
  });

  test("outputs and inputs without elements", () => {
    expect(jacobian((x) => x.mul(2), zeros([0, 3])).shape).toEqual([0, 3, 0, 3]);
    expect(jacobian((x) => x.sum(), zeros([0, 3])).shape).toEqual([0, 3]);
    expect(jacobian((x) => x.mul(2), zeros([0]), { strategy: "forward-mode" }).shape).toEqual([0, 0]);
  });

  test("an input that nothing depends on gets zeros; strict refuses it", () => {
    const f = (x: Tensor, _: Tensor) => x.mul(2);
    const [, zero] = jacobian(f, [of([1]), of([2, 3])]);
    expect(zero.toArray()).toEqual([[0, 0]]);
    expect(() => jacobian(f, [of([1]), of([2, 3])], { strict: true })).toThrow(
      "[jacobian] the output 0 does not depend on input 1, which strict does not allow",
    );
    expect(() => jacobian(() => of([1]), of([1]), { strict: true })).toThrow(
      "[jacobian] output 0 does not depend on the inputs",
    );
  });

  test("with createGraph it is differentiable, and connected to the inputs", () => {
    gradcheck((x) => jacobian((t) => t.pow(3), x, { createGraph: true }).sum(0), [leaf([1, 2])]);
    gradcheck(
      (x) => jacobian((t) => t.pow(3), x, { createGraph: true, strategy: "forward-mode" }).sum(0),
      [leaf([1, 2])],
    );
  });

  test("works under noGrad and leaves grad fields alone", () => {
    const x = leaf([1, 2]);
    expect(noGrad(() => jacobian((t) => t.square(), x)).toArray()).toEqual([
      [2, 0],
      [0, 4],
    ]);
    expect(x.grad).toBe(null);
  });
});

describe("products with vectors", () => {
  test("vjp is the transposed Jacobian times v", () => {
    const [y, g] = vjp(
      (x: Tensor) => x.exp().sum(1),
      of([
        [0, 1],
        [2, 0],
      ]),
      of([1, 2]),
    );
    expect(y.shape).toEqual([2]);
    const e = Math.exp(1);
    expect(
      g.allclose(
        of([
          [1, e],
          [2 * e * e, 2],
        ]),
      ),
    ).toBe(true);
    const [, [gx, gy]] = vjp((a, b) => a.mul(2).add(b.mul(3)), [of([1, 2]), of([3, 4])], of([1, 1]));
    expect([gx.toArray(), gy.toArray()]).toEqual([
      [2, 2],
      [3, 3],
    ]);
  });

  test("jvp is the Jacobian times v, and agrees with vjp", () => {
    const f = (x: Tensor, y: Tensor) => outer(x, y);
    const inputs = [of([1, 2]), of([3, 4, 5])] as const;
    const tangents = [of([0.5, -1]), of([2, 0, 1])];
    const [[p, s], [dp, ds]] = jvp(f, inputs, tangents);
    expect(p.toArray()).toEqual([
      [3, 4, 5],
      [12, 16, 20],
    ]);
    expect(s.item()).toBe(60);
    // d(x_i^2 y_j) = 2 x_i y_j dx_i + x_i^2 dy_j
    expect(dp.toArray()).toEqual([
      [5, 4, 6],
      [-4, -16, -16],
    ]);
    expect(ds.item()).toBe(-21);
    const cotangents = [
      of([
        [1, 2, 3],
        [4, 5, 6],
      ]),
      of(0.5),
    ];
    const [, pulled] = vjp(f, inputs, cotangents);
    const left = dp
      .mul(cotangents[0] as Tensor)
      .sum()
      .add(ds.mul(0.5));
    const right = pulled[0]
      .mul(tangents[0] as Tensor)
      .sum()
      .add(pulled[1].mul(tangents[1] as Tensor).sum());
    expect(left.item()).toBeCloseTo(right.item(), 12);
  });

  test("v may be left out for one element only, and must fit", () => {
    expect(vjp((x: Tensor) => x.square().sum(), of([1, 2]))[1].toArray()).toEqual([2, 4]);
    expect(jvp((x: Tensor) => x.square(), of(3))[1].item()).toBe(6);
    expect(() => vjp((x: Tensor) => x, of([1, 2]))).toThrow(
      "[vjp] v may be left out only where the outputs are a single tensor of one element: got [2]",
    );
    expect(() => jvp((x: Tensor) => x, of([1, 2]))).toThrow(
      "[jvp] v may be left out only where the inputs are",
    );
    expect(() => vjp((x: Tensor) => x, of([1, 2]), of([1]))).toThrow(
      "[vjp] tensor 0 of v has shape [1], expected [2], as the outputs have",
    );
    expect(() => vjp((x: Tensor) => x, of([1]), [of([1]), of([1])])).toThrow(
      "[vjp] v has 2 tensors, expected 1, one for each of the outputs",
    );
    expect(() => vjp((x: Tensor) => x, tensor([1, 2]), tensor([1, 2]))).toThrow(
      "[vjp] derivatives exist for floating tensors only: got int64",
    );
    expect(() => vjp((() => 3) as never, of([1]))).toThrow(
      "[vjp] the function's output must be a tensor or an array of tensors: got number at 0",
    );
  });

  test("a function that is linear or constant in an input", () => {
    expect(jvp((x: Tensor) => x.mul(2), of([1, 2]), of([1, 10]))[1].toArray()).toEqual([2, 20]);
    expect(jvp(() => of([5]), of([1, 2]), of([1, 10]))[1].toArray()).toEqual([0]);
    expect(() => jvp(() => of([5]), of([1]), of([1]), { strict: true })).toThrow("output 0 does not depend");
  });

  test("gradients flow through the product with createGraph, to the point and to v", () => {
    gradcheck(
      (x, v) => vjp((t: Tensor) => t.pow(3), x, v, { createGraph: true })[1],
      [leaf([1, 2]), leaf([0.5, -1])],
    );
    gradcheck(
      (x, v) => jvp((t: Tensor) => t.pow(3), x, v, { createGraph: true })[1],
      [leaf([1, 2]), leaf([0.5, -1])],
    );
    gradcheck(
      (x, v) => vhp((t: Tensor) => t.pow(4).sum(), x, v, { createGraph: true })[1],
      [leaf([1, 2]), leaf([0.5, -1])],
    );
    gradcheck(
      (x, v) => hvp((t: Tensor) => t.pow(4).sum(), x, v, { createGraph: true })[1],
      [leaf([1, 2]), leaf([0.5, -1])],
    );
  });
});

describe("hessian", () => {
  // f = sum_i x_i^3 + (sum x)(sum y)^2
  const f = (x: Tensor, y: Tensor) => x.pow(3).sum().add(x.sum().mul(y.sum().square()));

  test("second derivatives of one input", () => {
    expect(hessian((x) => x.pow(3).sum(), of([1, 2])).toArray()).toEqual([
      [6, 0],
      [0, 12],
    ]);
    expect(hessian((x) => x.mul(2).sum(), of([1, 2])).toArray()).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  test("blocks of several inputs, both ways", () => {
    const inputs = [of([1, 2]), of([3])] as const;
    for (const outerJacobianStrategy of ["reverse-mode", "forward-mode"] as const) {
      const [[xx, xy], [yx, yy]] = hessian(f, inputs, { outerJacobianStrategy });
      expect(xx.toArray()).toEqual([
        [6, 0],
        [0, 12],
      ]);
      expect(xy.toArray()).toEqual([[6], [6]]);
      expect(yx.toArray()).toEqual([[6, 6]]);
      expect(yy.toArray()).toEqual([[6]]);
    }
  });

  test("vhp and hvp are its products", () => {
    const inputs = [of([1, 2]), of([3])] as const;
    const v = [of([1, -1]), of([2])];
    for (const product of [vhp, hvp]) {
      const [y, [px, py]] = product(f, inputs, v);
      expect(y.item()).toBe(36);
      expect(px.toArray()).toEqual([18, 0]);
      expect(py.toArray()).toEqual([12]);
    }
  });

  test("refuses functions that are not of one element; strict refuses linear ones", () => {
    expect(() => hessian((x) => x, of([1, 2]))).toThrow(
      "[hessian] the function must return one tensor of one element: got [2]",
    );
    expect(() => vhp((x: Tensor) => x, of([1, 2]), of([1, 2]))).toThrow("[vhp] the function must return one");
    expect(() => hessian((x) => x.sum(), of([1, 2]), { strict: true })).toThrow(
      "[hessian] the gradient with respect to input 0 is the same everywhere",
    );
    expect(() => hvp((x: Tensor) => x.sum(), of([1]), of([1]), { strict: true })).toThrow(
      "is the same everywhere",
    );
  });

  test("with createGraph: third derivatives", () => {
    gradcheck((x) => hessian((t) => t.pow(4).sum(), x, { createGraph: true }).sum(0), [leaf([1, 2])]);
  });
});
