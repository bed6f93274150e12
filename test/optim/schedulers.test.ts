/** Every scheduler against PyTorch: rates, momenta and losses over 50 steps, and state dicts. */
import { manualSeed, nn, optim, randn, type Tensor, tensor, zeros } from "kindling";
import { afterEach, describe, expect, test, vi } from "vitest";
import { distance, make, problem, recording, spelled, values } from "./problem.js";

const { lrScheduler: L, swaUtils } = optim;

interface Case {
  name: string;
  optimizer: string;
  options: Record<string, number>;
  losses: number[];
  rates: number[][];
  momenta: number[];
  weights: number[][];
  state: Record<string, unknown>;
}

/** The schedulers of record.py, spelled out. */
const BUILD: Readonly<Record<string, (o: optim.Optimizer) => optim.lrScheduler.LRScheduler>> = {
  LambdaLR: (o) => new L.LambdaLR(o, (e) => 0.95 ** e),
  "LambdaLR list": (o) => new L.LambdaLR(o, [(e) => 0.95 ** e, (e) => 1 / (1 + e)]),
  MultiplicativeLR: (o) => new L.MultiplicativeLR(o, () => 0.97),
  StepLR: (o) => new L.StepLR(o, 7, { gamma: 0.6 }),
  MultiStepLR: (o) => new L.MultiStepLR(o, [5, 20, 20, 33], { gamma: 0.5 }),
  ConstantLR: (o) => new L.ConstantLR(o, { factor: 0.25, totalIters: 9 }),
  LinearLR: (o) => new L.LinearLR(o, { startFactor: 0.1, endFactor: 0.8, totalIters: 30 }),
  ExponentialLR: (o) => new L.ExponentialLR(o, 0.93),
  PolynomialLR: (o) => new L.PolynomialLR(o, { totalIters: 40, power: 1.7 }),
  CosineAnnealingLR: (o) => new L.CosineAnnealingLR(o, 15, { etaMin: 0.003 }),
  CosineAnnealingWarmRestarts: (o) => new L.CosineAnnealingWarmRestarts(o, 6, { T_mult: 2, etaMin: 0.001 }),
  "CyclicLR triangular": (o) => new L.CyclicLR(o, 0.01, 0.1, { stepSizeUp: 7 }),
  "CyclicLR triangular2": (o) =>
    new L.CyclicLR(o, 0.01, [0.1, 0.2], { stepSizeUp: 4, stepSizeDown: 6, mode: "triangular2" }),
  "CyclicLR exp_range": (o) =>
    new L.CyclicLR(o, 0.01, 0.1, { stepSizeUp: 5, mode: "exp_range", gamma: 0.97, cycleMomentum: false }),
  "CyclicLR scaleFn": (o) =>
    new L.CyclicLR(o, 0.01, 0.1, { stepSizeUp: 5, scaleFn: (x) => 1 / (2 + x), scaleMode: "iterations" }),
  OneCycleLR: (o) => new L.OneCycleLR(o, 0.2, { totalSteps: 55 }),
  "OneCycleLR linear": (o) =>
    new L.OneCycleLR(o, [0.2, 0.1], {
      epochs: 6,
      stepsPerEpoch: 10,
      pctStart: 0.4,
      annealStrategy: "linear",
      threePhase: true,
    }),
  "OneCycleLR adam": (o) => new L.OneCycleLR(o, 0.05, { totalSteps: 50, divFactor: 10, finalDivFactor: 100 }),
  ReduceLROnPlateau: (o) =>
    new L.ReduceLROnPlateau(o, {
      factor: 0.5,
      patience: 2,
      threshold: 1e-2,
      cooldown: 1,
      minLr: [1e-3, 1e-2],
    }),
  "ReduceLROnPlateau max abs": (o) =>
    new L.ReduceLROnPlateau(o, "max", { factor: 0.7, patience: 3, threshold: 1e-3, thresholdMode: "abs" }),
  SequentialLR: (o) =>
    new L.SequentialLR(
      o,
      [
        new L.ConstantLR(o, { factor: 0.1, totalIters: 5 }),
        new L.ExponentialLR(o, 0.9),
        new L.CosineAnnealingLR(o, 10),
      ],
      [5, 20],
    ),
  ChainedScheduler: (o) =>
    new L.ChainedScheduler([
      new L.LinearLR(o, { startFactor: 0.2, totalIters: 10 }),
      new L.StepLR(o, 12, 0.5),
    ]),
  SWALR: (o) => new swaUtils.SWALR(o, 0.02, { annealEpochs: 12 }),
  "SWALR linear": (o) => new swaUtils.SWALR(o, [0.02, 0.3], { annealEpochs: 20, annealStrategy: "linear" }),
};

