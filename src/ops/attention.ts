/**
 * Attention as one op on batches of (L, E) queries and (S, E) keys: blocks of queries, so that memory is linear in the
 * sequence; the backward computes the weights anew from the saved norms. Heads are read and written where they lie in
 * the rows of a projection. Source: Dao et al. 2022.
 */
import { composedBackward } from "../autograd/composed.js";
import { mode } from "../autograd/mode.js";
import type { Node } from "../autograd/node.js";
import { defineOp, run } from "../autograd/op.js";
import { kernels, putInts } from "../kernels/index.js";
import { FLOAT32 } from "../tensor/dtype.js";
import { address, allocate, release } from "../tensor/heap.js";
import { enqueue, inPieces, kernelTable } from "../tensor/launch.js";
import { contiguous as compact, empty, full, ptr, viewOf } from "../tensor/raw.js";
import { numelOf, type Shape, sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, mul } from "./arithmetic.js";
import { contiguous } from "./cast.js";
import { eq } from "./compare.js";
import { tril } from "./diagonal.js";
import { logicalNot } from "./logical.js";
import { matmul } from "./matmul.js";
import { all } from "./reduce.js";
import { softmax } from "./softmax.js";
import { reshape, transpose } from "./view.js";
import { maskedFill } from "./where.js";

const FORWARD = kernelTable("attentionForward");
const BACKWARD = kernelTable("attentionBackward");

/** Multiply-adds that are worth a piece of their own. */
const GRAIN_PRODUCT = 262144;

/** What attention needs to know beside query, key and value. */
export interface AttentionAttrs {
  readonly scale: number;
  readonly isCausal: boolean;
  /** Floating (batches or 1, L or 1, S), added to the scores; no gradient flows to it. */
  readonly mask: Tensor | null;
}

interface Call {
  readonly desc: number;
  readonly batch: number;
  readonly one: number;
  readonly pieces: number;
}

/** The outer, head and row strides of (B, L, E) or (B, heads, L, E). */
function steps(t: Tensor): number[] {
  return t.shape.length === 3 ? [0, ...t.strides.slice(0, 2)] : t.strides.slice(0, 3);
}

function plan(q: Tensor, v: Tensor, { isCausal, mask }: AttentionAttrs, tensors: readonly Tensor[]): Call {
  const [L, E] = q.shape.slice(-2) as [number, number];
  const [S, Ev] = v.shape.slice(-2) as [number, number];
  const batch = numelOf(q.shape.slice(0, -2));
  const maskSteps =
    mask === null
      ? [0, 0]
      : [mask.shape[0] === 1 ? 0 : (mask.strides[0] as number), mask.shape[1] === 1 ? 0 : S];
  const desc = putInts([
    ...[L, S, E, Ev, Number(isCausal), Number(mask !== null), ...maskSteps, q.shape.at(-3) as number],
    ...tensors.flatMap(steps),
  ]);
  const scratch = q.code === FLOAT32 ? kernels.attentionScratch_f32 : kernels.attentionScratch_f64;
  const work = batch * L * S * (E + Ev);
  const pieces = Math.max(1, Math.min(8, batch, Math.floor(work / GRAIN_PRODUCT)));
  return { desc, batch, one: ((scratch(desc) >>> 0) + 191) & ~127, pieces };
}

/** The tensor itself where its rows are dense, else a copy. */
function dense(t: Tensor): Tensor {
  return t.strides.at(-1) === 1 || t.shape.at(-1) === 1 ? t : compact(t);
}

/** An uninitialised tensor laid out as `like`: its dimensions in the order of the strides there, the last innermost. */
function emptyAs(like: Tensor, shape: Shape): Tensor {
  const last = shape.length - 1;
  const order = [...Array(last).keys()].sort(
    (a, b) => (like.strides[b] as number) - (like.strides[a] as number),
  );
  order.push(last);
  const made = empty(
    order.map((d) => shape[d] as number),
    like.code,
  );
  return viewOf(
    made,
    shape,
    shape.map((_, d) => made.strides[order.indexOf(d)] as number),
    0,
  );
}

/** Queues the kernel over the batch, with scratch of its own for each piece. */
function overBatch(
  table: typeof FORWARD,
  code: number,
  call: Call,
  ptrs: readonly number[],
  scale: number,
): void {
  const scratch = allocate(call.one * call.pieces);
  const at = ((address(scratch) + 63) & -64) >>> 0;
  let piece = 0;
  inPieces(call.batch, Math.ceil(call.batch / call.pieces), (first, count) => {
    enqueue(table, code, ...ptrs, at + call.one * piece++, call.desc, scale, first, first + count);
  });
  release(scratch);
}

