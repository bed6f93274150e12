/** How a process that an MPI launcher started joins its world. */
import { isMainThread } from "node:worker_threads";
import { DistBackendError } from "../errors.js";
import type { Joining } from "../world.js";
import { joinWorld } from "./communicator.js";
import { installExit } from "./exit.js";
import { launcher, loadMpi } from "./library.js";
import { MpiRuntime } from "./runtime.js";

/**
 * Whether the system's MPI library and the package koffi, through which Kindling calls it, can be loaded.
 * Source: `torch.distributed.is_mpi_available`.
 */
export function isMpiAvailable(): boolean {
  try {
    loadMpi();
    return true;
  } catch (error) {
    if (error instanceof DistBackendError) return false;
    throw error;
  }
}

let started: MpiRuntime | null = null;

/** The MPI of this process, started when first asked for; other ranks get `timeout` milliseconds to do so, too. */
function runtimeWithin(timeout: number): MpiRuntime {
  if (started === null) {
    started = new MpiRuntime(timeout);
    installExit(started);
  }
  return started;
}

/** Joins the world of the ranks that mpirun (or another launcher) started; null in processes that it did not start. */
export function joinMpi(timeout: number): Joining | null {
  if (launcher() === null || !isMainThread) return null;
  const runtime = runtimeWithin(timeout);
  let absent: () => number[] = () => [];
  return {
    rank: runtime.rank,
    size: runtime.size,
    timeout: undefined,
    join: () =>
      joinWorld(runtime, (ranks) => {
        absent = ranks;
      }),
    absent: () => absent(),
    pause: (turn, until) => runtime.pause(turn, until, false),
    failure: () => {
      const ended = absent().find((r) => runtime.left.has(r));
      return (
        runtime.failures[0] ??
        (ended === undefined ? null : { rank: ended, reason: "has ended without calling it" })
      );
    },
  };
}
