// Builds the package into dist: the kernels, then TypeScript. Does nothing when nothing changed since the last
// build, unless told to with --force.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stampFile = join(root, "dist/.stamp");

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

function stampOf(files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

run("scripts/build-kernels.mjs");
const sources = readdirSync(join(root, "src"), { recursive: true })
  .filter((file) => file.endsWith(".ts") && !file.startsWith(join("kernels", "assembly")))
  .map((file) => join("src", file));
const stamp = stampOf([...sources.sort(), "tsconfig.json", "package.json"]);
if (process.argv.includes("--force") || read(stampFile) !== stamp) {
  rmSync(join(root, "dist"), { recursive: true, force: true });
  run("node_modules/typescript/bin/tsc", "-p", "tsconfig.json");
  chmodSync(join(root, "dist/distributed/command.js"), 0o755); // the command `kindling`
  writeFileSync(stampFile, stamp);
}
