/**
 * Messages from one rank to another, matched by their tags in the order in which they were sent. A small message goes
 * along with its header; the elements of a larger one wait in the sender's heap until the receiver takes them. The
 * receiver answers every message: taken, or refused and why.
 */
import { mem } from "../../kernels/index.js";
import { UINT8 } from "../../tensor/dtype.js";
import { copyInto, ptr, viewOf } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import { type Envelope, HEADER_WORDS, type Sending, type Task } from "../communicator.js";
import { DistMismatchError } from "../errors.js";
import { pinned, unpin } from "../staging.js";
import { commit } from "./movers.js";
import { Requests } from "./requests.js";
import type { MpiRuntime } from "./runtime.js";

/** Words before a header: number of the message at its sender, tag, bytes, kind; then the header, then elements. */
const ID = 0;
const TAG = 1;
const BYTES = 2;
const KIND = 3;
const PREFIX = 4;
const INPUT = (PREFIX + HEADER_WORDS) * 4;
/** Most bytes of elements that go along with the header. */
const INLINE_LIMIT = 3072;
const MESSAGE_BYTES = INPUT + INLINE_LIMIT;
const ORDINARY = 0;
/** Takes an earlier message back. */
const WITHDRAWN = 1;
/** Elements of larger messages are told apart by tags, of which every MPI has at least this many. */
const DATA_TAGS = 32767;
/** An answer: number of the message, 1 when taken, then the reason of a refusal, ended by 0. */
const ANSWER_BYTES = 1024;

/** A message that has arrived. */
class Arrival implements Envelope {
  constructor(
    readonly source: number,
    readonly id: number,
    readonly tag: number,
    readonly bytes: number,
    readonly header: Int32Array,
    /** The elements, when they came along. */
    readonly elements: Uint8Array | null,
  ) {}
}

/** A message on its way out. */
class Departure implements Sending {
  state: "waiting" | "taken" | "refused" | "cancelled" = "waiting";
  reason = "";

  constructor(
    private readonly mailbox: Mailbox,
    readonly id: number,
    readonly destination: number,
    /** The destination's rank in the world. */
    private readonly to: number,
    private readonly requests: Requests,
  ) {}

  poll(): boolean {
    if (this.state === "waiting") this.mailbox.readAnswers();
    if (this.state === "refused") {
      throw new DistMismatchError(`[send] rank ${this.to} refused the message: ${this.reason}`, {
        op: "send",
        sequenceNumber: null,
        ranks: [this.to],
      });
    }
    return this.state === "taken" && this.requests.done();
  }

  cancel(): void {
    if (this.state !== "waiting") return;
    this.state = "cancelled";
    this.mailbox.withdraw(this);
  }
}

const answers = new Uint8Array(ANSWER_BYTES);
const incoming = new Uint8Array(MESSAGE_BYTES);
let nextId = 0;

/** The messages of one group, seen from one rank. */
export class Mailbox {
  private readonly inbox: Arrival[] = [];
  private readonly departures = new Map<number, Departure>();

  constructor(
    private readonly runtime: MpiRuntime,
    private readonly ranks: readonly number[],
    private readonly headerTag: number,
    private readonly answerTag: number,
  ) {}

  /** See {@link Communicator.send}. */
  send(header: Int32Array, tensor: Tensor, destination: number, tag: number, stable: boolean): Sending {
    const { runtime } = this;
    const { nbytes } = tensor;
    nextId = (nextId + 1) & 0x7fffffff;
    const inline = nbytes <= INLINE_LIMIT;
    const bytes = this.compose(nextId, tag, nbytes, ORDINARY, header, inline ? nbytes : 0);
    const requests = new Requests(runtime);
    const to = this.ranks[destination] as number;
    let copy: Tensor | null = null;
    if (inline) bytes.set(mem.u8.subarray(ptr(tensor), ptr(tensor) + nbytes), INPUT);
    requests.send(runtime.mpi.address(bytes), bytes.length, to, this.headerTag, runtime.control);
    if (!inline) {
      if (!stable) {
        copy = pinned(tensor.shape, tensor.code);
        copyInto(copy, tensor);
      }
      const from = runtime.base + ptr(copy ?? tensor);
      requests.send(from, nbytes, to, nextId % DATA_TAGS, runtime.messages);
    }
    const departure = new Departure(this, nextId, destination, to, requests);
    this.leave(requests, bytes, copy);
    this.departures.set(nextId, departure);
    return departure;
  }

  private compose(
    id: number,
    tag: number,
    nbytes: number,
    kind: number,
    header: Int32Array | null,
    inline: number,
  ): Uint8Array {
    const bytes = new Uint8Array(INPUT + inline);
    const words = new Int32Array(bytes.buffer, 0, PREFIX + HEADER_WORDS);
    words[ID] = id;
    words[TAG] = tag;
    words[BYTES] = nbytes;
    words[KIND] = kind;
    if (header !== null) words.set(header, PREFIX);
    return bytes;
  }

