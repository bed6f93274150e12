/** What schedulers refuse. */
import { optim, zeros } from "kindling";
import { describe, expect, test } from "vitest";

const { lrScheduler: L, swaUtils } = optim;

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
