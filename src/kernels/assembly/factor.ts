// LU and Cholesky factorizations in float64, by halves: nearly all of the work is matrix products.
import { gemm_f64 } from "./gemm";
import { giveSlot, slotScratch, takeSlot } from "./slots";
import { halfOf, solveLeft, subtractProduct } from "./solve";

/** Columns that are factored one by one. */
const LEAF: i32 = 8;

// @ts-ignore: decorator
@inline
function at(p: usize, i: i32): usize {
  return p + (<usize>i << 3);
}

// @ts-ignore: decorator
@inline
function value(p: usize, i: i32): f64 {
  return load<f64>(at(p, i));
}

function swap(p: usize, q: usize, n: i32): void {
  for (let i: i32 = 0; i < n; i++) {
    const x = value(p, i);
    store<f64>(at(p, i), value(q, i));
    store<f64>(at(q, i), x);
  }
}

/** Swaps row i of a[, n] with row pivots[i] - 1, for each i from 0, or from the last one. */
function swapRows(a: usize, ld: i32, n: i32, pivots: usize, count: i32, backwards: bool): void {
  for (let s: i32 = 0; s < count; s++) {
    const i = backwards ? count - 1 - s : s;
    const p = load<i32>(pivots + (<usize>i << 2)) - 1;
    if (p != i) swap(at(a, i * ld), at(a, p * ld), n);
  }
}

/** Columns of a[m, n] one after the other, n <= m. */
function luColumns(a: usize, ld: i32, m: i32, n: i32, pivots: usize, pivot: bool): i32 {
  let info: i32 = 0;
  for (let j: i32 = 0; j < n; j++) {
    let p = j;
    if (pivot) {
      let most = abs(value(a, j * ld + j));
      for (let i = j + 1; i < m; i++) {
        const x = abs(value(a, i * ld + j));
        if (x > most) {
          most = x;
          p = i;
        }
      }
    }
    store<i32>(pivots + (<usize>j << 2), p + 1);
    const row = at(a, j * ld);
    if (p != j) swap(row, at(a, p * ld), n);
    const d = value(row, j);
    if (d == 0) {
      if (info == 0) info = j + 1;
      if (pivot) continue; // the whole column is 0
    }
    for (let i = j + 1; i < m; i++) {
      const other = at(a, i * ld);
      const l = value(other, j) / d;
      store<f64>(at(other, j), l);
      for (let c = j + 1; c < n; c++) store<f64>(at(other, c), value(other, c) - l * value(row, c));
    }
  }
  return info;
}

/**
 * a[m, n], n <= m, becomes its factors: L below the diagonal (ones on it), U above. Returns 0, or the position from 1 of
 * the first zero on the diagonal of U.
 */
function lu(a: usize, ld: i32, m: i32, n: i32, pivots: usize, pivot: bool, scratch: usize): i32 {
  if (n <= LEAF) return luColumns(a, ld, m, n, pivots, pivot);
  const h = halfOf(n);
  const info = lu(a, ld, m, h, pivots, pivot, scratch);
  const right = at(a, h);
  const low = at(a, h * ld);
  eliminate(a, ld, m, h, right, n - h, pivots, scratch);
  const rest = pivots + (<usize>h << 2);
  const info2 = lu(at(low, h), ld, m - h, n - h, rest, pivot, scratch);
  swapRows(low, ld, h, rest, n - h, false);
  for (let i: i32 = 0; i < n - h; i++) {
    const p = rest + (<usize>i << 2);
    store<i32>(p, load<i32>(p) + h);
  }
  return info != 0 ? info : info2 != 0 ? info2 + h : 0;
}

/** Takes the first h columns, which are factored, out of the n columns at `right`. */
function eliminate(
  a: usize, ld: i32, m: i32, h: i32, right: usize, n: i32, pivots: usize, scratch: usize,
): void {
  swapRows(right, ld, n, pivots, h, false);
  solveLeft(a, ld, 1, right, ld, h, n, false, true, scratch);
  if (m > h) subtractProduct(m - h, n, h, at(a, h * ld), ld, 1, right, ld, at(right, h * ld), ld, scratch);
}

/** Factors a[count, m, n] in place; pivots[count, min(m, n)] are the rows, from 1, that were swapped with each row. */
export function luFactor_f64(
  a: usize, pivots: usize, infos: usize, count: i32, m: i32, n: i32, pivot: i32,
  slots: usize, slotCount: i32, slotBytes: usize,
): void {
  const slot = takeSlot(slots, slotCount);
  const scratch = slotScratch(slots, slotCount, slotBytes, slot);
  const k = min(m, n);
  for (let i: i32 = 0; i < count; i++) {
    store<i32>(infos + (<usize>i << 2), lu(a, n, m, k, pivots, pivot != 0, scratch));
    if (n > k) eliminate(a, n, m, k, at(a, k), n - k, pivots, scratch);
    a = at(a, m * n);
    pivots += <usize>k << 2;
  }
  giveSlot(slots, slot);
}

