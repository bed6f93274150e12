/**
 * Training with inputs that run out earlier on some ranks: those that are done go on taking part in the collectives of
 * the others until all are done. Source: `torch.distributed.algorithms.join`.
 */
import { tensor } from "../tensor/create.js";
import { ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { DistError } from "./errors.js";
import type { ProcessGroup } from "./processGroup.js";

/** What a rank that is done does for one object, in place of what its calls did. Source: `JoinHook`. */
export interface JoinHook {
  /** Called once for each iteration of the ranks that still have inputs, with how many they are. */
  mainHook?(activeRanks: number): void;
  /** Called when all ranks are done; true on those that were done last. */
  postHook?(isLastJoiner: boolean): void;
}

/** How an object takes part in {@link Join}; {@link JOIN_DISABLED} outside of it. */
export interface JoinConfig {
  /** Whether ranks may end at different times. */
  readonly enable: boolean;
  /** Whether all ranks throw as soon as one has no more inputs. */
  readonly throwOnEarlyTermination: boolean;
  /** Whether it is the one that tells the others of each iteration. */
  readonly isFirstJoinable: boolean;
}

/** The configuration of objects that are in no {@link Join}. */
export const JOIN_DISABLED: JoinConfig = {
  enable: false,
  throwOnEarlyTermination: false,
  isFirstJoinable: false,
};

/**
 * An object with collectives in its calls that can take part in {@link Join}. Each call begins with
 * `Join.notifyJoinContext(this)`. Source: `torch.distributed.algorithms.Joinable`.
 */
export interface Joinable {
  /** Set by {@link Join}; {@link JOIN_DISABLED} at first. */
  joinConfig: JoinConfig;
  /** The ranks that its collectives are for. */
  readonly joinProcessGroup: ProcessGroup;
  /** What it does on ranks that are done; the options are those of {@link Join}. */
  joinHook(options: JoinOptions): JoinHook;
}

/** Options of {@link Join}. */
export interface JoinOptions {
  /** With false, nothing is done for uneven inputs (default true). */
  enable?: boolean;
  /** Throw on all ranks as soon as one has run out of inputs (default false). */
  throwOnEarlyTermination?: boolean;
  /** Of DistributedDataParallel: divide by all ranks (default), or by those that still have inputs. */
  divideByInitialWorldSize?: boolean;
}

/** Iterations of others after which a rank that is done says so. */
const MANY = 1000;

/** The number of ranks that pass one. */
function countRanks(group: ProcessGroup, value: 0 | 1): number {
  const count: Tensor = tensor([value], { dtype: "int32" });
  group.allReduce(count);
  return count.item();
}

/**
 * Runs a training loop whose inputs may run out at different times on different ranks.
 * Source: `torch.distributed.algorithms.Join`.
 * @example
 * const ddp = new DistributedDataParallel(new nn.Linear(4, 2));
 * const optimizer = new ZeroRedundancyOptimizer(ddp.parameters(), optim.SGD, { lr: 0.1 });
 * new Join([ddp, optimizer]).run(() => {
 *   // Other numbers of batches on other ranks.
 *   for (let i = 0; i < 3 + getRank(); i++) {
 *     optimizer.zeroGrad();
 *     ddp(randn([8, 4])).square().mean().backward();
 *     optimizer.step();
 *   }
 * });
 * @throws ValueError without joinables, or when their process groups differ.
 */
export class Join {
  private readonly joinables: readonly Joinable[];
  private readonly options: JoinOptions;
  private readonly group: ProcessGroup;

  constructor(joinables: readonly Joinable[], options: JoinOptions = {}) {
    const first = joinables[0];
    if (first === undefined) {
      throw new ValueError("[Join] got no joinables, expected at least one; try [ddp]");
    }
    if (joinables.some((one) => one.joinProcessGroup !== first.joinProcessGroup)) {
      throw new ValueError("[Join] the joinables have different process groups, expected the same for all");
    }
    this.joinables = joinables;
    this.options = options;
    this.group = first.joinProcessGroup;
  }

  /**
   * Runs `fn`, then takes part in the collectives of the ranks that are not done yet. Returns what `fn` returned; a
   * promise is waited for. An error of `fn` is passed on at once.
   * @throws DistError with `throwOnEarlyTermination`, on every rank, once one has run out of inputs.
   */
  run<T>(fn: () => T): T {
    const { enable = true, throwOnEarlyTermination = false } = this.options;
    const hooks = this.joinables.map((joinable) => joinable.joinHook(this.options));
    this.joinables.forEach((joinable, i) => {
      joinable.joinConfig = { enable, throwOnEarlyTermination, isFirstJoinable: i === 0 };
    });
    const leave = () => {
      for (const joinable of this.joinables) joinable.joinConfig = JOIN_DISABLED;
    };
    const accompany = () => {
      if (enable) this.accompany(hooks, throwOnEarlyTermination);
    };
    let result: T;
    try {
      result = fn();
      if (!(result instanceof Promise)) accompany();
    } catch (error) {
      leave();
      throw error;
    }
    if (!(result instanceof Promise)) {
      leave();
      return result;
    }
    const whenDone = async (promise: Promise<unknown>) => {
      try {
        const value = await promise;
        accompany();
        return value;
      } finally {
        leave();
      }
    };
    return whenDone(result) as T;
  }

  /** Takes part until all ranks are done. */
  private accompany(hooks: readonly JoinHook[], throwing: boolean): void {
    const { group } = this;
    let iterations = 0;
    for (;;) {
      const active = countRanks(group, 0);
      if (active === 0) break;
      if (throwing) {
        countRanks(group, 1);
        throw new DistError(`[Join] rank ${group.ranks[group.rank()]} has run out of inputs before others`, {
          op: "Join",
          sequenceNumber: null,
          ranks: [group.ranks[group.rank()] as number],
        });
      }
      for (const hook of hooks) hook.mainHook?.(active);
      iterations++;
      if (iterations === MANY + 1) {
        console.warn(
          `[Join] this rank had ${MANY} inputs less than others; try to share them out more evenly`,
        );
      }
    }
    for (const hook of hooks) hook.postHook?.(iterations === 0);
  }

  /**
   * Tells the ranks that are done of another iteration; how many are not done, or null outside of {@link Join.run} and
   * for joinables other than the first. Source: `Join.notify_join_context`.
   * @throws DistError with `throwOnEarlyTermination`, once a rank has run out of inputs.
   */
  static notifyJoinContext(joinable: Joinable): number | null {
    const { enable, isFirstJoinable, throwOnEarlyTermination } = joinable.joinConfig;
    if (!enable || !isFirstJoinable) return null;
    const group = joinable.joinProcessGroup;
    const active = countRanks(group, 1);
    if (throwOnEarlyTermination && countRanks(group, 0) > 0) {
      throw new DistError("[Join] a rank has run out of inputs: stopping on all ranks", {
        op: "Join",
        sequenceNumber: null,
        ranks: [],
      });
    }
    return active;
  }
}
