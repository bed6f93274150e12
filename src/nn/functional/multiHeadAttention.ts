/** Multi-head attention: projections to heads, attention in each, and the projection of what they give. */
import { add } from "../../ops/arithmetic.js";
import { needTensor } from "../../ops/core.js";
import { triu } from "../../ops/diagonal.js";
import { cat } from "../../ops/join.js";
import { linear } from "../../ops/linear.js";
import { logicalOr } from "../../ops/logical.js";
import { chunk, splitWithSizes } from "../../ops/split.js";
import { mean } from "../../ops/sum.js";
import { expand, permute, reshape, squeeze, transpose, unsqueeze } from "../../ops/view.js";
import { ones, zeros } from "../../tensor/create.js";
import { BOOL, UINT8 } from "../../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../../tensor/errors.js";
import { checkOptions, type OptionNames } from "../../tensor/options.js";
import { sameShape } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import { asFloat, attendPlainly, checkMask, scaledDotProductAttention } from "./attention.js";

const OP = "multiHeadAttentionForward";

/** What {@link multiHeadAttentionForward} takes beside query, key, value and the main weights. */
export interface MultiHeadOptions {
  /** Whether attention weights are dropped (default true). */
  training?: boolean;
  /** (B, S) or (S): true (or -Infinity) hides a key. */
  keyPaddingMask?: Tensor | null;
  /** Give the attention weights too (default true). */
  needWeights?: boolean;
  /** (L, S) or (B heads, L, S): true hides; floating is added. */
  attnMask?: Tensor | null;
  /** Whether qProjWeight, kProjWeight and vProjWeight are used, not inProjWeight (default false). */
  useSeparateProjWeight?: boolean;
  /** Projection of queries, (E, E). */
  qProjWeight?: Tensor | null;
  /** Projection of keys, (E, kdim). */
  kProjWeight?: Tensor | null;
  /** Projection of values, (E, vdim). */
  vProjWeight?: Tensor | null;
  /** Keys of all heads, (B heads, S, E / heads), in place of the projected ones. */
  staticK?: Tensor | null;
  /** Values of all heads, (B heads, S, E / heads), in place of the projected ones. */
  staticV?: Tensor | null;
  /** Average the weights over heads (default true). */
  averageAttnWeights?: boolean;
  /** Hide keys after the query's position; needs attnMask in PyTorch, not here. */
  isCausal?: boolean;
}

const MULTI_HEAD_OPTIONS: OptionNames<MultiHeadOptions> = {
  training: 1,
  keyPaddingMask: 1,
  needWeights: 1,
  attnMask: 1,
  useSeparateProjWeight: 1,
  qProjWeight: 1,
  kProjWeight: 1,
  vProjWeight: 1,
  staticK: 1,
  staticV: 1,
  averageAttnWeights: 1,
  isCausal: 1,
};

/** The sizes and weights of multi-head attention, by the names of its module. @internal */
export interface HeadWeights {
  readonly embedDim: number;
  readonly numHeads: number;
  readonly inProjWeight: Tensor | null;
  readonly inProjBias: Tensor | null;
  readonly biasK: Tensor | null;
  readonly biasV: Tensor | null;
  readonly addZeroAttn: boolean;
  readonly dropout: number;
  readonly outProj: { readonly weight: Tensor; readonly bias: Tensor | null };
}

/** Where tensors have the dimension of the batch: (B, L, E), (L, B, E), or not at all. */
type BatchDim = 0 | 1 | null;

interface Sizes {
  readonly batchDim: BatchDim;
  /** 1 without a batch. */
  readonly B: number;
  readonly heads: number;
  readonly L: number;
  /** Number of keys, without those that the layer adds. */
  readonly S: number;
}

/**
 * Multi-head attention on (L, B, E) queries and (S, B, E) keys and values (or without B), as
 * `torch.nn.functional.multi_head_attention_forward`: [output, weights or null].
 * @throws ShapeError, DTypeError or ValueError for inputs, masks or weights that do not fit each other.
 */