type Group = { lr: number; momentum?: number; betas?: readonly number[] };

class Run {
  readonly params: Tensor[];
  readonly loss: () => Tensor;
  readonly optimizer: optim.Optimizer;
  readonly scheduler: optim.lrScheduler.LRScheduler;
  readonly losses: number[] = [];
  readonly rates: number[][] = [];
  readonly momenta: number[] = [];

  constructor(readonly c: Case) {
    ({ params: this.params, loss: this.loss } = problem());
    const [w, b, v] = this.params as [Tensor, Tensor, Tensor];
    const groups = [{ params: [w, b] }, { params: [v], lr: (c.options.lr as number) / 2 }];
    this.optimizer = make(c.optimizer, groups as unknown as Tensor[], spelled(c.options));
    this.scheduler = (BUILD[c.name] as (o: optim.Optimizer) => optim.lrScheduler.LRScheduler)(this.optimizer);
  }

  go(steps: number): this {
    const groups = this.optimizer.paramGroups as Group[];
    for (let i = 0; i < steps; i++) {
      this.optimizer.zeroGrad();
      const loss = this.loss();
      loss.backward();
      this.optimizer.step();
      this.losses.push(loss.item());
      this.rates.push(groups.map((g) => g.lr));
      this.momenta.push(groups[0]?.momentum ?? groups[0]?.betas?.[0] ?? 0);
      if (this.c.name.startsWith("Reduce"))
        (this.scheduler as optim.lrScheduler.ReduceLROnPlateau).step(loss);
      else this.scheduler.step();
    }
    return this;
  }
}

const cases = recording<Case[]>("schedulers.json.gz");

/** Names that PyTorch 1.13 saves and nobody needs. */
const dropped = (state: Record<string, unknown>): Record<string, unknown> => {
  const { verbose: _v, _get_lr_called_within_step: _g, use_beta1: _u, mode_worse: _m, ...rest } = state;
  if (Array.isArray(rest._schedulers))
    rest._schedulers = rest._schedulers.map((s) => dropped(s as Record<string, unknown>));
  return rest;
};

function flat(value: unknown): unknown[] {
  if (typeof value !== "object" || value === null) return [value];
  return Object.entries(value)
    .sort()
    .flatMap(([k, v]) => [k, ...flat(v)]);
}

test("every scheduler of PyTorch is recorded", () => {
  const covered = new Set(cases.map((c) => c.name.split(" ")[0]));
  const all = [...Object.keys(L), "SWALR"].filter((name) => name !== "LRScheduler");
  expect([...covered].sort()).toEqual(all.sort());
});

describe.each(cases)("$name", (c) => {
  test("50 steps as in PyTorch", () => {
    const run = new Run(c).go(50);
    expect(distance(run.rates.flat(), c.rates.flat())).toBeLessThan(1e-12);
    expect(distance(run.momenta, c.momenta)).toBeLessThan(1e-12);
    expect(distance(run.losses, c.losses)).toBeLessThan(1e-10);
    expect(distance(values(run.params).flat(), c.weights.flat())).toBeLessThan(1e-10);
    expect(distance(run.scheduler.getLastLr(), c.state._last_lr as number[])).toBeLessThan(1e-12);
  });

  test("its state dict is PyTorch's, and loads", () => {
    const run = new Run(c).go(50);
    const [ours, theirs] = [flat(run.scheduler.stateDict()), flat(dropped(c.state))];
    expect(ours.filter((v) => typeof v !== "number")).toEqual(theirs.filter((v) => typeof v !== "number"));
    const numbers = (list: unknown[]) =>
      list.filter((v): v is number => typeof v === "number" && Number.isFinite(v));
    expect(distance(numbers(ours), numbers(theirs))).toBeLessThan(1e-10);
    const fresh = new Run(c);
    fresh.scheduler.loadStateDict(c.state);
    expect(fresh.scheduler.getLastLr()).toEqual(c.state._last_lr);
  });

  test("save, load and continue is continue, to the bit", () => {
    const run = new Run(c).go(17);
    const other = new Run(c);
    other.params.forEach((p, i) => {
      p.detach().copy_(run.params[i] as Tensor);
    });
    other.optimizer.loadStateDict(run.optimizer.stateDict());
    other.scheduler.loadStateDict(run.scheduler.stateDict());
    run.go(20);
    other.go(20);
    expect(other.losses).toEqual(run.losses.slice(17));
    expect(other.rates).toEqual(run.rates.slice(17));
    expect(values(other.params)).toEqual(values(run.params));
  });
});

