/** SyncBatchNorm as a layer of one process: construction, state, errors, conversion there and back. */
import { describe, expect, test } from "vitest";
import { SyncBatchNorm } from "../../src/distributed/index.js";
import { nn, optim, randn, type Tensor, tensor, zeros } from "../../src/index.js";
import { noise } from "../nn/norm/reference.js";

const bits = (t: Tensor | null | undefined) => t?.toTypedArray();

class Net extends nn.Module {
  conv = new nn.Conv2d(3, 4, 3);
  norm = new nn.BatchNorm2d(4, { eps: 1e-3, momentum: null });
  blocks = new nn.ModuleList([
    new nn.Sequential(new nn.Linear(4, 5), new nn.BatchNorm1d(5, { affine: false })),
    new nn.Sequential(new nn.BatchNorm3d(2, { trackRunningStats: false }), new nn.GroupNorm(2, 4)),
  ]);
  named = new nn.ModuleDict({ a: new nn.BatchNorm1d(3, { dtype: "float64" }), b: new nn.InstanceNorm1d(3) });

  forward(x: Tensor): Tensor {
    return this.norm(this.conv(x));
  }
}

describe("the layer without a process group", () => {
  test.each([[[6, 3]], [[6, 3, 4]], [[2, 3, 4, 5]], [[2, 3, 2, 4, 5]]])(
    "is batch norm of an input of shape %j: same bits, training and eval",
    (shape) => {
      const make = { 2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d };
      const plain = new make[shape.length as 2](3);
      const sync = new SyncBatchNorm(3);
      const values = noise(
        shape.reduce((a, b) => a * b, 1),
        7,
      );
      const [a, b] = [plain, sync].map((layer) => {
        const x = tensor(values, { dtype: "float32" }).reshape(shape).detach().requiresGrad_();
        layer(x).sin().sum().backward();
        layer.eval();
        return [x.grad, layer.weight?.grad, layer.runningVar, layer.numBatchesTracked, layer(x).detach()].map(
          bits,
        );
      });
      expect(a).toEqual(b);
    },
  );

  test("has BatchNorm's state: keys, version, and checkpoints that pass in both directions", () => {
    const [plain, sync] = [new nn.BatchNorm2d(3), new SyncBatchNorm(3)];
    plain(randn([4, 3, 2, 2]));
    const saved = plain.stateDict();
    expect(Object.keys(sync.stateDict())).toEqual(Object.keys(saved));
    expect(SyncBatchNorm.version).toBe(2);
    sync.loadStateDict(saved);
    expect(Object.values(sync.stateDict()).map((t) => bits(t as Tensor))).toEqual(
      Object.values(saved).map((t) => bits(t as Tensor)),
    );
    expect(
      nn.BatchNorm1d.prototype.loadStateDict.call(new nn.BatchNorm1d(3), sync.stateDict()).missingKeys,
    ).toEqual([]);
    const { num_batches_tracked: _, ...old } = saved;
    expect(() => sync.loadStateDict(old)).not.toThrow(); // no version: an old one, without a counter
    expect(sync.numBatchesTracked?.item()).toBe(1);
  });

  test("prints as BatchNorm does", () => {
    const text = String(new nn.BatchNorm1d(3, { momentum: null }));
    expect(String(new SyncBatchNorm(3, { momentum: null }))).toBe(
      text.replace("BatchNorm1d", "SyncBatchNorm"),
    );
  });

  test("is a batch norm to what looks for them", () => {
    const sync = new SyncBatchNorm(3);
    expect(sync).toBeInstanceOf(nn.BatchNormBase);
    nn.utils.replaceAllBatchNormModules_(sync);
    expect(sync.trackRunningStats).toBe(false);
  });

  test("a copy has its own tensors and the same process group", () => {
    const model = new nn.Sequential(SyncBatchNorm.convertSyncBatchnorm(new nn.BatchNorm1d(3)));
    const copy = nn.deepCopy(model);
    expect(copy.getParameter("0.weight") === model.getParameter("0.weight")).toBe(false);
    expect(SyncBatchNorm.revertSyncBatchnorm(copy)[0]).toBeInstanceOf(nn.BatchNorm1d);
  });

  test.each([
    [[3], /\[SyncBatchNorm\] expected at least 2D input \(got 1D input\): shape \[3\]/],
    [[2, 0], /\[SyncBatchNorm\] number of input channels should be non-zero: got shape \[2, 0\]/],
    [
      [2, 4],
      /\[SyncBatchNorm\] expected 3 channels in dimension 1 .* got 4: input of shape \[2, 4\].*\[3\][\s\S]*in 1: Sync/,
    ],
    [
      [1, 3],
      /\[SyncBatchNorm\] Expected more than 1 value per channel when training, got input size \[1, 3\]/,
    ],
  ])("refuses an input of shape %j, with shapes and path, and changes nothing", (shape, message) => {
    const layer = new SyncBatchNorm(3);
    const model = new nn.Sequential(new nn.Identity(), layer);
    expect(() => model(zeros(shape))).toThrow(message);
    expect(layer.numBatchesTracked?.item()).toBe(0);
  });
});

