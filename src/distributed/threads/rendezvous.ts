/**
 * Where the ranks of a group meet: each announces in shared memory the collective, and the point inside it, that it has
 * come to, and looks whether the others have.
 */
import { ptr } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import { type Failure, HEADER_WORDS, type Task } from "../communicator.js";
import { PAYLOAD_BYTES, type Room } from "./room.js";
import type { ThreadsWorld } from "./world.js";

/** How often a rank looks for the others before it lets the driver do something else. */
const LOOKS = 100;

/** One rank's view of the meeting points of its group. */
export class Rendezvous {
  readonly rank: number;
  readonly size: number;
  private sequence = 0;
  private phase = 0;
  /** The point that the task under way waits for: headers, or a phase. */
  private waitsFor: "headers" | "phase" = "headers";
  private readonly looks: number;

  constructor(
    readonly world: ThreadsWorld,
    readonly room: Room,
    /** The world's numbers of the group's ranks. */
    readonly ranks: readonly number[],
  ) {
    this.rank = ranks.indexOf(world.rank);
    this.size = ranks.length;
    this.looks = world.spinTurns > 1 ? LOOKS : 1;
  }

  /** Which of the two headers and payloads of each rank belong to the collective under way. */
  get parity(): number {
    return this.sequence & 1;
  }

  /** Shows this rank's header and where its input is, and waits for everybody's. */
  *agree(header: Int32Array, input: Tensor | null): Task<readonly Int32Array[]> {
    const { room, rank, size, looks } = this;
    this.sequence = (this.sequence + 1) | 0;
    const { sequence, parity } = this;
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
  reach(result?: number): void {
    this.phase = (this.phase + 1) | 0;
    this.waitsFor = "phase";
    this.room.reach(this.rank, this.phase, result);
    this.ringOthers();
  }

  /** Waits until all have come to the point that this rank reached last. */
  *all(): Task<void> {
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

  /** The ranks that have not come yet to where the collective under way waits for them. */
  missing(): number[] {
    const missing: number[] = [];
    for (let r = 0; r < this.size; r++) if (!this.isHere(r)) missing.push(r);
    return missing;
  }

  /** As {@link Communicator.failure}. */
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

  /** As {@link Communicator.abort}. */
  abort(reason: string): void {
    this.room.abort(this.rank, reason);
    this.ringOthers();
  }
}
