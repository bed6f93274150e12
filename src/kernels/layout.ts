// The reserved region at the low end of the WebAssembly memory: pool control words, the pool's command
// buffer, and two rings for small kernel arguments. The heap starts at HEAP_BASE.

/** First byte of the tensor heap; everything below is described in this file. */
export const HEAP_BASE = 131072;

/** Most arguments that one kernel takes. */
export const MAX_ARGS = 16;

// Control words, as indexes of an Int32Array over the memory. Words that different threads hammer on stand
// on cache lines of their own. Byte 0 to 63 stays unused, so that pointer 0 is never valid.
/** The number of the current batch: rises by one with each, once it can be claimed from. */
export const BATCH = 16;
/** Calls in the current batch. */
export const COUNT = 17;
/** Ranges that the calls of the current batch are dealt out in, one for each thread. */
export const RANGES = 18;
/** 1 when the ranges of the current batch are claimed from their ends, 0 from their starts. */
export const BACKWARD = 19;
/** 1 when the current batch is a series: calls whose arguments rise by equal steps. */
export const SERIES = 20;
/** Calls of the current batch that have returned. */
export const DONE = 32;
/** 1 while the calling thread sleeps on DONE. */
export const CALLER_WAITS = 33;
/** Rises by one with each batch; idle workers sleep on it. */
export const EPOCH = 48;
/** Workers that sleep, or are about to. */
export const SLEEPERS = 49;
/** 1 + the call that trapped in a worker, 0 if none; its text is at ERROR_TEXT. */
export const FAILED = 50;
/** Pages of the memory after its last growth, 0 before the first. */
export const PAGES = 51;
/** Two words for each worker: its state, and 1 + the call that it is running (0: none). */
export const SLOTS = 64;
/** Most worker threads beside the calling thread. */
export const MAX_WORKERS = 63;

/** For each range, on a cache line of its own: calls that no thread has claimed yet, 0 when there is none. */
export const CLAIMS = 512;
export const CLAIM_WORDS = 16;
/** Most ranges; threads beyond share them. */
export const MAX_RANGES = 32;

/** States of a worker, kept in its slot. */
export const STATE_NONE = 0;
export const STATE_STARTING = 1;
export const STATE_READY = 2;
export const STATE_QUIT = 3;

/** Byte address of the message of a worker's trap: its length, then one byte for each character. */
export const ERROR_TEXT = 1024;
export const ERROR_TEXT_MAX = 1000;

/**
 * Byte address of the command buffer: MAX_CALLS times [kernel index, arguments...], all float64. A series has three
 * entries: its first call, the steps from one call to the next, and its last call.
 */
export const COMMANDS = 4096;
export const COMMAND_WORDS = 1 + MAX_ARGS;
export const MAX_CALLS = 256;

/** Ring of 64 scalars of 16 bytes. */
export const SCALARS = 40960;
export const SCALAR_BYTES = 16;
export const SCALAR_SLOTS = 64;

/** Ring of int32 descriptors, up to HEAP_BASE. */
export const INTS = 43008;
