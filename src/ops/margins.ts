/** Losses with a margin: ranking, hinge, multi-class and multi-label margins, cosine embedding, triplets. */

import { BOOL, type DTypeCode, FLOAT32, INT64, isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, IndexError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { fromTyped, toNumbers } from "../tensor/raw.js";
import { broadcastShapes, type Shape, sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul, neg, sub } from "./arithmetic.js";
import { cast } from "./cast.js";
import { clampMin } from "./clamp.js";
import { eq, gt, ne } from "./compare.js";
import { floating, needTensor } from "./core.js";
import { pairwiseDistance } from "./distance.js";
import { minimum } from "./extrema.js";
import { gather, indexSelect } from "./gather.js";
import { meanOfClasses } from "./likelihood.js";
import {
  BCE_OPTIONS,
  type BceOptions,
  binaryCrossEntropyWithLogits,
  softplusOfMinus,
  weigh,
} from "./loss.js";
import {
  checkFloat,
  checkHolds,
  checkSameSize,
  LOSS_OPTIONS,
  type LossOptions,
  reduceLoss,
  reductionOf,
} from "./lossCore.js";
import { sqrt, square } from "./powers.js";
import { sum } from "./sum.js";
import { reshape, unsqueeze } from "./view.js";
import { where } from "./where.js";

/** Options of losses with a margin. */
export interface MarginOptions extends LossOptions {
  /** What a difference must reach for the loss to be 0 (default 1; ranking and cosine embedding: 0). */
  margin?: number;
}

/** @internal */
export const MARGIN_OPTIONS: OptionNames<MarginOptions> = { margin: 1, reduction: 1 };

/** x above 0, else 0 with no gradient, at 0 too. */
function positivePart(x: Tensor): Tensor {
  return where(gt(x, 0), x, 0);
}

/**
 * max(0, -y (x1 - x2) + margin) for targets y = 1 (x1 should be larger) or -1, averaged; the margin is 0 by default.
 * Source: `torch.nn.functional.margin_ranking_loss`.
 */
export function marginRankingLoss(
  input1: Tensor,
  input2: Tensor,
  target: Tensor,
  options: MarginOptions = {},
): Tensor {
  needTensor("marginRankingLoss", input1, "input1");
  needTensor("marginRankingLoss", input2, "input2");
  needTensor("marginRankingLoss", target, "target");
  checkOptions("marginRankingLoss", options, MARGIN_OPTIONS);
  const op = "marginRankingLoss";
  const reduction = reductionOf(op, options);
  const [a, b, c] = [input1.shape, input2.shape, target.shape];
  if (a.length !== b.length || a.length !== c.length) {
    throw new ShapeError(
      `[${op}] got shapes ${show(a)}, ${show(b)} and ${show(c)}: expected as many dimensions in all`,
    );
  }
  const losses = clampMin(add(floating(mul(neg(target), sub(input1, input2))), options.margin ?? 0), 0);
  return reduceLoss(losses, reduction);
}

/**
 * x for targets 1, max(0, margin - x) for targets -1, averaged; the margin is 1 by default.
 * Source: `torch.nn.functional.hinge_embedding_loss`.
 */
export function hingeEmbeddingLoss(input: Tensor, target: Tensor, options: MarginOptions = {}): Tensor {
  needTensor("hingeEmbeddingLoss", input);
  needTensor("hingeEmbeddingLoss", target, "target");
  checkOptions("hingeEmbeddingLoss", options, MARGIN_OPTIONS);
  broadcastShapes("hingeEmbeddingLoss", input.shape, target.shape);
  const reduction = reductionOf("hingeEmbeddingLoss", options);
  const margin = options.margin ?? 1;
  // beside integers the margin is one too, as in PyTorch
  const apart = where(
    ne(target, 1),
    clampMin(sub(isFloat(input.code) ? margin : Math.trunc(margin), input), 0),
    0,
  );
  return reduceLoss(add(apart, where(ne(target, -1), input, 0)), reduction);
}

/** log(1 + exp(-y x)) for targets y of 1 or -1, averaged. Source: `torch.nn.functional.soft_margin_loss`. */
export function softMarginLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  needTensor("softMarginLoss", input);
  needTensor("softMarginLoss", target, "target");
  checkOptions("softMarginLoss", options, LOSS_OPTIONS);
  broadcastShapes("softMarginLoss", input.shape, target.shape);
  const reduction = reductionOf("softMarginLoss", options);
  checkHolds("softMarginLoss", input, target);
  return reduceLoss(cast(softplusOfMinus(mul(target, input)), input.code), reduction);
}

