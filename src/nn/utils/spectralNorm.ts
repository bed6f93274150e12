/** Spectral normalisation: a weight divided by its largest singular value (Miyato et al. 2018). */

import { noGrad } from "../../autograd/mode.js";
import { mul } from "../../ops/arithmetic.js";
import { clone } from "../../ops/cast.js";
import { div } from "../../ops/division.js";
import { multiDot, pinv } from "../../ops/linalg/index.js";
import { normalize } from "../../ops/localResponseNorm.js";
import { dot, mm, mv } from "../../ops/matmul.js";
import { normal_ } from "../../ops/randomInPlace.js";
import { mean } from "../../ops/sum.js";
import { permute, reshape, squeeze, t, unsqueeze } from "../../ops/view.js";
import { empty } from "../../tensor/create.js";
import { ValueError } from "../../tensor/errors.js";
import type { OptionNames } from "../../tensor/options.js";
import { wrapDim } from "../../tensor/shape.js";
import { Tensor } from "../../tensor/tensor.js";
import type { AnyModule } from "../base.js";
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from "../convTranspose.js";
import { Parameter } from "../parameter.js";
import { overwrite, type StateLoad } from "../stateDict.js";
import { forget, ownerOf, partOf, put, recompute, stopRecompute, tensorOf } from "./recompute.js";
import { named } from "./weightNorm.js";

/** Options of spectral normalisation. */
export interface SpectralNormOptions {
  /** Name of the tensor (default "weight"). */
  name?: string;
  /** Steps of the power iteration at each forward in training mode (default 1). */
  nPowerIterations?: number;
  /** Added where lengths are divided by (default 1e-12). */
  eps?: number;
  /** The dimension of the outputs: the rows of the matrix (default 0, and 1 for transposed convolutions). */
  dim?: number | null;
}

/** @internal */
export const SPECTRAL_NORM_OPTIONS: OptionNames<SpectralNormOptions> = {
  name: 1,
  nPowerIterations: 1,
  eps: 1,
  dim: 1,
};

/** Checked options for a module. @internal */
export function spectralOptions(
  op: string,
  module: AnyModule,
  weight: Tensor,
  options: SpectralNormOptions,
): { steps: number; eps: number; dim: number } {
  const transposed = [ConvTranspose1d, ConvTranspose2d, ConvTranspose3d].some((c) => module instanceof c);
  const steps = options.nPowerIterations ?? 1;
  if (!Number.isInteger(steps) || steps <= 0)
    throw new ValueError(`[${op}] nPowerIterations must be a whole number > 0, got ${steps}`);
  const dim = wrapDim(op, options.dim ?? (transposed ? 1 : 0), weight.shape.length);
  return { steps, eps: options.eps ?? 1e-12, dim };
}

/** The weight as a matrix with the rows along `dim`. @internal */
export function asMatrix(weight: Tensor, dim: number): Tensor {
  const dims = weight.shape.map((_, d) => d);
  const w = dim === 0 ? weight : permute(weight, [dim, ...dims.filter((d) => d !== dim)]);
  return reshape(w, [w.shape[0] as number, -1]);
}

/** A random vector of length 1. @internal */
export function randomDirection(n: number, like: Tensor, eps: number): Tensor {
  return normalize(normal_(empty([n], { dtype: like.dtype })), { dim: 0, eps });
}

/** W / (u^T W v), where the vectors do not follow later steps. @internal */
export function overSigma(weight: Tensor, matrix: Tensor, u: Tensor, v: Tensor): Tensor {
  return div(weight, dot(u, mv(matrix, v)));
}

/** The hook that makes the weight. */
class SpectralNorm {
  readonly orig: string;
  readonly u: string;
  readonly v: string;

  constructor(
    module: AnyModule,
    readonly field: string,
    readonly options: { steps: number; eps: number; dim: number },
  ) {
    this.orig = partOf(module, field, "orig");
    this.u = partOf(module, field, "u");
    this.v = partOf(module, field, "v");
  }

