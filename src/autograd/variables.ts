/** What derivatives of functions share: inputs as variables of their own, missing gradients as zeros, strictness. */
import { isFloat, nameOf } from "../tensor/dtype.js";
import { AutogradError, DTypeError, ShapeError, show } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { detached, fromTyped, full } from "../tensor/raw.js";
import { sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { grad } from "./engine.js";
import { engineOps } from "./engineOps.js";
import { Node } from "./node.js";

/** A new leaf on the same data. */
export function leafOf(op: string, t: Tensor, requiresGrad = true): Tensor {
  if (requiresGrad && !isFloat(t.code)) {
    throw new DTypeError(
      `[${op}] derivatives exist for floating tensors only: got ${nameOf(t.code)}; try to("float32")`,
    );
  }
  const leaf = detached(t);
  leaf.leafRequiresGrad = requiresGrad;
  return leaf;
}

/** The tensor as a variable that differs from `t` itself; with `connect`, gradients flow on to `t`. */
export function variable(op: string, t: Tensor, connect: boolean): Tensor {
  return connect && t.requiresGrad ? engineOps.alias(t) : leafOf(op, t);
}

/** A tensor of zeros like `t`. */
export function zerosLike(t: Tensor): Tensor {
  nextOp();
  return full(t.shape, 0, t.code);
}

/** A tensor of zeros like `t` with a one at a row-major index. */
export function oneHot(t: Tensor, index: number): Tensor {
  nextOp();
  const values = new Float64Array(t.numel);
  values[index] = 1;
  return fromTyped(values, t.shape, t.code);
}

/** Gradients of those outputs that are there and have a graph; null where there is none. */
export function gradsOf(
  outputs: readonly (Tensor | null)[],
  inputs: readonly Tensor[],
  gradOutputs: readonly (Tensor | null)[],
  createGraph: boolean,
): (Tensor | null)[] {
  const used = outputs.flatMap((o, i) => (o?.requiresGrad === true ? [i] : []));
  if (used.length === 0) return inputs.map(() => null);
  return grad(
    used.map((i) => outputs[i] as Tensor),
    inputs,
    {
      gradOutputs: used.map((i) => gradOutputs[i] ?? null),
      createGraph,
      retainGraph: true,
      allowUnused: true,
    },
  );
}

/** Checks that `v` fits `like` in number and shapes. */
export function checkVectors(
  op: string,
  v: readonly Tensor[],
  like: readonly Tensor[],
  likeWhat: string,
): void {
  if (v.length !== like.length) {
    throw new AutogradError(
      `[${op}] v has ${v.length} tensors, expected ${like.length}, one for each of the ${likeWhat}`,
    );
  }
  v.forEach((t, i) => {
    const { shape } = like[i] as Tensor;
    if (sameShape(t.shape, shape)) return;
    throw new ShapeError(
      `[${op}] tensor ${i} of v has shape ${show(t.shape)}, expected ${show(shape)}, as the ${likeWhat} have`,
    );
  });
}

/** The list of tensors that a user's function gave or takes; throws for anything else. */
export function asTensors(op: string, what: string, value: unknown): readonly Tensor[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  list.forEach((t, i) => {
    if (t instanceof Tensor) return;
    throw new AutogradError(
      `[${op}] ${what} must be a tensor or an array of tensors: got ${t === null ? "null" : typeof t} at ${i}`,
    );
  });
  return list as readonly Tensor[];
}

/** Variables of functions that have returned: nobody can ask for their gradients any more. */
const ended = new WeakSet<Tensor>();

/** Whether gradients of the outputs of a function that has returned flow to something besides its own variables. */
export function flowsBeyond(outputs: readonly Tensor[], own: readonly Tensor[]): boolean {
  for (const t of own) if (t.node === null) ended.add(t);
  const seen = new Set<Node>();
  const stack: Node[] = [];
  for (const t of outputs) {
    if (t.node instanceof Node) stack.push(t.node);
    else if (t.leafRequiresGrad && !ended.has(t)) return true;
  }
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    for (const edge of node.edges) {
      if (edge instanceof Node) stack.push(edge);
      else if (edge !== null && !ended.has(edge)) return true;
    }
  }
  return false;
}
