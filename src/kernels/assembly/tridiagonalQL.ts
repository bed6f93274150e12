// Eigenvalues of symmetric tridiagonal matrices in float64, by implicit QL or QR iteration, from the smaller end of each
// block (LAPACK's steqr). The rotations go to a list.
import { CONVERGED, cosine, HEAD, NO_ROOM, NOT_CONVERGED, NOT_FINITE, PAIR } from "./givens";
import { putHead, putPair, ROUNDING, radius, SMALLEST, sine, sortPlaces } from "./givens";
import { giveSlot, slotScratch, takeSlot } from "./slots";
import { at, hypotenuse, value } from "./vectors";

/** Most sweeps: this times n. */
const MAX_SWEEPS: i32 = 30;

/**
 * The eigenvalues of (a b; b c), the one of larger magnitude to d, the other behind it, and the first one's vector (c, s)
 * to `to`, as LAPACK's laev2 computes them.
 */
function solveTwo(a: f64, b: f64, c: f64, d: usize, to: usize): void {
  const sum = a + c;
  const gap = a - c;
  const twice = b + b;
  const root = hypotenuse(gap, twice);
  const larger = abs(a) > abs(c) ? a : c;
  const smaller = abs(a) > abs(c) ? c : a;
  const first = 0.5 * (sum < 0 ? sum - root : sum + root);
  store<f64>(d, first);
  store<f64>(d, sum == 0 ? -0.5 * root : (larger / first) * smaller - (b / first) * b, 8);
  const cs = gap >= 0 ? gap + root : gap - root;
  let cosine: f64 = 1;
  let sine: f64 = 0;
  if (abs(cs) > abs(twice)) {
    const t = -twice / cs;
    sine = 1 / sqrt(1 + t * t);
    cosine = t * sine;
  } else if (twice != 0) {
    const t = -cs / twice;
    cosine = 1 / sqrt(1 + t * t);
    sine = t * cosine;
  }
  if (sum < 0 == gap < 0) putPair(to, -sine, cosine);
  else putPair(to, cosine, sine);
}

/** A step from row `from` towards row `to` of the matrix with the diagonal d and e beside it, `count` rotations. */
function sweep(d: usize, e: usize, from: i32, to: i32, pairs: usize, bytes: usize): void {
  const step: i32 = from < to ? 1 : -1;
  const sign = <f64>step;
  // Beside row i towards the next one is e[i + off].
  const off = step < 0 ? -1 : 0;
  const last = value(d, to);
  const side = value(e, to - step + off);
  const q = (value(d, to - step) - last) / (2 * side);
  let g = value(d, from) - last + side / (q + copysign(hypotenuse(q, 1), q));
  let s: f64 = 1;
  let c: f64 = 1;
  let p: f64 = 0;
  for (let i = from; i != to; i += step, pairs += bytes) {
    const x = value(e, i + off);
    const f = s * x;
    const b = c * x;
    const r = radius(g, f);
    c = cosine(g, r);
    s = sine(f, r);
    if (i != from) store<f64>(at(e, i - step + off), r);
    g = value(d, i) - p;
    const t = (value(d, i + step) - g) * s + 2 * c * b;
    p = s * t;
    store<f64>(at(d, i), g + p);
    g = c * t - b;
    putPair(pairs, c, sign * s);
  }
  store<f64>(at(d, to), last - p);
  store<f64>(at(e, to - step + off), g);
}

/**
 * Iterates the matrix until e is 0; d are the eigenvalues then, in any order. The list begins at `to` and ends before
 * `end`; unless `bytes` is 0 it grows.
 */
