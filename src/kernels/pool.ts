// The worker pool: independent kernel calls are queued in shared memory, and the calling thread and the
// workers claim them one by one (claim.ts). Which thread runs a call cannot change its result, and how work is
// cut into calls depends on its size alone (or, in matrix products and recurrent layers, cannot change what is
// computed for any element), so results have the same bits for every number of threads.

import { callKernel, type Kernel, runCall } from "./call.js";
import { claim, rangeStart } from "./claim.js";
import type { KernelName, Kernels } from "./generated/kernels.js";
import { kernelNames } from "./generated/kernels.js";
import { workerSource } from "./generated/worker.js";
import {
  BACKWARD,
  BATCH,
  CALLER_WAITS,
  CLAIM_WORDS,
  CLAIMS,
  COMMAND_WORDS,
  COMMANDS,
  COUNT,
  DONE,
  EPOCH,
  ERROR_TEXT,
  FAILED,
  MAX_CALLS,
  MAX_RANGES,
  MAX_WORKERS,
  RANGES,
  SERIES,
  SLEEPERS,
  SLOTS,
  STATE_NONE,
  STATE_QUIT,
  STATE_READY,
  STATE_STARTING,
} from "./layout.js";
import { kernelIndex, kernelModules, kernels, mem, memory, shared } from "./load.js";
import { availableParallelism, env, nodeProcess, startWebWorker } from "./platform.js";
import type { WorkerStart } from "./worker.js";

/** How long a thread looks for work, or for the end of work, before it sleeps. */
const SPIN_MICROS = 50;

/** Seconds without any call finishing after which a claimed call counts as lost with its worker. */
const STALL_SECONDS = 120;

// Measured on two cores of an x86-64 server, Node 20: queueing and running 2 calls costs 0.3 us over the calls
// themselves, and 0.06 us for each further one; a spinning worker joins in within 0.5 us. Waking a sleeping one
// costs this thread 8 us, and it joins in after about 25 us. So a piece of about 10 us is worth cutting off, and
// a batch is worth a wake-up from about 60 us on: adding 65,536 floats takes 5.4 us alone and 3.5 us shared with
// a spinning worker, but 13 us if it must be woken; 1,048,576 floats take 117, 57 and 80 us.

/** Calls in a batch from which `runAll` wakes sleeping workers by itself. */
export const WAKE_CALLS = 6;

/** About 10 us of work: elements of a kernel bound by memory, such as add, copy or relu. */
export const GRAIN_CHEAP = 65536;

/** About 10 us of work: elements of a kernel with a transcendental function, such as exp or gelu. */
export const GRAIN_MATH = 16384;

/** About 10 us of work: multiply-adds of a matrix product or convolution. */
export const GRAIN_MULTIPLY_ADDS = 131072;

/** Most calls that one operation is cut into. */
export const MAX_CHUNKS = 64;

interface Handle {
  readonly id: number;
  quit: boolean;
}

// The low region never moves: for a shared memory these views outlive every growth, and an unshared memory
// has no pool.
const control = new Int32Array(memory.buffer, 0, COMMANDS / 4);
const commands = new Float64Array(memory.buffer, COMMANDS, MAX_CALLS * COMMAND_WORDS);
const table = kernelNames.map((name) => kernels[name] as Kernel);

let threads = shared ? initialThreads() : 1;
let queued = 0;
/** Direction of the last batch. */
let backward = 0;
/** What the calling thread does beside the next batch. */
let job: (() => void) | null = null;
const workers: Handle[] = [];
let startFailed = false;

function initialThreads(): number {
  const given = env("KINDLING_THREADS");
  if (given === undefined) return Math.min(availableParallelism(), 8);
  const n = Number(given);
  if (Number.isInteger(n) && n >= 1) return Math.min(n, MAX_WORKERS + 1);
  throw new Error(`[kernels] KINDLING_THREADS: got "${given}", expected a whole number of at least 1`);
}

/** The number of threads that share a large operation, the calling thread included. */
export function getNumThreads(): number {
  return threads;
}

/**
 * Sets the number of threads that share a large operation. It changes speed only: results have the same bits
 * for every number. Without SharedArrayBuffer (a page that is not cross-origin isolated) it stays at 1.
 */
export function setNumThreads(n: number): void {
  if (!Number.isInteger(n) || n < 1) {
    throw new RangeError(`[setNumThreads] got ${n}, expected a whole number of at least 1`);
  }
  threads = shared ? Math.min(n, MAX_WORKERS + 1) : 1;
  while (workers.length > threads - 1) stopWorker();
}

/**
 * How many pieces to cut `total` units of work into, each of at least `grain` (about 10 us): 1 when it does not
 * pay. The answer depends on the size alone, never on the number of threads.
 */
