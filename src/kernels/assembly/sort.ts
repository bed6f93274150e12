// Stable sorting of contiguous rows [rows, n] by merging, and what rests on it: top-k, order statistics.
// NaN counts as the largest value, as in PyTorch. `scratch` holds n * (2 * sizeof(T) + 8) bytes.

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

/** Merges sorted [from, mid) and [mid, to) into the other buffer. */
// @ts-ignore: decorator
@inline
function merge<T>(down: bool, keys: P, places: P, toKeys: P, toPlaces: P, from: I, mid: I, to: I): void {
  let a = from;
  let b = mid;
  let i = from;
  while (a < mid && b < to) {
    const first = load<T>(key<T>(keys, a));
    const second = load<T>(key<T>(keys, b));
    const take = <i32>before<T>(down, second, first);
    const s = a + (b - a) * take;
    store<T>(key<T>(toKeys, i), load<T>(key<T>(keys, s)));
    store<i32>(place(toPlaces, i), load<i32>(place(places, s)));
    b += take;
    a += 1 - take;
    i++;
  }
  const rest = a < mid ? a : b;
  const count = <P>(to - i);
  memory.copy(key<T>(toKeys, i), key<T>(keys, rest), count * sizeof<T>());
  memory.copy(place(toPlaces, i), place(places, rest), count << 2);
}

const RUN = 8;

/** Sorts a row into scratch; returns the address of its keys, places follow at `placesOf`. */
// @ts-ignore: decorator
@inline
function sortRow<T>(down: bool, x: P, scratch: P, n: I): P {
  const bytes = <P>n * sizeof<T>();
  let keys = scratch;
  let other = scratch + bytes;
  const firstPlaces = scratch + 2 * bytes;
  memory.copy(keys, x, bytes);
  for (let i = 0; i < n; i++) store<i32>(place(firstPlaces, i), i);
  for (let i = 0; i < n; i += RUN) insertion<T>(down, keys, firstPlaces, i, min(n, i + RUN));
  let places = firstPlaces;
  let otherPlaces = firstPlaces + (<P>n << 2);
  for (let width = RUN; width < n; width *= 2) {
    for (let i = 0; i < n; i += 2 * width) {
      const mid = min(n, i + width);
      const to = width > n - mid ? n : mid + width;
      merge<T>(down, keys, places, other, otherPlaces, i, mid, to);
    }
    let swap = keys;
    keys = other;
    other = swap;
    swap = places;
    places = otherPlaces;
    otherPlaces = swap;
  }
  return keys;
}

// @ts-ignore: decorator
@inline
function placesOf<T>(keys: P, scratch: P, n: I): P {
  const start = scratch + 2 * <P>n * sizeof<T>();
  return keys == scratch ? start : start + (<P>n << 2);
}

/** The places [first, first + k) of each sorted row: values [rows, k] and int64 index [rows, k]. */
// @ts-ignore: decorator
@inline
function sortRows<T>(
  down: bool, x: P, values: P, index: P, scratch: P, rows: I, n: I, first: I, k: I,
): void {
  for (let r = 0; r < rows; r++, x += <P>n * sizeof<T>()) {
    const keys = sortRow<T>(down, x, scratch, n);
    const places = placesOf<T>(keys, scratch, n);
    memory.copy(values, key<T>(keys, first), <P>k * sizeof<T>());
    for (let i = 0; i < k; i++) store<i64>(index + (<P>i << 3), <i64>load<i32>(place(places, first + i)));
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
  if (descending) sortRows<f32>(true, x, values, index, scratch, rows, n, first, k);
  else sortRows<f32>(false, x, values, index, scratch, rows, n, first, k);
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
  if (descending) sortRows<f64>(true, x, values, index, scratch, rows, n, first, k);
  else sortRows<f64>(false, x, values, index, scratch, rows, n, first, k);
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
  if (descending) sortRows<i32>(true, x, values, index, scratch, rows, n, first, k);
  else sortRows<i32>(false, x, values, index, scratch, rows, n, first, k);
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
  if (descending) sortRows<i64>(true, x, values, index, scratch, rows, n, first, k);
  else sortRows<i64>(false, x, values, index, scratch, rows, n, first, k);
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
  if (descending) sortRows<u8>(true, x, values, index, scratch, rows, n, first, k);
  else sortRows<u8>(false, x, values, index, scratch, rows, n, first, k);
}
export function topk_u8(
  x: P, values: P, index: P, scratch: P, rows: I, n: I, k: I, largest: I,
): void {
  if (k > 64) sort_u8(x, values, index, scratch, rows, n, 0, k, largest);
  else if (k > 0 && largest) topRows<u8>(true, x, values, index, scratch, rows, n, k);
  else if (k > 0) topRows<u8>(false, x, values, index, scratch, rows, n, k);
}
