/** Parameters and buffers of a module on several ranks: that they fit, and copying those of one rank to all. */
import { noGrad } from "../autograd/mode.js";
import { type AnyModule, ModuleBase } from "../nn/base.js";
import { Parameter } from "../nn/parameter.js";
import { UINT8 } from "../tensor/dtype.js";
import { show, ValueError } from "../tensor/errors.js";
import { KEPT, nextOp } from "../tensor/heap.js";
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

/** Tensors that are sent together, as bytes whatever the dtypes. */
class Parcel {
  private readonly flat: Tensor;
  /** Places of the tensors in it. */
  private readonly views: readonly Tensor[];

  constructor(readonly tensors: readonly Tensor[]) {
    nextOp();
    this.flat = empty([tensors.reduce((sum, t) => sum + aligned(t.nbytes), 0)], UINT8);
    this.flat.storage.flags |= KEPT;
    let offset = 0;
    this.views = tensors.map((t) => {
      const view = new Tensor(this.flat.storage, t.code, t.shape, null, offset / t.itemsize);
      offset += aligned(t.nbytes);
      return view;
    });
  }

  /** Whether it was made for these tensors, and these have kept their dtypes and shapes. */
  fits(tensors: readonly Tensor[]): boolean {
    if (tensors.length !== this.tensors.length) return false;
    return tensors.every((t, i) => {
      const view = this.views[i] as Tensor;
      return t === this.tensors[i] && t.code === view.code && t.shape === view.shape;
    });
  }

  /** Copies the values of one rank to all. */
  broadcast(source: number, group: ProcessGroup): void {
    const { tensors, views, flat } = this;
    const mine = group.rank() === source;
    nextOp();
    if (mine) for (let i = 0; i < tensors.length; i++) copyInto(views[i] as Tensor, tensors[i] as Tensor);
    group.broadcast(flat, source);
    if (mine) return;
    nextOp();
    for (let i = 0; i < tensors.length; i++) {
      const t = tensors[i] as Tensor;
      copyInto(t, views[i] as Tensor);
      t.storage.version++;
    }
  }
}

function broadcastTogether(batch: readonly Tensor[], source: number, group: ProcessGroup): void {
  const [first] = batch;
  if (first === undefined) return;
  if (batch.length > 1) {
    new Parcel(batch).broadcast(source, group);
    return;
  }
  group.broadcast(detached(first), source);
  if (group.rank() !== source) first.storage.version++;
}

/** The buffers of a module and those below it, each once: of each module its own first. */
function buffersOf(module: AnyModule, into: Set<Tensor>, seen: Set<AnyModule>): Set<Tensor> {
  seen.add(module);
  const children: AnyModule[] = [];
  for (const field of module._fields()) {
    const value = module._get(field);
    if (value instanceof ModuleBase) children.push(value);
    else if (value instanceof Tensor && module._bufferKind(field, value) !== null) into.add(value);
  }
  for (const child of children) if (!seen.has(child)) buffersOf(child, into, seen);
  return into;
}

/** Keeps the buffers of a module those of one rank; remembers how they travel from one time to the next. */
export class BufferSync {
  private parcel: Parcel | null = null;

  constructor(private readonly group: ProcessGroup) {}

  /** Copies the values of the buffers on the rank that `source` gives to all ranks. */
  run(module: AnyModule, source: () => number): void {
    const { group } = this;
    const buffers = [...buffersOf(module, new Set(), new Set())];
    if (buffers.length === 0) return;
    const from = source();
    if (group.size() === 1) return;
    if (this.parcel?.fits(buffers) !== true) {
      const bytes = buffers.reduce((sum, t) => sum + t.nbytes, 0);
      this.parcel = bytes > CHUNK_BYTES ? null : new Parcel(buffers);
    }
    if (this.parcel === null) broadcastTensors(buffers, from, group);
    else noGrad(() => this.parcel?.broadcast(from, group));
  }
}
