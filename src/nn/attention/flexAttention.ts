/** Attention whose scores and mask are functions of positions (`torch.nn.attention.flex_attention`). */

import { mul } from "../../ops/arithmetic.js";
import { eq } from "../../ops/compare.js";
import { cat } from "../../ops/join.js";
import { logicalNot } from "../../ops/logical.js";
import { matmul } from "../../ops/matmul.js";
import { all } from "../../ops/reduce.js";
import { softmax } from "../../ops/softmax.js";
import { logsumexp } from "../../ops/statistics.js";
import { expand, narrow, squeeze, transpose } from "../../ops/view.js";
import { maskedFill } from "../../ops/where.js";
import { full, zeros } from "../../tensor/create.js";
import { ShapeError, show } from "../../tensor/errors.js";
import { checkOptions, type OptionNames } from "../../tensor/options.js";
import type { Tensor } from "../../tensor/tensor.js";
import { checkAttention, scaledDotProductAttention, shareHeads } from "../functional/attention.js";
import { type BlockMask, maskOf, positions, type Range } from "./blockMask.js";

/**
 * New scores from the scores (B, H, L, S) and int64 positions of batch, head, query and key, whose shapes broadcast to
 * that. It works on all scores at once; what it captures gets gradients.
 */
export type ScoreMod = (score: Tensor, batch: Tensor, head: Tensor, query: Tensor, key: Tensor) => Tensor;

/** Options of {@link flexAttention}. */
export interface FlexAttentionOptions {
  /** Changes the scores before the softmax. */
  scoreMod?: ScoreMod | null;
  /** Which keys a query sees; blocks that nobody sees are not computed. */
  blockMask?: BlockMask | null;
  /** Factor of the scores (default 1/sqrt(E)). */
  scale?: number | null;
  /** Key and value may have fewer heads, each shared by a group of queries (default false). */
  enableGqa?: boolean;
  /** Give the logarithm of the sum of exp(scores) of each query as well (default false). */
  returnLse?: boolean;
}

const FLEX_ATTENTION_OPTIONS: OptionNames<FlexAttentionOptions> = {
  scoreMod: 1,
  blockMask: 1,
  scale: 1,
  enableGqa: 1,
  returnLse: 1,
};

/** What is the same for all blocks of queries. */
interface Plan {
  readonly scoreMod: ScoreMod | null;
  readonly mask: BlockMask | null;
  readonly scale: number;
  readonly lse: boolean;
}

/**
 * softmax(scoreMod(scale Q K^T) where the mask sees, else -Infinity) V. query (B, H, L, E), key (B, H, S, E), value
 * (B, H, S, Ev); gives (B, H, L, Ev), and with `returnLse` the log-sums (B, H, L) as well. A query that sees no key
 * gets zeros. Blocks of queries are computed one after the other, each with the keys that its row of the mask sees.
 * Source: `torch.nn.attention.flex_attention.flex_attention`.
 * @throws ShapeError where shapes do not fit each other or the mask; DTypeError for dtypes that differ.
 * @example
 * const [q, k, v] = [randn([1, 2, 8, 4]), randn([1, 2, 8, 4]), randn([1, 2, 8, 4])];
 * const slopes = tensor([0.5, 0.25]);
 * const alibi: nn.attention.ScoreMod = (score, b, h, i, j) => score.add(slopes.at(h).mul(j.sub(i)));
 * const causal = nn.attention.createBlockMask((b, h, i, j) => i.ge(j), null, null, 8, 8, { blockSize: 4 });
 * nn.attention.flexAttention(q, k, v, { scoreMod: alibi, blockMask: causal }).shape; // [1, 2, 8, 4]
 */