/** b[count, n, k] becomes A^-1 b (A^-T b with `adjoint`), from what luFactor made of A. */
export function luSolve_f64(
  a: usize, pivots: usize, b: usize, count: i32, n: i32, k: i32, adjoint: i32,
  slots: usize, slotCount: i32, slotBytes: usize,
): void {
  const slot = takeSlot(slots, slotCount);
  const scratch = slotScratch(slots, slotCount, slotBytes, slot);
  for (let i: i32 = 0; i < count; i++) {
    if (adjoint) {
      solveLeft(a, 1, n, b, k, n, k, false, false, scratch);
      solveLeft(a, 1, n, b, k, n, k, true, true, scratch);
      swapRows(b, k, k, pivots, n, true);
    } else {
      swapRows(b, k, k, pivots, n, false);
      solveLeft(a, n, 1, b, k, n, k, false, true, scratch);
      solveLeft(a, n, 1, b, k, n, k, true, false, scratch);
    }
    a = at(a, n * n);
    b = at(b, n * k);
    pivots += <usize>n << 2;
  }
  giveSlot(slots, slot);
}

/** b[m, n] becomes b l^-T for the lower triangle l[n, n]. */
function solveRight(l: usize, ld: i32, b: usize, m: i32, n: i32, scratch: usize): void {
  if (n > LEAF) {
    const h = halfOf(n);
    const low = at(l, h * ld);
    solveRight(l, ld, b, m, h, scratch);
    gemm_f64(m, n - h, h, -1, b, ld, 1, low, 1, ld, 1, at(b, h), ld, scratch, 0, 0);
    solveRight(at(low, h), ld, at(b, h), m, n - h, scratch);
    return;
  }
  for (let i: i32 = 0; i < m; i++) {
    for (let j: i32 = 0; j < n; j++) {
      const row = at(l, j * ld);
      let x = value(b, j);
      for (let c: i32 = 0; c < j; c++) x -= value(b, c) * value(row, c);
      store<f64>(at(b, j), x / value(row, j));
    }
    b = at(b, ld);
  }
}

/** The lower triangle of a[n, n] becomes L with A = L L^T. Returns 0, or the order of the first minor that is not positive. */
function cholesky(a: usize, ld: i32, n: i32, scratch: usize): i32 {
  if (n > LEAF) {
    const h = halfOf(n);
    const low = at(a, h * ld);
    const info = cholesky(a, ld, h, scratch);
    if (info != 0) return info;
    solveRight(a, ld, low, n - h, h, scratch);
    gemm_f64(n - h, n - h, h, -1, low, ld, 1, low, 1, ld, 1, at(low, h), ld, scratch, 0, 0);
    const info2 = cholesky(at(low, h), ld, n - h, scratch);
    return info2 != 0 ? info2 + h : 0;
  }
  for (let j: i32 = 0; j < n; j++) {
    const row = at(a, j * ld);
    let d = value(row, j);
    for (let c: i32 = 0; c < j; c++) d -= value(row, c) * value(row, c);
    if (!(d > 0)) return j + 1;
    const root = sqrt(d);
    store<f64>(at(row, j), root);
    for (let i = j + 1; i < n; i++) {
      const other = at(a, i * ld);
      let x = value(other, j);
      for (let c: i32 = 0; c < j; c++) x -= value(other, c) * value(row, c);
      store<f64>(at(other, j), x / root);
    }
  }
  return 0;
}

/** The lower triangles of a[count, n, n] become L with A = L L^T, the upper ones 0. */
export function cholesky_f64(
  a: usize, infos: usize, count: i32, n: i32, slots: usize, slotCount: i32, slotBytes: usize,
): void {
  const slot = takeSlot(slots, slotCount);
  const scratch = slotScratch(slots, slotCount, slotBytes, slot);
  for (let i: i32 = 0; i < count; i++) {
    store<i32>(infos + (<usize>i << 2), cholesky(a, n, n, scratch));
    for (let j: i32 = 0; j < n - 1; j++) memory.fill(at(a, j * n + j + 1), 0, <usize>(n - 1 - j) << 3);
    a = at(a, n * n);
  }
  giveSlot(slots, slot);
}
