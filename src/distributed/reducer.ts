/**
 * Averages gradients over ranks while a backward runs: as soon as all gradients of a bucket are there, and those before
 * it are on their way, it is reduced. After Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel
 * Training" (VLDB 2020).
 */
import { type BackwardPass, noGrad, type PassObserver } from "../autograd/mode.js";
import type { Parameter } from "../nn/parameter.js";
import { zerosLike } from "../tensor/create.js";
import { FLOAT32 } from "../tensor/dtype.js";
import { AutogradError } from "../tensor/errors.js";
import { KEPT, nextOp } from "../tensor/heap.js";
import { copyInto, copyOf, empty, fillWith, writeNumbers } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import {
  assignBuckets,
  Bucket,
  checkBuffer,
  FIRST_BUCKET_BYTES,
  GradBucket,
  type Slot,
  wholeNumbers,
} from "./buckets.js";
import type { CommHook, PendingBucket } from "./commHooks.js";
import { DistError, showRanks } from "./errors.js";
import * as functional from "./functional.js";
import { allGatherObject } from "./objects.js";
import type { ProcessGroup } from "./processGroup.js";

/** How gradients are reduced. */
export interface ReducerOptions {
  readonly group: ProcessGroup;
  /** Bytes after which a bucket other than the first is full. */
  readonly bucketBytes: number;
  /** Parameters may stay without a gradient. */
  readonly findUnused: boolean;
  /** Gradients are views of the buckets. */
  readonly asViews: boolean;
  /** Every backward uses the same parameters, equally often. */
  readonly staticGraph: boolean;
}

/** A parameter in a session: its gradient is to come, has come, or has come and is in its bucket. */
type State = "coming" | "ready" | "placed";

/** One backward that reduces; or, without a pass, the part of a rank that has run out of inputs. */
interface Session {
  readonly pass: BackwardPass | null;
  /** How far each parameter is. */
  readonly state: State[];
  /** How many gradients each parameter got. */
  readonly fired: number[];
  /** The bucket that is reduced next. */
  next: number;
  /** Gradients in buckets, from before, of parameters that this rank has not used since. */
  readonly kept: Map<number, Tensor>;
  /** Reductions under way, by bucket. */
  readonly pending: PendingBucket[];
}

/** Reduces the gradients of given parameters in each backward that it observes. @internal */
export class Reducer implements PassObserver {
  private readonly options: ReducerOptions;
  private readonly slots: Slot[] = [];
  private readonly bucketOf: Bucket[] = [];
  private readonly buckets: Bucket[];
  private session: Session | null = null;
  /** Parameters that got a gradient since the last reduction, passes without one included. */
  private readonly used: boolean[];
  /** With a static graph: how many gradients each parameter gets in a backward, once that is known. */
  private expected: readonly number[] | null = null;
  private hook: ((bucket: GradBucket) => Tensor | PendingBucket) | null = null;
  /** By what sums are divided. */
  divisor: number;

  constructor(named: readonly (readonly [string, Parameter])[], options: ReducerOptions) {
    this.options = options;
    this.divisor = options.group.size();
    this.used = named.map(() => false);
    // Gradients come about in the reverse order of the layers.
    const members = named.map(([name, param], number) => ({ name, param, number })).reverse();
    const groups = assignBuckets(
      members.map(({ param }) => param),
      [Math.min(FIRST_BUCKET_BYTES, options.bucketBytes), options.bucketBytes],
    );
    this.buckets = groups.map((group, index) => {
      const tail = index < groups.length - 1 ? 0 : this.keepsUnused ? 1 + named.length : 1;
      return new Bucket(
        index,
        group.map((i) => members[i] as (typeof members)[number]),
        tail,
      );
    });
    for (const bucket of this.buckets) {
      for (const slot of bucket.slots) {
        this.slots[slot.number] = slot;
        this.bucketOf[slot.number] = bucket;
      }
    }
    for (const { param, number } of this.slots) {
      param.registerPostAccumulateGradHook(() => this.gotGradient(number));
    }
  }

  /** Sizes of the buckets in bytes, in the order in which they are reduced. */
  get bucketSizes(): number[] {
    return this.buckets.map((bucket) => bucket.flat.nbytes);
  }

  /** Whether a hook takes the place of the average. */
  get hasHook(): boolean {
    return this.hook !== null;
  }

  /** Sets what reduces a bucket. */
  setHook<S>(state: S, hook: CommHook<S>): void {
    this.hook = (bucket) => hook(state, bucket);
  }

  /** Begins to reduce the gradients of a pass. */
  passStarts(pass: BackwardPass): void {
    // A pass inside a running one adds to its gradients; after an error the old one never ended.
    if (this.session !== null && this.session.pass?.over === false) return;
    const session = this.begin(pass);
    pass.whenDone(() => this.finish());
    if (pass.create) return;
    const { findUnused, staticGraph } = this.options;
    if (staticGraph ? this.expected === null : !findUnused) return;
    for (const { param, number } of this.slots) {
      const unused = staticGraph ? this.expected?.[number] === 0 : !pass.awaits(param);
      if (unused) this.markReady(session, number);
    }
  }

