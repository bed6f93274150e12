/**
 * Jacobians, Hessians and their products with vectors, of a function at a point. Source: `torch.autograd.functional`.
 * Products with tangents (`jvp`, `hvp`) take the derivative of a backward pass with respect to its cotangent.
 */

import { AutogradError, show } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { detached } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { blocksByColumns, blocksByRows } from "./blocks.js";
import { engineOps } from "./engineOps.js";
import { enableGrad } from "./mode.js";
import { asTensors, checkVectors, gradsOf, leafOf, variable, zerosLike } from "./variables.js";

/** One tensor, or several. */
export type Tensors = Tensor | readonly [Tensor, ...Tensor[]] | readonly Tensor[];

/** As many tensors as there are in `T`: one alone, or an array. */
export type Like<T> = T extends Tensor ? Tensor : { -readonly [K in keyof T]: Tensor };

/** The arguments of a function of `I`. */
export type ArgsOf<I> = I extends Tensor
  ? [Tensor]
  : I extends readonly Tensor[]
    ? { -readonly [K in keyof I]: Tensor }
    : never;

/** A tensor for each pair of an output and an input. */
export type JacobianOf<O, I> = O extends Tensor ? Like<I> : { -readonly [K in keyof O]: Like<I> };

/** Options of derivatives of functions. */
export interface FunctionalOptions {
  /** Give results that can be differentiated again (default false). */
  createGraph?: boolean;
  /** Throw where a result is zero because something does not depend on an input (default false). */
  strict?: boolean;
}

const FUNCTIONAL_OPTIONS: OptionNames<FunctionalOptions> = { createGraph: 1, strict: 1 };

/** Options of {@link jacobian}. */
export interface JacobianOptions extends FunctionalOptions {
  /**
   * Row by row with backward passes (default), or column by column with products with tangents: the better choice
   * where there are more outputs than inputs.
   */
  strategy?: "reverse-mode" | "forward-mode";
  /** Taken for the sake of ported code; the result is the same. */
  vectorize?: boolean;
}

const JACOBIAN_OPTIONS: OptionNames<JacobianOptions> = { ...FUNCTIONAL_OPTIONS, strategy: 1, vectorize: 1 };

/** Options of {@link hessian}. */
export interface HessianOptions extends FunctionalOptions {
  /** How the outer derivative is computed; see {@link JacobianOptions}. */
  outerJacobianStrategy?: "reverse-mode" | "forward-mode";
  /** Taken for the sake of ported code; the result is the same. */
  vectorize?: boolean;
}

const HESSIAN_OPTIONS: OptionNames<HessianOptions> = {
  ...FUNCTIONAL_OPTIONS,
  outerJacobianStrategy: 1,
  vectorize: 1,
};

type AnyFn = (...inputs: Tensor[]) => unknown;

function strictError(op: string, what: string): AutogradError {
  return new AutogradError(
    `[${op}] ${what}, which strict does not allow; try { strict: false } to get zeros`,
  );
}

/** The function at the point, recorded. */
class Call {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  private readonly loneInput: boolean;
  private readonly loneOutput: boolean;

  constructor(
    readonly op: string,
    fn: AnyFn,
    inputs: unknown,
    readonly options: FunctionalOptions,
  ) {
    this.loneInput = !Array.isArray(inputs);
    const given = asTensors(op, "the inputs", inputs);
    this.inputs = given.map((t) => variable(op, t, this.create));
    const out = fn(...this.inputs);
    this.loneOutput = !Array.isArray(out);
    this.outputs = asTensors(op, "the function's output", out);
    if (options.strict !== true) return;
    const free = this.outputs.findIndex((t) => !t.requiresGrad);
    if (free >= 0) throw strictError(op, `output ${free} does not depend on the inputs`);
  }

  get create(): boolean {
    return this.options.createGraph ?? false;
  }

