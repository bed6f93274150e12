/** Datasets: indexed collections of samples. Source: `torch.utils.data`. */

import { indexSelect } from "../ops/gather.js";
import { toArray } from "../ops/read.js";
import { select } from "../ops/view.js";
import { tensor } from "../tensor/create.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { type Generator, randperm } from "../tensor/random.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * A collection of samples by index: a subclass writes `length` and `get(index)`, and `getBatch(indices)` where a batch
 * costs less than its samples. Source: `torch.utils.data.Dataset`.
 * @example
 * class Squares extends Dataset<number> {
 *   readonly length = 3;
 *   get(i: number) {
 *     return i * i;
 *   }
 * }
 * [...new DataLoader(new Squares(), { batchSize: 3 })][0].toArray(); // [0, 1, 4]
 */
export abstract class Dataset<T = unknown> {
  /** Number of samples. */
  abstract get length(): number;
  /** The sample at an index from 0 to length - 1. */
  abstract get(index: number): T;
  /** Several samples collated at once, where that is cheaper than one by one; undefined where it is not. */
  getBatch(_indices: readonly number[]): unknown {
    return undefined;
  }
}

/** A dataset that is only walked through, once per epoch. Source: `torch.utils.data.IterableDataset`. */
export abstract class IterableDataset<T = unknown> implements Iterable<T> {
  /** Starts a walk through the samples. */
  abstract [Symbol.iterator](): Iterator<T>;
}

/**
 * Samples are the slices of tensors along their first dimension. Source: `torch.utils.data.TensorDataset`.
 * @throws ShapeError when the first dimensions differ.
 * @example
 * const data = new TensorDataset(randn([10, 3]), arange(10));
 * data.length; // 10
 */
export class TensorDataset<T extends Tensor[] = Tensor[]> extends Dataset<T> {
  /** The tensors, of one length. */
  readonly tensors: Readonly<T>;

  constructor(...tensors: T) {
    super();
    const sizes = tensors.map((t) => t.shape[0]);
    if (tensors.length === 0 || sizes.some((n) => n === undefined || n !== sizes[0])) {
      throw new ShapeError(
        `[TensorDataset] expected tensors of one length, got ${tensors.map((t) => show(t.shape)).join(", ")}`,
      );
    }
    this.tensors = tensors;
  }

  get length(): number {
    return this.tensors[0]?.shape[0] ?? 0;
  }

  get(index: number): T {
    return this.tensors.map((t) => select(t, 0, index)) as T;
  }

  override getBatch(indices: readonly number[]): T {
    const at = tensor(indices, { dtype: "int64" });
    return this.tensors.map((t) => indexSelect(t, 0, at)) as T;
  }
}

/**
 * The samples of another dataset at given indices. Source: `torch.utils.data.Subset`.
 * @example
 * new Subset(new TensorDataset(arange(5)), [4, 0]).get(0)[0].item(); // 4
 */
export class Subset<T> extends Dataset<T> {
  /** The dataset that samples are taken from. */
  readonly dataset: Dataset<T>;
  /** Which of its samples, in this order. */
  readonly indices: readonly number[];

  constructor(dataset: Dataset<T>, indices: readonly number[]) {
    super();
    this.dataset = dataset;
    this.indices = indices;
  }

  get length(): number {
    return this.indices.length;
  }

  get(index: number): T {
    return this.dataset.get(this.indices[index] as number);
  }

  override getBatch(indices: readonly number[]): unknown {
    return this.dataset.getBatch(indices.map((i) => this.indices[i] as number));
  }
}

/**
 * Datasets one after the other; a negative index counts from the end. Source: `torch.utils.data.ConcatDataset`.
 * @example
 * const both = new ConcatDataset([new TensorDataset(arange(3)), new TensorDataset(arange(2))]);
 * [both.length, both.get(3)[0].item()]; // [5, 0]
 */
export class ConcatDataset<T> extends Dataset<T> {
  /** The datasets, one after the other. */
  readonly datasets: readonly Dataset<T>[];
  private readonly ends: number[];

