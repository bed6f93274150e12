// Adafactor in passes over memory: moments (g and p read once), the size of the update, the step.
// A matrix keeps mean squares of its rows R and columns C, from which V = R C / mean(R); a vector keeps V itself.
// Sums over pieces are doubles in scratch slots, added in their order, so that threads do not change a bit.
import { at, lanes, loadPart } from "./lanes";
import { foldWide, lanes2, loadSome, storeSome, upper } from "./wide";

type P = usize;
type I = i32;

/** The first k lanes, zeros in the others. */
// @ts-ignore: decorator
@inline
function part<T>(p: P, k: I): v128 {
  if (k == lanes<T>()) return v128.load(p);
  let v = i32x4.splat(0);
  if (sizeof<T>() == 8) return v128.load_lane<T>(p, v, 0);
  v = v128.load_lane<T>(p, v, 0);
  if (k > 1) v = v128.load_lane<T>(p, v, 1, 4);
  if (k > 2) v = v128.load_lane<T>(p, v, 2, 8);
  return v;
}

/** x + rate (y - x). */
// @ts-ignore: decorator
@inline
function toward<T>(x: T, y: f64, rate: f64): T {
  return <T>(<f64>x + rate * (y - <f64>x));
}

/** The sum of `pieces` doubles. */
// @ts-ignore: decorator
@inline
function total(slots: P, pieces: I): f64 {
  let sum: f64 = 0;
  for (let i = 0; i < pieces; i++) sum += load<f64>(slots + at<f64>(i));
  return sum;
}

/** One vector of a row of p: the sum of its squares in doubles. */
// @ts-ignore: decorator
@inline
function squares<T>(p: P, k: I): v128 {
  const x = part<T>(p, k);
  return foldWide<T>(v128.mul<T>(x, x));
}

/** One vector of a row of g: adds its squares to the column sums and returns their sum, in doubles. */
// @ts-ignore: decorator
@inline
function columnSquares<T>(g: P, sums: P, k: I): v128 {
  const y = part<T>(g, k);
  const square = v128.mul<T>(y, y);
  if (k < lanes<T>()) {
    for (let i = 0; i < k; i++) {
      const e = <f64>load<T>(g + at<T>(i));
      store<f64>(sums + at<f64>(i), load<f64>(sums + at<f64>(i)) + e * e);
    }
    return foldWide<T>(square);
  }
  if (sizeof<T>() == 8) {
    v128.store(sums, f64x2.add(v128.load(sums), square));
    return square;
  }
  const low = f64x2.promote_low_f32x4(square);
  const high = f64x2.promote_low_f32x4(upper(square));
  v128.store(sums, f64x2.add(v128.load(sums), low));
  v128.store(sums + 16, f64x2.add(v128.load(sums + 16), high));
  return f64x2.add(low, high);
}

/**
 * `count` rows of one matrix: their R, the column sums of g^2 in `sums` (doubles); returns the sum of p^2.
 */
// @ts-ignore: decorator
@inline
function rowMoments<T>(p: P, g: P, rowVar: P, sums: P, count: I, columns: I, rate: f64): f64 {
  memory.fill(sums, 0, at<f64>(columns));
  let size = f64x2.splat(0);
  for (let r = 0; r < count; r++, p += at<T>(columns), g += at<T>(columns), rowVar += sizeof<T>()) {
    let row = f64x2.splat(0);
    let c = 0;
    for (; c + lanes<T>() <= columns; c += lanes<T>()) {
      size = f64x2.add(size, squares<T>(p + at<T>(c), lanes<T>()));
      row = f64x2.add(row, columnSquares<T>(g + at<T>(c), sums + at<f64>(c), lanes<T>()));
    }
    if (c < columns) {
      size = f64x2.add(size, squares<T>(p + at<T>(c), columns - c));
      row = f64x2.add(row, columnSquares<T>(g + at<T>(c), sums + at<f64>(c), columns - c));
    }
    store<T>(rowVar, toward<T>(load<T>(rowVar), lanes2(row) / columns, rate));
  }
  return lanes2(size);
}

