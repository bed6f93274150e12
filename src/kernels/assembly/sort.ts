// Stable sorting of contiguous rows [rows, n] by radix, and what rests on it: top-k, order statistics.
// NaN counts as the largest value, as in PyTorch. `scratch` holds 8192 + n * (2 * sizeof(T) + 8) bytes.

type P = usize;
type I = i32;

/** a goes strictly before b. */
// @ts-ignore: decorator
@inline
function before<T>(down: bool, a: T, b: T): bool {
  if (isFloat<T>()) {
    // Bitwise on purpose: merging must not branch on the data.
    if (down) return <bool>(<i32>(a > b) | (<i32>(a != a) & <i32>(b == b)));
    return <bool>(<i32>(a < b) | (<i32>(b != b) & <i32>(a == a)));
  }
  return down ? a > b : a < b;
}

// @ts-ignore: decorator
@inline
function key<T>(keys: P, i: I): P {
  return keys + <P>i * sizeof<T>();
}

// @ts-ignore: decorator
@inline
function place(places: P, i: I): P {
  return places + (<P>i << 2);
}

/** Sorts [from, to) by insertion, keys and places together. */
// @ts-ignore: decorator
@inline
function insertion<T>(down: bool, keys: P, places: P, from: I, to: I): void {
  for (let i = from + 1; i < to; i++) {
    const k = load<T>(key<T>(keys, i));
    const p = load<i32>(place(places, i));
    let j = i - 1;
    for (; j >= from && before<T>(down, k, load<T>(key<T>(keys, j))); j--) {
      store<T>(key<T>(keys, j + 1), load<T>(key<T>(keys, j)));
      store<i32>(place(places, j + 1), load<i32>(place(places, j)));
    }
    store<T>(key<T>(keys, j + 1), k);
    store<i32>(place(places, j + 1), p);
  }
}

/** Rows up to this length are sorted by insertion. */
const SHORT = 32;

/**
 * An unsigned number whose order is that of the values, K being as wide as T: integers lose their sign by an offset,
 * floats turn their bits around below zero. Zeros are one key, and so are NaNs, the last. Descending is the complement.
 */
// @ts-ignore: decorator
@inline
function radixKey<T, K>(down: bool, v: T): K {
  const top = <K>(<K>1 << <K>(8 * sizeof<K>() - 1));
  let k: K;
  if (isFloat<T>()) {
    k = reinterpret<K>(v);
    if (v != v) k = <K>(-1);
    else if (v == 0) k = top;
    else k = k & top ? ~k : <K>(k | top);
  } else if (isSigned<T>()) k = <K>(<K>v ^ top);
  else k = <K>v;
  return down ? <K>~k : k;
}

/** Bytes of counters before the keys: 256 for each byte of a key of up to eight. */
const COUNTERS: P = 8 * 256 * 4;

/**
 * The places of a row in order, by its bytes from the last to the first; a byte that all keys share costs nothing.
 * Stable, and without a branch on the data.
 */
// @ts-ignore: decorator
@inline
function radix<T, K>(down: bool, x: P, scratch: P, n: I): P {
  const bytes = <P>n * sizeof<T>();
  let keys = scratch + COUNTERS;
  let other = keys + bytes;
  let places = other + bytes;
  let otherPlaces = places + (<P>n << 2);
  memory.fill(scratch, 0, sizeof<K>() << 10);
  for (let i = 0; i < n; i++) {
    const k = radixKey<T, K>(down, load<T>(key<T>(x, i)));
    store<K>(key<K>(keys, i), k);
    store<i32>(place(places, i), i);
    for (let b: u32 = 0; b < sizeof<K>(); b++) {
      const c = scratch + (<P>b << 10) + (<P>((k >> <K>(8 * b)) & 255) << 2);
      store<i32>(c, load<i32>(c) + 1);
    }
  }
  for (let b: u32 = 0; b < sizeof<K>(); b++) {
    const counters = scratch + (<P>b << 10);
    const shift = <K>(8 * b);
    if (load<i32>(counters + (<P>((load<K>(keys) >> shift) & 255) << 2)) == n) continue;
    let start = 0;
    for (let c = counters; c < counters + 1024; c += 4) {
      const count = load<i32>(c);
      store<i32>(c, start);
      start += count;
    }
    for (let i = 0; i < n; i++) {
      const k = load<K>(key<K>(keys, i));
      const c = counters + (<P>((k >> shift) & 255) << 2);
      const to = load<i32>(c);
      store<i32>(c, to + 1);
      store<K>(key<K>(other, to), k);
      store<i32>(place(otherPlaces, to), load<i32>(place(places, i)));
    }
    let swap = keys;
    keys = other;
    other = swap;
    swap = places;
    places = otherPlaces;
    otherPlaces = swap;
  }
  return places;
}

