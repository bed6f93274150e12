/**
 * The heap on WebAssembly memory. A Storage is alive as long as it is reachable; nobody frees it by hand.
 *
 * Storages live in Regions: a large storage has one of its own, small ones share a slab of their size class.
 * The heap points at resident regions and regions never point at storages, so an unreachable storage is ordinary
 * garbage. When the soft limit would be passed, the regions that nobody reaches are freed (see reachable.ts). If that
 * is not enough, the least recently used regions are evicted: their bytes move to a garbage-collected array that only
 * their storages hold, and come back (one storage at a time) when next used.
 */
import { besideNextBatch, HEAP_BASE, mem } from "../kernels/index.js";
import { giveAddresses, MAX_ADDRESS, takeAddresses } from "./addresses.js";
import { HeapError } from "./errors.js";
import { Limit } from "./limit.js";
import { Pace } from "./pace.js";
import { type Collection, canSurvey, lease, surveyAfter } from "./reachable.js";
import { DROPPED, KEPT, Region, Storage, Ticket } from "./storage.js";

export { DROPPED, KEPT, type Region, SEEN, Storage } from "./storage.js";

/** The share of the time that collections may take before the limit grows. */
const MAX_SHARE = 0.1;
/**
 * What a processor's outer cache holds, roughly. Where live data leaves room in it, garbage is collected before it
 * spills: writing to memory costs more than even this share of the time, half of which passes beside kernels.
 */
const CACHED = 24 * 1024 * 1024;
const MAX_SHARE_CACHED = 0.7;
/** Ops with a result from this size on are long enough to collect beside their kernels. */
const BESIDE = 1024 * 1024;
/** Ops between collections at quiet points: they leave a few MiB of small objects in V8's young generation. */
const QUIET_OPS = 2000;
/** Storages up to this size share slabs. */
const SMALL = 32 * 1024;
const SLAB = 256 * 1024;
/** Where no garbage can be collected, storages from this size on are freed when the event loop turns. */
const FINALIZED = canSurvey ? Number.POSITIVE_INFINITY : 256 * 1024;

const regions = new Set<Region>();
const slabs = new Map<number, Region>();
/** Slabs with explicitly freed blocks, by block size. */
const holes = new Map<number, Region[]>();

let clock = 1;
let resident = 0;
/** Bytes that were reachable in the heap after the last major collection. */
let live = 0;
/** Bytes in the heap after the last collection of either kind. */
let kept = 0;
/** The clock at the last collection. */
let swept = 0;
let evicted = 0;
let peak = 0;
/** Bytes that came back since room was last made. */
let restored = 0;
let evictions = 0;
let recorder: Storage[] | null = null;

const limit = new Limit();
const minor = new Pace(0.1);
const major = new Pace(5);
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

function releaseRegion(region: Region): void {
  if (region.size === 0) return;
  giveAddresses(region.ptr, region.size);
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
  region.lease = null;
  evicted += bytes;
  evictions++;
  major.bytes += bytes;
  if (!canSurvey) evictedFinalizer.register(copy, bytes);
}

/** Evicts the least recently used regions until `goal` bytes are resident; the current op's stay. */
function evictTo(goal: number): void {
  const victims: Region[] = [];
  for (const region of regions) if (region.tick < clock) victims.push(region);
  victims.sort((a, b) => a.tick - b.tick);
  for (const victim of victims) {
    if (resident <= goal) break;
    evict(victim);
  }
}

/** Collects garbage and frees the regions that nobody reaches; those of the current op stay. */
function sweep(kind: Collection): void {
  besideNextBatch(null);
  swept = clock;
  for (const region of regions) region.lease = null;
  const found = surveyAfter(kind);
  if (found !== null) {
    evicted = found.evicted;
    for (const region of regions)
      if (region.seen !== found.mark && region.tick < clock) releaseRegion(region);
  }
  kept = resident;
}

/** A collection that more room is wanted from: notes what it brings. */
function collect(kind: Collection): void {
  const before = resident + evicted;
  const start = performance.now();
  sweep(kind);
  const share = (kind === "minor" ? minor : major).note(start, before - resident - evicted);
  if (share > MAX_SHARE) limit.raiseForSpeed(1.5 * limit.bytes, live);
}

/**
 * Tells that a graph has just been freed. Little is alive then, so that a minor collection is short. Without it V8
 * collects in the middle of steps, where graphs are alive and are copied, and its young generation grows to 32 MiB.
 */
export function quietPoint(): void {
  if (!canSurvey || clock - swept < QUIET_OPS) return;
  sweep("minor");
  minor.bytes = 0;
}

