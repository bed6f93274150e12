/** Parameters and buffers of a module on several ranks: that they fit, and copying those of one rank to all. */
import { noGrad } from "../autograd/mode.js";
import { Parameter } from "../nn/parameter.js";
import { UINT8 } from "../tensor/dtype.js";
import { show, ValueError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { copyInto, detached, empty } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import { allGatherObject } from "./objects.js";
import type { ProcessGroup } from "./processGroup.js";

/** Bytes that are copied at once: smaller tensors travel together. */
const CHUNK_BYTES = 16 * 1024 * 1024;

/** A tensor with its name in its module. */
export type Named = readonly [name: string, tensor: Tensor];

function describe([name, t]: Named): string {
  return `${name}: ${t.dtype} of shape ${show(t.shape)}${t instanceof Parameter && !t.requiresGrad ? ", no gradient" : ""}`;
}

/** What is different between two lists of descriptions, the first thing only; null when nothing is. */
function difference(
  own: readonly string[],
  other: readonly string[],
): { got: string; expected: string } | null {
  for (let i = 0; i < Math.max(own.length, other.length); i++) {
    if (own[i] !== other[i]) return { got: own[i] ?? "nothing more", expected: other[i] ?? "nothing more" };
  }
  return null;
}

/**
 * Compares names, shapes, dtypes and what requires a gradient with rank 0's.
 * @throws ValueError on every rank, with the first difference of each rank that differs.
 */
export function checkSameTensors(op: string, named: readonly Named[], group: ProcessGroup): void {
  const lists = new Array<string[]>(group.size());
  allGatherObject(lists, named.map(describe), { group });
  const first = lists[0] as string[];
  const odd = lists.flatMap((list, rank) => {
    const found = difference(list, first);
    return found === null
      ? []
      : [`rank ${group.ranks[rank]} has ${found.got}, rank ${group.ranks[0]} has ${found.expected}`];
  });
  if (odd.length === 0) return;
  throw new ValueError(
    `[${op}] the module is not the same on all ranks: ${odd.join("; ")}; try to build it by the same code on every rank`,
  );
}

/** Copies the values of one rank's tensors to the same tensors of all ranks, small ones together. */
export function broadcastTensors(tensors: readonly Tensor[], source: number, group: ProcessGroup): void {
  if (group.size() === 1) return;
  let waiting: Tensor[] = [];
  let bytes = 0;
  noGrad(() => {
    for (const t of tensors) {
      if (bytes > 0 && bytes + t.nbytes > CHUNK_BYTES) {
        broadcastTogether(waiting, source, group);
        [waiting, bytes] = [[], 0];
      }
      waiting.push(t);
      bytes += t.nbytes;
    }
    broadcastTogether(waiting, source, group);
  });
}

const aligned = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** In one exchange, as bytes whatever the dtypes. */
function broadcastTogether(batch: readonly Tensor[], source: number, group: ProcessGroup): void {
  const [first] = batch;
  if (first === undefined) return;
  const mine = group.rank() === source;
  if (batch.length === 1) {
    group.broadcast(detached(first), source);
    if (!mine) first.storage.version++;
    return;
  }
  nextOp();
  const flat = empty([batch.reduce((sum, t) => sum + aligned(t.nbytes), 0)], UINT8);
  let offset = 0;
  const views = batch.map((t) => {
    const view = new Tensor(flat.storage, t.code, t.shape, null, offset / t.itemsize);
    offset += aligned(t.nbytes);
    return view;
  });
  if (mine) for (const [i, view] of views.entries()) copyInto(view, batch[i] as Tensor);
  group.broadcast(flat, source);
  if (mine) return;
  nextOp();
  for (const [i, view] of views.entries()) {
    const t = batch[i] as Tensor;
    copyInto(t, view);
    t.storage.version++;
  }
}
