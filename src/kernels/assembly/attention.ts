// Attention by blocks of queries: scores, softmax and the product with the values stay in one small block, so that
// memory grows with the sequence and not with its square. Batches b0..b1-1; each is computed alike whoever does it.
import { expLanes } from "./expLanes";
import { gemm_f32, gemm_f64, gemmScratch_f32, gemmScratch_f64 } from "./gemm";
import { lanes, loadPart, storePart } from "./lanes";
import { foldWide, lanes2, loadSome, storeSome } from "./wide";

/** Most queries in a block. */
const BLOCK: i32 = 64;

/**
 * Queries in a block: fewer where a short causal sequence would otherwise compute much that nothing sees, eight full
 * register tiles of the products then.
 */
// @ts-ignore: decorator
@inline
function blockOf(L: i32, causal: bool): i32 {
  return causal && L <= 128 ? 40 : BLOCK;
}

// @ts-ignore: decorator
@inline
function product<T>(
  M: i32, N: i32, K: i32, alpha: T, A: usize, rsA: i32, csA: i32, B: usize, rsB: i32, csB: i32, beta: T, C: usize,
  ldc: i32, scratch: usize,
): void {
  if (sizeof<T>() == 4) {
    gemm_f32(M, N, K, <f32>alpha, A, rsA, csA, B, rsB, csB, <f32>beta, C, ldc, scratch, 0, 0);
  } else gemm_f64(M, N, K, <f64>alpha, A, rsA, csA, B, rsB, csB, <f64>beta, C, ldc, scratch, 0, 0);
}

// @ts-ignore: decorator
@inline
function productScratch<T>(L: i32, S: i32, E: i32): usize {
  const n = max(max(L, S), E);
  return sizeof<T>() == 4 ? gemmScratch_f32(n, n, n) : gemmScratch_f64(n, n, n);
}

/**
 * desc: L, S, E, Ev, causal, hasMask, mask's batch stride and row stride, heads (batch b is head b % heads of outer
 * batch b / heads), then outer, head and row stride of q, k, v, and of out or of g, gq, gk, gv. In elements; columns are
 * dense.
 */
// @ts-ignore: decorator
@inline
function field(desc: usize, i: i32): i32 {
  return load<i32>(desc + (<usize>i << 2));
}

// Where the strides of each tensor are in the descriptor.
const Q: i32 = 9;
const K: i32 = 12;
const V: i32 = 15;
const OUT: i32 = 18;
const G: i32 = 18;
const GQ: i32 = 21;
const GK: i32 = 24;
const GV: i32 = 27;

/** The matrix of batch b. */
// @ts-ignore: decorator
@inline
function matrix<T>(p: usize, desc: usize, at: i32, b: i32): usize {
  const heads = field(desc, 8);
  return p + (<usize>(b / heads) * field(desc, at) + <usize>(b % heads) * field(desc, at + 1)) * sizeof<T>();
}

/** The stride of its rows. */
// @ts-ignore: decorator
@inline
function step(desc: usize, at: i32): i32 {
  return field(desc, at + 2);
}

/** Zeros n rows of `width` elements. */
// @ts-ignore: decorator
@inline
function clear<T>(p: usize, n: i32, width: i32, stride: i32): void {
  for (; n > 0; n--, p += <usize>stride * sizeof<T>()) memory.fill(p, 0, <usize>width * sizeof<T>());
}

// @ts-ignore: decorator
@inline
function scratchBytes<T>(desc: usize): usize {
  const S = field(desc, 1);
  const rows = <usize>(2 * BLOCK * S + BLOCK) * sizeof<T>();
  return ((rows + 127) & ~127) + productScratch<T>(max(field(desc, 0), BLOCK), S, max(field(desc, 2), field(desc, 3)));
}
export function attentionScratch_f32(desc: usize): usize {
  return scratchBytes<f32>(desc);
}
export function attentionScratch_f64(desc: usize): usize {
  return scratchBytes<f64>(desc);
}

