/** Selection by a mask: where, maskedFill. */
import { defineOp, run } from "../autograd/op.js";
import { checkFits, type DTypeCode, nameOf, UINT8 } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show } from "../tensor/errors.js";
import { GRAIN, kernelFor, kernelTable } from "../tensor/launch.js";
import { castTo, empty, ptr } from "../tensor/raw.js";
import { broadcastShapes } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { broadcastRows, type Operand, operand, promote } from "./core.js";

const WHERE = kernelTable("where", ["1", "1", "4", "8", "4", "8"]);

const whereOp = defineOp<DTypeCode>({
  name: "Where",
  saves: [0],
  forward: ([condition, x, y], code) => {
    const [c, a, b] = [condition as Tensor, castTo(x as Tensor, code), castTo(y as Tensor, code)];
    const shape = broadcastShapes("where", broadcastShapes("where", c.shape, a.shape), b.shape);
    const out = empty(shape, code);
    const n = out.numel;
    const flat = (t: Tensor) => t.numel === 1 || (t.contig && t.numel === n);
    if (n > 0 && n < GRAIN && flat(c) && flat(a) && flat(b)) {
      const step = (t: Tensor) => (t.numel === 1 ? 0 : 1);
      kernelFor(WHERE, code)(ptr(c), ptr(a), ptr(b), ptr(out), 1, n, 0, step(c), 0, step(a), 0, step(b));
      return out;
    }
    broadcastRows(WHERE, code, [c, a, b], out, 1);
    return out;
  },
  // Selected, not multiplied by the mask: a NaN gradient on the side that was not taken does not leak.
  backward: (g, n) => [
    null,
    n.needs(1) ? select(n.input(0), g, 0, g.code) : null,
    n.needs(2) ? select(n.input(0), 0, g, g.code) : null,
  ],
});

function select(condition: Tensor, x: Operand, y: Operand, code: DTypeCode): Tensor {
  return run(whereOp, [condition, operand(x, code), operand(y, code)], code);
}

function checkMask(op: string, mask: Tensor): void {
  if (mask.code > UINT8) {
    throw new DTypeError(`[${op}] the mask must be bool: got ${nameOf(mask.code)}; try mask.ne(0)`);
  }
}

/**
 * Elementwise `condition ? x : y`, all three broadcast. A NaN on the side not taken reaches neither the result nor a
 * gradient. Source: `torch.where`.
 * @param condition bool (uint8 is taken too).
 * @example
 * where(tensor([true, false]), tensor([1, 2]), 0).toArray(); // [1, 0]
 */
export function where(condition: Tensor, x: Operand, y: Operand): Tensor {
  checkMask("where", condition);
  return select(condition, x, y, promote(x, y));
}

/**
 * `x` with `value` where `mask` is true; the dtype stays. Source: `torch.masked_fill`.
 * @param value a number, or a tensor of no dimensions.
 */
export function maskedFill(x: Tensor, mask: Tensor, value: Operand): Tensor {
  checkMask("maskedFill", mask);
  if (value instanceof Tensor && value.shape.length > 0) {
    throw new ShapeError(
      `[maskedFill] value must be a number or a 0-d tensor: got shape ${show(value.shape)}; try where`,
    );
  }
  if (!(value instanceof Tensor)) checkFits("maskedFill", value, x.code);
  return select(mask, value, x, x.code);
}

/** The method form of {@link where}: `x` where the condition holds, else `other`. Source: `torch.Tensor.where`. */
export function whereOf(x: Tensor, condition: Tensor, other: Operand): Tensor {
  return where(condition, x, other);
}
