/** All cases of several ranks, in processes under MPICH and Open MPI. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CaseModule, runsWith, WORLD_SIZES } from "./harness.js";
import type { Line } from "./mpiRank.js";
import { bundle, type Ended, MPIS, type Mpi, mpirun, whyNot } from "./mpirun.js";

const directory = fileURLToPath(new URL("./cases", import.meta.url));
const names = readdirSync(directory)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -3));
const modules = Object.fromEntries(
  await Promise.all(
    names.map(async (name) => [name, (await import(`./cases/${name}.ts`)) as CaseModule] as const),
  ),
);

const entry = bundle(
  "cases",
  [
    'import { serve } from "./mpiRank.ts";',
    ...names.map((name, i) => `import * as cases${i} from "./cases/${name}.ts";`),
    `await serve({ ${names.map((name, i) => `${JSON.stringify(name)}: cases${i}`).join(", ")} });`,
  ].join("\n"),
);
afterAll(async () => rmSync(await entry));

/** What a rank wrote. */
function linesOf(reports: string, rank: number): Line[] {
  try {
    const text = readFileSync(join(reports, `rank${rank}.jsonl`), "utf8").trim();
    return text === "" ? [] : text.split("\n").map((line) => JSON.parse(line) as Line);
  } catch {
    return [];
  }
}

/** Runs all cases for a number of ranks. A job ends with a case that fails; the next one goes on after it. */
async function runAll(mpi: Mpi, size: number, count: number): Promise<{ lines: Line[][]; jobs: Ended[] }> {
  const lines: Line[][] = Array.from({ length: size }, () => []);
  const jobs: Ended[] = [];
  const options = ["--enable-source-maps", await entry];
  for (let done = 0; done < count; done++) {
    const reports = mkdtempSync(join(tmpdir(), "kindling-mpi-"));
    jobs.push(await mpirun(mpi, size, [...options, reports, `${done}`]));
    const written = lines.map((_, rank) => linesOf(reports, rank));
    rmSync(reports, { recursive: true });
    written.forEach((of, rank) => {
      lines[rank]?.push(...of);
    });
    done += Math.min(...written.map((of) => of.filter(({ error }) => error === null).length));
  }
  return { lines, jobs };
}

for (const mpi of MPIS) {
  const reason = whyNot(mpi);
  if (reason !== null) console.warn(`skipped: ${reason}`);
  describe.skipIf(reason !== null)(mpi.name, () => {
    describe.each([...WORLD_SIZES])("%i ranks", (size) => {
      const all = Object.entries(modules).flatMap(([file, { cases }]) =>
        cases.filter((one) => runsWith(one, size)).map(({ name }) => [file, name] as const),
      );
      let ran: Awaited<ReturnType<typeof runAll>>;
      beforeAll(async () => {
        ran = await runAll(mpi, size, all.length);
      }, 600_000);

      test.each(all)("%s: %s", (file, name) => {
        const { lines, jobs } = ran;
        const output = jobs.map((job) => `the job ended with code ${job.code}:\n${job.output}`).join("\n");
        const errors = lines.flatMap((of, rank) => {
          const line = of.find((l) => l.file === file && l.name === name);
          if (line === undefined) return [`rank ${rank} did not finish it; ${output}`.slice(0, 5000)];
          return line.error === null ? [] : [`rank ${rank}: ${line.error.slice(0, 5000)}`];
        });
        expect(errors).toEqual([]);
      });

      test("all ranks end well, and the launcher has nothing to say", () => {
        expect(ran.jobs.map(({ code, stderr }) => ({ code, stderr }))).toEqual([{ code: 0, stderr: "" }]);
      });
    });
  });
}
