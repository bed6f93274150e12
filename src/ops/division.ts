/** Division with a rounding mode, remainders and the rest of number theory on quotients. */

import { defineOp, run } from "../autograd/op.js";
import { zerosLike } from "../tensor/create.js";
import { type DTypeCode, isFloat } from "../tensor/dtype.js";
import { ValueError, ZeroDivisionError } from "../tensor/errors.js";
import { kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { toTyped } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import { mul, neg, trueDivide } from "./arithmetic.js";
import { type Binary, mapBinary, notBool, type Operand, operand, promote } from "./core.js";

/** PyTorch raises for integers what floats answer with NaN or infinity. */
function checkDivisor(op: string, code: DTypeCode, x: Operand, other: Operand): void {
  if (isFloat(code) || (x instanceof Tensor && x.numel === 0)) return;
  const zero =
    other instanceof Tensor
      ? (toTyped(other) as Uint8Array).some((v) => Number(v) === 0)
      : Number(other) === 0;
  if (zero) throw new ZeroDivisionError(`[${op}] integers cannot be divided by zero; try x.to("float32")`);
}

interface Quotient {
  /** Derivative by the second operand, before the factor g; null for zero in both. */
  readonly slope: ((x: Tensor, other: Tensor) => Tensor) | null;
}

function quotient(name: string, kernel: string, { slope }: Quotient): Binary {
  const table = kernelTable(kernel);
  const op = defineOp<DTypeCode>({
    name: name.charAt(0).toUpperCase() + name.slice(1),
    saves: slope !== null,
    forward: ([a, b], code) => mapBinary(table, name, a as Tensor, b as Tensor, code, code, 8),
    backward: (g, n) => {
      if (slope === null) return [zerosLike(g), zerosLike(g)];
      return [g, n.needs(1) ? mul(g, slope(n.input(0), n.input(1))) : null];
    },
  });
  return (x, other) => {
    const code = notBool(name, '.to("uint8")')(promote(x, other));
    checkDivisor(name, code, x, other);
    return run(op, [operand(x, code), operand(other, code)], code);
  };
}

/**
 * Quotient rounded down; integers stay integers. The gradient is zero. Source: `torch.floor_divide`.
 * @throws ZeroDivisionError for integers divided by 0.
 */
export const floorDivide: Binary = quotient("floorDivide", "floorDivide", { slope: null });

const truncDivide = quotient("div", "truncDivide", { slope: null });

/**
 * Remainder with the sign of the divisor, as Python's `%`. Source: `torch.remainder`.
 * @throws ZeroDivisionError for integers divided by 0.
 * @example
 * remainder(tensor([-3, 3]), 2).toArray(); // [1, 1]
 */
export const remainder: Binary = quotient("remainder", "remainder", {
  slope: (x, other) => neg(floorDivide(x, other)), // d(x - b floor(x / b)) = dx - floor(x / b) db
});

/**
 * Remainder with the sign of the dividend, as C's fmod. Source: `torch.fmod`.
 * @throws ZeroDivisionError for integers divided by 0.
 */
export const fmod: Binary = quotient("fmod", "fmod", {
  slope: (x, other) => neg(truncDivide(x, other)), // d(x - b trunc(x / b)) = dx - trunc(x / b) db
});

/** Options of {@link div}. */
export interface DivOptions {
  /** `"floor"` rounds down and `"trunc"` towards zero (integers stay integers); null divides truly (default). */
  roundingMode?: "floor" | "trunc" | null;
}

/** @internal */
export const DIV_OPTIONS: OptionNames<DivOptions> = { roundingMode: 1 };

/**
 * Elementwise `x / other` with broadcasting; integers give floats unless rounded. Source: `torch.div`.
 * @example
 * div(tensor([7, -7]), 2, { roundingMode: "floor" }).toArray(); // [3, -4]
 */
export function div(x: Operand, other: Operand, options: DivOptions = {}): Tensor {
  checkOptions("div", options, DIV_OPTIONS);
  const mode = options.roundingMode ?? null;
  if (mode === null) return trueDivide(x, other);
  if (mode === "floor") return floorDivide(x, other);
  if (mode === "trunc") return truncDivide(x, other);
  throw new ValueError(`[div] unknown roundingMode ${String(mode)}: expected "floor", "trunc" or null`);
}

/** Same as {@link div}. Source: `torch.divide`. */
export const divide: typeof div = div;
