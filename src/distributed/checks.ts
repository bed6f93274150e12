/** Checks of arguments that a rank can make alone, before it announces a collective. */
import { BOOL, isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import type { Reduction } from "./communicator.js";
import { REDUCE_OPS, type ReduceOp } from "./reduceOp.js";

/** Throws unless `t` is a tensor whose elements are distinct places of memory. */
export function checkTensor(op: string, what: string, t: unknown): asserts t is Tensor {
  if (t instanceof Tensor) return;
  const got = Array.isArray(t) ? "an array" : t === null ? "null" : typeof t;
  throw new DTypeError(`[${op}] ${what}: got ${got}, expected a Tensor; try tensor(...)`);
}

/** Throws unless results can be written into `t`. */
export function checkOutput(op: string, what: string, t: unknown): asserts t is Tensor {
  checkTensor(op, what, t);
  if (t.contig || t.shape.every((n, d) => n <= 1 || (t.strides[d] as number) !== 0)) return;
  throw new ShapeError(
    `[${op}] ${what} is expanded: got shape ${show(t.shape)} with strides ${show(t.strides)}, in which several elements ` +
      "share one place; try clone() first",
  );
}

/** Throws unless all tensors of a list have this dtype. */
export function checkList(
  op: string,
  what: string,
  list: unknown,
  size: number,
  code: number,
): asserts list is Tensor[] {
  if (!Array.isArray(list) || list.length !== size) {
    const got = Array.isArray(list) ? `${list.length} tensors` : typeof list;
    throw new ValueError(`[${op}] ${what}: got ${got}, expected ${size}, one for each rank of the group`);
  }
  list.forEach((t, i) => {
    checkTensor(op, `${what}[${i}]`, t);
    checkDtype(op, `${what}[${i}]`, t, code);
  });
}

/** Throws unless `t` has this dtype. */
export function checkDtype(op: string, what: string, t: Tensor, code: number): void {
  if (t.code === code) return;
  throw new DTypeError(
    `[${op}] ${what}: got ${nameOf(t.code)}, expected ${nameOf(code)} as the other tensors; try .to("${nameOf(code)}")`,
  );
}

/** Throws unless `t` has so many elements. */
export function checkNumel(op: string, what: string, t: Tensor, numel: number, why: string): void {
  if (t.numel === numel) return;
  throw new ShapeError(`[${op}] ${what}: got shape ${show(t.shape)}, expected ${numel} elements, ${why}`);
}

/** Whether all tensors have the shape of the first. */
export function allSameShape(list: readonly Tensor[]): boolean {
  return list.every((t) => sameShape(t.shape, (list[0] as Tensor).shape));
}

/** Throws unless `rank` is a rank of a group of that size. */
export function checkRank(op: string, what: string, rank: number, size: number): void {
  if (Number.isInteger(rank) && rank >= 0 && rank < size) return;
  throw new ValueError(`[${op}] ${what}: got rank ${rank}, expected 0 to ${size - 1}`);
}

/** What backends are to do for a reduction of a dtype, or an error where it is not defined. */
export function reductionFor(op: string, reduceOp: ReduceOp, code: number, size: number): Reduction {
  if (!REDUCE_OPS.includes(reduceOp)) {
    throw new ValueError(`[${op}] op: got ${String(reduceOp)}, expected one of ${REDUCE_OPS.join(", ")}`);
  }
  if (code === BOOL) {
    if (reduceOp === "avg") {
      throw new DTypeError(
        `[${op}] "avg" is not defined for bool; try .to("float32") first, or "max" for or`,
      );
    }
    const asBytes = {
      sum: "max",
      product: "min",
      min: "min",
      max: "max",
      band: "min",
      bor: "max",
      bxor: "bxor",
    } as const;
    return { op: asBytes[reduceOp], divisor: 1 };
  }
  if (reduceOp === "avg") return { op: "sum", divisor: size };
  if (isFloat(code) && (reduceOp === "band" || reduceOp === "bor" || reduceOp === "bxor")) {
    throw new DTypeError(
      `[${op}] "${reduceOp}" is not defined for ${nameOf(code)}: expected an integer dtype or bool`,
    );
  }
  return { op: reduceOp, divisor: 1 };
}
