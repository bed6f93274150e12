/** Saved tensors in the form that the hooks on them (`savedTensorsHooks`) gave them, until the backward needs them. */
import { AutogradError } from "../tensor/errors.js";
import { release, type Storage, unsave } from "../tensor/heap.js";
import { detached } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import { engineOps } from "./engineOps.js";
import { enableGrad, noGrad, type SavedTensorsHooks } from "./mode.js";
import type { Node } from "./node.js";
import { tensorsIn } from "./tree.js";

/** What a node saved for its backward. */
export interface SavedTensors {
  readonly inputs: (Tensor | null)[] | null;
  readonly outputs: (Tensor | null)[] | null;
  /** By-products of the forward. */
  readonly extra: Tensor[];
}

/** What a pack hook made of one tensor. */
interface Packed {
  readonly value: unknown;
}

/** Frees a by-product that no other node keeps. */
export function dropExtra(storage: Storage): void {
  if (--storage.saves === 0) release(storage);
}

/** Everything that a node saved, given to the hooks. */
export class PackedTensors {
  private readonly inputs: readonly (Packed | null)[] | null;
  private readonly outputs: readonly (Packed | null)[] | null;
  private readonly extra: readonly (Packed | null)[];
  /** Storages that what the hooks returned still shares. */
  private readonly held: Storage[] = [];

  constructor(
    private readonly hooks: SavedTensorsHooks,
    saved: SavedTensors,
  ) {
    this.inputs = saved.inputs?.map((t) => this.pack(t, unsave)) ?? null;
    this.outputs = saved.outputs?.map((t) => this.pack(t, unsave)) ?? null;
    this.extra = saved.extra.map((t) => this.pack(t, dropExtra));
  }

  private pack(t: Tensor | null, free: (storage: Storage) => void): Packed | null {
    if (t === null) return null;
    const packed = { value: noGrad(() => this.hooks.pack(t)) };
    if (tensorsIn(packed.value).some(({ storage }) => storage === t.storage)) this.held.push(t.storage);
    else free(t.storage);
    return packed;
  }

  /** Takes the tensors of a node back from the hooks: same values, same place in the graph. */
  unpack(node: Node): SavedTensors {
    return {
      inputs:
        this.inputs?.map((packed, i) => {
          const edge = node.edges[i] as Node | Tensor | null;
          const t = this.take(packed, node.name);
          if (t === null || edge === null) return t;
          if (edge instanceof Tensor) t.node = enableGrad(() => engineOps.alias(edge)).node;
          else place(t, edge, node.edgeNrs[i] as number);
          return t;
        }) ?? null,
      outputs:
        this.outputs?.map((packed, nr) => {
          const t = this.take(packed, node.name);
          if (t !== null) place(t, node, nr);
          return t;
        }) ?? null,
      extra: this.extra.map((packed) => this.take(packed, node.name) as Tensor),
    };
  }

  private take(packed: Packed | null, name: string): Tensor | null {
    if (packed === null) return null;
    const given = noGrad(() => this.hooks.unpack(packed.value));
    if (!(given instanceof Tensor)) {
      throw new AutogradError(
        `[savedTensorsHooks] unpack gave ${typeof given} for ${name}, expected a tensor`,
      );
    }
    const t = detached(given);
    t.storage.saves++;
    return t;
  }

  /** Lets go of what is still shared. */
  release(): void {
    for (const storage of this.held) unsave(storage);
  }
}

function place(t: Tensor, node: Node, nr: number): void {
  t.node = node;
  t.outputNr = nr;
}
