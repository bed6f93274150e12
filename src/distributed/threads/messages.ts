/** Tensors from one rank to another, between threads: the receiver copies them out of the sender's heap, or out of a copy. */
import { mem } from "../../kernels/index.js";
import { ptr } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Envelope, Sending, Task } from "../communicator.js";
import { DistMismatchError } from "../errors.js";
import { Receipt, type TensorMessage } from "./mail.js";
import type { ThreadsWorld } from "./world.js";

class Arrived implements Envelope {
  readonly header: Int32Array;

  constructor(
    readonly source: number,
    readonly message: TensorMessage,
    readonly receipt: Receipt,
  ) {
    this.header = message.header;
  }
}

/** The messages of one group. */
export class Messages {
  constructor(
    private readonly world: ThreadsWorld,
    private readonly ranks: readonly number[],
    private readonly group: string,
  ) {}

  send(header: Int32Array, tensor: Tensor, destination: number, tag: number, stable: boolean): Sending {
    const { world, group } = this;
    const { nbytes } = tensor;
    const at = ptr(tensor);
    let data: SharedArrayBuffer | number = at;
    if (!stable) {
      data = new SharedArrayBuffer(nbytes);
      new Uint8Array(data).set(mem.u8.subarray(at, at + nbytes));
    }
    const receipt = new Receipt();
    const to = this.ranks[destination] as number;
    const message = { kind: "tensor", group, tag, header, nbytes, data, receipt: receipt.buffer } as const;
    world.mail.post(to, message);
    return {
      poll: () => {
        const state = receipt.state();
        if (typeof state === "boolean") return state;
        throw new DistMismatchError(`[send] rank ${to} refused the message: ${state}`, {
          op: "send",
          sequenceNumber: null,
          ranks: [to],
        });
      },
      cancel: () => receipt.cancel(() => world.control.failedRank() === to),
    };
  }

  probe(source: number | null, tag: number): Envelope | null {
    const fits = (m: TensorMessage) => m.group === this.group && m.tag === tag;
    const sources = source === null ? this.ranks.keys() : [source];
    for (const from of sources) {
      for (;;) {
        const message = this.world.mail.tensor(this.ranks[from] as number, fits);
        if (message === null) break;
        const receipt = new Receipt(message.receipt);
        if (receipt.claim()) return new Arrived(from, message, receipt);
      }
    }
    return null;
  }

  // biome-ignore lint/correctness/useYield: between threads a message that has come is there as a whole
  *take(envelope: Envelope, output: Tensor): Task<void> {
    const { message, receipt, source } = envelope as Arrived;
    const { data, nbytes } = message;
    const from = this.ranks[source] as number;
    const bytes =
      typeof data === "number" ? this.world.peerBytes(from, data, data + nbytes) : new Uint8Array(data);
    mem.u8.set(bytes, ptr(output));
    receipt.confirm();
    this.world.control.ring(from);
  }

  refuse(envelope: Envelope, reason: string): void {
    const { receipt, source } = envelope as Arrived;
    receipt.refuse(reason);
    this.world.control.ring(this.ranks[source] as number);
  }
}
