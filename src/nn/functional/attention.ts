/** Scaled dot product attention. */

import { add, mul } from "../../ops/arithmetic.js";
import { repeatInterleave } from "../../ops/arrange.js";
import { attention } from "../../ops/attention.js";
import { needTensor } from "../../ops/core.js";
import { tril } from "../../ops/diagonal.js";
import { logicalNot } from "../../ops/logical.js";
import { matmul } from "../../ops/matmul.js";
import { all } from "../../ops/reduce.js";
import { softmax } from "../../ops/softmax.js";
import { expand, reshape, transpose } from "../../ops/view.js";
import { maskedFill } from "../../ops/where.js";
import { ones, zeros } from "../../tensor/create.js";
import { BOOL, isFloat, nameOf } from "../../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../../tensor/errors.js";
import { drop } from "../../tensor/heap.js";
import { checkOptions, type OptionNames } from "../../tensor/options.js";
import { broadcastShapes, numelOf, type Shape, sameShape } from "../../tensor/shape.js";
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
  // Without a width all scores are 0, and must not be 0 times Infinity.
  const scale = options.scale ?? 1 / Math.sqrt(Math.max(width, 1));
  const [L, S] = [query.shape.at(-2) as number, key.shape.at(-2) as number];
  const { isCausal, attnMask } = maskOf(options, query, L, S);
  const [k, v] = enableGqa ? shareHeads(OP, query, key, value) : [key, value];
  const backend = chooseBackend(OP, {
    dropout: dropoutP !== 0,
    mask: attnMask !== null,
    learnedMask: attnMask?.requiresGrad === true,
  });
  const lead = broadcastShapes(
    OP,
    broadcastShapes(OP, query.shape.slice(0, -2), k.shape.slice(0, -2)),
    v.shape.slice(0, -2),
  );
  const scores = [...lead, L, S];
  if (attnMask !== null) checkMaskShape(attnMask, scores);
  if (S === 0 || backend === "math") {
    const mask = isCausal ? tril(ones([L, S], { dtype: "bool" })) : attnMask;
    return attendPlainly(query, k, v, scale, mask, dropoutP)[0];
  }
  const heads = lead.at(-1) ?? 1;
  const batch = [heads === 0 ? 0 : numelOf(lead) / heads, heads];
  const flat = (t: Tensor): Tensor => {
    const rest = t.shape.slice(-2);
    const shape = [...batch, ...rest];
    return sameShape(t.shape, shape) ? t : reshape(expand(t, [...lead, ...rest]), shape);
  };
  const mask = attnMask === null ? null : flatMask(attnMask, scores, query);
  const given = [query, k, v];
  const [fq, fk, fv] = given.map(flat) as [Tensor, Tensor, Tensor];
  const out = attention(fq, fk, fv, { scale, isCausal, mask });
  // Copies that were made here have no other handle: freed with the graph, or now where there is none.
  [fq, fk, fv].forEach((made, i) => {
    if (made.storage !== (given[i] as Tensor).storage) drop(made.storage);
  });
  return lead.length === 2 ? out : reshape(out, [...lead, L, v.shape.at(-1) as number]);
}

/** What the options say of the mask: a causal one that begins in the corner, or a tensor, or neither. */
function maskOf(
  { attnMask = null, isCausal = false }: AttentionOptions,
  query: Tensor,
  L: number,
  S: number,
): { isCausal: boolean; attnMask: Tensor | null } {
  if (isCausal && attnMask !== null) {
    throw new ValueError(`[${OP}] isCausal and attnMask exclude each other; try one of them`);
  }
  if (attnMask === null) return { isCausal, attnMask };
  if (!(attnMask instanceof CausalBias))
    return { isCausal, attnMask: checkMask(OP, "attnMask", attnMask, query) };
  if (attnMask.seqLenQ !== L || attnMask.seqLenKv !== S) {
    throw new ShapeError(`[${OP}] attnMask: got ${attnMask}, expected one for ${L} queries and ${S} keys`);
  }
  return attnMask.isUpperLeft
    ? { isCausal: true, attnMask: null }
    : { isCausal: false, attnMask: attnMask.toTensor() };
}

/** A mask of scores: bool, or floating and of their dtype. Throws for integers. @internal */
export function checkMask(op: string, name: string, mask: Tensor, scores: Tensor): Tensor {
  if (mask.code === BOOL || mask.code === scores.code) return mask;
  if (isFloat(mask.code)) return mask.to(scores.dtype);
  throw new DTypeError(`[${op}] ${name} must be bool or floating, got ${nameOf(mask.code)}; try .to("bool")`);
}

/** Each head of keys and values as often as a group of queries shares it. @internal */
export function shareHeads(op: string, query: Tensor, key: Tensor, value: Tensor): [Tensor, Tensor] {
  if (query.ndim < 3 || key.ndim < 3 || value.ndim < 3) {
    throw new ShapeError(
      `[${op}] enableGqa needs heads, (..., heads, L, E): got ${show(query.shape)}, ${show(key.shape)}, ${show(value.shape)}`,
    );
  }
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

/** Throws unless the mask broadcasts to the scores, (..., L, S), and makes them no larger. */
function checkMaskShape(mask: Tensor, scores: Shape): void {
  const full = mask.ndim <= 2 ? scores.slice(-2) : scores;
  const fits = mask.shape.every((n, d) => n === 1 || n === full[d + full.length - mask.ndim]);
  if (mask.ndim > full.length || !fits) {
    throw new ShapeError(
      `[${OP}] attnMask of shape ${show(mask.shape)} does not broadcast: expected ${show(scores)}, ` +
        "(..., queries, keys), or sizes of 1",
    );
  }
}

/** The mask as (1 or B, L, S), floating: what is hidden is -Infinity. */
function flatMask(given: Tensor, scores: Shape, like: Tensor): Tensor {
  const mask = asFloat(given.code === BOOL ? logicalNot(given) : given, like);
  const rest = scores.slice(-2);
  if (mask.ndim <= 2) return reshape(expand(mask, rest), [1, ...rest]);
  return reshape(expand(mask, scores), [numelOf(scores.slice(0, -2)), ...rest]);
}

/** What a bool mask hides as -Infinity, to be added to scores; a floating one as it is. @internal */
export function asFloat(mask: Tensor, scores: Tensor): Tensor {
  if (mask.code !== BOOL) return mask;
  return maskedFill(zeros(mask.shape, { dtype: scores.dtype }), mask, Number.NEGATIVE_INFINITY);
}

/**
 * Attention out of plain ops, with dropout of the weights and masks that learn: the result, and the weights in full.
 * @internal
 */
export function attendPlainly(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  scale: number,
  mask: Tensor | null,
  p: number,
): [Tensor, Tensor] {
  let scores = matmul(mul(q, scale), transpose(k, -2, -1));
  const hidden = mask !== null && mask.code === BOOL ? logicalNot(mask) : null;
  if (hidden !== null) scores = maskedFill(scores, hidden, Number.NEGATIVE_INFINITY);
  else if (mask !== null) scores = add(scores, mask);
  let weights = softmax(scores, -1);
  if (hidden !== null) weights = maskedFill(weights, all(hidden, { dim: -1, keepdim: true }), 0);
  if (p !== 0) weights = dropout(weights, { p, training: true });
  return [matmul(weights, v), weights];
}
