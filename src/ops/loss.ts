/**
 * Losses between two tensors, elementwise: squared, absolute, Huber, smooth absolute, binary cross entropy on logits.
 * Each is one pass forward and one backward, right at every order; `composed` holds the same in plain ops.
 */
import { defineOp, type Op, run } from "../autograd/node.js";
import { SIZES } from "../tensor/dtype.js";
import { ShapeError, ValueError } from "../tensor/errors.js";
import { enqueue, GRAIN, inPieces, kernelFor, kernelTable } from "../tensor/launch.js";
import { contiguous, empty, full, ptr, readAt } from "../tensor/raw.js";
import { broadcastShapes, sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, div, mul, neg, sub } from "./arithmetic.js";
import { cast } from "./cast.js";
import { clamp } from "./clamp.js";
import { lt } from "./compare.js";
import { promote } from "./core.js";
import { exp, log1p, sigmoid } from "./exponential.js";
import {
  checkFloat,
  checkSameSize,
  chunkedSum,
  freeCopy,
  type LossOptions,
  type Reduction,
  reduceLoss,
  reductionOf,
} from "./lossCore.js";
import { abs, sign } from "./sign.js";
import { expand } from "./view.js";
import { where } from "./where.js";

interface Pair {
  readonly reduction: Reduction;
  /** Further kernel arguments: delta or beta, if any. */
  readonly params: readonly number[];
}

/** One loss l(a, b): its kernels, and its derivatives in plain ops for the second and higher orders. */
interface PairLoss {
  readonly name: string;
  readonly kernel: string;
  /** Time per element relative to an addition. */
  readonly cost: number;
  /** dl/da. */
  slope(a: Tensor, b: Tensor, p: number): Tensor;
  /** d2l/da2, or null for 0. */
  curvature(a: Tensor, b: Tensor, p: number): Tensor | number | null;
  /** Where l does not depend on a - b alone: dl/db, with d2l/dadb = -1. */
  targetSlope?(a: Tensor): Tensor;
}

const MUL = kernelTable("mul");

/** ga *= g over contiguous data. */
function scaleBy(ga: Tensor, g: Tensor): void {
  const size = SIZES[ga.code] as number;
  const [to, from] = [ptr(ga), ptr(g)];
  inPieces(ga.numel, GRAIN, (first, count) => {
    const at = to + first * size;
    enqueue(MUL, ga.code, at, from + first * size, at, 1, count, 0, 1, 0, 1);
  });
}

const perElement = (n: number, { reduction }: Pair): number => (reduction === "mean" ? 1 / n : 1);

function pairLoss(loss: PairLoss): Op<Pair> {
  const elements = kernelTable(loss.kernel);
  const chunks = kernelTable(`${loss.kernel}Chunks`);
  const slopes = kernelTable(`${loss.kernel}Backward`);

  const backwardOp: Op<Pair> = defineOp<Pair>({
    name: `${loss.name}Backward`,
    saves: true,
    forward: ([g, x, y], { reduction, params }) => {
      const [a, b] = [contiguous(x as Tensor), contiguous(y as Tensor)];
      const grad = g as Tensor;
      const out = empty(a.shape, a.code);
      const n = out.numel;
      const shared = reduction === "none" ? 1 : readAt(grad, grad.storageOffset);
      const scale = reduction === "mean" ? shared / n : shared;
      const size = SIZES[a.code] as number;
      const at = [ptr(a), ptr(b), ptr(out)];
      if (n * loss.cost < 2 * GRAIN) kernelFor(slopes, a.code)(...at, n, ...params, scale);
      else {
        inPieces(n, Math.ceil(GRAIN / loss.cost), (first, count) =>
          enqueue(slopes, a.code, ...at.map((p) => p + first * size), count, ...params, scale),
        );
      }
      freeCopy(a, x as Tensor);
      freeCopy(b, y as Tensor);
      if (reduction === "none") {
        const flat = contiguous(grad);
        scaleBy(out, flat);
        freeCopy(flat, grad);
      }
      return out;
    },
    // ga = s g l'(a, b): dg = s l' gg, da = s g l'' gg
    backward: (gg, n) => {
      const [g, a, b] = [n.input(0), n.input(1), n.input(2)];
      const p = n.attrs.params[0] ?? 1;
      const scaled = mul(gg, perElement(a.numel, n.attrs));
      const forG = n.needs(0) ? mul(scaled, loss.slope(a, b, p)) : null;
      const pull = mul(scaled, g);
      const bend = n.needs(1) || n.needs(2) ? loss.curvature(a, b, p) : null;
      const forA = bend === null ? null : mul(pull, bend);
      if (!n.needs(2)) return [forG, forA];
      if (loss.targetSlope !== undefined) return [forG, forA, neg(pull)];
      return [forG, forA, forA === null ? null : neg(forA)];
    },
  });

  return defineOp<Pair>({
    name: loss.name,
    saves: true,
    forward: ([x, y], { reduction, params }) => {
      const [a, b] = [contiguous(x as Tensor), contiguous(y as Tensor)];
      const n = a.numel;
      let out: Tensor;
      if (reduction === "none") {
        out = empty(a.shape, a.code);
        const size = SIZES[a.code] as number;
        const at = [ptr(a), ptr(b), ptr(out)];
        if (n * loss.cost < 2 * GRAIN) kernelFor(elements, a.code)(...at, n, ...params);
        else {
          inPieces(n, Math.ceil(GRAIN / loss.cost), (first, count) =>
            enqueue(elements, a.code, ...at.map((p) => p + first * size), count, ...params),
          );
        }
      } else {
        const total = chunkedSum(chunks, [a, b], [n], params);
        out = full([], reduction === "mean" ? total / n : total, a.code);
      }
      freeCopy(a, x as Tensor);
      freeCopy(b, y as Tensor);
      return out;
    },
    backward: (g, n) => {
      const [a, b] = [n.input(0), n.input(1)];
      if (loss.targetSlope !== undefined) {
        return [
          n.needs(0) ? run(backwardOp, [g, a, b], n.attrs) : null,
          n.needs(1) ? mul(mul(g, loss.targetSlope(a)), perElement(a.numel, n.attrs)) : null,
        ];
      }
      const ga = run(backwardOp, [g, a, b], n.attrs); // dl/db = -dl/da
      return [ga, n.needs(1) ? neg(ga) : null];
    },
  });
}

