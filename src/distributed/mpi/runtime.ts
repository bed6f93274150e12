/**
 * MPI in this process: started once, its communicators, news of ranks that leave, and its end. The ranks of all groups
 * talk through three duplicates of MPI_COMM_WORLD and are told apart by tags, so making a group needs no MPI call.
 */
import { mem, setNumThreads } from "../../kernels/index.js";
import type { Failure } from "../communicator.js";
import { DistBackendError } from "../errors.js";
import { loadMpi, type Mpi } from "./library.js";
import { localThreads } from "./localThreads.js";
import { withinTime } from "./watchdog.js";

const THREAD_FUNNELED = 1;
/** Bytes of a notice: words that say its kind and the group that it is about, then a text that ends with 0. */
const NOTICE = 1024;
const NOTICE_TEXT = 8;
const NOTICE_TAG = 0;

/** What a notice says: this rank ended well, failed, or gave up a collective of a group. */
export const Notice = { LEFT: 1, FAILED: 2, GAVE_UP: 3 } as const;

/** Turns without progress in which a rank only looks, then those in which it lets others run; after that it sleeps. */
const LOOK_TURNS = 200;
const YIELD_TURNS = 5000;
const NAP_MS = 0.1;
const LISTEN_EVERY = 16;

const sleeper = new Int32Array(new SharedArrayBuffer(4));
/** Scratch: flag, status, results; then a notice or a text that comes. */
const FLAG = 0;
const STATUS = 16;
const RESULT = 64;
const INCOMING = 1024;
const SCRATCH = INCOMING + NOTICE;

/** The MPI of this process. */
export class MpiRuntime {
  readonly mpi: Mpi;
  readonly rank: number;
  readonly size: number;
  readonly everybody: readonly number[];
  /** Headers, acknowledgements and notices. */
  readonly control: number;
  /** Elements of collectives. */
  readonly bulk: number;
  /** Elements of messages from rank to rank. */
  readonly messages: number;
  /** Whether a request could not be ended, so that MPI_Finalize would wait for it. */
  unfinished = false;
  /** The highest number of a group that this rank is in. */
  groups = 0;
  /** Ranks that failed, with their reasons, in the order in which the news came. */
  readonly failures: Failure[] = [];
  /** Groups out of use: the first rank that gave one up, and why. */
  readonly gaveUp = new Map<number, Failure>();
  /** Ranks that ended well, and when this rank heard of it. */
  readonly left = new Map<number, number>();
  private readonly scratch = new Uint8Array(SCRATCH);
  private readonly words = new Int32Array(this.scratch.buffer);
  private readonly at: number;
  /** Sends that nobody waits for: each moves on, and says whether it has ended. MPI wants all of them to end. */
  readonly background: (() => boolean)[] = [];
  private heap: { buffer: ArrayBufferLike; base: number };

  constructor(timeout: number) {
    const mpi = loadMpi();
    this.mpi = mpi;
    this.at = mpi.address(this.scratch);
    this.heap = { buffer: mem.u8.buffer, base: mpi.address(mem.u8) };
    this.check(mpi.MPI_Initialized(this.at + FLAG));
    if (this.words[FLAG] === 0) {
      const late = `[initProcessGroup] timed out after ${timeout} ms: a rank has not called initProcessGroup, so MPI_Init does not return; every rank must call it`;
      this.check(
        withinTime(timeout, late, () => mpi.MPI_Init_thread(0, 0, THREAD_FUNNELED, this.at + RESULT)),
      );
    }
    const { commWorld } = mpi.abi;
    this.check(mpi.MPI_Comm_set_errhandler(commWorld, mpi.abi.errorsReturn));
    const number = (of: (comm: number, result: number) => number) => {
      this.check(of(commWorld, this.at + RESULT));
      return this.words[RESULT / 4] as number;
    };
    this.rank = number(mpi.MPI_Comm_rank);
    this.size = number(mpi.MPI_Comm_size);
    this.everybody = Array.from({ length: this.size }, (_, r) => r);
    this.control = this.duplicate(commWorld);
    this.bulk = this.duplicate(commWorld);
    this.messages = this.duplicate(commWorld);
    const threads = localThreads();
    if (threads !== null) setNumThreads(threads);
  }

  private duplicate(comm: number): number {
    this.check(this.mpi.MPI_Comm_dup(comm, this.at + RESULT));
    const handle = this.handleAt(RESULT);
    this.check(this.mpi.MPI_Comm_set_errhandler(handle, this.mpi.abi.errorsReturn));
    return handle;
  }

  private handleAt(offset: number): number {
    const low = this.words[offset / 4] as number;
    if (this.mpi.abi.handleBytes === 4) return low;
    return (low >>> 0) + (this.words[offset / 4 + 1] as number) * 2 ** 32;
  }

