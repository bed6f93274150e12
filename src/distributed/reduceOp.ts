/** How the elements of several ranks become one. Source: `torch.distributed.ReduceOp`. */

/**
 * A reduction: `"avg"` is the sum divided by the number of ranks (floats, and integers towards zero), `"band"`, `"bor"`
 * and `"bxor"` work on the bits of integers. On bool, `"sum"` and `"max"` are or, `"product"` and `"min"` are and.
 */
export type ReduceOp = "sum" | "product" | "min" | "max" | "avg" | "band" | "bor" | "bxor";

/** The reductions by PyTorch's names. Source: `torch.distributed.ReduceOp`. */
export const ReduceOp = {
  /** The sum. */
  SUM: "sum",
  /** The product. */
  PRODUCT: "product",
  /** The smallest. */
  MIN: "min",
  /** The largest. */
  MAX: "max",
  /** The sum divided by the number of ranks. */
  AVG: "avg",
  /** Bitwise and. */
  BAND: "band",
  /** Bitwise or. */
  BOR: "bor",
  /** Bitwise exclusive or. */
  BXOR: "bxor",
} as const;

/** All reductions, in the order of their numbers in headers. */
export const REDUCE_OPS: readonly ReduceOp[] = Object.values(ReduceOp);
