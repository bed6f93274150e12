// Orthogonal matrices of singular and eigenvectors: a product of reflections, turned by a list of rotations (givens.ts).
// It is made by strips of rows, each of which stays in the first cache from the first reflection to the last rotation.
// All is float64; the result is rounded.
import { HEAD } from "./givens";
import { fma, fnma } from "./simd";
import { giveSlot, slotScratch, takeSlot } from "./slots";

/** Rows of a strip. */
const ROWS: i32 = 8;
/** Bytes of a strip's column: its rows lie side by side, in four vectors. */
const STRIP: usize = 64;

/** What the kernel is asked for, in the order of the numbers at `desc`. */
// @ts-ignore: decorator
@inline
function field(desc: usize, i: i32): i32 {
  return load<i32>(desc + (<usize>i << 2));
}

/** x (I - tau v v^T) for a strip x of n columns, `step` bytes apart. */
// @ts-ignore: decorator
@inline
function reflect(x: usize, step: usize, v: usize, tau: f64, n: i32): void {
  let a = f64x2.splat(0);
  let b = a;
  let c = a;
  let d = a;
  let p = x;
  for (let j: i32 = 0; j < n; j++, p += step) {
    const s = v128.load64_splat(v + (<usize>j << 3));
    a = fma<f64>(s, v128.load(p), a);
    b = fma<f64>(s, v128.load(p, 16), b);
    c = fma<f64>(s, v128.load(p, 32), c);
    d = fma<f64>(s, v128.load(p, 48), d);
  }
  const t = f64x2.splat(tau);
  a = f64x2.mul(t, a);
  b = f64x2.mul(t, b);
  c = f64x2.mul(t, c);
  d = f64x2.mul(t, d);
  p = x;
  for (let j: i32 = 0; j < n; j++, p += step) {
    const s = v128.load64_splat(v + (<usize>j << 3));
    v128.store(p, fnma<f64>(s, a, v128.load(p)));
    v128.store(p, fnma<f64>(s, b, v128.load(p, 16)), 16);
    v128.store(p, fnma<f64>(s, c, v128.load(p, 32)), 32);
    v128.store(p, fnma<f64>(s, d, v128.load(p, 48)), 48);
  }
}

/** The rotations of a sweep from column `first` on: the column between two of them stays in registers. */
// @ts-ignore: decorator
@inline
function turnDown(x: usize, pairs: usize, bytes: usize, count: i32): void {
  let a = v128.load(x);
  let b = v128.load(x, 16);
  let c = v128.load(x, 32);
  let d = v128.load(x, 48);
  for (let t: i32 = 0; t < count; t++, pairs += bytes, x += STRIP) {
    const cs = v128.load64_splat(pairs);
    const sn = v128.load64_splat(pairs, 8);
    const y = v128.load(x, STRIP);
    const z = v128.load(x, STRIP + 16);
    v128.store(x, fma<f64>(cs, a, f64x2.mul(sn, y)));
    v128.store(x, fma<f64>(cs, b, f64x2.mul(sn, z)), 16);
    a = fnma<f64>(sn, a, f64x2.mul(cs, y));
    b = fnma<f64>(sn, b, f64x2.mul(cs, z));
    const u = v128.load(x, STRIP + 32);
    const v = v128.load(x, STRIP + 48);
    v128.store(x, fma<f64>(cs, c, f64x2.mul(sn, u)), 32);
    v128.store(x, fma<f64>(cs, d, f64x2.mul(sn, v)), 48);
    c = fnma<f64>(sn, c, f64x2.mul(cs, u));
    d = fnma<f64>(sn, d, f64x2.mul(cs, v));
  }
  v128.store(x, a);
  v128.store(x, b, 16);
  v128.store(x, c, 32);
  v128.store(x, d, 48);
}

/** The same from the last column up. */
// @ts-ignore: decorator
@inline
function turnUp(x: usize, pairs: usize, bytes: usize, count: i32): void {
  let a = v128.load(x);
  let b = v128.load(x, 16);
  let c = v128.load(x, 32);
  let d = v128.load(x, 48);
  for (let t: i32 = 0; t < count; t++, pairs += bytes) {
    const cs = v128.load64_splat(pairs);
    const sn = v128.load64_splat(pairs, 8);
    const next = x - STRIP;
    const y = v128.load(next);
    const z = v128.load(next, 16);
    v128.store(x, fnma<f64>(sn, y, f64x2.mul(cs, a)));
    v128.store(x, fnma<f64>(sn, z, f64x2.mul(cs, b)), 16);
    a = fma<f64>(cs, y, f64x2.mul(sn, a));
    b = fma<f64>(cs, z, f64x2.mul(sn, b));
    const u = v128.load(next, 32);
    const v = v128.load(next, 48);
    v128.store(x, fnma<f64>(sn, u, f64x2.mul(cs, c)), 32);
    v128.store(x, fnma<f64>(sn, v, f64x2.mul(cs, d)), 48);
    c = fma<f64>(cs, u, f64x2.mul(sn, c));
    d = fma<f64>(cs, v, f64x2.mul(sn, d));
    x = next;
  }
  v128.store(x, a);
  v128.store(x, b, 16);
  v128.store(x, c, 32);
  v128.store(x, d, 48);
}