/**
 * Tensors for the gradients of query, key and value. Where these are the parts of one projection, (B, L, 3 E) or
 * (L, B, 3 E), so are the gradients: then the backward of the split has nothing to copy.
 */
function emptyLike(list: readonly [Tensor, Tensor, Tensor]): Tensor[] {
  const [q] = list;
  const [B, heads, L, E] = q.shape as [number, number, number, number];
  const width = heads * E;
  const row = 3 * width;
  const dense = [
    [L * row, E, row, 1],
    [row, E, B * row, 1],
  ].find((strides) => sameShape(strides, q.strides));
  const parts = list.every(
    (t, i) =>
      t.storage === q.storage &&
      sameShape(t.shape, q.shape) &&
      sameShape(t.strides, q.strides) &&
      t.storageOffset === q.storageOffset + i * width,
  );
  if (!parts || dense === undefined) return list.map((t) => emptyAs(t, t.shape));
  const all = empty([B * L * row], q.code);
  return list.map((t, i) => viewOf(all, t.shape, dense, i * width));
}

const attentionOp = defineOp<AttentionAttrs>({
  name: "ScaledDotProductAttention",
  saves: true,
  forward: ([q, k, v], attrs, ctx) => {
    const list = [q, k, v].map((t) => dense(t as Tensor)) as [Tensor, Tensor, Tensor];
    const [x, , values] = list;
    const rows = x.shape.slice(0, -1);
    const out = emptyAs(x, [...rows, values.shape.at(-1) as number]);
    // Of each row: the largest score, and the inverse of the sum of the exponentials.
    const norms = empty([...rows, 2], x.code);
    ctx.keep(norms);
    if (out.numel === 0) return out;
    const call = plan(x, values, attrs, [...list, out]);
    const mask = attrs.mask === null ? 0 : ptr(attrs.mask);
    // Scratch is allocated last: the pointers hold until the next op.
    overBatch(FORWARD, x.code, call, [...list.map(ptr), mask, ptr(out), ptr(norms)], attrs.scale);
    return out;
  },
  backward: (g, n) => {
    if (mode.grad)
      return composedBackward(n as Node<never>, [g], ([q, k, v]) => [
        attentionComposed(q as Tensor, k as Tensor, v as Tensor, n.attrs),
      ]);
    const list = [0, 1, 2].map((i) => dense(n.input(i))) as [Tensor, Tensor, Tensor];
    const [x] = list;
    if (g.numel === 0) return list.map((t) => full(t.shape, 0, t.code));
    const slopes = dense(g);
    const grads = emptyLike(list);
    const call = plan(x, list[2], n.attrs, [...list, slopes, ...grads]);
    const mask = n.attrs.mask === null ? 0 : ptr(n.attrs.mask);
    const rest = [n.extra[0] as Tensor, slopes, ...grads].map(ptr);
    overBatch(BACKWARD, x.code, call, [...list.map(ptr), mask, ...rest], n.attrs.scale);
    return grads;
  },
});

/** {@link attention} out of plain ops: the oracle in tests, and the source of higher derivatives. */
export function attentionComposed(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { scale, isCausal, mask }: AttentionAttrs,
): Tensor {
  let scores = matmul(mul(q, scale), transpose(k, -2, -1));
  if (mask !== null) {
    const lead = mask.shape[0] === 1 ? [1] : scores.shape.slice(0, -2);
    scores = add(scores, reshape(mask, [...lead, ...mask.shape.slice(1)]));
  }
  if (isCausal) {
    const seen = tril(full(scores.shape.slice(-2), true, 0));
    scores = maskedFill(scores, logicalNot(seen), Number.NEGATIVE_INFINITY);
  }
  // A query that sees no key gets zeros, and gives none a gradient.
  const blind = all(eq(scores.detach(), Number.NEGATIVE_INFINITY), { dim: -1, keepdim: true });
  return matmul(maskedFill(softmax(maskedFill(scores, blind, 0), -1), blind, 0), v);
}

/**
 * softmax(scale q k^T + mask) v on (B, L, E), (B, S, E), (B, S, Ev), or on (B, heads, L, E) and so on; the strides may be
 * any, and the result is laid out as q. @internal
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, attrs: AttentionAttrs): Tensor {
  const mask = attrs.mask === null ? null : contiguous(attrs.mask);
  return run(attentionOp, [q, k, v], { ...attrs, mask });
}
