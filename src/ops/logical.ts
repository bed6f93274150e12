/** Logic on truth values (any dtype) and on the bits of integers. */

import { BOOL, type DTypeCode, isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { kernelTable } from "../tensor/launch.js";
import type { Tensor } from "../tensor/tensor.js";
import { type Binary, mapBinary, mapUnary, notBool, operand, promote, type Unary } from "./core.js";

function logic(name: string): Binary {
  const table = kernelTable(name);
  return (x, other) => {
    const code = promote(x, other);
    nextOp();
    return mapBinary(table, name, operand(x, code), operand(other, code), code, BOOL);
  };
}

/** Elementwise `x and other`; everything but 0 is true. Source: `torch.logical_and`. */
export const logicalAnd: Binary = logic("logicalAnd");
/** Elementwise `x or other`. Source: `torch.logical_or`. */
export const logicalOr: Binary = logic("logicalOr");
/** Elementwise "either, not both". Source: `torch.logical_xor`. */
export const logicalXor: Binary = logic("logicalXor");

const NOT = kernelTable("logicalNot");

/** Elementwise `not x`: true for 0. Source: `torch.logical_not`. */
export function logicalNot(x: Tensor): Tensor {
  nextOp();
  return mapUnary(NOT, x, 1, BOOL);
}

function whole(op: string): (code: DTypeCode) => DTypeCode {
  return (code) => {
    if (isFloat(code))
      throw new DTypeError(
        `[${op}] not defined for ${nameOf(code)}: expected integers or bool; try .to("int64")`,
      );
    return code;
  };
}

function bits(name: string, kernel: string, check: (code: DTypeCode) => DTypeCode = whole(name)): Binary {
  const table = kernelTable(kernel);
  return (x, other) => {
    const code = check(promote(x, other));
    nextOp();
    return mapBinary(table, name, operand(x, code), operand(other, code), code);
  };
}

const shift = (name: string) => (code: DTypeCode) => notBool(name, '.to("uint8")')(whole(name)(code));

/** Bitwise and of integers; logical for bool. Source: `torch.bitwise_and`. */
export const bitwiseAnd: Binary = bits("bitwiseAnd", "bitwiseAnd");
/** Bitwise or of integers; logical for bool. Source: `torch.bitwise_or`. */
export const bitwiseOr: Binary = bits("bitwiseOr", "bitwiseOr");
/** Bitwise exclusive or of integers; logical for bool. Source: `torch.bitwise_xor`. */
export const bitwiseXor: Binary = bits("bitwiseXor", "bitwiseXor");
/** `x << other` for integers. Source: `torch.bitwise_left_shift`. */
export const bitwiseLeftShift: Binary = bits("bitwiseLeftShift", "leftShift", shift("bitwiseLeftShift"));
/** `x >> other` for integers, keeping the sign. Source: `torch.bitwise_right_shift`. */
export const bitwiseRightShift: Binary = bits("bitwiseRightShift", "rightShift", shift("bitwiseRightShift"));
/** Greatest common divisor of integers, never negative. Source: `torch.gcd`. */
export const gcd: Binary = bits("gcd", "gcd", shift("gcd"));
/** Least common multiple of integers, never negative. Source: `torch.lcm`. */
export const lcm: Binary = bits("lcm", "lcm", shift("lcm"));

const BITS_NOT = kernelTable("bitwiseNot");

/** Flips all bits of integers; logical not for bool. Source: `torch.bitwise_not`. */
export const bitwiseNot: Unary = (x) => {
  if (whole("bitwiseNot")(x.code) === BOOL) return logicalNot(x);
  nextOp();
  return mapUnary(BITS_NOT, x);
};
