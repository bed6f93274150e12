/** Clipping of gradients, by norm and by value (`torch.nn.utils.clip_grad`). */

import { noGrad } from "../../autograd/mode.js";
import { add, div, mul } from "../../ops/arithmetic.js";
import { clamp, clampMax } from "../../ops/clamp.js";
import { stack } from "../../ops/join.js";
import { vectorNorm } from "../../ops/statistics.js";
import { zeros } from "../../tensor/create.js";
import { ValueError } from "../../tensor/errors.js";
import { checkNames, type OptionNames } from "../../tensor/options.js";
import type { Tensor } from "../../tensor/tensor.js";
import { overwrite } from "../stateDict.js";

/** Parameters, or one of them. */
export type ParametersInput = Tensor | Iterable<Tensor>;

/** Options of the functions that measure gradients. */
export interface NormOptions {
  /** Which norm, Infinity included (default 2). */
  normType?: number;
  /** Throw when the norm is not finite (default false). */
  errorIfNonfinite?: boolean;
}

const NORM_OPTIONS: OptionNames<NormOptions> = { normType: 1, errorIfNonfinite: 1 };

function listOf(parameters: ParametersInput): Tensor[] {
  return "storage" in parameters ? [parameters] : [...parameters];
}

function gradsOf(parameters: ParametersInput): Tensor[] {
  return listOf(parameters).flatMap((p) => (p.grad === null ? [] : [p.grad]));
}

/**
 * The norm of all elements of some tensors together, of no dimensions. Source: `torch.nn.utils.get_total_norm`.
 * @throws ValueError with `errorIfNonfinite` when it is not finite.
 */
export function getTotalNorm(tensors: ParametersInput, options: NormOptions | number = {}): Tensor {
  checkNames("getTotalNorm", options, NORM_OPTIONS);
  const { normType = 2, errorIfNonfinite = false }: NormOptions =
    typeof options === "number" ? { normType: options } : options;
  const list = listOf(tensors);
  if (list.length === 0) return zeros([]);
  return noGrad(() => {
    const total = vectorNorm(stack(list.map((t) => vectorNorm(t, normType))), normType);
    if (errorIfNonfinite && !Number.isFinite(total.item())) {
      throw new ValueError(
        `[clipGradNorm_] the total norm of order ${normType} is ${total.item()}, so gradients cannot be scaled by it; ` +
          "try { errorIfNonfinite: false } to scale them all the same",
      );
    }
    return total;
  });
}

/** Scales gradients, in place, as if their norm were cut to `maxNorm`. Source: `torch.nn.utils.clip_grads_with_norm_`. */
export function clipGradsWithNorm_(parameters: ParametersInput, maxNorm: number, totalNorm: Tensor): void {
  noGrad(() => {
    const factor = clampMax(div(maxNorm, add(totalNorm, 1e-6)), 1);
    if (factor.item() === 1) return;
    for (const g of gradsOf(parameters)) overwrite(g, mul(g, factor));
  });
}

/**
 * Scales the gradients of all parameters, in place, so that their norm together is at most `maxNorm`; returns the
 * norm before. Source: `torch.nn.utils.clip_grad_norm_`.
 * @example
 * const p = new nn.Parameter(tensor([3.5]));
 * p.mul(10).sum().backward();
 * nn.utils.clipGradNorm_([p], 2).item(); // 10
 * @throws ValueError with `errorIfNonfinite` when the norm is not finite.
 */
export function clipGradNorm_(
  parameters: ParametersInput,
  maxNorm: number,
  options: NormOptions | number = {},
): Tensor {
  checkNames("clipGradNorm_", options, NORM_OPTIONS);
  const list = listOf(parameters);
  const total = getTotalNorm(gradsOf(list), options);
  clipGradsWithNorm_(list, maxNorm, total);
  return total;
}

/** Cuts every element of the gradients to [-clipValue, clipValue], in place. Source: `torch.nn.utils.clip_grad_value_`. */
export function clipGradValue_(parameters: ParametersInput, clipValue: number): void {
  noGrad(() => {
    for (const g of gradsOf(parameters)) overwrite(g, clamp(g, -clipValue, clipValue));
  });
}
