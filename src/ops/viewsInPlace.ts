/** Views in place: the tensor itself gets other dimensions of the same storage; no data moves. */

import { checkLeaf } from "../autograd/inplace.js";
import { enableGrad } from "../autograd/mode.js";
import { moveTo } from "../autograd/views.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { asStrided } from "./geometry.js";
import { squeeze, t, transpose, unsqueeze } from "./view.js";

function become(op: string, x: Tensor, view: (x: Tensor) => Tensor): Tensor {
  checkLeaf(op, x);
  // Without recording, too: the graph of before knows the sizes of before.
  const place = x.node === null ? view(x) : enableGrad(() => view(x));
  x.takePlace(place);
  moveTo(x, place.node, place.outputNr);
  x.storage.version++;
  if (x.base === null) x.graphEpoch++; // its views find their place anew
  return x;
}

/** Removes dimensions of size 1: all, or those of `dim` that have it. Source: `torch.Tensor.squeeze_`. */
export function squeeze_(x: Tensor, dim?: Parameters<typeof squeeze>[1]): Tensor {
  return become("squeeze_", x, (v) => squeeze(v, dim));
}

/** Adds a dimension of size 1 at `dim`. Source: `torch.Tensor.unsqueeze_`. */
export function unsqueeze_(x: Tensor, dim: number): Tensor {
  return become("unsqueeze_", x, (v) => unsqueeze(v, dim));
}

/** Swaps two dimensions. Source: `torch.Tensor.transpose_`. */
export function transpose_(x: Tensor, dim0: number, dim1: number): Tensor {
  return become("transpose_", x, (v) => transpose(v, dim0, dim1));
}

/** Same as {@link transpose_}. Source: `torch.Tensor.swapaxes_`. */
export const swapaxes_: typeof transpose_ = transpose_;
/** Same as {@link transpose_}. Source: `torch.Tensor.swapdims_`. */
export const swapdims_: typeof transpose_ = transpose_;

/** Transposes a matrix. Source: `torch.Tensor.t_`. */
export function t_(x: Tensor): Tensor {
  return become("t_", x, t);
}

const AS_STRIDED_IN_PLACE_OPTIONS: OptionNames<{ storageOffset?: number }> = { storageOffset: 1 };

/** Other size, strides and offset in the same storage. Source: `torch.Tensor.as_strided_`. */
export function asStrided_(
  x: Tensor,
  size: Shape,
  stride: readonly number[],
  options: { storageOffset?: number } = {},
): Tensor {
  checkOptions("asStrided_", options, AS_STRIDED_IN_PLACE_OPTIONS);
  return become("asStrided_", x, (v) => asStrided(v, size, stride, options));
}