export function multiHeadAttentionForward(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  embedDimToCheck: number,
  numHeads: number,
  inProjWeight: Tensor | null,
  inProjBias: Tensor | null,
  biasK: Tensor | null,
  biasV: Tensor | null,
  addZeroAttn: boolean,
  dropoutP: number,
  outProjWeight: Tensor,
  outProjBias: Tensor | null,
  options: MultiHeadOptions = {},
): [Tensor, Tensor | null] {
  const weights: HeadWeights = {
    embedDim: embedDimToCheck,
    numHeads,
    inProjWeight,
    inProjBias,
    biasK,
    biasV,
    addZeroAttn,
    dropout: dropoutP,
    outProj: { weight: outProjWeight, bias: outProjBias },
  };
  return multiHeadAttention(query, key, value, weights, options, false);
}

/** {@link multiHeadAttentionForward}, on (B, L, E) with `batchFirst`. @internal */
export function multiHeadAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  weights: HeadWeights,
  options: MultiHeadOptions,
  batchFirst: boolean,
): [Tensor, Tensor | null] {
  checkOptions(OP, options, MULTI_HEAD_OPTIONS);
  const sizes = sizesOf(query, key, value, weights, options, batchFirst);
  const [q, k, v] = headsOf(query, key, value, weights, options, sizes);
  const added = (k.shape[2] as number) - sizes.S;
  const p = options.training === false ? 0 : weights.dropout;
  if (options.needWeights === false) {
    const only = options.isCausal === true && (options.attnMask ?? options.keyPaddingMask ?? null) === null;
    const masks =
      only && added === 0 ? { isCausal: true } : { attnMask: scoreMask(options, q, sizes, added) };
    const out = scaledDotProductAttention(q, k, v, { ...masks, dropoutP: p });
    return [projectOut(out, weights, sizes), null];
  }
  const scale = 1 / Math.sqrt(q.shape[3] as number);
  const [out, each] = attendPlainly(q, k, v, scale, scoreMask(options, q, sizes, added), p);
  const shown = options.averageAttnWeights === false ? each : mean(each, 1);
  return [projectOut(out, weights, sizes), sizes.batchDim === null ? squeeze(shown, 0) : shown];
}

/** The sizes of a call. Throws unless the inputs fit each other and the weights. */
function sizesOf(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  { embedDim, numHeads }: HeadWeights,
  { useSeparateProjWeight = false, staticK, staticV }: MultiHeadOptions,
  batchFirst: boolean,
): Sizes {
  needTensor(OP, query, "query");
  needTensor(OP, key, "key");
  needTensor(OP, value, "value");
  const rank = query.ndim;
  if ((rank !== 2 && rank !== 3) || key.ndim !== rank || value.ndim !== rank) {
    throw new ShapeError(
      `[${OP}] query, key and value must all have 2 or all 3 dimensions, got ${show(query.shape)}, ${show(key.shape)}, ${show(value.shape)}`,
    );
  }
  if (query.shape[rank - 1] !== embedDim)
    throw new ShapeError(
      `[${OP}] expected a query of width ${embedDim} (embedDim), got ${query.shape[rank - 1]}: query of shape ${show(query.shape)}`,
    );
  if (!(numHeads > 0) || embedDim % numHeads !== 0)
    throw new ShapeError(`[${OP}] embedDim must be divisible by numHeads: got ${embedDim} and ${numHeads}`);
  const batchDim = rank === 2 ? null : batchFirst ? 0 : 1;
  const B = batchDim === null ? 1 : (query.shape[batchDim] as number);
  if (batchDim !== null && (key.shape[batchDim] !== B || value.shape[batchDim] !== B)) {
    throw new ShapeError(
      `[${OP}] expected query, key and value of one batch size, got ${show(query.shape)}, ` +
        `${show(key.shape)}, ${show(value.shape)}: dimension ${batchDim} differs; ` +
        (batchFirst ? "try { batchFirst: false } for (L, B, E)" : "try { batchFirst: true } for (B, L, E)"),
    );
  }
  const compared = useSeparateProjWeight ? rank - 1 : rank;
  if (!sameShape(key.shape.slice(0, compared), value.shape.slice(0, compared))) {
    throw new ShapeError(
      `[${OP}] expected a key and a value of one shape, got ${show(key.shape)} and ${show(value.shape)}; ` +
        "try { kdim, vdim } for other widths",
    );
  }
  const long = batchDim === 0 ? 1 : 0;
  const S = (staticK ?? staticV)?.shape[1] ?? (key.shape[long] as number);
  return { batchDim, B, heads: numHeads, L: query.shape[long] as number, S };
}

