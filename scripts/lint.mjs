// npm run lint: formatting and lint rules (biome), import directions and cycles (dependency-cruiser), file sizes.
// Runs all three, so that one run shows everything that is wrong.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const folders = ["src", "examples", "bench", "conformance"].filter((folder) => existsSync(folder));
const plain = process.stdout.isTTY ? [] : ["--colors=off"];
const checks = [
  ["node_modules/@biomejs/biome/bin/biome", "ci", "--error-on-warnings", ...plain, "."],
  [
    "node_modules/dependency-cruiser/bin/dependency-cruise.mjs",
    "--config",
    ".dependency-cruiser.cjs",
    ...folders,
  ],
  ["scripts/check-size.mjs"],
];
const failed = checks.filter((args) => spawnSync(process.execPath, args, { stdio: "inherit" }).status !== 0);
process.exitCode = failed.length > 0 ? 1 : 0;