// @ts-ignore: decorator
@inline
function largest<T>(p: usize, n: i32): T {
  const L = lanes<T>();
  let m: T = -Infinity;
  if (n >= L) {
    let v = v128.load(p);
    for (let j = L; j + L <= n; j += L) v = v128.max<T>(v, v128.load(p + <usize>j * sizeof<T>()));
    m = max<T>(v128.extract_lane<T>(v, 0), v128.extract_lane<T>(v, 1));
    if (L == 4) {
      m = max<T>(m, max<T>(v128.extract_lane<T>(v, sizeof<T>() == 4 ? 2 : 0), v128.extract_lane<T>(v, sizeof<T>() == 4 ? 3 : 0)));
    }
  }
  for (let j = n & -L; j < n; j++) m = max<T>(m, load<T>(p + <usize>j * sizeof<T>()));
  return m;
}

/** row[j] = exp(row[j] - shift) for j < n; gives their sum, added up in float64. */
// @ts-ignore: decorator
@inline
function expRow<T>(row: usize, n: i32, shift: T): f64 {
  const L = lanes<T>();
  const s = v128.splat<T>(shift);
  const end = row + <usize>n * sizeof<T>();
  let sums = f64x2.splat(0);
  for (; row + 16 <= end; row += 16) {
    const e = expLanes<T>(v128.sub<T>(v128.load(row), s));
    v128.store(row, e);
    sums = f64x2.add(sums, foldWide<T>(e));
  }
  let sum = lanes2(sums);
  if (row < end) storePart<T>(row, expLanes<T>(v128.sub<T>(loadPart<T>(row, n & (L - 1)), s)), n & (L - 1));
  for (; row < end; row += sizeof<T>()) sum += <f64>load<T>(row);
  return sum;
}

/** row[j] = factor exp(row[j] - shift) for j < n; gives the sum of row[j] other[j], added up in float64. */
// @ts-ignore: decorator
@inline
function weighRow<T>(row: usize, other: usize, n: i32, shift: T, factor: T): f64 {
  const L = lanes<T>();
  const s = v128.splat<T>(shift);
  const f = v128.splat<T>(factor);
  const end = row + <usize>n * sizeof<T>();
  let sums = f64x2.splat(0);
  for (; row + 16 <= end; row += 16, other += 16) {
    const w = v128.mul<T>(f, expLanes<T>(v128.sub<T>(v128.load(row), s)));
    v128.store(row, w);
    sums = f64x2.add(sums, foldWide<T>(v128.mul<T>(w, v128.load(other))));
  }
  let sum = lanes2(sums);
  if (row < end) {
    const k = n & (L - 1);
    storePart<T>(row, v128.mul<T>(f, expLanes<T>(v128.sub<T>(loadPart<T>(row, k), s))), k);
  }
  for (; row < end; row += sizeof<T>(), other += sizeof<T>()) sum += <f64>load<T>(row) * <f64>load<T>(other);
  return sum;
}

// @ts-ignore: decorator
@inline
function scaleRow<T>(p: usize, n: i32, factor: T): void {
  const L = lanes<T>();
  const f = v128.splat<T>(factor);
  for (let j = 0; j < n; j += L) {
    const k = min(L, n - j);
    const at = p + <usize>j * sizeof<T>();
    storeSome<T>(at, v128.mul<T>(loadSome<T>(at, k), f), k);
  }
}

// @ts-ignore: decorator
@inline
function addRow<T>(p: usize, q: usize, n: i32): void {
  const L = lanes<T>();
  for (let j = 0; j < n; j += L) {
    const k = min(L, n - j);
    const o = <usize>j * sizeof<T>();
    storeSome<T>(p + o, v128.add<T>(loadSome<T>(p + o, k), loadSome<T>(q + o, k)), k);
  }
}

