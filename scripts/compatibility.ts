// npm run docs:compatibility: writes docs/compatibility.md, and says what is wrong with scripts/compatibility/names.txt.

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { renderPage } from "./compatibility/page.js";
import { survey } from "./compatibility/surface.js";

const findings = survey();
const problems = findings.filter((f) => f.problem !== "");
for (const { entry, problem } of problems)
  console.error(`names.txt:${entry.line}: ${entry.name}: ${problem}`);
if (problems.length > 0) process.exitCode = 1;
else writeFileSync(fileURLToPath(new URL("../docs/compatibility.md", import.meta.url)), renderPage(findings));