/** Queries, keys and values of all heads, (B, heads, L or S, E / heads), with the keys that the layer adds. */
function headsOf(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  weights: HeadWeights,
  options: MultiHeadOptions,
  sizes: Sizes,
): [Tensor, Tensor, Tensor] {
  const { biasK, biasV, addZeroAttn } = weights;
  const { staticK = null, staticV = null } = options;
  if ((biasK === null) !== (biasV === null))
    throw new ValueError(
      `[${OP}] biasK and biasV go together: got ${biasK === null ? "biasV" : "biasK"} alone`,
    );
  if (biasK !== null && (staticK !== null || staticV !== null))
    throw new ValueError(`[${OP}] biasK and biasV cannot be added to staticK or staticV; try one of them`);
  const projected = options.useSeparateProjWeight
    ? projectApart(query, key, value, options, weights.inProjBias)
    : project(query, key, value, weights.inProjWeight, weights.inProjBias);
  const [q, k, v] = projected.map((t) => toHeads(t, sizes.heads, sizes.batchDim)) as [Tensor, Tensor, Tensor];
  return [
    q,
    extend(staticK === null ? k : staticHeads("staticK", staticK, q, sizes), biasK, addZeroAttn),
    extend(staticV === null ? v : staticHeads("staticV", staticV, q, sizes), biasV, addZeroAttn),
  ];
}

/** The three projections by one weight; as one product where inputs are the same. */
function project(q: Tensor, k: Tensor, v: Tensor, w: Tensor | null, b: Tensor | null): Tensor[] {
  if (w === null)
    throw new ValueError(
      `[${OP}] inProjWeight: got null; try { useSeparateProjWeight: true } with three weights`,
    );
  const E = q.shape.at(-1) as number;
  if (k === v && q === k) return chunk(linear(q, w, b), 3, -1);
  if (k === v) {
    const [wq, wkv] = splitWithSizes(w, [E, 2 * E], 0) as [Tensor, Tensor];
    const [bq, bkv] = b === null ? [null, null] : (splitWithSizes(b, [E, 2 * E], 0) as [Tensor, Tensor]);
    return [linear(q, wq, bq), ...chunk(linear(k, wkv, bkv), 2, -1)];
  }
  const ws = chunk(w, 3, 0);
  return projectEach([q, k, v], ws, b);
}

/** The projections by weights of their own: keys and values may have other widths. */
function projectApart(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { qProjWeight = null, kProjWeight = null, vProjWeight = null }: MultiHeadOptions,
  b: Tensor | null,
): Tensor[] {
  if (qProjWeight === null || kProjWeight === null || vProjWeight === null)
    throw new ValueError(
      `[${OP}] useSeparateProjWeight needs qProjWeight, kProjWeight and vProjWeight; got null`,
    );
  return projectEach([q, k, v], [qProjWeight, kProjWeight, vProjWeight], b);
}

function projectEach(inputs: readonly Tensor[], ws: readonly Tensor[], b: Tensor | null): Tensor[] {
  const bs = b === null ? [] : chunk(b, 3, 0);
  return inputs.map((x, i) => linear(x, ws[i] as Tensor, bs[i] ?? null));
}

/** Rows of E as rows of each head, (B, heads, L, E / heads): a view, which attention reads where it lies. */
function toHeads(t: Tensor, heads: number, batchDim: BatchDim): Tensor {
  const E = t.shape.at(-1) as number;
  const parts = reshape(t, [...t.shape.slice(0, -1), heads, E / heads]);
  if (batchDim === 1) return permute(parts, [1, 2, 0, 3]);
  const turned = transpose(parts, -3, -2);
  return batchDim === null ? unsqueeze(turned, 0) : turned;
}

