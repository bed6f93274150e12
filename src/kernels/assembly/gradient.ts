/** Flat gradients of activations: (g, x or y, out) with out = g * f'(x), the derivative in the comment. */

import { geluSlope64 } from "./erf64";
import { lanes, loadPart, storePart } from "./lanes";
import { c, exp32, geluTanhArgument, sigmoidWide } from "./math32";
import { exp64, k, mad, sigmoid64 } from "./math64";
import { sigmoid32, siluSlope32 } from "./soft32";

type P = usize;
type I = i32;

const RELU = 0;
const SIGMOID = 1;
const TANH = 2;
const LEAKY_RELU = 3;
const HARDSWISH = 4;
const HARDSIGMOID = 5;
const THRESHOLD = 6;
const HARDTANH = 7;
const CLAMP = 8;
const SHRINK = 9;

// @ts-ignore: decorator
@inline
function apply<T>(op: i32, g: v128, x: v128, a: v128, b: v128): v128 {
  const zero = v128.splat<T>(<T>0);
  const one = v128.splat<T>(<T>1);
  const three = v128.splat<T>(<T>3);
  // y > 0; a NaN passes g, as in PyTorch
  if (op == RELU) return v128.andnot(g, v128.le<T>(x, zero));
  // y (1 - y)
  if (op == SIGMOID) return v128.mul<T>(g, v128.mul<T>(v128.sub<T>(one, x), x));
  // 1 - y²
  if (op == TANH) return v128.mul<T>(g, v128.sub<T>(one, v128.mul<T>(x, x)));
  if (op == LEAKY_RELU) return v128.bitselect(g, v128.mul<T>(g, a), v128.gt<T>(x, zero));
  if (op == HARDSWISH) {
    // 0 | x/3 + 1/2 | 1, split at -3 and 3
    const middle = v128.mul<T>(g, v128.add<T>(v128.div<T>(x, three), v128.splat<T>(<T>0.5)));
    const right = v128.bitselect(g, middle, v128.ge<T>(x, three));
    return v128.andnot(right, v128.lt<T>(x, v128.splat<T>(<T>-3)));
  }
  if (op == HARDSIGMOID) {
    const inside = v128.lt<T>(v128.abs<T>(x), three);
    return v128.and(v128.mul<T>(g, v128.splat<T>(<T>(1.0 / 6.0))), inside);
  }
  if (op == THRESHOLD) return v128.andnot(g, v128.le<T>(x, a));
  if (op == HARDTANH) return v128.and(g, v128.and(v128.gt<T>(x, a), v128.lt<T>(x, b)));
  if (op == CLAMP) return v128.and(g, v128.and(v128.ge<T>(x, a), v128.le<T>(x, b)));
  return v128.and(g, v128.gt<T>(v128.abs<T>(x), a));
}

// @ts-ignore: decorator
@inline
function loop<T>(op: i32, g: usize, x: usize, out: usize, n: i32, p0: f64, p1: f64): void {
  const a = v128.splat<T>(<T>p0);
  const b = v128.splat<T>(<T>p1);
  for (; n >= 2 * lanes<T>(); n -= 2 * lanes<T>()) {
    v128.store(out, apply<T>(op, v128.load(g), v128.load(x), a, b));
    v128.store(out, apply<T>(op, v128.load(g, 16), v128.load(x, 16), a, b), 16);
    g += 32;
    x += 32;
    out += 32;
  }
  for (; n > 0; --n) {
    v128.store_lane<T>(out, apply<T>(op, v128.load_splat<T>(g), v128.load_splat<T>(x), a, b), 0);
    g += sizeof<T>();
    x += sizeof<T>();
    out += sizeof<T>();
  }
}

const GELU = 0;
const GELU_TANH = 1;
const SILU = 2;
const ELU = 3;
const SOFTPLUS = 4;
const LOG_SIGMOID = 5;

// y = x s(u): s + x s (1 - s) u', u' = 2 sqrt(2/pi) (1 + 3*0.044715 x²)
// @ts-ignore: decorator
@inline
function geluTanhSlope(x: v128, s: v128): v128 {
  const du = mad(k(0.21406444881780075), f64x2.mul(x, x), 1.5957691216057308);
  return f64x2.add(s, f64x2.mul(f64x2.mul(f64x2.mul(x, du), s), f64x2.sub(k(1.0), s)));
}

