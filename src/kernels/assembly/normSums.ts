// Sums per channel of contiguous [N, C, S], the base of every norm: of d and d^2 (statistics), or of g and g d
// (backward), with d = x - shift[c]. They are taken in rounds, on pieces of the batch or of the channels side by side:
//   bnBegin        chooses a shift and a way for each channel: how = QUICK (float32, see normQuick.ts) or EXACT (float64)
//   bnSums         adds up one piece; sums [4, C] doubles, channels with how = DONE are left out
//   bnSettle       adds the pieces; channels whose sums are not good enough get a better shift or way, and stay
// until nothing is left. A constant channel gives exactly (x, 0).
import { fits, Off, On, quickRows, quickSlice } from "./normQuick";
import { load2 } from "./wide";

const DONE: f64 = 0;
const QUICK: f64 = 1;
const EXACT: f64 = 2;

/** Values per channel below which float64 costs nothing. */
const FEW: f64 = 64;

// @ts-ignore: decorator
@inline
function at(p: usize, i: i32): f64 {
  return load<f64>(p + (<usize>i << 3));
}

// @ts-ignore: decorator
@inline
function put(p: usize, i: i32, value: f64): void {
  store<f64>(p + (<usize>i << 3), value);
}

/** Adds to the pairs of doubles at s and q; u is g, or d where `own`. */
// @ts-ignore: decorator
@inline
function exactSlice<T>(own: bool, x: usize, g: usize, shift: f64, n: i32, s: usize, q: usize): void {
  const size = sizeof<T>();
  const m = f64x2.splat(shift);
  let s0 = v128.load(s), s1 = f64x2.splat(0);
  let q0 = v128.load(q), q1 = s1;
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 4 * size, g += 4 * size) {
    const d0 = f64x2.sub(load2<T>(x), m);
    const d1 = f64x2.sub(load2<T>(x + 2 * size), m);
    const u0 = own ? d0 : load2<T>(g);
    const u1 = own ? d1 : load2<T>(g + 2 * size);
    s0 = f64x2.add(s0, u0);
    s1 = f64x2.add(s1, u1);
    q0 = f64x2.add(q0, f64x2.mul(u0, d0));
    q1 = f64x2.add(q1, f64x2.mul(u1, d1));
  }
  s0 = f64x2.add(s0, s1);
  q0 = f64x2.add(q0, q1);
  for (; i < n; i++, x += size, g += size) {
    const d = <f64>load<T>(x) - shift;
    const u = own ? d : <f64>load<T>(g);
    s0 = f64x2.add(s0, f64x2.replace_lane(f64x2.splat(0), 0, u));
    q0 = f64x2.add(q0, f64x2.replace_lane(f64x2.splat(0), 0, u * d));
  }
  v128.store(s, s0);
  v128.store(q, q0);
}

/** One row where S = 1; doubles [C] at s and q. */
// @ts-ignore: decorator
@inline
function exactRow<T>(own: bool, x: usize, g: usize, shift: usize, how: usize, s: usize, q: usize, c0: i32, c1: i32): void {
  for (let c = c0; c < c1; c++) {
    if (at(how, c) != EXACT) continue;
    const o = <usize>c * sizeof<T>();
    const d = <f64>load<T>(x + o) - at(shift, c);
    const u = own ? d : <f64>load<T>(g + o);
    put(s, c, at(s, c) + u);
    put(q, c, at(q, c) + u * d);
  }
}

// @ts-ignore: decorator
@inline
function has(how: usize, way: f64, c0: i32, c1: i32): bool {
  for (let c = c0; c < c1; c++) if (at(how, c) == way) return true;
  return false;
}

// @ts-ignore: decorator
@inline
function isZero(p: usize, c0: i32, c1: i32): bool {
  for (let c = c0; c < c1; c++) if (at(p, c) != 0) return false;
  return true;
}

/** Where the second sums are: after C pairs of doubles, or where S = 1 after C doubles (the rest is scratch). */
// @ts-ignore: decorator
@inline
function second(out: usize, C: i32, S: i32): usize {
  return out + (<usize>C << (S == 1 ? 3 : 4));
}

