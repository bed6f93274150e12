// Plane rotations in float64: singular values by one-sided Jacobi, eigenvalues of symmetric matrices by
// tridiagonalization and implicit QL (EISPACK's tred2 and tql2).
import { giveSlot, slotScratch, takeSlot } from "./slots";
import { addScaled, addTwoScaled, at, dot, hypotenuse, rotate, value } from "./vectors";

const EPSILON: f64 = 2.220446049250313e-16;
const MAX_SWEEPS: i32 = 60;
/** Beside a largest element of 1, rows with squares below this count as 0. */
const NOTHING: f64 = 1e-280;

/**
 * Rotates the rows of w[k, n + more] until their first n elements are orthogonal. squares[k] is scratch. Returns 1 when
 * it came to an end.
 */
export function orthogonalize_f64(w: usize, squares: usize, k: i32, n: i32, more: i32): i32 {
  const ld = n + more;
  for (let sweep: i32 = 0; sweep < MAX_SWEEPS; sweep++) {
    for (let p: i32 = 0; p < k; p++) store<f64>(at(squares, p), dot(at(w, p * ld), at(w, p * ld), n));
    let rotated = false;
    for (let p: i32 = 0; p < k - 1; p++) {
      const x = at(w, p * ld);
      for (let q = p + 1; q < k; q++) {
        const alpha = value(squares, p);
        const beta = value(squares, q);
        if (min(alpha, beta) < NOTHING) continue;
        const y = at(w, q * ld);
        const gamma = dot(x, y, n);
        if (abs(gamma) <= EPSILON * sqrt(alpha) * sqrt(beta)) continue;
        rotated = true;
        const zeta = (beta - alpha) / (2 * gamma);
        const t = (zeta >= 0 ? 1 : -1) / (abs(zeta) + sqrt(1 + zeta * zeta));
        const c = 1 / sqrt(1 + t * t);
        rotate(x, y, ld, c, c * t);
        store<f64>(at(squares, p), max(0, alpha - t * gamma));
        store<f64>(at(squares, q), beta + t * gamma);
      }
    }
    if (!rotated) return 1;
  }
  return 0;
}

/**
 * Reduces the symmetric v[n, n] to a tridiagonal matrix with diagonal d and subdiagonal e[1...]; with `vectors`
 * v becomes the transformation, column by column.
 */
function tridiagonalize(v: usize, d: usize, e: usize, n: i32, vectors: bool): void {
  for (let j: i32 = 0; j < n; j++) store<f64>(at(d, j), value(v, j * n + n - 1));
  for (let i = n - 1; i > 0; i--) {
    let scale: f64 = 0;
    for (let k: i32 = 0; k < i; k++) scale += abs(value(d, k));
    let h: f64 = 0;
    if (scale == 0) {
      store<f64>(at(e, i), value(d, i - 1));
      for (let j: i32 = 0; j < i; j++) {
        store<f64>(at(d, j), value(v, j * n + i - 1));
        store<f64>(at(v, j * n + i), 0);
        store<f64>(at(v, i * n + j), 0);
      }
    } else {
      for (let k: i32 = 0; k < i; k++) store<f64>(at(d, k), value(d, k) / scale);
      h = dot(d, d, i);
      const f = value(d, i - 1);
      const g = f > 0 ? -sqrt(h) : sqrt(h);
      store<f64>(at(e, i), scale * g);
      h -= f * g;
      store<f64>(at(d, i - 1), f - g);
      memory.fill(e, 0, <usize>i << 3);
      for (let j: i32 = 0; j < i; j++) {
        const x = value(d, j);
        const column = at(v, j * n);
        const left = i - j - 1;
        store<f64>(at(v, i * n + j), x);
        const sum = value(e, j) + value(column, j) * x + dot(at(column, j + 1), at(d, j + 1), left);
        addScaled(at(e, j + 1), at(column, j + 1), x, left);
        store<f64>(at(e, j), sum);
      }
      for (let j: i32 = 0; j < i; j++) store<f64>(at(e, j), value(e, j) / h);
      addScaled(e, d, -dot(e, d, i) / (h + h), i);
      for (let j: i32 = 0; j < i; j++) {
        const column = at(v, j * n);
        addTwoScaled(at(column, j), at(e, j), -value(d, j), at(d, j), -value(e, j), i - j);
        store<f64>(at(d, j), value(column, i - 1));
        store<f64>(at(column, i), 0);
      }
    }
    store<f64>(at(d, i), h);
  }
  if (vectors) transform(v, d, n);
  else for (let j: i32 = 0; j < n; j++) store<f64>(at(d, j), value(v, j * n + j));
}