describe("closed forms", () => {
  const sgd = () => new optim.SGD([zeros([1], { requiresGrad: true })], { lr: 0.1, momentum: 0.9 });
  test.each([
    "StepLR",
    "MultiStepLR",
    "ConstantLR",
    "LinearLR",
    "ExponentialLR",
    "PolynomialLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
  ])("%s: step(epoch) goes where single steps lead", (name) => {
    const build = BUILD[name] as (o: optim.Optimizer) => optim.lrScheduler.LRScheduler;
    const [walker, jumper] = [build(sgd()), build(sgd())];
    for (let epoch = 1; epoch <= 35; epoch++) {
      walker.optimizer.step();
      walker.step();
      jumper.optimizer.step();
      jumper.step(epoch);
      expect(jumper.getLastLr()[0]).toBeCloseTo(walker.getLastLr()[0] as number, 12);
    }
  });

  test("resuming from lastEpoch needs initialLr in the groups", () => {
    const optimizer = sgd();
    expect(() => new L.StepLR(optimizer, 2, { lastEpoch: 3 })).toThrow(
      "[StepLR] lastEpoch is 3 but group 0 has no initialLr; try to load the optimizer's state first",
    );
    const first = new L.ExponentialLR(optimizer, 0.5);
    first.step(3);
    const again = new L.ExponentialLR(optimizer, 0.5, { lastEpoch: 3 });
    expect(again.lastEpoch).toBe(4);
    expect(again.getLastLr()[0]).toBeCloseTo(0.1 * 0.5 ** 4, 15);
  });
});

