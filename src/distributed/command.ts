#!/usr/bin/env node
/** The command `kindling`: `npx kindling run --nproc 4 train.ts` runs a program in several ranks. */
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { resolve } from "node:path";
import { inspect, parseArgs } from "node:util";
import { availableParallelism } from "../kernels/platform.js";
import { RankFailedError } from "./errors.js";
import { Lines, writeAll } from "./threads/output.js";
import { SIGNALS, type SignalMessage } from "./threads/rank.js";
import { endAll, endOnFailure, entryUrl, type RankHandle, type Ranks, startRanks } from "./threads/ranks.js";

const USAGE = `Usage: kindling run [options] <file> [arguments of the file]

Runs <file> (JavaScript, or TypeScript where tsx is installed) in several ranks: threads of one process, each with a
heap of its own. In them initProcessGroup() of kindling/distributed finds the others. The first failure ends all ranks
and is the exit code. The environment of each rank says RANK, LOCAL_RANK and WORLD_SIZE.

Options:
  --nproc <n>      number of ranks (default: cores)
  --threads <n>    kernel threads of each rank (default: cores / ranks, at least 1)
  --timeout <s>    seconds that collectives wait for other ranks (default: 300)
  -h, --help       this text
  -v, --version    the version of Kindling
`;

/** Milliseconds that ranks which take care of a signal have until they are ended. */
const GRACE = 10_000;

class UsageError extends Error {}

function positive(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const n = Number(text);
  if (n > 0 && (name === "timeout" || Number.isInteger(n))) return n;
  throw new UsageError(
    `--${name}: got ${text}, expected a ${name === "timeout" ? "" : "whole "}number above 0`,
  );
}

/** Options stand before the file; all after it is the file's own. */
function splitArguments(args: readonly string[]): {
  own: string[];
  file: string | undefined;
  rest: string[];
} {
  const takesValue = new Set(["--nproc", "--nproc-per-node", "--nproc_per_node", "--threads", "--timeout"]);
  let i = 0;
  while (i < args.length && (args[i] as string).startsWith("-"))
    i += takesValue.has(args[i] as string) ? 2 : 1;
  return { own: args.slice(0, i), file: args[i], rest: args.slice(i + 1) };
}

function parseRun(args: readonly string[]) {
  const { own, file, rest } = splitArguments(args);
  const text = { type: "string" } as const;
  let values: Partial<Record<string, string | boolean>>;
  try {
    const options = {
      nproc: text,
      "nproc-per-node": text,
      nproc_per_node: text,
      threads: text,
      timeout: text,
    };
    ({ values } = parseArgs({ args: own, options, strict: true }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (file === undefined) throw new UsageError("no file given");
  const path = resolve(file);
  if (!existsSync(path)) throw new UsageError(`no file ${path}`);
  const given = (values.nproc ?? values["nproc-per-node"] ?? values.nproc_per_node) as string | undefined;
  const seconds = positive("timeout", values.timeout as string | undefined);
  return {
    path,
    rest,
    options: {
      worldSize: positive("nproc", given) ?? availableParallelism(),
      threads: positive("threads", values.threads as string | undefined),
      timeout: seconds === undefined ? undefined : seconds * 1000,
    },
  };
}

/** Passes signals on to ranks that listen to them; the others end, as processes without a listener do. */
function passSignals(ranks: Ranks): () => NodeJS.Signals | null {
  let received: NodeJS.Signals | null = null;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (received !== null) {
        endAll(ranks);
        return;
      }
      received = signal;
      for (const { worker, handles } of ranks.handles) {
        if (handles.has(signal)) worker.postMessage({ kind: "signal", signal } satisfies SignalMessage);
        else void worker.terminate();
      }
      setTimeout(() => endAll(ranks), GRACE).unref();
    });
  }
  return () => received;
}

/** Name, message and where it was thrown; an error that came from another thread has lost its class. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return inspect(error);
  const at = error.stack?.indexOf("\n    at ") ?? -1;
  return `${error.name}: ${error.message}${at < 0 ? "" : error.stack?.slice(at)}`;
}

function reportError({ rank, outcome }: RankHandle, first: boolean): void {
  const error = outcome?.error;
  if (error === undefined) return;
  const lines = new Lines(`[rank ${rank}] `, (text) => writeAll(2, text));
  const short = !first && error instanceof Error;
  lines.add(`${short ? `${error.name}: ${error.message}` : describe(error)}\n`);
}

/** Runs a file in several ranks; the exit code. */
async function run(args: readonly string[]): Promise<number> {
  const { path, rest, options } = parseRun(args);
  const program = { entry: entryUrl(path), name: null, args: [], prefix: "[rank %] ", argv: rest };
  const ranks = startRanks(program, options);
  const received = passSignals(ranks);
  await endOnFailure(ranks);
  const failed = ranks.control.failedRank();
  if (failed === null) return 0;
  const signal = received();
  if (signal !== null) return 128 + constants.signals[signal];
  const first = ranks.handles[failed] as RankHandle;
  for (const handle of [first, ...ranks.handles.filter((h) => h !== first)])
    reportError(handle, handle === first);
  const { code } = first.outcome ?? { code: 1 };
  if (first.outcome?.error === undefined) {
    const reason = new RankFailedError(`[kindling run] rank ${failed} ${ranks.control.reason()}`, {
      op: "run",
      sequenceNumber: null,
      ranks: [failed],
    });
    writeAll(2, `${reason.message}\n`);
  }
  return code === 0 ? 1 : code;
}

function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  if (command === "-v" || command === "--version") {
    writeAll(1, `${version()}\n`);
    return 0;
  }
  if (
    command === "-h" ||
    command === "--help" ||
    (command === "run" && /^(-h|--help)$/.test(rest[0] ?? ""))
  ) {
    writeAll(1, USAGE);
    return 0;
  }
  if (command === "run") return run(rest);
  throw new UsageError(command === undefined ? "no command given" : `no command "${command}"`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  writeAll(2, `kindling: ${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