/** Scores of a block of rows, masked; row r sees `seen(r)` keys, the rest of its cols is left as it is. */
// @ts-ignore: decorator
@inline
function scoreBlock<T>(
  desc: usize, q: usize, k: usize, mask: usize, scores: usize, scale: T, b: i32, i0: i32, rows: i32, cols: i32,
  scratch: usize,
): void {
  const E = field(desc, 2);
  const z = sizeof<T>();
  const rq = step(desc, Q);
  const from = matrix<T>(q, desc, Q, b) + <usize>(i0 * rq) * z;
  product<T>(rows, cols, E, scale, from, rq, 1, matrix<T>(k, desc, K, b), 1, step(desc, K), 0, scores, cols, scratch);
  if (!field(desc, 5)) return;
  for (let r = 0; r < rows; r++) {
    const at = mask + (<usize>b * field(desc, 6) + <usize>(i0 + r) * field(desc, 7)) * z;
    addRow<T>(scores + <usize>(r * cols) * z, at, cols);
  }
}

/**
 * out = softmax(scale q k^T + mask) v; norms: each row's largest score, -Infinity where nothing is seen, and the inverse
 * of the sum of its exponentials.
 */
// @ts-ignore: decorator
@inline
function forward<T>(
  q: usize, k: usize, v: usize, mask: usize, out: usize, norms: usize, scratch: usize, desc: usize, scale: T, b0: i32,
  b1: i32,
): void {
  const L = field(desc, 0);
  const S = field(desc, 1);
  const Ev = field(desc, 3);
  const causal = field(desc, 4) != 0;
  const block = blockOf(L, causal);
  const z = sizeof<T>();
  const scores = scratch;
  const work = scratch + ((<usize>(2 * BLOCK * S + BLOCK) * z + 127) & ~127);
  for (let b = b0; b < b1; b++) {
    for (let i0 = 0; i0 < L; i0 += block) {
      const rows = min(block, L - i0);
      const cols = causal ? min(S, i0 + rows) : S;
      scoreBlock<T>(desc, q, k, mask, scores, scale, b, i0, rows, cols, work);
      for (let r = 0; r < rows; r++) {
        const row = scores + <usize>(r * cols) * z;
        const seen = causal ? min(cols, i0 + r + 1) : cols;
        const top = largest<T>(row, seen);
        const place = norms + (<usize>b * L + i0 + r) * 2 * z;
        if (top == <T>-Infinity) {
          memory.fill(row, 0, <usize>cols * z);
          store<T>(place, top);
          continue;
        }
        const inverse = <T>(1 / expRow<T>(row, seen, top));
        scaleRow<T>(row, seen, inverse);
        if (seen < cols) memory.fill(row + <usize>seen * z, 0, <usize>(cols - seen) * z);
        store<T>(place, top);
        store<T>(place + z, inverse);
      }
      const ro = step(desc, OUT);
      const to = matrix<T>(out, desc, OUT, b) + <usize>(i0 * ro) * z;
      product<T>(rows, Ev, cols, 1, scores, cols, 1, matrix<T>(v, desc, V, b), step(desc, V), 1, 0, to, ro, work);
    }
  }
}
export function attentionForward_f32(
  q: usize, k: usize, v: usize, mask: usize, out: usize, norms: usize, scratch: usize, desc: usize, scale: f64, b0: i32,
  b1: i32,
): void {
  forward<f32>(q, k, v, mask, out, norms, scratch, desc, <f32>scale, b0, b1);
}
export function attentionForward_f64(
  q: usize, k: usize, v: usize, mask: usize, out: usize, norms: usize, scratch: usize, desc: usize, scale: f64, b0: i32,
  b1: i32,
): void {
  forward<f64>(q, k, v, mask, out, norms, scratch, desc, scale, b0, b1);
}

/**
 * With the weights P of the forward to the bit, dP = g v^T and delta = rows of P . dP: dS = P (dP - delta);
 * gq = scale dS k, gk = scale dS^T q, gv = P^T g, summed over blocks in order. In exact numbers delta is g . out too; out
 * of the rounded dP it makes dS exactly zero where a weight is 1.
 */
