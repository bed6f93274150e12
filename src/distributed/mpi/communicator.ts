/** The mpi backend: ranks are processes that an MPI launcher has started, on one machine or many. */
import { mem } from "../../kernels/index.js";
import { sizeOf } from "../../tensor/dtype.js";
import { copyInto, ptr, viewOf } from "../../tensor/raw.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Communicator, Envelope, Failure, Reduction, Sending, Task } from "../communicator.js";
import { DistBackendError } from "../errors.js";
import { reduceInto } from "../reduction.js";
import { Agreement } from "./agreement.js";
import { Mailbox } from "./messages.js";
import * as movers from "./movers.js";
import { Requests } from "./requests.js";
import { type MpiRuntime, Notice } from "./runtime.js";

/** Tags of control messages, by group: number of the group times 4 plus these. Group 0 is none: its tags are notices and the making of worlds. */
const AGREE = 0;
const HEADER = 1;
const ANSWER = 2;
const SPLIT = 3;
/** The tags that every MPI has end at 32767. */
const MAX_GROUPS = 8191;

/** Milliseconds after which a rank that ended well counts as gone: in an agreement, and while elements move. */
const LEFT_TIME = 20;
const LEFT_TIME_MOVING = 10_000;

/** One group of ranks under MPI. */
class MpiCommunicator implements Communicator, movers.Port {
  readonly backend = "mpi";
  readonly size: number;
  readonly peers: readonly number[];
  readonly firstTag: number;
  readonly secondTag: number;
  private readonly agreement: Agreement;
  private readonly mailbox: Mailbox;
  /** The tensor that went along with the last header. */
  private agreed: Tensor | null = null;
  /** Movers under way: then nobody sleeps, since it is this rank's calls that move elements on. */
  private moving = 0;

  constructor(
    readonly runtime: MpiRuntime,
    readonly ranks: readonly number[],
    readonly rank: number,
    private readonly group: number,
  ) {
    this.size = ranks.length;
    // Every rank starts with its neighbour, so that not all of them send to the same one at once.
    this.peers = Array.from({ length: this.size - 1 }, (_, i) => (rank + 1 + i) % this.size);
    this.firstTag = 2 * group;
    this.secondTag = 2 * group + 1;
    this.agreement = new Agreement(runtime, rank, ranks, this.peers, 4 * group + AGREE);
    this.mailbox = new Mailbox(runtime, ranks, 4 * group + HEADER, 4 * group + ANSWER);
  }

  *agree(header: Int32Array, input: Tensor | null): Task<readonly Int32Array[]> {
    this.agreed = input;
    const headers = yield* this.agreement.run(header, input);
    // Ranks that gave up left their headers behind: a rank that comes too late must not take them for consent.
    this.runtime.listen();
    while (this.runtime.gaveUp.has(this.group)) yield;
    return headers;
  }

  missing(): number[] {
    return this.agreement.missing();
  }

  /** Addresses of the inputs of `bytes(r)` bytes that came along with the headers, by rank; 0 where one did not. */
  private along(input: Tensor | null, bytes: (rank: number) => number): number[] {
    return this.ranks.map((_, r) => (input === this.agreed ? this.agreement.inputOf(r, bytes(r)) : 0));
  }

  private *moves(task: Task<void>): Task<void> {
    this.moving++;
    try {
      yield* task;
    } finally {
      this.moving--;
    }
  }

  /** Reduces elements `start` to `end` of inputs that came along with the headers; moves them otherwise. */
  private *reducing(
    input: Tensor,
    output: Tensor | null,
    reduction: Reduction,
    { start, end }: movers.Range,
    otherwise: () => Task<void>,
  ): Task<void> {
    if (input.numel === 0) return;
    const inputs = this.along(input, () => input.nbytes);
    if (this.size > 1 && inputs[this.rank] === 0) return yield* this.moves(otherwise());
    if (output === null) return;
    const size = sizeOf(input.code);
    if (this.size > 1) {
      const sources = inputs.map((at) => at + start * size);
      reduceInto(input.code, reduction, ptr(output), sources, end - start);
    } else {
      if (input !== output) copyInto(output, viewOf(input, output.shape, null, input.storageOffset));
      reduceInto(input.code, reduction, ptr(output), [ptr(output)], end - start);
    }
  }

