/** Memory of a collective: contiguous tensors that stay where they are until it is over. */
import type { DTypeCode } from "../tensor/dtype.js";
import { release, startRecording, stopRecording } from "../tensor/heap.js";
import { copyInto, empty, viewOf } from "../tensor/raw.js";
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";

/** Elements from which on a tensor has a region of its own, which alone can be pinned. */
const PINNED_ELEMENTS = 33 * 1024;

/** A contiguous tensor that is never moved out of the heap until {@link unpin}; never hand it to an op. */
export function pinned(shape: Shape, code: DTypeCode): Tensor {
  const outer = startRecording([]); // no scope may free it
  const numel = shape.reduce((a, b) => a * b, 1);
  const base = empty([Math.max(numel, PINNED_ELEMENTS)], code);
  stopRecording(outer);
  const t = viewOf(base, shape, null, 0);
  pin(t);
  return t;
}

/** Makes sure that a tensor of {@link pinned} stays where it is, after an op has used it. */
function pin(t: Tensor): void {
  if (t.storage.region !== null) t.storage.region.tick = Number.POSITIVE_INFINITY;
}

/** Frees a tensor of {@link pinned}. */
export function unpin(t: Tensor): void {
  release(t.storage);
}

/** The temporaries of one collective. Of an asynchronous one they are pinned: other ops run before it is over. */
export class Staging {
  private readonly held: Tensor[] = [];
  private readonly results: [Tensor, Tensor][] = [];

  constructor(private readonly async: boolean) {}

  /** An uninitialised temporary. */
  empty(shape: Shape, code: DTypeCode): Tensor {
    const t = this.async ? pinned(shape, code) : empty(shape, code);
    this.held.push(t);
    return t;
  }

  /** The elements of `t`, contiguous: itself where it can be, which it cannot in the same storage as the `output`. */
  input(t: Tensor, output?: Tensor): Tensor {
    if (!this.async && t.contig && t.storage !== output?.storage) return t;
    const copy = this.empty(t.shape, t.code);
    copyInto(copy, t);
    if (this.async) pin(copy);
    return copy;
  }

  /** Where the elements of `t` are to be written, contiguous: itself where it can be. */
  output(t: Tensor): Tensor {
    if (!this.async && t.contig) {
      this.results.push([t, t]);
      return t;
    }
    const out = this.empty(t.shape, t.code);
    this.results.push([t, out]);
    return out;
  }

  /** Where the elements of `t` are, and where they are to be written. */
  inPlace(t: Tensor): Tensor {
    const both = this.input(t);
    this.results.push([t, both]);
    return both;
  }

  /** The elements of tensors, one after another. */
  inputs(list: readonly Tensor[], code: DTypeCode): Tensor {
    const flat = this.empty([total(list)], code);
    let at = 0;
    for (const t of list) {
      copyInto(viewOf(flat, t.shape, null, at), t);
      at += t.numel;
    }
    if (this.async) pin(flat);
    return flat;
  }

  /** Where the elements of tensors are to be written, one after another. */
  outputs(list: readonly Tensor[], code: DTypeCode): Tensor {
    const flat = this.empty([total(list)], code);
    let at = 0;
    for (const t of list) {
      this.results.push([t, viewOf(flat, t.shape, null, at)]);
      at += t.numel;
    }
    return flat;
  }

  /** Writes the results into the tensors that they are for, and frees the temporaries. */
  finish(): Tensor[] {
    const changed: Tensor[] = [];
    for (const [target, result] of this.results) {
      if (target !== result) copyInto(target, result);
      target.storage.version++;
      changed.push(target);
    }
    this.free();
    return changed;
  }

  /** Frees the temporaries and leaves the tensors alone. */
  free(): void {
    for (const t of this.held) unpin(t);
    this.held.length = 0;
    this.results.length = 0;
  }
}

function total(list: readonly Tensor[]): number {
  return list.reduce((sum, t) => sum + t.numel, 0);
}
