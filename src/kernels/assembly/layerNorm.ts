// Layer norm and RMS norm over contiguous rows [rows, D]. mean and rstd are float64 [rows] (mean null: RMS norm);
// weight and bias [D] may be null. Threads split rows. float32 rows are summed as in normQuick.ts where that is good
// enough, else in float64, as float64 rows are.
import { lanes } from "./lanes";
import { dot4, fits, Off, On, pair, quickSlice, sum4 } from "./normQuick";
import { lanes2, load2, loadSome, storeSome, upper } from "./wide";

type P = usize;
type I = i32;

/** Elements per row below which float64 costs nothing. */
const FEW: I = 64;
/** Rows whose parameter gradients are summed together, while they are in the cache. */
const BLOCK: P = 8;

/** Sum of d^2 with d = x - shift, or of d where `square` is false. */
// @ts-ignore: decorator
@inline
function rowSum<T>(square: bool, x: P, n: I, shift: f64): f64 {
  const size = sizeof<T>();
  const m = f64x2.splat(shift);
  let a = f64x2.splat(0);
  let b = a;
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 4 * size) {
    const d = f64x2.sub(load2<T>(x), m);
    const e = f64x2.sub(load2<T>(x + 2 * size), m);
    a = f64x2.add(a, square ? f64x2.mul(d, d) : d);
    b = f64x2.add(b, square ? f64x2.mul(e, e) : e);
  }
  let s = lanes2(f64x2.add(a, b));
  for (; i < n; i++, x += size) {
    const d = <f64>load<T>(x) - shift;
    s += square ? d * d : d;
  }
  return s;
}

/**
 * Mean and rstd of one row, from its quick sums if these will do; returns whether they did. Then the mean is within
 * three deviations of the values, so that x r - mean r loses nothing that matters.
 */
// @ts-ignore: decorator
@inline
function rowStatistics<T>(x: P, mean: P, rstd: P, scratch: P, D: I, eps: f64): bool {
  let m: f64 = 0;
  if (sizeof<T>() == 4 && D >= FEW) {
    v128.store(scratch, f64x2.splat(0));
    v128.store(scratch, f64x2.splat(0), 16);
    quickSlice<On, Off>(x, x, 0, D, scratch, scratch + 16);
    const sum = load<f64>(scratch) + load<f64>(scratch, 8);
    const square = load<f64>(scratch, 16) + load<f64>(scratch, 24);
    if (fits(sum, square) && (mean == 0 || sum * sum <= 0.9 * <f64>D * square)) {
      m = mean == 0 ? 0 : sum / D;
      if (mean != 0) store<f64>(mean, m);
      store<f64>(rstd, 1 / Math.sqrt((square - m * sum) / D + eps));
      return true;
    }
  }
  if (mean != 0) {
    // About the first element, so that a constant row has exactly its mean.
    m = <f64>load<T>(x);
    m += rowSum<T>(false, x, D, m) / D;
    store<f64>(mean, m);
  }
  store<f64>(rstd, 1 / Math.sqrt(rowSum<T>(true, x, D, m) / D + eps));
  return false;
}

/** The normalised vector: (x - high) r - low r with mean = high + low, or x r - mean r (`near`). */
// @ts-ignore: decorator
@inline
function normal<T>(near: bool, x: v128, high: v128, r: v128, shift: v128): v128 {
  return v128.sub<T>(v128.mul<T>(near ? x : v128.sub<T>(x, high), r), shift);
}

/** Factors of a row, and of the elements. */
// @ts-ignore: decorator
@inline
function mapLanes<T>(near: bool, hasWeight: bool, hasBias: bool, x: v128, w: P, b: P, high: v128, r: v128, shift: v128): v128 {
  let v = normal<T>(near, x, high, r, shift);
  if (hasWeight) v = v128.mul<T>(v, v128.load(w));
  if (hasBias) v = v128.add<T>(v, v128.load(b));
  return v;
}

