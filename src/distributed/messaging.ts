/** Tensors from one rank to another: sends and receives of a group, matched by sender and tag in the order of calls. */
import { UINT8 } from "../tensor/dtype.js";
import { ValueError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { contiguous, copyInto, viewOf } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { checkOutput, checkRank, checkTensor } from "./checks.js";
import { type Communicator, type Envelope, HEADER_WORDS, type Task } from "./communicator.js";
import { DistMismatchError, DistTimeoutError, RankFailedError, showRanks } from "./errors.js";
import { Group } from "./group.js";
import { contentOf, describeContent, writeHeader } from "./header.js";
import { pollWhileWaiting, waitFor } from "./progress.js";
import { pinned, unpin } from "./staging.js";
import { doneWork, Work } from "./work.js";

/** Options of sends and receives. */
export interface MessageOptions {
  /** Messages are received by receives of the same tag (default 0). */
  tag?: number;
  /** Milliseconds to wait; the group's own when left out. */
  timeout?: number;
}

/** A receive that was called, in the order of calls. */
interface Receive {
  readonly source: number | null;
  readonly tag: number;
  /** Where the elements go; null when the receiver takes any number of bytes. */
  readonly output: Tensor | null;
  envelope: Envelope | null;
  task: Task<void> | null;
  landed: Tensor | null;
  over: boolean;
  error: Error | null;
}

/** A group whose ranks send each other tensors. */
export class MessagingGroup extends Group {
  readonly #receives: Receive[] = [];

  /**
   * Sends `tensor` to rank `dst` and returns once it was received. Source: `torch.distributed.send`.
   * @throws DistMismatchError when the receiver expects another dtype or number of elements.
   * @throws DistTimeoutError when it is not received in time.
   */
  send(tensor: Tensor, dst: number, options?: MessageOptions): void {
    this.startSend("send", tensor, dst, options, true)?.wait();
  }

  /**
   * Sends the elements that `tensor` has now; the returned Work ends once they were received.
   * Source: `torch.distributed.isend`.
   */
  isend(tensor: Tensor, dst: number, options?: MessageOptions): Work {
    return this.startSend("isend", tensor, dst, options, false) ?? doneWork();
  }

  private startSend(
    op: string,
    tensor: Tensor,
    dst: number,
    options: MessageOptions | undefined,
    stable: boolean,
  ): Work | null {
    checkTensor(op, "tensor", tensor);
    if (this.queue === null) return null;
    this.checkPeer(op, "dst", dst);
    nextOp();
    const header = new Int32Array(HEADER_WORDS);
    writeHeader(header, 0, { op: "send", tensor });
    const sending = this.comm.send(header, contiguous(tensor), dst, options?.tag ?? 0, stable);
    const to = this.globalRank(dst);
    const what = `${describeContent(header)} for rank ${to}, tag ${options?.tag ?? 0}`;
    if (!stable) pollWhileWaiting(() => quietly(() => sending.poll()));
    return new Work({
      poll: () => sending.poll(),
      wait: (timeout) => {
        try {
          this.await(op, what, [dst], () => sending.poll(), timeout ?? options?.timeout);
        } catch (error) {
          sending.cancel();
          throw error;
        }
      },
      finish: () => [],
    });
  }

  /**
   * Waits for a tensor from rank `src` (null: from any) and writes it into `tensor`. Returns the sender's number in the
   * group. Source: `torch.distributed.recv`.
   * @throws DistMismatchError when another dtype or number of elements comes. The tensor keeps its values.
   * @throws DistTimeoutError when nothing comes in time.
   */
  recv(tensor: Tensor, src: number | null = null, options?: MessageOptions): number {
    if (this.queue === null) return -1;
    const receive = this.startReceive("recv", tensor, src, options);
    this.finishReceive("recv", receive, options?.timeout);
    return (receive.envelope as Envelope).source;
  }

  /** Starts a receive; `tensor` has its new elements after `wait()`. Source: `torch.distributed.irecv`. */
  irecv(tensor: Tensor, src: number | null = null, options?: MessageOptions): Work {
    if (this.queue === null) return doneWork();
    const receive = this.startReceive("irecv", tensor, src, options);
    pollWhileWaiting(() => this.poll(receive));
    return new Work({
      poll: () => {
        const over = this.poll(receive);
        if (receive.error !== null) throw receive.error;
        return over;
      },
      wait: (timeout) => this.awaitReceive("irecv", receive, timeout ?? options?.timeout),
      finish: () => {
        this.land(receive);
        return [tensor];
      },
    });
  }

  /** Sends bytes. @internal */
  sendBytes(bytes: Tensor, dst: number, options?: MessageOptions): void {
    this.startSend("sendObjectList", bytes, dst, options, true)?.wait();
  }

  /** Receives as many bytes as come, and hands them to `use`. @internal */
  receiveBytes<T>(
    src: number | null,
    options: MessageOptions | undefined,
    use: (bytes: Tensor, source: number) => T,
  ): T {
    const op = "recvObjectList";
    const receive = this.startReceive(op, null, src, options);
    this.awaitReceive(op, receive, options?.timeout);
    const landed = receive.landed as Tensor;
    try {
      return use(landed, (receive.envelope as Envelope).source);
    } finally {
      unpin(landed);
    }
  }

  private checkPeer(op: string, what: string, rank: number): void {
    checkRank(op, what, rank, this.size());
    if (rank === this.rank())
      throw new ValueError(`[${op}] ${what}: got rank ${rank}, this one itself, expected another`);
  }

  private startReceive(
    op: string,
    output: Tensor | null,
    source: number | null,
    options: MessageOptions | undefined,
  ): Receive {
    if (output !== null) checkOutput(op, "tensor", output);
    if (source !== null) this.checkPeer(op, "src", source);
    nextOp();
    const receive: Receive = {
      source,
      tag: options?.tag ?? 0,
      output,
      envelope: null,
      task: null,
      landed: null,
      over: false,
      error: null,
    };
    this.#receives.push(receive);
    return receive;
  }

  /** Moves all receives on, first come first served; whether this one is over. */
  private poll(receive: Receive): boolean {
    for (let i = 0; i < this.#receives.length; ) {
      const one = this.#receives[i] as Receive;
      if (!one.over) this.advance(one);
      if (one.over) this.#receives.splice(i, 1);
      else i++;
    }
    return receive.over;
  }

  private advance(receive: Receive): void {
    const { comm } = this;
    if (receive.task === null) {
      const envelope = comm.probe(receive.source, receive.tag);
      if (envelope === null) return;
      const { output } = receive;
      const { code, numel } = contentOf(envelope.header);
      const from = this.globalRank(envelope.source);
      if (code !== (output?.code ?? UINT8) || (output !== null && numel !== output.numel)) {
        const expected = output === null ? "objects" : `${output.dtype} with ${output.numel} elements`;
        const text = `it is ${describeContent(envelope.header)}, the receiver expects ${expected}`;
        comm.refuse(envelope, text);
        receive.over = true;
        receive.error = new DistMismatchError(`[recv] a message of rank ${from} does not fit: ${text}`, {
          op: "recv",
          sequenceNumber: null,
          ranks: [from],
        });
        return;
      }
      receive.envelope = envelope;
      receive.landed = pinned([numel], code);
      receive.task = comm.take(envelope, receive.landed);
    }
    if (receive.task.next().done === true) receive.over = true;
  }

  private awaitReceive(op: string, receive: Receive, timeout: number | undefined): void {
    const { source, tag } = receive;
    const others = [...this.ranks.keys()].filter((r) => r !== this.rank());
    const from = source === null ? "any rank" : `rank ${this.globalRank(source)}`;
    try {
      this.await(
        op,
        `a message from ${from}, tag ${tag}`,
        source === null ? others : [source],
        () => this.poll(receive),
        timeout,
      );
    } catch (error) {
      this.drop(receive);
      throw error;
    }
    if (receive.error !== null) throw receive.error;
  }

  private drop(receive: Receive): void {
    const at = this.#receives.indexOf(receive);
    if (at >= 0) this.#receives.splice(at, 1);
    receive.task?.return();
    receive.over = true;
    if (receive.landed !== null) unpin(receive.landed);
  }

  private land(receive: Receive): void {
    const { landed, output } = receive;
    if (landed === null || output === null) return;
    copyInto(output, viewOf(landed, output.shape, null, 0));
    output.storage.version++;
    unpin(landed);
    receive.landed = null;
  }

  private finishReceive(op: string, receive: Receive, timeout: number | undefined): void {
    this.awaitReceive(op, receive, timeout);
    this.land(receive);
  }

  /** Waits until `done`; throws when one of `peers` is gone (all of them, when any would do) or the time is over. */
  private await(
    op: string,
    what: string,
    peers: readonly number[],
    done: () => boolean,
    timeout = this.timeout,
  ): void {
    const comm: Communicator = this.comm;
    const outcome = waitFor(comm, done, peers, timeout);
    if (outcome === "done") return;
    const ranks = peers.map((r) => this.globalRank(r));
    if (outcome === "timeout") {
      throw new DistTimeoutError(
        `[${op}] timed out after ${timeout} ms: ${what}: ${showRanks(ranks)} did nothing about it`,
        { op, sequenceNumber: null, ranks },
      );
    }
    throw new RankFailedError(`[${op}] rank ${outcome.rank} ${outcome.reason}: ${what}`, {
      op,
      sequenceNumber: null,
      ranks: [outcome.rank],
    });
  }
}

function quietly(poll: () => boolean): boolean {
  try {
    return poll();
  } catch {
    return true; // its Work says so
  }
}
