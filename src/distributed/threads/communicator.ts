/**
 * The collectives of ranks that are threads of one process. Small inputs travel with the headers; of large ones the
 * headers carry addresses, and ranks read each other's heaps. In a large reduction each rank reduces its part of the
 * elements and the others fetch it. Ranks always reduce in the order 0, 1, 2, ..., so that results have the same bits on
 * every rank and in every run.
 */
import { SIZES, UINT8 } from "../../tensor/dtype.js";
import { ptr } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Communicator, Envelope, Failure, Reduction, Sending, Task } from "../communicator.js";
import { reduceInto } from "../reduction.js";
import { pinned, unpin } from "../staging.js";
import { Inputs } from "./inputs.js";
import { Messages } from "./messages.js";
import { Rendezvous } from "./rendezvous.js";
import { PAYLOAD_BYTES, Room } from "./room.js";
import type { ThreadsWorld } from "./world.js";

/** Bytes of each rank that are fetched and reduced at once, so that they stay in the core's own cache. */
const BLOCK_BYTES = 65536;

/** Parts of a large reduction start at multiples of so many elements. */
const ALIGN = 64;

/** Ranks that are threads of one process: they read from each other's heaps. */
class ThreadsCommunicator implements Communicator {
  readonly backend = "threads";
  readonly rank: number;
  readonly size: number;
  /** Blocks of the other ranks on their way into a reduction. */
  private scratch: Tensor | null = null;
  private readonly rendezvous: Rendezvous;
  private readonly inputs: Inputs;
  private readonly messages: Messages;

  constructor(
    private readonly world: ThreadsWorld,
    private readonly room: Room,
    /** The world's numbers of the group's ranks. */
    private readonly ranks: readonly number[],
    name: string,
  ) {
    this.rendezvous = new Rendezvous(world, room, ranks);
    this.rank = this.rendezvous.rank;
    this.size = ranks.length;
    this.inputs = new Inputs(this.rendezvous);
    this.messages = new Messages(world, ranks, name);
  }

  agree(header: Int32Array, input: Tensor | null): Task<readonly Int32Array[]> {
    return this.rendezvous.agree(header, input);
  }

  missing(): number[] {
    return this.rendezvous.missing();
  }

  failure(peers?: readonly number[]): Failure | null {
    return this.rendezvous.failure(peers);
  }

  abort(reason: string): void {
    this.rendezvous.abort(reason);
  }

  /** out = the reduction of elements `first` to `first + count` of all inputs, block by block. */
  private reduceBlocks(input: Tensor, reduction: Reduction, first: number, count: number, out: number): void {
    const { size, rank } = this;
    const bytes = SIZES[input.code] as number;
    const own = ptr(input) + first * bytes;
    if (size === 1) {
      this.inputs.copy(0, own, count * bytes, out);
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
        this.inputs.fetch(r, first * bytes + at, n * bytes, sources[r] as number);
      }
      // A result may overwrite the first two sources only.
      const inPlace = rank >= 2 && out + at === sources[rank];
      reduceInto(input.code, reduction, inPlace ? aside : out + at, sources, n);
      if (inPlace) this.inputs.copy(rank, aside, n * bytes, out + at);
    }
  }

  /** First element of each rank's part of a large reduction, and the end of the last. */
  private parts(numel: number): number[] {
    const { size } = this;
    return Array.from({ length: size + 1 }, (_, r) =>
      r === size ? numel : Math.floor((r * numel) / size / ALIGN) * ALIGN,
    );
  }

  /** Runs the steps of a mover; when they are given up half-way, nobody may begin to read from this heap any more. */
  private *guarded(steps: Task<void>): Task<void> {
    let over = false;
    try {
      yield* steps;
      over = true;
    } finally {
      if (!over) this.inputs.leave();
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
    yield* this.inputs.reading(() => this.reduceBlocks(input, reduction, first, count, ptr(result)));
    this.rendezvous.reach(ptr(result));
    yield* this.rendezvous.all();
    if (output !== null) {
      const out = ptr(output);
      yield* this.inputs.reading(() => {
        for (let r = 0; r < size; r++) {
          const from = parts[r] as number;
          const nbytes = ((parts[r + 1] as number) - from) * bytes;
          this.inputs.copy(r, room.result(r), nbytes, out + from * bytes);
        }
      });
    }
    this.rendezvous.reach();
    yield* this.rendezvous.all();
    unpin(result); // only now: the others have fetched it
  }

  /**
   * Lets this rank `read` the inputs of ranks `from` to `to` - 1. Where one of these inputs is in a heap, its owner
   * waits until all have read it. The output gets its bytes only
   * in `read`, so it is whole or as it was.
   */
  private *exchange(from: number, to: number, read: () => void): Task<void> {
    if (!this.inputs.anyInHeap(from, to)) {
      read();
      return;
    }
    yield* this.inputs.reading(read);
    this.rendezvous.reach();
    if (this.rank >= from && this.rank < to) yield* this.rendezvous.all();
  }

  broadcast(tensor: Tensor, root: number): Task<void> {
    const read = () => {
      if (this.rank !== root) this.inputs.fetch(root, 0, tensor.nbytes, ptr(tensor));
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
        if (r === this.rank) this.inputs.copy(r, ptr(input), nbytes, to);
        else this.inputs.fetch(r, 0, nbytes, to);
        to += nbytes;
      }
    };
    return this.guarded(this.exchange(0, this.size, read));
  }

  scatter(input: Tensor | null, output: Tensor, counts: readonly number[], root: number): Task<void> {
    const bytes = SIZES[output.code] as number;
    const offset = counts.slice(0, this.rank).reduce((a, b) => a + b, 0) * bytes;
    const read = () => {
      if (input !== null) this.inputs.copy(root, ptr(input) + offset, output.nbytes, ptr(output));
      else this.inputs.fetch(root, offset, output.nbytes, ptr(output));
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
    this.rendezvous.reach();
    yield* this.rendezvous.all();
    const bytes = SIZES[input.code] as number;
    yield* this.exchange(0, size, () => {
      let to = ptr(output);
      for (let r = 0; r < size; r++) {
        const nbytes = (outputCounts[r] as number) * bytes;
        const offset = ((room.row(r)[rank] as number) >>> 0) * bytes;
        if (r === rank) this.inputs.copy(r, ptr(input) + offset, nbytes, to);
        else this.inputs.fetch(r, offset, nbytes, to);
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