  /** The vectors of the user, or a one for a single element. */
  vectors(v: unknown, like: readonly Tensor[], what: string): readonly (Tensor | null)[] {
    if (v === undefined || v === null) {
      if (like.length === 1 && like[0]?.numel === 1) return [null];
      throw new AutogradError(
        `[${this.op}] v may be left out only where the ${what} are a single tensor of one element: got ` +
          like.map((t) => show(t.shape)).join(", "),
      );
    }
    const given = asTensors(this.op, "v", v);
    checkVectors(this.op, given, like, what);
    return given.map((t) => (this.create && t.requiresGrad ? engineOps.alias(t) : leafOf(this.op, t, false)));
  }

  /** The single output of one element that Hessians are of. */
  scalar(): Tensor {
    const [out] = this.outputs as readonly [Tensor];
    if (!this.loneOutput || out.numel !== 1) {
      const got = this.outputs.map((t) => show(t.shape)).join(", ");
      throw new AutogradError(`[${this.op}] the function must return one tensor of one element: got ${got}`);
    }
    return out;
  }

  /** First gradients, recorded; `what` depends on what is said in strict mode. */
  firstGradients(cotangents: readonly (Tensor | null)[]): (Tensor | null)[] {
    const grads = gradsOf(this.outputs, this.inputs, cotangents, true);
    if (this.options.strict === true) {
      grads.forEach((g, i) => {
        if (g === null) throw strictError(this.op, `the output does not depend on input ${i}`);
        if (!g.requiresGrad)
          throw strictError(this.op, `the gradient with respect to input ${i} is the same everywhere`);
      });
    }
    return grads;
  }

  /** Zeros in place of missing gradients. */
  filled(grads: readonly (Tensor | null)[], like: readonly Tensor[], what: string): Tensor[] {
    return grads.map((g, i) => {
      if (this.options.strict === true) {
        if (g === null) throw strictError(this.op, `the ${what} does not depend on input ${i}`);
        if (this.create && !g.requiresGrad)
          throw strictError(this.op, `the derivative of the ${what} does not depend on input ${i}`);
      }
      return g ?? zerosLike(like[i] as Tensor);
    });
  }

  release(list: readonly Tensor[]): Tensor[] {
    return list.map((t) => (this.create ? t : detached(t)));
  }

  likeInputs(list: readonly Tensor[]): Tensor | Tensor[] {
    const out = this.release(list);
    return this.loneInput ? (out[0] as Tensor) : out;
  }

  likeOutputs(list: readonly Tensor[]): Tensor | Tensor[] {
    const out = this.release(list);
    return this.loneOutput ? (out[0] as Tensor) : out;
  }

  /** A result for each output and input, without the arrays where the user gave or takes one alone. */
  likeBoth(rows: readonly (readonly Tensor[])[]): unknown {
    const out = rows.map((row) => this.likeInputs(row));
    return this.loneOutput ? out[0] : out;
  }
}

/** Cotangents of zeros that the backward pass is differentiated by. */
function cotangents(outputs: readonly Tensor[]): Tensor[] {
  return outputs.map((t) => {
    const u = zerosLike(t);
    u.leafRequiresGrad = true;
    return u;
  });
}

/**
 * The function's output and v^T J, the product of a vector with the Jacobian at `inputs`.
 * Source: `torch.autograd.functional.vjp`.
 * @param v cotangent: a tensor for each output, of its shape; may be left out for one output of one element.
 * @example
 * const x = tensor([1, 2], { dtype: "float64" });
 * const [y, g] = autograd.functional.vjp((x) => x.square(), x, tensor([1, 10], { dtype: "float64" }));
 * g.toArray(); // [2, 40]
 */
