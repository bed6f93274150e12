/** JavaScript for ranks in threads: they start three times sooner than from the sources. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));
const source = (file: string) => join(root, file);

/** A program of ranks, built. */
export interface Built {
  /** What starts ranks, from the same build. */
  readonly ranks: typeof import("../../src/distributed/threads/ranks.js");
  /** URLs of `threadsRank.ts` and of the file of cases. */
  readonly entry: string;
  readonly cases: string;
  /** Removes the files. */
  remove(): void;
}

/** Builds a file of cases (a URL) with all that its ranks need. */
export async function buildForThreads(file: string): Promise<Built> {
  // Within the project, so that packages are found.
  const cache = join(root, "node_modules/.cache/kindling-threads");
  mkdirSync(cache, { recursive: true });
  const outdir = mkdtempSync(join(cache, "build-"));
  writeFileSync(join(outdir, "package.json"), '{ "type": "module" }');
  await build({
    entryPoints: {
      ranks: source("src/distributed/threads/ranks.ts"),
      rank: source("src/distributed/threads/rank.ts"), // its name is what ranks.ts looks for
      entry: source("test/distributed/threadsRank.ts"),
      cases: fileURLToPath(file),
    },
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    keepNames: true,
    sourcemap: true,
    banner: { js: "process.setSourceMapsEnabled(true);" }, // stacks show the sources
    external: ["koffi"],
    tsconfig: source("tsconfig.check.json"),
    logLevel: "error",
  });
  const url = (name: string) => pathToFileURL(join(outdir, name)).href;
  return {
    ranks: await import(/* @vite-ignore */ url("ranks.js")),
    entry: url("entry.js"),
    cases: url("cases.js"),
    remove: () => rmSync(outdir, { recursive: true }),
  };
}
