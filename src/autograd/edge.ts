/** Gradient edges: an output of a recorded op, or a leaf, named without holding on to its data. */
import type { Tensor } from "../tensor/tensor.js";
import type { Node } from "./node.js";

/**
 * Where the gradient of a tensor flows to: the node that made it and which of its outputs it is, or the leaf itself.
 * `grad` and `backward({ inputs })` take it in place of the tensor. Made by {@link getGradientEdge}.
 * Source: `torch.autograd.graph.GradientEdge`.
 */
export class GradientEdge {
  /** The recorded op, or the leaf, which accumulates. */
  readonly node: Node | Tensor;
  /** Which output of the op. */
  readonly outputNr: number;

  constructor(node: Node | Tensor, outputNr = 0) {
    this.node = node;
    this.outputNr = outputNr;
  }
}
