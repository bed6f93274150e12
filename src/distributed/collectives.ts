/** Collectives as functions, with PyTorch's signatures: ranks are those of the world, the group is an option. */
import type { Tensor } from "../tensor/tensor.js";
import type { Blocking, CollectiveOptions, Outcome } from "./exchange.js";
import type { AllToAllSingleOptions, GatherOptions, ProcessGroup, ScatterOptions } from "./processGroup.js";
import type { ReduceOp } from "./reduceOp.js";
import type { ReduceOptions } from "./reducingGroup.js";
import { getGroupRank, groupOr } from "./world.js";

/** The group of a call. */
export interface GroupOption {
  /** The ranks that take part (default: the world). Ranks outside it return at once. */
  group?: ProcessGroup | undefined;
}

/** Options of a collective, and the group. */
export type WithGroup<O> = O & GroupOption;

/** The options of a call that may give the reduction in their place. */
function withOp(options: WithGroup<ReduceOptions> | ReduceOp | undefined): WithGroup<ReduceOptions> {
  return typeof options === "string" ? { op: options } : (options ?? {});
}

/** A rank of the world as one of the group; 0 where this rank is not in the group, and nothing happens. */
function rankIn(group: ProcessGroup, rank: number): number {
  return group.rank() < 0 ? 0 : getGroupRank(group, rank);
}

/**
 * Replaces `tensor` on every rank by the reduction of all ranks' tensors (`"sum"` by default), the same bits everywhere.
 * Integers and bool work too. Source: `torch.distributed.all_reduce`.
 * @example
 * const x = tensor([1, 2]);
 * allReduce(x); // in place
 * x.div(getWorldSize()).toArray(); // [1, 2]
 * @throws DTypeError when the reduction is not defined for the dtype.
 * @throws DistMismatchError when ranks call something else, or with another shape or dtype.
 * @throws DistTimeoutError naming the ranks that do not join in time, RankFailedError when one is gone. The tensor keeps
 * its values.
 */
export function allReduce<O extends WithGroup<ReduceOptions> | ReduceOp = Blocking>(
  tensor: Tensor,
  options?: O,
): Outcome<O> {
  const given = withOp(options);
  return groupOr("allReduce", given.group).allReduce(tensor, given) as Outcome<O>;
}

/**
 * {@link allReduce} of several tensors of one dtype in one exchange.
 * Source: `torch.distributed.all_reduce_coalesced`.
 * @example
 * const [a, b] = [tensor([1, 2]), tensor([[3]])];
 * allReduceCoalesced([a, b], "max");
 * b.toArray(); // [[3]]
 */
export function allReduceCoalesced<O extends WithGroup<ReduceOptions> | ReduceOp = Blocking>(
  tensors: readonly Tensor[],
  options?: O,
): Outcome<O> {
  const given = withOp(options);
  return groupOr("allReduceCoalesced", given.group).allReduceCoalesced(tensors, given) as Outcome<O>;
}

/**
 * Replaces `tensor` on rank `dst` by the reduction of all ranks' tensors; elsewhere it stays.
 * Source: `torch.distributed.reduce`.
 * @example
 * const x = tensor([1, 2]);
 * reduce(x, 0, "max");
 * x.toArray(); // [1, 2]
 */
export function reduce<O extends WithGroup<ReduceOptions> | ReduceOp = Blocking>(
  tensor: Tensor,
  dst: number,
  options?: O,
): Outcome<O> {
  const given = withOp(options);
  const group = groupOr("reduce", given.group);
  return group.reduce(tensor, rankIn(group, dst), given) as Outcome<O>;
}

/**
 * Replaces `tensor` on every rank by that of rank `src`. Source: `torch.distributed.broadcast`.
 * @example
 * const x = getRank() === 0 ? tensor([1, 2]) : zeros([2], { dtype: "int64" });
 * broadcast(x, 0);
 * x.toArray(); // [1, 2]
 */
export function broadcast<O extends CollectiveOptions = Blocking>(
  tensor: Tensor,
  src: number,
  options?: WithGroup<O>,
): Outcome<O> {
  const group = groupOr("broadcast", options?.group);
  return group.broadcast<O>(tensor, rankIn(group, src), options);
}

/**
 * Puts every rank's `tensor` into `tensorList`, by rank. The tensors may differ in shape from rank to rank, as the lists
 * say, which must be alike on all ranks. Source: `torch.distributed.all_gather`.
 * @example
 * const list = Array.from({ length: getWorldSize() }, () => zeros([1], { dtype: "int64" }));
 * allGather(list, tensor([getRank()]));
 * list[0].toArray(); // [0]
 */
export function allGather<O extends CollectiveOptions = Blocking>(
  tensorList: readonly Tensor[],
  tensor: Tensor,
  options?: WithGroup<O>,
): Outcome<O> {
  return groupOr("allGather", options?.group).allGather<O>(tensorList, tensor, options);
}

/**
 * `output` = the inputs of all ranks, one after another along dimension 0.
 * Source: `torch.distributed.all_gather_into_tensor`.
 * @example
 * const all = empty([getWorldSize(), 2]);
 * allGatherIntoTensor(all, ones([2]).mul(getRank()));
 * all.at(0).toArray(); // [0, 0]
 */
export function allGatherIntoTensor<O extends CollectiveOptions = Blocking>(
  output: Tensor,
  input: Tensor,
  options?: WithGroup<O>,
): Outcome<O> {
  return groupOr("allGatherIntoTensor", options?.group).allGatherIntoTensor<O>(output, input, options);
}

