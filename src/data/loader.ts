/** DataLoader: batches of a dataset, shuffled as PyTorch shuffles for the same seed. */

import { stack } from "../ops/join.js";
import { tensor } from "../tensor/create.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Generator } from "../tensor/random.js";
import { sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { Dataset, IterableDataset, TensorDataset } from "./dataset.js";
import { BatchSampler, drawSeed, RandomSampler, type Sampler, SequentialSampler } from "./sampler.js";

function kindOf(sample: unknown): string {
  if (sample instanceof Tensor) return "a tensor";
  if (Array.isArray(sample)) return "an array";
  return sample === null ? "null" : `a value of type ${typeof sample}`;
}

/**
 * Joins samples into a batch: tensors are stacked, numbers and booleans become tensors, arrays and objects are joined
 * entry by entry, anything else stays a list. Source: `torch.utils.data.default_collate`.
 */
export function defaultCollate(batch: readonly unknown[]): unknown {
  const first = batch[0];
  const kind = kindOf(first);
  const other = batch.findIndex((sample) => kindOf(sample) !== kind);
  if (other >= 0) {
    throw new ValueError(
      `[defaultCollate] the samples of a batch must be of one kind: got ${kind} and, at ${other}, ${kindOf(batch[other])}; try ` +
        "a collateFn of your own",
    );
  }
  if (first instanceof Tensor) {
    const odd = (batch as Tensor[]).find((t) => !sameShape(t.shape, first.shape));
    if (odd !== undefined) {
      throw new ShapeError(
        `[defaultCollate] the tensors of a batch must have one shape: got ${show(first.shape)} and ${show(odd.shape)}; try ` +
          "padding them, or a collateFn of your own",
      );
    }
    return stack(batch as Tensor[]);
  }
  if (typeof first === "number") {
    const whole = batch.every((v) => Number.isInteger(v));
    return tensor(batch as number[], { dtype: whole ? "int64" : "float64" });
  }
  if (typeof first === "boolean") return tensor(batch as boolean[]);
  if (Array.isArray(first)) {
    if (batch.some((b) => (b as unknown[]).length !== first.length)) {
      throw new ValueError(
        "[defaultCollate] the samples of a batch are arrays of different lengths; try a collateFn of your own",
      );
    }
    return first.map((_, i) => defaultCollate(batch.map((b) => (b as unknown[])[i])));
  }
  if (typeof first === "object" && first !== null && Object.getPrototypeOf(first) === Object.prototype) {
    return Object.fromEntries(
      Object.keys(first).map((key) => [
        key,
        defaultCollate(batch.map((b) => (b as Record<string, unknown>)[key])),
      ]),
    );
  }
  return [...batch];
}

/** Options of {@link DataLoader}. */
export interface DataLoaderOptions<T = unknown, B = unknown> {
  /** Samples in a batch (default 1); null gives single samples, not batched. */
  batchSize?: number | null;
  /** Random order, drawn anew each epoch (default false). */
  shuffle?: boolean;
  /** Order of visits; excludes `shuffle`. */
  sampler?: Sampler | Iterable<number>;
  /** Order and grouping; excludes batchSize, shuffle, sampler and dropLast. */
  batchSampler?: Sampler<number[]> | Iterable<number[]>;
  /** Leave out a last batch that is not full (default false). */
  dropLast?: boolean;
  /** Joins samples into a batch (default {@link defaultCollate}). */
  collateFn?: (samples: T[]) => B;
  /** Source of the order (default: seeded from the global generator, as PyTorch does). */
  generator?: Generator;
}

const DATA_LOADER_OPTIONS: OptionNames<DataLoaderOptions> = {
  batchSize: 1,
  shuffle: 1,
  sampler: 1,
  batchSampler: 1,
  dropLast: 1,
  collateFn: 1,
  generator: 1,
};

/** What a DataLoader walks through: a dataset, a list of samples, or a tensor of them. */
export type DataSource<T> = Dataset<T> | IterableDataset<T> | readonly T[] | (Tensor & Iterable<T>);

/**
 * What {@link defaultCollate} makes of samples of type `T`: a tensor of tensors, numbers and booleans, entry by entry
 * in arrays and objects, and a list of anything else.
 */
export type Collated<T> = unknown extends T
  ? unknown
  : T extends Tensor | number | boolean
    ? Tensor
    : T extends string | bigint | symbol | null | undefined | ((...args: never[]) => unknown)
      ? T[]
      : { -readonly [K in keyof T]: Collated<T[K]> };

/** Samples in a list, or along the first dimension of a tensor. */
class Listed<T> extends Dataset<T> {
  constructor(
    readonly length: number,
    readonly get: (index: number) => T,
    private readonly batch: (indices: readonly number[]) => unknown,
  ) {
    super();
  }

  override getBatch(indices: readonly number[]): unknown {
    return this.batch(indices);
  }
}

/** The source as a dataset. @throws ValueError unless it has what a walk needs. */
function datasetOf<T>(source: DataSource<T>): Dataset<T> | IterableDataset<T> {
  if (source instanceof IterableDataset) return source;
  if (Array.isArray(source)) {
    return new Listed<T>(
      source.length,
      (i) => source[i] as T,
      () => undefined,
    );
  }
  if (source instanceof Tensor && source.shape.length > 0) {
    const slices = new TensorDataset(source);
    return new Listed<T>(
      slices.length,
      (i) => slices.get(i)[0] as T,
      (indices) => slices.getBatch(indices)[0],
    );
  }
  const given = source as Partial<Dataset<T>> | null | undefined;
  if (typeof given?.get === "function" && typeof given.length === "number") return given as Dataset<T>;
  const got =
    source instanceof Tensor ? "a tensor without dimensions" : source === null ? "null" : typeof source;
  throw new ValueError(
    `[DataLoader] got ${got}, expected a Dataset, with length and get(index), an IterableDataset, an array or a ` +
      "tensor; try new TensorDataset(inputs, targets)",
  );
}

/**
 * Walks through a dataset in batches, by `for` or `for await`; each walk is an epoch. An array of samples, or a tensor
 * with samples along its first dimension, is a dataset, too. Source: `torch.utils.data.DataLoader`.
 * @throws ValueError for something that is no dataset, and for options that contradict each other.
 * @example
 * const data = new TensorDataset(randn([10, 3]), arange(10));
 * const sizes = [];
 * for (const [x, y] of new DataLoader(data, { batchSize: 4, shuffle: true })) sizes.push(x.shape[0]);
 * sizes; // [4, 4, 2]
 */
export class DataLoader<T = unknown, B = Collated<T>, D extends DataSource<T> = DataSource<T>>
  implements Iterable<B>, AsyncIterable<B>
{
  /** Where the samples come from: what the loader was made of. */
  readonly dataset: D;
  /** Samples in a batch (default 1); null: single samples. */
  readonly batchSize: number | null;
  /** Whether a last batch with fewer samples is left out (default false). */
  readonly dropLast: boolean;
  private readonly collate: ((samples: never[]) => B) | null;
  private readonly order: Iterable<number> | null;
  private readonly batches: (Iterable<number[]> & { readonly length?: number }) | null;
  private readonly generator: Generator | undefined;
  private readonly samples: Dataset<T> | IterableDataset<T>;

  constructor(source: D & DataSource<T>, options: DataLoaderOptions<T, B> = {}) {
    checkOptions(new.target.name, options, DATA_LOADER_OPTIONS);
    const { shuffle, sampler, batchSampler, dropLast, generator } = options;
    const dataset = datasetOf<T>(source);
    if (sampler !== undefined && shuffle === true)
      throw new ValueError("[DataLoader] got both sampler and shuffle, expected one; try a RandomSampler");
    if (
      batchSampler !== undefined &&
      ((options.batchSize !== undefined && options.batchSize !== 1) ||
        shuffle === true ||
        sampler !== undefined ||
        dropLast === true)
    ) {
      throw new ValueError(
        "[DataLoader] got batchSampler and one of batchSize, shuffle, sampler and dropLast, expected batchSampler alone",
      );
    }
    if (
      dataset instanceof IterableDataset &&
      (shuffle === true || sampler !== undefined || batchSampler !== undefined)
    ) {
      throw new ValueError(
        "[DataLoader] an IterableDataset has its own order: it takes no shuffle and no sampler; try shuffling in it",
      );
    }
    this.dataset = source;
    this.samples = dataset;
    this.batchSize = options.batchSize === undefined ? 1 : options.batchSize;
    if (this.batchSize !== null && (!Number.isInteger(this.batchSize) || this.batchSize <= 0)) {
      throw new ValueError(
        `[DataLoader] batchSize must be a whole number > 0 or null, got ${this.batchSize}`,
      );
    }
    if (this.batchSize === null && dropLast === true)
      throw new ValueError(
        "[DataLoader] got dropLast without a batchSize: single samples make no batch to drop",
      );
    this.dropLast = dropLast ?? false;
    this.collate = options.collateFn ?? null;
    this.generator = generator;
    if (dataset instanceof IterableDataset) {
      this.order = null;
      this.batches = null;
      return;
    }
    this.order =
      sampler ??
      (shuffle === true ? new RandomSampler(dataset, { generator }) : new SequentialSampler(dataset));
    this.batches =
      batchSampler ??
      (this.batchSize === null ? null : new BatchSampler(this.order, this.batchSize, this.dropLast));
  }

  /** Number of batches in an epoch. */
  get length(): number {
    if (this.samples instanceof IterableDataset)
      throw new ValueError("[DataLoader] an IterableDataset has no length");
    const parts = (this.batches ?? this.order) as Iterable<unknown> & { readonly length?: number };
    return parts.length ?? [...parts].length;
  }

  /** Without a batch size the samples are what is given: then B is T. */
  private alone(sample: unknown): B {
    return sample as B;
  }

  private join(samples: T[]): B {
    return (this.collate === null ? defaultCollate(samples) : this.collate(samples as never[])) as B;
  }

  private load(dataset: Dataset<T>, indices: readonly number[]): B {
    const whole = this.collate === null ? dataset.getBatch?.(indices) : undefined;
    return whole === undefined ? this.join(indices.map((i) => dataset.get(i))) : (whole as B);
  }

  /** Walks through an epoch of batches. */
  *[Symbol.iterator](): Iterator<B> {
    drawSeed(this.generator); // PyTorch draws a seed for workers here, whether there are any or not
    const dataset = this.samples;
    if (dataset instanceof IterableDataset) {
      yield* this.walk(dataset);
    } else if (this.batches === null) {
      for (const i of this.order as Iterable<number>) yield this.alone(dataset.get(i));
    } else {
      for (const batch of this.batches) yield this.load(dataset, batch);
    }
  }

  private *walk(dataset: IterableDataset<T>): Iterable<B> {
    if (this.batchSize === null) {
      for (const sample of dataset) yield this.alone(sample);
      return;
    }
    let samples: T[] = [];
    for (const sample of dataset) {
      samples.push(sample);
      if (samples.length === this.batchSize) {
        yield this.join(samples);
        samples = [];
      }
    }
    if (samples.length > 0 && !this.dropLast) yield this.join(samples);
  }

  /** The same batches, with a turn of the event loop before each. */
  async *[Symbol.asyncIterator](): AsyncIterator<B> {
    for (const batch of this) {
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
      yield batch;
    }
  }
}
