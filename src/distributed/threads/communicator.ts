/**
 * The collectives of ranks that are threads of one process. Small inputs travel with the headers; of large ones the
 * headers carry addresses, and ranks read each other's heaps. In a large reduction each rank reduces its part of the
 * elements and the others fetch it. Ranks always reduce in the order 0, 1, 2, ..., so that results have the same bits on
 * every rank and in every run.
 */
import { mem } from "../../kernels/index.js";
import { SIZES, UINT8 } from "../../tensor/dtype.js";
import { ptr } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import {
  type Communicator,
  type Envelope,
  type Failure,
  HEADER_WORDS,
  type Reduction,
  type Sending,
  type Task,
} from "../communicator.js";
import { reduceInto } from "../reduction.js";
import { pinned, unpin } from "../staging.js";
import { Messages } from "./messages.js";
import { PAYLOAD_BYTES, Room } from "./room.js";
import type { ThreadsWorld } from "./world.js";

/** Bytes of each rank that are fetched and reduced at once, so that they stay in the core's own cache. */
const BLOCK_BYTES = 65536;

/** Parts of a large reduction start at multiples of so many elements. */
const ALIGN = 64;

/** How long a rank that gives up waits at most for others to end reading from its heap. */
const LEAVE_MS = 5000;

/** How often a rank looks for the others before it lets the driver do something else. */
const LOOKS = 100;

/** Ranks that are threads of one process: they read from each other's heaps. */
export class ThreadsCommunicator implements Communicator {
  readonly backend = "threads";
  readonly rank: number;
  readonly size: number;
  private sequence = 0;
  private phase = 0;
  /** The point that the task under way waits for: headers, or a phase. */
  private waitsFor: "headers" | "phase" = "headers";
  /** Blocks of the other ranks on their way into a reduction. */
  private scratch: Tensor | null = null;
  private readonly looks: number;
  private readonly messages: Messages;

  constructor(
    private readonly world: ThreadsWorld,
    private readonly room: Room,
    /** The world's numbers of the group's ranks. */
    private readonly ranks: readonly number[],
    name: string,
  ) {
    this.rank = ranks.indexOf(world.rank);
    this.size = ranks.length;
    this.looks = world.spinTurns > 1 ? LOOKS : 1;
    this.messages = new Messages(world, ranks, name);
  }

  *agree(header: Int32Array, input: Tensor | null): Task<readonly Int32Array[]> {
    const { room, rank, size, looks } = this;
    this.sequence = (this.sequence + 1) | 0;
    const { sequence } = this;
    const parity = sequence & 1;
    const headers = room.headers(parity);
    const own = headers[rank] as Int32Array;
    for (let i = 0; i < HEADER_WORDS; i++) own[i] = header[i] as number;
    if (input !== null) {
      const { nbytes } = input;
      const at = ptr(input);
      if (nbytes <= PAYLOAD_BYTES) room.writePayload(parity, rank, at, nbytes);
      room.setInput(parity, rank, at, nbytes > PAYLOAD_BYTES);
    }
    this.waitsFor = "headers";
    room.arrive(rank, sequence);
    this.ringOthers();
    for (let r = 0; r < size; r++) {
      for (let i = 1; !room.hasArrived(r, sequence); i++) if (i % looks === 0) yield;
    }
    while (room.aborted() >= 0) yield; // one that came has gone again
    this.world.wake();
    return headers;
  }

  private ringOthers(): void {
    const { ranks, world, rank } = this;
    for (let r = 0; r < ranks.length; r++) if (r !== rank) world.control.ring(ranks[r] as number);
  }

  /** Tells the others that this rank has come to a point of the collective, and where its result is, if it has one there. */
  private reach(result?: number): void {
    this.phase = (this.phase + 1) | 0;
    this.waitsFor = "phase";
    this.room.reach(this.rank, this.phase, result);
    this.ringOthers();
  }

