/** Bessel functions of orders 0 and 1, their modified and scaled forms, and Airy's function. */
import { AutogradError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul, neg, sub } from "./arithmetic.js";
import { eq } from "./compare.js";
import { floatUnary, type Unary } from "./core.js";
import { reciprocal } from "./powers.js";
import { sign } from "./sign.js";
import { where } from "./where.js";

const COST = 60;

/** `value(x)` away from 0, the limit at 0. */
function limitAt0(x: Tensor, limit: number, value: (x: Tensor) => Tensor): Tensor {
  const zero = eq(x, 0);
  return where(zero, limit, value(where(zero, 1, x)));
}

/** Modified Bessel function of the first kind, order 0. Source: `torch.special.i0`. */
export const i0: Unary = floatUnary("i0", {
  saves: true,
  cost: COST,
  backward: (g, n) => mul(g, i1(n.input(0))), // I0' = I1
});

/** e^-|x| I0(x). Source: `torch.special.i0e`. */
export const i0e: Unary = floatUnary("i0e", {
  saves: true,
  savesOutput: true,
  cost: COST,
  backward: (g, n) => mul(g, sub(i1e(n.input(0)), mul(sign(n.input(0)), n.output()))),
});

/** Modified Bessel function of the first kind, order 1. Source: `torch.special.i1`. */
export const i1: Unary = floatUnary("i1", {
  saves: true,
  cost: COST,
  // I1' = I0 - I1/x, 1/2 at 0
  backward: (g, n) =>
    mul(
      g,
      limitAt0(n.input(0), 0.5, (x) => sub(i0(x), div(i1(x), x))),
    ),
});

/** e^-|x| I1(x). Source: `torch.special.i1e`. */
export const i1e: Unary = floatUnary("i1e", {
  saves: true,
  cost: COST,
  backward: (g, n) =>
    mul(
      g,
      limitAt0(n.input(0), 0.5, (x) => sub(i0e(x), mul(i1e(x), add(sign(x), reciprocal(x))))),
    ),
});

/** Bessel function of the first kind, order 0. Source: `torch.special.bessel_j0`. */
export const besselJ0: Unary = floatUnary("besselJ0", {
  saves: true,
  cost: COST,
  backward: (g, n) => neg(mul(g, besselJ1(n.input(0)))), // J0' = -J1
});

/** Bessel function of the first kind, order 1. Source: `torch.special.bessel_j1`. */
export const besselJ1: Unary = floatUnary("besselJ1", {
  saves: true,
  cost: COST,
  // J1' = J0 - J1/x, 1/2 at 0
  backward: (g, n) =>
    mul(
      g,
      limitAt0(n.input(0), 0.5, (x) => sub(besselJ0(x), div(besselJ1(x), x))),
    ),
});

/** Bessel function of the second kind, order 0. Source: `torch.special.bessel_y0`. */
export const besselY0: Unary = floatUnary("besselY0", {
  saves: true,
  cost: COST,
  backward: (g, n) => neg(mul(g, besselY1(n.input(0)))), // Y0' = -Y1
});

/** Bessel function of the second kind, order 1. Source: `torch.special.bessel_y1`. */
export const besselY1: Unary = floatUnary("besselY1", {
  saves: true,
  cost: COST,
  backward: (g, n) => mul(g, sub(besselY0(n.input(0)), div(besselY1(n.input(0)), n.input(0)))), // Y1' = Y0 - Y1/x
});

/** Same as {@link i0}. Source: `torch.special.modified_bessel_i0`. */
export const modifiedBesselI0: Unary = floatUnary("modifiedBesselI0", {
  saves: true,
  cost: COST,
  backward: (g, n) => mul(g, i1(n.input(0))),
});

/** Same as {@link i1}. Source: `torch.special.modified_bessel_i1`. */
export const modifiedBesselI1: Unary = floatUnary("modifiedBesselI1", {
  saves: true,
  cost: COST,
  backward: (g, n) =>
    mul(
      g,
      limitAt0(n.input(0), 0.5, (x) => sub(i0(x), div(i1(x), x))),
    ),
});

/** Modified Bessel function of the second kind, order 0. Source: `torch.special.modified_bessel_k0`. */
export const modifiedBesselK0: Unary = floatUnary("modifiedBesselK0", {
  saves: true,
  cost: COST,
  backward: (g, n) => neg(mul(g, modifiedBesselK1(n.input(0)))), // K0' = -K1
});

/** Modified Bessel function of the second kind, order 1. Source: `torch.special.modified_bessel_k1`. */
export const modifiedBesselK1: Unary = floatUnary("modifiedBesselK1", {
  saves: true,
  savesOutput: true,
  cost: COST,
  // K1' = -K0 - K1/x
  backward: (g, n) => neg(mul(g, add(modifiedBesselK0(n.input(0)), div(n.output(), n.input(0))))),
});

/** e^x K0(x). Source: `torch.special.scaled_modified_bessel_k0`. */
export const scaledModifiedBesselK0: Unary = floatUnary("scaledModifiedBesselK0", {
  saves: true,
  savesOutput: true,
  cost: COST,
  backward: (g, n) => mul(g, sub(n.output(), scaledModifiedBesselK1(n.input(0)))),
});

/** e^x K1(x). Source: `torch.special.scaled_modified_bessel_k1`. */
export const scaledModifiedBesselK1: Unary = floatUnary("scaledModifiedBesselK1", {
  saves: true,
  savesOutput: true,
  cost: COST,
  // K1e' = K1e - K0e - K1e/x
  backward: (g, n) => {
    const [x, y] = [n.input(0), n.output()];
    return mul(g, sub(sub(y, scaledModifiedBesselK0(x)), div(y, x)));
  },
});

function noSlope(op: string): () => never {
  return () => {
    throw new AutogradError(`[${op}] has no derivative; try detach() on its input`);
  };
}

/** Spherical Bessel function of the first kind, order 0: sin(x)/x. No derivative. Source: `torch.special.spherical_bessel_j0`. */
export const sphericalBesselJ0: Unary = floatUnary("sphericalBesselJ0", {
  cost: COST,
  backward: noSlope("sphericalBesselJ0"),
});

/** Airy function Ai. No derivative. Source: `torch.special.airy_ai`. */
export const airyAi: Unary = floatUnary("airyAi", { cost: COST, backward: noSlope("airyAi") });