  constructor(datasets: readonly Dataset<T>[]) {
    super();
    if (datasets.length === 0) throw new ValueError("[ConcatDataset] expected at least one dataset");
    this.datasets = datasets;
    let end = 0;
    this.ends = datasets.map((d) => {
      end += d.length;
      return end;
    });
  }

  get length(): number {
    return this.ends.at(-1) ?? 0;
  }

  get(index: number): T {
    const i = index < 0 ? index + this.length : index;
    const k = this.ends.findIndex((end) => i < end);
    if (k < 0 || i < 0)
      throw new ValueError(`[ConcatDataset] index ${index} is out of range for ${this.length} samples`);
    return (this.datasets[k] as Dataset<T>).get(i - (this.ends[k - 1] ?? 0));
  }
}

/**
 * Samples are tuples (or objects) of the samples of several datasets. Source: `torch.utils.data.StackDataset`.
 * @throws ValueError unless the datasets have one length.
 */
export class StackDataset extends Dataset<unknown> {
  /** The datasets, side by side: a list, or by name. */
  readonly datasets: readonly Dataset[] | Readonly<Record<string, Dataset>>;

  constructor(datasets: readonly Dataset[] | Readonly<Record<string, Dataset>>) {
    super();
    this.datasets = datasets;
    const sizes = Object.values(datasets).map((d) => d.length);
    if (sizes.length === 0 || sizes.some((n) => n !== sizes[0])) {
      throw new ValueError(`[StackDataset] expected datasets of one length, got [${sizes.join(", ")}]`);
    }
  }

  get length(): number {
    return Object.values(this.datasets)[0]?.length ?? 0;
  }

  get(index: number): unknown {
    if (Array.isArray(this.datasets)) return this.datasets.map((d: Dataset) => d.get(index));
    return Object.fromEntries(Object.entries(this.datasets).map(([key, d]) => [key, d.get(index)]));
  }
}

/** Iterable datasets one after the other. Source: `torch.utils.data.ChainDataset`. */
export class ChainDataset<T> extends IterableDataset<T> {
  /** What is walked through, one after the other. */
  readonly datasets: readonly Iterable<T>[];

  constructor(datasets: readonly Iterable<T>[]) {
    super();
    this.datasets = datasets;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const d of this.datasets) yield* d;
  }
}

const RANDOM_SPLIT_OPTIONS: OptionNames<{ generator?: Generator }> = { generator: 1 };

/**
 * Splits a dataset at random into parts of given lengths, or fractions that sum to 1.
 * The same seed gives PyTorch's split. Source: `torch.utils.data.random_split`.
 * @throws ValueError for lengths that do not sum to the dataset's.
 */
export function randomSplit<T>(
  dataset: Dataset<T>,
  lengths: readonly number[],
  options: { generator?: Generator } = {},
): Subset<T>[] {
  checkOptions("randomSplit", options, RANDOM_SPLIT_OPTIONS);
  const total = lengths.reduce((a, b) => a + b, 0);
  let sizes = [...lengths];
  if (Math.abs(total - 1) < 1e-9 && lengths.every((n) => n >= 0 && n <= 1)) {
    sizes = lengths.map((f) => Math.floor(dataset.length * f));
    const rest = dataset.length - sizes.reduce((a, b) => a + b, 0);
    for (let i = 0; i < rest; i++) sizes[i % sizes.length] = (sizes[i % sizes.length] as number) + 1;
  }
  const sum = sizes.reduce((a, b) => a + b, 0);
  if (!sizes.every((n) => Number.isInteger(n) && n >= 0)) {
    throw new ValueError(
      `[randomSplit] got the lengths [${lengths.join(", ")}], expected whole numbers >= 0 that sum to ${dataset.length}, or ` +
        "fractions that sum to 1",
    );
  }
  if (sum !== dataset.length) {
    throw new ValueError(
      `[randomSplit] the lengths [${lengths.join(", ")}] sum to ${sum}, expected ${dataset.length}, the dataset's length, or ` +
        "fractions that sum to 1",
    );
  }
  const order = toArray(randperm(sum, options)) as number[];
  let start = 0;
  return sizes.map((n) => {
    const part = new Subset(dataset, order.slice(start, start + n));
    start += n;
    return part;
  });
}