// @ts-ignore: decorator
@inline
function mapRow<T>(near: bool, hasWeight: bool, hasBias: bool, x: P, y: P, w: P, b: P, n: I, mean: f64, rstd: f64): void {
  const top = <f64>(<T>mean);
  const high = v128.splat<T>(<T>top);
  const r = v128.splat<T>(<T>rstd);
  const shift = v128.splat<T>(<T>(near ? mean * rstd : mean == top ? 0 : (mean - top) * rstd));
  let i = 0;
  for (; i + 4 * lanes<T>() <= n; i += 4 * lanes<T>(), x += 64, y += 64, w += 64, b += 64) {
    const v0 = mapLanes<T>(near, hasWeight, hasBias, v128.load(x), w, b, high, r, shift);
    const v1 = mapLanes<T>(near, hasWeight, hasBias, v128.load(x, 16), w + 16, b + 16, high, r, shift);
    const v2 = mapLanes<T>(near, hasWeight, hasBias, v128.load(x, 32), w + 32, b + 32, high, r, shift);
    const v3 = mapLanes<T>(near, hasWeight, hasBias, v128.load(x, 48), w + 48, b + 48, high, r, shift);
    v128.store(y, v0);
    v128.store(y, v1, 16);
    v128.store(y, v2, 32);
    v128.store(y, v3, 48);
  }
  for (; i + lanes<T>() <= n; i += lanes<T>(), x += 16, y += 16, w += 16, b += 16) {
    v128.store(y, mapLanes<T>(near, hasWeight, hasBias, v128.load(x), w, b, high, r, shift));
  }
  if (i >= n) return;
  let v = normal<T>(near, loadSome<T>(x, n - i), high, r, shift);
  if (hasWeight) v = v128.mul<T>(v, loadSome<T>(w, n - i));
  if (hasBias) v = v128.add<T>(v, loadSome<T>(b, n - i));
  storeSome<T>(y, v, n - i);
}

// @ts-ignore: decorator
@inline
function mapRowBy<T>(near: bool, x: P, y: P, w: P, b: P, n: I, mean: f64, rstd: f64): void {
  if (w != 0 && b != 0) mapRow<T>(near, true, true, x, y, w, b, n, mean, rstd);
  else if (w != 0) mapRow<T>(near, true, false, x, y, w, b, n, mean, rstd);
  else if (b != 0) mapRow<T>(near, false, true, x, y, w, b, n, mean, rstd);
  else mapRow<T>(near, false, false, x, y, w, b, n, mean, rstd);
}

// @ts-ignore: decorator
@inline
function forward<T>(x: P, y: P, mean: P, rstd: P, w: P, b: P, scratch: P, D: I, eps: f64, r0: I, r1: I): void {
  const row = <P>D * sizeof<T>();
  for (let i = <P>r0; i < <P>r1; i++) {
    const p = x + i * row;
    const m = mean == 0 ? <P>0 : mean + (i << 3);
    const r = rstd + (i << 3);
    const near = rowStatistics<T>(p, m, r, scratch, D, eps);
    const value = m == 0 ? 0 : load<f64>(m);
    if (near) mapRowBy<T>(true, p, y + i * row, w, b, D, value, load<f64>(r));
    else mapRowBy<T>(false, p, y + i * row, w, b, D, value, load<f64>(r));
  }
}

// @ts-ignore: decorator
@inline
function times<T>(hasWeight: bool, g: v128, w: P): v128 {
  return hasWeight ? v128.mul<T>(g, v128.load(w)) : g;
}

/** s = sum h, q = sum h (x - mean) with h = g w, in float64. */
// @ts-ignore: decorator
@inline
function exactProducts<T>(x: P, g: P, w: P, D: I, mean: f64, s: P, q: P): void {
  const size = sizeof<T>();
  const m = f64x2.splat(mean);
  let a = f64x2.splat(0);
  let b = a;
  let j = 0;
  let o: P = 0;
  for (; j + 2 <= D; j += 2, o += 2 * size) {
    let h = load2<T>(g + o);
    if (w != 0) h = f64x2.mul(h, load2<T>(w + o));
    a = f64x2.add(a, h);
    b = f64x2.add(b, f64x2.mul(h, f64x2.sub(load2<T>(x + o), m)));
  }
  let sum = lanes2(a);
  let product = lanes2(b);
  if (j < D) {
    let h = <f64>load<T>(g + o);
    if (w != 0) h *= <f64>load<T>(w + o);
    sum += h;
    product += h * (<f64>load<T>(x + o) - mean);
  }
  store<f64>(s, sum);
  store<f64>(q, product);
}

