/** Collectives of plain objects: whatever structured clone copies, and tensors anywhere in it. */
import { UINT8 } from "../tensor/dtype.js";
import { ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import type { GroupOption } from "./collectives.js";
import type { Table } from "./exchange.js";
import type { OpName } from "./header.js";
import { fromBytes, toBytes } from "./objectBytes.js";
import type { PointToPointOptions } from "./pointToPoint.js";
import type { ProcessGroup } from "./processGroup.js";
import { getGroupRank, groupOr } from "./world.js";

/** Options of collectives of objects. */
export interface ObjectOptions extends GroupOption {
  /** Milliseconds to wait; the group's own when left out. */
  timeout?: number;
}

/** Options of {@link gatherObject}. */
export interface GatherObjectOptions extends ObjectOptions {
  /** The rank that gets the objects (default 0). */
  dst?: number;
}

/** Options of {@link broadcastObjectList} and {@link scatterObjectList}. */
export interface ObjectListOptions extends ObjectOptions {
  /** The rank that has the objects (default 0). */
  src?: number;
}

const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);

function checkLength(op: string, what: string, list: readonly unknown[] | null, size: number): void {
  if (list?.length !== size) {
    const got = list === null ? "null" : `${list.length} elements`;
    throw new ValueError(`[${op}] ${what}: got ${got}, expected ${size}, one for each rank`);
  }
}

function timeoutOf(options: ObjectOptions | undefined): { timeout?: number } {
  return options?.timeout === undefined ? {} : { timeout: options.timeout };
}

/** Brings all ranks' bytes to `root`, or to all when that is null; returns the objects there, null elsewhere. */
function collect(
  group: ProcessGroup,
  op: OpName,
  obj: unknown,
  root: number | null,
  options: ObjectOptions | undefined,
): unknown[] | null {
  const bytes = toBytes(op, obj);
  let found: unknown[] | null = null;
  group.collective(timeoutOf(options), (staging) => ({
    op,
    tensor: null,
    ...(root === null ? {} : { root }),
    uneven: true,
    counts: [bytes.numel],
    input: bytes,
    *move(comm, table) {
      const counts = (table as Table).map((row) => row[0] as number);
      const wanted = root === null || root === comm.rank;
      const output = wanted ? staging.empty([sum(counts)], UINT8) : null;
      if (root === null) yield* comm.allGather(bytes, output as Tensor, counts);
      else yield* comm.gather(bytes, output, counts, root);
      if (output !== null) found = counts.map((n, r) => fromBytes(output, sum(counts.slice(0, r)), n));
    },
  }));
  return found;
}

function fill(list: unknown[], found: readonly unknown[] | null): void {
  found?.forEach((value, i) => {
    list[i] = value;
  });
}

/**
 * Puts every rank's object into `objectList`, by rank. Source: `torch.distributed.all_gather_object`.
 * @example
 * const all = new Array(getWorldSize());
 * allGatherObject(all, { rank: getRank(), weights: tensor([1, 2]) });
 * all[0].weights.toArray(); // [1, 2]
 * @throws ValueError when an object holds functions or the like.
 */
export function allGatherObject(objectList: unknown[], obj: unknown, options?: ObjectOptions): void {
  const group = groupOr("allGatherObject", options?.group);
  if (group.rank() < 0) return;
  checkLength("allGatherObject", "objectList", objectList, group.size());
  fill(objectList, collect(group, "allGatherObject", obj, null, options));
}

/**
 * Puts every rank's object into `objectGatherList` on rank `dst`; elsewhere the list is null.
 * Source: `torch.distributed.gather_object`.
 */
export function gatherObject(
  obj: unknown,
  objectGatherList: unknown[] | null = null,
  options?: GatherObjectOptions,
): void {
  const op = "gatherObject";
  const group = groupOr(op, options?.group);
  if (group.rank() < 0) return;
  const root = getGroupRank(group, options?.dst ?? 0);
  if (group.rank() === root) checkLength(op, "objectGatherList", objectGatherList, group.size());
  fill(objectGatherList ?? [], collect(group, op, obj, root, options));
}

