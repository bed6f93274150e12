// Runs of equal neighbours in a contiguous row, the base of unique: a NaN equals nothing.

type P = usize;
type I = i32;

/** Where each run starts (int32) and its value; returns how many there are. Both may hold n. */
// @ts-ignore: decorator
@inline
function runs<T>(x: P, starts: P, values: P, n: I): I {
  let count = 0;
  for (let i = 0; i < n; i++, x += sizeof<T>()) {
    const v = load<T>(x);
    if (i > 0 && v == load<T>(x - sizeof<T>())) continue;
    store<i32>(starts + (<P>count << 2), i);
    store<T>(values + <P>count * sizeof<T>(), v);
    count++;
  }
  return count;
}
export function runs_f32(x: P, starts: P, values: P, n: I): I {
  return runs<f32>(x, starts, values, n);
}
export function runs_f64(x: P, starts: P, values: P, n: I): I {
  return runs<f64>(x, starts, values, n);
}
export function runs_i32(x: P, starts: P, values: P, n: I): I {
  return runs<i32>(x, starts, values, n);
}
export function runs_i64(x: P, starts: P, values: P, n: I): I {
  return runs<i64>(x, starts, values, n);
}
export function runs_u8(x: P, starts: P, values: P, n: I): I {
  return runs<u8>(x, starts, values, n);
}

/** Lengths of runs, int64, from their starts and the end of the last. */
export function runLengths(starts: P, lengths: P, count: I, n: I): void {
  for (let r = 0; r < count; r++, starts += 4, lengths += 8) {
    const end = r + 1 < count ? load<i32>(starts, 4) : n;
    store<i64>(lengths, end - load<i32>(starts));
  }
}

/** inverse[places[i]] = the run of i, int64; places are int64, or null for 0, 1, 2, ... */
export function runInverse(starts: P, places: P, inverse: P, count: I, n: I): void {
  for (let r = 0; r < count; r++) {
    const at = starts + (<P>r << 2);
    const end = r + 1 < count ? load<i32>(at, 4) : n;
    for (let i = load<i32>(at); i < end; i++) {
      const to = places == 0 ? i : <I>load<i64>(places + (<P>i << 3));
      store<i64>(inverse + (<P>to << 3), r);
    }
  }
}
