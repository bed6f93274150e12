/** The command `kindling run`, as a process of its own. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Lines } from "../../src/distributed/threads/output.js";
import { RANK_ENV } from "./onThreads.js";

const COMMAND = fileURLToPath(new URL("../../src/distributed/command.ts", import.meta.url));
const PROGRAM = fileURLToPath(new URL("./ranks/program.ts", import.meta.url));

interface Result {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command; sends it a signal once it has printed `ready`. */
function kindling(args: readonly string[], signal?: NodeJS.Signals): Promise<Result> {
  const env = { ...process.env, ...RANK_ENV, KINDLING_THREADS: "" };
  const child = spawn(process.execPath, ["--import", "tsx", COMMAND, ...args], { env });
  let [out, err] = ["", ""];
  child.stdout.on("data", (text: Buffer) => {
    const was = out.includes("ready");
    out += text.toString();
    if (signal !== undefined && !was && out.includes("ready")) child.kill(signal);
  });
  child.stderr.on("data", (text: Buffer) => {
    err += text.toString();
  });
  return new Promise((resolve) => {
    child.on("close", (code, by) => resolve({ code, signal: by, out, err }));
  });
}

const linesOf = (text: string) => text.split("\n").filter((line) => line !== "");

describe("kindling run", () => {
  it("runs a program in every rank, with the rank before each line", async () => {
    const { code, out, err } = await kindling([
      "run",
      "--nproc",
      "3",
      "--threads",
      "2",
      PROGRAM,
      "hello",
      "--nproc",
      "9",
    ]);
    expect(linesOf(out).sort()).toEqual(
      [0, 1, 2].flatMap((r) => [
        `[rank ${r}] args hello --nproc 9`,
        `[rank ${r}] env ${r} ${r} 3 2`,
        `[rank ${r}] sum 6`,
      ]),
    );
    expect(linesOf(err).sort()).toEqual([0, 1, 2].map((r) => `[rank ${r}] no end of line`));
    expect(code).toBe(0);
  });

  it("a rank that throws: its error, and what the others say, exit code 1", async () => {
    const { code, err } = await kindling(["run", "--nproc", "2", PROGRAM, "throw"]);
    expect(code).toBe(1);
    expect(err).toMatch(/^\[rank 1\] RangeError: rank 1 has had enough\n\[rank 1\] {5}at .*program\.ts:/);
    expect(err).toContain(
      "[rank 0] RankFailedError: [barrier] rank 1 threw RangeError: rank 1 has had enough",
    );
  });

  it("a rank that exits: its exit code", async () => {
    const { code, err } = await kindling(["run", "--nproc", "2", PROGRAM, "exit"]);
    expect(code).toBe(7);
    expect(err).toContain("[kindling run] rank 1 exited with code 7");
  });

  it("passes signals on to ranks that listen", async () => {
    const { code, out } = await kindling(["run", "--nproc", "2", PROGRAM, "listen"], "SIGTERM");
    expect(linesOf(out).slice(-2).sort()).toEqual(["[rank 0] saving", "[rank 1] saving"]);
    expect(code).toBe(0);
  });

  it.each(["SIGINT", "SIGTERM"] as const)(
    "ends ranks that do not listen, in the middle of a loop: %s",
    async (signal) => {
      const { code } = await kindling(["run", "--nproc", "2", PROGRAM, "loop"], signal);
      expect(code).toBe(signal === "SIGINT" ? 130 : 143);
    },
  );

  it("says how it is used", async () => {
    const [help, version, none, missing, bad] = await Promise.all([
      kindling(["--help"]),
      kindling(["--version"]),
      kindling([]),
      kindling(["run", "nothing-here.ts"]),
      kindling(["run", "--nproc", "0", PROGRAM]),
    ]);
    expect(help.out).toContain("Usage: kindling run [options] <file>");
    expect(version.out).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect([none.code, missing.code, bad.code]).toEqual([2, 2, 2]);
    expect(none.err).toContain("kindling: no command given");
    expect(missing.err).toMatch(/kindling: no file .*nothing-here\.ts/);
    expect(bad.err).toContain("--nproc: got 0, expected a whole number above 0");
  });
});

describe("lines of output", () => {
  it("wait for their end and get the prefix", () => {
    const written: string[] = [];
    const lines = new Lines("> ", (text) => written.push(text));
    lines.add("a");
    lines.add("b\nc\n\nd");
    expect(written).toEqual(["> ab\n> c\n> \n"]);
    lines.flush();
    lines.flush();
    expect(written.slice(1)).toEqual(["> d\n"]);
  });
});
