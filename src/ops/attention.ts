/**
 * Attention as one op on batches of (L, E) queries and (S, E) keys: blocks of queries, so that memory is linear in the
 * sequence; the backward computes the weights anew from the saved log-sums. Source: Dao et al. 2022.
 */
import { composedBackward } from "../autograd/composed.js";
import { mode } from "../autograd/mode.js";
import { defineOp, type Node, run } from "../autograd/node.js";
import { kernels, putInts } from "../kernels/index.js";
import { FLOAT32 } from "../tensor/dtype.js";
import { address, allocate, release } from "../tensor/heap.js";
import { enqueue, inPieces, kernelTable } from "../tensor/launch.js";
import { contiguous as compact, empty, full, ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, mul } from "./arithmetic.js";
import { contiguous } from "./cast.js";
import { eq } from "./compare.js";
import { tril } from "./diagonal.js";
import { logicalNot } from "./logical.js";
import { matmul } from "./matmul.js";
import { all } from "./reduce.js";
import { softmax } from "./softmax.js";
import { transpose } from "./view.js";
import { maskedFill } from "./where.js";

const FORWARD = kernelTable("attentionForward");
const BACKWARD = kernelTable("attentionBackward");

/** Multiply-adds that are worth a piece of their own. */
const GRAIN_PRODUCT = 262144;

/** What attention needs to know beside query, key and value. */
export interface AttentionAttrs {
  readonly scale: number;
  readonly isCausal: boolean;
  /** Floating (B or 1, L or 1, S), added to the scores; no gradient flows to it. */
  readonly mask: Tensor | null;
}

interface Call {
  readonly desc: number;
  readonly batch: number;
  readonly one: number;
  readonly pieces: number;
}

function plan(q: Tensor, v: Tensor, { isCausal, mask }: AttentionAttrs): Call {
  const [batch, L, E] = q.shape as [number, number, number];
  const [S, Ev] = v.shape.slice(1) as [number, number];
  const steps =
    mask === null
      ? [0, 0]
      : [mask.shape[0] === 1 ? 0 : (mask.strides[0] as number), mask.shape[1] === 1 ? 0 : S];
  const desc = putInts([
    L,
    S,
    E,
    Ev,
    Number(isCausal),
    Number(mask !== null),
    ...(steps as [number, number]),
  ]);
  const scratch = q.code === FLOAT32 ? kernels.attentionScratch_f32 : kernels.attentionScratch_f64;
  const work = batch * L * S * (E + Ev);
  const pieces = Math.max(1, Math.min(8, batch, Math.floor(work / GRAIN_PRODUCT)));
  return { desc, batch, one: ((scratch(desc) >>> 0) + 191) & ~127, pieces };
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

const attentionOp = defineOp<AttentionAttrs>({
  name: "ScaledDotProductAttention",
  saves: true,
  savesOutput: true,
  forward: ([q, k, v], attrs, ctx) => {
    const list = [q, k, v].map((t) => compact(t as Tensor)) as [Tensor, Tensor, Tensor];
    const [x, , values] = list;
    const [batch, L] = x.shape as [number, number, number];
    const out = empty([batch, L, values.shape[2] as number], x.code);
    const lse = empty([batch, L], x.code);
    ctx.keep(lse);
    if (out.numel === 0) return out;
    const call = plan(x, values, attrs);
    const mask = attrs.mask === null ? 0 : ptr(attrs.mask);
    // Scratch is allocated last: the pointers hold until the next op.
    overBatch(FORWARD, x.code, call, [...list.map(ptr), mask, ptr(out), ptr(lse)], attrs.scale);
    return out;
  },
  backward: (g, n) => {
    if (mode.grad)
      return composedBackward(n as Node<never>, [g], ([q, k, v]) => [
        attentionComposed(q as Tensor, k as Tensor, v as Tensor, n.attrs),
      ]);
    const list = [0, 1, 2].map((i) => compact(n.input(i))) as [Tensor, Tensor, Tensor];
    const grads = list.map((t) => empty(t.shape, t.code));
    const [x] = list;
    if (n.output().numel === 0) return list.map((t) => full(t.shape, 0, t.code));
    const call = plan(x, list[2], n.attrs);
    const mask = n.attrs.mask === null ? 0 : ptr(n.attrs.mask);
    const rest = [n.output(), n.extra[0] as Tensor, compact(g), ...grads].map(ptr);
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
  if (mask !== null) scores = add(scores, mask);
  if (isCausal) {
    const seen = tril(full(scores.shape.slice(-2), true, 0));
    scores = maskedFill(scores, logicalNot(seen), Number.NEGATIVE_INFINITY);
  }
  // A query that sees no key gets zeros, and gives none a gradient.
  const blind = all(eq(scores.detach(), Number.NEGATIVE_INFINITY), { dim: -1, keepdim: true });
  return matmul(maskedFill(softmax(maskedFill(scores, blind, 0), -1), blind, 0), v);
}

/** softmax(scale q k^T + mask) v on (B, L, E), (B, S, E), (B, S, Ev). @internal */
export function attention(q: Tensor, k: Tensor, v: Tensor, attrs: AttentionAttrs): Tensor {
  const mask = attrs.mask === null ? null : contiguous(attrs.mask);
  return run(attentionOp, [q, k, v], { ...attrs, mask });
}
