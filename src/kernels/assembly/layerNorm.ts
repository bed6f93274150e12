// Layer norm and RMS norm over contiguous rows [rows, D]. Statistics in float64; mean, rstd are saved in the
// element type (mean null: RMS norm). weight and bias [D] may be null. Threads split rows; gw, gb columns.
import { lanes } from "./lanes";
import { lanes2, load2, loadSome, store2, storeSome } from "./wide";

type P = usize;
type I = i32;

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

/** y = ((x - high) - low) * r * w + b, mean = high + low. */
// @ts-ignore: decorator
@inline
function mapRow<T>(x: P, y: P, w: P, b: P, n: I, mean: f64, rstd: f64): void {
  const high = v128.splat<T>(<T>mean);
  const low = v128.splat<T>(<T>(mean - <f64>(<T>mean)));
  const r = v128.splat<T>(<T>rstd);
  let i = 0;
  let o: P = 0;
  for (; i + lanes<T>() <= n; i += lanes<T>(), o += 16) {
    v128.store(y + o, mapLanes<T>(x + o, w, b, o, high, low, r, lanes<T>()));
  }
  if (i < n) storeSome<T>(y + o, mapLanes<T>(x + o, w, b, o, high, low, r, n - i), n - i);
}

// @ts-ignore: decorator
@inline
function mapLanes<T>(x: P, w: P, b: P, o: P, high: v128, low: v128, r: v128, k: I): v128 {
  let y = v128.mul<T>(v128.sub<T>(v128.sub<T>(loadSome<T>(x, k), high), low), r);
  if (w != 0) y = v128.mul<T>(y, loadSome<T>(w + o, k));
  if (b != 0) y = v128.add<T>(y, loadSome<T>(b + o, k));
  return y;
}

// @ts-ignore: decorator
@inline
function forward<T>(x: P, y: P, mean: P, rstd: P, w: P, b: P, D: I, eps: f64, r0: I, r1: I): void {
  const row = <P>D * sizeof<T>();
  for (let i = <P>r0; i < <P>r1; i++) {
    const p = x + i * row;
    let m: f64 = 0;
    if (mean != 0) {
      // About the first element, so that a constant row has exactly its mean.
      m = <f64>load<T>(p);
      m += rowSum<T>(false, p, D, m) / D;
      store<T>(mean + i * sizeof<T>(), <T>m);
    }
    const r = 1 / Math.sqrt(rowSum<T>(true, p, D, m) / D + eps);
    store<T>(rstd + i * sizeof<T>(), <T>r);
    mapRow<T>(p, y + i * row, w, b, D, m, r);
  }
}

/** With h = g w and x^ = (x - mean) rstd: gx = rstd (h - E[h] - x^ E[h x^]); RMS norm has no E[h]. */
// @ts-ignore: decorator
@inline
function backward<T>(x: P, g: P, gx: P, mean: P, rstd: P, w: P, D: I, r0: I, r1: I): void {
  const size = sizeof<T>();
  const row = <P>D * size;
  for (let i = <P>r0; i < <P>r1; i++) {
    const p = x + i * row;
    const q = g + i * row;
    const m: f64 = mean == 0 ? 0 : <f64>load<T>(mean + i * size);
    const r = <f64>load<T>(rstd + i * size);
    const ms = f64x2.splat(m);
    let a = f64x2.splat(0);
    let b = a;
    let j = 0;
    let o: P = 0;
    for (; j + 2 <= D; j += 2, o += 2 * size) {
      let h = load2<T>(q + o);
      if (w != 0) h = f64x2.mul(h, load2<T>(w + o));
      a = f64x2.add(a, h);
      b = f64x2.add(b, f64x2.mul(h, f64x2.sub(load2<T>(p + o), ms)));
    }
    let sum = lanes2(a);
    let product = lanes2(b);
    if (j < D) {
      let h = <f64>load<T>(q + o);
      if (w != 0) h *= <f64>load<T>(w + o);
      sum += h;
      product += h * (<f64>load<T>(p + o) - m);
    }
    const c = v128.splat<T>(<T>(mean == 0 ? 0 : sum / D));
    const k = v128.splat<T>(<T>((product / D) * r * r));
    const mT = v128.splat<T>(<T>m);
    const rT = v128.splat<T>(<T>r);
    o = 0;
    for (j = 0; j + lanes<T>() <= D; j += lanes<T>(), o += 16) {
      v128.store(gx + i * row + o, backLanes<T>(p + o, q + o, w, o, mT, rT, c, k, lanes<T>()));
    }
    if (j < D) storeSome<T>(gx + i * row + o, backLanes<T>(p + o, q + o, w, o, mT, rT, c, k, D - j), D - j);
  }
}