/**
 * Binary cross entropy of logits [N, C] (or [C]), averaged over the classes and then over the samples.
 * Source: `torch.nn.functional.multilabel_soft_margin_loss`.
 */
export function multilabelSoftMarginLoss(input: Tensor, target: Tensor, options: BceOptions = {}): Tensor {
  needTensor("multilabelSoftMarginLoss", input);
  needTensor("multilabelSoftMarginLoss", target, "target");
  checkOptions("multilabelSoftMarginLoss", options, BCE_OPTIONS);
  const op = "multilabelSoftMarginLoss";
  const reduction = reductionOf(op, options);
  checkSameSize(op, input, target);
  if (input.shape.length === 0)
    throw new ShapeError(`[${op}] expected an input of shape [C] or [N, C], got a 0-d tensor`);
  if (target.code === BOOL)
    throw new DTypeError(`[${op}] not defined for bool targets; try target.to("${input.dtype}")`);
  const losses = binaryCrossEntropyWithLogits(
    input,
    isFloat(target.code) ? target : cast(target, input.code),
    { reduction: "none" },
  );
  return reduceLoss(meanOfClasses(weigh(op, losses, options.weight ?? null)), reduction);
}

/** The input as [N, C]; throws unless it is that, or [C], or a 0-d tensor for one class. */
function asMatrix(op: string, input: Tensor): Tensor {
  checkFloat(op, "input", input);
  const rank = input.shape.length;
  if (rank > 2 || (rank > 0 && input.shape[rank - 1] === 0)) {
    throw new ShapeError(
      `[${op}] expected an input of shape [C] or [N, C] with C > 0, got ${show(input.shape)}`,
    );
  }
  return rank === 2 ? input : reshape(input, [1, input.numel]);
}

function checkIndices(op: string, target: Tensor, expected: Shape): void {
  if (target.code !== INT64)
    throw new DTypeError(
      `[${op}] targets are class indices of dtype int64, got ${nameOf(target.code)}; try target.to("int64")`,
    );
  if (!sameShape(target.shape, expected))
    throw new ShapeError(`[${op}] target of shape ${show(target.shape)}: expected ${show(expected)}`);
}

/** Options of {@link multiMarginLoss}. */
export interface MultiMarginOptions extends MarginOptions {
  /** Exponent, 1 (default) or 2. */
  p?: number;
  /** Factor per class [C]: that of the target counts. */
  weight?: Tensor | null;
}

/** @internal */
export const MULTI_MARGIN_OPTIONS: OptionNames<MultiMarginOptions> = { ...MARGIN_OPTIONS, p: 1, weight: 1 };

/** The exponent of a multi-class margin; throws unless it is 1 or 2. @internal */
export function checkPower(op: string, p: number): number {
  if (p !== 1 && p !== 2) throw new ValueError(`[${op}] p ${p}: expected 1 or 2`);
  return p;
}

/**
 * sum over i != t of max(0, margin - x_t + x_i)^p / C for inputs [N, C] (or [C]) and class indices t [N] (or []),
 * averaged; the margin is 1 by default. Source: `torch.nn.functional.multi_margin_loss`.
 * @throws ValueError for another p than 1 or 2, IndexError for a target that is no class.
 */
export function multiMarginLoss(input: Tensor, target: Tensor, options: MultiMarginOptions = {}): Tensor {
  needTensor("multiMarginLoss", input);
  needTensor("multiMarginLoss", target, "target");
  checkOptions("multiMarginLoss", options, MULTI_MARGIN_OPTIONS);
  const op = "multiMarginLoss";
  const reduction = reductionOf(op, options);
  const { p = 1, margin = 1, weight = null } = options;
  checkPower(op, p);
  const single = input.shape.length < 2;
  const x = asMatrix(op, input);
  const [N, C] = [x.shape[0] as number, x.shape[1] as number];
  if (target.numel !== N || target.shape.length > 1) checkIndices(op, target, single ? [] : [N]);
  checkIndices(op, target, target.shape);
  const t = reshape(target, [N]);
  const classes = toNumbers(t);
  const bad = classes.findIndex((c) => c < 0 || c >= C);
  if (bad >= 0) {
    throw new IndexError(
      `[${op}] target ${classes[bad]} at index [${bad}] is out of range: expected 0 to ${C - 1}`,
    );
  }
  const z = positivePart(add(sub(margin, gather(x, 1, unsqueeze(t, 1))), x));
  const raised = p === 1 ? z : square(z);
  const others = maskOf([N, C], x.code, (mask) => {
    mask.fill(1);
    classes.forEach((c, n) => {
      mask[n * C + c] = 0;
    });
  });
  let weighted = mul(raised, others);
  if (weight !== null) {
    if (!sameShape(weight.shape, [C]))
      throw new ShapeError(`[${op}] weight of shape ${show(weight.shape)}: expected [${C}]`);
    weighted = mul(weighted, unsqueeze(indexSelect(weight, 0, t), 1));
  }
  const losses = meanOfClasses(weighted);
  return reduceLoss(single ? reshape(losses, target.shape) : losses, reduction);
}

