// Singular values of bidiagonal matrices in float64: Golub and Kahan's implicit QR iteration, with Demmel and Kahan's
// sweeps without a shift where one would cost the small values their digits (LAPACK's bdsqr). The rotations go to a list.
import { CONVERGED, cosine, HEAD, NO_ROOM, NOT_CONVERGED, NOT_FINITE, PAIR } from "./givens";
import { putHead, putPair, ROUNDING, radius, SMALLEST, sine, sortPlaces } from "./givens";
import { giveSlot, slotScratch, takeSlot } from "./slots";
import { at, value } from "./vectors";

/** Relative to their neighbours, elements beside the diagonal up to ROUNDING^(7/8) count as 0. */
const TOLERANCE: f64 = 1.0957886404113424e-14;
/** Most rotations: this times n^2. */
const MAX_TURNS: f64 = 6;

/** The smaller singular value of (f g; 0 h), as LAPACK's las2 computes it. */
function smallerValue(f: f64, g: f64, h: f64): f64 {
  const low = min(abs(f), abs(h));
  const high = max(abs(f), abs(h));
  const side = abs(g);
  if (low == 0) return 0;
  const sum = 1 + low / high;
  const gap = (high - low) / high;
  if (side < high) {
    const q = side / high;
    return (low * 2) / (sqrt(sum * sum + q * q) + sqrt(gap * gap + q * q));
  }
  const q = high / side;
  if (q == 0) return (low * high) / side;
  const a = sum * q;
  const b = gap * q;
  return 2 * ((low / (sqrt(1 + a * a) + sqrt(1 + b * b))) * q);
}

/**
 * The singular values of (f g; 0 h), the larger one to d, the other behind it, with signs, and the rotations from the
 * right and from the left that lead there to `to`, as LAPACK's lasv2 computes them.
 */
function solveTwo(f: f64, g: f64, h: f64, d: usize, to: usize): void {
  const swapped = abs(h) > abs(f);
  const ft = swapped ? h : f;
  const ht = swapped ? f : h;
  const fa = abs(ft);
  const ha = abs(ht);
  const ga = abs(g);
  // The rotations of the matrix with the larger diagonal element first.
  let cl: f64 = 1;
  let sl: f64 = 0;
  let cr: f64 = 1;
  let sr: f64 = 0;
  let small = ha;
  let large = fa;
  if (ga != 0 && fa / ga < ROUNDING) {
    large = ga;
    small = ha > 1 ? fa / (ga / ha) : (fa / ga) * ha;
    sl = ht / g;
    sr = 1;
    cr = ft / g;
  } else if (ga != 0) {
    const gap = fa - ha;
    const l = gap == fa ? 1 : gap / fa;
    const m = g / ft;
    const mm = m * m;
    const t = 2 - l;
    const s = sqrt(t * t + mm);
    const r = l == 0 ? abs(m) : sqrt(l * l + mm);
    const a = 0.5 * (s + r);
    small = ha / a;
    large = fa * a;
    let q: f64;
    if (mm != 0) q = (m / (s + t) + m / (r + l)) * (1 + a);
    else if (l == 0) q = copysign<f64>(2, ft) * copysign<f64>(1, g);
    else q = g / copysign(gap, ft) + m / t;
    const length = sqrt(q * q + 4);
    cr = 2 / length;
    sr = q / length;
    cl = (cr + sr * m) / a;
    sl = ((ht / ft) * sr) / a;
  }
  const csr = swapped ? sl : cr;
  const snr = swapped ? cl : sr;
  const csl = swapped ? sr : cl;
  const snl = swapped ? cr : sl;
  // The sign of the larger value, from the element that is largest.
  let sign: f64;
  if (ga > fa) sign = copysign<f64>(1, snr) * copysign<f64>(1, csl) * copysign<f64>(1, g);
  else if (swapped) sign = copysign<f64>(1, snr) * copysign<f64>(1, snl) * copysign<f64>(1, h);
  else sign = copysign<f64>(1, csr) * copysign<f64>(1, csl) * copysign<f64>(1, f);
  store<f64>(d, copysign(large, sign));
  store<f64>(d, copysign(small, sign * copysign<f64>(1, f) * copysign<f64>(1, h)), 8);
  putPair(to, csr, snr);
  putPair(to + PAIR, csl, snl);
}

/**
 * A QR step of `count` rotations over the rows start, start + step, ... of the matrix with the diagonal d and e beside
 * it. The pairs of the right and of the left vectors go to `to`, a rotation every `bytes`.
 */
