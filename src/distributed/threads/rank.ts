/**
 * What runs in the thread of a rank: loads the entry, calls it if it is told to, and tells the launcher and the other
 * ranks how it ended.
 */
import { fileURLToPath } from "node:url";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { ValueError } from "../../tensor/errors.js";
import { packTensors, unpackTensors } from "../objectBytes.js";
import { WorldControl } from "./control.js";
import { writeThrough } from "./output.js";
import { rankStart } from "./world.js";

/** What the launcher tells a rank besides its place in the world. */
export interface RankProgram {
  /** URL of the module. */
  readonly entry: string;
  /** Name of the exported function to call with `args`; null: loading the module is all. */
  readonly name: string | null;
  readonly args: readonly unknown[];
  /** Put before each line of output. */
  readonly prefix: string;
  /** What stands in `process.argv` after the entry. */
  readonly argv: readonly string[];
}

/** What a rank tells the launcher: what its function returned, or that it takes care of a signal itself. */
export type RankMessage =
  | { readonly kind: "result"; readonly value: unknown }
  | { readonly kind: "handles"; readonly signal: string };

/** What the launcher tells a rank while it runs. */
export interface SignalMessage {
  readonly kind: "signal";
  readonly signal: NodeJS.Signals;
}

/** Signals that are passed on to ranks. */
export const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** The end of the sentence "rank 1 ...". */
export function describeError(error: unknown): string {
  return `threw ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`;
}

function watchExit(control: WorldControl, rank: number, flush: () => void): void {
  let reason: string | null = null;
  process.on("uncaughtExceptionMonitor", (error) => {
    reason = describeError(error);
    control.fail(rank, reason);
  });
  process.on("exit", (code) => {
    if (code === 0 && reason === null) control.end(rank);
    else control.fail(rank, reason ?? `exited with code ${code}`);
    flush();
  });
}

/** Signals do not reach threads: the launcher passes them on to ranks that listen. */
function receiveSignals(port: MessagePort): void {
  process.on("newListener", (event) => {
    const signal = SIGNALS.find((name) => name === event);
    if (signal !== undefined) port.postMessage({ kind: "handles", signal } satisfies RankMessage);
  });
  port.on("message", (message: Partial<SignalMessage>) => {
    if (message.kind === "signal" && message.signal !== undefined)
      process.emit(message.signal, message.signal);
  });
  port.unref(); // listening alone does not keep the rank alive
}

/** Runs the entry of this rank. */
export async function runRank(): Promise<void> {
  const start = rankStart();
  const port = parentPort;
  if (start === null || port === null) throw new Error("[launch] rank.js runs in the threads of ranks only");
  const { entry, name, args, prefix, argv } = (workerData as { program: RankProgram }).program;
  const control = new WorldControl(start.control, start.size);
  watchExit(control, start.rank, writeThrough(prefix));
  receiveSignals(port);
  process.argv = [process.execPath, entry.startsWith("file:") ? fileURLToPath(entry) : entry, ...argv];
  const module = (await import(entry)) as Record<string, unknown>;
  if (name === null) return;
  const run = module[name];
  if (typeof run !== "function") {
    throw new ValueError(
      `[launch] ${entry} exports no function "${name}": got ${typeof run}; try another name, or export it`,
    );
  }
  const value: unknown = await (run as (...args: unknown[]) => unknown)(
    ...(unpackTensors(args) as unknown[]),
  );
  port.postMessage({ kind: "result", value: packTensors(value) } satisfies RankMessage);
}
