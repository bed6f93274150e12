/** The world of ranks that this one belongs to: starting and ending it, and what is asked about it and its groups. */
import { ValueError } from "../tensor/errors.js";
import type { Backend, Communicator, Task } from "./communicator.js";
import { DistBackendError, DistTimeoutError, RankFailedError, showRanks } from "./errors.js";
import { DEFAULT_TIMEOUT } from "./group.js";
import { ProcessGroup } from "./processGroup.js";

/** Options of {@link initProcessGroup}. */
export interface InitOptions {
  /** Milliseconds that collectives wait for other ranks (default 300,000: five minutes). */
  timeout?: number;
  /** The rank that this one must be; an error otherwise. */
  rank?: number;
  /** The number of ranks that there must be; an error otherwise. */
  worldSize?: number;
  /** What messages call the group of all ranks (default `"the world"`). */
  groupName?: string;
}

/** A world under construction, as a backend offers it. */
export interface Joining {
  readonly rank: number;
  readonly size: number;
  /** Milliseconds that whoever started the ranks asked for. */
  readonly timeout: number | undefined;
  /** Meets the other ranks. */
  readonly join: (name: string) => Task<Communicator>;
  /** Ranks that have not come yet. */
  readonly absent: () => number[];
  readonly pause: Communicator["pause"];
  readonly failure: Communicator["failure"];
}

/** A backend: null where it is not there. `timeout` is how long a start that waits for others may take. */
export type JoinWorld = (timeout: number) => Joining | null;

const backends = new Map<Backend, JoinWorld>();
/** Makes a world of one rank where nobody started any. */
let joinAlone: JoinWorld | null = null;

/** Makes a backend known. @internal */
export function registerBackend(name: Backend, join: JoinWorld): void {
  backends.set(name, join);
}

/** Says how a world of one rank is made. @internal */
export function registerAlone(join: JoinWorld): void {
  joinAlone = join;
}

let world: ProcessGroup | null = null;
/** Worlds that this rank has joined so far. */
let worlds = 0;
const groups = new Set<ProcessGroup>();

/** Runs a task that belongs to no group yet. */
function drive<T>(task: Task<T>, joining: Joining, timeout: number): T {
  const until = performance.now() + timeout;
  for (let turn = 0; ; turn++) {
    const step = task.next();
    if (step.done === true) return step.value;
    const failure = joining.failure();
    if (failure !== null) {
      throw new RankFailedError(`[initProcessGroup] rank ${failure.rank} ${failure.reason}`, {
        op: "initProcessGroup",
        sequenceNumber: null,
        ranks: [failure.rank],
      });
    }
    if (performance.now() > until) {
      const absent = joining.absent();
      throw new DistTimeoutError(
        `[initProcessGroup] timed out after ${timeout} ms: ${absent.length === 0 ? "the ranks met, but did not begin" : `${showRanks(absent)} did not call it`} ` +
          `(rank ${joining.rank} of ${joining.size} did); every rank must call initProcessGroup`,
        { op: "initProcessGroup", sequenceNumber: null, ranks: absent },
      );
    }
    joining.pause(turn, until);
  }
}

function find(backend: Backend | undefined, timeout: number, alone: boolean): Joining {
  if (backend !== undefined) {
    const join = backends.get(backend);
    if (join === undefined) {
      throw new ValueError(
        `[initProcessGroup] backend: got "${String(backend)}", expected ${[...backends.keys()].map((b) => `"${b}"`).join(" or ")}`,
      );
    }
    const joining = join(timeout) ?? (alone && backend === "threads" ? joinAlone?.(timeout) : null) ?? null;
    if (joining !== null) return joining;
    const how =
      backend === "mpi"
        ? "try mpirun -n 4 node train.js"
        : 'try launch("train.js", { worldSize: 4 }) or npx kindling run --nproc 4 train.ts';
    throw new DistBackendError(`[initProcessGroup] this is not a rank of a ${backend} world; ${how}`);
  }
  for (const join of backends.values()) {
    const joining = join(timeout);
    if (joining !== null) return joining;
  }
  const single = alone ? joinAlone?.(timeout) : null;
  if (single !== null && single !== undefined) return single;
  throw new DistBackendError(
    "[initProcessGroup] this is not a rank: try launch(entry, { worldSize: 4 }), " +
      "npx kindling run --nproc 4 train.ts, or mpirun -n 4 node train.js",
  );
}

/**
 * Joins the world of all ranks; every rank calls it once before the first collective. Returns the group of all ranks.
 * A program that nobody started as a rank makes a world of its own with `worldSize: 1`.
 * Source: `torch.distributed.init_process_group`.
 * @param backend `"threads"` or `"mpi"`; found by itself when left out.
 * @throws DistBackendError when this is not a rank of such a world.
 * @throws DistTimeoutError naming the ranks that do not call it in time.
 */
