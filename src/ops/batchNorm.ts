/**
 * Batch normalization as one op: statistics and map in the forward, a hand-written backward that is an op again
 * (batchNormBackward.ts). The running statistics are moved in the forward, raw; nothing saves them, so that a pending
 * backward never minds.
 */

import { defineOp, run } from "../autograd/op.js";
import { kernels } from "../kernels/index.js";
import { type DTypeCode, FLOAT32, FLOAT64, isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { release } from "../tensor/heap.js";
import { kernelFor, kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { contiguous as contiguousRaw, copyInto, empty, full, ptr, viewOf } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, mul, sub } from "./arithmetic.js";
import { batchNormBackward, rowsOf } from "./batchNormBackward.js";
import { contiguous } from "./cast.js";
import { channelStatistics, channelsOf, mapChannels } from "./channelSums.js";
import { checkNoGradient, needTensor } from "./core.js";
import { pow, square } from "./powers.js";
import { mean as meanOf } from "./sum.js";
import { reshape } from "./view.js";

const FACTORS = kernelTable("bnForwardFactors");
const FORWARD = kernelTable("bnForward");
const RUNNING = kernelTable("bnRunning");

/** Running statistics, and the share of each new observation in them. */
export interface Running {
  readonly mean: Tensor | null;
  readonly variance: Tensor | null;
  readonly factor: number;
}

interface BatchNorm {
  /** Statistics of x (true), or the running ones. */
  readonly training: boolean;
  readonly eps: number;
  /** Positions of weight and bias among the inputs, 0 where there is none. */
  readonly weight: number;
  readonly bias: number;
  readonly running: Running | null;
  /** Sees the statistics while they exist. */
  readonly tell: ((stats: Tensor) => void) | null;
}

const batchNormOp = defineOp<BatchNorm>({
  name: "BatchNorm",
  saves: [0, 1],
  forward: (inputs, attrs, ctx) => {
    const x = inputs[0] as Tensor;
    const of = channelsOf(x.shape);
    const { C, count } = of;
    const y = empty(x.shape, x.code);
    const stats = full([3, C], 0, FLOAT64);
    ctx.keep(stats);
    if (x.numel > 0) {
      const table = empty([4, C], x.code);
      if (!attrs.training) loadRunning(attrs, stats, C);
      const { mean, m2, invstd } = rowsOf(stats, C);
      if (attrs.training) channelStatistics(x, of, mean, m2);
      // A constant channel of the batch gives the bias, with eps 0 too.
      if (attrs.training) kernels.bnInvstd(m2, invstd, count, attrs.eps, 0, C);
      else kernels.bnInvstd(m2, invstd, 1, attrs.eps, Number.POSITIVE_INFINITY, C);
      const at = (i: number) => (i === 0 ? 0 : ptr(inputs[i] as Tensor));
      kernelFor(FACTORS, x.code)(mean, invstd, at(attrs.weight), at(attrs.bias), ptr(table), C);
      mapChannels(FORWARD, x.code, [ptr(x), ptr(y), ptr(table)], of);
      release(table.storage);
      if (attrs.training && attrs.running !== null) moveRunning(attrs.running, stats, count, 1, C);
    }
    attrs.tell?.(stats);
    return y;
  },
  backward: (g, n) => {
    const { training, eps, weight, bias } = n.attrs;
    const [stats] = n.extra as [Tensor];
    const wants = [n.needs(0), weight > 0 && n.needs(weight), bias > 0 && n.needs(bias)] as const;
    const w = weight > 0 ? n.input(weight) : null;
    const [gx, gw, gb] = batchNormBackward(g, n.input(0), w, { training, eps, stats }, wants);
    return [gx ?? null, ...(weight > 0 ? [gw ?? null] : []), ...(bias > 0 ? [gb ?? null] : [])];
  },
});

/** Mean and variance of eval mode, as float64 copies: a later change of the buffers is not seen. */
function loadRunning({ running }: BatchNorm, stats: Tensor, C: number): void {
  copyInto(viewOf(stats, [C], null, 0), running?.mean as Tensor);
  copyInto(viewOf(stats, [C], null, C), running?.variance as Tensor);
}

/**
 * running = (1 - factor) running + factor observed, in place, with the unbiased variance. `stats` are those of N
 * instances, which are averaged (instance norm), or of one batch (N = 1). @internal
 */
export function moveRunning(
  { mean, variance, factor }: Running,
  stats: Tensor,
  count: number,
  N: number,
  C: number,
): void {
  const targets = [mean, variance];
  const code = (mean ?? variance)?.code ?? FLOAT32;
  const slots = targets.map((t) => (t === null ? empty([C], code) : contiguousRaw(t)));
  const [m, v] = slots as [Tensor, Tensor];
  const rows = rowsOf(stats, N * C);
  kernelFor(RUNNING, code)(rows.mean, rows.m2, count, factor, ptr(m), ptr(v), N, C);
  slots.forEach((slot, i) => {
    const target = targets[i] ?? null;
    if (slot !== target) {
      if (target !== null) copyInto(target, slot);
      release(slot.storage);
    }
    if (target !== null) target.storage.version++;
  });
}

/** Options of {@link batchNorm}. */
export interface BatchNormOptions {
  /** Factor per channel (default 1). */
  weight?: Tensor | null;
  /** Summand per channel (default 0). */
  bias?: Tensor | null;
  /** Normalise with the statistics of the batch and move the running ones (default false: use the running ones). */
  training?: boolean;
  /** Share of the new observation in the running statistics (default 0.1). */
  momentum?: number;
  /** Added to the variance under the root (default 1e-5). */
  eps?: number;
}

const BATCH_NORM_OPTIONS: OptionNames<BatchNormOptions> = {
  weight: 1,
  bias: 1,
  training: 1,
  momentum: 1,
  eps: 1,
};

/** Checks that a tensor belongs to C channels of x, by length and dtype. @internal */
export function checkPerChannel(op: string, name: string, t: Tensor, x: Tensor, C: number): void {
  if (t.shape.length !== 1 || t.shape[0] !== C) {
    throw new ShapeError(
      `[${op}] ${name} should contain ${C} elements not ${t.numel}: got shape ${show(t.shape)}, expected [${C}] ` +
        `for input ${show(x.shape)}`,
    );
  }
  if (t.code !== x.code) {
    throw new DTypeError(
      `[${op}] ${name} is ${nameOf(t.code)}, expected ${nameOf(x.code)}, the dtype of the input ${show(x.shape)}; ` +
        `try x.to("${nameOf(t.code)}"), or model.${x.code === FLOAT64 ? "double" : "float"}()`,
    );
  }
}

/** @internal Throws unless x is floating and has a channel dimension. */
export function checkInput(op: string, x: Tensor, least: number): void {
  if (!isFloat(x.code)) {
    throw new DTypeError(
      `[${op}] not defined for ${nameOf(x.code)}: expected float32 or float64; try x.to("float32")`,
    );
  }
  if (x.shape.length < least) {
    throw new ShapeError(
      `[${op}] expected at least ${least} dimensions, got ${show(x.shape)}; try unsqueeze(0)`,
    );
  }
}

/** Throws when every channel has one value: its variance says nothing. `why` goes on with the sentence. @internal */
export function checkCount(op: string, shape: readonly number[], why = ""): void {
  if (channelsOf(shape).count !== 1 || shape[1] === 0) return;
  throw new ValueError(
    `[${op}] Expected more than 1 value per channel when training, got input size ${show(shape)}${why}; ` +
      "try a larger batch, dropLast: true in the DataLoader, or eval() on the layer",
  );
}

/** @internal Batch norm after all checks; `tell` sees float64 [3, C]: mean, m2, invstd. */
export function runBatchNorm(
  x: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  options: { training: boolean; eps: number; running: Running | null; tell?: (stats: Tensor) => void },
): Tensor {
  const inputs = [contiguous(x)];
  if (weight !== null) inputs.push(contiguous(weight));
  if (bias !== null) inputs.push(contiguous(bias));
  return run(batchNormOp, inputs, {
    training: options.training,
    eps: options.eps,
    weight: weight === null ? 0 : 1,
    bias: bias === null ? 0 : inputs.length - 1,
    running: options.running,
    tell: options.tell ?? null,
  });
}

/**
 * y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias per channel (dimension 1). With `training` the statistics are
 * those of the batch (biased variance), and the running ones, where given, move in place towards them (unbiased
 * variance): running = (1 - momentum) * running + momentum * observed. Otherwise the running ones are used.
 * Source: `torch.nn.functional.batch_norm`.
 * @param runningMean shape [C], or null.
 * @param runningVar shape [C], or null.
 * @throws ShapeError when a tensor does not have C elements; DTypeError when dtypes differ; ValueError when training
 * with one value per channel, or evaluating without running statistics.
 * @example
 * const x = tensor([[1, 10], [3, 30]], { dtype: "float64" });
 * batchNorm(x, null, null, { training: true, eps: 0 }).toArray(); // [[-1, -1], [1, 1]]
 */
export function batchNorm(
  x: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  options: BatchNormOptions = {},
): Tensor {
  needTensor("batchNorm", x);
  checkOptions("batchNorm", options, BATCH_NORM_OPTIONS);
  const { weight = null, bias = null, training = false, momentum = 0.1, eps = 1e-5 } = options;
  if (x.shape.length === 1 && x.numel === 0) {
    return reshape(batchNorm(reshape(x, [0, 0]), runningMean, runningVar, options), [0]); // no channels
  }
  checkBatchNorm(x, runningMean, runningVar, weight, bias, training);
  if (training) checkCount("batchNorm", x.shape);
  const running =
    runningMean === null && runningVar === null
      ? null
      : { mean: runningMean, variance: runningVar, factor: momentum };
  return runBatchNorm(x, weight, bias, { training, eps, running });
}

/** @internal */
function checkBatchNorm(
  x: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  weight: Tensor | null,
  bias: Tensor | null,
  training: boolean,
): void {
  checkInput("batchNorm", x, 2);
  const given = { running_mean: runningMean, running_var: runningVar, weight, bias };
  for (const [name, t] of Object.entries(given)) {
    if (name.startsWith("running")) checkNoGradient("batchNorm", name, t);
    if (t !== null) checkPerChannel("batchNorm", name, t, x, x.shape[1] as number);
    else if (!training && name.startsWith("running")) {
      throw new ValueError(
        `[batchNorm] ${name} must be defined in evaluation mode: got null; try { training: true } for the statistics of the batch`,
      );
    }
  }
}

/**
 * Batch norm out of plain differentiable ops: the oracle of {@link batchNorm}, right at every order. It moves no
 * running statistics.
 */
export function batchNormComposed(
  x: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  options: BatchNormOptions = {},
): Tensor {
  const { weight = null, bias = null, training = false, eps = 1e-5 } = options;
  checkBatchNorm(x, runningMean, runningVar, weight, bias, training);
  const row = [1, x.shape[1] as number, ...x.shape.slice(2).map(() => 1)];
  const dims = row.flatMap((_, d) => (d === 1 ? [] : [d]));
  const E = (t: Tensor) => meanOf(t, dims, { keepdim: true });
  const u = sub(x, training ? E(x) : reshape(runningMean as Tensor, row));
  const variance = training ? E(square(u)) : reshape(runningVar as Tensor, row);
  const y = mul(u, pow(add(variance, eps), -0.5));
  const scaled = weight === null ? y : mul(y, reshape(weight, row));
  return bias === null ? scaled : add(scaled, reshape(bias, row));
}

/**
 * Batch norm with positional arguments, and its statistics: [output, mean, invstd] (both empty in eval mode, and
 * without gradients). Source: `torch.native_batch_norm`.
 */
export function nativeBatchNorm(
  x: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  training: boolean,
  momentum: number,
  eps: number,
): [Tensor, Tensor, Tensor] {
  checkBatchNorm(x, runningMean, runningVar, weight, bias, training);
  const C = x.shape[1] as number;
  let saved = [empty([0], x.code), empty([0], x.code)] as [Tensor, Tensor];
  const tell = (stats: Tensor) => {
    const row = (k: number) => castCopy(viewOf(stats, [C], null, k * C), x.code);
    if (training) saved = [row(0), row(2)];
  };
  const running =
    runningMean === null && runningVar === null
      ? null
      : { mean: runningMean, variance: runningVar, factor: momentum };
  const y = runBatchNorm(x, weight, bias, { training, eps, running, tell });
  return [y, ...saved];
}

/** A copy, with another dtype perhaps. */
function castCopy(t: Tensor, code: DTypeCode): Tensor {
  const out = empty(t.shape, code);
  copyInto(out, t);
  return out;
}