/** A constant float tensor. */
function maskOf(shape: Shape, code: DTypeCode, write: (mask: Float32Array | Float64Array) => void): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  const mask = code === FLOAT32 ? new Float32Array(n) : new Float64Array(n);
  write(mask);
  return fromTyped(mask, shape, code);
}

/**
 * sum over target classes j and other classes i of max(0, 1 - (x_j - x_i)) / C for inputs [N, C] (or [C]), averaged.
 * A target in the shape of the input lists its classes first, up to a -1.
 * Source: `torch.nn.functional.multilabel_margin_loss`.
 */
export function multilabelMarginLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  needTensor("multilabelMarginLoss", input);
  needTensor("multilabelMarginLoss", target, "target");
  checkOptions("multilabelMarginLoss", options, LOSS_OPTIONS);
  const op = "multilabelMarginLoss";
  const reduction = reductionOf(op, options);
  const single = input.shape.length < 2;
  const x = asMatrix(op, input);
  checkIndices(op, target, input.shape);
  const [N, C] = [x.shape[0] as number, x.shape[1] as number];
  const listed = classLists(op, toNumbers(target), N, C);
  const K = Math.max(1, ...listed.map((l) => l.length));
  const index = new BigInt64Array(N * K);
  const valid = maskOf([N, K, 1], x.code, (mask) => {
    listed.forEach((classes, n) => {
      classes.forEach((c, k) => {
        index[n * K + k] = BigInt(c);
        mask[n * K + k] = 1;
      });
    });
  });
  const others = maskOf([N, 1, C], x.code, (mask) => {
    mask.fill(1);
    listed.forEach((classes, n) => {
      for (const c of classes) mask[n * C + c] = 0;
    });
  });
  const own = gather(x, 1, fromTyped(index, [N, K], INT64));
  const z = positivePart(add(sub(1, unsqueeze(own, 2)), unsqueeze(x, 1)));
  const losses = div(sum(mul(mul(z, valid), others), [1, 2]), C);
  return reduceLoss(single ? reshape(losses, []) : losses, reduction);
}

/** The classes of each sample: those before the first -1. */
function classLists(op: string, target: readonly number[], N: number, C: number): number[][] {
  return Array.from({ length: N }, (_, n) => {
    const row = target.slice(n * C, (n + 1) * C);
    const bad = row.findIndex((c) => c < -1 || c >= C);
    if (bad >= 0) {
      throw new IndexError(
        `[${op}] target ${row[bad]} at index [${n}, ${bad}] is out of range: expected -1 to ${C - 1}`,
      );
    }
    const end = row.indexOf(-1);
    return end < 0 ? row : row.slice(0, end);
  });
}

const COSINE_EPS = 1e-12;

/**
 * 1 - cos(x1, x2) for targets 1, max(0, cos(x1, x2) - margin) for targets -1, averaged; the margin is 0 by default.
 * Inputs [N, D] with targets [N], or [D] with a 0-d target. Source: `torch.nn.functional.cosine_embedding_loss`.
 */
export function cosineEmbeddingLoss(
  input1: Tensor,
  input2: Tensor,
  target: Tensor,
  options: MarginOptions = {},
): Tensor {
  needTensor("cosineEmbeddingLoss", input1, "input1");
  needTensor("cosineEmbeddingLoss", input2, "input2");
  needTensor("cosineEmbeddingLoss", target, "target");
  checkOptions("cosineEmbeddingLoss", options, MARGIN_OPTIONS);
  const op = "cosineEmbeddingLoss";
  const reduction = reductionOf(op, options);
  const dim = target.shape.length;
  if (dim > 1 || input1.shape.length !== dim + 1 || input2.shape.length !== dim + 1) {
    throw new ShapeError(
      `[${op}] got shapes ${show(input1.shape)}, ${show(input2.shape)} and target ${show(target.shape)}: expected ` +
        "[N, D], [N, D] and [N], or [D], [D] and []",
    );
  }
  const dot = sum(mul(input1, input2), dim);
  const norms = mul(add(sum(square(input1), dim), COSINE_EPS), add(sum(square(input2), dim), COSINE_EPS));
  const cos = div(dot, sqrt(norms));
  const alike = where(eq(target, 1), sub(1, cos), 0);
  const apart = where(eq(target, -1), clampMin(sub(cos, options.margin ?? 0), 0), 0);
  return reduceLoss(add(alike, apart), reduction);
}

