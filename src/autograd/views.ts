/** Views in the graph: which part of its base a view is, and its link to the base, made anew when that changed in place. */
import type { Shape } from "../tensor/shape.js";
import type { GradFn, Tensor } from "../tensor/tensor.js";
import { engineOps } from "./engineOps.js";
import { Node } from "./node.js";

/** Where a view's elements are in the storage, and where those of its base are. @internal */
export interface ViewPlace {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
  readonly of?: { readonly shape: Shape; readonly strides: readonly number[]; readonly offset: number };
}

/** @internal The place of a view in its base. */
export function placeOf(view: Tensor, base: Tensor): ViewPlace {
  const of = { shape: base.shape, strides: base.strides, offset: base.storageOffset };
  return { shape: view.shape, strides: view.strides, offset: view.storageOffset, of };
}

/** Gives a tensor another place in the graph: a gradient that it retains is that of this place. @internal */
export function moveTo(x: Tensor, node: GradFn | null, outputNr: number): void {
  x.node = node;
  x.outputNr = outputNr;
  if (x.retainsGrad) x.retainGrad();
}

/** Links a view anew if its base was changed in place since; to be called before the view's node is read. @internal */
export function relink(view: Tensor): void {
  const { base } = view;
  if (base === null || base.graphEpoch === view.graphEpoch) return;
  view.graphEpoch = base.graphEpoch;
  if (!base.requiresGrad) return;
  const node = new Node(engineOps.asStrided, placeOf(view, base), [base]);
  node.outShapes = [view.shape];
  node.outCodes = [view.code];
  moveTo(view, node, 0);
}
