/** Attention: scaledDotProductAttention and multiHeadAttentionForward. */

import { add, mul } from "../../ops/arithmetic.js";
import { repeatInterleave } from "../../ops/arrange.js";
import { attention } from "../../ops/attention.js";
import { needTensor } from "../../ops/core.js";
import { tril, triu } from "../../ops/diagonal.js";
import { cat } from "../../ops/join.js";
import { linear } from "../../ops/linear.js";
import { logicalNot, logicalOr } from "../../ops/logical.js";
import { baddbmm, bmm, matmul } from "../../ops/matmul.js";
import { all } from "../../ops/reduce.js";
import { softmax } from "../../ops/softmax.js";
import { chunk, splitWithSizes } from "../../ops/split.js";
import { mean } from "../../ops/sum.js";
import { expand, reshape, squeeze, transpose, unsqueeze } from "../../ops/view.js";
import { maskedFill } from "../../ops/where.js";
import { ones, zeros } from "../../tensor/create.js";
import { BOOL, isFloat, nameOf, UINT8 } from "../../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../../tensor/errors.js";
import { drop } from "../../tensor/heap.js";
import { checkOptions, type OptionNames } from "../../tensor/options.js";
import { broadcastShapes, numelOf, type Shape } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import { chooseBackend } from "../attention/backends.js";
import { CausalBias } from "../attention/causalBias.js";
import { dropout } from "./dropout.js";

const OP = "scaledDotProductAttention";

/** Options of {@link scaledDotProductAttention}. */
export interface AttentionOptions {
  /** bool (true takes part) or floating (added to the scores), broadcast to (..., L, S); or a causal mask. */
  attnMask?: Tensor | CausalBias | null;
  /** Dropout of the weights (default 0); applied whenever it is not 0. */
  dropoutP?: number;
  /** Each query sees keys up to its own position (default false). */
  isCausal?: boolean;
  /** Factor of the scores (default 1/sqrt(E)). */
  scale?: number | null;
  /** Key and value may have fewer heads, each shared by a group of queries (default false). */
  enableGqa?: boolean;
}

const ATTENTION_OPTIONS: OptionNames<AttentionOptions> = {
  attnMask: 1,
  dropoutP: 1,
  isCausal: 1,
  scale: 1,
  enableGqa: 1,
};

/**
 * softmax(scale Q K^T + mask) V. query (..., L, E), key (..., S, E), value (..., S, Ev); gives (..., L, Ev).
 * A query that sees no key gets zeros. Source: `torch.nn.functional.scaled_dot_product_attention`.
 * @example
 * scaledDotProductAttention(randn([2, 4, 8, 16]), randn([2, 4, 8, 16]), randn([2, 4, 8, 16]), { isCausal: true });
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions = {},
): Tensor {
  needTensor(OP, query, "query");
  needTensor(OP, key, "key");
  needTensor(OP, value, "value");
  checkOptions("scaledDotProductAttention", options, ATTENTION_OPTIONS);
  const { dropoutP = 0, enableGqa = false } = options;
  checkAttention(OP, query, key, value);
  const width = query.shape.at(-1) as number;
  const scale = options.scale ?? 1 / Math.sqrt(width);
  const [L, S] = [query.shape.at(-2) as number, key.shape.at(-2) as number];
  const { isCausal, attnMask } = maskOf(options, L, S);
  const [k, v] = enableGqa ? shareHeads(OP, query, key, value) : [key, value];
  const backend = chooseBackend(OP, {
    dropout: dropoutP > 0,
    mask: attnMask !== null,
    learnedMask: attnMask?.requiresGrad === true,
  });
  if (S === 0 || backend === "math") {
    const mask = isCausal ? tril(ones([L, S], { dtype: "bool" })) : attnMask;
    return attendPlainly(query, k, v, scale, mask, dropoutP);
  }
  const lead = broadcastShapes(
    OP,
    broadcastShapes(OP, query.shape.slice(0, -2), k.shape.slice(0, -2)),
    v.shape.slice(0, -2),
  );
  const heads = lead.at(-1) ?? 1;
  const batch = [heads === 0 ? 0 : numelOf(lead) / heads, heads];
  const flat = (t: Tensor): Tensor => {
    const rest = t.shape.slice(-2);
    return reshape(expand(t, [...lead, ...rest]), [...batch, ...rest]);
  };
  const mask = attnMask === null ? null : flatMask(attnMask, lead, L, S, query);
  const given = [query, k, v];
  const [fq, fk, fv] = given.map(flat) as [Tensor, Tensor, Tensor];
  const out = attention(fq, fk, fv, { scale, isCausal, mask });
  // Copies that were made here have no other handle: freed with the graph, or now where there is none.
  [fq, fk, fv].forEach((made, i) => {
    if (made.storage !== (given[i] as Tensor).storage) drop(made.storage);
  });
  return reshape(out, [...lead, L, v.shape.at(-1) as number]);
}

/** What the options say of the mask: a causal one that begins in the corner, or a tensor, or neither. */
function maskOf(
  { attnMask = null, isCausal = false }: AttentionOptions,
  L: number,
  S: number,
): { isCausal: boolean; attnMask: Tensor | null } {
  if (isCausal && attnMask !== null) {
    throw new ValueError(`[${OP}] isCausal and attnMask exclude each other; try one of them`);
  }
  if (!(attnMask instanceof CausalBias)) return { isCausal, attnMask };
  if (attnMask.seqLenQ !== L || attnMask.seqLenKv !== S) {
    throw new ShapeError(`[${OP}] attnMask: got ${attnMask}, expected one for ${L} queries and ${S} keys`);
  }
  return attnMask.isUpperLeft
    ? { isCausal: true, attnMask: null }
    : { isCausal: false, attnMask: attnMask.toTensor() };
}

