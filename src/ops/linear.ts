/** The affine map x W^T + b as one op on the matrix product kernel, and Bilinear. */

import { defineOp, run } from "../autograd/op.js";
import { isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show } from "../tensor/errors.js";
import { checkNames, type OptionNames } from "../tensor/options.js";
import { contiguous as compact, empty, fillWith, viewOf } from "../tensor/raw.js";
import { numelOf } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { add } from "./arithmetic.js";
import { needTensor } from "./core.js";
import { gemmInto } from "./gemm.js";
import { bmm, matmul, mm } from "./matmul.js";
import { reshape, squeeze, transpose, unsqueeze } from "./view.js";

/** A raw tensor as rows over its last dimension, without a copy where the strides allow it. */
function asRows(t: Tensor): Tensor {
  if (t.shape.length === 2) return t;
  const src = compact(t);
  const width = t.shape[t.shape.length - 1] as number;
  return viewOf(
    src,
    [width === 0 ? numelOf(t.shape.slice(0, -1)) : t.numel / width, width],
    null,
    src.storageOffset,
  );
}

function transposed(t: Tensor): Tensor {
  const [rows, cols] = t.shape as [number, number];
  const [r, c] = t.strides as [number, number];
  return viewOf(t, [cols, rows], [c, r], t.storageOffset);
}

const linearOp = defineOp({
  name: "Linear",
  saves: [0, 1],
  forward: ([x, w, b]) => {
    const input = x as Tensor;
    const weight = w as Tensor;
    const width = weight.shape[0] as number;
    const out = empty([...input.shape.slice(0, -1), width], input.code);
    if (out.numel === 0) return out;
    const rows = viewOf(out, [out.numel / width, width], null, 0);
    if (weight.shape[1] === 0) fillWith(out, 0);
    const bias = b === undefined ? null : compact(b);
    gemmInto(rows, asRows(input), transposed(weight), weight.shape[1] === 0, bias, bias === null ? 0 : 1);
    return out;
  },
  // y = x W^T + b: gx = g W, gW = g^T x over all rows, gb = g summed over all rows (by the engine)
  backward: (g, n) => [
    n.needs(0) ? affine(g, transpose(n.input(1), 0, 1), null) : null,
    n.needs(1) ? outerSum(g, n.input(0)) : null,
    g,
  ],
});

function affine(x: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  return run(linearOp, bias === null ? [x, weight] : [x, weight, bias], null);
}

function flatRows(x: Tensor): Tensor {
  const width = x.shape.at(-1) as number;
  return x.shape.length === 2 ? x : reshape(x, [numelOf(x.shape.slice(0, -1)), width]);
}

/** g^T x, summed over all leading dimensions. */
function outerSum(g: Tensor, x: Tensor): Tensor {
  return mm(transpose(flatRows(g), 0, 1), flatRows(x));
}

function checkDtypes(x: Tensor, weight: Tensor, bias: Tensor | null): void {
  if (x.code === weight.code && (bias === null || bias.code === weight.code)) return;
  const types = [x, weight, ...(bias === null ? [] : [bias])].map((t) => nameOf(t.code));
  const orModule = isFloat(x.code) ? `, or module.to("${nameOf(x.code)}")` : "";
  throw new DTypeError(
    `[linear] expected input, weight and bias of one dtype, got ${types.join(", ")}; ` +
      `try input.to("${nameOf(weight.code)}")${orModule}`,
  );
}

function checkShapes(x: Tensor, weight: Tensor, bias: Tensor | null): void {
  const inner = weight.shape.at(-1) as number;
  const outer = weight.shape.length === 2 ? (weight.shape[0] as number) : null;
  if (
    x.shape.length === 0 ||
    weight.shape.length === 0 ||
    weight.shape.length > 2 ||
    x.shape.at(-1) !== inner
  ) {
    throw new ShapeError(
      `[linear] got input ${show(x.shape)} and weight ${show(weight.shape)}: expected an input whose last dimension is ` +
        `${inner}, the weight's last; try input.reshape([-1, ${inner}]), or a layer of other sizes`,
    );
  }
  if (bias === null) return;
  const fits =
    bias.shape.length === 0 || (bias.shape.length === 1 && (bias.shape[0] === outer || bias.shape[0] === 1));
  if (!fits) {
    throw new ShapeError(
      `[linear] got bias ${show(bias.shape)} with weight ${show(weight.shape)}: expected ${outer === null ? "[]" : `[${outer}]`}`,
    );
  }
}