  private begin(pass: BackwardPass | null): Session {
    const session: Session = {
      pass,
      state: new Array<State>(this.slots.length).fill("coming"),
      fired: new Array<number>(this.slots.length).fill(0),
      next: 0,
      kept: new Map(),
      pending: [],
    };
    for (const bucket of this.buckets) bucket.left = bucket.slots.length;
    this.session = session;
    return session;
  }

  /** Called when the gradient of a parameter has been accumulated. */
  private gotGradient(number: number): void {
    this.used[number] = true;
    const { session } = this;
    if (session === null || session.pass === null || session.pass.over) return;
    const fired = (session.fired[number] as number) + 1;
    session.fired[number] = fired;
    if (session.pass.create || (this.options.staticGraph && this.expected === null)) return;
    const { expected } = this;
    // With a static graph, gradients too many or too few are told at the end.
    if (expected !== null && fired !== expected[number]) return;
    const slot = this.slots[number] as Slot;
    if (session.state[number] !== "coming") throw this.twice(slot);
    // Gradients are copied when a bucket is full, all at once, unless another hook of the parameter may change them.
    if ((slot.param.accumulateHooks as readonly unknown[]).length > 1) {
      this.place(session, slot, this.bucketOf[number] as Bucket);
      session.state[number] = "placed";
    }
    this.markReady(session, number);
  }

  private twice({ name }: Slot): AutogradError {
    return new AutogradError(
      `[DistributedDataParallel] ${name} got a gradient again after it was reduced, in one backward: a backward inside ` +
        "the backward uses it too; try staticGraph: true, where every backward uses the same parameters equally often",
    );
  }

  /** Notes that the gradient of a parameter is complete; reduces the buckets whose turn it is. */
  private markReady(session: Session, number: number): void {
    const bucket = this.bucketOf[number] as Bucket;
    if (session.state[number] === "coming") session.state[number] = "ready";
    bucket.left--;
    if (bucket.left === 0 && !this.keepsUnused) this.launch(session);
  }

  /** Puts the gradient of a parameter, or zeros, into its bucket. */
  private place(session: Session, slot: Slot, bucket: Bucket): void {
    const { param, number, place } = slot;
    const grad = param.ownGrad;
    nextOp();
    if (grad === null) fillWith(place, 0);
    else if (!bucket.holds(grad)) {
      copyInto(place, grad);
      if (!this.options.asViews || this.used[number] !== true) return;
      param.clearGrad();
      param.ownGrad = bucket.view(slot);
    } else if (this.used[number] !== true) session.kept.set(number, copyOf(place));
  }

  /**
   * Whether parameters may stay without a gradient. Then buckets wait for the end of the backward: where ranks use
   * different parameters, buckets fill at different times; SyncBatchNorm and the like exchange in backward too, and every
   * rank must come by all exchanges in one order.
   */
  private get keepsUnused(): boolean {
    return this.options.findUnused || this.options.staticGraph;
  }

  /** Reduces buckets in order, as far as they are full. */
  private launch(session: Session): void {
    for (;;) {
      const bucket = this.buckets[session.next];
      if (bucket === undefined || bucket.left > 0) return;
      const last = session.next === this.buckets.length - 1;
      session.next++;
      if (session.pass !== null) {
        for (const slot of bucket.slots) {
          if (session.state[slot.number] !== "placed") this.place(session, slot, bucket);
        }
      }
      if (last) this.writeTail(session, bucket.tail);
      session.pending.push(this.located(bucket, () => noGrad(() => this.reduce(bucket, last))));
    }
  }

  /** Behind the last gradients: how many parameters are at odds with the options and, if any may be unused, which were used. */
  private writeTail(session: Session, tail: Tensor): void {
    const joined = session.pass === null;
    const values = [joined ? 0 : this.troubled(session).length];
    if (this.keepsUnused) for (const used of this.used) values.push(used && !joined ? 1 : 0);
    nextOp();
    writeNumbers(tail, values);
  }

  /** Parameters that this rank should have used, or should have used more often or less. */
  private troubled(session: Session): Slot[] {
    const { findUnused, staticGraph } = this.options;
    if (staticGraph) {
      const { expected } = this;
      return expected === null
        ? []
        : this.slots.filter(({ number }) => session.fired[number] !== expected[number]);
    }
    return findUnused ? [] : this.slots.filter(({ number }) => session.fired[number] === 0);
  }

  /** Adds to errors of collectives which gradients they were for. */
  private located<T>(bucket: Bucket, fn: () => T): T {
    try {
      return fn();
    } catch (error) {
      if (error instanceof DistError) {
        const names = bucket.slots.map(({ name }) => name);
        const list = names.length > 4 ? [...names.slice(0, 2), "...", names.at(-1)] : names;
        error.message += `\n  in DistributedDataParallel, averaging the gradients of ${list.join(", ")}`;
      }
      throw error;
    }
  }

