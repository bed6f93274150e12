/** softmax and logSoftmax along one dimension: fused, shifted by the maximum, right at every order. */

import { defineOp, run } from "../autograd/op.js";
import { codeOf, type DType, isFloat, nameOf, SIZES } from "../tensor/dtype.js";
import { DTypeError, ShapeError } from "../tensor/errors.js";
import { enqueue, GRAIN, inPieces, type KernelTable, kernelFor, kernelTable } from "../tensor/launch.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { contiguous, empty, ptr } from "../tensor/raw.js";
import { numelOf, wrapDim } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { mul, neg, sub } from "./arithmetic.js";
import { cast } from "./cast.js";
import { exp } from "./exponential.js";
import { sum } from "./sum.js";

const SOFTMAX = kernelTable("softmax");
const LOG_SOFTMAX = kernelTable("logSoftmax");
const SOFTMAX_BACKWARD = kernelTable("softmaxBackward");
const LOG_SOFTMAX_BACKWARD = kernelTable("logSoftmaxBackward");

/** An exponential costs about as much as this many additions. */
const COST = 8;

function along(table: KernelTable, inputs: readonly Tensor[], dim: number): Tensor {
  const data = inputs.map((t) => contiguous(t));
  const x = data[0] as Tensor;
  const out = empty(x.shape, x.code);
  if (x.numel === 0) return out;
  const outer = numelOf(x.shape.slice(0, dim));
  const size = x.shape.length === 0 ? 1 : (x.shape[dim] as number);
  const inner = numelOf(x.shape.slice(dim + 1));
  const ptrs = [...data, out].map((t) => ptr(t));
  if (x.numel * COST < 2 * GRAIN) {
    kernelFor(table, x.code)(...ptrs, outer, size, inner, 0);
    return out;
  }
  const bytes = SIZES[x.code] as number;
  if (outer === 1 && inner > 1) {
    inPieces(inner, Math.ceil(GRAIN / (COST * size)), (first, count) => {
      enqueue(table, x.code, ...ptrs.map((p) => p + first * bytes), 1, size, count, inner);
    });
  } else {
    const row = size * inner * bytes;
    inPieces(outer, Math.ceil(GRAIN / (COST * size * inner)), (first, count) => {
      enqueue(table, x.code, ...ptrs.map((p) => p + first * row), count, size, inner, 0);
    });
  }
  return out;
}

/** log softmax of raw data. @internal */
export function rawLogSoftmax(x: Tensor, dim: number): Tensor {
  return along(LOG_SOFTMAX, [x], dim);
}

const softmaxOp = defineOp<number>({
  name: "Softmax",
  savesOutput: true,
  forward: (x, dim) => along(SOFTMAX, x, dim),
  backward: (g, n) => [softmaxBackward(g, n.output(), n.attrs)], // y (g - sum g y)
});

const softmaxBackwardOp = defineOp<number>({
  name: "SoftmaxBackward",
  saves: true,
  forward: ([g, y], dim) => along(SOFTMAX_BACKWARD, [y as Tensor, g as Tensor], dim),
  backward: (gg, n) => {
    const [g, y, dim] = [n.input(0), n.input(1), n.attrs];
    const over = { dim, keepdim: true };
    const gy = n.needs(1) ? sub(mul(gg, sub(g, sum(mul(g, y), over))), mul(g, sum(mul(gg, y), over))) : null;
    return [softmaxBackward(gg, y, dim), gy];
  },
});

function softmaxBackward(g: Tensor, y: Tensor, dim: number): Tensor {
  return run(softmaxBackwardOp, [g, y], dim);
}

const logSoftmaxOp = defineOp<number>({
  name: "LogSoftmax",
  savesOutput: true,
  forward: (x, dim) => along(LOG_SOFTMAX, x, dim),
  backward: (g, n) => [logSoftmaxBackward(g, n.output(), n.attrs)], // g - exp(y) sum g
});

const logSoftmaxBackwardOp = defineOp<number>({
  name: "LogSoftmaxBackward",
  saves: true,
  forward: ([g, y], dim) => along(LOG_SOFTMAX_BACKWARD, [y as Tensor, g as Tensor], dim),
  backward: (gg, n) => {
    const [g, y, dim] = [n.input(0), n.input(1), n.attrs];
    const over = { dim, keepdim: true };
    const p = exp(y);
    const gy = n.needs(1) ? neg(mul(mul(gg, p), sum(g, over))) : null;
    return [sub(gg, sum(mul(gg, p), over)), gy];
  },
});

function logSoftmaxBackward(g: Tensor, y: Tensor, dim: number): Tensor {
  return run(logSoftmaxBackwardOp, [g, y], dim);
}

/** Options of {@link softmax} and {@link logSoftmax}. */
export interface SoftmaxOptions {
  /** Dimension along which the results sum to one. */
  dim?: number;
  /** Cast the input to this first. */
  dtype?: DType;
}

const SOFTMAX_OPTIONS: OptionNames<SoftmaxOptions> = { dim: 1, dtype: 1 };

function prepare(
  op: string,
  x: Tensor,
  dim: number | SoftmaxOptions | undefined,
  options: SoftmaxOptions | undefined,
): [Tensor, number] {
  checkNames(op, dim, SOFTMAX_OPTIONS);
  checkOptions(op, options, SOFTMAX_OPTIONS);
  const o = typeof dim === "number" ? { ...options, dim } : { ...dim, ...options };
  if (o.dim === undefined || o.dim === null)
    throw new ShapeError(`[${op}] the dimension is missing; try ${op}(x, -1)`);
  if (o.dtype === undefined && !isFloat(x.code)) {
    throw new DTypeError(
      `[${op}] expected a floating dtype, got ${nameOf(x.code)}; try { dtype: "float32" }, which casts first`,
    );
  }
  const code = o.dtype === undefined ? x.code : codeOf(o.dtype);
  return [cast(x, code), wrapDim(op, o.dim, x.shape.length)];
}

/**
 * exp(x) / sum exp(x) along a dimension. Source: `torch.softmax`.
 * @example
 * softmax(tensor([0.5, 0.5]), 0).toArray(); // [0.5, 0.5]
 */
export function softmax(x: Tensor, dim?: number | SoftmaxOptions, options?: SoftmaxOptions): Tensor {
  const [input, d] = prepare("softmax", x, dim, options);
  return run(softmaxOp, [input], d);
}

/** x - log sum exp(x) along a dimension. Source: `torch.log_softmax`. */
export function logSoftmax(x: Tensor, dim?: number | SoftmaxOptions, options?: SoftmaxOptions): Tensor {
  const [input, d] = prepare("logSoftmax", x, dim, options);
  return run(logSoftmaxOp, [input], d);
}

/** softmax of -x. Source: `torch.nn.functional.softmin`. */
export function softmin(x: Tensor, dim?: number | SoftmaxOptions, options?: SoftmaxOptions): Tensor {
  const [input, d] = prepare("softmin", x, dim, options);
  // Integers are negated before they are cast: those of uint8 wrap, as in PyTorch.
  return run(softmaxOp, [isFloat(x.code) ? neg(input) : cast(neg(x), input.code)], d);
}
