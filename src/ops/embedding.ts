/** Rows of a table by index, and their gradient, which is added up by row. */

import { defineOp, type Op, run } from "../autograd/op.js";
import { mem } from "../kernels/index.js";
import { type DTypeCode, FLOAT32, SIZES } from "../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { enqueue, GRAIN, inPieces, kernelFor, kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { contiguous, empty, fromTyped, full, ptr, toNumbers } from "../tensor/raw.js";
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { mul } from "./arithmetic.js";
import { needTensor } from "./core.js";
import { checkedIndex, indexFill } from "./gather.js";
import { freeCopy } from "./lossCore.js";

const INDEX_SELECT = kernelTable("indexSelect", ["1", "1", "4", "8", "4", "8"]);
const EMBEDDING_BACKWARD = kernelTable("embeddingBackward");

interface Lookup {
  /** Row that receives no gradient, -1 for none. */
  readonly padding: number;
  readonly scaleByFreq: boolean;
}

const embeddingOp = defineOp<Lookup>({
  name: "Embedding",
  saves: [1],
  forward: ([w, index]) => {
    const weight = contiguous(w as Tensor);
    const i = index as Tensor;
    const [V, D] = [weight.shape[0] as number, weight.shape[1] as number];
    const out = empty([...i.shape, D], weight.code);
    if (out.numel > 0) {
      const row = D * (SIZES[weight.code] as number);
      const [from, at, to] = [ptr(weight), ptr(i), ptr(out)];
      if (out.numel < 2 * GRAIN) kernelFor(INDEX_SELECT, weight.code)(from, at, to, 1, V, i.numel, D);
      else {
        inPieces(i.numel, Math.ceil(GRAIN / D), (first, count) =>
          enqueue(INDEX_SELECT, weight.code, from, at + first * 8, to + first * row, 1, V, count, D),
        );
      }
    }
    freeCopy(weight, w as Tensor);
    return out;
  },
  backward: (g, n) => {
    const index = n.input(1);
    const scaled = n.attrs.scaleByFreq ? mul(g, inverseCounts(index, g.code)) : g;
    return [run(embeddingBackwardOp, [scaled, index], { shape: n.shape(0), padding: n.attrs.padding })];
  },
});

const embeddingBackwardOp: Op<{ shape: Shape; padding: number }> = defineOp<{
  shape: Shape;
  padding: number;
}>({
  name: "EmbeddingBackward",
  saves: [1],
  forward: ([g, index], { shape, padding }) => {
    const grad = contiguous(g as Tensor);
    const i = index as Tensor;
    const out = full(shape, 0, grad.code);
    const D = shape[1] as number;
    const n = i.numel;
    if (n > 0 && D > 0) {
      const at = [ptr(grad), ptr(i), ptr(out)];
      if (n * D < 2 * GRAIN) kernelFor(EMBEDDING_BACKWARD, grad.code)(...at, n, D, padding, 0, D);
      else {
        inPieces(D, Math.max(16, Math.ceil(GRAIN / n)), (first, count) =>
          enqueue(EMBEDDING_BACKWARD, grad.code, ...at, n, D, padding, first, first + count),
        );
      }
    }
    freeCopy(grad, g as Tensor);
    return out;
  },
  // Linear: its derivative looks the rows up again, without the padding row.
  backward: (gg, n) => {
    const { padding } = n.attrs;
    const rows = padding < 0 ? gg : indexFill(gg, 0, fromTyped(BigInt64Array.of(BigInt(padding)), [1], 3), 0);
    return [run(embeddingOp, [rows, n.input(1)], { padding, scaleByFreq: false })];
  },
});

/** 1 / how often each index occurs, in the shape of the index with a last dimension of 1. */
function inverseCounts(index: Tensor, code: DTypeCode): Tensor {
  const rows = toNumbers(index);
  const counts = new Map<number, number>();
  for (const r of rows) counts.set(r, (counts.get(r) ?? 0) + 1);
  const inverse = rows.map((r) => 1 / (counts.get(r) as number));
  const values = code === FLOAT32 ? Float32Array.from(inverse) : Float64Array.from(inverse);
  return fromTyped(values, [...index.shape, 1], code);
}

