/** Nonblocking sends and receives that are waited for together. */
import type { Tensor } from "../../tensor/tensor.js";
import { unpin } from "../staging.js";
import type { MpiRuntime } from "./runtime.js";

/** Bytes that one message carries at most: MPI counts are ints. */
const MESSAGE = 2 ** 30;
/** Milliseconds that cancelled receives get to end. */
const CANCEL_TIME = 100;

/** Temporaries that MPI may still write to; they stay where they are for good. */
const lost: Tensor[] = [];

/** A batch of requests. Its receives must go into memory that stays in place, and that nobody else uses when they are given up. */
export class Requests {
  private capacity = 16;
  private count = 0;
  /** Handles, one status, and the flag that MPI_Testall sets. */
  private bytes: Uint8Array;
  private handles = 0;
  /** Index by index, whether the request is a receive. */
  private readonly receives: boolean[] = [];

  constructor(private readonly runtime: MpiRuntime) {
    this.bytes = new Uint8Array(this.capacity * 8);
    this.handles = runtime.mpi.address(this.bytes);
  }

  private slot(receive: boolean): number {
    if (this.count === this.capacity) {
      this.capacity *= 2;
      const wider = new Uint8Array(this.capacity * 8);
      wider.set(this.bytes);
      this.bytes = wider;
      this.handles = this.runtime.mpi.address(wider);
    }
    this.receives[this.count] = receive;
    return this.handles + this.runtime.mpi.abi.handleBytes * this.count++;
  }

  /** Sends bytes from an address to a rank of the world. */
  send(from: number, bytes: number, destination: number, tag: number, comm: number): void {
    const { mpi } = this.runtime;
    for (let at = 0; at < bytes; at += MESSAGE) {
      const n = Math.min(MESSAGE, bytes - at);
      const request = this.slot(false);
      this.runtime.check(mpi.MPI_Isend(from + at, n, mpi.abi.byte, destination, tag, comm, request));
    }
  }

  /** Receives to an address what a rank of the world sends with the same number of bytes (or with fewer, up to 1 GiB). */
  receive(to: number, bytes: number, source: number, tag: number, comm: number): void {
    const { mpi } = this.runtime;
    for (let at = 0; at < bytes; at += MESSAGE) {
      const n = Math.min(MESSAGE, bytes - at);
      const request = this.slot(true);
      this.runtime.check(mpi.MPI_Irecv(to + at, n, mpi.abi.byte, source, tag, comm, request));
    }
  }

  /** Whether all of them have ended; then the batch is empty again. */
  done(): boolean {
    if (this.count === 0) return true;
    if (!this.runtime.testAll(this.count, this.handles)) return false;
    this.count = 0;
    return true;
  }

  /** Whether request number `i` of the batch has not ended. */
  isPending(i: number): boolean {
    return i < this.count && !this.runtime.testAll(1, this.handles + this.runtime.mpi.abi.handleBytes * i);
  }

  /**
   * Gives up what has not ended, and frees the temporaries that it receives into. What MPI cannot give up keeps its
   * memory for good.
   */
  abandon(temporaries: readonly Tensor[]): void {
    if (!this.done()) {
      const { mpi } = this.runtime;
      for (let i = 0; i < this.count; i++) {
        if (this.receives[i] === true && this.isPending(i))
          mpi.MPI_Cancel(this.handles + mpi.abi.handleBytes * i);
      }
      const end = performance.now() + CANCEL_TIME;
      while (!this.done()) {
        if (performance.now() < end) continue;
        this.runtime.unfinished = true;
        lost.push(...temporaries);
        return;
      }
    }
    for (const t of temporaries) unpin(t);
  }
}