export function split(total: number, grain: number): number {
  return Math.max(1, Math.min(MAX_CHUNKS, Math.floor(total / grain)));
}

/** First unit of piece `i` of `pieces`; piece `i` ends where piece `i + 1` starts. */
export function splitStart(i: number, pieces: number, total: number): number {
  return Math.floor((i * total) / pieces);
}

/**
 * Queues one kernel call for `runAll`. The calls queued together must be independent: none may read what
 * another writes. With one thread the call runs at once.
 */
export function push<K extends KernelName>(name: K, ...args: Parameters<Kernels[K]>): void {
  if (threads === 1) {
    (kernels[name] as Kernel)(...args);
    return;
  }
  write(queued, name, args as readonly number[]);
  if (++queued === MAX_CALLS) runAll();
}

/** Writes an entry of the command buffer. */
function write(entry: number, name: KernelName, args: readonly number[]): void {
  const at = entry * COMMAND_WORDS;
  commands[at] = kernelIndex.get(name) as number;
  for (let i = 0; i < args.length; i++) commands[at + 1 + i] = args[i] as number;
}

/**
 * Runs `count` calls of one kernel, on this thread and the workers, and returns when every one has returned: call `i`
 * gets `first[k] + i * steps[k]` as its argument `k`, but the last call gets `last`. They must be independent. However
 * many they are, they take three entries of the command buffer: 30 calls are queued in 0.5 us rather than 3.
 */
export function runSeries(
  name: KernelName,
  count: number,
  first: readonly number[],
  steps: readonly number[],
  last: readonly number[],
): void {
  runAll(); // what is queued has entries that these need
  if (threads === 1) {
    const kernel = kernels[name] as Kernel;
    const args = [...first];
    for (let i = 1; i < count; i++) {
      kernel(...args);
      for (let k = 0; k < args.length; k++) (args[k] as number) += steps[k] as number;
    }
    kernel(...last);
    return;
  }
  write(0, name, first);
  write(1, name, steps);
  write(2, name, last);
  share(count, true, count >= WAKE_CALLS, true);
}

/**
 * Runs all queued calls, on this thread and the workers, and returns when every one has returned. `wake` says
 * whether the batch is long enough to wake workers that sleep; workers that are awake share any batch. `inTurns` says
 * whether batches may go through their calls forward and backward in turns; else this one goes forward.
 */
export function runAll(wake = queued >= WAKE_CALLS, inTurns = true): void {
  const count = queued;
  if (count === 0) return;
  queued = 0;
  if (count === 1) {
    callKernel(table, commands, 0);
    return;
  }
  share(count, false, wake, inTurns);
}

/** Runs a batch that is in the command buffer on all threads. */
function share(count: number, series: boolean, wake: boolean, inTurns: boolean): void {
  if (workers.length < threads - 1 && !startFailed) startWorkers();
  publish(count, series, inTurns);
  if (wake) {
    Atomics.add(control, EPOCH, 1);
    if (Atomics.load(control, SLEEPERS) > 0) Atomics.notify(control, EPOCH, count - 1);
  }
  let failure: unknown;
  if (job !== null && workers.length > 0) {
    const run = job;
    job = null;
    try {
      run();
    } catch (error) {
      failure = error;
    }
  }
  for (let call = claim(control, 0); call >= 0; call = claim(control, 0)) {
    try {
      runCall(table, control, commands, call, count);
    } catch (error) {
      failure ??= error;
    }
    Atomics.add(control, DONE, 1);
  }
  if (Atomics.load(control, DONE) !== count) waitForWorkers(count);
  if (Atomics.load(control, FAILED) !== 0) failure = workerFailure();
  if (failure !== undefined) throw failure;
}

/**
 * Has this thread run `run` at the start of the next batch, while workers run the batch's calls; at once when there is
 * but one thread. It must not queue calls. Null takes it back.
 */
export function besideNextBatch(run: (() => void) | null): void {
  if (threads > 1 || run === null) job = run;
  else run();
}

/** Opens the queued calls to all threads. */
function publish(count: number, series: boolean, inTurns: boolean): void {
  const ranges = Math.min(threads, count, MAX_RANGES);
  backward = inTurns ? 1 - backward : 0;
  Atomics.store(control, DONE, 0);
  Atomics.store(control, COUNT, count);
  Atomics.store(control, RANGES, ranges);
  Atomics.store(control, BACKWARD, backward);
  Atomics.store(control, SERIES, Number(series));
  for (let r = 0; r < ranges; r++) {
    const size = rangeStart(r + 1, ranges, count) - rangeStart(r, ranges, count);
    Atomics.store(control, CLAIMS + CLAIM_WORDS * r, size);
  }
  Atomics.add(control, BATCH, 1);
}

