/**
 * The backward engine: walks the tape from high to low sequence numbers, without recursion.
 * Without `createGraph` it owns every gradient that the formulas make: sums them in place and frees them at once.
 */

import { isFloat } from "../tensor/dtype.js";
import { AutogradError, show } from "../tensor/errors.js";
import {
  KEPT,
  nextOp,
  record,
  release,
  type Storage,
  startRecording,
  stopRecording,
} from "../tensor/heap.js";
import { addInto, anyNaN, copyOf, full } from "../tensor/raw.js";
import { sameShape } from "../tensor/shape.js";
import type { Tensor, TensorHook } from "../tensor/tensor.js";
import { mode } from "./mode.js";
import { engineOps, type InputGrads, type MultiOp, Node, type Op, relink } from "./node.js";

/** Storage flag: made by a formula of the running pass, no handle of a user to it. */
const OWNED = 4;

let passes = 0;

/** Gradients asked for by `autograd.grad`: per leaf, or per node and output. */
interface Captures {
  leaves: Map<Tensor, number[]>;
  nodes: Map<Node, [nr: number, index: number][]>;
  results: (Tensor | null)[];
}

/** The graph below some roots, from the newest node to the oldest. */
export function topological(roots: readonly Node[]): Node[] {
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

function hold(g: Tensor): Tensor {
  g.storage.pending++;
  return g;
}

function letGo(storage: Storage): void {
  if (storage.pending === 0 && (storage.flags & OWNED) !== 0) release(storage);
}

/** A gradient leaves the engine: a user may hold it from now on. */
function publish(g: Tensor): Tensor {
  g.storage.flags &= ~OWNED;
  return g;
}

class Pass {
  readonly create: boolean;
  readonly retain: boolean;
  readonly captures: Captures | null;

  constructor(retain: boolean, create: boolean, captures: Captures | null) {
    this.retain = retain;
    this.create = create;
    this.captures = captures;
  }

  sum(a: Tensor, b: Tensor): Tensor {
    if (this.create) return engineOps.add(a, b);
    if ((a.storage.flags & OWNED) !== 0 && a.storage.pending === 1 && a.contig && a.code === b.code) {
      nextOp();
      addInto(a, b);
      return a;
    }
    const sum = engineOps.add(a, b);
    sum.storage.flags |= OWNED;
    a.storage.pending--;
    letGo(a.storage);
    return hold(sum);
  }

  toNode(node: Node, nr: number, g: Tensor): void {
    let pending = node.pending;
    if (pending === null) {
      pending = new Array<Tensor | null>(node.outShapes.length).fill(null);
      node.pending = pending;
    }
    const before = pending[nr] ?? null;
    if (before === null) pending[nr] = this.create ? g : hold(g);
    else pending[nr] = this.sum(before, g);
  }

  toLeaf(leaf: Tensor, grad: Tensor): void {
    let g = grad;
    if (leaf.hooks !== null) g = callHooks(leaf.hooks, publish(g));
    if (this.captures !== null) {
      for (const index of this.captures.leaves.get(leaf) ?? []) {
        const before = this.captures.results[index] ?? null;
        this.captures.results[index] = before === null ? publish(g) : publish(engineOps.add(before, g));
      }
      return;
    }
    if (this.create) {
      leaf.ownGrad = leaf.ownGrad === null ? g : engineOps.add(leaf.ownGrad, g);
    } else if (leaf.ownGrad === null) {
      const mine =
        (g.storage.flags & OWNED) !== 0 &&
        g.storage.pending === 0 &&
        g.contig &&
        g.storage.nbytes === g.nbytes;
      nextOp();
      leaf.ownGrad = mine ? g : copyOf(g);
      publish(leaf.ownGrad).storage.flags |= KEPT;
    } else {
      nextOp();
      if (leaf.ownGrad.node === null) {
        addInto(leaf.ownGrad, g);
        leaf.ownGrad.storage.version++;
      } else leaf.ownGrad = engineOps.add(leaf.ownGrad, g);
    }
    for (const hook of leaf.accumulateHooks ?? []) hook(leaf);
  }

  run(node: Node): void {
    const pending = node.pending;
    node.pending = null;
    if (pending === null) return;
    if (node.hooks !== null) {
      for (const [nr, hooks] of node.hooks) {
        const g = pending[nr] ?? null;
        if (g !== null) {
          g.storage.pending -= this.create ? 0 : 1;
          const replaced = callHooks(hooks, publish(g));
          pending[nr] = this.create ? replaced : hold(replaced);
        }
      }
    }
    for (const [nr, index] of this.captures?.nodes.get(node) ?? []) {
      const g = pending[nr] ?? null;
      if (g !== null) (this.captures as Captures).results[index] = publish(g);
    }
    if (this.captures !== null && !needed.has(node)) {
      this.giveUp(pending);
      return;
    }
    if (node.released) throw node.gone();
    const made: Storage[] = [];
    const owned = !this.create && node.op.foreign !== true && node.postHooks === null;
    const outer = owned ? startRecording(made) : null;
    // What a user's function sees, it may keep.
    if (!owned) for (const g of pending) if (g !== null) publish(g);
    let grads: InputGrads;
    try {
      grads = node.multi
        ? (node.op as MultiOp<unknown>).backward(pending, node)
        : (node.op as Op<unknown>).backward(pending[0] as Tensor, node);
      if (node.postHooks !== null) for (const hook of node.postHooks) grads = hook(grads, pending) ?? grads;
      if (owned) for (const s of made) s.flags |= OWNED;
      if (mode.anomaly) checkAnomaly(node, grads);
      this.giveUp(pending, false);
      this.deliver(node, grads);
    } catch (error) {
      if (node.stack !== null && error instanceof Error && !error.message.includes(node.stack)) {
        error.message += `\nThe forward of ${node.name} was called here:\n${node.stack}`;
      }
      throw error;
    } finally {
      if (owned) stopRecording(outer);
    }
    if (!this.create) for (const g of pending) if (g !== null) letGo(g.storage);
    for (const s of made) {
      if (s.region === null) continue;
      if (s.pending === 0 && (s.flags & OWNED) !== 0 && s.saves === 0) release(s);
      else record(s);
    }
    if (!this.retain) node.release();
  }

  private giveUp(pending: readonly (Tensor | null)[], free = true): void {
    if (this.create) return;
    for (const g of pending) {
      if (g === null) continue;
      g.storage.pending--;
      if (free) letGo(g.storage);
    }
  }

  private deliver(node: Node, grads: InputGrads): void {
    const { edges, edgeNrs } = node;
    const fitted: (Tensor | null)[] = [];
    for (let i = 0; i < edges.length; i++) {
      const edge = edges[i] as Node | Tensor | null;
      let g = grads[i] ?? null;
      if (edge === null || g === null) {
        fitted.push(null);
        continue;
      }
      const shape = node.shape(i);
      const given = g.storage;
      if (!sameShape(g.shape, shape)) g = engineOps.sumTo(g, shape);
      if (g.code !== node.codes[i]) g = engineOps.cast(g, node.codes[i] as number);
      if (!this.create && g.storage !== given) g.storage.flags |= OWNED;
      // Held until delivered: what another edge also receives must not be summed into or taken over.
      fitted.push(this.create ? g : hold(g));
    }
    for (let i = 0; i < edges.length; i++) {
      const edge = edges[i] as Node | Tensor | null;
      const g = fitted[i] ?? null;
      if (g === null || !(edge instanceof Node)) continue;
      this.toNode(edge, edgeNrs[i] as number, g);
      if (!this.create) g.storage.pending--;
    }
    for (let i = 0; i < edges.length; i++) {
      const edge = edges[i] as Node | Tensor | null;
      const g = fitted[i] ?? null;
      if (g === null || edge === null || edge instanceof Node) continue;
      if (!this.create) g.storage.pending--;
      this.toLeaf(edge, g);
    }
  }
}

/** Nodes on a path to a captured tensor, in passes that capture. */
let needed: Set<Node> = new Set();

/** Passes that run now: a formula or a hook may start one inside another. */
let depth = 0;

function callHooks(hooks: readonly TensorHook[], g: Tensor): Tensor {
  let out = g;
  for (const hook of [...hooks]) {
    const replaced = hook(out);
    if (replaced === undefined) continue;
    if (!sameShape(replaced.shape, out.shape)) {
      throw new AutogradError(
        `[hook] a gradient hook returned shape ${show(replaced.shape)}, expected ${show(out.shape)}, the gradient's shape`,
      );
    }
    out = replaced;
  }
  return out;
}

function checkAnomaly(node: Node, grads: InputGrads): void {
  if (!mode.checkNan) return;
  grads.forEach((g, i) => {
    if (g !== null && isFloat(g.code) && anyNaN(g)) {
      throw new AutogradError(`[detectAnomaly] ${node.name} returned NaN in the gradient of its input ${i}`);
    }
  });
}

function onPath(order: readonly Node[], captures: Captures): Set<Node> {
  const found = new Set<Node>();
  for (let k = order.length - 1; k >= 0; k--) {
    const node = order[k] as Node;
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

/** Options of a backward pass. */
export interface BackwardOptions {
  /** Keep the graph so that it can be walked again (default: the value of `createGraph`). */
  retainGraph?: boolean;
  /** Record the backward itself, so that gradients have gradients (default false). */
  createGraph?: boolean;
}

function firstGradient(op: string, root: Tensor, given: Tensor | null | undefined): Tensor {
  if (given === null || given === undefined) {
    if (root.numel !== 1) {
      throw new AutogradError(
        `[${op}] a gradient can be made implicitly only for a tensor of one element: got shape ${show(root.shape)}; ` +
          "try loss.mean().backward(), or pass the gradient",
      );
    }
    const ones = full(root.shape, 1, root.code);
    ones.storage.flags |= OWNED;
    return ones;
  }
  if (!sameShape(given.shape, root.shape)) {
    throw new AutogradError(
      `[${op}] the gradient has shape ${show(given.shape)}, expected ${show(root.shape)}, the shape of the output`,
    );
  }
  return given.code === root.code ? given : engineOps.cast(given, root.code);
}

function execute(
  op: string,
  roots: readonly Tensor[],
  gradOutputs: readonly (Tensor | null | undefined)[],
  options: BackwardOptions,
  captures: Captures | null,
): void {
  const create = options.createGraph ?? false;
  const pass = new Pass(options.retainGraph ?? create, create, captures);
  const start: Node[] = [];
  const before = mode.grad;
  const neededBefore = needed;
  mode.grad = create;
  try {
    const seeds = roots.map((root, i) => {
      if (root.base !== null && root.base.graphEpoch !== root.graphEpoch) relink(root);
      if (!root.requiresGrad) {
        throw new AutogradError(
          `[${op}] tensor ${i} does not require a gradient and has no gradFn: nothing to differentiate; ` +
            "try requiresGrad: true on the inputs, and no noGrad() around the forward",
        );
      }
      if (root.node !== null) start.push(root.node as Node);
      return firstGradient(op, root, gradOutputs[i]);
    });
    const order = topological(start);
    if (captures !== null) needed = onPath(order, captures);
    // What the outer pass has gathered for a node of this graph is not for this pass.
    const outer = depth > 0 ? order.map((node) => node.pending) : [];
    if (depth > 0) for (const node of order) node.pending = null;
    roots.forEach((root, i) => {
      const seed = seeds[i] as Tensor;
      if (root.node !== null) pass.toNode(root.node as Node, root.outputNr, seed);
      else pass.toLeaf(root, seed);
    });
    depth++;
    try {
      for (const node of order) pass.run(node);
    } catch (error) {
      for (const node of order) node.pending = null;
      throw error;
    } finally {
      depth--;
      outer.forEach((pending, i) => {
        (order[i] as Node).pending = pending;
      });
    }
  } finally {
    mode.grad = before;
    needed = neededBefore;
  }
}

function listOf<T>(x: T | readonly T[]): readonly T[] {
  return Array.isArray(x) ? (x as readonly T[]) : [x as T];
}

/**
 * Sums the gradients of `tensors` with respect to the leaves into their `grad`. Source: `torch.autograd.backward`.
 * @param gradTensors gradient per tensor; may be left out for tensors of one element.
 * @throws AutogradError when nothing requires a gradient, shapes differ, or the graph was freed.
 */
export function backward(
  tensors: Tensor | readonly Tensor[],
  gradTensors?: Tensor | readonly (Tensor | null)[] | null,
  options: BackwardOptions & { inputs?: Tensor | readonly Tensor[] } = {},
): void {
  const roots = listOf(tensors);
  const gradOutputs = gradTensors === undefined || gradTensors === null ? [] : listOf(gradTensors);
  if (options.inputs === undefined) {
    execute("backward", roots, gradOutputs, options, null);
    return;
  }
  const inputs = listOf(options.inputs);
  const results = grad(roots, inputs, { ...options, gradOutputs, allowUnused: true });
  inputs.forEach((input, i) => {
    const g = results[i] ?? null;
    if (g === null) return;
    input.grad = input.grad === null ? g : engineOps.add(input.grad, g);
    input.grad.storage.flags |= KEPT;
    for (const hook of input.accumulateHooks ?? []) hook(input);
  });
}

/** Options of {@link grad}. */
export interface GradOptions extends BackwardOptions {
  /** Gradient per output; may be left out (or null) for outputs of one element. */
  gradOutputs?: Tensor | readonly (Tensor | null | undefined)[];
  /** Give null for inputs that the outputs do not depend on, in place of an error (default false). */
  allowUnused?: boolean;
  /** Give zeros for such inputs. */
  materializeGrads?: boolean;
}

/**
 * Gradients of the sum of `outputs` with respect to `inputs`, returned and not accumulated.
 * Source: `torch.autograd.grad`.
 * @example
 * const x = tensor(3, { dtype: "float64", requiresGrad: true });
 * const [g] = grad(x.mul(x).mul(x), x, { createGraph: true }); // 27
 * grad(g, x)[0].item(); // 18
 */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: GradOptions & { allowUnused: true },
): (Tensor | null)[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options?: GradOptions,
): Tensor[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: GradOptions = {},
): (Tensor | null)[] {
  const wanted = listOf(inputs);
  const captures: Captures = { leaves: new Map(), nodes: new Map(), results: wanted.map(() => null) };
  wanted.forEach((input, index) => {
    if (input.base !== null && input.base.graphEpoch !== input.graphEpoch) relink(input);
    if (!input.requiresGrad) {
      throw new AutogradError(
        `[grad] input ${index} does not require a gradient; try requiresGrad: true when making it`,
      );
    }
    if (input.node === null) {
      const list = captures.leaves.get(input);
      if (list === undefined) captures.leaves.set(input, [index]);
      else list.push(index);
    } else {
      const node = input.node as Node;
      const list = captures.nodes.get(node);
      if (list === undefined) captures.nodes.set(node, [[input.outputNr, index]]);
      else list.push([input.outputNr, index]);
    }
  });
  const gradOutputs = options.gradOutputs === undefined ? [] : listOf(options.gradOutputs);
  execute("grad", listOf(outputs), gradOutputs, options, captures);
  return captures.results.map((g, i) => {
    if (g !== null) return g;
    if (options.materializeGrads === true) {
      const input = wanted[i] as Tensor;
      return full(input.shape, 0, input.code);
    }
    if (options.allowUnused === true) return null;
    throw new AutogradError(
      `[grad] input ${i} was not used in the graph of the outputs; try { allowUnused: true } to get null for it`,
    );
  });
}
