/** Singular values and eigenvalues where rounding could spoil them: accuracy, signs, scale, and how the work is cut. */
import { afterAll, describe, expect, test } from "vitest";
import {
  diag,
  getNumThreads,
  linalg,
  manualSeed,
  ones,
  randn,
  setNumThreads,
  stack,
  type Tensor,
  tensor,
  zeros,
} from "../../src/index.js";
import { expectClose, eye, f64, numbers, orthonormal } from "./matrices.js";

const double = { dtype: "float64" } as const;

/** An orthogonal matrix. */
function orthogonal(n: number, seed: number): Tensor {
  manualSeed(seed);
  return linalg.qr(randn([n, n], double)).Q;
}

/** A matrix of given singular values. */
const withValues = (values: Tensor) =>
  orthogonal(values.numel, 1).mul(values).matmul(orthogonal(values.numel, 2).mT);

/** Vectors orthonormal, the product the matrix, both within `bound` roundings of the largest value. */
function expectDecomposed(A: Tensor, bound = 200): void {
  const { U, S, Vh } = linalg.svd(A, { fullMatrices: false });
  const eps = Number.EPSILON * bound;
  orthonormal(U, eps);
  orthonormal(Vh.mT, eps);
  const top = S.numel === 0 ? 0 : S.max().item();
  expect(U.mul(S.unsqueeze(-2)).matmul(Vh).sub(A).abs().max().item()).toBeLessThanOrEqual(eps * top);
  expect(linalg.svdvals(A).equal(S)).toBe(true);
}

describe("singular values", () => {
  test("of matrices from 1 to 1e-18, to roundings of the largest", () => {
    const values = f64(Array.from({ length: 37 }, (_, i) => 10 ** (-i / 2)));
    const A = withValues(values);
    expectDecomposed(A);
    expect(linalg.svdvals(A).sub(values).abs().max().item()).toBeLessThan(50 * Number.EPSILON);
  });

  test("of bidiagonal matrices, to relative roundings however small", () => {
    // Their product is that of the diagonal: 10^-190 here.
    const d = Array.from({ length: 20 }, (_, i) => 10 ** -i);
    for (const beside of [d.slice(0, 19), d.slice(1), d.slice(0, 19).map((x) => 3 * x)]) {
      const A = diag(f64(d)).add(diag(f64(beside), 1));
      const S = numbers(linalg.svdvals(A));
      const product = S.reduce((p, s, i) => p * (s / (d[i] as number)), 1);
      expect(Math.abs(product - 1)).toBeLessThan(1e-13);
    }
  });

  test("that are many times the same", () => {
    const values = f64([3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1e-9, 1e-9]);
    const A = withValues(values);
    expectDecomposed(A);
    expect(linalg.svdvals(A).sub(values).abs().max().item()).toBeLessThan(50 * Number.EPSILON);
    expectDecomposed(eye(9).clone());
    expectDecomposed(orthogonal(30, 3));
  });

  test("of matrices of low rank", () => {
    manualSeed(4);
    for (const [m, n, rank] of [
      [20, 20, 3],
      [30, 12, 1],
      [9, 40, 5],
    ] as const) {
      const A = randn([m, rank], double).matmul(randn([rank, n], double));
      expectDecomposed(A);
      const S = linalg.svdvals(A);
      const rest = S.narrow(0, rank, S.numel - rank);
      expect(rest.max().item()).toBeLessThan(50 * Number.EPSILON * S.max().item());
    }
    // Zeros on both diagonals.
    expectDecomposed(diag(ones([5], double), 1));
    expectDecomposed(diag(f64([0, 1, 0, 2, 3])).add(diag(f64([1, 0, 1, 1]), 1)));
  });

  test("of zeros: the vectors are those of the identity", () => {
    for (const shape of [
      [3, 3],
      [4, 2],
      [2, 4],
      [2, 3],
    ] as const) {
      const { U, S, Vh } = linalg.svd(zeros(shape, double));
      expect(U.equal(eye(shape[0]))).toBe(true);
      expect(Vh.equal(eye(shape[1]))).toBe(true);
      expect(S.equal(zeros([Math.min(...shape)], double))).toBe(true);
    }
    const { eigenvalues, eigenvectors } = linalg.eigh(zeros([3, 3], double));
    expect([eigenvalues.equal(zeros([3], double)), eigenvectors.equal(eye(3))]).toEqual([true, true]);
  });

  test("scale by powers of two without any rounding, from the smallest to the largest numbers", () => {
    manualSeed(5);
    for (const shape of [
      [6, 6],
      [7, 5],
      [5, 7],
    ]) {
      const A = randn(shape, double);
      const { U, S, Vh } = linalg.svd(A);
      for (const power of [-900, -100, 100, 1000]) {
        const scaled = linalg.svd(A.mul(2 ** power));
        expect(scaled.U.equal(U)).toBe(true);
        expect(scaled.S.equal(S.mul(2 ** power))).toBe(true);
        expect(scaled.Vh.equal(Vh)).toBe(true);
      }
      // Of subnormal numbers the digits that they have.
      const tiny = linalg.svdvals(A.mul(2 ** -1060));
      expect(
        tiny
          .mul(2 ** 500)
          .sub(S.mul(2 ** -560))
          .abs()
          .max()
          .item(),
      ).toBeLessThan(20 * 2 ** (500 - 1074));
    }
    for (const size of [1e-30, 1e30]) {
      const a = randn([8, 8]).mul(size);
      const wide = linalg.svdvals(a.to("float64"));
      expect(linalg.svdvals(a).equal(wide.to("float32"))).toBe(true);
    }
  });

  test("and vectors of float32 are those of float64, rounded once", () => {
    manualSeed(6);
    for (const shape of [
      [12, 12],
      [30, 8],
      [2, 8, 30],
      [9, 12],
    ]) {
      const a = randn(shape);
      const [narrow, wide] = [linalg.svd(a), linalg.svd(a.to("float64"))];
      expect(narrow.U.equal(wide.U.to("float32"))).toBe(true);
      expect(narrow.S.equal(wide.S.to("float32"))).toBe(true);
      expect(narrow.Vh.equal(wide.Vh.to("float32"))).toBe(true);
    }
  });
});

