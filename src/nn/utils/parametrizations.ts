/** Ready parametrizations: orthogonal matrices, spectral and weight normalisation (`torch.nn.utils.parametrizations`). */

import { noGrad } from "../../autograd/mode.js";
import { add, mul, sub } from "../../ops/arithmetic.js";
import { clone, contiguous } from "../../ops/cast.js";
import { allclose } from "../../ops/compare.js";
import { int } from "../../ops/convert.js";
import { diagonal, tril } from "../../ops/diagonal.js";
import { matrixTranspose } from "../../ops/dims.js";
import { div } from "../../ops/division.js";
import { cat } from "../../ops/join.js";
import { batchShape, batchSize, eachMatrix, read, transposed, write } from "../../ops/linalg/core.js";
import { matrixExp, solve } from "../../ops/linalg/index.js";
import { factorQR, householderProduct, qr } from "../../ops/linalg/qr.js";
import { normalize } from "../../ops/localResponseNorm.js";
import { matmul, mv } from "../../ops/matmul.js";
import { sign } from "../../ops/sign.js";
import { sum } from "../../ops/sum.js";
import { expand, narrow, t, unsqueeze } from "../../ops/view.js";
import { eye, zeros } from "../../tensor/create.js";
import { ShapeError, show, ValueError } from "../../tensor/errors.js";
import { nextOp } from "../../tensor/heap.js";
import type { OptionNames } from "../../tensor/options.js";
import { randn } from "../../tensor/random.js";
import type { Shape } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { AnyModule } from "../base.js";
import { Module } from "../module.js";
import { overwrite } from "../stateDict.js";
import { isParametrized, type Parametrized, registerParametrization } from "./parametrize.js";
import { tensorOf } from "./recompute.js";
import {
  asMatrix,
  overSigma,
  randomDirection,
  SPECTRAL_NORM_OPTIONS,
  type SpectralNormOptions,
  spectralOptions,
} from "./spectralNorm.js";
import {
  named,
  normalized,
  normExceptDim,
  WEIGHT_NORM_OPTIONS,
  type WeightNormOptions,
} from "./weightNorm.js";

/** How unconstrained numbers become an orthogonal matrix. */
export type OrthogonalMap = "householder" | "matrixExp" | "matrix_exp" | "cayley";

/** Options of {@link orthogonal}. */
export interface OrthogonalOptions {
  /** Name of the tensor (default "weight"). */
  name?: string;
  /** The map (default "matrixExp" for square matrices, "householder" for others). */
  orthogonalMap?: OrthogonalMap | null;
  /** Multiply by the initial matrix, so that every orthogonal matrix can be assigned (default true). */
  useTrivialization?: boolean;
}

const ORTHOGONAL_OPTIONS: OptionNames<OrthogonalOptions> = {
  name: 1,
  orthogonalMap: 1,
  useTrivialization: 1,
};

const sizeOf = (x: Tensor): [number, number] => [x.shape.at(-2) as number, x.shape.at(-1) as number];

/** x as a tall matrix, and whether it had to be transposed. */
function tall(x: Tensor): [Tensor, boolean] {
  const [n, k] = sizeOf(x);
  return n < k ? [matrixTranspose(x), true] : [x, false];
}

const back = (x: Tensor, turned: boolean): Tensor => (turned ? matrixTranspose(x) : x);

const batched = (x: Tensor): Shape => x.shape.slice(0, -2);

/** The nearest by rows to the columns: Q of A = Q R with a diagonal of R that is not negative. */
function orthonormalize(a: Tensor): Tensor {
  const { Q, R } = qr(a);
  return mul(Q, unsqueeze(sign(diagonal(R, { dim1: -2, dim2: -1 })), -2));
}

function isOrthogonal(q: Tensor): boolean {
  const [n, k] = sizeOf(q);
  const epsilon = q.dtype === "float64" ? 2 ** -52 : 2 ** -23;
  const product = matmul(matrixTranspose(q), q);
  return allclose(product, expand(eye(k, { dtype: q.dtype }), product.shape), { atol: 10 * n * epsilon });
}

/** An orthogonal matrix from unconstrained numbers of its shape. */
class Orthogonal extends Module {
  readonly shape: Shape;
  readonly orthogonalMap: "householder" | "matrixExp" | "cayley";
  /** What the matrix is multiplied by; null without trivialization. */
  base: Tensor | null = null;

  constructor(shape: Shape, orthogonalMap: "householder" | "matrixExp" | "cayley") {
    super();
    this.shape = shape;
    this.orthogonalMap = orthogonalMap;
  }

  forward(x: Tensor): Tensor {
    const [X, turned] = tall(x);
    const q = this.orthogonalMap === "householder" ? this.reflections(X) : this.rotation(X);
    return back(this.base === null ? q : matmul(this.base, q), turned);
  }

