/**
 * The library in a page: bundled for browsers, run in a context that has what a page has and nothing of Node's. Without
 * SharedArrayBuffer it runs on one thread; with it (a page that is cross-origin isolated) on web workers.
 */
import { resolve } from "node:path";
import vm from "node:vm";
import { Worker as NodeWorker } from "node:worker_threads";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");

const PAGE = `
import { getNumThreads, manualSeed, nn, randn } from "kindling";
import { DataLoader, TensorDataset } from "kindling/data";
import { load, save } from "kindling/io";
import { Adam } from "kindling/optim";

manualSeed(0);
const data = new TensorDataset(randn([64, 10]), randn([64, 1]));
const model = new nn.Sequential(new nn.Linear(10, 32), new nn.BatchNorm1d(32), new nn.ReLU(), new nn.Linear(32, 1));
const optimizer = new Adam(model.parameters(), { lr: 1e-2 });
const losses = [];
for (let epoch = 0; epoch < 5; epoch++) {
  for (const [x, y] of new DataLoader(data, { batchSize: 32, shuffle: true })) {
    optimizer.zeroGrad();
    const loss = nn.functional.mseLoss(model(x), y);
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
}
model.loadStateDict(load(save(model.stateDict())));
let large = 0;
for (let i = 0; i < 20; i++) large = randn([1000, 1000]).exp().sum().item(); // 80 MB of garbage, cut into pieces
report({ losses, large, threads: getNumThreads() });
`;

interface Report {
  losses: number[];
  large: number;
  threads: number;
}

let bundle = "";
beforeAll(async () => {
  const { outputFiles } = await build({
    stdin: { contents: PAGE, resolveDir: root },
    alias: {
      kindling: resolve(root, "src/index.ts"),
      "kindling/data": resolve(root, "src/data/index.ts"),
      "kindling/io": resolve(root, "src/io/index.ts"),
      "kindling/optim": resolve(root, "src/optim/index.ts"),
    },
    bundle: true,
    platform: "browser",
    format: "iife",
    target: "es2022",
    write: false,
  });
  bundle = outputFiles[0]?.text ?? "";
});

const workers: NodeWorker[] = [];
afterAll(() => Promise.all(workers.map((worker) => worker.terminate())));

/** A web worker, as far as the pool uses one: a program from a blob's URL, in a context of its own. */
const THREAD = `
const { parentPort, workerData } = require("node:worker_threads");
const context = require("node:vm").createContext({ performance, WebAssembly, Atomics, SharedArrayBuffer });
require("node:vm").runInContext(workerData, context);
parentPort.once("message", (data) => context.onmessage({ data }));
`;

/** Runs the bundle in a page. */
function page(isolated: boolean): Report {
  let reported: Report | null = null;
  const programs = new Map<string, string>();
  class Blob {
    constructor(readonly parts: readonly string[]) {}
  }
  class Worker {
    onerror: (event: { message: string }) => void = () => {};
    private readonly thread: NodeWorker;
    constructor(url: string) {
      this.thread = new NodeWorker(THREAD, { eval: true, workerData: programs.get(url) });
      this.thread.on("error", (error) => this.onerror(error as Error));
      this.thread.unref();
      workers.push(this.thread);
    }
    postMessage(data: unknown): void {
      this.thread.postMessage(data);
    }
  }
  const createObjectURL = ({ parts }: Blob) => {
    programs.set(`blob:${programs.size}`, parts.join(""));
    return `blob:${programs.size - 1}`;
  };
  const globals = {
    ...{ atob, btoa, performance, setTimeout, TextDecoder, TextEncoder },
    ...{ Blob, Worker, URL: { createObjectURL }, navigator: { hardwareConcurrency: 2 } },
    // Threads share what this realm's SharedArrayBuffer and WebAssembly make.
    ...(isolated
      ? { Atomics, SharedArrayBuffer, WebAssembly: Reflect.get(globalThis, "WebAssembly") as object }
      : {}),
    report: (value: Report) => {
      reported = value;
    },
  };
  const context = vm.createContext(globals);
  if (!isolated) vm.runInContext("delete globalThis.SharedArrayBuffer", context);
  expect(vm.runInContext("[typeof process, typeof require]", context)).toEqual(["undefined", "undefined"]);
  vm.runInContext(bundle, context);
  return reported as unknown as Report;
}

test("a bundle for browsers asks for no module of Node's", () => {
  expect(bundle.match(/\b(import|require)\(?["']node:[a-z_/]+["']/g)).toBeNull();
});

test("a page trains, on one thread or on several, with the same bits", () => {
  const alone = page(false);
  expect(alone.threads).toBe(1);
  expect(alone.losses).toHaveLength(10);
  expect(alone.losses.at(-1)).toBeLessThan(alone.losses[0] as number);
  const shared = page(true);
  expect(shared.threads).toBe(2);
  expect(workers).toHaveLength(1);
  expect(shared).toEqual({ ...alone, threads: 2 });
});
