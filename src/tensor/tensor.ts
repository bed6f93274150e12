/**
 * The Tensor: a strided view of a Storage, plus what autograd knows about it.
 * Methods come from the op files (`src/ops`), which add them to this class; here are only its facts.
 */
import { type DType, type DTypeCode, nameOf, SHIFTS, sizeOf } from "./dtype.js";
import { ShapeError, show } from "./errors.js";
import { drop, KEPT, SEEN, type Storage } from "./heap.js";
import { contiguousStrides, isContiguous, numelOf, type Shape, sameShape } from "./shape.js";

/** What a tensor knows of the recorded op that made it; `src/autograd` implements it. */
export interface GradFn {
  /** Name of the op, as in `gradFn=<Mul>`. */
  readonly name: string;
}

/** A function called with a gradient; what it returns replaces the gradient. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook may return nothing at all
export type TensorHook = (grad: Tensor) => Tensor | undefined | void;

/**
 * An n-dimensional array with PyTorch's semantics: broadcasting, views, dtype promotion, reverse-mode autograd.
 * Make one with `tensor`, `zeros`, `randn` and the other creation functions. It is alive as long as it is reachable;
 * nobody disposes of it.
 * @example
 * const x = tensor([[1, 2], [3, 4]], { dtype: "float32", requiresGrad: true });
 * x.mul(x).sum().backward();
 * x.grad?.toArray(); // [[2, 4], [6, 8]]
 */
export class Tensor {
  /** @internal */
  storage: Storage;
  /** @internal */
  readonly code: DTypeCode;
  /** Sizes of the dimensions. */
  readonly shape: Shape;
  /** @internal Strides unless contiguous. */
  private stridesOrNull: readonly number[] | null;
  /** Index of the first element in the storage (`torch.Tensor.storage_offset`). */
  readonly storageOffset: number;
  /** Number of elements. */
  readonly numel: number;
  /** @internal Whether elements lie in row-major order without gaps. */
  readonly contig: boolean;
  /** @internal The leaf flag; `requiresGrad` also covers results of recorded ops. */
  leafRequiresGrad = false;
  /** @internal The gradient, for code that hands no handle of it to users. */
  ownGrad: Tensor | null = null;
  /** @internal The recorded op that made this tensor, and which of its outputs this is. */
  node: GradFn | null = null;
  /** @internal */
  outputNr = 0;
  /** @internal The tensor of which this is a differentiable view. */
  base: Tensor | null = null;
  /** @internal How often the graph of this base (or of the base when this view was linked) was rewritten in place. */
  graphEpoch = 0;
  /** @internal Hooks on a leaf. */
  hooks: TensorHook[] | null = null;
  /** @internal Called after the gradient of a leaf was accumulated. */
  accumulateHooks: ((tensor: Tensor) => void)[] | null = null;

  /** @internal */
  constructor(
    storage: Storage,
    code: DTypeCode,
    shape: Shape,
    strides: readonly number[] | null,
    offset: number,
  ) {
    this.storage = storage;
    this.code = code;
    this.shape = shape;
    this.storageOffset = offset;
    this.numel = numelOf(shape);
    this.contig = strides === null || isContiguous(shape, strides);
    this.stridesOrNull = this.contig ? null : strides;
  }

  /** Steps, in elements, between neighbours along each dimension. */
  get strides(): readonly number[] {
    if (this.stridesOrNull === null) this.stridesOrNull = contiguousStrides(this.shape);
    return this.stridesOrNull;
  }

  /** @internal Takes the place of another view of the same storage, as `squeeze_` and its kin do. */
  takePlace(of: Tensor): void {
    const { shape, storageOffset, numel, contig } = of;
    Object.assign(this, { shape, storageOffset, numel, contig });
    this.stridesOrNull = of.contig ? null : of.strides;
  }

  /** Gradient accumulated by `backward()`; null before the first. */
  get grad(): Tensor | null {
    const g = this.ownGrad;
    if (g !== null) g.storage.flags |= SEEN;
    return g;
  }

  /** Replaces the gradient, by one of the same shape and dtype; null forgets it. */
  set grad(g: Tensor | null) {
    if (g !== null) {
      if (!sameShape(g.shape, this.shape) || g.code !== this.code) {
        const own = `${this.dtype}${show(this.shape)}`;
        throw new ShapeError(
          `[grad] got a gradient ${g.dtype}${show(g.shape)}, expected ${own} as the tensor has`,
        );
      }
      g.storage.flags |= SEEN;
    }
    this.ownGrad = g;
  }

  /** @internal Forgets the gradient; one that no user has read is freed at once. */
  clearGrad(): void {
    const g = this.ownGrad;
    this.ownGrad = null;
    if (g === null || g.node !== null || (g.storage.flags & SEEN) !== 0) return;
    g.storage.flags &= ~KEPT;
    drop(g.storage);
  }

  /** Element type. */
  get dtype(): DType {
    return nameOf(this.code);
  }

  /** Number of dimensions. */
  get ndim(): number {
    return this.shape.length;
  }

  /** Bytes per element. */
  get itemsize(): number {
    return sizeOf(this.code);
  }

  /** Bytes of all elements. */
  get nbytes(): number {
    return this.numel << (SHIFTS[this.code] as number);
  }

  /** Where the tensor lives: always `"cpu"`. */
  get device(): "cpu" {
    return "cpu";
  }

  /**
   * Whether gradients are computed for this tensor; set it on leaves, as `requiresGrad_` does.
   * @throws AutogradError when it is set to false on a result of recorded ops.
   * @throws DTypeError when it is set to true on integers or bools.
   */
  get requiresGrad(): boolean {
    return this.leafRequiresGrad || this.node !== null || this.isBehind;
  }

  /** Whether the base was changed in place to something with a gradient, and this view is not linked to it yet. */
  private get isBehind(): boolean {
    const base = this.base;
    return base !== null && base.graphEpoch !== this.graphEpoch && base.requiresGrad;
  }

  /** Turns recording for this leaf on or off. */
  set requiresGrad(requiresGrad: boolean) {
    this.requiresGrad_(requiresGrad);
  }

  /** Whether no recorded op made this tensor (then `backward()` accumulates into its `grad`). */
  get isLeaf(): boolean {
    return this.node === null && !this.isBehind;
  }

  /** Counts the in-place changes of the storage. */
  get version(): number {
    return this.storage.version;
  }
}
