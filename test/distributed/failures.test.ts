/**
 * What happens when ranks disagree, stay away, throw, exit or are killed: every other rank gets an error that says which,
 * at once where that is possible, and tensors have their old values or their new ones, whole.
 */
import { readdirSync } from "node:fs";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LaunchOptions, launch } from "../../src/distributed/index.js";
import { RANK_ENV } from "./onThreads.js";
import type { Ending, Mismatch, untilKilled } from "./ranks/failures.js";
import { type Built, buildForThreads } from "./threadsBuild.js";

const ENTRY = new URL("./ranks/failures.ts", import.meta.url);

let built: Built;
beforeAll(async () => {
  built = await buildForThreads(ENTRY.href);
});
afterAll(() => built.remove());

/** From the sources, as users launch TypeScript. */
function run<T>(name: string, options: Partial<LaunchOptions> = {}): Promise<T[]> {
  return launch<T>(ENTRY, { worldSize: 3, name, env: RANK_ENV, ...options });
}

/** Starts ranks and lets them end by themselves, whatever becomes of the others. */
async function runEach<T>(name: string, args: unknown[]): Promise<(T | undefined)[]> {
  const program = { entry: built.cases, name, args, prefix: "", argv: [] };
  const ranks = built.ranks.startRanks(program, { worldSize: 3 });
  await ranks.done;
  return ranks.handles.map((handle) => handle.value as T | undefined);
}

const counter = () => new Int32Array(new SharedArrayBuffer(4));

describe("ranks that disagree", () => {
  const said: Record<string, [string, RegExp]> = {
    op: ["OP", /ranks 0, 2: allReduce\(sum\) of float32\[6\]; rank 1: broadcast\(root 0\) of float32\[6\]/],
    shape: [
      "allReduce",
      /ranks 0, 2: allReduce\(sum\) of float32\[6\]; rank 1: allReduce\(sum\) of float32\[2, 3\]/,
    ],
    dtype: ["allReduce", /ranks 0, 2: .*float32\[6\]; rank 1: .*int32\[6\]/],
    root: ["broadcast", /ranks 0, 2: broadcast\(root 0\).*rank 1: broadcast\(root 1\)/],
    reduction: ["allReduce", /ranks 0, 2: allReduce\(sum\).*rank 1: allReduce\(max\)/],
    lists: ["allGather", /the list of rank 0 has \[6, 4, 6\] elements, that of rank 1 \[6, 5, 6\]/],
    newGroup: ["newGroup", /ranks 0, 1, 2: newGroup, with different lists/],
    size: ["reduce", /float32\[6\]; rank 1: reduce\(sum, root 0\) of float32\[5\]/],
  };
  const kinds = Object.keys(said);
  let results: Promise<Mismatch[][]>;
  beforeAll(() => {
    results = run<Mismatch[]>("mismatch", { args: [kinds] });
  });

  for (const [i, [kind, [op, text]]] of Object.entries(said).entries()) {
    it(`by ${kind}: the same error on all, values stay, the next collective works`, async () => {
      const call = 2 + 2 * i; // the first is initProcessGroup's own barrier
      for (const [rank, endings] of (await results).entries()) {
        const [ending, after, next] = endings[i] as Mismatch;
        expect(ending.name).toBe("DistMismatchError");
        expect(ending.op).toBe(op === "OP" ? (rank === 1 ? "broadcast" : "allReduce") : op);
        expect(ending.message).toMatch(text);
        expect(ending.message).toContain(`in call ${call} of the world`);
        expect(ending.sequenceNumber).toBe(call);
        expect(after).toEqual(new Array(6).fill(rank));
        expect(next).toBe(3);
      }
    });
  }
});