function iterate(d: usize, e: usize, n: i32, to: usize, end: usize, bytes: usize): i32 {
  const grows: usize = bytes != 0 ? HEAD : 0;
  let sweeps = MAX_SWEEPS * n;
  for (let next: i32 = 0; next < n; ) {
    // The block from row `next` on, up to the first small element beside the diagonal.
    let row = next;
    let stop = next;
    for (; stop < n - 1; stop++) {
      const side = abs(value(e, stop));
      if (side <= sqrt(abs(value(d, stop))) * sqrt(abs(value(d, stop + 1))) * ROUNDING) break;
    }
    if (stop < n - 1) store<f64>(at(e, stop), 0);
    next = stop + 1;
    if (abs(value(d, stop)) < abs(value(d, row))) {
      const other = row;
      row = stop;
      stop = other;
    }
    const step: i32 = row <= stop ? 1 : -1;
    const off = step < 0 ? -1 : 0;
    // Its eigenvalues are found one after the other, from `row` on.
    while ((stop - row) * step > 0) {
      let from = row;
      for (; from != stop; from += step) {
        const side = value(e, from + off);
        const neighbours = abs(value(d, from)) * abs(value(d, from + step));
        if (side * side <= ROUNDING * ROUNDING * neighbours + SMALLEST) {
          store<f64>(at(e, from + off), 0);
          break;
        }
      }
      const count = (from - row) * step;
      if (count == 0) {
        row += step;
        continue;
      }
      if (to + 2 * HEAD + <usize>count * bytes > end) return NO_ROOM;
      if (count == 1) {
        const low = min(row, from);
        const pair = at(d, low);
        putHead(to, low, 1);
        solveTwo(load<f64>(pair), value(e, low), load<f64>(pair, 8), pair, to + HEAD);
        store<f64>(at(e, low), 0);
        row += 2 * step;
      } else {
        if (sweeps-- == 0) return NOT_CONVERGED;
        putHead(to, from, -step * count);
        sweep(d, e, from, row, to + HEAD, bytes);
      }
      to += grows + <usize>count * bytes;
    }
  }
  if (bytes != 0) putHead(to, 0, 0);
  return CONVERGED;
}

/** to[n] = from[n], or the other way round. */
function copyTurned(to: usize, from: usize, n: i32, turned: bool): void {
  for (let i: i32 = 0; i < n; i++) store<f64>(at(to, i), value(from, turned ? n - 1 - i : i));
}

/**
 * Eigenvalues values[count, n], from small to large and times sizes[count], of the tridiagonal matrices d[count, n],
 * e[count, n], whose rows are taken from the last to the first with `turned`. The places at which their vectors end are
 * orders[count, n], after the rotations of lists[count], `room` bytes each; with room 0 only the values are told.
 * infos[count] as the constants above say.
 */
export function tridiagonalQL_f64(
  d: usize, e: usize, sizes: usize, values: usize, lists: usize, room: i32, orders: usize, infos: usize, count: i32,
  n: i32, turned: i32, slots: usize, slotCount: i32, slotBytes: usize,
): void {
  const slot = takeSlot(slots, slotCount);
  const dw = slotScratch(slots, slotCount, slotBytes, slot);
  const ew = at(dw, n);
  const one = at(ew, n);
  for (let b: i32 = 0; b < count; b++) {
    const size = value(sizes, b);
    let info = NOT_FINITE;
    if (size == size) {
      copyTurned(dw, d, n, turned != 0);
      copyTurned(ew, e, n - 1, turned != 0);
      if (room == 0) info = iterate(dw, ew, n, one, usize.MAX_VALUE, 0);
      else info = iterate(dw, ew, n, lists, lists + room, PAIR);
    }
    store<i32>(infos + (<usize>b << 2), info);
    if (info == CONVERGED) {
      sortPlaces(orders, dw, n, false);
      for (let i: i32 = 0; i < n; i++) {
        store<f64>(at(values, i), value(dw, load<i32>(orders + (<usize>i << 2))) * size);
      }
    }
    d = at(d, n);
    e = at(e, n);
    values = at(values, n);
    lists += room;
    orders += <usize>n << 2;
  }
  giveSlot(slots, slot);
}
