/**
 * One backward pass: walks the tape from high to low sequence numbers, without recursion.
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
import { addInto, anyNaN, copyOf } from "../tensor/raw.js";
import { type Shape, sameShape } from "../tensor/shape.js";
import type { Tensor, TensorHook } from "../tensor/tensor.js";
import { engineOps } from "./engineOps.js";
import { type BackwardPass, mode, type PassObserver } from "./mode.js";
import { Node } from "./node.js";
import type { InputGrads, MultiOp, Op } from "./op.js";
import type { Captures } from "./order.js";
import { hold, letGo, OWNED, publish } from "./ownership.js";

/** Gradients of a leaf with hooks that are still on their way: hooks see the sum of all. */
interface Waiting {
  left: number;
  sum: Tensor | null;
}

/** Whether any leaf ever got a hook; set by the methods that add one. @internal */
export const leafHooks = { any: false };

/** The pass that runs now; a formula or a hook may start one inside another. @internal */
export const running: { pass: Pass | null } = { pass: null };

/** One backward pass. @internal */
export class Pass implements BackwardPass {
  readonly create: boolean;
  readonly retain: boolean;
  readonly captures: Captures | null;
  /** The nodes below the roots, newest first. */
  order: readonly Node[] = [];
  /** Nodes on a path to a captured tensor, in passes that capture. */
  needed: ReadonlySet<Node> | null = null;
  private waiting: Map<Tensor, Waiting> | null = null;
  private readonly atEnd: (() => void)[] = [];
  over = false;

  constructor(retain: boolean, create: boolean, captures: Captures | null) {
    this.retain = retain;
    this.create = create;
    this.captures = captures;
  }

