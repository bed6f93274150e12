// Register tiles of the matrix product: R x (V vectors) sums over k, held in registers for the whole loop.
// 5 x 2 vectors is the largest tile that V8 keeps in the 15 vector registers it allocates (6 x 2 spills).
import { fma } from "./simd";

/** Rows of a full tile. */
export const MR: i32 = 5;
/** Bytes from one row to the next in a stored tile: two vectors. */
export const TILE_ROW: usize = 32;

/**
 * t[r, :] = sum over k of a[r, k] b[k, :], added in the order of k.
 * Steps in bytes: a[r, k] at a + r ra + k as; b[k, :] at b + k bs, or with TAB at b plus the u32 at bs + 4 k.
 * With INTO t holds where the first row goes and the step to the next, both u32: kept in memory, since every register
 * is taken. (Anything else done to the sums here makes V8 spill them within the loop, at half the speed.)
 */
// @ts-ignore: decorator
@inline
export function tile<T>(
  TAB: bool, R: i32, V: i32, a: usize, ra: usize, as: usize, b: usize, bs: usize, k: i32, t: usize, INTO: bool = false,
): void {
  let c00 = i32x4.splat(0), c01 = i32x4.splat(0);
  let c10 = i32x4.splat(0), c11 = i32x4.splat(0);
  let c20 = i32x4.splat(0), c21 = i32x4.splat(0);
  let c30 = i32x4.splat(0), c31 = i32x4.splat(0);
  let c40 = i32x4.splat(0), c41 = i32x4.splat(0);
  let a1 = a + ra, a2 = a1 + ra, a3 = a2 + ra, a4 = a3 + ra;
  for (; k > 0; k--) {
    const p = TAB ? b + load<u32>(bs) : b;
    const b0 = v128.load(p);
    const b1 = V > 1 ? v128.load(p, 16) : b0;
    const x0 = v128.load_splat<T>(a);
    c00 = fma<T>(x0, b0, c00);
    if (V > 1) c01 = fma<T>(x0, b1, c01);
    a += as;
    if (R > 1) {
      const x = v128.load_splat<T>(a1);
      c10 = fma<T>(x, b0, c10);
      if (V > 1) c11 = fma<T>(x, b1, c11);
      a1 += as;
    }
    if (R > 2) {
      const x = v128.load_splat<T>(a2);
      c20 = fma<T>(x, b0, c20);
      if (V > 1) c21 = fma<T>(x, b1, c21);
      a2 += as;
    }
    if (R > 3) {
      const x = v128.load_splat<T>(a3);
      c30 = fma<T>(x, b0, c30);
      if (V > 1) c31 = fma<T>(x, b1, c31);
      a3 += as;
    }
    if (R > 4) {
      const x = v128.load_splat<T>(a4);
      c40 = fma<T>(x, b0, c40);
      if (V > 1) c41 = fma<T>(x, b1, c41);
      a4 += as;
    }
    if (TAB) bs += 4;
    else b += bs;
  }
  if (INTO) {
    const rc = <usize>load<u32>(t, 4);
    t = <usize>load<u32>(t);
    v128.store(t, c00);
    v128.store(t, c01, 16);
    t += rc;
    v128.store(t, c10);
    v128.store(t, c11, 16);
    t += rc;
    v128.store(t, c20);
    v128.store(t, c21, 16);
    t += rc;
    v128.store(t, c30);
    v128.store(t, c31, 16);
    t += rc;
    v128.store(t, c40);
    v128.store(t, c41, 16);
    return;
  }
  v128.store(t, c00);
  if (V > 1) v128.store(t, c01, 16);
  if (R > 1) v128.store(t, c10, 32);
  if (R > 1 && V > 1) v128.store(t, c11, 48);
  if (R > 2) v128.store(t, c20, 64);
  if (R > 2 && V > 1) v128.store(t, c21, 80);
  if (R > 3) v128.store(t, c30, 96);
  if (R > 3 && V > 1) v128.store(t, c31, 112);
  if (R > 4) v128.store(t, c40, 128);
  if (R > 4 && V > 1) v128.store(t, c41, 144);
}

