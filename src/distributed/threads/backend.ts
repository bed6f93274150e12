/** How a thread that the launcher started joins its world. */
import type { Failure } from "../communicator.js";
import type { Joining } from "../world.js";
import { join } from "./communicator.js";
import { WorldControl } from "./control.js";
import { rankStart, ThreadsWorld } from "./world.js";

let world: ThreadsWorld | null = null;

/** The threads world of this thread; null when it is no rank. */
function threadsWorld(): ThreadsWorld | null {
  const start = rankStart();
  if (start !== null) world ??= new ThreadsWorld(start);
  return world;
}

/** Joins the world of ranks that the launcher started; null in threads that are no ranks. */
export function joinThreads(): Joining | null {
  const mine = threadsWorld();
  return mine === null ? null : joining(mine);
}

/** A world of one rank, this thread. */
export function joinAlone(): Joining {
  const { buffer } = WorldControl.create(1);
  const start = { rank: 0, size: 1, control: buffer, ports: [null], timeout: undefined };
  return joining(new ThreadsWorld(start));
}

function joining(mine: ThreadsWorld): Joining {
  const { rank, size, control } = mine;
  const ranks = Array.from({ length: size }, (_, r) => r);
  const failure = (): Failure | null => {
    const failed = control.failedRank();
    if (failed !== null) return { rank: failed, reason: control.reason() };
    const ended = mine.absent().find((r) => control.hasEnded(r));
    return ended === undefined ? null : { rank: ended, reason: "has ended without calling it" };
  };
  return {
    rank,
    size,
    timeout: rankStart()?.timeout,
    *join(name) {
      yield* mine.exchangeHeaps();
      return yield* join(mine, ranks, name);
    },
    absent: () => mine.absent(),
    pause: (turn, until) => mine.pause(turn, until),
    failure,
  };
}
