import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { choleskyInverse, choleskySolve, linalg, type Tensor, tensor } from "../../src/index.js";
import { gradcheck, gradgradcheck } from "../../src/testing/index.js";
import { make } from "../registry/make.js";

const f64 = (data: number[] | number[][]) => tensor(data, { dtype: "float64" });
const numbers = (t: Tensor) => Array.from(t.toTypedArray() as ArrayLike<number>, Number);

/** Largest distance between elements. */
function distance(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  return a.numel === 0 ? 0 : a.sub(b).abs().max().item();
}

function expectClose(a: Tensor, b: Tensor, bound = 1e-10): void {
  const scale = b.numel === 0 ? 1 : Math.max(1, b.abs().max().item());
  expect(distance(a, b)).toBeLessThan(bound * scale);
}

const eye = (n: number, batch: readonly number[] = []) => {
  const one = f64(
    Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 1 : 0))),
  );
  return (n === 0 ? one.reshape([0, 0]) : one).expand([...batch, n, n]);
};

/** Random matrices of any shape, batch and rank; `rank` columns span them. */
const matrices = fc
  .record({
    batch: fc.constantFrom<number[]>([], [2], [2, 1]),
    m: fc.integer({ min: 1, max: 7 }),
    n: fc.integer({ min: 1, max: 7 }),
    rank: fc.integer({ min: 0, max: 7 }),
    seed: fc.integer({ min: 1, max: 1000 }),
  })
  .map(({ batch, m, n, rank, seed }) => {
    const options = { requiresGrad: false, seed };
    if (rank >= Math.min(m, n)) return make([...batch, m, n], options);
    return make([...batch, m, rank], options).matmul(
      make([...batch, rank, n], { ...options, seed: seed + 1 }),
    );
  });
const squares = fc
  .record({
    n: fc.integer({ min: 1, max: 9 }),
    batch: fc.constantFrom<number[]>([], [3]),
    seed: fc.integer({ min: 1, max: 1000 }),
  })
  .map(({ n, batch, seed }) => make([...batch, n, n], { seed, requiresGrad: false }));

const orthonormal = (q: Tensor) =>
  expectClose(q.mT.matmul(q), eye(q.shape.at(-1) as number, q.shape.slice(0, -2)));