export function vjp<I extends Tensors, O extends Tensors>(
  fn: (...inputs: ArgsOf<I>) => O,
  inputs: I,
  v?: Tensors | null,
  options: FunctionalOptions = {},
): [O, Like<I>] {
  checkOptions("vjp", options, FUNCTIONAL_OPTIONS);
  return enableGrad(() => {
    const call = new Call("vjp", fn as AnyFn, inputs, options);
    const vectors = call.vectors(v, call.outputs, "outputs");
    const grads = gradsOf(call.outputs, call.inputs, vectors, call.create);
    const product = call.filled(grads, call.inputs, "output");
    return [call.likeOutputs(call.outputs), call.likeInputs(product)] as [O, Like<I>];
  });
}

/**
 * The function's output and J v, the product of the Jacobian at `inputs` with a vector.
 * Source: `torch.autograd.functional.jvp`.
 * @param v tangent: a tensor for each input, of its shape; may be left out for one input of one element.
 * @example
 * const x = tensor([1, 2], { dtype: "float64" });
 * const [y, t] = autograd.functional.jvp((x) => x.square().sum(), x, tensor([1, 10], { dtype: "float64" }));
 * t.item(); // 42
 */
export function jvp<I extends Tensors, O extends Tensors>(
  fn: (...inputs: ArgsOf<I>) => O,
  inputs: I,
  v?: Tensors | null,
  options: FunctionalOptions = {},
): [O, Like<O>] {
  checkOptions("jvp", options, FUNCTIONAL_OPTIONS);
  return enableGrad(() => {
    const call = new Call("jvp", fn as AnyFn, inputs, options);
    const vectors = call.vectors(v, call.inputs, "inputs");
    const product = call.filled(pushforward(call)(vectors), call.outputs, "Jacobian");
    return [call.likeOutputs(call.outputs), call.likeOutputs(product)] as [O, Like<O>];
  });
}

// J v = d(J^T u)/du · v
function pushforward(call: Call): (v: readonly (Tensor | null)[]) => (Tensor | null)[] {
  const u = cotangents(call.outputs);
  const pulled = gradsOf(call.outputs, call.inputs, u, true);
  return (v) => gradsOf(pulled, u, v, call.create);
}

/**
 * The derivatives of each element of each output by each element of each input: shape output + input.
 * Source: `torch.autograd.functional.jacobian`.
 * @returns one tensor for one input and one output; an array where there are several of either, `[output][input]`
 * where there are several of both.
 * @example
 * const x = tensor([1, 2], { dtype: "float64" });
 * autograd.functional.jacobian((x) => x.square(), x).toArray(); // [[2, 0], [0, 4]]
 */
export function jacobian<I extends Tensors, O extends Tensors>(
  fn: (...inputs: ArgsOf<I>) => O,
  inputs: I,
  options: JacobianOptions = {},
): JacobianOf<O, I> {
  checkOptions("jacobian", options, JACOBIAN_OPTIONS);
  return enableGrad(() => jacobianOf("jacobian", fn as AnyFn, inputs, options)) as JacobianOf<O, I>;
}

function jacobianOf(op: string, fn: AnyFn, inputs: unknown, options: JacobianOptions): unknown {
  const forward = options.strategy === "forward-mode";
  if (forward && options.strict === true) {
    throw new AutogradError(`[${op}] strict needs the strategy "reverse-mode"`);
  }
  const call = new Call(op, fn, inputs, options);
  return call.likeBoth(forward ? byColumns(call) : byRows(call));
}

/** Row k of the Jacobian: the gradient of output element k. */
function byRows(call: Call): Tensor[][] {
  return blocksByRows(call.outputs, call.inputs, (u, o) => {
    const grads = gradsOf([call.outputs[o] as Tensor], call.inputs, [u], call.create);
    return call.filled(grads, call.inputs, `output ${o}`);
  });
}

/** Column j of the Jacobian: the product with the unit vector of input element j. */
function byColumns(call: Call): Tensor[][] {
  const push = pushforward(call);
  return blocksByColumns(call.outputs, call.inputs, (v) => call.filled(push(v), call.outputs, "Jacobian"));
}

