/** The blocks of a Jacobian: for each output and input a tensor of shape output + input, by rows or by columns. */
import { nextOp } from "../tensor/heap.js";
import { full } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { engineOps } from "./engineOps.js";
import { enableGrad } from "./mode.js";
import { oneHot, zerosLike } from "./variables.js";

/** Row by row: `pull(u, o)` gives u^T J of output `o`, a tensor for each input. */
export function blocksByRows(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  pull: (u: Tensor, o: number) => readonly Tensor[],
): Tensor[][] {
  return outputs.map((out, o) => {
    const rows = Array.from({ length: out.numel }, (_, k) => pull(oneHot(out, k), o));
    return inputs.map((x, i) => {
      const parts = rows.map((row) => row[i] as Tensor);
      return block(parts, 0, [...out.shape, ...x.shape], x);
    });
  });
}

/** Column by column: `push(v)` gives J v, a tensor for each output. */
export function blocksByColumns(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  push: (v: readonly Tensor[]) => readonly Tensor[],
): Tensor[][] {
  const columns = inputs.map((x, i) =>
    Array.from({ length: x.numel }, (_, j) =>
      push(inputs.map((t, k) => (k === i ? oneHot(t, j) : zerosLike(t)))),
    ),
  );
  return outputs.map((out, o) =>
    inputs.map((x, i) => {
      const parts = (columns[i] as (readonly Tensor[])[]).map((column) => column[o] as Tensor);
      return block(parts, out.ndim, [...out.shape, ...x.shape], out);
    }),
  );
}

function block(parts: readonly Tensor[], dim: number, shape: readonly number[], like: Tensor): Tensor {
  if (parts.length > 0) return enableGrad(() => engineOps.reshape(engineOps.stack(parts, dim), shape));
  nextOp();
  return full(shape, 0, like.code);
}
