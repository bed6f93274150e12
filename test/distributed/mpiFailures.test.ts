/** Under mpirun, a rank that fails ends the job: errors say what, where and who, and no process stays behind. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { bundle, type Ended, MPIS, type Mpi, mpirun, whyNot } from "./mpirun.js";

const entry = bundle("failure", 'import "./mpiFailure.ts";');
afterAll(async () => rmSync(await entry));

/** Processes whose command line has this text. */
function processesOf(text: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
    } catch {
      return false;
    }
  });
}

/** Runs three ranks that fail in some way. No process of theirs may be left. */
async function fail(mpi: Mpi, way: string, seed = 0): Promise<Ended> {
  const program = await entry;
  const ended = await mpirun(mpi, 3, [program, way, `${seed}`], {}, 60_000);
  for (let wait = 0; wait < 50 && processesOf(program).length > 0; wait++) {
    await new Promise((next) => setTimeout(next, 20));
  }
  expect(processesOf(program)).toEqual([]);
  return ended;
}

for (const mpi of MPIS) {
  const reason = whyNot(mpi);
  if (reason !== null) console.warn(`skipped: ${reason}`);
  describe.skipIf(reason !== null)(mpi.name, () => {
    const needs = (rank: number) =>
      new RegExp(
        `\\[rank ${rank}\\] RankFailedError: \\[allReduce\\] rank 1 .*allReduce\\(sum\\) of float32\\[1000\\] \\(call 3 of the world\\)`,
      );

    test.each(["throws", "rejects"])(
      "a rank that %s: its error is shown, the others name it",
      async (way) => {
        const { code, output } = await fail(mpi, way);
        expect(code).not.toBe(0);
        expect(output).toMatch(/\[rank 1\] Error: this rank had enough/);
        for (const rank of [0, 2]) {
          expect(output).toMatch(needs(rank));
          expect(output).toContain("rank 1 threw Error: this rank had enough");
        }
      },
    );

    test("a rank that exits with a code: the job has that code", async () => {
      const { code, output } = await fail(mpi, "exits");
      expect(output).toMatch(/rank 1 exited with code 7/);
      expect([1, 7]).toContain(code);
    });

    test("a rank that returns while others wait for it", async () => {
      const { code, output } = await fail(mpi, "returns");
      expect(code).not.toBe(0);
      expect(output).toMatch(/RankFailedError: \[allReduce\] rank 1 has ended; allReduce\(sum\)/);
    });

    test("a collective that a rank does not join in time, and the rank that comes too late", async () => {
      const { code, output } = await fail(mpi, "absent");
      expect(code).not.toBe(0);
      expect(output).toMatch(
        /DistTimeoutError: \[allReduce\] timed out after 700 ms in call 3 of the world: rank 1 did not join; ranks 0, 2 waited/,
      );
      for (const rank of [0, 2]) expect(output).toContain(`rank ${rank} keeps true`);
      expect(output).not.toContain("keeps false");
    });

    test("a rank that never calls initProcessGroup", async () => {
      const { code, output } = await fail(mpi, "absent from the start");
      expect(code).not.toBe(0);
      expect(output).toMatch(
        /\[initProcessGroup\] timed out after 700 ms: a rank has not called initProcessGroup/,
      );
    });

    test("a message that nobody receives", async () => {
      const { code, output } = await fail(mpi, "send to nobody");
      expect(code).not.toBe(0);
      expect(output).toMatch(/DistTimeoutError: \[send\] timed out after 300 ms/);
    });

    test.each([1, 2, 3])("a rank that is killed at any point (%i): all end", async (seed) => {
      const { code } = await fail(mpi, "killed", seed);
      expect(code).not.toBe(0);
    });
  });
}