  /** Waits until all have come to the point that this rank reached last. */
  private *all(): Task<void> {
    const { room, phase, looks } = this;
    for (let r = 0; r < this.size; r++) {
      for (let i = 1; !room.hasReached(r, phase); i++) if (i % looks === 0) yield;
    }
    this.world.wake();
  }

  /** Whether a rank has come to where the collective under way waits for it. */
  private isHere(rank: number): boolean {
    return this.waitsFor === "headers"
      ? this.room.hasArrived(rank, this.sequence)
      : this.room.hasReached(rank, this.phase);
  }

  missing(): number[] {
    const missing: number[] = [];
    for (let r = 0; r < this.size; r++) if (!this.isHere(r)) missing.push(r);
    return missing;
  }

  /** Whether some rank's input is read from its heap, so that it has to wait for the others. */
  private anyInHeap(from = 0, to = this.size): boolean {
    const parity = this.sequence & 1;
    for (let r = from; r < to; r++) if (this.room.input(parity, r) >= 0) return true;
    return false;
  }

  /** Brings bytes of a rank's input to an address of this heap. */
  private fetch(rank: number, offset: number, nbytes: number, to: number): void {
    if (nbytes === 0) return;
    const parity = this.sequence & 1;
    const at = this.room.input(parity, rank);
    if (at < 0) this.room.readPayload(parity, rank, offset, nbytes, to);
    else this.copy(rank, at + offset, nbytes, to);
  }

  /** Copies bytes of a rank's heap to an address of this heap. */
  private copy(rank: number, from: number, nbytes: number, to: number): void {
    if (rank !== this.rank) {
      mem.u8.set(this.world.peerBytes(this.ranks[rank] as number, from, from + nbytes), to);
    } else if (from !== to) mem.u8.copyWithin(to, from, from + nbytes);
  }

  /** out = the reduction of elements `first` to `first + count` of all inputs, block by block. */
  private reduceBlocks(input: Tensor, reduction: Reduction, first: number, count: number, out: number): void {
    const { size, rank } = this;
    const bytes = SIZES[input.code] as number;
    const own = ptr(input) + first * bytes;
    if (size === 1) {
      this.copy(0, own, count * bytes, out);
      return;
    }
    this.scratch ??= pinned([BLOCK_BYTES * (size + 1)], UINT8);
    const scratch = ptr(this.scratch);
    const aside = scratch + size * BLOCK_BYTES;
    const block = BLOCK_BYTES / bytes;
    const sources = new Array<number>(size);
    for (let done = 0; done < count; done += block) {
      const n = Math.min(block, count - done);
      const at = done * bytes;
      for (let r = 0; r < size; r++) {
        if (r === rank) {
          sources[r] = own + at;
          continue;
        }
        sources[r] = scratch + r * BLOCK_BYTES;
        this.fetch(r, first * bytes + at, n * bytes, sources[r] as number);
      }
      // A result may overwrite the first two sources only.
      const inPlace = rank >= 2 && out + at === sources[rank];
      reduceInto(input.code, reduction, inPlace ? aside : out + at, sources, n);
      if (inPlace) this.copy(rank, aside, n * bytes, out + at);
    }
  }

  /** First element of each rank's part of a large reduction, and the end of the last. */
  private parts(numel: number): number[] {
    const { size } = this;
    return Array.from({ length: size + 1 }, (_, r) =>
      r === size ? numel : Math.floor((r * numel) / size / ALIGN) * ALIGN,
    );
  }

  /** Reads from other heaps, whose owners leave what is read alone meanwhile, even if they give up. */
  private *reading(read: () => void): Task<void> {
    const { room, rank } = this;
    room.setReading(rank, true);
    if (room.aborted() >= 0) {
      room.setReading(rank, false);
      for (;;) yield;
    }
    read();
    room.setReading(rank, false);
  }

  /** Runs the steps of a mover; when they are given up half-way, nobody may begin to read from this heap any more. */
  private *guarded(steps: Task<void>): Task<void> {
    let over = false;
    try {
      yield* steps;
      over = true;
    } finally {
      if (!over) this.leave();
    }
  }

