/** DistributedSampler: each rank's part of a dataset. Source: `torch.utils.data.distributed.DistributedSampler`. */
import { Sampler, type Sized } from "../data/sampler.js";
import { toArray } from "../ops/read.js";
import { ValueError } from "../tensor/errors.js";
import { Generator, randperm } from "../tensor/random.js";
import { groupOr } from "./world.js";

/** Options of {@link DistributedSampler}. */
export interface DistributedSamplerOptions {
  /** Among how many ranks the dataset is shared out (default: all). */
  numReplicas?: number;
  /** Which of them this is (default: this rank). */
  rank?: number;
  /** Random order, anew after each `setEpoch` (default true). */
  shuffle?: boolean;
  /** Seed of the order, the same on all ranks (default 0). */
  seed?: number;
  /** Leave out the last samples when they are not enough for all, in place of repeating the first (default false). */
  dropLast?: boolean;
}

/**
 * Shares out a dataset among ranks: rank r of R gets the places r, r + R, r + 2R, ... of an order that is the same on
 * all. So that all get the same number, the first samples come again at the end, or the last are left out. For the same
 * seed and epoch, PyTorch's indices. Source: `torch.utils.data.distributed.DistributedSampler`.
 * @example
 * const sampler = new DistributedSampler({ length: 5 }, { numReplicas: 2, rank: 1, shuffle: false });
 * [...sampler]; // [1, 3, 0]
 * @throws ValueError for a rank that is out of range.
 */
export class DistributedSampler extends Sampler {
  /** What is visited. */
  readonly dataset: Sized;
  /** Number of ranks that share it (default: those of the group). */
  readonly numReplicas: number;
  /** Which of them this is (default: the own rank). */
  readonly rank: number;
  /** Whether the order is drawn anew each epoch (default true). */
  readonly shuffle: boolean;
  /** Seed of the order, the same on all ranks (default 0). */
  readonly seed: number;
  /** Whether samples that do not divide among the ranks are left out (default false: some come twice). */
  readonly dropLast: boolean;
  /** Added to the seed; see {@link DistributedSampler.setEpoch}. */
  epoch = 0;
  /** Samples of each rank. */
  readonly numSamples: number;
  /** Samples of all ranks together. */
  readonly totalSize: number;

  constructor(dataset: Sized, options: DistributedSamplerOptions = {}) {
    super();
    const { shuffle = true, seed = 0, dropLast = false } = options;
    const numReplicas = options.numReplicas ?? groupOr("DistributedSampler", null).size();
    const rank = options.rank ?? groupOr("DistributedSampler", null).rank();
    if (!Number.isInteger(numReplicas) || numReplicas < 1) {
      throw new ValueError(`[DistributedSampler] numReplicas is ${numReplicas}, expected a whole number > 0`);
    }
    if (!Number.isInteger(rank) || rank < 0 || rank >= numReplicas) {
      throw new ValueError(`[DistributedSampler] rank is ${rank}, expected one from 0 to ${numReplicas - 1}`);
    }
    this.dataset = dataset;
    this.numReplicas = numReplicas;
    this.rank = rank;
    this.shuffle = shuffle;
    this.seed = seed;
    this.dropLast = dropLast;
    const n = dataset.length;
    this.numSamples = dropLast ? Math.floor(n / numReplicas) : Math.ceil(n / numReplicas);
    this.totalSize = this.numSamples * numReplicas;
  }

  get length(): number {
    return this.numSamples;
  }

  /**
   * Sets the epoch, which changes the order: without it, every epoch has the same.
   * Source: `DistributedSampler.set_epoch`.
   */
  setEpoch(epoch: number): void {
    this.epoch = epoch;
  }

  *[Symbol.iterator](): Iterator<number> {
    const n = this.dataset.length;
    const order = this.shuffle
      ? (toArray(randperm(n, { generator: new Generator().manualSeed(this.seed + this.epoch) })) as number[])
      : null;
    // Places beyond the end start over from the first.
    for (let place = this.rank; place < this.totalSize; place += this.numReplicas) {
      yield order === null ? place % n : (order[place % n] as number);
    }
  }
}