export function flexAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: FlexAttentionOptions & { returnLse: true },
): [Tensor, Tensor];
export function flexAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options?: FlexAttentionOptions & { returnLse?: false },
): Tensor;
export function flexAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: FlexAttentionOptions = {},
): Tensor | [Tensor, Tensor] {
  checkOptions("flexAttention", options, FLEX_ATTENTION_OPTIONS);
  const { scoreMod = null, blockMask = null, enableGqa = false, returnLse = false } = options;
  checkAttention("flexAttention", query, key, value);
  const [k, v] = enableGqa ? shareHeads("flexAttention", query, key, value) : [key, value];
  checkSizes(query, k, v, blockMask);
  const [L, S] = [query.shape[2] as number, k.shape[2] as number];
  const plan: Plan = {
    scoreMod,
    mask: blockMask,
    scale: options.scale ?? 1 / Math.sqrt(query.shape[3] as number),
    lse: returnLse,
  };
  const step = blockMask?.blockSize[0] ?? L;
  const parts: [Tensor, Tensor | null][] = [];
  for (let start = 0, row = 0; start < L || row === 0; start += step, row++) {
    parts.push(
      attend(plan, query, k, v, row, [start, Math.min(L, start + step)], blockMask?.keysOf(row) ?? [0, S]),
    );
  }
  const joined = (pieces: (Tensor | null)[]): Tensor =>
    pieces.length === 1 ? (pieces[0] as Tensor) : cat(pieces as Tensor[], 2);
  const out = joined(parts.map(([o]) => o));
  return returnLse ? [out, joined(parts.map(([, lse]) => lse))] : out;
}

function checkSizes(query: Tensor, key: Tensor, value: Tensor, mask: BlockMask | null): void {
  const shapes = `query ${show(query.shape)}, key ${show(key.shape)}, value ${show(value.shape)}`;
  if (query.ndim !== 4 || key.ndim !== 4 || value.ndim !== 4)
    throw new ShapeError(`[flexAttention] expected (B, H, L, E): got ${shapes}`);
  const [B, H, L] = query.shape;
  for (const t of [key, value]) {
    if (t.shape[0] !== B || t.shape[1] !== H) {
      throw new ShapeError(
        `[flexAttention] batch and heads differ: got ${shapes}; try expand, or enableGqa for fewer heads of keys`,
      );
    }
  }
  if (mask === null) return;
  const wanted = [B, H, L, key.shape[2]];
  const fits = mask.shape.every((n, d) => n === wanted[d] || (d < 2 && n === 1));
  if (!fits) {
    throw new ShapeError(
      `[flexAttention] blockMask was made for (B, H, L, S) = ${show(mask.shape)}: got ${shapes}; try createBlockMask with these sizes`,
    );
  }
}

/** A block of queries and the keys that they see. */
function attend(
  { scoreMod, mask, scale, lse }: Plan,
  query: Tensor,
  key: Tensor,
  value: Tensor,
  row: number,
  queries: Range,
  keys: Range,
): [Tensor, Tensor | null] {
  const [B, H] = query.shape as [number, number];
  const cut = (t: Tensor, [start, end]: Range) =>
    end - start === t.shape[2] ? t : narrow(t, 2, start, end - start);
  const [q, k, v] = [cut(query, queries), cut(key, keys), cut(value, keys)];
  if (keys[0] === keys[1]) {
    const blind = [B, H, q.shape[2] as number];
    const nothing = zeros([...blind, value.shape[3] as number], { dtype: query.dtype });
    return [nothing, lse ? full(blind, Number.NEGATIVE_INFINITY, { dtype: query.dtype }) : null];
  }
  const seen =
    mask === null || mask.isFull(row, keys)
      ? null
      : maskOf(mask.maskMod, mask.shape[0], mask.shape[1], queries, keys);
  if (scoreMod === null && !lse) return [scaledDotProductAttention(q, k, v, { attnMask: seen, scale }), null];
  const plain = matmul(mul(q, scale), transpose(k, -2, -1));
  let scores = plain;
  if (scoreMod !== null)
    scores = expand(scoreMod(plain, ...positions(B, H, queries, keys)), plain.shape).to(q.dtype);
  if (seen !== null) scores = maskedFill(scores, logicalNot(seen), Number.NEGATIVE_INFINITY);
  const blind = all(eq(scores.detach(), Number.NEGATIVE_INFINITY), { dim: -1, keepdim: true });
  const filled = maskedFill(scores, blind, 0);
  const out = matmul(maskedFill(softmax(filled, -1), blind, 0), v);
  return [out, lse ? maskedFill(logsumexp(filled, -1), squeeze(blind, -1), Number.NEGATIVE_INFINITY) : null];
}
