/** A rank's view of its threads world: the shared words, its mail, and the heaps of the other ranks. */
import { type MessagePort, workerData } from "node:worker_threads";
import { getNumThreads } from "../../kernels/index.js";
import { memory, shared } from "../../kernels/load.js";
import { availableParallelism, type WasmMemory } from "../../kernels/platform.js";
import type { Task } from "../communicator.js";
import { DistBackendError } from "../errors.js";
import { WorldControl } from "./control.js";
import { Mail } from "./mail.js";

/** What the launcher hands to each rank. */
export interface RankStart {
  readonly rank: number;
  readonly size: number;
  readonly control: SharedArrayBuffer;
  /** By rank; null for the rank itself. */
  readonly ports: readonly (MessagePort | null)[];
  /** Milliseconds that collectives wait, unless told otherwise. */
  readonly timeout: number | undefined;
}

/** Field of the worker's data in which the launcher puts {@link RankStart}. */
export const START_KEY = "kindlingRank";

/** What the launcher told this thread; null in threads that are no ranks. */
export function rankStart(): RankStart | null {
  const data = workerData as { [START_KEY]?: RankStart } | null;
  return data?.[START_KEY] ?? null;
}

/** Another rank's heap, which may grow at any time. */
class PeerHeap {
  private view: Uint8Array;

  constructor(private readonly memory: WasmMemory) {
    this.view = new Uint8Array(memory.buffer);
  }

  /** The bytes from `start` to `end`. */
  bytes(start: number, end: number): Uint8Array {
    // An engine tells other threads of a growth by an interrupt, which may not have come yet.
    while (this.view.length < end) this.view = new Uint8Array(this.memory.buffer);
    return this.view.subarray(start, end);
  }
}

/**
 * Turns of waiting before this thread sleeps, of about a microsecond each. Being woken takes 25 microseconds and waking 10,
 * and ranks that train together come a good part of a millisecond apart in many steps. Shorter where each rank has a
 * core, but its kernel threads have not: they need it.
 */
const SPIN_TURNS = 1000;
const SHORT_SPIN_TURNS = 200;

/** The threads world of this rank. */
export class ThreadsWorld {
  readonly control: WorldControl;
  readonly mail: Mail;
  readonly rank: number;
  readonly size: number;
  /** Turns of waiting before this thread sleeps. */
  readonly spinTurns: number;
  private readonly heaps: (PeerHeap | null)[];
  private asleep = false;
  private bell = 0;

  constructor(start: RankStart) {
    if (!shared) throw new DistBackendError("[threads] this engine has no SharedArrayBuffer");
    this.rank = start.rank;
    this.size = start.size;
    this.control = new WorldControl(start.control, start.size);
    this.mail = new Mail(this.control, start.rank, start.ports);
    this.heaps = start.ports.map(() => null);
    const cores = availableParallelism();
    const busy = start.size * getNumThreads();
    this.spinTurns = start.size > cores ? 1 : busy > cores ? SHORT_SPIN_TURNS : SPIN_TURNS;
  }

  /** Hands this rank's heap to the others and waits for theirs. */
  *exchangeHeaps(): Task<void> {
    for (let r = 0; r < this.size; r++) if (r !== this.rank) this.mail.post(r, { kind: "heap", memory });
    for (;;) {
      for (const r of this.absent()) {
        const theirs = this.mail.heap(r);
        if (theirs !== null) this.heaps[r] = new PeerHeap(theirs);
      }
      if (this.absent().length === 0) return;
      yield;
    }
  }

  /** Ranks whose heap has not come yet. */
  absent(): number[] {
    return this.heaps.flatMap((heap, r) => (heap === null && r !== this.rank ? [r] : []));
  }

  /** Bytes in the heap of another rank. */
  peerBytes(rank: number, start: number, end: number): Uint8Array {
    return (this.heaps[rank] as PeerHeap).bytes(start, end);
  }

  /** See {@link Communicator.pause}. */
  pause(turn: number, until: number): void {
    const { control, rank } = this;
    if (turn < this.spinTurns) return;
    if (!this.asleep) {
      // Whoever does something for this rank from now on rings; what was done before, the next look finds.
      this.asleep = true;
      control.setSleeping(rank, true);
      this.bell = control.bell(rank);
      return;
    }
    control.sleep(rank, this.bell, Math.max(0, Math.min(1000, until - performance.now())));
    this.bell = control.bell(rank);
  }

  /** This rank does something again: others need not ring. */
  wake(): void {
    if (!this.asleep) return;
    this.asleep = false;
    this.control.setSleeping(this.rank, false);
  }
}
