/** Powers and roots. */
import { defineOp, run } from "../autograd/op.js";
import { zerosLike } from "../tensor/create.js";
import { type DTypeCode, FLOAT64, isFloat } from "../tensor/dtype.js";
import { ValueError } from "../tensor/errors.js";
import { kernelTable } from "../tensor/launch.js";
import { copyOf, full } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import { div, mul, neg, sub } from "./arithmetic.js";
import { cast } from "./cast.js";
import { eq, ge, isnan } from "./compare.js";
import {
  type Binary,
  binary,
  constant,
  floatOnly,
  floatUnary,
  mapBinary,
  mapUnary,
  notBool,
  type Operand,
  operand,
  promote,
  type Scalar,
  type Unary,
} from "./core.js";
import { log } from "./exponential.js";
import { logicalAnd, logicalOr } from "./logical.js";
import { where } from "./where.js";

const POW = kernelTable("pow");
const POW_NUMBER = kernelTable("powScalar");

const powNumberOp = defineOp<Scalar>({
  name: "Pow",
  saves: true,
  forward: ([base], p) => {
    const x = base as Tensor;
    const exponent = Number(p);
    if (exponent === 0) return full(x.shape, 1, x.code);
    if (exponent === 1) return copyOf(x);
    if (!isFloat(x.code)) return mapBinary(POW, "pow", x, constant(p, x.code), x.code);
    return mapUnary(
      POW_NUMBER,
      x,
      Number.isInteger(2 * exponent) && Math.abs(exponent) <= 3 ? 1 : 16,
      x.code,
      exponent,
    );
  },
  backward: (g, n) => {
    const p = Number(n.attrs); // d x^p = p x^(p-1) dx
    return [p === 0 ? zerosLike(g) : mul(g, mul(pow(n.input(0), p - 1), p))];
  },
});

const powOp = defineOp<DTypeCode>({
  name: "Pow",
  saves: true,
  savesOutput: true,
  forward: ([x, e], code) => mapBinary(POW, "pow", x as Tensor, e as Tensor, code, code, 24),
  backward: (g, n) => {
    const [x, e] = [n.input(0), n.input(1)];
    let gradX: Tensor | null = null;
    let gradE: Tensor | null = null;
    if (n.needs(0)) {
      // d x^e = e x^(e-1) dx, 0 for e = 0 at every x; bases where the formula has no value are replaced first,
      // so that derivatives of higher order stay finite too.
      const flat = logicalAnd(eq(e, 0), logicalOr(eq(x, 0), isnan(x)));
      const base = where(flat, 1, x);
      gradX = where(flat, 0, mul(g, mul(e, pow(base, sub(e, 1)))));
    }
    if (n.needs(1)) {
      // d x^e = x^e ln x de, 0 where x = 0 and e >= 0
      const base = where(logicalAnd(eq(x, 0), ge(e, 0)), 1, x);
      gradE = mul(g, mul(n.output(), log(base)));
    }
    return [gradX, gradE];
  },
});

/**
 * Elementwise x^exponent. Integers stay integers (a negative integer exponent of a tensor of exponents gives 0 for
 * |x| > 1). Source: `torch.pow`.
 * @throws ValueError for an integer tensor and a negative integer number as exponent.
 * @example
 * pow(tensor([1, 2, 3]), 2).toArray(); // [1, 4, 9]
 */
export function pow(x: Operand, exponent: Operand): Tensor {
  const code = notBool("pow", "logicalAnd")(promote(x, exponent));
  if (exponent instanceof Tensor) return run(powOp, [operand(x, code), exponent], code);
  if (!isFloat(code) && Number(exponent) < 0) {
    throw new ValueError(
      `[pow] integers to negative integer powers are not allowed: got ${exponent}; try x.to("float32")`,
    );
  }
  return run(powNumberOp, [cast(operand(x, code), code)], exponent);
}

/** Elementwise x^2. Source: `torch.square`. */
export function square(x: Tensor): Tensor {
  return pow(x, 2);
}

/** Elementwise x^exponent in float64, whatever the dtypes. Source: `torch.float_power`. */
export function floatPower(x: Operand, exponent: Operand): Tensor {
  const wide = (t: Operand) => (t instanceof Tensor ? cast(t, FLOAT64) : t);
  return x instanceof Tensor ? pow(wide(x), wide(exponent)) : pow(operand(x, FLOAT64), wide(exponent));
}

/** Elementwise square root. Source: `torch.sqrt`. */
export const sqrt: Unary = floatUnary("sqrt", {
  savesOutput: true,
  cost: 2,
  backward: (g, n) => div(g, mul(n.output(), 2)), // d sqrt x = dx / (2 sqrt x)
});

/** Elementwise 1 / sqrt(x). Source: `torch.rsqrt`. */
export const rsqrt: Unary = floatUnary("rsqrt", {
  savesOutput: true,
  cost: 2,
  backward: (g, n) => mul(g, mul(pow(n.output(), 3), -0.5)), // d x^(-1/2) = -x^(-3/2) / 2 dx
});

/** Elementwise 1 / x. Source: `torch.reciprocal`. */
export const reciprocal: Unary = floatUnary("reciprocal", {
  savesOutput: true,
  cost: 2,
  backward: (g, n) => neg(mul(g, mul(n.output(), n.output()))), // d 1/x = -dx / x^2
});

/** Elementwise sqrt(x^2 + other^2) without overflow. Floating dtypes only. Source: `torch.hypot`. */
export const hypot: Binary = binary(
  "hypot",
  {
    cost: 4,
    saves: true,
    savesOutput: true,
    // dh = x/h dx + y/h dy
    backward: [(g, n) => mul(g, div(n.input(0), n.output())), (g, n) => mul(g, div(n.input(1), n.output()))],
  },
  floatOnly("hypot"),
);
