/** Memory that grows between two batches of the pool: a worker's bulk copies must see the new size. */
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { ones, setMemoryLimit, setNumThreads, type Tensor } from "../../src/index.js";
import { kernelNames } from "../../src/kernels/generated/kernels.js";
import { workerSource } from "../../src/kernels/generated/worker.js";
import {
  BATCH,
  CLAIMS,
  COMMANDS,
  COUNT,
  DONE,
  EPOCH,
  FAILED,
  PAGES,
  RANGES,
  SCALARS,
  SLOTS,
  STATE_QUIT,
  STATE_STARTING,
} from "../../src/kernels/layout.js";
import { kernelIndex, kernelModules } from "../../src/kernels/load.js";
import { wasm } from "../../src/kernels/platform.js";

test("copies right after each growth", () => {
  setNumThreads(2);
  setMemoryLimit(2 ** 31);
  const kept: Tensor[] = [];
  for (let i = 0; i < 60; i++) kept.push(ones([1_000_000 + 4096 * i]).clone());
  expect(kept.every((t) => t.sum().item() === t.numel)).toBe(true);
});

test("a worker that receives the memory while it grows catches up", async () => {
  // V8 reads the memory's size when a message begins to arrive, and lists the memory as the worker's when it comes to
  // it: what grows in between is never told to the worker. The padding makes the time in between long.
  const memory = new wasm.Memory({ initial: 16, maximum: 4096, shared: true });
  const control = new Int32Array(memory.buffer);
  control[SLOTS] = STATE_STARTING;
  const padding = new Map(Array.from({ length: 1_000_000 }, (_, i) => [i, i]));
  const worker = new Worker(workerSource, {
    eval: true,
    execArgv: [],
    workerData: { padding, modules: kernelModules, memory, kernelNames, id: 0, spinMicros: 50 },
  });
  try {
    for (let i = 0; i < 20; i++) {
      await sleep(10);
      memory.grow(16);
    }
    // One fill at the end of the memory.
    const bytes = memory.buffer.byteLength;
    const at = bytes - 4096;
    new Uint8Array(memory.buffer)[SCALARS] = 3;
    new Float64Array(memory.buffer, COMMANDS, 4).set([
      kernelIndex.get("fill_1") as number,
      at,
      4096,
      SCALARS,
    ]);
    Atomics.store(control, PAGES, bytes / 65536);
    Atomics.store(control, COUNT, 1);
    Atomics.store(control, RANGES, 1);
    Atomics.store(control, CLAIMS, 1);
    Atomics.add(control, BATCH, 1);
    Atomics.add(control, EPOCH, 1);
    Atomics.notify(control, EPOCH);
    const end = performance.now() + 20_000;
    while (Atomics.load(control, DONE) === 0 && performance.now() < end) await sleep(5);
    expect(Atomics.load(control, DONE)).toBe(1);
    expect(new Uint8Array(memory.buffer, at).every((v) => v === 3)).toBe(true);
    expect(Atomics.load(control, FAILED)).toBe(0);
  } finally {
    Atomics.store(control, SLOTS, STATE_QUIT);
    await worker.terminate();
  }
});