  /** The first k columns of exp(A), or of (I - A/2)^-1 (I + A/2), for the skew-symmetric A = L - L^T of the lower triangle. */
  private rotation(X: Tensor): Tensor {
    const [n, k] = sizeOf(X);
    let lower = tril(X);
    if (n !== k) lower = cat([lower, zeros([...batched(X), n, n - k], { dtype: X.dtype })], -1);
    const a = sub(lower, matrixTranspose(lower));
    const one = eye(n, { dtype: X.dtype });
    const q =
      this.orthogonalMap === "matrixExp"
        ? matrixExp(a)
        : solve(add(one, a, { alpha: -0.5 }), add(one, a, { alpha: 0.5 }));
    return n === k ? q : narrow(q, -1, 0, k);
  }

  /** The product of the reflections whose vectors are the columns below the diagonal, times the signs on it. */
  private reflections(X: Tensor): Tensor {
    const a = tril(X, -1);
    const tau = div(2, add(sum(mul(a, a), -2), 1));
    const signs = int(diagonal(X, { dim1: -2, dim2: -1 }).detach());
    return mul(householderProduct(a, tau), unsqueeze(signs, -2));
  }

  /** Throws unless q has the shape of the matrix. */
  protected check(q: Tensor): void {
    if (q.shape.length === this.shape.length && q.shape.every((n, d) => n === this.shape[d])) return;
    throw new ShapeError(`[orthogonal] expected a tensor of shape ${show(this.shape)}, got ${show(q.shape)}`);
  }
}

/** One whose value is the initial matrix times the map of numbers that start at the map's unit. */
class TrivializedOrthogonal extends Orthogonal {
  rightInverse(value: Tensor): Tensor {
    this.check(value);
    return noGrad(() => {
      const [q] = tall(value);
      const [n, k] = sizeOf(q);
      const more = (): Tensor => randn([...batched(q), n, n - k], { dtype: q.dtype });
      const base =
        n !== k ? orthonormalize(cat([q, more()], -1)) : isOrthogonal(q) ? clone(q) : orthonormalize(q);
      this.registerBuffer("base", contiguous(base));
      // -I: the diagonal holds signs, and the reflection of a zero vector is -1 in its row.
      const [rows, cols] = sizeOf(value);
      const unit = mul(eye(rows, cols, { dtype: value.dtype }), -1);
      return contiguous(expand(unit, value.shape));
    });
  }
}

/** One by reflections alone, which a QR decomposition finds. */
class HouseholderOrthogonal extends Orthogonal {
  rightInverse(value: Tensor): Tensor {
    this.check(value);
    return noGrad(() => {
      const [q, turned] = tall(value);
      const [m, n] = sizeOf(q);
      nextOp();
      const data = read(q);
      eachMatrix(data, m * n, batchSize(q), (matrix) => {
        const columns = transposed(matrix, m, n);
        const tau = factorQR(columns, m, n);
        for (let i = 0; i < n; i++) {
          const d = Math.sign(columns[i * m + i] as number);
          columns[i * m + i] = tau[i] === 0 ? -d : d;
        }
        matrix.set(transposed(columns, n, m));
      });
      return contiguous(back(write(data, [...batchShape(q), m, n], q.code), turned));
    });
  }
}

/**
 * Keeps a matrix, or a batch of them, orthogonal (with orthonormal columns or rows, whichever are fewer) while it is
 * learned: a parametrization by exp(A) ("matrixExp") or (I + A/2)(I - A/2)^-1 ("cayley") of a skew-symmetric A, or by
 * reflections ("householder"). Returns the module. Source: `torch.nn.utils.parametrizations.orthogonal`.
 * @throws ValueError for an unknown map; ShapeError for fewer than 2 dimensions.
 * @example
 * const m = nn.utils.parametrizations.orthogonal(new nn.Linear(3, 3));
 * m.weight.matmul(m.weight.t()).allclose(eye(3), { atol: 1e-5 }); // true
 */
export function orthogonal<M extends AnyModule>(
  module: M,
  name: string | OrthogonalOptions = "weight",
  options: OrthogonalOptions = {},
): Parametrized<M> {
  const [which, o] = named("orthogonal", name, options, ORTHOGONAL_OPTIONS);
  const [, weight] = tensorOf("orthogonal", module, which);
  if (weight.shape.length < 2)
    throw new ShapeError(
      `[orthogonal] expected a matrix or a batch of matrices, got shape ${show(weight.shape)}`,
    );
  const [n, k] = sizeOf(weight);
  const given = o.orthogonalMap ?? (n === k ? "matrixExp" : "householder");
  const map = given === "matrix_exp" ? "matrixExp" : given;
  if (map !== "matrixExp" && map !== "cayley" && map !== "householder")
    throw new ValueError(
      `[orthogonal] unknown orthogonalMap "${given}": expected "matrixExp", "cayley" or "householder"`,
    );
  const Class =
    (o.useTrivialization ?? true)
      ? TrivializedOrthogonal
      : map === "householder"
        ? HouseholderOrthogonal
        : Orthogonal;
  return registerParametrization(module, which, new Class(weight.shape, map), { unsafe: true });
}

