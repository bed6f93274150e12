/** The error function and the normal distribution function, their inverses and scaled forms. */
import type { Tensor } from "../tensor/tensor.js";
import { div, mul, neg, sub } from "./arithmetic.js";
import { floating, floatUnary, type Unary } from "./core.js";
import { exp } from "./exponential.js";
import { square } from "./powers.js";

/** e^(-x^2) */
const bell = (x: Tensor) => exp(neg(square(x)));
const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI);

/** Elementwise error function, 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x. Source: `torch.erf`. */
export const erf: Unary = floatUnary("erf", {
  saves: true,
  backward: (g, n) => mul(g, mul(bell(n.input(0)), TWO_OVER_ROOT_PI)), // d erf x = 2/sqrt(pi) e^(-x^2) dx
});

/** Elementwise 1 - erf(x), exact for large x too. Source: `torch.erfc`. */
export const erfc: Unary = floatUnary("erfc", {
  saves: true,
  cost: 12,
  backward: (g, n) => mul(g, mul(bell(n.input(0)), -TWO_OVER_ROOT_PI)), // d erfc x = -2/sqrt(pi) e^(-x^2) dx
});

/** Elementwise e^(x^2) erfc(x). Source: `torch.special.erfcx`. */
export const erfcx: Unary = floatUnary("erfcx", {
  saves: true,
  savesOutput: true,
  cost: 40,
  // d erfcx x = (2 x erfcx x - 2/sqrt(pi)) dx
  backward: (g, n) => mul(g, sub(mul(mul(n.input(0), 2), n.output()), TWO_OVER_ROOT_PI)),
});

/** Elementwise inverse of {@link erf}, on (-1, 1). Source: `torch.erfinv`. */
export const erfinv: Unary = floatUnary("erfinv", {
  savesOutput: true,
  cost: 40,
  // d erfinv x = sqrt(pi)/2 e^(y^2) dx
  backward: (g, n) => mul(g, mul(exp(square(n.output())), Math.sqrt(Math.PI) / 2)),
});

/** Elementwise distribution function of the standard normal. Source: `torch.special.ndtr`. */
export function ndtr(x: Tensor): Tensor {
  return mul(erfc(mul(floating(x), -Math.SQRT1_2)), 0.5);
}

/** Elementwise inverse of {@link ndtr}, on (0, 1). Source: `torch.special.ndtri`. */
export const ndtri: Unary = floatUnary("ndtri", {
  savesOutput: true,
  cost: 40,
  // d ndtri x = sqrt(2 pi) e^(y^2 / 2) dx
  backward: (g, n) => mul(g, mul(exp(mul(square(n.output()), 0.5)), Math.sqrt(2 * Math.PI))),
});

/** Elementwise ln(ndtr(x)), exact for very negative x too. Source: `torch.special.log_ndtr`. */
export const logNdtr: Unary = floatUnary("logNdtr", {
  saves: true,
  cost: 40,
  // d ln ndtr(x) = sqrt(2/pi) / erfcx(-x / sqrt 2) dx
  backward: (g, n) => mul(div(g, erfcx(mul(n.input(0), -Math.SQRT1_2))), Math.sqrt(2 / Math.PI)),
});