/** C from the column sums of `pieces` pieces, and max(mean R, eps) into `mean`. */
// @ts-ignore: decorator
@inline
function finish<T>(
  rowVar: P, colVar: P, sums: P, mean: P, pieces: I, rows: I, columns: I, rate: f64, eps: f64,
): void {
  for (let c = 0; c < columns; c++) {
    let sum: f64 = 0;
    for (let i = 0; i < pieces; i++) sum += load<f64>(sums + at<f64>(i * columns + c));
    const v = colVar + at<T>(c);
    store<T>(v, toward<T>(load<T>(v), sum / rows, rate));
  }
  let sum: f64 = 0;
  for (let r = 0; r < rows; r++) sum += <f64>load<T>(rowVar + at<T>(r));
  store<f64>(mean, max(sum / rows, eps));
}

/** Whole matrices, one after the other: moments, C, means; the sum of p^2 goes to `size`. */
// @ts-ignore: decorator
@inline
function matrices<T>(
  p: P, g: P, rowVar: P, colVar: P, sums: P, mean: P, size: P, count: I, rows: I, columns: I, rate: f64, eps: f64,
): void {
  let sum: f64 = 0;
  for (let i = 0; i < count; i++) {
    sum += rowMoments<T>(p, g, rowVar, sums, rows, columns, rate);
    finish<T>(rowVar, colVar, sums, mean, 1, rows, columns, rate, eps);
    p += at<T>(rows * columns);
    g += at<T>(rows * columns);
    rowVar += at<T>(rows);
    colVar += at<T>(columns);
    mean += sizeof<f64>();
  }
  store<f64>(size, sum);
}
export function adafactorMatrices_f32(
  p: P, g: P, rowVar: P, colVar: P, sums: P, mean: P, size: P, count: I, rows: I, columns: I, rate: f64, eps: f64,
): void {
  matrices<f32>(p, g, rowVar, colVar, sums, mean, size, count, rows, columns, rate, eps);
}
export function adafactorMatrices_f64(
  p: P, g: P, rowVar: P, colVar: P, sums: P, mean: P, size: P, count: I, rows: I, columns: I, rate: f64, eps: f64,
): void {
  matrices<f64>(p, g, rowVar, colVar, sums, mean, size, count, rows, columns, rate, eps);
}

/** A piece of one large matrix: `count` rows. */
export function adafactorRows_f32(
  p: P, g: P, rowVar: P, sums: P, size: P, count: I, columns: I, rate: f64,
): void {
  store<f64>(size, rowMoments<f32>(p, g, rowVar, sums, count, columns, rate));
}
export function adafactorRows_f64(
  p: P, g: P, rowVar: P, sums: P, size: P, count: I, columns: I, rate: f64,
): void {
  store<f64>(size, rowMoments<f64>(p, g, rowVar, sums, count, columns, rate));
}

/** What is left of a large matrix after its pieces. */
export function adafactorFinish_f32(
  rowVar: P, colVar: P, sums: P, mean: P, pieces: I, rows: I, columns: I, rate: f64, eps: f64,
): void {
  finish<f32>(rowVar, colVar, sums, mean, pieces, rows, columns, rate, eps);
}
export function adafactorFinish_f64(
  rowVar: P, colVar: P, sums: P, mean: P, pieces: I, rows: I, columns: I, rate: f64, eps: f64,
): void {
  finish<f64>(rowVar, colVar, sums, mean, pieces, rows, columns, rate, eps);
}

/** g / max(sqrt(v), eps), where `least` is eps^2. */
// @ts-ignore: decorator
@inline
function update<T>(g: v128, v: v128, least: v128): v128 {
  return v128.div<T>(g, v128.sqrt<T>(v128.max<T>(v, least)));
}

