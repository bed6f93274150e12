// Extremes with their positions over the middle of a contiguous [outer, dim, inner] block: argmax, argmin and
// max, min with index. The first of equals wins, the first NaN before all. `stride` as in reduce.ts, dim >= 1.
import { lanes, loadPart } from "./lanes";

type P = usize;
type I = i32;

const LARGEST = 0;
const SMALLEST = 1;

/** x comes before best. */
// @ts-ignore: decorator
@inline
function beats<T>(op: i32, x: T, best: T): bool {
  if (isFloat<T>() && x != x) return best == best;
  return op == LARGEST ? x > best : x < best;
}

// @ts-ignore: decorator
@inline
function beatsLanes<T>(op: i32, x: v128, best: v128): v128 {
  const more = op == LARGEST ? v128.gt<T>(x, best) : v128.lt<T>(x, best);
  if (!isFloat<T>()) return more;
  return v128.or(more, v128.andnot(v128.eq<T>(best, best), v128.eq<T>(x, x)));
}

/** Position of the winner in a row: the extreme by vectors, then the first element equal to it. */
// @ts-ignore: decorator
@inline
function rowWinner<T>(op: i32, x: P, n: I): I {
  let best = v128.splat<T>(load<T>(x));
  let sick = v128.splat<T>(<T>0);
  let i = 0;
  let p = x;
  for (; i + lanes<T>() <= n; i += lanes<T>(), p += 16) {
    const v = v128.load(p);
    if (isFloat<T>()) sick = v128.or(sick, v128.ne<T>(v, v));
    best = v128.bitselect(v, best, op == LARGEST ? v128.gt<T>(v, best) : v128.lt<T>(v, best));
  }
  if (i < n) {
    const v = loadPart<T>(p, n - i);
    if (isFloat<T>()) sick = v128.or(sick, v128.ne<T>(v, v));
    best = v128.bitselect(v, best, op == LARGEST ? v128.gt<T>(v, best) : v128.lt<T>(v, best));
  }
  if (isFloat<T>() && v128.any_true(sick)) {
    let k = 0;
    for (; load<T>(x) == load<T>(x); x += sizeof<T>()) k++;
    return k;
  }
  let top = v128.extract_lane<T>(best, 0);
  let other = v128.extract_lane<T>(best, 1);
  if (beats<T>(op, other, top)) top = other;
  if (sizeof<T>() == 4) {
    other = v128.extract_lane<T>(best, 2 % <u8>lanes<T>());
    if (beats<T>(op, other, top)) top = other;
    other = v128.extract_lane<T>(best, 3 % <u8>lanes<T>());
    if (beats<T>(op, other, top)) top = other;
  }
  const tops = v128.splat<T>(top);
  let k = 0;
  for (; k + lanes<T>() <= n; k += lanes<T>(), x += 16) {
    if (v128.any_true(v128.eq<T>(v128.load(x), tops))) break;
  }
  for (; load<T>(x) != top; x += sizeof<T>()) k++;
  return k;
}

/** Position of the winner in one column (any element type). */
// @ts-ignore: decorator
@inline
function columnWinner<T>(op: i32, x: P, n: I, step: P): I {
  let best = load<T>(x);
  let k = 0;
  for (let i = 1; i < n; i++) {
    x += step;
    const v = load<T>(x);
    if (beats<T>(op, v, best)) {
      best = v;
      k = i;
    }
  }
  return k;
}

// @ts-ignore: decorator
@inline
function write<T>(x: P, step: P, k: I, values: P, index: P, j: P): void {
  store<i64>(index + (j << 3), <i64>k);
  if (values != 0) store<T>(values + j * sizeof<T>(), load<T>(x + <P>k * step));
}

/** A vector of columns; positions ride in lanes of the element's width. */
// @ts-ignore: decorator
@inline
function columns<T, K>(op: i32, x: P, n: I, step: P, values: P, index: P, j: P): void {
  let best = v128.load(x);
  let where = v128.splat<K>(<K>0);
  let p = x;
  for (let i = 1; i < n; i++) {
    p += step;
    const v = v128.load(p);
    const mask = beatsLanes<T>(op, v, best);
    best = v128.bitselect(v, best, mask);
    where = v128.bitselect(v128.splat<K>(<K>i), where, mask);
  }
  write<T>(x, step, <I>v128.extract_lane<K>(where, 0), values, index, j);
  write<T>(x + sizeof<T>(), step, <I>v128.extract_lane<K>(where, 1), values, index, j + 1);
  if (sizeof<T>() == 4) {
    const third = <I>v128.extract_lane<K>(where, 2 % <u8>lanes<T>());
    const last = <I>v128.extract_lane<K>(where, 3 % <u8>lanes<T>());
    write<T>(x + 2 * sizeof<T>(), step, third, values, index, j + 2);
    write<T>(x + 3 * sizeof<T>(), step, last, values, index, j + 3);
  }
}

