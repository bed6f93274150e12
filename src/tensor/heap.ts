/**
 * The heap on WebAssembly memory. A Storage is alive as long as it is reachable; nobody frees it by hand.
 *
 * Storages live in Regions: a large storage has one of its own, small ones share a slab of their size class.
 * The heap points at resident regions and regions never point at storages, so an unreachable storage is ordinary
 * garbage. When the soft limit would be passed, the least recently used regions are evicted: their bytes move to a
 * garbage-collected array that only their storages hold, and come back (one storage at a time) when next used.
 */
import { growTo, HEAP_BASE, maxBytes, mem } from "../kernels/index.js";
import { HeapError } from "./errors.js";

const MAX_ADDRESS = maxBytes - 65536;
/** Bytes by which the memory grows at least. */
const GROWTH = 8 * 1024 * 1024;
/** Storages up to this size share slabs. */
const SMALL = 32 * 1024;
const SLAB = 256 * 1024;
/** Storages from this size on are freed by finalization whenever the event loop turns. */
const FINALIZED = 256 * 1024;

/**
 * What the finalizer holds of a large storage. Its callbacks wait for the event loop, and what they hold stays alive
 * until then: so a ticket lets go of a region, and of its bytes, once the region is evicted.
 */
class Ticket {
  region: Region | null;
  constructor(region: Region) {
    this.region = region;
    region.ticket = this;
  }
}

/** A piece of the heap: a slab of equal small blocks, or one large block. */
export class Region {
  /** Address while resident, 0 once evicted. */
  ptr: number;
  readonly size: number;
  /** Block size of a slab, 0 for a large block. */
  readonly block: number;
  /** The bytes after eviction. */
  data: Uint8Array | null = null;
  /** Op clock of the last use; a region used by the current op is never evicted. */
  tick: number;
  /** Bytes handed out so far (slabs). */
  used = 0;
  /** What the finalizer holds. */
  ticket: Ticket | null = null;
  /** Offsets of blocks freed explicitly (slabs). */
  free: number[] = [];
  constructor(ptr: number, size: number, block: number, tick: number) {
    this.ptr = ptr;
    this.size = size;
    this.block = block;
    this.tick = tick;
  }
}

/** Set on storages that a scope must not free: parameters, gradients, buffers, optimizer state. */
export const KEPT = 1;
/** Set when the library knows that no handle is left: freed as soon as no graph saves it. */
export const DROPPED = 2;

/** Set on a gradient's storage once user code has read it off a tensor: then nothing frees it early. */
export const SEEN = 8;

/** The bytes behind one or more tensors. */
export class Storage {
  /** Where the bytes are; null once freed. */
  region: Region | null;
  offset: number;
  readonly nbytes: number;
  /** Counts in-place changes; saved tensors compare it. */
  version = 0;
  /** Number of graph nodes that save a tensor of this storage. */
  saves = 0;
  flags = 0;
  /** Pending gradients of a running backward pass that use this storage. */
  pending = 0;
  constructor(region: Region, offset: number, nbytes: number) {
    this.region = region;
    this.offset = offset;
    this.nbytes = nbytes;
  }
}

/** Free address ranges, ordered by address, coalesced. */
const extents: { ptr: number; size: number }[] = [];
const regions = new Set<Region>();
const slabs = new Map<number, Region>();
/** Slabs with explicitly freed blocks, by block size. */
const holes = new Map<number, Region[]>();

let top = HEAP_BASE;
let clock = 1;
let limit = 128 * 1024 * 1024;
let userLimit = false;
let resident = 0;
let evicted = 0;
let peak = 0;
let restoredSinceEviction = 0;
let evictions = 0;
let recorder: Storage[] | null = null;

const nothing = new Region(HEAP_BASE, 0, 0, 0);

const finalizer = new FinalizationRegistry<Ticket>(({ region }) => {
  if (region !== null && region.ptr !== 0) releaseRegion(region);
});
const evictedFinalizer = new FinalizationRegistry<number>((bytes) => {
  evicted -= bytes;
});

/** Starts a new op: what earlier ops used may be evicted again. */
export function nextOp(): void {
  clock++;
}

function roundUp(n: number, to: number): number {
  return Math.ceil(n / to) * to;
}

/** Block size of the slab class: 16, 32, 48, 64, then four classes per power of two. */
function classOf(nbytes: number): number {
  if (nbytes <= 64) return (nbytes + 15) & ~15;
  const power = 31 - Math.clz32(nbytes - 1);
  const step = 1 << (power - 2);
  return (nbytes + step - 1) & -step;
}

/** Takes the best fitting free extent, or -1. */
function takeExtent(size: number): number {
  let best = -1;
  let bestSize = Number.POSITIVE_INFINITY;
  for (let i = 0; i < extents.length; i++) {
    const s = (extents[i] as { size: number }).size;
    if (s >= size && s < bestSize) {
      best = i;
      bestSize = s;
      if (s === size) break;
    }
  }
  if (best < 0) return -1;
  const extent = extents[best] as { ptr: number; size: number };
  const ptr = extent.ptr;
  if (extent.size === size) extents.splice(best, 1);
  else {
    extent.ptr += size;
    extent.size -= size;
  }
  return ptr;
}