// Below 1e-50 flushed to zero, so that -infinity gives NaN at either precision, as in PyTorch.
// @ts-ignore: decorator
@inline
function geluTanhSlopeWide(x: v128): v128 {
  const s = sigmoidWide(geluTanhArgument(x));
  return geluTanhSlope(x, v128.andnot(s, f64x2.lt(s, k(1.0e-50))));
}

// @ts-ignore: decorator
@inline
function slope64(op: i32, x: v128, p0: f64, p1: f64, p2: f64): v128 {
  const one = k(1.0);
  // Phi(x) + x phi(x); float32 in gelu.ts
  if (op == GELU) return geluSlope64(x);
  if (op == GELU_TANH) return geluTanhSlope(x, sigmoid64(geluTanhArgument(x)));
  if (op == SILU) {
    // s (1 + x (1 - s))
    const s = sigmoid64(x);
    return f64x2.mul(s, f64x2.add(one, f64x2.mul(x, f64x2.sub(one, s))));
  }
  if (op == ELU) {
    // x > 0 ? scale : inputScale * scale * alpha * exp(inputScale * x)
    const below = f64x2.mul(k(p0 * p1 * p2), exp64(f64x2.mul(x, k(p2))));
    return v128.bitselect(k(p1), below, f64x2.gt(x, k(0.0)));
  }
  if (op == SOFTPLUS) {
    const z = f64x2.mul(x, k(p0));
    return v128.bitselect(one, sigmoid64(z), f64x2.gt(z, k(p1)));
  }
  // log sigmoid: s(-x)
  return sigmoid64(f64x2.neg(x));
}

// The same in float32, parameters rounded first, as PyTorch does.
// @ts-ignore: decorator
@inline
function slope32(op: i32, x: v128, p0: f64, p1: f64, p2: f64): v128 {
  if (op == GELU_TANH) {
    const low = geluTanhSlopeWide(f64x2.promote_low_f32x4(x));
    const high = geluTanhSlopeWide(f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 1)));
    return v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
  }
  if (op == SILU) return siluSlope32(x);
  if (op == ELU) {
    const below = f32x4.mul(c(<f32>(p0 * p1 * p2)), exp32(f32x4.mul(x, c(<f32>p2))));
    return v128.bitselect(c(<f32>p1), below, f32x4.gt(x, c(0.0)));
  }
  if (op == SOFTPLUS) {
    const z = f32x4.mul(x, c(<f32>p0));
    return v128.bitselect(c(1.0), sigmoid32(z), f32x4.gt(z, c(<f32>p1)));
  }
  return sigmoid32(f32x4.neg(x));
}

// The body runs before the loop is asked whether it ends: engines take constants out of such loops only.
// @ts-ignore: decorator
@inline
function loopSmooth<T>(op: i32, g: usize, x: usize, out: usize, n: i32, p0: f64, p1: f64, p2: f64): void {
  if (n <= 0) return;
  do {
    const full = n >= lanes<T>();
    const v = full ? v128.load(x) : loadPart<T>(x, n);
    const slope = sizeof<T>() == 4 ? slope32(op, v, p0, p1, p2) : slope64(op, v, p0, p1, p2);
    const y = v128.mul<T>(full ? v128.load(g) : loadPart<T>(g, n), slope);
    if (full) v128.store(out, y);
    else storePart<T>(out, y, n);
    g += 16;
    x += 16;
    out += 16;
    n -= lanes<T>();
  } while (n > 0);
}

export function reluBackward_f32(g: P, y: P, out: P, n: I): void {
  loop<f32>(RELU, g, y, out, n, 0.0, 0.0);
}
export function reluBackward_f64(g: P, y: P, out: P, n: I): void {
  loop<f64>(RELU, g, y, out, n, 0.0, 0.0);
}

export function sigmoidBackward_f32(g: P, y: P, out: P, n: I): void {
  loop<f32>(SIGMOID, g, y, out, n, 0.0, 0.0);
}
export function sigmoidBackward_f64(g: P, y: P, out: P, n: I): void {
  loop<f64>(SIGMOID, g, y, out, n, 0.0, 0.0);
}

export function tanhBackward_f32(g: P, y: P, out: P, n: I): void {
  loop<f32>(TANH, g, y, out, n, 0.0, 0.0);
}
export function tanhBackward_f64(g: P, y: P, out: P, n: I): void {
  loop<f64>(TANH, g, y, out, n, 0.0, 0.0);
}

export function leakyReluBackward_f32(g: P, x: P, out: P, n: I, slope: f64): void {
  loop<f32>(LEAKY_RELU, g, x, out, n, slope, 0.0);
}
export function leakyReluBackward_f64(g: P, x: P, out: P, n: I, slope: f64): void {
  loop<f64>(LEAKY_RELU, g, x, out, n, slope, 0.0);
}