/** Options of {@link tripletMarginLoss}. */
export interface TripletMarginOptions extends MarginOptions {
  /** Order of the norm (default 2). */
  p?: number;
  /** Added to differences (default 1e-6). */
  eps?: number;
  /** Take the distance of positive and negative where that is smaller (default false). */
  swap?: boolean;
}

/** @internal */
export const TRIPLET_MARGIN_OPTIONS: OptionNames<TripletMarginOptions> = {
  ...MARGIN_OPTIONS,
  p: 1,
  eps: 1,
  swap: 1,
};

function checkTriplet(op: string, anchor: Tensor, positive: Tensor, negative: Tensor): void {
  const ranks = [anchor, positive, negative].map((t) => t.shape.length);
  if (ranks.every((r) => r === ranks[0])) return;
  throw new ShapeError(
    `[${op}] got shapes ${show(anchor.shape)}, ${show(positive.shape)} and ${show(negative.shape)}: expected as many dimensions in all`,
  );
}

/**
 * max(0, |a - p| - |a - n| + margin) with p-norms over the last dimension, averaged; the margin is 1 by default.
 * Source: `torch.nn.functional.triplet_margin_loss`.
 */
export function tripletMarginLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options: TripletMarginOptions = {},
): Tensor {
  needTensor("tripletMarginLoss", anchor, "anchor");
  needTensor("tripletMarginLoss", positive, "positive");
  needTensor("tripletMarginLoss", negative, "negative");
  checkOptions("tripletMarginLoss", options, TRIPLET_MARGIN_OPTIONS);
  const op = "tripletMarginLoss";
  checkTriplet(op, anchor, positive, negative);
  broadcastShapes(op, broadcastShapes(op, anchor.shape, positive.shape), negative.shape);
  const { p = 2, eps = 1e-6 } = options;
  return triplet(op, anchor, positive, negative, options, (a, b) => pairwiseDistance(a, b, { p, eps }));
}

/** A function of two tensors of vectors that gives their distances. */
export type DistanceFunction = (x1: Tensor, x2: Tensor) => Tensor;

/** Options of {@link tripletMarginWithDistanceLoss}. */
export interface TripletMarginWithDistanceOptions extends MarginOptions {
  /** Distance (default pairwiseDistance). */
  distanceFunction?: DistanceFunction | null;
  /** Take the distance of positive and negative where that is smaller (default false). */
  swap?: boolean;
}

/** @internal */
export const TRIPLET_MARGIN_WITH_DISTANCE_OPTIONS: OptionNames<TripletMarginWithDistanceOptions> = {
  ...MARGIN_OPTIONS,
  distanceFunction: 1,
  swap: 1,
};

/** {@link tripletMarginLoss} with any distance. Source: `torch.nn.functional.triplet_margin_with_distance_loss`. */
export function tripletMarginWithDistanceLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options: TripletMarginWithDistanceOptions = {},
): Tensor {
  needTensor("tripletMarginWithDistanceLoss", anchor, "anchor");
  needTensor("tripletMarginWithDistanceLoss", positive, "positive");
  needTensor("tripletMarginWithDistanceLoss", negative, "negative");
  checkOptions("tripletMarginWithDistanceLoss", options, TRIPLET_MARGIN_WITH_DISTANCE_OPTIONS);
  const op = "tripletMarginWithDistanceLoss";
  checkTriplet(op, anchor, positive, negative);
  const distance = options.distanceFunction ?? ((a: Tensor, b: Tensor) => pairwiseDistance(a, b));
  return triplet(op, anchor, positive, negative, options, distance);
}

function triplet(
  op: string,
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options: MarginOptions & { swap?: boolean },
  distance: DistanceFunction,
): Tensor {
  const reduction = reductionOf(op, options);
  const near = distance(anchor, positive);
  const far = distance(anchor, negative);
  const farther = options.swap === true ? minimum(far, distance(positive, negative)) : far;
  return reduceLoss(clampMin(add(sub(near, farther), options.margin ?? 1), 0), reduction);
}
