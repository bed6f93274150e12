// The program of a pool worker: claim calls from the command buffer, run them, sleep when there are none.
// The build bundles this file into a string (generated/worker.ts), with what it imports.

import { type Kernel, runCall } from "./call.js";
import { claim } from "./claim.js";
import {
  BATCH,
  CALLER_WAITS,
  COMMAND_WORDS,
  COMMANDS,
  COUNT,
  DONE,
  EPOCH,
  ERROR_TEXT,
  ERROR_TEXT_MAX,
  FAILED,
  MAX_CALLS,
  PAGES,
  SLEEPERS,
  SLOTS,
  STATE_NONE,
  STATE_QUIT,
  STATE_READY,
  STATE_STARTING,
} from "./layout.js";
import { nodeProcess, type WasmMemory, type WasmModule, wasm } from "./platform.js";

/** What the pool hands to a worker that it starts. */
export interface WorkerStart {
  readonly modules: readonly WasmModule[];
  readonly memory: WasmMemory;
  readonly kernelNames: readonly string[];
  readonly id: number;
  readonly spinMicros: number;
}

function work({ modules, memory, kernelNames, id, spinMicros }: WorkerStart): void {
  const instances = modules.map((module) => new wasm.Instance(module, { env: { memory } }));
  const exports: Record<string, unknown> = Object.assign(
    {},
    ...instances.map((instance) => instance.exports),
  );
  const kernels = kernelNames.map((name) => exports[name] as Kernel);
  // Growing a shared memory keeps its low bytes in place, so these views stay valid for ever.
  const control = new Int32Array(memory.buffer, 0, COMMANDS / 4);
  const bytes = new Uint8Array(memory.buffer, 0, COMMANDS);
  const commands = new Float64Array(memory.buffer, COMMANDS, MAX_CALLS * COMMAND_WORDS);
  const state = SLOTS + 2 * id;

  /** The last batch in which this thread found nothing left to do. */
  let seen = 0;
  const spinForWork = (): boolean => {
    const end = performance.now() + spinMicros / 1000;
    do {
      for (let i = 0; i < 64; i++) if (Atomics.load(control, BATCH) !== seen) return true;
    } while (performance.now() < end);
    return false;
  };

  const report = (call: number, error: unknown): void => {
    if (Atomics.compareExchange(control, FAILED, 0, call + 1) !== 0) return;
    const text = String(error).slice(0, ERROR_TEXT_MAX);
    control[ERROR_TEXT / 4] = text.length;
    for (let i = 0; i < text.length; i++) bytes[ERROR_TEXT + 4 + i] = text.charCodeAt(i);
  };

  // An engine tells other threads of a growth by an interrupt. Until it has come, this thread's bulk copies and fills
  // still check against the old size and would trap. V8 never tells a thread that was receiving the memory at that
  // moment. Growing by nothing reads the size anew.
  let pages = 0;
  const catchUp = (): void => {
    const grown = Atomics.load(control, PAGES);
    if (pages >= grown) return;
    if (memory.buffer.byteLength / 65536 < grown) memory.grow(0);
    pages = grown;
  };

  const drain = (): void => {
    const batch = Atomics.load(control, BATCH);
    for (;;) {
      const call = claim(control, id + 1);
      if (call < 0) {
        seen = batch;
        return;
      }
      control[state + 1] = call + 1;
      catchUp();
      try {
        runCall(kernels, control, commands, call, Atomics.load(control, COUNT));
      } catch (error) {
        report(call, error);
      }
      control[state + 1] = 0;
      Atomics.add(control, DONE, 1);
      if (Atomics.load(control, CALLER_WAITS) === 1) Atomics.notify(control, DONE);
    }
  };

  Atomics.compareExchange(control, state, STATE_STARTING, STATE_READY);
  while (Atomics.load(control, state) !== STATE_QUIT) {
    if (spinForWork()) {
      drain();
      continue;
    }
    Atomics.add(control, SLEEPERS, 1);
    const epoch = Atomics.load(control, EPOCH);
    if (Atomics.load(control, BATCH) === seen && Atomics.load(control, state) !== STATE_QUIT) {
      Atomics.wait(control, EPOCH, epoch);
    }
    Atomics.sub(control, SLEEPERS, 1);
  }
  Atomics.store(control, state, STATE_NONE);
}

const nodeThreads = nodeProcess?.getBuiltinModule?.("node:worker_threads");
if (nodeThreads) work(nodeThreads.workerData as WorkerStart);
else {
  const scope = globalThis as unknown as { onmessage: (event: { data: WorkerStart }) => void };
  scope.onmessage = (event) => work(event.data);
}
