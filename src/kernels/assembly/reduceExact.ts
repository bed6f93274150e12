// Reductions whose result does not depend on the order: integer sums and products, extremes, logic, counts.
// A contiguous [outer, red, inner] block gives [outer, inner]; `stride` as in reduce.ts.

const SUM = 0;
const PRODUCT = 1;
const ANY = 2;
const ALL = 3;
const COUNT = 4;
const MAXIMUM = 0;
const MINIMUM = 1;

// @ts-ignore: decorator
@inline
function fold<T, O>(op: i32, acc: O, x: T): O {
  if (op == SUM) return <O>(acc + <O>x);
  if (op == PRODUCT) return <O>(acc * <O>x);
  if (op == ANY) return <O>((<i32>(x != <T>0)) | <i32>(acc != <O>0));
  if (op == ALL) return <O>((<i32>(x != <T>0)) & <i32>(acc != <O>0));
  return <O>(acc + <O>(x != <T>0));
}

/** Which of the lanes at p are not 0, as bits. */
// @ts-ignore: decorator
@inline
function nonzeroBits<T>(p: usize): i32 {
  const mask = v128.ne<T>(v128.load(p), v128.splat<T>(<T>0));
  if (sizeof<T>() == 1) return i8x16.bitmask(mask);
  return sizeof<T>() == 4 ? i32x4.bitmask(mask) : i64x2.bitmask(mask);
}

/** Folds whole vectors of the n elements at p to *out; returns how many elements need no more be looked at. */
// @ts-ignore: decorator
@inline
function wholeVectors<T, O>(op: i32, p: usize, n: i32, out: usize): i32 {
  const lanes: i32 = 16 / sizeof<T>();
  const full = (1 << lanes) - 1;
  let i = 0;
  if (op == ANY || op == ALL) {
    const end = op == ALL ? full : 0;
    for (; i + lanes <= n; i += lanes, p += 16) {
      if (nonzeroBits<T>(p) == end) continue;
      store<O>(out, <O>(op == ANY ? 1 : 0));
      return n;
    }
  } else if (op == COUNT) {
    let count: O = 0;
    for (; i + lanes <= n; i += lanes, p += 16) count += <O>popcnt<i32>(nonzeroBits<T>(p));
    store<O>(out, count);
  } else if (op == SUM && sizeof<T>() == 1) {
    let sum: O = 0;
    while (i + 16 <= n) {
      let lanes4 = i32x4.splat(0);
      // Sixteen bytes add at most 4 * 255 to a lane.
      for (let k = 0; k < (1 << 20) && i + 16 <= n; k++, i += 16, p += 16) {
        const pairs = i16x8.extadd_pairwise_i8x16_u(v128.load(p));
        lanes4 = i32x4.add(lanes4, i32x4.extadd_pairwise_i16x8_u(pairs));
      }
      const low = i64x2.extend_low_i32x4_u(lanes4);
      const total = i64x2.add(low, i64x2.extend_high_i32x4_u(lanes4));
      sum += <O>(i64x2.extract_lane(total, 0) + i64x2.extract_lane(total, 1));
    }
    store<O>(out, sum);
  }
  return i;
}

// @ts-ignore: decorator
@inline
function reduce<T, O>(op: i32, x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  const step = <usize>(stride == 0 ? inner : stride) * sizeof<T>();
  const unit: O = op == PRODUCT || op == ALL ? <O>1 : <O>0;
  for (let o = 0; o < outer; o++) {
    if (inner == 1) {
      let i = 0;
      store<O>(out, unit);
      if (step == sizeof<T>()) i = wholeVectors<T, O>(op, x, red, out);
      let acc = load<O>(out);
      x += <usize>i * step;
      for (; i < red; i++, x += step) acc = fold<T, O>(op, acc, load<T>(x));
      store<O>(out, acc);
    } else {
      for (let j: usize = 0; j < <usize>inner; j++) store<O>(out + j * sizeof<O>(), unit);
      for (let i = 0; i < red; i++, x += step) {
        let j: usize = 0;
        if ((op == ANY || op == ALL) && sizeof<T>() == 1) {
          for (; j + 16 <= <usize>inner; j += 16) {
            const bits = v128.and(i8x16.splat(1), i8x16.ne(v128.load(x + j), i8x16.splat(0)));
            const old = v128.load(out + j);
            v128.store(out + j, op == ANY ? v128.or(old, bits) : v128.and(old, bits));
          }
        }
        for (; j < <usize>inner; j++) {
          const to = out + j * sizeof<O>();
          store<O>(to, fold<T, O>(op, load<O>(to), load<T>(x + j * sizeof<T>())));
        }
      }
    }
    out += <usize>inner * sizeof<O>();
  }
}

/** The larger (smaller) of two, NaN if either is. */
// @ts-ignore: decorator
@inline
function pick<T>(op: i32, a: T, b: T): T {
  if (isFloat<T>()) return op == MAXIMUM ? max<T>(a, b) : min<T>(a, b);
  return op == MAXIMUM ? select<T>(a, b, a > b) : select<T>(a, b, a < b);
}

// @ts-ignore: decorator
@inline
function pickLanes<T>(op: i32, a: v128, b: v128): v128 {
  if (isFloat<T>()) return op == MAXIMUM ? v128.max<T>(a, b) : v128.min<T>(a, b);
  const first = op == MAXIMUM ? v128.gt<T>(a, b) : v128.lt<T>(a, b);
  return v128.bitselect(a, b, first);
}