function sweep(
  d: usize, e: usize, start: i32, count: i32, step: i32, shift: f64, to: usize, bytes: usize,
): void {
  // Beside row i towards the next one is e[i + off]. Upwards, left and right change their parts.
  const off = step < 0 ? -1 : 0;
  const right = to + (step < 0 ? PAIR : 0);
  const left = to + (step < 0 ? 0 : PAIR);
  const sign = <f64>step;
  let own = value(d, start);
  let cr: f64 = 1;
  let cl: f64 = 1;
  let sl: f64 = 0;
  let f = own;
  let g: f64 = 0;
  let beside = value(e, start + off);
  if (shift != 0) {
    f = (abs(own) - shift) * (copysign<f64>(1, own) + shift / own);
    g = beside;
  }
  let i = start;
  for (let t: i32 = 0; t < count; t++, i += step) {
    const next = value(d, i + step);
    const place = <usize>t * bytes;
    if (shift == 0) {
      f = own * cr;
      const r = radius(f, beside);
      cr = cosine(f, r);
      const sr = sine(beside, r);
      if (t > 0) store<f64>(at(e, i - step + off), sl * r);
      f = cl * r;
      g = next * sr;
      const l = radius(f, g);
      cl = cosine(f, l);
      sl = sine(g, l);
      store<f64>(at(d, i), l);
      putPair(right + place, cr, sign * sr);
      own = next;
      beside = t < count - 1 ? value(e, i + step + off) : 0;
    } else {
      const r = radius(f, g);
      cr = cosine(f, r);
      const sr = sine(g, r);
      if (t > 0) store<f64>(at(e, i - step + off), r);
      f = cr * own + sr * beside;
      const e1 = cr * beside - sr * own;
      g = sr * next;
      const d1 = cr * next;
      const l = radius(f, g);
      cl = cosine(f, l);
      sl = sine(g, l);
      store<f64>(at(d, i), l);
      putPair(right + place, cr, sign * sr);
      f = cl * e1 + sl * d1;
      own = cl * d1 - sl * e1;
      const e2 = t < count - 1 ? value(e, i + step + off) : 0;
      g = sl * e2;
      beside = cl * e2;
    }
    putPair(left + place, cl, sign * sl);
  }
  const h = own * cr;
  store<f64>(at(d, i), shift == 0 ? h * cl : own);
  store<f64>(at(e, i - step + off), shift == 0 ? h * sl : f);
}

/** Makes the lower bidiagonal matrix upper by rotations from the left. */
function turnUpper(d: usize, e: usize, n: i32, to: usize, bytes: usize): void {
  for (let i: i32 = 0; i < n - 1; i++) {
    const r = radius(value(d, i), value(e, i));
    const c = cosine(value(d, i), r);
    const s = sine(value(e, i), r);
    const next = value(d, i + 1);
    store<f64>(at(d, i), r);
    store<f64>(at(e, i), s * next);
    store<f64>(at(d, i + 1), c * next);
    const pair = to + <usize>i * bytes;
    putPair(pair, 1, 0);
    putPair(pair + PAIR, c, s);
  }
}

/** Below this, elements beside the diagonal count as 0. */
function thresholdOf(d: usize, e: usize, n: i32): f64 {
  let mu = abs(value(d, 0));
  let least = mu;
  for (let i: i32 = 1; i < n && least != 0; i++) {
    mu = abs(value(d, i)) * (mu / (mu + abs(value(e, i - 1))));
    least = min(least, mu);
  }
  return max((TOLERANCE * least) / sqrt(<f64>n), MAX_TURNS * <f64>n * <f64>n * SMALLEST);
}

/**
 * Iterates the upper bidiagonal matrix (the lower one with `lower`) until e is 0; d are the singular values then, with
 * signs, in any order. The list begins at `to` and ends before `end`; unless `bytes` is 0 it grows.
 */
