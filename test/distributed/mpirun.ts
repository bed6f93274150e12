/** Starts ranks under the system's MPI libraries, for tests. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** An MPI library and how its launcher is called. */
export interface Mpi {
  readonly name: "MPICH" | "Open MPI";
  readonly command: string;
  readonly options: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The libraries that tests run on. */
export const MPIS: readonly Mpi[] = [
  { name: "MPICH", command: "mpirun.mpich", options: [], env: {} },
  {
    name: "Open MPI",
    command: "mpirun.openmpi",
    options: ["--allow-run-as-root", "--oversubscribe"],
    env: { OMPI_MCA_plm: "isolated" }, // no ssh is needed on one machine
  },
];

/** Why the tests of a library cannot run here; null when they can. In CI they must. */
export function whyNot({ name, command }: Mpi): string | null {
  if (process.env.CI || spawnSync(command, ["--version"]).status === 0) return null;
  return `${name} is not installed (no ${command}): try "apt-get install mpich openmpi-bin"`;
}

/** How a job ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What the launcher and the ranks have written, in order. */
  readonly output: string;
}

/** Starts `size` ranks of a program; ends them after `limit` milliseconds. */
export function mpirun(
  mpi: Mpi,
  size: number,
  program: readonly string[],
  env: Readonly<Record<string, string>> = {},
  limit = 240_000,
): Promise<Ended> {
  const child = spawn(mpi.command, [...mpi.options, "-n", `${size}`, process.execPath, ...program], {
    env: { ...process.env, NO_COLOR: "1", ...mpi.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = { stdout: "", stderr: "", output: "" };
  for (const key of ["stdout", "stderr"] as const) {
    child[key].setEncoding("utf8").on("data", (text: string) => {
      texts[key] += text;
      texts.output += text;
    });
  }
  const timer = setTimeout(() => child.kill("SIGTERM"), limit);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, ...texts });
    });
  });
}

const root = fileURLToPath(new URL("../..", import.meta.url));

/** One file of JavaScript for ranks to run: they start sooner than from the sources. Returns its path. */
export async function bundle(name: string, source: string): Promise<string> {
  // Within the project, so that koffi is found.
  const directory = join(root, "node_modules/.cache/kindling-mpi");
  mkdirSync(directory, { recursive: true });
  const outfile = join(directory, `${name}-${process.pid}.mjs`);
  await build({
    stdin: { contents: source, resolveDir: fileURLToPath(new URL(".", import.meta.url)), loader: "ts" },
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    keepNames: true,
    sourcemap: "inline",
    external: ["koffi"],
    tsconfig: join(root, "tsconfig.check.json"),
    logLevel: "error",
  });
  return outfile;
}
