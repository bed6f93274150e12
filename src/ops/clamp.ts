/** Limits on values: clamp and its one-sided forms, nanToNum. */

import { defineOp, type Op, run } from "../autograd/op.js";
import { BOOL, type DTypeCode, FLOAT32, isFloat } from "../tensor/dtype.js";
import { ValueError } from "../tensor/errors.js";
import { release } from "../tensor/heap.js";
import { kernelTable } from "../tensor/launch.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { Tensor } from "../tensor/tensor.js";
import { cast, clone } from "./cast.js";
import { ge, gt, isfinite, le, lt } from "./compare.js";
import { mapBinary, mapFlat, mapUnary, needTensor, type Operand, operand, promote } from "./core.js";
import { logicalAnd, logicalOr } from "./logical.js";
import { where } from "./where.js";

const MAX = kernelTable("maximum");
const MIN = kernelTable("minimum");

interface Bounds {
  readonly code: DTypeCode;
  /** Positions of the bounds among the inputs, 0 for none. */
  readonly min: number;
  readonly max: number;
}

const clampOp = defineOp<Bounds>({
  name: "Clamp",
  saves: true,
  forward: (x, { code, min, max }) => {
    const input = x[0] as Tensor;
    if (min === 0) return mapBinary(MIN, "clamp", input, x[max] as Tensor, code);
    const raised = mapBinary(MAX, "clamp", input, x[min] as Tensor, code);
    if (max === 0) return raised;
    const out = mapBinary(MIN, "clamp", raised, x[max] as Tensor, code);
    release(raised.storage);
    return out;
  },
  backward: (g, n) => {
    const { min, max } = n.attrs;
    const x = n.input(0);
    const lo = min === 0 ? null : n.input(min);
    const hi = max === 0 ? null : n.input(max);
    const grads: (Tensor | null)[] = [];
    // x gets the gradient inside, bounds included; the bound that is the result gets it outside.
    if (n.needs(0)) {
      const above = lo === null ? null : ge(x, lo);
      const below = hi === null ? null : le(x, hi);
      const inside = above === null ? below : below === null ? above : logicalAnd(above, below);
      grads[0] = where(inside as Tensor, g, 0);
    }
    if (lo !== null && n.needs(min)) {
      const taken = lt(x, lo);
      grads[min] = where(hi === null ? taken : logicalAnd(taken, lt(lo, hi)), g, 0);
    }
    if (hi !== null && n.needs(max)) {
      const taken = gt(x, hi);
      grads[max] = where(lo === null ? taken : logicalOr(taken, gt(lo, hi)), g, 0);
    }
    return grads;
  },
});

const CLAMP = kernelTable("clamp");
const CLAMP_BACKWARD = kernelTable("clampBackward");

/** [lower, upper] */
type Limits = readonly [number, number];

const clampNumbersOp = defineOp<Limits>({
  name: "Clamp",
  saves: true,
  forward: ([x], [min, max]) => mapUnary(CLAMP, x as Tensor, 1, (x as Tensor).code, min, max),
  backward: (g, n) => [run(insideOp, [g, n.input(0)], n.attrs)],
});

/** g where x lies inside the limits, bounds included, else 0. */
const insideOp: Op<Limits> = defineOp<Limits>({
  name: "ClampBackward",
  saves: [1],
  forward: ([g, x], [min, max]) =>
    mapFlat(CLAMP_BACKWARD, [g as Tensor, x as Tensor], (g as Tensor).shape, (g as Tensor).code, 1, min, max),
  backward: (g, n) => [run(insideOp, [g, n.input(1)], n.attrs), null],
});

/** Bounds of {@link clamp}: numbers or tensors that broadcast; at least one. */
export interface ClampOptions {
  /** Lower bound: a number, a tensor, or null for none. */
  min?: Operand | null;
  /** Upper bound: a number, a tensor, or null for none. */
  max?: Operand | null;
}

const CLAMP_OPTIONS: OptionNames<ClampOptions> = { min: 1, max: 1 };

