/** Dropout with PyTorch's masks: the same seed drops the same elements. */
import { defineOp, run } from "../autograd/op.js";
import { BOOL, isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { kernelTable } from "../tensor/launch.js";
import { bernoulli_, type Source } from "../tensor/random.js";
import { empty, full } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { mul } from "./arithmetic.js";
import { constant, mapBinary, mapUnary } from "./core.js";

const MUL = kernelTable("mul");
const DIV = kernelTable("div");
const ADD = kernelTable("add");
const MUL_SCALAR = kernelTable("mulScalar");
const ADD_SCALAR = kernelTable("addScalar");

/** How a dropout draws and scales. */
export interface DropoutRule {
  readonly p: number;
  /** Drop whole channels (dimensions 0 and 1 choose, the others follow). */
  readonly channels: boolean;
  /** Keep mean and variance, for selu: dropped elements become its lowest value. */
  readonly alpha: boolean;
  readonly generator: Source;
}

/** alpha * scale of selu. */
const ALPHA = 1.7580993408473766;

function drawMask(x: Tensor, { p, channels, generator }: DropoutRule): Tensor {
  const keep = 1 - p;
  // In row-major order whatever the strides of x, as PyTorch draws.
  if (!channels) return bernoulli_(empty(x.shape, x.code), keep, generator);
  const [n, c, ...rest] = x.shape as [number, number, ...number[]];
  return bernoulli_(empty([n, c, ...rest.map(() => 1)], x.code), keep, generator);
}

const dropoutOp = defineOp<DropoutRule>({
  name: "Dropout",
  forward: ([input], rule, ctx) => {
    const x = input as Tensor;
    const { code } = x;
    if (rule.p === 1) {
      const zero = full([], 0, code);
      const out = mapBinary(MUL, "dropout", x, zero, code);
      ctx.keep(zero);
      return out;
    }
    const mask = drawMask(x, rule);
    if (!rule.alpha) {
      const scaled = mapBinary(DIV, "dropout", mask, constant(1 - rule.p, code), code);
      ctx.keep(scaled);
      return mapBinary(MUL, "dropout", x, scaled, code);
    }
    // a (x m + ALPHA (m - 1)) + ALPHA a p, with a so that the variance stays.
    const a = 1 / Math.sqrt((ALPHA * ALPHA * rule.p + 1) * (1 - rule.p));
    const scaled = mapUnary(MUL_SCALAR, mask, 1, code, a);
    const lowered = mapUnary(MUL_SCALAR, mapUnary(ADD_SCALAR, mask, 1, code, -1), 1, code, ALPHA * a);
    const shift = mapUnary(ADD_SCALAR, lowered, 1, code, ALPHA * a * rule.p);
    ctx.keep(scaled);
    return mapBinary(ADD, "dropout", mapBinary(MUL, "dropout", x, scaled, code), shift, code);
  },
  backward: (g, n) => [mul(g, n.extra[0] as Tensor)], // y = m x (+ constant): dy = m dx
});

/** Drops elements or channels of `x`; the input itself when nothing is to be done. @internal */
export function applyDropout(op: string, x: Tensor, training: boolean, rule: DropoutRule): Tensor {
  const { p } = rule;
  if (!(p >= 0 && p <= 1)) throw new ValueError(`[${op}] p must be a probability, from 0 to 1: got ${p}`);
  if (p === 0 || !training || x.numel === 0) return x;
  if (!isFloat(x.code) && p === 1) return mul(x, x.code === BOOL ? false : 0); // nothing has to be scaled
  if (!isFloat(x.code)) {
    throw new DTypeError(`[${op}] expected a floating dtype, got ${nameOf(x.code)}; try x.to("float32")`);
  }
  if (rule.channels && x.shape.length < 2 && p !== 1) {
    throw new ShapeError(
      `[${op}] expected at least 2 dimensions, of which the second has the channels: got ${show(x.shape)}`,
    );
  }
  return run(dropoutOp, [x], rule);
}
