/** Sends and receives as functions, with PyTorch's signatures: ranks are those of the world, the group is an option. */
import { ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import type { GroupOption } from "./collectives.js";
import type { MessageOptions } from "./messaging.js";
import type { ProcessGroup } from "./processGroup.js";
import type { Work } from "./work.js";
import { getGlobalRank, getGroupRank, groupOr } from "./world.js";

/** Options of {@link send} and its kin. */
export interface PointToPointOptions extends MessageOptions, GroupOption {}

function rankIn(group: ProcessGroup, rank: number): number {
  return group.rank() < 0 ? 0 : getGroupRank(group, rank);
}

/**
 * Sends `tensor` to rank `dst` and returns once it was received. Source: `torch.distributed.send`.
 * @throws DistMismatchError when the receiver expects another dtype or number of elements, DistTimeoutError when it does
 * not receive in time, RankFailedError when it is gone.
 */
export function send(tensor: Tensor, dst: number, options?: PointToPointOptions): void {
  const group = groupOr("send", options?.group);
  group.send(tensor, rankIn(group, dst), options);
}

/**
 * Waits for a tensor from rank `src` (left out or null: from any) and writes it into `tensor`. Returns the sender's rank;
 * -1 when this rank is not in the group. Source: `torch.distributed.recv`.
 * @throws DistMismatchError when another dtype or number of elements comes; the tensor keeps its values.
 */
export function recv(tensor: Tensor, src: number | null = null, options?: PointToPointOptions): number {
  const group = groupOr("recv", options?.group);
  const from = group.recv(tensor, src === null ? null : rankIn(group, src), options);
  return from < 0 ? -1 : getGlobalRank(group, from);
}

/** Sends the elements that `tensor` has now; the Work ends once they were received. Source: `torch.distributed.isend`. */
export function isend(tensor: Tensor, dst: number, options?: PointToPointOptions): Work {
  const group = groupOr("isend", options?.group);
  return group.isend(tensor, rankIn(group, dst), options);
}

/** Starts a receive; `tensor` has its new elements after `wait()`. Source: `torch.distributed.irecv`. */
export function irecv(tensor: Tensor, src: number | null = null, options?: PointToPointOptions): Work {
  const group = groupOr("irecv", options?.group);
  return group.irecv(tensor, src === null ? null : rankIn(group, src), options);
}

/** One send or receive for {@link batchIsendIrecv}. Source: `torch.distributed.P2POp`. */
export class P2POp {
  /** The group (default: the default group). */
  readonly group: ProcessGroup | undefined;
  /** Number by which sends and receives are told apart (default 0). */
  readonly tag: number;

  /**
   * @param op {@link isend} or {@link irecv}.
   * @param tensor What is sent, or where what is received goes.
   * @param peer The other rank, as a number in the world.
   */
  constructor(
    readonly op: typeof isend | typeof irecv,
    /** What is sent, or where what is received goes. */
    readonly tensor: Tensor,
    readonly peer: number,
    options: { group?: ProcessGroup; tag?: number } = {},
  ) {
    if (op !== isend && op !== irecv) throw new ValueError("[P2POp] op: expected isend or irecv");
    this.group = options.group;
    this.tag = options.tag ?? 0;
  }
}

/** Starts sends and receives; none waits for another. Source: `torch.distributed.batch_isend_irecv`. */
export function batchIsendIrecv(list: readonly P2POp[]): Work[] {
  return list.map(({ op, tensor, peer, group, tag }) => op(tensor, peer, { group, tag }));
}
