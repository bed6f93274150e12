// Householder reflections in float64: QR decompositions, with exchanged columns if asked for, and their Q. Matrices are
// held column by column: element (i, j) of one of m rows is at j m + i.
import { addScaled, at, dot, lengthOf, reflection, value } from "./vectors";

/** Columns first to n of b become (I - tau v v^T) b, with v from column j of a: 1 in row j, a below it. */
function reflect(b: usize, first: i32, n: i32, a: usize, j: i32, m: i32, tau: f64): void {
  if (tau == 0) return;
  const v = at(a, j * m + j + 1);
  const left = m - j - 1;
  for (let c = first; c < n; c++) {
    const top = at(b, c * m + j);
    const rest = at(top, 1);
    const d = tau * (load<f64>(top) + dot(v, rest, left));
    store<f64>(top, load<f64>(top) - d);
    addScaled(rest, v, -d, left);
  }
}

/** Brings the column of a[m, n] that is longest from row j on to place j; `order` follows. */
function bringLongest(a: usize, m: i32, n: i32, j: i32, order: usize): void {
  let longest: f64 = -1;
  let best = j;
  for (let c = j; c < n; c++) {
    const norm = lengthOf(at(a, c * m + j), m - j);
    if (norm > longest) {
      longest = norm;
      best = c;
    }
  }
  if (best == j) return;
  const p = at(a, j * m);
  const q = at(a, best * m);
  for (let i: i32 = 0; i < m; i++) {
    const x = value(p, i);
    store<f64>(at(p, i), value(q, i));
    store<f64>(at(q, i), x);
  }
  const from = order + (<usize>j << 2);
  const to = order + (<usize>best << 2);
  const place = load<i32>(from);
  store<i32>(from, load<i32>(to));
  store<i32>(to, place);
}

/**
 * Factors a[count][m, n] in place: R on and above the diagonal, reflections below it, their factors in
 * taus[count, min(m, n)]. Unless order[count, n] is 0, columns are swapped so that the diagonal falls, and it follows.
 */
export function qrFactor_f64(a: usize, taus: usize, order: usize, count: i32, m: i32, n: i32): void {
  const k = min(m, n);
  for (let b: i32 = 0; b < count; b++) {
    for (let j: i32 = 0; j < k; j++) {
      if (order) bringLongest(a, m, n, j, order);
      const top = at(a, j * m + j);
      store<f64>(top, reflection(top, m - j, at(taus, j)));
      reflect(a, j + 1, n, a, j, m, value(taus, j));
    }
    a = at(a, m * n);
    taus = at(taus, k);
    if (order) order += <usize>n << 2;
  }
}

/** q[count][m, cols]: the first columns of Q, from what qrFactor left of matrices [m, n] with k reflections. */
export function qrForm_f64(a: usize, taus: usize, q: usize, count: i32, m: i32, n: i32, k: i32, cols: i32): void {
  for (let b: i32 = 0; b < count; b++) {
    memory.fill(q, 0, <usize>(m * cols) << 3);
    for (let i: i32 = 0; i < min(m, cols); i++) store<f64>(at(q, i * m + i), 1);
    // Columns before j are still those of the identity, 0 from row j on.
    for (let j = k - 1; j >= 0; j--) reflect(q, min(j, cols), cols, a, j, m, value(taus, j));
    a = at(a, m * n);
    taus = at(taus, k);
    q = at(q, m * cols);
  }
}

/** Columns `first` to `first + count` of a batch of q[m, cols] become Q times them, Q being as in qrForm. */
export function qrApply_f64(
  a: usize, taus: usize, q: usize, first: i32, count: i32, m: i32, n: i32, k: i32, cols: i32,
): void {
  for (let u = first; u < first + count; u++) {
    const matrix = u / cols;
    const from = at(a, matrix * m * n);
    for (let j = k - 1; j >= 0; j--) reflect(at(q, u * m), 0, 1, from, j, m, value(taus, matrix * k + j));
  }
}

/** r[count, k, n], row by row: what is on and above the diagonal. */
export function qrUpper_f64(a: usize, r: usize, count: i32, m: i32, n: i32, k: i32): void {
  for (let b: i32 = 0; b < count; b++) {
    for (let i: i32 = 0; i < k; i++) {
      for (let j: i32 = 0; j < n; j++) store<f64>(at(r, i * n + j), i <= j ? value(a, j * m + i) : 0);
    }
    a = at(a, m * n);
    r = at(r, k * n);
  }
}