  compute(module: AnyModule, iterate: boolean): Tensor {
    const { steps, eps, dim } = this.options;
    const weight = module._get(this.orig) as Tensor;
    const u = module._get(this.u) as Tensor;
    const v = module._get(this.v) as Tensor;
    const matrix = asMatrix(weight, dim);
    if (!iterate) return overSigma(weight, matrix, u, v);
    noGrad(() => {
      for (let i = 0; i < steps; i++) {
        overwrite(v, normalize(mv(t(matrix), u), { dim: 0, eps }));
        overwrite(u, normalize(mv(matrix, v), { dim: 0, eps }));
      }
    });
    return overSigma(weight, matrix, clone(u), clone(v));
  }

  /** State dicts of before there was a `v`: it solves u = W v / |W v| and u^T W v = sigma. */
  migrate(module: AnyModule, load: StateLoad, prefix: string): void {
    const key = (field: string) => prefix + module._keyOf(field);
    const [weight, orig, u] = [this.field, this.orig, this.u].map((f) => load.state.get(key(f)));
    if (load.state.has(key(this.v))) return;
    if (!(weight instanceof Tensor && orig instanceof Tensor && u instanceof Tensor)) return;
    noGrad(() => {
      const matrix = asMatrix(orig, this.options.dim);
      const inverse = pinv(mm(t(matrix), matrix));
      const v = squeeze(multiDot([inverse, t(matrix), unsqueeze(u, 1)]), 1);
      const sigma = mean(div(orig, weight));
      load.state.set(key(this.v), mul(v, div(sigma, dot(u, mv(matrix, v)))));
      load.state.delete(key(this.field));
    });
  }
}

/**
 * Divides a weight by its largest singular value, which a power iteration approximates: each forward in training mode
 * makes steps v = W^T u / |W^T u|, u = W v / |W v|, and weight = weight_orig / (u^T weight_orig v). The parameter is
 * `weight_orig`, the vectors are the buffers `weight_u` and `weight_v`. Returns the module.
 * Source: `torch.nn.utils.spectral_norm`.
 * @throws ValueError when there is no such parameter, or it is normalised already.
 * @example
 * const m = nn.utils.spectralNorm(new nn.Linear(20, 40));
 * m.getBuffer("weight_u").shape; // [40]
 */
export function spectralNorm<M extends AnyModule>(
  module: M,
  name: string | SpectralNormOptions = "weight",
  options: SpectralNormOptions = {},
): M {
  const [which, o] = named("spectralNorm", name, options, SPECTRAL_NORM_OPTIONS);
  const [field, weight] = tensorOf("spectralNorm", module, which);
  if (ownerOf(module, SpectralNorm, field) !== null)
    throw new ValueError(
      `[spectralNorm] "${which}" of ${module._getName()} is normalised already; try removeSpectralNorm first`,
    );
  if (!(weight instanceof Parameter))
    throw new ValueError(`[spectralNorm] "${which}" of ${module._getName()} is no parameter`);
  const norm = new SpectralNorm(module, field, spectralOptions("spectralNorm", module, weight, o));
  const { eps, dim } = norm.options;
  const [u, v] = noGrad(() => {
    const [rows, cols] = asMatrix(weight, dim).shape as [number, number];
    return [randomDirection(rows, weight, eps), randomDirection(cols, weight, eps)] as const;
  });
  forget(module, field);
  module.registerParameter(norm.orig, weight);
  put(module, field, weight.detach());
  module.registerBuffer(norm.u, u);
  module.registerBuffer(norm.v, v);
  recompute(module, field, norm, (m) => norm.compute(m, m.training));
  module.registerLoadStateDictPreHook((m, load, prefix) => {
    if (ownerOf(m, SpectralNorm, field) === norm) norm.migrate(m, load, prefix);
  });
  return module;
}

/**
 * Makes the present weight a parameter again and removes the spectral normalisation. Returns the module.
 * Source: `torch.nn.utils.remove_spectral_norm`.
 * @throws ValueError when the weight is not normalised.
 */
export function removeSpectralNorm<M extends AnyModule>(module: M, name = "weight"): M {
  const field = module._fieldOf(name);
  const norm = ownerOf(module, SpectralNorm, field);
  if (norm === null)
    throw new ValueError(
      `[removeSpectralNorm] "${name}" of ${module._getName()} has no spectral normalisation`,
    );
  const weight = noGrad(() => norm.compute(module, false));
  forget(module, field, norm.u, norm.v, norm.orig);
  stopRecompute(module, norm);
  module.registerParameter(field, new Parameter(weight));
  return module;
}