  private leave(): void {
    const { room, rank, size, world, ranks } = this;
    this.abort("in the middle of an exchange");
    const until = performance.now() + LEAVE_MS;
    for (let r = 0; r < size; r++) {
      const dead = () => world.control.failedRank() === ranks[r];
      while (r !== rank && room.isReading(r) && !dead() && performance.now() < until);
    }
  }

  allReduce(input: Tensor, output: Tensor, reduction: Reduction): Task<void> {
    return this.guarded(this.reduceTo(input, output, reduction));
  }

  reduce(input: Tensor, output: Tensor | null, reduction: Reduction): Task<void> {
    return this.guarded(this.reduceTo(input, output, reduction));
  }

  private *reduceTo(input: Tensor, output: Tensor | null, reduction: Reduction): Task<void> {
    const { size, rank, room } = this;
    const { numel } = input;
    if (size === 1 || input.nbytes <= PAYLOAD_BYTES) {
      if (output !== null) this.reduceBlocks(input, reduction, 0, numel, ptr(output));
      return;
    }
    const bytes = SIZES[input.code] as number;
    const parts = this.parts(numel);
    const first = parts[rank] as number;
    const count = (parts[rank + 1] as number) - first;
    const result = pinned([count], input.code);
    yield* this.reading(() => this.reduceBlocks(input, reduction, first, count, ptr(result)));
    this.reach(ptr(result));
    yield* this.all();
    if (output !== null) {
      const out = ptr(output);
      yield* this.reading(() => {
        for (let r = 0; r < size; r++) {
          const from = parts[r] as number;
          const nbytes = ((parts[r + 1] as number) - from) * bytes;
          this.copy(r, room.result(r), nbytes, out + from * bytes);
        }
      });
    }
    this.reach();
    yield* this.all();
    unpin(result); // only now: the others have fetched it
  }

  /**
   * Lets this rank `read` the inputs of ranks `from` to `to` - 1. Where one of these inputs is in a heap, its owner
   * waits until all have read it. `fill` says that the output gets its bytes only here, so it is whole or as it was.
   */
  private *exchange(from: number, to: number, read: () => void): Task<void> {
    if (!this.anyInHeap(from, to)) {
      read();
      return;
    }
    yield* this.reading(read);
    this.reach();
    if (this.rank >= from && this.rank < to) yield* this.all();
  }

  broadcast(tensor: Tensor, root: number): Task<void> {
    const read = () => {
      if (this.rank !== root) this.fetch(root, 0, tensor.nbytes, ptr(tensor));
    };
    return this.guarded(this.exchange(root, root + 1, read));
  }

  allGather(input: Tensor, output: Tensor, counts: readonly number[]): Task<void> {
    return this.gather(input, output, counts);
  }

  gather(input: Tensor, output: Tensor | null, counts: readonly number[]): Task<void> {
    const bytes = SIZES[input.code] as number;
    const read = () => {
      if (output === null) return;
      let to = ptr(output);
      for (let r = 0; r < this.size; r++) {
        const nbytes = (counts[r] as number) * bytes;
        if (r === this.rank) this.copy(r, ptr(input), nbytes, to);
        else this.fetch(r, 0, nbytes, to);
        to += nbytes;
      }
    };
    return this.guarded(this.exchange(0, this.size, read));
  }

  scatter(input: Tensor | null, output: Tensor, counts: readonly number[], root: number): Task<void> {
    const bytes = SIZES[output.code] as number;
    const offset = counts.slice(0, this.rank).reduce((a, b) => a + b, 0) * bytes;
    const read = () => {
      if (input !== null) this.copy(root, ptr(input) + offset, output.nbytes, ptr(output));
      else this.fetch(root, offset, output.nbytes, ptr(output));
    };
    return this.guarded(this.exchange(root, root + 1, read));
  }

