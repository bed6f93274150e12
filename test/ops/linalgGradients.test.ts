import { describe, expect, test } from "vitest";
import { choleskyInverse, choleskySolve, linalg, type Tensor } from "../../src/index.js";
import { gradcheck, gradgradcheck } from "../../src/testing/index.js";
import { make } from "../registry/make.js";
import { expectClose, eye, f64 } from "./matrices.js";

/** Symmetric from any matrix, so that both triangles move alike. */
const symmetric = (x: Tensor) => x.add(x.mT).mul(0.5);
const definite = (x: Tensor) => x.matmul(x.mT).add(eye(x.shape.at(-1) as number));
const regular = () => make([3, 3]).detach().add(eye(3).mul(3)).requiresGrad_();
/** What does not depend on the sign of vectors. */
const products = (a: Tensor, b: Tensor) => a.unsqueeze(-2).mul(b.unsqueeze(-1));

const cases: Record<string, [(...x: Tensor[]) => Tensor | Tensor[], () => Tensor[]]> = {
  "lu, square": [(x) => [linalg.lu(x).L, linalg.lu(x).U], () => [regular()]],
  "lu, wide": [(x) => [linalg.lu(x).L, linalg.lu(x).U], () => [make([2, 4])]],
  "lu, tall, batched": [(x) => [linalg.lu(x).L, linalg.lu(x).U], () => [make([2, 4, 2])]],
  luFactor: [(x) => linalg.luFactor(x).LU, () => [regular()]],
  luSolve: [
    (x, b) => {
      const { LU, pivots } = linalg.luFactor(x);
      return [linalg.luSolve(LU, pivots, b), linalg.luSolve(LU, pivots, b, { adjoint: true })];
    },
    () => [regular(), make([3, 2], { seed: 2 })],
  ],
  solve: [(x, b) => linalg.solve(x, b), () => [regular(), make([3, 2], { seed: 2 })]],
  "solve, right": [
    (x, b) => linalg.solve(x, b, { left: false }),
    () => [regular(), make([2, 3], { seed: 2 })],
  ],
  "solve, batches broadcast": [(x, b) => linalg.solve(x, b), () => [regular(), make([2, 3, 1], { seed: 2 })]],
  inv: [(x) => linalg.inv(x), () => [regular()]],
  tensorinv: [(x) => linalg.tensorinv(x, { ind: 1 }), () => [make([4, 2, 2])]],
  tensorsolve: [(x, b) => linalg.tensorsolve(x, b), () => [make([2, 2, 4]), make([2, 2], { seed: 2 })]],
  "solveTriangular, lower": [
    (x, b) => linalg.solveTriangular(x, b, false),
    () => [regular(), make([3, 2], { seed: 2 })],
  ],
  "solveTriangular, upper, unit, right": [
    (x, b) => linalg.solveTriangular(x, b, true, { left: false, unitriangular: true }),
    () => [regular(), make([2, 3], { seed: 2 })],
  ],
  det: [(x) => linalg.det(x), () => [make([2, 3, 3])]],
  slogdet: [(x) => linalg.slogdet(x).logabsdet, () => [regular()]],
  cholesky: [(x) => linalg.cholesky(definite(x)), () => [make([3, 3])]],
  "cholesky, upper": [(x) => linalg.cholesky(definite(x), { upper: true }), () => [make([2, 2, 2])]],
  choleskySolve: [
    (x, b) => choleskySolve(b, linalg.cholesky(definite(x))),
    () => [make([3, 3]), make([3, 2], { seed: 2 })],
  ],
  choleskyInverse: [
    (x) => choleskyInverse(linalg.cholesky(definite(x), { upper: true }), { upper: true }),
    () => [make([2, 2])],
  ],
  "qr, square": [(x) => [linalg.qr(x).Q, linalg.qr(x).R], () => [regular()]],
  "qr, tall": [(x) => [linalg.qr(x).Q, linalg.qr(x).R], () => [make([4, 2])]],
  "qr, wide": [(x) => [linalg.qr(x).Q, linalg.qr(x).R], () => [make([2, 4])]],
  "qr, complete": [(x) => [linalg.qr(x, "complete").Q, linalg.qr(x, "complete").R], () => [make([2, 3])]],
  householderProduct: [
    (x, t) => linalg.householderProduct(x, t),
    () => [make([4, 3]), make([2], { seed: 2 })],
  ],
  "svd of square, by products of vectors": [
    (x) => {
      const { U, S, Vh } = linalg.svd(x);
      return [products(U, U), S, products(Vh.mT, Vh.mT)];
    },
    () => [regular()],
  ],
  "svd, tall": [
    (x) => {
      const { U, S, Vh } = linalg.svd(x, { fullMatrices: false });
      return [products(U, U), S, products(Vh.mT, Vh.mT)];
    },
    () => [make([4, 2])],
  ],
  "svd, wide": [
    (x) => {
      const { U, S, Vh } = linalg.svd(x, { fullMatrices: false });
      return [products(U, U), S, products(Vh.mT, Vh.mT)];
    },
    () => [make([2, 3])],
  ],
  svdvals: [(x) => linalg.svdvals(x), () => [make([2, 3, 2])]],
  eigh: [
    (x) => {
      const { eigenvalues, eigenvectors } = linalg.eigh(symmetric(x));
      return [eigenvalues, products(eigenvectors, eigenvectors)];
    },
    () => [make([3, 3])],
  ],
  pinv: [(x) => linalg.pinv(x), () => [make([3, 2])]],
  "pinv, wide": [(x) => linalg.pinv(x), () => [make([2, 3])]],
  "pinv, symmetric": [(x) => linalg.pinv(symmetric(x), { hermitian: true }), () => [make([3, 3])]],
  lstsq: [(x, b) => linalg.lstsq(x, b).solution, () => [make([4, 2]), make([4, 1], { seed: 2 })]],
  ldlSolve: [
    (b) => {
      const { LD, pivots } = linalg.ldlFactor(
        f64([
          [1, 2],
          [2, -1],
        ]),
      );
      return linalg.ldlSolve(LD, pivots, b);
    },
    () => [make([2, 2])],
  ],
  matrixExp: [(x) => linalg.matrixExp(x), () => [make([2, 2, 2])]],
  matrixPower: [(x) => linalg.matrixPower(x, -3), () => [regular()]],
  multiDot: [
    (a, b, c) => linalg.multiDot([a, b, c]),
    () => [make([3]), make([3, 2], { seed: 2 }), make([2], { seed: 3 })],
  ],
  vecdot: [(a, b) => linalg.vecdot(a, b), () => [make([2, 3]), make([3], { seed: 2 })]],
  cross: [(a, b) => linalg.cross(a, b), () => [make([2, 3]), make([1, 3], { seed: 2 })]],
  vander: [(x) => linalg.vander(x, { N: 4 }), () => [make([2, 3])]],
  diagonal: [(x) => linalg.diagonal(x, { offset: 1 }), () => [make([2, 3, 3])]],
  "cond, 2": [(x) => linalg.cond(x), () => [regular()]],
  "cond, 1": [(x) => linalg.cond(x, { p: 1 }), () => [regular()]],
  "norm of vectors, 1.5": [(x) => linalg.norm(x, { ord: 1.5, dim: 0 }), () => [make([3, 2])]],
  "vectorNorm, -2": [(x) => linalg.vectorNorm(x, { ord: -2, dim: 1 }), () => [make([3, 2])]],
  "matrixNorm, nuclear": [
    (x) => linalg.matrixNorm(x, { ord: "nuc", dim: [0, 2], keepdim: true }),
    () => [make([2, 2, 3])],
  ],
  "matrixNorm, 2": [(x) => linalg.matrixNorm(x, { ord: 2 }), () => [make([2, 3])]],
  "matrixNorm, Infinity": [
    (x) => linalg.matrixNorm(x, { ord: Number.POSITIVE_INFINITY }),
    () => [make([2, 3])],
  ],
};

