/** Saving from one rank, loading on all; random state of every rank. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Generator,
  getRngState,
  manualSeed,
  nn,
  Generator as RandomGenerator,
  rand,
  randn,
  setRngState,
  type Tensor,
} from "kindling";
import {
  barrier,
  broadcastObjectList,
  DistributedDataParallel,
  loadDistributedCheckpoint,
  saveDistributedCheckpoint,
  ZeroRedundancyOptimizer,
} from "kindling/distributed";
import { loadCheckpoint, saveCheckpoint } from "kindling/io";
import { Adam, lrScheduler, SGD } from "kindling/optim";
import type { Case } from "../harness.js";
import {
  expectEqual,
  expectMatch,
  expectSameOnAllRanks,
  expectThat,
  messageOf,
  mse,
  valuesOf,
} from "../training.js";

/** Runs `fn` with a folder that all ranks share. */
function inFolder(rank: number, fn: (folder: string) => void): void {
  const box: string[] = [rank === 0 ? mkdtempSync(join(tmpdir(), "kindling-ranks-")) : ""];
  broadcastObjectList(box);
  const folder = box[0] as string;
  try {
    fn(folder);
    barrier();
  } finally {
    if (rank === 0) rmSync(folder, { recursive: true });
  }
}

/** A network whose training draws random numbers, other ones on each rank. */
function network(): nn.Sequential {
  return new nn.Sequential(
    new nn.Linear(4, 8),
    new nn.BatchNorm1d(8),
    new nn.Dropout(0.5),
    new nn.Linear(8, 2),
  );
}

interface Training {
  ddp: DistributedDataParallel<nn.Sequential>;
  optimizer: Adam | ZeroRedundancyOptimizer<never>;
  scheduler: lrScheduler.StepLR;
  noise: Generator;
}

function start(seed: number, rank: number, sharded: boolean): Training {
  manualSeed(seed);
  const ddp = new DistributedDataParallel(network());
  manualSeed(seed + 1000 * rank);
  const optimizer = sharded
    ? (new ZeroRedundancyOptimizer(ddp.parameters(), Adam, { lr: 0.02 }) as ZeroRedundancyOptimizer<never>)
    : new Adam(ddp.parameters(), { lr: 0.02 });
  const scheduler = new lrScheduler.StepLR(optimizer, 3, { gamma: 0.7 });
  return { ddp, optimizer, scheduler, noise: new RandomGenerator({ seed: seed + rank }) };
}

function go({ ddp, optimizer, scheduler, noise }: Training, steps: number): number[] {
  return Array.from({ length: steps }, () => {
    const x = randn([6, 4]).add(rand([6, 4], { generator: noise }));
    const loss = mse(ddp(x), x.narrow(1, 0, 2));
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    scheduler.step();
    return loss.item();
  });
}

const partsOf = ({ ddp, optimizer, scheduler, noise }: Training) => ({
  model: ddp,
  optimizer,
  scheduler,
  noise,
});

const resume: Case[] = [false, true].map((sharded) => ({
  name: `a run saved from one rank goes on to the bit on all${sharded ? ", with a sharded optimizer" : ""}`,
  worldSizes: [1, 2, 3],
  run: (rank) =>
    inFolder(rank, (folder) => {
      const file = join(folder, "run.safetensors");
      const first = start(1, rank, sharded);
      go(first, 4);
      saveDistributedCheckpoint(file, partsOf(first), { extra: { epoch: 4 } });
      expectThat(existsSync(file), "the file, as soon as any rank goes on");
      const losses = go(first, 4);
      const second = start(50, rank, sharded);
      go(second, 1);
      expectEqual(loadDistributedCheckpoint(file, partsOf(second)), { epoch: 4 });
      expectEqual(go(second, 4), losses, "losses after loading");
      expectEqual(valuesOf(second.ddp), valuesOf(first.ddp), "weights after loading");
      expectSameOnAllRanks(second.ddp.namedParameters());
      // The model alone, in one process, by the same file.
      const alone = network();
      const before = getRngState();
      loadCheckpoint(file, {
        model: {
          stateDict: () => ({}),
          loadStateDict: (s: Record<string, Tensor>) => {
            alone.loadStateDict(
              Object.fromEntries(Object.entries(s).map(([k, t]) => [k.slice("module.".length), t])),
            );
          },
        },
      });
      setRngState(before);
      expectEqual(alone.getParameter("0.weight").shape, [8, 4]);
    }),
}));

