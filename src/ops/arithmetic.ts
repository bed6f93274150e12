/** Sums, differences, products and quotients, with broadcasting and promotion. */

import { engineOps } from "../autograd/engineOps.js";
import { defineOp, run } from "../autograd/op.js";
import { BOOL, type DTypeCode, isFloat, nameOf, UINT8 } from "../tensor/dtype.js";
import { DTypeError } from "../tensor/errors.js";
import { kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { broadcastShapes } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { cast } from "./cast.js";
import {
  constant,
  floatCode,
  mapBinary,
  mapFlat,
  mapUnary,
  notBool,
  type Operand,
  operand,
  promote,
  type Scalar,
} from "./core.js";

const ADD = kernelTable("add");
const ADD_NUMBER = kernelTable("addScalar");
const ADD_ALPHA = kernelTable("addAlpha");
const SUB = kernelTable("sub");
const MUL = kernelTable("mul");
const MUL_NUMBER = kernelTable("mulScalar");
const DIV = kernelTable("div");
const NEG = kernelTable("neg");
const OR = kernelTable("logicalOr");
const AND = kernelTable("logicalAnd");

const addOp = defineOp<DTypeCode>({
  name: "Add",
  forward: ([a, b], code) => mapBinary(code === BOOL ? OR : ADD, "add", a as Tensor, b as Tensor, code),
  backward: (g) => [g, g], // d(a + b) = da + db
});

/** With a number as second operand nothing is saved. */
const addNumberOp = defineOp<number>({
  name: "Add",
  forward: ([x], value) => mapUnary(ADD_NUMBER, x as Tensor, 1, (x as Tensor).code, value),
  backward: (g) => [g],
});

interface Alpha {
  readonly code: DTypeCode;
  readonly alpha: number;
}

const addAlphaOp = defineOp<Alpha>({
  name: "Add",
  forward: ([a, b], { code, alpha }) =>
    mapBinary(ADD_ALPHA, "add", a as Tensor, b as Tensor, code, code, 1, alpha),
  backward: (g, n) => [g, n.needs(1) ? mul(g, n.attrs.alpha) : null], // d(a + αb) = da + α db
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

const mulNumberOp = defineOp<number>({
  name: "Mul",
  forward: ([x], value) => mapUnary(MUL_NUMBER, x as Tensor, 1, (x as Tensor).code, value),
  backward: (g, n) => [mul(g, n.attrs)],
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

const divNumberOp = defineOp<Scalar>({
  name: "Div",
  forward: ([x], value) => {
    const { code } = x as Tensor;
    return mapBinary(DIV, "div", x as Tensor, constant(value, code), code);
  },
  backward: (g, n) => [div(g, n.attrs)],
});

const negOp = defineOp({
  name: "Neg",
  forward: ([x]) => mapUnary(NEG, x as Tensor),
  backward: (g) => [neg(g)],
});

/** Whether a number can be handed to a kernel as a float64 without loss. */
function isPlain(x: Operand, code: DTypeCode): x is number {
  return typeof x === "number" && code !== BOOL;
}

/** Options of {@link add} and {@link sub}. */
export interface AlphaOptions {
  /** Factor of the second operand (default 1). */
  alpha?: Scalar;
}

/** @internal */
export const ALPHA_OPTIONS: OptionNames<AlphaOptions> = { alpha: 1 };

/** Throws unless `alpha` may be a factor of that dtype. @internal */
export function checkAlpha(op: string, alpha: Scalar, code: DTypeCode): void {
  if (typeof alpha === "boolean" && code !== BOOL) {
    throw new DTypeError(
      `[${op}] a boolean alpha is only for bool results: got a ${nameOf(code)} result; try alpha: 1`,
    );
  }
  if (!isFloat(code) && !Number.isInteger(Number(alpha))) {
    throw new DTypeError(
      `[${op}] alpha ${alpha} does not fit a ${nameOf(code)} result: expected a whole number`,
    );
  }
}

function scaledAdd(op: string, x: Operand, other: Operand, alpha: Scalar, sign: 1 | -1): Tensor {
  const code = promote(x, other);
  checkAlpha(op, alpha, code);
  const scale = sign * Number(alpha);
  if (code === BOOL) return add(x, scale === 0 ? mul(other, false) : other);
  const factor = code === UINT8 ? BigInt.asUintN(8, BigInt(scale)) : scale; // -1 is 255 there
  return run(addAlphaOp, [operand(x, code), operand(other, code)], { code, alpha: Number(factor) });
}

/**
 * Elementwise `x + alpha * other` with broadcasting; "or" for bool. Source: `torch.add`.
 * @example
 * add(tensor([1, 2]), 10).toArray(); // [11, 12]
 */
export function add(x: Operand, other: Operand, options?: AlphaOptions): Tensor {
  checkOptions("add", options, ALPHA_OPTIONS);
  if (options?.alpha !== undefined && options.alpha !== 1)
    return scaledAdd("add", x, other, options.alpha, 1);
  const code = promote(x, other);
  if (isPlain(other, code)) return run(addNumberOp, [cast(operand(x, code), code)], other);
  if (isPlain(x, code)) return run(addNumberOp, [cast(other as Tensor, code)], x);
  return run(addOp, [operand(x, code), operand(other, code)], code);
}

/** Elementwise `x - alpha * other` with broadcasting. Source: `torch.sub`. Not defined for booleans. */
export function sub(x: Operand, other: Operand, options?: AlphaOptions): Tensor {
  checkOptions("sub", options, ALPHA_OPTIONS);
  for (const t of [x, other]) {
    if (typeof t === "boolean" || (t instanceof Tensor && t.code === BOOL)) {
      throw new DTypeError("[sub] not defined for bool; try logicalXor, logicalNot or bitwiseXor");
    }
  }
  if (options?.alpha !== undefined && options.alpha !== 1)
    return scaledAdd("sub", x, other, options.alpha, -1);
  const code = promote(x, other);
  if (isPlain(other, code)) return run(addNumberOp, [cast(operand(x, code), code)], -other);
  return run(subOp, [operand(x, code), operand(other, code)], code);
}

/** `other - alpha * x`: {@link sub} with the operands swapped. Source: `torch.rsub`. */
export function rsub(x: Tensor, other: Operand, options?: AlphaOptions): Tensor {
  checkOptions("rsub", options, ALPHA_OPTIONS);
  return sub(other, x, options);
}

/** Elementwise `x * other` with broadcasting; "and" for bool. Source: `torch.mul`. */
export function mul(x: Operand, other: Operand): Tensor {
  const code = promote(x, other);
  if (isPlain(other, code)) return run(mulNumberOp, [cast(operand(x, code), code)], other);
  if (isPlain(x, code)) return run(mulNumberOp, [cast(other as Tensor, code)], x);
  return run(mulOp, [operand(x, code), operand(other, code)], code);
}

/** Elementwise negation. Source: `torch.neg`. Not defined for booleans. */
export function neg(x: Tensor): Tensor {
  notBool("neg", "logicalNot")(x.code);
  return run(negOp, [x], null);
}

/** The tensor itself. Source: `torch.positive`. Not defined for booleans. */
export function positive(x: Tensor): Tensor {
  notBool("positive", '.to("uint8")')(x.code);
  return x;
}

/** True division, without the rounding modes: integers give floats. Source: `torch.true_divide`. */
export function trueDivide(x: Operand, other: Operand): Tensor {
  const code = floatCode(promote(x, other));
  if (!(other instanceof Tensor)) return run(divNumberOp, [cast(operand(x, code), code)], other);
  return run(divOp, [operand(x, code), other], code);
}

/** Same as {@link trueDivide}; `src/ops/division.ts` has the form with rounding modes. @internal */
export const div: typeof trueDivide = trueDivide;

/** Same as {@link sub}. Source: `torch.subtract`. */
export const subtract: typeof sub = sub;
/** Same as {@link mul}. Source: `torch.multiply`. */
export const multiply: typeof mul = mul;
/** Same as {@link neg}. Source: `torch.negative`. */
export const negative: typeof neg = neg;

const ADDCMUL = kernelTable("addcmul");
const ADDCDIV = kernelTable("addcdiv");

function commonShape(op: string, x: readonly Tensor[]) {
  return x.reduce((shape, t) => broadcastShapes(op, shape, t.shape), [] as readonly number[]);
}

const addcmulOp = defineOp<Value>({
  name: "Addcmul",
  saves: [1, 2],
  forward: (x, { code, value }) => mapFlat(ADDCMUL, x, commonShape("addcmul", x), code, 1, value),
  // d(x + v a b) = dx + v b da + v a db
  backward: (g, n) => {
    const gv = mul(g, n.attrs.value);
    return [g, n.needs(1) ? mul(gv, n.input(2)) : null, n.needs(2) ? mul(gv, n.input(1)) : null];
  },
});

const addcdivOp = defineOp<Value>({
  name: "Addcdiv",
  saves: [1, 2],
  forward: (x, { code, value }) => mapFlat(ADDCDIV, x, commonShape("addcdiv", x), code, 1, value),
  // d(x + v a / b) = dx + v / b da - v a / b^2 db
  backward: (g, n) => {
    if (!n.needs(1) && !n.needs(2)) return [g];
    const b = n.input(2);
    const ga = div(mul(g, n.attrs.value), b);
    return [g, ga, n.needs(2) ? neg(mul(ga, div(n.input(1), b))) : null];
  },
});

interface Value {
  readonly code: DTypeCode;
  readonly value: number;
}

/** Options of {@link addcmul} and {@link addcdiv}. */
export interface ValueOptions {
  /** Factor of the product or quotient (default 1). */
  value?: Scalar;
}

const VALUE_OPTIONS: OptionNames<ValueOptions> = { value: 1 };

/** Elementwise `x + value * a * b`. Source: `torch.addcmul`. */
export function addcmul(x: Tensor, tensor1: Tensor, tensor2: Tensor, options: ValueOptions = {}): Tensor {
  checkOptions("addcmul", options, VALUE_OPTIONS);
  const code = notBool("addcmul", '.to("uint8")')(promote(x, tensor1, tensor2));
  const value = Number(options.value ?? 1);
  const [base, a, b] = [x, tensor1, tensor2].map((t) => cast(t, code)) as [Tensor, Tensor, Tensor];
  if (isFloat(code)) return run(addcmulOp, [base, a, b], { code, value });
  if (!Number.isFinite(value)) {
    throw new DTypeError(
      `[addcmul] value ${value} does not fit a ${nameOf(code)} result; try a whole number`,
    );
  }
  return add(base, mul(mul(a, b), Math.trunc(value)));
}

/**
 * Elementwise `x + value * a / b`. Source: `torch.addcdiv`.
 * @throws DTypeError when all are integers, as PyTorch.
 */
export function addcdiv(x: Tensor, tensor1: Tensor, tensor2: Tensor, options: ValueOptions = {}): Tensor {
  checkOptions("addcdiv", options, VALUE_OPTIONS);
  const code = promote(x, tensor1, tensor2);
  if (!isFloat(tensor1.code) && !isFloat(tensor2.code)) {
    throw new DTypeError(
      '[addcdiv] integers cannot be divided here: got integer tensor1 and tensor2; try .to("float32")',
    );
  }
  return run(
    addcdivOp,
    [x, tensor1, tensor2].map((t) => cast(t, code)),
    { code, value: Number(options.value ?? 1) },
  );
}

const LERP = kernelTable("lerp");
const LERP_TENSOR = kernelTable("lerpTensor");

const lerpOp = defineOp<number>({
  name: "Lerp",
  forward: (x, weight) => mapFlat(LERP, x, commonShape("lerp", x), (x[0] as Tensor).code, 1, weight),
  backward: (g, n) => [mul(g, 1 - n.attrs), mul(g, n.attrs)], // d(x + w (e - x)) = (1 - w) dx + w de
});

const lerpTensorOp = defineOp({
  name: "Lerp",
  saves: true,
  forward: (x) => mapFlat(LERP_TENSOR, x, commonShape("lerp", x), (x[0] as Tensor).code, 1),
  // d(x + w (e - x)) = (1 - w) dx + w de + (e - x) dw
  backward: (g, n) => {
    return [
      n.needs(0) ? mul(g, sub(1, n.input(2))) : null,
      n.needs(1) ? mul(g, n.input(2)) : null,
      n.needs(2) ? mul(g, sub(n.input(1), n.input(0))) : null,
    ];
  },
});

/**
 * Elementwise `x + weight * (end - x)`. Floating tensors of one dtype. Source: `torch.lerp`.
 * @throws DTypeError when the dtypes differ or are no floats.
 */
export function lerp(x: Tensor, end: Tensor, weight: Tensor | number): Tensor {
  const tensors = weight instanceof Tensor ? [x, end, weight] : [x, end];
  if (!isFloat(x.code) || tensors.some((t) => t.code !== x.code)) {
    throw new DTypeError(
      `[lerp] expected floating tensors of one dtype, got ${tensors.map((t) => t.dtype).join(", ")}`,
    );
  }
  return weight instanceof Tensor ? run(lerpTensorOp, tensors, null) : run(lerpOp, tensors, weight);
}

engineOps.add = (a, b) => run(addOp, [a, b], promote(a, b));
