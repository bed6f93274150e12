/**
 * A group of ranks and its collectives. Everything that collectives mean is here and in `exchange.ts`: a backend only
 * carries headers and elements. Ranks in this class count within the group; the functions of `collectives.ts` take ranks
 * of the world, as PyTorch's do.
 */
import { ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import {
  allSameShape,
  checkDtype,
  checkList,
  checkNumel,
  checkOutput,
  checkRank,
  checkTensor,
} from "./checks.js";
import type { Task } from "./communicator.js";
import { ownCounts, pairs, rootedCounts, sameLists, splitCounts } from "./counts.js";
import type { Blocking, Call, CollectiveOptions, Outcome } from "./exchange.js";
import type { OpName } from "./header.js";
import { ReducingGroup } from "./reducingGroup.js";
import type { Staging } from "./staging.js";

/** Options of {@link ProcessGroup.allToAllSingle}. */
export interface AllToAllSingleOptions extends CollectiveOptions {
  /** Rows of the output that come from each rank; equal parts when left out. */
  outputSplitSizes?: readonly number[];
  /** Rows of the input that go to each rank; equal parts when left out. */
  inputSplitSizes?: readonly number[];
}

/** Options of {@link ProcessGroup.gather}. */
export interface GatherOptions extends CollectiveOptions {
  /** The rank that gets the tensors (default 0). */
  dst?: number;
}

/** Options of {@link ProcessGroup.scatter}. */
export interface ScatterOptions extends CollectiveOptions {
  /** The rank that has the tensors (default 0). */
  src?: number;
}

/**
 * Ranks that exchange tensors. The world's is made by `initProcessGroup`, others by `newGroup`. Every rank of the group
 * must call the same collectives in the same order. Source: `torch.distributed.ProcessGroup`.
 */
export class ProcessGroup extends ReducingGroup {
  /** Replaces `tensor` on every rank by that of rank `src`. Source: `torch.distributed.broadcast`. */
  broadcast<O extends CollectiveOptions = Blocking>(tensor: Tensor, src: number, options?: O): Outcome<O> {
    checkRank("broadcast", "src", src, this.size());
    const isRoot = this.rank() === src;
    if (isRoot) checkTensor("broadcast", "tensor", tensor);
    else checkOutput("broadcast", "tensor", tensor);
    return this.collective(options, (staging) => {
      const data = isRoot ? staging.input(tensor) : staging.output(tensor);
      return {
        op: "broadcast",
        tensor,
        root: src,
        input: isRoot ? data : null,
        move: (comm) => comm.broadcast(data, src),
      };
    });
  }

  /**
   * Puts every rank's `tensor` into `tensorList`, by rank. The tensors may differ in shape from rank to rank, as the
   * lists say, which must be the same on all ranks. Source: `torch.distributed.all_gather`.
   */
  allGather<O extends CollectiveOptions = Blocking>(
    tensorList: readonly Tensor[],
    tensor: Tensor,
    options?: O,
  ): Outcome<O> {
    const op = "allGather";
    checkTensor(op, "tensor", tensor);
    checkList(op, "tensorList", tensorList, this.size(), tensor.code);
    for (const [i, t] of tensorList.entries()) checkOutput(op, `tensorList[${i}]`, t);
    const counts = tensorList.map((t) => t.numel);
    return this.collective(options, (staging) => {
      const input = staging.input(tensor);
      const output = staging.outputs(tensorList, tensor.code);
      return {
        op,
        tensor,
        uneven: !allSameShape([tensor, ...tensorList]),
        input,
        counts: [tensor.numel, ...counts],
        verdict: sameLists,
        move: (comm) => comm.allGather(input, output, counts),
      };
    });
  }

  /**
   * `output` = the inputs of all ranks, one after another along dimension 0 (or stacked along a new one).
   * Source: `torch.distributed.all_gather_into_tensor`.
   */
  allGatherIntoTensor<O extends CollectiveOptions = Blocking>(
    output: Tensor,
    input: Tensor,
    options?: O,
  ): Outcome<O> {
    const op = "allGatherIntoTensor";
    checkTensor(op, "input", input);
    checkOutput(op, "output", output);
    checkDtype(op, "output", output, input.code);
    checkNumel(op, "output", output, input.numel * this.size(), "those of the input for each rank");
    return this.collective(options, (staging) => {
      const from = staging.input(input, output);
      const to = staging.output(output);
      const counts = this.ranks.map(() => input.numel);
      return { op, tensor: input, input: from, move: (comm) => comm.allGather(from, to, counts) };
    });
  }

  /**
   * Puts every rank's `tensor` into `gatherList` on rank `dst`, by rank; elsewhere the list is null. The tensors may
   * differ in shape from rank to rank, as the list says. Source: `torch.distributed.gather`.
   */
  gather<O extends GatherOptions = Blocking>(
    tensor: Tensor,
    gatherList: readonly Tensor[] | null,
    options?: O,
  ): Outcome<O> {
    const op = "gather";
    const dst = options?.dst ?? 0;
    checkTensor(op, "tensor", tensor);
    const list = this.rootList(op, "gatherList", gatherList, "dst", dst, tensor.code);
    for (const [i, t] of (list ?? []).entries()) checkOutput(op, `gatherList[${i}]`, t);
    return this.collective(options, (staging) => {
      const input = staging.input(tensor);
      const output = list === null ? null : staging.outputs(list, tensor.code);
      const move: Call["move"] = (comm, table) =>
        comm.gather(input, output, ownCounts(table, tensor, this.size()), dst);
      return { op, tensor, ...rootedCounts(tensor, list, dst, this.size()), input, move };
    });
  }

  /**
   * Puts element i of rank `src`'s `scatterList` into `tensor` of rank i; elsewhere the list is null. The tensors may
   * differ in shape from rank to rank, as the list says. Source: `torch.distributed.scatter`.
   */
  scatter<O extends ScatterOptions = Blocking>(
    tensor: Tensor,
    scatterList: readonly Tensor[] | null,
    options?: O,
  ): Outcome<O> {
    const op = "scatter";
    const src = options?.src ?? 0;
    checkOutput(op, "tensor", tensor);
    const list = this.rootList(op, "scatterList", scatterList, "src", src, tensor.code);
    return this.collective(options, (staging) => {
      const input = list === null ? null : staging.inputs(list, tensor.code);
      const output = staging.output(tensor);
      const move: Call["move"] = (comm, table) =>
        comm.scatter(input, output, ownCounts(table, tensor, this.size()), src);
      return { op, tensor, ...rootedCounts(tensor, list, src, this.size()), input, move };
    });
  }

  /** The list of a rooted collective, which the root alone has to give. */
  private rootList(
    op: string,
    what: string,
    list: readonly Tensor[] | null,
    rootName: string,
    root: number,
    code: number,
  ): readonly Tensor[] | null {
    checkRank(op, rootName, root, this.size());
    if (this.rank() !== root) {
      if (list !== null && list.length > 0)
        throw new ValueError(
          `[${op}] ${what}: expected null on rank ${this.rank()}, which is not ${rootName} (${root})`,
        );
      return null;
    }
    checkList(op, what, list, this.size(), code);
    return list;
  }

  /**
   * Element j of `inputList` goes to rank j, as element i of its `outputList` for a sender i. Shapes may differ.
   * Source: `torch.distributed.all_to_all`.
   */
  allToAll<O extends CollectiveOptions = Blocking>(
    outputList: readonly Tensor[],
    inputList: readonly Tensor[],
    options?: O,
  ): Outcome<O> {
    const op = "allToAll";
    const code = inputList[0]?.code ?? 0;
    checkList(op, "inputList", inputList, this.size(), code);
    checkList(op, "outputList", outputList, this.size(), code);
    for (const [i, t] of outputList.entries()) checkOutput(op, `outputList[${i}]`, t);
    const [give, get] = [inputList, outputList].map((list) => list.map((t) => t.numel));
    return this.allToAllOf(options, op, inputList[0] as Tensor, {
      counts: [give as number[], get as number[]],
      uneven: !allSameShape([...inputList, ...outputList]),
      detail: [],
      buffers: (staging) => [staging.inputs(inputList, code), staging.outputs(outputList, code)],
    });
  }

  /**
   * The rows of `input` go to the ranks in equal parts, or as `inputSplitSizes` says; `output` is what comes, in the
   * order of ranks. Source: `torch.distributed.all_to_all_single`.
   */
  allToAllSingle<O extends AllToAllSingleOptions = Blocking>(
    output: Tensor,
    input: Tensor,
    options?: O,
  ): Outcome<O> {
    const op = "allToAllSingle";
    checkTensor(op, "input", input);
    checkOutput(op, "output", output);
    checkDtype(op, "output", output, input.code);
    const counts = [
      splitCounts(op, "input", input, options?.inputSplitSizes, this.size()),
      splitCounts(op, "output", output, options?.outputSplitSizes, this.size()),
    ] as const;
    return this.allToAllOf(options, op, input, {
      counts,
      uneven: options?.inputSplitSizes !== undefined || options?.outputSplitSizes !== undefined,
      detail: input.shape.slice(1),
      buffers: (staging) => [staging.input(input, output), staging.output(output)],
    });
  }

  private allToAllOf<O extends CollectiveOptions = Blocking>(
    options: O | undefined,
    op: OpName,
    tensor: Tensor,
    of: {
      counts: readonly [readonly number[], readonly number[]];
      uneven: boolean;
      detail: readonly number[];
      buffers: (staging: Staging) => [Tensor, Tensor];
    },
  ): Outcome<O> {
    const [give, get] = of.counts;
    return this.collective(options, (staging) => {
      const [input, output] = of.buffers(staging);
      const { uneven, detail } = of;
      const move: Call["move"] = (comm) => comm.allToAll(input, output, give, get);
      return { op, tensor, uneven, detail, input, counts: [...give, ...get], verdict: pairs, move };
    });
  }

  /** Returns on each rank once all have called it. Source: `torch.distributed.barrier`. */
  barrier<O extends CollectiveOptions = Blocking>(options?: O): Outcome<O> {
    return this.collective(options, () => ({ op: "barrier", tensor: null, input: null, move: nothing }));
  }

  /** A barrier whose error names the ranks that do not come. Source: `torch.distributed.monitored_barrier`. */
  monitoredBarrier(options?: { timeout?: number }): void {
    const given = options?.timeout === undefined ? {} : { timeout: options.timeout };
    this.collective(given, () => ({ op: "monitoredBarrier", tensor: null, input: null, move: nothing }));
  }
}

/** The headers are all that a barrier exchanges. */
function* nothing(): Task<void> {}
