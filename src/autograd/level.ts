/** What the transforms of functions stand on: a call of the function with some of its arguments as variables. */
import { AutogradError, ValueError } from "../tensor/errors.js";
import { detached } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { enableGrad, mode } from "./mode.js";
import { mapTensors, tensorsIn, withTensors } from "./tree.js";
import { flowsBeyond, gradsOf, variable, zerosLike } from "./variables.js";

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

/** A function of any arguments. */
// biome-ignore lint/suspicious/noExplicitAny: what any function may be assigned to
export type AnyFn = (...args: any[]) => unknown;

/** A function called with some of its arguments as variables. */
export class Level {
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
    const targets = u.filter((t) => t.requiresGrad);
    return (vectors) => {
      const given = vectors.filter((_, i) => pulled[i] !== null);
      const create = this.outward || (this.recorded && wantsGraph(given));
      const found = targets.length === 0 ? [] : enableGrad(() => gradsOf(pulled, targets, vectors, create));
      return u.map((t) => (t.requiresGrad ? found[targets.indexOf(t)] : null) ?? zerosLike(t));
    };
  }
}

/** Whether a derivative with these vectors is itself to be recorded. */
export function wantsGraph(tensors: readonly (Tensor | null)[]): boolean {
  return mode.grad && tensors.some((t) => t?.requiresGrad === true);
}