  /** Address of byte 0 of the heap. A shared memory never moves; another one may when it grows. */
  get base(): number {
    const { buffer } = mem.u8;
    if (buffer !== this.heap.buffer) this.heap = { buffer, base: this.mpi.address(mem.u8) };
    return this.heap.base;
  }

  /** Throws MPI's own message unless `code` says success. */
  check(code: number): void {
    if (code === 0) return;
    this.mpi.MPI_Error_string(code, this.at + INCOMING, this.at + RESULT);
    const length = this.words[RESULT / 4] as number;
    const text = Buffer.from(this.scratch.subarray(INCOMING, INCOMING + length)).toString();
    throw new DistBackendError(`[mpi] ${this.mpi.abi.name}: ${text}`);
  }

  /** Whether `count` requests have all ended. */
  testAll(count: number, requests: number): boolean {
    const { mpi, words } = this;
    words[FLAG] = 0;
    this.check(mpi.MPI_Testall(count, requests, this.at + FLAG, mpi.abi.statusesIgnore));
    return words[FLAG] !== 0;
  }

  /** Source and tag of a message that waits in a communicator, or null. */
  probe(source: number | null, tag: number, comm: number): { source: number; tag: number } | null {
    const { mpi, words } = this;
    const { abi } = mpi;
    words[FLAG] = 0;
    this.check(mpi.MPI_Iprobe(source ?? abi.anySource, tag, comm, this.at + FLAG, this.at + STATUS));
    if (words[FLAG] === 0) return null;
    return {
      source: words[(STATUS + abi.status.source) / 4] as number,
      tag: words[(STATUS + abi.status.tag) / 4] as number,
    };
  }

  /** Receives a message that {@link probe} has found, to an address outside of the heap. */
  receiveNow(to: number, bytes: number, source: number, tag: number, comm: number): void {
    const { mpi } = this;
    this.check(mpi.MPI_Irecv(to, bytes, mpi.abi.byte, source, tag, comm, this.at + RESULT));
    this.check(mpi.MPI_Wait(this.at + RESULT, this.at + STATUS));
  }

  /** Takes in the news of other ranks. */
  listen(): void {
    for (;;) {
      const found = this.probe(null, NOTICE_TAG, this.control);
      if (found === null) return;
      this.receiveNow(this.at + INCOMING, NOTICE, found.source, NOTICE_TAG, this.control);
      const kind = this.words[INCOMING / 4];
      const group = this.words[INCOMING / 4 + 1] as number;
      const from = INCOMING + NOTICE_TEXT;
      const reason = new TextDecoder().decode(this.scratch.slice(from, this.scratch.indexOf(0, from)));
      const failure = { rank: found.source, reason };
      if (kind === Notice.LEFT) this.left.set(found.source, performance.now());
      else if (kind === Notice.FAILED) this.failures.push(failure);
      else if (!this.gaveUp.has(group)) this.gaveUp.set(group, failure);
    }
  }

  /** Tells other ranks some news of this one. The messages are small, and leave without anybody's help. */
  tell(kind: number, reason = "", group = 0, ranks: readonly number[] = this.everybody): void {
    const { mpi } = this;
    const bytes = new Uint8Array(NOTICE + 8 * ranks.length);
    new Int32Array(bytes.buffer).set([kind, group]);
    // A text that is too long is cut; the last byte stays 0.
    new TextEncoder().encodeInto(reason, bytes.subarray(NOTICE_TEXT, NOTICE - 1));
    const at = mpi.address(bytes);
    let n = 0;
    for (const r of ranks) {
      if (r === this.rank) continue;
      const request = at + NOTICE + mpi.abi.handleBytes * n++;
      mpi.MPI_Isend(at, NOTICE, mpi.abi.byte, r, NOTICE_TAG, this.control, request);
    }
    // The closure keeps the bytes until they have left.
    this.background.push(() => bytes.length > 0 && this.testAll(n, at + NOTICE));
    this.settled();
  }

  /** Moves the sends on that nobody waits for; whether all of them have ended. */
  settled(): boolean {
    for (let i = this.background.length - 1; i >= 0; i--) {
      if (this.background[i]?.() === true) this.background.splice(i, 1);
    }
    return this.background.length === 0;
  }

  /** See {@link Communicator.pause}. While elements move nobody sleeps: it is this rank's calls that move them on. */
  pause(turn: number, until: number, moving: boolean): void {
    if (turn % LISTEN_EVERY === 0) this.listen();
    if (turn <= LOOK_TURNS) return;
    if (turn <= YIELD_TURNS || moving) this.mpi.yieldCore();
    else this.sleep(Math.min(NAP_MS, Math.max(0, until - performance.now())));
  }

  /** Sleeps so many milliseconds. */
  sleep(ms: number): void {
    Atomics.wait(sleeper, 0, 0, ms);
  }
}
