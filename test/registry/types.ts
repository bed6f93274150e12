/** What the registry of ops holds: samples, references and error inputs; the generated suite does the rest. */
import type * as families from "../../src/ops/families.js";
import type * as functions from "../../src/ops/functions.js";

/** One call of an op; `args` makes fresh tensors each time, the same values every time. */
export interface Sample {
  readonly name: string;
  readonly args: () => unknown[];
  /** Expected values in row-major order (of the first output), from a formula in plain TypeScript. */
  readonly expected?: () => readonly number[];
}

/** A call that must throw, with a part of its message. */
export interface ErrorInput {
  readonly name: string;
  readonly args: () => unknown[];
  readonly message: RegExp;
}

/** The checks that every op goes through. */
export type Check = "gradcheck" | "gradgradcheck" | "nonContiguous" | "float32" | "noGrad" | "method";

/** Everything the suite knows of one op. */
export interface OpEntry {
  readonly samples: readonly Sample[];
  readonly errors?: readonly ErrorInput[];
  /** Whether outputs carry gradients when inputs do (default true); the suite checks that this is so. */
  readonly differentiable?: boolean;
  /** Checks left out, each with its reason. */
  readonly skips?: Readonly<Partial<Record<Check, string>>>;
  /** Relative tolerance of float32 against float64 results (default 2e-6: a few roundings). */
  readonly float32?: number;
}

/**
 * Exports of the op files that are no ops: reading out, sampling, questions about shape or storage; and the native
 * norms, whose statistics carry no gradient (the norms themselves are tested with their layers).
 */
export type NotAnOp =
  | "nativeBatchNorm"
  | "nativeLayerNorm"
  | "asTensor"
  | "asarray"
  | "isFloatingPoint"
  | "isInference"
  | "isNonzero"
  | "isSigned"
  | "resultType"
  | "item"
  | "toArray"
  | "toTypedArray"
  | "allclose"
  | "equal"
  | "fill"
  | "bernoulli"
  | "multinomial"
  | "normal"
  | "poisson"
  | "binomial"
  | "asarray"
  | "asTensor"
  | "resultType"
  | "isFloatingPoint"
  | "isInference"
  | "isNonzero"
  | "isSigned";

type Exports = keyof typeof families | keyof typeof functions;

/** Names of all ops: leaving one out of the registry is a compile error. */
export type OpName = Exclude<Exports, NotAnOp>;

/** The registry: an entry for every op. */
export type Registry = Readonly<Record<OpName, OpEntry>>;
