/** Comparisons and tests of floats; their results are bool and carry no gradient. */

import { mem } from "../kernels/index.js";
import { BOOL, FLOAT64, isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, ValueError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { castTo, contiguous, fromTyped, full, ptr, toTyped } from "../tensor/raw.js";
import { sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import {
  type Binary,
  mapBinary,
  mapUnary,
  needTensor,
  type Operand,
  operand,
  promote,
  type Unary,
} from "./core.js";

function comparison(name: string): Binary {
  const table = kernelTable(name);
  return (x, other) => {
    const code = promote(x, other);
    nextOp();
    return mapBinary(table, name, operand(x, code), operand(other, code), code, BOOL);
  };
}

/** Elementwise `x == other`. Source: `torch.eq`. */
export const eq: Binary = comparison("eq");
/** Elementwise `x != other`. Source: `torch.ne`. */
export const ne: Binary = comparison("ne");
/** Elementwise `x < other`. Source: `torch.lt`. */
export const lt: Binary = comparison("lt");
/** Elementwise `x <= other`. Source: `torch.le`. */
export const le: Binary = comparison("le");
/** Elementwise `x > other`. Source: `torch.gt`. */
export const gt: Binary = comparison("gt");
/** Elementwise `x >= other`. Source: `torch.ge`. */
export const ge: Binary = comparison("ge");
/** Same as {@link ne}. Source: `torch.not_equal`. */
export const notEqual: Binary = ne;
/** Same as {@link lt}. Source: `torch.less`. */
export const less: Binary = lt;
/** Same as {@link le}. Source: `torch.less_equal`. */
export const lessEqual: Binary = le;
/** Same as {@link gt}. Source: `torch.greater`. */
export const greater: Binary = gt;
/** Same as {@link ge}. Source: `torch.greater_equal`. */
export const greaterEqual: Binary = ge;

/** A test of each element; `whole` is the answer for integers and booleans. */
function test(name: string, whole: boolean): Unary {
  const table = kernelTable(name);
  return (x) => {
    nextOp();
    return isFloat(x.code) ? mapUnary(table, x, 1, BOOL) : full(x.shape, whole, BOOL);
  };
}

/** Whether each element is NaN. Source: `torch.isnan`. */
export const isnan: Unary = test("isnan", false);
/** Whether each element is plus or minus infinity. Source: `torch.isinf`. */
export const isinf: Unary = test("isinf", false);
/** Whether each element is neither NaN nor infinite. Source: `torch.isfinite`. */
export const isfinite: Unary = test("isfinite", true);
/** Whether each element is plus infinity. Source: `torch.isposinf`. */
export const isposinf: Unary = test("isposinf", false);
/** Whether each element is minus infinity. Source: `torch.isneginf`. */
export const isneginf: Unary = test("isneginf", false);

/** Whether each element is real: always, as there are no complex dtypes. Source: `torch.isreal`. */
export function isreal(x: Tensor): Tensor {
  nextOp();
  return full(x.shape, true, BOOL);
}

/** Options of {@link isclose} and {@link allclose}. */
export interface CloseOptions {
  /** Tolerance relative to `|other|` (default 1e-5). */
  rtol?: number;
  /** Absolute tolerance (default 1e-8). */
  atol?: number;
  /** Whether two NaN are close (default false). */
  equalNan?: boolean;
}

const CLOSE_OPTIONS: OptionNames<CloseOptions> = { rtol: 1, atol: 1, equalNan: 1 };

function checkSameType(op: string, x: Tensor, other: Tensor): void {
  if (x.code !== other.code) {
    throw new DTypeError(
      `[${op}] got ${nameOf(x.code)} and ${nameOf(other.code)}, expected the same dtype; try other.to(x.dtype)`,
    );
  }
}

const [SUB, ABS, MUL, ADD, LE, EQ, AND, OR, FINITE, NAN] = (
  ["sub", "abs", "mul", "add", "le", "eq", "logicalAnd", "logicalOr", "isfinite", "isnan"] as const
).map((name) => kernelTable(name)) as [Table, Table, Table, Table, Table, Table, Table, Table, Table, Table];
type Table = ReturnType<typeof kernelTable>;

/**
 * Whether `|x - other| <= atol + rtol * |other|`, elementwise; equal infinities are close.
 * Source: `torch.isclose`.
 * @throws DTypeError when the dtypes differ.
 */
export function isclose(x: Tensor, other: Tensor, options: CloseOptions = {}): Tensor {
  checkOptions("isclose", options, CLOSE_OPTIONS);
  const { rtol = 1e-5, atol = 1e-8, equalNan = false } = options;
  needTensor("isclose", x);
  needTensor("isclose", other, "other");
  checkSameType("isclose", x, other);
  if (!(rtol >= 0) || !(atol >= 0)) {
    throw new ValueError(`[isclose] tolerances must be >= 0: got rtol ${rtol}, atol ${atol}`);
  }
  nextOp();
  const code = isFloat(x.code) ? x.code : FLOAT64;
  const [a, b] = [castTo(x, code), castTo(other, code)];
  const logic = (table: Table, p: Tensor, q: Tensor) => mapBinary(table, "isclose", p, q, BOOL);
  let close = mapBinary(EQ, "isclose", a, b, code, BOOL);
  if (equalNan && isFloat(x.code)) {
    close = logic(OR, close, logic(AND, mapUnary(NAN, a, 1, BOOL), mapUnary(NAN, b, 1, BOOL)));
  }
  if (rtol === 0 && atol === 0) return close;
  const allowed = mapBinary(
    ADD,
    "isclose",
    mapUnary(ABS, mapBinary(MUL, "isclose", b, operand(rtol, code), code)),
    operand(atol, code),
    code,
  );
  const actual = mapUnary(ABS, mapBinary(SUB, "isclose", a, b, code));
  const within = logic(
    AND,
    mapUnary(FINITE, actual, 1, BOOL),
    mapBinary(LE, "isclose", actual, allowed, code, BOOL),
  );
  return logic(OR, close, within);
}

/** Whether a bool tensor is true everywhere. */
function allTrue(x: Tensor): boolean {
  if (x.numel === 0) return true;
  const at = ptr(contiguous(x));
  return !mem.u8.subarray(at, at + x.numel).includes(0);
}

/** Whether {@link isclose} holds for all elements. Source: `torch.allclose`. */
export function allclose(x: Tensor, other: Tensor, options: CloseOptions = {}): boolean {
  checkOptions("allclose", options, CLOSE_OPTIONS);
  return allTrue(isclose(x, other, options));
}

/**
 * Whether two tensors have the same shape and elements (NaN differs from NaN). Source: `torch.equal`.
 * @throws DTypeError when the dtypes differ.
 */
export function equal(x: Tensor, other: Tensor): boolean {
  checkSameType("equal", x, other);
  if (!sameShape(x.shape, other.shape)) return false;
  return allTrue(eq(x, other));
}

/** Options of {@link isin}. */
export interface IsinOptions {
  /** Promise that neither argument repeats an element; changes nothing but time in PyTorch (default false). */
  assumeUnique?: boolean;
  /** Ask for elements that are not among `testElements` (default false). */
  invert?: boolean;
}

const ISIN_OPTIONS: OptionNames<IsinOptions> = { assumeUnique: 1, invert: 1 };

/**
 * Whether each of `elements` is among `testElements`. Source: `torch.isin`.
 * @example
 * isin(tensor([1, 2, 3]), tensor([2, 5])).toArray(); // [false, true, false]
 */
export function isin(elements: Operand, testElements: Operand, options: IsinOptions = {}): Tensor {
  checkOptions("isin", options, ISIN_OPTIONS);
  const code = promote(elements, testElements);
  if (code === BOOL) throw new DTypeError('[isin] not defined for bool; try logicalOr, or .to("uint8")');
  nextOp();
  const x = operand(elements, code);
  const values = toTyped(castTo(x, code));
  const among = new Set<number | bigint>(toTyped(castTo(operand(testElements, code), code)));
  among.delete(Number.NaN);
  const invert = options.invert ?? false;
  const out = new Uint8Array(values.length);
  for (let i = 0; i < out.length; i++) out[i] = among.has(values[i] as number | bigint) === invert ? 0 : 1;
  return fromTyped(out, x.shape, BOOL);
}