/** The places of a row in order. */
// @ts-ignore: decorator
@inline
function sortRow<T, K>(down: bool, x: P, scratch: P, n: I): P {
  if (n > SHORT) return radix<T, K>(down, x, scratch, n);
  const places = scratch + (<P>n << 3);
  memory.copy(scratch, x, <P>n * sizeof<T>());
  for (let i = 0; i < n; i++) store<i32>(place(places, i), i);
  insertion<T>(down, scratch, places, 0, n);
  return places;
}

/** The places [first, first + k) of each sorted row: values [rows, k] and int64 index [rows, k]. */
// @ts-ignore: decorator
@inline
function sortRows<T, K>(
  down: bool, x: P, values: P, index: P, scratch: P, rows: I, n: I, first: I, k: I,
): void {
  for (let r = 0; r < rows; r++, x += <P>n * sizeof<T>()) {
    const places = place(sortRow<T, K>(down, x, scratch, n), first);
    for (let i = 0; i < k; i++) {
      const from = load<i32>(place(places, i));
      store<T>(key<T>(values, i), load<T>(key<T>(x, from)));
      store<i64>(index + (<P>i << 3), <i64>from);
    }
    values += <P>k * sizeof<T>();
    index += <P>k << 3;
  }
}

/** The k first of each row in order, kept by insertion: for small k. scratch: k * (sizeof(T) + 4) bytes. */
// @ts-ignore: decorator
@inline
function topRows<T>(down: bool, x: P, values: P, index: P, scratch: P, rows: I, n: I, k: I): void {
  const places = scratch + <P>k * sizeof<T>();
  for (let r = 0; r < rows; r++) {
    let held = 0;
    for (let i = 0; i < n; i++, x += sizeof<T>()) {
      const v = load<T>(x);
      if (held == k && !before<T>(down, v, load<T>(key<T>(scratch, k - 1)))) continue;
      let j = held < k ? held : k - 1;
      if (held < k) held++;
      for (; j > 0 && before<T>(down, v, load<T>(key<T>(scratch, j - 1))); j--) {
        store<T>(key<T>(scratch, j), load<T>(key<T>(scratch, j - 1)));
        store<i32>(place(places, j), load<i32>(place(places, j - 1)));
      }
      store<T>(key<T>(scratch, j), v);
      store<i32>(place(places, j), i);
    }
    memory.copy(values, scratch, <P>k * sizeof<T>());
    for (let i = 0; i < k; i++) store<i64>(index + (<P>i << 3), <i64>load<i32>(place(places, i)));
    values += <P>k * sizeof<T>();
    index += <P>k << 3;
  }
}

