/** Signs and magnitudes. */
import { defineOp, run } from "../autograd/op.js";
import { zerosLike } from "../tensor/create.js";
import { BOOL, UINT8 } from "../tensor/dtype.js";
import { DTypeError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { kernelTable } from "../tensor/launch.js";
import { full } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { mul } from "./arithmetic.js";
import { clone } from "./cast.js";
import { eq, isnan, lt } from "./compare.js";
import { type Binary, binary, floatCode, floating, mapUnary, notBool, operand, type Unary } from "./core.js";
import { noDerivative } from "./floatParts.js";
import { where } from "./where.js";

const ABS = kernelTable("abs");
const SIGN = kernelTable("sign");
const SIGNBIT = kernelTable("signbit");

const absOp = defineOp({
  name: "Abs",
  saves: true,
  forward: ([x]) => mapUnary(ABS, x as Tensor),
  backward: (g, n) => [mul(g, sign(n.input(0)))], // d|x| = sign x dx, 0 at 0
});

/** Elementwise absolute value. Source: `torch.abs`. Not defined for booleans. */
export function abs(x: Tensor): Tensor {
  return notBool("abs", '.to("uint8")')(x.code) === UINT8 ? clone(x) : run(absOp, [x], null);
}

/** Same as {@link abs}. Source: `torch.absolute`. */
export const absolute: Unary = abs;

const signOp = defineOp({
  name: "Sign",
  forward: ([x]) => mapUnary(SIGN, x as Tensor),
  backward: (g) => [zerosLike(g)],
});

/** -1, 0 or 1 by the sign; the gradient is zero. Source: `torch.sign`. */
export function sign(x: Tensor): Tensor {
  return run(signOp, [x], null);
}

/** Same as {@link sign}, as there are no complex dtypes. Source: `torch.sgn`. */
export const sgn: Unary = sign;

/** Whether the sign bit is set: also for -0. Source: `torch.signbit`. */
export function signbit(x: Tensor): Tensor {
  nextOp();
  return x.code <= UINT8 ? full(x.shape, false, BOOL) : mapUnary(SIGNBIT, x, 1, BOOL);
}

/** The tensor itself, as there are no complex dtypes. Source: `torch.real`. */
export function real(x: Tensor): Tensor {
  return x;
}

/** 0 for x >= 0, pi for x < 0, NaN for NaN; the gradient is zero. Source: `torch.angle`. */
export function angle(x: Tensor): Tensor {
  const y = floating(x);
  return where(isnan(y), mul(y, 0), where(lt(y, 0), operand(Math.PI, y.code), operand(0, y.code)));
}

/** The magnitude of `x` with the sign of `other`, zeros included. Source: `torch.copysign`. */
export const copysign: Binary = binary(
  "copysign",
  {
    saves: [0],
    savesOutput: true,
    backward: [
      // d = (result / x) dx, 0 at x = 0
      (g, n) => mul(g, where(eq(n.input(0), 0), 0, mul(sign(n.output()), sign(n.input(0))))),
      (g) => zerosLike(g),
    ],
  },
  floatCode,
);

const heavisideOf: Binary = binary("heaviside", noDerivative("heaviside"));

/**
 * 0 for x < 0, `values` for x = 0, 1 for x > 0. Both need the same dtype; there is no derivative.
 * Source: `torch.heaviside`.
 */
export function heaviside(x: Tensor, values: Tensor): Tensor {
  if (x.code !== values.code) {
    throw new DTypeError(
      `[heaviside] got ${x.dtype} and ${values.dtype}, expected the same dtype; try values.to(x.dtype)`,
    );
  }
  return heavisideOf(x, values);
}