/** Each head of keys and values as often as a group of queries shares it. @internal */
export function shareHeads(op: string, query: Tensor, key: Tensor, value: Tensor): [Tensor, Tensor] {
  const heads = query.shape.at(-3) as number;
  const [k, v] = [key, value].map((t) => {
    const few = t.shape.at(-3) as number;
    if (heads % few !== 0) {
      throw new ShapeError(`[${op}] ${heads} query heads cannot be shared among ${few} key heads`);
    }
    return repeatInterleave(t, heads / few, { dim: -3 });
  });
  return [k as Tensor, v as Tensor];
}

/** Throws unless dimensions, dtypes and widths fit each other. @internal */
export function checkAttention(op: string, query: Tensor, key: Tensor, value: Tensor): void {
  const label = `[${op}]`;
  if (query.ndim < 2 || key.ndim < 2 || value.ndim < 2) {
    throw new ShapeError(
      `${label} expected at least 2 dimensions, got ${show(query.shape)}, ${show(key.shape)}, ${show(value.shape)}`,
    );
  }
  if (query.code !== key.code || key.code !== value.code) {
    throw new DTypeError(
      `${label} expected query, key and value of one dtype, got ${query.dtype}, ${key.dtype}, ${value.dtype}; try .to("${query.dtype}")`,
    );
  }
  if (!isFloat(query.code))
    throw new DTypeError(`${label} expected a floating dtype, got ${query.dtype}; try .to("float32")`);
  if (query.shape.at(-1) !== key.shape.at(-1)) {
    throw new ShapeError(
      `${label} expected query and key of one width: got ${show(query.shape)} and ${show(key.shape)}, whose last dimensions differ`,
    );
  }
  if (key.shape.at(-2) !== value.shape.at(-2)) {
    throw new ShapeError(
      `${label} expected as many values as keys: got key ${show(key.shape)} and value ${show(value.shape)}, whose ` +
        "dimensions -2 differ",
    );
  }
}

/** The mask as (1 or B, L, S), floating: what is hidden is -Infinity. */
function flatMask(given: Tensor, lead: Shape, L: number, S: number, like: Tensor): Tensor {
  const full = given.ndim <= 2 ? [L, S] : [...lead, L, S];
  const fits = given.shape.every((n, d) => n === 1 || n === full[d + full.length - given.ndim]);
  if (given.ndim > full.length || !fits) {
    throw new ShapeError(
      `[${OP}] attnMask of shape ${show(given.shape)} does not broadcast: expected ${show([...lead, L, S])}, ` +
        "(..., queries, keys), or sizes of 1",
    );
  }
  const mask = given.code === BOOL ? asFloat(logicalNot(given), like) : given.to(like.dtype);
  if (mask.ndim <= 2) return reshape(expand(mask, [L, S]), [1, L, S]);
  return reshape(expand(mask, [...lead, L, S]), [numelOf(lead), L, S]);
}

/** Attention out of plain ops, with dropout of the weights and masks that learn: the weights are made in full. */
function attendPlainly(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  scale: number,
  mask: Tensor | null,
  p: number,
): Tensor {
  let scores = matmul(mul(q, scale), transpose(k, -2, -1));
  const hidden = mask !== null && mask.code === BOOL ? logicalNot(mask) : null;
  if (hidden !== null) scores = maskedFill(scores, hidden, Number.NEGATIVE_INFINITY);
  else if (mask !== null) scores = add(scores, mask);
  let weights = softmax(scores, -1);
  if (hidden !== null) weights = maskedFill(weights, all(hidden, { dim: -1, keepdim: true }), 0);
  if (p > 0) weights = dropout(weights, { p, training: true });
  return matmul(weights, v);
}

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

