/** Combining vectors into grids, products and choices. */

import { INT64 } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { empty, fromTyped } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { indexSelect } from "./gather.js";
import { stack } from "./join.js";
import { expand, flatten, reshape, view } from "./view.js";

/** Options of {@link meshgrid}. */
export interface MeshgridOptions {
  /** `"ij"` (the default): dimensions in the order of the vectors; `"xy"`: the first two exchanged. */
  indexing?: "ij" | "xy";
}

const MESHGRID_OPTIONS: OptionNames<MeshgridOptions> = { indexing: 1 };

/**
 * Grids of coordinates: for vectors of sizes a, b, c, ... as many tensors of shape [a, b, c, ...], each with the values
 * of its vector along its own dimension. Source: `torch.meshgrid`.
 * @example
 * meshgrid([tensor([1, 2]), tensor([3, 4, 5])])[0].toArray(); // [[1, 1, 1], [2, 2, 2]]
 * @throws ShapeError for a tensor of more than one dimension.
 */
export function meshgrid(tensors: readonly Tensor[], options: MeshgridOptions = {}): Tensor[] {
  checkOptions("meshgrid", options, MESHGRID_OPTIONS);
  const indexing = options.indexing ?? "ij";
  if (indexing !== "ij" && indexing !== "xy")
    throw new ValueError(`[meshgrid] indexing must be "ij" or "xy", got ${String(indexing)}`);
  const first = tensors[0];
  if (first === undefined) throw new ShapeError("[meshgrid] expected at least one tensor, got none");
  for (const t of tensors) {
    if (t.shape.length > 1)
      throw new ShapeError(`[meshgrid] expected vectors, got shape ${show(t.shape)}; try flatten()`);
    if (t.code !== first.code)
      throw new DTypeError(`[meshgrid] expected tensors of one dtype, got ${first.dtype} and ${t.dtype}`);
  }
  if (indexing === "xy" && tensors.length > 1) {
    const [x, y, ...rest] = tensors as [Tensor, Tensor, ...Tensor[]];
    const [gy, gx, ...others] = meshgrid([y, x, ...rest]) as [Tensor, Tensor, ...Tensor[]];
    return [gx, gy, ...others];
  }
  const shape = tensors.map((t) => t.numel);
  return tensors.map((t, d) =>
    expand(
      view(
        t,
        shape.map((n, k) => (k === d ? n : 1)),
      ),
      shape,
    ),
  );
}

/**
 * All tuples with one element of each vector, as rows; a single vector stays as it is. Source: `torch.cartesian_prod`.
 * @example
 * cartesianProd([tensor([1, 2]), tensor([3, 4])]).toArray(); // [[1, 3], [1, 4], [2, 3], [2, 4]]
 */
export function cartesianProd(tensors: readonly Tensor[]): Tensor {
  for (const t of tensors) {
    if (t.shape.length !== 1)
      throw new ShapeError(`[cartesianProd] expected vectors, got shape ${show(t.shape)}; try flatten()`);
  }
  if (tensors.length === 1) return tensors[0] as Tensor;
  return stack(
    meshgrid(tensors).map((t) => flatten(t)),
    1,
  );
}

/** Options of {@link combinations}. */
export interface CombinationsOptions {
  /** Elements of a choice (default 2). */
  r?: number;
  /** Whether an element may be chosen again (default false). */
  withReplacement?: boolean;
}

const COMBINATIONS_OPTIONS: OptionNames<CombinationsOptions> = { r: 1, withReplacement: 1 };

/** Positions, r for each choice out of n, in lexicographic order. */
function choices(n: number, r: number, withReplacement: boolean): bigint[] {
  const out: bigint[] = [];
  const chosen: number[] = [];
  const choose = (from: number): void => {
    if (chosen.length === r) {
      for (const i of chosen) out.push(BigInt(i));
      return;
    }
    for (let i = from; i < n; i++) {
      chosen.push(i);
      choose(withReplacement ? i : i + 1);
      chosen.pop();
    }
  };
  choose(0);
  return out;
}

/**
 * All choices of `r` elements of a vector, as rows [choices, r]. Source: `torch.combinations`.
 * @example
 * combinations(tensor([1, 2, 3])).toArray(); // [[1, 2], [1, 3], [2, 3]]
 */
export function combinations(x: Tensor, options: number | CombinationsOptions = {}): Tensor {
  checkNames("combinations", options, COMBINATIONS_OPTIONS);
  const { r = 2, withReplacement = false }: CombinationsOptions =
    typeof options === "number" ? { r: options } : options;
  if (x.shape.length !== 1)
    throw new ShapeError(`[combinations] expected a vector, got shape ${show(x.shape)}; try flatten()`);
  if (!Number.isInteger(r) || r < 0)
    throw new ValueError(`[combinations] r must be a whole number >= 0, got ${r}`);
  nextOp();
  if (r === 0) return empty([0], x.code);
  const at = choices(x.numel, r, withReplacement);
  return reshape(indexSelect(x, 0, fromTyped(BigInt64Array.from(at), [at.length], INT64)), [
    at.length / r,
    r,
  ]);
}
