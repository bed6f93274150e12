/** Gradients packed into flat buffers, so that a few large exchanges take the place of many small ones. */
import type { Parameter } from "../nn/parameter.js";
import { ShapeError, ValueError } from "../tensor/errors.js";
import { KEPT, nextOp, SEEN } from "../tensor/heap.js";
import { empty, fillWith, readAt, viewOf } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";

/** Bytes after which the first bucket is full: a small one, so that the first exchange starts early. */
export const FIRST_BUCKET_BYTES: number = 1024 * 1024;

/** A parameter in its bucket. */
export interface Slot {
  readonly param: Parameter;
  /** The parameter's name in the module, for messages. */
  readonly name: string;
  /** Its number among all reduced parameters, in order of registration. */
  readonly number: number;
  /** Its first element in the bucket's buffer. */
  readonly offset: number;
  /** Its place in the bucket, in the parameter's shape; never handed to users. */
  readonly place: Tensor;
}

/** A parameter that has no bucket yet. */
type Member = Omit<Slot, "offset" | "place">;

/**
 * Cuts tensors into groups of one dtype, in order: a group is closed once it has reached its limit of bytes. The first
 * group of each dtype has the first limit, the next one the second, and so on; the last limit holds for all further
 * ones. Source: `torch.distributed._compute_bucket_assignment_by_size`.
 */
export function assignBuckets(tensors: readonly Tensor[], limits: readonly number[]): number[][] {
  const groups: number[][] = [];
  const open = new Map<number, { group: number[]; bytes: number; closed: number }>();
  tensors.forEach((t, i) => {
    let state = open.get(t.code);
    if (state === undefined) {
      state = { group: [], bytes: 0, closed: 0 };
      open.set(t.code, state);
    }
    if (state.group.length === 0) groups.push(state.group);
    state.group.push(i);
    state.bytes += t.nbytes;
    if (state.bytes < (limits[Math.min(state.closed, limits.length - 1)] as number)) return;
    open.set(t.code, { group: [], bytes: 0, closed: state.closed + 1 });
  });
  return groups;
}

/** @internal Sums of whole numbers over ranks, read from what they are divided by `divisor`. */
export function wholeNumbers(sums: Tensor, divisor: number): number[] {
  const values: number[] = [];
  for (let i = 0; i < sums.numel; i++)
    values.push(Math.round(readAt(sums, sums.storageOffset + i) * divisor));
  return values;
}

/** Memory for one bucket of gradients, and how many of them are still to come in the running pass. */
export class Bucket {
  readonly index: number;
  readonly slots: readonly Slot[];
  /** All gradients one after another, then the tail. */
  readonly whole: Tensor;
  /** All gradients one after another. */
  readonly flat: Tensor;
  /** Elements behind the gradients that travel with them; none in most buckets. */
  readonly tail: Tensor;
  /** Gradients still to come. */
  left = 0;

  constructor(index: number, members: readonly Member[], tail: number) {
    this.index = index;
    const numel = members.reduce((sum, { param }) => sum + param.numel, 0);
    nextOp();
    this.whole = empty([numel + tail], (members[0] as Member).param.code);
    // Seen: what clears a gradient that is a view of the bucket must not free the bucket.
    this.whole.storage.flags |= KEPT | SEEN;
    this.flat = viewOf(this.whole, [numel], null, 0);
    this.tail = viewOf(this.whole, [tail], null, numel);
    let end = 0;
    this.slots = members.map((member) => {
      const offset = end;
      end += member.param.numel;
      return { ...member, offset, place: viewOf(this.whole, member.param.shape, null, offset) };
    });
  }

  /** A new view of the place of a gradient. */
  view({ place }: Slot): Tensor {
    return viewOf(place, place.shape, null, place.storageOffset);
  }

  /** Whether a gradient lies in the bucket. */
  holds(grad: Tensor | null): boolean {
    return grad !== null && grad.storage === this.whole.storage;
  }

  /** Fills everything with zeros: what a rank without gradients contributes. */
  clear(): void {
    nextOp();
    fillWith(this.whole, 0);
  }
}

/**
 * What a communication hook is given: the gradients of some parameters in one flat buffer.
 * Source: `torch.distributed.GradBucket`.
 */
export class GradBucket {
  readonly #bucket: Bucket;
  readonly #last: boolean;
  #buffer: Tensor;

  /** @internal */
  constructor(bucket: Bucket, last: boolean) {
    this.#bucket = bucket;
    this.#last = last;
    this.#buffer = bucket.flat;
  }

  /** Number of the bucket; buckets are reduced in the order of their numbers, the same in every backward. */
  index(): number {
    return this.#bucket.index;
  }

  /** The gradients of this rank, one after another, as one dimension; a hook may change it in place. */
  buffer(): Tensor {
    return this.#buffer;
  }

  /** The gradients as views of the buffer, in the shapes of their parameters. */
  gradients(): Tensor[] {
    const { slots } = this.#bucket;
    return slots.map((slot) =>
      viewOf(this.#buffer, slot.param.shape, null, this.#buffer.storageOffset + slot.offset),
    );
  }

  /** The parameters whose gradients these are. */
  parameters(): Parameter[] {
    return this.#bucket.slots.map((slot) => slot.param);
  }

  /** Whether this is the last bucket of the backward. */
  isLast(): boolean {
    return this.#last;
  }

  /**
   * Puts another tensor in place of the buffer.
   * @throws ShapeError unless it is contiguous, with one dimension of as many elements and the same dtype.
   */
  setBuffer(tensor: Tensor): void {
    checkBuffer("setBuffer", tensor, this.#bucket.flat);
    this.#buffer = tensor;
  }
}

/** @internal Throws unless a tensor can stand for the gradients of a bucket. */
export function checkBuffer(op: string, tensor: unknown, flat: Tensor): asserts tensor is Tensor {
  if (!(tensor instanceof Tensor)) {
    throw new ValueError(`[${op}] got ${typeof tensor}, expected a tensor with the bucket's gradients`);
  }
  if (tensor.code === flat.code && tensor.numel === flat.numel && tensor.contig && tensor.ndim === 1) return;
  throw new ShapeError(
    `[${op}] got a ${tensor.contig ? "" : "non-contiguous "}${tensor.dtype} tensor of shape [${tensor.shape.join(", ")}], ` +
      `expected ${flat.dtype} of shape [${flat.numel}], as bucket.buffer() has`,
  );
}