/**
 * Puts every rank's `tensor` into `gatherList` on rank `dst` (default 0); elsewhere the list is null.
 * Source: `torch.distributed.gather`.
 * @example
 * const x = tensor([7]);
 * const list = getRank() === 0 ? Array.from({ length: getWorldSize() }, () => zerosLike(x)) : null;
 * gather(x, list);
 * list?.[0]?.toArray(); // [7]
 */
export function gather<O extends GatherOptions = Blocking>(
  tensor: Tensor,
  gatherList: readonly Tensor[] | null = null,
  options?: WithGroup<O>,
): Outcome<O> {
  const group = groupOr("gather", options?.group);
  return group.gather<O>(tensor, gatherList, {
    ...(options as WithGroup<O>),
    dst: rankIn(group, options?.dst ?? 0),
  });
}

/**
 * Puts element i of rank `src`'s (default 0) `scatterList` into `tensor` of rank i; elsewhere the list is null.
 * Source: `torch.distributed.scatter`.
 * @example
 * const x = zeros([1]);
 * scatter(x, getRank() === 0 ? Array.from({ length: getWorldSize() }, (_, r) => ones([1]).mul(r + 5)) : null);
 * x.item() - getRank(); // 5
 */
export function scatter<O extends ScatterOptions = Blocking>(
  tensor: Tensor,
  scatterList: readonly Tensor[] | null = null,
  options?: WithGroup<O>,
): Outcome<O> {
  const group = groupOr("scatter", options?.group);
  return group.scatter<O>(tensor, scatterList, {
    ...(options as WithGroup<O>),
    src: rankIn(group, options?.src ?? 0),
  });
}

/**
 * `output` = element i of all ranks' lists, reduced, on rank i. Source: `torch.distributed.reduce_scatter`.
 * @example
 * const part = zeros([2]);
 * reduceScatter(part, Array.from({ length: getWorldSize() }, () => ones([2])), "avg");
 * part.toArray(); // [1, 1]
 */
export function reduceScatter<O extends WithGroup<ReduceOptions> | ReduceOp = Blocking>(
  output: Tensor,
  inputList: readonly Tensor[],
  options?: O,
): Outcome<O> {
  const given = withOp(options);
  return groupOr("reduceScatter", given.group).reduceScatter(output, inputList, given) as Outcome<O>;
}

/**
 * `output` = part i of all ranks' inputs, cut into equal parts along dimension 0, reduced, on rank i.
 * Source: `torch.distributed.reduce_scatter_tensor`.
 * @example
 * const part = zeros([2]);
 * reduceScatterTensor(part, ones([2 * getWorldSize()]), "avg");
 * part.toArray(); // [1, 1]
 */
export function reduceScatterTensor<O extends WithGroup<ReduceOptions> | ReduceOp = Blocking>(
  output: Tensor,
  input: Tensor,
  options?: O,
): Outcome<O> {
  const given = withOp(options);
  return groupOr("reduceScatterTensor", given.group).reduceScatterTensor(output, input, given) as Outcome<O>;
}

/**
 * Element j of `inputList` goes to rank j; element i of `outputList` comes from rank i. Shapes may differ.
 * Source: `torch.distributed.all_to_all`.
 * @example
 * const outputs = Array.from({ length: getWorldSize() }, () => zeros([2]));
 * allToAll(outputs, outputs.map((_, r) => ones([2]).mul(r)));
 * outputs[0].div(Math.max(1, getRank())).toArray(); // [0, 0]
 */
export function allToAll<O extends CollectiveOptions = Blocking>(
  outputList: readonly Tensor[],
  inputList: readonly Tensor[],
  options?: WithGroup<O>,
): Outcome<O> {
  return groupOr("allToAll", options?.group).allToAll<O>(outputList, inputList, options);
}

/**
 * The rows of `input` go to the ranks in equal parts, or as `inputSplitSizes` says; `output` is what comes.
 * Source: `torch.distributed.all_to_all_single`.
 * @example
 * const x = arange(getWorldSize()).to("float32");
 * const out = zerosLike(x);
 * allToAllSingle(out, x);
 * out.sub(getRank()).toArray()[0]; // 0
 */
export function allToAllSingle<O extends AllToAllSingleOptions = Blocking>(
  output: Tensor,
  input: Tensor,
  options?: WithGroup<O>,
): Outcome<O> {
  return groupOr("allToAllSingle", options?.group).allToAllSingle<O>(output, input, options);
}

/**
 * Returns on each rank once all have called it. Source: `torch.distributed.barrier`.
 * @example
 * barrier();
 */
export function barrier<O extends CollectiveOptions = Blocking>(options?: WithGroup<O>): Outcome<O> {
  return groupOr("barrier", options?.group).barrier<O>(options);
}

/** Options of {@link monitoredBarrier}. */
export interface MonitoredBarrierOptions extends GroupOption {
  /** Milliseconds to wait; the group's own when left out. */
  timeout?: number;
  /** Accepted for PyTorch's sake: the error always names all ranks that are missing. */
  waitAllRanks?: boolean;
}

/**
 * A {@link barrier} whose error names the ranks that do not come, as that of every collective here does.
 * Source: `torch.distributed.monitored_barrier`.
 */
export function monitoredBarrier(options: MonitoredBarrierOptions = {}): void {
  groupOr("monitoredBarrier", options.group).monitoredBarrier(options);
}
