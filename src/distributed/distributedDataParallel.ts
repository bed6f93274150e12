/** DistributedDataParallel: the same model on several ranks, each with a part of the batch, kept equal. */
import { during, type ModeScope, mode, noGrad, observe } from "../autograd/mode.js";
import type { AnyModule } from "../nn/base.js";
import { Module } from "../nn/module.js";
import type { Parameter } from "../nn/parameter.js";
import { isLazy } from "../nn/uninitialized.js";
import { tensor } from "../tensor/create.js";
import { ValueError } from "../tensor/errors.js";
import type { CommHook } from "./commHooks.js";
import {
  JOIN_DISABLED,
  Join,
  type Joinable,
  type JoinConfig,
  type JoinHook,
  type JoinOptions,
} from "./join.js";
import { BufferSync, broadcastTensors, checkSameTensors, type Named } from "./moduleStates.js";
import type { ProcessGroup } from "./processGroup.js";
import { Reducer } from "./reducer.js";
import { groupOr } from "./world.js";

/** Options of {@link DistributedDataParallel}. */
export interface DistributedDataParallelOptions {
  /** Copy rank 0's buffers to all ranks before forwards in training (default true). */
  broadcastBuffers?: boolean;
  /** The ranks among which gradients are averaged (default: all). */
  processGroup?: ProcessGroup | null;
  /** Mebibytes of gradients that are reduced together (default 25; the first bucket has 1). */
  bucketCapMb?: number;
  /** Let parameters stay without a gradient, on some ranks or on all (default false: that is an error). */
  findUnusedParameters?: boolean;
  /** Make gradients views of the buckets: saves one copy of all gradients (default false). */
  gradientAsBucketView?: boolean;
  /** Every backward uses the same parameters equally often, which need not be all, nor once (default false). */
  staticGraph?: boolean;
}

/** What a wrapped model keeps besides its fields. */
interface Replication {
  /** Made when it is first needed: in a deep copy of the model, that is the first forward of training. */
  reducer: Reducer | null;
  readonly buffers: BufferSync;
  /** Whether forwards from here on are to be averaged. */
  gradSync: boolean;
  /** Whether the next forward begins with rank 0's buffers. */
  bufferSync: boolean;
  divideByInitialWorldSize: boolean;
}

const replications = new WeakMap<object, Replication>();

const NAME = "DistributedDataParallel";

/** Checks that a module can be replicated; its parameters with gradients, by name. */
function reducedParameters(module: AnyModule): [string, Parameter][] {
  const named = [...module.namedParameters()];
  const lazy = [...named, ...module.namedBuffers()].filter(([, t]) => isLazy(t)).map(([name]) => name);
  if (lazy.length > 0) {
    throw new ValueError(
      `[${NAME}] ${lazy.join(", ")} have no shape yet, expected parameters that are initialised; ` +
        "try one forward pass of the module before it is wrapped",
    );
  }
  const reduced = named.filter(([, p]) => p.requiresGrad);
  if (reduced.length === 0) {
    throw new ValueError(
      `[${NAME}] the module has no parameter that requires a gradient, so there is nothing to average; try it without ${NAME}`,
    );
  }
  return reduced;
}

/**
 * Trains one model on several ranks: each has a replica and its own part of the batch; after every backward all have
 * the same gradients, the averages over the ranks, so that the same optimizer step keeps the replicas equal. With a loss
 * that is a mean, parts of equal size give the gradients of the whole batch.
 *
 * At the start all ranks get rank 0's parameters and buffers. Gradients are averaged in buckets while the backward runs.
 * Whether a backward averages is decided by the forwards that it goes through: those inside {@link noSync} do not count.
 * With `createGraph` the averages are recorded, so that gradients of them are right as well.
 *
 * Keys of the state dict begin with `module.`, as PyTorch's do; `ddp.module.stateDict()` has them without.
 * Source: `torch.nn.parallel.DistributedDataParallel`.
 * @example
 * const model = new DistributedDataParallel(new nn.Linear(10, 2));
 * const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
 * // This rank's part of the batch.
 * const [x, y] = [randn([8, 10]), randn([8, 2])];
 * nn.functional.mseLoss(model(x), y).backward();
 * optimizer.step();
 * @throws ValueError when the replicas differ in names, shapes or dtypes, have no parameter with a gradient, or are lazy.
 */
