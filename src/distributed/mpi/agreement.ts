/**
 * Headers of all ranks to all ranks, small inputs along with them. Each rank sends to each other one directly: one step,
 * and a rank that waits knows exactly who has not come.
 */
import { mem } from "../../kernels/index.js";
import { UINT8 } from "../../tensor/dtype.js";
import { ptr } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import { HEADER_WORDS, type Task } from "../communicator.js";
import { pinned, unpin } from "../staging.js";
import { Requests } from "./requests.js";
import type { MpiRuntime } from "./runtime.js";

/** Words before the header: how many agreements this one follows, and the bytes of the input after the header. */
const GENERATION = 0;
const INLINE = 1;
const PREFIX = 4;
const INPUT = (PREFIX + HEADER_WORDS) * 4;

/** Most bytes of an input that go along, so that what a rank sends in all stays small. */
function inlineLimit(size: number): number {
  return Math.max(256, Math.floor(32768 / size / 256) * 256);
}

/** The agreements of one group, seen from one rank. */
export class Agreement {
  private readonly limit: number;
  private readonly slot: number;
  /** One slot for each rank: prefix, header, input. */
  private readonly slots: Tensor;
  private readonly at: number;
  private readonly requests: Requests;
  private generation = 0;
  private underWay = false;

  constructor(
    private readonly runtime: MpiRuntime,
    private readonly rank: number,
    private readonly ranks: readonly number[],
    private readonly peers: readonly number[],
    private readonly tag: number,
  ) {
    const size = ranks.length;
    this.limit = inlineLimit(size);
    this.slot = INPUT + this.limit;
    this.slots = pinned([this.slot * size], UINT8);
    this.at = ptr(this.slots);
    this.requests = new Requests(runtime);
  }

  private slotOf(rank: number): number {
    return this.at + rank * this.slot;
  }

  private word(rank: number, index: number): number {
    return mem.i32[this.slotOf(rank) / 4 + index] as number;
  }

  /** Everybody's headers, by rank, valid until the next call. */
  *run(header: Int32Array, input: Tensor | null): Task<Int32Array[]> {
    const { runtime, requests, ranks, peers, tag } = this;
    const own = this.slotOf(this.rank);
    const inline = input !== null && input.nbytes <= this.limit ? input.nbytes : 0;
    this.generation = (this.generation + 1) | 0;
    mem.i32[own / 4 + GENERATION] = this.generation;
    mem.i32[own / 4 + INLINE] = inline;
    mem.i32.set(header, own / 4 + PREFIX);
    if (inline > 0) {
      const from = ptr(input as Tensor);
      mem.u8.copyWithin(own + INPUT, from, from + inline);
    }
    this.underWay = true;
    try {
      for (const p of peers) this.receiveFrom(p);
      for (const p of peers)
        requests.send(runtime.base + own, INPUT + inline, ranks[p] as number, tag, runtime.control);
      for (;;) {
        while (!requests.done()) yield;
        // What an earlier agreement, given up here, left behind.
        const stale = peers.filter((p) => this.word(p, GENERATION) !== this.generation);
        if (stale.length === 0) break;
        for (const p of stale) this.receiveFrom(p);
      }
    } finally {
      this.underWay = false;
      requests.abandon([]);
    }
    return ranks.map((_, r) => {
      const from = this.slotOf(r) / 4 + PREFIX;
      return mem.i32.subarray(from, from + HEADER_WORDS);
    });
  }

  private receiveFrom(peer: number): void {
    const { runtime, requests, ranks, tag } = this;
    mem.i32[this.slotOf(peer) / 4 + GENERATION] = 0;
    requests.receive(
      runtime.base + this.slotOf(peer),
      this.slot,
      ranks[peer] as number,
      tag,
      runtime.control,
    );
  }

  /** Ranks whose header has not come yet. */
  missing(): number[] {
    if (!this.underWay) return [];
    return this.peers.filter((p) => this.word(p, GENERATION) !== this.generation).sort((a, b) => a - b);
  }

  /** Address of what a rank gave along with the last header, if that was all of its input of `bytes` bytes; else 0. */
  inputOf(rank: number, bytes: number): number {
    return bytes > 0 && this.word(rank, INLINE) === bytes ? this.slotOf(rank) + INPUT : 0;
  }

  close(): void {
    unpin(this.slots);
  }
}
