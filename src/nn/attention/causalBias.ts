/** Causal masks that say how they are aligned, for queries and keys of different numbers. */
import { tril } from "../../ops/diagonal.js";
import { ones } from "../../tensor/create.js";
import { ValueError } from "../../tensor/errors.js";
import type { Tensor } from "../../tensor/tensor.js";

/** Where the diagonal of a causal mask begins. Source: `torch.nn.attention.bias.CausalVariant`. */
export const CausalVariant = {
  /** Query i sees keys 0..i. */
  UPPER_LEFT: "upperLeft",
  /** The last query sees all keys: query i of L sees keys 0..i + S - L of S. */
  LOWER_RIGHT: "lowerRight",
} as const;

/** Name of an alignment. */
export type CausalVariant = (typeof CausalVariant)[keyof typeof CausalVariant];

/**
 * A causal mask (L, S) that is never written down where attention can do without: give it as `attnMask`.
 * Source: `torch.nn.attention.bias.CausalBias`.
 * @example
 * nn.attention.causalLowerRight(2, 3).toTensor().toArray(); // [[true, true, false], [true, true, true]]
 */
export class CausalBias {
  /** @throws ValueError for a length that is not a natural number. */
  constructor(
    /** Which corner the diagonal starts from. */
    readonly variant: CausalVariant,
    /** Number of queries, L. */
    readonly seqLenQ: number,
    /** Number of keys, S. */
    readonly seqLenKv: number,
  ) {
    for (const [name, n] of Object.entries({ seqLenQ, seqLenKv })) {
      if (!Number.isInteger(n) || n < 0)
        throw new ValueError(`[CausalBias] ${name}: got ${n}, expected an integer of at least 0`);
    }
  }

  /** Whether query i sees keys 0..i: what `isCausal` says. */
  get isUpperLeft(): boolean {
    return this.variant === "upperLeft" || this.seqLenQ === this.seqLenKv;
  }

  /** The mask as bool (L, S): true takes part. */
  toTensor(): Tensor {
    const seen = ones([this.seqLenQ, this.seqLenKv], { dtype: "bool" });
    return tril(seen, this.isUpperLeft ? 0 : this.seqLenKv - this.seqLenQ);
  }

  /** The class with its variant and lengths. */
  toString(): string {
    return `CausalBias(${this.variant}, ${this.seqLenQ}, ${this.seqLenKv})`;
  }
}

/** The causal mask of L queries and S keys: query i sees keys 0..i. Source: `torch.nn.attention.bias.causal_upper_left`. */
export function causalUpperLeft(seqLenQ: number, seqLenKv: number): CausalBias {
  return new CausalBias("upperLeft", seqLenQ, seqLenKv);
}

/**
 * The causal mask of L queries that are the last of S positions, as when decoding with a cache of keys.
 * Source: `torch.nn.attention.bias.causal_lower_right`.
 */
export function causalLowerRight(seqLenQ: number, seqLenKv: number): CausalBias {
  return new CausalBias("lowerRight", seqLenQ, seqLenKv);
}
