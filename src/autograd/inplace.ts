/**
 * In-place ops: the result of the ordinary op is written into the tensor, which takes over its place in the graph.
 * On a view, the base is rewritten as "base with this part replaced", and other views of it are linked anew.
 */
import { category, nameOf } from "../tensor/dtype.js";
import { AutogradError, DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { drop } from "../tensor/heap.js";
import { copyInto, copyOf } from "../tensor/raw.js";
import { sameShape } from "../tensor/shape.js";
import { INFERENCE } from "../tensor/storage.js";
import type { Tensor } from "../tensor/tensor.js";
import { engineOps } from "./engineOps.js";
import { mode } from "./mode.js";
import { Node, recordedSoFar } from "./node.js";
import { moveTo, placeOf, relink } from "./views.js";

/** Throws when `x` may not be changed in place now. */
export function checkInPlace(op: string, x: Tensor): void {
  if (!x.contig && x.shape.some((n, d) => n > 1 && x.strides[d] === 0)) {
    throw new ValueError(
      `[${op}] the elements of an expanded tensor share their places: got shape ${show(x.shape)} with strides ` +
        `${show(x.strides)}; try clone() first`,
    );
  }
  checkLeaf(op, x);
}

/** Throws when inference mode made `x` and is over: nothing counts its changes, and no graph may save it. */
export function checkInference(op: string, x: Tensor, what = "be changed in place"): void {
  if ((x.storage.flags & INFERENCE) === 0 || mode.inference) return;
  throw new AutogradError(
    `[${op}] a tensor of shape ${show(x.shape)} that inferenceMode made cannot ${what} outside of it; ` +
      "try clone() of it first, or noGrad in place of inferenceMode",
  );
}

/** Throws when `x` is a leaf, or a view of one, that collects a gradient: what it was would be lost. */
export function checkLeaf(op: string, x: Tensor): void {
  checkInference(op, x);
  if (!mode.grad) return;
  const root = x.base ?? x;
  if ((root.leafRequiresGrad && root.node === null) || (x.leafRequiresGrad && x.node === null)) {
    throw new AutogradError(
      `[${op}] ${x.base === null ? "a leaf" : "a view of a leaf"} that requires a gradient cannot be changed in place; ` +
        "try noGrad(() => ...), or the op without the trailing underscore",
    );
  }
}

/**
 * Makes `x` hold what `result`, an ordinary op's output, holds: data and graph. Returns `x`. Given as a function that
 * calls the op, all that the op recorded is known, should it be made of several.
 */
export function assign(op: string, x: Tensor, from: Tensor | (() => Tensor)): Tensor {
  checkInPlace(op, x);
  const since = recordedSoFar();
  const result = typeof from === "function" ? from() : from;
  if (!sameShape(x.shape, result.shape)) {
    throw new ShapeError(
      `[${op}] the result has shape ${show(result.shape)}, which does not fit in place into ${show(x.shape)}; ` +
        `try ${op.replace(/_$/, "")} without the underscore`,
    );
  }
  if (category(result.code) > category(x.code)) {
    throw new DTypeError(
      `[${op}] the result is ${nameOf(result.code)}, which cannot be cast to ${nameOf(x.code)} in place; try x.to("${nameOf(result.code)}") first`,
    );
  }
  const value = result.code === x.code ? result : engineOps.cast(result, x.code);
  const node = value.node as Node | null;
  relink(x);
  if (mode.grad && (node !== null || x.requiresGrad)) rewrite(x, value, node, since);
  else {
    copyInto(x, value);
    x.storage.version++;
  }
  if (value !== x && value.base === null) drop(value.storage);
  return x;
}

/** The node and, below it, all others recorded from number `since` on. */
function recordedBy(node: Node | null, since: number): Node[] {
  const found = new Set<Node>(node === null ? [] : [node]);
  for (const { edges } of found) {
    for (const edge of edges) if (edge instanceof Node && edge.seq >= since) found.add(edge);
  }
  return [...found];
}

function rewrite(x: Tensor, value: Tensor, node: Node | null, since: number): void {
  // The op may have saved x itself: its derivative needs the values of before.
  for (const part of recordedBy(node, since)) {
    if (!part.savesInput(x.storage)) continue;
    part.replaceSaved(x.storage, (old) => {
      const copy = copyOf(old);
      copy.node = old.node;
      copy.outputNr = old.outputNr;
      return copy;
    });
  }
  copyInto(x, value);
  x.storage.version++;
  const target = x.base ?? x;
  target.graphEpoch++;
  if (x.base === null && node !== null) moveTo(x, node, value.outputNr);
  else {
    // A view becomes part of its base anew when it is next used; values without a graph end that of before.
    const rebased = new Node(engineOps.asStridedScatter, placeOf(x, target), [target, value]);
    rebased.outShapes = [target.shape];
    rebased.outCodes = [target.code];
    moveTo(target, rebased, 0);
  }
  node?.replaceOutput(value.outputNr, x);
}
