/** ZeroRedundancyOptimizer against the optimizer inside, without sharing. */
import { nn, type Tensor, tensor } from "kindling";
import { DistributedDataParallel, newGroup, ZeroRedundancyOptimizer } from "kindling/distributed";
import { Adam, LBFGS, lrScheduler, type Optimizer, SGD } from "kindling/optim";
import { assertClose } from "kindling/testing";
import type { Case } from "../harness.js";
import {
  batch,
  expectEqual,
  expectMatch,
  expectSameBits,
  expectSameOnAllRanks,
  expectThat,
  messageOf,
  mlp,
  mse,
  part,
} from "../training.js";

type Model = (x: Tensor) => Tensor;

function steps(
  model: Model,
  optimizer: Optimizer,
  rank: number,
  size: number,
  from: number,
  to: number,
): void {
  for (let step = from; step < to; step++) {
    const [x, y] = batch(12, step);
    optimizer.zeroGrad();
    mse(model(part(x, rank, size)), part(y, rank, size)).backward();
    optimizer.step();
  }
}

function expectSameWeights(a: nn.AnyModule, b: nn.AnyModule): void {
  const expected = Object.fromEntries(b.namedParameters());
  for (const [name, p] of a.namedParameters()) {
    expectSameBits(p.detach(), (expected[name] as Tensor).detach(), name);
  }
}

/** Elements of state on this rank. */
const stateSize = (o: Optimizer): number =>
  [...o.state.values()]
    .flatMap((state) => Object.values(state))
    .reduce<number>((sum, v) => sum + (typeof v === "object" && v !== null && "numel" in v ? v.numel : 0), 0);

const same: Case[] = [false, true].map((parametersAsBucketView) => ({
  name: `ZeRO: the bits of the optimizer inside, parametersAsBucketView: ${parametersAsBucketView}`,
  worldSizes: [1, 2, 3, 4],
  run: (rank, size) => {
    const plain = new DistributedDataParallel(mlp());
    const shared = new DistributedDataParallel(mlp());
    const options = { lr: 0.01, weightDecay: 0.1 };
    const whole = new Adam(plain.parameters(), options);
    const zero = new ZeroRedundancyOptimizer(shared.parameters(), Adam, {
      ...options,
      parametersAsBucketView,
    });
    const schedulers = [whole, zero].map((o) => new lrScheduler.StepLR(o, 2, { gamma: 0.5 }));
    for (let step = 0; step < 5; step++) {
      steps(plain, whole, rank, size, step, step + 1);
      steps(shared, zero, rank, size, step, step + 1);
      for (const scheduler of schedulers) scheduler.step();
    }
    expectSameWeights(shared, plain);
    expectSameOnAllRanks(shared.namedParameters());
    // 119 elements, two moments each; the shards are as equal as whole parameters allow.
    expectEqual(stateSize(whole), 2 * 119);
    const owned = [...shared.parameters()].filter((p) => zero.ownerOf(p) === rank);
    expectEqual(stateSize(zero), 2 * owned.reduce((sum, p) => sum + p.numel, 0));
    expectThat(
      stateSize(zero) <= Math.max(2 * 48, 2 * Math.ceil(119 / size) + 16),
      "about one part of the state",
    );
    // Gradients of other ranks' parameters are still there.
    for (const p of shared.parameters()) expectThat(p.grad !== null, "gradients of all parameters");
  },
}));

const resume: Case = {
  name: "ZeRO: a whole state dict, as the optimizer inside would save it; resuming from it to the bit",
  worldSizes: [1, 2, 3],
  run: (rank, size) => {
    const options = { lr: 0.05, momentum: 0.9 };
    const plain = new DistributedDataParallel(mlp());
    const whole = new SGD(plain.parameters(), options);
    const ddp = new DistributedDataParallel(mlp());
    const zero = new ZeroRedundancyOptimizer(ddp.parameters(), SGD, options);
    steps(plain, whole, rank, size, 0, 3);
    steps(ddp, zero, rank, size, 0, 3);
    if (size > 1) {
      expectMatch(
        messageOf(() => zero.stateDict()),
        /^\[ZeroRedundancyOptimizer\] rank \d has the state of its own/,
      );
    }
    const to = size - 1;
    zero.consolidateStateDict(to);
    if (rank === to) {
      const saved = zero.stateDict();
      const expected = whole.stateDict();
      expectEqual(Object.keys(saved.state), Object.keys(expected.state));
      expectEqual(saved.param_groups, expected.param_groups);
      for (const [position, state] of Object.entries(expected.state)) {
        const buffer = saved.state[Number(position)]?.momentum_buffer as Tensor;
        expectSameBits(buffer, state.momentum_buffer as Tensor, `state of ${position}`);
      }
    } else
      expectMatch(
        messageOf(() => zero.stateDict()),
        /consolidateStateDict/,
      );
    // All ranks load the same whole state: here, that of the optimizer without sharing.
    const again = new DistributedDataParallel(mlp(7));
    again.loadStateDict(plain.stateDict());
    const resumed = new ZeroRedundancyOptimizer(again.parameters(), SGD, { ...options, lr: 1 });
    resumed.loadStateDict(whole.stateDict());
    expectEqual(resumed.paramGroups[0]?.lr, 0.05);
    expectEqual(
      resumed.state.size,
      [...again.parameters()].filter((p) => resumed.ownerOf(p) === rank).length,
    );
    steps(ddp, zero, rank, size, 3, 6);
    steps(again, resumed, rank, size, 3, 6);
    expectSameWeights(again, ddp);
    if (size > 1)
      expectMatch(
        messageOf(() => zero.stateDict()),
        /consolidateStateDict/,
      );
  },
};