  /** a + b, into `a` where that is the pass's own. */
  private sum(a: Tensor, b: Tensor): Tensor {
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

  /** One more gradient of output `nr` of a node. */
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

  /** Whether the node's backward runs, or its gradient is asked for. */
  private visits(node: Node): boolean {
    return this.captures === null || this.needed?.has(node) === true || this.captures.nodes.has(node);
  }

  /** Whether a gradient along this edge leads to something that is asked for. */
  private asksFor(edge: Node | Tensor | null): boolean {
    if (edge === null) return false;
    return edge instanceof Node ? this.visits(edge) : this.captures?.leaves.has(edge) === true;
  }

  /** Whether a gradient of `t` may come up in this pass. */
  reaches(t: Tensor): boolean {
    if (t.node !== null) return this.visits(t.node as Node) && this.order.includes(t.node as Node);
    if (this.captures !== null && !this.captures.leaves.has(t)) return false;
    return this.order.some((node) => (this.needed?.has(node) ?? true) && node.edges.includes(t));
  }

  /** Whether what this pass finds for a target goes on in the pass around it, which then calls the hooks. */
  private endsAt(target: Node | Tensor): boolean {
    if (this.captures?.cut !== true) return false;
    const { nodes, leaves } = this.captures;
    return target instanceof Node ? nodes.has(target) : leaves.has(target);
  }

  whenDone(fn: () => void): void {
    this.atEnd.push(fn);
  }

  awaits(leaf: Tensor): boolean {
    return this.waiting?.has(leaf) === true && this.captures?.leaves.has(leaf) !== false;
  }

  /** Tells those who observe nodes of this pass that it starts. */
  tellObservers(): void {
    const told = new Set<PassObserver>();
    for (const { observers } of this.order) for (const observer of observers ?? []) told.add(observer);
    for (const observer of told) observer.passStarts(this);
  }

  /** Counts the gradients that leaves with hooks will get. */
  awaitLeaves(roots: readonly Tensor[]): void {
    const counts = new Map<Tensor, Waiting>();
    const count = (edge: Node | Tensor | null) => {
      if (edge === null || edge instanceof Node) return;
      if (edge.hooks === null && edge.accumulateHooks === null) return;
      const waiting = counts.get(edge);
      if (waiting === undefined) counts.set(edge, { left: 1, sum: null });
      else waiting.left++;
    };
    for (const root of roots) if (root.node === null) count(root);
    for (const node of this.order) if (this.needed?.has(node) !== false) node.edges.forEach(count);
    this.waiting = counts;
  }

  /** One more gradient (or null) of a leaf: gathered when others are on their way. */
  toLeaf(leaf: Tensor, g: Tensor | null): void {
    const waiting = this.waiting?.get(leaf);
    if (waiting === undefined) {
      if (g !== null) this.finishLeaf(leaf, g);
      return;
    }
    if (g !== null) {
      if (waiting.sum !== null) waiting.sum = this.sum(waiting.sum, g);
      else waiting.sum = this.create ? g : hold(g);
    }
    if (--waiting.left === 0) this.endWait(leaf, waiting);
  }

  private endWait(leaf: Tensor, { sum }: Waiting): void {
    this.waiting?.delete(leaf);
    if (sum === null) return;
    if (!this.create) sum.storage.pending--;
    this.finishLeaf(leaf, sum);
  }

  /** Hands out what nodes without a gradient held up, then to `accumulate`, and calls who waits for the end. */
  finish(accumulate?: () => void): void {
    for (const [leaf, waiting] of this.waiting ?? []) this.endWait(leaf, waiting);
    accumulate?.();
    for (const fn of this.atEnd) fn();
  }

  private finishLeaf(leaf: Tensor, grad: Tensor): void {
    if (this.captures !== null && !this.captures.leaves.has(leaf)) return;
    const g = leaf.hooks === null || this.endsAt(leaf) ? grad : callHooks(leaf.hooks, publish(grad));
    if (this.captures !== null) {
      for (const index of this.captures.leaves.get(leaf) ?? []) {
        const before = this.captures.results[index] ?? null;
        this.captures.results[index] = before === null ? publish(g) : publish(engineOps.add(before, g));
      }
      return;
    }
    if (leaf.leafRequiresGrad) this.accumulate(leaf, g); // it may have been turned off since
  }

  /** leaf.grad += g; the first gradient is taken over when it is the pass's own, and copied otherwise. */
  accumulate(leaf: Tensor, g: Tensor): void {
    const { ownGrad } = leaf;
    if (ownGrad === null) leaf.ownGrad = this.create ? engineOps.clone(g) : takenOver(g);
    else if (this.create) leaf.ownGrad = engineOps.add(ownGrad, g);
    else {
      nextOp();
      addInto(ownGrad, g);
      ownGrad.storage.version++;
    }
    (leaf.ownGrad as Tensor).storage.flags |= KEPT;
    for (const hook of leaf.accumulateHooks ?? []) hook(leaf);
  }

  /** Runs the backward of a node on the gradients that wait for it, and hands on what it gives. */
  run(node: Node): void {
    const { pending } = node;
    node.pending = null;
    if (pending === null) return;
    if (!this.visits(node)) {
      this.giveUp(pending);
      return;
    }
    if (node.hooks !== null && !this.endsAt(node)) this.runHooks(node.hooks, pending);
    for (const [nr, index] of this.captures?.nodes.get(node) ?? []) {
      const g = pending[nr] ?? null;
      if (g !== null) (this.captures as Captures).results[index] = publish(g);
    }
    if (this.needed?.has(node) === false) {
      this.giveUp(pending);
      return;
    }
    if (node.released) throw node.gone();
    if (node.packed !== null) node.unpack();
    const made: Storage[] = [];
    const owned =
      !this.create && node.op.foreign !== true && node.postHooks === null && node.preHooks === null;
    const outer = owned ? startRecording(made) : null;
    // What a user's function sees, it may keep.
    if (!owned) for (const g of pending) if (g !== null) publish(g);
    try {
      const grads = this.differentiate(node, pending);
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
      node.asked = null;
      if (owned) stopRecording(outer);
    }
    if (!this.create) for (const g of pending) if (g !== null) letGo(g.storage);
    freeUnused(made);
    if (!this.retain) node.release();
    else if (node.packed !== null) node.dropUnpacked();
  }

  /** Calls the hooks on a node's outputs, which may replace their gradients. */
  private runHooks(hooks: ReadonlyMap<number, readonly TensorHook[]>, pending: (Tensor | null)[]): void {
    for (const [nr, list] of hooks) {
      const g = pending[nr] ?? null;
      if (g === null) continue;
      if (!this.create) g.storage.pending--;
      const replaced = callHooks(list, publish(g));
      pending[nr] = this.create ? replaced : hold(replaced);
    }
  }

  /** The gradients of a node's inputs, by its formula and the hooks around it. */
  private differentiate(node: Node, pending: (Tensor | null)[]): InputGrads {
    if (node.preHooks !== null) this.runPreHooks(node, pending);
    if (this.captures !== null) node.asked = node.edges.map((edge) => this.asksFor(edge));
    let grads = node.multi
      ? (node.op as MultiOp<unknown>).backward(pending, node)
      : (node.op as Op<unknown>).backward(pending[0] as Tensor, node);
    for (const hook of node.postHooks ?? []) grads = hook(grads, pending) ?? grads;
    return grads;
  }

  private runPreHooks(node: Node, pending: (Tensor | null)[]): void {
    for (const hook of node.preHooks ?? []) {
      const given = hook(pending.map((g) => (g === null ? null : publish(g))));
      given?.forEach((g, nr) => {
        const before = pending[nr] ?? null;
        if (g === before) return;
        if (!this.create && before !== null) before.storage.pending--;
        pending[nr] = g === null || this.create ? g : hold(g);
      });
    }
  }

  private giveUp(pending: readonly (Tensor | null)[], free = true): void {
    if (this.create) return;
    for (const g of pending) {
      if (g === null) continue;
      g.storage.pending--;
      if (free) letGo(g.storage);
    }
  }

  /** Sums over what a broadcast repeated. */
  private fit(node: Node, i: number, g: Tensor, shape: Shape): Tensor {
    const lead = g.shape.length - shape.length;
    if (lead < 0 || shape.some((n, d) => n !== 1 && n !== g.shape[d + lead])) {
      throw new AutogradError(
        `[${node.name}] backward gave input ${i} a gradient of shape ${show(g.shape)}, expected ${show(shape)}, the shape of ` +
          "the input, or one that broadcasts from it",
      );
    }
    return engineOps.sumTo(g, shape);
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
      if (!sameShape(g.shape, shape)) g = this.fit(node, i, g, shape);
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
      if (edge === null || edge instanceof Node) continue;
      if (g !== null && !this.create) g.storage.pending--;
      this.toLeaf(edge, g);
    }
  }
}

/** Frees what a formula made and nobody waits for; the rest is recorded for the pass outside. */
function freeUnused(made: readonly Storage[]): void {
  for (const s of made) {
    if (s.region === null) continue;
    if (s.pending === 0 && (s.flags & OWNED) !== 0 && s.saves === 0) release(s);
    else record(s);
  }
}

/** The gradient itself when the pass alone has it, else a copy. */
function takenOver(g: Tensor): Tensor {
  const { storage, contig, nbytes } = g;
  const mine = (storage.flags & OWNED) !== 0 && storage.pending === 0 && contig && storage.nbytes === nbytes;
  nextOp();
  return publish(mine ? g : copyOf(g));
}

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
      throw new AutogradError(
        `[detectAnomaly] ${node.name} returned NaN in the gradient of its input ${i}; try inputs where its slope is finite`,
      );
    }
  });
}
