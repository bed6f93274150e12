/** A rank that fails on purpose, in the way that its first argument names. Runs under mpirun. */
import { full } from "kindling";
import { allReduce, barrier, broadcast, getRank, initProcessGroup, send } from "kindling/distributed";

const [way, seed] = process.argv.slice(2) as [string, string];

/** A number from 0 to 1 that depends on the seed alone. */
function random(): number {
  const x = Math.sin(Number(seed) * 12.9898) * 43758.5453;
  return x - Math.floor(x);
}

const started = process.env.PMI_RANK ?? process.env.OMPI_COMM_WORLD_RANK;
if (way === "absent from the start" && started === "1") await new Promise(() => setInterval(() => {}, 1e6));
initProcessGroup("mpi", { timeout: way.startsWith("absent") ? 700 : 20_000 });
const rank = getRank();
const x = full([1000], rank, { dtype: "float32" });
barrier();

/** Blocks this rank for so many milliseconds. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Collectives without an end, of all sizes. */
function collectivesForever(): void {
  const large = full([300_000], 1, { dtype: "float32" });
  for (let i = 0; ; i++) {
    allReduce(i % 3 === 0 ? large : x, "max");
    broadcast(i % 2 === 0 ? large : x, i % 3);
    barrier();
  }
}

switch (way) {
  case "throws":
    if (rank === 1) throw new Error("this rank had enough");
    allReduce(x);
    break;
  case "rejects":
    if (rank === 1) await Promise.reject(new Error("this rank had enough"));
    allReduce(x);
    break;
  case "exits":
    if (rank === 1) process.exit(7);
    allReduce(x);
    break;
  case "returns":
    if (rank !== 1) allReduce(x);
    break;
  case "absent":
    if (rank === 1) block(2000);
    try {
      allReduce(x);
    } finally {
      // Nothing half-written: all of it is the old value.
      console.log(`rank ${rank} keeps ${Boolean(x.eq(rank).all().item())}`);
    }
    break;
  case "send to nobody":
    if (rank === 0) send(full([100_000], 1), 1, { timeout: 300 });
    else block(5000);
    break;
  case "killed":
    if (rank === 1) {
      // From outside, at any point: a thread that is blocked in MPI cannot kill itself.
      const { spawn } = await import("node:child_process");
      spawn("sh", ["-c", `sleep ${(0.4 * random()).toFixed(3)}; kill -KILL ${process.pid}`], {
        stdio: "ignore",
      });
    }
    collectivesForever();
    break;
  default:
    throw new Error(`unknown way ${way}`);
}