/** W over its largest singular value. */
class SpectralNorm extends Module {
  readonly dim: number;
  readonly eps: number;
  readonly nPowerIterations: number;
  declare _u: Tensor;
  declare _v: Tensor;

  constructor(weight: Tensor, options: { steps: number; eps: number; dim: number }) {
    super();
    this.dim = options.dim;
    this.eps = options.eps;
    this.nPowerIterations = options.steps;
    if (weight.shape.length === 1) return;
    noGrad(() => {
      const matrix = asMatrix(weight, this.dim);
      const [rows, cols] = sizeOf(matrix);
      this.registerBuffer("_u", randomDirection(rows, weight, this.eps));
      this.registerBuffer("_v", randomDirection(cols, weight, this.eps));
      this.iterate(matrix, 15);
    });
  }

  private iterate(matrix: Tensor, steps: number): void {
    const unit = { dim: 0, eps: this.eps };
    noGrad(() => {
      for (let i = 0; i < steps; i++) {
        overwrite(this._u, normalize(mv(matrix, this._v), unit));
        overwrite(this._v, normalize(mv(t(matrix), this._u), unit));
      }
    });
  }

  forward(weight: Tensor): Tensor {
    if (weight.shape.length === 1) return normalize(weight, { dim: 0, eps: this.eps });
    const matrix = asMatrix(weight, this.dim);
    if (this.training) this.iterate(matrix, this.nPowerIterations);
    return overSigma(weight, matrix, clone(this._u), clone(this._v));
  }

  rightInverse(value: Tensor): Tensor {
    return value;
  }
}

/**
 * Divides a weight by its largest singular value, which a power iteration follows while the module trains; a vector by
 * its length. Returns the module. Source: `torch.nn.utils.parametrizations.spectral_norm`.
 * @throws ValueError when there is no such tensor.
 */
export function spectralNorm<M extends AnyModule>(
  module: M,
  name: string | SpectralNormOptions = "weight",
  options: SpectralNormOptions = {},
): Parametrized<M> {
  const [which, o] = named("spectralNorm", name, options, SPECTRAL_NORM_OPTIONS);
  const [, weight] = tensorOf("spectralNorm", module, which);
  const norm = new SpectralNorm(weight, spectralOptions("spectralNorm", module, weight, o));
  return registerParametrization(module, which, norm);
}

/** g v / |v| from g and v. */
class WeightNorm extends Module<[Tensor, Tensor]> {
  readonly dim: number;

  constructor(dim: number) {
    super();
    this.dim = dim;
  }

  forward(g: Tensor, v: Tensor): Tensor {
    return normalized(v, g, this.dim);
  }

  rightInverse(weight: Tensor): [Tensor, Tensor] {
    return [normExceptDim(weight, this.dim), weight];
  }
}

/**
 * Computes a weight from its length, `parametrizations.weight.original0`, and its direction, `original1`: g v / |v|, with
 * one length for each slice along `dim` (null: one for all). State dicts of `utils.weightNorm` can be loaded.
 * Returns the module. Source: `torch.nn.utils.parametrizations.weight_norm`.
 * @throws ValueError when there is no such tensor.
 */
export function weightNorm<M extends AnyModule>(
  module: M,
  name: string | WeightNormOptions = "weight",
  options: WeightNormOptions | number | null = {},
): Parametrized<M> {
  const given: WeightNormOptions =
    typeof options === "number" || options === null ? { dim: options } : options;
  const [which, o] = named("weightNorm", name, given, WEIGHT_NORM_OPTIONS);
  const [field] = tensorOf("weightNorm", module, which);
  const dim = o.dim === undefined ? 0 : (o.dim ?? -1);
  const made = registerParametrization(module, which, new WeightNorm(dim), { unsafe: true });
  module.registerLoadStateDictPreHook((m, load, prefix) => {
    if (!isParametrized(m, field)) return;
    const key = m._keyOf(field);
    const [g, v] = [`${prefix}${key}_g`, `${prefix}${key}_v`];
    if (!load.state.has(g) || !load.state.has(v)) return;
    for (const [i, old] of [g, v].entries()) {
      load.state.set(`${prefix}parametrizations.${key}.original${i}`, load.state.get(old));
      load.state.delete(old);
    }
  });
  return made;
}
