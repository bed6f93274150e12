import { spawnSync } from "node:child_process";
import { afterEach, describe, expect, it } from "vitest";
import {
  besideNextBatch,
  getNumThreads,
  growTo,
  HEAP_BASE,
  MAX_CHUNKS,
  mem,
  memory,
  push,
  readyWorkers,
  runAll,
  runSeries,
  setNumThreads,
  split,
  splitStart,
} from "../../src/kernels/index.js";

const N = 100_003;
const [X, OUT] = [HEAP_BASE, HEAP_BASE + 4 * 100_016];

function fillInput(): void {
  growTo(OUT + 4 * N);
  for (let i = 0; i < N; i++) mem.f32[X / 4 + i] = Math.fround(Math.sin(i) * 10);
}

/** out = x + x over [0, N), cut by size alone. */
function addInPieces(pieces: number): Uint8Array {
  mem.u8.fill(0, OUT, OUT + 4 * N);
  for (let i = 0; i < pieces; i++) {
    const start = splitStart(i, pieces, N);
    const length = splitStart(i + 1, pieces, N) - start;
    push("add_f32", X + 4 * start, X + 4 * start, OUT + 4 * start, 1, length, 0, 1, 0, 1);
  }
  runAll();
  return mem.u8.slice(OUT, OUT + 4 * N);
}

/** Works without yielding to the event loop until `n` workers are up, as a synchronous training loop does. */
function workUntilReady(n: number): void {
  const end = performance.now() + 20_000;
  while (readyWorkers() < n && performance.now() < end) addInPieces(16);
  expect(readyWorkers()).toBe(n);
}

afterEach(() => setNumThreads(2));

describe("pool", () => {
  it("gives the same bits for 1, 2 and 3 threads, while workers start and after", () => {
    fillInput();
    setNumThreads(1);
    const expected = addInPieces(16);
    for (const threads of [2, 3]) {
      setNumThreads(threads);
      expect(addInPieces(16)).toEqual(expected);
      workUntilReady(threads - 1);
      for (let i = 0; i < 200; i++) expect(Buffer.compare(addInPieces(1 + (i % 64)), expected)).toBe(0);
    }
  });

  it("runs batches larger than the command buffer", () => {
    fillInput();
    setNumThreads(1);
    const expected = addInPieces(1);
    setNumThreads(3);
    expect(Buffer.compare(addInPieces(1000), expected)).toBe(0);
  });

  it("runs a series as it runs its calls one by one, after what was queued before", () => {
    fillInput();
    for (const threads of [1, 3]) {
      setNumThreads(threads);
      if (threads > 1) workUntilReady(threads - 1);
      for (const count of [1, 2, 3, 30, 1000]) {
        const expected = addInPieces(1);
        mem.u8.fill(0, OUT, OUT + 4 * N);
        const size = Math.floor(N / count);
        const left = N - (count - 1) * size;
        const at = 4 * (count - 1) * size;
        // Queued before, and written over by the series: the series must come second.
        push("add_f32", OUT, X, OUT, 1, size, 0, 1, 0, 1);
        runSeries(
          "add_f32",
          count,
          [X, X, OUT, 1, size, 0, 1, 0, 1],
          [4 * size, 4 * size, 4 * size, 0, 0, 0, 0, 0, 0],
          [X + at, X + at, OUT + at, 1, left, 0, 1, 0, 1],
        );
        expect(Buffer.compare(mem.u8.slice(OUT, OUT + 4 * N), expected)).toBe(0);
      }
      const steps = [0, 0, 0, 0, 0, 0, 0, 0, 0];
      const outside = [0xfffffff0, X, 0xfffffff0, 1, 1024, 0, 1, 0, 1];
      expect(() => runSeries("add_f32", 8, outside, steps, outside)).toThrow(/out of bounds/);
    }
  });

  it("runs every call exactly once under contention", () => {
    setNumThreads(3);
    growTo(OUT + 4 * N);
    workUntilReady(2);
    // x[i] += 1 on 64 disjoint cells, many batches: a lost or doubled call shows in the count.
    const one = OUT;
    mem.f32[one / 4] = 1;
    mem.f32.fill(0, X / 4, X / 4 + 64);
    const batches = 20_000;
    for (let batch = 0; batch < batches; batch++) {
      for (let i = 0; i < 64; i++) push("add_f32", X + 4 * i, one, X + 4 * i, 1, 1, 0, 1, 0, 0);
      runAll();
    }
    expect([...mem.f32.subarray(X / 4, X / 4 + 64)]).toEqual(new Array(64).fill(batches));
  });

  it("sees memory that grew while the workers live", () => {
    setNumThreads(3);
    fillInput();
    workUntilReady(2);
    const base = memory.buffer.byteLength;
    growTo(base + 2 ** 20);
    const cells = 2 ** 16;
    for (let i = 0; i < 64; i++) {
      const at = base + i * 4096;
      mem.f32.fill(i, at / 4, at / 4 + 1024);
      push("add_f32", at, at, at, 1, 1024, 0, 1, 0, 1);
    }
    runAll();
    expect(mem.f32.subarray(base / 4, base / 4 + cells)).toEqual(
      Float32Array.from({ length: cells }, (_, i) => 2 * (i >> 10)),
    );
  });

  it("wakes workers that went to sleep", async () => {
    setNumThreads(2);
    fillInput();
    workUntilReady(1);
    const expected = addInPieces(16);
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(Buffer.compare(addInPieces(16), expected)).toBe(0);
    }
  });

  it("grows again after it was made smaller, within one synchronous stretch", () => {
    fillInput();
    for (let i = 0; i < 5; i++) {
      setNumThreads(3);
      workUntilReady(2);
      setNumThreads(1);
      expect(readyWorkers()).toBe(0);
    }
  });

  it("reports a trap, from whichever thread, by an error, and goes on working", () => {
    setNumThreads(3);
    fillInput();
    workUntilReady(2);
    for (let i = 0; i < 50; i++) {
      for (let k = 0; k < 8; k++) push("add_f32", 0xfffffff0, X, 0xfffffff0, 1, 1024, 0, 1, 0, 1);
      expect(runAll).toThrow(/out of bounds/);
      expect(addInPieces(16)[0]).toBeDefined();
    }
  });

  it("runs a job beside the next batch, once; at once on one thread; its error comes after the batch", () => {
    fillInput();
    setNumThreads(1);
    const expected = addInPieces(16);
    let runs = 0;
    besideNextBatch(() => runs++);
    expect(runs).toBe(1);
    setNumThreads(3);
    workUntilReady(2);
    besideNextBatch(() => runs++);
    expect(runs).toBe(1);
    expect(Buffer.compare(addInPieces(16), expected)).toBe(0);
    expect(runs).toBe(2);
    addInPieces(16);
    expect(runs).toBe(2);
    besideNextBatch(() => runs++);
    besideNextBatch(null);
    addInPieces(16);
    expect(runs).toBe(2);
    besideNextBatch(() => {
      throw new Error("from the job");
    });
    expect(() => addInPieces(16)).toThrow("from the job");
    expect(Buffer.compare(mem.u8.slice(OUT, OUT + 4 * N), expected)).toBe(0);
  });

  it("checks the number of threads", () => {
    expect(() => setNumThreads(0)).toThrow("[setNumThreads] got 0, expected a whole number of at least 1");
    expect(() => setNumThreads(1.5)).toThrow("got 1.5");
    setNumThreads(3);
    expect(getNumThreads()).toBe(3);
  });
});

