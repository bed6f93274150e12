/**
 * Masks of attention as functions of positions, and what they leave of the score matrix block by block
 * (`torch.nn.attention.flex_attention`).
 */
import { logicalAnd, logicalOr } from "../../ops/logical.js";
import { any } from "../../ops/reduce.js";
import { expand, reshape } from "../../ops/view.js";
import { arange, ones, tensor } from "../../tensor/create.js";
import { BOOL } from "../../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../../tensor/errors.js";
import { checkOptions, type OptionNames } from "../../tensor/options.js";
import { broadcastShapes } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";

/**
 * Whether a query sees a key: int64 tensors of batch, head, query and key positions, of shapes that broadcast to
 * (B, H, L, S), to a bool tensor. It works on all positions at once.
 */
export type MaskMod = (batch: Tensor, head: Tensor, query: Tensor, key: Tensor) => Tensor;

/** Positions [start, end). @internal */
export type Range = readonly [start: number, end: number];

/** Positions as int64 (B, 1, 1, 1), (1, H, 1, 1), (1, 1, L, 1), (1, 1, 1, S). @internal */
export function positions(B: number, H: number, query: Range, key: Range): [Tensor, Tensor, Tensor, Tensor] {
  const at = (dim: number, [start, end]: Range): Tensor =>
    reshape(
      arange(start, end),
      [0, 1, 2, 3].map((d) => (d === dim ? -1 : 1)),
    );
  return [at(0, [0, B]), at(1, [0, H]), at(2, query), at(3, key)];
}

/** The mask of some queries and keys, bool (B, H, L, S). @internal */
export function maskOf(maskMod: MaskMod, B: number, H: number, query: Range, key: Range): Tensor {
  const seen = maskMod(...positions(B, H, query, key));
  const shape = [B, H, query[1] - query[0], key[1] - key[0]];
  if (seen.code !== BOOL) {
    throw new DTypeError(
      `[maskMod] expected a bool tensor, got ${seen.dtype} ${show(seen.shape)}; try a comparison, as query.ge(key)`,
    );
  }
  const fits = seen.ndim <= 4 && show(broadcastShapes("maskMod", seen.shape, shape)) === show(shape);
  if (!fits)
    throw new ShapeError(`[maskMod] got ${show(seen.shape)}, which does not broadcast to ${show(shape)}`);
  return expand(seen, shape);
}

/**
 * The whole mask as bool (B, H, L, S); B and H may be null where the function does not look at them (1).
 * Source: `torch.nn.attention.flex_attention.create_mask`.
 * @example
 * nn.attention.createMask((b, h, q, k) => q.ge(k), null, null, 2, 2).toArray(); // [[[[true, false], [true, true]]]]
 */
export function createMask(
  maskMod: MaskMod,
  B: number | null,
  H: number | null,
  QLen: number,
  KvLen: number,
): Tensor {
  return maskOf(maskMod, B ?? 1, H ?? 1, [0, QLen], [0, KvLen]);
}

/** Sees what all of the masks see. Source: `torch.nn.attention.flex_attention.and_masks`. */
export function andMasks(...maskMods: MaskMod[]): MaskMod {
  if (maskMods.length === 0) return noopMask;
  return (...at) => maskMods.map((mod) => mod(...at)).reduce(logicalAnd);
}

/** Sees what any of the masks sees. Source: `torch.nn.attention.flex_attention.or_masks`. */
export function orMasks(...maskMods: MaskMod[]): MaskMod {
  if (maskMods.length === 0) return (...at) => noopMask(...at).logicalNot();
  return (...at) => maskMods.map((mod) => mod(...at)).reduce(logicalOr);
}

/** Sees everything. Source: `torch.nn.attention.flex_attention.noop_mask`. */
export const noopMask: MaskMod = () => ones([1, 1, 1, 1], { dtype: "bool" });

/** Options of {@link createBlockMask}. */
export interface BlockMaskOptions {
  /** Rows and columns of a block, or both in one number (default 128). */
  blockSize?: number | readonly [number, number];
}

const BLOCK_MASK_OPTIONS: OptionNames<BlockMaskOptions> = { blockSize: 1 };

/** How many blocks of each row count, and which, first those: int32 (B, H, rows) and (B, H, rows, columns). */
function numbered(dense: Tensor): [number: Tensor, indices: Tensor] {
  const [B, H, rows, columns] = dense.shape as [number, number, number, number];
  const flags = reshape(dense, [B * H * rows, columns]).toArray() as boolean[][];
  const order = flags.map((row) => {
    const [there, rest] = [true, false].map((is) => row.flatMap((flag, i) => (flag === is ? [i] : [])));
    return [...(there as number[]), ...(rest as number[])];
  });
  const counts = flags.map((row) => row.filter(Boolean).length);
  const int = (data: number[] | number[][], shape: number[]) =>
    reshape(tensor(data, { dtype: "int32" }), shape);
  return [int(counts, [B, H, rows]), int(order, [B, H, rows, columns])];
}

/**
 * A mask with what is known of its blocks: those that are seen in part, whose elements must be asked, and those that
 * are seen whole; the others are never computed. Made by {@link createBlockMask}.
 * Source: `torch.nn.attention.flex_attention.BlockMask`.
 */
export class BlockMask {
  /** Sizes (B, H, L, S). */
  readonly shape: readonly [number, number, number, number];
  private readonly keyRanges: readonly Range[];

