/** Communication hooks of DistributedDataParallel, and averages of parameters. */
import { manualSeed, nn, randn, type Tensor, tensor, zeros } from "kindling";
import {
  allReduceHook,
  DistributedDataParallel,
  type GradBucket,
  getWorldSize,
  newGroup,
  noopHook,
  PeriodicModelAverager,
  PostLocalSGDOptimizer,
  PostLocalSGDState,
  PowerSGDState,
  postLocalSGDHook,
  powerSGDHook,
} from "kindling/distributed";
import { SGD } from "kindling/optim";
import { assertClose } from "kindling/testing";
import type { Case } from "../harness.js";
import {
  batch,
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

const ROUNDING = { rtol: 1e-12, atol: 1e-13 };
const SMALL_BUCKETS = 1 / 8192;

const valuesAre = (t: Tensor | null, value: number): boolean => Boolean(t?.eq(value).all().item());

function backward(model: (x: Tensor) => Tensor, rank: number, size: number, seed = 1): void {
  const [x, y] = batch(12, seed);
  mse(model(part(x, rank, size)), part(y, rank, size)).backward();
}

const sameAsDefault: Case = {
  name: "allReduceHook: the bits of the default",
  worldSizes: [1, 2, 3],
  run: (rank, size) => {
    const plain = new DistributedDataParallel(mlp(), { bucketCapMb: SMALL_BUCKETS });
    backward(plain, rank, size);
    for (const gradientAsBucketView of [false, true]) {
      const hooked = new DistributedDataParallel(mlp(), { bucketCapMb: SMALL_BUCKETS, gradientAsBucketView });
      hooked.registerCommHook(null, allReduceHook);
      backward(hooked, rank, size);
      for (const [name, g] of gradients(hooked)) {
        expectSameBits(g as Tensor, plain.getParameter(name).grad as Tensor, name);
      }
    }
  },
};

const seen: Case = {
  name: "a hook sees the buckets in order, from the last parameters to the first, and what it gives counts",
  worldSizes: [2],
  run: (rank, size) => {
    const ddp = new DistributedDataParallel(mlp(), { bucketCapMb: SMALL_BUCKETS });
    const calls: [number, boolean, number[][], number][] = [];
    const state = { factor: 3 };
    ddp.registerCommHook(state, (s, bucket: GradBucket) => {
      calls.push([
        bucket.index(),
        bucket.isLast(),
        bucket.gradients().map((g) => [...g.shape]),
        bucket.buffer().numel,
      ]);
      for (const [i, p] of bucket.parameters().entries()) {
        expectSameBits(bucket.gradients()[i] as Tensor, p.grad as Tensor, "gradient");
      }
      return zeros([bucket.buffer().numel], { dtype: "float64" }).add(s.factor * (bucket.index() + 1));
    });
    backward(ddp, rank, size);
    expectEqual(calls, [
      [0, false, [[3], [3, 5]], 18],
      [1, false, [[5], [5, 8]], 45],
      [2, true, [[8], [8, 6]], 56],
    ]);
    const first = ddp.module.getParameter("4.weight").grad as Tensor;
    expectSameBits(first, zeros([3, 5], { dtype: "float64" }).add(3), "4.weight");
    expectSameBits(
      ddp.module.getParameter("0.bias").grad as Tensor,
      zeros([8], { dtype: "float64" }).add(9),
      "0.bias",
    );
  },
};

const setBuffer: Case = {
  name: "setBuffer and results of hooks are checked; only one hook",
  worldSizes: [1, 2],
  run: (rank, size) => {
    const with_ = (hook: (bucket: GradBucket) => unknown) => {
      const ddp = new DistributedDataParallel(mlp());
      ddp.registerCommHook(null, (_s, bucket) => hook(bucket) as Tensor);
      return ddp;
    };
    expectMatch(
      messageOf(() =>
        backward(
          with_((b) => b.buffer().narrow(0, 0, 3)),
          rank,
          size,
        ),
      ),
      /^\[registerCommHook\] got a float64 tensor of shape \[3\], expected float64 of shape \[119\]/,
    );
    expectMatch(
      messageOf(() =>
        backward(
          with_((b) => b.setBuffer(zeros([119]))),
          rank,
          size,
        ),
      ),
      /^\[setBuffer\] got a float32 tensor of shape \[119\], expected float64/,
    );
    const ddp = with_((b) => {
      b.setBuffer(zeros([119], { dtype: "float64" }).add(7));
      return b.buffer();
    });
    backward(ddp, rank, size);
    for (const [name, g] of gradients(ddp)) expectThat(valuesAre(g, 7), `7 in ${name}`);
    expectMatch(
      messageOf(() => ddp.registerCommHook(null, noopHook)),
      /there is a hook already/,
    );
  },
};

const noop: Case = {
  name: "noopHook leaves every rank its own gradients",
  worldSizes: [2],
  run: (rank, size) => {
    const alone = mlp();
    backward(alone, rank, size);
    const ddp = new DistributedDataParallel(mlp());
    ddp.registerCommHook(null, noopHook);
    backward(ddp, rank, size);
    for (const [name, g] of gradients(ddp.module)) {
      expectSameBits(g as Tensor, alone.getParameter(name).grad as Tensor, name);
    }
  },
};

const unused: Case = {
  name: "a hook with parameters that are not used",
  worldSizes: [2],
  run: (rank) => {
    class Either extends nn.Module<[Tensor, boolean], Tensor> {
      a: nn.Linear = new nn.Linear(2, 1, { dtype: "float64", bias: false });
      b: nn.Linear = new nn.Linear(2, 1, { dtype: "float64", bias: false });
      forward(x: Tensor, first: boolean): Tensor {
        return first ? this.a(x) : this.b(x);
      }
    }
    const x = tensor([[1, 2]], { dtype: "float64" });
    const strict = new DistributedDataParallel(new Either());
    strict.registerCommHook(null, allReduceHook);
    const text = messageOf(() =>
      strict(x, rank === 0)
        .sum()
        .backward(),
    );
    expectMatch(text, /a\.weight \(rank 1\)/);
    expectMatch(text, /b\.weight \(rank 0\)/);
    const ddp = new DistributedDataParallel(new Either(), { findUnusedParameters: true });
    ddp.registerCommHook(null, allReduceHook);
    ddp(x, true).sum().backward();
    assertClose(ddp.module.a.weight.grad, x, ROUNDING);
    expectThat(ddp.module.b.weight.grad === null, "no gradient for b");
  },
};

const localSGD: Case = {
  name: "postLocalSGDHook: all ranks at first, then the subgroup; the optimizer averages parameters now and then",
  worldSizes: [4],
  run: (rank, size) => {
    const pairs = [newGroup([0, 1]), newGroup([2, 3])];
    const subgroup = pairs[Math.floor(rank / 2)] as (typeof pairs)[number];
    const ddp = new DistributedDataParallel(mlp());
    const state = new PostLocalSGDState({ subgroup, startLocalSGDIter: 2 });
    ddp.registerCommHook(state, postLocalSGDHook);
    const optimizer = new PostLocalSGDOptimizer(
      new SGD(ddp.parameters(), { lr: 0.1, momentum: 0.5 }),
      new PeriodicModelAverager({ period: 2, warmupSteps: 3 }),
    );
    // After each step: whether all ranks agree. Averages come after steps 4, 6, ...
    const agree = [true, true, false, true, false, true];
    agree.forEach((all, step) => {
      optimizer.zeroGrad();
      backward(ddp, rank, size, step);
      if (step < 2) expectSameOnAllRanks(gradients(ddp));
      optimizer.step();
      if (all) expectSameOnAllRanks(ddp.namedParameters());
      else
        expectMatch(
          messageOf(() => expectSameOnAllRanks(ddp.namedParameters())),
          /of rank 2/,
        );
    });
    expectEqual(state.iter, 2);
    const saved = optimizer.stateDict();
    expectEqual(saved.step, 6);
    const again = new PostLocalSGDOptimizer(
      new SGD(ddp.parameters(), { lr: 0.1, momentum: 0.5 }),
      new PeriodicModelAverager({ period: 2, warmupSteps: 3 }),
    );
    again.loadStateDict(saved);
    expectEqual(again.averager.step, 6);
    expectEqual(again.paramGroups.length, 1);
    expectThat(again.state.size === 6, "state of all parameters");
    expectThat(again.paramGroups === again.optim.paramGroups, "the groups of the optimizer inside");
    expectThat(getWorldSize() === size, "the world");
  },
};

const noLocal: Case = {
  name: "postLocalSGDHook without averages of gradients later",
  worldSizes: [2],
  run: (rank, size) => {
    const ddp = new DistributedDataParallel(mlp());
    const subgroup = newGroup([0, 1]);
    ddp.registerCommHook(
      new PostLocalSGDState({ subgroup, startLocalSGDIter: 1, postLocalGradientAllreduce: false }),
      postLocalSGDHook,
    );
    backward(ddp, rank, size);
    expectSameOnAllRanks(gradients(ddp));
    ddp.zeroGrad();
    backward(ddp, rank, size);
    const alone = mlp();
    backward(alone, rank, size);
    for (const [name, g] of gradients(ddp.module)) {
      expectSameBits(g as Tensor, alone.getParameter(name).grad as Tensor, name);
    }
  },
};

/** A linear layer whose gradient for a batch of k samples has rank k. */
function wide(): nn.Linear {
  manualSeed(5);
  return new nn.Linear(20, 12, { dtype: "float64" });
}

const powerExact: Case = {
  name: "powerSGDHook: a gradient of low rank comes through exactly, vectors always do",
  worldSizes: [1, 2],
  run: (rank, size) => {
    const state = new PowerSGDState({
      matrixApproximationRank: 2,
      startPowerSGDIter: 1,
      useErrorFeedback: false,
      warmStart: false,
    });
    const ddp = new DistributedDataParallel(wide());
    ddp.registerCommHook(state, powerSGDHook);
    const plain = new DistributedDataParallel(wide());
    // One sample on each rank: the average has rank 2 at most.
    for (let step = 0; step < 3; step++) {
      manualSeed(10 * step + rank);
      const x = randn([1, 20], { dtype: "float64" });
      for (const model of [ddp, plain]) {
        model.zeroGrad();
        model(x).square().sum().backward();
      }
      for (const [name, g] of gradients(ddp)) {
        assertClose(g, plain.getParameter(name).grad, { rtol: 1e-9, atol: 1e-9 });
      }
      expectSameOnAllRanks(gradients(ddp));
    }
    const stats = state.compressionStats();
    // Two backwards of 20 * 12 + 12 numbers; (20 + 12) * 2 and the bias instead.
    expectEqual(stats, { rate: (2 * 252) / (2 * 76), before: 2 * 252, after: 2 * 76 });
    expectEqual(size > 0, true);
  },
};

const powerFeedback: Case = {
  name: "powerSGDHook: what compression leaves out is added later, so that the sums of gradients agree",
  worldSizes: [2],
  run: (rank, size) => {
    const state = new PowerSGDState({ matrixApproximationRank: 1, startPowerSGDIter: 2 });
    const ddp = new DistributedDataParallel(wide());
    ddp.registerCommHook(state, powerSGDHook);
    const plain = new DistributedDataParallel(wide());
    manualSeed(rank);
    const x = randn([6, 20], { dtype: "float64" });
    let [sum, exact] = [zeros([12, 20], { dtype: "float64" }), zeros([12, 20], { dtype: "float64" })];
    let single = 0;
    for (let step = 0; step < 60; step++) {
      for (const model of [ddp, plain]) {
        model.zeroGrad();
        model(x).square().sum().backward();
      }
      const [g, e] = [ddp, plain].map((m) => m.module.getParameter("weight").grad as Tensor) as [
        Tensor,
        Tensor,
      ];
      if (step === 0) expectSameBits(g, e, "the gradient before compression begins");
      if (step === 2) single = g.sub(e).norm().div(e.norm()).item();
      [sum, exact] = [sum.add(g), exact.add(e)];
    }
    expectThat(single > 0.3, `rank 1 alone is off by more than 30 %, got ${single}`);
    const off = sum.sub(exact).norm().div(exact.norm()).item();
    expectThat(off < 0.1, `the sum of 60 is off by less than 10 %, got ${off}`);
    expectSameOnAllRanks(gradients(ddp));
    expectEqual(state.iter, 60);
    expectThat(size === 2, "two ranks");
  },
};

const powerZeros: Case = {
  name: "powerSGDHook: gradients of zeros stay zeros; options are checked",
  worldSizes: [1, 2],
  run: () => {
    const ddp = new DistributedDataParallel(wide());
    ddp.registerCommHook(
      new PowerSGDState({ startPowerSGDIter: 2, matrixApproximationRank: 2 }),
      powerSGDHook,
    );
    for (let step = 0; step < 4; step++) {
      ddp.zeroGrad();
      ddp(zeros([2, 20], { dtype: "float64" }))
        .mul(0)
        .sum()
        .backward();
      for (const [name, g] of gradients(ddp)) expectThat(valuesAre(g, 0), `0 in ${name}`);
    }
    expectMatch(
      messageOf(() => new PowerSGDState({ startPowerSGDIter: 1 })),
      /startPowerSGDIter is 1, expected more than 1/,
    );
    expectMatch(
      messageOf(() => new PowerSGDState({ matrixApproximationRank: 0 })),
      /matrixApproximationRank is 0/,
    );
    expectMatch(
      messageOf(() => new PeriodicModelAverager({ period: 0 })),
      /period is 0/,
    );
    expectMatch(
      messageOf(() => new PeriodicModelAverager({ period: 1, warmupSteps: -1 })),
      /warmupSteps is -1/,
    );
    expectThat(valuesOf(ddp).length === 252, "weights");
  },
};

export const cases: readonly Case[] = [
  sameAsDefault,
  seen,
  setBuffer,
  noop,
  unused,
  localSGD,
  noLocal,
  powerExact,
  powerFeedback,
  powerZeros,
];