/** Options of {@link linear}. */
export interface LinearOptions {
  /** Added to every row, of shape (out) (default: none). */
  bias?: Tensor | null;
}

const LINEAR_OPTIONS: OptionNames<LinearOptions> = { bias: 1 };

/**
 * y = x W^T + b. x: (*, in), weight: (out, in) or (in), bias: (out) or (); y: (*, out) or (*).
 * Source: `torch.nn.functional.linear`.
 * @throws ShapeError when the last dimensions differ, DTypeError when the dtypes do.
 * @example
 * linear(ones([2, 3]), ones([4, 3])).shape; // [2, 4]
 */
export function linear(x: Tensor, weight: Tensor, options?: Tensor | LinearOptions | null): Tensor {
  needTensor("linear", x);
  needTensor("linear", weight, "weight");
  checkNames("linear", options, LINEAR_OPTIONS);
  const bias =
    options === undefined || options === null
      ? null
      : "storage" in options
        ? options
        : (options.bias ?? null);
  checkDtypes(x, weight, bias);
  checkShapes(x, weight, bias);
  const fused =
    isFloat(x.code) && weight.shape.length === 2 && (bias === null || bias.shape[0] === weight.shape[0]);
  return fused ? affine(x, weight, bias) : composed.linear(x, weight, bias);
}

/** The same functions made of plain ops: the oracles of the fused ones. @internal */
export const composed = {
  linear(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
    const y = matmul(x, weight.shape.length === 2 ? transpose(weight, 0, 1) : weight);
    return bias === null ? y : add(y, bias);
  },
};

/**
 * y_k = x1^T W_k x2 + b_k. input1: (*, in1), input2: (*, in2), weight: (out, in1, in2), bias: (out); y: (*, out).
 * Source: `torch.nn.functional.bilinear`.
 * @throws ShapeError when the shapes do not fit.
 */
export function bilinear(
  input1: Tensor,
  input2: Tensor,
  weight: Tensor,
  options?: Tensor | LinearOptions | null,
): Tensor {
  needTensor("bilinear", input1, "input1");
  needTensor("bilinear", input2, "input2");
  needTensor("bilinear", weight, "weight");
  checkNames("bilinear", options, LINEAR_OPTIONS);
  const bias =
    options === undefined || options === null
      ? null
      : "storage" in options
        ? options
        : (options.bias ?? null);
  const lead = input1.shape.slice(0, -1);
  const sameLead = input1.shape.length === input2.shape.length && lead.every((n, d) => n === input2.shape[d]);
  const fits =
    weight.shape.length === 3 &&
    input1.shape.at(-1) === weight.shape[1] &&
    input2.shape.at(-1) === weight.shape[2];
  if (
    !sameLead ||
    !fits ||
    (bias !== null && (bias.shape.length !== 1 || bias.shape[0] !== weight.shape[0]))
  ) {
    throw new ShapeError(
      `[bilinear] got inputs ${show(input1.shape)} and ${show(input2.shape)}, weight ${show(weight.shape)}` +
        `${bias === null ? "" : `, bias ${show(bias.shape)}`}: expected (*, in1), (*, in2), (out, in1, in2), (out)`,
    );
  }
  const [out, in1, in2] = weight.shape as [number, number, number];
  const n = numelOf(lead);
  // First W_k x2 for all k at once, then each row with its x1: PyTorch's roundings.
  const right = mm(reshape(input2, [n, in2]), transpose(reshape(weight, [out * in1, in2]), 0, 1));
  const y = squeeze(bmm(reshape(right, [n, out, in1]), unsqueeze(reshape(input1, [n, in1]), 2)), 2);
  const shaped = reshape(y, [...lead, out]);
  return bias === null ? shaped : add(shaped, bias);
}
