/**
 * The end of a rank. One that ends well waits for the others, as MPI demands; one that fails shows its error, tells the
 * others, which get an error that names it, and then ends the whole job, so that no process stays behind.
 */
import { writeSync } from "node:fs";
import { inspect } from "node:util";
import { type MpiRuntime, Notice } from "./runtime.js";

/** Milliseconds that a rank that failed gives the others to report their own errors. */
const GRACE = 300;
/** Milliseconds that sends under way get to end when a rank ends well. */
const SETTLE = 10_000;
const STDERR = 2;

function listenUntil(runtime: MpiRuntime, done: () => boolean): void {
  while (!done()) {
    runtime.listen();
    runtime.sleep(1);
  }
}

function isGone(runtime: MpiRuntime, rank: number): boolean {
  return rank === runtime.rank || runtime.left.has(rank);
}

/** Takes care of MPI when this process ends. */
export function installExit(runtime: MpiRuntime): void {
  let uncaught: { error: unknown } | null = null;
  process.on("uncaughtExceptionMonitor", (error: unknown) => {
    uncaught = { error };
  });
  process.on("exit", (code) => {
    const ranks = runtime.everybody;
    if (code === 0) {
      runtime.tell(Notice.LEFT);
      listenUntil(runtime, () => ranks.every((r) => isGone(runtime, r)));
      const end = performance.now() + SETTLE;
      listenUntil(runtime, () => runtime.settled() || performance.now() > end);
      if (runtime.settled() && !runtime.unfinished) runtime.mpi.MPI_Finalize();
      return;
    }
    let reason = `exited with code ${code}`;
    if (uncaught !== null) {
      const { error } = uncaught;
      reason = `threw ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`;
      // Node shows the error after this handler, and MPI_Abort does not return.
      writeSync(STDERR, `[rank ${runtime.rank}] ${inspect(error)}\n`);
    }
    runtime.tell(Notice.FAILED, reason);
    const end = performance.now() + GRACE;
    listenUntil(runtime, () => performance.now() > end || ranks.every((r) => isGone(runtime, r)));
    runtime.mpi.MPI_Abort(runtime.mpi.abi.commWorld, code);
  });
}
