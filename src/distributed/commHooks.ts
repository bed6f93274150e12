/** Communication hooks of DistributedDataParallel: how the gradients of a bucket become those of all ranks. */
import type { Tensor } from "../tensor/tensor.js";
import type { GradBucket } from "./buckets.js";
import type { ProcessGroup } from "./processGroup.js";
import { groupOr } from "./world.js";

/** A result that is waited for at the end of the backward. */
export interface PendingBucket {
  /** The bucket's gradients, reduced; called once. */
  wait(): Tensor;
}

/**
 * Reduces the gradients of a bucket over the ranks: gets the state given at registration and the bucket with this
 * rank's gradients, which are not divided by anything; gives a flat tensor of them reduced, or something to wait for.
 */
export type CommHook<S = unknown> = (state: S, bucket: GradBucket) => Tensor | PendingBucket;

/** @internal The average over a group, begun now. */
export function averageBucket(group: ProcessGroup, bucket: GradBucket): PendingBucket {
  const buffer = bucket.buffer();
  const work = group.allReduce(buffer, { op: "avg", asyncOp: true });
  return {
    wait() {
      work.wait();
      return buffer;
    },
  };
}

/**
 * Averages gradients over a group (null: over all ranks): what happens without a hook. As a part of other hooks, and to
 * see that a hook changes nothing. Source: `torch.distributed.algorithms.ddp_comm_hooks.default_hooks.allreduce_hook`.
 * @example
 * const ddp = new DistributedDataParallel(new nn.Linear(4, 2));
 * ddp.registerCommHook(null, allReduceHook);
 */
export function allReduceHook(group: ProcessGroup | null | undefined, bucket: GradBucket): PendingBucket {
  return averageBucket(groupOr("allReduceHook", group), bucket);
}

/**
 * Leaves every rank its own gradients, to measure what communication costs.
 * Source: `torch.distributed.algorithms.ddp_comm_hooks.debugging_hooks.noop_hook`.
 */
export function noopHook(_state: unknown, bucket: GradBucket): Tensor {
  return bucket.buffer();
}

/** Options of {@link PostLocalSGDState}. */
export interface PostLocalSGDOptions {
  /** The group over which gradients are averaged at first; null for all ranks (default). */
  processGroup?: ProcessGroup | null;
  /** The group over which they are averaged later. */
  subgroup: ProcessGroup;
  /** Backward passes with averages over all ranks. */
  startLocalSGDIter: number;
  /** Average over the subgroup later (default), or not at all. */
  postLocalGradientAllreduce?: boolean;
}

/**
 * State of {@link postLocalSGDHook}.
 * Source: `torch.distributed.algorithms.ddp_comm_hooks.post_localSGD_hook.PostLocalSGDState`.
 */
export class PostLocalSGDState {
  /** The group that is averaged over; null: the default group. */
  readonly processGroup: ProcessGroup | null;
  /** The ranks that are averaged over after the first passes. */
  readonly subgroup: ProcessGroup;
  /** Backward passes that are averaged over all ranks. */
  readonly startLocalSGDIter: number;
  /** Whether gradients are averaged over the subgroup afterwards (default true), or not at all. */
  readonly postLocalGradientAllreduce: boolean;
  /** Backward passes so far. */
  iter = 0;

  constructor(options: PostLocalSGDOptions) {
    this.processGroup = options.processGroup ?? null;
    this.subgroup = options.subgroup;
    this.startLocalSGDIter = options.startLocalSGDIter;
    this.postLocalGradientAllreduce = options.postLocalGradientAllreduce ?? true;
  }
}

/**
 * Averages gradients over all ranks in the first `startLocalSGDIter` backward passes, and from then on over a subgroup
 * alone (or not at all): the parameters drift apart and are averaged now and then by {@link PeriodicModelAverager} or
 * {@link PostLocalSGDOptimizer}. Paper: "Don't Use Large Mini-Batches, Use Local SGD".
 * Source: `torch.distributed.algorithms.ddp_comm_hooks.post_localSGD_hook.post_localSGD_hook`.
 */
export function postLocalSGDHook(state: PostLocalSGDState, bucket: GradBucket): Tensor | PendingBucket {
  const global = state.iter < state.startLocalSGDIter;
  if (global) {
    if (bucket.isLast()) state.iter++;
    return averageBucket(groupOr("postLocalSGDHook", state.processGroup), bucket);
  }
  return state.postLocalGradientAllreduce ? averageBucket(state.subgroup, bucket) : bucket.buffer();
}