describe("signs of vectors", () => {
  // torch.linalg.svd(a), .svd(a.T), .svd(a[:2]), .eigh(s): PyTorch 1.13 with LAPACK 3.11
  const a = f64([
    [2, -1, 0, 3],
    [1, 4, -2, 1],
    [0, 5, 1, -3],
  ]);
  const [x, y, z] = [0.322214105969328, 0.618561209224211, -0.71663107688508];

  test("are LAPACK's for wide, tall and far wider matrices", () => {
    const wide = linalg.svd(a);
    expectClose(wide.U.select(0, 0), f64([x, y, z]), 1e-14);
    expectClose(
      wide.Vh.select(1, 0),
      f64([0.027150775864594, 0.455810906260984, -0.559758431017442, -0.691498193785337]),
      1e-14,
    );
    const tall = linalg.svd(a.mT);
    expectClose(
      tall.U.select(0, 0),
      f64([-0.027150775864593, -0.455810906260984, -0.559758431017442, -0.691498193785337]),
      1e-14,
    );
    expectClose(tall.Vh.select(1, 0), f64([-x, -y, z]), 1e-14);
    const far = linalg.svd(a.narrow(0, 0, 2));
    expectClose(far.U.select(0, 0), f64([0.122183263695704, 0.992507556682903]), 1e-14);
    expectClose(
      far.Vh.select(1, 0),
      f64([0.262967721563254, 0.500066214073873, 0.101151604751018, -0.81887124251249]),
      1e-14,
    );
  });

  test("of symmetric matrices too, from either triangle", () => {
    const s = f64([
      [2, -1, 0],
      [-1, 4, 5],
      [0, 5, 1],
    ]);
    for (const UPLO of ["L", "U"] as const) {
      const { eigenvectors } = linalg.eigh(s, { UPLO });
      expectClose(
        eigenvectors.select(0, 0),
        f64([-0.125092577537593, -0.982629927832781, -0.137077612951006]),
        1e-14,
      );
    }
  });
});

describe("eigenvalues of symmetric matrices", () => {
  test("from 1 to 1e-18 and many times the same", () => {
    for (const values of [
      f64(Array.from({ length: 37 }, (_, i) => -(10 ** (-i / 2)))),
      f64([-3, -3, -1, -1, -1, 2, 2, 2, 2]),
    ]) {
      const Q = orthogonal(values.numel, 7);
      const A = Q.mul(values).matmul(Q.mT);
      const { eigenvalues, eigenvectors } = linalg.eigh(A);
      orthonormal(eigenvectors, 100 * Number.EPSILON);
      const top = values.abs().max().item();
      expect(eigenvalues.sub(values).abs().max().item()).toBeLessThan(50 * Number.EPSILON * top);
      expect(linalg.eigvalsh(A).equal(eigenvalues)).toBe(true);
    }
  });

  test("scale by powers of two without any rounding", () => {
    manualSeed(8);
    const A = randn([7, 7], double);
    const { eigenvalues, eigenvectors } = linalg.eigh(A);
    for (const power of [-900, 1000]) {
      const scaled = linalg.eigh(A.mul(2 ** power));
      expect(scaled.eigenvalues.equal(eigenvalues.mul(2 ** power))).toBe(true);
      expect(scaled.eigenvectors.equal(eigenvectors)).toBe(true);
    }
  });

  test("do not look at the other triangle", () => {
    manualSeed(9);
    const A = randn([5, 5], double);
    const other = A.clone();
    for (let i = 0; i < 5; i++)
      for (let j = i + 1; j < 5; j++) other.select(0, i).select(0, j).fill_(Number.NaN);
    expect(linalg.eigh(other).eigenvectors.equal(linalg.eigh(A).eigenvectors)).toBe(true);
    expectClose(linalg.eigvalsh(other.mT, "U"), linalg.eigvalsh(A), 1e-14);
  });
});