describe("a rank that is not there", () => {
  const what = "allReduce(sum) of float32[50000]";

  function check(endings: ([Ending, number[], Ending] | undefined)[], name: string, text: string): void {
    for (const rank of [0, 2]) {
      const [ending, distinct, next] = endings[rank] as [Ending, number[], Ending];
      expect(ending.name).toBe(name);
      expect(ending.message).toContain(text);
      expect(ending.message).toContain("in 1.0: Inner()");
      expect(ending).toMatchObject({ op: "allReduce", sequenceNumber: 3, ranks: [1] });
      expect(distinct).toEqual([rank]);
      expect(next.message).toMatch(
        /\[barrier\] the world is out of use since an earlier collective failed: \[allReduce\]/,
      );
    }
  }

  it("comes too late: a timeout names it, and it learns that it was given up", async () => {
    const endings = await runEach<[Ending, number[], Ending]>("absent", ["silent"]);
    // The first to give up says so; the other rank may hear of it before its own time is over.
    for (const rank of [0, 2]) {
      const [ending, distinct] = endings[rank] as [Ending, number[], Ending];
      expect(ending.message).toMatch(
        /timed out after 300 ms in call 3 of the world: rank 1 did not join; ranks 0, 2 waited/,
      );
      expect(ending.message).toContain(what);
      expect(ending.message).toContain("in 1.0: Inner()");
      expect(distinct).toEqual([rank]);
    }
    const [late] = endings[1] as [Ending, number[], Ending];
    expect(late.name).toBe("RankFailedError");
    expect(late.message).toMatch(/rank [02] gave up: \[allReduce\] timed out/);
  });

  it("throws", async () => {
    const endings = await runEach<[Ending, number[], Ending]>("absent", ["throws"]);
    check(
      endings,
      "RankFailedError",
      `[allReduce] rank 1 threw RangeError: rank 1 has had enough; ${what} (call 3`,
    );
  });

  it("exits", async () => {
    const endings = await runEach<[Ending, number[], Ending]>("absent", ["exits"]);
    check(endings, "RankFailedError", `[allReduce] rank 1 exited with code 3; ${what} (call 3`);
  });

  it.each(["exits quietly", "returns"])("%s", async (how) => {
    const endings = await runEach<[Ending, number[], Ending]>("absent", [how]);
    check(endings, "RankFailedError", `[allReduce] rank 1 has ended; ${what} (call 3`);
  });

  it("does not call initProcessGroup", async () => {
    for (const ending of (await runEach<Ending>("notJoined", ["returns", counter()])).filter(
      (_, r) => r !== 1,
    ))
      expect(ending?.message).toContain("[initProcessGroup] rank 1 has ended without calling it");
    const [first] = await runEach<Ending>("notJoined", ["silent", counter()]);
    expect(first?.name).toBe("DistTimeoutError");
    expect(first?.message).toMatch(/timed out after 500 ms: rank 1 did not call it/);
  });

  it("neither receives nor sends", async () => {
    const [endings] = await runEach<Ending[]>("messages", []);
    const [notReceived, notSent, fromNobody, toItself, endedBefore, endedBefore2] = endings as Ending[];
    expect(notReceived?.message).toMatch(
      /^\[send\] timed out after 100 ms: float32\[4\] for rank 1, tag 0: rank 1 did nothing/,
    );
    expect(notSent?.message).toMatch(/^\[recv\] timed out after 100 ms: a message from rank 1, tag 0/);
    expect(fromNobody?.message).toMatch(
      /^\[recv\] timed out after 100 ms: a message from any rank, tag 3: ranks 1, 2/,
    );
    expect(toItself?.message).toMatch(/dst: got rank 0, this one itself, expected another/);
    expect(endedBefore?.message).toMatch(/^\[recv\] rank 1 has ended: a message from rank 1/);
    expect(endedBefore2?.message).toMatch(/^\[send\] rank 1 has ended: float32\[4\] for rank 1/);
  });
});

describe("launch", () => {
  it("rejects with the error of the first rank that fails", async () => {
    await expect(run("absent", { args: ["throws"] })).rejects.toThrow(
      new RangeError("rank 1 has had enough"),
    );
    await expect(run("absent", { args: ["exits"] })).rejects.toThrow("[launch] rank 1 exited with code 3");
    await expect(run("missing")).rejects.toThrow(/exports no function "missing"/);
  });

  it("leaves no thread behind", async () => {
    const threads = () => readdirSync("/proc/self/task").length;
    await run("mismatch", { args: [["root"]] });
    const before = threads();
    for (const how of ["throws", "exits"])
      await run("absent", { args: [how], threads: 3 }).catch(() => undefined);
    const abort = new AbortController();
    const endless = run("absent", { args: ["silent"], threads: 2, signal: abort.signal });
    setTimeout(() => abort.abort(new Error("enough")), 300);
    await expect(endless).rejects.toThrow("enough");
    await expect.poll(threads, { timeout: 10_000 }).toBeLessThanOrEqual(before);
  });

  it("refuses bad options", async () => {
    await expect(run("mismatch", { worldSize: 0 })).rejects.toThrow(/worldSize: got 0/);
    await expect(run("mismatch", { threads: 1.5 })).rejects.toThrow(/threads: got 1.5/);
  });
});

describe("a rank that is killed", () => {
  it("at any point: the others learn of it, and no tensor is half-written", async () => {
    const points = fc.record({
      victim: fc.nat({ max: 2 }),
      step: fc.nat({ max: 40 }),
      micros: fc.nat({ max: 300 }),
      numel: fc.constantFrom(3, 3000, 20_000, 400_000),
    });
    const kill = async ({
      victim,
      step,
      micros,
      numel,
    }: {
      victim: number;
      step: number;
      micros: number;
      numel: number;
    }) => {
      const progress = new Int32Array(new SharedArrayBuffer(12));
      const args = [progress, numel];
      const program = { entry: built.cases, name: "untilKilled", args, prefix: "", argv: [] };
      const ranks = built.ranks.startRanks(program, { worldSize: 3 });
      while (Atomics.load(progress, victim) <= step) await new Promise((next) => setImmediate(next));
      const until = performance.now() + micros / 1000;
      while (performance.now() < until);
      await ranks.handles[victim]?.worker.terminate();
      await ranks.done;
      for (const { rank, value } of ranks.handles) {
        if (rank === victim) continue;
        const { ending, distinct, before, after } = value as ReturnType<typeof untilKilled>;
        expect(ending.name).toBe("RankFailedError");
        expect(ending.message).toContain(`rank ${victim} was ended`);
        expect(ending.ranks).toEqual([victim]);
        const { op, sequenceNumber } = ending; // messages have no number
        expect(sequenceNumber === null).toBe(op === "recv" || op === "isend");
        expect(distinct).toHaveLength(1);
        expect([before, after]).toContain(distinct[0]);
      }
    };
    await fc.assert(fc.asyncProperty(points, kill), { numRuns: 16, endOnFailure: true });
  });
});