export function hardswishBackward_f32(g: P, x: P, out: P, n: I): void {
  loop<f32>(HARDSWISH, g, x, out, n, 0.0, 0.0);
}
export function hardswishBackward_f64(g: P, x: P, out: P, n: I): void {
  loop<f64>(HARDSWISH, g, x, out, n, 0.0, 0.0);
}

export function hardsigmoidBackward_f32(g: P, x: P, out: P, n: I): void {
  loop<f32>(HARDSIGMOID, g, x, out, n, 0.0, 0.0);
}
export function hardsigmoidBackward_f64(g: P, x: P, out: P, n: I): void {
  loop<f64>(HARDSIGMOID, g, x, out, n, 0.0, 0.0);
}

export function thresholdBackward_f32(g: P, x: P, out: P, n: I, threshold: f64): void {
  loop<f32>(THRESHOLD, g, x, out, n, threshold, 0.0);
}
export function thresholdBackward_f64(g: P, x: P, out: P, n: I, threshold: f64): void {
  loop<f64>(THRESHOLD, g, x, out, n, threshold, 0.0);
}

export function hardtanhBackward_f32(g: P, x: P, out: P, n: I, min: f64, max: f64): void {
  loop<f32>(HARDTANH, g, x, out, n, min, max);
}
export function hardtanhBackward_f64(g: P, x: P, out: P, n: I, min: f64, max: f64): void {
  loop<f64>(HARDTANH, g, x, out, n, min, max);
}

export function clampBackward_f32(g: P, x: P, out: P, n: I, min: f64, max: f64): void {
  loop<f32>(CLAMP, g, x, out, n, min, max);
}
export function clampBackward_f64(g: P, x: P, out: P, n: I, min: f64, max: f64): void {
  loop<f64>(CLAMP, g, x, out, n, min, max);
}

export function shrinkBackward_f32(g: P, x: P, out: P, n: I, lambda: f64): void {
  loop<f32>(SHRINK, g, x, out, n, lambda, 0.0);
}
export function shrinkBackward_f64(g: P, x: P, out: P, n: I, lambda: f64): void {
  loop<f64>(SHRINK, g, x, out, n, lambda, 0.0);
}

export function geluBackward_f64(g: P, x: P, out: P, n: I): void {
  loopSmooth<f64>(GELU, g, x, out, n, 0.0, 0.0, 0.0);
}

export function geluTanhBackward_f32(g: P, x: P, out: P, n: I): void {
  loopSmooth<f32>(GELU_TANH, g, x, out, n, 0.0, 0.0, 0.0);
}
export function geluTanhBackward_f64(g: P, x: P, out: P, n: I): void {
  loopSmooth<f64>(GELU_TANH, g, x, out, n, 0.0, 0.0, 0.0);
}

export function siluBackward_f32(g: P, x: P, out: P, n: I): void {
  loopSmooth<f32>(SILU, g, x, out, n, 0.0, 0.0, 0.0);
}
export function siluBackward_f64(g: P, x: P, out: P, n: I): void {
  loopSmooth<f64>(SILU, g, x, out, n, 0.0, 0.0, 0.0);
}

export function eluBackward_f32(g: P, x: P, out: P, n: I, alpha: f64, scale: f64, inputScale: f64): void {
  loopSmooth<f32>(ELU, g, x, out, n, alpha, scale, inputScale);
}
export function eluBackward_f64(g: P, x: P, out: P, n: I, alpha: f64, scale: f64, inputScale: f64): void {
  loopSmooth<f64>(ELU, g, x, out, n, alpha, scale, inputScale);
}

export function softplusBackward_f32(g: P, x: P, out: P, n: I, beta: f64, threshold: f64): void {
  loopSmooth<f32>(SOFTPLUS, g, x, out, n, beta, threshold, 0.0);
}
export function softplusBackward_f64(g: P, x: P, out: P, n: I, beta: f64, threshold: f64): void {
  loopSmooth<f64>(SOFTPLUS, g, x, out, n, beta, threshold, 0.0);
}

export function logSigmoidBackward_f32(g: P, x: P, out: P, n: I): void {
  loopSmooth<f32>(LOG_SIGMOID, g, x, out, n, 0.0, 0.0, 0.0);
}
export function logSigmoidBackward_f64(g: P, x: P, out: P, n: I): void {
  loopSmooth<f64>(LOG_SIGMOID, g, x, out, n, 0.0, 0.0, 0.0);
}
