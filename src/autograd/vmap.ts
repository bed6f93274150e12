/**
 * vmap: a function of single examples as a function of batches. It calls the function once for each example and
 * stacks what comes out: the meaning of `torch.func.vmap`, at the cost of a loop. Write hot paths in batched ops.
 */

import { AutogradError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { getRngState, setRngState } from "../tensor/generator.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { toTyped } from "../tensor/raw.js";
import { wrapDim } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { engineOps } from "./engineOps.js";
import { mapTensors, tensorsIn, withTensors } from "./tree.js";

/** Which dimension of an argument is the batch: a number, null for none, or a tree of them like the argument. */
export type InDims = number | null | readonly InDims[] | { readonly [key: string]: InDims };

/** Options of {@link vmap}. */
export interface VmapOptions {
  /** The batch dimension of all arguments (default 0), or of each: an array with one entry for each argument. */
  inDims?: number | readonly InDims[];
  /** Where the batch dimension of the outputs goes (default 0): for all, or one for each tensor of the output. */
  outDims?: number | readonly number[];
  /** What random draws in the function do: throw (default), or draw the "same" or "different" numbers. */
  randomness?: "error" | "same" | "different";
  /** Taken for the sake of ported code; the result is the same. */
  chunkSize?: number | null;
}

const VMAP_OPTIONS: OptionNames<VmapOptions> = { inDims: 1, outDims: 1, randomness: 1, chunkSize: 1 };

/** Pairs each tensor of an argument with its batch dimension. */
function place(arg: unknown, dims: InDims, into: (number | null)[], path: string): void {
  if (dims === null || typeof dims === "number") {
    mapTensors(arg, (t) => {
      into.push(dims === null ? null : wrapDim("vmap", dims, t.ndim));
      return t;
    });
    if (typeof dims === "number" && dims !== 0 && tensorsIn(arg).length === 0) {
      throw new ValueError(`[vmap] ${path} has batch dimension ${dims} but no tensor; try null`);
    }
    return;
  }
  if (arg instanceof Tensor || typeof arg !== "object" || arg === null) {
    throw new ValueError(`[vmap] inDims of ${path} is a list, but the argument is not; try one number`);
  }
  for (const [key, value] of Object.entries(arg)) {
    const at = (dims as Record<string, InDims>)[key];
    if (at === undefined) throw new ValueError(`[vmap] inDims lacks an entry for ${path}.${key}`);
    place(value, at, into, `${path}.${key}`);
  }
}

function batchDims(args: readonly unknown[], inDims: number | readonly InDims[]): (number | null)[] {
  if (typeof inDims !== "number" && inDims.length !== args.length) {
    throw new ValueError(
      `[vmap] inDims has ${inDims.length} entries, expected ${args.length}, one for each argument`,
    );
  }
  const found: (number | null)[] = [];
  args.forEach((arg, i) => {
    place(arg, typeof inDims === "number" ? inDims : (inDims[i] as InDims), found, `argument ${i}`);
  });
  return found;
}

function batchSize(tensors: readonly Tensor[], dims: readonly (number | null)[]): number {
  const sizes = tensors.flatMap((t, i) => {
    const d = dims[i] ?? null;
    return d === null ? [] : [t.shape[d] as number];
  });
  const [size] = sizes;
  if (size === undefined) throw new ValueError("[vmap] no argument has a batch dimension; try inDims: 0");
  if (sizes.some((n) => n !== size)) {
    const shapes = tensors.map((t, i) => `${show(t.shape)} along ${dims[i]}`).join(", ");
    throw new ShapeError(`[vmap] the batch dimensions differ in size: got ${shapes}`);
  }
  if (size === 0)
    throw new ShapeError(
      "[vmap] the batch is empty, so the shape of the output is unknown; expected one example or more",
    );
  return size;
}

/** The generator's state, to see whether a call drew from it. */
function stateOf(): string {
  return String(toTyped(getRngState()));
}

/**
 * The function on batches: `fn` sees each argument without its batch dimension and is called once for each example;
 * the tensors that it returns (an array or plain object of them is fine) are stacked. Gradients flow through, and
 * transforms nest both ways. Source: `torch.func.vmap`.
 * @example
 * const dots = func.vmap((a, b) => a.mul(b).sum());
 * dots(tensor([[1, 2], [3, 4]]), tensor([[1, 1], [2, 2]])).toArray(); // [3, 14]
 * func.vmap((a, b) => a.add(b), { inDims: [0, null] })(tensor([1, 2]), tensor([10, 20])).toArray(); // [[11, 21], [12, 22]]
 * @throws ValueError when no argument has a batch dimension, or `fn` draws random numbers unless `randomness` says how.
 * @throws ShapeError when the batch dimensions differ in size or are empty.
 */
export function vmap<A extends unknown[], O>(
  fn: (...args: A) => O,
  options: VmapOptions = {},
): (...args: A) => O {
  checkOptions("vmap", options, VMAP_OPTIONS);
  const { inDims = 0, outDims = 0, randomness = "error" } = options;
  return (...args) => {
    const tensors = tensorsIn(args);
    const dims = batchDims(args, inDims);
    const size = batchSize(tensors, dims);
    const state = randomness === "different" ? null : getRngState();
    const outs: O[] = [];
    for (let b = 0; b < size; b++) {
      if (randomness === "same" && state !== null) setRngState(state);
      const parts = tensors.map((t, i) => {
        const d = dims[i] ?? null;
        return d === null ? t : engineOps.select(t, d, b);
      });
      outs.push(fn(...withTensors(args, parts)));
    }
    if (randomness === "error" && state !== null && String(toTyped(state)) !== stateOf()) {
      throw new ValueError(
        '[vmap] the function drew random numbers; say how with { randomness: "different" } or "same"',
      );
    }
    return stacked(outs, outDims);
  };
}

function stacked<O>(outs: readonly O[], outDims: number | readonly number[]): O {
  const lists = outs.map((out) => tensorsIn(out));
  const [first] = lists as [Tensor[]];
  if (first.length === 0) throw new AutogradError("[vmap] the function returned no tensor");
  if (typeof outDims !== "number" && outDims.length !== first.length) {
    throw new ValueError(
      `[vmap] outDims has ${outDims.length} entries, expected ${first.length}, one for each tensor of the output`,
    );
  }
  const whole = first.map((_, i) =>
    engineOps.stack(
      lists.map((list) => list[i] as Tensor),
      typeof outDims === "number" ? outDims : (outDims[i] as number),
    ),
  );
  return withTensors(outs[0] as O, whole);
}