describe("convertSyncBatchnorm", () => {
  test("replaces every batch norm of a model, in place, and nothing else", () => {
    const model = new Net();
    const before = String(model);
    expect(SyncBatchNorm.convertSyncBatchnorm(model)).toBe(model);
    expect(String(model)).toBe(before.replace(/BatchNorm\dd/g, "SyncBatchNorm"));
    expect(model.norm).toBeInstanceOf(SyncBatchNorm);
    expect(model.blocks[1]?.getSubmodule("1")).toBeInstanceOf(nn.GroupNorm);
  });

  test("keeps tensors, modes and settings: the very same objects", () => {
    const model = new Net().train();
    model.norm.requiresGrad_(false).eval();
    const state = [...model.namedParameters(), ...model.namedBuffers()];
    const facts = (m: nn.Module) =>
      [...m.modules()]
        .filter((l) => l instanceof nn.BatchNormBase)
        .map(({ training, eps, momentum, affine, trackRunningStats, numFeatures }) => [
          training,
          eps,
          momentum,
          affine,
          trackRunningStats,
          numFeatures,
        ]);
    const settings = facts(model);
    SyncBatchNorm.convertSyncBatchnorm(model);
    const after = [...model.namedParameters(), ...model.namedBuffers()];
    expect(after.map(([name]) => name)).toEqual(state.map(([name]) => name));
    for (const [i, [, t]] of after.entries()) expect(t).toBe(state[i]?.[1]);
    expect(facts(model)).toEqual(settings);
    expect(model.norm.weight?.requiresGrad).toBe(false);
    expect(model.named.get("a")?.weight?.dtype).toBe("float64");
  });

  test("leaves an optimizer's parameters in place", () => {
    const model = new nn.Sequential(new nn.Linear(2, 3), new nn.BatchNorm1d(3));
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.5 });
    SyncBatchNorm.convertSyncBatchnorm(model);
    model(randn([4, 2]))
      .square()
      .sum()
      .backward();
    const before = bits(model.getParameter("1.bias"));
    optimizer.step();
    expect(bits(model.getParameter("1.bias"))).not.toEqual(before);
  });

  test("a module that is itself a batch norm gives a new layer", () => {
    const plain = new nn.BatchNorm3d(2);
    const sync: SyncBatchNorm = SyncBatchNorm.convertSyncBatchnorm(plain);
    expect(sync).toBeInstanceOf(SyncBatchNorm);
    expect(sync.runningMean).toBe(plain.runningMean);
    expect(SyncBatchNorm.convertSyncBatchnorm(sync)).not.toBe(sync);
    expect(SyncBatchNorm.revertSyncBatchnorm(SyncBatchNorm.convertSyncBatchnorm(sync))).toBeInstanceOf(
      nn.BatchNorm3d,
    );
  });

  test("a layer in two places is one layer afterwards too", () => {
    const shared = new nn.BatchNorm1d(2);
    const inner = new nn.Sequential(shared);
    const model = new nn.Sequential(shared, inner, inner);
    SyncBatchNorm.convertSyncBatchnorm(model);
    expect(model[0]).toBeInstanceOf(SyncBatchNorm);
    expect(model.getSubmodule("1.0")).toBe(model[0]);
    expect([...model.parameters()]).toHaveLength(2);
  });

  test("subclasses are batch norms too, with the modules inside them", () => {
    class Own extends nn.BatchNorm2d {
      gate = new nn.Sequential(new nn.BatchNorm1d(3));
    }
    const sync = SyncBatchNorm.convertSyncBatchnorm(new Own(3));
    expect(sync).toBeInstanceOf(SyncBatchNorm);
    expect(sync.getSubmodule("gate.0")).toBeInstanceOf(SyncBatchNorm);
    expect(SyncBatchNorm.revertSyncBatchnorm(sync)).toBeInstanceOf(nn.BatchNorm2d);
  });

  test.each([{}, { affine: false, trackRunningStats: false }])(
    "refuses a lazy layer before its first input, with its path and the remedy, and converts nothing (%j)",
    (options) => {
      const model = new nn.Sequential(
        new nn.BatchNorm1d(2),
        new nn.Sequential(new nn.LazyBatchNorm1d(options)),
      );
      expect(() => SyncBatchNorm.convertSyncBatchnorm(model)).toThrow(
        /\[convertSyncBatchnorm\] 1\.0 is a LazyBatchNorm1d that does not know its channels yet.*try a forward pass first/,
      );
      expect(model[0]).toBeInstanceOf(nn.BatchNorm1d);
      model(randn([4, 2]));
      SyncBatchNorm.convertSyncBatchnorm(model);
      expect(model.getSubmodule("1.0")).toBeInstanceOf(SyncBatchNorm);
      expect((model.getSubmodule("1.0") as unknown as SyncBatchNorm).numFeatures).toBe(2);
    },
  );

  test("trackRunningStats set to false on a layer with buffers: both stay", () => {
    const plain = new nn.BatchNorm1d(2);
    plain.trackRunningStats = false;
    const sync = SyncBatchNorm.convertSyncBatchnorm(plain);
    expect([sync.trackRunningStats, sync.runningVar === plain.runningVar]).toEqual([false, true]);
    sync(randn([4, 2]));
    expect(bits(sync.runningMean)).toEqual(bits(zeros([2])));
  });
});