/** The squares of one vector of U, summed in doubles. */
// @ts-ignore: decorator
@inline
function updateSquares<T>(g: P, v: v128, least: v128, k: I): v128 {
  const u = update<T>(part<T>(g, k), v, least);
  return foldWide<T>(v128.mul<T>(u, u));
}

/** The sum of U^2 over `count` rows, whose matrix has the mean `mean` and the columns C. */
// @ts-ignore: decorator
@inline
function rowSize<T>(g: P, rowVar: P, colVar: P, mean: f64, count: I, columns: I, eps: f64): f64 {
  const least = v128.splat<T>(<T>(eps * eps));
  let size = f64x2.splat(0);
  for (let r = 0; r < count; r++, g += at<T>(columns)) {
    const row = v128.splat<T>(<T>(<f64>load<T>(rowVar + at<T>(r)) / mean));
    let c = 0;
    for (; c + lanes<T>() <= columns; c += lanes<T>()) {
      const v = v128.mul<T>(row, v128.load(colVar + at<T>(c)));
      size = f64x2.add(size, updateSquares<T>(g + at<T>(c), v, least, lanes<T>()));
    }
    if (c < columns) {
      const v = v128.mul<T>(row, loadPart<T>(colVar + at<T>(c), columns - c));
      size = f64x2.add(size, updateSquares<T>(g + at<T>(c), v, least, columns - c));
    }
  }
  return lanes2(size);
}

/** Rows of U's size, of `count` matrices of `rows` rows (one matrix: any rows of it). */
// @ts-ignore: decorator
@inline
function sizes<T>(
  g: P, rowVar: P, colVar: P, mean: P, size: P, count: I, rows: I, columns: I, eps: f64,
): void {
  let sum: f64 = 0;
  for (let i = 0; i < count; i++) {
    sum += rowSize<T>(g, rowVar, colVar, load<f64>(mean + at<f64>(i)), rows, columns, eps);
    g += at<T>(rows * columns);
    rowVar += at<T>(rows);
    colVar += at<T>(columns);
  }
  store<f64>(size, sum);
}
export function adafactorSize_f32(
  g: P, rowVar: P, colVar: P, mean: P, size: P, count: I, rows: I, columns: I, eps: f64,
): void {
  sizes<f32>(g, rowVar, colVar, mean, size, count, rows, columns, eps);
}
export function adafactorSize_f64(
  g: P, rowVar: P, colVar: P, mean: P, size: P, count: I, rows: I, columns: I, eps: f64,
): void {
  sizes<f64>(g, rowVar, colVar, mean, size, count, rows, columns, eps);
}

/**
 * The factor of U: `rate` max(eps2, RMS(p)) / max(1, RMS(U) / d), from the sums of squares over the pieces.
 */
// @ts-ignore: decorator
@inline
function factor(sizes: P, pieces: I, n: f64, eps2: f64, rate: f64, d: f64): f64 {
  const p = sqrt(total(sizes, pieces) / n);
  const u = sqrt(total(sizes + at<f64>(pieces), pieces) / n);
  return (rate * max(eps2, p)) / max(1, u / d);
}

/** One vector of p = keep p - factor U. */
// @ts-ignore: decorator
@inline
function stepSome<T>(p: P, g: P, v: v128, f: v128, kept: v128, least: v128, k: I): void {
  const u = update<T>(loadSome<T>(g, k), v, least);
  storeSome<T>(p, v128.sub<T>(v128.mul<T>(loadSome<T>(p, k), kept), v128.mul<T>(f, u)), k);
}

