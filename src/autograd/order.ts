/** Which nodes a pass visits, and in which order; without recursion, for graphs may be deep. */
import type { Tensor } from "../tensor/tensor.js";
import { Node } from "./node.js";

let passes = 0;

/** Gradients asked for by `autograd.grad`: per leaf, or per node and output. @internal */
export interface Captures {
  leaves: Map<Tensor, number[]>;
  nodes: Map<Node, [nr: number, index: number][]>;
  results: (Tensor | null)[];
  /** Whether the pass ends at these nodes, so that one's own graph adds nothing to another. */
  cut: boolean;
}

/** The graph below some roots, from the newest node to the oldest; what is below `walls` stays out. */
export function topological(roots: readonly Node[], walls?: ReadonlyMap<Node, unknown>): Node[] {
  const pass = ++passes;
  const order: Node[] = [];
  const stack: Node[] = [];
  for (const root of roots) {
    if (root.mark !== pass) {
      root.mark = pass;
      stack.push(root);
    }
  }
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    order.push(node);
    if (walls?.has(node) === true) continue;
    const edges = node.edges;
    for (let i = 0; i < edges.length; i++) {
      const next = edges[i];
      if (next instanceof Node && next.mark !== pass) {
        next.mark = pass;
        stack.push(next);
      }
    }
  }
  return order.sort((a, b) => b.seq - a.seq);
}

/** The nodes from which something that is asked for can be reached. @internal */
export function onPath(order: readonly Node[], captures: Captures): Set<Node> {
  const found = new Set<Node>();
  for (let k = order.length - 1; k >= 0; k--) {
    const node = order[k] as Node;
    if (captures.cut && captures.nodes.has(node)) continue;
    for (const edge of node.edges) {
      if (edge === null) continue;
      if (edge instanceof Node ? found.has(edge) || captures.nodes.has(edge) : captures.leaves.has(edge)) {
        found.add(node);
        break;
      }
    }
  }
  return found;
}