describe("batches", () => {
  test("are decomposed like their matrices one by one, and more of them than lists fit at a time", () => {
    manualSeed(10);
    for (const shape of [
      [600, 40, 40],
      [5, 30, 9],
      [5, 9, 12],
    ]) {
      const A = randn(shape, double);
      const { U, S, Vh } = linalg.svd(A);
      const symmetric = A.matmul(A.mT);
      const eigen = linalg.eigh(symmetric);
      for (const i of [0, 4, (shape[0] as number) - 1]) {
        const one = linalg.svd(A.select(0, i));
        expect(U.select(0, i).equal(one.U)).toBe(true);
        expect(S.select(0, i).equal(one.S)).toBe(true);
        expect(Vh.select(0, i).equal(one.Vh)).toBe(true);
        const values = linalg.eigh(symmetric.select(0, i));
        expect(eigen.eigenvalues.select(0, i).equal(values.eigenvalues)).toBe(true);
        expect(eigen.eigenvectors.select(0, i).equal(values.eigenvectors)).toBe(true);
      }
    }
  });

  test("in which one matrix takes more rotations than expected", () => {
    manualSeed(500); // 1.08 times n (n + 8) rotations
    const slow = randn([20, 20], double);
    expectDecomposed(slow);
    const both = linalg.svd(stack([eye(20), slow]));
    expect(both.U.select(0, 1).equal(linalg.svd(slow).U)).toBe(true);
    expect(both.Vh.select(0, 0).equal(eye(20))).toBe(true);
  });

  test("NaN and infinities are refused, and the matrix named", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const A = ones([2, 3, 3], double);
      A.select(0, 1).select(0, 2).select(0, 1).fill_(value);
      for (const [op, fn] of [
        ["linalg.svd", (x: Tensor) => linalg.svd(x)],
        ["linalg.svd", (x: Tensor) => linalg.svdvals(x)],
        ["linalg.eigh", (x: Tensor) => linalg.eigh(x)],
        ["linalg.eigh", (x: Tensor) => linalg.eigvalsh(x)],
      ] as const) {
        expect(() => fn(A)).toThrow(`[${op}] (matrix 1 of the batch) the matrix holds NaN or infinities`);
        expect(() => fn(A.select(0, 1))).toThrow(
          `[${op}] the matrix holds NaN or infinities: got shape [3, 3]`,
        );
      }
      for (const fn of [linalg.pinv, linalg.matrixRank, linalg.cond])
        expect(() => fn(A)).toThrow("NaN or inf");
      for (const ord of ["nuc", 2, -2] as const)
        expect(() => linalg.norm(A.select(0, 1), ord)).toThrow("NaN");
      const tall = tensor([[1], [value], [2], [3]], double);
      expect(() => linalg.svd(tall)).toThrow("NaN or infinities");
    }
  });
});

describe("threads", () => {
  const threads = getNumThreads();
  afterAll(() => setNumThreads(threads));

  test("do not change a bit", () => {
    manualSeed(11);
    const inputs = [randn([70, 70]), randn([120, 50], double), randn([30, 24, 20], double)];
    const run = () =>
      inputs.flatMap((A) => {
        const [{ U, S, Vh }, { Q }] = [linalg.svd(A), linalg.qr(A)];
        const { eigenvalues, eigenvectors } = linalg.eigh(A.matmul(A.mT));
        return [U, S, Vh, Q, eigenvalues, eigenvectors];
      });
    setNumThreads(1);
    const alone = run();
    for (const n of [2, 3]) {
      setNumThreads(n);
      run().forEach((t, i) => {
        expect(t.equal(alone[i] as Tensor)).toBe(true);
      });
    }
  });
});
