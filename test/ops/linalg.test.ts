import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { choleskyInverse, choleskySolve, linalg, tensor } from "../../src/index.js";
import { make } from "../registry/make.js";
import { expectClose, eye, f64, numbers, orthonormal } from "./matrices.js";

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
