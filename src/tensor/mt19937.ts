/** The random generator's state as bytes: the heap layout of kernels/assembly/mersenne.ts and PyTorch's own. */
import { ValueError } from "./errors.js";

/** Bytes of a generator state in the heap. */
export const STATE_BYTES = 2544;
/** Bytes of a state as `torch.get_rng_state()` returns it. */
export const TORCH_STATE_BYTES = 5056;

const WORDS = 624;
const heap = {
  left: 2496,
  next: 2500,
  seed: 2504,
  hasDouble: 2512,
  hasFloat: 2516,
  double: 2520,
  float: 2528,
};
/** Offsets in PyTorch's struct; its words are stored as 64-bit integers from byte 24 on. */
const torch = {
  seed: 0,
  left: 8,
  seeded: 12,
  next: 16,
  words: 24,
  double: 5024,
  hasDouble: 5040,
  float: 5048,
  hasFloat: 5052,
};

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The seed that a heap state was last seeded with. */
export function seedOf(state: Uint8Array): bigint {
  return viewOf(state).getBigUint64(heap.seed, true);
}

/** A 64-bit number as the two unsigned halves that kernels take; negative ones wrap, as seeds do in PyTorch. */
export function seedHalves(seed: number | bigint): { low: number; high: number } {
  const value = BigInt.asUintN(64, BigInt(seed));
  return { low: Number(value & 0xffffffffn), high: Number(value >> 32n) };
}

/** Heap state to the 5,056 bytes of `torch.get_rng_state()`. */
export function toTorchState(state: Uint8Array): Uint8Array {
  const from = viewOf(state);
  const out = new Uint8Array(TORCH_STATE_BYTES);
  const to = viewOf(out);
  to.setBigUint64(torch.seed, from.getBigUint64(heap.seed, true), true);
  to.setInt32(torch.left, from.getInt32(heap.left, true), true);
  to.setInt32(torch.seeded, 1, true);
  to.setUint32(torch.next, from.getUint32(heap.next, true), true);
  for (let i = 0; i < WORDS; i++) to.setUint32(torch.words + 8 * i, from.getUint32(4 * i, true), true);
  if (from.getInt32(heap.hasDouble, true) !== 0) {
    to.setInt32(torch.hasDouble, 1, true);
    to.setFloat64(torch.double, from.getFloat64(heap.double, true), true);
  }
  if (from.getInt32(heap.hasFloat, true) !== 0) {
    out[torch.hasFloat] = 1;
    to.setFloat32(torch.float, from.getFloat32(heap.float, true), true);
  }
  return out;
}

/** The bytes of `torch.get_rng_state()` to a heap state; throws on bytes that are no such state. */
export function fromTorchState(bytes: Uint8Array): Uint8Array {
  if (bytes.length !== TORCH_STATE_BYTES) {
    throw new ValueError(
      `[setRngState] wrong state size: got ${bytes.length} bytes, expected ${TORCH_STATE_BYTES}; pass what getRngState() returned`,
    );
  }
  const from = viewOf(bytes);
  const left = from.getInt32(torch.left, true);
  const next = from.getBigUint64(torch.next, true);
  if (from.getInt32(torch.seeded, true) === 0 || left <= 0 || left > WORDS || next > BigInt(WORDS)) {
    throw new ValueError(
      `[setRngState] invalid mt19937 state: got left ${left}, next ${next}, expected left in 1..${WORDS} and next in 0..${WORDS}; pass what getRngState() returned`,
    );
  }
  const out = new Uint8Array(STATE_BYTES);
  const to = viewOf(out);
  to.setBigUint64(heap.seed, from.getBigUint64(torch.seed, true), true);
  to.setInt32(heap.left, left, true);
  to.setUint32(heap.next, Number(next), true);
  for (let i = 0; i < WORDS; i++) to.setUint32(4 * i, from.getUint32(torch.words + 8 * i, true), true);
  if (from.getInt32(torch.hasDouble, true) !== 0) {
    to.setInt32(heap.hasDouble, 1, true);
    to.setFloat64(heap.double, from.getFloat64(torch.double, true), true);
  }
  if (bytes[torch.hasFloat] !== 0) {
    to.setInt32(heap.hasFloat, 1, true);
    to.setFloat32(heap.float, from.getFloat32(torch.float, true), true);
  }
  return out;
}
