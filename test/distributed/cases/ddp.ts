/** DistributedDataParallel against the same training in one process, which every rank does for itself. */

import { full, grad, manualSeed, memory, nn, noGrad, randn, type Tensor, tensor } from "kindling";
import {
  allReduce,
  broadcast,
  DistributedDataParallel,
  type DistributedDataParallelOptions,
} from "kindling/distributed";
import { Adam, SGD, swaUtils } from "kindling/optim";
import { assertClose } from "kindling/testing";
import type { Case } from "../harness.js";
import {
  batch,
  collectivesIn,
  expectEqual,
  expectMatch,
  expectSameBits,
  expectSameOnAllRanks,
  expectThat,
  gradients,
  messageOf,
  mlp,
  mse,
  part,
  valuesOf,
} from "../training.js";

const ALL = [1, 2, 3, 4];
/** Sums in another order, in float64. */
const ROUNDING = { rtol: 1e-12, atol: 1e-13 };

interface Setting extends DistributedDataParallelOptions {
  steps?: number;
  make?: (seed: number) => nn.Sequential;
}

/** Trains by parts; losses over the whole batch, and the weights. */
function trainOnRanks(rank: number, size: number, { steps = 6, make = mlp, ...options }: Setting) {
  const ddp = new DistributedDataParallel(make(1), options);
  const optimizer = new SGD(ddp.parameters(), { lr: 0.2, momentum: 0.9 });
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const [x, y] = batch(12, 100 + step);
    const loss = mse(ddp(part(x, rank, size)), part(y, rank, size));
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    const mean = loss.detach().clone();
    allReduce(mean, "avg");
    losses.push(mean.item());
  }
  return { ddp, losses, weights: valuesOf(ddp) };
}

