/**
 * PowerSGD: gradients of matrices exchanged as products of two thin factors. After Vogels, Karimireddy and Jaggi,
 * "PowerSGD: Practical Low-Rank Gradient Compression for Distributed Optimization" (NeurIPS 2019).
 */
import { ValueError } from "../tensor/errors.js";
import { KEPT } from "../tensor/heap.js";
import { Generator, randn } from "../tensor/random.js";
import type { Tensor } from "../tensor/tensor.js";
import type { GradBucket } from "./buckets.js";
import { averageBucket, type PendingBucket } from "./commHooks.js";
import type { ProcessGroup } from "./processGroup.js";
import { groupOr } from "./world.js";

/** Options of {@link PowerSGDState}. */
export interface PowerSGDOptions {
  /** The ranks among which gradients are averaged; null for all (default). */
  processGroup?: ProcessGroup | null;
  /** Columns of the factors: more are closer to the gradient and cost more (default 1). */
  matrixApproximationRank?: number;
  /** Backward passes with plain averages at first (default 1000). */
  startPowerSGDIter?: number;
  /** Compress matrices only that become smaller by more than this factor (default 2). */
  minCompressionRate?: number;
  /** Add to a gradient what the compression of the one before left out (default true). */
  useErrorFeedback?: boolean;
  /** Begin with the factors of the backward before (default true). */
  warmStart?: boolean;
  /** Added to the norms of columns, against division by zero for gradients that vanish (default 0). */
  orthogonalizationEpsilon?: number;
  /** Seed of the first factors, the same on all ranks (default 0). */
  randomSeed?: number;
}

/**
 * State and options of {@link powerSGDHook}.
 * Source: `torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook.PowerSGDState`.
 * @throws ValueError when `startPowerSGDIter` is less than 2 although errors or factors are carried on.
 */
export class PowerSGDState {
  /** The group that is averaged over; null: the default group. */
  readonly processGroup: ProcessGroup | null;
  /** Rank of the factors (default 1). */
  readonly matrixApproximationRank: number;
  /** Backward passes without compression at first (default 1000). */
  readonly startPowerSGDIter: number;
  /** Gradients that this would not shrink by at least this factor are exchanged whole (default 2). */
  readonly minCompressionRate: number;
  /** Whether what was left out is added to the next gradient (default true). */
  readonly useErrorFeedback: boolean;
  /** Whether factors start from those of the last pass (default true). */
  readonly warmStart: boolean;
  /** Added to norms when factors are made orthogonal (default 0). */
  readonly orthogonalizationEpsilon: number;
  /** Backward passes so far. */
  iter = 0;
  /** @internal */
  readonly generator: Generator;
  /** @internal What the last compression left out, by bucket. */
  readonly errors: Map<number, Tensor> = new Map();
  /** @internal The second factors of the last backward, by bucket. */
  readonly factors: Map<number, Tensor[]> = new Map();
  private before = 0;
  private after = 0;

  constructor(options: PowerSGDOptions = {}) {
    this.processGroup = options.processGroup ?? null;
    this.matrixApproximationRank = options.matrixApproximationRank ?? 1;
    this.startPowerSGDIter = options.startPowerSGDIter ?? 1000;
    this.minCompressionRate = options.minCompressionRate ?? 2;
    this.useErrorFeedback = options.useErrorFeedback ?? true;
    this.warmStart = options.warmStart ?? true;
    this.orthogonalizationEpsilon = options.orthogonalizationEpsilon ?? 0;
    this.generator = new Generator().manualSeed(options.randomSeed ?? 0);
    if (!Number.isInteger(this.matrixApproximationRank) || this.matrixApproximationRank < 1) {
      throw new ValueError(
        `[PowerSGDState] matrixApproximationRank is ${this.matrixApproximationRank}, expected a whole number > 0`,
      );
    }
    if ((this.useErrorFeedback || this.warmStart) && this.startPowerSGDIter <= 1) {
      throw new ValueError(
        `[PowerSGDState] startPowerSGDIter is ${this.startPowerSGDIter}, expected more than 1 where errors or factors ` +
          "are carried on; try 2, or useErrorFeedback: false and warmStart: false",
      );
    }
  }

  /** @internal Counts elements before and after compression. */
  count(before: number, after: number): void {
    this.before += before;
    this.after += after;
  }

  /** How many times fewer elements were exchanged since compression began, and both numbers of elements. */
  compressionStats(): {
    /** before / after. */
    rate: number;
    /** Elements of the gradients. */
    before: number;
    /** Elements that were exchanged. */
    after: number;
  } {
    return { rate: this.after > 0 ? this.before / this.after : 0, before: this.before, after: this.after };
  }
}

const normOf = (x: Tensor): number => x.square().sum().sqrt().item();

/** Takes out of a column what lies along those before it; twice, since rounding leaves some of it the first time. */
function project(column: Tensor, before: Tensor | null): void {
  if (before === null) return;
  for (let i = 0; i < 2; i++) column.sub_(before.matmul(before.transpose(0, 1).matmul(column)));
}

