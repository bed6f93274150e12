/** Exponentials, logarithms and the functions made of them. */
import { defineOp, type Op, run } from "../autograd/op.js";
import { kernelTable } from "../tensor/launch.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul, sub } from "./arithmetic.js";
import { type Binary, binary, floatOnly, floatUnary, mapFlat, type Unary } from "./core.js";

/** Elementwise e^x. Source: `torch.exp`. */
export const exp: Unary = floatUnary("exp", {
  savesOutput: true,
  backward: (g, n) => mul(g, n.output()), // d e^x = e^x dx
});

/** Elementwise 2^x. Source: `torch.exp2`. */
export const exp2: Unary = floatUnary("exp2", {
  savesOutput: true,
  backward: (g, n) => mul(g, mul(n.output(), Math.LN2)), // d 2^x = 2^x ln 2 dx
});

/** Elementwise e^x - 1, exact for small x. Source: `torch.expm1`. */
export const expm1: Unary = floatUnary("expm1", {
  savesOutput: true,
  backward: (g, n) => mul(g, add(n.output(), 1)), // d (e^x - 1) = ((e^x - 1) + 1) dx
});

/** Elementwise natural logarithm. Source: `torch.log`. */
export const log: Unary = floatUnary("log", {
  saves: true,
  backward: (g, n) => div(g, n.input(0)), // d ln x = dx / x
});

/** Elementwise ln(1 + x), exact for small x. Source: `torch.log1p`. */
export const log1p: Unary = floatUnary("log1p", {
  saves: true,
  backward: (g, n) => div(g, add(n.input(0), 1)), // d ln(1 + x) = dx / (1 + x)
});

/** Elementwise logarithm to base 2. Source: `torch.log2`. */
export const log2: Unary = floatUnary("log2", {
  saves: true,
  backward: (g, n) => div(g, mul(n.input(0), Math.LN2)), // d log2 x = dx / (x ln 2)
});

/** Elementwise logarithm to base 10. Source: `torch.log10`. */
export const log10: Unary = floatUnary("log10", {
  saves: true,
  backward: (g, n) => div(g, mul(n.input(0), Math.LN10)), // d log10 x = dx / (x ln 10)
});

/** g times the slope at the output y, in one pass; `bend` is the derivative of the slope by y. */
function slopeOp(kernel: string, name: string, bend: (y: Tensor) => Tensor): Op {
  const table = kernelTable(kernel);
  const op: Op = defineOp({
    name,
    saves: true,
    forward: ([g, y]) =>
      mapFlat(table, [g as Tensor, y as Tensor], (y as Tensor).shape, (y as Tensor).code, 1),
    backward: (gg, n) => [
      n.needs(0) ? run(op, [gg, n.input(1)], null) : null,
      n.needs(1) ? mul(mul(gg, n.input(0)), bend(n.input(1))) : null,
    ],
  });
  return op;
}

const sigmoidSlope = slopeOp("sigmoidBackward", "SigmoidBackward", (y) => sub(1, mul(y, 2)));

/** Elementwise 1 / (1 + e^-x). Source: `torch.sigmoid`. */
export const sigmoid: Unary = floatUnary("sigmoid", {
  savesOutput: true,
  backward: (g, n) => run(sigmoidSlope, [g, n.output()], null), // d s = s (1 - s) dx
});

const tanhSlope = slopeOp("tanhBackward", "TanhBackward", (y) => mul(y, -2));

/** Elementwise hyperbolic tangent. Source: `torch.tanh`. */
export const tanh: Unary = floatUnary("tanh", {
  savesOutput: true,
  backward: (g, n) => run(tanhSlope, [g, n.output()], null), // d tanh x = (1 - tanh^2 x) dx
});

/** Elementwise ln(e^a + e^b), without overflow. Floating dtypes only. Source: `torch.logaddexp`. */
export const logaddexp: Binary = binary(
  "logaddexp",
  {
    cost: 16,
    saves: true,
    // d ln(e^a + e^b) = s(a - b) da + s(b - a) db, s = sigmoid
    backward: [
      (g, n) => mul(g, sigmoid(sub(n.input(0), n.input(1)))),
      (g, n) => mul(g, sigmoid(sub(n.input(1), n.input(0)))),
    ],
  },
  floatOnly("logaddexp"),
);

/** Elementwise log2(2^a + 2^b), without overflow. Floating dtypes only. Source: `torch.logaddexp2`. */
export const logaddexp2: Binary = binary(
  "logaddexp2",
  {
    cost: 16,
    saves: true,
    // d log2(2^a + 2^b) = da / (1 + 2^(b - a)) + db / (1 + 2^(a - b))
    backward: [
      (g, n) => div(g, add(exp2(sub(n.input(1), n.input(0))), 1)),
      (g, n) => div(g, add(exp2(sub(n.input(0), n.input(1))), 1)),
    ],
  },
  floatOnly("logaddexp2"),
);
