/** What batch normalization layers remember: running statistics, the counter, state dicts, lazy and frozen layers. */
import { describe, expect, test } from "vitest";
import { autograd, nn, noGrad, ones, type Tensor, tensor, zeros } from "../../../src/index.js";
import { errorOf, from, noise, noiseOf, numbers, stateOf } from "./reference.js";

const f64 = { dtype: "float64" } as const;
const batch = (seed: number, shape: readonly number[] = [6, 3]) => noiseOf(shape, seed);

describe("running statistics", () => {
  test("start at mean 0, variance 1, no batches; the counter is a 0-d int64 tensor", () => {
    const bn = new nn.BatchNorm2d(2);
    expect(stateOf(bn)).toEqual({
      mean: new Float64Array(2),
      variance: new Float64Array(2).fill(1),
      count: 0,
    });
    expect([bn.numBatchesTracked?.dtype, bn.numBatchesTracked?.shape]).toEqual(["int64", []]);
    expect([bn.runningMean?.requiresGrad, bn.runningVar?.requiresGrad]).toEqual([false, false]);
  });

  test("without a momentum they are the mean over all batches", () => {
    const bn = new nn.BatchNorm1d(3, { momentum: null, ...f64 });
    const batches = [1, 2, 3, 4].map((seed) => batch(seed));
    for (const x of batches) bn(x);
    const over = (f: (x: Tensor) => Tensor) =>
      batches
        .map(f)
        .reduce((a, b) => a.add(b))
        .div(4);
    expect(errorOf(bn.runningMean as Tensor, numbers(over((x) => x.mean(0))))).toBeLessThan(1e-14);
    expect(errorOf(bn.runningVar as Tensor, numbers(over((x) => x.var({ dim: 0 }))))).toBeLessThan(1e-14);
    expect(bn.numBatchesTracked?.item()).toBe(4);
  });

  test("momentum 0 keeps them, momentum 1 replaces them", () => {
    const keep = new nn.BatchNorm1d(3, { momentum: 0, ...f64 });
    keep(batch(1));
    expect(stateOf(keep)).toEqual({
      mean: new Float64Array(3),
      variance: new Float64Array(3).fill(1),
      count: 1,
    });
    const last = new nn.BatchNorm1d(3, { momentum: 1, ...f64 });
    last(batch(1));
    last(batch(2));
    expect(errorOf(last.runningMean as Tensor, numbers(batch(2).mean(0)))).toBeLessThan(1e-14);
  });

  test("resetRunningStats forgets, resetParameters too", () => {
    const bn = new nn.BatchNorm1d(3, f64);
    bn(batch(1));
    bn.resetRunningStats();
    expect(stateOf(bn)).toEqual({
      mean: new Float64Array(3),
      variance: new Float64Array(3).fill(1),
      count: 0,
    });
    noGrad(() => bn.weight?.mul_(3));
    bn.resetParameters();
    expect(numbers(bn.weight as Tensor)).toEqual(new Float64Array(3).fill(1));
  });

  test("move under noGrad and in inference mode", () => {
    const bn = new nn.BatchNorm1d(3, f64);
    noGrad(() => bn(batch(1)));
    autograd.inferenceMode(() => bn(batch(2)));
    expect(bn.numBatchesTracked?.item()).toBe(2);
    expect(stateOf(bn).mean.some((v) => v !== 0)).toBe(true);
  });

  test("do not move in eval mode", () => {
    const bn = new nn.BatchNorm1d(3, f64).eval();
    const before = stateOf(bn);
    bn(batch(1));
    expect(stateOf(bn)).toEqual(before);
  });

  test("trackRunningStats set to false: training uses the batch and moves nothing, eval uses the buffers", () => {
    const bn = new nn.BatchNorm1d(3, f64);
    bn(batch(1));
    bn.trackRunningStats = false;
    const before = stateOf(bn);
    const y = bn(batch(2));
    expect(y.mean(0).abs().max().item()).toBeLessThan(1e-14);
    expect(stateOf(bn)).toEqual(before);
    const kept = bn.eval()(batch(2));
    bn.trackRunningStats = true;
    expect(numbers(kept)).toEqual(numbers(bn(batch(2))));
  });

  test("a frozen weight does not freeze them, eval() on the layer does", () => {
    const model = new nn.Sequential(new nn.BatchNorm1d(3, f64), new nn.BatchNorm1d(3, f64));
    model.requiresGrad_(false);
    (model[1] as nn.BatchNorm1d).eval();
    model(batch(1));
    expect((model[0] as nn.BatchNorm1d).numBatchesTracked?.item()).toBe(1);
    expect((model[1] as nn.BatchNorm1d).numBatchesTracked?.item()).toBe(0);
  });

  test("an unaffine layer has null parameters, an untracked one null buffers", () => {
    const bn = new nn.BatchNorm2d(3, { affine: false, trackRunningStats: false });
    expect([bn.weight, bn.bias, bn.runningMean, bn.runningVar, bn.numBatchesTracked]).toEqual([
      null,
      null,
      null,
      null,
      null,
    ]);
    expect([...bn.parameters(), ...bn.buffers()]).toEqual([]);
    expect(Object.keys(bn.stateDict())).toEqual([]);
  });
});

