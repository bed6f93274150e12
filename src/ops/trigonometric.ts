/** Trigonometric and hyperbolic functions and their inverses. */
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul, neg, sub } from "./arithmetic.js";
import { type Binary, binary, floatCode, floatUnary, type Unary } from "./core.js";
import { reciprocal, rsqrt, square } from "./powers.js";

/** Elementwise sine. Source: `torch.sin`. */
export const sin: Unary = floatUnary("sin", {
  saves: true,
  cost: 12,
  backward: (g, n) => mul(g, cos(n.input(0))), // d sin x = cos x dx
});

/** Elementwise cosine. Source: `torch.cos`. */
export const cos: Unary = floatUnary("cos", {
  saves: true,
  cost: 12,
  backward: (g, n) => neg(mul(g, sin(n.input(0)))), // d cos x = -sin x dx
});

/** Elementwise tangent. Source: `torch.tan`. */
export const tan: Unary = floatUnary("tan", {
  savesOutput: true,
  cost: 16,
  backward: (g, n) => mul(g, add(square(n.output()), 1)), // d tan x = (1 + tan^2 x) dx
});

/** Elementwise inverse sine. Source: `torch.asin`. */
export const asin: Unary = floatUnary("asin", {
  saves: true,
  cost: 12,
  backward: (g, n) => mul(g, rsqrt(sub(1, square(n.input(0))))), // d asin x = dx / sqrt(1 - x^2)
});

/** Elementwise inverse cosine. Source: `torch.acos`. */
export const acos: Unary = floatUnary("acos", {
  saves: true,
  cost: 12,
  backward: (g, n) => neg(mul(g, rsqrt(sub(1, square(n.input(0)))))), // d acos x = -dx / sqrt(1 - x^2)
});

/** Elementwise inverse tangent. Source: `torch.atan`. */
export const atan: Unary = floatUnary("atan", {
  saves: true,
  cost: 12,
  backward: (g, n) => div(g, add(square(n.input(0)), 1)), // d atan x = dx / (1 + x^2)
});

/** Elementwise hyperbolic sine. Source: `torch.sinh`. */
export const sinh: Unary = floatUnary("sinh", {
  saves: true,
  backward: (g, n) => mul(g, cosh(n.input(0))), // d sinh x = cosh x dx
});

/** Elementwise hyperbolic cosine. Source: `torch.cosh`. */
export const cosh: Unary = floatUnary("cosh", {
  saves: true,
  backward: (g, n) => mul(g, sinh(n.input(0))), // d cosh x = sinh x dx
});

/** Elementwise inverse hyperbolic sine. Source: `torch.asinh`. */
export const asinh: Unary = floatUnary("asinh", {
  saves: true,
  cost: 12,
  backward: (g, n) => mul(g, rsqrt(add(square(n.input(0)), 1))), // d asinh x = dx / sqrt(x^2 + 1)
});

/** Elementwise inverse hyperbolic cosine. Source: `torch.acosh`. */
export const acosh: Unary = floatUnary("acosh", {
  saves: true,
  cost: 12,
  backward: (g, n) => mul(g, rsqrt(sub(square(n.input(0)), 1))), // d acosh x = dx / sqrt(x^2 - 1)
});

/** Elementwise inverse hyperbolic tangent. Source: `torch.atanh`. */
export const atanh: Unary = floatUnary("atanh", {
  saves: true,
  cost: 12,
  backward: (g, n) => div(g, sub(1, square(n.input(0)))), // d atanh x = dx / (1 - x^2)
});

/** Same as {@link asin}. Source: `torch.arcsin`. */
export const arcsin: Unary = asin;
/** Same as {@link acos}. Source: `torch.arccos`. */
export const arccos: Unary = acos;
/** Same as {@link atan}. Source: `torch.arctan`. */
export const arctan: Unary = atan;
/** Same as {@link asinh}. Source: `torch.arcsinh`. */
export const arcsinh: Unary = asinh;
/** Same as {@link acosh}. Source: `torch.arccosh`. */
export const arccosh: Unary = acosh;
/** Same as {@link atanh}. Source: `torch.arctanh`. */
export const arctanh: Unary = atanh;

/** The angle of the point (other, x), from -pi to pi. Source: `torch.atan2`. */
export const atan2: Binary = binary(
  "atan2",
  {
    saves: true,
    cost: 16,
    // d atan2(y, x) = (x dy - y dx) / (x^2 + y^2)
    backward: [
      (g, n) => mul(g, mul(n.input(1), inverseNorm(n.input(0), n.input(1)))),
      (g, n) => neg(mul(g, mul(n.input(0), inverseNorm(n.input(0), n.input(1))))),
    ],
  },
  floatCode,
);

function inverseNorm(y: Tensor, x: Tensor): Tensor {
  return reciprocal(add(square(y), square(x)));
}

/** Same as {@link atan2}. Source: `torch.arctan2`. */
export const arctan2: Binary = atan2;

/** Degrees to radians. Source: `torch.deg2rad`. */
export function deg2rad(x: Tensor): Tensor {
  return mul(x, Math.PI / 180);
}

/** Radians to degrees. Source: `torch.rad2deg`. */
export function rad2deg(x: Tensor): Tensor {
  return mul(x, 180 / Math.PI);
}
