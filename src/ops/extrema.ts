/** Elementwise extrema of two operands. */
import { FLOAT32 } from "../tensor/dtype.js";
import { type KernelTable, kernelTable } from "../tensor/launch.js";
import type { Tensor } from "../tensor/tensor.js";
import { mul } from "./arithmetic.js";
import { eq, ge, gt, isnan, le, lt } from "./compare.js";
import { type Binary, type BinaryDerivative, binary } from "./core.js";
import { logicalOr } from "./logical.js";
import { where } from "./where.js";

/** Each side gets the gradient where it wins, half of it where both are equal, all of it beside a NaN. */
function winner(loses: Binary): BinaryDerivative {
  const share = (g: Tensor, own: Tensor, other: Tensor) =>
    where(loses(own, other), 0, where(eq(own, other), mul(g, 0.5), g));
  return {
    saves: true,
    backward: [(g, n) => share(g, n.input(0), n.input(1)), (g, n) => share(g, n.input(1), n.input(0))],
  };
}

/** Elementwise larger of two; NaN where either is NaN. Source: `torch.maximum`. */
export const maximum: Binary = binary("maximum", winner(lt));

/** Elementwise smaller of two; NaN where either is NaN. Source: `torch.minimum`. */
export const minimum: Binary = binary("minimum", winner(gt));

/** The first side gets the gradient where it wins, ties and a NaN on the other side included. */
function preferred(wins: Binary): BinaryDerivative {
  const first = (x: Tensor, other: Tensor) => logicalOr(wins(x, other), isnan(other));
  return {
    saves: true,
    backward: [
      (g, n) => where(first(n.input(0), n.input(1)), g, 0),
      (g, n) => where(first(n.input(0), n.input(1)), 0, g),
    ],
  };
}

/** Floats have a kernel that skips NaN; integers share that of `maximum` or `minimum`. */
function withIntegers(floats: string, integers: string): KernelTable {
  const [f, i] = [kernelTable(floats), kernelTable(integers)];
  const pick = <T>(a: readonly T[], b: readonly T[]) =>
    a.map((v, code) => (code < FLOAT32 ? (b[code] as T) : v));
  return { op: floats, fns: pick(f.fns, i.fns), names: pick(f.names, i.names) };
}

/** Elementwise larger of two, ignoring a NaN on one side. Source: `torch.fmax`. */
export const fmax: Binary = binary("fmax", preferred(ge), undefined, withIntegers("fmax", "maximum"));

/** Elementwise smaller of two, ignoring a NaN on one side. Source: `torch.fmin`. */
export const fmin: Binary = binary("fmin", preferred(le), undefined, withIntegers("fmin", "minimum"));