const perRank: Case = {
  name: "a checkpoint of kindling/io for each rank goes on to the bit as well",
  worldSizes: [2],
  run: (rank) =>
    inFolder(rank, (folder) => {
      const file = join(folder, `run.${rank}.safetensors`);
      const first = start(3, rank, false);
      go(first, 3);
      saveCheckpoint(file, partsOf(first));
      const losses = go(first, 3);
      const second = start(60, rank, false);
      loadCheckpoint(file, partsOf(second));
      expectEqual(go(second, 3), losses);
    }),
};

const differ: Case = {
  name: "random state is that of each rank; ranks without a saved one keep their own",
  worldSizes: [2, 3],
  run: (rank, size) =>
    inFolder(rank, (folder) => {
      const file = join(folder, "random.safetensors");
      manualSeed(10 + rank);
      saveDistributedCheckpoint(file, {});
      const draws = rand([3]).toArray();
      manualSeed(99);
      loadDistributedCheckpoint(file);
      expectEqual(rand([3]).toArray(), draws);
      if (rank === 0) {
        // As if it had been saved by one rank.
        manualSeed(10);
        saveCheckpoint(file, {
          randomByRank: { stateDict: () => ({ byRank: [getRngState()] }), loadStateDict: () => {} },
        });
      }
      barrier();
      manualSeed(7);
      const own = rand([3]).toArray();
      manualSeed(7);
      loadDistributedCheckpoint(file);
      const after = rand([3]).toArray();
      if (rank === 0) expectEqual(after, draws);
      else expectEqual(after, own);
      expectThat(size > 1, "several ranks");
    }),
};

const errors: Case = {
  name: "errors of the rank that writes and reads are told on all ranks; nothing is loaded unless all fits",
  worldSizes: [1, 2],
  run: (rank, size) =>
    inFolder(rank, (folder) => {
      const missing = join(folder, "no", "such", "folder", "run.safetensors");
      const net = new nn.Linear(2, 2);
      expectMatch(
        messageOf(() => saveDistributedCheckpoint(missing, { net })),
        /^\[saveDistributedCheckpoint\] on rank 0: .*no\/such\/folder/,
      );
      expectMatch(
        messageOf(() => loadDistributedCheckpoint(missing, { net })),
        /^\[loadDistributedCheckpoint\] on rank 0: .*no\/such\/folder/,
      );
      const file = join(folder, "run.safetensors");
      expectMatch(
        messageOf(() => saveDistributedCheckpoint(file, { randomByRank: net })),
        /"randomByRank" is taken/,
      );
      const optimizer = new ZeroRedundancyOptimizer(net.parameters(), SGD, { lr: 0.1, momentum: 0.9 });
      net(randn([3, 2]))
        .sum()
        .backward();
      optimizer.step();
      const noise = new RandomGenerator({ seed: rank });
      saveDistributedCheckpoint(file, { net, optimizer, noise });
      const other = new nn.Linear(2, 2);
      const before = valuesOf(other);
      manualSeed(5);
      const wrong = new nn.Linear(3, 2);
      const random = getRngState();
      const state = noise.getState();
      rand([2], { generator: noise });
      const moved = noise.getState().toArray();
      expectMatch(
        messageOf(() => loadDistributedCheckpoint(file, { noise, optimizer, net: wrong })),
        /does not fit Linear/,
      );
      expectEqual(noise.getState().toArray(), moved, "the generator of before");
      expectEqual(getRngState().toArray(), random.toArray(), "the default generator of before");
      expectMatch(
        messageOf(() => loadDistributedCheckpoint(file, { more: other })),
        /got no more in the file/,
      );
      expectEqual(valuesOf(other), before);
      loadDistributedCheckpoint(file, { net: other, noise });
      expectEqual(noise.getState().toArray(), state.toArray());
      expectEqual(valuesOf(other), valuesOf(net));
      barrier();
      if (rank === 0) writeFileSync(file, "no checkpoint");
      barrier();
      expectMatch(
        messageOf(() => loadDistributedCheckpoint(file, { net })),
        /./,
      );
      expectThat(size > 0, "ranks");
    }),
};

const fromRankZero: Case = {
  name: "a model that rank 0 alone has loaded is on all ranks once it is wrapped",
  worldSizes: [2, 3],
  run: (rank) =>
    inFolder(rank, (folder) => {
      const file = join(folder, "model.safetensors");
      manualSeed(100 + rank);
      const net = network();
      if (rank === 0) {
        saveCheckpoint(file, { net });
        loadCheckpoint(file, { net });
      }
      expectSameOnAllRanks(new DistributedDataParallel(net).namedParameters());
    }),
};

export const cases: readonly Case[] = [...resume, perRank, differ, errors, fromRankZero];