/** red >= 1. */
// @ts-ignore: decorator
@inline
function extreme<T>(op: i32, x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  const size = sizeof<T>();
  const lanes: i32 = 16 / sizeof<T>();
  const step = <usize>(stride == 0 ? inner : stride) * size;
  for (let o = 0; o < outer; o++) {
    if (inner == 1 && step == size) {
      store<T>(out, extremeOf<T>(op, x, red));
      x += <usize>red * step;
    } else {
      memory.copy(out, x, <usize>inner * size);
      x += step;
      for (let i = 1; i < red; i++, x += step) {
        let j = 0;
        let to = out;
        let from = x;
        for (; j + lanes <= inner; j += lanes, to += 16, from += 16) {
          v128.store(to, pickLanes<T>(op, v128.load(to), v128.load(from)));
        }
        for (; j < inner; j++, to += size, from += size) {
          store<T>(to, pick<T>(op, load<T>(to), load<T>(from)));
        }
      }
    }
    out += <usize>inner * size;
  }
}

// @ts-ignore: decorator
@inline
function extremeOf<T>(op: i32, p: usize, n: i32): T {
  const lanes: i32 = 16 / sizeof<T>();
  let best = load<T>(p);
  let i = 0;
  if (sizeof<T>() > 1 && n >= 4 * lanes) {
    let a = v128.load(p);
    let b = v128.load(p, 16);
    let c = v128.load(p, 32);
    let d = v128.load(p, 48);
    for (i = 4 * lanes, p += 64; i + 4 * lanes <= n; i += 4 * lanes, p += 64) {
      a = pickLanes<T>(op, a, v128.load(p));
      b = pickLanes<T>(op, b, v128.load(p, 16));
      c = pickLanes<T>(op, c, v128.load(p, 32));
      d = pickLanes<T>(op, d, v128.load(p, 48));
    }
    a = pickLanes<T>(op, pickLanes<T>(op, a, b), pickLanes<T>(op, c, d));
    best = pick<T>(op, best, v128.extract_lane<T>(a, 0));
    best = pick<T>(op, best, v128.extract_lane<T>(a, 1));
    if (sizeof<T>() <= 4) {
      best = pick<T>(op, best, v128.extract_lane<T>(a, <u8>(2 % lanes)));
      best = pick<T>(op, best, v128.extract_lane<T>(a, <u8>(3 % lanes)));
    }
  }
  for (; i < n; i++, p += sizeof<T>()) best = pick<T>(op, best, load<T>(p));
  return best;
}

export function max_f32(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  extreme<f32>(MAXIMUM, x, out, outer, red, inner, stride);
}
export function max_f64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  extreme<f64>(MAXIMUM, x, out, outer, red, inner, stride);
}
export function max_i32(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  extreme<i32>(MAXIMUM, x, out, outer, red, inner, stride);
}
export function max_i64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  extreme<i64>(MAXIMUM, x, out, outer, red, inner, stride);
}
export function max_u8(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  extreme<u8>(MAXIMUM, x, out, outer, red, inner, stride);
}
export function min_f32(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  extreme<f32>(MINIMUM, x, out, outer, red, inner, stride);
}
export function min_f64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  extreme<f64>(MINIMUM, x, out, outer, red, inner, stride);
}
export function min_i32(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  extreme<i32>(MINIMUM, x, out, outer, red, inner, stride);
}
export function min_i64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  extreme<i64>(MINIMUM, x, out, outer, red, inner, stride);
}
export function min_u8(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  extreme<u8>(MINIMUM, x, out, outer, red, inner, stride);
}

/** Integer and boolean sums and products are int64. */
export function sum_i32_i64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<i32, i64>(SUM, x, out, outer, red, inner, stride);
}
export function sum_i64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<i64, i64>(SUM, x, out, outer, red, inner, stride);
}
export function sum_u8_i64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<u8, i64>(SUM, x, out, outer, red, inner, stride);
}
export function prod_i32_i64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<i32, i64>(PRODUCT, x, out, outer, red, inner, stride);
}
export function prod_i64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<i64, i64>(PRODUCT, x, out, outer, red, inner, stride);
}
export function prod_u8_i64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<u8, i64>(PRODUCT, x, out, outer, red, inner, stride);
}
export function any_u8(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<u8, u8>(ANY, x, out, outer, red, inner, stride);
}
export function all_u8(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<u8, u8>(ALL, x, out, outer, red, inner, stride);
}

/** int64 counts of elements that are not zero (NaN is not zero). */
export function countNonzero_f32(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<f32, i64>(COUNT, x, out, outer, red, inner, stride);
}
export function countNonzero_f64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<f64, i64>(COUNT, x, out, outer, red, inner, stride);
}
export function countNonzero_i32(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<i32, i64>(COUNT, x, out, outer, red, inner, stride);
}
export function countNonzero_i64(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<i64, i64>(COUNT, x, out, outer, red, inner, stride);
}
export function countNonzero_u8(x: usize, out: usize, outer: i32, red: i32, inner: i32, stride: i32): void {
  reduce<u8, i64>(COUNT, x, out, outer, red, inner, stride);
}
