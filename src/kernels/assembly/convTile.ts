// Register tiles for convolution: as in the matrix product, with each b[k, :] found through a table of taps.
import { tile } from "./gemmTile";
import { fma } from "./simd";

// Out of line for the same reason as the matrix product's tiles.
function t11<T>(a: usize, ra: usize, b: usize, taps: usize, k: i32, t: usize): void {
  if (k < 0) t11<T>(a, ra, b, taps, 0, t);
  tile<T>(true, 1, 1, a, ra, sizeof<T>(), b, taps, k, t);
}
function t12<T>(a: usize, ra: usize, b: usize, taps: usize, k: i32, t: usize): void {
  if (k < 0) t12<T>(a, ra, b, taps, 0, t);
  tile<T>(true, 1, 2, a, ra, sizeof<T>(), b, taps, k, t);
}
function t21<T>(a: usize, ra: usize, b: usize, taps: usize, k: i32, t: usize): void {
  if (k < 0) t21<T>(a, ra, b, taps, 0, t);
  tile<T>(true, 2, 1, a, ra, sizeof<T>(), b, taps, k, t);
}
function t22<T>(a: usize, ra: usize, b: usize, taps: usize, k: i32, t: usize): void {
  if (k < 0) t22<T>(a, ra, b, taps, 0, t);
  tile<T>(true, 2, 2, a, ra, sizeof<T>(), b, taps, k, t);
}
function t31<T>(a: usize, ra: usize, b: usize, taps: usize, k: i32, t: usize): void {
  if (k < 0) t31<T>(a, ra, b, taps, 0, t);
  tile<T>(true, 3, 1, a, ra, sizeof<T>(), b, taps, k, t);
}
function t32<T>(a: usize, ra: usize, b: usize, taps: usize, k: i32, t: usize): void {
  if (k < 0) t32<T>(a, ra, b, taps, 0, t);
  tile<T>(true, 3, 2, a, ra, sizeof<T>(), b, taps, k, t);
}
function t41<T>(a: usize, ra: usize, b: usize, taps: usize, k: i32, t: usize): void {
  if (k < 0) t41<T>(a, ra, b, taps, 0, t);
  tile<T>(true, 4, 1, a, ra, sizeof<T>(), b, taps, k, t);
}
function t42<T>(a: usize, ra: usize, b: usize, taps: usize, k: i32, t: usize): void {
  if (k < 0) t42<T>(a, ra, b, taps, 0, t);
  tile<T>(true, 4, 2, a, ra, sizeof<T>(), b, taps, k, t);
}
function t51<T>(a: usize, ra: usize, b: usize, taps: usize, k: i32, t: usize): void {
  if (k < 0) t51<T>(a, ra, b, taps, 0, t);
  tile<T>(true, 5, 1, a, ra, sizeof<T>(), b, taps, k, t);
}
function t52<T>(a: usize, ra: usize, b: usize, taps: usize, k: i32, t: usize): void {
  if (k < 0) t52<T>(a, ra, b, taps, 0, t);
  tile<T>(true, 5, 2, a, ra, sizeof<T>(), b, taps, k, t);
}

/** One row of four vectors, for depthwise convolution: with fewer sums the loop waits for each addition. */
export function sumTapsWide<T>(a: usize, b: usize, taps: usize, k: i32, t: usize): void {
  let c0 = i32x4.splat(0), c1 = c0, c2 = c0, c3 = c0;
  for (; k > 0; k--) {
    const p = b + load<u32>(taps);
    const x = v128.load_splat<T>(a);
    c0 = fma<T>(x, v128.load(p), c0);
    c1 = fma<T>(x, v128.load(p, 16), c1);
    c2 = fma<T>(x, v128.load(p, 32), c2);
    c3 = fma<T>(x, v128.load(p, 48), c3);
    a += sizeof<T>();
    taps += 4;
  }
  v128.store(t, c0);
  v128.store(t, c1, 16);
  v128.store(t, c2, 32);
  v128.store(t, c3, 48);
}

/** The tile of r rows (1 to MR) and v vectors (1 or 2): t[r, :] = sum over k of a[r, k] * (vectors at b + taps[k]). */
export function sumTaps<T>(r: i32, v: i32, a: usize, ra: usize, b: usize, taps: usize, k: i32, t: usize): void {
  if (v == 2) {
    if (r == 5) t52<T>(a, ra, b, taps, k, t);
    else if (r == 4) t42<T>(a, ra, b, taps, k, t);
    else if (r == 3) t32<T>(a, ra, b, taps, k, t);
    else if (r == 2) t22<T>(a, ra, b, taps, k, t);
    else t12<T>(a, ra, b, taps, k, t);
  } else {
    if (r == 5) t51<T>(a, ra, b, taps, k, t);
    else if (r == 4) t41<T>(a, ra, b, taps, k, t);
    else if (r == 3) t31<T>(a, ra, b, taps, k, t);
    else if (r == 2) t21<T>(a, ra, b, taps, k, t);
    else t11<T>(a, ra, b, taps, k, t);
  }
}