  /** Takes in the answers that have come. */
  readAnswers(): void {
    const { runtime } = this;
    for (;;) {
      const found = runtime.probe(null, this.answerTag, runtime.control);
      if (found === null) return;
      runtime.receiveNow(
        runtime.mpi.address(answers),
        ANSWER_BYTES,
        found.source,
        this.answerTag,
        runtime.control,
      );
      const words = new Int32Array(answers.buffer, 0, 2);
      const id = words[0] as number;
      const taken = words[1] === 1;
      const departure = this.departures.get(id);
      if (departure === undefined) continue;
      this.departures.delete(id);
      if (departure.state === "waiting") departure.state = taken ? "taken" : "refused";
      if (!taken) departure.reason = new TextDecoder().decode(answers.slice(8, answers.indexOf(0, 8)));
    }
  }

  /** Tells the receiver that a message counts no more. */
  withdraw(departure: Departure): void {
    const bytes = this.compose(departure.id, 0, 0, WITHDRAWN, null, 0);
    this.post(bytes, departure.destination, this.headerTag);
  }

  private post(bytes: Uint8Array, destination: number, tag: number): void {
    const { runtime } = this;
    const requests = new Requests(runtime);
    const to = this.ranks[destination] as number;
    requests.send(runtime.mpi.address(bytes), bytes.length, to, tag, runtime.control);
    this.leave(requests, bytes, null);
  }

  /** Leaves requests to end by themselves; what they send from or receive into is kept until then. */
  private leave(requests: Requests, bytes: Uint8Array | null, temporary: Tensor | null): void {
    const kept = { bytes, temporary };
    this.runtime.background.push(() => {
      if (!requests.done()) return false;
      if (kept.temporary !== null) unpin(kept.temporary);
      return true;
    });
  }

  /** Takes in the headers that have come. */
  private readHeaders(): void {
    const { runtime } = this;
    for (;;) {
      const found = runtime.probe(null, this.headerTag, runtime.control);
      if (found === null) return;
      const at = runtime.mpi.address(incoming);
      runtime.receiveNow(at, MESSAGE_BYTES, found.source, this.headerTag, runtime.control);
      const words = new Int32Array(incoming.buffer, 0, PREFIX + HEADER_WORDS).slice();
      const source = this.ranks.indexOf(found.source);
      const id = words[ID] as number;
      if (words[KIND] === WITHDRAWN) {
        const index = this.inbox.findIndex((a) => a.source === source && a.id === id);
        const [arrival] = index < 0 ? [] : this.inbox.splice(index, 1);
        if (arrival !== undefined) this.answer(arrival, "withdrawn");
        continue;
      }
      const bytes = (words[BYTES] as number) >>> 0;
      const elements = bytes <= INLINE_LIMIT ? incoming.slice(INPUT, INPUT + bytes) : null;
      const header = words.subarray(PREFIX);
      this.inbox.push(new Arrival(source, id, words[TAG] as number, bytes, header, elements));
    }
  }

  /** See {@link Communicator.probe}. */
  probe(source: number | null, tag: number): Envelope | null {
    this.readHeaders();
    this.runtime.settled();
    return this.inbox.find((a) => a.tag === tag && (source === null || a.source === source)) ?? null;
  }

  private open(envelope: Envelope): Arrival {
    const index = this.inbox.indexOf(envelope as Arrival);
    return this.inbox.splice(index, 1)[0] as Arrival;
  }

  private receive(requests: Requests, { source, id, bytes }: Arrival, into: Tensor): void {
    const { runtime, ranks } = this;
    const to = runtime.base + ptr(into);
    requests.receive(to, bytes, ranks[source] as number, id % DATA_TAGS, runtime.messages);
  }

  /** See {@link Communicator.take}. */
  *take(envelope: Envelope, output: Tensor): Task<void> {
    const arrival = this.open(envelope);
    if (arrival.elements !== null) mem.u8.set(arrival.elements, ptr(output));
    else {
      const temporary = pinned(output.shape, output.code);
      const requests = new Requests(this.runtime);
      try {
        this.receive(requests, arrival, temporary);
        while (!requests.done()) yield;
        commit(output, temporary);
      } finally {
        requests.abandon([temporary]);
      }
    }
    this.answer(arrival, null);
  }

  /** See {@link Communicator.refuse}. */
  refuse(envelope: Envelope, reason: string): void {
    this.answer(this.open(envelope), reason);
  }

  /** Answers a message: taken, or refused for a reason. Elements of a refused one are received all the same, for MPI's sake. */
  private answer(arrival: Arrival, reason: string | null): void {
    if (reason !== null && arrival.elements === null) {
      const temporary = viewOf(pinned([arrival.bytes], UINT8), [arrival.bytes], null, 0);
      const requests = new Requests(this.runtime);
      this.receive(requests, arrival, temporary);
      this.leave(requests, null, temporary);
    }
    const bytes = new Uint8Array(reason === null ? 16 : ANSWER_BYTES);
    new Int32Array(bytes.buffer, 0, 2).set([arrival.id, reason === null ? 1 : 0]);
    new TextEncoder().encodeInto(reason ?? "", bytes.subarray(8, bytes.length - 1));
    this.post(bytes, arrival.source, this.answerTag);
  }
}