function iterate(d: usize, e: usize, n: i32, lower: bool, to: usize, end: usize, bytes: usize): i32 {
  const grows: usize = bytes != 0 ? HEAD : 0;
  if (lower) {
    putHead(to, 0, n - 1);
    turnUpper(d, e, n, to + HEAD, bytes);
    to += grows + <usize>(n - 1) * bytes;
  }
  const threshold = thresholdOf(d, e, n);
  let turns = MAX_TURNS * <f64>n * <f64>n;
  let step: i32 = 1;
  let oldFirst: i32 = -1;
  let oldLast: i32 = -1;
  let last = n - 1;
  while (last > 0) {
    // The block that ends with the last row and has nothing but zeros beside it.
    let most = abs(value(d, last));
    let first = last;
    for (; first > 0; first--) {
      const side = abs(value(e, first - 1));
      if (side <= threshold) {
        store<f64>(at(e, first - 1), 0);
        break;
      }
      most = max(most, max(side, abs(value(d, first - 1))));
    }
    const count = last - first;
    if (count == 0) {
      last--;
      continue;
    }
    if (to + 2 * HEAD + <usize>count * bytes > end) return NO_ROOM;
    if (count == 1) {
      const pair = at(d, first);
      putHead(to, first, 1);
      solveTwo(load<f64>(pair), value(e, first), load<f64>(pair, 8), pair, to + HEAD);
      store<f64>(at(e, first), 0);
      to += grows + bytes;
      last -= 2;
      continue;
    }
    // A new block is swept from its larger end to the smaller one.
    if (first > oldLast || last < oldFirst) {
      step = abs(value(d, first)) >= abs(value(d, last)) ? 1 : -1;
    }
    const start = step > 0 ? first : last;
    const stop = step > 0 ? last : first;
    const off = step > 0 ? 0 : -1;
    const final = at(e, stop - step + off);
    if (abs(load<f64>(final)) <= TOLERANCE * abs(value(d, stop))) {
      store<f64>(final, 0);
      continue;
    }
    let mu = abs(value(d, start));
    let least = mu;
    let split = false;
    for (let i = start; i != stop; i += step) {
      const side = at(e, i + off);
      if (abs(load<f64>(side)) <= TOLERANCE * mu) {
        store<f64>(side, 0);
        split = true;
        break;
      }
      mu = abs(value(d, i + step)) * (mu / (mu + abs(load<f64>(side))));
      least = min(least, mu);
    }
    if (split) continue;
    oldFirst = first;
    oldLast = last;
    let shift: f64 = 0;
    if (<f64>n * TOLERANCE * (least / most) > max(ROUNDING, 0.01 * TOLERANCE)) {
      shift = smallerValue(value(d, stop - step), load<f64>(final), value(d, stop));
      const q = shift / abs(value(d, start));
      if (q * q < ROUNDING) shift = 0;
    }
    turns -= count;
    if (turns < 0) return NOT_CONVERGED;
    putHead(to, start, step * count);
    sweep(d, e, start, count, step, shift, to + HEAD, bytes);
    to += grows + <usize>count * bytes;
    if (abs(load<f64>(final)) <= threshold) store<f64>(final, 0);
  }
  if (bytes != 0) putHead(to, 0, 0);
  return CONVERGED;
}

/**
 * Singular values s[count, n], from large to small and times sizes[count], of the upper bidiagonal matrices d[count, n],
 * e[count, n] (lower ones with `lower`). The places at which the vectors of each value end are orders[count][2, n] (of
 * right ones, of left ones; those that turn round as -1 - place), after the rotations of lists[count], `room` bytes each;
 * with room 0 only the values are told. infos[count] as the constants above say.
 */
export function bidiagonalQR_f64(
  d: usize, e: usize, sizes: usize, s: usize, lists: usize, room: i32, orders: usize, infos: usize, count: i32,
  n: i32, lower: i32, slots: usize, slotCount: i32, slotBytes: usize,
): void {
  const slot = takeSlot(slots, slotCount);
  const dw = slotScratch(slots, slotCount, slotBytes, slot);
  const ew = at(dw, n);
  const one = at(ew, n);
  const bytes: usize = room == 0 ? 0 : 2 * PAIR;
  for (let b: i32 = 0; b < count; b++) {
    const size = value(sizes, b);
    let info = NOT_FINITE;
    if (size == size) {
      memory.copy(dw, d, <usize>n << 3);
      memory.copy(ew, e, <usize>n << 3);
      info = iterate(dw, ew, n, lower != 0, room == 0 ? one : lists, room == 0 ? usize.MAX_VALUE : lists + room, bytes);
    }
    store<i32>(infos + (<usize>b << 2), info);
    if (info == CONVERGED) finish(dw, ew, size, s, orders, n);
    d = at(d, n);
    e = at(e, n);
    s = at(s, n);
    lists += room;
    orders += <usize>n << 3;
  }
  giveSlot(slots, slot);
}

/** The values in order, without signs: the right vectors turn round instead (the left one where there is one only). */
function finish(d: usize, magnitudes: usize, size: f64, s: usize, orders: usize, n: i32): void {
  const others = orders + (<usize>n << 2);
  for (let i: i32 = 0; i < n; i++) store<f64>(at(magnitudes, i), abs(value(d, i)));
  sortPlaces(orders, magnitudes, n, true);
  memory.copy(others, orders, <usize>n << 2);
  const turning = n == 1 ? others : orders;
  for (let i: i32 = 0; i < n; i++) {
    const order = turning + (<usize>i << 2);
    const place = load<i32>(order);
    store<f64>(at(s, i), value(magnitudes, place) * size);
    if (value(d, place) < 0) store<i32>(order, -1 - place);
  }
}
