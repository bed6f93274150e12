/**
 * What a rank of the distributed bench does: times allReduce by size, or training steps of the mnist-cnn workload.
 * Runs in a thread that `launch` started, or as a process under mpirun, where rank 0 prints the result.
 */
import { full, manualSeed, nn, randint, randn } from "kindling";
import {
  allReduce,
  barrier,
  DistributedDataParallel,
  destroyProcessGroup,
  getRank,
  getWorldSize,
  initProcessGroup,
} from "kindling/distributed";
import { SGD } from "kindling/optim";

/** What to time. */
export type Job =
  | { readonly kind: "allReduce"; readonly sizes: readonly number[]; readonly batches: number }
  | { readonly kind: "steps"; readonly ddp: boolean; readonly batch: number; readonly seconds: number };

/** Seconds of one allReduce by bytes, or of one step. */
export type Times = Readonly<Record<string, number>>;

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] as number;
}

/** How many calls make up a batch: long enough for the clock, the same on all ranks. */
export function repetitions(bytes: number): number {
  return Math.max(4, Math.min(500, Math.floor(2 ** 25 / bytes)));
}

function timeAllReduce(sizes: readonly number[], batches: number): Times {
  const times: Record<string, number> = {};
  // Until the engine has compiled both ways, that of small tensors and that of large ones.
  for (const numel of [2, 8192]) {
    const x = full([numel], 0, { dtype: "float32" });
    for (let i = 0; i < 20_000; i++) allReduce(x);
  }
  for (const bytes of sizes) {
    const x = full([bytes / 4], 0, { dtype: "float32" });
    const count = repetitions(bytes);
    const seconds: number[] = [];
    for (let batch = -1; batch < batches; batch++) {
      barrier();
      const start = performance.now();
      for (let i = 0; i < count; i++) allReduce(x);
      if (batch >= 0) seconds.push((performance.now() - start) / count / 1000);
    }
    times[bytes] = median(seconds);
  }
  return times;
}

/** The network of the bench mnist-cnn, SGD. Without DDP the ranks wait for each other every ten steps only. */
function timeSteps(ddp: boolean, batch: number, seconds: number): Times {
  manualSeed(0);
  const net = new nn.Sequential(
    new nn.Conv2d(1, 16, 3, { padding: 1 }),
    new nn.BatchNorm2d(16),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(16, 32, 3, { padding: 1 }),
    new nn.BatchNorm2d(32),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(1568, 10),
  );
  const model = ddp ? new DistributedDataParallel(net) : net;
  const optimizer = new SGD(net.parameters(), { lr: 0.01 });
  const x = randn([batch, 1, 28, 28]);
  const target = randint(10, [batch]);
  const step = () => {
    optimizer.zeroGrad();
    nn.functional.crossEntropy(model(x), target).backward();
    optimizer.step();
  };
  // All ranks do the same number of steps: rank 0's clock says how many times ten.
  const go = full([1], 1, { dtype: "float32" });
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  do {
    for (let i = 0; i < 10; i++) {
      const start = performance.now();
      step();
      times.push((performance.now() - start) / 1000);
    }
    go.fill_(getRank() === 0 && performance.now() > end ? 0 : 1);
    allReduce(go, "min");
  } while (go.item() !== 0);
  return { step: median(times.slice(times.length >> 2)) };
}

/** Does a job as one rank. */
export default function work(job: Job): Times {
  initProcessGroup();
  const times =
    job.kind === "allReduce"
      ? timeAllReduce(job.sizes, job.batches)
      : timeSteps(job.ddp, job.batch, job.seconds);
  barrier();
  return times;
}

const [given] = process.argv.slice(2);
if (given?.startsWith("{") === true) {
  const times = work(JSON.parse(given) as Job);
  if (getRank() === 0) console.log(JSON.stringify({ ranks: getWorldSize(), times }));
  destroyProcessGroup();
}
