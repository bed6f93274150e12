/** Samples of the linear algebra that is also at the top of the library; `test/ops/linalg.test.ts` has the rest. */
import { tensor } from "../../src/index.js";
import { make } from "./make.js";
import { calls } from "./samples.js";
import type { OpEntry, Registry } from "./types.js";

const m = (...shape: number[]) => make(shape);
const n = (...shape: number[]) => make(shape, { seed: 2 });
/** Far from singular. */
const regular = () =>
  tensor(
    [
      [3, 0.5, -0.2],
      [0.4, -2, 0.7],
      [-0.3, 0.6, 1.5],
    ],
    { dtype: "float64", requiresGrad: true },
  );
const definite = () =>
  tensor(
    [
      [4, 1, -0.5],
      [1, 3, 0.25],
      [-0.5, 0.25, 2],
    ],
    { dtype: "float64", requiresGrad: true },
  );
const lower = () =>
  tensor(
    [
      [2, 0, 0],
      [0.5, 1.5, 0],
      [-0.3, 0.2, 1.2],
    ],
    { dtype: "float64", requiresGrad: true },
  );
const loose: Partial<OpEntry> = { float32: 1e-4 };
const square = calls(
  { matrix: () => [regular()], one: () => [m(1, 1)], empty: () => [m(0, 2, 2)] },
  {
    ...loose,
    errors: [
      {
        name: "a matrix that is not square",
        args: () => [m(2, 3)],
        message: /expected square matrices, got shape \[2, 3\]/,
      },
    ],
  },
);
const triangle = {
  gradcheck:
    "one triangle is read but both get a gradient, as in PyTorch; test/ops/linalg.test.ts checks on symmetric input",
  gradgradcheck: "as for gradcheck",
} as const;
const singular = {
  name: "a singular matrix",
  args: () => [
    tensor(
      [
        [1, 2],
        [2, 4],
      ],
      { dtype: "float64" },
    ),
  ],
  message: /the matrix is singular/,
};

export const linalg = {
  chainMatmul: calls({ three: () => [[m(2, 3), n(3, 4), m(4, 2)]] }, loose),
  cholesky: calls(
    { matrix: () => [definite()], upper: () => [definite(), { upper: true }] },
    {
      ...loose,
      skips: triangle,
      errors: [
        {
          name: "a matrix that is not positive-definite",
          args: () => [
            tensor(
              [
                [1, 2],
                [2, 1],
              ],
              { dtype: "float64" },
            ),
          ],
          message: /not positive-definite: its leading minor of order 2 is not positive/,
        },
      ],
    },
  ),
  choleskyInverse: calls({ matrix: () => [lower()] }, { ...loose, skips: triangle }),
  choleskySolve: calls({ matrix: () => [m(3, 2), lower()] }, { ...loose, skips: triangle }),
  det: square,
  inverse: { ...square, errors: [...(square.errors ?? []), singular] },
  logdet: calls({ positive: () => [definite()], one: () => [make([1, 1], { low: 1, high: 2 })] }, loose),
  matrixExp: calls(
    {
      matrix: () => [regular()],
      batch: () => [m(2, 2, 2)],
      "small and large": () => [make([2, 2], { low: -9, high: 9 })],
    },
    loose,
  ),
  matrixPower: calls(
    {
      third: () => [regular(), 3],
      none: () => [regular(), 0],
      first: () => [regular(), 1],
      inverse: () => [regular(), -2],
    },
    loose,
  ),
  pinverse: calls({ tall: () => [m(4, 2)], wide: () => [m(2, 3)] }, loose),
  slogdet: square,
} satisfies Partial<Registry>;