/** Places [first, first + k) of each sorted row (all: 0, n); kthvalue is (k - 1, 1). */
export function sort_f32(
  x: P, values: P, index: P, scratch: P, rows: I, n: I, first: I, k: I, descending: I,
): void {
  if (descending) sortRows<f32, u32>(true, x, values, index, scratch, rows, n, first, k);
  else sortRows<f32, u32>(false, x, values, index, scratch, rows, n, first, k);
}
export function topk_f32(
  x: P, values: P, index: P, scratch: P, rows: I, n: I, k: I, largest: I,
): void {
  if (k > 64) sort_f32(x, values, index, scratch, rows, n, 0, k, largest);
  else if (k > 0 && largest) topRows<f32>(true, x, values, index, scratch, rows, n, k);
  else if (k > 0) topRows<f32>(false, x, values, index, scratch, rows, n, k);
}

/** Places [first, first + k) of each sorted row (all: 0, n); kthvalue is (k - 1, 1). */
export function sort_f64(
  x: P, values: P, index: P, scratch: P, rows: I, n: I, first: I, k: I, descending: I,
): void {
  if (descending) sortRows<f64, u64>(true, x, values, index, scratch, rows, n, first, k);
  else sortRows<f64, u64>(false, x, values, index, scratch, rows, n, first, k);
}
export function topk_f64(
  x: P, values: P, index: P, scratch: P, rows: I, n: I, k: I, largest: I,
): void {
  if (k > 64) sort_f64(x, values, index, scratch, rows, n, 0, k, largest);
  else if (k > 0 && largest) topRows<f64>(true, x, values, index, scratch, rows, n, k);
  else if (k > 0) topRows<f64>(false, x, values, index, scratch, rows, n, k);
}

/** Places [first, first + k) of each sorted row (all: 0, n); kthvalue is (k - 1, 1). */
export function sort_i32(
  x: P, values: P, index: P, scratch: P, rows: I, n: I, first: I, k: I, descending: I,
): void {
  if (descending) sortRows<i32, u32>(true, x, values, index, scratch, rows, n, first, k);
  else sortRows<i32, u32>(false, x, values, index, scratch, rows, n, first, k);
}
export function topk_i32(
  x: P, values: P, index: P, scratch: P, rows: I, n: I, k: I, largest: I,
): void {
  if (k > 64) sort_i32(x, values, index, scratch, rows, n, 0, k, largest);
  else if (k > 0 && largest) topRows<i32>(true, x, values, index, scratch, rows, n, k);
  else if (k > 0) topRows<i32>(false, x, values, index, scratch, rows, n, k);
}

/** Places [first, first + k) of each sorted row (all: 0, n); kthvalue is (k - 1, 1). */
export function sort_i64(
  x: P, values: P, index: P, scratch: P, rows: I, n: I, first: I, k: I, descending: I,
): void {
  if (descending) sortRows<i64, u64>(true, x, values, index, scratch, rows, n, first, k);
  else sortRows<i64, u64>(false, x, values, index, scratch, rows, n, first, k);
}
export function topk_i64(
  x: P, values: P, index: P, scratch: P, rows: I, n: I, k: I, largest: I,
): void {
  if (k > 64) sort_i64(x, values, index, scratch, rows, n, 0, k, largest);
  else if (k > 0 && largest) topRows<i64>(true, x, values, index, scratch, rows, n, k);
  else if (k > 0) topRows<i64>(false, x, values, index, scratch, rows, n, k);
}

/** Places [first, first + k) of each sorted row (all: 0, n); kthvalue is (k - 1, 1). */
export function sort_u8(
  x: P, values: P, index: P, scratch: P, rows: I, n: I, first: I, k: I, descending: I,
): void {
  if (descending) sortRows<u8, u8>(true, x, values, index, scratch, rows, n, first, k);
  else sortRows<u8, u8>(false, x, values, index, scratch, rows, n, first, k);
}
export function topk_u8(
  x: P, values: P, index: P, scratch: P, rows: I, n: I, k: I, largest: I,
): void {
  if (k > 64) sort_u8(x, values, index, scratch, rows, n, 0, k, largest);
  else if (k > 0 && largest) topRows<u8>(true, x, values, index, scratch, rows, n, k);
  else if (k > 0) topRows<u8>(false, x, values, index, scratch, rows, n, k);
}
