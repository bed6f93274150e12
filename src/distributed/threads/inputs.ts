/** The inputs of all ranks of a group: small ones travel with the headers, large ones are read from their owner's heap. */
import { mem } from "../../kernels/index.js";
import type { Task } from "../communicator.js";
import type { Rendezvous } from "./rendezvous.js";

/** How long a rank that gives up waits at most for others to end reading from its heap. */
const LEAVE_MS = 5000;

/** Reads the inputs of the collective under way. */
export class Inputs {
  constructor(private readonly rendezvous: Rendezvous) {}

  /** Whether the input of one of the ranks `from` to `to` - 1 is read from its heap, so that it has to wait for the others. */
  anyInHeap(from: number, to: number): boolean {
    const { room, parity } = this.rendezvous;
    for (let r = from; r < to; r++) if (room.input(parity, r) >= 0) return true;
    return false;
  }

  /** Brings bytes of a rank's input to an address of this heap. */
  fetch(rank: number, offset: number, nbytes: number, to: number): void {
    if (nbytes === 0) return;
    const { room, parity } = this.rendezvous;
    const at = room.input(parity, rank);
    if (at < 0) room.readPayload(parity, rank, offset, nbytes, to);
    else this.copy(rank, at + offset, nbytes, to);
  }

  /** Copies bytes of a rank's heap to an address of this heap. */
  copy(rank: number, from: number, nbytes: number, to: number): void {
    const { world, ranks } = this.rendezvous;
    if (rank !== this.rendezvous.rank) {
      mem.u8.set(world.peerBytes(ranks[rank] as number, from, from + nbytes), to);
    } else if (from !== to) mem.u8.copyWithin(to, from, from + nbytes);
  }

  /** Reads from other heaps, whose owners leave what is read alone meanwhile, even if they give up. */
  *reading(read: () => void): Task<void> {
    const { room, rank } = this.rendezvous;
    room.setReading(rank, true);
    if (room.aborted() >= 0) {
      room.setReading(rank, false);
      for (;;) yield;
    }
    read();
    room.setReading(rank, false);
  }

  /** Gives up in the middle of an exchange: returns once nobody reads from this heap any more. */
  leave(): void {
    const { rendezvous } = this;
    const { room, rank, size, world, ranks } = rendezvous;
    rendezvous.abort("in the middle of an exchange");
    const until = performance.now() + LEAVE_MS;
    for (let r = 0; r < size; r++) {
      const dead = () => world.control.failedRank() === ranks[r];
      while (r !== rank && room.isReading(r) && !dead() && performance.now() < until);
    }
  }
}
