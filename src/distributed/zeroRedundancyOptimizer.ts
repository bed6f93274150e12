/**
 * ZeroRedundancyOptimizer: every rank keeps the optimizer state of a part of the parameters only, updates that part and
 * hands it to the others. Stage 1 of Rajbhandari et al., "ZeRO: Memory Optimizations Toward Training Trillion Parameter
 * Models" (SC 2020).
 */
import { enableGrad, noGrad } from "../autograd/mode.js";
import { setData } from "../nn/parameter.js";
import type { OptionsInput, ParamGroupInput, ParamsInput, RateOptions } from "../optim/groups.js";
import { LBFGS } from "../optim/lbfgs.js";
import type { Optimizer, OptimizerStateDict } from "../optim/optimizer.js";
import { ValueError } from "../tensor/errors.js";
import { KEPT, nextOp } from "../tensor/heap.js";
import { copyInto, empty, viewOf } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { JOIN_DISABLED, Join, type Joinable, type JoinConfig, type JoinHook } from "./join.js";
import { gatherObject } from "./objects.js";
import { OptimizerWrapper } from "./optimizerWrapper.js";
import type { ProcessGroup } from "./processGroup.js";
import { groupOr } from "./world.js";

/** A class of optimizers, such as `optim.Adam`. */
export type OptimizerClass<O extends RateOptions> = new (
  params: ParamsInput<O>,
  options?: OptionsInput<O>,
) => Optimizer;

/** Options of {@link ZeroRedundancyOptimizer} besides those of the optimizer inside. */
export interface ZeroRedundancyOptions {
  /** The ranks among which the parameters are shared out (default: all). */
  processGroup?: ProcessGroup | null;
  /** Let the parameters of a rank lie side by side, so that they are handed on without a copy (default false). */
  parametersAsBucketView?: boolean;
}

/** The parameters of one dtype, rank after rank. */
interface Shards {
  readonly byRank: readonly (readonly Tensor[])[];
  /** Memory for the parameters of each rank: their own with `parametersAsBucketView`. */
  readonly flats: readonly Tensor[];
}

/**
 * Shares out parameters: within each group the largest first, each to the rank with the fewest elements so far.
 * Returns the rank of each parameter. Source: `ZeroRedundancyOptimizer._partition_parameters`.
 */
export function partitionParameters(
  groups: readonly (readonly Tensor[])[],
  worldSize: number,
): Map<Tensor, number> {
  const owner = new Map<Tensor, number>();
  const sizes = new Array<number>(worldSize).fill(0);
  for (const params of groups) {
    for (const param of [...params].sort((a, b) => b.numel - a.numel)) {
      const rank = sizes.indexOf(Math.min(...sizes));
      owner.set(param, rank);
      sizes[rank] = (sizes[rank] as number) + param.numel;
    }
  }
  return owner;
}

/**
 * An optimizer whose state is shared out among ranks: with R ranks each keeps about 1 / R of it. Use it with the
 * parameters of a {@link DistributedDataParallel} model: all ranks then have the same gradients. The numbers are those
 * of the optimizer inside.
 *
 * State dicts are whole: {@link consolidateStateDict} gathers them on one rank, all ranks load the same.
 * Source: `torch.distributed.optim.ZeroRedundancyOptimizer`.
 * @example
 * const model = new DistributedDataParallel(new nn.Linear(4, 2));
 * const optimizer = new ZeroRedundancyOptimizer(model.parameters(), optim.Adam, { lr: 0.001 });
 * @throws ValueError for LBFGS, which updates all parameters together.
 */
