// What the core uses of the platform beyond the language, typed here: declarations built from this need neither
// DOM nor Node types, and Node's modules are asked for at run time, so nothing imports them.

/** A WebAssembly.Memory. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** A compiled WebAssembly.Module. */
export interface WasmModule {
  readonly [Symbol.toStringTag]: string;
}

interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>;
}

declare const WebAssembly: {
  Memory: new (limits: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  Module: new (bytes: Uint8Array) => WasmModule;
  Instance: new (module: WasmModule, imports: { env: { memory: WasmMemory } }) => WasmInstance;
  validate(bytes: Uint8Array): boolean;
};

/** The engine's WebAssembly. */
export const wasm = WebAssembly;

declare const Worker: new (
  url: string,
) => {
  postMessage(data: unknown): void;
  onerror: (event: { message: string }) => void;
};

/** Starts a worker of the browser on a program; its first message is `data`. */
export function startWebWorker(source: string, data: unknown, gone: (reason: string) => void): void {
  const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  worker.onerror = ({ message }) => gone(message);
  worker.postMessage(data);
}

declare const navigator: { hardwareConcurrency?: number } | undefined;

/** A thread of Node's worker_threads. */
export interface NodeWorker {
  on(event: "error", listener: (error: unknown) => void): void;
  on(event: "exit", listener: (code: number) => void): void;
  unref(): void;
}

interface NodeWorkerOptions {
  readonly eval: true;
  readonly workerData: unknown;
  readonly name: string;
  readonly env: unknown;
  readonly execArgv: readonly string[];
}

interface NodeModules {
  "node:util": { inspect(value: unknown, options: Readonly<Record<string, unknown>>): string };
  "node:v8": { setFlagsFromString(flags: string): void };
  "node:vm": { runInNewContext(code: string): unknown };
  "node:os": { availableParallelism(): number };
  "node:worker_threads": {
    readonly Worker: new (source: string, options: NodeWorkerOptions) => NodeWorker;
    readonly SHARE_ENV: unknown;
    readonly workerData: unknown;
  };
}

/** What the core uses of Node's process. */
export interface NodeProcess {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly execArgv?: readonly string[];
  getBuiltinModule?<Name extends keyof NodeModules>(name: Name): NodeModules[Name];
}

/** Node's process, or undefined in a browser. */
export const nodeProcess: NodeProcess | undefined = (globalThis as { process?: NodeProcess }).process;

/** Cores that this process may use. */
export function availableParallelism(): number {
  const os = nodeProcess?.getBuiltinModule?.("node:os");
  if (os) return os.availableParallelism();
  return (typeof navigator === "undefined" ? undefined : navigator.hardwareConcurrency) ?? 1;
}

/** The value of an environment variable; undefined when it is unset or empty, or where there is no environment. */
export function env(name: string): string | undefined {
  return nodeProcess?.env?.[name] || undefined;
}
