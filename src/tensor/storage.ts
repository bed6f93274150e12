/** What the heap is made of: regions of memory, and the storages in them. */
import type { Lease, Leased } from "./reachable.js";

/**
 * What the finalizer holds of a large storage. Its callbacks wait for the event loop, and what they hold stays alive
 * until then: so a ticket lets go of a region, and of its bytes, once the region is evicted.
 */
export class Ticket {
  region: Region | null;
  constructor(region: Region) {
    this.region = region;
    region.ticket = this;
  }
}

/** A piece of the heap: a slab of equal small blocks, or one large block. */
export class Region implements Leased {
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
  /** The lease for storages placed from now on (slabs); given up once no more are, and before each survey. */
  lease: Lease | null = null;
  seen = 0;
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

/** Set on what inference mode makes: no graph may save it. */
export const INFERENCE = 16;

/** Flags that new storages start with. */
export const birth = { flags: 0 };

/** The bytes behind one or more tensors. */
export class Storage {
  /** Where the bytes are; null once freed. */
  region: Region | null;
  /** Tells the heap that the region is reachable. */
  lease: Lease | null = null;
  offset: number;
  readonly nbytes: number;
  /** Counts in-place changes; saved tensors compare it. */
  version = 0;
  /** Number of graph nodes that save a tensor of this storage. */
  saves = 0;
  flags = birth.flags;
  /** Pending gradients of a running backward pass that use this storage. */
  pending = 0;
  constructor(region: Region, offset: number, nbytes: number) {
    this.region = region;
    this.offset = offset;
    this.nbytes = nbytes;
  }
}
