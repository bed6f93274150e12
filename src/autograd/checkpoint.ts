/**
 * Checkpointing: what a function saves for its backward is thrown away after the forward and computed anew when the
 * backward needs it: memory for time. Source: `torch.utils.checkpoint`.
 */

import { AutogradError, show } from "../tensor/errors.js";
import { getRngState, setRngState } from "../tensor/generator.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { describe, detached } from "../tensor/raw.js";
import { type Shape, sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { GradientEdge } from "./edge.js";
import { grad } from "./engine.js";
import { enableGrad, mode } from "./mode.js";
import { Node } from "./node.js";
import { defineMultiOp } from "./op.js";
import { tensorsIn, withTensors } from "./tree.js";
import { relink } from "./views.js";

/** Options of {@link checkpoint}. */
export interface CheckpointOptions {
  /** Draw the same random numbers again in the second run (default true). */
  preserveRngState?: boolean;
  /** Taken for the sake of ported code: gradients flow to everything that the function uses, either way. */
  useReentrant?: boolean | null;
  /** Check that the second run gives outputs of the same shapes and dtypes (default), or not ("none"). */
  determinismCheck?: "default" | "none";
}

const CHECKPOINT_OPTIONS: OptionNames<CheckpointOptions> = {
  preserveRngState: 1,
  useReentrant: 1,
  determinismCheck: 1,
};

/** Everything that the second run needs. */
interface Segment {
  readonly call: () => unknown;
  /** The tensors in the arguments: the node's first inputs, without edges. */
  readonly given: readonly Tensor[];
  /** Where gradients flow to: from arguments and from whatever else the function uses. */
  edges: readonly GradientEdge[];
  /** Which outputs carry gradients, among the tensors that the function returns. */
  outputs: readonly number[];
  readonly rng: Tensor | null;
  readonly check: boolean;
}

const checkpointOp = defineMultiOp<Segment>({
  name: "Checkpoint",
  foreign: true,
  saves: true,
  forward: () => [],
  backward: (grads, node) => {
    const { given, edges } = node.attrs;
    // Reading the arguments compares versions: those changed since would give other gradients.
    for (let i = 0; i < given.length; i++) node.input(i);
    const outs = again(node);
    const used = outs.flatMap((t, i) => (t.requiresGrad && (grads[i] ?? null) !== null ? [i] : []));
    const none: (Tensor | null)[] = given.map(() => null);
    if (used.length === 0) return none;
    const found = grad(
      used.map((i) => outs[i] as Tensor),
      edges,
      {
        gradOutputs: used.map((i) => grads[i] as Tensor),
        createGraph: mode.grad,
        allowUnused: true,
        cut: true,
      },
    );
    return [...none, ...found];
  },
});

/** Runs the function again as it ran in the forward. */
function again(node: Node<Segment>): Tensor[] {
  const { call, rng, outputs, check } = node.attrs;
  const now = rng === null ? null : getRngState();
  if (rng !== null) setRngState(rng);
  try {
    const all = tensorsIn(enableGrad(call));
    return outputs.map((i, nr) => {
      const t = all[i];
      const shape = node.outShapes[nr] as readonly number[];
      const same = t !== undefined && sameShape(t.shape, shape) && t.code === node.outCodes[nr];
      if (t !== undefined && (same || !check)) return t;
      const got = t === undefined ? "no tensor" : describe(t);
      throw new AutogradError(
        `[checkpoint] the second run of the function gave ${got} as output ${nr}, ` +
          `expected shape ${show(shape)} as in the first; it must do the same on every run`,
      );
    });
  } finally {
    if (now !== null) setRngState(now);
  }
}

function edgeOf(t: Tensor): GradientEdge {
  relink(t);
  return new GradientEdge((t.node as Node | null) ?? t, t.outputNr);
}

/** The graph between outputs and what was there before: its nodes, and the edges that lead out of it. */
function inside(outputs: readonly Tensor[], since: number): { nodes: Set<Node>; edges: GradientEdge[] } {
  const nodes = new Set<Node>();
  const out = new Map<Node | Tensor, Set<number>>();
  const stack: Node[] = [];
  const visit = (target: Node | Tensor, nr: number) => {
    if (target instanceof Node && target.seq > since) {
      if (!nodes.has(target)) stack.push(target);
      nodes.add(target);
      return;
    }
    const numbers = out.get(target) ?? new Set();
    out.set(target, numbers.add(nr));
  };
  for (const t of outputs) {
    const { node, outputNr } = edgeOf(t);
    visit(node, outputNr);
  }
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    for (const [target, nr] of node.nextFunctions) visit(target, nr);
  }
  const edges = [...out].flatMap(([node, numbers]) => [...numbers].map((nr) => new GradientEdge(node, nr)));
  return { nodes, edges };
}

