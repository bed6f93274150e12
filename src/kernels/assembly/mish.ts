/** mish(x) = x tanh(softplus(x)) and its gradient: with e = exp(x) and n = e (e + 2), tanh(softplus(x)) = n / (n + 2). */

import { lanes, loadPart, storePart } from "./lanes";
import { expWide } from "./math32";
import { exp64, k } from "./math64";

type P = usize;
type I = i32;

// Beyond 20 the factor is 1 to the last digit; the bound keeps n finite.
// @ts-ignore: decorator
@inline
function exponential(x: v128, wide: bool): v128 {
  const y = f64x2.pmin(x, k(20.0));
  return wide ? expWide(y) : exp64(y);
}

// Flushed below 1e-50, so that -infinity gives NaN at either precision, as in PyTorch.
// @ts-ignore: decorator
@inline
function flushed(t: v128): v128 {
  return v128.andnot(t, f64x2.lt(t, k(1.0e-50)));
}

// @ts-ignore: decorator
@inline
function value(x: v128, wide: bool): v128 {
  const e = exponential(x, wide);
  const n = f64x2.mul(e, f64x2.add(e, k(2.0)));
  const t = f64x2.div(n, f64x2.add(n, k(2.0)));
  return f64x2.mul(x, wide ? flushed(t) : t);
}

// n / (n + 2) + 4 x e (1 + e) / (n + 2)²
// @ts-ignore: decorator
@inline
function slope(x: v128, wide: bool): v128 {
  const e = exponential(x, wide);
  const n = f64x2.mul(e, f64x2.add(e, k(2.0)));
  const d = f64x2.div(k(1.0), f64x2.add(n, k(2.0)));
  const rise = f64x2.mul(f64x2.mul(f64x2.mul(k(4.0), e), f64x2.mul(f64x2.add(e, k(1.0)), d)), d);
  return f64x2.add(f64x2.mul(n, d), f64x2.mul(x, wide ? flushed(rise) : rise));
}

// @ts-ignore: decorator
@inline
function both<T>(v: v128, forward: bool): v128 {
  if (sizeof<T>() == 8) return forward ? value(v, false) : slope(v, false);
  const a = f64x2.promote_low_f32x4(v);
  const b = f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1));
  const low = f32x4.demote_f64x2_zero(forward ? value(a, true) : slope(a, true));
  const high = f32x4.demote_f64x2_zero(forward ? value(b, true) : slope(b, true));
  return v128.shuffle<i64>(low, high, 0, 2);
}

// @ts-ignore: decorator
@inline
function forward<T>(x: usize, out: usize, n: i32): void {
  for (; n >= lanes<T>(); n -= lanes<T>()) {
    v128.store(out, both<T>(v128.load(x), true));
    x += 16;
    out += 16;
  }
  if (n > 0) storePart<T>(out, both<T>(loadPart<T>(x, n), true), n);
}

// @ts-ignore: decorator
@inline
function backward<T>(g: usize, x: usize, out: usize, n: i32): void {
  for (; n >= lanes<T>(); n -= lanes<T>()) {
    v128.store(out, v128.mul<T>(v128.load(g), both<T>(v128.load(x), false)));
    g += 16;
    x += 16;
    out += 16;
  }
  if (n > 0) storePart<T>(out, v128.mul<T>(loadPart<T>(g, n), both<T>(loadPart<T>(x, n), false)), n);
}

export function mish_f32(x: P, out: P, n: I): void {
  forward<f32>(x, out, n);
}
export function mish_f64(x: P, out: P, n: I): void {
  forward<f64>(x, out, n);
}

export function mishBackward_f32(g: P, x: P, out: P, n: I): void {
  backward<f32>(g, x, out, n);
}
export function mishBackward_f64(g: P, x: P, out: P, n: I): void {
  backward<f64>(g, x, out, n);
}
