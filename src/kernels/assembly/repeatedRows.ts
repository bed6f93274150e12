// Which rows of a matrix are the same, bit by bit: a product of them needs to be computed once only.

type P = usize;
type I = i32;

/** A row's hash in its low 32 bits. Two chains side by side: each is a multiplication after the other. */
// @ts-ignore: decorator
@inline
function hashOf(row: P, bytes: P): u32 {
  const m = i32x4.splat(0x2c1b3c6d);
  let a = i32x4.splat(0x297a2d39);
  let b = i32x4.splat(0x61c88647);
  const end = row + bytes;
  let p = row;
  for (; p + 32 <= end; p += 32) {
    a = i32x4.add(a, v128.load(p));
    b = i32x4.add(b, v128.load(p, 16));
    a = i32x4.mul(v128.xor(a, i32x4.shr_u(a, 15)), m);
    b = i32x4.mul(v128.xor(b, i32x4.shr_u(b, 15)), m);
  }
  for (; p < end; p += 4) {
    a = i32x4.add(a, i32x4.replace_lane(i32x4.splat(0), 0, load<i32>(p)));
    a = i32x4.mul(v128.xor(a, i32x4.shr_u(a, 15)), m);
  }
  // The lanes of both, one after the other.
  a = i32x4.mul(v128.xor(a, i32x4.shr_u(b, 13)), m);
  a = i32x4.add(a, b);
  let h: u32 = i32x4.extract_lane(a, 0);
  h = (h ^ (h >>> 16)) * 0x45d9f3b + i32x4.extract_lane(a, 1);
  h = (h ^ (h >>> 16)) * 0x45d9f3b + i32x4.extract_lane(a, 2);
  h = (h ^ (h >>> 16)) * 0x45d9f3b + i32x4.extract_lane(a, 3);
  return h ^ (h >>> 16);
}

/** Whether two rows are the same; `bytes` is a multiple of 4. */
// @ts-ignore: decorator
@inline
function same(a: P, b: P, bytes: P): bool {
  const end = a + bytes;
  for (; a + 16 <= end; a += 16, b += 16) {
    if (v128.any_true(v128.xor(v128.load(a), v128.load(b)))) return false;
  }
  for (; a < end; a += 4, b += 4) if (load<u32>(a) != load<u32>(b)) return false;
  return true;
}

/**
 * Numbers the distinct ones among x's rows of `bytes` (a multiple of 4) in the order in which they come: ids[i] is the
 * number of row i, first[k] the first row of number k, both int64. Returns how many there are, or -1 once there are more
 * than `most`. table: room for `size` i32s, a power of two above `most`.
 */
export function distinctRows(x: P, rows: I, bytes: I, most: I, ids: P, first: P, table: P, size: I): I {
  const row = <P>bytes;
  const mask = <u32>size - 1;
  memory.fill(table, 0, <P>size << 2);
  let count: I = 0;
  for (let i: I = 0; i < rows; i++) {
    const from = x + <P>i * row;
    let place = hashOf(from, row) & mask;
    let id: I = 0;
    for (; ; place = (place + 1) & mask) {
      id = load<i32>(table + (<P>place << 2)) - 1;
      if (id < 0 || same(from, x + <P>load<i64>(first + (<P>id << 3)) * row, row)) break;
    }
    if (id < 0) {
      if (count == most) return -1;
      id = count++;
      store<i32>(table + (<P>place << 2), count);
      store<i64>(first + (<P>id << 3), i);
    }
    store<i64>(ids + (<P>i << 3), id);
  }
  return count;
}

/** order: the rows of number 0, then those of number 1, ...; those of number k from starts[k] to starts[k + 1], i32s. */
export function rowsInOrder(ids: P, rows: I, count: I, starts: P, order: P): void {
  memory.fill(starts, 0, <P>(count + 1) << 2);
  for (let i: I = 0; i < rows; i++) {
    const at = starts + (<P>load<i64>(ids + (<P>i << 3)) << 2);
    store<i32>(at, load<i32>(at) + 1);
  }
  let before: I = 0;
  for (let k: I = 0; k <= count; k++) {
    const at = starts + (<P>k << 2);
    before += load<i32>(at);
    store<i32>(at, before);
  }
  // From the ends down, which leaves the starts.
  for (let i = rows - 1; i >= 0; i--) {
    const at = starts + (<P>load<i64>(ids + (<P>i << 3)) << 2);
    const to = load<i32>(at) - 1;
    store<i32>(at, to);
    store<i32>(order + (<P>to << 2), i);
  }
}

/** out[k, d0:d1] = the sum of x[i, d0:d1] over the rows i of number k, four at a time in their order, for k0 <= k < k1. */
// @ts-ignore: decorator
@inline
function sumsOf<T>(x: P, starts: P, order: P, out: P, D: I, k0: I, k1: I, d0: I, d1: I): void {
  const S = sizeof<T>();
  const row = <P>D * S;
  const from = x + <P>d0 * S;
  const bytes = <P>(d1 - d0) * S;
  const whole = bytes & ~15;
  for (let k = k0; k < k1; k++) {
    const to = out + <P>k * row + <P>d0 * S;
    memory.fill(to, 0, bytes);
    let place = order + (<P>load<i32>(starts + (<P>k << 2)) << 2);
    const end = order + (<P>load<i32>(starts + (<P>k << 2), 4) << 2);
    for (; place + 16 <= end; place += 16) {
      const a = from + <P>load<i32>(place) * row;
      const b = from + <P>load<i32>(place, 4) * row;
      const c = from + <P>load<i32>(place, 8) * row;
      const d = from + <P>load<i32>(place, 12) * row;
      let j: P = 0;
      for (; j < whole; j += 16) {
        const ab = v128.add<T>(v128.load(a + j), v128.load(b + j));
        const cd = v128.add<T>(v128.load(c + j), v128.load(d + j));
        v128.store(to + j, v128.add<T>(v128.load(to + j), v128.add<T>(ab, cd)));
      }
      for (; j < bytes; j += S) {
        const ab: T = <T>(load<T>(a + j) + load<T>(b + j));
        const cd: T = <T>(load<T>(c + j) + load<T>(d + j));
        store<T>(to + j, <T>(load<T>(to + j) + <T>(ab + cd)));
      }
    }
    for (; place < end; place += 4) {
      const a = from + <P>load<i32>(place) * row;
      let j: P = 0;
      for (; j < whole; j += 16) v128.store(to + j, v128.add<T>(v128.load(to + j), v128.load(a + j)));
      for (; j < bytes; j += S) store<T>(to + j, <T>(load<T>(to + j) + load<T>(a + j)));
    }
  }
}

export function sumsOfRows_f32(x: P, starts: P, order: P, out: P, D: I, k0: I, k1: I, d0: I, d1: I): void {
  sumsOf<f32>(x, starts, order, out, D, k0, k1, d0, d1);
}
export function sumsOfRows_f64(x: P, starts: P, order: P, out: P, D: I, k0: I, k1: I, d0: I, d1: I): void {
  sumsOf<f64>(x, starts, order, out, D, k0, k1, d0, d1);
}
