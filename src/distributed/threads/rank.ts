/**
 * What runs in the thread of a rank: loads the entry, calls it if it is a function, and tells the launcher and the other
 * ranks how it ended.
 */
import { parentPort, workerData } from "node:worker_threads";
import { WorldControl } from "./control.js";
import { rankStart } from "./world.js";

/** What the launcher tells a rank besides its place in the world. */
export interface RankProgram {
  /** URL of the module. */
  readonly entry: string;
  /** Name of the exported function to call with `args`; null: loading the module is all. */
  readonly name: string | null;
  readonly args: readonly unknown[];
}

/** What a rank tells the launcher. */
export type RankMessage =
  | { readonly kind: "result"; readonly value: unknown }
  | { readonly kind: "handles"; readonly signal: string; readonly handled: boolean };

/** The end of the sentence "rank 1 ...". */
export function describeError(error: unknown): string {
  return `threw ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`;
}

function watchExit(control: WorldControl, rank: number): void {
  let reason: string | null = null;
  process.on("uncaughtExceptionMonitor", (error) => {
    reason = describeError(error);
    control.fail(rank, reason);
  });
  process.on("exit", (code) => {
    if (code === 0 && reason === null) control.end(rank);
    else control.fail(rank, reason ?? `exited with code ${code}`);
  });
}

/** Runs the entry of this rank. */
export async function runRank(): Promise<void> {
  const start = rankStart();
  const port = parentPort;
  if (start === null || port === null) throw new Error("[launch] rank.js runs in the threads of ranks only");
  const { entry, name, args } = (workerData as { program: RankProgram }).program;
  const control = new WorldControl(start.control, start.size);
  watchExit(control, start.rank);
  const module = (await import(entry)) as Record<string, unknown>;
  if (name === null) return;
  const run = module[name];
  if (typeof run !== "function") {
    throw new TypeError(`[launch] ${entry} exports no function "${name}": got ${typeof run}`);
  }
  const value: unknown = await (run as (...args: unknown[]) => unknown)(...args);
  port.postMessage({ kind: "result", value } satisfies RankMessage);
}
