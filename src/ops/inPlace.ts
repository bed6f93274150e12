/**
 * Ops in place. Most are their ordinary form, whose result the tensor takes over; those that training loops live on
 * write straight into the tensor when nothing is recorded.
 */

import { assign, checkInPlace, checkLeaf } from "../autograd/inplace.js";
import { mode } from "../autograd/mode.js";
import { defineOp, run } from "../autograd/op.js";
import { zerosLike } from "../tensor/create.js";
import { BOOL, checkFits, FLOAT64, isFloat, UINT8 } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { type KernelTable, kernelTable } from "../tensor/launch.js";
import { checkOptions } from "../tensor/options.js";
import { castTo, copyInto, copyOf, expandTo, fillWith } from "../tensor/raw.js";
import { broadcastShapes, sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { ALPHA_OPTIONS, type AlphaOptions, add, mul, sub } from "./arithmetic.js";
import { mapBinary, mapUnary, type Operand, operand, promote, type Scalar, scalarCode } from "./core.js";
import { DIV_OPTIONS, type DivOptions, div } from "./division.js";
import { floatPower } from "./powers.js";

function tracks(x: Operand): boolean {
  return x instanceof Tensor && (x.requiresGrad || x.base?.requiresGrad === true);
}

/** Whether autograd has to know of a change of `x` by this operand. */
function recorded(x: Tensor, other: Operand): boolean {
  return mode.grad && (tracks(x) || tracks(other));
}

/** Whether writing to `x` before all of `other` is read would change `other`. */
function overlaps(x: Tensor, other: Operand): boolean {
  if (!(other instanceof Tensor) || other.storage !== x.storage) return false;
  return (
    other.storageOffset !== x.storageOffset || !sameShape(x.shape, other.shape) || other.contig !== x.contig
  );
}

const ADD_NUMBER = kernelTable("addScalar");
const MUL_NUMBER = kernelTable("mulScalar");
const ADD = kernelTable("add");
const ADD_ALPHA = kernelTable("addAlpha");
const SUB = kernelTable("sub");
const MUL = kernelTable("mul");
const DIV = kernelTable("div");

/** Whether kernels may write `x op other` into `x` as it lies there. */
function direct(name: string, x: Tensor, other: Operand): boolean {
  if (!x.contig || x.code === BOOL || recorded(x, other) || overlaps(x, other)) return false;
  if (promote(x, other) !== x.code || typeof other === "boolean") return false;
  if (other instanceof Tensor && other.code === BOOL) return false;
  return !(other instanceof Tensor) || sameShape(broadcastShapes(name, x.shape, other.shape), x.shape);
}

function writeBinary(name: string, table: KernelTable, x: Tensor, other: Operand, alpha = 0): Tensor {
  checkInPlace(name, x);
  nextOp();
  mapBinary(table, name, x, operand(other, x.code), x.code, x.code, 1, alpha, x);
  x.storage.version++;
  return x;
}

function writeNumber(name: string, table: KernelTable, x: Tensor, value: number): Tensor {
  checkInPlace(name, x);
  nextOp();
  mapUnary(table, x, 1, x.code, value, 0, 0, x);
  x.storage.version++;
  return x;
}

function scaled(name: string, x: Tensor, other: Operand, alpha: Scalar, sign: 1 | -1): Tensor | null {
  if (typeof alpha !== "number" || !(isFloat(x.code) || Number.isInteger(alpha)) || !direct(name, x, other))
    return null;
  if (typeof other === "number") return writeNumber(name, ADD_NUMBER, x, sign * alpha * other);
  if (alpha === 1) return writeBinary(name, sign === 1 ? ADD : SUB, x, other);
  if (x.code === UINT8) return null; // a negative factor has to be wrapped
  return writeBinary(name, ADD_ALPHA, x, other, sign * alpha);
}

/** `x += alpha * other`. Source: `torch.Tensor.add_`. */
export function add_(x: Tensor, other: Operand, options?: AlphaOptions): Tensor {
  checkOptions("add_", options, ALPHA_OPTIONS);
  return scaled("add_", x, other, options?.alpha ?? 1, 1) ?? assign("add_", x, () => add(x, other, options));
}

/** `x -= alpha * other`. Source: `torch.Tensor.sub_`. */
export function sub_(x: Tensor, other: Operand, options?: AlphaOptions): Tensor {
  checkOptions("sub_", options, ALPHA_OPTIONS);
  return scaled("sub_", x, other, options?.alpha ?? 1, -1) ?? assign("sub_", x, () => sub(x, other, options));
}

/** `x *= other`. Source: `torch.Tensor.mul_`. */
export function mul_(x: Tensor, other: Operand): Tensor {
  if (!direct("mul_", x, other)) return assign("mul_", x, () => mul(x, other));
  return typeof other === "number"
    ? writeNumber("mul_", MUL_NUMBER, x, other)
    : writeBinary("mul_", MUL, x, other);
}

/** `x /= other`. Source: `torch.Tensor.div_`. */
export function div_(x: Tensor, other: Operand, options: DivOptions = {}): Tensor {
  checkOptions("div_", options, DIV_OPTIONS);
  const plain = (options.roundingMode ?? null) === null && isFloat(x.code);
  return plain && direct("div_", x, other)
    ? writeBinary("div_", DIV, x, other)
    : assign("div_", x, () => div(x, other, options));
}

/** Same as {@link sub_}. */
export const subtract_: typeof sub_ = sub_;
/** Same as {@link mul_}. */
export const multiply_: typeof mul_ = mul_;
/** Same as {@link div_}. */
export const divide_: typeof div_ = div_;

/**
 * `x **= exponent`, computed in float64. Source: `torch.Tensor.float_power_`.
 * @throws DTypeError unless `x` is float64, the dtype of the result.
 */
export function floatPower_(x: Tensor, exponent: Operand): Tensor {
  if (x.code !== FLOAT64) {
    throw new DTypeError(
      `[floatPower_] the result is float64, got a ${x.dtype} tensor to hold it; try x.to("float64") first`,
    );
  }
  return assign("floatPower_", x, () => floatPower(x, exponent));
}

/** Sets every element to 0. Source: `torch.Tensor.zero_`. */
export function zero_(x: Tensor): Tensor {
  return fillAs("zero_", x, 0);
}

/** Sets every element to a number, or to a tensor of no dimensions. Source: `torch.Tensor.fill_`. */
export function fill_(x: Tensor, value: Operand): Tensor {
  return fillAs("fill_", x, value);
}

function fillAs(name: string, x: Tensor, value: Operand): Tensor {
  checkValue(name, x, value);
  if (recorded(x, value)) return assign(name, x, fill(x, value));
  checkLeaf(name, x); // an expanded tensor may be filled: its shared elements all become the same
  nextOp();
  if (value instanceof Tensor) copyInto(x, value);
  else fillWith(x, value);
  x.storage.version++;
  return x;
}

function checkValue(name: string, x: Tensor, value: Operand): void {
  if (!(value instanceof Tensor)) {
    scalarCode(value); // throws unless it is a number
    checkFits(name, value, x.code);
  }
  if (value instanceof Tensor && value.shape.length > 0) {
    throw new ShapeError(
      `[${name}] value must be a number or a 0-d tensor: got shape ${show(value.shape)}; try copy_`,
    );
  }
}

const fillOp = defineOp({
  name: "Fill",
  forward: ([x, value]) => {
    const { shape, code } = x as Tensor;
    return copyOf(expandTo(castTo(value as Tensor, code), shape));
  },
  backward: (g) => [zerosLike(g), g],
});

/** A tensor like `x` with one value everywhere; a 0-d tensor as value gets a gradient. Source: `torch.fill`. */
export function fill(x: Tensor, value: Operand): Tensor {
  checkValue("fill", x, value);
  return run(fillOp, [x, operand(value, x.code)], null);
}

const copyOp = defineOp({
  name: "Copy",
  forward: ([x, src]) => copyOf(expandTo(castTo(src as Tensor, (x as Tensor).code), (x as Tensor).shape)),
  backward: (g) => [zerosLike(g), g],
});

/**
 * Copies the elements of `src`, broadcast and cast, into `x`. Source: `torch.Tensor.copy_`.
 * @throws ShapeError when `src` does not broadcast to the shape of `x`.
 */
export function copy_(x: Tensor, src: Tensor): Tensor {
  if (!sameShape(broadcastShapes("copy_", x.shape, src.shape), x.shape)) {
    throw new ShapeError(
      `[copy_] shape ${show(src.shape)} cannot be broadcast to ${show(x.shape)}; try reshape`,
    );
  }
  if (recorded(x, src)) return assign("copy_", x, run(copyOp, [x, src], null));
  checkInPlace("copy_", x);
  nextOp();
  copyInto(x, overlaps(x, src) ? copyOf(expandTo(src, x.shape)) : src);
  x.storage.version++;
  return x;
}
