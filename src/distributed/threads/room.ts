/**
 * The memory that the ranks of one group share. Each rank has a line of words that it alone writes, two headers and two
 * small payloads: one for the collective under way, and one for the next, which a fast rank may begin while others
 * still read.
 */
import { mem } from "../../kernels/index.js";
import { HEADER_WORDS } from "../communicator.js";

const LINE = 32;
const ABORTED = 0;
const TEXT_LENGTH = 1;
const TEXT = 64;
const TEXT_BYTES = 1024 - TEXT;
const FIRST_RANK = 256;

// Words of a rank's line.
const ARRIVED = 0;
const PHASE = 1;
const READING = 2;
const RESULT = 3;

/** Bytes of input that travel with a header. */
export const PAYLOAD_BYTES = 16384;

/** Bytes up to which a payload is copied word by word: making views of memory takes longer. */
const BY_WORDS = 1024;

/** Where a rank's input is: in its payload, or at an address of its heap. */
const INPUT = HEADER_WORDS;
const INPUT_IN_HEAP = HEADER_WORDS + 1;
const SLOT_WORDS = HEADER_WORDS + 16;
const WRITING = -1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A view of the shared memory of one group. */
export class Room {
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly slots: number;
  private readonly payloads: number;
  private readonly offsets: number;
  private readonly headerViews: readonly (readonly Int32Array[])[];
  private readonly payloadViews: readonly (readonly Uint8Array[])[];

  constructor(
    readonly buffer: SharedArrayBuffer,
    readonly size: number,
  ) {
    this.words = new Int32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.slots = FIRST_RANK + size * LINE;
    this.offsets = this.slots + 2 * size * SLOT_WORDS;
    this.payloads = payloadsAt(size);
    const ranks = Array.from({ length: size }, (_, r) => r);
    const both = [0, 1];
    this.headerViews = both.map((p) =>
      ranks.map((r) => this.words.subarray(this.slot(p, r), this.slot(p, r) + HEADER_WORDS)),
    );
    this.payloadViews = both.map((p) =>
      ranks.map((r) => {
        const at = this.payloadAt(p, r);
        return this.bytes.subarray(at, at + PAYLOAD_BYTES);
      }),
    );
  }

  /** Memory for a group of so many ranks. */
  static create(size: number): Room {
    return new Room(new SharedArrayBuffer(payloadsAt(size) + 2 * size * PAYLOAD_BYTES), size);
  }

  /** The headers of all ranks, by rank, of collectives with even or odd numbers. */
  headers(parity: number): readonly Int32Array[] {
    return this.headerViews[parity] as readonly Int32Array[];
  }

  private payload(parity: number, rank: number): Uint8Array {
    return (this.payloadViews[parity] as readonly Uint8Array[])[rank] as Uint8Array;
  }

  /** Copies bytes of the heap into the payload of a rank. */
  writePayload(parity: number, rank: number, from: number, nbytes: number): void {
    if (nbytes > BY_WORDS || (from | nbytes) % 4 !== 0) {
      this.payload(parity, rank).set(mem.u8.subarray(from, from + nbytes));
      return;
    }
    const { words } = this;
    const heap = mem.i32;
    const at = this.payloadAt(parity, rank) / 4;
    for (let i = 0; i < nbytes / 4; i++) words[at + i] = heap[from / 4 + i] as number;
  }

  /** Copies bytes of the payload of a rank, from `offset` on, to an address of the heap. */
  readPayload(parity: number, rank: number, offset: number, nbytes: number, to: number): void {
    if (nbytes > BY_WORDS || (offset | nbytes | to) % 4 !== 0) {
      mem.u8.set(this.payload(parity, rank).subarray(offset, offset + nbytes), to);
      return;
    }
    const { words } = this;
    const heap = mem.i32;
    const at = (this.payloadAt(parity, rank) + offset) / 4;
    for (let i = 0; i < nbytes / 4; i++) heap[to / 4 + i] = words[at + i] as number;
  }

  private line(rank: number, word: number): number {
    return FIRST_RANK + rank * LINE + word;
  }

  /** Byte address of a payload. */
  private payloadAt(parity: number, rank: number): number {
    return this.payloads + (2 * rank + parity) * PAYLOAD_BYTES;
  }

  private slot(parity: number, rank: number): number {
    return this.slots + (2 * rank + parity) * SLOT_WORDS;
  }

  /** Says where a rank's input of the collective is: at an address of its heap, or in its payload. */
  setInput(parity: number, rank: number, address: number, inHeap: boolean): void {
    const at = this.slot(parity, rank);
    this.words[at + INPUT] = address;
    this.words[at + INPUT_IN_HEAP] = inHeap ? 1 : 0;
  }

  /** Address of a rank's input in its heap; -1 when it is in its payload. */
  input(parity: number, rank: number): number {
    const at = this.slot(parity, rank);
    return this.words[at + INPUT_IN_HEAP] === 0 ? -1 : (this.words[at + INPUT] as number) >>> 0;
  }

  /** Announces a rank's header and input of collective `sequence`. */
  arrive(rank: number, sequence: number): void {
    Atomics.store(this.words, this.line(rank, ARRIVED), sequence);
  }

  /** Whether a rank has announced its header of collective `sequence`. */
  hasArrived(rank: number, sequence: number): boolean {
    return ((Atomics.load(this.words, this.line(rank, ARRIVED)) - sequence) | 0) >= 0;
  }

  /** Announces that a rank has come to a point inside a collective, and where its result is if it has a new one. */
  reach(rank: number, phase: number, result: number | undefined): void {
    if (result !== undefined) this.words[this.line(rank, RESULT)] = result;
    Atomics.store(this.words, this.line(rank, PHASE), phase);
  }

  /** Whether a rank has come to a point. */
  hasReached(rank: number, phase: number): boolean {
    return ((Atomics.load(this.words, this.line(rank, PHASE)) - phase) | 0) >= 0;
  }

  /** Address in a rank's heap of what it last said with {@link reach}. */
  result(rank: number): number {
    return (this.words[this.line(rank, RESULT)] as number) >>> 0;
  }

  /** Whether a rank is reading from others' heaps right now. */
  setReading(rank: number, reading: boolean): void {
    Atomics.store(this.words, this.line(rank, READING), reading ? 1 : 0);
  }

  isReading(rank: number): boolean {
    return Atomics.load(this.words, this.line(rank, READING)) === 1;
  }

  /** Row of `size` numbers that a rank shows to the others between two phases. */
  row(rank: number): Int32Array {
    const at = this.offsets + rank * this.size;
    return this.words.subarray(at, at + this.size);
  }

  /** Says that the group is out of use, and why; the first to say so is believed. */
  abort(rank: number, reason: string): void {
    if (Atomics.compareExchange(this.words, ABORTED, 0, WRITING) !== 0) return;
    const text = encoder.encode(reason).slice(0, TEXT_BYTES);
    this.bytes.set(text, TEXT);
    this.words[TEXT_LENGTH] = text.length;
    Atomics.store(this.words, ABORTED, rank + 1);
  }

  /** The rank that put the group out of use; -1 while none has. */
  aborted(): number {
    return Math.max(-1, Atomics.load(this.words, ABORTED) - 1);
  }

  /** Why the group is out of use. */
  reason(): string {
    return decoder.decode(this.bytes.slice(TEXT, TEXT + (this.words[TEXT_LENGTH] as number)));
  }
}

function payloadsAt(size: number): number {
  const words = FIRST_RANK + size * LINE + 2 * size * SLOT_WORDS + size * size;
  return Math.ceil((words * 4) / 64) * 64;
}
