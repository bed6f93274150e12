/** Parameters as one vector and back (`torch.nn.utils.convert_parameters`). */
import { cat } from "../../ops/join.js";
import { reshape } from "../../ops/view.js";
import { ShapeError, show } from "../../tensor/errors.js";
import { viewOf } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import { setData } from "../parameter.js";

/** All parameters flattened into one vector, part of the graph. Source: `torch.nn.utils.parameters_to_vector`. */
export function parametersToVector(parameters: Iterable<Tensor>): Tensor {
  return cat([...parameters].map((p) => reshape(p, [-1])));
}

/**
 * Makes the parameters views of the parts of a vector, in order. Source: `torch.nn.utils.vector_to_parameters`.
 * @throws ShapeError when the vector is not as long as all parameters together.
 */
export function vectorToParameters(vec: Tensor, parameters: Iterable<Tensor>): void {
  const list = [...parameters];
  const total = list.reduce((n, p) => n + p.numel, 0);
  if (vec.shape.length !== 1 || vec.numel !== total) {
    throw new ShapeError(
      `[vectorToParameters] got a vector of shape ${show(vec.shape)}, expected [${total}]`,
    );
  }
  const source = vec.contiguous();
  let at = source.storageOffset;
  for (const p of list) {
    setData(p, viewOf(source, p.shape, null, at));
    at += p.numel;
  }
}