const within = (a: Tensor, b: Tensor, p: number) => cast(lt(abs(sub(a, b)), p), a.code);

const mseOp = pairLoss({
  name: "MseLoss",
  kernel: "mse",
  cost: 1,
  slope: (a, b) => mul(sub(a, b), 2), // d (a - b)^2 = 2 (a - b)
  curvature: () => 2,
});

const l1Op = pairLoss({
  name: "L1Loss",
  kernel: "l1",
  cost: 1,
  slope: (a, b) => sign(sub(a, b)),
  curvature: () => null,
});

const huberOp = pairLoss({
  name: "HuberLoss",
  kernel: "huber",
  cost: 1,
  slope: (a, b, delta) => clamp(sub(a, b), -delta, delta),
  curvature: within,
});

const smoothL1Op = pairLoss({
  name: "SmoothL1Loss",
  kernel: "smoothL1",
  cost: 1,
  slope: (a, b, beta) => div(clamp(sub(a, b), -beta, beta), beta),
  curvature: (a, b, beta) => div(within(a, b, beta), beta),
});

const bceWithLogitsOp = pairLoss({
  name: "BinaryCrossEntropyWithLogits",
  kernel: "bceWithLogits",
  cost: 16,
  slope: (a, b) => sub(sigmoid(a), b),
  curvature: (a) => mul(sigmoid(a), sub(1, sigmoid(a))),
  targetSlope: (a) => neg(a),
});

/** Runs a fused loss on operands broadcast to one shape and cast to one floating dtype. */
function fused(op: Op<Pair>, name: string, a: Tensor, b: Tensor, pair: Pair): Tensor {
  const code = promote(a, b);
  const shape = broadcastShapes(name, a.shape, b.shape);
  const fit = (t: Tensor) => {
    const same = cast(t, code);
    return sameShape(same.shape, shape) ? same : expand(same, shape);
  };
  const inputs = [fit(a), fit(b)];
  checkFloat(name, "input", inputs[0] as Tensor);
  return run(op, inputs, pair);
}

/**
 * (input - target)^2, averaged. The two are broadcast. Source: `torch.nn.functional.mse_loss`.
 * @example
 * mseLoss(tensor([1.5, 2]), tensor([1.5, 4])).item(); // 2
 * @throws ShapeError when the shapes do not broadcast, DTypeError for integers.
 */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return fused(mseOp, "mseLoss", input, target, { reduction: reductionOf("mseLoss", options), params: [] });
}

/** |input - target|, averaged. The two are broadcast. Source: `torch.nn.functional.l1_loss`. */
export function l1Loss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return fused(l1Op, "l1Loss", input, target, { reduction: reductionOf("l1Loss", options), params: [] });
}

/** Options of {@link huberLoss}. */
export interface HuberOptions extends LossOptions {
  /** Distance up to which the loss is quadratic, above 0 (default 1). */
  delta?: number;
}

/**
 * d^2 / 2 for |d| < delta, else delta (|d| - delta / 2), with d = input - target, averaged.
 * Source: `torch.nn.functional.huber_loss`.
 * @throws ValueError for a delta that is not above 0.
 */
export function huberLoss(input: Tensor, target: Tensor, options: HuberOptions = {}): Tensor {
  const delta = options.delta ?? 1;
  if (!(delta > 0)) throw new ValueError(`[huberLoss] delta ${delta}: expected a number above 0`);
  const reduction = reductionOf("huberLoss", options);
  return fused(huberOp, "huberLoss", input, target, { reduction, params: [delta] });
}

/** Options of {@link smoothL1Loss}. */
export interface SmoothL1Options extends LossOptions {
  /** Distance up to which the loss is quadratic, at least 0 (default 1); 0 is {@link l1Loss}. */
  beta?: number;
}