// Each shape is a function of its own: inlined into one big function, their registers spill and the speed halves.
// The optimiser inlines what has a single call; the call to itself, for a k that never comes, is a second one.
function t11<T>(a: usize, ra: usize, as: usize, b: usize, bs: usize, k: i32, t: usize): void {
  if (k < 0) t11<T>(a, ra, as, b, bs, 0, t);
  tile<T>(false, 1, 1, a, ra, as, b, bs, k, t);
}
function t12<T>(a: usize, ra: usize, as: usize, b: usize, bs: usize, k: i32, t: usize): void {
  if (k < 0) t12<T>(a, ra, as, b, bs, 0, t);
  tile<T>(false, 1, 2, a, ra, as, b, bs, k, t);
}
function t21<T>(a: usize, ra: usize, as: usize, b: usize, bs: usize, k: i32, t: usize): void {
  if (k < 0) t21<T>(a, ra, as, b, bs, 0, t);
  tile<T>(false, 2, 1, a, ra, as, b, bs, k, t);
}
function t22<T>(a: usize, ra: usize, as: usize, b: usize, bs: usize, k: i32, t: usize): void {
  if (k < 0) t22<T>(a, ra, as, b, bs, 0, t);
  tile<T>(false, 2, 2, a, ra, as, b, bs, k, t);
}
function t31<T>(a: usize, ra: usize, as: usize, b: usize, bs: usize, k: i32, t: usize): void {
  if (k < 0) t31<T>(a, ra, as, b, bs, 0, t);
  tile<T>(false, 3, 1, a, ra, as, b, bs, k, t);
}
function t32<T>(a: usize, ra: usize, as: usize, b: usize, bs: usize, k: i32, t: usize): void {
  if (k < 0) t32<T>(a, ra, as, b, bs, 0, t);
  tile<T>(false, 3, 2, a, ra, as, b, bs, k, t);
}
function t41<T>(a: usize, ra: usize, as: usize, b: usize, bs: usize, k: i32, t: usize): void {
  if (k < 0) t41<T>(a, ra, as, b, bs, 0, t);
  tile<T>(false, 4, 1, a, ra, as, b, bs, k, t);
}
function t42<T>(a: usize, ra: usize, as: usize, b: usize, bs: usize, k: i32, t: usize): void {
  if (k < 0) t42<T>(a, ra, as, b, bs, 0, t);
  tile<T>(false, 4, 2, a, ra, as, b, bs, k, t);
}
function t51<T>(a: usize, ra: usize, as: usize, b: usize, bs: usize, k: i32, t: usize): void {
  if (k < 0) t51<T>(a, ra, as, b, bs, 0, t);
  tile<T>(false, 5, 1, a, ra, as, b, bs, k, t);
}
function t52<T>(a: usize, ra: usize, as: usize, b: usize, bs: usize, k: i32, t: usize): void {
  if (k < 0) t52<T>(a, ra, as, b, bs, 0, t);
  tile<T>(false, 5, 2, a, ra, as, b, bs, k, t);
}
function t52Into<T>(a: usize, ra: usize, as: usize, b: usize, bs: usize, k: i32, t: usize): void {
  if (k < 0) t52Into<T>(a, ra, as, b, bs, 0, t);
  tile<T>(false, MR, 2, a, ra, as, b, bs, k, t, true);
}

/** The full tile, MR rows of two vectors, straight to c, its rows rc bytes apart; t is scratch. */
// @ts-ignore: decorator
@inline
export function sumInto<T>(a: usize, ra: usize, as: usize, b: usize, bs: usize, k: i32, t: usize, c: usize, rc: usize): void {
  store<u32>(t, <u32>c);
  store<u32>(t, <u32>rc, 4);
  t52Into<T>(a, ra, as, b, bs, k, t);
}

/** The tile of r rows (1 to MR) and v vectors (1 or 2) with b[k, :] every bs bytes. */
export function sumTile<T>(r: i32, v: i32, a: usize, ra: usize, as: usize, b: usize, bs: usize, k: i32, t: usize): void {
  if (v == 2) {
    if (r == 5) t52<T>(a, ra, as, b, bs, k, t);
    else if (r == 4) t42<T>(a, ra, as, b, bs, k, t);
    else if (r == 3) t32<T>(a, ra, as, b, bs, k, t);
    else if (r == 2) t22<T>(a, ra, as, b, bs, k, t);
    else t12<T>(a, ra, as, b, bs, k, t);
  } else {
    if (r == 5) t51<T>(a, ra, as, b, bs, k, t);
    else if (r == 4) t41<T>(a, ra, as, b, bs, k, t);
    else if (r == 3) t31<T>(a, ra, as, b, bs, k, t);
    else if (r == 2) t21<T>(a, ra, as, b, bs, k, t);
    else t11<T>(a, ra, as, b, bs, k, t);
  }
}

/** How many rows to take next when m are left: full tiles, and no lone row after them. */
// @ts-ignore: decorator
@inline
export function rowsOf(m: i32): i32 {
  if (m >= 9 || m == 5) return 5;
  if (m > 6) return 4;
  return m == 6 ? 3 : m;
}