/** S = 1: channels side by side. Channels that are not asked for may get sums too; nobody reads them. */
// @ts-ignore: decorator
@inline
function columns<T>(
  own: bool, x: usize, g: usize, shift: usize, how: usize, s: usize, q: usize, N: i32, C: i32, c0: i32, c1: i32,
): void {
  const row = <usize>C * sizeof<T>();
  const exact = has(how, EXACT, c0, c1);
  if (sizeof<T>() == 4 && has(how, QUICK, c0, c1)) {
    const scratch = s + (<usize>C << 4);
    const plain = isZero(shift, c0, c1);
    if (own && plain) quickRows<On, Off>(x, g, shift, scratch, N, C, s, q, c0, c1);
    else if (own) quickRows<On, On>(x, g, shift, scratch, N, C, s, q, c0, c1);
    else if (plain) quickRows<Off, Off>(x, g, shift, scratch, N, C, s, q, c0, c1);
    else quickRows<Off, On>(x, g, shift, scratch, N, C, s, q, c0, c1);
    for (let c = c0; exact && c < c1; c++) {
      if (at(how, c) == EXACT) {
        put(s, c, 0);
        put(q, c, 0);
      }
    }
  }
  for (let n: usize = 0; exact && n < <usize>N; n++) exactRow<T>(own, x + n * row, g + n * row, shift, how, s, q, c0, c1);
}

// @ts-ignore: decorator
@inline
function sums<T>(
  own: bool, x: usize, g: usize, shift: usize, how: usize, out: usize, N: i32, C: i32, S: i32, c0: i32, c1: i32,
): void {
  const wide = S == 1 ? 3 : 4;
  const q = second(out, C, S);
  memory.fill(out + (<usize>c0 << wide), 0, <usize>(c1 - c0) << wide);
  memory.fill(q + (<usize>c0 << wide), 0, <usize>(c1 - c0) << wide);
  if (S == 1) {
    columns<T>(own, x, g, shift, how, out, q, N, C, c0, c1);
    return;
  }
  const plane = <usize>S * sizeof<T>();
  for (let n: usize = 0; n < <usize>N; n++) {
    for (let c = c0; c < c1; c++) {
      const way = at(how, c);
      if (way == DONE) continue;
      const o = (n * C + c) * plane;
      const p = <usize>c << 4;
      const m = at(shift, c);
      if (sizeof<T>() == 8 || way == EXACT) exactSlice<T>(own, x + o, g + o, m, S, out + p, q + p);
      else if (own) {
        if (m == 0) quickSlice<On, Off>(x + o, g + o, 0, S, out + p, q + p);
        else quickSlice<On, On>(x + o, g + o, <f32>m, S, out + p, q + p);
      } else if (m == 0) quickSlice<Off, Off>(x + o, g + o, 0, S, out + p, q + p);
      else quickSlice<Off, On>(x + o, g + o, <f32>m, S, out + p, q + p);
    }
  }
}

/** One row of the sums of a channel, over all pieces. */
// @ts-ignore: decorator
@inline
function total(p: usize, pieces: i32, C: i32, S: i32, c: i32): f64 {
  const step = <usize>C << 5;
  let sum: f64 = 0;
  if (S == 1) for (let i: usize = 0; i < <usize>pieces; i++) sum += at(p + i * step, c);
  else for (let i: usize = 0; i < <usize>pieces; i++) sum += at(p + i * step, 2 * c) + at(p + i * step, 2 * c + 1);
  return sum;
}

// @ts-ignore: decorator
@inline
function settle<T>(
  round: i32, x: usize, parts: usize, pieces: i32, shift: usize, how: usize, mean: usize, m2: usize, count: f64,
  C: i32, S: i32,
): i32 {
  let left = 0;
  for (let c = 0; c < C; c++) {
    if (at(how, c) == DONE) continue;
    const sum = total(parts, pieces, C, S, c);
    const square = total(second(parts, C, S), pieces, C, S, c);
    const guess = at(shift, c) + sum / count;
    let better = guess;
    let way = DONE;
    if (sizeof<T>() == 8) {
      if (round == 0) way = EXACT; // a second pass, about the mean
    } else if (at(how, c) == QUICK) {
      if (!fits(sum, square)) {
        way = EXACT;
        better = <f64>load<T>(x + <usize>c * <usize>S * sizeof<T>());
      } else if (round == 0 && sum * sum > 0.9 * count * square) {
        way = QUICK; // the mean lies more than 3 deviations away
        better = <f64>(<f32>guess);
      }
    }
    put(how, c, way);
    put(shift, c, better);
    if (way != DONE) left++;
    put(mean, c, guess);
    put(m2, c, max<f64>(0, square - (sum * sum) / count));
  }
  return left;
}

// @ts-ignore: decorator
@inline
function begin<T>(x: usize, shift: usize, how: usize, count: f64, C: i32, S: i32): void {
  const quick = sizeof<T>() == 4 && count >= FEW;
  for (let c = 0; c < C; c++) {
    put(how, c, quick ? QUICK : EXACT);
    put(shift, c, quick ? 0 : <f64>load<T>(x + <usize>c * <usize>S * sizeof<T>()));
  }
}