/**
 * Strips `first` to `first + count` of a batch of matrices [n, columns]. At desc: n, the columns and the element strides
 * (of rows, columns and matrices) of the result, and its address; the number of reflections, the address of their
 * vectors (row i of a matrix, from element i + offset on), the elements from row to row and from matrix to matrix, the
 * offset, the address of their factors; whether columns count from the last one for them; the lists' address, the bytes
 * of each and of a rotation; the address of the columns' places, how many there are and the elements from one matrix to
 * the next. Columns without a place stay where they are; those with the place -1 - p change their sign.
 */
// @ts-ignore: decorator
@inline
function strips<T>(desc: usize, first: i32, count: i32, slots: usize, slotCount: i32, slotBytes: usize): void {
  const n = field(desc, 0);
  const columns = field(desc, 1);
  const reflections = field(desc, 6);
  const ld = field(desc, 8);
  const offset = field(desc, 10);
  const turned = field(desc, 12) != 0;
  const bytes = <usize>field(desc, 15);
  const side = <usize>field(desc, 20);
  const placed = field(desc, 17);
  const each = (n + ROWS - 1) / ROWS;
  const slot = takeSlot(slots, slotCount);
  const x = (slotScratch(slots, slotCount, slotBytes, slot) + 63) & ~63;
  for (let u = first; u < first + count; u++) {
    const matrix = u / each;
    const row = (u - matrix * each) * ROWS;
    const rows = min(ROWS, n - row);
    // Rows of the identity.
    const step = turned ? -STRIP : STRIP;
    const origin = turned ? x + <usize>(n - 1) * STRIP : x;
    memory.fill(x, 0, <usize>n * STRIP);
    for (let r: i32 = 0; r < rows; r++) {
      store<f64>(x + <usize>(row + r) * STRIP + (<usize>r << 3), 1);
    }
    let v = <usize>field(desc, 7) + ((<usize>matrix * <usize>field(desc, 9)) << 3);
    let taus = <usize>field(desc, 11) + ((<usize>matrix * <usize>field(desc, 18)) << 3);
    for (let i: i32 = 0; i < reflections; i++) {
      const tau = load<f64>(taus + (<usize>i << 3));
      const from = i + offset;
      if (tau != 0) reflect(origin + <usize>from * step, step, v + (<usize>(i * ld + from) << 3), tau, n - from);
    }
    let list = <usize>field(desc, 13) + <usize>matrix * <usize>field(desc, 14);
    for (;;) {
      const start = load<i32>(list);
      const turns = load<i32>(list, 4);
      if (turns == 0) break;
      list += HEAD;
      if (turns > 0) turnDown(x + <usize>start * STRIP, list + side, bytes, turns);
      else turnUp(x + <usize>start * STRIP, list + side, bytes, -turns);
      list += <usize>abs(turns) * bytes;
    }
    const places = <usize>field(desc, 16) + ((<usize>matrix * <usize>field(desc, 19)) << 2);
    const rs = <usize>field(desc, 2) * sizeof<T>();
    const out = <usize>field(desc, 5) + <usize>matrix * <usize>field(desc, 4) * sizeof<T>() + <usize>row * rs;
    for (let i: i32 = 0; i < columns; i++) {
      const place = i < placed ? load<i32>(places + (<usize>i << 2)) : i;
      const from = x + <usize>(place < 0 ? -1 - place : place) * STRIP;
      let to = out + <usize>i * <usize>field(desc, 3) * sizeof<T>();
      for (let r: i32 = 0; r < rows; r++, to += rs) {
        const z = load<f64>(from + (<usize>r << 3));
        store<T>(to, <T>(place < 0 ? -z : z));
      }
    }
  }
  giveSlot(slots, slot);
}

export function orthogonalStrips_f32(
  desc: usize, first: i32, count: i32, slots: usize, slotCount: i32, slotBytes: usize,
): void {
  strips<f32>(desc, first, count, slots, slotCount, slotBytes);
}
export function orthogonalStrips_f64(
  desc: usize, first: i32, count: i32, slots: usize, slotCount: i32, slotBytes: usize,
): void {
  strips<f64>(desc, first, count, slots, slotCount, slotBytes);
}
