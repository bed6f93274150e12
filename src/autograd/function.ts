/** Ops of users: a class with a static forward and backward, as `torch.autograd.Function`. */
import type { DTypeCode } from "../tensor/dtype.js";
import { AutogradError } from "../tensor/errors.js";
import { detached, full } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import { checkInference } from "./inplace.js";
import { mode, noGrad } from "./mode.js";
import type { Node } from "./node.js";
import { type InputGrads, type MultiOp, runMulti } from "./op.js";

/** What `forward` and `backward` of a custom {@link Function} share. */
export class FunctionContext {
  private savedInputs: { tensor: Tensor; version: number }[] = [];
  private nonDifferentiable = new Set<Tensor>();
  /** @internal */
  materialize = true;
  /** Whether each argument (in order; false for arguments that are no tensors) needs a gradient. */
  needsInputGrad: boolean[] = [];
  /** Room for anything that is no tensor: `ctx.scale = 2`. */
  [key: string]: unknown;

  /** Saves inputs or outputs for the backward, with a check that they are not changed in place. */
  saveForBackward(...tensors: Tensor[]): void {
    this.savedInputs = tensors.map((tensor) => ({ tensor, version: tensor.storage.version }));
  }

  /** @internal Throws when what was saved would be out of the reach of version checks. */
  checkSaved(name: string): void {
    for (const { tensor } of this.savedInputs) checkInference(name, tensor, "be saved for backward");
  }

  /** The tensors given to {@link saveForBackward}. */
  get savedTensors(): Tensor[] {
    return this.savedInputs.map(({ tensor, version }) => {
      if (tensor.storage.version !== version) {
        throw new AutogradError(
          `[Function] a saved tensor of shape [${tensor.shape.join(", ")}] was changed in place after it was saved: ` +
            `it is at version ${tensor.storage.version}, expected ${version}; try clone() before the change`,
        );
      }
      return tensor;
    });
  }

  /** Declares outputs that carry no gradient. */
  markNonDifferentiable(...tensors: Tensor[]): void {
    for (const t of tensors) this.nonDifferentiable.add(t);
  }

  /** With false, missing gradients of outputs arrive in `backward` as null and not as zeros. */
  setMaterializeGrads(value: boolean): void {
    this.materialize = value;
  }

  /** @internal */
  isDifferentiable(t: Tensor): boolean {
    return !this.nonDifferentiable.has(t);
  }

  /** @internal Saved outputs must be the ones that carry the graph. */
  relinkOutputs(raw: readonly Tensor[], linked: readonly Tensor[]): void {
    for (const entry of this.savedInputs) {
      const at = raw.indexOf(entry.tensor);
      if (at >= 0) entry.tensor = linked[at] as Tensor;
    }
  }
}

/** What a custom function's class provides. */
export interface FunctionDefinition<Args extends unknown[], Out extends Tensor | Tensor[]> {
  /** Name of the class, shown by `gradFn` and in messages. */
  readonly name: string;
  /** Computes the output(s); nothing in here is recorded. */
  forward(ctx: FunctionContext, ...args: Args): Out;
  /** Gradients of the arguments, in order, null for those without one; differentiable when made of ops. */
  backward(ctx: FunctionContext, ...grads: Tensor[]): (Tensor | null)[] | Tensor | null;
}

/**
 * Base of custom differentiable functions. Write static `forward` and `backward`, call `apply`.
 * The backward is recorded under `createGraph`, so it can be differentiated again. Source: `torch.autograd.Function`.
 * @example
 * class Cube extends autograd.Function {
 *   static forward(ctx: autograd.FunctionContext, x: Tensor) {
 *     ctx.saveForBackward(x);
 *     return x.mul(x).mul(x);
 *   }
 *   static backward(ctx: autograd.FunctionContext, grad: Tensor) {
 *     const [x] = ctx.savedTensors as [Tensor];
 *     return grad.mul(x).mul(x).mul(3);
 *   }
 * }
 * const x = tensor([2, 3], { dtype: "float32", requiresGrad: true });
 * Cube.apply(x).sum().backward();
 * x.grad?.toArray(); // [12, 27]
 */
// biome-ignore lint/suspicious/noShadowRestrictedNames: PyTorch's name; it is used as autograd.Function
// biome-ignore lint/complexity/noStaticOnlyClass: users extend it, as they do in PyTorch
export abstract class Function {
  /**
   * Runs the function on its arguments and records it.
   * @throws AutogradError where it was taken off its class: `const cube = Cube.apply` knows no class, so write
   * `const cube = (x: Tensor) => Cube.apply(x)`.
   */
  static apply<Args extends unknown[], Out extends Tensor | Tensor[]>(
    this: FunctionDefinition<Args, Out>,
    ...args: Args
  ): Out {
    // biome-ignore lint/complexity/noThisInStatic: undefined where apply was taken off its class
    if (this === undefined)
      throw new AutogradError(
        "[Function] apply was called without its class, expected Cube.apply(x); try const cube = (x) => Cube.apply(x)",
      );
    // biome-ignore lint/complexity/noThisInStatic: the subclass that apply was called on
    return applyFunction(this, args);
  }
}

function applyFunction<Args extends unknown[], Out extends Tensor | Tensor[]>(
  fn: FunctionDefinition<Args, Out>,
  args: Args,
): Out {
  const ctx = new FunctionContext();
  const positions = args.flatMap((a, i) => (a instanceof Tensor ? [i] : []));
  const inputs = positions.map((i) => args[i] as Tensor);
  ctx.needsInputGrad = args.map((a) => a instanceof Tensor && mode.grad && a.requiresGrad);
  let single = true;
  let raw: Tensor[] = [];
  const nonDifferentiable: number[] = [];
  const op: MultiOp<null> = {
    name: fn.name,
    foreign: true,
    nonDifferentiable,
    forward: () => {
      const out = noGrad(() => fn.forward(ctx, ...args));
      single = !Array.isArray(out);
      raw = Array.isArray(out) ? out : [out];
      raw.forEach((t, nr) => {
        if (!ctx.isDifferentiable(t)) nonDifferentiable.push(nr);
      });
      // An output that is an input gets a handle of its own: the input keeps its place in the graph.
      return raw.map((t) => (inputs.includes(t) ? detached(t) : t));
    },
    backward: (grads, node) => {
      const wanted = positions.map((_, k) => node.needs(k));
      ctx.needsInputGrad = args.map((_, i) => wanted[positions.indexOf(i)] ?? false);
      const full = ctx.materialize ? grads.map((g, nr) => g ?? zerosOf(node, nr)) : grads;
      const given = fn.backward(ctx, ...(full as Tensor[]));
      const list = Array.isArray(given) ? given : [given];
      if (list.length !== args.length && list.length !== inputs.length) {
        throw new AutogradError(
          `[${fn.name}] backward returned ${list.length} gradients, expected ${args.length}, one for each argument of forward`,
        );
      }
      const byArgument = list.length === args.length;
      return inputs.map((_, k) => list[byArgument ? (positions[k] as number) : k] ?? null) as InputGrads;
    },
  };
  const outs = runMulti(op, inputs, null);
  if (ctx.needsInputGrad.includes(true)) ctx.checkSaved(fn.name);
  ctx.relinkOutputs(raw, outs);
  return (single ? outs[0] : outs) as Out;
}

function zerosOf(node: Node<null>, nr: number): Tensor {
  return full(node.outShapes[nr] ?? [], 0, node.outCodes[nr] as DTypeCode);
}