/** About 0 where the mean is near enough (m2 says; it may be null), else about the mean. */
// @ts-ignore: decorator
@inline
function beginGradients<T>(mean: usize, m2: usize, shift: usize, how: usize, count: f64, C: i32): void {
  const quick = sizeof<T>() == 4 && count >= FEW;
  for (let c = 0; c < C; c++) {
    const m = at(mean, c);
    const near = m2 != 0 && m * m * count <= 9 * at(m2, c);
    put(how, c, quick ? QUICK : EXACT);
    put(shift, c, !quick ? m : near ? 0 : <f64>(<f32>m));
  }
}

/** sumG = sum g, sumGU = sum g (x - mean); returns how many channels must be summed again. */
export function bnSettleGradients(
  parts: usize, pieces: i32, shift: usize, how: usize, mean: usize, sumG: usize, sumGU: usize, C: i32, S: i32,
): i32 {
  let left = 0;
  for (let c = 0; c < C; c++) {
    const way = at(how, c);
    if (way == DONE) continue;
    const sum = total(parts, pieces, C, S, c);
    const product = total(second(parts, C, S), pieces, C, S, c);
    const m = at(mean, c);
    const away = m - at(shift, c);
    const again = way == QUICK && !(fits(sum, product) || (product == 0 && sum - sum == 0));
    put(how, c, again ? EXACT : DONE);
    put(shift, c, again ? m : at(shift, c));
    if (again) left++;
    put(sumG, c, sum);
    put(sumGU, c, away == 0 ? product : product - away * sum);
  }
  return left;
}

/** invstd = 1 / sqrt(m2 / count + eps), and `atZero` where the root is 0. */
export function bnInvstd(m2: usize, invstd: usize, count: f64, eps: f64, atZero: f64, C: i32): void {
  for (let c = 0; c < C; c++) {
    const v = at(m2, c) / count + eps;
    put(invstd, c, v == 0 ? atZero : 1 / Math.sqrt(v));
  }
}

/** First shifts and ways of the statistics of x; all doubles [C]. */
export function bnBegin_f32(x: usize, shift: usize, how: usize, count: f64, C: i32, S: i32): void {
  begin<f32>(x, shift, how, count, C, S);
}
/** First shifts and ways of the backward sums; m2 null where mean is not the mean of x. */
export function bnBeginGradients_f32(mean: usize, m2: usize, shift: usize, how: usize, count: f64, C: i32): void {
  beginGradients<f32>(mean, m2, shift, how, count, C);
}
/** sums[4, C] of one piece: of (d, d^2) where g is null, else of (g, g d). */
export function bnSums_f32(
  x: usize, g: usize, shift: usize, how: usize, out: usize, N: i32, C: i32, S: i32, c0: i32, c1: i32,
): void {
  if (g == 0) sums<f32>(true, x, x, shift, how, out, N, C, S, c0, c1);
  else sums<f32>(false, x, g, shift, how, out, N, C, S, c0, c1);
}
/** mean and m2 = sum (x - mean)^2 from parts[pieces, 4, C]; returns how many channels must be summed again. */
export function bnSettle_f32(
  round: i32, x: usize, parts: usize, pieces: i32, shift: usize, how: usize, mean: usize, m2: usize, count: f64,
  C: i32, S: i32,
): i32 {
  return settle<f32>(round, x, parts, pieces, shift, how, mean, m2, count, C, S);
}

/** First shifts and ways of the statistics of x; all doubles [C]. */
export function bnBegin_f64(x: usize, shift: usize, how: usize, count: f64, C: i32, S: i32): void {
  begin<f64>(x, shift, how, count, C, S);
}
/** First shifts and ways of the backward sums; m2 null where mean is not the mean of x. */
export function bnBeginGradients_f64(mean: usize, m2: usize, shift: usize, how: usize, count: f64, C: i32): void {
  beginGradients<f64>(mean, m2, shift, how, count, C);
}
/** sums[4, C] of one piece: of (d, d^2) where g is null, else of (g, g d). */
export function bnSums_f64(
  x: usize, g: usize, shift: usize, how: usize, out: usize, N: i32, C: i32, S: i32, c0: i32, c1: i32,
): void {
  if (g == 0) sums<f64>(true, x, x, shift, how, out, N, C, S, c0, c1);
  else sums<f64>(false, x, g, shift, how, out, N, C, S, c0, c1);
}
/** mean and m2 = sum (x - mean)^2 from parts[pieces, 4, C]; returns how many channels must be summed again. */
export function bnSettle_f64(
  round: i32, x: usize, parts: usize, pieces: i32, shift: usize, how: usize, mean: usize, m2: usize, count: f64,
  C: i32, S: i32,
): i32 {
  return settle<f64>(round, x, parts, pieces, shift, how, mean, m2, count, C, S);
}
