/**
 * Group norm and instance norm: each sample's channels in groups, each group with statistics of its own. Forward and
 * backward are the passes of batch norm over N * C channels; the backward is an op again. With x^ = (x - mean) r,
 * h = g w and E the mean of a group:
 *   dx = r (h - E h - x^ E[h x^]), dw = sum g x^, db = sum g
 */

import { defineMultiOp, defineOp, run, runMulti } from "../autograd/op.js";
import { kernels } from "../kernels/index.js";
import { FLOAT64 } from "../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { release } from "../tensor/heap.js";
import { kernelFor, kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { empty, full, ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, mul, sub } from "./arithmetic.js";
import { checkInput, checkPerChannel, moveRunning, type Running, runBatchNorm } from "./batchNorm.js";
import { rowsOf } from "./batchNormBackward.js";
import { contiguous } from "./cast.js";
import { channelGradientSums, channelStatistics, channels, channelsOf, mapChannels } from "./channelSums.js";
import { gradientsOf } from "./composition.js";
import { checkNoGradient, needTensor } from "./core.js";
import { pow, square } from "./powers.js";
import { mean as meanOf, sum } from "./sum.js";
import { reshape } from "./view.js";

const FORWARD_FACTORS = kernelTable("gnForwardFactors");
const FORWARD = kernelTable("bnForward");
const BACKWARD_FACTORS = kernelTable("gnBackwardFactors");
const BACKWARD = kernelTable("bnCombine");
const PARAM_GRADS = kernelTable("gnParamGrads");

interface Groups {
  readonly groups: number;
  readonly eps: number;
}

interface GroupNorm extends Groups {
  /** Positions of weight and bias among the inputs, 0 where there is none. */
  readonly weight: number;
  readonly bias: number;
  /** Running statistics to move (instance norm). */
  readonly running: Running | null;
}

const groupNormOp = defineOp<GroupNorm>({
  name: "GroupNorm",
  saves: [0, 1],
  forward: (inputs, { groups, eps, weight, bias, running }, ctx) => {
    const x = inputs[0] as Tensor;
    const { code } = x;
    const { N, C, S } = channelsOf(x.shape);
    const y = empty(x.shape, code);
    const stats = empty([3, N * groups], FLOAT64);
    ctx.keep(stats);
    if (x.numel === 0) return y;
    const table = empty([4, N * C], code);
    const { mean, m2, invstd } = rowsOf(stats, N * groups);
    const each = channels(1, N * groups, (C / groups) * S);
    channelStatistics(x, each, mean, m2);
    kernels.bnInvstd(m2, invstd, each.count, eps, 0, N * groups);
    const at = (i: number) => (i === 0 ? 0 : ptr(inputs[i] as Tensor));
    kernelFor(FORWARD_FACTORS, code)(mean, invstd, at(weight), at(bias), ptr(table), N, C, groups);
    mapChannels(FORWARD, code, [ptr(x), ptr(y), ptr(table)], channels(1, N * C, S));
    release(table.storage);
    if (running !== null) moveRunning(running, stats, S, N, C);
    return y;
  },
  backward: (g, n) => {
    const { groups, eps, weight, bias } = n.attrs;
    const wants = [n.needs(0), weight > 0 && n.needs(weight), bias > 0 && n.needs(bias)] as const;
    const inputs = [contiguous(g), n.input(0), ...(weight > 0 ? [n.input(weight)] : [])];
    const made = runMulti(backwardOp, inputs, { groups, eps, wants, stats: n.extra[0] as Tensor });
    let k = 0;
    const [gx, gw, gb] = wants.map((wanted) => (wanted ? (made[k++] as Tensor) : null));
    return [gx ?? null, ...(weight > 0 ? [gw ?? null] : []), ...(bias > 0 ? [gb ?? null] : [])];
  },
});

interface Backward extends Groups {
  /** Which of dx, dweight, dbias are made. */
  readonly wants: readonly [boolean, boolean, boolean];
  readonly stats: Tensor;
}

const backwardOp = defineMultiOp<Backward>({
  name: "GroupNormBackward",
  saves: true,
  forward: ([g, x, w], attrs, ctx) => {
    if (ctx.recording) ctx.keep(attrs.stats);
    return computeBackward(g as Tensor, x as Tensor, w ?? null, attrs);
  },
  backward: (cotangents, n) => {
    const inputs = n.shapes.map((_, i) => n.input(i));
    const composed = (...[g, x, w]: Tensor[]) =>
      backwardComposed(n.attrs, g as Tensor, x as Tensor, w ?? null);
    return gradientsOf(
      composed,
      inputs,
      inputs.map((_, i) => n.needs(i)),
      cotangents,
    );
  },
});

function computeBackward(
  g: Tensor,
  x: Tensor,
  w: Tensor | null,
  { groups, wants, stats }: Backward,
): Tensor[] {
  const { code } = x;
  const { N, C, S } = channelsOf(x.shape);
  const gx = wants[0] ? empty(x.shape, code) : null;
  const gw = wants[1] ? empty([C], code) : null;
  const gb = wants[2] ? empty([C], code) : null;
  const out = [gx, gw, gb].filter((t) => t !== null);
  if (x.numel === 0) return out.map((t) => full(t.shape, 0, code));
  const table = empty([5, N * C], code);
  const sums = empty([3, N * C], FLOAT64); // means, sum g, sum g (x - mean) of each sample's channels
  const means = ptr(sums);
  const [sumG, sumGU] = [means + 8 * N * C, means + 16 * N * C];
  const { mean, invstd } = rowsOf(stats, N * groups);
  const each = channels(1, N * C, S);
  kernels.gnSpread(mean, means, N, C, groups);
  channelGradientSums(x, g, each, means, 0, sumG, sumGU);
  const at = (t: Tensor | null) => (t === null ? 0 : ptr(t));
  if (gx !== null) {
    kernelFor(BACKWARD_FACTORS, code)(mean, invstd, at(w), sumG, sumGU, ptr(table), N, C, S, groups);
    mapChannels(BACKWARD, code, [ptr(x), ptr(g), ptr(gx), ptr(table)], each);
  }
  if (gw !== null || gb !== null)
    kernelFor(PARAM_GRADS, code)(invstd, sumG, sumGU, at(gw), at(gb), N, C, groups);
  release(table.storage);
  release(sums.storage);
  return out;
}

/** [N, G, C / G, S] of x, and a per-channel vector to go with it. */
function split(x: Tensor, groups: number): { x: Tensor; row: (t: Tensor) => Tensor } {
  const { N, C, S } = channelsOf(x.shape);
  return {
    x: reshape(x, [N, groups, C / groups, S]),
    row: (t) => reshape(t, [1, groups, C / groups, 1]),
  };
}

const overGroup = (t: Tensor) => meanOf(t, [2, 3], { keepdim: true });

/** The backward in differentiable ops. */
function backwardComposed(
  { groups, eps, wants }: Backward,
  g: Tensor,
  x: Tensor,
  w: Tensor | null,
): Tensor[] {
  const C = x.shape[1] as number;
  const { x: x4, row } = split(x, groups);
  const g4 = split(g, groups).x;
  const u = sub(x4, overGroup(x4));
  const r = pow(add(overGroup(square(u)), eps), -0.5);
  const h = w === null ? g4 : mul(g4, row(w));
  const slope = mul(mul(u, square(r)), overGroup(mul(h, u)));
  const gx = mul(r, sub(sub(h, overGroup(h)), slope));
  const perChannel = (t: Tensor) => reshape(sum(t, [0, 3]), [C]);
  const all = [() => reshape(gx, x.shape), () => perChannel(mul(g4, mul(u, r))), () => perChannel(g4)];
  return all.flatMap((make, i) => (wants[i] === true ? [make()] : []));
}

function runGroupNorm(
  x: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  groups: number,
  eps: number,
  running: Running | null,
): Tensor {
  const inputs = [contiguous(x)];
  if (weight !== null) inputs.push(contiguous(weight));
  if (bias !== null) inputs.push(contiguous(bias));
  const positions = { weight: weight === null ? 0 : 1, bias: bias === null ? 0 : inputs.length - 1 };
  return run(groupNormOp, inputs, { groups, eps, ...positions, running });
}

/** Options of {@link groupNorm}. */
export interface GroupNormOptions {
  /** Factor per channel (default 1). */
  weight?: Tensor | null;
  /** Summand per channel (default 0). */
  bias?: Tensor | null;
  /** Added to the variance under the root (default 1e-5). */
  eps?: number;
}

const GROUP_NORM_OPTIONS: OptionNames<GroupNormOptions> = { weight: 1, bias: 1, eps: 1 };

function checkGroupNorm(x: Tensor, groups: number, weight: Tensor | null, bias: Tensor | null): void {
  checkInput("groupNorm", x, 2);
  const C = x.shape[1] as number;
  if (!Number.isInteger(groups) || groups < 1 || C % groups !== 0) {
    throw new ShapeError(
      `[groupNorm] Expected number of channels in input to be divisible by numGroups, but got input of shape ${show(x.shape)} and numGroups=${groups}`,
    );
  }
  for (const [name, t] of [
    ["weight", weight],
    ["bias", bias],
  ] as const)
    if (t !== null) checkPerChannel("groupNorm", name, t, x, C);
  const { N, S } = channelsOf(x.shape);
  if (N * (C / groups) * S === 1) {
    throw new ValueError(
      `[groupNorm] Expected more than 1 value per channel when training, got input size ${show(x.shape)} with ${groups} groups; ` +
        "try fewer groups",
    );
  }
}

/**
 * Normalises groups of neighbouring channels, each sample by itself:
 * y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, weight and bias per channel. Input (N, C, *).
 * Source: `torch.nn.functional.group_norm`.
 * @throws ShapeError when C is no multiple of `numGroups`; ValueError when the batch holds a single value per group.
 * @example
 * groupNorm(tensor([[1, 3, 10, 30]], { dtype: "float64" }), 2, { eps: 0 }).toArray(); // [[-1, 1, -1, 1]]
 */
export function groupNorm(x: Tensor, numGroups: number, options: GroupNormOptions = {}): Tensor {
  needTensor("groupNorm", x);
  checkOptions("groupNorm", options, GROUP_NORM_OPTIONS);
  const { weight = null, bias = null, eps = 1e-5 } = options;
  checkGroupNorm(x, numGroups, weight, bias);
  return runGroupNorm(x, weight, bias, numGroups, eps, null);
}

/** {@link groupNorm} out of plain differentiable ops: its oracle. */
export function groupNormComposed(x: Tensor, numGroups: number, options: GroupNormOptions = {}): Tensor {
  const { weight = null, bias = null, eps = 1e-5 } = options;
  checkGroupNorm(x, numGroups, weight, bias);
  const { x: x4, row } = split(x, numGroups);
  const u = sub(x4, overGroup(x4));
  const y = mul(u, pow(add(overGroup(square(u)), eps), -0.5));
  const scaled = weight === null ? y : mul(y, row(weight));
  return reshape(bias === null ? scaled : add(scaled, row(bias)), x.shape);
}

/** Options of {@link instanceNorm}. */
export interface InstanceNormOptions {
  /** Running mean, shape [C], or null. */
  runningMean?: Tensor | null;
  /** Running variance, shape [C], or null. */
  runningVar?: Tensor | null;
  /** Factor per channel (default 1). */
  weight?: Tensor | null;
  /** Summand per channel (default 0). */
  bias?: Tensor | null;
  /** Normalise by the statistics of each instance, and move the running ones (default true); else use the running ones. */
  useInputStats?: boolean;
  /** Share of the new observation in the running statistics (default 0.1). */
  momentum?: number;
  /** Added to the variance under the root (default 1e-5). */
  eps?: number;
}

const INSTANCE_NORM_OPTIONS: OptionNames<InstanceNormOptions> = {
  runningMean: 1,
  runningVar: 1,
  weight: 1,
  bias: 1,
  useInputStats: 1,
  momentum: 1,
  eps: 1,
};

function checkInstanceNorm(x: Tensor, o: InstanceNormOptions): void {
  checkInput("instanceNorm", x, 2);
  const given = { running_mean: o.runningMean, running_var: o.runningVar, weight: o.weight, bias: o.bias };
  for (const [name, t] of Object.entries(given)) {
    if (name.startsWith("running")) checkNoGradient("instanceNorm", name, t ?? null);
    if (t !== null && t !== undefined) checkPerChannel("instanceNorm", name, t, x, x.shape[1] as number);
    else if (o.useInputStats === false && name.startsWith("running")) {
      throw new ValueError(
        "[instanceNorm] Expected running_mean and running_var to be defined when useInputStats is false; try useInputStats: true",
      );
    }
  }
  if (o.useInputStats !== false && channelsOf(x.shape).S === 1) {
    throw new ValueError(
      `[instanceNorm] Expected more than 1 spatial element when training, got input size ${show(x.shape)}; ` +
        "try inputs with more positions, or layerNorm",
    );
  }
}

/**
 * Normalises each channel of each sample by itself: y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias. Running
 * statistics, where given, move towards the mean over the samples. Input (N, C, *).
 * Source: `torch.nn.functional.instance_norm`.
 * @throws ValueError when there is one value per channel, or no running statistics where they are to be used.
 */
export function instanceNorm(x: Tensor, options: InstanceNormOptions = {}): Tensor {
  needTensor("instanceNorm", x);
  checkOptions("instanceNorm", options, INSTANCE_NORM_OPTIONS);
  const {
    runningMean = null,
    runningVar = null,
    weight = null,
    bias = null,
    momentum = 0.1,
    eps = 1e-5,
  } = options;
  checkInstanceNorm(x, options);
  const running =
    runningMean === null && runningVar === null
      ? null
      : { mean: runningMean, variance: runningVar, factor: momentum };
  if (options.useInputStats === false)
    return runBatchNorm(x, weight, bias, { training: false, eps, running });
  return runGroupNorm(x, weight, bias, x.shape[1] as number, eps, x.numel === 0 ? null : running);
}

/** {@link instanceNorm} by input statistics out of plain differentiable ops: its oracle. It moves no running statistics. */
export function instanceNormComposed(x: Tensor, options: InstanceNormOptions = {}): Tensor {
  const { weight = null, bias = null, eps = 1e-5 } = options;
  checkInstanceNorm(x, options);
  const row = (t: Tensor) => reshape(t, [1, -1, ...x.shape.slice(2).map(() => 1)]);
  const E = (t: Tensor) =>
    meanOf(
      t,
      x.shape.slice(2).map((_, d) => d + 2),
      { keepdim: true },
    );
  const u = sub(x, E(x));
  const y = mul(u, pow(add(E(square(u)), eps), -0.5));
  const scaled = weight === null ? y : mul(y, row(weight));
  return bias === null ? scaled : add(scaled, row(bias));
}
