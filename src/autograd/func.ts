/**
 * Transforms of functions: each takes a function and gives one that computes its derivative. They nest, work on trees
 * of tensors (arrays and plain objects), and leave `grad` fields alone. Source: `torch.func`.
 */

import { AutogradError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { detached, full } from "../tensor/raw.js";
import { sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { engineOps } from "./engineOps.js";
import { enableGrad, mode } from "./mode.js";
import { mapTensors, tensorsIn, withTensors } from "./tree.js";
import { flowsBeyond, gradsOf, oneHot, variable, zerosLike } from "./variables.js";

/** The arguments to differentiate by: one of them, or several. */
export type Argnums = number | readonly number[];

/** The chosen arguments: one alone, or an array. */
export type Chosen<A extends readonly unknown[], N> = N extends readonly number[]
  ? { -readonly [K in keyof N]: A[N[K] & number] }
  : A[N & number];

/** Options of {@link grad} and its kin. */
export interface TransformOptions<N extends Argnums> {
  /** Which arguments to differentiate by (default 0, the first). */
  argnums?: N;
  /** The function returns `[output, aux]`, and so does the result; aux may be anything (default false). */
  hasAux?: boolean;
}

const TRANSFORM_OPTIONS: OptionNames<TransformOptions<Argnums>> = { argnums: 1, hasAux: 1 };

/** Options of {@link grad} and its kin for a function that returns `[output, aux]`. */
export interface AuxOptions<N extends Argnums> extends TransformOptions<N> {
  hasAux: true;
}

/** Options of {@link grad} and its kin for a function that returns its output alone. */
export interface PlainOptions<N extends Argnums> extends TransformOptions<N> {
  hasAux?: false;
}

// biome-ignore lint/suspicious/noExplicitAny: what any function may be assigned to
type AnyFn = (...args: any[]) => unknown;

/** A function called with some of its arguments as variables. */
class Level {
  readonly given: readonly Tensor[];
  readonly variables: readonly Tensor[];
  readonly output: unknown;
  readonly aux: unknown;
  /** The chosen arguments as the user gave them. */
  readonly chosen: unknown;
  readonly outputs: readonly Tensor[];
  private readonly recorded: boolean;
  private readonly outward: boolean;

  constructor(
    readonly op: string,
    fn: AnyFn,
    args: readonly unknown[],
    argnums: Argnums | null,
    hasAux: boolean,
  ) {
    this.recorded = mode.grad;
    const picks =
      argnums === null ? args.map((_, i) => i) : typeof argnums === "number" ? [argnums] : argnums;
    const at = picks.map((n) => {
      const i = n < 0 ? n + args.length : n;
      if (Number.isInteger(i) && i >= 0 && i < args.length) return i;
      throw new ValueError(
        `[${op}] argnums ${n} is out of range: the function was called with ${args.length} arguments`,
      );
    });
    const chosen = at.map((i) => args[i]);
    this.chosen = typeof argnums === "number" ? chosen[0] : chosen;
    this.given = tensorsIn(chosen);
    this.variables = this.given.map((t) => variable(op, t, this.recorded));
    const replaced = withTensors(chosen, this.variables);
    const inputs = args.map((a, i) => (at.includes(i) ? replaced[at.lastIndexOf(i)] : a));
    const result = enableGrad(() => fn(...inputs));
    if (hasAux && !(Array.isArray(result) && result.length === 2)) {
      throw new AutogradError(`[${op}] with hasAux the function must return [output, aux]`);
    }
    [this.output, this.aux] = hasAux ? (result as [unknown, unknown]) : [result, undefined];
    this.outputs = tensorsIn(this.output);
    this.outward = this.recorded && flowsBeyond(this.outputs, this.variables);
  }

  /** Whether results are part of a graph outside of this transform. */
  get connected(): boolean {
    return this.outward;
  }

  /** A result without the graph that only this transform knows. */
  free<T>(tree: T, connected = this.outward): T {
    return connected ? tree : mapTensors(tree, detached);
  }

  /** v^T J by the chosen arguments, zeros where nothing depends on one. */
  pull(
    vectors: readonly (Tensor | null)[],
    create = this.outward || wantsGraph(vectors),
    outputs = this.outputs,
  ): Tensor[] {
    const grads = enableGrad(() => gradsOf(outputs, this.variables, vectors, create));
    return grads.map((g, i) => g ?? zerosLike(this.variables[i] as Tensor));
  }

  /** v -> J v, as the derivative of u -> u^T J. */
  push(): (vectors: readonly Tensor[]) => Tensor[] {
    const u = this.outputs.map((t) => {
      const zero = zerosLike(t);
      zero.leafRequiresGrad = t.requiresGrad;
      return zero;
    });
    const pulled = enableGrad(() => gradsOf(this.outputs, this.variables, u, true));
    const used = pulled.flatMap((g, i) => (g === null ? [] : [i]));
    const roots = used.map((i) => pulled[i] as Tensor);
    const targets = u.filter((t) => t.requiresGrad);
    return (vectors) => {
      const given = used.map((i) => vectors[i] as Tensor);
      const create = this.outward || (this.recorded && wantsGraph(given));
      const found = targets.length === 0 ? [] : enableGrad(() => gradsOf(roots, targets, given, create));
      return u.map((t) => (t.requiresGrad ? found[targets.indexOf(t)] : null) ?? zerosLike(t));
    };
  }
}

function wantsGraph(tensors: readonly (Tensor | null)[]): boolean {
  return mode.grad && tensors.some((t) => t?.requiresGrad === true);
}

function scalarOf(op: string, level: Level): Tensor {
  const [out] = level.outputs;
  if (out === undefined || out !== level.output || out.ndim !== 0) {
    const got = level.outputs.map((t) => show(t.shape)).join(", ");
    throw new AutogradError(
      `[${op}] the function must return one tensor without dimensions: got ${got === "" ? "none" : got}; try sum()`,
    );
  }
  return out;
}

/**
 * The function that computes the gradient of `fn`, which returns one 0-d tensor, by its first argument (or by
 * `argnums`). Source: `torch.func.grad`.
 * @example
 * const cosine = func.grad((x) => x.sin());
 * cosine(tensor(0, { dtype: "float64" })).item(); // 1
 * func.grad(cosine)(tensor(0, { dtype: "float64" })).item(); // -0
 * @throws AutogradError when `fn` returns something else.
 */
export function grad<A extends unknown[], const N extends Argnums = 0>(
  fn: (...args: A) => Tensor,
  options?: PlainOptions<N>,
): (...args: A) => Chosen<A, N>;
export function grad<A extends unknown[], X, const N extends Argnums = 0>(
  fn: (...args: A) => readonly [Tensor, X],
  options: AuxOptions<N>,
): (...args: A) => [Chosen<A, N>, X];
export function grad(fn: AnyFn, options: TransformOptions<Argnums> = {}): AnyFn {
  checkOptions("func.grad", options, TRANSFORM_OPTIONS);
  const both = gradAndValueOf("func.grad", fn, options);
  return (...args) => {
    const { grads, aux } = both(args);
    return options.hasAux === true ? [grads, aux] : grads;
  };
}

/**
 * As {@link grad}, but the function gives `[gradient, value]`, or `[gradient, [value, aux]]` with `hasAux`.
 * Source: `torch.func.grad_and_value`.
 * @example
 * const [g, value] = func.gradAndValue((x) => x.square().sum())(tensor([1, 2], { dtype: "float64" }));
 * g.toArray(); // [2, 4]
 * value.item(); // 5
 */
export function gradAndValue<A extends unknown[], const N extends Argnums = 0>(
  fn: (...args: A) => Tensor,
  options?: PlainOptions<N>,
): (...args: A) => [Chosen<A, N>, Tensor];
export function gradAndValue<A extends unknown[], X, const N extends Argnums = 0>(
  fn: (...args: A) => readonly [Tensor, X],
  options: AuxOptions<N>,
): (...args: A) => [Chosen<A, N>, [Tensor, X]];
export function gradAndValue(fn: AnyFn, options: TransformOptions<Argnums> = {}): AnyFn {
  checkOptions("func.gradAndValue", options, TRANSFORM_OPTIONS);
  const both = gradAndValueOf("func.gradAndValue", fn, options);
  return (...args) => {
    const { grads, value, aux } = both(args);
    return [grads, options.hasAux === true ? [value, aux] : value];
  };
}

function gradAndValueOf(op: string, fn: AnyFn, options: TransformOptions<Argnums>) {
  return (args: readonly unknown[]) => {
    const level = new Level(op, fn, args, options.argnums ?? 0, options.hasAux ?? false);
    const value = scalarOf(op, level);
    const grads = withTensors(level.chosen, level.pull([null]));
    return { grads: level.free(grads), value: level.free(value), aux: level.free(level.aux) };
  };
}

/** Options of transforms at a point. */
export interface PointOptions {
  /** The function returns `[output, aux]` (default false). */
  hasAux?: boolean;
}

const POINT_OPTIONS: OptionNames<PointOptions> = { hasAux: 1 };

/**
 * The output of `fn` at `primals`, and the function that takes a cotangent, a tree like the output, to the array of
 * its products with the Jacobian, one for each primal. With `hasAux` aux comes third. Source: `torch.func.vjp`.
 * @example
 * const [y, pull] = func.vjp((x) => x.square(), tensor([1, 2], { dtype: "float64" })); // or an array of primals
 * pull(tensor([1, 10], { dtype: "float64" }))[0].toArray(); // [2, 40]
 */
export function vjp<O>(
  fn: (x: Tensor) => O,
  primals: Tensor,
  options?: { hasAux?: false },
): [O, (cotangents: O) => [Tensor]];
export function vjp<A extends readonly unknown[], O>(
  fn: (...args: A) => O,
  primals: readonly [...A],
  options?: { hasAux?: false },
): [O, (cotangents: O) => [...A]];
export function vjp<A extends readonly unknown[], O, X>(
  fn: (...args: A) => readonly [O, X],
  primals: readonly [...A],
  options: { hasAux: true },
): [O, (cotangents: O) => [...A], X];
export function vjp(fn: AnyFn, primals: Tensor | readonly unknown[], options: PointOptions = {}): unknown {
  checkOptions("func.vjp", options, POINT_OPTIONS);
  const given = primals instanceof Tensor ? [primals] : primals;
  const level = new Level("func.vjp", fn, given, null, options.hasAux ?? false);
  const pull = (cotangents: unknown) => {
    const vectors = tensorsIn(cotangents);
    checkLike("func.vjp", "cotangents", vectors, level.outputs);
    const connected = level.connected || wantsGraph(vectors);
    return level.free(withTensors(level.chosen, level.pull(vectors, connected)), connected);
  };
  const result = [level.free(level.output), pull];
  return options.hasAux === true ? [...result, level.free(level.aux)] : result;
}

function checkLike(op: string, what: string, given: readonly Tensor[], like: readonly Tensor[]): void {
  if (given.length !== like.length) {
    throw new AutogradError(`[${op}] got ${given.length} ${what}, expected ${like.length}`);
  }
  given.forEach((t, i) => {
    const { shape } = like[i] as Tensor;
    if (!sameShape(t.shape, shape)) {
      throw new ShapeError(`[${op}] ${what} ${i} has shape ${show(t.shape)}, expected ${show(shape)}`);
    }
  });
}

const JVP_OPTIONS: OptionNames<PointOptions & { strict?: boolean }> = { hasAux: 1, strict: 1 };

/**
 * The output of `fn` at `primals` and the product of its Jacobian with `tangents`, both trees like the output. With
 * `hasAux` aux comes third. Source: `torch.func.jvp`.
 * @param options `strict`: throw where the output does not depend on the primals, in place of zeros.
 * @example
 * const x = tensor([1, 2], { dtype: "float64" });
 * const [y, t] = func.jvp((x) => x.square(), [x], [tensor([1, 10], { dtype: "float64" })]);
 * t.toArray(); // [2, 40]
 */
export function jvp<A extends readonly unknown[], O>(
  fn: (...args: A) => O,
  primals: readonly [...A],
  tangents: readonly [...A],
  options?: { strict?: boolean; hasAux?: false },
): [O, O];
export function jvp<A extends readonly unknown[], O, X>(
  fn: (...args: A) => readonly [O, X],
  primals: readonly [...A],
  tangents: readonly [...A],
  options: { strict?: boolean; hasAux: true },
): [O, O, X];
export function jvp(
  fn: AnyFn,
  primals: readonly unknown[],
  tangents: readonly unknown[],
  options: PointOptions & { strict?: boolean } = {},
): unknown {
  checkOptions("func.jvp", options, JVP_OPTIONS);
  const level = new Level("func.jvp", fn, primals, null, options.hasAux ?? false);
  const vectors = tensorsIn(tangents);
  checkLike("func.jvp", "tangents", vectors, level.given);
  if (options.strict === true) {
    const at = level.outputs.findIndex((t) => !t.requiresGrad);
    if (at >= 0)
      throw new AutogradError(
        `[func.jvp] output ${at} does not depend on the primals; try { strict: false } for zeros`,
      );
  }
  const product = withTensors(level.output, level.push()(vectors));
  const result = [level.free(level.output), level.free(product, level.connected || wantsGraph(vectors))];
  return options.hasAux === true ? [...result, level.free(level.aux)] : result;
}

/**
 * The output of `fn` at `primals`, and the linear function that takes tangents to the product with the Jacobian:
 * {@link jvp} for many tangents at one point. Source: `torch.func.linearize`.
 * @example
 * const [y, push] = func.linearize((x) => x.square(), [tensor([1, 2], { dtype: "float64" })]);
 * push(tensor([1, 10], { dtype: "float64" })).toArray(); // [2, 40]
 */
export function linearize<A extends readonly unknown[], O>(
  fn: (...args: A) => O,
  primals: readonly [...A],
): [O, (...tangents: A) => O] {
  const level = new Level("func.linearize", fn as AnyFn, primals, null, false);
  const push = level.push();
  const linear = (...tangents: A): O => {
    const vectors = tensorsIn(tangents);
    checkLike("func.linearize", "tangents", vectors, level.given);
    const product = withTensors(level.output as O, push(vectors));
    return level.free(product, level.connected || wantsGraph(vectors));
  };
  return [level.free(level.output as O), linear];
}

/** Options of the Jacobians. */
export interface JacobianTransformOptions<N extends Argnums> extends TransformOptions<N> {
  /** Taken for the sake of ported code; the result is the same. */
  chunkSize?: number | null;
}

const JACOBIAN_TRANSFORM_OPTIONS: OptionNames<JacobianTransformOptions<Argnums>> = {
  chunkSize: 1,
  argnums: 1,
  hasAux: 1,
};

/** A tree like the output, with a tree like the arguments in place of each tensor. */
export type JacobianTree<O, C> = O extends Tensor
  ? C
  : O extends readonly unknown[] | Record<string, unknown>
    ? { -readonly [K in keyof O]: JacobianTree<O[K], C> }
    : O;

/**
 * The function that computes the Jacobian of `fn` row by row, by backward passes: for each tensor of the output a
 * tensor of shape output + argument. The better choice where there are fewer outputs than inputs.
 * Source: `torch.func.jacrev`.
 * @example
 * func.jacrev((x) => x.square())(tensor([1, 2], { dtype: "float64" })).toArray(); // [[2, 0], [0, 4]]
 */
export function jacrev<A extends unknown[], O, const N extends Argnums = 0>(
  fn: (...args: A) => O,
  options?: JacobianTransformOptions<N> & { hasAux?: false },
): (...args: A) => JacobianTree<O, Chosen<A, N>>;
export function jacrev<A extends unknown[], O, X, const N extends Argnums = 0>(
  fn: (...args: A) => readonly [O, X],
  options: JacobianTransformOptions<N> & { hasAux: true },
): (...args: A) => [JacobianTree<O, Chosen<A, N>>, X];
export function jacrev(fn: AnyFn, options: JacobianTransformOptions<Argnums> = {}): AnyFn {
  checkOptions("func.jacrev", options, JACOBIAN_TRANSFORM_OPTIONS);
  return (...args) => {
    const level = new Level("func.jacrev", fn, args, options.argnums ?? 0, options.hasAux ?? false);
    const blocks = level.outputs.map((out) => {
      const rows = Array.from({ length: out.numel }, (_, k) =>
        level.pull([oneHot(out, k)], level.connected, [out]),
      );
      return level.given.map((x, i) =>
        join(
          rows.map((row) => row[i] as Tensor),
          0,
          out,
          x,
          x,
        ),
      );
    });
    return jacobianResult(level, blocks, options.hasAux ?? false);
  };
}

/**
 * The function that computes the Jacobian of `fn` column by column, by products with tangents. The better choice
 * where there are more outputs than inputs. Source: `torch.func.jacfwd`.
 * @param options as of {@link jacrev}.
 * @example
 * func.jacfwd((x) => x.square())(tensor([1, 2], { dtype: "float64" })).toArray(); // [[2, 0], [0, 4]]
 */
export function jacfwd<A extends unknown[], O, const N extends Argnums = 0>(
  fn: (...args: A) => O,
  options?: JacobianTransformOptions<N> & { hasAux?: false },
): (...args: A) => JacobianTree<O, Chosen<A, N>>;
export function jacfwd<A extends unknown[], O, X, const N extends Argnums = 0>(
  fn: (...args: A) => readonly [O, X],
  options: JacobianTransformOptions<N> & { hasAux: true },
): (...args: A) => [JacobianTree<O, Chosen<A, N>>, X];
export function jacfwd(fn: AnyFn, options: JacobianTransformOptions<Argnums> = {}): AnyFn {
  checkOptions("func.jacfwd", options, JACOBIAN_TRANSFORM_OPTIONS);
  return (...args) => {
    const level = new Level("func.jacfwd", fn, args, options.argnums ?? 0, options.hasAux ?? false);
    const push = level.push();
    const columns = level.given.map((x, i) =>
      Array.from({ length: x.numel }, (_, j) =>
        push(level.given.map((t, k) => (k === i ? oneHot(t, j) : zerosLike(t)))),
      ),
    );
    const blocks = level.outputs.map((out, o) =>
      level.given.map((x, i) =>
        join(
          (columns[i] as Tensor[][]).map((column) => column[o] as Tensor),
          out.ndim,
          out,
          x,
          out,
        ),
      ),
    );
    return jacobianResult(level, blocks, options.hasAux ?? false);
  };
}

function join(parts: readonly Tensor[], dim: number, out: Tensor, x: Tensor, like: Tensor): Tensor {
  const shape = [...out.shape, ...x.shape];
  if (parts.length > 0) return enableGrad(() => engineOps.reshape(engineOps.stack(parts, dim), shape));
  nextOp();
  return full(shape, 0, like.code);
}

function jacobianResult(level: Level, blocks: readonly (readonly Tensor[])[], hasAux: boolean): unknown {
  const trees = blocks.map((row) => withTensors(level.chosen, level.free(row)));
  const tree = withTensors(level.output, trees);
  return hasAux ? [tree, level.free(level.aux)] : tree;
}

const HESSIAN_OPTIONS: OptionNames<{ argnums?: Argnums }> = { argnums: 1 };

/**
 * The function that computes the Hessian of `fn`: for each pair of tensors of the chosen arguments a tensor of both
 * their shapes. Source: `torch.func.hessian`.
 * @example
 * func.hessian((x) => x.pow(3).sum())(tensor([1, 2], { dtype: "float64" })).toArray(); // [[6, 0], [0, 12]]
 */
export function hessian<A extends unknown[], const N extends Argnums = 0>(
  fn: (...args: A) => Tensor,
  options: { argnums?: N } = {},
): (...args: A) => JacobianTree<Chosen<A, N>, Chosen<A, N>> {
  checkOptions("func.hessian", options, HESSIAN_OPTIONS);
  const argnums = (options.argnums ?? 0) as Argnums;
  return jacfwd(jacrev(fn as AnyFn, { argnums }) as AnyFn, { argnums }) as (
    ...args: A
  ) => JacobianTree<Chosen<A, N>, Chosen<A, N>>;
}
