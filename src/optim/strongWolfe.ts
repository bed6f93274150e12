/** The line search of L-BFGS: a step that meets the strong Wolfe conditions, by bracketing and cubic interpolation. */
import type { Tensor } from "../tensor/tensor.js";

/** A point on the line: step t, loss f, gradient g, and slope g . d. */
export interface LinePoint {
  readonly t: number;
  readonly f: number;
  readonly g: Tensor;
  readonly slope: number;
}

/** Loss, gradient and slope at a step along the line. */
export type LineFunction = (t: number) => LinePoint;

/** What the search found, and how often it evaluated the function. */
export interface LineSearchResult {
  readonly point: LinePoint;
  readonly evaluations: number;
}

const C1 = 1e-4;
const C2 = 0.9;
const MAX_ITERATIONS = 25;

/** The least point of the cubic through two points with their slopes, within bounds; their middle without one. */
function cubicInterpolate(a: LinePoint, b: LinePoint, low: number, high: number): number {
  // d1 = ga + gb - 3 (fa - fb) / (ta - tb), d2 = sqrt(d1^2 - ga gb)
  const d1 = a.slope + b.slope - (3 * (a.f - b.f)) / (a.t - b.t);
  const square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (low + high) / 2;
  const d2 = Math.sqrt(square);
  // t = t2 - (t2 - t1) (g2 + d2 - d1) / (g2 - g1 + 2 d2) with t1 <= t2
  const [first, second] = a.t <= b.t ? [a, b] : [b, a];
  const part = (second.slope + d2 - d1) / (second.slope - first.slope + 2 * d2);
  return Math.min(Math.max(second.t - (second.t - first.t) * part, low), high);
}

/** Grows the step until it meets the conditions (one point) or passes a minimum (two points around it). */
function bracket(
  at: LineFunction,
  start: LinePoint,
  first: number,
): { points: LinePoint[]; iterations: number; evaluations: number } {
  let before = start;
  let now = at(first);
  let evaluations = 1;
  for (let i = 0; i < MAX_ITERATIONS; i++) {
    const tooHigh = now.f > start.f + C1 * now.t * start.slope || (i > 1 && now.f >= before.f);
    if (tooHigh) return { points: [before, now], iterations: i, evaluations };
    if (Math.abs(now.slope) <= -C2 * start.slope) return { points: [now], iterations: i, evaluations };
    if (now.slope >= 0) return { points: [before, now], iterations: i, evaluations };
    const t = cubicInterpolate(before, now, now.t + 0.01 * (now.t - before.t), now.t * 10);
    before = now;
    now = at(t);
    evaluations++;
  }
  return { points: [start, now], iterations: MAX_ITERATIONS, evaluations };
}

/**
 * Searches along a line from `start` (t = 0) for a step with sufficient decrease and a flat enough slope.
 * Source: Nocedal and Wright, algorithms 3.5 and 3.6, as `torch.optim.LBFGS` runs them.
 * @param first the step to try first.
 * @param reach largest component of the direction, which turns steps into distances.
 */
export function strongWolfe(
  at: LineFunction,
  start: LinePoint,
  first: number,
  reach: number,
  toleranceChange: number,
): LineSearchResult {
  const found = bracket(at, start, first);
  let { iterations, evaluations } = found;
  const { points } = found;
  let done = points.length === 1;
  let stuck = false;
  // Points by their loss; the lower one is kept as the answer so far.
  let [low, high] = done || (points[0] as LinePoint).f <= (points[1] as LinePoint).f ? [0, 1] : [1, 0];
  while (!done && iterations < MAX_ITERATIONS) {
    const [a, b] = points as [LinePoint, LinePoint];
    const width = Math.abs(b.t - a.t);
    if (width * reach < toleranceChange) break;
    const [least, most] = [Math.min(a.t, b.t), Math.max(a.t, b.t)];
    let t = cubicInterpolate(a, b, least, most);
    const margin = 0.1 * (most - least);
    if (Math.min(most - t, t - least) < margin) {
      // Near an end for the second time, or at one: move inside.
      if (stuck || t >= most || t <= least) {
        t = Math.abs(t - most) < Math.abs(t - least) ? most - margin : least + margin;
        stuck = false;
      } else stuck = true;
    } else stuck = false;
    const now = at(t);
    evaluations++;
    iterations++;
    const best = points[low] as LinePoint;
    if (now.f > start.f + C1 * t * start.slope || now.f >= best.f) {
      points[high] = now;
      [low, high] = (points[0] as LinePoint).f <= (points[1] as LinePoint).f ? [0, 1] : [1, 0];
    } else {
      if (Math.abs(now.slope) <= -C2 * start.slope) done = true;
      else if (now.slope * ((points[high] as LinePoint).t - best.t) >= 0) points[high] = best;
      points[low] = now;
    }
  }
  return { point: points[low] as LinePoint, evaluations };
}
