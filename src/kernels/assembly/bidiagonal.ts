// Householder reductions in float64 to matrices of two diagonals: what singular values and the eigenvalues of symmetric
// matrices are iterated on. Matrices are held column by column: element (i, j) of one of m rows is at j m + i. The change
// that a step makes to the columns behind it is made by the next step, which passes over them anyway.
import { giveSlot, slotScratch, takeSlot } from "./slots";
import { addScaled, addTwoScaled, addTwoThenDot, at, combine, dot, reflection, value } from "./vectors";

/** The power of two below the largest of n absolute values, 1 for zeros, NaN unless all are finite. */
function magnitude(x: usize, n: i32): f64 {
  let most: f64 = 0;
  let finite: f64 = 0;
  for (let i: i32 = 0; i < n; i++) {
    most = max(most, abs(value(x, i)));
    finite += 0 * value(x, i);
  }
  if (finite != 0) return NaN;
  const exponent = reinterpret<u64>(most) >> 52;
  // Of subnormal numbers, and of the largest, whose inverse would be subnormal, a power next to them will do.
  return most == 0 ? 1 : reinterpret<f64>(min(max(exponent, 1), 2044) << 52);
}

/** Divides by the magnitude, which it returns. */
function normalize(x: usize, n: i32): f64 {
  const size = magnitude(x, n);
  const s = 1 / size;
  for (let i: i32 = 0; i < n; i++) store<f64>(at(x, i), value(x, i) * s);
  return size;
}

/**
 * Reduces a[count][m, n], m >= n, divided by sizes[count] to U B V^T, where B has the diagonal d[count, n] and
 * e[count, n] above it. U is the product of the reflections of lefts[count, n], whose vectors are the columns of a from the
 * diagonal on, V that of rights[count, n], in the rows of right[count][n, n] from behind the diagonal on. A size is NaN,
 * and nothing else told, where a matrix is not finite.
 */
export function bidiagonalize_f64(
  a: usize, right: usize, lefts: usize, rights: usize, d: usize, e: usize, sizes: usize, count: i32, m: i32, n: i32,
  slots: usize, slotCount: i32, slotBytes: usize,
): void {
  const slot = takeSlot(slots, slotCount);
  const y = slotScratch(slots, slotCount, slotBytes, slot);
  const w = at(y, n);
  for (let b: i32 = 0; b < count; b++) {
    const size = normalize(a, m * n);
    store<f64>(at(sizes, b), size);
    if (size == size) bidiagonalize(a, right, lefts, rights, d, e, y, w, m, n);
    a = at(a, m * n);
    right = at(right, n * n);
    lefts = at(lefts, n);
    rights = at(rights, n);
    d = at(d, n);
    e = at(e, n);
  }
  giveSlot(slots, slot);
}

/** One matrix. Step i leaves -v y^T - w u^T to be added to the columns behind, v and u being its reflections. */
function bidiagonalize(
  a: usize, right: usize, lefts: usize, rights: usize, d: usize, e: usize, y: usize, w: usize, m: i32, n: i32,
): void {
  for (let i: i32 = 0; i < n; i++) {
    const v = at(a, i * m + i);
    const rows = m - i;
    const before = at(v, -m);
    const u = at(right, (i - 1) * n);
    if (i > 0) addTwoScaled(v, before, -value(y, i), at(w, i), -value(u, i), rows);
    store<f64>(at(d, i), reflection(v, rows, at(lefts, i)));
    store<f64>(v, 1);
    const row = at(right, i * n);
    for (let c = i + 1; c < n; c++) {
      const column = at(a, c * m + i);
      const product =
        i > 0
          ? addTwoThenDot(column, before, -value(y, c), at(w, i), -value(u, c), v, rows)
          : dot(column, v, rows);
      store<f64>(at(y, c), product * value(lefts, i));
      store<f64>(at(row, c), load<f64>(column) - value(y, c));
    }
    const left = n - i - 1;
    if (left == 0) break;
    const next = at(row, i + 1);
    store<f64>(at(e, i), reflection(next, left, at(rights, i)));
    store<f64>(next, 1);
    // w = tau (A - v y^T) u
    const under = at(w, i + 1);
    combine(under, at(a, (i + 1) * m + i + 1), m, next, left, rows - 1);
    addScaled(under, at(v, 1), -dot(at(y, i + 1), next, left), rows - 1);
    const tau = value(rights, i);
    for (let j: i32 = 0; j < rows - 1; j++) store<f64>(at(under, j), value(under, j) * tau);
  }
}

