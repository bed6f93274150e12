// Triangular systems in float64, by halves: nearly all of the work is matrix products.
import { gemm_f64 } from "./gemm";
import { giveSlot, slotScratch, takeSlot } from "./slots";

/** Unknowns that are solved for row by row. */
const LEAF: i32 = 8;

/** Where n rows are cut: whole leaves in the first half. */
// @ts-ignore: decorator
@inline
export function halfOf(n: i32): i32 {
  return ((n >> 1) + LEAF - 1) & -LEAF;
}

/** C[m, n] -= A[m, k] B[k, n] with C's and B's columns dense. */
// @ts-ignore: decorator
@inline
export function subtractProduct(
  m: i32, n: i32, k: i32, A: usize, rsA: i32, csA: i32, B: usize, ldb: i32, C: usize, ldc: i32, scratch: usize,
): void {
  gemm_f64(m, n, k, -1, A, rsA, csA, B, ldb, 1, 1, C, ldc, scratch, 0, 0);
}

/** Address of element i. */
// @ts-ignore: decorator
@inline
function at(p: usize, i: i32): usize {
  return p + (<usize>i << 3);
}

/** Rows one after the other: b[i] = (b[i] - sum over the solved j of t[i, j] b[j]) / t[i, i]. */
function solveRows(
  t: usize, rs: i32, cs: i32, b: usize, ldb: i32, n: i32, k: i32, upper: bool, unit: bool,
): void {
  const step = <usize>cs << 3;
  const next = <usize>ldb << 3;
  for (let s: i32 = 0; s < n; s++) {
    const i = upper ? n - 1 - s : s;
    const first = upper ? i + 1 : 0;
    const row = at(b, i * ldb);
    const from = at(b, first * ldb);
    const left = at(t, i * rs + first * cs);
    const d = load<f64>(at(t, i * (rs + cs)));
    let c: i32 = 0;
    for (; c + 4 <= k; c += 4) {
      let x = v128.load(at(row, c));
      let y = v128.load(at(row, c), 16);
      let p = at(from, c);
      let l = left;
      for (let j: i32 = 0; j < s; j++) {
        const v = v128.load64_splat(l);
        x = f64x2.sub(x, f64x2.mul(v, v128.load(p)));
        y = f64x2.sub(y, f64x2.mul(v, v128.load(p, 16)));
        p += next;
        l += step;
      }
      if (!unit) {
        x = f64x2.div(x, f64x2.splat(d));
        y = f64x2.div(y, f64x2.splat(d));
      }
      v128.store(at(row, c), x);
      v128.store(at(row, c), y, 16);
    }
    for (; c < k; c++) {
      let x = load<f64>(at(row, c));
      for (let j: i32 = 0; j < s; j++) x -= load<f64>(at(left, j * cs)) * load<f64>(at(from, j * ldb + c));
      store<f64>(at(row, c), unit ? x : x / d);
    }
  }
}

/** b[n, k] becomes t^-1 b for a triangle of t, whose element (i, j) is at i rs + j cs; `unit`: ones on its diagonal. */
export function solveLeft(
  t: usize, rs: i32, cs: i32, b: usize, ldb: i32, n: i32, k: i32, upper: bool, unit: bool, scratch: usize,
): void {
  if (n <= LEAF) {
    solveRows(t, rs, cs, b, ldb, n, k, upper, unit);
    return;
  }
  const h = halfOf(n);
  const t2 = at(t, h * (rs + cs));
  const b2 = at(b, h * ldb);
  if (upper) {
    solveLeft(t2, rs, cs, b2, ldb, n - h, k, upper, unit, scratch);
    subtractProduct(h, k, n - h, at(t, h * cs), rs, cs, b2, ldb, b, ldb, scratch);
    solveLeft(t, rs, cs, b, ldb, h, k, upper, unit, scratch);
  } else {
    solveLeft(t, rs, cs, b, ldb, h, k, upper, unit, scratch);
    subtractProduct(n - h, k, h, at(t, h * rs), rs, cs, b, ldb, b2, ldb, scratch);
    solveLeft(t2, rs, cs, b2, ldb, n - h, k, upper, unit, scratch);
  }
}

/** b[count, n, k] becomes t^-1 b (t^-T b with `transposed`), for the upper or the lower triangles of t[count, n, n]. */
export function solveTriangular_f64(
  t: usize, b: usize, count: i32, n: i32, k: i32, transposed: i32, upper: i32, unit: i32,
  slots: usize, slotCount: i32, slotBytes: usize,
): void {
  const slot = takeSlot(slots, slotCount);
  const scratch = slotScratch(slots, slotCount, slotBytes, slot);
  const rs = transposed ? 1 : n;
  const cs = transposed ? n : 1;
  for (let i: i32 = 0; i < count; i++) {
    solveLeft(t, rs, cs, b, k, n, k, (upper ^ transposed) != 0, unit != 0, scratch);
    t = at(t, n * n);
    b = at(b, n * k);
  }
  giveSlot(slots, slot);
}
