/** The threads of ranks: starting them, watching them, ending them. */
import { createRequire } from "node:module";
import { isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { availableParallelism } from "../../kernels/platform.js";
import { DistBackendError } from "../errors.js";
import { unpackTensors } from "../objectBytes.js";
import { WorldControl } from "./control.js";
import { describeError, type RankMessage, type RankProgram } from "./rank.js";
import { type RankStart, START_KEY } from "./world.js";

/** How many ranks, and what they have. */
export interface RankOptions {
  readonly worldSize: number;
  readonly threads?: number | undefined;
  readonly timeout?: number | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
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
export function entryUrl(entry: string | { readonly href: string }): string {
  if (typeof entry !== "string") return entry.href;
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
  const { typescript } = process.features as { typescript?: unknown };
  if (typescript !== undefined && typescript !== false) return null;
  throw new DistBackendError(
    `[launch] ${urls[0]} is TypeScript, which this Node does not read: try npm install --save-dev tsx, or JavaScript`,
  );
}

/** One rank's thread. @internal */
export interface RankHandle {
  readonly rank: number;
  readonly worker: Worker;
  /** How it ended; null while it runs. */
  outcome: { code: number; error: unknown; failed: boolean } | null;
  /** What its function returned. */
  value: unknown;
  /** Signals that it takes care of itself. */
  readonly handles: Set<string>;
}

/** Ranks under way. @internal */
export interface Ranks {
  readonly control: WorldControl;
  readonly handles: readonly RankHandle[];
  /** Resolves once every thread is gone. */
  readonly done: Promise<void>;
}

/** What each thread is given: the ends of one channel for each pair of ranks, by rank. */
function connect(size: number): (MessagePort | null)[][] {
  const ports = Array.from({ length: size }, () => new Array<MessagePort | null>(size).fill(null));
  for (let i = 0; i < size; i++) {
    for (let j = i + 1; j < size; j++) {
      const { port1, port2 } = new MessageChannel();
      (ports[i] as (MessagePort | null)[])[j] = port1;
      (ports[j] as (MessagePort | null)[])[i] = port2;
    }
  }
  return ports;
}

function environment(rank: number, { worldSize, threads, env }: RankOptions): NodeJS.ProcessEnv {
  const own = threads ?? Math.max(1, Math.floor(availableParallelism() / worldSize));
  const given = process.env.KINDLING_THREADS;
  return {
    ...process.env,
    KINDLING_THREADS: threads === undefined && given !== undefined && given !== "" ? given : String(own),
    ...env,
    RANK: String(rank),
    LOCAL_RANK: String(rank),
    WORLD_SIZE: String(worldSize),
    LOCAL_WORLD_SIZE: String(worldSize),
  };
}

function startRank(
  program: RankProgram,
  options: RankOptions,
  control: WorldControl,
  ports: readonly (MessagePort | null)[],
  rank: number,
): [RankHandle, Promise<void>] {
  const boot = new URL(import.meta.url.endsWith(".ts") ? "./rank.ts" : "./rank.js", import.meta.url).href;
  const { worldSize: size, timeout } = options;
  const start: RankStart = { rank, size, control: control.buffer, ports, timeout };
  const worker = new Worker(BOOT, {
    eval: true,
    name: `rank ${rank}`,
    workerData: {
      [START_KEY]: start,
      program: { ...program, prefix: program.prefix.replace("%", String(rank)) } satisfies RankProgram,
      boot,
      typescript: typescriptLoader([program.entry, boot]),
    },
    transferList: ports.filter((port) => port !== null),
    env: environment(rank, options),
  });
  const handle: RankHandle = { rank, worker, outcome: null, value: undefined, handles: new Set() };
  let thrown: { error: unknown } | null = null;
  worker.on("message", (message: RankMessage) => {
    if (message.kind === "result") handle.value = unpackTensors(message.value);
    else if (message.kind === "handles") handle.handles.add(message.signal);
  });
  worker.on("error", (error) => {
    thrown = { error };
    control.fail(rank, describeError(error));
  });
  const end = new Promise<void>((resolveEnd) => {
    worker.on("exit", (code) => {
      handle.outcome = { code, error: thrown?.error, failed: thrown !== null || code !== 0 };
      if (handle.outcome.failed) control.fail(rank, `was ended (exit code ${code})`);
      else control.end(rank);
      resolveEnd();
    });
  });
  return [handle, end];
}

/** Starts the threads. @internal */
export function startRanks(program: RankProgram, options: RankOptions): Ranks {
  const control = WorldControl.create(options.worldSize);
  const started = connect(options.worldSize).map((ports, rank) =>
    startRank(program, options, control, ports, rank),
  );
  return {
    control,
    handles: started.map(([handle]) => handle),
    done: Promise.all(started.map(([, end]) => end)).then(() => undefined),
  };
}

/** Ends all threads at once. @internal */
export function endAll({ handles }: Ranks): void {
  for (const { worker } of handles) void worker.terminate();
}

/** Resolves once all threads are gone; when one has failed, the others get a moment to end by themselves. @internal */
export async function endOnFailure(ranks: Ranks): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  for (const handle of ranks.handles) {
    handle.worker.on("exit", () => {
      if (handle.outcome?.failed === true) timer ??= setTimeout(() => endAll(ranks), GRACE);
    });
  }
  await ranks.done;
  clearTimeout(timer);
}
