/** The dropout functions of `torch.nn.functional`. */

import { assign } from "../../autograd/inplace.js";
import { needTensor } from "../../ops/core.js";
import { applyDropout } from "../../ops/dropout.js";
import { squeeze, unsqueeze } from "../../ops/view.js";
import { ShapeError, show } from "../../tensor/errors.js";
import type { OptionNames } from "../../tensor/options.js";
import type { Source } from "../../tensor/random.js";
import type { Tensor } from "../../tensor/tensor.js";
import { named } from "./positional.js";

/** Options of the dropout functions. */
export interface DropoutOptions {
  /** Probability of an element (or channel) to be dropped (default 0.5). */
  p?: number;
  /** Whether anything is dropped (default true; false for the alpha forms). */
  training?: boolean;
  /** Write the result into the input, and return it (default false). */
  inplace?: boolean;
  /** Where the draws come from (default: the default generator). */
  generator?: Source;
}

const DROPOUT_OPTIONS: OptionNames<DropoutOptions> = { p: 1, training: 1, inplace: 1, generator: 1 };

/** Options of the dropout functions after a probability by position. */
export type DropoutRest = Omit<DropoutOptions, "p">;

function drop(
  op: string,
  x: Tensor,
  o: DropoutOptions | undefined,
  kind: { channels: boolean; alpha: boolean },
  training: boolean,
): Tensor {
  const rule = { p: o?.p ?? 0.5, ...kind, generator: o?.generator };
  const y = applyDropout(op, x, o?.training ?? training, rule);
  return o?.inplace === true && y !== x ? assign(`${op}_`, x, y) : y;
}

/**
 * Sets elements to zero with probability p and divides the others by 1 - p. Source: `torch.nn.functional.dropout`.
 * @throws ValueError when p is no probability.
 */
export function dropout(input: Tensor, p?: number | DropoutOptions, options?: DropoutRest): Tensor {
  needTensor("dropout", input);
  return drop(
    "dropout",
    input,
    named("dropout", "p", p, options, DROPOUT_OPTIONS),
    { channels: false, alpha: false },
    true,
  );
}

/** {@link dropout} of whole channels; an input without a batch, of fewer than `batched` dimensions, gets one for a while. */
function channelDropout(op: string, x: Tensor, o: DropoutOptions | undefined, batched: number): Tensor {
  const kind = { channels: true, alpha: false };
  if (x.shape.length === batched) return drop(op, x, o, kind, true);
  const y = squeeze(drop(op, unsqueeze(x, 0), { ...o, inplace: false }, kind, true), 0);
  return o?.inplace === true ? assign(`${op}_`, x, y) : y;
}

/** Drops whole channels of (N, C, L) or (C, L). Source: `torch.nn.functional.dropout1d`. @throws ShapeError for another rank. */
export function dropout1d(input: Tensor, p?: number | DropoutOptions, options?: DropoutRest): Tensor {
  needTensor("dropout1d", input);
  if (input.shape.length !== 2 && input.shape.length !== 3) {
    throw new ShapeError(`[dropout1d] expected (N, C, L) or (C, L), got ${show(input.shape)}`);
  }
  return channelDropout("dropout1d", input, named("dropout1d", "p", p, options, DROPOUT_OPTIONS), 3);
}

/**
 * Drops whole channels, dimension 1, of (N, C, H, W). Three dimensions count as (N, C, L), as in PyTorch.
 * Source: `torch.nn.functional.dropout2d`.
 */
export function dropout2d(input: Tensor, p?: number | DropoutOptions, options?: DropoutRest): Tensor {
  needTensor("dropout2d", input);
  return drop(
    "dropout2d",
    input,
    named("dropout2d", "p", p, options, DROPOUT_OPTIONS),
    { channels: true, alpha: false },
    true,
  );
}

/** Drops whole channels of (N, C, D, H, W) or (C, D, H, W). Source: `torch.nn.functional.dropout3d`. */
export function dropout3d(input: Tensor, p?: number | DropoutOptions, options?: DropoutRest): Tensor {
  needTensor("dropout3d", input);
  return channelDropout("dropout3d", input, named("dropout3d", "p", p, options, DROPOUT_OPTIONS), 5);
}

/** Dropout that keeps mean and variance of what selu gives. Source: `torch.nn.functional.alpha_dropout`. */
export function alphaDropout(input: Tensor, p?: number | DropoutOptions, options?: DropoutRest): Tensor {
  needTensor("alphaDropout", input);
  return drop(
    "alphaDropout",
    input,
    named("alphaDropout", "p", p, options, DROPOUT_OPTIONS),
    { channels: false, alpha: true },
    false,
  );
}

/** {@link alphaDropout} of whole channels. Source: `torch.nn.functional.feature_alpha_dropout`. */
export function featureAlphaDropout(
  input: Tensor,
  p?: number | DropoutOptions,
  options?: DropoutRest,
): Tensor {
  needTensor("featureAlphaDropout", input);
  return drop(
    "featureAlphaDropout",
    input,
    named("featureAlphaDropout", "p", p, options, DROPOUT_OPTIONS),
    { channels: true, alpha: true },
    false,
  );
}
