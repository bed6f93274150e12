// Loads the kernels: picks the WebAssembly variant that this engine can run, makes the one memory that holds
// all tensor data, and instantiates the kernels on it.

import { type Kernels, kernelNames, kernelTable } from "./generated/kernels.js";
import { units, type WasmCode } from "./generated/wasm.js";
import { HEAP_BASE, INTS, PAGES, SCALAR_BYTES, SCALAR_SLOTS, SCALARS } from "./layout.js";
import { env, type WasmMemory, type WasmModule, wasm } from "./platform.js";

const PAGE = 65536;
const INITIAL_PAGES = 16;

/** The names of the kernel builds: WebAssembly SIMD, and SIMD with relaxed (fused) multiply-add. */
export type KernelVariant = "simd128" | "relaxed";

// (module (func (result v128) f32x4.relaxed_madd of three zero vectors))
const RELAXED_PROBE = (() => {
  const zero = [0xfd, 0x0c, ...new Array<number>(16).fill(0)];
  const body = [0, ...zero, ...zero, ...zero, 0xfd, 0x85, 0x02, 0x0b];
  const section = (id: number, bytes: number[]) => [id, bytes.length, ...bytes];
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 0, 1, 0x7b]),
    ...section(3, [1, 0]),
    ...section(10, [1, body.length, ...body]),
  ]);
})();

function chooseVariant(): KernelVariant {
  const forced = env("KINDLING_KERNELS");
  const able = wasm.validate(RELAXED_PROBE);
  if (forced === undefined) return able ? "relaxed" : "simd128";
  if (forced === "simd128" || (forced === "relaxed" && able)) return forced;
  throw new Error(
    forced === "relaxed"
      ? "[kernels] KINDLING_KERNELS=relaxed: this engine has no relaxed SIMD; try simd128, or leave it unset"
      : `[kernels] KINDLING_KERNELS: got "${forced}", expected "simd128" or "relaxed"`,
  );
}

function decodeBase64(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** An engine may refuse to reserve 4 GiB of addresses (a small machine, a limit set): then try for less. */
function makeMemory(shared: boolean): { memory: WasmMemory; maximum: number } {
  for (let maximum = 65536; ; maximum /= 2) {
    try {
      return { memory: new wasm.Memory({ initial: INITIAL_PAGES, maximum, shared }), maximum };
    } catch (error) {
      if (maximum <= 1024) throw error;
    }
  }
}

/** The kernel build in use. */
export const variant = chooseVariant();

/** Whether the memory is shared, so that worker threads can run kernels. */
export const shared = typeof SharedArrayBuffer !== "undefined";

const made = makeMemory(shared);

/** The one memory that all tensors live in. */
export const memory: WasmMemory = made.memory;

/** The most bytes that the memory can grow to. */
export const maxBytes = made.maximum * PAGE;

function compile({ base64, flagAt }: WasmCode): WasmModule {
  const bytes = decodeBase64(base64);
  // A module for a shared memory differs in one bit: the import's limits flag (1: has a maximum, 2: shared).
  bytes[flagAt] = shared ? 3 : 1;
  return new wasm.Module(bytes);
}

/** The compiled kernels, for worker threads to instantiate. */
export const kernelModules: readonly WasmModule[] = units.map(({ simd128, relaxed }) =>
  compile(variant === "relaxed" && relaxed ? relaxed : simd128),
);

/** Every kernel by name, running on the calling thread. A pointer result comes back signed: use `>>> 0`. */
export const kernels: Kernels = kernelTable(
  Object.assign({}, ...kernelModules.map((module) => new wasm.Instance(module, { env: { memory } }).exports)),
);

/** A kernel's position in `kernelNames`. */
export const kernelIndex: ReadonlyMap<string, number> = new Map(kernelNames.map((name, i) => [name, i]));

/** Typed arrays over the whole memory; index by byte address divided by the element size. */
export interface MemoryViews {
  u8: Uint8Array;
  i32: Int32Array;
  u32: Uint32Array;
  i64: BigInt64Array;
  f32: Float32Array;
  f64: Float64Array;
}

function makeViews(): MemoryViews {
  const { buffer } = memory;
  return {
    u8: new Uint8Array(buffer),
    i32: new Int32Array(buffer),
    u32: new Uint32Array(buffer),
    i64: new BigInt64Array(buffer),
    f32: new Float32Array(buffer),
    f64: new Float64Array(buffer),
  };
}

/** The current views; their fields are replaced when the memory grows, so do not hold on to a field. */
export const mem: MemoryViews = makeViews();

/**
 * Grows the memory to at least `bytes` in total. Returns false, and changes nothing, when that is above
 * `maxBytes` or the engine has no memory left.
 */
export function growTo(bytes: number): boolean {
  const missing = Math.ceil((bytes - memory.buffer.byteLength) / PAGE);
  if (missing <= 0) return true;
  if (bytes > maxBytes) return false;
  try {
    memory.grow(missing);
  } catch {
    return false;
  }
  Object.assign(mem, makeViews());
  if (shared) Atomics.store(mem.i32, PAGES, memory.buffer.byteLength / PAGE);
  return true;
}

/** The element types that kernels know. */
export type ElementType = "f32" | "f64" | "i32" | "i64" | "u8";

let nextScalar = 0;

/** Writes one value into a ring of 64 slots and returns its address: valid until 64 more have been written. */
export function putScalar(value: number | bigint, type: ElementType): number {
  const at = SCALARS + nextScalar * SCALAR_BYTES;
  nextScalar = (nextScalar + 1) % SCALAR_SLOTS;
  if (type === "i64") mem.i64[at / 8] = typeof value === "bigint" ? value : BigInt(Math.trunc(value));
  else if (type === "f32") mem.f32[at / 4] = Number(value);
  else if (type === "f64") mem.f64[at / 8] = Number(value);
  else if (type === "i32") mem.i32[at / 4] = Number(value);
  else mem.u8[at] = Number(value);
  return at;
}

let nextInts = INTS;

/** Writes int32s into a ring of 86 KiB and returns their address: valid until that much more has been written. */
export function putInts(values: readonly number[]): number {
  const bytes = values.length * 4;
  if (nextInts + bytes > HEAP_BASE) nextInts = INTS;
  const at = nextInts;
  nextInts = (nextInts + bytes + 15) & ~15;
  const { i32 } = mem;
  for (let i = 0; i < values.length; i++) i32[at / 4 + i] = values[i] as number;
  return at;
}
