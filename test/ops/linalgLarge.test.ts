import { describe, expect, test } from "vitest";
import { choleskySolve, linalg, tensor } from "../../src/index.js";
import { make } from "../registry/make.js";
import { expectClose, eye, numbers, orthonormal } from "./matrices.js";

describe("factorizations by halves", () => {
  test.each([9, 16, 17, 40, 67])("of %i rows, in batches and in either dtype", (n) => {
    const A = make([3, n, n], { seed: n, requiresGrad: false }).add(eye(n)); // condition below 1400
    const { P, L, U } = linalg.lu(A);
    expectClose(P.matmul(L).matmul(U), A);
    expect(numbers(L.triu(1)).every((v) => v === 0)).toBe(true);
    expectClose(linalg.inv(A).matmul(A), eye(n, [3]), 1e-9);
    expectClose(linalg.solve(A, A.matmul(A)), A, 1e-9);
    expectClose(
      linalg.solve(A, A.select(0, 1).select(1, 0)).unsqueeze(-1),
      linalg.inv(A).matmul(A.select(0, 1).narrow(1, 0, 1)),
      1e-9,
    );
    expectClose(linalg.det(A).abs().log(), linalg.slogdet(A).logabsdet);
    expectClose(
      linalg.det(A.matmul(A)).div(linalg.det(A).square()),
      tensor([1, 1, 1], { dtype: "float64" }),
      1e-9,
    );
    const positive = A.matmul(A.mT).add(eye(n).mul(n));
    const factor = linalg.cholesky(positive);
    expectClose(factor.matmul(factor.mT), positive);
    expectClose(choleskySolve(positive, factor), eye(n, [3]), 1e-9);
    const single = linalg.inv(positive.to("float32")).to("float64");
    expectClose(single, linalg.inv(positive.to("float32").to("float64")), 1e-7); // computed in float64, rounded once
  });

  test("wide and tall LU", () => {
    for (const [m, n] of [
      [50, 20],
      [20, 50],
      [33, 32],
    ] as const) {
      const A = make([2, m, n], { seed: m, requiresGrad: false });
      const { P, L, U } = linalg.lu(A);
      expectClose(P.matmul(L).matmul(U), A);
      expect(L.abs().max().item()).toBeLessThanOrEqual(1);
    }
  });

  test("the first zero pivot and the first minor that is not positive are told wherever they are", () => {
    for (const at of [0, 7, 8, 20, 39]) {
      const A = make([40, 40], { seed: 3, requiresGrad: false });
      A.select(1, at).zero_();
      expect(linalg.luFactorEx(A).info.item()).toBe(at + 1);
      const D = eye(40).clone();
      D.select(0, at).select(0, at).fill_(-1);
      expect(linalg.choleskyEx(D).info.item()).toBe(at + 1);
    }
  });
});

describe("orthogonal factors of larger matrices", () => {
  test.each([8, 13, 40])("of %i rows", (n) => {
    const A = make([2, n, n], { seed: n, requiresGrad: false });
    const { Q, R } = linalg.qr(A);
    orthonormal(Q);
    expectClose(Q.matmul(R), A);
    const { U, S, Vh } = linalg.svd(A);
    orthonormal(U);
    orthonormal(Vh.mT);
    expectClose(U.mul(S.unsqueeze(-2)).matmul(Vh), A);
    expectClose(linalg.svdvals(A), S);
    expectClose(linalg.svdvals(A.clone().requiresGrad_()), S);
    const symmetric = A.add(A.mT);
    const { eigenvalues, eigenvectors } = linalg.eigh(symmetric);
    orthonormal(eigenvectors);
    expectClose(eigenvectors.mul(eigenvalues.unsqueeze(-2)).matmul(eigenvectors.mT), symmetric);
    expectClose(linalg.eigvalsh(symmetric), eigenvalues);
    expectClose(linalg.eigvalsh(symmetric, "U"), eigenvalues);
    expectClose(eigenvalues.abs().sort(-1, { descending: true }).values, linalg.svdvals(symmetric));
  });

  test("of tall and wide ones", () => {
    for (const [m, n] of [
      [50, 20],
      [20, 50],
    ] as const) {
      const A = make([2, m, n], { seed: m, requiresGrad: false });
      for (const mode of ["reduced", "complete"] as const) {
        const { Q, R } = linalg.qr(A, { mode });
        orthonormal(Q);
        expectClose(Q.matmul(R), A);
      }
      const { U, S, Vh } = linalg.svd(A, false);
      orthonormal(U);
      orthonormal(Vh.mT);
      expectClose(U.mul(S.unsqueeze(-2)).matmul(Vh), A);
    }
  });
});

describe("least squares", () => {
  test("lstsq is the pseudoinverse times B, whether or not the columns depend on each other", () => {
    for (const [m, n] of [
      [30, 12],
      [12, 12],
      [12, 30],
    ] as const) {
      const A = make([2, m, n], { seed: m, requiresGrad: false });
      const B = make([2, m, 3], { seed: n, requiresGrad: false });
      const low = A.narrow(2, 0, 5).matmul(A.narrow(1, 0, 5));
      for (const [X, size] of [
        [A, Math.min(m, n)],
        [low, 5],
      ] as const) {
        const { solution, rank } = linalg.lstsq(X, B);
        expectClose(solution, linalg.pinv(X).matmul(B), 1e-9);
        expect(rank.toArray()).toEqual([size, size]);
      }
      const one = linalg.lstsq(A, B.select(0, 0)); // B is broadcast
      expectClose(one.solution, linalg.pinv(A).matmul(B.select(0, 0)), 1e-9);
      expect(one.rank.shape).toEqual([2]);
    }
  });
});