/** The product of the reflections that tridiagonalize left in v, and the diagonal in d. */
function transform(v: usize, d: usize, n: i32): void {
  for (let i: i32 = 0; i < n - 1; i++) {
    const own = at(v, i * n);
    const next = at(v, (i + 1) * n);
    store<f64>(at(own, n - 1), value(own, i));
    store<f64>(at(own, i), 1);
    const h = value(d, i + 1);
    if (h != 0) {
      for (let k: i32 = 0; k <= i; k++) store<f64>(at(d, k), value(next, k) / h);
      for (let j: i32 = 0; j <= i; j++) {
        const column = at(v, j * n);
        addScaled(column, d, -dot(next, column, i + 1), i + 1);
      }
    }
    memory.fill(next, 0, <usize>(i + 1) << 3);
  }
  for (let j: i32 = 0; j < n; j++) {
    const last = at(v, j * n + n - 1);
    store<f64>(at(d, j), load<f64>(last));
    store<f64>(last, 0);
  }
  store<f64>(at(v, n * n - 1), 1);
}

const MAX_STEPS: i32 = 60;

/** Turns d (diagonal), e (subdiagonal, from e[1] on) into eigenvalues in d; the vectors in the rows of vt turn along. */
function diagonalize(vt: usize, d: usize, e: usize, n: i32, vectors: bool): bool {
  for (let i: i32 = 1; i < n; i++) store<f64>(at(e, i - 1), value(e, i));
  store<f64>(at(e, n - 1), 0);
  let shift: f64 = 0;
  let size: f64 = 0;
  for (let l: i32 = 0; l < n; l++) {
    size = max(size, abs(value(d, l)) + abs(value(e, l)));
    let m = l;
    while (m < n - 1 && abs(value(e, m)) > EPSILON * size) m++;
    for (let step: i32 = 0; m > l && abs(value(e, l)) > EPSILON * size; step++) {
      if (step > MAX_STEPS) return false;
      const g = value(d, l);
      const el = value(e, l);
      let p = (value(d, l + 1) - g) / (2 * el);
      let r = p < 0 ? -hypotenuse(p, 1) : hypotenuse(p, 1);
      store<f64>(at(d, l), el / (p + r));
      const next = el * (p + r);
      store<f64>(at(d, l + 1), next);
      const h = g - value(d, l);
      for (let i = l + 2; i < n; i++) store<f64>(at(d, i), value(d, i) - h);
      shift += h;
      p = value(d, m);
      let c: f64 = 1;
      let c2: f64 = 1;
      let c3: f64 = 1;
      let s: f64 = 0;
      let s2: f64 = 0;
      const el1 = value(e, l + 1);
      for (let i = m - 1; i >= l; i--) {
        c3 = c2;
        c2 = c;
        s2 = s;
        const ei = value(e, i);
        const di = value(d, i);
        const ce = c * ei;
        const cp = c * p;
        r = hypotenuse(p, ei);
        store<f64>(at(e, i + 1), s * r);
        s = ei / r;
        c = p / r;
        p = c * di - s * ce;
        store<f64>(at(d, i + 1), cp + s * (c * ce + s * di));
        if (vectors) rotate(at(vt, i * n), at(vt, (i + 1) * n), n, c, s);
      }
      p = (-s * s2 * c3 * el1 * value(e, l)) / next;
      store<f64>(at(e, l), s * p);
      store<f64>(at(d, l), c * p);
    }
    store<f64>(at(d, l), value(d, l) + shift);
    store<f64>(at(e, l), 0);
  }
  return true;
}

/** Whether the triangle that is read holds finite numbers only. */
function allFinite(v: usize, n: i32): bool {
  let sum: f64 = 0;
  for (let j: i32 = 0; j < n; j++) for (let i = j; i < n; i++) sum += 0 * value(v, j * n + i);
  return sum == 0;
}

/**
 * Eigenvalues d[count, n], from small to large, of the symmetric v[count, n, n], of which the lower triangle (of columns)
 * is read; v becomes the vectors, row by row, unless only values are asked for.
 * infos[count] are 1 where the iteration did not converge, 2 where NaN or infinities were met.
 */
export function eigh_f64(
  v: usize, d: usize, infos: usize, count: i32, n: i32, vectors: i32,
  slots: usize, slotCount: i32, slotBytes: usize,
): void {
  const slot = takeSlot(slots, slotCount);
  const e = slotScratch(slots, slotCount, slotBytes, slot);
  for (let b: i32 = 0; b < count; b++) {
    let info: i32 = 2;
    if (allFinite(v, n)) {
      tridiagonalize(v, d, e, n, vectors != 0);
      info = diagonalize(v, d, e, n, vectors != 0) ? 0 : 1;
    }
    store<i32>(infos + (<usize>b << 2), info);
    for (let i: i32 = 0; i < n - 1; i++) {
      let least = i;
      for (let j = i + 1; j < n; j++) if (value(d, j) < value(d, least)) least = j;
      if (least == i) continue;
      const x = value(d, i);
      store<f64>(at(d, i), value(d, least));
      store<f64>(at(d, least), x);
      if (!vectors) continue;
      for (let k: i32 = 0; k < n; k++) {
        const y = value(v, i * n + k);
        store<f64>(at(v, i * n + k), value(v, least * n + k));
        store<f64>(at(v, least * n + k), y);
      }
    }
    v = at(v, n * n);
    d = at(d, n);
  }
  giveSlot(slots, slot);
}
