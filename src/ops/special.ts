/** The `special` namespace: every function of `torch.special`, those that live elsewhere included. */

import { defineOp, run } from "../autograd/op.js";
import { release } from "../tensor/heap.js";
import { kernelTable } from "../tensor/launch.js";
import { checkNames, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul, neg, sub } from "./arithmetic.js";
import { eq, gt, le, lt } from "./compare.js";
import {
  type Binary,
  binary,
  constant,
  floatCode,
  floating,
  floatUnary,
  mapBinary,
  mapUnary,
  type Unary,
} from "./core.js";
import { log, log1p, sigmoid } from "./exponential.js";
import { digamma, igamma, igammac, lgamma, mvlgamma } from "./gamma.js";
import { logicalAnd, logicalOr } from "./logical.js";
import { square } from "./powers.js";
import { abs } from "./sign.js";
import { cos } from "./trigonometric.js";
import { where } from "./where.js";

export {
  airyAi,
  besselJ0,
  besselJ1,
  besselY0,
  besselY1,
  i0,
  i0e,
  i1,
  i1e,
  modifiedBesselI0,
  modifiedBesselI1,
  modifiedBesselK0,
  modifiedBesselK1,
  scaledModifiedBesselK0,
  scaledModifiedBesselK1,
  sphericalBesselJ0,
} from "./bessel.js";
export { erf, erfc, erfcx, erfinv, logNdtr, ndtr, ndtri } from "./erf.js";
export { exp2, expm1, log1p } from "./exponential.js";
export { digamma, polygamma, zeta } from "./gamma.js";
export { round } from "./rounding.js";
export { logSoftmax, softmax } from "./softmax.js";
export * from "./specialPoly.js";
export { logsumexp } from "./statistics.js";

/** Same as `sigmoid`. Source: `torch.special.expit`. */
export const expit: Unary = sigmoid;
/** Same as `lgamma`. Source: `torch.special.gammaln`. */
export const gammaln: Unary = lgamma;
/** Same as `digamma`. Source: `torch.special.psi`. */
export const psi: Unary = digamma;
/** Same as `igamma`. Source: `torch.special.gammainc`. */
export const gammainc: Binary = igamma;
/** Same as `igammac`. Source: `torch.special.gammaincc`. */
export const gammaincc: Binary = igammac;
/** Same as `mvlgamma`. Source: `torch.special.multigammaln`. */
export const multigammaln: typeof mvlgamma = mvlgamma;

/** Elementwise -x ln x: 0 at 0, -infinity below. Source: `torch.special.entr`. */
export const entr: Unary = floatUnary("entr", {
  saves: true,
  backward: (g, n) => mul(g, neg(add(log(n.input(0)), 1))), // d(-x ln x) = -(ln x + 1) dx
});

/** Elementwise sin(pi x) / (pi x), 1 at 0. Source: `torch.sinc`. */
export const sinc: Unary = floatUnary("sinc", {
  saves: true,
  cost: 16,
  backward: (g, n) => mul(g, sincSlope(n.input(0))),
});

/** sinc'(x) = (cos(pi x) - sinc(x)) / x; near 0, where that cancels, its series. */
function sincSlope(x: Tensor): Tensor {
  const near = lt(abs(x), 0.03);
  const far = where(near, 1, x);
  const xx = square(where(near, x, 0));
  // x (-pi^2/3 + pi^4/30 x^2 - pi^6/840 x^4)
  const series = mul(
    x,
    add(mul(xx, add(mul(xx, -(Math.PI ** 6) / 840), Math.PI ** 4 / 30)), -(Math.PI ** 2) / 3),
  );
  return where(near, series, div(sub(cos(mul(far, Math.PI)), sinc(far)), far));
}

/** Elementwise `x ln(other)`, 0 where x is 0 (and other no NaN). Source: `torch.xlogy`. */
export const xlogy: Binary = binary(
  "xlogy",
  {
    saves: true,
    cost: 12,
    // d(x ln y) = ln y dx + x/y dy; by x it is 0 where x = 0 and ln y has no value
    backward: [
      (g, n) => {
        const [x, y] = [n.input(0), n.input(1)];
        return xlogy(g, where(logicalAnd(eq(x, 0), le(y, 0)), 1, y));
      },
      (g, n) => div(mul(g, n.input(0)), n.input(1)),
    ],
  },
  floatCode,
);

/** Elementwise `x ln(1 + other)`, 0 where x is 0 (and other no NaN). Source: `torch.special.xlog1py`. */
export const xlog1py: Binary = binary(
  "xlog1py",
  {
    saves: true,
    cost: 12,
    // d(x ln(1 + y)) = ln(1 + y) dx + x/(1 + y) dy; by x it is 0 where x = 0 and ln(1 + y) has no value
    backward: [
      (g, n) => {
        const [x, y] = [n.input(0), n.input(1)];
        return mul(g, log1p(where(logicalAnd(eq(x, 0), le(y, -1)), 0, y)));
      },
      (g, n) => div(mul(g, n.input(0)), add(n.input(1), 1)),
    ],
  },
  floatCode,
);

const [CLAMP, SUB, DIV, LOG] = ["clamp", "sub", "div", "log"].map((name) => kernelTable(name)) as [
  ReturnType<typeof kernelTable>,
  ReturnType<typeof kernelTable>,
  ReturnType<typeof kernelTable>,
  ReturnType<typeof kernelTable>,
];

/** The attribute is eps, or null for no limits. */
const logitOp = defineOp<number | null>({
  name: "Logit",
  saves: true,
  forward: ([input], eps) => {
    const x = input as Tensor;
    const { code } = x;
    const p = eps === null ? x : mapUnary(CLAMP, x, 1, code, eps, 1 - eps);
    const q = mapBinary(SUB, "logit", constant(1, code), p, code);
    const odds = mapBinary(DIV, "logit", p, q, code);
    const out = mapUnary(LOG, odds, 8);
    for (const t of eps === null ? [q, odds] : [p, q, odds]) release(t.storage);
    return out;
  },
  backward: (g, n) => {
    const x = n.input(0);
    const eps = n.attrs;
    // d ln(x / (1 - x)) = dx / (x (1 - x)); outside of the limits 0, and without limits NaN outside of [0, 1]
    const outside = logicalOr(lt(x, eps ?? 0), gt(x, 1 - (eps ?? 0)));
    const inner = where(outside, 0.5, x);
    return [where(outside, eps === null ? Number.NaN : 0, div(g, mul(inner, sub(1, inner))))];
  },
});

/** Options of {@link logit}. */
export interface LogitOptions {
  /** Limits x to [eps, 1 - eps] first (default: no limits). */
  eps?: number | null;
}

const LOGIT_OPTIONS: OptionNames<LogitOptions> = { eps: 1 };

/** Elementwise ln(x / (1 - x)), the inverse of sigmoid. Source: `torch.logit`. */
export function logit(x: Tensor, eps?: number | LogitOptions | null): Tensor {
  checkNames("logit", eps, LOGIT_OPTIONS);
  const limit = typeof eps === "object" ? (eps?.eps ?? null) : (eps ?? null);
  const input = floating(x);
  if (limit === null || !(limit >= 0)) return run(logitOp, [input], null);
  if (limit <= 0.5) return run(logitOp, [input], limit);
  // limits that cross: the lower one is asked first
  const upper = where(gt(input, 1 - limit), 1 - limit, input);
  return run(logitOp, [where(lt(input, limit), limit, upper)], null);
}