/** The same in one process on the whole batches. */
function trainAlone({ steps = 6, make = mlp }: Setting) {
  const net = make(1);
  const optimizer = new SGD(net.parameters(), { lr: 0.2, momentum: 0.9 });
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const [x, y] = batch(12, 100 + step);
    const loss = mse(net(x), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  return { losses, weights: valuesOf(net) };
}

function equals(rank: number, size: number, setting: Setting): void {
  const alone = trainAlone(setting);
  const first = trainOnRanks(rank, size, setting);
  assertClose(tensor(first.losses), tensor(alone.losses), { rtol: 1e-6, atol: 1e-6 });
  first.losses.forEach((loss, i) => {
    const off = Math.abs(loss - (alone.losses[i] as number));
    expectThat(off < 1e-12, `loss ${i} within 1e-12, it is off by ${off}`);
  });
  first.weights.forEach((w, i) => {
    const off = Math.abs(w - (alone.weights[i] as number));
    expectThat(off < 1e-11, `weight ${i} within 1e-11, it is off by ${off}`);
  });
  expectSameOnAllRanks(first.ddp.namedParameters());
  const second = trainOnRanks(rank, size, setting);
  expectEqual(second.losses, first.losses, "losses of a second run");
  expectEqual(second.weights, first.weights, "weights of a second run");
}

/** Half of the parameters in float32. */
function mixed(seed: number): nn.Sequential {
  manualSeed(seed);
  class Cast extends nn.Module {
    constructor(readonly dtype: "float32" | "float64") {
      super();
    }
    forward(x: Tensor): Tensor {
      return x.to(this.dtype);
    }
  }
  return new nn.Sequential(
    new nn.Linear(6, 8, { dtype: "float64" }),
    new Cast("float32"),
    new nn.Linear(8, 8),
    new Cast("float64"),
    new nn.Linear(8, 3, { dtype: "float64" }),
  );
}

const SMALL_BUCKETS = 1 / 8192; // 128 bytes

const equality: Case[] = (
  [
    ["", {}],
    [", a bucket for nearly every parameter", { bucketCapMb: SMALL_BUCKETS }],
    [", gradients as views of buckets", { gradientAsBucketView: true, bucketCapMb: SMALL_BUCKETS }],
    [", looking for unused parameters", { findUnusedParameters: true, bucketCapMb: SMALL_BUCKETS }],
    [", static graph", { staticGraph: true, bucketCapMb: SMALL_BUCKETS }],
    [", all at once", { staticGraph: true, findUnusedParameters: true, gradientAsBucketView: true }],
  ] as [string, Setting][]
).map(([name, setting]) => ({
  name: `DDP: training equals that of one process on the whole batch, bits repeat${name}`,
  worldSizes: ALL,
  run: (rank, size) => equals(rank, size, setting),
}));

const dtypes: Case = {
  name: "DDP: parameters of two dtypes go in buckets of their own",
  worldSizes: [1, 2],
  run: (rank, size) => {
    const [x, y] = batch(8, 5);
    const net = mixed(3);
    mse(net(x), y).backward();
    const ddp = new DistributedDataParallel(mixed(3), { bucketCapMb: 1e-3 });
    mse(ddp(part(x, rank, size)), part(y, rank, size)).backward();
    // (8, 3) + 3 of float64 fill no bucket of 1,048 bytes: (6, 8) + 8 follow; (8, 8) + 8 of float32 are one.
    expectEqual(ddp.bucketSizes, [8 * (24 + 3 + 8 + 48), 4 * (8 + 64)], "sizes of buckets");
    for (const [name, g] of gradients(ddp.module)) {
      assertClose(g, net.getParameter(name).grad, { rtol: 1e-5, atol: 1e-6 });
    }
  },
};

const start: Case = {
  name: "DDP: all ranks start from rank 0's parameters and buffers",
  worldSizes: [2, 3],
  run: (rank) => {
    const make = (seed: number) => {
      const net = new nn.Sequential(
        ...(mlp(seed).children() as Iterable<nn.Module>),
        new nn.BatchNorm1d(3, { dtype: "float64" }),
      );
      noGrad(() => net.getBuffer("5.running_mean").fill_(seed));
      return net;
    };
    const frozen = make(10 + rank);
    frozen.getParameter("0.weight").requiresGrad_(false);
    const ddp = new DistributedDataParallel(frozen);
    const first = make(10);
    const expected = {
      ...Object.fromEntries(first.namedParameters()),
      ...Object.fromEntries(first.namedBuffers()),
    };
    for (const [name, t] of [...ddp.module.namedParameters(), ...ddp.module.namedBuffers()]) {
      expectSameBits(t.detach(), (expected[name] as Tensor).detach(), name);
    }
  },
};

const largeStart: Case = {
  name: "DDP: parameters of 17 MB and small ones of other dtypes between them arrive whole",
  worldSizes: [2],
  run: (rank) => {
    class Large extends nn.Module {
      a = new nn.Parameter(full([4_400_000], rank + 1, { dtype: "float32" }));
      b = new nn.Parameter(full([3], rank + 2, { dtype: "float64" }));
      c = new nn.Parameter(full([4_400_000], rank + 3, { dtype: "float32" }));
      d = this.registerBuffer("d", full([5], rank + 4, { dtype: "int64" }));
      e = new nn.Parameter(full([7], rank + 5, { dtype: "float32" }));
      forward(x: Tensor): Tensor {
        return x;
      }
    }
    const { module } = new DistributedDataParallel(new Large());
    for (const [i, t] of [module.a, module.b, module.c, module.d, module.e].entries()) {
      expectThat(
        Boolean(
          t
            .eq(i + 1)
            .all()
            .item(),
        ),
        `${i + 1} everywhere in tensor ${i}`,
      );
    }
  },
};

const names: Case = {
  name: "DDP: names, state dict, modes and text are PyTorch's",
  worldSizes: [1, 2],
  run: (_rank, size) => {
    const net = mlp();
    const ddp = new DistributedDataParallel(net);
    expectThat(ddp.module === net, "the module itself");
    expectEqual(Object.keys(ddp.stateDict()).slice(0, 2), ["module.0.weight", "module.0.bias"]);
    expectEqual([...ddp.namedParameters()].length, 6);
    ddp.eval();
    expectThat(!net.training && !(net.getSubmodule("1") as nn.Tanh).training, "eval mode below");
    ddp.train();
    expectThat(net.training, "training mode below");
    expectMatch(ddp.toString(), /^DistributedDataParallel\(\n {2}\(module\): Sequential\(/);
    const other = new DistributedDataParallel(mlp(size + 1));
    other.loadStateDict(ddp.stateDict());
    expectEqual(valuesOf(other), valuesOf(ddp));
  },
};

const accumulation: Case = {
  name: "DDP: noSync sums locally, the next ordinary forward averages all of it",
  worldSizes: [1, 2, 3],
  run: (rank, size) => {
    const net = mlp();
    for (let k = 0; k < 3; k++) {
      const [x, y] = batch(6, 40 + k);
      mse(net(x), y).backward();
    }
    for (const asViews of [false, true]) {
      const ddp = new DistributedDataParallel(mlp(), { gradientAsBucketView: asViews });
      const alone = mlp();
      const backward = (model: (x: Tensor) => Tensor, k: number) => {
        const [x, y] = batch(6, 40 + k);
        mse(model(part(x, rank, size)), part(y, rank, size)).backward();
      };
      const calls = collectivesIn(ddp.processGroup, () =>
        ddp.noSync(() => {
          backward(ddp, 0);
          backward(ddp, 1);
        }),
      );
      expectEqual(calls, 0, "collectives inside noSync");
      backward(alone, 0);
      backward(alone, 1);
      for (const [name, g] of gradients(ddp.module)) {
        expectSameBits(g as Tensor, alone.getParameter(name).grad as Tensor, `${name} inside noSync`);
      }
      backward(ddp, 2);
      for (const [name, g] of gradients(ddp.module)) assertClose(g, net.getParameter(name).grad, ROUNDING);
      expectSameOnAllRanks(gradients(ddp));
    }
  },
};

const whatForwardSaw: Case = {
  name: "DDP: noSync counts where the forward runs, not the backward",
  worldSizes: [2],
  run: (rank, size) => {
    const [x, y] = batch(4, 9);
    const loss = (model: (x: Tensor) => Tensor) => mse(model(part(x, rank, size)), part(y, rank, size));
    const ddp = new DistributedDataParallel(mlp());
    const inside = ddp.noSync(() => loss(ddp));
    expectEqual(
      collectivesIn(ddp.processGroup, () => inside.backward()),
      0,
      "backward outside of noSync",
    );
    ddp.zeroGrad();
    const outside = loss(ddp);
    const calls = collectivesIn(ddp.processGroup, () => ddp.noSync(() => outside.backward()));
    expectEqual(calls, 1, "backward of an ordinary forward inside of noSync");
    expectSameOnAllRanks(gradients(ddp));
    {
      using _ = ddp.noSync();
      expectEqual(
        collectivesIn(ddp.processGroup, () => loss(ddp).backward()),
        0,
        "in a using block",
      );
    }
    // One backward through both kinds averages.
    ddp.zeroGrad();
    ddp
      .noSync(() => loss(ddp))
      .add(loss(ddp))
      .backward();
    expectSameOnAllRanks(gradients(ddp));
    // After an error inside, forwards are averaged again.
    messageOf(() =>
      ddp.noSync(() => {
        throw new Error("inside");
      }),
    );
    expectEqual(
      collectivesIn(ddp.processGroup, () => loss(ddp).backward()),
      1,
      "after an error",
    );
  },
};

const severalForwards: Case = {
  name: "DDP: two forwards and one backward, two forwards and two backwards",
  worldSizes: [1, 2, 3],
  run: (rank, size) => {
    const losses = (model: (x: Tensor) => Tensor, whole: boolean) =>
      [20, 21].map((seed) => {
        const [x, y] = batch(6, seed);
        return whole ? mse(model(x), y) : mse(model(part(x, rank, size)), part(y, rank, size));
      }) as [Tensor, Tensor];
    const net = mlp();
    const [a, b] = losses(net, true);
    a.add(b).backward();
    for (const separate of [false, true]) {
      const ddp = new DistributedDataParallel(mlp(), { bucketCapMb: SMALL_BUCKETS });
      const [c, d] = losses(ddp, false);
      if (separate) {
        // PyTorch leaves the second of these unaveraged.
        c.backward();
        d.backward();
      } else c.add(d).backward();
      for (const [name, g] of gradients(ddp.module)) assertClose(g, net.getParameter(name).grad, ROUNDING);
      expectSameOnAllRanks(gradients(ddp));
    }
  },
};

const quiet: Case = {
  name: "DDP: no collectives without a backward, but for the buffers after training",
  worldSizes: [2],
  run: (rank) => {
    const x = randn([3, 6], { dtype: "float64" }).add(rank);
    const plain = new DistributedDataParallel(mlp());
    const group = plain.processGroup;
    expectEqual(
      collectivesIn(group, () => noGrad(() => plain(x))),
      0,
      "noGrad",
    );
    plain.eval();
    expectEqual(
      collectivesIn(group, () => plain(x)),
      0,
      "eval",
    );
    const out = plain(x).sum();
    expectEqual(
      collectivesIn(group, () => grad(out, plain.module.getParameter("0.weight"))),
      0,
      "grad()",
    );
    const normed = new DistributedDataParallel(new nn.BatchNorm1d(6, { dtype: "float64" }));
    normed(x);
    expectEqual(
      collectivesIn(group, () => noGrad(() => normed(x))),
      1,
      "noGrad after a forward of training",
    );
    expectEqual(
      collectivesIn(group, () => noGrad(() => normed(x))),
      0,
      "noGrad after noGrad",
    );
    normed(x);
    expectEqual(
      collectivesIn(group, () => normed.noSync(() => normed(x))),
      1,
      "noSync after a forward of training",
    );
    expectEqual(
      collectivesIn(group, () => normed(x)),
      0,
      "a forward of training after noSync",
    );
  },
};

const buffers: Case = {
  name: "DDP: rank 0's buffers come before forwards of training, unless broadcastBuffers is false",
  worldSizes: [2, 3],
  run: (rank) => {
    for (const broadcastBuffers of [true, false]) {
      const norm = new nn.BatchNorm1d(2, { dtype: "float64", momentum: 0.5 });
      const ddp = new DistributedDataParallel(norm, { broadcastBuffers });
      const input = (k: number) =>
        tensor([[k], [k + 2]], { dtype: "float64" })
          .mul(tensor([1, 2], { dtype: "float64" }))
          .add(rank);
      ddp(input(0)).sum().backward();
      const mean = norm.runningMean as Tensor;
      assertClose(mean, tensor([0.5 * (1 + rank), 0.5 * (2 + rank)], { dtype: "float64" }), ROUNDING);
      ddp(input(4)).sum().backward();
      const before = broadcastBuffers ? [0.5, 1] : [0.5 * (1 + rank), 0.5 * (2 + rank)];
      const expected = before.map((m, i) => 0.5 * m + 0.5 * ((i + 1) * 5 + rank));
      assertClose(mean, tensor(expected, { dtype: "float64" }), ROUNDING);
      expectEqual(norm.numBatchesTracked?.item(), 2);
    }
  },
};

const changedBuffers: Case = {
  name: "DDP: buffers that were replaced, registered or converted since the last forward are rank 0's as well",
  worldSizes: [2, 3],
  run: (rank) => {
    const norm = new nn.BatchNorm1d(2, { dtype: "float64", momentum: 0 });
    const ddp = new DistributedDataParallel(new nn.Sequential(norm));
    const x = tensor([[1], [3]], { dtype: "float64" }).mul(tensor([1, 2], { dtype: "float64" }));
    const expectBuffers = (what: string) => {
      ddp(x);
      ddp(x);
      for (const [name, b] of norm.namedBuffers()) {
        const mine = b.to("float64").sum();
        const first = mine.clone();
        broadcast(first, 0);
        expectSameBits(mine, first, `${name} ${what}`);
      }
    };
    expectBuffers("at first");
    const before = norm.runningMean as Tensor;
    norm.runningMean = norm.registerBuffer("running_mean", full([2], rank + 1, { dtype: "float64" }));
    expectBuffers("after one was replaced");
    expectEqual(norm.runningMean?.toArray(), [1, 1], "rank 0's new buffer");
    expectEqual(before.toArray(), [0, 0], "the one that was replaced");
    norm.registerBuffer("extra", full([3], rank + 5, { dtype: "int64" }));
    expectBuffers("after one was registered");
    norm.registerBuffer("extra", full([70_000], rank + 7, { dtype: "float32" }));
    expectBuffers("after one became large");
    norm.registerBuffer("extra", null);
    expectBuffers("after one was removed");
  },
};

const otherHooks: Case = {
  name: "DDP: what other hooks do to a gradient after it came does not change the averages",
  worldSizes: [1, 2],
  run: (rank, size) => {
    const [x, y] = batch(6, 31);
    const net = mlp();
    mse(net(x), y).backward();
    for (const gradientAsBucketView of [false, true]) {
      const ddp = new DistributedDataParallel(mlp(), { gradientAsBucketView });
      const params = [...ddp.parameters()];
      params[1]?.registerPostAccumulateGradHook((p) => {
        p.grad = null;
      });
      if (!gradientAsBucketView) {
        params[2]?.registerPostAccumulateGradHook((p) => {
          p.grad?.mul_(10);
        });
      }
      mse(ddp(part(x, rank, size)), part(y, rank, size)).backward();
      for (const [name, g] of gradients(ddp.module)) assertClose(g, net.getParameter(name).grad, ROUNDING);
      expectSameOnAllRanks(gradients(ddp));
    }
  },
};

const viewsMemory: Case = {
  name: "DDP: gradients as views need the buckets alone: what the backward made is freed at once",
  worldSizes: [1, 2],
  run: (rank, size) => {
    const ddp = new DistributedDataParallel(new nn.Linear(300, 500), { gradientAsBucketView: true });
    const x = randn([2 * size, 300]);
    const step = () => {
      ddp.zeroGrad();
      ddp(part(x, rank, size))
        .square()
        .mean()
        .backward();
    };
    step();
    const before = memory().resident;
    for (let i = 0; i < 4; i++) step();
    const more = memory().resident - before;
    expectThat(more < 4 * 300 * 500, `less than one gradient more, got ${more} bytes`);
  },
};

const second: Case = {
  name: "DDP: createGraph: gradients of averaged gradients are those of the whole batch",
  worldSizes: [1, 2, 3],
  run: (rank, size) => {
    const [x, y] = batch(6, 77);
    const penalized = (model: nn.Module, loss: Tensor) => {
      loss.backward({ createGraph: true });
      const params = [...model.parameters()];
      const norm = params.map((p) => (p.grad as Tensor).square().sum()).reduce((a, b) => a.add(b));
      for (const p of params) p.grad = null;
      return norm;
    };
    const net = mlp();
    penalized(net, mse(net(x), y)).backward();
    const ddp = new DistributedDataParallel(mlp());
    const norm = penalized(ddp, mse(ddp(part(x, rank, size)), part(y, rank, size)));
    norm.backward();
    for (const [name, g] of gradients(ddp.module)) {
      assertClose(g, net.getParameter(name).grad, { rtol: 1e-11, atol: 1e-12 });
    }
  },
};

const penalty: Case = {
  name: "DDP: a penalty on the gradients of the inputs",
  worldSizes: [1, 2],
  run: (rank, size) => {
    const [x, y] = batch(8, 78);
    const total = (model: (x: Tensor) => Tensor, input: Tensor, target: Tensor) => {
      const leaf = input.detach().requiresGrad_();
      const out = model(leaf);
      const [gx] = grad(out.sum(), leaf, { createGraph: true });
      return mse(out, target).add(gx.square().sum(1).mean());
    };
    const net = mlp();
    total(net, x, y).backward();
    const ddp = new DistributedDataParallel(mlp());
    total(ddp, part(x, rank, size), part(y, rank, size)).backward();
    for (const [name, g] of gradients(ddp.module)) assertClose(g, net.getParameter(name).grad, ROUNDING);
  },
};

const views: Case = {
  name: "DDP: gradients as views live on in the buckets, through zeroGrad of both kinds",
  worldSizes: [1, 2],
  run: (rank, size) => {
    const ddp = new DistributedDataParallel(mlp(), { gradientAsBucketView: true });
    const net = mlp();
    const optimizers = [new Adam(ddp.parameters(), { lr: 0.05 }), new Adam(net.parameters(), { lr: 0.05 })];
    for (let step = 0; step < 4; step++) {
      for (const o of optimizers) o.zeroGrad({ setToNone: step % 2 === 0 });
      const [x, y] = batch(6, step);
      mse(ddp(part(x, rank, size)), part(y, rank, size)).backward();
      mse(net(x), y).backward();
      for (const o of optimizers) o.step();
      const storages = new Set(gradients(ddp).map(([, g]) => (g as Tensor).storage));
      expectEqual(storages.size, 1, "storages of all gradients");
    }
    const alone = valuesOf(net);
    valuesOf(ddp).forEach((w, i) => {
      expectThat(Math.abs(w - (alone[i] as number)) < 1e-11, `weight ${i} within 1e-11`);
    });
  },
};

const copies: Case = {
  name: "DDP: a deep copy averages by itself; averages of models hold copies",
  worldSizes: [1, 2],
  run: (rank, size) => {
    const [x, y] = batch(6, 8);
    const net = mlp();
    mse(net(x), y).backward();
    const ddp = new DistributedDataParallel(mlp(), { bucketCapMb: SMALL_BUCKETS });
    const copy = nn.deepCopy(ddp);
    for (const model of [copy, ddp]) {
      mse(model(part(x, rank, size)), part(y, rank, size)).backward();
      for (const [name, g] of gradients(model.module)) assertClose(g, net.getParameter(name).grad, ROUNDING);
      expectSameOnAllRanks(gradients(model));
    }
    const average = new swaUtils.AveragedModel(ddp);
    average.updateParameters(ddp);
    const out = noGrad(() => average(x));
    expectSameBits(
      out,
      noGrad(() => ddp.module(x)),
      "output of the average",
    );
  },
};

export const cases: readonly Case[] = [
  ...equality,
  dtypes,
  start,
  largeStart,
  names,
  accumulation,
  whatForwardSaw,
  severalForwards,
  quiet,
  buffers,
  changedBuffers,
  otherHooks,
  viewsMemory,
  second,
  penalty,
  views,
  copies,
];
