/** Starting backward passes: `backward`, which accumulates into leaves, and `grad`, which returns gradients. */

import type { DTypeCode } from "../tensor/dtype.js";
import { AutogradError, show } from "../tensor/errors.js";
import { quietPoint } from "../tensor/heap.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { full } from "../tensor/raw.js";
import { type Shape, sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { GradientEdge } from "./edge.js";
import { engineOps } from "./engineOps.js";
import { mode, observed } from "./mode.js";
import { Node } from "./node.js";
import { type Captures, onPath, topological } from "./order.js";
import { OWNED } from "./ownership.js";
import { leafHooks, Pass, running } from "./pass.js";
import { relink } from "./views.js";

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
  accumulate?: (pass: Pass) => void,
): void {
  const create = options.createGraph ?? false;
  const pass = new Pass(options.retainGraph ?? create, create, captures);
  const start: Node[] = [];
  const before = mode.grad;
  const outer = running.pass;
  mode.grad = create;
  try {
    const seeds = roots.map((root, i) => {
      relink(root);
      if (!root.requiresGrad) {
        throw new AutogradError(
          `[${op}] tensor ${i} does not require a gradient and has no gradFn: nothing to differentiate; ` +
            "try requiresGrad: true on the inputs, and no noGrad() around the forward",
        );
      }
      if (root.node !== null) start.push(root.node as Node);
      return firstGradient(op, root, gradOutputs[i]);
    });
    const order = topological(start, captures?.cut === true ? captures.nodes : undefined);
    pass.order = order;
    const freed = captures === null ? undefined : order.find((node) => node.released);
    if (captures !== null) pass.needed = onPath(order, captures);
    if (leafHooks.any) pass.awaitLeaves(roots);
    // What the outer pass has gathered for a node of this graph is not for this pass.
    const pendingOutside = outer === null ? [] : order.map((node) => node.pending);
    if (outer !== null) for (const node of order) node.pending = null;
    running.pass = pass;
    if (observed.any && (captures === null || accumulate !== undefined)) pass.tellObservers();
    roots.forEach((root, i) => {
      const seed = seeds[i] as Tensor;
      if (root.node !== null) pass.toNode(root.node as Node, root.outputNr, seed);
      else pass.toLeaf(root, seed);
    });
    try {
      for (const node of order) pass.run(node);
      // The edges of a freed node are gone: what was not reached may have lain behind it.
      if (freed !== undefined && captures?.results.includes(null)) throw freed.gone(op);
      pass.finish(accumulate === undefined ? undefined : () => accumulate(pass));
    } catch (error) {
      for (const node of order) node.pending = null;
      throw error;
    } finally {
      pendingOutside.forEach((pending, i) => {
        (order[i] as Node).pending = pending;
      });
    }
  } finally {
    pass.over = true;
    mode.grad = before;
    running.pass = outer;
  }
  if (outer === null) quietPoint();
}

function zerosFor(target: GradTarget): Tensor {
  const at = target instanceof GradientEdge ? target.node : target;
  if (!(at instanceof Node)) return full(at.shape, 0, at.code);
  const nr = (target as GradientEdge).outputNr;
  return full(at.outShapes[nr] as Shape, 0, at.outCodes[nr] as DTypeCode);
}

function listOf<T>(x: T | readonly T[]): readonly T[] {
  return Array.isArray(x) ? (x as readonly T[]) : [x as T];
}

/** @internal */
export const BACKWARD_OPTIONS: OptionNames<
  BackwardOptions & { inputs?: GradTarget | readonly GradTarget[] }
> = { retainGraph: 1, createGraph: 1, inputs: 1 };

/**
 * Sums the gradients of `tensors` with respect to the leaves into their `grad`. Source: `torch.autograd.backward`.
 * @param gradTensors gradient per tensor; may be left out for tensors of one element.
 * @throws AutogradError when nothing requires a gradient, shapes differ, or the graph was freed.
 */
export function backward(
  tensors: Tensor | readonly Tensor[],
  gradTensors?: Tensor | readonly (Tensor | null)[] | null,
  options: BackwardOptions & { inputs?: GradTarget | readonly GradTarget[] } = {},
): void {
  checkOptions("backward", options, BACKWARD_OPTIONS);
  const roots = listOf(tensors);
  const gradOutputs = gradTensors === undefined || gradTensors === null ? [] : listOf(gradTensors);
  if (options.inputs === undefined) {
    execute("backward", roots, gradOutputs, options, null);
    return;
  }
  const inputs = listOf(options.inputs);
  const captures = capturesOf("backward", inputs, false);
  execute("backward", roots, gradOutputs, options, captures, (pass) =>
    accumulate(pass, inputs, captures.results),
  );
}