/** The heads side by side again, in the layout of the query, through the last projection. */
function projectOut(heads: Tensor, { embedDim, outProj }: HeadWeights, { batchDim }: Sizes): Tensor {
  const parts = batchDim === 1 ? permute(heads, [2, 0, 1, 3]) : transpose(heads, 1, 2);
  const joined = reshape(parts, [...parts.shape.slice(0, 2), embedDim]);
  return linear(batchDim === null ? squeeze(joined, 0) : joined, outProj.weight, outProj.bias);
}

/** Given keys or values of all heads, (B heads, S, E / heads), as (B, heads, S, E / heads). */
function staticHeads(name: string, t: Tensor, q: Tensor, { B, heads, S }: Sizes): Tensor {
  const expected = [B * heads, S, q.shape[3] as number];
  if (!sameShape(t.shape, expected))
    throw new ShapeError(`[${OP}] ${name}: expected shape ${show(expected)}, got ${show(t.shape)}`);
  return reshape(t, [B, heads, ...expected.slice(1)]);
}

/** Keys or values with the learned one, (1, 1, E), and one of zeros at their end. */
function extend(t: Tensor, bias: Tensor | null, zero: boolean): Tensor {
  if (bias === null && !zero) return t;
  const [B, heads, , width] = t.shape as [number, number, number, number];
  const one = [B, heads, 1, width];
  const list = [t];
  if (bias !== null) list.push(expand(toHeads(bias, heads, 1), one));
  if (zero) list.push(zeros(one, { dtype: t.dtype }));
  return cat(list, 2);
}

/** The masks as one of floats, broadcast to the scores (B, heads, L, S); keys that the layer added are visible. */
function scoreMask(options: MultiHeadOptions, q: Tensor, sizes: Sizes, added: number): Tensor | null {
  const [attn, padding] = [attentionMask(options, q, sizes), paddingMask(options, q, sizes)];
  const mask =
    attn === null || padding === null
      ? (attn ?? padding)
      : attn.code === BOOL && padding.code === BOOL
        ? logicalOr(attn, padding)
        : add(asFloat(attn, q), asFloat(padding, q));
  if (mask === null || added === 0) return mask === null ? null : asFloat(mask, q);
  const visible = zeros([...mask.shape.slice(0, -1), added], { dtype: mask.dtype });
  return asFloat(cat([mask, visible], -1), q);
}

/** attnMask as (1 or B, 1 or heads, L, S), or null. */
function attentionMask({ attnMask, isCausal }: MultiHeadOptions, q: Tensor, sizes: Sizes): Tensor | null {
  const { B, heads, L, S } = sizes;
  const given = attnMask ?? null;
  if (given === null) return isCausal ? triu(ones([1, 1, L, S], { dtype: "bool" }), 1) : null;
  const mask = checkMask(OP, "attnMask", given.code === UINT8 ? given.to("bool") : given, q);
  if (sameShape(mask.shape, [L, S])) return reshape(mask, [1, 1, L, S]);
  if (sameShape(mask.shape, [B * heads, L, S])) return reshape(mask, [B, heads, L, S]);
  throw new ShapeError(
    `[${OP}] expected an attnMask of shape ${show([L, S])} or ${show([B * heads, L, S])}, got ${show(mask.shape)}`,
  );
}

/** keyPaddingMask as (B, 1, 1, S), or null. */
function paddingMask({ keyPaddingMask }: MultiHeadOptions, q: Tensor, sizes: Sizes): Tensor | null {
  const { batchDim, B, S } = sizes;
  const given = keyPaddingMask ?? null;
  if (given === null) return null;
  const mask = checkMask(OP, "keyPaddingMask", given.code === UINT8 ? given.to("bool") : given, q);
  const expected = batchDim === null ? [S] : [B, S];
  if (!sameShape(mask.shape, expected)) {
    throw new ShapeError(
      `[${OP}] expected a keyPaddingMask of shape ${show(expected)}, got ${show(mask.shape)}`,
    );
  }
  return reshape(mask, [B, 1, 1, S]);
}
