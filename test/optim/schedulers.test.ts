/** Every scheduler against PyTorch: rates, momenta and losses over 50 steps, and state dicts; steps out of order. */
import { optim, type Tensor, tensor, zeros } from "kindling";
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
