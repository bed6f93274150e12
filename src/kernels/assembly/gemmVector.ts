// Products with one row: a strip of eight vectors of B's columns, and dot products with B's contiguous columns.
import { fma, fmaScalar, lanes } from "./simd";

/** t[:] = sum over k of a[k] b[k, :] for eight vectors; steps in bytes. */
export function sumStrip<T>(a: usize, as: usize, b: usize, bs: usize, k: i32, t: usize): void {
  let c0 = i32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
  for (; k > 0; k--) {
    const x = v128.load_splat<T>(a);
    c0 = fma<T>(x, v128.load(b), c0);
    c1 = fma<T>(x, v128.load(b, 16), c1);
    c2 = fma<T>(x, v128.load(b, 32), c2);
    c3 = fma<T>(x, v128.load(b, 48), c3);
    c4 = fma<T>(x, v128.load(b, 64), c4);
    c5 = fma<T>(x, v128.load(b, 80), c5);
    c6 = fma<T>(x, v128.load(b, 96), c6);
    c7 = fma<T>(x, v128.load(b, 112), c7);
    a += as;
    b += bs;
  }
  v128.store(t, c0);
  v128.store(t, c1, 16);
  v128.store(t, c2, 32);
  v128.store(t, c3, 48);
  v128.store(t, c4, 64);
  v128.store(t, c5, 80);
  v128.store(t, c6, 96);
  v128.store(t, c7, 112);
}

/** Adds a[k..] b[k.., l..] of L contiguous columns over L steps of k to the sums c, transposing in registers. */
// @ts-ignore: decorator
@inline
function dotBlock<T>(c: v128, x0: v128, x1: v128, x2: v128, x3: v128, b: usize, cs: usize): v128 {
  if (sizeof<T>() == 4) {
    const r0 = v128.load(b), r1 = v128.load(b + cs), r2 = v128.load(b + 2 * cs), r3 = v128.load(b + 3 * cs);
    const p = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5), q = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
    const u = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7), w = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
    c = fma<T>(x0, v128.shuffle<f64>(p, q, 0, 2), c);
    c = fma<T>(x1, v128.shuffle<f64>(p, q, 1, 3), c);
    c = fma<T>(x2, v128.shuffle<f64>(u, w, 0, 2), c);
    return fma<T>(x3, v128.shuffle<f64>(u, w, 1, 3), c);
  }
  const r0 = v128.load(b), r1 = v128.load(b + cs);
  c = fma<T>(x0, v128.shuffle<f64>(r0, r1, 0, 2), c);
  return fma<T>(x1, v128.shuffle<f64>(r0, r1, 1, 3), c);
}

/** t[l] = sum over k of a[k] b[k, l] for `cols` (at most two vectors of) columns that are contiguous in k. */
export function sumDots<T>(cols: i32, a: usize, as: usize, b: usize, cs: usize, K: i32, t: usize): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  let k: i32 = 0;
  let c0 = i32x4.splat(0), c1 = c0;
  if (cols == 2 * L) {
    const half = <usize>L * cs;
    for (; k + L <= K; k += L) {
      const x0 = v128.load_splat<T>(a);
      const x1 = v128.load_splat<T>(a + as);
      const x2 = L == 4 ? v128.load_splat<T>(a + 2 * as) : x0;
      const x3 = L == 4 ? v128.load_splat<T>(a + 3 * as) : x0;
      c0 = dotBlock<T>(c0, x0, x1, x2, x3, b, cs);
      c1 = dotBlock<T>(c1, x0, x1, x2, x3, b + half, cs);
      a += <usize>L * as;
      b += 16;
    }
  }
  v128.store(t, c0);
  v128.store(t, c1, 16);
  if (k == K) return;
  for (let l: i32 = 0; l < cols; l++) {
    let y = load<T>(t);
    let p = a;
    for (let q = b, end = b + <usize>(K - k) * S; q < end; q += S) {
      y = fmaScalar<T>(load<T>(p), load<T>(q), y);
      p += as;
    }
    store<T>(t, y);
    t += S;
    b += cs;
  }
}
