/** Starts ranks as threads of this process. */
import { createRequire } from "node:module";
import { isAbsolute, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { MessageChannel, type MessagePort, Worker, type WorkerOptions } from "node:worker_threads";
import { availableParallelism } from "../../kernels/platform.js";
import { ValueError } from "../../tensor/errors.js";
import { RankFailedError } from "../errors.js";
import { WorldControl } from "./control.js";
import { describeError, type RankMessage, type RankProgram } from "./rank.js";
import { type RankStart, rankStart, START_KEY } from "./world.js";

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
  signal?: AbortSignal;
}

/** Milliseconds that other ranks have to end by themselves once one has failed. */
const GRACE = 1000;

/** The program of a rank's thread: TypeScript is made readable first where this process is not able to by itself. */
const BOOT = `
const { workerData } = require("node:worker_threads");
(async () => {
  if (workerData.typescript !== null) (await import(workerData.typescript)).register();
  await (await import(workerData.boot)).runRank();
})();
`;

/** URL of an entry: a URL, or a path relative to the working directory. */
export function entryUrl(entry: string | URL): string {
  if (entry instanceof URL) return entry.href;
  if (/^[a-z]{2,}:/.test(entry)) return entry;
  return pathToFileURL(isAbsolute(entry) ? entry : resolve(entry)).href;
}

interface TsxPackage {
  readonly exports: { readonly "./esm/api": { readonly import: { readonly default: string } } };
}

/** URL of the module that lets Node read TypeScript, when a thread needs it (threads do not inherit it); else null. */
function typescriptLoader(urls: readonly string[]): string | null {
  if (!urls.some((url) => /\.[mc]?tsx?$/.test(url))) return null;
  for (const from of [...urls, pathToFileURL(resolve("package.json")).href]) {
    try {
      const require = createRequire(from);
      const file = require.resolve("tsx/package.json");
      const api = (require(file) as TsxPackage).exports["./esm/api"].import.default;
      return new URL(api, pathToFileURL(file)).href;
    } catch {}
  }
  return null; // Node may know how by itself
}

/** One rank's thread. @internal */
export interface RankHandle {
  readonly rank: number;
  readonly worker: Worker;
  /** How it ended; null while it runs. */
  outcome: { code: number; error: unknown; failed: boolean } | null;
  value: unknown;
}

/** Ranks under way. @internal */
export interface Ranks {
  readonly control: WorldControl;
  readonly handles: readonly RankHandle[];
  /** Resolves once every thread is gone. */
  readonly done: Promise<void>;
}

/** Starts the threads. `options` adds to those of each Worker. @internal */
export function startRanks(
  program: RankProgram,
  { worldSize, threads, timeout, env }: LaunchOptions,
  options: WorkerOptions = {},
): Ranks {
  const control = WorldControl.create(worldSize);
  const boot = new URL(import.meta.url.endsWith(".ts") ? "./rank.ts" : "./rank.js", import.meta.url).href;
  const typescript = typescriptLoader([program.entry, boot]);
  const ports: (MessagePort | null)[][] = Array.from({ length: worldSize }, () =>
    new Array<MessagePort | null>(worldSize).fill(null),
  );
  for (let i = 0; i < worldSize; i++) {
    for (let j = i + 1; j < worldSize; j++) {
      const { port1, port2 } = new MessageChannel();
      (ports[i] as (MessagePort | null)[])[j] = port1;
      (ports[j] as (MessagePort | null)[])[i] = port2;
    }
  }
  const kernelThreads = threads ?? Math.max(1, Math.floor(availableParallelism() / worldSize));
  const ends: Promise<void>[] = [];
  const handles = ports.map((own, rank): RankHandle => {
    const start: RankStart = { rank, size: worldSize, control: control.buffer, ports: own, timeout };
    const worker = new Worker(BOOT, {
      ...options,
      eval: true,
      name: `rank ${rank}`,
      workerData: { [START_KEY]: start, program, boot, typescript },
      transferList: own.filter((port) => port !== null),
      env: {
        ...process.env,
        ...(process.env.KINDLING_THREADS === undefined || threads !== undefined
          ? { KINDLING_THREADS: String(kernelThreads) }
          : {}),
        ...env,
        RANK: String(rank),
        LOCAL_RANK: String(rank),
        WORLD_SIZE: String(worldSize),
        LOCAL_WORLD_SIZE: String(worldSize),
      },
    });
    const handle: RankHandle = { rank, worker, outcome: null, value: undefined };
    let thrown: { error: unknown } | null = null;
    worker.on("message", (message: RankMessage) => {
      if (message.kind === "result") handle.value = message.value;
    });
    worker.on("error", (error) => {
      thrown = { error };
      control.fail(rank, describeError(error));
    });
    ends.push(
      new Promise((resolveEnd) => {
        worker.on("exit", (code) => {
          handle.outcome = { code, error: thrown?.error, failed: thrown !== null || code !== 0 };
          if (handle.outcome.failed) control.fail(rank, `exited with code ${code}`);
          else control.end(rank);
          resolveEnd();
        });
      }),
    );
    return handle;
  });
  return { control, handles, done: Promise.all(ends).then(() => undefined) };
}

/** Ends all threads once one has failed: after a moment, so that they can end by themselves. @internal */
export function endOnFailure({ handles, done }: Ranks, failed: (first: RankHandle) => void): Promise<void> {
  let first: RankHandle | null = null;
  let timer: NodeJS.Timeout | undefined;
  for (const handle of handles) {
    handle.worker.on("exit", () => {
      if (first !== null || handle.outcome?.failed !== true) return;
      first = handle;
      failed(handle);
      timer = setTimeout(() => {
        for (const { worker } of handles) void worker.terminate();
      }, GRACE);
    });
  }
  return done.finally(() => clearTimeout(timer));
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

/**
 * Runs a function of a module in `worldSize` ranks, each a thread with its own heap and kernels, and returns what they
 * return, by rank. The module is loaded in every rank: TypeScript as well as JavaScript, where tsx is installed. The first
 * failure ends all ranks and is what the promise is rejected with. Source: `torch.multiprocessing.spawn`.
 * @param entry Path (relative to the working directory) or URL of the module; its default export is called with `args`.
 * @throws ValueError in a rank, and for a number of ranks that is not a whole number of at least 1.
 */
export async function launch<Result = unknown>(
  entry: string | URL,
  options: LaunchOptions,
): Promise<Result[]> {
  check(options);
  const name = options.name === undefined ? "default" : options.name;
  const { signal } = options;
  signal?.throwIfAborted();
  const ranks = startRanks({ entry: entryUrl(entry), name, args: options.args ?? [] }, options);
  const abort = () => {
    for (const { worker } of ranks.handles) void worker.terminate();
  };
  signal?.addEventListener("abort", abort, { once: true });
  await endOnFailure(ranks, () => undefined);
  signal?.removeEventListener("abort", abort);
  signal?.throwIfAborted();
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

/** The path of an entry, for messages. @internal */
export function entryPath(url: string): string {
  return url.startsWith("file:") ? fileURLToPath(url) : url;
}