/**
 * Replaces the objects of `objectList` by those of rank `src`; the lists have one length.
 * Source: `torch.distributed.broadcast_object_list`.
 * @example
 * const list = getRank() === 0 ? ["any", { object: 1 }] : [null, null];
 * broadcastObjectList(list);
 * list[1]; // { object: 1 }
 */
export function broadcastObjectList(objectList: unknown[], options?: ObjectListOptions): void {
  const op = "broadcastObjectList";
  const group = groupOr(op, options?.group);
  if (group.rank() < 0) return;
  const root = getGroupRank(group, options?.src ?? 0);
  const own = group.rank() === root ? toBytes(op, objectList) : null;
  let found: unknown[] | null = null;
  group.collective(timeoutOf(options), (staging) => ({
    op,
    tensor: null,
    root,
    uneven: true,
    detail: [objectList.length],
    counts: [own?.numel ?? 0],
    input: own,
    *move(comm, table) {
      const n = (table as Table)[root]?.[0] as number;
      const bytes = own ?? staging.empty([n], UINT8);
      yield* comm.broadcast(bytes, root);
      if (own === null) found = fromBytes(bytes, 0, n) as unknown[];
    },
  }));
  fill(objectList, found);
}

/**
 * Puts element i of rank `src`'s `scatterObjectInputList` into element 0 of `scatterObjectOutputList` on rank i;
 * elsewhere the input list is null. Source: `torch.distributed.scatter_object_list`.
 */
export function scatterObjectList(
  scatterObjectOutputList: unknown[],
  scatterObjectInputList: readonly unknown[] | null = null,
  options?: ObjectListOptions,
): void {
  const op = "scatterObjectList";
  const group = groupOr(op, options?.group);
  if (group.rank() < 0) return;
  const size = group.size();
  const root = getGroupRank(group, options?.src ?? 0);
  const isRoot = group.rank() === root;
  if (isRoot) checkLength(op, "scatterObjectInputList", scatterObjectInputList, size);
  const parts = isRoot ? (scatterObjectInputList as readonly unknown[]).map((obj) => toBytes(op, obj)) : null;
  let found: unknown;
  group.collective(timeoutOf(options), (staging) => {
    const input = parts === null ? null : staging.inputs(parts, UINT8);
    return {
      op,
      tensor: null,
      root,
      uneven: true,
      counts: parts?.map((part) => part.numel) ?? new Array<number>(size).fill(0),
      input,
      *move(comm, table) {
        const counts = (table as Table)[root] as readonly number[];
        const n = counts[comm.rank] as number;
        const output = staging.empty([n], UINT8);
        yield* comm.scatter(input, output, counts, root);
        found = fromBytes(output, 0, n);
      },
    };
  });
  scatterObjectOutputList[0] = found;
}

/** Sends a list of objects to rank `dst`. Source: `torch.distributed.send_object_list`. */
export function sendObjectList(
  objectList: readonly unknown[],
  dst: number,
  options?: PointToPointOptions,
): void {
  const group = groupOr("sendObjectList", options?.group);
  if (group.rank() < 0) return;
  group.sendBytes(toBytes("sendObjectList", objectList), getGroupRank(group, dst), options);
}

/**
 * Replaces the objects of `objectList` by those that rank `src` (null: any) sends. Returns the sender's rank.
 * Source: `torch.distributed.recv_object_list`.
 */
export function recvObjectList(
  objectList: unknown[],
  src: number | null = null,
  options?: PointToPointOptions,
): number {
  const op = "recvObjectList";
  const group = groupOr(op, options?.group);
  if (group.rank() < 0) return -1;
  const from = src === null ? null : getGroupRank(group, src);
  const [objects, sender] = group.receiveBytes(from, options, (bytes, source) => [
    fromBytes(bytes, 0, bytes.numel) as unknown[],
    source,
  ]);
  if (objects.length !== objectList.length) {
    throw new ValueError(
      `[${op}] objectList has ${objectList.length} elements, rank ${group.globalRank(sender)} sent ${objects.length}`,
    );
  }
  fill(objectList, objects);
  return group.globalRank(sender);
}