/**
 * Makes the columns of a matrix orthonormal, one after the other (Gram-Schmidt), in place. A column that depends on
 * those before it becomes a random direction of `generator`, or zeros without one.
 */
function orthogonalize(matrix: Tensor, epsilon: number, generator: Generator | null): void {
  const [rows, columns] = matrix.shape as [number, number];
  const rounding = matrix.dtype === "float64" ? 1e-14 : 1e-6;
  for (let j = 0; j < columns; j++) {
    const column = matrix.narrow(1, j, 1);
    const before = j === 0 ? null : matrix.narrow(1, 0, j);
    const dependent = () => {
      const size = normOf(column);
      project(column, before);
      return !(normOf(column) > size * rounding);
    };
    let lost = dependent();
    if (lost && generator !== null) {
      column.copy_(randn([rows, 1], { dtype: matrix.dtype, generator }));
      lost = dependent();
    }
    if (lost) column.zero_();
    else column.div_(normOf(column) + epsilon);
  }
}

/** Sums several matrices over the ranks in one exchange. */
function allReduceTogether(tensors: readonly Tensor[], group: ProcessGroup, op: "sum" | "avg"): void {
  if (tensors.length > 0) group.allReduceCoalesced(tensors, op);
}

/** A gradient as a matrix: its first dimension by all others. */
function asMatrix(gradient: Tensor): Tensor {
  return gradient.reshape([gradient.shape[0] as number, -1]);
}

function shouldCompress(gradient: Tensor, state: PowerSGDState): boolean {
  if (gradient.ndim < 2) return false;
  const rows = gradient.shape[0] as number;
  const columns = gradient.numel / rows;
  return (rows + columns) * state.matrixApproximationRank * state.minCompressionRate < gradient.numel;
}

/**
 * Exchanges the gradient M of each matrix (n, m) as P (n, r) and Q (m, r): P = sum of M Q over the ranks, with
 * orthonormal columns; Q = average of M' P; the gradient becomes P Q'. One step of power iteration for each backward,
 * with the error added to the next gradient. Vectors and small matrices are averaged as they are.
 * Source: `torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook.powerSGD_hook` (first factors come from another
 * generator).
 * @example
 * const ddp = new DistributedDataParallel(new nn.Linear(400, 200));
 * ddp.registerCommHook(new PowerSGDState({ matrixApproximationRank: 2, startPowerSGDIter: 10 }), powerSGDHook);
 */
export function powerSGDHook(state: PowerSGDState, bucket: GradBucket): Tensor | PendingBucket {
  const group = groupOr("powerSGDHook", state.processGroup);
  const buffer = bucket.buffer();
  const plain = state.iter < state.startPowerSGDIter;
  if (bucket.isLast()) state.iter++;
  if (plain) return averageBucket(group, bucket);

  const index = bucket.index();
  const error = state.errors.get(index);
  if (error !== undefined) buffer.add_(error);
  const before = state.useErrorFeedback ? buffer.clone() : null;

  const gradients = bucket.gradients();
  const large = gradients.filter((g) => shouldCompress(g, state));
  const small = gradients.filter((g) => !large.includes(g));
  const matrices = large.map(asMatrix);
  let qs = state.factors.get(index);
  if (qs === undefined) {
    qs = matrices.map((m) => {
      const [rows, columns] = m.shape as [number, number];
      const rank = Math.min(rows, columns, state.matrixApproximationRank);
      return randn([columns, rank], { dtype: m.dtype, generator: state.generator });
    });
  }
  for (const q of qs) orthogonalize(q, state.orthogonalizationEpsilon, state.generator);
  const ps = matrices.map((m, i) => m.matmul((qs as Tensor[])[i] as Tensor));
  state.count(
    buffer.numel,
    [...small, ...ps, ...qs].reduce((sum, t) => sum + t.numel, 0),
  );

  allReduceTogether(small, group, "avg");
  allReduceTogether(ps, group, "sum");
  for (const p of ps) orthogonalize(p, state.orthogonalizationEpsilon, null);
  qs = matrices.map((m, i) => m.transpose(0, 1).matmul(ps[i] as Tensor));
  allReduceTogether(qs, group, "avg");
  large.forEach((gradient, i) => {
    const product = (ps[i] as Tensor).matmul(((qs as Tensor[])[i] as Tensor).transpose(0, 1));
    gradient.copy_(product.reshape([...gradient.shape]));
  });

  if (before !== null) keep(state.errors, index, before.sub_(buffer));
  if (state.warmStart) {
    for (const q of qs) q.storage.flags |= KEPT;
    state.factors.set(index, qs);
  }
  return buffer;
}

function keep(into: Map<number, Tensor>, index: number, t: Tensor): void {
  t.storage.flags |= KEPT;
  into.set(index, t);
}