export function initProcessGroup(backend?: Backend, options: InitOptions = {}): ProcessGroup {
  if (world !== null) {
    throw new ValueError(
      "[initProcessGroup] this rank has joined a world already; try destroyProcessGroup() first",
    );
  }
  const joining = find(backend, options.timeout ?? DEFAULT_TIMEOUT, options.worldSize === 1);
  const { rank, size } = joining;
  if (options.worldSize !== undefined && options.worldSize !== size)
    throw new ValueError(
      `[initProcessGroup] worldSize: got ${options.worldSize}, but there are ${size} ranks`,
    );
  if (options.rank !== undefined && options.rank !== rank)
    throw new ValueError(`[initProcessGroup] rank: got ${options.rank}, but this is rank ${rank}`);
  const timeout = options.timeout ?? joining.timeout ?? DEFAULT_TIMEOUT;
  const comm = drive(joining.join(`world ${worlds}`), joining, timeout);
  const ranks = Array.from({ length: size }, (_, r) => r);
  const made = new ProcessGroup(comm, ranks, options.groupName ?? "the world", timeout);
  worlds++;
  made.barrier();
  world = made;
  groups.add(made);
  return made;
}

/** The group of all ranks. @throws DistBackendError before `initProcessGroup`. @internal */
export function worldOf(op: string): ProcessGroup {
  if (world === null) {
    throw new DistBackendError(`[${op}] there is no process group yet; try initProcessGroup() first`);
  }
  return world;
}

/** The group given, or the world. @internal */
export function groupOr(op: string, group: ProcessGroup | null | undefined): ProcessGroup {
  return group ?? worldOf(op);
}

/** Remembers a group, so that it is destroyed with the world. @internal */
export function remember(group: ProcessGroup): void {
  groups.add(group);
}

let groupsMade = 0;

/** The name of the next group; the same on all ranks, since all of them make the same groups. @internal */
export function nextGroupName(ranks: readonly number[]): string {
  groupsMade++;
  return `group ${groupsMade} (${showRanks(ranks)})`;
}

/**
 * Leaves a group, or the world and with it all groups. Collectives under way end with an error. No other rank is waited
 * for. Source: `torch.distributed.destroy_process_group`.
 */
export function destroyProcessGroup(group?: ProcessGroup): void {
  const main = worldOf("destroyProcessGroup");
  const ending = group === undefined || group === main ? [...groups] : [group];
  for (const one of ending) {
    one.close();
    groups.delete(one);
  }
  if (ending.includes(main)) world = null;
}

/** Whether this rank has joined a world. Source: `torch.distributed.is_initialized`. */
export function isInitialized(): boolean {
  return world !== null;
}

/** Whether there are collectives here: always. Source: `torch.distributed.is_available`. */
export function isAvailable(): boolean {
  return true;
}

/** The backend of a group. Source: `torch.distributed.get_backend`. */
export function getBackend(group?: ProcessGroup): Backend {
  const of = groupOr("getBackend", group);
  if (of.backend === null)
    throw new ValueError(
      `[getBackend] this rank is not in ${of.name}: expected one of ${of.ranks.join(", ")}`,
    );
  return of.backend;
}

/**
 * This rank's number in a group (the world); -1 when it is not in the group. Source: `torch.distributed.get_rank`.
 * @example
 * getRank(); // 0
 */
export function getRank(group?: ProcessGroup): number {
  return groupOr("getRank", group).rank();
}

/**
 * The number of ranks of a group; -1 when this rank is not in it. Source: `torch.distributed.get_world_size`.
 * @example
 * getWorldSize(); // 1
 */
export function getWorldSize(group?: ProcessGroup): number {
  const of = groupOr("getWorldSize", group);
  return of.rank() < 0 ? -1 : of.size();
}

/** The number in `group` of a rank of the world. Source: `torch.distributed.get_group_rank`. */
export function getGroupRank(group: ProcessGroup, globalRank: number): number {
  const rank = group.ranks.indexOf(globalRank);
  if (rank >= 0) return rank;
  throw new ValueError(
    `[getGroupRank] got rank ${globalRank}, expected one of ${group.name}: ${group.ranks.join(", ")}`,
  );
}

/** The number in the world of a rank of `group`. Source: `torch.distributed.get_global_rank`. */
export function getGlobalRank(group: ProcessGroup, groupRank: number): number {
  return group.globalRank(groupRank);
}

/** The ranks of a group, as numbers in the world. Source: `torch.distributed.get_process_group_ranks`. */
export function getProcessGroupRanks(group?: ProcessGroup): number[] {
  return [...groupOr("getProcessGroupRanks", group).ranks];
}