describe("split", () => {
  it("never cuts below the grain and covers everything once", () => {
    expect([split(0, 100), split(199, 100), split(200, 100), split(10 ** 9, 100)]).toEqual([
      1,
      1,
      2,
      MAX_CHUNKS,
    ]);
    for (const total of [1, 7, 1000, 2 ** 31 - 1]) {
      for (const pieces of [1, 3, 64]) {
        expect(splitStart(0, pieces, total)).toBe(0);
        expect(splitStart(pieces, pieces, total)).toBe(total);
      }
    }
  });
});

describe("process", () => {
  const program = `
    import { getNumThreads, growTo, HEAP_BASE, push, readyWorkers, runAll } from "./src/kernels/index.ts";
    growTo(2 ** 22);
    const end = performance.now() + 20000;
    do {
      for (let i = 0; i < 4; i++) {
        const at = HEAP_BASE + 65536 * i;
        push("add_f32", at, at, at, 1, 1000, 0, 1, 0, 1);
      }
      runAll();
    } while (readyWorkers() < getNumThreads() - 1 && performance.now() < end);
    console.log(getNumThreads() + " threads, " + readyWorkers() + " workers, " + Math.round(performance.now()));
  `;
  const run = (code: string, env: Record<string, string>) => {
    const args = ["--import", "tsx", "--input-type=module", "-e", code];
    const result = spawnSync(process.execPath, args, {
      env: { ...process.env, ...env },
      encoding: "utf8",
      timeout: 60_000,
    });
    return { ...result, ended: Date.now() };
  };

  it("ends by itself while workers live", () => {
    const { status, stdout, stderr } = run(program, { KINDLING_THREADS: "3" });
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^3 threads, 2 workers/);
    expect(status).toBe(0);
  });

  it("ends on process.exit right after the workers were started", () => {
    const code = `${program.replace(/do \{/, "{").replace(/\} while.*$/m, "}")}; process.exit(7);`;
    const { status, stderr } = run(code, { KINDLING_THREADS: "8" });
    expect(stderr).toBe("");
    expect(status).toBe(7);
  });

  it("starts no worker with KINDLING_THREADS=1", () => {
    const { stdout } = run(program, { KINDLING_THREADS: "1" });
    expect(stdout).toMatch(/^1 threads, 0 workers/);
  });

  it("says what is wrong with KINDLING_THREADS", () => {
    const { stderr } = run(program, { KINDLING_THREADS: "two" });
    expect(stderr).toContain('[kernels] KINDLING_THREADS: got "two", expected a whole number of at least 1');
  });

  it("says so when a worker dies, and goes on", () => {
    const code = `
      import threads from "node:worker_threads";
      const { Worker } = threads;
      const made = [];
      const builtin = process.getBuiltinModule("node:worker_threads");
      builtin.Worker = class extends Worker { constructor(...args) { super(...args); made.push(this); } };
      const main = async () => {
        ${program.replace(/import \{(.*)\} from "(.*)";/, (_, names: string, from: string) => `const {${names}} = await import("${from}");`)}
        await made[0].terminate();
        await new Promise((resolve) => setTimeout(resolve, 50));
        for (let i = 0; i < 4; i++) push("add_f32", HEAP_BASE, HEAP_BASE, HEAP_BASE + 65536 * i, 1, 1000, 0, 1, 0, 1);
        runAll();
        console.log("still works");
      };
      main();
    `;
    const { stdout, stderr } = run(code, { KINDLING_THREADS: "2" });
    expect(stderr).toContain("[kindling] worker thread 0 died (exit code 1); going on with 1 threads");
    expect(stdout).toContain("still works");
  });
});
