// Every exported declaration has a doc comment, those included that no door exports and typedoc does not see.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const EXPORT =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|interface|type|const|enum) (\w+)/;
const problems = [];

for (const entry of readdirSync("src", { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (!entry.isFile() || !path.endsWith(".ts") || path.startsWith(join("src", "kernels"))) continue;
  const lines = readFileSync(path, "utf8").split("\n");
  const documented = new Set();
  lines.forEach((line, i) => {
    const name = EXPORT.exec(line)?.[1];
    if (name === undefined || documented.has(name)) return;
    let above = i - 1;
    while (above >= 0 && /^\s*\/\/ biome-ignore/.test(lines[above])) above--;
    if (above >= 0 && lines[above].trimEnd().endsWith("*/")) documented.add(name);
    else problems.push(`${path}:${i + 1}: ${name} has no doc comment`);
  });
}

for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