function isOptions(v: Operand | ClampOptions | null | undefined): v is ClampOptions {
  return typeof v === "object" && v !== null && !(v instanceof Tensor);
}

/**
 * Elementwise `min(max(x, min), max)`; where the bounds cross, the upper one wins. The gradient of x is 1 inside and
 * at the bounds. Source: `torch.clamp`.
 * @throws ValueError when both bounds are missing.
 * @example
 * clamp(tensor([-1, 0.5, 2]), { min: 0, max: 1 }).toArray(); // [0, 0.5, 1]
 */
export function clamp(x: Tensor, min?: Operand | ClampOptions | null, max?: Operand | null): Tensor {
  needTensor("clamp", x);
  checkNames("clamp", min, CLAMP_OPTIONS);
  const bounds = isOptions(min) ? min : { min, max };
  const lo = bounds.min ?? null;
  const hi = bounds.max ?? null;
  if (lo === null && hi === null)
    throw new ValueError("[clamp] expected a min or a max, got neither; try { min: 0 }");
  const code = promote(x, lo ?? (hi as Operand), hi ?? undefined);
  if (code !== BOOL && typeof (lo ?? 0) === "number" && typeof (hi ?? 0) === "number") {
    return run(
      clampNumbersOp,
      [cast(x, code)],
      [
        lo === null ? Number.NEGATIVE_INFINITY : Number(lo),
        hi === null ? Number.POSITIVE_INFINITY : Number(hi),
      ],
    );
  }
  const inputs = [x];
  if (lo !== null) inputs.push(operand(lo, code));
  if (hi !== null) inputs.push(operand(hi, code));
  return run(clampOp, inputs, { code, min: lo === null ? 0 : 1, max: hi === null ? 0 : inputs.length - 1 });
}

/** Same as {@link clamp}. Source: `torch.clip`. */
export const clip: typeof clamp = clamp;

/** Elementwise larger of `x` and `min`. Source: `torch.clamp_min`. */
export function clampMin(x: Tensor, min: Operand): Tensor {
  return clamp(x, { min });
}

/** Elementwise smaller of `x` and `max`. Source: `torch.clamp_max`. */
export function clampMax(x: Tensor, max: Operand): Tensor {
  return clamp(x, { max });
}

/** Options of {@link nanToNum}. */
export interface NanToNumOptions {
  /** In place of NaN (default 0). */
  nan?: number | null;
  /** In place of infinity (default the largest finite value of the dtype). */
  posinf?: number | null;
  /** In place of minus infinity (default the smallest finite value of the dtype). */
  neginf?: number | null;
}

const NAN_TO_NUM_OPTIONS: OptionNames<NanToNumOptions> = { nan: 1, posinf: 1, neginf: 1 };

const LARGEST_FLOAT32 = 3.4028234663852886e38;
const NAN_TO_NUM = kernelTable("nanToNum");

const nanToNumOp = defineOp<readonly [number, number, number]>({
  name: "NanToNum",
  saves: true,
  forward: ([x], replacements) => mapUnary(NAN_TO_NUM, x as Tensor, 1, (x as Tensor).code, ...replacements),
  backward: (g, n) => [where(isfinite(n.input(0)), g, 0)], // what was replaced is constant
});

/**
 * `x` with NaN and infinities replaced by finite numbers; no gradient flows to what was replaced.
 * Source: `torch.nan_to_num`.
 */
export function nanToNum(
  x: Tensor,
  nan?: number | NanToNumOptions | null,
  options?: NanToNumOptions,
): Tensor {
  checkNames("nanToNum", nan, NAN_TO_NUM_OPTIONS);
  checkOptions("nanToNum", options, NAN_TO_NUM_OPTIONS);
  const o = typeof nan === "object" && nan !== null ? nan : { nan: nan ?? null, ...options };
  if (!isFloat(x.code)) return clone(x);
  const largest = x.code === FLOAT32 ? LARGEST_FLOAT32 : Number.MAX_VALUE;
  return run(nanToNumOp, [x], [o.nan ?? 0, o.posinf ?? largest, o.neginf ?? -largest]);
}
