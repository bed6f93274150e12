/** The four operations and negation, with broadcasting and promotion. */
import { defineOp, engineOps, run } from "../autograd/node.js";
import { BOOL, type DTypeCode } from "../tensor/dtype.js";
import { DTypeError } from "../tensor/errors.js";
import { kernelTable } from "../tensor/launch.js";
import type { Tensor } from "../tensor/tensor.js";
import { floatCode, mapBinary, mapUnary, type Operand, operand, promote, type Scalar } from "./core.js";

const ADD = kernelTable("add");
const SUB = kernelTable("sub");
const MUL = kernelTable("mul");
const DIV = kernelTable("div");
const NEG = kernelTable("neg");
const OR = kernelTable("logicalOr");
const AND = kernelTable("logicalAnd");

const addOp = defineOp<DTypeCode>({
  name: "Add",
  forward: ([a, b], code) => mapBinary(code === BOOL ? OR : ADD, "add", a as Tensor, b as Tensor, code),
  backward: (g) => [g, g], // d(a + b) = da + db
});

const subOp = defineOp<DTypeCode>({
  name: "Sub",
  forward: ([a, b], code) => mapBinary(SUB, "sub", a as Tensor, b as Tensor, code),
  backward: (g, n) => [g, n.needs(1) ? neg(g) : null], // d(a - b) = da - db
});

const mulOp = defineOp<DTypeCode>({
  name: "Mul",
  saves: true,
  forward: ([a, b], code) => mapBinary(code === BOOL ? AND : MUL, "mul", a as Tensor, b as Tensor, code),
  // d(ab) = b da + a db
  backward: (g, n) => [n.needs(0) ? mul(g, n.input(1)) : null, n.needs(1) ? mul(g, n.input(0)) : null],
});

const divOp = defineOp<DTypeCode>({
  name: "Div",
  saves: true,
  forward: ([a, b], code) => mapBinary(DIV, "div", a as Tensor, b as Tensor, code),
  backward: (g, n) => {
    const ga = div(g, n.input(1)); // d(a / b) = da / b - a / b^2 db
    return [ga, n.needs(1) ? neg(mul(ga, div(n.input(0), n.input(1)))) : null];
  },
});

const negOp = defineOp({
  name: "Neg",
  forward: ([x]) => mapUnary(NEG, x as Tensor),
  backward: (g) => [neg(g)],
});

function pair(op: typeof addOp, a: Operand, b: Operand, code = promote(a, b)): Tensor {
  return run(op, [operand(a, code), operand(b, code)], code);
}

/** Options of {@link add} and {@link sub}. */
export interface AlphaOptions {
  /** Factor of the second operand (default 1). */
  alpha?: Scalar;
}

/**
 * Elementwise `x + alpha * other` with broadcasting. Source: `torch.add`.
 * @example
 * add(tensor([1, 2]), 10).toArray(); // [11, 12]
 */
export function add(x: Operand, other: Operand, options?: AlphaOptions): Tensor {
  return pair(addOp, x, options?.alpha === undefined ? other : mul(other, options.alpha));
}

/** Elementwise `x - alpha * other` with broadcasting. Source: `torch.sub`. Not defined for booleans. */
export function sub(x: Operand, other: Operand, options?: AlphaOptions): Tensor {
  const code = promote(x, other);
  if (code === BOOL) throw new DTypeError("[sub] not defined for bool; try logicalXor or bitwiseXor");
  return pair(subOp, x, options?.alpha === undefined ? other : mul(other, options.alpha));
}

/** Elementwise `x * other` with broadcasting. Source: `torch.mul`. */
export function mul(x: Operand, other: Operand): Tensor {
  return pair(mulOp, x, other);
}

/** Elementwise negation. Source: `torch.neg`. Not defined for booleans. */
export function neg(x: Tensor): Tensor {
  if (x.code === BOOL) throw new DTypeError("[neg] not defined for bool; try logicalNot");
  return run(negOp, [x], null);
}

/** True division, without the rounding modes: integers give floats. */
export function trueDivide(x: Operand, other: Operand): Tensor {
  return pair(divOp, x, other, floatCode(promote(x, other)));
}

/** Elementwise `x / other` with broadcasting; integers give floats. Source: `torch.div`. */
export function div(x: Operand, other: Operand): Tensor {
  return trueDivide(x, other);
}
engineOps.add = (a, b) => add(a, b);