/** p = keep p - factor U, over `count` matrices of `rows` rows. `sizes`: p^2 of the pieces, then U^2. */
// @ts-ignore: decorator
@inline
function matrixStep<T>(
  p: P, g: P, rowVar: P, colVar: P, mean: P, sizes: P, pieces: I, n: f64, count: I, rows: I, columns: I,
  eps: f64, eps2: f64, rate: f64, d: f64, keep: f64,
): void {
  const f = v128.splat<T>(<T>factor(sizes, pieces, n, eps2, rate, d));
  const kept = v128.splat<T>(<T>keep);
  const least = v128.splat<T>(<T>(eps * eps));
  for (let i = 0; i < count; i++, colVar += at<T>(columns)) {
    const m = load<f64>(mean + at<f64>(i));
    for (let r = 0; r < rows; r++, rowVar += sizeof<T>(), p += at<T>(columns), g += at<T>(columns)) {
      const row = v128.splat<T>(<T>(<f64>load<T>(rowVar) / m));
      let c = 0;
      for (; c + lanes<T>() <= columns; c += lanes<T>()) {
        const o = at<T>(c);
        stepSome<T>(p + o, g + o, v128.mul<T>(row, v128.load(colVar + o)), f, kept, least, lanes<T>());
      }
      if (c < columns) {
        const o = at<T>(c);
        const v = v128.mul<T>(row, loadPart<T>(colVar + o, columns - c));
        stepSome<T>(p + o, g + o, v, f, kept, least, columns - c);
      }
    }
  }
}
export function adafactorMatrixStep_f32(
  p: P, g: P, rowVar: P, colVar: P, mean: P, sizes: P, pieces: I, n: f64, count: I, rows: I, columns: I,
  eps: f64, eps2: f64, rate: f64, d: f64, keep: f64,
): void {
  matrixStep<f32>(p, g, rowVar, colVar, mean, sizes, pieces, n, count, rows, columns, eps, eps2, rate, d, keep);
}
export function adafactorMatrixStep_f64(
  p: P, g: P, rowVar: P, colVar: P, mean: P, sizes: P, pieces: I, n: f64, count: I, rows: I, columns: I,
  eps: f64, eps2: f64, rate: f64, d: f64, keep: f64,
): void {
  matrixStep<f64>(p, g, rowVar, colVar, mean, sizes, pieces, n, count, rows, columns, eps, eps2, rate, d, keep);
}

/** V = V + b (g^2 - V) for one vector; returns the new V. */
// @ts-ignore: decorator
@inline
function mean<T>(g: P, v: P, rate: v128, k: I): v128 {
  const y = loadSome<T>(g, k);
  const old = loadSome<T>(v, k);
  const fresh = v128.add<T>(old, v128.mul<T>(rate, v128.sub<T>(v128.mul<T>(y, y), old)));
  storeSome<T>(v, fresh, k);
  return fresh;
}

/** A vector: V, the sums of p^2 and U^2. */
// @ts-ignore: decorator
@inline
function vector<T>(p: P, g: P, v: P, size: P, updateSize: P, n: I, b: f64, eps: f64): void {
  const least = v128.splat<T>(<T>(eps * eps));
  const rate = v128.splat<T>(<T>b);
  let a = f64x2.splat(0);
  let s = f64x2.splat(0);
  let i = 0;
  for (; i + lanes<T>() <= n; i += lanes<T>(), p += 16, g += 16, v += 16) {
    a = f64x2.add(a, squares<T>(p, lanes<T>()));
    s = f64x2.add(s, updateSquares<T>(g, mean<T>(g, v, rate, lanes<T>()), least, lanes<T>()));
  }
  if (i < n) {
    a = f64x2.add(a, squares<T>(p, n - i));
    s = f64x2.add(s, updateSquares<T>(g, mean<T>(g, v, rate, n - i), least, n - i));
  }
  store<f64>(size, lanes2(a));
  store<f64>(updateSize, lanes2(s));
}
export function adafactorVector_f32(p: P, g: P, v: P, size: P, updateSize: P, n: I, b: f64, eps: f64): void {
  vector<f32>(p, g, v, size, updateSize, n, b, eps);
}
export function adafactorVector_f64(p: P, g: P, v: P, size: P, updateSize: P, n: I, b: f64, eps: f64): void {
  vector<f64>(p, g, v, size, updateSize, n, b, eps);
}

