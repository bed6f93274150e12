/** Higher derivatives of fused ops: through their composed twin, where each piece is differentiable at every order. */
import type { Tensor } from "../tensor/tensor.js";
import { grad } from "./engine.js";
import { engineOps } from "./engineOps.js";
import type { Node } from "./node.js";
import type { InputGrads } from "./op.js";

/**
 * The gradients of a fused op's inputs as part of the graph: those of `compose(inputs)`, which must compute what the
 * op computes. For a backward that runs under `createGraph`; the op must save its inputs.
 */
export function composedBackward(
  node: Node<never>,
  grads: readonly (Tensor | null)[],
  compose: (inputs: readonly Tensor[]) => readonly Tensor[],
): InputGrads {
  // Aliases, so that one input's own graph is not walked on the way to another.
  const inputs = node.shapes.map((_, i) => engineOps.alias(node.input(i)));
  const outs = compose(inputs);
  const used = outs.flatMap((out, i) => (out.requiresGrad && (grads[i] ?? null) !== null ? [i] : []));
  const wanted = inputs.flatMap((t, i) => (node.needs(i) && t.requiresGrad ? [i] : []));
  const result: (Tensor | null)[] = inputs.map(() => null);
  if (used.length === 0 || wanted.length === 0) return result;
  const found = grad(
    used.map((i) => outs[i] as Tensor),
    wanted.map((i) => inputs[i] as Tensor),
    { gradOutputs: used.map((i) => grads[i] as Tensor), createGraph: true, allowUnused: true },
  );
  wanted.forEach((i, k) => {
    result[i] = found[k] ?? null;
  });
  return result;
}