describe("schedulers refuse", () => {
  const p = () => zeros([1], { requiresGrad: true });
  const sgd = () => new optim.SGD([p()], { lr: 0.1 });
  test.each<[string, () => unknown, string]>([
    ["no optimizer", () => new L.StepLR({} as never, 1), "[StepLR] expected an optimizer, got object"],
    [
      "too few functions",
      () => new L.LambdaLR(sgd(), [() => 1, () => 1]),
      "[LambdaLR] lrLambda: got 2 functions, expected 1",
    ],
    ["a step of 0", () => new L.StepLR(sgd(), 0), "[StepLR] invalid stepSize: got 0, expected >= 1"],
    [
      "a factor above 1",
      () => new L.ConstantLR(sgd(), { factor: 2 }),
      "[ConstantLR] invalid factor: got 2, expected from 0 to 1",
    ],
    [
      "a start of 0",
      () => new L.LinearLR(sgd(), { startFactor: 0 }),
      "[LinearLR] invalid startFactor: got 0, expected above 0 and up to 1",
    ],
    [
      "T_0 of 0",
      () => new L.CosineAnnealingWarmRestarts(sgd(), 0),
      "invalid T_0: got 0, expected a whole number >= 1",
    ],
    [
      "a mode",
      () => new L.CyclicLR(sgd(), 0.1, 1, { mode: "x" as never }),
      "[CyclicLR] invalid mode: got x, expected triangular",
    ],
    [
      "no momentum",
      () => new L.CyclicLR(new optim.Adagrad([p()]), 0.1, 1),
      "[CyclicLR] Adagrad has neither momentum nor betas; try",
    ],
    [
      "rates for other groups",
      () => new L.CyclicLR(sgd(), 0.1, [1, 2]),
      "[CyclicLR] maxLr: got 2 values, expected 1, one for each group",
    ],
    [
      "no length",
      () => new L.OneCycleLR(sgd(), 1, { epochs: 2 }),
      "[OneCycleLR] expected totalSteps, or epochs and stepsPerEpoch: stepsPerEpoch is missing",
    ],
    [
      "pctStart",
      () => new L.OneCycleLR(sgd(), 1, { totalSteps: 2, pctStart: 2 }),
      "[OneCycleLR] invalid pctStart: got 2, expected from 0 to 1",
    ],
    [
      "a factor of 1",
      () => new L.ReduceLROnPlateau(sgd(), { factor: 1 }),
      "[ReduceLROnPlateau] invalid factor: got 1, expected from 0 up to but not 1",
    ],
    [
      "a step without a metric",
      () => new L.ReduceLROnPlateau(sgd()).step(),
      "[ReduceLROnPlateau] step: got undefined, expected the metric; try step(loss)",
    ],
    ["milestones", () => new L.SequentialLR(sgd(), [], []), "[SequentialLR] got no schedulers"],
    [
      "others' schedulers",
      () => new L.SequentialLR(sgd(), [new L.StepLR(sgd(), 1)], []),
      "[SequentialLR] scheduler 0 belongs to another optimizer",
    ],
    [
      "a plateau in a chain",
      () => new L.ChainedScheduler([new L.ReduceLROnPlateau(sgd())]),
      "scheduler 0 is a ReduceLROnPlateau",
    ],
    [
      "annealing",
      () => new swaUtils.SWALR(sgd(), 1, { annealStrategy: "x" as never }),
      '[SWALR] invalid annealStrategy: got x, expected "cos" or "linear"',
    ],
    [
      "a decay",
      () => swaUtils.getEmaMultiAvgFn(2),
      "[getEmaMultiAvgFn] invalid decay: got 2, expected from 0 to 1",
    ],
  ])("%s", (_what, build, message) => {
    expect(build).toThrow(message);
  });

  test("a step beyond the one cycle", () => {
    const optimizer = sgd();
    const scheduler = new L.OneCycleLR(optimizer, 1, { totalSteps: 2 });
    for (let i = 0; i < 2; i++) {
      optimizer.step();
      scheduler.step();
    }
    expect(() => scheduler.step()).toThrow(
      "[OneCycleLR] step 4 of 2: the schedule is over; try more totalSteps",
    );
  });

  test.each<[string, (o: optim.Optimizer) => void, string]>([
    [
      "dividing a factor of 0 out",
      (o) => new L.ConstantLR(o, { factor: 0, totalIters: 1 }).step(),
      "[ConstantLR] step: a factor of 0 cannot be divided out after 1 steps",
    ],
    [
      "an epoch of a line of no length",
      (o) => new L.LinearLR(o, { totalIters: 0 }).step(3),
      "[LinearLR] step: totalIters is 0, expected >= 1",
    ],
    [
      "an epoch of a polynomial of no length",
      (o) => new L.PolynomialLR(o, { totalIters: 0 }).step(3),
      "[PolynomialLR] step: totalIters is 0, expected >= 1",
    ],
    [
      "a phase of one step",
      (o) => void new L.OneCycleLR(o, 1, { totalSteps: 10, pctStart: 0.1, cycleMomentum: false }),
      "[OneCycleLR] step 1 of 10 falls into a phase of no length",
    ],
  ])("%s, which PyTorch divides by zero for", (_what, act, message) => {
    expect(() => act(sgd())).toThrow(message);
  });

  test("a state dict of another scheduler, whole", () => {
    const scheduler = new L.StepLR(sgd(), 3);
    const other = new L.ExponentialLR(sgd(), 0.5);
    other.step();
    expect(() => scheduler.loadStateDict(other.stateDict())).toThrow(
      /does not fit StepLR, nothing was loaded:\n {2}step_size is missing/,
    );
    expect(scheduler.lastEpoch).toBe(0);
    expect(() => other.loadStateDict(scheduler.stateDict())).toThrow("unexpected step_size");
    expect(() => scheduler.loadStateDict({ ...scheduler.stateDict(), gamma: "x" })).toThrow(
      "gamma is a string, expected a number",
    );
    expect(() => scheduler.loadStateDict({ ...scheduler.stateDict(), base_lrs: [1, 2] })).toThrow(
      "base_lrs has 2 values, expected 1",
    );
  });
});

test("what a schedule to 0 leaves of the rate is saved and loaded", () => {
  const params = () => [zeros([1], { requiresGrad: true })];
  const optimizer = new optim.SGD(params(), { lr: 0.1 });
  const scheduler = new L.LinearLR(optimizer, { startFactor: 0.357, endFactor: 0, totalIters: 7 });
  for (let i = 0; i < 7; i++) {
    optimizer.step();
    scheduler.step();
  }
  const rate = optimizer.paramGroups[0]?.lr as number;
  expect(rate).toBeLessThan(0); // a rounding error
  expect(rate).toBeGreaterThan(-1e-16);
  const other = new optim.SGD(params(), { lr: 1 });
  other.loadStateDict(optimizer.stateDict());
  expect(other.paramGroups[0]?.lr).toBe(rate);
});

