// How threads share the calls of a batch. Each thread has a range of its own, and takes from the others when that is
// empty: so in one batch after the other a thread works on the same part of the data, as far as its cache holds it.
// Batches go through their ranges forward and backward in turn: what the last one touched last is touched first.

import { BACKWARD, CLAIM_WORDS, CLAIMS, COUNT, RANGES } from "./layout.js";

/** First call of range `range`; it ends where the next one starts. */
export function rangeStart(range: number, ranges: number, count: number): number {
  return Math.floor((range * count) / ranges);
}

/**
 * Claims a call for the asking thread and returns it, -1 when the batch has none left. `own` is the thread's number.
 * A thread that comes late finds nothing, or claims a call of the batch that has begun since: a claimed call keeps its
 * batch from ending, so what is read of the batch after the claim belongs to it.
 */
export function claim(control: Int32Array, own: number): number {
  const ranges = Atomics.load(control, RANGES);
  for (let i = 0; i < ranges; i++) {
    const range = (own + i) % ranges;
    const word = CLAIMS + CLAIM_WORDS * range;
    if (Atomics.load(control, word) <= 0) continue;
    const left = Atomics.sub(control, word, 1);
    if (left <= 0) continue;
    const [n, count] = [Atomics.load(control, RANGES), Atomics.load(control, COUNT)];
    return Atomics.load(control, BACKWARD) === 1
      ? rangeStart(range, n, count) + left - 1
      : rangeStart(range + 1, n, count) - left;
  }
  return -1;
}
