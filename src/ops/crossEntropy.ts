/**
 * Classification losses: cross entropy from logits and negative log likelihood from log-probabilities, with class
 * weights, ignored targets and label smoothing. Fused for class targets; probabilities as targets are composed.
 */

import type { Node } from "../autograd/node.js";
import { defineOp, type Op, run } from "../autograd/op.js";
import { kernels } from "../kernels/index.js";
import { type DTypeCode, INT64, isFloat, nameOf, UINT8 } from "../tensor/dtype.js";
import { DTypeError, IndexError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { release } from "../tensor/heap.js";
import { enqueue, GRAIN, inPieces, type KernelTable, kernelFor, kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { castTo, contiguous, empty, full, ptr, readAt } from "../tensor/raw.js";
import { numelOf, type Shape, sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul, neg, sub } from "./arithmetic.js";
import { cast } from "./cast.js";
import { ne } from "./compare.js";
import { checkNoGradient, needTensor } from "./core.js";
import { scatter } from "./gather.js";
import {
  checkFloat,
  chunkedSum,
  freeCopy,
  type LossOptions,
  type Reduction,
  reduceLoss,
  reductionOf,
} from "./lossCore.js";
import { logSoftmax, rawLogSoftmax, softmax } from "./softmax.js";
import { sum } from "./sum.js";
import { reshape, unsqueeze } from "./view.js";
import { where } from "./where.js";

const NLL = kernelTable("nllForward");
const NLL_BACKWARD = kernelTable("nllBackward");
const CROSS_ENTROPY_BACKWARD = kernelTable("crossEntropyBackward");
const SUM_CHUNKS = kernelTable("sumChunks");

/** An exponential costs about as much as this many additions. */
const EXP_COST = 8;

/** Input [N, C, S], targets [N, S]; the class dimension is `dim`. */
interface Classes {
  readonly dim: number;
  readonly N: number;
  readonly C: number;
  readonly S: number;
  readonly ignoreIndex: number;
  readonly smoothing: number;
  readonly reduction: Reduction;
  /** Divisor of a mean: the sum of the weights of the targets that count. Set by the forward. */
  divisor: number;
}

const without = (shape: Shape, dim: number): Shape => shape.filter((_, d) => d !== dim);

/** Calls `kernel(pointers..., n0, n1, ...)` for parts of the batch, side by side when there is much to do. */
function overBatch(
  table: KernelTable,
  code: number,
  N: number,
  cost: number,
  args: (n0: number, n1: number) => number[],
): void {
  if (N * cost < 2 * GRAIN) kernelFor(table, code)(...args(0, N));
  else inPieces(N, Math.ceil(GRAIN / cost), (n0, count) => enqueue(table, code, ...args(n0, n0 + count)));
}

/** Reduced losses from raw log-probabilities; sets the divisor of a mean. */
function nllOfRaw(
  logp: Tensor,
  target: Tensor,
  weight: Tensor | undefined,
  shape: Shape,
  a: Classes,
): Tensor {
  const { N, C, S } = a;
  const losses = empty(shape, logp.code);
  const used = a.reduction === "mean" ? empty(shape, logp.code) : null;
  const w = weight === undefined ? null : contiguous(weight);
  const at = [ptr(logp), ptr(target), w === null ? 0 : ptr(w), ptr(losses), used === null ? 0 : ptr(used)];
  overBatch(NLL, logp.code, N, a.smoothing === 0 ? S : C * S, (n0, n1) => [
    ...at,
    C,
    S,
    n0,
    n1,
    a.ignoreIndex,
    a.smoothing,
  ]);
  if (w !== null && weight !== undefined) freeCopy(w, weight);
  if (a.reduction === "none") return losses;
  const total = (t: Tensor) => chunkedSum(SUM_CHUNKS, [t], [t.numel, 1]);
  let value = total(losses);
  if (used !== null) {
    a.divisor = total(used);
    value /= a.divisor;
    release(used.storage);
  }
  release(losses.storage);
  return full([], value, logp.code);
}

/** The kernel arguments of an incoming gradient: pointer, step per sample, factor. */
function incoming(g: Tensor, a: Classes): [at: number, step: number, scale: number] {
  return [ptr(g), a.reduction === "none" ? 1 : 0, a.reduction === "mean" ? 1 / a.divisor : 1];
}

const nllOp: Op<Classes> = defineOp<Classes>({
  name: "NllLoss",
  saves: [1, 2],
  forward: ([x, target, weight], a) => {
    const logp = contiguous(x as Tensor);
    const out = nllOfRaw(logp, target as Tensor, weight, without(logp.shape, a.dim), a);
    freeCopy(logp, x as Tensor);
    return out;
  },
  backward: (g, n) => [run(nllBackwardOp, [g, ...constantsOf(n, 1)], { a: n.attrs, shape: n.shape(0) })],
});

/** The saved target and weight (inputs `from` and `from` + 1). */
function constantsOf<A>(n: Node<A>, from: number): Tensor[] {
  return n.shapes.length > from + 1 ? [n.input(from), n.input(from + 1)] : [n.input(from)];
}

const nllBackwardOp = defineOp<{ a: Classes; shape: Shape }>({
  name: "NllLossBackward",
  saves: [1, 2],
  forward: ([g, target, weight], { a, shape }) => {
    const grad = contiguous(g as Tensor);
    const w = weight === undefined ? null : contiguous(weight);
    const out = empty(shape, grad.code);
    const tail = [ptr(target as Tensor), w === null ? 0 : ptr(w), ptr(out), a.C, a.S];
    const head = incoming(grad, a);
    overBatch(NLL_BACKWARD, out.code, a.N, a.C * a.S, (n0, n1) => [...head, ...tail, n0, n1, a.ignoreIndex]);
    freeCopy(grad, g as Tensor);
    return out;
  },
  // Linear in g, and the loss is linear in its input: the derivative of one is the other.
  backward: (gg, n) => [run(nllOp, [gg, ...constantsOf(n, 1)], n.attrs.a)],
});

const crossEntropyOp = defineOp<Classes>({
  name: "CrossEntropyLoss",
  saves: true,
  forward: ([x, target, weight], a, ctx) => {
    const input = x as Tensor;
    const logp = rawLogSoftmax(input, a.dim);
    const out = nllOfRaw(logp, target as Tensor, weight, without(input.shape, a.dim), a);
    if (ctx.recording) ctx.keep(logp);
    else release(logp.storage);
    return out;
  },
  backward: (g, n) => [
    run(crossEntropyBackwardOp, [g, n.input(0), n.extra[0] as Tensor, ...constantsOf(n, 1)], n.attrs),
  ],
});

const crossEntropyBackwardOp = defineOp<Classes>({
  name: "CrossEntropyLossBackward",
  saves: [0, 1, 3, 4],
  forward: ([g, , logp, target, weight], a) => {
    const grad = contiguous(g as Tensor);
    const w = weight === undefined ? null : contiguous(weight);
    const p = logp as Tensor;
    const out = empty(p.shape, p.code);
    const tail = [ptr(target as Tensor), w === null ? 0 : ptr(w), ptr(out), a.C, a.S];
    const head = [ptr(p), ...incoming(grad, a)];
    overBatch(CROSS_ENTROPY_BACKWARD, p.code, a.N, a.C * a.S * EXP_COST, (n0, n1) => [
      ...head,
      ...tail,
      n0,
      n1,
      a.ignoreIndex,
      a.smoothing,
    ]);
    freeCopy(grad, g as Tensor);
    return out;
  },
  // gx = s g (p Q - q) with p = softmax(x) and Q = sum q: dg = s sum (p Q - q) gg, dp = s g Q gg
  backward: (gg, n) => {
    const a = n.attrs;
    const over = { dim: a.dim, keepdim: true };
    const [target, weight] = constantsOf(n, 3);
    const q = targetWeights(target as Tensor, weight, n.shape(1), gg.code, a);
    const all = sum(q, over);
    const p = softmax(n.input(1), a.dim);
    const scaled = a.reduction === "mean" ? div(gg, a.divisor) : gg;
    const grads: (Tensor | null)[] = [null, null];
    if (n.needs(0)) grads[0] = sum(mul(scaled, sub(mul(p, all), q)), { dim: a.dim });
    if (n.needs(1)) {
      const g = a.reduction === "none" ? unsqueeze(n.input(0), a.dim) : n.input(0);
      const forP = mul(mul(scaled, g), all);
      grads[1] = mul(p, sub(forP, sum(mul(forP, p), over))); // through the softmax
    }
    return grads;
  },
});

/** q of the loss -sum q_c logp_c: (1 - smoothing) w_t [c = t] + smoothing / C w_c, and 0 where ignored. */
function targetWeights(
  target: Tensor,
  weight: Tensor | undefined,
  shape: Shape,
  code: DTypeCode,
  a: Classes,
): Tensor {
  const counts = ne(target, a.ignoreIndex);
  const at = unsqueeze(where(counts, target, 0), a.dim);
  let q: Tensor = scatter(full(shape, 0, code), a.dim, at, 1 - a.smoothing);
  if (weight !== undefined) q = mul(q, perClass(weight, shape, a.dim));
  if (a.smoothing !== 0) {
    const even = mul(
      weight === undefined ? full([], 1, code) : perClass(weight, shape, a.dim),
      a.smoothing / a.C,
    );
    q = add(q, even);
  }
  return mul(q, cast(unsqueeze(counts, a.dim), code));
}

/** A vector of C values as a tensor that broadcasts along the class dimension. */
function perClass(weight: Tensor, shape: Shape, dim: number): Tensor {
  return reshape(
    weight,
    shape.map((n, d) => (d === dim ? n : 1)),
  );
}

function checkWeight(op: string, weight: Tensor | null, input: Tensor, classes: number): void {
  if (weight === null) return;
  if (weight.code !== input.code) {
    throw new DTypeError(
      `[${op}] weight of dtype ${nameOf(weight.code)}: expected ${nameOf(input.code)}, the input's`,
    );
  }
  if (weight.shape.length !== 1 || weight.shape[0] !== classes) {
    throw new ShapeError(
      `[${op}] weight of shape ${show(weight.shape)}: expected [${classes}], a value for each class`,
    );
  }
}

/** Class targets as contiguous int64, checked against the input. */
function classTarget(op: string, input: Tensor, target: Tensor, dim: number, ignoreIndex: number): Tensor {
  const expected = without(input.shape, dim);
  if (!sameShape(target.shape, expected)) {
    throw new ShapeError(
      `[${op}] target of shape ${show(target.shape)} does not fit an input of shape ${show(input.shape)}: expected ` +
        `${show(expected)}, a class for each sample (classes are dimension ${dim} of the input)`,
    );
  }
  if (target.code !== INT64 && target.code !== UINT8) {
    throw new DTypeError(
      `[${op}] targets are class indices of dtype int64, got ${nameOf(target.code)}; try target.to("int64")`,
    );
  }
  const t = contiguous(castTo(target, INT64));
  const C = input.shape[dim] as number;
  const bad = t.numel === 0 ? -1 : kernels.checkTarget(ptr(t), t.numel, C, ignoreIndex);
  if (bad < 0) return t;
  const value = readAt(t, t.storageOffset + bad);
  const place: number[] = [];
  for (let rest = bad, d = t.shape.length - 1; d >= 0; d--) {
    const size = t.shape[d] as number;
    place.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  throw new IndexError(
    `[${op}] target ${value} at index ${show(place)} is out of range: the input has ${C} classes, ` +
      `expected 0 to ${C - 1}, or ignoreIndex (${ignoreIndex})`,
  );
}

function classDim(op: string, input: Tensor): number {
  if (input.shape.length === 0) {
    throw new ShapeError(`[${op}] expected an input of shape [C], [N, C] or [N, C, ...], got a 0-d tensor`);
  }
  return input.shape.length === 1 ? 0 : 1;
}

function classes(
  input: Tensor,
  dim: number,
  ignoreIndex: number,
  smoothing: number,
  reduction: Reduction,
): Classes {
  const [N, S] = [numelOf(input.shape.slice(0, dim)), numelOf(input.shape.slice(dim + 1))];
  return { dim, N, C: input.shape[dim] as number, S, ignoreIndex, smoothing, reduction, divisor: 1 };
}

/** Options of {@link nllLoss}. */
export interface NllLossOptions extends LossOptions {
  /** Factor per class [C], of the input's dtype; a mean is divided by the sum of the factors used. */
  weight?: Tensor | null;
  /** Targets of this value count for nothing (default -100). */
  ignoreIndex?: number;
}

/** @internal */
export const NLL_LOSS_OPTIONS: OptionNames<NllLossOptions> = { weight: 1, ignoreIndex: 1, reduction: 1 };

/**
 * -weight[t] * input[t], averaged over the targets that are not ignored (NaN when all are).
 * Input [N, C, ...] (log-probabilities), target [N, ...]; or [C] and []. Source: `torch.nn.functional.nll_loss`.
 * @throws IndexError naming the first target out of range, ShapeError, DTypeError.
 */
export function nllLoss(input: Tensor, target: Tensor, options: NllLossOptions = {}): Tensor {
  needTensor("nllLoss", input);
  needTensor("nllLoss", target, "target");
  checkOptions("nllLoss", options, NLL_LOSS_OPTIONS);
  const op = "nllLoss";
  const reduction = reductionOf(op, options);
  const { weight = null, ignoreIndex = -100 } = options;
  checkFloat(op, "input", input);
  const dim = classDim(op, input);
  checkWeight(op, weight, input, input.shape[dim] as number);
  const t = classTarget(op, input, target, dim, ignoreIndex);
  checkNoGradient(op, "weight", weight);
  const inputs = weight === null ? [input, t] : [input, t, weight.detach()];
  return run(nllOp, inputs, classes(input, dim, ignoreIndex, 0, reduction));
}

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions extends NllLossOptions {
  /** Part of the target spread evenly over all classes, in [0, 1] (default 0). */
  labelSmoothing?: number;
}

/** @internal */
export const CROSS_ENTROPY_OPTIONS: OptionNames<CrossEntropyOptions> = {
  ...NLL_LOSS_OPTIONS,
  labelSmoothing: 1,
};

/**
 * Cross entropy between logits [N, C, ...] (or [C]) and targets: class indices [N, ...] of int64, or probabilities in
 * the shape of the input. With class indices it is `nllLoss(logSoftmax(input, 1), target)` in one pass; a mean is over
 * the targets that are not ignored. Source: `torch.nn.functional.cross_entropy`.
 * @example
 * crossEntropy(tensor([[0, 0, 0, 0]], { dtype: "float32" }), tensor([2])).item(); // 1.3862943649291992
 * @throws IndexError naming the first target out of range, ShapeError, DTypeError, ValueError.
 */
export function crossEntropy(input: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  needTensor("crossEntropy", input);
  needTensor("crossEntropy", target, "target");
  checkOptions("crossEntropy", options, CROSS_ENTROPY_OPTIONS);
  const op = "crossEntropy";
  const reduction = reductionOf(op, options);
  const { weight = null, ignoreIndex = -100, labelSmoothing: smoothing = 0 } = options;
  if (!(smoothing >= 0 && smoothing <= 1)) {
    throw new ValueError(`[${op}] labelSmoothing ${smoothing}: expected a number in [0, 1]`);
  }
  checkFloat(op, "input", input);
  const dim = classDim(op, input);
  const C = input.shape[dim] as number;
  checkWeight(op, weight, input, C);
  if (sameShape(input.shape, target.shape)) {
    if (!isFloat(target.code)) {
      throw new DTypeError(
        `[${op}] a target in the shape of the input holds probabilities: expected a floating dtype, got ` +
          `${nameOf(target.code)}; try class indices of shape ${show(without(input.shape, dim))}`,
      );
    }
    if (ignoreIndex >= 0)
      throw new ValueError(`[${op}] ignoreIndex ${ignoreIndex} means nothing for probabilities as targets`);
    return probabilityLoss(input, target, weight, smoothing, dim, reduction);
  }
  const t = classTarget(op, input, target, dim, ignoreIndex);
  checkNoGradient(op, "weight", weight);
  const inputs = weight === null ? [input, t] : [input, t, weight.detach()];
  return run(crossEntropyOp, inputs, classes(input, dim, ignoreIndex, smoothing, reduction));
}

function probabilityLoss(
  input: Tensor,
  target: Tensor,
  weight: Tensor | null,
  smoothing: number,
  dim: number,
  reduction: Reduction,
): Tensor {
  const C = input.shape[dim] as number;
  const y = smoothing === 0 ? target : add(mul(target, 1 - smoothing), smoothing / C);
  const terms = mul(logSoftmax(input, dim), y);
  const losses = neg(sum(weight === null ? terms : mul(terms, perClass(weight, input.shape, dim)), { dim }));
  return reduceLoss(losses, reduction);
}

/** {@link crossEntropy} with class targets in plain ops, as the reference in tests. */
export function crossEntropyComposed(
  input: Tensor,
  target: Tensor,
  options: CrossEntropyOptions = {},
): Tensor {
  const { weight = null, ignoreIndex = -100, labelSmoothing = 0, reduction = "mean" } = options;
  const dim = classDim("crossEntropy", input);
  const a = classes(input, dim, ignoreIndex, labelSmoothing, reduction);
  const q = targetWeights(target, weight ?? undefined, input.shape, input.code, a);
  const losses = neg(sum(mul(q, logSoftmax(input, dim)), { dim }));
  if (reduction !== "mean") return reduceLoss(losses, reduction);
  const hard = targetWeights(target, weight ?? undefined, input.shape, input.code, { ...a, smoothing: 0 });
  return div(sum(losses), sum(hard));
}