describe("pending backward passes", () => {
  test("two forwards, then one backward", () => {
    const bn = new nn.BatchNorm1d(3, f64);
    const separate = [1, 2].map((seed) => {
      const x = batch(seed).requiresGrad_();
      return autograd.grad(new nn.BatchNorm1d(3, f64)(x).sin().sum(), [x])[0] as Tensor;
    });
    const [a, b] = [batch(1).requiresGrad_(), batch(2).requiresGrad_()];
    const loss = bn(a).sin().sum().add(bn(b).sin().sum());
    const together = autograd.grad(loss, [a, b]);
    expect(together.map((t) => numbers(t as Tensor))).toEqual(separate.map(numbers));
  });

  test("eval, then training, then backward of both", () => {
    const bn = new nn.BatchNorm1d(3, f64);
    bn(batch(1));
    const x = batch(2).requiresGrad_();
    const expected = numbers(autograd.grad(bn.eval()(x).sin().sum(), [x])[0] as Tensor);
    const first = bn(x).sin().sum();
    bn.train()(batch(3));
    bn.runningMean?.add_(7);
    expect(numbers(autograd.grad(first, [x])[0] as Tensor)).toEqual(expected);
  });

  test("a second derivative after the buffers moved", () => {
    const bn = new nn.BatchNorm1d(3, f64);
    const x = batch(1).requiresGrad_();
    const second = (disturb: boolean) => {
      const [g] = autograd.grad(bn(x).sin().sum(), [x], { createGraph: true }) as [Tensor];
      if (disturb) bn(batch(5));
      return numbers(autograd.grad(g.square().sum(), [x])[0] as Tensor);
    };
    expect(second(true)).toEqual(second(false));
  });

  test("retainGraph: twice the same", () => {
    const bn = new nn.BatchNorm1d(3, f64);
    const x = batch(1).requiresGrad_();
    const loss = bn(x).sin().sum();
    const first = numbers(autograd.grad(loss, [x], { retainGraph: true })[0] as Tensor);
    expect(numbers(autograd.grad(loss, [x])[0] as Tensor)).toEqual(first);
    expect(() => loss.backward()).toThrow("already freed");
  });

  test("changing the input in place before backward is an error that names BatchNorm", () => {
    const bn = new nn.BatchNorm1d(3, f64);
    const x = batch(1).requiresGrad_().mul(1);
    const loss = bn(x).sum();
    x.add_(1);
    expect(() => loss.backward()).toThrow(/input 0 of BatchNorm.*changed in place/);
  });

  test("the counter and the statistics are not part of any graph", () => {
    const bn = new nn.BatchNorm1d(3, f64);
    bn(batch(1).requiresGrad_());
    expect([bn.runningMean?.gradFn ?? null, bn.runningVar?.gradFn ?? null]).toEqual([null, null]);
  });
});

describe("state dicts", () => {
  const keys = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"];

  test("PyTorch's keys in its order, version 2", () => {
    const state = new nn.BatchNorm2d(3).stateDict() as nn.StateDict & { _metadata: nn.StateDictMetadata };
    expect(Object.keys(state)).toEqual(keys);
    expect(state._metadata[""]).toEqual({ version: 2 });
  });

  test("a round trip gives the same outputs", () => {
    const bn = new nn.BatchNorm1d(3, f64);
    bn(batch(1));
    const copy = new nn.BatchNorm1d(3, f64);
    expect(copy.loadStateDict(bn.stateDict())).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(numbers(copy.eval()(batch(2)))).toEqual(numbers(bn.eval()(batch(2))));
    expect(copy.numBatchesTracked?.item()).toBe(1);
  });

  test.each([
    ["none", undefined],
    ["1", 1],
  ] as const)("version %s lacks the counter: the layer keeps its own", (_, version) => {
    const model = new nn.Sequential(new nn.BatchNorm1d(3, f64));
    const state = { ...new nn.Sequential(new nn.BatchNorm1d(3, f64)).stateDict() };
    delete state["0.num_batches_tracked"];
    if (version !== undefined) Object.defineProperty(state, "_metadata", { value: { "0": { version } } });
    model(batch(1));
    expect(model.loadStateDict(state)).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect((model[0] as nn.BatchNorm1d).numBatchesTracked?.item()).toBe(1);
    expect(numbers((model[0] as nn.BatchNorm1d).runningMean as Tensor)).toEqual(new Float64Array(3));
  });

  test("version 2 without the counter is missing a key", () => {
    const state = new nn.BatchNorm1d(3).stateDict();
    delete state.num_batches_tracked;
    expect(() => new nn.BatchNorm1d(3).loadStateDict(state)).toThrow('missing keys: "num_batches_tracked"');
    expect(new nn.BatchNorm1d(3).loadStateDict(state, { strict: false }).missingKeys).toEqual([
      "num_batches_tracked",
    ]);
  });

  test("everything that does not fit is named at once, and nothing is loaded", () => {
    const bn = new nn.BatchNorm1d(3);
    const state = {
      ...new nn.BatchNorm1d(3).stateDict(),
      weight: zeros([4]),
      running_var: zeros([5]),
      extra: zeros([1]),
    } as nn.StateDict;
    delete state.bias;
    let message = "";
    try {
      bn.loadStateDict(state);
    } catch (error) {
      message = (error as Error).message;
    }
    for (const part of [
      "weight: got shape [4], expected [3]",
      "running_var: got shape [5], expected [3]",
      '"extra"',
      '"bias"',
    ]) {
      expect(message).toContain(part);
    }
    expect(numbers(bn.weight as Tensor)).toEqual(new Float64Array(3).fill(1));
  });

  test("old checkpoints of instance norm with statistics that it does not track", () => {
    const state = { running_mean: zeros([3]), running_var: ones([3]) };
    expect(() => new nn.InstanceNorm1d(3).loadStateDict(state)).toThrow(
      "running_mean, running_var: running statistics for InstanceNorm1d with trackRunningStats=false",
    );
  });
});

