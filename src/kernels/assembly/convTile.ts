// Register tiles for convolution: as in the matrix product, with each b[k, :] found through a table of taps.
import { rowsOf, tile } from "./gemmTile";
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

/**
 * y[r, :] = a[0, r] + sum over k of a[k + 1, r] * (vectors at b + taps[k]) for R rows `stepY` bytes apart and `count` times two
 * neighbouring vectors: the whole sum at once, with no tile in between.
 */
// @ts-ignore: decorator
@inline
function strips<T>(R: i32, a: usize, b: usize, taps: usize, k: i32, y: usize, stepY: usize, count: i32): void {
  const S = sizeof<T>();
  for (; count > 0; count--) {
    // In front of the weights lie the biases.
    let c00 = v128.load_splat<T>(a), c01 = c00;
    let c10 = R > 1 ? v128.load_splat<T>(a, S) : c00, c11 = c10;
    let c20 = R > 2 ? v128.load_splat<T>(a, 2 * S) : c00, c21 = c20;
    let c30 = R > 3 ? v128.load_splat<T>(a, 3 * S) : c00, c31 = c30;
    let c40 = R > 4 ? v128.load_splat<T>(a, 4 * S) : c00, c41 = c40;
    let w = a + <usize>R * S, t = taps;
    for (let i = k; i > 0; i--) {
      const p = b + load<u32>(t);
      const b0 = v128.load(p), b1 = v128.load(p, 16);
      let x = v128.load_splat<T>(w);
      c00 = fma<T>(x, b0, c00);
      c01 = fma<T>(x, b1, c01);
      if (R > 1) {
        x = v128.load_splat<T>(w, S);
        c10 = fma<T>(x, b0, c10);
        c11 = fma<T>(x, b1, c11);
      }
      if (R > 2) {
        x = v128.load_splat<T>(w, 2 * S);
        c20 = fma<T>(x, b0, c20);
        c21 = fma<T>(x, b1, c21);
      }
      if (R > 3) {
        x = v128.load_splat<T>(w, 3 * S);
        c30 = fma<T>(x, b0, c30);
        c31 = fma<T>(x, b1, c31);
      }
      if (R > 4) {
        x = v128.load_splat<T>(w, 4 * S);
        c40 = fma<T>(x, b0, c40);
        c41 = fma<T>(x, b1, c41);
      }
      w += <usize>R * S;
      t += 4;
    }
    v128.store(y, c00);
    v128.store(y, c01, 16);
    if (R > 1) {
      v128.store(y + stepY, c10);
      v128.store(y + stepY, c11, 16);
    }
    if (R > 2) {
      v128.store(y + 2 * stepY, c20);
      v128.store(y + 2 * stepY, c21, 16);
    }
    if (R > 3) {
      v128.store(y + 3 * stepY, c30);
      v128.store(y + 3 * stepY, c31, 16);
    }
    if (R > 4) {
      v128.store(y + 4 * stepY, c40);
      v128.store(y + 4 * stepY, c41, 16);
    }
    b += 32;
    y += 32;
  }
}

function r1<T>(a: usize, b: usize, p: usize, k: i32, y: usize, s: usize, n: i32): void {
  if (k < 0) r1<T>(a, b, p, 0, y, s, n);
  strips<T>(1, a, b, p, k, y, s, n);
}
function r2<T>(a: usize, b: usize, p: usize, k: i32, y: usize, s: usize, n: i32): void {
  if (k < 0) r2<T>(a, b, p, 0, y, s, n);
  strips<T>(2, a, b, p, k, y, s, n);
}
function r3<T>(a: usize, b: usize, p: usize, k: i32, y: usize, s: usize, n: i32): void {
  if (k < 0) r3<T>(a, b, p, 0, y, s, n);
  strips<T>(3, a, b, p, k, y, s, n);
}
function r4<T>(a: usize, b: usize, p: usize, k: i32, y: usize, s: usize, n: i32): void {
  if (k < 0) r4<T>(a, b, p, 0, y, s, n);
  strips<T>(4, a, b, p, k, y, s, n);
}
function r5<T>(a: usize, b: usize, p: usize, k: i32, y: usize, s: usize, n: i32): void {
  if (k < 0) r5<T>(a, b, p, 0, y, s, n);
  strips<T>(5, a, b, p, k, y, s, n);
}

/** {@link strips} of one row and four vectors, for depthwise convolution. */
export function sumRowWide<T>(a: usize, b: usize, taps: usize, k: i32, y: usize, count: i32): void {
  for (; count > 0; count--) {
    let c0 = v128.load_splat<T>(a), c1 = c0, c2 = c0, c3 = c0;
    let w = a + sizeof<T>(), t = taps;
    for (let i = k; i > 0; i--) {
      const p = b + load<u32>(t);
      const x = v128.load_splat<T>(w);
      c0 = fma<T>(x, v128.load(p), c0);
      c1 = fma<T>(x, v128.load(p, 16), c1);
      c2 = fma<T>(x, v128.load(p, 32), c2);
      c3 = fma<T>(x, v128.load(p, 48), c3);
      w += sizeof<T>();
      t += 4;
    }
    v128.store(y, c0);
    v128.store(y, c1, 16);
    v128.store(y, c2, 32);
    v128.store(y, c3, 48);
    b += 64;
    y += 64;
  }
}

/** {@link strips} for r rows, 1 to MR. */
export function sumRows<T>(
  r: i32, a: usize, b: usize, taps: usize, k: i32, y: usize, stepY: usize, count: i32,
): void {
  if (r == 5) r5<T>(a, b, taps, k, y, stepY, count);
  else if (r == 4) r4<T>(a, b, taps, k, y, stepY, count);
  else if (r == 3) r3<T>(a, b, taps, k, y, stepY, count);
  else if (r == 2) r2<T>(a, b, taps, k, y, stepY, count);
  else r1<T>(a, b, taps, k, y, stepY, count);
}

/** Biases and weights a[m, k] as sumRows reads them: groups of rowsOf rows, in each the biases, then [k, r]. */
export function packWeights<T>(a: usize, bias: usize, M: i32, K: i32, packed: usize): void {
  const S = sizeof<T>();
  const row = <usize>K * S;
  for (let m: i32 = 0; m < M; ) {
    const r = rowsOf(M - m);
    for (let i: i32 = 0; i < r; i++) {
      let to = packed + <usize>i * S;
      store<T>(to, bias ? load<T>(bias + <usize>(m + i) * S) : 0);
      for (let p = a, end = a + row; p < end; p += S) {
        to += <usize>r * S;
        store<T>(to, load<T>(p));
      }
      a += row;
    }
    packed += <usize>r * (row + S);
    m += r;
  }
}
