/**
 * Connectionist temporal classification (Graves et al. 2006). Forward and backward are kernels over the two passes of
 * the algorithm; under `createGraph` the gradient is made of plain ops, so that it has gradients itself.
 */

import { mode } from "../autograd/mode.js";
import { defineOp, run } from "../autograd/op.js";
import { BOOL, FLOAT64, INT32, INT64, isFloat, nameOf } from "../tensor/dtype.js";
import { AutogradError, DTypeError, IndexError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { release } from "../tensor/heap.js";
import { enqueue, GRAIN, inPieces, kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { castTo, contiguous, empty, expandTo, fromTyped, full, ptr, toNumbers } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import { add, div, mul, neg, sub } from "./arithmetic.js";
import { eq, gt } from "./compare.js";
import { needTensor } from "./core.js";
import { exp } from "./exponential.js";
import { gather, scatterAlong } from "./gather.js";
import { cat, stack } from "./join.js";
import { checkFloat, freeCopy, type LossOptions, reduceLoss, reductionOf } from "./lossCore.js";
import { logsumexp } from "./statistics.js";
import { narrow, reshape, select, unsqueeze } from "./view.js";
import { where } from "./where.js";

const FORWARD = kernelTable("ctcForward");
const BACKWARD = kernelTable("ctcBackward");

/** An exponential costs about as much as this many additions. */
const EXP_COST = 8;

/** The labels of the batch: each sample's first place among all, and how many. */
interface Labels {
  readonly offsets: readonly number[];
  readonly inputLengths: readonly number[];
  readonly targetLengths: readonly number[];
  readonly blank: number;
  readonly zeroInfinity: boolean;
  /** States of the longest target: blanks between and around its labels. */
  readonly states: number;
}

/** Offsets, input lengths and target lengths as int32, 3 B of them. */
function packed({ offsets, inputLengths, targetLengths }: Labels): Tensor {
  const values = [...offsets, ...inputLengths, ...targetLengths];
  return fromTyped(Int32Array.from(values), [values.length], INT32);
}

const ctcOp = defineOp<Labels>({
  name: "CtcLoss",
  saves: true,
  savesOutput: true,
  forward: ([x, target], a, ctx) => {
    const logp = contiguous(x as Tensor);
    const [T, B, C] = logp.shape as [number, number, number];
    const alpha = empty([B, T, a.states], FLOAT64);
    const losses = empty([B], logp.code);
    const lengths = packed(a);
    const at = ptr(lengths);
    const head = [ptr(logp), ptr(target as Tensor), at, at + 4 * B, at + 8 * B, ptr(alpha), ptr(losses)];
    inPieces(B, Math.ceil(GRAIN / (T * a.states * EXP_COST * 3)), (b0, count) =>
      enqueue(FORWARD, logp.code, ...head, T, B, C, a.states, a.blank, b0, b0 + count),
    );
    freeCopy(logp, x as Tensor);
    release(lengths.storage);
    if (ctx.recording) ctx.keep(alpha);
    else release(alpha.storage);
    return losses;
  },
  backward: (g, n) => {
    const [logp, target] = [n.input(0), n.input(1)];
    if (mode.grad) return [composedGradient(g, logp, target, n.attrs)];
    return [run(ctcBackwardOp, [g, logp, target, n.extra[0] as Tensor, n.output()], n.attrs)];
  },
});

const ctcBackwardOp = defineOp<Labels>({
  name: "CtcLossBackward",
  forward: ([g, x, target, alpha, losses], a) => {
    const logp = contiguous(x as Tensor);
    const grad = contiguous(g as Tensor);
    const [T, B, C] = logp.shape as [number, number, number];
    const out = full(logp.shape, 0, logp.code);
    const beta = empty([B, 2, a.states], FLOAT64);
    const lengths = packed(a);
    const given = [logp, target as Tensor, lengths, alpha as Tensor, losses as Tensor, grad, out, beta].map(
      ptr,
    );
    inPieces(B, Math.ceil(GRAIN / (T * a.states * EXP_COST * 4)), (b0, count) => {
      const flag = a.zeroInfinity ? 1 : 0;
      enqueue(BACKWARD, logp.code, ...given, T, B, C, a.states, a.blank, b0, b0 + count, flag);
    });
    freeCopy(logp, x as Tensor);
    freeCopy(grad, g as Tensor);
    release(beta.storage);
    release(lengths.storage);
    return out;
  },
  backward: () => {
    throw new AutogradError(
      "[ctcLoss] this gradient was not recorded; try createGraph: true in the first backward",
    );
  },
});

/** Log-probability of what cannot be: finite, so that no gradient is NaN. */
const NEVER = -1e30;

interface States {
  /** Log-probabilities of the states' symbols [T, B, S]. */
  readonly emitted: Tensor;
  /** The symbols [T, B, S]. */
  readonly symbols: Tensor;
  /** Whether state s exists in sample b [B, S], is one of the two first, one of the two last, may be skipped into. */
  readonly exists: Tensor;
  readonly first: Tensor;
  readonly last: Tensor;
  readonly skips: Tensor;
  /** Whether step t counts for sample b [T, B, 1]. */
  readonly steps: Tensor;
}

function statesOf(logp: Tensor, target: Tensor, a: Labels): States {
  const [T, B] = logp.shape as [number, number, number];
  const S = a.states;
  const labels = toNumbers(target);
  const symbol = (b: number, s: number) =>
    s % 2 === 0 || s >= 2 * (a.targetLengths[b] as number)
      ? a.blank
      : (labels[(a.offsets[b] as number) + (s >> 1)] as number);
  const table = (value: (b: number, s: number) => boolean) => {
    const cells = Array.from({ length: B * S }, (_, i) => (value(Math.floor(i / S), i % S) ? 1 : 0));
    return fromTyped(Uint8Array.from(cells), [B, S], 0);
  };
  const count = (b: number) => 2 * (a.targetLengths[b] as number) + 1;
  const own = Array.from({ length: B * S }, (_, i) => BigInt(symbol(Math.floor(i / S), i % S)));
  const symbols = contiguous(expandTo(fromTyped(BigInt64Array.from(own), [1, B, S], INT64), [T, B, S]));
  const steps = Array.from({ length: T * B }, (_, i) =>
    Math.floor(i / B) < (a.inputLengths[i % B] as number) ? 1 : 0,
  );
  return {
    emitted: gather(logp, 2, symbols),
    symbols,
    exists: table((b, s) => s < count(b)),
    first: table((b, s) => s < Math.min(2, count(b))),
    last: table((b, s) => s < count(b) && s >= count(b) - 2),
    skips: table((b, s) => s % 2 === 1 && s > 1 && s < count(b) && symbol(b, s) !== symbol(b, s - 2)),
    steps: fromTyped(Uint8Array.from(steps), [T, B, 1], 0),
  };
}

/** x [B, S] moved by `by` states to the end (above 0) or the front. */
function moved(x: Tensor, by: number): Tensor {
  const [B, S] = x.shape as [number, number];
  const size = Math.min(S, Math.abs(by));
  const gap = full([B, size], NEVER, x.code);
  return by > 0 ? cat([gap, narrow(x, 1, 0, S - size)], 1) : cat([narrow(x, 1, size, S - size), gap], 1);
}

function logSum(...terms: Tensor[]): Tensor {
  return logsumexp(stack(terms, 0), 0);
}

/** log alpha [T, B, S] of the forward pass: all prefixes that end in state s at step t, its symbol included. */
function prefixes(s: States): Tensor {
  const { emitted, steps } = s;
  const T = emitted.shape[0] as number;
  let now = where(s.first, select(emitted, 0, 0), NEVER);
  const all = [now];
  for (let t = 1; t < T; t++) {
    const skip = where(s.skips, moved(now, 2), NEVER);
    const next = add(logSum(now, moved(now, 1), skip), select(emitted, 0, t));
    now = where(select(steps, 0, t), where(s.exists, next, NEVER), now);
    all.push(now);
  }
  return stack(all, 0);
}

/** log beta [T, B, S] of the backward pass: all suffixes after state s at step t, its symbol left out. */
function suffixes(s: States): Tensor {
  const { emitted, steps } = s;
  const T = emitted.shape[0] as number;
  const none = full(s.exists.shape, NEVER, emitted.code);
  const end = where(s.last, 0, none);
  let now = end;
  const all = [now];
  for (let t = T - 2; t >= 0; t--) {
    const later = add(now, select(emitted, 0, t + 1));
    const skip = moved(where(s.skips, later, NEVER), -2);
    const next = where(s.exists, logSum(later, moved(later, -1), skip), NEVER);
    now = where(select(steps, 0, t + 1), next, end);
    all.unshift(now);
  }
  return stack(all, 0);
}

/** Losses [B] in plain ops, and the two passes they come from. */
function composedLosses(
  logp: Tensor,
  target: Tensor,
  a: Labels,
): { losses: Tensor; alpha: Tensor; states: States } {
  const states = statesOf(logp, target, a);
  const alpha = prefixes(states);
  const ends = where(states.last, select(alpha, 0, (logp.shape[0] as number) - 1), NEVER);
  return { losses: neg(logsumexp(ends, 1)), alpha, states };
}

/** g (exp(logp) - p(symbol at t | target)), as the kernel computes it, in plain ops. */
function composedGradient(g: Tensor, logp: Tensor, target: Tensor, a: Labels): Tensor {
  const { losses, alpha, states } = composedLosses(logp, target, a);
  const row = (x: Tensor) => reshape(x, [1, x.numel, 1]);
  const share = where(states.exists, exp(add(add(alpha, suffixes(states)), row(losses))), 0);
  const taken = scatterAlong(logp.shape, 2, states.symbols, share);
  const counts = where(states.steps, mul(sub(exp(logp), taken), row(g)), 0);
  const impossible = row(gt(losses, -NEVER / 2));
  return where(impossible, a.zeroInfinity ? 0 : Number.NaN, counts);
}

/** A length for each sample, or the same given as a tensor or a number. */
export type Lengths = Tensor | readonly number[] | number;

/** Options of {@link ctcLoss}. */
export interface CtcLossOptions extends LossOptions {
  /** Class of the blank (default 0). */
  blank?: number;
  /** Count targets that no path gives as 0, with no gradient, in place of Infinity (default false). */
  zeroInfinity?: boolean;
}

/** @internal */
export const CTC_LOSS_OPTIONS: OptionNames<CtcLossOptions> = { blank: 1, zeroInfinity: 1, reduction: 1 };

function lengthsOf(op: string, what: string, lengths: Lengths, B: number, most: number): number[] {
  if (lengths instanceof Tensor && (isFloat(lengths.code) || lengths.code === BOOL))
    throw new DTypeError(`[${op}] ${what} must be whole numbers, got ${lengths.dtype}; try .to("int64")`);
  const list = lengths instanceof Tensor ? toNumbers(lengths) : [lengths].flat();
  if (list.length !== B)
    throw new ShapeError(`[${op}] ${list.length} ${what} for a batch of ${B}: expected as many`);
  list.forEach((n, b) => {
    if (!Number.isInteger(n) || n < 0 || n > most) {
      throw new ValueError(`[${op}] ${what}[${b}] is ${n}: expected a whole number from 0 to ${most}`);
    }
  });
  return list as number[];
}

/** Offsets of the samples in flat targets; targets are [B, S], or all after one another. */
function offsetsOf(op: string, targets: Tensor, lengths: readonly number[]): number[] {
  if (targets.shape.length === 2) return lengths.map((_, b) => b * (targets.shape[1] as number));
  let next = 0;
  const offsets = lengths.map((n) => {
    next += n;
    return next - n;
  });
  if (next !== targets.numel) {
    throw new ShapeError(`[${op}] targetLengths add up to ${next}, but there are ${targets.numel} targets`);
  }
  return offsets;
}

/**
 * -log of the probability that the sequence gives the target, over all alignments. Log-probabilities [T, N, C] (or
 * [T, C]), as from `logSoftmax`; targets [N, S], or all of them one after another; lengths of both. A mean first divides
 * by the lengths of the targets. As in PyTorch, the gradient is that of the logits before `logSoftmax`.
 * Source: `torch.nn.functional.ctc_loss`.
 * @throws ShapeError, ValueError for lengths that do not fit, IndexError for a target that is no class.
 */
export function ctcLoss(
  logProbs: Tensor,
  targets: Tensor,
  inputLengths: Lengths,
  targetLengths: Lengths,
  options: CtcLossOptions = {},
): Tensor {
  needTensor("ctcLoss", logProbs, "logProbs");
  needTensor("ctcLoss", targets, "targets");
  checkOptions("ctcLoss", options, CTC_LOSS_OPTIONS);
  const op = "ctcLoss";
  const reduction = reductionOf(op, options);
  const { blank = 0, zeroInfinity = false } = options;
  checkFloat(op, "logProbs", logProbs);
  const rank = logProbs.shape.length;
  if ((rank !== 2 && rank !== 3) || logProbs.shape[0] === 0) {
    throw new ShapeError(
      `[${op}] logProbs of shape ${show(logProbs.shape)}: expected [T, N, C] or [T, C], T > 0`,
    );
  }
  const logp = rank === 2 ? unsqueeze(logProbs, 1) : logProbs;
  const [T, B, C] = logp.shape as [number, number, number];
  if (!Number.isInteger(blank) || blank < 0 || blank >= C) {
    throw new ValueError(`[${op}] blank ${blank}: expected a class from 0 to ${C - 1}`);
  }
  if (targets.code !== INT64 && targets.code !== INT32) {
    throw new DTypeError(
      `[${op}] targets are class indices of dtype int64, got ${nameOf(targets.code)}; try targets.to("int64")`,
    );
  }
  if (targets.shape.length > 2 || (targets.shape.length === 2 && targets.shape[0] !== B)) {
    throw new ShapeError(
      `[${op}] targets of shape ${show(targets.shape)}: expected [${B}, S] or all in one vector`,
    );
  }
  const most = targets.shape.length === 2 ? (targets.shape[1] as number) : targets.numel;
  const lengths = lengthsOf(op, "targetLengths", targetLengths, B, most);
  const labels: Labels = {
    offsets: offsetsOf(op, targets, lengths),
    inputLengths: lengthsOf(op, "inputLengths", inputLengths, B, T),
    targetLengths: lengths,
    blank,
    zeroInfinity,
    states: 2 * Math.max(0, ...lengths) + 1,
  };
  const flat = contiguous(castTo(targets, INT64));
  checkLabels(op, flat, labels, C);
  const losses = run(ctcOp, [logp, flat], labels);
  const finite = zeroInfinity ? where(eq(losses, Number.POSITIVE_INFINITY), 0, losses) : losses;
  const counted = reduction === "mean" ? div(finite, divisors(lengths, logp)) : finite;
  const loss = reduceLoss(counted, reduction);
  return rank === 2 && reduction === "none" ? reshape(loss, []) : loss;
}

/** Lengths of the targets, at least 1, as a constant. */
function divisors(lengths: readonly number[], like: Tensor): Tensor {
  const values = Float64Array.from(lengths, (n) => Math.max(1, n));
  return castTo(fromTyped(values, [values.length], FLOAT64), like.code);
}

function checkLabels(op: string, flat: Tensor, { offsets, targetLengths }: Labels, C: number): void {
  const values = toNumbers(flat);
  offsets.forEach((from, b) => {
    for (let i = 0; i < (targetLengths[b] as number); i++) {
      const c = values[from + i] as number;
      if (c >= 0 && c < C) continue;
      throw new IndexError(
        `[${op}] target ${c} at index [${b}, ${i}] is out of range: expected a class from 0 to ${C - 1}`,
      );
    }
  });
}

/** {@link ctcLoss} with reduction "none" in plain ops, with its true gradient: the reference in tests. */
export function ctcLossComposed(
  logProbs: Tensor,
  targets: Tensor,
  inputLengths: readonly number[],
  targetLengths: readonly number[],
  blank = 0,
): Tensor {
  const states = 2 * Math.max(0, ...targetLengths) + 1;
  const offsets = offsetsOf("ctcLoss", targets, targetLengths);
  const labels = { offsets, inputLengths, targetLengths, blank, zeroInfinity: false, states };
  return composedLosses(logProbs, targets, labels).losses;
}