describe("revertSyncBatchnorm", () => {
  test("is the inverse: classes, tensors, modes, settings, printed text", () => {
    const model = new Net();
    model.blocks.eval();
    const text = String(model);
    const state = [...model.namedParameters(), ...model.namedBuffers()];
    expect(SyncBatchNorm.revertSyncBatchnorm(SyncBatchNorm.convertSyncBatchnorm(model))).toBe(model);
    expect(String(model)).toBe(text);
    const after = [...model.namedParameters(), ...model.namedBuffers()];
    for (const [i, [name, t]] of after.entries()) {
      expect(name).toBe(state[i]?.[0]);
      expect(t).toBe(state[i]?.[1]);
    }
    expect(model.blocks[0]?.getSubmodule("1").training).toBe(false);
    expect(model.norm.momentum).toBe(null);
  });

  test("takes over what changed in between", () => {
    const model = SyncBatchNorm.convertSyncBatchnorm(new nn.Sequential(new nn.BatchNorm1d(2)));
    const sync = model[0] as unknown as SyncBatchNorm;
    sync.momentum = 0.5;
    sync.weight = null;
    sync(randn([4, 2]));
    const back = SyncBatchNorm.revertSyncBatchnorm(model)[0] as unknown as nn.BatchNorm1d;
    expect([back.momentum, back.weight, back.numBatchesTracked?.item()]).toEqual([0.5, null, 1]);
  });

  test.each([
    [[4, 2], nn.BatchNorm1d],
    [[4, 2, 3], nn.BatchNorm1d],
    [[4, 2, 3, 3], nn.BatchNorm2d],
    [[4, 2, 3, 3, 3], nn.BatchNorm3d],
  ])("a layer made as SyncBatchNorm becomes what fits its last input, of shape %j", (shape, expected) => {
    const model = new nn.Sequential(new SyncBatchNorm(2));
    model(randn(shape));
    const back = SyncBatchNorm.revertSyncBatchnorm(model);
    expect(back[0]?.constructor).toBe(expected);
    expect(back(randn(shape)).shape).toEqual(shape);
  });

  test("before its first input: an error with path and remedy, or what dims says", () => {
    const model = new nn.Sequential(
      SyncBatchNorm.convertSyncBatchnorm(new nn.BatchNorm1d(2)),
      new nn.Sequential(new SyncBatchNorm(2)),
    );
    expect(() => SyncBatchNorm.revertSyncBatchnorm(model)).toThrow(
      /\[revertSyncBatchnorm\] 1\.0 was made as a SyncBatchNorm and has seen no input.*try \{ dims: 2 \}/,
    );
    expect(model[0]).toBeInstanceOf(SyncBatchNorm); // nothing was converted
    SyncBatchNorm.revertSyncBatchnorm(model, { dims: 2 });
    expect(model[0]).toBeInstanceOf(nn.BatchNorm1d); // it was one before
    expect(model.getSubmodule("1.0")).toBeInstanceOf(nn.BatchNorm2d);
  });
});
