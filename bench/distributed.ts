/**
 * The distributed bench: `npm run bench:distributed -- [--json] [--seconds N] [--only allReduce|steps]`. allReduce of 2
 * ranks by size on threads, MPICH and Open MPI beside PyTorch's gloo in the same run; what DistributedDataParallel adds to
 * a step; and how the throughput of mnist-cnn grows from one rank to two, with one kernel thread each, beside that of two
 * ranks that do not wait for each other, which is what the machine has to give.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch } from "kindling/distributed";
import { type Job, repetitions, type Times } from "./distributedRank.js";
import { findPython } from "./harness.js";

const RANK = new URL("./distributedRank.ts", import.meta.url);
const SIZES = [8, 256, 4096, 16384, 65536, 2 ** 18, 2 ** 20, 2 ** 22, 2 ** 24, 2 ** 26];
const BATCHES = 5;
/** Samples of a step on each of two ranks. */
const BATCH = 64;
const ROUNDS = 3;

async function onThreads(job: Job, worldSize: number): Promise<Times> {
  const [first] = await launch<Times>(RANK, { worldSize, args: [job], threads: 1 });
  return first as Times;
}

const MPIRUN = {
  MPICH: { command: "mpirun.mpich", options: [] },
  "Open MPI": { command: "mpirun.openmpi", options: ["--allow-run-as-root", "--oversubscribe"] },
} as const;

/** Null where that library is not installed. */
function onMpi(name: keyof typeof MPIRUN, job: Job, ranks: number): Times | null {
  const { command, options } = MPIRUN[name];
  if (spawnSync(command, ["--version"]).status !== 0) return null;
  const program = [process.execPath, "--import", "tsx", fileURLToPath(RANK), JSON.stringify(job)];
  const child = spawnSync(command, [...options, "-n", `${ranks}`, ...program], {
    encoding: "utf8",
    env: { ...process.env, KINDLING_THREADS: "1", OMPI_MCA_plm: "isolated" },
  });
  if (child.status !== 0) throw new Error(`${name}: ${child.stdout}${child.stderr}`);
  return (JSON.parse(child.stdout) as { times: Times }).times;
}

const GLOO = `
import json, sys, time
import torch, torch.distributed as dist
import torch.multiprocessing as mp
def work(rank, job, store):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
    times = {}
    for bytes, count in job["sizes"]:
        x = torch.zeros(bytes // 4)
        seconds = []
        for batch in range(-1, job["batches"]):
            dist.barrier()
            start = time.perf_counter()
            for _ in range(count): dist.all_reduce(x)
            if batch >= 0: seconds.append((time.perf_counter() - start) / count)
        times[bytes] = sorted(seconds)[len(seconds) // 2]
    if rank == 0: print(json.dumps(times))
if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    mp.start_processes(work, args=(job, sys.argv[2]), nprocs=2, start_method="fork")
`;

/** PyTorch's gloo with two processes; null without PyTorch. */
function onGloo(): Times | null {
  const python = findPython();
  if (python === null) return null;
  const directory = mkdtempSync(join(tmpdir(), "kindling-gloo-"));
  const job = JSON.stringify({ sizes: SIZES.map((bytes) => [bytes, repetitions(bytes)]), batches: BATCHES });
  const child = spawnSync(python, ["-c", GLOO, job, join(directory, "store")], {
    encoding: "utf8",
    env: { ...process.env, GLOO_SOCKET_IFNAME: "lo" },
  });
  rmSync(directory, { recursive: true, force: true });
  if (child.status !== 0) throw new Error(`gloo: ${child.stderr}`);
  return JSON.parse(child.stdout) as Times;
}

const showTime = (s: number) => (s >= 1e-3 ? `${(s * 1e3).toFixed(2)} ms` : `${(s * 1e6).toFixed(1)} us`);
const showBytes = (n: number) =>
  n >= 2 ** 20 ? `${n / 2 ** 20} MiB` : n >= 1024 ? `${n / 1024} KiB` : `${n} B`;

function row(cells: readonly string[]): void {
  console.log(cells.map((c, i) => (i === 0 ? c.padEnd(28) : c.padStart(22))).join(""));
}

const argv = process.argv.slice(2);
const seconds = Number(argv.includes("--seconds") ? argv[argv.indexOf("--seconds") + 1] : 2);
const reduce: Job = { kind: "allReduce", sizes: SIZES, batches: BATCHES };
const only = argv.includes("--only") ? argv[argv.indexOf("--only") + 1] : undefined;
const steps = (ddp: boolean, batch: number = BATCH): Job => ({ kind: "steps", ddp, batch, seconds });

const allReduce: Record<string, Times | null> =
  only === "steps"
    ? {}
    : {
        threads: await onThreads(reduce, 2),
        MPICH: onMpi("MPICH", reduce, 2),
        "Open MPI": onMpi("Open MPI", reduce, 2),
        "PyTorch gloo": onGloo(),
      };

/** Steps of two ranks that take half of a batch each, or of one rank that takes the whole. */
const runs: readonly (readonly [name: string, run: () => Promise<Times | null>])[] = [
  ["one rank, no DDP", () => onThreads(steps(false, 2 * BATCH), 1)],
  ["one rank, DDP", () => onThreads(steps(true, 2 * BATCH), 1)],
  ["two ranks, each by itself", () => onThreads(steps(false), 2)],
  ["two ranks, threads", () => onThreads(steps(true), 2)],
  ["two ranks, MPICH", async () => onMpi("MPICH", steps(true), 2)],
  ["two ranks, Open MPI", async () => onMpi("Open MPI", steps(true), 2)],
];
// In rounds, so that all of them see the same weather on the machine; the best round of each counts.
const step: Record<string, number> = {};
for (let round = 0; round < (only === "allReduce" ? 0 : ROUNDS); round++) {
  for (const [name, run] of runs) {
    const times = await run();
    if (times !== null) step[name] = Math.min(times.step as number, step[name] ?? Number.POSITIVE_INFINITY);
  }
}

if (argv.includes("--json")) console.log(JSON.stringify({ allReduce, step }));
else {
  if (only !== "steps") {
    console.log("allReduce of float32, 2 ranks: time, and bytes of the tensor per second");
    row(["bytes", ...Object.keys(allReduce)]);
    for (const bytes of SIZES) {
      const cells = Object.values(allReduce).map((times) => {
        const s = times?.[bytes];
        return s === undefined ? "-" : `${showTime(s)} ${(bytes / s / 1e9).toFixed(2)} GB/s`;
      });
      row([showBytes(bytes), ...cells]);
    }
  }
  if (only !== "allReduce") {
    console.log(
      `\nmnist-cnn, one kernel thread each: a batch of ${2 * BATCH} on one rank, its halves on two; median step`,
    );
    row(["", "step", "samples/s", "of one rank's"]);
    const alone = step["one rank, no DDP"] as number;
    for (const [name, s] of Object.entries(step)) {
      row([name, showTime(s), ((2 * BATCH) / s).toFixed(0), `${(alone / s).toFixed(2)}x`]);
    }
  }
}
