/** A rank under mpirun: runs all cases of its world's size, and writes how each went into a file of its own. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { destroyProcessGroup, initProcessGroup } from "kindling/distributed";
import { type CaseModule, runCases, runsWith } from "./harness.js";

/** Milliseconds that collectives wait in cases: long enough for a loaded machine, short enough for a test. */
const TIMEOUT = 30_000;

/** How one case went on one rank. */
export interface Line {
  readonly file: string;
  readonly name: string;
  readonly error: string | null;
}

/** Runs the cases of files, by their names, but for those of this world's size that an earlier job has run. */
export async function serve(files: Readonly<Record<string, CaseModule>>): Promise<void> {
  const [reports, done] = process.argv.slice(2) as [string, string];
  const group = initProcessGroup("mpi", { timeout: TIMEOUT });
  const report = join(reports, `rank${group.rank()}.jsonl`);
  let skip = Number(done);
  for (const [file, { cases }] of Object.entries(files)) {
    const fitting = cases.filter((one) => runsWith(one, group.size()));
    const rest = fitting.slice(skip);
    skip = Math.max(0, skip - fitting.length);
    await runCases(rest, group.rank(), group.size(), (test, thrown) => {
      const error = thrown instanceof Error ? `${thrown.stack}` : thrown === null ? null : String(thrown);
      const line: Line = { file, name: test.name, error };
      appendFileSync(report, `${JSON.stringify(line)}\n`);
    });
  }
  destroyProcessGroup();
}