  *allReduce(input: Tensor, output: Tensor, reduction: Reduction): Task<void> {
    yield* this.reducing(input, output, reduction, { start: 0, end: input.numel }, () =>
      movers.allReduce(this, input, output, reduction),
    );
  }

  *reduce(input: Tensor, output: Tensor | null, reduction: Reduction, root: number): Task<void> {
    yield* this.reducing(input, output, reduction, { start: 0, end: input.numel }, () =>
      movers.reduce(this, input, output, reduction, root),
    );
  }

  *reduceScatter(input: Tensor, output: Tensor, counts: readonly number[], reduction: Reduction): Task<void> {
    const part = movers.cutBy(counts)[this.rank] as movers.Range;
    yield* this.reducing(input, output, reduction, part, () =>
      movers.reduceScatter(this, input, output, counts, reduction),
    );
  }

  *broadcast(tensor: Tensor, root: number): Task<void> {
    const { nbytes } = tensor;
    if (this.size === 1 || nbytes === 0) return;
    const came = this.along(this.rank === root ? tensor : null, (r) => (r === root ? nbytes : 0))[
      root
    ] as number;
    if (came === 0) yield* this.moves(movers.broadcast(this, tensor, root));
    else if (this.rank !== root) mem.u8.copyWithin(ptr(tensor), came, came + nbytes);
  }

  *allGather(input: Tensor, output: Tensor, counts: readonly number[]): Task<void> {
    const parts = movers.cutBy(counts);
    const size = sizeOf(input.code);
    const inputs = this.along(input, (r) => (counts[r] as number) * size);
    const whole = { start: 0, end: input.numel };
    yield* this.routed(input, output, {
      sends: (to) => (to === this.rank || inputs[this.rank] === 0 ? whole : null),
      receives: (from) => parts[from] as movers.Range,
      here: (from) => inputs[from] as number,
    });
  }

  *gather(input: Tensor, output: Tensor | null, counts: readonly number[], root: number): Task<void> {
    const parts = movers.cutBy(counts);
    const size = sizeOf(input.code);
    const inputs = this.along(input, (r) => (counts[r] as number) * size);
    const whole = { start: 0, end: input.numel };
    yield* this.routed(input, output, {
      sends: (to) => (to === root && (to === this.rank || inputs[this.rank] === 0) ? whole : null),
      receives: (from) => (output === null ? null : (parts[from] as movers.Range)),
      here: (from) => inputs[from] as number,
    });
  }

  *scatter(input: Tensor | null, output: Tensor, counts: readonly number[], root: number): Task<void> {
    const parts = movers.cutBy(counts);
    const size = sizeOf(output.code);
    const total = (parts[this.size - 1] as movers.Range).end * size;
    const came = this.along(input, (r) => (r === root ? total : 0))[root] as number;
    yield* this.routed(input, output, {
      sends: (to) => (to === this.rank || came === 0 ? (parts[to] as movers.Range) : null),
      receives: (from) => (from === root ? { start: 0, end: output.numel } : null),
      here: () => (came === 0 ? 0 : came + (parts[this.rank] as movers.Range).start * size),
    });
  }

  *allToAll(
    input: Tensor,
    output: Tensor,
    inputCounts: readonly number[],
    outputCounts: readonly number[],
  ): Task<void> {
    const out = movers.cutBy(inputCounts);
    const into = movers.cutBy(outputCounts);
    yield* this.routed(input, output, {
      sends: (to) => out[to] as movers.Range,
      receives: (from) => into[from] as movers.Range,
    });
  }

