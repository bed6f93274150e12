/** Inputs that run out at different times on different ranks. */
import { nn, noGrad, type Tensor, tensor, zeros } from "kindling";
import {
  allReduce,
  allReduceHook,
  DistributedDataParallel,
  JOIN_DISABLED,
  Join,
  type Joinable,
  type JoinConfig,
  type JoinHook,
  type JoinOptions,
  newGroup,
  type ProcessGroup,
  ZeroRedundancyOptimizer,
} from "kindling/distributed";
import { SGD } from "kindling/optim";
import { assertClose } from "kindling/testing";
import type { Case } from "../harness.js";
import {
  Branches,
  batch,
  branchInput,
  expectEqual,
  expectMatch,
  expectSameOnAllRanks,
  expectThat,
  gradients,
  messageOf,
  mlp,
  mse,
} from "../training.js";

const ROUNDING = { rtol: 1e-11, atol: 1e-12 };

/** How many batches each rank has. */
const batchesOf = (rank: number) => [3, 5, 2, 5][rank] as number;

const inputOf = (rank: number, step: number) => batch(4, 1000 * rank + step);

/** The same training by hand: sums of gradients of the ranks that have a batch, over a divisor. */
function reference(size: number, byInitial: boolean): nn.Sequential {
  const net = mlp();
  const optimizer = new SGD(net.parameters(), { lr: 0.1, momentum: 0.5 });
  for (let step = 0; step < 5; step++) {
    const active = Array.from({ length: size }, (_, r) => r).filter((r) => step < batchesOf(r));
    if (active.length === 0) break;
    optimizer.zeroGrad();
    for (const r of active) {
      const [x, y] = inputOf(r, step);
      mse(net(x), y)
        .div(byInitial ? size : active.length)
        .backward();
    }
    optimizer.step();
  }
  return net;
}

function steps(
  ddp: (x: Tensor) => Tensor,
  optimizer: { zeroGrad(): void; step(): unknown },
  rank: number,
): number {
  let done = 0;
  for (; done < batchesOf(rank); done++) {
    const [x, y] = inputOf(rank, done);
    optimizer.zeroGrad();
    mse(ddp(x), y).backward();
    optimizer.step();
  }
  return done;
}

const uneven: Case[] = [true, false].flatMap((divideByInitialWorldSize) =>
  ([{}, { findUnusedParameters: true, bucketCapMb: 1e-4 }, { gradientAsBucketView: true }] as const).map(
    (options): Case => ({
      name: `join: uneven inputs, divided by ${divideByInitialWorldSize ? "all ranks" : "those with inputs"}, ${JSON.stringify(options)}`,
      worldSizes: [1, 2, 3, 4],
      run: (rank, size) => {
        const ddp = new DistributedDataParallel(mlp(), options);
        const optimizer = new SGD(ddp.parameters(), { lr: 0.1, momentum: 0.5 });
        const done = ddp.join(() => steps(ddp, optimizer, rank), { divideByInitialWorldSize });
        expectEqual(done, batchesOf(rank));
        // All ranks end with the parameters of one that was done last.
        expectSameOnAllRanks(ddp.namedParameters());
        const net = reference(size, divideByInitialWorldSize);
        for (const [name, p] of ddp.module.namedParameters()) {
          assertClose(p.detach(), net.getParameter(name).detach(), ROUNDING);
        }
      },
    }),
  ),
);

const outside: Case = {
  name: "join: even inputs, then training without it",
  worldSizes: [2, 3],
  run: (rank) => {
    const ddp = new DistributedDataParallel(mlp());
    const step = () => {
      const [x, y] = inputOf(rank, 0);
      mse(ddp(x), y).backward();
    };
    ddp.join(step);
    ddp.zeroGrad();
    step();
    expectSameOnAllRanks(gradients(ddp));
    expectThat(ddp.joinConfig === JOIN_DISABLED, "no join any more");
  },
};

const disabled: Case = {
  name: "join: enable: false does nothing; errors pass through; promises are waited for",
  worldSizes: [2],
  run: async (rank) => {
    const ddp = new DistributedDataParallel(mlp());
    const step = () => {
      const [x, y] = inputOf(rank, 0);
      mse(ddp(x), y).backward();
    };
    ddp.join(step, { enable: false });
    expectMatch(
      messageOf(() =>
        ddp.join(() => {
          throw new Error("in the loop");
        }),
      ),
      /in the loop/,
    );
    expectThat(ddp.joinConfig === JOIN_DISABLED, "no join after an error");
    ddp.zeroGrad();
    const done = await ddp.join(async () => {
      for (let k = 0; k <= rank; k++) {
        await new Promise((next) => setTimeout(next, 1));
        step();
      }
      return rank;
    });
    expectEqual(done, rank);
    expectThat(ddp.joinConfig === JOIN_DISABLED, "no join after a promise");
  },
};

const early: Case = {
  name: "join: throwOnEarlyTermination ends all ranks once one has run out",
  worldSizes: [2, 3],
  run: (rank, size) => {
    const ddp = new DistributedDataParallel(mlp());
    const optimizer = new SGD(ddp.parameters(), { lr: 0.1 });
    const text = messageOf(() =>
      ddp.join(() => steps(ddp, optimizer, rank), { throwOnEarlyTermination: true }),
    );
    const least = Math.min(...Array.from({ length: size }, (_, r) => batchesOf(r)));
    if (batchesOf(rank) === least)
      expectMatch(text, new RegExp(`rank ${rank} has run out of inputs before others`));
    else expectMatch(text, /a rank has run out of inputs: stopping on all ranks/);
  },
};