function giveExtent(ptr: number, size: number): void {
  let lo = 0;
  let hi = extents.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((extents[mid] as { ptr: number }).ptr < ptr) lo = mid + 1;
    else hi = mid;
  }
  const before = extents[lo - 1];
  const after = extents[lo];
  const joinsBefore = before !== undefined && before.ptr + before.size === ptr;
  const joinsAfter = after !== undefined && ptr + size === after.ptr;
  if (joinsBefore && joinsAfter) {
    before.size += size + after.size;
    extents.splice(lo, 1);
  } else if (joinsBefore) before.size += size;
  else if (joinsAfter) {
    after.ptr = ptr;
    after.size += size;
  } else extents.splice(lo, 0, { ptr, size });
  const last = extents[extents.length - 1];
  if (last !== undefined && last.ptr + last.size === top) {
    top = last.ptr;
    extents.pop();
  }
}

function takeAddresses(size: number): number {
  const found = takeExtent(size);
  if (found >= 0) return found;
  if (top + size > MAX_ADDRESS) return -1;
  // Growth remakes the views of the memory, so it goes in steps.
  if (!growTo(Math.min(maxBytes, roundUp(top + size, GROWTH))) && !growTo(top + size)) return -1;
  const ptr = top;
  top += size;
  return ptr;
}

function releaseRegion(region: Region): void {
  if (region.size === 0) return;
  giveExtent(region.ptr, region.size);
  resident -= region.size;
  region.ptr = 0;
  regions.delete(region);
  if (region.block !== 0 && slabs.get(region.block) === region) slabs.delete(region.block);
  const list = region.block === 0 ? undefined : holes.get(region.block);
  const at = list?.indexOf(region) ?? -1;
  if (at >= 0) list?.splice(at, 1);
}

function evict(region: Region): void {
  const bytes = region.block === 0 ? region.size : region.used;
  const copy = new Uint8Array(bytes);
  copy.set(mem.u8.subarray(region.ptr, region.ptr + bytes));
  releaseRegion(region);
  if (region.ticket !== null) region.ticket.region = null;
  region.ticket = null;
  region.data = copy;
  region.free = [];
  evicted += bytes;
  evictions++;
  evictedFinalizer.register(copy, bytes);
}

/** Evicts the least recently used regions until `goal` bytes are resident; the current op's stay. */
function evictTo(goal: number): void {
  if (!userLimit && restoredSinceEviction * 8 > limit) {
    // Much of what was evicted came back: the live set is larger than the limit.
    limit = Math.min(limit * 1.5, 3 * 1024 ** 3);
  }
  restoredSinceEviction = 0;
  const victims: Region[] = [];
  for (const region of regions) if (region.tick < clock) victims.push(region);
  victims.sort((a, b) => a.tick - b.tick);
  for (const victim of victims) {
    if (resident <= goal) break;
    evict(victim);
  }
}

function newRegion(size: number, block: number): Region {
  if (resident + size > limit) evictTo(Math.max(0, Math.min(limit - size, limit * 0.875)));
  let ptr = takeAddresses(size);
  if (ptr < 0) {
    evictTo(0);
    ptr = takeAddresses(size);
  }
  if (ptr < 0) {
    throw new HeapError(
      `[heap] out of memory: ${size} bytes do not fit, ${resident} bytes are in use by the current op ` +
        `and the address space ends at ${MAX_ADDRESS}; try smaller batches, or scope()`,
    );
  }
  const region = new Region(ptr, size, block, clock);
  regions.add(region);
  resident += size;
  if (resident > peak) peak = resident;
  return region;
}

/** Puts `nbytes` somewhere in the heap: sets `place.region` and `place.offset`. */
function place(storage: Storage, nbytes: number): void {
  if (nbytes > SMALL) {
    storage.region = newRegion(roundUp(nbytes, nbytes >= 1 << 20 ? 65536 : 4096), 0);
    storage.offset = 0;
    return;
  }
  const block = classOf(nbytes);
  const open = holes.get(block);
  if (open !== undefined && open.length > 0) {
    const region = open[open.length - 1] as Region;
    storage.region = region;
    storage.offset = region.free.pop() as number;
    region.tick = clock;
    if (region.free.length === 0) open.pop();
    return;
  }
  let slab = slabs.get(block);
  if (slab === undefined || slab.used + block > slab.size) {
    slab = newRegion(Math.max(SLAB >> (block < 512 ? 2 : 0), block * 8), block);
    slabs.set(block, slab);
  }
  storage.region = slab;
  storage.offset = slab.used;
  slab.used += block;
  slab.tick = clock;
}

