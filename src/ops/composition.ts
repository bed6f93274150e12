/**
 * The derivative of a composition of ops, for fused ops whose own derivative is rarely asked for (third order and up):
 * the formula is written once, in differentiable ops, and the engine differentiates it.
 */
import { grad } from "../autograd/engine.js";
import { enableGrad, mode } from "../autograd/mode.js";
import { detached } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { view } from "./view.js";

/** A composition: tensors in, results out; null where there is no result. */
export type Composition = (...x: Tensor[]) => readonly (Tensor | null)[];

/**
 * Gradients of `fn` with respect to those `inputs` that `needs` asks for, given cotangents of its results (null for
 * none). They are differentiable themselves while ops are recorded.
 */
export function gradientsOf(
  fn: Composition,
  inputs: readonly Tensor[],
  needs: readonly boolean[],
  cotangents: readonly (Tensor | null)[],
): (Tensor | null)[] {
  const again = mode.grad;
  return enableGrad(() => {
    // Each input gets a handle of its own, so that a path from one input to another does not count.
    const handles = inputs.map((t, i) => {
      if (needs[i] !== true) return detached(t);
      if (again) return view(t, t.shape);
      const leaf = detached(t);
      leaf.leafRequiresGrad = true;
      return leaf;
    });
    const results = fn(...handles);
    const used = results.flatMap((y, i) =>
      y?.requiresGrad === true && (cotangents[i] ?? null) !== null ? [i] : [],
    );
    const wanted = handles.filter((t) => t.requiresGrad);
    if (used.length === 0 || wanted.length === 0) return inputs.map(() => null);
    const found = grad(
      used.map((i) => results[i] as Tensor),
      wanted,
      { gradOutputs: used.map((i) => cotangents[i] as Tensor), createGraph: again, allowUnused: true },
    );
    return handles.map((t) => found[wanted.indexOf(t)] ?? null);
  });
}