/** Scales rows of `weight` at the indices whose p-norm exceeds `maxNorm` down to it, in place. @internal */
export function renormRows(weight: Tensor, index: Tensor, maxNorm: number, normType: number): void {
  const rows = new Set(toNumbers(index));
  const size = SIZES[weight.code] as number;
  const view = weight.code === FLOAT32 ? mem.f32 : mem.f64;
  const start = ptr(weight) / size;
  const [rowStep, step] = [weight.strides[0] as number, weight.strides[1] as number];
  const D = weight.shape[1] as number;
  let changed = false;
  for (const r of rows) {
    const from = start + r * rowStep;
    const values = Array.from({ length: D }, (_, d) => Math.abs(view[from + d * step] as number));
    const norm = Number.isFinite(normType)
      ? values.reduce((s, v) => s + v ** normType, 0) ** (1 / normType)
      : Math.max(...values);
    if (!(norm > maxNorm)) continue;
    const scale = maxNorm / (norm + 1e-7);
    for (let d = 0; d < D; d++) view[from + d * step] = (view[from + d * step] as number) * scale;
    changed = true;
  }
  if (changed) weight.storage.version++;
}

/** A row number as 0 or above; throws when the table has no such row. @internal */
export function paddingRow(op: string, paddingIdx: number | null | undefined, rows: number): number {
  if (paddingIdx === undefined || paddingIdx === null) return -1;
  if (!Number.isInteger(paddingIdx) || paddingIdx < -rows || paddingIdx >= rows) {
    throw new ValueError(
      `[${op}] paddingIdx ${paddingIdx} is out of range: expected ${-rows} to ${rows - 1} for ${rows} rows`,
    );
  }
  return paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
}

/** Options of {@link embedding}. */
export interface EmbeddingOptions {
  /** Row that receives no gradient; negative counts from the end. */
  paddingIdx?: number | null;
  /** Rows looked up are first scaled down to this norm, in place. */
  maxNorm?: number | null;
  /** The p of that norm (default 2). */
  normType?: number;
  /** Divide gradients by how often the row was looked up (default false). */
  scaleGradByFreq?: boolean;
  /** Gradients are always dense here; taken for compatibility. */
  sparse?: boolean;
}

const EMBEDDING_OPTIONS: OptionNames<EmbeddingOptions> = {
  paddingIdx: 1,
  maxNorm: 1,
  normType: 1,
  scaleGradByFreq: 1,
  sparse: 1,
};

/**
 * The rows of `weight` [V, D] at the indices `input` (any shape, int64): [..., D].
 * Source: `torch.nn.functional.embedding`.
 * @example
 * embedding(tensor([2, 0]), tensor([[1, 2], [3, 4], [5, 6]])).toArray(); // [[5, 6], [1, 2]]
 * @throws IndexError for an index out of range.
 */
export function embedding(input: Tensor, weight: Tensor, options: EmbeddingOptions = {}): Tensor {
  needTensor("embedding", input);
  needTensor("embedding", weight, "weight");
  checkOptions("embedding", options, EMBEDDING_OPTIONS);
  if (weight.shape.length !== 2) {
    throw new ShapeError(`[embedding] weight must be a matrix of rows, got shape ${show(weight.shape)}`);
  }
  const rows = weight.shape[0] as number;
  const padding = paddingRow("embedding", options.paddingIdx, rows);
  const index = checkedIndex("embedding", input, rows);
  const maxNorm = options.maxNorm ?? null;
  if (maxNorm !== null) renormRows(weight, index, maxNorm, options.normType ?? 2);
  return run(embeddingOp, [weight, index], { padding, scaleByFreq: options.scaleGradByFreq ?? false });
}