// @ts-ignore: decorator
@inline
function backward<T>(
  q: usize, k: usize, v: usize, mask: usize, norms: usize, g: usize, gq: usize, gk: usize, gv: usize,
  scratch: usize, desc: usize, scale: T, b0: i32, b1: i32,
): void {
  const L = field(desc, 0);
  const S = field(desc, 1);
  const E = field(desc, 2);
  const Ev = field(desc, 3);
  const causal = field(desc, 4) != 0;
  const block = blockOf(L, causal);
  const z = sizeof<T>();
  const p = scratch;
  const d = scratch + <usize>(BLOCK * S) * z;
  const work = scratch + ((<usize>(2 * BLOCK * S + BLOCK) * z + 127) & ~127);
  const n = lanes<T>();
  const rq = step(desc, Q), rk = step(desc, K), rv = step(desc, V), rg = step(desc, G);
  const rgq = step(desc, GQ), rgk = step(desc, GK), rgv = step(desc, GV);
  for (let b = b0; b < b1; b++) {
    const mk = matrix<T>(k, desc, K, b);
    const mv = matrix<T>(v, desc, V, b);
    const mgk = matrix<T>(gk, desc, GK, b);
    const mgv = matrix<T>(gv, desc, GV, b);
    clear<T>(mgk, S, E, rgk);
    clear<T>(mgv, S, Ev, rgv);
    for (let i0 = 0; i0 < L; i0 += block) {
      const rows = min(block, L - i0);
      const cols = causal ? min(S, i0 + rows) : S;
      const first = <usize>b * L + i0;
      scoreBlock<T>(desc, q, k, mask, p, scale, b, i0, rows, cols, work);
      const gRows = matrix<T>(g, desc, G, b) + <usize>(i0 * rg) * z;
      product<T>(rows, cols, Ev, 1, gRows, rg, 1, mv, 1, rv, 0, d, cols, work);
      for (let r = 0; r < rows; r++) {
        const row = p + <usize>(r * cols) * z;
        const slope = d + <usize>(r * cols) * z;
        const seen = causal ? min(cols, i0 + r + 1) : cols;
        const place = norms + (first + r) * 2 * z;
        const top = load<T>(place);
        if (top == <T>-Infinity) {
          memory.fill(row, 0, <usize>cols * z);
          memory.fill(slope, 0, <usize>cols * z);
          continue;
        }
        const dv = v128.splat<T>(<T>weighRow<T>(row, slope, seen, top, load<T>(place + z)));
        for (let j = 0; j < seen; j += n) {
          const m = min(n, seen - j);
          const o = <usize>j * z;
          const s = v128.mul<T>(loadSome<T>(row + o, m), v128.sub<T>(loadSome<T>(slope + o, m), dv));
          storeSome<T>(slope + o, s, m);
        }
        if (seen < cols) {
          memory.fill(row + <usize>seen * z, 0, <usize>(cols - seen) * z);
          memory.fill(slope + <usize>seen * z, 0, <usize>(cols - seen) * z);
        }
      }
      const qRows = matrix<T>(q, desc, Q, b) + <usize>(i0 * rq) * z;
      const to = matrix<T>(gq, desc, GQ, b) + <usize>(i0 * rgq) * z;
      product<T>(rows, E, cols, scale, d, cols, 1, mk, rk, 1, 0, to, rgq, work);
      product<T>(cols, E, rows, scale, d, 1, cols, qRows, rq, 1, 1, mgk, rgk, work);
      product<T>(cols, Ev, rows, 1, p, 1, cols, gRows, rg, 1, 1, mgv, rgv, work);
    }
  }
}
export function attentionBackward_f32(
  q: usize, k: usize, v: usize, mask: usize, norms: usize, g: usize, gq: usize, gk: usize, gv: usize,
  scratch: usize, desc: usize, scale: f64, b0: i32, b1: i32,
): void {
  backward<f32>(q, k, v, mask, norms, g, gq, gk, gv, scratch, desc, <f32>scale, b0, b1);
}
export function attentionBackward_f64(
  q: usize, k: usize, v: usize, mask: usize, norms: usize, g: usize, gq: usize, gk: usize, gv: usize,
  scratch: usize, desc: usize, scale: f64, b0: i32, b1: i32,
): void {
  backward<f64>(q, k, v, mask, norms, g, gq, gk, gv, scratch, desc, scale, b0, b1);
}