/** Elements from the last to the first: the rows and columns of a symmetric matrix, too. */
function turn(x: usize, n: i32): void {
  for (let i: i32 = 0, j = n - 1; i < j; i++, j--) {
    const y = value(x, i);
    store<f64>(at(x, i), value(x, j));
    store<f64>(at(x, j), y);
  }
}

/**
 * Reduces the lower triangles of a[count][n, n] (with `turned` the upper ones, taken from the last element to the
 * first), divided by sizes[count], to Q T Q^T, where T has the diagonal d[count, n] and e[count, n] beside it. Q is the
 * product of the reflections of taus[count, n], whose vectors are the columns of a from below the diagonal on. A size
 * is NaN, and nothing else told, where a triangle is not finite.
 */
export function tridiagonalize_f64(
  a: usize, taus: usize, d: usize, e: usize, sizes: usize, count: i32, n: i32, turned: i32,
  slots: usize, slotCount: i32, slotBytes: usize,
): void {
  const slot = takeSlot(slots, slotCount);
  const w = slotScratch(slots, slotCount, slotBytes, slot);
  for (let b: i32 = 0; b < count; b++) {
    if (turned) turn(a, n * n);
    for (let j: i32 = 1; j < n; j++) memory.fill(at(a, j * n), 0, <usize>j << 3);
    const size = normalize(a, n * n);
    store<f64>(at(sizes, b), size);
    if (size == size) tridiagonalize(a, taus, d, e, w, n);
    a = at(a, n * n);
    taus = at(taus, n);
    d = at(d, n);
    e = at(e, n);
  }
  giveSlot(slots, slot);
}

/** One matrix. Step i leaves -v w^T - w v^T to be added to the columns behind, v being its reflection. */
function tridiagonalize(a: usize, taus: usize, d: usize, e: usize, w: usize, n: i32): void {
  let p = at(w, n);
  for (let i: i32 = 0; i < n; i++) {
    const own = at(a, i * n + i);
    const before = at(a, (i - 1) * n);
    if (i > 0) addTwoScaled(own, at(before, i), -value(w, i), at(w, i), -value(before, i), n - i);
    store<f64>(at(d, i), load<f64>(own));
    const left = n - i - 1;
    if (left == 0) break;
    const column = at(a, i * n);
    const v = at(column, i + 1);
    store<f64>(at(e, i), reflection(v, left, at(taus, i)));
    store<f64>(v, 1);
    memory.fill(at(p, i + 1), 0, <usize>left << 3);
    for (let c = i + 1; c < n; c++) {
      const x = at(a, c * n + c);
      const from = at(column, c);
      const product =
        i > 0
          ? addTwoThenDot(x, at(before, c), -value(w, c), at(w, c), -value(before, c), from, n - c)
          : dot(x, from, n - c);
      store<f64>(at(p, c), value(p, c) + product);
      addScaled(at(p, c + 1), at(x, 1), load<f64>(from), n - c - 1);
    }
    // w = tau (p - tau (p v) v / 2) with p = A v
    const tau = value(taus, i);
    const under = at(p, i + 1);
    addScaled(under, v, -0.5 * tau * dot(under, v, left), left);
    for (let j: i32 = 0; j < left; j++) store<f64>(at(under, j), value(under, j) * tau);
    const last = w;
    w = p;
    p = last;
  }
}
