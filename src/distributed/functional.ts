/**
 * Collectives with gradients (`torch.distributed.nn.functional`): they return new tensors, and their backward is again
 * such a collective, so that gradients of every order exist. What is differentiated is the sum of what all ranks
 * differentiate: with a loss on each rank, `x.grad` is the gradient of the sum of all losses.
 *
 * A result depends on the tensors of all ranks, so it needs a gradient on every rank as soon as the tensor of one rank
 * does. In backward every rank comes by the same collectives, in the reverse of their order in the forward. So the loss
 * of every rank has to depend on every result (a factor of 0 is enough), and where gradients are asked for with
 * `autograd.grad`, every rank has to ask for something below the collective. A rank that does not come by is reported as
 * missing, after the timeout; one that ran the forward under `noGrad`, at once.
 */
import { add } from "../ops/arithmetic.js";
import { stack } from "../ops/join.js";
import { amax, amin } from "../ops/reduce.js";
import { prod } from "../ops/scan.js";
import { ShapeError, ValueError } from "../tensor/errors.js";
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { DistBackendError, showRanks } from "./errors.js";
import {
  allGatherOf,
  allToAllOf,
  allToAllRows,
  broadcastFrom,
  gatherTo,
  linearAllReduce,
  linearReduce,
  linearReduceScatter,
  rawAllReduce,
  rawReduce,
  rawReduceScatter,
  scatterFrom,
  type Where,
} from "./functionalOps.js";
import type { ProcessGroup } from "./processGroup.js";
import { isRecorded } from "./recording.js";
import type { ReduceOp } from "./reduceOp.js";
import { groupOr } from "./world.js";

/** Options of collectives with gradients. */
export interface FunctionalOptions {
  /** The ranks that take part (default: all). */
  group?: ProcessGroup | null;
  /** Milliseconds to wait for the other ranks (default: the group's). */
  timeout?: number;
}

/** Options of those that reduce. */
export interface FunctionalReduceOptions extends FunctionalOptions {
  /** How to reduce (default `"sum"`). */
  op?: ReduceOp;
}

/** Options of {@link gather}. */
export interface FunctionalGatherOptions extends FunctionalOptions {
  /** The rank (of the world) that gets the tensors (default: the first of the group). */
  dst?: number;
  /** Shapes of all ranks' tensors, where they differ. */
  shapes?: readonly Shape[];
}

/** Options of {@link scatter}. */
export interface FunctionalScatterOptions extends FunctionalOptions {
  /** The rank (of the world) whose tensors are given out (default: the first of the group). */
  src?: number;
}

/** Options of {@link allGather}. */
export interface FunctionalAllGatherOptions extends FunctionalOptions {
  /** Shapes of all ranks' tensors, where they differ. */
  shapes?: readonly Shape[];
}

/** Options of {@link allToAllSingle}. */
export interface FunctionalAllToAllSingleOptions extends FunctionalOptions {
  /** Rows of the output that come from each rank; equal parts when left out. */
  outputSplitSizes?: readonly number[];
  /** Rows of the input that go to each rank; equal parts when left out. */
  inputSplitSizes?: readonly number[];
}

function where(op: string, { group, timeout }: FunctionalOptions): Where {
  const found = groupOr(op, group);
  if (found.rank() >= 0) return { group: found, timeout };
  throw new DistBackendError(
    `[${op}] this rank is not in the group of ${showRanks(found.ranks)}, and so has no result; try to call it on these ranks only`,
  );
}

/** The number in the group of a rank of the world. */
function rootOf(op: string, name: string, rank: number, { group }: Where): number {
  const root = group.ranks.indexOf(rank);
  if (root >= 0) return root;
  throw new ValueError(`[${op}] ${name}: got rank ${rank}, expected one of ${group.ranks.join(", ")}`);
}

function checkList(op: string, what: string, list: readonly unknown[], { group }: Where): void {
  if (list.length === group.size()) return;
  throw new ValueError(
    `[${op}] ${what}: got ${list.length}, expected ${group.size()}, one for each rank of the group`,
  );
}

/** The shapes of all ranks' tensors: those given, or that of this rank's. */
function shapesOf(op: string, x: Tensor, given: readonly Shape[] | undefined, at: Where): readonly Shape[] {
  if (given === undefined) return at.group.ranks.map(() => x.shape);
  checkList(op, "shapes", given, at);
  const own = given[at.group.rank()] as Shape;
  if (own.join() === x.shape.join()) return given;
  throw new ShapeError(
    `[${op}] shapes: got [${own.join(", ")}] for this rank, whose tensor has shape [${x.shape.join(", ")}]`,
  );
}

function normalize(options: FunctionalReduceOptions | ReduceOp | undefined): FunctionalReduceOptions {
  return typeof options === "string" ? { op: options } : (options ?? {});
}

function isLinear(op: ReduceOp): op is "sum" | "avg" {
  return op === "sum" || op === "avg";
}

/** The reduction of tensors that are all here: differentiable at every order. */
function reduced(op: ReduceOp, list: readonly Tensor[]): Tensor {
  const all = stack(list);
  if (op === "product") return prod(all, 0);
  return op === "min" ? amin(all, 0) : amax(all, 0);
}

/**
 * The reduction of all ranks' tensors, on every rank. The gradient of a sum is the sum of all ranks' gradients. Those of
 * products, minima and maxima are right as well (PyTorch's reduce with the same operation, which is another function);
 * where values tie they share the gradient. Source: `torch.distributed.nn.functional.all_reduce`.
 * @throws DistError when the ranks disagree, one is gone, or one does not join in time.
 */
