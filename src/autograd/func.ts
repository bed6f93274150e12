/**
 * Transforms of functions: each takes a function and gives one that computes its derivative. They nest, work on trees
 * of tensors (arrays and plain objects), and leave `grad` fields alone. Source: `torch.func`.
 */

import { AutogradError, ShapeError, show } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { type AnyFn, type Argnums, type Chosen, Level, type TransformOptions, wantsGraph } from "./level.js";
import { tensorsIn, withTensors } from "./tree.js";

/** Options of {@link grad} and its kin for a function that returns `[output, aux]`. */
export interface AuxOptions<N extends Argnums> extends TransformOptions<N> {
  hasAux: true;
}

/** Options of {@link grad} and its kin for a function that returns its output alone. */
export interface PlainOptions<N extends Argnums> extends TransformOptions<N> {
  hasAux?: false;
}

const TRANSFORM_OPTIONS: OptionNames<TransformOptions<Argnums>> = { argnums: 1, hasAux: 1 };

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
 * `hasAux` aux comes third. What `fn` computes in noGrad is constant, as it is for `grad`. Source: `torch.func.jvp`.
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
