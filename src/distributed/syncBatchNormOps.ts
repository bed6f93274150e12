/**
 * Batch normalization over the batches of all ranks, as ops: the passes over memory are those of batch norm, the sums in
 * between come from all ranks. With u = x - mean, r = 1 / sqrt(var + eps), h = g w, and E the mean over the values of a
 * channel on all ranks:
 *   dx = r (h - E h - r^2 E[h u] u), dw = r sum g u and db = sum g over the values of this rank
 * These are the gradients of the sum of all ranks' losses, where each rank has a weight and bias of its own. The second
 * derivative is in syncBatchNormDouble.ts.
 */
import { mode } from "../autograd/mode.js";
import { defineMultiOp, defineOp, run, runMulti } from "../autograd/op.js";
import { kernels } from "../kernels/index.js";
import { moveRunning, type Running } from "../ops/batchNorm.js";
import { batchNormBackward, rowsOf } from "../ops/batchNormBackward.js";
import { contiguous } from "../ops/cast.js";
import { channelGradientSums, channelStatistics, channelsOf, mapChannels } from "../ops/channelSums.js";
import { FLOAT64 } from "../tensor/dtype.js";
import { ValueError } from "../tensor/errors.js";
import { nextOp, release } from "../tensor/heap.js";
import { kernelFor, kernelTable } from "../tensor/launch.js";
import { empty, full, ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { mergeMoments, momentsLength } from "./batchMoments.js";
import type { Marks } from "./header.js";
import type { ProcessGroup } from "./processGroup.js";
import { checkRecorded, inBackwardOf, marksFor, recordedInputs } from "./recording.js";
import { syncDoubleBackward } from "./syncBatchNormDouble.js";
import { elements, type SyncNormalization } from "./syncChannels.js";

const FORWARD_FACTORS = kernelTable("bnForwardFactors");
const FORWARD = kernelTable("bnForward");
const COMBINE = kernelTable("bnCombine");
const PARAM_GRADS = kernelTable("bnParamGrads");

/** Mark of a rank whose input needs a gradient, not just its weight or bias. */
const INPUT_NEEDS = 3;

interface SyncBatchNorm extends SyncNormalization {
  /** Positions of weight and bias among the inputs, 0 where there is none. */
  readonly weight: number;
  readonly bias: number;
  readonly running: Running | null;
  readonly marks: readonly number[];
}

const syncBatchNormOp = defineOp<SyncBatchNorm>({
  name: "SyncBatchNorm",
  saves: [0, 1],
  forward: (inputs, { stats, total, running, weight, bias }, ctx) => {
    const x = inputs[0] as Tensor;
    const of = channelsOf(x.shape);
    const { C } = of;
    const y = empty(x.shape, x.code);
    ctx.keep(stats);
    if (x.numel > 0) {
      const table = empty([4, C], x.code);
      const { mean, invstd } = rowsOf(stats, C);
      const at = (i: number) => (i === 0 ? 0 : ptr(inputs[i] as Tensor));
      kernelFor(FORWARD_FACTORS, x.code)(mean, invstd, at(weight), at(bias), ptr(table), C);
      mapChannels(FORWARD, x.code, [ptr(x), ptr(y), ptr(table)], of);
      release(table.storage);
    }
    if (running !== null && total > 0) moveRunning(running, stats, total, 1, C);
    return y;
  },
  backward: (g, n) => {
    const { weight, bias, marks, group, eps, total } = n.attrs;
    const stats = n.extra[0] as Tensor;
    const wants = [n.needs(0), weight > 0 && n.needs(weight), bias > 0 && n.needs(bias)] as const;
    const w = weight > 0 ? n.input(weight) : null;
    const x = n.input(0);
    // Where no rank asks for the gradient of its input, what is left needs no sums of other ranks.
    const [gx, gw, gb] = marks.includes(INPUT_NEEDS)
      ? syncBackward(g, x, w, { group, eps, total, stats, wants }, marks)
      : batchNormBackward(g, x, w, { training: false, eps, stats }, wants);
    return [gx ?? null, ...(weight > 0 ? [gw ?? null] : []), ...(bias > 0 ? [gb ?? null] : [])];
  },
});

interface Wanted extends SyncNormalization {
  /** Which of dx, dweight, dbias are made. */
  readonly wants: readonly [boolean, boolean, boolean];
}

interface Backward extends Wanted {
  readonly affine: boolean;
  readonly marks: readonly number[];
  /** Rows sum g, sum g u of this rank, float64 [2, C]; the forward frees them. */
  readonly own: Tensor;
  /** Rows sum h, sum h u of all ranks, float64 [2, C]; the forward frees them. */
  readonly sums: Tensor;
}

const backwardOp = defineMultiOp<Backward>({
  name: "SyncBatchNormBackward",
  saves: true,
  forward: ([g, x, w], attrs, ctx) => {
    if (ctx.recording) ctx.keep(attrs.stats);
    const made = computeBackward(g as Tensor, x as Tensor, attrs.affine ? (w as Tensor) : null, attrs);
    release(attrs.own.storage);
    release(attrs.sums.storage);
    return made;
  },
  backward: (cotangents, n) => {
    const { affine, wants, marks, group, eps, total } = n.attrs;
    const stats = n.extra[0] as Tensor;
    checkRecorded("SyncBatchNormBackward", group, marks);
    let k = 0;
    const given = wants.map((wanted) => (wanted ? (cotangents[k++] ?? null) : null));
    const w = affine ? n.input(2) : null;
    return syncDoubleBackward(n.input(0), n.input(1), w, given, { group, eps, total, stats });
  },
});

/** [dx, dweight, dbias], null where not wanted. Every rank of the group calls it. */
function syncBackward(
  gradient: Tensor,
  x: Tensor,
  w: Tensor | null,
  norm: Wanted,
  forwardMarks: readonly number[],
): (Tensor | null)[] {
  checkRecorded("SyncBatchNorm", norm.group, forwardMarks);
  const g = contiguous(gradient);
  nextOp();
  const of = channelsOf(x.shape);
  const { C } = of;
  const own = full([2, C], 0, FLOAT64);
  const sums = empty([2, C], FLOAT64);
  if (x.numel > 0) channelGradientSums(x, g, of, rowsOf(norm.stats, C).mean, 0, ptr(own), ptr(own) + 8 * C);
  const [from, to, factor] = elements(own, sums, w);
  for (let i = 0; i < 2 * C; i++) to[i] = (from[i] as number) * (factor?.[i % C] ?? 1);
  const inputs = w === null ? [g, x] : [g, x, w];
  const marks = marksFor(inputs);
  inBackwardOf(`SyncBatchNorm(${C})`, () => norm.group.allReduce(sums, { marks }));
  const attrs = { ...norm, affine: w !== null, marks: marks.all, own, sums };
  const made = runMulti(backwardOp, recordedInputs(inputs, marks.all), attrs);
  let k = 0;
  return norm.wants.map((wanted) => (wanted ? (made[k++] as Tensor) : null));
}

function computeBackward(
  g: Tensor,
  x: Tensor,
  w: Tensor | null,
  { stats, total, wants, own, sums }: Backward,
): Tensor[] {
  const of = channelsOf(x.shape);
  const { C } = of;
  const { code } = x;
  const gx = wants[0] ? empty(x.shape, code) : null;
  const gw = wants[1] ? empty([C], code) : null;
  const gb = wants[2] ? empty([C], code) : null;
  if (gx !== null && x.numel > 0) {
    const table = empty([5, C], code);
    backwardFactors(stats, sums, w, total, table, C);
    mapChannels(COMBINE, code, [ptr(x), ptr(g), ptr(gx), ptr(table)], of);
    release(table.storage);
  }
  if (gw !== null || gb !== null) {
    const at = (t: Tensor | null) => (t === null ? 0 : ptr(t));
    const sumG = ptr(own);
    kernelFor(PARAM_GRADS, code)(rowsOf(stats, C).invstd, sumG, sumG + 8 * C, at(gw), at(gb), C);
  }
  return [gx, gw, gb].filter((t) => t !== null);
}

/** Rows for dx = (g t1 - t2 - (x - t0) t3) t4. What mean - t0 adds, where t0 is rounded, is part of t2. */
function backwardFactors(
  stats: Tensor,
  sums: Tensor,
  w: Tensor | null,
  total: number,
  table: Tensor,
  C: number,
): void {
  const [s, h, t, weight] = elements(stats, sums, table, w);
  for (let c = 0; c < C; c++) {
    const mean = s[c] as number;
    const r = s[2 * C + c] as number;
    const slope = ((h[C + c] as number) / total) * r * r;
    t[c] = mean;
    const away = mean - (t[c] as number);
    t[C + c] = weight?.[c] ?? 1;
    t[2 * C + c] = (h[c] as number) / total - (away === 0 ? 0 : away * slope);
    t[3 * C + c] = slope;
    t[4 * C + c] = r;
  }
}

/** Arguments of {@link syncBatchNorm}. */
export interface SyncBatchNormOptions {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly running: Running | null;
  readonly eps: number;
  readonly group: ProcessGroup;
  /** Name in errors. */
  readonly layer: string;
}

/**
 * y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias per channel, with the statistics of all ranks of the group, towards
 * which the running ones move. Every rank of the group calls it, with batches of any size. x and the parameters fit.
 * @throws ValueError on every rank when all ranks together have one value per channel.
 */
export function syncBatchNorm(x: Tensor, options: SyncBatchNormOptions): Tensor {
  const { weight, bias, running, eps, group, layer } = options;
  const inputs = [contiguous(x)];
  if (weight !== null) inputs.push(contiguous(weight));
  if (bias !== null) inputs.push(contiguous(bias));
  const marks = marksFor(inputs);
  if (mode.grad && x.requiresGrad) marks.own = INPUT_NEEDS;
  const { stats, total } = gatherStatistics(inputs[0] as Tensor, eps, group, marks);
  if (total === 1) {
    release(stats.storage);
    throw new ValueError(
      `[${layer}] Expected more than 1 value per channel when training, got 1 on all ${group.size()} ranks together; ` +
        `this rank's input has shape [${x.shape.join(", ")}]; try a larger batch, or eval() on the layer`,
    );
  }
  return run(syncBatchNormOp, recordedInputs(inputs, marks.all), {
    group,
    eps,
    stats,
    total,
    weight: weight === null ? 0 : 1,
    bias: bias === null ? 0 : weight === null ? 1 : 2,
    running,
    marks: marks.all,
  });
}

/** Mean, m2 and invstd over all ranks (float64 [3, C]), and how many values they are of. */
function gatherStatistics(
  x: Tensor,
  eps: number,
  group: ProcessGroup,
  marks: Marks,
): { stats: Tensor; total: number } {
  nextOp();
  const of = channelsOf(x.shape);
  const { C, count } = of;
  const length = momentsLength(C);
  const own = full([length], 0, FLOAT64);
  const all = empty([group.size(), length], FLOAT64);
  const stats = full([3, C], 0, FLOAT64);
  if (x.numel > 0) channelStatistics(x, of, ptr(own) + 8, ptr(own) + 8 * (1 + C));
  elements(own)[0][0] = count;
  group.allGatherIntoTensor(all, own, { marks });
  nextOp();
  const [parts, s] = elements(all, stats) as [Float64Array, Float64Array];
  const total = mergeMoments(parts, group.size(), s.subarray(0, C), s.subarray(C, 2 * C));
  const { m2, invstd } = rowsOf(stats, C);
  if (total > 0) kernels.bnInvstd(m2, invstd, total, eps, 0, C);
  release(own.storage);
  release(all.storage);
  return { stats, total };
}