export function allReduce(tensor: Tensor, options?: FunctionalReduceOptions | ReduceOp): Tensor {
  const given = normalize(options);
  const op = given.op ?? "sum";
  const at = where("allReduce", given);
  const raw = rawAllReduce(tensor, op, at);
  if (isLinear(op)) return linearAllReduce(tensor, op, raw, at.group);
  return isRecorded(raw.marks) ? reduced(op, allGather(tensor, given)) : raw.made;
}

/**
 * The reduction of all ranks' tensors on rank `dst` (of the world), zeros elsewhere.
 * Source: `torch.distributed.nn.functional.reduce`.
 */
export function reduce(tensor: Tensor, dst: number, options?: FunctionalReduceOptions | ReduceOp): Tensor {
  const given = normalize(options);
  const op = given.op ?? "sum";
  const at = where("reduce", given);
  const root = rootOf("reduce", "dst", dst, at);
  const raw = rawReduce(tensor, root, op, at);
  if (isLinear(op)) return linearReduce(tensor, root, op, raw, at.group);
  if (!isRecorded(raw.marks)) return raw.made;
  const list = gather(tensor, { ...given, dst });
  return at.group.rank() === root ? reduced(op, list) : list.reduce((a, b) => add(a, b));
}

/**
 * The tensor of rank `src` (of the world) on every rank; elsewhere `tensor` has its shape and dtype, and gets zeros as
 * gradient. Source: `torch.distributed.nn.functional.broadcast`.
 */
export function broadcast(tensor: Tensor, src: number, options: FunctionalOptions = {}): Tensor {
  const at = where("broadcast", options);
  return broadcastFrom(tensor, rootOf("broadcast", "src", src, at), at);
}

/**
 * The tensors of all ranks, by rank. All have one shape, or those that `shapes` says.
 * Source: `torch.distributed.nn.functional.all_gather`.
 */
export function allGather(tensor: Tensor, options: FunctionalAllGatherOptions = {}): Tensor[] {
  const at = where("allGather", options);
  return allGatherOf(tensor, shapesOf("allGather", tensor, options.shapes, at), at);
}

/**
 * The tensors of all ranks on rank `dst`, by rank; zeros of their shapes elsewhere.
 * Source: `torch.distributed.nn.functional.gather`.
 */
export function gather(tensor: Tensor, options: FunctionalGatherOptions = {}): Tensor[] {
  const at = where("gather", options);
  const dst = options.dst ?? (at.group.ranks[0] as number);
  return gatherTo(
    tensor,
    shapesOf("gather", tensor, options.shapes, at),
    rootOf("gather", "dst", dst, at),
    at,
  );
}

/**
 * Element i of rank `src`'s list on rank i; elsewhere the list is one of placeholders of the same shapes and dtype, which
 * get zeros as gradients. Source: `torch.distributed.nn.functional.scatter`.
 */
export function scatter(tensors: readonly Tensor[], options: FunctionalScatterOptions = {}): Tensor {
  const at = where("scatter", options);
  checkList("scatter", "tensors", tensors, at);
  const src = options.src ?? (at.group.ranks[0] as number);
  return scatterFrom(tensors, rootOf("scatter", "src", src, at), at);
}

/**
 * The reduction of element i of all ranks' lists, on rank i. `output` gives its shape; it is not written, the result is
 * returned. Source: `torch.distributed.nn.functional.reduce_scatter`.
 */
export function reduceScatter(
  output: Tensor,
  inputList: readonly Tensor[],
  options?: FunctionalReduceOptions | ReduceOp,
): Tensor {
  const given = normalize(options);
  const op = given.op ?? "sum";
  const at = where("reduceScatter", given);
  checkList("reduceScatter", "inputList", inputList, at);
  const raw = rawReduceScatter(output.shape, inputList, op, at);
  if (isLinear(op)) return linearReduceScatter(inputList, op, raw, at.group);
  if (!isRecorded(raw.marks)) return raw.made;
  return reduced(
    op,
    allToAllOf(
      inputList,
      at.group.ranks.map(() => output.shape),
      at,
    ),
  );
}

/**
 * What each rank has for this one, by rank: element j of `inputList` goes to rank j. `outputList` gives the shapes; it is
 * not written, the results are returned. Source: `torch.distributed.nn.functional.all_to_all`.
 */
export function allToAll(
  outputList: readonly Tensor[],
  inputList: readonly Tensor[],
  options: FunctionalOptions = {},
): Tensor[] {
  const at = where("allToAll", options);
  checkList("allToAll", "outputList", outputList, at);
  checkList("allToAll", "inputList", inputList, at);
  return allToAllOf(
    inputList,
    outputList.map((t) => t.shape),
    at,
  );
}

/**
 * The rows of `input` go to the ranks in equal parts, or as `inputSplitSizes` says; the result is what comes, in the order
 * of ranks. `output` gives its shape; it is not written. Source: `torch.distributed.nn.functional.all_to_all_single`.
 */
export function allToAllSingle(
  output: Tensor,
  input: Tensor,
  options: FunctionalAllToAllSingleOptions = {},
): Tensor {
  const at = where("allToAllSingle", options);
  const splits = { input: options.inputSplitSizes, output: options.outputSplitSizes };
  return allToAllRows(input, output.shape, splits, at);
}