const noSync: Case = {
  name: "join: iterations inside noSync",
  worldSizes: [2],
  run: (rank) => {
    const ddp = new DistributedDataParallel(mlp());
    const run = (k: number) => {
      const [x, y] = inputOf(rank, k);
      mse(ddp(x), y).backward();
    };
    ddp.join(() => {
      run(0);
      if (rank === 1) return;
      ddp.noSync(() => run(1));
      run(2);
    });
    // Rank 1 took part in the average of the last iteration; its last gradients are the average too.
    expectSameOnAllRanks(gradients(ddp));
  },
};

const buffers: Case = {
  name: "join: buffers come from the last rank with inputs",
  worldSizes: [2, 3],
  run: (rank, size) => {
    const norm = new nn.BatchNorm1d(2, { dtype: "float64" });
    const ddp = new DistributedDataParallel(norm);
    const input = (k: number) =>
      tensor(
        [
          [k, 1],
          [k + 1, 3],
        ],
        { dtype: "float64" },
      ).add(10 * rank);
    ddp.join(() => {
      for (let k = 0; k <= rank; k++) ddp(input(k)).sum().backward();
    });
    expectSameOnAllRanks([...norm.namedBuffers()]);
    expectEqual(norm.numBatchesTracked?.item(), size);
  },
};

const unusedInJoin: Case = {
  name: "join: with unused parameters",
  worldSizes: [2],
  run: (rank, size) => {
    const ddp = new DistributedDataParallel(new Branches(), { findUnusedParameters: true });
    const { module } = ddp;
    ddp.join(() => {
      if (rank === 0) return;
      ddp(branchInput(rank), ["a"]).sum().backward();
    });
    const g = branchInput(1).sum(0).unsqueeze(0).expand([2, 4]).div(size);
    assertClose(module.a.weight.grad, g, ROUNDING);
    expectThat(module.b.weight.grad === null, "no gradient for what no rank uses");
  },
};

const hooked: Case = {
  name: "join: with a communication hook",
  worldSizes: [2, 3],
  run: (rank, size) => {
    const ddp = new DistributedDataParallel(mlp(), { bucketCapMb: 1e-4 });
    ddp.registerCommHook(null, allReduceHook);
    const optimizer = new SGD(ddp.parameters(), { lr: 0.1, momentum: 0.5 });
    ddp.join(() => steps(ddp, optimizer, rank));
    const net = reference(size, true);
    for (const [name, p] of ddp.module.namedParameters()) {
      assertClose(p.detach(), net.getParameter(name).detach(), ROUNDING);
    }
  },
};

const zero: Case = {
  name: "Join: a DDP model and a ZeroRedundancyOptimizer together",
  worldSizes: [1, 2, 3],
  run: (rank, size) => {
    const ddp = new DistributedDataParallel(mlp());
    const optimizer = new ZeroRedundancyOptimizer(ddp.parameters(), SGD, { lr: 0.1, momentum: 0.5 });
    new Join([ddp, optimizer]).run(() => steps(ddp, optimizer, rank));
    const net = reference(size, true);
    for (const [name, p] of ddp.module.namedParameters()) {
      assertClose(p.detach(), net.getParameter(name).detach(), ROUNDING);
    }
    expectSameOnAllRanks(ddp.namedParameters());
  },
};

/** Counts the calls of all ranks. */
class Counter implements Joinable {
  joinConfig: JoinConfig = JOIN_DISABLED;
  readonly sum: Tensor = zeros([1], { dtype: "int64" });
  readonly log: string[] = [];

  constructor(readonly joinProcessGroup: ProcessGroup) {}

  call(): void {
    Join.notifyJoinContext(this);
    this.count(1);
  }

  private count(by: number): void {
    const one = tensor([by], { dtype: "int64" });
    allReduce(one, { group: this.joinProcessGroup });
    noGrad(() => this.sum.add_(one));
  }

  joinHook(_options: JoinOptions): JoinHook {
    return {
      mainHook: (active) => {
        this.log.push(`main ${active}`);
        this.count(0);
      },
      postHook: (last) => this.log.push(`post ${last}`),
    };
  }
}

const own: Case = {
  name: "Join: joinables of one's own",
  worldSizes: [1, 3, 4],
  run: (rank, size) => {
    const group = newGroup(Array.from({ length: size }, (_, r) => r));
    const [first, second] = [new Counter(group), new Counter(group)];
    new Join([first, second]).run(() => {
      for (let k = 0; k < batchesOf(rank); k++) {
        first.call();
        second.call();
      }
    });
    const all = Array.from({ length: size }, (_, r) => batchesOf(r));
    const total = all.reduce((a, b) => a + b, 0);
    expectEqual([first.sum.item(), second.sum.item()], [total, total]);
    const longest = Math.max(...all);
    const log = Array.from({ length: longest - batchesOf(rank) }, (_, k) => {
      return `main ${all.filter((n) => n > batchesOf(rank) + k).length}`;
    });
    expectEqual(second.log, [...log, `post ${batchesOf(rank) === longest}`]);
    expectMatch(
      messageOf(() => new Join([])),
      /^\[Join\] got no joinables/,
    );
    const other = new Counter(newGroup(Array.from({ length: size }, (_, r) => r)));
    expectMatch(
      messageOf(() => new Join([first, other])),
      /different process groups/,
    );
    expectThat(first.joinConfig === JOIN_DISABLED, "no join any more");
  },
};

export const cases: readonly Case[] = [
  ...uneven,
  outside,
  disabled,
  early,
  noSync,
  buffers,
  unusedInJoin,
  hooked,
  zero,
  own,
];