// @ts-ignore: decorator
@inline
function backLanes<T>(x: P, g: P, w: P, o: P, m: v128, r: v128, c: v128, k: v128, n: I): v128 {
  let h = loadSome<T>(g, n);
  if (w != 0) h = v128.mul<T>(h, loadSome<T>(w + o, n));
  const d = v128.mul<T>(v128.sub<T>(loadSome<T>(x, n), m), k);
  return v128.mul<T>(v128.sub<T>(v128.sub<T>(h, c), d), r);
}

/** gw[d] = sum g x^, gb[d] = sum g for columns [d0, d1); gb may be null. */
// @ts-ignore: decorator
@inline
function paramGrads<T>(x: P, g: P, mean: P, rstd: P, gw: P, gb: P, rows: I, D: I, d0: I, d1: I): void {
  const size = sizeof<T>();
  const row = <P>D * size;
  let d = d0;
  for (; d + 8 <= d1; d += 8) {
    const o = <P>d * size;
    let a0 = f64x2.splat(0), a1 = a0, a2 = a0, a3 = a0;
    let b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    let p = x + o;
    let q = g + o;
    for (let i: P = 0; i < <P>rows; i++, p += row, q += row) {
      const m = f64x2.splat(mean == 0 ? 0 : <f64>load<T>(mean + i * size));
      const r = f64x2.splat(<f64>load<T>(rstd + i * size));
      const g0 = load2<T>(q), g1 = load2<T>(q + 2 * size);
      const g2 = load2<T>(q + 4 * size), g3 = load2<T>(q + 6 * size);
      b0 = f64x2.add(b0, g0);
      b1 = f64x2.add(b1, g1);
      b2 = f64x2.add(b2, g2);
      b3 = f64x2.add(b3, g3);
      a0 = f64x2.add(a0, f64x2.mul(g0, f64x2.mul(f64x2.sub(load2<T>(p), m), r)));
      a1 = f64x2.add(a1, f64x2.mul(g1, f64x2.mul(f64x2.sub(load2<T>(p + 2 * size), m), r)));
      a2 = f64x2.add(a2, f64x2.mul(g2, f64x2.mul(f64x2.sub(load2<T>(p + 4 * size), m), r)));
      a3 = f64x2.add(a3, f64x2.mul(g3, f64x2.mul(f64x2.sub(load2<T>(p + 6 * size), m), r)));
    }
    put8<T>(gw, o, a0, a1, a2, a3);
    put8<T>(gb, o, b0, b1, b2, b3);
  }
  for (; d < d1; d++) {
    const o = <P>d * size;
    let a: f64 = 0;
    let b: f64 = 0;
    for (let i: P = 0; i < <P>rows; i++) {
      const m: f64 = mean == 0 ? 0 : <f64>load<T>(mean + i * size);
      const u = <f64>load<T>(g + i * row + o);
      b += u;
      a += u * ((<f64>load<T>(x + i * row + o) - m) * <f64>load<T>(rstd + i * size));
    }
    if (gw != 0) store<T>(gw + o, <T>a);
    if (gb != 0) store<T>(gb + o, <T>b);
  }
}

// @ts-ignore: decorator
@inline
function put8<T>(out: P, o: P, a: v128, b: v128, c: v128, d: v128): void {
  if (out == 0) return;
  store2<T>(out + o, a);
  store2<T>(out + o + 2 * sizeof<T>(), b);
  store2<T>(out + o + 4 * sizeof<T>(), c);
  store2<T>(out + o + 6 * sizeof<T>(), d);
}

export function layerNorm_f32(
  x: P, y: P, mean: P, rstd: P, weight: P, bias: P, D: I, eps: f64, r0: I, r1: I,
): void {
  forward<f32>(x, y, mean, rstd, weight, bias, D, eps, r0, r1);
}
export function layerNormBackward_f32(
  x: P, g: P, gx: P, mean: P, rstd: P, weight: P, D: I, r0: I, r1: I,
): void {
  backward<f32>(x, g, gx, mean, rstd, weight, D, r0, r1);
}
export function layerNormParamGrads_f32(
  x: P, g: P, mean: P, rstd: P, gw: P, gb: P, rows: I, D: I, d0: I, d1: I,
): void {
  paramGrads<f32>(x, g, mean, rstd, gw, gb, rows, D, d0, d1);
}

export function layerNorm_f64(
  x: P, y: P, mean: P, rstd: P, weight: P, bias: P, D: I, eps: f64, r0: I, r1: I,
): void {
  forward<f64>(x, y, mean, rstd, weight, bias, D, eps, r0, r1);
}
export function layerNormBackward_f64(
  x: P, g: P, gx: P, mean: P, rstd: P, weight: P, D: I, r0: I, r1: I,
): void {
  backward<f64>(x, g, gx, mean, rstd, weight, D, r0, r1);
}
export function layerNormParamGrads_f64(
  x: P, g: P, mean: P, rstd: P, gw: P, gb: P, rows: I, D: I, d0: I, d1: I,
): void {
  paramGrads<f64>(x, g, mean, rstd, gw, gb, rows, D, d0, d1);
}
