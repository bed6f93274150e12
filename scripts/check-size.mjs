// Holds source files to a size that one can read: from 400 lines on it says so, above 700 it fails.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const NOTE = 400;
const LIMIT = 700;
const ASSEMBLY_WIDTH = 130; // AssemblyScript's decorators are not TypeScript, so the formatter cannot read it.

/** Files that may be longer than the limit, each with the reason. */
const ALLOWED = {};

const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "*.ts", "*.mjs", "*.cjs"], {
  encoding: "utf8",
});
let failed = false;
for (const file of listed.trim().split("\n")) {
  let lines;
  try {
    lines = readFileSync(file, "utf8").split("\n");
  } catch {
    continue; // Deleted, and not yet committed as such.
  }
  const count = lines.length - 1;
  const reason = ALLOWED[file];
  if (count > LIMIT && !reason) {
    failed = true;
    console.error(`${file}: ${count} lines, the limit is ${LIMIT}: split it by concept`);
  } else if (count > NOTE) {
    console.log(`${file}: ${count} lines${reason ? ` (${reason})` : ""}`);
  }
  if (!file.startsWith("src/kernels/assembly/")) continue;
  for (const [i, line] of lines.entries()) {
    if (line.length <= ASSEMBLY_WIDTH) continue;
    failed = true;
    console.error(`${file}:${i + 1}: ${line.length} columns, the limit is ${ASSEMBLY_WIDTH}`);
  }
}
for (const file of Object.keys(ALLOWED)) {
  if (listed.split("\n").includes(file)) continue;
  failed = true;
  console.error(`scripts/check-size.mjs allows ${file}, which does not exist`);
}
process.exitCode = failed ? 1 : 0;