export class DistributedDataParallel<M extends AnyModule = Module>
  extends Module<Parameters<M["forward"]>, ReturnType<M["forward"]>>
  implements Joinable
{
  /** The replica. */
  readonly module: M;
  /** The ranks among which gradients are averaged. */
  readonly processGroup: ProcessGroup;
  /** Whether buffers are rank 0's at every forward (default true). */
  readonly broadcastBuffers: boolean;
  /** Mebibytes of gradients that are reduced together. */
  readonly bucketCapMb: number;
  /** Whether parameters may stay without gradient in a pass (default false). */
  readonly findUnusedParameters: boolean;
  /** Whether gradients share the memory of the buckets (default false). */
  readonly gradientAsBucketView: boolean;
  /** Whether every pass uses the same parameters (default false). */
  readonly staticGraph: boolean;
  /** How the running join wants it; set by {@link Join}. */
  joinConfig: JoinConfig = JOIN_DISABLED;

  /** @param module the model, built by the same code on every rank. */
  constructor(module: M, options: DistributedDataParallelOptions = {}) {
    super();
    const { bucketCapMb = 25 } = options;
    if (!(bucketCapMb > 0))
      throw new ValueError(`[${NAME}] bucketCapMb is ${bucketCapMb}, expected more than 0`);
    reducedParameters(module);
    const group = groupOr(NAME, options.processGroup);
    if (group.rank() < 0)
      throw new ValueError(`[${NAME}] this rank is not in ${group.name}; try another processGroup`);
    this.processGroup = group;
    this.bucketCapMb = bucketCapMb;
    this.broadcastBuffers = options.broadcastBuffers ?? true;
    this.findUnusedParameters = options.findUnusedParameters ?? false;
    this.gradientAsBucketView = options.gradientAsBucketView ?? false;
    this.staticGraph = options.staticGraph ?? false;
    this.module = module;
    checkSameTensors(NAME, statesOf(module), group);
    this.broadcastStates(0);
    this.reducer();
  }

  private get replication(): Replication {
    const known = replications.get(this);
    if (known !== undefined) return known;
    const made = {
      reducer: null,
      buffers: new BufferSync(this.processGroup),
      gradSync: true,
      bufferSync: true,
      divideByInitialWorldSize: true,
    };
    replications.set(this, made);
    return made;
  }

  private reducer(): Reducer {
    const { replication } = this;
    replication.reducer ??= new Reducer(reducedParameters(this.module), {
      group: this.processGroup,
      bucketBytes: this.bucketCapMb * 1024 * 1024,
      findUnused: this.findUnusedParameters,
      asViews: this.gradientAsBucketView,
      staticGraph: this.staticGraph,
    });
    return replication.reducer;
  }

  override forward(...args: Parameters<M["forward"]>): ReturnType<M["forward"]> {
    const replica = this.module as AnyModule as Module<Parameters<M["forward"]>, ReturnType<M["forward"]>>;
    const { replication } = this;
    const sync = mode.grad && replication.gradSync;
    const joining = this.joinConfig.enable;
    const active = Join.notifyJoinContext(this);
    this.syncBuffers(joining, true);
    if (joining) this.anyRankSyncs(sync);
    replication.bufferSync = sync;
    if (!sync) return replica(...args);
    const reducer = this.reducer();
    if (active !== null || !joining) {
      const all = active === null || replication.divideByInitialWorldSize;
      reducer.divisor = all ? this.processGroup.size() : active;
    }
    return observe(reducer, () => replica(...args));
  }

  /**
   * Forwards inside of `fn` (or of a `using` block) are not averaged: their backwards leave every rank its own sums, to
   * which the next backward of an ordinary forward adds before it averages all of it. What counts is where the forward
   * runs, not the backward. Source: `DistributedDataParallel.no_sync`.
   * @example
   * const ddp = new DistributedDataParallel(new nn.Linear(10, 2));
   * const [first, second] = [randn([8, 10]), randn([8, 10])];
   * ddp.noSync(() => ddp(first).square().mean().backward());
   * // Averages the sums of both.
   * ddp(second).square().mean().backward();
   */
  noSync(): ModeScope;
  noSync<T>(fn: () => T): T;
  noSync<T>(fn?: () => T): T | ModeScope {
    const { replication } = this;
    return during(() => {
      const before = replication.gradSync;
      replication.gradSync = false;
      return () => {
        replication.gradSync = before;
      };
    }, fn);
  }

  /**
   * Reduces buckets by `hook(state, bucket)` in place of the average; all ranks register the same hook, once, before
   * the first backward. Source: `DistributedDataParallel.register_comm_hook`.
   * @throws ValueError when there is a hook already.
   */
  registerCommHook<S>(state: S, hook: CommHook<S>): void {
    if (typeof hook !== "function") {
      throw new ValueError(`[registerCommHook] got ${typeof hook}, expected a function of (state, bucket)`);
    }
    const reducer = this.reducer();
    if (reducer.hasHook) {
      throw new ValueError("[registerCommHook] there is a hook already, and there can be only one");
    }
    reducer.setHook(state, hook);
  }

  /** Sizes of the buckets in bytes, in the order in which they are reduced. */
  get bucketSizes(): readonly number[] {
    return this.reducer().bucketSizes;
  }

  /**
   * Runs a training loop whose inputs may run out earlier on some ranks: those go on taking part with zeros until all
   * are done, and get the parameters of one that was done last. Source: `DistributedDataParallel.join`.
   * @param options `divideByInitialWorldSize: false` divides gradients by the number of ranks that still have inputs.
   * @example
   * const ddp = new DistributedDataParallel(new nn.Linear(10, 2));
   * const batches = Array.from({ length: 3 + getRank() }, () => randn([8, 10]));
   * ddp.join(() => {
   *   for (const x of batches) ddp(x).square().mean().backward();
   * });
   */
  join<T>(fn: () => T, options: JoinOptions = {}): T {
    return new Join([this], options).run(fn);
  }

  /** The ranks that join. Source: `torch.distributed.algorithms.Joinable.join_process_group`. */
  get joinProcessGroup(): ProcessGroup {
    return this.processGroup;
  }

  /** What ranks do here that have run out of inputs; see {@link Join}. */
  joinHook(options: JoinOptions): JoinHook {
    const { replication } = this;
    const reducer = this.reducer();
    const byInitial = options.divideByInitialWorldSize ?? true;
    replication.divideByInitialWorldSize = byInitial;
    return {
      mainHook: (active) => {
        reducer.divisor = byInitial ? this.processGroup.size() : active;
        this.syncBuffers(true, false);
        const sync = this.anyRankSyncs(false);
        replication.bufferSync = sync;
        if (sync) reducer.shadow();
      },
      postHook: (isLastJoiner) => this.broadcastStates(this.commonRank(isLastJoiner)),
    };
  }

  /** Before a forward: the buffers of rank 0, or of the last rank that has inputs. */
  private syncBuffers(joining: boolean, active: boolean): void {
    if (!this.replication.bufferSync || !this.broadcastBuffers) return;
    this.replication.buffers.run(this.module, () => (joining ? this.commonRank(active) : 0));
  }

  /** All parameters and buffers of one rank to all. */
  private broadcastStates(source: number): void {
    broadcastTensors(
      statesOf(this.module).map(([, t]) => t),
      source,
      this.processGroup,
    );
  }

  /** In a join: whether any rank will average gradients of this iteration. */
  private anyRankSyncs(sync: boolean): boolean {
    return this.largest(sync ? 1 : 0) === 1;
  }

  /** The last of the ranks that are candidates. */
  private commonRank(candidate: boolean): number {
    return this.largest(candidate ? this.processGroup.rank() : -1);
  }

  private largest(value: number): number {
    const all = tensor([value], { dtype: "int32" });
    noGrad(() => this.processGroup.allReduce(all, "max"));
    return all.item();
  }
}

/** Parameters, then buffers. */
function statesOf(module: AnyModule): Named[] {
  return [...module.namedParameters(), ...module.namedBuffers()];
}
