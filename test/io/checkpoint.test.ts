/** Checkpoints: a resumed run is the run that never stopped; what does not fit is refused whole. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Generator,
  getRngState,
  manualSeed,
  nn,
  optim,
  rand,
  randint,
  randn,
  setRngState,
  type Tensor,
  tensor,
} from "kindling";
import { DataLoader, TensorDataset } from "kindling/data";
import {
  loadCheckpoint,
  loadFile,
  loadMetadata,
  packCheckpoint,
  save,
  saveCheckpoint,
  unpackCheckpoint,
} from "kindling/io";
import { afterAll, describe, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "kindling-checkpoint-"));
afterAll(() => rmSync(folder, { recursive: true }));

const { functional: F } = nn;

class Training {
  readonly model: nn.Sequential;
  readonly optimizer: optim.Optimizer;
  readonly scheduler: optim.lrScheduler.LRScheduler;
  readonly loader: DataLoader<Tensor[], Tensor[]>;
  readonly losses: number[] = [];

  constructor(
    seed: number,
    build: (p: Iterable<Tensor>) => optim.Optimizer,
    schedule: (o: optim.Optimizer) => optim.lrScheduler.LRScheduler,
  ) {
    manualSeed(1);
    const data = new TensorDataset(randn([64, 6]), randint(3, [64]));
    manualSeed(seed);
    this.model = new nn.Sequential(
      new nn.Linear(6, 16),
      new nn.BatchNorm1d(16),
      new nn.ReLU(),
      new nn.Dropout(0.3),
      new nn.Linear(16, 3),
    );
    this.optimizer = build(this.model.parameters());
    this.scheduler = schedule(this.optimizer);
    this.loader = new DataLoader(data, { batchSize: 16, shuffle: true }) as DataLoader<Tensor[], Tensor[]>;
  }

  batch([x, y]: readonly Tensor[]): void {
    const loss = this.optimizer.step(() => {
      this.optimizer.zeroGrad();
      const l = F.crossEntropy(this.model(x as Tensor), y as Tensor);
      l.backward();
      return l;
    });
    this.losses.push(loss.item());
    this.scheduler.step();
  }

  epoch(): void {
    for (const batch of this.loader) this.batch(batch);
  }

  get parts() {
    const { model, optimizer, scheduler } = this;
    return { model, optimizer, scheduler };
  }
}

const RECIPES: [
  string,
  (p: Iterable<Tensor>) => optim.Optimizer,
  (o: optim.Optimizer) => optim.lrScheduler.LRScheduler,
][] = [
  [
    "SGD with StepLR",
    (p) => new optim.SGD(p, { lr: 0.1, momentum: 0.9 }),
    (o) => new optim.lrScheduler.StepLR(o, 3),
  ],
  [
    "AdamW with OneCycleLR",
    (p) => new optim.AdamW(p),
    (o) => new optim.lrScheduler.OneCycleLR(o, 0.05, { totalSteps: 40 }),
  ],
  [
    "NAdam with warm-up",
    (p) => new optim.NAdam(p),
    (o) =>
      new optim.lrScheduler.SequentialLR(
        o,
        [new optim.lrScheduler.LinearLR(o), new optim.lrScheduler.ExponentialLR(o, 0.9)],
        [3],
      ),
  ],
  [
    "L-BFGS",
    (p) => new optim.LBFGS(p, { maxIter: 3, lineSearchFn: "strong_wolfe" }),
    (o) => new optim.lrScheduler.ConstantLR(o),
  ],
];

describe.each(RECIPES)("%s", (name, build, schedule) => {
  test("resumed after an epoch: the same losses, to the bit", () => {
    const path = join(folder, `${name}.safetensors`);
    const whole = new Training(3, build, schedule);
    whole.epoch();
    saveCheckpoint(path, whole.parts, { extra: { epoch: 1 } });
    for (let i = 0; i < 2; i++) whole.epoch();

    const resumed = new Training(99, build, schedule);
    rand([7]);
    expect(loadCheckpoint(path, resumed.parts)).toEqual({ epoch: 1 });
    for (let i = 0; i < 2; i++) resumed.epoch();
    expect(resumed.losses).toEqual(whole.losses.slice(4));
    const [a, b] = [whole.model.stateDict(), resumed.model.stateDict()];
    for (const key of Object.keys(a))
      expect((b[key] as Tensor).toArray()).toEqual((a[key] as Tensor).toArray());
  });
});

test("resumed in the middle of an epoch", () => {
  const [, build, schedule] = RECIPES[0] as (typeof RECIPES)[number];
  const path = join(folder, "middle.safetensors");
  const whole = new Training(3, build, schedule);
  const epochStart = getRngState();
  let done = 0;
  for (const batch of whole.loader) {
    whole.batch(batch);
    if (++done === 2) saveCheckpoint(path, whole.parts, { extra: { done, epochStart } });
  }
  const resumed = new Training(99, build, schedule);
  const extra = loadCheckpoint(path, resumed.parts);
  const now = getRngState();
  // The order of the epoch is drawn at its start.
  setRngState(extra.epochStart as Tensor);
  const batches = resumed.loader[Symbol.iterator]();
  for (let i = 0; i < (extra.done as number); i++) batches.next();
  setRngState(now);
  for (let b = batches.next(); b.done !== true; b = batches.next()) resumed.batch(b.value);
  expect(resumed.losses).toEqual(whole.losses.slice(2));
});

describe("the file", () => {
  const parts = () => {
    const model = new nn.Linear(2, 1);
    const optimizer = new optim.Adam(model.parameters(), { lr: 0.5 });
    model(randn([3, 2]))
      .sum()
      .backward();
    optimizer.step();
    return { model, optimizer };
  };

  test("is a safetensors file with readable names, and leaves nothing else behind", () => {
    const path = join(folder, "names.safetensors");
    saveCheckpoint(path, parts());
    const tensors = loadFile(path);
    expect(Object.keys(tensors).sort()).toEqual([
      "model.bias",
      "model.weight",
      "optimizer.state.0.exp_avg",
      "optimizer.state.0.exp_avg_sq",
      "optimizer.state.0.step",
      "optimizer.state.1.exp_avg",
      "optimizer.state.1.exp_avg_sq",
      "optimizer.state.1.step",
      "random",
    ]);
    expect(readdirSync(folder).filter((f) => f.endsWith(".tmp"))).toEqual([]);
  });

  test("keeps extra values of all kinds", () => {
    const t = tensor([1, 2]);
    const extra = {
      best: Number.POSITIVE_INFINITY,
      nan: Number.NaN,
      zero: -0,
      name: "run",
      list: [1, null, true],
      deep: { t, again: t },
    };
    const read = unpackCheckpoint(packCheckpoint({}, { extra })) as typeof extra;
    expect(read).toMatchObject({
      best: Number.POSITIVE_INFINITY,
      nan: Number.NaN,
      zero: -0,
      name: "run",
      list: [1, null, true],
    });
    expect(read.deep.t).toBe(read.deep.again);
    expect(read.deep.t.toArray()).toEqual([1, 2]);
    expect(() => packCheckpoint({}, { extra: { when: new Date() } })).toThrow(
      "[saveCheckpoint] extra.when is a Date, expected",
    );
    expect(() => packCheckpoint({ extra: new nn.Linear(1, 1) })).toThrow('"extra" is taken');
  });

  test("loads a part alone, generators, and versions of modules", () => {
    const generator = new Generator({ seed: 5 });
    const model = new nn.BatchNorm1d(2);
    const bytes = packCheckpoint({ model, generator, ...{ other: parts().model } });
    const expected = rand([3], { generator }).toArray();
    unpackCheckpoint(bytes, { generator });
    expect(rand([3], { generator }).toArray()).toEqual(expected);
    let seen: unknown;
    model.registerLoadStateDictPreHook((_m, load) => {
      seen = load.version("");
    });
    unpackCheckpoint(bytes, { model });
    expect(seen).toBe(2);
  });

  test("that does not fit is refused, and nothing is loaded", () => {
    const { model, optimizer } = parts();
    const bytes = packCheckpoint({ model, optimizer });
    const other = new nn.Linear(2, 1);
    const sgd = new optim.SGD(other.parameters());
    const before = [other.weight.toArray(), getRngState().toArray()];
    expect(() => unpackCheckpoint(bytes, { model: other, optimizer: sgd })).toThrow("does not fit SGD");
    expect([other.weight.toArray(), getRngState().toArray()]).toEqual(before);
    expect(() => unpackCheckpoint(bytes, { net: other })).toThrow(
      "got no net in the file, expected some of model, optimizer",
    );
    expect(() => unpackCheckpoint(save({ a: tensor([1]) }))).toThrow('not a checkpoint: got format "none"');
    expect(() => loadCheckpoint(join(folder, "none"))).toThrow("[loadCheckpoint] got");
    expect(loadMetadata(bytes).format).toBe("kindling checkpoint 1");
  });
});

describe("early stopping", () => {
  test("stops after too many epochs without improvement, and restores the best weights", () => {
    const model = new nn.Linear(1, 1);
    const stopping = new optim.EarlyStopping({ patience: 2, minDelta: 0.1, model });
    const metrics = [3, 2, 1.95, Number.NaN, 2.5];
    const told = metrics.map((m, i) => {
      model.weight.detach().fill_(i);
      return stopping.step(m);
    });
    expect(told).toEqual([false, false, false, false, true]);
    expect([stopping.best, stopping.bestEpoch, stopping.stopped]).toEqual([2, 1, true]);
    stopping.restore();
    expect(model.weight.item()).toBe(1);
  });

  test("goes up with mode max; is part of checkpoints", () => {
    const stopping = new optim.EarlyStopping({ patience: 1, mode: "max" });
    expect([0.5, 0.6, 0.55].map((m) => stopping.step(tensor(m)))).toEqual([false, false, false]);
    const bytes = packCheckpoint({ stopping });
    const again = new optim.EarlyStopping({ patience: 1, mode: "max" });
    unpackCheckpoint(bytes, { stopping: again });
    expect(again.step(0.58)).toBe(true);
    expect(again.bestEpoch).toBe(1);
  });

  test("refuses", () => {
    expect(() => new optim.EarlyStopping({ patience: -1 })).toThrow(
      "[EarlyStopping] invalid patience: got -1, expected >= 0",
    );
    expect(() => new optim.EarlyStopping({ mode: "x" as never })).toThrow(
      'invalid mode: got x, expected "min" or "max"',
    );
    expect(() => new optim.EarlyStopping().restore()).toThrow("no model was given");
    expect(() => new optim.EarlyStopping().step(undefined as never)).toThrow(
      "got undefined, expected the metric",
    );
  });
});