  private reduce(bucket: Bucket, last: boolean): PendingBucket {
    if (this.hook !== null) {
      const result = this.hook(new GradBucket(bucket, last));
      return result instanceof Tensor ? { wait: () => result } : result;
    }
    const { group } = this.options;
    const average = this.divisor === group.size();
    group.allReduce(bucket.whole, { op: average ? "avg" : "sum" });
    if (!average) bucket.whole.div_(this.divisor);
    return { wait: () => bucket.flat };
  }

  /** Reduces what is left, and writes the averages to the gradients. */
  private finish(): void {
    const session = this.session as Session;
    try {
      if (session.pass?.create === true) this.finishRecorded(session);
      else {
        noGrad(() => {
          session.state.forEach((state, number) => {
            if (state === "coming") this.markReady(session, number);
          });
          this.launch(session);
          this.complete(session);
        });
      }
      if (this.options.staticGraph) this.expected ??= [...session.fired];
    } finally {
      this.session = null;
      this.used.fill(false);
    }
  }

  /** The part of a rank without inputs: zeros for every bucket. Its gradients become the averages of the others. */
  shadow(): void {
    const session = this.begin(null);
    try {
      noGrad(() => {
        for (const bucket of this.buckets) {
          bucket.clear();
          bucket.left = 0;
        }
        this.launch(session);
        this.complete(session);
      });
    } finally {
      this.session = null;
    }
  }

  private complete(session: Session): void {
    this.buckets.forEach((bucket, i) => {
      const pending = session.pending[i] as PendingBucket;
      const result = this.located(bucket, () => pending.wait());
      if (result === bucket.flat) return;
      checkBuffer("registerCommHook", result, bucket.flat);
      nextOp();
      if (result.storage !== bucket.flat.storage) copyInto(bucket.flat, result);
    });
    const [trouble, ...users] = this.readTail();
    if (trouble !== 0) this.raiseTroubles(session);
    for (const slot of this.slots) {
      if (!this.keepsUnused || users[slot.number] !== 0) this.writeBack(slot);
      else this.putBack(slot, session.kept.get(slot.number));
    }
  }

  /** A gradient of before, of a parameter that no rank has used since. */
  private putBack(slot: Slot, before: Tensor | undefined): void {
    if (before === undefined) return;
    nextOp();
    copyInto(slot.place, before);
  }

  /** The tail, summed over the ranks. */
  private readTail(): number[] {
    const { group } = this.options;
    const { tail } = this.buckets.at(-1) as Bucket;
    if (this.hook === null) return wholeNumbers(tail, this.divisor);
    // A hook knows of the gradients alone.
    nextOp();
    const sum = empty(tail.shape, FLOAT32);
    copyInto(sum, tail);
    group.allReduce(sum);
    return wholeNumbers(sum, 1);
  }

  private writeBack(slot: Slot): void {
    const { param, place } = slot;
    const grad = param.ownGrad;
    if (this.options.asViews) {
      const bucket = this.bucketOf[slot.number] as Bucket;
      if (!bucket.holds(grad)) param.ownGrad = bucket.view(slot);
      return;
    }
    nextOp();
    if (grad === null || grad.node !== null || grad.code !== place.code) {
      param.ownGrad = copyOf(place);
      param.ownGrad.storage.flags |= KEPT;
      return;
    }
    copyInto(grad, place);
    grad.storage.version++;
  }

  /** Tells every rank what is wrong on which. */
  private raiseTroubles(session: Session): never {
    const mine = session.pass === null ? [] : this.troubled(session).map(({ name }) => name);
    const { group } = this.options;
    const byRank = new Array<string[]>(group.size());
    allGatherObject(byRank, mine, { group });
    const ranksOf = new Map<string, number[]>();
    byRank.forEach((names, r) => {
      for (const name of names) ranksOf.set(name, [...(ranksOf.get(name) ?? []), r]);
    });
    const list = [...ranksOf].map(([name, ranks]) => `${name} (${showRanks(ranks)})`).join(", ");
    throw new AutogradError(
      this.options.staticGraph
        ? `[DistributedDataParallel] with staticGraph: true, every backward must use the same parameters as the first, ` +
            `equally often; this one did not for ${list}; try staticGraph: false, findUnusedParameters: true`
        : `[DistributedDataParallel] no gradient in this backward for ${list}: expected one for every parameter that ` +
            "requires a gradient; try findUnusedParameters: true, or requiresGrad_(false) on what is never used",
    );
  }

  /**
   * With createGraph: averages that are recorded, so that gradients of the averaged gradients flow to the parameters of
   * all ranks.
   */
  private finishRecorded(session: Session): void {
    const { group, findUnused, staticGraph } = this.options;
    nextOp();
    const tail = empty((this.buckets.at(-1) as Bucket).tail.shape, FLOAT32);
    this.writeTail(session, tail);
    group.allReduce(tail);
    const [trouble, ...users] = wholeNumbers(tail, 1);
    if (trouble !== 0) this.raiseTroubles(session);
    for (const { slots } of this.buckets) {
      for (const { param, number } of slots) {
        if ((findUnused || staticGraph) && users[number] === 0) continue;
        const own = param.ownGrad ?? zerosLike(param);
        param.ownGrad = functional.allReduce(own, { op: "sum", group }).div(group.size());
      }
    }
  }
}
