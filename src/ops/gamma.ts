/** The gamma function's family: logarithm, derivatives, incomplete integrals, zeta. */
import { defineOp, run } from "../autograd/op.js";
import { AutogradError, ValueError } from "../tensor/errors.js";
import { kernelTable } from "../tensor/launch.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, mul, neg, sub } from "./arithmetic.js";
import {
  type Binary,
  binary,
  floatCode,
  floating,
  floatOnly,
  floatUnary,
  mapUnary,
  notBool,
  type Unary,
} from "./core.js";
import { exp, log } from "./exponential.js";

/** Elementwise ln |gamma(x)|. Source: `torch.lgamma`. */
export const lgamma: Unary = floatUnary("lgamma", {
  saves: true,
  cost: 40,
  backward: (g, n) => mul(g, digamma(n.input(0))), // d ln gamma(x) = psi(x) dx
});

/** Elementwise derivative of {@link lgamma}. Source: `torch.digamma`. */
export const digamma: Unary = floatUnary("digamma", {
  saves: true,
  cost: 40,
  backward: (g, n) => mul(g, polygamma(1, n.input(0))),
});

const POLYGAMMA = kernelTable("polygamma");

const polygammaOp = defineOp<number>({
  name: "Polygamma",
  saves: true,
  forward: ([x], order) => mapUnary(POLYGAMMA, x as Tensor, 80, (x as Tensor).code, order),
  backward: (g, n) => [mul(g, polygamma(n.attrs + 1, n.input(0)))],
});

/**
 * The n-th derivative of {@link digamma}. Source: `torch.polygamma`.
 * @throws ValueError for a negative or fractional n.
 */
export function polygamma(n: number, x: Tensor): Tensor {
  if (!(Number.isInteger(n) && n >= 0))
    throw new ValueError(`[polygamma] n must be a whole number >= 0: got ${n}`);
  return n === 0 ? digamma(x) : run(polygammaOp, [floating(x)], n);
}

/** The method form of {@link polygamma}: `x.polygamma(n)`. */
export function polygammaOf(x: Tensor, n: number): Tensor {
  return polygamma(n, x);
}

/**
 * ln of the multivariate gamma function of dimension p:
 * p (p - 1) / 4 ln pi + the sum of lgamma(x - j / 2) for j from 0 to p - 1. Source: `torch.mvlgamma`.
 */
export function mvlgamma(x: Tensor, p: number): Tensor {
  if (!(Number.isInteger(p) && p >= 1))
    throw new ValueError(`[mvlgamma] p must be a whole number >= 1: got ${p}`);
  notBool("mvlgamma", '.to("float32")')(x.code);
  const y = floating(x);
  let total = lgamma(y);
  for (let j = 1; j < p; j++) total = add(total, lgamma(sub(y, j / 2)));
  return add(total, ((p * (p - 1)) / 4) * Math.log(Math.PI));
}

function byFirst(op: string): () => never {
  return () => {
    throw new AutogradError(`[${op}] has no derivative by its first argument; try detach() on it`);
  };
}

/** d P(a, x) / dx = x^(a-1) e^-x / gamma(a) */
function density(a: Tensor, x: Tensor): Tensor {
  return exp(sub(sub(mul(sub(a, 1), log(x)), x), lgamma(a)));
}

/**
 * The regularised lower incomplete gamma function P(a, x). Floating dtypes only; differentiable by x.
 * Source: `torch.igamma`.
 */
export const igamma: Binary = binary(
  "igamma",
  {
    saves: true,
    cost: 100,
    backward: [byFirst("igamma"), (g, n) => mul(g, density(n.input(0), n.input(1)))],
  },
  floatOnly("igamma"),
);

/** The regularised upper incomplete gamma function, 1 - P(a, x); as {@link igamma}. Source: `torch.igammac`. */
export const igammac: Binary = binary(
  "igammac",
  {
    saves: true,
    cost: 100,
    backward: [byFirst("igammac"), (g, n) => neg(mul(g, density(n.input(0), n.input(1))))],
  },
  floatOnly("igammac"),
);

/** Hurwitz zeta function, the sum of (k + q)^-x from k = 0; differentiable by q. Source: `torch.special.zeta`. */
export const zeta: Binary = binary(
  "zeta",
  {
    saves: true,
    cost: 100,
    // d zeta(x, q) = -x zeta(x + 1, q) dq
    backward: [byFirst("zeta"), (g, n) => mul(g, neg(mul(n.input(0), zeta(add(n.input(0), 1), n.input(1)))))],
  },
  floatCode,
);