export class ZeroRedundancyOptimizer<O extends RateOptions = RateOptions>
  extends OptimizerWrapper
  implements Joinable
{
  /** The ranks among which the parameters are shared out. */
  readonly processGroup: ProcessGroup;
  /** Whether the parameters of a rank share memory, so that they are sent at once (default false). */
  readonly parametersAsBucketView: boolean;
  /** How the running join wants it; set by {@link Join}. */
  joinConfig: JoinConfig = JOIN_DISABLED;
  #owner: Map<Tensor, number>;
  #shards: Shards[];
  #consolidated: OptimizerStateDict | null = null;

  /**
   * @param optimizerClass the class of the optimizer inside.
   * @param options its options, and those of {@link ZeroRedundancyOptions}.
   */
  constructor(
    params: ParamsInput<O>,
    optimizerClass: OptimizerClass<O>,
    options: OptionsInput<O> & ZeroRedundancyOptions = {} as OptionsInput<O>,
  ) {
    const { processGroup, parametersAsBucketView = false, ...rest } = options;
    if (optimizerClass === (LBFGS as unknown)) {
      throw new ValueError(
        "[ZeroRedundancyOptimizer] LBFGS updates all parameters together, so they cannot be shared out; try another optimizer",
      );
    }
    super(new optimizerClass(params, rest as OptionsInput<O>));
    this.processGroup = groupOr("ZeroRedundancyOptimizer", processGroup);
    this.parametersAsBucketView = parametersAsBucketView;
    this.#owner = new Map();
    this.#shards = [];
    this.#share();
  }

  /** Which rank of the group updates a parameter. */
  ownerOf(param: Tensor): number | undefined {
    return this.#owner.get(param);
  }

  #share(): void {
    const groups = this.paramGroups.map(({ params }) => params);
    const { processGroup: group } = this;
    this.#owner = partitionParameters(groups, group.size());
    const params = groups.flat();
    this.#shards = [...new Set(params.map((p) => p.code))].map((code) => {
      const byRank = Array.from({ length: group.size() }, (_, r) =>
        params.filter((p) => p.code === code && this.#owner.get(p) === r),
      );
      nextOp();
      const flats = byRank.map((list) => {
        const flat = empty([list.reduce((sum, p) => sum + p.numel, 0)], code);
        flat.storage.flags |= KEPT;
        return flat;
      });
      return { byRank, flats };
    });
    if (this.parametersAsBucketView)
      this.#eachView((param, view) => {
        copyInto(view, param);
        setData(param, view);
      });
  }

  /** Calls `fn` with every parameter and its place in the memory of its rank. */
  #eachView(fn: (param: Tensor, view: Tensor, rank: number) => void): void {
    nextOp();
    for (const { byRank, flats } of this.#shards) {
      byRank.forEach((params, rank) => {
        let offset = 0;
        for (const param of params) {
          fn(param, viewOf(flats[rank] as Tensor, param.shape, null, offset), rank);
          offset += param.numel;
        }
      });
    }
  }

  override addParamGroup(group: ParamGroupInput<RateOptions>): void {
    super.addParamGroup(group);
    // The base class adds the first groups before there is anything to share.
    if (#shards in this) this.#share();
  }

  protected override perform<T>(closure: (() => T) | undefined): T | undefined {
    Join.notifyJoinContext(this);
    const loss = closure === undefined ? undefined : enableGrad(closure);
    this.#stepOwn();
    this.#consolidated = null;
    return loss;
  }

  /** Updates this rank's parameters, and gets the others. */
  #stepOwn(): void {
    const mine = this.processGroup.rank();
    const hidden: [Tensor, Tensor][] = [];
    for (const [param, rank] of this.#owner) {
      if (rank === mine || param.ownGrad === null) continue;
      hidden.push([param, param.ownGrad]);
      param.ownGrad = null;
    }
    try {
      this.optim.step();
    } finally {
      for (const [param, grad] of hidden) param.ownGrad = grad;
    }
    noGrad(() => this.#exchange(mine));
  }

  #exchange(mine: number): void {
    const { processGroup: group, parametersAsBucketView: asViews } = this;
    if (group.size() === 1) return;
    if (!asViews) {
      this.#eachView((param, view, rank) => {
        if (rank === mine) copyInto(view, param);
      });
    }
    for (const { flats } of this.#shards) {
      if (!asViews) group.allGather(flats, flats[mine] as Tensor);
      else for (const [rank, flat] of flats.entries()) if (flat.numel > 0) group.broadcast(flat, rank);
    }
    this.#eachView((param, view, rank) => {
      if (rank === mine) return;
      if (!asViews) copyInto(param, view);
      param.storage.version++;
    });
  }

  /**
   * Gathers the state of all ranks on rank `to` of the group, where {@link stateDict} then gives all of it until the
   * next step. All ranks call it. Source: `ZeroRedundancyOptimizer.consolidate_state_dict`.
   */
  consolidateStateDict(to = 0): void {
    const { processGroup: group } = this;
    const own = super.stateDict();
    const isTarget = group.rank() === to;
    const all = isTarget ? new Array<OptimizerStateDict["state"]>(group.size()) : null;
    gatherObject(own.state, all, { group, dst: group.ranks[to] as number });
    if (all === null) {
      this.#consolidated = null;
      return;
    }
    const state: OptimizerStateDict["state"] = {};
    for (const [rank, part] of all.entries()) Object.assign(state, rank === to ? own.state : part);
    this.#consolidated = { state, param_groups: own.param_groups };
  }

  /**
   * The state of all parameters, as the optimizer inside would have it without sharing.
   * @throws ValueError on ranks that have not been given it by {@link consolidateStateDict} since the last step.
   */
  override stateDict(): OptimizerStateDict {
    if (this.#consolidated !== null) return this.#consolidated;
    if (this.processGroup.size() === 1) return super.stateDict();
    throw new ValueError(
      `[ZeroRedundancyOptimizer] rank ${this.processGroup.rank()} has the state of its own parameters only; ` +
        "try consolidateStateDict(to) on all ranks first, and stateDict() on rank `to` alone",
    );
  }

  /** Takes options, and the state of this rank's parameters, from a whole state dict. */
  override loadStateDict(stateDict: OptimizerStateDict): void {
    const mine = this.processGroup.rank();
    const params = this.paramGroups.flatMap((group) => group.params);
    const entries = Object.entries(stateDict?.state ?? {}).filter(([position]) => {
      const rank = this.#owner.get(params[Number(position)] as Tensor);
      return rank === undefined || rank === mine;
    });
    super.loadStateDict({ ...stateDict, state: Object.fromEntries(entries) });
    this.#consolidated = null;
  }

  /** The ranks that join. Source: `torch.distributed.algorithms.Joinable.join_process_group`. */
  get joinProcessGroup(): ProcessGroup {
    return this.processGroup;
  }

  /** A rank that has run out of inputs still updates its parameters; put the DDP model first in the list. */
  joinHook(): JoinHook {
    return { mainHook: () => this.#stepOwn() };
  }
}