describe("decompositions give the matrix back", () => {
  test("LU, of any shape and rank", () => {
    fc.assert(
      fc.property(matrices, (A) => {
        const { P, L, U } = linalg.lu(A);
        expectClose(P.matmul(L).matmul(U), A);
        expect(L.abs().max().item()).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("QR, reduced and complete", () => {
    fc.assert(
      fc.property(matrices, (A) => {
        for (const mode of ["reduced", "complete"] as const) {
          const { Q, R } = linalg.qr(A, { mode });
          orthonormal(Q);
          expectClose(Q.matmul(R), A);
          expect(numbers(R.tril(-1)).every((v) => v === 0)).toBe(true);
        }
        expectClose(linalg.qr(A, "r").R, linalg.qr(A).R);
      }),
    );
  });

  test("SVD, thin and full, of any rank", () => {
    fc.assert(
      fc.property(matrices, (A) => {
        const { U, S, Vh } = linalg.svd(A, { fullMatrices: false });
        expectClose(U.mul(S.unsqueeze(-2)).matmul(Vh), A);
        orthonormal(U);
        orthonormal(Vh.mT);
        const values = numbers(S.reshape([-1, S.shape.at(-1) as number]).select(0, 0));
        expect(values).toEqual([...values].sort((a, b) => b - a));
        const full = linalg.svd(A);
        orthonormal(full.U);
        orthonormal(full.Vh.mT);
        expect(full.U.shape.at(-1)).toBe(A.shape.at(-2));
        expect(full.Vh.shape.at(-2)).toBe(A.shape.at(-1));
      }),
    );
  });

  test("eigh, from either triangle", () => {
    fc.assert(
      fc.property(squares, (A) => {
        for (const UPLO of ["L", "U"] as const) {
          const half = UPLO === "L" ? A.tril(-1) : A.triu(1);
          const whole = half.add(half.mT).add(A.tril().triu());
          const { eigenvalues, eigenvectors } = linalg.eigh(A, { UPLO });
          orthonormal(eigenvectors);
          expectClose(eigenvectors.mul(eigenvalues.unsqueeze(-2)).matmul(eigenvectors.mT), whole);
          expectClose(linalg.eigvalsh(A, { UPLO }), eigenvalues);
        }
      }),
    );
  });

  test("Cholesky, either triangle", () => {
    fc.assert(
      fc.property(squares, (B) => {
        const A = B.matmul(B.mT).add(eye(B.shape.at(-1) as number));
        const L = linalg.cholesky(A.tril());
        expectClose(L.matmul(L.mT), A);
        expectClose(linalg.cholesky(A.triu(), { upper: true }), L.mT);
        expectClose(choleskySolve(A, L), eye(B.shape.at(-1) as number, B.shape.slice(0, -2)), 1e-8);
        expectClose(choleskyInverse(L.mT, { upper: true }), linalg.inv(A), 1e-8);
      }),
    );
  });

  test("LDL solves symmetric systems", () => {
    fc.assert(
      fc.property(squares, (B) => {
        const A = B.add(B.mT);
        const X = make([...B.shape.slice(0, -1), 2], { requiresGrad: false, seed: 7 });
        fc.pre(linalg.cond(A).max().item() < 1e6);
        const { LD, pivots } = linalg.ldlFactor(A);
        expectClose(linalg.ldlSolve(LD, pivots, A.matmul(X)), X, 1e-8);
      }),
    );
  });
});

describe("solvers", () => {
  test("solve, inv, luSolve and solveTriangular undo products, from both sides", () => {
    fc.assert(
      fc.property(squares, (A) => {
        fc.pre(linalg.cond(A).max().item() < 1e6);
        const n = A.shape.at(-1) as number;
        const X = make([...A.shape.slice(0, -2), n, 2], { requiresGrad: false, seed: 7 });
        expectClose(linalg.solve(A, A.matmul(X)), X, 1e-8);
        expectClose(linalg.solve(A, X.mT.matmul(A), { left: false }), X.mT, 1e-8);
        expectClose(linalg.inv(A).matmul(A), eye(n, A.shape.slice(0, -2)), 1e-8);
        const { LU, pivots } = linalg.luFactor(A);
        expectClose(linalg.luSolve(LU, pivots, A.matmul(X)), X, 1e-8);
        expectClose(linalg.luSolve(LU, pivots, A.mT.matmul(X), { adjoint: true }), X, 1e-8);
        expectClose(linalg.luSolve(LU, pivots, X.mT.matmul(A), { left: false }), X.mT, 1e-8);
        const T = A.triu().add(eye(n).mul(3));
        expectClose(linalg.solveTriangular(A.tril(-1).add(T), T.matmul(X), true), X, 1e-7);
        const unit = A.tril(-1).add(eye(n));
        expectClose(
          linalg.solveTriangular(A, X.mT.matmul(unit), false, { left: false, unitriangular: true }),
          X.mT,
          1e-7,
        );
      }),
    );
  });

  test("a vector, and a batch of vectors, as right-hand side", () => {
    const A = make([2, 3, 3], { requiresGrad: false }).add(eye(3).mul(3));
    const x = make([2, 3], { requiresGrad: false, seed: 3 });
    const b = A.matmul(x.unsqueeze(-1)).squeeze(-1);
    expectClose(linalg.solve(A, b), x);
    expectClose(linalg.solve(A.select(0, 0), b.select(0, 0)), x.select(0, 0));
  });

  test("the pseudoinverse has Moore and Penrose's four properties", () => {
    fc.assert(
      fc.property(matrices, (A) => {
        const P = linalg.pinv(A, { rtol: 1e-9 });
        expectClose(A.matmul(P).matmul(A), A, 1e-7);
        expectClose(P.matmul(A).matmul(P), P, 1e-7);
        expectClose(A.matmul(P).mT, A.matmul(P), 1e-7);
        expectClose(P.matmul(A).mT, P.matmul(A), 1e-7);
      }),
    );
  });

  test("lstsq's residual is orthogonal to the columns", () => {
    const A = make([6, 3], { requiresGrad: false });
    const B = make([6, 2], { requiresGrad: false, seed: 4 });
    const { solution, residuals, rank, singularValues } = linalg.lstsq(A, B, { driver: "gelsd" });
    const left = A.matmul(solution).sub(B);
    expectClose(
      A.mT.matmul(left),
      f64([
        [0, 0],
        [0, 0],
        [0, 0],
      ]),
    );
    expectClose(residuals, left.square().sum(0));
    expect([rank.item(), singularValues.shape]).toEqual([3, [3]]);
  });

  test("singular matrices are refused, or reported by the Ex forms", () => {
    const A = f64([
      [1, 2],
      [2, 4],
    ]);
    expect(() => linalg.solve(A, f64([1, 2]))).toThrow(
      "[linalg.solve] the matrix is singular: element 2 of the diagonal of U is 0: got shape [2, 2]",
    );
    expect(() => linalg.inv(A.expand([3, 2, 2]))).toThrow(
      "[linalg.inv] (matrix 0 of the batch) the matrix is singular",
    );
    expect(linalg.invEx(A).info.item()).toBe(2);
    expect(linalg.solveEx(A, f64([1, 2])).info.item()).toBe(2);
    expect(() => linalg.invEx(A, { checkErrors: true })).toThrow("singular");
    expect(() =>
      linalg.cholesky(
        f64([
          [1, 2],
          [2, 1],
        ]),
      ),
    ).toThrow("not positive-definite: its leading minor of order 2");
    expect(
      linalg
        .choleskyEx(
          f64([
            [1, 2],
            [2, 1],
          ]),
        )
        .info.item(),
    ).toBe(2);
    expect(() => linalg.det(f64([[1, 2, 3]]))).toThrow(
      "[linalg.det] expected square matrices, got shape [1, 3]",
    );
    expect(() => linalg.svd(f64([[Number.NaN]]))).toThrow("[linalg.svd] the matrix holds NaN or infinities");
    expect(() =>
      linalg.inv(
        tensor([
          [1, 2],
          [3, 4],
        ]),
      ),
    ).toThrow("[linalg.inv] expected a floating dtype, got int64");
  });
});

describe("numbers of a matrix", () => {
  test("rank, with numbers and tensors as bounds", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 100 }), (rank, seed) => {
        const A = make([6, rank], { seed, requiresGrad: false }).matmul(
          make([rank, 5], { seed: seed + 1, requiresGrad: false }),
        );
        expect(linalg.matrixRank(A, { rtol: 1e-9 }).item()).toBe(rank);
        expect(linalg.matrixRank(A.matmul(A.mT), { rtol: 1e-9, hermitian: true }).item()).toBe(rank);
        expect(linalg.matrixRank(A, { atol: f64([1e-8, 1e9]) }).toArray()).toEqual([rank, 0]);
      }),
    );
  });

  test("condition numbers by every norm", () => {
    const A = f64([
      [4, 0],
      [0, 0.5],
    ]);
    for (const [p, expected] of [
      [2, 8],
      [-2, 1 / 8],
      [1, 8],
      [-1, 1 / 8],
      ["fro", 8.125],
      ["nuc", 4.5 * 2.25],
    ] as const) {
      expect(linalg.cond(A, { p }).item()).toBeCloseTo(expected, 12);
    }
    expect(
      linalg
        .cond(
          f64([
            [1, 2],
            [2, 4],
          ]),
          { p: 1 },
        )
        .item(),
    ).toBe(Number.POSITIVE_INFINITY);
  });

  test("det, slogdet of permuted triangles", () => {
    const A = f64([
      [0, 2, 5],
      [3, 1, 1],
      [0, 0, -4],
    ]);
    expect(linalg.det(A).item()).toBeCloseTo(24, 12);
    const { sign, logabsdet } = linalg.slogdet(A);
    expect([sign.item(), logabsdet.item()]).toEqual([1, expect.closeTo(Math.log(24), 12)]);
    expect(
      linalg
        .slogdet(
          f64([
            [1, 2],
            [2, 4],
          ]),
        )
        .logabsdet.item(),
    ).toBe(Number.NEGATIVE_INFINITY);
  });

  test("the exponential of commuting parts is the product", () => {
    const A = make([3, 3], { requiresGrad: false });
    expectClose(linalg.matrixExp(A).matmul(linalg.matrixExp(A.neg())), eye(3));
    expectClose(linalg.matrixExp(A.mul(3)), linalg.matrixPower(linalg.matrixExp(A), 3), 1e-9);
  });
});

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

test("float32 goes through float64: errors of one rounding", () => {
  const A = make([5, 5], { requiresGrad: false });
  const wide = linalg.inv(A.to("float32").to("float64"));
  expectClose(linalg.inv(A.to("float32")).to("float64"), wide, 1.2e-7);
});

test("empty matrices", () => {
  const none = f64([]).reshape([0, 0]);
  expect(linalg.det(none).item()).toBe(1);
  expect(linalg.inv(none).shape).toEqual([0, 0]);
  expect(linalg.svd(f64([]).reshape([0, 3])).Vh.shape).toEqual([3, 3]);
  expect(linalg.qr(f64([]).reshape([3, 0]), "complete").Q.shape).toEqual([3, 3]);
  expect(linalg.matrixExp(f64([]).reshape([2, 0, 0])).shape).toEqual([2, 0, 0]);
  expect(linalg.pinv(f64([]).reshape([0, 3])).shape).toEqual([3, 0]);
});