describe("instance norm", () => {
  test("running statistics move towards the mean over the samples; there is no counter to move", () => {
    const layer = new nn.InstanceNorm1d(2, { trackRunningStats: true, ...f64 });
    const x = batch(1, [4, 2, 7]);
    layer(x);
    const mean = x.mean(2).mean(0).mul(0.1);
    const variance = x.var({ dim: 2 }).mean(0).mul(0.1).add(0.9);
    expect(errorOf(layer.runningMean as Tensor, numbers(mean))).toBeLessThan(1e-14);
    expect(errorOf(layer.runningVar as Tensor, numbers(variance))).toBeLessThan(1e-14);
    expect(layer.numBatchesTracked?.item()).toBe(0);
    const y = layer.eval()(x);
    const column = (t: Tensor) => t.reshape([1, 2, 1]);
    const expected = x.sub(column(layer.runningMean as Tensor)).div(
      column(layer.runningVar as Tensor)
        .add(1e-5)
        .sqrt(),
    );
    expect(errorOf(y, numbers(expected))).toBeLessThan(1e-14);
  });

  test("a sample without a batch dimension", () => {
    const layer = new nn.InstanceNorm2d(2, { affine: true, ...f64 });
    const x = batch(1, [2, 3, 4]);
    const y = layer(x);
    expect(y.shape).toEqual([2, 3, 4]);
    expect(numbers(y)).toEqual(numbers(layer(x.unsqueeze(0))));
  });

  test("is batch norm of single samples", () => {
    const x = batch(1, [3, 2, 5]);
    const y = nn.functional.instanceNorm(x);
    for (let n = 0; n < 3; n++) {
      const one = nn.functional.batchNorm(x.narrow(0, n, 1), null, null, { training: true });
      expect(errorOf(y.narrow(0, n, 1), numbers(one))).toBeLessThan(1e-14);
    }
  });
});

test("double() converts parameters and statistics, not the counter", () => {
  const bn = new nn.BatchNorm1d(3).double();
  expect([bn.weight, bn.runningMean, bn.numBatchesTracked].map((t) => t?.dtype)).toEqual([
    "float64",
    "float64",
    "int64",
  ]);
  expect(bn(batch(1)).dtype).toBe("float64");
});

test("in a Sequential the input of batch norm is freed as soon as it may be, and gradients stay right", () => {
  const build = () => {
    const layers = [
      new nn.Linear(3, 4, { dtype: "float64" }),
      new nn.BatchNorm1d(4, f64),
      new nn.ReLU(),
      new nn.Linear(4, 1, { dtype: "float64" }),
    ] as const;
    for (const [i, p] of layers.flatMap((l) => [...l.parameters()]).entries()) {
      noGrad(() => p.mul_(0).add_(from({ shape: p.shape, data: noise(p.numel, i) }, "float64")));
    }
    return layers;
  };
  const [a, b, c, d] = build();
  const x = batch(1).requiresGrad_();
  const loose = autograd.grad(d(c(b(a(x)))).sum(), [x, ...a.parameters()]);
  const model = new nn.Sequential(...build());
  const inside = autograd.grad(model(x).sum(), [x, ...(model[0] as nn.Linear).parameters()]);
  expect(inside.map((t) => numbers(t as Tensor))).toEqual(loose.map((t) => numbers(t as Tensor)));
  noGrad(() =>
    expect(
      model(
        tensor(
          [
            [1, 2, 3],
            [3, 2, 1],
          ],
          f64,
        ),
      ).shape,
    ).toEqual([2, 1]),
  );
});
