/** The tape: a Node records one call of an op, with what its backward needs and where its gradients go. */
import { AutogradError, show } from "../tensor/errors.js";
import { INSPECT } from "../tensor/format.js";
import { type Storage, unsave } from "../tensor/heap.js";
import type { Shape } from "../tensor/shape.js";
import { INFERENCE } from "../tensor/storage.js";
import type { GradFn, Tensor, TensorHook } from "../tensor/tensor.js";
import { mode, type PassObserver } from "./mode.js";
import type { ForwardContext, InputGrads, MultiOp, Op } from "./op.js";
import { dropExtra, PackedTensors } from "./packed.js";

/** What a hook returns: gradients that replace the given ones, or nothing. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook may return nothing at all
export type HookResult = InputGrads | undefined | void;

/** Sees the gradients of the inputs and outputs of a node after its backward; may replace those of the inputs. */
export type NodeHook = (gradInputs: InputGrads, gradOutputs: InputGrads) => HookResult;

/** Sees the gradients of the outputs of a node before its backward; may replace them. */
export type NodePreHook = (gradOutputs: InputGrads) => HookResult;

let sequence = 0;

/** The number that the next recorded node gets. @internal */
export function recordedSoFar(): number {
  return sequence;
}

/** One recorded call of an op. */
export class Node<A = unknown> implements GradFn, ForwardContext {
  /** Order of recording; backward runs from high to low. */
  readonly seq = sequence++;
  /** @internal */
  readonly op: Op<A> | MultiOp<A>;
  /** @internal What the op was called with besides tensors. */
  readonly attrs: A;
  /** Where each input's gradient goes: the node that made it, a leaf, or null for none. */
  edges: (Node | Tensor | null)[];
  /** Which output of the edge's node the input is. */
  edgeNrs: readonly number[];
  /** Shapes and dtype codes of the inputs. */
  shapes: readonly Shape[];
  /** @internal */
  codes: readonly number[];
  /** Saved inputs by position, with the versions at which they were saved. */
  private saved: (Tensor | null)[] | null = null;
  private versions: number[] | null = null;
  private outputs: (Tensor | null)[] | null = null;
  private outputVersion = 0;
  /** By-products kept by the forward. */
  extra: Tensor[] = NO_TENSORS;
  /** Gradients waiting for this node, by output. */
  pending: (Tensor | null)[] | null = null;
  /** Hooks on outputs by output number. */
  hooks: Map<number, TensorHook[]> | null = null;
  /** Hooks that see the gradients of all inputs (`gradFn.registerHook`). */
  postHooks: NodeHook[] | null = null;
  /** Hooks that see the gradients of all outputs before the backward (`gradFn.registerPrehook`). */
  preHooks: NodePreHook[] | null = null;
  /** @internal What hooks on saved tensors made of them, until the backward needs them. */
  packed: PackedTensors | null = null;
  /** Inputs whose gradients the running pass asks for; null when it asks for all. */
  asked: boolean[] | null = null;
  /** @internal Who is told of backward passes through this node. */
  readonly observers: readonly PassObserver[] | null = mode.observers;
  /** Pass that visited this node last. */
  mark = 0;
  /** Shapes and codes of the outputs. */
  outShapes: Shape[] = [];
  /** @internal */
  outCodes: number[] = [];
  /** Where the forward was called, in anomaly mode. */
  stack: string | null = null;
  /** @internal Whether the graph was freed here. */
  released = false;
  /** Whether the op is a MultiOp: its backward takes a list of gradients. */
  multi = false;

  constructor(op: Op<A> | MultiOp<A>, attrs: A, x: readonly Tensor[]) {
    this.op = op;
    this.attrs = attrs;
    const n = x.length;
    const edges = new Array<Node | Tensor | null>(n);
    const nrs = new Array<number>(n);
    const shapes = new Array<Shape>(n);
    const codes = new Array<number>(n);
    for (let i = 0; i < n; i++) {
      const t = x[i] as Tensor;
      edges[i] = (t.node as Node | null) ?? (t.leafRequiresGrad ? t : null);
      nrs[i] = t.outputNr;
      shapes[i] = t.shape;
      codes[i] = t.code;
    }
    this.edges = edges;
    this.edgeNrs = nrs;
    this.shapes = shapes;
    this.codes = codes;
    if (mode.anomaly) this.stack = new Error().stack ?? null;
  }

  /** Name of the op. */
  get name(): string {
    return this.op.name;
  }

  get recording(): boolean {
    return true;
  }

  toString(): string {
    return `<${this.name}>`;
  }

  /** @internal What `console.log` shows in Node. */
  [INSPECT](): string {
    return this.toString();
  }

  keep(...tensors: Tensor[]): void {
    for (const t of tensors) t.storage.saves++;
    this.extra = tensors;
  }

  needs(i: number): boolean {
    return this.edges[i] !== null && this.asked?.[i] !== false;
  }

  /** Shape of input `i`. */
  shape(i: number): Shape {
    return this.shapes[i] as Shape;
  }

  /** @internal Saves what the op asks for, once the outputs exist. */
  saveFor(x: readonly Tensor[], out: Tensor | Tensor[]): void {
    const { saves, savesOutput } = this.op;
    if (saves !== undefined && saves !== false) {
      const saved = new Array<Tensor | null>(x.length).fill(null);
      const versions = new Array<number>(x.length).fill(0);
      for (let i = 0; i < x.length; i++) {
        if (saves !== true && !saves.includes(i)) continue;
        const t = x[i] as Tensor;
        if ((t.storage.flags & INFERENCE) !== 0 && !mode.inference) throw this.unsavable(t, saved);
        t.storage.saves++;
        saved[i] = t;
        versions[i] = t.storage.version;
      }
      this.saved = saved;
      this.versions = versions;
    }
    if (savesOutput === true) {
      const outs = Array.isArray(out) ? out : [out];
      for (const t of outs) t.storage.saves++;
      this.outputs = outs;
      this.outputVersion = (outs[0] as Tensor).storage.version;
    }
    if (mode.savedHooks === null || !this.holds) return;
    const { outputs, extra } = this;
    this.packed = new PackedTensors(mode.savedHooks, { inputs: this.saved, outputs, extra });
    this.forget();
  }

