/** Rounding to whole numbers or decimals; the gradient is zero (that of frac is one). */

import { defineOp, run } from "../autograd/op.js";
import { zerosLike } from "../tensor/create.js";
import { isFloat } from "../tensor/dtype.js";
import { kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { checkWhole } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { clone } from "./cast.js";
import { floatOnly, mapUnary, notBool, type Unary } from "./core.js";

function rounding(name: string): Unary {
  const table = kernelTable(name);
  const op = defineOp({
    name: name.charAt(0).toUpperCase() + name.slice(1),
    forward: ([x]) => mapUnary(table, x as Tensor),
    backward: (g) => [zerosLike(g)],
  });
  return (x) => (isFloat(notBool(name, '.to("uint8")')(x.code)) ? run(op, [x], null) : clone(x));
}

/** Smallest whole number not below x. Source: `torch.ceil`. */
export const ceil: Unary = rounding("ceil");
/** Largest whole number not above x. Source: `torch.floor`. */
export const floor: Unary = rounding("floor");
/** The whole part, towards zero. Source: `torch.trunc`. */
export const trunc: Unary = rounding("trunc");
/** Same as {@link trunc}. Source: `torch.fix`. */
export const fix: Unary = trunc;

const nearest = rounding("round");
const ROUND_DECIMALS = kernelTable("roundDecimals");

const roundDecimalsOp = defineOp<number>({
  name: "Round",
  forward: ([x], decimals) => mapUnary(ROUND_DECIMALS, x as Tensor, 1, (x as Tensor).code, decimals),
  backward: (g) => [zerosLike(g)],
});

/** Options of {@link round}. */
export interface RoundOptions {
  /** Digits kept after the point; negative ones round to tens, hundreds, ... (default 0). */
  decimals?: number;
}

const ROUND_OPTIONS: OptionNames<RoundOptions> = { decimals: 1 };

/**
 * Nearest whole number (or decimal), halves to the even one. Source: `torch.round`.
 * @example
 * round(tensor([0.5, 1.5, 2.5])).toArray(); // [0, 2, 2]
 */
export function round(x: Tensor, options: RoundOptions = {}): Tensor {
  checkOptions("round", options, ROUND_OPTIONS);
  const decimals = options.decimals ?? 0;
  checkWhole("round", "decimals", decimals);
  if (decimals === 0) return nearest(x);
  floatOnly("round")(x.code);
  return run(roundDecimalsOp, [x], decimals);
}

const FRAC = kernelTable("frac");

const fracOp = defineOp({
  name: "Frac",
  forward: ([x]) => mapUnary(FRAC, x as Tensor),
  backward: (g) => [g], // d(x - trunc x) = dx
});

/** The part after the point, with the sign of x. Floating dtypes only. Source: `torch.frac`. */
export function frac(x: Tensor): Tensor {
  floatOnly("frac")(x.code);
  return run(fracOp, [x], null);
}
