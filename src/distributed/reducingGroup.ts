/** The collectives of a group that reduce: what `op` makes of the tensors of all ranks, the same bits on each. */
import type { Tensor } from "../tensor/tensor.js";
import {
  allSameShape,
  checkDtype,
  checkList,
  checkNumel,
  checkOutput,
  checkRank,
  checkTensor,
  reductionFor,
} from "./checks.js";
import { sameLists } from "./counts.js";
import type { Blocking, Call, CollectiveOptions, Outcome } from "./exchange.js";
import { MessagingGroup } from "./messaging.js";
import type { ReduceOp } from "./reduceOp.js";
import type { Staging } from "./staging.js";

/** Options of collectives that reduce. */
export interface ReduceOptions extends CollectiveOptions {
  /** How to reduce (default `"sum"`). */
  op?: ReduceOp;
}

function normalize(options: ReduceOptions | ReduceOp | undefined): ReduceOptions {
  return typeof options === "string" ? { op: options } : (options ?? {});
}

/** A group whose ranks reduce tensors. */
export class ReducingGroup extends MessagingGroup {
  private reducing<O>(given: ReduceOptions, describe: (staging: Staging) => Call): Outcome<O> {
    return this.collective(given, describe) as Outcome<O>;
  }

  /**
   * Replaces `tensor` on every rank by the reduction of all ranks' tensors, the same bits everywhere and in every run.
   * Source: `torch.distributed.all_reduce`.
   * @throws DTypeError when the reduction is not defined for the dtype.
   * @throws DistError when the ranks disagree, one is gone, or one does not join in time. The tensor keeps its values.
   */
  allReduce<O extends ReduceOptions | ReduceOp = Blocking>(tensor: Tensor, options?: O): Outcome<O> {
    const given = normalize(options);
    checkOutput("allReduce", "tensor", tensor);
    const reduceOp = given.op ?? "sum";
    const reduction = reductionFor("allReduce", reduceOp, tensor.code, this.size());
    return this.reducing<O>(given, (staging) => {
      const both = staging.inPlace(tensor);
      return {
        op: "allReduce",
        tensor,
        reduceOp,
        input: both,
        move: (comm) => comm.allReduce(both, both, reduction),
      };
    });
  }

  /**
   * As {@link ProcessGroup.allReduce} on several tensors of one dtype in one exchange.
   * Source: `torch.distributed.all_reduce_coalesced`.
   */
  allReduceCoalesced<O extends ReduceOptions | ReduceOp = Blocking>(
    tensors: readonly Tensor[],
    options?: O,
  ): Outcome<O> {
    const given = normalize(options);
    const op = "allReduceCoalesced";
    checkList(op, "tensors", tensors, tensors.length, tensors[0]?.code ?? 0);
    for (const [i, t] of tensors.entries()) checkOutput(op, `tensors[${i}]`, t);
    const code = tensors[0]?.code ?? 0;
    const reduceOp = given.op ?? "sum";
    const reduction = reductionFor(op, reduceOp, code, this.size());
    return this.reducing<O>(given, (staging) => {
      const input = staging.inputs(tensors, code);
      const output = staging.outputs(tensors, code);
      return {
        op,
        tensor: input,
        reduceOp,
        detail: tensors.flatMap((t) => [t.ndim, ...t.shape]),
        input,
        move: (comm) => comm.allReduce(input, output, reduction),
      };
    });
  }

  /**
   * Replaces `tensor` on rank `dst` by the reduction of all ranks' tensors; on others it stays.
   * Source: `torch.distributed.reduce`.
   */
  reduce<O extends ReduceOptions | ReduceOp = Blocking>(
    tensor: Tensor,
    dst: number,
    options?: O,
  ): Outcome<O> {
    const given = normalize(options);
    checkOutput("reduce", "tensor", tensor);
    checkRank("reduce", "dst", dst, this.size());
    const reduceOp = given.op ?? "sum";
    const reduction = reductionFor("reduce", reduceOp, tensor.code, this.size());
    return this.reducing<O>(given, (staging) => {
      const isRoot = this.rank() === dst;
      const input = isRoot ? staging.inPlace(tensor) : staging.input(tensor);
      return {
        op: "reduce",
        tensor,
        reduceOp,
        root: dst,
        input,
        move: (comm) => comm.reduce(input, isRoot ? input : null, reduction, dst),
      };
    });
  }

  /**
   * `output` = element i of all ranks' lists, reduced, on rank i. The tensors of a list may differ in shape; the lists
   * of all ranks must be alike. Source: `torch.distributed.reduce_scatter`.
   */
  reduceScatter<O extends ReduceOptions | ReduceOp = Blocking>(
    output: Tensor,
    inputList: readonly Tensor[],
    options?: O,
  ): Outcome<O> {
    const op = "reduceScatter";
    const given = normalize(options);
    checkOutput(op, "output", output);
    checkList(op, "inputList", inputList, this.size(), output.code);
    const reduceOp = given.op ?? "sum";
    const reduction = reductionFor(op, reduceOp, output.code, this.size());
    const counts = inputList.map((t) => t.numel);
    return this.reducing<O>(given, (staging) => {
      const input = staging.inputs(inputList, output.code);
      const to = staging.output(output);
      return {
        op,
        tensor: output,
        reduceOp,
        uneven: !allSameShape([output, ...inputList]),
        input,
        counts: [output.numel, ...counts],
        verdict: sameLists,
        move: (comm) => comm.reduceScatter(input, to, counts, reduction),
      };
    });
  }

  /**
   * `output` = part i of all ranks' inputs, cut into equal parts along dimension 0, reduced, on rank i.
   * Source: `torch.distributed.reduce_scatter_tensor`.
   */
  reduceScatterTensor<O extends ReduceOptions | ReduceOp = Blocking>(
    output: Tensor,
    input: Tensor,
    options?: O,
  ): Outcome<O> {
    const op = "reduceScatterTensor";
    const given = normalize(options);
    checkOutput(op, "output", output);
    checkTensor(op, "input", input);
    checkDtype(op, "input", input, output.code);
    checkNumel(op, "input", input, output.numel * this.size(), "those of the output for each rank");
    const reduceOp = given.op ?? "sum";
    const reduction = reductionFor(op, reduceOp, output.code, this.size());
    return this.reducing<O>(given, (staging) => {
      const from = staging.input(input, output);
      const to = staging.output(output);
      const counts = this.ranks.map(() => output.numel);
      const move: Call["move"] = (comm) => comm.reduceScatter(from, to, counts, reduction);
      return { op, tensor: output, reduceOp, input: from, move };
    });
  }
}
