/** The heap's soft limit, and how it grows. */
import { canSurvey } from "./reachable.js";

/** Where it starts: small where garbage can be collected, since what is filled once stays in the process. */
const START = (canSurvey ? 8 : 32) * 1024 * 1024;
/** Up to here it grows for speed alone: the lower one for small programs, at most the upper one for others. */
const EASY = [48 * 1024 * 1024, 128 * 1024 * 1024] as const;
const MOST = 3 * 1024 ** 3;

/** The most bytes that the heap is to hold, as far as what the current op uses allows. */
export class Limit {
  bytes = START;
  /** Set by hand: then it stays. */
  fixed = false;

  /** Raises it because what is alive needs more. */
  raise(to: number): void {
    if (!this.fixed) this.bytes = Math.max(this.bytes, Math.min(to, MOST));
  }

  /** Raises it because making room takes too long; `live` bytes are known to be in use. */
  raiseForSpeed(to: number, live: number): void {
    const [lower, upper] = EASY;
    this.raise(Math.min(to, Math.max(lower, Math.min(3 * live, upper))));
  }
}
