/** What every example's command line shares: options with types and limits, one clear line for bad ones. */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** One option: its default decides its type. */
export interface OptionSpec {
  readonly default: number | string;
  readonly help: string;
  /** Least value of a number (default 1). */
  readonly least?: number;
  /** Whether a number may have a fraction (default false). */
  readonly fraction?: boolean;
}

/** Options by name in camelCase; `batchSize` is `--batch-size` on the command line. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** Values of options. */
export type OptionValues<S extends OptionSpecs> = {
  -readonly [K in keyof S]: S[K]["default"] extends number ? number : string;
};

/** Bad arguments: the message is for the user. */
export class UsageError extends Error {}

/** Options that every example has. */
export const COMMON = {
  seed: { default: 1, least: 0, help: "seed of weights, order and samples" },
  threads: { default: 0, least: 0, help: "threads of the kernels (0: the cores, at most 8)" },
} as const satisfies OptionSpecs;

const flagOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The text of `--help`. */
export function usage(command: string, specs: OptionSpecs): string {
  const lines = Object.entries(specs).map(([key, spec]) => {
    const value = typeof spec.default === "string" ? "TEXT" : spec.fraction === true ? "X" : "N";
    const standard = spec.default === "" || key === "threads" ? "" : ` (default ${spec.default})`;
    return `  ${`--${flagOf(key)} ${value}`.padEnd(20)} ${spec.help}${standard}`;
  });
  return [`usage: ${command} -- [options]`, ...lines].join("\n");
}

function numberOf(flag: string, text: string, { least = 1, fraction = false }: OptionSpec): number {
  const value = Number(text);
  if (
    text.trim() === "" ||
    !Number.isFinite(value) ||
    value < least ||
    (!fraction && !Number.isInteger(value))
  ) {
    throw new UsageError(
      `--${flag} ${text}: expected a ${fraction ? "" : "whole "}number of at least ${least}`,
    );
  }
  return value;
}

/**
 * The options in `argv`, checked; "help" when help is asked for.
 * @throws UsageError with one line about the first bad one.
 */
export function readOptions<S extends OptionSpecs>(
  specs: S,
  argv: readonly string[],
): OptionValues<S> | "help" {
  const flags = new Map(Object.keys(specs).map((key) => [flagOf(key), key]));
  let given: Record<string, string | boolean | undefined>;
  try {
    const options = Object.fromEntries([...flags.keys()].map((flag) => [flag, { type: "string" } as const]));
    ({ values: given } = parseArgs({ args: [...argv], options: { ...options, help: { type: "boolean" } } }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (given.help === true) return "help";
  const entries = [...flags].map(([flag, key]) => {
    const spec = specs[key] as OptionSpec;
    const value = given[flag];
    if (typeof value !== "string") return [key, spec.default];
    return [key, typeof spec.default === "string" ? value : numberOf(flag, value, spec)];
  });
  return Object.fromEntries(entries) as OptionValues<S>;
}

/**
 * Runs an example if its file is the program that Node was started with; a test imports it and calls it instead.
 * `command` is how a user starts it.
 */
export async function main<S extends OptionSpecs>(
  file: string,
  command: string,
  specs: S,
  run: (options: OptionValues<S>) => unknown,
): Promise<void> {
  if (process.argv[1] !== fileURLToPath(file)) return;
  try {
    const options = readOptions(specs, process.argv.slice(2));
    if (options === "help") console.log(usage(command, specs));
    else await run(options);
  } catch (error) {
    const bad = error instanceof UsageError;
    console.error(
      bad ? `${error.message} (--help lists the options)` : error instanceof Error ? error.message : error,
    );
    process.exitCode = bad ? 2 : 1;
  }
}
