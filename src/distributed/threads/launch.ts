/** Runs a function in several ranks, which are threads of this process. */
import { ValueError } from "../../tensor/errors.js";
import { RankFailedError } from "../errors.js";
import { packTensors } from "../objectBytes.js";
import { endAll, endOnFailure, entryUrl, type RankHandle, startRanks } from "./ranks.js";
import { rankStart } from "./world.js";

/** A URL. */
export interface UrlLike {
  /** The whole address. */
  readonly href: string;
}

/** What {@link launch} uses of an AbortSignal. */
export interface AbortSignalLike {
  /** Whether it was aborted. */
  readonly aborted: boolean;
  /** What is thrown then. */
  readonly reason: unknown;
  /** Asks to be told. */
  addEventListener(type: "abort", listener: () => void): void;
  /** Asks to be told no more. */
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Options of {@link launch}. */
export interface LaunchOptions {
  /** The number of ranks. */
  worldSize: number;
  /** What the function is called with; anything that structured clone copies. */
  args?: readonly unknown[];
  /** The exported function to call (default `"default"`); null: loading the module is all that happens. */
  name?: string | null;
  /** Kernel threads of each rank, itself included (default: cores / worldSize, at least 1). */
  threads?: number;
  /** Milliseconds that collectives wait for other ranks, unless `initProcessGroup` says otherwise (default 300,000). */
  timeout?: number;
  /** Environment variables of the ranks besides those of this process. */
  env?: Readonly<Record<string, string>>;
  /** Ends all ranks when it is aborted. */
  signal?: AbortSignalLike;
}

function check({ worldSize, threads }: LaunchOptions): void {
  if (!Number.isInteger(worldSize) || worldSize < 1)
    throw new ValueError(`[launch] worldSize: got ${worldSize}, expected a whole number of at least 1`);
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1))
    throw new ValueError(`[launch] threads: got ${threads}, expected a whole number of at least 1`);
  if (rankStart() !== null)
    throw new ValueError(
      "[launch] this is a rank already: ranks do not launch ranks; try calling it in the main program only",
    );
}

function throwIfAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted === true) throw signal.reason;
}

/**
 * Runs a function of a module in `worldSize` ranks, each a thread with its own heap and kernels, and returns what they
 * return, by rank. The module is loaded in every rank: TypeScript as well as JavaScript, where tsx is installed. The first
 * failure ends all ranks and is what the promise is rejected with. Source: `torch.multiprocessing.spawn`.
 * @param entry Path (relative to the working directory) or URL of the module; its default export is called with `args`.
 * @throws ValueError in a rank, and for a number of ranks that is not a whole number of at least 1.
 */
export async function launch<Result = unknown>(
  entry: string | UrlLike,
  options: LaunchOptions,
): Promise<Result[]> {
  check(options);
  const name = options.name === undefined ? "default" : options.name;
  const { signal } = options;
  throwIfAborted(signal);
  const args = packTensors(options.args ?? []) as unknown[];
  const program = { entry: entryUrl(entry), name, args, prefix: "", argv: [] };
  const ranks = startRanks(program, options);
  const abort = () => endAll(ranks);
  signal?.addEventListener("abort", abort);
  await endOnFailure(ranks);
  signal?.removeEventListener("abort", abort);
  throwIfAborted(signal);
  const failed = ranks.control.failedRank();
  if (failed !== null) {
    const handle = ranks.handles[failed] as RankHandle;
    throw (
      handle.outcome?.error ??
      new RankFailedError(`[launch] rank ${failed} ${ranks.control.reason()}`, {
        op: "launch",
        sequenceNumber: null,
        ranks: [failed],
      })
    );
  }
  return ranks.handles.map((handle) => handle.value as Result);
}