describe("gradients of first and second order", () => {
  for (const [name, [fn, inputs]] of Object.entries(cases)) {
    test(name, () => {
      gradcheck(fn, inputs(), { name });
      gradgradcheck(fn, inputs(), undefined, { name, fastMode: true });
    });
  }

  test("det of a singular matrix", () => {
    const flat = () =>
      f64([
        [1, 2, 3],
        [2, 4, 6],
        [0.5, -1, 2],
      ]).requiresGrad_();
    gradcheck((x) => linalg.det(x), [flat()]);
    gradgradcheck((x) => linalg.det(x), [flat()]);
    const line = () =>
      f64([
        [1, 2, 3],
        [2, 4, 6],
        [-1, -2, -3],
      ]).requiresGrad_();
    gradgradcheck((x) => linalg.det(x), [line()]);
  });

  test("a Cholesky factor's gradient is symmetric", () => {
    const A = f64([
      [4, 1],
      [1, 3],
    ]).requiresGrad_();
    linalg.cholesky(A).sum().backward();
    const g = A.grad as Tensor;
    expectClose(g, g.mT, 1e-15);
  });

  test("modes of qr without a gradient say so", () => {
    expect(() =>
      linalg
        .qr(make([3, 2]), "r")
        .R.sum()
        .backward(),
    ).toThrow('mode "r" has no gradient');
    expect(() =>
      linalg
        .qr(make([3, 2]), "complete")
        .R.sum()
        .backward(),
    ).toThrow('mode "complete" has no gradient for more rows');
  });
});