function waitForWorkers(count: number): void {
  let end = performance.now() + SPIN_MICROS / 1000;
  do {
    for (let i = 0; i < 64; i++) if (Atomics.load(control, DONE) === count) return;
  } while (performance.now() < end);
  end = performance.now() + STALL_SECONDS * 1000;
  let stalls = 0;
  Atomics.store(control, CALLER_WAITS, 1);
  for (;;) {
    const done = Atomics.load(control, DONE);
    if (done === count) break;
    if (!canSleep) {
      if (performance.now() > end) throw stallError();
    } else if (Atomics.wait(control, DONE, done, 1000) !== "timed-out") stalls = 0;
    else if (++stalls === STALL_SECONDS) throw stallError();
  }
  Atomics.store(control, CALLER_WAITS, 0);
}

/** A browser's main thread must not block, so it spins. */
const canSleep = (() => {
  try {
    Atomics.wait(control, DONE, -1, 0);
    return true;
  } catch {
    return false;
  }
})();

function callName(call: number): string {
  const entry = Atomics.load(control, SERIES) === 1 ? 0 : call;
  return kernelNames[commands[entry * COMMAND_WORDS] as number] ?? "unknown";
}

function workerFailure(): Error {
  const call = Atomics.exchange(control, FAILED, 0) - 1;
  const length = control[ERROR_TEXT / 4] as number;
  const text = String.fromCharCode(...mem.u8.slice(ERROR_TEXT + 4, ERROR_TEXT + 4 + length));
  return new Error(`[kernels] ${callName(call)} failed in a worker thread: ${text}`);
}

function stallError(): Error {
  const running = workers.flatMap(({ id }) => {
    const call = Atomics.load(control, SLOTS + 2 * id + 1);
    return call === 0 ? [] : [`worker ${id} in ${callName(call - 1)}`];
  });
  return new Error(
    `[kernels] no call finished for ${STALL_SECONDS} s: ${running.join(", ") || "no worker is running one"}; ` +
      "a worker thread was killed or is stopped; try KINDLING_THREADS=1",
  );
}

function startWorkers(): void {
  for (let id = 0; id < MAX_WORKERS && workers.length < threads - 1; id++) {
    if (Atomics.load(control, SLOTS + 2 * id) !== STATE_NONE) continue; // in use, or about to leave
    const handle: Handle = { id, quit: false };
    const data: WorkerStart = { modules: kernelModules, memory, kernelNames, id, spinMicros: SPIN_MICROS };
    Atomics.store(control, SLOTS + 2 * id, STATE_STARTING);
    try {
      launch(data, (reason) => onGone(handle, reason));
    } catch (error) {
      startFailed = true;
      Atomics.store(control, SLOTS + 2 * id, STATE_NONE);
      warn(`cannot start a worker thread (${String(error)}): running on ${workers.length + 1} threads`);
      return;
    }
    workers.push(handle);
  }
}

/** Starts a thread that never keeps the process alive; it needs no message after its start. */
function launch(data: WorkerStart, gone: (reason: string) => void): void {
  const threads = nodeProcess?.getBuiltinModule?.("node:worker_threads");
  if (threads) {
    const worker = new threads.Worker(workerSource, {
      eval: true,
      workerData: data,
      name: `kindling-${data.id}`,
      env: threads.SHARE_ENV,
      execArgv: [],
    });
    let reason = "";
    worker.on("error", (error) => {
      reason = String(error);
    });
    worker.on("exit", (code) => gone(reason || `exit code ${code}`));
    worker.unref();
    return;
  }
  startWebWorker(workerSource, data, gone);
}

function onGone(handle: Handle, reason: string): void {
  if (handle.quit) return;
  Atomics.store(control, SLOTS + 2 * handle.id, STATE_NONE);
  const at = workers.indexOf(handle);
  if (at >= 0) workers.splice(at, 1);
  startFailed = true;
  warn(`worker thread ${handle.id} died (${reason}); going on with ${workers.length + 1} threads`);
}

function stopWorker(): void {
  const handle = workers.pop();
  if (!handle) return;
  handle.quit = true;
  Atomics.store(control, SLOTS + 2 * handle.id, STATE_QUIT);
  Atomics.add(control, EPOCH, 1);
  Atomics.notify(control, EPOCH);
}

function warn(text: string): void {
  console.warn(`[kindling] ${text}`);
}

/** How many workers are up and looking for work; for tests and benchmarks. */
export function readyWorkers(): number {
  return workers.filter(({ id }) => Atomics.load(control, SLOTS + 2 * id) === STATE_READY).length;
}
