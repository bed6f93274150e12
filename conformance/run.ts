/**
 * Replays every recorded case file below a folder on Kindling and reports passed, failed and unsupported.
 * Usage: npm run conformance -- DIR [--json] [--only NAME] [--verbose]
 */
import { parseArgs } from "node:util";
import * as kindling from "../src/index.js";
import { findCaseFiles, readCaseFile } from "./cases.js";
import type { Library } from "./library.js";
import { replayCase } from "./replay.js";
import { asJson, asText, Report } from "./report.js";

const USAGE = "usage: npm run conformance -- DIR [--json] [--only NAME] [--verbose]";

function parse(): { folder: string; json: boolean; only: string | undefined; verbose: boolean } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: "boolean" }, only: { type: "string" }, verbose: { type: "boolean" } },
  });
  const folder = positionals[0];
  if (folder === undefined || positionals.length > 1) {
    throw new Error(USAGE);
  }
  return { folder, json: values.json ?? false, only: values.only, verbose: values.verbose ?? false };
}

function main(): void {
  const { folder, json, only, verbose } = parse();
  const library: Library = kindling;
  const report = new Report();
  for (const path of findCaseFiles(folder)) {
    const { name, cases } = readCaseFile(path);
    if (only === undefined || name === only) {
      for (const recorded of cases) {
        report.add(name, recorded.id, replayCase(library, recorded, name));
      }
    }
  }
  console.log(json ? asJson(report) : asText(report, verbose));
  process.exitCode = report.total.failed > 0 ? 1 : 0;
}

try {
  main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
