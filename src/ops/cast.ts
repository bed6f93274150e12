/** Copies and casts: clone, contiguous, detach, to and the named casts. */

import { engineOps } from "../autograd/engineOps.js";
import { defineOp, run } from "../autograd/op.js";
import { codeOf, type DType, type DTypeCode } from "../tensor/dtype.js";
import { checkNames, type OptionNames } from "../tensor/options.js";
import { castTo, copyOf, detached } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";

const castOp = defineOp<DTypeCode>({
  name: "ToCopy",
  forward: ([x], code) => castTo(x as Tensor, code),
  backward: (g, n) => [cast(g, n.codes[0] as DTypeCode)],
});

/** The tensor itself when of that dtype code, else a recorded cast. @internal */
export function cast(x: Tensor, code: DTypeCode): Tensor {
  return x.code === code ? x : run(castOp, [x], code);
}

const cloneOp = defineOp({
  name: "Clone",
  forward: ([x]) => copyOf(x as Tensor),
  backward: (g) => [g],
});

/** A copy with its own storage, part of the graph. Source: `torch.clone`. */
export function clone(x: Tensor): Tensor {
  return run(cloneOp, [x], null);
}

/** The tensor itself when contiguous, else a contiguous copy. Source: `torch.Tensor.contiguous`. */
export function contiguous(x: Tensor): Tensor {
  return x.contig ? x : clone(x);
}

/** The same data outside the graph; in-place changes are seen by both. Source: `torch.Tensor.detach`. */
export function detach(x: Tensor): Tensor {
  return detached(x);
}

/** Options of {@link to}. */
export interface ToOptions {
  /** Element type of the result. */
  dtype?: DType;
  /** Copy even when the dtype is the same (default false). */
  copy?: boolean;
  /** Where the result lives: always `"cpu"`. */
  device?: "cpu";
}

const TO_OPTIONS: OptionNames<ToOptions> = { dtype: 1, copy: 1, device: 1 };

/**
 * The tensor with another dtype; itself when nothing changes, as with the device `"cpu"`. Source: `torch.Tensor.to`.
 * @example
 * tensor([1.5, 2.5]).to("int64").toArray(); // [1, 2]
 */
export function to(x: Tensor, dtype: DType | "cpu" | ToOptions | Tensor): Tensor {
  checkNames("to", dtype, TO_OPTIONS);
  if (dtype === "cpu") return x;
  if (typeof dtype === "string") return cast(x, codeOf(dtype));
  if ("storage" in dtype) return cast(x, dtype.code);
  const code = dtype.dtype === undefined ? x.code : codeOf(dtype.dtype);
  return dtype.copy === true && code === x.code ? clone(x) : cast(x, code);
}

engineOps.cast = (x, code) => cast(x, code as DTypeCode);
engineOps.clone = clone;