  reduceScatter(input: Tensor, output: Tensor, counts: readonly number[], reduction: Reduction): Task<void> {
    const first = counts.slice(0, this.rank).reduce((a, b) => a + b, 0);
    const read = () => this.reduceBlocks(input, reduction, first, output.numel, ptr(output));
    return this.guarded(this.exchange(0, this.size, read));
  }

  allToAll(
    input: Tensor,
    output: Tensor,
    inputCounts: readonly number[],
    outputCounts: readonly number[],
  ): Task<void> {
    return this.guarded(this.cross(input, output, inputCounts, outputCounts));
  }

  private *cross(
    input: Tensor,
    output: Tensor,
    inputCounts: readonly number[],
    outputCounts: readonly number[],
  ): Task<void> {
    const { room, rank, size } = this;
    const offsets = room.row(rank);
    inputCounts.reduce((at, n, r) => {
      offsets[r] = at;
      return at + n;
    }, 0);
    this.reach();
    yield* this.all();
    const bytes = SIZES[input.code] as number;
    yield* this.exchange(0, size, () => {
      let to = ptr(output);
      for (let r = 0; r < size; r++) {
        const nbytes = (outputCounts[r] as number) * bytes;
        const offset = ((room.row(r)[rank] as number) >>> 0) * bytes;
        if (r === rank) this.copy(r, ptr(input) + offset, nbytes, to);
        else this.fetch(r, offset, nbytes, to);
        to += nbytes;
      }
    });
  }

  send(header: Int32Array, tensor: Tensor, destination: number, tag: number, stable: boolean): Sending {
    return this.messages.send(header, tensor, destination, tag, stable);
  }

  probe(source: number | null, tag: number): Envelope | null {
    return this.messages.probe(source, tag);
  }

  take(envelope: Envelope, output: Tensor): Task<void> {
    return this.messages.take(envelope, output);
  }

  refuse(envelope: Envelope, reason: string): void {
    this.messages.refuse(envelope, reason);
  }

  *split(ranks: readonly number[], name: string): Task<Communicator> {
    const { world } = this;
    const worldRanks = ranks.map((r) => this.ranks[r] as number);
    return yield* join(world, worldRanks, name);
  }

  pause(turn: number, until: number): void {
    this.world.pause(turn, until);
  }

  failure(peers?: readonly number[]): Failure | null {
    const { control } = this.world;
    const failed = control.failedRank();
    if (failed !== null) return { rank: failed, reason: control.reason() };
    const aborted = this.room.aborted();
    if (aborted >= 0)
      return { rank: this.ranks[aborted] as number, reason: `gave up: ${this.room.reason()}` };
    if (peers !== undefined) {
      const [first] = peers;
      const ended = peers.every((r) => control.hasEnded(this.ranks[r] as number));
      return first !== undefined && ended ? { rank: this.ranks[first] as number, reason: "has ended" } : null;
    }
    for (let r = 0; r < this.size; r++) {
      // In this order: a rank that has ended joined before, if it ever did.
      if (control.hasEnded(this.ranks[r] as number) && !this.isHere(r))
        return { rank: this.ranks[r] as number, reason: "has ended" };
    }
    return null;
  }

  abort(reason: string): void {
    this.room.abort(this.rank, reason);
    this.ringOthers();
  }

  close(): void {
    if (this.scratch !== null) unpin(this.scratch);
    this.scratch = null;
  }
}

/** The communicator of a group of ranks of the world; its first rank makes the shared memory. */
export function* join(world: ThreadsWorld, ranks: readonly number[], name: string): Task<Communicator> {
  if (world.rank === ranks[0]) {
    const room = Room.create(ranks.length);
    for (const r of ranks.slice(1)) world.mail.post(r, { kind: "room", name, buffer: room.buffer });
    return new ThreadsCommunicator(world, room, ranks, name);
  }
  for (;;) {
    const buffer = world.mail.room(name);
    if (buffer !== null) return new ThreadsCommunicator(world, new Room(buffer, ranks.length), ranks, name);
    yield;
  }
}