/**
 * The second derivatives of a function of one element by each pair of inputs: shape input + input.
 * Source: `torch.autograd.functional.hessian`.
 * @example
 * const x = tensor([1, 2], { dtype: "float64" });
 * autograd.functional.hessian((x) => x.pow(3).sum(), x).toArray(); // [[6, 0], [0, 12]]
 */
export function hessian<I extends Tensors>(
  fn: (...inputs: ArgsOf<I>) => Tensor,
  inputs: I,
  options: HessianOptions = {},
): JacobianOf<I, I> {
  checkOptions("hessian", options, HESSIAN_OPTIONS);
  const { strict = false, outerJacobianStrategy = "reverse-mode", ...rest } = options;
  return enableGrad(() => {
    const gradient = (...xs: Tensor[]): Tensor | Tensor[] => {
      const point = Array.isArray(inputs) ? xs : xs[0];
      const call = new Call("hessian", fn as AnyFn, point, { createGraph: true, strict });
      call.scalar();
      const grads = call.firstGradients([null]);
      return call.likeInputs(grads.map((g, i) => g ?? zerosLike(call.inputs[i] as Tensor)));
    };
    const outer = { ...rest, strict, strategy: outerJacobianStrategy };
    return jacobianOf("hessian", gradient as AnyFn, inputs, outer);
  }) as JacobianOf<I, I>;
}

/**
 * The function's output and v^T H, the product of a vector with the Hessian at `inputs`.
 * Source: `torch.autograd.functional.vhp`.
 * @param v a tensor for each input, of its shape; may be left out for one input of one element.
 * @example
 * const x = tensor([1, 2], { dtype: "float64" });
 * const [, product] = autograd.functional.vhp((x) => x.pow(3).sum(), x, tensor([1, 1], { dtype: "float64" }));
 * product.toArray(); // [6, 12]
 */
export function vhp<I extends Tensors>(
  fn: (...inputs: ArgsOf<I>) => Tensor,
  inputs: I,
  v?: Tensors | null,
  options: FunctionalOptions = {},
): [Tensor, Like<I>] {
  checkOptions("vhp", options, FUNCTIONAL_OPTIONS);
  return enableGrad(() => {
    const call = new Call("vhp", fn as AnyFn, inputs, options);
    const vectors = call.vectors(v, call.inputs, "inputs");
    call.scalar();
    const grads = call.firstGradients([null]);
    const product = gradsOf(grads, call.inputs, vectors, call.create);
    return [call.likeOutputs(call.outputs), call.likeInputs(call.filled(product, call.inputs, "Jacobian"))];
  }) as [Tensor, Like<I>];
}

/**
 * The function's output and H v, the product of the Hessian at `inputs` with a vector: the transpose of {@link vhp},
 * and equal to it where the second derivatives are continuous. Source: `torch.autograd.functional.hvp`.
 * @param v a tensor for each input, of its shape; may be left out for one input of one element.
 */
export function hvp<I extends Tensors>(
  fn: (...inputs: ArgsOf<I>) => Tensor,
  inputs: I,
  v?: Tensors | null,
  options: FunctionalOptions = {},
): [Tensor, Like<I>] {
  checkOptions("hvp", options, FUNCTIONAL_OPTIONS);
  return enableGrad(() => {
    const call = new Call("hvp", fn as AnyFn, inputs, options);
    const vectors = call.vectors(v, call.inputs, "inputs");
    call.scalar();
    // H v = d(H^T u)/du · v
    const grads = call.firstGradients([null]).map((g, i) => g ?? zerosLike(call.inputs[i] as Tensor));
    const u = cotangents(call.inputs);
    const second = gradsOf(grads, call.inputs, u, true);
    if (options.strict === true) call.filled(second, call.inputs, "Jacobian");
    const product = gradsOf(second, u, vectors, call.create);
    return [call.likeOutputs(call.outputs), call.likeInputs(call.filled(product, call.inputs, "Hessian"))];
  }) as [Tensor, Like<I>];
}