/** The same by float32 lanes, eight elements at a time. */
// @ts-ignore: decorator
@inline
function quickProducts(hasWeight: bool, x: P, g: P, w: P, D: I, mean: f64, s: P, q: P): void {
  const near = <f32>mean;
  const m = f32x4.splat(near);
  let sums = f64x2.splat(0);
  let products = sums;
  let j = 0;
  let p = x;
  let u = g;
  let v = w;
  for (; j + 16 <= D; j += 16, p += 64, u += 64, v += 64) {
    const d0 = f32x4.sub(v128.load(p), m);
    const d1 = f32x4.sub(v128.load(p, 16), m);
    const d2 = f32x4.sub(v128.load(p, 32), m);
    const d3 = f32x4.sub(v128.load(p, 48), m);
    const h0 = times<f32>(hasWeight, v128.load(u), v);
    const h1 = times<f32>(hasWeight, v128.load(u, 16), v + 16);
    const h2 = times<f32>(hasWeight, v128.load(u, 32), v + 32);
    const h3 = times<f32>(hasWeight, v128.load(u, 48), v + 48);
    const both = pair(sum4(h0, h1, h2, h3), dot4(h0, d0, h1, d1, h2, d2, h3, d3));
    sums = f64x2.add(sums, f64x2.promote_low_f32x4(both));
    products = f64x2.add(products, f64x2.promote_low_f32x4(upper(both)));
  }
  let sum = lanes2(sums);
  let product = lanes2(products);
  for (; j < D; j++, p += 4, u += 4, v += 4) {
    let h = <f64>load<f32>(u);
    if (hasWeight) h *= <f64>load<f32>(v);
    sum += h;
    product += h * (<f64>load<f32>(p) - <f64>near);
  }
  if (fits(sum, product) || (product == 0 && sum - sum == 0)) {
    store<f64>(s, sum);
    store<f64>(q, product - (mean - <f64>near) * sum);
  } else exactProducts<f32>(x, g, w, D, mean, s, q);
}

/** With x^ = (x - mean) rstd: gx = rstd (h - E[h] - x^ E[h x^]); RMS norm has no E[h]. */
// @ts-ignore: decorator
@inline
function backwardRow<T>(
  hasWeight: bool, x: P, g: P, gx: P, centred: bool, mean: f64, rstd: f64, w: P, scratch: P, D: I,
): void {
  if (sizeof<T>() == 4 && D >= FEW) quickProducts(hasWeight, x, g, w, D, mean, scratch, scratch + 8);
  else exactProducts<T>(x, g, w, D, mean, scratch, scratch + 8);
  const slope = (load<f64>(scratch, 8) / D) * rstd * rstd;
  const high = <f64>(<T>mean);
  const offset = (centred ? load<f64>(scratch) / D : 0) - (mean == high ? 0 : (mean - high) * slope);
  const c = v128.splat<T>(<T>offset);
  const k = v128.splat<T>(<T>slope);
  const m = v128.splat<T>(<T>high);
  const r = v128.splat<T>(<T>rstd);
  let j = 0;
  for (; j + 4 * lanes<T>() <= D; j += 4 * lanes<T>(), x += 64, g += 64, gx += 64, w += 64) {
    const v0 = through<T>(v128.load(x), times<T>(hasWeight, v128.load(g), w), m, r, c, k);
    const v1 = through<T>(v128.load(x, 16), times<T>(hasWeight, v128.load(g, 16), w + 16), m, r, c, k);
    const v2 = through<T>(v128.load(x, 32), times<T>(hasWeight, v128.load(g, 32), w + 32), m, r, c, k);
    const v3 = through<T>(v128.load(x, 48), times<T>(hasWeight, v128.load(g, 48), w + 48), m, r, c, k);
    v128.store(gx, v0);
    v128.store(gx, v1, 16);
    v128.store(gx, v2, 32);
    v128.store(gx, v3, 48);
  }
  for (; j + lanes<T>() <= D; j += lanes<T>(), x += 16, g += 16, gx += 16, w += 16) {
    v128.store(gx, through<T>(v128.load(x), times<T>(hasWeight, v128.load(g), w), m, r, c, k));
  }
  if (j >= D) return;
  let h = loadSome<T>(g, D - j);
  if (hasWeight) h = v128.mul<T>(h, loadSome<T>(w, D - j));
  storeSome<T>(gx, through<T>(loadSome<T>(x, D - j), h, m, r, c, k), D - j);
}

// @ts-ignore: decorator
@inline
function through<T>(x: v128, h: v128, m: v128, r: v128, c: v128, k: v128): v128 {
  return v128.mul<T>(v128.sub<T>(v128.sub<T>(h, c), v128.mul<T>(v128.sub<T>(x, m), k)), r);
}

