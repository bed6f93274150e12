/** Averaged models and their batch statistics. */
import { manualSeed, nn, optim, randn, type Tensor } from "kindling";
import { describe, expect, test } from "vitest";
import { values } from "./problem.js";

const { swaUtils } = optim;

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
