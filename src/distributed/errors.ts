/** Errors of collectives: what was called, where in the order of calls, and which ranks it concerns. */
import { KindlingError } from "../tensor/errors.js";

/** What an error of a collective knows besides its text. */
export interface DistErrorFacts {
  /** The function that was called, such as `allReduce`. */
  readonly op: string;
  /** How many collectives the group had begun, this one included; null outside of collectives. */
  readonly sequenceNumber: number | null;
  /** The ranks (in the world) that are missing, gone, or at odds with this one. */
  readonly ranks: readonly number[];
}

/**
 * Base of the errors of `kindling/distributed`. When the collective was called in the forward of a layer, the text ends
 * with the layer's path. Source: `torch.distributed.DistError`.
 */
export class DistError extends KindlingError {
  override name = "DistError";
  /** The function that was called, such as `allReduce`. */
  readonly op: string;
  /** How many collectives the group had begun, this one included; null outside of collectives. */
  readonly sequenceNumber: number | null;
  /** The ranks (in the world) that are missing, gone, or at odds with this one. */
  readonly ranks: readonly number[];

  constructor(message: string, facts: DistErrorFacts) {
    super(message);
    this.op = facts.op;
    this.sequenceNumber = facts.sequenceNumber;
    this.ranks = facts.ranks;
  }
}

/** Ranks did not join a collective, or a message was not taken or sent, within the timeout. */
export class DistTimeoutError extends DistError {
  override name = "DistTimeoutError";
}

/** Ranks called different collectives, or the same one with other shapes, dtypes, roots or reductions. */
export class DistMismatchError extends DistError {
  override name = "DistMismatchError";
}

/** A rank threw an error, exited or was killed while others wait for it. */
export class RankFailedError extends DistError {
  override name = "RankFailedError";
}

/** A backend is not there: no threads world, no MPI library, no koffi. Source: `torch.distributed.DistBackendError`. */
export class DistBackendError extends KindlingError {
  override name = "DistBackendError";
}

/** `rank 3` or `ranks 0, 2`. */
export function showRanks(ranks: readonly number[]): string {
  return `${ranks.length === 1 ? "rank" : "ranks"} ${ranks.join(", ")}`;
}
