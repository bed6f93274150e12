// Products of a few rows with weights packed once, as every step of a recurrent layer takes them. A step has few rows,
// so tiles of 2 and 3 rows are common here: they take two terms of the sum at a time, which halves what the loop
// costs beside its multiplications (3 rows of 128 x 512: 8.2 to 6.5 us). Tiles of 5 rows have no registers left for it.
import { blockOf, multiplyPacked } from "./gemm";
import { sumTile, TILE_ROW } from "./gemmTile";
import { writeTile } from "./gemmWrite";
import { fma, lanes } from "./simd";

type P = usize;
type I = i32;

/** t[r, :] = sum over an even number k of terms of a[r, k] b[k, :], in the order of k; a contiguous, b two vectors wide. */
// @ts-ignore: decorator
@inline
function tile<T>(R: I, a: P, ra: P, b: P, k: I, t: P): void {
  let c00 = i32x4.splat(0), c01 = i32x4.splat(0);
  let c10 = i32x4.splat(0), c11 = i32x4.splat(0);
  let c20 = i32x4.splat(0), c21 = i32x4.splat(0);
  let a1 = a + ra, a2 = a1 + ra;
  for (; k >= 2; k -= 2) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    const x0 = v128.load_splat<T>(a);
    c00 = fma<T>(x0, b0, c00);
    c01 = fma<T>(x0, b1, c01);
    const x1 = v128.load_splat<T>(a1);
    c10 = fma<T>(x1, b0, c10);
    c11 = fma<T>(x1, b1, c11);
    if (R > 2) {
      const x2 = v128.load_splat<T>(a2);
      c20 = fma<T>(x2, b0, c20);
      c21 = fma<T>(x2, b1, c21);
    }
    const d0 = v128.load(b, 32), d1 = v128.load(b, 48);
    const y0 = v128.load_splat<T>(a, sizeof<T>());
    c00 = fma<T>(y0, d0, c00);
    c01 = fma<T>(y0, d1, c01);
    const y1 = v128.load_splat<T>(a1, sizeof<T>());
    c10 = fma<T>(y1, d0, c10);
    c11 = fma<T>(y1, d1, c11);
    if (R > 2) {
      const y2 = v128.load_splat<T>(a2, sizeof<T>());
      c20 = fma<T>(y2, d0, c20);
      c21 = fma<T>(y2, d1, c21);
    }
    a += 2 * sizeof<T>();
    a1 += 2 * sizeof<T>();
    if (R > 2) a2 += 2 * sizeof<T>();
    b += 64;
  }
  v128.store(t, c00);
  v128.store(t, c01, 16);
  v128.store(t, c10, 32);
  v128.store(t, c11, 48);
  if (R > 2) v128.store(t, c20, 64);
  if (R > 2) v128.store(t, c21, 80);
}

// Functions of their own, as in gemmTile.ts.
function pairs2<T>(a: P, ra: P, b: P, k: I, t: P): void {
  if (k < 0) pairs2<T>(a, ra, b, 0, t);
  tile<T>(2, a, ra, b, k, t);
}
function pairs3<T>(a: P, ra: P, b: P, k: I, t: P): void {
  if (k < 0) pairs3<T>(a, ra, b, 0, t);
  tile<T>(3, a, ra, b, k, t);
}

/** How many rows to take next when m are left: 5 where the rest is not 1 or 4, which 3 and 2 make up faster. */
// @ts-ignore: decorator
@inline
function rowsOf(m: I): I {
  if (m >= 10 || m == 5 || m == 7 || m == 8) return 5;
  if (m == 9 || m == 6) return 3;
  return m == 4 ? 2 : m;
}

/**
 * C = A B + beta C (+ bias[j]) for contiguous A[M, K] and C[M, N] and packed B: the bits of gemm. Odd sums and columns
 * that do not fill two vectors go the general way.
 */
export function multiplyRows<T>(M: I, N: I, K: I, A: P, B: P, beta: T, C: P, scratch: P, bias: P): void {
  const S = sizeof<T>();
  const wide = 2 * lanes<T>();
  const kb = blockOf(K);
  if (((kb | K) & 1) != 0 || N % wide != 0) {
    multiplyPacked<T>(M, N, K, A, B, beta, C, scratch, bias);
    return;
  }
  const ra = <P>K * S;
  const rc = <P>N * S;
  for (let k0: I = 0; k0 < K; k0 += kb) {
    const kc = min(kb, K - k0);
    const b0: T = k0 == 0 ? beta : 1;
    const bias0: P = k0 + kc >= K ? bias : 0;
    for (let j: I = 0; j < N; j += wide) {
      const at = bias0 ? bias0 + <P>j * S : 0;
      let a = A + <P>k0 * S;
      let c = C + <P>j * S;
      for (let i: I = 0; i < M; ) {
        const r = rowsOf(M - i);
        if (r == 3) pairs3<T>(a, ra, B, kc, scratch);
        else if (r == 2) pairs2<T>(a, ra, B, kc, scratch);
        else sumTile<T>(r, 2, a, ra, S, B, 32, kc, scratch);
        writeTile<T>(scratch, TILE_ROW, r, 0, wide, c, rc, S, 1, b0, at, 0, S);
        a += <P>r * ra;
        c += <P>r * rc;
        i += r;
      }
      B += <P>kc << 5;
    }
  }
}