/** index [outer, inner] int64 and, unless null, values. K: the integer of T's width. */
// @ts-ignore: decorator
@inline
function winners<T, K>(
  op: i32, x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  const row = <P>(stride == 0 ? inner : stride);
  const step = row * sizeof<T>();
  for (let o = 0; o < outer; o++) {
    let j = 0;
    let p = x;
    if (sizeof<T>() > 1 && row == 1) {
      write<T>(x, step, rowWinner<T>(op, x, dim), values, index, 0);
      j = 1;
    } else if (sizeof<T>() > 1) {
      for (; j + lanes<T>() <= inner; j += lanes<T>(), p += 16) {
        columns<T, K>(op, p, dim, step, values, index, <P>j);
      }
    }
    for (; j < inner; j++, p += sizeof<T>()) {
      write<T>(p, step, columnWinner<T>(op, p, dim, step), values, index, <P>j);
    }
    x += <P>dim * step;
    index += <P>inner << 3;
    if (values != 0) values += <P>inner * sizeof<T>();
  }
}

export function argmax_f32(x: P, index: P, outer: I, dim: I, inner: I, stride: I): void {
  winners<f32, i32>(LARGEST, x, 0, index, outer, dim, inner, stride);
}
export function argmin_f32(x: P, index: P, outer: I, dim: I, inner: I, stride: I): void {
  winners<f32, i32>(SMALLEST, x, 0, index, outer, dim, inner, stride);
}
export function maxIndex_f32(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  winners<f32, i32>(LARGEST, x, values, index, outer, dim, inner, stride);
}
export function minIndex_f32(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  winners<f32, i32>(SMALLEST, x, values, index, outer, dim, inner, stride);
}

export function argmax_f64(x: P, index: P, outer: I, dim: I, inner: I, stride: I): void {
  winners<f64, i64>(LARGEST, x, 0, index, outer, dim, inner, stride);
}
export function argmin_f64(x: P, index: P, outer: I, dim: I, inner: I, stride: I): void {
  winners<f64, i64>(SMALLEST, x, 0, index, outer, dim, inner, stride);
}
export function maxIndex_f64(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  winners<f64, i64>(LARGEST, x, values, index, outer, dim, inner, stride);
}
export function minIndex_f64(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  winners<f64, i64>(SMALLEST, x, values, index, outer, dim, inner, stride);
}

export function argmax_i32(x: P, index: P, outer: I, dim: I, inner: I, stride: I): void {
  winners<i32, i32>(LARGEST, x, 0, index, outer, dim, inner, stride);
}
export function argmin_i32(x: P, index: P, outer: I, dim: I, inner: I, stride: I): void {
  winners<i32, i32>(SMALLEST, x, 0, index, outer, dim, inner, stride);
}
export function maxIndex_i32(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  winners<i32, i32>(LARGEST, x, values, index, outer, dim, inner, stride);
}
export function minIndex_i32(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  winners<i32, i32>(SMALLEST, x, values, index, outer, dim, inner, stride);
}

export function argmax_i64(x: P, index: P, outer: I, dim: I, inner: I, stride: I): void {
  winners<i64, i64>(LARGEST, x, 0, index, outer, dim, inner, stride);
}
export function argmin_i64(x: P, index: P, outer: I, dim: I, inner: I, stride: I): void {
  winners<i64, i64>(SMALLEST, x, 0, index, outer, dim, inner, stride);
}
export function maxIndex_i64(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  winners<i64, i64>(LARGEST, x, values, index, outer, dim, inner, stride);
}
export function minIndex_i64(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  winners<i64, i64>(SMALLEST, x, values, index, outer, dim, inner, stride);
}

export function argmax_u8(x: P, index: P, outer: I, dim: I, inner: I, stride: I): void {
  winners<u8, u8>(LARGEST, x, 0, index, outer, dim, inner, stride);
}
export function argmin_u8(x: P, index: P, outer: I, dim: I, inner: I, stride: I): void {
  winners<u8, u8>(SMALLEST, x, 0, index, outer, dim, inner, stride);
}
export function maxIndex_u8(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  winners<u8, u8>(LARGEST, x, values, index, outer, dim, inner, stride);
}
export function minIndex_u8(
  x: P, values: P, index: P, outer: I, dim: I, inner: I, stride: I,
): void {
  winners<u8, u8>(SMALLEST, x, values, index, outer, dim, inner, stride);
}