const collectBeside = () => collect("minor");

/** Whether garbage is about to take the place in the cache of what is alive, and collecting it does not take too long. */
function leavesCache(): boolean {
  return (
    canSurvey &&
    3 * kept <= 2 * CACHED &&
    4 * minor.bytes >= CACHED - kept &&
    minor.share() <= MAX_SHARE_CACHED
  );
}

/** Makes room for `size` more bytes under the limit, or raises it when what is live needs more. */
function makeRoom(size: number): void {
  if (!canSurvey) {
    // Much of what was evicted came back: the live set is larger than the limit.
    if (restored * 8 > limit.bytes) limit.raise(1.5 * limit.bytes);
    restored = 0;
    evictTo(Math.max(0, Math.min(limit.bytes - size, limit.bytes * 0.875)));
    return;
  }
  // What two collections find alive counts as old, and is not looked at again until a major one: so they keep a distance.
  if (minor.bytes * 4 >= limit.bytes - live && minor.pays()) collect("minor");
  // Half of the room for garbage is made free, so that the next collection is not due at once.
  const goal = () => Math.max(0, Math.min(limit.bytes - size, (live + limit.bytes) / 2));
  if (resident > goal() && major.pays()) {
    collect("major");
    live = Math.min(resident, limit.bytes);
    limit.raise(1.5 * (resident + size));
  } else if (resident + size > limit.bytes) limit.raiseForSpeed(2 * limit.bytes, live);
  if (resident + size > limit.bytes) evictTo(goal());
}

function newRegion(size: number, block: number): Region {
  minor.bytes += size;
  if (resident + size > limit.bytes) makeRoom(size);
  else if (size >= BESIDE && resident + 2 * size > CACHED && leavesCache()) besideNextBatch(collectBeside);
  let ptr = takeAddresses(size);
  if (ptr < 0) {
    if (canSurvey) collect("major");
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
    const region = newRegion(roundUp(nbytes, nbytes >= 1 << 20 ? 65536 : 4096), 0);
    storage.region = region;
    storage.offset = 0;
    if (canSurvey) storage.lease = lease(region);
    return;
  }
  const block = classOf(nbytes);
  const open = holes.get(block);
  if (open !== undefined && open.length > 0) {
    const region = open[open.length - 1] as Region;
    storage.offset = region.free.pop() as number;
    if (region.free.length === 0) open.pop();
    join(storage, region);
    return;
  }
  let slab = slabs.get(block);
  if (slab === undefined || slab.used + block > slab.size) {
    if (slab !== undefined) slab.lease = null;
    slab = newRegion(Math.max(SLAB >> (block < 512 ? 2 : 0), block * 8), block);
    slabs.set(block, slab);
  }
  storage.offset = slab.used;
  slab.used += block;
  join(storage, slab);
}

/** Makes a storage one of a slab's. */
function join(storage: Storage, slab: Region): void {
  storage.region = slab;
  slab.tick = clock;
  if (!canSurvey) return;
  slab.lease ??= lease(slab);
  storage.lease = slab.lease;
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
  if (storage.nbytes >= FINALIZED) finalizer.unregister(storage);
  place(storage, storage.nbytes);
  const region = storage.region as Region;
  mem.u8.set(bytes, region.ptr + storage.offset);
  if (storage.nbytes >= FINALIZED) finalizer.register(storage, new Ticket(region), storage);
  restored += storage.nbytes;
  major.bytes += storage.nbytes;
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
  const { region: ra, lease: la } = a;
  const { region: rb, lease: lb } = b;
  if (ra === null || rb === null || ra.block !== 0 || rb.block !== 0 || ra.ptr === 0 || rb.ptr === 0)
    return false;
  if (a.nbytes !== b.nbytes || a.nbytes <= SMALL) return false;
  a.region = rb;
  b.region = ra;
  a.lease = lb;
  b.lease = la;
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
  storage.lease = null;
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
  return { live: resident + evicted, resident, evicted, peak, limit: limit.bytes, evictions };
}

/**
 * Sets the soft limit of the heap in bytes (8 MiB at start, growing with the live set until it is set by hand).
 * Above it the least recently used tensors move out of the heap; results never change, only time does.
 */
export function setMemoryLimit(bytes: number): void {
  if (!(bytes >= 0)) throw new HeapError(`[setMemoryLimit] expected a number of bytes >= 0, got ${bytes}`);
  limit.bytes = bytes;
  limit.fixed = true;
  nextOp();
  if (resident > limit.bytes) evictTo(limit.bytes);
}
