/** Messages between the ranks of a threads world: one MessagePort for each pair of ranks. */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { WasmMemory } from "../../kernels/platform.js";
import type { WorldControl } from "./control.js";

/** A rank hands its heap to another. */
export interface HeapMessage {
  readonly kind: "heap";
  readonly memory: WasmMemory;
}

/** The first rank of a new group hands out its shared memory. */
export interface RoomMessage {
  readonly kind: "room";
  readonly name: string;
  readonly buffer: SharedArrayBuffer;
}

/** A tensor on its way. */
export interface TensorMessage {
  readonly kind: "tensor";
  readonly group: string;
  readonly tag: number;
  readonly header: Int32Array;
  readonly nbytes: number;
  /** The bytes, or their address in the sender's heap. */
  readonly data: SharedArrayBuffer | number;
  readonly receipt: SharedArrayBuffer;
}

/** What ranks send each other. */
export type Message = HeapMessage | RoomMessage | TensorMessage;

/** The messages of this rank: those that came and wait, by sender. */
export class Mail {
  private readonly tensors: TensorMessage[][];
  private readonly heaps: (WasmMemory | null)[];
  private readonly rooms = new Map<string, SharedArrayBuffer>();
  private seen = 0;

  constructor(
    private readonly control: WorldControl,
    private readonly rank: number,
    private readonly ports: readonly (MessagePort | null)[],
  ) {
    this.tensors = ports.map(() => []);
    this.heaps = ports.map(() => null);
  }

  /** Sends a message; never waits. */
  post(to: number, message: Message): void {
    this.ports[to]?.postMessage(message);
    this.control.post(to);
  }

  /** Sorts in what has come. */
  private collect(): void {
    const mail = this.control.mail(this.rank);
    if (mail === this.seen) return;
    this.seen = mail;
    this.ports.forEach((port, from) => {
      if (port === null) return;
      for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
        const message = got.message as Message;
        if (message.kind === "heap") this.heaps[from] = message.memory;
        else if (message.kind === "room") this.rooms.set(message.name, message.buffer);
        else (this.tensors[from] as TensorMessage[]).push(message);
      }
    });
  }

  /** The heap of another rank, once it has come. */
  heap(from: number): WasmMemory | null {
    this.collect();
    return this.heaps[from] as WasmMemory | null;
  }

  /** The shared memory of a group, once it has come; it is handed out once. */
  room(name: string): SharedArrayBuffer | null {
    this.collect();
    const found = this.rooms.get(name) ?? null;
    this.rooms.delete(name);
    return found;
  }

  /** The oldest tensor from a rank with this tag, taken out of the mail when `keep` says no. */
  tensor(from: number, fits: (message: TensorMessage) => boolean): TensorMessage | null {
    this.collect();
    const list = this.tensors[from] as TensorMessage[];
    const at = list.findIndex(fits);
    return at < 0 ? null : ((list.splice(at, 1)[0] as TensorMessage) ?? null);
  }

  /** Closes the ports. */
  close(): void {
    for (const port of this.ports) port?.close();
  }
}

/** How often a sender looks, every 10 ms, whether a receiver has ended copying. */
const CANCEL_LOOKS = 500;

const PENDING = 0;
const TAKING = 1;
const TAKEN = 2;
const REFUSED = 3;
const CANCELLED = 4;
const TEXT = 8;
const TEXT_BYTES = 504;

/** What becomes of a tensor message, told by its receiver to its sender. */
export class Receipt {
  private readonly words: Int32Array;

  constructor(readonly buffer = new SharedArrayBuffer(TEXT + TEXT_BYTES)) {
    this.words = new Int32Array(buffer);
  }

  /** Receiver: claims the message; false when its sender gave it up. */
  claim(): boolean {
    return Atomics.compareExchange(this.words, 0, PENDING, TAKING) === PENDING;
  }

  /** Receiver: the elements have arrived. */
  confirm(): void {
    Atomics.store(this.words, 0, TAKEN);
    Atomics.notify(this.words, 0);
  }

  /** Receiver: it does not take the message. */
  refuse(reason: string): void {
    const text = new TextEncoder().encode(reason).slice(0, TEXT_BYTES);
    new Uint8Array(this.buffer).set(text, TEXT);
    this.words[1] = text.length;
    Atomics.store(this.words, 0, REFUSED);
    Atomics.notify(this.words, 0);
  }

  /** Sender: gives the message up. While the receiver is at it, waits for it, unless it is `dead`. */
  cancel(dead: () => boolean): void {
    if (Atomics.compareExchange(this.words, 0, PENDING, CANCELLED) !== TAKING) return;
    for (let i = 0; i < CANCEL_LOOKS && Atomics.load(this.words, 0) === TAKING && !dead(); i++)
      Atomics.wait(this.words, 0, TAKING, 10);
  }

  /** Sender: whether the message has arrived; the reason when it was refused. */
  state(): boolean | string {
    const state = Atomics.load(this.words, 0);
    if (state !== REFUSED) return state === TAKEN;
    const bytes = new Uint8Array(this.buffer).slice(TEXT, TEXT + (this.words[1] as number));
    return new TextDecoder().decode(bytes);
  }
}