/** For rows [i0, i1): high(mean), rstd and low(mean) rstd as T, BLOCK of each. */
// @ts-ignore: decorator
@inline
function rowFactors<T>(mean: P, rstd: P, factors: P, i0: P, i1: P): void {
  for (let i = i0; i < i1; i++) {
    const m: f64 = mean == 0 ? 0 : load<f64>(mean + (i << 3));
    const high = <f64>(<T>m);
    const r = load<f64>(rstd + (i << 3));
    const p = factors + (i - i0) * sizeof<T>();
    store<T>(p, <T>high);
    store<T>(p + BLOCK * sizeof<T>(), <T>r);
    store<T>(p + 2 * BLOCK * sizeof<T>(), <T>(m == high ? 0 : (m - high) * r));
  }
}

/** Adds sum g x^ and sum g of rows [i0, i1) to the doubles [D] at gw and gb; short sums down the rows are in T. */
// @ts-ignore: decorator
@inline
function addParamGrads<T>(x: P, g: P, factors: P, gw: P, gb: P, D: I, i0: P, i1: P): void {
  const row = <P>D * sizeof<T>();
  const next = BLOCK * sizeof<T>();
  const width = lanes<T>();
  const zero = v128.splat<T>(0);
  let o = i0 * row;
  let j = 0;
  for (; j + 4 * width <= D; j += 4 * width, o += 64) {
    let s0 = zero, s1 = zero, s2 = zero, s3 = zero;
    let p0 = zero, p1 = zero, p2 = zero, p3 = zero;
    let px = x + o;
    let pg = g + o;
    let f = factors;
    for (let i = i0; i < i1; i++, px += row, pg += row, f += sizeof<T>()) {
      const high = v128.load_splat<T>(f);
      const r = v128.load_splat<T>(f + next);
      const shift = v128.load_splat<T>(f + 2 * next);
      const u0 = v128.load(pg), u1 = v128.load(pg, 16), u2 = v128.load(pg, 32), u3 = v128.load(pg, 48);
      s0 = v128.add<T>(s0, u0);
      s1 = v128.add<T>(s1, u1);
      s2 = v128.add<T>(s2, u2);
      s3 = v128.add<T>(s3, u3);
      p0 = v128.add<T>(p0, v128.mul<T>(u0, normal<T>(false, v128.load(px), high, r, shift)));
      p1 = v128.add<T>(p1, v128.mul<T>(u1, normal<T>(false, v128.load(px, 16), high, r, shift)));
      p2 = v128.add<T>(p2, v128.mul<T>(u2, normal<T>(false, v128.load(px, 32), high, r, shift)));
      p3 = v128.add<T>(p3, v128.mul<T>(u3, normal<T>(false, v128.load(px, 48), high, r, shift)));
    }
    const a = <P>j << 3;
    const step = <P>width << 3;
    addDoubles<T>(gw + a, p0, width);
    addDoubles<T>(gw + a + step, p1, width);
    addDoubles<T>(gw + a + 2 * step, p2, width);
    addDoubles<T>(gw + a + 3 * step, p3, width);
    addDoubles<T>(gb + a, s0, width);
    addDoubles<T>(gb + a + step, s1, width);
    addDoubles<T>(gb + a + 2 * step, s2, width);
    addDoubles<T>(gb + a + 3 * step, s3, width);
  }
  for (; j < D; j += width, o += 16) {
    const n = min(width, D - j);
    let s0 = zero;
    let p0 = zero;
    let at = o;
    let f = factors;
    for (let i = i0; i < i1; i++, at += row, f += sizeof<T>()) {
      const u = loadSome<T>(g + at, n);
      const v = normal<T>(
        false, loadSome<T>(x + at, n), v128.load_splat<T>(f), v128.load_splat<T>(f + next), v128.load_splat<T>(f + 2 * next),
      );
      s0 = v128.add<T>(s0, u);
      p0 = v128.add<T>(p0, v128.mul<T>(u, v));
    }
    addDoubles<T>(gw + (<P>j << 3), p0, n);
    addDoubles<T>(gb + (<P>j << 3), s0, n);
  }
}