/**
 * Runs `fn` on the arguments without keeping what its backward needs; the backward runs it again. Gradients of all
 * orders are those of the plain call, for the arguments and for everything else that `fn` uses, such as the parameters
 * of a model. `fn` must do the same on every run; random draws repeat. Source: `torch.utils.checkpoint.checkpoint`.
 * @param fn gives a tensor, or an array or plain object of tensors and other values.
 * @param args its arguments.
 * @example
 * const x = tensor([0.5], { dtype: "float64", requiresGrad: true });
 * checkpoint((x) => x.sin().cos(), [x]).backward();
 * x.grad?.equal(x.sin().sin().neg().mul(x.cos())); // true
 * @throws AutogradError in the backward, when the second run gives other shapes or an argument was changed in place.
 */
export function checkpoint<A extends readonly unknown[], O>(
  fn: (...args: readonly [...A]) => O,
  args: readonly [...A],
  options: CheckpointOptions = {},
): O {
  checkOptions("checkpoint", options, CHECKPOINT_OPTIONS);
  // The list may grow afterwards, as the one that a DenseNet gathers its features in does.
  const own = [...args] as readonly unknown[] as readonly [...A];
  const call = () => fn(...own);
  if (!mode.grad) return call();
  const { preserveRngState = true, determinismCheck = "default" } = options;
  const given = tensorsIn(own);
  const segment: Segment = {
    call,
    given,
    edges: [],
    outputs: [],
    rng: preserveRngState ? getRngState() : null,
    check: determinismCheck === "default",
  };
  // Made first: whatever the function records has a higher number.
  const node = new Node(checkpointOp, segment, given);
  const result = call();
  const tensors = tensorsIn(result);
  segment.outputs = tensors.flatMap((t, i) => (t.requiresGrad ? [i] : []));
  const outs = segment.outputs.map((i) => tensors[i] as Tensor);
  const graph = inside(outs, node.seq);
  if (graph.nodes.size === 0) return result;
  segment.edges = graph.edges;
  const linked = link(node, outs);
  for (const inner of graph.nodes) inner.release();
  return withTensors(
    result,
    tensors.map((t, i) => linked[segment.outputs.indexOf(i)] ?? t),
  );
}

/** Makes the node the one behind the outputs, with the segment's edges behind it. */
function link(node: Node<Segment>, outs: readonly Tensor[]): Tensor[] {
  const { given, edges } = node.attrs;
  node.multi = true;
  node.edges = [...given.map(() => null), ...edges.map((e) => e.node)];
  node.edgeNrs = [...given.map(() => 0), ...edges.map((e) => e.outputNr)];
  const [shapes, codes] = [[...node.shapes], [...node.codes]];
  for (const { node: target, outputNr } of edges) {
    const leaf = target instanceof Tensor;
    shapes.push(leaf ? target.shape : (target.outShapes[outputNr] as Shape));
    codes.push(leaf ? target.code : (target.outCodes[outputNr] as number));
  }
  node.shapes = shapes;
  node.codes = codes;
  const linked = outs.map(detached);
  linked.forEach((out, nr) => {
    node.outShapes.push(out.shape);
    node.outCodes.push(out.code);
    out.node = node as Node;
    out.outputNr = nr;
  });
  node.saveFor(given, linked);
  return linked;
}

/**
 * Runs functions (such as the layers of a `Sequential`) one after the other in `segments` groups, each under
 * {@link checkpoint} but the last. Source: `torch.utils.checkpoint.checkpoint_sequential`.
 * @throws AutogradError when there are fewer functions than segments.
 */
export function checkpointSequential(
  functions: Iterable<(x: Tensor) => Tensor>,
  segments: number,
  input: Tensor,
  options: CheckpointOptions = {},
): Tensor {
  checkOptions("checkpointSequential", options, CHECKPOINT_OPTIONS);
  const list = [...functions];
  if (!Number.isInteger(segments) || segments < 1 || segments > list.length) {
    throw new AutogradError(
      `[checkpointSequential] got ${segments} segments for ${list.length} functions, expected from 1 to ${list.length}`,
    );
  }
  const size = Math.floor(list.length / segments);
  const group = (from: number, to: number) => (x: Tensor) => list.slice(from, to).reduce((y, f) => f(y), x);
  let x = input;
  for (let k = 0; k < segments - 1; k++) x = checkpoint(group(k * size, (k + 1) * size), [x], options);
  return group((segments - 1) * size, list.length)(x);
}