function project(q: Tensor, k: Tensor, v: Tensor, w: Tensor, b: Tensor | null): Tensor[] {
  const E = q.shape.at(-1) as number;
  if (k === v && q === k) return chunk(linear(q, w, b), 3, -1);
  if (k === v) {
    const [wq, wkv] = splitWithSizes(w, [E, 2 * E], 0) as [Tensor, Tensor];
    const [bq, bkv] = b === null ? [null, null] : (splitWithSizes(b, [E, 2 * E], 0) as [Tensor, Tensor]);
    return [linear(q, wq, bq), ...chunk(linear(k, wkv, bkv), 2, -1)];
  }
  const ws = chunk(w, 3, 0) as [Tensor, Tensor, Tensor];
  const bs = b === null ? [null, null, null] : (chunk(b, 3, 0) as Tensor[]);
  return [q, k, v].map((x, i) => linear(x, ws[i] as Tensor, bs[i] ?? null));
}

/** A mask with one more, visible key at its end. */
function widen(mask: Tensor): Tensor {
  const shape = [...mask.shape.slice(0, -1), 1];
  return cat([mask, zeros(shape, { dtype: mask.dtype })], -1);
}

function checkMask(name: string, mask: Tensor): Tensor {
  if (mask.code === UINT8) return mask.to("bool");
  if (mask.code !== BOOL && !isFloat(mask.code)) {
    throw new DTypeError(
      `[multiHeadAttentionForward] ${name} must be bool or floating, got ${nameOf(mask.code)}`,
    );
  }
  return mask;
}

function asFloat(mask: Tensor, like: Tensor): Tensor {
  if (mask.code !== BOOL) return mask;
  return maskedFill(zeros(mask.shape, { dtype: like.dtype }), mask, Number.NEGATIVE_INFINITY);
}