/**
 * d^2 / (2 beta) for |d| < beta, else |d| - beta / 2, with d = input - target, averaged.
 * Source: `torch.nn.functional.smooth_l1_loss`.
 * @throws ValueError for a negative beta.
 */
export function smoothL1Loss(input: Tensor, target: Tensor, options: SmoothL1Options = {}): Tensor {
  const beta = options.beta ?? 1;
  if (!(beta >= 0)) throw new ValueError(`[smoothL1Loss] beta ${beta}: expected a number at least 0`);
  const reduction = reductionOf("smoothL1Loss", options);
  if (beta === 0) return fused(l1Op, "smoothL1Loss", input, target, { reduction, params: [] });
  return fused(smoothL1Op, "smoothL1Loss", input, target, { reduction, params: [beta] });
}

/** Options of {@link binaryCrossEntropyWithLogits}. */
export interface BceWithLogitsOptions extends LossOptions {
  /** Factor of each loss; broadcast to the input. */
  weight?: Tensor | null;
  /** Factor of the positive part, per class; broadcast to the input. */
  posWeight?: Tensor | null;
}

/**
 * Cross entropy between targets in [0, 1] and sigmoid(input), computed without overflow:
 * max(x, 0) - x y + log(1 + exp(-|x|)), averaged. Source: `torch.nn.functional.binary_cross_entropy_with_logits`.
 * @throws ShapeError when the target has another shape than the input.
 */
export function binaryCrossEntropyWithLogits(
  input: Tensor,
  target: Tensor,
  options: BceWithLogitsOptions = {},
): Tensor {
  const op = "binaryCrossEntropyWithLogits";
  checkSameSize(op, input, target);
  const reduction = reductionOf(op, options);
  const { weight = null, posWeight = null } = options;
  if (weight === null && posWeight === null) {
    return fused(bceWithLogitsOp, op, input, target, { reduction, params: [] });
  }
  checkFloat(op, "input", input);
  if (posWeight === null) {
    const losses = fused(bceWithLogitsOp, op, input, target, { reduction: "none", params: [] });
    return reduceLoss(weigh(op, losses, weight), reduction);
  }
  fits(op, "posWeight", posWeight, input);
  // (1 - y) x + (1 + (posWeight - 1) y) log(1 + exp(-x))
  const factor = add(mul(sub(posWeight, 1), target), 1);
  const losses = add(mul(sub(1, target), input), mul(factor, softplusOfMinus(input)));
  return reduceLoss(weigh(op, losses, weight), reduction);
}

/** log(1 + exp(-x)) */
function softplusOfMinus(x: Tensor): Tensor {
  const positive = where(lt(x, 0), neg(x), 0);
  return add(positive, log1p(exp(where(lt(x, 0), x, neg(x)))));
}

/** Throws unless `t` broadcasts to the shape of the input. @internal */
function fits(op: string, what: string, t: Tensor, input: Tensor): void {
  const shape = broadcastShapes(op, t.shape, input.shape);
  if (sameShape(shape, input.shape)) return;
  throw new ShapeError(
    `[${op}] ${what} of shape [${t.shape.join(", ")}] does not broadcast to the input's [${input.shape.join(", ")}]`,
  );
}

/** Losses times a weight that broadcasts to them, if there is one. @internal */
export function weigh(op: string, losses: Tensor, weight: Tensor | null): Tensor {
  if (weight === null) return losses;
  fits(op, "weight", weight, losses);
  return mul(losses, weight);
}

/** The fused losses in plain ops, as the reference in tests. */
export const composed = {
  mseLoss: (a: Tensor, b: Tensor, options: LossOptions = {}): Tensor =>
    reduceLoss(mul(sub(a, b), sub(a, b)), reductionOf("mseLoss", options)),
  l1Loss: (a: Tensor, b: Tensor, options: LossOptions = {}): Tensor =>
    reduceLoss(abs(sub(a, b)), reductionOf("l1Loss", options)),
  huberLoss: (a: Tensor, b: Tensor, options: HuberOptions = {}): Tensor => {
    const delta = options.delta ?? 1;
    const d = abs(sub(a, b));
    const losses = where(lt(d, delta), mul(mul(d, d), 0.5), mul(sub(d, delta / 2), delta));
    return reduceLoss(losses, reductionOf("huberLoss", options));
  },
  smoothL1Loss: (a: Tensor, b: Tensor, options: SmoothL1Options = {}): Tensor => {
    const beta = options.beta ?? 1;
    const d = abs(sub(a, b));
    const losses = where(lt(d, beta), mul(mul(d, d), 0.5 / beta), sub(d, beta / 2));
    return reduceLoss(losses, reductionOf("smoothL1Loss", options));
  },
  binaryCrossEntropyWithLogits: (a: Tensor, b: Tensor, options: LossOptions = {}): Tensor => {
    const losses = add(mul(sub(1, b), a), softplusOfMinus(a));
    return reduceLoss(losses, reductionOf("binaryCrossEntropyWithLogits", options));
  },
};