// @ts-ignore: decorator
@inline
function addDoubles<T>(p: P, v: v128, n: I): void {
  if (sizeof<T>() == 8) {
    store<f64>(p, load<f64>(p) + f64x2.extract_lane(v, 0));
    if (n > 1) store<f64>(p, load<f64>(p, 8) + f64x2.extract_lane(v, 1), 8);
    return;
  }
  if (n == 4) {
    v128.store(p, f64x2.add(v128.load(p), f64x2.promote_low_f32x4(v)));
    v128.store(p, f64x2.add(v128.load(p, 16), f64x2.promote_low_f32x4(upper(v))), 16);
    return;
  }
  store<f64>(p, load<f64>(p) + <f64>f32x4.extract_lane(v, 0));
  if (n > 1) store<f64>(p, load<f64>(p, 8) + <f64>f32x4.extract_lane(v, 1), 8);
  if (n > 2) store<f64>(p, load<f64>(p, 16) + <f64>f32x4.extract_lane(v, 2), 16);
}

// @ts-ignore: decorator
@inline
function backward<T>(
  x: P, g: P, gx: P, mean: P, rstd: P, w: P, scratch: P, parts: P, D: I, r0: I, r1: I,
): void {
  const row = <P>D * sizeof<T>();
  if (parts != 0) memory.fill(parts, 0, <P>D << 4);
  for (let from = <P>r0; from < <P>r1; from += BLOCK) {
    const to = min(from + BLOCK, <P>r1);
    for (let i = from; gx != 0 && i < to; i++) {
      const o = i * row;
      const m: f64 = mean == 0 ? 0 : load<f64>(mean + (i << 3));
      const r = load<f64>(rstd + (i << 3));
      if (w != 0) backwardRow<T>(true, x + o, g + o, gx + o, mean != 0, m, r, w, scratch, D);
      else backwardRow<T>(false, x + o, g + o, gx + o, mean != 0, m, r, w, scratch, D);
    }
    if (parts == 0) continue;
    rowFactors<T>(mean, rstd, scratch + 32, from, to);
    addParamGrads<T>(x, g, scratch + 32, parts, parts + (<P>D << 3), D, from, to);
  }
}

/** gw and gb from parts[pieces, 2, D]; either may be null. */
// @ts-ignore: decorator
@inline
function settle<T>(parts: P, pieces: I, gw: P, gb: P, D: I): void {
  for (let d: P = 0; d < <P>D; d++) {
    let a: f64 = 0;
    let b: f64 = 0;
    for (let i: P = 0; i < <P>pieces; i++) {
      const p = parts + ((i * 2 * D + d) << 3);
      a += load<f64>(p);
      b += load<f64>(p + (<P>D << 3));
    }
    if (gw != 0) store<T>(gw + d * sizeof<T>(), <T>a);
    if (gb != 0) store<T>(gb + d * sizeof<T>(), <T>b);
  }
}

/** scratch: 32 doubles for each call. */
export function layerNorm_f32(
  x: P, y: P, mean: P, rstd: P, weight: P, bias: P, scratch: P, D: I, eps: f64, r0: I, r1: I,
): void {
  forward<f32>(x, y, mean, rstd, weight, bias, scratch, D, eps, r0, r1);
}
/** gx and parts (float64 [2, D] for each call: sum g x^, sum g) may be null. */
export function layerNormBackward_f32(
  x: P, g: P, gx: P, mean: P, rstd: P, weight: P, scratch: P, parts: P, D: I, r0: I, r1: I,
): void {
  backward<f32>(x, g, gx, mean, rstd, weight, scratch, parts, D, r0, r1);
}
export function layerNormParamGrads_f32(parts: P, pieces: I, gw: P, gb: P, D: I): void {
  settle<f32>(parts, pieces, gw, gb, D);
}

/** scratch: 32 doubles for each call. */
export function layerNorm_f64(
  x: P, y: P, mean: P, rstd: P, weight: P, bias: P, scratch: P, D: I, eps: f64, r0: I, r1: I,
): void {
  forward<f64>(x, y, mean, rstd, weight, bias, scratch, D, eps, r0, r1);
}
/** gx and parts (float64 [2, D] for each call: sum g x^, sum g) may be null. */
export function layerNormBackward_f64(
  x: P, g: P, gx: P, mean: P, rstd: P, weight: P, scratch: P, parts: P, D: I, r0: I, r1: I,
): void {
  backward<f64>(x, g, gx, mean, rstd, weight, scratch, parts, D, r0, r1);
}
export function layerNormParamGrads_f64(parts: P, pieces: I, gw: P, gb: P, D: I): void {
  settle<f64>(parts, pieces, gw, gb, D);
}
