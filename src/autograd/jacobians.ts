/** Transforms of functions to those that compute their Jacobians and Hessians. Source: `torch.func`. */
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { blocksByColumns, blocksByRows } from "./blocks.js";
import { type AnyFn, type Argnums, type Chosen, Level, type TransformOptions } from "./level.js";
import { withTensors } from "./tree.js";

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
    const blocks = blocksByRows(level.outputs, level.given, (u, o) =>
      level.pull([u], level.connected, [level.outputs[o] as Tensor]),
    );
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
    const blocks = blocksByColumns(level.outputs, level.given, level.push());
    return jacobianResult(level, blocks, options.hasAux ?? false);
  };
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
