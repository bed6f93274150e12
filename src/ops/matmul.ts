/** Matrix products on the packed GEMM kernel: mm, bmm, matmul, mv, dot, outer and the add-forms. */

import { defineOp, run } from "../autograd/op.js";
import { BOOL, FLOAT64, isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { empty, full } from "../tensor/raw.js";
import { broadcastShapes, numelOf, type Shape, sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, mul } from "./arithmetic.js";
import { cast } from "./cast.js";
import { needTensor, promote, type Scalar } from "./core.js";
import { bmmInto, gemmInto } from "./gemm.js";
import { sum } from "./sum.js";
import { expand, reshape, squeeze, transpose, unsqueeze } from "./view.js";
import { maskedFill } from "./where.js";

const mmOp = defineOp({
  name: "Mm",
  saves: true,
  forward: ([a, b]) => {
    const x = a as Tensor;
    const y = b as Tensor;
    const out = empty([x.shape[0] as number, y.shape[1] as number], x.code);
    gemmInto(out, x, y);
    return out;
  },
  // d(AB) = dA B + A dB: gA = g B^T, gB = A^T g
  backward: (g, n) => [
    n.needs(0) ? product2(g, transpose(n.input(1), 0, 1)) : null,
    n.needs(1) ? product2(transpose(n.input(0), 0, 1), g) : null,
  ],
});

function product2(a: Tensor, b: Tensor): Tensor {
  return run(mmOp, [a, b], null);
}

const bmmOp = defineOp({
  name: "Bmm",
  saves: true,
  forward: ([a, b]) => {
    const x = a as Tensor;
    const y = b as Tensor;
    const [batch, m, k] = x.shape as [number, number, number];
    const n = y.shape[2] as number;
    const out = empty([batch, m, n], x.code);
    if (out.numel > 0) bmmInto(out, x, y, batch, m, n, k);
    return out;
  },
  backward: (g, n) => [
    n.needs(0) ? product3(g, transpose(n.input(1), 1, 2)) : null,
    n.needs(1) ? product3(transpose(n.input(0), 1, 2), g) : null,
  ],
});

function product3(a: Tensor, b: Tensor): Tensor {
  return run(bmmOp, [a, b], null);
}

function misfit(op: string, a: Tensor, b: Tensor): ShapeError {
  return new ShapeError(
    `[${op}] shapes ${show(a.shape)} and ${show(b.shape)} cannot be multiplied: the inner sizes ` +
      `${a.shape.at(-1)} and ${b.shape.length > 1 ? b.shape.at(-2) : b.shape[0]} differ; try transposing an operand`,
  );
}

function needOperands(op: string, a: unknown, b: unknown): void {
  needTensor(op, a);
  needTensor(op, b, "second operand");
}

/** Checks dtypes of a product; integers are multiplied through float64 (exact below 2^53). */
function numeric(op: string, a: Tensor, b: Tensor): void {
  if (a.code !== b.code) {
    throw new DTypeError(
      `[${op}] expected operands of one dtype, got ${nameOf(a.code)} and ${nameOf(b.code)}; try .to("${nameOf(Math.max(a.code, b.code))}")`,
    );
  }
}

function throughFloat(a: Tensor, b: Tensor, fn: (a: Tensor, b: Tensor) => Tensor): Tensor {
  if (isFloat(a.code)) return fn(a, b);
  return cast(fn(cast(a, FLOAT64), cast(b, FLOAT64)), a.code);
}

/** Product of two matrices. Source: `torch.mm`. */
export function mm(x: Tensor, mat2: Tensor): Tensor {
  needOperands("mm", x, mat2);
  if (x.shape.length !== 2 || mat2.shape.length !== 2) {
    throw new ShapeError(
      `[mm] expected two matrices, got ${show(x.shape)} and ${show(mat2.shape)}; try matmul`,
    );
  }
  if (x.shape[1] !== mat2.shape[0]) throw misfit("mm", x, mat2);
  numeric("mm", x, mat2);
  return throughFloat(x, mat2, product2);
}

/** Products of two batches of matrices, (B, M, K) by (B, K, N). Source: `torch.bmm`. */
export function bmm(x: Tensor, mat2: Tensor): Tensor {
  needOperands("bmm", x, mat2);
  if (x.shape.length !== 3 || mat2.shape.length !== 3 || x.shape[0] !== mat2.shape[0]) {
    throw new ShapeError(
      `[bmm] expected two batches of as many matrices, got ${show(x.shape)} and ${show(mat2.shape)}`,
    );
  }
  if (x.shape[2] !== mat2.shape[1]) throw misfit("bmm", x, mat2);
  numeric("bmm", x, mat2);
  return throughFloat(x, mat2, product3);
}

/** Whether the leading dimensions can be seen as one without a copy. */
function mergesLead(t: Tensor): boolean {
  for (let d = 0; d < t.shape.length - 2; d++) {
    if (t.shape[d] !== 1 && t.strides[d] !== (t.strides[d + 1] as number) * (t.shape[d + 1] as number))
      return false;
  }
  return true;
}

/** The common leading dimensions of two stacks of matrices. */
function batchOf(x: Tensor, other: Tensor): Shape {
  const [a, b] = [x.shape.slice(0, -2), other.shape.slice(0, -2)];
  for (let d = 1; d <= Math.min(a.length, b.length); d++) {
    const [n, m] = [a.at(-d) as number, b.at(-d) as number];
    if (n === m || n === 1 || m === 1) continue;
    throw new ShapeError(
      `[matmul] shapes ${show(x.shape)} and ${show(other.shape)} cannot be multiplied: the leading dimensions ${show(a)} ` +
        `and ${show(b)} cannot be broadcast, expected equal sizes or 1; try reshape or unsqueeze`,
    );
  }
  return broadcastShapes("matmul", a, b);
}

/**
 * Matrix product with broadcasting of the leading dimensions; vectors count as rows (left) or columns (right).
 * Source: `torch.matmul`.
 * @example
 * matmul(ones([2, 3, 4]), ones([4, 5])).shape; // [2, 3, 5]
 */
export function matmul(x: Tensor, other: Tensor): Tensor {
  needOperands("matmul", x, other);
  const [da, db] = [x.shape.length, other.shape.length];
  if (da === 0 || db === 0)
    throw new ShapeError(
      `[matmul] 0-d tensors cannot be multiplied as matrices: got ${show(x.shape)} and ${show(other.shape)}; try mul`,
    );
  if (x.shape.at(-1) !== (db === 1 ? other.shape[0] : other.shape.at(-2))) throw misfit("matmul", x, other);
  numeric("matmul", x, other);
  if (da === 1 && db === 1) return dot(x, other);
  if (da === 1) return squeeze(matmul(unsqueeze(x, 0), other), -2);
  if (db === 1) return squeeze(matmul(x, unsqueeze(other, 1)), -1);
  if (da === 2 && db === 2) return mm(x, other);
  if (db === 2 && mergesLead(x)) {
    const lead = x.shape.slice(0, -1);
    const out = mm(reshape(x, [numelOf(lead), x.shape.at(-1) as number]), other);
    return reshape(out, [...lead, other.shape[1] as number]);
  }
  const batch = batchOf(x, other);
  const flat = (t: Tensor): Tensor => {
    const rest = t.shape.slice(-2);
    return reshape(expand(t, [...batch, ...rest]), [numelOf(batch), ...rest]);
  };
  const out = bmm(flat(x), flat(other));
  return reshape(out, [...batch, x.shape.at(-2) as number, other.shape.at(-1) as number]);
}

/** Matrix times vector. Source: `torch.mv`. */
export function mv(x: Tensor, vec: Tensor): Tensor {
  needOperands("mv", x, vec);
  if (x.shape.length !== 2 || vec.shape.length !== 1) {
    throw new ShapeError(`[mv] expected a matrix and a vector, got ${show(x.shape)} and ${show(vec.shape)}`);
  }
  if (x.shape[1] !== vec.shape[0]) throw misfit("mv", x, vec);
  return squeeze(mm(x, unsqueeze(vec, 1)), 1);
}

/** Sum of the products of two vectors. Source: `torch.dot`. */
export function dot(x: Tensor, other: Tensor): Tensor {
  needOperands("dot", x, other);
  if (x.shape.length !== 1 || other.shape.length !== 1 || x.shape[0] !== other.shape[0]) {
    throw new ShapeError(
      `[dot] expected two vectors of one length, got ${show(x.shape)} and ${show(other.shape)}`,
    );
  }
  numeric("dot", x, other);
  return sum(mul(x, other), { dtype: x.dtype });
}

/** As {@link dot}; for real tensors the same. Source: `torch.vdot`. */
export function vdot(x: Tensor, other: Tensor): Tensor {
  return dot(x, other);
}

/** All products of the elements of two vectors. Source: `torch.outer`. */
export function outer(x: Tensor, vec2: Tensor): Tensor {
  needOperands("outer", x, vec2);
  if (x.shape.length !== 1 || vec2.shape.length !== 1) {
    throw new ShapeError(`[outer] expected two vectors, got ${show(x.shape)} and ${show(vec2.shape)}`);
  }
  return mul(unsqueeze(x, 1), unsqueeze(vec2, 0));
}

/** Options of the add-forms: `beta * input + alpha * product`. */
export interface AddProductOptions {
  /** Factor of the added tensor (default 1); with 0 it is not read, NaN in it included. */
  beta?: Scalar;
  /** Factor of the product (default 1). */
  alpha?: Scalar;
}

const ADD_PRODUCT_OPTIONS: OptionNames<AddProductOptions> = { beta: 1, alpha: 1 };

function addProduct(
  op: string,
  input: Tensor,
  made: Tensor,
  { beta = 1, alpha = 1 }: AddProductOptions,
): Tensor {
  if (!sameShape(broadcastShapes(op, made.shape, input.shape), made.shape)) {
    throw new ShapeError(
      `[${op}] the input of shape ${show(input.shape)} does not broadcast to ${show(made.shape)}, the shape of the product`,
    );
  }
  const whole = !isFloat(promote(input, made));
  const times = (x: Tensor, factor: Scalar): Tensor => {
    if (factor === 1) return x;
    if (x.code === BOOL) return mul(x, Number(factor) !== 0);
    return mul(x, whole ? Math.trunc(Number(factor)) : factor); // integers stay integers
  };
  const scaled = times(made, alpha);
  if (beta !== 0) return add(times(input, beta), scaled);
  // Not read, but part of the graph, with the gradient 0.
  return input.requiresGrad ? add(maskedFill(input, full([], true, BOOL), 0), scaled) : scaled;
}

/** `beta * input + alpha * (mat1 mat2)`. Source: `torch.addmm`. */
export function addmm(input: Tensor, mat1: Tensor, mat2: Tensor, options: AddProductOptions = {}): Tensor {
  checkOptions("addmm", options, ADD_PRODUCT_OPTIONS);
  return addProduct("addmm", input, mm(mat1, mat2), options);
}

/** `beta * input + alpha * (mat vec)`. Source: `torch.addmv`. */
export function addmv(input: Tensor, mat: Tensor, vec: Tensor, options: AddProductOptions = {}): Tensor {
  checkOptions("addmv", options, ADD_PRODUCT_OPTIONS);
  return addProduct("addmv", input, mv(mat, vec), options);
}

/** `beta * input + alpha * outer(vec1, vec2)`. Source: `torch.addr`. */
export function addr(input: Tensor, vec1: Tensor, vec2: Tensor, options: AddProductOptions = {}): Tensor {
  checkOptions("addr", options, ADD_PRODUCT_OPTIONS);
  return addProduct("addr", input, outer(vec1, vec2), options);
}

/** `beta * input + alpha * bmm(batch1, batch2)`. Source: `torch.baddbmm`. */
export function baddbmm(
  input: Tensor,
  batch1: Tensor,
  batch2: Tensor,
  options: AddProductOptions = {},
): Tensor {
  checkOptions("baddbmm", options, ADD_PRODUCT_OPTIONS);
  return addProduct("baddbmm", input, bmm(batch1, batch2), options);
}

/** `beta * input + alpha * sum over the batch of bmm(batch1, batch2)`. Source: `torch.addbmm`. */
export function addbmm(
  input: Tensor,
  batch1: Tensor,
  batch2: Tensor,
  options: AddProductOptions = {},
): Tensor {
  checkOptions("addbmm", options, ADD_PRODUCT_OPTIONS);
  const products = bmm(batch1, batch2);
  return addProduct("addbmm", input, sum(products, { dim: 0, dtype: products.dtype }), options);
}