  /** @internal Takes back what the hooks on saved tensors hold. */
  unpack(): void {
    const { inputs, outputs, extra } = (this.packed as PackedTensors).unpack(this as Node);
    this.saved = inputs;
    this.versions = inputs?.map((t) => t?.storage.version ?? 0) ?? null;
    this.outputs = outputs;
    this.outputVersion = outputs?.[0]?.storage.version ?? 0;
    this.extra = extra;
  }

  /** @internal Lets go of what {@link unpack} took; the hooks keep theirs. */
  dropUnpacked(): void {
    for (const t of [...(this.saved ?? []), ...(this.outputs ?? []), ...this.extra]) {
      if (t !== null) unsave(t.storage);
    }
    this.forget();
  }

  private forget(): void {
    this.saved = this.versions = this.outputs = null;
    this.extra = NO_TENSORS;
  }

  /** Saved input `i`, as part of the graph it came from. */
  input(i: number): Tensor {
    const t = this.saved?.[i];
    if (t === undefined || t === null) throw this.gone();
    if (t.storage.version !== (this.versions as number[])[i])
      throw this.changed(`input ${i}`, t, (this.versions as number[])[i] as number);
    return t;
  }

  /** Saved output `nr`, attached to this node. */
  output(nr = 0): Tensor {
    const t = this.outputs?.[nr];
    if (t === undefined || t === null) throw this.gone();
    if (t.storage.version !== this.outputVersion) throw this.changed("output", t, this.outputVersion);
    return t;
  }

  /** @internal Whether this node saved a tensor of that storage as an input. */
  savesInput(storage: Storage): boolean {
    return this.saved?.some((t) => t !== null && t.storage === storage) ?? false;
  }

  /** @internal Replaces saved inputs of a storage that is about to change in place. */
  replaceSaved(storage: Storage, by: (old: Tensor) => Tensor): void {
    const saved = this.saved;
    if (saved === null) return;
    for (let i = 0; i < saved.length; i++) {
      const t = saved[i];
      if (t === null || t === undefined || t.storage !== storage) continue;
      const copy = by(t);
      t.storage.saves--;
      copy.storage.saves++;
      saved[i] = copy;
      (this.versions as number[])[i] = copy.storage.version;
    }
  }

  /** @internal The tensor that an in-place op wrote takes the place of the saved output. */
  replaceOutput(nr: number, t: Tensor): void {
    const outs = this.outputs;
    if (outs === null) return;
    unsave((outs[nr] as Tensor).storage);
    t.storage.saves++;
    outs[nr] = t;
    this.outputVersion = t.storage.version;
  }

  /** Whether the backward needs something that {@link release} gives up. */
  private get holds(): boolean {
    return this.saved !== null || this.outputs !== null || this.extra.length > 0 || this.packed !== null;
  }

  /** Frees what was saved. A node that saved something cannot run again. */
  release(): void {
    if (!this.holds) return;
    for (const t of this.saved ?? []) if (t !== null) unsave(t.storage);
    for (const t of this.outputs ?? []) if (t !== null) unsave(t.storage);
    for (const t of this.extra) dropExtra(t.storage);
    this.forget();
    this.packed?.release();
    this.packed = null;
    // Whoever keeps a loss keeps its node: it shall not weigh much.
    this.edges = NO_EDGES;
    this.edgeNrs = NO_NUMBERS;
    this.shapes = NO_SHAPES;
    this.codes = NO_NUMBERS;
    this.released = true;
  }

  /** @internal The error of walking a freed graph. */
  gone(op = "backward"): AutogradError {
    return new AutogradError(
      `[${op}] the graph of ${this.name} was already freed: a graph can be walked once; try ` +
        "{ retainGraph: true } the first time, or detach() what should not be walked again",
    );
  }

  /** The error of a tensor that inference mode made; lets go of what was saved before it. */
  private unsavable(t: Tensor, saved: readonly (Tensor | null)[]): AutogradError {
    for (const other of saved) if (other !== null) unsave(other.storage);
    return new AutogradError(
      `[${this.name}] a tensor of shape ${show(t.shape)} was made in inferenceMode and cannot be saved for backward; ` +
        "try clone() of it, or noGrad in place of inferenceMode",
    );
  }

  private changed(what: string, t: Tensor, saved: number): AutogradError {
    return new AutogradError(
      `[backward] ${what} of ${this.name}, a ${t.dtype} tensor of shape [${t.shape.join(", ")}], was changed in place ` +
        `after it was saved: it is at version ${t.storage.version}, expected version ${saved}; try the op without the ` +
        `trailing underscore, or clone() before it${this.stack === null ? " (detectAnomaly shows where)" : `\n${this.stack}`}`,
    );
  }

  /** The nodes and leaves that this node's gradients flow to, with their output numbers. */
  get nextFunctions(): readonly (readonly [Node | Tensor, number])[] {
    const out: [Node | Tensor, number][] = [];
    this.edges.forEach((e, i) => {
      if (e !== null) out.push([e, this.edgeNrs[i] as number]);
    });
    return out;
  }
}

const NO_TENSORS: Tensor[] = [];
const NO_EDGES: (Node | Tensor | null)[] = [];
const NO_NUMBERS: readonly number[] = [];
const NO_SHAPES: readonly Shape[] = [];
