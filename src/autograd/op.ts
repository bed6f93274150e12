/**
 * An op's definition, and `run`, through which every call of one goes: it records a node when a gradient may be asked for.
 * Adding an op needs its forward on raw data and its derivative in differentiable ops; broadcasting of gradients,
 * accumulation and skipping of inputs without a gradient are the engine's work, never a formula's.
 */
import { isFloat } from "../tensor/dtype.js";
import { nextOp, release } from "../tensor/heap.js";
import type { Tensor } from "../tensor/tensor.js";
import { mode } from "./mode.js";
import { Node } from "./node.js";
import { relink } from "./views.js";

/** Gradients for the inputs of an op; null (or a missing tail) where there is none. */
export type InputGrads = readonly (Tensor | null)[];

/** What a forward may do besides computing. */
export interface ForwardContext {
  /** Whether this call is recorded: when false, nothing needs to be prepared for a backward. */
  readonly recording: boolean;
  /** Keeps by-products (no input, no output) for the backward, as `node.extra`. The tape owns and frees them. */
  keep(...tensors: Tensor[]): void;
  /** Whether input `i` needs a gradient. */
  needs(i: number): boolean;
}

interface OpBase<A> {
  /** Name as printed: `Mul` in `gradFn=<Mul>`. */
  readonly name: string;
  /** Which inputs the backward reads (`true`: all): saved, with a check that they are not changed in place. */
  readonly saves?: boolean | readonly number[];
  /** Whether the backward reads the output. */
  readonly savesOutput?: boolean;
  /** Set for functions of users: what their backward makes may be held elsewhere, so nothing is freed early. */
  readonly foreign?: boolean;
  /** @internal Phantom, to tie attrs. */
  readonly attrs?: A;
}

/** A differentiable op with one output. */
export interface Op<A = null> extends OpBase<A> {
  /** Computes on raw data: kernels and raw helpers only, never other ops. */
  forward(x: readonly Tensor[], attrs: A, ctx: ForwardContext): Tensor;
  /** The derivative, written in differentiable ops, so that gradients of any order exist. */
  backward(grad: Tensor, node: Node<A>): InputGrads;
}

/** A differentiable op with several outputs; missing gradients arrive as null. */
export interface MultiOp<A = null> extends OpBase<A> {
  forward(x: readonly Tensor[], attrs: A, ctx: ForwardContext): Tensor[];
  backward(grads: readonly (Tensor | null)[], node: Node<A>): InputGrads;
  /** Outputs (by index) that carry no gradient, such as indices. */
  readonly nonDifferentiable?: readonly number[];
}

/** Defines an op; only types are checked here. */
export function defineOp<A = null>(op: Op<A>): Op<A> {
  return op;
}

/** Defines an op with several outputs. */
export function defineMultiOp<A = null>(op: MultiOp<A>): MultiOp<A> {
  return op;
}

/** Context of calls that are not recorded: frees by-products at once. */
const idle: ForwardContext & { kept: Tensor[] } = {
  kept: [],
  recording: false,
  keep(...tensors: Tensor[]) {
    this.kept.push(...tensors);
  },
  needs: () => false,
};

function freeKept(): void {
  for (const t of idle.kept) release(t.storage);
  idle.kept.length = 0;
}

function anyRequiresGrad(x: readonly Tensor[]): boolean {
  let any = false;
  for (let i = 0; i < x.length; i++) {
    const t = x[i] as Tensor;
    if (t.base !== null) relink(t);
    if (t.node !== null || t.leafRequiresGrad) any = true;
  }
  return any;
}

function attach(node: Node, out: Tensor, nr: number): void {
  node.outShapes.push(out.shape);
  node.outCodes.push(out.code);
  out.node = node;
  out.outputNr = nr;
}

/** Runs an op on its inputs, recording it when a gradient may be asked for. */
export function run<A>(op: Op<A>, x: readonly Tensor[], attrs: A): Tensor {
  nextOp();
  if (mode.grad && anyRequiresGrad(x)) {
    const node = new Node(op, attrs, x);
    const out = op.forward(x, attrs, node);
    if (!isFloat(out.code)) {
      node.release(); // integers and booleans have no gradient: the graph ends here
      return out;
    }
    attach(node as Node, out, 0);
    node.saveFor(x, out);
    return out;
  }
  const out = op.forward(x, attrs, idle);
  if (idle.kept.length > 0) freeKept();
  return out;
}

/** Runs an op with several outputs. */
export function runMulti<A>(op: MultiOp<A>, x: readonly Tensor[], attrs: A): Tensor[] {
  nextOp();
  if (mode.grad && anyRequiresGrad(x)) {
    const node = new Node(op, attrs, x);
    node.multi = true;
    const outs = op.forward(x, attrs, node);
    outs.forEach((out, nr) => {
      const differentiable = isFloat(out.code) && op.nonDifferentiable?.includes(nr) !== true;
      if (differentiable) attach(node as Node, out, nr);
      else {
        node.outShapes.push(out.shape);
        node.outCodes.push(out.code);
      }
    });
    node.saveFor(x, outs);
    return outs;
  }
  const outs = op.forward(x, attrs, idle);
  if (idle.kept.length > 0) freeKept();
  return outs;
}

/** Runs an op whose output shares the storage of its input: a later in-place change of either is seen by both. */
export function runView<A>(op: Op<A>, x: Tensor, attrs: A): Tensor {
  const inputs = [x];
  let out: Tensor;
  if (mode.grad && anyRequiresGrad(inputs)) {
    const node = new Node(op, attrs, inputs);
    out = op.forward(inputs, attrs, node);
    attach(node as Node, out, 0);
    node.saveFor(inputs, out);
  } else out = op.forward(inputs, attrs, idle);
  const base = x.base ?? x;
  out.base = base;
  out.graphEpoch = base.graphEpoch;
  return out;
}