/** Adds gradients to the `grad` of the inputs that they belong to. */
function accumulate(pass: Pass, inputs: readonly GradTarget[], results: readonly (Tensor | null)[]): void {
  inputs.forEach((target, i) => {
    const g = results[i] ?? null;
    if (g === null) return;
    const input = target instanceof GradientEdge ? target.node : target;
    if (input instanceof Node)
      throw new AutogradError(`[backward] input ${i} is the edge of an op, which has no grad; try grad()`);
    pass.accumulate(input, g);
  });
}

/** What gradients are asked for: a tensor, or an edge that stands for one. */
export type GradTarget = Tensor | GradientEdge;

/** Options of {@link grad}. */
export interface GradOptions extends BackwardOptions {
  /** Gradient per output; may be left out (or null) for outputs of one element. */
  gradOutputs?: Tensor | readonly (Tensor | null | undefined)[];
  /** Give null for inputs that the outputs do not depend on, in place of an error (default false). */
  allowUnused?: boolean;
  /** Give zeros for such inputs. */
  materializeGrads?: boolean;
  /** @internal Inputs are where the pass ends: gradients of one do not flow on to another. */
  cut?: boolean;
}

const GRAD_OPTIONS: OptionNames<GradOptions> = {
  gradOutputs: 1,
  allowUnused: 1,
  materializeGrads: 1,
  cut: 1,
  retainGraph: 1,
  createGraph: 1,
};

/** What a pass is to find for some targets. */
function capturesOf(op: string, wanted: readonly GradTarget[], cut: boolean): Captures {
  const captures: Captures = {
    leaves: new Map(),
    nodes: new Map(),
    results: wanted.map(() => null),
    cut,
  };
  const captureNode = (node: Node, nr: number, index: number) => {
    const list = captures.nodes.get(node);
    if (list === undefined) captures.nodes.set(node, [[nr, index]]);
    else list.push([nr, index]);
  };
  wanted.forEach((target, index) => {
    if (target instanceof GradientEdge && target.node instanceof Node) {
      captureNode(target.node, target.outputNr, index);
      return;
    }
    const input = target instanceof GradientEdge ? (target.node as Tensor) : target;
    relink(input);
    if (!input.requiresGrad) {
      throw new AutogradError(
        `[${op}] input ${index} does not require a gradient; try requiresGrad: true when making it`,
      );
    }
    if (input.node === null) {
      const list = captures.leaves.get(input);
      if (list === undefined) captures.leaves.set(input, [index]);
      else list.push(index);
    } else captureNode(input.node as Node, input.outputNr, index);
  });
  return captures;
}

/** One gradient for each input: a tuple where the inputs are given as one, or one by one. */
export type GradsOf<I, G = Tensor> = I extends readonly unknown[] ? { -readonly [K in keyof I]: G } : [G];

/**
 * Gradients of the sum of `outputs` with respect to `inputs`, returned and not accumulated.
 * Source: `torch.autograd.grad`.
 * @example
 * const x = tensor(3, { dtype: "float64", requiresGrad: true });
 * const [g] = grad(x.mul(x).mul(x), x, { createGraph: true }); // 27
 * grad(g, x)[0].item(); // 18
 */
export function grad<const I extends GradTarget | readonly GradTarget[]>(
  outputs: Tensor | readonly Tensor[],
  inputs: I,
  options: GradOptions & { allowUnused: true },
): GradsOf<I, Tensor | null>;
export function grad<const I extends GradTarget | readonly GradTarget[]>(
  outputs: Tensor | readonly Tensor[],
  inputs: I,
  options?: GradOptions,
): GradsOf<I>;
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: GradTarget | readonly GradTarget[],
  options: GradOptions = {},
): unknown {
  checkOptions("grad", options, GRAD_OPTIONS);
  const wanted = listOf(inputs);
  const captures = capturesOf("grad", wanted, options.cut ?? false);
  const gradOutputs = options.gradOutputs === undefined ? [] : listOf(options.gradOutputs);
  execute("grad", listOf(outputs), gradOutputs, options, captures);
  return captures.results.map((g, i) => {
    if (g !== null) return g;
    if (options.materializeGrads === true) return zerosFor(wanted[i] as GradTarget);
    if (options.allowUnused === true) return null;
    throw new AutogradError(
      `[grad] input ${i} was not used in the graph of the outputs; try { allowUnused: true } to get null for it`,
    );
  });
}