/** p = keep p - factor U of a vector. */
// @ts-ignore: decorator
@inline
function vectorStep<T>(
  p: P, g: P, v: P, sizes: P, pieces: I, total: f64, n: I, eps: f64, eps2: f64, rate: f64, d: f64, keep: f64,
): void {
  const f = v128.splat<T>(<T>factor(sizes, pieces, total, eps2, rate, d));
  const kept = v128.splat<T>(<T>keep);
  const least = v128.splat<T>(<T>(eps * eps));
  let i = 0;
  for (; i + lanes<T>() <= n; i += lanes<T>(), p += 16, g += 16, v += 16) {
    stepSome<T>(p, g, v128.load(v), f, kept, least, lanes<T>());
  }
  if (i < n) stepSome<T>(p, g, loadPart<T>(v, n - i), f, kept, least, n - i);
}
export function adafactorVectorStep_f32(
  p: P, g: P, v: P, sizes: P, pieces: I, total: f64, n: I, eps: f64, eps2: f64, rate: f64, d: f64, keep: f64,
): void {
  vectorStep<f32>(p, g, v, sizes, pieces, total, n, eps, eps2, rate, d, keep);
}
export function adafactorVectorStep_f64(
  p: P, g: P, v: P, sizes: P, pieces: I, total: f64, n: I, eps: f64, eps2: f64, rate: f64, d: f64, keep: f64,
): void {
  vectorStep<f64>(p, g, v, sizes, pieces, total, n, eps, eps2, rate, d, keep);
}

// The table of small parameters, 28 bytes a row, as src/optim/adafactorTable.ts writes it: addresses of p, g, R (or V)
// and C (or 0), numbers of elements, of rows and of columns.
const ROW: P = 28;

/**
 * Whole steps of `count` small parameters. `scratch` has room for 2 doubles and, of the largest one, a double for each
 * matrix and each column.
 */
// @ts-ignore: decorator
@inline
function table<T>(
  rows: P, count: I, scratch: P, decay: f64, eps: f64, eps2: f64, rate: f64, d: f64, keep: f64,
): void {
  const size = scratch + sizeof<f64>();
  const means = size + sizeof<f64>();
  for (let i = 0; i < count; i++, rows += ROW) {
    const p: P = load<u32>(rows);
    const g: P = load<u32>(rows, 4);
    const v: P = load<u32>(rows, 8);
    const colVar: P = load<u32>(rows, 12);
    const n = load<i32>(rows, 16);
    if (colVar == 0) {
      vector<T>(p, g, v, scratch, size, n, decay, eps);
      vectorStep<T>(p, g, v, scratch, 1, n, n, eps, eps2, rate, d, keep);
      continue;
    }
    const height = load<i32>(rows, 20);
    const columns = load<i32>(rows, 24);
    const some = n / (height * columns);
    matrices<T>(p, g, v, colVar, means + at<f64>(some), means, scratch, some, height, columns, decay, eps);
    sizes<T>(g, v, colVar, means, size, some, height, columns, eps);
    matrixStep<T>(p, g, v, colVar, means, scratch, 1, n, some, height, columns, eps, eps2, rate, d, keep);
  }
}
export function adafactorTable_f32(
  rows: P, count: I, scratch: P, decay: f64, eps: f64, eps2: f64, rate: f64, d: f64, keep: f64,
): void {
  table<f32>(rows, count, scratch, decay, eps, eps2, rate, d, keep);
}
export function adafactorTable_f64(
  rows: P, count: I, scratch: P, decay: f64, eps: f64, eps2: f64, rate: f64, d: f64, keep: f64,
): void {
  table<f64>(rows, count, scratch, decay, eps, eps2, rate, d, keep);
}
