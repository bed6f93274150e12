/** Pictures of the tape: text and Graphviz dot. */
import { Tensor } from "../tensor/tensor.js";
import type { Node } from "./node.js";
import { topological } from "./order.js";

interface Entry {
  readonly id: string;
  readonly label: string;
  readonly leaf: boolean;
  readonly next: readonly string[];
}

function collect(root: Tensor): Entry[] {
  const ids = new Map<Node | Tensor, string>();
  const idOf = (x: Node | Tensor) => {
    const id = ids.get(x) ?? `${x instanceof Tensor ? "leaf" : "n"}${ids.size}`;
    ids.set(x, id);
    return id;
  };
  if (root.node === null) return [{ id: idOf(root), label: leafLabel(root), leaf: true, next: [] }];
  const order = topological([root.node as Node]);
  for (const node of order) idOf(node);
  const leaves = new Map<Tensor, Entry>();
  const nodes = order.map((node): Entry => {
    const next = node.nextFunctions.map(([target]) => {
      const id = idOf(target);
      if (target instanceof Tensor)
        leaves.set(target, { id, label: leafLabel(target), leaf: true, next: [] });
      return id;
    });
    return {
      id: idOf(node),
      label: `${node.name} [${(node.outShapes[0] ?? []).join(", ")}]`,
      leaf: false,
      next,
    };
  });
  return [...nodes, ...leaves.values()];
}

function leafLabel(t: Tensor): string {
  return `leaf ${t.dtype} [${t.shape.join(", ")}]`;
}

/**
 * The graph below a tensor in Graphviz's dot language: ops as boxes, leaves as ellipses, arrows along the backward.
 * @example
 * const x = ones([2], { requiresGrad: true });
 * toDot(x.mul(2).sum()).split("\n")[1]; // '  n0 [label="Sum []", shape=box];'
 */
export function toDot(root: Tensor): string {
  const lines = collect(root).flatMap((e) => [
    `  ${e.id} [label="${e.label}", shape=${e.leaf ? "ellipse" : "box"}];`,
    ...e.next.map((to) => `  ${e.id} -> ${to};`),
  ]);
  return `digraph {\n${lines.join("\n")}\n}`;
}

/** The graph below a tensor as text: one op a line, newest first, with what its gradients flow to. */
export function graphText(root: Tensor): string {
  return collect(root)
    .map((e) => `${e.id}: ${e.label}${e.next.length > 0 ? ` -> ${e.next.join(", ")}` : ""}`)
    .join("\n");
}