/**
 * Multi-head attention on (L, B, E) queries and (S, B, E) keys and values (or without B), as
 * `torch.nn.functional.multi_head_attention_forward`: [output, weights or null].
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
  needTensor("multiHeadAttentionForward", query, "query");
  needTensor("multiHeadAttentionForward", key, "key");
  needTensor("multiHeadAttentionForward", value, "value");
  checkOptions("multiHeadAttentionForward", options, MULTI_HEAD_OPTIONS);
  const { training = true, needWeights = true, averageAttnWeights = true, isCausal = false } = options;
  const batched = query.ndim === 3;
  if ((query.ndim !== 2 && query.ndim !== 3) || key.ndim !== query.ndim || value.ndim !== query.ndim) {
    throw new ShapeError(
      `[multiHeadAttentionForward] query, key and value must all have 2 or all 3 dimensions, got ${show(query.shape)}, ${show(key.shape)}, ${show(value.shape)}`,
    );
  }
  const lifted = new Map<Tensor, Tensor>();
  const lift = (t: Tensor): Tensor => {
    if (batched) return t;
    const known = lifted.get(t) ?? unsqueeze(t, 1);
    lifted.set(t, known);
    return known;
  };
  const [q0, k0, v0] = [lift(query), lift(key), lift(value)];
  const [L, B, E] = q0.shape as [number, number, number];
  let S = k0.shape[0] as number;
  if (E !== embedDimToCheck)
    throw new ShapeError(
      `[multiHeadAttentionForward] expected a query of width ${embedDimToCheck} (embedDim), got ${E}: query of shape ${show(query.shape)}`,
    );
  const headDim = E / numHeads;
  if (!Number.isInteger(headDim))
    throw new ShapeError(
      `[multiHeadAttentionForward] embedDim must be divisible by numHeads: got ${E} and ${numHeads}`,
    );
  if (k0.shape[1] !== B || v0.shape[1] !== B) {
    throw new ShapeError(
      `[multiHeadAttentionForward] expected query, key and value of one batch size, got ${show(query.shape)}, ` +
        `${show(key.shape)}, ${show(value.shape)}: dimension 1 differs; try { batchFirst: true } for (B, L, E)`,
    );
  }
  const separate = options.useSeparateProjWeight === true;
  if (
    separate ? k0.shape[0] !== v0.shape[0] || k0.shape[1] !== v0.shape[1] : show(k0.shape) !== show(v0.shape)
  ) {
    throw new ShapeError(
      `[multiHeadAttentionForward] expected a key and a value of one shape, got ${show(key.shape)} and ${show(value.shape)}; ` +
        "try { kdim, vdim } for other widths",
    );
  }
  let q: Tensor;
  let k: Tensor;
  let v: Tensor;
  if (separate) {
    const weights = [options.qProjWeight, options.kProjWeight, options.vProjWeight];
    const biases = inProjBias === null ? [null, null, null] : chunk(inProjBias, 3, 0);
    [q, k, v] = [q0, k0, v0].map((x, i) => linear(x, weights[i] as Tensor, biases[i] ?? null)) as [
      Tensor,
      Tensor,
      Tensor,
    ];
  } else [q, k, v] = project(q0, k0, v0, inProjWeight as Tensor, inProjBias) as [Tensor, Tensor, Tensor];

  let mask =
    options.attnMask === undefined || options.attnMask === null
      ? null
      : checkMask("attnMask", options.attnMask);
  if (mask === null && isCausal) mask = triu(ones([L, S], { dtype: "bool" }), 1);
  if (mask !== null) {
    const expected = mask.ndim === 2 ? [L, S] : [B * numHeads, L, S];
    if (show(mask.shape) !== show(expected)) {
      throw new ShapeError(
        `[multiHeadAttentionForward] expected an attnMask of shape ${show([L, S])} or ${show([B * numHeads, L, S])}, got ${show(mask.shape)}`,
      );
    }
    if (mask.ndim === 2) mask = unsqueeze(mask, 0);
  }
  let padding = options.keyPaddingMask ?? null;
  if (padding !== null) {
    padding = checkMask("keyPaddingMask", padding);
    if (padding.ndim !== (batched ? 2 : 1)) {
      throw new ShapeError(
        `[multiHeadAttentionForward] expected a keyPaddingMask of shape ${show(batched ? [B, S] : [S])}, got ${show(padding.shape)}`,
      );
    }
    if (!batched) padding = unsqueeze(padding, 0);
  }
  const extend = () => {
    S++;
    if (mask !== null) mask = widen(mask);
    if (padding !== null) padding = widen(padding);
  };
  if (biasK !== null && biasV !== null) {
    k = cat([k, expand(biasK, [1, B, E])], 0);
    v = cat([v, expand(biasV, [1, B, E])], 0);
    extend();
  }
  const heads = (t: Tensor) => transpose(reshape(t, [t.shape[0] as number, B * numHeads, headDim]), 0, 1);
  q = heads(q);
  k = options.staticK ?? heads(k);
  v = options.staticV ?? heads(v);
  if (addZeroAttn) {
    const zero = zeros([B * numHeads, 1, headDim], { dtype: k.dtype });
    k = cat([k, zero], 1);
    v = cat([v, zero], 1);
    extend();
  }
  S = k.shape[1] as number;
  if (padding !== null) {
    if (show(padding.shape) !== show([B, S])) {
      throw new ShapeError(
        `[multiHeadAttentionForward] expected a keyPaddingMask of shape ${show([B, S])}, got ${show(padding.shape)}`,
      );
    }
    const wide = reshape(expand(reshape(padding, [B, 1, 1, S]), [B, numHeads, 1, S]), [B * numHeads, 1, S]);
    if (mask === null) mask = wide;
    else if (mask.code === BOOL && wide.code === BOOL) mask = logicalOr(mask, wide);
    else mask = add(asFloat(mask, q), asFloat(wide, q));
  }
  const scale = 1 / Math.sqrt(headDim);
  const drops = training && dropoutP > 0;
  let weights: Tensor | null = null;
  let out: Tensor;
  if (needWeights || drops || mask?.requiresGrad === true) {
    const scaled = mul(q, scale);
    const kt = transpose(k, -2, -1);
    weights = softmax(mask === null ? bmm(scaled, kt) : baddbmm(asFloat(mask, q), scaled, kt), -1);
    if (drops) weights = dropout(weights, { p: dropoutP, training: true });
    out = bmm(weights, v);
  } else out = attention(q, k, v, { scale, isCausal: false, mask: mask === null ? null : asFloat(mask, q) });
  out = linear(reshape(transpose(out, 0, 1), [L * B, E]), outProjWeight, outProjBias);
  out = reshape(out, [L, B, out.shape[1] as number]);
  if (!batched) out = squeeze(out, 1);
  if (!needWeights || weights === null) return [out, null];
  let shown = reshape(weights, [B, numHeads, L, S]);
  if (averageAttnWeights) shown = mean(shown, 1);
  return [out, batched ? shown : squeeze(shown, 0)];
}
