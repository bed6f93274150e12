/** Scratch memory for the pieces of one op: a slot for each thread, so that it is still in the thread's cache. */
import { getNumThreads, mem } from "../kernels/index.js";
import { address, allocate, release, type Storage } from "./heap.js";

/** Bytes from one flag of a slot to the next: a cache line. */
const FLAG = 64;

/** The slots of one op, as assembly/slots.ts lays them out. */
export interface Slots {
  /** Address of the flags; the scratch follows. */
  readonly at: number;
  readonly count: number;
  /** Bytes of each. */
  readonly bytes: number;
  readonly storage: Storage;
}

/** Slots of at least `bytes` each for an op of that many pieces; addresses hold until the next op starts. */
export function takeSlots(bytes: number, pieces: number): Slots {
  const count = Math.min(getNumThreads(), pieces);
  const each = (bytes + 191) & ~127;
  const storage = allocate(FLAG + count * (FLAG + each));
  const at = (address(storage) + FLAG - 1) & -FLAG;
  for (let i = 0; i < count; i++) mem.i32[((at >>> 0) + i * FLAG) / 4] = 0;
  return { at: at >>> 0, count, bytes: each, storage };
}

/** Frees the slots once the op's pieces have run. */
export function freeSlots({ storage }: Slots): void {
  release(storage);
}