describe("stepping", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test("before the optimizer warns once", () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const optimizer = new optim.SGD([zeros([1], { requiresGrad: true })]);
    const scheduler = new L.StepLR(optimizer, 2);
    for (let i = 0; i < 3; i++) scheduler.step();
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]?.[0]).toContain("StepLR: step() was called before optimizer.step()");
  });

  test("a rate that is a tensor is written in place", () => {
    const lr = tensor(0.5, { dtype: "float64" });
    const optimizer = new optim.SGD([zeros([1], { requiresGrad: true })], { lr });
    const scheduler = new L.ExponentialLR(optimizer, 0.5);
    optimizer.step();
    scheduler.step();
    expect(lr.item()).toBe(0.25);
  });

  test("a scheduler of one's own writes getLr", () => {
    class InverseRoot extends L.LRScheduler {
      declare readonly warmup: number;
      constructor(optimizer: optim.Optimizer, warmup: number) {
        super(optimizer, { warmup });
      }
      getLr(): number[] {
        const t = this.lastEpoch + 1;
        return this.baseLrs.map((lr) => lr * Math.min(t / this.warmup, Math.sqrt(this.warmup / t)));
      }
    }
    const optimizer = new optim.SGD([zeros([1], { requiresGrad: true })], { lr: 1 });
    const scheduler = new InverseRoot(optimizer, 4);
    expect(scheduler.getLastLr()).toEqual([0.25]);
    for (let i = 0; i < 15; i++) {
      optimizer.step();
      scheduler.step();
    }
    expect(scheduler.getLastLr()).toEqual([0.5]);
    expect(scheduler.stateDict()).toMatchObject({ warmup: 4, last_epoch: 15, base_lrs: [1] });
  });
});

describe("averaged models", () => {
  const net = () => {
    manualSeed(0);
    return new nn.Sequential(new nn.Linear(3, 4), new nn.BatchNorm1d(4), new nn.Linear(4, 1));
  };
  const weightsOf = (m: nn.Module<[Tensor], Tensor>) => values([...m.parameters()]).flat();

  function averages(options: optim.swaUtils.AveragedModelOptions): {
    averaged: number[];
    seen: number[][];
    state: string[];
  } {
    const model = net();
    const averaged = new swaUtils.AveragedModel(model, options);
    const seen: number[][] = [];
    for (let i = 0; i < 4; i++) {
      for (const p of model.parameters()) p.detach().add_(randn([...p.shape]));
      seen.push(weightsOf(model));
      averaged.updateParameters(model);
    }
    expect(averaged.nAveraged.item()).toBe(4);
    return { averaged: weightsOf(averaged.module), seen, state: Object.keys(averaged.stateDict()) };
  }

  test.each([
    ["equal weights", {}],
    ["equal weights, at once", { multiAvgFn: swaUtils.getSwaMultiAvgFn() }],
  ])("%s: the mean of all models", (_what, options) => {
    const { averaged, seen, state } = averages(options);
    averaged.forEach((a, i) => {
      expect(a).toBeCloseTo(seen.reduce((sum, w) => sum + (w[i] as number), 0) / 4, 5);
    });
    expect(state.slice(0, 3)).toEqual(["n_averaged", "module.0.weight", "module.0.bias"]);
  });

  test.each([
    ["one by one", { avgFn: swaUtils.getEmaAvgFn(0.7) }],
    ["at once", { multiAvgFn: swaUtils.getEmaMultiAvgFn(0.7), useBuffers: true }],
  ])("exponential weights, %s", (_what, options) => {
    const { averaged, seen } = averages(options);
    averaged.forEach((a, i) => {
      const expected = seen.reduce(
        (mean, w, k) => (k === 0 ? (w[i] as number) : 0.7 * mean + 0.3 * (w[i] as number)),
        0,
      );
      expect(a).toBeCloseTo(expected, 5);
    });
  });

  test("buffers are copied unless they are averaged; the copy is a copy; it is called like the model", () => {
    const model = net();
    const averaged = new swaUtils.AveragedModel(model);
    model(randn([8, 3]));
    averaged.updateParameters(model);
    const norm = averaged.module.get(1) as nn.BatchNorm1d;
    expect(norm.numBatchesTracked?.item()).toBe(1);
    const before = weightsOf(averaged.module);
    for (const p of model.parameters()) p.detach().add_(1);
    expect(weightsOf(averaged.module)).toEqual(before);
    expect(averaged(randn([8, 3])).shape).toEqual([8, 1]);
    expect(() => averaged.updateParameters(new nn.Linear(1, 1))).toThrow(
      "got a model of 2 tensors, expected 6",
    );
    swaUtils.updateBn([randn([8, 3]), randn([8, 3])], averaged);
    expect(norm.numBatchesTracked?.item()).toBe(2);
  });
});