/** A new storage with undefined contents. */
export function allocate(nbytes: number): Storage {
  const storage = new Storage(nothing, 0, nbytes);
  if (nbytes > 0) {
    place(storage, nbytes);
    if (nbytes >= FINALIZED) finalizer.register(storage, new Ticket(storage.region as Region), storage);
  }
  if (recorder !== null) recorder.push(storage);
  return storage;
}

function restore(storage: Storage, from: Region): void {
  const data = from.data as Uint8Array;
  const bytes = data.subarray(storage.offset, storage.offset + storage.nbytes);
  finalizer.unregister(storage);
  place(storage, storage.nbytes);
  const region = storage.region as Region;
  mem.u8.set(bytes, region.ptr + storage.offset);
  if (storage.nbytes >= FINALIZED) finalizer.register(storage, new Ticket(region), storage);
  restoredSinceEviction += storage.nbytes;
}

/** Address of a storage's bytes, brought back into the heap if need be, and safe until the next op starts. */
export function address(storage: Storage): number {
  let region = storage.region;
  if (region === null) {
    throw new HeapError(
      "[scope] this tensor was freed when its scope ended: return it from the scope, call keep(tensor) inside, or clone it outside",
    );
  }
  if (region.ptr === 0) {
    restore(storage, region);
    region = storage.region as Region;
  }
  if (region.tick < clock) region.tick = clock; // a pinned region's tick is infinite
  return region.ptr + storage.offset;
}

/**
 * Lets two storages of one size trade their bytes without moving them. Returns false, and changes nothing, unless both
 * have a region of their own in the heap.
 */
export function trade(a: Storage, b: Storage): boolean {
  const { region: ra } = a;
  const { region: rb } = b;
  if (ra === null || rb === null || ra.block !== 0 || rb.block !== 0 || ra.ptr === 0 || rb.ptr === 0)
    return false;
  if (a.nbytes !== b.nbytes || a.nbytes <= SMALL) return false;
  a.region = rb;
  b.region = ra;
  const { tick } = ra;
  ra.tick = rb.tick;
  rb.tick = tick;
  if (a.nbytes >= FINALIZED) {
    for (const s of [a, b]) {
      finalizer.unregister(s);
      finalizer.register(s, new Ticket(s.region as Region), s);
    }
  }
  return true;
}

/** Frees a storage at once. Only for storages that no user can reach, or that a scope ends. */
export function release(storage: Storage): void {
  const region = storage.region;
  if (region === null) return;
  storage.region = null;
  if (region.size === 0 || region.ptr === 0) return;
  if (region.block === 0) {
    if (storage.nbytes >= FINALIZED) finalizer.unregister(storage);
    releaseRegion(region);
    return;
  }
  if (region.free.length === 0) {
    const list = holes.get(region.block);
    if (list === undefined) holes.set(region.block, [region]);
    else list.push(region);
  }
  region.free.push(storage.offset);
  if (region.free.length * region.block === region.used && slabs.get(region.block) !== region)
    releaseRegion(region);
}

/** Declares that no handle to this storage is left; it is freed now, or when the last graph that saves it is. */
export function drop(storage: Storage): void {
  if ((storage.flags & KEPT) !== 0) return;
  if (storage.saves === 0) release(storage);
  else storage.flags |= DROPPED;
}

/** Takes back one save of a graph node. */
export function unsave(storage: Storage): void {
  if (--storage.saves === 0 && (storage.flags & DROPPED) !== 0) release(storage);
}

/** Starts collecting new storages; returns what was collecting before, for {@link stopRecording}. */
export function startRecording(into: Storage[]): Storage[] | null {
  const outer = recorder;
  recorder = into;
  return outer;
}

/** Ends a recording; what was collecting before goes on. */
export function stopRecording(outer: Storage[] | null): void {
  recorder = outer;
}

/** Hands a storage that outlives an inner recording to the enclosing one. */
export function record(storage: Storage): void {
  if (recorder !== null) recorder.push(storage);
}

/** What the heap holds, in bytes. */
export interface MemoryStats {
  /** Resident and evicted bytes together, garbage that has not been collected yet included. */
  live: number;
  /** Bytes in the WebAssembly heap. */
  resident: number;
  /** Bytes moved out of the heap that their tensors still hold. */
  evicted: number;
  /** The most that was ever resident. */
  peak: number;
  /** Soft limit of `resident`. */
  limit: number;
  /** Regions evicted so far. */
  evictions: number;
}

/** Statistics of the heap. */
export function memory(): MemoryStats {
  return { live: resident + evicted, resident, evicted, peak, limit, evictions };
}

/**
 * Sets the soft limit of the heap in bytes (128 MiB at start, growing with the live set until it is set by hand).
 * Above it the least recently used tensors move out of the heap; results never change, only time does.
 */
export function setMemoryLimit(bytes: number): void {
  if (!(bytes >= 0)) throw new HeapError(`[setMemoryLimit] expected a number of bytes >= 0, got ${bytes}`);
  limit = bytes;
  userLimit = true;
  nextOp();
  if (resident > limit) evictTo(limit);
}