  /** @internal `partial` and `full` are bool (B, H, rows of blocks, columns of blocks). */
  constructor(
    /** Which key each query sees, by position. */
    readonly maskMod: MaskMod,
    /** Lengths (L, S) of queries and keys. */
    readonly seqLengths: readonly [number, number],
    /** Queries and keys in a block. */
    readonly blockSize: readonly [number, number],
    private readonly partial: Tensor,
    private readonly full: Tensor,
  ) {
    const [B, H] = partial.shape as [number, number];
    this.shape = [B, H, ...seqLengths];
    const seen = any(any(logicalOr(partial, full), 0), 0).toArray() as boolean[][];
    this.keyRanges = seen.map((row) => {
      const first = row.indexOf(true);
      if (first < 0) return [0, 0];
      return [first * blockSize[1], Math.min(seqLengths[1], (row.lastIndexOf(true) + 1) * blockSize[1])];
    });
  }

  /** Blocks seen in part: how many in each row of blocks, int32 (B, H, rows). */
  get kvNumBlocks(): Tensor {
    return numbered(this.partial)[0];
  }

  /** Columns of the blocks seen in part, then of the others: int32 (B, H, rows, columns). */
  get kvIndices(): Tensor {
    return numbered(this.partial)[1];
  }

  /** Blocks seen whole: how many in each row of blocks, int32 (B, H, rows). */
  get fullKvNumBlocks(): Tensor {
    return numbered(this.full)[0];
  }

  /** Columns of the blocks seen whole, then of the others: int32 (B, H, rows, columns). */
  get fullKvIndices(): Tensor {
    return numbered(this.full)[1];
  }

  /** Elements of the mask, B H L S. */
  numel(): number {
    return this.shape.reduce((a, b) => a * b, 1);
  }

  /** Whether a block is computed at all: int32 (B, H, rows, columns) of 0 and 1. */
  toDense(): Tensor {
    return logicalOr(this.partial, this.full).to("int32");
  }

  /** How much of the matrix is never computed, in percent. */
  sparsity(): number {
    const computed = this.toDense().sum().item() * this.blockSize[0] * this.blockSize[1];
    return 100 * (1 - computed / this.numel());
  }

  /** Rows of blocks. @internal */
  get rows(): number {
    return this.keyRanges.length;
  }

  /** The keys between the first and the last block that some batch or head sees in a row of blocks. @internal */
  keysOf(row: number): Range {
    return this.keyRanges[row] as Range;
  }

  /** Whether every element of these keys is seen in a row of blocks. @internal */
  isFull(row: number, [start, end]: Range): boolean {
    const columns = this.full.at(
      ":",
      ":",
      row,
      `${start / this.blockSize[1]}:${Math.ceil(end / this.blockSize[1])}`,
    );
    return columns.all().item() === 1;
  }

  /** The sizes, and a picture of the first batch and head: ██ seen whole, ░░ in part. */
  toString(): string {
    const [partial, full] = [this.partial, this.full].map((t) => t.at(0, 0).toArray() as boolean[][]);
    const picture = (full as boolean[][]).map((row, r) =>
      row
        .map((whole, c) => (whole ? "██" : (partial as boolean[][])[r]?.[c] === true ? "░░" : "  "))
        .join(""),
    );
    const head = `BlockMask(shape=(${this.shape.join(", ")}), sparsity=${this.sparsity().toFixed(2)}%)`;
    return [head, ...picture].join("\n");
  }
}

/**
 * Asks a mask for every block of (L, S) once, to be given to {@link flexAttention} many times. B and H may be null
 * where the function does not look at them.
 * Source: `torch.nn.attention.flex_attention.create_block_mask`.
 * @throws ValueError for sizes that are not positive; DTypeError where the function does not give a bool tensor.
 * @example
 * const causal = nn.attention.createBlockMask((b, h, q, k) => q.ge(k), null, null, 4, 4, { blockSize: 2 });
 * causal.toDense().toArray(); // [[[[1, 0], [1, 1]]]]
 * causal.sparsity(); // 25
 */
export function createBlockMask(
  maskMod: MaskMod,
  B: number | null,
  H: number | null,
  QLen: number,
  KvLen: number,
  options: BlockMaskOptions = {},
): BlockMask {
  checkOptions("createBlockMask", options, BLOCK_MASK_OPTIONS);
  const { blockSize = 128 } = options;
  const [rows, columns] = typeof blockSize === "number" ? [blockSize, blockSize] : blockSize;
  for (const [name, n] of Object.entries({
    B: B ?? 1,
    H: H ?? 1,
    QLen,
    KvLen,
    blockSize: Math.min(rows, columns),
  })) {
    if (!Number.isInteger(n) || n < 1)
      throw new ValueError(`[createBlockMask] ${name}: got ${n}, expected an integer of at least 1`);
  }
  const [batch, heads] = [B ?? 1, H ?? 1];
  const blocks = [Math.ceil(QLen / rows), Math.ceil(KvLen / columns)] as const;
  const partial = ones([batch, heads, ...blocks], { dtype: "bool" });
  const full = partial.clone();
  for (let r = 0; r < blocks[0]; r++) {
    for (let c = 0; c < blocks[1]; c++) {
      const query: Range = [r * rows, Math.min(QLen, (r + 1) * rows)];
      const key: Range = [c * columns, Math.min(KvLen, (c + 1) * columns)];
      const seen = maskOf(maskMod, batch, heads, query, key);
      const whole = seen.all(-1).all(-1);
      full.setAt_([":", ":", r, c], whole);
      partial.setAt_([":", ":", r, c], logicalAnd(seen.any(-1).any(-1), whole.logicalNot()));
    }
  }
  return new BlockMask(maskMod, [QLen, KvLen], [rows, columns], partial, full);
}
