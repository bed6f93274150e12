// Searching and counting: insertion points in sorted rows, bin counts, histograms.

type P = usize;
type I = i32;

/** Insertion point of v in the sorted row of n: before equals, or after them where `right`; NaN goes last. */
// @ts-ignore: decorator
@inline
function insertionPoint<T>(row: P, n: I, v: T, right: bool): I {
  let low = 0;
  let high = n;
  while (low < high) {
    const mid = (low + high) >> 1;
    const m = load<T>(row + <P>mid * sizeof<T>());
    if (right ? m > v : m >= v) high = mid;
    else low = mid + 1;
  }
  return low;
}

/** sorted [rows or 1 (shared), n], values [rows, count] -> out int64 [rows, count]. */
// @ts-ignore: decorator
@inline
function searchsorted<T>(sorted: P, values: P, out: P, rows: I, n: I, count: I, shared: I, right: I): void {
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < count; i++, values += sizeof<T>(), out += 8) {
      store<i64>(out, <i64>insertionPoint<T>(sorted, n, load<T>(values), right != 0));
    }
    if (!shared) sorted += <P>n * sizeof<T>();
  }
}

/** out[x[i]] += 1; out int64 starts at zero. */
export function bincount_i64(x: P, out: P, n: I): void {
  for (let i: P = 0; i < <P>n; i++) {
    const p = out + (<P>load<i64>(x + (i << 3)) << 3);
    store<i64>(p, load<i64>(p) + 1);
  }
}

/** out[x[i]] += weight[i]; out float64 starts at zero. */
// @ts-ignore: decorator
@inline
function bincountWeighted<T>(x: P, weight: P, out: P, n: I): void {
  for (let i: P = 0; i < <P>n; i++) {
    const p = out + (<P>load<i64>(x + (i << 3)) << 3);
    store<f64>(p, load<f64>(p) + <f64>load<T>(weight + i * sizeof<T>()));
  }
}

/** Counts of [low, high] in equal bins (edges in float64), the last one closed. out starts at zero. */
// @ts-ignore: decorator
@inline
function histc<T>(x: P, out: P, n: I, bins: I, low: f64, high: f64): void {
  for (let i = 0; i < n; i++, x += sizeof<T>()) {
    const v = <f64>load<T>(x);
    if (!(v >= low && v <= high)) continue;
    const k = <i32>(((v - low) * bins) / (high - low));
    const p = out + <P>min(k, bins - 1) * sizeof<T>();
    store<T>(p, <T>(load<T>(p) + <T>1));
  }
}

export function searchsorted_f32(
  sorted: P, values: P, out: P, rows: I, n: I, count: I, shared: I, right: I,
): void {
  searchsorted<f32>(sorted, values, out, rows, n, count, shared, right);
}

export function searchsorted_f64(
  sorted: P, values: P, out: P, rows: I, n: I, count: I, shared: I, right: I,
): void {
  searchsorted<f64>(sorted, values, out, rows, n, count, shared, right);
}

export function searchsorted_i32(
  sorted: P, values: P, out: P, rows: I, n: I, count: I, shared: I, right: I,
): void {
  searchsorted<i32>(sorted, values, out, rows, n, count, shared, right);
}

export function searchsorted_i64(
  sorted: P, values: P, out: P, rows: I, n: I, count: I, shared: I, right: I,
): void {
  searchsorted<i64>(sorted, values, out, rows, n, count, shared, right);
}

export function searchsorted_u8(
  sorted: P, values: P, out: P, rows: I, n: I, count: I, shared: I, right: I,
): void {
  searchsorted<u8>(sorted, values, out, rows, n, count, shared, right);
}

export function bincountWeighted_f32(x: P, weight: P, out: P, n: I): void {
  bincountWeighted<f32>(x, weight, out, n);
}
export function histc_f32(x: P, out: P, n: I, bins: I, low: f64, high: f64): void {
  histc<f32>(x, out, n, bins, low, high);
}

export function bincountWeighted_f64(x: P, weight: P, out: P, n: I): void {
  bincountWeighted<f64>(x, weight, out, n);
}
export function histc_f64(x: P, out: P, n: I, bins: I, low: f64, high: f64): void {
  histc<f64>(x, out, n, bins, low, high);
}
