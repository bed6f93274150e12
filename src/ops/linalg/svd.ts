/** Singular values and vectors: svd, svdvals. */

import { defineMultiOp, runMulti } from "../../autograd/op.js";
import { checkNames, checkOptions, type OptionNames } from "../../tensor/options.js";
import type { Tensor } from "../../tensor/tensor.js";
import { add, div, mul, sub } from "../arithmetic.js";
import { diagEmbed } from "../diagonal.js";
import { matmul } from "../matmul.js";
import { square } from "../powers.js";
import { narrow, transpose, unsqueeze } from "../view.js";
import { checkMatrices, identity } from "./core.js";
import { singularValues } from "./singular.js";

interface Svd {
  readonly full: boolean;
  /** Whether the vectors are asked for; the gradient needs them in any case. */
  readonly vectors: boolean;
}

const svdOp = defineMultiOp<Svd>({
  name: "Svd",
  savesOutput: true,
  forward: ([x], { full, vectors }, ctx) => {
    const wanted = vectors || ctx.recording ? (full ? "full" : "thin") : "none";
    const { U, S, Vh } = singularValues("linalg.svd", x as Tensor, wanted);
    return [U, S, Vh];
  },
  backward: ([gu, gs, gvh], n) => {
    const k = n.output(1).shape.at(-1) as number;
    const first = (g: Tensor | null | undefined, dim: number) =>
      g === null || g === undefined ? null : narrow(g, dim, 0, k);
    // Of full matrices only the first k vectors carry a gradient.
    const [U, Vh] = [narrow(n.output(0), -1, 0, k), narrow(n.output(2), -2, 0, k)];
    return [svdBackward(first(gu, -1), gs ?? null, first(gvh, -2), U, n.output(1), Vh)];
  },
});

const mT = (x: Tensor): Tensor => transpose(x, -2, -1);
const skew = (x: Tensor): Tensor => sub(x, mT(x));

/**
 * gA = U [(skew(U^T gU) / E) S + S (skew(V^T gV) / E) + diag(gS)] V^T + (I - U U^T) gU S^-1 V^T
 *    + U S^-1 gV^T (I - V V^T), with skew(X) = X - X^T and E[i, j] = S[j]^2 - S[i]^2, 1 on the diagonal.
 */
function svdBackward(
  gU: Tensor | null,
  gS: Tensor | null,
  gVh: Tensor | null,
  U: Tensor,
  S: Tensor,
  Vh: Tensor,
): Tensor {
  const [m, n] = [U.shape.at(-2) as number, Vh.shape.at(-1) as number];
  const k = S.shape.at(-1) as number;
  const [row, column] = [unsqueeze(S, -2), unsqueeze(S, -1)];
  let inner: Tensor | null = gS === null ? null : diagEmbed(gS);
  const plus = (x: Tensor | null, y: Tensor) => (x === null ? y : add(x, y));
  if (gU !== null || gVh !== null) {
    const E = add(sub(square(row), square(column)), identity(k, S.code));
    if (gU !== null) inner = plus(inner, mul(div(skew(matmul(mT(U), gU)), E), row));
    if (gVh !== null) inner = plus(inner, mul(column, div(skew(matmul(Vh, mT(gVh))), E)));
  }
  let out = matmul(matmul(U, inner as Tensor), Vh);
  if (gU !== null && m > k) {
    const scaled = div(gU, row);
    out = add(out, matmul(sub(scaled, matmul(U, matmul(mT(U), scaled))), Vh));
  }
  if (gVh !== null && n > k) {
    const scaled = div(gVh, column);
    out = add(out, matmul(U, sub(scaled, matmul(matmul(scaled, mT(Vh)), Vh))));
  }
  return out;
}

/** Options of {@link svd}. */
export interface SvdOptions {
  /** All m columns of U and n rows of Vh (default), or the first min(m, n) of each. */
  fullMatrices?: boolean;
  /** Ignored: there is one algorithm. */
  driver?: string | null;
}

const SVD_OPTIONS: OptionNames<SvdOptions> = { fullMatrices: 1, driver: 1 };

/**
 * A = U diag(S) Vh, with S from large to small. Singular vectors are unique up to their sign, so gradients through them
 * mean something only where the sign does not matter; they need distinct singular values. Source: `torch.linalg.svd`.
 */
export function svd(
  A: Tensor,
  options: boolean | SvdOptions = {},
): {
  /** Left singular vectors, in the columns. */
  U: Tensor;
  /** Singular values, in falling order. */
  S: Tensor;
  /** Right singular vectors, in the rows. */
  Vh: Tensor;
} {
  checkNames("linalg.svd", options, SVD_OPTIONS);
  checkMatrices("linalg.svd", A);
  const full = typeof options === "boolean" ? options : (options.fullMatrices ?? true);
  const [U, S, Vh] = runMulti(svdOp, [A], { full, vectors: true });
  return { U: U as Tensor, S: S as Tensor, Vh: Vh as Tensor };
}

const SVDVALS_OPTIONS: OptionNames<{ driver?: string | null }> = { driver: 1 };

/** Singular values, from large to small. Source: `torch.linalg.svdvals`. */
export function svdvals(A: Tensor, _options: { driver?: string | null } = {}): Tensor {
  checkOptions("linalg.svdvals", _options, SVDVALS_OPTIONS);
  checkMatrices("linalg.svdvals", A);
  return runMulti(svdOp, [A], { full: false, vectors: false })[1] as Tensor;
}