const groups: Case = {
  name: "ZeRO: groups with options of their own, and groups that come later",
  worldSizes: [1, 2],
  run: (rank, size) => {
    const make = () => {
      const ddp = new DistributedDataParallel(mlp());
      const params = [...ddp.parameters()];
      return { ddp, first: params.slice(0, 2), second: params.slice(2, 4), third: params.slice(4) };
    };
    const [a, b] = [make(), make()];
    const list = ({ first, second }: typeof a) => [{ params: first, lr: 0.2 }, { params: second }];
    const whole = new SGD(list(a), { lr: 0.05, momentum: 0.9 });
    const zero = new ZeroRedundancyOptimizer(list(b), SGD, { lr: 0.05, momentum: 0.9 });
    steps(a.ddp, whole, rank, size, 0, 2);
    steps(b.ddp, zero, rank, size, 0, 2);
    whole.addParamGroup({ params: a.third, lr: 0.3 });
    zero.addParamGroup({ params: b.third, lr: 0.3 });
    for (const o of [whole, zero]) (o.paramGroups[0] as { lr: number }).lr = 0.1;
    steps(a.ddp, whole, rank, size, 2, 4);
    steps(b.ddp, zero, rank, size, 2, 4);
    expectSameWeights(b.ddp, a.ddp);
    expectEqual(zero.paramGroups.length, 3);
    expectThat(zero.ownerOf(b.third[0] as Tensor) !== undefined, "an owner of what came later");
  },
};

const closures: Case = {
  name: "ZeRO: closures, hooks, parameters without a gradient, float32 and float64",
  worldSizes: [1, 2, 3],
  run: (rank) => {
    const f32 = { dtype: "float32" } as const;
    const params = [
      tensor([1, 2], f32),
      tensor([3], { dtype: "float64" }),
      tensor([4, 5, 6], f32),
      tensor([7], f32),
    ].map((t) => new nn.Parameter(t));
    const zero = new ZeroRedundancyOptimizer(params, SGD, { lr: 0.5 });
    let hooks = 0;
    zero.registerStepPostHook(() => {
      hooks++;
    });
    let calls = 0;
    const loss = zero.step(() => {
      calls++;
      zero.zeroGrad();
      const sum = params.slice(0, 3).map((p) => p.square().sum().to("float64"));
      const total = sum.reduce((s, t) => s.add(t));
      total.backward();
      return total;
    });
    expectEqual([calls, hooks], [1, 1]);
    expectEqual(loss.item(), 1 + 4 + 9 + 16 + 25 + 36);
    const values = params.map((p) => p.detach().toArray());
    expectEqual(values, [[0, 0], [0], [0, 0, 0], [7]]);
    expectThat(params[3]?.grad === null, "no gradient for what is not used");
    expectEqual(
      params.map((p) => p.dtype),
      ["float32", "float64", "float32", "float32"],
    );
    expectThat(rank >= 0, "a rank");
  },
};

const misuse: Case = {
  name: "ZeRO: LBFGS and bad options are refused; process groups",
  worldSizes: [2, 3],
  run: (rank, size) => {
    const net = mlp();
    expectMatch(
      messageOf(() => new ZeroRedundancyOptimizer(net.parameters(), LBFGS as never, {})),
      /^\[ZeroRedundancyOptimizer\] LBFGS updates all parameters together/,
    );
    expectMatch(
      messageOf(() => new ZeroRedundancyOptimizer(net.parameters(), SGD, { lr: -1 })),
      /^\[SGD\] invalid lr/,
    );
    const group = newGroup([size - 1, 0]);
    if (rank !== 0 && rank !== size - 1) return;
    const alone = mlp();
    const zero = new ZeroRedundancyOptimizer(net.parameters(), Adam, { lr: 0.1, processGroup: group });
    const whole = new Adam(alone.parameters(), { lr: 0.1 });
    for (let step = 0; step < 2; step++) {
      const [x, y] = batch(4, step);
      for (const [model, optimizer] of [
        [net, zero],
        [alone, whole],
      ] as const) {
        optimizer.zeroGrad();
        mse(model(x), y).backward();
        optimizer.step();
      }
    }
    expectSameWeights(net, alone);
    zero.consolidateStateDict(1);
    if (group.rank() === 1)
      assertClose(zero.stateDict().state[0]?.exp_avg, whole.stateDict().state[0]?.exp_avg);
  },
};

export const cases: readonly Case[] = [...same, resume, groups, closures, misuse];