  private *routed(input: Tensor | null, output: Tensor | null, routes: movers.Routes): Task<void> {
    yield* this.moves(movers.route(this, input, output, routes));
  }

  send(header: Int32Array, tensor: Tensor, destination: number, tag: number, stable: boolean): Sending {
    return this.mailbox.send(header, tensor, destination, tag, stable);
  }

  probe(source: number | null, tag: number): Envelope | null {
    return this.mailbox.probe(source, tag);
  }

  *take(envelope: Envelope, output: Tensor): Task<void> {
    yield* this.moves(this.mailbox.take(envelope, output));
  }

  refuse(envelope: Envelope, reason: string): void {
    this.mailbox.refuse(envelope, reason);
  }

  *split(ranks: readonly number[], _name: string): Task<Communicator> {
    const world = ranks.map((r) => this.ranks[r] as number);
    const group = yield* nextGroup(this.runtime, world, 4 * this.group + SPLIT, () => undefined);
    return new MpiCommunicator(this.runtime, world, ranks.indexOf(this.rank), group);
  }

  pause(turn: number, until: number): void {
    this.runtime.pause(turn, until, this.moving > 0);
  }

  failure(peers?: readonly number[]): Failure | null {
    const { failures, gaveUp, left } = this.runtime;
    const [failed] = failures;
    if (failed !== undefined) return failed;
    const given = gaveUp.get(this.group);
    if (given !== undefined) return { rank: given.rank, reason: `gave up: ${given.reason}` };
    if (left.size === 0) return null;
    const missing = this.agreement.missing();
    const awaited = peers ?? (missing.length > 0 ? missing : this.moving > 0 ? this.peers : []);
    const patience = peers === undefined && missing.length === 0 ? LEFT_TIME_MOVING : LEFT_TIME;
    const gone = awaited
      .map((r) => this.ranks[r] as number)
      .filter((rank) => performance.now() - (left.get(rank) ?? Number.POSITIVE_INFINITY) > patience);
    const [first] = gone;
    if (first === undefined || (peers !== undefined && gone.length < peers.length)) return null;
    return { rank: first, reason: "has ended" };
  }

  abort(reason: string): void {
    this.runtime.tell(Notice.GAVE_UP, reason, this.group, this.ranks);
  }

  close(): void {
    this.agreement.close();
  }
}

/** A number for a new group that none of its ranks uses yet; `absent` is told who has not come so far. */
function* nextGroup(
  runtime: MpiRuntime,
  ranks: readonly number[],
  tag: number,
  absent?: (ranks: () => number[]) => void,
): Task<number> {
  const words = new Int32Array(ranks.length);
  const at = runtime.mpi.address(new Uint8Array(words.buffer));
  const placeOf = (rank: number) => at + 4 * ranks.indexOf(rank);
  words[ranks.indexOf(runtime.rank)] = ++runtime.groups;
  const peers = ranks.filter((r) => r !== runtime.rank);
  absent?.(() => peers.filter((r) => words[ranks.indexOf(r)] === 0));
  const requests = new Requests(runtime);
  try {
    for (const r of peers) requests.receive(placeOf(r), 4, r, tag, runtime.control);
    for (const r of peers) requests.send(placeOf(runtime.rank), 4, r, tag, runtime.control);
    while (!requests.done()) yield;
  } finally {
    requests.abandon([]);
  }
  runtime.groups = Math.max(...words);
  if (runtime.groups > MAX_GROUPS) {
    throw new DistBackendError(
      `[newGroup] got more than ${MAX_GROUPS} groups; try to make groups once and keep them`,
    );
  }
  return runtime.groups;
}

/** The group of all ranks, once all of them have asked for it. */
export function* joinWorld(runtime: MpiRuntime, absent: (ranks: () => number[]) => void): Task<Communicator> {
  const group = yield* nextGroup(runtime, runtime.everybody, SPLIT, absent);
  return new MpiCommunicator(runtime, runtime.everybody, runtime.rank, group);
}
