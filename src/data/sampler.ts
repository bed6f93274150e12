/** Samplers: the order in which a DataLoader visits a dataset. Source: `torch.utils.data.sampler`. */

import { multinomial } from "../ops/random.js";
import { toArray, toTypedArray } from "../ops/read.js";
import { empty, tensor } from "../tensor/create.js";
import { ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { Generator, randint, random_, randperm } from "../tensor/random.js";
import { Tensor } from "../tensor/tensor.js";

/** Anything with a length. */
export interface Sized {
  /** How many there are. */
  readonly length: number;
}

/** A sequence of indices (or of batches of them) that starts anew with each walk. Source: `torch.utils.data.Sampler`. */
export abstract class Sampler<T = number> implements Iterable<T> {
  /** How many indices a walk gives. */
  abstract get length(): number;
  /** Starts a walk. */
  abstract [Symbol.iterator](): Iterator<T>;
}

/** The indices in order: 0, 1, 2, ... Source: `torch.utils.data.SequentialSampler`. */
export class SequentialSampler extends Sampler {
  /** What is visited, from its first sample to the last. */
  readonly dataSource: Sized;

  constructor(dataSource: Sized) {
    super();
    this.dataSource = dataSource;
  }

  get length(): number {
    return this.dataSource.length;
  }

  *[Symbol.iterator](): Iterator<number> {
    for (let i = 0; i < this.dataSource.length; i++) yield i;
  }
}

/** Options of {@link RandomSampler}. */
export interface RandomSamplerOptions {
  /** Draw with replacement (default false). */
  replacement?: boolean;
  /** How many to draw (default the length of the source). */
  numSamples?: number;
  /** Generator of the order (default: one seeded by the default generator, anew for each walk). */
  generator?: Generator | undefined;
}

const RANDOM_SAMPLER_OPTIONS: OptionNames<RandomSamplerOptions> = {
  replacement: 1,
  numSamples: 1,
  generator: 1,
};

/** A 64-bit draw of a generator (the default one unless given), as PyTorch seeds samplers. @internal */
export function drawSeed(generator?: Generator): bigint {
  const t = empty([], { dtype: "int64" });
  random_(t, 0, null, generator);
  return (toTypedArray(t) as BigInt64Array)[0] as bigint;
}

function draw(generator: Generator | undefined): Generator {
  return generator ?? new Generator().manualSeed(drawSeed());
}

/**
 * Indices in random order, a new one each walk: for the same seed, PyTorch's. Source: `torch.utils.data.RandomSampler`.
 * @throws ValueError when there is nothing to draw.
 * @example
 * manualSeed(0);
 * [...new RandomSampler(new TensorDataset(arange(6)))]; // [0, 1, 2, 3, 5, 4]
 */
export class RandomSampler extends Sampler {
  /** What is visited. */
  readonly dataSource: Sized;
  /** Whether a sample may come more than once (default false). */
  readonly replacement: boolean;
  private readonly given: number | undefined;
  private readonly generator: Generator | undefined;

  constructor(dataSource: Sized, options: RandomSamplerOptions = {}) {
    checkOptions(new.target.name, options, RANDOM_SAMPLER_OPTIONS);
    super();
    this.dataSource = dataSource;
    this.replacement = options.replacement ?? false;
    this.given = options.numSamples;
    this.generator = options.generator;
    if (!(this.length > 0) || !Number.isInteger(this.length)) {
      throw new ValueError(`[RandomSampler] numSamples must be a whole number > 0, got ${this.length}`);
    }
  }

  get length(): number {
    return this.given ?? this.dataSource.length;
  }

  *[Symbol.iterator](): Iterator<number> {
    const n = this.dataSource.length;
    const generator = draw(this.generator);
    const total = this.length;
    if (this.replacement) {
      for (let i = 0; i < Math.floor(total / 32); i++)
        yield* toArray(randint(n, [32], { generator })) as number[];
      yield* toArray(randint(n, [total % 32], { generator })) as number[];
      return;
    }
    for (let i = 0; i < Math.floor(total / n); i++) yield* toArray(randperm(n, { generator })) as number[];
    yield* (toArray(randperm(n, { generator })) as number[]).slice(0, total % n);
  }
}

const SUBSET_RANDOM_SAMPLER_OPTIONS: OptionNames<{ generator?: Generator }> = { generator: 1 };

/** Given indices in random order, a new one each walk. Source: `torch.utils.data.SubsetRandomSampler`. */
export class SubsetRandomSampler extends Sampler {
  /** What is visited, in a new order each walk. */
  readonly indices: readonly number[];
  private readonly generator: Generator | undefined;

  constructor(indices: readonly number[], options: { generator?: Generator } = {}) {
    checkOptions(new.target.name, options, SUBSET_RANDOM_SAMPLER_OPTIONS);
    super();
    this.indices = indices;
    this.generator = options.generator;
  }

  get length(): number {
    return this.indices.length;
  }

  *[Symbol.iterator](): Iterator<number> {
    const options = this.generator === undefined ? {} : { generator: this.generator };
    for (const i of toArray(randperm(this.indices.length, options)) as number[])
      yield this.indices[i] as number;
  }
}

const WEIGHTED_RANDOM_SAMPLER_OPTIONS: OptionNames<{ replacement?: boolean; generator?: Generator }> = {
  replacement: 1,
  generator: 1,
};

/**
 * `numSamples` indices drawn with given weights, which need not sum to 1; with replacement unless told otherwise.
 * Source: `torch.utils.data.WeightedRandomSampler`.
 * @throws ValueError when `numSamples` is no whole number > 0.
 * @example
 * [...new WeightedRandomSampler([0, 1, 0], 4)]; // [1, 1, 1, 1]
 */
export class WeightedRandomSampler extends Sampler {
  /** How likely each index is, relative to the others. */
  readonly weights: readonly number[];
  /** How many indices a walk gives. */
  readonly numSamples: number;
  /** Whether an index may come more than once (default true). */
  readonly replacement: boolean;
  private readonly generator: Generator | undefined;

  constructor(
    weights: readonly number[] | Tensor,
    numSamples: number,
    options: { replacement?: boolean; generator?: Generator } = {},
  ) {
    checkOptions(new.target.name, options, WEIGHTED_RANDOM_SAMPLER_OPTIONS);
    super();
    if (!Number.isInteger(numSamples) || numSamples <= 0) {
      throw new ValueError(
        `[WeightedRandomSampler] numSamples must be a whole number > 0, got ${numSamples}`,
      );
    }
    this.weights = weights instanceof Tensor ? (toArray(weights) as number[]) : weights;
    this.numSamples = numSamples;
    this.replacement = options.replacement ?? true;
    this.generator = options.generator;
  }

  get length(): number {
    return this.numSamples;
  }

  *[Symbol.iterator](): Iterator<number> {
    const weights = tensor(this.weights, { dtype: "float64" });
    const generator = this.generator === undefined ? {} : { generator: this.generator };
    const drawn = multinomial(weights, this.numSamples, { replacement: this.replacement, ...generator });
    yield* toArray(drawn) as number[];
  }
}

/**
 * Groups the indices of another sampler into batches. Source: `torch.utils.data.BatchSampler`.
 * @throws ValueError when `batchSize` is no whole number > 0.
 * @example
 * [...new BatchSampler([3, 1, 4, 1, 5], 2, false)]; // [[3, 1], [4, 1], [5]]
 */
export class BatchSampler extends Sampler<number[]> {
  /** What gives the indices. */
  readonly sampler: Iterable<number> & Partial<Sized>;
  /** Indices in a batch. */
  readonly batchSize: number;
  /** Whether a last batch with fewer indices is left out. */
  readonly dropLast: boolean;

  constructor(sampler: Iterable<number> & Partial<Sized>, batchSize: number, dropLast: boolean) {
    super();
    if (!Number.isInteger(batchSize) || batchSize <= 0) {
      throw new ValueError(`[BatchSampler] batchSize must be a whole number > 0, got ${batchSize}`);
    }
    this.sampler = sampler;
    this.batchSize = batchSize;
    this.dropLast = dropLast;
  }

  get length(): number {
    const n = this.sampler.length ?? [...this.sampler].length;
    return this.dropLast ? Math.floor(n / this.batchSize) : Math.ceil(n / this.batchSize);
  }

  *[Symbol.iterator](): Iterator<number[]> {
    let batch: number[] = [];
    for (const i of this.sampler) {
      batch.push(i);
      if (batch.length === this.batchSize) {
        yield batch;
        batch = [];
      }
    }
    if (batch.length > 0 && !this.dropLast) yield batch;
  }
}
